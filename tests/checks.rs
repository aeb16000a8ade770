//! Every oracle fires, and stays quiet.
//!
//! For each rule of the books there is something that breaks it and nothing before it,
//! and a twin in which all is well:
//!
//! * a program `tests/checks/RULE.ops` under a few defects of the catalogue, whose twin is
//!   the same program with all of them repaired;
//! * where no defect reaches a rule, or not every way in which it looks, a [`World`] at
//!   rest with one thing corrupted by hand, whose twin is that world untouched;
//! * rules of the kernel substrate that this stack cannot break at all: the unit test
//!   that shows it, in `src/kern`.

mod support;

use ifscrub::kern::exec::Config;
use ifscrub::kern::queue::Place;
use ifscrub::program::{Program, Stop};
use ifscrub::shadow::{Rule, Violation, rules};
use ifscrub::stack::dragonfly::K;
use ifscrub::stack::dragonfly::if_c::{free_ifnet, ifa_ifwithaddr, ifunit};
use ifscrub::stack::dragonfly::if_var::*;
use ifscrub::stack::dragonfly::in_c::hash_remove;
use ifscrub::stack::dragonfly::in_pcb::in_pcballoc;
use ifscrub::stack::dragonfly::invariants::{self as inv, check_deleted, check_detached};
use ifscrub::stack::dragonfly::kern_slaballoc::kfree_ifaddr;
use ifscrub::stack::dragonfly::lwkt::*;
use ifscrub::stack::dragonfly::lwkt_serialize::if_serializer;
use ifscrub::stack::dragonfly::objects::*;
use ifscrub::stack::dragonfly::route::{mask, rtfree};
use ifscrub::stack::dragonfly::sockaddr::load_sa;
use std::collections::BTreeSet;
use std::path::PathBuf;
use support::world::*;

/// All rules that a run of this stack may report.
fn all_rules() -> impl Iterator<Item = &'static Rule> {
    inv::ALL.iter().chain(rules::ALL).copied()
}

/// The programs, by the rule that the file is named after: `RULE.ops`.
fn programs() -> Vec<(String, PathBuf)> {
    let stem = |p: &PathBuf| p.file_stem().expect("a file has a name").to_string_lossy().into();
    support::programs_in("tests/checks").into_iter().map(|p| (stem(&p), p)).collect()
}

// ---- programs ---------------------------------------------------------------------

#[test]
fn each_program_breaks_its_rule_first_and_is_clean_repaired() {
    for (name, path) in programs() {
        let rule = all_rules().find(|r| r.name == name);
        let rule = rule.unwrap_or_else(|| panic!("{}: no rule is called so", path.display()));
        let p = support::read(&path);
        let mut m = support::machine_for(&p);
        let set = support::own_defects(&*m, &p);
        assert_eq!(p.header.stop, Stop::Books, "{name}");
        let mut run = |defects| m.run(&p, Config { defects, ..Config::default() });
        let broken = run(set);
        let twin = run(0);
        assert!(twin.clean() && !twin.exhausted, "{name}, repaired: {}", support::shown(&twin));
        assert!(broken.unreached.is_empty(), "{name}: {:?}", broken.unreached);
        if rule.warning {
            assert!(broken.clean() && broken.counts.warnings > 0, "{}", support::shown(&broken));
            assert_eq!(broken.counts.ops as usize, p.ops.len(), "{name} does not end the run");
            continue;
        }
        let v = broken.violation.unwrap_or_else(|| panic!("{name}: clean"));
        assert_eq!(v.rule.name, name);
        // None of the defects is there for decoration.
        for d in ifscrub::triage::sets::members(set) {
            let without = m.run(&p, Config { defects: set & !(1 << d), ..Config::default() });
            let still = without.violation.is_some_and(|w| w.rule.name == name);
            assert!(!still, "{name} does not need {}", m.defects()[d].id);
        }
    }
}

#[test]
fn a_route_freed_by_another_cpu_is_counted_and_one_cpu_has_no_other() {
    let mut p = support::read(&support::root().join("tests/checks/I11-owner-cpu.ops"));
    let mut m = support::machine_for(&p);
    let mut warnings = |p: &Program| m.run(p, Config::default()).counts.warnings;
    // Repaired, nothing holds an address bare, so that this is I11: for the clone, and for
    // the route it was cloned from, which goes with it.
    assert_eq!(warnings(&p), 2);
    p.header.ncpus = 1;
    assert_eq!(warnings(&p), 0);
}

#[test]
fn a_bare_address_across_a_yield_is_counted_only_where_nothing_protects_it() {
    let p = support::read(&support::root().join("tests/checks/I18-bare-across-yield.ops"));
    let mut m = support::machine_for(&p);
    let set = support::own_defects(&*m, &p);
    assert_eq!(p.header.ncpus, 1, "one CPU, no I11");
    let mut warnings = |defects| m.run(&p, Config { defects, ..Config::default() }).counts.warnings;
    assert_eq!((warnings(set), warnings(0)), (1, 0));
}

#[test]
fn a_bare_address_is_counted_where_the_token_was_never_taken() {
    // W13 without its race: the connection is CPU 1's.
    let p = support::parse(
        "# ifscrub 1\nkernel dragonfly-2007\nncpus 2\ndefects w13-connect-bare-ia\n\
         SIOCAIFADDR em0 10.0.1.2\ntcp_connect tcp0 10.0.0.1\n",
    );
    let mut m = support::machine_for(&p);
    let set = support::own_defects(&*m, &p);
    let mut warnings = |defects| m.run(&p, Config { defects, ..Config::default() }).counts.warnings;
    assert_eq!((warnings(set), warnings(0)), (1, 0));
}

// ---- corruption -------------------------------------------------------------------

/// A rule, the numbers that tell its ways to look apart, and what to do to a world in
/// order for it to be broken there.
type Corruption = (&'static Rule, [u32; 2], fn(&World));

/// What [`Corruption`]s do not say in numbers.
const ANY: u32 = u32::MAX;

/// Corruptions that the checks after an operation must find. In the world in order `a` has
/// eleven holders: its lists, its routes, the user's routes by it, and ARP entries.
const AT_REST: &[Corruption] = &[
    (&inv::I1_COUNT, [11, 11], |w| {
        w.k[w.a].ifa_refcnt.inc();
    }),
    (&inv::I1_COUNT, [9, 11], |w| {
        w.k[w.a].ifa_refcnt.dec();
    }),
    (&inv::I2_DEAD_ON_LIST, [0, 1], |w| w.k.st.ifa.free(w.a)),
    (&inv::I2_DEAD_ON_LIST, [ANY, 2], |w| {
        let k = &w.k;
        assert!(k.st.in_ifaddrhead.remove(w.a, |i| &k[i].ia_link));
        assert!(k[w.em0].if_addrhead.remove(w.a, |i| &k[i].ifa_link));
        k.st.ifa.free(w.a);
    }),
    (&inv::I2_DEAD_ON_LIST, [0, 3], |w| {
        let k = &w.k;
        assert!(k.st.in_ifaddrhead.remove(w.a, |i| &k[i].ia_link));
        hash_remove(k, w.a);
        k.st.ifa.free(w.a);
    }),
    (&inv::I5_LISTS, [0, 1], |w| w.k[w.b].ia_link.prev.set(w.k[w.a].ia_link.prev.get())),
    (&inv::I5_LISTS, [0, 1], |w| w.k[w.b].ia_link.next.set(w.a)),
    (&inv::I5_LISTS, [0, 3], |w| w.k[w.a].ifa_link.next.set(w.a)),
    (&inv::I5_LISTS, [0, 3], |w| w.k[w.a].ifa_link.prev.set(Place::NULL)),
    (&inv::I5_LISTS, [0, 3], |w| w.k[w.a].ifa_ifp.set(w.em1)),
    (&inv::I5_LISTS, [0, 4], |w| assert!(w.k.st.in_ifaddrhead.remove(w.a, |i| &w.k[i].ia_link))),
    (&inv::I5_LISTS, [0, 4], |w| {
        assert!(w.k[w.em0].if_addrhead.remove(w.a, |i| &w.k[i].ifa_link));
    }),
    (&inv::I5_LISTS, [0, 4], |w| w.k[w.a].implicit.set(false)),
    (&inv::I6_HASH, [ANY, 0], |w| w.k[w.a].ia_addr.set(Sin::inet(0x0a00_0002))),
    (&inv::I6_HASH, [ANY, 0], |w| w.k[w.a].ia_addr.set(Sin::default())),
    (&inv::I6_HASH, [ANY, 0], |w| w.k[w.a].ia_hash.prev.set(Place::NULL)),
    (&inv::I6_HASH, [ANY, 0], |w| w.k[w.a].ia_hash.next.set(w.a)),
    (&inv::I6_HASH, [ANY, 1], |w| {
        add_address(&w.k, w.em0, 0x0a00_0001, mask(24));
    }),
    (&inv::I6_HASH, [0, 2], |w| hash_remove(&w.k, w.a)),
    (&inv::I7_POINTERS, [0, 0], |w| w.k[w.a].ifa_addr.set(Sa::Addr(w.b))),
    (&inv::I7_POINTERS, [0, 0], |w| w.k[w.a].ifa_addr.set(Sa::Stack((0, 1), Sin::default()))),
    (&inv::I7_POINTERS, [0, 0], |w| w.k[w.a].ifa_dstaddr.set(Sa::Addr(w.a))),
    (&inv::I7_POINTERS, [0, 0], |w| w.k[w.a].ifa_dstaddr.set(Sa::Null)),
    (&inv::I7_POINTERS, [0, 0], |w| w.k[w.a].ifa_netmask.set(Sa::Mask(w.b))),
    (&inv::I7_POINTERS, [0, 0], |w| {
        let lladdr = w.k[w.em0].if_lladdr.get();
        w.k[lladdr].ifa_addr.set(Sa::Addr(w.a));
    }),
    (&inv::I8_IFA_ROUTE, [0, 1], |w| w.k[w.a].ifa_flags.set(RTF_CLONING)),
    (&inv::I8_IFA_ROUTE, [0, 1], |w| w.k[w.a].ia_sockmask.set(Sin::inet(mask(16)))),
    (&inv::I8_IFA_ROUTE, [0, 2], |w| {
        let fresh = add_address(&w.k, w.em0, 0x0a00_0005, mask(24));
        w.k[fresh].ifa_flags.set(w.k[fresh].ifa_flags.get() | IFA_ROUTE);
    }),
    (&inv::I8_IFA_ROUTE, [0, 2], |w| w.route.into_iter().for_each(|rt| delete_route(&w.k, rt))),
    (&inv::I9_RT_REFCNT, [1, 0], |w| {
        w.k[w.user[1]].rt_refcnt.inc();
    }),
    // Its pcb, its flow.
    (&inv::I9_RT_REFCNT, [3, 2], |w| {
        w.k[w.clone].rt_refcnt.inc();
    }),
    (&inv::I9_RT_REFCNT, [2, 1], |w| w.k[w.pcb].ro_rt.set(RtId::NULL)),
    (&inv::I9_RT_REFCNT, [2, 1], |w| w.k[w.flow].ro_rt.set(RtId::NULL)),
    (&inv::I9_RT_REFCNT, [0, 1], |w| w.k[w.pcb].ro_rt.set(RtId::new(60, 1))),
    (&inv::I9_RT_REFCNT, [0, 1], |w| w.k[w.flow].ro_rt.set(RtId::new(60, 1))),
    (&inv::I9_RT_REFCNT, [0, 1], |w| w.k[w.user[0]].rt_gwroute.set(RtId::new(60, 1))),
    (&inv::I9_RT_REFCNT, [0, 1], |w| w.k[w.clone].rt_parent.set(RtId::new(60, 1))),
    (&inv::I9_RT_REFCNT, [0, 1], |w| w.k.st.ipforward_rt[1].set(RtId::new(60, 1))),
    (&inv::I9_RT_REFCNT, [0, 1], |w| w.k.st.ipforward_rt[1].set(w.user[1])),
    (&inv::I9_RTF_UP, [2, 2], |w| w.k.st.rt.free(w.user[2])),
    (&inv::I9_RTF_UP, [2, 0], |w| w.k[w.user[0]].cpu.set(1)),
    (&inv::I9_RTF_UP, [3, 0], |w| flags_off(&w.k, w.user[0], RTF_UP)),
    (&inv::I9_RTF_UP, [3, 0], |w| out_of_tree(&w.k, w.user[0])),
    (&inv::I9_LEAKED, [0, 0], |w| {
        out_of_tree(&w.k, w.user[1]);
        flags_off(&w.k, w.user[1], RTF_UP);
    }),
    (&inv::I10_RT_POINTERS, [0, 1], |w| {
        unlink(&w.k, w.a);
        w.k.st.ifa.free(w.a);
    }),
    (&inv::I10_RT_POINTERS, [0, 2], |w| w.k[w.route[1]].rt_ifp.set(w.em1)),
    (&inv::I10_RT_POINTERS, [0, 2], |w| w.k[w.route[1]].rt_ifp.set(IfId::NULL)),
    (&inv::I10_RT_POINTERS, [0, 2], |w| w.k[w.route[1]].rt_ifp.set(w.k.st.loif.get())),
    (&inv::I12_CPUS_DIFFER, [0, 0], |w| delete_route(&w.k, w.user[1])),
    (&inv::I12_CPUS_DIFFER, [0, 0], |w| delete_route(&w.k, w.route[2])),
    (&inv::I12_CPUS_DIFFER, [0, 0], |w| {
        // The same key, but not the same kind of route.
        w.k[w.user[1]].rt_flags.set(w.k[w.user[1]].rt_flags.get() & !RTF_GATEWAY);
    }),
    (&inv::I12_CPUS_DIFFER, [0, 0], |w| {
        w.k[w.user[1]].rt_flags.set(w.k[w.user[1]].rt_flags.get() | RTF_MODIFIED);
    }),
    (&inv::I12_CPUS_DIFFER, [0, 0], |w| w.k[w.user[1]].rt_gateway.set(Gateway::Inet(1))),
    (&inv::I12_CPUS_DIFFER, [0, 0], |w| w.k[w.route[1]].rt_gateway.set(Gateway::Inet(1))),
    (&inv::I12_CPUS_DIFFER, [0, 0], |w| w.k[w.route[2]].rt_gateway.set(Gateway::Link(9, false))),
    (&inv::I12_CPUS_DIFFER, [0, 0], |w| {
        // Elsewhere than where I10 looks.
        w.k[w.user[1]].by_loopback.set(true);
        w.k[w.user[1]].rt_ifp.set(w.k.st.loif.get());
    }),
    (&inv::I13_CLONES, [0, 0], |w| {
        out_of_tree(&w.k, w.route[0]);
        flags_off(&w.k, w.route[0], RTF_UP);
    }),
    (&inv::I13_CLONES, [1, 0], |w| w.k[w.clone].rt_ifa.set(w.b)),
    (&inv::I14_LLINFO, [0, 0], |w| flags_off(&w.k, w.clone, RTF_LLINFO)),
    (&inv::I14_LLINFO, [0, 0], |w| w.k[w.clone].rt_llinfo.set(LaId::NULL)),
    (&inv::I14_LLINFO, [0, 0], |w| w.k[w.la].la_rt.set(w.route[0])),
    (&inv::I14_LLINFO, [0, 0], |w| w.k.st.las.free(w.la)),
    (&inv::I14_LLINFO, [2, 1], |w| {
        let k = &w.k;
        assert!(k.st.llinfo_arp_list.remove(w.la, |i| &k[i].la_le));
        k.st.llinfo_arp_list.insert_head(2, w.la, |i| &k[i].la_le);
    }),
    (&inv::I14_LLINFO, [0, 1], |w| w.k[w.la].la_le.next.set(w.la)),
    (&inv::I14_LLINFO, [ANY, ANY], |w| {
        // On no list: the rest of the list goes with it.
        assert!(w.k.st.llinfo_arp_list.remove(w.la, |i| &w.k[i].la_le));
    }),
];

/// Corruptions that are found where they happen, without any check at rest.
const AT_ONCE: &[Corruption] = &[
    (&inv::I1_COUNT, [0, 0], |w| {
        w.k[w.a].ifa_refcnt.set(u32::MAX);
        ifaref(&w.k, w.a);
    }),
    (&inv::I2_DEAD_ON_LIST, [3, 0], |w| kfree_ifaddr(&w.k, no_routes(w))),
    (&inv::I2_DEAD_ON_LIST, [1, 0], |w| {
        let ia = no_routes(w);
        assert!(w.k.st.in_ifaddrhead.remove(ia, |i| &w.k[i].ia_link));
        hash_remove(&w.k, ia);
        kfree_ifaddr(&w.k, ia);
    }),
    (&inv::I3_FREED_WHILE_HELD, [0, 0], |w| kfree_ifaddr(&w.k, w.a)),
    (&inv::I9_RTF_UP, [1, 0], |w| inv::check_free_rtentry(&w.k, w.user[0])),
    (&inv::I15_DELETED, [0, 0], |w| check_deleted(&w.k, w.a)),
    (&inv::I15_DELETED, [2, 0], |w| {
        delete_route(&w.k, w.route[0]);
        delete_route(&w.k, w.route[1]);
        delete_route(&w.k, w.user[0]);
        delete_route(&w.k, w.user[1]);
        check_deleted(&w.k, w.a);
    }),
    (&inv::I15_DELETED, [0, 1], |w| check_detached(&w.k, w.em1)),
    (&inv::I16_FAILED_CHANGED, [5, 0], |w| {
        w.k[w.a].ia_dstaddr.set(Sin::inet(1));
        check_op(&w.k, &op("SIOCSIFADDR em0 10.0.0.1"), Some(5));
    }),
    (&inv::I16_FAILED_CHANGED, [12, 0], |w| {
        w.user.into_iter().for_each(|rt| delete_route(&w.k, rt));
        check_op(&w.k, &op("route_add 10.0.0.1 via 10.0.0.1"), Some(12));
    }),
    (&inv::I16_FAILED_CHANGED, [49, 0], |w| {
        // Not only what asks for a change must leave things as they are.
        w.k[w.a].ia_dstaddr.set(Sin::inet(1));
        check_op(&w.k, &op("tcp_connect tcp0 10.0.0.2"), Some(49));
    }),
    (&inv::I16_NOT_REPORTED, [0x0a00_0002, 0], |w| {
        check_op(&w.k, &op("SIOCAIFADDR em0 10.0.0.2"), Some(0));
    }),
    (&inv::I16_NOT_REPORTED, [0x0a00_0001, 0], |w| {
        // It is there, but on another interface.
        check_op(&w.k, &op("SIOCSIFADDR em1 10.0.0.1"), Some(0));
    }),
    (&inv::I16_NOT_REPORTED, [0x0a00_0002, 0], |w| {
        // Nor is it when the operation has changed nothing.
        inv::after_no_change(&w.k, &op("SIOCAIFADDR em0 10.0.0.2"), 0);
    }),
    (&inv::I17_SERIALIZER, [0, 0], |w| {
        let _taken = w.k.lock(if_serializer(&w.k, w.em0));
        check_domsg(&w.k);
    }),
    (&rules::USE_AFTER_FREE, [0, 0], |w| {
        w.k.st.ifa.free(w.a);
        w.k[w.a].ia_addr.get();
    }),
    (&rules::USE_AFTER_FREE, [0, 0], |w| {
        // What the slot holds now is another tenant.
        w.k.st.inps.free(w.pcb);
        assert_eq!(in_pcballoc(&w.k, 3, false).slot(), w.pcb.slot());
        w.k[w.pcb].inp_laddr.get();
    }),
    (&rules::BAD_POINTER, [0, 0], |w| {
        w.k[IfaId::NULL].ia_addr.get();
    }),
    (&rules::BAD_POINTER, [0, 0], |w| {
        load_sa(&w.k, Sa::Null, "null");
    }),
    (&rules::BAD_POINTER, [0, 0], |w| {
        load_sa(&w.k, Sa::Poison, "poison");
    }),
    (&rules::BAD_POINTER, [0, 0], |w| {
        load_sa(&w.k, Sa::FreeLink(1), "free list");
    }),
    (&rules::BAD_POINTER, [0, 0], |w| {
        let (fiber, generation) = w.k.stack();
        let own = Sa::Stack((fiber, generation), Sin::default());
        assert!(load_sa(&w.k, own, "its own stack").is_some() && w.k.violation().is_none());
        let gone = Sa::Stack((fiber, generation.wrapping_sub(1)), Sin::default());
        load_sa(&w.k, gone, "a dead stack");
    }),
    (&rules::DOUBLE_FREE, [0, 0], |w| {
        let ia = no_routes(w);
        delete_address(&w.k, ia);
        assert!(w.k.violation().is_none() && !w.k.st.ifa.is_live(ia));
        kfree_ifaddr(&w.k, ia);
    }),
    (&rules::DOUBLE_FREE, [0, 0], |w| {
        free_ifnet(&w.k, w.em0);
        assert!(w.k.violation().is_none());
        free_ifnet(&w.k, w.em0);
    }),
    (&rules::KERNEL_PANIC, [0, 0], |w| rtfree(&w.k, w.user[0])),
    (&rules::LOCK_MISUSE, [TOKEN.0 as u32, ANY], |w| w.k.unlock(TOKEN)),
    (&rules::LOCK_ORDER, [ANY, TOKEN.0 as u32], |w| {
        let _serializer = w.k.lock(if_serializer(&w.k, w.em0));
        let _token = w.k.lock(TOKEN);
    }),
    (&rules::ENDLESS, [ANY, ANY], |w| {
        w.k[w.a].ifa_link.next.set(w.a);
        ifa_ifwithaddr(&w.k, Sin::inet(0x0102_0304));
    }),
];

fn flags_off(k: &K, rt: RtId, flags: u32) {
    k[rt].rt_flags.set(k[rt].rt_flags.get() & !flags);
}

/// A listed address that no route points at.
fn no_routes(w: &World) -> IfaId {
    add_address(&w.k, w.em0, 0x0a00_0005, mask(24))
}

fn assert_broken(what: &str, found: Option<Violation>, rule: &Rule, numbers: [u32; 2]) {
    let v = found.unwrap_or_else(|| panic!("{what}: {} is not broken", rule.name));
    let same = |i: usize| numbers[i] == ANY || v.detail[i] == numbers[i];
    assert!(v.rule.name == rule.name && same(0) && same(1), "{what}: {v:?}, not {numbers:?}");
}

#[test]
fn each_corruption_is_found_at_rest() {
    for (i, (rule, numbers, corrupt)) in AT_REST.iter().enumerate() {
        let w = World::new();
        corrupt(&w);
        assert_broken(&format!("corruption {i}"), check(&w.k), rule, *numbers);
    }
}

#[test]
fn each_mistake_is_found_at_once() {
    for (i, (rule, numbers, mistake)) in AT_ONCE.iter().enumerate() {
        let w = World::new();
        mistake(&w);
        assert_broken(&format!("mistake {i}"), w.k.violation(), rule, *numbers);
    }
}

#[test]
fn a_world_in_order_stays_in_order() {
    let w = World::new();
    assert_eq!(check(&w.k), None);
    check_op(&w.k, &op("SIOCAIFADDR em0 10.0.0.1"), Some(0));
    check_op(&w.k, &op("SIOCAIFADDR em0 10.0.0.2"), Some(22));
    inv::after_no_change(&w.k, &op("SIOCAIFADDR em0 10.0.0.1"), 0);
    inv::after_no_change(&w.k, &op("SIOCAIFADDR em0 10.0.0.2"), 22);
    check_domsg(&w.k);
    check_deleted(&w.k, no_routes(&w));
    // What the user and ARP may do: see tests/exceptions.rs.
    assert_eq!(w.k.violation(), None);
}

/// What is left over, by the first number of the rule, and how to leave it.
type Leftover = (u32, fn(&K));

/// What must not be left over.
const LEFT: &[Leftover] = &[
    (1, |k| {
        add_address(k, ifunit(k, 8), 0x7f00_0001, mask(8));
    }),
    (2, |k| {
        k.st.rt.alloc();
    }),
    (3, |k| {
        k.st.las.alloc();
    }),
    (4, |k| {
        in_pcballoc(k, 2, false);
    }),
    (5, |k| {
        k.st.flows.alloc();
    }),
    (6, |k| {
        ifscrub::stack::dragonfly::if_c::if_attach(k, 0, Driver::Em, IFF_BROADCAST);
    }),
];

#[test]
fn each_thing_that_is_left_at_the_end_is_found() {
    assert_eq!(audit(&torn_down()), None);
    for (what, leave) in LEFT {
        let k = torn_down();
        leave(&k);
        assert_broken(&format!("left {what}"), audit(&k), &inv::LEAK_AT_END, [*what, 0]);
    }
    // A link-level address without an interface.
    let k = torn_down();
    let lladdr = k.st.ifa.alloc().expect("room for an address");
    k[lladdr].is_in.set(false);
    let interfaces = k.st.ifnets.len() as u32;
    let numbers = [interfaces + 1, interfaces];
    assert_broken("an orphan", audit(&k), &inv::LEAK_AT_END, numbers);
}

// ---- the substrate ----------------------------------------------------------------

/// Rules of the substrate, and unit tests of `src/kern` that break them.
///
/// Some have nothing else, because no run of this stack can break them first:
///
/// * nothing in this stack is an epoch, a mutex, an rm or an rw lock;
/// * a cycle of waiters needs a thread that asks a port with a serializer held, which is
///   I17 before anybody waits.
const IN_KERN: &[(&Rule, &str, &str)] = &[
    (&rules::DEADLOCK, "lock/tests.rs", "two_threads_that_wait_for_each_other_are_a_deadlock"),
    (&rules::DEADLOCK, "wait.rs", "a_sleeper_that_nothing_wakes_is_a_deadlock_at_the_end"),
    (&rules::LOCK_MISUSE, "lock/tests.rs", "a_lock_kept_on_return_is_misuse_of_who_kept_it"),
    (&rules::LOCK_ORDER, "lock/tests.rs", "ordered_locks_are_taken_in_their_order"),
    (&rules::SLEEP_WITH_LOCK, "wait.rs", "sleeping_with_a_mutex_rm_or_rw_lock_held_is_a_violation"),
    (&rules::EPOCH_MISUSE, "epoch/tests.rs", "a_section_closed_twice_is_a_violation"),
    (&rules::EPOCH_MISUSE, "epoch/tests.rs", "a_thread_that_ends_inside_a_section_is_a_violation"),
    (&rules::SLEEP_IN_EPOCH, "epoch/tests.rs", "sleeping_inside_a_section_is_a_violation"),
    (
        &rules::SLEEP_PROHIBITED,
        "wait.rs",
        "who_must_not_sleep_may_wait_for_a_mutex_but_not_for_a_lock_that_sleeps",
    ),
    (&rules::ENDLESS, "exec/tests.rs", "a_walk_without_end_runs_out_of_fuel"),
];

#[test]
fn rules_of_the_substrate_have_their_unit_tests() {
    for (rule, file, test) in IN_KERN {
        let path = support::root().join("src/kern").join(file);
        let source = std::fs::read_to_string(&path).unwrap_or_default();
        let found = source.contains(&format!("#[test]\nfn {test}()"))
            || source.contains(&format!("#[test]\n    fn {test}()"));
        assert!(found, "{}: {} has no test {test}", path.display(), rule.name);
    }
}

// ---- completeness -----------------------------------------------------------------

#[test]
fn every_rule_has_something_that_breaks_it() {
    let by_hand = AT_REST.iter().chain(AT_ONCE).map(|(rule, ..)| rule.name.to_string());
    let in_kern = IN_KERN.iter().map(|(rule, ..)| rule.name.to_string());
    let by_program: BTreeSet<String> = programs().into_iter().map(|(name, _)| name).collect();
    let shown: BTreeSet<String> =
        by_program.iter().cloned().chain(by_hand).chain(in_kern).collect();
    let silent: Vec<_> = all_rules().filter(|r| !shown.contains(r.name)).map(|r| r.name).collect();
    assert!(silent.is_empty(), "nothing breaks {silent:?}: write tests/checks/RULE.ops");
    // No defect and no hypothesis leads to these first; whoever finds one writes it down.
    let no_program: Vec<_> =
        all_rules().filter(|r| !by_program.contains(r.name)).map(|r| r.name).collect();
    let expected = [
        "I7-pointers",
        "I9-rtf-up",
        "I14-llinfo",
        "double-free",
        "deadlock",
        "lock-misuse",
        "sleep-with-lock",
        "epoch-misuse",
        "sleep-in-epoch",
        "sleep-prohibited",
    ];
    assert_eq!(no_program, expected);
}

#[test]
fn every_rule_is_called_something_and_says_something_of_its_own() {
    let names: BTreeSet<_> = all_rules().map(|r| r.name).collect();
    let says: BTreeSet<_> = all_rules().map(|r| r.says).collect();
    let count = all_rules().count();
    assert_eq!((names.len(), says.len()), (count, count));
    let warnings: Vec<_> = all_rules().filter(|r| r.warning).map(|r| r.name).collect();
    assert_eq!(warnings, ["I11-owner-cpu", "I18-bare-across-yield"]);
}
