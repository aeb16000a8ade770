//! Allocating and freeing with the books looking on.
//!
//! A stack whose allocator has nothing of its own to model uses these two; one that has
//! (a magazine, a deferred free) does the same steps in its own places.

use super::sched::Ctx;
use super::slab::{Id, ObjRef, Object, Slab};
use super::trace::What;
use crate::shadow::rules;

impl Ctx {
    /// Takes the lowest free slot; `None` when all are taken. The memory is as the last
    /// tenant left it.
    ///
    /// A stack whose own pools have that size returns its error then. For one that never
    /// runs out of memory the model is too small: [`Ctx::exhaust`].
    #[inline]
    pub fn alloc<T: Object, const N: usize>(&self, slab: &Slab<T, N>) -> Option<Id<T>> {
        let id = slab.alloc()?;
        self.record(|| What::Alloc(ObjRef::of(id)));
        Some(id)
    }

    /// Frees and poisons an object. A violation if it is not alive, or if another thread
    /// has it in hand.
    #[inline]
    pub fn free<T: Object, const N: usize>(&self, slab: &Slab<T, N>, id: Id<T>) {
        let obj = ObjRef::of(id);
        if !slab.is_live(id) {
            self.violate(&rules::DOUBLE_FREE, obj, ObjRef::NONE, [0, 0]);
            return;
        }
        self.record(|| What::Free(obj));
        self.check_hands(obj);
        slab.free(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kern::Kernel;
    use crate::kern::testing::{Owner, Toy};

    #[test]
    fn a_slot_is_taken_and_given_back_once() {
        let k = Kernel::<Toy>::new();
        let slab: Slab<Owner, 1> = Slab::default();
        let a = k.alloc(&slab).unwrap();
        assert!(slab.is_live(a) && k.alloc(&slab).is_none());
        k.free(&slab, a);
        assert!(slab.is_empty() && k.violation().is_none());
        k.free(&slab, a);
        assert_eq!(k.violation().map(|v| v.rule), Some(&rules::DOUBLE_FREE));
    }

    #[test]
    fn freeing_a_stale_pointer_leaves_the_new_tenant_alone() {
        let k = Kernel::<Toy>::new();
        let slab: Slab<Owner, 1> = Slab::default();
        let old = k.alloc(&slab).unwrap();
        k.free(&slab, old);
        let new = k.alloc(&slab).unwrap();
        k.free(&slab, old);
        assert!(slab.is_live(new));
        assert_eq!(k.violation().map(|v| v.obj), Some(ObjRef::of(old)));
    }
}
