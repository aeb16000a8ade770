//! `sys/net/if_epair.c`, `if_tuntap.c`, `sys/netgraph/netgraph.h`: what drivers keep of their
//! interfaces.

use super::*;
use crate::kern::cell::{F, Zero};
use crate::kern::slab::Object;
use crate::kern::wait::Sleepers;

/// What driver an interface belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Driver {
    /// `if_loop.c`.
    #[default]
    Lo,
    /// `if_epair.c`.
    Epair,
    /// `if_tuntap.c`.
    Tun,
    /// `ng_iface.c`.
    Ng,
}

/// State of an epair queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EpairQueue {
    /// `EPAIR_QUEUE_IDLE`.
    #[default]
    Idle,
    /// `EPAIR_QUEUE_WAKING`.
    Waking,
    /// `EPAIR_QUEUE_RUNNING`.
    Running,
}

/// A driver's softc: `struct epair_softc` with its one queue, `struct tuntap_softc`, or
/// the `struct ng_iface_private` of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Softc {
    /// Which driver's.
    pub driver: F<Driver>,
    /// Which interface slot it serves.
    pub name: F<u8>,
    /// `ifp`, `tun_ifp`; no reference.
    pub ifp: F<IfId>,
    /// `oifp`: the other half of an epair; no reference.
    pub oifp: F<IfId>,
    /// State of the epair's queue.
    pub state: F<EpairQueue>,
    /// Packets in the epair's queue.
    pub queued: F<u8>,
    /// `tun_dev` is there to be opened.
    pub tun_dev: F<bool>,
    /// `TUN_OPEN`.
    pub tun_open: F<bool>,
    /// `TUN_INITED`.
    pub tun_inited: F<bool>,
    /// `TUN_DYING`.
    pub tun_dying: F<bool>,
    /// `tun_busy`.
    pub tun_busy: F<u8>,
    /// `tun_cv`: the destroyer waits until nobody is busy with the device.
    pub tun_cv: Sleepers,
    /// `tun_dev->si_threadcount`: threads inside the device's methods, and the one in the
    /// destructor of its file, for which `tun_destroy` waits in `knlist_clear`.
    pub si_threadcount: F<u8>,
    /// `destroy_dev` waits until there are none.
    pub devdrn: Sleepers,
    /// The device's file is open, with `tundtor` as its destructor (`devfs_set_cdevpriv`).
    pub cdevpriv: F<bool>,
    /// The node of an ng_iface.
    pub node: F<NodeId>,
}

impl Object for Softc {
    const CLASS: u8 = 16;
    fn poison(&self, _: Option<u8>) {}
}

zeroed!(Softc {
    driver,
    name,
    ifp,
    oifp,
    state,
    queued,
    tun_dev,
    tun_open,
    tun_inited,
    tun_dying,
    tun_busy,
    tun_cv,
    si_threadcount,
    devdrn,
    cdevpriv,
    node
});

/// Type of a netgraph node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NgType {
    /// `ng_iface.c`.
    #[default]
    Iface,
    /// `ng_pppoe.c`.
    Pppoe,
}

/// `struct ng_node`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NgNode {
    /// `nd_type`.
    pub nd_type: F<NgType>,
    /// Which interface slot an iface node serves, which session a pppoe node has.
    pub name: F<u8>,
    /// `nd_refs`.
    pub nd_refs: F<u32>,
    /// `NGF_INVALID`, `NGF_CLOSING`.
    pub closing: F<bool>,
    /// `nd_private` of an iface node.
    pub private: F<ScId>,
    /// The far nodes of its hooks, one reference each. Only the first is ever in use: one hook
    /// of an iface node stands for those of all families, a pppoe node has its `session`.
    pub hooks: [F<NodeId>; 2],
    /// It holds the reference of its own, from `ng_make_node` until its shutdown method.
    pub own: F<bool>,
}

impl Object for NgNode {
    const CLASS: u8 = 17;
    fn poison(&self, _: Option<u8>) {}
}

zeroed!(NgNode { nd_type, name, nd_refs, closing, private, hooks, own });
