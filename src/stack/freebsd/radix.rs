//! `sys/net/radix.c`: the table of a RIB.
//!
//! A radix tree is, for everything that the stack does with it, a sorted list of prefixes:
//! by address, and of one address the longest first, as the tree's walk goes.

use super::K;
use super::nhop::family;
use super::objects::*;
use crate::kern::cell::F;
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Func, What};
use std::cmp::Reverse;

const FILE: &str = "sys/net/radix.c";

/// The routes of a family's RIB, in key order.
pub fn table(k: &K, af: Af) -> impl Iterator<Item = RtId> + '_ {
    let i = family(af);
    (0..usize::from(k.st.rib_len[i].get())).map(move |n| k.st.rib[i][n].get())
}

/// `rnh_prefixes`.
pub fn prefixes(k: &K, af: Af) -> u32 {
    u32::from(k.st.rib_len[family(af)].get())
}

/// The order of the walk.
fn key(dst: Prefix) -> (Addr, Reverse<u8>) {
    (dst.addr, Reverse(dst.bits))
}

/// `rnh_lookup`: the route of exactly that prefix. The caller holds the RIB's lock.
pub fn rnh_lookup(k: &K, af: Af, dst: Prefix) -> RtId {
    table(k, af).find(|&rt| k[rt].rt_dst.get() == dst).unwrap_or(RtId::NULL)
}

/// `rnh_matchaddr`, `rn_match`: the route of the longest prefix that covers an address.
/// The caller holds the RIB's lock.
pub fn rn_match(k: &K, af: Af, dst: Addr) -> RtId {
    let covers = |rt: &RtId| k[*rt].rt_dst.get().covers(dst);
    let longest = table(k, af).filter(covers).max_by_key(|&rt| k[rt].rt_dst.get().bits);
    longest.unwrap_or(RtId::NULL)
}

/// `rn_addmask`: puts a mask into a tree of masks, a bit per length, where it stays. Whether
/// there was memory for it: none is needed for the mask of a default route, nor for one that
/// is there.
pub fn rn_addmask(k: &K, masks: &F<u128>, bits: u8) -> bool {
    let there = bits == 0 || masks.get() >> bits & 1 != 0;
    if !there && k.fails("rn_addmask") {
        return false;
    }
    if !there {
        masks.set(masks.get() | 1 << bits);
    }
    true
}

/// `rnh_addaddr`: puts a route into the tree; false when its prefix is there, or when there
/// is no memory for a mask. More routes than the model has room for end the run.
pub fn rnh_addaddr(k: &K, af: Af, rt: RtId) -> bool {
    let _f = k.frame(&Func { name: "rn_addroute", file: FILE });
    let dst = k[rt].rt_dst.get();
    if dst.bits != host_bits(af) && !rn_addmask(k, &k.st.rnh_masks[family(af)], dst.bits) {
        return false;
    }
    let at = table(k, af).take_while(|&r| key(k[r].rt_dst.get()) < key(dst)).count();
    let (rows, n) = (&k.st.rib[family(af)], usize::from(k.st.rib_len[family(af)].get()));
    if at < n && k[rows[at].get()].rt_dst.get() == dst {
        return false;
    }
    if n == TABLE {
        k.exhaust();
        return false;
    }
    k.record(|| What::List("rib", true, ObjRef::of(rt)));
    for i in (at..n).rev() {
        rows[i + 1].set(rows[i].get());
    }
    rows[at].set(rt);
    k.st.rib_len[family(af)].inc();
    true
}

/// `rnh_deladdr`: takes the route of a prefix out of the tree; NULL when there is none.
pub fn rnh_deladdr(k: &K, af: Af, dst: Prefix) -> RtId {
    let _f = k.frame(&Func { name: "rn_delete", file: FILE });
    let (rows, len) = (&k.st.rib[family(af)], &k.st.rib_len[family(af)]);
    let Some(at) = table(k, af).position(|rt| k[rt].rt_dst.get() == dst) else {
        return RtId::NULL;
    };
    let rt = rows[at].get();
    k.record(|| What::List("rib", false, ObjRef::of(rt)));
    for i in at + 1..usize::from(len.get()) {
        rows[i - 1].set(rows[i].get());
    }
    rows[usize::from(len.dec())].set(RtId::NULL);
    rt
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::freebsd::route_rtentry::rt_alloc;

    const NET: Addr = 0x0a00_0000 << 32;

    fn prefix(host: u64, bits: u8) -> Prefix {
        Prefix::new(NET | host << 32, bits)
    }

    fn with(prefixes: &[Prefix]) -> K {
        let k = K::new();
        let before = table(&k, Af::Inet).count();
        for &dst in prefixes {
            assert!(rnh_addaddr(&k, Af::Inet, rt_alloc(&k, Af::Inet, dst)));
        }
        assert_eq!(table(&k, Af::Inet).count(), before + prefixes.len());
        k
    }

    fn of(k: &K, rt: RtId) -> Option<Prefix> {
        (!rt.is_null()).then(|| k[rt].rt_dst.get())
    }

    #[test]
    fn the_walk_goes_by_address_and_of_one_address_the_longest_prefix_comes_first() {
        let k = with(&[prefix(0, 16), prefix(1, 32), prefix(0, 24)]);
        let walk: Vec<Prefix> = table(&k, Af::Inet).map(|rt| k[rt].rt_dst.get()).collect();
        let ours: Vec<Prefix> = walk.into_iter().filter(|p| p.addr >> 56 == 10).collect();
        assert_eq!(ours, [prefix(0, 24), prefix(0, 16), prefix(1, 32)]);
    }

    #[test]
    fn the_longest_prefix_that_covers_an_address_is_its_route() {
        let k = with(&[prefix(0, 16), prefix(1, 32), prefix(0, 24)]);
        let route = |host: u64| of(&k, rn_match(&k, Af::Inet, NET | host << 32));
        assert_eq!(route(1), Some(prefix(1, 32)));
        assert_eq!(route(2), Some(prefix(0, 24)));
        assert_eq!(route(0x101), Some(prefix(0, 16)));
        assert_eq!(route(0x10101), None);
    }

    #[test]
    fn a_prefix_is_in_the_tree_once_and_only_that_prefix_is_taken_out() {
        let k = with(&[prefix(0, 16), prefix(0, 24)]);
        assert!(!rnh_addaddr(&k, Af::Inet, rt_alloc(&k, Af::Inet, prefix(0, 24))));
        assert!(rnh_deladdr(&k, Af::Inet, prefix(0, 32)).is_null());
        assert_eq!(of(&k, rnh_deladdr(&k, Af::Inet, prefix(0, 16))), Some(prefix(0, 16)));
        assert!(rnh_lookup(&k, Af::Inet, prefix(0, 16)).is_null());
        assert_eq!(of(&k, rnh_lookup(&k, Af::Inet, prefix(0, 24))), Some(prefix(0, 24)));
    }
}
