//! `sys/net/tap/if_tap.c`: made by the first open, destroyed by unloading the module.

use super::K;
use super::defects as d;
use super::if_c::{Cmd, if_attach, if_down, ifunit};
use super::if_ethersubr::ether_ifdetach;
use super::in_c::{AliasReq, in_control};
use super::lwkt::*;
use super::lwkt_serialize::{lwkt_serialize_enter, lwkt_serialize_exit};
use super::objects::*;
use super::route::{Old, Req, rtinit};
use super::sockaddr::{ifa_family, load_sa};
use super::{EBUSY, ENXIO, NIFS};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/net/tap/if_tap.c";

/// `tapopen`: it looks for the interface once, before tapcreate sleeps.
pub async fn tapopen(k: &K, name: u8) -> i32 {
    let _f = k.frame(&Func { name: "tapopen", file: FILE });
    control_enter(k, Some(d::CREATE_UNSERIALIZED)).await;
    if k.st.tap_unloading.get() {
        // dev_ops_remove: the device has nothing behind it.
        control_exit(k);
        return ENXIO;
    }
    let mut ifp = ifunit(k, name);
    if ifp.is_null() {
        k.yield_at("tapcreate:MALLOC").await;
        ifp = if_attach(k, name, Driver::Tap, IFF_BROADCAST | IFF_MULTICAST);
    } else {
        let _ifp = k.hold(ObjRef::of(ifp), false);
        k.yield_at("tapopen:ifnet_attach_event").await;
    }
    let error = if ifp.is_null() {
        ENXIO
    } else if k[ifp].open.get() {
        EBUSY
    } else {
        k[ifp].open.set(true);
        0
    };
    control_exit(k);
    error
}

/// `tapclose`.
pub async fn tapclose(k: &K, name: u8) -> i32 {
    let _f = k.frame(&Func { name: "tapclose", file: FILE });
    control_enter(k, Some(d::CLOSE_UNSERIALIZED)).await;
    let ifp = ifunit(k, name);
    if ifp.is_null() || !k[ifp].open.get() {
        control_exit(k);
        return ENXIO;
    }
    let _ifp = k.hold(ObjRef::of(ifp), false);
    lwkt_serialize_enter(k, ifp, "tapclose:lwkt_serialize_enter").await;
    lwkt_serialize_exit(k, ifp);
    if k[ifp].if_flags.get() & IFF_UP != 0 {
        k.yield_at("tapclose:ifnet_detach_event").await;
        if_down(k, ifp).await;
        let zeroes = k.on(d::C4_TAPCLOSE_ZEROES);
        if zeroes {
            lwkt_serialize_enter(k, ifp, "tapclose:lwkt_serialize_enter").await;
        }
        if k[ifp].if_flags.get() & IFF_RUNNING != 0 {
            if zeroes {
                zero_addresses(k, ifp).await;
            } else {
                if_purgeaddrs_nolink(k, ifp).await;
            }
            k[ifp].if_flags.set(k[ifp].if_flags.get() & !IFF_RUNNING);
        }
        if zeroes {
            lwkt_serialize_exit(k, ifp);
        }
    }
    k[ifp].open.set(false);
    control_exit(k);
    0
}

/// As reported: deletes the routes, and zeroes the three sockaddrs in place. The
/// in_ifaddr stays on all its lists.
async fn zero_addresses(k: &K, ifp: IfId) {
    let mut i = k[ifp].if_addrhead.first.get();
    while !i.is_null() && k.fuel() {
        if ifa_family(k, i) == AF_INET {
            rtinit(k, i, Req::Delete, 0, Old::default()).await;
            for p in [k[i].ifa_addr.get(), k[i].ifa_dstaddr.get(), k[i].ifa_netmask.get()] {
                bzero_sa(k, p);
            }
        }
        i = k[i].ifa_link.next.get();
    }
}

/// `bzero(sa, sizeof(*sa))`.
fn bzero_sa(k: &K, p: Sa) {
    match p {
        Sa::Addr(i) => k[i].ia_addr.set(Sin::default()),
        Sa::Dst(i) => k[i].ia_dstaddr.set(Sin::default()),
        Sa::Mask(i) => k[i].ia_sockmask.set(Sin::default()),
        p => {
            load_sa(k, p, "bzero(ifa->ifa_addr)");
        }
    }
}

/// `if_purgeaddrs_nolink` (2007-12-31, c727e14292): deletes the addresses by in_control.
async fn if_purgeaddrs_nolink(k: &K, ifp: IfId) {
    loop {
        let mut i = k[ifp].if_addrhead.first.get();
        while !i.is_null() && k.fuel() && !k[i].is_in.get() {
            i = k[i].ifa_link.next.get();
        }
        if i.is_null() || !k.fuel() {
            return;
        }
        let req = AliasReq { addr: k[i].ia_addr.get().addr, ..AliasReq::default() };
        if in_control(k, Cmd::Difaddr, ifp, req).await != 0 {
            return;
        }
    }
}

/// `tapmodevent(MOD_UNLOAD)`: EBUSY while one is open, else all of them go, and meanwhile no
/// device is opened. The next open after that finds the module loaded again.
pub async fn tapmodevent_unload(k: &K) -> i32 {
    let _f = k.frame(&Func { name: "tapmodevent", file: FILE });
    control_enter(k, Some(d::DETACH_UNSERIALIZED)).await;
    let tap = |name: u8| {
        let ifp = ifunit(k, name);
        (!ifp.is_null() && k[ifp].driver.get() == Driver::Tap).then_some(ifp)
    };
    if (0..NIFS as u8).filter_map(tap).any(|i| k[i].open.get()) {
        control_exit(k);
        return EBUSY;
    }
    k.st.tap_unloading.set(true);
    for name in 0..NIFS as u8 {
        // Of a name that two openers have made there are two.
        while k.fuel()
            && let Some(ifp) = tap(name)
        {
            ether_ifdetach(k, ifp).await;
        }
    }
    k.st.tap_unloading.set(false);
    control_exit(k);
    0
}
