//! `sys/net/route/route_helpers.c`: what the stack asks of a RIB, and `rt_flushifroutes` of
//! `sys/net/route.c`.

use super::defects as d;
use super::fib_algo::fib_flush_ifp;
use super::nd6::check_release_defrouter;
use super::nhgrp_ctl::Paths;
use super::nhop_ctl::{nhop_alloc, nhop_get_nhop, nhop_set_gw, nhop_set_pxtype_flag};
use super::objects::*;
use super::route::ifaof_ifpforaddr;
use super::route_ctl::{Filter, Prio, RibCmdInfo, Rtm, rib_add_route_px, rib_walk_del_prio};
use super::{ENOENT, ENOMEM, K};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/net/route/route_helpers.c";

/// `rib_walk_del`, `rib_foreach_table_walk_del`: there is one FIB.
pub async fn rib_walk_del(k: &K, af: Af, filter: Filter) {
    rib_walk_del_prio(k, af, Prio::Normal, filter).await;
}

/// `rt_flushifroutes` (`route.c`): the routes of an interface that is being detached.
///
/// The original leaves pinned routes, which nobody deletes any more, and those that have
/// the interface as nh_aifp only. It also leaves to a callout what the FIB instances still
/// know of the interface.
pub async fn rt_flushifroutes(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "rt_flushifroutes", file: "sys/net/route.c" });
    let pinned_stay = k.on(d::RT_FLUSHIFROUTES_NORMAL_PRIORITY);
    let prio = if pinned_stay { Prio::Normal } else { Prio::High };
    for af in [Af::Inet, Af::Inet6] {
        rib_walk_del_prio(k, af, prio, Filter::Ifp(ifp)).await;
        if !k.on(d::FIB_GATEWAY_DELETE_DELAYED) {
            fib_flush_ifp(k, af, ifp).await;
        }
    }
}

/// `rib_add_default_route`: the default route of a router, neither static nor pinned.
pub async fn rib_add_default_route(k: &K, af: Af, ifp: IfId, gw: Addr) -> i32 {
    let _f = k.frame(&Func { name: "rib_add_default_route", file: FILE });
    let ifa = ifaof_ifpforaddr(k, af, gw, ifp);
    if ifa.is_null() {
        return ENOENT;
    }
    let _ifa = k.hold(ObjRef::of(ifa), false);
    let nh = nhop_alloc(k, af);
    if nh.is_null() {
        return ENOMEM;
    }
    nhop_set_gw(k, nh, Gw::Addr(gw), true);
    k[nh].nh_ifp.set(ifp);
    k[nh].nh_ifa.set(ifa);
    nhop_set_pxtype_flag(k, nh, NHF_DEFAULT);
    match nhop_get_nhop(k, nh).await {
        Ok(nh) => rib_add_route_px(k, af, Prefix::default(), nh, 0).await,
        Err(error) => error,
    }
}

/// `nd6_subscription_cb` (`nd6.c`), with `rib_decompose_notification`: a router whose
/// default route goes is no longer the installed one.
///
/// The decomposition is for changes from and to groups; whoever built it in (ROUTE_MPATH)
/// is not told of a single route.
pub async fn nd6_subscription_cb(k: &K, rc: &RibCmdInfo<'_>) {
    let is_group = |nh| matches!(nh, NhRef::Nhg(_));
    let (old, new) = (rc.rc_nh_old, rc.rc_nh_new);
    let told = match rc.rc_cmd {
        Rtm::Add => false,
        Rtm::Delete => is_group(old),
        Rtm::Change => is_group(old) || is_group(new),
    };
    if !told {
        return;
    }
    let _f = k.frame(&Func { name: "nd6_subscription_cb", file: "sys/netinet6/nd6.c" });
    let stays = Paths::of(k, new);
    for nh in Paths::of(k, old).iter() {
        if k[nh].nh_flags.get() & NHF_DEFAULT != 0 && stays.iter().all(|n| n != nh) {
            check_release_defrouter(k, nh).await;
        }
    }
}
