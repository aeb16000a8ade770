//! `sys/net/netisr.c`: packets that wait, and who brought them.
//!
//! A packet comes from a driver, which knows its interface for as long as it exists: from
//! `if_alloc` to `if_free`, dying or not. It is served at once, inside the epoch section
//! that the driver's input opens, or queued with the interface as index and generation,
//! which are looked up again when its turn comes.

use super::ip6_input::ip6_input;
use super::kern_mbuf::{m_rcvif_restore, m_rcvif_serialize};
use super::nd6_rtr::Ra;
use super::objects::*;
use super::subr_epoch::{net_epoch_enter, net_epoch_exit};
use super::verbs::NG0;
use super::{ENETDOWN, ENOBUFS, ENOENT, ENXIO, K};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/net/netisr.c";

/// The interface that the driver of a name slot has, and that takes packets; no reference.
fn input_ifp(k: &K, name: u8) -> Result<IfId, i32> {
    let drivers = k.st.ifindex_table.iter().map(|slot| slot.get());
    let ifp = drivers.filter(|&ifp| k.st.ifnets.is_live(ifp)).find(|&ifp| {
        let i = k.st.ifnets.raw(ifp);
        i.name.get() == name
    });
    let Some(ifp) = ifp else { return Err(ENXIO) };
    if name >= NG0 {
        // A node that is being shut down has no hook that a packet could come from.
        let node = k.st.ng_iface[usize::from(name - NG0) % 2].get();
        if node.is_null() || k[node].closing.get() {
            return Err(ENXIO);
        }
    }
    let i = &k[ifp];
    if i.if_flags.get() & IFF_UP == 0 || i.if_methods.get() == Methods::Dead {
        return Err(ENETDOWN);
    }
    Ok(ifp)
}

/// The name of a driver's input routine.
fn input_func(k: &K, ifp: IfId) -> &'static Func {
    match k[ifp].driver.get() {
        Driver::Ng => &Func { name: "ng_iface_rcvdata", file: "sys/netgraph/ng_iface.c" },
        Driver::Tun => &Func { name: "tunwrite", file: "sys/net/if_tuntap.c" },
        Driver::Epair => &Func { name: "ether_input", file: "sys/net/if_ethersubr.c" },
        Driver::Lo => &Func { name: "if_simloop", file: "sys/net/if_loop.c" },
    }
}

/// A router advertisement arrives at an interface and is dispatched at once.
pub async fn netisr_dispatch_ra(k: &K, name: u8, ra: Ra) -> i32 {
    let ifp = match input_ifp(k, name) {
        Ok(ifp) => ifp,
        Err(error) => return error,
    };
    let _f = k.frame(input_func(k, ifp));
    net_epoch_enter(k);
    {
        let _ifp = k.hold(ObjRef::of(ifp), false);
        let _f = k.frame(&Func { name: "netisr_dispatch", file: FILE });
        k.yield_at("netisr_dispatch").await;
        ip6_input(k, ifp, ra).await;
    }
    net_epoch_exit(k);
    0
}

/// A router advertisement arrives and is queued.
pub async fn netisr_queue_ra(k: &K, name: u8, ra: Ra) -> i32 {
    let ifp = match input_ifp(k, name) {
        Ok(ifp) => ifp,
        Err(error) => return error,
    };
    let _f = k.frame(&Func { name: "netisr_queue", file: FILE });
    let packet = m_rcvif_serialize(k, ifp, ra);
    if k.st.netisr.push(packet) { 0 } else { ENOBUFS }
}

/// The netisr thread serves one packet.
pub async fn swi_net(k: &K) -> i32 {
    let _f = k.frame(&Func { name: "swi_net", file: FILE });
    let Some(m) = k.st.netisr.remove(0) else { return ENOENT };
    net_epoch_enter(k);
    let ifp = m_rcvif_restore(k, &m);
    if let (Some(ra), false) = (m.ra, ifp.is_null()) {
        let _ifp = k.hold(ObjRef::of(ifp), false);
        k.yield_at("netisr_process_workstream_proto").await;
        ip6_input(k, ifp, ra).await;
    }
    net_epoch_exit(k);
    0
}
