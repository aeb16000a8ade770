//! `sys/netinet/in_fib.c`: IPv4 lookup, and what it has in common with IPv6's.

use super::K;
use super::in_fib_algo::{lradix_lookup, radix_lookup};
use super::nhop::family;
use super::nhop_ctl::{hold, nhop_select};
use super::objects::*;
use super::subr_epoch::net_epoch_assert;
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

/// Names of the yield points of a lookup.
#[derive(Debug)]
pub struct Lookup {
    /// Between loading the datapath's pointer and following it.
    pub dp: &'static str,
    /// Between finding a nexthop and following it.
    pub nhop: &'static str,
}

/// What `fib4_lookup` and `fib6_lookup` have in common.
pub async fn fib_lookup(k: &K, af: Af, dst: Addr, names: &'static Lookup) -> NhId {
    net_epoch_assert(k);
    let fd = k.st.v_inet_dp[family(af)].get();
    if fd.is_null() {
        return NhId::NULL;
    }
    // The function stands beside the pointer, not in what that points to.
    let nh = match k.st.fds.raw(fd).fd_flm.get() {
        Flm::RadixLockless => {
            let _fd = k.hold(ObjRef::of(fd), false);
            k.yield_at(names.dp).await;
            lradix_lookup(k, fd, dst)
        }
        Flm::Radix => {
            k.yield_at(names.dp).await;
            radix_lookup(k, af, dst).await
        }
    };
    if nh.is_null() {
        return NhId::NULL;
    }
    let found = hold(k, nh, false);
    k.yield_at(names.nhop).await;
    let nh = nhop_select(k, nh, dst);
    drop(found);
    let _nh = k.hold(ObjRef::of(nh), false);
    let ifp = k[nh].nh_ifp.get();
    // RT_LINK_IS_UP
    if k[ifp].if_cap_linkstate.get() && !k[ifp].if_link_state_up.get() {
        return NhId::NULL;
    }
    nh
}

/// What the lookup of this family is called.
static LOOKUP: Lookup = Lookup { dp: "fib4_lookup:dp", nhop: "fib4_lookup:nhop" };

/// `fib4_lookup`: the nexthop, without a reference; call it inside the epoch.
pub async fn fib4_lookup(k: &K, dst: Addr) -> NhId {
    let _f = k.frame(&Func { name: "fib4_lookup", file: "sys/netinet/in_fib.c" });
    fib_lookup(k, Af::Inet, dst, &LOOKUP).await
}
