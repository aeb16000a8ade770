//! The loop that issues operations and polls threads.
//!
//! The next operation is issued when no unparked thread is runnable. Each thread runs
//! until it finishes, blocks, or reaches its planned preemption. A thread parked "for
//! k" runs again when k more operations have been issued, the oldest first. At the end
//! parked threads are released, the stack tears itself down, and its final audit runs.
//! What is still blocked then will never run: a deadlock.
//!
//! All threads are one concrete future type in reused slots: nothing is allocated per
//! operation.

use super::Kernel;
use super::cell::take_stored;
use super::sched::{Counts, TEARDOWN};
use super::slab::ObjRef;
use super::trace::Trace;
use crate::program::{MAX_OPS, NamedPoint, Op, Program, Stop};
use crate::shadow::{KernelFault, Violation, rules};
use crate::stack::{DefectSet, Job, Stack};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// How to run a program.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config {
    /// Defects that are on, bit per defect of the stack.
    pub defects: DefectSet,
    /// Which layer ends the run; `None`: as the program's header says.
    pub stop: Option<Stop>,
    /// Record everything, and take the fingerprint of the state at rest (slow).
    pub record: bool,
    /// Count the operations that change the state, and take its fingerprint at rest (slow).
    pub measure: bool,
    /// Note the features of the run, for guided engines.
    pub feedback: bool,
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The first broken rule.
    pub violation: Option<Violation>,
    /// What the kernel itself noticed first.
    pub fault: Option<KernelFault>,
    /// Counts.
    pub counts: Counts,
    /// The model's memory was used up: the run ended early and says nothing.
    pub exhausted: bool,
    /// Bit per defect whose faulty line was executed with the defect on.
    pub reached: DefectSet,
    /// Named points of the program that the run did not reach.
    pub unreached: Vec<NamedPoint>,
    /// The stack's hash of the state at rest after the operations, before the teardown, if it
    /// was asked for and nothing has ended the run before.
    pub state: Option<u64>,
    /// The events, when recorded.
    pub trace: Option<Box<Trace>>,
}

impl Outcome {
    /// Whether nothing was found.
    pub fn clean(&self) -> bool {
        self.violation.is_none() && self.fault.is_none()
    }
}

// Operations may all wait for a thread that one of them has asked for, and those for what only
// the end brings (a process that closes its device): there is always room for it.
const LEFT_BY_SPAWNED: usize = 1;
const LEFT_BY_OPS: usize = LEFT_BY_SPAWNED + 1;

/// Runs a program from boot to audit. A function of its arguments alone.
pub fn run<S: Stack>(k: &mut Kernel<S>, p: &Program, cfg: Config) -> Outcome {
    prepare(k, p, cfg);
    let scratch = cfg.measure.then(|| k.scratch.take().unwrap_or_else(|| Box::new(k.st.clone())));
    let kernel = &*k;
    let mut driver = Driver::new(kernel, |job| S::thread(kernel, job));
    driver.before = scratch;
    let state = driver.drive(p, cfg);
    let scratch = driver.before.take();
    drop(driver);
    if scratch.is_some() {
        k.scratch = scratch;
    }
    Outcome {
        violation: k.cx.violation(),
        fault: k.cx.fault(),
        counts: k.cx.counts(),
        exhausted: k.cx.exhausted(),
        reached: k.cx.reached(),
        unreached: if p.named.is_empty() { Vec::new() } else { k.cx.unreached() },
        state,
        trace: cfg.record.then(|| Box::new(k.cx.take_trace())),
    }
}

/// Boots, and plans the preemptions and faults.
fn prepare<S: Stack>(k: &mut Kernel<S>, p: &Program, cfg: Config) {
    let ncpus = p.header.ncpus.clamp(1, S::grammar().max_cpus);
    S::restore(&mut k.st, &k.boot[ncpus as usize - 1]);
    k.cx.reset(cfg.defects, cfg.stop.unwrap_or(p.header.stop), ncpus, cfg.record, cfg.feedback);
    k.cx.configure(&p.header);
    k.spawns.borrow_mut().clear();
    k.has_spawns.set(false);
    for (i, op) in p.ops.iter().enumerate() {
        k.cx.plan(i, op);
    }
    k.cx.plan(TEARDOWN as usize, &Op::default());
    if !p.named.is_empty() || cfg.record {
        k.cx.plan_named(&p.named);
    }
}

/// Runs the operations of a program and stops when every thread has finished, before the
/// teardown: the state at rest that they lead to stays in the kernel.
pub fn run_to_rest<S: Stack>(k: &mut Kernel<S>, p: &Program, cfg: Config) {
    prepare(k, p, cfg);
    let kernel = &*k;
    let mut driver = Driver::new(kernel, |job| S::thread(kernel, job));
    driver.operations(p);
}

/// Which detail [`rules::DEADLOCK`] has when threads are left that nothing will wake.
#[derive(Clone, Copy)]
enum Left {
    /// After the last operation; the first number is a fiber.
    Operations = 1,
    /// After the teardown.
    Teardown = 2,
}

/// The threads of a run and what polls them.
struct Driver<'k, S: Stack, T, B> {
    k: &'k Kernel<S>,
    /// Makes a thread. All threads are one type, that of `S::thread`, which has no name.
    body: B,
    /// One slot per fiber, made when first needed.
    slots: Vec<Pin<Box<Option<T>>>>,
    poller: Context<'static>,
    /// State after the last operation, when changes are counted. In a box, because a
    /// driver is moved in every run and a state is large.
    before: Option<Box<S::State>>,
    /// A thread has run since the stack's last check.
    unchecked: bool,
    /// The last check has passed. What is stored from then on is noted ([`take_stored`]).
    passed: bool,
}

impl<'k, S, T, B> Driver<'k, S, T, B>
where
    S: Stack,
    T: Future<Output = i32>,
    B: Fn(Job<S::Job>) -> T,
{
    fn new(k: &'k Kernel<S>, body: B) -> Self {
        let poller = Context::from_waker(Waker::noop());
        Driver { k, body, slots: Vec::new(), poller, before: None, unchecked: false, passed: false }
    }

    /// The whole run; returns early when a finding ends it. What is returned is
    /// [`Outcome::state`].
    fn drive(&mut self, p: &Program, cfg: Config) -> Option<u64> {
        self.operations(p);
        if self.k.cx.stopped() {
            return None;
        }
        let state = (cfg.measure || cfg.record).then(|| S::fingerprint(self.k));
        self.tear_down();
        state
    }

    /// The operations, until every thread has finished.
    fn operations(&mut self, p: &Program) {
        if let Some(b) = &mut self.before {
            S::restore(b, &self.k.st);
        }
        for (i, op) in p.ops.iter().enumerate() {
            self.issue(i as u8, op);
            if self.k.cx.stopped() {
                return;
            }
        }
        self.release_all();
    }

    /// Issues an operation, then lets those run on that were parked until now.
    fn issue(&mut self, i: u8, op: &Op) {
        let k = self.k;
        k.cx.refuel();
        k.cx.count_issued();
        k.cx.bump(|c| c.ops += 1);
        let quiet = k.cx.at_rest();
        match self.start(Job::Op(*op), i, S::op_cpu(op, k.cx.ncpus()), LEFT_BY_OPS) {
            Some(fiber) => {
                k.cx.issued(fiber, i);
                let (errno, alone) = self.poll_all(Some(fiber));
                let checked = self.check(op, errno.filter(|_| quiet), alone);
                self.count_change(checked);
            }
            None => k.cx.bump(|c| c.refused += 1),
        }
        let mut released = false;
        while !k.cx.stopped() && k.cx.unpark_one(false) {
            released = true;
            self.poll_all(None);
        }
        if released {
            self.check(op, None, false);
            // What a parked operation changes after all is not the doing of this one.
            if let Some(b) = &mut self.before {
                S::restore(b, &k.st);
            }
        }
    }

    /// The stack's checks after `op`. `errno` is its result, if it has finished and no other
    /// thread was alive; a thread that is left means that one was. `alone`: it has finished, and
    /// no other thread has run. Whether there was anything to check.
    fn check(&mut self, op: &Op, errno: Option<i32>, alone: bool) -> bool {
        self.unchecked = false;
        if self.k.cx.stopped() {
            return false;
        }
        let rest = self.k.cx.at_rest();
        let errno = errno.filter(|_| rest);
        // An operation that was alone and has stored nothing, as one of three: all was well
        // before it, and is as it was. So is what other threads have in hand.
        if alone && self.passed && !take_stored() {
            if let Some(errno) = errno {
                S::after_no_change(self.k, op, errno);
            }
            return false;
        }
        S::after_op(self.k, op, errno, rest);
        self.passed = self.k.cx.violation().is_none();
        take_stored();
        true
    }

    /// Counts the operation if the state is not what it was before. If it is not checked, it
    /// must be.
    fn count_change(&mut self, checked: bool) {
        let k = self.k;
        if let Some(b) = &mut self.before
            && !k.cx.stopped()
            && **b != k.st
        {
            assert!(checked, "harness: the state has changed, and no field F was stored to");
            k.cx.bump(|c| c.changed += 1);
            S::restore(b, &k.st);
        }
    }

    /// After the last operation: lets parked threads run to their end. The user is asked as
    /// often as there may be operations: more cannot wait for one thing each.
    fn release_all(&mut self) {
        let k = self.k;
        self.unpark_all();
        for _ in 0..MAX_OPS {
            if k.cx.stopped() || k.cx.any_blocked().is_none() {
                break;
            }
            let Some((job, cpu)) = S::awaited(k) else { break };
            k.cx.refuel();
            let Some(fiber) = self.start(Job::Thread(job), TEARDOWN, cpu, 0) else { break };
            self.poll_all(Some(fiber));
            self.unpark_all();
        }
        match k.cx.any_blocked() {
            Some(f) => self.deadlock(u32::from(f), Left::Operations),
            // Nothing has moved since the check after the last operation, mostly.
            None if self.unchecked => _ = self.check(&Op::default(), None, false),
            None => {}
        }
    }

    /// Lets every parked thread run on, the oldest first.
    fn unpark_all(&mut self) {
        while !self.k.cx.stopped() && self.k.cx.unpark_one(true) {
            self.poll_all(None);
        }
    }

    /// The teardown, step by step, and the final audit.
    fn tear_down(&mut self) {
        let k = self.k;
        let mut n = 0;
        while !k.cx.stopped() {
            k.cx.refuel();
            let Some((job, cpu)) = S::teardown(k, n) else { break };
            let Some(fiber) = self.start(Job::Thread(job), TEARDOWN, cpu, 0) else { break };
            self.poll_all(Some(fiber));
            n += 1;
        }
        if k.cx.stopped() {
            return;
        }
        match k.cx.at_rest() {
            true => S::audit_end(k),
            false => self.deadlock(0, Left::Teardown),
        }
    }

    fn deadlock(&self, n: u32, left: Left) {
        let detail = [n, left as u32];
        self.k.cx.violate(&rules::DEADLOCK, ObjRef::NONE, ObjRef::NONE, detail);
    }

    /// Makes a thread, runnable; its fiber, unless there would not be room for `leave` more.
    fn start(&mut self, job: Job<S::Job>, account: u8, cpu: u8, leave: usize) -> Option<u8> {
        let fiber = self.k.cx.new_fiber(account, cpu, matches!(job, Job::Op(_)), leave)?;
        while self.slots.len() <= fiber as usize {
            self.slots.push(Box::pin(None));
        }
        self.slots[fiber as usize].set(Some((self.body)(job)));
        Some(fiber)
    }

    /// Polls until nothing is runnable. `fresh` has not run before; the result is its
    /// errno, if it has finished, and whether it has and was the only one that ran.
    fn poll_all(&mut self, fresh: Option<u8>) -> (Option<i32>, bool) {
        let k = self.k;
        let (mut result, mut polled) = (None, 0);
        let mut unborn = fresh;
        while let Some(fiber) = k.cx.next_runnable() {
            self.unchecked = true;
            polled += 1;
            k.cx.resume(fiber, unborn.take_if(|f| *f == fiber).is_some());
            if let Some(errno) = self.poll(fiber)
                && fresh == Some(fiber)
                && result.is_none()
            {
                result = Some(errno);
            }
            if k.cx.stopped() {
                break;
            }
            if k.has_spawns.get() {
                self.start_spawned();
            }
        }
        (result, result.is_some() && polled == 1)
    }

    /// Lets a thread run until it waits; its errno, if it has finished.
    fn poll(&mut self, fiber: u8) -> Option<i32> {
        let slot = &mut self.slots[fiber as usize];
        let thread = slot.as_mut().as_pin_mut()?;
        let polled = thread.poll(&mut self.poller);
        self.k.cx.close_account();
        let Poll::Ready(errno) = polled else { return None };
        if !self.k.cx.stopped() {
            self.k.cx.finish(fiber, errno);
        }
        slot.set(None);
        Some(errno)
    }

    /// Starts the threads that the last one asked for; those for which there is no room
    /// wait for the end of another.
    #[cold]
    fn start_spawned(&mut self) {
        let k = self.k;
        let mut waiting = k.spawns.take();
        waiting.retain(|&(job, account, cpu)| {
            self.start(Job::Thread(job), account, cpu, LEFT_BY_SPAWNED).is_none()
        });
        k.has_spawns.set(!waiting.is_empty());
        *k.spawns.borrow_mut() = waiting;
    }
}

#[cfg(test)]
mod tests;
