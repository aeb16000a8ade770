//! When each of the invariants I1 to I22 of `freebsd-14` is looked at; what they say is in
//! [`rules`](super::rules).
//!
//! * After every operation that may have changed anything, with threads parked too: the
//!   lists ([`lists`]) and the recount ([`census`]). Between two yield points the modelled kernel is consistent, and what a
//!   thread owns in a local variable it has registered.
//! * After every operation that leaves no thread: what only holds when nothing is under
//!   way ([`at_rest`]), that a refused control operation changed nothing, and that an address
//!   that was added is there.
//! * At once: when an object is freed ([`on_free`]), when `if_detach` returns
//!   ([`detached`]), when `if_afdata` is followed ([`check_afdata_use`]).
//!
//! The rest of I14, and I21, are rules of the substrate: `freed-in-hands`, `epoch-misuse`,
//! `sleep-in-epoch`, `sleep-prohibited`, `lock-order`, `lock-misuse`.

use super::holders::{for_holders_in_memory, id};
use super::lists::{self, Listed, chain};
use super::objects::*;
use super::scope6::in6_setscope;
use super::subr_taskqueue::Task;
use super::{K, at_rest, census, verbs};
use crate::kern::callout::CalloutState;
use crate::kern::cell::F;
use crate::kern::slab::{ObjRef, all_null};
use crate::program::Op;
use crate::shadow::Rule;

pub use super::rules::*;

const NONE: ObjRef = ObjRef::NONE;

/// What the books note between operations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notes {
    /// Bit per interface (its slot in memory) whose `if_detach` has returned.
    pub detached: F<u16>,
    /// Bit per interface whose detach has waited for the epoch sections before it.
    pub waited: F<u16>,
    /// Bit per interface that was seen dying.
    pub dying: F<u16>,
    /// Bit per router whose default route the user has deleted or changed.
    pub user_routers: F<u8>,
    /// What the operation has taken out of [`Digest::addresses`]: an address that was there
    /// and is to be replaced.
    pub replaced: F<u64>,
    /// Since when each FIB instance is out of step.
    pub stale: [F<Stale>; 2],
    /// What the control plane came to at the last rest.
    pub digest: F<Digest>,
}

/// A FIB instance that was out of step with its RIB at the last rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stale {
    /// It was, and no rebuild has failed since.
    pub is: bool,
    /// When that was first seen, ms.
    pub since: u64,
    /// `rnh_gen` then.
    pub gen_fib: u32,
}

/// Sums over the control plane: order and identity do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// Interfaces: their names.
    pub interfaces: u64,
    /// Those with IFF_UP: a bit per name.
    pub up: u16,
    /// Listed addresses.
    pub addresses: u64,
    /// Routes of both RIBs, and the flags of addresses, prefixes and routers that say so.
    pub routes: u64,
    /// Listed prefixes.
    pub prefixes: u64,
    /// Listed routers.
    pub routers: u64,
}

impl Digest {
    /// What differs: a bit per field, in their order.
    fn changed(&self, o: &Digest) -> u32 {
        u32::from(self.interfaces != o.interfaces)
            | u32::from(self.up != o.up) << 1
            | u32::from(self.addresses != o.addresses) << 2
            | u32::from(self.routes != o.routes) << 3
            | u32::from(self.prefixes != o.prefixes) << 4
            | u32::from(self.routers != o.routers) << 5
    }
}

/// What a failed operation has changed: bits of [`Digest::changed`], without what it may
/// change after all. A user asks for both things, and the original does not take them back:
///
/// * the driver brings the interface of a new address up, before anything else can fail,
///   and what comes up gets the routes of its addresses back, and the addresses of its own
///   with their prefix. No other address or prefix comes or goes with that, and so not the
///   one that was asked for;
/// * SIOCAIFADDR replaces an address, see [`address_replaced`].
fn changed(k: &K, op: &Op, now: &Digest, before: &Digest) -> u32 {
    let mut changed = now.changed(before);
    let adds = matches!(op.verb, verbs::op::SIOCAIFADDR | verbs::op::SIOCAIFADDR_IN6);
    if changed == 0 || !adds {
        return changed;
    }
    let name = verbs::interface_of(op);
    // Sums of what may have come, or gone: each of them, or not.
    let mut addresses = [k.st.notes.replaced.get().wrapping_neg(), 0, 0];
    let mut prefixes = [0; 2];
    let came_up = now.up.wrapping_sub(before.up) == 1 << (name & 15);
    if came_up {
        for (i, own) in at_rest::own_addresses(k, name).enumerate().take(2) {
            (addresses[i + 1], prefixes[i]) = own;
        }
        changed &= !(1 << 1);
    }
    let is_sum = |difference: u64, parts: &[u64]| {
        (0..1usize << parts.len()).any(|set| {
            let chosen = parts.iter().enumerate().filter(|(i, _)| set >> i & 1 != 0);
            chosen.fold(0u64, |sum, (_, part)| sum.wrapping_add(*part)) == difference
        })
    };
    if is_sum(now.addresses.wrapping_sub(before.addresses), &addresses) {
        changed &= !(1 << 2);
    }
    if came_up || addresses[0] != 0 {
        changed &= !(1 << 3);
    }
    if is_sum(now.prefixes.wrapping_sub(before.prefixes), &prefixes) {
        changed &= !(1 << 4);
    }
    changed
}

/// SIOCAIFADDR is about to delete the address that it is to add: the original does so
/// first, and does not put it back when the addition fails: an exception of
/// [`FAILED_CHANGED`], for that address and for routes.
pub fn address_replaced(k: &K, ifa: IfaId) {
    k.st.notes.replaced.set(at_rest::address(k, ifa));
}

/// After boot.
pub fn boot(k: &K) {
    let mut listed = Listed::default();
    if lists::lists(k, &mut listed).is_some() {
        k.st.notes.digest.set(at_rest::digest(k, &listed));
    }
}

/// After an operation.
pub fn after_op(k: &K, op: &Op, errno: Option<i32>, rest: bool) {
    let mut listed = Listed::default();
    if lists::lists(k, &mut listed).is_none() {
        return;
    }
    if !census::recount(k, &listed, rest) || !interfaces(k, &listed, rest) || !rest {
        return;
    }
    if !at_rest::check(k, &listed) {
        return;
    }
    let (digest, before) = (at_rest::digest(k, &listed), k.st.notes.digest.get());
    match errno {
        None => {}
        Some(0) => reported(k, op),
        Some(errno) if verbs::is_control(op.verb) => {
            let changed = changed(k, op, &digest, &before);
            if changed != 0 {
                k.violate(&FAILED_CHANGED, NONE, NONE, [errno as u32, changed]);
            }
        }
        Some(_) => {}
    }
    k.st.notes.replaced.set(0);
    k.st.notes.digest.set(digest);
}

/// After an operation that was alone and has stored nothing.
pub fn after_no_change(k: &K, op: &Op, errno: i32) {
    if errno == 0 {
        reported(k, op);
    }
}

/// An address that was added is on the interface of that name.
fn reported(k: &K, op: &Op) {
    let Some((af, addr)) = verbs::added_address(op) else { return };
    let name = verbs::interface_of(op);
    let named = |n: &Ifnet| n.name.get() == name && n.if_flags.get() & IFF_DYING == 0;
    let there = k.st.ifnets.iter().find(|(_, n)| named(n)).is_some_and(|(ifp, _)| {
        let addr = if af == Af::Inet6 { in6_setscope(k, addr, ifp) } else { addr };
        let first = k.st.ifnets.raw(ifp).if_addrhead.first.get();
        chain(first, |i| k.st.ifas.raw(i).ifa_link.next.get()).any(|i| {
            let a = k.st.ifas.raw(i);
            a.af.get() == af && a.addr.get() == addr
        })
    });
    if !there {
        k.violate(&NOT_REPORTED, NONE, NONE, [u32::from(name), af.index() as u32]);
    }
}

/// At the end.
pub fn audit_end(k: &K) {
    at_rest::audit_end(k);
}

// ---- interfaces --------------------------------------------------------------------

/// Whether `is_well` says so of every interface of the index table, with its index. The table
/// is mostly empty: its slots are looked at four at a time.
#[inline]
pub fn all_indexed(k: &K, mut is_well: impl FnMut(usize, IfId) -> bool) -> bool {
    const { assert!(super::NINDEX.is_multiple_of(4)) };
    for (first, four) in k.st.ifindex_table.as_chunks::<4>().0.iter().enumerate() {
        if all_null(four) {
            continue;
        }
        for (index, ifp) in (4 * first..).zip(four.iter().map(F::get)) {
            if !ifp.is_null() && !is_well(index, ifp) {
                return false;
            }
        }
    }
    true
}

/// I12 and I13, and I9 to I11 for those whose detach has returned.
fn interfaces(k: &K, listed: &Listed, rest: bool) -> bool {
    let st = &k.st;
    let named = all_indexed(k, |index, ifp| {
        let there = index == 0
            || st.ifnets.is_live(ifp) && {
                let n = st.ifnets.raw(ifp);
                usize::from(n.if_index.get()) == index
                    && n.if_idxgen.get() == st.ifindex_gencnt[index].get()
            };
        if !there {
            k.violate(&I13_IFINDEX, ObjRef::of(ifp), NONE, [index as u32, 0]);
        }
        there
    });
    if !named {
        return false;
    }
    let (was_dying, detached) = (st.notes.dying.get(), st.notes.detached.get());
    let mut dying_now = 0u16;
    for (ifp, n) in st.ifnets.iter() {
        let bit = 1u16 << ifp.slot();
        let dying = n.if_flags.get() & IFF_DYING != 0;
        let linked = listed.ifnets >> ifp.slot() & 1 != 0;
        if dying {
            dying_now |= bit;
        }
        if dying && linked || !dying && (was_dying & bit != 0 || rest && !linked) {
            let detail = [n.if_flags.get(), u32::from(linked)];
            k.violate(&I12_DYING, ObjRef::of(ifp), NONE, detail);
            return false;
        }
        if detached & bit == 0 {
            continue;
        }
        if !left_behind(k, ifp, Some(&I12_ADDED)) || rest && !fib_follows(k, ifp) {
            return false;
        }
    }
    st.notes.dying.set(dying_now);
    true
}

/// `if_detach` has returned.
pub fn detached(k: &K, ifp: IfId) {
    if ifp.slot() < super::NIFNETS {
        let d = &k.st.notes.detached;
        d.set(d.get() | 1 << ifp.slot());
        left_behind(k, ifp, None);
        let stale =
            |d: &FibData| d.fd_linked.get() && !retried(d) && d.nhops().any(|nh| names(k, nh, ifp));
        if let Some((fd, _)) = k.st.fds.iter().find(|(_, d)| stale(d)) {
            let detail = [Left::Fib as u32, 0];
            k.violate(&I10_FIB_STRICT, ObjRef::of(ifp), ObjRef::of(fd), detail);
        }
    }
}

/// I10: after one synchronization. While the generations of RIB and FIB differ it is I20
/// that says how long they may; an instance that is not linked any more waits for its grace
/// period, and no longer (I16). One that could not give a nexthop up is to be rebuilt though
/// it is in step (`fib_schedule_release_nhop`), and keeps it when that fails as well.
fn fib_follows(k: &K, ifp: IfId) -> bool {
    let st = &k.st;
    for (fd, d) in st.fds.iter() {
        let af = d.af.get().index();
        let in_step = d.fd_linked.get() && st.rnh_gen[af].get() == st.rnh_gen_rib[af].get();
        if in_step && !retried(d) && d.nhops().any(|nh| names(k, nh, ifp)) {
            let detail = [Left::Fib as u32, 0];
            k.violate(&I10_FIB_DETACHED, ObjRef::of(ifp), ObjRef::of(fd), detail);
            return false;
        }
    }
    true
}

/// What still names a detached interface. `I11`'s details, in this order.
#[derive(Clone, Copy)]
pub enum Left {
    /// A route.
    Route,
    /// A FIB instance.
    Fib,
    /// An address on `if_addrhead`.
    Addrhead,
    /// An address on `V_in_ifaddrhead` or `V_in6_ifaddrhead`.
    IfaddrList,
    /// A prefix.
    Prefix,
    /// A router.
    Router,
    /// A DAD entry.
    Dad,
    /// A link-layer entry.
    Lle,
    /// A membership.
    Multi,
    /// A link-level membership.
    Ifmultiaddr,
    /// A nexthop.
    Nhop,
}

/// The detach of an interface has waited for the epoch sections that were open.
pub fn waited(k: &K, ifp: IfId) {
    let w = &k.st.notes.waited;
    w.set(w.get() | 1 << (ifp.slot() & 15));
}

/// I12: something that names an interface has just been added.
///
/// One exception: an epoch section that was open when the flag was set may still add. The
/// detach waits for it, and takes away what it has added like everything else. What is
/// neither address, prefix, router, route nor nexthop is looked at after the detach.
pub fn added(k: &K, ifp: IfId, obj: ObjRef, what: Left) {
    if k.st.ifnets.raw(ifp).if_flags.get() & IFF_DYING != 0 {
        let waited = k.st.notes.waited.get() >> (ifp.slot() & 15) & 1 != 0;
        if waited || !k.in_epoch() {
            k.violate(&I12_ADDED, ObjRef::of(ifp), obj, [what as u32, 1]);
        }
    }
}

/// The same of a nexthop: it names two.
pub fn nhop_added(k: &K, nh: NhId, obj: ObjRef, what: Left) {
    let n = k.st.nhops.raw(nh);
    added(k, n.nh_ifp.get(), obj, what);
    added(k, n.nh_aifp.get(), obj, what);
}

/// I7: a nexthop can be found from now on. The detach of an interface looks for those that
/// send through it or are about it; one that has only an address of it outlives it, unless
/// that is an IPv4 address and goes before.
pub fn nhop_linked(k: &K, nh: NhId) {
    let n = k.st.nhops.raw(nh);
    let of = k.st.ifas.raw(n.nh_ifa.get()).ifa_ifp.get();
    if of != n.nh_ifp.get() && of != n.nh_aifp.get() {
        k.violate(&I07_NHOP_SOURCE, ObjRef::of(nh), ObjRef::of(n.nh_ifa.get()), [0, 0]);
    }
}

/// I9, I11. `later`: the rule to report when nothing was left when the detach returned, so
/// that it was added later.
fn left_behind(k: &K, ifp: IfId, later: Option<&'static Rule>) -> bool {
    let st = &k.st;
    let me = ObjRef::of(ifp);
    let fail = |rule: &'static Rule, other: ObjRef, what: Left| {
        k.violate(later.unwrap_or(rule), me, other, [what as u32, 0]);
        false
    };
    for af in [Af::Inet, Af::Inet6] {
        for rt in super::radix::table(k, af) {
            if names(k, st.rts.raw(rt).rt_nhop.get(), ifp) {
                return fail(&I09_RIB_DETACHED, ObjRef::of(rt), Left::Route);
            }
        }
    }
    let ifa = st.ifnets.raw(ifp).if_addrhead.first.get();
    if !ifa.is_null() {
        return fail(&I11_LEFT_BEHIND, ObjRef::of(ifa), Left::Addrhead);
    }
    let next = |i: IfaId| st.ifas.raw(i).ia_link.next.get();
    let ifa = chain(st.v_in_ifaddrhead.first.get(), next)
        .chain(chain(st.v_in6_ifaddrhead.first.get(), next))
        .find(|&i| st.ifas.raw(i).ifa_ifp.get() == ifp);
    if let Some(ifa) = ifa {
        return fail(&I11_LEFT_BEHIND, ObjRef::of(ifa), Left::IfaddrList);
    }
    let next = |i: PrId| st.prefixes.raw(i).ndpr_entry.next.get();
    let pr = chain(st.v_nd_prefix.first[0].get(), next)
        .find(|&i| st.prefixes.raw(i).ndpr_ifp.get() == ifp);
    if let Some(pr) = pr {
        return fail(&I11_LEFT_BEHIND, ObjRef::of(pr), Left::Prefix);
    }
    let next = |i: DrId| st.routers.raw(i).dr_entry.next.get();
    let dr =
        chain(st.v_nd6_defrouter.first.get(), next).find(|&i| st.routers.raw(i).ifp.get() == ifp);
    if let Some(dr) = dr {
        return fail(&I11_LEFT_BEHIND, ObjRef::of(dr), Left::Router);
    }
    for (dp, d) in st.dads.iter() {
        if d.dad_ondadq.get() && st.ifas.raw(d.dad_ifa.get()).ifa_ifp.get() == ifp {
            return fail(&I11_LEFT_BEHIND, ObjRef::of(dp), Left::Dad);
        }
    }
    for (lle, l) in st.lles.iter() {
        if l.linked.get() && l.llt_ifp.get() == ifp {
            return fail(&I11_LEFT_BEHIND, ObjRef::of(lle), Left::Lle);
        }
    }
    for (inm, m) in st.inms.iter() {
        if !m.releasing.get() && m.ifp.get() == ifp {
            return fail(&I11_LEFT_BEHIND, ObjRef::of(inm), Left::Multi);
        }
    }
    for (ifma, m) in st.ifmas.iter() {
        if m.enqueued.get() && m.ifma_ifp.get() == ifp {
            return fail(&I11_LEFT_BEHIND, ObjRef::of(ifma), Left::Ifmultiaddr);
        }
    }
    true
}

/// Whether a nexthop, or one of a group, sends through an interface or is about it.
pub fn names(k: &K, nh: NhRef, ifp: IfId) -> bool {
    let one = |nh: NhId| {
        let n = k.st.nhops.raw(nh);
        !nh.is_null() && (n.nh_ifp.get() == ifp || n.nh_aifp.get() == ifp)
    };
    match nh {
        NhRef::Null => false,
        NhRef::Nh(nh) => one(nh),
        NhRef::Nhg(g) => k.st.nhgrps.raw(g).nhops.iter().any(|nh| one(nh.get())),
    }
}

/// Whether a FIB instance will catch up by its callout, which is armed or dispatched.
pub fn rebuild_pending(d: &FibData) -> bool {
    (d.fd_callout.pending() || d.fd_callout.state() == CalloutState::Dispatched)
        && d.fd_callout_action.get() == FdAction::Rebuild
}

/// Whether a rebuild has failed and the callout will try it again.
fn retried(d: &FibData) -> bool {
    rebuild_pending(d) && d.fd_failed_rebuilds.get() != 0
}

// ---- at once -----------------------------------------------------------------------

/// How `if_afdata[AF_INET6]` fails a reader: I8's first detail.
#[derive(Clone, Copy)]
pub enum Afdata {
    /// NULL.
    Null,
    /// Freed, and still set.
    Freed,
    /// It is being freed.
    Freeing,
}

/// I8: `if_afdata[AF_INET6]` of an interface is about to be followed.
pub fn check_afdata_use(k: &K, ifp: IfId) {
    if !k.in_epoch() || !k.st.ifnets.is_live(ifp) {
        return;
    }
    let ext = k.st.ifnets.raw(ifp).if_afdata_inet6.get();
    if ext.is_null() {
        k.violate(&I08_AFDATA, ObjRef::of(ifp), NONE, [Afdata::Null as u32, 0]);
    } else if !k.st.exts.is_live(ext) {
        k.violate(&I08_AFDATA, ObjRef::of(ifp), ObjRef::of(ext), [Afdata::Freed as u32, 0]);
    }
}

/// I8: an in6_ifextra is freed while another thread, inside an epoch section, has its
/// interface in hand, or something that leads there.
fn check_afdata_free(k: &K, ext: ExtId) {
    let st = &k.st;
    let ifp = st.exts.raw(ext).ifp.get();
    let mut read = false;
    k.for_holds_of_others(|fiber, o, _| {
        if !k.fiber_in_epoch(fiber) {
            return;
        }
        read |= match o.class {
            0 => id::<Ifnet>(o) == ifp,
            3 => st.ifas.raw(id(o)).ifa_ifp.get() == ifp,
            8 => names(k, NhRef::Nh(id(o)), ifp),
            _ => false,
        };
    });
    if read {
        let detail = [Afdata::Freeing as u32, 0];
        k.violate(&I08_AFDATA, ObjRef::of(ifp), ObjRef::of(ext), detail);
    }
}

/// When an object is freed. `in_hands`: another thread has a reference to it.
pub fn on_free(k: &K, obj: ObjRef, in_hands: bool) {
    let mut holder = in_hands.then_some(NONE);
    if !in_hands {
        for_holders_in_memory(k, obj, |h| {
            if holder.is_none() {
                holder = Some(h.obj);
            }
        });
    }
    if let Some(holder) = holder {
        k.violate(&FREED_WHILE_HELD, obj, holder, [0, 0]);
    }
    match obj.class {
        0 => free_ifnet(k, id(obj)),
        1 => check_afdata_free(k, id(obj)),
        4 => {
            let named = k.st.ifas.iter().find(|(_, a)| ObjRef::of(a.ia6_ndpr.get()) == obj);
            if let Some((ifa, _)) = named {
                k.violate(&FREED_WHILE_HELD, obj, ObjRef::of(ifa), [1, 0]);
            }
        }
        5 => {
            let u = &k.st.notes.user_routers;
            u.set(u.get() & !(1 << obj.slot));
        }
        6 => idle(k, obj, k.st.dads.raw(id(obj)).dad_timer_ch.state()),
        10 => idle(k, obj, k.st.fds.raw(id(obj)).fd_callout.state()),
        11 => idle(k, obj, k.st.lles.raw(id(obj)).lle_timer.state()),
        12 => idle(k, obj, k.st.inps.raw(id(obj)).t_callout.state()),
        16 => no_task(k, obj, &[Task::EpairTx(id(obj))]),
        _ => {}
    }
}

/// I15, I22.
fn free_ifnet(k: &K, ifp: IfId) {
    let st = &k.st;
    let n = st.ifnets.raw(ifp);
    let me = ObjRef::of(ifp);
    // A slot of the index table that still names it is a holder: freed-while-held has said so.
    let wrong = u32::from(n.if_refcount.get() != 0)
        | u32::from(n.if_flags.get() & IFF_DYING == 0) << 1
        | u32::from(!n.if_afdata_inet.get().is_null()) << 2
        | u32::from(!n.if_afdata_inet6.get().is_null()) << 3;
    if wrong != 0 {
        k.violate(&I15_IF_FREE, me, NONE, [wrong, n.if_refcount.get()]);
    }
    no_task(k, me, &[Task::Link(ifp), Task::Addmulti(ifp)]);
    let keep = !(1u16 << ifp.slot());
    st.notes.detached.set(st.notes.detached.get() & keep);
    st.notes.dying.set(st.notes.dying.get() & keep);
    st.notes.waited.set(st.notes.waited.get() & keep);
}

/// I22: a callout in a freed object is not on the wheel. One that runs may free the object
/// that it is in.
fn idle(k: &K, obj: ObjRef, state: CalloutState) {
    if matches!(state, CalloutState::Pending | CalloutState::Dispatched) {
        k.violate(&I22_FREED_BUSY, obj, NONE, [0, state as u32]);
    }
}

/// I22: no task works for a freed object.
fn no_task(k: &K, obj: ObjRef, tasks: &[Task]) {
    for q in [&k.st.taskqueue, &k.st.epair_taskqueue] {
        if q.running().is_some_and(|t| tasks.contains(&t)) {
            k.violate(&I22_FREED_BUSY, obj, NONE, [1, 1]);
        } else if q.iter().any(|(t, _)| tasks.contains(&t)) {
            k.violate(&I22_FREED_BUSY, obj, NONE, [1, 0]);
        }
    }
}

/// I20: a rebuild of a family's FIB has failed. The next try has a delay of its own.
pub fn rebuild_failed(k: &K, af: usize) {
    let stale = &k.st.notes.stale[af];
    stale.set(Stale { is: false, ..stale.get() });
}

/// The user has deleted or changed the route to `dst` by the routing socket.
///
/// I18 is about the kernel's own doing. The default route that a router brought is neither
/// pinned nor static: the user may delete or change it, and the router learns nothing of
/// it. `installed` of those routers is excused until it is true again.
pub fn user_changed_route(k: &K, af: Af, dst: Prefix) {
    if af != Af::Inet6 || dst.bits != 0 {
        return;
    }
    let excused = &k.st.notes.user_routers;
    for (dr, _) in k.st.routers.iter().filter(|(_, d)| d.installed.get()) {
        excused.set(excused.get() | 1 << dr.slot());
    }
}
