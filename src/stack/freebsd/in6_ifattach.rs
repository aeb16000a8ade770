//! `sys/netinet6/in6_ifattach.c`: IPv6 comes to an interface and leaves it.

use super::K;
use super::objects::*;

/// `in6_ifattach`: the link-local address, where an interface has one of its own.
pub async fn in6_ifattach(_k: &K, _ifp: IfId) {}
/// `in6_ifdetach`.
pub async fn in6_ifdetach(_k: &K, _ifp: IfId) {}
