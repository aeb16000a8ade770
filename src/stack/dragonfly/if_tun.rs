//! `sys/net/tun/if_tun.c`: made by the first open, never destroyed.

use super::K;
use super::defects as d;
use super::if_c::{if_attach, if_down, ifunit};
use super::lwkt::*;
use super::lwkt_serialize::{lwkt_serialize_enter, lwkt_serialize_exit};
use super::objects::*;
use super::route::{Old, Req, rtinit};
use super::sockaddr::{ifa_family, load_sa};
use super::{EBUSY, ENXIO};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/net/tun/if_tun.c";

/// `tunopen`: it looks for the interface once, before tuncreate sleeps.
pub async fn tunopen(k: &K, name: u8) -> i32 {
    let _f = k.frame(&Func { name: "tunopen", file: FILE });
    control_enter(k, Some(d::CREATE_UNSERIALIZED)).await;
    let mut ifp = ifunit(k, name);
    if ifp.is_null() {
        k.yield_at("tuncreate:MALLOC").await;
        ifp = if_attach(k, name, Driver::Tun, IFF_POINTOPOINT | IFF_MULTICAST);
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

/// `tunclose`: if_down and the deletion of the routes, as reported both under the
/// serializer. IFA_ROUTE is not touched.
pub async fn tunclose(k: &K, name: u8) -> i32 {
    let _f = k.frame(&Func { name: "tunclose", file: FILE });
    control_enter(k, Some(d::CLOSE_UNSERIALIZED)).await;
    let ifp = ifunit(k, name);
    if ifp.is_null() || !k[ifp].open.get() {
        control_exit(k);
        return ENXIO;
    }
    let _ifp = k.hold(ObjRef::of(ifp), false);
    k[ifp].open.set(false);
    lwkt_serialize_enter(k, ifp, "tunclose:lwkt_serialize_enter").await;
    lwkt_serialize_exit(k, ifp);
    let under = k.on(d::W10_TUNCLOSE);
    if k[ifp].if_flags.get() & IFF_UP != 0 {
        if under {
            lwkt_serialize_enter(k, ifp, "tunclose:lwkt_serialize_enter").await;
        }
        if_down(k, ifp).await;
        if under {
            lwkt_serialize_exit(k, ifp);
        }
    }
    if k[ifp].if_flags.get() & IFF_RUNNING != 0 {
        if under {
            lwkt_serialize_enter(k, ifp, "tunclose:lwkt_serialize_enter").await;
        }
        let flags = if k[ifp].tun_dstaddr.get() { RTF_HOST } else { 0 };
        let mut i = k[ifp].if_addrhead.first.get();
        while !i.is_null() && k.fuel() {
            if ifa_family(k, i) == AF_INET {
                let _ifa = hold_ia(k, i);
                rtinit(k, i, Req::Delete, flags, Old::default()).await;
            }
            i = k[i].ifa_link.next.get();
        }
        k[ifp].if_flags.set(k[ifp].if_flags.get() & !IFF_RUNNING);
        if under {
            lwkt_serialize_exit(k, ifp);
        }
    }
    control_exit(k);
    0
}

/// `tuninit`: reads every address of the interface.
pub fn tuninit(k: &K, ifp: IfId) -> i32 {
    let i = &k[ifp];
    i.if_flags.set(i.if_flags.get() | IFF_UP | IFF_RUNNING);
    let mut a = i.if_addrhead.first.get();
    while !a.is_null() && k.fuel() {
        if ifa_family(k, a) == AF_INET
            && let Some(dst) = load_sa(k, k[a].ifa_dstaddr.get(), "ifa->ifa_dstaddr")
            && dst.addr != 0
        {
            i.tun_dstaddr.set(true);
        }
        a = k[a].ifa_link.next.get();
    }
    0
}
