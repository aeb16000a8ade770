//! `sys/netinet/tcp_output.c`: `tcp_default_output`.

use super::in6_src::in6_selecthlim;
use super::ip_output::ip_output;
use super::ip6_output::ip6_output;
use super::objects::*;
use super::tcp_timer::{tcp_timer_activate, tcp_timer_active};
use super::{EHOSTUNREACH, ENETDOWN, ENETUNREACH, K};
use crate::kern::trace::Func;

/// `tcp_default_output`: sends what is not acknowledged. Inside the epoch, with the pcb's
/// lock held.
pub async fn tcp_default_output(k: &K, inp: InpId) -> i32 {
    let _f = k.frame(&Func { name: "tcp_default_output", file: "sys/netinet/tcp_output.c" });
    let faddr = k[inp].faddr.get();
    let error = match k[inp].af.get() {
        Af::Inet => ip_output(k, inp, faddr, true).await,
        _ => {
            // The hop limit of each segment: the user may have changed it, or a router.
            in6_selecthlim(k, inp, IfId::NULL).await;
            ip6_output(k, inp, faddr, true).await
        }
    };
    if k[inp].unacked.get() && !tcp_timer_active(k, inp) {
        tcp_timer_activate(k, inp, true);
    }
    match error {
        // Once the peer has answered, a lost route is a soft error: the timer tries again.
        EHOSTUNREACH | ENETDOWN | ENETUNREACH if k[inp].established.get() => 0,
        error => error,
    }
}
