//! `sys/net/if_llatbl.c`, `sys/net/if_llatbl.h`: tables of link-layer entries.
//!
//! An entry has one reference of its table and one of its armed timer; the handler of a
//! timer that was dispatched owns the reference that the timer had. The lock of an entry
//! is a section without a yield point: nothing is waited for under it. Readers are in the
//! epoch; an entry's memory goes a grace period after its last reference.

use super::defects as d;
use super::invariants as inv;
use super::locks::{self, LLTABLE_LIST};
use super::nd6::nd_ifinfo;
use super::objects::*;
use super::subr_epoch::{Callback, net_epoch_call};
use super::{ENOBUFS, ENOENT, K, NIFNETS, uma};
use crate::kern::callout::CalloutState;
use crate::kern::queue::Lists;
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Func, What};
use crate::shadow::FaultKind;

const FILE: &str = "sys/net/if_llatbl.c";

/// `LLTABLE(ifp)`, `LLTABLE6(ifp)`: NULL after a fault, because nobody asks.
pub fn lltable(k: &K, ifp: IfId, af: Af) -> Llt {
    match af {
        Af::Inet => {
            let ii = k[ifp].if_afdata_inet.get();
            if ii.is_null() {
                k.kernel_fault(FaultKind::Null, ObjRef::of(ifp), "LLTABLE(ifp)->llt_lookup");
                return Llt::Null;
            }
            Llt::V4(ii)
        }
        _ => match nd_ifinfo(k, ifp, "LLTABLE6(ifp)->llt_lookup") {
            Some(_) => Llt::V6(k[ifp].if_afdata_inet6.get()),
            None => Llt::Null,
        },
    }
}

/// The entries of a table. Not of NULL: the caller has seen the fault.
fn head(k: &K, llt: Llt) -> Option<&Lists<Llentry, 1>> {
    match llt {
        Llt::Null => None,
        Llt::V4(ii) => Some(&k[ii].ii_llt),
        Llt::V6(ext) => Some(&k[ext].lltable),
    }
}

/// `llt->llt_ifp`.
pub fn llt_ifp(k: &K, llt: Llt) -> IfId {
    match llt {
        Llt::Null => IfId::NULL,
        Llt::V4(ii) => k[ii].ifp.get(),
        Llt::V6(ext) => k[ext].ifp.get(),
    }
}

fn is_dead(k: &K, llt: Llt) -> bool {
    match llt {
        Llt::Null => true,
        Llt::V4(ii) => k[ii].llt_dead.get(),
        Llt::V6(ext) => k[ext].llt_dead.get(),
    }
}

/// `LLE_ADDREF`.
#[track_caller]
pub fn lle_addref(k: &K, lle: LleId) {
    let n = k[lle].lle_refcnt.inc();
    k.record_ref(ObjRef::of(lle), 1, n);
}

/// `LLE_REMREF`.
#[track_caller]
pub fn lle_remref(k: &K, lle: LleId) {
    let refs = &k[lle].lle_refcnt;
    if refs.get() == 0 {
        k.violate(&inv::I06_RELEASE_AT_ZERO, ObjRef::of(lle), ObjRef::NONE, [0, 0]);
    }
    k.record_ref(ObjRef::of(lle), -1, refs.dec());
}

/// `LLE_FREE_LOCKED`: gives a reference up; the last one starts the grace period.
#[track_caller]
pub fn lle_free_locked(k: &K, lle: LleId) {
    // Upstream leaves the last one in the counter.
    lle_remref(k, lle);
    if k[lle].lle_refcnt.get() == 0 {
        net_epoch_call(k, Callback::LleDestroy(lle));
    }
}

/// `lla_lookup`: an entry of a table by its address, not a deleted one; NULL when there
/// is none.
pub fn lla_lookup(k: &K, llt: Llt, addr: Addr) -> LleId {
    let Some(head) = head(k, llt) else { return LleId::NULL };
    let mut lle = head.first[0].get();
    while !lle.is_null() && k.fuel() {
        if !k[lle].deleted.get() && k[lle].addr.get() == addr {
            break;
        }
        lle = k[lle].lle_next.next.get();
    }
    lle
}

/// `lltable_alloc_entry`: `in_lltable_alloc`, `in6_lltable_alloc`. Not linked; one
/// reference. NULL when it fails. `ifaddr` is LLE_IFADDR: the interface's own address.
pub fn lltable_alloc_entry(k: &K, ifp: IfId, af: Af, addr: Addr, ifaddr: bool) -> LleId {
    let _f = k.frame(&Func { name: "lltable_alloc_entry", file: FILE });
    if k.fails("lltable_alloc_entry") {
        return LleId::NULL;
    }
    let lle = uma::alloc(k, |s| &s.lles);
    if lle.is_null() {
        return lle;
    }
    let e = &k[lle];
    e.af.set(af);
    e.llt_ifp.set(ifp);
    e.addr.set(addr);
    e.lle_refcnt.set(1);
    e.is_static.set(ifaddr);
    e.state.set(if ifaddr { LleState::Reachable } else { LleState::Incomplete });
    k.record_ref(ObjRef::of(lle), 1, 1);
    if ifaddr {
        // IF_LLADDR(ifp)
        let _ = k[k[ifp].if_addr.get()].af.get();
    }
    lle
}

/// `lltable_link_entry`; `if_afdata_lock` is held. The original links into a table that
/// `lltable_free` has emptied, too. Where the table's memory is deferred, which is ours, that
/// is refused: false.
pub fn lltable_link_entry(k: &K, llt: Llt, lle: LleId) -> bool {
    if k[lle].linked.get() {
        return true;
    }
    let Some(head) = head(k, llt) else { return false };
    let not_deferred = match llt {
        Llt::V4(_) => d::IN_IFINFO_NOT_DEFERRED,
        _ => d::IN6_IFEXTRA_NOT_DEFERRED,
    };
    if is_dead(k, llt) && !k.on(not_deferred) {
        return false;
    }
    let e = &k[lle];
    e.lle_tbl.set(llt);
    e.llt_ifp.set(llt_ifp(k, llt));
    e.linked.set(true);
    k.record(|| What::List("lltable", true, ObjRef::of(lle)));
    head.insert_head(0, lle, |i| &k[i].lle_next);
    true
}

/// `lltable_unlink_entry`; `if_afdata_lock` is held. False when it was unlinked already.
pub fn lltable_unlink_entry(k: &K, lle: LleId) -> bool {
    if !k[lle].linked.get() {
        return false;
    }
    let Some(head) = head(k, k[lle].lle_tbl.get()) else { return false };
    k.record(|| What::List("lltable", false, ObjRef::of(lle)));
    if !head.remove(lle, |i| &k[i].lle_next) {
        k.kernel_fault(FaultKind::Null, ObjRef::of(lle), "LIST_REMOVE(lle, lle_next)");
    }
    k[lle].linked.set(false);
    true
}

/// `callout_pending(&lle->lle_timer)`.
pub fn lle_timer_pending(k: &K, lle: LleId) -> bool {
    k[lle].lle_timer.pending()
}

/// Arms the timer of an entry, whose reference it takes (arpresolve_full,
/// `nd6_llinfo_settimer_locked`): `callout_reset` says whether it was armed before, and
/// then that reference is one too many.
pub fn lle_timer_reset(k: &K, lle: LleId, ms: u64) {
    lle_addref(k, lle);
    let canceled = lle_timer_pending(k, lle);
    k.callout_reset(&k[lle].lle_timer, ms);
    if canceled {
        lle_remref(k, lle);
    }
}

/// Stops the timer of an entry and gives up its reference. As upstream has it,
/// `callout_stop` of a timer that was dispatched and armed again says that it stopped
/// nothing, and the reference of the second arming is lost.
pub fn lle_timer_stop(k: &K, lle: LleId) {
    let timer = &k[lle].lle_timer;
    let pending = timer.pending();
    let again = timer.state() != CalloutState::Pending;
    timer.stop();
    if pending && !(again && k.on(d::LLE_TIMER_REARMED_LEAK)) {
        lle_remref(k, lle);
    }
}

/// The beginning of an entry's timer handler, which owns the reference that the timer
/// had: whether it goes on. It does not when the timer was armed again meanwhile.
/// Repaired, neither when the entry is not linked any more; then it gives its reference
/// up. The caller, repaired, is in the epoch.
pub fn lle_timer_enter(k: &K, lle: LleId) -> bool {
    if lle_timer_pending(k, lle) {
        if !k.on(d::LLE_TIMER_REARMED_LEAK) {
            lle_free_locked(k, lle);
        }
        return false;
    }
    if !k[lle].linked.get() && !k.on(d::LLE_TIMER_AFTER_TABLE) {
        lle_free_locked(k, lle);
        return false;
    }
    true
}

/// `llentry_free`: gives up the reference of the table, and the timer's. The entry is not
/// linked.
pub fn llentry_free(k: &K, lle: LleId) {
    let _f = k.frame(&Func { name: "llentry_free", file: FILE });
    lle_timer_stop(k, lle);
    lle_free_locked(k, lle);
}

/// `in_lltable_destroy_lle_unlocked`, `in6_lltable_destroy_lle_unlocked`: the memory, by
/// an epoch callback after the last reference.
pub fn llentry_destroy(k: &K, lle: LleId) {
    let _f = k.frame(match k[lle].af.get() {
        Af::Inet => &Func { name: "in_lltable_destroy_lle_unlocked", file: "sys/netinet/in.c" },
        _ => &Func { name: "in6_lltable_destroy_lle_unlocked", file: "sys/netinet6/in6.c" },
    });
    uma::free(k, |s| &s.lles, lle);
}

/// Unlinks the entries that `wanted` names, under `if_afdata_lock`, and frees them after
/// it is released.
async fn purge(k: &K, ifp: IfId, llt: Llt, wanted: impl Fn(LleId) -> bool) {
    let lock = locks::if_afdata(k, ifp);
    k.lock(lock).await;
    let mut dchain = [LleId::NULL; 24];
    let mut n = 0;
    let mut lle = head(k, llt).map_or(LleId::NULL, |h| h.first[0].get());
    while !lle.is_null() && n < dchain.len() && k.fuel() {
        if wanted(lle) {
            dchain[n] = lle;
            n += 1;
        }
        lle = k[lle].lle_next.next.get();
    }
    for &lle in &dchain[..n] {
        lltable_unlink_entry(k, lle);
    }
    k.unlock(lock);
    // They stay locked until each is freed: nobody else gets at them.
    for &lle in &dchain[..n] {
        llentry_free(k, lle);
    }
}

/// `lltable_free`: a table goes, with all its entries.
pub async fn lltable_free(k: &K, ifp: IfId, af: Af) {
    let _f = k.frame(&Func { name: "lltable_free", file: FILE });
    let llt = lltable(k, ifp, af);
    k.lock(LLTABLE_LIST).await;
    match llt {
        Llt::Null => {}
        Llt::V4(ii) => k[ii].llt_dead.set(true),
        Llt::V6(ext) => k[ext].llt_dead.set(true),
    }
    k.unlock(LLTABLE_LIST);
    k.yield_at("lltable_free:unlinked").await;
    purge(k, ifp, llt, |_| true).await;
}

/// `lltable_delete_addr`: `lla_delete` of one address.
pub async fn lltable_delete_addr(k: &K, ifp: IfId, af: Af, addr: Addr) -> i32 {
    let _f = k.frame(&Func { name: "lltable_delete_addr", file: FILE });
    let llt = lltable(k, ifp, af);
    let lock = locks::if_afdata(k, ifp);
    k.lock(lock).await;
    let lle = lla_lookup(k, llt, addr);
    if lle.is_null() {
        k.unlock(lock);
        return ENOENT;
    }
    lltable_unlink_entry(k, lle);
    k.unlock(lock);
    k[lle].deleted.set(true);
    llentry_free(k, lle);
    0
}

/// `lltable_prefix_free`, `htable_prefix_free`: the entries of a prefix, in all tables of
/// a family. The interface's own address goes when it is `addr` and `is_static`.
pub async fn lltable_prefix_free(k: &K, af: Af, addr: Addr, bits: u8, is_static: bool) {
    let _f = k.frame(&Func { name: "lltable_prefix_free", file: FILE });
    let prefix = Prefix::new(addr, bits);
    k.lock_shared(LLTABLE_LIST).await;
    for slot in 0..NIFNETS {
        let llt = match af {
            Af::Inet => k.st.ifinfos.tenant(slot).map(Llt::V4),
            _ => k.st.exts.tenant(slot).map(Llt::V6),
        };
        let Some(llt) = llt.filter(|&t| !is_dead(k, t)) else { continue };
        let wanted = |lle: LleId| {
            let e = &k[lle];
            let matches = prefix.covers(e.addr.get());
            matches && (!e.is_static.get() || is_static && e.addr.get() == addr)
        };
        purge(k, llt_ifp(k, llt), llt, wanted).await;
    }
    k.unlock(LLTABLE_LIST);
}

/// The interface's own entry for one of its addresses: `arp_add_ifa_lle`'s and
/// `nd6_add_ifa_lle`'s work.
pub async fn lltable_add_ifa(k: &K, ifp: IfId, af: Af, addr: Addr) -> i32 {
    // LLTABLE(ifp), LLTABLE6(ifp), of which it is an entry.
    let _ = lltable(k, ifp, af);
    let lle = lltable_alloc_entry(k, ifp, af, addr, true);
    if lle.is_null() {
        return ENOBUFS;
    }
    let lock = locks::if_afdata(k, ifp);
    let old;
    let linked;
    {
        let _lle = k.hold(ObjRef::of(lle), true);
        k.lock(lock).await;
        let llt = lltable(k, ifp, af);
        old = lla_lookup(k, llt, addr);
        if !old.is_null() {
            lltable_unlink_entry(k, old);
        }
        linked = lltable_link_entry(k, llt, lle);
        k.unlock(lock);
    }
    if !linked {
        llentry_free(k, lle);
    }
    if !old.is_null() {
        llentry_free(k, old);
    }
    0
}
