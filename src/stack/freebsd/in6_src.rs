//! `sys/netinet6/in6_src.c`: hop limits and source addresses.

use super::K;
use super::in6_c::is_linklocal;
use super::in6_fib::fib6_lookup;
use super::invariants;
use super::nd6::nd_ifinfo;
use super::objects::*;
use super::subr_epoch::{net_epoch_enter, net_epoch_exit};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet6/in6_src.c";

/// `IPV6_DEFHLIM`, also `V_ip6_defhlim`.
pub const IPV6_DEFHLIM: u8 = 64;

/// `in6_selecthlim`; inside the epoch. With neither a limit nor an interface it asks the
/// interface that a lookup finds: this is where the second report's kernel died.
pub async fn in6_selecthlim(k: &K, inp: InpId, ifp: IfId) -> i16 {
    let _f = k.frame(&Func { name: "in6_selecthlim", file: FILE });
    if !inp.is_null() && k[inp].in6p_hops.get() >= 0 {
        return k[inp].in6p_hops.get();
    }
    if !ifp.is_null() {
        invariants::check_afdata_use(k, ifp);
        return chlim(k, ifp, "ND_IFINFO(ifp)->chlim");
    }
    if !inp.is_null() && k[inp].faddr.get() != 0 {
        let nh = fib6_lookup(k, k[inp].faddr.get()).await;
        if !nh.is_null() {
            let nh_ifp = k[nh].nh_ifp.get();
            let _nh = k.hold(ObjRef::of(nh), false);
            let _ifp = k.hold(ObjRef::of(nh_ifp), false);
            k.yield_at("in6_selecthlim:ND_IFINFO").await;
            let ifp = k[nh].nh_ifp.get();
            invariants::check_afdata_use(k, ifp);
            return chlim(k, ifp, "ND_IFINFO(nh->nh_ifp)->chlim");
        }
    }
    i16::from(IPV6_DEFHLIM)
}

fn chlim(k: &K, ifp: IfId, what: &'static str) -> i16 {
    i16::from(nd_ifinfo(k, ifp, what).map_or(IPV6_DEFHLIM, |nd| nd.chlim.get()))
}

/// `in6_selectsrc`, as far as connect needs it: an address of ours, 0 for none. The
/// preference rules are left out: the first address that is ready and of the outgoing
/// interface, else the first one that is ready and not link-local.
pub async fn in6_selectsrc(k: &K, faddr: Addr) -> Addr {
    let _f = k.frame(&Func { name: "in6_selectsrc", file: FILE });
    net_epoch_enter(k);
    let nh = fib6_lookup(k, faddr).await;
    let mut best = 0;
    if !nh.is_null() {
        let _nh = k.hold(ObjRef::of(nh), false);
        k.yield_at("in6_selectsrc:in6_ifaddrhead").await;
        let ifp = k[nh].nh_aifp.get();
        let mut ia = k.st.v_in6_ifaddrhead.first.get();
        while !ia.is_null() && k.fuel() {
            let a = &k[ia];
            let ready = a.ia6_flags.get() & (IN6_IFF_NOTREADY | IN6_IFF_DETACHED) == 0;
            if ready && is_linklocal(a.addr.get()) == is_linklocal(faddr) {
                if a.ifa_ifp.get() == ifp {
                    best = a.addr.get();
                    break;
                }
                if best == 0 {
                    best = a.addr.get();
                }
            }
            ia = a.ia_link.next.get();
        }
    }
    net_epoch_exit(k);
    best
}
