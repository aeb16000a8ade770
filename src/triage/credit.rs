//! Credit: which defects a violation is due to, by experiment.
//!
//! The program is cut after the violating operation, and every defect is switched off
//! without which the same violation stays. Of the set that remains, the credit is those
//! defects each of whose repair *alone* makes the program clean: at the preemptions and
//! faults as named, and at every other position of the same operations' preemptions and
//! faults, so that a repair that merely shifts a yield point does not count.

use super::replay::{Passed, name_points, recorded, resolve, run};
use super::sets;
use super::signature::{Symptom, frames};
use crate::kern::trace::What;
use crate::program::{FAIL_PERSISTENT, PointKind, Program, Stop};
use crate::shadow::{KernelFault, Violation};
use crate::stack::{Kind, Machine};

/// How many positions of one operation are tried.
const POSITIONS: usize = 40;

/// The longest preemption that is tried, beside the program's own.
const LONGEST: u8 = 3;

/// All combinations of positions are tried when there are no more than this; otherwise
/// one point at a time.
const COMBINATIONS: usize = 4000;

/// A violation, what is left of the program and of the defects, and the credit.
#[derive(Clone, Debug)]
pub struct Credited {
    /// The program, cut, with named points and [`Credited::set`] in its header.
    pub program: Program,
    /// The defects without which this violation does not happen.
    pub set: u64,
    /// Those of them that have the credit; 0 when none has.
    pub credit: u64,
    /// What the violation looks like.
    pub symptom: Symptom,
    /// The violation, of a recorded run.
    pub violation: Violation,
    /// What ended a program that stops with the kernel, of a recorded run.
    pub fault: Option<KernelFault>,
    /// The innermost functions at the violation, for the signature.
    pub frames: Vec<&'static str>,
}

/// Finds the credit of the violation that `p` ends in under `defects`; `None` when it
/// does not end in one.
pub fn credit(m: &mut dyn Machine, p: &Program, defects: u64) -> Option<Credited> {
    let symptom = Symptom::of(&run(m, p, defects, None), p.header.stop)?;
    let p = cut(m, p, defects, &symptom);
    let set = minimal_set(m, &p, defects, &symptom);
    // Points past the violation are not reached, and disturb nothing.
    let (ordinals, _) = resolve(m, &p, set, u8::MAX);
    let mut program = name_points(m, &ordinals, set);
    program.header.defects =
        Some(sets::names(m.defects(), set).into_iter().map(str::to_string).collect());
    let replay = recorded(m, &program, set, None);
    if Symptom::of(&replay.outcome, program.header.stop) != Some(symptom) {
        // Cannot happen while runs are functions of (program, defects).
        return None;
    }
    let cures = sets::members(set).fold(0, |cures, d| {
        let repaired = set & !(1 << d);
        let named_is_clean = run(m, &program, repaired, Some(Stop::Books)).clean();
        let cured = named_is_clean && clean_everywhere(m, &ordinals, repaired);
        cures | u64::from(cured) << d
    });
    let enabling = sets::of_kind(m.defects(), Kind::Enabling);
    let counts = if set & !enabling != 0 { !enabling } else { enabling };
    Some(Credited {
        set,
        credit: cures & counts,
        symptom,
        violation: replay.outcome.violation?,
        fault: replay.outcome.fault,
        frames: frames(&replay.trace),
        program,
    })
}

/// Finds the credit of a violation even where the kernel would never have noticed it: a
/// program that stops with the kernel is then taken as one that stops with the books.
pub fn credit_of_books(m: &mut dyn Machine, p: &Program, defects: u64) -> Option<Credited> {
    credit(m, p, defects).or_else(|| {
        let mut p = p.clone();
        p.header.stop = Stop::Books;
        credit(m, &p, defects)
    })
}

/// The program without the operations after the one that violates, when it still does.
///
/// A parked operation may violate while later ones have been issued: if the program
/// without them is another one, it is cut after the last one issued.
fn cut(m: &mut dyn Machine, p: &Program, defects: u64, symptom: &Symptom) -> Program {
    let replay = recorded(m, p, defects, None);
    let stop = p.header.stop;
    let by = match stop {
        Stop::Books => replay.outcome.violation.and_then(|v| v.op),
        Stop::Kernel => replay.outcome.fault.and_then(|f| f.op),
    };
    let Some(by) = by else { return p.clone() };
    let mut issued = by;
    for e in &replay.trace.events {
        match (e.what, stop) {
            (What::Op(i), _) => issued = i,
            (What::Violation(_), Stop::Books) | (What::Fault(_), Stop::Kernel) => break,
            _ => {}
        }
    }
    for last in [by, issued] {
        let mut shorter = p.clone();
        shorter.ops.truncate(usize::from(last) + 1);
        shorter.named.retain(|n| n.op <= usize::from(last));
        if Symptom::of(&run(m, &shorter, defects, None), stop) == Some(*symptom) {
            return shorter;
        }
    }
    p.clone()
}

/// Switches off every defect without which the same violation stays: ways in and
/// hypotheses by index, then enabling ones, as long as nothing that is on needs them.
pub fn minimal_set(m: &mut dyn Machine, p: &Program, defects: u64, symptom: &Symptom) -> u64 {
    let all = m.defects();
    let mut order: Vec<usize> = sets::members(defects).filter(|&d| d < all.len()).collect();
    order.sort_by_key(|&d| all[d].kind == Kind::Enabling);
    let mut set = defects;
    loop {
        let before = set;
        for &d in &order {
            let needed = sets::members(set & !(1 << d))
                .any(|other| all.get(other).is_some_and(|o| o.needs >> d & 1 != 0));
            if set >> d & 1 == 0 || needed {
                continue;
            }
            let less = set & !(1 << d);
            if Symptom::of(&run(m, p, less, None), p.header.stop) == Some(*symptom) {
                set = less;
            }
        }
        if set == before {
            return set;
        }
    }
}

/// The places where one planned point may be.
struct Positions {
    op: usize,
    kind: PointKind,
    /// Ordinal and, for a preemption, its length.
    at: Vec<(u8, u8)>,
    original: (u8, u8),
}

impl Positions {
    /// The positions of the points of `p`, which has ordinals only.
    fn of(p: &Program, passed: &Passed) -> Vec<Positions> {
        let mut all = Vec::new();
        for (i, op) in p.ops.iter().enumerate() {
            if op.preempt_at != 0 {
                let original = (op.preempt_at, op.preempt_for);
                let mut lengths: Vec<u8> = (1..=LONGEST).collect();
                if op.preempt_for > LONGEST {
                    lengths.push(op.preempt_for);
                }
                let kind = PointKind::Preempt;
                let at = ordinals(passed.names(kind, i).len(), op.preempt_at)
                    .flat_map(|n| lengths.iter().map(move |&k| (n, k)))
                    .collect();
                all.push(Positions { op: i, kind, at, original });
            }
            if op.fail_at() != 0 {
                let kind = PointKind::Fail { persistent: op.fail_persistent() };
                let calls = passed.names(kind, i).len();
                let at = ordinals(calls, op.fail_at()).map(|n| (n, 0)).collect();
                all.push(Positions { op: i, kind, at, original: (op.fail_at(), 0) });
            }
        }
        all
    }

    fn place(&self, p: &mut Program, (at, length): (u8, u8)) {
        let op = &mut p.ops[self.op];
        match self.kind {
            PointKind::Preempt => (op.preempt_at, op.preempt_for) = (at, length),
            PointKind::Fail { persistent } => {
                op.fail = at | if persistent { FAIL_PERSISTENT } else { 0 };
            }
        }
    }
}

/// The first positions of `count`, and the original one wherever it is.
fn ordinals(count: usize, original: u8) -> impl Iterator<Item = u8> {
    let last = u8::try_from(count.min(POSITIONS)).unwrap_or(u8::MAX);
    (1..=last).chain((original > last).then_some(original))
}

/// Whether a program with ordinals only is clean under `defects`, wherever its planned
/// preemptions and faults strike.
fn clean_everywhere(m: &mut dyn Machine, p: &Program, defects: u64) -> bool {
    let replay = recorded(m, p, defects, Some(Stop::Books));
    if !replay.outcome.clean() {
        return false;
    }
    let points = Positions::of(p, &Passed::of(&replay.trace, p.ops.len()));
    let product = points.iter().try_fold(1usize, |n, x| n.checked_mul(x.at.len()));
    let mut varied = p.clone();
    let mut clean = |p: &Program| run(m, p, defects, Some(Stop::Books)).clean();
    if product.is_some_and(|n| n <= COMBINATIONS) {
        return every_combination(&points, &mut varied, &mut clean);
    }
    points.iter().all(|x| {
        let all_clean = x.at.iter().all(|&at| {
            x.place(&mut varied, at);
            clean(&varied)
        });
        x.place(&mut varied, x.original);
        all_clean
    })
}

fn every_combination(
    points: &[Positions],
    p: &mut Program,
    clean: &mut dyn FnMut(&Program) -> bool,
) -> bool {
    let Some((first, rest)) = points.split_first() else {
        return clean(p);
    };
    first.at.iter().all(|&at| {
        first.place(p, at);
        every_combination(rest, p, clean)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kern::Kernel;
    use crate::program::text;
    use crate::stack::{Stack, as_reported};
    use crate::triage::toy::{FORGOTTEN, GRAMMAR, ROLLBACK, Toy, UNLOCKED, UNREFERENCED};

    fn credited(ops: &str) -> Option<Credited> {
        let text = format!("# ifscrub 1\nkernel toy\n{ops}");
        let p = text::parse(&[&GRAMMAR], &text).unwrap();
        credit(&mut Kernel::<Toy>::new(), &p, as_reported(Toy::defects()))
    }

    #[test]
    fn a_race_is_credited_to_its_way_in_and_not_to_what_enables_it() {
        let c = credited("make d0\nuse d0  preempt @1 for 1\ndrop d0\nmake d1\n").unwrap();
        assert_eq!(c.set, 1 << UNLOCKED | 1 << UNREFERENCED);
        assert_eq!(c.credit, 1 << UNREFERENCED);
        assert_eq!(c.program.ops.len(), 3, "cut after the violating operation");
    }

    #[test]
    fn a_rollback_is_credited_at_its_fault() {
        let c = credited("make d0\nmake d1\ngrow d1  fail @1\nuse d0\n").unwrap();
        assert_eq!((c.set, c.credit), (1 << ROLLBACK, 1 << ROLLBACK));
        assert_eq!(c.program.named[0].name, "carton_grow:malloc");
    }

    #[test]
    fn a_violation_of_the_teardown_is_not_cut() {
        let c = credited("make d0\nmark d0\ndrop d0\nmake d1\n").unwrap();
        assert_eq!((c.credit, c.program.ops.len()), (1 << FORGOTTEN, 4));
    }

    #[test]
    fn a_clean_program_has_no_credit_at_all() {
        assert!(credited("make d0\ndrop d0\n").is_none());
    }
}
