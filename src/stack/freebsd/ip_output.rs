//! `sys/netinet/ip_output.c`: an IPv4 packet finds its interface, along a socket's cached
//! route where there is one.

use super::if_ether::EWOULDBLOCK;
use super::if_ethersubr::ether_output;
use super::in_fib::fib4_lookup;
use super::in_pcb::{nh_validate, ro_invalidate_cache};
use super::nhop_ctl::nhop_ref_any;
use super::objects::*;
use super::{EHOSTUNREACH, ENETDOWN, ENXIO, K};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet/ip_output.c";

/// `NH_IS_VALID`: the nexthop's interface counts as up.
pub fn nh_is_valid(k: &K, nh: NhId) -> bool {
    let ifp = k[nh].nh_ifp.get();
    !ifp.is_null() && (!k[ifp].if_cap_linkstate.get() || k[ifp].if_link_state_up.get())
}

/// The nexthop in a socket's cache, if it still serves for `dst`; a stale one is dropped.
pub async fn cached_nexthop(k: &K, inp: InpId, dst: Addr) -> NhId {
    if k[inp].ro_nh.get().is_null() {
        return NhId::NULL;
    }
    nh_validate(k, inp, k[inp].af.get()).await;
    let NhRef::Nh(nh) = k[inp].ro_nh.get() else { return NhId::NULL };
    if nh_is_valid(k, nh) && k[inp].ro_dst.get() == dst {
        return nh;
    }
    ro_invalidate_cache(k, inp).await;
    NhId::NULL
}

/// `NHR_REF`: a nexthop just looked up goes into a socket's cache.
pub fn cache_nexthop(k: &K, inp: InpId, dst: Addr, nh: NhId) {
    nhop_ref_any(k, NhRef::Nh(nh));
    k[inp].ro_nh.set(NhRef::Nh(nh));
    k[inp].ro_dst.set(dst);
}

/// `ip_output` of a packet to `dst`; `cached`: with the route cache of the pcb. Inside
/// the epoch, with the pcb's lock held.
pub async fn ip_output(k: &K, inp: InpId, dst: Addr, cached: bool) -> i32 {
    let _f = k.frame(&Func { name: "ip_output", file: FILE });
    let mut nh = if cached { cached_nexthop(k, inp, dst).await } else { NhId::NULL };
    if nh.is_null() {
        nh = fib4_lookup(k, dst).await;
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
    k.yield_at("ip_output:nexthop").await;
    let n = &k[nh];
    // The source address is read through it.
    let _ = k[n.nh_ifa.get()].addr.get();
    let gw = match n.gw.get() {
        Gw::Addr(gw) if n.nh_flags.get() & NHF_GATEWAY != 0 => gw,
        _ => dst,
    };
    match if_output(k, n.nh_ifp.get(), Af::Inet, gw).await {
        EWOULDBLOCK => 0,
        error => error,
    }
}

/// `ifp->if_output`: `ether_output`, `looutput`, `tunoutput`,
/// `ng_iface_output` or `ifdead_output`. The packet itself goes nowhere.
pub async fn if_output(k: &K, ifp: IfId, af: Af, gw: Addr) -> i32 {
    let methods = k[ifp].if_methods.get();
    let _ifp = k.hold(ObjRef::of(ifp), false);
    k.yield_at("if_output").await;
    if methods == Methods::Dead {
        return ENXIO;
    }
    let up = k[ifp].if_flags.get() & IFF_UP != 0;
    let running = k[ifp].if_drv_flags.get() & IFF_DRV_RUNNING != 0;
    match k[ifp].driver.get() {
        Driver::Lo => 0,
        Driver::Tun | Driver::Ng if up && running => 0,
        Driver::Epair if up && running => ether_output(k, ifp, af, gw).await,
        _ => ENETDOWN,
    }
}
