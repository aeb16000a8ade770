//! The reference deltas of the facts of `freebsd-14`, read from the events of a trace: who
//! took and who dropped a reference, in which function, and what the counter was then.

mod common;

use common::{
    Change, Ran, Step, allocated, changes, freed, golden_file, made, parse, run, source, within,
};
use ifscrub::kern::slab::ObjRef;
use ifscrub::kern::trace::What;

/// Operations under the defects as reported.
fn program(ops: &[&str]) -> Ran {
    run(&parse("the test's program", &source("freebsd-14", "as-reported", ops)))
}

fn golden(name: &str) -> Ran {
    run(&golden_file("freebsd-14", name).program)
}

/// Changes as `(by, count, function)`.
fn short(all: &[Change]) -> Vec<(i8, u32, &'static str)> {
    all.iter().map(|c| (c.by, c.count, c.function)).collect()
}

/// The changes of the counters of a class, with their objects.
fn of_class(r: &Ran, steps: &[Step], class: &str) -> Vec<(ObjRef, i8, u32)> {
    let change = |s: &Step| match s.event.what {
        What::Ref(o, by, count, _) if r.machine.class_name(o.class) == class => {
            Some((o, by, count))
        }
        _ => None,
    };
    steps.iter().filter_map(change).collect()
}

/// What objects are sorted by.
fn key(o: &ObjRef) -> (u8, u8, u32) {
    (o.class, o.slot, u32::from(o.generation))
}

// ---- interfaces ------------------------------------------------------------------------

#[test]
fn if_alloc_leaves_the_reference_of_the_index_and_bpfattach_adds_one() {
    let r = golden("2.01-attach");
    let all = changes(&r.steps(1), made(&r, 1, "ifnet"));
    assert_eq!(short(&all), [(1, 1, "if_alloc_domain"), (1, 2, "bpfattach2")]);
}

#[test]
fn the_reference_of_bpf_goes_by_an_epoch_callback_and_that_of_the_index_with_if_free() {
    let r = golden("2.02-detach");
    let ifp = made(&r, 1, "ifnet");
    let steps = r.steps(5);
    let dropped = |function: &str| -> Vec<Step> {
        let of = |s: &&Step| matches!(s.event.what, What::Ref(o, -1, ..) if o == ifp);
        steps.iter().filter(of).filter(|s| s.function() == function).cloned().collect()
    };
    let bpf = dropped("bpfif_free");
    assert_eq!(bpf.len(), 1);
    assert!(bpf[0].within("epoch_call_task"), "not in bpfdetach");
    let index = dropped("if_free");
    assert_eq!(index.len(), 1);
    assert!(!index[0].within("if_detach"), "after the detach");
}

#[test]
fn an_ioctl_holds_one_reference_of_its_interface_while_it_runs() {
    let r = golden("2.05-address-addition-inet");
    let epair0a = allocated(&r, &r.steps(1), "ifnet")[0];
    let all = changes(&r.steps(3), epair0a);
    let own: Vec<_> = all.iter().filter(|c| c.function == "ifioctl").map(|c| c.by).collect();
    assert_eq!(own, [1, -1]);
    assert_eq!(all.first().map(|c| c.function), Some("ifioctl"));
    assert_eq!(all.last().map(|c| c.function), Some("ifioctl"));
}

#[test]
fn the_task_of_an_epair_holds_one_reference_of_its_interface_while_it_runs() {
    let r = golden("2.03-epair-transmit");
    let b = allocated(&r, &r.steps(1), "ifnet")[1];
    let all = changes(&within(&r.steps(5), "epair_tx_start_deferred"), b);
    assert_eq!(all.iter().map(|c| c.by).collect::<Vec<_>>(), [1, -1]);
}

#[test]
fn a_group_that_is_left_holds_the_interface_until_its_record_is_released() {
    let r = golden("2.02-detach");
    let ifp = made(&r, 1, "ifnet");
    let steps = r.steps(5);
    for (takes, drops, groups) in
        [("inm_disconnect", "inm_release", 1), ("in6m_disconnect_locked", "in6m_release", 2)]
    {
        let of = |f: &str| changes(&steps, ifp).into_iter().filter(|c| c.function == f).count();
        assert_eq!((of(takes), of(drops)), (groups, groups), "{takes}, {drops}");
    }
}

// ---- addresses -------------------------------------------------------------------------

#[test]
fn an_ipv4_address_has_two_references_after_siocaifaddr_and_one_of_its_prefix_routes_nexthop() {
    let r = golden("2.05-address-addition-inet");
    let all = changes(&r.steps(3), made(&r, 3, "ifaddr"));
    // if_addrhead, V_in_ifaddrhead, the nexthop of the prefix route. That of the self route
    // has an address of lo0.
    let expected = [(1, 1, "ifa_alloc"), (1, 2, "in_aifaddr_ioctl"), (1, 3, "reference_nhop_deps")];
    assert_eq!(short(&all), expected);
}

#[test]
fn siocdifaddr_drops_the_first_reference_before_it_scrubs_routes_and_the_second_at_the_end() {
    let r = program(&[
        "SIOCIFCREATE epair0a",
        "ifup epair0a",
        "SIOCAIFADDR epair0a 10.0.0.1",
        "SIOCDIFADDR epair0a 10.0.0.1",
    ]);
    let ia = made(&r, 3, "ifaddr");
    let steps = r.steps(4);
    let own: Vec<_> = steps
        .iter()
        .filter_map(|s| match s.event.what {
            What::List(l, false, o) if o == ia => Some(l),
            What::Ref(o, -1, ..) if o == ia => Some(s.function()),
            What::Enter(f) if f.name == "in_scrubprefix" || f.name == "in_ifadown" => Some(f.name),
            _ => None,
        })
        .collect();
    let expected = [
        "if_addrhead",
        "in_difaddr_ioctl",
        "in_ifaddrhead",
        "in_scrubprefix",
        "in_ifadown",
        "in_difaddr_ioctl",
    ];
    assert_eq!(own, expected);
    assert_eq!(changes(&steps, ia).last().map(|c| c.count), Some(1), "the nexthop's is left");
}

#[test]
fn an_ipv6_address_has_three_references_when_it_is_linked_and_two_when_in6_broadcast_ifa_is_over() {
    // The interface is down: no DAD; and the prefix route has the link-local address.
    let r = program(&[
        "SIOCIFCREATE epair0a",
        "ifup epair0a",
        "ifdown epair0a",
        "SIOCAIFADDR_IN6 epair0a 2001:db8:1::1",
    ]);
    let all = changes(&r.steps(4), made(&r, 4, "ifaddr"));
    let expected = [
        (1, 1, "ifa_alloc"),
        (1, 2, "in6_alloc_ifa"),
        (1, 3, "in6_alloc_ifa"),
        // Around the notice to whoever subscribed.
        (1, 4, "in6_notify_ifa"),
        (-1, 3, "in6_notify_ifa"),
        (-1, 2, "in6_broadcast_ifa"),
        // While it is related to its prefix.
        (1, 3, "in6ifa_ifpwithaddr"),
        (-1, 2, "in6_addifaddr"),
    ];
    assert_eq!(short(&all), expected);
}

#[test]
fn in6_unlink_ifa_drops_two() {
    let r = golden("2.04-address-removal-inet6");
    let all = changes(&r.steps(4), made(&r, 3, "ifaddr"));
    let unlinked: Vec<_> = all.iter().filter(|c| c.function == "in6_unlink_ifa").collect();
    assert_eq!(unlinked.iter().map(|c| c.by).collect::<Vec<_>>(), [-1, -1]);
    assert_eq!(all.last().map(|c| (c.count, c.function)), Some((0, "in6_control_ioctl")));
}

#[test]
fn duplicate_address_detection_holds_one_reference_until_it_is_over() {
    let r = program(&[
        "SIOCIFCREATE epair0a",
        "ifup epair0a",
        "SIOCAIFADDR_IN6 epair0a 2001:db8:1::1",
        "advance 3s",
    ]);
    let ia = made(&r, 3, "ifaddr");
    let all = changes(&r.steps(3), ia);
    assert!(short(&all).contains(&(1, 4, "nd6_dad_start")));
    assert_eq!(all.last().map(|c| c.count), Some(3), "two lists and the queue");
    assert_eq!(short(&changes(&r.steps(4), ia)), [(-1, 2, "nd6_dad_timer")]);
    let stopped = golden("2.04-address-removal-inet6");
    let all = changes(&stopped.steps(4), made(&stopped, 3, "ifaddr"));
    assert_eq!(all.iter().filter(|c| c.function == "nd6_dad_stop").count(), 1, "or is stopped");
}

// ---- nexthops --------------------------------------------------------------------------

#[test]
fn each_finalized_nexthop_takes_one_on_its_address_and_one_on_each_of_its_interfaces() {
    let r = golden("2.05-address-addition-inet");
    let ifp = allocated(&r, &r.steps(1), "ifnet")[0];
    let ia = made(&r, 3, "ifaddr");
    let (name, class) = (|o: ObjRef| r.machine.class_name(o.class), "nhop_object");
    let steps = r.steps(3);
    assert_eq!(allocated(&r, &steps, class).len(), 2, "of the prefix route and the self route");
    let taken: Vec<_> = steps
        .iter()
        .filter(|s| s.function() == "reference_nhop_deps")
        .filter_map(|s| match s.event.what {
            What::Ref(o, 1, ..) => Some((name(o), o == ifp || o == ia)),
            _ => None,
        })
        .collect();
    let prefix_route = [("ifaddr", true), ("ifnet", true), ("ifnet", true)];
    // The address of lo0, the interface of the address, and lo0, through which it goes.
    let self_route = [("ifaddr", false), ("ifnet", true), ("ifnet", false)];
    assert_eq!(taken, [prefix_route, self_route].concat());
}

#[test]
fn a_nexthop_that_is_destroyed_gives_back_what_it_took_when_it_was_finalized() {
    let r = golden("2.02-detach");
    let destroyed = within(&r.steps(6), "destroy_nhop");
    let enters = |s: &&Step| matches!(s.event.what, What::Enter(f) if f.name == "destroy_nhop");
    let nhops = destroyed.iter().filter(enters).count();
    assert_eq!(nhops, 4, "prefix and self route of each family");
    assert_eq!(of_class(&r, &destroyed, "ifnet").len(), 2 * nhops);
    assert_eq!(of_class(&r, &destroyed, "ifaddr").len(), nhops);
}

#[test]
fn a_nexthop_that_is_found_is_referenced_and_takes_nothing() {
    let r = golden("2.05-address-addition-inet6");
    let steps = r.steps(3);
    let found = of_class(&r, &within(&steps, "find_nhop"), "nhop_object");
    // Those of the link-local address's two routes.
    assert_eq!(found.iter().map(|&(_, by, _)| by).collect::<Vec<_>>(), [1, 1]);
    assert!(!steps.iter().any(|s| s.within("reference_nhop_deps")));
    for nh in allocated(&r, &steps, "nhop_object") {
        let at = freed(&steps, nh).expect("the new one is freed at once");
        assert_eq!(steps[at].function(), "nhop_free");
    }
}

#[test]
fn an_instance_takes_one_reference_of_each_distinct_nexthop_and_gives_them_back() {
    let r = golden("2.08-delayed-sync");
    let steps = r.steps(5);
    let nhops = |function: &str| -> Vec<ObjRef> {
        let all = of_class(&r, &within(&steps, function), "nhop_object");
        let mut all: Vec<_> = all.into_iter().map(|(o, ..)| o).collect();
        all.sort_by_key(key);
        all
    };
    let taken = nhops("sync_algo");
    let routes =
        steps.iter().filter(|s| matches!(s.event.what, What::Enter(f) if f.name == "sync_algo_cb"));
    assert_eq!((taken.len(), routes.count()), (6, 7), "two routes share one");
    let mut distinct = taken.clone();
    distinct.dedup();
    assert_eq!(distinct, taken);
    let rebuilt = allocated(&r, &steps, "fib_data");
    assert_eq!(rebuilt.len(), 1);
    let old = steps.iter().rposition(
        |s| matches!(s.event.what, What::Free(o) if r.machine.class_name(o.class) == "fib_data"),
    );
    let old = old.expect("the old instance is destroyed");
    let begin = steps[..old].iter().rposition(
        |s| matches!(s.event.what, What::Enter(f) if f.name == "destroy_fd_instance_epoch"),
    );
    let given = of_class(&r, &steps[begin.expect("by an epoch callback")..old], "nhop_object");
    let mut given: Vec<_> = given.into_iter().map(|(o, ..)| o).collect();
    given.sort_by_key(key);
    // It had heard of the default route before it asked for a rebuild.
    assert_eq!(given, taken);
}

#[test]
fn a_sockets_cache_holds_one_reference_of_its_nexthop() {
    let r = golden("2.10-retransmit-inet");
    let taken = of_class(&r, &within(&r.steps(4), "ip_output"), "nhop_object");
    assert_eq!(taken.iter().map(|&(_, by, _)| by).collect::<Vec<_>>(), [1]);
}

// ---- prefixes and routers --------------------------------------------------------------

#[test]
fn a_prefix_has_its_lists_reference_after_the_addition_and_two_while_it_is_looked_up() {
    let r = golden("2.04-address-removal-inet6-shared");
    let pr = made(&r, 3, "nd_prefix");
    let added = [(2, 2, "nd6_prelist_add"), (-1, 1, "in6_addifaddr")];
    assert_eq!(short(&changes(&r.steps(3), pr)), added);
    // A second address is counted in ndpr_addrcnt only.
    let looked_up = [(1, 2, "nd6_prefix_lookup"), (-1, 1, "in6_addifaddr")];
    assert_eq!(short(&changes(&r.steps(4), pr)), looked_up);
    assert_eq!(changes(&r.steps(5), pr), [], "the first address goes, the prefix stays");
}

#[test]
fn the_prefix_of_a_link_local_address_keeps_two_references_as_reported() {
    for (name, left) in [("2.05-if-up", 2), ("2.05-if-up-repaired", 1)] {
        let r = golden(name);
        let all = changes(&r.steps(2), made(&r, 2, "nd_prefix"));
        assert_eq!(all.last().map(|c| c.count), Some(left), "{name}");
    }
}

#[test]
fn the_last_reference_of_a_prefix_frees_it_at_once() {
    let r = golden("2.04-address-removal-inet6");
    let pr = made(&r, 3, "nd_prefix");
    let steps = r.steps(4);
    assert_eq!(short(&changes(&steps, pr)), [(-1, 0, "nd6_prefix_del")]);
    let at = freed(&steps, pr).expect("it is freed");
    assert!(matches!(steps[at - 1].event.what, What::Ref(o, -1, 0, _) if o == pr));
}

#[test]
fn a_default_router_has_two_references_then_one_and_one_for_each_prefix_that_it_advertises() {
    let r = golden("2.06-router-and-prefix");
    let dr = made(&r, 4, "nd_defrouter");
    let steps = r.steps(4);
    let all = changes(&steps, dr);
    assert_eq!(short(&all)[0], (2, 2, "defrtrlist_update"), "the list and the caller");
    let advertises = all.iter().filter(|c| c.function == "pfxrtr_add").map(|c| c.by);
    assert_eq!(advertises.collect::<Vec<_>>(), [1]);
    let caller = all.iter().filter(|c| c.function == "nd6_ra_input").map(|c| c.by);
    assert_eq!(caller.collect::<Vec<_>>(), [-1]);
    assert_eq!(all.last().map(|c| c.count), Some(2), "the list and the prefix");
    let gone = r.steps(5);
    assert_eq!(changes(&gone, dr).last().map(|c| c.count), Some(0));
    assert!(freed(&gone, dr).is_some(), "at once");

    let r = golden("2.08-delayed-sync");
    let all = changes(&r.steps(4), made(&r, 4, "nd_defrouter"));
    assert_eq!(all.last().map(|c| c.count), Some(1), "without a prefix, the list's");
}

#[test]
fn selecting_a_router_drops_what_it_took() {
    let r = golden("2.06-second-router");
    let steps = within(&r.steps(6), "defrouter_select_fib");
    let all = of_class(&r, &steps, "nd_defrouter");
    assert_eq!(all.iter().map(|&(_, by, _)| i32::from(by)).sum::<i32>(), 0);
    for (name, lost) in [("2.06-unreachable-router", 1), ("2.06-unreachable-router-repaired", 0)] {
        let r = golden(name);
        let steps = within(&r.steps(6), "defrouter_select_fib");
        let all = of_class(&r, &steps, "nd_defrouter");
        assert_eq!(all.iter().map(|&(_, by, _)| i32::from(by)).sum::<i32>(), lost, "{name}");
    }
}
