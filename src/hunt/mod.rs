//! The hunt: a seeded random walk over programs, with nothing else installed.
//!
//! Program `i` depends on the seed and `i` alone. The walk goes in rounds of a fixed
//! schedule of lengths; within a round any number of threads run slices and note only
//! the indices of programs that violate, and after it those are made again and triaged
//! in program order. Credited ways in are switched off for what follows, so that they
//! cannot mask others ([`left`]). So findings are a function of (kernel, defects, seed,
//! runs), whatever the number of jobs; a round that time cuts off is thrown away.
//!
//! | module | job |
//! | --- | --- |
//! | [`round`] | one round, on several threads |
//! | [`left`] | what is left to be found |
//! | [`goals`] | the panics of the two reports |
//! | [`progress`] | the line on stderr |
//! | [`fuzz`] | the entry of fuzz targets |

pub mod fuzz;
pub mod goals;
pub mod left;
pub mod progress;
pub mod round;

use crate::program::generate::{GenConfig, Generator};
use crate::program::{Program, Stop};
use crate::stack::{DefectSet, Machine};
use crate::triage::credit::{Credited, credit};
use crate::triage::minimize::minimize;
use crate::triage::report::{Report, report};
use crate::triage::signature::{Symptom, signature};
use left::Left;
use progress::Progress;
use round::{End, Round, Tally, guarded};
use std::time::{Duration, Instant};

/// Programs in the first round; each further round has twice as many, up to
/// [`LONGEST_ROUND`].
const FIRST_ROUND: u64 = 64;

/// Programs in the longest rounds.
const LONGEST_ROUND: u64 = 16_384;

/// How many programs of one symptom are triaged after a round.
const SUSPECTS: usize = 4;

/// Makes a booted machine; every thread needs its own.
pub type Maker<'a> = &'a (dyn Fn() -> Box<dyn Machine> + Sync);

/// What to hunt, and for how long.
#[derive(Clone, Debug)]
pub struct Config {
    /// Defects that are on at the beginning.
    pub defects: DefectSet,
    /// Number of programs; no limit when `None`.
    pub runs: Option<u64>,
    /// Wall-clock limit.
    pub time: Option<Duration>,
    /// Seed of the walk.
    pub seed: u64,
    /// Threads.
    pub jobs: usize,
    /// Ends when every defect has been found.
    pub stop_when_all_found: bool,
    /// What generated programs look like.
    pub programs: GenConfig,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            defects: 0,
            runs: None,
            time: None,
            seed: 1,
            jobs: 1,
            stop_when_all_found: true,
            programs: GenConfig { stop: Stop::Books, ..GenConfig::default() },
        }
    }
}

/// A violation, found and credited.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which program of the walk.
    pub index: u64,
    /// Its signature.
    pub signature: String,
    /// What is left of program and defects, and the credit.
    pub credited: Credited,
    /// Programs run when it was known.
    pub executions: u64,
    /// Seconds since the hunt began; for the eye, never stored in a report.
    pub seconds: f64,
}

/// A panic of the harness itself: never a finding.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the harness itself panicked: {message}")]
pub struct HarnessBug {
    /// The words of the panic.
    pub message: String,
    /// The program that it happened in.
    pub program: String,
}

/// Why a step of the walk was the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Nothing to stop for yet.
    NotYet,
    /// The number of programs is used up.
    Runs,
    /// The time is.
    Time,
    /// Every defect was found.
    AllFound,
}

/// A walk under way.
pub struct Hunt<'a> {
    cfg: Config,
    make: Maker<'a>,
    machine: Box<dyn Machine>,
    generator: Generator,
    began: Instant,
    round_length: u64,
    next: u64,
    left: Left,
    /// What was found, in order.
    pub findings: Vec<Finding>,
    /// Counts over all rounds that were not thrown away.
    pub tally: Tally,
}

impl<'a> Hunt<'a> {
    /// A walk that has not begun.
    pub fn new(cfg: Config, make: Maker<'a>) -> Self {
        let machine = make();
        Hunt {
            generator: Generator::new(machine.grammar(), cfg.programs.clone(), cfg.seed),
            left: Left::new(machine.defects(), cfg.defects),
            cfg,
            make,
            machine,
            began: Instant::now(),
            round_length: FIRST_ROUND,
            next: 0,
            findings: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// The machine that triages.
    pub fn machine(&mut self) -> &mut dyn Machine {
        &mut *self.machine
    }

    /// Seconds since the walk began.
    pub fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// When the walk must end.
    pub fn deadline(&self) -> Option<Instant> {
        self.cfg.time.and_then(|t| self.began.checked_add(t))
    }

    /// Walks until something stops it.
    ///
    /// # Errors
    ///
    /// A panic of the harness itself.
    pub fn run(&mut self, progress: &Progress) -> Result<Over, HarnessBug> {
        loop {
            match self.step(progress)? {
                Over::NotYet => {}
                over => return Ok(over),
            }
        }
    }

    /// One round and its triage.
    ///
    /// # Errors
    ///
    /// A panic of the harness itself.
    pub fn step(&mut self, progress: &Progress) -> Result<Over, HarnessBug> {
        let left = self.cfg.runs.map_or(u64::MAX, |runs| runs.saturating_sub(self.next));
        let count = self.round_length.min(left);
        if count == 0 {
            return Ok(Over::Runs);
        }
        progress.state(self.tally.executions, self.findings.len(), self.left.found().count_ones());
        let round = Round {
            make: self.make,
            generator: &self.generator,
            defects: self.left.on(),
            from: self.next,
            count,
            jobs: self.cfg.jobs,
            deadline: self.deadline(),
            suspect: &|outcome| Symptom::of(outcome, Stop::Books),
            per_symptom: SUSPECTS,
            progress,
        };
        let (tally, suspects) = match round.run()? {
            End::Done(tally, suspects) => (tally, suspects),
            End::TimeUp => return Ok(Over::Time),
        };
        self.tally.add(&tally);
        self.next += count;
        self.round_length = (self.round_length * 2).min(LONGEST_ROUND);
        for index in suspects {
            self.triage(index, progress)?;
        }
        if self.cfg.stop_when_all_found && self.left.goals() != 0 && self.unfound() == 0 {
            return Ok(Over::AllFound);
        }
        if self.deadline().is_some_and(|d| Instant::now() >= d) {
            return Ok(Over::Time);
        }
        Ok(Over::NotYet)
    }

    /// Makes a violating program again and credits it, under what is still on: a way in
    /// found a moment ago needs no second finding.
    fn triage(&mut self, index: u64, progress: &Progress) -> Result<(), HarnessBug> {
        let p: Program = self.generator.program(index);
        let on = self.left.on();
        let Some(c) = guarded(&mut *self.machine, &p, |m| credit(m, &p, on))? else {
            return Ok(());
        };
        let signature = signature(&*self.machine, &c);
        self.left.credit(c.credit);
        if self.findings.iter().any(|f| f.signature == signature) {
            return Ok(());
        }
        progress.found(&signature, self.tally.executions);
        let (executions, seconds) = (self.tally.executions, self.seconds());
        self.findings.push(Finding { index, signature, credited: c, executions, seconds });
        Ok(())
    }

    /// The report of each finding, minimized.
    ///
    /// # Errors
    ///
    /// A panic of the harness itself.
    pub fn reports(&mut self) -> Result<Vec<Report>, HarnessBug> {
        let mut all = Vec::new();
        for f in &self.findings {
            let found = f.credited.clone();
            let shrink = |m: &mut dyn Machine| {
                let least = minimize(m, found);
                report(m, &least.program, least.set)
            };
            all.extend(guarded(&mut *self.machine, &f.credited.program, shrink)?);
        }
        Ok(all)
    }

    /// The defects that were credited; an enabling one also when one of its ways was.
    pub fn found(&self) -> DefectSet {
        self.left.found()
    }

    /// The defects that nothing was credited to, but for enabling ones.
    pub fn unfound(&self) -> DefectSet {
        self.left.unfound()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kern::Kernel;
    use crate::program::text;
    use crate::stack::{Stack, as_reported};
    use crate::triage::toy::{ASSERTS, Toy, UNLOCKED};

    fn toy() -> Box<dyn Machine> {
        Box::new(Kernel::<Toy>::new())
    }

    fn hunted(cfg: Config) -> (Over, Vec<(u64, String)>, DefectSet) {
        let mut hunt = Hunt::new(cfg, &toy);
        let over = hunt.run(&Progress::silent()).unwrap();
        let findings = hunt.findings.iter().map(|f| (f.index, f.signature.clone())).collect();
        (over, findings, hunt.unfound())
    }

    #[test]
    fn every_way_in_is_found_and_enabling_ones_through_theirs() {
        let defects = as_reported(Toy::defects());
        let (over, findings, unfound) =
            hunted(Config { defects, runs: Some(50_000), ..Config::default() });
        assert_eq!((over, unfound), (Over::AllFound, 0), "{findings:?}");
    }

    #[test]
    fn every_finding_has_the_report_of_its_minimized_program() {
        let defects = as_reported(Toy::defects());
        let cfg = Config { defects, runs: Some(50_000), ..Config::default() };
        let mut hunt = Hunt::new(cfg, &toy);
        hunt.run(&Progress::silent()).unwrap();
        let reports = hunt.reports().unwrap();
        let signatures = |r: &Report| r.signature.clone();
        let found: Vec<_> = hunt.findings.iter().map(|f| f.signature.clone()).collect();
        assert_eq!(reports.iter().map(signatures).collect::<Vec<_>>(), found);
        for (r, f) in reports.iter().zip(&hunt.findings) {
            let p = text::parse(&[Toy::grammar()], &r.program).unwrap();
            assert!(p.ops.len() <= f.credited.program.ops.len() && p.ops.len() <= 3, "{r}");
        }
    }

    #[test]
    fn findings_are_the_same_with_any_number_of_jobs() {
        let defects = as_reported(Toy::defects());
        let cfg =
            Config { defects, runs: Some(3000), stop_when_all_found: false, ..Config::default() };
        let one = hunted(cfg.clone());
        for jobs in [2, 3, 8] {
            assert_eq!(hunted(Config { jobs, ..cfg.clone() }), one);
        }
    }

    #[test]
    fn with_everything_repaired_nothing_is_found() {
        let (over, findings, _) = hunted(Config { runs: Some(5000), ..Config::default() });
        assert_eq!((over, findings.len()), (Over::Runs, 0));
    }

    #[test]
    fn a_walk_takes_exactly_the_programs_it_is_given() {
        let mut hunt = Hunt::new(Config { runs: Some(1000), ..Config::default() }, &toy);
        hunt.run(&Progress::silent()).unwrap();
        assert_eq!(hunt.tally.executions, 1000);
        assert!(hunt.tally.ops > 0 && hunt.tally.measured_ops >= hunt.tally.changed);
    }

    #[test]
    fn an_enabling_defect_is_no_goal() {
        let defects = 1 << UNLOCKED;
        let (over, findings, unfound) =
            hunted(Config { defects, runs: Some(5000), ..Config::default() });
        assert_eq!((over, findings.len(), unfound), (Over::Runs, 0, 0));
    }

    #[test]
    fn a_proposed_repair_is_no_goal_and_stays_on() {
        let defects = as_reported(Toy::defects()) | 1 << ASSERTS;
        let cfg = Config { defects, runs: Some(50_000), ..Config::default() };
        let mut hunt = Hunt::new(cfg, &toy);
        assert_eq!(hunt.run(&Progress::silent()).unwrap(), Over::AllFound);
        assert_eq!((hunt.unfound(), hunt.left.on()), (0, 1 << ASSERTS));
    }
}
