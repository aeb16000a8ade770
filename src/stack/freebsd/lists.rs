//! The lists of `freebsd-14`, walked by links that are not trusted (I22).
//!
//! [`lists`] walks every list and leaves a bit per object that it met; that is what the
//! recount and the checks at rest ask for membership. [`chain`] is a walk that only ends.

use super::K;
use super::invariants::{I22_DEAD_ON_LIST, I22_LISTS};
use super::objects::*;
use crate::kern::queue::{Link, Place, Tailq};
use crate::kern::slab::{Id, ObjRef, Object, Slab};

const NONE: ObjRef = ObjRef::NONE;

/// Which list: the details of I22-lists and I22-dead-on-list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// `V_ifnet`.
    Ifnet,
    /// `if_addrhead`.
    Addrhead,
    /// `V_in_ifaddrhead`.
    InIfaddrhead,
    /// `V_in6_ifaddrhead`.
    In6Ifaddrhead,
    /// `V_in_ifaddrhashtbl`.
    InHash,
    /// `V_in6_ifaddrhashtbl`.
    In6Hash,
    /// `if_multiaddrs`.
    Multiaddrs,
    /// `V_nd_prefix`.
    Prefix,
    /// `V_nd6_defrouter`.
    Defrouter,
    /// `V_dadq`.
    Dadq,
    /// `nh_head`.
    Nhops,
    /// `gr_head`.
    Nhgrps,
    /// `V_fib_data_list`.
    FibData,
    /// `bpf_iflist`.
    Bpf,
    /// A table of link-layer entries.
    Lltable,
}

/// The names of [`List`]s.
pub static LIST_NAMES: &[&str] = &[
    "V_ifnet",
    "if_addrhead",
    "V_in_ifaddrhead",
    "V_in6_ifaddrhead",
    "V_in_ifaddrhashtbl",
    "V_in6_ifaddrhashtbl",
    "if_multiaddrs",
    "V_nd_prefix",
    "V_nd6_defrouter",
    "V_dadq",
    "nh_head",
    "gr_head",
    "V_fib_data_list",
    "bpf_iflist",
    "lltable",
];

/// What is on which list: a bit per slot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Listed {
    /// On `V_ifnet`.
    pub ifnets: u64,
    /// On an `if_addrhead`.
    pub addrhead: u64,
    /// On `V_in_ifaddrhead` or `V_in6_ifaddrhead`.
    pub ifaddrs: u64,
    /// In one of the hashes.
    pub hashed: u64,
    /// On `V_nd_prefix`.
    pub prefixes: u64,
    /// On `V_nd6_defrouter`.
    pub routers: u64,
    /// On `V_dadq`.
    pub dads: u64,
    /// In the hash of nexthops.
    pub nhops: u64,
    /// In the hash of groups.
    pub nhgrps: u64,
    /// On `V_fib_data_list`.
    pub fds: u64,
    /// On `bpf_iflist`.
    pub bpfs: u64,
    /// On an `if_multiaddrs`.
    pub ifmas: u64,
    /// In a table.
    pub lles: u64,
    /// Indices of linked nexthops and groups, per family.
    pub nh_idx: [u64; 2],
}

/// A kind of list: what it is, where its elements live.
struct Kind<'k, T, const N: usize> {
    k: &'k K,
    list: List,
    slab: &'k Slab<T, N>,
}

impl<'k, T: Object, const N: usize> Kind<'k, T, N> {
    /// Walks list `head` from `first`; where its last element's `next` is, or `None` after
    /// a violation. `belongs` says whether an element may be on it.
    fn walk(
        &self,
        (head, first): (u8, Id<T>),
        link: impl Fn(&'k T) -> &'k Link<T>,
        seen: &mut u64,
        mut belongs: impl FnMut(&'k T) -> bool,
    ) -> Option<Place<T>> {
        let list = self.list as u32;
        let mut prev = Place::HEAD;
        let mut i = first;
        while !i.is_null() {
            let me = ObjRef::of(i);
            if !self.slab.is_live(i) {
                self.k.violate(&I22_DEAD_ON_LIST, me, NONE, [list, 0]);
                return None;
            }
            let o = self.slab.raw(i);
            let l = link(o);
            let twice = *seen >> i.slot() & 1 != 0;
            if twice || l.prev.get() != prev || l.head.get() != head || !belongs(o) {
                self.k.violate(&I22_LISTS, me, NONE, [list, u32::from(twice)]);
                return None;
            }
            *seen |= 1 << i.slot();
            prev = Place::next(i);
            i = l.next.get();
        }
        Some(prev)
    }

    /// The same for a tail queue, whose `last` must be where the walk ends.
    fn tailq(
        &self,
        head: &Tailq<T>,
        link: impl Fn(&'k T) -> &'k Link<T>,
        seen: &mut u64,
        belongs: impl FnMut(&'k T) -> bool,
    ) -> Option<()> {
        let end = self.walk((0, head.first.get()), link, seen, belongs)?;
        if head.last.get() == end {
            return Some(());
        }
        let at = end.element().map_or(NONE, ObjRef::of);
        self.k.violate(&I22_LISTS, at, NONE, [self.list as u32, 2]);
        None
    }
}

/// Walks all lists and notes in `on`, which is empty, what is on them; `None` after a violation.
pub fn lists(k: &K, on: &mut Listed) -> Option<()> {
    interfaces(k, on)?;
    addresses(k, on)?;
    neighbours(k, on)?;
    routing(k, on)
}

/// `V_ifnet`, and what hangs off each interface.
fn interfaces(k: &K, on: &mut Listed) -> Option<()> {
    let st = &k.st;
    let all = Kind { k, list: List::Ifnet, slab: &st.ifnets };
    all.tailq(&st.v_ifnet, |n| &n.if_link, &mut on.ifnets, |_| true)?;
    let addrs = Kind { k, list: List::Addrhead, slab: &st.ifas };
    let multis = Kind { k, list: List::Multiaddrs, slab: &st.ifmas };
    for (ifp, n) in st.ifnets.iter() {
        let own = |a: &Ifaddr| a.ifa_ifp.get() == ifp;
        addrs.tailq(&n.if_addrhead, |a| &a.ifa_link, &mut on.addrhead, own)?;
        let first = n.if_multiaddrs.first[0].get();
        let own = |m: &Ifmultiaddr| m.ifma_ifp.get() == ifp && m.enqueued.get();
        multis.walk((0, first), |m| &m.ifma_link, &mut on.ifmas, own)?;
    }
    let bpfs = Kind { k, list: List::Bpf, slab: &st.bpfs };
    bpfs.walk((0, st.bpf_iflist.first[0].get()), |b| &b.bif_next, &mut on.bpfs, |_| true)?;
    Some(())
}

/// The lists and hashes of all addresses of a family.
fn addresses(k: &K, on: &mut Listed) -> Option<()> {
    let st = &k.st;
    let of = |list| Kind { k, list, slab: &st.ifas };
    let v4 = |a: &Ifaddr| a.af.get() == Af::Inet;
    let v6 = |a: &Ifaddr| a.af.get() == Af::Inet6;
    let seen = &mut on.ifaddrs;
    of(List::InIfaddrhead).tailq(&st.v_in_ifaddrhead, |a| &a.ia_link, seen, v4)?;
    of(List::In6Ifaddrhead).tailq(&st.v_in6_ifaddrhead, |a| &a.ia_link, seen, v6)?;
    for bucket in 0..super::NHASH {
        let (head, seen) = (bucket as u8, &mut on.hashed);
        let first = st.v_in_ifaddrhashtbl.first[bucket].get();
        of(List::InHash).walk((head, first), |a| &a.ia_hash, seen, v4)?;
        let first = st.v_in6_ifaddrhashtbl.first[bucket].get();
        of(List::In6Hash).walk((head, first), |a| &a.ia_hash, seen, v6)?;
    }
    Some(())
}

/// Prefixes, routers, DAD, link-layer entries.
fn neighbours(k: &K, on: &mut Listed) -> Option<()> {
    let st = &k.st;
    let prefixes = Kind { k, list: List::Prefix, slab: &st.prefixes };
    let first = st.v_nd_prefix.first[0].get();
    prefixes.walk((0, first), |p| &p.ndpr_entry, &mut on.prefixes, |_| true)?;
    let routers = Kind { k, list: List::Defrouter, slab: &st.routers };
    routers.tailq(&st.v_nd6_defrouter, |d| &d.dr_entry, &mut on.routers, |_| true)?;
    let dads = Kind { k, list: List::Dadq, slab: &st.dads };
    dads.tailq(&st.v_dadq, |d| &d.dad_list, &mut on.dads, |d| d.dad_ondadq.get())?;
    let lles = Kind { k, list: List::Lltable, slab: &st.lles };
    let mut table = |first: LleId, ifp: IfId, af: Af| {
        let own = |l: &Llentry| l.linked.get() && l.llt_ifp.get() == ifp && l.af.get() == af;
        lles.walk((0, first), |l| &l.lle_next, &mut on.lles, own)
    };
    for (_, e) in st.exts.iter() {
        table(e.lltable.first[0].get(), e.ifp.get(), Af::Inet6)?;
    }
    for (_, e) in st.ifinfos.iter() {
        table(e.ii_llt.first[0].get(), e.ifp.get(), Af::Inet)?;
    }
    Some(())
}

/// Nexthops, groups, FIB instances. No two linked nexthops or groups of a family have one
/// index, and 0 is none.
fn routing(k: &K, on: &mut Listed) -> Option<()> {
    let st = &k.st;
    let nhops = Kind { k, list: List::Nhops, slab: &st.nhops };
    let groups = Kind { k, list: List::Nhgrps, slab: &st.nhgrps };
    for af in [V4, V6] {
        let mut used = 1u64;
        let mut fresh = |i: u8| {
            let ok = i < 64 && used >> i & 1 == 0;
            used |= 1 << (i & 63);
            ok
        };
        let first = st.nh_head.first[af].get();
        nhops.walk(
            (af as u8, first),
            |n| &n.nh_next,
            &mut on.nhops,
            |n| n.af.get().index() == af && n.nh_linked.get() == 2 && fresh(n.nh_idx.get()),
        )?;
        let first = st.gr_head.first[af].get();
        groups.walk(
            (af as u8, first),
            |g| &g.nhg_next,
            &mut on.nhgrps,
            |g| g.af.get().index() == af && g.nhg_linked.get() == 2 && fresh(g.nhg_idx.get()),
        )?;
        on.nh_idx[af] = used & !1;
    }
    let fds = Kind { k, list: List::FibData, slab: &st.fds };
    fds.tailq(&st.v_fib_data_list, |f| &f.entries, &mut on.fds, |f| f.fd_linked.get())
}

/// The elements of a list, by a walk that trusts nothing: it ends.
pub fn chain<T>(first: Id<T>, next: impl Fn(Id<T>) -> Id<T>) -> impl Iterator<Item = Id<T>> {
    let some = |i: Id<T>| (!i.is_null()).then_some(i);
    std::iter::successors(some(first), move |&i| some(next(i))).take(64)
}
