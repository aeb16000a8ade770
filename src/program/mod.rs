//! Programs: what a run executes.
//!
//! A [`Program`] is a [`Header`] and a list of [`Op`]s. An operation is one verb
//! with small arguments, as a user or the network would cause it, and carries the
//! one preemption and the one fault that may disturb it. A program has two forms
//! that convert into each other without loss:
//!
//! * **bytes** ([`bytes`]): records of eight bytes, the first one the header.
//!   Every byte string decodes; this is what fuzzing engines mutate.
//! * **text** ([`text`]): one operation a line, with *named* yield points and
//!   fallible calls; this is what people read, review and check in.
//!
//! What verbs exist and what their arguments may be is a [`Grammar`], plain data
//! that each stack provides. The [generator](generate) and the [mutator](mutate)
//! know the grammar, by its [lexicon], and nothing else: no rule of theirs emits a fixed
//! sequence of verbs or names a defect.

pub mod bytes;
pub mod generate;
pub mod lexicon;
pub mod mutate;
#[cfg(test)]
pub(crate) mod testing;
pub mod text;

/// Bytes of one record: verb, four arguments, preempt-at, preempt-for, fail.
pub const RECORD: usize = 8;

/// The most arguments of a verb.
pub const MAX_ARGS: usize = 4;

/// The most operations a program may have; further records are ignored.
pub const MAX_OPS: usize = 64;

/// The highest yield-point ordinal that a record can name; see also
/// [`Grammar::max_preempt_at`].
pub const MAX_PREEMPT_AT: u8 = 255;

/// The longest preemption, in operations issued meanwhile.
pub const MAX_PREEMPT_FOR: u8 = 7;

/// The highest fallible-call ordinal that a record can name.
pub const MAX_FAIL_AT: u8 = 63;

/// Set in [`Op::fail`] when the fault is persistent: the named call fails and so
/// does every fallible call of that name after it, within the operation.
pub const FAIL_PERSISTENT: u8 = 0x80;

/// Version of the byte and of the text format.
pub const FORMAT_VERSION: u8 = 1;

/// Which layer ends a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stop {
    /// The first broken rule of the shadow books (the default).
    #[default]
    Books,
    /// The first thing that the kernel itself would have noticed; broken rules are
    /// recorded and the run goes on.
    Kernel,
}

impl Stop {
    /// The word used in text programs and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Stop::Books => "books",
            Stop::Kernel => "kernel",
        }
    }
}

/// How large the kernel's own limits are that a bug may hide behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Thresholds {
    /// As in the kernel (the default).
    #[default]
    Real,
    /// So small that short programs reach them.
    Small,
}

impl Thresholds {
    /// The word used in text programs.
    pub fn name(self) -> &'static str {
        match self {
            Thresholds::Real => "real",
            Thresholds::Small => "small",
        }
    }
}

/// What a program says about the kernel it runs on.
///
/// The bytes hold everything but the defects, which come from the text header,
/// from `--defects` or from `IFSCRUB_DEFECTS`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// [`Grammar::id`] of the kernel.
    pub kernel: u8,
    /// Number of CPUs, `1..=Grammar::max_cpus`.
    pub ncpus: u8,
    /// Which layer ends the run.
    pub stop: Stop,
    /// How large the kernel's limits are; real where the grammar has no choice.
    pub thresholds: Thresholds,
    /// The lowest interface index that is free at boot, as if interfaces that play no
    /// part had the others; 0 for the first one that really is.
    pub ifindex: u8,
    /// Names of the defects that the text header switches on; `None` when it has
    /// no `defects` line (and always for bytes).
    pub defects: Option<Vec<String>>,
}

impl Header {
    /// One CPU, stopped by the books, nothing special, no defects named.
    pub const fn new(kernel: u8) -> Header {
        Header {
            kernel,
            ncpus: 1,
            stop: Stop::Books,
            thresholds: Thresholds::Real,
            ifindex: 0,
            defects: None,
        }
    }
}

/// One operation: a verb, its arguments and what disturbs it.
///
/// Exactly the eight bytes of a record. Always canonical: `verb` is the code of a
/// verb of the grammar, each used argument is below the number of its choices,
/// unused arguments are 0, `preempt_for` is 0 if and only if `preempt_at` is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Op {
    /// Opcode, [`Verb::code`].
    pub verb: u8,
    /// Argument values: indices into the choices of [`Verb::args`].
    pub args: [u8; MAX_ARGS],
    /// Park this operation at its n-th yield point; 0 for never.
    pub preempt_at: u8,
    /// For so many operations issued meanwhile.
    pub preempt_for: u8,
    /// Fail the n-th fallible call of this operation; 0 for none. See
    /// [`FAIL_PERSISTENT`].
    pub fail: u8,
}

impl Op {
    /// The ordinal of the fallible call that fails; 0 for none.
    pub fn fail_at(&self) -> u8 {
        self.fail & !FAIL_PERSISTENT
    }

    /// Whether the fault lasts for the rest of the operation.
    pub fn fail_persistent(&self) -> bool {
        self.fail & FAIL_PERSISTENT != 0
    }
}

/// What a [`NamedPoint`] plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PointKind {
    /// `preempt NAME#n for k` (k stands in [`Op::preempt_for`]).
    Preempt,
    /// `fail NAME#n`, or `fail NAME#n..` when persistent.
    Fail {
        /// From that call on, not once.
        persistent: bool,
    },
}

/// A preemption or fault given by name, as text programs do.
///
/// The operation's own ordinal (`preempt_at` or `fail`) is 0 then. A named fault
/// counts calls *of that name*; a raw ordinal counts all calls of the operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamedPoint {
    /// Index of the operation in [`Program::ops`].
    pub op: usize,
    /// Preemption or fault.
    pub kind: PointKind,
    /// Name of the yield point or fallible call, `function:place`.
    pub name: String,
    /// Which occurrence within the operation, from 1.
    pub occurrence: u8,
}

/// A header and its operations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// The kernel and how it is set up.
    pub header: Header,
    /// The operations, at most [`MAX_OPS`].
    pub ops: Vec<Op>,
    /// Points given by name, at most one of each kind for an operation, sorted by
    /// operation; empty for programs that came from bytes.
    pub named: Vec<NamedPoint>,
}

impl Program {
    /// Number of operations that carry a preemption.
    pub fn preemptions(&self) -> usize {
        self.ops.iter().filter(|o| o.preempt_at != 0).count()
            + self.named.iter().filter(|n| n.kind == PointKind::Preempt).count()
    }

    /// Number of operations that carry a fault.
    pub fn faults(&self) -> usize {
        self.ops.iter().filter(|o| o.fail != 0).count()
            + self.named.iter().filter(|n| n.kind != PointKind::Preempt).count()
    }

    /// Removes operation `i` together with its named points.
    pub fn remove_op(&mut self, i: usize) {
        self.ops.remove(i);
        self.named.retain(|n| n.op != i);
        for n in &mut self.named {
            if n.op > i {
                n.op -= 1;
            }
        }
    }
}

/// One argument of a verb: a word out of a fixed list.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// Keyword printed before the value (`via 10.0.0.2`); empty for a bare value.
    pub key: &'static str,
    /// The values it may take. The first one is the default: an argument with a
    /// keyword that is missing in the text takes it, and it is not printed.
    pub choices: &'static [&'static str],
    /// What the value names; the generator prefers values of a class that the
    /// program has already used, so that aliases collide.
    pub class: ArgClass,
    /// What the verb does to the thing that it names.
    pub role: Role,
    /// How many of the first choices are the usual ones: three quarters of the values that
    /// are drawn out of all. 0: no choice is more usual than another.
    pub usual: u8,
}

impl Arg {
    /// An argument without a keyword.
    pub const fn bare(choices: &'static [&'static str], class: ArgClass, role: Role) -> Arg {
        Arg { key: "", choices, class, role, usual: 0 }
    }
}

/// What a verb does to the thing that an argument names.
///
/// As in syzkaller's descriptions, resources are made, used and ended. The generator
/// prefers to use and end what exists; it never relies on it, so that every mistake in
/// the order of things is generated too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// Whatever it names, whether it exists or not: a destination, an offered address.
    #[default]
    Names,
    /// Brings it into existence: `SIOCIFCREATE`'s interface, `SIOCAIFADDR`'s address.
    Makes,
    /// Needs it.
    Uses,
    /// Ends it.
    Ends,
    /// Brings it into existence, and fails where it exists.
    Creates,
    /// Needs it, and beside it what the next argument names: `SIOCDIFADDR`'s interface.
    Holds,
}

/// What an argument names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArgClass {
    /// An interface.
    Interface,
    /// A network address.
    Address,
    /// A protocol control block.
    Pcb,
    /// Anything else: a mask length, a CPU, a time, a flag.
    Other,
}

/// One verb of a grammar.
#[derive(Clone, Copy, Debug)]
pub struct Verb {
    /// Opcode; append-only, never reused.
    pub code: u8,
    /// Name in text programs: the ioctl's or the routing message's own name where
    /// there is one.
    pub name: &'static str,
    /// Up to four arguments.
    pub args: &'static [Arg],
    /// Relative weight in generated programs, at least 1.
    pub weight: u8,
    /// One line for `--help` and the documentation.
    pub help: &'static str,
}

impl Verb {
    /// A verb of weight 1.
    pub const fn new(
        code: u8,
        name: &'static str,
        args: &'static [Arg],
        help: &'static str,
    ) -> Verb {
        Verb { code, name, args, weight: 1, help }
    }
}

/// How many points an operation passes at which it can be disturbed, at most as a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Points {
    /// Yield points, where it can be preempted; 0 for none.
    pub yields: u8,
    /// Calls that can fail; 0 for none.
    pub calls: u8,
}

impl Points {
    /// So many yield points and fallible calls.
    pub const fn new(yields: u8, calls: u8) -> Points {
        Points { yields, calls }
    }
}

/// The verbs of one kernel and the limits of its header.
#[derive(Clone, Copy, Debug)]
pub struct Grammar {
    /// Name of the kernel, `dragonfly-2007`.
    pub kernel: &'static str,
    /// Its number in the byte header; append-only. Stacks outside of this library take
    /// numbers from [`Grammar::FIRST_FREE_ID`] on.
    pub id: u8,
    /// The verbs, by ascending code.
    pub verbs: &'static [Verb],
    /// Upper limit of [`Header::ncpus`].
    pub max_cpus: u8,
    /// Whether the header may choose [`Thresholds`].
    pub thresholds: bool,
    /// Upper limit of [`Header::ifindex`].
    pub max_ifindex: u8,
    /// The highest yield-point ordinal that a record of this kernel can name: one less
    /// than a power of two.
    pub max_preempt_at: u8,
    /// What operations pass, of verbs that `points` says nothing of. Generated preemptions and
    /// faults are among so many of the first; small ordinals are the more frequent.
    pub usual: Points,
    /// The same for each verb that is named here by its code.
    pub points: &'static [(u8, Points)],
    /// The interfaces that exist after boot.
    pub booted: &'static [&'static str],
    /// Interfaces that come and go together.
    pub twins: &'static [[&'static str; 2]],
    /// In how many of four cases the generator draws again, once, when a verb needs what
    /// does not exist.
    pub redraws: u8,
}

impl Grammar {
    /// No kernel of this library has this number or a higher one.
    pub const FIRST_FREE_ID: u8 = 128;

    /// A grammar without verbs: one CPU, no choices in the header.
    pub const fn named(kernel: &'static str, id: u8) -> Grammar {
        Grammar {
            kernel,
            id,
            verbs: &[],
            max_cpus: 1,
            thresholds: false,
            max_ifindex: 0,
            max_preempt_at: 63,
            usual: Points::new(20, 8),
            points: &[],
            booted: &[],
            twins: &[],
            redraws: 0,
        }
    }

    /// The verb of opcode `code`.
    pub fn verb(&self, code: u8) -> Option<&'static Verb> {
        self.verbs.iter().find(|v| v.code == code)
    }

    /// What operations of the verb with opcode `code` pass, at most as a rule.
    pub fn points_of(&self, code: u8) -> Points {
        let own = self.points.iter().find(|(verb, _)| *verb == code);
        own.map_or(self.usual, |(_, points)| *points)
    }

    /// The verb called `name`.
    pub fn verb_named(&self, name: &str) -> Option<&'static Verb> {
        self.verbs.iter().find(|v| v.name == name)
    }
}
