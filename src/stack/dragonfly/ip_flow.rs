//! `sys/netinet/ip_flow.c`: flows, which hold routes for fast forwarding.

use super::K;
use super::ip_output::output_along;
use super::objects::*;
use super::route::{rtfree, rtref};
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Func, What};

const FILE: &str = "sys/netinet/ip_flow.c";

/// `IPFLOW_TIMER`: slow ticks that an unused flow stays.
const IPFLOW_TIMER: u8 = 10;

/// Period of ipflow_slowtimo, ms.
pub const SLOWTIMO: u64 = 500;

fn ipflow_lookup(k: &K, dst: u32) -> FlowId {
    let mut f = k.st.ipflows.first[0].get();
    while !f.is_null() && k.fuel() {
        if k[f].ipf_dst.get() == dst {
            return f;
        }
        f = k[f].ipf_next.next.get();
    }
    FlowId::NULL
}

/// `ipflow_fastforward`: whether a flow has taken the packet.
pub fn ipflow_fastforward(k: &K, dst: u32) -> bool {
    let _f = k.frame(&Func { name: "ipflow_fastforward", file: FILE });
    let f = ipflow_lookup(k, dst);
    if f.is_null() {
        return false;
    }
    let rt = k[f].ro_rt.get();
    if k[rt].rt_flags.get() & RTF_UP == 0 || k[k[rt].rt_ifp.get()].if_flags.get() & IFF_UP == 0 {
        return false;
    }
    k[f].ipf_timer.set(IPFLOW_TIMER);
    output_along(k, rt, dst);
    true
}

/// `ipflow_create`.
pub fn ipflow_create(k: &K, rt: RtId, dst: u32) {
    let _f = k.frame(&Func { name: "ipflow_create", file: FILE });
    let mut f = ipflow_lookup(k, dst);
    if f.is_null() {
        if k.st.flows.len() == k.st.flows.capacity() {
            f = ipflow_reap(k);
        } else {
            if k.fails("ipflow_create:kmalloc") {
                return;
            }
            let Some(new) = k.st.flows.alloc() else { return };
            k.record(|| What::Alloc(ObjRef::of(new)));
            f = new;
        }
    } else {
        unlink(k, f);
        rtfree(k, k[f].ro_rt.get());
    }
    rtref(k, rt);
    let p = &k[f];
    p.ro_rt.set(rt);
    p.ipf_dst.set(dst);
    p.ipf_timer.set(IPFLOW_TIMER);
    k.st.ipflows.insert_head(0, f, |i| &k[i].ipf_next);
    if k.st.slowtimo_ch.due().is_none() {
        k.callout_reset(&k.st.slowtimo_ch, SLOWTIMO);
    }
}

fn unlink(k: &K, f: FlowId) {
    if !k.st.ipflows.remove(f, |i| &k[i].ipf_next) {
        k.kernel_fault(crate::shadow::FaultKind::Null, ObjRef::of(f), "*ipf->ipf_next.le_prev");
    }
}

/// `ipflow_reap`: the flow whose route is gone, or that has been idle longest.
fn ipflow_reap(k: &K) -> FlowId {
    let mut best = FlowId::NULL;
    let mut f = k.st.ipflows.first[0].get();
    while !f.is_null() && k.fuel() {
        if k[k[f].ro_rt.get()].rt_flags.get() & RTF_UP == 0 {
            best = f;
            break;
        }
        if best.is_null() || k[f].ipf_timer.get() < k[best].ipf_timer.get() {
            best = f;
        }
        f = k[f].ipf_next.next.get();
    }
    unlink(k, best);
    rtfree(k, k[best].ro_rt.get());
    best
}

/// `ipflow_slowtimo`.
pub fn ipflow_slowtimo(k: &K) {
    let _f = k.frame(&Func { name: "ipflow_slowtimo", file: FILE });
    let mut f = k.st.ipflows.first[0].get();
    while !f.is_null() && k.fuel() && !k.stopped() {
        let next = k[f].ipf_next.next.get();
        if k[f].ipf_timer.dec() == 0 {
            unlink(k, f);
            rtfree(k, k[f].ro_rt.get());
            k.record(|| What::Free(ObjRef::of(f)));
            if k.st.flows.is_live(f) {
                k.st.flows.free(f);
            }
        }
        f = next;
    }
    if !k.st.flows.is_empty() {
        k.callout_reset(&k.st.slowtimo_ch, SLOWTIMO);
    }
}
