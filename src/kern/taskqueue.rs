//! Taskqueues: work that is put off to a thread.
//!
//! A [`Taskqueue`] is a plain value in the stack's state. What a task is and what it does
//! is the stack's; two equal values are the same task, and enqueueing it again only
//! counts (`ta_pending`), until it begins to run: from then on it is queued anew. Queued
//! tasks are there at rest, and are holders that the census must count
//! ([`Taskqueue::iter`]).
//!
//! The tasks run one after the other, in a thread of their own that is started when there
//! is work:
//!
//! ```text
//! fn taskqueue_enqueue(k, task) {
//!     k.st.tq.enqueue(k, task);
//!     if k.st.tq.kick() { k.spawn(Thread::Tasks, 0) }
//! }
//!
//! async fn taskqueue_thread_loop(k) {         // what Thread::Tasks runs
//!     while let Some((task, pending)) = k.st.tq.next(k) {
//!         run(k, task, pending).await;
//!         k.st.tq.done(k);
//!     }
//! }
//! ```
//!
//! A stack that wants tasks as separate steps of a program does not kick, and has a verb
//! that takes one round of that loop.

use super::cell::F;
use super::fifo::Fifo;
use super::sched::{Ctx, Switch};
use super::wait::Sleepers;
use super::worker::Worker;

/// A queue of at most `N` tasks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Taskqueue<T: Copy + Eq, const N: usize> {
    /// The tasks and how often each was enqueued.
    queue: Fifo<(T, u16), N>,
    running: F<Option<T>>,
    worker: Worker,
    drainers: Sleepers,
}

impl<T: Copy + Eq, const N: usize> Default for Taskqueue<T, N> {
    fn default() -> Self {
        Taskqueue {
            queue: Fifo::default(),
            running: F::new(None),
            worker: Worker::default(),
            drainers: Sleepers::default(),
        }
    }
}

impl<T: Copy + Eq, const N: usize> Taskqueue<T, N> {
    /// `taskqueue_enqueue`. Ends the run as exhausted when there is no room. See
    /// [`Taskqueue::kick`].
    pub fn enqueue(&self, cx: &Ctx, task: T) {
        match self.place(task) {
            Some((i, pending)) => self.queue.replace(i, (task, pending.saturating_add(1))),
            None => {
                if !self.queue.push((task, 1)) {
                    cx.exhaust();
                }
            }
        }
    }

    /// Whether the caller must start the thread that runs the tasks: there is work, and
    /// no thread. To be asked after each enqueueing.
    #[must_use = "nobody else will start the thread"]
    pub fn kick(&self) -> bool {
        !self.queue.is_empty() && self.worker.start()
    }

    /// Takes the first task, with the number of times it was enqueued; `None` when there
    /// is none, or when another thread is running one. Call [`Taskqueue::done`] when it
    /// has run.
    pub fn next(&self, cx: &Ctx) -> Option<(T, u16)> {
        if !self.worker.may_work(cx) {
            return None;
        }
        let Some((task, pending)) = self.queue.remove(0) else {
            self.worker.end();
            return None;
        };
        self.worker.begin(cx);
        self.running.set(Some(task));
        self.drainers.serve(cx);
        Some((task, pending))
    }

    /// The task that the current thread took has run.
    pub fn done(&self, cx: &Ctx) {
        self.running.set(None);
        self.worker.end();
        self.drainers.wakeup(cx);
    }

    /// `taskqueue_cancel`: takes a task out of the queue. `Ok` with the number of times
    /// it was enqueued, 0 if it was not; `Err` with the same when it is running besides,
    /// which this does not stop (`EBUSY`).
    pub fn cancel(&self, cx: &Ctx, task: T) -> Result<u16, u16> {
        let pending = self.place(task).map_or(0, |(i, pending)| {
            self.queue.remove(i);
            pending
        });
        if self.running.get() == Some(task) {
            return Err(pending);
        }
        self.drainers.wakeup(cx);
        Ok(pending)
    }

    /// `taskqueue_drain`: sleeps until a task is neither queued nor running.
    pub async fn drain(&self, cx: &Ctx, task: T) {
        cx.might_sleep();
        while self.is_busy_with(task) {
            self.sleep(cx).await;
        }
    }

    /// Whether a task is queued or running.
    pub fn is_busy_with(&self, task: T) -> bool {
        self.place(task).is_some() || self.running.get() == Some(task)
    }

    /// Sleeps until a task has run: one turn of [`Taskqueue::drain`], for a stack that does
    /// not kick when it enqueues. It must ask [`Taskqueue::kick`] before each: the task may
    /// have been enqueued anew while this thread was on its way.
    pub fn sleep<'a>(&self, cx: &'a Ctx) -> Switch<'a> {
        self.drainers.sleep(cx, "taskqueue_drain", self.worker.fiber())
    }

    /// Sleeps until no task is queued or running.
    pub async fn drain_all(&self, cx: &Ctx) {
        cx.might_sleep();
        while !self.is_idle() {
            self.drainers.sleep(cx, "taskqueue_drain_all", self.worker.fiber()).await;
        }
    }

    /// The queued tasks and how often each was enqueued, the first one first. One that
    /// runs is no longer here: what it works on is in the hands of its thread.
    pub fn iter(&self) -> impl Iterator<Item = (T, u16)> + '_ {
        self.queue.iter()
    }

    /// The task that runs.
    pub fn running(&self) -> Option<T> {
        self.running.get()
    }

    /// Whether nothing is queued and nothing runs.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.running.get().is_none()
    }

    /// Where a task is in the queue, and how often it was enqueued.
    fn place(&self, task: T) -> Option<(usize, u16)> {
        let mut queued = self.queue.iter().enumerate();
        queued.find(|(_, (t, _))| *t == task).map(|(i, (_, pending))| (i, pending))
    }
}

#[cfg(test)]
mod tests;
