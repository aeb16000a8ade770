//! `sys/net/if_ethersubr.c`: what Ethernet drivers share.

use super::if_c::{if_attach, if_detach};
use super::if_ether::arpresolve;
use super::nd6::nd6_resolve;
use super::objects::*;
use super::{K, bpf};
use crate::kern::trace::Func;

const FILE: &str = "sys/net/if_ethersubr.c";

/// `ether_ifattach`.
pub async fn ether_ifattach(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "ether_ifattach", file: FILE });
    if_attach(k, ifp).await;
    k.yield_at("ether_ifattach:bpfattach").await;
    bpf::bpfattach(k, ifp).await;
}

/// `ether_ifdetach`.
pub async fn ether_ifdetach(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "ether_ifdetach", file: FILE });
    bpf::bpfdetach(k, ifp).await;
    k.yield_at("ether_ifdetach:if_detach").await;
    if_detach(k, ifp).await;
}

/// `ether_ioctl`: SIOCSIFADDR, for an interface that gets an address.
pub fn ether_ioctl(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "ether_ioctl", file: FILE });
    let flags = &k[ifp].if_flags;
    flags.set(flags.get() | IFF_UP);
}

/// `ether_output`: asks for the neighbour, and sends nothing.
pub async fn ether_output(k: &K, ifp: IfId, af: Af, gw: Addr) -> i32 {
    let _f = k.frame(&Func { name: "ether_output", file: FILE });
    match af {
        Af::Inet => arpresolve(k, ifp, gw).await,
        _ => nd6_resolve(k, ifp, gw).await,
    }
}
