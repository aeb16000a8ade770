//! What the tree of December 2007 got wrong, one switch per mistake.
//!
//! The constants are bits; [`DEFECTS`] is the catalogue in the same order. A switch
//! stands at the line where history differs; with it off the line is repaired, in the
//! smallest way that keeps the invariants under preemption and injected faults.
//!
//! **The control token.** In 2007 every ioctl ran in its caller's thread, and two of
//! them interleaved wherever one blocked. In March 2008 (b26321761f) the set commands
//! of in_control moved into one thread. The repaired kernel does the same for all of the
//! control plane: an operation holds the *control token* from before its first lookup to
//! its end. `in-control-unserialized` opens that: with it on, each of the windows that
//! the facts list (W2, W5 to W9) is a switch of its own that lets go of the token across
//! the blocking calls that belong to it, so that each way in has a local repair: to keep
//! the token there. Each call of in_control that may sleep belongs to one of them: with all
//! of them on, nobody ever waits for the token (`tests/unserialized.rs`).

use crate::stack::{Defect, DefectSet, Kind, Reach};

/// in_control's set commands run in the thread of whoever calls.
pub const IN_CONTROL_UNSERIALIZED: u8 = 0;
/// W2, C1: in_ifinit waits for the serializer with a bare ia.
pub const C1_IFINIT_SERIALIZER_WAIT: u8 = 1;
/// W5: between the scrub and the ADD.
pub const W5_SCRUB_ADD_WINDOW: u8 = 2;
/// W6: during the ADD's way over the CPUs.
pub const W6_ADD_CHAIN: u8 = 3;
/// W7: in_ifadown leaves the tables inconsistent between CPUs.
pub const W7_IFADOWN_MIGRATION: u8 = 4;
/// W8: two SIOCDIFADDR on one ia.
pub const W8_DOUBLE_DIFADDR: u8 = 5;
/// W9: two creators.
pub const W9_TWO_CREATORS: u8 = 6;
/// W11, C1: sppp_set_ip_addr holds the ia bare over both rtinit calls.
pub const C1_SPPP_UNSERIALIZED: u8 = 7;
/// W12: if_unroute and if_route walk over blocking calls.
pub const W12_IFUNROUTE_WALK: u8 = 8;
/// W13: tcp_connect sends a pointer into ia_addr to another CPU.
pub const W13_CONNECT_BARE_IA: u8 = 9;
/// W14: RTM_ADD carries an unreferenced ifa from CPU to CPU.
pub const W14_RTADD_BARE_IFA: u8 = 10;
/// W4: ifa_addr aims at a stack during the scrub.
pub const W4_SCRUB_STACK_POINTER: u8 = 11;
/// 2.9: ifa_dstaddr aims at a stack during the DELETE.
pub const SIFDSTADDR_STACK_POINTER: u8 = 12;
/// W10: SIOCSIFDSTADDR sends messages while it holds the serializer.
pub const W10_SIFDSTADDR: u8 = 13;
/// W10: tunclose does.
pub const W10_TUNCLOSE: u8 = 14;
/// W15: if_detach's loop over the CPUs ends at ncpus2.
pub const W15_IFDETACH_NCPUS2: u8 = 15;
/// 2.8: in_ifadown's loop does.
pub const IFADOWN_NCPUS2: u8 = 16;
/// W16: a failed DELETE clears IFA_ROUTE.
pub const W16_SCRUB_CLEARS_FLAG: u8 = 17;
/// W16: an ADD that fails on a later CPU panics.
pub const ADD_LATER_CPU_PANIC: u8 = 18;
/// C3, W3: the rollback of in_ifinit inserts without removing.
pub const C3_IFIOCTL_ROLLBACK: u8 = 19;
/// C3: a failed ADD leaves the ia in the new bucket.
pub const C3_RTINIT_ROLLBACK: u8 = 20;
/// C3: set commands leave an unhashed ia of family 0.
pub const C3_NEVER_HASHED: u8 = 21;
/// 2.4.7: a failed ADD leaves the new masks and no old route.
pub const ADD_FAILURE_OLD_ROUTE_LOST: u8 = 22;
/// 2.7: a failed SIOCAIFADDR leaves the scrub and the new mask.
pub const AIFADDR_NO_UNDO: u8 = 23;
/// 2.6: an error on an existing ia is reported as success.
pub const SIFADDR_ERROR_SWALLOWED: u8 = 24;
/// C4: tapclose zeroes the addresses in place.
pub const C4_TAPCLOSE_ZEROES: u8 = 25;
/// 2.12: if_detach's generic branch unlinks from one list of three.
pub const IFDETACH_GENERIC_UNLINK: u8 = 26;
/// 1: route delete leaks the rtentry.
pub const RTSOCK_DELETE_LEAK: u8 = 27;
/// 1: in_losing's DELETE leaks the rtentry on the other CPUs.
pub const IN_LOSING_DELETE_LEAK: u8 = 28;
/// 2.2: RTM_LOCK's callback ignores the error.
pub const RTM_LOCK_NULL: u8 = 29;
/// 2.3: re-addressing a loopback leaves the old route.
pub const LO_READDRESS_STALE_ROUTE: u8 = 30;
/// 2.9: the results of both rtinit calls are ignored.
pub const SIFDSTADDR_RTINIT_IGNORED: u8 = 31;
/// 2.10: IFA_ROUTE is neither tested nor updated.
pub const SPPP_IFA_ROUTE: u8 = 32;
/// 2.10: the new address may be another alias's.
pub const SPPP_DUPLICATE_ADDR: u8 = 33;
/// rtredirect_oncpu loses the reference on a network route.
pub const REDIRECT_NET_ROUTE_LEAK: u8 = 34;
/// if_rtdel deletes clones that its walk stands on.
pub const IFRTDEL_WALK: u8 = 35;
/// Interfaces are destroyed under ioctls that hold a bare ifp.
pub const DETACH_UNSERIALIZED: u8 = 36;
/// A device is closed while an ioctl sleeps in its interface.
pub const CLOSE_UNSERIALIZED: u8 = 37;
/// A redirect lands between the CPUs of an in_ifadown.
pub const REDIRECT_UNSERIALIZED: u8 = 38;
/// tcp_timer_rexmt blocks in in_losing outside the tcp thread.
pub const REXMT_OUTSIDE_TCP_THREAD: u8 = 39;
/// SIOCSIFNETMASK changes the mask under the interface route.
pub const SIFNETMASK_STALE_ROUTE: u8 = 40;
/// ifa_ifwithnet follows the empty slot of a detached interface.
pub const IFINDEX_HOLE: u8 = 41;
/// tcp_usr_connect sends for a connection that another tcp thread owns.
pub const CONNECT_AFTER_HANDOVER: u8 = 42;
/// in_losing deletes what has taken its route's place.
pub const IN_LOSING_DELETES_SUCCESSOR: u8 = 43;
/// A routing socket's request passes the CPUs while an address changes.
pub const RTSOCK_UNSERIALIZED: u8 = 44;
/// arp_rtrequest ignores that rt_setgate found no memory.
pub const ARP_SETGATE_IGNORED: u8 = 45;
/// ipflow_create follows the forward's route cache, which output has emptied.
pub const IPFLOW_CREATE_NULL: u8 = 46;
/// rn_delete without a mask takes the first leaf of a key.
pub const HOST_DELETE_TAKES_NET: u8 = 47;
/// rn_addmask needs memory to look for a mask.
pub const MASK_SEARCH_NOMEM: u8 = 48;
/// Two creators of one interface.
pub const CREATE_UNSERIALIZED: u8 = 49;
/// C2 hypothesis: rtrequest1 ADD takes no reference.
pub const C2_NO_IFAREF_ADD: u8 = 50;
/// C2 hypothesis: rtrequest1 RESOLVE takes no reference.
pub const C2_NO_IFAREF_RESOLVE: u8 = 51;
/// C2 hypothesis: rtfree drops twice.
pub const C2_EXTRA_IFAFREE_RTFREE: u8 = 52;
/// C2 hypothesis: the failed insert drops twice.
pub const C2_EXTRA_IFAFREE_EEXIST: u8 = 53;
/// C5 hypothesis: freed on a CPU that does not own it.
pub const C5_WRONG_CPU: u8 = 54;

const UNSERIALIZED: DefectSet = 1 << IN_CONTROL_UNSERIALIZED;

const fn d(
    id: &'static str,
    class: &'static str,
    reach: Reach,
    source: &'static str,
    what: &'static str,
    repair: &'static str,
) -> Defect {
    Defect { id, class, kind: Kind::WayIn, reach, needs: 0, source, what, repair }
}

const fn window(
    id: &'static str,
    class: &'static str,
    source: &'static str,
    what: &'static str,
) -> Defect {
    Defect {
        id,
        class,
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: UNSERIALIZED,
        source,
        what,
        repair: "ours: the control token is kept across this call",
    }
}

const fn hypothesis(
    id: &'static str,
    class: &'static str,
    source: &'static str,
    what: &'static str,
) -> Defect {
    Defect {
        id,
        class,
        kind: Kind::Hypothesis,
        reach: Reach::Sequence,
        needs: 0,
        source,
        what,
        repair: "none: no source shows that it existed",
    }
}

use Reach::{Fault, Preemption, Sequence, Steps};

/// The catalogue; the index is the bit.
pub static DEFECTS: &[Defect] = &[
    Defect {
        id: "in-control-unserialized",
        class: "race",
        kind: Kind::Enabling,
        reach: Preemption,
        needs: 0,
        source: "sys/net/if.c:ifioctl, sys/netinet/in.c:in_control",
        what: "so_pru_control calls in_control in the caller's thread; two ioctls interleave wherever one blocks",
        repair: "upstream (b26321761f): set commands run in one thread; modelled as the control token",
    },
    window(
        "c1-ifinit-serializer-wait",
        "list membership",
        "sys/netinet/in.c:in_ifinit; in_control (SIOCSIFDSTADDR)",
        "W2, C1: the ia is held bare while in_ifinit waits for the serializer, or for the driver under it; a SIOCDIFADDR may finish, and the corpse is hashed again",
    ),
    window(
        "w5-scrub-add-window",
        "missing hold",
        "sys/netinet/in.c:in_ifinit; in_control (SIOCAIFADDR)",
        "W5: between the scrub and the ADD the ia has no route and no IFA_ROUTE; a SIOCDIFADDR frees it and the ADD takes a reference on a corpse",
    ),
    window(
        "w6-add-chain",
        "race",
        "sys/netinet/in.c:in_ifinit",
        "W6: IFA_ROUTE is still clear while the ADD visits the CPUs; a SIOCDIFADDR's scrub does nothing and later CPUs add routes to an unlisted ia; what sleeps after the ADD is open, too",
    ),
    window(
        "w7-ifadown-migration",
        "race",
        "sys/netinet/in_rmx.c:in_ifadown",
        "W7: the tables differ between CPUs while in_ifadown migrates; a route added behind it survives",
    ),
    window(
        "w8-double-difaddr",
        "double free",
        "sys/netinet/in.c:in_control",
        "W8: two SIOCDIFADDR find the same ia, and sleep in the scrub, the event and the tail (which a failed first SIOCSIFADDR shares); the second unlinks and frees it again",
    ),
    window(
        "w9-two-creators",
        "race",
        "sys/netinet/in.c:in_control",
        "W9: two set commands find no ia, both allocate (and sleep), both append",
    ),
    d(
        "c1-sppp-unserialized",
        "list membership",
        Preemption,
        "sys/net/sppp/if_spppsubr.c:sppp_set_ip_addr",
        "W11, C1: the ia is held bare over both rtinit calls; a SIOCDIFADDR frees it and the corpse is hashed again",
        "ours: the control token is taken",
    ),
    d(
        "w12-ifunroute-walk",
        "stale pointer",
        Preemption,
        "sys/net/if.c:if_unroute, if_route; sys/netinet/raw_ip.c:rip_ctlinput",
        "W12: interface up and down walk if_addrhead over blocking calls without protection",
        "ours: the control token is taken",
    ),
    d(
        "w13-connect-bare-ia",
        "missing hold",
        Preemption,
        "sys/netinet/tcp_usrreq.c:tcp_connect",
        "W13: a pointer into ia_addr goes to another CPU in a message, with no reference",
        "ours: the address is copied before the message is sent",
    ),
    Defect {
        id: "w14-rtadd-bare-ifa",
        class: "missing hold",
        kind: Kind::WayIn,
        reach: Preemption,
        needs: 1 << RTSOCK_UNSERIALIZED,
        source: "sys/net/route.c:rtrequest1, rtrequest1_msghandler",
        what: "W14: the ifa that RTM_ADD finds on CPU 0 goes to the next CPUs in the request with no reference",
        repair: "ours: the request holds the ifa, and ends where it has been deleted meanwhile",
    },
    d(
        "w4-scrub-stack-pointer",
        "stale pointer",
        Preemption,
        "sys/netinet/in.c:in_ifinit",
        "W4: ifa_addr aims at the stack of a sleeping thread during the scrub; others read it",
        "ours: the scrub is given the old address, ifa_addr stays",
    ),
    d(
        "sifdstaddr-stack-pointer",
        "stale pointer",
        Preemption,
        "sys/netinet/in.c:in_control",
        "2.9: ifa_dstaddr aims at the stack of a sleeping thread during SIOCSIFDSTADDR's DELETE",
        "ours: the DELETE is given the old address, ifa_dstaddr stays",
    ),
    d(
        "w10-sifdstaddr",
        "race",
        Sequence,
        "sys/netinet/in.c:in_control",
        "W10: SIOCSIFDSTADDR waits for the route threads while it holds the serializer",
        "upstream (bdf8b13d4d): the serializer is held around if_ioctl alone",
    ),
    d(
        "w10-tunclose",
        "race",
        Sequence,
        "sys/net/tun/if_tun.c:tunclose",
        "W10: tunclose calls if_down and rtinit while it holds the serializer",
        "ours: the serializer is not held there",
    ),
    d(
        "w15-ifdetach-ncpus2",
        "stale pointer",
        Sequence,
        "sys/net/if.c:if_detach",
        "W15: with three CPUs the last one's routes to the detached interface stay",
        "ours: the loop visits every CPU",
    ),
    d(
        "ifadown-ncpus2",
        "missing release",
        Sequence,
        "sys/netinet/in_rmx.c:in_ifadown",
        "2.8: with three CPUs the last one's routes of a deleted address stay",
        "ours: the loop visits every CPU",
    ),
    d(
        "w16-scrub-clears-flag",
        "error path",
        Fault,
        "sys/netinet/in.c:in_ifscrub",
        "W16: IFA_ROUTE is cleared although rtinit found no mbuf and the route stays",
        "ours: without an mbuf the flag stays and the caller gives up",
    ),
    d(
        "add-later-cpu-panic",
        "error path",
        Fault,
        "sys/net/route.c:rtrequest1_msghandler",
        "W16: an ADD that fails on a later CPU than the first panics, by design",
        "ours: the CPUs before it are undone and the error is returned",
    ),
    d(
        "c3-ifioctl-rollback",
        "list membership",
        Fault,
        "sys/netinet/in.c:in_ifinit",
        "C3, W3: after a failed if_ioctl the ia is inserted into its old bucket without being removed from the new one",
        "upstream (44a87e427e)",
    ),
    d(
        "c3-rtinit-rollback",
        "list membership",
        Sequence,
        "sys/netinet/in.c:in_ifinit",
        "C3: after a failed ADD the old address is restored but the ia stays in the new address's bucket",
        "upstream (44a87e427e)",
    ),
    d(
        "c3-never-hashed",
        "list membership",
        Sequence,
        "sys/netinet/in.c:in_control",
        "C3: SIOCSIFNETMASK and SIOCSIFDSTADDR make an ia of family 0 that no lookup finds again",
        "ours: without an address they return EADDRNOTAVAIL",
    ),
    d(
        "add-failure-old-route-lost",
        "error path",
        Sequence,
        "sys/netinet/in.c:in_ifinit",
        "2.4.7: after a failed ADD the masks are the new ones and the old route is gone",
        "ours: masks, route and flag are put back",
    ),
    d(
        "aifaddr-no-undo",
        "error path",
        Sequence,
        "sys/netinet/in.c:in_control",
        "2.7: a failed SIOCAIFADDR leaves the old route scrubbed and the new mask or destination in place",
        "ours: mask, destination, route and flag are put back",
    ),
    d(
        "sifaddr-error-swallowed",
        "error path",
        Sequence,
        "sys/netinet/in.c:in_control",
        "2.6: SIOCSIFADDR reports success when in_ifinit failed on an existing ia",
        "ours: the error is returned",
    ),
    d(
        "c4-tapclose-zeroes",
        "list membership",
        Sequence,
        "sys/net/tap/if_tap.c:tapclose",
        "C4: closing the device zeroes its addresses in place; the ia stays on every list with family 0",
        "ours, after c727e14292, which does so in any case: the addresses are deleted",
    ),
    Defect {
        id: "ifdetach-generic-unlink",
        class: "list membership",
        kind: Kind::WayIn,
        reach: Sequence,
        needs: 1 << C3_NEVER_HASHED,
        source: "sys/net/if.c:if_detach",
        what: "2.12: an address that in_control does not delete, because its family is 0, is taken off if_addrhead only, and freed",
        repair: "ours: off all three lists (upstream c727e14292 asserts that there is none)",
    },
    d(
        "rtsock-delete-leak",
        "missing release",
        Sequence,
        "sys/net/rtsock.c:route_output_delete_callback",
        "1: nobody frees the rtentry that a RTM_DELETE took out of the tree, nor its ifa reference",
        "upstream (6e6b3e5072)",
    ),
    d(
        "in-losing-delete-leak",
        "missing release",
        Steps,
        "sys/netinet/in_pcb.c:in_losing",
        "1: the DELETE of a route that loses packets leaks it on every CPU but the pcb's",
        "ours: a callback frees it",
    ),
    d(
        "rtm-lock-null",
        "error path",
        Sequence,
        "sys/net/rtsock.c:route_output_lock_callback",
        "2.2: rtrequest1 has no RTM_GET, and the callback of RTM_LOCK follows the NULL it gets",
        "upstream (2c62ae3ba8, ae2a5ccd0a)",
    ),
    d(
        "lo-readdress-stale-route",
        "stale pointer",
        Sequence,
        "sys/netinet/in.c:in_ifinit",
        "2.3: a loopback's ifa_dstaddr already is the new address when the old route is to be deleted",
        "ours: the scrub is given the old address as destination",
    ),
    d(
        "sifdstaddr-rtinit-ignored",
        "error path",
        Sequence,
        "sys/netinet/in.c:in_control",
        "2.9: SIOCSIFDSTADDR ignores that its route could not be added; IFA_ROUTE stays set",
        "ours: the old destination and route are put back and the error is returned",
    ),
    d(
        "sppp-ifa-route",
        "error path",
        Sequence,
        "sys/net/sppp/if_spppsubr.c:sppp_set_ip_addr",
        "2.10: IFA_ROUTE is neither tested nor updated when the route is moved",
        "ours: tested before the DELETE, set by the result of the ADD",
    ),
    d(
        "sppp-duplicate-addr",
        "list membership",
        Sequence,
        "sys/net/sppp/if_spppsubr.c:sppp_set_ip_addr",
        "2.10: the peer's address may be one that another alias of the interface has",
        "ours: such an offer is ignored",
    ),
    d(
        "redirect-net-route-leak",
        "missing release",
        Sequence,
        "sys/net/route.c:rtredirect_oncpu",
        "a host redirect under a network route overwrites the pointer to that route with its reference",
        "ours: the reference is dropped first",
    ),
    d(
        "ifrtdel-walk",
        "stale pointer",
        Sequence,
        "sys/net/if.c:if_rtdel",
        "deleting a cloning route frees the clones that the walk of if_detach stands on next",
        "ours: the cloning flags are cleared first, as in_ifadownkill does",
    ),
    d(
        "detach-unserialized",
        "stale pointer",
        Preemption,
        "sys/net/if.c:if_clone_destroy; sys/dev/netif/em/if_em.c:em_detach; sys/net/tap/if_tap.c:tapmodevent",
        "an interface is detached and its softc freed under an ioctl that sleeps with a bare ifp",
        "ours: the control token is taken",
    ),
    d(
        "close-unserialized",
        "stale pointer",
        Preemption,
        "sys/net/tap/if_tap.c:tapclose; sys/net/tun/if_tun.c:tunclose",
        "closing a device walks and changes the addresses of its interface under a sleeping ioctl",
        "ours: the control token is taken",
    ),
    d(
        "redirect-unserialized",
        "race",
        Preemption,
        "sys/net/route.c:rtredirect",
        "a redirect that arrives while an address is being deleted adds a route of that address behind in_ifadown",
        "ours: the control token is taken",
    ),
    d(
        "rexmt-outside-tcp-thread",
        "timer",
        Preemption,
        "sys/netinet/tcp_timer.c:tcp_timer_rexmt",
        "the retransmit timer blocks in softclock, here in in_losing alone; a close in the tcp thread frees the pcb meanwhile",
        "ours: the handler runs in the tcp thread of the connection",
    ),
    d(
        "sifnetmask-stale-route",
        "stale pointer",
        Sequence,
        "sys/netinet/in.c:in_control",
        "SIOCSIFNETMASK changes the mask of an address whose interface route keeps the old one; no later DELETE finds that route",
        "ours: the route is moved to the new mask",
    ),
    d(
        "ifindex-hole",
        "stale pointer",
        Preemption,
        "sys/net/if.c:ifa_ifwithnet",
        "the index of an interface that was detached while the request was on its way to netisr_cpu 0 names an empty slot of ifindex2ifnet, which is followed",
        "ours: an empty slot has no address",
    ),
    d(
        "connect-after-handover",
        "timer",
        Preemption,
        "sys/netinet/tcp_usrreq.c:tcp_usr_connect",
        "after the pcb was handed to another CPU's tcp thread, tcp_thread 0 still sends for it; a retransmit timer there may have dropped it meanwhile",
        "ours: the owner sends (upstream a46456f322 gives the owner its own route)",
    ),
    d(
        "in-losing-deletes-successor",
        "stale pointer",
        Steps,
        "sys/netinet/in_pcb.c:in_losing",
        "a cached redirect that is long out of the tree, or goes while its DELETE is under way, is deleted by its key, which may be an interface route's by now",
        "ours: only a route that is in the tree is deleted, and on each CPU only a redirect's",
    ),
    d(
        "rtsock-unserialized",
        "race",
        Preemption,
        "sys/net/rtsock.c:route_output",
        "the routing socket's request goes from CPU to CPU beside set commands: what they add or delete meanwhile is there on one CPU and not on another, and a route of a deleted address stays",
        "ours: the control token is taken",
    ),
    d(
        "arp-setgate-ignored",
        "error path",
        Fault,
        "sys/netinet/if_ether.c:arp_rtrequest",
        "without memory for a link-level gateway an interface route keeps its IPv4 one, into which sdl_type and sdl_index are written: that CPU's route differs from the others'",
        "ours: rtrequest1 makes a route with room for either, so that this call needs no memory",
    ),
    d(
        "ipflow-create-null",
        "stale pointer",
        Steps,
        "sys/netinet/ip_input.c:ip_forward",
        "with forwarding and fastforwarding on: output that clones an entry empties the forward's route cache in in_addroute; ipflow_create takes the flow's route from there and follows NULL",
        "ours: no flow is made of a cache that output has emptied",
    ),
    d(
        "host-delete-takes-net",
        "stale pointer",
        Sequence,
        "sys/net/radix.c:rn_delete; sys/net/route.c:rtrequest1",
        "a DELETE for a host has no mask, and rn_delete takes the first leaf of the key then: where a CPU has no host route, a /32 network route, an interface's",
        "ours: such a request takes a host route alone",
    ),
    d(
        "mask-search-nomem",
        "error path",
        Fault,
        "sys/net/radix.c:rn_addmask (from rn_delete, rn_lookup)",
        "even to look for a mask memory for a copy of it is needed: without it a DELETE does not find its network route, which stays while IFA_ROUTE goes, and the address too when the shortage lasts",
        "ours: the search needs no copy",
    ),
    d(
        "create-unserialized",
        "race",
        Preemption,
        "sys/net/if.c:if_clone_create; sys/net/tap/if_tap.c:tapopen; sys/net/tun/if_tun.c:tunopen",
        "two creators of one interface find none, sleep for memory, and each attaches one; gif's cloner asserts that its bit was clear. A tap that is opened again sleeps in event handlers before it counts, and its module is unloaded meanwhile",
        "ours: the control token is taken",
    ),
    hypothesis(
        "c2-no-ifaref-add",
        "missing hold",
        "sys/net/route.c:rtrequest1",
        "C2: RTM_ADD takes no reference on the ifa",
    ),
    hypothesis(
        "c2-no-ifaref-resolve",
        "missing hold",
        "sys/net/route.c:rtrequest1",
        "C2: RTM_RESOLVE takes no reference on the ifa",
    ),
    hypothesis(
        "c2-extra-ifafree-rtfree",
        "extra release",
        "sys/net/route.c:rtfree",
        "C2: the last drop of a route releases its ifa twice",
    ),
    hypothesis(
        "c2-extra-ifafree-eexist",
        "extra release",
        "sys/net/route.c:rtrequest1",
        "C2: a failed insert releases the ifa twice",
    ),
    hypothesis(
        "c5-wrong-cpu",
        "extra release",
        "sys/net/route.c:rtfree",
        "C5: a route freed on a CPU that does not own it releases that CPU's share of the ifa too (a bug of the 2008 design)",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_in_the_order_of_the_bits() {
        for (bit, id) in [
            (IN_CONTROL_UNSERIALIZED, "in-control-unserialized"),
            (W14_RTADD_BARE_IFA, "w14-rtadd-bare-ifa"),
            (IFADOWN_NCPUS2, "ifadown-ncpus2"),
            (C4_TAPCLOSE_ZEROES, "c4-tapclose-zeroes"),
            (REXMT_OUTSIDE_TCP_THREAD, "rexmt-outside-tcp-thread"),
            (RTSOCK_UNSERIALIZED, "rtsock-unserialized"),
            (CREATE_UNSERIALIZED, "create-unserialized"),
            (C5_WRONG_CPU, "c5-wrong-cpu"),
        ] {
            assert_eq!(DEFECTS[bit as usize].id, id);
        }
        assert_eq!(DEFECTS.len(), C5_WRONG_CPU as usize + 1);
    }

    #[test]
    fn ids_are_unique_and_kebab_case() {
        for (i, d) in DEFECTS.iter().enumerate() {
            assert!(
                d.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            );
            assert!(DEFECTS[i + 1..].iter().all(|e| e.id != d.id), "{}", d.id);
        }
    }
}
