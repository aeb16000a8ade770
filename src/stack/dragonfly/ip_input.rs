//! `sys/netinet/ip_input.c`, `sys/net/netisr.c`: packets that wait for their netisr
//! and are forwarded, with the route cache of each CPU.

use super::defects as d;
use super::ip_flow::{ipflow_create, ipflow_fastforward};
use super::ip_output::output_along;
use super::lwkt::*;
use super::objects::*;
use super::route::*;
use super::{EHOSTUNREACH, EINVAL, ENETDOWN, ENOBUFS, ENXIO, K};
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet/ip_input.c";

/// Packets that one netisr's queue holds.
pub const QUEUE: usize = 3;

/// A packet that waits: where it came in, bare, and where it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Packet {
    /// `m_pkthdr.rcvif`.
    pub rcvif: IfId,
    /// `ip_dst`; 0 marks a free place.
    pub dst: u32,
}

/// A packet to `dst` arrives on an interface: `netisr_queue`, or at once by a flow.
pub fn packet_in(k: &K, name: u8, dst: u32, cpu: usize) -> i32 {
    let ifp = super::if_c::ifunit(k, name);
    if ifp.is_null() {
        return ENXIO;
    }
    if k[ifp].if_flags.get() & IFF_UP == 0 {
        return ENETDOWN;
    }
    if dst == 0 {
        return EINVAL;
    }
    k.set_cpu(cpu);
    if ipflow_fastforward(k, dst) {
        return 0;
    }
    match k.st.netisr[cpu].iter().find(|p| p.get().dst == 0) {
        Some(place) => {
            place.set(Packet { rcvif: ifp, dst });
            0
        }
        None => ENOBUFS,
    }
}

/// One step of a netisr: the first packet of its queue.
pub async fn netisr_step(k: &K, cpu: usize) -> i32 {
    k.lock(cpu_portfn(cpu)).await;
    k.set_cpu(cpu);
    let served = serve_one(k, cpu);
    k.unlock(cpu_portfn(cpu));
    if served { 0 } else { super::ENOENT }
}

/// Serves all that is queued: what netmsg_service_sync waits for.
pub fn drain_queue(k: &K, cpu: usize) {
    let home = k.mycpuid();
    k.set_cpu(cpu);
    while serve_one(k, cpu) && k.fuel() {}
    k.set_cpu(home);
}

fn serve_one(k: &K, cpu: usize) -> bool {
    let q = &k.st.netisr[cpu];
    let p = q[0].get();
    if p.dst == 0 || k.stopped() {
        return false;
    }
    for i in 1..QUEUE {
        q[i - 1].set(q[i].get());
    }
    q[QUEUE - 1].set(Packet::default());
    let _t = netisr_thread(k, cpu);
    ip_forward(k, cpu, p);
    true
}

/// `ip_forward`.
fn ip_forward(k: &K, cpu: usize, p: Packet) -> i32 {
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
