//! Everywhere that the preemptions and faults of a program may strike.
//!
//! *Clean under a repair* means clean at the preemptions and faults as named, and at every
//! other position of the same operations' preemptions and faults: a repair that merely
//! shifts a yield point cures nothing. Where a program has several such points, all their
//! combinations are tried, up to a bound above which one of them moves at a time.
//! [`everywhere`] runs them all; [`credit`](super::credit)
//! asks whether each is clean, the [matrix](super::matrix) what each of them shows.

use super::replay::{Passed, recorded, run};
use crate::kern::exec::Outcome;
use crate::program::{FAIL_PERSISTENT, MAX_FAIL_AT, PointKind, Program, Stop};
use crate::stack::{DefectSet, Machine};

/// The longest preemption that is tried, beside the program's own.
const LONGEST: u8 = 3;

/// All combinations of positions are tried when there are no more than this; otherwise
/// one point at a time.
const COMBINATIONS: usize = 4000;

/// Looks at a run and says whether to go on.
pub type Look<'l> = &'l mut dyn FnMut(&mut dyn Machine, &Program, &Outcome) -> bool;

/// Runs a program as `named`, and with its points at all their positions, from where they
/// stand in `ordinals`, the same program without names. False when `look` ended it.
pub fn everywhere(
    m: &mut dyn Machine,
    named: &Program,
    ordinals: &Program,
    defects: DefectSet,
    stop: Stop,
    look: Look<'_>,
) -> bool {
    let outcome = run(m, named, defects, Some(stop));
    if !look(m, named, &outcome) {
        return false;
    }
    let replay = recorded(m, ordinals, defects, Some(stop));
    if !look(m, ordinals, &replay.outcome) {
        return false;
    }
    let passed = Passed::of(&replay.trace, ordinals.ops.len());
    let points = Positions::of(ordinals, &passed, m.grammar().max_preempt_at);
    let product = points.iter().try_fold(1usize, |n, x| n.checked_mul(x.at.len()));
    let mut varied = ordinals.clone();
    let mut go_on = |p: &Program| {
        let outcome = run(m, p, defects, Some(stop));
        look(m, p, &outcome)
    };
    if product.is_some_and(|n| n <= COMBINATIONS) {
        return every_combination(&points, &mut varied, &mut go_on);
    }
    points.iter().all(|x| {
        let all = x.at.iter().all(|&at| {
            x.place(&mut varied, at);
            go_on(&varied)
        });
        x.place(&mut varied, x.original);
        all
    })
}

fn every_combination(
    points: &[Positions],
    p: &mut Program,
    go_on: &mut dyn FnMut(&Program) -> bool,
) -> bool {
    let Some((first, rest)) = points.split_first() else {
        return go_on(p);
    };
    first.at.iter().all(|&at| {
        first.place(p, at);
        every_combination(rest, p, go_on)
    })
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
    fn of(p: &Program, passed: &Passed, max_preempt_at: u8) -> Vec<Positions> {
        let mut all = Vec::new();
        for (i, op) in p.ops.iter().enumerate() {
            if op.preempt_at != 0 {
                let original = (op.preempt_at, op.preempt_for);
                let mut lengths: Vec<u8> = (1..=LONGEST).collect();
                if op.preempt_for > LONGEST {
                    lengths.push(op.preempt_for);
                }
                let kind = PointKind::Preempt;
                let at = ordinals(passed.names(kind, i).len(), max_preempt_at, op.preempt_at)
                    .flat_map(|n| lengths.iter().map(move |&k| (n, k)))
                    .collect();
                all.push(Positions { op: i, kind, at, original });
            }
            if op.fail_at() != 0 {
                let kind = PointKind::Fail { persistent: op.fail_persistent() };
                let calls = passed.names(kind, i).len();
                let at = ordinals(calls, MAX_FAIL_AT, op.fail_at()).map(|n| (n, 0)).collect();
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

/// The positions of `count` that a program can name, and the original one wherever it is.
fn ordinals(count: usize, max: u8, original: u8) -> impl Iterator<Item = u8> {
    let last = u8::try_from(count).unwrap_or(u8::MAX).min(max);
    (1..=last).chain((original > last).then_some(original))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kern::Kernel;
    use crate::program::text;
    use crate::triage::toy::{GRAMMAR, Toy};

    /// Preemptions and faults of the runs, until one of them is refused.
    fn visited(ops: &str, enough: usize) -> (bool, Vec<(u8, u8, u8)>) {
        let text = format!("# ifscrub 1\nkernel toy\nmake d0\n{ops}\n");
        let p = text::parse(&[&GRAMMAR], &text).unwrap();
        let mut seen = Vec::new();
        let mut look = |_: &mut dyn Machine, p: &Program, _: &Outcome| {
            seen.push((p.ops[1].preempt_at, p.ops[1].preempt_for, p.ops[1].fail_at()));
            seen.len() < enough
        };
        let m = &mut Kernel::<Toy>::new();
        let all = everywhere(m, &p, &p, 0, Stop::Books, &mut look);
        (all, seen)
    }

    #[test]
    fn the_named_positions_come_first_and_then_every_other_one_with_every_length() {
        let (all, seen) = visited("use d0  preempt @2 for 5", usize::MAX);
        assert!(all);
        assert_eq!(seen[..2], [(2, 5, 0); 2], "as named, and as an ordinal");
        let positions = [1, 2].map(|at| [1, 2, 3, 5].map(|length| (at, length, 0)));
        assert_eq!(seen[2..], positions.concat());
    }

    #[test]
    fn every_position_that_a_program_can_name_is_tried() {
        let last = |count, max, original| ordinals(count, max, original).last();
        assert_eq!(last(47, 63, 1), Some(47));
        assert_eq!(last(80, 63, 1), Some(63));
        assert_eq!(last(300, 255, 1), Some(255));
        assert_eq!(ordinals(2, 63, 5).collect::<Vec<_>>(), [1, 2, 5]);
    }

    #[test]
    fn a_fault_that_is_never_reached_is_a_position_all_the_same() {
        let (_, seen) = visited("grow d0  fail @7", usize::MAX);
        assert_eq!(seen[2..], [(0, 0, 1), (0, 0, 7)]);
    }

    #[test]
    fn whoever_looks_may_end_it() {
        for enough in 1..5 {
            let (all, seen) = visited("use d0  preempt @1 for 1", enough);
            assert_eq!((all, seen.len()), (false, enough));
        }
    }
}
