//! `sys/netinet/tcp_timer.c`: the retransmit timer.

use super::K;
use super::defects as d;
use super::in_pcb::in_losing;
use super::lwkt::*;
use super::netisr::cpu_portfn;
use super::objects::*;
use super::tcp_output::tcp_output;
use super::tcp_subr::tcp_close;
use super::tcp_usrreq::pcb;
use super::{ENOTCONN, ETIMEDOUT};
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet/tcp_timer.c";

/// `TCP_MAXRXTSHIFT`.
const TCP_MAXRXTSHIFT: u8 = 12;

/// The retransmit timer of a connection fires `times` times, each time early, which is
/// the peer's choice.
pub async fn rexmt(k: &K, name: usize, times: u8) -> i32 {
    let mut error = ENOTCONN;
    for _ in 0..times {
        let inp = pcb(k, name);
        if inp.is_null() || !k[inp].tt_rexmt.pending() {
            return error;
        }
        error = fire(k, inp).await;
        if error != 0 {
            return error;
        }
    }
    error
}

/// softclock takes the callout and calls its handler.
pub async fn fire(k: &K, inp: InpId) -> i32 {
    let cpu = k[inp].cpu.get() as usize;
    k.set_cpu(cpu);
    let _t = softclock_thread(k, cpu);
    let name = k[inp].name.get() as usize;
    k[inp].tt_rexmt.dispatch();
    // Repaired, the handler is a message to the tcp thread.
    let in_thread = !k.on(d::REXMT_OUTSIDE_TCP_THREAD);
    if in_thread {
        k.yield_at("tcp_timer_rexmt:lwkt_sendmsg").await;
        k.lock(cpu_portfn(cpu)).await;
        if pcb(k, name) != inp {
            k.unlock(cpu_portfn(cpu));
            return ENOTCONN;
        }
    }
    let error = tcp_timer_rexmt(k, inp).await;
    if in_thread {
        k.unlock(cpu_portfn(cpu));
    }
    error
}

async fn tcp_timer_rexmt(k: &K, inp: InpId) -> i32 {
    let _f = k.frame(&Func { name: "tcp_timer_rexmt", file: FILE });
    let p = &k[inp];
    p.tt_rexmt.begin();
    let shift = p.t_rxtshift.inc();
    if shift > TCP_MAXRXTSHIFT {
        p.t_rxtshift.set(TCP_MAXRXTSHIFT);
        p.tt_rexmt.end();
        tcp_close(k, inp);
        return ETIMEDOUT;
    }
    if shift > TCP_MAXRXTSHIFT / 4 {
        in_losing(k, inp).await;
    }
    let error = tcp_output(k, inp);
    k[inp].tt_rexmt.end();
    error
}
