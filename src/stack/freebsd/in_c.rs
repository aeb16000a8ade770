//! `sys/netinet/in.c`: IPv4 addresses, their prefix routes, and what an interface keeps
//! for IPv4.
//!
//! `in_control_sx` serializes everything that adds or deletes an address. An address is
//! on two lists with one reference each; its prefix route belongs to one of the addresses
//! that share the prefix (IFA_ROUTE) and moves on when that one goes.

use super::defects as d;
use super::if_c::{
    AliasReq, DrvCmd, Ioctl, addrhead_insert_tail, addrhead_remove, if_ioctl, ifa_alloc, ifa_free,
    ifa_ref, ifaof_ifpforaddr,
};
use super::if_llatbl::{lltable_delete_addr, lltable_free, lltable_prefix_free};
use super::in_fib::fib4_lookup;
use super::in_mcast::{
    in_joingroup, in_leavegroup, inm_rele_locked, inm_release_list_deferred, inm_release_wait,
};
use super::in_pcb::in_pcbpurgeif0;
use super::in_rmx::in_ifadown;
use super::locks::{self, IN_CONTROL, IN_MULTI, IN_MULTI_LIST};
use super::objects::*;
use super::route_ctl::{Filter, RtAddrinfo, Rtm};
use super::route_ifaddrs::{
    ifa_add_loopback_route, ifa_del_loopback_route, ifa_switch_loopback_route,
    rib_handle_ifaddr_info,
};
use super::subr_epoch::{net_epoch_enter, net_epoch_exit};
use super::{EADDRNOTAVAIL, EDESTADDRREQ, EINVAL, ENOMEM, ENXIO, EOPNOTSUPP, K, NHASH, uma};
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Func, What};
use crate::shadow::FaultKind;

const FILE: &str = "sys/netinet/in.c";

/// `INADDR_ALLHOSTS_GROUP`.
const INADDR_ALLHOSTS_GROUP: Addr = 0xe000_0001 << 32;

/// `INADDR_HASH`: the bucket of an address.
pub fn inaddr_hash(addr: Addr) -> usize {
    (addr >> 32) as usize % NHASH
}

/// Whether an interface is on its way out.
pub(super) fn dying(k: &K, ifp: IfId) -> bool {
    k[ifp].if_flags.get() & IFF_DYING != 0
}

/// `in_control`, `in_control_ioctl`.
pub async fn in_control(k: &K, ifp: IfId, cmd: Ioctl) -> i32 {
    let _f = k.frame(&Func { name: "in_control", file: FILE });
    match cmd {
        Ioctl::Aifaddr(req) => {
            k.lock(IN_CONTROL).await;
            let error = in_aifaddr_ioctl(k, ifp, &req).await;
            k.unlock(IN_CONTROL);
            error
        }
        Ioctl::Difaddr(addr) => {
            k.lock(IN_CONTROL).await;
            let error = in_difaddr_ioctl(k, ifp, addr).await;
            k.unlock(IN_CONTROL);
            error
        }
        Ioctl::Sifaddr => EINVAL,
        _ => EOPNOTSUPP,
    }
}

/// The IPv4 addresses on `if_addrhead`: the one that is `addr`, and whether there is
/// another. The caller is in the epoch or holds the list's lock.
fn find_addr(k: &K, ifp: IfId, addr: Addr) -> (IfaId, bool) {
    let (mut found, mut others) = (IfaId::NULL, false);
    let mut ifa = k[ifp].if_addrhead.first.get();
    while !ifa.is_null() && k.fuel() {
        if k[ifa].af.get() == Af::Inet {
            if k[ifa].addr.get() == addr {
                found = ifa;
            } else {
                others = true;
            }
        }
        ifa = k[ifa].ifa_link.next.get();
    }
    (found, others)
}

/// Takes an address off `V_in_ifaddrhead` and out of the hash. `CK_STAILQ_REMOVE` walks:
/// an element that is not there makes it run off the end.
fn in_ifaddrhead_remove(k: &K, ifa: IfaId) {
    k.record(|| What::List("in_ifaddrhead", false, ObjRef::of(ifa)));
    let mut ia = k.st.v_in_ifaddrhead.first.get();
    while !ia.is_null() && ia != ifa && k.fuel() {
        ia = k[ia].ia_link.next.get();
    }
    if ia != ifa || !k.st.v_in_ifaddrhead.remove(ifa, |i| &k[i].ia_link) {
        k.kernel_fault(FaultKind::Null, ObjRef::of(ifa), "CK_STAILQ_REMOVE(&V_in_ifaddrhead)");
        return;
    }
    if !k.st.v_in_ifaddrhashtbl.remove(ifa, |i| &k[i].ia_hash) {
        k.kernel_fault(FaultKind::Null, ObjRef::of(ifa), "LIST_REMOVE(ia, ia_hash)");
    }
}

/// `in_aifaddr_ioctl`; `in_control_sx` is held.
async fn in_aifaddr_ioctl(k: &K, ifp: IfId, req: &AliasReq) -> i32 {
    let _f = k.frame(&Func { name: "in_aifaddr_ioctl", file: FILE });
    if dying(k, ifp) && !k.on(d::IN_AIFADDR_WHILE_DYING) {
        return ENXIO;
    }
    let flags = k[ifp].if_flags.get();
    if flags & IFF_POINTOPOINT != 0 && req.dst == 0 {
        return EDESTADDRREQ;
    }
    net_epoch_enter(k);
    let (old, others) = find_addr(k, ifp, req.addr);
    net_epoch_exit(k);
    if !old.is_null() {
        // As upstream: an address that is there is deleted and made anew.
        super::invariants::address_replaced(k, old);
        in_difaddr_ioctl(k, ifp, req.addr).await;
    }
    k.yield_at("in_aifaddr_ioctl:ifa_alloc").await;
    k.might_sleep();
    let ia = ifa_alloc(k, Af::Inet);
    if ia.is_null() {
        return ENOMEM;
    }
    let a = &k[ia];
    a.ifa_ifp.set(ifp);
    a.addr.set(req.addr);
    a.bits.set(req.bits);
    a.dstaddr.set(if flags & IFF_POINTOPOINT != 0 { req.dst } else { 0 });

    // The caller's reference becomes if_addrhead's.
    {
        let _ia = k.hold(ObjRef::of(ia), true);
        k.lock(locks::if_addr(k, ifp)).await;
    }
    addrhead_insert_tail(k, ifp, ia);
    k.unlock(locks::if_addr(k, ifp));
    let _ia = k.hold(ObjRef::of(ia), false);
    k.yield_at("in_aifaddr_ioctl:if_addrhead").await;
    ifa_ref(k, ia);
    k.record(|| What::List("in_ifaddrhead", true, ObjRef::of(ia)));
    k.st.v_in_ifaddrhead.insert_tail(ia, |i| &k[i].ia_link);
    k.st.v_in_ifaddrhashtbl.insert_head(inaddr_hash(req.addr), ia, |i| &k[i].ia_hash);
    k.yield_at("in_aifaddr_ioctl:if_ioctl").await;

    let mut error = if_ioctl(k, ifp, DrvCmd::Sifaddr).await;
    if error == 0 && flags & (IFF_LOOPBACK | IFF_POINTOPOINT) == 0 {
        // What an Ethernet driver's SIOCSIFADDR does with the address (ether_ioctl).
        super::if_ether::arp_ifinit(k, ifp, ia).await;
    }
    if error == 0 {
        k.yield_at("in_aifaddr_ioctl:in_addprefix").await;
        error = in_addprefix(k, ia).await;
    }
    if error != 0 {
        if !k.on(d::IN_AIFADDR_ROLLBACK) {
            in_scrubprefixlle(k, ia, false, true).await;
        }
        unlink_failed(k, ifp, ia).await;
        return error;
    }
    let mut loopback = false;
    if ia_need_loopback_route(k, ia) {
        k.yield_at("in_aifaddr_ioctl:loopback_route").await;
        let eia = in_localip_more(k, ia, |_| true);
        if eia.is_null() {
            error = ifa_add_loopback_route(k, ia, req.addr).await;
            loopback = error == 0;
        } else {
            ifa_free(k, eia);
        }
    }
    if error == 0 && !others && flags & IFF_MULTICAST != 0 {
        k.yield_at("in_aifaddr_ioctl:in_joingroup").await;
        error = join_allhosts(k, ifp).await;
        if error != 0 && k.on(d::IN_AIFADDR_ROLLBACK) {
            return error;
        }
    }
    if error != 0 {
        // Upstream deletes the loopback route also when it is somebody else's that was there.
        let loopback = loopback || k.on(d::IN_LOOPBACK_DELETE_BY_KEY);
        let moves = k.on(d::IN_AIFADDR_ROLLBACK);
        in_scrubprefix(k, ia, true, loopback, moves).await;
        unlink_failed(k, ifp, ia).await;
        return error;
    }
    k.yield_at("in_aifaddr_ioctl:ifaddr_event").await;
    0
}

/// `fail1` of `in_aifaddr_ioctl`.
async fn unlink_failed(k: &K, ifp: IfId, ia: IfaId) {
    k.lock(locks::if_addr(k, ifp)).await;
    addrhead_remove(k, ifp, ia);
    k.unlock(locks::if_addr(k, ifp));
    ifa_free(k, ia);
    in_ifaddrhead_remove(k, ia);
    ifa_free(k, ia);
}

/// `(struct in_ifinfo *)ifp->if_afdata[AF_INET]`, about to be followed: `None` after a
/// fault.
pub(super) fn in_ifinfo(k: &K, ifp: IfId, what: &'static str) -> Option<IiId> {
    let ii = k[ifp].if_afdata_inet.get();
    if ii.is_null() {
        k.kernel_fault(FaultKind::Null, ObjRef::of(ifp), what);
        return None;
    }
    Some(ii)
}

async fn join_allhosts(k: &K, ifp: IfId) -> i32 {
    let Some(ii) = in_ifinfo(k, ifp, "&ii->ii_allhosts") else { return EINVAL };
    match in_joingroup(k, ifp, INADDR_ALLHOSTS_GROUP).await {
        Ok(inm) => {
            k[ii].ii_allhosts.set(inm);
            0
        }
        Err(error) => error,
    }
}

/// `in_difaddr_ioctl`; `in_control_sx` is held.
async fn in_difaddr_ioctl(k: &K, ifp: IfId, addr: Addr) -> i32 {
    let _f = k.frame(&Func { name: "in_difaddr_ioctl", file: FILE });
    k.lock(locks::if_addr(k, ifp)).await;
    let (ia, others) = find_addr(k, ifp, addr);
    if ia.is_null() {
        k.unlock(locks::if_addr(k, ifp));
        return EADDRNOTAVAIL;
    }
    addrhead_remove(k, ifp, ia);
    k.unlock(locks::if_addr(k, ifp));
    ifa_free(k, ia);
    {
        let _ia = k.hold(ObjRef::of(ia), false);
        k.yield_at("in_difaddr_ioctl:if_addrhead").await;
    }
    in_ifaddrhead_remove(k, ia);
    // What was V_in_ifaddrhead's reference is this thread's until the end.
    let held = k.hold(ObjRef::of(ia), true);
    k.yield_at("in_difaddr_ioctl:in_scrubprefix").await;
    in_scrubprefix(k, ia, true, true, true).await;
    k.yield_at("in_difaddr_ioctl:in_ifadown").await;
    in_ifadown(k, ia, true).await;
    if !others && k[ifp].if_flags.get() & IFF_MULTICAST != 0 {
        k.yield_at("in_difaddr_ioctl:allhosts").await;
        if let Some(ii) = in_ifinfo(k, ifp, "ii->ii_allhosts") {
            let inm = k[ii].ii_allhosts.get();
            if !inm.is_null() {
                in_leavegroup(k, inm).await;
                k[ii].ii_allhosts.set(InmId::NULL);
            }
        }
    }
    k.yield_at("in_difaddr_ioctl:ifaddr_event").await;
    drop(held);
    ifa_free(k, ia);
    0
}

/// `in_localip_more`: another address of the same value that will do, with a reference.
fn in_localip_more(k: &K, ia: IfaId, will_do: impl Fn(IfaId) -> bool) -> IfaId {
    let addr = k[ia].addr.get();
    net_epoch_enter(k);
    let mut other = k.st.v_in_ifaddrhashtbl.first[inaddr_hash(addr)].get();
    while !other.is_null() && k.fuel() {
        if other != ia && k[other].addr.get() == addr && will_do(other) {
            ifa_ref(k, other);
            break;
        }
        other = k[other].ia_hash.next.get();
    }
    net_epoch_exit(k);
    other
}

/// `ia_need_loopback_route`.
fn ia_need_loopback_route(k: &K, ia: IfaId) -> bool {
    let a = &k[ia];
    let flags = k[a.ifa_ifp.get()].if_flags.get();
    if flags & IFF_LOOPBACK != 0 || a.addr.get() == 0 {
        return false;
    }
    if flags & IFF_POINTOPOINT != 0 {
        a.dstaddr.get() != a.addr.get()
    } else {
        a.bits.get() != host_bits(Af::Inet)
    }
}

/// `ia_getrtprefix`: the destination of an address's prefix route.
fn ia_getrtprefix(k: &K, ia: IfaId) -> Prefix {
    let a = &k[ia];
    let flags = k[a.ifa_ifp.get()].if_flags.get();
    let host = host_bits(Af::Inet);
    if flags & IFF_POINTOPOINT != 0 {
        Prefix::new(a.dstaddr.get(), host)
    } else if flags & IFF_LOOPBACK != 0 {
        Prefix::new(a.addr.get(), host)
    } else {
        Prefix::new(a.addr.get(), a.bits.get())
    }
}

/// `in_handle_ifaddr_route`, `in_handle_prefix_route`: adds or deletes the prefix route
/// of an address.
async fn in_handle_ifaddr_route(k: &K, rtm: Rtm, ia: IfaId) -> i32 {
    let _f = k.frame(&Func { name: "in_handle_ifaddr_route", file: FILE });
    let dst = ia_getrtprefix(k, ia);
    let aifp = k[ia].ifa_ifp.get();
    let host = dst.bits == host_bits(Af::Inet);
    let flags = k[aifp].if_flags.get();
    let via_lo = host && flags & (IFF_POINTOPOINT | IFF_LOOPBACK) == 0;
    let info = RtAddrinfo {
        af: Af::Inet,
        dst,
        gateway: Gw::Link(k[aifp].if_index.get()),
        rti_flags: RTF_PINNED | if host { RTF_HOST } else { 0 },
        rti_ifa: ia,
        rti_ifp: if via_lo { k.st.v_loif.get() } else { aifp },
        rti_filter: Filter::Ifa(ia),
        op_flags: 0,
    };
    net_epoch_enter(k);
    let error = rib_handle_ifaddr_info(k, rtm, &info).await;
    net_epoch_exit(k);
    error
}

/// `in_hasrtprefix`: whether some address has installed this prefix route.
fn has_prefix_owner(k: &K, prefix: Prefix) -> bool {
    net_epoch_enter(k);
    let mut found = false;
    let mut ia = k.st.v_in_ifaddrhead.first.get();
    while !ia.is_null() && !found && k.fuel() {
        found = ia_getrtprefix(k, ia) == prefix && k[ia].ifa_flags.get() & IFA_ROUTE != 0;
        ia = k[ia].ia_link.next.get();
    }
    net_epoch_exit(k);
    found
}

/// `ia->ia_flags |= IFA_ROUTE`, or not.
pub fn set_ifa_route(k: &K, ia: IfaId, on: bool) {
    let flags = &k[ia].ifa_flags;
    flags.set(if on { flags.get() | IFA_ROUTE } else { flags.get() & !IFA_ROUTE });
}

/// `in_addprefix`.
async fn in_addprefix(k: &K, target: IfaId) -> i32 {
    let _f = k.frame(&Func { name: "in_addprefix", file: FILE });
    if has_prefix_owner(k, ia_getrtprefix(k, target)) {
        return 0;
    }
    k.yield_at("in_addprefix:add").await;
    let error = in_handle_ifaddr_route(k, Rtm::Add, target).await;
    if error == 0 {
        set_ifa_route(k, target, true);
    }
    error
}

/// `in_scrubprefixlle`: removes the entry of the address, or all of its prefix.
async fn in_scrubprefixlle(k: &K, ia: IfaId, all: bool, is_static: bool) {
    let a = &k[ia];
    if all {
        lltable_prefix_free(k, Af::Inet, a.addr.get(), a.bits.get(), is_static).await;
    } else {
        lltable_delete_addr(k, a.ifa_ifp.get(), Af::Inet, a.addr.get()).await;
    }
}

/// The address that a prefix route can be moved to, with a reference: it shares the
/// prefix, its interface is up, and it does not have the route.
async fn prefix_heir(k: &K, prefix: Prefix) -> IfaId {
    net_epoch_enter(k);
    let mut ia = k.st.v_in_ifaddrhead.first.get();
    while !ia.is_null() && k.fuel() {
        let ifp = k[ia].ifa_ifp.get();
        let heir = ia_getrtprefix(k, ia) == prefix
            && k[ifp].if_flags.get() & IFF_UP != 0
            && k[ia].ifa_flags.get() & IFA_ROUTE == 0
            && (!dying(k, ifp) || k.on(d::SCRUBPREFIX_MOVES_TO_DYING));
        // The target itself, if somebody has cleared its flag: the original does not ask.
        if heir {
            let _ia = k.hold(ObjRef::of(ia), false);
            k.yield_at("in_scrubprefix:ifa_ref").await;
            ifa_ref(k, ia);
            break;
        }
        ia = k[ia].ia_link.next.get();
    }
    net_epoch_exit(k);
    ia
}

/// The loopback route of an address that goes: it is moved to an equal address that needs
/// one, or deleted. Upstream does not ask whether it needs one, nor whose the route is.
async fn scrub_loopback_route(k: &K, target: IfaId) {
    let addr = k[target].addr.get();
    let blind = k.on(d::IN_LOOPBACK_ROUTE_SWITCH);
    let theirs = !blind && has_prefix_owner(k, Prefix::new(addr, host_bits(Af::Inet)));
    let heir = |a| blind || !theirs && ia_need_loopback_route(k, a);
    let eia = in_localip_more(k, target, heir);
    let mut moved = false;
    if !eia.is_null() {
        let held = k.hold(ObjRef::of(eia), true);
        moved = ifa_switch_loopback_route(k, eia, addr).await == 0 || blind;
        drop(held);
        ifa_free(k, eia);
    }
    if !moved {
        del_loopback_route(k, target, addr).await;
    }
}

/// `ifa_del_loopback_route`; upstream's deletes whatever has the key.
async fn del_loopback_route(k: &K, ifa: IfaId, addr: Addr) {
    let key = Prefix::new(addr, host_bits(Af::Inet));
    if !has_prefix_owner(k, key) || k.on(d::IN_LOOPBACK_DELETE_BY_KEY) {
        ifa_del_loopback_route(k, ifa, addr).await;
    }
}

/// `in_scrubprefix`: takes the routes of an address away, or moves them to another one.
/// `is_static` is LLE_STATIC in its flags: the address itself goes, and with it, if it has
/// one, its `loopback` route. Its prefix route `moves`, if another address can have it; not
/// when an addition is undone that has just installed it, so that nobody had it before.
async fn in_scrubprefix(k: &K, target: IfaId, is_static: bool, loopback: bool, moves: bool) -> i32 {
    let _f = k.frame(&Func { name: "in_scrubprefix", file: FILE });
    if loopback && ia_need_loopback_route(k, target) {
        scrub_loopback_route(k, target).await;
        k.yield_at("in_scrubprefix:loopback_route").await;
    }
    let prefix = ia_getrtprefix(k, target);
    if k[target].ifa_flags.get() & IFA_ROUTE == 0 {
        in_scrubprefixlle(k, target, false, is_static).await;
        return 0;
    }
    k.yield_at("in_scrubprefix:in_ifaddrhead").await;
    let heir = if moves { prefix_heir(k, prefix).await } else { IfaId::NULL };
    if heir.is_null() {
        in_scrubprefixlle(k, target, true, is_static).await;
        k.yield_at("in_scrubprefix:delete").await;
        let error = in_handle_ifaddr_route(k, Rtm::Delete, target).await;
        if error == 0 {
            set_ifa_route(k, target, false);
        }
        return error;
    }
    let held = k.hold(ObjRef::of(heir), true);
    k.yield_at("in_scrubprefix:move").await;
    if in_handle_ifaddr_route(k, Rtm::Delete, target).await == 0 {
        set_ifa_route(k, target, false);
    }
    let elsewhere = k[target].ifa_ifp.get() != k[heir].ifa_ifp.get();
    in_scrubprefixlle(k, target, elsewhere, is_static).await;
    k.yield_at("in_scrubprefix:add").await;
    let error = in_handle_ifaddr_route(k, Rtm::Add, heir).await;
    if error == 0 {
        set_ifa_route(k, heir, true);
    }
    drop(held);
    ifa_free(k, heir);
    error
}

/// `in_ifnet_event`: an interface goes down, or comes up.
pub async fn in_ifnet_event(k: &K, ifp: IfId, up: bool) {
    let _f = k.frame(&Func { name: "in_ifnet_event", file: FILE });
    let serialized = !k.on(d::IN_IFNET_EVENT_UNSERIALIZED);
    if serialized {
        k.lock(IN_CONTROL).await;
    }
    net_epoch_enter(k);
    let mut ifa = k[ifp].if_addrhead.first.get();
    while !ifa.is_null() && k.fuel() {
        let has_route = k[ifa].ifa_flags.get() & IFA_ROUTE != 0;
        if k[ifa].af.get() == Af::Inet && has_route != up {
            {
                let _ifa = k.hold(ObjRef::of(ifa), false);
                k.yield_at("in_ifnet_event:ifa_ref").await;
            }
            ifa_ref(k, ifa);
            let held = k.hold(ObjRef::of(ifa), true);
            if up {
                event_up(k, ifa).await;
            } else {
                in_scrubprefix(k, ifa, false, false, true).await;
                k.yield_at("in_ifnet_event:in_ifadown").await;
                in_ifadown(k, ifa, false).await;
            }
            drop(held);
            ifa_free(k, ifa);
        }
        ifa = k[ifa].ifa_link.next.get();
    }
    net_epoch_exit(k);
    if serialized {
        k.unlock(IN_CONTROL);
    }
}

/// `IFNET_EVENT_UP` of one address.
async fn event_up(k: &K, ifa: IfaId) {
    let addr = k[ifa].addr.get();
    let selfish = ia_need_loopback_route(k, ifa) || k.on(d::IN_IFNET_EVENT_LOOPBACK);
    if selfish {
        del_loopback_route(k, ifa, addr).await;
    }
    k.yield_at("in_ifnet_event:add").await;
    if in_handle_ifaddr_route(k, Rtm::Add, ifa).await == 0 {
        set_ifa_route(k, ifa, true);
    }
    if selfish {
        k.yield_at("in_ifnet_event:loopback_route").await;
        ifa_add_loopback_route(k, ifa, addr).await;
    }
}

/// `in_ifdetach`: sockets and IPv4 itself leave the groups of an interface that goes.
pub async fn in_ifdetach(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "in_ifdetach", file: FILE });
    if !k.on(d::IN_AIFADDR_WHILE_DYING) {
        // Not in the original: a deletion that has taken the last address off the list, so that
        // the purge found none, may still be at the memberships.
        k.lock(IN_CONTROL).await;
        k.unlock(IN_CONTROL);
    }
    k.lock(IN_MULTI).await;
    k.yield_at("in_ifdetach:in_pcbpurgeif0").await;
    in_pcbpurgeif0(k, ifp, Af::Inet).await;
    k.yield_at("in_ifdetach:in_purgemaddrs").await;
    in_purgemaddrs(k, ifp).await;
    k.unlock(IN_MULTI);
    k.yield_at("in_ifdetach:inm_release_wait").await;
    inm_release_wait(k).await;
}

/// `in_domifattach`: NULL when the model has no more memory.
pub fn in_domifattach(k: &K, ifp: IfId) -> IiId {
    let _f = k.frame(&Func { name: "in_domifattach", file: FILE });
    k.might_sleep();
    let ii = uma::alloc(k, |s| &s.ifinfos);
    if !ii.is_null() {
        k[ii].ifp.set(ifp);
    }
    ii
}

/// `in_domifdetach`. Repaired, the memory stays as long as the interface's does; see
/// [`in_ifinfo_free`].
pub async fn in_domifdetach(k: &K, ifp: IfId, ii: IiId) {
    let _f = k.frame(&Func { name: "in_domifdetach", file: FILE });
    k.yield_at("in_domifdetach:lltable_free").await;
    lltable_free(k, ifp, Af::Inet).await;
    k.yield_at("in_domifdetach:free").await;
    if k.on(d::IN_IFINFO_NOT_DEFERRED) {
        in_ifinfo_free(k, ii);
    }
}

/// Frees an in_ifinfo: what `in_domifdetach` ends with, or `if_free_deferred`.
pub fn in_ifinfo_free(k: &K, ii: IiId) {
    uma::free(k, |s| &s.ifinfos, ii);
}

/// `in_purgemaddrs`: one reference of each record of the interface is given up, whoever had it.
pub async fn in_purgemaddrs(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "in_purgemaddrs", file: FILE });
    k.lock(IN_MULTI_LIST).await;
    k.lock(locks::if_addr(k, ifp)).await;
    net_epoch_enter(k);
    let mut any = false;
    let mut ifma = k[ifp].if_multiaddrs.first[0].get();
    while !ifma.is_null() && k.fuel() {
        let m = &k[ifma];
        let next = m.ifma_link.next.get();
        let inm = m.protospec.get();
        if m.af.get() == Af::Inet && m.enqueued.get() && !inm.is_null() {
            any |= inm_rele_locked(k, inm);
        }
        ifma = next;
    }
    net_epoch_exit(k);
    k.unlock(locks::if_addr(k, ifp));
    inm_release_list_deferred(k, any);
    k.unlock(IN_MULTI_LIST);
}

/// `in_lltable_rtcheck`: whether an address is a neighbour: by a route without a gateway, or by
/// a host route over Ethernet whose gateway is the address itself. IFF_STATICARP is out.
pub async fn in_lltable_rtcheck(k: &K, ifp: IfId, addr: Addr) -> bool {
    let nh = fib4_lookup(k, addr).await;
    if nh.is_null() {
        return false;
    }
    let n = &k[nh];
    let host = n.nh_flags.get() & NHF_HOST != 0;
    if n.nh_flags.get() & NHF_GATEWAY != 0 {
        let by_arp =
            |ifp: &Ifnet| ifp.driver.get() == Driver::Epair && ifp.if_flags.get() & IFF_NOARP == 0;
        // The interface is looked at only where there is a host route.
        if !host || !by_arp(&k[n.nh_ifp.get()]) || n.gw.get() != Gw::Addr(addr) {
            return false;
        }
    }
    if n.nh_ifp.get() == ifp || host {
        return true;
    }
    let ia = ifaof_ifpforaddr(k, Af::Inet, addr, ifp);
    !ia.is_null() && Prefix::new(k[ia].addr.get(), k[ia].bits.get()).covers(addr)
}

#[cfg(test)]
mod tests {
    use super::super::testing::errno_of_last;
    use super::*;

    #[test]
    fn a_host_route_makes_a_neighbour_only_if_the_host_is_its_own_gateway() {
        let resolve_by = |gateway: &str| {
            errno_of_last(&format!(
                "SIOCIFCREATE epair0a\nifup epair0a\nSIOCAIFADDR epair0a 10.0.0.1\n\
                 SIOCAIFADDR epair0a 10.0.1.1\nroute_add 10.0.0.2 via {gateway}\n\
                 resolve epair0a 10.0.0.2\n"
            ))
        };
        assert_eq!(resolve_by("router1"), 0, "10.0.0.2 itself");
        assert_eq!(resolve_by("router2"), EINVAL, "10.0.1.2");
    }
}
