//! `sys/netinet/tcp_usrreq.c`: connect, send, close.
//!
//! A connection is closed without lingering: what is not acknowledged is given up.

use super::in_pcb::{in_pcbconnect, in_pcbfree};
use super::kern_descrip::{fdrop, fget};
use super::objects::*;
use super::subr_epoch::{net_epoch_enter, net_epoch_exit};
use super::tcp_output::tcp_default_output;
use super::tcp_subr::{tcp_close, tcp_drop};
use super::tcp_timer::tcp_timer_activate;
use super::uipc_socket::socket;
use super::{ECONNREFUSED, ECONNRESET, EISCONN, ENOTCONN, K, locks};
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
    let inp = match socket(k, sock, af) {
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

/// `tcp_usr_close`.
pub async fn tcp_usr_close(k: &K, inp: InpId) {
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
}

/// `tcp_usr_detach`.
pub async fn tcp_usr_detach(k: &K, inp: InpId) {
    let _f = k.frame(&Func { name: "tcp_usr_detach", file: FILE });
    k.yield_at("tcp_usr_detach:inp_lock").await;
    // tcp_discardcb: tcp_timer_stop is exact under the lock, which in_pcbfree takes.
    k.lock(locks::inp(k, inp)).await;
    tcp_timer_activate(k, inp, false);
    k.unlock(locks::inp(k, inp));
    in_pcbfree(k, inp).await;
}
