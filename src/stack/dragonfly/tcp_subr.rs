//! `sys/netinet/tcp_subr.c`: the end of a connection.

use super::K;
use super::in_pcb::in_pcbdetach;
use super::objects::*;
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet/tcp_subr.c";

/// `tcp_close`: its timer is stopped, its pcb goes.
pub fn tcp_close(k: &K, inp: InpId) {
    let _f = k.frame(&Func { name: "tcp_close", file: FILE });
    k[inp].tt_rexmt.stop();
    in_pcbdetach(k, inp);
}
