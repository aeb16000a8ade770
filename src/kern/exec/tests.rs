//! Tests of the loop: who runs when, what is counted, how a run ends.

use super::{Config, LEFT_BY_OPS};
use crate::kern::sched::MAX_FIBERS;
use crate::kern::testing::{Step::*, *};
use crate::kern::trace::What;
use crate::program::FAIL_PERSISTENT;
use crate::shadow::rules;

/// The most operations alive at once.
const AT_ONCE: usize = MAX_FIBERS - LEFT_BY_OPS;

#[test]
fn a_program_without_preemptions_is_sequential() {
    let a = [Say("begins"), Yield("y"), Say("ends")];
    let ran = run(&[op(&a), op(&a)]);
    assert_eq!(ran.clean().log, ["0 begins", "0 ends", "1 begins", "1 ends"]);
}

#[test]
fn a_parked_operation_runs_again_when_k_more_have_been_issued() {
    for k in 1..4 {
        let ran = run(&[
            op(&[Yield("y"), Say("a")]).park(1, k),
            op(&[Say("b")]),
            op(&[Say("c")]),
            op(&[Say("d")]),
        ]);
        let mut want = vec!["1 b", "2 c", "3 d"];
        want.insert(k as usize, "0 a");
        assert_eq!(ran.clean().log, want, "k = {k}");
    }
}

#[test]
fn an_operation_parked_beyond_the_last_one_is_released_at_the_end() {
    let ran = run(&[op(&[Yield("y"), Say("a")]).park(1, 7), op(&[Say("b")])]);
    assert_eq!(ran.clean().log, ["1 b", "0 a"]);
}

#[test]
fn those_whose_time_is_up_together_run_oldest_first() {
    let y = |k| op(&[Yield("y"), Say("runs")]).park(1, k);
    let ran = run(&[y(3), y(2), y(1), op(&[Say("last")])]);
    assert_eq!(ran.clean().log, ["3 last", "0 runs", "1 runs", "2 runs"]);
    let ran = run(&[y(7), y(7), y(7)]);
    assert_eq!(ran.clean().log, ["0 runs", "1 runs", "2 runs"], "at the end, too");
}

#[test]
fn an_operation_is_preempted_once_at_the_planned_point() {
    let ran = run(&[
        op(&[Yield("y"), Say("1"), Yield("y"), Say("2"), Yield("y"), Say("3")]).park(2, 1),
        op(&[Say("other")]),
    ]);
    let ran = ran.clean();
    assert_eq!(ran.log, ["0 1", "1 other", "0 2", "0 3"]);
    assert_eq!(ran.outcome.counts.preempted, 1);
}

#[test]
fn a_point_that_is_not_reached_preempts_nobody() {
    let ran = run(&[op(&[Yield("y")]).park(2, 1), op(&[])]).clean();
    assert_eq!(ran.outcome.counts.preempted, 0);
}

#[test]
fn a_named_point_is_counted_by_its_name_and_occurrence() {
    let steps = [Yield("a"), Yield("b"), Say("1"), Yield("a"), Yield("b"), Say("2"), Yield("b")];
    let ran = run(&[op(&steps).park_named("b", 2, 1), op(&[Say("other")])]).clean();
    assert_eq!(ran.log, ["0 1", "1 other", "0 2"]);
    assert!(ran.outcome.unreached.is_empty());
}

#[test]
fn a_named_point_that_is_not_reached_is_reported() {
    let ran = run(&[op(&[Yield("a")]).park_named("a", 2, 1), op(&[Yield("a"), Yield("a")])]);
    let ran = ran.clean();
    assert_eq!(ran.outcome.unreached.len(), 1);
    assert_eq!(ran.outcome.counts.preempted, 0);
}

#[test]
fn a_thread_parked_with_a_mutex_held_keeps_others_blocked_until_it_releases_it() {
    let ran = run(&[
        op(&[Lock(MUTEX), Yield("in"), Say("holder"), Unlock(MUTEX)]).park(1, 2),
        op(&[Say("asks"), Lock(MUTEX), Say("blocked"), Unlock(MUTEX)]),
        op(&[Say("needs no lock")]),
    ]);
    assert_eq!(ran.clean().log, ["1 asks", "2 needs no lock", "0 holder", "1 blocked"]);
}

#[test]
fn a_thread_parked_at_the_entry_of_a_free_lock_lets_others_take_it() {
    let ran = run(&[
        op(&[Yield("entry"), Lock(MUTEX), Say("late"), Unlock(MUTEX)]).park(1, 1),
        op(&[Lock(MUTEX), Say("early"), Unlock(MUTEX)]),
    ]);
    assert_eq!(ran.clean().log, ["1 early", "0 late"]);
}

#[test]
fn a_blocked_thread_can_be_parked_once_it_runs_again() {
    let ran = run(&[
        op(&[Lock(MUTEX), Yield("in"), Unlock(MUTEX)]).park(1, 1),
        op(&[Lock(MUTEX), Yield("got it"), Say("b"), Unlock(MUTEX)]).park(1, 1),
        op(&[Say("c"), Lock(MUTEX), Say("c has it"), Unlock(MUTEX)]),
    ]);
    assert_eq!(ran.clean().log, ["2 c", "1 b", "2 c has it"]);
}

#[test]
fn waiting_for_a_parked_thread_is_no_deadlock_and_a_circle_is() {
    let parked = op(&[Lock(MUTEX), Yield("in"), Lock(MUTEX2)]).park(1, 7);
    let waits = op(&[Lock(MUTEX), Unlock(MUTEX)]);
    let ran = run(&[op(&[Lock(MUTEX), Yield("in"), Unlock(MUTEX)]).park(1, 7), waits.clone()]);
    ran.clean();
    run(&[parked, op(&[Lock(MUTEX2), Lock(MUTEX)]), waits]).breaks(&rules::DEADLOCK);
}

#[test]
fn an_operation_that_yields_for_ever_is_endless_under_either_layer() {
    run(&[op(&[Spin])]).breaks(&rules::ENDLESS);
    run_to_fault(&[op(&[Spin])]).breaks(&rules::ENDLESS);
    // Even when something else was found before.
    run_to_fault(&[op(&[Unlock(MUTEX), Spin])]).breaks(&rules::LOCK_MISUSE);
}

#[test]
fn a_walk_without_end_runs_out_of_fuel() {
    run(&[op(&[Walk])]).breaks(&rules::ENDLESS);
    let ran = run_to_fault(&[op(&[Walk, Say("goes on")]), op(&[Walk])]);
    ran.breaks(&rules::ENDLESS);
    assert_eq!(ran.log, ["0 goes on", "audit"], "and the walk ends");
}

#[test]
fn a_planned_fault_fails_one_call() {
    let calls = [Call("a"), Call("b"), Call("a")];
    let ran = run(&[op(&calls).fail(2), op(&calls)]).clean();
    let works = ["1 a works", "1 b works", "1 a works"];
    assert_eq!(ran.log[..3], ["0 a works", "0 b fails", "0 a works"]);
    assert_eq!(ran.log[3..], works);
    assert_eq!(ran.outcome.counts.injected, 1);
}

#[test]
fn a_persistent_fault_fails_the_calls_of_that_name_from_there_on() {
    let calls = [Call("a"), Call("b"), Call("a"), Call("b"), Call("a")];
    let ran = run(&[op(&calls).fail(3 | FAIL_PERSISTENT), op(&[Call("a")])]).clean();
    let want = ["0 a works", "0 b works", "0 a fails", "0 b works", "0 a fails", "1 a works"];
    assert_eq!(ran.log, want);
}

#[test]
fn a_named_fault_is_counted_by_its_name_and_occurrence() {
    let calls = [Call("a"), Call("b"), Call("b"), Call("b")];
    let ran = run(&[op(&calls).fail_named("b", 2, false)]).clean();
    assert_eq!(ran.log, ["0 a works", "0 b works", "0 b fails", "0 b works"]);
    let ran = run(&[op(&calls).fail_named("b", 2, true)]).clean();
    assert_eq!(ran.log, ["0 a works", "0 b works", "0 b fails", "0 b fails"]);
}

#[test]
fn what_a_kernel_thread_does_counts_on_the_account_that_started_it() {
    let ran = run_behind(
        &[op(&[Call("a"), Yield("y"), Spawn(0)]).park(2, 1).fail(2), op(&[Say("other")])],
        &[&[Call("b"), Yield("y"), Say("thread")]],
    );
    assert_eq!(ran.clean().log, ["0 a works", "0 b fails", "1 other", "0 thread"]);
}

#[test]
fn only_operations_count_as_successful() {
    let ran = run_behind(&[op(&[Spawn(0)]), op(&[Return(2)])], &[&[]]).clean();
    let c = ran.outcome.counts;
    assert_eq!((c.ops, c.ok, c.refused), (2, 1, 0));
}

#[test]
fn operations_that_finish_late_count_as_successful() {
    let ran = run(&[op(&[Yield("y")]).park(1, 7), op(&[])]).clean();
    assert_eq!(ran.outcome.counts.ok, 2);
}

#[test]
fn the_check_after_an_operation_is_told_its_errno_and_not_its_threads() {
    let ran = run_behind(&[op(&[Spawn(0), Return(22)])], &[&[Return(5)]]).clean();
    assert_eq!(ran.checks, [(Some(22), true)]);
}

#[test]
fn the_check_after_an_operation_is_told_no_errno_when_others_are_alive() {
    let ran = run(&[op(&[Yield("y"), Return(5)]).park(1, 1), op(&[Pass(5), Return(6)])]).clean();
    // After 0: it is parked. After 1: 0 is. After 0 was released. Nothing runs at the end.
    assert_eq!(ran.checks, [(None, false), (None, false), (None, true)]);
}

#[test]
fn what_runs_at_the_end_is_checked_and_nothing_is_checked_twice() {
    let ran = run(&[op(&[Yield("y")]).park(1, 7), op(&[Pass(5)])]).clean();
    // After 0: it is parked. After 1: 0 is. After 0 was released at the end.
    assert_eq!(ran.checks, [(None, false), (None, false), (None, true)]);
}

#[test]
fn after_an_operation_that_was_alone_and_has_stored_nothing_the_state_is_not_checked() {
    let (looks, stores) = (op(&[MightSleep, Return(2)]), op(&[Promise(0), Return(7)]));
    let ran = run_behind(&[stores.clone(), looks.clone(), looks, stores], &[&[]]).clean();
    assert_eq!(ran.checks, [(Some(7), true), (Some(7), true)]);
    assert_eq!(ran.quick_checks, [2, 2]);
}

#[test]
fn an_operation_that_has_stored_nothing_is_checked_before_anything_has_passed() {
    let ran = run(&[op(&[Return(2)]), op(&[Return(3)])]).clean();
    assert_eq!(ran.checks, [(Some(2), true)]);
}

#[test]
fn beside_a_parked_thread_as_well_an_operation_that_has_stored_nothing_is_not_checked() {
    let ran = run(&[
        op(&[Yield("y")]).park(1, 4),
        op(&[Return(1)]),
        op(&[Pass(5), Return(2)]),
        op(&[Return(3)]),
        op(&[Return(4)]),
    ])
    .clean();
    // After 0: it is parked. After 2: time has passed. After 0 was released behind 4.
    assert_eq!(ran.checks, [(None, false), (None, false), (None, true)]);
    assert!(ran.quick_checks.is_empty(), "0 is alive: what they return is not judged");
}

#[test]
fn an_operation_during_which_another_thread_has_run_is_checked() {
    // 1 wakes 0, which stores nothing, either.
    let ran = run(&[op(&[Sleep]), op(&[Wakeup]), op(&[])]).clean();
    assert_eq!(ran.checks, [(None, false), (None, true)]);
    assert_eq!(ran.quick_checks, [0]);
}

#[test]
fn an_operation_in_which_time_passes_is_checked() {
    let ran = run(&[op(&[]), op(&[Pass(0), Return(1)]), op(&[Pass(5), Return(2)])]).clean();
    assert_eq!((ran.checks, ran.quick_checks), (vec![(Some(0), true), (Some(2), true)], vec![1]));
}

#[test]
fn after_a_violation_that_does_not_end_the_run_everything_is_checked() {
    let ran = run_to_fault(&[op(&[CritEnter]), op(&[Return(1)]), op(&[Return(2)])]);
    assert_eq!(ran.checks.len(), 3, "{:?}", ran.checks);
}

#[test]
#[should_panic = "no field F was stored to"]
fn a_change_of_what_is_no_field_is_noticed_when_changes_are_counted() {
    let cfg = Config { measure: true, ..Config::default() };
    run_with(&[op(&[]), op(&[Say("something")])], &[], cfg);
}

#[test]
fn an_operation_for_which_there_is_no_thread_is_refused_and_counted() {
    let mut ops = vec![op(&[Yield("y")]).park(1, 40); AT_ONCE];
    ops.push(op(&[Say("refused")]));
    let ran = run(&ops).clean();
    let c = ran.outcome.counts;
    assert_eq!((c.ops, c.refused, c.ok), (15, 1, 14));
    assert!(ran.log.is_empty());
}

#[test]
fn a_refused_operation_still_lets_those_run_whose_time_is_up() {
    let mut ops = vec![op(&[Yield("y"), Say("runs")]).park(1, 40); AT_ONCE - 1];
    ops.insert(0, op(&[Yield("y"), Say("first")]).park(1, 14));
    ops.push(op(&[Say("refused")]));
    ops.push(op(&[Say("room again")]));
    assert_eq!(run(&ops).clean().log[..2], ["0 first", "15 room again"]);
}

#[test]
fn a_kernel_thread_for_which_there_is_no_room_starts_when_there_is() {
    let mut ops = vec![op(&[Yield("y")]).park(1, 40); AT_ONCE - 1];
    ops.push(op(&[Spawn(0), Spawn(0), Say("asked")]));
    let ran = run_behind(&ops, &[&[Say("thread")]]).clean();
    assert_eq!(ran.log, ["13 asked", "13 thread", "13 thread"]);
    let mut ops = vec![op(&[Yield("y"), Spawn(0), Yield("z")]).park(1, 14); AT_ONCE];
    ops.push(op(&[]));
    let ran = run_behind(&ops, &[&[Say("thread")]]).clean();
    assert_eq!(ran.log.len(), AT_ONCE);
}

#[test]
fn the_user_has_a_thread_in_the_end_when_all_operations_wait_for_him() {
    let waits = op(&[Promise(0), Sleep, Say("goes on")]);
    let ran = run_behind(&vec![waits; AT_ONCE + 1], &[&[Wakeup]]).clean();
    assert_eq!(ran.outcome.counts.refused, 1);
    assert_eq!(ran.log.len(), AT_ONCE);
    // Neither does a thread that an operation has asked for take the last one.
    let mut ops = vec![op(&[Promise(0), Spawn(1), Spawn(1), Sleep])];
    ops.resize(AT_ONCE, op(&[Sleep]));
    run_behind(&ops, &[&[Wakeup], &[Sleep]]).clean();
}

#[test]
fn a_user_who_does_not_help_is_asked_only_so_often() {
    let waits = [op(&[Promise(0), Sleep])];
    // He does something else; he waits himself, with every thread that there is.
    for does in [&[Say("something else")][..], &[Sleep]] {
        run_behind(&waits, &[does]).breaks(&rules::DEADLOCK);
    }
}

#[test]
fn an_operation_is_recorded_as_issued_by_its_own_thread() {
    let ran = recorded(&[op(&[Yield("y")]).park(1, 1), op(&[])]).clean();
    let trace = ran.outcome.trace.unwrap();
    let issued = trace.events.iter().filter(|e| matches!(e.what, What::Op(_)));
    let issued: Vec<_> = issued.map(|e| (e.fiber, e.account, e.what)).collect();
    assert_eq!(issued, [(0, 0, What::Op(0)), (1, 1, What::Op(1))]);
}

#[test]
fn a_run_is_a_function_of_its_program_whatever_ran_before() {
    let cfg = Config { record: true, ..Config::default() };
    let once = run_with(&[op(&[Lock(SX), Yield("y"), Unlock(SX)])], &[], cfg);
    let hash = |o: &super::Outcome| o.trace.as_ref().unwrap().hash();
    let mut k = once.k;
    let program = |ops| crate::program::Program {
        header: crate::program::Header::new(0),
        ops,
        named: Vec::new(),
    };
    let parked = crate::program::Op { preempt_at: 1, preempt_for: 5, ..Default::default() };
    // Ends in the middle: threads alive, locks held.
    super::run(&mut k, &program(vec![parked; 3]), Config::default());
    let again = super::run(&mut k, &program(vec![Default::default()]), cfg);
    assert_eq!(hash(&once.outcome), hash(&again));
}
