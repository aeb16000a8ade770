//! No repair takes a yield point or a fault away without anybody noticing.
//!
//! The repaired kernel must be clean because it is right, not because threads cannot
//! switch or calls cannot fail in it. So the names of all yield points and fallible calls
//! that it passes are compared with those of the kernel as reported, over every program
//! that is checked in and a few thousand generated ones; each difference stands in
//! `tests/repairs.expected` with its reason.

mod support;

use ifscrub::kern::trace::{Func, What};
use ifscrub::program::generate::{GenConfig, Generator};
use ifscrub::program::{Program, Stop};
use ifscrub::stack::{GRAMMARS, Machine, as_reported};
use ifscrub::triage::replay::recorded;
use std::collections::{BTreeMap, BTreeSet};

/// How many programs are generated beside those that are checked in: enough for every
/// name to turn up many times.
const GENERATED: u64 = 2_000;

/// `yield NAME in FUNCTION < CALLER` or `call ...`: several places share a name.
type Names = BTreeSet<String>;

fn passed(m: &mut dyn Machine, p: &Program, defects: u64, stop: Stop, names: &mut Names) {
    let mut frames: BTreeMap<u8, Vec<&Func>> = BTreeMap::new();
    for e in recorded(m, p, defects, Some(stop)).trace.events {
        let stack = frames.entry(e.fiber).or_default();
        let point = match e.what {
            What::Enter(f) => {
                stack.push(f);
                continue;
            }
            What::Leave(_) => {
                stack.pop();
                continue;
            }
            What::Done(_) => {
                stack.clear();
                continue;
            }
            // What is left is on the way out.
            What::Fault(_) => return,
            What::Yield(name) => format!("yield {name}"),
            What::Call(name, _) => format!("call {name}"),
            _ => continue,
        };
        // The frame of a thread has no file.
        let functions = stack.iter().rev().take_while(|f| !f.file.is_empty()).take(2);
        let functions: Vec<_> = functions.map(|f| f.name).collect();
        names.insert(match functions[..] {
            [] => point,
            _ => format!("{point} in {}", functions.join(" < ")),
        });
    }
}

/// What the repaired kernel passes, and what the one as reported does.
fn both() -> (Names, Names) {
    let g = GRAMMARS[0];
    let generator = Generator::new(g, GenConfig::default(), 2007);
    let written = support::all_programs().into_iter().map(|path| support::read(&path));
    let programs = written.chain((0..GENERATED).map(|i| generator.program(i)));
    let (mut repaired, mut reported) = (Names::new(), Names::new());
    let mut machine = None;
    for p in programs.filter(|p| p.header.kernel == g.id) {
        let m = machine.get_or_insert_with(|| support::machine_for(&p));
        let all = as_reported(m.defects());
        passed(&mut **m, &p, 0, Stop::Books, &mut repaired);
        passed(&mut **m, &p, all, Stop::Kernel, &mut reported);
    }
    (repaired, reported)
}

/// The differences that are accounted for, each with its reason.
fn accounted() -> BTreeSet<String> {
    let path = support::root().join("tests/repairs.expected");
    let text = std::fs::read_to_string(path).expect("the list of differences");
    let lines = text.lines().filter(|l| !l.starts_with('#') && !l.is_empty());
    let entry = |line: &str| {
        // Names hold colons, but no blank behind them.
        let (difference, reason) = line.split_once(": ").unwrap_or((line, ""));
        assert!(!reason.trim().is_empty(), "`{line}` has no reason");
        difference.to_string()
    };
    lines.map(entry).collect()
}

#[test]
fn the_repaired_kernel_yields_and_fails_where_the_reported_one_does() {
    let (repaired, reported) = both();
    let missing = reported.difference(&repaired).map(|name| format!("repaired lacks {name}"));
    let added = repaired.difference(&reported).map(|name| format!("repaired adds {name}"));
    let found: BTreeSet<String> = missing.chain(added).collect();
    let accounted = accounted();
    let new: Vec<_> = found.difference(&accounted).collect();
    let gone: Vec<_> = accounted.difference(&found).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "not in tests/repairs.expected: {new:#?}\nthere, but not found any more: {gone:#?}"
    );
}

/// The string literals that follow this.
fn literals<'a>(source: &'a str, call: &'a str) -> impl Iterator<Item = &'a str> {
    source.match_indices(call).filter_map(move |(at, _)| {
        let literal = source[at + call.len()..].trim_start().strip_prefix('"')?;
        literal.split_once('"').map(|(name, _)| name)
    })
}

#[test]
fn every_yield_point_and_fallible_call_of_the_source_is_passed() {
    let mut written = Names::new();
    let folder = support::root().join("src/stack/dragonfly");
    for entry in std::fs::read_dir(folder).expect("the sources of the stack") {
        let source = std::fs::read_to_string(entry.expect("a file").path()).expect("a source");
        for (call, kind) in [
            ("yield_at(", "yield"),
            ("lwkt_serialize_enter(k, ifp, ", "yield"),
            ("k.fails(", "call"),
        ] {
            written.extend(literals(&source, call).map(|name| format!("{kind} {name}")));
        }
    }
    assert!(written.len() > 30, "{written:#?}");
    let (repaired, reported) = both();
    let name = |point: &String| point.split(" in ").next().unwrap_or_default().to_string();
    let passed: Names = repaired.union(&reported).map(name).collect();
    let never: Vec<_> = written.difference(&passed).collect();
    assert!(never.is_empty(), "no program passes {never:#?}");
}
