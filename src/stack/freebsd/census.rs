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
use super::{K, NIFAS, NIFNETS, NNHOPS};
use crate::kern::callout::CalloutState;
use crate::kern::slab::{Id, ObjRef, Object, Slab};
use crate::shadow::Rule;
use std::cmp::Reverse;
use verdict::compare;

mod verdict;

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
    sums[slot] = sums[slot].wrapping_sub(clamped(counter));
    u64::from(counter == 0) << slot
}

/// Counts holders that are no objects: lists, timers, users.
#[inline]
fn held<const N: usize>(sums: &mut [u16; N], slot: usize, holders: u16) {
    sums[slot] = sums[slot].wrapping_add(holders);
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
        held(&mut c.inp, i.slot(), u16::from(p.inp_socket.get()));
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
    if !all_indexed(k, |_, ifp| count(k, &I13_IFINDEX, &st.ifnets, &mut c.ifnet, ifp, NONE)) {
        return false;
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
        held(&mut c.ifa, at, bit(on.addrhead, at) + bit(on.ifaddrs, at));
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
        held(&mut c.dad, i.slot(), bit(on.dads, i.slot()));
        own(&mut c.dad, i.slot(), d.dad_refcnt.get());
        if !count(k, &I02_IFA_REFCNT, &st.ifas, &mut c.ifa, d.dad_ifa.get(), ObjRef::of(i)) {
            return false;
        }
    }
    for (i, d) in st.routers.iter() {
        held(&mut c.dr, i.slot(), bit(on.routers, i.slot()));
        own(&mut c.dr, i.slot(), d.refcnt.get());
    }
    for (i, p) in st.prefixes.iter() {
        held(&mut c.pr, i.slot(), bit(on.prefixes, i.slot()));
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
        held(&mut c.lle, i.slot(), timer + u16::from(l.linked.get()));
        own(&mut c.lle, i.slot(), l.lle_refcnt.get());
    }
    for (i, n) in st.nodes.iter() {
        own(&mut c.node, i.slot(), n.nd_refs.get());
        for far in &n.hooks {
            if !count(k, &REFCNT_OTHER, &st.nodes, &mut c.node, far.get(), ObjRef::of(i)) {
                return false;
            }
        }
        held(&mut c.node, i.slot(), u16::from(n.own.get()));
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

/// `ndpr_addrcnt`; one that is negative is as many as no prefix has.
fn addrcnt(p: &NdPrefix) -> u32 {
    p.ndpr_addrcnt.get() as u32
}
