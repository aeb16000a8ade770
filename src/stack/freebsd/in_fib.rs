//! `sys/netinet/in_fib.c`, `in_fib_algo.c`: IPv4 lookup.

use super::K;
use super::objects::*;

/// `fib4_lookup`: the nexthop, without a reference; call it inside the epoch.
pub async fn fib4_lookup(_k: &K, _dst: Addr) -> NhId {
    NhId::NULL
}
