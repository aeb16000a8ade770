//! What a corpus reaches: verbs, yield points, faults, defects.
//!
//! Every program is run twice, recorded: with all defects off, and with all that were
//! reported on. Verbs and points are those of both runs, as the union is what the model has
//! been seen to do. Then, as a campaign does it in rounds, the corpus is run with defects on
//! and whatever is credited is off in the next round unless one that is on needs it ([`Left`]),
//! until nothing goes off: a bug of one operation hides what a longer program would show.

use crate::hunt::HarnessBug;
use crate::hunt::left::Left;
use crate::hunt::round::guarded;
use crate::kern::trace::{Trace, What};
use crate::program::Program;
use crate::stack::{DefectSet, Machine, as_reported};
use crate::triage::credit::credit_of_books;
use crate::triage::replay::{recorded, run};
use crate::triage::report::events::errno_name;
use crate::triage::sets;
use crate::triage::signature::{Symptom, signature};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How many programs of one symptom are credited in a round.
const PER_SYMPTOM: u32 = 4;

/// What a verb did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerbReach {
    /// Operations issued.
    pub issued: u64,
    /// How often each errno came back; 0 is success.
    pub results: BTreeMap<i32, u64>,
}

/// A yield point or a fallible call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PointReach {
    /// How often it was passed.
    pub passed: u64,
    /// How often an operation was parked there, or the call failed.
    pub disturbed: u64,
}

/// What programs of one kernel reach.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Programs.
    pub programs: u64,
    /// Operations in them.
    pub operations: u64,
    /// The fingerprints of the states that they lead to with all defects off.
    pub states: BTreeSet<u64>,
    /// By opcode.
    pub verbs: BTreeMap<u8, VerbReach>,
    /// By name.
    pub yields: BTreeMap<&'static str, PointReach>,
    /// By name.
    pub calls: BTreeMap<&'static str, PointReach>,
    /// Kernel functions entered, by name and source file.
    pub functions: BTreeSet<(&'static str, &'static str)>,
    /// Whether the rounds of credit were run.
    pub judged: bool,
    /// How many findings each defect (its bit) was credited in, over all rounds.
    pub credited: BTreeMap<usize, u64>,
    /// Defects (bits) whose line was executed with the defect on.
    pub reached: DefectSet,
    /// Findings with all reported defects on that no defect has the credit of.
    pub others: BTreeSet<String>,
    /// Programs (their place in the list) that violate a rule with all defects off.
    pub violating: Vec<usize>,
    /// Of the two runs of each program, those that used up the model's memory.
    pub exhausted: u64,
}

/// What `programs`, all of the machine's kernel, reach; without the rounds of credit, which
/// cost the most, unless they are wanted.
///
/// # Errors
///
/// A panic of the harness.
pub fn reach(m: &mut dyn Machine, programs: &[Program], credit: bool) -> Result<Reach, HarnessBug> {
    let mut r = Reach::default();
    let all = as_reported(m.defects());
    for (i, p) in programs.iter().enumerate() {
        r.programs += 1;
        r.operations += p.ops.len() as u64;
        let clean = guarded(m, p, |m| recorded(m, p, 0, None))?;
        if !clean.outcome.clean() {
            r.violating.push(i);
        }
        r.states.extend(clean.outcome.state);
        r.exhausted += u64::from(clean.outcome.exhausted);
        r.note(p, &clean.trace);
        let reported = guarded(m, p, |m| recorded(m, p, all, None))?;
        r.exhausted += u64::from(reported.outcome.exhausted);
        r.reached |= reported.outcome.reached;
        r.note(p, &reported.trace);
    }
    r.judged = credit;
    if credit {
        r.rounds(m, programs, all)?;
    }
    Ok(r)
}

impl Reach {
    /// Counts what a run passed. The teardown, which no program asks for, is left out.
    fn note(&mut self, p: &Program, trace: &Trace) {
        // Of an operation only its own thread returns its errno.
        let mut owners: BTreeMap<u8, u8> = BTreeMap::new();
        let mut waiting = None;
        for e in &trace.events {
            if let What::Op(i) = e.what {
                waiting = Some(i);
                if let Some(op) = p.ops.get(usize::from(i)) {
                    self.verbs.entry(op.verb).or_default().issued += 1;
                }
                continue;
            }
            let Some(op) = p.ops.get(usize::from(e.account)) else { continue };
            if waiting == Some(e.account) {
                owners.insert(e.fiber, e.account);
                waiting = None;
            }
            match e.what {
                What::Done(errno) if owners.remove(&e.fiber) == Some(e.account) => {
                    let verb = self.verbs.entry(op.verb).or_default();
                    *verb.results.entry(errno).or_default() += 1;
                }
                What::Enter(f) if !f.file.is_empty() => {
                    self.functions.insert((f.name, f.file));
                }
                What::Yield(name) => self.yields.entry(name).or_default().passed += 1,
                What::Park(name) => self.yields.entry(name).or_default().disturbed += 1,
                What::Call(name, failed) => {
                    let call = self.calls.entry(name).or_default();
                    call.passed += 1;
                    call.disturbed += u64::from(failed);
                }
                _ => {}
            }
        }
    }

    /// Which defects are credited, in rounds.
    fn rounds(
        &mut self,
        m: &mut dyn Machine,
        programs: &[Program],
        all: DefectSet,
    ) -> Result<(), HarnessBug> {
        let mut left = Left::new(m.defects(), all);
        loop {
            let on = left.on();
            let mut seen: BTreeMap<Symptom, u32> = BTreeMap::new();
            let mut new = 0;
            for p in programs {
                let outcome = guarded(m, p, |m| run(m, p, on, None))?;
                self.reached |= outcome.reached;
                let Some(symptom) = Symptom::of(&outcome, p.header.stop) else { continue };
                let times = seen.entry(symptom).or_default();
                *times += 1;
                if *times > PER_SYMPTOM {
                    continue;
                }
                let Some(c) = guarded(m, p, |m| credit_of_books(m, p, on))? else { continue };
                for d in sets::members(c.credit) {
                    *self.credited.entry(d).or_default() += 1;
                }
                new |= c.credit;
                if c.credit == 0 {
                    self.others.insert(signature(m, &c));
                }
            }
            left.credit(new);
            if left.on() == on {
                // The next round would be the same.
                return Ok(());
            }
        }
    }

    /// All of it, for programs.
    pub fn to_json(&self, m: &dyn Machine) -> Value {
        let points = |points: &BTreeMap<&str, PointReach>, disturbed: &str| -> Vec<Value> {
            let one = |(name, p): (&&str, &PointReach)| json!({ "name": name, "passed": p.passed, disturbed: p.disturbed });
            points.iter().map(one).collect()
        };
        let verbs = m.grammar().verbs.iter().map(|v| {
            let own = self.verbs.get(&v.code).cloned().unwrap_or_default();
            let results: BTreeMap<String, u64> =
                own.results.iter().map(|(e, n)| (errno_word(*e), *n)).collect();
            json!({ "verb": v.name, "issued": own.issued, "results": results })
        });
        let defects = sets::members(as_reported(m.defects())).map(|d| {
            json!({
                "id": m.defects()[d].id,
                "kind": m.defects()[d].kind.name(),
                "credited": self.judged.then(|| self.credited.get(&d).copied().unwrap_or(0)),
                "reached": self.reached >> d & 1 == 1,
            })
        });
        json!({
            "kernel": m.grammar().kernel,
            "programs": self.programs,
            "operations": self.operations,
            "end_states": self.states.len(),
            "verbs": verbs.collect::<Vec<_>>(),
            "yield_points": points(&self.yields, "parked"),
            "fallible_calls": points(&self.calls, "failed"),
            "functions": self.functions.iter().map(|(name, file)| {
                json!({ "name": name, "file": file })
            }).collect::<Vec<_>>(),
            "defects": defects.collect::<Vec<_>>(),
            "other_findings": self.others,
            "violating": self.violating.len(),
            "exhausted": self.exhausted,
        })
    }
}

/// An errno as people write it.
pub fn errno_word(errno: i32) -> String {
    match errno {
        0 => "ok".to_string(),
        _ => errno_name(errno).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kern::Kernel;
    use crate::program::text;
    use crate::stack::Stack;
    use crate::triage::toy::{GRAMMAR, Toy, UNREFERENCED};

    fn of(sources: &[&str]) -> Reach {
        let parse = |s: &&str| text::parse(&[&GRAMMAR], &format!("# ifscrub 1\nkernel toy\n{s}"));
        let programs: Vec<_> = sources.iter().map(|s| parse(s).unwrap()).collect();
        reach(&mut Kernel::<Toy>::new(), &programs, true).unwrap()
    }

    #[test]
    fn verbs_results_points_and_credits_are_counted() {
        let race = "make d0\nuse d0  preempt carton_use:sleep#1 for 1\ndrop d0\n";
        let r = of(&["make d0\nmake d0\n", race]);
        assert_eq!((r.programs, r.operations), (2, 5));
        let code = |name| GRAMMAR.verb_named(name).unwrap().code;
        // Both runs of both programs.
        assert_eq!(r.verbs[&code("make")].issued, 6);
        assert_eq!(r.verbs[&code("make")].results, BTreeMap::from([(0, 4), (17, 2)]));
        let sleep = r.yields["carton_use:sleep"];
        assert!(sleep.passed >= 2 && sleep.disturbed == 2, "{sleep:?}");
        assert!(r.credited.contains_key(&usize::from(UNREFERENCED)), "{:?}", r.credited);
        assert!(r.violating.is_empty());
        let json = r.to_json(&Kernel::<Toy>::new());
        assert_eq!(json["verbs"].as_array().map(Vec::len), Some(GRAMMAR.verbs.len()));
        let reported = as_reported(Toy::defects()).count_ones() as usize;
        assert_eq!(json["defects"].as_array().map(Vec::len), Some(reported));
    }

    #[test]
    fn runs_that_use_up_the_memory_are_counted_with_the_defects_on_as_well() {
        // Each box that is dropped is lost with the defect on, and there are eight.
        let lost = "make d0\nmark d0\ndrop d0\n".repeat(8);
        assert_eq!(of(&[&lost]).exhausted, 0);
        assert_eq!(of(&[&format!("{lost}make d0\n")]).exhausted, 1);
    }

    #[test]
    fn an_errno_without_a_name_is_its_number() {
        assert_eq!([0, 17, 4711].map(errno_word), ["ok", "EEXIST", "4711"]);
    }

    #[test]
    fn nothing_reaches_nothing() {
        let r = of(&[]);
        assert_eq!((r.programs, r.verbs.len(), r.credited.len()), (0, 0, 0));
    }
}
