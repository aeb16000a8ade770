//! `sys/netinet/tcp_subr.c`: the end of a connection.

use super::K;
use super::in_pcb::in_pcbdrop;
use super::objects::*;
use super::tcp_output::tcp_default_output;
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet/tcp_subr.c";

/// `tcp_drop`: a connection is given up; the peer of one that had answered is told. Inside the
/// epoch, with the pcb's lock held.
pub async fn tcp_drop(k: &K, inp: InpId) {
    let _f = k.frame(&Func { name: "tcp_drop", file: FILE });
    k[inp].unacked.set(false);
    if k[inp].established.get() {
        tcp_default_output(k, inp).await;
    }
    tcp_close(k, inp);
}

/// `tcp_close`: the connection is over; the socket is not, and a timer that is armed stays so.
/// The lock is held.
pub fn tcp_close(k: &K, inp: InpId) {
    k[inp].unacked.set(false);
    in_pcbdrop(k, inp);
}
