//! `sys/kern/kern_timeout.c`: softclock runs the callouts whose time has come.
//!
//! Time passes only here. Every callout lives in its object; the next one is found by
//! looking at all of them. Time that passes also lets the taskqueue's and the epoch's
//! threads run, which had nothing to wait for but their turn.
//!
//! nd6_timer is periodic, each second. It is skipped ahead to the time when something it
//! looks at expires, so that hours cost what happens in them, not what does not.

use super::fib_algo::handle_fd_callout;
use super::if_ether::arptimer;
use super::locks;
use super::nd6::{nd6_llinfo_timer, nd6_timer, nd6_timer_idle_until};
use super::nd6_nbr::nd6_dad_timer;
use super::objects::*;
use super::subr_epoch::epoch_call_task;
use super::subr_taskqueue;
use super::{ENOENT, K, tcp_timer};
use crate::kern::callout::{Callout, CalloutState, Earliest};
use crate::kern::record::Frame;
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;
use crate::kern::wait::NoSleeping;

const FILE: &str = "sys/kern/kern_timeout.c";

static SOFTCLOCK: Func = Func { name: "softclock", file: "" };
static TASKQUEUE: Func = Func { name: "taskqueue", file: "" };
static EPOCH: Func = Func { name: "epoch", file: "" };
static FORK_EXIT: Func = Func { name: "fork_exit", file: "sys/kern/kern_fork.c" };
static SOFTCLOCK_THREAD: Func = Func { name: "softclock_thread", file: FILE };
static SOFTCLOCK_CALL_CC: Func = Func { name: "softclock_call_cc", file: FILE };

/// The period of nd6_timer, ms.
const ND6_PRUNE: u64 = 1_000;

/// More callouts than that in one go are a timer that never rests.
const MOST: u32 = 128;

/// A callout of this kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    /// `t_callout`, bound to the pcb's lock.
    Tcp(InpId),
    /// `fd_callout`, bound to the RIB's lock.
    Fd(FdId),
    /// `dad_timer_ch`, bound to `V_dad_rwlock`.
    Dad(DadId),
    /// `lle_timer`.
    Lle(LleId),
    /// `V_nd6_timer_ch`.
    Nd6,
}

/// The thread that runs callouts: its frames, from its root to the handler's caller. It must
/// not sleep.
pub struct Softclock<'a> {
    // Dropped in this order: the innermost first.
    _no_sleeping: NoSleeping<'a>,
    _call: Frame<'a>,
    _thread: Frame<'a>,
    _fork: Frame<'a>,
    _root: Frame<'a>,
}

/// Begins what softclock does around a handler.
pub fn softclock(k: &K) -> Softclock<'_> {
    let _root = k.frame(&SOFTCLOCK);
    let _fork = k.frame(&FORK_EXIT);
    let _thread = k.frame(&SOFTCLOCK_THREAD);
    let _call = k.frame(&SOFTCLOCK_CALL_CC);
    Softclock { _no_sleeping: k.no_sleeping(), _call, _thread, _fork, _root }
}

/// The callout that fires next, and when. nd6_timer counts from when it has something to
/// do, if `lazy`.
fn next(k: &K, lazy: bool) -> Option<(u64, Which)> {
    let mut all = Earliest::default();
    for (id, p) in k.st.inps.iter() {
        all.see(p.t_callout.due(), Which::Tcp(id));
    }
    for (id, f) in k.st.fds.iter() {
        all.see(f.fd_callout.due(), Which::Fd(id));
    }
    for (id, q) in k.st.dads.iter() {
        all.see(q.dad_timer_ch.due(), Which::Dad(id));
    }
    for (id, e) in k.st.lles.iter() {
        all.see(e.lle_timer.due(), Which::Lle(id));
    }
    let idle = if lazy { nd6_timer_idle_until(k) } else { 0 };
    let nd6 = k.st.v_nd6_timer_ch.due();
    all.see(nd6.map(|(at, order)| (first_tick(at, idle), order)), Which::Nd6);
    all.first()
}

/// The first tick of nd6_timer, which is due at `at`, that is not before `t`.
fn first_tick(at: u64, t: u64) -> u64 {
    at.saturating_add(t.saturating_sub(at).div_ceil(ND6_PRUNE).saturating_mul(ND6_PRUNE))
}

/// softclock takes a callout and calls its handler.
async fn fire(k: &K, w: Which) {
    if let Which::Tcp(inp) = w {
        tcp_timer::fire(k, inp).await;
        return;
    }
    let _softclock = softclock(k);
    match w {
        Which::Tcp(_) => {}
        Which::Fd(fd) => {
            let lock = locks::rib(k[fd].af.get());
            k[fd].fd_callout.dispatch_on(k);
            if Callout::enter_locked(k, lock, || &k[fd].fd_callout).await {
                handle_fd_callout(k, fd).await;
                if k.st.fds.is_live(fd) {
                    k[fd].fd_callout.leave(k);
                }
                k.unlock(lock);
            }
        }
        Which::Dad(dp) => {
            k[dp].dad_timer_ch.dispatch_on(k);
            // CALLOUT_RETURNUNLOCKED
            if Callout::enter_locked(k, locks::DADQ, || &k[dp].dad_timer_ch).await {
                nd6_dad_timer(k, dp).await;
                if k.st.dads.is_live(dp) {
                    k[dp].dad_timer_ch.leave(k);
                }
            }
        }
        Which::Lle(lle) => {
            k[lle].lle_timer.dispatch_on(k);
            {
                // The reference that the timer had goes to its handler.
                let _lle = k.hold(ObjRef::of(lle), true);
                k.yield_at("softclock_call_cc:lle_timer").await;
            }
            k[lle].lle_timer.begin();
            if k[lle].af.get() == Af::Inet {
                arptimer(k, lle).await;
            } else {
                nd6_llinfo_timer(k, lle).await;
            }
            if k.st.lles.is_live(lle) {
                k[lle].lle_timer.leave(k);
            }
        }
        Which::Nd6 => {
            let ch = &k.st.v_nd6_timer_ch;
            ch.dispatch_on(k);
            k.yield_at("softclock_call_cc:nd6_timer").await;
            ch.begin();
            nd6_timer(k).await;
            ch.leave(k);
        }
    }
}

/// The other threads that had work get their turn.
async fn others(k: &K) {
    {
        let _t = k.frame(&TASKQUEUE);
        subr_taskqueue::run_all(k).await;
    }
    let _t = k.frame(&EPOCH);
    epoch_call_task(k).await;
}

/// Lets `ms` pass; runs at most `limit` callouts, and what waits for epoch and taskqueue.
pub async fn advance(k: &K, ms: u64, limit: u32) -> i32 {
    let end = k.now() + ms;
    let mut left = limit.min(MOST);
    while let Some((at, w)) = next(k, true) {
        if at > end || left == 0 || k.stopped() {
            break;
        }
        left -= 1;
        k.set_now(at);
        fire(k, w).await;
        others(k).await;
        k.yield_at("softclock:next").await;
    }
    k.set_now(end);
    skip_nd6_timer(k);
    others(k).await;
    0
}

/// The ticks of nd6_timer that would have found nothing are over.
fn skip_nd6_timer(k: &K) {
    let ch = &k.st.v_nd6_timer_ch;
    if let Some((at, order)) = ch.due()
        && ch.state() == CalloutState::Pending
    {
        ch.reset(first_tick(at, k.now() + 1), order);
    }
}

/// Lets time pass until the next callout has run; nd6_timer only when it has something to
/// do, or is all there is.
pub async fn next_callout(k: &K) -> i32 {
    let lazy = next(k, true).filter(|&(at, _)| at != u64::MAX);
    match lazy.or_else(|| next(k, false)) {
        Some((at, w)) => {
            k.set_now(at);
            fire(k, w).await;
            others(k).await;
            0
        }
        None => ENOENT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_periodic_timer_is_skipped_to_its_first_tick_not_before_a_time() {
        assert_eq!(first_tick(1_000, 0), 1_000, "due later anyway");
        assert_eq!(first_tick(1_000, 1_000), 1_000);
        assert_eq!(first_tick(1_000, 1_001), 2_000);
        assert_eq!(first_tick(1_250, 5_000), 5_250, "ticks keep their phase");
        assert_eq!(first_tick(1_000, u64::MAX), u64::MAX, "never");
    }
}
