//! `sys/net/route/route_ctl.c`: routes are added, changed and deleted.
//!
//! Every change runs inside the epoch and, where it touches the tree, with the RIB's lock
//! held exclusively; the subscribers that must know at once are told before it is
//! released, the others after that.
//!
//! Who adds a route gives its nexthop reference away, whether that succeeds or not.

use super::K;
use super::defects as d;
use super::invariants::{self as inv, Left};
use super::locks;
use super::nhgrp_ctl::{Paths, get_nhgrp, nhgrp_get_addition_group, nhgrp_get_filtered_group};
use super::nhop::family;
use super::nhop_ctl::{hold, nhop_create_from_info, nhop_create_from_nhop, nhop_free_any};
use super::objects::*;
use super::radix::{rnh_addaddr, rnh_deladdr, rnh_lookup, table};
use super::route::rt_getifa_fib;
use super::route_rtentry::{rt_alloc, rt_free, rt_free_immediate};
use super::route_subscription::{rib_notify, rib_notify_delayed};
use super::subr_epoch::{
    Callback, net_epoch_assert, net_epoch_call, net_epoch_enter, net_epoch_exit,
};
use super::{EADDRINUSE, EEXIST, EINVAL, ENETDOWN, ENOBUFS, ENOMEM, ESRCH};
use crate::kern::hands::Hold;
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;
use crate::stack::EAGAIN;
use std::cell::Cell;

const FILE: &str = "sys/net/route/route_ctl.c";

/// How often a change is tried that meets another one (`RIB_MAX_RETRIES`).
const RIB_MAX_RETRIES: u32 = 3;

/// `RTM_F_CREATE`: make the route when it is not there.
pub const RTM_F_CREATE: u32 = 0x1;
/// `RTM_F_EXCL`: do nothing when it is.
pub const RTM_F_EXCL: u32 = 0x2;
/// `RTM_F_APPEND`: add a path to it when it is.
pub const RTM_F_APPEND: u32 = 0x8;
/// `RTM_F_FORCE`: delete it even if it is pinned.
pub const RTM_F_FORCE: u32 = 0x10;

/// `rtm_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rtm {
    /// `RTM_ADD`.
    #[default]
    Add,
    /// `RTM_DELETE`.
    Delete,
    /// `RTM_CHANGE`.
    Change,
}

/// `struct rt_addrinfo`, as far as routes of this stack need it.
#[derive(Clone, Copy, Debug, Default)]
pub struct RtAddrinfo {
    /// Family.
    pub af: Af,
    /// `RTAX_DST`, `RTAX_NETMASK`.
    pub dst: Prefix,
    /// `RTAX_GATEWAY`.
    pub gateway: Gw,
    /// `rti_flags`.
    pub rti_flags: u32,
    /// `rti_ifa`; no reference.
    pub rti_ifa: IfaId,
    /// `rti_ifp`; no reference.
    pub rti_ifp: IfId,
    /// `rti_filter`: deletes only what it approves.
    pub rti_filter: Filter,
    /// RTM_F_EXCL, where the request says so (`NLM_F_EXCL`).
    pub op_flags: u32,
}

impl RtAddrinfo {
    /// Whether it is about a host route: RTF_HOST, or no netmask.
    pub fn is_host(&self) -> bool {
        self.rti_flags & RTF_HOST != 0 || self.dst.bits == host_bits(self.af)
    }

    /// The destination, masked.
    fn prefix(&self) -> Prefix {
        let bits = if self.is_host() { host_bits(self.af) } else { self.dst.bits };
        Prefix::new(self.dst.addr, bits)
    }
}

/// `rti_filter` with its argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// None.
    #[default]
    None,
    /// `match_nhop_gw`: the nexthop's gateway.
    Gateway(Gw),
    /// `in_ifadownkill`: nexthops of that address.
    Ifa(IfaId),
    /// `in_ifadownkill` when the address stays: as `Ifa`, but not RTF_STATIC ones.
    IfaNotStatic(IfaId),
    /// `rt_ifdelroute`: nexthops of that interface.
    Ifp(IfId),
    /// `rt6_deleteroute`: host routes through that gateway.
    HostsVia(Addr),
}

impl Filter {
    /// Whether it approves a path of a route.
    fn matches(self, k: &K, rt: RtId, nh: NhId) -> bool {
        let n = &k[nh];
        let is_static = n.rt_flags.get() & RTF_STATIC != 0;
        match self {
            Filter::None => true,
            Filter::Gateway(gw) => n.gw.get() == gw,
            Filter::Ifa(ifa) => n.nh_ifa.get() == ifa,
            Filter::IfaNotStatic(ifa) => n.nh_ifa.get() == ifa && !is_static,
            Filter::Ifp(ifp) => {
                let mut named = n.nh_ifp.get() == ifp;
                if !k.on(d::RT_FLUSHIFROUTES_NORMAL_PRIORITY) {
                    named |= n.nh_aifp.get() == ifp;
                }
                named && k[rt].rte_flags.get() & RTF_UP != 0
            }
            Filter::HostsVia(gw) => {
                let host = n.rt_flags.get() & RTF_HOST != 0;
                n.gw.get() == Gw::Addr(gw) && host && !is_static
            }
        }
    }
}

/// A filter in use: `rib_filter_f_t` and its argument.
#[derive(Debug)]
pub struct Approval {
    filter: Filter,
    /// `match_gw_one`: the first path that matches, and no other.
    once: bool,
    used: Cell<bool>,
}

impl Approval {
    fn all(filter: Filter) -> Self {
        Approval { filter, once: false, used: Cell::new(false) }
    }

    fn first(filter: Filter) -> Self {
        Approval { filter, once: true, used: Cell::new(false) }
    }

    fn is_none(&self) -> bool {
        self.filter == Filter::None
    }

    /// Whether it approves a path of a route.
    pub fn approves(&self, k: &K, rt: RtId, nh: NhId) -> bool {
        let yes = self.filter.matches(k, rt, nh) && !(self.once && self.used.get());
        self.used.set(self.used.get() | yes);
        yes
    }
}

/// `NH_PRIORITY_NORMAL`, `NH_PRIORITY_HIGH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Prio {
    /// Routes of users and routers.
    Normal,
    /// Pinned routes: those of interfaces and addresses.
    High,
}

fn get_prio_from_info(info: &RtAddrinfo) -> Prio {
    if info.rti_flags & RTF_PINNED != 0 { Prio::High } else { Prio::Normal }
}

/// `nhop_get_prio`.
fn nhop_get_prio(k: &K, nh: NhRef) -> Prio {
    match nh {
        NhRef::Nh(nh) if k[nh].rt_flags.get() & RTF_PINNED != 0 => Prio::High,
        _ => Prio::Normal,
    }
}

/// `struct rib_cmd_info`: what a change has done.
#[derive(Default)]
pub struct RibCmdInfo<'k> {
    /// `rc_cmd`.
    pub rc_cmd: Rtm,
    /// `rc_rt`.
    pub rc_rt: RtId,
    /// `rc_nh_old`.
    pub rc_nh_old: NhRef,
    /// `rc_nh_new`.
    pub rc_nh_new: NhRef,
    /// After RTM_CHANGE: the reference that the route had on the old one is here.
    old_in_hand: Option<Hold<'k>>,
}

/// `nhop_can_multipath`.
fn nhop_can_multipath(k: &K, nh: NhRef) -> bool {
    match nh {
        NhRef::Null => false,
        NhRef::Nh(nh) => k[nh].nh_flags.get() & NHF_GATEWAY != 0,
        NhRef::Nhg(_) => true,
    }
}

/// Ours (F4): whether a path of what is about to be routed through is being detached. The
/// RIB's lock is held, so that the flush of the detach comes before or after, and sees it.
fn goes_through_dying(k: &K, nh: NhRef) -> bool {
    let dying = |ifp: IfId| k[ifp].if_flags.get() & IFF_DYING != 0;
    Paths::of(k, nh).iter().any(|nh| dying(k[nh].nh_ifp.get()) || dying(k[nh].nh_aifp.get()))
}

/// The line where history differs, here and where a nexthop is linked.
pub fn refuses_dying(k: &K, nh: NhRef) -> bool {
    !k.on(d::ROUTE_ADD_DYING_IFP) && goes_through_dying(k, nh)
}

// ---- single steps, with the RIB's lock held ----------------------------------

/// `add_route`: the reference on the nexthop passes on to the route.
async fn add_route<'k>(
    k: &'k K,
    af: Af,
    rt: RtId,
    nh: NhRef,
    in_hand: Option<Hold<'k>>,
    rc: &mut RibCmdInfo<'k>,
) -> i32 {
    let _f = k.frame(&Func { name: "add_route", file: FILE });
    if !rnh_addaddr(k, af, rt) {
        return EEXIST;
    }
    k[rt].rt_nhop.set(nh);
    drop(in_hand);
    for nh in Paths::of(k, nh).iter() {
        inv::nhop_added(k, nh, ObjRef::of(rt), Left::Route);
    }
    rib_bump_gen(k, af);
    rc.rc_cmd = Rtm::Add;
    rc.rc_rt = rt;
    rc.rc_nh_old = NhRef::Null;
    rc.rc_nh_new = nh;
    k.yield_at("add_route:rib_notify").await;
    rib_notify(k, af, rc).await;
    0
}

/// `delete_route`: the route keeps its nexthop.
async fn delete_route<'k>(k: &'k K, af: Af, rt: RtId, rc: &mut RibCmdInfo<'k>) -> i32 {
    let _f = k.frame(&Func { name: "delete_route", file: FILE });
    let rt = rnh_deladdr(k, af, k[rt].rt_dst.get());
    if rt.is_null() {
        return ESRCH;
    }
    k[rt].rte_flags.set(k[rt].rte_flags.get() & !RTF_UP);
    rib_bump_gen(k, af);
    rc.rc_cmd = Rtm::Delete;
    rc.rc_rt = rt;
    rc.rc_nh_old = k[rt].rt_nhop.get();
    rc.rc_nh_new = NhRef::Null;
    k.yield_at("delete_route:rib_notify").await;
    rib_notify(k, af, rc).await;
    0
}

/// `change_route`: the reference on the new nexthop passes on to the route, that on the
/// old one to `rc`. A change to nothing deletes.
async fn change_route<'k>(
    k: &'k K,
    af: Af,
    rt: RtId,
    nh: NhRef,
    in_hand: Option<Hold<'k>>,
    rc: &mut RibCmdInfo<'k>,
) -> i32 {
    let _f = k.frame(&Func { name: "change_route", file: FILE });
    if nh.is_null() {
        return delete_route(k, af, rt, rc).await;
    }
    let old = k[rt].rt_nhop.get();
    k[rt].rt_nhop.set(nh);
    drop(in_hand);
    rc.old_in_hand = hold(k, old, true);
    rib_bump_gen(k, af);
    rc.rc_cmd = Rtm::Change;
    rc.rc_rt = rt;
    rc.rc_nh_old = old;
    rc.rc_nh_new = nh;
    k.yield_at("change_route:rib_notify").await;
    rib_notify(k, af, rc).await;
    0
}

/// Gives up the reference that a route had before a change.
///
/// The original gives it up at once, which is early for who has found the nexthop by the
/// live tree (the radix modules) and is about to take a reference: an instance that could
/// not follow the change holds none. Repaired, it waits for a grace period, as that of a
/// deleted route does.
async fn free_old_nhop(k: &K, rc: &mut RibCmdInfo<'_>) {
    if k.on(d::RIB_CHANGE_FREES_NHOP_AT_ONCE) {
        let freed = nhop_free_any(k, rc.rc_nh_old);
        rc.old_in_hand = None;
        freed.await;
    } else if !rc.rc_nh_old.is_null() {
        net_epoch_call(k, Callback::ReleaseNhop(rc.rc_nh_old));
        rc.old_in_hand = None;
    }
}

/// `rt_delete_conditional`: takes the paths that the filter approves away from a route, and
/// the route with the last one.
async fn rt_delete_conditional<'k>(
    k: &'k K,
    af: Af,
    rt: RtId,
    prio: Prio,
    filter: &Approval,
    rc: &mut RibCmdInfo<'k>,
) -> i32 {
    let _f = k.frame(&Func { name: "rt_delete_conditional", file: FILE });
    let nh = match k[rt].rt_nhop.get() {
        NhRef::Nhg(nhg) => {
            if filter.is_none() {
                return ESRCH;
            }
            let left = match nhgrp_get_filtered_group(k, rt, nhg, filter).await {
                Ok(left) => left,
                Err(error) => return error,
            };
            let in_hand = hold(k, left, true);
            if left == NhRef::Nhg(nhg) {
                let freed = nhop_free_any(k, left);
                drop(in_hand);
                freed.await;
                return ESRCH;
            }
            return change_route(k, af, rt, left, in_hand, rc).await;
        }
        NhRef::Nh(nh) => nh,
        NhRef::Null => return ESRCH,
    };
    if !filter.approves(k, rt, nh) {
        return ESRCH;
    }
    if prio < nhop_get_prio(k, NhRef::Nh(nh)) {
        return EADDRINUSE;
    }
    delete_route(k, af, rt, rc).await
}

// ---- adding ------------------------------------------------------------------

/// `rib_add_route_px`, creating: the route to a prefix through a nexthop, whose reference
/// is given away.
pub async fn rib_add_route_px(k: &K, af: Af, dst: Prefix, nh: NhId, op_flags: u32) -> i32 {
    let _f = k.frame(&Func { name: "rib_add_route_px", file: FILE });
    net_epoch_assert(k);
    let in_hand = k.hold(ObjRef::of(nh), true);
    k.yield_at("rib_add_route_px:rt_alloc").await;
    let rt = rt_alloc(k, af, dst);
    if rt.is_null() {
        if !k.on(d::RIB_ADD_PX_NHOP_LEAK) {
            let freed = nhop_free_any(k, NhRef::Nh(nh));
            drop(in_hand);
            freed.await;
        }
        return ENOMEM;
    }
    drop(in_hand);
    let mut rc = RibCmdInfo::default();
    add_route_flags(k, af, rt, nh, op_flags | RTM_F_CREATE, &mut rc).await
}

/// `rib_add_route`.
async fn rib_add_route<'k>(k: &'k K, info: &RtAddrinfo, rc: &mut RibCmdInfo<'k>) -> i32 {
    let _f = k.frame(&Func { name: "rib_add_route", file: FILE });
    net_epoch_assert(k);
    let error = add_route_byinfo(k, info, rc).await;
    if error == 0 {
        rib_notify_delayed(k);
    }
    error
}

/// `add_route_byinfo`.
async fn add_route_byinfo<'k>(k: &'k K, info: &RtAddrinfo, rc: &mut RibCmdInfo<'k>) -> i32 {
    let _f = k.frame(&Func { name: "add_route_byinfo", file: FILE });
    let mut info = *info;
    if info.rti_flags & RTF_GATEWAY != 0 && info.gateway == Gw::None {
        return EINVAL;
    }
    if info.rti_ifa.is_null() {
        let error = rt_getifa_fib(k, &mut info).await;
        if error != 0 {
            return error;
        }
    }
    let _ifa = k.hold(ObjRef::of(info.rti_ifa), false);
    let _ifp = k.hold(ObjRef::of(info.rti_ifp), false);
    let rt = rt_alloc(k, info.af, info.prefix());
    if rt.is_null() {
        return ENOBUFS;
    }
    k.yield_at("add_route_byinfo:nhop").await;
    let nh = match nhop_create_from_info(k, &info).await {
        Ok(nh) => nh,
        Err(error) => {
            rt_free_immediate(k, rt);
            return error;
        }
    };
    let how = match get_prio_from_info(&info) {
        Prio::High => RTM_F_FORCE,
        Prio::Normal => RTM_F_APPEND,
    };
    let op_flags = RTM_F_CREATE | how | info.op_flags & RTM_F_EXCL;
    add_route_flags(k, info.af, rt, nh, op_flags, rc).await
}

/// `add_route_flags`: `rt` and the reference on the nexthop are given away.
async fn add_route_flags<'k>(
    k: &'k K,
    af: Af,
    rt: RtId,
    nh: NhId,
    op_flags: u32,
    rc: &mut RibCmdInfo<'k>,
) -> i32 {
    let _f = k.frame(&Func { name: "add_route_flags", file: FILE });
    let add = NhRef::Nh(nh);
    let in_hand = hold(k, add, true);
    k.yield_at("add_route_flags:lock").await;
    k.lock(locks::rib(af)).await;
    let rt_orig = rnh_lookup(k, af, k[rt].rt_dst.get());
    let mut error = if refuses_dying(k, add) { ENETDOWN } else { EEXIST };
    let mut in_hand = in_hand;
    if rt_orig.is_null() && error != ENETDOWN {
        // The hold passes on with the reference, unless that fails.
        let given = in_hand.take();
        error = add_route(k, af, rt, add, given, rc).await;
        if error == 0 {
            k.unlock(locks::rib(af));
            return 0;
        }
        in_hand = hold(k, add, true);
    }
    let orig = if rt_orig.is_null() { NhRef::Null } else { k[rt_orig].rt_nhop.get() };
    let _orig = hold(k, orig, false);
    let _rt_orig = (!rt_orig.is_null()).then(|| k.hold(ObjRef::of(rt_orig), false));
    k.unlock(locks::rib(af));
    k.yield_at("add_route_flags:unlocked").await;
    let append = !rt_orig.is_null()
        && error != ENETDOWN
        && op_flags & (RTM_F_APPEND | RTM_F_EXCL) == RTM_F_APPEND
        && nhop_can_multipath(k, add)
        && nhop_can_multipath(k, orig);
    if append {
        // The key of both is the same; but when the old route is gone by now, it is the
        // one that the original puts back into the tree.
        let key = if k.on(d::RIB_APPEND_DELETED_RTENTRY) { rt_orig } else { rt };
        let mut orig = orig;
        for _ in 0..RIB_MAX_RETRIES {
            error = add_route_flags_mpath(k, af, key, nh, &mut orig, rc).await;
            if error != EAGAIN {
                break;
            }
            // The original does not ask again about what has come in its place.
            let joinable = orig == NhRef::Null || nhop_can_multipath(k, orig);
            if !joinable && !k.on(d::RIB_APPEND_RETRY_UNCHECKED) {
                error = EEXIST;
                break;
            }
        }
    } else {
        rt_free_immediate(k, rt);
    }
    let freed = nhop_free_any(k, add);
    drop(in_hand);
    freed.await;
    if append && (error != 0 || rc.rc_cmd != Rtm::Add) {
        rt_free_immediate(k, rt);
    }
    error
}

/// `add_route_flags_mpath`: one path more for the route of `rt`'s prefix, which had `orig`.
async fn add_route_flags_mpath<'k>(
    k: &'k K,
    af: Af,
    rt: RtId,
    add: NhId,
    orig: &mut NhRef,
    rc: &mut RibCmdInfo<'k>,
) -> i32 {
    let _f = k.frame(&Func { name: "add_route_flags_mpath", file: FILE });
    match nhgrp_get_addition_group(k, af, *orig, add).await {
        Ok(new) => change_route_conditional(k, af, rt, orig, new, rc).await,
        Err(EAGAIN) => {
            k.lock_shared(locks::rib(af)).await;
            let now = rnh_lookup(k, af, k[rt].rt_dst.get());
            *orig = if now.is_null() { NhRef::Null } else { k[now].rt_nhop.get() };
            k.unlock(locks::rib(af));
            EAGAIN
        }
        Err(error) => error,
    }
}

// ---- deleting ----------------------------------------------------------------

/// `rib_del_route_px`.
pub async fn rib_del_route_px(k: &K, af: Af, dst: Prefix, filter: Filter, op_flags: u32) -> i32 {
    let _f = k.frame(&Func { name: "rib_del_route_px", file: FILE });
    let prio = if op_flags & RTM_F_FORCE != 0 { Prio::High } else { Prio::Normal };
    let mut rc = RibCmdInfo::default();
    delete(k, af, dst, prio, &Approval::all(filter), &mut rc).await
}

/// `rib_del_route`.
async fn rib_del_route<'k>(k: &'k K, info: &RtAddrinfo, rc: &mut RibCmdInfo<'k>) -> i32 {
    let _f = k.frame(&Func { name: "rib_del_route", file: FILE });
    let filter = match (info.rti_filter, info.gateway) {
        (Filter::None, Gw::None) => Approval::all(Filter::None),
        (Filter::None, gw) => Approval::first(Filter::Gateway(gw)),
        (filter, _) => Approval::all(filter),
    };
    delete(k, info.af, info.prefix(), get_prio_from_info(info), &filter, rc).await
}

/// What both have in common.
async fn delete<'k>(
    k: &'k K,
    af: Af,
    dst: Prefix,
    prio: Prio,
    filter: &Approval,
    rc: &mut RibCmdInfo<'k>,
) -> i32 {
    net_epoch_assert(k);
    k.yield_at("rib_del_route:lock").await;
    k.lock(locks::rib(af)).await;
    let rt = rnh_lookup(k, af, dst);
    let error =
        if rt.is_null() { ESRCH } else { rt_delete_conditional(k, af, rt, prio, filter, rc).await };
    k.unlock(locks::rib(af));
    if error != 0 {
        return error;
    }
    k.yield_at("rib_del_route:unlocked").await;
    rib_notify_delayed(k);
    if rc.rc_cmd == Rtm::Delete {
        rt_free(k, rc.rc_rt);
    } else {
        free_old_nhop(k, rc).await;
    }
    0
}

/// `rib_walk_del` with a priority: takes what the filter approves out of the whole table.
pub async fn rib_walk_del_prio(k: &K, af: Af, prio: Prio, filter: Filter) {
    let _f = k.frame(&Func { name: "rib_walk_del", file: FILE });
    let filter = Approval::all(filter);
    net_epoch_enter(k);
    k.yield_at("rib_walk_del:lock").await;
    k.lock(locks::rib(af)).await;
    // Nothing but the walk itself changes the tree meanwhile.
    let mut routes = [RtId::NULL; TABLE];
    routes.iter_mut().zip(table(k, af)).for_each(|(slot, rt)| *slot = rt);
    let (mut unlinked, mut n) = ([RtId::NULL; TABLE], 0);
    for rt in routes.into_iter().take_while(|rt| !rt.is_null()) {
        // rt_checkdelroute
        let mut rc = RibCmdInfo::default();
        if rt_delete_conditional(k, af, rt, prio, &filter, &mut rc).await != 0 {
            continue;
        }
        if rc.rc_cmd == Rtm::Delete {
            unlinked[n] = rt;
            n += 1;
        } else {
            free_old_nhop(k, &mut rc).await;
        }
    }
    k.unlock(locks::rib(af));
    k.yield_at("rib_walk_del:unlocked").await;
    for rt in unlinked[..n].iter().rev() {
        rib_notify_delayed(k);
        rt_free(k, *rt);
    }
    net_epoch_exit(k);
}

// ---- changing ----------------------------------------------------------------

/// `rib_change_route`.
async fn rib_change_route<'k>(k: &'k K, info: &RtAddrinfo, rc: &mut RibCmdInfo<'k>) -> i32 {
    let _f = k.frame(&Func { name: "rib_change_route", file: FILE });
    net_epoch_assert(k);
    let (af, mut info) = (info.af, *info);
    if info.gateway == Gw::None {
        info.rti_flags &= !RTF_GATEWAY;
    }
    k.lock_shared(locks::rib(af)).await;
    let rt = rnh_lookup(k, af, info.prefix());
    let mut orig = if rt.is_null() { NhRef::Null } else { k[rt].rt_nhop.get() };
    k.unlock(locks::rib(af));
    if rt.is_null() {
        return ESRCH;
    }
    let _rt = k.hold(ObjRef::of(rt), false);
    k.yield_at("rib_change_route:unlocked").await;
    let asked = info.rti_ifp;
    let mut error = EAGAIN;
    for _ in 0..RIB_MAX_RETRIES {
        error = change_route_byinfo(k, rt, &mut info, &mut orig, rc).await;
        if error != EAGAIN {
            break;
        }
        if !k.on(d::ROUTE_CHANGE_RETRY_IFP) {
            info.rti_ifp = asked;
        }
    }
    error
}

/// `change_route_byinfo`.
async fn change_route_byinfo<'k>(
    k: &'k K,
    rt: RtId,
    info: &mut RtAddrinfo,
    orig: &mut NhRef,
    rc: &mut RibCmdInfo<'k>,
) -> i32 {
    let _f = k.frame(&Func { name: "change_route_byinfo", file: FILE });
    let (had, asked) = (nhop_get_prio(k, *orig), get_prio_from_info(info));
    if had > asked && !k.on(d::ROUTE_CHANGE_PINNED) {
        return EADDRINUSE;
    }
    // Only the switch of a loopback route asks for a change with a pinned route's priority, and
    // what has its key may be the user's. Upstream does not ask.
    if had < asked && !k.on(d::IN_LOOPBACK_ROUTE_SWITCH) {
        return ESRCH;
    }
    let new = match *orig {
        NhRef::Null => return ESRCH,
        NhRef::Nh(nh) => change_nhop(k, info, nh).await.map(NhRef::Nh),
        NhRef::Nhg(nhg) => change_mpath_route(k, rt, info, nhg).await.map(NhRef::Nhg),
    };
    match new {
        Ok(new) => change_route_conditional(k, info.af, rt, orig, new, rc).await,
        Err(error) => error,
    }
}

/// `change_nhop`: the nexthop that comes of `orig`, with a reference.
async fn change_nhop(k: &K, info: &mut RtAddrinfo, orig: NhId) -> Result<NhId, i32> {
    let _f = k.frame(&Func { name: "change_nhop", file: FILE });
    if k[orig].nh_flags.get() & NHF_GATEWAY != 0 && info.gateway != Gw::None {
        let error = rt_getifa_fib(k, info).await;
        if error != 0 {
            info.rti_ifa = IfaId::NULL;
            return Err(error);
        }
    }
    let nh = nhop_create_from_nhop(k, orig, info).await;
    info.rti_ifa = IfaId::NULL;
    nh
}

/// `change_mpath_route`, up to its last step: the group that has the changed path in the
/// place of the first one that the request is about.
async fn change_mpath_route(
    k: &K,
    rt: RtId,
    info: &mut RtAddrinfo,
    nhg: NhgId,
) -> Result<NhgId, i32> {
    let _f = k.frame(&Func { name: "change_mpath_route", file: FILE });
    let mut paths = Paths::of(k, NhRef::Nhg(nhg));
    let about = |nh: NhId| match (info.rti_filter, info.gateway) {
        (Filter::None, Gw::None) => true,
        (Filter::None, gw) => k[nh].gw.get() == gw,
        (filter, _) => filter.matches(k, rt, nh),
    };
    let Some((i, orig)) = paths.iter().enumerate().find(|&(_, nh)| about(nh)) else {
        return Err(ESRCH);
    };
    let nh = change_nhop(k, info, orig).await?;
    let in_hand = k.hold(ObjRef::of(nh), true);
    let group = if k.fails("mallocarray") {
        Err(EAGAIN)
    } else {
        paths.replace(i, nh);
        get_nhgrp(k, info.af, paths).await
    };
    let group_in_hand = group.ok().and_then(|g| hold(k, NhRef::Nhg(g), true));
    let freed = nhop_free_any(k, NhRef::Nh(nh));
    drop(in_hand);
    freed.await;
    drop(group_in_hand);
    group
}

/// `change_route_conditional`: the route of `rt`'s prefix goes through `new` from now on,
/// if it still goes through `orig`; EAGAIN, and what it goes through now in `orig`, if it
/// does not. The reference on `new` is given away.
async fn change_route_conditional<'k>(
    k: &'k K,
    af: Af,
    rt: RtId,
    orig: &mut NhRef,
    new: NhRef,
    rc: &mut RibCmdInfo<'k>,
) -> i32 {
    let _f = k.frame(&Func { name: "change_route_conditional", file: FILE });
    let mut in_hand = hold(k, new, true);
    k.yield_at("change_route_conditional:lock").await;
    k.lock(locks::rib(af)).await;
    let now = rnh_lookup(k, af, k[rt].rt_dst.get());
    let through = if now.is_null() { NhRef::Null } else { k[now].rt_nhop.get() };
    let error = if through != *orig {
        *orig = through;
        EAGAIN
    } else if refuses_dying(k, new) {
        ENETDOWN
    } else {
        let given = in_hand.take();
        let error = if now.is_null() {
            add_route(k, af, rt, new, given, rc).await
        } else {
            let had = Paths::of(k, through);
            for nh in Paths::of(k, new).iter().filter(|nh| had.iter().all(|h| h != *nh)) {
                inv::nhop_added(k, nh, ObjRef::of(now), Left::Route);
            }
            change_route(k, af, now, new, given, rc).await
        };
        if error != 0 {
            in_hand = hold(k, new, true);
        }
        error
    };
    k.unlock(locks::rib(af));
    if error == 0 {
        k.yield_at("change_route_conditional:unlocked").await;
        rib_notify_delayed(k);
        free_old_nhop(k, rc).await;
    } else {
        let freed = nhop_free_any(k, new);
        drop(in_hand);
        freed.await;
    }
    error
}

/// `rib_action`.
pub async fn rib_action(k: &K, rtm: Rtm, info: &RtAddrinfo) -> i32 {
    let mut rc = RibCmdInfo::default();
    match rtm {
        Rtm::Add => rib_add_route(k, info, &mut rc).await,
        Rtm::Delete => rib_del_route(k, info, &mut rc).await,
        Rtm::Change => rib_change_route(k, info, &mut rc).await,
    }
}

/// `rib_walk_del`, `rib_foreach_table_walk_del`: there is one FIB.
pub async fn rib_walk_del(k: &K, af: Af, filter: Filter) {
    rib_walk_del_prio(k, af, Prio::Normal, filter).await;
}

/// `rib_bump_gen` (`route_var.h`): the RIB has changed; its lookups have not, yet.
pub fn rib_bump_gen(k: &K, af: Af) {
    k.st.rnh_gen_rib[family(af)].inc();
}
