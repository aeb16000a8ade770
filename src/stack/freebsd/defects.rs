//! What FreeBSD 14 got wrong, one switch per mistake.
//!
//! The constants are bits; [`DEFECTS`] is the catalogue in the same order. A switch
//! stands at the line where history differs; with it off the line is repaired, in the
//! smallest way that keeps the invariants under preemption and injected faults.
//!
//! The proposed repairs of the report are switches, too. F2, F3, F4 and F5 are what the
//! line looks like with the defect off; F1, F3w and F6, which would replace one of them, are
//! switches of their own at the end, for the matrix of repairs.

use crate::stack::{Defect, Kind, Proposal, Reach};

/// D: in6_ifextra is freed at once, while readers inside the epoch still follow if_afdata.
pub const IN6_IFEXTRA_NOT_DEFERRED: u8 = 0;
/// R2: the deletion of a gateway route reaches the FIB only by a callout, also when its interface is being detached.
pub const FIB_GATEWAY_DELETE_DELAYED: u8 = 1;
/// R3: the flush of a detached interface skips pinned routes and does not look at nh_aifp.
pub const RT_FLUSHIFROUTES_NORMAL_PRIORITY: u8 = 2;
/// R3: SIOCAIFADDR_IN6 of a caller that had the interface before it was unlinked adds an address after the purge.
pub const IN6_AIFADDR_WHILE_DYING: u8 = 3;
/// W3: SIOCAIFADDR of a caller that had the interface before it was unlinked adds an address after the purge.
pub const IN_AIFADDR_WHILE_DYING: u8 = 4;
/// W4: a route is added through a dying interface, by its index or by an address that was found before the purge.
pub const ROUTE_ADD_DYING_IFP: u8 = 5;
/// R3: an advertisement that is served after the last grace period of the detach makes routers, prefixes and addresses anew.
pub const RA_INPUT_WHILE_DYING: u8 = 6;
/// W6: the purge leaves its epoch section with a bare ifa.
pub const PURGEADDRS_RAW_IFA: u8 = 7;
/// R3: an address is linked before ia6_ndpr is set, and a purge in between misses its prefix.
pub const AIFADDR_NDPR_WINDOW: u8 = 8;
/// R3: taking a prefix off link puts an equal one of a dying interface on link.
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
/// a second path for a route that is gone by now puts the deleted route back into the tree.
pub const RIB_APPEND_DELETED_RTENTRY: u8 = 22;
/// when the allocation of the deferred release fails.
pub const FIB_RELEASE_NHOP_LEAK: u8 = 23;
/// when rn_inithead fails.
pub const LRADIX6_INIT_LEAK: u8 = 24;
/// when the dadq allocation fails.
pub const ND6_DAD_START_LOCK_LEAK: u8 = 25;
/// a rebuild that fails in the callout is not tried again before the next route change: the stale instance stays.
pub const FIB_CALLOUT_REBUILD_NO_RETRY: u8 = 26;
/// IPv4's D: in_ifinfo and its ARP table are freed at once.
pub const IN_IFINFO_NOT_DEFERRED: u8 = 27;
/// a failed SIOCAIFADDR leaves a link-layer entry, its prefix route, or the whole address.
pub const IN_AIFADDR_ROLLBACK: u8 = 28;
/// ifnet events handle prefix routes without in_control_sx.
pub const IN_IFNET_EVENT_UNSERIALIZED: u8 = 29;
/// IFNET_EVENT_UP adds loopback routes that nobody deletes.
pub const IN_IFNET_EVENT_LOOPBACK: u8 = 30;
/// setsockopt joins a group on an interface after in_ifdetach.
pub const JOIN_WHILE_DYING: u8 = 31;
/// a closing socket leaves groups that a detach has purged.
pub const FREEMOPTIONS_AFTER_PURGE: u8 = 32;
/// an lle timer armed again while dispatched leaks a reference.
pub const LLE_TIMER_REARMED_LEAK: u8 = 33;
/// a dispatched lle timer follows a freed table.
pub const LLE_TIMER_AFTER_TABLE: u8 = 34;
/// the second half is on its cloner's list while the first is still being made; destroying it then panics, or frees what the creator goes on to use.
pub const EPAIR_CREATE_VS_DESTROY: u8 = 35;
/// SIOCSIFNAME of a caller that had the interface before it was unlinked writes to its AF_LINK address, which the detach has freed.
pub const RENAME_FREED_LLADDR: u8 = 36;
/// an interface that comes up gets a link-local address without in6_control_sx, dying or not.
pub const IN6_IFATTACH_WHILE_DYING: u8 = 37;
/// a failed addition unlinks the address and leaves its host route to the far end.
pub const IN6_UPDATE_IFA_ROLLBACK: u8 = 38;
/// an addition that cannot make its prefix fails and leaves the address.
pub const IN6_ADDIFADDR_ROLLBACK: u8 = 39;
/// a changed far end whose route cannot be added is not undone.
pub const IN6_DSTADDR_NOT_UNDONE: u8 = 40;
/// advertisements add addresses without in6_control_sx.
pub const RA_UNSERIALIZED: u8 = 41;
/// advertisements sleep for in6_multi_sx in the epoch.
pub const RA_JOIN_SLEEPS: u8 = 42;
/// an address is related to a prefix that was unlinked meanwhile.
pub const NDPR_RELATE_UNLINKED: u8 = 43;
/// a prefix is put on link after it was unlinked.
pub const PREFIX_ONLINK_UNLINKED: u8 = 44;
/// pfxlist_onlink_check drops the nd6 lock with a bare prefix.
pub const ONLINK_CHECK_RAW_PREFIX: u8 = 45;
/// selecting the installed router leaks a reference.
pub const DEFROUTER_SELECT_REF_LEAK: u8 = 46;
/// a router is installed after it was unlinked.
pub const DEFROUTER_SELECT_UNLOCKED: u8 = 47;
/// looking a router up again leaks the first reference.
pub const DEFRTRLIST_RESTART_REF_LEAK: u8 = 48;
/// stopping DAD drains its callout, in a callout and inside the epoch.
pub const DAD_STOP_SLEEPS: u8 = 49;
/// DAD is started again for an address that is being purged.
pub const DAD_START_AFTER_STOP: u8 = 50;
/// when rn_inithead or the allocation of the copy fails, the IPv4 module's data is lost.
pub const LRADIX4_INIT_LEAK: u8 = 51;
/// when the smaller group cannot be allocated, the paths that were to go stay, also those through a router or an interface that is gone.
pub const FILTERED_GROUP_NOMEM: u8 = 52;
/// the old nexthop of a changed route is given up at once; a lookup in the live tree that an instance out of indices does not follow has just returned it and takes a reference.
pub const RIB_CHANGE_FREES_NHOP_AT_ONCE: u8 = 53;
/// RTM_CHANGE asks for no priority: a user turns the route of an interface or an address, which its owner no longer finds then, into one through a gateway.
pub const ROUTE_CHANGE_PINNED: u8 = 54;
/// a router is noted as advertiser of a prefix that was unlinked meanwhile (nd6_prefix_rele frees it with its list, and the router's reference is lost), or a router that was unlinked meanwhile is noted.
pub const PFXRTR_ADD_UNLINKED: u8 = 55;
/// the loopback route of an address that goes is moved to an equal address of an interface that needs none, and nobody deletes it; a move that fails leaves it, too.
pub const IN_LOOPBACK_ROUTE_SWITCH: u8 = 56;
/// while the user changes the lookup module, the old instance hears of route changes until it is destroyed, rebuilds itself and takes the datapath back; the chosen one stays linked beside it.
pub const SET_FIB_ALGO_NOT_ATOMIC: u8 = 57;
/// R3, W8: NDPRF_ONLINK is tested without the onlink mutex: a prefix whose route is being installed just then is freed and its pinned route stays.
pub const PREFIX_DEL_ONLINK_UNLOCKED: u8 = 58;
/// the loopback route of an address that goes, comes up or could not be added is deleted by its key, also when the route of that key is another address's prefix route.
pub const IN_LOOPBACK_DELETE_BY_KEY: u8 = 59;
/// a second path that is tried again does not ask again whether the route that is there by now can be one path of several.
pub const RIB_APPEND_RETRY_UNCHECKED: u8 = 60;
/// a prefix that nd6_timer has unlinked, and deletes when it comes to it, is not found by the detach of its interface.
pub const ND6_TIMER_PREFIXES_UNSERIALIZED: u8 = 61;
/// A change that is tried again keeps the interface that its first try has found.
pub const ROUTE_CHANGE_RETRY_IFP: u8 = 62;
/// SIOCAIFADDR_IN6 says that all is well whatever came of the addition.
pub const IN6_CONTROL_ERROR_LOST: u8 = 63;
/// the timer of a neighbour's entry is armed after the entry was unlinked.
pub const LLE_UPDATE_UNLINKED: u8 = 64;
/// a netgraph interface can be shut down before it is attached.
pub const NG_IFACE_NAMED_UNATTACHED: u8 = 65;
/// F1, with D on: in6_ifextra is freed one grace period later, not with the ifnet.
pub const F1_IFEXTRA_EPOCH_CALL: u8 = 66;
/// F6: fib6_lookup returns nothing when the interface is dying.
pub const F6_LOOKUP_CHECKS_DYING: u8 = 67;
/// F3w, with D on: readers leave between the flush of the routes and the free of in6_ifextra.
pub const F3W_DETACH_WAITS: u8 = 68;

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
        repair: "upstream (D54728, F2): freed together with the ifnet, in if_free_deferred; ours: nothing is linked into its table any more",
    },
    Defect {
        id: "fib-gateway-delete-delayed",
        class: "stale lookup structure",
        kind: Kind::WayIn,
        reach: Reach::Steps,
        needs: 1 << IN6_IFEXTRA_NOT_DEFERRED,
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
        source: "sys/net/route.c:rt_flushifroutes, sys/net/route/route_ctl.c:rib_walk_del",
        what: "R3: the flush of a detached interface skips pinned routes and does not look at nh_aifp",
        repair: "ours (F5): high priority, and nh_aifp counts",
    },
    Defect {
        id: "in6-aifaddr-while-dying",
        class: "missing check",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 1 << ROUTE_ADD_DYING_IFP,
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
        what: "W3: SIOCAIFADDR of a caller that had the interface before it was unlinked adds an address after the purge; its SIOCDIFADDR gives up the same membership as the detach",
        repair: "ours (F4): refused under in_control_sx when IFF_DYING is set; the detach takes the lock once after setting it, and once before it purges memberships",
    },
    Defect {
        id: "route-add-dying-ifp",
        class: "missing check",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/net/route/nhop_ctl.c:set_nhop_gw_from_info",
        what: "W4: a route is added through a dying interface: by an address that was found before the purge, by interface index until that is freed, by its AF_LINK address also when that is freed",
        repair: "ours (F4): refused under the RIB lock when IFF_DYING is set, and no AF_LINK address is found of it",
    },
    Defect {
        id: "ra-input-while-dying",
        class: "missing check",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 1 << RA_UNSERIALIZED | 1 << RA_JOIN_SLEEPS,
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
        what: "R3, W7: the address is linked and its prefix's route installed before ia6_ndpr is set; a purge in between misses the prefix. A detach purges beside an ioctl's deletion, and both take one address off its list",
        repair: "ours: the purge of a dying interface takes in6_control_sx",
    },
    Defect {
        id: "prefix-offlink-onlinks-dying",
        class: "missing check",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 1 << PREFIX_DEL_ONLINK_UNLOCKED,
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
        repair: "ours, after D39614 (proposed): not enqueued for a dying interface, in one step with the look at its flag",
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
        repair: "upstream (098b5d4dc744): afdata is made before linking; ours: nor is it found by its index before",
    },
    Defect {
        id: "scrubprefix-moves-to-dying",
        class: "missing check",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 1 << IN_IFNET_EVENT_UNSERIALIZED | 1 << ROUTE_ADD_DYING_IFP,
        source: "sys/netinet/in.c:in_scrubprefix",
        what: "W14: the prefix route is moved to an address of an interface that is up and about to die",
        repair: "ours (F4): dying interfaces are passed over",
    },
    Defect {
        id: "defrouter-select-dying",
        class: "missing check",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 1 << DEFROUTER_SELECT_UNLOCKED | 1 << ROUTE_ADD_DYING_IFP,
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
        needs: 1 << RA_UNSERIALIZED | 1 << RA_JOIN_SLEEPS,
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
        kind: Kind::Latent,
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
        repair: "ours: outside the epoch, under in6_control_sx and in6_multi_sx (sx_try_xlock; if one is busy, a second later)",
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
        id: "rib-append-deleted-rtentry",
        class: "use after free",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/net/route/route_ctl.c:add_route_flags",
        what: "when the route that gets a second path is deleted meanwhile, the deleted rtentry, which waits for its grace period, is put into the tree in place of the new one",
        repair: "ours: the new one is",
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
        what: "when rn_inithead or the allocation of the copy fails, the IPv6 module's data is lost",
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
        id: "in-ifinfo-not-deferred",
        class: "stale pointer",
        kind: Kind::Latent,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet/in.c:in_domifdetach",
        what: "IPv4's D: in_ifinfo and the ARP table in it are freed at once, while readers that found the interface before its methods died still follow if_afdata",
        repair: "ours (as F2): freed together with the ifnet, in if_free_deferred; nothing is linked into its table any more",
    },
    Defect {
        id: "in-aifaddr-rollback",
        class: "incomplete rollback",
        kind: Kind::WayIn,
        reach: Reach::Fault,
        needs: 0,
        source: "sys/netinet/in.c:in_aifaddr_ioctl",
        what: "a failed addition leaves the interface's own link-layer entry behind, or gives the prefix route that it has installed to another address; one that fails to join the all-hosts group leaves the address",
        repair: "ours: all of it is undone",
    },
    Defect {
        id: "in-ifnet-event-unserialized",
        class: "race",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet/in.c:in_ifnet_event",
        what: "an interface that goes up or down moves prefix routes without in_control_sx, beside ioctls that add and delete the addresses they are moved to",
        repair: "ours: the handler takes in_control_sx before it enters the epoch",
    },
    Defect {
        id: "in-ifnet-event-loopback",
        class: "missing check",
        kind: Kind::WayIn,
        reach: Reach::Fault,
        needs: 0,
        source: "sys/netinet/in.c:in_ifnet_event",
        what: "an interface that comes up gets a loopback route even for an address that needs none; when the prefix route of the same key could not be added, nobody deletes it again",
        repair: "ours: only addresses that need one",
    },
    Defect {
        id: "join-while-dying",
        class: "missing check",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet/in_mcast.c:inp_join_group, sys/netinet6/in6_mcast.c:in6p_join_group",
        what: "a socket that found the interface before it was unlinked joins a group on it after the detach has purged them all",
        repair: "ours: refused under in_multi_sx (in6_multi_sx) when IFF_DYING is set",
    },
    Defect {
        id: "freemoptions-after-purge",
        class: "use after free",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet/in_pcb.c:in_pcbfree",
        what: "a pcb that is being freed leaves its groups after it can no longer be found; a detach in between gives up those references itself",
        repair: "ours: the groups are left under in_multi_sx before the pcb is marked freed",
    },
    Defect {
        id: "lle-timer-rearmed-leak",
        class: "missing release",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet/if_ether.c:arptimer",
        what: "an entry's timer that is armed again after it was dispatched takes a second reference; the handler that finds it pending, or whoever stops it, does not give one up",
        repair: "ours: each does",
    },
    Defect {
        id: "lle-timer-after-table",
        class: "use after free",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet/if_ether.c:arptimer",
        what: "a dispatched handler follows lle_tbl to the interface outside the epoch, after the table and the interface may be gone",
        repair: "ours: it enters the epoch and gives up an entry that is not linked",
    },
    Defect {
        id: "epair-create-vs-destroy",
        class: "race",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/net/if_epair.c:epair_clone_create",
        what: "the second half is on its cloner's list while the first is still being made; destroying it then panics, or frees what the creator goes on to use",
        repair: "ours: creation holds ifnet_detach_sx, as destruction does",
    },
    Defect {
        id: "rename-freed-lladdr",
        class: "use after free",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/net/if.c:if_rename",
        what: "SIOCSIFNAME of a caller that had the interface before it was unlinked writes to its AF_LINK address, which the detach has freed",
        repair: "ours: refused under the address lock when IFF_DYING is set",
    },
    Defect {
        id: "in6-ifattach-while-dying",
        class: "missing check",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/in6_ifattach.c:in6_ifattach",
        what: "an ioctl that had the interface before it was unlinked brings it up and so gives it a link-local address after the purge; nothing serializes this with ioctls on the same address",
        repair: "ours (F4): under in6_control_sx, and refused when IFF_DYING is set",
    },
    Defect {
        id: "in6-update-ifa-rollback",
        class: "incomplete rollback",
        kind: Kind::WayIn,
        reach: Reach::Sequence,
        needs: 0,
        source: "sys/netinet6/in6.c:in6_update_ifa",
        what: "R3 without a race: when the self route cannot be installed (the address is also another interface's), the new address is unlinked but its pinned host route to the far end stays, with the address and for ever; DAD that was started meanwhile goes on",
        repair: "ours: purged as any other address",
    },
    Defect {
        id: "in6-addifaddr-rollback",
        class: "incomplete rollback",
        kind: Kind::WayIn,
        reach: Reach::Fault,
        needs: 0,
        source: "sys/netinet6/in6.c:in6_addifaddr",
        what: "when nd6_prelist_add fails, so does the addition, and leaves the new address on the interface",
        repair: "ours: purged",
    },
    Defect {
        id: "in6-dstaddr-not-undone",
        class: "incomplete rollback",
        kind: Kind::WayIn,
        reach: Reach::Sequence,
        needs: 0,
        source: "sys/netinet6/in6.c:in6_notify_ifa",
        what: "when the route to a new far end cannot be added, the old one is already deleted and the address says the new one",
        repair: "ours: the old far end is given up last",
    },
    Defect {
        id: "ra-unserialized",
        class: "race",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/nd6_rtr.c:nd6_ra_input",
        what: "an advertisement configures an address beside an ioctl that deletes it half-way: its self route and memberships stay for ever",
        repair: "ours: sx_try_xlock of in6_control_sx; an advertisement that does not get it is dropped, as if lost",
    },
    Defect {
        id: "ra-join-sleeps",
        class: "sleep in epoch",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/in6_mcast.c:in6_joingroup",
        what: "the address of an advertisement joins its groups inside the epoch section of the packet and sleeps for in6_multi_sx there, or in the driver when a join fails",
        repair: "ours: sx_try_xlock of in6_multi_sx before anything is done; an advertisement that does not get it is dropped, as if lost; a task tells the driver",
    },
    Defect {
        id: "ndpr-relate-unlinked",
        class: "race",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/in6.c:in6_addifaddr, sys/netinet6/nd6_rtr.c:prelist_update",
        what: "between finding a prefix and raising ndpr_addrcnt the timer unlinks it, because no address uses it: the address then has a prefix that is on no list, and its purge unlinks it again",
        repair: "ours: raised under the nd6 lock, for a listed prefix only",
    },
    Defect {
        id: "prefix-onlink-unlinked",
        class: "missing check",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/nd6_rtr.c:nd6_prefix_onlink",
        what: "R3, W8: who has dropped the nd6 lock puts a prefix on link that nd6_prefix_del has found off link meanwhile: its pinned route stays",
        repair: "ours: refused for a prefix that is off the list",
    },
    Defect {
        id: "onlink-check-raw-prefix",
        class: "use after free",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 1 << PREFIX_DEL_ONLINK_UNLOCKED,
        source: "sys/netinet6/nd6_rtr.c:pfxlist_onlink_check",
        what: "the nd6 lock is dropped to put a prefix on or off link, without a reference; an unlinked one that is off link is freed without the onlink mutex",
        repair: "ours: a reference is held",
    },
    Defect {
        id: "defrouter-select-ref-leak",
        class: "missing release",
        kind: Kind::WayIn,
        reach: Reach::Sequence,
        needs: 0,
        source: "sys/netinet6/nd6_rtr.c:defrouter_select_fib",
        what: "when the router that is selected is the installed one and not known to be reachable, two references are taken and one is released",
        repair: "ours: both are released",
    },
    Defect {
        id: "defrouter-select-unlocked",
        class: "race",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/nd6_rtr.c:defrouter_select_fib",
        what: "the nd6 lock is dropped between selecting a router and installing it; a router that is deleted in between leaves its default route behind, or takes the route of its own new entry along when the user had deleted the old one",
        repair: "ours: the onlink mutex is held from selecting to installing, and by defrouter_del, which leaves a new entry to be installed again",
    },
    Defect {
        id: "defrtrlist-restart-ref-leak",
        class: "missing release",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/nd6_rtr.c:defrtrlist_update",
        what: "when the nd6 lock cannot be upgraded and the list has changed, the lookup is repeated and the reference of the first one is lost",
        repair: "ours: released",
    },
    Defect {
        id: "dad-stop-sleeps",
        class: "sleep where prohibited",
        kind: Kind::WayIn,
        reach: Reach::Steps,
        needs: 0,
        source: "sys/netinet6/nd6_nbr.c:nd6_dad_stop",
        what: "nd6_timer, a callout, and nd6_ifdetach, inside an epoch section, stop DAD, and callout_drain may sleep",
        repair: "ours: the callout is stopped under its lock, and the handler keeps its own reference",
    },
    Defect {
        id: "dad-start-after-stop",
        class: "race",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/nd6_nbr.c:nd6_dad_start",
        what: "an address stays on its lists after in6_purgeaddr has stopped DAD; nd6_timer, in6_if_up or pfxlist_onlink_check start it again, and its timer follows an interface that is gone",
        repair: "ours: the address is marked under the DAD lock",
    },
    Defect {
        id: "lradix4-init-leak",
        class: "missing release",
        kind: Kind::WayIn,
        reach: Reach::Fault,
        needs: 0,
        source: "sys/netinet/in_fib_algo.c:lradix4_init",
        what: "when rn_inithead or the allocation of the copy fails, the IPv4 module's data is lost",
        repair: "ours: freed",
    },
    Defect {
        id: "filtered-group-nomem",
        class: "missing removal",
        kind: Kind::WayIn,
        reach: Reach::Fault,
        needs: 0,
        source: "sys/net/route/nhgrp_ctl.c:nhgrp_get_filtered_group",
        what: "when the smaller group cannot be allocated, the paths that were to go stay, also those through a router or an interface that is gone",
        repair: "ours: one of the remaining paths serves alone",
    },
    Defect {
        id: "rib-change-frees-nhop-at-once",
        class: "acquire from zero",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/net/route/route_ctl.c:change_route_conditional",
        what: "the old nexthop of a changed route is given up at once; a lookup in the live tree that an instance out of indices does not follow has just returned it and takes a reference",
        repair: "ours: after a grace period",
    },
    Defect {
        id: "route-change-pinned",
        class: "missing check",
        kind: Kind::WayIn,
        reach: Reach::Sequence,
        needs: 0,
        source: "sys/net/route/route_ctl.c:rib_change_route",
        what: "RTM_CHANGE asks for no priority: a user turns the route of an interface or an address, which its owner no longer finds then, into one through a gateway",
        repair: "ours: refused, as RTM_DELETE refuses it",
    },
    Defect {
        id: "pfxrtr-add-unlinked",
        class: "race",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/nd6_rtr.c:pfxrtr_add",
        what: "a router is noted as advertiser of a prefix that was unlinked meanwhile (nd6_prefix_rele frees it with its list, and the router's reference is lost), or a router that was unlinked meanwhile is noted",
        repair: "ours: noted under the nd6 lock, when both are listed",
    },
    Defect {
        id: "in-loopback-route-switch",
        class: "missing check",
        kind: Kind::WayIn,
        reach: Reach::Sequence,
        needs: 0,
        source: "sys/netinet/in.c:in_scrubprefix",
        what: "the loopback route of an address that goes is moved to an equal address of an interface that needs none, and nobody deletes it; a move that fails leaves it, too; and what is moved may be the user's route, which without a gateway keeps the address of its interface",
        repair: "ours: moved only to an address that needs one, deleted otherwise; only a pinned route is moved",
    },
    Defect {
        id: "set-fib-algo-not-atomic",
        class: "race",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/net/route/fib_algo.c:set_fib_algo, fib_cleanup_algo",
        what: "while the user changes the lookup module, the old instance hears of route changes until it is destroyed, rebuilds itself and takes the datapath back; the chosen one stays linked beside it",
        repair: "ours: the choice and the end of the old instance are one step under the RIB's lock",
    },
    Defect {
        id: "prefix-del-onlink-unlocked",
        class: "race",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/nd6_rtr.c:nd6_prefix_del",
        what: "R3, W8: NDPRF_ONLINK is tested without the onlink mutex: a prefix whose route is being installed just then is freed and its pinned route stays",
        repair: "ours: tested under the mutex",
    },
    Defect {
        id: "in-loopback-delete-by-key",
        class: "wrong removal",
        kind: Kind::WayIn,
        reach: Reach::Sequence,
        needs: 0,
        source: "sys/netinet/in.c:in_scrubprefix, in_ifnet_event",
        what: "the loopback route of an address that goes, comes up or could not be added is deleted by its key, also when the route of that key is another address's prefix route",
        repair: "ours: not then",
    },
    Defect {
        id: "rib-append-retry-unchecked",
        class: "missing check",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/net/route/route_ctl.c:add_route_flags",
        what: "a second path that is tried again does not ask again whether what is there by now can be one path of several: the pinned route of an address or a prefix becomes a member of a group, which no priority protects",
        repair: "ours: asked before each try",
    },
    Defect {
        id: "nd6-timer-prefixes-unserialized",
        class: "race",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/nd6.c:nd6_timer",
        what: "expired prefixes are unlinked first and deleted then, with no lock in between: the detach of their interface does not find them, ends, and the ifnet that they name without a reference is freed",
        repair: "ours: both under a mutex of their own, under which the detach unlinks and deletes as well",
    },
    Defect {
        id: "route-change-retry-ifp",
        class: "stale pointer",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/net/route/route_ctl.c:change_nhop",
        what: "a change that is tried again keeps the interface that its first try has found: if the route has become one without a gateway meanwhile, the new nexthop sends through that interface with an address of another one, whose detach does not find it unless that is an IPv4 address",
        repair: "ours: each try begins with what was asked for",
    },
    Defect {
        id: "in6-control-error-lost",
        class: "lost error",
        kind: Kind::WayIn,
        reach: Reach::Fault,
        needs: 0,
        source: "sys/netinet6/in6.c:in6_control_ioctl",
        what: "SIOCAIFADDR_IN6 sets its result to 0 after in6_addifaddr: the user is not told that the address is not there",
        repair: "upstream, later: it goes out with the error",
    },
    Defect {
        id: "lle-update-unlinked",
        class: "use after free",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netinet6/nd6.c:nd6_cache_lladdr, sys/net/if_llatbl.c:lltable_acquire_wlock",
        what: "an advertisement drops the lock of the router's entry for that of the interface and then looks for LLE_DELETED, which lltable_free, lltable_prefix_free and nd6_free do not set: it arms the timer of an entry that has given up its last reference",
        repair: "ours: one that is not linked any more is passed over as well",
    },
    Defect {
        id: "ng-iface-named-unattached",
        class: "use after free",
        kind: Kind::WayIn,
        reach: Reach::Preemption,
        needs: 0,
        source: "sys/netgraph/ng_iface.c:ng_iface_constructor",
        what: "the node has its name, by which messages find it, before if_attach and bpfattach: a shutdown in between frees the interface that the constructor goes on to attach",
        repair: "ours: it is found when it is made",
    },
    Defect {
        id: "f1-ifextra-epoch-call",
        class: "proposed repair",
        kind: Kind::Repair,
        reach: Reach::Sequence,
        needs: 1 << IN6_IFEXTRA_NOT_DEFERRED,
        source: "sys/netinet6/in6.c:in6_domifdetach",
        what: "F1, with D on: in6_ifextra is freed one grace period later, not with the ifnet, and if_afdata keeps it until then",
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
    Defect {
        id: "f3w-detach-waits",
        class: "proposed repair",
        kind: Kind::Repair,
        reach: Reach::Sequence,
        needs: 1 << IN6_IFEXTRA_NOT_DEFERRED,
        source: "sys/net/if.c:if_detach_internal",
        what: "F3w, with D on: the detach waits for all readers between the flush of the routes, which is that of F3, and the domains",
        repair: "none: it is one",
    },
];

/// The repairs that the report led to. With D repaired (F2) there is nothing that F1 could
/// defer.
pub static PROPOSALS: &[Proposal] = &[
    Proposal {
        name: "F1",
        what: "in6_ifextra is freed one grace period after the detach, and if_afdata keeps it until then",
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
        name: "F3w",
        what: "as F3, and the detach waits for all readers after its flush, before it frees in6_ifextra",
        off: 1 << FIB_GATEWAY_DELETE_DELAYED,
        on: 1 << F3W_DETACH_WAITS,
    },
    Proposal {
        name: "F4",
        what: "nothing is added to a dying interface",
        off: 1 << IN6_AIFADDR_WHILE_DYING
            | 1 << IN_AIFADDR_WHILE_DYING
            | 1 << ROUTE_ADD_DYING_IFP
            | 1 << RA_INPUT_WHILE_DYING
            | 1 << SCRUBPREFIX_MOVES_TO_DYING
            | 1 << DEFROUTER_SELECT_DYING
            | 1 << IN6_IFATTACH_WHILE_DYING,
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
