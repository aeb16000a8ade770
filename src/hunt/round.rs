//! One round of a hunt, on several threads.
//!
//! Thread `t` of `jobs` runs every `jobs`-th program on a machine of its own and keeps,
//! of programs that violate, only the index, and only the first few of each symptom.
//! Merged and sorted, that is what a single thread would have kept.

use super::progress::Progress;
use super::{HarnessBug, Maker};
use crate::kern::exec::{Config, Outcome};
use crate::program::generate::Generator;
use crate::program::{Program, text};
use crate::stack::{DefectSet, Machine};
use crate::triage::signature::Symptom;
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Of so many programs one is run with its changes of state counted.
const MEASURE_EVERY: u64 = 64;

/// How many programs pass between looks at the clock.
const CLOCK_EVERY: u64 = 32;

/// Counts over many runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Programs run.
    pub executions: u64,
    /// Operations issued.
    pub ops: u64,
    /// Operations that succeeded.
    pub ok: u64,
    /// Operations refused because too many threads were alive.
    pub refused: u64,
    /// Preemptions that happened.
    pub preempted: u64,
    /// Faults injected.
    pub injected: u64,
    /// Warnings.
    pub warnings: u64,
    /// Operations of the measured programs.
    pub measured_ops: u64,
    /// Operations of the measured programs that changed the state.
    pub changed: u64,
    /// Runs that ended because the model's memory was used up.
    pub exhausted: u64,
    /// Runs that broke a rule.
    pub violations: u64,
}

impl Tally {
    /// Adds the counts of other runs.
    pub fn add(&mut self, o: &Tally) {
        self.executions += o.executions;
        self.ops += o.ops;
        self.ok += o.ok;
        self.refused += o.refused;
        self.preempted += o.preempted;
        self.injected += o.injected;
        self.warnings += o.warnings;
        self.measured_ops += o.measured_ops;
        self.changed += o.changed;
        self.exhausted += o.exhausted;
        self.violations += o.violations;
    }

    fn count(&mut self, o: &Outcome, measured: bool) {
        let c = &o.counts;
        self.executions += 1;
        self.ops += u64::from(c.ops);
        self.ok += u64::from(c.ok);
        self.refused += u64::from(c.refused);
        self.preempted += u64::from(c.preempted);
        self.injected += u64::from(c.injected);
        self.warnings += u64::from(c.warnings);
        self.exhausted += u64::from(o.exhausted);
        self.violations += u64::from(!o.clean());
        if measured {
            self.measured_ops += u64::from(c.ops);
            self.changed += u64::from(c.changed);
        }
    }

    /// Share of operations that succeeded, in percent.
    pub fn ok_percent(&self) -> f64 {
        percent(self.ok, self.ops)
    }

    /// Share of measured operations that changed the state, in percent.
    pub fn changed_percent(&self) -> f64 {
        percent(self.changed, self.measured_ops)
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

/// What to run in a round.
pub struct Round<'a> {
    /// Makes each thread's machine.
    pub make: Maker<'a>,
    /// Makes the programs.
    pub generator: &'a Generator,
    /// Defects that are on.
    pub defects: DefectSet,
    /// The first program.
    pub from: u64,
    /// How many programs.
    pub count: u64,
    /// Threads.
    pub jobs: usize,
    /// When to give up.
    pub deadline: Option<Instant>,
    /// What makes a program worth triage, and by what key.
    pub suspect: &'a (dyn Fn(&Outcome) -> Option<Symptom> + Sync),
    /// How many programs of one key are kept.
    pub per_symptom: usize,
    /// Told every few programs.
    pub progress: &'a Progress,
}

/// How a round ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// Completely: counts, and the programs to triage by ascending index.
    Done(Tally, Vec<u64>),
    /// Cut off by time: it counts for nothing.
    TimeUp,
}

type Suspects = BTreeMap<Symptom, Vec<u64>>;

impl Round<'_> {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// The panic of the harness at the lowest index, if one happened.
    pub fn run(&self) -> Result<End, HarnessBug> {
        let jobs = self.jobs.clamp(1, 256) as u64;
        let stop = AtomicBool::new(false);
        let slices: Vec<_> = std::thread::scope(|scope| {
            let slice = |t| {
                let stop = &stop;
                scope.spawn(move || self.slice(t, jobs, stop))
            };
            let threads: Vec<_> = (0..jobs).map(slice).collect();
            threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
        });
        let mut tally = Tally::default();
        let mut suspects = Suspects::new();
        let mut bug: Option<(u64, HarnessBug)> = None;
        for slice in slices {
            // Only what is outside the guard can panic: the generator, say.
            let result = slice.unwrap_or_else(|panic| {
                Err((u64::MAX, HarnessBug { message: words(&*panic), program: String::new() }))
            });
            match result {
                Ok((t, s)) => {
                    tally.add(&t);
                    for (symptom, indices) in s {
                        suspects.entry(symptom).or_default().extend(indices);
                    }
                }
                Err((at, b)) => {
                    if bug.as_ref().is_none_or(|(first, _)| at < *first) {
                        bug = Some((at, b));
                    }
                }
            }
        }
        if let Some((_, bug)) = bug {
            return Err(bug);
        }
        if stop.load(Ordering::Relaxed) {
            return Ok(End::TimeUp);
        }
        let mut indices: Vec<u64> = Vec::new();
        for mut same in suspects.into_values() {
            same.sort_unstable();
            indices.extend(same.into_iter().take(self.per_symptom));
        }
        indices.sort_unstable();
        Ok(End::Done(tally, indices))
    }

    fn slice(
        &self,
        first: u64,
        step: u64,
        stop: &AtomicBool,
    ) -> Result<(Tally, Suspects), (u64, HarnessBug)> {
        let mut m = (self.make)();
        let mut p = self.generator.program(self.from);
        let mut tally = Tally::default();
        let mut suspects = Suspects::new();
        let mut told = 0;
        let mut i = first;
        while i < self.count {
            let index = self.from + i;
            self.generator.program_into(index, &mut p);
            let measure = index.is_multiple_of(MEASURE_EVERY);
            let cfg = Config { defects: self.defects, measure, ..Config::default() };
            let outcome = guarded(&mut *m, &p, |m| m.run(&p, cfg)).map_err(|bug| {
                stop.store(true, Ordering::Relaxed);
                (index, bug)
            })?;
            tally.count(&outcome, measure);
            if let Some(symptom) = (self.suspect)(&outcome) {
                let same = suspects.entry(symptom).or_default();
                if same.len() < self.per_symptom {
                    same.push(index);
                }
            }
            i += step;
            if tally.executions - told >= CLOCK_EVERY {
                self.progress.tick(tally.executions - told, first == 0);
                told = tally.executions;
                if self.deadline.is_some_and(|d| Instant::now() >= d) {
                    stop.store(true, Ordering::Relaxed);
                }
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        }
        self.progress.tick(tally.executions - told, false);
        Ok((tally, suspects))
    }
}

/// Does something with a machine and a program, and tells a panic of the harness from
/// everything else. After one, the machine must not be used any more.
///
/// # Errors
///
/// The panic, with the program that it happened in.
pub fn guarded<T>(
    m: &mut dyn Machine,
    p: &Program,
    work: impl FnOnce(&mut dyn Machine) -> T,
) -> Result<T, HarnessBug> {
    let grammar = m.grammar();
    catch_unwind(AssertUnwindSafe(|| work(m)))
        .map_err(|panic| HarnessBug { message: words(&*panic), program: text::print(grammar, p) })
}

/// The words of a panic.
pub fn words(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().map(|s| (*s).to_string());
    said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kern::slab::ObjRef;
    use crate::program::Grammar;
    use crate::program::generate::GenConfig;
    use crate::stack::Defect;
    use crate::triage::toy::GRAMMAR;
    use std::cell::Cell;

    /// A machine that panics on every operation-rich program.
    struct Broken;

    impl Machine for Broken {
        fn grammar(&self) -> &'static Grammar {
            &GRAMMAR
        }
        fn defects(&self) -> &'static [Defect] {
            &[]
        }
        fn rules(&self) -> &'static [&'static crate::shadow::Rule] {
            &[]
        }

        fn explain(&self, _: &crate::shadow::Violation) -> String {
            String::new()
        }

        fn run(&mut self, p: &Program, _: Config) -> Outcome {
            assert!(p.ops.len() < 20, "too many for me");
            Outcome::default()
        }
        fn features(&self) -> &[Cell<u32>] {
            &[]
        }
        fn describe(&self, _: ObjRef) -> Vec<String> {
            Vec::new()
        }
        fn class_name(&self, _: u8) -> &'static str {
            "thing"
        }
        fn locks(&self) -> &'static [crate::kern::lock::LockInfo] {
            &[]
        }
    }

    fn round(jobs: usize, deadline: Option<Instant>) -> Result<End, HarnessBug> {
        let generator = Generator::new(&GRAMMAR, GenConfig::default(), 1);
        let progress = Progress::silent();
        let (defects, from, count, per_symptom) = (0, 0, 500, 4);
        let suspect = &|_: &Outcome| None;
        let make = &|| Box::new(Broken) as Box<dyn Machine>;
        let generator = &generator;
        let progress = &progress;
        Round {
            make,
            generator,
            defects,
            from,
            count,
            jobs,
            deadline,
            suspect,
            per_symptom,
            progress,
        }
        .run()
    }

    #[test]
    fn a_panic_of_the_model_is_a_harness_bug_with_its_program() {
        for jobs in [1, 2] {
            let bug = round(jobs, None).unwrap_err();
            assert_eq!(bug.message, "too many for me");
            assert!(bug.program.starts_with("# ifscrub 1\nkernel toy\n"));
        }
    }

    #[test]
    fn a_tally_of_nothing_has_shares_of_nothing() {
        assert_eq!(Tally::default().ok_percent(), 0.0);
    }
}
