//! Who holds an object, by name: for frees and for dumps.
//!
//! The same knowledge as the recount's ([`super::census`]), one object at a time. A test
//! holds the two against one another.

use super::K;
use super::census::released_ifp;
use super::lists::chain;
use super::objects::*;
use super::subr_epoch::Callback;
use crate::kern::slab::{Id, ObjRef, Object};

const NONE: ObjRef = ObjRef::NONE;

/// The typed name of an object.
pub fn id<T: Object>(o: ObjRef) -> Id<T> {
    Id::new(o.slot, o.generation)
}

/// A holder of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The object that holds; none for globals, lists and threads.
    pub obj: ObjRef,
    /// The field, list or queue.
    pub field: &'static str,
    /// Index in it, where it has one, or the thread.
    pub index: Option<u8>,
}

/// Calls `f` for every counted holder of an object, living or freed. For an in6_ifextra
/// and other objects without a counter: nothing.
pub fn for_holders(k: &K, obj: ObjRef, mut f: impl FnMut(Holder)) {
    k.for_holds_of_others(|fiber, o, counted| {
        if counted && o == obj {
            f(Holder { obj: NONE, field: "thread", index: Some(fiber) });
        }
    });
    for_holders_in_memory(k, obj, f);
}

/// The same without the threads.
pub fn for_holders_in_memory(k: &K, obj: ObjRef, mut f: impl FnMut(Holder)) {
    let st = &k.st;
    let mut say = |by: ObjRef, field: &'static str, index: Option<u8>| {
        f(Holder { obj: by, field, index });
    };
    match obj.class {
        0 => {
            let me: IfId = id(obj);
            for (n, slot) in st.ifindex_table.iter().enumerate() {
                if slot.get() == me {
                    say(NONE, "ifindex_table", Some(n as u8));
                }
            }
            for (i, b) in st.bpfs.iter() {
                if b.bif_ifp.get() == me {
                    say(ObjRef::of(i), "bif_ifp", None);
                }
            }
            for (i, n) in st.nhops.iter().filter(|(_, n)| n.nh_finalized.get()) {
                if n.nh_ifp.get() == me {
                    say(ObjRef::of(i), "nh_ifp", None);
                }
                if n.nh_aifp.get() == me {
                    say(ObjRef::of(i), "nh_aifp", None);
                }
            }
            for (i, m) in st.inms.iter() {
                if released_ifp(k, m) == me {
                    say(ObjRef::of(i), "inm_ifp", None);
                }
            }
        }
        3 => {
            let me: IfaId = id(obj);
            for list in lists_of_ifa(k, me).into_iter().flatten() {
                say(NONE, list, None);
            }
            for (i, n) in st.nhops.iter() {
                if n.nh_finalized.get() && n.nh_ifa.get() == me {
                    say(ObjRef::of(i), "nh_ifa", None);
                }
            }
            for (i, d) in st.dads.iter() {
                if d.dad_ifa.get() == me {
                    say(ObjRef::of(i), "dad_ifa", None);
                }
            }
        }
        4 => {
            let me: PrId = id(obj);
            if on_list(st.v_nd_prefix.first[0].get(), me, |i| {
                st.prefixes.raw(i).ndpr_entry.next.get()
            }) {
                say(NONE, "V_nd_prefix", None);
            }
        }
        5 => {
            let me: DrId = id(obj);
            if on_list(st.v_nd6_defrouter.first.get(), me, |i| {
                st.routers.raw(i).dr_entry.next.get()
            }) {
                say(NONE, "V_nd6_defrouter", None);
            }
            for (i, p) in st.prefixes.iter() {
                for dr in &p.ndpr_advrtrs {
                    if dr.get() == me {
                        say(ObjRef::of(i), "ndpr_advrtrs", None);
                    }
                }
            }
        }
        6 => {
            let me: DadId = id(obj);
            if on_list(st.v_dadq.first.get(), me, |i| st.dads.raw(i).dad_list.next.get()) {
                say(NONE, "V_dadq", None);
            }
        }
        7 => {
            for af in [Af::Inet, Af::Inet6] {
                if super::radix::table(k, af).any(|rt| ObjRef::of(rt) == obj) {
                    say(NONE, "RIB", Some(af.index() as u8));
                }
            }
        }
        8 | 9 => nh_holders(k, obj, &mut say),
        10 => {
            let me: FdId = id(obj);
            for af in [V4, V6] {
                if st.v_inet_dp[af].get() == me {
                    say(NONE, "V_inet_dp", Some(af as u8));
                }
                if st.rnh_subscribers[af].iter().any(|s| s.get() == me) {
                    say(NONE, "rnh_subscribers", Some(af as u8));
                }
            }
            if on_list(st.v_fib_data_list.first.get(), me, |i| st.fds.raw(i).entries.next.get()) {
                say(NONE, "V_fib_data_list", None);
            }
        }
        11 => {
            let l = st.lles.raw(id(obj));
            if l.linked.get() {
                say(NONE, "lltable", None);
            }
            if l.lle_timer.pending() {
                say(NONE, "lle_timer", None);
            }
        }
        12 if st.inps.raw(id(obj)).inp_socket.get() => say(NONE, "inp_socket", None),
        13 => {
            let me: InmId = id(obj);
            for (i, p) in st.inps.iter() {
                for _ in p.memberships.iter().filter(|m| m.get() == me) {
                    say(ObjRef::of(i), "memberships", None);
                }
            }
            for (i, a) in st.ifas.iter() {
                for _ in a.ia6_memberships.iter().filter(|m| m.get() == me) {
                    say(ObjRef::of(i), "ia6_memberships", None);
                }
            }
            for (i, e) in st.ifinfos.iter() {
                if e.ii_allhosts.get() == me {
                    say(ObjRef::of(i), "ii_allhosts", None);
                }
            }
        }
        14 => {
            let me: IfmaId = id(obj);
            for (i, m) in st.inms.iter() {
                if m.ifma.get() == me {
                    say(ObjRef::of(i), "inm_ifma", None);
                }
            }
        }
        15 => {
            let me: BpfId = id(obj);
            for (i, n) in st.ifnets.iter() {
                if n.if_bpf.get() == me {
                    say(ObjRef::of(i), "if_bpf", None);
                }
            }
        }
        17 => {
            let me: NodeId = id(obj);
            if st.nodes.raw(me).own.get() {
                say(NONE, "itself", None);
            }
            for (i, n) in st.nodes.iter() {
                for (h, _) in n.hooks.iter().enumerate().filter(|(_, h)| h.get() == me) {
                    say(ObjRef::of(i), "hooks", Some(h as u8));
                }
            }
        }
        _ => {}
    }
}

/// The holders of a nexthop or of a group.
fn nh_holders(k: &K, obj: ObjRef, say: &mut impl FnMut(ObjRef, &'static str, Option<u8>)) {
    let st = &k.st;
    let me = match obj.class {
        8 => NhRef::Nh(id(obj)),
        _ => NhRef::Nhg(id(obj)),
    };
    for (i, r) in st.rts.iter() {
        if r.rt_nhop.get() == me {
            say(ObjRef::of(i), "rt_nhop", None);
        }
    }
    for (i, g) in st.nhgrps.iter() {
        for (n, _) in g.nhops.iter().enumerate().filter(|(_, nh)| NhRef::Nh(nh.get()) == me) {
            say(ObjRef::of(i), "nhg_nh_weights", Some(n as u8));
        }
    }
    for (i, d) in st.fds.iter() {
        for slot in d.slots().filter(|&s| d.nh_idx[s].get() == me) {
            say(ObjRef::of(i), "nh_idx", Some(slot as u8));
        }
    }
    for (i, p) in st.inps.iter() {
        if p.ro_nh.get() == me {
            say(ObjRef::of(i), "ro_nh", None);
        }
    }
    for callback in st.net_epoch.iter() {
        if callback == Callback::ReleaseNhop(me) {
            say(NONE, "release_nhop_epoch", None);
        }
    }
}

/// Whether an element is on a list.
fn on_list<T>(first: Id<T>, wanted: Id<T>, next: impl Fn(Id<T>) -> Id<T>) -> bool {
    chain(first, next).any(|i| i == wanted)
}

/// The lists that hold a reference of an address.
pub fn lists_of_ifa(k: &K, ifa: IfaId) -> [Option<&'static str>; 3] {
    let st = &k.st;
    let by_link = |i: IfaId| st.ifas.raw(i).ia_link.next.get();
    let by_if = |i: IfaId| st.ifas.raw(i).ifa_link.next.get();
    [
        st.ifnets
            .iter()
            .any(|(_, n)| on_list(n.if_addrhead.first.get(), ifa, by_if))
            .then_some("if_addrhead"),
        on_list(st.v_in_ifaddrhead.first.get(), ifa, by_link).then_some("V_in_ifaddrhead"),
        on_list(st.v_in6_ifaddrhead.first.get(), ifa, by_link).then_some("V_in6_ifaddrhead"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kern::Kernel;
    use crate::kern::exec::{Config, run_to_rest};
    use crate::program::generate::{GenConfig, Generator};
    use crate::stack::freebsd::GRAMMAR;

    /// The counted objects, with their counters.
    fn counters(k: &K) -> Vec<(ObjRef, u32)> {
        fn all<'a, T: Object + 'a>(
            objects: impl Iterator<Item = (Id<T>, &'a T)>,
            counter: impl Fn(&T) -> u32,
        ) -> Vec<(ObjRef, u32)> {
            objects.map(|(i, o)| (ObjRef::of(i), counter(o))).collect()
        }
        let st = &k.st;
        [
            all(st.ifnets.iter(), |n| n.if_refcount.get()),
            all(st.ifas.iter(), |a| a.ifa_refcnt.get()),
            all(st.prefixes.iter(), |p| p.ndpr_refcnt.get()),
            all(st.routers.iter(), |d| d.refcnt.get()),
            all(st.dads.iter(), |d| d.dad_refcnt.get()),
            all(st.nhops.iter(), |n| n.nh_refcnt.get()),
            all(st.nhgrps.iter(), |g| g.nhg_refcount.get()),
            all(st.lles.iter(), |l| l.lle_refcnt.get()),
            all(st.inps.iter(), |p| p.inp_refcount.get()),
            all(st.inms.iter(), |m| m.refcount.get()),
            all(st.ifmas.iter(), |m| m.ifma_refcount.get()),
            all(st.bpfs.iter(), |b| b.bif_refcnt.get()),
            all(st.nodes.iter(), |n| n.nd_refs.get()),
        ]
        .concat()
    }

    #[test]
    fn the_holders_by_name_are_as_many_as_the_recount_finds() {
        let generator = Generator::new(&GRAMMAR, GenConfig::default(), 1);
        let mut k: K = Kernel::new();
        let (mut compared, mut most) = (0, 0);
        for i in 0..200 {
            run_to_rest(&mut k, &generator.program(i), Config::default());
            // What ended the run early has left threads that hold references.
            if k.stopped() || !k.at_rest() {
                continue;
            }
            for (obj, counter) in counters(&k) {
                let mut holders = 0;
                for_holders(&k, obj, |_| holders += 1);
                assert_eq!(holders, counter, "program {i}: {obj:?}");
                compared += 1;
                most = most.max(holders);
            }
        }
        assert!(compared > 5_000 && most > 8, "{compared} objects, at most {most} holders");
    }
}
