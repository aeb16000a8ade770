//! What reports say, on the toy stack: both layers, histories, interleavings, injected faults.

use super::*;
use crate::kern::Kernel;
use crate::triage::toy::{GRAMMAR, Toy};

fn reported(ops: &str, defects: &str) -> Report {
    let p = text::parse(&[&GRAMMAR], &format!("# ifscrub 1\nkernel toy\n{ops}")).unwrap();
    let mut m = Kernel::<Toy>::new();
    let set = sets::parse(m.defects(), defects).unwrap();
    report(&mut m, &p, set).unwrap()
}

const RACE: &str = "make d0\nuse d0  preempt carton_use:sleep#1 for 1\ndrop d0\n";

#[test]
fn the_panic_line_names_rule_object_and_holder() {
    let r = reported(RACE, "use-unreferenced");
    assert_eq!(r.panic, "freed-in-hands: carton#0.1 (held by operation 2)");
    assert_eq!(r.at, "in operation 3 drop d0, in carton_drop()");
}

#[test]
fn the_stacks_of_all_threads_are_there_the_culprit_first() {
    let r = reported(RACE, "use-unreferenced");
    let seen: Vec<_> = r.threads.iter().map(|t| (t.account.as_str(), t.state.as_str())).collect();
    assert_eq!(seen, [("3 drop d0", "running"), ("2 use d0", "preempted, 0 to go")]);
    assert_eq!(r.threads[1].stacks[0].name, "user");
    assert_eq!(r.threads[1].stacks[0].frames, [("carton_use", "toy/carton.c")]);
}

#[test]
fn the_history_counts_every_reference() {
    let r = reported("make d0\ngrow d0\ngrow d0  fail @1\n", "grow-rollback-twice");
    let seen: Vec<_> = r.history.iter().map(|c| (c.change.as_str(), c.count)).collect();
    assert_eq!(
        seen,
        [("allocated", None), ("+1", Some(2)), ("+1", Some(3)), ("-1", Some(2)), ("-1", Some(1))]
    );
    assert_eq!(r.injected, ["carton_grow:malloc in operation 3 grow d0"]);
}

#[test]
fn the_interleaving_says_who_was_parked_where() {
    let r = reported(RACE, "use-unreferenced");
    let ends: Vec<_> = r.interleaving.iter().map(|e| e.ends.as_str()).collect();
    assert_eq!(ends, ["returns 0", "parked at carton_use:sleep", "breaks freed-in-hands"]);
}

#[test]
fn the_kernel_layer_says_when_the_kernel_would_have_noticed() {
    let never = reported("make d0\ngrow d0\ngrow d0  fail @1\n", "grow-rollback-twice");
    assert_eq!(never.kernel_shows, "never, in this program");
    let once = reported("make d2\nmark d2\n", "guessed-panic");
    assert!(once.kernel_shows.ends_with("in carton_mark(), at once"), "{}", once.kernel_shows);
}

#[test]
fn a_report_warns_where_somebody_waits_for_a_lock_that_a_repair_has_added() {
    let grows = "make d1\ngrow d1  fail @1\n";
    let waits = "make d0\ndrop d0  preempt carton_drop:unlink#1 for 1\nuse d0\n";
    let with = reported(&format!("{waits}{grows}"), "grow-rollback-twice").to_string();
    assert!(with.contains("\ncaution:   somebody waits for the cupboard, "), "{with}");
    let without = reported(grows, "grow-rollback-twice").to_string();
    assert!(!without.contains("caution:"), "{without}");
}

#[test]
fn a_report_is_a_function_of_program_and_defects() {
    let [a, b] = [(); 2].map(|()| reported(RACE, "as-reported").to_string());
    assert_eq!(a, b);
    assert!(a.starts_with("panic: freed-in-hands") && a.contains("\nprogram\n# ifscrub 1\n"));
}

#[test]
fn a_report_is_json_too() {
    let r = reported(RACE, "use-unreferenced");
    assert_eq!(r.to_json()["credit"][0], "use-unreferenced");
}

#[test]
fn a_clean_program_has_no_report() {
    let p = text::parse(&[&GRAMMAR], "# ifscrub 1\nkernel toy\nmake d0\n").unwrap();
    assert!(report(&mut Kernel::<Toy>::new(), &p, 0).is_none());
}
