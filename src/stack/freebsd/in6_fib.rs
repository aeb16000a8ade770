//! `sys/netinet6/in6_fib.c`: IPv6 lookup.

use super::K;
use super::defects as d;
use super::in_fib::{Lookup, fib_lookup};
use super::objects::*;
use crate::kern::trace::Func;

/// What the lookup of this family is called.
static LOOKUP: Lookup = Lookup { dp: "fib6_lookup:dp", nhop: "fib6_lookup:nhop" };

/// `fib6_lookup`: the nexthop, without a reference; call it inside the epoch.
pub async fn fib6_lookup(k: &K, dst: Addr) -> NhId {
    let _f = k.frame(&Func { name: "fib6_lookup", file: "sys/netinet6/in6_fib.c" });
    let nh = fib_lookup(k, Af::Inet6, dst, &LOOKUP).await;
    if k.on(d::F6_LOOKUP_CHECKS_DYING) && !nh.is_null() {
        let ifp = k[nh].nh_ifp.get();
        if k[ifp].if_flags.get() & IFF_DYING != 0 {
            return NhId::NULL;
        }
    }
    nh
}
