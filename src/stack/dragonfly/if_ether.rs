//! `sys/netinet/if_ether.c`: ARP.

use super::K;
use super::in_c::in_broadcast;
use super::lwkt::*;
use super::netisr::cpu_portfn;
use super::objects::*;
use super::route::*;
use super::{EHOSTUNREACH, ESRCH};
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Func, What};

const FILE: &str = "sys/netinet/if_ether.c";

/// `arpt_prune`: arptimer's period, ms.
pub const ARPT_PRUNE: u64 = 5 * 60 * 1000;
/// `arpt_keep`: how long a resolved entry is good, ms.
pub const ARPT_KEEP: u64 = 20 * 60 * 1000;

/// `IFT_ETHER`: `sdl_type` lies where a `sockaddr_in` has the first byte of its address.
const IFT_ETHER: u32 = 6;

/// `arp_ifinit`: ARP takes over the routes of an address.
pub fn arp_ifinit(k: &K, ifa: IfaId) {
    let a = &k[ifa];
    a.ifa_rtrequest.set(RtRequest::Arp);
    a.ifa_flags.set(a.ifa_flags.get() | RTF_CLONING);
}

/// `arptimer` on this CPU.
pub fn arptimer(k: &K) {
    let _f = k.frame(&Func { name: "arptimer", file: FILE });
    let cpu = k.mycpuid();
    let mut la = k.st.llinfo_arp_list.first[cpu].get();
    while !la.is_null() && k.fuel() && !k.stopped() {
        let next = k[la].la_le.next.get();
        let rt = k[la].la_rt.get();
        let expire = k[rt].rmx_expire.get();
        if expire != 0 && expire <= k.now() {
            arptfree(k, la);
        }
        la = next;
    }
    k.callout_reset(&k.st.arptimer_ch[cpu], ARPT_PRUNE);
}

/// `arptfree`: clears an entry that is in use or static, deletes any other.
pub fn arptfree(k: &K, la: LaId) {
    let rt = k[la].la_rt.get();
    let r = &k[rt];
    match r.rt_gateway.get() {
        Gateway::Link(i, _) if r.rt_refcnt.get() > 0 => r.rt_gateway.set(Gateway::Link(i, false)),
        _ if r.rt_flags.get() & RTF_STATIC != 0 => {}
        _ => {
            rtrequest_delete(k, rt);
        }
    }
}

/// `arp_rtrequest`.
pub fn arp_rtrequest(k: &K, req: Req, rt: RtId) {
    let _f = k.frame(&Func { name: "arp_rtrequest", file: FILE });
    let cpu = k.mycpuid();
    let r = &k[rt];
    if !k.st.arpinit_done[cpu].get() {
        k.st.arpinit_done[cpu].set(true);
        k.callout_reset(&k.st.arptimer_ch[cpu], 1000);
    }
    if r.rt_flags.get() & RTF_GATEWAY != 0 {
        return;
    }
    match req {
        Req::Delete => {
            let la = r.rt_llinfo.get();
            if la.is_null() {
                return;
            }
            k.record(|| What::List("llinfo_arp_list", false, ObjRef::of(la)));
            if !k.st.llinfo_arp_list.remove(la, |i| &k[i].la_le) {
                k.kernel_fault(
                    crate::shadow::FaultKind::Null,
                    ObjRef::of(la),
                    "*la->la_le.le_prev",
                );
            }
            r.rt_llinfo.set(LaId::NULL);
            r.rt_flags.set(r.rt_flags.get() & !RTF_LLINFO);
            k.record(|| What::Free(ObjRef::of(la)));
            k.check_hands(ObjRef::of(la));
            if k.st.las.is_live(la) {
                k.st.las.free(la);
            }
        }
        Req::Add | Req::Resolve => {
            if req == Req::Add {
                if r.rt_flags.get() & RTF_HOST == 0 && r.plen.get() < 32 {
                    r.rt_flags.set(r.rt_flags.get() | RTF_CLONING);
                }
                if r.rt_flags.get() & RTF_CLONING != 0 {
                    let index = u32::from(k[r.rt_ifp.get()].if_index.get());
                    let null_sdl = Sa::Copy(Sin { family: AF_LINK, addr: index });
                    rt_setgate(k, rt, Sin::inet(r.rt_key.get()), null_sdl, false);
                    // Whatever is there now is taken for a sockaddr_dl.
                    if let Gateway::Inet(a) = r.rt_gateway.get() {
                        r.rt_gateway.set(Gateway::Inet(a & 0x00ff_ffff | IFT_ETHER << 24));
                    }
                    // rt_expire = time_second: an entry that is cloned from this route and
                    // never resolved is for arptimer to take. 0 would mean never.
                    r.rmx_expire.set(k.now().max(1));
                    return;
                }
            }
            arp_resolve_route(k, rt);
        }
        Req::Get => {}
    }
}

/// The common end of `case RTM_ADD` and `case RTM_RESOLVE`: an entry for a host.
fn arp_resolve_route(k: &K, rt: RtId) {
    let cpu = k.mycpuid();
    let r = &k[rt];
    let Gateway::Link(..) = r.rt_gateway.get() else { return };
    r.rt_gateway.set(Gateway::Link(k[r.rt_ifp.get()].if_index.get(), false));
    if !r.rt_llinfo.get().is_null() {
        return;
    }
    if k.fails("arp_rtrequest:R_Malloc") {
        return;
    }
    let Some(la) = k.st.las.alloc() else {
        k.exhaust();
        return;
    };
    k.record(|| What::Alloc(ObjRef::of(la)));
    r.rt_llinfo.set(la);
    let l = &k[la];
    l.la_rt.set(rt);
    l.la_le.zero();
    r.rt_flags.set(r.rt_flags.get() | RTF_LLINFO);
    k.record(|| What::List("llinfo_arp_list", true, ObjRef::of(la)));
    k.st.llinfo_arp_list.insert_head(cpu, la, |i| &k[i].la_le);
    if in_broadcast(k, r.rt_key.get(), r.rt_ifp.get()) {
        r.rmx_expire.set(0);
    }
    if r.rt_key.get() == k[r.rt_ifa.get()].ia_addr.get().addr {
        // Our own address: by way of the loopback.
        r.rmx_expire.set(0);
        r.rt_gateway.set(Gateway::Link(k[r.rt_ifp.get()].if_index.get(), true));
        r.rt_ifp.set(k.st.loif.get());
        super::invariants::note_by_loopback(k, rt);
    }
}

/// `arplookup`: the entry of an address, bare; made when `create`.
fn arplookup(k: &K, addr: u32, create: bool) -> LaId {
    let _f = k.frame(&Func { name: "arplookup", file: FILE });
    let rt = if create { rtlookup(k, addr) } else { rtpurelookup(k, addr) };
    if rt.is_null() {
        return LaId::NULL;
    }
    rtunref(k, rt);
    let r = &k[rt];
    let usable = r.rt_flags.get() & RTF_GATEWAY == 0
        && r.rt_flags.get() & RTF_LLINFO != 0
        && matches!(r.rt_gateway.get(), Gateway::Link(..));
    if !usable {
        if r.rt_refcnt.get() <= 0 && r.rt_flags.get() & RTF_WASCLONED != 0 {
            rtrequest_delete(k, rt);
        }
        return LaId::NULL;
    }
    r.rt_llinfo.get()
}

/// `arpresolve` for a packet to `dst` along `rt0`: the entry is made, or the packet dropped.
pub fn arpresolve(k: &K, rt0: RtId, dst: u32) {
    let _f = k.frame(&Func { name: "arpresolve", file: FILE });
    let Ok(rt) = rt_llroute(k, dst, rt0) else { return };
    if k[rt].rt_llinfo.get().is_null() {
        arplookup(k, dst, true);
    }
}

/// An ARP reply from `addr` arrives at netisr_cpu 0: `arpintr`, `in_arpinput`,
/// `arp_update_oncpu` on every CPU by a message of the route threads.
pub async fn arp_input(k: &K, addr: u32) -> i32 {
    let _t = netisr_thread(k, 0);
    let _f = k.frame(&Func { name: "in_arpinput", file: FILE });
    k.lock(cpu_portfn(0)).await;
    k.set_cpu(0);
    k.yield_at("in_arpinput:lwkt_domsg").await;
    let mut found = false;
    for cpu in 0..k.ncpus() {
        k.lock(rtable_portfn(cpu)).await;
        k.set_cpu(cpu);
        {
            let _t = rtable_thread(k, cpu);
            found |= arp_update_oncpu(k, addr);
        }
        k.unlock(rtable_portfn(cpu));
        k.yield_at("arp_update_msghandler:lwkt_forwardmsg").await;
    }
    // Once more, in this thread.
    k.set_cpu(0);
    found |= arp_update_oncpu(k, addr);
    k.unlock(cpu_portfn(0));
    if found { 0 } else { ESRCH }
}

/// `arp_update_oncpu` for a reply that is addressed to us: the entry is made on every CPU.
fn arp_update_oncpu(k: &K, addr: u32) -> bool {
    let _f = k.frame(&Func { name: "arp_update_oncpu", file: FILE });
    let la = arplookup(k, addr, true);
    if la.is_null() {
        return false;
    }
    let rt = k[la].la_rt.get();
    let r = &k[rt];
    if let Gateway::Link(i, _) = r.rt_gateway.get() {
        r.rt_gateway.set(Gateway::Link(i, true));
    }
    if r.rmx_expire.get() != 0 {
        r.rmx_expire.set(k.now() + ARPT_KEEP);
    }
    true
}

/// Somebody sends to `addr`: `arpresolve` with no route of its own.
pub async fn arp_resolve(k: &K, addr: u32) -> i32 {
    let cpu = k.mycpuid();
    k.lock(cpu_portfn(cpu)).await;
    let error = {
        let _t = netisr_thread(k, cpu);
        let _f = k.frame(&Func { name: "arpresolve", file: FILE });
        if arplookup(k, addr, true).is_null() { EHOSTUNREACH } else { 0 }
    };
    k.unlock(cpu_portfn(cpu));
    error
}

/// The entry of `addr` on this CPU runs out, as arptimer would find it.
pub async fn arp_expire(k: &K, addr: u32) -> i32 {
    let cpu = k.mycpuid();
    let _t = softclock_thread(k, cpu);
    let _f = k.frame(&Func { name: "arptimer", file: FILE });
    let rt = rn_find(k, cpu, addr, HOST);
    if rt.is_null() || k[rt].rt_flags.get() & RTF_LLINFO == 0 {
        return ESRCH;
    }
    arptfree(k, k[rt].rt_llinfo.get());
    0
}
