//! Critical sections: a counted marker.
//!
//! `crit_enter` keeps interrupts out; it does not prevent blocking, and a thread that
//! blocks inside one lets everybody run. So nothing is locked here; what can go wrong is
//! leaving a section too often, or a function that forgets to leave one.

use super::cell::Count;
use super::lock::Misuse;
use super::sched::Ctx;
use super::slab::ObjRef;
use crate::shadow::rules;

/// Checks, when dropped, that the thread is as deep in critical sections as it was when
/// this was made: to be held by a function that enters one.
#[must_use = "the balance is checked when the guard is dropped"]
pub struct Balance<'a> {
    cx: &'a Ctx,
    fiber: u8,
    depth: u8,
}

impl Drop for Balance<'_> {
    fn drop(&mut self) {
        // A run that has ended drops its threads wherever they stand.
        if !self.cx.stopped() && self.cx.fibers[self.fiber as usize].crit.get() != self.depth {
            self.cx.crit_misuse();
        }
    }
}

impl Ctx {
    /// `crit_enter`.
    pub fn crit_enter(&self) {
        self.fibers[self.current() as usize].crit.inc();
    }

    /// `crit_exit`.
    pub fn crit_exit(&self) {
        let depth = &self.fibers[self.current() as usize].crit;
        if depth.get() == 0 {
            self.crit_misuse();
            return;
        }
        depth.dec();
    }

    /// Whether the current thread is in a critical section.
    pub fn in_crit(&self) -> bool {
        self.fibers[self.current() as usize].crit.get() != 0
    }

    /// Watches over the critical sections of a function.
    pub fn crit_balance(&self) -> Balance<'_> {
        let fiber = self.current();
        Balance { cx: self, fiber, depth: self.fibers[fiber as usize].crit.get() }
    }

    #[cold]
    pub(super) fn crit_misuse(&self) {
        let detail = [u32::MAX, Misuse::Critical as u32];
        self.violate(&rules::LOCK_MISUSE, ObjRef::NONE, ObjRef::NONE, detail);
    }
}

#[cfg(test)]
mod tests {
    use crate::kern::testing::{Step::*, *};
    use crate::shadow::rules;

    #[test]
    fn a_critical_section_does_not_prevent_blocking() {
        let ran = run(&[op(&[CritEnter, Sleep, CritExit, Say("out")]), op(&[Say("in"), Wakeup])]);
        assert_eq!(ran.clean().log, ["1 in", "0 out"]);
    }

    #[test]
    fn critical_sections_nest() {
        run(&[op(&[CritEnter, CritEnter, CritExit, CritExit])]).clean();
    }

    #[test]
    fn a_thread_that_returns_in_a_critical_section_breaks_a_rule() {
        run(&[op(&[CritEnter])]).violates(&rules::LOCK_MISUSE, [u32::MAX, 5]);
    }

    #[test]
    fn a_critical_section_left_twice_breaks_a_rule() {
        run(&[op(&[CritEnter, CritExit, CritExit])]).violates(&rules::LOCK_MISUSE, [u32::MAX, 5]);
    }

    #[test]
    fn a_function_that_forgets_to_leave_one_is_found_where_it_returns() {
        let ran = run(&[op(&[CritForget, Yield("next"), Say("not reached")])]);
        assert!(ran.log.is_empty());
        ran.violates(&rules::LOCK_MISUSE, [u32::MAX, 5]);
    }
}
