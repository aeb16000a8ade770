//! `sys/netinet/in_mcast.c`: IPv4 multicast memberships.
//!
//! An `in_multi` has one reference for each member: a socket's filter, or the interface
//! itself (all-hosts). The last one disconnects it from its link-level membership, takes
//! a reference of the interface and leaves the rest to a task.

use super::defects as d;
use super::if_c::{
    if_addmulti, if_delmulti_ifma, if_delmulti_ifma_flags, if_ref, if_rele, ifnet_byindex,
    ifnet_byindex_ref, ifunit,
};
use super::igmp::{igmp_change_state, ii_igmp};
use super::in_c::dying;
use super::in_pcb;
use super::invariants as inv;
use super::kern_descrip::fdrop;
use super::locks::{self, IN_MULTI, IN_MULTI_LIST};
use super::objects::*;
use super::subr_epoch::{net_epoch_enter, net_epoch_exit};
use super::subr_taskqueue::{Task, taskqueue_drain, taskqueue_enqueue};
use super::uipc_socket::socket;
use super::{EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENOMEM, ENXIO, EOPNOTSUPP, K, uma};
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Func, What};
use crate::shadow::FaultKind;

const FILE: &str = "sys/netinet/in_mcast.c";

/// `inm_release_wait`.
pub async fn inm_release_wait(k: &K) {
    let _f = k.frame(&Func { name: "inm_release_wait", file: FILE });
    taskqueue_drain(k, Task::InmRelease).await;
}

/// `inm_acquire_locked`.
#[track_caller]
fn inm_acquire_locked(k: &K, inm: InmId) {
    let refs = &k[inm].refcount;
    if refs.get() == 0 {
        k.violate(&inv::I06_ACQUIRE_FROM_ZERO, ObjRef::of(inm), ObjRef::NONE, [0, 0]);
    }
    k.record_ref(ObjRef::of(inm), 1, refs.inc());
}

/// `inm_disconnect`: off the interface's list; from now on the record holds a reference
/// of the interface. `if_addr_lock` is held.
fn inm_disconnect(k: &K, inm: InmId) {
    let _f = k.frame(&Func { name: "inm_disconnect", file: FILE });
    let (ifp, ifma) = (k[inm].ifp.get(), k[inm].ifma.get());
    if_ref(k, ifp);
    k[inm].releasing.set(true);
    if k[ifma].enqueued.get() {
        k.record(|| What::List("if_multiaddrs", false, ObjRef::of(ifma)));
        if !k[ifp].if_multiaddrs.remove(ifma, |i| &k[i].ifma_link) {
            k.kernel_fault(FaultKind::Null, ObjRef::of(ifma), "STAILQ_REMOVE(if_multiaddrs)");
        }
        k[ifma].enqueued.set(false);
    }
}

/// `inm_rele_locked`: gives a reference up; whether that was the last one, and the record
/// waits for its task now. `in_multi_list_mtx` and `if_addr_lock` are held. The list of the
/// original's caller is the task's own here.
#[track_caller]
pub fn inm_rele_locked(k: &K, inm: InmId) -> bool {
    let refs = &k[inm].refcount;
    if refs.get() == 0 {
        k.violate(&inv::I06_RELEASE_AT_ZERO, ObjRef::of(inm), ObjRef::NONE, [0, 0]);
    }
    let n = refs.dec();
    k.record_ref(ObjRef::of(inm), -1, n);
    if n != 0 {
        return false;
    }
    inm_disconnect(k, inm);
    k[k[inm].ifma.get()].protospec.set(InmId::NULL);
    if !k.st.inm_free_list.push(inm) {
        k.exhaust();
    }
    true
}

/// `inm_release_list_deferred`.
pub fn inm_release_list_deferred(k: &K, any: bool) {
    if any {
        taskqueue_enqueue(k, Task::InmRelease);
    }
}

/// `inm_release_deferred`.
#[track_caller]
fn inm_release_deferred(k: &K, inm: InmId) {
    let last = inm_rele_locked(k, inm);
    inm_release_list_deferred(k, last);
}

/// `inm_release_task`.
pub async fn inm_release_task(k: &K) {
    let _f = k.frame(&Func { name: "inm_release_task", file: FILE });
    let mut inm_free_tmp = [InmId::NULL; 24];
    let mut n = 0;
    while let Some(inm) = k.st.inm_free_list.remove(0) {
        inm_free_tmp[n] = inm;
        n += 1;
    }
    k.yield_at("inm_release_task:in_multi_lock").await;
    k.lock(IN_MULTI).await;
    for &inm in &inm_free_tmp[..n] {
        inm_release(k, inm).await;
    }
    k.unlock(IN_MULTI);
}

/// `inm_release`.
async fn inm_release(k: &K, inm: InmId) {
    let _f = k.frame(&Func { name: "inm_release", file: FILE });
    let (ifp, ifma) = (k[inm].ifp.get(), k[inm].ifma.get());
    uma::free(k, |s| &s.inms, inm);
    let held = k.hold(ObjRef::of(ifp), true);
    {
        let _ifma = k.hold(ObjRef::of(ifma), true);
        k.yield_at("inm_release:if_delmulti").await;
    }
    if_delmulti_ifma_flags(k, ifma, true).await;
    k.yield_at("inm_release:if_rele").await;
    drop(held);
    if_rele(k, ifp);
}

/// `inm_lookup`.
fn inm_lookup(k: &K, ifp: IfId, group: Addr) -> InmId {
    let mut ifma = k[ifp].if_multiaddrs.first[0].get();
    while !ifma.is_null() && k.fuel() {
        let m = &k[ifma];
        if m.af.get() == Af::Inet && m.enqueued.get() && !m.protospec.get().is_null() {
            let inm = m.protospec.get();
            if k[inm].group.get() == group {
                return inm;
            }
        }
        ifma = m.ifma_link.next.get();
    }
    InmId::NULL
}

/// `in_getmulti`: the record of a group, with a reference; `in_multi_sx` is held.
async fn in_getmulti(k: &K, ifp: IfId, group: Addr) -> Result<InmId, i32> {
    let _f = k.frame(&Func { name: "in_getmulti", file: FILE });
    let ii = k[ifp].if_afdata_inet.get();
    k.lock(IN_MULTI_LIST).await;
    net_epoch_enter(k);
    let inm = inm_lookup(k, ifp, group);
    net_epoch_exit(k);
    if !inm.is_null() {
        inm_acquire_locked(k, inm);
    }
    k.unlock(IN_MULTI_LIST);
    if !inm.is_null() {
        return Ok(inm);
    }
    k.yield_at("in_getmulti:if_addmulti").await;
    let ifma = if_addmulti(k, ifp, Af::Inet, group).await?;
    {
        let _ifma = k.hold(ObjRef::of(ifma), true);
        k.yield_at("in_getmulti:list_lock").await;
        k.lock(IN_MULTI_LIST).await;
        k.lock(locks::if_addr(k, ifp)).await;
    }
    let inm = k[ifma].protospec.get();
    if !inm.is_null() {
        inm_acquire_locked(k, inm);
        k.unlock(locks::if_addr(k, ifp));
        k.unlock(IN_MULTI_LIST);
        return Ok(inm);
    }
    let inm = if k.fails("malloc_in_multi") { InmId::NULL } else { uma::alloc(k, |s| &s.inms) };
    if inm.is_null() {
        k.unlock(locks::if_addr(k, ifp));
        k.unlock(IN_MULTI_LIST);
        if_delmulti_ifma(k, ifma).await;
        return Err(ENOMEM);
    }
    let m = &k[inm];
    m.af.set(Af::Inet);
    m.group.set(group);
    m.ifp.set(ifp);
    ii_igmp(k, ifp, ii);
    m.ifma.set(ifma);
    m.refcount.set(1);
    k.record_ref(ObjRef::of(inm), 1, 1);
    k[ifma].protospec.set(inm);
    k.unlock(locks::if_addr(k, ifp));
    k.unlock(IN_MULTI_LIST);
    Ok(inm)
}

/// `in_joingroup`.
pub async fn in_joingroup(k: &K, ifp: IfId, group: Addr) -> Result<InmId, i32> {
    let _f = k.frame(&Func { name: "in_joingroup", file: FILE });
    k.lock(IN_MULTI).await;
    let joined = in_joingroup_locked(k, ifp, group).await;
    k.unlock(IN_MULTI);
    joined
}

/// `in_joingroup_locked`; `in_multi_sx` is held. The reference is the caller's.
pub async fn in_joingroup_locked(k: &K, ifp: IfId, group: Addr) -> Result<InmId, i32> {
    let _f = k.frame(&Func { name: "in_joingroup_locked", file: FILE });
    let inm = in_getmulti(k, ifp, group).await?;
    {
        let _inm = k.hold(ObjRef::of(inm), true);
        k.yield_at("in_joingroup_locked:merge").await;
        k.lock(IN_MULTI_LIST).await;
    }
    let error = if k.fails("inm_merge") {
        ENOMEM
    } else {
        igmp_change_state(k, inm);
        if k.fails("igmp_change_state") { ENOBUFS } else { 0 }
    };
    if error != 0 {
        {
            let _inm = k.hold(ObjRef::of(inm), true);
            k.lock(locks::if_addr(k, ifp)).await;
        }
        inm_release_deferred(k, inm);
        k.unlock(locks::if_addr(k, ifp));
    }
    k.unlock(IN_MULTI_LIST);
    if error == 0 { Ok(inm) } else { Err(error) }
}

/// `in_leavegroup`: the caller's field still names the record, and is cleared after.
pub async fn in_leavegroup(k: &K, inm: InmId) {
    let _f = k.frame(&Func { name: "in_leavegroup", file: FILE });
    k.lock(IN_MULTI).await;
    in_leavegroup_locked(k, inm).await;
    k.unlock(IN_MULTI);
}

/// `in_leavegroup_locked`; `in_multi_sx` is held. What the protocol has to say about it
/// may fail; the reference goes in any case.
pub async fn in_leavegroup_locked(k: &K, inm: InmId) {
    let _f = k.frame(&Func { name: "in_leavegroup_locked", file: FILE });
    k.lock(IN_MULTI_LIST).await;
    igmp_change_state(k, inm);
    let ifp = k[inm].ifp.get();
    k.lock(locks::if_addr(k, ifp)).await;
    inm_release_deferred(k, inm);
    k.unlock(locks::if_addr(k, ifp));
    k.unlock(IN_MULTI_LIST);
}

/// `inp_setmoptions`: setsockopt(MCAST_JOIN_GROUP), (MCAST_LEAVE_GROUP).
pub async fn inp_setmoptions(k: &K, sock: usize, join: bool, name: u8, group: Addr) -> i32 {
    let _f = k.frame(&Func { name: "inp_setmoptions", file: FILE });
    if in_pcb::is_tcp(sock) {
        return EOPNOTSUPP;
    }
    let inp = match socket(k, sock, Af::Inet) {
        Ok(inp) => inp,
        Err(error) => return error,
    };
    let error = {
        let _inp = k.hold(ObjRef::of(inp), false);
        if join {
            inp_join_group(k, inp, name, group).await
        } else {
            inp_leave_group(k, inp, name, group).await
        }
    };
    fdrop(k, inp).await;
    error
}

/// `imo_match_group`: the place of a membership.
fn imo_match_group(k: &K, inp: InpId, ifp: IfId, group: Addr) -> Option<usize> {
    k[inp].memberships.iter().position(|m| {
        let inm = m.get();
        !inm.is_null() && k[inm].ifp.get() == ifp && k[inm].group.get() == group
    })
}

/// `inp_join_group`.
async fn inp_join_group(k: &K, inp: InpId, name: u8, group: Addr) -> i32 {
    let _f = k.frame(&Func { name: "inp_join_group", file: FILE });
    net_epoch_enter(k);
    let found = ifunit(k, name);
    let ifp = if found.is_null() { found } else { ifnet_byindex_ref(k, k[found].if_index.get()) };
    net_epoch_exit(k);
    if ifp.is_null() {
        return EADDRNOTAVAIL;
    }
    let held = k.hold(ObjRef::of(ifp), true);
    let error = if k[ifp].if_flags.get() & IFF_MULTICAST == 0 {
        EADDRNOTAVAIL
    } else {
        k.yield_at("inp_join_group:in_multi_lock").await;
        k.lock(IN_MULTI).await;
        let refused = dying(k, ifp) && !k.on(d::JOIN_WHILE_DYING);
        let error = if refused { EADDRNOTAVAIL } else { join(k, inp, ifp, group).await };
        k.unlock(IN_MULTI);
        error
    };
    drop(held);
    if_rele(k, ifp);
    error
}

/// `inp_join_group`, with `in_multi_sx` held.
async fn join(k: &K, inp: InpId, ifp: IfId, group: Addr) -> i32 {
    let lock = locks::inp(k, inp);
    k.lock(lock).await;
    let error = if imo_match_group(k, inp, ifp, group).is_some() {
        EADDRINUSE
    } else if k[inp].memberships.iter().all(|m| !m.get().is_null()) || k.fails("ip_mfilter_alloc") {
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
    let joined = in_joingroup_locked(k, ifp, group).await;
    {
        let _inm = joined.ok().map(|inm| k.hold(ObjRef::of(inm), true));
        k.yield_at("inp_join_group:inp_lock").await;
        k.lock(lock).await;
    }
    drop(pcb);
    if in_pcb::in_pcbrele_wlocked(k, inp) {
        if let Ok(inm) = joined {
            release(k, ifp, inm).await;
        }
        return ENXIO;
    }
    let free = k[inp].memberships.iter().position(|m| m.get().is_null());
    let error = match (joined, free) {
        (Ok(inm), Some(i)) => {
            k[inp].memberships[i].set(inm);
            0
        }
        (Ok(inm), None) => {
            k.unlock(lock);
            release(k, ifp, inm).await;
            return ENOMEM;
        }
        (Err(error), _) => error,
    };
    k.unlock(lock);
    error
}

/// Gives a reference up that did not find its place.
async fn release(k: &K, ifp: IfId, inm: InmId) {
    {
        let _inm = k.hold(ObjRef::of(inm), true);
        k.lock(IN_MULTI_LIST).await;
        k.lock(locks::if_addr(k, ifp)).await;
    }
    inm_release_deferred(k, inm);
    k.unlock(locks::if_addr(k, ifp));
    k.unlock(IN_MULTI_LIST);
}

/// `inp_leave_group`: the interface is only compared with.
async fn inp_leave_group(k: &K, inp: InpId, name: u8, group: Addr) -> i32 {
    let _f = k.frame(&Func { name: "inp_leave_group", file: FILE });
    net_epoch_enter(k);
    let found = ifunit(k, name);
    let ifp = if found.is_null() { found } else { ifnet_byindex(k, k[found].if_index.get()) };
    net_epoch_exit(k);
    if ifp.is_null() {
        return EADDRNOTAVAIL;
    }
    k.yield_at("inp_leave_group:in_multi_lock").await;
    k.lock(IN_MULTI).await;
    let lock = locks::inp(k, inp);
    k.lock(lock).await;
    let error = match imo_match_group(k, inp, ifp, group) {
        Some(i) => {
            let inm = k[inp].memberships[i].get();
            k[inp].memberships[i].set(InmId::NULL);
            let _inm = k.hold(ObjRef::of(inm), true);
            in_leavegroup_locked(k, inm).await;
            0
        }
        None if k[inp].inp_freed.get() => EINVAL,
        None => EADDRNOTAVAIL,
    };
    k.unlock(lock);
    k.unlock(IN_MULTI);
    error
}
