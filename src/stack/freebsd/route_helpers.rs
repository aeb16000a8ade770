//! `sys/net/route/route_helpers.c`: what the stack asks of a RIB.

use super::if_c::ifaof_ifpforaddr;
use super::in_fib::fib4_lookup;
use super::in6_fib::fib6_lookup;
use super::nhop_ctl::{nhop_alloc, nhop_get_nhop, nhop_set_gw, nhop_set_pxtype_flag};
use super::objects::*;
use super::route_ctl::rib_add_route_px;
use super::{ENOENT, ENOMEM, K};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/net/route/route_helpers.c";

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

/// `rib_lookup`: by `fib4_lookup` or `fib6_lookup`.
pub async fn rib_lookup(k: &K, af: Af, dst: Addr) -> NhId {
    match af {
        Af::Inet => fib4_lookup(k, dst).await,
        _ => fib6_lookup(k, dst).await,
    }
}
