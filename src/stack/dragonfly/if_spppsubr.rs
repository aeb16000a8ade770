//! `sys/net/sppp/if_spppsubr.c`: synchronous PPP, as far as it touches addresses.
//!
//! The state machines of LCP and IPCP are reduced to open or not: a peer is taken to
//! agree at once, except when the program lets it refuse our address.

use super::K;
use super::defects as d;
use super::if_c::{if_down, if_up, ifunit};
use super::in_c::{hash_insert, hash_remove};
use super::lwkt::*;
use super::objects::*;
use super::route::{Old, Req, rtinit};
use super::sockaddr::{ifa_family, load_sa};
use super::{ENOTCONN, ENXIO};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/net/sppp/if_spppsubr.c";

/// The first AF_INET address of the interface, bare.
fn first_inet(k: &K, ifp: IfId) -> IfaId {
    let mut i = k[ifp].if_addrhead.first.get();
    while !i.is_null() && k.fuel() {
        if ifa_family(k, i) == AF_INET {
            return i;
        }
        i = k[i].ifa_link.next.get();
    }
    IfaId::NULL
}

/// `sppp_get_ip_addrs`: ours and his, 0 for none.
fn sppp_get_ip_addrs(k: &K, ifp: IfId) -> (u32, u32) {
    let i = first_inet(k, ifp);
    if i.is_null() {
        return (0, 0);
    }
    let src = load_sa(k, k[i].ifa_addr.get(), "ifa->ifa_addr").map_or(0, |s| s.addr);
    let dst = load_sa(k, k[i].ifa_dstaddr.get(), "ifa->ifa_dstaddr").map_or(0, |s| s.addr);
    (src, dst)
}

/// `sppp_set_ip_addr`: changes the first address in place.
async fn sppp_set_ip_addr(k: &K, ifp: IfId, src: u32) {
    let _f = k.frame(&Func { name: "sppp_set_ip_addr", file: FILE });
    // sppp_ioctl calls this under the serializer (W10). By then if_down has scrubbed
    // the route and cleared IFA_ROUTE, so that a message is sent only by code that does
    // not look at the flag.
    let ifa = first_inet(k, ifp);
    if !ifa.is_null() && !taken(k, ifp, ifa, src) {
        let _ifa = hold_ia(k, ifa);
        let blind = k.on(d::SPPP_IFA_ROUTE);
        let routed = k[ifa].ifa_flags.get() & IFA_ROUTE != 0;
        if blind || routed {
            rtinit(k, ifa, Req::Delete, RTF_HOST, Old::default()).await;
        }
        // si points at ia_addr: the address is written in place.
        k[ifa].ia_addr.set(Sin::inet(src));
        hash_remove(k, ifa);
        hash_insert(k, ifa);
        if blind || routed {
            let error = rtinit(k, ifa, Req::Add, RTF_HOST, Old::default()).await;
            if !blind {
                let a = &k[ifa];
                let f = a.ifa_flags.get();
                a.ifa_flags.set(if error == 0 { f | IFA_ROUTE } else { f & !IFA_ROUTE });
                a.user_deleted.set(false);
            }
        }
    }
}

/// Ours: whether another address of the interface is `src` already.
fn taken(k: &K, ifp: IfId, ifa: IfaId, src: u32) -> bool {
    if k.on(d::SPPP_DUPLICATE_ADDR) {
        return false;
    }
    let mut i = k[ifp].if_addrhead.first.get();
    while !i.is_null() && k.fuel() {
        if i != ifa && k[i].ia_addr.get() == Sin::inet(src) {
            return true;
        }
        i = k[i].ifa_link.next.get();
    }
    false
}

/// `sppp_ipcp_open`: our address is dynamic when it is 0.
fn sppp_ipcp_open(k: &K, ifp: IfId) {
    let (my, his) = sppp_get_ip_addrs(k, ifp);
    if his == 0 {
        return;
    }
    k.st.ipcp_open.set(true);
    k.st.ipcp_myaddr_dyn.set(my == 0);
}

/// `sppp_ipcp_close`.
async fn sppp_ipcp_close(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "sppp_ipcp_close", file: FILE });
    k.st.ipcp_open.set(false);
    if k.st.ipcp_myaddr_dyn.get() {
        sppp_set_ip_addr(k, ifp, 0).await;
    }
}

/// `sppp_lcp_tld`: takes the upper layers down.
async fn sppp_lcp_tld(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "sppp_lcp_tld", file: FILE });
    if k.st.ipcp_open.get() {
        sppp_ipcp_close(k, ifp).await;
    }
}

/// `sppp_lcp_close`.
async fn sppp_lcp_close(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "sppp_lcp_close", file: FILE });
    if k.st.lcp_open.get() {
        k.st.lcp_open.set(false);
        sppp_lcp_tld(k, ifp).await;
    }
}

/// `sppp_ioctl`, `case SIOCSIFFLAGS`, with the serializer held.
pub async fn sppp_ioctl_flags(k: &K, ifp: IfId) -> i32 {
    let _f = k.frame(&Func { name: "sppp_ioctl", file: FILE });
    let flags = k[ifp].if_flags.get();
    match (flags & IFF_UP != 0, flags & IFF_RUNNING != 0) {
        (false, true) => {
            sppp_lcp_close(k, ifp).await;
            k[ifp].if_flags.set(k[ifp].if_flags.get() & !IFF_RUNNING);
        }
        (true, false) => {
            sppp_lcp_close(k, ifp).await;
            k[ifp].if_flags.set(k[ifp].if_flags.get() | IFF_RUNNING);
        }
        _ => {}
    }
    0
}

/// The lower layer comes up and the peer agrees: `sppp_lcp_up`, `sppp_lcp_tlu`.
pub async fn ppp_up(k: &K, name: u8) -> i32 {
    let _f = k.frame(&Func { name: "sppp_lcp_up", file: FILE });
    control_enter(k, Some(d::C1_SPPP_UNSERIALIZED)).await;
    let ifp = ifunit(k, name);
    if ifp.is_null() {
        control_exit(k);
        return ENXIO;
    }
    let _ifp = k.hold(ObjRef::of(ifp), false);
    lcp_up(k, ifp).await;
    control_exit(k);
    0
}

async fn lcp_up(k: &K, ifp: IfId) {
    k[ifp].if_flags.set(k[ifp].if_flags.get() | IFF_RUNNING);
    k.st.lcp_open.set(true);
    let _f = k.frame(&Func { name: "sppp_lcp_tlu", file: FILE });
    if k[ifp].if_flags.get() & IFF_UP == 0 {
        if_up(k, ifp).await;
    }
    sppp_ipcp_open(k, ifp);
}

/// The lower layer goes down: `sppp_lcp_down`.
pub async fn ppp_down(k: &K, name: u8) -> i32 {
    control_enter(k, Some(d::C1_SPPP_UNSERIALIZED)).await;
    let ifp = ifunit(k, name);
    if ifp.is_null() || !k.st.lcp_open.get() {
        control_exit(k);
        return ENOTCONN;
    }
    let _ifp = k.hold(ObjRef::of(ifp), false);
    lcp_down(k, ifp).await;
    control_exit(k);
    0
}

async fn lcp_down(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "sppp_lcp_down", file: FILE });
    k.st.lcp_open.set(false);
    sppp_lcp_tld(k, ifp).await;
    if_down(k, ifp).await;
}

/// The link drops and comes back: down, then up.
pub async fn ppp_reconnect(k: &K, name: u8) -> i32 {
    control_enter(k, Some(d::C1_SPPP_UNSERIALIZED)).await;
    let ifp = ifunit(k, name);
    if ifp.is_null() {
        control_exit(k);
        return ENXIO;
    }
    let _ifp = k.hold(ObjRef::of(ifp), false);
    lcp_down(k, ifp).await;
    lcp_up(k, ifp).await;
    control_exit(k);
    0
}

/// The peer refuses our address and offers another: `sppp_ipcp_RCN_nak`.
pub async fn ppp_nak(k: &K, name: u8, addr: u32) -> i32 {
    let _f = k.frame(&Func { name: "sppp_ipcp_RCN_nak", file: FILE });
    control_enter(k, Some(d::C1_SPPP_UNSERIALIZED)).await;
    let ifp = ifunit(k, name);
    if ifp.is_null() || !k.st.ipcp_open.get() || !k.st.ipcp_myaddr_dyn.get() {
        control_exit(k);
        return ENOTCONN;
    }
    let _ifp = k.hold(ObjRef::of(ifp), false);
    k.yield_at("sppp_ipcp_RCN_nak:kmalloc").await;
    sppp_set_ip_addr(k, ifp, addr).await;
    control_exit(k);
    0
}

/// The driver takes its interface down or up by itself. sppp does when it notices loopback
/// (`if_down` in sppp_lcp_RCR) and when the line is good (`if_up` in sppp_lcp_tlu); for the
/// other point-to-point drivers this stands for what the tree has in sl and ppp.
pub async fn link_change(k: &K, name: u8, up: bool) -> i32 {
    let _f = k.frame(match (super::verbs::IFS[usize::from(name)], up) {
        ("sppp0", false) => &Func { name: "sppp_lcp_RCR", file: FILE },
        ("sppp0", true) => &Func { name: "sppp_lcp_tlu", file: FILE },
        _ => &Func { name: "link_change", file: "the driver" },
    });
    control_enter(k, Some(d::W12_IFUNROUTE_WALK)).await;
    let ifp = ifunit(k, name);
    if ifp.is_null() {
        control_exit(k);
        return ENXIO;
    }
    let is_up = k[ifp].if_flags.get() & IFF_UP != 0;
    let error = match (is_up, up) {
        (true, false) => {
            if_down(k, ifp).await;
            0
        }
        (false, true) => {
            if_up(k, ifp).await;
            0
        }
        _ => super::EALREADY,
    };
    control_exit(k);
    error
}
