//! `sys/net/netisr.c`: one thread for each CPU, and the packets that wait for it.

use super::if_c::ifunit;
use super::ip_flow::ipflow_fastforward;
use super::ip_input::ip_forward;
use super::lwkt::*;
use super::objects::*;
use super::{EINVAL, ENETDOWN, ENOBUFS, ENOENT, ENXIO, K};
use crate::kern::lock::LockId;
use crate::kern::trace::Func;

const FILE: &str = "sys/net/netisr.c";

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

/// The port of `netisr_cpu cpu`.
pub fn cpu_portfn(cpu: usize) -> LockId {
    LockId(NETISR_PORTS + cpu as u8)
}

/// A packet to `dst` arrives on an interface: `netisr_queue`, or at once by a flow.
pub fn packet_in(k: &K, name: u8, dst: u32, cpu: usize) -> i32 {
    let ifp = ifunit(k, name);
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
    if served { 0 } else { ENOENT }
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

/// `netmsg_service_sync`: one message to each netisr thread; what was queued before
/// has been served when it returns.
pub async fn netmsg_service_sync(k: &K) {
    let _f = k.frame(&Func { name: "netmsg_service_sync", file: FILE });
    check_domsg(k);
    for cpu in 0..k.ncpus() {
        k.yield_at("netmsg_service_sync").await;
        k.lock(cpu_portfn(cpu)).await;
        drain_queue(k, cpu);
        k.unlock(cpu_portfn(cpu));
    }
}
