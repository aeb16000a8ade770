//! Allocation and free of the stack's objects, and what the books say to each.
//!
//! Sources: `sys/vm/uma_core.c`, `sys/kern/kern_malloc.c`. The memory of a kernel without
//! INVARIANTS keeps what was in it, until it is allocated anew; all objects here are
//! allocated with `M_ZERO` or set every field.

use super::K;
use super::State;
use super::invariants as inv;
use crate::kern::cell::Zero;
use crate::kern::slab::{Id, ObjRef, Object, Slab};
use crate::kern::trace::What;
use crate::shadow::rules;

/// Takes a zeroed object out of its slab; NULL, and the end of the run as exhausted, when
/// the model has no more. Faults are injected by the caller, at the call that can fail.
pub fn alloc<T: Object + Zero, const N: usize>(
    k: &K,
    slab: impl Fn(&State) -> &Slab<T, N>,
) -> Id<T> {
    let slab = slab(&k.st);
    let Some(id) = slab.alloc() else {
        k.exhaust();
        return Id::NULL;
    };
    slab.raw(id).zero();
    k.record(|| What::Alloc(ObjRef::of(id)));
    id
}

/// Frees an object. The books look first: freed twice, held by somebody, on a list, or in
/// another thread's hands.
pub fn free<T: Object, const N: usize>(k: &K, slab: impl Fn(&State) -> &Slab<T, N>, id: Id<T>) {
    let obj = ObjRef::of(id);
    let slab = slab(&k.st);
    if !slab.is_live(id) {
        k.violate(&rules::DOUBLE_FREE, obj, ObjRef::NONE, [0, 0]);
        return;
    }
    k.record(|| What::Free(obj));
    let hands = k.hands_of_others(obj);
    inv::on_free(k, obj, hands.is_some_and(|h| h.counted));
    if let Some(hands) = hands {
        k.freed_in_hands(obj, hands);
    }
    slab.free(id);
}
