//! Stacks: executable models of network-stack control planes.
//!
//! A stack is one model at one date. It brings its object types (with their census),
//! its operations, its invariants, its defects and its teardown by implementing
//! [`Stack`]; the kernel substrate, the shadow books and the engines are shared. Model
//! functions are free functions over `&Kernel<S>`, laid out by the modelled kernel's own
//! files, each naming the source it mirrors.
//!
//! Stacks outside of this library are no different: `examples/tiny_stack.rs` is one, and
//! `docs/your-own-stack.md` walks through it. Engines, triage and command line take a list
//! of [`Model`]s; the library's own is [`MODELS`].

pub mod dragonfly;
pub mod freebsd;

/// What the file of a small model needs, in one line.
pub mod prelude {
    pub use super::{Defect, DefectSet, Holds, Job, Kind, Machine, Model, Reach, Stack};
    pub use crate::kern::Kernel;
    pub use crate::kern::callout::{Callout, CalloutState};
    pub use crate::kern::cell::{F, Zero};
    pub use crate::kern::lock::{LockId, LockInfo, LockKind};
    pub use crate::kern::slab::{Id, ObjRef, Object, Slab};
    pub use crate::kern::trace::Func;
    pub use crate::program::{Arg, ArgClass, Grammar, Op, Role, Verb};
    pub use crate::shadow::{FaultKind, Rule, Violation};
}

use crate::kern::Kernel;
use crate::kern::exec::{Config, Outcome};
use crate::kern::lock::LockInfo;
use crate::kern::slab::{Id, ObjRef, Object};
use crate::program::{Grammar, Op, Program};
use crate::shadow::{Rule, Violation};
use std::cell::Cell;
use std::future::Future;
use std::ops::Deref;

/// Errno of an operation that the harness itself refuses: too many threads alive.
pub const EAGAIN: i32 = 35;

/// What a thread is started for.
#[derive(Clone, Copy, Debug)]
pub enum Job<T> {
    /// An operation of the program.
    Op(Op),
    /// A kernel thread or a step of the teardown.
    Thread(T),
}

/// What kind of mistake a defect is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A way into a violation.
    WayIn,
    /// Opens ways in; repairing it closes them all.
    Enabling,
    /// As the source has it, and so on as reported, but nobody has found a violation that it
    /// leads to by itself; never counted.
    Latent,
    /// Nobody has shown that it existed; never counted.
    Hypothesis,
    /// A repair that was proposed in place of the model's own; never counted.
    Repair,
}

impl Kind {
    /// The word of the catalogue.
    pub fn name(self) -> &'static str {
        match self {
            Kind::WayIn => "way in",
            Kind::Enabling => "enabling",
            Kind::Latent => "latent",
            Kind::Hypothesis => "hypothesis",
            Kind::Repair => "proposed repair",
        }
    }
}

/// What it takes to reach a defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// A sequence of whole operations.
    Sequence,
    /// Timers, queues or deferred work as separate steps.
    Steps,
    /// A switch inside an operation.
    Preemption,
    /// An injected failure.
    Fault,
}

impl Reach {
    /// The word of the catalogue.
    pub fn name(self) -> &'static str {
        match self {
            Reach::Sequence => "plain sequence",
            Reach::Steps => "steps",
            Reach::Preemption => "preemption",
            Reach::Fault => "fault",
        }
    }
}

/// Defects of one catalogue: a bit for each.
pub type DefectSet = u128;

/// One historical defect, as a switch.
#[derive(Clone, Copy, Debug)]
pub struct Defect {
    /// Name on command lines and in headers; kebab case.
    pub id: &'static str,
    /// Class of the mistake: `list membership`, `missing release`, ...
    pub class: &'static str,
    /// Way in, enabling, latent, hypothesis or proposed repair.
    pub kind: Kind,
    /// What it takes to reach it.
    pub reach: Reach,
    /// Defects (bits) that must be on too; "on" and "alone" include them.
    pub needs: DefectSet,
    /// Source file and function of the faulty line.
    pub source: &'static str,
    /// What was wrong.
    pub what: &'static str,
    /// What the repair does, and whose it is: `upstream (commit)` or `ours`.
    pub repair: &'static str,
}

impl Defect {
    /// A way in that needs no other defect and about which nothing is said yet.
    pub const fn way_in(id: &'static str, reach: Reach) -> Defect {
        let kind = Kind::WayIn;
        Defect { id, class: "", kind, reach, needs: 0, source: "", what: "", repair: "" }
    }
}

/// A repair that somebody proposed: which switches it turns.
///
/// A defect's own repair is to switch it off; a proposal may repair several at once, or
/// put something else in place of a repair.
#[derive(Clone, Copy, Debug)]
pub struct Proposal {
    /// Short name, as it stands in the matrix: `F2`.
    pub name: &'static str,
    /// What it changes, in one sentence.
    pub what: &'static str,
    /// Defects (bits) that it repairs.
    pub off: DefectSet,
    /// Switches (bits) of [`Kind::Repair`] that it turns on.
    pub on: DefectSet,
}

/// A model of a network stack.
pub trait Stack: Sized + 'static {
    /// The state: plain, cloneable, comparable at rest. All that changes in it is in fields
    /// [`F`](crate::kern::cell::F): an operation that was alone and has stored to none of them
    /// has left the state as it was.
    type State: Default + Clone + PartialEq;
    /// Kernel threads and teardown steps.
    type Job: Copy;

    /// Verbs, arguments, limits.
    fn grammar() -> &'static Grammar;
    /// The defects; their bit is their index.
    fn defects() -> &'static [Defect];
    /// The repairs that were proposed, for the matrix.
    fn proposals() -> &'static [Proposal] {
        &[]
    }
    /// The invariants that it adds to [`crate::shadow::rules::ALL`].
    fn rules() -> &'static [&'static Rule];
    /// What the numbers of a violation of one of them mean, for reports; empty when they
    /// say nothing.
    fn explain(_v: &Violation) -> String {
        String::new()
    }
    /// The locks, by [`crate::kern::lock::LockId`].
    fn locks() -> &'static [LockInfo];
    /// Name of an object class, for reports.
    fn class_name(class: u8) -> &'static str;

    /// Brings the default state to what it is after boot.
    fn boot(_k: &Kernel<Self>) {}
    /// Makes a state what another one is that came from the same boot; faster than a copy
    /// where the stack knows what can differ.
    fn restore(st: &mut Self::State, other: &Self::State) {
        st.clone_from(other);
    }
    /// The CPU that an operation is issued on.
    fn op_cpu(_op: &Op, _ncpus: usize) -> u8 {
        0
    }
    /// Runs an operation or a kernel thread; the errno, 0 for success.
    fn thread(k: &Kernel<Self>, job: Job<Self::Job>) -> impl Future<Output = i32>;
    /// Checks after an operation. `errno` is its result when nothing else ran
    /// meanwhile; `rest` says that no thread is alive. It is not asked again before a
    /// thread has run; nor, when it has found nothing, after an operation that has finished,
    /// with no other thread running meanwhile, and has stored nothing ([`Stack::State`]).
    fn after_op(k: &Kernel<Self>, op: &Op, errno: Option<i32>, rest: bool);
    /// Checks after such an operation, if no other thread is alive: the state is what it was
    /// when it was checked last, and what is left to judge is whether that is what `op` with the
    /// result `errno` should leave.
    fn after_no_change(_k: &Kernel<Self>, _op: &Op, _errno: i32) {}
    /// What threads that wait when the program ends are waiting for the user to do, and the
    /// CPU that it is done on: a device closed, for example. `None`: nothing; then they wait
    /// for ever.
    fn awaited(_k: &Kernel<Self>) -> Option<(Self::Job, u8)> {
        None
    }
    /// Step `n` of the teardown and the CPU it runs on; `None` when done.
    fn teardown(k: &Kernel<Self>, n: u32) -> Option<(Self::Job, u8)>;
    /// The final audit: nothing is left.
    fn audit_end(k: &Kernel<Self>);

    /// A hash of the state at rest by a walk from the roots that renumbers: equal for
    /// states that behave alike, however they came about. Measured and recorded runs ask
    /// for it; without one, all states are alike.
    fn fingerprint(_k: &Kernel<Self>) -> u64 {
        0
    }

    /// Lines describing an object and who holds it, for reports.
    fn describe(k: &Kernel<Self>, obj: ObjRef) -> Vec<String>;
}

/// Where a stack keeps its objects of type `T`.
pub trait Holds<T: Object>: Stack {
    /// The object in the slot of `id`, and whether it is the one that `id` names.
    fn look(st: &Self::State, id: Id<T>) -> (&T, bool);
}

/// A kernel of any stack, for engines and tools that do not care which.
///
/// The engines work on this one type; what they run is chosen at run time by the
/// program's header.
pub trait Machine {
    /// Verbs, arguments, limits.
    fn grammar(&self) -> &'static Grammar;
    /// The defects; their bit is their index.
    fn defects(&self) -> &'static [Defect];
    /// The repairs that were proposed.
    fn proposals(&self) -> &'static [Proposal] {
        &[]
    }
    /// The invariants that the stack adds to the shared rules.
    fn rules(&self) -> &'static [&'static Rule];
    /// What the numbers of a violation of one of them mean.
    fn explain(&self, v: &Violation) -> String;
    /// Runs a program from boot to audit.
    fn run(&mut self, p: &Program, cfg: Config) -> Outcome;
    /// The features of the last run, if it was to note them.
    fn features(&self) -> &[Cell<u32>];
    /// Lines describing an object and its holders as the last run left them.
    fn describe(&self, obj: ObjRef) -> Vec<String>;
    /// Name of an object class.
    fn class_name(&self, class: u8) -> &'static str;
    /// The locks.
    fn locks(&self) -> &'static [LockInfo];
    /// Name of a lock.
    fn lock_name(&self, lock: u8) -> &'static str {
        self.locks().get(lock as usize).map_or("?", |l| l.name)
    }
}

impl<S: Stack> Machine for Kernel<S> {
    fn grammar(&self) -> &'static Grammar {
        S::grammar()
    }

    fn defects(&self) -> &'static [Defect] {
        S::defects()
    }

    fn proposals(&self) -> &'static [Proposal] {
        S::proposals()
    }

    fn rules(&self) -> &'static [&'static Rule] {
        S::rules()
    }

    fn explain(&self, v: &Violation) -> String {
        S::explain(v)
    }

    fn run(&mut self, p: &Program, cfg: Config) -> Outcome {
        crate::kern::exec::run(self, p, cfg)
    }

    fn features(&self) -> &[Cell<u32>] {
        self.deref().features()
    }

    fn describe(&self, obj: ObjRef) -> Vec<String> {
        S::describe(self, obj)
    }

    fn class_name(&self, class: u8) -> &'static str {
        S::class_name(class)
    }

    fn locks(&self) -> &'static [LockInfo] {
        S::locks()
    }
}

/// A kernel that can be made: an entry of the list that engines and command lines choose
/// from by name or by [`Grammar::id`].
///
/// A stack outside of this library is brought along as a list of its own, with everything
/// that goes with one; see `docs/your-own-stack.md`:
///
/// ```
/// use ifscrub::stack::{MODELS, Model};
///
/// // Yours: `Model::of::<YourStack>()`.
/// static MINE: &[Model] = &[Model::of::<ifscrub::stack::dragonfly::Dragonfly>()];
/// assert_eq!(MINE[0].grammar().kernel, MODELS[0].grammar().kernel);
/// assert!(MINE[0].machine().defects().len() > 40);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Model {
    grammar: fn() -> &'static Grammar,
    machine: fn() -> Box<dyn Machine>,
}

impl Model {
    /// The entry of a stack.
    pub const fn of<S: Stack>() -> Model {
        Model { grammar: S::grammar, machine: || Box::new(Kernel::<S>::new()) }
    }

    /// Verbs, arguments, limits.
    pub fn grammar(&self) -> &'static Grammar {
        (self.grammar)()
    }

    /// A booted kernel.
    pub fn machine(&self) -> Box<dyn Machine> {
        (self.machine)()
    }

    /// The grammars of a list.
    pub fn grammars(models: &[Model]) -> Vec<&'static Grammar> {
        models.iter().map(Model::grammar).collect()
    }

    /// The entry with this [`Grammar::id`].
    pub fn with_id(models: &[Model], id: u8) -> Option<&Model> {
        models.iter().find(|m| m.grammar().id == id)
    }
}

/// The kernels of this library, by [`Grammar::id`].
pub static MODELS: &[Model] =
    &[Model::of::<dragonfly::Dragonfly>(), Model::of::<freebsd::Freebsd>()];

/// The grammars of [`MODELS`].
pub static GRAMMARS: &[&Grammar] = &[&dragonfly::GRAMMAR, &freebsd::GRAMMAR];

/// A booted kernel of [`MODELS`] by its [`Grammar::id`].
pub fn machine(kernel: u8) -> Option<Box<dyn Machine>> {
    Model::with_id(MODELS, kernel).map(Model::machine)
}

/// The defects that `as-reported` switches on: all but hypotheses and proposed repairs.
pub fn as_reported(defects: &[Defect]) -> DefectSet {
    defects
        .iter()
        .enumerate()
        .filter(|(_, d)| matches!(d.kind, Kind::WayIn | Kind::Enabling | Kind::Latent))
        .fold(0, |set, (i, _)| set | 1 << i)
}

/// The defects of `set` and all that they need.
pub fn with_needs(defects: &[Defect], set: DefectSet) -> DefectSet {
    let mut all = set;
    loop {
        let more = defects
            .iter()
            .enumerate()
            .filter(|(i, _)| all >> i & 1 != 0)
            .fold(all, |s, (_, d)| s | d.needs);
        if more == all {
            return all;
        }
        all = more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kern::exec::run_to_rest;
    use crate::program::generate::{GenConfig, Generator};

    #[test]
    fn the_lists_of_kernels_agree() {
        let kernels = |list: &[&Grammar]| list.iter().map(|g| (g.id, g.kernel)).collect::<Vec<_>>();
        assert_eq!(kernels(&Model::grammars(MODELS)), kernels(GRAMMARS));
        for g in GRAMMARS {
            assert!(g.id < Grammar::FIRST_FREE_ID, "{}", g.kernel);
            assert_eq!(machine(g.id).map(|m| m.grammar().kernel), Some(g.kernel));
        }
        assert!(machine(Grammar::FIRST_FREE_ID).is_none());
    }

    /// Asks a stack for its checks once more when a program has come to rest.
    fn ask_again<S: Stack>() {
        let generator = Generator::new(S::grammar(), GenConfig::default(), 1);
        let mut k = Kernel::<S>::new();
        let mut asked = 0;
        for (i, defects) in (0..300).zip([0, as_reported(S::defects())].into_iter().cycle()) {
            run_to_rest(&mut k, &generator.program(i), Config { defects, ..Config::default() });
            if k.stopped() || !k.at_rest() {
                continue;
            }
            let before = k.st.clone();
            let warnings = k.counts().warnings;
            S::after_op(&k, &Op::default(), None, true);
            assert_eq!(k.violation(), None, "program {i}");
            assert!(k.st == before && k.counts().warnings == warnings, "program {i}");
            asked += 1;
        }
        assert!(asked > 100, "{asked}");
    }

    #[test]
    fn checks_that_are_asked_again_say_and_note_nothing_new() {
        ask_again::<dragonfly::Dragonfly>();
        ask_again::<freebsd::Freebsd>();
    }

    #[test]
    fn no_two_rules_or_defects_of_a_kernel_share_a_name() {
        for g in GRAMMARS {
            let m = machine(g.id).expect("every kernel of the grammars has a model");
            let rules = m.rules().iter().chain(crate::shadow::rules::ALL).map(|r| r.name);
            let defects = m.defects().iter().map(|d| d.id);
            let mut names: Vec<_> = rules.chain(defects).collect();
            let n = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), n, "{}: {names:?}", g.kernel);
        }
    }
}
