//! `sys/netinet/ip_output.c`, as far as it handles the cached route.

use super::if_ether::arpresolve;
use super::objects::*;
use super::route::*;
use super::{EHOSTUNREACH, K};
use crate::kern::trace::Func;

/// `ip_output` to `dst` along the route cache of a pcb.
pub fn ip_output(k: &K, inp: InpId, dst: u32) -> i32 {
    let _f = k.frame(&Func { name: "ip_output", file: "sys/netinet/ip_output.c" });
    let p = &k[inp];
    let rt = p.ro_rt.get();
    if !rt.is_null() && (k[rt].rt_flags.get() & RTF_UP == 0 || p.ro_dst.get() != dst) {
        p.ro_rt.set(RtId::NULL);
        rtfree(k, rt);
    }
    if p.ro_rt.get().is_null() {
        p.ro_dst.set(dst);
        let rt = rtalloc_ign(k, RtId::NULL, dst, RTF_PRCLONING);
        p.ro_rt.set(rt);
    }
    let rt = p.ro_rt.get();
    if rt.is_null() {
        return EHOSTUNREACH;
    }
    output_along(k, rt, dst)
}

/// The interface's `if_output` for a packet to `dst` along `rt`.
pub fn output_along(k: &K, rt: RtId, dst: u32) -> i32 {
    let ifp = k[rt].rt_ifp.get();
    let next = match k[rt].rt_gateway.get() {
        Gateway::Inet(g) if k[rt].rt_flags.get() & RTF_GATEWAY != 0 => g,
        _ => dst,
    };
    if k[ifp].if_flags.get() & IFF_BROADCAST != 0 {
        // ether_output
        return arpresolve(k, rt, next);
    }
    0
}
