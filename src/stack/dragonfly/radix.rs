//! `sys/net/radix.c`: the tree of a CPU's routes.
//!
//! A table is kept in key order, which is all that its users see of the radix tree: the
//! longest match, the exact key, and walks.

use super::K;
use super::defects as d;
use super::objects::*;
use crate::kern::slab::ObjRef;
use crate::kern::trace::What;

/// Prefix length of a host route, which has no mask.
pub const HOST: u8 = 33;

/// Prefix length of a netmask.
pub fn plen(mask: u32) -> u8 {
    mask.leading_ones() as u8
}

/// The mask of a prefix length.
pub fn mask(plen: u8) -> u32 {
    match plen {
        0 => 0,
        1..=31 => !0 << (32 - plen),
        _ => !0,
    }
}

/// The routes of a CPU's table in key order, host routes before networks of the same
/// key.
pub fn table(k: &K, cpu: usize) -> impl Iterator<Item = RtId> + '_ {
    (0..k.st.table_len[cpu].get() as usize).map(move |i| k.st.tables[cpu][i].get())
}

/// `rn_match`: the longest prefix.
pub fn rn_match(k: &K, cpu: usize, addr: u32) -> RtId {
    let mut best = RtId::NULL;
    let mut len = 0;
    for id in table(k, cpu) {
        let rt = &k[id];
        let p = rt.plen.get();
        if addr & mask(p) == rt.rt_key.get() && (best.is_null() || p > len) {
            best = id;
            len = p;
        }
    }
    best
}

/// The route of exactly this key and prefix length.
pub fn rn_find(k: &K, cpu: usize, key: u32, plen: u8) -> RtId {
    table(k, cpu)
        .find(|&id| k[id].rt_key.get() == key && k[id].plen.get() == plen)
        .unwrap_or(RtId::NULL)
}

/// `rn_addmask`: makes a copy of the mask before it looks for it in the tree of masks; false
/// without memory for that. What it needs for a mask that is new there fails like that, too.
fn rn_addmask(k: &K, plen: u8) -> bool {
    // A host route has no mask, and one of no length needs no copy.
    matches!(plen, 0 | HOST) || !k.fails("rn_addmask:R_Malloc")
}

/// [`rn_addmask`] for a mask that need not be there. Repaired, such a search needs no copy.
fn rn_searchmask(k: &K, plen: u8) -> bool {
    !k.on(d::MASK_SEARCH_NOMEM) || rn_addmask(k, plen)
}

/// `rn_lookup`: the route of exactly this key and prefix length, unless there is no memory for
/// its mask. Of a host the original takes the first leaf of its key, as [`rn_delete`]; who asks
/// for one here has no network route of that length.
pub fn rn_lookup(k: &K, cpu: usize, key: u32, plen: u8) -> RtId {
    if rn_searchmask(k, plen) { rn_find(k, cpu, key, plen) } else { RtId::NULL }
}

/// `rn_addroute`: false when the key is there already, or there is no memory for the mask.
pub fn rn_addroute(k: &K, cpu: usize, rt: RtId) -> bool {
    if !rn_addmask(k, k[rt].plen.get()) {
        return false;
    }
    let order = |id: RtId| (k[id].rt_key.get(), HOST - k[id].plen.get());
    let n = k.st.table_len[cpu].get() as usize;
    let t = &k.st.tables[cpu];
    let at = (0..n).find(|&i| order(t[i].get()) >= order(rt)).unwrap_or(n);
    if at < n && order(t[at].get()) == order(rt) {
        return false;
    }
    if n == t.len() {
        k.exhaust();
        return false;
    }
    for i in (at..n).rev() {
        t[i + 1].set(t[i].get());
    }
    t[at].set(rt);
    k.st.table_len[cpu].set(n as u8 + 1);
    k.record(|| What::List("rt_tables", true, ObjRef::of(rt)));
    true
}

/// The route that a DELETE of this key and prefix length would take. As reported a request
/// for a host, which has no mask, takes the first leaf of that key, whatever its mask is.
pub fn rn_victim(k: &K, cpu: usize, key: u32, plen: u8) -> RtId {
    if plen == HOST && k.on(d::HOST_DELETE_TAKES_NET) {
        return table(k, cpu).find(|&id| k[id].rt_key.get() == key).unwrap_or(RtId::NULL);
    }
    rn_find(k, cpu, key, plen)
}

/// `rn_delete`: takes the route of this key out of the tree.
pub fn rn_delete(k: &K, cpu: usize, key: u32, plen: u8) -> RtId {
    // The key is looked for first: without it no mask is.
    let known = table(k, cpu).any(|id| k[id].rt_key.get() == key);
    if !known || !rn_searchmask(k, plen) {
        return RtId::NULL;
    }
    let rt = rn_victim(k, cpu, key, plen);
    if rt.is_null() {
        return rt;
    }
    let n = k.st.table_len[cpu].get() as usize;
    let t = &k.st.tables[cpu];
    let at = (0..n).find(|&i| t[i].get() == rt).unwrap_or(n);
    for i in at + 1..n {
        t[i - 1].set(t[i].get());
    }
    k.st.table_len[cpu].set(n as u8 - 1);
    k.record(|| What::List("rt_tables", false, ObjRef::of(rt)));
    rt
}

/// `rn_walktree`: calls `f` on every route. As in the original the next leaf is found
/// before `f` is called on this one, "since it might vanish, too"; when `f` frees that
/// next leaf, the walk goes on from a corpse.
pub fn rn_walktree(k: &K, cpu: usize, f: impl FnMut(&K, RtId)) {
    walk(k, cpu, |_| true, f);
}

/// `rn_walktree_from`: the routes below `key`/`plen`. The original finds the next leaf before
/// the call, as in [`rn_walktree`]; this looks for it afterwards, which is the same, for what is
/// called deletes no route but the one that it is given.
pub fn rn_walktree_from(k: &K, cpu: usize, key: u32, plen: u8, mut f: impl FnMut(&K, RtId)) {
    let m = mask(plen);
    let mut after: Option<(u32, u8)> = None;
    while k.fuel() {
        let next = table(k, cpu).find(|&id| {
            let r = &k[id];
            let o = (r.rt_key.get(), HOST - r.plen.get());
            r.rt_key.get() & m == key && after.is_none_or(|a| o > a)
        });
        let Some(id) = next else { return };
        after = Some((k[id].rt_key.get(), HOST - k[id].plen.get()));
        f(k, id);
        if k.stopped() {
            return;
        }
    }
}

fn walk(k: &K, cpu: usize, want: impl Fn(RtId) -> bool, mut f: impl FnMut(&K, RtId)) {
    let mut id = table(k, cpu).find(|&i| want(i)).unwrap_or(RtId::NULL);
    while !id.is_null() && k.fuel() && !k.stopped() {
        let here = (k[id].rt_key.get(), HOST - k[id].plen.get());
        let next = table(k, cpu)
            .find(|&i| want(i) && (k[i].rt_key.get(), HOST - k[i].plen.get()) > here)
            .unwrap_or(RtId::NULL);
        f(k, id);
        id = next;
    }
}
