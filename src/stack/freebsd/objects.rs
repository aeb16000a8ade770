//! The objects of `freebsd-14`, their fields and what a free leaves of them.
//!
//! They stand in files called after the kernel's headers, those of drivers in `drivers.rs`; here
//! is what all of them use: families, network addresses, pointers, classes.
//!
//! UMA and malloc(9) of a kernel without INVARIANTS leave freed memory as it was, so a
//! corpse keeps its fields until the slot has a new tenant; nothing is poisoned.

use crate::kern::slab::Id;

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

mod drivers;
mod fib_algo;
mod if_llatbl;
mod if_var;
mod in_pcb;
mod in_var;
mod nd6;
mod route_var;

pub use drivers::*;
pub use fib_algo::*;
pub use if_llatbl::*;
pub use if_var::*;
pub use in_pcb::*;
pub use in_var::*;
pub use nd6::*;
pub use route_var::*;

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

/// Class names, by [`CLASS`](crate::kern::slab::Object::CLASS).
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
