//! `sys/netinet/tcp_usrreq.c`: connect, send, close.
//!
//! A connection belongs to the tcp thread of one CPU (which also is its netisr); the
//! socket's requests are messages to that thread. connect is served by tcp_thread 0,
//! which hands the pcb to its owner.

use super::K;
use super::defects as d;
use super::in_pcb::*;
use super::ip_demux::tcp_addrcpu;
use super::lwkt::*;
use super::netisr::cpu_portfn;
use super::objects::*;
use super::sockaddr::load_sa;
use super::tcp_output::tcp_output;
use super::tcp_subr::tcp_close;
use super::{EADDRNOTAVAIL, EALREADY, EISCONN, ENOTCONN, NPCBS};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet/tcp_usrreq.c";

/// The pcb of a name.
pub fn pcb(k: &K, name: usize) -> InpId {
    k.st.pcbs[name % NPCBS].get()
}

/// `connect(2)`: `tcp_usr_connect`, `tcp_connect`, `tcp_connect_oncpu`.
pub async fn tcp_usr_connect(k: &K, name: usize, faddr: u32) -> i32 {
    k.lock(cpu_portfn(0)).await;
    k.set_cpu(0);
    let _t = netisr_thread(k, 0);
    let _f = k.frame(&Func { name: "tcp_usr_connect", file: FILE });
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
    let _f = k.frame(&Func { name: "tcp_connect", file: FILE });
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
    let _f = k.frame(&Func { name: "tcp_connect_oncpu", file: FILE });
    let Some(laddr) = load_sa(k, if_sin, "if_sin->sin_addr") else { return };
    let p = &k[inp];
    p.inp_laddr.set(laddr.addr);
    p.inp_faddr.set(faddr);
    p.cpu.set(cpu as u8);
    p.t_state.set(TcpState::SynSent);
    p.t_rxtshift.set(0);
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
        let _f = k.frame(&Func { name: "tcp_usr_send", file: FILE });
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
