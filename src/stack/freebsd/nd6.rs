//! `sys/netinet6/nd6.c`: neighbour discovery's state of an interface, and its timer.

use super::K;
use super::objects::*;

/// Arms the timer at boot.
pub fn boot(_k: &K) {}
/// `nd6_ifattach` fills, `ND_IFINFO(ifp)` follows `if_afdata[AF_INET6]`. `what` names the
/// expression for the fault; `None` after one.
pub fn nd_ifinfo<'k>(_k: &'k K, _ifp: IfId, _what: &'static str) -> Option<&'k In6Ifextra> {
    None
}
/// `nd6_timer`: a callout.
pub async fn nd6_timer(_k: &K) {}
/// `nd6_purge`.
pub async fn nd6_purge(_k: &K, _ifp: IfId) {}
/// `nd6_resolve`: finds or makes the entry of a neighbour; inside the epoch.
pub async fn nd6_resolve(_k: &K, _ifp: IfId, _addr: Addr) -> i32 {
    0
}
/// `nd6_llinfo_timer`: an entry's timer has fired.
pub async fn nd6_llinfo_timer(_k: &K, _lle: LleId) {}
/// A packet for `addr` is to leave through an interface: `nd6_resolve` inside the epoch.
pub async fn resolve(_k: &K, _name: u8, _addr: Addr) -> i32 {
    0
}
