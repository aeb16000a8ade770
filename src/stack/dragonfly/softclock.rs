//! `sys/kern/kern_timeout.c`: softclock runs the callouts whose time has come.

use super::K;
use super::if_ether::arptimer;
use super::in_rmx::in_rtqtimo;
use super::ip_flow::ipflow_slowtimo;
use super::lwkt::softclock_thread;
use super::objects::InpId;
use super::{ENOENT, tcp};

/// A callout of this kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Rexmt(InpId),
    Arptimer(usize),
    Rtqtimo(usize),
    Slowtimo,
}

/// The callout that fires next, and when.
fn next(k: &K) -> Option<(u64, Which)> {
    let mut best: Option<((u64, u32), Which)> = None;
    let mut see = |due: Option<(u64, u32)>, w: Which| {
        if let Some(d) = due
            && best.is_none_or(|(b, _)| d < b)
        {
            best = Some((d, w));
        }
    };
    for (id, p) in k.st.inps.iter() {
        see(p.tt_rexmt.due(), Which::Rexmt(id));
    }
    for cpu in 0..k.ncpus() {
        see(k.st.arptimer_ch[cpu].due(), Which::Arptimer(cpu));
        see(k.st.in_rtqtimo_ch[cpu].due(), Which::Rtqtimo(cpu));
    }
    see(k.st.slowtimo_ch.due(), Which::Slowtimo);
    best.map(|((at, _), w)| (at, w))
}

async fn fire(k: &K, w: Which) {
    match w {
        Which::Rexmt(inp) => {
            tcp::fire(k, inp).await;
        }
        Which::Arptimer(cpu) => {
            k.st.arptimer_ch[cpu].stop();
            k.set_cpu(cpu);
            let _t = softclock_thread(k, cpu);
            arptimer(k);
        }
        Which::Rtqtimo(cpu) => {
            k.st.in_rtqtimo_ch[cpu].stop();
            k.set_cpu(cpu);
            let _t = softclock_thread(k, cpu);
            in_rtqtimo(k);
        }
        Which::Slowtimo => {
            k.st.slowtimo_ch.stop();
            k.set_cpu(0);
            let _t = softclock_thread(k, 0);
            ipflow_slowtimo(k);
        }
    }
}

/// Lets `ms` pass; runs at most `limit` callouts.
pub async fn advance(k: &K, ms: u64, limit: u32) -> i32 {
    let end = k.now() + ms;
    // Periodic timers make a long time long: a bound on them, not on one-shot ones.
    let mut left = limit.min(64);
    while let Some((at, w)) = next(k) {
        if at > end || left == 0 || k.stopped() {
            break;
        }
        left -= 1;
        k.set_now(at);
        fire(k, w).await;
        k.yield_at("softclock:next").await;
    }
    k.set_now(end);
    0
}

/// Lets time pass until the next callout has run.
pub async fn next_callout(k: &K) -> i32 {
    match next(k) {
        Some((at, w)) => {
            k.set_now(at);
            fire(k, w).await;
            0
        }
        None => ENOENT,
    }
}
