//! The end of a run: everything that a user can end is ended, and what is put off runs.
//!
//! Sockets are closed, devices closed, user routes deleted, sessions dropped and nodes
//! shut down, clones destroyed, the addresses of lo0 that were not there at boot deleted;
//! then time passes until every callout, task and epoch callback has run.

use super::K;
use super::if_c::{Ioctl, ifioctl};
use super::mpd;
use super::netisr;
use super::ng_base::ngm_shutdown;
use super::objects::*;
use super::radix::table;
use super::route_ctl::Rtm;
use super::rtsock::{RouteReq, Via, rts_send};
use super::{NSOCKS, if_tuntap, kern_descrip, kern_timeout};
use crate::kern::cell::F;

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Teardown {
    /// Close a socket.
    Close(u8),
    /// Close tun0.
    CloseTun,
    /// Delete a route that the user made.
    DeleteRoute(Af, Prefix, Via),
    /// Drop a PPPoE session.
    SessionDown(u8),
    /// Shut an iface node down.
    Shutdown(u8),
    /// Destroy a clone.
    Destroy(u8),
    /// Delete an address of lo0.
    DeleteAddress(Af, Addr),
    /// Serve a packet that waits.
    Netisr,
    /// Let time pass.
    Advance,
}

/// How often time passes at the end: callouts that a callout arms, callbacks that a
/// callback queues, each costing a grace period.
const ROUNDS: u32 = 3;

/// What is still to be torn down, first things first; step `n`.
pub fn next(k: &K, n: u32) -> Option<Teardown> {
    let st = &k.st;
    // More steps than objects: something comes back again and again.
    if n > 200 {
        return None;
    }
    if let Some(i) = (0..NSOCKS).find(|&i| !st.pcbs[i].get().is_null()) {
        return Some(Teardown::Close(i as u8));
    }
    if st.softcs.iter().any(|(_, s)| s.tun_open.get()) {
        return Some(Teardown::CloseTun);
    }
    for af in [Af::Inet, Af::Inet6] {
        if let Some((dst, via)) = table(k, af).find_map(|rt| made_by_user(k, rt)) {
            return Some(Teardown::DeleteRoute(af, dst, via));
        }
    }
    if let Some(i) = (0..2).find(|&i| st.mpd[i].get().up) {
        return Some(Teardown::SessionDown(i as u8));
    }
    if let Some(i) = (0..2).find(|&i| !st.ng_iface[i].get().is_null()) {
        return Some(Teardown::Shutdown(i as u8));
    }
    let clone = st.ifnets.iter().find(|(_, i)| {
        i.if_clones_linked.get() && matches!(i.driver.get(), Driver::Epair | Driver::Tun)
    });
    if let Some((_, i)) = clone {
        return Some(Teardown::Destroy(i.name.get()));
    }
    let lo = st.v_loif.get();
    let own = |a: &Ifaddr| match a.af.get() {
        Af::Link => true,
        Af::Inet => a.addr.get() == super::verbs::LOOPBACK4,
        Af::Inet6 => {
            a.addr.get() == super::verbs::LOOPBACK6 || a.addr.get() == super::verbs::LOOPBACK_LL
        }
    };
    let mut ifa = st.ifnets.raw(lo).if_addrhead.first.get();
    while !ifa.is_null() && k.fuel() {
        let a = st.ifas.raw(ifa);
        if !own(a) {
            return Some(Teardown::DeleteAddress(a.af.get(), a.addr.get()));
        }
        ifa = a.ifa_link.next.get();
    }
    if !st.netisr.is_empty() {
        return Some(Teardown::Netisr);
    }
    let ended = st.advanced.get();
    if ended < ROUNDS {
        st.advanced.set(ended + 1);
        return Some(Teardown::Advance);
    }
    None
}

/// A path of a route that is the user's, neither an address's nor a router
/// advertisement's: its prefix, and the gateway that a multipath route needs to be told.
fn made_by_user(k: &K, rt: RtId) -> Option<(Prefix, Via)> {
    let route = k.st.rts.raw(rt);
    let users = |nh: NhId| {
        let n = k.st.nhops.raw(nh);
        let advertised = matches!(n.gw.get(), Gw::Addr(gw) if gw >> 48 == 0xfe80);
        let flags = n.rt_flags.get();
        flags & RTF_PINNED == 0 && (flags & RTF_STATIC != 0 || !advertised)
    };
    let via = match route.rt_nhop.get() {
        NhRef::Null => None,
        NhRef::Nh(nh) => users(nh).then_some(Via::None),
        NhRef::Nhg(g) => {
            let mut paths = k.st.nhgrps.raw(g).nhops.iter().map(F::get);
            let path = paths.find(|&nh| !nh.is_null() && users(nh))?;
            match k.st.nhops.raw(path).gw.get() {
                Gw::Addr(gw) => Some(Via::Addr(gw)),
                _ => None,
            }
        }
    };
    via.map(|via| (route.rt_dst.get(), via))
}

/// Runs a step.
pub async fn step(k: &K, step: Teardown) -> i32 {
    match step {
        Teardown::Close(i) => kern_descrip::close(k, i as usize).await,
        Teardown::CloseTun => if_tuntap::tunclose(k).await,
        Teardown::DeleteRoute(af, dst, via) => {
            let req = RouteReq { af, dst, via, ..RouteReq::default() };
            rts_send(k, Rtm::Delete, req).await
        }
        Teardown::SessionDown(unit) => mpd::session_down(k, unit).await,
        Teardown::Shutdown(unit) => ngm_shutdown(k, unit).await,
        Teardown::Destroy(name) => ifioctl(k, name, Ioctl::Ifdestroy).await,
        Teardown::DeleteAddress(Af::Inet, addr) => ifioctl(k, 0, Ioctl::Difaddr(addr)).await,
        Teardown::DeleteAddress(_, addr) => ifioctl(k, 0, Ioctl::DifaddrIn6(addr)).await,
        Teardown::Netisr => netisr::swi_net(k).await,
        Teardown::Advance => kern_timeout::advance(k, 7_200_000, u32::MAX).await,
    }
}
