//! The least program that still shows the same bug.
//!
//! Operations, preemptions, faults, arguments and CPUs are shrunk together, and a
//! candidate is taken only if signature *and* credit stay the same; a program that stops
//! with the kernel also keeps the kernel's fault and the function it struck in. Shrinking
//! by "still crashes" alone turns one bug into another. Nor does somebody come to wait for a
//! lock that a repair has added where nobody has waited before: the kernel could not do the
//! same. Each candidate is first run once
//! on the fast path; the dear experiment comes only for those that look right.
//!
//! The result is a fixed point, and a function of program and defects.

use super::credit::{Credited, credit};
use super::replay::{Passed, recorded, run};
use super::sets;
use super::signature::{Symptom, signature};
use crate::kern::trace::Fnv;
use crate::program::{
    FAIL_PERSISTENT, Grammar, MAX_PREEMPT_AT, NamedPoint, Op, PointKind, Program,
};
use crate::stack::{DefectSet, Machine};
use hashbrown::HashSet;
use std::hash::BuildHasherDefault;
use std::ops::Range;

/// Rounds over all passes; one more than was ever seen to change anything is plenty.
const ROUNDS: usize = 8;

/// What a candidate must show beside signature and credit.
pub type Keep<'k> = &'k dyn Fn(&mut dyn Machine, &Credited) -> bool;

/// Shrinks a program that has been credited.
pub fn minimize(m: &mut dyn Machine, c: Credited) -> Credited {
    minimize_keeping(m, c, &|_, _| true)
}

/// Shrinks a program that has been credited, and keeps what `keep` asks for.
pub fn minimize_keeping(m: &mut dyn Machine, c: Credited, keep: Keep<'_>) -> Credited {
    let grammar = m.grammar();
    let signature = signature(m, &c);
    let mut s = Shrinker { m, best: c, signature, keep, refused: HashSet::default() };
    for _ in 0..ROUNDS {
        let passes: [fn(&mut Shrinker<'_>, &Grammar) -> bool; 8] = [
            drop_points,
            drop_ranges,
            drop_pairs,
            hand_over,
            ease_points,
            fewer_cpus,
            rename,
            lower_args,
        ];
        let mut any = false;
        for pass in passes {
            any |= pass(&mut s, grammar);
        }
        if !any {
            break;
        }
    }
    s.best
}

struct Shrinker<'m> {
    m: &'m mut dyn Machine,
    best: Credited,
    signature: String,
    keep: Keep<'m>,
    /// Candidates that were not the same bug, with the defects they ran under: passes
    /// come to the same program again and again.
    refused: HashSet<(Program, DefectSet), BuildHasherDefault<Fnv>>,
}

impl Shrinker<'_> {
    /// Takes the candidate if it is the same bug.
    fn accept(&mut self, candidate: &Program) -> bool {
        let key = (candidate.clone(), self.best.set);
        if *candidate == self.best.program || self.refused.contains(&key) {
            return false;
        }
        let taken = self.judge(candidate);
        if !taken {
            self.refused.insert(key);
        }
        taken
    }

    fn judge(&mut self, candidate: &Program) -> bool {
        let set = self.best.set;
        let outcome = run(self.m, candidate, set, None);
        if Symptom::of(&outcome, candidate.header.stop) != Some(self.best.symptom) {
            return false;
        }
        let cured = |d: usize| run(self.m, candidate, set & !(1 << d), None).clean();
        if !sets::members(self.best.credit).all(cured) {
            return false;
        }
        let Some(c) = credit(self.m, candidate, set) else {
            return false;
        };
        let fault = |c: &Credited| c.fault.map(|f| (f.kind.name(), f.func));
        let same = c.credit == self.best.credit
            && fault(&c) == fault(&self.best)
            && signature(self.m, &c) == self.signature;
        let possible = c.waits_for.is_none() || self.best.waits_for.is_some();
        let less = possible && smaller(&c.program, &self.best.program);
        if same && less && (self.keep)(self.m, &c) {
            self.best = c;
            return true;
        }
        false
    }

    fn ops(&self) -> &[Op] {
        &self.best.program.ops
    }
}

/// Whether `a` is less to read than `b`. Every step must be, or two passes could undo
/// each other's work for ever.
fn smaller(a: &Program, b: &Program) -> bool {
    let size = |p: &Program| {
        let lengths: u32 = p.ops.iter().map(|o| u32::from(o.preempt_for)).sum();
        let raw = p.ops.iter().filter(|o| o.fail_persistent()).count();
        let named = p.named.iter().filter(|n| n.kind == PointKind::Fail { persistent: true });
        let args: u32 = p.ops.iter().flat_map(|o| o.args).map(u32::from).sum();
        (
            p.ops.len(),
            p.preemptions() + p.faults(),
            lengths,
            raw + named.count(),
            p.header.ncpus,
            args,
        )
    };
    size(a) < size(b)
}

/// `p` without the operations of `range`. With `shorten`, a preemption that lasted over
/// some of them lasts that much shorter.
fn without(p: &Program, range: Range<usize>, shorten: bool) -> Program {
    let mut less = p.clone();
    for (i, op) in less.ops.iter_mut().enumerate().take(range.start) {
        if shorten && op.preempt_for != 0 {
            let end = i + usize::from(op.preempt_for);
            let covered = range.clone().filter(|&j| j <= end).count();
            let covered = u8::try_from(covered).unwrap_or(u8::MAX);
            op.preempt_for = op.preempt_for.saturating_sub(covered).max(1);
        }
    }
    for i in range.rev() {
        less.remove_op(i);
    }
    less
}

fn try_without(s: &mut Shrinker<'_>, range: Range<usize>) -> bool {
    let p = s.best.program.clone();
    [true, false].into_iter().any(|shorten| s.accept(&without(&p, range.clone(), shorten)))
}

/// Halves, quarters, ... single operations, the last ones first.
fn drop_ranges(s: &mut Shrinker<'_>, _: &Grammar) -> bool {
    let mut any = false;
    let mut size = s.ops().len().div_ceil(2);
    while size > 0 {
        let mut end = s.ops().len();
        while end > 0 {
            let start = end.saturating_sub(size);
            any |= try_without(s, start..end);
            end = start.min(s.ops().len());
        }
        size /= 2;
    }
    any
}

/// Two operations at once: what creates something, and what destroys it.
fn drop_pairs(s: &mut Shrinker<'_>, _: &Grammar) -> bool {
    let mut any = false;
    let mut last = s.ops().len();
    while last > 1 {
        last = (last - 1).min(s.ops().len().saturating_sub(1));
        for first in 0..last {
            let p = s.best.program.clone();
            let took = [true, false].into_iter().any(|shorten| {
                let one = without(&p, last..last + 1, shorten);
                s.accept(&without(&one, first..first + 1, shorten))
            });
            if took {
                any = true;
                break;
            }
        }
    }
    any
}

/// Removes the preemption or the fault of one operation.
fn drop_point(p: &mut Program, i: usize, preempt: bool) {
    p.named.retain(|n| n.op != i || (n.kind == PointKind::Preempt) != preempt);
    let op = &mut p.ops[i];
    if preempt {
        (op.preempt_at, op.preempt_for) = (0, 0);
    } else {
        op.fail = 0;
    }
}

/// Removes an operation that is parked only to keep others waiting, and parks one of
/// those itself where it would have waited.
fn hand_over(s: &mut Shrinker<'_>, _: &Grammar) -> bool {
    let mut any = false;
    let mut i = 0;
    while i < s.ops().len() {
        any |= s.ops()[i].preempt_for != 0 && parked_instead(s, i);
        i += 1;
    }
    any
}

fn parked_instead(s: &mut Shrinker<'_>, i: usize) -> bool {
    let p = without(&s.best.program, i..i + 1, false);
    let set = s.best.set;
    let passed = Passed::of(&recorded(s.m, &p, set, None).trace, p.ops.len());
    for j in 0..p.ops.len() {
        if p.ops[j].preempt_for != 0 {
            continue;
        }
        for at in 1..=passed.names(PointKind::Preempt, j).len().min(usize::from(MAX_PREEMPT_AT)) {
            for length in 1..=2 {
                let mut candidate = p.clone();
                candidate.ops[j].preempt_at = at as u8;
                candidate.ops[j].preempt_for = length;
                if s.accept(&candidate) {
                    return true;
                }
            }
        }
    }
    false
}

fn drop_points(s: &mut Shrinker<'_>, _: &Grammar) -> bool {
    let mut any = false;
    for preempt in [false, true] {
        // Accepting may cut the program: look at its length each time.
        let mut i = 0;
        while i < s.ops().len() {
            let mut p = s.best.program.clone();
            drop_point(&mut p, i, preempt);
            any |= s.accept(&p);
            i += 1;
        }
    }
    any
}

/// Shorter preemptions; faults once instead of persistently.
fn ease_points(s: &mut Shrinker<'_>, _: &Grammar) -> bool {
    let mut any = false;
    let mut i = 0;
    while i < s.ops().len() {
        for shorter in 1..s.ops()[i].preempt_for {
            let mut p = s.best.program.clone();
            p.ops[i].preempt_for = shorter;
            if s.accept(&p) {
                any = true;
                break;
            }
        }
        if i < s.ops().len() {
            let mut p = s.best.program.clone();
            p.ops[i].fail &= !FAIL_PERSISTENT;
            let once = |n: &mut NamedPoint| {
                if n.op == i && n.kind != PointKind::Preempt {
                    n.kind = PointKind::Fail { persistent: false };
                }
            };
            p.named.iter_mut().for_each(once);
            any |= s.accept(&p);
        }
        i += 1;
    }
    any
}

fn fewer_cpus(s: &mut Shrinker<'_>, _: &Grammar) -> bool {
    (1..s.best.program.header.ncpus).any(|n| {
        let mut p = s.best.program.clone();
        p.header.ncpus = n;
        s.accept(&p)
    })
}

/// Another name for one interface, address or pcb wherever it stands: what is renamed
/// must stay the same thing in every operation.
fn rename(s: &mut Shrinker<'_>, g: &Grammar) -> bool {
    let mut any = false;
    let mut i = 0;
    while i < s.ops().len() {
        for slot in 0..4 {
            let Some(op) = s.ops().get(i).copied() else {
                continue;
            };
            let Some(arg) = g.verb(op.verb).and_then(|v| v.args.get(slot)) else {
                continue;
            };
            let from = usize::from(op.args[slot]);
            let Some(old) = arg.choices.get(from) else {
                continue;
            };
            for new in &arg.choices[..from] {
                let mut p = s.best.program.clone();
                for op in &mut p.ops {
                    let Some(verb) = g.verb(op.verb) else {
                        continue;
                    };
                    for (value, other) in op.args.iter_mut().zip(verb.args) {
                        let is_old = other.choices.get(usize::from(*value)) == Some(old);
                        let index = other.choices.iter().position(|c| c == new);
                        if let Some(n) = index.and_then(|n| u8::try_from(n).ok())
                            && is_old
                            && other.class == arg.class
                        {
                            *value = n;
                        }
                    }
                }
                if s.accept(&p) {
                    any = true;
                    break;
                }
            }
        }
        i += 1;
    }
    any
}

/// Smaller choices, one argument at a time; zero is the default.
fn lower_args(s: &mut Shrinker<'_>, _: &Grammar) -> bool {
    let mut any = false;
    let mut i = 0;
    while i < s.ops().len() {
        for slot in 0..4 {
            let current = s.ops().get(i).map_or(0, |op| op.args[slot]);
            for value in 0..current {
                let mut p = s.best.program.clone();
                p.ops[i].args[slot] = value;
                if s.accept(&p) {
                    any = true;
                    break;
                }
            }
        }
        i += 1;
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kern::Kernel;
    use crate::program::text;
    use crate::stack::{Stack, as_reported};
    use crate::triage::toy::{GRAMMAR, GUESS, Toy};

    fn minimized(ops: &str) -> String {
        let p = text::parse(&[&GRAMMAR], &format!("# ifscrub 1\nkernel toy\n{ops}")).unwrap();
        let mut m = Kernel::<Toy>::new();
        let set = as_reported(Toy::defects()) | 1 << GUESS;
        let c = credit(&mut m, &p, set).unwrap();
        let least = minimize(&mut m, c);
        text::print(&GRAMMAR, &least.program)
    }

    #[test]
    fn operations_preemptions_cpus_and_arguments_shrink_together() {
        let least = minimized(
            "ncpus 2\nmake d1\nmake d2  preempt @1 for 1\ngrow d1\nuse d2  preempt @2 for 2 fail @3\n\
             use d1\ndrop d2\n",
        );
        assert_eq!(
            least,
            "# ifscrub 1\nkernel toy\nncpus 1\ndefects unlocked use-unreferenced\nmake d0\n\
             use d0  preempt carton_use:wake#1 for 1\ndrop d0\n"
        );
    }

    #[test]
    fn a_persistent_fault_becomes_a_single_one() {
        let least = minimized("make d1\ngrow d1\ngrow d1  fail @1..\nuse d1\n");
        assert_eq!(
            least,
            "# ifscrub 1\nkernel toy\nncpus 1\ndefects grow-rollback-twice\nmake d0\n\
             grow d0  fail carton_grow:malloc#1\n"
        );
    }

    #[test]
    fn minimizing_does_not_turn_one_bug_into_another() {
        let least = minimized("make d2\nmake d1\nmark d1\ndrop d1\nmark d2\n");
        assert!(least.contains("defects guessed-panic\nmake d2\nmark d2\n"), "{least}");
    }

    #[test]
    fn a_preemption_is_shortened_by_what_it_no_longer_covers() {
        let text = "# ifscrub 1\nkernel toy\nuse d0  preempt @1 for 3\nmake d0\nmake d1\ndrop d0\n";
        let p = text::parse(&[&GRAMMAR], text).unwrap();
        assert_eq!(without(&p, 1..3, true).ops[0].preempt_for, 1);
        assert_eq!(without(&p, 1..3, false).ops[0].preempt_for, 3);
    }
}
