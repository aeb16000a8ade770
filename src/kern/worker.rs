//! A kernel thread that is there only while it has work.
//!
//! Callbacks of an epoch and tasks of a taskqueue run one after the other in a thread of
//! their own. Here that thread is started when work appears and returns when none is
//! left, so that at rest no thread is alive and the state is a plain value.

use super::cell::F;
use super::sched::Ctx;

/// Whether the thread is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Stage {
    /// No thread.
    #[default]
    Idle,
    /// Asked for.
    Started,
    /// It works, in this fiber.
    Busy(u8),
}

/// The one thread of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Worker(F<Stage>);

impl Worker {
    /// Whether somebody must start the thread; from then on, nobody else must.
    pub(super) fn start(&self) -> bool {
        let idle = self.0.get() == Stage::Idle;
        if idle {
            self.0.set(Stage::Started);
        }
        idle
    }

    /// Whether the current thread may take work: not while another one is at it.
    pub(super) fn may_work(&self, cx: &Ctx) -> bool {
        !matches!(self.0.get(), Stage::Busy(f) if f != cx.current())
    }

    /// The current thread has taken work.
    pub(super) fn begin(&self, cx: &Ctx) {
        self.0.set(Stage::Busy(cx.current()));
    }

    /// It has finished it, or found none.
    pub(super) fn end(&self) {
        self.0.set(Stage::Idle);
    }

    /// The fiber that works.
    pub(super) fn fiber(&self) -> Option<u8> {
        match self.0.get() {
            Stage::Busy(f) => Some(f),
            _ => None,
        }
    }
}
