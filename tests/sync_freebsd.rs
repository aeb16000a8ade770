//! When lookups of `freebsd-14` know of a change of the RIB: its two generations, in the state at
//! rest that a program leads to.

mod common;

use common::{golden_file, parse, run, source};
use ifscrub::kern::Kernel;
use ifscrub::kern::exec::{Config, run_to_rest};
use ifscrub::kern::trace::{Event, What};
use ifscrub::stack::freebsd::objects::V6;
use ifscrub::stack::freebsd::{Freebsd, K};

/// The state at rest that operations lead to.
fn rest(defects: &str, ops: &[&str]) -> K {
    let p = parse("the test's program", &source("freebsd-14", defects, ops));
    at_rest(&p)
}

fn at_rest(p: &ifscrub::program::Program) -> K {
    let mut k = Kernel::<Freebsd>::new();
    let m = common::machine_of(p);
    let defects = common::defects_of(&*m, p);
    run_to_rest(&mut k, p, Config { defects, ..Config::default() });
    k
}

/// `rnh_gen_rib - rnh_gen` of IPv6: changes that lookups do not know of.
fn behind(k: &K) -> u32 {
    k.st.rnh_gen_rib[V6].get() - k.st.rnh_gen[V6].get()
}

const ROUTER: [&str; 4] =
    ["SIOCIFCREATE epair0a", "ifup epair0a", "SIOCAIFADDR_IN6 epair0a fe80::1", "ra epair0a"];

#[test]
fn rnh_gen_stays_behind_rnh_gen_rib_until_the_delayed_synchronization() {
    assert_eq!(behind(&rest("as-reported", &ROUTER[..3])), 0, "interface routes are there at once");
    assert_eq!(behind(&rest("as-reported", &ROUTER)), 1, "a router's default route waits");
    let later = [&ROUTER[..], &["advance 10ms"]].concat();
    assert_eq!(behind(&rest("as-reported", &later)), 1);
    let later = [&ROUTER[..], &["advance 50ms"]].concat();
    assert_eq!(behind(&rest("as-reported", &later)), 0);
    // And its deletion, too.
    let gone = [&ROUTER[..], &["advance 50ms", "ra epair0a lifetime 0"]].concat();
    assert_eq!(behind(&rest("as-reported", &gone)), 1);
}

#[test]
fn a_change_that_must_be_at_once_brings_what_waits_along() {
    let at_once = [&ROUTER[..], &["SIOCAIFADDR_IN6 epair0a 2001:db8:1::1"]].concat();
    assert_eq!(behind(&rest("as-reported", &at_once)), 0);
}

#[test]
fn routes_through_a_dying_interface_wait_as_reported_and_are_gone_at_once_repaired() {
    let mut p = golden_file("freebsd-14", "2.10-retransmit-stale").program;
    p.ops.truncate(8);
    assert_eq!(behind(&at_rest(&p)), 1, "as reported");
    p.header.defects = Some(Vec::new());
    assert_eq!(behind(&at_rest(&p)), 0, "repaired");
}

#[test]
fn a_rebuild_that_fails_in_the_callout_leaves_the_fib_behind_as_reported() {
    for (name, left) in [("2.08-rebuild-given-up", 1), ("2.08-rebuild-given-up-repaired", 0)] {
        assert_eq!(behind(&at_rest(&golden_file("freebsd-14", name).program)), left, "{name}");
    }
    assert_eq!(behind(&at_rest(&golden_file("freebsd-14", "2.08-rebuild-retried").program)), 0);
}

/// The real number of tries. Nothing but the callout's operation is disturbed.
#[test]
fn a_failing_callout_gives_up_after_32_tries_and_one_that_succeeds_is_enough() {
    let with = |fault: &str| {
        let last = format!("advance 50ms{fault}");
        let text = source(
            "freebsd-14",
            "fib-callout-rebuild-no-retry",
            &["SIOCIFCREATE epair0a", "ifup epair0a", "ra epair0a from fe80::2", &last],
        );
        let p = parse("a failing callout", &text.replace("stop kernel", "stop books"));
        let ran = run(&p);
        let failed = |e: &&Event| matches!(e.what, What::Call("fib_data_alloc", true));
        let failures = ran.trace.events.iter().filter(failed).count();
        (failures, ran.outcome.violation.map(|v| v.rule.name), behind(&at_rest(&p)))
    };
    assert_eq!(with(""), (0, None, 0));
    assert_eq!(with("  fail fib_data_alloc#1"), (1, None, 0));
    assert_eq!(with("  fail fib_data_alloc#1.."), (32, Some("I20-rebuild-pending"), 1));
}
