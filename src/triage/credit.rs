//! Credit: which defects a violation is due to, by experiment.
//!
//! The program is cut after the violating operation, and every defect is switched off
//! without which the same violation stays. Of the set that remains, the credit is those
//! defects each of whose repair *alone* makes the program clean: at the preemptions and
//! faults as named, and at every other position of the same operations' preemptions and
//! faults, so that a repair that merely shifts a yield point does not count.

use super::positions::everywhere;
use super::replay::{name_points, recorded, resolve, run, waits_for_added};
use super::sets;
use super::signature::{Symptom, frames};
use crate::kern::exec::Outcome;
use crate::kern::trace::What;
use crate::program::{Program, Stop};
use crate::shadow::{KernelFault, Violation};
use crate::stack::{DefectSet, Kind, Machine};

/// A violation, what is left of the program and of the defects, and the credit.
#[derive(Clone, Debug)]
pub struct Credited {
    /// The program, cut, with named points and [`Credited::set`] in its header.
    pub program: Program,
    /// The defects without which this violation does not happen, and the proposed repairs
    /// that were on.
    pub set: DefectSet,
    /// Those of them that have the credit; 0 when none has.
    pub credit: DefectSet,
    /// What the violation looks like.
    pub symptom: Symptom,
    /// The violation, of a recorded run.
    pub violation: Violation,
    /// What ended a program that stops with the kernel, of a recorded run.
    pub fault: Option<KernelFault>,
    /// The innermost functions at the violation, for the signature.
    pub frames: Vec<&'static str>,
    /// The lock that a repair has added and that somebody waits for, see
    /// [`waits_for_added`].
    pub waits_for: Option<&'static str>,
}

/// Finds the credit of the violation that `p` ends in under `defects`; `None` when it
/// does not end in one.
pub fn credit(m: &mut dyn Machine, p: &Program, defects: DefectSet) -> Option<Credited> {
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
    let mistakes = sets::mistakes(m.defects(), set);
    let cures = sets::members(mistakes).fold(0, |cures, d| {
        let repaired = set & !(1 << d);
        let clean = &mut |_: &mut dyn Machine, _: &Program, o: &Outcome| o.clean();
        let cured = everywhere(m, &program, &ordinals, repaired, Stop::Books, clean);
        cures | DefectSet::from(cured) << d
    });
    // Where it takes nothing else, they have the credit after all.
    let others =
        sets::of_kind(m.defects(), Kind::Enabling) | sets::of_kind(m.defects(), Kind::Latent);
    let counts = if mistakes & !others != 0 { !others } else { others };
    Some(Credited {
        set,
        credit: cures & counts,
        symptom,
        violation: replay.outcome.violation?,
        fault: replay.outcome.fault,
        frames: frames(&replay.trace),
        waits_for: waits_for_added(m, &replay.trace),
        program,
    })
}

/// Finds the credit of a violation even where the kernel would never have noticed it: a
/// program that stops with the kernel is then taken as one that stops with the books.
pub fn credit_of_books(m: &mut dyn Machine, p: &Program, defects: DefectSet) -> Option<Credited> {
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
fn cut(m: &mut dyn Machine, p: &Program, defects: DefectSet, symptom: &Symptom) -> Program {
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

/// Switches off every defect without which the same violation stays: ways in,
/// latent ones and hypotheses by index, then enabling ones, as long as no mistake that is on needs them.
/// Proposed repairs stay as they are.
pub fn minimal_set(
    m: &mut dyn Machine,
    p: &Program,
    defects: DefectSet,
    symptom: &Symptom,
) -> DefectSet {
    let all = m.defects();
    let mistakes = sets::mistakes(all, defects);
    let mut order: Vec<usize> = sets::members(mistakes).filter(|&d| d < all.len()).collect();
    order.sort_by_key(|&d| all[d].kind == Kind::Enabling);
    let mut set = defects;
    loop {
        let before = set;
        for &d in &order {
            let needed = sets::members(sets::mistakes(all, set) & !(1 << d))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kern::Kernel;
    use crate::program::text;
    use crate::stack::{Stack, as_reported};
    use crate::triage::toy::{ASSERTS, FORGOTTEN, GRAMMAR, ROLLBACK, Toy, UNLOCKED, UNREFERENCED};

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
    fn a_proposed_repair_stays_on_and_has_no_credit_and_keeps_nothing_on() {
        // It needs what `use` does wrong, which this violation does not.
        let p = "# ifscrub 1\nkernel toy\nmake d1\ngrow d1  fail @1\nuse d1\n";
        let p = text::parse(&[&GRAMMAR], p).unwrap();
        let set = as_reported(Toy::defects()) | 1 << ASSERTS;
        let c = credit(&mut Kernel::<Toy>::new(), &p, set).unwrap();
        assert_eq!((c.set, c.credit), (1 << ROLLBACK | 1 << ASSERTS, 1 << ROLLBACK));
    }

    #[test]
    fn it_is_noted_where_somebody_waits_for_a_lock_that_a_repair_has_added() {
        // With that repaired that closes the drawer, `use` waits until `drop` lets go of it.
        let waits = "drop d0  preempt carton_drop:unlink#1 for 1\nuse d0\n";
        let grows = "make d1\ngrow d1  fail @1\n";
        let c = credited(&format!("make d0\n{waits}{grows}")).unwrap();
        assert_eq!((c.credit, c.waits_for), (1 << ROLLBACK, Some("cupboard")));
        let c = credited(&format!("make d0\nuse d0\n{grows}")).unwrap();
        assert_eq!((c.credit, c.waits_for), (1 << ROLLBACK, None));
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
