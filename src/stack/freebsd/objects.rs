//! The objects of `freebsd-14`, their fields and what a free leaves of them.
//!
//! Sources: `sys/net/if_var.h`, `sys/net/if_private.h` (ifnet), `sys/netinet/in_var.h`,
//! `sys/netinet6/in6_var.h` (addresses, afdata, memberships), `sys/netinet6/nd6.h`
//! (prefixes, routers), `sys/netinet6/nd6_nbr.c` (dadq), `sys/net/route/route_var.h`,
//! `nhop_var.h`, `nhgrp_var.h`, `fib_algo.c` (routing), `sys/net/if_llatbl.h`,
//! `sys/netinet/in_pcb.h`, `sys/net/bpf.c`, `sys/net/if_epair.c`, `sys/net/if_tuntap.c`,
//! `sys/netgraph/netgraph.h`.
//!
//! UMA and malloc(9) of a kernel without INVARIANTS leave freed memory as it was, so a
//! corpse keeps its fields until the slot has a new tenant; nothing is poisoned.

use crate::kern::callout::Callout;
use crate::kern::cell::{F, Zero};
use crate::kern::queue::{Link, Lists, Tailq};
use crate::kern::slab::{Id, Object};
use crate::kern::wait::Sleepers;

/// Address family, as an index of `if_afdata` and of the routing tables; `Link` has
/// neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Af {
    /// `AF_INET`.
    #[default]
    Inet,
    /// `AF_INET6`.
    Inet6,
    /// `AF_LINK`.
    Link,
}

/// `AF_INET` as an index.
pub const V4: usize = 0;
/// `AF_INET6` as an index.
pub const V6: usize = 1;

impl Af {
    /// Index of `if_afdata` and of the routing tables. `Link` has none: do not ask.
    #[inline]
    pub fn index(self) -> usize {
        match self {
            Af::Inet => V4,
            Af::Inet6 => V6,
            Af::Link => 2,
        }
    }
}

/// A network address of either family, left-aligned so that longest-prefix match is one
/// code: an IPv4 address fills the high 32 bits; of an IPv6 address the high 32 bits are
/// its /64 network (first group, then the last group of the network or the embedded
/// scope, `fe80:IDX::`), the low 32 bits its interface identifier. 0 is unspecified.
pub type Addr = u64;

/// A prefix: address and length in bits of [`Addr`] (IPv6 /64 is 32, /128 and an IPv4
/// host are 64 and 32).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// Masked address.
    pub addr: Addr,
    /// Length in bits of [`Addr`].
    pub bits: u8,
}

impl Prefix {
    /// The prefix of `addr`, masked.
    pub const fn new(addr: Addr, bits: u8) -> Prefix {
        Prefix { addr: addr & Prefix::mask(bits), bits }
    }

    /// The mask of so many bits.
    pub const fn mask(bits: u8) -> u64 {
        if bits == 0 { 0 } else { u64::MAX << (64 - bits as u32) }
    }

    /// Whether `addr` lies in it.
    pub const fn covers(self, addr: Addr) -> bool {
        addr & Prefix::mask(self.bits) == self.addr
    }
}

/// Bits of a host prefix of a family.
pub const fn host_bits(af: Af) -> u8 {
    match af {
        Af::Inet => 32,
        _ => 64,
    }
}

/// `IFF_UP`.
pub const IFF_UP: u32 = 0x1;
/// `IFF_BROADCAST`.
pub const IFF_BROADCAST: u32 = 0x2;
/// `IFF_LOOPBACK`.
pub const IFF_LOOPBACK: u32 = 0x8;
/// `IFF_POINTOPOINT`.
pub const IFF_POINTOPOINT: u32 = 0x10;
/// `IFF_DRV_RUNNING`, of `if_drv_flags`.
pub const IFF_DRV_RUNNING: u32 = 0x40;
/// `IFF_NOARP`.
pub const IFF_NOARP: u32 = 0x80;
/// `IFF_SIMPLEX`.
pub const IFF_SIMPLEX: u32 = 0x800;
/// `IFF_MULTICAST`.
pub const IFF_MULTICAST: u32 = 0x8000;
/// `IFF_DYING`.
pub const IFF_DYING: u32 = 0x20_0000;

/// `IFA_ROUTE`: the address owns its prefix route (IPv4) or host route to the far end
/// (IPv6 point-to-point).
pub const IFA_ROUTE: u32 = 0x1;
/// `IFA_RTSELF`: its loopback self route is installed.
pub const IFA_RTSELF: u32 = 0x4;

/// `IN6_IFF_TENTATIVE`.
pub const IN6_IFF_TENTATIVE: u32 = 0x02;
/// `IN6_IFF_DUPLICATED`.
pub const IN6_IFF_DUPLICATED: u32 = 0x04;
/// `IN6_IFF_DETACHED`.
pub const IN6_IFF_DETACHED: u32 = 0x08;
/// `IN6_IFF_DEPRECATED`.
pub const IN6_IFF_DEPRECATED: u32 = 0x10;
/// `IN6_IFF_AUTOCONF`.
pub const IN6_IFF_AUTOCONF: u32 = 0x40;
/// `IN6_IFF_NOTREADY`.
pub const IN6_IFF_NOTREADY: u32 = IN6_IFF_TENTATIVE | IN6_IFF_DUPLICATED;
/// DAD has been stopped for good. Not in the original: only repaired code reads it.
pub const IN6_IFF_PURGED: u32 = 0x1_0000;

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

/// Pointer to an interface.
pub type IfId = Id<Ifnet>;
/// Pointer to `if_afdata[AF_INET6]`.
pub type ExtId = Id<In6Ifextra>;
/// Pointer to `if_afdata[AF_INET]`.
pub type IiId = Id<InIfinfo>;
/// Pointer to an interface address of any family.
pub type IfaId = Id<Ifaddr>;
/// Pointer to an ND prefix.
pub type PrId = Id<NdPrefix>;
/// Pointer to a default router.
pub type DrId = Id<NdDefrouter>;
/// Pointer to a DAD queue entry.
pub type DadId = Id<Dadq>;
/// Pointer to a route.
pub type RtId = Id<Rtentry>;
/// Pointer to a nexthop.
pub type NhId = Id<Nhop>;
/// Pointer to a nexthop group.
pub type NhgId = Id<Nhgrp>;
/// Pointer to a FIB lookup instance.
pub type FdId = Id<FibData>;
/// Pointer to a link-layer entry.
pub type LleId = Id<Llentry>;
/// Pointer to a pcb.
pub type InpId = Id<Inpcb>;
/// Pointer to a multicast membership record of an interface, `in_multi` or `in6_multi`.
pub type InmId = Id<InMulti>;
/// Pointer to a link-level membership.
pub type IfmaId = Id<Ifmultiaddr>;
/// Pointer to a bpf interface.
pub type BpfId = Id<BpfIf>;
/// Pointer to a driver's softc.
pub type ScId = Id<Softc>;
/// Pointer to a netgraph node.
pub type NodeId = Id<NgNode>;

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

/// Which methods an interface has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Methods {
    /// Its driver's.
    #[default]
    Driver,
    /// `ifdead_*`.
    Dead,
}

/// The longest list of names of an interface slot.
pub const NIFS: usize = 8;

/// `struct ifnet`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ifnet {
    /// Which interface slot of the grammar: the name that it was made with.
    pub name: F<u8>,
    /// `if_xname` was changed to `pppoe0` (SIOCSIFNAME).
    pub renamed: F<bool>,
    /// Driver, by `if_dname`.
    pub driver: F<Driver>,
    /// `if_index`.
    pub if_index: F<u8>,
    /// `if_idxgen`.
    pub if_idxgen: F<u16>,
    /// `if_flags`.
    pub if_flags: F<u32>,
    /// `if_drv_flags`.
    pub if_drv_flags: F<u32>,
    /// `if_refcount`.
    pub if_refcount: F<u32>,
    /// `if_link_state` is LINK_STATE_UP.
    pub if_link_state_up: F<bool>,
    /// `IFCAP_LINKSTATE` is set.
    pub if_cap_linkstate: F<bool>,
    /// `if_link`: on `V_ifnet`.
    pub if_link: Link<Ifnet>,
    /// `if_addrhead`.
    pub if_addrhead: Tailq<Ifaddr>,
    /// `if_addr`: the AF_LINK address, a pointer without a reference of its own.
    pub if_addr: F<IfaId>,
    /// `if_groups`, how many.
    pub if_groups: F<u8>,
    /// `if_multiaddrs`.
    pub if_multiaddrs: Lists<Ifmultiaddr, 1>,
    /// `if_afdata_initialized`.
    pub if_afdata_initialized: F<u8>,
    /// `if_afdata[AF_INET]`: NULL, valid, or freed and still set.
    pub if_afdata_inet: F<IiId>,
    /// `if_afdata[AF_INET6]`: NULL, valid, or freed and still set.
    pub if_afdata_inet6: F<ExtId>,
    /// The methods `if_output`, `if_input`, `if_start`, `if_ioctl`, ...
    pub if_methods: F<Methods>,
    /// `if_bpf`.
    pub if_bpf: F<BpfId>,
    /// `if_softc`; for ng the node.
    pub if_softc: F<ScId>,
    /// `if_description` is set ("WAN").
    pub if_description: F<bool>,
    /// `if_clones`: on the list of its cloner.
    pub if_clones_linked: F<bool>,
}

impl Object for Ifnet {
    const CLASS: u8 = 0;
    fn poison(&self, _: Option<u8>) {}
}

/// `struct in6_ifextra`: `if_afdata[AF_INET6]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct In6Ifextra {
    /// Whose it is (the books' note; the original has no such pointer).
    pub ifp: F<IfId>,
    /// `nd_ifinfo->flags`.
    pub nd_flags: F<u32>,
    /// `nd_ifinfo->chlim`.
    pub chlim: F<u8>,
    /// `lltable`: its entries.
    pub lltable: Lists<Llentry, 1>,
    /// `mld_ifinfo` exists.
    pub mld_ifinfo: F<bool>,
    /// `lltable` is off `V_lltables`: nothing is linked into it any more.
    pub llt_dead: F<bool>,
}

impl Object for In6Ifextra {
    const CLASS: u8 = 1;
    fn poison(&self, _: Option<u8>) {}
}

/// `struct in_ifinfo`: `if_afdata[AF_INET]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct InIfinfo {
    /// Whose it is (the books' note).
    pub ifp: F<IfId>,
    /// `ii_llt`: its entries.
    pub ii_llt: Lists<Llentry, 1>,
    /// `ii_allhosts`: the membership of 224.0.0.1; one reference.
    pub ii_allhosts: F<InmId>,
    /// `ii_llt` is off `V_lltables`: nothing is linked into it any more.
    pub llt_dead: F<bool>,
}

impl Object for InIfinfo {
    const CLASS: u8 = 2;
    fn poison(&self, _: Option<u8>) {}
}

/// `struct ifaddr`, `struct in_ifaddr`, `struct in6_ifaddr`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ifaddr {
    /// `ifa_addr->sa_family`.
    pub af: F<Af>,
    /// `ifa_refcnt`.
    pub ifa_refcnt: F<u32>,
    /// `ifa_ifp`; no reference.
    pub ifa_ifp: F<IfId>,
    /// `ifa_flags`.
    pub ifa_flags: F<u32>,
    /// `ifa_link`: on `if_addrhead`.
    pub ifa_link: Link<Ifaddr>,
    /// `ia_link`: on `V_in_ifaddrhead` or `V_in6_ifaddrhead`.
    pub ia_link: Link<Ifaddr>,
    /// `ia_hash`, `ia6_hash`: in the hash of its family.
    pub ia_hash: Link<Ifaddr>,
    /// The address; the interface index for AF_LINK.
    pub addr: F<Addr>,
    /// The far end, 0 for none.
    pub dstaddr: F<Addr>,
    /// Mask, in bits of [`Addr`].
    pub bits: F<u8>,
    /// `ia6_flags`.
    pub ia6_flags: F<u32>,
    /// `ia6_ndpr`: a raw pointer, counted in `ndpr_addrcnt`.
    pub ia6_ndpr: F<PrId>,
    /// `ia6_lifetime.ia6t_expire`, ms; 0 for never.
    pub ia6t_expire: F<u64>,
    /// `ia6_lifetime.ia6t_preferred`, ms; 0 for never.
    pub ia6t_preferred: F<u64>,
    /// `ia6_memberships`, at most two: solicited-node and all-nodes; each owns a
    /// reference of its in6_multi.
    pub ia6_memberships: [F<InmId>; 2],
}

impl Object for Ifaddr {
    const CLASS: u8 = 3;
    fn poison(&self, _: Option<u8>) {}
}

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

/// Which lookup module a FIB instance runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Flm {
    /// `radix4_lockless`, `radix6_lockless`: an immutable copy.
    #[default]
    RadixLockless,
    /// `radix4`, `radix6`: reads the live RIB under its lock.
    Radix,
}

/// Nexthop slots of a FIB instance (`nh_idx`): twice the largest index, as with
/// ROUTE_MPATH.
pub const NFIBNH: usize = 64;

/// Routes of one RIB and of one instance's copy.
pub const TABLE: usize = 24;

/// `enum fib_callout_action`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FdAction {
    /// `FDA_NONE`.
    #[default]
    None,
    /// `FDA_REBUILD`.
    Rebuild,
    /// `FDA_EVAL`.
    Eval,
}

/// A prefix and the slot of `nh_idx` that its nexthop has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FibEntry {
    /// Destination.
    pub addr: Addr,
    /// Its length in bits.
    pub bits: u8,
    /// Slot of [`FibData::nh_idx`].
    pub slot: u8,
}

impl FibEntry {
    /// An entry for a prefix.
    pub const fn new(dst: Prefix, slot: u8) -> FibEntry {
        FibEntry { addr: dst.addr, bits: dst.bits, slot }
    }

    /// Its prefix.
    pub const fn dst(self) -> Prefix {
        Prefix { addr: self.addr, bits: self.bits }
    }
}

/// `struct fib_data`: one FIB lookup instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FibData {
    /// `fd_family`.
    pub af: F<Af>,
    /// `fd_flm`.
    pub fd_flm: F<Flm>,
    /// `entries`: on `V_fib_data_list`.
    pub entries: Link<FibData>,
    /// `init_done`.
    pub init_done: F<bool>,
    /// `fd_linked`.
    pub fd_linked: F<bool>,
    /// `fd_dead`.
    pub fd_dead: F<bool>,
    /// `fd_need_rebuild`.
    pub fd_need_rebuild: F<bool>,
    /// `fd_batch`.
    pub fd_batch: F<bool>,
    /// `hit_nhops`.
    pub hit_nhops: F<bool>,
    /// `fd_failed_rebuilds`.
    pub fd_failed_rebuilds: F<u32>,
    /// `number_nhops`: how many slots it has now.
    pub number_nhops: F<u16>,
    /// `fd_num_changes`: since its callout last ran.
    pub fd_num_changes: F<u32>,
    /// `fd_gen`.
    pub fd_gen: F<u32>,
    /// `fd_callout`, bound to the RIB's lock.
    pub fd_callout: Callout,
    /// `fd_callout_action`.
    pub fd_callout_action: F<FdAction>,
    /// `fd_ss.bucket_changes`.
    pub bucket_changes: F<u16>,
    /// `fd_ss.diverged`.
    pub diverged: F<bool>,
    /// `fd_ss.bucket_id`.
    pub bucket_id: F<u64>,
    /// `fd_ss.diverge_time`, ms.
    pub diverge_time: F<u64>,
    /// `fd_rs`: it is subscribed to its RIB.
    pub subscribed: F<bool>,
    /// The module's data exists (`fd_algo_data`).
    pub algo_data: F<bool>,
    /// `nh_idx`: which nexthop or group each slot names.
    pub nh_idx: [F<NhRef>; NFIBNH],
    /// `nh_ref_table->refcnt`: prefixes that use each slot; one nexthop reference while
    /// not zero.
    pub nh_ref: [F<u8>; NFIBNH],
    /// The lockless module's copy, in key order.
    pub table: [F<FibEntry>; TABLE],
    /// How many entries it has.
    pub table_len: F<u8>,
}

/// Which bytes are not zero: a bit each.
const fn nonzero_bytes(bytes: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    // Bit 7 of each byte, then those eight bits side by side.
    let high = (((bytes & LOW) + LOW) | bytes) & !LOW;
    (high >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

impl FibData {
    /// The slots of `nh_idx` that are in use, in order. Every check asks for them, and few
    /// are: eight are looked at at once.
    pub fn slots(&self) -> impl Iterator<Item = usize> {
        const { assert!(NFIBNH == 64) };
        let n = usize::from(self.number_nhops.get()).min(NFIBNH).next_multiple_of(8);
        let mut left = 0u64;
        for (chunk, counts) in self.nh_ref[..n].chunks_exact(8).enumerate() {
            let counts = u64::from_le_bytes(std::array::from_fn(|i| counts[i].get()));
            left |= nonzero_bytes(counts) << (8 * chunk);
        }
        std::iter::from_fn(move || {
            let slot = left.trailing_zeros() as usize;
            (left != 0).then(|| {
                left &= left - 1;
                slot
            })
        })
    }

    /// The nexthops that it holds: one reference each.
    pub fn nhops(&self) -> impl Iterator<Item = NhRef> + '_ {
        self.slots().map(|slot| self.nh_idx[slot].get())
    }
}

impl Default for FibData {
    fn default() -> Self {
        FibData {
            af: F::default(),
            fd_flm: F::default(),
            entries: Link::default(),
            init_done: F::default(),
            fd_linked: F::default(),
            fd_dead: F::default(),
            fd_need_rebuild: F::default(),
            fd_batch: F::default(),
            hit_nhops: F::default(),
            fd_failed_rebuilds: F::default(),
            number_nhops: F::default(),
            fd_num_changes: F::default(),
            fd_gen: F::default(),
            fd_callout: Callout::default(),
            fd_callout_action: F::default(),
            bucket_changes: F::default(),
            diverged: F::default(),
            bucket_id: F::default(),
            diverge_time: F::default(),
            subscribed: F::default(),
            algo_data: F::default(),
            nh_idx: std::array::from_fn(|_| F::default()),
            nh_ref: std::array::from_fn(|_| F::default()),
            table: std::array::from_fn(|_| F::default()),
            table_len: F::default(),
        }
    }
}

impl Object for FibData {
    const CLASS: u8 = 10;
    fn poison(&self, _: Option<u8>) {}
}

/// Pointer to a table of link-layer entries, by the afdata that it is part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Llt {
    /// NULL.
    #[default]
    Null,
    /// `ii_llt` of an in_ifinfo.
    V4(IiId),
    /// `lltable` of an in6_ifextra.
    V6(ExtId),
}

/// State of a link-layer entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LleState {
    /// Being resolved.
    #[default]
    Incomplete,
    /// Resolved.
    Reachable,
    /// Resolved long ago.
    Stale,
}

/// `struct llentry`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Llentry {
    /// Family of its table.
    pub af: F<Af>,
    /// `lle_tbl`; no reference.
    pub lle_tbl: F<Llt>,
    /// `lle_tbl->llt_ifp`; no reference.
    pub llt_ifp: F<IfId>,
    /// `lle_next`: in its table.
    pub lle_next: Link<Llentry>,
    /// `r_l3addr`.
    pub addr: F<Addr>,
    /// `lle_refcnt`.
    pub lle_refcnt: F<u32>,
    /// `la_flags & LLE_LINKED`.
    pub linked: F<bool>,
    /// `la_flags & LLE_DELETED`.
    pub deleted: F<bool>,
    /// `la_flags & LLE_STATIC`: the interface's own address.
    pub is_static: F<bool>,
    /// `ln_state`.
    pub state: F<LleState>,
    /// `la_asked`.
    pub la_asked: F<u8>,
    /// `ln_router`.
    pub ln_router: F<bool>,
    /// `lle_timer`; one reference while armed.
    pub lle_timer: Callout,
}

impl Object for Llentry {
    const CLASS: u8 = 11;
    fn poison(&self, _: Option<u8>) {}
}

/// How many groups a socket may join.
pub const NMEMBERSHIPS: usize = 2;

/// `struct inpcb` and, for TCP, the tcpcb that contains it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Inpcb {
    /// Which socket slot.
    pub name: F<u8>,
    /// TCP, not UDP.
    pub tcp: F<bool>,
    /// Family of the connection.
    pub af: F<Af>,
    /// `inp_refcount`.
    pub inp_refcount: F<u32>,
    /// `inp_socket` is set: the socket's reference.
    pub inp_socket: F<bool>,
    /// `f_count` of the socket's file: the descriptor and the system calls on it.
    pub f_count: F<u8>,
    /// `INP_FREED` is set.
    pub inp_freed: F<bool>,
    /// `INP_DROPPED` is set: the connection was given up.
    pub inp_dropped: F<bool>,
    /// Connected.
    pub connected: F<bool>,
    /// `TCPS_ESTABLISHED`: the peer has answered.
    pub established: F<bool>,
    /// `inp_lport` is set.
    pub inp_lport: F<bool>,
    /// `inp_faddr`, `in6p_faddr`.
    pub faddr: F<Addr>,
    /// `inp_laddr`, `in6p_laddr`.
    pub laddr: F<Addr>,
    /// `in6p_hops`; -1 for the interface's.
    pub in6p_hops: F<i16>,
    /// `inp_route.ro_nh`, `inp_route6.ro_nh`; one reference.
    pub ro_nh: F<NhRef>,
    /// `ro_dst` of that route.
    pub ro_dst: F<Addr>,
    /// `inp_rt_cookie`: the RIB's generation when it was looked up.
    pub inp_rt_cookie: F<u32>,
    /// Data is sent and not acknowledged.
    pub unacked: F<bool>,
    /// `t_rxtshift`.
    pub t_rxtshift: F<u8>,
    /// `t_callout`, bound to the inp lock.
    pub t_callout: Callout,
    /// `inp_moptions`, `in6p_moptions`: memberships; one reference each.
    pub memberships: [F<InmId>; NMEMBERSHIPS],
}

impl Object for Inpcb {
    const CLASS: u8 = 12;
    fn poison(&self, _: Option<u8>) {}
}

/// `struct in_multi`, `struct in6_multi`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct InMulti {
    /// Family.
    pub af: F<Af>,
    /// `inm_addr`, `in6m_addr`.
    pub group: F<Addr>,
    /// `inm_ifp`, `in6m_ifp`; see the functions for who owns a reference.
    pub ifp: F<IfId>,
    /// `inm_ifma`, `in6m_ifma`; one reference while set.
    pub ifma: F<IfmaId>,
    /// `inm_refcount`, `in6m_refcount`.
    pub refcount: F<u32>,
    /// It has been disconnected and waits to be released.
    pub releasing: F<bool>,
}

impl Object for InMulti {
    const CLASS: u8 = 13;
    fn poison(&self, _: Option<u8>) {}
}

/// `struct ifmultiaddr`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ifmultiaddr {
    /// Family of `ifma_addr`.
    pub af: F<Af>,
    /// `ifma_addr`.
    pub group: F<Addr>,
    /// `ifma_link`: on `if_multiaddrs`.
    pub ifma_link: Link<Ifmultiaddr>,
    /// `ifma_ifp`; no reference. NULL once the interface is gone.
    pub ifma_ifp: F<IfId>,
    /// `ifma_refcount`.
    pub ifma_refcount: F<u32>,
    /// `ifma_flags & IFMA_F_ENQUEUED`.
    pub enqueued: F<bool>,
    /// `ifma_protospec`; no reference.
    pub protospec: F<InmId>,
}

impl Object for Ifmultiaddr {
    const CLASS: u8 = 14;
    fn poison(&self, _: Option<u8>) {}
}

/// `struct bpf_if`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct BpfIf {
    /// `bif_ifp`; one reference.
    pub bif_ifp: F<IfId>,
    /// `bif_refcnt`.
    pub bif_refcnt: F<u32>,
    /// `bif_next`: on `bpf_iflist`.
    pub bif_next: Link<BpfIf>,
}

impl Object for BpfIf {
    const CLASS: u8 = 15;
    fn poison(&self, _: Option<u8>) {}
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
    /// `tun_dev->si_threadcount` and `cdp_fdpriv_dtrc`: threads inside the device's methods
    /// and in the destructor of its file.
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
    /// The far nodes of its hooks `inet` and `inet6` (iface) or `session` (pppoe);
    /// one reference each.
    pub hooks: [F<NodeId>; 2],
    /// It holds the reference of its own, from `ng_make_node` until its shutdown method.
    pub own: F<bool>,
}

impl Object for NgNode {
    const CLASS: u8 = 17;
    fn poison(&self, _: Option<u8>) {}
}

/// Class names, by [`Object::CLASS`].
pub static CLASSES: &[&str] = &[
    "ifnet",
    "in6_ifextra",
    "in_ifinfo",
    "ifaddr",
    "nd_prefix",
    "nd_defrouter",
    "dadq",
    "rtentry",
    "nhop_object",
    "nhgrp_object",
    "fib_data",
    "llentry",
    "inpcb",
    "in_multi",
    "ifmultiaddr",
    "bpf_if",
    "softc",
    "ng_node",
];

/// `M_ZERO` of an object. Lists every field: one that is forgotten does not compile.
macro_rules! zeroed {
    ($object:ident { $($field:ident),* $(,)? }) => {
        impl Zero for $object {
            fn zero(&self) {
                let $object { $($field),* } = self;
                $($field.zero();)*
            }
        }
    };
}

zeroed!(Ifnet {
    name,
    renamed,
    driver,
    if_index,
    if_idxgen,
    if_flags,
    if_drv_flags,
    if_refcount,
    if_link_state_up,
    if_cap_linkstate,
    if_link,
    if_addrhead,
    if_addr,
    if_groups,
    if_multiaddrs,
    if_afdata_initialized,
    if_afdata_inet,
    if_afdata_inet6,
    if_methods,
    if_bpf,
    if_softc,
    if_description,
    if_clones_linked
});
zeroed!(In6Ifextra { ifp, nd_flags, chlim, lltable, mld_ifinfo, llt_dead });
zeroed!(InIfinfo { ifp, ii_llt, ii_allhosts, llt_dead });
zeroed!(Ifaddr {
    af,
    ifa_refcnt,
    ifa_ifp,
    ifa_flags,
    ifa_link,
    ia_link,
    ia_hash,
    addr,
    dstaddr,
    bits,
    ia6_flags,
    ia6_ndpr,
    ia6t_expire,
    ia6t_preferred,
    ia6_memberships
});
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
zeroed!(NdDefrouter { dr_entry, rtaddr, ifp, rtlifetime, expire, installed, refcnt });
zeroed!(Dadq {
    dad_list,
    dad_ifa,
    dad_refcnt,
    dad_ondadq,
    dad_ns_tcount,
    dad_ns_ocount,
    dad_timer_ch
});
zeroed!(Rtentry { af, rt_dst, rt_nhop, rte_flags, rt_weight });
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
zeroed!(Nhgrp { af, nhg_refcount, nhg_linked, nhg_idx, nhops, nhg_next });
impl Zero for FibData {
    /// Of the arrays only what can be in use: the rest is zero already.
    fn zero(&self) {
        let FibData {
            af,
            fd_flm,
            entries,
            init_done,
            fd_linked,
            fd_dead,
            fd_need_rebuild,
            fd_batch,
            hit_nhops,
            fd_failed_rebuilds,
            number_nhops,
            fd_num_changes,
            fd_gen,
            fd_callout,
            fd_callout_action,
            bucket_changes,
            diverged,
            bucket_id,
            diverge_time,
            subscribed,
            algo_data,
            nh_idx,
            nh_ref,
            table,
            table_len,
        } = self;
        let slots = usize::from(number_nhops.get()).min(NFIBNH);
        nh_idx[..slots].iter().for_each(Zero::zero);
        nh_ref[..slots].iter().for_each(Zero::zero);
        table[..usize::from(table_len.get()).min(TABLE)].iter().for_each(Zero::zero);
        number_nhops.zero();
        table_len.zero();
        af.zero();
        fd_flm.zero();
        entries.zero();
        init_done.zero();
        fd_linked.zero();
        fd_dead.zero();
        fd_need_rebuild.zero();
        fd_batch.zero();
        hit_nhops.zero();
        fd_failed_rebuilds.zero();
        fd_num_changes.zero();
        fd_gen.zero();
        fd_callout.zero();
        fd_callout_action.zero();
        bucket_changes.zero();
        diverged.zero();
        bucket_id.zero();
        diverge_time.zero();
        subscribed.zero();
        algo_data.zero();
    }
}
zeroed!(Llentry {
    af,
    lle_tbl,
    llt_ifp,
    lle_next,
    addr,
    lle_refcnt,
    linked,
    deleted,
    is_static,
    state,
    la_asked,
    ln_router,
    lle_timer
});
zeroed!(Inpcb {
    name,
    tcp,
    af,
    inp_refcount,
    inp_socket,
    f_count,
    inp_freed,
    inp_dropped,
    connected,
    established,
    inp_lport,
    faddr,
    laddr,
    in6p_hops,
    ro_nh,
    ro_dst,
    inp_rt_cookie,
    unacked,
    t_rxtshift,
    t_callout,
    memberships
});
zeroed!(InMulti { af, group, ifp, ifma, refcount, releasing });
zeroed!(Ifmultiaddr { af, group, ifma_link, ifma_ifp, ifma_refcount, enqueued, protospec });
zeroed!(BpfIf { bif_ifp, bif_refcnt, bif_next });
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
zeroed!(NgNode { nd_type, name, nd_refs, closing, private, hooks, own });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_in_use_are_found_wherever_they_are() {
        let d = FibData::default();
        d.number_nhops.set(NFIBNH as u16);
        for slots in [&[][..], &[0], &[63], &[7, 8], &[0, 1, 15, 16, 40, 62, 63]] {
            for (i, count) in d.nh_ref.iter().enumerate() {
                count.set(if slots.contains(&i) { [1, 128, 255][i % 3] } else { 0 });
            }
            assert_eq!(d.slots().collect::<Vec<_>>(), slots);
        }
    }
}
