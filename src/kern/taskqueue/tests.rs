//! Tests of taskqueues.

use crate::kern::testing::{Step::*, *};
use crate::shadow::rules;

#[test]
fn a_task_runs_in_a_thread_of_its_own() {
    let ran = run_behind(&[op(&[Enqueue(0), Say("goes on")])], &[&[Say("works")]]);
    assert_eq!(ran.clean().log, ["0 goes on", "0 task 0 x1", "0 works"]);
}

#[test]
fn a_task_enqueued_again_before_it_runs_is_counted() {
    let ran = run_behind(&[op(&[Enqueue(0), Enqueue(1), Enqueue(0)])], &[&[], &[]]);
    assert_eq!(ran.clean().log, ["0 task 0 x2", "0 task 1 x1"]);
}

#[test]
fn a_task_enqueued_while_it_runs_runs_again() {
    let ran = run_behind(
        &[op(&[Enqueue(0)]).park(1, 1), op(&[Enqueue(0), Say("queued")])],
        &[&[Yield("in"), Say("works")]],
    );
    assert_eq!(ran.clean().log, ["0 task 0 x1", "1 queued", "0 works", "0 task 0 x1", "0 works"]);
}

#[test]
fn drain_sleeps_until_the_task_is_neither_queued_nor_running() {
    let ran = run_behind(
        &[
            op(&[Enqueue(0), Enqueue(1)]).park(1, 2),
            op(&[TaskDrain(1), Say("drained 1")]),
            op(&[TaskDrain(0), Say("drained 0")]),
        ],
        &[&[Yield("in"), Say("a")], &[Say("b")]],
    );
    let log = ran.clean().log;
    assert_eq!(log, ["0 task 0 x1", "0 a", "0 task 1 x1", "0 b", "1 drained 1", "2 drained 0"]);
}

#[test]
fn drain_returns_at_once_when_the_task_is_idle() {
    let ran = run_behind(
        &[op(&[Enqueue(0)]).park(1, 1), op(&[TaskDrain(1), Say("drained")])],
        &[&[Yield("in")], &[]],
    );
    assert_eq!(ran.clean().log, ["0 task 0 x1", "1 drained"]);
}

#[test]
fn drain_all_sleeps_until_the_queue_is_idle() {
    let ran = run_behind(
        &[op(&[Enqueue(0), Enqueue(1), TaskDrainAll, Say("drained")])],
        &[&[], &[Enqueue(2)], &[]],
    );
    assert_eq!(ran.clean().log, ["0 task 0 x1", "0 task 1 x1", "0 task 2 x1", "0 drained"]);
}

#[test]
fn drain_must_be_allowed_to_sleep() {
    run(&[op(&[Lock(MUTEX), TaskDrain(0)])]).breaks(&rules::SLEEP_WITH_LOCK);
    run(&[op(&[Enter, TaskDrain(0)])]).breaks(&rules::SLEEP_IN_EPOCH);
}

#[test]
fn a_task_that_drains_itself_is_a_deadlock() {
    run_behind(&[op(&[Enqueue(0)])], &[&[TaskDrain(0)]]).breaks(&rules::DEADLOCK);
}

#[test]
fn a_task_that_wants_a_lock_of_its_drainer_is_a_deadlock() {
    // Whether the task waits first or the drainer does.
    let ran = run_behind(&[op(&[Lock(SX), Enqueue(0), TaskDrain(0)])], &[&[Lock(SX)]]);
    ran.violates(&rules::DEADLOCK, [u32::from(SX.0), 0]);
    let ran = run_behind(
        &[op(&[Lock(SX), Enqueue(0), Yield("out"), TaskDrain(0)]).park(1, 1), op(&[])],
        &[&[Lock(SX)]],
    );
    ran.violates(&rules::DEADLOCK, [u32::from(SX.0), 0]);
}

#[test]
fn cancel_takes_a_queued_task_out_and_says_how_often_it_was_enqueued() {
    let ran = run_behind(
        &[op(&[Enqueue(0), Enqueue(1), Enqueue(0), TaskCancel(0), TaskCancel(0)])],
        &[&[], &[]],
    );
    assert_eq!(ran.clean().log, ["0 Ok(2)", "0 Ok(0)", "0 task 1 x1"]);
}

#[test]
fn cancel_does_not_stop_a_running_task() {
    let ran = run_behind(
        &[op(&[Enqueue(0)]).park(1, 1), op(&[Enqueue(0), TaskCancel(0)])],
        &[&[Yield("in"), Say("works")]],
    );
    assert_eq!(ran.clean().log, ["0 task 0 x1", "1 Err(1)", "0 works"]);
}

#[test]
fn cancel_wakes_who_waits_for_the_task() {
    let ran = run_behind(
        &[op(&[EnqueueOnly(0), TaskDrain(0), Say("drained")]), op(&[TaskCancel(0)])],
        &[&[]],
    );
    assert_eq!(ran.clean().log, ["1 Ok(1)", "0 drained"]);
}

#[test]
fn tasks_can_be_steps_of_the_program_and_are_queued_at_rest() {
    let ran = run(&[op(&[EnqueueOnly(3), EnqueueOnly(5), EnqueueOnly(3)]), op(&[RunTask])]);
    let ran = ran.clean();
    assert_eq!(ran.log, ["1 runs 3 x2"]);
    assert_eq!(ran.tasks(), [(5, 1)], "for the census");
}

#[test]
fn at_rest_an_idle_queue_is_as_it_was_at_boot() {
    let ran = run_behind(&[op(&[Enqueue(0), TaskDrainAll])], &[&[]]).clean();
    assert!(ran.k.st.tasks.is_idle());
    assert_eq!(ran.k.st.tasks, ran.k.booted().tasks);
}

#[test]
fn a_full_queue_ends_the_run_without_a_finding() {
    let steps: Vec<Step> = (0..9).map(EnqueueOnly).collect();
    let ran = run(&[op(&steps)]);
    assert!(ran.outcome.exhausted && ran.outcome.clean());
}
