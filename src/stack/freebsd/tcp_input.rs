//! `sys/netinet/tcp_input.c`: what the peer's answer does to the retransmit timer.

use super::kern_descrip::{fdrop, fget};
use super::subr_epoch::{net_epoch_enter, net_epoch_exit};
use super::tcp_timer::tcp_timer_activate;
use super::{ENOENT, ENOTCONN, K, locks};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet/tcp_input.c";

/// `tcp_input`, `tcp_do_segment`: all that was sent is acknowledged; as far as the timer is
/// concerned.
pub async fn tcp_ack(k: &K, sock: usize) -> i32 {
    let _f = k.frame(&Func { name: "tcp_do_segment", file: FILE });
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
