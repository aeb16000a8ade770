//! `sys/netinet/udp_usrreq.c`, `sys/netinet6/udp6_usrreq.c`.
//!
//! A connected socket uses its route cache, and so does the first packet of one that is
//! not bound; a bound, unconnected one looks each packet's route up.

use super::in_pcb::{in_pcbconnect, in_pcbfree, source};
use super::in6_src::in6_selecthlim;
use super::ip_output::ip_output;
use super::ip6_output::ip6_output;
use super::kern_descrip::fdrop;
use super::objects::*;
use super::subr_epoch::{net_epoch_enter, net_epoch_exit};
use super::uipc_socket::socket;
use super::{EISCONN, K, locks};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet/udp_usrreq.c";
const FILE6: &str = "sys/netinet6/udp6_usrreq.c";

/// `udp_connect`, `udp6_connect`.
pub async fn udp_connect(k: &K, sock: usize, af: Af, faddr: Addr) -> i32 {
    let func = match af {
        Af::Inet => &Func { name: "udp_connect", file: FILE },
        _ => &Func { name: "udp6_connect", file: FILE6 },
    };
    let _f = k.frame(func);
    let inp = match socket(k, sock, af) {
        Ok(inp) => inp,
        Err(error) => return error,
    };
    let error = {
        let _inp = k.hold(ObjRef::of(inp), false);
        k.yield_at("udp_connect:inp_lock").await;
        k.lock(locks::inp(k, inp)).await;
        let error = if k[inp].connected.get() {
            EISCONN
        } else {
            net_epoch_enter(k);
            let error = in_pcbconnect(k, inp, faddr).await;
            net_epoch_exit(k);
            error
        };
        k.unlock(locks::inp(k, inp));
        error
    };
    fdrop(k, inp).await;
    error
}

/// `udp_send`, `udp6_send`: to the peer of a connected socket, else to `faddr`.
pub async fn udp_send(k: &K, sock: usize, af: Af, faddr: Addr) -> i32 {
    let connected = k.st.pcbs[sock % super::NSOCKS].get();
    let af = match connected {
        inp if !inp.is_null() && k[inp].connected.get() => k[inp].af.get(),
        _ => af,
    };
    let func = match af {
        Af::Inet => &Func { name: "udp_send", file: FILE },
        _ => &Func { name: "udp6_send", file: FILE6 },
    };
    let _f = k.frame(func);
    let inp = match socket(k, sock, af) {
        Ok(inp) => inp,
        Err(error) => return error,
    };
    let error = {
        let _inp = k.hold(ObjRef::of(inp), false);
        k.yield_at("udp_send:inp_lock").await;
        output(k, inp, faddr).await
    };
    fdrop(k, inp).await;
    error
}

/// The rest of `udp_send`, `udp6_send`: takes the lock, shared where the pcb does not
/// change.
async fn output(k: &K, inp: InpId, faddr: Addr) -> i32 {
    let lock = locks::inp(k, inp);
    let cached = k[inp].connected.get() || !k[inp].inp_lport.get();
    if cached {
        k.lock(lock).await;
    } else {
        k.lock_shared(lock).await;
    }
    net_epoch_enter(k);
    let connected = k[inp].connected.get();
    let chosen = if connected { Ok(0) } else { source(k, inp, faddr).await };
    let error = match chosen {
        Err(error) => error,
        Ok(_) => {
            let dst = if connected { k[inp].faddr.get() } else { faddr };
            if cached {
                k[inp].inp_lport.set(true);
            }
            if k[inp].af.get() == Af::Inet {
                ip_output(k, inp, dst, cached).await
            } else {
                in6_selecthlim(k, inp, IfId::NULL).await;
                ip6_output(k, inp, dst, cached).await
            }
        }
    };
    k.unlock(lock);
    net_epoch_exit(k);
    error
}

/// `udp_close`, `udp6_close`.
pub async fn udp_close(k: &K, inp: InpId) {
    let _f = k.frame(match k[inp].af.get() {
        Af::Inet => &Func { name: "udp_close", file: FILE },
        _ => &Func { name: "udp6_close", file: FILE6 },
    });
    k.lock(locks::inp(k, inp)).await;
    let p = &k[inp];
    p.connected.set(false);
    p.faddr.set(0);
    p.laddr.set(0);
    k.unlock(locks::inp(k, inp));
}

/// `udp_detach`, `udp6_detach`.
pub async fn udp_detach(k: &K, inp: InpId) {
    let _f = k.frame(match k[inp].af.get() {
        Af::Inet => &Func { name: "udp_detach", file: FILE },
        _ => &Func { name: "udp6_detach", file: FILE6 },
    });
    k.yield_at("udp_detach:inp_lock").await;
    in_pcbfree(k, inp).await;
}
