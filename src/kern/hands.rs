//! Pointers in the hands of threads.
//!
//! A local variable of a thread holds a reference, or does not, while others run: the
//! books must see it either way. A thread registers it with [`Ctx::hold`]; the census
//! counts the counted ones, and a free of what another thread has in hand is a finding.
//! Pointers into a thread's own stack are here, too.

use super::sched::{Ctx, FiberState, MAX_FIBERS, members};
use super::slab::ObjRef;
use crate::shadow::rules;

/// The most registered pointers of one thread.
pub(super) const MAX_HOLDS: usize = 32;

/// A pointer that a thread has in hand while this guard lives.
#[must_use = "the pointer is in hand only while the guard lives"]
pub struct Hold<'a> {
    cx: &'a Ctx,
    fiber: u8,
    index: u8,
}

/// A thread that has something in hand; the last one, if there are several.
#[derive(Clone, Copy, Debug)]
pub struct Hands {
    /// Its fiber.
    pub fiber: u8,
    /// One of those that have it owns a reference.
    pub counted: bool,
}

impl Drop for Hold<'_> {
    #[inline]
    fn drop(&mut self) {
        let f = &self.cx.fibers[self.fiber as usize % MAX_FIBERS];
        f.hold_map.set(f.hold_map.get() & !(1 << self.index));
    }
}

impl Ctx {
    /// Registers a pointer that the current thread has in hand across a place where
    /// others may run. `counted`: it owns a reference.
    #[inline]
    pub fn hold(&self, obj: ObjRef, counted: bool) -> Hold<'_> {
        let fiber = self.current.get();
        let f = &self.fibers[fiber as usize % MAX_FIBERS];
        let index = (!f.hold_map.get()).trailing_zeros() as u8;
        assert!((index as usize) < MAX_HOLDS, "harness: too many registered pointers in a thread");
        f.holds[index as usize].set(obj);
        f.hold_map.set(f.hold_map.get() | 1 << index);
        f.counted.set(f.counted.get() & !(1 << index) | u32::from(counted) << index);
        Hold { cx: self, fiber, index }
    }

    /// Calls `f` for every registered pointer: fiber, object, whether it is counted.
    #[inline]
    pub fn for_holds(&self, f: impl FnMut(u8, ObjRef, bool)) {
        self.holds_of(self.alive(), f);
    }

    /// The same for the pointers of other threads than the current one.
    #[inline]
    pub fn for_holds_of_others(&self, f: impl FnMut(u8, ObjRef, bool)) {
        self.holds_of(self.alive() & !(1 << self.current()), f);
    }

    #[inline]
    fn holds_of(&self, fibers: u32, mut f: impl FnMut(u8, ObjRef, bool)) {
        for i in members(fibers) {
            let fiber = &self.fibers[i as usize];
            for h in members(fiber.hold_map.get()) {
                let counted = fiber.counted.get() >> h & 1 != 0;
                f(i, fiber.holds[h as usize].get(), counted);
            }
        }
    }

    /// The rule "freed while in another thread's hands", at the free of `obj`.
    #[inline]
    pub fn check_hands(&self, obj: ObjRef) {
        if let Some(hands) = self.hands_of_others(obj) {
            self.freed_in_hands(obj, hands);
        }
    }

    /// The other thread that has `obj` in hand.
    #[inline]
    pub fn hands_of_others(&self, obj: ObjRef) -> Option<Hands> {
        let mut hands: Option<Hands> = None;
        self.for_holds_of_others(|fiber, o, counted| {
            if o == obj {
                hands = Some(Hands { fiber, counted: counted || hands.is_some_and(|h| h.counted) });
            }
        });
        hands
    }

    /// What [`Ctx::check_hands`] reports.
    #[cold]
    pub fn freed_in_hands(&self, obj: ObjRef, hands: Hands) {
        let account = self.fibers[hands.fiber as usize].account.get();
        self.violate(&rules::FREED_IN_HANDS, obj, ObjRef::NONE, [u32::from(account), 0]);
    }

    // ---- stacks --------------------------------------------------------------

    /// Identity of the current thread's stack, for pointers into it.
    pub fn stack(&self) -> (u8, u16) {
        let f = self.current.get();
        (f, self.fibers[f as usize].generation.get())
    }

    /// Whether the stack that a pointer names is still there.
    pub fn stack_lives(&self, (fiber, generation): (u8, u16)) -> bool {
        let f = &self.fibers[fiber as usize];
        f.generation.get() == generation && f.state.get() != FiberState::Free
    }

    /// Whether a stack is the current thread's own.
    pub fn is_own_stack(&self, s: (u8, u16)) -> bool {
        s == self.stack()
    }
}
