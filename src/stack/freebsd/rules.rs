//! The invariants I1 to I22 of `freebsd-14`, by name, with what each of them says.
//!
//! I21 has no rule here: `lock-order`, `lock-misuse`, `sleep-in-epoch` and others of every
//! stack ([`shadow::rules`](crate::shadow::rules)) are what it comes to.
//!
//! When they are looked at, and by whom, is in [`invariants`](super::invariants).

use crate::shadow::Rule;

/// I1.
pub static I01_IF_REFCOUNT: Rule = Rule::new(
    "I1-if-refcount",
    "if_refcount is the index slot, the packet filter, the nexthops, the memberships being released and the threads that hold the interface",
);
/// I2, counter.
pub static I02_IFA_REFCNT: Rule = Rule::new(
    "I2-ifa-refcnt",
    "ifa_refcnt is the lists, the nexthops, the DAD entries and the threads that hold the address",
);
/// I2, lists, at rest.
pub static I02_MEMBERSHIP: Rule = Rule::new(
    "I2-ifa-membership",
    "at rest an IP address is on if_addrhead, on its family's list and in its hash, or on none of them",
);
/// I3, counter of a nexthop.
pub static I03_NH_REFCNT: Rule = Rule::new(
    "I3-nh-refcnt",
    "nh_refcnt is the routes, groups, FIB slots, socket caches, deferred releases and threads that hold the nexthop",
);
/// I3, counter of a group.
pub static I03_NHG_REFCOUNT: Rule = Rule::new(
    "I3-nhg-refcount",
    "nhg_refcount is the routes, FIB slots, socket caches, deferred releases and threads that hold the group",
);
/// I3, the last reference of anything that is freed after a grace period.
pub static I03_QUEUED_ONCE: Rule = Rule::new(
    "I3-queued-once",
    "what nobody holds is unlinked and waits for its grace period, exactly once",
);
/// I4, counter.
pub static I04_NDPR_REFCNT: Rule =
    Rule::new("I4-ndpr-refcnt", "ndpr_refcnt is the list and the threads that hold the prefix");
/// I4, addresses.
pub static I04_NDPR_ADDRCNT: Rule =
    Rule::new("I4-ndpr-addrcnt", "ndpr_addrcnt is the addresses whose ia6_ndpr names the prefix");
/// I4, the end of a prefix.
pub static I04_DELETED_IN_USE: Rule =
    Rule::new("I4-deleted-in-use", "no address uses a prefix that is deleted");
/// I5, routers.
pub static I05_DR_REFCNT: Rule = Rule::new(
    "I5-dr-refcnt",
    "refcnt of a router is the list, the prefixes that it advertised and the threads that hold it",
);
/// I5, modules, at rest.
pub static I05_FLM_REFCOUNT: Rule =
    Rule::new("I5-flm-refcount", "at rest flm_refcount is the module's living instances");
/// The counters that the facts give no number.
pub static REFCNT_OTHER: Rule = Rule::new(
    "I5-other-refcnt",
    "the counters of DAD and link-layer entries, memberships, packet filters, pcbs and nodes are the numbers of their holders",
);
/// I6.
pub static I06_ACQUIRE_FROM_ZERO: Rule =
    Rule::new("I6-acquire-from-zero", "no reference is taken on what has none");
/// I6.
pub static I06_RELEASE_AT_ZERO: Rule =
    Rule::new("I6-release-at-zero", "no reference is released that is not there");
/// I6.
pub static I06_DOUBLE_QUEUE: Rule =
    Rule::new("I6-double-queue", "one epoch context is queued once at a time, for a living object");
/// I7.
pub static I07_NHOP_DEPS: Rule = Rule::new(
    "I7-nhop-deps",
    "nh_ifp, nh_aifp and nh_ifa of a nexthop that can be found are not freed",
);
/// I7, the address.
pub static I07_NHOP_SOURCE: Rule = Rule::new(
    "I7-nhop-source",
    "the address of a nexthop that can be found is one of its interface, or of the one that it is about",
);
/// I7, the table.
pub static I07_RIB: Rule = Rule::new(
    "I7-rib",
    "the RIB holds living routes with RTF_UP, each once, in order; at rest no other route has RTF_UP",
);
/// I8: the seed's oracle.
pub static I08_AFDATA: Rule = Rule::new(
    "I8-afdata",
    "while an epoch section has an interface, its if_afdata[AF_INET6] is there",
);
/// I9.
pub static I09_RIB_DETACHED: Rule = Rule::new(
    "I9-rib-detached",
    "when if_detach returns, no route has the interface as nh_ifp or nh_aifp",
);
/// I10, at rest.
pub static I10_FIB_DETACHED: Rule = Rule::new(
    "I10-fib-detached",
    "at rest, after if_detach, a linked FIB instance that is in step with its RIB has no nexthop of the interface, unless a rebuild has failed and is tried again",
);
/// I10 in its strict form, a warning: the original lets the FIB follow the RIB later.
pub static I10_FIB_STRICT: Rule = Rule::warning(
    "I10-fib-strict",
    "when if_detach returns, no FIB instance that lookups go to has a nexthop of the interface, unless a rebuild has failed and is tried again",
);
/// I11.
pub static I11_LEFT_BEHIND: Rule = Rule::new(
    "I11-left-behind",
    "when if_detach returns, no address, prefix, router, DAD or link-layer entry or membership names the interface",
);
/// I12.
pub static I12_DYING: Rule =
    Rule::new("I12-dying", "IFF_DYING is never cleared, and set if and only if off V_ifnet");
/// I12, additions.
pub static I12_ADDED: Rule = Rule::early(
    "I12-added-while-dying",
    "no address, prefix, router, route or nexthop is added for a dying interface, and nothing else after its detach",
);
/// I13.
pub static I13_IFINDEX: Rule =
    Rule::new("I13-ifindex", "ifindex_table names living interfaces by their index and generation");
/// I14, where the caller must be inside the epoch.
pub static I14_OUTSIDE_EPOCH: Rule =
    Rule::new("I14-outside-epoch", "lookups and RIB operations run inside the epoch");
/// I15, but for the index table, of which [`FREED_WHILE_HELD`] tells.
pub static I15_IF_FREE: Rule = Rule::new(
    "I15-if-free",
    "an interface is freed without references, dying, its if_afdata freed",
);
/// I16, at rest.
pub static I16_LEAK: Rule = Rule::new(
    "I16-leak",
    "at rest every object is in the structure that owns it or waits for its grace period",
);
/// I16, indices, at rest.
pub static I16_NH_IDX: Rule = Rule::new(
    "I16-nh-idx",
    "at rest the indices in use are those of the linked nexthops and groups",
);
/// I16, what the lockless modules allocate, at rest.
pub static I16_MODULE_DATA: Rule = Rule::new(
    "I16-module-data",
    "at rest every instance of a lockless module has its data, and there is no other",
);
/// I16, the end of a run.
pub static LEAK_AT_END: Rule = Rule::new(
    "leak-at-end",
    "when everything is closed, deleted and destroyed, nothing is left but lo0 and its own",
);
/// I17.
pub static I17_ONLINK: Rule = Rule::new(
    "I17-onlink",
    "at rest NDPRF_ONLINK is set if and only if the prefix has its route, and on one prefix of a value",
);
/// I18, IPv4 and point-to-point.
pub static I18_IFA_ROUTE: Rule =
    Rule::new("I18-ifa-route", "at rest IFA_ROUTE is set if and only if the address has its route");
/// I18, self routes.
pub static I18_IFA_RTSELF: Rule = Rule::new(
    "I18-ifa-rtself",
    "at rest IFA_RTSELF is set if and only if the address has its route to itself",
);
/// I18, routers.
pub static I18_INSTALLED: Rule = Rule::new(
    "I18-dr-installed",
    "at rest a router is installed if and only if a default route goes through it",
);
/// I19, at rest.
pub static I19_ONE_INSTANCE: Rule = Rule::new(
    "I19-one-instance",
    "at rest each family has one linked instance, lookups go to it, and dead ones hear of no change and arm no callout",
);
/// I19, slots.
pub static I19_SLOTS: Rule =
    Rule::new("I19-slots", "a slot of a FIB instance that is in use names a nexthop");
/// I20, contents, at rest.
pub static I20_FIB_EQUALS_RIB: Rule = Rule::new(
    "I20-fib-equals-rib",
    "at rest, when rnh_gen says that they are the same, FIB and RIB are the same",
);
/// I20, liveness, at rest.
pub static I20_REBUILD_PENDING: Rule = Rule::new(
    "I20-rebuild-pending",
    "at rest, when FIB and RIB differ, a rebuild is pending within its bound",
);
/// I22, lists.
pub static I22_LISTS: Rule = Rule::new(
    "I22-lists",
    "lists are well formed, and each element is on one, once, where it belongs",
);
/// I22, dead elements.
pub static I22_DEAD_ON_LIST: Rule = Rule::new("I22-dead-on-list", "what is on a list is alive");
/// I22, tasks and callouts.
pub static I22_FREED_BUSY: Rule = Rule::new(
    "I22-freed-busy",
    "an object is freed when no task works for it and no callout in it is armed",
);
/// Design: a freed object has no holder.
pub static FREED_WHILE_HELD: Rule =
    Rule::new("freed-while-held", "an object is freed off every list, with no counted holder");
/// Design: a failed call changed nothing.
pub static FAILED_CHANGED: Rule = Rule::new(
    "failed-changed",
    "a control operation that fails leaves interfaces, addresses, routes, prefixes and routers as they were",
);
/// Design: a call that succeeds has done what it was asked.
pub static NOT_REPORTED: Rule =
    Rule::new("not-reported", "an address that an ioctl says it has added is on its interface");

/// The invariants of this stack, in the order of the facts.
pub static RULES: &[&Rule] = &[
    &I01_IF_REFCOUNT,
    &I02_IFA_REFCNT,
    &I02_MEMBERSHIP,
    &I03_NH_REFCNT,
    &I03_NHG_REFCOUNT,
    &I03_QUEUED_ONCE,
    &I04_NDPR_REFCNT,
    &I04_NDPR_ADDRCNT,
    &I04_DELETED_IN_USE,
    &I05_DR_REFCNT,
    &I05_FLM_REFCOUNT,
    &REFCNT_OTHER,
    &I06_ACQUIRE_FROM_ZERO,
    &I06_RELEASE_AT_ZERO,
    &I06_DOUBLE_QUEUE,
    &I07_NHOP_DEPS,
    &I07_NHOP_SOURCE,
    &I07_RIB,
    &I08_AFDATA,
    &I09_RIB_DETACHED,
    &I10_FIB_DETACHED,
    &I10_FIB_STRICT,
    &I11_LEFT_BEHIND,
    &I12_DYING,
    &I12_ADDED,
    &I13_IFINDEX,
    &I14_OUTSIDE_EPOCH,
    &I15_IF_FREE,
    &I16_LEAK,
    &I16_NH_IDX,
    &I16_MODULE_DATA,
    &LEAK_AT_END,
    &I17_ONLINK,
    &I18_IFA_ROUTE,
    &I18_IFA_RTSELF,
    &I18_INSTALLED,
    &I19_ONE_INSTANCE,
    &I19_SLOTS,
    &I20_FIB_EQUALS_RIB,
    &I20_REBUILD_PENDING,
    &I22_LISTS,
    &I22_DEAD_ON_LIST,
    &I22_FREED_BUSY,
    &FREED_WHILE_HELD,
    &FAILED_CHANGED,
    &NOT_REPORTED,
];
