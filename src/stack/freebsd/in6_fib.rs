//! `sys/netinet6/in6_fib.c`, `in6_fib_algo.c`: IPv6 lookup.

use super::K;
use super::objects::*;

/// `fib6_lookup`: the nexthop, without a reference; call it inside the epoch.
pub async fn fib6_lookup(_k: &K, _dst: Addr) -> NhId {
    NhId::NULL
}
