//! `sys/netinet/if_ether.c`: ARP.
//!
//! Nobody answers a request here but the verb that resolves again: what matters of an
//! entry is who refers to it, and when its timer takes it away.

use super::defects as d;
use super::if_c::ifunit;
use super::if_llatbl::*;
use super::in_c::in_lltable_rtcheck;
use super::locks;
use super::objects::*;
use super::subr_epoch::{net_epoch_enter, net_epoch_exit};
use super::{EINVAL, ENETDOWN, ENXIO, K};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet/if_ether.c";

/// `EWOULDBLOCK`: a request was sent.
pub const EWOULDBLOCK: i32 = 35;

/// `V_arpt_down`: how long an unresolved entry stays, ms.
const ARPT_DOWN: u64 = 20_000;

/// `arp_ifinit`: the interface's own entry for a new address.
pub async fn arp_ifinit(k: &K, ifp: IfId, ia: IfaId) {
    let _f = k.frame(&Func { name: "arp_ifinit", file: FILE });
    let addr = k[ia].addr.get();
    if addr != 0 {
        // A failure is logged, no more.
        arp_add_ifa_lle(k, ifp, addr).await;
    }
}

async fn arp_add_ifa_lle(k: &K, ifp: IfId, addr: Addr) -> i32 {
    let _f = k.frame(&Func { name: "arp_add_ifa_lle", file: FILE });
    lltable_add_ifa(k, ifp, Af::Inet, addr).await
}

/// `arpresolve`, `arpresolve_full`: finds or makes the entry of a neighbour; 0 when it is
/// resolved. Inside the epoch.
pub async fn arpresolve(k: &K, ifp: IfId, addr: Addr) -> i32 {
    let _f = k.frame(&Func { name: "arpresolve", file: FILE });
    k.yield_at("arpresolve:lookup").await;
    let mut la = lla_lookup(k, lltable(k, ifp, Af::Inet), addr);
    if !la.is_null() && k[la].state.get() != LleState::Incomplete {
        return 0;
    }
    if la.is_null() {
        if k[ifp].if_flags.get() & IFF_NOARP != 0 || !in_lltable_rtcheck(k, ifp, addr).await {
            return EINVAL;
        }
        let new = lltable_alloc_entry(k, ifp, Af::Inet, addr, false);
        if new.is_null() {
            return EINVAL;
        }
        let lock = locks::if_afdata(k, ifp);
        let linked;
        {
            let _la = k.hold(ObjRef::of(new), true);
            k.yield_at("arpresolve_full:afdata_lock").await;
            k.lock(lock).await;
            let llt = lltable(k, ifp, Af::Inet);
            la = lla_lookup(k, llt, addr);
            // An entry that came meanwhile is preferred.
            linked = la.is_null() && lltable_link_entry(k, llt, new);
            k.unlock(lock);
        }
        if linked {
            la = new;
        } else {
            llentry_free(k, new);
            if la.is_null() {
                return EINVAL;
            }
        }
    }
    if k[la].state.get() != LleState::Incomplete {
        return 0;
    }
    lle_timer_reset(k, la, ARPT_DOWN);
    EWOULDBLOCK
}

/// `arptimer`: an entry's timer has fired. It owns the reference that the timer had.
pub async fn arptimer(k: &K, lle: LleId) {
    let _f = k.frame(&Func { name: "arptimer", file: FILE });
    let held = k.hold(ObjRef::of(lle), true);
    if k[lle].is_static.get() {
        return;
    }
    let protected = !k.on(d::LLE_TIMER_AFTER_TABLE);
    if protected {
        net_epoch_enter(k);
    }
    k.yield_at("arptimer:lle_lock").await;
    drop(held);
    if lle_timer_enter(k, lle) {
        expire(k, lle).await;
    }
    if protected {
        net_epoch_exit(k);
    }
}

/// The rest of `arptimer`: the entry goes.
async fn expire(k: &K, lle: LleId) {
    let ifp = llt_ifp(k, k[lle].lle_tbl.get());
    k[lle].lle_timer.stop();
    {
        let _lle = k.hold(ObjRef::of(lle), true);
        let _ifp = k.hold(ObjRef::of(ifp), false);
        k.yield_at("arptimer:afdata_lock").await;
        k.lock(locks::if_afdata(k, ifp)).await;
    }
    // Guards against another llentry_free: of two references one is the table's.
    if k[lle].linked.get() {
        lle_remref(k, lle);
        lltable_unlink_entry(k, lle);
    }
    k.unlock(locks::if_afdata(k, ifp));
    llentry_free(k, lle);
}

/// A packet for `addr` is to leave through an interface: `arpresolve` inside the epoch.
pub async fn resolve(k: &K, name: u8, addr: Addr) -> i32 {
    net_epoch_enter(k);
    let ifp = ifunit(k, name);
    let error = if ifp.is_null() {
        ENXIO
    } else {
        let _ifp = k.hold(ObjRef::of(ifp), false);
        match super::ip_output::if_output(k, ifp, Af::Inet, addr).await {
            EWOULDBLOCK => 0,
            ENETDOWN => ENETDOWN,
            e => e,
        }
    };
    net_epoch_exit(k);
    error
}
