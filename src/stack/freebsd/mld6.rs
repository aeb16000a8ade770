//! `sys/netinet6/mld6.c`: MLD, which reads the interface it speaks on.

use super::in6_mcast::{in6m_disconnect_locked, in6m_ifmultiaddr_get_inm};
use super::nd6::nd_ifinfo;
use super::objects::*;
use super::subr_epoch::{net_epoch_enter, net_epoch_exit};
use super::{K, locks};
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet6/mld6.c";

/// `mld_change_state`, but for what may fail: a membership that is disconnected, or whose
/// interface is gone, has nothing to say.
pub fn mld_change_state(k: &K, inm: InmId) {
    let _f = k.frame(&Func { name: "mld_change_state", file: FILE });
    if k[inm].ifp.get().is_null() {
        return;
    }
    let ifp = k[k[inm].ifma.get()].ifma_ifp.get();
    if !ifp.is_null() {
        let _ = nd_ifinfo(k, ifp, "MLD_IFINFO(ifp)");
    }
}

/// `mld_ifdetach`: disconnects the records of an interface; whether one waits for the task now.
pub async fn mld_ifdetach(k: &K, ifp: IfId) -> bool {
    let _f = k.frame(&Func { name: "mld_ifdetach", file: FILE });
    let lock = locks::if_addr(k, ifp);
    k.lock(lock).await;
    net_epoch_enter(k);
    let mut any = false;
    let mut ifma = k[ifp].if_multiaddrs.first[0].get();
    while !ifma.is_null() && k.fuel() {
        let next = k[ifma].ifma_link.next.get();
        let inm = in6m_ifmultiaddr_get_inm(k, ifma);
        if !inm.is_null() {
            any |= in6m_disconnect_locked(k, inm);
        }
        ifma = next;
    }
    net_epoch_exit(k);
    k.unlock(lock);
    any
}
