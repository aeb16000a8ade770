//! Recording: frames and events of a run that is watched.
//!
//! A run that is not recorded pays one test for each frame and event.

use super::sched::{Ctx, FiberState, TEARDOWN, members};
use super::slab::ObjRef;
use super::trace::{Backtrace, Event, Func, Trace, What};
use crate::stack::DefectSet;
use std::panic::Location;

/// Deepest stack of frames that is recorded; what is called below belongs to the deepest.
const MAX_FRAMES: usize = 96;

/// A function of the modelled kernel being executed while this guard lives.
#[must_use = "the frame is popped when the guard is dropped"]
pub struct Frame<'a> {
    /// `None` when the run is not recorded.
    cx: Option<&'a Ctx>,
    fiber: u8,
    depth: u8,
}

impl Frame<'_> {
    const NONE: Self = Frame { cx: None, fiber: 0, depth: 0 };
}

impl Drop for Frame<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(cx) = self.cx {
            cx.pop_frame(self.fiber, self.depth);
        }
    }
}

impl Ctx {
    /// Enters a function of the modelled kernel.
    #[inline]
    pub fn frame(&self, f: &'static Func) -> Frame<'_> {
        if self.recording.get() { self.push_frame(f) } else { Frame::NONE }
    }

    #[cold]
    fn push_frame(&self, f: &'static Func) -> Frame<'_> {
        let fiber = self.current.get();
        let mut fr = self.frames.borrow_mut();
        let stack = &mut fr[fiber as usize];
        let depth = stack.len() as u8;
        if stack.len() >= MAX_FRAMES {
            return Frame::NONE;
        }
        stack.push(f);
        drop(fr);
        self.record(|| What::Enter(f));
        Frame { cx: Some(self), fiber, depth }
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

    /// The innermost function of the current thread; empty unless recorded.
    pub(super) fn func(&self) -> &'static str {
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
        t.reached =
            (0..DefectSet::BITS as u8).filter(|d| self.reached.get() >> d & 1 != 0).collect();
        t
    }

    /// The stacks of all living threads, the current one first.
    pub fn backtraces(&self) -> Vec<Backtrace> {
        let frames = self.frames.borrow();
        let me = self.current.get();
        let mut order: Vec<u8> = members(self.alive()).collect();
        order.sort_by_key(|&i| (i != me, i));
        order
            .into_iter()
            .map(|i| {
                let f = &self.fibers[i as usize];
                let state = match f.state.get() {
                    FiberState::Running => "running".to_string(),
                    FiberState::Parked => format!("preempted, {} to go", f.parked_for.get()),
                    FiberState::Blocked => format!("waiting for {}", self.waiting_for(i)),
                    _ => "runnable".to_string(),
                };
                Backtrace {
                    fiber: i,
                    account: f.account.get(),
                    state,
                    frames: frames[i as usize].iter().rev().copied().collect(),
                }
            })
            .collect()
    }
}
