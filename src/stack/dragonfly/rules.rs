//! The invariants I1 to I18 of `dragonfly-2007`, and two of no number, by name, with what each
//! of them says.
//!
//! When they are looked at, and by whom, is in [`invariants`](super::invariants).

use crate::shadow::Rule;

/// I1.
pub static I1_COUNT: Rule = Rule::new(
    "I1-ifa-refcnt",
    "ifa_refcnt + 1 is the lists' reference plus the routes that point here",
);
/// I2.
pub static I2_DEAD_ON_LIST: Rule = Rule::new("I2-dead-on-list", "what is on a list is alive");
/// I3.
pub static I3_FREED_WHILE_HELD: Rule = Rule::new(
    "I3-freed-while-held",
    "an address is freed off every list, with no route pointing at it",
);
/// I5.
pub static I5_LISTS: Rule = Rule::new(
    "I5-lists",
    "lists are well formed, and an address is on if_addrhead of its interface and on in_ifaddrhead, or on neither",
);
/// I6.
pub static I6_HASH: Rule = Rule::new(
    "I6-hash",
    "an IPv4 address that is listed is in the hash once, in its bucket; nothing else is, and no two of one interface are the same",
);
/// I7, at rest.
pub static I7_POINTERS: Rule = Rule::new(
    "I7-pointers",
    "at rest ifa_addr, ifa_dstaddr and ifa_netmask point into the address itself",
);
/// I7, when another thread reads a stack.
pub static I7_FOREIGN_STACK: Rule =
    Rule::new("I7-foreign-stack", "no thread reads a sockaddr on another thread's stack");
/// I8.
pub static I8_IFA_ROUTE: Rule = Rule::new(
    "I8-ifa-route",
    "IFA_ROUTE is set if and only if every CPU has the interface route of the address, and no other",
);
/// I9, counter.
pub static I9_RT_REFCNT: Rule = Rule::new("I9-rt-refcnt", "rt_refcnt is the number of holders");
/// I9, flag and leak.
pub static I9_RTF_UP: Rule =
    Rule::new("I9-rtf-up", "RTF_UP is set if and only if the route is in its CPU's tree");
/// I9, leak.
pub static I9_LEAKED: Rule =
    Rule::new("I9-leaked", "a route that is in no tree and that nobody holds is destroyed");
/// I10.
pub static I10_RT_POINTERS: Rule = Rule::new(
    "I10-rt-pointers",
    "rt_ifa is alive; rt_ifp is attached and the interface of rt_ifa, or the loopback for ARP's entry of an own address",
);
/// I11, a warning: strict only in the design of 2008.
pub static I11_OWNER_CPU: Rule =
    Rule::warning("I11-owner-cpu", "a route is freed on the CPU whose table it was made for");
/// I12.
pub static I12_CPUS_DIFFER: Rule = Rule::new(
    "I12-cpus-differ",
    "at rest interface routes and the user's routes are the same on every CPU",
);
/// I13.
pub static I13_CLONES: Rule = Rule::new(
    "I13-clones",
    "the parent of a clone is alive, has the same rt_ifa, and is in the tree as long as the clone is",
);
/// I14.
pub static I14_LLINFO: Rule = Rule::new(
    "I14-llinfo",
    "RTF_LLINFO is set if and only if the route has an entry on its CPU's list that points back",
);
/// I15.
pub static I15_DELETED: Rule = Rule::new(
    "I15-deleted",
    "no list holds a deleted address, no tree a route of it or of a detached interface",
);
/// I16, nothing changed.
pub static I16_FAILED_CHANGED: Rule =
    Rule::new("I16-failed-changed", "a call that fails leaves addresses and routes as they were");
/// I16, the error is reported.
pub static I16_NOT_REPORTED: Rule =
    Rule::new("I16-not-reported", "a call that reports success has done what it was asked");
/// I17, waiting under a serializer.
pub static I17_SERIALIZER: Rule =
    Rule::new("I17-serializer", "no thread waits for a message port while it holds a serializer");
/// I17, edits of lists.
pub static I17_EDITS: Rule = Rule::new(
    "I17-edits",
    "while a thread holds the serializer of an interface, others edit the lists and hash links of its addresses only as the serialized control plane or in a critical section",
);
/// I18, a warning: 2007 does it everywhere.
pub static I18_BARE_ACROSS_YIELD: Rule =
    Rule::warning("I18-bare-across-yield", "no ia pointer crosses a yield without a reference");
/// Two creators.
pub static ONE_NAME: Rule = Rule::new("one-name", "no two interfaces have the same name");
/// The end of a run.
pub static LEAK_AT_END: Rule =
    Rule::new("leak-at-end", "when everything is closed, deleted and detached, nothing is left");

/// The invariants, in the order of the facts. I4 is the shared use-after-free and
/// double-free.
pub static ALL: &[&Rule] = &[
    &I1_COUNT,
    &I2_DEAD_ON_LIST,
    &I3_FREED_WHILE_HELD,
    &I5_LISTS,
    &I6_HASH,
    &I7_POINTERS,
    &I7_FOREIGN_STACK,
    &I8_IFA_ROUTE,
    &I9_RT_REFCNT,
    &I9_RTF_UP,
    &I9_LEAKED,
    &I10_RT_POINTERS,
    &I11_OWNER_CPU,
    &I12_CPUS_DIFFER,
    &I13_CLONES,
    &I14_LLINFO,
    &I15_DELETED,
    &I16_FAILED_CHANGED,
    &I16_NOT_REPORTED,
    &I17_SERIALIZER,
    &I17_EDITS,
    &I18_BARE_ACROSS_YIELD,
    &ONE_NAME,
    &LEAK_AT_END,
];
