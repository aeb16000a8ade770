//! `sys/kern/kern_timeout.c`: softclock runs the callouts whose time has come.

use super::K;
use super::if_ether::arptimer;
use super::in_rmx::in_rtqtimo;
use super::ip_flow::ipflow_slowtimo;
use super::lwkt::softclock_thread;
use super::objects::InpId;
use super::{ENOENT, tcp_timer};
use crate::kern::callout::Earliest;

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
    let mut all = Earliest::default();
    for (id, p) in k.st.inps.iter() {
        all.see(p.tt_rexmt.due(), Which::Rexmt(id));
    }
    for cpu in 0..k.ncpus() {
        all.see(k.st.arptimer_ch[cpu].due(), Which::Arptimer(cpu));
        all.see(k.st.in_rtqtimo_ch[cpu].due(), Which::Rtqtimo(cpu));
    }
    all.see(k.st.slowtimo_ch.due(), Which::Slowtimo);
    all.first()
}

async fn fire(k: &K, w: Which) {
    match w {
        Which::Rexmt(inp) => {
            tcp_timer::fire(k, inp).await;
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

/// Lets `ms` pass with a single round of the periodic callouts, at the end. What the rounds
/// in between would have found expired, this one does, too.
pub async fn leap(k: &K, ms: u64) -> i32 {
    k.set_now(k.now() + ms);
    for cpu in 0..k.ncpus() {
        for (due, w) in [
            (k.st.arptimer_ch[cpu].due(), Which::Arptimer(cpu)),
            (k.st.in_rtqtimo_ch[cpu].due(), Which::Rtqtimo(cpu)),
        ] {
            if due.is_some() && !k.stopped() {
                fire(k, w).await;
                k.yield_at("softclock:next").await;
            }
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::super::testing::trace_of;
    use crate::kern::trace::{Event, What};

    /// What the end of a run does: `cpu: function`, and `cpu: a route goes`.
    fn end_of(lines: &str) -> Vec<String> {
        let trace = trace_of(2, lines);
        let end = trace.events.iter().filter(|e| e.account == u8::MAX);
        end.filter_map(|e| match e.what {
            What::Enter(f) => Some(format!("{}: {}", e.cpu, f.name)),
            What::List("rt_tables", false, _) => Some(format!("{}: a route goes", e.cpu)),
            _ => None,
        })
        .collect()
    }

    /// How many routes a timer takes out: `cpu: function`.
    fn routes_gone_in(end: &[String], timer: &str) -> usize {
        let at = end.iter().position(|e| e == timer).unwrap_or_else(|| panic!("{end:#?}"));
        let next = |e: &&String| !e.contains(": softclock") && !e.ends_with(": teardown");
        end[at..].iter().take_while(next).filter(|e| e.ends_with(": a route goes")).count()
    }

    #[test]
    fn a_pcb_in_the_memory_of_one_whose_timer_is_on_its_way_has_a_timer_of_its_own() {
        // How often tcp_timer_rexmt is entered.
        let fired = |disturbed: &str| {
            let trace = trace_of(
                2,
                &format!(
                    "SIOCSIFADDR em0 10.0.0.1\ntcp_connect tcp0 10.0.0.2\nrexmt tcp0{disturbed}\n\
                 tcp_close tcp0\ntcp_connect tcp0 10.0.0.2\nadvance 1h"
                ),
            );
            let entered =
                |e: &&Event| matches!(e.what, What::Enter(f) if f.name == "tcp_timer_rexmt");
            trace.events.iter().filter(entered).count()
        };
        let quiet = fired("");
        assert!(quiet > 2);
        // The closed one's finds that its pcb is gone.
        assert_eq!(fired("  preempt tcp_timer_rexmt:lwkt_sendmsg#1 for 2"), quiet - 1);
    }

    #[test]
    fn at_the_end_arptimer_and_in_rtqtimo_run_on_every_cpu_before_interfaces_go() {
        let end = end_of("SIOCAIFADDR em0 10.0.0.1");
        let at =
            |what: &str| end.iter().position(|e| e == what).unwrap_or_else(|| panic!("{end:#?}"));
        for timer in ["0: arptimer", "1: arptimer", "0: in_rtqtimo", "1: in_rtqtimo"] {
            assert!(at(timer) < at("0: em_detach"), "{end:#?}");
            assert_eq!(end.iter().filter(|e| *e == timer).count(), 1, "{end:#?}");
        }
    }

    #[test]
    fn at_the_end_resolved_entries_and_unused_clones_run_out() {
        // Resolved: good for 20 minutes.
        let end = end_of("SIOCAIFADDR em0 10.0.0.1\narp_reply 10.0.0.2");
        assert_eq!(
            (routes_gone_in(&end, "0: arptimer"), routes_gone_in(&end, "1: arptimer")),
            (1, 1)
        );
        assert_eq!(routes_gone_in(&end, "0: in_rtqtimo"), 0);
        // Without an entry it is in_rtqtimo's, from when its socket lets it go: for an hour.
        let end = end_of(
            "SIOCAIFADDR em0 10.0.0.1\nudp_connect udp0 10.0.0.2  fail arp_rtrequest:R_Malloc#1",
        );
        assert_eq!(
            (routes_gone_in(&end, "0: arptimer"), routes_gone_in(&end, "0: in_rtqtimo")),
            (0, 1)
        );
    }
}
