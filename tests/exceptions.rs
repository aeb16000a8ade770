//! The exceptions of the invariants, and that they are no wider.
//!
//! Some of what looks like a mistake of the kernel is legal input's doing: a user may
//! delete the route of an interface, ARP replaces its entries CPU by CPU, a fault may
//! meet the very call that would have undone another one. For each such exception
//! something shows that it is taken, and something next to it that is still reported.

mod support;

use ifscrub::kern::exec::{Config, Outcome};
use ifscrub::kern::slab::ObjRef;
use ifscrub::kern::trace::What;
use ifscrub::stack::dragonfly::if_c::ifunit;
use ifscrub::stack::dragonfly::invariants as inv;
use ifscrub::stack::dragonfly::objects::*;
use ifscrub::stack::dragonfly::route::{HOST, mask, rn_find, rtlookup};
use ifscrub::triage::sets;
use support::world::*;

/// Runs a program of these lines under these defects, recorded.
fn run(ncpus: u8, defects: &str, lines: &[&str]) -> Outcome {
    let header = format!("# ifscrub 1\nkernel dragonfly-2007\nncpus {ncpus}\ndefects {defects}\n");
    let p = support::parse(&format!("{header}{}\n", lines.join("\n")));
    let mut m = support::machine_for(&p);
    let set = sets::parse(m.defects(), defects).expect("defects of the catalogue");
    let outcome = m.run(&p, Config { defects: set, record: true, ..Config::default() });
    assert!(outcome.unreached.is_empty() && !outcome.exhausted, "{lines:?}: {outcome:?}");
    outcome
}

#[track_caller]
fn clean(ncpus: u8, lines: &[&str]) -> Outcome {
    let outcome = run(ncpus, "none", lines);
    assert!(outcome.clean(), "{lines:?}: {}", support::shown(&outcome));
    outcome
}

#[track_caller]
fn breaks(rule: &str, ncpus: u8, defects: &str, lines: &[&str]) {
    let outcome = run(ncpus, defects, lines);
    let found = outcome.violation.map(|v| v.rule.name);
    assert_eq!(found, Some(rule), "{lines:?}: {}", support::shown(&outcome));
}

/// What the operations of a recorded run returned.
fn results(o: &Outcome) -> Vec<i32> {
    let trace = o.trace.as_ref().expect("a recorded run");
    let ops = trace.events.iter().filter(|e| e.account != u8::MAX);
    ops.filter_map(|e| if let What::Done(errno) = e.what { Some(errno) } else { None }).collect()
}

/// How many routes operation `op` added to the trees of `cpu`, less those it took out.
fn routes_added(o: &Outcome, op: u8, cpu: u8) -> i32 {
    let trace = o.trace.as_ref().expect("a recorded run");
    let own = trace.events.iter().filter(|e| (e.account, e.cpu) == (op, cpu));
    own.map(|e| match e.what {
        What::List("rt_tables", on, _) => i32::from(on) * 2 - 1,
        _ => 0,
    })
    .sum()
}

#[track_caller]
fn assert_rule(w: &World, rule: &'static ifscrub::shadow::Rule, about: ObjRef) {
    let v = check(&w.k).unwrap_or_else(|| panic!("{} is not broken", rule.name));
    assert_eq!((v.rule.name, v.obj), (rule.name, about));
}

/// The user takes the interface route of an address away.
fn user_deletes(w: &World, ia: IfaId, key: u32) {
    for cpu in 0..CPUS {
        delete_route(&w.k, rn_find(&w.k, cpu, key, 24));
    }
    w.k[ia].user_deleted.set(true);
}

// ---- I8: IFA_ROUTE and the interface route ----------------------------------------

const DELETED: &[&str] = &["SIOCAIFADDR em0 10.0.0.1", "route_delete 10.0.0.0/24"];

#[test]
fn a_user_may_delete_an_interface_route_by_the_routing_socket() {
    let outcome = clean(2, DELETED);
    assert_eq!(results(&outcome), [0, 0]);
    let w = World::new();
    user_deletes(&w, w.b, 0x0a00_0100);
    assert_eq!(check(&w.k), None);
}

#[test]
fn a_route_that_vanishes_without_the_user_is_reported_although_he_deleted_another() {
    let w = World::new();
    user_deletes(&w, w.b, 0x0a00_0100);
    w.route.into_iter().for_each(|rt| delete_route(&w.k, rt));
    assert_rule(&w, &inv::I8_IFA_ROUTE, ObjRef::of(w.a));
    // 2.9: the old route is gone, the new one could not be added, the flag stays.
    let vanishing = [
        "SIOCIFCREATE gif0",
        "SIOCAIFADDR gif0 10.0.1.1 dst 10.0.1.2",
        "SIOCSIFDSTADDR gif0 192.168.0.1  fail rtrequest1:R_Malloc#1",
    ];
    let lines: Vec<_> = DELETED.iter().chain(&vanishing).copied().collect();
    breaks("I8-ifa-route", 1, "sifdstaddr-rtinit-ignored", &lines);
}

#[test]
fn what_the_user_deleted_is_forgotten_when_the_address_has_its_route_again() {
    let lines = [
        "SIOCIFCREATE gif0",
        "SIOCAIFADDR gif0 10.0.1.1 dst 10.0.1.2",
        "route_delete 10.0.1.2",
        "SIOCSIFDSTADDR gif0 192.168.0.1  fail rtrequest1:R_Malloc#1",
        "SIOCAIFADDR gif0 10.0.1.1 dst 10.0.1.2",
        "SIOCSIFDSTADDR gif0 192.168.0.1  fail rtrequest1:R_Malloc#1",
    ];
    // Without its route, it has none to lose; with it, it has.
    let short = run(1, "sifdstaddr-rtinit-ignored", &lines[..4]);
    assert!(short.clean(), "{}", support::shown(&short));
    breaks("I8-ifa-route", 1, "sifdstaddr-rtinit-ignored", &lines);
}

#[test]
fn a_user_deletes_only_what_was_there() {
    // A route of his own with the address's ifa is none of the interface.
    let outcome = run(
        1,
        "sifdstaddr-rtinit-ignored",
        &[
            "SIOCIFCREATE gif0",
            "SIOCAIFADDR gif0 10.0.1.1 dst 10.0.1.2",
            "route_add 192.168.0.0/24 via 10.0.1.2",
            "route_delete 192.168.0.0/24",
            "SIOCSIFDSTADDR gif0 192.168.0.1  fail rtrequest1:R_Malloc#1",
        ],
    );
    assert_eq!(outcome.violation.map(|v| v.rule.name), Some("I8-ifa-route"));
}

#[test]
fn the_users_routes_are_no_interface_routes_and_others_are() {
    let w = World::new();
    assert_eq!(w.k[w.user[0]].rt_ifa.get(), w.a, "by the same address, and clean");
    for rt in w.user {
        w.k[rt].rt_flags.set(w.k[rt].rt_flags.get() & !RTF_STATIC);
    }
    assert_rule(&w, &inv::I8_IFA_ROUTE, ObjRef::of(w.a));
}

#[test]
fn a_redirects_route_is_no_interface_route_and_the_same_without_its_flag_is() {
    let lines = [
        "SIOCAIFADDR em0 10.0.0.1",
        "route_add 10.0.1.0/24 via 10.0.0.2",
        "redirect 10.0.1.1 via 10.0.0.3",
    ];
    assert_eq!(results(&clean(2, &lines)), [0, 0, 0]);
    for (flag, broken) in [(RTF_DYNAMIC, false), (0, true)] {
        let w = World::new();
        for rt in w.user {
            w.k[rt].rt_flags.set(w.k[rt].rt_flags.get() & !RTF_STATIC | flag);
        }
        assert_eq!(check(&w.k).is_some(), broken);
    }
}

#[test]
fn an_entry_of_arp_is_no_interface_route_and_a_host_route_by_a_gateway_is() {
    let w = World::new();
    // Not every entry is a clone: the user may have made it and taken the flag away.
    let r = &w.k[w.clone];
    r.rt_flags.set(r.rt_flags.get() & !RTF_WASCLONED);
    assert_eq!(check(&w.k), None);
    r.rt_gateway.set(Gateway::Inet(0x0a00_0002));
    assert_rule(&w, &inv::I8_IFA_ROUTE, ObjRef::of(w.a));
}

#[test]
fn an_address_that_only_a_held_route_keeps_alive_has_no_interface_route_to_miss() {
    let lines =
        ["SIOCAIFADDR em0 10.0.0.1", "udp_connect udp0 10.0.0.2", "SIOCDIFADDR em0 10.0.0.1"];
    let outcome = clean(2, &lines);
    assert_eq!(results(&outcome), [0, 0, 0]);
    // As soon as it is on its lists, it has.
    let w = World::new();
    let fresh = add_address(&w.k, w.em0, 0x0a00_0005, mask(24));
    w.k[fresh].ifa_flags.set(w.k[fresh].ifa_flags.get() | IFA_ROUTE);
    assert_rule(&w, &inv::I8_IFA_ROUTE, ObjRef::of(fresh));
}

// ---- I7 and I10: the loopback -----------------------------------------------------

#[test]
fn a_loopbacks_destination_is_its_address_and_no_others_is() {
    let w = World::new();
    let lo = ifunit(&w.k, 8);
    let ia = add_address(&w.k, lo, 0x7f00_0001, mask(8));
    w.k[ia].ifa_dstaddr.set(Sa::Addr(ia));
    assert_eq!(check(&w.k), None);
    w.k[w.a].ifa_dstaddr.set(Sa::Addr(w.a));
    assert_rule(&w, &inv::I7_POINTERS, ObjRef::of(w.a));
}

#[test]
fn arps_entry_of_an_own_address_goes_by_way_of_the_loopback_and_no_other_route_does() {
    let outcome = clean(1, &["SIOCAIFADDR em0 10.0.0.1", "arp_resolve 10.0.0.1"]);
    assert_eq!(results(&outcome), [0, 0]);
    for other in [|w: &World| w.route[0], |w: &World| w.user[0], |w: &World| w.clone] {
        let w = World::new();
        let own = rtlookup(&w.k, 0x0a00_0001);
        w.k[own].rt_refcnt.dec();
        assert_eq!(w.k[own].rt_ifp.get(), w.k.st.loif.get());
        assert_eq!(check(&w.k), None);
        let rt = other(&w);
        w.k[rt].rt_ifp.set(w.k.st.loif.get());
        // Neither the interface's route, nor the user's, nor the entry of another host, even
        // where ARP has done it.
        inv::note_by_loopback(&w.k, rt);
        assert_rule(&w, &inv::I10_RT_POINTERS, ObjRef::of(rt));
    }
}

#[test]
fn an_own_addresss_entry_stays_with_the_loopback_when_the_address_changes_and_with_no_other() {
    let lines = [
        "SIOCAIFADDR em0 10.0.0.1",
        "route_add_iface 10.0.0.1 if em0",
        "SIOCSIFADDR em0 10.0.0.2",
        "arp_resolve 10.0.0.1",
    ];
    assert_eq!(results(&clean(2, &lines)), [0, 0, 0, 0]);
    let w = World::new();
    let own = rtlookup(&w.k, 0x0a00_0001);
    w.k[own].rt_refcnt.dec();
    w.k[own].rt_ifp.set(w.em1);
    assert_rule(&w, &inv::I10_RT_POINTERS, ObjRef::of(own));
}

// ---- I17: who edits the lists -----------------------------------------------------

/// SIOCSIFFLAGS stays in the driver, under the serializer.
const UNDER_THE_SERIALIZER: [&str; 3] = [
    "SIOCAIFADDR sppp0 0.0.0.0 dst 10.0.0.2",
    "ppp_up sppp0",
    "SIOCSIFFLAGS sppp0  preempt if_ioctl:driver#1 for 1",
];

#[test]
fn the_serialized_control_plane_edits_lists_beside_a_serializer_and_ppp_on_its_own_does_not() {
    // sppp_set_ip_addr never takes the serializer.
    let lines: Vec<_> =
        UNDER_THE_SERIALIZER.into_iter().chain(["ppp_nak sppp0 10.0.0.3"]).collect();
    let outcome = run(1, "w12-ifunroute-walk", &lines);
    assert!(outcome.clean(), "{}", support::shown(&outcome));
    assert_eq!(results(&outcome), [0, 0, 0, 0]);
    breaks("I17-edits", 1, "c1-sppp-unserialized w12-ifunroute-walk", &lines);
    // Nobody else inside: an edit without anything is whole under the giant lock.
    let alone = [lines[0], lines[1], "SIOCSIFFLAGS sppp0", lines[3]];
    let outcome = run(1, "c1-sppp-unserialized w12-ifunroute-walk", &alone);
    assert!(outcome.clean(), "{}", support::shown(&outcome));
}

#[test]
fn a_critical_section_edits_lists_beside_a_serializer() {
    // if_detach is one throughout. What is wrong here is that the interface is freed.
    breaks(
        "freed-in-hands",
        1,
        "detach-unserialized",
        &[
            "SIOCIFCREATE gif0",
            "SIOCSIFFLAGS gif0  preempt if_ioctl:driver#1 for 1",
            "SIOCIFDESTROY gif0",
        ],
    );
}

// ---- I12: the CPUs' tables --------------------------------------------------------

#[test]
fn an_entry_of_arp_is_replaced_cpu_by_cpu() {
    // On CPU 1 the entry has no llinfo, for want of memory, and is no entry to replace:
    // the ADD fails there, is undone on CPU 0, and the entry it replaced there is gone.
    let outcome = clean(
        2,
        &[
            "SIOCAIFADDR em0 10.0.0.1",
            "route_add_iface 10.0.0.2 if em0  fail arp_rtrequest:R_Malloc#2",
            "arp_resolve 10.0.0.3 cpu 0",
            "arp_resolve 10.0.0.3 cpu 1",
            "route_add 10.0.0.2 via 10.0.0.3",
        ],
    );
    assert_eq!(results(&outcome), [0, 0, 0, 0, 17]);
    assert_eq!((routes_added(&outcome, 4, 0), routes_added(&outcome, 4, 1)), (-1, 0));
}

#[test]
fn clones_and_redirects_may_differ_between_cpus_and_what_the_user_made_may_not() {
    for (flags, differs) in [
        (RTF_WASCLONED, false),
        (RTF_DYNAMIC, false),
        (RTF_STATIC, true),
        (RTF_STATIC | RTF_GATEWAY, true),
    ] {
        let w = World::new();
        // The entry that only CPU 0 has, as a route by a gateway.
        let r = &w.k[w.clone];
        r.rt_gateway.set(Gateway::Inet(0x0a00_0002));
        r.rt_flags.set(RTF_UP | RTF_HOST | RTF_LLINFO | flags);
        let found = check(&w.k).map(|v| v.rule.name);
        assert_eq!(found, differs.then_some("I12-cpus-differ"), "flags {flags:#x}");
    }
}

#[test]
fn an_interface_route_may_not_differ_between_cpus_even_if_the_user_deletes_others() {
    let w = World::new();
    user_deletes(&w, w.b, 0x0a00_0100);
    delete_route(&w.k, w.route[2]);
    assert_rule(&w, &inv::I12_CPUS_DIFFER, ObjRef::NONE);
}

#[test]
fn a_users_host_route_through_an_interface_without_arp_is_no_entry_of_arp() {
    let w = World::new();
    let sppp0 = ifunit(&w.k, 7);
    let ia = add_address(&w.k, sppp0, 0x0a00_0201, mask(24));
    w.k[ia].ia_dstaddr.set(Sin::inet(0x0a00_0202));
    add_user_route(&w.k, 0x0102_0304, HOST, 0x0a00_0202);
    for cpu in 0..CPUS {
        let r = &w.k[rn_find(&w.k, cpu, 0x0102_0304, HOST)];
        r.rt_flags.set(r.rt_flags.get() & !RTF_GATEWAY);
        r.rt_gateway.set(Gateway::Link(w.k[sppp0].if_index.get(), false));
    }
    assert_eq!(check(&w.k), None);
    delete_route(&w.k, rn_find(&w.k, 1, 0x0102_0304, HOST));
    assert_rule(&w, &inv::I12_CPUS_DIFFER, ObjRef::NONE);
}

// ---- I16: a failed call changes nothing -------------------------------------------

#[test]
fn a_fault_may_meet_the_undo() {
    // No memory from there on: neither for the new route nor for the old one.
    let outcome = clean(
        1,
        &[
            "SIOCAIFADDR em0 10.0.0.1",
            "SIOCAIFADDR em0 10.0.0.1 mask /16  fail rtrequest1:R_Malloc#1..",
        ],
    );
    assert_eq!(results(&outcome), [0, 55]);
    assert_eq!(routes_added(&outcome, 1, 0), -1);
    assert!(outcome.counts.injected > 1);
}

#[test]
fn a_fault_that_met_no_undo_excuses_nothing() {
    let lines = [
        "SIOCAIFADDR em0 10.0.0.1",
        "SIOCAIFADDR em0 10.0.0.1 mask /16  fail rtrequest1:R_Malloc#1",
    ];
    let outcome = clean(1, &lines);
    assert_eq!((results(&outcome), routes_added(&outcome, 1, 0)), (vec![0, 55], 0));
    breaks("I16-failed-changed", 1, "aifaddr-no-undo", &lines);
}

/// The user's routes by `a` vanish while an operation about it fails.
fn loses_routes(w: &World) -> Option<&'static str> {
    w.user.into_iter().for_each(|rt| delete_route(&w.k, rt));
    check_op(&w.k, &op("SIOCSIFADDR em0 10.0.0.1"), Some(5)).map(|v| v.rule.name)
}

#[test]
fn an_undo_that_failed_excuses_the_routes_of_its_address_when_a_fault_met_it() {
    for (undone, fault, excused) in [(true, true, true), (true, false, false), (false, true, false)]
    {
        let w = if fault { World::with_fault() } else { World::new() };
        w.k.st.undo_failed.set(u64::from(undone) << w.a.slot());
        let expected = (!excused).then_some("I16-failed-changed");
        assert_eq!(loses_routes(&w), expected, "undone {undone}, fault {fault}");
    }
}

#[test]
fn an_undo_that_failed_excuses_neither_another_address_nor_what_is_no_route() {
    let w = World::with_fault();
    w.k.st.undo_failed.set(1 << w.b.slot());
    assert_eq!(loses_routes(&w), Some("I16-failed-changed"));
    let w = World::with_fault();
    w.k.st.undo_failed.set(u64::MAX);
    w.k[w.a].ia_dstaddr.set(Sin::inet(1));
    let found = check_op(&w.k, &op("SIOCSIFADDR em0 10.0.0.1"), Some(5));
    assert_eq!(found.map(|v| v.rule.name), Some("I16-failed-changed"));
}

#[test]
fn what_the_user_deleted_excuses_the_routes_of_no_other_address() {
    let w = World::new();
    user_deletes(&w, w.b, 0x0a00_0100);
    assert_eq!(check(&w.k), None);
    assert_eq!(loses_routes(&w), Some("I16-failed-changed"));
}

#[test]
fn an_undo_that_failed_is_forgotten_with_its_operation() {
    let w = World::new();
    w.k.st.undo_failed.set(u64::MAX);
    assert_eq!(check_op(&w.k, &op("SIOCSIFADDR em0 10.0.0.1"), Some(5)), None);
    assert_eq!(w.k.st.undo_failed.get(), 0);
    // A later operation meets a fault, but no undo.
    breaks(
        "I16-failed-changed",
        1,
        "aifaddr-no-undo",
        &[
            "SIOCAIFADDR em1 10.0.1.1",
            "SIOCSIFADDR em1 10.0.1.2  fail rtrequest1:R_Malloc#1..",
            "SIOCAIFADDR em0 10.0.0.1",
            "SIOCAIFADDR em0 10.0.0.1 mask /16  fail rtrequest1:R_Malloc#1",
        ],
    );
}

/// The user replaces an interface route by one of his own.
const REPLACED: &[&str] =
    &["SIOCAIFADDR em0 10.0.0.1", "route_delete 10.0.0.0/24", "route_add_iface 10.0.0.0/24 if em0"];

#[test]
fn a_route_of_the_users_in_place_of_the_interfaces_is_put_back_as_one() {
    let failing = "SIOCAIFADDR em0 10.0.0.1 mask /16  fail rtrequest1:R_Malloc#1";
    let lines: Vec<_> = REPLACED.iter().copied().chain([failing]).collect();
    let outcome = clean(1, &lines);
    assert_eq!(results(&outcome), [0, 0, 0, 55]);
    // His own was taken out, and a new one put in.
    assert_eq!(routes_added(&outcome, 3, 0), 0);
    let trace = outcome.trace.as_ref().expect("a recorded run");
    let out =
        |e: &&ifscrub::kern::trace::Event| matches!(e.what, What::List("rt_tables", false, _));
    assert_eq!(trace.events.iter().filter(|e| e.account == 3).filter(out).count(), 1);
}

#[test]
fn what_the_user_deleted_excuses_no_failed_call_about_another_address() {
    let failing = [
        "SIOCAIFADDR em1 10.0.1.1",
        "SIOCAIFADDR em1 10.0.1.1 mask /16  fail rtrequest1:R_Malloc#1",
    ];
    let lines: Vec<_> = DELETED.iter().chain(&failing).copied().collect();
    breaks("I16-failed-changed", 1, "aifaddr-no-undo", &lines);
}

#[test]
fn what_the_user_deleted_excuses_no_change_of_the_address_itself() {
    let failing = "SIOCAIFADDR em0 10.0.0.1 mask /16  fail rtrequest1:R_Malloc#1";
    let lines: Vec<_> = REPLACED.iter().copied().chain([failing]).collect();
    // The new mask stays.
    breaks("I16-failed-changed", 1, "aifaddr-no-undo", &lines);
}

#[test]
fn a_call_that_fails_beside_another_is_not_judged() {
    // At its end SIOCSIFADDR is under way: what has changed may be its doing.
    let changing = "SIOCSIFADDR em0 10.0.0.2  preempt rtrequest1_global:lwkt_domsg#1 for 1";
    let lines = ["SIOCAIFADDR em0 10.0.0.1", changing, "udp_send udp0 192.168.0.1"];
    let outcome = clean(1, &lines);
    assert_eq!(results(&outcome), [0, 65, 0]);
}
