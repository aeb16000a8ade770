//! Tests of locks: every kind, every rule.

use super::{LockId, Misuse};
use crate::kern::testing::{Step::*, *};
use crate::shadow::{FaultKind, rules};

const ALL: [LockId; 11] =
    [MUTEX, MUTEX2, SX, RM, RW, SERIALIZER, TOKEN, PORT, FIRST, LAST, RECURSIVE];
const EXCLUSIVE: [LockId; 4] = [MUTEX, SERIALIZER, TOKEN, PORT];
const WITH_READERS: [LockId; 3] = [SX, RM, RW];

fn misuse(lock: LockId, how: Misuse) -> [u32; 2] {
    [u32::from(lock.0), how as u32]
}

#[test]
fn a_lock_of_any_kind_keeps_others_out_until_it_is_released() {
    for l in ALL {
        let ran = run(&[
            op(&[Lock(l), Yield("in"), Say("a"), Unlock(l)]).park(1, 1),
            op(&[Say("asks"), Lock(l), Say("b"), Unlock(l)]),
        ]);
        assert_eq!(ran.clean().log, ["1 asks", "0 a", "1 b"], "{l:?}");
    }
}

#[test]
fn waiters_of_any_kind_of_lock_are_served_first_come_first_served() {
    for l in ALL {
        let ran = run(&[
            op(&[Lock(l), Yield("in"), Unlock(l)]).park(1, 3),
            op(&[Lock(l), Say("1st"), Unlock(l)]),
            op(&[Lock(l), Say("2nd"), Unlock(l)]),
            op(&[Lock(l), Say("3rd"), Unlock(l)]),
        ]);
        assert_eq!(ran.clean().log, ["1 1st", "2 2nd", "3 3rd"], "{l:?}");
    }
}

#[test]
fn a_lock_is_handed_over_and_cannot_be_snatched_by_who_released_it() {
    let ran = run(&[
        op(&[Lock(MUTEX), Yield("in"), Unlock(MUTEX), Lock(MUTEX), Say("a"), Unlock(MUTEX)])
            .park(1, 1),
        op(&[Lock(MUTEX), Say("b"), Unlock(MUTEX)]),
    ]);
    assert_eq!(ran.clean().log, ["1 b", "0 a"]);
}

#[test]
fn readers_share_sx_rm_and_rw_locks() {
    for l in WITH_READERS {
        let ran = run(&[
            op(&[Shared(l), Yield("in"), Say("a"), Unlock(l)]).park(1, 1),
            op(&[Shared(l), Say("b"), Unlock(l)]),
        ]);
        assert_eq!(ran.clean().log, ["1 b", "0 a"], "{l:?}");
    }
}

#[test]
fn a_writer_waits_for_every_reader() {
    for l in WITH_READERS {
        let ran = run(&[
            op(&[Shared(l), Yield("in"), Say("a"), Unlock(l)]).park(1, 2),
            op(&[Shared(l), Yield("in"), Say("b"), Unlock(l)]).park(1, 2),
            op(&[Lock(l), Say("c"), Unlock(l)]),
            op(&[]),
        ]);
        assert_eq!(ran.clean().log, ["0 a", "1 b", "2 c"], "{l:?}");
    }
}

#[test]
fn readers_wait_for_the_writer_and_then_enter_together() {
    for l in WITH_READERS {
        let ran = run(&[
            op(&[Lock(l), Yield("in"), Say("a"), Unlock(l)]).park(1, 2),
            op(&[Shared(l), Say("b"), Yield("in"), Say("b again"), Unlock(l)]).park(1, 1),
            op(&[Shared(l), Say("c"), Unlock(l)]),
            op(&[]),
        ]);
        assert_eq!(ran.clean().log, ["0 a", "1 b", "2 c", "1 b again"], "{l:?}");
    }
}

#[test]
fn a_reader_does_not_overtake_a_waiting_writer() {
    let ran = run(&[
        op(&[Shared(RW), Yield("in"), Say("a"), Unlock(RW)]).park(1, 2),
        op(&[Lock(RW), Say("b"), Unlock(RW)]),
        op(&[Shared(RW), Say("c"), Unlock(RW)]),
    ]);
    assert_eq!(ran.clean().log, ["0 a", "1 b", "2 c"]);
}

#[test]
fn a_shared_request_of_a_lock_without_readers_is_misuse() {
    for l in EXCLUSIVE {
        run(&[op(&[Shared(l)])]).violates(&rules::LOCK_MISUSE, misuse(l, Misuse::Mode));
        run(&[op(&[TryShared(l)])]).violates(&rules::LOCK_MISUSE, misuse(l, Misuse::Mode));
    }
}

#[test]
fn a_recursive_lock_is_released_as_often_as_it_was_taken() {
    for l in [TOKEN, RECURSIVE] {
        let ran = run(&[
            op(&[Lock(l), Lock(l), Unlock(l), Yield("in"), Say("a"), Unlock(l)]).park(1, 1),
            op(&[Lock(l), Say("b"), Unlock(l)]),
        ]);
        assert_eq!(ran.clean().log, ["0 a", "1 b"], "{l:?}");
        run(&[op(&[Lock(l), Lock(l), Unlock(l)])])
            .violates(&rules::LOCK_MISUSE, misuse(l, Misuse::Kept));
    }
}

#[test]
fn a_token_can_be_let_go_completely_and_taken_back_as_deep() {
    let ran = run(&[
        op(&[Lock(TOKEN), Lock(TOKEN), Window(TOKEN), Unlock(TOKEN), Say("a"), Unlock(TOKEN)])
            .park(1, 1),
        op(&[Lock(TOKEN), Say("b"), Unlock(TOKEN)]),
    ]);
    assert_eq!(ran.clean().log, ["1 b", "0 a"]);
}

#[test]
fn a_thread_that_takes_a_lock_twice_waits_for_itself() {
    for l in [MUTEX, SX, RM, RW, PORT] {
        run(&[op(&[Lock(l), Lock(l)])]).violates(&rules::LOCK_MISUSE, misuse(l, Misuse::Twice));
    }
    for l in WITH_READERS {
        for twice in [[Shared(l), Shared(l)], [Shared(l), Lock(l)], [Lock(l), Shared(l)]] {
            run(&[op(&twice)]).violates(&rules::LOCK_MISUSE, misuse(l, Misuse::Twice));
        }
    }
}

#[test]
fn a_serializer_taken_twice_is_the_kernels_own_assertion() {
    let ran = run(&[op(&[Lock(SERIALIZER), Lock(SERIALIZER)])]);
    ran.breaks(&rules::KERNEL_PANIC);
    assert!(matches!(ran.outcome.fault.unwrap().kind, FaultKind::Assert(_)));
}

#[test]
fn a_lock_released_by_a_stranger_is_misuse() {
    for l in ALL {
        run(&[op(&[Unlock(l)])]).violates(&rules::LOCK_MISUSE, misuse(l, Misuse::Stranger));
        let ran = run(&[op(&[Lock(l), Yield("in")]).park(1, 1), op(&[Unlock(l)])]);
        ran.violates(&rules::LOCK_MISUSE, misuse(l, Misuse::Stranger));
        assert_eq!(ran.outcome.violation.unwrap().op, Some(1));
    }
}

#[test]
fn a_lock_kept_on_return_is_misuse_of_who_kept_it() {
    for l in ALL {
        let ran = run(&[op(&[]), op(&[Lock(l)]), op(&[])]);
        ran.violates(&rules::LOCK_MISUSE, misuse(l, Misuse::Kept));
        assert_eq!(ran.outcome.violation.unwrap().op, Some(1));
    }
    for l in WITH_READERS {
        run(&[op(&[Shared(l)])]).violates(&rules::LOCK_MISUSE, misuse(l, Misuse::Kept));
    }
}

#[test]
fn ordered_locks_are_taken_in_their_order() {
    run(&[op(&[Lock(FIRST), Lock(LAST), Unlock(LAST), Unlock(FIRST)])]).clean();
    let wrong = [u32::from(LAST.0), u32::from(FIRST.0)];
    run(&[op(&[Lock(LAST), Lock(FIRST)])]).violates(&rules::LOCK_ORDER, wrong);
}

#[test]
fn the_order_is_checked_before_the_thread_blocks() {
    let ran = run(&[
        op(&[Lock(FIRST), Yield("in"), Unlock(FIRST)]).park(1, 1),
        op(&[Lock(LAST), Lock(FIRST)]),
    ]);
    ran.breaks(&rules::LOCK_ORDER);
}

#[test]
fn locks_without_a_rank_have_no_order() {
    let (a, b) = (MUTEX, MUTEX2);
    run(&[op(&[Lock(a), Lock(b), Unlock(b), Unlock(a), Lock(b), Lock(a), Unlock(a), Unlock(b)])])
        .clean();
}

#[test]
fn a_lock_that_may_sleep_is_not_taken_with_one_held_that_must_not() {
    for held in [MUTEX, RM, RW] {
        for taken in [SX, SERIALIZER, TOKEN] {
            let ran = run(&[op(&[Lock(held), Lock(taken)])]);
            ran.violates(&rules::SLEEP_WITH_LOCK, [u32::from(held.0), u32::from(taken.0)]);
        }
    }
    run(&[op(&[Lock(SX), Lock(MUTEX), Unlock(MUTEX), Unlock(SX)])]).clean();
}

#[test]
fn waiting_for_a_mutex_with_another_one_held_is_allowed() {
    let ran = run(&[
        op(&[Lock(MUTEX), Yield("in"), Unlock(MUTEX)]).park(1, 1),
        op(&[Lock(RW), Lock(MUTEX), Say("has both"), Unlock(MUTEX), Unlock(RW)]),
    ]);
    assert_eq!(ran.clean().log, ["1 has both"]);
}

#[test]
fn being_preempted_with_a_mutex_held_is_nobodys_fault() {
    for l in ALL {
        run(&[op(&[Lock(l), Yield("in"), Unlock(l)]).park(1, 1), op(&[])]).clean();
    }
}

#[test]
fn two_threads_that_wait_for_each_other_are_a_deadlock() {
    for (a, b) in [(MUTEX, MUTEX2), (SERIALIZER, PORT), (RW, RM), (SX, TOKEN)] {
        let ran = run(&[op(&[Lock(a), Yield("in"), Lock(b)]).park(1, 1), op(&[Lock(b), Lock(a)])]);
        ran.violates(&rules::DEADLOCK, [u32::from(a.0), 0]);
        assert_eq!(ran.outcome.violation.unwrap().op, Some(0));
    }
}

#[test]
fn three_threads_in_a_circle_are_a_deadlock() {
    let (a, b, c) = (MUTEX, MUTEX2, RW);
    let ran = run(&[
        op(&[Lock(a), Yield("in"), Lock(b)]).park(1, 2),
        op(&[Lock(b), Yield("in"), Lock(c)]).park(1, 1),
        op(&[Lock(c), Lock(a)]),
    ]);
    ran.breaks(&rules::DEADLOCK);
}

#[test]
fn a_circle_through_a_reader_is_a_deadlock() {
    let ran = run(&[
        op(&[Shared(RW), Yield("in"), Lock(MUTEX)]).park(1, 1),
        op(&[Lock(MUTEX), Lock(RW)]),
    ]);
    ran.breaks(&rules::DEADLOCK);
}

#[test]
fn a_circle_through_a_writer_that_only_waits_is_a_deadlock() {
    // 2 wants to read behind the writer 1, which waits for the reader 0.
    let ran = run(&[
        op(&[Shared(RW), Yield("in"), Lock(MUTEX)]).park(1, 2),
        op(&[Lock(RW), Unlock(RW)]),
        op(&[Lock(MUTEX), Shared(RW)]),
    ]);
    ran.breaks(&rules::DEADLOCK);
}

#[test]
fn two_threads_behind_the_same_lock_are_no_deadlock() {
    let ran = run(&[
        op(&[Lock(MUTEX), Yield("in"), Unlock(MUTEX)]).park(1, 2),
        op(&[Lock(MUTEX2), Lock(MUTEX), Unlock(MUTEX), Unlock(MUTEX2)]),
        op(&[Lock(MUTEX2), Say("last"), Unlock(MUTEX2)]),
    ]);
    assert_eq!(ran.clean().log, ["2 last"]);
}

#[test]
fn trying_takes_a_free_lock_and_never_waits() {
    for l in [MUTEX, SX, RM, RW, SERIALIZER, TOKEN, PORT] {
        let ran = run(&[
            op(&[Try(l), Yield("in"), Unlock(l)]).park(1, 1),
            op(&[Try(l)]),
            op(&[Try(l), Unlock(l)]),
        ]);
        assert_eq!(ran.clean().log, ["0 true", "1 false", "2 true"], "{l:?}");
    }
}

#[test]
fn trying_a_recursive_lock_again_goes_deeper() {
    let ran = run(&[op(&[Try(TOKEN), Try(TOKEN), Unlock(TOKEN), Unlock(TOKEN)])]);
    assert_eq!(ran.clean().log, ["0 true", "0 true"]);
}

#[test]
fn trying_to_read_succeeds_beside_readers_only() {
    let ran = run(&[
        op(&[Shared(RW), Yield("in"), Unlock(RW)]).park(1, 3),
        op(&[TryShared(RW), Unlock(RW), Try(RW)]),
        op(&[Lock(RW), Unlock(RW)]),
        op(&[TryShared(RW)]),
    ]);
    assert_eq!(ran.clean().log, ["1 true", "1 false", "3 false"], "3: behind a writer");
}

#[test]
fn trying_is_checked_neither_for_order_nor_for_sleep() {
    run(&[op(&[Lock(LAST), Try(FIRST), Unlock(FIRST), Unlock(LAST)])]).clean();
    run(&[op(&[Lock(MUTEX), Try(SX), Unlock(SX), Unlock(MUTEX)])]).clean();
}

#[test]
fn the_only_reader_can_become_the_writer() {
    let ran = run(&[
        op(&[Shared(RW), Upgrade(RW), Yield("in"), Say("writes"), Unlock(RW)]).park(1, 1),
        op(&[Shared(RW), Say("reads"), Unlock(RW)]),
    ]);
    assert_eq!(ran.clean().log, ["0 true", "0 writes", "1 reads"]);
}

#[test]
fn one_of_two_readers_cannot_become_the_writer() {
    let ran = run(&[
        op(&[Shared(RW), Yield("in"), Unlock(RW)]).park(1, 1),
        op(&[Shared(RW), Upgrade(RW), Unlock(RW)]),
    ]);
    assert_eq!(ran.clean().log, ["1 false"]);
}

#[test]
fn a_writer_that_becomes_a_reader_lets_the_waiting_readers_in() {
    let ran = run(&[
        op(&[Lock(RW), Yield("in"), Downgrade(RW), Yield("reads"), Say("done"), Unlock(RW)])
            .park(1, 1),
        op(&[Shared(RW), Say("reads"), Unlock(RW)]),
        op(&[Lock(RW), Say("writes"), Unlock(RW)]),
    ]);
    assert_eq!(ran.clean().log, ["0 done", "1 reads", "2 writes"]);
}

#[test]
fn changing_the_mode_of_a_lock_not_held_is_misuse() {
    for step in [Upgrade(RW), Downgrade(RW)] {
        run(&[op(&[step])]).violates(&rules::LOCK_MISUSE, misuse(RW, Misuse::Mode));
    }
    run(&[op(&[Lock(MUTEX), Downgrade(MUTEX)])])
        .violates(&rules::LOCK_MISUSE, misuse(MUTEX, Misuse::Mode));
}
