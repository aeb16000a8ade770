//! `sys/net/if_loop.c`: lo0, which is there after boot and never goes.

use super::bpf::bpfattach;
use super::if_c::*;
use super::if_clone::if_clone_addif;
use super::objects::*;
use super::verbs::{LO0, LOOPBACK4};
use super::{K, subr_epoch, subr_taskqueue};
use crate::kern::trace::Func;

const FILE: &str = "sys/net/if_loop.c";

/// Attaches lo0 at boot, with the addresses that every host has: `ifconfig lo0
/// 127.0.0.1/8`, and what IPv6 adds when the interface comes up.
pub fn boot(k: &K) {
    k.at_boot(async {
        lo_clone_create(k).await;
        let req = AliasReq { addr: LOOPBACK4, dst: 0, bits: 8 };
        ifioctl(k, LO0, Ioctl::Aifaddr(req)).await;
        subr_taskqueue::run_all(k).await;
        subr_epoch::epoch_call_task(k).await;
    });
}

/// `lo_clone_create`, of the first unit.
async fn lo_clone_create(k: &K) {
    let _f = k.frame(&Func { name: "lo_clone_create", file: FILE });
    let ifp = if_alloc(k, Driver::Lo, LO0).await;
    k[ifp].if_flags.set(IFF_LOOPBACK | IFF_MULTICAST);
    k[ifp].if_cap_linkstate.set(true);
    if_attach(k, ifp).await;
    bpfattach(k, ifp).await;
    k.st.v_loif.set(ifp);
    if_clone_addif(k, ifp).await;
}

/// `loioctl`.
pub fn loioctl(k: &K, ifp: IfId, cmd: DrvCmd) -> i32 {
    let _f = k.frame(&Func { name: "loioctl", file: FILE });
    let i = &k[ifp];
    match cmd {
        DrvCmd::Sifaddr => {
            i.if_flags.set(i.if_flags.get() | IFF_UP);
            i.if_drv_flags.set(i.if_drv_flags.get() | IFF_DRV_RUNNING);
            if_link_state_change(k, ifp, true);
        }
        DrvCmd::Sifflags(_) => if_link_state_change(k, ifp, i.if_flags.get() & IFF_UP != 0),
        DrvCmd::Addmulti | DrvCmd::Delmulti => {}
    }
    0
}
