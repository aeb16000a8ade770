//! `sys/netinet6/nd6_rtr.c`: routers and prefixes.

use super::K;
use super::objects::*;

/// A router advertisement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ra {
    /// The router's link-local address, without scope.
    pub from: Addr,
    /// Router lifetime, s; 0 ends its being a default router.
    pub lifetime: u16,
    /// The prefix information option: on-link and autonomous; addr 0 for none.
    pub prefix: Prefix,
    /// Valid lifetime of the prefix, s.
    pub vltime: u32,
}

/// `nd6_ra_input`; inside the epoch.
pub async fn nd6_ra_input(_k: &K, _ifp: IfId, _ra: Ra) {}
