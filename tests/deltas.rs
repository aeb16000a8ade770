//! The reference deltas of the facts, read from the events of a trace: who took and who
//! dropped a reference on an address, in which function, on which CPU, and what the
//! counter was then. Snapshots of states would say what is left, not who did it.

mod common;

use common::{
    Change, Ran, Step, allocated, changes, freed, golden_file, made, on_cpus, parse, run, source,
};
use ifscrub::kern::slab::ObjRef;
use ifscrub::kern::trace::What;

fn program(ncpus: u8, defects: &str, ops: &[&str]) -> Ran {
    let source = source("dragonfly-2007", defects, ops);
    run(&on_cpus(&parse("the test's program", &source), ncpus))
}

/// The golden program `name` on `ncpus` CPUs.
fn golden(name: &str, ncpus: u8) -> Ran {
    run(&on_cpus(&golden_file("dragonfly-2007", name).program, ncpus))
}

/// The address that operation `op` made.
fn address(r: &Ran, op: usize) -> ObjRef {
    made(r, op, "in_ifaddr")
}

#[test]
fn siocaifaddr_leaves_a_reference_for_each_cpu() {
    for n in 1..=3u8 {
        let r = program(n, "as-reported", &["SIOCAIFADDR em0 10.0.0.1"]);
        let steps = r.steps(1);
        let all = changes(&steps, address(&r, 1));
        let expected: Vec<_> = (0..n)
            .map(|cpu| Change { by: 1, count: u32::from(cpu) + 1, cpu, function: "rtrequest1" })
            .collect();
        assert_eq!(all, expected, "{n} CPUs");
        for cpu in 0..n {
            let thread = format!("rtable_cpu {cpu}");
            let taken = |s: &&Step| matches!(s.event.what, What::Ref(o, 1, ..) if r.machine.class_name(o.class) == "in_ifaddr");
            let s = steps.iter().filter(taken).nth(usize::from(cpu)).expect("one for each CPU");
            assert!(s.within(&thread), "the reference is taken by {thread}");
        }
    }
}

#[test]
fn the_reference_is_taken_before_the_route_is_in_the_tree() {
    let r = program(1, "as-reported", &["SIOCAIFADDR em0 10.0.0.1"]);
    let steps = r.steps(1);
    let ia = address(&r, 1);
    let rt = allocated(&r, &steps, "rtentry")[0];
    let taken = steps.iter().position(|s| matches!(s.event.what, What::Ref(o, 1, ..) if o == ia));
    let treed = steps.iter().position(|s| s.event.what == What::List("rt_tables", true, rt));
    assert!(taken.expect("a reference") < treed.expect("an insertion"));
}

#[test]
fn rtinit_delete_drops_one_for_each_cpu_whose_rtentry_nobody_holds() {
    for n in 1..=3u8 {
        let r = golden("2.01-rtinit-delete", n);
        let all = changes(&r.steps(2), address(&r, 1));
        let expected: Vec<_> = (0..n)
            .map(|cpu| Change { by: -1, count: u32::from(n - 1 - cpu), cpu, function: "rtfree" })
            .collect();
        assert_eq!(all, expected, "{n} CPUs");
    }
}

#[test]
fn rtinit_delete_that_finds_no_route_changes_nothing() {
    let r = golden("2.01-rtinit-delete-gone", 3);
    let steps = r.steps(3);
    assert!(steps.iter().any(|s| s.function() == "rtinit"), "it is tried");
    assert!(!steps.iter().any(|s| s.within("rtrequest1")), "no CPU is asked");
    assert_eq!(changes(&steps, address(&r, 1)), []);
}

#[test]
fn a_held_rtentry_defers_the_drop_to_whoever_holds_it() {
    for n in 1..=3u8 {
        let r = golden("2.01-rtinit-delete-held", n);
        let ia = address(&r, 2);
        let delete = r.steps(4);
        let by_routes = changes(&delete, ia).into_iter().filter(|c| c.function == "rtfree");
        let cpus: Vec<_> = by_routes.map(|c| c.cpu).collect();
        let others: Vec<_> = (1..n).collect();
        assert_eq!(cpus, others, "every CPU but the first, whose route the pcb holds");
        let tail = changes(&delete, ia).into_iter().filter(|c| c.function == "in_control");
        assert_eq!(tail.map(|c| (c.by, c.count)).collect::<Vec<_>>(), [(-1, 0)], "the tail's");
        assert_eq!(freed(&delete, ia), None, "the address lives");

        let close = r.steps(5);
        let last = changes(&close, ia);
        assert_eq!(last.len(), 1);
        assert_eq!((last[0].by, last[0].function), (-1, "rtfree"));
        let at = freed(&close, ia).expect("the last reference frees it");
        assert!(close[at].within("in_pcbdetach"));
    }
}

#[test]
fn each_clone_that_is_removed_drops_one() {
    let ops =
        ["SIOCAIFADDR em0 10.0.0.1", "arp_resolve 10.0.0.2", "arp_resolve 10.0.0.3", "ifdown em0"];
    for n in 1..=3u8 {
        let r = program(n, "as-reported", &ops);
        let ia = address(&r, 1);
        for op in [2, 3] {
            let made = changes(&r.steps(op), ia);
            assert_eq!(made.iter().map(|c| (c.by, c.cpu)).collect::<Vec<_>>(), [(1, 0)]);
        }
        let down = r.steps(4);
        let all = changes(&down, ia);
        assert!(all.iter().all(|c| c.by == -1 && c.function == "rtfree"));
        assert_eq!(all.iter().filter(|c| c.cpu == 0).count(), 3, "two clones and the route");
        assert_eq!(all.len(), usize::from(n) + 2);
        assert_eq!(all.last().map(|c| c.count), Some(0));
        // The clones go first, while rtrequest1 deletes their parent.
        let drops = down.iter().filter(|s| matches!(s.event.what, What::Ref(o, -1, ..) if o == ia));
        let nested = |s: &Step| s.stack.iter().filter(|f| **f == "rtrequest1").count() == 2;
        let nested: Vec<_> = drops.map(nested).take(3).collect();
        assert_eq!(nested, [true, true, false]);
    }
}

#[test]
fn a_clone_takes_one_on_the_address_and_one_on_its_parent() {
    let r = golden("2.02-rtrequest1-resolve", 2);
    let steps = r.steps(2);
    let parent = allocated(&r, &r.steps(1), "rtentry")[0];
    let taken = changes(&steps, address(&r, 1));
    assert_eq!(taken.iter().map(|c| (c.by, c.count)).collect::<Vec<_>>(), [(1, 3)]);
    let held = changes(&steps, parent);
    assert_eq!(held.iter().map(|c| (c.by, c.count)).collect::<Vec<_>>(), [(1, 1)]);
}

#[test]
fn a_failed_insertion_gives_back_what_it_took() {
    let r = golden("2.01-rtinit-add-exists", 3);
    let all = changes(&r.steps(2), address(&r, 2));
    let expected = [(1, 1, "rtrequest1"), (-1, 0, "rtrequest1"), (-1, u32::MAX, "in_control")];
    assert_eq!(all.iter().map(|c| (c.by, c.count, c.function)).collect::<Vec<_>>(), expected);
}

#[test]
fn link_rtrequest_drops_one_on_the_old_address_and_takes_one_on_the_new() {
    for n in 2..=3u8 {
        let r = golden("2.02-link-rtrequest", n);
        let new = address(&r, 2);
        let moved: Vec<_> = r
            .steps(1)
            .into_iter()
            .filter(|s| s.function() == "link_rtrequest")
            .filter_map(|s| match s.event.what {
                What::Ref(o, by, ..) => Some((by, o == new, s.event.cpu)),
                _ => None,
            })
            .collect();
        let expected: Vec<_> = (1..n).flat_map(|cpu| [(-1, false, cpu), (1, true, cpu)]).collect();
        assert_eq!(moved, expected, "old first, then new, on every CPU after the arrival");
    }
}

#[test]
fn the_tail_unlinks_from_three_lists_and_frees_under_the_serializer() {
    for n in 1..=3u8 {
        let r =
            program(n, "as-reported", &["SIOCAIFADDR em0 10.0.0.1", "SIOCDIFADDR em0 10.0.0.1"]);
        let ia = address(&r, 1);
        let steps = r.steps(2);
        let tail: Vec<_> = steps
            .iter()
            .filter(|s| s.function() == "in_control")
            .filter_map(|s| match s.event.what {
                What::Lock(l) if l.ends_with("serializer") => Some("lock"),
                What::Unlock(l) if l.ends_with("serializer") => Some("unlock"),
                What::List(l, false, o) if o == ia => Some(l),
                What::Ref(o, -1, u32::MAX, _) if o == ia => Some("IFAFREE at 0"),
                What::Free(o) if o == ia => Some("kfree"),
                _ => None,
            })
            .collect();
        let expected = [
            "lock",
            "if_addrhead",
            "in_ifaddrhead",
            "in_ifaddrhashtbl",
            "IFAFREE at 0",
            "kfree",
            "unlock",
        ];
        assert_eq!(tail, expected, "{n} CPUs");
    }
}

#[test]
fn in_ifinit_changes_the_hash_and_calls_the_driver_under_the_serializer_and_nothing_else() {
    let r = golden("2.06-sifaddr-existing", 2);
    let mut held = false;
    let mut under = Vec::new();
    let mut after = Vec::new();
    for s in r.steps(2) {
        match s.event.what {
            What::Lock(l) if l.ends_with("serializer") => held = true,
            What::Unlock(l) if l.ends_with("serializer") => held = false,
            What::List("in_ifaddrhashtbl", on, _) if held => {
                under.push(if on { "on" } else { "off" })
            }
            What::Enter(f) if held => under.push(f.name),
            What::Enter(f) if s.stack.len() >= 2 && s.stack[s.stack.len() - 2] == "in_ifinit" => {
                after.push(f.name);
            }
            _ => {}
        }
    }
    assert_eq!(under, ["off", "on", "if_ioctl"]);
    assert_eq!(after, ["in_ifscrub", "rtinit", "in_addmulti"]);
}

#[test]
fn route_delete_as_reported_leaks_the_rtentry_and_its_reference_on_every_cpu() {
    let ops = [
        "SIOCAIFADDR em0 10.0.0.1",
        "route_add 10.0.1.0/24 via 10.0.0.2",
        "route_delete 10.0.1.0/24",
    ];
    for n in 1..=3u8 {
        for (defects, drops) in [("rtsock-delete-leak", 0), ("none", usize::from(n))] {
            let r = program(n, defects, &ops);
            let steps = r.steps(3);
            let off = |s: &&Step| matches!(s.event.what, What::List("rt_tables", false, _));
            assert_eq!(steps.iter().filter(off).count(), usize::from(n), "{defects}");
            assert_eq!(changes(&steps, address(&r, 1)).len(), drops, "{defects}, {n} CPUs");
        }
    }
}

#[test]
fn in_losing_as_reported_leaks_on_every_cpu_but_the_pcbs() {
    for n in 1..=3u8 {
        for (name, drops) in [("2.14-in-losing", 1), ("2.14-in-losing-repaired", n)] {
            let r = golden(name, n);
            let all = changes(&r.steps(6), address(&r, 1));
            // Where the new route is a fresh clone it takes one of its own.
            let dropped: Vec<_> = all.iter().filter(|c| c.by == -1).collect();
            assert_eq!(dropped.len(), usize::from(drops), "{name}, {n} CPUs");
            assert!(dropped.iter().all(|c| c.function == "rtfree"));
        }
    }
}

#[test]
fn with_three_cpus_the_last_keeps_the_reference_of_a_static_route_as_reported() {
    let left = |name: &str| {
        let r = golden(name, 3);
        let all = changes(&r.steps(3), address(&r, 1));
        all.last().expect("references are dropped").count.wrapping_add(1)
    };
    // The route, the clone for its gateway and that clone's parent.
    assert_eq!(left("2.08-difaddr"), 3);
    assert_eq!(left("2.08-difaddr-repaired"), 0);
}
