//! `sys/net/rtsock.c`: the routing socket.

use super::K;
use super::objects::*;
use super::route_ctl::Rtm;

/// A routing message of the user.
#[derive(Clone, Copy, Debug, Default)]
pub struct RouteReq {
    /// Family.
    pub af: Af,
    /// Destination.
    pub dst: Prefix,
    /// Through an address, or through the interface of that name slot.
    pub via: Via,
    /// RTF_STATIC, as route(8) sets it.
    pub is_static: bool,
    /// Added beside what is there: multipath.
    pub append: bool,
}

/// What a routing message names as gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// Nothing.
    #[default]
    None,
    /// An address.
    Addr(Addr),
    /// An interface, by its name slot: route(8) turns it into an index.
    If(u8),
}

/// `route_output`.
pub async fn route_output(_k: &K, _rtm: Rtm, _req: RouteReq) -> i32 {
    0
}
