//! `sys/netinet/in_pcb.c`, `sys/netinet6/in6_pcb.c`: pcbs, their route caches and their
//! memberships.
//!
//! A pcb has one reference of its socket, given up by `in_pcbfree`, and passing ones. Its
//! lock serializes everything else.

use super::defects as d;
use super::if_c::{ifa_ifwithaddr, ifa_ifwithdstaddr, ifa_ifwithnet};
use super::in_fib::fib4_lookup;
use super::in_mcast::in_leavegroup_locked;
use super::in6_mcast;
use super::invariants as inv;
use super::locks::{self, IN_MULTI, IN6_MULTI};
use super::nhop_ctl::nhop_free_any;
use super::objects::*;
use super::subr_epoch::{Callback, net_epoch_call};
use super::{EHOSTUNREACH, ENETUNREACH, K, NSOCKS, uma};
use crate::kern::lock::LockId;
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet/in_pcb.c";

/// Whether a socket slot is TCP's.
pub fn is_tcp(sock: usize) -> bool {
    sock < NSOCKS / 2
}

/// `in_pcballoc`, with `tcp_newtcpcb`.
pub fn in_pcballoc(k: &K, sock: usize, af: Af) -> InpId {
    let _f = k.frame(&Func { name: "in_pcballoc", file: FILE });
    if k.fails("in_pcballoc") {
        return InpId::NULL;
    }
    let inp = uma::alloc(k, |s| &s.inps);
    if inp.is_null() {
        return inp;
    }
    let p = &k[inp];
    p.name.set(sock as u8);
    p.tcp.set(is_tcp(sock));
    p.af.set(af);
    p.in6p_hops.set(-1);
    p.inp_socket.set(true);
    p.f_count.set(1);
    p.inp_refcount.set(1);
    k.record_ref(ObjRef::of(inp), 1, 1);
    k.st.pcbs[sock % NSOCKS].set(inp);
    inp
}

/// `in_pcbref`.
#[track_caller]
pub fn in_pcbref(k: &K, inp: InpId) {
    let n = k[inp].inp_refcount.inc();
    k.record_ref(ObjRef::of(inp), 1, n);
    if n == 1 {
        k.violate(&inv::I06_ACQUIRE_FROM_ZERO, ObjRef::of(inp), ObjRef::NONE, [n, 0]);
    }
}

/// `in_pcbrele_wlocked`: whether the pcb is gone, and with it its lock.
#[track_caller]
pub fn in_pcbrele_wlocked(k: &K, inp: InpId) -> bool {
    let n = k[inp].inp_refcount.dec();
    k.record_ref(ObjRef::of(inp), -1, n);
    if n != 0 {
        return false;
    }
    k.unlock(locks::inp(k, inp));
    // uma_zfree_smr: readers of the pcb lists may still look at it.
    net_epoch_call(k, Callback::InpcbFree(inp));
    true
}

/// The pcb's memory goes: after the last reference, and a grace period.
pub fn inpcb_free(k: &K, inp: InpId) {
    uma::free(k, |s| &s.inps, inp);
}

/// `RO_INVALIDATE_CACHE`.
pub async fn ro_invalidate_cache(k: &K, inp: InpId) {
    let nh = k[inp].ro_nh.get();
    if !nh.is_null() {
        k[inp].ro_nh.set(NhRef::Null);
        nhop_free_any(k, nh).await;
    }
}

/// `NH_VALIDATE`: a route that was looked up before the tables changed is forgotten.
pub async fn nh_validate(k: &K, inp: InpId, af: Af) {
    let cookie = k.st.rnh_gen[af.index()].get();
    if k[inp].inp_rt_cookie.get() != cookie {
        ro_invalidate_cache(k, inp).await;
        k[inp].inp_rt_cookie.set(cookie);
    }
}

/// `in_pcbdrop`.
pub fn in_pcbdrop(k: &K, inp: InpId) {
    k[inp].inp_dropped.set(true);
}

/// Leaves one group of a pcb; the reference was taken out of it.
async fn leave(k: &K, inm: InmId) {
    let _inm = k.hold(ObjRef::of(inm), true);
    match k[inm].af.get() {
        Af::Inet => in_leavegroup_locked(k, inm).await,
        _ => in6_mcast::in6_leavegroup_locked(k, inm).await,
    }
}

/// The lock that joining and leaving a family's groups is serialized by.
fn multi_lock(af: Af) -> LockId {
    match af {
        Af::Inet => IN_MULTI,
        _ => IN6_MULTI,
    }
}

/// `in_pcbfree`, `inp_freemoptions`, `ip6_freemoptions`: the end of a pcb. The caller does
/// not hold its lock; upstream's takes it first.
pub async fn in_pcbfree(k: &K, inp: InpId) {
    let _f = k.frame(&Func { name: "in_pcbfree", file: FILE });
    let af = k[inp].af.get();
    let (lock, multi) = (locks::inp(k, inp), multi_lock(af));
    let early = !k.on(d::FREEMOPTIONS_AFTER_PURGE);
    let members = k[inp].memberships.iter().any(|m| !m.get().is_null());
    if early && members {
        k.lock(multi).await;
    }
    k.lock(lock).await;
    if early && members {
        for m in &k[inp].memberships {
            let inm = m.get();
            if !inm.is_null() {
                m.set(InmId::NULL);
                leave(k, inm).await;
            }
        }
    }
    let p = &k[inp];
    p.inp_freed.set(true);
    // The socket's reference is this thread's from here on.
    p.inp_socket.set(false);
    let held = k.hold(ObjRef::of(inp), true);
    ro_invalidate_cache(k, inp).await;
    drop(held);
    // The options outlive the pcb by a few steps, upstream.
    let options: [InmId; NMEMBERSHIPS] = std::array::from_fn(|i| {
        let inm = k[inp].memberships[i].get();
        k[inp].memberships[i].set(InmId::NULL);
        inm
    });
    if !in_pcbrele_wlocked(k, inp) {
        k.unlock(lock);
    }
    if early && members {
        k.unlock(multi);
    }
    let _options = options.map(|inm| (!inm.is_null()).then(|| k.hold(ObjRef::of(inm), true)));
    for (inm, held) in options.into_iter().zip(_options) {
        if inm.is_null() {
            continue;
        }
        k.yield_at("inp_freemoptions:in_leavegroup").await;
        k.lock(multi).await;
        drop(held);
        leave(k, inm).await;
        k.unlock(multi);
    }
}

/// `in_pcbpurgeif0`, `in6_pcbpurgeif0`: sockets forget an interface's memberships. The
/// caller holds `in_multi_sx` or `in6_multi_sx`.
pub async fn in_pcbpurgeif0(k: &K, ifp: IfId, af: Af) {
    let func = match af {
        Af::Inet => &Func { name: "in_pcbpurgeif0", file: FILE },
        _ => &Func { name: "in6_pcbpurgeif0", file: "sys/netinet6/in6_pcb.c" },
    };
    let _f = k.frame(func);
    for slot in 0..k.st.inps.capacity() {
        let Some(inp) = k.st.inps.tenant(slot) else { continue };
        let matches = |inp: InpId| {
            let p = &k[inp];
            let any = p.memberships.iter().any(|m| !m.get().is_null());
            any && !p.tcp.get() && p.af.get() == af && !p.inp_freed.get()
        };
        if !matches(inp) || k[inp].inp_refcount.get() == 0 {
            continue;
        }
        // inp_next: a reference, the lock, and another look.
        in_pcbref(k, inp);
        let lock = locks::inp(k, inp);
        {
            let _inp = k.hold(ObjRef::of(inp), true);
            k.yield_at("in_pcbpurgeif0:inp_lock").await;
            k.lock(lock).await;
        }
        if in_pcbrele_wlocked(k, inp) {
            continue;
        }
        for m in &k[inp].memberships {
            let inm = m.get();
            if !inm.is_null() && k[inm].ifp.get() == ifp {
                m.set(InmId::NULL);
                leave(k, inm).await;
            }
        }
        k.unlock(lock);
    }
}

/// The address of this end of a link or a network to `faddr`, or `faddr` itself.
fn ifa_towards(k: &K, faddr: Addr, addr_too: bool) -> IfaId {
    let mut ia = ifa_ifwithdstaddr(k, Af::Inet, faddr);
    if ia.is_null() {
        ia = ifa_ifwithnet(k, Af::Inet, faddr);
    }
    if ia.is_null() && addr_too {
        ia = ifa_ifwithaddr(k, Af::Inet, faddr);
    }
    ia
}

/// `in_pcbladdr`: the local address to use towards `faddr`. Inside the epoch.
pub async fn in_pcbladdr(k: &K, faddr: Addr) -> Result<Addr, i32> {
    let _f = k.frame(&Func { name: "in_pcbladdr", file: FILE });
    let nh = fib4_lookup(k, faddr).await;
    let ia = if nh.is_null() {
        ifa_towards(k, faddr, false)
    } else {
        {
            let _nh = k.hold(ObjRef::of(nh), false);
            k.yield_at("in_pcbladdr:nexthop").await;
        }
        let n = &k[nh];
        if k[n.nh_ifp.get()].if_flags.get() & IFF_LOOPBACK == 0 {
            n.nh_ifa.get()
        } else {
            ifa_towards(k, faddr, true)
        }
    };
    if ia.is_null() {
        return Err(ENETUNREACH);
    }
    match k[ia].addr.get() {
        0 => Err(EHOSTUNREACH),
        laddr => Ok(laddr),
    }
}

/// `in_pcbconnect`, `in6_pcbconnect`: the local address and both ports. The lock is held,
/// inside the epoch.
pub async fn in_pcbconnect(k: &K, inp: InpId, faddr: Addr) -> i32 {
    let _f = k.frame(match k[inp].af.get() {
        Af::Inet => &Func { name: "in_pcbconnect", file: FILE },
        _ => &Func { name: "in6_pcbconnect", file: "sys/netinet6/in6_pcb.c" },
    });
    let mut laddr = k[inp].laddr.get();
    if laddr == 0 {
        laddr = match source(k, inp, faddr).await {
            Ok(laddr) => laddr,
            Err(error) => return error,
        };
    }
    let p = &k[inp];
    p.laddr.set(laddr);
    p.faddr.set(faddr);
    p.inp_lport.set(true);
    p.connected.set(true);
    0
}

/// The local address towards `faddr`, in the pcb's family.
pub async fn source(k: &K, inp: InpId, faddr: Addr) -> Result<Addr, i32> {
    if k[inp].af.get() == Af::Inet {
        return in_pcbladdr(k, faddr).await;
    }
    match super::in6_src::in6_selectsrc(k, faddr).await {
        0 => Err(EHOSTUNREACH),
        laddr => Ok(laddr),
    }
}
