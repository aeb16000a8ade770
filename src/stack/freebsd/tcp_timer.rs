//! `sys/netinet/tcp_timer.c`: the retransmit timer.

use super::K;
use super::objects::*;

/// `softclock_call_cc` with `tcp_timer_enter`: the callout of a connection has fired, or
/// is made to fire. ENOENT when it is not armed.
pub async fn fire(_k: &K, _inp: InpId) -> i32 {
    0
}
/// The armed retransmit timer of a socket fires now: when it was armed is the peer's
/// choice.
pub async fn rexmt(_k: &K, _sock: usize) -> i32 {
    0
}
