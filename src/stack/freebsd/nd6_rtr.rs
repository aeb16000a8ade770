//! `sys/netinet6/nd6_rtr.c`: routers and prefixes.
//!
//! A prefix has one reference of `V_nd_prefix` and one of each thread that found it; the
//! addresses that were made of it are counted apart (`ndpr_addrcnt`). A router has one of
//! its list, one of each prefix that it advertises and one of each thread. Both are freed
//! with the last reference, at once: no epoch protects them.
//!
//! The onlink mutex comes first, the nd6 lock after it; the nd6 lock is dropped around
//! every change of the RIB, and a generation number tells whether the lists changed
//! meanwhile.
//!
//! Left out: router preferences, lifetimes below two hours that are cut by an
//! advertisement, MTU and hop limit options, the interface for default traffic.

use super::defects as d;
use super::if_c::ifa_free;
use super::if_llatbl;
use super::in6_c::{
    Ifra, dying, expires, first_in6_ifa, in6_update_ifa, in6ifa_ifpforlinklocal,
    in6ifa_ifpwithaddr, is_linklocal, relate,
};
use super::invariants as inv;
use super::locks::{IN6_CONTROL, IN6_IFADDR, IN6_MULTI, ND6, ND6_ONLINK};
use super::nd6::{nd_ifinfo, nd6_cache_lladdr, nd6_lookup};
use super::nd6_nbr::nd6_dad_start;
use super::objects::*;
use super::route_ctl::{Filter, RtAddrinfo, Rtm, rib_del_route_px, rib_walk_del};
use super::route_helpers::rib_add_default_route;
use super::route_ifaddrs::rib_handle_ifaddr_info;
use super::scope6::in6_setscope;
use super::subr_epoch::{net_epoch_enter, net_epoch_exit};
use super::{EADDRNOTAVAIL, EEXIST, ENOENT, ENOMEM, K, uma};
use crate::kern::cell::F;
use crate::kern::sched::Hold;
use crate::kern::slab::{Id, ObjRef, Object};
use crate::kern::trace::{Func, What};
use crate::shadow::FaultKind;

const FILE: &str = "sys/netinet6/nd6_rtr.c";

/// A router advertisement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ra {
    /// The router's link-local address, without scope.
    pub from: Addr,
    /// Router lifetime, s; 0 ends its being a default router.
    pub lifetime: u16,
    /// The prefix information option: on-link and autonomous; addr 0 for none.
    pub prefix: Prefix,
    /// Valid lifetime of the prefix, s.
    pub vltime: u32,
}

/// `struct nd_prefixctl`.
#[derive(Clone, Copy, Debug)]
pub struct PrefixCtl {
    /// `ndpr_ifp`.
    pub ifp: IfId,
    /// `ndpr_prefix`, `ndpr_plen`.
    pub prefix: Prefix,
    /// `ndpr_raf_onlink`.
    pub raf_onlink: bool,
    /// `ndpr_raf_auto`.
    pub raf_auto: bool,
    /// `ndpr_raf_ra_derived`.
    pub raf_ra_derived: bool,
    /// `ndpr_vltime` and `ndpr_pltime`, s; `None` for infinite.
    pub vltime: Option<u32>,
}

// ---- references ----------------------------------------------------------------------

/// `defrouter_ref`.
#[track_caller]
pub fn defrouter_ref(k: &K, dr: DrId) {
    let refs = &k[dr].refcnt;
    if refs.get() == 0 {
        k.violate(&inv::I06_ACQUIRE_FROM_ZERO, ObjRef::of(dr), ObjRef::NONE, [0, 0]);
    }
    k.record_ref(ObjRef::of(dr), 1, refs.inc());
}

/// `defrouter_rele`.
#[track_caller]
pub fn defrouter_rele(k: &K, dr: DrId) {
    let refs = &k[dr].refcnt;
    if refs.get() == 0 {
        k.violate(&inv::I06_RELEASE_AT_ZERO, ObjRef::of(dr), ObjRef::NONE, [0, 0]);
    }
    let now = refs.dec();
    k.record_ref(ObjRef::of(dr), -1, now);
    if now == 0 {
        uma::free(k, |s| &s.routers, dr);
    }
}

/// `nd6_prefix_ref`.
#[track_caller]
pub fn nd6_prefix_ref(k: &K, pr: PrId) {
    let refs = &k[pr].ndpr_refcnt;
    if refs.get() == 0 {
        k.violate(&inv::I06_ACQUIRE_FROM_ZERO, ObjRef::of(pr), ObjRef::NONE, [0, 0]);
    }
    k.record_ref(ObjRef::of(pr), 1, refs.inc());
}

/// `nd6_prefix_rele`.
#[track_caller]
pub fn nd6_prefix_rele(k: &K, pr: PrId) {
    let refs = &k[pr].ndpr_refcnt;
    if refs.get() == 0 {
        k.violate(&inv::I06_RELEASE_AT_ZERO, ObjRef::of(pr), ObjRef::NONE, [0, 0]);
    }
    let now = refs.dec();
    k.record_ref(ObjRef::of(pr), -1, now);
    if now == 0 {
        uma::free(k, |s| &s.prefixes, pr);
    }
}

fn holds<'k, T: Object>(k: &'k K, id: Id<T>) -> Option<Hold<'k>> {
    (!id.is_null()).then(|| k.hold(ObjRef::of(id), true))
}

// ---- advertisements ------------------------------------------------------------------

/// `nd6_ra_input`; inside the epoch.
pub async fn nd6_ra_input(k: &K, ifp: IfId, ra: Ra) {
    let _f = k.frame(&Func { name: "nd6_ra_input", file: FILE });
    k.yield_at("nd6_ra_input:ND_IFINFO").await;
    let Some(nd) = nd_ifinfo(k, ifp, "ND_IFINFO(ifp)->flags") else { return };
    if nd.nd_flags.get() & ND6_IFF_ACCEPT_RTADV == 0 {
        return;
    }
    if !k.on(d::RA_INPUT_WHILE_DYING) && dying(k, ifp) {
        return;
    }
    let control = !k.on(d::RA_UNSERIALIZED);
    if control && !k.try_lock(IN6_CONTROL) {
        return;
    }
    let multi = !k.on(d::RA_JOIN_SLEEPS);
    if !multi || k.try_lock(IN6_MULTI) {
        ra_input(k, ifp, ra).await;
        if multi {
            k.unlock(IN6_MULTI);
        }
    }
    if control {
        k.unlock(IN6_CONTROL);
    }
}

async fn ra_input(k: &K, ifp: IfId, ra: Ra) {
    let from = in6_setscope(k, ra.from, ifp);
    let dr = defrtrlist_update(k, ifp, from, ra.lifetime).await;
    {
        let _dr = holds(k, dr);
        if ra.prefix.addr != 0 {
            let ctl = PrefixCtl {
                ifp,
                prefix: ra.prefix,
                raf_onlink: true,
                raf_auto: true,
                raf_ra_derived: true,
                vltime: Some(ra.vltime),
            };
            k.yield_at("nd6_ra_input:prelist_update").await;
            prelist_update(k, &ctl, dr).await;
        }
        k.yield_at("nd6_ra_input:defrouter_rele").await;
    }
    if !dr.is_null() {
        defrouter_rele(k, dr);
    }
    nd6_cache_lladdr(k, ifp, from, k[ifp].driver.get() == Driver::Epair).await;
    pfxlist_onlink_check(k).await;
}

// ---- routers that advertise a prefix ---------------------------------------------------

fn pfxrtr_lookup(k: &K, pr: PrId, dr: DrId) -> bool {
    k[pr].ndpr_advrtrs.iter().any(|r| r.get() == dr)
}

async fn pfxrtr_add(k: &K, pr: PrId, dr: DrId) {
    let _f = k.frame(&Func { name: "pfxrtr_add", file: FILE });
    k.lock_shared(ND6).await;
    let known = pfxrtr_lookup(k, pr, dr);
    k.unlock(ND6);
    if known || k.fails("malloc_nd_pfxrouter") {
        return;
    }
    defrouter_ref(k, dr);
    {
        let _dr = k.hold(ObjRef::of(dr), true);
        k.yield_at("pfxrtr_add:nd6_wlock").await;
        k.lock(ND6).await;
    }
    // Not in the original: both are still listed.
    let noted = k.on(d::PFXRTR_ADD_UNLINKED)
        || listed(k).any(|p| p == pr) && listed_routers(k).any(|r| r == dr);
    let update = noted && !pfxrtr_lookup(k, pr, dr);
    if !update {
        defrouter_rele(k, dr);
    } else if let Some(free) = k[pr].ndpr_advrtrs.iter().find(|r| r.get().is_null()) {
        free.set(dr);
    } else {
        k.exhaust();
    }
    k.unlock(ND6);
    if update {
        k.yield_at("pfxrtr_add:pfxlist_onlink_check").await;
        pfxlist_onlink_check(k).await;
    }
}

/// `pfxrtr_del` of the router in one place of a prefix; the nd6 lock is held.
fn pfxrtr_del(k: &K, place: &F<DrId>) {
    let dr = place.get();
    place.set(DrId::NULL);
    defrouter_rele(k, dr);
}

// ---- default routers -------------------------------------------------------------------

/// `defrouter_addreq`; inside the epoch.
async fn defrouter_addreq(k: &K, new: DrId) {
    let _f = k.frame(&Func { name: "defrouter_addreq", file: FILE });
    let (ifp, gw) = (k[new].ifp.get(), k[new].rtaddr.get());
    if rib_add_default_route(k, Af::Inet6, ifp, gw).await == 0 {
        k[new].installed.set(true);
    }
}

async fn defrouter_delreq(k: &K, dr: DrId) {
    let _f = k.frame(&Func { name: "defrouter_delreq", file: FILE });
    net_epoch_enter(k);
    let gw = Filter::Gateway(Gw::Addr(k[dr].rtaddr.get()));
    rib_del_route_px(k, Af::Inet6, Prefix::new(0, 0), gw, 0).await;
    net_epoch_exit(k);
    k[dr].installed.set(false);
}

/// `rt6_flush`.
pub async fn rt6_flush(k: &K, gateway: Addr) {
    let _f = k.frame(&Func { name: "rt6_flush", file: FILE });
    if is_linklocal(gateway) {
        net_epoch_enter(k);
        rib_walk_del(k, Af::Inet6, Filter::HostsVia(gateway)).await;
        net_epoch_exit(k);
    }
}

/// `defrouter_unlink`; the nd6 lock is held. The list's reference goes to the caller.
fn defrouter_unlink(k: &K, dr: DrId) {
    k.record(|| What::List("nd6_defrouter", false, ObjRef::of(dr)));
    if !k.st.v_nd6_defrouter.remove(dr, |i| &k[i].dr_entry) {
        k.kernel_fault(FaultKind::Null, ObjRef::of(dr), "TAILQ_REMOVE(dr_entry)");
    }
    k.st.v_nd6_list_genid.inc();
}

/// `defrouter_del` of an unlinked router; takes over the reference that its list had.
async fn defrouter_del(k: &K, dr: DrId, list_ref: Hold<'_>) {
    let _f = k.frame(&Func { name: "defrouter_del", file: FILE });
    k.yield_at("defrouter_del:rt6_flush").await;
    let accepts = nd_ifinfo(k, k[dr].ifp.get(), "ND_IFINFO(dr->ifp)->flags")
        .is_some_and(|nd| nd.nd_flags.get() & ND6_IFF_ACCEPT_RTADV != 0);
    if accepts {
        rt6_flush(k, k[dr].rtaddr.get()).await;
    }
    k.yield_at("defrouter_del:installed").await;
    let serialize = !k.on(d::DEFROUTER_SELECT_UNLOCKED);
    if serialize {
        k.lock(ND6_ONLINK).await;
    }
    let installed = k[dr].installed.get();
    if installed {
        defrouter_delreq(k, dr).await;
    }
    if installed && serialize {
        // Not in the original: the user may have deleted this router's route, and the router
        // have advertised itself anew. Then it was its new entry's route; or, because the scope
        // of an address is an index, that of a router of the interface that has the index now.
        k.lock_shared(ND6).await;
        let address = k[dr].rtaddr.get();
        for heir in listed_routers(k).filter(|&r| k[r].rtaddr.get() == address) {
            k[heir].installed.set(false);
        }
        k.unlock(ND6);
    }
    if serialize {
        k.unlock(ND6_ONLINK);
    }
    k.yield_at("defrouter_del:pfxrtr_del").await;
    k.lock(ND6).await;
    let mut pr = k.st.v_nd_prefix.first[0].get();
    while !pr.is_null() && k.fuel() {
        if let Some(place) = k[pr].ndpr_advrtrs.iter().find(|r| r.get() == dr) {
            pfxrtr_del(k, place);
        }
        pr = k[pr].ndpr_entry.next.get();
    }
    k.unlock(ND6);
    k.yield_at("defrouter_del:pfxlist_onlink_check").await;
    pfxlist_onlink_check(k).await;
    if installed {
        k.yield_at("defrouter_del:defrouter_select_fib").await;
        defrouter_select_fib(k).await;
    }
    drop(list_ref);
    defrouter_rele(k, dr);
}

/// `defrouter_lookup_locked`: referenced; the nd6 lock is held.
pub fn defrouter_lookup_locked(k: &K, addr: Addr, ifp: IfId) -> DrId {
    let mut dr = k.st.v_nd6_defrouter.first.get();
    while !dr.is_null() && k.fuel() {
        if k[dr].ifp.get() == ifp && k[dr].rtaddr.get() == addr {
            defrouter_ref(k, dr);
            return dr;
        }
        dr = k[dr].dr_entry.next.get();
    }
    DrId::NULL
}

/// `defrouter_lookup`.
pub async fn defrouter_lookup(k: &K, addr: Addr, ifp: IfId) -> DrId {
    let _f = k.frame(&Func { name: "defrouter_lookup", file: FILE });
    k.lock_shared(ND6).await;
    let dr = defrouter_lookup_locked(k, addr, ifp);
    k.unlock(ND6);
    dr
}

/// `defrouter_remove`.
async fn defrouter_remove(k: &K, addr: Addr, ifp: IfId) {
    let _f = k.frame(&Func { name: "defrouter_remove", file: FILE });
    k.lock(ND6).await;
    let dr = defrouter_lookup_locked(k, addr, ifp);
    if dr.is_null() {
        k.unlock(ND6);
        return;
    }
    defrouter_unlink(k, dr);
    k.unlock(ND6);
    let list_ref = k.hold(ObjRef::of(dr), true);
    let held = k.hold(ObjRef::of(dr), true);
    defrouter_del(k, dr, list_ref).await;
    drop(held);
    defrouter_rele(k, dr);
}

/// `is_dr_reachable`.
fn is_dr_reachable(k: &K, dr: DrId) -> bool {
    let ln = nd6_lookup(k, k[dr].rtaddr.get(), k[dr].ifp.get());
    !ln.is_null() && k[ln].state.get() != LleState::Incomplete
}

/// `defrouter_select_fib`.
pub async fn defrouter_select_fib(k: &K) {
    let _f = k.frame(&Func { name: "defrouter_select_fib", file: FILE });
    let serialize = !k.on(d::DEFROUTER_SELECT_UNLOCKED);
    if serialize {
        k.lock(ND6_ONLINK).await;
    }
    select_fib(k).await;
    if serialize {
        k.unlock(ND6_ONLINK);
    }
}

async fn select_fib(k: &K) {
    k.lock_shared(ND6).await;
    if k.st.v_nd6_defrouter.first.get().is_null() {
        k.unlock(ND6);
        return;
    }
    net_epoch_enter(k);
    let skip = |dr: DrId| !k.on(d::DEFROUTER_SELECT_DYING) && dying(k, k[dr].ifp.get());
    let (mut selected, mut installed) = (DrId::NULL, DrId::NULL);
    let mut dr = k.st.v_nd6_defrouter.first.get();
    while !dr.is_null() && k.fuel() {
        if selected.is_null() && !skip(dr) && is_dr_reachable(k, dr) {
            selected = dr;
            defrouter_ref(k, dr);
        }
        if k[dr].installed.get() && installed.is_null() {
            installed = dr;
            defrouter_ref(k, dr);
        }
        dr = k[dr].dr_entry.next.get();
    }
    // Whether `selected` has taken over the reference of `installed`.
    let mut shared = false;
    {
        let _s = holds(k, selected);
        let _i = holds(k, installed);
        k.yield_at("defrouter_select_fib:selected").await;
    }
    if selected.is_null() {
        let next = if installed.is_null() { DrId::NULL } else { k[installed].dr_entry.next.get() };
        let from = if next.is_null() { k.st.v_nd6_defrouter.first.get() } else { next };
        let mut dr = from;
        while !dr.is_null() && k.fuel() {
            if !skip(dr) {
                selected = dr;
                defrouter_ref(k, dr);
                break;
            }
            dr = k[dr].dr_entry.next.get();
        }
    } else if !installed.is_null() && !skip(installed) && is_dr_reachable(k, installed) {
        defrouter_rele(k, selected);
        selected = installed;
        shared = true;
    }
    k.unlock(ND6);
    let selected_ref = holds(k, selected);
    let mut installed_ref = if shared { None } else { holds(k, installed) };
    k.yield_at("defrouter_select_fib:nd6_runlock").await;
    let release_installed = |held: Option<Hold<'_>>| {
        if held.is_some() {
            drop(held);
            defrouter_rele(k, installed);
        }
    };
    if installed != selected {
        if !installed.is_null() {
            defrouter_delreq(k, installed).await;
            release_installed(installed_ref.take());
            k.yield_at("defrouter_select_fib:defrouter_addreq").await;
        }
        if !selected.is_null() {
            defrouter_addreq(k, selected).await;
        }
    } else if !k.on(d::DEFROUTER_SELECT_REF_LEAK) {
        release_installed(installed_ref.take());
    }
    drop(selected_ref);
    if !selected.is_null() {
        defrouter_rele(k, selected);
    }
    net_epoch_exit(k);
}

/// `defrtrlist_update`: the router, with a reference; NULL when it is none.
async fn defrtrlist_update(k: &K, ifp: IfId, addr: Addr, lifetime: u16) -> DrId {
    let _f = k.frame(&Func { name: "defrtrlist_update", file: FILE });
    if lifetime == 0 {
        defrouter_remove(k, addr, ifp).await;
        return DrId::NULL;
    }
    let expire = k.now() + u64::from(lifetime) * 1_000;
    k.lock_shared(ND6).await;
    let mut writelocked = false;
    let mut dr;
    loop {
        dr = defrouter_lookup_locked(k, addr, ifp);
        if !dr.is_null() {
            k[dr].rtlifetime.set(lifetime);
            k[dr].expire.set(expire);
            if k[dr].installed.get() {
                k.unlock(ND6);
                return dr;
            }
        }
        if writelocked {
            break;
        }
        writelocked = true;
        if k.try_upgrade(ND6) {
            break;
        }
        let genid = k.st.v_nd6_list_genid.get();
        k.unlock(ND6);
        {
            let _dr = holds(k, dr);
            k.yield_at("defrtrlist_update:nd6_wlock").await;
            k.lock(ND6).await;
        }
        if genid == k.st.v_nd6_list_genid.get() {
            break;
        }
        if !dr.is_null() && !k.on(d::DEFRTRLIST_RESTART_REF_LEAK) {
            defrouter_rele(k, dr);
        }
    }
    if dr.is_null() {
        if k.fails("malloc_nd_defrouter") {
            k.unlock(ND6);
            return dr;
        }
        dr = uma::alloc(k, |s| &s.routers);
        if dr.is_null() {
            k.unlock(ND6);
            return dr;
        }
        let n = &k[dr];
        n.rtaddr.set(addr);
        n.ifp.set(ifp);
        n.rtlifetime.set(lifetime);
        n.expire.set(expire);
        n.refcnt.set(2);
        k.record_ref(ObjRef::of(dr), 2, 2);
        inv::added(k, ifp, ObjRef::of(dr), inv::Left::Router);
    } else {
        k.record(|| What::List("nd6_defrouter", false, ObjRef::of(dr)));
        if !k.st.v_nd6_defrouter.remove(dr, |i| &k[i].dr_entry) {
            k.kernel_fault(FaultKind::Null, ObjRef::of(dr), "TAILQ_REMOVE(dr_entry)");
        }
    }
    k.record(|| What::List("nd6_defrouter", true, ObjRef::of(dr)));
    k.st.v_nd6_defrouter.insert_tail(dr, |i| &k[i].dr_entry);
    k.st.v_nd6_list_genid.inc();
    let held = k.hold(ObjRef::of(dr), true);
    k.unlock(ND6);
    k.yield_at("defrtrlist_update:defrouter_select_fib").await;
    defrouter_select_fib(k).await;
    drop(held);
    dr
}

/// Routers or prefixes that were unlinked together, with the references of their lists:
/// the list on the original's stack.
pub struct Unlinked<'k, T, const N: usize> {
    /// In the order in which they were unlinked.
    pub all: [Option<(Id<T>, Hold<'k>)>; N],
    len: usize,
}

impl<T: Object, const N: usize> Default for Unlinked<'_, T, N> {
    fn default() -> Self {
        Unlinked { all: std::array::from_fn(|_| None), len: 0 }
    }
}

impl<'k, T: Object, const N: usize> Unlinked<'k, T, N> {
    /// One more.
    pub fn push(&mut self, k: &'k K, id: Id<T>) {
        if self.len < N {
            self.all[self.len] = Some((id, k.hold(ObjRef::of(id), true)));
            self.len += 1;
        }
    }
}

/// `nd6_defrouter_timer`.
pub async fn nd6_defrouter_timer(k: &K) {
    let _f = k.frame(&Func { name: "nd6_defrouter_timer", file: FILE });
    let expired = |dr: DrId| k[dr].expire.get() != 0 && k[dr].expire.get() < k.now();
    purge_defrouters(k, "nd6_defrouter_timer:defrouter_del", [&expired, &|_| false]).await;
}

/// `nd6_defrouter_purge`: those that are not installed first.
pub async fn nd6_defrouter_purge(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "nd6_defrouter_purge", file: FILE });
    let idle = |dr: DrId| k[dr].ifp.get() == ifp && !k[dr].installed.get();
    let installed = |dr: DrId| k[dr].ifp.get() == ifp && k[dr].installed.get();
    purge_defrouters(k, "nd6_defrouter_purge:defrouter_del", [&idle, &installed]).await;
}

/// Unlinks the routers that one test after the other names, then deletes them; `site` is where
/// the caller does that.
async fn purge_defrouters(k: &K, site: &'static str, tests: [&dyn Fn(DrId) -> bool; 2]) {
    let mut drq = Unlinked::<NdDefrouter, 8>::default();
    k.lock(ND6).await;
    for test in tests {
        let mut dr = k.st.v_nd6_defrouter.first.get();
        while !dr.is_null() && k.fuel() {
            let next = k[dr].dr_entry.next.get();
            if test(dr) {
                defrouter_unlink(k, dr);
                drq.push(k, dr);
            }
            dr = next;
        }
    }
    k.unlock(ND6);
    for (dr, list_ref) in drq.all.into_iter().flatten() {
        k.yield_at(site).await;
        defrouter_del(k, dr, list_ref).await;
    }
}

// ---- prefixes --------------------------------------------------------------------------

/// `nd6_prefix_lookup`: referenced.
pub async fn nd6_prefix_lookup(k: &K, key: &PrefixCtl) -> PrId {
    let _f = k.frame(&Func { name: "nd6_prefix_lookup", file: FILE });
    k.lock_shared(ND6).await;
    let mut pr = k.st.v_nd_prefix.first[0].get();
    while !pr.is_null() && k.fuel() {
        if k[pr].ndpr_ifp.get() == key.ifp && k[pr].ndpr_prefix.get() == key.prefix {
            nd6_prefix_ref(k, pr);
            break;
        }
        pr = k[pr].ndpr_entry.next.get();
    }
    k.unlock(ND6);
    pr
}

/// `nd6_prelist_add`: the new prefix, with a reference for the caller.
pub async fn nd6_prelist_add(k: &K, ctl: &PrefixCtl, dr: DrId) -> Result<PrId, i32> {
    let _f = k.frame(&Func { name: "nd6_prelist_add", file: FILE });
    if k.fails("malloc_nd_prefix") {
        return Err(ENOMEM);
    }
    let pr = uma::alloc(k, |s| &s.prefixes);
    if pr.is_null() {
        return Err(ENOMEM);
    }
    let n = &k[pr];
    n.ndpr_ifp.set(ctl.ifp);
    n.ndpr_prefix.set(ctl.prefix);
    n.ndpr_raf_onlink.set(ctl.raf_onlink);
    n.ndpr_raf_auto.set(ctl.raf_auto);
    n.ndpr_raf_ra_derived.set(ctl.raf_ra_derived);
    n.ndpr_expire.set(expires(k, ctl.vltime));
    n.ndpr_refcnt.set(2);
    k.record_ref(ObjRef::of(pr), 2, 2);
    let _pr = k.hold(ObjRef::of(pr), true);
    {
        let _list_ref = k.hold(ObjRef::of(pr), true);
        k.lock(ND6).await;
    }
    k.record(|| What::List("nd_prefix", true, ObjRef::of(pr)));
    k.st.v_nd_prefix.insert_head(0, pr, |i| &k[i].ndpr_entry);
    k.st.v_nd6_list_genid.inc();
    inv::added(k, ctl.ifp, ObjRef::of(pr), inv::Left::Prefix);
    k.unlock(ND6);
    if n.ndpr_raf_onlink.get() {
        k.yield_at("nd6_prelist_add:nd6_prefix_onlink").await;
        k.lock(ND6_ONLINK).await;
        net_epoch_enter(k);
        nd6_prefix_onlink(k, pr).await;
        net_epoch_exit(k);
        k.unlock(ND6_ONLINK);
    }
    if !dr.is_null() {
        k.yield_at("nd6_prelist_add:pfxrtr_add").await;
        pfxrtr_add(k, pr, dr).await;
    }
    Ok(pr)
}

/// `nd6_prefix_unlink`; the nd6 lock is held. The list's reference goes to the caller.
pub fn nd6_prefix_unlink(k: &K, pr: PrId) {
    let _f = k.frame(&Func { name: "nd6_prefix_unlink", file: FILE });
    k.record(|| What::List("nd_prefix", false, ObjRef::of(pr)));
    if k[pr].ndpr_stateflags.get() & NDPRF_UNLINKED != 0 {
        k.violate(&inv::I22_LISTS, ObjRef::of(pr), ObjRef::NONE, [0, 0]);
    }
    if !k.st.v_nd_prefix.remove(pr, |i| &k[i].ndpr_entry) {
        k.kernel_fault(FaultKind::Null, ObjRef::of(pr), "LIST_REMOVE(ndpr_entry)");
    }
    k[pr].ndpr_stateflags.set(k[pr].ndpr_stateflags.get() | NDPRF_UNLINKED);
    k.st.v_nd6_list_genid.inc();
}

/// `nd6_prefix_del` of an unlinked prefix; takes over the reference that its list had.
pub async fn nd6_prefix_del(k: &K, pr: PrId, list_ref: Hold<'_>) {
    let _f = k.frame(&Func { name: "nd6_prefix_del", file: FILE });
    let addrs = k[pr].ndpr_addrcnt.get();
    if addrs != 0 {
        k.violate(&inv::I04_DELETED_IN_USE, ObjRef::of(pr), ObjRef::NONE, [addrs as u32, 0]);
    }
    let unlocked = k.on(d::PREFIX_DEL_ONLINK_UNLOCKED);
    if !unlocked || k[pr].ndpr_stateflags.get() & NDPRF_ONLINK != 0 {
        k.yield_at("nd6_prefix_del:nd6_prefix_offlink").await;
        k.lock(ND6_ONLINK).await;
        if unlocked || k[pr].ndpr_stateflags.get() & NDPRF_ONLINK != 0 {
            nd6_prefix_offlink(k, pr).await;
        }
        k.unlock(ND6_ONLINK);
    }
    k.yield_at("nd6_prefix_del:pfxrtr_del").await;
    k.lock(ND6).await;
    for place in k[pr].ndpr_advrtrs.iter().filter(|r| !r.get().is_null()) {
        pfxrtr_del(k, place);
    }
    k.unlock(ND6);
    k.yield_at("nd6_prefix_del:nd6_prefix_rele").await;
    drop(list_ref);
    nd6_prefix_rele(k, pr);
    pfxlist_onlink_check(k).await;
}

/// `prelist_update`; inside the epoch.
async fn prelist_update(k: &K, new: &PrefixCtl, dr: DrId) -> i32 {
    let _f = k.frame(&Func { name: "prelist_update", file: FILE });
    let mut pr = nd6_prefix_lookup(k, new).await;
    if pr.is_null() {
        match nd6_prelist_add(k, new, dr).await {
            Ok(added) => pr = added,
            Err(error) => return error,
        }
    } else {
        let held = k.hold(ObjRef::of(pr), true);
        let p = &k[pr];
        p.ndpr_raf_onlink.set(true);
        p.ndpr_raf_auto.set(true);
        p.ndpr_expire.set(expires(k, new.vltime));
        k.yield_at("prelist_update:ndpr_stateflags").await;
        if p.ndpr_stateflags.get() & NDPRF_ONLINK == 0 {
            k.lock(ND6_ONLINK).await;
            nd6_prefix_onlink(k, pr).await;
            k.unlock(ND6_ONLINK);
        }
        if !dr.is_null() {
            pfxrtr_add(k, pr, dr).await;
        }
        drop(held);
    }
    let held = k.hold(ObjRef::of(pr), true);
    k.yield_at("prelist_update:if_addrhead").await;
    let mut matched = false;
    let mut ifa = k[new.ifp].if_addrhead.first.get();
    while !ifa.is_null() && k.fuel() {
        let a = &k[ifa];
        let ours = a.af.get() == Af::Inet6
            && a.ia6_flags.get() & IN6_IFF_AUTOCONF != 0
            && a.ia6_ndpr.get() == pr;
        if ours {
            // Both lifetimes are below two hours: an advertisement only prolongs.
            matched = true;
            a.ia6t_expire.set(a.ia6t_expire.get().max(expires(k, new.vltime)));
            a.ia6t_preferred.set(expires(k, new.vltime));
        }
        ifa = a.ifa_link.next.get();
    }
    let mut error = 0;
    if !matched && new.vltime != Some(0) {
        let ia6 = in6_ifadd(k, new).await;
        if ia6.is_null() {
            error = EADDRNOTAVAIL;
        } else {
            let ifa_ref = k.hold(ObjRef::of(ia6), true);
            k.yield_at("prelist_update:ia6_ndpr").await;
            relate(k, ia6, pr).await;
            drop(ifa_ref);
            ifa_free(k, ia6);
            k.yield_at("prelist_update:pfxlist_onlink_check").await;
            pfxlist_onlink_check(k).await;
        }
    }
    drop(held);
    nd6_prefix_rele(k, pr);
    error
}

/// `in6_ifadd`: the address of an advertised prefix, with a reference.
async fn in6_ifadd(k: &K, ctl: &PrefixCtl) -> IfaId {
    let _f = k.frame(&Func { name: "in6_ifadd", file: FILE });
    let ib = in6ifa_ifpforlinklocal(k, ctl.ifp, 0).await;
    if ib.is_null() {
        return ib;
    }
    let fits = k[ib].bits.get() == ctl.prefix.bits;
    let addr = ctl.prefix.addr | k[ib].addr.get() & 0xffff_ffff;
    ifa_free(k, ib);
    if !fits {
        return IfaId::NULL;
    }
    let there = in6ifa_ifpwithaddr(k, ctl.ifp, addr).await;
    if !there.is_null() {
        ifa_free(k, there);
        return IfaId::NULL;
    }
    let ifra =
        Ifra { addr, dst: 0, bits: ctl.prefix.bits, flags: IN6_IFF_AUTOCONF, vltime: ctl.vltime };
    k.yield_at("in6_ifadd:in6_update_ifa").await;
    if in6_update_ifa(k, ctl.ifp, ifra, IfaId::NULL).await != 0 {
        return IfaId::NULL;
    }
    k.yield_at("in6_ifadd:in6ifa_ifpwithaddr").await;
    in6ifa_ifpwithaddr(k, ctl.ifp, addr).await
}

// ---- on link, off link -----------------------------------------------------------------

/// `find_pfxlist_reachable_router`: whether there is one; the nd6 lock is held.
fn find_pfxlist_reachable_router(k: &K, pr: PrId) -> bool {
    k[pr].ndpr_advrtrs.iter().any(|r| !r.get().is_null() && is_dr_reachable(k, r.get()))
}

/// The prefixes of `V_nd_prefix`; the nd6 lock is held.
fn listed(k: &K) -> impl Iterator<Item = PrId> + '_ {
    let mut pr = k.st.v_nd_prefix.first[0].get();
    std::iter::from_fn(move || {
        if pr.is_null() || !k.fuel() {
            return None;
        }
        let this = pr;
        pr = k[this].ndpr_entry.next.get();
        Some(this)
    })
}

/// The routers of `V_nd6_defrouter`; the nd6 lock is held.
fn listed_routers(k: &K) -> impl Iterator<Item = DrId> + '_ {
    let mut dr = k.st.v_nd6_defrouter.first.get();
    std::iter::from_fn(move || {
        if dr.is_null() || !k.fuel() {
            return None;
        }
        let this = dr;
        dr = k[this].dr_entry.next.get();
        Some(this)
    })
}

/// Whether a prefix takes part in on-link detection.
fn is_automatic(k: &K, pr: PrId) -> bool {
    let p = &k[pr];
    !is_linklocal(p.ndpr_prefix.get().addr) && p.ndpr_raf_onlink.get() && p.ndpr_raf_auto.get()
}

/// `pfxlist_onlink_check`.
pub async fn pfxlist_onlink_check(k: &K) {
    let _f = k.frame(&Func { name: "pfxlist_onlink_check", file: FILE });
    k.lock(ND6_ONLINK).await;
    k.lock_shared(ND6).await;
    mark_detached(k);
    onlink_detached(k).await;
    k.lock_shared(IN6_IFADDR).await;
    mark_addresses(k).await;
    k.unlock(IN6_IFADDR);
    k.unlock(ND6);
    k.unlock(ND6_ONLINK);
}

/// The beginning of `pfxlist_onlink_check`: which prefixes are detached.
fn mark_detached(k: &K) {
    let reachable =
        listed(k).any(|pr| k[pr].ndpr_raf_onlink.get() && find_pfxlist_reachable_router(k, pr));
    let first = k.st.v_nd6_defrouter.first.get();
    let mut advertises = false;
    if !reachable {
        let mut dr = first;
        while !dr.is_null() && !advertises && k.fuel() {
            advertises = listed(k).any(|pr| pfxrtr_lookup(k, pr, dr));
            dr = k[dr].dr_entry.next.get();
        }
    }
    let judge = reachable || !first.is_null() && !advertises;
    for pr in listed(k).filter(|&pr| is_automatic(k, pr)) {
        let flags = &k[pr].ndpr_stateflags;
        if judge && !find_pfxlist_reachable_router(k, pr) {
            flags.set(flags.get() | NDPRF_DETACHED);
        } else {
            flags.set(flags.get() & !NDPRF_DETACHED);
        }
    }
}

/// The middle of `pfxlist_onlink_check`: routes follow the marks.
async fn onlink_detached(k: &K) {
    'restart: loop {
        let mut pr = k.st.v_nd_prefix.first[0].get();
        while !pr.is_null() && k.fuel() {
            let flags = k[pr].ndpr_stateflags.get() & (NDPRF_DETACHED | NDPRF_ONLINK);
            let differs = flags == 0 || flags == NDPRF_DETACHED | NDPRF_ONLINK;
            if is_automatic(k, pr) && differs {
                let genid = k.st.v_nd6_list_genid.get();
                let counted = !k.on(d::ONLINK_CHECK_RAW_PREFIX);
                if counted {
                    nd6_prefix_ref(k, pr);
                }
                let held = k.hold(ObjRef::of(pr), counted);
                k.unlock(ND6);
                k.yield_at("pfxlist_onlink_check:nd6_runlock").await;
                if flags & NDPRF_ONLINK != 0 {
                    nd6_prefix_offlink(k, pr).await;
                } else {
                    nd6_prefix_onlink(k, pr).await;
                }
                k.lock_shared(ND6).await;
                let same = genid == k.st.v_nd6_list_genid.get();
                let next = if same { k[pr].ndpr_entry.next.get() } else { PrId::NULL };
                drop(held);
                if counted {
                    nd6_prefix_rele(k, pr);
                }
                if !same {
                    continue 'restart;
                }
                pr = next;
                continue;
            }
            pr = k[pr].ndpr_entry.next.get();
        }
        return;
    }
}

/// The end of `pfxlist_onlink_check`: addresses follow their prefixes.
async fn mark_addresses(k: &K) {
    let reachable = |ia: IfaId| {
        let pr = k[ia].ia6_ndpr.get();
        !pr.is_null() && find_pfxlist_reachable_router(k, pr)
    };
    let autoconf = |ia: IfaId| k[ia].ia6_flags.get() & IN6_IFF_AUTOCONF != 0;
    let mut any = false;
    let mut ia = k.st.v_in6_ifaddrhead.first.get();
    while !ia.is_null() && !any && k.fuel() {
        any = autoconf(ia) && reachable(ia);
        ia = k[ia].ia_link.next.get();
    }
    let mut ia = k.st.v_in6_ifaddrhead.first.get();
    while !ia.is_null() && k.fuel() {
        if autoconf(ia) && !(any && k[ia].ia6_ndpr.get().is_null()) {
            let flags = &k[ia].ia6_flags;
            if any && !reachable(ia) {
                flags.set(flags.get() | IN6_IFF_DETACHED);
            } else if flags.get() & IN6_IFF_DETACHED != 0 {
                flags.set(flags.get() & !IN6_IFF_DETACHED | IN6_IFF_TENTATIVE);
                nd6_dad_start(k, ia, 0).await;
            }
        }
        ia = k[ia].ia_link.next.get();
    }
}

/// `nd6_prefix_rtrequest`.
async fn nd6_prefix_rtrequest(k: &K, rtm: Rtm, pr: PrId, ifa: IfaId) -> i32 {
    let _f = k.frame(&Func { name: "nd6_prefix_rtrequest", file: FILE });
    let ifp = k[pr].ndpr_ifp.get();
    let info = RtAddrinfo {
        af: Af::Inet6,
        dst: k[pr].ndpr_prefix.get(),
        gateway: Gw::Link(k[ifp].if_index.get()),
        rti_flags: RTF_PINNED,
        rti_ifa: ifa,
        rti_ifp: ifp,
        ..RtAddrinfo::default()
    };
    net_epoch_enter(k);
    let error = rib_handle_ifaddr_info(k, rtm, &info).await;
    net_epoch_exit(k);
    error
}

async fn nd6_prefix_onlink_rtrequest(k: &K, pr: PrId, ifa: IfaId) -> i32 {
    let _f = k.frame(&Func { name: "nd6_prefix_onlink_rtrequest", file: FILE });
    let error = nd6_prefix_rtrequest(k, Rtm::Add, pr, ifa).await;
    if error == 0 {
        k[pr].ndpr_stateflags.set(k[pr].ndpr_stateflags.get() | NDPRF_ONLINK);
    }
    error
}

/// `nd6_prefix_onlink`; the onlink mutex is held.
async fn nd6_prefix_onlink(k: &K, pr: PrId) -> i32 {
    let _f = k.frame(&Func { name: "nd6_prefix_onlink", file: FILE });
    let flags = k[pr].ndpr_stateflags.get();
    if flags & NDPRF_ONLINK != 0 {
        return EEXIST;
    }
    k.lock_shared(ND6).await;
    let unlinked = k[pr].ndpr_stateflags.get() & NDPRF_UNLINKED != 0;
    let other = listed(k).any(|opr| {
        opr != pr
            && k[opr].ndpr_stateflags.get() & NDPRF_ONLINK != 0
            && k[opr].ndpr_prefix.get() == k[pr].ndpr_prefix.get()
    });
    k.unlock(ND6);
    if unlinked && !k.on(d::PREFIX_ONLINK_UNLINKED) {
        return ENOENT;
    }
    if other {
        return 0;
    }
    let ifp = k[pr].ndpr_ifp.get();
    k.yield_at("nd6_prefix_onlink:in6ifa_ifpforlinklocal").await;
    net_epoch_enter(k);
    let mut ifa = in6ifa_ifpforlinklocal(k, ifp, IN6_IFF_NOTREADY).await;
    if ifa.is_null() {
        ifa = first_in6_ifa(k, ifp).await;
    }
    let mut error = 0;
    if !ifa.is_null() {
        {
            let _ifa = k.hold(ObjRef::of(ifa), true);
            k.yield_at("nd6_prefix_onlink:nd6_prefix_rtrequest").await;
            error = nd6_prefix_onlink_rtrequest(k, pr, ifa).await;
        }
        ifa_free(k, ifa);
    }
    net_epoch_exit(k);
    error
}

/// `nd6_prefix_offlink`; the onlink mutex is held.
pub async fn nd6_prefix_offlink(k: &K, pr: PrId) -> i32 {
    let _f = k.frame(&Func { name: "nd6_prefix_offlink", file: FILE });
    let flags = &k[pr].ndpr_stateflags;
    if flags.get() & NDPRF_ONLINK == 0 {
        return EEXIST;
    }
    k.yield_at("nd6_prefix_offlink:nd6_prefix_rtrequest").await;
    let error = nd6_prefix_rtrequest(k, Rtm::Delete, pr, IfaId::NULL).await;
    let mut moved = false;
    if error == 0 {
        flags.set(flags.get() & !NDPRF_ONLINK);
        moved = onlink_elsewhere(k, pr).await;
    }
    if !moved {
        k.yield_at("nd6_prefix_offlink:lltable_prefix_free").await;
        let p = k[pr].ndpr_prefix.get();
        if_llatbl::lltable_prefix_free(k, Af::Inet6, p.addr, p.bits, true).await;
    }
    error
}

/// The middle of `nd6_prefix_offlink`: the same prefix of another interface takes its
/// place; whether one did.
async fn onlink_elsewhere(k: &K, pr: PrId) -> bool {
    let mut moved = false;
    k.lock_shared(ND6).await;
    'restart: loop {
        let mut opr = k.st.v_nd_prefix.first[0].get();
        while !opr.is_null() && k.fuel() {
            let o = &k[opr];
            let same = opr != pr
                && o.ndpr_stateflags.get() & (NDPRF_ONLINK | NDPRF_DETACHED) == 0
                && o.ndpr_prefix.get() == k[pr].ndpr_prefix.get();
            let counted = !same || !k.on(d::PREFIX_OFFLINK_ONLINKS_DYING);
            if same && !(counted && dying(k, o.ndpr_ifp.get())) {
                let genid = k.st.v_nd6_list_genid.get();
                if counted {
                    nd6_prefix_ref(k, opr);
                }
                let held = k.hold(ObjRef::of(opr), counted);
                k.unlock(ND6);
                k.yield_at("nd6_prefix_offlink:nd6_prefix_onlink").await;
                moved |= nd6_prefix_onlink(k, opr).await == 0;
                k.lock_shared(ND6).await;
                let unchanged = genid == k.st.v_nd6_list_genid.get();
                let next = if unchanged { k[opr].ndpr_entry.next.get() } else { PrId::NULL };
                drop(held);
                if counted {
                    nd6_prefix_rele(k, opr);
                }
                if !unchanged {
                    continue 'restart;
                }
                opr = next;
                continue;
            }
            opr = o.ndpr_entry.next.get();
        }
        break;
    }
    k.unlock(ND6);
    moved
}
