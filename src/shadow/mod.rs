//! The shadow books: rules, violations and the two layers.
//!
//! A modelled kernel keeps the counters that the real one keeps. The books never look
//! at them when counting: they count *pointers* (the census, which each stack writes
//! beside its object types) and compare. What they find broken is a [`Violation`] of a
//! named [`Rule`]; what the kernel of that date would itself have noticed is a
//! [`KernelFault`]. Both are plain values: only the fuzzing glue turns one into an abort.
//!
//! The rules here hold for every stack; a stack adds its own invariants by name.

pub mod digest;
pub mod rules;

use crate::kern::slab::ObjRef;

/// A rule of the books, by name.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Name, as it stands in reports and signatures: `I2-dead-on-list`.
    pub name: &'static str,
    /// What holds when the rule holds, in one sentence.
    pub says: &'static str,
    /// A warning never ends a run; it is counted and shown in the report.
    pub warning: bool,
    /// What comes of a breach is worth more than the breach. Under `stop kernel`, where a
    /// run goes on, the next rule that is broken takes its place.
    pub early: bool,
}

impl Rule {
    /// A rule that ends a run.
    pub const fn new(name: &'static str, says: &'static str) -> Rule {
        Rule { name, says, warning: false, early: false }
    }

    /// A rule that only warns.
    pub const fn warning(name: &'static str, says: &'static str) -> Rule {
        Rule { name, says, warning: true, early: false }
    }

    /// A rule that ends a run, and yields to what comes of it where the run goes on.
    pub const fn early(name: &'static str, says: &'static str) -> Rule {
        Rule { name, says, warning: false, early: true }
    }
}

/// The first broken rule of a run; see [`Rule::early`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub rule: &'static Rule,
    /// The object it is about.
    pub obj: ObjRef,
    /// A second object: the holder, the list's neighbour.
    pub other: ObjRef,
    /// Two numbers that the rule's message explains, such as counter and holders.
    pub detail: [u32; 2],
    /// The operation on whose account it happened; `None` in teardown.
    pub op: Option<u8>,
    /// The innermost function at that moment; empty unless the run was recorded.
    pub func: &'static str,
}

/// What the kernel itself would have noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A load, store or call through a poisoned pointer.
    Poison,
    /// A load, store or call through NULL.
    Null,
    /// Through a pointer into a stack frame that is gone.
    DeadStack,
    /// Through a free-list link or other garbage.
    Garbage,
    /// The kernel's own assertion (`KASSERT`, `KKASSERT`), with its words.
    Assert(&'static str),
    /// The kernel's own `panic()`, with its words.
    Panic(&'static str),
}

impl FaultKind {
    /// The word used in reports and when faults are compared.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::Poison => "page fault at 0xdeadc0de",
            FaultKind::Null => "page fault at NULL",
            FaultKind::DeadStack => "read of a dead stack",
            FaultKind::Garbage => "page fault at a garbage address",
            FaultKind::Assert(_) => "assertion",
            FaultKind::Panic(_) => "panic",
        }
    }

    /// [`name`](FaultKind::name), and the kernel's own words if it has any.
    pub fn words(self) -> String {
        match self {
            FaultKind::Assert(words) | FaultKind::Panic(words) => {
                format!("{}: {words}", self.name())
            }
            _ => self.name().to_string(),
        }
    }
}

/// A fault of the kernel layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelFault {
    /// What kind.
    pub kind: FaultKind,
    /// The object whose field was followed.
    pub obj: ObjRef,
    /// The field or expression that was followed.
    pub what: &'static str,
    /// The operation on whose account it happened; `None` in teardown.
    pub op: Option<u8>,
    /// The innermost function; empty unless the run was recorded.
    pub func: &'static str,
}
