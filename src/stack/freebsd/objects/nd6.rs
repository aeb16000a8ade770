//! `sys/netinet6/nd6.h`: prefixes and routers; `nd6_nbr.c`: addresses in DAD.

use super::*;
use crate::kern::callout::Callout;
use crate::kern::cell::{F, Zero};
use crate::kern::queue::Link;
use crate::kern::slab::Object;

/// `NDPRF_ONLINK`.
pub const NDPRF_ONLINK: u32 = 0x1;
/// `NDPRF_DETACHED`.
pub const NDPRF_DETACHED: u32 = 0x2;
/// Taken off `V_nd_prefix`. Not in the original: only repaired code reads it.
pub const NDPRF_UNLINKED: u32 = 0x100;

/// `ND6_IFF_ACCEPT_RTADV`.
pub const ND6_IFF_ACCEPT_RTADV: u32 = 0x2;
/// `ND6_IFF_IFDISABLED`.
pub const ND6_IFF_IFDISABLED: u32 = 0x8;
/// `ND6_IFF_AUTO_LINKLOCAL`.
pub const ND6_IFF_AUTO_LINKLOCAL: u32 = 0x20;
/// `ND6_IFF_NO_DAD`.
pub const ND6_IFF_NO_DAD: u32 = 0x100;

/// How many routers may advertise one prefix.
pub const NPFXRTR: usize = 4;

/// `struct nd_prefix`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NdPrefix {
    /// `ndpr_entry`: on `V_nd_prefix`.
    pub ndpr_entry: Link<NdPrefix>,
    /// `ndpr_ifp`; no reference.
    pub ndpr_ifp: F<IfId>,
    /// `ndpr_prefix` and `ndpr_plen`.
    pub ndpr_prefix: F<Prefix>,
    /// `ndpr_stateflags`.
    pub ndpr_stateflags: F<u32>,
    /// `ndpr_raf_onlink`.
    pub ndpr_raf_onlink: F<bool>,
    /// `ndpr_raf_auto`.
    pub ndpr_raf_auto: F<bool>,
    /// `ndpr_raf_ra_derived`.
    pub ndpr_raf_ra_derived: F<bool>,
    /// `ndpr_refcnt`.
    pub ndpr_refcnt: F<u32>,
    /// `ndpr_addrcnt`.
    pub ndpr_addrcnt: F<i32>,
    /// `ndpr_expire`, ms; 0 for never.
    pub ndpr_expire: F<u64>,
    /// `ndpr_advrtrs`: `pfr->router` of each; one reference each.
    pub ndpr_advrtrs: [F<DrId>; NPFXRTR],
}

impl Object for NdPrefix {
    const CLASS: u8 = 4;
    fn poison(&self, _: Option<u8>) {}
}

zeroed!(NdPrefix {
    ndpr_entry,
    ndpr_ifp,
    ndpr_prefix,
    ndpr_stateflags,
    ndpr_raf_onlink,
    ndpr_raf_auto,
    ndpr_raf_ra_derived,
    ndpr_refcnt,
    ndpr_addrcnt,
    ndpr_expire,
    ndpr_advrtrs
});

/// `struct nd_defrouter`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NdDefrouter {
    /// `dr_entry`: on `V_nd6_defrouter`.
    pub dr_entry: Link<NdDefrouter>,
    /// `rtaddr`.
    pub rtaddr: F<Addr>,
    /// `ifp`; no reference.
    pub ifp: F<IfId>,
    /// `rtlifetime`, s.
    pub rtlifetime: F<u16>,
    /// `expire`, ms.
    pub expire: F<u64>,
    /// `installed`: the default route through it is in the RIB.
    pub installed: F<bool>,
    /// `refcnt`.
    pub refcnt: F<u32>,
}

impl Object for NdDefrouter {
    const CLASS: u8 = 5;
    fn poison(&self, _: Option<u8>) {}
}

zeroed!(NdDefrouter { dr_entry, rtaddr, ifp, rtlifetime, expire, installed, refcnt });

/// `struct dadq`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dadq {
    /// `dad_list`: on `V_dadq`.
    pub dad_list: Link<Dadq>,
    /// `dad_ifa`; one reference.
    pub dad_ifa: F<IfaId>,
    /// `dad_refcnt`.
    pub dad_refcnt: F<u32>,
    /// `dad_ondadq`.
    pub dad_ondadq: F<bool>,
    /// `dad_ns_tcount`.
    pub dad_ns_tcount: F<u8>,
    /// `dad_ns_ocount`.
    pub dad_ns_ocount: F<u8>,
    /// `dad_timer_ch`.
    pub dad_timer_ch: Callout,
}

impl Object for Dadq {
    const CLASS: u8 = 6;
    fn poison(&self, _: Option<u8>) {}
}

zeroed!(Dadq {
    dad_list,
    dad_ifa,
    dad_refcnt,
    dad_ondadq,
    dad_ns_tcount,
    dad_ns_ocount,
    dad_timer_ch
});
