//! `sys/net/route/nhgrp.c`: the hash of nexthop groups and their indices.

use super::nhgrp_ctl::{Paths, nhgrp_try_ref_object};
use super::nhop::family;
use super::nhop_utils::{bitmask_alloc_idx, bitmask_free_idx};
use super::objects::*;
use super::{K, locks};
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Func, What};
use crate::shadow::FaultKind;

const FILE: &str = "sys/net/route/nhgrp.c";

/// `find_nhgrp`: a linked group of exactly these paths, with a reference; NULL when there
/// is none that is still alive.
pub async fn find_nhgrp(k: &K, af: Af, paths: &Paths) -> NhgId {
    let _f = k.frame(&Func { name: "find_nhgrp", file: FILE });
    k.lock_shared(locks::nhops(af)).await;
    let mut nhg = nhgrps(k, af).find(|&g| Paths::of(k, NhRef::Nhg(g)) == *paths);
    nhg = nhg.filter(|&g| nhgrp_try_ref_object(k, g));
    k.unlock(locks::nhops(af));
    nhg.unwrap_or(NhgId::NULL)
}

/// `link_nhgrp`; false when no index is left.
pub async fn link_nhgrp(k: &K, nhg: NhgId) -> bool {
    let _f = k.frame(&Func { name: "link_nhgrp", file: FILE });
    let af = k[nhg].af.get();
    k.lock(locks::nhops(af)).await;
    let idx = bitmask_alloc_idx(k, af);
    if let Some(idx) = idx {
        k[nhg].nhg_idx.set(idx);
        k.record(|| What::List("gr_head", true, ObjRef::of(nhg)));
        k.st.gr_head.insert_head(family(af), nhg, |i| &k[i].nhg_next);
    }
    k.unlock(locks::nhops(af));
    idx.is_some()
}

/// `unlink_nhgrp`; false when it is not there.
pub async fn unlink_nhgrp(k: &K, nhg: NhgId) -> bool {
    let _f = k.frame(&Func { name: "unlink_nhgrp", file: FILE });
    let af = k[nhg].af.get();
    k.lock(locks::nhops(af)).await;
    let found = nhgrps(k, af).any(|g| g == nhg);
    if found {
        k.record(|| What::List("gr_head", false, ObjRef::of(nhg)));
        if !k.st.gr_head.remove(nhg, |i| &k[i].nhg_next) {
            k.kernel_fault(FaultKind::Null, ObjRef::of(nhg), "CHT_SLIST_REMOVE");
        }
        bitmask_free_idx(k, af, k[nhg].nhg_idx.get());
        k[nhg].nhg_idx.set(0);
    }
    k.unlock(locks::nhops(af));
    found
}

/// The groups in the hash of a family.
fn nhgrps(k: &K, af: Af) -> impl Iterator<Item = NhgId> + '_ {
    let mut nhg = k.st.gr_head.first[family(af)].get();
    std::iter::from_fn(move || {
        let this = nhg;
        (!this.is_null() && k.fuel()).then(|| {
            nhg = k[this].nhg_next.next.get();
            this
        })
    })
}
