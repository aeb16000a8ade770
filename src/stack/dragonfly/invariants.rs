//! The census of `dragonfly-2007`, and when each of the invariants I1 to I18 is looked at; what
//! they say is in [`rules`](super::rules).
//!
//! The census recounts every holder from the objects themselves and compares with the
//! counters; it never reads a counter to count. It runs after every operation that may have
//! changed anything, with threads parked too: between two yield points the modelled kernel is
//! consistent. Checks that only hold when nothing is under way (I7, I8, I12, I16) run at rest.

use super::K;
use super::in_c::{INADDR_NHASH, inaddr_hash};
use super::objects::*;
use super::route::{HOST, plen, table};
use super::verbs;
use crate::kern::queue::Place;
use crate::kern::slab::{ObjRef, Object};
use crate::program::Op;
use crate::shadow::digest::mix;

pub use super::rules::*;

const NONE: ObjRef = ObjRef::NONE;

/// Routes that the kernel made for an interface address: neither the user's nor a
/// redirect's nor a clone.
fn is_interface_route(r: &Rtentry) -> bool {
    r.rt_flags.get() & (RTF_STATIC | RTF_WASCLONED | RTF_DYNAMIC) == 0
}

/// Whether an address is in the hash, by a walk.
pub fn is_hashed(k: &K, ia: IfaId) -> bool {
    (0..INADDR_NHASH).any(|b| {
        let mut i = k.st.in_ifaddrhashtbl.first[b].get();
        let mut left = 64;
        while !i.is_null() && left > 0 {
            if i == ia {
                return true;
            }
            i = k.st.ifa.raw(i).ia_hash.next.get();
            left -= 1;
        }
        false
    })
}

/// The lists that an address is on, by walks that trust nothing.
pub fn lists_of(k: &K, ifa: IfaId) -> Vec<&'static str> {
    let mut on = Vec::new();
    let walk = |first: IfaId, next: &dyn Fn(&Ifaddr) -> IfaId| {
        let mut i = first;
        let mut left = 64;
        while !i.is_null() && left > 0 {
            if i == ifa {
                return true;
            }
            i = next(k.st.ifa.raw(i));
            left -= 1;
        }
        false
    };
    if k.st.ifnets.iter().any(|(_, n)| walk(n.if_addrhead.first.get(), &|a| a.ifa_link.next.get()))
    {
        on.push("if_addrhead");
    }
    if walk(k.st.in_ifaddrhead.first.get(), &|a| a.ia_link.next.get()) {
        on.push("in_ifaddrhead");
    }
    if is_hashed(k, ifa) {
        on.push("in_ifaddrhashtbl");
    }
    on
}

/// I2 and I3, at the free of an address.
pub fn check_free_ifaddr(k: &K, ifa: IfaId) {
    let obj = ObjRef::of(ifa);
    if let Some((rt, _)) = k.st.rt.iter().find(|(_, r)| r.rt_ifa.get() == ifa) {
        k.violate(&I3_FREED_WHILE_HELD, obj, ObjRef::of(rt), [0, 0]);
    }
    if k.st.ifa.raw(ifa).is_in.get() && !k.stopped() {
        let on = lists_of(k, ifa);
        if !on.is_empty() {
            k.violate(&I2_DEAD_ON_LIST, obj, NONE, [on.len() as u32, 0]);
        }
    }
}

/// I9, at the free of a route.
pub fn check_free_rtentry(k: &K, rt: RtId) {
    if k.st.rt.raw(rt).rt_flags.get() & RTF_UP != 0 {
        k.violate(&I9_RTF_UP, ObjRef::of(rt), NONE, [1, 0]);
    }
}

/// I15, when SIOCDIFADDR returns 0.
pub fn check_deleted(k: &K, ifa: IfaId) {
    for cpu in 0..k.ncpus() {
        for rt in table(k, cpu) {
            if k.st.rt.raw(rt).rt_ifa.get() == ifa {
                k.violate(&I15_DELETED, ObjRef::of(ifa), ObjRef::of(rt), [cpu as u32, 0]);
                return;
            }
        }
    }
}

/// I15, when if_detach returns.
pub fn check_detached(k: &K, ifp: IfId) {
    for cpu in 0..k.ncpus() {
        for rt in table(k, cpu) {
            if k.st.rt.raw(rt).rt_ifp.get() == ifp {
                k.violate(&I15_DELETED, ObjRef::of(ifp), ObjRef::of(rt), [cpu as u32, 1]);
                return;
            }
        }
    }
}

/// I10: ARP has aimed an entry at the loopback. That is right for an own address alone, and
/// remembered: the address may change later, and the entry stay.
pub fn note_by_loopback(k: &K, rt: RtId) {
    let r = k.st.rt.raw(rt);
    let own = Sin::inet(r.rt_key.get()) == k.st.ifa.raw(r.rt_ifa.get()).ia_addr.get();
    r.by_loopback.set(own && r.plen.get() == HOST);
}

/// The checks after an operation.
pub fn after_op(k: &K, op: &Op, errno: Option<i32>, rest: bool) {
    check_lists(k);
    if k.stopped() {
        return;
    }
    census(k);
    if k.stopped() || !rest {
        return;
    }
    let Some(digest) = check_rest(k) else { return };
    if let Some(errno) = errno {
        // Two exceptions, both for the routes of the one address that they are about.
        // A route that a fault kept the undo from putting back is not the call's fault.
        // And where the user has deleted an interface route by the routing socket, a
        // route of his own in its place is taken for it by the scrub.
        if errno == 0 {
            check_reported(k, op);
        } else {
            let before = k.st.digest.get();
            let undo = if k.injected() > 0 { k.st.undo_failed.get() } else { 0 };
            let excused = undo | before.user_deleted;
            if !digest.same(&before, excused) {
                k.violate(&I16_FAILED_CHANGED, NONE, NONE, [errno as u32, 0]);
            }
        }
    }
    k.st.undo_failed.set(0);
    k.st.digest.set(digest);
}

/// The checks after an operation that has changed nothing.
pub fn after_no_change(k: &K, op: &Op, errno: i32) {
    if errno == 0 {
        check_reported(k, op);
    }
}

/// I16: an address that was set is there.
fn check_reported(k: &K, op: &Op) {
    let Some((name, addr)) = verbs::set_address(op) else { return };
    let there = k.st.ifa.iter().any(|(_, a)| {
        a.ia_addr.get() == Sin::inet(addr) && k.st.ifnets.raw(a.ifa_ifp.get()).name.get() == name
    });
    if !there {
        k.violate(&I16_NOT_REPORTED, NONE, NONE, [addr, 0]);
    }
}

/// I2, I5, I6.
fn check_lists(k: &K) {
    let st = &k.st;
    let (mut in_list, mut in_hash, mut in_if) = (0u64, 0u64, 0u64);

    let mut prev = Place::HEAD;
    let mut i = st.in_ifaddrhead.first.get();
    while !i.is_null() {
        if !st.ifa.is_live(i) {
            return k.violate(&I2_DEAD_ON_LIST, ObjRef::of(i), NONE, [0, 1]);
        }
        let a = st.ifa.raw(i);
        if in_list >> i.slot() & 1 != 0 || a.ia_link.prev.get() != prev {
            return k.violate(&I5_LISTS, ObjRef::of(i), NONE, [0, 1]);
        }
        in_list |= 1 << i.slot();
        prev = Place::next(i);
        i = a.ia_link.next.get();
    }
    for b in 0..INADDR_NHASH {
        let mut i = st.in_ifaddrhashtbl.first[b].get();
        let mut prev = Place::HEAD;
        while !i.is_null() {
            if !st.ifa.is_live(i) {
                return k.violate(&I2_DEAD_ON_LIST, ObjRef::of(i), NONE, [b as u32, 2]);
            }
            let a = st.ifa.raw(i);
            let addr = a.ia_addr.get();
            if in_hash >> i.slot() & 1 != 0
                || a.ia_hash.prev.get() != prev
                || addr.family != AF_INET
                || inaddr_hash(addr.addr) != b
            {
                return k.violate(&I6_HASH, ObjRef::of(i), NONE, [b as u32, 0]);
            }
            in_hash |= 1 << i.slot();
            prev = Place::next(i);
            // Aliases share the bucket: any twin is further down this chain.
            let mut j = a.ia_hash.next.get();
            let mut left = 32;
            while !j.is_null() && left > 0 {
                let o = st.ifa.raw(j);
                if j != i && o.ia_addr.get() == addr && o.ifa_ifp.get() == a.ifa_ifp.get() {
                    return k.violate(&I6_HASH, ObjRef::of(i), ObjRef::of(j), [b as u32, 1]);
                }
                j = o.ia_hash.next.get();
                left -= 1;
            }
            i = a.ia_hash.next.get();
        }
    }
    for (ifp, n) in st.ifnets.iter() {
        let mut prev = Place::HEAD;
        let mut i = n.if_addrhead.first.get();
        while !i.is_null() {
            if !st.ifa.is_live(i) {
                return k.violate(&I2_DEAD_ON_LIST, ObjRef::of(i), ObjRef::of(ifp), [0, 3]);
            }
            let a = st.ifa.raw(i);
            if in_if >> i.slot() & 1 != 0 || a.ifa_link.prev.get() != prev || a.ifa_ifp.get() != ifp
            {
                return k.violate(&I5_LISTS, ObjRef::of(i), ObjRef::of(ifp), [0, 3]);
            }
            in_if |= 1 << i.slot();
            prev = Place::next(i);
            i = a.ifa_link.next.get();
        }
    }
    for (i, a) in st.ifa.iter() {
        if !a.is_in.get() {
            continue;
        }
        let bit = 1u64 << i.slot();
        if (in_list ^ in_if) & bit != 0 || (in_list & bit != 0) != a.implicit.get() {
            return k.violate(&I5_LISTS, ObjRef::of(i), NONE, [0, 4]);
        }
        let should = a.ia_addr.get().family == AF_INET && in_list & bit != 0;
        if should != (in_hash & bit != 0) {
            return k.violate(&I6_HASH, ObjRef::of(i), NONE, [0, 2]);
        }
    }
}

/// I1, I9, I10, I13, I14: the recount.
fn census(k: &K) {
    let st = &k.st;
    let mut ifa_refs = [0u32; super::NIFAS];
    let mut rt_refs = [0i32; super::NRTS];
    let mut in_tree = 0u64;

    for cpu in 0..k.ncpus() {
        for rt in table(k, cpu) {
            if !st.rt.is_live(rt) || st.rt.raw(rt).cpu.get() as usize != cpu {
                return k.violate(&I9_RTF_UP, ObjRef::of(rt), NONE, [2, cpu as u32]);
            }
            in_tree |= 1 << rt.slot();
        }
    }
    let hold = |holder: ObjRef, rt: RtId, refs: &mut [i32; super::NRTS]| {
        if rt.is_null() {
            return true;
        }
        if !st.rt.is_live(rt) {
            k.violate(&I9_RT_REFCNT, ObjRef::of(rt), holder, [0, 1]);
            return false;
        }
        refs[rt.slot()] += 1;
        true
    };
    for (id, r) in st.rt.iter() {
        let me = ObjRef::of(id);
        let ifa = r.rt_ifa.get();
        if !ifa.is_null() {
            if !st.ifa.is_live(ifa) {
                return k.violate(&I10_RT_POINTERS, me, ObjRef::of(ifa), [0, 1]);
            }
            ifa_refs[ifa.slot()] += 1;
        }
        if !hold(me, r.rt_gwroute.get(), &mut rt_refs) || !hold(me, r.rt_parent.get(), &mut rt_refs)
        {
            return;
        }
        let up = r.rt_flags.get() & RTF_UP != 0;
        let treed = in_tree >> id.slot() & 1 != 0;
        if up != treed {
            return k.violate(&I9_RTF_UP, me, NONE, [3, 0]);
        }
        if !up && r.rt_refcnt.get() == 0 {
            return k.violate(&I9_LEAKED, me, ObjRef::of(ifa), [0, 0]);
        }
        if treed {
            let parent = r.rt_parent.get();
            if !parent.is_null() {
                if in_tree >> parent.slot() & 1 == 0 {
                    return k.violate(&I13_CLONES, me, ObjRef::of(parent), [0, 0]);
                }
                // As when it was cloned: nothing that can be reached in 2007 changes the
                // rt_ifa of a route that has clones.
                if st.rt.raw(parent).rt_ifa.get() != ifa {
                    return k.violate(&I13_CLONES, me, ObjRef::of(parent), [1, 0]);
                }
            }
            // An interface is freed where its detach ends, so that a live one is attached.
            let ifp = r.rt_ifp.get();
            if !st.ifnets.is_live(ifp)
                || ifp != st.ifa.raw(ifa).ifa_ifp.get()
                    && !(ifp == st.loif.get() && r.by_loopback.get())
            {
                return k.violate(&I10_RT_POINTERS, me, ObjRef::of(ifp), [0, 2]);
            }
        }
        let la = r.rt_llinfo.get();
        let flagged = r.rt_flags.get() & RTF_LLINFO != 0;
        if flagged == la.is_null()
            || flagged && (!st.las.is_live(la) || st.las.raw(la).la_rt.get() != id)
        {
            return k.violate(&I14_LLINFO, me, ObjRef::of(la), [0, 0]);
        }
    }
    for (id, p) in st.inps.iter() {
        if !hold(ObjRef::of(id), p.ro_rt.get(), &mut rt_refs) {
            return;
        }
    }
    for (id, f) in st.flows.iter() {
        if !hold(ObjRef::of(id), f.ro_rt.get(), &mut rt_refs) {
            return;
        }
    }
    for cpu in 0..k.ncpus() {
        if !hold(NONE, st.ipforward_rt[cpu].get(), &mut rt_refs) {
            return;
        }
    }
    for (id, r) in st.rt.iter() {
        if r.rt_refcnt.get() != rt_refs[id.slot()] {
            let detail = [r.rt_refcnt.get() as u32, rt_refs[id.slot()] as u32];
            return k.violate(&I9_RT_REFCNT, ObjRef::of(id), NONE, detail);
        }
    }
    // A request on its way over the CPUs holds the address that it has found.
    k.for_holds(|_, o, counted| {
        if counted && o.class == Ifaddr::CLASS {
            ifa_refs[usize::from(o.slot)] += 1;
        }
    });
    for (id, a) in st.ifa.iter() {
        let holders = ifa_refs[id.slot()] + u32::from(a.implicit.get());
        if a.ifa_refcnt.get().wrapping_add(1) != holders {
            return k.violate(&I1_COUNT, ObjRef::of(id), NONE, [a.ifa_refcnt.get(), holders]);
        }
    }
    let mut listed = 0u64;
    for cpu in 0..k.ncpus() {
        let mut la = st.llinfo_arp_list.first[cpu].get();
        while !la.is_null() {
            let ok = st.las.is_live(la) && listed >> la.slot() & 1 == 0;
            if !ok || st.rt.raw(st.las.raw(la).la_rt.get()).cpu.get() as usize != cpu {
                return k.violate(&I14_LLINFO, ObjRef::of(la), NONE, [cpu as u32, 1]);
            }
            listed |= 1 << la.slot();
            la = st.las.raw(la).la_le.next.get();
        }
    }
    if listed.count_ones() as usize != st.las.len() {
        k.violate(&I14_LLINFO, NONE, NONE, [listed.count_ones(), st.las.len() as u32]);
    }
}

/// The key and prefix length of the interface route that an address should have.
fn expected_route(k: &K, a: &Ifaddr) -> (u32, u8) {
    let flags = k.st.ifnets.raw(a.ifa_ifp.get()).if_flags.get();
    if flags & IFF_LOOPBACK != 0 {
        (a.ia_addr.get().addr, HOST)
    } else if flags & IFF_POINTOPOINT != 0 {
        (a.ia_dstaddr.get().addr, HOST)
    } else {
        let m = a.ia_sockmask.get().addr;
        (a.ia_addr.get().addr & m, plen(m))
    }
}

/// All of a route that is the same on every CPU, for I12 and I16.
fn route_digest(r: &Rtentry) -> u64 {
    let kept = RTF_STATIC | RTF_HOST | RTF_GATEWAY | RTF_MODIFIED;
    let pointers = (r.rt_ifa.get().slot() as u64) << 8 | r.rt_ifp.get().slot() as u64;
    let key = u64::from(r.rt_key.get()) | u64::from(r.plen.get()) << 32 | pointers << 40;
    // Whether a link-level address is known is ARP's business on each CPU.
    let gateway = match r.rt_gateway.get() {
        Gateway::Null => 0,
        Gateway::Inet(a) => 1 << 32 | u64::from(a),
        Gateway::Link(i, _) => 2 << 32 | u64::from(i),
    };
    mix(mix(key, 0), gateway << 12 | u64::from(r.rt_flags.get() & kept))
}

/// What addresses and routes come to, for I16.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// The addresses themselves, by sum.
    addresses: u64,
    /// IFA_ROUTE and the routes of each address, over all CPUs, by slot.
    routes: [u64; super::NIFAS],
    /// Bit per address that has lost its interface route to the user.
    user_deleted: u64,
}

impl Digest {
    /// Whether nothing differs but the routes of `excused` addresses.
    fn same(&self, o: &Digest, excused: u64) -> bool {
        if self.addresses != o.addresses {
            return false;
        }
        let routes = self.routes.iter().zip(&o.routes).enumerate();
        self.routes == o.routes
            || routes.filter(|(slot, _)| excused >> slot & 1 == 0).all(|(_, (a, b))| a == b)
    }
}

/// Whether a route is an entry of ARP, which in_addroute may replace on one CPU and not
/// on another, as it does with clones: a host route by link level on an interface that
/// broadcasts.
fn is_arp_entry(k: &K, r: &Rtentry) -> bool {
    r.rt_flags.get() & RTF_HOST != 0
        && matches!(r.rt_gateway.get(), Gateway::Link(..))
        && k.st.ifnets.raw(k.st.ifa.raw(r.rt_ifa.get()).ifa_ifp.get()).if_flags.get()
            & IFF_BROADCAST
            != 0
}

/// I7, I8, I12, and the digest for I16; `None` when one of them is broken.
fn check_rest(k: &K) -> Option<Digest> {
    let st = &k.st;
    let mut digest = Digest::default();
    // Per address: how many CPUs have its interface route.
    let mut routed = [0u8; super::NIFAS];
    let mut per_cpu = [0u64; 3];
    for (cpu, sum) in per_cpu.iter_mut().enumerate().take(k.ncpus()) {
        for rt in table(k, cpu) {
            let r = st.rt.raw(rt);
            let flags = r.rt_flags.get();
            if flags & (RTF_WASCLONED | RTF_DYNAMIC) != 0 || is_arp_entry(k, r) {
                continue;
            }
            let ifa = r.rt_ifa.get();
            let h = route_digest(r);
            *sum = sum.wrapping_add(h);
            let of = &mut digest.routes[ifa.slot()];
            *of = of.wrapping_add(mix(h, cpu as u64));
            if is_interface_route(r) {
                let a = st.ifa.raw(ifa);
                if a.ifa_flags.get() & IFA_ROUTE == 0
                    || expected_route(k, a) != (r.rt_key.get(), r.plen.get())
                {
                    k.violate(&I8_IFA_ROUTE, ObjRef::of(ifa), ObjRef::of(rt), [cpu as u32, 1]);
                    return None;
                }
                routed[ifa.slot()] += 1;
            }
        }
    }
    if (1..k.ncpus()).any(|c| per_cpu[c] != per_cpu[0]) {
        k.violate(&I12_CPUS_DIFFER, NONE, NONE, [0, 0]);
        return None;
    }
    for (id, a) in st.ifa.iter() {
        if !a.implicit.get() {
            continue;
        }
        let loopback = st.ifnets.raw(a.ifa_ifp.get()).if_flags.get() & IFF_LOOPBACK != 0;
        let dst_ok = match a.ifa_dstaddr.get() {
            Sa::Dst(i) => i == id,
            Sa::Addr(i) => i == id && loopback,
            Sa::Null => !a.is_in.get(),
            _ => false,
        };
        if a.ifa_addr.get() != Sa::Addr(id) || !dst_ok || a.ifa_netmask.get() != Sa::Mask(id) {
            k.violate(&I7_POINTERS, ObjRef::of(id), NONE, [0, 0]);
            return None;
        }
        if !a.is_in.get() {
            continue;
        }
        let flagged = a.ifa_flags.get() & IFA_ROUTE != 0;
        if flagged && routed[id.slot()] as usize != k.ncpus() && !a.user_deleted.get() {
            k.violate(&I8_IFA_ROUTE, ObjRef::of(id), NONE, [u32::from(routed[id.slot()]), 2]);
            return None;
        }
        let mut h = mix(u64::from(a.ia_addr.get().addr), u64::from(a.ia_addr.get().family));
        h = mix(h, u64::from(a.ia_sockmask.get().addr));
        h = mix(h, u64::from(a.ia_dstaddr.get().addr));
        h = mix(h, a.ifa_ifp.get().slot() as u64);
        digest.addresses = digest.addresses.wrapping_add(h);
        if a.user_deleted.get() {
            digest.user_deleted |= 1 << id.slot();
        }
        let of = &mut digest.routes[id.slot()];
        *of = mix(*of, u64::from(flagged));
    }
    Some(digest)
}

/// The final audit.
pub fn audit_end(k: &K) {
    let st = &k.st;
    if let Some((id, _)) = st.ifa.iter().find(|(_, a)| a.is_in.get()) {
        return k.violate(&LEAK_AT_END, ObjRef::of(id), NONE, [1, 0]);
    }
    if let Some((id, _)) = st.rt.iter().next() {
        return k.violate(&LEAK_AT_END, ObjRef::of(id), NONE, [2, 0]);
    }
    if let Some((id, _)) = st.las.iter().next() {
        return k.violate(&LEAK_AT_END, ObjRef::of(id), NONE, [3, 0]);
    }
    if let Some((id, _)) = st.inps.iter().next() {
        return k.violate(&LEAK_AT_END, ObjRef::of(id), NONE, [4, 0]);
    }
    if let Some((id, _)) = st.flows.iter().next() {
        return k.violate(&LEAK_AT_END, ObjRef::of(id), NONE, [5, 0]);
    }
    let stays = |d: Driver| matches!(d, Driver::Tun | Driver::Sppp | Driver::Lo);
    if let Some((id, _)) = st.ifnets.iter().find(|(_, n)| !stays(n.driver.get())) {
        return k.violate(&LEAK_AT_END, ObjRef::of(id), NONE, [6, 0]);
    }
    if st.ifa.len() != st.ifnets.len() {
        k.violate(&LEAK_AT_END, NONE, NONE, [st.ifa.len() as u32, st.ifnets.len() as u32]);
    }
}
