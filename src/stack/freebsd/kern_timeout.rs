//! `sys/kern/kern_timeout.c`: softclock runs the callouts whose time has come.

use super::K;

/// Lets `ms` pass; runs at most `limit` callouts, and what waits for epoch and taskqueue.
pub async fn advance(_k: &K, _ms: u64, _limit: u32) -> i32 {
    0
}
/// Lets time pass until the next callout has run.
pub async fn next_callout(_k: &K) -> i32 {
    0
}
