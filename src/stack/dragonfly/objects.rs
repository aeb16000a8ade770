//! The objects of `dragonfly-2007`, their fields and what a free leaves of them.
//!
//! Sources: `sys/net/if_var.h` (ifnet, ifaddr), `sys/netinet/in_var.h` (in_ifaddr),
//! `sys/net/route.h` (rtentry), `sys/netinet/if_ether.c` (llinfo_arp),
//! `sys/netinet/in_pcb.h` (inpcb), `sys/netinet/ip_flow.h` (ipflow), and
//! `sys/kern/kern_slaballoc.c:kfree` for the poison: the first 64 bytes become
//! 0xdeadc0de, then word 0 becomes the free-list link. On i386 those are, of an ifaddr,
//! `ifa_addr` (word 0), `ifa_dstaddr`, `ifa_netmask` and part of `if_data`; everything
//! behind keeps its last value until the memory is reused.

use crate::kern::callout::Callout;
use crate::kern::cell::F;
use crate::kern::queue::{Link, Tailq};
use crate::kern::slab::{Id, Object};

/// Address families.
pub const AF_UNSPEC: u8 = 0;
/// IPv4.
pub const AF_INET: u8 = 2;
/// Link level.
pub const AF_LINK: u8 = 18;

/// `IFF_UP`.
pub const IFF_UP: u16 = 0x1;
/// `IFF_BROADCAST`.
pub const IFF_BROADCAST: u16 = 0x2;
/// `IFF_LOOPBACK`.
pub const IFF_LOOPBACK: u16 = 0x8;
/// `IFF_POINTOPOINT`.
pub const IFF_POINTOPOINT: u16 = 0x10;
/// `IFF_RUNNING`.
pub const IFF_RUNNING: u16 = 0x40;
/// `IFF_MULTICAST`.
pub const IFF_MULTICAST: u16 = 0x8000;

/// `RTF_UP`: in the tree. `IFA_ROUTE` has the same value.
pub const RTF_UP: u32 = 0x1;
/// `RTF_GATEWAY`.
pub const RTF_GATEWAY: u32 = 0x2;
/// `RTF_HOST`.
pub const RTF_HOST: u32 = 0x4;
/// `RTF_DYNAMIC`: made by a redirect.
pub const RTF_DYNAMIC: u32 = 0x10;
/// `RTF_MODIFIED`: changed by a redirect.
pub const RTF_MODIFIED: u32 = 0x20;
/// `RTF_CLONING`.
pub const RTF_CLONING: u32 = 0x100;
/// `RTF_LLINFO`.
pub const RTF_LLINFO: u32 = 0x400;
/// `RTF_STATIC`: made by the user.
pub const RTF_STATIC: u32 = 0x800;
/// `RTF_PRCLONING`.
pub const RTF_PRCLONING: u32 = 0x1_0000;
/// `RTF_WASCLONED`.
pub const RTF_WASCLONED: u32 = 0x2_0000;
/// `RTPRF_EXPIRING`: in_rmx.c manages the route.
pub const RTPRF_EXPIRING: u32 = 0x4_0000;
/// `IFA_ROUTE`.
pub const IFA_ROUTE: u32 = RTF_UP;

/// Pointer to an interface.
pub type IfId = Id<Ifnet>;
/// Pointer to an interface address, link-level or IPv4.
pub type IfaId = Id<Ifaddr>;
/// Pointer to a route.
pub type RtId = Id<Rtentry>;
/// Pointer to an ARP entry.
pub type LaId = Id<LlinfoArp>;
/// Pointer to a pcb.
pub type InpId = Id<Inpcb>;
/// Pointer to a flow.
pub type FlowId = Id<Ipflow>;

/// A `sockaddr_in`, or as much of another sockaddr as matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sin {
    /// `sin_family`.
    pub family: u8,
    /// `sin_addr`, host order; the interface index for `AF_LINK`.
    pub addr: u32,
}

impl Sin {
    /// An IPv4 address.
    pub const fn inet(addr: u32) -> Sin {
        Sin { family: AF_INET, addr }
    }
}

/// A `struct sockaddr *`: a plain value, like every pointer here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sa {
    /// NULL.
    #[default]
    Null,
    /// 0xdeadc0de.
    Poison,
    /// A free-list link: the address of another chunk.
    FreeLink(u8),
    /// `&ia->ia_addr`.
    Addr(IfaId),
    /// `&ia->ia_dstaddr`.
    Dst(IfaId),
    /// `&ia->ia_sockmask`.
    Mask(IfaId),
    /// A local of a thread: its stack, and what stands there.
    Stack((u8, u16), Sin),
    /// A private copy: an mbuf, or the caller's request.
    Copy(Sin),
    /// `rt_key(rt)`.
    Key(RtId),
}

/// `ifa_rtrequest`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RtRequest {
    /// NULL.
    #[default]
    None,
    /// `arp_rtrequest`.
    Arp,
    /// `lortrequest`.
    Lo,
    /// `link_rtrequest`.
    Link,
}

/// What driver an interface belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Driver {
    /// `if_em.c`: Ethernet hardware.
    #[default]
    Em,
    /// `if_gif.c`: the point-to-point cloner.
    Gif,
    /// `if_tun.c`.
    Tun,
    /// `if_tap.c`.
    Tap,
    /// `if_spppsubr.c`.
    Sppp,
    /// `if_loop.c`.
    Lo,
}

/// `struct ifnet` and the driver's softc around it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ifnet {
    /// Which interface slot: the name.
    pub name: F<u8>,
    /// Driver.
    pub driver: F<Driver>,
    /// `if_flags`.
    pub if_flags: F<u16>,
    /// `if_index`.
    pub if_index: F<u8>,
    /// `if_addrhead`.
    pub if_addrhead: Tailq<Ifaddr>,
    /// `if_lladdr`.
    pub if_lladdr: F<IfaId>,
    /// `if_link`: on the list `ifnet`.
    pub if_link: Link<Ifnet>,
    /// `TAP_OPEN`, `TUN_OPEN`.
    pub open: F<bool>,
    /// `TUN_DSTADDR`.
    pub tun_dstaddr: F<bool>,
}

impl Object for Ifnet {
    const CLASS: u8 = 0;
    fn poison(&self, _: Option<u8>) {
        // The first 64 bytes are if_softc, if_l2com, the if_link links and the name.
        self.if_link.zero();
    }
}

/// `struct ifaddr`; with the fields behind it, `struct in_ifaddr`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ifaddr {
    /// An in_ifaddr, not a link-level ifaddr (what its size tells).
    pub is_in: F<bool>,
    /// `ifa_addr`.
    pub ifa_addr: F<Sa>,
    /// `ifa_dstaddr`.
    pub ifa_dstaddr: F<Sa>,
    /// `ifa_netmask`.
    pub ifa_netmask: F<Sa>,
    /// `ifa_ifp`; no reference.
    pub ifa_ifp: F<IfId>,
    /// `ifa_link`: on `if_addrhead` of its interface.
    pub ifa_link: Link<Ifaddr>,
    /// `ifa_rtrequest`.
    pub ifa_rtrequest: F<RtRequest>,
    /// `ifa_flags`.
    pub ifa_flags: F<u32>,
    /// `ifa_refcnt`: references beyond the list's implicit one.
    pub ifa_refcnt: F<u32>,
    /// `ia_hash`.
    pub ia_hash: Link<Ifaddr>,
    /// `ia_link`: on `in_ifaddrhead`.
    pub ia_link: Link<Ifaddr>,
    /// `ia_addr`.
    pub ia_addr: F<Sin>,
    /// `ia_dstaddr`.
    pub ia_dstaddr: F<Sin>,
    /// `ia_sockmask`.
    pub ia_sockmask: F<Sin>,
    /// `ia_subnetmask`.
    pub ia_subnetmask: F<u32>,
    /// `ia_netmask`.
    pub ia_netmask: F<u32>,
    /// The books' note: the list's implicit reference is not yet released.
    pub implicit: F<bool>,
    /// The books' note: the user deleted its interface route by the routing socket,
    /// so that IFA_ROUTE may be untrue (I8).
    pub user_deleted: F<bool>,
}

impl Object for Ifaddr {
    const CLASS: u8 = 1;
    fn poison(&self, link: Option<u8>) {
        self.ifa_addr.set(link.map_or(Sa::Null, Sa::FreeLink));
        self.ifa_dstaddr.set(Sa::Poison);
        self.ifa_netmask.set(Sa::Poison);
    }
}

/// `rt_gateway`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Gateway {
    /// None yet.
    #[default]
    Null,
    /// A `sockaddr_in`.
    Inet(u32),
    /// A `sockaddr_dl` of that interface index; resolved or not.
    Link(u8, bool),
}

/// `struct rtentry`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rtentry {
    /// `rt_key`: the masked destination.
    pub rt_key: F<u32>,
    /// `rt_mask` as a prefix length; [`HOST`](super::radix::HOST) for a host route, which has none.
    pub plen: F<u8>,
    /// `rt_flags`.
    pub rt_flags: F<u32>,
    /// `rt_refcnt`: holders outside the tree.
    pub rt_refcnt: F<i32>,
    /// `rt_ifa`; one reference.
    pub rt_ifa: F<IfaId>,
    /// `rt_ifp`; no reference.
    pub rt_ifp: F<IfId>,
    /// `rt_gateway`.
    pub rt_gateway: F<Gateway>,
    /// `rt_gwroute`; one reference.
    pub rt_gwroute: F<RtId>,
    /// `rt_parent`; one reference.
    pub rt_parent: F<RtId>,
    /// `rt_llinfo`; owned.
    pub rt_llinfo: F<LaId>,
    /// `rt_rmx.rmx_expire`, ms; 0: never.
    pub rmx_expire: F<u64>,
    /// Whose CPU's table it was made for.
    pub cpu: F<u8>,
    /// The books' note: ARP's entry of an own address, by way of the loopback (I10).
    pub by_loopback: F<bool>,
}

impl Object for Rtentry {
    const CLASS: u8 = 2;
    fn poison(&self, _: Option<u8>) {
        // The radix nodes, rt_gateway and the first words behind.
        self.rt_gateway.set(Gateway::Null);
    }
}

/// `struct llinfo_arp`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LlinfoArp {
    /// `la_le`: on `llinfo_arp_list[cpu]`.
    pub la_le: Link<LlinfoArp>,
    /// `la_rt`; no reference.
    pub la_rt: F<RtId>,
}

impl Object for LlinfoArp {
    const CLASS: u8 = 3;
    fn poison(&self, _: Option<u8>) {
        self.la_le.zero();
    }
}

/// State of a TCP connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TcpState {
    /// No connection.
    #[default]
    Closed,
    /// SYN sent; data may be queued.
    SynSent,
}

/// `struct inpcb` and, for TCP, the tcpcb.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Inpcb {
    /// Which pcb slot: the name.
    pub name: F<u8>,
    /// TCP, not UDP.
    pub tcp: F<bool>,
    /// `inp_laddr`.
    pub inp_laddr: F<u32>,
    /// `inp_faddr`.
    pub inp_faddr: F<u32>,
    /// `inp_route.ro_rt`; one reference.
    pub ro_rt: F<RtId>,
    /// `inp_route.ro_dst`.
    pub ro_dst: F<u32>,
    /// `t_state`.
    pub t_state: F<TcpState>,
    /// `t_rxtshift`.
    pub t_rxtshift: F<u8>,
    /// `tt_rexmt`.
    pub tt_rexmt: Callout,
    /// The CPU whose tcp thread owns the connection.
    pub cpu: F<u8>,
}

impl Object for Inpcb {
    const CLASS: u8 = 4;
    fn poison(&self, _: Option<u8>) {}
}

/// `struct ipflow`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ipflow {
    /// `ipf_next`.
    pub ipf_next: Link<Ipflow>,
    /// `ipf_ro.ro_rt`; one reference.
    pub ro_rt: F<RtId>,
    /// `ipf_dst`.
    pub ipf_dst: F<u32>,
    /// `ipf_timer`, in slow ticks of 500 ms.
    pub ipf_timer: F<u8>,
}

impl Object for Ipflow {
    const CLASS: u8 = 5;
    fn poison(&self, _: Option<u8>) {
        self.ipf_next.zero();
    }
}

/// Class names, by [`Object::CLASS`].
pub static CLASSES: &[&str] = &["ifnet", "in_ifaddr", "rtentry", "llinfo_arp", "inpcb", "ipflow"];
