//! Epochs: frees that wait until every reader has left.
//!
//! A thread that is inside a *section* ([`Epoch::enter`], `NET_EPOCH_ENTER`) may follow
//! pointers without a reference. Who takes an object away from readers defers its free
//! ([`Epoch::defer`], `NET_EPOCH_CALL`): the callback may run when every section that was
//! open at that moment has closed, the *grace period*. A section survives preemption and
//! waiting for a mutex; sleeping inside one, or waiting for a grace period, is a broken
//! rule.
//!
//! An [`Epoch`] is a plain value in the stack's state: queued callbacks are there at
//! rest, and are holders that the census must count ([`Epoch::iter`]). What a callback is
//! and what it does is the stack's. Its thread takes one after the other:
//!
//! ```text
//! fn net_epoch_exit(k) {
//!     k.st.net_epoch.exit(k);
//!     if k.st.net_epoch.kick() { k.spawn(Thread::Epoch, k.mycpuid()) }
//! }
//!
//! async fn epoch_call_task(k) {               // what Thread::Epoch runs
//!     while let Some(cb) = k.st.net_epoch.next(k) {
//!         run(k, cb).await;
//!         k.st.net_epoch.done(k);
//!     }
//! }
//! ```
//!
//! Callbacks mature in the order in which they were queued, because a section that holds
//! back an older one was open when the younger one was queued, too. A callback may defer
//! another one, which costs a new grace period.

use super::cell::{Count, F};
use super::fifo::Fifo;
use super::sched::{Ctx, Switch, members};
use super::slab::ObjRef;
use super::trace::What;
use super::wait::{EVENT, SECTIONS};
use super::worker::Worker;
use crate::shadow::rules;

/// Name of the sections in traces and reports.
const NAME: &str = "net_epoch";

/// What is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Queued<C> {
    /// A callback.
    Call(C),
    /// The marker of a thread in `epoch_drain_callbacks`.
    Marker(u8),
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Deferred<C> {
    what: Queued<C>,
    /// The sections that must close first, a bit per fiber; none when at rest.
    sections: u32,
}

/// An epoch and its queue of at most `N` callbacks. A stack has one: it knows when a
/// section closes only if the section is closed through it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Epoch<C: Copy, const N: usize> {
    queue: Fifo<Deferred<C>, N>,
    worker: Worker,
    /// Whose markers are in the queue, a bit per fiber: most of the time nobody drains.
    drainers: F<u32>,
    /// The sections that hold back anything in the queue, a bit per fiber.
    awaited: F<u32>,
}

impl<C: Copy, const N: usize> Default for Epoch<C, N> {
    fn default() -> Self {
        Epoch {
            queue: Fifo::default(),
            worker: Worker::default(),
            drainers: F::new(0),
            awaited: F::new(0),
        }
    }
}

impl<C: Copy, const N: usize> Epoch<C, N> {
    /// `NET_EPOCH_ENTER`: opens a section, or goes one deeper into it.
    #[inline]
    pub fn enter(&self, cx: &Ctx) {
        cx.epoch_enter();
    }

    /// `NET_EPOCH_EXIT`. Closing the outermost section may end grace periods: see
    /// [`Epoch::kick`].
    pub fn exit(&self, cx: &Ctx) {
        let me = 1u32 << cx.current();
        if cx.epoch_exit() && self.awaited.get() & me != 0 {
            self.awaited.set(self.awaited.get() & !me);
            // What was queued before the section began does not wait for it.
            for i in (0..self.queue.len()).rev() {
                match self.queue.get(i) {
                    Some(d) if d.sections & me != 0 => {
                        self.queue.replace(i, Deferred { sections: d.sections & !me, ..d });
                    }
                    _ => break,
                }
            }
            for f in members(self.drainers.get()) {
                let f = &cx.fibers[f as usize];
                f.waits_on.set(f.waits_on.get() & !me);
            }
        }
    }

    /// `NET_EPOCH_CALL`: queues a callback. Ends the run as exhausted when there is no
    /// room.
    pub fn defer(&self, cx: &Ctx, callback: C) {
        self.push(cx, Queued::Call(callback));
    }

    fn push(&self, cx: &Ctx, what: Queued<C>) {
        let sections = cx.in_sections.get();
        if !self.queue.push(Deferred { what, sections }) {
            cx.exhaust();
        }
        self.awaited.set(self.awaited.get() | sections);
    }

    /// `epoch_wait_preempt`: blocks until every section that is open now has closed. Runs
    /// no callback.
    pub fn wait<'a>(&self, cx: &'a Ctx) -> Switch<'a> {
        cx.might_sleep();
        let sections = cx.in_sections.get();
        if sections != 0 {
            cx.for_sections.set(cx.for_sections.get() | 1 << cx.current());
            cx.block(SECTIONS, "epoch_wait", sections);
        }
        Switch::new(cx)
    }

    /// `epoch_drain_callbacks`: blocks until everything that was queued before has run.
    /// Start the thread ([`Epoch::kick`]) before awaiting it.
    pub fn drain_callbacks<'a>(&self, cx: &'a Ctx) -> Switch<'a> {
        cx.might_sleep();
        self.push(cx, Queued::Marker(cx.current()));
        self.drainers.set(self.drainers.get() | 1 << cx.current());
        self.serve(cx);
        cx.block(EVENT, "epoch_drain_callbacks", cx.in_sections.get());
        Switch::new(cx)
    }

    /// Whether a callback (or a marker) may run now.
    pub fn ready(&self) -> bool {
        self.queue.first().is_some_and(|d| d.sections == 0)
    }

    /// Whether a thread waits in [`Epoch::drain_callbacks`].
    pub fn has_drainers(&self) -> bool {
        self.drainers.get() != 0
    }

    /// Whether the caller must start the thread that runs callbacks: some may run, and
    /// there is no thread. To be asked after each exit, deferral and drain.
    #[must_use = "nobody else will start the thread"]
    pub fn kick(&self) -> bool {
        self.ready() && self.worker.start()
    }

    /// Takes the oldest callback that may run; `None` when there is none, or when
    /// another thread is running one. Call [`Epoch::done`] when it has run.
    pub fn next(&self, cx: &Ctx) -> Option<C> {
        if !self.worker.may_work(cx) {
            return None;
        }
        while self.ready() {
            match self.queue.remove(0)?.what {
                Queued::Call(c) => {
                    self.worker.begin(cx);
                    self.serve(cx);
                    return Some(c);
                }
                Queued::Marker(f) => {
                    self.drainers.set(self.drainers.get() & !(1 << f));
                    cx.unblock(f);
                }
            }
        }
        self.done(cx);
        None
    }

    /// The callback that the current thread took has run.
    pub fn done(&self, cx: &Ctx) {
        self.worker.end();
        self.serve(cx);
    }

    /// The queued callbacks, the oldest first. One that runs is no longer here: what it
    /// works on is in the hands of its thread.
    pub fn iter(&self) -> impl Iterator<Item = C> + '_ {
        // In one step from the slot: a value that is copied first is stored and loaded again.
        self.queue.taken().iter().filter_map(|slot| match slot.get() {
            Some(Deferred { what: Queued::Call(c), .. }) => Some(c),
            _ => None,
        })
    }

    /// Whether nothing is queued and nothing runs.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.worker.fiber().is_none()
    }

    /// The fiber that runs a callback, as a set.
    fn servant(&self) -> u32 {
        self.worker.fiber().map_or(0, |f| 1 << f)
    }

    /// Drainers wait for whoever runs a callback, too, and that has changed.
    fn serve(&self, cx: &Ctx) {
        for f in members(self.drainers.get()) {
            cx.fibers[f as usize].served_by.set(self.servant());
        }
    }
}

impl Ctx {
    /// Whether the current thread is inside an epoch section (`in_epoch`).
    #[inline]
    pub fn in_epoch(&self) -> bool {
        self.fibers[self.current() as usize].sections.get() != 0
    }

    /// Whether that thread is inside an epoch section.
    #[inline]
    pub fn fiber_in_epoch(&self, fiber: u8) -> bool {
        self.in_sections.get() >> fiber & 1 != 0
    }

    /// Whether any thread is inside an epoch section.
    pub fn any_in_epoch(&self) -> bool {
        self.in_sections.get() != 0
    }

    #[inline]
    fn epoch_enter(&self) {
        let me = self.current();
        if self.fibers[me as usize].sections.inc() == 1 {
            self.in_sections.set(self.in_sections.get() | 1 << me);
            self.record(|| What::Lock(NAME));
        }
    }

    /// Whether this closed the section.
    fn epoch_exit(&self) -> bool {
        let me = self.current();
        let f = &self.fibers[me as usize];
        if f.sections.get() == 0 {
            self.violate(&rules::EPOCH_MISUSE, ObjRef::NONE, ObjRef::NONE, [0, 1]);
            return false;
        }
        if f.sections.dec() != 0 {
            return false;
        }
        self.record(|| What::Unlock(NAME));
        self.close_section(me);
        true
    }

    /// A thread returns inside its section, which nobody can close any more: the epoch
    /// is held back for ever.
    #[cold]
    pub(super) fn section_left_open(&self) {
        self.violate(&rules::EPOCH_MISUSE, ObjRef::NONE, ObjRef::NONE, [0, 2]);
    }

    fn close_section(&self, fiber: u8) {
        self.in_sections.set(self.in_sections.get() & !(1 << fiber));
        let mut free = 0u32;
        for w in members(self.for_sections.get()) {
            let f = &self.fibers[w as usize];
            f.waits_on.set(f.waits_on.get() & !(1 << fiber));
            free |= u32::from(f.waits_on.get() == 0) << w;
        }
        if free != 0 {
            self.for_sections.set(self.for_sections.get() & !free);
            self.wake_all(free);
        }
    }
}

#[cfg(test)]
mod tests;
