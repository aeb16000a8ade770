//! `sys/netinet/tcp_usrreq.c`: connect, send, close; and what the peer's answer does to
//! the retransmit timer.
//!
//! A connection is closed without lingering: what is not acknowledged is given up.

use super::in_pcb::{self, fdrop, fget, in_pcbconnect, in_pcbdrop, in_pcbfree};
use super::objects::*;
use super::subr_epoch::{net_epoch_enter, net_epoch_exit};
use super::tcp_output::tcp_default_output;
use super::tcp_timer::{tcp_drop, tcp_timer_activate};
use super::{ECONNREFUSED, ECONNRESET, EISCONN, ENOENT, ENOTCONN, K, locks};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet/tcp_usrreq.c";

/// `tcp_usr_connect`, `tcp6_usr_connect`.
pub async fn tcp_usr_connect(k: &K, sock: usize, af: Af, faddr: Addr) -> i32 {
    let func = match af {
        Af::Inet => &Func { name: "tcp_usr_connect", file: FILE },
        _ => &Func { name: "tcp6_usr_connect", file: FILE },
    };
    let _f = k.frame(func);
    let inp = match in_pcb::socket(k, sock, af) {
        Ok(inp) => inp,
        Err(error) => return error,
    };
    let error = {
        let _inp = k.hold(ObjRef::of(inp), false);
        k.yield_at("tcp_usr_connect:inp_lock").await;
        k.lock(locks::inp(k, inp)).await;
        let error = if k[inp].inp_dropped.get() {
            ECONNREFUSED
        } else if k[inp].connected.get() {
            EISCONN
        } else {
            net_epoch_enter(k);
            let error = tcp_connect(k, inp, faddr).await;
            net_epoch_exit(k);
            error
        };
        k.unlock(locks::inp(k, inp));
        error
    };
    fdrop(k, inp).await;
    error
}

/// `tcp_connect`, `tcp6_connect`, and the output of the SYN.
async fn tcp_connect(k: &K, inp: InpId, faddr: Addr) -> i32 {
    let _f = k.frame(match k[inp].af.get() {
        Af::Inet => &Func { name: "tcp_connect", file: FILE },
        _ => &Func { name: "tcp6_connect", file: FILE },
    });
    let error = in_pcbconnect(k, inp, faddr).await;
    if error != 0 {
        return error;
    }
    k[inp].unacked.set(true);
    k.yield_at("tcp_connect:tcp_output").await;
    tcp_default_output(k, inp).await
}

/// `tcp_usr_send`.
pub async fn tcp_usr_send(k: &K, sock: usize) -> i32 {
    let _f = k.frame(&Func { name: "tcp_usr_send", file: FILE });
    let inp = fget(k, sock);
    if inp.is_null() {
        return ENOTCONN;
    }
    let error = {
        let _inp = k.hold(ObjRef::of(inp), false);
        k.yield_at("tcp_usr_send:inp_lock").await;
        k.lock(locks::inp(k, inp)).await;
        let error = if k[inp].inp_dropped.get() {
            ECONNRESET
        } else if !k[inp].connected.get() {
            ENOTCONN
        } else {
            net_epoch_enter(k);
            k[inp].unacked.set(true);
            let error = tcp_default_output(k, inp).await;
            net_epoch_exit(k);
            error
        };
        k.unlock(locks::inp(k, inp));
        error
    };
    fdrop(k, inp).await;
    error
}

/// All that was sent is acknowledged: `tcp_input`, as far as the timer is concerned.
pub async fn tcp_ack(k: &K, sock: usize) -> i32 {
    let _f = k.frame(&Func { name: "tcp_do_segment", file: "sys/netinet/tcp_input.c" });
    // The pcb is found by its addresses, inside the epoch, and locked before it is left.
    let inp = fget(k, sock);
    if inp.is_null() {
        return ENOTCONN;
    }
    let error = {
        let _inp = k.hold(ObjRef::of(inp), false);
        net_epoch_enter(k);
        k.lock(locks::inp(k, inp)).await;
        let error = if k[inp].inp_dropped.get() || !k[inp].connected.get() {
            ENOTCONN
        } else if !k[inp].unacked.get() {
            ENOENT
        } else {
            k.yield_at("tcp_do_segment:ack").await;
            let p = &k[inp];
            p.unacked.set(false);
            p.established.set(true);
            p.t_rxtshift.set(0);
            tcp_timer_activate(k, inp, false);
            0
        };
        k.unlock(locks::inp(k, inp));
        net_epoch_exit(k);
        error
    };
    fdrop(k, inp).await;
    error
}

/// `close(2)` of a TCP socket; ENOENT when there is none.
pub async fn tcp_usr_close(k: &K, sock: usize) -> i32 {
    in_pcb::close(k, sock).await
}

/// `tcp_close` (`sys/netinet/tcp_subr.c`): the connection is over; the socket is not, and a
/// timer that is armed stays so. The lock is held.
pub fn tcp_close(k: &K, inp: InpId) {
    k[inp].unacked.set(false);
    in_pcbdrop(k, inp);
}

/// The end of a TCP socket: `tcp_usr_close`, then `tcp_usr_detach`.
pub async fn soclose(k: &K, inp: InpId) {
    let _f = k.frame(&Func { name: "tcp_usr_close", file: FILE });
    net_epoch_enter(k);
    k.lock(locks::inp(k, inp)).await;
    if !k[inp].inp_dropped.get() {
        if k[inp].connected.get() {
            tcp_drop(k, inp).await;
        } else {
            tcp_close(k, inp);
        }
    }
    k.unlock(locks::inp(k, inp));
    net_epoch_exit(k);
    k.yield_at("tcp_usr_detach:inp_lock").await;
    // tcp_discardcb: tcp_timer_stop is exact under the lock, which in_pcbfree takes.
    k.lock(locks::inp(k, inp)).await;
    tcp_timer_activate(k, inp, false);
    k.unlock(locks::inp(k, inp));
    in_pcbfree(k, inp).await;
}
