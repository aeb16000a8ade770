//! `sys/net/route/nhgrp_ctl.c`: nexthop groups.
//!
//! A group is a list of nexthops, sorted by their indices, that does not change once it is
//! linked: a path more or less is another group. Groups are shared like nexthops, have an
//! index out of the same bitmask, and own a reference on each of their nexthops from the
//! moment they are linked until they are destroyed, a grace period after their own last
//! reference went. All weights are equal here.

use super::K;
use super::defects as d;
use super::invariants as inv;
use super::nhgrp::{find_nhgrp, link_nhgrp, unlink_nhgrp};
use super::nhop_ctl::{nhop_free, nhop_try_ref_object};
use super::objects::*;
use super::route_ctl::Approval;
use super::subr_epoch::{Callback, net_epoch_call, net_epoch_enter, net_epoch_exit};
use super::uma;
use super::{EEXIST, ENOMEM};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;
use crate::stack::EAGAIN;

const FILE: &str = "sys/net/route/nhgrp_ctl.c";

/// `struct weightened_nhop[]`: the nexthops that a group is to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    nh: [NhId; NMEMBERS],
    len: u8,
}

impl Paths {
    /// The paths of a nexthop or a group: none of NULL.
    pub fn of(k: &K, nh: NhRef) -> Paths {
        let mut paths = Paths::default();
        match nh {
            NhRef::Null => {}
            NhRef::Nh(nh) => {
                paths.push(k, nh);
            }
            NhRef::Nhg(nhg) => {
                for nh in k[nhg].nhops.iter().map(|nh| nh.get()).take_while(|nh| !nh.is_null()) {
                    paths.push(k, nh);
                }
            }
        }
        paths
    }

    /// Adds a path. A group of more paths than the model has room for ends the run.
    pub fn push(&mut self, k: &K, nh: NhId) {
        match self.nh.get_mut(usize::from(self.len)) {
            Some(slot) => {
                *slot = nh;
                self.len += 1;
            }
            None => k.exhaust(),
        }
    }

    /// Puts another nexthop in the place of the `i`th.
    pub fn replace(&mut self, i: usize, nh: NhId) {
        self.nh[i] = nh;
    }

    /// The paths.
    pub fn iter(&self) -> impl Iterator<Item = NhId> + '_ {
        self.nh[..usize::from(self.len)].iter().copied()
    }

    /// `sort_weightened_nhops`; false when one is there twice, or is no longer linked.
    fn sort(&mut self, k: &K) -> bool {
        let paths = &mut self.nh[..usize::from(self.len)];
        paths.sort_by_key(|&nh| k[nh].nh_idx.get());
        let mut last = 0;
        paths.iter().all(|&nh| {
            let differs = k[nh].nh_idx.get() != last;
            last = k[nh].nh_idx.get();
            differs
        })
    }
}

// ---- references --------------------------------------------------------------

/// `nhgrp_ref_object`.
#[track_caller]
pub fn nhgrp_ref_object(k: &K, nhg: NhgId) {
    let n = k[nhg].nhg_refcount.inc();
    k.record_ref(ObjRef::of(nhg), 1, n);
    if n == 1 {
        k.violate(&inv::I06_ACQUIRE_FROM_ZERO, ObjRef::of(nhg), ObjRef::NONE, [0, 0]);
    }
}

/// The same, unless nobody holds it; whether it did.
#[track_caller]
pub fn nhgrp_try_ref_object(k: &K, nhg: NhgId) -> bool {
    let alive = k[nhg].nhg_refcount.get() != 0;
    if alive {
        nhgrp_ref_object(k, nhg);
    }
    alive
}

/// The release of `nhgrp_free`: whether it was the last one.
#[track_caller]
pub fn release(k: &K, nhg: NhgId) -> bool {
    if k[nhg].nhg_refcount.get() == 0 {
        k.violate(&inv::I06_RELEASE_AT_ZERO, ObjRef::of(nhg), ObjRef::NONE, [0, 0]);
    }
    let n = k[nhg].nhg_refcount.dec();
    k.record_ref(ObjRef::of(nhg), -1, n);
    n == 0
}

/// `nhgrp_free`, after [`release`] of the last reference.
pub async fn nhgrp_free(k: &K, nhg: NhgId) {
    let _f = k.frame(&Func { name: "nhgrp_free", file: FILE });
    let _nhg = k.hold(ObjRef::of(nhg), false);
    k.yield_at("nhgrp_free:unlink").await;
    net_epoch_enter(k);
    let linked = &k[nhg].nhg_linked;
    if linked.get() > 1 {
        linked.dec();
        if !unlink_nhgrp(k, nhg).await {
            net_epoch_exit(k);
            return;
        }
    }
    net_epoch_exit(k);
    net_epoch_call(k, Callback::DestroyNhgrp(nhg));
}

/// `destroy_nhgrp_epoch`: an epoch callback.
pub async fn destroy_nhgrp_epoch(k: &K, nhg: NhgId) {
    let _f = k.frame(&Func { name: "destroy_nhgrp_epoch", file: FILE });
    {
        let _nhg = k.hold(ObjRef::of(nhg), false);
        free_nhgrp_nhops(k, nhg).await;
    }
    uma::free(k, |s| &s.nhgrps, nhg);
}

/// `free_nhgrp_nhops`.
async fn free_nhgrp_nhops(k: &K, nhg: NhgId) {
    for slot in &k[nhg].nhops {
        let nh = slot.get();
        if nh.is_null() {
            break;
        }
        let freed = nhop_free(k, nh);
        // The field has given its reference up.
        slot.set(NhId::NULL);
        freed.await;
    }
}

/// `ref_nhgrp_nhops`: false, and no reference kept, when one of the nexthops is gone.
async fn ref_nhgrp_nhops(k: &K, nhg: NhgId, paths: &Paths) -> bool {
    for (slot, nh) in k[nhg].nhops.iter().zip(paths.iter()) {
        if !nhop_try_ref_object(k, nh) {
            free_nhgrp_nhops(k, nhg).await;
            return false;
        }
        slot.set(nh);
    }
    true
}

// ---- making groups -----------------------------------------------------------

/// `get_nhgrp`: the group of these paths, with a reference. EAGAIN when one of them is
/// about to be freed, or no index is left.
pub async fn get_nhgrp(k: &K, af: Af, mut paths: Paths) -> Result<NhgId, i32> {
    let _f = k.frame(&Func { name: "get_nhgrp", file: FILE });
    // nhgrp_alloc
    if !paths.sort(k) {
        return Err(EEXIST);
    }
    if k.fails("nhgrp_alloc") {
        return Err(ENOMEM);
    }
    let nhg = uma::alloc(k, |s| &s.nhgrps);
    if nhg.is_null() {
        return Err(ENOMEM);
    }
    k[nhg].af.set(af);
    k[nhg].nhg_refcount.set(1);
    k[nhg].nhg_linked.set(2);
    let in_hand = k.hold(ObjRef::of(nhg), true);
    // nhgrp_get_nhgrp
    k.yield_at("nhgrp_get_nhgrp:find").await;
    let found = find_nhgrp(k, af, &paths).await;
    if !found.is_null() {
        drop(in_hand);
        uma::free(k, |s| &s.nhgrps, nhg);
        return Ok(found);
    }
    k.yield_at("nhgrp_get_nhgrp:ref").await;
    if !ref_nhgrp_nhops(k, nhg, &paths).await {
        drop(in_hand);
        uma::free(k, |s| &s.nhgrps, nhg);
        return Err(EAGAIN);
    }
    if !link_nhgrp(k, nhg).await {
        free_nhgrp_nhops(k, nhg).await;
        drop(in_hand);
        uma::free(k, |s| &s.nhgrps, nhg);
        return Err(EAGAIN);
    }
    Ok(nhg)
}

/// `nhgrp_get_filtered_group`: what is left of `src` without the paths that the filter
/// approves, with a reference; NULL when nothing is left, `src` when all of it is.
///
/// When the smaller group cannot be made, the original leaves the paths where they are, and
/// so a route through an interface that is being detached. Repaired, one of the paths that
/// are left serves alone: that takes no memory.
pub async fn nhgrp_get_filtered_group(
    k: &K,
    rt: RtId,
    src: NhgId,
    filter: &Approval,
) -> Result<NhRef, i32> {
    let _f = k.frame(&Func { name: "nhgrp_get_filtered_group", file: FILE });
    let all = Paths::of(k, NhRef::Nhg(src));
    let mut left = Paths::default();
    for nh in all.iter() {
        if !filter.approves(k, rt, nh) {
            left.push(k, nh);
        }
    }
    match left.iter().next() {
        None => Ok(NhRef::Null),
        Some(nh) if left.len == 1 => match nhop_try_ref_object(k, nh) {
            true => Ok(NhRef::Nh(nh)),
            false => Err(EAGAIN),
        },
        Some(nh) => match get_nhgrp(k, k[src].af.get(), left).await {
            Ok(nhg) => Ok(NhRef::Nhg(nhg)),
            Err(error) if k.on(d::FILTERED_GROUP_NOMEM) => Err(error),
            Err(_) if left == all => {
                nhgrp_ref_object(k, src);
                Ok(NhRef::Nhg(src))
            }
            Err(_) => {
                nhop_try_ref_object(k, nh);
                Ok(NhRef::Nh(nh))
            }
        },
    }
}

/// `nhgrp_get_addition_group`: what there is and one nexthop more, with a reference.
pub async fn nhgrp_get_addition_group(k: &K, af: Af, orig: NhRef, add: NhId) -> Result<NhRef, i32> {
    let _f = k.frame(&Func { name: "nhgrp_get_addition_group", file: FILE });
    if orig.is_null() {
        return match nhop_try_ref_object(k, add) {
            true => Ok(NhRef::Nh(add)),
            false => Err(EAGAIN),
        };
    }
    let mut paths = Paths::of(k, orig);
    paths.push(k, add);
    get_nhgrp(k, af, paths).await.map(NhRef::Nhg)
}
