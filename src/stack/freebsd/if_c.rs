//! `sys/net/if.c`: interfaces come, change and go; addresses are counted.
//!
//! An interface is found by name on `V_ifnet` and by number in `ifindex_table`. Who asks by
//! name gets a reference and no dying interface; who asks by number gets neither promise.
//! Detaching takes it off the list, waits once for everybody inside the epoch, and then
//! takes it apart step by step while those who hold references, or found it through
//! routes, still run: the order of [`if_detach`] is what half of the defects are about.

use super::defects as d;
use super::if_dead::{if_dead, ifdead_ioctl};
use super::in_c::{self, in_control};
use super::in6_c::{self, in6_control};
use super::invariants::{self, Left};
use super::objects::*;
use super::route::rt_flushifroutes;
use super::subr_epoch::*;
use super::subr_taskqueue::{Task, taskqueue_drain, taskqueue_enqueue};
use super::{ENOBUFS, ENOMEM, ENXIO, K, NINDEX};
use super::{if_clone, if_epair, if_loop, if_tuntap, in6_ifattach, ng_iface};
use super::{locks, uma};
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Func, What};
use crate::shadow::FaultKind;

const FILE: &str = "sys/net/if.c";

/// An ioctl on an interface.
#[derive(Clone, Copy, Debug)]
pub enum Ioctl {
    /// `SIOCSIFADDR`: obsolete, refused with EINVAL.
    Sifaddr,
    /// `SIOCAIFADDR`.
    Aifaddr(AliasReq),
    /// `SIOCDIFADDR`.
    Difaddr(Addr),
    /// `SIOCAIFADDR_IN6`.
    AifaddrIn6(AliasReq),
    /// `SIOCDIFADDR_IN6`.
    DifaddrIn6(Addr),
    /// `SIOCSIFFLAGS`, with IFF_UP or without.
    Sifflags(bool),
    /// `SIOCSIFNAME` to the name that the daemon gives it.
    Sifname,
    /// SIOCSIFDESCR.
    Sifdescr,
    /// `SIOCIFCREATE`.
    Ifcreate,
    /// `SIOCIFDESTROY`.
    Ifdestroy,
}

/// `in_aliasreq`, `in6_aliasreq`.
#[derive(Clone, Copy, Debug, Default)]
pub struct AliasReq {
    /// The address.
    pub addr: Addr,
    /// The far end of a point-to-point link; 0 for none.
    pub dst: Addr,
    /// Mask, in bits of [`Addr`].
    pub bits: u8,
}

/// What a driver's `if_ioctl` is asked by the stack itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrvCmd {
    /// `SIOCSIFADDR`: an address was added.
    Sifaddr,
    /// `SIOCSIFFLAGS`; whether the request has IFF_UP.
    Sifflags(bool),
    /// `SIOCADDMULTI`.
    Addmulti,
    /// `SIOCDELMULTI`.
    Delmulti,
}

/// `ifioctl`, from `sys_ioctl` and `kern_ioctl` on.
pub async fn ifioctl(k: &K, name: u8, cmd: Ioctl) -> i32 {
    let _s = k.frame(&Func { name: "sys_ioctl", file: "sys/kern/sys_generic.c" });
    let _k = k.frame(&Func { name: "kern_ioctl", file: "sys/kern/sys_generic.c" });
    let _f = k.frame(&Func { name: "ifioctl", file: FILE });
    match cmd {
        Ioctl::Ifcreate => return if_clone::if_clone_create(k, name).await,
        Ioctl::Ifdestroy => {
            k.lock(locks::IFNET_DETACH).await;
            let error = if_clone::if_clone_destroy(k, name).await;
            k.unlock(locks::IFNET_DETACH);
            return error;
        }
        _ => {}
    }
    let ifp = ifunit_ref(k, name);
    if ifp.is_null() {
        return ENXIO;
    }
    let held = k.hold(ObjRef::of(ifp), true);
    k.yield_at("ifioctl:ifunit_ref").await;
    let error = match cmd {
        Ioctl::Sifflags(_) | Ioctl::Sifname | Ioctl::Sifdescr => ifhwioctl(k, ifp, cmd).await,
        _ => pr_control(k, ifp, cmd).await,
    };
    drop(held);
    if_rele(k, ifp);
    error
}

/// What `ifioctl` does with the requests of the protocols, behind `ifhwioctl`.
async fn pr_control(k: &K, ifp: IfId, cmd: Ioctl) -> i32 {
    let oif_flags = k[ifp].if_flags.get();
    let error = match cmd {
        Ioctl::AifaddrIn6(_) | Ioctl::DifaddrIn6(_) => in6_control(k, ifp, cmd).await,
        _ => in_control(k, ifp, cmd).await,
    };
    // The driver may have set the flag when it was told of an address.
    if oif_flags & IFF_UP == 0 && k[ifp].if_flags.get() & IFF_UP != 0 {
        k.yield_at("ifioctl:if_up").await;
        if_up(k, ifp).await;
    }
    error
}

/// `ifhwioctl` of SIOCSIFFLAGS, SIOCSIFNAME and SIOCSIFDESCR, which it answers itself; of
/// others it would say ENOIOCTL.
async fn ifhwioctl(k: &K, ifp: IfId, cmd: Ioctl) -> i32 {
    let _f = k.frame(&Func { name: "ifhwioctl", file: FILE });
    match cmd {
        Ioctl::Sifflags(up) => siocsifflags(k, ifp, up).await,
        Ioctl::Sifname => if_rename(k, ifp).await,
        _ => if_setdescr(k, ifp).await,
    }
}

/// SIOCSIFFLAGS.
async fn siocsifflags(k: &K, ifp: IfId, up: bool) -> i32 {
    let was_up = k[ifp].if_flags.get() & IFF_UP != 0;
    if was_up && !up {
        if_down(k, ifp).await;
        k.yield_at("ifhwioctl:if_down").await;
    }
    let wanted = if up { IFF_UP } else { 0 };
    if k.on(d::SIFFLAGS_LOSES_DYING) {
        let flags = k[ifp].if_flags.get();
        k.yield_at("ifhwioctl:if_flags").await;
        k[ifp].if_flags.set(flags & !IFF_UP | wanted);
    } else {
        let flags = &k[ifp].if_flags;
        flags.set(flags.get() & !IFF_UP | wanted);
    }
    let _ = if_ioctl(k, ifp, DrvCmd::Sifflags(up)).await;
    if up && !was_up {
        k.yield_at("ifhwioctl:if_up").await;
        if_up(k, ifp).await;
    }
    0
}

/// `if_rename`: the name that the daemon gives is a function of the name slot, so that no
/// two interfaces can want the same.
async fn if_rename(k: &K, ifp: IfId) -> i32 {
    let _f = k.frame(&Func { name: "if_rename", file: FILE });
    if k[ifp].renamed.get() {
        return 0;
    }
    k.yield_at("if_rename:ifnet_departure_event").await;
    let lock = locks::if_addr(k, ifp);
    k.lock(lock).await;
    if k[ifp].if_flags.get() & IFF_DYING != 0 && !k.on(d::RENAME_FREED_LLADDR) {
        k.unlock(lock);
        return ENXIO;
    }
    k[ifp].renamed.set(true);
    // The sockaddr_dl is rewritten in place.
    let ifa = k[ifp].if_addr.get();
    k[ifa].addr.set(u64::from(k[ifp].if_index.get()));
    k.unlock(lock);
    k.yield_at("if_rename:ifnet_arrival_event").await;
    0
}

/// `if_setdescr`, with `if_allocdescr`: the one description there is, "WAN". ifdescr_sx,
/// which keeps writers and readers of it apart, is left out: nobody reads it here.
async fn if_setdescr(k: &K, ifp: IfId) -> i32 {
    let _f = k.frame(&Func { name: "if_setdescr", file: FILE });
    k.might_sleep();
    k.yield_at("if_setdescr").await;
    k[ifp].if_description.set(true);
    0
}

// ---- interfaces: memory, index, references ----------------------------------------------

/// `if_alloc`: with the index reference; may sleep for memory.
pub async fn if_alloc(k: &K, driver: Driver, name: u8) -> IfId {
    let _f = k.frame(&Func { name: "if_alloc", file: FILE });
    let _d = k.frame(&Func { name: "if_alloc_domain", file: FILE });
    k.might_sleep();
    let ifp = uma::alloc(k, |s| &s.ifnets);
    if ifp.is_null() {
        return ifp;
    }
    let i = &k[ifp];
    i.name.set(name);
    i.driver.set(driver);
    i.if_refcount.set(1);
    k.record_ref(ObjRef::of(ifp), 1, 1);
    let first_ref = k.hold(ObjRef::of(ifp), true);
    k.lock(locks::IFNET).await;
    let first = usize::from(k.first_ifindex().max(1));
    let mut free = first..NINDEX;
    let Some(idx) = free.find(|&n| k.st.ifindex_table[n].get().is_null()) else {
        k.exhaust();
        return ifp;
    };
    if idx > usize::from(k.st.if_index.get()) {
        k.st.if_index.set(idx as u8);
    }
    i.if_index.set(idx as u8);
    i.if_idxgen.set(k.st.ifindex_gencnt[idx].get());
    k.st.ifindex_table[idx].set(ifp);
    drop(first_ref);
    k.unlock(locks::IFNET);
    ifp
}

/// `if_free`: the index goes, and with it its reference.
pub async fn if_free(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "if_free", file: FILE });
    let _raw = k.hold(ObjRef::of(ifp), false);
    let flags = &k[ifp].if_flags;
    flags.set(flags.get() | IFF_DYING);
    k.yield_at("if_free:dying").await;
    k.lock(locks::IFNET).await;
    let idx = usize::from(k[ifp].if_index.get()) % NINDEX;
    k.st.ifindex_table[idx].set(IfId::NULL);
    k.st.ifindex_gencnt[idx].inc();
    while k.st.if_index.get() > 0
        && k.st.ifindex_table[usize::from(k.st.if_index.get())].get().is_null()
    {
        k.st.if_index.dec();
    }
    let first_ref = k.hold(ObjRef::of(ifp), true);
    k.unlock(locks::IFNET);
    k.yield_at("if_free:refcount_release").await;
    drop(first_ref);
    if_rele(k, ifp);
}

/// `if_free_deferred`: an epoch callback.
pub fn if_free_deferred(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "if_free_deferred", file: FILE });
    // What is still there was left for readers of the epoch by the repairs of D.
    let ext = k[ifp].if_afdata_inet6.get();
    if !ext.is_null() {
        k[ifp].if_afdata_inet6.set(ExtId::NULL);
        in6_c::in6_ifextra_free(k, ext);
    }
    let ii = k[ifp].if_afdata_inet.get();
    if !ii.is_null() {
        k[ifp].if_afdata_inet.set(IiId::NULL);
        in_c::in_ifinfo_free(k, ii);
    }
    uma::free(k, |s| &s.ifnets, ifp);
}

/// `if_ref`.
#[track_caller]
pub fn if_ref(k: &K, ifp: IfId) {
    let refs = &k[ifp].if_refcount;
    if refs.get() == 0 {
        let obj = ObjRef::of(ifp);
        k.violate(&invariants::I06_ACQUIRE_FROM_ZERO, obj, ObjRef::NONE, [0, 0]);
    }
    k.record_ref(ObjRef::of(ifp), 1, refs.inc());
}

/// `if_try_ref`.
#[track_caller]
pub fn if_try_ref(k: &K, ifp: IfId) -> bool {
    let refs = &k[ifp].if_refcount;
    if refs.get() == 0 {
        return false;
    }
    k.record_ref(ObjRef::of(ifp), 1, refs.inc());
    true
}

/// `if_rele`.
#[track_caller]
pub fn if_rele(k: &K, ifp: IfId) {
    let refs = &k[ifp].if_refcount;
    if refs.get() == 0 {
        let obj = ObjRef::of(ifp);
        k.violate(&invariants::I06_RELEASE_AT_ZERO, obj, ObjRef::NONE, [0, 0]);
    }
    let now = refs.dec();
    k.record_ref(ObjRef::of(ifp), -1, now);
    if now == 0 {
        net_epoch_call(k, Callback::IfFreeDeferred(ifp));
    }
}

/// The first interface of `V_ifnet` that a test accepts.
fn find_ifnet(k: &K, test: impl Fn(&Ifnet) -> bool) -> IfId {
    let mut i = k.st.v_ifnet.first.get();
    while !i.is_null() && k.fuel() {
        if test(&k[i]) {
            return i;
        }
        i = k[i].if_link.next.get();
    }
    IfId::NULL
}

/// `ifunit`: by name slot; no reference. An interface that was renamed is meant by its
/// slot all the same: who names it knows.
pub fn ifunit(k: &K, name: u8) -> IfId {
    net_epoch_enter(k);
    let ifp = find_ifnet(k, |i| i.name.get() == name);
    net_epoch_exit(k);
    ifp
}

/// `ifunit_ref`: with a reference; NULL when dying.
pub fn ifunit_ref(k: &K, name: u8) -> IfId {
    net_epoch_enter(k);
    let ifp = find_ifnet(k, |i| i.name.get() == name && i.if_flags.get() & IFF_DYING == 0);
    if !ifp.is_null() {
        if_ref(k, ifp);
    }
    net_epoch_exit(k);
    ifp
}

/// `ifnet_byindex`: no reference, whether dying or not.
pub fn ifnet_byindex(k: &K, index: u8) -> IfId {
    if index > k.st.if_index.get() {
        return IfId::NULL;
    }
    let ifp = k.st.ifindex_table[usize::from(index) % NINDEX].get();
    if ifp.is_null() {
        return ifp;
    }
    let i = &k[ifp];
    let attached = !i.if_afdata_inet.get().is_null() && !i.if_afdata_inet6.get().is_null();
    let dying = i.if_flags.get() & IFF_DYING != 0;
    // It has its index since if_alloc.
    if !attached && !dying && !k.on(d::IFNET_LINKED_BEFORE_AFDATA) {
        return IfId::NULL;
    }
    ifp
}

/// `ifnet_byindex_ref`.
pub fn ifnet_byindex_ref(k: &K, index: u8) -> IfId {
    let ifp = ifnet_byindex(k, index);
    if ifp.is_null() || k[ifp].if_flags.get() & IFF_DYING != 0 || !if_try_ref(k, ifp) {
        return IfId::NULL;
    }
    ifp
}

// ---- attach ---------------------------------------------------------------------------

/// `if_link_ifnet`.
async fn if_link_ifnet(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "if_link_ifnet", file: FILE });
    k.lock(locks::IFNET).await;
    k.record(|| What::List("V_ifnet", true, ObjRef::of(ifp)));
    k.st.v_ifnet.insert_tail(ifp, |i| &k[i].if_link);
    k.unlock(locks::IFNET);
}

/// `if_unlink_ifnet`: whether it was there.
async fn if_unlink_ifnet(k: &K, ifp: IfId) -> bool {
    let _f = k.frame(&Func { name: "if_unlink_ifnet", file: FILE });
    k.lock(locks::IFNET).await;
    let mut i = k.st.v_ifnet.first.get();
    while !i.is_null() && i != ifp && k.fuel() {
        i = k[i].if_link.next.get();
    }
    let found = i == ifp && !i.is_null();
    if found {
        k.record(|| What::List("V_ifnet", false, ObjRef::of(ifp)));
        if !k.st.v_ifnet.remove(ifp, |i| &k[i].if_link) {
            k.kernel_fault(FaultKind::Null, ObjRef::of(ifp), "*ifp->if_link.stqe_prev");
        }
        let flags = &k[ifp].if_flags;
        flags.set(flags.get() | IFF_DYING);
    }
    k.unlock(locks::IFNET);
    found
}

/// `if_addgroup`.
pub async fn if_addgroup(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "if_addgroup", file: FILE });
    k.lock(locks::IFNET).await;
    let lock = locks::if_addr(k, ifp);
    k.lock(lock).await;
    k[ifp].if_groups.inc();
    k.unlock(lock);
    k.unlock(locks::IFNET);
}

/// `_if_delgroup_locked`: one group; comes with IFNET_WLOCK held and leaves without it.
async fn if_delgroup_locked(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "_if_delgroup_locked", file: FILE });
    let lock = locks::if_addr(k, ifp);
    k.lock(lock).await;
    k[ifp].if_groups.dec();
    k.unlock(lock);
    k.unlock(locks::IFNET);
    epoch_wait_preempt(k).await;
}

/// `if_delgroup`: of the cloner, which is the second of two.
pub async fn if_delgroup(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "if_delgroup", file: FILE });
    k.lock(locks::IFNET).await;
    if k[ifp].if_groups.get() < 2 {
        k.unlock(locks::IFNET);
        return;
    }
    if_delgroup_locked(k, ifp).await;
}

/// `if_delgroups`.
async fn if_delgroups(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "if_delgroups", file: FILE });
    k.lock(locks::IFNET).await;
    while k[ifp].if_groups.get() != 0 && k.fuel() {
        if_delgroup_locked(k, ifp).await;
        k.lock(locks::IFNET).await;
    }
    k.unlock(locks::IFNET);
}

/// `if_attach`, with `if_attach_internal`.
pub async fn if_attach(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "if_attach", file: FILE });
    let _i = k.frame(&Func { name: "if_attach_internal", file: FILE });
    let _raw = k.hold(ObjRef::of(ifp), false);
    if_addgroup(k, ifp).await;
    k.yield_at("if_attach_internal:ifa_alloc").await;
    let ifa = ifa_alloc(k, Af::Link);
    if ifa.is_null() {
        return;
    }
    k[ifa].ifa_ifp.set(ifp);
    k[ifa].addr.set(u64::from(k[ifp].if_index.get()));
    k[ifp].if_addr.set(ifa);
    addrhead_insert_head(k, ifp, ifa);
    if k.on(d::IFNET_LINKED_BEFORE_AFDATA) {
        if_link_ifnet(k, ifp).await;
        k.yield_at("if_attach_internal:linked").await;
        if_attachdomain1(k, ifp).await;
    } else {
        if_attachdomain1(k, ifp).await;
        if_link_ifnet(k, ifp).await;
    }
    k.yield_at("if_attach_internal:ifnet_arrival_event").await;
}

/// `if_attachdomain1`: the protocols' data of an interface; inet6 comes first.
async fn if_attachdomain1(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "if_attachdomain1", file: FILE });
    let lock = locks::if_afdata(k, ifp);
    k.lock(lock).await;
    let done = k[ifp].if_afdata_initialized.get() != 0;
    k[ifp].if_afdata_initialized.set(2);
    k.unlock(lock);
    if done {
        return;
    }
    k[ifp].if_afdata_inet.set(IiId::NULL);
    k[ifp].if_afdata_inet6.set(ExtId::NULL);
    k.yield_at("if_attachdomain1:inet6").await;
    k[ifp].if_afdata_inet6.set(in6_c::in6_domifattach(k, ifp));
    k.yield_at("if_attachdomain1:inet").await;
    k[ifp].if_afdata_inet.set(in_c::in_domifattach(k, ifp));
}

// ---- detach ---------------------------------------------------------------------------

/// `if_detach`. Each yield of `if_detach_internal` is named for the step that follows it.
pub async fn if_detach(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "if_detach", file: FILE });
    let _raw = k.hold(ObjRef::of(ifp), false);
    k.yield_at("if_detach_internal:unlink").await;
    if unlink_controlled(k, ifp).await {
        k.yield_at("if_detach_internal:detach_sx").await;
        k.lock(locks::IFNET_DETACH).await;
        if_detach_internal(k, ifp).await;
        k.unlock(locks::IFNET_DETACH);
    }
    invariants::detached(k, ifp);
}

/// The repairs of W3: IFF_DYING is set under the control locks, so that whoever adds
/// something under one of them sees it, or has finished before.
async fn unlink_controlled(k: &K, ifp: IfId) -> bool {
    let inet = !k.on(d::IN_AIFADDR_WHILE_DYING);
    let inet6 = !k.on(d::IN6_AIFADDR_WHILE_DYING);
    if inet {
        k.lock(locks::IN_CONTROL).await;
    }
    if inet6 {
        k.lock(locks::IN6_CONTROL).await;
    }
    let found = if_unlink_ifnet(k, ifp).await;
    if inet6 {
        k.unlock(locks::IN6_CONTROL);
    }
    if inet {
        k.unlock(locks::IN_CONTROL);
    }
    found
}

async fn if_detach_internal(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "if_detach_internal", file: FILE });
    k.yield_at("if_detach_internal:epoch_wait").await;
    epoch_wait_preempt(k).await;
    invariants::waited(k, ifp);
    epoch_drain_callbacks(k).await;
    k.yield_at("if_detach_internal:delgroups").await;
    if_delgroups(k, ifp).await;
    taskqueue_drain(k, Task::Link(ifp)).await;
    taskqueue_drain(k, Task::Addmulti(ifp)).await;
    k.yield_at("if_detach_internal:if_down").await;
    if_down(k, ifp).await;
    k.yield_at("if_detach_internal:purgeaddrs").await;
    if_purgeaddrs(k, ifp).await;
    k.yield_at("if_detach_internal:in_ifdetach").await;
    in_c::in_ifdetach(k, ifp).await;
    k.yield_at("if_detach_internal:in6_ifdetach").await;
    in6_ifattach::in6_ifdetach(k, ifp).await;
    k.yield_at("if_detach_internal:purgemaddrs").await;
    if_purgemaddrs(k, ifp).await;
    k.yield_at("if_detach_internal:departure").await;
    k.yield_at("if_detach_internal:if_dead").await;
    if_dead(k, ifp);
    cleanup_addrs(k, ifp).await;
    k.yield_at("if_detach_internal:flushifroutes").await;
    rt_flushifroutes(k, ifp).await;
    if k.on(d::F3W_DETACH_WAITS) {
        epoch_wait_preempt(k).await;
    }
    k.yield_at("if_detach_internal:afdata").await;
    detach_domains(k, ifp).await;
}

/// Step 11 of `if_detach_internal`: what is on `if_addrhead`, the AF_LINK address.
async fn cleanup_addrs(k: &K, ifp: IfId) {
    let lock = locks::if_addr(k, ifp);
    loop {
        k.lock(lock).await;
        let ifa = k[ifp].if_addrhead.first.get();
        if ifa.is_null() || !k.fuel() {
            k.unlock(lock);
            return;
        }
        addrhead_remove(k, ifp, ifa);
        let listed = k.hold(ObjRef::of(ifa), true);
        k.unlock(lock);
        drop(listed);
        ifa_free(k, ifa);
        if k.on(d::DETACH_FIRST_IFA_ONLY) {
            return;
        }
    }
}

/// Step 13 of `if_detach_internal`: what the protocols keep of the interface. The repairs
/// of D leave the memory to readers until `if_free_deferred`.
async fn detach_domains(k: &K, ifp: IfId) {
    let lock = locks::if_afdata(k, ifp);
    k.lock(lock).await;
    let initialized = k[ifp].if_afdata_initialized.get();
    k[ifp].if_afdata_initialized.set(0);
    k.unlock(lock);
    if initialized == 0 {
        return;
    }
    let ext = k[ifp].if_afdata_inet6.get();
    if !ext.is_null() {
        k.yield_at("if_detach_internal:in6_domifdetach").await;
        in6_c::in6_domifdetach(k, ifp, ext).await;
        if k.on(d::IN6_IFEXTRA_NOT_DEFERRED) && !k.on(d::F1_IFEXTRA_EPOCH_CALL) {
            k.yield_at("if_detach_internal:in6_afdata_freed").await;
            k[ifp].if_afdata_inet6.set(ExtId::NULL);
        }
    }
    let ii = k[ifp].if_afdata_inet.get();
    if !ii.is_null() {
        k.yield_at("if_detach_internal:in_domifdetach").await;
        in_c::in_domifdetach(k, ifp, ii).await;
        if k.on(d::IN_IFINFO_NOT_DEFERRED) {
            k.yield_at("if_detach_internal:in_afdata_freed").await;
            k[ifp].if_afdata_inet.set(IiId::NULL);
        }
    }
}

/// The first address of an interface that is not its AF_LINK one.
fn first_address(k: &K, ifp: IfId) -> IfaId {
    let mut i = k[ifp].if_addrhead.first.get();
    while !i.is_null() && k.fuel() {
        if k[i].af.get() != Af::Link {
            return i;
        }
        i = k[i].ifa_link.next.get();
    }
    IfaId::NULL
}

/// Whether an address is on `if_addrhead`, under the address lock.
async fn on_addrhead(k: &K, ifp: IfId, ifa: IfaId) -> bool {
    let lock = locks::if_addr(k, ifp);
    k.lock(lock).await;
    let listed = is_listed(k, ifp, ifa);
    k.unlock(lock);
    listed
}

/// Whether an address is on `if_addrhead`; the address lock is held.
fn is_listed(k: &K, ifp: IfId, ifa: IfaId) -> bool {
    let mut i = k[ifp].if_addrhead.first.get();
    while !i.is_null() && i != ifa && k.fuel() {
        i = k[i].ifa_link.next.get();
    }
    !i.is_null()
}

/// `if_purgeaddrs`.
pub async fn if_purgeaddrs(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "if_purgeaddrs", file: FILE });
    while k.fuel() {
        net_epoch_enter(k);
        let ifa = first_address(k, ifp);
        // On the list, it has the list's reference.
        let raw = ifa.is_null() || k.on(d::PURGEADDRS_RAW_IFA);
        if !raw {
            ifa_ref(k, ifa);
        }
        net_epoch_exit(k);
        if ifa.is_null() {
            return;
        }
        let held = k.hold(ObjRef::of(ifa), !raw);
        k.yield_at("if_purgeaddrs:ifa").await;
        purge_address(k, ifp, ifa, raw).await;
        drop(held);
        if !raw {
            ifa_free(k, ifa);
        }
    }
}

/// One turn of the loop of `if_purgeaddrs`.
async fn purge_address(k: &K, ifp: IfId, ifa: IfaId, raw: bool) {
    match k[ifa].af.get() {
        Af::Inet => {
            if in_control(k, ifp, Ioctl::Difaddr(k[ifa].addr.get())).await == 0 {
                return;
            }
            k.yield_at("if_purgeaddrs:in_control").await;
        }
        Af::Inet6 => return purge_address6(k, ifp, ifa, raw).await,
        Af::Link => {}
    }
    let lock = locks::if_addr(k, ifp);
    k.lock(lock).await;
    let listed = raw || is_listed(k, ifp, ifa);
    if listed {
        addrhead_remove(k, ifp, ifa);
    }
    k.unlock(lock);
    if listed {
        ifa_free(k, ifa);
    }
}

async fn purge_address6(k: &K, ifp: IfId, ifa: IfaId, raw: bool) {
    let serialized = !k.on(d::AIFADDR_NDPR_WINDOW);
    if serialized {
        k.lock(locks::IN6_CONTROL).await;
    }
    if raw || on_addrhead(k, ifp, ifa).await {
        in6_c::in6_purgeifaddr(k, ifa).await;
    }
    if serialized {
        k.unlock(locks::IN6_CONTROL);
    }
    if !raw && on_addrhead(k, ifp, ifa).await {
        // A timer is at it, inside the epoch.
        epoch_wait_preempt(k).await;
    }
}

/// `if_purgemaddrs`.
async fn if_purgemaddrs(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "if_purgemaddrs", file: FILE });
    let lock = locks::if_addr(k, ifp);
    k.lock(lock).await;
    loop {
        let ifma = k[ifp].if_multiaddrs.first[0].get();
        if ifma.is_null() || !k.fuel() {
            break;
        }
        multiaddrs_remove(k, ifp, ifma);
        if_delmulti_locked(k, ifma, true);
    }
    k.unlock(lock);
}

// ---- up, down, link state -------------------------------------------------------------

/// `if_down`.
pub async fn if_down(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "if_down", file: FILE });
    in_c::in_ifnet_event(k, ifp, false).await;
    k.yield_at("if_down:if_unroute").await;
    if_unroute(k, ifp);
}

/// `if_unroute`.
fn if_unroute(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "if_unroute", file: FILE });
    let flags = &k[ifp].if_flags;
    flags.set(flags.get() & !IFF_UP);
}

/// `if_up`.
pub async fn if_up(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "if_up", file: FILE });
    let flags = &k[ifp].if_flags;
    flags.set(flags.get() | IFF_UP);
    k.yield_at("if_up:ifnet_event").await;
    in_c::in_ifnet_event(k, ifp, true).await;
    k.yield_at("if_up:in6_ifevent").await;
    in6_c::in6_ifevent(k, ifp).await;
}

/// `if_link_state_change`.
pub fn if_link_state_change(k: &K, ifp: IfId, up: bool) {
    let _f = k.frame(&Func { name: "if_link_state_change", file: FILE });
    if k[ifp].if_link_state_up.get() == up {
        return;
    }
    k[ifp].if_link_state_up.set(up);
    enqueue_task(k, ifp, Task::Link(ifp));
}

/// Enqueues a task of the interface, which has no reference for it.
fn enqueue_task(k: &K, ifp: IfId, task: Task) {
    if k[ifp].if_flags.get() & IFF_DYING != 0 && !k.on(d::LINKTASK_AFTER_DRAIN) {
        return;
    }
    taskqueue_enqueue(k, task);
}

/// `do_link_state_change`: a task.
pub async fn do_link_state_change(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "do_link_state_change", file: FILE });
    let _raw = k.hold(ObjRef::of(ifp), false);
    let _up = k[ifp].if_link_state_up.get();
    k.yield_at("do_link_state_change:rt_ifmsg").await;
    // Who is told reads its name and flags.
    let _flags = k[ifp].if_flags.get();
}

/// `if_siocaddmulti`: a task.
pub async fn if_siocaddmulti(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "if_siocaddmulti", file: FILE });
    let _raw = k.hold(ObjRef::of(ifp), false);
    let _ = if_ioctl(k, ifp, DrvCmd::Addmulti).await;
}

/// A driver says that its link is up or down; ENXIO when there is no such interface.
///
/// It has the pointer of its softc, which is good until it is freed, not one that it had
/// to look up; ng_iface is told by a message, which a closing node refuses.
pub async fn driver_link_state(k: &K, name: u8, up: bool) -> i32 {
    let _f = k.frame(&Func { name: "driver", file: "" });
    let mut softcs = k.st.softcs.iter();
    let softc = softcs.find(|(_, s)| {
        let ifp = s.ifp.get();
        k.st.ifnets.is_live(ifp) && k.st.ifnets.raw(ifp).name.get() == name
    });
    let (ifp, node) = match softc {
        Some((_, s)) => (s.ifp.get(), s.node.get()),
        None => (k.st.v_loif.get(), NodeId::NULL),
    };
    if k[ifp].name.get() != name || !node.is_null() && k[node].closing.get() {
        return ENXIO;
    }
    if_link_state_change(k, ifp, up);
    0
}

// ---- drivers' methods -----------------------------------------------------------------

/// `ifp->if_ioctl`: the driver's, or `ifdead_ioctl`.
pub async fn if_ioctl(k: &K, ifp: IfId, cmd: DrvCmd) -> i32 {
    k.yield_at("if_ioctl").await;
    if k[ifp].if_methods.get() == Methods::Dead {
        return ifdead_ioctl(k);
    }
    if cmd == DrvCmd::Sifaddr && k.fails("if_ioctl") {
        return ENOBUFS;
    }
    match k[ifp].driver.get() {
        Driver::Lo => if_loop::loioctl(k, ifp, cmd),
        Driver::Epair => if_epair::epair_ioctl(k, ifp, cmd),
        Driver::Tun => if_tuntap::tunifioctl(k, ifp, cmd).await,
        Driver::Ng => ng_iface::ng_iface_ioctl(k, ifp, cmd),
    }
}

// ---- addresses ------------------------------------------------------------------------

/// `CK_STAILQ_INSERT_HEAD(&ifp->if_addrhead, ifa, ifa_link)`: the list's reference.
fn addrhead_insert_head(k: &K, ifp: IfId, ifa: IfaId) {
    k.record(|| What::List("if_addrhead", true, ObjRef::of(ifa)));
    k[ifp].if_addrhead.insert_head(ifa, |i| &k[i].ifa_link);
}

/// `CK_STAILQ_INSERT_TAIL(&ifp->if_addrhead, ifa, ifa_link)`.
pub fn addrhead_insert_tail(k: &K, ifp: IfId, ifa: IfaId) {
    invariants::added(k, ifp, ObjRef::of(ifa), Left::Addrhead);
    k.record(|| What::List("if_addrhead", true, ObjRef::of(ifa)));
    k[ifp].if_addrhead.insert_tail(ifa, |i| &k[i].ifa_link);
}

/// `CK_STAILQ_REMOVE(&ifp->if_addrhead, ifa, ifaddr, ifa_link)`, which walks: an element
/// that is not there makes it run off the end.
pub fn addrhead_remove(k: &K, ifp: IfId, ifa: IfaId) {
    k.record(|| What::List("if_addrhead", false, ObjRef::of(ifa)));
    if !is_listed(k, ifp, ifa) {
        k.kernel_fault(FaultKind::Null, ObjRef::of(ifa), "CK_STAILQ_REMOVE(&ifp->if_addrhead)");
        return;
    }
    if !k[ifp].if_addrhead.remove(ifa, |i| &k[i].ifa_link) {
        k.kernel_fault(FaultKind::Null, ObjRef::of(ifa), "*ifa->ifa_link.prev");
    }
}

/// `ifa_alloc`: one reference, the caller's; NULL when it fails, which only inet6 allows
/// (`M_NOWAIT`).
#[track_caller]
pub fn ifa_alloc(k: &K, af: Af) -> IfaId {
    let _f = k.frame(&Func { name: "ifa_alloc", file: FILE });
    if af == Af::Inet6 {
        if k.fails("ifa_alloc") {
            return IfaId::NULL;
        }
    } else {
        k.might_sleep();
    }
    let ifa = uma::alloc(k, |s| &s.ifas);
    if !ifa.is_null() {
        k[ifa].af.set(af);
        k[ifa].ifa_refcnt.set(1);
        k.record_ref(ObjRef::of(ifa), 1, 1);
    }
    ifa
}

/// `ifa_ref`.
#[track_caller]
pub fn ifa_ref(k: &K, ifa: IfaId) {
    let refs = &k[ifa].ifa_refcnt;
    if refs.get() == 0 {
        let obj = ObjRef::of(ifa);
        k.violate(&invariants::I06_ACQUIRE_FROM_ZERO, obj, ObjRef::NONE, [0, 0]);
    }
    k.record_ref(ObjRef::of(ifa), 1, refs.inc());
}

/// `ifa_try_ref`.
#[track_caller]
pub fn ifa_try_ref(k: &K, ifa: IfaId) -> bool {
    let refs = &k[ifa].ifa_refcnt;
    if refs.get() == 0 {
        return false;
    }
    k.record_ref(ObjRef::of(ifa), 1, refs.inc());
    true
}

/// `ifa_free`.
#[track_caller]
pub fn ifa_free(k: &K, ifa: IfaId) {
    let refs = &k[ifa].ifa_refcnt;
    if refs.get() == 0 {
        let obj = ObjRef::of(ifa);
        k.violate(&invariants::I06_RELEASE_AT_ZERO, obj, ObjRef::NONE, [0, 0]);
    }
    let now = refs.dec();
    k.record_ref(ObjRef::of(ifa), -1, now);
    if now == 0 {
        net_epoch_call(k, Callback::IfaDestroy(ifa));
    }
}

/// `ifa_destroy`: an epoch callback.
pub fn ifa_destroy(k: &K, ifa: IfaId) {
    let _f = k.frame(&Func { name: "ifa_destroy", file: FILE });
    uma::free(k, |s| &s.ifas, ifa);
}

// ---- link-level memberships -----------------------------------------------------------

fn multiaddrs_remove(k: &K, ifp: IfId, ifma: IfmaId) {
    k.record(|| What::List("if_multiaddrs", false, ObjRef::of(ifma)));
    if !k[ifp].if_multiaddrs.remove(ifma, |i| &k[i].ifma_link) {
        k.kernel_fault(FaultKind::Null, ObjRef::of(ifma), "*ifma->ifma_link.prev");
    }
}

/// `if_findmulti`.
pub fn if_findmulti(k: &K, ifp: IfId, af: Af, group: Addr) -> IfmaId {
    let mut i = k[ifp].if_multiaddrs.first[0].get();
    while !i.is_null() && k.fuel() {
        if k[i].af.get() == af && k[i].group.get() == group {
            return i;
        }
        i = k[i].ifma_link.next.get();
    }
    IfmaId::NULL
}

/// `if_allocmulti`: with one reference.
#[track_caller]
fn if_allocmulti(k: &K, ifp: IfId, af: Af, group: Addr) -> IfmaId {
    let _f = k.frame(&Func { name: "if_allocmulti", file: FILE });
    if k.fails("if_allocmulti") {
        return IfmaId::NULL;
    }
    let ifma = uma::alloc(k, |s| &s.ifmas);
    if !ifma.is_null() {
        let m = &k[ifma];
        m.af.set(af);
        m.group.set(group);
        m.ifma_ifp.set(ifp);
        m.ifma_refcount.set(1);
        k.record_ref(ObjRef::of(ifma), 1, 1);
    }
    ifma
}

/// `if_addmulti`: with a reference, the caller's. The link-layer twin of a record is left
/// out.
pub async fn if_addmulti(k: &K, ifp: IfId, af: Af, group: Addr) -> Result<IfmaId, i32> {
    let _f = k.frame(&Func { name: "if_addmulti", file: FILE });
    let lock = locks::if_addr(k, ifp);
    k.lock(lock).await;
    let ifma = if_findmulti(k, ifp, af, group);
    if !ifma.is_null() {
        k.record_ref(ObjRef::of(ifma), 1, k[ifma].ifma_refcount.inc());
        k.unlock(lock);
        return Ok(ifma);
    }
    if k[ifp].if_methods.get() == Methods::Dead {
        // ifdead_resolvemulti
        k.unlock(lock);
        return Err(ENXIO);
    }
    let ifma = if_allocmulti(k, ifp, af, group);
    if ifma.is_null() {
        k.unlock(lock);
        return Err(ENOMEM);
    }
    k[ifma].enqueued.set(true);
    k.record(|| What::List("if_multiaddrs", true, ObjRef::of(ifma)));
    k[ifp].if_multiaddrs.insert_head(0, ifma, |i| &k[i].ifma_link);
    let held = k.hold(ObjRef::of(ifma), true);
    k.unlock(lock);
    // THREAD_CAN_SLEEP()
    if !k.can_sleep() {
        enqueue_task(k, ifp, Task::Addmulti(ifp));
    } else {
        let _ = if_ioctl(k, ifp, DrvCmd::Addmulti).await;
    }
    drop(held);
    Ok(ifma)
}

/// `if_delmulti_ifma`: gives up a reference.
pub async fn if_delmulti_ifma(k: &K, ifma: IfmaId) {
    if_delmulti_ifma_flags(k, ifma, false).await;
}

/// `if_delmulti_ifma_flags`: gives up a reference; `detaching`, as `inm_release` calls it,
/// when the record is off its list already.
pub async fn if_delmulti_ifma_flags(k: &K, ifma: IfmaId, detaching: bool) {
    let _f = k.frame(&Func { name: "if_delmulti_ifma_flags", file: FILE });
    let held = k.hold(ObjRef::of(ifma), true);
    let ifp = k[ifma].ifma_ifp.get();
    if ifp.is_null() {
        drop(held);
        if_delmulti_locked(k, ifma, detaching);
        return;
    }
    let _raw = k.hold(ObjRef::of(ifp), false);
    k.yield_at("if_delmulti_ifma_flags:ifma_ifp").await;
    let lock = locks::if_addr(k, ifp);
    k.lock(lock).await;
    drop(held);
    let last = if_delmulti_locked(k, ifma, detaching);
    k.unlock(lock);
    if last && !k.can_sleep() && !k.on(d::RA_JOIN_SLEEPS) {
        // Not in the original: a driver may sleep. As if_addmulti does it: the task has the
        // driver read the list, whichever way that has changed.
        enqueue_task(k, ifp, Task::Addmulti(ifp));
    } else if last {
        let _ = if_ioctl(k, ifp, DrvCmd::Delmulti).await;
    }
}

/// `if_delmulti_locked`: whether that was the last reference.
#[track_caller]
fn if_delmulti_locked(k: &K, ifma: IfmaId, detaching: bool) -> bool {
    let _f = k.frame(&Func { name: "if_delmulti_locked", file: FILE });
    let ifp = k[ifma].ifma_ifp.get();
    if detaching {
        k[ifma].ifma_ifp.set(IfId::NULL);
    }
    let refs = &k[ifma].ifma_refcount;
    if refs.get() == 0 {
        let obj = ObjRef::of(ifma);
        k.violate(&invariants::I06_RELEASE_AT_ZERO, obj, ObjRef::NONE, [0, 0]);
    }
    let now = refs.dec();
    k.record_ref(ObjRef::of(ifma), -1, now);
    // The count is unsigned: an underflow is no last reference.
    if now != 0 {
        return false;
    }
    if !ifp.is_null() && !detaching && k[ifma].enqueued.get() {
        multiaddrs_remove(k, ifp, ifma);
        k[ifma].enqueued.set(false);
    }
    if_freemulti(k, ifma);
    true
}

/// `if_freemulti`: after the last reference, by an epoch callback.
pub fn if_freemulti(k: &K, ifma: IfmaId) {
    net_epoch_call(k, Callback::IfDestroymulti(ifma));
}

/// `if_destroymulti`: an epoch callback.
pub fn if_destroymulti(k: &K, ifma: IfmaId) {
    let _f = k.frame(&Func { name: "if_destroymulti", file: FILE });
    uma::free(k, |s| &s.ifmas, ifma);
}

// ---- searches ------------------------------------------------------------------------
//
// They walk interfaces and addresses without a lock, inside the epoch, and return a bare
// address. In the original none of them looks at IFF_DYING.

/// The interfaces on `V_ifnet`.
fn ifnets(k: &K) -> impl Iterator<Item = IfId> + '_ {
    let mut ifp = k.st.v_ifnet.first.get();
    std::iter::from_fn(move || {
        let this = ifp;
        (!this.is_null() && k.fuel()).then(|| {
            ifp = k[this].if_link.next.get();
            this
        })
    })
}

/// The addresses of a family on `if_addrhead`.
pub fn ifas(k: &K, ifp: IfId, af: Af) -> impl Iterator<Item = IfaId> + '_ {
    let mut ifa = k[ifp].if_addrhead.first.get();
    let all = std::iter::from_fn(move || {
        let this = ifa;
        (!this.is_null() && k.fuel()).then(|| {
            ifa = k[this].ifa_link.next.get();
            this
        })
    });
    all.filter(move |&ifa| k[ifa].af.get() == af)
}

fn is_ptp(k: &K, ifp: IfId) -> bool {
    k[ifp].if_flags.get() & IFF_POINTOPOINT != 0
}

fn far_end_is(k: &K, ifa: IfaId, addr: Addr) -> bool {
    k[ifa].dstaddr.get() != 0 && k[ifa].dstaddr.get() == addr
}

fn on_net(k: &K, ifa: IfaId, addr: Addr) -> bool {
    Prefix::new(k[ifa].addr.get(), k[ifa].bits.get()).covers(addr)
}

/// `ifa_ifwithaddr`: the address itself, on whichever interface.
pub fn ifa_ifwithaddr(k: &K, af: Af, addr: Addr) -> IfaId {
    let mut all = ifnets(k).flat_map(|ifp| ifas(k, ifp, af));
    all.find(|&ifa| k[ifa].addr.get() == addr).unwrap_or(IfaId::NULL)
}

/// `ifa_ifwithdstaddr`: the near end of the point-to-point link to an address.
pub fn ifa_ifwithdstaddr(k: &K, af: Af, addr: Addr) -> IfaId {
    let mut all = ifnets(k).filter(|&ifp| is_ptp(k, ifp)).flat_map(|ifp| ifas(k, ifp, af));
    all.find(|&ifa| far_end_is(k, ifa, addr)).unwrap_or(IfaId::NULL)
}

/// `ifa_ifwithnet`: an address of the most specific network that an address is on.
pub fn ifa_ifwithnet(k: &K, af: Af, addr: Addr) -> IfaId {
    let mut best = IfaId::NULL;
    for ifp in ifnets(k) {
        for ifa in ifas(k, ifp, af) {
            if af == Af::Inet && is_ptp(k, ifp) {
                if far_end_is(k, ifa, addr) {
                    return ifa;
                }
            } else if on_net(k, ifa, addr)
                && (best.is_null() || k[ifa].bits.get() > k[best].bits.get())
            {
                best = ifa;
            }
        }
    }
    best
}

/// `ifaof_ifpforaddr`: the address of an interface that suits a destination best; any of the
/// family before none.
pub fn ifaof_ifpforaddr(k: &K, af: Af, addr: Addr, ifp: IfId) -> IfaId {
    let mut maybe = IfaId::NULL;
    for ifa in ifas(k, ifp, af) {
        if maybe.is_null() {
            maybe = ifa;
        }
        let suits = if is_ptp(k, ifp) { far_end_is(k, ifa, addr) } else { on_net(k, ifa, addr) };
        if suits {
            return ifa;
        }
    }
    maybe
}
