//! The operations of `freebsd-14`: what a user, a daemon, a driver or the network can do
//! to this kernel, as it really has them.
//!
//! epair and tun are cloned; ng interfaces come with a netgraph node and go with it
//! (SIOCIFDESTROY is refused); lo0 stays. What the kernel refuses returns its errno.

use super::if_c::{AliasReq, Ioctl, ifioctl};
use super::nd6_rtr::Ra;
use super::objects::*;
use super::route_ctl::Rtm;
use super::rtsock::{RouteReq, Via, rts_send};
use super::{EINVAL, K};
use super::{
    fib_algo, if_c, if_epair, if_tuntap, in_mcast, in6_mcast, kern_descrip, kern_timeout, mpd,
    netisr, ng_base, subr_epoch, subr_taskqueue, tcp_input, tcp_timer, tcp_usrreq, udp_usrreq,
};
use super::{if_ether, nd6};
use crate::program::{Arg, ArgClass, Grammar, Op, Points, Role, Verb};

/// Names of the interface slots.
pub const IFS: &[&str] = &["lo0", "epair0a", "epair0b", "epair1a", "epair1b", "tun0", "ng0", "ng1"];
/// Slot of lo0.
pub const LO0: u8 = 0;
/// Slot of tun0.
pub const TUN0: u8 = 5;
/// Slot of ng0; ng1 is the next one.
pub const NG0: u8 = 6;
const OTHERS: &[&str] = &["epair0a", "ng0", "tun0", "epair0b", "epair1a", "epair1b", "ng1", "lo0"];
const CLONES: &[&str] = &["epair0a", "epair1a", "tun0"];
const DESTROYED: &[&str] = &["epair0a", "epair0b", "epair1a", "epair1b", "tun0", "ng0"];
const EPAIRS: &[&str] = &["epair0a", "epair0b", "epair1a", "epair1b"];
const NGS: &[&str] = &["ng0", "ng1"];
const TUNS: &[&str] = &["tun0"];
const SOCKS: &[&str] = &["tcp0", "tcp1", "udp0", "udp1"];
const TCPS: &[&str] = &["tcp0", "tcp1"];
const UDPS: &[&str] = &["udp0", "udp1"];

const fn v4(a: u8, b: u8, c: u8, d: u8) -> Addr {
    (u32::from_be_bytes([a, b, c, d]) as u64) << 32
}

/// An IPv6 address of network `net` (of 2001:db8::/32) and host `id`.
const fn v6(first: u16, net: u16, id: u32) -> Addr {
    (first as u64) << 48 | (net as u64) << 32 | id as u64
}

/// 127.0.0.1.
pub const LOOPBACK4: Addr = v4(127, 0, 0, 1);
/// ::1.
pub const LOOPBACK6: Addr = 1;
/// fe80::1 of lo0, whose index is 1.
pub const LOOPBACK_LL: Addr = v6(0xfe80, 1, 1);

/// IPv4 addresses of a program: few, so that they collide.
const ADDRS4: &[&str] = &["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.1.1", "10.0.1.2", "192.0.2.1"];
const ADDR4_VALUES: [Addr; 6] = [
    v4(10, 0, 0, 1),
    v4(10, 0, 0, 2),
    v4(10, 0, 0, 3),
    v4(10, 0, 1, 1),
    v4(10, 0, 1, 2),
    v4(192, 0, 2, 1),
];
/// IPv6 addresses of a program.
const ADDRS6: &[&str] = &[
    "fe80::1",
    "fe80::2",
    "2001:db8:1::1",
    "2001:db8:1::2",
    "2001:db8:2::1",
    "2001:db8:2::2",
    "2001:db8::1",
];
const ADDR6_VALUES: [Addr; 7] = [
    v6(0xfe80, 0, 1),
    v6(0xfe80, 0, 2),
    v6(0x2001, 1, 1),
    v6(0x2001, 1, 2),
    v6(0x2001, 2, 1),
    v6(0x2001, 2, 2),
    v6(0x2001, 0, 1),
];
/// Routers, link-local.
const ROUTERS: &[&str] = &["fe80::2", "fe80::3", "fe80::1"];
const ROUTER_VALUES: [Addr; 3] = [v6(0xfe80, 0, 2), v6(0xfe80, 0, 3), v6(0xfe80, 0, 1)];
/// Prefixes that routers advertise.
const PREFIXES: &[&str] = &["none", "2001:db8:1::/64", "2001:db8:2::/64"];
const PREFIX_VALUES: [Prefix; 3] =
    [Prefix::new(0, 0), Prefix::new(v6(0x2001, 1, 0), 32), Prefix::new(v6(0x2001, 2, 0), 32)];
const LIFETIMES: &[&str] = &["1800", "0", "30"];
const LIFETIME_VALUES: [u16; 3] = [1800, 0, 30];
/// Whom sockets talk to.
const PEERS: &[&str] = &[
    "2001:db8::1",
    "2001:db8:1::2",
    "2001:db8:2::2",
    "10.0.0.2",
    "192.0.2.1",
    "2001:db8:1::1",
    "10.0.1.2",
];
const PEER_VALUES: [(Af, Addr); 7] = [
    (Af::Inet6, v6(0x2001, 0, 1)),
    (Af::Inet6, v6(0x2001, 1, 2)),
    (Af::Inet6, v6(0x2001, 2, 2)),
    (Af::Inet, v4(10, 0, 0, 2)),
    (Af::Inet, v4(192, 0, 2, 1)),
    (Af::Inet6, v6(0x2001, 1, 1)),
    (Af::Inet, v4(10, 0, 1, 2)),
];
/// Destinations of user routes.
const DSTS: &[&str] = &[
    "::/0",
    "2001:db8:1::/64",
    "2001:db8::/64",
    "2001:db8:1::2",
    "0.0.0.0/0",
    "192.0.2.0/24",
    "10.0.0.0/24",
    "10.0.0.2",
];
const DST_VALUES: [(Af, Prefix); 8] = [
    (Af::Inet6, Prefix::new(0, 0)),
    (Af::Inet6, Prefix::new(v6(0x2001, 1, 0), 32)),
    (Af::Inet6, Prefix::new(v6(0x2001, 0, 0), 32)),
    (Af::Inet6, Prefix::new(v6(0x2001, 1, 2), 64)),
    (Af::Inet, Prefix::new(0, 0)),
    (Af::Inet, Prefix::new(v4(192, 0, 2, 0), 24)),
    (Af::Inet, Prefix::new(v4(10, 0, 0, 0), 24)),
    (Af::Inet, Prefix::new(v4(10, 0, 0, 2), 32)),
];
/// Gateways of user routes, by family of the destination.
const GATEWAYS: &[&str] = &["router1", "router2", "router3"];
const GATEWAY6_VALUES: [Addr; 3] = [v6(0x2001, 1, 2), v6(0x2001, 2, 2), v6(0x2001, 1, 1)];
const GATEWAY4_VALUES: [Addr; 3] = [v4(10, 0, 0, 2), v4(10, 0, 1, 2), v4(10, 0, 0, 1)];
/// Multicast groups that sockets join.
const GROUPS: &[&str] = &["ff02::1:3", "224.0.0.251", "224.0.0.1", "ff02::1"];
const GROUP_VALUES: [(Af, Addr); 4] = [
    (Af::Inet6, v6(0xff02, 0, 0x1_0003)),
    (Af::Inet, v4(224, 0, 0, 251)),
    (Af::Inet, v4(224, 0, 0, 1)),
    (Af::Inet6, v6(0xff02, 0, 1)),
];
const MASKS: &[&str] = &["/24", "/32", "/16"];
const MASK_VALUES: [u8; 3] = [24, 32, 16];
const PLENS: &[&str] = &["/64", "/128"];
const PLEN_VALUES: [u8; 2] = [32, 64];
const TIMES: &[&str] = &["50ms", "10ms", "1s", "3s", "60s", "30min", "2h"];
const TIME_VALUES: [u64; 7] = [50, 10, 1_000, 3_000, 60_000, 30 * 60_000, 2 * 3_600_000];
const FAMILIES: &[&str] = &["inet6", "inet"];
const MODULES: &[&str] = &["radix_lockless", "radix"];
const FLAGS: &[&str] = &["static", "dynamic"];

const fn arg(key: &'static str, choices: &'static [&'static str], class: ArgClass) -> Arg {
    Arg { key, ..Arg::bare(choices, class, Role::Names) }
}

const fn with(role: Role, arg: Arg) -> Arg {
    Arg { role, ..arg }
}

/// An argument whose first choices are the usual ones.
const fn usually(usual: u8, arg: Arg) -> Arg {
    Arg { usual, ..arg }
}

const fn iface(role: Role, choices: &'static [&'static str]) -> Arg {
    Arg::bare(choices, ArgClass::Interface, role)
}

const fn sock(role: Role, choices: &'static [&'static str]) -> Arg {
    Arg::bare(choices, ArgClass::Pcb, role)
}

const IF: Arg = iface(Role::Uses, OTHERS);
const PEER: Arg = usually(4, arg("", PEERS, ArgClass::Other));
const HOLDER: Arg = iface(Role::Holds, OTHERS);

const fn dst(role: Role) -> Arg {
    with(role, arg("", DSTS, ArgClass::Address))
}

const VIA: Arg = usually(1, arg("via", GATEWAYS, ArgClass::Other));
const RA: &[Arg] = &[
    IF,
    arg("from", ROUTERS, ArgClass::Other),
    arg("lifetime", LIFETIMES, ArgClass::Other),
    arg("prefix", PREFIXES, ArgClass::Other),
];

const fn v(
    code: u8,
    name: &'static str,
    weight: u8,
    args: &'static [Arg],
    help: &'static str,
) -> Verb {
    Verb { code, name, args, weight, help }
}

/// Opcodes, append-only.
pub mod op {
    #![allow(missing_docs)]
    pub const SIOCIFCREATE: u8 = 1;
    pub const SIOCIFDESTROY: u8 = 2;
    pub const NGM_MKPEER: u8 = 3;
    pub const NGM_SHUTDOWN: u8 = 4;
    pub const SIOCSIFNAME: u8 = 5;
    pub const OPEN: u8 = 6;
    pub const CLOSE_TUN: u8 = 7;
    pub const IFUP: u8 = 8;
    pub const IFDOWN: u8 = 9;
    pub const SIOCSIFADDR: u8 = 10;
    pub const SIOCAIFADDR: u8 = 11;
    pub const SIOCDIFADDR: u8 = 12;
    pub const SIOCAIFADDR_IN6: u8 = 13;
    pub const SIOCDIFADDR_IN6: u8 = 14;
    pub const RA_IN: u8 = 15;
    pub const RA_QUEUE: u8 = 16;
    pub const NETISR: u8 = 17;
    pub const ROUTE_ADD: u8 = 18;
    pub const ROUTE_ADD_IF: u8 = 19;
    pub const ROUTE_APPEND: u8 = 20;
    pub const ROUTE_DELETE: u8 = 21;
    pub const ROUTE_CHANGE: u8 = 22;
    pub const CONNECT: u8 = 23;
    pub const SEND: u8 = 24;
    pub const ACK: u8 = 25;
    pub const CLOSE: u8 = 26;
    pub const REXMT: u8 = 27;
    pub const JOIN: u8 = 28;
    pub const LEAVE: u8 = 29;
    pub const RESOLVE: u8 = 30;
    pub const PPP_UP: u8 = 31;
    pub const PPP_DOWN: u8 = 32;
    pub const PPP_RECONNECT: u8 = 33;
    pub const LINK_UP: u8 = 34;
    pub const LINK_DOWN: u8 = 35;
    pub const EPAIR_SEND: u8 = 36;
    pub const ADVANCE: u8 = 37;
    pub const NEXT_CALLOUT: u8 = 38;
    pub const EPOCH: u8 = 39;
    pub const TASKQUEUE: u8 = 40;
    pub const FIB_ALGO: u8 = 41;
}
use op::*;

const VERBS: &[Verb] = &[
    v(SIOCIFCREATE, "SIOCIFCREATE", 3, &[iface(Role::Creates, CLONES)], "clone an epair or a tun"),
    v(
        SIOCIFDESTROY,
        "SIOCIFDESTROY",
        4,
        &[iface(Role::Ends, DESTROYED)],
        "destroy a clone; refused for ng",
    ),
    v(
        NGM_MKPEER,
        "NGM_MKPEER",
        4,
        &[iface(Role::Creates, NGS)],
        "make an ng_iface node and its interface",
    ),
    v(NGM_SHUTDOWN, "NGM_SHUTDOWN", 4, &[iface(Role::Ends, NGS)], "shut an ng_iface node down"),
    v(SIOCSIFNAME, "SIOCSIFNAME", 1, &[iface(Role::Uses, NGS)], "rename ng0 to pppoe0"),
    v(OPEN, "open", 2, &[iface(Role::Uses, TUNS)], "open the tun device"),
    v(CLOSE_TUN, "close_tun", 2, &[iface(Role::Uses, TUNS)], "close the tun device"),
    v(IFUP, "ifup", 4, &[IF], "SIOCSIFFLAGS with IFF_UP"),
    v(IFDOWN, "ifdown", 3, &[IF], "SIOCSIFFLAGS without IFF_UP"),
    v(
        SIOCSIFADDR,
        "SIOCSIFADDR",
        1,
        &[IF, arg("", ADDRS4, ArgClass::Address)],
        "obsolete: the kernel refuses it",
    ),
    v(
        SIOCAIFADDR,
        "SIOCAIFADDR",
        9,
        &[
            IF,
            with(Role::Makes, arg("", ADDRS4, ArgClass::Address)),
            usually(1, arg("mask", MASKS, ArgClass::Other)),
            arg("dst", ADDRS4, ArgClass::Address),
        ],
        "add or change an IPv4 address; dst is for point-to-point interfaces",
    ),
    v(
        SIOCDIFADDR,
        "SIOCDIFADDR",
        5,
        &[HOLDER, with(Role::Ends, arg("", ADDRS4, ArgClass::Address))],
        "delete an IPv4 address",
    ),
    v(
        SIOCAIFADDR_IN6,
        "SIOCAIFADDR_IN6",
        12,
        &[
            IF,
            with(Role::Makes, arg("", ADDRS6, ArgClass::Address)),
            usually(1, arg("plen", PLENS, ArgClass::Other)),
            arg("dst", ADDRS6, ArgClass::Address),
        ],
        "add or change an IPv6 address; dst is for point-to-point interfaces with /128",
    ),
    v(
        SIOCDIFADDR_IN6,
        "SIOCDIFADDR_IN6",
        6,
        &[HOLDER, with(Role::Ends, arg("", ADDRS6, ArgClass::Address))],
        "delete an IPv6 address",
    ),
    v(RA_IN, "ra", 6, RA, "a router advertisement arrives and is served at once"),
    v(RA_QUEUE, "ra_queue", 2, RA, "a router advertisement arrives and waits for netisr"),
    v(NETISR, "netisr", 2, &[], "netisr serves one packet"),
    v(
        ROUTE_ADD,
        "route_add",
        5,
        &[dst(Role::Makes), VIA, arg("flags", FLAGS, ArgClass::Other)],
        "RTM_ADD through a gateway",
    ),
    v(
        ROUTE_ADD_IF,
        "route_add_if",
        3,
        &[dst(Role::Makes), with(Role::Uses, arg("if", OTHERS, ArgClass::Interface))],
        "RTM_ADD through an interface",
    ),
    v(
        ROUTE_APPEND,
        "route_append",
        2,
        &[dst(Role::Uses), VIA, arg("flags", FLAGS, ArgClass::Other)],
        "RTM_ADD beside what is there: multipath",
    ),
    v(ROUTE_DELETE, "route_delete", 3, &[dst(Role::Ends)], "RTM_DELETE"),
    v(ROUTE_CHANGE, "route_change", 2, &[dst(Role::Uses), VIA], "RTM_CHANGE to another gateway"),
    v(CONNECT, "connect", 6, &[sock(Role::Makes, SOCKS), PEER], "connect a socket"),
    v(
        SEND,
        "send",
        4,
        &[sock(Role::Uses, SOCKS), Arg { key: "to", ..PEER }],
        "send on a socket; `to` is for an unconnected one",
    ),
    v(ACK, "ack", 2, &[sock(Role::Uses, TCPS)], "the peer acknowledges everything"),
    v(CLOSE, "close", 2, &[sock(Role::Ends, SOCKS)], "close a socket"),
    v(REXMT, "rexmt", 5, &[sock(Role::Uses, TCPS)], "the retransmit timer of a connection fires"),
    v(
        JOIN,
        "join",
        2,
        &[sock(Role::Makes, UDPS), arg("", GROUPS, ArgClass::Other), IF],
        "a socket joins a group on an interface",
    ),
    v(
        LEAVE,
        "leave",
        1,
        &[sock(Role::Uses, UDPS), arg("", GROUPS, ArgClass::Other), IF],
        "a socket leaves a group",
    ),
    v(RESOLVE, "resolve", 2, &[IF, PEER], "look a neighbour up, making the entry"),
    v(PPP_UP, "ppp_up", 3, &[iface(Role::Uses, NGS)], "a PPPoE session comes up"),
    v(PPP_DOWN, "ppp_down", 2, &[iface(Role::Uses, NGS)], "a PPPoE session is lost"),
    v(
        PPP_RECONNECT,
        "ppp_reconnect",
        3,
        &[iface(Role::Makes, NGS)],
        "the daemon shuts the node down and makes a new one",
    ),
    v(LINK_UP, "link_up", 1, &[IF], "the driver says that the link is up"),
    v(LINK_DOWN, "link_down", 1, &[IF], "the driver says that the link is down"),
    v(
        EPAIR_SEND,
        "epair_send",
        2,
        &[iface(Role::Uses, EPAIRS)],
        "a packet is sent through one half of an epair",
    ),
    v(ADVANCE, "advance", 4, &[arg("", TIMES, ArgClass::Other)], "let time pass"),
    v(NEXT_CALLOUT, "next_callout", 2, &[], "let time pass until the next callout has run"),
    v(EPOCH, "epoch", 2, &[], "epoch callbacks whose grace period is over run"),
    v(TASKQUEUE, "taskqueue", 2, &[], "queued tasks run"),
    v(
        FIB_ALGO,
        "fib_algo",
        1,
        &[arg("", FAMILIES, ArgClass::Other), arg("", MODULES, ArgClass::Other)],
        "choose the lookup module of a family",
    ),
];

/// As many yield points and fallible calls as nineteen of twenty operations pass, of those
/// that pass any: measured, see `tests/points.rs`.
const POINTS: &[(u8, Points)] = &[
    (SIOCIFCREATE, Points::new(18, 0)),
    (SIOCIFDESTROY, Points::new(255, 56)),
    (NGM_MKPEER, Points::new(8, 1)),
    (NGM_SHUTDOWN, Points::new(186, 61)),
    (SIOCSIFNAME, Points::new(3, 0)),
    (OPEN, Points::new(3, 0)),
    (CLOSE_TUN, Points::new(37, 14)),
    (IFUP, Points::new(55, 37)),
    (IFDOWN, Points::new(40, 21)),
    (SIOCSIFADDR, Points::new(1, 0)),
    (SIOCAIFADDR, Points::new(80, 50)),
    (SIOCDIFADDR, Points::new(24, 21)),
    (SIOCAIFADDR_IN6, Points::new(64, 35)),
    (SIOCDIFADDR_IN6, Points::new(36, 16)),
    (RA_IN, Points::new(48, 35)),
    (RA_QUEUE, Points::new(0, 0)),
    (NETISR, Points::new(48, 35)),
    (ROUTE_ADD, Points::new(15, 13)),
    (ROUTE_ADD_IF, Points::new(14, 14)),
    (ROUTE_APPEND, Points::new(16, 13)),
    (ROUTE_DELETE, Points::new(8, 8)),
    (ROUTE_CHANGE, Points::new(12, 4)),
    (CONNECT, Points::new(13, 1)),
    (SEND, Points::new(9, 1)),
    (ACK, Points::new(1, 0)),
    (CLOSE, Points::new(3, 0)),
    (REXMT, Points::new(10, 1)),
    (JOIN, Points::new(6, 6)),
    (LEAVE, Points::new(1, 1)),
    (RESOLVE, Points::new(1, 1)),
    (PPP_UP, Points::new(120, 63)),
    (PPP_DOWN, Points::new(96, 48)),
    (PPP_RECONNECT, Points::new(255, 63)),
    (LINK_UP, Points::new(0, 0)),
    (LINK_DOWN, Points::new(0, 0)),
    (EPAIR_SEND, Points::new(3, 0)),
    (ADVANCE, Points::new(42, 14)),
    (NEXT_CALLOUT, Points::new(31, 8)),
    (EPOCH, Points::new(28, 0)),
    (TASKQUEUE, Points::new(14, 0)),
    (FIB_ALGO, Points::new(33, 11)),
];

/// The grammar of this kernel.
pub static GRAMMAR: Grammar = Grammar {
    verbs: VERBS,
    points: POINTS,
    thresholds: true,
    max_ifindex: 24,
    max_preempt_at: 255,
    booted: &["lo0"],
    twins: &[["epair0a", "epair0b"], ["epair1a", "epair1b"]],
    redraws: 1,
    ..Grammar::named("freebsd-14", 1)
};

/// For each of some names its place in [`IFS`].
const fn slots<const N: usize>(names: &[&str]) -> [u8; N] {
    assert!(names.len() == N);
    let mut slots = [0; N];
    let mut i = 0;
    while i < N {
        let mut slot = 0;
        while !equal(names[i].as_bytes(), IFS[slot].as_bytes()) {
            slot += 1;
        }
        slots[i] = slot as u8;
        i += 1;
    }
    slots
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

static OTHER_SLOTS: [u8; OTHERS.len()] = slots(OTHERS);
static CLONE_SLOTS: [u8; CLONES.len()] = slots(CLONES);
static DESTROYED_SLOTS: [u8; DESTROYED.len()] = slots(DESTROYED);
static EPAIR_SLOTS: [u8; EPAIRS.len()] = slots(EPAIRS);
static NG_SLOTS: [u8; NGS.len()] = slots(NGS);

/// The value that an argument chooses out of a table.
fn pick<T: Copy, const N: usize>(table: &[T; N], i: u8) -> T {
    table[i as usize % N]
}

fn ra(o: &Op) -> Ra {
    let [_, from, lifetime, prefix] = o.args;
    Ra {
        from: pick(&ROUTER_VALUES, from),
        lifetime: pick(&LIFETIME_VALUES, lifetime),
        prefix: pick(&PREFIX_VALUES, prefix),
        vltime: if lifetime == 0 { 3_600 } else { 10 },
    }
}

fn route(o: &Op) -> RouteReq {
    let [dst, via, flags, _] = o.args;
    let (af, dst) = pick(&DST_VALUES, dst);
    let via = match af {
        Af::Inet => pick(&GATEWAY4_VALUES, via),
        _ => pick(&GATEWAY6_VALUES, via),
    };
    RouteReq { af, dst, via: Via::Addr(via), is_static: flags == 0, append: false }
}

/// Whether an operation asks the control plane, so that failure atomicity is judged on it.
pub fn is_control(verb: u8) -> bool {
    (SIOCIFCREATE..=SIOCDIFADDR_IN6).contains(&verb) || (ROUTE_ADD..=ROUTE_CHANGE).contains(&verb)
}

/// The interface, by its name, that an operation on addresses is about.
pub fn interface_of(o: &Op) -> u8 {
    pick(&OTHER_SLOTS, o.args[0])
}

/// The address that an operation is to add, without the scope of its interface.
pub fn added_address(o: &Op) -> Option<(Af, Addr)> {
    match o.verb {
        SIOCAIFADDR => Some((Af::Inet, pick(&ADDR4_VALUES, o.args[1]))),
        SIOCAIFADDR_IN6 => Some((Af::Inet6, pick(&ADDR6_VALUES, o.args[1]))),
        _ => None,
    }
}

/// The ioctl of an interface that an operation is, and the interface's name.
fn ioctl(o: &Op) -> Option<(u8, Ioctl)> {
    let [a, b, c, d] = o.args;
    let any = pick(&OTHER_SLOTS, a);
    Some(match o.verb {
        SIOCIFCREATE => (pick(&CLONE_SLOTS, a), Ioctl::Ifcreate),
        SIOCIFDESTROY => (pick(&DESTROYED_SLOTS, a), Ioctl::Ifdestroy),
        SIOCSIFNAME => (pick(&NG_SLOTS, a), Ioctl::Sifname),
        IFUP => (any, Ioctl::Sifflags(true)),
        IFDOWN => (any, Ioctl::Sifflags(false)),
        SIOCSIFADDR => (any, Ioctl::Sifaddr),
        SIOCAIFADDR => {
            let (addr, dst) = (pick(&ADDR4_VALUES, b), pick(&ADDR4_VALUES, d));
            (any, Ioctl::Aifaddr(AliasReq { addr, bits: pick(&MASK_VALUES, c), dst }))
        }
        SIOCDIFADDR => (any, Ioctl::Difaddr(pick(&ADDR4_VALUES, b))),
        SIOCAIFADDR_IN6 => {
            let (addr, dst) = (pick(&ADDR6_VALUES, b), pick(&ADDR6_VALUES, d));
            (any, Ioctl::AifaddrIn6(AliasReq { addr, bits: pick(&PLEN_VALUES, c), dst }))
        }
        SIOCDIFADDR_IN6 => (any, Ioctl::DifaddrIn6(pick(&ADDR6_VALUES, b))),
        _ => return None,
    })
}

/// Runs an operation.
pub async fn dispatch(k: &K, o: Op) -> i32 {
    if let Some((name, cmd)) = ioctl(&o) {
        return ifioctl(k, name, cmd).await;
    }
    let [a, b, c, _] = o.args;
    match o.verb {
        NGM_MKPEER => ng_base::ngm_mkpeer(k, a % 2).await,
        NGM_SHUTDOWN => ng_base::ngm_shutdown(k, a % 2).await,
        OPEN => if_tuntap::tunopen(k).await,
        CLOSE_TUN => if_tuntap::tunclose(k).await,
        RA_IN => netisr::netisr_dispatch_ra(k, pick(&OTHER_SLOTS, a), ra(&o)).await,
        RA_QUEUE => netisr::netisr_queue_ra(k, pick(&OTHER_SLOTS, a), ra(&o)).await,
        NETISR => netisr::swi_net(k).await,
        ROUTE_ADD => rts_send(k, Rtm::Add, route(&o)).await,
        ROUTE_APPEND => rts_send(k, Rtm::Add, RouteReq { append: true, ..route(&o) }).await,
        ROUTE_ADD_IF => {
            let via = Via::If(pick(&OTHER_SLOTS, b));
            let (af, dst) = pick(&DST_VALUES, a);
            let req = RouteReq { af, dst, via, is_static: true, append: false };
            rts_send(k, Rtm::Add, req).await
        }
        ROUTE_DELETE => {
            let (af, dst) = pick(&DST_VALUES, a);
            let req = RouteReq { af, dst, ..RouteReq::default() };
            rts_send(k, Rtm::Delete, req).await
        }
        ROUTE_CHANGE => rts_send(k, Rtm::Change, route(&o)).await,
        CONNECT => {
            let (af, peer) = pick(&PEER_VALUES, b);
            match a as usize % 4 {
                s @ (0 | 1) => tcp_usrreq::tcp_usr_connect(k, s, af, peer).await,
                s => udp_usrreq::udp_connect(k, s, af, peer).await,
            }
        }
        SEND => {
            let (af, peer) = pick(&PEER_VALUES, b);
            match a as usize % 4 {
                s @ (0 | 1) => tcp_usrreq::tcp_usr_send(k, s).await,
                s => udp_usrreq::udp_send(k, s, af, peer).await,
            }
        }
        ACK => tcp_input::tcp_ack(k, a as usize % 2).await,
        CLOSE => kern_descrip::close(k, a as usize % 4).await,
        REXMT => tcp_timer::rexmt(k, a as usize % 2).await,
        JOIN | LEAVE => {
            let (af, group) = pick(&GROUP_VALUES, b);
            let (sock, join, name) = (2 + a as usize % 2, o.verb == JOIN, pick(&OTHER_SLOTS, c));
            match af {
                Af::Inet => in_mcast::inp_setmoptions(k, sock, join, name, group).await,
                _ => in6_mcast::in6p_setmoptions(k, sock, join, name, group).await,
            }
        }
        RESOLVE => match pick(&PEER_VALUES, b) {
            (Af::Inet, addr) => if_ether::resolve(k, pick(&OTHER_SLOTS, a), addr).await,
            (_, addr) => nd6::resolve(k, pick(&OTHER_SLOTS, a), addr).await,
        },
        PPP_UP => mpd::session_up(k, a % 2).await,
        PPP_DOWN => mpd::session_down(k, a % 2).await,
        PPP_RECONNECT => mpd::reconnect(k, a % 2).await,
        LINK_UP => if_c::driver_link_state(k, pick(&OTHER_SLOTS, a), true).await,
        LINK_DOWN => if_c::driver_link_state(k, pick(&OTHER_SLOTS, a), false).await,
        EPAIR_SEND => if_epair::epair_transmit(k, pick(&EPAIR_SLOTS, a)).await,
        ADVANCE => kern_timeout::advance(k, pick(&TIME_VALUES, a), u32::MAX).await,
        NEXT_CALLOUT => kern_timeout::next_callout(k).await,
        EPOCH => subr_epoch::epoch_call_task(k).await,
        TASKQUEUE => subr_taskqueue::run_all(k).await,
        FIB_ALGO => {
            let af = if a == 0 { Af::Inet6 } else { Af::Inet };
            let flm = if b == 0 { Flm::RadixLockless } else { Flm::Radix };
            fib_algo::set_fib_algo(k, af, flm).await
        }
        _ => EINVAL,
    }
}
