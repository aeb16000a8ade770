//! Threads and who runs when.
//!
//! A thread of the modelled kernel is a *fiber*: an `async fn` that runs one operation
//! or one kernel thread's work. It reads top to bottom like its original, with an
//! `.await` wherever the original can be switched away from. What one operation causes
//! in message ports, netisrs and callouts runs in its fiber, under the frame of that
//! thread, and counts on the operation's *account* (see [`super::plan`]).
//!
//! Where those places are belongs to the kernel being modelled. A kernel that lets go of
//! its one giant lock only by blocking has few of them; one that can be preempted between
//! any two steps has many. [`Ctx::yield_at`] serves both alike: it parks the thread with
//! whatever it holds. A held lock keeps others out, it does not prevent the switch.
//!
//! [`Ctx`] knows nothing of a stack and holds no future; [`super::exec`] polls. Its
//! methods stand where their subject is: here, in [`super::plan`], [`super::wait`],
//! [`super::lock`], [`super::epoch`], [`super::hands`], [`super::findings`] and
//! [`super::record`].

pub use super::findings::Counts;
pub use super::hands::Hold;
pub use super::record::Frame;

use super::cell::{self, Count};
use super::feedback::Feedback;
use super::hands::MAX_HOLDS;
use super::lock::{Lock, LockInfo, MAX_LOCKS, Misuse};
use super::plan::{Account, FUEL, Passing};
use super::slab::ObjRef;
use super::trace::{Func, Trace, What};
use super::wait;
use crate::program::{Header, MAX_OPS, NamedPoint, Stop, Thresholds};
use crate::shadow::{KernelFault, Violation, rules};
use crate::stack::DefectSet;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The most threads alive at once, of which operations leave some to kernel threads and to
/// what only the end brings. An operation issued beyond that is refused
/// (`EAGAIN`) and counted, never dropped silently.
pub const MAX_FIBERS: usize = 16;

/// Account of the teardown.
pub const TEARDOWN: u8 = MAX_OPS as u8;

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

/// The fibers of a set: a bit each.
#[inline]
pub(super) fn members(mut set: u32) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let i = set.trailing_zeros() as u8;
        (set != 0).then(|| {
            set &= set - 1;
            i
        })
    })
}

/// One thread. A power of two in size: one of them is found by a shift.
#[derive(Debug)]
#[repr(align(256))]
pub(super) struct Fiber {
    pub(super) state: Cell<FiberState>,
    pub(super) account: Cell<u8>,
    pub(super) cpu: Cell<u8>,
    /// Operations still to be issued before a parked fiber runs again.
    pub(super) parked_for: Cell<u8>,
    /// It runs an operation of the program; otherwise it is a kernel thread.
    pub(super) is_op: Cell<bool>,
    /// A lock, or one of the constants of [`wait`].
    pub(super) waits_for: Cell<u8>,
    /// Whom it waits for, when that is not the owner of a lock: a bit per fiber.
    pub(super) waits_on: Cell<u32>,
    /// The same: who works for it at the moment, where others will.
    pub(super) served_by: Cell<u32>,
    /// What it waits for, in words, when that is not a lock.
    pub(super) wmesg: Cell<&'static str>,
    /// When it blocked: the longest waiter is woken first.
    pub(super) since: Cell<u32>,
    /// Bit per lock held.
    pub(super) held: Cell<u64>,
    /// Depth of its epoch section.
    pub(super) sections: Cell<u8>,
    /// Depth of the stretches in which it must not sleep.
    pub(super) no_sleeping: Cell<u8>,
    /// Depth of its critical section.
    pub(super) crit: Cell<u8>,
    /// The callout that it has dispatched was stopped (`cc_exec_cancel`).
    pub(super) cancelled: Cell<bool>,
    /// Counts tenants, so that a pointer into a dead stack is known as one.
    pub(super) generation: Cell<u16>,
    pub(super) holds: [Cell<ObjRef>; MAX_HOLDS],
    /// Which of them are taken, and which of those own a reference: a bit each.
    pub(super) hold_map: Cell<u32>,
    pub(super) counted: Cell<u32>,
}

impl Fiber {
    /// As a thread begins.
    fn begin(&self) {
        self.waits_for.set(wait::NOTHING);
        self.served_by.set(0);
        self.held.set(0);
        self.sections.set(0);
        self.no_sleeping.set(0);
        self.crit.set(0);
        self.cancelled.set(false);
        self.hold_map.set(0);
    }
}

impl Default for Fiber {
    fn default() -> Self {
        Fiber {
            state: Cell::new(FiberState::Free),
            account: Cell::new(0),
            cpu: Cell::new(0),
            parked_for: Cell::new(0),
            is_op: Cell::new(false),
            waits_for: Cell::new(wait::NOTHING),
            waits_on: Cell::new(0),
            served_by: Cell::new(0),
            wmesg: Cell::new(""),
            since: Cell::new(0),
            held: Cell::new(0),
            sections: Cell::new(0),
            no_sleeping: Cell::new(0),
            crit: Cell::new(0),
            cancelled: Cell::new(false),
            generation: Cell::new(0),
            holds: std::array::from_fn(|_| Cell::new(ObjRef::NONE)),
            hold_map: Cell::new(0),
            counted: Cell::new(0),
        }
    }
}

/// The substrate of a run: threads, locks, time, plan, findings.
pub struct Ctx {
    pub(super) fibers: [Fiber; MAX_FIBERS],
    /// Bit per fiber that is a thread.
    alive: Cell<u32>,
    pub(super) current: Cell<u8>,
    /// The account of the thread that is being polled.
    pub(super) polled: Cell<u8>,
    /// The thread that is being polled must not run on: it is parked or blocked, or the run
    /// has ended.
    pub(super) halted: Cell<bool>,
    /// The fibers that may run, the first one in the lowest four bits: no queue is shorter, or
    /// quicker to take one from.
    runq: Cell<u64>,
    runq_len: Cell<u8>,
    /// Counts the times that a thread blocked.
    pub(super) blocks: Cell<u32>,
    pub(super) accounts: [Account; MAX_OPS + 1],
    pub(super) passing: Passing,
    pub(super) named: RefCell<Vec<(NamedPoint, Cell<u8>)>>,
    pub(super) locks: [Lock; MAX_LOCKS],
    pub(super) lock_infos: &'static [LockInfo],
    /// Bit per lock whose owner must not sleep.
    pub(super) nosleep: u64,
    /// For each lock those that must not be held by who takes it, a bit each.
    pub(super) not_before: [u64; MAX_LOCKS],
    /// Bit per fiber inside an epoch section.
    pub(super) in_sections: Cell<u32>,
    /// Bit per fiber that waits for sections of others to close.
    pub(super) for_sections: Cell<u32>,
    defects: Cell<DefectSet>,
    pub(super) stop: Cell<Stop>,
    pub(super) stopped: Cell<bool>,
    pub(super) exhausted: Cell<bool>,
    ncpus: Cell<u8>,
    small: Cell<bool>,
    first_ifindex: Cell<u8>,
    /// Model time, ms.
    pub(super) now: Cell<u64>,
    /// Counts armed callouts: ties are broken by it.
    pub(super) arms: Cell<u32>,
    pub(super) fuel: Cell<u32>,
    pub(super) violation: Cell<Option<Violation>>,
    pub(super) fault: Cell<Option<KernelFault>>,
    pub(super) counts: Cell<Counts>,
    pub(super) recording: Cell<bool>,
    pub(super) trace: RefCell<Trace>,
    pub(super) frames: RefCell<[Vec<&'static Func>; MAX_FIBERS]>,
    pub(super) reached: Cell<DefectSet>,
    pub(super) feedback: Feedback,
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
        if self.cx.halted.get() { Poll::Pending } else { Poll::Ready(()) }
    }
}

/// The locks of some kinds, a bit each.
fn set_of_locks(infos: &[LockInfo], of: impl Fn(&LockInfo) -> bool) -> u64 {
    infos.iter().enumerate().filter(|(_, l)| of(l)).fold(0, |set, (i, _)| set | 1 << i)
}

impl Ctx {
    pub(super) fn new(lock_infos: &'static [LockInfo]) -> Self {
        assert!(lock_infos.len() <= MAX_LOCKS, "more locks than MAX_LOCKS");
        Ctx {
            fibers: std::array::from_fn(|_| Fiber::default()),
            alive: Cell::new(0),
            current: Cell::new(0),
            polled: Cell::new(0),
            halted: Cell::new(false),
            runq: Cell::new(0),
            runq_len: Cell::new(0),
            blocks: Cell::new(0),
            accounts: std::array::from_fn(|_| Account::default()),
            passing: Passing::default(),
            named: RefCell::default(),
            locks: std::array::from_fn(|_| Lock::default()),
            lock_infos,
            nosleep: set_of_locks(lock_infos, |l| !l.kind.may_sleep()),
            not_before: std::array::from_fn(|i| {
                lock_infos.get(i).map_or(0, |l| {
                    let late = set_of_locks(lock_infos, |o| l.is_out_of_order_behind(o));
                    let nosleep = set_of_locks(lock_infos, |o| !o.kind.may_sleep());
                    (late & !(1 << i)) | if l.kind.may_sleep() { nosleep } else { 0 }
                })
            }),
            in_sections: Cell::new(0),
            for_sections: Cell::new(0),
            defects: Cell::new(0),
            stop: Cell::new(Stop::Books),
            stopped: Cell::new(false),
            exhausted: Cell::new(false),
            ncpus: Cell::new(1),
            small: Cell::new(false),
            first_ifindex: Cell::new(0),
            now: Cell::new(0),
            arms: Cell::new(0),
            fuel: Cell::new(0),
            violation: Cell::new(None),
            fault: Cell::new(None),
            counts: Cell::default(),
            recording: Cell::new(false),
            trace: RefCell::default(),
            frames: RefCell::default(),
            reached: Cell::new(0),
            feedback: Feedback::default(),
        }
    }

    pub(super) fn reset(
        &self,
        defects: DefectSet,
        stop: Stop,
        ncpus: u8,
        recording: bool,
        feedback: bool,
    ) {
        self.feedback.reset(feedback);
        for f in &self.fibers {
            f.generation.set(0);
        }
        for f in members(self.alive.get() | self.in_sections.get() | 1) {
            let f = &self.fibers[f as usize];
            f.state.set(FiberState::Free);
            f.begin();
        }
        self.alive.set(0);
        self.in_sections.set(0);
        self.for_sections.set(0);
        self.current.set(0);
        self.polled.set(0);
        self.halted.set(false);
        self.blocks.set(0);
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

    /// Whether the program asks for small limits, [`Thresholds::Small`].
    #[inline]
    pub fn small_thresholds(&self) -> bool {
        self.small.get()
    }

    /// [`Header::ifindex`](crate::program::Header).
    pub fn first_ifindex(&self) -> u8 {
        self.first_ifindex.get()
    }

    /// Takes from the header what concerns the modelled kernel's configuration.
    pub(super) fn configure(&self, h: &Header) {
        self.small.set(h.thresholds == Thresholds::Small);
        self.first_ifindex.set(h.ifindex);
    }

    /// Whether the current thread holds any lock.
    #[inline]
    pub fn holds_locks(&self) -> bool {
        self.fibers[self.current.get() as usize].held.get() != 0
    }

    /// Starts a thread, if room for so many more is left.
    pub(super) fn new_fiber(&self, account: u8, cpu: u8, is_op: bool, leave: usize) -> Option<u8> {
        let alive = self.alive.get();
        if alive.count_ones() as usize + leave >= MAX_FIBERS {
            return None;
        }
        let i = (!alive).trailing_zeros() as usize;
        let f = &self.fibers[i];
        self.alive.set(alive | 1 << i);
        f.begin();
        f.account.set(account);
        f.cpu.set(cpu);
        f.is_op.set(is_op);
        f.generation.inc();
        self.make_runnable(i as u8);
        Some(i as u8)
    }

    /// Puts a thread at the end of the run queue.
    pub(super) fn make_runnable(&self, fiber: u8) {
        self.fibers[fiber as usize].state.set(FiberState::Runnable);
        const { assert!(MAX_FIBERS == 16) };
        let n = self.runq_len.get();
        let before = self.runq.get() & ((1 << (4 * n)) - 1);
        self.runq.set(before | u64::from(fiber) << (4 * n));
        self.runq_len.set(n + 1);
    }

    /// Takes the first thread off the run queue.
    pub(super) fn next_runnable(&self) -> Option<u8> {
        let n = self.runq_len.get();
        if n == 0 {
            return None;
        }
        let q = self.runq.get();
        self.runq.set(q >> 4);
        self.runq_len.set(n - 1);
        Some((q & 15) as u8)
    }

    /// Operation `i` is issued: its thread is the current one from now on.
    pub(super) fn issued(&self, fiber: u8, i: u8) {
        self.current.set(fiber);
        self.record(|| What::Op(i));
    }

    /// A thread is about to be polled; `fresh`: for the first time.
    pub(super) fn resume(&self, fiber: u8, fresh: bool) {
        let f = &self.fibers[fiber as usize];
        self.current.set(fiber);
        self.open_account(f.account.get());
        self.halted.set(self.stopped.get());
        f.state.set(FiberState::Running);
        if !fresh {
            self.record(|| What::Resume);
        }
    }

    /// A thread has returned. It must leave nothing behind.
    pub(super) fn finish(&self, fiber: u8, errno: i32) {
        let f = &self.fibers[fiber as usize];
        if f.held.get() != 0 {
            let l = f.held.get().trailing_zeros();
            self.violate(&rules::LOCK_MISUSE, ObjRef::NONE, ObjRef::NONE, [l, Misuse::Kept as u32]);
        }
        if f.sections.get() != 0 {
            self.section_left_open();
        }
        if f.crit.get() != 0 {
            self.crit_misuse();
        }
        if errno == 0 && f.is_op.get() {
            self.bump(|c| c.ok += 1);
        }
        self.note_finished(errno);
        self.record(|| What::Done(errno));
        f.state.set(FiberState::Free);
        self.alive.set(self.alive.get() & !(1 << fiber));
    }

    /// A thread that is blocked, if any.
    pub(super) fn any_blocked(&self) -> Option<u8> {
        members(self.alive.get())
            .find(|&f| self.fibers[f as usize].state.get() == FiberState::Blocked)
    }

    /// The threads that are alive, a bit each.
    pub(super) fn alive(&self) -> u32 {
        self.alive.get()
    }

    /// Whether no thread is alive.
    pub fn at_rest(&self) -> bool {
        self.alive.get() == 0
    }

    /// Counts the operation just issued against every parked thread.
    pub(super) fn count_issued(&self) {
        for f in members(self.alive.get()) {
            let f = &self.fibers[f as usize];
            if f.state.get() == FiberState::Parked && f.parked_for.get() != 0 {
                f.parked_for.dec();
            }
        }
    }

    /// Makes the oldest parked thread whose time is up (or any, when `all`) runnable, with fuel
    /// of its own.
    pub(super) fn unpark_one(&self, all: bool) -> bool {
        let due =
            |f: &Fiber| f.state.get() == FiberState::Parked && (all || f.parked_for.get() == 0);
        let oldest = members(self.alive.get())
            .filter(|&f| due(&self.fibers[f as usize]))
            .min_by_key(|&f| self.fibers[f as usize].account.get());
        if let Some(f) = oldest {
            self.refuel();
            self.make_runnable(f);
        }
        oldest.is_some()
    }

    /// The operation on whose account the current thread works.
    pub fn current_op(&self) -> Option<u8> {
        let a = self.fibers[self.current.get() as usize].account.get();
        (a != TEARDOWN).then_some(a)
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
    pub fn reached(&self) -> DefectSet {
        self.reached.get()
    }

    // ---- time ----------------------------------------------------------------

    /// Model time since boot, ms.
    #[inline]
    pub fn now(&self) -> u64 {
        self.now.get()
    }

    /// Sets the clock; it never runs backwards.
    pub fn set_now(&self, t: u64) {
        if t > self.now.get() {
            self.now.set(t);
            // A field or not, it is what timers are checked by.
            cell::note_store();
            self.time_passed();
        }
    }
}
