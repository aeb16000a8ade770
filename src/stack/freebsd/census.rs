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
use crate::kern::slab::{Id, ObjRef, Object, Slab, all_null};
use crate::shadow::Rule;
use std::cmp::Reverse;

const NONE: ObjRef = ObjRef::NONE;

/// The number of holders minus the counter, by slot. When all objects have been visited,
/// each of them must be 0.
struct Sums {
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
    unheld: Unheld,
    met: Met,
}

/// What was met on the way: a bit per slot.
#[derive(Default)]
struct Met {
    /// Routes in a RIB.
    rib: u64,
    /// Linked FIB instances.
    fds: u64,
    /// Nexthops that are not finalized.
    raw_nhops: u64,
}

/// Whose counter is 0: a bit per slot.
#[derive(Default)]
struct Unheld {
    ifnets: u64,
    ifas: u64,
    nhops: u64,
    nhgrps: u64,
    inms: u64,
    ifmas: u64,
    inps: u64,
    bpfs: u64,
}

impl Sums {
    fn new() -> Self {
        Sums {
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
            unheld: Unheld::default(),
            met: Met::default(),
        }
    }

    /// Whether every counter is the number of its holders.
    fn agree(&self) -> bool {
        fn any<const N: usize>(sums: &[u16; N]) -> u16 {
            sums.iter().fold(0, |any, sum| any | sum)
        }
        let routing = any(&self.ifnet) | any(&self.ifa) | any(&self.nhop) | any(&self.nhg);
        let nd = any(&self.pr) | any(&self.addrs) | any(&self.dr) | any(&self.dad);
        let multicast = any(&self.inm) | any(&self.ifma);
        let rest = any(&self.lle) | any(&self.bpf) | any(&self.inp) | any(&self.node);
        routing | nd | multicast | rest == 0
    }
}

/// A counter as it is summed: one that is too large for a sum is more than has holders.
#[inline]
fn clamped(counter: u32) -> u16 {
    counter.min(u32::from(u16::MAX)) as u16
}

/// Takes an object's own counter off its sum; the object's bit, if it is 0.
#[inline]
fn own<const N: usize>(sums: &mut [u16; N], slot: usize, counter: u32) -> u64 {
    if let Some(sum) = sums.get_mut(slot) {
        *sum = sum.wrapping_sub(clamped(counter));
    }
    u64::from(counter == 0) << slot
}

/// Counts a holder of `id`; a dead one is reported under the counter's rule.
#[inline]
fn count<T: Object, const N: usize>(
    k: &K,
    rule: &'static Rule,
    slab: &Slab<T, N>,
    sums: &mut [u16; N],
    id: Id<T>,
    holder: ObjRef,
) -> bool {
    let sum = if slab.is_live(id) { sums.get_mut(id.slot()) } else { None };
    match sum {
        Some(n) => {
            *n = n.wrapping_add(1);
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
fn count_nh(k: &K, c: &mut Sums, nh: NhRef, holder: ObjRef) -> bool {
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
    let mut c = Sums::new();
    let Some(waiting) = queued(k, &mut c) else { return false };
    let mut hands = InHands::default();
    if !rest && !in_hands(k, &mut c, &mut hands) {
        return false;
    }
    routing(k, &mut c) && others(k, on, &mut c) && compare(k, on, &c, &waiting, &hands, rest)
}

/// I6: the epoch's queue. Its releases are holders.
fn queued(k: &K, c: &mut Sums) -> Option<Waiting> {
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
fn in_hands(k: &K, c: &mut Sums, hands: &mut InHands) -> bool {
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
fn routing(k: &K, c: &mut Sums) -> bool {
    let st = &k.st;
    for af in [V4, V6] {
        let mut before: Option<Prefix> = None;
        for n in 0..usize::from(st.rib_len[af].get()).min(TABLE) {
            let rt = st.rib[af][n].get();
            let ok = st.rts.is_live(rt) && c.met.rib >> rt.slot() & 1 == 0 && {
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
            c.met.rib |= 1 << rt.slot();
        }
    }
    for (i, r) in st.rts.iter() {
        if !count_nh(k, c, r.rt_nhop.get(), ObjRef::of(i)) {
            return false;
        }
    }
    for (i, g) in st.nhgrps.iter() {
        c.unheld.nhgrps |= own(&mut c.nhg, i.slot(), g.nhg_refcount.get());
        for nh in &g.nhops {
            if !count(k, &I03_NH_REFCNT, &st.nhops, &mut c.nhop, nh.get(), ObjRef::of(i)) {
                return false;
            }
        }
    }
    for (i, d) in st.fds.iter() {
        c.met.fds |= u64::from(d.fd_linked.get()) << i.slot();
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
        c.inp[i.slot()] += u16::from(p.inp_socket.get());
        c.unheld.inps |= own(&mut c.inp, i.slot(), p.inp_refcount.get());
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
        c.unheld.nhops |= own(&mut c.nhop, i.slot(), n.nh_refcnt.get());
        if !n.nh_finalized.get() {
            c.met.raw_nhops |= 1 << i.slot();
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
fn others(k: &K, on: &Listed, c: &mut Sums) -> bool {
    let st = &k.st;
    for four in st.ifindex_table.chunks(4).filter(|four| !all_null(four)) {
        for ifp in four {
            if !count(k, &I13_IFINDEX, &st.ifnets, &mut c.ifnet, ifp.get(), NONE) {
                return false;
            }
        }
    }
    let bit = |set: u64, slot: usize| (set >> slot & 1) as u16;
    for (i, n) in st.ifnets.iter() {
        c.unheld.ifnets |= own(&mut c.ifnet, i.slot(), n.if_refcount.get());
        if !count(k, &REFCNT_OTHER, &st.bpfs, &mut c.bpf, n.if_bpf.get(), ObjRef::of(i)) {
            return false;
        }
    }
    for (i, b) in st.bpfs.iter() {
        c.unheld.bpfs |= own(&mut c.bpf, i.slot(), b.bif_refcnt.get());
        if !count(k, &I01_IF_REFCOUNT, &st.ifnets, &mut c.ifnet, b.bif_ifp.get(), ObjRef::of(i)) {
            return false;
        }
    }
    for (i, m) in st.inms.iter() {
        let me = ObjRef::of(i);
        c.unheld.inms |= own(&mut c.inm, i.slot(), m.refcount.get());
        if !count(k, &REFCNT_OTHER, &st.ifmas, &mut c.ifma, m.ifma.get(), me)
            || !count(k, &I01_IF_REFCOUNT, &st.ifnets, &mut c.ifnet, released_ifp(k, m), me)
        {
            return false;
        }
    }
    for (i, m) in st.ifmas.iter() {
        c.unheld.ifmas |= own(&mut c.ifma, i.slot(), m.ifma_refcount.get());
    }
    for (i, a) in st.ifas.iter() {
        let (me, at) = (ObjRef::of(i), i.slot());
        c.ifa[at] = c.ifa[at].wrapping_add(bit(on.addrhead, at) + bit(on.ifaddrs, at));
        c.unheld.ifas |= own(&mut c.ifa, at, a.ifa_refcnt.get());
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
        c.dad[i.slot()] = c.dad[i.slot()].wrapping_add(bit(on.dads, i.slot()));
        own(&mut c.dad, i.slot(), d.dad_refcnt.get());
        if !count(k, &I02_IFA_REFCNT, &st.ifas, &mut c.ifa, d.dad_ifa.get(), ObjRef::of(i)) {
            return false;
        }
    }
    for (i, d) in st.routers.iter() {
        c.dr[i.slot()] = c.dr[i.slot()].wrapping_add(bit(on.routers, i.slot()));
        own(&mut c.dr, i.slot(), d.refcnt.get());
    }
    for (i, p) in st.prefixes.iter() {
        c.pr[i.slot()] = c.pr[i.slot()].wrapping_add(bit(on.prefixes, i.slot()));
        own(&mut c.pr, i.slot(), p.ndpr_refcnt.get());
        own(&mut c.addrs, i.slot(), addrcnt(p));
        for dr in &p.ndpr_advrtrs {
            if !count(k, &I05_DR_REFCNT, &st.routers, &mut c.dr, dr.get(), ObjRef::of(i)) {
                return false;
            }
        }
    }
    for (i, l) in st.lles.iter() {
        let timer = match l.lle_timer.state() {
            CalloutState::Idle => 0,
            CalloutState::Pending => 1,
            // The handler owns the timer's reference, for a while.
            CalloutState::Dispatched | CalloutState::Running => {
                c.lle[i.slot()] = 0;
                continue;
            }
        };
        let more = timer + u16::from(l.linked.get());
        c.lle[i.slot()] = c.lle[i.slot()].wrapping_add(more);
        own(&mut c.lle, i.slot(), l.lle_refcnt.get());
    }
    for (i, n) in st.nodes.iter() {
        own(&mut c.node, i.slot(), n.nd_refs.get());
        for far in &n.hooks {
            if !count(k, &REFCNT_OTHER, &st.nodes, &mut c.node, far.get(), ObjRef::of(i)) {
                return false;
            }
        }
        c.node[i.slot()] = c.node[i.slot()].wrapping_add(u16::from(n.own.get()));
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

/// What is known of a class whose objects are freed after a grace period: a bit per slot.
#[derive(Clone, Copy, Default)]
struct FreedLater {
    /// The counter is 0.
    unheld: u64,
    /// It waits for its grace period.
    waits: u64,
    /// A thread has it in hand.
    handled: u64,
    /// It is on the list by which it is found, where that holds no reference.
    listed: u64,
}

impl FreedLater {
    /// Of the living ones, those that have no reference and do not wait although nobody is at
    /// them, and those that wait and have one.
    fn stranded(self, live: u64) -> u64 {
        self.unheld & !(self.waits | self.handled) | live & !self.unheld & self.waits
    }

    /// Those that have no reference and can still be found.
    fn still_listed(self) -> u64 {
        self.unheld & self.listed & !self.handled
    }
}

/// That of interfaces, addresses, nexthops and groups.
fn freed_later(on: &Listed, c: &Sums, w: &Waiting, hands: &InHands) -> [FreedLater; 4] {
    let of = |unheld, waits, handled, listed| FreedLater { unheld, waits, handled, listed };
    let u = &c.unheld;
    [
        of(u.ifnets, w.ifnets, hands.ifnets, 0),
        of(u.ifas, w.ifas, hands.ifas, 0),
        of(u.nhops, w.nhops, hands.nhops, on.nhops),
        of(u.nhgrps, w.nhgrps, hands.nhgrps, on.nhgrps),
    ]
}

/// Looks at the sums, and at what nobody holds.
fn compare(k: &K, on: &Listed, c: &Sums, w: &Waiting, hands: &InHands, rest: bool) -> bool {
    let st = &k.st;
    let later = freed_later(on, c, w, hands);
    let live = [st.ifnets.live(), st.ifas.live(), st.nhops.live(), st.nhgrps.live()];
    let wrong = |(later, live): (&FreedLater, u64)| later.stranded(live) | later.still_listed();
    if !c.agree() || later.iter().zip(live).map(wrong).fold(0, |any, wrong| any | wrong) != 0 {
        say_what_differs(k, c, later);
        return false;
    }
    !rest || at_home(k, on, w, c)
}

/// Reports the first object that [`compare`] has found something wrong with.
#[cold]
fn say_what_differs(k: &K, c: &Sums, later: [FreedLater; 4]) {
    fn differ<T: Object, const N: usize>(
        k: &K,
        rule: &'static Rule,
        slab: &Slab<T, N>,
        sums: &[u16; N],
        counter: impl Fn(&T) -> u32,
        later: FreedLater,
    ) -> bool {
        for (i, o) in slab.iter() {
            let (me, counter, at) = (ObjRef::of(i), counter(o), i.slot());
            let bit = |set: u64| set >> at & 1 != 0;
            let (rule, detail) = if sums[at] != 0 {
                (rule, [counter, u32::from(sums[at].wrapping_add(clamped(counter)))])
            } else if bit(later.stranded(slab.live())) {
                (&I03_QUEUED_ONCE, [counter, u32::from(bit(later.waits))])
            } else if bit(later.still_listed()) {
                (&I03_QUEUED_ONCE, [0, 2])
            } else {
                continue;
            };
            k.violate(rule, me, NONE, detail);
            return true;
        }
        false
    }
    let st = &k.st;
    let [ifnets, ifas, nhops, nhgrps] = later;
    let (other, none) = (&REFCNT_OTHER, FreedLater::default());
    let said = differ(k, &I01_IF_REFCOUNT, &st.ifnets, &c.ifnet, |n| n.if_refcount.get(), ifnets)
        || differ(k, &I02_IFA_REFCNT, &st.ifas, &c.ifa, |a| a.ifa_refcnt.get(), ifas)
        || differ(k, &I03_NH_REFCNT, &st.nhops, &c.nhop, |n| n.nh_refcnt.get(), nhops)
        || differ(k, &I03_NHG_REFCOUNT, &st.nhgrps, &c.nhg, |g| g.nhg_refcount.get(), nhgrps)
        || differ(k, &I04_NDPR_REFCNT, &st.prefixes, &c.pr, |p| p.ndpr_refcnt.get(), none)
        || differ(k, &I04_NDPR_ADDRCNT, &st.prefixes, &c.addrs, addrcnt, none)
        || differ(k, &I05_DR_REFCNT, &st.routers, &c.dr, |d| d.refcnt.get(), none)
        || differ(k, other, &st.dads, &c.dad, |d| d.dad_refcnt.get(), none)
        || differ(k, other, &st.lles, &c.lle, |l| l.lle_refcnt.get(), none)
        || differ(k, other, &st.inms, &c.inm, |m| m.refcount.get(), none)
        || differ(k, other, &st.ifmas, &c.ifma, |m| m.ifma_refcount.get(), none)
        || differ(k, other, &st.bpfs, &c.bpf, |b| b.bif_refcnt.get(), none)
        || differ(k, other, &st.inps, &c.inp, |p| p.inp_refcount.get(), none)
        || differ(k, other, &st.nodes, &c.node, |n| n.nd_refs.get(), none);
    debug_assert!(said, "what differs is alive: only its holders and itself are summed");
}

/// `ndpr_addrcnt`; one that is negative is as many as no prefix has.
fn addrcnt(p: &NdPrefix) -> u32 {
    p.ndpr_addrcnt.get() as u32
}

/// I16 and the second half of I7: at rest everything is where it belongs, or waits for its
/// grace period.
fn at_home(k: &K, on: &Listed, w: &Waiting, c: &Sums) -> bool {
    let (st, met, unheld) = (&k.st, &c.met, &c.unheld);
    let lost = |obj: Option<ObjRef>, what: u32| {
        k.violate(&I16_LEAK, obj.unwrap_or_default(), NONE, [what, 0]);
        false
    };
    const { assert!(NRTS <= 64) };
    for (i, r) in st.rts.among(!met.rib | w.rts) {
        let rib = met.rib >> i.slot() & 1 != 0;
        if rib == (w.rts >> i.slot() & 1 != 0) {
            return lost(Some(ObjRef::of(i)), u32::from(rib));
        }
        if !rib && r.rte_flags.get() & RTF_UP != 0 {
            k.violate(&I07_RIB, ObjRef::of(i), NONE, [0, 2]);
            return false;
        }
    }
    if met.raw_nhops != 0 {
        return lost(st.nhops.first_among(met.raw_nhops), 2);
    }
    // One that is linked does not wait, and the other way round.
    let fds = st.fds.live() & !(met.fds ^ w.fds);
    if fds != 0 {
        return lost(st.fds.first_among(fds), 3);
    }
    for (i, e) in st.exts.iter() {
        let ifp = e.ifp.get();
        let owned = st.ifnets.is_live(ifp) && st.ifnets.raw(ifp).if_afdata_inet6.get() == i;
        if !owned && w.exts >> i.slot() & 1 == 0 {
            return lost(Some(ObjRef::of(i)), 4);
        }
    }
    for (i, e) in st.ifinfos.iter() {
        let ifp = e.ifp.get();
        if !st.ifnets.is_live(ifp) || st.ifnets.raw(ifp).if_afdata_inet.get() != i {
            return lost(Some(ObjRef::of(i)), 5);
        }
    }
    for (i, l) in st.lles.iter() {
        let listed = on.lles >> i.slot() & 1 != 0;
        if listed != l.linked.get()
            || !listed && l.lle_refcnt.get() == 0 && w.lles >> i.slot() & 1 == 0
        {
            return lost(Some(ObjRef::of(i)), 6);
        }
    }
    let inps = unheld.inps & !w.inps;
    if inps != 0 {
        return lost(st.inps.first_among(inps), 7);
    }
    if let Some((i, _)) = st.inms.among(unheld.inms).find(|(_, m)| !m.releasing.get()) {
        return lost(Some(ObjRef::of(i)), 8);
    }
    let ifmas = unheld.ifmas & !w.ifmas;
    if ifmas != 0 {
        return lost(st.ifmas.first_among(ifmas), 9);
    }
    // Who has no reference waits, and who waits is on no list.
    let bpfs = st.bpfs.live() & ((unheld.bpfs ^ w.bpfs) | !(w.bpfs ^ on.bpfs));
    if bpfs != 0 {
        return lost(st.bpfs.first_among(bpfs), 10);
    }
    true
}
