//! Threads, scheduling, preemptions and faults.
//!
//! A thread of the modelled kernel is a *fiber*: an `async fn` that runs one operation
//! or one kernel thread's work. It reads top to bottom like its original, with an
//! `.await` wherever the original can be switched away from. What one operation causes
//! in message ports, netisrs and callouts runs in its fiber, under the frame of that
//! thread, and counts on the operation's *account*: its yield points and fallible calls
//! are numbered in the order in which they happen, wherever they happen.
//!
//! A yield point that is not the planned one costs a counter compare. [`Ctx`] knows
//! nothing of a stack and holds no future; [`super::exec`] polls.

use super::cell::F;
use super::lock::{Lock, LockInfo, MAX_LOCKS};
use super::slab::ObjRef;
use super::trace::{Backtrace, Event, Func, Trace, What};
use crate::program::{MAX_OPS, NamedPoint, PointKind, Stop};
use crate::shadow::{FaultKind, KernelFault, Rule, Violation, rules};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The most threads alive at once. An operation issued beyond that is refused
/// (`EAGAIN`) and counted, never dropped silently.
pub const MAX_FIBERS: usize = 16;

/// The most registered pointers of one thread.
const MAX_HOLDS: usize = 16;

/// Deepest stack of frames that is recorded.
const MAX_FRAMES: usize = 48;

/// Account of the teardown.
pub const TEARDOWN: u8 = MAX_OPS as u8;

/// Yield points that one account may pass before it counts as endless.
const STEP_BUDGET: u32 = 4_000;

/// List elements that one operation may visit before it counts as endless.
const FUEL: u32 = 20_000;

/// Where a fiber stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FiberState {
    /// No thread.
    Free,
    /// In the run queue.
    Runnable,
    /// Being polled.
    Running,
    /// Parked at its planned yield point.
    Parked,
    /// Waiting for a lock, a grace period or a message.
    Blocked,
}

/// One thread.
#[derive(Debug)]
pub(super) struct Fiber {
    pub(super) state: F<FiberState>,
    pub(super) account: F<u8>,
    pub(super) cpu: F<u8>,
    /// Operations still to be issued before a parked fiber runs again.
    pub(super) parked_for: F<u8>,
    pub(super) waits_for: F<u8>,
    /// Bit per lock held.
    pub(super) held: F<u64>,
    /// Counts tenants, so that a pointer into a dead stack is known as one.
    pub(super) generation: F<u16>,
    holds: [Cell<(ObjRef, bool)>; MAX_HOLDS],
    hold_map: F<u16>,
}

impl Default for Fiber {
    fn default() -> Self {
        Fiber {
            state: F::new(FiberState::Free),
            account: F::new(0),
            cpu: F::new(0),
            parked_for: F::new(0),
            waits_for: F::new(u8::MAX),
            held: F::new(0),
            generation: F::new(0),
            holds: std::array::from_fn(|_| Cell::new((ObjRef::NONE, false))),
            hold_map: F::new(0),
        }
    }
}

/// What an operation has used of its plan.
#[derive(Debug, Default)]
struct Account {
    yields: F<u32>,
    /// Ordinal of the yield point to park at, or the step budget.
    next_yield: F<u32>,
    preempt_at: F<u32>,
    preempt_for: F<u8>,
    calls: F<u32>,
    fail_at: F<u32>,
    persistent: F<bool>,
    /// Name of the call that a persistent ordinal fault has failed.
    failing: Cell<Option<&'static str>>,
    injected: F<u32>,
    named: F<bool>,
}

/// Counts of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Operations issued.
    pub ops: u32,
    /// Operations that returned 0.
    pub ok: u32,
    /// Operations that changed the state; counted only when asked for.
    pub changed: u32,
    /// Operations refused because too many threads were alive.
    pub refused: u32,
    /// Preemptions that happened.
    pub preempted: u32,
    /// Faults that were injected.
    pub injected: u32,
    /// Warnings (broken rules that never stop a run).
    pub warnings: u32,
}

/// The substrate of a run: threads, locks, time, plan, findings.
pub struct Ctx {
    pub(super) fibers: [Fiber; MAX_FIBERS],
    current: F<u8>,
    runq: F<[u8; MAX_FIBERS]>,
    runq_len: F<u8>,
    accounts: [Account; MAX_OPS + 1],
    named: RefCell<Vec<(NamedPoint, Cell<u8>)>>,
    pub(super) locks: [Lock; MAX_LOCKS],
    pub(super) lock_infos: &'static [LockInfo],
    defects: F<u64>,
    stop: F<Stop>,
    stopped: F<bool>,
    exhausted: F<bool>,
    ncpus: F<u8>,
    /// Model time, ms.
    now: F<u64>,
    /// Counts armed callouts: ties are broken by it.
    arms: F<u32>,
    fuel: F<u32>,
    violation: Cell<Option<Violation>>,
    fault: Cell<Option<KernelFault>>,
    pub(super) counts: Cell<Counts>,
    recording: F<bool>,
    trace: RefCell<Trace>,
    frames: RefCell<[Vec<&'static Func>; MAX_FIBERS]>,
    reached: F<u64>,
}

/// Waits until the current thread may run on.
#[must_use = "a yield point does nothing unless awaited"]
pub struct Switch<'a> {
    cx: &'a Ctx,
}

impl<'a> Switch<'a> {
    pub(super) fn new(cx: &'a Ctx) -> Self {
        Switch { cx }
    }
}

impl Future for Switch<'_> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let cx = self.cx;
        if !cx.stopped.get() && cx.fibers[cx.current.get() as usize].state.get() == FiberState::Running {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// A pointer that a thread has in hand while this guard lives.
#[must_use = "the pointer is in hand only while the guard lives"]
pub struct Hold<'a> {
    cx: &'a Ctx,
    fiber: u8,
    index: u8,
}

impl Drop for Hold<'_> {
    #[inline]
    fn drop(&mut self) {
        let f = &self.cx.fibers[self.fiber as usize];
        f.hold_map.set(f.hold_map.get() & !(1 << self.index));
    }
}

/// A function of the modelled kernel being executed while this guard lives.
#[must_use = "the frame is popped when the guard is dropped"]
pub struct Frame<'a> {
    cx: &'a Ctx,
    /// Fiber and depth; `None` when the run is not recorded.
    at: Option<(u8, u8)>,
}

impl Drop for Frame<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some((fiber, depth)) = self.at {
            self.cx.pop_frame(fiber, depth);
        }
    }
}

impl Ctx {
    pub(super) fn new(lock_infos: &'static [LockInfo]) -> Self {
        assert!(lock_infos.len() <= MAX_LOCKS, "more locks than MAX_LOCKS");
        Ctx {
            fibers: std::array::from_fn(|_| Fiber::default()),
            current: F::new(0),
            runq: F::new([0; MAX_FIBERS]),
            runq_len: F::new(0),
            accounts: std::array::from_fn(|_| Account::default()),
            named: RefCell::default(),
            locks: std::array::from_fn(|_| Lock::default()),
            lock_infos,
            defects: F::new(0),
            stop: F::new(Stop::Books),
            stopped: F::new(false),
            exhausted: F::new(false),
            ncpus: F::new(1),
            now: F::new(0),
            arms: F::new(0),
            fuel: F::new(0),
            violation: Cell::new(None),
            fault: Cell::new(None),
            counts: Cell::default(),
            recording: F::new(false),
            trace: RefCell::default(),
            frames: RefCell::default(),
            reached: F::new(0),
        }
    }

    pub(super) fn reset(&self, defects: u64, stop: Stop, ncpus: u8, recording: bool) {
        for f in &self.fibers {
            if f.state.get() != FiberState::Free || f.held.get() != 0 || f.hold_map.get() != 0 {
                f.state.set(FiberState::Free);
                f.held.set(0);
                f.hold_map.set(0);
                f.waits_for.set(u8::MAX);
            }
            f.generation.set(0);
        }
        for l in &self.locks[..self.lock_infos.len()] {
            l.reset();
        }
        self.runq_len.set(0);
        self.defects.set(defects);
        self.stop.set(stop);
        self.stopped.set(false);
        self.exhausted.set(false);
        self.ncpus.set(ncpus);
        self.now.set(0);
        self.arms.set(8);
        self.fuel.set(FUEL);
        self.violation.set(None);
        self.fault.set(None);
        self.counts.set(Counts::default());
        self.recording.set(recording);
        self.reached.set(0);
        if recording {
            *self.trace.borrow_mut() = Trace::default();
            *self.frames.borrow_mut() = Default::default();
        }
    }

    /// Plans account `i`. Accounts that are not planned never park and never fail.
    pub(super) fn plan(&self, i: usize, op: &crate::program::Op) {
        let a = &self.accounts[i];
        a.yields.set(0);
        let at = if op.preempt_at == 0 { u32::MAX } else { u32::from(op.preempt_at) };
        a.preempt_at.set(at);
        a.next_yield.set(at.min(STEP_BUDGET));
        a.preempt_for.set(op.preempt_for.max(1));
        a.calls.set(0);
        a.fail_at.set(if op.fail_at() == 0 { u32::MAX } else { u32::from(op.fail_at()) });
        a.persistent.set(op.fail_persistent());
        a.failing.set(None);
        a.injected.set(0);
        a.named.set(false);
    }

    pub(super) fn plan_named(&self, points: &[NamedPoint]) {
        let mut named = self.named.borrow_mut();
        named.clear();
        for p in points {
            if p.op < MAX_OPS {
                self.accounts[p.op].named.set(true);
            }
            named.push((p.clone(), Cell::new(0)));
        }
    }

    /// The named points of the plan that the run did not reach.
    pub(super) fn unreached(&self) -> Vec<NamedPoint> {
        let named = self.named.borrow();
        named.iter().filter(|(p, n)| n.get() < p.occurrence).map(|(p, _)| p.clone()).collect()
    }

    // ---- threads -------------------------------------------------------------

    /// The fiber that runs.
    #[inline]
    pub fn current(&self) -> u8 {
        self.current.get()
    }

    /// `mycpuid`: the CPU that the current thread runs on.
    #[inline]
    pub fn mycpuid(&self) -> usize {
        self.fibers[self.current.get() as usize].cpu.get() as usize
    }

    /// Moves the current thread to another CPU.
    pub fn set_cpu(&self, cpu: usize) {
        self.fibers[self.current.get() as usize].cpu.set(cpu as u8);
        self.record(|| What::Migrate(cpu as u8));
    }

    /// Number of CPUs, from the program's header.
    #[inline]
    pub fn ncpus(&self) -> usize {
        self.ncpus.get() as usize
    }

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

    /// Whether the current thread holds any lock.
    #[inline]
    pub fn holds_locks(&self) -> bool {
        self.fibers[self.current.get() as usize].held.get() != 0
    }

    pub(super) fn new_fiber(&self, account: u8, cpu: u8) -> Option<u8> {
        let i = self.fibers.iter().position(|f| f.state.get() == FiberState::Free)?;
        let f = &self.fibers[i];
        f.account.set(account);
        f.cpu.set(cpu);
        f.held.set(0);
        f.hold_map.set(0);
        f.waits_for.set(u8::MAX);
        f.generation.inc();
        self.make_runnable(i as u8);
        Some(i as u8)
    }

    pub(super) fn make_runnable(&self, fiber: u8) {
        self.fibers[fiber as usize].state.set(FiberState::Runnable);
        let mut q = self.runq.get();
        let n = self.runq_len.get();
        q[n as usize % MAX_FIBERS] = fiber;
        self.runq.set(q);
        self.runq_len.set(n + 1);
    }

    pub(super) fn next_runnable(&self) -> Option<u8> {
        let n = self.runq_len.get();
        if n == 0 {
            return None;
        }
        let mut q = self.runq.get();
        let f = q[0];
        q.copy_within(1.., 0);
        self.runq.set(q);
        self.runq_len.set(n - 1);
        Some(f)
    }

    pub(super) fn resume(&self, fiber: u8, fresh: bool) {
        self.current.set(fiber);
        self.fibers[fiber as usize].state.set(FiberState::Running);
        if !fresh {
            self.record(|| What::Resume);
        }
    }

    pub(super) fn finish(&self, fiber: u8, errno: i32) {
        let f = &self.fibers[fiber as usize];
        if f.held.get() != 0 {
            let l = f.held.get().trailing_zeros();
            self.violate(&rules::LOCK_MISUSE, ObjRef::NONE, ObjRef::NONE, [l, 3]);
        }
        self.record(|| What::Done(errno));
        f.state.set(FiberState::Free);
    }

    pub(super) fn fiber_state(&self, fiber: usize) -> FiberState {
        self.fibers[fiber].state.get()
    }

    /// Whether no thread is alive.
    pub fn at_rest(&self) -> bool {
        self.fibers.iter().all(|f| f.state.get() == FiberState::Free)
    }

    /// Counts the operation just issued against every parked thread.
    pub(super) fn count_issued(&self) {
        for f in &self.fibers {
            if f.state.get() == FiberState::Parked && f.parked_for.get() != 0 {
                f.parked_for.dec();
            }
        }
    }

    /// Makes the oldest parked thread whose time is up (or any, when `all`) runnable.
    pub(super) fn unpark_one(&self, all: bool) -> bool {
        let due = |f: &Fiber| {
            f.state.get() == FiberState::Parked && (all || f.parked_for.get() == 0)
        };
        let oldest = (0..MAX_FIBERS)
            .filter(|&i| due(&self.fibers[i]))
            .min_by_key(|&i| self.fibers[i].account.get());
        if let Some(i) = oldest {
            self.make_runnable(i as u8);
        }
        oldest.is_some()
    }

    /// A place where the current thread may be switched away from. Parks it when the
    /// plan of its account says so.
    #[inline]
    pub fn yield_at(&self, name: &'static str) -> Switch<'_> {
        let a = &self.accounts[self.fibers[self.current.get() as usize].account.get() as usize];
        let n = a.yields.inc();
        if n >= a.next_yield.get() || a.named.get() || self.recording.get() {
            self.yield_slow(a, n, name);
        }
        Switch { cx: self }
    }

    #[cold]
    fn yield_slow(&self, a: &Account, n: u32, name: &'static str) {
        self.record(|| What::Yield(name));
        if n >= STEP_BUDGET {
            self.violate(&rules::ENDLESS, ObjRef::NONE, ObjRef::NONE, [n, 0]);
            return;
        }
        let hit = n == a.preempt_at.get()
            || a.named.get() && self.named_hit(name, |k| k == PointKind::Preempt).is_some();
        if hit {
            let f = &self.fibers[self.current.get() as usize];
            f.state.set(FiberState::Parked);
            f.parked_for.set(a.preempt_for.get());
            a.preempt_at.set(u32::MAX);
            a.next_yield.set(STEP_BUDGET);
            self.bump(|c| c.preempted += 1);
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

    // ---- faults --------------------------------------------------------------

    /// A fallible call: whether it fails now, because the plan says so.
    #[inline]
    pub fn fails(&self, name: &'static str) -> bool {
        let a = &self.accounts[self.fibers[self.current.get() as usize].account.get() as usize];
        let n = a.calls.inc();
        if n >= a.fail_at.get() || a.named.get() || self.recording.get() {
            return self.fails_slow(a, n, name);
        }
        false
    }

    #[cold]
    fn fails_slow(&self, a: &Account, n: u32, name: &'static str) -> bool {
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
        }
        self.record(|| What::Call(name, failed));
        failed
    }

    /// How many faults the current account has met.
    pub fn injected(&self) -> u32 {
        self.accounts[self.fibers[self.current.get() as usize].account.get() as usize].injected.get()
    }

    // ---- defects -------------------------------------------------------------

    /// Whether defect number `d` is on. Place the call at the line where history
    /// differs: it also notes that the line was reached.
    #[inline]
    pub fn on(&self, d: u8) -> bool {
        let on = self.defects.get() >> d & 1 != 0;
        if on {
            self.reached.set(self.reached.get() | 1 << d);
        }
        on
    }

    /// The defects whose faulty line was executed in this run.
    pub fn reached(&self) -> u64 {
        self.reached.get()
    }

    // ---- time and budgets ----------------------------------------------------

    /// Model time since boot, ms.
    #[inline]
    pub fn now(&self) -> u64 {
        self.now.get()
    }

    /// Sets the clock; it never runs backwards.
    pub fn set_now(&self, t: u64) {
        self.now.set(t.max(self.now.get()));
    }

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

    /// `callout_reset`: arms a callout to fire `delay` ms from now.
    pub fn callout_reset(&self, c: &super::callout::Callout, delay: u64) {
        c.reset(self.now.get() + delay, self.arms.inc());
    }

    pub(super) fn refuel(&self) {
        self.fuel.set(FUEL);
    }

    /// Ends the run because the model's own memory is used up: neither clean nor a
    /// violation; counted by whoever runs it.
    pub fn exhaust(&self) {
        self.exhausted.set(true);
        self.stopped.set(true);
    }

    /// Whether the model's memory was used up.
    pub fn exhausted(&self) -> bool {
        self.exhausted.get()
    }

    /// Whether the run has ended early.
    #[inline]
    pub fn stopped(&self) -> bool {
        self.stopped.get()
    }

    // ---- findings ------------------------------------------------------------

    /// Records a broken rule. The first one counts; under `stop books` it ends the
    /// run.
    #[cold]
    pub fn violate(&self, rule: &'static Rule, obj: ObjRef, other: ObjRef, detail: [u32; 2]) {
        if rule.warning {
            self.bump(|c| c.warnings += 1);
            return;
        }
        if self.violation.get().is_some() || self.stopped.get() {
            return;
        }
        let v = Violation { rule, obj, other, detail, op: self.current_op(), func: self.func() };
        self.violation.set(Some(v));
        if self.stop.get() == Stop::Books {
            self.stopped.set(true);
        }
        if self.recording.get() {
            let bt = self.backtraces();
            let mut t = self.trace.borrow_mut();
            t.violations.push((v, bt));
            let n = t.violations.len() as u16 - 1;
            drop(t);
            self.record(|| What::Violation(n));
        }
    }

    /// Records what the kernel itself would have noticed here; the books say
    /// `bad-pointer` or `kernel-panic`. Ends the run.
    #[cold]
    pub fn kernel_fault(&self, kind: FaultKind, obj: ObjRef, what: &'static str) {
        if self.stopped.get() {
            return;
        }
        let rule = match kind {
            FaultKind::Assert(_) | FaultKind::Panic(_) => &rules::KERNEL_PANIC,
            _ => &rules::BAD_POINTER,
        };
        self.violate(rule, obj, ObjRef::NONE, [0, 0]);
        if self.fault.get().is_none() {
            let f = KernelFault { kind, obj, what, op: self.current_op(), func: self.func() };
            self.fault.set(Some(f));
            if self.recording.get() {
                let bt = self.backtraces();
                    let mut t = self.trace.borrow_mut();
                t.faults.push((f, bt));
                let n = t.faults.len() as u16 - 1;
                drop(t);
                self.record(|| What::Fault(n));
            }
        }
        self.stopped.set(true);
    }

    /// The first broken rule.
    pub fn violation(&self) -> Option<Violation> {
        self.violation.get()
    }

    /// The first kernel fault.
    pub fn fault(&self) -> Option<KernelFault> {
        self.fault.get()
    }

    /// Counts of this run so far.
    pub fn counts(&self) -> Counts {
        self.counts.get()
    }

    pub(super) fn bump(&self, f: impl FnOnce(&mut Counts)) {
        let mut c = self.counts.get();
        f(&mut c);
        self.counts.set(c);
    }

    /// The operation on whose account the current thread works.
    pub fn current_op(&self) -> Option<u8> {
        let a = self.fibers[self.current.get() as usize].account.get();
        (a != TEARDOWN).then_some(a)
    }

    // ---- pointers in hand ----------------------------------------------------

    /// Registers a pointer that the current thread has in hand across a place where
    /// others may run. `counted`: it owns a reference.
    #[inline]
    pub fn hold(&self, obj: ObjRef, counted: bool) -> Hold<'_> {
        let fiber = self.current.get();
        let f = &self.fibers[fiber as usize];
        let index = (!f.hold_map.get()).trailing_zeros() as u8;
        assert!((index as usize) < MAX_HOLDS, "harness: too many registered pointers in a thread");
        f.holds[index as usize].set((obj, counted));
        f.hold_map.set(f.hold_map.get() | 1 << index);
        Hold { cx: self, fiber, index }
    }

    /// Calls `f` for every registered pointer: fiber, object, whether it is counted.
    #[inline]
    pub fn for_holds(&self, mut f: impl FnMut(u8, ObjRef, bool)) {
        for (i, fb) in self.fibers.iter().enumerate() {
            let mut map = fb.hold_map.get();
            while map != 0 {
                let h = map.trailing_zeros() as usize;
                map &= map - 1;
                let (o, counted) = fb.holds[h].get();
                f(i as u8, o, counted);
            }
        }
    }

    /// The rule "freed while in another thread's hands", at the free of `obj`.
    #[inline]
    pub fn check_hands(&self, obj: ObjRef) {
        let me = self.current.get();
        let mut holder = None;
        self.for_holds(|f, o, _| {
            if o == obj && f != me {
                holder = Some(f);
            }
        });
        if let Some(f) = holder {
            let account = self.fibers[f as usize].account.get();
            self.violate(&rules::FREED_IN_HANDS, obj, ObjRef::NONE, [u32::from(account), 0]);
        }
    }

    // ---- recording -----------------------------------------------------------

    /// Enters a function of the modelled kernel.
    #[inline]
    pub fn frame(&self, f: &'static Func) -> Frame<'_> {
        if self.recording.get() { self.push_frame(f) } else { Frame { cx: self, at: None } }
    }

    #[cold]
    fn push_frame(&self, f: &'static Func) -> Frame<'_> {
        let fiber = self.current.get();
        let mut fr = self.frames.borrow_mut();
        let stack = &mut fr[fiber as usize];
        let depth = stack.len() as u8;
        if stack.len() < MAX_FRAMES {
            stack.push(f);
        }
        drop(fr);
        self.record(|| What::Enter(f));
        Frame { cx: self, at: Some((fiber, depth)) }
    }

    #[cold]
    fn pop_frame(&self, fiber: u8, depth: u8) {
        let mut fr = self.frames.borrow_mut();
        let stack = &mut fr[fiber as usize];
        let f = stack.get(depth as usize).copied();
        stack.truncate(depth as usize);
        drop(fr);
        if let Some(f) = f
            && !self.stopped.get()
        {
            self.record(|| What::Leave(f));
        }
    }

    fn func(&self) -> &'static str {
        if !self.recording.get() {
            return "";
        }
        self.frames.borrow()[self.current.get() as usize].last().map_or("", |f| f.name)
    }

    /// Whether this run is recorded.
    #[inline]
    pub fn recording(&self) -> bool {
        self.recording.get()
    }

    /// Records an event; the closure runs only in recorded runs.
    #[inline]
    pub fn record(&self, what: impl FnOnce() -> What) {
        if self.recording.get() {
            self.record_slow(what());
        }
    }

    #[cold]
    fn record_slow(&self, what: What) {
        let f = &self.fibers[self.current.get() as usize];
        let account = f.account.get();
        let e = Event {
            fiber: self.current.get(),
            account: if account == TEARDOWN { u8::MAX } else { account },
            cpu: f.cpu.get(),
            now: self.now.get(),
            what,
        };
        self.trace.borrow_mut().events.push(e);
    }

    /// Records a reference taken (+1) or dropped (-1) at the caller's caller.
    #[inline]
    #[track_caller]
    pub fn record_ref(&self, obj: ObjRef, delta: i8, now: u32) {
        let site = Location::caller();
        self.record(|| What::Ref(obj, delta, now, site));
    }

    /// The recorded trace; leaves an empty one.
    pub fn take_trace(&self) -> Trace {
        let mut t = std::mem::take(&mut *self.trace.borrow_mut());
        t.reached = (0..64).filter(|d| self.reached.get() >> d & 1 != 0).collect();
        t
    }

    /// The stacks of all living threads, the current one first.
    pub fn backtraces(&self) -> Vec<Backtrace> {
        let frames = self.frames.borrow();
        let mut order: Vec<usize> = (0..MAX_FIBERS).collect();
        let me = self.current.get() as usize;
        order.sort_by_key(|&i| (i != me, i));
        order
            .into_iter()
            .filter(|&i| self.fibers[i].state.get() != FiberState::Free)
            .map(|i| {
                let f = &self.fibers[i];
                let state = match f.state.get() {
                    FiberState::Running => "running".to_string(),
                    FiberState::Parked => format!("preempted, {} to go", f.parked_for.get()),
                    FiberState::Blocked => match self.lock_infos.get(f.waits_for.get() as usize) {
                        Some(l) => format!("waiting for {}", l.name),
                        None => "waiting".to_string(),
                    },
                    _ => "runnable".to_string(),
                };
                Backtrace {
                    fiber: i as u8,
                    account: f.account.get(),
                    state,
                    frames: frames[i].iter().rev().copied().collect(),
                }
            })
            .collect()
    }
}
