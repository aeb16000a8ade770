//! `sys/net/if_epair.c`: two interfaces that are one cable.

use super::K;
use super::objects::ScId;

/// `epair_tx_start_deferred`: a task.
pub async fn epair_tx_start_deferred(_k: &K, _sc: ScId) {}

/// A packet is sent through one half: `epair_transmit`; the errno.
pub async fn epair_transmit(_k: &K, _name: u8) -> i32 {
    0
}
