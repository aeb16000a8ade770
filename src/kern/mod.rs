//! The deterministic kernel: what every modelled stack runs on.
//!
//! Single-threaded, no wall clock, no address that anything depends on, no global state but
//! whether anything has been stored ([`cell`]), from which only follows whether to check
//! again. A [`Kernel`] is two things: the *state* of a stack, a plain value that can be
//! cloned, compared and hashed at rest, and a [`sched::Ctx`], the substrate of one run
//! (threads, locks, time, plan, findings). A run borrows both; between runs they are
//! reset, never rebuilt.
//!
//! | module | what it models |
//! | --- | --- |
//! | [`cell`] | fields of objects |
//! | [`slab`], [`memory`] | typed slabs, generations, poison; allocating and freeing |
//! | [`queue`] | `queue(3)` with its exact effect on bad input |
//! | [`fifo`] | queues of plain values |
//! | [`sched`] | threads and who runs when |
//! | [`plan`] | planned preemptions and faults |
//! | [`hands`] | pointers in the hands of threads |
//! | [`wait`] | sleeping, waking, deadlock |
//! | [`lock`] | serializers, ports, tokens, mutex, sx, rm, rw |
//! | [`crit`] | critical sections |
//! | [`epoch`] | sections, grace periods, deferred callbacks |
//! | [`taskqueue`] | work put off to a thread |
//! | [`callout`] | timers in three states, free or bound to a lock |
//! | [`findings`] | broken rules, kernel faults, counts |
//! | [`feedback`] | features of a run, for guided engines |
//! | [`record`], [`trace`] | what a recorded run leaves |
//! | [`exec`] | the loop that polls |

pub mod callout;
pub mod cell;
pub mod crit;
pub mod epoch;
pub mod exec;
pub mod feedback;
pub mod fifo;
pub mod findings;
pub mod hands;
pub mod lock;
pub mod memory;
pub mod plan;
pub mod queue;
pub mod record;
pub mod sched;
pub mod slab;
pub mod taskqueue;
#[cfg(test)]
mod testing;
pub mod trace;
pub mod wait;
mod worker;

use crate::program::Op;
use crate::shadow::{FaultKind, rules};
use crate::stack::{DefectSet, Holds, Stack};
use sched::Ctx;
use slab::{Id, ObjRef, Object};
use std::cell::{Cell, RefCell};
use std::ops::{Deref, Index};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// A stack's state and the substrate that it runs on.
pub struct Kernel<S: Stack> {
    /// The state of the stack.
    pub st: S::State,
    cx: Ctx,
    /// State after boot, for 1, 2, ... CPUs.
    boot: Vec<S::State>,
    /// The memory of a state, for runs that compare theirs with an earlier one.
    scratch: Option<Box<S::State>>,
    /// Threads to be started when the current one is switched away from.
    spawns: RefCell<Vec<(S::Job, u8, u8)>>,
    has_spawns: Cell<bool>,
}

impl<S: Stack> Kernel<S> {
    /// A kernel, booted.
    ///
    /// # Panics
    ///
    /// When the stack has more defects than a [`DefectSet`] has bits.
    pub fn new() -> Self {
        assert!(S::defects().len() <= DefectSet::BITS as usize, "a DefectSet is too small");
        let mut k = Kernel {
            st: S::State::default(),
            cx: Ctx::new(S::locks()),
            boot: Vec::new(),
            scratch: None,
            spawns: RefCell::default(),
            has_spawns: Cell::new(false),
        };
        for ncpus in 1..=S::grammar().max_cpus {
            k.st = S::State::default();
            k.cx.reset(0, Default::default(), ncpus, false, false);
            S::boot(&k);
            k.boot.push(k.st.clone());
        }
        k
    }

    /// The state after boot with the CPUs of this run.
    pub fn booted(&self) -> &S::State {
        &self.boot[self.cx.ncpus() - 1]
    }

    /// Runs a kernel function to its end at boot, as the only thread: it must not have to
    /// wait for anything.
    ///
    /// # Panics
    ///
    /// When it waits.
    pub fn at_boot<T>(&self, body: impl Future<Output = T>) -> T {
        self.cx.plan(sched::TEARDOWN as usize, &Op::default());
        let fiber = self.cx.new_fiber(sched::TEARDOWN, 0, false, 0);
        let fiber = fiber.expect("harness: no thread at boot");
        let _ = self.cx.next_runnable();
        self.cx.resume(fiber, true);
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(result) = pin!(body).poll(&mut context) else {
            panic!("harness: the boot waits");
        };
        self.cx.finish(fiber, 0);
        result
    }

    /// Starts a kernel thread on the account of the current one.
    pub fn spawn(&self, job: S::Job, cpu: usize) {
        let account = self.cx.current_op().unwrap_or(sched::TEARDOWN);
        self.spawns.borrow_mut().push((job, account, cpu as u8));
        self.has_spawns.set(true);
    }

    /// A stale or NULL pointer is followed: record it and go on with what the
    /// memory holds now.
    #[cold]
    fn stale<T: Object>(&self, id: Id<T>) {
        if id.is_null() {
            self.cx.kernel_fault(FaultKind::Null, ObjRef::NONE, S::class_name(T::CLASS));
        } else {
            self.cx.violate(&rules::USE_AFTER_FREE, ObjRef::of(id), ObjRef::NONE, [0, 0]);
        }
    }
}

impl<S: Stack> Default for Kernel<S> {
    fn default() -> Self {
        Kernel::new()
    }
}

impl<S: Stack> Deref for Kernel<S> {
    type Target = Ctx;

    #[inline]
    fn deref(&self) -> &Ctx {
        &self.cx
    }
}

/// Dereferences a pointer of the modelled kernel. A stale one is recorded as
/// use-after-free and yields what the slot holds now, as memory does.
impl<S: Stack + Holds<T>, T: Object + 'static> Index<Id<T>> for Kernel<S> {
    type Output = T;

    #[inline]
    fn index(&self, id: Id<T>) -> &T {
        let (obj, live) = S::look(&self.st, id);
        if !live {
            self.stale(id);
        }
        obj
    }
}
