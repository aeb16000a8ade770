//! `mpd5`, `src/iface.c`: what the PPP daemon does to the kernel when a session comes up,
//! goes down, and comes back.

use super::K;

/// What the daemon knows of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Session {
    /// The session is up.
    pub up: bool,
}

/// The session comes up: IPCP and IPV6CP.
pub async fn session_up(_k: &K, _unit: u8) -> i32 {
    0
}
/// The session is lost.
pub async fn session_down(_k: &K, _unit: u8) -> i32 {
    0
}
/// The session is lost, its node shut down, and a new one made.
pub async fn reconnect(_k: &K, _unit: u8) -> i32 {
    0
}
