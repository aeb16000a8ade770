//! Tests of epochs.

use crate::kern::exec::Config;
use crate::kern::testing::{Step::*, *};
use crate::program::Stop;
use crate::shadow::rules;

#[test]
fn a_callback_runs_when_no_section_was_open() {
    let ran = run_behind(&[op(&[Defer(0), Say("goes on")])], &[&[Say("callback")]]);
    assert_eq!(ran.clean().log, ["0 goes on", "0 callback"]);
}

#[test]
fn a_callback_waits_for_the_section_of_another_thread() {
    let ran = run_behind(
        &[
            op(&[Enter, Yield("in"), Say("reads"), Exit, Say("left")]).park(1, 1),
            op(&[Defer(0), Say("deferred")]),
        ],
        &[&[Say("callback")]],
    );
    assert_eq!(ran.clean().log, ["1 deferred", "0 reads", "0 left", "0 callback"]);
}

#[test]
fn a_callback_waits_for_the_section_of_its_own_thread() {
    let ran = run_behind(&[op(&[Enter, Defer(0), Say("in"), Exit])], &[&[Say("callback")]]);
    assert_eq!(ran.clean().log, ["0 in", "0 callback"]);
}

#[test]
fn a_callback_waits_for_the_outermost_of_nested_sections() {
    let ran = run_behind(
        &[
            op(&[Enter, Enter, Exit, Yield("still in"), Say("reads"), Exit]).park(1, 1),
            op(&[Defer(0), Say("deferred")]),
        ],
        &[&[Say("callback")]],
    );
    assert_eq!(ran.clean().log, ["1 deferred", "0 reads", "0 callback"]);
}

#[test]
fn a_callback_does_not_wait_for_sections_that_were_opened_later() {
    let ran = run_behind(
        &[
            op(&[Enter, Yield("in"), Exit]).park(1, 2),
            op(&[Defer(0)]),
            op(&[Enter, Yield("in"), Say("still reads"), Exit]).park(1, 2),
            op(&[]),
        ],
        &[&[Say("callback")]],
    );
    assert_eq!(ran.clean().log, ["0 callback", "2 still reads"]);
}

#[test]
fn a_section_entered_again_by_the_same_thread_is_a_new_one() {
    let ran = run_behind(
        &[
            op(&[Enter, Yield("in"), Exit, Enter, Yield("again"), Say("b"), Exit])
                .park_named("in", 1, 1),
            op(&[Defer(0)]),
        ],
        &[&[Say("callback")]],
    );
    // The callback could run at the exit, but nobody switches there.
    assert_eq!(ran.clean().log, ["0 b", "0 callback"]);
}

#[test]
fn callbacks_run_in_the_order_in_which_they_were_queued() {
    let ran = run_behind(
        &[op(&[Enter, Yield("in"), Exit]).park(1, 1), op(&[Defer(0), Enter, Defer(1), Exit])],
        &[&[Say("older")], &[Say("younger")]],
    );
    assert_eq!(ran.clean().log, ["0 older", "0 younger"]);
}

#[test]
fn a_callback_that_defers_another_costs_a_new_grace_period() {
    let ran = run_behind(
        &[
            op(&[Enter, Yield("in"), Say("a out"), Exit]).park(1, 1),
            op(&[Defer(0), Enter, Yield("in"), Say("b out"), Exit]).park(1, 1),
            op(&[]),
        ],
        // The second one is queued while operation 1 is inside.
        &[&[Say("first"), Defer(1)], &[Say("second")]],
    );
    assert_eq!(ran.clean().log, ["0 a out", "0 first", "1 b out", "1 second"]);
}

#[test]
fn a_callback_that_was_parked_keeps_the_younger_ones_waiting() {
    let ran = run_behind(
        &[op(&[Defer(0)]).park(1, 1), op(&[Defer(1), Say("queued")])],
        &[&[Yield("in"), Say("older")], &[Say("younger")]],
    );
    assert_eq!(ran.clean().log, ["1 queued", "0 older", "0 younger"]);
}

#[test]
fn queued_callbacks_can_be_counted() {
    let ops = [op(&[Enter, Yield("in"), Exit]).park(1, 2), op(&[Defer(1), Defer(0), Unlock(SX)])];
    let ran = run_behind(&ops, &[&[], &[]]);
    ran.breaks(&rules::LOCK_MISUSE);
    assert_eq!(ran.deferred(), [1, 0]);
}

#[test]
fn at_rest_the_epoch_is_as_it_was_at_boot() {
    let ran = run_behind(
        &[op(&[Enter, Yield("in"), Exit]).park(1, 1), op(&[Defer(0), EpochDrain])],
        &[&[]],
    );
    let ran = ran.clean();
    assert!(ran.k.st.epoch.is_idle());
    assert_eq!(ran.k.st.epoch, ran.k.booted().epoch);
}

#[test]
fn a_full_queue_ends_the_run_without_a_finding() {
    let defers: Vec<Step> = std::iter::once(Enter).chain([Defer(0); 9]).collect();
    let ran = run_behind(&[op(&defers)], &[&[]]);
    assert!(ran.outcome.exhausted && ran.outcome.clean());
}

#[test]
fn epoch_wait_returns_when_the_sections_of_that_moment_have_closed() {
    let ran = run(&[
        op(&[Enter, Yield("in"), Say("a out"), Exit]).park(1, 3),
        op(&[Enter, Yield("in"), Say("b out"), Exit]).park(1, 2),
        op(&[EpochWait, Say("waited")]),
        op(&[Enter, Yield("in"), Say("c out"), Exit]).park(1, 1),
        op(&[]),
    ]);
    assert_eq!(ran.clean().log, ["0 a out", "1 b out", "2 waited", "3 c out"]);
}

#[test]
fn epoch_wait_returns_at_once_when_no_section_is_open() {
    assert_eq!(run(&[op(&[EpochWait, Say("waited")])]).clean().log, ["0 waited"]);
}

#[test]
fn epoch_wait_runs_no_callback() {
    let ran = run_behind(&[op(&[Defer(0), EpochWait, Say("waited")])], &[&[Say("callback")]]);
    assert_eq!(ran.clean().log, ["0 waited", "0 callback"]);
}

#[test]
fn drain_returns_when_what_was_queued_before_has_run_and_waits_for_nothing_else() {
    let ran = run_behind(
        &[
            op(&[Enter, Yield("in"), Say("out"), Exit]).park(1, 2),
            op(&[Defer(0), EpochDrain, Say("drained")]),
            op(&[Defer(1), Say("queued later")]),
            op(&[Say("wakes"), Wakeup]),
        ],
        &[&[Say("before"), Defer(2)], &[Sleep, Say("later")], &[Say("by the first")]],
    );
    let log = ran.clean().log;
    assert_eq!(log[..4], ["2 queued later", "0 out", "0 before", "1 drained"]);
    assert_eq!(log[4..], ["3 wakes", "0 later", "0 by the first"]);
}

#[test]
fn drain_waits_for_a_grace_period_even_when_nothing_is_queued() {
    let ran = run(&[
        op(&[Enter, Yield("in"), Say("out"), Exit]).park(1, 1),
        op(&[EpochDrain, Say("drained")]),
    ]);
    assert_eq!(ran.clean().log, ["0 out", "1 drained"]);
}

#[test]
fn drain_waits_for_a_callback_that_is_in_the_middle() {
    let ran = run_behind(
        &[op(&[Defer(0)]).park(1, 2), op(&[EpochDrain, Say("drained")]), op(&[Say("other")])],
        &[&[Yield("in"), Say("callback")]],
    );
    assert_eq!(ran.clean().log, ["2 other", "0 callback", "1 drained"]);
}

#[test]
fn waiting_for_a_grace_period_inside_a_section_is_a_violation() {
    for wait in [EpochWait, EpochDrain] {
        run(&[op(&[Enter, wait])]).breaks(&rules::SLEEP_IN_EPOCH);
        run(&[op(&[Enter, Enter, Exit, wait])]).breaks(&rules::SLEEP_IN_EPOCH);
        run(&[op(&[Enter, Exit, wait])]).clean();
    }
}

#[test]
fn waiting_for_a_grace_period_with_a_mutex_rm_or_rw_lock_held_is_a_violation() {
    for l in [MUTEX, RM, RW] {
        for wait in [EpochWait, EpochDrain] {
            run(&[op(&[Lock(l), wait])]).breaks(&rules::SLEEP_WITH_LOCK);
        }
    }
    run(&[op(&[Lock(SX), EpochWait, EpochDrain, Unlock(SX)])]).clean();
}

#[test]
fn sleeping_inside_a_section_is_a_violation() {
    run(&[op(&[Enter, Sleep])]).breaks(&rules::SLEEP_IN_EPOCH);
}

#[test]
fn a_section_may_wait_for_a_mutex_but_not_for_a_lock_that_sleeps() {
    for l in [MUTEX, RM, RW] {
        let ran = run(&[
            op(&[Lock(l), Yield("in"), Unlock(l)]).park(1, 1),
            op(&[Enter, Lock(l), Say("has it"), Unlock(l), Exit]),
        ]);
        assert_eq!(ran.clean().log, ["1 has it"]);
    }
    for l in [SX, SERIALIZER, TOKEN] {
        let ran = run(&[
            op(&[Lock(l), Yield("in"), Unlock(l)]).park(1, 1),
            op(&[Enter, Lock(l), Unlock(l), Exit]),
        ]);
        ran.violates(&rules::SLEEP_IN_EPOCH, [u32::from(l.0), 1]);
        run(&[op(&[Enter, Lock(l), Unlock(l), Exit])]).clean();
    }
}

#[test]
fn a_thread_that_ends_inside_a_section_is_a_violation() {
    run(&[op(&[Enter])]).violates(&rules::EPOCH_MISUSE, [0, 2]);
    run(&[op(&[Enter, Enter, Exit])]).violates(&rules::EPOCH_MISUSE, [0, 2]);
}

#[test]
fn a_section_closed_twice_is_a_violation() {
    run(&[op(&[Enter, Exit, Exit])]).violates(&rules::EPOCH_MISUSE, [0, 1]);
    // Nor can one thread close the section of another.
    let ran = run(&[op(&[Enter, Yield("in"), Exit]).park(1, 1), op(&[Exit])]);
    ran.violates(&rules::EPOCH_MISUSE, [0, 1]);
}

#[test]
fn a_section_left_open_holds_the_epoch_back_for_ever() {
    let cfg = Config { stop: Some(Stop::Kernel), ..Config::default() };
    let ran = run_with(&[op(&[Enter]), op(&[Defer(0)])], &[&[Say("callback")]], cfg);
    ran.breaks(&rules::EPOCH_MISUSE);
    assert_eq!(ran.deferred(), [0]);
    // The next run on this kernel begins with no section open.
    assert!(ran.k.any_in_epoch());
    ran.k.cx.reset(0, Stop::Books, 1, false, false);
    assert!(!ran.k.any_in_epoch());
}

#[test]
fn a_callback_that_wants_a_lock_of_its_drainer_is_a_deadlock() {
    let ran = run_behind(&[op(&[Lock(SX), Defer(0), EpochDrain])], &[&[Lock(SX)]]);
    ran.violates(&rules::DEADLOCK, [u32::from(SX.0), 0]);
}

#[test]
fn a_callback_that_waits_for_its_own_epoch_thread_is_a_deadlock() {
    let ran = run_behind(&[op(&[Defer(0)])], &[&[EpochDrain]]);
    ran.breaks(&rules::DEADLOCK);
}

#[test]
fn waiting_for_the_section_of_a_preempted_thread_is_no_deadlock() {
    let ran = run(&[
        op(&[Lock(MUTEX), Enter, Yield("in"), Exit, Unlock(MUTEX)]).park(1, 7),
        op(&[EpochWait, Say("waited")]),
    ]);
    assert_eq!(ran.clean().log, ["1 waited"]);
}
