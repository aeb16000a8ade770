//! `sys/net/if_epair.c`: two interfaces that are one cable.
//!
//! What is sent through one half waits in the queue of the other, and a task takes it out
//! there. Each half has a softc; destroying either destroys both.

use super::defects as d;
use super::if_c::*;
use super::if_clone::*;
use super::if_ethersubr::{ether_ifattach, ether_ifdetach, ether_ioctl};
use super::objects::*;
use super::subr_epoch::{net_epoch_enter, net_epoch_exit};
use super::subr_taskqueue::{Task, taskqueue_drain, taskqueue_enqueue};
use super::{EEXIST, ENETDOWN, ENXIO, K};
use super::{locks, uma};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;
use crate::shadow::FaultKind;

const FILE: &str = "sys/net/if_epair.c";

/// The lock of a softc's queue, by the name of its half.
fn queue_lock(k: &K, sc: ScId) -> crate::kern::lock::LockId {
    locks::epair_queue(k[sc].name.get())
}

/// `epair_tx_start_deferred`: a task, which the taskqueue runs inside the epoch
/// (`NET_TASK_INIT`).
pub async fn epair_tx_start_deferred(k: &K, sc: ScId) {
    let _f = k.frame(&Func { name: "epair_tx_start_deferred", file: FILE });
    let _sc = k.hold(ObjRef::of(sc), false);
    net_epoch_enter(k);
    let ifp = k[sc].ifp.get();
    if_ref(k, ifp);
    let held = k.hold(ObjRef::of(ifp), true);
    let lock = queue_lock(k, sc);
    k.lock(lock).await;
    let packets = k[sc].queued.get();
    k[sc].queued.set(0);
    k[sc].state.set(EpairQueue::Running);
    k.unlock(lock);
    for _ in 0..packets {
        k.yield_at("epair_tx_start_deferred:if_input").await;
    }
    k.lock(lock).await;
    let resched = k[sc].queued.get() != 0;
    k[sc].state.set(if resched { EpairQueue::Waking } else { EpairQueue::Idle });
    k.unlock(lock);
    if resched {
        k.yield_at("epair_tx_start_deferred:resched").await;
        taskqueue_enqueue(k, Task::EpairTx(sc));
    }
    drop(held);
    if_rele(k, ifp);
    net_epoch_exit(k);
}

/// Packets that a queue takes; the original's RXRSIZE is 4096.
const RXRSIZE: u8 = 4;

/// `epair_menq`: into the queue of the other half.
async fn epair_menq(k: &K, osc: ScId) {
    let _f = k.frame(&Func { name: "epair_menq", file: FILE });
    let _sc = k.hold(ObjRef::of(osc), false);
    let lock = queue_lock(k, osc);
    k.lock(lock).await;
    if k[osc].state.get() == EpairQueue::Idle {
        k[osc].state.set(EpairQueue::Waking);
        taskqueue_enqueue(k, Task::EpairTx(osc));
    }
    if k[osc].queued.get() < RXRSIZE {
        k[osc].queued.inc();
    }
    k.unlock(lock);
}

/// A packet is sent through one half: `epair_transmit`, as `ether_output` calls it inside
/// the epoch; the errno.
pub async fn epair_transmit(k: &K, name: u8) -> i32 {
    net_epoch_enter(k);
    let ifp = ifunit(k, name);
    let error = match ifp.is_null() {
        true => ENXIO,
        false => transmit(k, ifp).await,
    };
    net_epoch_exit(k);
    error
}

async fn transmit(k: &K, ifp: IfId) -> i32 {
    let _f = k.frame(&Func { name: "epair_transmit", file: FILE });
    let _ifp = k.hold(ObjRef::of(ifp), false);
    k.yield_at("epair_transmit").await;
    if k[ifp].if_methods.get() == Methods::Dead || k[ifp].if_drv_flags.get() & IFF_DRV_RUNNING == 0
    {
        return ENXIO;
    }
    if k[ifp].if_flags.get() & IFF_UP == 0 {
        return ENETDOWN;
    }
    k.yield_at("epair_transmit:if_softc").await;
    let sc = k[ifp].if_softc.get();
    let oifp = k[sc].oifp.get();
    if k[oifp].if_drv_flags.get() & IFF_DRV_RUNNING == 0 || k[oifp].if_flags.get() & IFF_UP == 0 {
        return 0;
    }
    let _oifp = k.hold(ObjRef::of(oifp), false);
    k.yield_at("epair_transmit:oifp").await;
    epair_menq(k, k[oifp].if_softc.get()).await;
    0
}

/// `epair_ioctl`.
pub fn epair_ioctl(k: &K, ifp: IfId, cmd: DrvCmd) -> i32 {
    let _f = k.frame(&Func { name: "epair_ioctl", file: FILE });
    if cmd == DrvCmd::Sifaddr {
        ether_ioctl(k, ifp);
    }
    0
}

/// `epair_alloc_sc`, with `epair_setup_ifp`.
async fn epair_alloc_sc(k: &K, name: u8) -> ScId {
    let _f = k.frame(&Func { name: "epair_alloc_sc", file: FILE });
    let ifp = if_alloc(k, Driver::Epair, name).await;
    if ifp.is_null() {
        return ScId::NULL;
    }
    let _ifp = k.hold(ObjRef::of(ifp), false);
    k.might_sleep();
    k.yield_at("epair_alloc_sc:malloc").await;
    let sc = uma::alloc(k, |s| &s.softcs);
    if sc.is_null() {
        return sc;
    }
    k[sc].driver.set(Driver::Epair);
    k[sc].name.set(name);
    k[sc].ifp.set(ifp);
    k[ifp].if_softc.set(sc);
    k[ifp].if_flags.set(IFF_BROADCAST | IFF_SIMPLEX | IFF_MULTICAST);
    sc
}

/// `epair_free_sc`.
async fn epair_free_sc(k: &K, sc: ScId) {
    let _f = k.frame(&Func { name: "epair_free_sc", file: FILE });
    let _sc = k.hold(ObjRef::of(sc), false);
    if_free(k, k[sc].ifp.get()).await;
    k.yield_at("epair_free_sc:free").await;
    uma::free(k, |s| &s.softcs, sc);
}

/// `epair_set_state`.
fn epair_set_state(k: &K, ifp: IfId, running: bool) {
    let _f = k.frame(&Func { name: "epair_set_state", file: FILE });
    let flags = &k[ifp].if_drv_flags;
    if running {
        flags.set(flags.get() | IFF_DRV_RUNNING);
        if_link_state_change(k, ifp, true);
    } else {
        if_link_state_change(k, ifp, false);
        flags.set(flags.get() & !IFF_DRV_RUNNING);
    }
}

/// `epair_clone_create`: `name` is the first half's slot, the second's is the next one.
pub async fn epair_clone_create(k: &K, name: u8) -> Result<IfId, i32> {
    let _f = k.frame(&Func { name: "epair_clone_create", file: FILE });
    let error = epair_handle_unit(k, name);
    if error != 0 {
        return Err(error);
    }
    let sca = epair_alloc_sc(k, name).await;
    let _sca = k.hold(ObjRef::of(sca), false);
    let scb = epair_alloc_sc(k, name + 1).await;
    let _scb = k.hold(ObjRef::of(scb), false);
    if sca.is_null() || scb.is_null() {
        // The model's memory is exhausted.
        return Err(ENXIO);
    }
    let (a, b) = (k[sca].ifp.get(), k[scb].ifp.get());
    let _a = k.hold(ObjRef::of(a), false);
    let _b = k.hold(ObjRef::of(b), false);
    k[sca].oifp.set(b);
    k[scb].oifp.set(a);
    ether_ifattach(k, a).await;
    k.yield_at("epair_clone_create:epair_clone_add").await;
    epair_clone_add(k, b).await;
    k.yield_at("epair_clone_create:epair_set_state").await;
    epair_set_state(k, a, true);
    epair_set_state(k, b, true);
    Ok(a)
}

/// `epair_clone_add`: the second half, for which nobody else does it.
async fn epair_clone_add(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "epair_clone_add", file: FILE });
    ether_ifattach(k, ifp).await;
    if_clone_addif(k, ifp).await;
}

/// `epair_handle_unit`.
fn epair_handle_unit(k: &K, name: u8) -> i32 {
    let error = ifc_alloc_unit(k, name);
    if error != 0 {
        return error;
    }
    if !ifunit(k, name).is_null() || !ifunit(k, name + 1).is_null() {
        ifc_free_unit(k, name);
        return EEXIST;
    }
    0
}

/// `epair_drain_rings`.
async fn epair_drain_rings(k: &K, sc: ScId) {
    let _f = k.frame(&Func { name: "epair_drain_rings", file: FILE });
    let lock = queue_lock(k, sc);
    k.lock(lock).await;
    k[sc].queued.set(0);
    k.unlock(lock);
}

/// `epair_clone_destroy`: of either half.
pub async fn epair_clone_destroy(k: &K, ifp: IfId) -> i32 {
    let _f = k.frame(&Func { name: "epair_clone_destroy", file: FILE });
    let sca = k[ifp].if_softc.get();
    // The second half, for which if_clone_destroyif was called below.
    if sca.is_null() {
        return 0;
    }
    let unit = k[ifp].name.get().min(k[k[sca].oifp.get()].name.get());
    let oifp = k[sca].oifp.get();
    let scb = k[oifp].if_softc.get();
    let _sca = k.hold(ObjRef::of(sca), false);
    let _scb = k.hold(ObjRef::of(scb), false);
    let other = k.hold(ObjRef::of(oifp), false);
    epair_set_state(k, ifp, false);
    k.yield_at("epair_clone_destroy:epair_set_state").await;
    epair_set_state(k, oifp, false);
    k.yield_at("epair_clone_destroy:ether_ifdetach").await;
    ether_ifdetach(k, ifp).await;
    k.yield_at("epair_clone_destroy:other").await;
    ether_ifdetach(k, oifp).await;
    if !k.on(d::EPAIR_TXTASK_NOT_DRAINED) {
        // Nobody sends any more: both are down, and those inside the epoch have left.
        taskqueue_drain(k, Task::EpairTx(scb)).await;
        taskqueue_drain(k, Task::EpairTx(sca)).await;
    }
    epair_drain_rings(k, scb).await;
    k.yield_at("epair_clone_destroy:if_clone_destroyif").await;
    k[oifp].if_softc.set(ScId::NULL);
    if if_clone_destroyif(k, oifp).await != 0 {
        let what = "epair_clone_destroy: if_clone_destroyif() for our 2nd iface failed";
        k.kernel_fault(FaultKind::Panic(what), ObjRef::of(oifp), "epair_clone_destroy");
        return ENXIO;
    }
    k.yield_at("epair_clone_destroy:epair_free_sc").await;
    drop(other);
    epair_free_sc(k, scb).await;
    k.yield_at("epair_clone_destroy:epair_drain_rings").await;
    epair_drain_rings(k, sca).await;
    epair_free_sc(k, sca).await;
    ifc_free_unit(k, unit);
    0
}
