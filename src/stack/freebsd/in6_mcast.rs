//! `sys/netinet6/in6_mcast.c`: IPv6 multicast memberships.
//!
//! An `in6_multi` has one reference for each member: a socket's filter or an address's
//! membership. Who takes the last but one away disconnects the record from the interface:
//! off its list, with a reference of the interface in return; a task frees the record and
//! gives that reference up. `in6_multi_sx` serializes all of it.
//!
//! Left out: source filters and the state of MLD, that is the reference of a group that is
//! being left until its last report is sent.

use super::defects as d;
use super::if_c::{
    if_addmulti, if_delmulti_ifma, if_delmulti_ifma_flags, if_ref, if_rele, ifnet_byindex,
    ifnet_byindex_ref, ifunit,
};
use super::in_pcb;
use super::in6_c::dying;
use super::invariants as inv;
use super::kern_descrip::fdrop;
use super::locks::{self, IN6_MULTI, IN6_MULTI_LIST};
use super::mld6::mld_change_state;
use super::nd6::nd_ifinfo;
use super::objects::*;
use super::scope6::in6_setscope;
use super::subr_epoch::{net_epoch_enter, net_epoch_exit};
use super::subr_taskqueue::{Task, taskqueue_drain, taskqueue_enqueue};
use super::uipc_socket::socket;
use super::{EADDRINUSE, EADDRNOTAVAIL, ENODEV, ENOMEM, ENXIO, EOPNOTSUPP, K, uma};
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Func, What};
use crate::shadow::FaultKind;

const FILE: &str = "sys/netinet6/in6_mcast.c";

/// `in6m_acquire_locked`.
#[track_caller]
fn in6m_acquire_locked(k: &K, inm: InmId) {
    let refs = &k[inm].refcount;
    if refs.get() == 0 {
        k.violate(&inv::I06_ACQUIRE_FROM_ZERO, ObjRef::of(inm), ObjRef::NONE, [0, 0]);
    }
    k.record_ref(ObjRef::of(inm), 1, refs.inc());
}

/// `in6m_rele_locked`; whether the record waits for its task now. The list of the
/// original's caller is the task's own here: both are emptied under `in6_multi_sx`.
#[track_caller]
fn in6m_rele_locked(k: &K, inm: InmId) -> bool {
    let refs = &k[inm].refcount;
    if refs.get() == 0 {
        k.violate(&inv::I06_RELEASE_AT_ZERO, ObjRef::of(inm), ObjRef::NONE, [0, 0]);
    }
    let now = refs.dec();
    k.record_ref(ObjRef::of(inm), -1, now);
    if now != 0 {
        return false;
    }
    k[k[inm].ifma.get()].protospec.set(InmId::NULL);
    if !k.st.in6m_free_list.push(inm) {
        k.exhaust();
    }
    true
}

/// `in6m_release_list_deferred`.
pub fn in6m_release_list_deferred(k: &K, any: bool) {
    if any {
        taskqueue_enqueue(k, Task::In6mRelease);
    }
}

/// `in6m_disconnect_locked`: off the interface's list, and off the memberships of its
/// addresses; whether a record waits for the task now.
pub fn in6m_disconnect_locked(k: &K, inm: InmId) -> bool {
    let _f = k.frame(&Func { name: "in6m_disconnect_locked", file: FILE });
    let ifp = k[inm].ifp.get();
    if ifp.is_null() {
        return false;
    }
    k[inm].ifp.set(IfId::NULL);
    let ifma = k[inm].ifma.get();
    if_ref(k, ifp);
    k[inm].releasing.set(true);
    if k[ifma].enqueued.get() {
        k.record(|| What::List("if_multiaddrs", false, ObjRef::of(ifma)));
        if !k[ifp].if_multiaddrs.remove(ifma, |i| &k[i].ifma_link) {
            k.kernel_fault(FaultKind::Null, ObjRef::of(ifma), "CK_STAILQ_REMOVE(if_multiaddrs)");
        }
        k[ifma].enqueued.set(false);
    }
    let mut any = false;
    let mut ifa = k[ifp].if_addrhead.first.get();
    while !ifa.is_null() && k.fuel() {
        for m in k[ifa].ia6_memberships.iter().filter(|m| m.get() == inm && !inm.is_null()) {
            m.set(InmId::NULL);
            any |= in6m_rele_locked(k, inm);
        }
        ifa = k[ifa].ifa_link.next.get();
    }
    any
}

/// `in6m_release_task`.
pub async fn in6m_release_task(k: &K) {
    let _f = k.frame(&Func { name: "in6m_release_task", file: FILE });
    k.yield_at("in6m_release_task:in6_multi_lock").await;
    k.lock(IN6_MULTI).await;
    while let Some(inm) = k.st.in6m_free_list.remove(0) {
        in6m_release(k, inm).await;
    }
    k.unlock(IN6_MULTI);
}

async fn in6m_release(k: &K, inm: InmId) {
    let _f = k.frame(&Func { name: "in6m_release", file: FILE });
    let ifma = k[inm].ifma.get();
    let mut ifp = k[inm].ifp.get();
    if ifp.is_null() {
        ifp = k[ifma].ifma_ifp.get();
    }
    uma::free(k, |s| &s.inms, inm);
    if ifp.is_null() {
        if_delmulti_ifma_flags(k, ifma, true).await;
        return;
    }
    let held = k.hold(ObjRef::of(ifp), true);
    if_delmulti_ifma_flags(k, ifma, true).await;
    k.yield_at("in6m_release:if_rele").await;
    drop(held);
    if_rele(k, ifp);
}

/// `in6m_release_wait`.
pub async fn in6m_release_wait(k: &K) {
    let _f = k.frame(&Func { name: "in6m_release_wait", file: FILE });
    taskqueue_drain(k, Task::In6mRelease).await;
}

/// `in6m_lookup_locked`.
fn in6m_lookup_locked(k: &K, ifp: IfId, group: Addr) -> InmId {
    let mut ifma = k[ifp].if_multiaddrs.first[0].get();
    while !ifma.is_null() && k.fuel() {
        let inm = in6m_ifmultiaddr_get_inm(k, ifma);
        if !inm.is_null() && k[inm].group.get() == group {
            return inm;
        }
        ifma = k[ifma].ifma_link.next.get();
    }
    InmId::NULL
}

/// `in6m_ifmultiaddr_get_inm`: the membership that a link-level record stands for, if any.
pub fn in6m_ifmultiaddr_get_inm(k: &K, ifma: IfmaId) -> InmId {
    let m = &k[ifma];
    if m.af.get() == Af::Inet6 && m.enqueued.get() { m.protospec.get() } else { InmId::NULL }
}

/// `in6_getmulti`: the record of a group, with a reference.
async fn in6_getmulti(k: &K, ifp: IfId, group: Addr) -> Result<InmId, i32> {
    let _f = k.frame(&Func { name: "in6_getmulti", file: FILE });
    let lock = locks::if_addr(k, ifp);
    k.lock(IN6_MULTI_LIST).await;
    k.lock(lock).await;
    net_epoch_enter(k);
    let attached = !k[ifp].if_afdata_inet6.get().is_null();
    let inm = if attached { in6m_lookup_locked(k, ifp, group) } else { InmId::NULL };
    net_epoch_exit(k);
    if !attached {
        k.unlock(IN6_MULTI_LIST);
        k.unlock(lock);
        return Err(ENODEV);
    }
    if !inm.is_null() {
        in6m_acquire_locked(k, inm);
    }
    k.unlock(IN6_MULTI_LIST);
    k.unlock(lock);
    if !inm.is_null() {
        return Ok(inm);
    }
    k.yield_at("in6_getmulti:if_addmulti").await;
    let ifma = if_addmulti(k, ifp, Af::Inet6, group).await?;
    let held = k.hold(ObjRef::of(ifma), true);
    k.yield_at("in6_getmulti:ifma_protospec").await;
    k.lock(IN6_MULTI_LIST).await;
    k.lock(lock).await;
    let inm = k[ifma].protospec.get();
    if !inm.is_null() {
        in6m_acquire_locked(k, inm);
        k.unlock(IN6_MULTI_LIST);
        k.unlock(lock);
        return Ok(inm);
    }
    let inm = if k.fails("malloc_in6_multi") { InmId::NULL } else { uma::alloc(k, |s| &s.inms) };
    if inm.is_null() {
        k.unlock(IN6_MULTI_LIST);
        k.unlock(lock);
        drop(held);
        if_delmulti_ifma(k, ifma).await;
        return Err(ENOMEM);
    }
    let m = &k[inm];
    m.af.set(Af::Inet6);
    m.group.set(group);
    m.ifp.set(ifp);
    let _ = nd_ifinfo(k, ifp, "MLD_IFINFO(ifp)");
    m.ifma.set(ifma);
    m.refcount.set(1);
    k.record_ref(ObjRef::of(inm), 1, 1);
    k[ifma].protospec.set(inm);
    k.unlock(IN6_MULTI_LIST);
    k.unlock(lock);
    Ok(inm)
}

/// `in6_joingroup`: an advertisement, which must not sleep, has the lock already.
pub async fn in6_joingroup(k: &K, ifp: IfId, group: Addr) -> Result<InmId, i32> {
    let _f = k.frame(&Func { name: "in6_joingroup", file: FILE });
    let owned = k.owns_exclusively(IN6_MULTI);
    if !owned {
        k.lock(IN6_MULTI).await;
    }
    let joined = in6_joingroup_locked(k, ifp, group).await;
    if !owned {
        k.unlock(IN6_MULTI);
    }
    joined
}

/// `in6_joingroup_locked`.
pub async fn in6_joingroup_locked(k: &K, ifp: IfId, group: Addr) -> Result<InmId, i32> {
    let _f = k.frame(&Func { name: "in6_joingroup_locked", file: FILE });
    let inm = in6_getmulti(k, ifp, group).await?;
    let held = k.hold(ObjRef::of(inm), true);
    k.yield_at("in6_joingroup_locked:mld_change_state").await;
    k.lock(IN6_MULTI_LIST).await;
    mld_change_state(k, inm);
    if !k.fails("mld_change_state") {
        k.unlock(IN6_MULTI_LIST);
        return Ok(inm);
    }
    let lock = locks::if_addr(k, ifp);
    k.lock(lock).await;
    let ifma = k[inm].ifma.get();
    if k[ifma].protospec.get() == inm {
        k[ifma].protospec.set(InmId::NULL);
    }
    let any = in6m_disconnect_locked(k, inm);
    drop(held);
    let any = in6m_rele_locked(k, inm) | any;
    k.unlock(lock);
    k.unlock(IN6_MULTI_LIST);
    in6m_release_list_deferred(k, any);
    Err(ENOMEM)
}

/// `in6_leavegroup`; takes over the caller's reference.
pub async fn in6_leavegroup(k: &K, inm: InmId) {
    let _f = k.frame(&Func { name: "in6_leavegroup", file: FILE });
    let _inm = k.hold(ObjRef::of(inm), true);
    let owned = k.owns_exclusively(IN6_MULTI);
    if !owned {
        k.lock(IN6_MULTI).await;
    }
    in6_leavegroup_locked(k, inm).await;
    if !owned {
        k.unlock(IN6_MULTI);
    }
}

/// `in6_leavegroup_locked`; gives up the caller's reference, which the caller has
/// registered.
pub async fn in6_leavegroup_locked(k: &K, inm: InmId) {
    let _f = k.frame(&Func { name: "in6_leavegroup_locked", file: FILE });
    let ifp = k[inm].ifp.get();
    k.yield_at("in6_leavegroup_locked:in6_multi_list_lock").await;
    k.lock(IN6_MULTI_LIST).await;
    if !ifp.is_null() {
        mld_change_state(k, inm);
    }
    let lock = (!ifp.is_null()).then(|| locks::if_addr(k, ifp));
    if let Some(lock) = lock {
        k.lock(lock).await;
    }
    let any = k[inm].refcount.get() == 1 && in6m_disconnect_locked(k, inm);
    let any = in6m_rele_locked(k, inm) | any;
    if let Some(lock) = lock {
        k.unlock(lock);
    }
    k.unlock(IN6_MULTI_LIST);
    in6m_release_list_deferred(k, any);
}

// ---- sockets -------------------------------------------------------------------------

/// `ip6_setmoptions`: setsockopt(IPV6_JOIN_GROUP), (IPV6_LEAVE_GROUP).
pub async fn in6p_setmoptions(k: &K, sock: usize, join: bool, name: u8, group: Addr) -> i32 {
    let _f = k.frame(&Func { name: "ip6_setmoptions", file: FILE });
    if in_pcb::is_tcp(sock) {
        return EOPNOTSUPP;
    }
    let inp = match socket(k, sock, Af::Inet6) {
        Ok(inp) => inp,
        Err(error) => return error,
    };
    let error = {
        let _inp = k.hold(ObjRef::of(inp), false);
        if join {
            in6p_join_group(k, inp, name, group).await
        } else {
            in6p_leave_group(k, inp, name, group).await
        }
    };
    fdrop(k, inp).await;
    error
}

/// `im6o_match_group`: the place of a membership.
fn im6o_match_group(k: &K, inp: InpId, ifp: IfId, group: Addr) -> Option<usize> {
    k[inp].memberships.iter().position(|m| {
        let inm = m.get();
        !inm.is_null() && k[inm].ifp.get() == ifp && k[inm].group.get() == group
    })
}

/// The interface of a request, by index; with a reference when repaired. NULL when there
/// is none.
fn request_ifp(k: &K, name: u8) -> (IfId, bool) {
    let found = ifunit(k, name);
    if found.is_null() {
        return (found, false);
    }
    let index = k[found].if_index.get();
    if k.on(d::JOIN_WHILE_DYING) {
        (ifnet_byindex(k, index), false)
    } else {
        let ifp = ifnet_byindex_ref(k, index);
        (ifp, !ifp.is_null())
    }
}

async fn in6p_join_group(k: &K, inp: InpId, name: u8, group: Addr) -> i32 {
    let _f = k.frame(&Func { name: "in6p_join_group", file: FILE });
    net_epoch_enter(k);
    let (ifp, counted) = request_ifp(k, name);
    net_epoch_exit(k);
    if ifp.is_null() {
        return EADDRNOTAVAIL;
    }
    let held = k.hold(ObjRef::of(ifp), counted);
    k.yield_at("in6p_join_group:ifp").await;
    let error = if k[ifp].if_flags.get() & IFF_MULTICAST == 0 {
        EADDRNOTAVAIL
    } else {
        let group = in6_setscope(k, group, ifp);
        k.lock(IN6_MULTI).await;
        let refused = !k.on(d::JOIN_WHILE_DYING) && dying(k, ifp);
        let error = if refused { ENXIO } else { join_locked(k, inp, ifp, group).await };
        k.unlock(IN6_MULTI);
        error
    };
    drop(held);
    if counted {
        if_rele(k, ifp);
    }
    error
}

/// The rest of `in6p_join_group`, with `in6_multi_sx` held.
async fn join_locked(k: &K, inp: InpId, ifp: IfId, group: Addr) -> i32 {
    let lock = locks::inp(k, inp);
    k.lock(lock).await;
    let error = if im6o_match_group(k, inp, ifp, group).is_some() {
        EADDRINUSE
    } else if k[inp].memberships.iter().all(|m| !m.get().is_null()) || k.fails("ip6_mfilter_alloc")
    {
        ENOMEM
    } else {
        0
    };
    if error != 0 {
        k.unlock(lock);
        return error;
    }
    in_pcb::in_pcbref(k, inp);
    k.unlock(lock);
    let pcb = k.hold(ObjRef::of(inp), true);
    let joined = in6_joingroup_locked(k, ifp, group).await;
    let held = joined.ok().map(|inm| k.hold(ObjRef::of(inm), true));
    k.yield_at("in6p_join_group:inp_lock").await;
    k.lock(lock).await;
    drop(pcb);
    if in_pcb::in_pcbrele_wlocked(k, inp) {
        // Not reached: the system call has a reference of the file, whose last one frees
        // the pcb. The original would free the record whoever else refers to it.
        if let Ok(inm) = joined {
            in6_leavegroup_locked(k, inm).await;
        }
        drop(held);
        return ENXIO;
    }
    let error = match joined {
        Ok(inm) => match k[inp].memberships.iter().find(|m| m.get().is_null()) {
            Some(m) => {
                m.set(inm);
                drop(held);
                0
            }
            None => {
                k.unlock(lock);
                in6_leavegroup_locked(k, inm).await;
                drop(held);
                return ENOMEM;
            }
        },
        Err(error) => error,
    };
    k.unlock(lock);
    error
}

async fn in6p_leave_group(k: &K, inp: InpId, name: u8, group: Addr) -> i32 {
    let _f = k.frame(&Func { name: "in6p_leave_group", file: FILE });
    net_epoch_enter(k);
    let (ifp, counted) = request_ifp(k, name);
    net_epoch_exit(k);
    if ifp.is_null() {
        return EADDRNOTAVAIL;
    }
    let held = k.hold(ObjRef::of(ifp), counted);
    k.yield_at("in6p_leave_group:ifp").await;
    let group = in6_setscope(k, group, ifp);
    k.lock(IN6_MULTI).await;
    let lock = locks::inp(k, inp);
    k.lock(lock).await;
    let error = match im6o_match_group(k, inp, ifp, group) {
        Some(i) => {
            let inm = k[inp].memberships[i].get();
            k[inp].memberships[i].set(InmId::NULL);
            let _inm = k.hold(ObjRef::of(inm), true);
            in6_leavegroup_locked(k, inm).await;
            0
        }
        None => EADDRNOTAVAIL,
    };
    k.unlock(lock);
    k.unlock(IN6_MULTI);
    drop(held);
    if counted {
        if_rele(k, ifp);
    }
    error
}
