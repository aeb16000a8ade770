//! The operations of `dragonfly-2007`: what a user, a daemon, a driver or the network
//! can do to this kernel, as it really had it.
//!
//! em comes and goes with its driver; gif is the cloner; tun and tap are made by their
//! first open, tap goes by unloading its module; tun, sppp and lo never go. What the
//! kernel refuses returns its errno.

use super::if_c::{Cmd, if_clone_create, if_clone_destroy, ifioctl, ifioctl_flags};
use super::in_c::AliasReq;
use super::objects::{AF_LINK, Sin};
use super::route::{Callback, HOST, Req, mask};
use super::rtsock::{RouteReq, routing_socket};
use super::{EINVAL, ENXIO, K};
use super::{
    if_c, if_em, if_ether, if_spppsubr, if_tap, if_tun, ip_icmp, kern_timeout, netisr, tcp_timer,
    tcp_usrreq, udp_usrreq,
};
use crate::program::{Arg, ArgClass, Grammar, Op, Points, Role, Verb};

/// Names of the interface slots.
pub const IFS: &[&str] = &["em0", "em1", "gif0", "gif1", "tun0", "tap0", "tap1", "sppp0", "lo0"];
const EMS: &[&str] = &["em0", "em1"];
const GIFS: &[&str] = &["gif0", "gif1"];
const DEVICES: &[&str] = &["tap0", "tun0", "tap1"];
const SPPPS: &[&str] = &["sppp0"];
const P2PS: &[&str] = &["gif0", "gif1", "tun0", "sppp0"];
const TCPS: &[&str] = &["tcp0", "tcp1"];
const UDPS: &[&str] = &["udp0", "udp1"];

/// The addresses of a program: few, so that they collide.
pub const ADDRS: &[&str] = &[
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "10.0.1.1",
    "10.0.1.2",
    "192.168.0.1",
    "192.168.0.2",
    "0.0.0.0",
];
const ADDR_VALUES: [u32; 8] =
    [0x0a00_0001, 0x0a00_0002, 0x0a00_0003, 0x0a00_0101, 0x0a00_0102, 0xc0a8_0001, 0xc0a8_0002, 0];
/// Destinations: hosts, then the networks of [`NETS`].
const DSTS: &[&str] = &[
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "10.0.1.1",
    "10.0.1.2",
    "192.168.0.1",
    "192.168.0.2",
    "10.0.0.0/24",
    "10.0.1.0/24",
    "192.168.0.0/24",
    "10.0.0.0/16",
];
const NETS: [(u32, u8); 4] =
    [(0x0a00_0000, 24), (0x0a00_0100, 24), (0xc0a8_0000, 24), (0x0a00_0000, 16)];
const MASKS: &[&str] = &["/24", "none", "/16", "/32"];
const CPUS: &[&str] = &["0", "1", "2"];
const TIMES: &[&str] = &["1s", "5s", "5min", "20min", "1h"];
const TIME_VALUES: [u64; 5] = [1_000, 5_000, 5 * 60_000, 20 * 60_000, 60 * 60_000];
const COUNTS: &[&str] = &["1", "2", "3", "4", "5", "13"];
const COUNT_VALUES: [u8; 6] = [1, 2, 3, 4, 5, 13];

const fn arg(key: &'static str, choices: &'static [&'static str], class: ArgClass) -> Arg {
    Arg { key, ..Arg::bare(choices, class, Role::Names) }
}

const fn with(role: Role, arg: Arg) -> Arg {
    Arg { role, ..arg }
}

const fn iface(role: Role, choices: &'static [&'static str]) -> Arg {
    Arg::bare(choices, ArgClass::Interface, role)
}

const fn pcb(role: Role, choices: &'static [&'static str]) -> Arg {
    Arg::bare(choices, ArgClass::Pcb, role)
}

const IF: Arg = iface(Role::Uses, IFS);
const ADDR: Arg = arg("", ADDRS, ArgClass::Address);
const DST: Arg = arg("", DSTS, ArgClass::Address);
const CPU: Arg = arg("cpu", CPUS, ArgClass::Other);
const VIA: Arg = arg("via", ADDRS, ArgClass::Address);

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
    pub const EM_ATTACH: u8 = 1;
    pub const EM_DETACH: u8 = 2;
    pub const SIOCIFCREATE: u8 = 3;
    pub const SIOCIFDESTROY: u8 = 4;
    pub const OPEN: u8 = 5;
    pub const CLOSE: u8 = 6;
    pub const TAP_UNLOAD: u8 = 7;
    pub const IFUP: u8 = 8;
    pub const IFDOWN: u8 = 9;
    pub const SIOCSIFADDR: u8 = 10;
    pub const SIOCAIFADDR: u8 = 11;
    pub const SIOCDIFADDR: u8 = 12;
    pub const SIOCSIFDSTADDR: u8 = 13;
    pub const SIOCSIFNETMASK: u8 = 14;
    pub const SIOCSIFFLAGS: u8 = 15;
    pub const ROUTE_ADD: u8 = 16;
    pub const ROUTE_ADD_IFACE: u8 = 17;
    pub const ROUTE_DELETE: u8 = 18;
    pub const ROUTE_CHANGE: u8 = 19;
    pub const ROUTE_LOCK: u8 = 20;
    pub const TCP_CONNECT: u8 = 21;
    pub const TCP_SEND: u8 = 22;
    pub const TCP_CLOSE: u8 = 23;
    pub const UDP_CONNECT: u8 = 24;
    pub const UDP_SEND: u8 = 25;
    pub const UDP_CLOSE: u8 = 26;
    pub const ARP_RESOLVE: u8 = 27;
    pub const ARP_REPLY: u8 = 28;
    pub const ARP_EXPIRE: u8 = 29;
    pub const PPP_UP: u8 = 30;
    pub const PPP_NAK: u8 = 31;
    pub const PPP_DOWN: u8 = 32;
    pub const PPP_RECONNECT: u8 = 33;
    pub const LINK_DOWN: u8 = 34;
    pub const LINK_UP: u8 = 35;
    pub const REXMT: u8 = 36;
    pub const ADVANCE: u8 = 37;
    pub const NEXT_CALLOUT: u8 = 38;
    pub const PACKET_IN: u8 = 39;
    pub const NETISR: u8 = 40;
    pub const REDIRECT: u8 = 41;
}
use op::*;

const VERBS: &[Verb] = &[
    v(
        EM_ATTACH,
        "em_attach",
        3,
        &[iface(Role::Makes, EMS), CPU],
        "the em driver attaches its device",
    ),
    v(
        EM_DETACH,
        "em_detach",
        3,
        &[iface(Role::Ends, EMS), CPU],
        "the em driver detaches its device",
    ),
    v(SIOCIFCREATE, "SIOCIFCREATE", 4, &[iface(Role::Makes, GIFS), CPU], "create a gif"),
    v(SIOCIFDESTROY, "SIOCIFDESTROY", 3, &[iface(Role::Ends, GIFS), CPU], "destroy a gif"),
    v(OPEN, "open", 4, &[iface(Role::Makes, DEVICES), CPU], "open a tap or tun device"),
    v(CLOSE, "close", 3, &[iface(Role::Uses, DEVICES), CPU], "close a tap or tun device"),
    v(TAP_UNLOAD, "tap_unload", 2, &[CPU], "unload the tap module"),
    v(IFUP, "ifup", 4, &[IF, CPU], "SIOCSIFFLAGS with IFF_UP"),
    v(IFDOWN, "ifdown", 4, &[IF, CPU], "SIOCSIFFLAGS without IFF_UP"),
    v(
        SIOCSIFADDR,
        "SIOCSIFADDR",
        10,
        &[IF, with(Role::Makes, ADDR), CPU],
        "set the address of an interface",
    ),
    v(
        SIOCAIFADDR,
        "SIOCAIFADDR",
        18,
        &[
            IF,
            with(Role::Makes, ADDR),
            arg("mask", MASKS, ArgClass::Other),
            arg("dst", ADDRS, ArgClass::Address),
        ],
        "add or change an address; dst is for point-to-point interfaces",
    ),
    v(SIOCDIFADDR, "SIOCDIFADDR", 9, &[IF, with(Role::Ends, ADDR), CPU], "delete an address"),
    v(SIOCSIFDSTADDR, "SIOCSIFDSTADDR", 3, &[IF, ADDR, CPU], "set the far end's address"),
    v(
        SIOCSIFNETMASK,
        "SIOCSIFNETMASK",
        3,
        &[IF, arg("mask", MASKS, ArgClass::Other), CPU],
        "set the netmask of the first address",
    ),
    v(
        SIOCSIFFLAGS,
        "SIOCSIFFLAGS",
        2,
        &[IF, CPU],
        "set flags to what they are: the driver is called",
    ),
    v(ROUTE_ADD, "route_add", 6, &[DST, VIA, CPU], "RTM_ADD through a gateway"),
    v(
        ROUTE_ADD_IFACE,
        "route_add_iface",
        4,
        &[DST, with(Role::Uses, arg("if", IFS, ArgClass::Interface)), CPU],
        "RTM_ADD with an interface as gateway",
    ),
    v(ROUTE_DELETE, "route_delete", 3, &[DST, CPU], "RTM_DELETE"),
    v(ROUTE_CHANGE, "route_change", 1, &[DST, VIA, CPU], "RTM_CHANGE"),
    v(ROUTE_LOCK, "route_lock", 1, &[DST, CPU], "RTM_LOCK"),
    v(TCP_CONNECT, "tcp_connect", 6, &[pcb(Role::Makes, TCPS), ADDR], "connect a TCP socket"),
    v(TCP_SEND, "tcp_send", 2, &[pcb(Role::Uses, TCPS)], "send on a TCP socket"),
    v(TCP_CLOSE, "tcp_close", 2, &[pcb(Role::Ends, TCPS)], "close a TCP socket"),
    v(UDP_CONNECT, "udp_connect", 4, &[pcb(Role::Makes, UDPS), ADDR], "connect a UDP socket"),
    v(UDP_SEND, "udp_send", 5, &[pcb(Role::Makes, UDPS), ADDR], "send on a UDP socket"),
    v(UDP_CLOSE, "udp_close", 1, &[pcb(Role::Ends, UDPS)], "close a UDP socket"),
    v(ARP_RESOLVE, "arp_resolve", 3, &[ADDR, CPU], "look an address up in ARP, making the entry"),
    v(ARP_REPLY, "arp_reply", 2, &[ADDR], "an ARP reply arrives"),
    v(ARP_EXPIRE, "arp_expire", 1, &[ADDR, CPU], "an ARP entry runs out"),
    v(
        PPP_UP,
        "ppp_up",
        4,
        &[iface(Role::Uses, SPPPS), CPU],
        "the PPP link comes up, the peer agrees",
    ),
    v(
        PPP_NAK,
        "ppp_nak",
        2,
        &[iface(Role::Uses, SPPPS), ADDR, CPU],
        "the peer refuses our address and offers another",
    ),
    v(PPP_DOWN, "ppp_down", 2, &[iface(Role::Uses, SPPPS), CPU], "the PPP link goes down"),
    v(PPP_RECONNECT, "ppp_reconnect", 3, &[iface(Role::Uses, SPPPS), CPU], "down and up again"),
    v(
        LINK_DOWN,
        "link_down",
        2,
        &[iface(Role::Uses, P2PS), CPU],
        "the driver takes the interface down",
    ),
    v(LINK_UP, "link_up", 2, &[iface(Role::Uses, P2PS), CPU], "the driver brings the interface up"),
    v(
        REXMT,
        "rexmt",
        4,
        &[pcb(Role::Uses, TCPS), arg("times", COUNTS, ArgClass::Other)],
        "the retransmit timer of a connection fires",
    ),
    v(ADVANCE, "advance", 2, &[arg("", TIMES, ArgClass::Other)], "let time pass"),
    v(NEXT_CALLOUT, "next_callout", 1, &[], "let time pass until the next callout has run"),
    v(
        PACKET_IN,
        "packet_in",
        4,
        &[IF, arg("to", ADDRS, ArgClass::Address), CPU],
        "a packet to be forwarded arrives",
    ),
    v(NETISR, "netisr", 2, &[CPU], "a netisr serves one packet"),
    v(REDIRECT, "redirect", 4, &[ADDR, VIA, CPU], "an ICMP redirect arrives for a host"),
];

/// As many yield points and fallible calls as nineteen of twenty operations pass, of those
/// that pass any: measured, see `tests/points.rs`.
const POINTS: &[(u8, Points)] = &[
    (EM_ATTACH, Points::new(0, 0)),
    (EM_DETACH, Points::new(26, 2)),
    (SIOCIFCREATE, Points::new(1, 0)),
    (SIOCIFDESTROY, Points::new(14, 4)),
    (OPEN, Points::new(1, 0)),
    (CLOSE, Points::new(13, 2)),
    (TAP_UNLOAD, Points::new(11, 1)),
    (IFUP, Points::new(2, 6)),
    (IFDOWN, Points::new(12, 3)),
    (SIOCSIFADDR, Points::new(12, 11)),
    (SIOCAIFADDR, Points::new(10, 10)),
    (SIOCDIFADDR, Points::new(10, 1)),
    (SIOCSIFDSTADDR, Points::new(10, 7)),
    (SIOCSIFNETMASK, Points::new(8, 10)),
    (SIOCSIFFLAGS, Points::new(2, 0)),
    (ROUTE_ADD, Points::new(4, 16)),
    (ROUTE_ADD_IFACE, Points::new(5, 7)),
    (ROUTE_DELETE, Points::new(5, 4)),
    (ROUTE_CHANGE, Points::new(3, 1)),
    (ROUTE_LOCK, Points::new(3, 1)),
    (TCP_CONNECT, Points::new(2, 3)),
    (TCP_SEND, Points::new(1, 3)),
    (TCP_CLOSE, Points::new(1, 0)),
    (UDP_CONNECT, Points::new(0, 3)),
    (UDP_SEND, Points::new(0, 3)),
    (UDP_CLOSE, Points::new(0, 0)),
    (ARP_RESOLVE, Points::new(0, 3)),
    (ARP_REPLY, Points::new(4, 9)),
    (ARP_EXPIRE, Points::new(0, 0)),
    (PPP_UP, Points::new(5, 6)),
    (PPP_NAK, Points::new(9, 6)),
    (PPP_DOWN, Points::new(10, 4)),
    (PPP_RECONNECT, Points::new(12, 8)),
    (LINK_DOWN, Points::new(10, 4)),
    (LINK_UP, Points::new(12, 18)),
    (REXMT, Points::new(13, 8)),
    (ADVANCE, Points::new(54, 12)),
    (NEXT_CALLOUT, Points::new(1, 3)),
    (PACKET_IN, Points::new(0, 0)),
    (NETISR, Points::new(0, 4)),
    (REDIRECT, Points::new(4, 15)),
];

/// The grammar of this kernel.
pub static GRAMMAR: Grammar = Grammar {
    verbs: VERBS,
    points: POINTS,
    max_cpus: 3,
    booted: &["em0", "em1", "sppp0", "lo0"],
    ..Grammar::named("dragonfly-2007", 0)
};

fn if_slot(list: &[&str], i: u8) -> u8 {
    let name = list[i as usize % list.len()];
    IFS.iter().position(|n| *n == name).unwrap_or(0) as u8
}

fn addr(i: u8) -> u32 {
    ADDR_VALUES[i as usize % 8]
}

fn dst(i: u8) -> (u32, u8) {
    match i as usize % DSTS.len() {
        i @ 0..=6 => (ADDR_VALUES[i], HOST),
        i => NETS[i - 7],
    }
}

fn mask_value(i: u8) -> Option<u32> {
    match i % 4 {
        0 => Some(mask(24)),
        1 => None,
        2 => Some(mask(16)),
        _ => Some(mask(32)),
    }
}

/// The interface and the address that an operation sets, for I16.
pub fn set_address(op: &Op) -> Option<(u8, u32)> {
    matches!(op.verb, SIOCSIFADDR | SIOCAIFADDR)
        .then(|| (if_slot(IFS, op.args[0]), addr(op.args[1])))
}

/// For each opcode, which argument is the CPU; 4 for none.
static CPU_ARG: [u8; 256] = {
    let mut table = [4u8; 256];
    let mut v = 0;
    while v < VERBS.len() {
        let mut a = 0;
        while a < VERBS[v].args.len() {
            let key = VERBS[v].args[a].key.as_bytes();
            if key.len() == 3 && key[0] == b'c' && key[1] == b'p' && key[2] == b'u' {
                table[VERBS[v].code as usize] = a as u8;
            }
            a += 1;
        }
        v += 1;
    }
    table
};

/// The CPU that an operation is issued on.
pub fn cpu_of(op: &Op, ncpus: usize) -> u8 {
    match op.args.get(CPU_ARG[op.verb as usize] as usize) {
        Some(cpu) => (*cpu as usize % ncpus) as u8,
        None => 0,
    }
}

/// Runs an operation.
pub async fn dispatch(k: &K, o: Op) -> i32 {
    let [a, b, c, d] = o.args;
    match o.verb {
        EM_ATTACH => if_em::em_attach(k, if_slot(EMS, a)).await,
        EM_DETACH => if_em::em_detach(k, if_slot(EMS, a)).await,
        SIOCIFCREATE => if_clone_create(k, if_slot(GIFS, a)).await,
        SIOCIFDESTROY => if_clone_destroy(k, if_slot(GIFS, a)).await,
        OPEN | CLOSE => {
            let name = if_slot(DEVICES, a);
            let tun = IFS[name as usize] == "tun0";
            match (o.verb == OPEN, tun) {
                (true, true) => if_tun::tunopen(k, name).await,
                (true, false) => if_tap::tapopen(k, name).await,
                (false, true) => if_tun::tunclose(k, name).await,
                (false, false) => if_tap::tapclose(k, name).await,
            }
        }
        TAP_UNLOAD => if_tap::tapmodevent_unload(k).await,
        IFUP => ifioctl_flags(k, if_slot(IFS, a), Some(true)).await,
        IFDOWN => ifioctl_flags(k, if_slot(IFS, a), Some(false)).await,
        SIOCSIFFLAGS => ifioctl_flags(k, if_slot(IFS, a), None).await,
        SIOCSIFADDR => {
            address_ioctl(k, Cmd::Sifaddr, a, AliasReq { addr: addr(b), ..AliasReq::default() })
                .await
        }
        SIOCAIFADDR => {
            let req = AliasReq { addr: addr(b), mask: mask_value(c), dst: Some(addr(d)) };
            address_ioctl(k, Cmd::Aifaddr, a, req).await
        }
        SIOCDIFADDR => {
            address_ioctl(k, Cmd::Difaddr, a, AliasReq { addr: addr(b), ..AliasReq::default() })
                .await
        }
        SIOCSIFDSTADDR => {
            let req = AliasReq { addr: addr(b), dst: Some(addr(b)), ..AliasReq::default() };
            address_ioctl(k, Cmd::Sifdstaddr, a, req).await
        }
        SIOCSIFNETMASK => match mask_value(b) {
            // ifr_addr is the mask: that is also what the address is looked up by.
            Some(m) => {
                let req = AliasReq { addr: m, mask: Some(m), ..AliasReq::default() };
                address_ioctl(k, Cmd::Sifnetmask, a, req).await
            }
            None => EINVAL,
        },
        ROUTE_ADD | ROUTE_CHANGE => {
            let (dst, plen) = dst(a);
            let r = RouteReq { dst, plen, gateway: Some(Sin::inet(addr(b))) };
            if o.verb == ROUTE_ADD {
                routing_socket(k, Req::Add, Callback::RouteOutputAdd, r).await
            } else {
                routing_socket(k, Req::Get, Callback::RouteOutputChange, r).await
            }
        }
        ROUTE_ADD_IFACE => {
            let (dst, plen) = dst(a);
            // route(8) turns the name into an index before it asks.
            let ifp = if_c::ifunit(k, if_slot(IFS, b));
            if ifp.is_null() {
                return ENXIO;
            }
            let gateway = Sin { family: AF_LINK, addr: u32::from(k[ifp].if_index.get()) };
            let r = RouteReq { dst, plen, gateway: Some(gateway) };
            routing_socket(k, Req::Add, Callback::RouteOutputAdd, r).await
        }
        ROUTE_DELETE => {
            let (dst, plen) = dst(a);
            let r = RouteReq { dst, plen, gateway: None };
            routing_socket(k, Req::Delete, Callback::RouteOutputDelete, r).await
        }
        ROUTE_LOCK => {
            let (dst, plen) = dst(a);
            let r = RouteReq { dst, plen, gateway: None };
            routing_socket(k, Req::Get, Callback::RouteOutputLock, r).await
        }
        TCP_CONNECT => tcp_usrreq::tcp_usr_connect(k, a as usize % 2, addr(b)).await,
        TCP_SEND => tcp_usrreq::tcp_usr_send(k, a as usize % 2).await,
        TCP_CLOSE => tcp_usrreq::tcp_usr_close(k, a as usize % 2).await,
        UDP_CONNECT => udp_usrreq::udp_connect(k, 2 + a as usize % 2, addr(b)).await,
        UDP_SEND => udp_usrreq::udp_send(k, 2 + a as usize % 2, addr(b)).await,
        UDP_CLOSE => udp_usrreq::udp_close(k, 2 + a as usize % 2).await,
        ARP_RESOLVE => if_ether::arp_resolve(k, addr(a)).await,
        ARP_REPLY => if_ether::arp_input(k, addr(a)).await,
        ARP_EXPIRE => if_ether::arp_expire(k, addr(a)).await,
        PPP_UP => if_spppsubr::ppp_up(k, if_slot(SPPPS, a)).await,
        PPP_NAK => if_spppsubr::ppp_nak(k, if_slot(SPPPS, a), addr(b)).await,
        PPP_DOWN => if_spppsubr::ppp_down(k, if_slot(SPPPS, a)).await,
        PPP_RECONNECT => if_spppsubr::ppp_reconnect(k, if_slot(SPPPS, a)).await,
        LINK_DOWN => if_spppsubr::link_change(k, if_slot(P2PS, a), false).await,
        LINK_UP => if_spppsubr::link_change(k, if_slot(P2PS, a), true).await,
        REXMT => tcp_timer::rexmt(k, a as usize % 2, COUNT_VALUES[b as usize % 6]).await,
        ADVANCE => kern_timeout::advance(k, TIME_VALUES[a as usize % 5], u32::MAX).await,
        NEXT_CALLOUT => kern_timeout::next_callout(k).await,
        PACKET_IN => netisr::packet_in(k, if_slot(IFS, a), addr(b), k.mycpuid()),
        NETISR => netisr::netisr_step(k, k.mycpuid()).await,
        REDIRECT => ip_icmp::icmp_redirect(k, addr(a), addr(b)).await,
        _ => EINVAL,
    }
}

async fn address_ioctl(k: &K, cmd: Cmd, name: u8, req: AliasReq) -> i32 {
    ifioctl(k, if_slot(IFS, name), cmd, req).await
}
