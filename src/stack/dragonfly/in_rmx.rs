//! `sys/netinet/in_rmx.c`: IPv4's hooks into the routing tables.

use super::K;
use super::defects as d;
use super::in_c::in_broadcast;
use super::lwkt::*;
use super::lwkt_thread::lwkt_migratecpu;
use super::objects::*;
use super::route::*;
use super::sockaddr::{ifa_family, load_sa};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;
use crate::shadow::FaultKind;

const FILE: &str = "sys/netinet/in_rmx.c";

/// `rtq_reallyold`: how long an unreferenced clone stays, ms.
pub const RTQ_REALLYOLD: u64 = 60 * 60 * 1000;

/// `rtq_timeout`: in_rtqtimo runs no less often, ms.
pub const RTQ_TIMEOUT: u64 = 10 * 60 * 1000;

/// `in_addroute`: false when the tree has that key already, or there is no memory for its mask.
pub fn in_addroute(k: &K, cpu: usize, rt: RtId) -> bool {
    let _f = k.frame(&Func { name: "in_addroute", file: FILE });
    let r = &k[rt];
    if r.rt_flags.get() & (RTF_HOST | RTF_CLONING) == 0 {
        r.rt_flags.set(r.rt_flags.get() | RTF_PRCLONING);
    }
    if r.rt_flags.get() & RTF_HOST != 0 && !in_broadcast(k, r.rt_key.get(), r.rt_ifp.get()) {
        // RTF_LOCAL: compares with the address of its ifa.
        load_sa(k, k[r.rt_ifa.get()].ifa_addr.get(), "rt->rt_ifa->ifa_addr");
    }
    if k.stopped() {
        return false;
    }
    let mut added = rn_addroute(k, cpu, rt);
    if !added && r.rt_flags.get() & RTF_HOST != 0 && !k.stopped() {
        let old = rtpurelookup(k, r.rt_key.get());
        if !old.is_null() {
            rtunref(k, old);
            let o = &k[old];
            if o.rt_flags.get() & (RTF_LLINFO | RTF_HOST) == RTF_LLINFO | RTF_HOST
                && matches!(o.rt_gateway.get(), Gateway::Link(..))
            {
                rtrequest_delete(k, old);
                added = rn_addroute(k, cpu, rt);
            }
        }
    }
    if added {
        let cached = k.st.ipforward_rt[cpu].get();
        if !cached.is_null() {
            k.st.ipforward_rt[cpu].set(RtId::NULL);
            rtfree(k, cached);
        }
    }
    added
}

/// `in_matchroute`: the first reference takes a route back from in_rtqtimo.
pub fn in_matchroute(k: &K, cpu: usize, dst: u32) -> RtId {
    let rt = rn_match(k, cpu, dst);
    if !rt.is_null() && k[rt].rt_refcnt.get() == 0 && k[rt].rt_flags.get() & RTPRF_EXPIRING != 0 {
        k[rt].rt_flags.set(k[rt].rt_flags.get() & !RTPRF_EXPIRING);
        k[rt].rmx_expire.set(0);
    }
    rt
}

/// `in_closeroute`: the last reference gives a clone to in_rtqtimo.
pub fn in_closeroute(k: &K, rt: RtId) {
    let _f = k.frame(&Func { name: "in_closeroute", file: FILE });
    let r = &k[rt];
    let f = r.rt_flags.get();
    if f & RTF_UP != 0
        && f & (RTF_LLINFO | RTF_HOST) == RTF_HOST
        && f & (RTF_WASCLONED | RTPRF_EXPIRING) == RTF_WASCLONED
    {
        r.rt_flags.set(f | RTPRF_EXPIRING);
        r.rmx_expire.set(k.now() + RTQ_REALLYOLD);
    }
}

/// `in_rtqtimo` on this CPU: deletes the expired clones.
pub fn in_rtqtimo(k: &K) {
    let _f = k.frame(&Func { name: "in_rtqtimo", file: FILE });
    let cpu = k.mycpuid();
    let now = k.now();
    rn_walktree(k, cpu, |k, rt| in_rtqkill(k, rt, now));
    k.callout_reset(&k.st.in_rtqtimo_ch[cpu], RTQ_TIMEOUT);
}

/// `in_rtqkill`.
fn in_rtqkill(k: &K, rt: RtId, now: u64) {
    let r = &k[rt];
    if r.rt_flags.get() & RTPRF_EXPIRING != 0 && r.rmx_expire.get() <= now {
        if r.rt_refcnt.get() > 0 {
            k.kernel_fault(
                FaultKind::Panic("rtqkill route really not free"),
                ObjRef::of(rt),
                "in_rtqkill",
            );
            return;
        }
        rtrequest_delete(k, rt);
    }
}

/// `ncpus2`: the largest power of two not above ncpus.
pub fn ncpus2(k: &K) -> usize {
    if k.ncpus() >= 2 { 2 } else { 1 }
}

/// `in_ifadown`: deletes every route of an address, CPU by CPU; static ones only when
/// the address itself goes.
pub async fn in_ifadown(k: &K, ifa: IfaId, delete: bool) {
    let _f = k.frame(&Func { name: "in_ifadown", file: FILE });
    if ifa_family(k, ifa) != AF_INET {
        return;
    }
    let w = window_open(k, d::W7_IFADOWN_MIGRATION);
    let origcpu = k.mycpuid();
    let end = if k.on(d::IFADOWN_NCPUS2) { ncpus2(k) } else { k.ncpus() };
    for cpu in 0..end {
        lwkt_migratecpu(k, cpu).await;
        rn_walktree(k, cpu, |k, rt| in_ifadownkill(k, rt, ifa, delete));
        let a = &k[ifa];
        a.ifa_flags.set(a.ifa_flags.get() & !IFA_ROUTE);
        a.user_deleted.set(false);
    }
    lwkt_migratecpu(k, origcpu).await;
    window_close(k, w).await;
}

/// `in_ifadownkill`.
fn in_ifadownkill(k: &K, rt: RtId, ifa: IfaId, delete: bool) {
    let r = &k[rt];
    if r.rt_ifa.get() == ifa && (delete || r.rt_flags.get() & RTF_STATIC == 0) {
        // Its clones are met by the walk itself.
        r.rt_flags.set(r.rt_flags.get() & !(RTF_CLONING | RTF_PRCLONING));
        rtrequest_delete(k, rt);
    }
}
