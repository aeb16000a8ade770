//! `sys/netinet/in_fib.c`, `in_fib_algo.c`: IPv4 lookup.

use super::K;
use super::fib_algo::{Lookup, fib_lookup};
use super::objects::*;
use crate::kern::trace::Func;

/// What the lookup of this family is called.
static LOOKUP: Lookup = Lookup { dp: "fib4_lookup:dp", nhop: "fib4_lookup:nhop" };

/// `fib4_lookup`: the nexthop, without a reference; call it inside the epoch.
pub async fn fib4_lookup(k: &K, dst: Addr) -> NhId {
    let _f = k.frame(&Func { name: "fib4_lookup", file: "sys/netinet/in_fib.c" });
    fib_lookup(k, Af::Inet, dst, &LOOKUP).await
}
