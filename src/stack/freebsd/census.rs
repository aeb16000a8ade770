//! The recount of `freebsd-14`: I1 to I7.
//!
//! [`recount`] counts every holder from the objects themselves and compares with the
//! counters; it never reads a counter to count. What counts is a field of a *living*
//! object, linked or not: a route that waits for its grace period still holds its nexthop.
//! With threads parked, what they have registered counts too.

use super::holders::id;
use super::invariants::*;
use super::lists::Listed;
use super::objects::*;
use super::subr_epoch::Callback;
use super::{K, NIFAS, NIFNETS, NNHOPS, NRTS};
use crate::kern::callout::CalloutState;
use crate::kern::slab::{Id, ObjRef, Object, Slab};
use crate::shadow::Rule;
use std::cmp::Reverse;

const NONE: ObjRef = ObjRef::NONE;

/// Numbers of holders, by slot.
struct Counts {
    ifnet: [u16; NIFNETS],
    ifa: [u16; NIFAS],
    nhop: [u16; NNHOPS],
    nhg: [u16; 8],
    pr: [u16; 16],
    addrs: [u16; 16],
    dr: [u16; 8],
    dad: [u16; 16],
    lle: [u16; 24],
    inm: [u16; 48],
    ifma: [u16; 48],
    bpf: [u16; NIFNETS],
    inp: [u16; 8],
    node: [u16; 8],
}

impl Counts {
    fn new() -> Self {
        Counts {
            ifnet: [0; NIFNETS],
            ifa: [0; NIFAS],
            nhop: [0; NNHOPS],
            nhg: [0; 8],
            pr: [0; 16],
            addrs: [0; 16],
            dr: [0; 8],
            dad: [0; 16],
            lle: [0; 24],
            inm: [0; 48],
            ifma: [0; 48],
            bpf: [0; NIFNETS],
            inp: [0; 8],
            node: [0; 8],
        }
    }
}

/// Counts a holder of `id`; a dead one is reported under the counter's rule.
#[inline]
fn count<T: Object, const N: usize>(
    k: &K,
    rule: &'static Rule,
    slab: &Slab<T, N>,
    counts: &mut [u16; N],
    id: Id<T>,
    holder: ObjRef,
) -> bool {
    let count = if slab.is_live(id) { counts.get_mut(id.slot()) } else { None };
    match count {
        Some(n) => {
            *n += 1;
            true
        }
        None => id.is_null() || dead(k, rule, ObjRef::of(id), holder),
    }
}

/// What `holder` holds is freed.
#[cold]
fn dead(k: &K, rule: &'static Rule, obj: ObjRef, holder: ObjRef) -> bool {
    k.violate(rule, obj, holder, [0, DEAD]);
    false
}

/// The second detail of a counter's rule when the object that is held is freed.
pub const DEAD: u32 = u32::MAX;

/// Counts a holder of a nexthop or of a group.
#[inline]
fn count_nh(k: &K, c: &mut Counts, nh: NhRef, holder: ObjRef) -> bool {
    match nh {
        NhRef::Null => true,
        NhRef::Nh(nh) => count(k, &I03_NH_REFCNT, &k.st.nhops, &mut c.nhop, nh, holder),
        NhRef::Nhg(g) => count(k, &I03_NHG_REFCOUNT, &k.st.nhgrps, &mut c.nhg, g, holder),
    }
}

/// What is in the hands of threads, with a reference or without: a bit per slot.
#[derive(Default)]
struct InHands {
    ifnets: u64,
    ifas: u64,
    nhops: u64,
    nhgrps: u64,
}

/// What waits in the epoch's queue: a bit per slot.
#[derive(Default)]
struct Waiting {
    ifnets: u64,
    exts: u64,
    ifas: u64,
    ifmas: u64,
    rts: u64,
    nhops: u64,
    nhgrps: u64,
    fds: u64,
    bpfs: u64,
    lles: u64,
    inps: u64,
}

/// I1 to I7: the recount. `rest`: with what only holds when no thread is alive. Whether
/// all is well.
pub fn recount(k: &K, on: &Listed, rest: bool) -> bool {
    let mut c = Counts::new();
    let Some(waiting) = queued(k, &mut c) else { return false };
    let mut hands = InHands::default();
    if !rest && !in_hands(k, &mut c, &mut hands) {
        return false;
    }
    routing(k, &mut c) && others(k, &mut c) && compare(k, on, &c, &waiting, &hands, rest)
}

/// I6: the epoch's queue. Its releases are holders.
fn queued(k: &K, c: &mut Counts) -> Option<Waiting> {
    fn wait<T: Object, const N: usize>(k: &K, slab: &Slab<T, N>, set: &mut u64, id: Id<T>) -> bool {
        let ok = slab.is_live(id) && *set >> id.slot() & 1 == 0;
        if !ok {
            k.violate(&I06_DOUBLE_QUEUE, ObjRef::of(id), NONE, [u32::from(slab.is_live(id)), 0]);
        }
        *set |= 1u64.wrapping_shl(id.slot() as u32);
        ok
    }
    let st = &k.st;
    let mut w = Waiting::default();
    for callback in st.net_epoch.iter() {
        let ok = match callback {
            Callback::IfFreeDeferred(i) => wait(k, &st.ifnets, &mut w.ifnets, i),
            Callback::IfaDestroy(i) => wait(k, &st.ifas, &mut w.ifas, i),
            Callback::IfDestroymulti(i) => wait(k, &st.ifmas, &mut w.ifmas, i),
            Callback::DestroyRtentry(i) => wait(k, &st.rts, &mut w.rts, i),
            Callback::DestroyNhop(i) => wait(k, &st.nhops, &mut w.nhops, i),
            Callback::DestroyNhgrp(i) => wait(k, &st.nhgrps, &mut w.nhgrps, i),
            Callback::DestroyFdInstance(i) => wait(k, &st.fds, &mut w.fds, i),
            Callback::ReleaseNhop(nh) => count_nh(k, c, nh, NONE),
            Callback::BpfifFree(i) => wait(k, &st.bpfs, &mut w.bpfs, i),
            Callback::LleDestroy(i) => wait(k, &st.lles, &mut w.lles, i),
            Callback::InpcbFree(i) => wait(k, &st.inps, &mut w.inps, i),
            Callback::In6IfextraFree(i) => wait(k, &st.exts, &mut w.exts, i),
        };
        if !ok {
            return None;
        }
    }
    Some(w)
}

/// The registered locals of threads.
fn in_hands(k: &K, c: &mut Counts, hands: &mut InHands) -> bool {
    let st = &k.st;
    let mut ok = true;
    k.for_holds(|_, o, counted| {
        let bit = 1u64.wrapping_shl(u32::from(o.slot));
        match o.class {
            0 => hands.ifnets |= bit,
            3 => hands.ifas |= bit,
            8 => hands.nhops |= bit,
            9 => hands.nhgrps |= bit,
            _ => {}
        }
        if !counted || !ok {
            return;
        }
        ok = match o.class {
            0 => count(k, &I01_IF_REFCOUNT, &st.ifnets, &mut c.ifnet, id(o), NONE),
            3 => count(k, &I02_IFA_REFCNT, &st.ifas, &mut c.ifa, id(o), NONE),
            4 => count(k, &I04_NDPR_REFCNT, &st.prefixes, &mut c.pr, id(o), NONE),
            5 => count(k, &I05_DR_REFCNT, &st.routers, &mut c.dr, id(o), NONE),
            6 => count(k, &REFCNT_OTHER, &st.dads, &mut c.dad, id(o), NONE),
            8 => count(k, &I03_NH_REFCNT, &st.nhops, &mut c.nhop, id(o), NONE),
            9 => count(k, &I03_NHG_REFCOUNT, &st.nhgrps, &mut c.nhg, id(o), NONE),
            11 => count(k, &REFCNT_OTHER, &st.lles, &mut c.lle, id(o), NONE),
            12 => count(k, &REFCNT_OTHER, &st.inps, &mut c.inp, id(o), NONE),
            13 => count(k, &REFCNT_OTHER, &st.inms, &mut c.inm, id(o), NONE),
            14 => count(k, &REFCNT_OTHER, &st.ifmas, &mut c.ifma, id(o), NONE),
            15 => count(k, &REFCNT_OTHER, &st.bpfs, &mut c.bpf, id(o), NONE),
            17 => count(k, &REFCNT_OTHER, &st.nodes, &mut c.node, id(o), NONE),
            _ => true,
        };
    });
    ok
}

/// I3, I7: routes, nexthops, groups, FIB instances, socket caches.
fn routing(k: &K, c: &mut Counts) -> bool {
    let st = &k.st;
    let mut in_rib = 0u64;
    for af in [V4, V6] {
        let mut before: Option<Prefix> = None;
        for n in 0..usize::from(st.rib_len[af].get()).min(TABLE) {
            let rt = st.rib[af][n].get();
            let ok = st.rts.is_live(rt) && in_rib >> rt.slot() & 1 == 0 && {
                let r = st.rts.raw(rt);
                let dst = r.rt_dst.get();
                let ordered = before
                    .is_none_or(|b| (b.addr, Reverse(b.bits)) < (dst.addr, Reverse(dst.bits)));
                before = Some(dst);
                ordered && r.rte_flags.get() & RTF_UP != 0 && r.af.get().index() == af
            };
            if !ok {
                k.violate(&I07_RIB, ObjRef::of(rt), NONE, [n as u32, af as u32]);
                return false;
            }
            in_rib |= 1 << rt.slot();
        }
    }
    for (i, r) in st.rts.iter() {
        if !count_nh(k, c, r.rt_nhop.get(), ObjRef::of(i)) {
            return false;
        }
    }
    for (i, g) in st.nhgrps.iter() {
        for nh in &g.nhops {
            if !count(k, &I03_NH_REFCNT, &st.nhops, &mut c.nhop, nh.get(), ObjRef::of(i)) {
                return false;
            }
        }
    }
    for (i, d) in st.fds.iter() {
        for nh in d.nhops() {
            if nh.is_null() {
                k.violate(&I19_SLOTS, ObjRef::of(i), NONE, [0, 0]);
                return false;
            }
            if !count_nh(k, c, nh, ObjRef::of(i)) {
                return false;
            }
        }
    }
    for (i, p) in st.inps.iter() {
        if !count_nh(k, c, p.ro_nh.get(), ObjRef::of(i)) {
            return false;
        }
        for inm in &p.memberships {
            if !count(k, &REFCNT_OTHER, &st.inms, &mut c.inm, inm.get(), ObjRef::of(i)) {
                return false;
            }
        }
    }
    for (i, n) in st.nhops.iter() {
        if !n.nh_finalized.get() {
            continue;
        }
        let me = ObjRef::of(i);
        let ok = count(k, &I07_NHOP_DEPS, &st.ifnets, &mut c.ifnet, n.nh_ifp.get(), me)
            && count(k, &I07_NHOP_DEPS, &st.ifnets, &mut c.ifnet, n.nh_aifp.get(), me)
            && count(k, &I07_NHOP_DEPS, &st.ifas, &mut c.ifa, n.nh_ifa.get(), me);
        if !ok {
            return false;
        }
    }
    true
}

/// I1, I2, I4, I5 and the counters without a number.
fn others(k: &K, c: &mut Counts) -> bool {
    let st = &k.st;
    for slot in st.ifindex_table.iter().map(|slot| slot.get()).filter(|ifp| !ifp.is_null()) {
        if !count(k, &I13_IFINDEX, &st.ifnets, &mut c.ifnet, slot, NONE) {
            return false;
        }
    }
    for (i, n) in st.ifnets.iter() {
        if !count(k, &REFCNT_OTHER, &st.bpfs, &mut c.bpf, n.if_bpf.get(), ObjRef::of(i)) {
            return false;
        }
    }
    for (i, b) in st.bpfs.iter() {
        if !count(k, &I01_IF_REFCOUNT, &st.ifnets, &mut c.ifnet, b.bif_ifp.get(), ObjRef::of(i)) {
            return false;
        }
    }
    for (i, m) in st.inms.iter() {
        let me = ObjRef::of(i);
        if !count(k, &REFCNT_OTHER, &st.ifmas, &mut c.ifma, m.ifma.get(), me)
            || !count(k, &I01_IF_REFCOUNT, &st.ifnets, &mut c.ifnet, released_ifp(k, m), me)
        {
            return false;
        }
    }
    for (i, a) in st.ifas.iter() {
        let me = ObjRef::of(i);
        if !count(k, &I04_NDPR_ADDRCNT, &st.prefixes, &mut c.addrs, a.ia6_ndpr.get(), me) {
            return false;
        }
        for inm in &a.ia6_memberships {
            if !count(k, &REFCNT_OTHER, &st.inms, &mut c.inm, inm.get(), me) {
                return false;
            }
        }
    }
    for (i, e) in st.ifinfos.iter() {
        if !count(k, &REFCNT_OTHER, &st.inms, &mut c.inm, e.ii_allhosts.get(), ObjRef::of(i)) {
            return false;
        }
    }
    for (i, d) in st.dads.iter() {
        if !count(k, &I02_IFA_REFCNT, &st.ifas, &mut c.ifa, d.dad_ifa.get(), ObjRef::of(i)) {
            return false;
        }
    }
    for (i, p) in st.prefixes.iter() {
        for dr in &p.ndpr_advrtrs {
            if !count(k, &I05_DR_REFCNT, &st.routers, &mut c.dr, dr.get(), ObjRef::of(i)) {
                return false;
            }
        }
    }
    for (i, p) in st.inps.iter() {
        c.inp[i.slot()] += u16::from(p.inp_socket.get());
    }
    for (i, n) in st.nodes.iter() {
        for far in &n.hooks {
            if !count(k, &REFCNT_OTHER, &st.nodes, &mut c.node, far.get(), ObjRef::of(i)) {
                return false;
            }
        }
        c.node[i.slot()] += u16::from(n.own.get());
    }
    true
}

/// The interface whose reference a disconnected membership has (`inm_disconnect`,
/// `in6m_disconnect_locked`): what its release will look at. The latter clears
/// `in6m_ifp`, and finds the interface by the link-level record.
pub fn released_ifp(k: &K, m: &InMulti) -> IfId {
    if !m.releasing.get() {
        return IfId::NULL;
    }
    let ifma = m.ifma.get();
    match m.af.get() {
        Af::Inet6 if m.ifp.get().is_null() && k.st.ifmas.is_live(ifma) => {
            k.st.ifmas.raw(ifma).ifma_ifp.get()
        }
        _ => m.ifp.get(),
    }
}

/// Compares, and looks at what nobody holds.
fn compare(k: &K, on: &Listed, c: &Counts, w: &Waiting, hands: &InHands, rest: bool) -> bool {
    let st = &k.st;
    let bit = |set: u64, slot: usize| u32::from(set >> slot & 1 != 0);
    let differ = |rule: &'static Rule, obj: ObjRef, counter: u32, holders: u32| {
        let bad = counter != holders;
        if bad {
            k.violate(rule, obj, NONE, [counter, holders]);
        }
        bad
    };
    // What has no reference waits for its grace period, unless somebody is at it.
    let stranded = |obj: ObjRef, counter: u32, waiting: u64, handled: u64| {
        let waits = waiting >> obj.slot & 1 != 0;
        let bad = match counter {
            0 => !waits && handled >> obj.slot & 1 == 0,
            _ => waits,
        };
        if bad {
            k.violate(&I03_QUEUED_ONCE, obj, NONE, [counter, u32::from(waits)]);
        }
        bad
    };
    for (i, n) in st.ifnets.iter() {
        let (me, counter) = (ObjRef::of(i), n.if_refcount.get());
        if differ(&I01_IF_REFCOUNT, me, counter, u32::from(c.ifnet[i.slot()]))
            || stranded(me, counter, w.ifnets, hands.ifnets)
        {
            return false;
        }
    }
    for (i, a) in st.ifas.iter() {
        let (me, counter) = (ObjRef::of(i), a.ifa_refcnt.get());
        let holders =
            u32::from(c.ifa[i.slot()]) + bit(on.addrhead, i.slot()) + bit(on.ifaddrs, i.slot());
        if differ(&I02_IFA_REFCNT, me, counter, holders)
            || stranded(me, counter, w.ifas, hands.ifas)
        {
            return false;
        }
    }
    for (i, n) in st.nhops.iter() {
        let (me, counter) = (ObjRef::of(i), n.nh_refcnt.get());
        if differ(&I03_NH_REFCNT, me, counter, u32::from(c.nhop[i.slot()]))
            || stranded(me, counter, w.nhops, hands.nhops)
        {
            return false;
        }
        if counter == 0 && bit(on.nhops, i.slot()) != 0 && hands.nhops >> i.slot() & 1 == 0 {
            k.violate(&I03_QUEUED_ONCE, me, NONE, [0, 2]);
            return false;
        }
    }
    for (i, g) in st.nhgrps.iter() {
        let (me, counter) = (ObjRef::of(i), g.nhg_refcount.get());
        if differ(&I03_NHG_REFCOUNT, me, counter, u32::from(c.nhg[i.slot()]))
            || stranded(me, counter, w.nhgrps, hands.nhgrps)
        {
            return false;
        }
        if counter == 0 && bit(on.nhgrps, i.slot()) != 0 && hands.nhgrps >> i.slot() & 1 == 0 {
            k.violate(&I03_QUEUED_ONCE, me, NONE, [0, 2]);
            return false;
        }
    }
    for (i, p) in st.prefixes.iter() {
        let holders = u32::from(c.pr[i.slot()]) + bit(on.prefixes, i.slot());
        let addrs = p.ndpr_addrcnt.get() as u32;
        if differ(&I04_NDPR_REFCNT, ObjRef::of(i), p.ndpr_refcnt.get(), holders)
            || differ(&I04_NDPR_ADDRCNT, ObjRef::of(i), addrs, u32::from(c.addrs[i.slot()]))
        {
            return false;
        }
    }
    for (i, d) in st.routers.iter() {
        let holders = u32::from(c.dr[i.slot()]) + bit(on.routers, i.slot());
        if differ(&I05_DR_REFCNT, ObjRef::of(i), d.refcnt.get(), holders) {
            return false;
        }
    }
    for (i, d) in st.dads.iter() {
        let holders = u32::from(c.dad[i.slot()]) + bit(on.dads, i.slot());
        if differ(&REFCNT_OTHER, ObjRef::of(i), d.dad_refcnt.get(), holders) {
            return false;
        }
    }
    for (i, l) in st.lles.iter() {
        let timer = match l.lle_timer.state() {
            CalloutState::Idle => 0,
            CalloutState::Pending => 1,
            // The handler owns the timer's reference, for a while.
            CalloutState::Dispatched | CalloutState::Running => continue,
        };
        let holders = u32::from(c.lle[i.slot()]) + timer + u32::from(l.linked.get());
        if differ(&REFCNT_OTHER, ObjRef::of(i), l.lle_refcnt.get(), holders) {
            return false;
        }
    }
    let mut idle = Idle::default();
    others_agree(k, &st.inms, &c.inm, &mut idle.inms, |m| m.refcount.get())
        && others_agree(k, &st.ifmas, &c.ifma, &mut idle.ifmas, |m| m.ifma_refcount.get())
        && others_agree(k, &st.bpfs, &c.bpf, &mut 0, |b| b.bif_refcnt.get())
        && others_agree(k, &st.inps, &c.inp, &mut idle.inps, |p| p.inp_refcount.get())
        && others_agree(k, &st.nodes, &c.node, &mut 0, |n| n.nd_refs.get())
        && (!rest || at_home(k, on, w, &idle))
}

/// What nobody holds: a bit per slot.
#[derive(Default)]
struct Idle {
    inms: u64,
    ifmas: u64,
    inps: u64,
}

/// Compares the counters of a class of which nothing else is to be known, and notes which
/// are 0.
fn others_agree<T: Object, const N: usize>(
    k: &K,
    slab: &Slab<T, N>,
    counts: &[u16; N],
    idle: &mut u64,
    counter: impl Fn(&T) -> u32,
) -> bool {
    for (i, o) in slab.iter() {
        let detail = [counter(o), u32::from(counts[i.slot()])];
        if detail[0] != detail[1] {
            k.violate(&REFCNT_OTHER, ObjRef::of(i), NONE, detail);
            return false;
        }
        *idle |= u64::from(detail[0] == 0) << i.slot();
    }
    true
}

/// I16 and the second half of I7: at rest everything is where it belongs, or waits for its
/// grace period.
fn at_home(k: &K, on: &Listed, w: &Waiting, idle: &Idle) -> bool {
    let st = &k.st;
    let lost = |obj: ObjRef, what: u32| {
        k.violate(&I16_LEAK, obj, NONE, [what, 0]);
        false
    };
    let mut in_rib = 0u64;
    for af in [Af::Inet, Af::Inet6] {
        for rt in super::route_tables::table(k, af) {
            in_rib |= 1 << rt.slot();
        }
    }
    const { assert!(NRTS <= 64) };
    for (i, r) in st.rts.among(!in_rib | w.rts) {
        let rib = in_rib >> i.slot() & 1 != 0;
        if rib == (w.rts >> i.slot() & 1 != 0) {
            return lost(ObjRef::of(i), u32::from(rib));
        }
        if !rib && r.rte_flags.get() & RTF_UP != 0 {
            k.violate(&I07_RIB, ObjRef::of(i), NONE, [0, 2]);
            return false;
        }
    }
    if let Some((i, _)) = st.nhops.iter().find(|(_, n)| !n.nh_finalized.get()) {
        return lost(ObjRef::of(i), 2);
    }
    for (i, d) in st.fds.iter() {
        if d.fd_linked.get() == (w.fds >> i.slot() & 1 != 0) {
            return lost(ObjRef::of(i), 3);
        }
    }
    for (i, e) in st.exts.iter() {
        let ifp = e.ifp.get();
        let owned = st.ifnets.is_live(ifp) && st.ifnets.raw(ifp).if_afdata_inet6.get() == i;
        if !owned && w.exts >> i.slot() & 1 == 0 {
            return lost(ObjRef::of(i), 4);
        }
    }
    for (i, e) in st.ifinfos.iter() {
        let ifp = e.ifp.get();
        if !st.ifnets.is_live(ifp) || st.ifnets.raw(ifp).if_afdata_inet.get() != i {
            return lost(ObjRef::of(i), 5);
        }
    }
    for (i, l) in st.lles.iter() {
        let listed = on.lles >> i.slot() & 1 != 0;
        if listed != l.linked.get()
            || !listed && l.lle_refcnt.get() == 0 && w.lles >> i.slot() & 1 == 0
        {
            return lost(ObjRef::of(i), 6);
        }
    }
    if let Some((i, _)) = st.inps.among(idle.inps & !w.inps).next() {
        return lost(ObjRef::of(i), 7);
    }
    if let Some((i, _)) = st.inms.among(idle.inms).find(|(_, m)| !m.releasing.get()) {
        return lost(ObjRef::of(i), 8);
    }
    if let Some((i, _)) = st.ifmas.among(idle.ifmas & !w.ifmas).next() {
        return lost(ObjRef::of(i), 9);
    }
    for (i, b) in st.bpfs.iter() {
        let waits = w.bpfs >> i.slot() & 1 != 0;
        if (b.bif_refcnt.get() == 0) != waits || waits == (on.bpfs >> i.slot() & 1 != 0) {
            return lost(ObjRef::of(i), 10);
        }
    }
    true
}
