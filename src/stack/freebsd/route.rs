//! `sys/net/route.c`: which address and which interface a route gets, and the routes of an
//! interface that goes.

use super::defects as d;
use super::fib_algo::fib_flush_ifp;
use super::if_c::{
    ifa_ifwithaddr, ifa_ifwithdstaddr, ifa_ifwithnet, ifaof_ifpforaddr, ifas, ifnet_byindex,
};
use super::in_c::dying;
use super::objects::*;
use super::route_ctl::{Filter, Prio, RtAddrinfo, rib_walk_del_prio};
use super::route_helpers::rib_lookup;
use super::{ENETUNREACH, K};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/net/route.c";

/// The AF_LINK address of the interface of an index. Repaired, a dying one has none: `if_addr`
/// still names what its detach has freed.
fn ifa_ifwithindex(k: &K, index: u8) -> IfaId {
    let ifp = ifnet_byindex(k, index);
    let gone = |ifp| !k.on(d::ROUTE_ADD_DYING_IFP) && dying(k, ifp);
    if ifp.is_null() || gone(ifp) { IfaId::NULL } else { k[ifp].if_addr.get() }
}

/// `ifa_ifwithroute`: the address of a route, by its gateway or, for a route without one,
/// by its destination.
async fn ifa_ifwithroute(k: &K, info: &RtAddrinfo) -> IfaId {
    let _f = k.frame(&Func { name: "ifa_ifwithroute", file: FILE });
    let (af, dst) = (info.af, info.dst.addr);
    let mut ifa = IfaId::NULL;
    if info.rti_flags & RTF_GATEWAY == 0 {
        if info.is_host() {
            ifa = ifa_ifwithdstaddr(k, af, dst);
        }
        if let (true, Gw::Addr(own)) = (ifa.is_null(), info.gateway) {
            ifa = ifa_ifwithaddr(k, af, own);
        }
    } else if let Gw::Addr(gw) = info.gateway {
        ifa = ifa_ifwithdstaddr(k, af, gw);
    }
    if ifa.is_null() {
        ifa = match info.gateway {
            Gw::Addr(gw) => ifa_ifwithnet(k, af, gw),
            Gw::Link(index) => ifa_ifwithindex(k, index),
            Gw::None => IfaId::NULL,
        };
    }
    if let (true, Gw::Addr(gw)) = (ifa.is_null(), info.gateway) {
        let nh = rib_lookup(k, af, gw).await;
        if nh.is_null() || k[nh].nh_flags.get() & NHF_DEFAULT != 0 {
            return IfaId::NULL;
        }
        ifa = k[nh].nh_ifa.get();
    }
    if !ifa.is_null() && k[ifa].af.get() != af {
        let better = ifaof_ifpforaddr(k, af, dst, k[ifa].ifa_ifp.get());
        if !better.is_null() {
            ifa = better;
        }
    }
    ifa
}

/// `rt_getifa_fib`: fills in the address and the interface of a route.
pub async fn rt_getifa_fib(k: &K, info: &mut RtAddrinfo) -> i32 {
    let _f = k.frame(&Func { name: "rt_getifa_fib", file: FILE });
    if info.rti_ifa.is_null() {
        if info.rti_ifp.is_null() {
            info.rti_ifa = ifa_ifwithroute(k, info).await;
        } else {
            let by = match info.gateway {
                Gw::Addr(gw) if info.rti_flags & RTF_GATEWAY != 0 => gw,
                _ => info.dst.addr,
            };
            info.rti_ifa = ifaof_ifpforaddr(k, info.af, by, info.rti_ifp);
            if info.rti_ifa.is_null() {
                info.rti_ifa = match info.gateway {
                    Gw::Addr(gw) => ifaof_ifpforaddr(k, info.af, gw, info.rti_ifp),
                    Gw::Link(_) => ifas(k, info.rti_ifp, Af::Link).next().unwrap_or(IfaId::NULL),
                    Gw::None => IfaId::NULL,
                };
            }
        }
    }
    if info.rti_ifa.is_null() {
        return ENETUNREACH;
    }
    let _ifa = k.hold(ObjRef::of(info.rti_ifa), false);
    k.yield_at("rt_getifa_fib:ifa").await;
    if info.rti_ifp.is_null() {
        info.rti_ifp = k[info.rti_ifa].ifa_ifp.get();
    }
    0
}

/// `rt_flushifroutes`: the routes of an interface that is being detached.
///
/// The original leaves pinned routes, which nobody deletes any more, and those that have
/// the interface as nh_aifp only. It also leaves to a callout what the FIB instances still
/// know of the interface.
pub async fn rt_flushifroutes(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "rt_flushifroutes", file: FILE });
    let pinned_stay = k.on(d::RT_FLUSHIFROUTES_NORMAL_PRIORITY);
    let prio = if pinned_stay { Prio::Normal } else { Prio::High };
    for af in [Af::Inet, Af::Inet6] {
        rib_walk_del_prio(k, af, prio, Filter::Ifp(ifp)).await;
        if !k.on(d::FIB_GATEWAY_DELETE_DELAYED) {
            fib_flush_ifp(k, af, ifp).await;
        }
    }
}
