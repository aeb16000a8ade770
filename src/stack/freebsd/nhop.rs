//! `sys/net/route/nhop.c`: the hash of nexthops and their indices.
//!
//! Each family has one hash, one bitmask of indices that nexthops share with groups
//! (`nhgrp.c`, `nhop_utils.c`), and one lock for both. A nexthop whose count is 0 may still be found in the
//! hash for a moment; whoever finds it then acts as if it had not.

use super::invariants::{self, Left};
use super::locks;
use super::nhop_ctl::{cmp_priv, nhop_try_ref_object};
use super::nhop_utils::{bitmask_alloc_idx, bitmask_free_idx};
use super::objects::*;
use super::route_ctl::refuses_dying;
use super::{ENETDOWN, ENOBUFS, K};
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Func, What};
use crate::shadow::FaultKind;

const FILE: &str = "sys/net/route/nhop.c";

/// The family of a RIB as an index of its tables.
pub fn family(af: Af) -> usize {
    af.index() & 1
}

/// `link_nhop`: gives a nexthop an index and puts it into the hash.
pub async fn link_nhop(k: &K, nh: NhId) -> i32 {
    let _f = k.frame(&Func { name: "link_nhop", file: FILE });
    let af = k[nh].af.get();
    k.lock(locks::nhops(af)).await;
    // Not in the original.
    if refuses_dying(k, NhRef::Nh(nh)) {
        k.unlock(locks::nhops(af));
        return ENETDOWN;
    }
    let Some(idx) = bitmask_alloc_idx(k, af) else {
        k.unlock(locks::nhops(af));
        return ENOBUFS;
    };
    k[nh].nh_idx.set(idx);
    k[nh].nh_finalized.set(true);
    k.record(|| What::List("nh_head", true, ObjRef::of(nh)));
    k.st.nh_head.insert_head(family(af), nh, |i| &k[i].nh_next);
    invariants::nhop_linked(k, nh);
    invariants::nhop_added(k, nh, ObjRef::of(nh), Left::Nhop);
    k.unlock(locks::nhops(af));
    0
}

/// `unlink_nhop`: takes a nexthop out of the hash and frees its index; false when it is
/// not there.
pub async fn unlink_nhop(k: &K, nh: NhId) -> bool {
    let _f = k.frame(&Func { name: "unlink_nhop", file: FILE });
    let af = k[nh].af.get();
    k.lock(locks::nhops(af)).await;
    let found = nhops(k, af).any(|i| i == nh);
    if found {
        k.record(|| What::List("nh_head", false, ObjRef::of(nh)));
        if !k.st.nh_head.remove(nh, |i| &k[i].nh_next) {
            k.kernel_fault(FaultKind::Null, ObjRef::of(nh), "CHT_SLIST_REMOVE");
        }
        bitmask_free_idx(k, af, k[nh].nh_idx.get());
        k[nh].nh_idx.set(0);
    }
    k.unlock(locks::nhops(af));
    found
}

/// `find_nhop`: a linked nexthop that says the same as `key`, with a reference; NULL when
/// there is none that is still alive.
pub async fn find_nhop(k: &K, key: NhId) -> NhId {
    let _f = k.frame(&Func { name: "find_nhop", file: FILE });
    let af = k[key].af.get();
    k.lock_shared(locks::nhops(af)).await;
    let mut nh = nhops(k, af).find(|&i| cmp_priv(k, i, key)).unwrap_or(NhId::NULL);
    if !nh.is_null() && !nhop_try_ref_object(k, nh) {
        nh = NhId::NULL;
    }
    k.unlock(locks::nhops(af));
    nh
}

/// The nexthops in the hash of a family.
fn nhops(k: &K, af: Af) -> impl Iterator<Item = NhId> + '_ {
    let mut nh = k.st.nh_head.first[family(af)].get();
    std::iter::from_fn(move || {
        let this = nh;
        (!this.is_null() && k.fuel()).then(|| {
            nh = k[this].nh_next.next.get();
            this
        })
    })
}
