//! `sys/netinet/tcp_timer.c`: the retransmit timer.
//!
//! The callout is bound to the pcb's lock. Its handler runs outside the epoch and enters
//! it around the output only.

use super::in_pcb::ro_invalidate_cache;
use super::kern_timeout::softclock;
use super::objects::*;
use super::subr_epoch::{net_epoch_enter, net_epoch_exit};
use super::tcp_output::tcp_default_output;
use super::tcp_subr::tcp_drop;
use super::{ENOENT, ENOTCONN, ETIMEDOUT, K, NSOCKS, locks};
use crate::kern::callout::{Callout, CalloutState};
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet/tcp_timer.c";

/// `TCP_MAXRXTSHIFT`, `V_tcp_retries`.
const TCP_RETRIES: u8 = 12;
/// `TCP_RTT_INVALIDATE`.
const TCP_RTT_INVALIDATE: u8 = TCP_RETRIES / 4;
/// `TCPTV_RTOBASE`, ms: no round trip was measured.
const TCPTV_RTOBASE: u64 = 1_000;
/// `TCPTV_REXMTMAX`, ms.
const TCPTV_REXMTMAX: u64 = 64_000;

/// `tcp_timer_active` of `TT_REXMT`.
pub fn tcp_timer_active(k: &K, inp: InpId) -> bool {
    let timer = &k[inp].t_callout;
    timer.pending() || timer.state() == CalloutState::Dispatched
}

/// `tcp_timer_activate` of `TT_REXMT`: arms it, or stops it. The pcb's lock is held.
pub fn tcp_timer_activate(k: &K, inp: InpId, arm: bool) {
    let (timer, lock) = (&k[inp].t_callout, locks::inp(k, inp));
    if arm {
        let shift = k[inp].t_rxtshift.get().min(9);
        timer.reset_locked(k, lock, (TCPTV_RTOBASE << shift).min(TCPTV_REXMTMAX));
    } else {
        timer.stop_locked(k, lock);
    }
}

/// `softclock_call_cc` with `tcp_timer_enter`: the callout of a connection has fired, or
/// is made to fire. ENOENT when it is not armed.
pub async fn fire(k: &K, inp: InpId) -> i32 {
    if k[inp].t_callout.state() != CalloutState::Pending {
        return ENOENT;
    }
    let _softclock = softclock(k);
    let lock = locks::inp(k, inp);
    k[inp].t_callout.dispatch_on(k);
    if !Callout::enter_locked(k, lock, || &k[inp].t_callout).await {
        return 0;
    }
    tcp_timer_enter(k, inp).await
}

/// `tcp_timer_enter`: returns with the pcb's lock released.
async fn tcp_timer_enter(k: &K, inp: InpId) -> i32 {
    let _f = k.frame(&Func { name: "tcp_timer_enter", file: FILE });
    let error = tcp_timer_rexmt(k, inp).await;
    k[inp].t_callout.leave(k);
    k.unlock(locks::inp(k, inp));
    error
}

/// `tcp_timer_rexmt`.
async fn tcp_timer_rexmt(k: &K, inp: InpId) -> i32 {
    let _f = k.frame(&Func { name: "tcp_timer_rexmt", file: FILE });
    k.yield_at("tcp_timer_rexmt").await;
    if k[inp].t_rxtshift.inc() > TCP_RETRIES {
        k[inp].t_rxtshift.set(TCP_RETRIES);
        net_epoch_enter(k);
        tcp_drop(k, inp).await;
        net_epoch_exit(k);
        return ETIMEDOUT;
    }
    if k[inp].t_rxtshift.get() > TCP_RTT_INVALIDATE {
        // in_losing, in6_losing
        ro_invalidate_cache(k, inp).await;
    }
    net_epoch_enter(k);
    tcp_default_output(k, inp).await;
    net_epoch_exit(k);
    0
}

/// The armed retransmit timer of a socket fires now: when it was armed is the peer's
/// choice.
pub async fn rexmt(k: &K, sock: usize) -> i32 {
    let inp = k.st.pcbs[sock % NSOCKS].get();
    if inp.is_null() {
        return ENOTCONN;
    }
    fire(k, inp).await
}
