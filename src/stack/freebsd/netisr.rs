//! `sys/net/netisr.c`, `sys/kern/kern_mbuf.c`: packets that wait, and who brought them.

use super::K;
use super::nd6_rtr::Ra;

/// A packet in the queue: `m_pkthdr.rcvif` as index and generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Packet {
    /// `rcvidx`.
    pub rcvidx: u8,
    /// `rcvgen`.
    pub rcvgen: u16,
    /// What it is.
    pub ra: Option<Ra>,
}

/// A router advertisement arrives at an interface and is dispatched at once.
pub async fn netisr_dispatch_ra(_k: &K, _name: u8, _ra: Ra) -> i32 {
    0
}
/// A router advertisement arrives and is queued.
pub async fn netisr_queue_ra(_k: &K, _name: u8, _ra: Ra) -> i32 {
    0
}
/// The netisr thread serves one packet.
pub async fn swi_net(_k: &K) -> i32 {
    0
}
