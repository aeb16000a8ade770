//! `sys/netinet/if_ether.c`: ARP.

use super::K;
use super::objects::*;

/// `arpresolve`: finds or makes the entry of a neighbour.
pub async fn arpresolve(_k: &K, _ifp: IfId, _addr: Addr) -> i32 {
    0
}
/// `arptimer`: an entry's timer has fired.
pub async fn arptimer(_k: &K, _lle: LleId) {}
/// A packet for `addr` is to leave through an interface: `arpresolve` inside the epoch.
pub async fn resolve(_k: &K, _name: u8, _addr: Addr) -> i32 {
    0
}
