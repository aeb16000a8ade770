//! Running scripts, and what a test may ask about a run.

use super::{K, Step};
use crate::kern::callout::CalloutState;
use crate::kern::exec::{self, Config, Outcome};
use crate::program::{Header, NamedPoint, Op, PointKind, Program, Stop};
use crate::shadow::Rule;

/// An operation of a test: its script and what disturbs it.
#[derive(Clone)]
pub struct Planned {
    op: Op,
    steps: Vec<Step>,
    named: Vec<(PointKind, &'static str, u8)>,
}

/// An operation that runs a script, undisturbed.
pub fn op(steps: &[Step]) -> Planned {
    Planned { op: Op::default(), steps: steps.to_vec(), named: Vec::new() }
}

impl Planned {
    /// Parked at its yield point number `at` while `k` operations are issued.
    pub fn park(mut self, at: u8, k: u8) -> Planned {
        (self.op.preempt_at, self.op.preempt_for) = (at, k);
        self
    }

    /// Parked at occurrence `n` of a yield point while `k` operations are issued.
    pub fn park_named(mut self, name: &'static str, n: u8, k: u8) -> Planned {
        self.op.preempt_for = k;
        self.named.push((PointKind::Preempt, name, n));
        self
    }

    /// Its fallible call number `fail & 0x7f` fails, as [`Op::fail`] says.
    pub fn fail(mut self, fail: u8) -> Planned {
        self.op.fail = fail;
        self
    }

    /// Occurrence `n` of a fallible call fails, and those after it when `persistent`.
    pub fn fail_named(mut self, name: &'static str, n: u8, persistent: bool) -> Planned {
        self.named.push((PointKind::Fail { persistent }, name, n));
        self
    }
}

/// What came of a run.
pub struct Ran {
    /// As the engines see it.
    pub outcome: Outcome,
    /// What was said, without the audit.
    pub log: Vec<String>,
    /// What each check after an operation was told.
    pub checks: Vec<(Option<i32>, bool)>,
    /// What each check after an operation that had stored nothing was told.
    pub quick_checks: Vec<i32>,
    /// The kernel as the run left it.
    pub k: K,
}

impl Ran {
    /// Asserts that nothing was found and that the run came to its end.
    #[track_caller]
    pub fn clean(mut self) -> Ran {
        assert!(self.outcome.clean(), "{:?}, log {:?}", self.outcome, self.log);
        assert_eq!(self.log.pop().as_deref(), Some("audit"), "log {:?}", self.log);
        self
    }

    /// Asserts which rule was broken.
    #[track_caller]
    pub fn breaks(&self, rule: &'static Rule) {
        let broken = self.outcome.violation.map(|v| v.rule.name);
        assert_eq!(broken, Some(rule.name), "log {:?}", self.log);
    }

    /// Asserts which rule was broken, and the numbers.
    #[track_caller]
    pub fn violates(&self, rule: &'static Rule, detail: [u32; 2]) {
        self.breaks(rule);
        assert_eq!(self.outcome.violation.unwrap().detail, detail);
    }

    /// The queued callbacks.
    pub fn deferred(&self) -> Vec<usize> {
        self.k.st.epoch.iter().collect()
    }

    /// The queued tasks.
    pub fn tasks(&self) -> Vec<(usize, u16)> {
        self.k.st.tasks.iter().collect()
    }

    /// State and deadline of the callout.
    pub fn callout(&self) -> (CalloutState, Option<u64>) {
        let callout = &self.k.st.owners.raw(self.k.st.owner.get()).callout;
        (callout.state(), callout.due().map(|(at, _)| at))
    }
}

/// Runs operations without background scripts.
pub fn run(ops: &[Planned]) -> Ran {
    run_with(ops, &[], Config::default())
}

/// Runs operations with the scripts of callbacks, tasks and threads.
pub fn run_behind(ops: &[Planned], background: &[&[Step]]) -> Ran {
    run_with(ops, background, Config::default())
}

/// Runs operations with recording on.
pub fn recorded(ops: &[Planned]) -> Ran {
    run_with(ops, &[], Config { record: true, ..Config::default() })
}

/// Runs operations until the kernel itself notices something.
pub fn run_to_fault(ops: &[Planned]) -> Ran {
    run_with(ops, &[], Config { stop: Some(Stop::Kernel), ..Config::default() })
}

/// Runs operations.
pub fn run_with(ops: &[Planned], background: &[&[Step]], cfg: Config) -> Ran {
    let mut k = K::new();
    for boot in &mut k.boot {
        boot.scripts = ops.iter().map(|o| o.steps.clone()).collect();
        boot.background = background.iter().map(|s| s.to_vec()).collect();
    }
    let numbered = |(i, o): (usize, &Planned)| Op { verb: i as u8, ..o.op };
    let named = ops.iter().enumerate().flat_map(|(op, o)| {
        o.named.iter().map(move |&(kind, name, occurrence)| NamedPoint {
            op,
            kind,
            name: name.to_string(),
            occurrence,
        })
    });
    let program = Program {
        header: Header::new(0),
        ops: ops.iter().enumerate().map(numbered).collect(),
        named: named.collect(),
    };
    let outcome = exec::run(&mut k, &program, cfg);
    let (log, checks) = (k.st.log.take(), k.st.checks.take());
    let quick_checks = k.st.quick_checks.take();
    Ran { outcome, log, checks, quick_checks, k }
}
