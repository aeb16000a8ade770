//! The exceptions of the invariants of `freebsd-14`, and that they are no wider.

mod support;

use ifscrub::kern::slab::ObjRef;
use ifscrub::stack::freebsd::invariants::{self as inv, Left, detached};
use ifscrub::stack::freebsd::lists::chain;
use ifscrub::stack::freebsd::objects::*;
use ifscrub::stack::freebsd::radix::rnh_lookup;
use ifscrub::stack::freebsd::subr_epoch::net_epoch_enter;
use support::world_freebsd::*;

#[test]
fn the_driver_may_bring_an_interface_up_for_an_address_that_is_refused_later() {
    // The route to 10.0.0.2/32 is there already, ng0's to itself.
    let lines = "NGM_MKPEER ng0\nSIOCAIFADDR ng0 10.0.0.2 dst 10.0.0.1\nSIOCIFCREATE epair0a\n\
                 SIOCAIFADDR epair0a 10.0.0.2 mask /32\n";
    let k = after(lines, 0);
    assert_eq!(k.counts().ok, 3, "the last one is refused");
    let ep = interface(&k, 1);
    assert!(k[ep].if_flags.get() & IFF_UP != 0, "and yet the interface is up");
}

#[test]
fn an_address_that_is_to_be_replaced_may_be_lost_when_the_addition_fails() {
    let lines = "SIOCIFCREATE epair0a\nSIOCAIFADDR epair0a 10.0.0.1\n\
                 SIOCAIFADDR epair0a 10.0.0.1 mask /16  fail rt_alloc#1\n";
    let k = after(lines, 0);
    assert_eq!((k.counts().ok, k.injected()), (2, 1));
    let first = k[interface(&k, 1)].if_addrhead.first.get();
    let mut listed = chain(first, |i| k.st.ifas.raw(i).ifa_link.next.get());
    assert!(listed.all(|i| k[i].af.get() != Af::Inet), "neither the old one nor the new one");
    assert_eq!(k.st.notes.replaced.get(), 0, "for that operation only");
}

#[test]
fn what_an_interface_brings_with_it_is_excused_when_the_driver_brings_it_up() {
    let lines = "SIOCIFCREATE epair0a\n\
                 SIOCAIFADDR_IN6 epair0a 2001:db8:1::1  fail malloc_nd_prefix#1\n";
    let k = after(lines, 0);
    assert_eq!((k.counts().ok, k.injected()), (1, 1));
    let first = k[interface(&k, 1)].if_addrhead.first.get();
    let listed = chain(first, |i| k.st.ifas.raw(i).ifa_link.next.get());
    let inet6: Vec<_> =
        listed.filter(|&i| k[i].af.get() == Af::Inet6).map(|i| k[i].addr.get() >> 48).collect();
    assert_eq!(inet6, [0xfe80], "its link-local address, and not the one that was asked for");
}

#[test]
fn an_epoch_section_that_the_detach_will_wait_for_may_still_add_and_nobody_else() {
    let dying = || {
        let w = World::new();
        on(&w.k[w.tun].if_flags, IFF_DYING);
        w
    };
    let add = |w: &World| inv::added(&w.k, w.tun, ObjRef::of(w.ll), Left::Addrhead);
    let w = dying();
    net_epoch_enter(&w.k);
    add(&w);
    assert_eq!(w.k.violation(), None);
    inv::waited(&w.k, w.tun);
    add(&w);
    assert_broken("after the wait", w.k.violation(), &inv::I12_ADDED, [Left::Addrhead as u32, 1]);
    let w = dying();
    add(&w);
    assert_broken("outside", w.k.violation(), &inv::I12_ADDED, [Left::Addrhead as u32, 1]);
}

#[test]
fn the_user_may_delete_a_routers_default_route_but_not_an_interface_route() {
    let k = after(&format!("{WORLD}route_delete ::/0\n"), 0);
    let (dr, d) = k.st.routers.iter().next().expect("the router is still there");
    assert!(d.installed.get() && rnh_lookup(&k, Af::Inet6, Prefix::new(0, 0)).is_null());
    assert_eq!(k.st.notes.user_routers.get(), 1 << dr.slot());
    let k = after(&format!("{WORLD}route_delete 10.0.0.0/24\n"), 0);
    assert_eq!(k.st.notes.user_routers.get(), 0);
    assert!(!rnh_lookup(&k, Af::Inet, Prefix::new(0x0a00_0000 << 32, 24)).is_null());
}

/// The strict form of I10 only warns. A rebuild that failed is excused while its callout is
/// armed or dispatched, and a dispatched callout only where a rebuild has failed.
#[test]
fn a_fib_that_is_behind_at_the_detach_is_counted_unless_a_failed_rebuild_is_tried_again() {
    let w = World::new();
    stale_fib(&w);
    let d = &w.k[w.fd];
    let counted = || {
        let before = w.k.counts().warnings;
        detached(&w.k, w.tun);
        assert_eq!(w.k.violation(), None);
        w.k.counts().warnings - before
    };
    assert_eq!(counted(), 1);
    d.fd_callout_action.set(FdAction::Rebuild);
    d.fd_failed_rebuilds.set(1);
    assert_eq!(counted(), 1, "nothing is armed");
    w.k.callout_reset(&d.fd_callout, 50);
    assert_eq!(counted(), 0, "armed");
    d.fd_callout.dispatch();
    assert_eq!(counted(), 0, "dispatched");
    d.fd_failed_rebuilds.set(0);
    assert_eq!(counted(), 1, "nothing has failed");
}

/// While it is behind, I20 looks after it.
#[test]
fn a_fib_that_is_not_in_step_may_have_nexthops_of_a_detached_interface() {
    let w = World::new();
    stale_after_detach(&w);
    w.k[w.fd].fd_need_rebuild.set(true);
    w.k.callout_reset(&w.k[w.fd].fd_callout, 50);
    w.k.st.rnh_gen_rib[V4].inc();
    assert_eq!(check(&w.k), None);
    w.k.st.rnh_gen[V4].inc();
    assert_broken("in step", check(&w.k), &inv::I10_FIB_DETACHED, [Left::Fib as u32, 0]);
}

/// It has kept the nexthop because there was no memory to give it up.
#[test]
fn a_fib_in_step_may_have_them_while_a_rebuild_that_failed_is_tried_again() {
    let stale = |failed: u32, armed: bool| {
        let w = World::new();
        stale_after_detach(&w);
        w.k[w.fd].fd_failed_rebuilds.set(failed);
        if armed {
            w.k.callout_reset(&w.k[w.fd].fd_callout, 50);
        }
        check(&w.k)
    };
    assert_eq!(stale(1, true), None);
    let broken = [Left::Fib as u32, 0];
    assert_broken("nothing has failed", stale(0, true), &inv::I10_FIB_DETACHED, broken);
    assert_broken("nothing is armed", stale(1, false), &inv::I10_FIB_DETACHED, broken);
}
