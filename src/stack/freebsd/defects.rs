//! What FreeBSD 14 got wrong, one switch per mistake.
//!
//! The constants are bits; [`DEFECTS`] is the catalogue in the same order. A switch
//! stands at the line where history differs; with it off the line is repaired, in the
//! smallest way that keeps the invariants under preemption and injected faults.
//!
//! The proposed repairs of the report are switches, too. F2, F3, F4 and F5 are what the
//! line looks like with the defect off; F1 and F6, which would replace one of them, are
//! switches of their own at the end, for the matrix of repairs.

use crate::stack::{Defect, Kind, Proposal, Reach};

/// D.
pub const IN6_IFEXTRA_NOT_DEFERRED: u8 = 0;
/// R2.
pub const FIB_GATEWAY_DELETE_DELAYED: u8 = 1;
/// R3: the flush of a detached interface skips pinned routes and does not look at nh_aifp.
pub const RT_FLUSHIFROUTES_NORMAL_PRIORITY: u8 = 2;
/// R3.
pub const IN6_AIFADDR_WHILE_DYING: u8 = 3;
/// W3: SIOCAIFADDR of a caller that had the interface before it was unlinked adds an address after the purge.
pub const IN_AIFADDR_WHILE_DYING: u8 = 4;
/// W4: a route by interface index is added through a dying interface until its index is freed.
pub const ROUTE_ADD_DYING_IFP: u8 = 5;
/// R3.
pub const RA_INPUT_WHILE_DYING: u8 = 6;
/// W6: the purge leaves its epoch section with a bare ifa.
pub const PURGEADDRS_RAW_IFA: u8 = 7;
/// R3.
pub const AIFADDR_NDPR_WINDOW: u8 = 8;
/// R3.
pub const PREFIX_OFFLINK_ONLINKS_DYING: u8 = 9;
/// W9: ia6_ndpr is used after the address is gone and ndpr_addrcnt is tested without the lock.
pub const PURGEIFADDR_RAW_NDPR: u8 = 10;
/// W11: if_linktask is enqueued again after the detach has drained it.
pub const LINKTASK_AFTER_DRAIN: u8 = 11;
/// W12: tx_task is not drained before the softc is freed.
pub const EPAIR_TXTASK_NOT_DRAINED: u8 = 12;
/// W13: the interface can be looked up before if_attachdomain1 has filled if_afdata.
pub const IFNET_LINKED_BEFORE_AFDATA: u8 = 13;
/// W14: the prefix route is moved to an address of an interface that is up and about to die.
pub const SCRUBPREFIX_MOVES_TO_DYING: u8 = 14;
/// W15: the default route is installed through a router of a dying interface.
pub const DEFROUTER_SELECT_DYING: u8 = 15;
/// SIOCSIFFLAGS reads and writes if_flags without a lock and loses an IFF_DYING that was set in between.
pub const SIFFLAGS_LOSES_DYING: u8 = 16;
/// lookups take a plain reference inside the epoch on an address whose last one may be gone.
pub const IFA_REF_FROM_ZERO: u8 = 17;
/// the second reference from nd6_prelist_add is never released.
pub const IFATTACH_LINKLOCAL_PREFIX_LEAK: u8 = 18;
/// step 11 removes the first address of if_addrhead only.
pub const DETACH_FIRST_IFA_ONLY: u8 = 19;
/// expired addresses are purged inside the epoch without in6_control_sx.
pub const ND6_TIMER_UNSERIALIZED: u8 = 20;
/// when rt_alloc fails.
pub const RIB_ADD_PX_NHOP_LEAK: u8 = 21;
/// after add_route_flags failed and freed both.
pub const RIB_COPY_ROUTE_DOUBLE_FREE: u8 = 22;
/// when the allocation of the deferred release fails.
pub const FIB_RELEASE_NHOP_LEAK: u8 = 23;
/// when rn_inithead fails.
pub const LRADIX6_INIT_LEAK: u8 = 24;
/// when the dadq allocation fails.
pub const ND6_DAD_START_LOCK_LEAK: u8 = 25;
/// a rebuild that fails in the callout is not tried again before the next route change: the stale instance stays.
pub const FIB_CALLOUT_REBUILD_NO_RETRY: u8 = 26;
/// F1, with D on: in6_ifextra is freed one grace period later, not with the ifnet.
pub const F1_IFEXTRA_EPOCH_CALL: u8 = 27;
/// F6: fib6_lookup returns nothing when the interface is dying.
pub const F6_LOOKUP_CHECKS_DYING: u8 = 28;

/// The catalogue; the index is the bit.
pub static DEFECTS: &[Defect] = &[
    Defect {
        id: "in6-ifextra-not-deferred",
        class: "stale pointer",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/in6.c:in6_domifdetach",
        what: "D, R1: in6_ifextra is freed at once, while readers that found the interface before its routes went still follow if_afdata",
        repair: "upstream (D54728, F2): freed together with the ifnet, in if_free_deferred",
    },
    Defect {
        id: "fib-gateway-delete-delayed",
        class: "stale lookup structure",
        kind: Kind::WayIn,
        reach: Reach::Steps,
        needs: 0,
        source: "sys/net/route/fib_algo.c:need_immediate_sync",
        what: "R2, W2: the deletion of a non-static gateway route, a group's, or a change reaches the FIB only by a callout, also when its interface is being detached",
        repair: "ours (F3): routes through a dying interface are synchronized at once",
    },
    Defect {
        id: "rt-flushifroutes-normal-priority",
        class: "missing removal",
        kind: Kind::Enabling,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/net/route/route_ctl.c:rt_flushifroutes",
        what: "R3: the flush of a detached interface skips pinned routes and does not look at nh_aifp",
        repair: "ours (F5): high priority, and nh_aifp counts",
    },
    Defect {
        id: "in6-aifaddr-while-dying",
        class: "missing check",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/in6.c:in6_control_ioctl",
        what: "R3, W3: SIOCAIFADDR_IN6 of a caller that had the interface before it was unlinked adds an address after the purge",
        repair: "ours (F4): refused under in6_control_sx when IFF_DYING is set; the detach takes the lock once after setting it",
    },
    Defect {
        id: "in-aifaddr-while-dying",
        class: "missing check",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet/in.c:in_aifaddr_ioctl",
        what: "W3: SIOCAIFADDR of a caller that had the interface before it was unlinked adds an address after the purge",
        repair: "ours (F4): refused under in_control_sx when IFF_DYING is set; the detach takes the lock once after setting it",
    },
    Defect {
        id: "route-add-dying-ifp",
        class: "missing check",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/net/route/nhop_ctl.c:set_nhop_gw_from_info",
        what: "W4: a route by interface index is added through a dying interface until its index is freed",
        repair: "ours (F4): refused under the RIB lock when IFF_DYING is set",
    },
    Defect {
        id: "ra-input-while-dying",
        class: "missing check",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/nd6_rtr.c:nd6_ra_input",
        what: "R3, W5: a router advertisement that is served after the last grace period of the detach makes routers, prefixes and addresses anew",
        repair: "ours (F4): refused when IFF_DYING is set",
    },
    Defect {
        id: "purgeaddrs-raw-ifa",
        class: "double removal",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/net/if.c:if_purgeaddrs",
        what: "W6: the purge leaves its epoch section with a bare ifa; SIOCDIFADDR or a timer removes the same address",
        repair: "ours: a reference is kept, and an address that is off its list is passed over",
    },
    Defect {
        id: "aifaddr-ndpr-window",
        class: "race",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/in6.c:in6_addifaddr",
        what: "R3, W7: the address is linked and its prefix's route installed before ia6_ndpr is set; a purge in between misses the prefix",
        repair: "ours: the purge of a dying interface takes in6_control_sx",
    },
    Defect {
        id: "prefix-offlink-onlinks-dying",
        class: "missing check",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/nd6_rtr.c:nd6_prefix_offlink",
        what: "R3, W8: taking one prefix off link puts an equal one of another interface on link, without a reference and whether that interface is dying or not",
        repair: "ours: a reference is held, and prefixes of dying interfaces are passed over",
    },
    Defect {
        id: "purgeifaddr-raw-ndpr",
        class: "double removal",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/in6.c:in6_purgeifaddr",
        what: "W9: ia6_ndpr is used after the address is gone and ndpr_addrcnt is tested without the lock; two purgers unlink one prefix twice",
        repair: "ours: a reference is held, and the count is tested under the lock",
    },
    Defect {
        id: "linktask-after-drain",
        class: "use after free",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/net/if.c:if_link_state_change",
        what: "W11: if_linktask is enqueued again after the detach has drained it",
        repair: "upstream (D39614, proposed): not enqueued for a dying interface",
    },
    Defect {
        id: "epair-txtask-not-drained",
        class: "use after free",
        kind: Kind::WayIn,
        reach: Reach::Steps,
        needs: 0,
        source: "sys/net/if_epair.c:epair_clone_destroy",
        what: "W12: tx_task is not drained before the softc is freed",
        repair: "ours: drained",
    },
    Defect {
        id: "ifnet-linked-before-afdata",
        class: "missing initialization",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/net/if.c:if_attach_internal",
        what: "W13: the interface can be looked up before if_attachdomain1 has filled if_afdata",
        repair: "upstream (098b5d4dc744): afdata is made before linking",
    },
    Defect {
        id: "scrubprefix-moves-to-dying",
        class: "missing check",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet/in.c:in_scrubprefix",
        what: "W14: the prefix route is moved to an address of an interface that is up and about to die",
        repair: "ours (F4): dying interfaces are passed over",
    },
    Defect {
        id: "defrouter-select-dying",
        class: "missing check",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/nd6_rtr.c:defrouter_select_fib",
        what: "W15: the default route is installed through a router of a dying interface",
        repair: "ours (F4): routers of dying interfaces are passed over",
    },
    Defect {
        id: "sifflags-loses-dying",
        class: "lost update",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/net/if.c:ifhwioctl",
        what: "SIOCSIFFLAGS reads and writes if_flags without a lock and loses an IFF_DYING that was set in between",
        repair: "ours: bits are set and cleared atomically",
    },
    Defect {
        id: "ifa-ref-from-zero",
        class: "acquire from zero",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/in6.c:in6ifa_ifpwithaddr, in6ifa_ifpforlinklocal",
        what: "lookups take a plain reference inside the epoch on an address whose last one may be gone",
        repair: "ours: ifa_try_ref",
    },
    Defect {
        id: "ifattach-linklocal-prefix-leak",
        class: "missing release",
        kind: Kind::WayIn,
        reach: Reach::Sequence,
        needs: 0,
        source: "sys/netinet6/in6_ifattach.c:in6_ifattach_linklocal",
        what: "the second reference from nd6_prelist_add is never released, and ia6_ndpr is written after ifa_free",
        repair: "ours: released, and the address is kept until it is written",
    },
    Defect {
        id: "detach-first-ifa-only",
        class: "missing removal",
        kind: Kind::Enabling,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/net/if.c:if_detach_internal",
        what: "step 11 removes the first address of if_addrhead only; those that came late stay on the list of a dead interface",
        repair: "ours: all are removed",
    },
    Defect {
        id: "nd6-timer-unserialized",
        class: "race",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/nd6.c:nd6_timer",
        what: "expired addresses are purged inside the epoch without in6_control_sx, beside ioctls and detaches that purge the same ones",
        repair: "ours: the address is claimed under its list lock before it is purged",
    },
    Defect {
        id: "rib-add-px-nhop-leak",
        class: "missing release",
        kind: Kind::WayIn,
        reach: Reach::Fault,
        needs: 0,
        source: "sys/net/route/route_ctl.c:rib_add_route_px",
        what: "when rt_alloc fails, the caller's nexthop reference is lost",
        repair: "ours: released",
    },
    Defect {
        id: "rib-copy-route-double-free",
        class: "double free",
        kind: Kind::WayIn,
        reach: Reach::Fault,
        needs: 0,
        source: "sys/net/route/route_ctl.c:rib_copy_route",
        what: "after add_route_flags failed and freed both, nexthop and route are freed again",
        repair: "ours: not again",
    },
    Defect {
        id: "fib-release-nhop-leak",
        class: "missing release",
        kind: Kind::WayIn,
        reach: Reach::Fault,
        needs: 0,
        source: "sys/net/route/fib_algo.c:fib_schedule_release_nhop",
        what: "when the allocation of the deferred release fails, the nexthop reference is lost for ever",
        repair: "ours: the instance keeps the reference until it is destroyed",
    },
    Defect {
        id: "lradix6-init-leak",
        class: "missing release",
        kind: Kind::WayIn,
        reach: Reach::Fault,
        needs: 0,
        source: "sys/netinet6/in6_fib_algo.c:lradix6_init",
        what: "when rn_inithead fails, the module's data is lost",
        repair: "ours: freed",
    },
    Defect {
        id: "nd6-dad-start-lock-leak",
        class: "lock leak",
        kind: Kind::WayIn,
        reach: Reach::Fault,
        needs: 0,
        source: "sys/netinet6/nd6_nbr.c:nd6_dad_start",
        what: "when the dadq allocation fails, the function returns with the DAD lock held",
        repair: "ours: released",
    },
    Defect {
        id: "fib-callout-rebuild-no-retry",
        class: "missing retry",
        kind: Kind::WayIn,
        reach: Reach::Fault,
        needs: 0,
        source: "sys/net/route/fib_algo.c:handle_fd_callout",
        what: "a rebuild that fails in the callout is not tried again before the next route change: the stale instance stays",
        repair: "ours: scheduled again",
    },
    Defect {
        id: "f1-ifextra-epoch-call",
        class: "proposed repair",
        kind: Kind::Repair,
        reach: Reach::Sequence,
        needs: 1 << IN6_IFEXTRA_NOT_DEFERRED,
        source: "sys/netinet6/in6.c:in6_domifdetach",
        what: "F1, with D on: in6_ifextra is freed one grace period later, not with the ifnet",
        repair: "none: it is one",
    },
    Defect {
        id: "f6-lookup-checks-dying",
        class: "proposed repair",
        kind: Kind::Repair,
        reach: Reach::Sequence,
        needs: 0,
        source: "sys/netinet6/in6_fib.c:fib6_lookup",
        what: "F6: fib6_lookup returns nothing when the interface is dying",
        repair: "none: it is one",
    },
];

/// The repairs that the report led to. With D repaired (F2) there is nothing that F1 could
/// defer.
pub static PROPOSALS: &[Proposal] = &[
    Proposal {
        name: "F1",
        what: "in6_ifextra is freed one grace period after the detach",
        off: 0,
        on: 1 << F1_IFEXTRA_EPOCH_CALL,
    },
    Proposal {
        name: "F2",
        what: "in6_ifextra is freed together with the ifnet",
        off: 1 << IN6_IFEXTRA_NOT_DEFERRED,
        on: 0,
    },
    Proposal {
        name: "F3",
        what: "routes through a dying interface leave the FIB at once",
        off: 1 << FIB_GATEWAY_DELETE_DELAYED,
        on: 0,
    },
    Proposal {
        name: "F4",
        what: "nothing is added to a dying interface",
        off: 1 << IN6_AIFADDR_WHILE_DYING
            | 1 << IN_AIFADDR_WHILE_DYING
            | 1 << ROUTE_ADD_DYING_IFP
            | 1 << RA_INPUT_WHILE_DYING
            | 1 << SCRUBPREFIX_MOVES_TO_DYING
            | 1 << DEFROUTER_SELECT_DYING,
        on: 0,
    },
    Proposal {
        name: "F5",
        what: "the flush of a detached interface takes pinned routes too, and looks at nh_aifp",
        off: 1 << RT_FLUSHIFROUTES_NORMAL_PRIORITY,
        on: 0,
    },
    Proposal {
        name: "F6",
        what: "fib6_lookup returns nothing that leads through a dying interface",
        off: 0,
        on: 1 << F6_LOOKUP_CHECKS_DYING,
    },
];
