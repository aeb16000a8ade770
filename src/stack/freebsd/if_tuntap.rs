//! `sys/net/if_tuntap.c`: tun, an interface that a process holds open.
//!
//! The device and the interface are one softc. Destroying waits, with `ifnet_detach_sx`
//! held, until the process closes; from then on the device is dying and is not opened
//! again. Threads inside the device's methods are counted by devfs.

use super::if_c::*;
use super::if_clone::*;
use super::kern_conf::{destroy_dev, dev_refthread, dev_relthread};
use super::objects::*;
use super::{EBUSY, ENXIO, K, bpf, locks, uma};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/net/if_tuntap.c";

/// The softc of which `test` says yes: the device's `si_drv1`, or the open file's data.
fn softc(k: &K, test: impl Fn(&Softc) -> bool) -> ScId {
    k.st.softcs.iter().find(|(_, s)| test(s)).map_or(ScId::NULL, |(id, _)| id)
}

/// `tun_busy_locked`.
fn tun_busy_locked(k: &K, tp: ScId) -> i32 {
    if k[tp].tun_dying.get() {
        return EBUSY;
    }
    k[tp].tun_busy.inc();
    0
}

/// `tun_unbusy_locked`.
fn tun_unbusy_locked(k: &K, tp: ScId) {
    if k[tp].tun_busy.dec() == 0 {
        k[tp].tun_cv.wakeup(k);
    }
}

/// `tun_clone_create`, with `tun_create_device` and `tuncreate`.
pub async fn tun_clone_create(k: &K, name: u8) -> Result<IfId, i32> {
    let _f = k.frame(&Func { name: "tun_clone_create", file: FILE });
    let error = ifc_alloc_unit(k, name);
    if error != 0 {
        return Err(error);
    }
    k.might_sleep();
    let tp = uma::alloc(k, |s| &s.softcs);
    if tp.is_null() {
        return Err(ENXIO);
    }
    k[tp].driver.set(Driver::Tun);
    k[tp].name.set(name);
    k[tp].tun_dev.set(true);
    let _tp = k.hold(ObjRef::of(tp), false);
    k.yield_at("tun_clone_create:tuncreate").await;
    Ok(tuncreate(k, tp, name).await)
}

async fn tuncreate(k: &K, tp: ScId, name: u8) -> IfId {
    let _f = k.frame(&Func { name: "tuncreate", file: FILE });
    let ifp = if_alloc(k, Driver::Tun, name).await;
    if ifp.is_null() {
        return ifp;
    }
    let _ifp = k.hold(ObjRef::of(ifp), false);
    k[tp].ifp.set(ifp);
    k[ifp].if_softc.set(tp);
    k[ifp].if_flags.set(IFF_POINTOPOINT | IFF_MULTICAST);
    k[ifp].if_cap_linkstate.set(true);
    if_attach(k, ifp).await;
    k.yield_at("tuncreate:bpfattach").await;
    bpf::bpfattach(k, ifp).await;
    k.lock(locks::TUN).await;
    k[tp].tun_inited.set(true);
    k.unlock(locks::TUN);
    ifp
}

/// `tun_clone_destroy`, `tun_destroy`.
pub async fn tun_clone_destroy(k: &K, ifp: IfId) -> i32 {
    let _f = k.frame(&Func { name: "tun_destroy", file: FILE });
    let tp = k[ifp].if_softc.get();
    let _tp = k.hold(ObjRef::of(tp), false);
    k.lock(locks::TUN).await;
    k[tp].tun_dying.set(true);
    let busy = k[tp].tun_busy.get() != 0;
    k.unlock(locks::TUN);
    if busy {
        // cv_wait_unlock: until the last close.
        k[tp].tun_cv.sleep(k, "tun_condvar", None).await;
    }
    k.yield_at("tun_destroy:destroy_dev").await;
    destroy_dev(k, tp).await;
    bpf::bpfdetach(k, ifp).await;
    k.yield_at("tun_destroy:if_detach").await;
    if_detach(k, ifp).await;
    k.lock(locks::TUN_IOCTL).await;
    k[ifp].if_softc.set(ScId::NULL);
    k.unlock(locks::TUN_IOCTL);
    k.yield_at("tun_destroy:free_unr").await;
    ifc_free_unit(k, k[ifp].name.get());
    if_free(k, ifp).await;
    k.yield_at("tun_destroy:free").await;
    uma::free(k, |s| &s.softcs, tp);
    0
}

/// `tunopen`.
pub async fn tunopen(k: &K) -> i32 {
    let tp = softc(k, |s| s.tun_dev.get());
    if tp.is_null() {
        return ENXIO;
    }
    let _f = k.frame(&Func { name: "tunopen", file: FILE });
    dev_refthread(k, tp);
    let held = k.hold(ObjRef::of(tp), false);
    k.yield_at("tunopen:si_drv1").await;
    let error = open(k, tp).await;
    drop(held);
    dev_relthread(k, tp);
    error
}

async fn open(k: &K, tp: ScId) -> i32 {
    k.lock(locks::TUN).await;
    if !k[tp].tun_inited.get() {
        k.unlock(locks::TUN);
        return ENXIO;
    }
    if k[tp].tun_open.get() || k[tp].tun_dying.get() {
        k.unlock(locks::TUN);
        return EBUSY;
    }
    let _ = tun_busy_locked(k, tp);
    let ifp = k[tp].ifp.get();
    k[tp].tun_open.set(true);
    k.yield_at("tunopen:if_link_state_change").await;
    if_link_state_change(k, ifp, true);
    k.unlock(locks::TUN);
    k.yield_at("tunopen:devfs_set_cdevpriv").await;
    k[tp].cdevpriv.set(true);
    0
}

/// Whether a process has the device open, and will close it in the end.
pub fn is_open(k: &K) -> bool {
    k.st.softcs.iter().any(|(_, s)| s.cdevpriv.get())
}

/// The process closes the device: `tundtor`, if it is open.
pub async fn tunclose(k: &K) -> i32 {
    let tp = softc(k, |s| s.cdevpriv.get());
    if tp.is_null() {
        return ENXIO;
    }
    k[tp].cdevpriv.set(false);
    dev_refthread(k, tp);
    let held = k.hold(ObjRef::of(tp), false);
    k.yield_at("devfs_destroy_cdevpriv").await;
    tundtor(k, tp).await;
    drop(held);
    dev_relthread(k, tp);
    0
}

/// `tundtor`. While it runs, the softc is busy.
async fn tundtor(k: &K, tp: ScId) {
    let _f = k.frame(&Func { name: "tundtor", file: FILE });
    let ifp = k[tp].ifp.get();
    let _ifp = k.hold(ObjRef::of(ifp), false);
    k.lock(locks::TUN).await;
    if k[ifp].if_flags.get() & IFF_UP != 0 {
        k.unlock(locks::TUN);
        k.yield_at("tundtor:if_down").await;
        if_down(k, ifp).await;
        k.lock(locks::TUN).await;
    }
    let running = &k[ifp].if_drv_flags;
    if running.get() & IFF_DRV_RUNNING != 0 {
        running.set(running.get() & !IFF_DRV_RUNNING);
        k.unlock(locks::TUN);
        k.yield_at("tundtor:if_purgeaddrs").await;
        if_purgeaddrs(k, ifp).await;
        k.lock(locks::TUN).await;
    }
    if_link_state_change(k, ifp, false);
    k[tp].tun_open.set(false);
    k.yield_at("tundtor:tun_unbusy").await;
    tun_unbusy_locked(k, tp);
    k.unlock(locks::TUN);
}

/// `tuninit`.
async fn tuninit(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "tuninit", file: FILE });
    k.lock(locks::TUN).await;
    let i = &k[ifp];
    i.if_drv_flags.set(i.if_drv_flags.get() | IFF_DRV_RUNNING);
    i.if_flags.set(i.if_flags.get() | IFF_UP);
    k.unlock(locks::TUN);
}

/// `tunifioctl`.
pub async fn tunifioctl(k: &K, ifp: IfId, cmd: DrvCmd) -> i32 {
    let _f = k.frame(&Func { name: "tunifioctl", file: FILE });
    k.lock(locks::TUN_IOCTL).await;
    if k[ifp].if_softc.get().is_null() {
        k.unlock(locks::TUN_IOCTL);
        return ENXIO;
    }
    if cmd == DrvCmd::Sifaddr {
        tuninit(k, ifp).await;
    }
    k.unlock(locks::TUN_IOCTL);
    0
}
