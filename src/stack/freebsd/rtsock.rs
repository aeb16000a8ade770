//! `sys/net/rtsock.c`: the routing socket, as route(8) uses it.
//!
//! A second route to one prefix is a second path for the routing socket; that route(8) adds
//! one only when asked (RTM_F_EXCL otherwise) is what its netlink form does.

use super::if_c::ifunit;
use super::objects::*;
use super::route_ctl::{RTM_F_EXCL, RtAddrinfo, Rtm, rib_action};
use super::route_helpers::rib_lookup;
use super::subr_epoch::{net_epoch_enter, net_epoch_exit};
use super::{EINVAL, ENOBUFS, ENXIO, K, invariants};
use crate::kern::trace::Func;

const FILE: &str = "sys/net/rtsock.c";

/// A routing message of the user.
#[derive(Clone, Copy, Debug, Default)]
pub struct RouteReq {
    /// Family.
    pub af: Af,
    /// Destination.
    pub dst: Prefix,
    /// Through an address, or through the interface of that name slot.
    pub via: Via,
    /// RTF_STATIC, as route(8) sets it.
    pub is_static: bool,
    /// Added beside what is there: multipath.
    pub append: bool,
}

/// What a routing message names as gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// Nothing.
    #[default]
    None,
    /// An address.
    Addr(Addr),
    /// An interface, by its name slot: route(8) turns it into an index.
    If(u8),
}

/// `rts_send`: a message to the routing socket.
pub async fn rts_send(k: &K, rtm: Rtm, req: RouteReq) -> i32 {
    let mut info = RtAddrinfo {
        af: req.af,
        dst: req.dst,
        rti_flags: if req.is_static { RTF_UP | RTF_STATIC } else { RTF_UP },
        op_flags: if req.append { 0 } else { RTM_F_EXCL },
        ..RtAddrinfo::default()
    };
    if info.is_host() {
        info.rti_flags |= RTF_HOST;
    }
    match req.via {
        Via::None => {}
        Via::Addr(gw) => {
            info.gateway = Gw::Addr(gw);
            info.rti_flags |= RTF_GATEWAY;
        }
        Via::If(name) => {
            let ifp = ifunit(k, name);
            if ifp.is_null() {
                return ENXIO;
            }
            info.gateway = Gw::Link(k[ifp].if_index.get());
        }
    }
    let _f = k.frame(&Func { name: "rts_send", file: FILE });
    k.yield_at("rts_send").await;
    net_epoch_enter(k);
    let error = message(k, rtm, &mut info).await;
    net_epoch_exit(k);
    error
}

/// The part of `rts_send` inside its epoch section.
async fn message(k: &K, rtm: Rtm, info: &mut RtAddrinfo) -> i32 {
    if k.fails("rtm_alloc") {
        return ENOBUFS;
    }
    // fill_addrinfo: a gateway that is an address of this host is none.
    if let Gw::Addr(gw) = info.gateway {
        let nh = rib_lookup(k, info.af, gw).await;
        if !nh.is_null()
            && matches!(k[nh].gw.get(), Gw::Link(_))
            && k[k[nh].nh_ifp.get()].if_flags.get() & IFF_LOOPBACK != 0
        {
            info.rti_flags &= !RTF_GATEWAY;
        }
    }
    if rtm == Rtm::Add && info.gateway == Gw::None {
        return EINVAL;
    }
    let error = rib_action(k, rtm, info).await;
    if error == 0 && rtm != Rtm::Add {
        invariants::user_changed_route(k, info.af, info.dst);
    }
    error
}
