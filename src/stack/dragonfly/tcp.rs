//! `sys/netinet/tcp_usrreq.c`, `sys/netinet/tcp_timer.c`, `sys/netinet/tcp_output.c`:
//! connect, send, close and the retransmit timer.
//!
//! A connection belongs to the tcp thread of one CPU (which also is its netisr); the
//! socket's requests are messages to that thread. connect is served by tcp_thread 0,
//! which hands the pcb to its owner.

use super::K;
use super::defects as d;
use super::in_pcb::*;
use super::ip_output::ip_output;
use super::lwkt::*;
use super::objects::*;
use super::{EADDRNOTAVAIL, EALREADY, EISCONN, ENOTCONN, ETIMEDOUT, NPCBS};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const USRREQ: &str = "sys/netinet/tcp_usrreq.c";
const TIMER: &str = "sys/netinet/tcp_timer.c";

/// `TCP_MAXRXTSHIFT`.
const TCP_MAXRXTSHIFT: u8 = 12;

/// First retransmit timeout, ms; doubles with each.
const REXMT: u64 = 3_000;

/// `tcp_addrcpu`.
fn tcp_addrcpu(k: &K, faddr: u32, laddr: u32) -> usize {
    ((faddr ^ laddr) as usize & 3) % k.ncpus()
}

fn pcb(k: &K, name: usize) -> InpId {
    k.st.pcbs[name % NPCBS].get()
}

/// `connect(2)`: `tcp_usr_connect`, `tcp_connect`, `tcp_connect_oncpu`.
pub async fn tcp_usr_connect(k: &K, name: usize, faddr: u32) -> i32 {
    k.lock(cpu_portfn(0)).await;
    k.set_cpu(0);
    let _t = netisr_thread(k, 0);
    let _f = k.frame(&Func { name: "tcp_usr_connect", file: USRREQ });
    let mut inp = pcb(k, name);
    if !inp.is_null() && k[inp].t_state.get() != TcpState::Closed {
        k.unlock(cpu_portfn(0));
        return EISCONN;
    }
    if inp.is_null() {
        inp = in_pcballoc(k, name, true);
    }
    let busy = &k.st.so_busy[name % NPCBS];
    busy.set(true);
    let error = if inp.is_null() { EADDRNOTAVAIL } else { tcp_connect(k, inp, faddr).await };
    busy.set(false);
    k.unlock(cpu_portfn(0));
    error
}

async fn tcp_connect(k: &K, inp: InpId, faddr: u32) -> i32 {
    let _f = k.frame(&Func { name: "tcp_connect", file: USRREQ });
    let (if_sin, faddr) = match in_pcbladdr(k, inp, faddr) {
        Ok(both) => both,
        Err(e) => return e,
    };
    let Some(laddr) = load_sa(k, if_sin, "if_sin->sin_addr") else { return EADDRNOTAVAIL };
    let cpu = tcp_addrcpu(k, faddr, laddr.addr);
    if cpu != 0 {
        // The pointer, as reported, or a copy of the address goes along.
        let bare = k.on(d::W13_CONNECT_BARE_IA);
        let nm_ifsin = if bare { if_sin } else { Sa::Copy(laddr) };
        let late = k.on(d::CONNECT_AFTER_HANDOVER);
        let _inp = late.then(|| k.hold(ObjRef::of(inp), false));
        check_domsg(k);
        {
            let _ia = match if_sin {
                Sa::Addr(ia) if bare => Some(hold_ia(k, ia)),
                _ => None,
            };
            k.yield_at("tcp_connect:lwkt_domsg").await;
            k.lock(cpu_portfn(cpu)).await;
        }
        k.set_cpu(cpu);
        {
            let _t = netisr_thread(k, cpu);
            tcp_connect_oncpu(k, inp, faddr, nm_ifsin, cpu);
            if !late {
                tcp_output(k, inp);
            }
        }
        k.unlock(cpu_portfn(cpu));
        k.set_cpu(0);
        k.yield_at("tcp_connect:lwkt_replymsg").await;
        if !late {
            return 0;
        }
    } else {
        tcp_connect_oncpu(k, inp, faddr, if_sin, 0);
    }
    tcp_output(k, inp)
}

fn tcp_connect_oncpu(k: &K, inp: InpId, faddr: u32, if_sin: Sa, cpu: usize) {
    let _f = k.frame(&Func { name: "tcp_connect_oncpu", file: USRREQ });
    let Some(laddr) = load_sa(k, if_sin, "if_sin->sin_addr") else { return };
    let p = &k[inp];
    p.inp_laddr.set(laddr.addr);
    p.inp_faddr.set(faddr);
    p.cpu.set(cpu as u8);
    p.t_state.set(TcpState::SynSent);
    p.t_rxtshift.set(0);
}

/// `tcp_output`: sends along the cached route and arms the retransmit timer.
fn tcp_output(k: &K, inp: InpId) -> i32 {
    let _f = k.frame(&Func { name: "tcp_output", file: "sys/netinet/tcp_output.c" });
    let p = &k[inp];
    // A lost route is no error of the connection: the timer tries again.
    ip_output(k, inp, p.inp_faddr.get());
    k.callout_reset(&p.tt_rexmt, REXMT << p.t_rxtshift.get().min(6));
    0
}

/// `send(2)`.
pub async fn tcp_usr_send(k: &K, name: usize) -> i32 {
    let inp = pcb(k, name);
    if inp.is_null() || k[inp].t_state.get() == TcpState::Closed {
        return ENOTCONN;
    }
    let cpu = k[inp].cpu.get() as usize;
    k.yield_at("tcp_usr_send:lwkt_domsg").await;
    k.lock(cpu_portfn(cpu)).await;
    k.set_cpu(cpu);
    let error = {
        let _t = netisr_thread(k, cpu);
        let _f = k.frame(&Func { name: "tcp_usr_send", file: USRREQ });
        // The pcb may have gone while the message waited.
        if pcb(k, name) == inp { tcp_output(k, inp) } else { ENOTCONN }
    };
    k.unlock(cpu_portfn(cpu));
    error
}

/// `close(2)`: `tcp_close`, `in_pcbdetach`.
pub async fn tcp_usr_close(k: &K, name: usize) -> i32 {
    let inp = pcb(k, name);
    if inp.is_null() {
        return ENOTCONN;
    }
    if k.st.so_busy[name % NPCBS].get() {
        return EALREADY;
    }
    loop {
        let cpu = k[inp].cpu.get() as usize;
        k.yield_at("tcp_usr_close:lwkt_domsg").await;
        k.lock(cpu_portfn(cpu)).await;
        k.set_cpu(cpu);
        let done = {
            let _t = netisr_thread(k, cpu);
            if pcb(k, name) != inp {
                Some(ENOTCONN)
            } else if k[inp].cpu.get() as usize != cpu {
                // A connect has handed it to another CPU while the message waited. Not in the
                // original, where the last close(2) of a file waits for whoever still uses it.
                None
            } else {
                tcp_close(k, inp);
                Some(0)
            }
        };
        k.unlock(cpu_portfn(cpu));
        if let Some(error) = done {
            return error;
        }
    }
}

fn tcp_close(k: &K, inp: InpId) {
    let _f = k.frame(&Func { name: "tcp_close", file: "sys/netinet/tcp_subr.c" });
    k[inp].tt_rexmt.stop();
    in_pcbdetach(k, inp);
}

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
    let _f = k.frame(&Func { name: "tcp_timer_rexmt", file: TIMER });
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
