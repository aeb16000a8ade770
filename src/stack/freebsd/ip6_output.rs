//! `sys/netinet6/ip6_output.c`: an IPv6 packet finds its interface, along a socket's
//! cached route where there is one.

use super::if_ether::EWOULDBLOCK;
use super::in6_fib::fib6_lookup;
use super::ip_output::{cache_nexthop, cached_nexthop, if_output, nh_is_valid};
use super::nd6::nd_ifinfo;
use super::objects::*;
use super::{EHOSTUNREACH, K};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet6/ip6_output.c";

/// `ip6_output` of a packet to `dst`; `cached`: with the route cache of the pcb. Inside
/// the epoch, with the pcb's lock held.
pub async fn ip6_output(k: &K, inp: InpId, dst: Addr, cached: bool) -> i32 {
    let _f = k.frame(&Func { name: "ip6_output", file: FILE });
    let mut nh = if cached { cached_nexthop(k, inp, dst).await } else { NhId::NULL };
    if nh.is_null() {
        nh = fib6_lookup(k, dst).await;
        if nh.is_null() {
            return EHOSTUNREACH;
        }
        if cached {
            cache_nexthop(k, inp, dst, nh);
            if !nh_is_valid(k, nh) {
                return EHOSTUNREACH;
            }
        }
    }
    let _nh = k.hold(ObjRef::of(nh), false);
    k.yield_at("ip6_output:nexthop").await;
    let n = &k[nh];
    let ifp = n.nh_ifp.get();
    // ifs6_out_request is counted in the interface's in6_ifextra.
    if nd_ifinfo(k, ifp, "in6_ifstat_inc(ifp, ifs6_out_request)").is_none() {
        return EHOSTUNREACH;
    }
    let _ifp = k.hold(ObjRef::of(ifp), false);
    k.yield_at("ip6_output:ip6_getpmtu").await;
    if nd_ifinfo(k, ifp, "IN6_LINKMTU(ifp)").is_none() {
        return EHOSTUNREACH;
    }
    let n = &k[nh];
    let gw = match n.gw.get() {
        Gw::Addr(gw) if n.nh_flags.get() & NHF_GATEWAY != 0 => gw,
        _ => dst,
    };
    match if_output(k, ifp, Af::Inet6, gw).await {
        EWOULDBLOCK => 0,
        error => error,
    }
}
