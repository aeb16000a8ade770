//! `sys/net/route/route_ifaddrs.c`: routes that addresses bring.

use super::if_c::ifaof_ifpforaddr;
use super::objects::*;
use super::route_ctl::{RtAddrinfo, Rtm, rib_action};
use super::subr_epoch::{net_epoch_enter, net_epoch_exit};
use super::{EHOSTUNREACH, ENETUNREACH, K};
use crate::kern::trace::Func;

const FILE: &str = "sys/net/route/route_ifaddrs.c";

/// `rib_handle_ifaddr_info`, with `rib_handle_ifaddr_one`: there is one FIB. Inside the
/// epoch.
pub async fn rib_handle_ifaddr_info(k: &K, rtm: Rtm, info: &RtAddrinfo) -> i32 {
    let _f = k.frame(&Func { name: "rib_handle_ifaddr_info", file: FILE });
    let error = rib_action(k, rtm, info).await;
    match (rtm, error) {
        (Rtm::Delete, 0) => 0,
        (Rtm::Delete, _) if info.rti_flags & RTF_HOST != 0 => EHOSTUNREACH,
        (Rtm::Delete, _) => ENETUNREACH,
        _ => error,
    }
}

/// `ifa_maintain_loopback_route`: the self route of an address, through lo0; its gateway
/// names the interface of the address.
pub async fn ifa_maintain_loopback_route(k: &K, rtm: Rtm, ifa: IfaId, addr: Addr) -> i32 {
    let _f = k.frame(&Func { name: "ifa_maintain_loopback_route", file: FILE });
    let af = k[ifa].af.get();
    let ifp = k[ifa].ifa_ifp.get();
    net_epoch_enter(k);
    let mut info = RtAddrinfo {
        af,
        dst: Prefix { addr, bits: host_bits(af) },
        gateway: Gw::Link(k[ifp].if_index.get()),
        rti_flags: k[ifa].ifa_flags.get() | RTF_HOST | RTF_STATIC | RTF_PINNED,
        ..RtAddrinfo::default()
    };
    if rtm != Rtm::Delete {
        info.rti_ifp = k.st.v_loif.get();
    }
    if rtm == Rtm::Add {
        info.rti_ifa = ifaof_ifpforaddr(k, af, k[ifa].addr.get(), info.rti_ifp);
    }
    let error = rib_action(k, rtm, &info).await;
    net_epoch_exit(k);
    error
}

/// `ifa_add_loopback_route`.
pub async fn ifa_add_loopback_route(k: &K, ifa: IfaId, addr: Addr) -> i32 {
    ifa_maintain_loopback_route(k, Rtm::Add, ifa, addr).await
}

/// `ifa_del_loopback_route`.
pub async fn ifa_del_loopback_route(k: &K, ifa: IfaId, addr: Addr) -> i32 {
    ifa_maintain_loopback_route(k, Rtm::Delete, ifa, addr).await
}

/// `ifa_switch_loopback_route`.
pub async fn ifa_switch_loopback_route(k: &K, ifa: IfaId, addr: Addr) -> i32 {
    ifa_maintain_loopback_route(k, Rtm::Change, ifa, addr).await
}
