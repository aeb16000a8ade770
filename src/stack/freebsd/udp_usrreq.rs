//! `sys/netinet/udp_usrreq.c`, `sys/netinet6/udp6_usrreq.c`.

use super::K;
use super::objects::*;

/// `udp_connect`, `udp6_connect`.
pub async fn udp_connect(_k: &K, _sock: usize, _af: Af, _faddr: Addr) -> i32 {
    0
}
/// `udp_send`, `udp6_send`.
pub async fn udp_send(_k: &K, _sock: usize, _af: Af, _faddr: Addr) -> i32 {
    0
}
/// `udp_close`.
pub async fn udp_close(_k: &K, _sock: usize) -> i32 {
    0
}
