//! `sys/kern/kern_slaballoc.c`: what the books say to a free.

use super::K;
use super::invariants as inv;
use super::objects::*;
use crate::kern::slab::ObjRef;
use crate::kern::trace::What;
use crate::shadow::rules;

/// `kfree(ifa, M_IFADDR)`, with the books' checks I3 and I4.
pub fn kfree_ifaddr(k: &K, ifa: IfaId) {
    let obj = ObjRef::of(ifa);
    if !k.st.ifa.is_live(ifa) {
        k.violate(&rules::DOUBLE_FREE, obj, ObjRef::NONE, [0, 0]);
        return;
    }
    k.record(|| What::Free(obj));
    inv::check_free_ifaddr(k, ifa);
    k.check_hands(obj);
    k.st.ifa.free(ifa);
}
