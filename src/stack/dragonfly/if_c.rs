//! `sys/net/if.c`: interfaces, their ioctls, their addresses' lookups, their end.

use super::K;
use super::defects as d;
use super::if_gif::{gif_clone_create, gif_clone_destroy};
use super::if_var::{ifafree, ifafree_list, ifaref};
use super::in_c::{self, AliasReq, in_control};
use super::in_rmx::ncpus2;
use super::lwkt::*;
use super::lwkt_serialize::{lwkt_serialize_enter, lwkt_serialize_exit};
use super::lwkt_thread::lwkt_migratecpu;
use super::netisr::netmsg_service_sync;
use super::objects::*;
use super::route::{Req, rn_walktree, rtrequest_delete};
use super::sockaddr::{ifa_family, load_sa};
use super::uipc_domain::{Prc, pfctlinput};
use super::{EINVAL, EIO, ENXIO, if_spppsubr, if_tun};
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Func, What};
use crate::shadow::FaultKind;

const FILE: &str = "sys/net/if.c";

/// The ioctls that change an interface or its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cmd {
    /// `SIOCSIFADDR`.
    Sifaddr,
    /// `SIOCAIFADDR`.
    Aifaddr,
    /// `SIOCDIFADDR`.
    Difaddr,
    /// `SIOCSIFDSTADDR`.
    Sifdstaddr,
    /// `SIOCSIFNETMASK`.
    Sifnetmask,
    /// `SIOCSIFFLAGS`.
    Sifflags,
}

/// `ifunit`: the interface of a name, bare.
pub fn ifunit(k: &K, name: u8) -> IfId {
    let mut i = k.st.ifnet.first.get();
    while !i.is_null() && k.fuel() {
        if k[i].name.get() == name {
            return i;
        }
        i = k[i].if_link.next.get();
    }
    IfId::NULL
}

/// `if_attach`, with the link-level address.
pub fn if_attach(k: &K, name: u8, driver: Driver, flags: u16) -> IfId {
    let _f = k.frame(&Func { name: "if_attach", file: FILE });
    let (Some(ifp), Some(ifa)) = (k.st.ifnets.alloc(), k.st.ifa.alloc()) else {
        k.exhaust();
        return IfId::NULL;
    };
    k.record(|| What::Alloc(ObjRef::of(ifp)));
    k.record(|| What::Alloc(ObjRef::of(ifa)));
    let i = &k[ifp];
    i.name.set(name);
    i.driver.set(driver);
    i.if_flags.set(flags);
    i.open.set(false);
    i.tun_dstaddr.set(false);
    i.if_addrhead.init();
    i.if_link.zero();
    let other = ifunit(k, name);
    if !other.is_null() {
        k.violate(&super::invariants::ONE_NAME, ObjRef::of(ifp), ObjRef::of(other), [0, 0]);
    }
    k.st.ifnet.insert_tail(ifp, |i| &k[i].if_link);
    let index = k.st.if_index.get() + 1;
    if index as usize >= k.st.ifindex2ifnet.len() {
        k.exhaust();
        return ifp;
    }
    k.st.if_index.set(index);
    i.if_index.set(index);
    k.st.ifindex2ifnet[index as usize].set(ifp);

    let a = &k[ifa];
    a.is_in.set(false);
    a.implicit.set(true);
    a.user_deleted.set(false);
    a.ifa_addr.set(Sa::Addr(ifa));
    a.ia_addr.set(Sin { family: AF_LINK, addr: u32::from(index) });
    a.ifa_dstaddr.set(Sa::Null);
    a.ifa_netmask.set(Sa::Mask(ifa));
    a.ia_sockmask.set(Sin { family: AF_LINK, addr: 0 });
    a.ia_dstaddr.set(Sin::default());
    a.ia_subnetmask.set(0);
    a.ifa_ifp.set(ifp);
    a.ifa_rtrequest.set(RtRequest::Link);
    a.ifa_flags.set(0);
    a.ifa_refcnt.set(0);
    a.ia_hash.zero();
    a.ia_link.zero();
    a.ifa_link.zero();
    i.if_lladdr.set(ifa);
    k.record(|| What::List("if_addrhead", true, ObjRef::of(ifa)));
    i.if_addrhead.insert_head(ifa, |i| &k[i].ifa_link);
    ifp
}

/// `if_detach`.
pub async fn if_detach(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "if_detach", file: FILE });
    let _ifp = k.hold(ObjRef::of(ifp), false);
    k.yield_at("if_detach:ifnet_detach_event").await;
    k.crit_enter();
    if_down(k, ifp).await;
    k[ifp].if_lladdr.set(IfaId::NULL);
    loop {
        let ifa = k[ifp].if_addrhead.first.get();
        if ifa.is_null() || !k.fuel() {
            break;
        }
        // The request is what ifa_addr points at, which need not be ia_addr (W4).
        let sa = load_sa(k, k[ifa].ifa_addr.get(), "ifa->ifa_addr->sa_family");
        if let Some(Sin { family: AF_INET, addr }) = sa {
            let req = AliasReq { addr, ..AliasReq::default() };
            if in_control(k, Cmd::Difaddr, ifp, req).await == 0 {
                continue;
            }
        }
        in_c::addrhead_remove(k, ifp, ifa);
        if k[ifa].is_in.get() && !k.on(d::IFDETACH_GENERIC_UNLINK) {
            in_c::in_ifaddrhead_remove(k, ifa);
            if super::invariants::is_hashed(k, ifa) {
                in_c::hash_remove(k, ifa);
            }
        }
        ifafree_list(k, ifa);
    }
    let origcpu = k.mycpuid();
    let end = if k.on(d::W15_IFDETACH_NCPUS2) { ncpus2(k) } else { k.ncpus() };
    for cpu in 0..end {
        lwkt_migratecpu(k, cpu).await;
        rn_walktree(k, cpu, |k, rt| if_rtdel(k, rt, ifp));
    }
    lwkt_migratecpu(k, origcpu).await;

    let st = &k.st;
    st.ifindex2ifnet[k[ifp].if_index.get() as usize].set(IfId::NULL);
    while st.if_index.get() > 0 && st.ifindex2ifnet[st.if_index.get() as usize].get().is_null() {
        st.if_index.dec();
    }
    if !st.ifnet.remove(ifp, |i| &k[i].if_link) {
        k.kernel_fault(FaultKind::Null, ObjRef::of(ifp), "*ifp->if_link.tqe_prev");
    }
    k.crit_exit();
    super::invariants::check_detached(k, ifp);
}

/// `if_rtdel`.
fn if_rtdel(k: &K, rt: RtId, ifp: IfId) {
    let r = &k[rt];
    if r.rt_ifp.get() != ifp || r.rt_flags.get() & RTF_UP == 0 {
        return;
    }
    if !k.on(d::IFRTDEL_WALK) {
        r.rt_flags.set(r.rt_flags.get() & !(RTF_CLONING | RTF_PRCLONING));
    }
    rtrequest_delete(k, rt);
}

/// The driver's `kfree` of the softc that the ifnet lives in.
pub fn free_ifnet(k: &K, ifp: IfId) {
    let obj = ObjRef::of(ifp);
    if !k.st.ifnets.is_live(ifp) {
        k.violate(&crate::shadow::rules::DOUBLE_FREE, obj, ObjRef::NONE, [0, 0]);
        return;
    }
    k.record(|| What::Free(obj));
    k.check_hands(obj);
    k.st.ifnets.free(ifp);
}

/// `ifa_ifwithaddr`.
pub fn ifa_ifwithaddr(k: &K, addr: Sin) -> IfaId {
    let mut ifp = k.st.ifnet.first.get();
    while !ifp.is_null() && k.fuel() {
        let mut i = k[ifp].if_addrhead.first.get();
        while !i.is_null() && k.fuel() {
            let p = k[i].ifa_addr.get();
            if load_sa(k, p, "ifa->ifa_addr->sa_family").is_some_and(|s| s == addr) {
                return i;
            }
            i = k[i].ifa_link.next.get();
        }
        ifp = k[ifp].if_link.next.get();
    }
    IfaId::NULL
}

/// `ifa_ifwithdstaddr`.
pub fn ifa_ifwithdstaddr(k: &K, addr: Sin) -> IfaId {
    let mut ifp = k.st.ifnet.first.get();
    while !ifp.is_null() && k.fuel() {
        if k[ifp].if_flags.get() & IFF_POINTOPOINT != 0 {
            let mut i = k[ifp].if_addrhead.first.get();
            while !i.is_null() && k.fuel() {
                if ifa_family(k, i) == addr.family && dst_is(k, i, addr) {
                    return i;
                }
                i = k[i].ifa_link.next.get();
            }
        }
        ifp = k[ifp].if_link.next.get();
    }
    IfaId::NULL
}

fn dst_is(k: &K, ifa: IfaId, addr: Sin) -> bool {
    match k[ifa].ifa_dstaddr.get() {
        Sa::Null => false,
        p => load_sa(k, p, "ifa->ifa_dstaddr").is_some_and(|s| s == addr),
    }
}

/// `ifa_ifwithnet`: the most specific network that `addr` is on.
pub fn ifa_ifwithnet(k: &K, addr: Sin) -> IfaId {
    if addr.family == AF_LINK && addr.addr != 0 && addr.addr <= u32::from(k.st.if_index.get()) {
        let ifp = k.st.ifindex2ifnet[addr.addr as usize].get();
        if ifp.is_null() && !k.on(d::IFINDEX_HOLE) {
            return IfaId::NULL;
        }
        return k[ifp].if_lladdr.get();
    }
    let mut maybe = IfaId::NULL;
    let mut maybe_mask = 0;
    let mut ifp = k.st.ifnet.first.get();
    while !ifp.is_null() && k.fuel() {
        let p2p = k[ifp].if_flags.get() & IFF_POINTOPOINT != 0;
        let mut i = k[ifp].if_addrhead.first.get();
        while !i.is_null() && k.fuel() {
            let here = load_sa(k, k[i].ifa_addr.get(), "ifa->ifa_addr->sa_family");
            if let Some(a) = here.filter(|a| a.family == addr.family) {
                if p2p {
                    if dst_is(k, i, addr) {
                        return i;
                    }
                } else if let Some(m) = load_sa(k, k[i].ifa_netmask.get(), "ifa->ifa_netmask")
                    // A link-level mask covers the name, which no request has.
                    && addr.family != AF_LINK
                    && (a.addr ^ addr.addr) & m.addr == 0
                    && (maybe.is_null() || m.addr > maybe_mask)
                {
                    maybe = i;
                    maybe_mask = m.addr;
                }
            }
            i = k[i].ifa_link.next.get();
        }
        ifp = k[ifp].if_link.next.get();
    }
    maybe
}

/// `ifaof_ifpforaddr`: the address of an interface that fits `addr` best.
pub fn ifaof_ifpforaddr(k: &K, addr: Sin, ifp: IfId) -> IfaId {
    let p2p = k[ifp].if_flags.get() & IFF_POINTOPOINT != 0;
    let mut maybe = IfaId::NULL;
    let mut i = k[ifp].if_addrhead.first.get();
    while !i.is_null() && k.fuel() {
        let here = load_sa(k, k[i].ifa_addr.get(), "ifa->ifa_addr->sa_family");
        if let Some(a) = here.filter(|a| a.family == addr.family) {
            if maybe.is_null() {
                maybe = i;
            }
            if p2p {
                if dst_is(k, i, addr) {
                    return i;
                }
            } else if let Some(m) = load_sa(k, k[i].ifa_netmask.get(), "ifa->ifa_netmask")
                && (a.addr ^ addr.addr) & m.addr == 0
            {
                return i;
            }
        }
        i = k[i].ifa_link.next.get();
    }
    maybe
}

/// `link_rtrequest`: a route made with the link-level address takes a real one.
pub fn link_rtrequest(k: &K, req: Req, rt: RtId) {
    let _f = k.frame(&Func { name: "link_rtrequest", file: FILE });
    if req != Req::Add {
        return;
    }
    let old = k[rt].rt_ifa.get();
    let ifa = ifaof_ifpforaddr(k, Sin::inet(k[rt].rt_key.get()), k[old].ifa_ifp.get());
    if !ifa.is_null() {
        ifafree(k, old);
        ifaref(k, ifa);
        k[rt].rt_ifa.set(ifa);
        if k[ifa].ifa_rtrequest.get() != RtRequest::Link {
            super::route::ifa_rtrequest(k, ifa, req, rt);
        }
    }
}

/// `if_unroute` and `if_route`: tells every address, in a plain walk over calls that
/// sleep.
async fn if_ctlinput(k: &K, ifp: IfId, cmd: Prc) {
    let mut i = k[ifp].if_addrhead.first.get();
    while !i.is_null() && k.fuel() {
        {
            let _ifa = hold_ia(k, i);
            pfctlinput(k, cmd, k[i].ifa_addr.get()).await;
        }
        i = k[i].ifa_link.next.get();
    }
}

/// `if_down`.
pub async fn if_down(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "if_down", file: FILE });
    let _ifp = k.hold(ObjRef::of(ifp), false);
    let i = &k[ifp];
    i.if_flags.set(i.if_flags.get() & !IFF_UP);
    {
        let _f = k.frame(&Func { name: "if_unroute", file: FILE });
        if_ctlinput(k, ifp, Prc::IfDown).await;
    }
    netmsg_service_sync(k).await;
}

/// `if_up`.
pub async fn if_up(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "if_up", file: FILE });
    let _ifp = k.hold(ObjRef::of(ifp), false);
    let _r = k.frame(&Func { name: "if_route", file: FILE });
    let i = &k[ifp];
    i.if_flags.set(i.if_flags.get() | IFF_UP);
    if_ctlinput(k, ifp, Prc::IfUp).await;
}

/// `ifp->if_ioctl`, called with the serializer held: the driver may wait, and fail.
pub async fn if_ioctl(k: &K, ifp: IfId, cmd: Cmd, ia: IfaId) -> i32 {
    let _f = k.frame(&Func { name: "if_ioctl", file: "the driver" });
    k.yield_at("if_ioctl:driver").await;
    let fallible = match cmd {
        Cmd::Sifaddr => "if_ioctl:SIOCSIFADDR",
        Cmd::Sifdstaddr => "if_ioctl:SIOCSIFDSTADDR",
        _ => "",
    };
    if !fallible.is_empty() && k.fails(fallible) {
        return EIO;
    }
    let i = &k[ifp];
    let flags = i.if_flags.get();
    match (i.driver.get(), cmd) {
        // ether_ioctl looks at the new address through ifa_addr.
        (Driver::Em | Driver::Tap, Cmd::Sifaddr) => {
            if ifa_family(k, ia) == AF_INET {
                if flags & IFF_UP == 0 {
                    i.if_flags.set(flags | IFF_UP | IFF_RUNNING);
                }
                super::if_ether::arp_ifinit(k, ia);
            }
            0
        }
        (Driver::Em, Cmd::Sifflags) => {
            let run = if flags & IFF_UP != 0 { flags | IFF_RUNNING } else { flags & !IFF_RUNNING };
            i.if_flags.set(run);
            0
        }
        (Driver::Tap, Cmd::Sifflags) => {
            if flags & IFF_UP != 0 {
                i.if_flags.set(flags | IFF_RUNNING);
            }
            0
        }
        (Driver::Gif, Cmd::Sifaddr) => {
            i.if_flags.set(flags | IFF_UP);
            0
        }
        (Driver::Tun, Cmd::Sifaddr | Cmd::Sifdstaddr) => if_tun::tuninit(k, ifp),
        (Driver::Lo, Cmd::Sifaddr) => {
            i.if_flags.set(flags | IFF_UP | IFF_RUNNING);
            k[ia].ifa_rtrequest.set(RtRequest::Lo);
            0
        }
        (Driver::Sppp, Cmd::Sifaddr | Cmd::Sifflags) => {
            if cmd == Cmd::Sifaddr {
                i.if_flags.set(flags | IFF_UP);
            }
            if_spppsubr::sppp_ioctl_flags(k, ifp).await
        }
        _ => 0,
    }
}

/// `ifioctl`: an ioctl on a named interface.
pub async fn ifioctl(k: &K, name: u8, cmd: Cmd, req: AliasReq) -> i32 {
    let _f = k.frame(&Func { name: "ifioctl", file: FILE });
    control_enter(k, None).await;
    let ifp = ifunit(k, name);
    let error = if ifp.is_null() {
        ENXIO
    } else {
        let _ifp = k.hold(ObjRef::of(ifp), false);
        in_control(k, cmd, ifp, req).await
    };
    control_exit(k);
    error
}

/// `ifioctl(SIOCSIFFLAGS)`: up, down, or flags that change nothing.
pub async fn ifioctl_flags(k: &K, name: u8, up: Option<bool>) -> i32 {
    let _f = k.frame(&Func { name: "ifioctl", file: FILE });
    control_enter(k, Some(d::W12_IFUNROUTE_WALK)).await;
    let ifp = ifunit(k, name);
    if ifp.is_null() {
        control_exit(k);
        return ENXIO;
    }
    let _ifp = k.hold(ObjRef::of(ifp), false);
    let is_up = k[ifp].if_flags.get() & IFF_UP != 0;
    match up {
        Some(false) if is_up => if_down(k, ifp).await,
        Some(true) if !is_up => if_up(k, ifp).await,
        _ => {}
    }
    lwkt_serialize_enter(k, ifp, "ifioctl:lwkt_serialize_enter").await;
    if_ioctl(k, ifp, Cmd::Sifflags, IfaId::NULL).await;
    lwkt_serialize_exit(k, ifp);
    control_exit(k);
    0
}

/// `ifioctl(SIOCIFCREATE)`, `if_clone_create`: gif is the cloner. It looks for the name once,
/// before it sleeps.
pub async fn if_clone_create(k: &K, name: u8) -> i32 {
    let _f = k.frame(&Func { name: "if_clone_create", file: FILE });
    control_enter(k, Some(d::CREATE_UNSERIALIZED)).await;
    let error = if !ifunit(k, name).is_null() {
        super::EEXIST
    } else {
        let (ifp, taken) = gif_clone_create(k, name).await;
        if taken {
            // ifc_units has a bit for each interface of a cloner.
            k.kernel_fault(
                FaultKind::Assert("if_clone_create: bit is already set"),
                ObjRef::of(ifp),
                "ifc->ifc_units",
            );
        }
        0
    };
    control_exit(k);
    error
}

/// `ifioctl(SIOCIFDESTROY)`, `if_clone_destroy`: only gif is the cloner's.
pub async fn if_clone_destroy(k: &K, name: u8) -> i32 {
    let _f = k.frame(&Func { name: "if_clone_destroy", file: FILE });
    control_enter(k, Some(d::DETACH_UNSERIALIZED)).await;
    let ifp = ifunit(k, name);
    let error = if ifp.is_null() {
        ENXIO
    } else if k[ifp].driver.get() != Driver::Gif {
        EINVAL
    } else {
        gif_clone_destroy(k, ifp).await;
        0
    };
    control_exit(k);
    error
}
