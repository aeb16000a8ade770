//! The panics of the reports, and how to get there.
//!
//! A [`Goal`] is plain data: what the kernel must show at the end of a program that stops
//! with the kernel, and which ways in may be the cause. The pursuit first hunts with
//! defects as reported, until a finding is credited to such a way in; from there on it
//! hunts under `stop kernel` with only that way in and its needs on.

use super::progress::Progress;
use super::round::{End, Round, guarded};
use super::{Config, HarnessBug, Hunt, Maker, Over};
use crate::kern::exec::Outcome;
use crate::program::generate::{GenConfig, Generator};
use crate::program::{Program, Stop};
use crate::shadow::FaultKind;
use crate::stack::{DefectSet, Machine, with_needs};
use crate::triage::credit::{Credited, credit};
use crate::triage::minimize::minimize_keeping;
use crate::triage::replay::{Recorded, recorded, waits_for_added};
use crate::triage::sets;
use crate::triage::signature::Symptom;

/// Programs in a round under `stop kernel`.
const ROUND: u64 = 8192;

/// How many programs of one symptom are looked at after such a round: the function is
/// only known of a recorded run.
const SUSPECTS: usize = 64;

/// What a reported panic looks like.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// Name, for messages and files.
    pub name: &'static str,
    /// The kernel it happened on.
    pub kernel: &'static str,
    /// What was reported, in one sentence.
    pub reported: &'static str,
    /// The ways in that may be the cause.
    pub ways: &'static [&'static str],
    /// What else must be as it was for the dump to look as reported: on in the rounds
    /// towards the panic and in the program's header, but without a share in the credit.
    pub with: &'static [&'static str],
    /// The kernel's fault.
    pub fault: FaultKind,
    /// The function it struck in.
    pub function: &'static str,
    /// The functions below it on the stack, innermost first, as far as they matter.
    pub below: &'static [&'static str],
    /// What was followed there: [`KernelFault::what`](crate::shadow::KernelFault).
    pub follows: &'static str,
    /// What the dump of the faulting object must show, each in some line.
    pub shows: &'static [&'static str],
}

/// All goals.
pub static GOALS: &[Goal] = &[DRAGONFLY_2007, FREEBSD_2023];

const DRAGONFLY_2007: Goal = Goal {
    name: "dragonfly-2007-kernel-panic",
    kernel: "dragonfly-2007",
    reported: "an in_ifaddr on a list, its ifa_addr good, the rest of its pointers deadc0de",
    ways: &["c1-ifinit-serializer-wait", "c3-ifioctl-rollback"],
    // The scrub's restoring store is what leaves ifa_addr good in freed memory.
    with: &["w4-scrub-stack-pointer"],
    fault: FaultKind::Poison,
    function: "rtrequest1",
    // The message is served above the frames of its sender, which waits.
    below: &[
        "rtrequest1_msghandler",
        "rtable_cpu 0",
        "lwkt_domsg",
        "rtrequest1_global",
        "rtinit",
        "in_ifinit",
        "in_control",
    ],
    // Read through ifa_dstaddr: the interface is point-to-point.
    follows: "dst->sa_family",
    shows: &[
        "in_ifaddrhashtbl",
        "ifa_addr -> its own ia_addr",
        "ifa_dstaddr 0xdeadc0de",
        "ifa_netmask 0xdeadc0de",
    ],
};

const FREEBSD_2023: Goal = Goal {
    name: "freebsd-2023-fib6-lookup",
    kernel: "freebsd-14",
    reported: "fib6_lookup() gives a retransmit timer a deleted ifnet, all its if_afdata NULL",
    ways: &["fib-gateway-delete-delayed"],
    // IPv4's part of if_afdata is NULL in the dump as well.
    with: &["in-ifinfo-not-deferred"],
    fault: FaultKind::Null,
    function: "in6_selecthlim",
    below: &[
        "tcp_default_output",
        "tcp_timer_rexmt",
        "tcp_timer_enter",
        "softclock_call_cc",
        "softclock_thread",
        "fork_exit",
    ],
    follows: "ND_IFINFO(nh->nh_ifp)->chlim",
    shows: &[
        "] empty",
        "DYING",
        "if_afdata[AF_INET] NULL",
        "if_afdata[AF_INET6] NULL",
        "if_output ifdead_output",
    ],
};

impl Goal {
    /// The goals of a kernel.
    pub fn of(kernel: &str) -> impl Iterator<Item = &'static Goal> {
        GOALS.iter().filter(move |g| g.kernel == kernel)
    }

    /// The ways in as a set.
    pub fn ways(&self, m: &dyn Machine) -> DefectSet {
        named(m, self.ways)
    }

    /// What is on towards the panic: these ways in, what they need, and what goes with
    /// them.
    fn switches(&self, m: &dyn Machine, ways: DefectSet) -> DefectSet {
        with_needs(m.defects(), ways | named(m, self.with))
    }

    /// Whether a program, stopped by the kernel, shows what was reported: in the dump of
    /// the object whose field was followed, or of the one that the books speak of. One in
    /// which somebody waits for a lock that the kernel did not have does not.
    pub fn shown_by(&self, m: &mut dyn Machine, p: &Program, defects: DefectSet) -> bool {
        let Recorded { outcome, trace } = recorded(m, p, defects, Some(Stop::Kernel));
        let (Some(fault), Some(v)) = (outcome.fault, outcome.violation) else { return false };
        if waits_for_added(m, &trace).is_some() {
            return false;
        }
        let seen = (fault.kind.name(), fault.func, fault.what);
        if seen != (self.fault.name(), self.function, self.follows) {
            return false;
        }
        let stacks = trace.faults.first().map_or(&[][..], |(_, stacks)| stacks);
        let frames = stacks.first().map_or(&[][..], |s| &s.frames);
        let below = frames.iter().skip(1).map(|f| f.name).take(self.below.len());
        if !below.eq(self.below.iter().copied()) {
            return false;
        }
        let objects = [fault.obj, v.obj, v.other].into_iter().filter(|o| !o.is_none());
        let dump: Vec<String> = objects.flat_map(|o| m.describe(o)).collect();
        self.shows.iter().all(|words| dump.iter().any(|line| line.contains(words)))
    }

    /// Credits a program under `stop kernel`, if it shows what was reported and one of
    /// the ways in is the cause.
    fn reach(&self, m: &mut dyn Machine, p: &Program, defects: DefectSet) -> Option<Credited> {
        let mut p = p.clone();
        p.header.stop = Stop::Kernel;
        let defects = self.switches(m, defects);
        if !self.shown_by(m, &p, defects) {
            return None;
        }
        let c = credit(m, &p, defects)?;
        self.kept_by(m, &c).then_some(c)
    }

    /// Whether a credited program is still due to a way in, and shows what was reported.
    fn kept_by(&self, m: &mut dyn Machine, c: &Credited) -> bool {
        let defects = self.switches(m, c.set);
        c.credit & self.ways(m) != 0 && self.shown_by(m, &c.program, defects)
    }
}

/// The set of these names; those that the kernel does not know are left out.
fn named(m: &dyn Machine, names: &[&str]) -> DefectSet {
    let all = m.defects().iter().enumerate();
    all.filter(|(_, d)| names.contains(&d.id)).fold(0, |set, (i, _)| set | 1 << i)
}

/// A goal reached.
#[derive(Clone, Debug)]
pub struct Reached {
    /// The minimized program, which stops with the kernel, and its credit.
    pub credited: Credited,
    /// Programs run on the way.
    pub executions: u64,
    /// Seconds it took, before minimizing.
    pub seconds: f64,
}

/// Hunts for a goal; `None` when time or programs are used up before.
///
/// The walk goes on beside the rounds under `stop kernel` until every way in is known:
/// the first one found need not be the one that leads there.
///
/// # Errors
///
/// A panic of the harness itself.
pub fn pursue(
    goal: &Goal,
    cfg: Config,
    make: Maker<'_>,
    progress: &Progress,
) -> Result<Option<Reached>, HarnessBug> {
    let programs = GenConfig { stop: Stop::Kernel, ..cfg.programs.clone() };
    let mut hunt = Hunt::new(cfg.clone(), make);
    let generator = Generator::new(hunt.machine().grammar(), programs, cfg.seed);
    let ways = goal.ways(hunt.machine());
    let (mut known, mut looked_at, mut from) = (0, 0, 0);
    loop {
        if known != ways {
            let over = hunt.step(progress)?;
            for i in looked_at..hunt.findings.len() {
                let c = hunt.findings[i].credited.clone();
                known |= c.credit & ways;
                let p = &c.program;
                if c.credit & ways != 0
                    && let Some(c) = guarded(hunt.machine(), p, |m| goal.reach(m, p, c.set))?
                {
                    return least(goal, &mut hunt, c).map(Some);
                }
            }
            looked_at = hunt.findings.len();
            if over != Over::NotYet && over != Over::AllFound {
                return Ok(None);
            }
            if over == Over::AllFound && known == 0 {
                return Ok(None);
            }
        }
        for way in sets::members(known) {
            let round = towards(goal, &hunt, &cfg, &generator, from, 1 << way, progress);
            let End::Done(tally, suspects) = round? else { return Ok(None) };
            hunt.tally.add(&tally);
            let defects = goal.switches(hunt.machine(), 1 << way);
            for index in suspects {
                let p = generator.program(index);
                if let Some(c) = guarded(hunt.machine(), &p, |m| goal.reach(m, &p, defects))? {
                    return least(goal, &mut hunt, c).map(Some);
                }
            }
        }
        if known != 0 {
            from += ROUND;
        }
        if cfg.runs.is_some_and(|runs| hunt.tally.executions >= runs) {
            return Ok(None);
        }
    }
}

/// One round under `stop kernel`, with one way in and its needs on.
fn towards(
    goal: &Goal,
    hunt: &Hunt<'_>,
    cfg: &Config,
    generator: &Generator,
    from: u64,
    way: DefectSet,
    progress: &Progress,
) -> Result<End, HarnessBug> {
    let suspect = |outcome: &Outcome| {
        let fault = outcome.fault.filter(|f| f.kind.name() == goal.fault.name());
        fault.and_then(|_| Symptom::of(outcome, Stop::Kernel))
    };
    progress.state(hunt.tally.executions, hunt.findings.len(), hunt.found().count_ones());
    Round {
        make: hunt.make,
        generator,
        defects: goal.switches(&*hunt.machine, way),
        from,
        count: ROUND,
        jobs: cfg.jobs,
        deadline: hunt.deadline(),
        suspect: &suspect,
        per_symptom: SUSPECTS,
        progress,
    }
    .run()
}

/// Minimizes what reached the goal, keeping it there.
fn least(goal: &Goal, hunt: &mut Hunt<'_>, c: Credited) -> Result<Reached, HarnessBug> {
    let (executions, seconds) = (hunt.tally.executions, hunt.seconds());
    let p = c.program.clone();
    let mut credited =
        guarded(hunt.machine(), &p, |m| minimize_keeping(m, c, &|m, c| goal.kept_by(m, c)))?;
    let m = hunt.machine();
    credited.set = goal.switches(m, credited.set);
    let names = sets::names(m.defects(), credited.set).into_iter().map(str::to_string);
    credited.program.header.defects = Some(names.collect());
    Ok(Reached { credited, executions, seconds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kern::Kernel;
    use crate::program::text;
    use crate::stack::{Stack, as_reported};
    use crate::triage::toy::{GRAMMAR, GUESS, Toy};

    static PANIC: Goal = Goal {
        name: "toy-panic",
        kernel: "toy",
        reported: "the last drawer",
        ways: &["guessed-panic"],
        with: &[],
        fault: FaultKind::Panic("the last drawer"),
        function: "carton_mark",
        below: &[],
        follows: "carton_mark",
        shows: &["grown 1"],
    };

    #[test]
    fn a_goal_is_reached_minimized_and_still_shows_what_was_reported() {
        let toy = || Box::new(Kernel::<Toy>::new()) as Box<dyn Machine>;
        let defects = as_reported(Toy::defects()) | 1 << GUESS;
        let cfg = Config { defects, runs: Some(100_000), ..Config::default() };
        let reached = pursue(&PANIC, cfg, &toy, &Progress::silent()).unwrap().unwrap();
        assert_eq!(
            text::print(&GRAMMAR, &reached.credited.program),
            "# ifscrub 1\nkernel toy\nncpus 1\nstop kernel\ndefects guessed-panic\n\
             make d2\ngrow d2\nmark d2\n"
        );
    }

    #[test]
    fn a_goal_whose_ways_in_are_off_is_not_reached() {
        let toy = || Box::new(Kernel::<Toy>::new()) as Box<dyn Machine>;
        let cfg =
            Config { defects: as_reported(Toy::defects()), runs: Some(2000), ..Config::default() };
        assert!(pursue(&PANIC, cfg, &toy, &Progress::silent()).unwrap().is_none());
    }
}
