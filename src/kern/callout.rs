//! Callouts: timers in three states.
//!
//! A callout is *pending* until its time comes, then *dispatched* (dequeued, its
//! handler perhaps waiting for a lock), then *running*. [`Callout::stop`] wins only
//! against the first: many real bugs live in the other two. Callouts fire in order of
//! deadline, and of arming among equals, when an operation advances the clock.

use super::cell::F;

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
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
