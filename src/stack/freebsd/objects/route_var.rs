//! `sys/net/route/route_var.h`, `nhop.h`, `nhop_var.h`, `nhgrp_var.h`: routes, nexthops and their
//! groups; `sys/net/route.h`: their flags.

use super::*;
use crate::kern::cell::{F, Zero};
use crate::kern::queue::Link;
use crate::kern::slab::Object;

/// `RTF_UP`.
pub const RTF_UP: u32 = 0x1;
/// `RTF_GATEWAY`.
pub const RTF_GATEWAY: u32 = 0x2;
/// `RTF_HOST`.
pub const RTF_HOST: u32 = 0x4;
/// `RTF_REJECT`.
pub const RTF_REJECT: u32 = 0x8;
/// `RTF_STATIC`.
pub const RTF_STATIC: u32 = 0x800;
/// `RTF_BLACKHOLE`.
pub const RTF_BLACKHOLE: u32 = 0x1000;
/// `RTF_PINNED`: interface, point-to-point and self routes.
pub const RTF_PINNED: u32 = 0x10_0000;

/// `NHF_REJECT`.
pub const NHF_REJECT: u16 = 0x2;
/// `NHF_BLACKHOLE`.
pub const NHF_BLACKHOLE: u16 = 0x4;
/// `NHF_HOST`.
pub const NHF_HOST: u16 = 0x400;
/// `NHF_GATEWAY`.
pub const NHF_GATEWAY: u16 = 0x200;
/// `NHF_DEFAULT`.
pub const NHF_DEFAULT: u16 = 0x80;
/// `NHF_BROADCAST`.
pub const NHF_BROADCAST: u16 = 0x10;

/// A pointer that is a nexthop or a nexthop group, as `struct nhop_object *` is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NhRef {
    /// NULL.
    #[default]
    Null,
    /// A nexthop.
    Nh(NhId),
    /// A nexthop group (`NH_IS_NHGRP`).
    Nhg(NhgId),
}

impl NhRef {
    /// Whether it is NULL.
    pub fn is_null(self) -> bool {
        self == NhRef::Null
    }
}

/// `struct rtentry`. Not counted: the RIB, then an epoch callback, owns it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rtentry {
    /// `rt_nodes`' family.
    pub af: F<Af>,
    /// `rt_dst` and its mask.
    pub rt_dst: F<Prefix>,
    /// `rt_nhop`; one reference.
    pub rt_nhop: F<NhRef>,
    /// `rte_flags`.
    pub rte_flags: F<u32>,
    /// `rt_weight`.
    pub rt_weight: F<u8>,
}

impl Object for Rtentry {
    const CLASS: u8 = 7;
    fn poison(&self, _: Option<u8>) {}
}

zeroed!(Rtentry { af, rt_dst, rt_nhop, rte_flags, rt_weight });

/// `gw_sa` of a nexthop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Gw {
    /// None yet.
    #[default]
    None,
    /// A `sockaddr_dl` with that interface index.
    Link(u8),
    /// An address.
    Addr(Addr),
}

/// `struct nhop_object` and its `nhop_priv`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Nhop {
    /// `nh_upper_family`; the RIB that it belongs to.
    pub af: F<Af>,
    /// `nh_flags`.
    pub nh_flags: F<u16>,
    /// `nhop_priv.rt_flags`: RTF_PINNED, RTF_STATIC, ...
    pub rt_flags: F<u32>,
    /// `gw_sa`.
    pub gw: F<Gw>,
    /// `nh_ifp`; one reference once finalized.
    pub nh_ifp: F<IfId>,
    /// `nh_aifp`; one reference once finalized.
    pub nh_aifp: F<IfId>,
    /// `nh_ifa`; one reference once finalized.
    pub nh_ifa: F<IfaId>,
    /// `nh_idx`; 0 when not linked.
    pub nh_idx: F<u8>,
    /// `nh_refcnt`.
    pub nh_refcnt: F<u32>,
    /// `nh_linked`: 2 when hashed.
    pub nh_linked: F<u32>,
    /// `nh_finalized`.
    pub nh_finalized: F<bool>,
    /// `nh_next`: in the hash of its family's `nh_control`.
    pub nh_next: Link<Nhop>,
    /// `nh_expire`, ms; 0 for never.
    pub nh_expire: F<u64>,
}

impl Object for Nhop {
    const CLASS: u8 = 8;
    fn poison(&self, _: Option<u8>) {}
}

zeroed!(Nhop {
    af,
    nh_flags,
    rt_flags,
    gw,
    nh_ifp,
    nh_aifp,
    nh_ifa,
    nh_idx,
    nh_refcnt,
    nh_linked,
    nh_finalized,
    nh_next,
    nh_expire
});

/// How many members a nexthop group may have.
pub const NMEMBERS: usize = 8;

/// `struct nhgrp_object` and its `nhgrp_priv`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Nhgrp {
    /// The RIB that it belongs to.
    pub af: F<Af>,
    /// `nhg_refcount`.
    pub nhg_refcount: F<u32>,
    /// `nhg_linked`: 2 when hashed.
    pub nhg_linked: F<u32>,
    /// `nhg_idx`; 0 when not linked.
    pub nhg_idx: F<u8>,
    /// `nhg_nh_weights`: its nexthops, NULL behind the last; one reference each.
    pub nhops: [F<NhId>; NMEMBERS],
    /// `nhg_priv_next`: in the hash of its family's `nh_control`.
    pub nhg_next: Link<Nhgrp>,
}

impl Object for Nhgrp {
    const CLASS: u8 = 9;
    fn poison(&self, _: Option<u8>) {}
}

zeroed!(Nhgrp { af, nhg_refcount, nhg_linked, nhg_idx, nhops, nhg_next });
