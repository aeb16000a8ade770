//! `sys/netinet/in_pcb.c`: pcbs.

use super::K;
use super::objects::*;

/// The pcb's memory goes: after the last reference, and a grace period.
pub fn inpcb_free(_k: &K, _inp: InpId) {}
/// `in_pcbpurgeif0`, `in6_pcbpurgeif0`: sockets forget an interface's memberships.
pub async fn in_pcbpurgeif0(_k: &K, _ifp: IfId, _af: Af) {}
