//! `sys/net/if_tuntap.c`: tun, an interface that a process holds open.

use super::K;

/// `tunopen`.
pub async fn tunopen(_k: &K) -> i32 {
    0
}
/// `tundtor`: the last close.
pub async fn tunclose(_k: &K) -> i32 {
    0
}
