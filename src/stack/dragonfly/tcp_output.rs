//! `sys/netinet/tcp_output.c`: a segment goes along the cached route, and the retransmit timer
//! is armed.

use super::K;
use super::ip_output::ip_output;
use super::objects::*;
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet/tcp_output.c";

/// First retransmit timeout, ms; doubles with each.
const REXMT: u64 = 3_000;

/// `tcp_output`: sends along the cached route and arms the retransmit timer.
pub fn tcp_output(k: &K, inp: InpId) -> i32 {
    let _f = k.frame(&Func { name: "tcp_output", file: FILE });
    let p = &k[inp];
    // A lost route is no error of the connection: the timer tries again.
    ip_output(k, inp, p.inp_faddr.get());
    k.callout_reset(&p.tt_rexmt, REXMT << p.t_rxtshift.get().min(6));
    0
}
