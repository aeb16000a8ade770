//! The locks of `freebsd-14` and their order.
//!
//! Sources: `sys/net/if_var.h`, `sys/netinet/in_var.h`, `sys/netinet6/in6_var.h`,
//! `sys/netinet6/nd6.h`, `sys/net/route/route_var.h`, `nhop_var.h`, `fib_algo.c`,
//! `sys/netinet/in_pcb.h`, `sys/net/if_epair.c`, `sys/net/if_tuntap.c`,
//! `sys/netgraph/ng_base.c`, `sys/net/bpf.c`.
//!
//! A lock that the original embeds in an object is one of a row here, found by the
//! object's name slot: interfaces and sockets of one slot follow one another.

use super::K;
use super::objects::{Af, IfId, InpId, NIFS};
use crate::kern::lock::{LockId, LockInfo, LockKind};

/// `ifnet_detach_sxlock`.
pub const IFNET_DETACH: LockId = LockId(0);
/// `tun_ioctl_sx`.
pub const TUN_IOCTL: LockId = LockId(1);
/// `V_in_control_sx`.
pub const IN_CONTROL: LockId = LockId(2);
/// `in6_control_sx`.
pub const IN6_CONTROL: LockId = LockId(3);
/// `in_multi_sx`.
pub const IN_MULTI: LockId = LockId(4);
/// `in6_multi_sx`.
pub const IN6_MULTI: LockId = LockId(5);
/// `ifnet_sxlock`: IFNET_WLOCK.
pub const IFNET: LockId = LockId(6);
/// `bpf_sx`.
pub const BPF: LockId = LockId(7);
/// `if_cloners_mtx`.
pub const IF_CLONERS: LockId = LockId(8);
/// `in_multi_list_mtx`.
pub const IN_MULTI_LIST: LockId = LockId(9);
/// `in6_multi_list_mtx`.
pub const IN6_MULTI_LIST: LockId = LockId(10);
/// `V_nd6_onlink_mtx`.
pub const ND6_ONLINK: LockId = LockId(11);
/// `V_nd6_lock`.
pub const ND6: LockId = LockId(12);
/// `V_dad_rwlock`.
pub const DADQ: LockId = LockId(13);
/// `V_in_ifaddr_lock`.
pub const IN_IFADDR: LockId = LockId(14);
/// `in6_ifaddr_lock`.
pub const IN6_IFADDR: LockId = LockId(15);
/// `fib_mtx`.
pub const FIB_MOD: LockId = LockId(16);
/// `ng_topo_lock`.
pub const NG_TOPO: LockId = LockId(17);
/// `tun_mtx` of the one tun.
pub const TUN: LockId = LockId(18);
const RIBS: u8 = 19;
const NHOPS: u8 = 21;
const IF_ADDRS: u8 = 23;
const IF_AFDATAS: u8 = IF_ADDRS + NIFS as u8;
const INPS: u8 = IF_AFDATAS + NIFS as u8;
const EPAIR_QUEUES: u8 = INPS + super::NSOCKS as u8;
/// `lltable_list_lock`.
pub const LLTABLE_LIST: LockId = LockId(EPAIR_QUEUES + 4);
/// Ours, of a repair: held from the unlinking of prefixes to their deletion.
pub const ND6_EXPIRE: LockId = LockId(EPAIR_QUEUES + 5);

const fn lock(name: &'static str, kind: LockKind, rank: u8) -> LockInfo {
    LockInfo { name, kind, recursive: false, rank, added: false }
}

/// The locks, by [`LockId`].
pub static LOCKS: &[LockInfo] = &[
    LockInfo { recursive: true, ..lock("ifnet_detach_sx", LockKind::Sx, 1) },
    lock("tun_ioctl_sx", LockKind::Sx, 6),
    lock("in_control_sx", LockKind::Sx, 3),
    lock("in6_control_sx", LockKind::Sx, 4),
    lock("in_multi_sx", LockKind::Sx, 5),
    lock("in6_multi_sx", LockKind::Sx, 5),
    lock("ifnet_sx", LockKind::Sx, 7),
    lock("bpf_sx", LockKind::Sx, 8),
    lock("if_cloners_mtx", LockKind::Mutex, 10),
    lock("in_multi_list_mtx", LockKind::Mutex, 20),
    lock("in6_multi_list_mtx", LockKind::Mutex, 20),
    lock("nd6_onlink_mtx", LockKind::Mutex, 16),
    lock("nd6_lock", LockKind::Rw, 24),
    lock("dad_rwlock", LockKind::Rw, 35),
    lock("in_ifaddr_lock", LockKind::Rm, 34),
    lock("in6_ifaddr_lock", LockKind::Rm, 34),
    lock("fib_mtx", LockKind::Mutex, 32),
    lock("ng_topo_lock", LockKind::Rw, 12),
    lock("tun_mtx", LockKind::Mutex, 14),
    lock("rib inet", LockKind::Rm, 22),
    lock("rib inet6", LockKind::Rm, 22),
    lock("nhops inet", LockKind::Rw, 36),
    lock("nhops inet6", LockKind::Rw, 36),
    lock("if_addr_lock lo0", LockKind::Mutex, 30),
    lock("if_addr_lock epair0a", LockKind::Mutex, 30),
    lock("if_addr_lock epair0b", LockKind::Mutex, 30),
    lock("if_addr_lock epair1a", LockKind::Mutex, 30),
    lock("if_addr_lock epair1b", LockKind::Mutex, 30),
    lock("if_addr_lock tun0", LockKind::Mutex, 30),
    lock("if_addr_lock ng0", LockKind::Mutex, 30),
    lock("if_addr_lock ng1", LockKind::Mutex, 30),
    lock("if_afdata_lock lo0", LockKind::Mutex, 38),
    lock("if_afdata_lock epair0a", LockKind::Mutex, 38),
    lock("if_afdata_lock epair0b", LockKind::Mutex, 38),
    lock("if_afdata_lock epair1a", LockKind::Mutex, 38),
    lock("if_afdata_lock epair1b", LockKind::Mutex, 38),
    lock("if_afdata_lock tun0", LockKind::Mutex, 38),
    lock("if_afdata_lock ng0", LockKind::Mutex, 38),
    lock("if_afdata_lock ng1", LockKind::Mutex, 38),
    lock("inp_lock tcp0", LockKind::Rw, 11),
    lock("inp_lock tcp1", LockKind::Rw, 11),
    lock("inp_lock udp0", LockKind::Rw, 11),
    lock("inp_lock udp1", LockKind::Rw, 11),
    lock("epair queue 0a", LockKind::Mutex, 40),
    lock("epair queue 0b", LockKind::Mutex, 40),
    lock("epair queue 1a", LockKind::Mutex, 40),
    lock("epair queue 1b", LockKind::Mutex, 40),
    lock("lltable_list_lock", LockKind::Rw, 37),
    LockInfo { added: true, ..lock("nd6 prefix expiry", LockKind::Mutex, 15) },
];

/// `RIB_WLOCK`'s lock of a family.
pub fn rib(af: Af) -> LockId {
    LockId(RIBS + (af.index() & 1) as u8)
}

/// `NHOPS_WLOCK`'s lock of a family.
pub fn nhops(af: Af) -> LockId {
    LockId(NHOPS + (af.index() & 1) as u8)
}

/// `if_addr_lock`: embedded in the ifnet, hence found by its name slot.
pub fn if_addr(k: &K, ifp: IfId) -> LockId {
    LockId(IF_ADDRS + k[ifp].name.get() % NIFS as u8)
}

/// `if_afdata_lock`.
pub fn if_afdata(k: &K, ifp: IfId) -> LockId {
    LockId(IF_AFDATAS + k[ifp].name.get() % NIFS as u8)
}

/// `inp_lock`.
pub fn inp(k: &K, inp: InpId) -> LockId {
    LockId(INPS + k[inp].name.get() % super::NSOCKS as u8)
}

/// `mtx` of the queue of an epair half, by the name slot of the interface.
pub fn epair_queue(name: u8) -> LockId {
    LockId(EPAIR_QUEUES + (name - 1) % 4)
}
