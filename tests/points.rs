//! How many points the operations of each verb pass, as its grammar says.
//!
//! The generator spreads preemptions and faults over so many of the first. Where a grammar says
//! too little of a verb, what is behind is not disturbed any more; where it says too much, most
//! of what is planned comes to nothing. The tables are measured on the repaired kernels: this
//! test measures again, and says what a row should be.

use ifscrub::program::generate::{GenConfig, Generator};
use ifscrub::program::{MAX_FAIL_AT, PointKind, Verb};
use ifscrub::stack::MODELS;
use ifscrub::triage::replay::{Passed, recorded};

/// How many programs are run, of each kernel: undisturbed ones.
const PROGRAMS: u64 = 3000;

/// Of fewer operations nothing is said but that they pass any.
const ENOUGH: usize = 40;

const FAIL: PointKind = PointKind::Fail { persistent: false };

/// How many points of a kind the operations of a verb passed, of those that passed any, sorted.
fn passed(runs: &[Vec<(u8, [usize; 2])>], verb: &Verb, kind: usize) -> Vec<usize> {
    let ops = runs.iter().flatten().filter(|(code, _)| *code == verb.code);
    let mut some: Vec<usize> = ops.map(|(_, n)| n[kind]).filter(|&n| n != 0).collect();
    some.sort_unstable();
    some
}

/// What is wrong with a row that says `said`: nothing if one in twenty pass more, give or take,
/// and 0 is said of what passes none.
fn wrong(some: &[usize], said: u8, most: u8) -> Option<usize> {
    let quantile = |percent: usize| some[(some.len() * percent / 100).min(some.len() - 1)];
    let fits = match some.len() {
        0 => return (said != 0).then_some(0),
        1..ENOUGH => said != 0,
        _ => (quantile(90).min(most.into())..=quantile(99)).contains(&usize::from(said)),
    };
    (!fits).then(|| quantile(95).min(most.into()))
}

#[test]
fn the_points_of_every_verb_are_as_many_as_nineteen_of_twenty_operations_pass() {
    let mut mended = Vec::new();
    for model in MODELS {
        let (g, mut m) = (model.grammar(), model.machine());
        let rows: Vec<u8> = g.points.iter().map(|(code, _)| *code).collect();
        assert_eq!(rows, g.verbs.iter().map(|v| v.code).collect::<Vec<_>>(), "{}", g.kernel);
        let undisturbed = GenConfig { preemptions: false, faults: false, ..GenConfig::default() };
        let generator = Generator::new(g, undisturbed, 1);
        let runs: Vec<Vec<(u8, [usize; 2])>> = (0..PROGRAMS)
            .map(|i| {
                let p = generator.program(i);
                let passed = Passed::of(&recorded(&mut *m, &p, 0, None).trace, p.ops.len());
                let counts = |i| [PointKind::Preempt, FAIL].map(|k| passed.names(k, i).len());
                p.ops.iter().enumerate().map(|(i, op)| (op.verb, counts(i))).collect()
            })
            .collect();
        for verb in g.verbs {
            let said = g.points_of(verb.code);
            let yields = wrong(&passed(&runs, verb, 0), said.yields, g.max_preempt_at);
            let calls = wrong(&passed(&runs, verb, 1), said.calls, MAX_FAIL_AT);
            if yields.is_some() || calls.is_some() {
                let yields = yields.unwrap_or(said.yields.into());
                let calls = calls.unwrap_or(said.calls.into());
                mended.push(format!("{}: {}, {yields}, {calls}", g.kernel, verb.name));
            }
        }
    }
    assert!(mended.is_empty(), "the tables of points should say\n{}", mended.join("\n"));
}
