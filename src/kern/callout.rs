//! Callouts: timers in three states.
//!
//! A callout is *pending* until its time comes, then *dispatched* (dequeued, its
//! handler perhaps waiting for a lock), then *running*. [`Callout::stop`] wins only
//! against the first: many real bugs live in the other two. Callouts fire in order of
//! deadline, and of arming among equals, when an operation advances the clock.
//!
//! A callout can be *bound to a lock* (`callout_init_mtx`): softclock takes the lock
//! before it calls the handler and then looks again whether the callout was stopped
//! meanwhile ([`Callout::enter_locked`]), so that [`Callout::stop_locked`], called with
//! the lock held, is exact: it wins against the second state as well. The note that it
//! was stopped is softclock's own (`cc_exec_cancel`), because after an exact stop the
//! object that the callout lives in may be gone.
//!
//! ```text
//! async fn fire(k, inp) {                     // in a thread of softclock
//!     k[inp].tt_rexmt.dispatch_on(k);
//!     if Callout::enter_locked(k, INP_LOCK, || &k[inp].tt_rexmt).await {
//!         tcp_timer_rexmt(k, inp).await;      // the lock is held
//!         k[inp].tt_rexmt.leave(k);
//!         k.unlock(INP_LOCK);
//!     }
//! }
//! ```

use super::cell::{Count, F, Zero};
use super::lock::{LockId, Misuse};
use super::sched::Ctx;
use super::wait::Sleepers;

/// State of a callout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CalloutState {
    /// Not armed.
    #[default]
    Idle,
    /// Armed.
    Pending,
    /// Taken off the wheel, its handler not begun.
    Dispatched,
    /// The handler runs.
    Running,
}

/// One callout. It lives in the object that owns it, as `struct callout` does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Callout {
    state: F<CalloutState>,
    /// Armed again while it was dispatched or running.
    rearmed: F<bool>,
    deadline: F<u64>,
    order: F<u32>,
    /// The fiber whose softclock has dispatched it, plus one.
    softclock: F<u8>,
    /// Who waits in `callout_drain`.
    drainers: Sleepers,
}

/// `callout_init`.
impl Zero for Callout {
    fn zero(&self) {
        self.state.zero();
        self.rearmed.zero();
        self.deadline.zero();
        self.order.zero();
        self.softclock.zero();
        self.drainers.zero();
    }
}

impl Callout {
    /// `callout_reset`: arms the callout for `deadline` (ms). `order` breaks ties:
    /// pass a counter of arms.
    pub fn reset(&self, deadline: u64, order: u32) {
        self.deadline.set(deadline);
        self.order.set(order);
        match self.state.get() {
            CalloutState::Idle | CalloutState::Pending => self.state.set(CalloutState::Pending),
            CalloutState::Dispatched | CalloutState::Running => self.rearmed.set(true),
        }
    }

    /// `callout_stop`: whether the handler will not run (again). A dispatched or
    /// running handler is not stopped.
    pub fn stop(&self) -> bool {
        self.rearmed.set(false);
        match self.state.get() {
            CalloutState::Pending => {
                self.state.set(CalloutState::Idle);
                true
            }
            CalloutState::Idle => true,
            CalloutState::Dispatched | CalloutState::Running => false,
        }
    }

    /// The state.
    pub fn state(&self) -> CalloutState {
        self.state.get()
    }

    /// `callout_pending`.
    pub fn pending(&self) -> bool {
        self.state.get() == CalloutState::Pending || self.rearmed.get()
    }

    /// Deadline and order, when pending; smallest first is the order of firing.
    pub fn due(&self) -> Option<(u64, u32)> {
        (self.state.get() == CalloutState::Pending).then(|| (self.deadline.get(), self.order.get()))
    }

    /// softclock takes it off the wheel.
    pub fn dispatch(&self) {
        self.state.set(CalloutState::Dispatched);
    }

    /// Its handler begins.
    pub fn begin(&self) {
        self.state.set(CalloutState::Running);
    }

    /// Its handler (or its dispatch, when it finds itself cancelled) has ended.
    pub fn end(&self) {
        let again = self.rearmed.get();
        self.rearmed.set(false);
        self.state.set(if again { CalloutState::Pending } else { CalloutState::Idle });
    }

    // ---- with threads --------------------------------------------------------

    /// [`Callout::dispatch`] by the current thread, which runs softclock.
    pub fn dispatch_on(&self, cx: &Ctx) {
        self.dispatch();
        self.softclock.set(cx.current() + 1);
        cx.fibers[cx.current() as usize].cancelled.set(false);
        self.drainers.serve(cx);
    }

    /// Softclock takes the lock of a dispatched callout and looks again: whether the
    /// handler is to be called. If so, it begins, with the lock held; if not, the lock is
    /// released and the callout is not touched, for it may be gone.
    ///
    /// `at` finds the callout by softclock's own pointer, at the moment when the handler
    /// begins: a stale one is noticed there.
    pub async fn enter_locked<'a>(cx: &Ctx, lock: LockId, at: impl Fn() -> &'a Callout) -> bool {
        cx.yield_at("softclock_call_cc:lock").await;
        cx.lock(lock).await;
        if cx.fibers[cx.current() as usize].cancelled.get() {
            cx.unlock(lock);
            return false;
        }
        at().begin();
        true
    }

    /// The handler of a callout that was taken by [`Callout::dispatch_on`] has returned,
    /// and the object that it lives in is still there.
    pub fn leave(&self, cx: &Ctx) {
        self.end();
        self.softclock.set(0);
        self.drainers.wakeup(cx);
    }

    /// `callout_stop` of a callout bound to `lock`, which the caller must hold: whether
    /// the handler will not run (again). Exact, unless the handler has begun.
    pub fn stop_locked(&self, cx: &Ctx, lock: LockId) -> bool {
        self.check_bound(cx, lock);
        self.cancel_dispatched(cx) || self.stop()
    }

    /// `callout_reset` of a callout bound to `lock`, which the caller must hold: a
    /// dispatched handler is stopped first.
    pub fn reset_locked(&self, cx: &Ctx, lock: LockId, delay: u64) {
        self.check_bound(cx, lock);
        self.cancel_dispatched(cx);
        cx.callout_reset(self, delay);
    }

    /// `callout_drain`: stops the callout and, when its handler is dispatched or runs,
    /// sleeps until it has returned. Whether it was stopped before it was dispatched. Not
    /// to be called by the handler, nor with the lock that it takes.
    pub async fn drain(&self, cx: &Ctx) -> bool {
        cx.might_sleep();
        let stopped = self.stop();
        while let Some(fiber) = self.softclock.get().checked_sub(1) {
            self.drainers.sleep(cx, "codrain", Some(fiber)).await;
            // The handler may have armed it again.
            self.stop();
        }
        stopped
    }

    /// Whether it was dispatched, and now is not.
    fn cancel_dispatched(&self, cx: &Ctx) -> bool {
        let dispatched = self.state.get() == CalloutState::Dispatched && self.softclock.get() != 0;
        if dispatched {
            cx.fibers[usize::from(self.softclock.get() - 1)].cancelled.set(true);
            self.rearmed.set(false);
            self.state.set(CalloutState::Idle);
            self.softclock.set(0);
            self.drainers.wakeup(cx);
        }
        dispatched
    }

    fn check_bound(&self, cx: &Ctx, lock: LockId) {
        if !cx.owns_exclusively(lock) {
            cx.misuse(lock, Misuse::Callout);
        }
    }
}

impl Ctx {
    /// `callout_reset`: arms a callout to fire `delay` ms from now.
    pub fn callout_reset(&self, c: &Callout, delay: u64) {
        c.reset(self.now.get() + delay, self.arms.inc());
    }
}

/// The first to fire of the callouts that a stack looks through, each of which it names by a
/// `W`.
pub struct Earliest<W>(Option<((u64, u32), W)>);

impl<W> Default for Earliest<W> {
    fn default() -> Self {
        Earliest(None)
    }
}

impl<W> Earliest<W> {
    /// One more: what [`Callout::due`] says of it.
    #[inline]
    pub fn see(&mut self, due: Option<(u64, u32)>, which: W) {
        if let Some(due) = due
            && self.0.as_ref().is_none_or(|(first, _)| due < *first)
        {
            self.0 = Some((due, which));
        }
    }

    /// When the first fires, and which it is; `None` when none is pending.
    pub fn first(self) -> Option<(u64, W)> {
        self.0.map(|((at, _), which)| (at, which))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kern::testing::{Step::*, *};
    use crate::shadow::rules;

    #[test]
    fn of_pending_callouts_the_earliest_fires_first_and_of_one_time_the_one_armed_first() {
        let first = |all: [Option<(u64, u32)>; 3]| {
            let mut earliest = Earliest::default();
            all.into_iter().zip(['a', 'b', 'c']).for_each(|(due, which)| earliest.see(due, which));
            earliest.first()
        };
        assert_eq!(first([Some((20, 1)), Some((10, 2)), Some((30, 0))]), Some((10, 'b')));
        assert_eq!(first([Some((10, 7)), None, Some((10, 3))]), Some((10, 'c')));
        assert_eq!(first([None; 3]), None);
    }

    #[test]
    fn stop_wins_only_against_a_pending_callout() {
        let c = Callout::default();
        c.reset(10, 0);
        assert!(c.stop());
        c.reset(10, 1);
        c.dispatch();
        assert!(!c.stop(), "dispatched");
        c.begin();
        assert!(!c.stop(), "running");
        c.end();
        assert_eq!(c.state(), CalloutState::Idle);
    }

    #[test]
    fn a_handler_that_rearms_its_callout_leaves_it_pending() {
        let c = Callout::default();
        c.reset(10, 0);
        c.dispatch();
        c.begin();
        c.reset(20, 1);
        assert!(c.pending());
        c.end();
        assert_eq!(c.due(), Some((20, 1)));
    }

    #[test]
    fn stop_during_the_handler_forgets_a_rearm() {
        let c = Callout::default();
        c.reset(10, 0);
        c.dispatch();
        c.begin();
        c.reset(20, 1);
        assert!(!c.stop());
        c.end();
        assert_eq!(c.due(), None);
    }

    #[test]
    fn a_bound_callout_runs_with_its_lock_held() {
        let ops = [op(&[MakeOwner, Arm(10), Fire, Say("after"), Lock(MUTEX), Unlock(MUTEX)])];
        let ran = run_behind(&ops, &[&[Say("tick"), StopLocked]]).clean();
        assert_eq!(ran.log, ["0 tick", "0 false", "0 after"]);
        assert_eq!((ran.callout(), ran.k.now()), ((CalloutState::Idle, None), 10));
    }

    #[test]
    fn stop_under_the_lock_wins_against_a_dispatched_callout() {
        let ran = run_behind(
            &[
                op(&[MakeOwner, Arm(10), Fire]).park_named("softclock_call_cc:lock", 1, 1),
                op(&[Lock(MUTEX), StopLocked, Unlock(MUTEX)]),
            ],
            &[&[Say("tick")]],
        );
        assert_eq!(ran.clean().log, ["1 true", "0 cancelled"]);
    }

    #[test]
    fn stop_under_the_lock_wins_against_softclock_waiting_for_that_lock() {
        let ran = run_behind(
            &[
                op(&[MakeOwner, Arm(10), Lock(MUTEX), Yield("in"), StopLocked, Unlock(MUTEX)])
                    .park(1, 1),
                op(&[Fire]),
            ],
            &[&[Say("tick")]],
        );
        assert_eq!(ran.clean().log, ["0 true", "1 cancelled"]);
    }

    #[test]
    fn a_plain_stop_does_not_win_against_a_dispatched_callout() {
        let ran = run_behind(
            &[
                op(&[MakeOwner, Arm(10), Fire]).park_named("softclock_call_cc:lock", 1, 1),
                op(&[Stop]),
            ],
            &[&[Say("tick")]],
        );
        assert_eq!(ran.clean().log, ["1 false", "0 tick"]);
    }

    #[test]
    fn after_an_exact_stop_the_owner_may_be_freed_and_its_slot_reused() {
        let ran = run_behind(
            &[
                op(&[MakeOwner, Arm(10), Fire]).park_named("softclock_call_cc:lock", 1, 1),
                op(&[Lock(MUTEX), StopLocked, FreeOwner, MakeOwner, Arm(50), Unlock(MUTEX)]),
            ],
            &[&[Say("tick")]],
        );
        let ran = ran.clean();
        assert_eq!(ran.log, ["1 true", "0 cancelled"]);
        let due = ran.callout().1;
        assert!(due.is_some(), "softclock does not touch the new tenant's callout");
    }

    #[test]
    fn freeing_the_owner_of_a_dispatched_callout_without_stopping_it_is_noticed() {
        let ran = run_behind(
            &[
                op(&[MakeOwner, Arm(10), Fire]).park_named("softclock_call_cc:lock", 1, 1),
                op(&[Stop, FreeOwner]),
            ],
            &[&[Say("tick")]],
        );
        ran.breaks(&rules::USE_AFTER_FREE);
    }

    #[test]
    fn reset_under_the_lock_stops_the_dispatched_handler_and_arms_it_anew() {
        let ran = run_behind(
            &[
                op(&[MakeOwner, Arm(10), Fire]).park_named("softclock_call_cc:lock", 1, 1),
                op(&[Lock(MUTEX), ResetLocked(20), Unlock(MUTEX)]),
            ],
            &[&[Say("tick")]],
        );
        let ran = ran.clean();
        assert_eq!(ran.log, ["0 cancelled"]);
        assert_eq!(ran.callout(), (CalloutState::Pending, Some(30)));
    }

    #[test]
    fn a_handler_may_arm_its_own_bound_callout() {
        let ran = run_behind(&[op(&[MakeOwner, Arm(10), Fire])], &[&[ResetLocked(5)]]).clean();
        assert_eq!(ran.callout(), (CalloutState::Pending, Some(15)));
    }

    #[test]
    fn a_bound_callout_is_stopped_and_reset_with_its_lock_held_only() {
        for step in [StopLocked, ResetLocked(5)] {
            let ran = run(&[op(&[MakeOwner, Arm(10), step])]);
            ran.violates(&rules::LOCK_MISUSE, [u32::from(MUTEX.0), Misuse::Callout as u32]);
        }
    }

    #[test]
    fn drain_waits_for_the_running_handler_and_forgets_its_rearming() {
        let ran = run_behind(
            &[
                op(&[MakeOwner, Arm(10), Fire]).park_named("in", 1, 1),
                op(&[CalloutDrain, Say("drained")]),
            ],
            &[&[Yield("in"), Say("tick"), ResetLocked(5)]],
        );
        let ran = ran.clean();
        assert_eq!(ran.log, ["0 tick", "1 false", "1 drained"]);
        assert_eq!(ran.callout(), (CalloutState::Idle, None));
    }

    #[test]
    fn drain_stops_a_pending_callout_at_once() {
        let ran = run(&[op(&[MakeOwner, Arm(10), CalloutDrain])]).clean();
        assert_eq!(ran.log, ["0 true"]);
        assert_eq!(ran.callout(), (CalloutState::Idle, None));
    }

    #[test]
    fn drain_sleeps_and_so_forbids_the_callouts_own_mutex() {
        run(&[op(&[MakeOwner, Lock(MUTEX), CalloutDrain])]).breaks(&rules::SLEEP_WITH_LOCK);
    }

    #[test]
    fn a_handler_that_drains_itself_is_a_deadlock() {
        let ops = [op(&[MakeOwner, Arm(10), Fire])];
        run_behind(&ops, &[&[Unlock(MUTEX), CalloutDrain]]).breaks(&rules::DEADLOCK);
    }
}
