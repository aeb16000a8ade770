//! `sys/net/if_var.h`: the counter of an address.

use super::K;
use super::invariants as inv;
use super::kern_slaballoc::kfree_ifaddr;
use super::objects::*;
use crate::kern::slab::ObjRef;

/// `IFAREF`.
#[track_caller]
pub fn ifaref(k: &K, ifa: IfaId) {
    let n = k[ifa].ifa_refcnt.inc();
    k.record_ref(ObjRef::of(ifa), 1, n);
    if n == 0 {
        k.violate(&inv::I1_COUNT, ObjRef::of(ifa), ObjRef::NONE, [n, 0]);
    }
}

/// `IFAFREE`.
#[track_caller]
pub fn ifafree(k: &K, ifa: IfaId) {
    let n = k[ifa].ifa_refcnt.get();
    if n == 0 {
        k.record_ref(ObjRef::of(ifa), -1, u32::MAX);
        kfree_ifaddr(k, ifa);
    } else {
        k[ifa].ifa_refcnt.dec();
        k.record_ref(ObjRef::of(ifa), -1, n - 1);
    }
}

/// The `IFAFREE` that gives up the lists' implicit reference.
#[track_caller]
pub fn ifafree_list(k: &K, ifa: IfaId) {
    if k.st.ifa.is_live(ifa) {
        k[ifa].implicit.set(false);
    }
    ifafree(k, ifa);
}
