//! What only holds when no thread is alive: I2's lists, I16 to I20, the digest of the
//! control plane, and the final audit.
//!
//! I17 and I18 are judged in both directions: a flag has its route, and a route that an
//! address, a prefix or a router brings has its flag. Routes of addresses and prefixes are
//! pinned, a router's is a default route through a gateway that is neither pinned nor
//! static. One exception: the user may delete or change a router's default route, see
//! [`user_changed_route`].

use super::K;
use super::in6_ifattach::is_own;
use super::invariants::*;
use super::lists::{Listed, chain};
use super::objects::*;
use super::radix::table;
use crate::kern::slab::{ObjRef, Object, Slab};
use crate::shadow::digest::mix;

const NONE: ObjRef = ObjRef::NONE;
const FAMILIES: [Af; 2] = [Af::Inet, Af::Inet6];

/// The checks at rest. Whether all is well.
pub fn check(k: &K, on: &Listed) -> bool {
    let mut owned = Owned::default();
    let mut keys = Keys::default();
    keys.fill(k);
    membership(k, on)
        && indices(k, on)
        && instances(k)
        && contents(k)
        && prefixes(k, on, &keys, &mut owned)
        && addresses(k, on, &keys, &mut owned)
        && routers(k, on, &keys)
        && owners(k, on, &owned)
}

/// I2: all lists or none.
fn membership(k: &K, on: &Listed) -> bool {
    let ifas = &k.st.ifas;
    let links = ifas.iter().map(|(i, a)| u64::from(a.af.get() == Af::Link) << i.slot());
    let ip = on.addrhead & !links.fold(0, |set, bit| set | bit);
    let differ = (ip ^ on.ifaddrs) | (ip ^ on.hashed);
    if let Some((i, _)) = ifas.among(differ).next() {
        let bit = |set: u64| (set >> i.slot() & 1) as u32;
        let detail = [bit(on.addrhead), bit(on.ifaddrs)];
        k.violate(&I02_MEMBERSHIP, ObjRef::of(i), NONE, detail);
        return false;
    }
    true
}

/// I16's indices.
fn indices(k: &K, on: &Listed) -> bool {
    let st = &k.st;
    for af in [V4, V6] {
        if st.nh_idx_head[af].get() & !1 != on.nh_idx[af] {
            let (used, linked) = (st.nh_idx_head[af].get() & !1, on.nh_idx[af]);
            let detail = [(used ^ linked).trailing_zeros(), af as u32];
            k.violate(&I16_NH_IDX, NONE, NONE, detail);
            return false;
        }
    }
    true
}

/// I19, and what instances have of modules: their references (I5) and data (I16).
fn instances(k: &K) -> bool {
    let st = &k.st;
    let mut of_module = [[0u8; 2]; 2];
    let mut data = [0u8; 2];
    let mut linked = [0u32; 2];
    let mut odd = None;
    for (i, d) in st.fds.iter() {
        let af = d.af.get().index() & 1;
        of_module[d.fd_flm.get() as usize][af] += 1;
        data[af] += u8::from(d.fd_flm.get() == Flm::RadixLockless && d.algo_data.get());
        let subscribed = st.rnh_subscribers[af].iter().filter(|s| s.get() == i).count();
        let is_linked = d.fd_linked.get();
        linked[af] += u32::from(is_linked);
        let wrong = u32::from(is_linked != (st.v_inet_dp[af].get() == i))
            | u32::from(is_linked == d.fd_dead.get()) << 1
            | u32::from(subscribed != usize::from(is_linked)) << 2
            | u32::from(!is_linked && d.fd_callout.pending()) << 3
            | u32::from(d.subscribed.get() != is_linked) << 4;
        if wrong != 0 && odd.is_none() {
            odd = Some((i, [wrong, af as u32]));
        }
    }
    for (af, &n) in data.iter().enumerate() {
        let counter = st.lradix_data[af].get();
        if counter != n {
            k.violate(&I16_MODULE_DATA, NONE, NONE, [u32::from(counter), u32::from(n)]);
            return false;
        }
    }
    for (flm, counts) in of_module.iter().enumerate() {
        for (af, &n) in counts.iter().enumerate() {
            let counter = st.flm_refcount[flm][af].get();
            if counter != n {
                k.violate(&I05_FLM_REFCOUNT, NONE, NONE, [u32::from(counter), u32::from(n)]);
                return false;
            }
        }
    }
    if let Some((i, detail)) = odd {
        k.violate(&I19_ONE_INSTANCE, ObjRef::of(i), NONE, detail);
        return false;
    }
    for (af, &linked) in linked.iter().enumerate() {
        if linked != 1 {
            k.violate(&I19_ONE_INSTANCE, NONE, NONE, [linked, af as u32 | 2]);
            return false;
        }
    }
    true
}

/// The longest that a FIB instance may differ from its RIB, ms.
fn bound(d: &FibData) -> u64 {
    1000.max(50 << d.fd_failed_rebuilds.get().min(10))
}

/// Since when the FIB instance of a family is out of step: since the first rest at which it
/// was seen to be, unless it has been in step since, or a try has failed.
fn stale(k: &K, af: usize) -> Stale {
    let gen_fib = k.st.rnh_gen[af].get();
    let was = k.st.notes.stale[af].get();
    let same = was.is && was.gen_fib == gen_fib;
    let since = if same { was.since } else { k.now() };
    Stale { is: gen_fib != k.st.rnh_gen_rib[af].get(), since, gen_fib }
}

/// I20.
fn contents(k: &K) -> bool {
    let st = &k.st;
    for af in [V4, V6] {
        let fd = st.v_inet_dp[af].get();
        let d = st.fds.raw(fd);
        let me = ObjRef::of(fd);
        let stale = stale(k, af);
        st.notes.stale[af].set(stale);
        if stale.is {
            let pending = rebuild_pending(d);
            let due = d.fd_callout.due().map_or(k.now(), |(at, _)| at);
            // From when it was first seen until when it will be tried to end.
            let whole = due.saturating_sub(stale.since);
            if !pending || whole > bound(d) {
                let detail = [u32::from(pending), whole.min(u64::from(u32::MAX)) as u32];
                k.violate(&I20_REBUILD_PENDING, me, NONE, detail);
                return false;
            }
            continue;
        }
        if d.fd_flm.get() == Flm::Radix {
            continue;
        }
        let rib = usize::from(st.rib_len[af].get()).min(TABLE);
        if usize::from(d.table_len.get()) != rib {
            let detail = [u32::from(d.table_len.get()), rib as u32];
            k.violate(&I20_FIB_EQUALS_RIB, me, NONE, detail);
            return false;
        }
        for n in 0..rib {
            let e = d.table[n].get();
            let rt = st.rib[af][n].get();
            let r = st.rts.raw(rt);
            let slot = usize::from(e.slot) % NFIBNH;
            if e.dst() != r.rt_dst.get()
                || d.slot_refs(slot) == 0
                || d.nh_idx[slot].get() != r.rt_nhop.get()
            {
                k.violate(&I20_FIB_EQUALS_RIB, me, ObjRef::of(rt), [n as u32, u32::MAX]);
                return false;
            }
        }
    }
    true
}

// ---- I17, I18 ----------------------------------------------------------------------

/// The routes that something owns: a bit per place in each RIB.
#[derive(Default)]
struct Owned([u32; 2]);

/// The destinations of both RIBs, side by side: many are looked for, and the RIBs are
/// short.
#[derive(Default)]
struct Keys {
    addrs: [[Addr; TABLE]; 2],
    bits: [[u8; TABLE]; 2],
    len: [usize; 2],
}

impl Keys {
    /// Fills empty ones.
    fn fill(&mut self, k: &K) {
        for af in [V4, V6] {
            let len = usize::from(k.st.rib_len[af].get()).min(TABLE);
            let rows = k.st.rib[af][..len].iter();
            for ((rt, addr), bits) in rows.zip(&mut self.addrs[af]).zip(&mut self.bits[af]) {
                let dst = k.st.rts.raw(rt.get()).rt_dst.get();
                (*addr, *bits) = (dst.addr, dst.bits);
            }
            self.len[af] = len;
        }
    }

    /// Where the route to `dst` is: there is one at most (I7).
    fn place(&self, af: Af, dst: Prefix) -> Option<usize> {
        let i = af.index();
        let keys = self.addrs[i].iter().zip(&self.bits[i]).take(self.len[i]);
        keys.into_iter().position(|(&addr, &bits)| addr == dst.addr && bits == dst.bits)
    }
}

/// What the route to `dst` leads to.
fn route(k: &K, keys: &Keys, af: Af, dst: Prefix) -> Option<NhRef> {
    let rt = k.st.rib[af.index()][keys.place(af, dst)?].get();
    Some(k.st.rts.raw(rt).rt_nhop.get())
}

/// A nexthop by the interface itself, pinned.
fn by_interface(n: &Nhop) -> bool {
    n.rt_flags.get() & RTF_PINNED != 0 && matches!(n.gw.get(), Gw::Link(_))
}

impl Owned {
    /// Whether the route to `dst` is there and is what `is` says; if so, it has an owner.
    fn owns(
        &mut self,
        k: &K,
        (keys, af, dst): (&Keys, Af, Prefix),
        is: impl Fn(&Nhop) -> bool,
    ) -> bool {
        let Some(n) = keys.place(af, dst) else { return false };
        let rt = k.st.rib[af.index()][n].get();
        let NhRef::Nh(nh) = k.st.rts.raw(rt).rt_nhop.get() else { return false };
        let owns = is(k.st.nhops.raw(nh));
        self.0[af.index()] |= u32::from(owns) << n;
        owns
    }
}

/// What is wrong with an owner whose route [`Owned::owns`] does not find: it is not there
/// (0), or has become one path of a group (3), which the owner's deletion and everybody's
/// treat in another way than a route that is pinned.
fn missing(k: &K, (keys, af, dst): (&Keys, Af, Prefix), is: impl Fn(&Nhop) -> bool) -> u32 {
    let among = route(k, keys, af, dst).is_some_and(|nh| any_path(k, nh, is));
    if among { 3 } else { 0 }
}

/// The route of a prefix: by its interface.
fn is_prefix_route(p: &NdPrefix, n: &Nhop) -> bool {
    by_interface(n) && n.nh_ifp.get() == p.ndpr_ifp.get()
}

/// I17: a prefix that is on link has its route, and is the only one of its value.
fn prefixes(k: &K, on: &Listed, keys: &Keys, owned: &mut Owned) -> bool {
    let st = &k.st;
    let online = |p: &NdPrefix| p.ndpr_stateflags.get() & NDPRF_ONLINK != 0;
    for (i, p) in st.prefixes.iter() {
        if on.prefixes >> i.slot() & 1 == 0 || !online(p) {
            continue;
        }
        let dst = p.ndpr_prefix.get();
        let at = (keys, Af::Inet6, dst);
        if !owned.owns(k, at, |n| is_prefix_route(p, n)) {
            let how = missing(k, at, |n| is_prefix_route(p, n));
            k.violate(&I17_ONLINK, ObjRef::of(i), NONE, [how, 0]);
            return false;
        }
        let twin = st
            .prefixes
            .iter()
            .find(|(o, q)| o.slot() > i.slot() && online(q) && q.ndpr_prefix.get() == dst);
        if let Some((o, _)) = twin {
            k.violate(&I17_ONLINK, ObjRef::of(i), ObjRef::of(o), [1, 0]);
            return false;
        }
    }
    true
}

/// The destination of the route that an address with IFA_ROUTE owns
/// (`ia_getrtprefix`, `in6_handle_dstaddr_rtrequest`).
fn ifa_prefix(k: &K, a: &Ifaddr) -> Prefix {
    let host = host_bits(a.af.get());
    if a.af.get() == Af::Inet6 {
        return Prefix::new(a.dstaddr.get(), host);
    }
    let flags = k.st.ifnets.raw(a.ifa_ifp.get()).if_flags.get();
    if flags & IFF_POINTOPOINT != 0 {
        Prefix::new(a.dstaddr.get(), host)
    } else if flags & IFF_LOOPBACK != 0 {
        Prefix::new(a.addr.get(), host)
    } else {
        Prefix::new(a.addr.get(), a.bits.get())
    }
}

/// The route that an address owns: with itself as source.
fn is_ifa_route(ifa: IfaId, n: &Nhop) -> bool {
    by_interface(n) && n.nh_ifa.get() == ifa
}

/// The route of an address to itself: by lo0, about its interface.
fn is_self_route(k: &K, a: &Ifaddr, n: &Nhop) -> bool {
    by_interface(n) && n.nh_ifp.get() == k.st.v_loif.get() && n.nh_aifp.get() == a.ifa_ifp.get()
}

/// I18: flags of addresses. The self route of an IPv4 address has no flag: it is owned by
/// any address of that value on its interface.
fn addresses(k: &K, on: &Listed, keys: &Keys, owned: &mut Owned) -> bool {
    for (i, a) in k.st.ifas.iter() {
        let (flags, af) = (a.ifa_flags.get(), a.af.get());
        if on.addrhead >> i.slot() & 1 == 0 || af == Af::Link {
            continue;
        }
        if flags & IFA_ROUTE != 0 {
            let at = (keys, af, ifa_prefix(k, a));
            if !owned.owns(k, at, |n| is_ifa_route(i, n)) {
                let how = missing(k, at, |n| is_ifa_route(i, n));
                k.violate(&I18_IFA_ROUTE, ObjRef::of(i), NONE, [how, 0]);
                return false;
            }
        }
        let at = (keys, af, Prefix::new(a.addr.get(), host_bits(af)));
        let flagged = flags & IFA_RTSELF != 0;
        // Of an IPv4 address the route is its own even where the flag is not on it.
        let owns = (flagged || af == Af::Inet) && owned.owns(k, at, |n| is_self_route(k, a, n));
        if flagged && !owns {
            let how = missing(k, at, |n| is_self_route(k, a, n));
            k.violate(&I18_IFA_RTSELF, ObjRef::of(i), NONE, [how, 0]);
            return false;
        }
    }
    true
}

/// Whether a nexthop is a router's, as `rib_add_default_route` makes it: through a
/// link-local address. The user's gateways are global ones.
fn is_router_route(n: &Nhop) -> bool {
    n.nh_flags.get() & NHF_DEFAULT != 0
        && n.rt_flags.get() & (RTF_PINNED | RTF_STATIC) == 0
        && matches!(n.gw.get(), Gw::Addr(a) if a >> 48 == 0xfe80)
}

/// Whether a nexthop, or one of a group, is what `is` says.
fn any_path(k: &K, nh: NhRef, is: impl Fn(&Nhop) -> bool) -> bool {
    match nh {
        NhRef::Null => false,
        NhRef::Nh(nh) => is(k.st.nhops.raw(nh)),
        NhRef::Nhg(g) => {
            let members = k.st.nhgrps.raw(g).nhops.iter().map(|nh| nh.get());
            members.filter(|nh| !nh.is_null()).any(|nh| is(k.st.nhops.raw(nh)))
        }
    }
}

/// I18: routers.
fn routers(k: &K, on: &Listed, keys: &Keys) -> bool {
    let st = &k.st;
    let default = route(k, keys, Af::Inet6, Prefix::new(0, 0));
    for (i, d) in st.routers.iter() {
        if on.routers >> i.slot() & 1 == 0 {
            continue;
        }
        let through = |n: &Nhop| n.gw.get() == Gw::Addr(d.rtaddr.get());
        let excused = &st.notes.user_routers;
        if !d.installed.get() || default.is_some_and(|nh| any_path(k, nh, through)) {
            excused.set(excused.get() & !(1 << i.slot()));
        } else if excused.get() >> i.slot() & 1 == 0 {
            k.violate(&I18_INSTALLED, ObjRef::of(i), NONE, [0, 0]);
            return false;
        }
    }
    true
}

/// I17 and I18, from the routes' side: each route that something brings has its owner.
fn owners(k: &K, on: &Listed, owned: &Owned) -> bool {
    let st = &k.st;
    for af in FAMILIES {
        for (n, rt) in table(k, af).enumerate() {
            let has_owner = owned.0[af.index()] >> n & 1 != 0;
            let NhRef::Nh(nh) = st.rts.raw(rt).rt_nhop.get() else { continue };
            let (dst, n) = (st.rts.raw(rt).rt_dst.get(), st.nhops.raw(nh));
            if is_router_route(n) && af == Af::Inet6 && dst.bits == 0 {
                let owner = st.routers.iter().any(|(i, d)| {
                    on.routers >> i.slot() & 1 != 0
                        && d.installed.get()
                        && n.gw.get() == Gw::Addr(d.rtaddr.get())
                });
                if !owner {
                    k.violate(&I18_INSTALLED, ObjRef::of(rt), ObjRef::of(nh), [1, 0]);
                    return false;
                }
            }
            if n.rt_flags.get() & RTF_PINNED == 0 || has_owner {
                continue;
            }
            let rule = match (af, dst.bits == host_bits(af)) {
                (Af::Inet6, false) => &I17_ONLINK,
                (_, true) if n.nh_ifp.get() == st.v_loif.get() => &I18_IFA_RTSELF,
                _ => &I18_IFA_ROUTE,
            };
            k.violate(rule, ObjRef::of(rt), ObjRef::of(nh), [2, 0]);
            return false;
        }
    }
    true
}

// ---- the digest --------------------------------------------------------------------

/// An interface in the digest: its name.
fn name(k: &K, ifp: IfId) -> u64 {
    u64::from(k.st.ifnets.raw(ifp).name.get())
}

/// An address in the digest: what it is, without what it owns.
pub fn address(k: &K, ifa: IfaId) -> u64 {
    let a = k.st.ifas.raw(ifa);
    let h = mix(mix(name(k, a.ifa_ifp.get()), a.af.get() as u64), a.addr.get());
    mix(mix(h, a.dstaddr.get()), u64::from(a.bits.get()))
}

/// A prefix in the digest: what it is, without its state.
fn prefix(k: &K, ifp: IfId, value: Prefix) -> u64 {
    mix(mix(name(k, ifp), value.addr), u64::from(value.bits))
}

/// Of an interface that has come up, the addresses that it brings with it, and the prefix
/// of each, as parts of the digest.
pub fn own_addresses(k: &K, name: u8) -> impl Iterator<Item = (u64, u64)> + '_ {
    let st = &k.st;
    let up = |n: &Ifnet| n.if_flags.get() & (IFF_UP | IFF_DYING) == IFF_UP;
    let ifp = st.ifnets.iter().find(|(_, n)| n.name.get() == name && up(n)).map(|(i, _)| i);
    let first = ifp.map_or(IfaId::NULL, |i| st.ifnets.raw(i).if_addrhead.first.get());
    let listed = chain(first, |a| st.ifas.raw(a).ifa_link.next.get());
    let own = move |&i: &IfaId| {
        let a = st.ifas.raw(i);
        a.af.get() == Af::Inet6 && is_own(k, a.ifa_ifp.get(), a.addr.get())
    };
    listed.filter(own).map(move |i| {
        let a = st.ifas.raw(i);
        (address(k, i), prefix(k, a.ifa_ifp.get(), Prefix::new(a.addr.get(), a.bits.get())))
    })
}

/// What the control plane comes to. Two states with the same interfaces, addresses,
/// routes, prefixes and routers have the same digest, whatever objects they are made of.
pub fn digest(k: &K, on: &Listed) -> Digest {
    let st = &k.st;
    let mut d = Digest::default();
    let name = |ifp: IfId| name(k, ifp);
    // One that is off V_ifnet is nobody's any more.
    let gone = |ifp: IfId| st.ifnets.raw(ifp).if_flags.get() & IFF_DYING != 0;
    for (i, n) in st.ifnets.iter() {
        if gone(i) {
            continue;
        }
        d.interfaces = d.interfaces.wrapping_add(mix(name(i), u64::from(n.renamed.get())));
        if n.if_flags.get() & IFF_UP != 0 {
            d.up |= 1 << (n.name.get() & 15);
        }
    }
    for (i, a) in st.ifas.among(on.addrhead) {
        if gone(a.ifa_ifp.get()) {
            continue;
        }
        let h = address(k, i);
        d.addresses = d.addresses.wrapping_add(h);
        d.routes = d.routes.wrapping_add(mix(h, u64::from(a.ifa_flags.get())));
    }
    for af in FAMILIES {
        for rt in table(k, af) {
            let r = st.rts.raw(rt);
            let dst = r.rt_dst.get();
            let mut h = mix(mix(af as u64, dst.addr), u64::from(dst.bits));
            let path = |nh: NhId| {
                let n = st.nhops.raw(nh);
                let gw = match n.gw.get() {
                    Gw::None => 0,
                    Gw::Link(i) => 1 + u64::from(i),
                    Gw::Addr(a) => a | 1 << 63,
                };
                mix(mix(gw, name(n.nh_ifp.get())), u64::from(n.rt_flags.get()))
            };
            h = match r.rt_nhop.get() {
                NhRef::Null => h,
                NhRef::Nh(nh) => mix(h, path(nh)),
                NhRef::Nhg(g) => {
                    let members = st.nhgrps.raw(g).nhops.iter().map(|nh| nh.get());
                    let sum = members.filter(|nh| !nh.is_null()).map(path);
                    mix(h, sum.fold(2, u64::wrapping_add))
                }
            };
            d.routes = d.routes.wrapping_add(h);
        }
    }
    for (_, p) in st.prefixes.among(on.prefixes) {
        let h = prefix(k, p.ndpr_ifp.get(), p.ndpr_prefix.get());
        d.prefixes = d.prefixes.wrapping_add(h);
        d.routes = d.routes.wrapping_add(mix(h, u64::from(p.ndpr_stateflags.get())));
    }
    for (_, r) in st.routers.among(on.routers) {
        let h = mix(name(r.ifp.get()), r.rtaddr.get());
        d.routers = d.routers.wrapping_add(h);
        d.routes = d.routes.wrapping_add(mix(h, u64::from(r.installed.get())));
    }
    d
}

// ---- the end -----------------------------------------------------------------------

/// The first object of a slab that `stays` does not excuse.
fn left<T: Object, const N: usize>(
    slab: &Slab<T, N>,
    stays: impl Fn(&T) -> bool,
) -> Option<ObjRef> {
    slab.iter().find(|(_, o)| !stays(o)).map(|(i, _)| ObjRef::of(i))
}

/// The final audit: what is left is lo0's.
pub fn audit_end(k: &K) {
    let st = &k.st;
    let lo = st.v_loif.get();
    let lo_nhop = |n: &Nhop| n.nh_ifp.get() == lo && n.nh_aifp.get() == lo;
    let on_lo = |nh: NhRef| match nh {
        NhRef::Nh(nh) => lo_nhop(st.nhops.raw(nh)),
        NhRef::Null | NhRef::Nhg(_) => false,
    };
    let lost = left(&st.ifnets, |n| n.if_index.get() == st.ifnets.raw(lo).if_index.get())
        .or_else(|| left(&st.exts, |e| e.ifp.get() == lo))
        .or_else(|| left(&st.ifinfos, |e| e.ifp.get() == lo))
        .or_else(|| left(&st.ifas, |a| a.ifa_ifp.get() == lo && a.ifa_refcnt.get() != 0))
        .or_else(|| left(&st.prefixes, |p| p.ndpr_ifp.get() == lo && p.ndpr_addrcnt.get() != 0))
        .or_else(|| left(&st.routers, |_| false))
        .or_else(|| left(&st.dads, |_| false))
        .or_else(|| left(&st.rts, |r| r.rte_flags.get() & RTF_UP != 0 && on_lo(r.rt_nhop.get())))
        .or_else(|| left(&st.nhops, |n| n.nh_refcnt.get() != 0 && lo_nhop(n)))
        .or_else(|| left(&st.nhgrps, |_| false))
        .or_else(|| left(&st.fds, |d| d.fd_linked.get()))
        .or_else(|| left(&st.lles, |l| l.llt_ifp.get() == lo && l.linked.get()))
        .or_else(|| left(&st.inps, |_| false))
        .or_else(|| left(&st.inms, |m| m.ifp.get() == lo && m.refcount.get() != 0))
        .or_else(|| left(&st.ifmas, |m| m.ifma_ifp.get() == lo && m.ifma_refcount.get() != 0))
        .or_else(|| left(&st.bpfs, |b| b.bif_ifp.get() == lo && b.bif_refcnt.get() != 0))
        .or_else(|| left(&st.softcs, |_| false))
        .or_else(|| left(&st.nodes, |_| false));
    if let Some(obj) = lost {
        k.violate(&LEAK_AT_END, obj, NONE, [0, 0]);
        return;
    }
    let queues = u32::from(!st.net_epoch.is_idle())
        | u32::from(!st.taskqueue.is_idle() || !st.epair_taskqueue.is_idle()) << 1
        | u32::from(!st.inm_free_list.is_empty()) << 2
        | u32::from(!st.in6m_free_list.is_empty()) << 3
        | u32::from(!st.netisr.is_empty()) << 4
        | u32::from(st.units.get() != 0) << 5;
    if queues != 0 {
        k.violate(&LEAK_AT_END, NONE, NONE, [1, queues]);
    }
}
