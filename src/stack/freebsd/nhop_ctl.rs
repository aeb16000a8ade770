//! `sys/net/route/nhop_ctl.c`: nexthops as objects.
//!
//! A nexthop is made from what a request says, then looked for in the hash: one that says
//! the same is used in its place. Only a nexthop that is *finalized* has references of its
//! own, one on its address and one on each of its interfaces; before that its pointers are
//! bare, and what protects them is the epoch section that every routing change runs in.
//! Finalizing asks whether somebody still holds those three, not whether the interface is
//! being detached.

use super::K;
use super::if_c::{if_rele, if_try_ref, ifa_free, ifa_try_ref, ifnet_byindex};
use super::in6_rmx::rib6_augment_nh;
use super::invariants as inv;
use super::nhgrp_ctl::{nhgrp_free, nhgrp_ref_object};
use super::nhop::{find_nhop, link_nhop, unlink_nhop};
use super::objects::*;
use super::route_ctl::RtAddrinfo;
use super::subr_epoch::{Callback, net_epoch_call, net_epoch_enter, net_epoch_exit};
use super::uma;
use super::{EINVAL, ENOMEM};
use crate::kern::hands::Hold;
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;
use crate::stack::EAGAIN;
use std::future::Future;

const FILE: &str = "sys/net/route/nhop_ctl.c";

/// The flags that a change takes from the request (`RT_CHANGE_RTFLAGS_MASK`), as far as
/// this stack has them.
const RT_CHANGE_RTFLAGS_MASK: u32 = RTF_STATIC;

/// The object behind a pointer that may be a group.
pub fn object(nh: NhRef) -> ObjRef {
    match nh {
        NhRef::Null => ObjRef::NONE,
        NhRef::Nh(nh) => ObjRef::of(nh),
        NhRef::Nhg(nhg) => ObjRef::of(nhg),
    }
}

/// Registers a nexthop or group that the current thread has in hand; nothing for NULL.
pub fn hold(k: &K, nh: NhRef, counted: bool) -> Option<Hold<'_>> {
    (!nh.is_null()).then(|| k.hold(object(nh), counted))
}

// ---- references --------------------------------------------------------------

/// `nhop_ref_object`.
#[track_caller]
pub fn nhop_ref_object(k: &K, nh: NhId) {
    let n = k[nh].nh_refcnt.inc();
    k.record_ref(ObjRef::of(nh), 1, n);
    if n == 1 {
        k.violate(&inv::I06_ACQUIRE_FROM_ZERO, ObjRef::of(nh), ObjRef::NONE, [0, 0]);
    }
}

/// `nhop_try_ref_object`: whether there was a reference to begin with.
#[track_caller]
pub fn nhop_try_ref_object(k: &K, nh: NhId) -> bool {
    let alive = k[nh].nh_refcnt.get() != 0;
    if alive {
        nhop_ref_object(k, nh);
    }
    alive
}

/// `nhop_ref_any`.
#[track_caller]
pub fn nhop_ref_any(k: &K, nh: NhRef) {
    match nh {
        NhRef::Null => {}
        NhRef::Nh(nh) => nhop_ref_object(k, nh),
        NhRef::Nhg(nhg) => nhgrp_ref_object(k, nhg),
    }
}

/// `nhop_free`: gives a reference up, at the call; what follows from the last one is
/// awaited.
#[track_caller]
pub fn nhop_free(k: &K, nh: NhId) -> impl Future<Output = ()> + '_ {
    let last = release(k, nh);
    async move {
        if last {
            free_last(k, nh).await;
        }
    }
}

#[track_caller]
fn release(k: &K, nh: NhId) -> bool {
    if k[nh].nh_refcnt.get() == 0 {
        k.violate(&inv::I06_RELEASE_AT_ZERO, ObjRef::of(nh), ObjRef::NONE, [0, 0]);
    }
    let n = k[nh].nh_refcnt.dec();
    k.record_ref(ObjRef::of(nh), -1, n);
    n == 0
}

/// The rest of `nhop_free`: nobody holds the nexthop any more.
async fn free_last(k: &K, nh: NhId) {
    let _f = k.frame(&Func { name: "nhop_free", file: FILE });
    if !k[nh].nh_finalized.get() {
        uma::free(k, |s| &s.nhops, nh);
        return;
    }
    // Still in the hash, with a count of 0.
    let _nh = k.hold(ObjRef::of(nh), false);
    k.yield_at("nhop_free:unlink").await;
    net_epoch_enter(k);
    let linked = &k[nh].nh_linked;
    if linked.get() > 1 {
        linked.dec();
        if !unlink_nhop(k, nh).await {
            net_epoch_exit(k);
            return;
        }
    }
    net_epoch_exit(k);
    net_epoch_call(k, Callback::DestroyNhop(nh));
}

/// `nhop_free_any`: gives the reference up at the call, like [`nhop_free`].
#[track_caller]
pub fn nhop_free_any(k: &K, nh: NhRef) -> impl Future<Output = ()> + '_ {
    let last = release_any(k, nh);
    async move {
        if last {
            free_last_any(k, nh).await;
        }
    }
}

/// The first half of [`nhop_free_any`]: gives the reference up; whether it was the last.
#[track_caller]
pub fn release_any(k: &K, nh: NhRef) -> bool {
    match nh {
        NhRef::Null => false,
        NhRef::Nh(nh) => release(k, nh),
        NhRef::Nhg(nhg) => super::nhgrp_ctl::release(k, nhg),
    }
}

/// Its second half, when it was the last.
pub async fn free_last_any(k: &K, nh: NhRef) {
    match nh {
        NhRef::Null => {}
        NhRef::Nh(nh) => free_last(k, nh).await,
        NhRef::Nhg(nhg) => nhgrp_free(k, nhg).await,
    }
}

/// `destroy_nhop`.
fn destroy_nhop(k: &K, nh: NhId) {
    let _f = k.frame(&Func { name: "destroy_nhop", file: FILE });
    let (ifp, aifp, ifa) = (k[nh].nh_ifp.get(), k[nh].nh_aifp.get(), k[nh].nh_ifa.get());
    // From here on the references are this thread's to give up.
    k[nh].nh_finalized.set(false);
    if_rele(k, ifp);
    if_rele(k, aifp);
    ifa_free(k, ifa);
    uma::free(k, |s| &s.nhops, nh);
}

/// `destroy_nhop_epoch`: an epoch callback.
pub fn destroy_nhop_epoch(k: &K, nh: NhId) {
    let _f = k.frame(&Func { name: "destroy_nhop_epoch", file: FILE });
    destroy_nhop(k, nh);
}

// ---- what a nexthop says -----------------------------------------------------

/// `nhop_alloc`: one reference, the caller's; NULL when there is no memory.
pub fn nhop_alloc(k: &K, af: Af) -> NhId {
    if k.fails("nhop_alloc") {
        return NhId::NULL;
    }
    let nh = uma::alloc(k, |s| &s.nhops);
    if !nh.is_null() {
        k[nh].af.set(af);
        k[nh].nh_refcnt.set(1);
        k.record_ref(ObjRef::of(nh), 1, 1);
    }
    nh
}

/// `nhop_copy`.
pub fn nhop_copy(k: &K, nh: NhId, orig: NhId) {
    let (to, from) = (&k[nh], &k[orig]);
    to.nh_flags.set(from.nh_flags.get());
    to.gw.set(from.gw.get());
    to.nh_ifp.set(from.nh_ifp.get());
    to.nh_ifa.set(from.nh_ifa.get());
    to.nh_aifp.set(from.nh_aifp.get());
    to.rt_flags.set(from.rt_flags.get());
}

/// `nhop_set_gw`, `nhop_set_direct_gw`: the gateway, and whether it is one.
pub fn nhop_set_gw(k: &K, nh: NhId, gw: Gw, is_gw: bool) {
    let n = &k[nh];
    n.gw.set(gw);
    let (flags, rt_flags) = (n.nh_flags.get(), n.rt_flags.get());
    if is_gw {
        n.nh_flags.set(flags | NHF_GATEWAY);
        n.rt_flags.set(rt_flags | RTF_GATEWAY);
    } else {
        n.nh_flags.set(flags & !NHF_GATEWAY);
        n.rt_flags.set(rt_flags & !RTF_GATEWAY);
    }
}

/// `nhop_set_pxtype_flag`.
pub fn nhop_set_pxtype_flag(k: &K, nh: NhId, flag: u16) {
    let n = &k[nh];
    n.nh_flags.set(n.nh_flags.get() & !(NHF_HOST | NHF_DEFAULT) | flag);
    let host = if flag == NHF_HOST { RTF_HOST } else { 0 };
    n.rt_flags.set(n.rt_flags.get() & !RTF_HOST | host);
}

/// `get_aifp`: the interface of the address that the route is for; for a self route
/// through lo0 the one that its gateway names.
fn get_aifp(k: &K, nh: NhId) -> IfId {
    let ifp = k[nh].nh_ifp.get();
    let mut aifp = IfId::NULL;
    if k[ifp].if_flags.get() & IFF_LOOPBACK != 0
        && let Gw::Link(index) = k[nh].gw.get()
    {
        aifp = ifnet_byindex(k, index);
    }
    if aifp.is_null() { ifp } else { aifp }
}

/// `set_nhop_gw_from_info`: an interface route names its interface by index, and nobody
/// asks whether that one is being detached.
async fn set_nhop_gw_from_info(k: &K, nh: NhId, info: &RtAddrinfo) -> i32 {
    let _f = k.frame(&Func { name: "set_nhop_gw_from_info", file: FILE });
    let is_gw = info.rti_flags & RTF_GATEWAY != 0;
    match info.gateway {
        Gw::Link(index) if !is_gw => {
            let ifp = ifnet_byindex(k, index);
            if ifp.is_null() {
                return EINVAL;
            }
            let _ifp = k.hold(ObjRef::of(ifp), false);
            k.yield_at("set_nhop_gw_from_info:ifnet_byindex").await;
            nhop_set_gw(k, nh, Gw::Link(k[ifp].if_index.get()), false);
        }
        gw => nhop_set_gw(k, nh, gw, is_gw),
    }
    0
}

/// `rib4_set_nh_pfxflags`, `rib6_set_nh_pfxflags` (`in_rmx.c`, `in6_rmx.c`).
fn rnh_set_nh_pfxflags(k: &K, nh: NhId, info: &RtAddrinfo) {
    let flag = match info.dst.bits {
        _ if info.is_host() => NHF_HOST,
        0 => NHF_DEFAULT,
        _ => 0,
    };
    nhop_set_pxtype_flag(k, nh, flag);
}

/// `nhop_create_from_info`: the nexthop that a request describes, with a reference.
pub async fn nhop_create_from_info(k: &K, info: &RtAddrinfo) -> Result<NhId, i32> {
    let _f = k.frame(&Func { name: "nhop_create_from_info", file: FILE });
    if info.gateway == Gw::None {
        return Err(EINVAL);
    }
    let nh = nhop_alloc(k, info.af);
    if nh.is_null() {
        return Err(ENOMEM);
    }
    let in_hand = k.hold(ObjRef::of(nh), true);
    let error = set_nhop_gw_from_info(k, nh, info).await;
    if error != 0 {
        let freed = nhop_free(k, nh);
        drop(in_hand);
        freed.await;
        return Err(error);
    }
    k[nh].nh_ifp.set(info.rti_ifp);
    rnh_set_nh_pfxflags(k, nh, info);
    let kept = k[nh].rt_flags.get() & (RTF_GATEWAY | RTF_HOST);
    k[nh].rt_flags.set(info.rti_flags & (RTF_PINNED | RTF_STATIC) | kept);
    k[nh].nh_ifa.set(info.rti_ifa);
    drop(in_hand);
    nhop_get_nhop(k, nh).await
}

/// `nhop_create_from_nhop`: the nexthop `orig` with what a change asks for.
pub async fn nhop_create_from_nhop(k: &K, orig: NhId, info: &RtAddrinfo) -> Result<NhId, i32> {
    let _f = k.frame(&Func { name: "nhop_create_from_nhop", file: FILE });
    let nh = nhop_alloc(k, info.af);
    if nh.is_null() {
        return Err(ENOMEM);
    }
    let in_hand = k.hold(ObjRef::of(nh), true);
    nhop_copy(k, nh, orig);
    let error = alter_nhop_from_info(k, nh, info).await;
    if error != 0 {
        let freed = nhop_free(k, nh);
        drop(in_hand);
        freed.await;
        return Err(error);
    }
    drop(in_hand);
    nhop_get_nhop(k, nh).await
}

/// `alter_nhop_from_info`.
async fn alter_nhop_from_info(k: &K, nh: NhId, info: &RtAddrinfo) -> i32 {
    let _f = k.frame(&Func { name: "alter_nhop_from_info", file: FILE });
    let kept = k[nh].rt_flags.get() & !RT_CHANGE_RTFLAGS_MASK;
    k[nh].rt_flags.set(kept | info.rti_flags & RT_CHANGE_RTFLAGS_MASK);
    if info.gateway != Gw::None {
        let error = set_nhop_gw_from_info(k, nh, info).await;
        if error != 0 {
            return error;
        }
    }
    if !info.rti_ifa.is_null() {
        k[nh].nh_ifa.set(info.rti_ifa);
    }
    if !info.rti_ifp.is_null() {
        k[nh].nh_ifp.set(info.rti_ifp);
    }
    0
}

/// `nhop_get_nhop`: the linked nexthop that says what `nh` says, which may be `nh`; its
/// reference passes on to the caller. `nh` is consumed in any case.
pub async fn nhop_get_nhop(k: &K, nh: NhId) -> Result<NhId, i32> {
    let _f = k.frame(&Func { name: "nhop_get_nhop", file: FILE });
    let in_hand = k.hold(ObjRef::of(nh), true);
    k[nh].nh_aifp.set(get_aifp(k, nh));
    // rib4_augment_nh reads the interface's own MTU, nothing behind if_afdata.
    if k[nh].af.get() == Af::Inet6 {
        rib6_augment_nh(k, nh);
    }
    k.yield_at("nhop_get_nhop:find").await;
    let found = find_nhop(k, nh).await;
    if !found.is_null() {
        let found_in_hand = k.hold(ObjRef::of(found), true);
        let freed = nhop_free(k, nh);
        drop(in_hand);
        freed.await;
        drop(found_in_hand);
        return Ok(found);
    }
    // Others may link an equal one meanwhile; that is allowed.
    k.yield_at("nhop_get_nhop:finalize").await;
    let error = finalize_nhop(k, nh, in_hand).await;
    if error == 0 { Ok(nh) } else { Err(error) }
}

/// `reference_nhop_deps`: the references of a finalized nexthop, as locals for the moment.
async fn reference_nhop_deps(k: &K, nh: NhId) -> Option<[Hold<'_>; 3]> {
    let _f = k.frame(&Func { name: "reference_nhop_deps", file: FILE });
    let ifa = k[nh].nh_ifa.get();
    if !ifa_try_ref(k, ifa) {
        return None;
    }
    let ifa_in_hand = k.hold(ObjRef::of(ifa), true);
    k.yield_at("reference_nhop_deps:aifp").await;
    let aifp = get_aifp(k, nh);
    k[nh].nh_aifp.set(aifp);
    if !if_try_ref(k, aifp) {
        ifa_free(k, ifa);
        return None;
    }
    let aifp_in_hand = k.hold(ObjRef::of(aifp), true);
    k.yield_at("reference_nhop_deps:ifp").await;
    let ifp = k[nh].nh_ifp.get();
    if !if_try_ref(k, ifp) {
        ifa_free(k, ifa);
        if_rele(k, aifp);
        return None;
    }
    Some([ifa_in_hand, aifp_in_hand, k.hold(ObjRef::of(ifp), true)])
}

/// `finalize_nhop`: takes the references and links the nexthop, whose own reference passes
/// on to the caller; it is freed when that fails.
async fn finalize_nhop<'k>(k: &'k K, nh: NhId, in_hand: Hold<'k>) -> i32 {
    let _f = k.frame(&Func { name: "finalize_nhop", file: FILE });
    if k.fails("counter_u64_alloc") {
        let freed = nhop_free(k, nh);
        drop(in_hand);
        freed.await;
        return ENOMEM;
    }
    let Some(deps) = reference_nhop_deps(k, nh).await else {
        let freed = nhop_free(k, nh);
        drop(in_hand);
        freed.await;
        return EAGAIN;
    };
    k[nh].nh_linked.set(2);
    let error = link_nhop(k, nh).await;
    // They are the nexthop's own since it is finalized.
    drop(deps);
    drop(in_hand);
    if error != 0 {
        // Nobody has seen it: no grace period.
        destroy_nhop(k, nh);
    }
    error
}

// ---- paths -------------------------------------------------------------------

/// `nhop_select_func`, and `nhop_select` of `route_var.h` in it: one path of a group; always
/// the same for one destination.
pub fn nhop_select(k: &K, nh: NhRef, dst: Addr) -> NhId {
    match nh {
        NhRef::Null => NhId::NULL,
        NhRef::Nh(nh) => nh,
        NhRef::Nhg(nhg) => {
            let n = k[nhg].nhops.iter().take_while(|nh| !nh.get().is_null()).count();
            let flow = (dst ^ dst >> 32) as usize;
            k[nhg].nhops[flow % n.max(1)].get()
        }
    }
}

/// `cmp_priv`: what a nexthop says, without what counts it.
pub fn cmp_priv(k: &K, one: NhId, two: NhId) -> bool {
    let says = |nh: NhId| {
        let n = &k[nh];
        let to = (n.nh_ifp.get(), n.nh_ifa.get(), n.nh_aifp.get());
        (n.nh_flags.get(), n.gw.get(), to, n.rt_flags.get(), n.nh_expire.get())
    };
    says(one) == says(two)
}
