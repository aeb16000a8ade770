//! `sys/netinet/in.c`: the life of an IPv4 interface address.

use super::K;
use super::defects as d;
use super::if_c::{Cmd, if_ioctl};
use super::if_var::ifafree_list;
use super::in_rmx::in_ifadown;
use super::lwkt::*;
use super::lwkt_serialize::{lwkt_serialize_enter, lwkt_serialize_exit};
use super::objects::*;
use super::route::{Old, Req, mask, plen, rtinit};
use super::sockaddr::ifa_family;
use super::{EADDRNOTAVAIL, EDESTADDRREQ, EINVAL, ENOBUFS};
use crate::kern::hands::Hold;
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Func, What};
use crate::shadow::FaultKind;

const FILE: &str = "sys/netinet/in.c";

/// Buckets of `in_ifaddrhashtbl`. The kernel asks for 512; with the few addresses of a
/// program a small table collides as often as a large one does in the field.
pub const INADDR_NHASH: usize = 8;

/// `INADDR_HASH`: FNV-1 of the address.
pub fn inaddr_hash(addr: u32) -> usize {
    let h = addr
        .to_be_bytes()
        .iter()
        .fold(0x811c_9dc5u32, |h, b| h.wrapping_mul(0x0100_0193) ^ u32::from(*b));
    h as usize % INADDR_NHASH
}

/// What a `struct in_aliasreq` or `struct ifreq` asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct AliasReq {
    /// `ifra_addr`, `ifr_addr`.
    pub addr: u32,
    /// `ifra_mask`; `None` when its length is 0.
    pub mask: Option<u32>,
    /// `ifra_dstaddr`; `None` when its family is 0.
    pub dst: Option<u32>,
}

/// `LIST_REMOVE(ia, ia_hash)`.
pub fn hash_remove(k: &K, ia: IfaId) {
    check_edit(k, k.st.ifa.raw(ia).ifa_ifp.get(), ia);
    k.record(|| What::List("in_ifaddrhashtbl", false, ObjRef::of(ia)));
    if !k.st.in_ifaddrhashtbl.remove(ia, |i| &k[i].ia_hash) {
        k.kernel_fault(FaultKind::Null, ObjRef::of(ia), "*ia->ia_hash.le_prev");
    }
}

/// `LIST_INSERT_HEAD(INADDR_HASH(ia_addr), ia, ia_hash)`.
pub fn hash_insert(k: &K, ia: IfaId) {
    check_edit(k, k.st.ifa.raw(ia).ifa_ifp.get(), ia);
    k.record(|| What::List("in_ifaddrhashtbl", true, ObjRef::of(ia)));
    let bucket = inaddr_hash(k[ia].ia_addr.get().addr);
    k.st.in_ifaddrhashtbl.insert_head(bucket, ia, |i| &k[i].ia_hash);
}

/// `TAILQ_REMOVE(&ifp->if_addrhead, ifa, ifa_link)`.
pub fn addrhead_remove(k: &K, ifp: IfId, ifa: IfaId) {
    check_edit(k, ifp, ifa);
    k.record(|| What::List("if_addrhead", false, ObjRef::of(ifa)));
    if !k[ifp].if_addrhead.remove(ifa, |i| &k[i].ifa_link) {
        k.kernel_fault(FaultKind::Null, ObjRef::of(ifa), "*ifa->ifa_link.tqe_prev");
    }
}

/// `TAILQ_REMOVE(&in_ifaddrhead, ia, ia_link)`.
pub fn in_ifaddrhead_remove(k: &K, ia: IfaId) {
    check_edit(k, k.st.ifa.raw(ia).ifa_ifp.get(), ia);
    k.record(|| What::List("in_ifaddrhead", false, ObjRef::of(ia)));
    if !k.st.in_ifaddrhead.remove(ia, |i| &k[i].ia_link) {
        k.kernel_fault(FaultKind::Null, ObjRef::of(ia), "*ia->ia_link.tqe_prev");
    }
}

/// The prologue of in_control: the address that the request is about, bare.
fn in_control_lookup(k: &K, cmd: Cmd, ifp: IfId, req: &AliasReq) -> IfaId {
    let mut ia = IfaId::NULL;
    let mut i = k.st.in_ifaddrhashtbl.first[inaddr_hash(req.addr)].get();
    while !i.is_null() && k.fuel() {
        if k[i].ifa_ifp.get() == ifp && k[i].ia_addr.get().addr == req.addr {
            ia = i;
            break;
        }
        i = k[i].ia_hash.next.get();
    }
    if ia.is_null() {
        let mut i = k[ifp].if_addrhead.first.get();
        while !i.is_null() && k.fuel() {
            if k[i].ia_addr.get().family == AF_INET {
                ia = i;
                break;
            }
            i = k[i].ifa_link.next.get();
        }
    }
    if matches!(cmd, Cmd::Aifaddr | Cmd::Difaddr) {
        while !ia.is_null() && k.fuel() {
            if k[ia].ifa_ifp.get() == ifp && k[ia].ia_addr.get().addr == req.addr {
                break;
            }
            ia = k[ia].ia_link.next.get();
        }
    }
    ia
}

/// `in_control`. The caller has the control token, where the repairs ask for it. Every
/// call of it that may sleep is the window of one way in, so that nothing is serialized as
/// reported.
pub async fn in_control(k: &K, cmd: Cmd, ifp: IfId, req: AliasReq) -> i32 {
    let _f = k.frame(&Func { name: "in_control", file: FILE });
    let mut ia = in_control_lookup(k, cmd, ifp, &req);
    let p2p = k[ifp].if_flags.get() & IFF_POINTOPOINT != 0;
    if cmd == Cmd::Aifaddr && p2p && req.dst.unwrap_or(0) == 0 {
        return EDESTADDRREQ;
    }
    if cmd == Cmd::Difaddr && ia.is_null() {
        return EADDRNOTAVAIL;
    }
    let mut ia_is_new = false;
    if ia.is_null() {
        if matches!(cmd, Cmd::Sifnetmask | Cmd::Sifdstaddr) && !k.on(d::C3_NEVER_HASHED) {
            return EADDRNOTAVAIL;
        }
        let w = window_open(k, d::W9_TWO_CREATORS);
        k.yield_at("in_control:kmalloc").await;
        window_close(k, w).await;
        let Some(new) = in_ifaddr_alloc(k, ifp) else { return ENOBUFS };
        ia = new;
        ia_is_new = true;
    }
    let mut hand = Some(hold_ia(k, ia));

    let error = match cmd {
        Cmd::Sifdstaddr => return sifdstaddr(k, ifp, ia, req.dst.unwrap_or(0), p2p).await,
        Cmd::Sifnetmask => return sifnetmask(k, ifp, ia, req.mask.unwrap_or(0)).await,
        Cmd::Sifaddr => {
            let error = in_ifinit(k, ifp, ia, Sin::inet(req.addr), true, &mut hand).await;
            if error == 0 {
                drop(hand);
                ifaddr_event(k, d::W6_ADD_CHAIN).await;
                return 0;
            }
            if !ia_is_new {
                return if k.on(d::SIFADDR_ERROR_SWALLOWED) { 0 } else { error };
            }
            error
        }
        Cmd::Aifaddr => {
            let error = aifaddr(k, ifp, ia, &req, p2p, ia_is_new, &mut hand).await;
            if error == 0 {
                drop(hand);
                ifaddr_event(k, d::W6_ADD_CHAIN).await;
                return 0;
            }
            if !ia_is_new {
                return error;
            }
            error
        }
        Cmd::Difaddr => {
            // An address whose route cannot be scrubbed loses it in in_ifadown.
            let w = window_open(k, d::W8_DOUBLE_DIFADDR);
            let _ = in_ifscrub(k, ifp, ia, Old::default()).await;
            window_close(k, w).await;
            in_ifadown(k, ia, true).await;
            ifaddr_event(k, d::W8_DOUBLE_DIFADDR).await;
            0
        }
        Cmd::Sifflags => return EINVAL,
    };

    let w = window_open(k, d::W8_DOUBLE_DIFADDR);
    lwkt_serialize_enter(k, ifp, "in_control:lwkt_serialize_enter").await;
    addrhead_remove(k, ifp, ia);
    in_ifaddrhead_remove(k, ia);
    hash_remove(k, ia);
    ifafree_list(k, ia);
    lwkt_serialize_exit(k, ifp);
    window_close(k, w).await;
    if cmd == Cmd::Difaddr {
        super::invariants::check_deleted(k, ia);
    }
    error
}

/// `EVENTHANDLER_INVOKE(ifaddr_event)`: the handlers may sleep.
async fn ifaddr_event(k: &K, way_in: u8) {
    let w = window_open(k, way_in);
    k.yield_at("in_control:ifaddr_event").await;
    window_close(k, w).await;
}

/// The allocation of in_control: a zeroed in_ifaddr on two of its three lists.
fn in_ifaddr_alloc(k: &K, ifp: IfId) -> Option<IfaId> {
    let Some(ia) = k.st.ifa.alloc() else {
        k.exhaust();
        return None;
    };
    k.record(|| What::Alloc(ObjRef::of(ia)));
    let a = &k[ia];
    a.is_in.set(true);
    a.implicit.set(true);
    a.user_deleted.set(false);
    a.ifa_rtrequest.set(RtRequest::None);
    a.ifa_flags.set(0);
    a.ifa_refcnt.set(0);
    a.ia_hash.zero();
    a.ia_link.zero();
    a.ifa_link.zero();
    a.ia_addr.set(Sin::default());
    a.ia_dstaddr.set(Sin::default());
    a.ia_subnetmask.set(0);
    a.ia_netmask.set(0);
    a.ifa_ifp.set(ifp);
    k.crit_enter();
    check_edit(k, ifp, ia);
    k.record(|| What::List("in_ifaddrhead", true, ObjRef::of(ia)));
    k.st.in_ifaddrhead.insert_tail(ia, |i| &k[i].ia_link);
    k.record(|| What::List("if_addrhead", true, ObjRef::of(ia)));
    k[ifp].if_addrhead.insert_tail(ia, |i| &k[i].ifa_link);
    a.ifa_addr.set(Sa::Addr(ia));
    a.ifa_dstaddr.set(Sa::Dst(ia));
    a.ifa_netmask.set(Sa::Mask(ia));
    a.ia_sockmask.set(Sin::inet(0));
    k.crit_exit();
    Some(ia)
}

/// The flags that the interface route of an address on `ifp` is made with.
pub fn route_flags(k: &K, ifp: IfId) -> u32 {
    if k[ifp].if_flags.get() & (IFF_LOOPBACK | IFF_POINTOPOINT) != 0 {
        RTF_UP | RTF_HOST
    } else {
        RTF_UP
    }
}

fn set_ifa_route(k: &K, ia: IfaId, on: bool) {
    let a = &k[ia];
    a.ifa_flags.set(if on {
        a.ifa_flags.get() | IFA_ROUTE
    } else {
        a.ifa_flags.get() & !IFA_ROUTE
    });
    a.user_deleted.set(false);
}

/// Ours: puts the interface route of `ia` back after a failed change.
async fn restore_route(k: &K, ifp: IfId, ia: IfaId) {
    let flags = route_flags(k, ifp);
    if rtinit(k, ia, Req::Add, flags, Old::default()).await == 0 {
        set_ifa_route(k, ia, true);
    } else {
        k.st.undo_failed.set(k.st.undo_failed.get() | 1 << ia.slot());
    }
}

/// `case SIOCAIFADDR`.
async fn aifaddr(
    k: &K,
    ifp: IfId,
    ia: IfaId,
    req: &AliasReq,
    p2p: bool,
    ia_is_new: bool,
    hand: &mut Option<Hold<'_>>,
) -> i32 {
    let a = &k[ia];
    let saved = (a.ia_sockmask.get(), a.ia_subnetmask.get(), a.ia_dstaddr.get());
    let mut scrubbed = false;
    let host_is_new = a.ia_addr.get() != Sin::inet(req.addr);
    let mut mask_is_new = false;
    let mut error = 0;
    if let Some(m) = req.mask {
        match aifaddr_scrub(k, ifp, ia).await {
            Ok(did) => {
                scrubbed |= did;
                k[ia].ia_sockmask.set(Sin::inet(m));
                k[ia].ia_subnetmask.set(m);
                mask_is_new = true;
            }
            Err(e) => error = e,
        }
    }
    if let (Some(dst), true, 0) = (req.dst, p2p, error) {
        match aifaddr_scrub(k, ifp, ia).await {
            Ok(did) => {
                scrubbed |= did;
                k[ia].ia_dstaddr.set(Sin::inet(dst));
                mask_is_new = true;
            }
            Err(e) => error = e,
        }
    }
    if error == 0 && (host_is_new || mask_is_new) {
        error = in_ifinit(k, ifp, ia, Sin::inet(req.addr), false, hand).await;
    }
    if error != 0 && !ia_is_new && !k.on(d::AIFADDR_NO_UNDO) {
        let a = &k[ia];
        a.ia_sockmask.set(saved.0);
        a.ia_subnetmask.set(saved.1);
        a.ia_dstaddr.set(saved.2);
        if scrubbed && a.ifa_flags.get() & IFA_ROUTE == 0 {
            restore_route(k, ifp, ia).await;
        }
    }
    error
}

/// The scrub of SIOCAIFADDR before a mask or a destination changes.
async fn aifaddr_scrub(k: &K, ifp: IfId, ia: IfaId) -> Result<bool, i32> {
    let w = window_open(k, d::W5_SCRUB_ADD_WINDOW);
    let result = in_ifscrub(k, ifp, ia, Old::default()).await;
    window_close(k, w).await;
    result
}

/// `case SIOCSIFNETMASK`. As reported it does not sleep.
async fn sifnetmask(k: &K, ifp: IfId, ia: IfaId, m: u32) -> i32 {
    let a = &k[ia];
    let saved = (a.ia_sockmask.get(), a.ia_subnetmask.get());
    let mut moves = a.ifa_flags.get() & IFA_ROUTE != 0
        && route_flags(k, ifp) & RTF_HOST == 0
        && !k.on(d::SIFNETMASK_STALE_ROUTE);
    if moves {
        match in_ifscrub(k, ifp, ia, Old::default()).await {
            Ok(did) => moves = did,
            Err(error) => return error,
        }
    }
    k[ia].ia_sockmask.set(Sin::inet(m));
    k[ia].ia_subnetmask.set(m);
    if moves {
        let error = rtinit(k, ia, Req::Add, RTF_UP, Old::default()).await;
        if error != 0 {
            k[ia].ia_sockmask.set(saved.0);
            k[ia].ia_subnetmask.set(saved.1);
            restore_route(k, ifp, ia).await;
            return error;
        }
        set_ifa_route(k, ia, true);
    }
    0
}

/// `case SIOCSIFDSTADDR`.
async fn sifdstaddr(k: &K, ifp: IfId, ia: IfaId, dst: u32, p2p: bool) -> i32 {
    if !p2p {
        return EINVAL;
    }
    let oldaddr = k[ia].ia_dstaddr.get();
    k[ia].ia_dstaddr.set(Sin::inet(dst));
    let w = window_open(k, d::C1_IFINIT_SERIALIZER_WAIT);
    lwkt_serialize_enter(k, ifp, "in_control:lwkt_serialize_enter").await;
    let mut error = if_ioctl(k, ifp, Cmd::Sifdstaddr, ia).await;
    if error != 0 {
        k[ia].ia_dstaddr.set(oldaddr);
        lwkt_serialize_exit(k, ifp);
        window_close(k, w).await;
        return error;
    }
    let early = !k.on(d::W10_SIFDSTADDR);
    if early {
        lwkt_serialize_exit(k, ifp);
        window_close(k, w).await;
    }
    if k[ia].ifa_flags.get() & IFA_ROUTE != 0 {
        let gone = if k.on(d::SIFDSTADDR_STACK_POINTER) {
            k[ia].ifa_dstaddr.set(Sa::Stack(k.stack(), oldaddr));
            let e = rtinit(k, ia, Req::Delete, RTF_HOST, Old::default()).await;
            k[ia].ifa_dstaddr.set(Sa::Dst(ia));
            e
        } else {
            let old = Old { dst: Some(oldaddr), ..Old::default() };
            rtinit(k, ia, Req::Delete, RTF_HOST, old).await
        };
        error = rtinit(k, ia, Req::Add, RTF_HOST | RTF_UP, Old::default()).await;
        if error == 0 {
            k[ia].user_deleted.set(false);
        } else if k.on(d::SIFDSTADDR_RTINIT_IGNORED) {
            error = 0;
        } else {
            k[ia].ia_dstaddr.set(oldaddr);
            set_ifa_route(k, ia, false);
            if gone == 0 {
                restore_route(k, ifp, ia).await;
            }
        }
    }
    if !early {
        lwkt_serialize_exit(k, ifp);
        window_close(k, w).await;
    }
    error
}

/// `in_ifscrub`: deletes the interface route; whether there was one. The repaired one
/// fails, and keeps IFA_ROUTE, when it could not even try.
pub async fn in_ifscrub(k: &K, ifp: IfId, ia: IfaId, old: Old) -> Result<bool, i32> {
    let _f = k.frame(&Func { name: "in_ifscrub", file: FILE });
    if k[ia].ifa_flags.get() & IFA_ROUTE == 0 {
        return Ok(false);
    }
    let flags = route_flags(k, ifp) & RTF_HOST;
    let error = rtinit(k, ia, Req::Delete, flags, old).await;
    if error == ENOBUFS && !k.on(d::W16_SCRUB_CLEARS_FLAG) {
        return Err(error);
    }
    set_ifa_route(k, ia, false);
    Ok(error == 0)
}

/// The classful netmask of an address.
fn class_mask(addr: u32) -> u32 {
    if addr >> 31 == 0 {
        mask(8)
    } else if addr >> 30 == 0b10 {
        mask(16)
    } else {
        mask(24)
    }
}

/// `in_ifinit`: gives `ia` the address `sin`, and its interface route. Once that is done
/// nobody up to in_control follows the pointer any more (requests carry no broadcast
/// address here), and it leaves the caller's `hand`.
async fn in_ifinit(
    k: &K,
    ifp: IfId,
    ia: IfaId,
    sin: Sin,
    scrub: bool,
    hand: &mut Option<Hold<'_>>,
) -> i32 {
    let _f = k.frame(&Func { name: "in_ifinit", file: FILE });
    let w = window_open(k, d::C1_IFINIT_SERIALIZER_WAIT);
    lwkt_serialize_enter(k, ifp, "in_ifinit:lwkt_serialize_enter").await;
    let oldaddr = k[ia].ia_addr.get();
    if oldaddr.family == AF_INET {
        hash_remove(k, ia);
    }
    k[ia].ia_addr.set(sin);
    hash_insert(k, ia);

    let error = if_ioctl(k, ifp, Cmd::Sifaddr, ia).await;
    if error != 0 {
        lwkt_serialize_exit(k, ifp);
        rollback_address(k, ia, oldaddr, k.on(d::C3_IFIOCTL_ROLLBACK), true);
        window_close(k, w).await;
        return error;
    }
    lwkt_serialize_exit(k, ifp);
    window_close(k, w).await;

    let mut scrubbed = false;
    if scrub {
        let w = window_open(k, d::W5_SCRUB_ADD_WINDOW);
        let loopback = k[ifp].if_flags.get() & IFF_LOOPBACK != 0;
        let mut old = Old::default();
        if loopback && !k.on(d::LO_READDRESS_STALE_ROUTE) {
            old.dst = Some(oldaddr);
        }
        let result = if k.on(d::W4_SCRUB_STACK_POINTER) {
            k[ia].ifa_addr.set(Sa::Stack(k.stack(), oldaddr));
            let e = in_ifscrub(k, ifp, ia, old).await;
            k[ia].ifa_addr.set(Sa::Addr(ia));
            e
        } else {
            old.addr = Some(oldaddr);
            in_ifscrub(k, ifp, ia, old).await
        };
        window_close(k, w).await;
        match result {
            Ok(did) => scrubbed = did,
            Err(error) => {
                rollback_address(k, ia, oldaddr, false, false);
                return error;
            }
        }
    }

    let a = &k[ia];
    let saved = (a.ia_sockmask.get(), a.ia_subnetmask.get(), a.ia_netmask.get());
    a.ia_netmask.set(class_mask(sin.addr));
    if a.ia_subnetmask.get() == 0 {
        a.ia_subnetmask.set(a.ia_netmask.get());
        a.ia_sockmask.set(Sin::inet(a.ia_subnetmask.get()));
    } else {
        a.ia_netmask.set(a.ia_netmask.get() & a.ia_subnetmask.get());
    }
    let if_flags = k[ifp].if_flags.get();
    let mut flags = RTF_UP;
    if if_flags & IFF_LOOPBACK != 0 {
        a.ifa_dstaddr.set(a.ifa_addr.get());
        flags |= RTF_HOST;
    } else if if_flags & IFF_POINTOPOINT != 0 {
        if a.ia_dstaddr.get().family != AF_INET {
            return 0;
        }
        flags |= RTF_HOST;
    }

    let w = window_open(k, d::W6_ADD_CHAIN);
    let error = rtinit(k, ia, Req::Add, flags, Old::default()).await;
    window_close(k, w).await;
    if error != 0 {
        rollback_address(k, ia, oldaddr, k.on(d::C3_RTINIT_ROLLBACK), false);
        if oldaddr.family == AF_INET && !k.on(d::ADD_FAILURE_OLD_ROUTE_LOST) {
            let a = &k[ia];
            a.ia_sockmask.set(saved.0);
            a.ia_subnetmask.set(saved.1);
            a.ia_netmask.set(saved.2);
            if scrubbed {
                restore_route(k, ifp, ia).await;
            }
        }
        return error;
    }
    set_ifa_route(k, ia, true);
    *hand = None;
    if if_flags & IFF_MULTICAST != 0 {
        in_addmulti(k).await;
    }
    0
}

/// Puts the old address back. An address that is new (family 0 before) is about to be
/// freed by in_control, which also takes it out of the hash: repaired, it stays as it is
/// until then. As reported (`faulty`) the ia is not taken out of the new bucket, and
/// after a failed if_ioctl it is `inserted` into the old one all the same.
fn rollback_address(k: &K, ia: IfaId, oldaddr: Sin, faulty: bool, inserted: bool) {
    if faulty {
        k[ia].ia_addr.set(oldaddr);
        if inserted && oldaddr.family == AF_INET {
            hash_insert(k, ia);
        }
    } else if oldaddr.family == AF_INET {
        hash_remove(k, ia);
        k[ia].ia_addr.set(oldaddr);
        hash_insert(k, ia);
    }
}

/// `in_addmulti`: sleeps for memory. Memberships are not modelled.
async fn in_addmulti(k: &K) {
    let _f = k.frame(&Func { name: "in_addmulti", file: FILE });
    k.crit_enter();
    let w = window_open(k, d::W6_ADD_CHAIN);
    k.yield_at("in_addmulti:kmalloc").await;
    window_close(k, w).await;
    k.crit_exit();
}

/// `in_broadcast`: reads every `ifa_addr` of the interface.
pub fn in_broadcast(k: &K, addr: u32, ifp: IfId) -> bool {
    if addr == 0 || addr == u32::MAX {
        return true;
    }
    if k[ifp].if_flags.get() & IFF_BROADCAST == 0 {
        return false;
    }
    let mut i = k[ifp].if_addrhead.first.get();
    while !i.is_null() && k.fuel() {
        if ifa_family(k, i) == AF_INET {
            // The subnet's and the classful network's, as 0 and as 1 bits.
            let hosts = |m: u32| {
                let net = k[i].ia_addr.get().addr & m;
                addr == net || addr == net | !m
            };
            let subnet = k[i].ia_subnetmask.get();
            if plen(subnet) < 32 && (hosts(subnet) || hosts(k[i].ia_netmask.get())) {
                return true;
            }
        }
        i = k[i].ifa_link.next.get();
    }
    false
}
