//! `sys/netinet/tcp_usrreq.c`: connect, send, close.

use super::K;
use super::objects::*;

/// `tcp_usr_connect`, `tcp6_usr_connect`.
pub async fn tcp_usr_connect(_k: &K, _sock: usize, _af: Af, _faddr: Addr) -> i32 {
    0
}
/// `tcp_usr_send`.
pub async fn tcp_usr_send(_k: &K, _sock: usize) -> i32 {
    0
}
/// All that was sent is acknowledged: `tcp_input`, as far as the timer is concerned.
pub async fn tcp_ack(_k: &K, _sock: usize) -> i32 {
    0
}
/// `tcp_usr_close`.
pub async fn tcp_usr_close(_k: &K, _sock: usize) -> i32 {
    0
}
