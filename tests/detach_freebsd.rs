//! The detach of an interface of `freebsd-14`, read from the events of a trace: the order of its
//! steps, and the chain of grace periods from a deleted route to the freed interface.

mod common;

use common::{Ran, Step, allocated, calls, freed, golden_file, made, parse, run, source, within};
use ifscrub::kern::slab::ObjRef;
use ifscrub::kern::trace::What;

fn golden(name: &str) -> Ran {
    run(&golden_file("freebsd-14", name).program)
}

// ---- from the route to the interface ---------------------------------------------------

/// The callback in which a step happens, by its place among the callbacks of the operation.
fn callback(steps: &[Step], at: usize) -> (usize, &'static str) {
    let mut n = 0;
    let mut name = "";
    for s in &steps[..=at] {
        if let What::Enter(f) = s.event.what
            && s.stack.len() >= 2
            && s.stack[s.stack.len() - 2] == "epoch_call_task"
        {
            n += 1;
            name = f.name;
        }
    }
    (n, name)
}

#[test]
fn a_deleted_route_frees_its_interface_after_three_grace_periods() {
    let r = golden("2.02-detach");
    let ifp = made(&r, 1, "ifnet");
    let steps = r.steps(6);
    let at = freed(&steps, ifp).expect("the interface is freed");
    let third = callback(&steps, at);
    assert_eq!(third.1, "if_free_deferred");

    let last = |o: ObjRef| {
        let zero = |s: &Step| matches!(s.event.what, What::Ref(x, -1, 0, _) if x == o);
        steps.iter().position(zero).expect("the counter becomes 0")
    };
    let at = last(ifp);
    let second = callback(&steps, at);
    assert_eq!(second.1, "destroy_nhop_epoch");
    let queued = |s: &Step| matches!(s.event.what, What::Enter(f) if f.name == "epoch_call");
    assert!(queued(&steps[at + 1]), "if_free_deferred is queued there and then");

    let nhop = steps[at..].iter().find_map(|s| match s.event.what {
        What::Free(o) if r.machine.class_name(o.class) == "nhop_object" => Some(o),
        _ => None,
    });
    let at = last(nhop.expect("the nexthop is freed"));
    let first = callback(&steps, at);
    assert_eq!(first.1, "destroy_rtentry_epoch");
    let queued = within(&steps[at..], "nhop_free").iter().any(queued);
    assert!(queued, "destroy_nhop_epoch is queued by nhop_free");
    assert!(first.0 < second.0 && second.0 < third.0, "{first:?} {second:?} {third:?}");
}

#[test]
fn a_reader_that_enters_in_between_holds_the_next_link_of_the_chain_back() {
    let reader = "resolve lo0 2001:db8::1  preempt if_output#1 for 1";
    let ops = [
        "NGM_MKPEER ng0",
        "ifup ng0",
        "SIOCAIFADDR_IN6 ng0 fe80::1",
        "NGM_SHUTDOWN ng0",
        reader,
        "epoch",
        reader,
        "epoch",
        reader,
        "epoch",
    ];
    let r = run(&parse("the test's program", &source("freebsd-14", "as-reported", &ops)));
    let chain = ["destroy_rtentry_epoch", "destroy_nhop_epoch", "if_free_deferred"];
    for (op, callback) in [6, 8, 10].into_iter().zip(chain) {
        let ran = calls(&r.steps(op), "epoch_call_task");
        let of_chain: Vec<_> = ran.into_iter().filter(|f| chain.contains(f)).collect();
        assert!(!of_chain.is_empty() && of_chain.iter().all(|f| *f == callback), "{of_chain:?}");
    }
    assert!(freed(&r.steps(10), made(&r, 1, "ifnet")).is_some());
}

#[test]
fn callbacks_that_were_queued_while_a_reader_was_inside_run_when_it_has_left() {
    let r = golden("2.11-epoch-held");
    let ran = |op: usize| calls(&r.steps(op), "epoch_call_task").len();
    assert_eq!(ran(9), 0, "while the reader is inside");
    assert!(ran(10) > 0, "when it has left");
}

// ---- the detach ------------------------------------------------------------------------

#[test]
fn both_halves_of_an_epair_run_the_thirteen_steps_in_order() {
    let steps_of_detach = [
        "yield unlink",
        "if_unlink_ifnet",
        "yield detach_sx",
        "if_detach_internal",
        "yield epoch_wait",
        "epoch_wait_preempt",
        "epoch_drain_callbacks",
        "yield delgroups",
        "if_delgroups",
        "taskqueue_drain",
        "taskqueue_drain",
        "yield if_down",
        "if_down",
        "yield purgeaddrs",
        "if_purgeaddrs",
        "yield in_ifdetach",
        "in_ifdetach",
        "yield in6_ifdetach",
        "in6_ifdetach",
        "yield purgemaddrs",
        "if_purgemaddrs",
        "yield departure",
        "yield if_dead",
        "if_dead",
        "off if_addrhead",
        "epoch_call",
        "yield flushifroutes",
        "rt_flushifroutes",
        "yield afdata",
        "yield in6_domifdetach",
        "in6_domifdetach",
        "yield in6_afdata_freed",
        "yield in_domifdetach",
        "in_domifdetach",
        "yield in_afdata_freed",
    ];
    let r = golden("2.03-epair-destroy");
    let steps = within(&r.steps(4), "ether_ifdetach");
    let mut halves: Vec<Vec<String>> = Vec::new();
    let mut interfaces = Vec::new();
    for s in &steps {
        let parent = s.stack.len().checked_sub(2).map_or("", |i| s.stack[i]);
        let own = ["if_detach", "if_detach_internal"];
        match s.event.what {
            What::Enter(f) if f.name == "if_detach" => halves.push(Vec::new()),
            What::Enter(f) if own.contains(&parent) => {
                halves.last_mut().expect("a detach").push(f.name.to_string());
            }
            What::Yield(at) if own.contains(&s.function()) => {
                let step = at.strip_prefix("if_detach_internal:").expect("a step");
                halves.last_mut().expect("a detach").push(format!("yield {step}"));
            }
            What::List(l, false, _) if own.contains(&s.function()) => {
                halves.last_mut().expect("a detach").push(format!("off {l}"));
            }
            What::List("V_ifnet", false, o) => interfaces.push(o),
            _ => {}
        }
    }
    assert_eq!(interfaces, allocated(&r, &r.steps(1), "ifnet"), "the half that was named first");
    assert_eq!(halves.len(), 2);
    for half in halves {
        assert_eq!(half, steps_of_detach);
    }
}

#[test]
fn an_epair_frees_both_halves_after_both_detaches_the_other_one_first() {
    let r = golden("2.03-epair-destroy");
    let both = allocated(&r, &r.steps(1), "ifnet");
    let steps = r.steps(4);
    let at = |name: &str| -> Vec<usize> {
        let enters = |s: &Step| matches!(s.event.what, What::Enter(f) if f.name == name);
        steps.iter().enumerate().filter(|(_, s)| enters(s)).map(|(i, _)| i).collect()
    };
    assert!(at("if_detach").last() < at("if_free").first());
    let index: Vec<_> = steps
        .iter()
        .filter(|s| s.function() == "if_free")
        .filter_map(|s| match s.event.what {
            What::Ref(o, -1, ..) => Some(o),
            _ => None,
        })
        .collect();
    assert_eq!(index, [both[1], both[0]]);
}

#[test]
fn the_detach_waits_for_the_epoch_before_it_purges_and_not_after() {
    for name in ["2.02-detach", "2.02-detach-repaired"] {
        let steps = golden(name).steps(5);
        let at = |wanted: &dyn Fn(&Step) -> bool| -> Vec<usize> {
            let all = steps.iter().enumerate().filter(|(_, s)| s.within("if_detach_internal"));
            all.filter(|(_, s)| wanted(s)).map(|(i, _)| i).collect()
        };
        let enters =
            |s: &Step, name: &str| matches!(s.event.what, What::Enter(f) if f.name == name);
        let waits = at(&|s| enters(s, "epoch_wait_preempt") || enters(s, "epoch_drain_callbacks"));
        // Steps 3 and 4: one wait, the drain, one wait for each group.
        assert_eq!(waits.len(), 3, "{name}");
        assert!(waits.last() < at(&|s| enters(s, "if_down")).first(), "{name}");
    }
}
