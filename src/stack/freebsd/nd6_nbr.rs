//! `sys/netinet6/nd6_nbr.c`: duplicate address detection.
//!
//! An address that is tentative has an entry in a queue, which owns a reference of the
//! address. The entry's callout is bound to the queue's lock; its handler releases that
//! lock (CALLOUT_RETURNUNLOCKED), sends, and comes again a second later. Nobody answers
//! here: an address whose solicitation was sent is its owner's.

use super::defects as d;
use super::if_c::{ifa_free, ifa_ref};
use super::invariants as inv;
use super::locks::DADQ;
use super::nd6::{nd_ifinfo, nd_ifinfo_there};
use super::objects::*;
use super::subr_epoch::{net_epoch_enter, net_epoch_exit};
use super::{K, uma};
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Func, What};
use crate::shadow::FaultKind;

const FILE: &str = "sys/netinet6/nd6_nbr.c";

/// `V_ip6_dad_count`.
const DAD_COUNT: u8 = 1;
/// `V_dad_maxtry`.
const DAD_MAXTRY: u8 = 15;
/// `ND_IFINFO(ifp)->retrans`, ms.
const RETRANS: u64 = 1_000;

/// `nd6_dad_find`; the queue is locked.
pub fn nd6_dad_find(k: &K, ifa: IfaId) -> DadId {
    let mut dp = k.st.v_dadq.first.get();
    while !dp.is_null() && k.fuel() && k[dp].dad_ifa.get() != ifa {
        dp = k[dp].dad_list.next.get();
    }
    dp
}

#[track_caller]
fn dad_acquire(k: &K, dp: DadId) {
    let refs = &k[dp].dad_refcnt;
    if refs.get() == 0 {
        k.violate(&inv::I06_ACQUIRE_FROM_ZERO, ObjRef::of(dp), ObjRef::NONE, [0, 0]);
    }
    k.record_ref(ObjRef::of(dp), 1, refs.inc());
}

/// `nd6_dad_rele`.
#[track_caller]
fn nd6_dad_rele(k: &K, dp: DadId) {
    let refs = &k[dp].dad_refcnt;
    if refs.get() == 0 {
        k.violate(&inv::I06_RELEASE_AT_ZERO, ObjRef::of(dp), ObjRef::NONE, [0, 0]);
    }
    let now = refs.dec();
    k.record_ref(ObjRef::of(dp), -1, now);
    if now == 0 {
        ifa_free(k, k[dp].dad_ifa.get());
        uma::free(k, |s| &s.dads, dp);
    }
}

/// `nd6_dad_del`: off the queue, whose reference it gives up.
#[track_caller]
fn nd6_dad_del(k: &K, dp: DadId) {
    if !k[dp].dad_ondadq.get() {
        return;
    }
    k.record(|| What::List("dadq", false, ObjRef::of(dp)));
    if !k.st.v_dadq.remove(dp, |i| &k[i].dad_list) {
        k.kernel_fault(FaultKind::Null, ObjRef::of(dp), "TAILQ_REMOVE(dad_list)");
    }
    k[dp].dad_ondadq.set(false);
    nd6_dad_rele(k, dp);
}

fn is_running(i: &Ifnet) -> bool {
    i.if_flags.get() & IFF_UP != 0 && i.if_drv_flags.get() & IFF_DRV_RUNNING != 0
}

/// Whether `nd6_dad_start` would begin or end something now, but for an entry that is
/// there. The model's own look ahead: what only `nd6_dad_start` itself may stumble over is
/// something that it would do.
pub fn would_start(k: &K, ifa: IfaId) -> bool {
    let ifp = k.st.ifas.raw(ifa).ifa_ifp.get();
    let Some(nd) = nd_ifinfo_there(k, ifp) else { return true };
    let flags = nd.nd_flags.get();
    flags & ND6_IFF_NO_DAD != 0
        || is_running(k.st.ifnets.raw(ifp)) && flags & ND6_IFF_IFDISABLED == 0
}

/// `nd6_dad_start`; `delay` in ms.
pub async fn nd6_dad_start(k: &K, ifa: IfaId, delay: u64) {
    let _f = k.frame(&Func { name: "nd6_dad_start", file: FILE });
    let ifp = k[ifa].ifa_ifp.get();
    let Some(nd) = nd_ifinfo(k, ifp, "ND_IFINFO(ifa->ifa_ifp)->flags") else { return };
    if nd.nd_flags.get() & ND6_IFF_NO_DAD != 0 {
        k[ifa].ia6_flags.set(k[ifa].ia6_flags.get() & !IN6_IFF_TENTATIVE);
        return;
    }
    if !is_running(&k[ifp]) || nd.nd_flags.get() & ND6_IFF_IFDISABLED != 0 {
        return;
    }
    {
        let _h = k.hold(ObjRef::of(ifa), false);
        k.yield_at("nd6_dad_start:dadq_wlock").await;
        k.lock(DADQ).await;
    }
    let purged = k[ifa].ia6_flags.get() & IN6_IFF_PURGED != 0;
    if purged && !k.on(d::DAD_START_AFTER_STOP) || !nd6_dad_find(k, ifa).is_null() {
        k.unlock(DADQ);
        return;
    }
    if k.fails("malloc_dadq") {
        if !k.on(d::ND6_DAD_START_LOCK_LEAK) {
            k.unlock(DADQ);
        }
        return;
    }
    let dp = uma::alloc(k, |s| &s.dads);
    if dp.is_null() {
        k.unlock(DADQ);
        return;
    }
    let q = &k[dp];
    q.dad_ifa.set(ifa);
    ifa_ref(k, ifa);
    q.dad_refcnt.set(1);
    k.record_ref(ObjRef::of(dp), 1, 1);
    k.record(|| What::List("dadq", true, ObjRef::of(dp)));
    k.st.v_dadq.insert_tail(dp, |i| &k[i].dad_list);
    q.dad_ondadq.set(true);
    q.dad_timer_ch.reset_locked(k, DADQ, delay);
    k.unlock(DADQ);
}

/// `nd6_dad_stop`: for an address that is being removed.
pub async fn nd6_dad_stop(k: &K, ifa: IfaId) {
    let _f = k.frame(&Func { name: "nd6_dad_stop", file: FILE });
    k.lock(DADQ).await;
    k[ifa].ia6_flags.set(k[ifa].ia6_flags.get() | IN6_IFF_PURGED);
    let dp = nd6_dad_find(k, ifa);
    if dp.is_null() {
        k.unlock(DADQ);
        return;
    }
    if !k.on(d::DAD_STOP_SLEEPS) {
        k[dp].dad_timer_ch.stop_locked(k, DADQ);
        nd6_dad_del(k, dp);
        k.unlock(DADQ);
        return;
    }
    dad_acquire(k, dp);
    nd6_dad_del(k, dp);
    let held = k.hold(ObjRef::of(dp), true);
    k.unlock(DADQ);
    k.yield_at("nd6_dad_stop:callout_drain").await;
    k[dp].dad_timer_ch.drain(k).await;
    drop(held);
    nd6_dad_rele(k, dp);
}

/// `nd6_dad_timer`: a callout; entered with the queue locked, returns with it unlocked.
pub async fn nd6_dad_timer(k: &K, dp: DadId) {
    let _f = k.frame(&Func { name: "nd6_dad_timer", file: FILE });
    let own = !k.on(d::DAD_STOP_SLEEPS);
    if own {
        dad_acquire(k, dp);
    }
    let held = k.hold(ObjRef::of(dp), own);
    net_epoch_enter(k);
    dad_timer(k, dp).await;
    net_epoch_exit(k);
    drop(held);
    if own {
        nd6_dad_rele(k, dp);
    }
}

async fn dad_timer(k: &K, dp: DadId) {
    let ifa = k[dp].dad_ifa.get();
    let ifp = k[ifa].ifa_ifp.get();
    k.yield_at("nd6_dad_timer:ND_IFINFO").await;
    let q = &k[dp];
    let disabled = nd_ifinfo(k, ifp, "ND_IFINFO(ifp)->flags")
        .is_none_or(|nd| nd.nd_flags.get() & ND6_IFF_IFDISABLED != 0);
    let flags = &k[ifa].ia6_flags;
    let over = disabled
        || flags.get() & IN6_IFF_NOTREADY != IN6_IFF_TENTATIVE
        || q.dad_ns_tcount.get() > DAD_MAXTRY && !is_running(&k[ifp]);
    if !over && q.dad_ns_ocount.get() < DAD_COUNT {
        q.dad_timer_ch.reset_locked(k, DADQ, RETRANS);
        nd6_dad_ns_output(k, dp, ifp).await;
        return;
    }
    if !over {
        flags.set(flags.get() & !IN6_IFF_TENTATIVE);
    }
    nd6_dad_del(k, dp);
    k.unlock(DADQ);
}

/// `nd6_dad_ns_output`; returns with the queue unlocked.
async fn nd6_dad_ns_output(k: &K, dp: DadId, ifp: IfId) {
    let _f = k.frame(&Func { name: "nd6_dad_ns_output", file: FILE });
    k[dp].dad_ns_tcount.inc();
    let running = is_running(&k[ifp]);
    if running {
        k[dp].dad_ns_ocount.inc();
    }
    k.unlock(DADQ);
    if running {
        nd6_ns_output(k, ifp).await;
    }
}

/// `nd6_ns_output`, `nd6_ns_output_fib`: a solicitation leaves, inside the epoch. Of the
/// packet there is only what is counted after it; its source is not looked for.
pub async fn nd6_ns_output(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "nd6_ns_output", file: FILE });
    k.yield_at("nd6_ns_output:ip6_output").await;
    let _ = nd_ifinfo(k, ifp, "icmp6_ifstat_inc(ifp, ifs6_out_msg)");
}
