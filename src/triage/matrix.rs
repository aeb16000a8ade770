//! The fix matrix: which proposed repair cures which way into a panic, and what it leaves.
//!
//! A *way* is a program with the defects that it runs under; what the kernel shows at its
//! end is its panic. Under every combination of the [proposals](Proposal) it is replayed at
//! the preemptions and faults as named and [everywhere else](super::positions), and a walk
//! over mutations of it looks for the same panic: a repair that only fits the one program
//! is found out there. Mutation `i` depends on the seed and `i` only, so all combinations
//! meet the same ones.
//!
//! Runs stop with the kernel, which records the first broken rule on the way, so one run
//! shows both layers. A combination *stops* the panic when the kernel faults in no way any
//! more, at no position and in the walk; it *cures* the way when the books are clean at
//! every position as well. What the walk does to the books is told, and proves nothing: a
//! change may lead another way into a defect that is still on.
//!
//! A way may need more than anybody proposed. [`beside`] finds the defects whose own repair
//! makes the difference; they join the proposals for all ways.

use super::positions::everywhere;
use super::replay::{name_points, recorded, resolve, run};
use super::sets;
use crate::kern::exec::Outcome;
use crate::program::generate::{Rng, program_rng};
use crate::program::lexicon::Lexicon;
use crate::program::mutate::mutate;
use crate::program::{MAX_OPS, Program, Stop};
use crate::shadow::KernelFault;
use crate::stack::{Defect, DefectSet, Kind, Machine, Proposal};
use std::collections::BTreeMap;

/// How many times a program is mutated at most before it is run.
const MUTATIONS: usize = 4;

/// How many operations longer than its way a mutation may be.
const LONGER: usize = 8;

/// The walk from each way, under each combination that its replays do not rule out.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// Number of programs; 0 for no walk at all.
    pub runs: u64,
    /// Seed of the mutations.
    pub seed: u64,
}

/// A way into a panic, under every combination of repairs.
#[derive(Clone, Debug)]
pub struct Way {
    /// What it is called.
    pub name: String,
    /// The defects that it runs under.
    pub defects: DefectSet,
    /// What the kernel shows without any repair.
    pub panic: KernelFault,
    /// The first rule that the books find broken then.
    pub books: Option<&'static str>,
    /// By combination: a bit per proposal is the index.
    pub cells: Vec<Cell>,
}

/// A way under one combination of repairs.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The program itself, at every position of its preemptions and faults.
    pub replay: Seen,
    /// Its mutations; `None` when the replays panic already, or nobody asked.
    pub walk: Option<Seen>,
}

impl Cell {
    /// Whether the kernel does not fault any more, neither here nor in a mutation.
    pub fn stops(&self) -> bool {
        !self.replay.faults() && !self.walk.as_ref().is_some_and(Seen::faults)
    }

    /// Whether nothing is left, either.
    pub fn cures(&self) -> bool {
        self.stops() && self.replay.left.is_empty()
    }
}

/// What several runs showed, up to the first that ends in the way's panic.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// How many runs.
    pub runs: u64,
    /// Those of them that used up the model's memory, and say nothing.
    pub exhausted: u64,
    /// The program that ends in the same panic, with what was on in its header.
    pub panics: Option<Program>,
    /// The first fault of another kind or in another place.
    pub other: Option<KernelFault>,
    /// The rules that broke first where the kernel did not fault, each once.
    pub left: Vec<&'static str>,
}

/// The worst that several runs showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same panic.
    Panics,
    /// Another fault of the kernel.
    OtherFault,
    /// The books are broken.
    Left,
    /// Nothing.
    Clean,
}

impl Verdict {
    /// The word of the matrix.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Panics => "panics",
            Verdict::OtherFault => "other fault",
            Verdict::Left => "left",
            Verdict::Clean => "clean",
        }
    }
}

impl Seen {
    /// The worst of it.
    pub fn verdict(&self) -> Verdict {
        match self {
            Seen { panics: Some(_), .. } => Verdict::Panics,
            Seen { other: Some(_), .. } => Verdict::OtherFault,
            Seen { left, .. } if !left.is_empty() => Verdict::Left,
            _ => Verdict::Clean,
        }
    }

    /// Whether the kernel faulted in any way.
    pub fn faults(&self) -> bool {
        self.panics.is_some() || self.other.is_some()
    }

    /// Adds a run; false when it ends in `panic`.
    fn add(
        &mut self,
        m: &mut dyn Machine,
        p: &Program,
        defects: DefectSet,
        outcome: &Outcome,
        panic: &KernelFault,
    ) -> bool {
        self.runs += 1;
        self.exhausted += u64::from(outcome.exhausted);
        let Some(fault) = outcome.fault else {
            if let Some(v) = outcome.violation
                && !self.left.contains(&v.rule.name)
            {
                self.left.push(v.rule.name);
            }
            return true;
        };
        let alike = (fault.kind, fault.what) == (panic.kind, panic.what);
        if !alike && self.other.is_some() {
            return true;
        }
        // Only a recorded run knows the function.
        let fault = recorded(m, p, defects, Some(Stop::Kernel)).outcome.fault.unwrap_or(fault);
        if alike && fault.func == panic.func {
            self.panics = Some(kept(m, p, defects));
            return false;
        }
        self.other.get_or_insert(fault);
        true
    }
}

/// A program as text that replays: its points have names, and its header says all.
fn kept(m: &mut dyn Machine, p: &Program, defects: DefectSet) -> Program {
    let mut p = p.clone();
    p.header.stop = Stop::Kernel;
    let names = sets::names(m.defects(), defects).into_iter().map(str::to_string);
    p.header.defects = Some(names.collect());
    // Those that have names already stay as they are.
    if p.named.is_empty() { name_points(m, &p, defects) } else { p }
}

/// The number of combinations of repairs, the empty one included.
pub fn combinations(proposals: &[Proposal]) -> usize {
    1 << proposals.len()
}

/// The repairs of a combination.
pub fn members(proposals: &[Proposal], combination: usize) -> Vec<&Proposal> {
    let all = proposals.iter().enumerate();
    all.filter(|(i, _)| combination >> i & 1 != 0).map(|(_, p)| p).collect()
}

/// The least combinations of which something holds: those that do not contain another.
pub fn least(proposals: &[Proposal], holds: &dyn Fn(usize) -> bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..combinations(proposals)).collect();
    order.sort_by_key(|c| c.count_ones());
    let mut least: Vec<usize> = Vec::new();
    for c in order {
        if least.iter().all(|less| !c & less != 0) && holds(c) {
            least.push(c);
        }
    }
    least
}

/// What is on under these repairs. One that goes in place of a defect's own repair has
/// nothing to do where that defect is off.
fn repaired(all: &[Defect], defects: DefectSet, repairs: &[&Proposal]) -> DefectSet {
    let set = repairs.iter().fold(defects, |set, r| set | r.on);
    let set = repairs.iter().fold(set, |set, r| set & !r.off);
    sets::members(sets::of_kind(all, Kind::Repair) & set)
        .filter(|&d| all[d].needs & !set != 0)
        .fold(set, |set, d| set & !(1 << d))
}

/// The repairs of single defects, as proposals of their own, that a way needs beside the
/// machine's: none when some combination of these cures it, else those with which one does.
/// `None` when the kernel shows nothing at its end. Nothing is walked.
pub fn beside(m: &mut dyn Machine, p: &Program, defects: DefectSet) -> Option<Vec<Proposal>> {
    let mut p = p.clone();
    p.header.stop = Stop::Kernel;
    let panic = recorded(m, &p, defects, None).outcome.fault?;
    let (ordinals, _) = resolve(m, &p, defects, u8::MAX);
    let (all, proposals) = (m.defects(), m.proposals());
    let mut known: BTreeMap<DefectSet, bool> = BTreeMap::new();
    let mut cured = |m: &mut dyn Machine, more: DefectSet| {
        (0..combinations(proposals)).any(|c| {
            let set = repaired(all, defects & !more, &members(proposals, c));
            *known.entry(set).or_insert_with(|| {
                replayed(m, &p, &ordinals, set, &panic).verdict() == Verdict::Clean
            })
        })
    };
    if cured(m, 0) {
        return Some(Vec::new());
    }
    let proposed = proposals.iter().fold(0, |set, p| set | p.off);
    let own = sets::members(sets::mistakes(all, defects) & !proposed);
    let own = own.filter(|&d| cured(m, 1 << d)).map(|d| Proposal {
        name: all[d].id,
        what: all[d].repair,
        off: 1 << d,
        on: 0,
    });
    Some(own.collect())
}

/// Runs a way under every combination of these repairs; `None` when the kernel shows
/// nothing at its end. The program is taken as one that stops with the kernel.
pub fn way(
    m: &mut dyn Machine,
    name: &str,
    p: &Program,
    defects: DefectSet,
    proposals: &[Proposal],
    walk: Walk,
) -> Option<Way> {
    let mut p = p.clone();
    p.header.stop = Stop::Kernel;
    let panic = recorded(m, &p, defects, None).outcome.fault?;
    let books = run(m, &p, defects, Some(Stop::Books)).violation.map(|v| v.rule.name);
    let (ordinals, _) = resolve(m, &p, defects, u8::MAX);
    // Most combinations come to the same switches: a way has few defects.
    let mut known: BTreeMap<DefectSet, Cell> = BTreeMap::new();
    let mut cells = Vec::new();
    for combination in 0..combinations(proposals) {
        let set = repaired(m.defects(), defects, &members(proposals, combination));
        let cell = known.entry(set).or_insert_with(|| {
            let replay = replayed(m, &p, &ordinals, set, &panic);
            let walk = (replay.panics.is_none() && walk.runs != 0)
                .then(|| walked(m, &ordinals, set, &panic, walk));
            Cell { replay, walk }
        });
        cells.push(cell.clone());
    }
    Some(Way { name: name.to_string(), defects, panic, books, cells })
}

/// A program at every position of its preemptions and faults.
fn replayed(
    m: &mut dyn Machine,
    named: &Program,
    ordinals: &Program,
    set: DefectSet,
    panic: &KernelFault,
) -> Seen {
    let mut seen = Seen::default();
    let look = &mut |m: &mut dyn Machine, p: &Program, outcome: &Outcome| {
        seen.add(m, p, set, outcome, panic)
    };
    everywhere(m, named, ordinals, set, Stop::Kernel, look);
    seen
}

/// Mutations of a program, which has ordinals only.
fn walked(
    m: &mut dyn Machine,
    p: &Program,
    set: DefectSet,
    panic: &KernelFault,
    walk: Walk,
) -> Seen {
    let lexicon = Lexicon::new(m.grammar());
    let max_ops = (p.ops.len() + LONGER).min(MAX_OPS);
    let mut seen = Seen::default();
    for i in 0..walk.runs {
        let mut rng = Rng::new(program_rng(walk.seed, i));
        let mut mutation = p.clone();
        // Once half of the time, twice a quarter of the time, and so on.
        for _ in 0..MUTATIONS {
            mutate(&lexicon, &mut mutation, &mut rng, max_ops);
            if rng.chance(1, 2) {
                break;
            }
        }
        let outcome = run(m, &mutation, set, Some(Stop::Kernel));
        if !seen.add(m, &mutation, set, &outcome, panic) {
            break;
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kern::Kernel;
    use crate::program::text;
    use crate::shadow::FaultKind;
    use crate::stack::{GRAMMARS, Stack, machine};
    use crate::triage::toy::{GRAMMAR, GUESS, ROLLBACK, Toy, UNLOCKED, UNREFERENCED};

    const RACE: &str = "make d0\nuse d0  preempt carton_use:sleep#1 for 1\ndrop d0\n";
    const RACY: DefectSet = 1 << UNLOCKED | 1 << UNREFERENCED;
    const LAST_DRAWER: &str = "make d2\nmark d2\n";
    const SHORT: Walk = Walk { runs: 600, seed: 1 };

    fn toy_way(ops: &str, defects: DefectSet, walk: Walk) -> Option<Way> {
        let text = format!("# ifscrub 1\nkernel toy\n{ops}");
        let p = text::parse(&[&GRAMMAR], &text).unwrap();
        way(&mut Kernel::<Toy>::new(), "toy", &p, defects, Toy::proposals(), walk)
    }

    /// The combination of these proposals of the toy.
    fn of(names: &[&str]) -> usize {
        let all = Toy::proposals().iter().enumerate();
        all.filter(|(_, p)| names.contains(&p.name)).fold(0, |set, (i, _)| set | 1 << i)
    }

    #[test]
    fn proposals_repair_defects_and_turn_on_nothing_but_repairs() {
        let stacks = GRAMMARS.iter().filter_map(|g| machine(g.id));
        let toy: Box<dyn Machine> = Box::new(Kernel::<Toy>::new());
        for m in stacks.chain([toy]) {
            let repairs = sets::of_kind(m.defects(), Kind::Repair);
            let known = DefectSet::MAX >> (DefectSet::BITS as usize - m.defects().len());
            let proposals = m.proposals();
            assert!(proposals.len() <= 8, "every combination is tried");
            for (i, p) in proposals.iter().enumerate() {
                assert!(p.off | p.on != 0, "{} does nothing", p.name);
                assert_eq!((p.off & repairs, p.on & !repairs), (0, 0), "{}", p.name);
                assert_eq!(p.off & !known, 0, "{}", p.name);
                assert!(proposals[..i].iter().all(|q| q.name != p.name), "{} twice", p.name);
            }
            let used = proposals.iter().fold(0, |set, p| set | p.on);
            assert_eq!(used, repairs, "{}: a repair that no proposal uses", m.grammar().kernel);
        }
    }

    #[test]
    fn a_way_has_the_panic_and_the_verdict_of_the_books() {
        let w = toy_way(RACE, RACY, SHORT).unwrap();
        let panic = (w.panic.kind, w.panic.what, w.panic.func);
        assert_eq!(panic, (FaultKind::Poison, "c->refs", "carton_use"));
        assert_eq!(w.books, Some("freed-in-hands"));
        assert_eq!(w.cells.len(), 32);
        let none = &w.cells[0];
        assert_eq!(none.replay.verdict(), Verdict::Panics);
        assert!(none.walk.is_none(), "what panics at once needs no walk");
    }

    #[test]
    fn a_repair_may_cure_one_way_and_not_another() {
        let race = toy_way(RACE, RACY, SHORT).unwrap();
        let drawer = toy_way(LAST_DRAWER, 1 << GUESS, SHORT).unwrap();
        let cures = |name| [&race, &drawer].map(|w| w.cells[of(&[name])].cures());
        assert_eq!((cures("LOCK"), cures("LAST")), ([true, false], [false, true]));
        let every = |c: usize| race.cells[c].cures() && drawer.cells[c].cures();
        assert_eq!(least(Toy::proposals(), &every), [of(&["LOCK", "LAST"])]);
    }

    #[test]
    fn a_repair_that_moves_the_fault_stops_nothing() {
        let w = toy_way(RACE, RACY, SHORT).unwrap();
        let cell = &w.cells[of(&["ASSERT"])];
        assert_eq!(cell.replay.verdict(), Verdict::OtherFault);
        let other = cell.replay.other.unwrap();
        assert_eq!((other.kind, other.func), (FaultKind::Assert("c is alive"), "carton_use"));
        assert!(!cell.stops() && !cell.cures());
    }

    #[test]
    fn a_repair_of_one_program_alone_is_found_out_by_the_walk() {
        let w = toy_way(RACE, RACY, SHORT).unwrap();
        let cell = &w.cells[of(&["PLAIN"])];
        assert_eq!(cell.replay.verdict(), Verdict::Left);
        assert_eq!(cell.replay.left, ["freed-in-hands"]);
        let seen = cell.walk.as_ref().unwrap();
        let back = seen.panics.clone().expect("a box with a mark");
        assert!(!cell.stops() && seen.runs < SHORT.runs);
        // The program that is kept says all that is needed to see it again.
        let printed = text::print(&GRAMMAR, &back);
        let again = text::parse(&[&GRAMMAR], &printed).unwrap();
        let set = sets::of_header(Toy::defects(), &again).unwrap().unwrap();
        let mut m = Kernel::<Toy>::new();
        let fault = recorded(&mut m, &again, set, None).outcome.fault.unwrap();
        assert_eq!((fault.kind, fault.what), (w.panic.kind, w.panic.what));
    }

    #[test]
    fn two_repairs_together_may_stop_a_panic_and_leave_the_books_broken() {
        let w = toy_way(RACE, RACY, SHORT).unwrap();
        let all = Toy::proposals();
        assert_eq!(least(all, &|c| w.cells[c].stops()), [of(&["LOCK"]), of(&["PLAIN", "MARKED"])]);
        assert_eq!(least(all, &|c| w.cells[c].cures()), [of(&["LOCK"])]);
    }

    #[test]
    fn the_matrix_is_a_function_of_its_arguments() {
        let [a, b] = [1, 1].map(|seed| toy_way(RACE, RACY, Walk { runs: 600, seed }));
        assert_eq!(format!("{a:?}"), format!("{b:?}"));
    }

    #[test]
    fn without_a_walk_the_replays_decide() {
        let w = toy_way(RACE, RACY, Walk { runs: 0, seed: 1 }).unwrap();
        assert!(w.cells[of(&["PLAIN"])].stops() && w.cells.iter().all(|c| c.walk.is_none()));
    }

    #[test]
    fn a_program_without_a_panic_is_no_way() {
        assert!(toy_way(RACE, 0, SHORT).is_none());
        assert!(toy_way("make d0\nmark d0\ndrop d0\n", DefectSet::MAX, SHORT).is_none());
    }

    #[test]
    fn a_way_that_no_proposal_cures_needs_the_repair_of_its_own_defect() {
        let beside = |ops: &str, defects| {
            let text = format!("# ifscrub 1\nkernel toy\n{ops}");
            let p = text::parse(&[&GRAMMAR], &text).unwrap();
            let all = beside(&mut Kernel::<Toy>::new(), &p, defects)?;
            Some(all.iter().map(|p| (p.name, p.off, p.on)).collect::<Vec<_>>())
        };
        let rollback = "make d1\ngrow d1  fail @1\nuse d1\n";
        let own = ("grow-rollback-twice", 1 << ROLLBACK, 0);
        // Without a reference of its own, `use` follows what is freed.
        let bare = 1 << ROLLBACK | 1 << UNREFERENCED;
        assert_eq!(beside(rollback, bare), Some(vec![own]));
        // What has nothing to do with it is not asked for.
        assert_eq!(beside(rollback, 1 << ROLLBACK | RACY), Some(vec![own]));
        assert_eq!(beside(RACE, RACY), Some(Vec::new()), "LOCK cures it");
        assert_eq!(beside("make d0\n", RACY), None);
        // As one more repair it has its place in the combinations.
        let text = format!("# ifscrub 1\nkernel toy\n{rollback}");
        let p = text::parse(&[&GRAMMAR], &text).unwrap();
        let own = Proposal { name: own.0, what: "", off: own.1, on: own.2 };
        let repairs = [Toy::proposals(), &[own]].concat();
        let mut m = Kernel::<Toy>::new();
        let w = way(&mut m, "toy", &p, bare, &repairs, SHORT).unwrap();
        assert_eq!(w.cells.len(), 64);
        assert_eq!(least(&repairs, &|c| w.cells[c].cures()), [1 << 5]);
    }

    #[test]
    fn a_repair_in_place_of_another_does_nothing_beside_it() {
        let all = Toy::defects();
        let [lock, plain] = ["LOCK", "PLAIN"].map(|name| members(Toy::proposals(), of(&[name]))[0]);
        assert_eq!(repaired(all, 1 << GUESS, &[plain]), 1 << GUESS);
        assert_eq!(repaired(all, RACY, &[lock, plain]), RACY & !lock.off | plain.on);
    }
}
