//! `sys/dev/netif/em/if_em.c`: interfaces that come and go with hardware or modules.

use super::K;
use super::defects as d;
use super::if_c::{if_attach, ifunit};
use super::if_ethersubr::ether_ifdetach;
use super::lwkt::*;
use super::lwkt_serialize::{lwkt_serialize_enter, lwkt_serialize_exit};
use super::objects::*;
use super::{EEXIST, ENXIO};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/dev/netif/em/if_em.c";

/// `em_attach`: the driver finds its device.
pub async fn em_attach(k: &K, name: u8) -> i32 {
    let _f = k.frame(&Func { name: "em_attach", file: FILE });
    control_enter(k, Some(d::DETACH_UNSERIALIZED)).await;
    let error = if ifunit(k, name).is_null() {
        if_attach(k, name, Driver::Em, IFF_BROADCAST | IFF_MULTICAST);
        0
    } else {
        EEXIST
    };
    control_exit(k);
    error
}

/// `em_detach`: the device goes.
pub async fn em_detach(k: &K, name: u8) -> i32 {
    let _f = k.frame(&Func { name: "em_detach", file: FILE });
    control_enter(k, Some(d::DETACH_UNSERIALIZED)).await;
    let ifp = ifunit(k, name);
    let error = if ifp.is_null() {
        ENXIO
    } else {
        let _ifp = k.hold(ObjRef::of(ifp), false);
        lwkt_serialize_enter(k, ifp, "em_detach:lwkt_serialize_enter").await;
        k[ifp].if_flags.set(k[ifp].if_flags.get() & !IFF_RUNNING);
        lwkt_serialize_exit(k, ifp);
        ether_ifdetach(k, ifp).await;
        0
    };
    control_exit(k);
    error
}
