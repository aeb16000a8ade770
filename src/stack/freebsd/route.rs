//! `sys/net/route.c`, and the searches of `sys/net/if.c` that it calls: which address and
//! which interface a route gets.
//!
//! The searches walk interfaces and addresses without a lock, inside the epoch, and return
//! a bare address. In the original none of them looks at IFF_DYING.

use super::defects as d;
use super::if_c::ifnet_byindex;
use super::in_c::dying;
use super::objects::*;
use super::route_ctl::RtAddrinfo;
use super::{ENETUNREACH, K, in_fib, in6_fib};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/net/route.c";

/// The interfaces on `V_ifnet`.
fn ifnets(k: &K) -> impl Iterator<Item = IfId> + '_ {
    let mut ifp = k.st.v_ifnet.first.get();
    std::iter::from_fn(move || {
        let this = ifp;
        (!this.is_null() && k.fuel()).then(|| {
            ifp = k[this].if_link.next.get();
            this
        })
    })
}

/// The addresses of a family on `if_addrhead`.
fn ifas(k: &K, ifp: IfId, af: Af) -> impl Iterator<Item = IfaId> + '_ {
    let mut ifa = k[ifp].if_addrhead.first.get();
    let all = std::iter::from_fn(move || {
        let this = ifa;
        (!this.is_null() && k.fuel()).then(|| {
            ifa = k[this].ifa_link.next.get();
            this
        })
    });
    all.filter(move |&ifa| k[ifa].af.get() == af)
}

fn is_ptp(k: &K, ifp: IfId) -> bool {
    k[ifp].if_flags.get() & IFF_POINTOPOINT != 0
}

fn far_end_is(k: &K, ifa: IfaId, addr: Addr) -> bool {
    k[ifa].dstaddr.get() != 0 && k[ifa].dstaddr.get() == addr
}

fn on_net(k: &K, ifa: IfaId, addr: Addr) -> bool {
    Prefix::new(k[ifa].addr.get(), k[ifa].bits.get()).covers(addr)
}

/// `ifa_ifwithaddr` (`if.c`): the address itself, on whichever interface.
pub fn ifa_ifwithaddr(k: &K, af: Af, addr: Addr) -> IfaId {
    let mut all = ifnets(k).flat_map(|ifp| ifas(k, ifp, af));
    all.find(|&ifa| k[ifa].addr.get() == addr).unwrap_or(IfaId::NULL)
}

/// `ifa_ifwithdstaddr` (`if.c`): the near end of the point-to-point link to an address.
pub fn ifa_ifwithdstaddr(k: &K, af: Af, addr: Addr) -> IfaId {
    let mut all = ifnets(k).filter(|&ifp| is_ptp(k, ifp)).flat_map(|ifp| ifas(k, ifp, af));
    all.find(|&ifa| far_end_is(k, ifa, addr)).unwrap_or(IfaId::NULL)
}

/// `ifa_ifwithnet` (`if.c`): an address of the most specific network that an address is
/// on.
pub fn ifa_ifwithnet(k: &K, af: Af, addr: Addr) -> IfaId {
    let mut best = IfaId::NULL;
    for ifp in ifnets(k) {
        for ifa in ifas(k, ifp, af) {
            if af == Af::Inet && is_ptp(k, ifp) {
                if far_end_is(k, ifa, addr) {
                    return ifa;
                }
            } else if on_net(k, ifa, addr)
                && (best.is_null() || k[ifa].bits.get() > k[best].bits.get())
            {
                best = ifa;
            }
        }
    }
    best
}

/// `ifaof_ifpforaddr` (`if.c`): the address of an interface that suits a destination best;
/// any of the family before none.
pub fn ifaof_ifpforaddr(k: &K, af: Af, addr: Addr, ifp: IfId) -> IfaId {
    let mut maybe = IfaId::NULL;
    for ifa in ifas(k, ifp, af) {
        if maybe.is_null() {
            maybe = ifa;
        }
        let suits = if is_ptp(k, ifp) { far_end_is(k, ifa, addr) } else { on_net(k, ifa, addr) };
        if suits {
            return ifa;
        }
    }
    maybe
}

/// The AF_LINK address of the interface of an index. Repaired, a dying one has none: `if_addr`
/// still names what its detach has freed.
fn ifa_ifwithindex(k: &K, index: u8) -> IfaId {
    let ifp = ifnet_byindex(k, index);
    let gone = |ifp| !k.on(d::ROUTE_ADD_DYING_IFP) && dying(k, ifp);
    if ifp.is_null() || gone(ifp) { IfaId::NULL } else { k[ifp].if_addr.get() }
}

/// `fib4_lookup` or `fib6_lookup` (`rib_lookup` of `route_helpers.c`).
pub async fn rib_lookup(k: &K, af: Af, dst: Addr) -> NhId {
    match af {
        Af::Inet => in_fib::fib4_lookup(k, dst).await,
        _ => in6_fib::fib6_lookup(k, dst).await,
    }
}

/// `ifa_ifwithroute`: the address of a route, by its gateway or, for a route without one,
/// by its destination.
async fn ifa_ifwithroute(k: &K, info: &RtAddrinfo) -> IfaId {
    let _f = k.frame(&Func { name: "ifa_ifwithroute", file: FILE });
    let (af, dst) = (info.af, info.dst.addr);
    let mut ifa = IfaId::NULL;
    if info.rti_flags & RTF_GATEWAY == 0 {
        if info.is_host() {
            ifa = ifa_ifwithdstaddr(k, af, dst);
        }
        if let (true, Gw::Addr(own)) = (ifa.is_null(), info.gateway) {
            ifa = ifa_ifwithaddr(k, af, own);
        }
    } else if let Gw::Addr(gw) = info.gateway {
        ifa = ifa_ifwithdstaddr(k, af, gw);
    }
    if ifa.is_null() {
        ifa = match info.gateway {
            Gw::Addr(gw) => ifa_ifwithnet(k, af, gw),
            Gw::Link(index) => ifa_ifwithindex(k, index),
            Gw::None => IfaId::NULL,
        };
    }
    if let (true, Gw::Addr(gw)) = (ifa.is_null(), info.gateway) {
        let nh = rib_lookup(k, af, gw).await;
        if nh.is_null() || k[nh].nh_flags.get() & NHF_DEFAULT != 0 {
            return IfaId::NULL;
        }
        ifa = k[nh].nh_ifa.get();
    }
    if !ifa.is_null() && k[ifa].af.get() != af {
        let better = ifaof_ifpforaddr(k, af, dst, k[ifa].ifa_ifp.get());
        if !better.is_null() {
            ifa = better;
        }
    }
    ifa
}

/// `rt_getifa_fib`: fills in the address and the interface of a route.
pub async fn rt_getifa_fib(k: &K, info: &mut RtAddrinfo) -> i32 {
    let _f = k.frame(&Func { name: "rt_getifa_fib", file: FILE });
    if info.rti_ifa.is_null() {
        if info.rti_ifp.is_null() {
            info.rti_ifa = ifa_ifwithroute(k, info).await;
        } else {
            let by = match info.gateway {
                Gw::Addr(gw) if info.rti_flags & RTF_GATEWAY != 0 => gw,
                _ => info.dst.addr,
            };
            info.rti_ifa = ifaof_ifpforaddr(k, info.af, by, info.rti_ifp);
            if info.rti_ifa.is_null() {
                info.rti_ifa = match info.gateway {
                    Gw::Addr(gw) => ifaof_ifpforaddr(k, info.af, gw, info.rti_ifp),
                    Gw::Link(_) => ifas(k, info.rti_ifp, Af::Link).next().unwrap_or(IfaId::NULL),
                    Gw::None => IfaId::NULL,
                };
            }
        }
    }
    if info.rti_ifa.is_null() {
        return ENETUNREACH;
    }
    let _ifa = k.hold(ObjRef::of(info.rti_ifa), false);
    k.yield_at("rt_getifa_fib:ifa").await;
    if info.rti_ifp.is_null() {
        info.rti_ifp = k[info.rti_ifa].ifa_ifp.get();
    }
    0
}
