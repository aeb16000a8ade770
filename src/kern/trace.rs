//! What a recorded run leaves: the events of every thread, in order.
//!
//! The fast path records nothing. A report, a golden trace or a conversion runs the
//! program again with recording on; the events are then read by whoever needs them.

use super::slab::ObjRef;
use std::panic::Location;

/// A function of the modelled kernel, as frames name it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Func {
    /// The kernel's name of the function.
    pub name: &'static str,
    /// The kernel source file; empty for the root frame of a thread.
    pub file: &'static str,
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The fiber that ran (see [`super::sched`]).
    pub fiber: u8,
    /// On whose account; `u8::MAX` is the teardown.
    pub account: u8,
    /// On which CPU.
    pub cpu: u8,
    /// Model time, ms.
    pub now: u64,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// An operation was issued.
    Op(u8),
    /// An operation returned this errno (0: success).
    Done(i32),
    /// A function was entered.
    Enter(&'static Func),
    /// A function returned.
    Leave(&'static Func),
    /// A yield point was passed.
    Yield(&'static str),
    /// The thread was parked there, as planned.
    Park(&'static str),
    /// A thread runs again after it was parked or blocked.
    Resume,
    /// A fallible call was made; whether it failed, as planned.
    Call(&'static str, bool),
    /// A lock was taken.
    Lock(&'static str),
    /// A lock was contended: the thread blocked.
    Block(&'static str),
    /// A lock was released.
    Unlock(&'static str),
    /// An object was allocated.
    Alloc(ObjRef),
    /// An object was freed.
    Free(ObjRef),
    /// A reference was taken (+1) or dropped (-1): the counter's new value and the
    /// call site in the model (for the eye; it is never stored).
    Ref(ObjRef, i8, u32, &'static Location<'static>),
    /// An object was put on or taken off a list.
    List(&'static str, bool, ObjRef),
    /// The thread moved to another CPU.
    Migrate(u8),
    /// A rule was broken (its index in [`Trace::violations`]).
    Violation(u16),
    /// The kernel layer noticed something (its index in [`Trace::faults`]).
    Fault(u16),
    /// A line of the report's dump, put there by the stack.
    Reached(&'static str),
}

/// A thread's stack at one moment, innermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backtrace {
    /// The fiber.
    pub fiber: u8,
    /// Its account.
    pub account: u8,
    /// Runnable, parked, waiting for a lock...
    pub state: String,
    /// The frames, innermost first; a frame without a file begins a new thread.
    pub frames: Vec<&'static Func>,
}

/// Everything recorded.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The events, in order.
    pub events: Vec<Event>,
    /// Broken rules with the backtraces of all threads at that moment.
    pub violations: Vec<(crate::shadow::Violation, Vec<Backtrace>)>,
    /// Kernel faults likewise.
    pub faults: Vec<(crate::shadow::KernelFault, Vec<Backtrace>)>,
    /// Names of the defects' lines that were reached with the defect on.
    pub reached: Vec<u8>,
}

impl Trace {
    /// A hash of the events that depends on nothing but the run: no address, no
    /// source location, no build setting.
    pub fn hash(&self) -> u64 {
        let mut h = Fnv::new();
        for e in &self.events {
            h.bytes(&[e.fiber, e.account, e.cpu]);
            h.bytes(&e.now.to_le_bytes());
            match e.what {
                What::Op(i) => h.tagged(0, &[i]),
                What::Done(e) => h.tagged(1, &e.to_le_bytes()),
                What::Enter(f) => h.tagged(2, f.name.as_bytes()),
                What::Leave(f) => h.tagged(3, f.name.as_bytes()),
                What::Yield(n) => h.tagged(4, n.as_bytes()),
                What::Park(n) => h.tagged(5, n.as_bytes()),
                What::Resume => h.tagged(6, &[]),
                What::Call(n, f) => {
                    h.tagged(7, n.as_bytes());
                    h.bytes(&[f as u8]);
                }
                What::Lock(n) => h.tagged(8, n.as_bytes()),
                What::Block(n) => h.tagged(9, n.as_bytes()),
                What::Unlock(n) => h.tagged(10, n.as_bytes()),
                What::Alloc(o) => h.obj(11, o),
                What::Free(o) => h.obj(12, o),
                What::Ref(o, d, n, _) => {
                    h.obj(13, o);
                    h.bytes(&[d as u8]);
                    h.bytes(&n.to_le_bytes());
                }
                What::List(n, on, o) => {
                    h.tagged(14, n.as_bytes());
                    h.bytes(&[on as u8]);
                    h.obj(14, o);
                }
                What::Migrate(c) => h.tagged(15, &[c]),
                What::Violation(_) => h.tagged(16, &[]),
                What::Fault(_) => h.tagged(17, &[]),
                What::Reached(n) => h.tagged(18, n.as_bytes()),
            }
        }
        h.0
    }
}

/// 64-bit FNV-1a: a fixed hash, the same on every machine.
pub struct Fnv(pub u64);

impl Fnv {
    /// The offset basis.
    pub fn new() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    /// Adds bytes.
    pub fn bytes(&mut self, b: &[u8]) {
        for x in b {
            self.0 = (self.0 ^ u64::from(*x)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn tagged(&mut self, tag: u8, b: &[u8]) {
        self.bytes(&[tag]);
        self.bytes(b);
    }

    fn obj(&mut self, tag: u8, o: ObjRef) {
        self.tagged(tag, &[o.class, o.slot]);
        self.bytes(&o.generation.to_le_bytes());
    }
}

impl std::hash::Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        self.bytes(bytes);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Default for Fnv {
    fn default() -> Self {
        Fnv::new()
    }
}
