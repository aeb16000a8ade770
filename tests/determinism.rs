//! A run is a function of (program, defects), and of nothing else.
//!
//! Not of what ran before in the same process, of the process, of the build, of the
//! machine, or of how many threads hunt.

mod support;

use ifscrub::kern::exec::Config;
use ifscrub::program::generate::{GenConfig, Generator, WALK};
use ifscrub::program::{Grammar, Program, bytes};
use ifscrub::stack::{DefectSet, GRAMMARS, Machine, machine};
use ifscrub::triage::replay::recorded;
use proptest::prelude::*;
use serde_json::Value;
use std::path::PathBuf;

/// What a run leaves: the hash of its trace, and the fingerprint of the state that the
/// operations lead to, if nothing ends it before.
type Left = (u64, Option<u64>);

/// What a program leaves under its own defects.
fn left(m: &mut dyn Machine, p: &Program) -> Left {
    let set = support::own_defects(m, p);
    let run = recorded(m, p, set, None);
    (run.trace.hash(), run.outcome.state)
}

/// One machine for each kernel, for whatever is to run on it.
struct Machines(Vec<Box<dyn Machine>>);

impl Machines {
    fn new() -> Machines {
        Machines(GRAMMARS.iter().map(|g| machine(g.id).expect("a model")).collect())
    }

    fn left(&mut self, p: &Program) -> Left {
        let m = self.0.iter_mut().find(|m| m.grammar().id == p.header.kernel);
        left(&mut **m.expect("a machine for each kernel"), p)
    }
}

/// Every program that is checked in, with what it leaves in a process that runs them in order.
fn all_left() -> Vec<(PathBuf, Left)> {
    let mut machines = Machines::new();
    let run = |path: PathBuf| {
        let left = machines.left(&support::read(&path));
        (path, left)
    };
    support::all_programs().into_iter().map(run).collect()
}

#[test]
fn a_program_leaves_the_same_trace_whatever_ran_before() {
    let forth = all_left();
    let mut machines = Machines::new();
    assert!(forth.iter().any(|(_, left)| left.1.is_some()));
    for (path, expected) in forth.iter().rev() {
        let p = support::read(path);
        // On a machine of its own, and after all that come behind it in the list.
        assert_eq!(left(&mut *support::machine_for(&p), &p), *expected, "{}", path.display());
        assert_eq!(machines.left(&p), *expected, "{}", path.display());
    }
}

#[test]
fn a_program_leaves_the_same_trace_in_every_process() {
    let (paths, expected): (Vec<_>, Vec<_>) =
        all_left().into_iter().map(|(path, (hash, _))| (path, hash)).unzip();
    let spawned = || {
        let mut args = vec!["run".into(), "--trace".into()];
        args.extend(paths.iter().map(|p| p.clone().into_os_string()));
        support::stdout(&support::run_ifscrub(args))
    };
    let (first, second) = (spawned(), spawned());
    let hashes = |out: &str| -> Vec<u64> {
        let lines = out.lines().filter_map(|l| l.strip_prefix("trace hash 0x"));
        lines.map(|h| u64::from_str_radix(h, 16).expect("a hash")).collect()
    };
    assert_eq!(hashes(&first), expected);
    assert!(first == second, "two processes print different traces or reports");
}

/// Programs for which what they leave is checked in, so that debug and release builds and other
/// machines are held to the same values.
const HELD: [&str; 12] = [
    "tests/checks/I10-rt-pointers.ops",
    "tests/checks/I8-ifa-route.ops",
    "tests/checks/freed-in-hands.ops",
    "tests/field/c1-2007-panic.ops",
    "tests/field/c3-2007-panic.ops",
    "tests/field/freebsd-2023-dump.ops",
    "corpus/text/address-change.ops",
    "corpus/text/forwarding-with-flows.ops",
    "corpus/text/freebsd-append-tried-again.ops",
    "corpus/text/freebsd-multicast-groups.ops",
    "corpus/text/freebsd-pppoe-reconnect.ops",
    "corpus/text/freebsd-router-for-days.ops",
];

#[test]
fn every_build_on_every_machine_leaves_the_same_traces_and_states() {
    let line = |name: &str| {
        let p = support::read(&support::root().join(name));
        let (hash, state) = left(&mut *support::machine_for(&p), &p);
        let state = state.map_or_else(|| "-".to_string(), |state| format!("{state:#018x}"));
        format!("{hash:#018x} {state:18} {name}\n")
    };
    // Before the file is written anew.
    assert_walk_is_held();
    let held =
        HELD.map(line).concat() + &GRAMMARS.iter().map(|g| first_programs(g)).collect::<String>();
    support::expect_file("tests/determinism.expected", &held);
}

/// The number of the walk, a kernel, and a hash (FNV-1a) of the first programs of a seed.
fn first_programs(g: &'static Grammar) -> String {
    let generator = Generator::new(g, GenConfig::default(), 1);
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for i in 0..256 {
        for byte in bytes::encode(&generator.program(i)).expect("a program of the generator") {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("walk {WALK} {} {hash:#018x}\n", g.kernel)
}

#[test]
fn the_programs_of_a_seed_change_only_with_the_number_of_the_walk() {
    assert_walk_is_held();
}

fn assert_walk_is_held() {
    let path = support::root().join("tests/determinism.expected");
    let held = std::fs::read_to_string(path).expect("what every build leaves");
    for g in GRAMMARS {
        let found = first_programs(g);
        let same_number = format!("walk {WALK} {} ", g.kernel);
        if let Some(line) = held.lines().find(|line| line.starts_with(&same_number)) {
            assert_eq!(line, found.trim_end(), "raise WALK in src/program/generate.rs");
        }
    }
}

/// What a hunt found, without what the clock has a say in.
fn hunted(jobs: &str) -> Value {
    let args = ["hunt", "--runs", "20000", "--defects", "as-reported", "--seed", "3", "--json"];
    let out = support::run_ifscrub(args.into_iter().chain(["--jobs", jobs]));
    assert!(matches!(out.status.code(), Some(0 | 1)), "{}", support::stderr(&out));
    let mut json: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    json["seconds"].take();
    for finding in json["findings"].as_array_mut().expect("a list of findings") {
        finding["seconds"].take();
    }
    json
}

#[test]
fn a_hunt_finds_the_same_with_one_job_and_with_two() {
    let (one, two) = (hunted("1"), hunted("2"));
    assert!(one["findings"].as_array().is_some_and(|f| f.len() > 10), "{one:#}");
    assert!(one == two, "one job:\n{one:#}\ntwo jobs:\n{two:#}");
}

/// All of a run that does not depend on whether it was recorded: a fast run knows no
/// functions.
fn without_functions(m: &mut dyn Machine, p: &Program, cfg: Config) -> String {
    let mut o = m.run(p, cfg);
    if let Some(v) = &mut o.violation {
        v.func = "";
    }
    if let Some(f) = &mut o.fault {
        f.func = "";
    }
    support::shown(&o)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// Overflow checks are on in this build: nothing may panic, either.
    #[test]
    fn generated_programs_have_one_outcome(
        seed: u64,
        index in 0..1u64 << 40,
        defects: DefectSet,
        thin: DefectSet,
        all: bool,
    ) {
        let g = GRAMMARS[0];
        let p = Generator::new(g, GenConfig::default(), seed).program(index);
        let mut fresh = support::machine_for(&p);
        let mut used = support::machine_for(&p);
        let known = DefectSet::MAX >> (DefectSet::BITS as usize - fresh.defects().len());
        let defects = if all { defects } else { defects & thin } & known;
        let fast = Config { defects, ..Config::default() };
        let first = without_functions(&mut *used, &p, fast);
        // Something else in between.
        used.run(&Generator::new(g, GenConfig::default(), seed).program(index ^ 1), fast);
        prop_assert_eq!(&without_functions(&mut *used, &p, fast), &first);
        prop_assert_eq!(&without_functions(&mut *fresh, &p, fast), &first);
        let slow = Config { record: true, ..fast };
        prop_assert_eq!(&without_functions(&mut *fresh, &p, slow), &first);
        let hashes = [(); 2].map(|()| recorded(&mut *used, &p, defects, None).trace.hash());
        prop_assert_eq!(hashes[0], hashes[1]);
    }
}
