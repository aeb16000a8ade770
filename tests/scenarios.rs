//! The committed scenarios: hand-written programs of what administrators, daemons and the
//! network do, each clean on the repaired kernel. They document the verbs, and the byte
//! corpus of the fuzzers is made from them.

mod common;

use common::{File, defects_of, files, folder, machine_of, on_cpus};
use ifscrub::program::{Stop, bytes, text};
use ifscrub::stack::GRAMMARS;
use ifscrub::triage::replay;

fn scenarios() -> Vec<File> {
    let all = files(&folder("corpus/text"));
    assert!(all.len() >= 15, "there are scenarios");
    all
}

/// The lines of a program file that are neither comments nor blank, the first apart.
fn body(source: &str) -> Vec<&str> {
    let (first, rest) = source.split_once('\n').expect("a first line");
    let kept = rest.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#'));
    std::iter::once(first).chain(kept).collect()
}

/// Compares line by line.
fn assert_same(name: &str, written: &[&str], printed: &[&str]) {
    for (w, p) in written.iter().zip(printed) {
        assert_eq!(w, p, "{name}: not as it is printed");
    }
    assert_eq!(written.len(), printed.len(), "{name}: another number of lines");
}

#[test]
fn every_scenario_begins_with_what_it_shows() {
    for f in scenarios() {
        let comments: Vec<_> =
            f.source.lines().skip(1).take_while(|l| l.starts_with("# ")).collect();
        assert!(!comments.is_empty(), "{}: no comment after the first line", f.name);
        assert!(f.program.ops.len() >= 8, "{}: a scenario is a story", f.name);
    }
}

#[test]
fn every_scenario_is_written_as_it_is_printed() {
    for f in scenarios() {
        let printed = text::print(GRAMMARS[usize::from(f.program.header.kernel)], &f.program);
        assert_same(&f.name, &body(&f.source), &printed.lines().collect::<Vec<_>>());
    }
}

#[test]
fn scenarios_name_their_points_and_reach_them() {
    let mut named = 0;
    for f in scenarios() {
        let raw = f.program.ops.iter().any(|op| op.preempt_at != 0 || op.fail_at() != 0);
        assert!(!raw, "{}: an ordinal where a name belongs", f.name);
        named += f.program.named.len();
        let mut m = machine_of(&f.program);
        let defects = defects_of(&*m, &f.program);
        let (_, unreached) = {
            let limit = m.grammar().max_preempt_at;
            replay::resolve(&mut *m, &f.program, defects, limit)
        };
        let unreached: Vec<_> = unreached.iter().map(ToString::to_string).collect();
        assert!(unreached.is_empty(), "{}: {}", f.name, unreached.join("; "));
    }
    assert!(named > 0, "some scenarios preempt or inject");
}

#[test]
fn scenarios_are_clean_on_one_two_and_three_cpus() {
    for f in scenarios() {
        assert_eq!(f.program.header.stop, Stop::Books, "{}", f.name);
        let mut m = machine_of(&f.program);
        assert_eq!(defects_of(&*m, &f.program), 0, "{}: defects are on", f.name);
        for ncpus in 1..=3 {
            let p = on_cpus(&f.program, ncpus);
            let outcome = replay::run(&mut *m, &p, 0, None);
            let broken = outcome.violation.map(|v| v.rule.name);
            assert_eq!(broken, None, "{} on {ncpus} CPUs", f.name);
            assert!(outcome.clean(), "{} on {ncpus} CPUs: {:?}", f.name, outcome.fault);
            assert!(
                !outcome.exhausted,
                "{} on {ncpus} CPUs: the model's memory is used up",
                f.name
            );
            assert!(outcome.counts.ok > 0, "{} on {ncpus} CPUs: nothing succeeds", f.name);
        }
    }
}

#[test]
fn scenarios_become_bytes_and_text_again_without_loss() {
    for f in scenarios() {
        let mut m = machine_of(&f.program);
        let defects = defects_of(&*m, &f.program);
        let (resolved, _) = {
            let limit = m.grammar().max_preempt_at;
            replay::resolve(&mut *m, &f.program, defects, limit)
        };
        let encoded = bytes::encode(&resolved).unwrap_or_else(|e| panic!("{}: {e}", f.name));
        let decoded = bytes::decode(GRAMMARS, &encoded);
        let mut again = replay::name_points(&mut *m, &decoded, defects);
        // The one thing that bytes do not hold.
        again.header.defects.clone_from(&f.program.header.defects);
        assert_eq!(again, f.program, "{}", f.name);
        let grammar = GRAMMARS[usize::from(f.program.header.kernel)];
        assert_same(&f.name, &body(&f.source), &body(&text::print(grammar, &again)));
    }
}
