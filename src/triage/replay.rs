//! Recorded replays, and the names of a program's points.
//!
//! Bytes hold the ordinal of a yield point or of a fallible call, text its name and
//! occurrence. What an ordinal is called is known only to a run: [`resolve`] turns names
//! into ordinals, [`name_points`] ordinals into names. Both replay the program recorded
//! and read its [`What::Yield`] and [`What::Call`] events, per operation.

use crate::kern::exec::{Config, Outcome};
use crate::kern::trace::{Trace, What};
use crate::program::{FAIL_PERSISTENT, NamedPoint, PointKind, Program, Stop};
use crate::stack::{DefectSet, Machine};
use thiserror::Error;

/// A recorded run.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// What came of it; its trace is in `trace`.
    pub outcome: Outcome,
    /// The events.
    pub trace: Trace,
}

/// Runs a program recorded; `stop` overrides its header.
pub fn recorded(
    m: &mut dyn Machine,
    p: &Program,
    defects: DefectSet,
    stop: Option<Stop>,
) -> Recorded {
    let cfg = Config { defects, stop, record: true, ..Config::default() };
    let mut outcome = m.run(p, cfg);
    let trace = outcome.trace.take().map_or_else(Trace::default, |t| *t);
    Recorded { outcome, trace }
}

/// Runs a program on the fast path; `stop` overrides its header.
pub fn run(m: &mut dyn Machine, p: &Program, defects: DefectSet, stop: Option<Stop>) -> Outcome {
    m.run(p, Config { defects, stop, ..Config::default() })
}

/// Of the defects whose line a run has come to, those that did something there: repaired
/// alone, the run leaves another trace or another verdict. (The third thing to know of a
/// defect and a run, whether it was detected, is the [credit](super::credit).)
pub fn triggered(
    m: &mut dyn Machine,
    p: &Program,
    defects: DefectSet,
    stop: Option<Stop>,
) -> DefectSet {
    let mut left = |set| {
        let r = recorded(m, p, set, stop);
        (r.trace.hash(), r.outcome.violation, r.outcome.fault, r.outcome.reached)
    };
    let (hash, violation, fault, reached) = left(defects);
    let did = |d: &usize| {
        let without = left(defects & !(1 << d));
        (without.0, without.1, without.2) != (hash, violation, fault)
    };
    super::sets::members(reached).filter(did).fold(0, |set, d| set | 1 << d)
}

/// The lock that a repair has added and that somebody waits for in a run. What such a run
/// shows may be due to the wait, and the kernel had no such lock.
pub fn waits_for_added(m: &dyn Machine, trace: &Trace) -> Option<&'static str> {
    let is_added = |name: &str| m.locks().iter().any(|l| l.added && l.name == name);
    trace.events.iter().find_map(|e| match e.what {
        What::Block(name) if is_added(name) => Some(name),
        _ => None,
    })
}

/// The yield points and fallible calls that each operation of a program passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    yields: Vec<Vec<&'static str>>,
    calls: Vec<Vec<&'static str>>,
}

impl Passed {
    /// Reads them from a trace of a program of `ops` operations. The teardown has an
    /// account of its own and is left out.
    pub fn of(trace: &Trace, ops: usize) -> Passed {
        let mut passed = Passed { yields: vec![Vec::new(); ops], calls: vec![Vec::new(); ops] };
        for e in &trace.events {
            let (list, name) = match e.what {
                What::Yield(name) => (&mut passed.yields, name),
                What::Call(name, _) => (&mut passed.calls, name),
                _ => continue,
            };
            if let Some(names) = list.get_mut(usize::from(e.account)) {
                names.push(name);
            }
        }
        passed
    }

    /// What operation `op` passed, in order: yield points, or fallible calls.
    pub fn names(&self, kind: PointKind, op: usize) -> &[&'static str] {
        let lists = if kind == PointKind::Preempt { &self.yields } else { &self.calls };
        lists.get(op).map_or(&[], Vec::as_slice)
    }

    /// The ordinal of a named point, from 1.
    fn ordinal(&self, point: &NamedPoint) -> Option<usize> {
        let names = self.names(point.kind, point.op).iter().enumerate();
        let mut same = names.filter(|(_, name)| **name == point.name);
        let nth = usize::from(point.occurrence).checked_sub(1)?;
        same.nth(nth).map(|(i, _)| i + 1)
    }

    /// The name of an ordinal.
    fn name(&self, kind: PointKind, op: usize, ordinal: u8) -> Option<NamedPoint> {
        let names = self.names(kind, op);
        let i = usize::from(ordinal).checked_sub(1)?;
        let name = *names.get(i)?;
        let same = names[..=i].iter().filter(|n| **n == name).count();
        let occurrence = u8::try_from(same).ok()?;
        Some(NamedPoint { op, kind, name: name.to_string(), occurrence })
    }
}

/// A named point that a run did not reach.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("operation {} does not reach `{}#{}`", point.op + 1, point.name, point.occurrence)]
pub struct UnreachedPoint {
    /// The point.
    pub point: NamedPoint,
    /// Points of its kind that the operation did reach, each with how often.
    pub reached: Vec<(&'static str, usize)>,
    /// It is reached, but so late that its ordinal fits no record.
    pub too_late: bool,
}

/// The program with every named point turned into its ordinal, at most `limit`
/// ([`Grammar::max_preempt_at`](crate::program::Grammar) for what is to become bytes), and
/// the points for which there is none, which the program does not hold any more.
pub fn resolve(
    m: &mut dyn Machine,
    p: &Program,
    defects: DefectSet,
    limit: u8,
) -> (Program, Vec<UnreachedPoint>) {
    if p.named.is_empty() {
        return (p.clone(), Vec::new());
    }
    let trace = recorded(m, p, defects, None).trace;
    let passed = Passed::of(&trace, p.ops.len());
    let mut resolved = p.clone();
    let mut unreached = Vec::new();
    for point in std::mem::take(&mut resolved.named) {
        let found = passed.ordinal(&point);
        let ordinal = found.and_then(|n| u8::try_from(n).ok()).filter(|&n| n <= limit);
        let op = resolved.ops.get_mut(point.op);
        let (Some(ordinal), Some(op)) = (ordinal, op) else {
            if let (PointKind::Preempt, Some(op)) = (point.kind, resolved.ops.get_mut(point.op)) {
                op.preempt_for = 0;
            }
            let mut reached: Vec<(&'static str, usize)> = Vec::new();
            for name in passed.names(point.kind, point.op) {
                match reached.iter_mut().find(|(n, _)| n == name) {
                    Some((_, times)) => *times += 1,
                    None => reached.push((name, 1)),
                }
            }
            unreached.push(UnreachedPoint { point, reached, too_late: found.is_some() });
            continue;
        };
        match point.kind {
            PointKind::Preempt => op.preempt_at = ordinal,
            PointKind::Fail { persistent } => {
                op.fail = ordinal | if persistent { FAIL_PERSISTENT } else { 0 };
            }
        }
    }
    (resolved, unreached)
}

/// The program with every ordinal turned into the name of its point; an ordinal that the
/// run does not reach stays as it is.
pub fn name_points(m: &mut dyn Machine, p: &Program, defects: DefectSet) -> Program {
    let trace = recorded(m, p, defects, None).trace;
    let passed = Passed::of(&trace, p.ops.len());
    let mut named = p.clone();
    for (i, op) in named.ops.iter_mut().enumerate() {
        if let Some(point) = passed.name(PointKind::Preempt, i, op.preempt_at) {
            named.named.push(point);
            op.preempt_at = 0;
        }
        let kind = PointKind::Fail { persistent: op.fail_persistent() };
        if let Some(point) = passed.name(kind, i, op.fail_at()) {
            named.named.push(point);
            op.fail = 0;
        }
    }
    named.named.sort_by_key(|n| (n.op, n.kind != PointKind::Preempt));
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kern::Kernel;
    use crate::program::{MAX_PREEMPT_AT, text};
    use crate::triage::toy::{GRAMMAR, ROLLBACK, Toy, UNLOCKED, UNREFERENCED};

    const RACE: &str = "# ifscrub 1\nkernel toy\nmake d0\n\
        use d0  preempt carton_use:sleep#1 for 1\ndrop d0\n";
    const RACY: DefectSet = 1 << UNLOCKED | 1 << UNREFERENCED;

    fn program(text: &str) -> Program {
        text::parse(&[&GRAMMAR], text).unwrap()
    }

    #[test]
    fn a_defect_is_triggered_where_its_line_does_something() {
        let mut m = Kernel::<Toy>::new();
        let all = RACY | 1 << ROLLBACK;
        assert_eq!(triggered(&mut m, &program(RACE), all, None), RACY);
        // The line of the rollback is come to, and does something, when `grow` fails.
        let fails = "# ifscrub 1\nkernel toy\nmake d0\ngrow d0  fail @1\n";
        assert_eq!(triggered(&mut m, &program(fails), all, None), 1 << ROLLBACK);
        let succeeds = "# ifscrub 1\nkernel toy\nmake d0\ngrow d0\n";
        assert_eq!(triggered(&mut m, &program(succeeds), all, None), 0);
    }

    #[test]
    fn names_become_ordinals_and_names_again() {
        let mut m = Kernel::<Toy>::new();
        let p = program(RACE);
        let (raw, unreached) = resolve(&mut m, &p, RACY, MAX_PREEMPT_AT);
        assert!(unreached.is_empty() && raw.named.is_empty());
        assert_eq!((raw.ops[1].preempt_at, raw.ops[1].preempt_for), (1, 1));
        assert_eq!(name_points(&mut m, &raw, RACY), p);
    }

    #[test]
    fn both_forms_leave_the_same_trace() {
        let mut m = Kernel::<Toy>::new();
        let p = program(RACE);
        let (raw, _) = resolve(&mut m, &p, RACY, MAX_PREEMPT_AT);
        let [a, b] = [&p, &raw].map(|p| recorded(&mut m, p, RACY, None).trace.hash());
        assert_eq!(a, b);
    }

    #[test]
    fn a_point_that_is_not_reached_is_told_with_those_that_are() {
        let mut m = Kernel::<Toy>::new();
        let p = program(&RACE.replace("carton_use:sleep#1", "carton_use:sleep#2"));
        let (_, unreached) = resolve(&mut m, &p, RACY, MAX_PREEMPT_AT);
        assert_eq!(unreached.len(), 1);
        assert_eq!(unreached[0].reached, [("carton_use:sleep", 1), ("carton_use:wake", 1)]);
    }

    #[test]
    fn an_ordinal_that_is_not_reached_stays_raw() {
        let mut m = Kernel::<Toy>::new();
        let p = program("# ifscrub 1\nkernel toy\nmake d0  preempt @9 for 1 fail @2..\n");
        assert_eq!(name_points(&mut m, &p, 0), p);
    }

    #[test]
    fn a_persistent_fault_keeps_its_dots() {
        let mut m = Kernel::<Toy>::new();
        let p = program("# ifscrub 1\nkernel toy\nmake d0  fail @1..\n");
        let named = name_points(&mut m, &p, 0);
        assert_eq!(named.named[0].kind, PointKind::Fail { persistent: true });
        assert_eq!(resolve(&mut m, &named, 0, MAX_PREEMPT_AT).0, p);
    }
}
