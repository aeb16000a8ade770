//! The loop that issues operations and polls threads.
//!
//! The next operation is issued when no unparked thread is runnable. Each thread runs
//! until it finishes, blocks, or reaches its planned preemption. A thread parked "for
//! k" runs again when k more operations have been issued, the oldest first. At the end
//! parked threads are released, the stack tears itself down, and its final audit runs.
//!
//! All threads are one concrete future type in reused slots: nothing is allocated per
//! operation.

use super::Kernel;
use super::sched::{Counts, FiberState, TEARDOWN};
use super::slab::ObjRef;
use super::trace::{Trace, What};
use crate::program::{NamedPoint, Op, Program, Stop};
use crate::shadow::{KernelFault, Violation, rules};
use crate::stack::{Job, Stack};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// How to run a program.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config {
    /// Defects that are on, bit per defect of the stack.
    pub defects: u64,
    /// Which layer ends the run; `None`: as the program's header says.
    pub stop: Option<Stop>,
    /// Record everything (slow).
    pub record: bool,
    /// Count the operations that change the state (slow).
    pub measure: bool,
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
    pub reached: u64,
    /// Named points of the program that the run did not reach.
    pub unreached: Vec<NamedPoint>,
    /// The events, when recorded.
    pub trace: Option<Box<Trace>>,
}

impl Outcome {
    /// Whether nothing was found.
    pub fn clean(&self) -> bool {
        self.violation.is_none() && self.fault.is_none()
    }
}

/// Runs a program from boot to audit. A function of its arguments alone.
pub fn run<S: Stack>(k: &mut Kernel<S>, p: &Program, cfg: Config) -> Outcome {
    let ncpus = p.header.ncpus.clamp(1, S::grammar().max_cpus);
    k.st.clone_from(&k.boot[ncpus as usize - 1]);
    k.cx.reset(cfg.defects, cfg.stop.unwrap_or(p.header.stop), ncpus, cfg.record);
    k.spawns.borrow_mut().clear();
    k.has_spawns.set(false);
    for (i, op) in p.ops.iter().enumerate() {
        k.cx.plan(i, op);
    }
    k.cx.plan(TEARDOWN as usize, &Op::default());
    if !p.named.is_empty() || cfg.record {
        k.cx.plan_named(&p.named);
    }
    drive(&*k, p, cfg);
    Outcome {
        violation: k.cx.violation(),
        fault: k.cx.fault(),
        counts: k.cx.counts(),
        exhausted: k.cx.exhausted(),
        reached: k.cx.reached(),
        unreached: if p.named.is_empty() { Vec::new() } else { k.cx.unreached() },
        trace: cfg.record.then(|| Box::new(k.cx.take_trace())),
    }
}

fn drive<S: Stack>(k: &Kernel<S>, p: &Program, cfg: Config) {
    let mut poller = Context::from_waker(Waker::noop());
    // One slot per fiber, made when first needed.
    let mut slots: Vec<Pin<Box<Option<_>>>> = Vec::new();
    let mut start = |job: Job<S::Job>, account: u8, cpu: u8, slots: &mut Vec<_>| -> bool {
        let Some(f) = k.cx.new_fiber(account, cpu) else { return false };
        while slots.len() <= f as usize {
            slots.push(Box::pin(None));
        }
        let slot: &mut Pin<Box<Option<_>>> = &mut slots[f as usize];
        slot.set(Some(S::thread(k, job)));
        true
    };
    // Runs until nothing is runnable.
    let mut drain = |slots: &mut Vec<Pin<Box<Option<_>>>>, start: &mut dyn FnMut(Job<S::Job>, u8, u8, &mut Vec<Pin<Box<Option<_>>>>) -> bool, fresh: bool| -> i32 {
        let mut last = 0;
        let mut fresh = fresh;
        while let Some(f) = k.cx.next_runnable() {
            k.cx.resume(f, fresh);
            fresh = false;
            let slot = &mut slots[f as usize];
            if let Some(fut) = slot.as_mut().as_pin_mut()
                && let Poll::Ready(errno) = std::future::Future::poll(fut, &mut poller)
            {
                if !k.cx.stopped() {
                    k.cx.finish(f, errno);
                }
                slot.set(None);
                last = errno;
                if errno == 0 {
                    k.cx.bump(|c| c.ok += 1);
                }
            }
            if k.cx.stopped() {
                return last;
            }
            if k.has_spawns.get() {
                k.has_spawns.set(false);
                for (job, account, cpu) in k.spawns.take() {
                    if !start(Job::Thread(job), account, cpu, slots) {
                        k.cx.bump(|c| c.refused += 1);
                    }
                }
            }
        }
        last
    };

    let mut before = cfg.measure.then(|| k.st.clone());
    for (i, op) in p.ops.iter().enumerate() {
        k.cx.refuel();
        k.cx.count_issued();
        let quiet = k.cx.at_rest();
        k.cx.bump(|c| c.ops += 1);
        let cpu = S::op_cpu(op, k.cx.ncpus());
        if !start(Job::Op(*op), i as u8, cpu, &mut slots) {
            k.cx.bump(|c| c.refused += 1);
            continue;
        }
        k.cx.record(|| What::Op(i as u8));
        let ok_before = k.cx.counts().ok;
        let errno = drain(&mut slots, &mut start, true);
        if k.cx.stopped() {
            return;
        }
        let rest = k.cx.at_rest();
        let finished = quiet && rest;
        S::after_op(k, op, finished.then_some(errno), rest);
        if k.cx.stopped() {
            return;
        }
        if let Some(b) = &mut before {
            if *b != k.st {
                k.cx.bump(|c| c.changed += 1);
            }
            b.clone_from(&k.st);
        }
        let _ = ok_before;
        let mut released = false;
        while k.cx.unpark_one(false) {
            released = true;
            drain(&mut slots, &mut start, false);
            if k.cx.stopped() {
                return;
            }
        }
        if released {
            S::after_op(k, op, None, k.cx.at_rest());
            if k.cx.stopped() {
                return;
            }
            if let Some(b) = &mut before {
                b.clone_from(&k.st);
            }
        }
    }
    let counts = k.cx.counts();

    k.cx.refuel();
    while k.cx.unpark_one(true) {
        drain(&mut slots, &mut start, false);
        if k.cx.stopped() {
            return;
        }
    }
    if let Some(f) = (0..super::sched::MAX_FIBERS).find(|&f| k.cx.fiber_state(f) == FiberState::Blocked) {
        k.cx.violate(&rules::DEADLOCK, ObjRef::NONE, ObjRef::NONE, [f as u32, 1]);
        return;
    }
    S::after_op(k, &Op::default(), None, true);
    let mut n = 0;
    while !k.cx.stopped() {
        k.cx.refuel();
        let Some((job, cpu)) = S::teardown(k, n) else { break };
        start(Job::Thread(job), TEARDOWN, cpu, &mut slots);
        drain(&mut slots, &mut start, true);
        n += 1;
    }
    // What the program's own operations did, not the teardown.
    k.cx.bump(|c| {
        c.ok = counts.ok;
    });
    if !k.cx.stopped() {
        if !k.cx.at_rest() {
            k.cx.violate(&rules::DEADLOCK, ObjRef::NONE, ObjRef::NONE, [0, 2]);
            return;
        }
        S::audit_end(k);
    }
}
