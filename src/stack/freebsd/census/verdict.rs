//! What the sums of the recount say: whose counter is not the number of its holders, what
//! nobody holds and does not wait for its grace period, and at rest what is not where it
//! belongs.

use super::super::invariants::*;
use super::super::lists::Listed;
use super::super::objects::*;
use super::super::{K, NRTS};
use super::{InHands, NONE, Sums, Waiting, addrcnt, clamped};
use crate::kern::slab::{ObjRef, Object, Slab};
use crate::shadow::Rule;

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
pub(super) fn compare(
    k: &K,
    on: &Listed,
    c: &Sums,
    w: &Waiting,
    hands: &InHands,
    rest: bool,
) -> bool {
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

/// I16 and the second half of I7: at rest everything is where it belongs, or waits for its
/// grace period.
fn at_home(k: &K, on: &Listed, w: &Waiting, c: &Sums) -> bool {
    let (st, met, unheld) = (&k.st, &c.met, &c.unheld);
    let lost = |obj: ObjRef, what: u32| {
        k.violate(&I16_LEAK, obj, NONE, [what, 0]);
        false
    };
    const { assert!(NRTS <= 64) };
    for (i, r) in st.rts.among(!met.rib | w.rts) {
        let rib = met.rib >> i.slot() & 1 != 0;
        if rib == (w.rts >> i.slot() & 1 != 0) {
            return lost(ObjRef::of(i), u32::from(rib));
        }
        if !rib && r.rte_flags.get() & RTF_UP != 0 {
            k.violate(&I07_RIB, ObjRef::of(i), NONE, [0, 2]);
            return false;
        }
    }
    if let Some((i, _)) = st.nhops.among(met.raw_nhops).next() {
        return lost(ObjRef::of(i), 2);
    }
    // One that is linked does not wait, and the other way round.
    if let Some((i, _)) = st.fds.among(!(met.fds ^ w.fds)).next() {
        return lost(ObjRef::of(i), 3);
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
    if let Some((i, _)) = st.inps.among(unheld.inps & !w.inps).next() {
        return lost(ObjRef::of(i), 7);
    }
    if let Some((i, _)) = st.inms.among(unheld.inms).find(|(_, m)| !m.releasing.get()) {
        return lost(ObjRef::of(i), 8);
    }
    if let Some((i, _)) = st.ifmas.among(unheld.ifmas & !w.ifmas).next() {
        return lost(ObjRef::of(i), 9);
    }
    // Who has no reference waits, and who waits is on no list.
    let bpfs = (unheld.bpfs ^ w.bpfs) | !(w.bpfs ^ on.bpfs);
    if let Some((i, _)) = st.bpfs.among(bpfs).next() {
        return lost(ObjRef::of(i), 10);
    }
    true
}
