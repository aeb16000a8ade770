//! `sys/netinet6/in6.c`: IPv6 addresses.
//!
//! An address is on three lists (its interface's, the global one, the hash), which own
//! two references. `in6_control_sx` serializes ioctls; in the repaired kernel it
//! serializes everything that adds or removes an address: the purge of a detach, the
//! link-local address of an interface that comes up, the timer, advertisements.
//!
//! Left out: privacy and anycast addresses, carp, lifetimes chosen by the user, proxy ND,
//! the routing socket's messages, the node information group and the interface-local
//! all-nodes group (one more membership of the same kind each).

use super::defects as d;
use super::if_c::{self, AliasReq, DrvCmd, Ioctl, ifa_free, ifa_ref, ifa_try_ref};
use super::if_llatbl;
use super::in6_ifattach::in6_ifattach;
use super::in6_mcast::{in6_joingroup, in6_leavegroup};
use super::locks::{self, IN6_CONTROL, IN6_IFADDR, ND6};
use super::nd6::{nd_ifinfo, nd6_add_ifa_lle, nd6_ifdetach, nd6_rem_ifa_lle};
use super::nd6_nbr::{nd6_dad_start, nd6_dad_stop};
use super::nd6_rtr::{
    PrefixCtl, nd6_prefix_del, nd6_prefix_lookup, nd6_prefix_ref, nd6_prefix_rele,
    nd6_prefix_unlink, nd6_prelist_add, pfxlist_onlink_check,
};
use super::objects::*;
use super::route_ctl::{RtAddrinfo, Rtm};
use super::route_ifaddrs::{
    ifa_add_loopback_route, ifa_del_loopback_route, rib_handle_ifaddr_info,
};
use super::scope6::in6_setscope;
use super::subr_epoch::{Callback, net_epoch_call, net_epoch_enter, net_epoch_exit};
use super::uma;
use super::{EADDRNOTAVAIL, EINVAL, ENOBUFS, ENXIO, EOPNOTSUPP, EPFNOSUPPORT, K, NHASH};
use crate::kern::cell::F;
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Func, What};
use crate::shadow::FaultKind;

const FILE: &str = "sys/netinet6/in6.c";

/// Whether the interface is being taken away.
pub fn dying(k: &K, ifp: IfId) -> bool {
    k[ifp].if_flags.get() & IFF_DYING != 0
}

/// `IN6_IS_ADDR_LINKLOCAL`.
pub fn is_linklocal(addr: Addr) -> bool {
    addr >> 48 == 0xfe80
}

fn in6addr_hash(addr: Addr) -> usize {
    (addr ^ addr >> 32) as usize % NHASH
}

/// `struct in6_aliasreq`, as the kernel fills it for its own use, too.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ifra {
    /// `ifra_addr`, with its scope.
    pub addr: Addr,
    /// `ifra_dstaddr`, with its scope; 0 for none.
    pub dst: Addr,
    /// `ifra_prefixmask`, in bits of [`Addr`].
    pub bits: u8,
    /// `ifra_flags`.
    pub flags: u32,
    /// `ifra_lifetime.ia6t_vltime` and `ia6t_pltime`, s; `None` for infinite.
    pub vltime: Option<u32>,
}

/// When a lifetime that begins now ends, ms; 0 for never.
pub fn expires(k: &K, vltime: Option<u32>) -> u64 {
    vltime.map_or(0, |s| k.now() + u64::from(s) * 1_000)
}

// ---- lookups -------------------------------------------------------------------------

/// The walk of the lookups: the first IPv6 address of an interface that is `wanted`, with
/// a reference. `place` lies between finding it and taking that.
async fn ref_first(
    k: &K,
    ifp: IfId,
    place: &'static str,
    wanted: impl Fn(&Ifaddr) -> bool,
) -> IfaId {
    let mut ifa = k[ifp].if_addrhead.first.get();
    while !ifa.is_null() && k.fuel() {
        if k[ifa].af.get() == Af::Inet6 && wanted(&k[ifa]) {
            let _h = k.hold(ObjRef::of(ifa), false);
            k.yield_at(place).await;
            if k.on(d::IFA_REF_FROM_ZERO) {
                ifa_ref(k, ifa);
                return ifa;
            }
            if ifa_try_ref(k, ifa) {
                return ifa;
            }
        }
        ifa = k[ifa].ifa_link.next.get();
    }
    IfaId::NULL
}

/// `in6ifa_ifpwithaddr`: referenced.
pub async fn in6ifa_ifpwithaddr(k: &K, ifp: IfId, addr: Addr) -> IfaId {
    let _f = k.frame(&Func { name: "in6ifa_ifpwithaddr", file: FILE });
    net_epoch_enter(k);
    let ifa = ref_first(k, ifp, "in6ifa_ifpwithaddr:ifa_ref", |a| a.addr.get() == addr).await;
    net_epoch_exit(k);
    ifa
}

/// `in6ifa_ifpforlinklocal`: referenced; inside the epoch.
pub async fn in6ifa_ifpforlinklocal(k: &K, ifp: IfId, ignoreflags: u32) -> IfaId {
    let _f = k.frame(&Func { name: "in6ifa_ifpforlinklocal", file: FILE });
    let wanted = |a: &Ifaddr| is_linklocal(a.addr.get()) && a.ia6_flags.get() & ignoreflags == 0;
    ref_first(k, ifp, "in6ifa_ifpforlinklocal:ifa_ref", wanted).await
}

/// Any IPv6 address of an interface, referenced: the walk with which `nd6_prefix_onlink`
/// makes do without a link-local one. Inside the epoch.
pub async fn first_in6_ifa(k: &K, ifp: IfId) -> IfaId {
    let mut ifa = k[ifp].if_addrhead.first.get();
    while !ifa.is_null() && k.fuel() {
        if k[ifa].af.get() == Af::Inet6 {
            let _h = k.hold(ObjRef::of(ifa), false);
            k.yield_at("nd6_prefix_onlink:ifa_ref").await;
            if k.on(d::IFA_REF_FROM_ZERO) {
                ifa_ref(k, ifa);
                return ifa;
            }
            if ifa_try_ref(k, ifa) {
                return ifa;
            }
        }
        ifa = k[ifa].ifa_link.next.get();
    }
    IfaId::NULL
}

/// `in6ifa_ifwithaddr`, without a reference.
pub async fn in6ifa_ifwithaddr(k: &K, addr: Addr) -> IfaId {
    let _f = k.frame(&Func { name: "in6ifa_ifwithaddr", file: FILE });
    k.lock_shared(IN6_IFADDR).await;
    let mut ia = k.st.v_in6_ifaddrhashtbl.first[in6addr_hash(addr)].get();
    while !ia.is_null() && k.fuel() && k[ia].addr.get() != addr {
        ia = k[ia].ia_hash.next.get();
    }
    k.unlock(IN6_IFADDR);
    ia
}

// ---- ioctls --------------------------------------------------------------------------

/// `in6_control`.
pub async fn in6_control(k: &K, ifp: IfId, cmd: Ioctl) -> i32 {
    let _f = k.frame(&Func { name: "in6_control", file: FILE });
    in6_control_ioctl(k, ifp, cmd).await
}

async fn in6_control_ioctl(k: &K, ifp: IfId, cmd: Ioctl) -> i32 {
    let _f = k.frame(&Func { name: "in6_control_ioctl", file: FILE });
    let addr = match cmd {
        Ioctl::AifaddrIn6(req) => req.addr,
        Ioctl::DifaddrIn6(addr) => addr,
        Ioctl::Sifaddr => return EINVAL,
        _ => return EOPNOTSUPP,
    };
    let addr = in6_setscope(k, addr, ifp);
    k.yield_at("in6_control_ioctl:sx_xlock").await;
    k.lock(IN6_CONTROL).await;
    let ia = in6ifa_ifpwithaddr(k, ifp, addr).await;
    let held = (!ia.is_null()).then(|| k.hold(ObjRef::of(ia), true));
    k.yield_at("in6_control_ioctl:if_afdata").await;
    let error = match cmd {
        Ioctl::DifaddrIn6(_) if ia.is_null() => EADDRNOTAVAIL,
        _ if k[ifp].if_afdata_inet6.get().is_null() => EPFNOSUPPORT,
        Ioctl::AifaddrIn6(req) => {
            if !k.on(d::IN6_AIFADDR_WHILE_DYING) && dying(k, ifp) {
                ENXIO
            } else {
                drop(held);
                let error = in6_addifaddr(k, ifp, ifra(k, ifp, req, addr), ia).await;
                k.unlock(IN6_CONTROL);
                return if k.on(d::IN6_CONTROL_ERROR_LOST) { 0 } else { error };
            }
        }
        _ => {
            in6_purgeifaddr(k, ia).await;
            k.yield_at("in6_control_ioctl:ifaddr_event_ext").await;
            0
        }
    };
    k.unlock(IN6_CONTROL);
    if !ia.is_null() {
        drop(held);
        ifa_free(k, ia);
    }
    error
}

/// What ifconfig(8) asks for. A far end goes with point-to-point interfaces and host
/// masks only.
fn ifra(k: &K, ifp: IfId, req: AliasReq, addr: Addr) -> Ifra {
    let p2p = k[ifp].if_flags.get() & IFF_POINTOPOINT != 0;
    let dst = if p2p && req.bits == 64 { in6_setscope(k, req.dst, ifp) } else { 0 };
    Ifra { addr, dst, bits: req.bits, ..Ifra::default() }
}

/// `in6_addifaddr`; takes over the reference of `ia`, the address that is already there.
async fn in6_addifaddr(k: &K, ifp: IfId, ifra: Ifra, ia: IfaId) -> i32 {
    let _f = k.frame(&Func { name: "in6_addifaddr", file: FILE });
    let is_new = ia.is_null();
    let held = (!is_new).then(|| k.hold(ObjRef::of(ia), true));
    let error = in6_update_ifa(k, ifp, ifra, ia).await;
    drop(held);
    if !is_new {
        ifa_free(k, ia);
    }
    if error != 0 {
        return error;
    }
    k.yield_at("in6_addifaddr:in6ifa_ifpwithaddr").await;
    let ia = in6ifa_ifpwithaddr(k, ifp, ifra.addr).await;
    if ia.is_null() {
        return 0;
    }
    let held = k.hold(ObjRef::of(ia), true);
    if ifra.bits != 64 {
        let ctl = PrefixCtl {
            ifp,
            prefix: Prefix::new(ifra.addr, ifra.bits),
            raf_onlink: true,
            raf_auto: ifra.flags & IN6_IFF_AUTOCONF != 0,
            raf_ra_derived: false,
            vltime: ifra.vltime,
        };
        let error = in6_relate_prefix(k, ia, &ctl).await;
        if error != 0 {
            if is_new && !k.on(d::IN6_ADDIFADDR_ROLLBACK) {
                in6_purgeifaddr(k, ia).await;
            }
            drop(held);
            ifa_free(k, ia);
            return error;
        }
        pfxlist_onlink_check(k).await;
    }
    k.yield_at("in6_addifaddr:ND_IFINFO").await;
    if let Some(nd) = nd_ifinfo(k, ifp, "ND_IFINFO(ifp)->flags")
        && nd.nd_flags.get() & ND6_IFF_IFDISABLED != 0
    {
        nd.nd_flags.set(nd.nd_flags.get() & !ND6_IFF_IFDISABLED);
        if k[ifp].if_flags.get() & IFF_UP != 0 {
            in6_if_up(k, ifp).await;
        }
    }
    drop(held);
    ifa_free(k, ia);
    0
}

/// The middle of `in6_addifaddr`: the prefix of a new address is made, unless there is
/// one, and the address related to it.
async fn in6_relate_prefix(k: &K, ia: IfaId, ctl: &PrefixCtl) -> i32 {
    loop {
        k.yield_at("in6_addifaddr:nd6_prefix_lookup").await;
        let mut pr = nd6_prefix_lookup(k, ctl).await;
        if pr.is_null() {
            match nd6_prelist_add(k, ctl, DrId::NULL).await {
                Ok(new) => pr = new,
                Err(error) => return error,
            }
        }
        let held = k.hold(ObjRef::of(pr), true);
        k.yield_at("in6_addifaddr:ia6_ndpr").await;
        let related = !k[ia].ia6_ndpr.get().is_null() || relate(k, ia, pr).await;
        k.yield_at("in6_addifaddr:nd6_prefix_rele").await;
        drop(held);
        nd6_prefix_rele(k, pr);
        if related || !k.fuel() {
            return 0;
        }
    }
}

/// An address is related to its prefix: `ndpr_addrcnt++`. False when the prefix has been
/// unlinked.
pub async fn relate(k: &K, ia: IfaId, pr: PrId) -> bool {
    if k.on(d::NDPR_RELATE_UNLINKED) {
        k[ia].ia6_ndpr.set(pr);
        k[pr].ndpr_addrcnt.inc();
        return true;
    }
    k.lock(ND6).await;
    let listed = k[pr].ndpr_stateflags.get() & NDPRF_UNLINKED == 0;
    if listed {
        k[ia].ia6_ndpr.set(pr);
        k[pr].ndpr_addrcnt.inc();
    }
    k.unlock(ND6);
    listed
}

// ---- addition ------------------------------------------------------------------------

/// `in6_update_ifa`; `ia` is the address that is already there, or NULL.
pub async fn in6_update_ifa(k: &K, ifp: IfId, ifra: Ifra, ia: IfaId) -> i32 {
    let _f = k.frame(&Func { name: "in6_update_ifa", file: FILE });
    if !ia.is_null() && k[ia].bits.get() != ifra.bits {
        return EINVAL;
    }
    if !ia.is_null() {
        return in6_update_ifa_internal(k, ifp, ifra, ia, false).await;
    }
    let ia = in6_alloc_ifa(k, ifp, &ifra).await;
    if ia.is_null() {
        return ENOBUFS;
    }
    let held = k.hold(ObjRef::of(ia), true);
    let error = in6_update_ifa_internal(k, ifp, ifra, ia, true).await;
    if error != 0 {
        if k.on(d::IN6_UPDATE_IFA_ROLLBACK) {
            in6_unlink_ifa(k, ia, ifp).await;
        } else {
            in6_purgeaddr(k, ia).await;
        }
        drop(held);
        ifa_free(k, ia);
        return error;
    }
    drop(held);
    in6_broadcast_ifa(k, ifp, ifra, ia).await
}

fn clear(flags: &F<u32>, bits: u32) {
    flags.set(flags.get() & !bits);
}

fn set(flags: &F<u32>, bits: u32) {
    flags.set(flags.get() | bits);
}

/// `in6_alloc_ifa`: on all lists, with one more reference for the caller.
async fn in6_alloc_ifa(k: &K, ifp: IfId, ifra: &Ifra) -> IfaId {
    let _f = k.frame(&Func { name: "in6_alloc_ifa", file: FILE });
    let ia = if_c::ifa_alloc(k, Af::Inet6);
    if ia.is_null() {
        return ia;
    }
    let _h = k.hold(ObjRef::of(ia), true);
    let a = &k[ia];
    a.addr.set(ifra.addr);
    a.bits.set(ifra.bits);
    a.ifa_ifp.set(ifp);
    ifa_ref(k, ia);
    {
        let _listed = k.hold(ObjRef::of(ia), true);
        k.lock(locks::if_addr(k, ifp)).await;
    }
    if_c::addrhead_insert_tail(k, ifp, ia);
    k.unlock(locks::if_addr(k, ifp));
    k.yield_at("in6_alloc_ifa:in6_ifaddrhead").await;
    ifa_ref(k, ia);
    {
        let _listed = k.hold(ObjRef::of(ia), true);
        k.lock(IN6_IFADDR).await;
    }
    k.record(|| What::List("in6_ifaddrhead", true, ObjRef::of(ia)));
    k.st.v_in6_ifaddrhead.insert_tail(ia, |i| &k[i].ia_link);
    let bucket = in6addr_hash(ifra.addr);
    k.st.v_in6_ifaddrhashtbl.insert_head(bucket, ia, |i| &k[i].ia_hash);
    k.unlock(IN6_IFADDR);
    k.yield_at("in6_alloc_ifa:linked").await;
    ia
}

/// `in6if_do_dad`.
fn in6if_do_dad(k: &K, ifp: IfId) -> bool {
    let flags = k[ifp].if_flags.get();
    flags & IFF_LOOPBACK == 0
        && flags & IFF_MULTICAST != 0
        && nd_ifinfo(k, ifp, "ND_IFINFO(ifp)->flags")
            .is_some_and(|nd| nd.nd_flags.get() & (ND6_IFF_IFDISABLED | ND6_IFF_NO_DAD) == 0)
}

async fn in6_update_ifa_internal(k: &K, ifp: IfId, ifra: Ifra, ia: IfaId, is_new: bool) -> i32 {
    let _f = k.frame(&Func { name: "in6_update_ifa_internal", file: FILE });
    let a = &k[ia];
    a.ia6t_expire.set(expires(k, ifra.vltime));
    a.ia6t_preferred.set(expires(k, ifra.vltime));
    a.ia6_flags.set(ifra.flags);
    if is_new && in6if_do_dad(k, ifp) {
        set(&a.ia6_flags, IN6_IFF_TENTATIVE);
    }
    in6_notify_ifa(k, ifp, ia, ifra, is_new).await
}

fn ifa_is_p2p(a: &Ifaddr) -> bool {
    a.bits.get() == 64 && a.dstaddr.get() != 0 && a.addr.get() != a.dstaddr.get()
}

async fn in6_notify_ifa(k: &K, ifp: IfId, ia: IfaId, ifra: Ifra, is_new: bool) -> i32 {
    let _f = k.frame(&Func { name: "in6_notify_ifa", file: FILE });
    let mut ifacount = 0;
    if is_new {
        net_epoch_enter(k);
        let mut ifa = k[ifp].if_addrhead.first.get();
        while !ifa.is_null() && k.fuel() {
            ifacount += u32::from(k[ifa].af.get() == Af::Inet6);
            ifa = k[ifa].ifa_link.next.get();
        }
        net_epoch_exit(k);
    }
    let mut error = 0;
    if ifacount <= 1 {
        k.yield_at("in6_notify_ifa:if_ioctl").await;
        error = if_c::if_ioctl(k, ifp, DrvCmd::Sifaddr).await;
    }
    if error == 0 {
        error = in6_notify_routes(k, ia, ifra).await;
    }
    ifa_ref(k, ia);
    {
        let _event = k.hold(ObjRef::of(ia), true);
        k.yield_at("in6_notify_ifa:ifaddr_event_ext").await;
    }
    ifa_free(k, ia);
    error
}

/// The middle of `in6_notify_ifa`: the host route to the far end, the self route.
async fn in6_notify_routes(k: &K, ia: IfaId, ifra: Ifra) -> i32 {
    let a = &k[ia];
    let old = a.dstaddr.get();
    if ifra.dst != 0 && ifra.dst != old {
        k.yield_at("in6_notify_ifa:ia_dstaddr").await;
        let had_route = a.ifa_flags.get() & IFA_ROUTE != 0;
        if k.on(d::IN6_DSTADDR_NOT_UNDONE) {
            if had_route && in6_handle_dstaddr_rtrequest(k, Rtm::Delete, ia).await == 0 {
                clear(&a.ifa_flags, IFA_ROUTE);
            }
            a.dstaddr.set(ifra.dst);
        } else {
            a.dstaddr.set(ifra.dst);
            if had_route && ifa_is_p2p(a) {
                let error = in6_handle_dstaddr_rtrequest(k, Rtm::Add, ia).await;
                if error != 0 {
                    a.dstaddr.set(old);
                    return error;
                }
            }
            if had_route {
                a.dstaddr.set(old);
                in6_handle_dstaddr_rtrequest(k, Rtm::Delete, ia).await;
                a.dstaddr.set(ifra.dst);
                if !ifa_is_p2p(a) {
                    clear(&a.ifa_flags, IFA_ROUTE);
                }
            }
        }
    }
    if a.ifa_flags.get() & IFA_ROUTE == 0 && ifa_is_p2p(a) {
        k.yield_at("in6_notify_ifa:p2p").await;
        let error = in6_handle_dstaddr_rtrequest(k, Rtm::Add, ia).await;
        if error != 0 {
            if !k.on(d::IN6_DSTADDR_NOT_UNDONE) {
                a.dstaddr.set(old);
            }
            return error;
        }
        set(&a.ifa_flags, IFA_ROUTE);
    }
    if a.ifa_flags.get() & IFA_RTSELF == 0 {
        k.yield_at("in6_notify_ifa:ifa_add_loopback_route").await;
        let error = ifa_add_loopback_route(k, ia, a.addr.get()).await;
        if error != 0 {
            return error;
        }
        set(&a.ifa_flags, IFA_RTSELF);
    }
    0
}

/// The interface route of a point-to-point address.
async fn in6_handle_dstaddr_rtrequest(k: &K, rtm: Rtm, ia: IfaId) -> i32 {
    let _f = k.frame(&Func { name: "in6_handle_dstaddr_rtrequest", file: FILE });
    let ifp = k[ia].ifa_ifp.get();
    let info = RtAddrinfo {
        af: Af::Inet6,
        dst: Prefix::new(k[ia].dstaddr.get(), 64),
        gateway: Gw::Link(k[ifp].if_index.get()),
        rti_flags: RTF_PINNED | RTF_HOST,
        rti_ifa: ia,
        rti_ifp: ifp,
        ..RtAddrinfo::default()
    };
    net_epoch_enter(k);
    let error = rib_handle_ifaddr_info(k, rtm, &info).await;
    net_epoch_exit(k);
    error
}

/// `in6_broadcast_ifa`; takes over the caller's reference.
async fn in6_broadcast_ifa(k: &K, ifp: IfId, ifra: Ifra, ia: IfaId) -> i32 {
    let _f = k.frame(&Func { name: "in6_broadcast_ifa", file: FILE });
    let held = k.hold(ObjRef::of(ia), true);
    k.yield_at("in6_broadcast_ifa:nd6_add_ifa_lle").await;
    let mut error = nd6_add_ifa_lle(k, ia).await;
    if error == 0 && k[ifp].if_flags.get() & IFF_MULTICAST != 0 {
        error = in6_update_ifa_join_mc(k, ifp, ifra.addr, ia).await;
    }
    if error != 0 {
        in6_purgeaddr(k, ia).await;
        drop(held);
        ifa_free(k, ia);
        return error;
    }
    if k[ia].ia6_flags.get() & IN6_IFF_TENTATIVE != 0 {
        k.yield_at("in6_broadcast_ifa:nd6_dad_start").await;
        nd6_dad_start(k, ia, 0).await;
    }
    k.yield_at("in6_broadcast_ifa:ifa_free").await;
    drop(held);
    ifa_free(k, ia);
    0
}

/// `in6_update_ifa_join_mc`: the solicited-node group and all nodes of the link.
async fn in6_update_ifa_join_mc(k: &K, ifp: IfId, addr: Addr, ia: IfaId) -> i32 {
    let _f = k.frame(&Func { name: "in6_update_ifa_join_mc", file: FILE });
    // The solicited-node group has the low bits of the address.
    const LINKLOCAL_MULTICAST: Addr = 0xff02 << 48;
    let groups = [LINKLOCAL_MULTICAST | 0xff00_0000 | addr & 0xff_ffff, LINKLOCAL_MULTICAST | 1];
    for (i, group) in groups.into_iter().enumerate() {
        k.yield_at("in6_update_ifa_join_mc:join").await;
        match in6_joingroup_legacy(k, ifp, in6_setscope(k, group, ifp)).await {
            Ok(inm) => k[ia].ia6_memberships[i].set(inm),
            Err(error) => return error,
        }
    }
    0
}

async fn in6_joingroup_legacy(k: &K, ifp: IfId, group: Addr) -> Result<InmId, i32> {
    let _f = k.frame(&Func { name: "in6_joingroup_legacy", file: FILE });
    if k.fails("malloc_in6_multi_mship") {
        return Err(ENOBUFS);
    }
    in6_joingroup(k, ifp, group).await
}

// ---- removal -------------------------------------------------------------------------

/// `in6_purgeaddr`.
pub async fn in6_purgeaddr(k: &K, ifa: IfaId) {
    let _f = k.frame(&Func { name: "in6_purgeaddr", file: FILE });
    let a = &k[ifa];
    let ifp = a.ifa_ifp.get();
    k.yield_at("in6_purgeaddr:rtself").await;
    if a.ifa_flags.get() & IFA_RTSELF != 0
        && ifa_del_loopback_route(k, ifa, a.addr.get()).await == 0
    {
        clear(&a.ifa_flags, IFA_RTSELF);
    }
    k.yield_at("in6_purgeaddr:nd6_dad_stop").await;
    nd6_dad_stop(k, ifa).await;
    // LIST_INSERT_HEAD, LIST_FIRST: the last one comes first.
    for m in a.ia6_memberships.iter().rev() {
        k.yield_at("in6_purgeaddr:in6_leavegroup").await;
        let inm = m.get();
        if !inm.is_null() {
            m.set(InmId::NULL);
            in6_leavegroup(k, inm).await;
        }
    }
    if a.ifa_flags.get() & IFA_ROUTE != 0 && ifa_is_p2p(a) {
        k.yield_at("in6_purgeaddr:p2p").await;
        in6_handle_dstaddr_rtrequest(k, Rtm::Delete, ifa).await;
        clear(&a.ifa_flags, IFA_ROUTE);
    }
    k.yield_at("in6_purgeaddr:in6_unlink_ifa").await;
    in6_unlink_ifa(k, ifa, ifp).await;
}

/// `in6_purgeifaddr`.
pub async fn in6_purgeifaddr(k: &K, ifa: IfaId) {
    let _f = k.frame(&Func { name: "in6_purgeifaddr", file: FILE });
    let pr = k[ifa].ia6_ndpr.get();
    if k.on(d::PURGEIFADDR_RAW_NDPR) {
        let _h = (!pr.is_null()).then(|| k.hold(ObjRef::of(pr), false));
        in6_purgeaddr(k, ifa).await;
        k.yield_at("in6_purgeifaddr:ndpr_addrcnt").await;
        if pr.is_null() || k[pr].ndpr_addrcnt.get() != 0 {
            return;
        }
        k.lock(ND6).await;
        nd6_prefix_unlink(k, pr);
        let held = k.hold(ObjRef::of(pr), true);
        k.unlock(ND6);
        k.yield_at("in6_purgeifaddr:nd6_prefix_del").await;
        nd6_prefix_del(k, pr, held).await;
        return;
    }
    if !pr.is_null() {
        nd6_prefix_ref(k, pr);
    }
    let held = (!pr.is_null()).then(|| k.hold(ObjRef::of(pr), true));
    in6_purgeaddr(k, ifa).await;
    k.yield_at("in6_purgeifaddr:ndpr_addrcnt").await;
    if pr.is_null() {
        return;
    }
    k.lock(ND6).await;
    let unlink = k[pr].ndpr_addrcnt.get() == 0 && k[pr].ndpr_stateflags.get() & NDPRF_UNLINKED == 0;
    let list_ref = unlink.then(|| {
        nd6_prefix_unlink(k, pr);
        k.hold(ObjRef::of(pr), true)
    });
    k.unlock(ND6);
    k.yield_at("in6_purgeifaddr:nd6_prefix_del").await;
    if let Some(list_ref) = list_ref {
        nd6_prefix_del(k, pr, list_ref).await;
    }
    drop(held);
    nd6_prefix_rele(k, pr);
}

/// `CK_STAILQ_REMOVE` of an address from `V_in6_ifaddrhead`: searches it, and runs off the
/// end of the list when it is not there.
fn in6_ifaddrhead_remove(k: &K, ia: IfaId) {
    k.record(|| What::List("in6_ifaddrhead", false, ObjRef::of(ia)));
    let head = &k.st.v_in6_ifaddrhead;
    let mut i = head.first.get();
    while !i.is_null() && i != ia && k.fuel() {
        i = k[i].ia_link.next.get();
    }
    if i != ia || !head.remove(ia, |i| &k[i].ia_link) {
        k.kernel_fault(FaultKind::Null, ObjRef::of(ia), "CK_STAILQ_REMOVE(in6_ifaddrhead)");
    }
}

/// `in6_unlink_ifa`: off the lists; drops their two references.
async fn in6_unlink_ifa(k: &K, ia: IfaId, ifp: IfId) {
    let _f = k.frame(&Func { name: "in6_unlink_ifa", file: FILE });
    let lock = locks::if_addr(k, ifp);
    k.lock(lock).await;
    if_c::addrhead_remove(k, ifp, ia);
    k.unlock(lock);
    ifa_free(k, ia);
    k.yield_at("in6_unlink_ifa:in6_ifaddrhead").await;
    k.lock(IN6_IFADDR).await;
    in6_ifaddrhead_remove(k, ia);
    if !k.st.v_in6_ifaddrhashtbl.remove(ia, |i| &k[i].ia_hash) {
        k.kernel_fault(FaultKind::Null, ObjRef::of(ia), "LIST_REMOVE(ia6_hash)");
    }
    let held = k.hold(ObjRef::of(ia), true);
    k.unlock(IN6_IFADDR);
    k.yield_at("in6_unlink_ifa:ia6_ndpr").await;
    let pr = k[ia].ia6_ndpr.get();
    let mut remove_lle = false;
    if !pr.is_null() {
        remove_lle = k[pr].ndpr_addrcnt.dec() == 0;
        k[ia].ia6_ndpr.set(PrId::NULL);
    }
    k.yield_at("in6_unlink_ifa:nd6_rem_ifa_lle").await;
    nd6_rem_ifa_lle(k, ia, remove_lle).await;
    if k[ia].ia6_flags.get() & IN6_IFF_AUTOCONF != 0 {
        pfxlist_onlink_check(k).await;
    }
    drop(held);
    ifa_free(k, ia);
}

// ---- interfaces ----------------------------------------------------------------------

/// `in6_domifattach`.
pub fn in6_domifattach(k: &K, ifp: IfId) -> ExtId {
    let _f = k.frame(&Func { name: "in6_domifattach", file: FILE });
    k.might_sleep();
    let ext = uma::alloc(k, |s| &s.exts);
    if ext.is_null() {
        return ext;
    }
    let e = &k[ext];
    e.ifp.set(ifp);
    e.chlim.set(super::in6_src::IPV6_DEFHLIM);
    // nd6_ifattach, with net.inet6.ip6.accept_rtadv=1: no interface is IFDISABLED. The
    // far ends of ng and tun agree on their link-local addresses with a daemon, which
    // clears auto_linklocal.
    let i = &k[ifp];
    let lo = i.if_flags.get() & IFF_LOOPBACK != 0;
    let auto = if lo || i.driver.get() == Driver::Epair { ND6_IFF_AUTO_LINKLOCAL } else { 0 };
    e.nd_flags.set(auto | if lo { 0 } else { ND6_IFF_ACCEPT_RTADV });
    e.mld_ifinfo.set(true);
    ext
}

/// `in6_domifdetach`.
pub async fn in6_domifdetach(k: &K, ifp: IfId, ext: ExtId) {
    let _f = k.frame(&Func { name: "in6_domifdetach", file: FILE });
    k[ext].mld_ifinfo.set(false);
    k.yield_at("in6_domifdetach:nd6_ifdetach").await;
    nd6_ifdetach(k, ifp).await;
    k.yield_at("in6_domifdetach:lltable_free").await;
    if_llatbl::lltable_free(k, ifp, Af::Inet6).await;
    k.yield_at("in6_domifdetach:free").await;
    if k.on(d::IN6_IFEXTRA_NOT_DEFERRED) {
        if k.on(d::F1_IFEXTRA_EPOCH_CALL) {
            net_epoch_call(k, Callback::In6IfextraFree(ext));
        } else {
            in6_ifextra_free(k, ext);
        }
    }
}

/// F1, an epoch callback: readers that may have found the interface before its routes
/// went have left, so if_afdata forgets what is freed.
pub fn in6_ifextra_free_epoch(k: &K, ext: ExtId) {
    k[k[ext].ifp.get()].if_afdata_inet6.set(ExtId::NULL);
    in6_ifextra_free(k, ext);
}

/// Frees an in6_ifextra: what `in6_domifdetach` ends with.
pub fn in6_ifextra_free(k: &K, ext: ExtId) {
    uma::free(k, |s| &s.exts, ext);
}

/// `in6_ifevent`: an interface has come up; that one goes down is nothing to IPv6.
pub async fn in6_ifevent(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "in6_ifevent", file: FILE });
    in6_if_up(k, ifp).await;
}

/// `in6_if_up`: DAD of what is there; then the link-local address.
pub async fn in6_if_up(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "in6_if_up", file: FILE });
    net_epoch_enter(k);
    let mut ifa = k[ifp].if_addrhead.first.get();
    while !ifa.is_null() && k.fuel() {
        if k[ifa].af.get() == Af::Inet6 && k[ifa].ia6_flags.get() & IN6_IFF_TENTATIVE != 0 {
            let _h = k.hold(ObjRef::of(ifa), false);
            k.yield_at("in6_if_up:nd6_dad_start").await;
            nd6_dad_start(k, ifa, 0).await;
        }
        ifa = k[ifa].ifa_link.next.get();
    }
    net_epoch_exit(k);
    k.yield_at("in6_if_up:in6_ifattach").await;
    in6_ifattach(k, ifp).await;
}
