//! `sys/netinet/ip_input.c`: packets are forwarded, with the route cache of each CPU.

use super::defects as d;
use super::ip_flow::ipflow_create;
use super::ip_output::output_along;
use super::netisr::Packet;
use super::objects::*;
use super::route::*;
use super::{EHOSTUNREACH, K};
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet/ip_input.c";

/// `ip_forward`.
pub fn ip_forward(k: &K, cpu: usize, p: Packet) -> i32 {
    let _f = k.frame(&Func { name: "ip_forward", file: FILE });
    let cached = k.st.ipforward_rt[cpu].get();
    if cached.is_null() || k.st.ipforward_dst[cpu].get() != p.dst {
        if !cached.is_null() {
            k.st.ipforward_rt[cpu].set(RtId::NULL);
            rtfree(k, cached);
        }
        k.st.ipforward_dst[cpu].set(p.dst);
        let rt = rtalloc_ign(k, RtId::NULL, p.dst, RTF_PRCLONING);
        k.st.ipforward_rt[cpu].set(rt);
    }
    let mut rt = k.st.ipforward_rt[cpu].get();
    if rt.is_null() {
        return EHOSTUNREACH;
    }
    // Looks at where the packet came in, for redirects.
    let _same = k[rt].rt_ifp.get() == p.rcvif;
    // ip_output checks the cached route once more.
    if k[rt].rt_flags.get() & RTF_UP == 0 {
        k.st.ipforward_rt[cpu].set(RtId::NULL);
        rtfree(k, rt);
        rt = rtalloc_ign(k, RtId::NULL, p.dst, RTF_PRCLONING);
        k.st.ipforward_rt[cpu].set(rt);
        if rt.is_null() {
            return EHOSTUNREACH;
        }
    }
    let error = output_along(k, rt, p.dst);
    // The flow gets the route of the cache, which output may have emptied: where it clones an
    // entry, in_addroute purges.
    let cached = k.st.ipforward_rt[cpu].get();
    if error == 0 && (!cached.is_null() || k.on(d::IPFLOW_CREATE_NULL)) {
        ipflow_create(k, cached, p.dst);
    }
    error
}
