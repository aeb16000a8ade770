//! `sys/netgraph/ng_iface.c`: a node that is an interface.
//!
//! It is point-to-point, has no link-level addresses and no capabilities, so that its link
//! always counts as up. It goes with its node and with nothing else: its hooks come and go.

use super::defects as d;
use super::if_c::*;
use super::ng_base::{ng_disown, ng_name_node};
use super::objects::*;
use super::{K, bpf, if_clone, uma};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/netgraph/ng_iface.c";

/// `ng_iface_constructor`. The unit is taken already.
pub async fn ng_iface_constructor(k: &K, node: NodeId) {
    let _f = k.frame(&Func { name: "ng_iface_constructor", file: FILE });
    k.might_sleep();
    let name = k[node].name.get();
    let sc = uma::alloc(k, |s| &s.softcs);
    if sc.is_null() {
        return;
    }
    let _sc = k.hold(ObjRef::of(sc), false);
    k[sc].driver.set(Driver::Ng);
    k[sc].name.set(name);
    let ifp = if_alloc(k, Driver::Ng, name).await;
    if ifp.is_null() {
        return;
    }
    let _ifp = k.hold(ObjRef::of(ifp), false);
    k[ifp].if_softc.set(sc);
    k[sc].ifp.set(ifp);
    k[node].private.set(sc);
    k[sc].node.set(node);
    k[ifp].if_flags.set(IFF_SIMPLEX | IFF_POINTOPOINT | IFF_NOARP | IFF_MULTICAST);
    if k.on(d::NG_IFACE_NAMED_UNATTACHED) {
        ng_name_node(k, node);
    }
    k.yield_at("ng_iface_constructor:if_attach").await;
    if_attach(k, ifp).await;
    k.yield_at("ng_iface_constructor:bpfattach").await;
    bpf::bpfattach(k, ifp).await;
    if !k.on(d::NG_IFACE_NAMED_UNATTACHED) {
        ng_name_node(k, node);
    }
}

/// `ng_iface_shutdown`.
pub async fn ng_iface_shutdown(k: &K, node: NodeId) {
    let _f = k.frame(&Func { name: "ng_iface_shutdown", file: FILE });
    let sc = k[node].private.get();
    let _sc = k.hold(ObjRef::of(sc), false);
    let ifp = k[sc].ifp.get();
    bpf::bpfdetach(k, ifp).await;
    k.yield_at("ng_iface_shutdown:if_detach").await;
    if_detach(k, ifp).await;
    k.yield_at("ng_iface_shutdown:if_free").await;
    if_free(k, ifp).await;
    k[sc].ifp.set(IfId::NULL);
    k.yield_at("ng_iface_shutdown:free_unr").await;
    let name = k[node].name.get();
    if_clone::ifc_free_unit(k, name);
    for slot in &k.st.ng_iface {
        if slot.get() == node {
            slot.set(NodeId::NULL);
        }
    }
    k[node].private.set(ScId::NULL);
    uma::free(k, |s| &s.softcs, sc);
    ng_disown(k, node);
}

/// `ng_iface_disconnect`: the hook is forgotten; the node stays.
pub fn ng_iface_disconnect(k: &K, _node: NodeId) {
    let _f = k.frame(&Func { name: "ng_iface_disconnect", file: FILE });
}

/// `ng_iface_ioctl`.
pub fn ng_iface_ioctl(k: &K, ifp: IfId, cmd: DrvCmd) -> i32 {
    let _f = k.frame(&Func { name: "ng_iface_ioctl", file: FILE });
    let i = &k[ifp];
    let running = i.if_drv_flags.get() | IFF_DRV_RUNNING;
    match cmd {
        DrvCmd::Sifaddr => {
            i.if_flags.set(i.if_flags.get() | IFF_UP);
            i.if_drv_flags.set(running);
        }
        DrvCmd::Sifflags(true) => i.if_drv_flags.set(running),
        DrvCmd::Sifflags(false) => i.if_drv_flags.set(running & !IFF_DRV_RUNNING),
        DrvCmd::Addmulti | DrvCmd::Delmulti => {}
    }
    0
}
