//! `sys/netinet/udp_usrreq.c`: connect and send, in the udp thread of CPU 0, and redirects.

use super::in_pcb::*;
use super::ip_output::ip_output;
use super::lwkt::*;
use super::netisr::cpu_portfn;
use super::objects::*;
use super::sockaddr::load_sa;
use super::uipc_domain::Prc;
use super::{EADDRNOTAVAIL, EISCONN, ENOTCONN, K, NPCBS};
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet/udp_usrreq.c";

/// The pcb of a name, made when there is none.
fn pcb(k: &K, name: usize) -> InpId {
    let inp = k.st.pcbs[name % NPCBS].get();
    if inp.is_null() { in_pcballoc(k, name, false) } else { inp }
}

/// `connect(2)`: `udp_connect`, `in_pcbconnect`.
pub async fn udp_connect(k: &K, name: usize, faddr: u32) -> i32 {
    k.lock(cpu_portfn(0)).await;
    k.set_cpu(0);
    let error = {
        let _t = netisr_thread(k, 0);
        let _f = k.frame(&Func { name: "udp_connect", file: FILE });
        let inp = pcb(k, name);
        if inp.is_null() {
            EADDRNOTAVAIL
        } else if k[inp].inp_faddr.get() != 0 {
            EISCONN
        } else {
            in_pcbconnect(k, inp, faddr)
        }
    };
    k.unlock(cpu_portfn(0));
    error
}

/// `sendto(2)` without a connection, or `send(2)` on one.
pub async fn udp_send(k: &K, name: usize, to: u32) -> i32 {
    k.lock(cpu_portfn(0)).await;
    k.set_cpu(0);
    let error = {
        let _t = netisr_thread(k, 0);
        let _f = k.frame(&Func { name: "udp_output", file: FILE });
        let inp = pcb(k, name);
        if inp.is_null() {
            EADDRNOTAVAIL
        } else if k[inp].inp_faddr.get() != 0 {
            ip_output(k, inp, k[inp].inp_faddr.get())
        } else {
            match in_pcbladdr(k, inp, to) {
                Ok((if_sin, to)) => {
                    load_sa(k, if_sin, "if_sin->sin_addr");
                    ip_output(k, inp, to)
                }
                Err(e) => e,
            }
        }
    };
    k.unlock(cpu_portfn(0));
    error
}

/// `close(2)`.
pub async fn udp_close(k: &K, name: usize) -> i32 {
    k.lock(cpu_portfn(0)).await;
    k.set_cpu(0);
    let inp = k.st.pcbs[name % NPCBS].get();
    let error = if inp.is_null() {
        ENOTCONN
    } else {
        let _t = netisr_thread(k, 0);
        in_pcbdetach(k, inp);
        0
    };
    k.unlock(cpu_portfn(0));
    error
}

/// `udp_ctlinput`: reads the address before it looks at what it is told. After a redirect each
/// connection to that host gives up its route.
pub fn udp_ctlinput(k: &K, cmd: Prc, sa: Sa) {
    let _f = k.frame(&Func { name: "udp_ctlinput", file: FILE });
    let Some(faddr) = load_sa(k, sa, "sa->sin_addr") else { return };
    if faddr.family != AF_INET || faddr.addr == 0 || cmd != Prc::RedirectHost {
        return;
    }
    for inp in k.st.pcbs.iter().map(|p| p.get()).filter(|inp| !inp.is_null()) {
        if !k[inp].tcp.get() && k[inp].inp_faddr.get() == faddr.addr {
            in_rtchange(k, inp);
        }
    }
}
