//! `sys/net/if_var.h`, `if_private.h`, `if.h`: interfaces, addresses of every family (with what
//! `sys/netinet/in_var.h` and `sys/netinet6/in6_var.h` add to them), link-level memberships;
//! `sys/net/bpf.c`: the packet filter's side of an interface.

use super::*;
use crate::kern::cell::{F, Zero};
use crate::kern::queue::{Link, Lists, Tailq};
use crate::kern::slab::Object;

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

zeroed!(Ifmultiaddr { af, group, ifma_link, ifma_ifp, ifma_refcount, enqueued, protospec });

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

zeroed!(BpfIf { bif_ifp, bif_refcnt, bif_next });
