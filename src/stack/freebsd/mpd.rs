//! `mpd5`, `src/iface.c`: what the PPP daemon does to the kernel when a session comes up,
//! goes down, and comes back.
//!
//! It has no way of its own: ioctls, routing messages and netgraph messages, one after the
//! other. When one of them fails it says so and goes on. The default router that an
//! advertisement has brought is none of its business.

use super::if_c::{AliasReq, Ioctl, ifioctl};
use super::ng_base::*;
use super::ng_pppoe::ng_pppoe_newhook;
use super::objects::*;
use super::route_ctl::Rtm;
use super::rtsock::{RouteReq, Via, rts_send};
use super::verbs::NG0;
use super::{EEXIST, ENOMEM, ENOTCONN, ENXIO, K};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "src/iface.c";
/// IPCP: our address, 10.0.0.1.
const OURS: Addr = 0x0a00_0001 << 32;
/// IPCP: the peer's address, 10.0.0.2.
const PEER: Addr = 0x0a00_0002 << 32;
/// IPV6CP: our interface identifier, fe80::1.
const LINK_LOCAL: Addr = 0xfe80 << 48 | 1;

/// What the daemon knows of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Session {
    /// The session is up.
    pub up: bool,
    /// The IPv4 default route through the peer is the daemon's.
    pub route: bool,
}

/// The errno of the first request that failed.
#[derive(Default)]
struct Errors(i32);

impl Errors {
    fn note(&mut self, error: i32) {
        if self.0 == 0 {
            self.0 = error;
        }
    }
}

fn session(k: &K, unit: u8) -> Session {
    k.st.mpd[usize::from(unit)].get()
}

fn set_session(k: &K, unit: u8, s: Session) {
    k.st.mpd[usize::from(unit)].set(s);
}

/// The default route of a session.
fn default_route() -> RouteReq {
    RouteReq {
        af: Af::Inet,
        dst: Prefix::new(0, 0),
        via: Via::Addr(PEER),
        is_static: true,
        append: false,
    }
}

/// The session comes up: the hook is connected, then IPCP and IPV6CP configure the
/// interface.
pub async fn session_up(k: &K, unit: u8) -> i32 {
    let _f = k.frame(&Func { name: "IfaceUp", file: FILE });
    let error = connect(k, unit).await;
    if error != 0 {
        return error;
    }
    set_session(k, unit, Session { up: true, route: false });
    let name = NG0 + unit;
    let mut errors = Errors::default();
    errors.note(ifioctl(k, name, Ioctl::Sifflags(true)).await);
    k.yield_at("IfaceUp:IfaceIpIfaceUp").await;
    let req = AliasReq { addr: OURS, dst: PEER, bits: 32 };
    errors.note(ifioctl(k, name, Ioctl::Aifaddr(req)).await);
    let error = rts_send(k, Rtm::Add, default_route()).await;
    set_session(k, unit, Session { route: error == 0, ..session(k, unit) });
    errors.note(error);
    k.yield_at("IfaceUp:IfaceIpv6IfaceUp").await;
    let req = AliasReq { addr: LINK_LOCAL, dst: 0, bits: 32 };
    errors.note(ifioctl(k, name, Ioctl::AifaddrIn6(req)).await);
    errors.0
}

/// A pppoe node with one hook, connected to the iface node.
async fn connect(k: &K, unit: u8) -> i32 {
    let iface = ng_path2noderef(k, unit);
    if iface.is_null() {
        return ENXIO;
    }
    let held = k.hold(ObjRef::of(iface), true);
    let error = match k[iface].hooks[0].get().is_null() {
        true => make_session(k, unit, iface).await,
        false => EEXIST,
    };
    drop(held);
    ng_unref_node(k, iface);
    error
}

async fn make_session(k: &K, unit: u8, iface: NodeId) -> i32 {
    let node = ng_make_node_common(k, NgType::Pppoe, unit);
    if node.is_null() {
        return ENOMEM;
    }
    ng_ref_node(k, node);
    let held = k.hold(ObjRef::of(node), true);
    let mut error = ng_pppoe_newhook(k);
    if error == 0 {
        error = ng_con_nodes(k, node, iface).await;
    }
    if error != 0 {
        ng_rmnode(k, node).await;
    }
    drop(held);
    ng_unref_node(k, node);
    error
}

/// The session is lost.
pub async fn session_down(k: &K, unit: u8) -> i32 {
    let _f = k.frame(&Func { name: "IfaceDown", file: FILE });
    let was = session(k, unit);
    if !was.up {
        return ENOTCONN;
    }
    set_session(k, unit, Session::default());
    let name = NG0 + unit;
    let mut errors = Errors::default();
    if was.route {
        errors.note(rts_send(k, Rtm::Delete, default_route()).await);
    }
    k.yield_at("IfaceDown:IfaceIpIfaceDown").await;
    errors.note(ifioctl(k, name, Ioctl::Difaddr(OURS)).await);
    k.yield_at("IfaceDown:IfaceIpv6IfaceDown").await;
    errors.note(ifioctl(k, name, Ioctl::DifaddrIn6(LINK_LOCAL)).await);
    k.yield_at("IfaceDown:disconnect").await;
    disconnect(k, unit).await;
    errors.note(ifioctl(k, name, Ioctl::Sifflags(false)).await);
    errors.0
}

/// `NGM_RMHOOK`.
async fn disconnect(k: &K, unit: u8) {
    let iface = ng_path2noderef(k, unit);
    if iface.is_null() {
        return;
    }
    let held = k.hold(ObjRef::of(iface), true);
    ng_destroy_hook(k, iface, 0).await;
    drop(held);
    ng_unref_node(k, iface);
}

/// The session is lost, its node shut down, and a new one made: the daemon's link was
/// restarted.
pub async fn reconnect(k: &K, unit: u8) -> i32 {
    let _f = k.frame(&Func { name: "reconnect", file: "" });
    let mut errors = Errors::default();
    if session(k, unit).up {
        errors.note(session_down(k, unit).await);
        k.yield_at("reconnect:shutdown").await;
    }
    if !k.st.ng_iface[usize::from(unit)].get().is_null() {
        errors.note(ngm_shutdown(k, unit).await);
    }
    k.yield_at("reconnect:mkpeer").await;
    errors.note(ngm_mkpeer(k, unit).await);
    errors.note(ifioctl(k, NG0 + unit, Ioctl::Sifname).await);
    errors.note(ifioctl(k, NG0 + unit, Ioctl::Sifdescr).await);
    errors.note(session_up(k, unit).await);
    errors.0
}
