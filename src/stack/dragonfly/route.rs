//! `sys/net/route.c`: routes, one full table for each CPU.
//!
//! A change of the tables is a message that goes from CPU to CPU and is served by each one's
//! routing thread ([`rtrequest1_global`]); lookups, clones and redirects stay on one CPU
//! ([`rtlookup`], [`rtredirect`]). A route holds a reference of its address, shared by all CPUs,
//! and is counted by its own CPU alone. The tree itself is in [`super::radix`].

use super::K;
use super::defects as d;
use super::if_c::{self, ifa_ifwithaddr, ifa_ifwithdstaddr, ifa_ifwithnet, ifaof_ifpforaddr};
use super::if_ether::arp_rtrequest;
use super::if_var::{ifafree, ifaref};
use super::in_rmx::{in_addroute, in_closeroute, in_matchroute};
use super::lwkt::*;
use super::objects::*;
pub use super::radix::*;
use super::sockaddr::{ifa_family, load_sa};
use super::{
    EADDRNOTAVAIL, EAFNOSUPPORT, EDQUOT, EEXIST, EHOSTUNREACH, EINVAL, ENETUNREACH, ENOBUFS,
    EOPNOTSUPP, ESRCH,
};
use crate::kern::hands::Hold;
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Func, What};
use crate::shadow::FaultKind;

const FILE: &str = "sys/net/route.c";

/// A routing message's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Req {
    /// `RTM_ADD`.
    Add,
    /// `RTM_DELETE`.
    Delete,
    /// `RTM_RESOLVE`.
    Resolve,
    /// `RTM_GET`, which rtrequest1 does not know.
    Get,
}

/// `struct rt_addrinfo`.
#[derive(Clone, Copy, Debug)]
pub struct RtInfo {
    /// `rti_info[RTAX_DST]`.
    pub dst: Sa,
    /// `rti_info[RTAX_GATEWAY]`; NULL for none.
    pub gateway: Sa,
    /// `rti_info[RTAX_NETMASK]`; NULL for none.
    pub netmask: Sa,
    /// `rti_flags`.
    pub flags: u32,
    /// `rti_ifa`.
    pub ifa: IfaId,
    /// `rti_ifp`.
    pub ifp: IfId,
}

impl RtInfo {
    /// `bzero`.
    pub fn zeroed() -> RtInfo {
        RtInfo {
            dst: Sa::Null,
            gateway: Sa::Null,
            netmask: Sa::Null,
            flags: 0,
            ifa: IfaId::NULL,
            ifp: IfId::NULL,
        }
    }
}

/// What is called on each CPU after its rtrequest1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callback {
    /// None.
    None,
    /// `rtinit_rtrequest_callback`.
    Rtinit(IfaId),
    /// `route_output_add_callback`.
    RouteOutputAdd,
    /// `route_output_delete_callback`.
    RouteOutputDelete,
    /// `route_output_change_callback`.
    RouteOutputChange,
    /// `route_output_lock_callback`.
    RouteOutputLock,
    /// Ours: frees what in_losing deleted.
    InLosing,
}

/// `rtalloc_ign`: fills `ro_rt` of a route cache.
pub fn rtalloc_ign(k: &K, ro_rt: RtId, dst: u32, ignore: u32) -> RtId {
    if !ro_rt.is_null() {
        if !k[ro_rt].rt_ifp.get().is_null() && k[ro_rt].rt_flags.get() & RTF_UP != 0 {
            return ro_rt;
        }
        rtfree(k, ro_rt);
    }
    rtlookup_common(k, dst, ignore)
}

/// `_rtlookup`: the route to `dst` on this CPU with a reference, cloned when it is a
/// cloning one and cloning is not ignored.
pub fn rtlookup_common(k: &K, dst: u32, ignore: u32) -> RtId {
    let cpu = k.mycpuid();
    let rt = in_matchroute(k, cpu, dst);
    if rt.is_null() {
        return RtId::NULL;
    }
    if k[rt].rt_flags.get() & !ignore & (RTF_CLONING | RTF_PRCLONING) != 0 {
        let mut clone = rt;
        let mut info = RtInfo { dst: Sa::Copy(Sin::inet(dst)), ..RtInfo::zeroed() };
        if rtrequest1(k, Req::Resolve, &mut info, Some(&mut clone)) == 0 {
            return clone;
        }
    }
    rtref(k, rt);
    rt
}

/// `rtlookup`.
pub fn rtlookup(k: &K, dst: u32) -> RtId {
    rtlookup_common(k, dst, 0)
}

/// `rtpurelookup`.
pub fn rtpurelookup(k: &K, dst: u32) -> RtId {
    rtlookup_common(k, dst, RTF_CLONING | RTF_PRCLONING)
}

/// `++rt->rt_refcnt`.
#[track_caller]
pub fn rtref(k: &K, rt: RtId) {
    let n = k[rt].rt_refcnt.inc();
    k.record_ref(ObjRef::of(rt), 1, n as u32);
}

/// `--rt->rt_refcnt`, by code that does not free.
#[track_caller]
pub fn rtunref(k: &K, rt: RtId) {
    let n = k[rt].rt_refcnt.dec();
    k.record_ref(ObjRef::of(rt), -1, n as u32);
}

/// `rtfree`.
#[track_caller]
pub fn rtfree(k: &K, rt: RtId) {
    let _f = k.frame(&Func { name: "rtfree", file: FILE });
    // rt_parent is dropped by a recursive call; the loop is that recursion.
    let mut rt = rt;
    while !rt.is_null() && k.fuel() {
        if k[rt].rt_refcnt.get() <= 0 {
            k.kernel_fault(
                FaultKind::Assert("rtfree: rt_refcnt"),
                ObjRef::of(rt),
                "rt->rt_refcnt > 0",
            );
            return;
        }
        rtunref(k, rt);
        if k[rt].rt_refcnt.get() != 0 {
            return;
        }
        in_closeroute(k, rt);
        if k[rt].rt_flags.get() & RTF_UP != 0 {
            return;
        }
        let foreign = k[rt].cpu.get() as usize != k.mycpuid();
        if foreign {
            k.violate(&super::invariants::I11_OWNER_CPU, ObjRef::of(rt), ObjRef::NONE, [0, 0]);
        }
        let ifa = k[rt].rt_ifa.get();
        if !ifa.is_null() {
            // The pointer dies with the route, at once: the books count pointers.
            k[rt].rt_ifa.set(IfaId::NULL);
            ifafree(k, ifa);
            if k.on(d::C2_EXTRA_IFAFREE_RTFREE) || foreign && k.on(d::C5_WRONG_CPU) {
                ifafree(k, ifa);
            }
        }
        let parent = k[rt].rt_parent.get();
        free_rtentry(k, rt);
        rt = parent;
    }
}

fn free_rtentry(k: &K, rt: RtId) {
    let obj = ObjRef::of(rt);
    k.record(|| What::Free(obj));
    super::invariants::check_free_rtentry(k, rt);
    k.check_hands(obj);
    if k.st.rt.is_live(rt) {
        k.st.rt.free(rt);
    }
}

/// `ifa_ifwithroute`.
pub fn ifa_ifwithroute(k: &K, flags: u32, dst: Sin, gateway: Sin) -> IfaId {
    let mut ifa = IfaId::NULL;
    if flags & RTF_GATEWAY == 0 {
        if flags & RTF_HOST != 0 {
            ifa = ifa_ifwithdstaddr(k, dst);
        }
        if ifa.is_null() {
            ifa = ifa_ifwithaddr(k, gateway);
        }
    } else {
        ifa = ifa_ifwithdstaddr(k, gateway);
    }
    if ifa.is_null() {
        ifa = ifa_ifwithnet(k, gateway);
    }
    if ifa.is_null() {
        if gateway.family != AF_INET {
            return ifa;
        }
        let rt = rtpurelookup(k, gateway.addr);
        if rt.is_null() {
            return ifa;
        }
        rtunref(k, rt);
        ifa = k[rt].rt_ifa.get();
        if ifa.is_null() {
            return ifa;
        }
    }
    if ifa_family(k, ifa) != dst.family {
        let other = ifaof_ifpforaddr(k, dst, k[ifa].ifa_ifp.get());
        if !other.is_null() {
            return other;
        }
    }
    ifa
}

/// `rt_getifa`: sets `ifa` and `ifp` of a request. The ifa comes back bare.
pub fn rt_getifa(k: &K, info: &mut RtInfo) -> i32 {
    let _f = k.frame(&Func { name: "rt_getifa", file: FILE });
    let Some(dst) = load_sa(k, info.dst, "rti_info[RTAX_DST]") else { return EINVAL };
    if info.ifa.is_null() {
        let gateway = match info.gateway {
            Sa::Null => None,
            g => load_sa(k, g, "rti_info[RTAX_GATEWAY]"),
        };
        let sa = gateway.unwrap_or(dst);
        info.ifa = if !info.ifp.is_null() {
            ifaof_ifpforaddr(k, sa, info.ifp)
        } else if let Some(g) = gateway {
            ifa_ifwithroute(k, info.flags, dst, g)
        } else {
            ifa_ifwithroute(k, info.flags, sa, sa)
        };
    }
    if info.ifa.is_null() {
        return ENETUNREACH;
    }
    if info.ifp.is_null() {
        info.ifp = k[info.ifa].ifa_ifp.get();
    }
    0
}

/// `rtrequest` with the key of a route that is in the tree.
pub fn rtrequest_delete(k: &K, rt: RtId) -> i32 {
    let r = &k[rt];
    let host = r.plen.get() == HOST;
    let mut info = RtInfo {
        dst: Sa::Copy(Sin::inet(r.rt_key.get())),
        netmask: if host { Sa::Null } else { Sa::Copy(Sin::inet(mask(r.plen.get()))) },
        flags: r.rt_flags.get(),
        ..RtInfo::zeroed()
    };
    rtrequest1(k, Req::Delete, &mut info, None)
}

/// `rtrequest1_global`: the request on every CPU in turn, by one message that the
/// route threads hand on.
pub async fn rtrequest1_global(k: &K, req: Req, info: &mut RtInfo, callback: Callback) -> i32 {
    let _f = k.frame(&Func { name: "rtrequest1_global", file: FILE });
    let _d = k.frame(&Func { name: "lwkt_domsg", file: "sys/kern/lwkt_msgport.c" });
    check_domsg(k);
    k.yield_at("rtrequest1_global:lwkt_domsg").await;
    let home = k.mycpuid();
    let mut ms_error = -1;
    let mut cpu = 0;
    let mut undo: Option<i32> = None;
    // The ifa that the first CPU finds: the others take it from the request.
    let mut hand = None;
    while cpu < k.ncpus() {
        if hand.is_some() && !k.on(d::W14_RTADD_BARE_IFA) && !is_listed(k, info.ifa) {
            undo = Some(ENETUNREACH);
            break;
        }
        k.lock(rtable_portfn(cpu)).await;
        k.set_cpu(cpu);
        let error = {
            let _t = rtable_thread(k, cpu);
            rtrequest1_msghandler(k, req, info, callback, &mut hand)
        };
        k.unlock(rtable_portfn(cpu));
        if k.stopped() {
            k.yield_at("rtrequest1_msghandler:lwkt_forwardmsg").await;
        }
        if ms_error < 0 || error == 0 {
            ms_error = error;
        }
        if error != 0 && req != Req::Delete {
            if cpu != 0 {
                if k.on(d::ADD_LATER_CPU_PANIC) {
                    let _t = rtable_thread(k, cpu);
                    let _h = k.frame(&Func { name: "rtrequest1_msghandler", file: FILE });
                    k.kernel_fault(
                        FaultKind::Panic("rtrequest table error was not on cpu #0"),
                        ObjRef::NONE,
                        "rtrequest1_msghandler",
                    );
                    k.yield_at("rtrequest1_msghandler:lwkt_replymsg").await;
                }
                undo = Some(error);
            }
            break;
        }
        cpu += 1;
        if cpu < k.ncpus() {
            k.yield_at("rtrequest1_msghandler:lwkt_forwardmsg").await;
        }
    }
    // Ours: the request gives the ifa back.
    if let Some(h) = hand {
        drop(h);
        if !k.on(d::W14_RTADD_BARE_IFA) {
            ifafree(k, info.ifa);
        }
    }
    if let Some(error) = undo {
        // Ours: take back what the CPUs before this one have added.
        for c in (0..cpu).rev() {
            k.yield_at("rtrequest1_msghandler:undo").await;
            k.lock(rtable_portfn(c)).await;
            k.set_cpu(c);
            {
                let _t = rtable_thread(k, c);
                rtrequest1_undo(k, info);
            }
            k.unlock(rtable_portfn(c));
        }
        ms_error = error;
    }
    k.set_cpu(home);
    k.yield_at("rtrequest1_msghandler:lwkt_replymsg").await;
    ms_error
}

/// The ifa that an ADD has found on its first CPU, for the others: as reported it goes to
/// them bare.
fn take_found(k: &K, ifa: IfaId) -> Hold<'_> {
    if k.on(d::W14_RTADD_BARE_IFA) {
        return hold_ia(k, ifa);
    }
    ifaref(k, ifa);
    k.hold(ObjRef::of(ifa), true)
}

/// Ours: whether an address is on its interface's list still.
fn is_listed(k: &K, ifa: IfaId) -> bool {
    let mut ifp = k.st.ifnet.first.get();
    while !ifp.is_null() && k.fuel() {
        let mut i = k[ifp].if_addrhead.first.get();
        while !i.is_null() && k.fuel() {
            if i == ifa {
                return true;
            }
            i = k[i].ifa_link.next.get();
        }
        ifp = k[ifp].if_link.next.get();
    }
    false
}

/// Ours: deletes what rtrequest1 has just added on this CPU.
fn rtrequest1_undo(k: &K, info: &RtInfo) {
    let mut back =
        RtInfo { dst: info.dst, netmask: info.netmask, flags: info.flags, ..RtInfo::zeroed() };
    let mut rt = RtId::NULL;
    if rtrequest1(k, Req::Delete, &mut back, Some(&mut rt)) == 0 {
        rtfree(k, rt);
    }
}

/// `rtrequest1_msghandler`: the request on this CPU.
fn rtrequest1_msghandler<'k>(
    k: &'k K,
    req: Req,
    info: &mut RtInfo,
    callback: Callback,
    hand: &mut Option<Hold<'k>>,
) -> i32 {
    let _f = k.frame(&Func { name: "rtrequest1_msghandler", file: FILE });
    let mut rt = RtId::NULL;
    let finds = req == Req::Add && info.ifa.is_null();
    let error = if req == Req::Delete && replaced(k, info) {
        ESRCH
    } else {
        rtrequest1(k, req, info, Some(&mut rt))
    };
    if k.stopped() {
        return error;
    }
    if finds && error == 0 && k.mycpuid() + 1 < k.ncpus() {
        *hand = Some(take_found(k, info.ifa));
    }
    if !rt.is_null() {
        rtunref(k, rt);
    }
    match callback {
        Callback::None => {}
        Callback::Rtinit(ifa) => rtinit_rtrequest_callback(k, req, error, rt, ifa),
        Callback::RouteOutputAdd => {}
        Callback::RouteOutputDelete => {
            super::rtsock::route_output_delete_callback(k, error, info, rt)
        }
        Callback::RouteOutputChange => {
            super::rtsock::route_output_change_callback(k, error, info, rt)
        }
        Callback::RouteOutputLock => super::rtsock::route_output_lock_callback(k, error, rt),
        Callback::InLosing => free_deleted(k, error, rt),
    }
    error
}

/// Ours: whether a DELETE of a redirect's route would find on this CPU what has taken its
/// place. in_losing looks at the route of its pcb before the message goes out; on its way
/// other routes of that key may come to any CPU, and only the flag tells them apart.
fn replaced(k: &K, info: &RtInfo) -> bool {
    if info.flags & RTF_DYNAMIC == 0 || k.on(d::IN_LOSING_DELETES_SUCCESSOR) {
        return false;
    }
    let Some(dst) = load_sa(k, info.dst, "dst->sa_family") else { return false };
    let rt = rn_victim(k, k.mycpuid(), dst.addr, HOST);
    !rt.is_null() && k[rt].rt_flags.get() & RTF_DYNAMIC == 0
}

/// Frees a route that a RTM_DELETE has taken out of the tree, unless it is held.
pub fn free_deleted(k: &K, error: i32, rt: RtId) {
    if error == 0 && !rt.is_null() && k[rt].rt_refcnt.get() == 0 {
        rtref(k, rt);
        rtfree(k, rt);
    }
}

/// `rtrequest1`, on this CPU's table. `ret` is `ret_nrt`: copied in for RESOLVE, out
/// with a reference for the others.
pub fn rtrequest1(k: &K, req: Req, info: &mut RtInfo, ret: Option<&mut RtId>) -> i32 {
    let _f = k.frame(&Func { name: "rtrequest1", file: FILE });
    k.crit_enter();
    let error = rtrequest1_crit(k, req, info, ret);
    k.crit_exit();
    error
}

/// What rtrequest1 does in its critical section.
fn rtrequest1_crit(k: &K, req: Req, info: &mut RtInfo, ret: Option<&mut RtId>) -> i32 {
    let cpu = k.mycpuid();
    let Some(dst) = load_sa(k, info.dst, "dst->sa_family") else { return EINVAL };
    if dst.family != AF_INET {
        return EAFNOSUPPORT;
    }
    if info.flags & RTF_HOST != 0 {
        info.netmask = Sa::Null;
        info.flags &= !(RTF_CLONING | RTF_PRCLONING);
    }
    match req {
        Req::Delete => {
            let Some(len) = netmask_len(k, info.netmask) else { return EINVAL };
            let rt = rn_delete(k, cpu, dst.addr & mask(len), len);
            if rt.is_null() {
                return ESRCH;
            }
            rtref(k, rt);
            let len = k[rt].plen.get();
            if k[rt].rt_flags.get() & (RTF_CLONING | RTF_PRCLONING) != 0 && len != HOST {
                rn_walktree_from(k, cpu, k[rt].rt_key.get(), len, |k, c| rt_fixdelete(k, c, rt));
            }
            let gw = k[rt].rt_gwroute.get();
            if !gw.is_null() {
                k[rt].rt_gwroute.set(RtId::NULL);
                rtfree(k, gw);
            }
            let r = &k[rt];
            r.rt_flags.set(r.rt_flags.get() & !RTF_UP);
            let ifa = r.rt_ifa.get();
            if !ifa.is_null() {
                ifa_rtrequest(k, ifa, Req::Delete, rt);
            }
            match ret {
                Some(r) => *r = rt,
                None => rtfree(k, rt),
            }
            0
        }
        Req::Resolve => {
            let Some(ret) = ret else { return EINVAL };
            let parent = *ret;
            let p = &k[parent];
            info.flags = p.rt_flags.get() & !(RTF_CLONING | RTF_PRCLONING | RTF_STATIC);
            info.flags |= RTF_WASCLONED | RTF_HOST;
            info.gateway = gateway_sa(p.rt_gateway.get());
            info.netmask = Sa::Null;
            info.ifa = p.rt_ifa.get();
            makeroute(k, req, info, dst, Some(ret), parent)
        }
        Req::Add => {
            if info.ifa.is_null() {
                let error = rt_getifa(k, info);
                if error != 0 {
                    return error;
                }
            }
            makeroute(k, req, info, dst, ret, RtId::NULL)
        }
        Req::Get => EOPNOTSUPP,
    }
}

/// The prefix length that a netmask pointer stands for.
fn netmask_len(k: &K, netmask: Sa) -> Option<u8> {
    match netmask {
        Sa::Null => Some(HOST),
        m => load_sa(k, m, "rti_info[RTAX_NETMASK]").map(|s| plen(s.addr)),
    }
}

fn gateway_sa(g: Gateway) -> Sa {
    Sa::Copy(match g {
        Gateway::Inet(a) => Sin::inet(a),
        Gateway::Link(i, _) => Sin { family: AF_LINK, addr: u32::from(i) },
        Gateway::Null => Sin::default(),
    })
}

/// `makeroute:` of rtrequest1, for ADD and RESOLVE.
fn makeroute(
    k: &K,
    req: Req,
    info: &mut RtInfo,
    dst: Sin,
    ret: Option<&mut RtId>,
    parent: RtId,
) -> i32 {
    let cpu = k.mycpuid();
    let ifa = info.ifa;
    if k.fails("rtrequest1:R_Malloc") {
        return ENOBUFS;
    }
    let Some(rt) = k.st.rt.alloc() else {
        k.exhaust();
        return ENOBUFS;
    };
    k.record(|| What::Alloc(ObjRef::of(rt)));
    let r = &k[rt];
    r.rt_flags.set(RTF_UP | info.flags);
    r.rt_refcnt.set(0);
    r.rt_ifa.set(IfaId::NULL);
    r.rt_ifp.set(IfId::NULL);
    r.rt_gateway.set(Gateway::Null);
    r.rt_gwroute.set(RtId::NULL);
    r.rt_parent.set(RtId::NULL);
    r.rt_llinfo.set(LaId::NULL);
    r.rmx_expire.set(0);
    r.cpu.set(cpu as u8);
    r.by_loopback.set(false);
    // Not in the tree yet: the key is set below, the mask by rn_addroute.
    r.plen.set(HOST);
    r.rt_key.set(dst.addr);
    let error = rt_setgate(k, rt, dst, info.gateway, true);
    if error != 0 {
        k.record(|| What::Free(ObjRef::of(rt)));
        k.st.rt.free(rt);
        return error;
    }
    let Some(len) = netmask_len(k, info.netmask) else { return EINVAL };
    r.plen.set(len);
    r.rt_key.set(dst.addr & mask(len));

    let skip = match req {
        Req::Resolve => k.on(d::C2_NO_IFAREF_RESOLVE),
        _ => k.on(d::C2_NO_IFAREF_ADD),
    };
    if !skip {
        ifaref(k, ifa);
    }
    r.rt_ifa.set(ifa);
    r.rt_ifp.set(k[ifa].ifa_ifp.get());

    let mut added = in_addroute(k, cpu, rt);
    if !added && !k.stopped() {
        let old = rtpurelookup(k, k[rt].rt_key.get());
        if !old.is_null() {
            rtunref(k, old);
            if k[old].rt_flags.get() & RTF_WASCLONED != 0 {
                rtrequest_delete(k, old);
                added = in_addroute(k, cpu, rt);
            }
        }
    }
    if !added {
        let gw = r.rt_gwroute.get();
        if !gw.is_null() {
            r.rt_gwroute.set(RtId::NULL);
            rtfree(k, gw);
        }
        r.rt_ifa.set(IfaId::NULL);
        r.rt_flags.set(0);
        ifafree(k, ifa);
        if k.on(d::C2_EXTRA_IFAFREE_EEXIST) {
            ifafree(k, ifa);
        }
        free_rtentry(k, rt);
        return EEXIST;
    }
    if req == Req::Resolve {
        // The metrics come from the parent, its expiry among them.
        r.rmx_expire.set(k[parent].rmx_expire.get());
    }
    if req == Req::Resolve && k[parent].rt_flags.get() & (RTF_CLONING | RTF_PRCLONING) != 0 {
        r.rt_parent.set(parent);
        rtref(k, parent);
    }
    ifa_rtrequest(k, ifa, req, rt);
    if req == Req::Add && len != HOST {
        rn_walktree_from(k, cpu, r.rt_key.get(), len, |k, c| rt_fixchange(k, c, rt));
    }
    if let Some(ret) = ret {
        rtref(k, rt);
        *ret = rt;
    }
    0
}

/// Calls `ifa->ifa_rtrequest`.
pub fn ifa_rtrequest(k: &K, ifa: IfaId, req: Req, rt: RtId) {
    match k[ifa].ifa_rtrequest.get() {
        RtRequest::None | RtRequest::Lo => {}
        RtRequest::Arp => arp_rtrequest(k, req, rt),
        RtRequest::Link => if_c::link_rtrequest(k, req, rt),
    }
}

/// `rt_fixdelete`: a clone of a route being deleted goes with it.
fn rt_fixdelete(k: &K, rt: RtId, rt0: RtId) {
    let _f = k.frame(&Func { name: "rt_fixdelete", file: FILE });
    if k[rt].rt_parent.get() == rt0 && k[rt].rt_flags.get() & (RTF_CLONING | RTF_PRCLONING) == 0 {
        rtrequest_delete(k, rt);
    }
}

/// `rt_fixchange`: a clone that a route just added or changed covers goes.
fn rt_fixchange(k: &K, rt: RtId, rt0: RtId) {
    let _f = k.frame(&Func { name: "rt_fixchange", file: FILE });
    let r = &k[rt];
    let parent = r.rt_parent.get();
    if parent.is_null() || r.rt_flags.get() & (RTF_CLONING | RTF_PRCLONING) != 0 {
        return;
    }
    // Not for a route less specific than the one it was cloned from.
    if parent == rt0
        || k[parent].plen.get() <= k[rt0].plen.get()
            && r.rt_key.get() & mask(k[rt0].plen.get()) == k[rt0].rt_key.get()
    {
        rtrequest_delete(k, rt);
    }
}

/// `rt_setgate`. `fresh`: the route has no gateway yet.
pub fn rt_setgate(k: &K, rt: RtId, dst: Sin, gate: Sa, fresh: bool) -> i32 {
    let _f = k.frame(&Func { name: "rt_setgate", file: FILE });
    let cpu = k.mycpuid();
    let Some(gate) = load_sa(k, gate, "gate->sa_len") else { return EINVAL };
    let r = &k[rt];
    let kind = r.rt_flags.get() & (RTF_HOST | RTF_GATEWAY | RTF_LLINFO);
    if kind == RTF_HOST | RTF_GATEWAY && gate == dst {
        if !fresh {
            rtrequest_delete(k, rt);
        }
        return EADDRNOTAVAIL;
    }
    // A sockaddr_dl is longer than a sockaddr_in: in 2007 a longer gateway needed new memory.
    let longer = gate.family == AF_LINK && matches!(r.rt_gateway.get(), Gateway::Inet(_));
    let needs_memory = fresh || longer && k.on(d::ARP_SETGATE_IGNORED);
    if needs_memory && k.fails("rt_setgate:R_Malloc") {
        return ENOBUFS;
    }
    r.rt_gateway.set(match gate.family {
        AF_LINK => Gateway::Link(gate.addr as u8, false),
        _ => Gateway::Inet(gate.addr),
    });
    let old = r.rt_gwroute.get();
    if !old.is_null() {
        r.rt_gwroute.set(RtId::NULL);
        rtfree(k, old);
    }
    if r.rt_flags.get() & RTF_GATEWAY != 0 && gate.family == AF_INET {
        let gw = rtlookup_common(k, gate.addr, RTF_PRCLONING);
        if gw == rt && !gw.is_null() {
            rtunref(k, rt);
            return EDQUOT;
        }
        r.rt_gwroute.set(gw);
    }
    if r.rt_flags.get() & RTF_HOST == 0 && !fresh && r.plen.get() != HOST {
        rn_walktree_from(k, cpu, r.rt_key.get(), r.plen.get(), |k, c| rt_fixchange(k, c, rt));
    }
    0
}

/// `rt_llroute`: the route whose link-level information to use; bare.
pub fn rt_llroute(k: &K, dst: u32, rt0: RtId) -> Result<RtId, i32> {
    let mut up = rt0;
    if k[rt0].rt_flags.get() & RTF_UP == 0 {
        up = rtlookup(k, dst);
        if up.is_null() {
            return Err(EHOSTUNREACH);
        }
        rtunref(k, up);
    }
    if k[up].rt_flags.get() & RTF_GATEWAY == 0 {
        return Ok(up);
    }
    let gw = k[up].rt_gwroute.get();
    if gw.is_null() || k[gw].rt_flags.get() & RTF_UP == 0 {
        if !gw.is_null() {
            k[up].rt_gwroute.set(RtId::NULL);
            rtfree(k, gw);
        }
        let Gateway::Inet(g) = k[up].rt_gateway.get() else { return Err(EHOSTUNREACH) };
        let new = rtlookup(k, g);
        k[up].rt_gwroute.set(new);
        if new.is_null() {
            return Err(EHOSTUNREACH);
        }
        return Ok(new);
    }
    Ok(gw)
}

/// `rtredirect`: a redirect from the current router, on every CPU. ICMP is served by
/// netisr_cpu 0, whose thread this runs in.
pub async fn rtredirect(k: &K, dst: u32, gateway: u32) -> i32 {
    let _f = k.frame(&Func { name: "rtredirect", file: FILE });
    check_domsg(k);
    k.yield_at("rtredirect:lwkt_domsg").await;
    let home = k.mycpuid();
    let mut result = 0;
    for cpu in 0..k.ncpus() {
        k.lock(rtable_portfn(cpu)).await;
        k.set_cpu(cpu);
        {
            let _t = rtable_thread(k, cpu);
            let e = rtredirect_oncpu(k, dst, gateway);
            if cpu == 0 {
                result = e;
            }
        }
        k.unlock(rtable_portfn(cpu));
        k.yield_at("rtredirect_msghandler:lwkt_forwardmsg").await;
    }
    k.set_cpu(home);
    result
}

/// `rtredirect_oncpu`. The source of the redirect is taken to be the current router.
fn rtredirect_oncpu(k: &K, dst: u32, gateway: u32) -> i32 {
    let _f = k.frame(&Func { name: "rtredirect_oncpu", file: FILE });
    let ifa = ifa_ifwithnet(k, Sin::inet(gateway));
    if ifa.is_null() {
        return ENETUNREACH;
    }
    let rt = rtpurelookup(k, dst);
    if !rt.is_null() && k[rt].rt_ifa.get() != ifa {
        rtfree(k, rt);
        return EINVAL;
    }
    if !ifa_ifwithaddr(k, Sin::inet(gateway)).is_null() {
        if !rt.is_null() {
            rtfree(k, rt);
        }
        return EHOSTUNREACH;
    }
    if !rt.is_null() && k[rt].rt_flags.get() & RTF_GATEWAY == 0 {
        rtfree(k, rt);
        return EHOSTUNREACH;
    }
    if !rt.is_null() && k[rt].rt_flags.get() & RTF_HOST != 0 {
        let r = &k[rt];
        r.rt_flags.set(r.rt_flags.get() | RTF_MODIFIED);
        rt_setgate(k, rt, Sin::inet(r.rt_key.get()), Sa::Copy(Sin::inet(gateway)), false);
        rtfree(k, rt);
        return 0;
    }
    // create: from a network route to a host route. In 2007 the network route's
    // reference was lost with the pointer.
    if !rt.is_null() && !k.on(d::REDIRECT_NET_ROUTE_LEAK) {
        rtfree(k, rt);
    }
    let mut info = RtInfo {
        dst: Sa::Copy(Sin::inet(dst)),
        gateway: Sa::Copy(Sin::inet(gateway)),
        flags: RTF_HOST | RTF_GATEWAY | RTF_DYNAMIC,
        ifa,
        ..RtInfo::zeroed()
    };
    let mut new = RtId::NULL;
    let error = rtrequest1(k, Req::Add, &mut info, Some(&mut new));
    if !new.is_null() {
        rtfree(k, new);
    }
    error
}

/// What rtinit is to take instead of the ifa's own addresses: the repaired scrubs hand
/// over the old ones instead of aiming the ifa's pointers at a stack.
#[derive(Clone, Copy, Debug, Default)]
pub struct Old {
    /// Instead of `ifa_addr`.
    pub addr: Option<Sin>,
    /// Instead of `ifa_dstaddr`.
    pub dst: Option<Sin>,
}

/// `rtinit`: adds or deletes the route of an interface address.
pub async fn rtinit(k: &K, ifa: IfaId, cmd: Req, flags: u32, old: Old) -> i32 {
    let _f = k.frame(&Func { name: "rtinit", file: FILE });
    let addr = old.addr.map_or_else(|| k[ifa].ifa_addr.get(), Sa::Copy);
    let (mut dst, netmask) = if flags & RTF_HOST != 0 {
        (old.dst.map_or_else(|| k[ifa].ifa_dstaddr.get(), Sa::Copy), Sa::Null)
    } else {
        (addr, k[ifa].ifa_netmask.get())
    };
    if cmd == Req::Delete {
        let mut len = HOST;
        if flags & RTF_HOST == 0 {
            if k.fails("rtinit:m_get") {
                return ENOBUFS;
            }
            let Some(m) = load_sa(k, netmask, "ifa->ifa_netmask") else { return EINVAL };
            let Some(a) = load_sa(k, dst, "ifa->ifa_addr") else { return EINVAL };
            dst = Sa::Copy(Sin { family: a.family, addr: a.addr & m.addr });
            len = plen(m.addr);
        }
        let Some(a) = load_sa(k, dst, "ifa->ifa_dstaddr") else { return EINVAL };
        let rt =
            if a.family == AF_INET { rn_lookup(k, k.mycpuid(), a.addr, len) } else { RtId::NULL };
        if rt.is_null() || k[rt].rt_ifa.get() != ifa {
            return if flags & RTF_HOST != 0 { EHOSTUNREACH } else { ENETUNREACH };
        }
    }
    let mut info = RtInfo {
        dst,
        gateway: addr,
        netmask,
        flags: flags | k[ifa].ifa_flags.get(),
        ifa,
        ifp: IfId::NULL,
    };
    let _ifa = hold_ia(k, ifa);
    rtrequest1_global(k, cmd, &mut info, Callback::Rtinit(ifa)).await
}

/// `rtinit_rtrequest_callback`.
fn rtinit_rtrequest_callback(k: &K, cmd: Req, error: i32, rt: RtId, ifa: IfaId) {
    let _f = k.frame(&Func { name: "rtinit_rtrequest_callback", file: FILE });
    if error != 0 || rt.is_null() {
        return;
    }
    if k.mycpuid() == 0 {
        // rt_newaddrmsg reads ifa_addr.
        rtref(k, rt);
        load_sa(k, k[ifa].ifa_addr.get(), "ifa->ifa_addr");
        rtunref(k, rt);
    }
    if cmd == Req::Delete {
        free_deleted(k, error, rt);
    }
}
