//! The rules that hold for every stack (design: "The shadow books").

use super::Rule;

/// A stale pointer was dereferenced.
pub static USE_AFTER_FREE: Rule =
    Rule::new("use-after-free", "no load or store through a freed object");
/// A NULL, poisoned or otherwise impossible pointer was followed.
pub static BAD_POINTER: Rule =
    Rule::new("bad-pointer", "no load, store or call through NULL, poison or a dead stack");
/// An object was freed twice.
pub static DOUBLE_FREE: Rule = Rule::new("double-free", "an object is freed once");
/// An object was freed while another thread had a pointer to it in hand.
pub static FREED_IN_HANDS: Rule = Rule::new(
    "freed-in-hands",
    "an object is not freed while another thread, protected by nothing else, has a pointer to it in hand",
);
/// The kernel's own assertion or panic.
pub static KERNEL_PANIC: Rule =
    Rule::new("kernel-panic", "no input makes the kernel assert or panic");
/// A cycle of threads waiting for each other, or nothing left that can run.
pub static DEADLOCK: Rule = Rule::new("deadlock", "some thread can always run");
/// A lock taken twice, released by a stranger, or kept on return.
pub static LOCK_MISUSE: Rule =
    Rule::new("lock-misuse", "locks are released once, by their owner, before it returns");
/// Locks taken against the declared order.
pub static LOCK_ORDER: Rule = Rule::new("lock-order", "locks are taken in the declared order");
/// Sleeping with a lock held that forbids it.
pub static SLEEP_WITH_LOCK: Rule =
    Rule::new("sleep-with-lock", "no thread sleeps while it holds a mutex, rm or rw lock");
/// An epoch section closed without being open, or left open on return.
pub static EPOCH_MISUSE: Rule = Rule::new(
    "epoch-misuse",
    "an epoch section is closed once, by the thread that opened it, before it returns",
);
/// Sleeping where sleeping is forbidden.
pub static SLEEP_IN_EPOCH: Rule = Rule::new(
    "sleep-in-epoch",
    "no thread sleeps or waits for a grace period inside an epoch section",
);
/// Sleeping in a thread that has been told not to.
pub static SLEEP_PROHIBITED: Rule = Rule::new(
    "sleep-prohibited",
    "no thread sleeps while it must not, as when it runs the handler of a callout",
);
/// A walk or an operation that does not end.
pub static ENDLESS: Rule =
    Rule::new("endless-walk", "every list walk and every operation ends within its step budget");

/// All of them, for documentation and tests.
pub static ALL: &[&Rule] = &[
    &USE_AFTER_FREE,
    &BAD_POINTER,
    &DOUBLE_FREE,
    &FREED_IN_HANDS,
    &KERNEL_PANIC,
    &DEADLOCK,
    &LOCK_MISUSE,
    &LOCK_ORDER,
    &SLEEP_WITH_LOCK,
    &EPOCH_MISUSE,
    &SLEEP_IN_EPOCH,
    &SLEEP_PROHIBITED,
    &ENDLESS,
];
