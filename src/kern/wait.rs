//! What threads wait for: sleeping, waking, and who waits for whom.
//!
//! A blocked thread waits for a lock, for epoch sections of others to close, or *asleep*
//! for an event ([`Sleepers`], the `tsleep`/`wakeup` of this kernel). For each kind the
//! kernel knows, as far as it can be known, which threads must act first; a thread that
//! must act before itself is a deadlock, found when it blocks. Waiting for a thread that
//! was merely preempted is none: that one runs again.

use super::cell::{Count, F, Zero};
use super::sched::{Ctx, FiberState, Switch, members};
use super::slab::ObjRef;
use super::trace::What;
use crate::shadow::rules;

/// [`Fiber::waits_for`](super::sched): it does not wait.
pub(super) const NOTHING: u8 = u8::MAX;
/// It waits for the sections of the fibers in `waits_on`.
pub(super) const SECTIONS: u8 = u8::MAX - 1;
/// It sleeps until somebody wakes it, most likely one of the fibers in `waits_on`.
pub(super) const EVENT: u8 = u8::MAX - 2;

/// The threads asleep on one event; a field of the object that the event is about.
///
/// Empty whenever no thread is alive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sleepers(F<u32>);

impl Zero for Sleepers {
    fn zero(&self) {
        self.0.zero();
    }
}

/// A stretch in which a thread must not sleep, as a callout's handler must not. It ends when
/// this is dropped (`THREAD_SLEEPING_OK`).
pub struct NoSleeping<'a> {
    cx: &'a Ctx,
    fiber: u8,
}

impl Drop for NoSleeping<'_> {
    fn drop(&mut self) {
        // A thread that is thrown away with its run may have a successor.
        let depth = &self.cx.fibers[self.fiber as usize].no_sleeping;
        depth.set(depth.get().saturating_sub(1));
    }
}

impl Sleepers {
    /// `tsleep`: puts the current thread to sleep until [`Sleepers::wakeup`]. `server`
    /// is the thread that will call it, when that is known; deadlocks are found sooner
    /// then.
    pub fn sleep<'a>(&self, cx: &'a Ctx, wmesg: &'static str, server: Option<u8>) -> Switch<'a> {
        cx.might_sleep();
        self.0.set(self.0.get() | 1 << cx.current());
        cx.block(EVENT, wmesg, server.map_or(0, |f| 1 << f));
        Switch::new(cx)
    }

    /// `wakeup`: makes all of them runnable, the longest asleep first.
    pub fn wakeup(&self, cx: &Ctx) {
        cx.wake_all(self.0.get());
        self.0.set(0);
    }

    /// The current thread has taken up the work that they wait for.
    pub fn serve(&self, cx: &Ctx) {
        for f in members(self.0.get()) {
            cx.fibers[f as usize].waits_on.set(1 << cx.current());
        }
    }

    /// Whether nobody sleeps.
    pub fn is_empty(&self) -> bool {
        self.0.get() == 0
    }
}

impl Ctx {
    /// `WITNESS_WARN(WARN_SLEEPOK)`: a violation when the current thread must not sleep,
    /// because it is inside an epoch section or holds a lock that forbids it. To be
    /// called by whatever may sleep, such as an allocation with `M_WAITOK`, whether it
    /// does this time or not.
    #[inline]
    pub fn might_sleep(&self) {
        let f = &self.fibers[self.current() as usize];
        if f.sections.get() != 0 {
            self.violate(&rules::SLEEP_IN_EPOCH, ObjRef::NONE, ObjRef::NONE, [0, 0]);
        } else if f.no_sleeping.get() != 0 {
            self.violate(&rules::SLEEP_PROHIBITED, ObjRef::NONE, ObjRef::NONE, [0, 0]);
        }
        let kept = f.held.get() & self.nosleep;
        if kept != 0 {
            let lock = kept.trailing_zeros();
            self.violate(&rules::SLEEP_WITH_LOCK, ObjRef::NONE, ObjRef::NONE, [lock, 0]);
        }
    }

    /// `THREAD_NO_SLEEPING`: the current thread must not sleep until what this returns is
    /// dropped. As in an epoch section, it may wait for a lock of those that do not sleep.
    pub fn no_sleeping(&self) -> NoSleeping<'_> {
        let fiber = self.current();
        self.fibers[fiber as usize].no_sleeping.inc();
        NoSleeping { cx: self, fiber }
    }

    /// `THREAD_CAN_SLEEP`.
    pub fn can_sleep(&self) -> bool {
        let f = &self.fibers[self.current() as usize];
        f.sections.get() == 0 && f.no_sleeping.get() == 0
    }

    /// Blocks the current thread: its next `Switch` does not return before somebody
    /// makes it runnable.
    pub(super) fn block(&self, waits_for: u8, name: &'static str, waits_on: u32) {
        let me = self.current();
        let f = &self.fibers[me as usize];
        self.record(|| What::Block(name));
        f.state.set(FiberState::Blocked);
        self.halted.set(true);
        f.waits_for.set(waits_for);
        f.waits_on.set(waits_on);
        f.wmesg.set(name);
        f.since.set(self.blocks.inc());
        self.check_deadlock(me);
    }

    /// Ends the wait of a blocked thread.
    pub(super) fn unblock(&self, fiber: u8) {
        let f = &self.fibers[fiber as usize];
        f.waits_for.set(NOTHING);
        f.served_by.set(0);
        self.make_runnable(fiber);
    }

    /// Ends the waits of several threads, the longest first.
    pub(super) fn wake_all(&self, mut set: u32) {
        while let Some(f) = members(set).min_by_key(|&f| self.fibers[f as usize].since.get()) {
            set &= !(1 << f);
            self.unblock(f);
        }
    }

    /// What a blocked thread waits for, in words.
    pub(super) fn waiting_for(&self, fiber: u8) -> &'static str {
        self.fibers[fiber as usize].wmesg.get()
    }

    /// The threads that must act before `fiber` can run, a bit each. All of them must:
    /// one that waits for it in turn is enough for a deadlock.
    fn blockers(&self, fiber: u8) -> u32 {
        let f = &self.fibers[fiber as usize];
        match f.waits_for.get() {
            NOTHING => 0,
            SECTIONS | EVENT => f.waits_on.get() | f.served_by.get(),
            lock => self.locks[lock as usize].before(fiber),
        }
    }

    /// A way through the waiting threads from `start` back to it is a deadlock.
    fn check_deadlock(&self, start: u8) {
        let mut seen = 1u32 << start;
        let mut todo = seen;
        while todo != 0 {
            let f = todo.trailing_zeros() as u8;
            todo &= todo - 1;
            let next = self.blockers(f);
            if next >> start & 1 != 0 {
                let lock = [f, start].map(|f| self.fibers[f as usize].waits_for.get());
                let lock = lock.into_iter().find(|&l| l < EVENT).unwrap_or(EVENT);
                let detail = [u32::from(lock), 0];
                self.violate(&rules::DEADLOCK, ObjRef::NONE, ObjRef::NONE, detail);
                return;
            }
            todo |= next & !seen;
            seen |= next;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::kern::testing::{Step::*, *};
    use crate::shadow::rules;

    #[test]
    fn a_sleeper_runs_when_it_is_woken() {
        let ran = run(&[op(&[Sleep, Say("awake")]), op(&[Say("wakes"), Wakeup])]);
        assert_eq!(ran.clean().log, ["1 wakes", "0 awake"]);
    }

    #[test]
    fn the_longest_asleep_is_woken_first() {
        // Operation 1 sleeps before operation 0 does, in the higher slot.
        let ran = run(&[
            op(&[Yield("a"), Sleep, Say("late")]).park(1, 1),
            op(&[Sleep, Say("early")]),
            op(&[Wakeup]),
        ]);
        assert_eq!(ran.clean().log, ["1 early", "0 late"]);
    }

    #[test]
    fn a_sleeper_that_nothing_wakes_is_a_deadlock_at_the_end() {
        run(&[op(&[Sleep]), op(&[Say("no matter")])]).violates(&rules::DEADLOCK, [0, 1]);
    }

    #[test]
    fn who_must_not_sleep_may_wait_for_a_mutex_but_not_for_a_lock_that_sleeps() {
        run(&[op(&[NoSleeping, Sleep])]).violates(&rules::SLEEP_PROHIBITED, [0, 0]);
        run(&[op(&[NoSleeping, MightSleep])]).breaks(&rules::SLEEP_PROHIBITED);
        for (lock, sleeps) in [(MUTEX, false), (RW, false), (SX, true), (SERIALIZER, true)] {
            let ran = run(&[
                op(&[Lock(lock), Yield("in"), Unlock(lock)]).park(1, 1),
                op(&[NoSleeping, Lock(lock), Unlock(lock)]),
            ]);
            match sleeps {
                true => ran.violates(&rules::SLEEP_PROHIBITED, [u32::from(lock.0), 1]),
                false => _ = ran.clean(),
            }
            run(&[op(&[NoSleeping, Lock(lock), Unlock(lock)])]).clean();
        }
    }

    #[test]
    fn whoever_comes_after_it_may_sleep_again() {
        run(&[op(&[NoSleeping]), op(&[MightSleep])]).clean();
    }

    #[test]
    fn sleeping_with_a_mutex_rm_or_rw_lock_held_is_a_violation() {
        for lock in [MUTEX, RM, RW] {
            let ran = run(&[op(&[Lock(lock), Sleep])]);
            ran.violates(&rules::SLEEP_WITH_LOCK, [u32::from(lock.0), 0]);
        }
        run(&[op(&[Shared(RM), MightSleep])]).breaks(&rules::SLEEP_WITH_LOCK);
    }

    #[test]
    fn sleeping_with_an_sx_serializer_token_or_port_held_is_allowed() {
        for lock in [SX, SERIALIZER, TOKEN, PORT] {
            run(&[op(&[Lock(lock), Sleep, Unlock(lock)]), op(&[Wakeup])]).clean();
        }
    }

    #[test]
    fn what_might_sleep_is_a_violation_even_when_it_does_not() {
        run(&[op(&[Lock(MUTEX), MightSleep, Unlock(MUTEX)])]).breaks(&rules::SLEEP_WITH_LOCK);
        run(&[op(&[Enter, MightSleep, Exit])]).breaks(&rules::SLEEP_IN_EPOCH);
        run(&[op(&[Lock(SX), MightSleep, Unlock(SX)])]).clean();
    }

    #[test]
    fn a_circle_through_an_epoch_is_a_deadlock() {
        // Waiting for an epoch with a mutex held breaks a rule by itself, and without one
        // there is no such circle; so look at what the kernel knows after that.
        let k = run_to_fault(&[
            op(&[Enter, Yield("in"), Lock(MUTEX)]).park(1, 1),
            op(&[Lock(MUTEX), EpochWait]),
        ])
        .k;
        let first = k.cx.violation.take().unwrap();
        assert_eq!(first.rule.name, rules::SLEEP_WITH_LOCK.name);
        assert_eq!([k.cx.blockers(0), k.cx.blockers(1)], [1 << 1, 1 << 0]);
        k.cx.check_deadlock(0);
        let second = k.cx.violation.take().unwrap();
        assert_eq!((second.rule.name, second.detail), (rules::DEADLOCK.name, [0, 0]));
    }

    #[test]
    fn the_backtrace_of_a_blocked_thread_says_what_it_waits_for() {
        let ran = recorded(&[op(&[Sleep]), op(&[Unlock(MUTEX)])]);
        let trace = ran.outcome.trace.as_ref().unwrap();
        let stacks = &trace.violations[0].1;
        assert_eq!(stacks[1].state, "waiting for toy event");
    }
}
