//! What disturbs a run, planned preemptions and faults, and what bounds it.
//!
//! Each operation carries at most one preemption and one fault. What one operation
//! causes, in whatever thread, counts on its *account*: yield points and fallible calls
//! are numbered in the order in which they happen, wherever they happen, and the plan
//! names one by its number, or by its name and occurrence. A yield point that is not the
//! planned one costs a counter compare.
//!
//! The two budgets turn what never ends into a finding: yield points of an account, and
//! list elements of an operation. They hold while the clock stands still.

use super::cell::Count;
use super::feedback::number;
use super::sched::{Ctx, FiberState, Switch};
use super::slab::ObjRef;
use super::trace::What;
use crate::program::{MAX_OPS, NamedPoint, Op, PointKind};
use crate::shadow::rules;
use std::cell::Cell;

/// Yield points that one account may pass before it counts as endless.
const STEP_BUDGET: u32 = 4_000;

/// List elements that may be visited before it counts as endless: for each operation that is
/// issued, and for each parked one that runs on, with all that it lets run.
pub(super) const FUEL: u32 = 20_000;

/// What an operation has used of its plan.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Yield points passed. That of the account whose thread is being polled, and the next one,
    /// are in [`Passing`].
    yields: Cell<u32>,
    /// From which yield point on there is more to do than to count it: `planned_yield`, or
    /// all, when features are noted.
    next_yield: Cell<u32>,
    /// The yield point to park at, or the end of the step budget; all, when they are
    /// recorded or named.
    planned_yield: Cell<u32>,
    /// Yield points that it had passed when the clock last moved.
    since: Cell<u32>,
    preempt_at: Cell<u32>,
    preempt_for: Cell<u8>,
    calls: Cell<u32>,
    fail_at: Cell<u32>,
    /// The same for fallible calls: from which on there is more to do than to count it, and
    /// from which on it may fail.
    next_call: Cell<u32>,
    planned_call: Cell<u32>,
    persistent: Cell<bool>,
    /// Name of the call that a persistent ordinal fault has failed.
    failing: Cell<Option<&'static str>>,
    injected: Cell<u32>,
    named: Cell<bool>,
    pub(super) verb: Cell<u8>,
    /// What it has passed so far, and where it was parked: see [`super::feedback`].
    pub(super) way: Cell<u32>,
    pub(super) parked_at: Cell<u32>,
}

/// [`Account::yields`] and `next_yield` of the account whose thread is being polled, where they
/// are found without looking for the account: nothing happens more often.
#[derive(Debug, Default)]
pub(super) struct Passing {
    yields: Cell<u32>,
    next: Cell<u32>,
}

impl Ctx {
    /// The thread of an account is about to be polled.
    pub(super) fn open_account(&self, account: u8) {
        let a = &self.accounts[account as usize];
        self.polled.set(account);
        self.passing.yields.set(a.yields.get());
        self.passing.next.set(a.next_yield.get());
    }

    /// It has been.
    pub(super) fn close_account(&self) {
        let a = &self.accounts[self.polled.get() as usize];
        a.yields.set(self.passing.yields.get());
    }

    /// Plans account `i`. Accounts that are not planned never park and never fail.
    pub(super) fn plan(&self, i: usize, op: &Op) {
        let a = &self.accounts[i];
        a.yields.set(0);
        let at = if op.preempt_at == 0 { u32::MAX } else { u32::from(op.preempt_at) };
        a.preempt_at.set(at);
        a.since.set(0);
        a.preempt_for.set(op.preempt_for.max(1));
        a.calls.set(0);
        a.fail_at.set(if op.fail_at() == 0 { u32::MAX } else { u32::from(op.fail_at()) });
        a.persistent.set(op.fail_persistent());
        a.failing.set(None);
        a.injected.set(0);
        a.named.set(false);
        a.verb.set(op.verb);
        a.way.set(0);
        self.look_out(a);
    }

    /// Sets from where on the points of an account take the slow path.
    fn look_out(&self, a: &Account) {
        let all = self.recording.get() || a.named.get();
        let budget = a.since.get() + STEP_BUDGET;
        a.planned_yield.set(if all { 0 } else { a.preempt_at.get().min(budget) });
        a.planned_call.set(if all { 0 } else { a.fail_at.get() });
        let noted = self.feedback.on.get();
        a.next_yield.set(if noted { 0 } else { a.planned_yield.get() });
        a.next_call.set(if noted { 0 } else { a.planned_call.get() });
    }

    pub(super) fn plan_named(&self, points: &[NamedPoint]) {
        let mut named = self.named.borrow_mut();
        named.clear();
        for p in points {
            if p.op < MAX_OPS {
                self.accounts[p.op].named.set(true);
                self.look_out(&self.accounts[p.op]);
            }
            named.push((p.clone(), Cell::new(0)));
        }
    }

    /// The named points of the plan that the run did not reach.
    pub(super) fn unreached(&self) -> Vec<NamedPoint> {
        let named = self.named.borrow();
        named.iter().filter(|(p, n)| n.get() < p.occurrence).map(|(p, _)| p.clone()).collect()
    }

    /// A place where the current thread may be switched away from. Parks it when the
    /// plan of its account says so.
    #[inline]
    pub fn yield_at(&self, name: &'static str) -> Switch<'_> {
        let n = self.passing.yields.inc();
        if n >= self.passing.next.get() {
            self.yield_noted(n, name, number(name));
        }
        Switch::new(self)
    }

    fn yield_noted(&self, n: u32, name: &'static str, number: u32) {
        let a = &self.accounts[self.polled.get() as usize];
        self.note_passed(a, number);
        if n >= a.planned_yield.get() {
            self.yield_planned(a, n, name, number);
        }
    }

    #[cold]
    fn yield_planned(&self, a: &Account, n: u32, name: &'static str, number: u32) {
        self.record(|| What::Yield(name));
        if n >= a.since.get() + STEP_BUDGET {
            self.violate(&rules::ENDLESS, ObjRef::NONE, ObjRef::NONE, [n, 0]);
            // Whatever layer ends the run: this thread never would.
            self.end();
            return;
        }
        let hit = n == a.preempt_at.get()
            || a.named.get() && self.named_hit(name, |k| k == PointKind::Preempt).is_some();
        if hit {
            let f = &self.fibers[self.current.get() as usize];
            f.state.set(FiberState::Parked);
            self.halted.set(true);
            f.parked_for.set(a.preempt_for.get());
            a.preempt_at.set(u32::MAX);
            self.look_out(a);
            self.passing.next.set(a.next_yield.get());
            self.bump(|c| c.preempted += 1);
            self.note_parked(a, number);
            self.record(|| What::Park(name));
        }
    }

    /// Counts a point against the named plan; the kind of the point that it hits.
    fn named_hit(&self, name: &str, want: impl Fn(PointKind) -> bool) -> Option<PointKind> {
        let op = self.fibers[self.current.get() as usize].account.get() as usize;
        let named = self.named.borrow();
        let (p, n) = named.iter().find(|(p, _)| p.op == op && want(p.kind) && p.name == name)?;
        n.set(n.get().saturating_add(1));
        let persistent = p.kind == PointKind::Fail { persistent: true };
        (n.get() == p.occurrence || persistent && n.get() > p.occurrence).then_some(p.kind)
    }

    /// A fallible call: whether it fails now, because the plan says so.
    #[inline]
    pub fn fails(&self, name: &'static str) -> bool {
        let a = &self.accounts[self.polled.get() as usize];
        let n = a.calls.inc();
        n >= a.next_call.get() && self.fails_noted(a, n, name, number(name))
    }

    fn fails_noted(&self, a: &Account, n: u32, name: &'static str, number: u32) -> bool {
        self.note_passed(a, number);
        n >= a.planned_call.get() && self.fails_planned(a, n, name, number)
    }

    #[cold]
    fn fails_planned(&self, a: &Account, n: u32, name: &'static str, number: u32) -> bool {
        let by_ordinal = if n == a.fail_at.get() {
            if a.persistent.get() {
                a.failing.set(Some(name));
            }
            true
        } else {
            a.failing.get() == Some(name)
        };
        let failed = by_ordinal
            || a.named.get() && self.named_hit(name, |k| k != PointKind::Preempt).is_some();
        if failed {
            a.injected.inc();
            self.bump(|c| c.injected += 1);
            self.note_failed(a, number);
        }
        self.record(|| What::Call(name, failed));
        failed
    }

    /// How many faults the current account has met.
    pub fn injected(&self) -> u32 {
        self.accounts[self.fibers[self.current.get() as usize].account.get() as usize]
            .injected
            .get()
    }

    // ---- budgets -------------------------------------------------------------

    /// Takes one unit of the operation's fuel for one element of a list walk. False
    /// when it is used up: the walk must end.
    #[inline]
    pub fn fuel(&self) -> bool {
        let left = self.fuel.get();
        if left == 0 {
            self.violate(&rules::ENDLESS, ObjRef::NONE, ObjRef::NONE, [0, FUEL]);
            return false;
        }
        self.fuel.set(left - 1);
        true
    }

    /// Time has passed on the account of the current thread: it gets its budgets anew. What
    /// never ends does so without time.
    pub(super) fn time_passed(&self) {
        let a = &self.accounts[self.fibers[self.current.get() as usize].account.get() as usize];
        a.since.set(self.passing.yields.get());
        self.look_out(a);
        self.passing.next.set(a.next_yield.get());
        self.refuel();
    }

    /// Gives an operation its fuel, when it is issued or runs on.
    pub(super) fn refuel(&self) {
        self.fuel.set(FUEL);
    }
}
