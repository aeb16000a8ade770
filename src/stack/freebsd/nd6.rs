//! `sys/netinet6/nd6.c`: neighbour discovery's state of an interface, its entries, and the
//! timer that ends lifetimes.
//!
//! Nobody answers a solicitation here: an entry is resolved only by the link-layer address
//! that a router advertisement brings. Left out: neighbour unreachability detection (the
//! states DELAY and PROBE, and the polling of STALE entries before they are collected),
//! children of entries, the interface for default traffic.

use super::defects as d;
use super::if_c::{ifa_free, ifa_try_ref};
use super::if_ether::EWOULDBLOCK;
use super::if_llatbl::{
    lla_lookup, lle_free_locked, lle_remref, lle_timer_enter, lle_timer_reset, lle_timer_stop,
    llentry_free, llt_ifp, lltable, lltable_add_ifa, lltable_alloc_entry, lltable_delete_addr,
    lltable_link_entry, lltable_prefix_free, lltable_unlink_entry,
};
use super::in6_c::{in6_purgeaddr, is_linklocal};
use super::in6_fib::fib6_lookup;
use super::invariants;
use super::ip_output::if_output;
use super::locks::{self, IN6_CONTROL, IN6_MULTI, ND6, ND6_EXPIRE, ND6_ONLINK};
use super::nd6_nbr::{nd6_dad_find, nd6_dad_start, nd6_dad_stop, nd6_ns_output, would_start};
use super::nd6_rtr::{
    Unlinked, defrouter_lookup, defrouter_lookup_locked, defrouter_rele, defrouter_select_fib,
    nd6_defrouter_purge, nd6_defrouter_timer, nd6_prefix_del, nd6_prefix_offlink, nd6_prefix_ref,
    nd6_prefix_rele, nd6_prefix_unlink, pfxlist_onlink_check, rt6_flush,
};
use super::nhgrp_ctl::Paths;
use super::objects::*;
use super::route_ctl::{RibCmdInfo, Rtm};
use super::subr_epoch::{net_epoch_enter, net_epoch_exit};
use super::{ENETDOWN, ENOBUFS, ENXIO, K};
use crate::kern::sched::Hold;
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;
use crate::shadow::{FaultKind, rules};

const FILE: &str = "sys/netinet6/nd6.c";

/// `V_nd6_prune`, ms.
const PRUNE: u64 = 1_000;
/// `ND_IFINFO(ifp)->retrans`, ms.
const RETRANS: u64 = 1_000;
/// `V_nd6_mmaxtries`.
const MMAXTRIES: u8 = 3;
/// `V_nd6_gctimer`, ms.
const GCTIMER: u64 = 24 * 3_600_000;

/// `nd6_init`: arms the timer.
pub fn boot(k: &K) {
    k.callout_reset(&k.st.v_nd6_timer_ch, PRUNE);
}

/// `ND_IFINFO(ifp)`: follows `if_afdata[AF_INET6]`. `what` names the expression for the
/// fault; `None` after one.
pub fn nd_ifinfo<'k>(k: &'k K, ifp: IfId, what: &'static str) -> Option<&'k In6Ifextra> {
    invariants::check_afdata_use(k, ifp);
    let ext = k[ifp].if_afdata_inet6.get();
    if ext.is_null() {
        k.kernel_fault(FaultKind::Null, ObjRef::of(ifp), what);
        return None;
    }
    if !k.st.exts.is_live(ext) {
        k.violate(&rules::USE_AFTER_FREE, ObjRef::of(ext), ObjRef::of(ifp), [0, 0]);
    }
    Some(k.st.exts.raw(ext))
}

fn accepts_rtadv(k: &K, ifp: IfId) -> bool {
    nd_ifinfo(k, ifp, "ND_IFINFO(ifp)->flags")
        .is_some_and(|nd| nd.nd_flags.get() & ND6_IFF_ACCEPT_RTADV != 0)
}

// ---- the timer -------------------------------------------------------------------------

fn is_invalid(k: &K, a: &Ifaddr) -> bool {
    a.ia6t_expire.get() != 0 && k.now() > a.ia6t_expire.get()
}

fn is_deprecated(k: &K, a: &Ifaddr) -> bool {
    a.ia6t_preferred.get() != 0 && k.now() > a.ia6t_preferred.get()
}

/// `nd6_timer`: a callout.
pub async fn nd6_timer(k: &K) {
    let _f = k.frame(&Func { name: "nd6_timer", file: FILE });
    net_epoch_enter(k);
    nd6_defrouter_timer(k).await;
    if k.on(d::ND6_TIMER_UNSERIALIZED) {
        timer_addresses(k, true).await;
        net_epoch_exit(k);
    } else {
        net_epoch_exit(k);
        // Busy: a second later. A purge leaves groups, and must not sleep for their lock.
        if k.try_lock(IN6_CONTROL) {
            if k.try_lock(IN6_MULTI) {
                purge_invalid(k).await;
                k.unlock(IN6_MULTI);
            }
            net_epoch_enter(k);
            timer_addresses(k, false).await;
            net_epoch_exit(k);
            k.unlock(IN6_CONTROL);
        }
    }
    let serialized = lock_expiry(k).await;
    expire_prefixes(k).await;
    unlock_expiry(k, serialized);
    k.callout_reset(&k.st.v_nd6_timer_ch, PRUNE);
}

/// The repair of ND6_TIMER_PREFIXES_UNSERIALIZED: the timer and the end of an interface keep
/// the lock from unlinking prefixes to their deletion, so that a detach finds a prefix on
/// the list or waits until it is deleted. `in6_purgeifaddr` does without: it is called by
/// the detach itself, or by who has a reference on the interface. Whether the lock was taken.
async fn lock_expiry(k: &K) -> bool {
    let serialized = !k.on(d::ND6_TIMER_PREFIXES_UNSERIALIZED);
    if serialized {
        k.lock(ND6_EXPIRE).await;
    }
    serialized
}

fn unlock_expiry(k: &K, serialized: bool) {
    if serialized {
        k.unlock(ND6_EXPIRE);
    }
}

/// The prefix loop of `nd6_timer`: those whose time is over go when no address uses them,
/// and off link before that.
async fn expire_prefixes(k: &K) {
    let mut prl = Unlinked::<NdPrefix, 16>::default();
    k.lock(ND6).await;
    'restart: loop {
        let mut pr = k.st.v_nd_prefix.first[0].get();
        while !pr.is_null() && k.fuel() {
            let next = k[pr].ndpr_entry.next.get();
            let expire = k[pr].ndpr_expire.get();
            if expire == 0 || k.now() <= expire {
                pr = next;
                continue;
            }
            if k[pr].ndpr_addrcnt.get() == 0 {
                nd6_prefix_unlink(k, pr);
                prl.push(k, pr);
            } else if k[pr].ndpr_stateflags.get() & NDPRF_ONLINK != 0 {
                let genid = k.st.v_nd6_list_genid.get();
                nd6_prefix_ref(k, pr);
                let held = k.hold(ObjRef::of(pr), true);
                k.unlock(ND6);
                k.yield_at("nd6_timer:nd6_prefix_offlink").await;
                k.lock(ND6_ONLINK).await;
                nd6_prefix_offlink(k, pr).await;
                k.unlock(ND6_ONLINK);
                k.lock(ND6).await;
                drop(held);
                nd6_prefix_rele(k, pr);
                if genid != k.st.v_nd6_list_genid.get() {
                    continue 'restart;
                }
            }
            pr = next;
        }
        break;
    }
    k.unlock(ND6);
    for (pr, list_ref) in prl.all.into_iter().rev().flatten() {
        k.yield_at("nd6_timer:nd6_prefix_del").await;
        nd6_prefix_del(k, pr, list_ref).await;
    }
}

/// The repaired half of the address loop: those whose time is over are purged outside the
/// epoch, each with a reference.
async fn purge_invalid(k: &K) {
    while k.fuel() {
        net_epoch_enter(k);
        let mut ia6 = k.st.v_in6_ifaddrhead.first.get();
        while !ia6.is_null() && k.fuel() && !(is_invalid(k, &k[ia6]) && ifa_try_ref(k, ia6)) {
            ia6 = k[ia6].ia_link.next.get();
        }
        net_epoch_exit(k);
        if ia6.is_null() {
            return;
        }
        let held = k.hold(ObjRef::of(ia6), true);
        k.yield_at("nd6_timer:in6_purgeaddr").await;
        in6_purgeaddr(k, ia6).await;
        drop(held);
        ifa_free(k, ia6);
    }
}

/// The address loop of `nd6_timer`; inside the epoch. `purge`: as the original does it,
/// with those whose time is over.
async fn timer_addresses(k: &K, purge: bool) {
    let mut ia6 = k.st.v_in6_ifaddrhead.first.get();
    while !ia6.is_null() && k.fuel() {
        let next = k[ia6].ia_link.next.get();
        let _next = (!next.is_null()).then(|| k.hold(ObjRef::of(next), false));
        let a = &k[ia6];
        let flags = &a.ia6_flags;
        let _ia6 = k.hold(ObjRef::of(ia6), false);
        if is_invalid(k, a) {
            if purge {
                k.yield_at("nd6_timer:in6_purgeaddr").await;
                in6_purgeaddr(k, ia6).await;
            }
        } else if is_deprecated(k, a) {
            flags.set(flags.get() | IN6_IFF_DEPRECATED);
        } else if flags.get() & IN6_IFF_TENTATIVE != 0 {
            if nd6_dad_find(k, ia6).is_null() && would_start(k, ia6) {
                k.yield_at("nd6_timer:nd6_dad_start").await;
            }
            nd6_dad_start(k, ia6, 0).await;
        } else {
            let ifp = a.ifa_ifp.get();
            let Some(nd) = nd_ifinfo(k, ifp, "ND_IFINFO(ifp)->flags") else { return };
            if goes_tentative(&k[ifp], nd) {
                flags.set(flags.get() & !IN6_IFF_DUPLICATED | IN6_IFF_TENTATIVE);
            }
            flags.set(flags.get() & !IN6_IFF_DEPRECATED);
        }
        ia6 = next;
    }
}

/// Whether the timer marks an address of `ifp` for DAD, because that does not run.
fn goes_tentative(i: &Ifnet, nd: &In6Ifextra) -> bool {
    let nd_flags = nd.nd_flags.get();
    nd_flags & ND6_IFF_NO_DAD == 0
        && (i.if_flags.get() & IFF_UP == 0
            || i.if_drv_flags.get() & IFF_DRV_RUNNING == 0
            || nd_flags & ND6_IFF_IFDISABLED != 0)
}

/// `ND_IFINFO(ifp)` where the model looks ahead; `None` when a kernel that followed it
/// would stumble.
pub fn nd_ifinfo_there(k: &K, ifp: IfId) -> Option<&In6Ifextra> {
    let ext = k.st.ifnets.raw(ifp).if_afdata_inet6.get();
    let there = k.st.ifnets.is_live(ifp) && k.st.exts.is_live(ext);
    there.then(|| k.st.exts.raw(ext))
}

/// The first time at which [`nd6_timer`] would change anything as things are now: what
/// fires every second does nothing before. `u64::MAX` for never.
pub fn nd6_timer_idle_until(k: &K) -> u64 {
    let mut first = u64::MAX;
    let mut after = |t: u64| {
        if t != 0 {
            first = first.min(t + 1);
        }
    };
    let mut dr = k.st.v_nd6_defrouter.first.get();
    while !dr.is_null() && k.fuel() {
        after(k.st.routers.raw(dr).expire.get());
        dr = k.st.routers.raw(dr).dr_entry.next.get();
    }
    let mut pr = k.st.v_nd_prefix.first[0].get();
    while !pr.is_null() && k.fuel() {
        let p = k.st.prefixes.raw(pr);
        let waits = p.ndpr_addrcnt.get() != 0 && p.ndpr_stateflags.get() & NDPRF_ONLINK == 0;
        if !waits || p.ndpr_expire.get() >= k.now() {
            after(p.ndpr_expire.get());
        }
        pr = p.ndpr_entry.next.get();
    }
    let mut ia = k.st.v_in6_ifaddrhead.first.get();
    while !ia.is_null() && k.fuel() {
        let a = k.st.ifas.raw(ia);
        let flags = a.ia6_flags.get();
        after(a.ia6t_expire.get());
        if flags & IN6_IFF_DEPRECATED == 0 {
            after(a.ia6t_preferred.get());
        }
        let now = if is_deprecated(k, a) {
            false
        } else if flags & IN6_IFF_TENTATIVE != 0 {
            nd6_dad_find(k, ia).is_null() && would_start(k, ia)
        } else {
            let ifp = a.ifa_ifp.get();
            let marks = |nd| goes_tentative(k.st.ifnets.raw(ifp), nd);
            flags & IN6_IFF_DEPRECATED != 0 || nd_ifinfo_there(k, ifp).is_none_or(marks)
        };
        if now {
            return 0;
        }
        ia = a.ia_link.next.get();
    }
    first
}

// ---- the end of an interface -------------------------------------------------------------

/// `nd6_ifdetach`: stops DAD of what came late.
pub async fn nd6_ifdetach(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "nd6_ifdetach", file: FILE });
    net_epoch_enter(k);
    let mut ifa = k[ifp].if_addrhead.first.get();
    while !ifa.is_null() && k.fuel() {
        let next = k[ifa].ifa_link.next.get();
        if k[ifa].af.get() == Af::Inet6 {
            let _h = k.hold(ObjRef::of(ifa), false);
            nd6_dad_stop(k, ifa).await;
        }
        ifa = next;
    }
    net_epoch_exit(k);
}

/// `nd6_purge`.
pub async fn nd6_purge(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "nd6_purge", file: FILE });
    nd6_defrouter_purge(k, ifp).await;
    k.yield_at("nd6_purge:nd6_prefix_unlink").await;
    let serialized = lock_expiry(k).await;
    purge_prefixes(k, ifp).await;
    unlock_expiry(k, serialized);
    k.yield_at("nd6_purge:ND_IFINFO").await;
    if accepts_rtadv(k, ifp) {
        defrouter_select_fib(k).await;
    }
}

/// The prefixes of `ifp` are unlinked and deleted.
async fn purge_prefixes(k: &K, ifp: IfId) {
    let mut prl = Unlinked::<NdPrefix, 16>::default();
    k.lock(ND6).await;
    let mut pr = k.st.v_nd_prefix.first[0].get();
    while !pr.is_null() && k.fuel() {
        let next = k[pr].ndpr_entry.next.get();
        if k[pr].ndpr_ifp.get() == ifp {
            nd6_prefix_unlink(k, pr);
            prl.push(k, pr);
        }
        pr = next;
    }
    k.unlock(ND6);
    // LIST_INSERT_HEAD, LIST_FIRST: the last one comes first.
    for (pr, list_ref) in prl.all.into_iter().rev().flatten() {
        k.yield_at("nd6_purge:nd6_prefix_del").await;
        nd6_prefix_del(k, pr, list_ref).await;
    }
}

/// `check_release_defrouter`: a default route went out of a group of the RIB, which is
/// locked.
pub async fn check_release_defrouter(k: &K, nh: NhId) {
    let _f = k.frame(&Func { name: "check_release_defrouter", file: FILE });
    let n = &k[nh];
    if n.nh_flags.get() & NHF_DEFAULT == 0 {
        return;
    }
    let Gw::Addr(gw) = n.gw.get() else { return };
    let dr = defrouter_lookup(k, gw, n.nh_ifp.get()).await;
    if !dr.is_null() {
        k[dr].installed.set(false);
        defrouter_rele(k, dr);
    }
}

// ---- entries -----------------------------------------------------------------------------

/// `nd6_need_cache`.
pub fn nd6_need_cache(k: &K, ifp: IfId) -> bool {
    // IFT_ETHER, IFT_PROPVIRTUAL.
    matches!(k[ifp].driver.get(), Driver::Epair | Driver::Ng)
}

/// `nd6_add_ifa_lle`.
pub async fn nd6_add_ifa_lle(k: &K, ia: IfaId) -> i32 {
    let _f = k.frame(&Func { name: "nd6_add_ifa_lle", file: FILE });
    let ifp = k[ia].ifa_ifp.get();
    if !nd6_need_cache(k, ifp) {
        return 0;
    }
    lltable_add_ifa(k, ifp, Af::Inet6, k[ia].addr.get()).await
}

/// `nd6_rem_ifa_lle`.
pub async fn nd6_rem_ifa_lle(k: &K, ia: IfaId, all: bool) {
    let _f = k.frame(&Func { name: "nd6_rem_ifa_lle", file: FILE });
    let a = &k[ia];
    if all {
        lltable_prefix_free(k, Af::Inet6, a.addr.get(), a.bits.get(), true).await;
    } else {
        lltable_delete_addr(k, a.ifa_ifp.get(), Af::Inet6, a.addr.get()).await;
    }
}

/// `nd6_lookup`.
pub fn nd6_lookup(k: &K, addr: Addr, ifp: IfId) -> LleId {
    lla_lookup(k, lltable(k, ifp, Af::Inet6), addr)
}

/// `nd6_llinfo_setstate`.
fn nd6_llinfo_setstate(k: &K, lle: LleId, state: LleState) {
    match state {
        LleState::Incomplete => lle_timer_reset(k, lle, RETRANS),
        LleState::Stale => lle_timer_reset(k, lle, GCTIMER),
        LleState::Reachable => {}
    }
    k[lle].state.set(state);
}

/// Makes an entry and links it, unless one came meanwhile, which is preferred; whether it
/// is the new one. NULL when there is no memory or the table is gone.
async fn link_new(k: &K, ifp: IfId, addr: Addr) -> (LleId, bool) {
    let new = lltable_alloc_entry(k, ifp, Af::Inet6, addr, false);
    if new.is_null() {
        return (new, false);
    }
    let lock = locks::if_afdata(k, ifp);
    {
        let _lle = k.hold(ObjRef::of(new), true);
        k.yield_at("nd6_get_llentry:afdata_wlock").await;
        k.lock(lock).await;
    }
    let llt = lltable(k, ifp, Af::Inet6);
    let there = lla_lookup(k, llt, addr);
    let linked = there.is_null() && lltable_link_entry(k, llt, new);
    k.unlock(lock);
    if linked {
        return (new, true);
    }
    llentry_free(k, new);
    (there, false)
}

/// `nd6_try_set_entry_addr`: drops the entry's lock for that of its interface. False when
/// the entry was deleted meanwhile; upstream sees that of one that `lla_delete` has taken out
/// alone.
async fn nd6_try_set_entry_addr(k: &K, ifp: IfId, ln: LleId) -> bool {
    let _f = k.frame(&Func { name: "nd6_try_set_entry_addr", file: FILE });
    let lock = locks::if_afdata(k, ifp);
    {
        let _ln = k.hold(ObjRef::of(ln), false);
        k.yield_at("lltable_acquire_wlock").await;
        k.lock(lock).await;
    }
    let e = &k[ln];
    let there = !e.deleted.get() && (e.linked.get() || k.on(d::LLE_UPDATE_UNLINKED));
    k.unlock(lock);
    there
}

/// `nd6_cache_lladdr` for a router advertisement, with or without the router's link-layer
/// address; inside the epoch.
pub async fn nd6_cache_lladdr(k: &K, ifp: IfId, from: Addr, lladdr: bool) {
    let _f = k.frame(&Func { name: "nd6_cache_lladdr", file: FILE });
    k.yield_at("nd6_cache_lladdr:nd6_lookup").await;
    let mut ln = nd6_lookup(k, from, ifp);
    let mut is_newentry = false;
    if ln.is_null() {
        (ln, is_newentry) = link_new(k, ifp, from).await;
        if ln.is_null() {
            return;
        }
    }
    if k[ln].is_static.get() {
        return;
    }
    if is_newentry && lladdr {
        nd6_llinfo_setstate(k, ln, LleState::Stale);
    }
    let do_update = !is_newentry && lladdr && k[ln].state.get() == LleState::Incomplete;
    if do_update {
        if !nd6_try_set_entry_addr(k, ifp, ln).await {
            return;
        }
        nd6_llinfo_setstate(k, ln, LleState::Stale);
    }
    let old_addr = k[ln].state.get() != LleState::Incomplete;
    if old_addr {
        k[ln].ln_router.set(true);
    }
    let router = k[ln].ln_router.get();
    k.yield_at("nd6_cache_lladdr:defrouter_select_fib").await;
    if (do_update || is_newentry) && router && accepts_rtadv(k, ifp) {
        defrouter_select_fib(k).await;
    }
}

/// `nd6_is_addr_neighbor`, `nd6_is_new_addr_neighbor`; inside the epoch.
async fn nd6_is_addr_neighbor(k: &K, addr: Addr, ifp: IfId) -> bool {
    let _f = k.frame(&Func { name: "nd6_is_addr_neighbor", file: FILE });
    if is_linklocal(addr) {
        return addr >> 32 & 0xffff == u64::from(k[ifp].if_index.get());
    }
    let nh = fib6_lookup(k, addr).await;
    if !nh.is_null() {
        let n = &k[nh];
        if n.nh_aifp.get() == ifp && n.nh_flags.get() & NHF_GATEWAY == 0 {
            return true;
        }
    }
    k.lock_shared(ND6).await;
    let mut matched = false;
    let mut pr = k.st.v_nd_prefix.first[0].get();
    while !pr.is_null() && !matched && k.fuel() {
        let p = &k[pr];
        matched = p.ndpr_ifp.get() == ifp
            && p.ndpr_stateflags.get() & NDPRF_ONLINK != 0
            && p.ndpr_prefix.get().covers(addr);
        pr = p.ndpr_entry.next.get();
    }
    k.unlock(ND6);
    matched || !nd6_lookup(k, addr, ifp).is_null()
}

/// `nd6_resolve`: finds or makes the entry of a neighbour; inside the epoch. EWOULDBLOCK
/// when the packet waits for an answer.
pub async fn nd6_resolve(k: &K, ifp: IfId, addr: Addr) -> i32 {
    let _f = k.frame(&Func { name: "nd6_resolve", file: FILE });
    k.yield_at("nd6_resolve:ND_IFINFO").await;
    let Some(nd) = nd_ifinfo(k, ifp, "ND_IFINFO(ifp)->flags") else { return ENETDOWN };
    if nd.nd_flags.get() & ND6_IFF_IFDISABLED != 0 {
        return ENETDOWN;
    }
    let ln = nd6_lookup(k, addr, ifp);
    if !ln.is_null() && k[ln].state.get() != LleState::Incomplete {
        return 0;
    }
    nd6_resolve_slow(k, ifp, addr).await
}

async fn nd6_resolve_slow(k: &K, ifp: IfId, addr: Addr) -> i32 {
    let _f = k.frame(&Func { name: "nd6_resolve_slow", file: FILE });
    k.yield_at("nd6_resolve_slow:nd6_lookup").await;
    let mut lle = nd6_lookup(k, addr, ifp);
    if lle.is_null() && nd6_is_addr_neighbor(k, addr, ifp).await {
        (lle, _) = link_new(k, ifp, addr).await;
    }
    if lle.is_null() {
        return ENOBUFS;
    }
    if k[lle].state.get() != LleState::Incomplete {
        return 0;
    }
    if k[lle].la_asked.get() == 0 {
        k[lle].la_asked.inc();
        nd6_llinfo_setstate(k, lle, LleState::Incomplete);
        nd6_ns_output(k, ifp).await;
    }
    EWOULDBLOCK
}

/// `nd6_llinfo_timer`: an entry's timer has fired. It owns the reference that the timer
/// had.
pub async fn nd6_llinfo_timer(k: &K, lle: LleId) {
    let _f = k.frame(&Func { name: "nd6_llinfo_timer", file: FILE });
    let held = k.hold(ObjRef::of(lle), true);
    let protected = !k.on(d::LLE_TIMER_AFTER_TABLE);
    if protected {
        net_epoch_enter(k);
    } else {
        // The original asks the table for the interface first.
        let _ = llt_ifp(k, k[lle].lle_tbl.get());
    }
    k.yield_at("nd6_llinfo_timer:nd6_rlock").await;
    k.lock_shared(ND6).await;
    drop(held);
    if lle_timer_enter(k, lle) {
        if !protected {
            net_epoch_enter(k);
        }
        let held = k.hold(ObjRef::of(lle), true);
        timeout(k, lle, held).await;
        if !protected {
            net_epoch_exit(k);
        }
    } else {
        k.unlock(ND6);
    }
    if protected {
        net_epoch_exit(k);
    }
}

/// The states of `nd6_llinfo_timer`; the nd6 lock is held and released. Gives the
/// handler's reference up.
async fn timeout(k: &K, ln: LleId, held: Hold<'_>) {
    let e = &k[ln];
    let ifp = llt_ifp(k, e.lle_tbl.get());
    let _ = nd_ifinfo(k, ifp, "ND_IFINFO(ifp)");
    let mut send_ns = false;
    let collect = match e.state.get() {
        _ if e.is_static.get() => None,
        _ if e.deleted.get() => Some(false),
        LleState::Incomplete if e.la_asked.get() < MMAXTRIES => {
            e.la_asked.inc();
            send_ns = true;
            None
        }
        LleState::Incomplete => Some(false),
        LleState::Reachable => None,
        LleState::Stale => Some(true),
    };
    match collect {
        Some(gc) => nd6_free(k, ln, ifp, gc, held).await,
        None => {
            k.unlock(ND6);
            drop(held);
            if send_ns {
                lle_timer_reset(k, ln, RETRANS);
            }
            lle_free_locked(k, ln);
        }
    }
    if send_ns {
        nd6_ns_output(k, ifp).await;
    }
}

/// `nd6_free`; the nd6 lock is held and released. Gives the handler's reference up.
async fn nd6_free(k: &K, ln: LleId, ifp: IfId, gc: bool, held: Hold<'_>) {
    let _f = k.frame(&Func { name: "nd6_free", file: FILE });
    let accepts = accepts_rtadv(k, ifp);
    let addr = k[ln].addr.get();
    let dr = if accepts { defrouter_lookup_locked(k, addr, ifp) } else { DrId::NULL };
    k.unlock(ND6);
    lle_timer_stop(k, ln);
    let dr_held = (!dr.is_null()).then(|| k.hold(ObjRef::of(dr), true));
    if accepts {
        if !dr.is_null() && k[ln].state.get() == LleState::Stale && gc {
            let left = k[dr].expire.get().saturating_sub(k.now());
            lle_timer_reset(k, ln, if left == 0 { GCTIMER } else { left });
            drop(held);
            lle_remref(k, ln);
            drop(dr_held);
            defrouter_rele(k, dr);
            return;
        }
        if !dr.is_null() {
            k[ln].state.set(LleState::Incomplete);
        }
        if k[ln].ln_router.get() || !dr.is_null() {
            k.yield_at("nd6_free:rt6_flush").await;
            rt6_flush(k, addr).await;
        }
        if !dr.is_null() {
            k.yield_at("nd6_free:pfxlist_onlink_check").await;
            pfxlist_onlink_check(k).await;
            defrouter_select_fib(k).await;
        }
    }
    k.yield_at("nd6_free:afdata_lock").await;
    let lock = locks::if_afdata(k, ifp);
    k.lock(lock).await;
    drop(held);
    if k[ln].linked.get() {
        // The timer's reference; llentry_free gives up the table's.
        lle_remref(k, ln);
        lltable_unlink_entry(k, ln);
    }
    k.unlock(lock);
    llentry_free(k, ln);
    drop(dr_held);
    if !dr.is_null() {
        defrouter_rele(k, dr);
    }
}

/// A packet for `addr` is to leave through an interface: its output, inside the epoch.
pub async fn resolve(k: &K, name: u8, addr: Addr) -> i32 {
    net_epoch_enter(k);
    let ifp = super::if_c::ifunit(k, name);
    let error = if ifp.is_null() {
        ENXIO
    } else {
        match if_output(k, ifp, Af::Inet6, addr).await {
            EWOULDBLOCK => 0,
            error => error,
        }
    };
    net_epoch_exit(k);
    error
}

/// `nd6_subscription_cb`, with `rib_decompose_notification`: a router whose default route goes
/// is no longer the installed one.
///
/// The decomposition is for changes from and to groups; whoever built it in (ROUTE_MPATH)
/// is not told of a single route.
pub async fn nd6_subscription_cb(k: &K, rc: &RibCmdInfo<'_>) {
    let is_group = |nh| matches!(nh, NhRef::Nhg(_));
    let (old, new) = (rc.rc_nh_old, rc.rc_nh_new);
    let told = match rc.rc_cmd {
        Rtm::Add => false,
        Rtm::Delete => is_group(old),
        Rtm::Change => is_group(old) || is_group(new),
    };
    if !told {
        return;
    }
    let _f = k.frame(&Func { name: "nd6_subscription_cb", file: FILE });
    let stays = Paths::of(k, new);
    for nh in Paths::of(k, old).iter() {
        if k[nh].nh_flags.get() & NHF_DEFAULT != 0 && stays.iter().all(|n| n != nh) {
            check_release_defrouter(k, nh).await;
        }
    }
}
