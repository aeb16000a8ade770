//! Every oracle of `freebsd-14` fires, and stays quiet.
//!
//! For each of its rules there is something that breaks it and nothing before it, and a
//! twin in which all is well:
//!
//! * a program `tests/freebsd_checks/RULE.ops`, or `RULE+WAY.ops`, under a few defects of
//!   the catalogue, whose twin is the same program with all of them repaired;
//! * a [`World`] at rest with one thing corrupted by hand, whose twin is that world
//!   untouched: for every way in which a rule looks.
//!
//! Rules of the kernel substrate are the subject of `tests/checks.rs`.

mod support;

use ifscrub::kern::callout::CalloutState;
use ifscrub::kern::exec::Config;
use ifscrub::kern::queue::Place;
use ifscrub::kern::slab::ObjRef;
use ifscrub::program::Stop;
use ifscrub::shadow::Rule;
use ifscrub::stack::freebsd::census::DEAD;
use ifscrub::stack::freebsd::invariants::{self as inv, Left, check_afdata_use, detached};
use ifscrub::stack::freebsd::lists::{LIST_NAMES, List};
use ifscrub::stack::freebsd::objects::*;
use ifscrub::stack::freebsd::radix::{rnh_deladdr, rnh_lookup};
use ifscrub::stack::freebsd::subr_epoch::net_epoch_assert;
use ifscrub::stack::freebsd::subr_epoch::{Callback, net_epoch_call, net_epoch_enter};
use ifscrub::stack::freebsd::subr_taskqueue::{Task, taskqueue_enqueue};
use ifscrub::stack::freebsd::{K, if_c, uma};
use ifscrub::triage::sets::members;
use std::collections::BTreeSet;
use std::path::Path;
use support::world_freebsd::*;

// ---- programs ---------------------------------------------------------------------

/// The rule that a program is to break.
fn rule_of(path: &Path) -> String {
    let stem = path.file_stem().expect("a file has a name").to_string_lossy();
    stem.split('+').next().expect("split yields something").to_string()
}

#[test]
fn each_program_breaks_its_rule_first_and_is_clean_repaired() {
    let programs = support::programs_in("tests/freebsd_checks");
    assert!(!programs.is_empty());
    for path in programs {
        let name = rule_of(&path);
        let rule = inv::RULES.iter().find(|r| r.name == name);
        assert!(rule.is_some(), "{}: no rule is called so", path.display());
        let p = support::read(&path);
        let mut m = support::machine_for(&p);
        let set = support::own_defects(&*m, &p);
        assert_eq!(p.header.stop, Stop::Books, "{name}");
        let mut run = |defects| m.run(&p, Config { defects, ..Config::default() });
        let (broken, twin) = (run(set), run(0));
        assert!(twin.clean() && !twin.exhausted, "{name}, repaired: {}", support::shown(&twin));
        assert!(broken.unreached.is_empty(), "{name}: {:?}", broken.unreached);
        if rule.is_some_and(|r| r.warning) {
            assert!(broken.clean() && broken.counts.warnings > 0, "{}", support::shown(&broken));
            assert_eq!(twin.counts.warnings, 0, "{name}, repaired");
            continue;
        }
        let v = broken.violation.unwrap_or_else(|| panic!("{name}: clean"));
        assert_eq!(v.rule.name, name);
        // None of the defects is there for decoration, unless another one brings it along.
        let brought = |d: usize| members(set).any(|o| m.defects()[o].needs >> d & 1 != 0);
        let own: Vec<_> = members(set).filter(|&d| !brought(d)).collect();
        for d in own {
            let without = m.run(&p, Config { defects: set & !(1 << d), ..Config::default() });
            let still = without.violation.is_some_and(|w| w.rule.name == name);
            assert!(!still, "{name} does not need {}", m.defects()[d].id);
        }
    }
}

// ---- corruption -------------------------------------------------------------------

/// A rule, the numbers that tell its ways to look apart, and what to do to a world in
/// order for it to be broken there.
type Corruption = (&'static Rule, [u32; 2], fn(&World));

/// A route to a network that nothing brought, through the nexthop of the prefix route.
fn stray_route(w: &World) {
    let (k, rt) = (&w.k, uma::alloc(&w.k, |s| &s.rts));
    k[rt].rt_nhop.set(NhRef::Nh(w.nh));
    k[w.nh].nh_refcnt.inc();
}

/// Makes what a route goes through one path of the user's group; the FIB is to follow.
fn joins(w: &World, rt: RtId) {
    let NhRef::Nh(nh) = w.k[rt].rt_nhop.get() else { panic!("it is a path already") };
    let members = &w.k[w.nhg].nhops;
    members.iter().find(|m| m.get().is_null()).expect("there is room").set(nh);
    w.k[rt].rt_nhop.set(NhRef::Nhg(w.nhg));
    w.k[w.nhg].nhg_refcount.inc();
    let af = w.k[rt].af.get().index();
    let fd = w.k.st.v_inet_dp[af].get();
    w.k.st.rnh_gen_rib[af].inc();
    w.k[fd].fd_callout_action.set(FdAction::Rebuild);
    w.k.callout_reset(&w.k[fd].fd_callout, 50);
}

/// A FIB instance that has been replaced and waits for its grace period.
fn dead_instance(w: &World) -> FdId {
    let (k, fd) = (&w.k, uma::alloc(&w.k, |s| &s.fds));
    k[fd].af.set(Af::Inet);
    k[fd].fd_dead.set(true);
    k.st.flm_refcount[k[fd].fd_flm.get() as usize][V4].inc();
    net_epoch_call(k, Callback::DestroyFdInstance(fd));
    fd
}

/// A nexthop that nobody holds any more and that waits for its grace period.
fn unheld_nexthop(w: &World) -> NhId {
    let (k, nh) = (&w.k, uma::alloc(&w.k, |s| &s.nhops));
    k[nh].af.set(Af::Inet);
    k[nh].nh_ifp.set(w.tun);
    k[nh].nh_aifp.set(w.tun);
    k[nh].nh_ifa.set(k[w.tun].if_addr.get());
    k[w.tun].if_refcount.inc();
    k[w.tun].if_refcount.inc();
    k[k[w.tun].if_addr.get()].ifa_refcnt.inc();
    k[nh].nh_finalized.set(true);
    net_epoch_call(k, Callback::DestroyNhop(nh));
    nh
}

/// An interface that may be freed, but for what is still to be done for it.
fn dying_interface(w: &World) -> IfId {
    let ifp = uma::alloc(&w.k, |s| &s.ifnets);
    w.k[ifp].if_flags.set(IFF_DYING);
    ifp
}

/// Corruptions that the checks after an operation must find.
const AT_REST: &[Corruption] = &[
    (&inv::I01_IF_REFCOUNT, [ANY, ANY], |w| {
        w.k[w.ng].if_refcount.inc();
    }),
    (&inv::I01_IF_REFCOUNT, [2, 1], |w| {
        // The index, and the packet filter.
        let bp = w.k[w.tun].if_bpf.get();
        w.k[bp].bif_ifp.set(IfId::NULL);
    }),
    (&inv::I01_IF_REFCOUNT, [0, DEAD], |w| {
        let bp = w.k[w.tun].if_bpf.get();
        w.k[bp].bif_ifp.set(IfId::new(11, 9));
    }),
    (&inv::I02_IFA_REFCNT, [ANY, ANY], |w| {
        w.k[w.a4].ifa_refcnt.dec();
    }),
    (&inv::I02_IFA_REFCNT, [ANY, ANY], |w| {
        assert!(w.k.st.v_in_ifaddrhead.remove(w.a4, |i| &w.k[i].ia_link));
    }),
    (&inv::I02_MEMBERSHIP, [1, 1], |w| {
        assert!(w.k.st.v_in_ifaddrhashtbl.remove(w.a4, |i| &w.k[i].ia_hash));
    }),
    (&inv::I02_MEMBERSHIP, [0, 1], |w| {
        assert!(w.k[w.ep].if_addrhead.remove(w.a4, |i| &w.k[i].ifa_link));
        w.k[w.a4].ifa_refcnt.dec();
    }),
    (&inv::I03_NH_REFCNT, [ANY, ANY], |w| {
        w.k[w.nh].nh_refcnt.inc();
    }),
    (&inv::I03_NH_REFCNT, [ANY, ANY], |w| w.k[w.inp].ro_nh.set(NhRef::Null)),
    (&inv::I03_NH_REFCNT, [0, DEAD], |w| w.k[w.inp].ro_nh.set(NhRef::Nh(NhId::new(47, 9)))),
    (&inv::I03_NHG_REFCOUNT, [ANY, ANY], |w| {
        w.k[w.nhg].nhg_refcount.inc();
    }),
    (&inv::I03_QUEUED_ONCE, [0, 0], |w| {
        uma::alloc(&w.k, |s| &s.ifas);
    }),
    (&inv::I03_QUEUED_ONCE, [ANY, 1], |w| net_epoch_call(&w.k, Callback::IfaDestroy(w.a4))),
    (&inv::I03_QUEUED_ONCE, [0, 2], |w| {
        let nh = unheld_nexthop(w);
        w.k[nh].nh_linked.set(2);
        w.k[nh].nh_idx.set(60);
        w.k.st.nh_head.insert_head(V4, nh, |i| &w.k[i].nh_next);
    }),
    (&inv::I03_QUEUED_ONCE, [0, 2], |w| {
        let (k, nhg) = (&w.k, uma::alloc(&w.k, |s| &s.nhgrps));
        k[nhg].af.set(Af::Inet);
        k[nhg].nhg_linked.set(2);
        k[nhg].nhg_idx.set(60);
        k.st.gr_head.insert_head(V4, nhg, |i| &k[i].nhg_next);
        net_epoch_call(k, Callback::DestroyNhgrp(nhg));
    }),
    (&inv::I04_NDPR_REFCNT, [2, 1], |w| {
        w.k[w.pr].ndpr_refcnt.inc();
    }),
    (&inv::I04_NDPR_ADDRCNT, [1, 0], |w| w.k[w.a6].ia6_ndpr.set(PrId::NULL)),
    (&inv::I04_NDPR_ADDRCNT, [0, DEAD], |w| w.k[w.a6].ia6_ndpr.set(PrId::new(15, 9))),
    (&inv::I05_DR_REFCNT, [ANY, ANY], |w| {
        w.k[w.dr].refcnt.inc();
    }),
    (&inv::I05_FLM_REFCOUNT, [ANY, ANY], |w| {
        w.k.st.flm_refcount[Flm::Radix as usize][V6].inc();
    }),
    (&inv::REFCNT_OTHER, [ANY, ANY], |w| {
        let (_, l) = w.k.st.lles.iter().next().expect("epair0a has its own entries");
        l.lle_refcnt.inc();
    }),
    (&inv::REFCNT_OTHER, [ANY, ANY], |w| {
        let (_, m) = w.k.st.inms.iter().next().expect("addresses join groups");
        m.refcount.inc();
    }),
    (&inv::REFCNT_OTHER, [ANY, ANY], |w| {
        let (_, m) = w.k.st.ifmas.iter().next().expect("groups have link-level records");
        m.ifma_refcount.dec();
    }),
    (&inv::REFCNT_OTHER, [2, 1], |w| {
        w.k[w.k[w.tun].if_bpf.get()].bif_refcnt.inc();
    }),
    (&inv::REFCNT_OTHER, [1, 0], |w| w.k[w.inp].inp_socket.set(false)),
    (&inv::REFCNT_OTHER, [1, 0], |w| w.k[w.k.st.ng_iface[0].get()].own.set(false)),
    (&inv::REFCNT_OTHER, [1, 0], |w| {
        let dad = uma::alloc(&w.k, |s| &s.dads);
        w.k[dad].dad_refcnt.set(1);
    }),
    (&inv::I06_DOUBLE_QUEUE, [1, 0], |w| {
        let ifa = uma::alloc(&w.k, |s| &s.ifas);
        net_epoch_call(&w.k, Callback::IfaDestroy(ifa));
        net_epoch_call(&w.k, Callback::IfaDestroy(ifa));
    }),
    (&inv::I06_DOUBLE_QUEUE, [0, 0], |w| {
        net_epoch_call(&w.k, Callback::IfaDestroy(IfaId::new(31, 9)));
    }),
    (&inv::I07_NHOP_DEPS, [0, DEAD], |w| w.k[w.nh].nh_ifa.set(IfaId::new(31, 9))),
    (&inv::I07_NHOP_DEPS, [0, DEAD], |w| w.k[w.nh].nh_ifp.set(IfId::new(11, 9))),
    (&inv::I07_NHOP_DEPS, [0, DEAD], |w| w.k[w.nh].nh_aifp.set(IfId::new(11, 9))),
    (&inv::I07_RIB, [ANY, 0], |w| off(&w.k[w.rt].rte_flags, RTF_UP)),
    (&inv::I07_RIB, [ANY, 0], |w| w.k.st.rts.free(w.rt)),
    (&inv::I07_RIB, [ANY, 0], |w| w.k.st.rib[V4][0].set(w.k.st.rib[V4][1].get())),
    (&inv::I07_RIB, [0, 2], |w| {
        let (k, rt) = (&w.k, uma::alloc(&w.k, |s| &s.rts));
        k[rt].rte_flags.set(RTF_UP);
        net_epoch_call(k, Callback::DestroyRtentry(rt));
    }),
    (&inv::I10_FIB_DETACHED, [Left::Fib as u32, 0], stale_after_detach),
    (&inv::I12_DYING, [ANY, 1], |w| on(&w.k[w.tun].if_flags, IFF_DYING)),
    (&inv::I12_DYING, [ANY, 0], |w| {
        assert!(w.k.st.v_ifnet.remove(w.tun, |i| &w.k[i].if_link));
    }),
    (&inv::I12_DYING, [ANY, 1], |w| w.k.st.notes.dying.set(1 << w.tun.slot())),
    (&inv::I12_ADDED, [Left::Addrhead as u32, 0], |w| {
        w.k.st.notes.detached.set(1 << w.tun.slot());
    }),
    (&inv::I12_ADDED, [Left::Route as u32, 0], |w| {
        w.k.st.notes.detached.set(1 << w.ng.slot());
    }),
    (&inv::I13_IFINDEX, [ANY, 0], |w| {
        w.k.st.ifindex_gencnt[usize::from(w.k[w.tun].if_index.get())].inc();
    }),
    (&inv::I13_IFINDEX, [ANY, 0], |w| {
        w.k[w.tun].if_index.inc();
    }),
    (&inv::I16_LEAK, [0, 0], stray_route),
    (&inv::I16_LEAK, [1, 0], |w| net_epoch_call(&w.k, Callback::DestroyRtentry(w.rt))),
    (&inv::I16_LEAK, [2, 0], |w| {
        let (k, nh) = (&w.k, w.nh);
        k[nh].nh_finalized.set(false);
        k[k[nh].nh_ifp.get()].if_refcount.dec();
        k[k[nh].nh_aifp.get()].if_refcount.dec();
        k[k[nh].nh_ifa.get()].ifa_refcnt.dec();
    }),
    (&inv::I16_LEAK, [3, 0], |w| {
        let fd = uma::alloc(&w.k, |s| &s.fds);
        w.k[fd].fd_dead.set(true);
    }),
    (&inv::I16_LEAK, [4, 0], |w| {
        uma::alloc(&w.k, |s| &s.exts);
    }),
    (&inv::I16_LEAK, [5, 0], |w| {
        uma::alloc(&w.k, |s| &s.ifinfos);
    }),
    (&inv::I16_LEAK, [6, 0], |w| {
        uma::alloc(&w.k, |s| &s.lles);
    }),
    (&inv::I16_LEAK, [7, 0], |w| {
        uma::alloc(&w.k, |s| &s.inps);
    }),
    (&inv::I16_LEAK, [8, 0], |w| {
        uma::alloc(&w.k, |s| &s.inms);
    }),
    (&inv::I16_LEAK, [9, 0], |w| {
        uma::alloc(&w.k, |s| &s.ifmas);
    }),
    (&inv::I16_LEAK, [10, 0], |w| {
        uma::alloc(&w.k, |s| &s.bpfs);
    }),
    (&inv::I16_NH_IDX, [60, V4 as u32], |w| {
        let used = &w.k.st.nh_idx_head[V4];
        used.set(used.get() | 1 << 60);
    }),
    (&inv::I16_MODULE_DATA, [ANY, ANY], |w| {
        w.k.st.lradix_data[V6].inc();
    }),
    (&inv::I17_ONLINK, [2, 0], |w| off(&w.k[w.pr].ndpr_stateflags, NDPRF_ONLINK)),
    (&inv::I17_ONLINK, [0, 0], |w| {
        let rt = rnh_lookup(&w.k, Af::Inet6, w.k[w.pr].ndpr_prefix.get());
        let NhRef::Nh(nh) = w.k[rt].rt_nhop.get() else { panic!("a prefix route has a nexthop") };
        off(&w.k[nh].rt_flags, RTF_PINNED);
    }),
    (&inv::I17_ONLINK, [1, 0], |w| {
        let k = &w.k;
        let twin = uma::alloc(k, |s| &s.prefixes);
        k[twin].ndpr_prefix.set(k[w.pr].ndpr_prefix.get());
        k[twin].ndpr_ifp.set(w.ep);
        k[twin].ndpr_refcnt.set(1);
        k[twin].ndpr_stateflags.set(NDPRF_ONLINK);
        k.st.v_nd_prefix.insert_head(0, twin, |i| &k[i].ndpr_entry);
    }),
    (&inv::I17_ONLINK, [3, 0], |w| {
        joins(w, rnh_lookup(&w.k, Af::Inet6, w.k[w.pr].ndpr_prefix.get()));
    }),
    (&inv::I18_IFA_ROUTE, [2, 0], |w| off(&w.k[w.a4].ifa_flags, IFA_ROUTE)),
    (&inv::I18_IFA_ROUTE, [0, 0], |w| w.k[w.a4].bits.set(16)),
    (&inv::I18_IFA_ROUTE, [3, 0], |w| joins(w, w.rt)),
    (&inv::I18_IFA_RTSELF, [2, 0], |w| off(&w.k[w.a6].ifa_flags, IFA_RTSELF)),
    (&inv::I18_IFA_RTSELF, [0, 0], |w| w.k[w.a6].addr.set(0x2001_0001_0000_0009)),
    (&inv::I18_IFA_RTSELF, [3, 0], |w| {
        joins(w, rnh_lookup(&w.k, Af::Inet6, Prefix::new(w.k[w.a6].addr.get(), 64)));
    }),
    (&inv::I18_INSTALLED, [1, 0], |w| w.k[w.dr].installed.set(false)),
    (&inv::I18_INSTALLED, [0, 0], |w| w.k[w.dr].rtaddr.set(0xfe80 << 48 | 9)),
    (&inv::I19_ONE_INSTANCE, [1, V4 as u32], |w| w.k.st.v_inet_dp[V4].set(FdId::NULL)),
    (&inv::I19_ONE_INSTANCE, [2, V4 as u32], |w| w.k[w.fd].fd_dead.set(true)),
    (&inv::I19_ONE_INSTANCE, [4, V4 as u32], |w| {
        w.k.st.rnh_subscribers[V4].iter().for_each(|s| s.set(FdId::NULL));
    }),
    (&inv::I19_ONE_INSTANCE, [8, V4 as u32], |w| {
        let fd = dead_instance(w);
        w.k.callout_reset(&w.k[fd].fd_callout, 50);
    }),
    (&inv::I19_ONE_INSTANCE, [16, V4 as u32], |w| w.k[w.fd].subscribed.set(false)),
    (&inv::I19_ONE_INSTANCE, [0, V4 as u32 | 2], |w| {
        // The linked one goes, and none comes in its place.
        let (k, fd) = (&w.k, w.fd);
        assert!(k.st.v_fib_data_list.remove(fd, |i| &k[i].entries));
        k.st.v_inet_dp[V4].set(FdId::NULL);
        k.st.rnh_subscribers[V4].iter().for_each(|s| s.set(FdId::NULL));
        k[fd].subscribed.set(false);
        k[fd].fd_linked.set(false);
        k[fd].fd_dead.set(true);
        k[fd].fd_callout.stop();
        net_epoch_call(k, Callback::DestroyFdInstance(fd));
    }),
    (&inv::I19_SLOTS, [0, 0], |w| {
        let d = &w.k[w.fd];
        let free = (0..NFIBNH).find(|&i| d.slot_refs(i) == 0).expect("a free slot");
        d.nh_idx[free].set(NhRef::Null);
        d.ref_slot(free);
    }),
    (&inv::I20_FIB_EQUALS_RIB, [ANY, ANY], |w| {
        w.k[w.fd].table_len.dec();
    }),
    (&inv::I20_FIB_EQUALS_RIB, [0, u32::MAX], |w| {
        let first = &w.k[w.fd].table[0];
        first.set(FibEntry { addr: 1 << 63, bits: 1, ..first.get() });
    }),
    (&inv::I20_REBUILD_PENDING, [0, 0], |w| {
        w.k.st.rnh_gen_rib[V4].inc();
        w.k[w.fd].fd_callout.stop();
    }),
    (&inv::I20_REBUILD_PENDING, [1, 1001], |w| {
        w.k.st.rnh_gen_rib[V4].inc();
        w.k[w.fd].fd_callout_action.set(FdAction::Rebuild);
        w.k.callout_reset(&w.k[w.fd].fd_callout, 1001);
    }),
    (&inv::I20_REBUILD_PENDING, [1, 1050], |w| {
        // It is put off again, each time within its bound.
        w.k.st.rnh_gen_rib[V4].inc();
        w.k[w.fd].fd_callout_action.set(FdAction::Rebuild);
        w.k.callout_reset(&w.k[w.fd].fd_callout, 1000);
        assert_eq!(check(&w.k), None);
        w.k.set_now(w.k.now() + 50);
        w.k.callout_reset(&w.k[w.fd].fd_callout, 1000);
    }),
    (&inv::I22_LISTS, [List::Addrhead as u32, 0], |w| w.k[w.a4].ifa_ifp.set(w.ng)),
    (&inv::I22_LISTS, [List::Addrhead as u32, 0], |w| w.k[w.a4].ifa_link.prev.set(Place::NULL)),
    (&inv::I22_LISTS, [List::Addrhead as u32, 1], |w| {
        // Its last one is followed by itself.
        let last = w.k[w.ep].if_addrhead.last.get();
        let last = last.element().expect("epair0a has addresses");
        w.k[last].ifa_link.next.set(last);
    }),
    (&inv::I22_LISTS, [List::Addrhead as u32, 2], |w| {
        w.k[w.ep].if_addrhead.last.set(Place::HEAD);
    }),
    (&inv::I22_LISTS, [List::Ifnet as u32, 0], |w| w.k[w.tun].if_link.prev.set(Place::NULL)),
    (&inv::I22_LISTS, [List::InIfaddrhead as u32, 0], |w| w.k[w.a4].af.set(Af::Inet6)),
    (&inv::I22_LISTS, [List::In6Ifaddrhead as u32, 0], |w| w.k[w.a6].af.set(Af::Inet)),
    (&inv::I22_LISTS, [List::InHash as u32, 0], |w| w.k[w.a4].ia_hash.prev.set(Place::NULL)),
    (&inv::I22_LISTS, [List::InHash as u32, 0], |w| {
        // In the bucket of another address.
        w.k[w.a4].ia_hash.head.set(w.k[w.a4].ia_hash.head.get() ^ 1);
    }),
    (&inv::I22_LISTS, [List::In6Hash as u32, 0], |w| w.k[w.a6].ia_hash.prev.set(Place::NULL)),
    (&inv::I22_LISTS, [List::Multiaddrs as u32, 0], |w| {
        let (_, m) = w.k.st.ifmas.iter().next().expect("groups have link-level records");
        m.enqueued.set(false);
    }),
    (&inv::I22_LISTS, [List::Prefix as u32, 0], |w| w.k[w.pr].ndpr_entry.prev.set(Place::NULL)),
    (&inv::I22_LISTS, [List::Defrouter as u32, 0], |w| w.k[w.dr].dr_entry.prev.set(Place::NULL)),
    (&inv::I22_LISTS, [List::Dadq as u32, 0], |w| {
        let (_, dad) = w.k.st.dads.iter().next().expect("the addresses are new");
        dad.dad_ondadq.set(false);
    }),
    (&inv::I22_LISTS, [List::Nhops as u32, 0], |w| w.k[w.nh].nh_linked.set(1)),
    (&inv::I22_LISTS, [List::Nhgrps as u32, 0], |w| w.k[w.nhg].nhg_linked.set(1)),
    (&inv::I22_LISTS, [List::FibData as u32, 0], |w| w.k[w.fd].fd_linked.set(false)),
    (&inv::I22_LISTS, [List::Bpf as u32, 0], |w| {
        w.k[w.k[w.tun].if_bpf.get()].bif_next.prev.set(Place::NULL);
    }),
    (&inv::I22_LISTS, [List::Lltable as u32, 0], |w| {
        let (_, l) = w.k.st.lles.iter().next().expect("epair0a has its own entries");
        l.linked.set(false);
    }),
    (&inv::I22_DEAD_ON_LIST, [List::Addrhead as u32, 0], |w| w.k.st.ifas.free(w.a4)),
    (&inv::I22_DEAD_ON_LIST, [List::Prefix as u32, 0], |w| w.k.st.prefixes.free(w.pr)),
    (&inv::I22_DEAD_ON_LIST, [List::Defrouter as u32, 0], |w| w.k.st.routers.free(w.dr)),
    (&inv::I22_DEAD_ON_LIST, [List::Nhops as u32, 0], |w| w.k.st.nhops.free(w.nh)),
    (&inv::I22_DEAD_ON_LIST, [List::Ifnet as u32, 0], |w| w.k.st.ifnets.free(w.tun)),
    (&inv::I22_DEAD_ON_LIST, [List::InIfaddrhead as u32, 0], |w| {
        assert!(w.k[w.ep].if_addrhead.remove(w.a4, |i| &w.k[i].ifa_link));
        w.k.st.ifas.free(w.a4);
    }),
    (&inv::I22_DEAD_ON_LIST, [List::In6Ifaddrhead as u32, 0], |w| {
        assert!(w.k[w.ep].if_addrhead.remove(w.a6, |i| &w.k[i].ifa_link));
        w.k.st.ifas.free(w.a6);
    }),
    (&inv::I22_DEAD_ON_LIST, [List::InHash as u32, 0], |w| {
        assert!(w.k[w.ep].if_addrhead.remove(w.a4, |i| &w.k[i].ifa_link));
        assert!(w.k.st.v_in_ifaddrhead.remove(w.a4, |i| &w.k[i].ia_link));
        w.k.st.ifas.free(w.a4);
    }),
    (&inv::I22_DEAD_ON_LIST, [List::In6Hash as u32, 0], |w| {
        assert!(w.k[w.ep].if_addrhead.remove(w.a6, |i| &w.k[i].ifa_link));
        assert!(w.k.st.v_in6_ifaddrhead.remove(w.a6, |i| &w.k[i].ia_link));
        w.k.st.ifas.free(w.a6);
    }),
    (&inv::I22_DEAD_ON_LIST, [List::Multiaddrs as u32, 0], |w| {
        let (ifma, _) = w.k.st.ifmas.iter().next().expect("groups have link-level records");
        w.k.st.ifmas.free(ifma);
    }),
    (&inv::I22_DEAD_ON_LIST, [List::Dadq as u32, 0], |w| {
        let (dad, _) = w.k.st.dads.iter().next().expect("the addresses are new");
        w.k.st.dads.free(dad);
    }),
    (&inv::I22_DEAD_ON_LIST, [List::Nhgrps as u32, 0], |w| w.k.st.nhgrps.free(w.nhg)),
    (&inv::I22_DEAD_ON_LIST, [List::FibData as u32, 0], |w| w.k.st.fds.free(w.fd)),
    (&inv::I22_DEAD_ON_LIST, [List::Bpf as u32, 0], |w| {
        w.k.st.bpfs.free(w.k[w.tun].if_bpf.get());
    }),
    (&inv::I22_DEAD_ON_LIST, [List::Lltable as u32, 0], |w| {
        let (lle, _) = w.k.st.lles.iter().next().expect("epair0a has its own entries");
        w.k.st.lles.free(lle);
    }),
];

/// Mistakes that are found where they happen, without any check at rest.
const AT_ONCE: &[Corruption] = &[
    (&inv::I06_ACQUIRE_FROM_ZERO, [0, 0], |w| {
        let ifa = uma::alloc(&w.k, |s| &s.ifas);
        if_c::ifa_ref(&w.k, ifa);
    }),
    (&inv::I06_RELEASE_AT_ZERO, [0, 0], |w| {
        let ifa = uma::alloc(&w.k, |s| &s.ifas);
        if_c::ifa_free(&w.k, ifa);
    }),
    (&inv::I08_AFDATA, [inv::Afdata::Null as u32, 0], |w| {
        net_epoch_enter(&w.k);
        check_afdata_use(&w.k, w.ng);
        assert_eq!(w.k.violation(), None);
        w.k[w.ng].if_afdata_inet6.set(ExtId::NULL);
        check_afdata_use(&w.k, w.ng);
    }),
    (&inv::I08_AFDATA, [inv::Afdata::Freed as u32, 0], |w| {
        net_epoch_enter(&w.k);
        w.k.st.exts.free(w.k[w.ng].if_afdata_inet6.get());
        check_afdata_use(&w.k, w.ng);
    }),
    (&inv::I09_RIB_DETACHED, [Left::Route as u32, 0], |w| detached(&w.k, w.ng)),
    (&inv::I11_LEFT_BEHIND, [Left::Addrhead as u32, 0], |w| detached(&w.k, w.tun)),
    (&inv::I11_LEFT_BEHIND, [Left::IfaddrList as u32, 0], |w| {
        nothing_but(w, |w| w.k[w.a4].ifa_ifp.set(w.tun));
    }),
    (&inv::I11_LEFT_BEHIND, [Left::Prefix as u32, 0], |w| {
        nothing_but(w, |w| w.k[w.pr].ndpr_ifp.set(w.tun));
    }),
    (&inv::I11_LEFT_BEHIND, [Left::Router as u32, 0], |w| {
        nothing_but(w, |w| w.k[w.dr].ifp.set(w.tun));
    }),
    (&inv::I11_LEFT_BEHIND, [Left::Dad as u32, 0], |w| {
        nothing_but(w, |w| {
            let (ifa, dad) = (uma::alloc(&w.k, |s| &s.ifas), uma::alloc(&w.k, |s| &s.dads));
            w.k[ifa].ifa_ifp.set(w.tun);
            w.k[dad].dad_ifa.set(ifa);
            w.k[dad].dad_ondadq.set(true);
        });
    }),
    (&inv::I11_LEFT_BEHIND, [Left::Lle as u32, 0], |w| {
        nothing_but(w, |w| {
            let (_, l) = w.k.st.lles.iter().next().expect("epair0a has its own entries");
            l.llt_ifp.set(w.tun);
        });
    }),
    (&inv::I11_LEFT_BEHIND, [Left::Multi as u32, 0], |w| {
        nothing_but(w, |w| {
            let (_, m) = w.k.st.inms.iter().next().expect("addresses join groups");
            m.ifp.set(w.tun);
        });
    }),
    (&inv::I11_LEFT_BEHIND, [Left::Ifmultiaddr as u32, 0], |w| {
        nothing_but(w, |w| {
            let (_, m) = w.k.st.ifmas.iter().next().expect("groups have link-level records");
            m.ifma_ifp.set(w.tun);
        });
    }),
    (&inv::I14_OUTSIDE_EPOCH, [ANY, ANY], |w| net_epoch_assert(&w.k)),
    (&inv::I15_IF_FREE, [0b10, 0], |w| {
        let ifp = uma::alloc(&w.k, |s| &s.ifnets);
        uma::free(&w.k, |s| &s.ifnets, ifp);
    }),
    (&inv::I15_IF_FREE, [0b1101, 1], |w| {
        let ifp = uma::alloc(&w.k, |s| &s.ifnets);
        w.k[ifp].if_flags.set(IFF_DYING);
        w.k[ifp].if_refcount.set(1);
        w.k[ifp].if_afdata_inet.set(w.k[w.tun].if_afdata_inet.get());
        w.k[ifp].if_afdata_inet6.set(w.k[w.tun].if_afdata_inet6.get());
        uma::free(&w.k, |s| &s.ifnets, ifp);
    }),
    (&inv::I22_FREED_BUSY, [0, ANY], |w| {
        let dad = uma::alloc(&w.k, |s| &s.dads);
        w.k.callout_reset(&w.k[dad].dad_timer_ch, 10);
        uma::free(&w.k, |s| &s.dads, dad);
    }),
    (&inv::I22_FREED_BUSY, [0, ANY], |w| {
        let fd = uma::alloc(&w.k, |s| &s.fds);
        w.k.callout_reset(&w.k[fd].fd_callout, 10);
        uma::free(&w.k, |s| &s.fds, fd);
    }),
    (&inv::I22_FREED_BUSY, [0, ANY], |w| {
        let inp = uma::alloc(&w.k, |s| &s.inps);
        w.k.callout_reset(&w.k[inp].t_callout, 10);
        uma::free(&w.k, |s| &s.inps, inp);
    }),
    (&inv::I22_FREED_BUSY, [0, CalloutState::Dispatched as u32], |w| {
        // Softclock has it in hand; its reference of the entry is no holder any more.
        let lle = uma::alloc(&w.k, |s| &s.lles);
        w.k.callout_reset(&w.k[lle].lle_timer, 10);
        w.k[lle].lle_timer.dispatch();
        uma::free(&w.k, |s| &s.lles, lle);
    }),
    (&inv::I22_FREED_BUSY, [1, 0], |w| {
        let ifp = dying_interface(w);
        taskqueue_enqueue(&w.k, Task::Link(ifp));
        uma::free(&w.k, |s| &s.ifnets, ifp);
    }),
    (&inv::I22_FREED_BUSY, [1, 0], |w| {
        let ifp = dying_interface(w);
        taskqueue_enqueue(&w.k, Task::Addmulti(ifp));
        uma::free(&w.k, |s| &s.ifnets, ifp);
    }),
    (&inv::I22_FREED_BUSY, [1, 0], |w| {
        let sc = uma::alloc(&w.k, |s| &s.softcs);
        taskqueue_enqueue(&w.k, Task::EpairTx(sc));
        uma::free(&w.k, |s| &s.softcs, sc);
    }),
    (&inv::I22_FREED_BUSY, [1, 1], |w| {
        let ifp = dying_interface(w);
        taskqueue_enqueue(&w.k, Task::Link(ifp));
        assert_eq!(w.k.st.taskqueue.next(&w.k), Some((Task::Link(ifp), 1)));
        uma::free(&w.k, |s| &s.ifnets, ifp);
    }),
    (&inv::I22_FREED_BUSY, [1, 1], |w| {
        let sc = uma::alloc(&w.k, |s| &s.softcs);
        taskqueue_enqueue(&w.k, Task::EpairTx(sc));
        assert_eq!(w.k.st.epair_taskqueue.next(&w.k), Some((Task::EpairTx(sc), 1)));
        uma::free(&w.k, |s| &s.softcs, sc);
    }),
    (&inv::FREED_WHILE_HELD, [0, 0], |w| {
        // The index table: the part of I15 that I15-if-free leaves to this rule.
        let ifp = dying_interface(w);
        w.k.st.ifindex_table[20].set(ifp);
        uma::free(&w.k, |s| &s.ifnets, ifp);
    }),
    (&inv::FREED_WHILE_HELD, [0, 0], |w| uma::free(&w.k, |s| &s.prefixes, w.pr)),
    (&inv::FREED_WHILE_HELD, [1, 0], |w| {
        assert!(w.k.st.v_nd_prefix.remove(w.pr, |i| &w.k[i].ndpr_entry));
        uma::free(&w.k, |s| &s.prefixes, w.pr);
    }),
    (&inv::FREED_WHILE_HELD, [0, 0], |w| uma::free(&w.k, |s| &s.nhops, w.nh)),
    (&inv::FREED_WHILE_HELD, [0, 0], |w| uma::free(&w.k, |s| &s.ifas, w.ll)),
    (&inv::FREED_WHILE_HELD, [0, 0], |w| uma::free(&w.k, |s| &s.fds, w.fd)),
    (&inv::FAILED_CHANGED, [12, 1 << 3], |w| {
        let (k, dst) = (&w.k, Prefix::new(0xc000_0200 << 32, 24));
        let rt = rnh_deladdr(k, Af::Inet, dst);
        off(&k[rt].rte_flags, RTF_UP);
        net_epoch_call(k, Callback::DestroyRtentry(rt));
        // The FIB follows.
        let d = &k[w.fd];
        let n = usize::from(d.table_len.get());
        let at = (0..n).find(|&i| d.table[i].get().dst() == dst).expect("the FIB has it");
        (at + 1..n).for_each(|i| d.table[i - 1].set(d.table[i].get()));
        d.table_len.dec();
        check_op(k, &op("route_add 192.0.2.0/24 via router1"), Some(12));
    }),
    (&inv::FAILED_CHANGED, [17, 1 << 1], |w| {
        // To bring it up is excused.
        off(&w.k[w.ep].if_flags, IFF_UP);
        check_op(&w.k, &op("SIOCAIFADDR epair0a 10.0.0.1"), Some(17));
    }),
    (&inv::FAILED_CHANGED, [17, 1 << 2 | 1 << 3], |w| {
        // It owns a route, and so its flags count among the routes.
        w.k[w.a4].dstaddr.set(1);
        check_op(&w.k, &op("SIOCAIFADDR_IN6 epair0a 2001:db8:1::1"), Some(17));
    }),
    (&inv::FAILED_CHANGED, [17, 1 << 2], |w| {
        // That the interface has come up excuses no address but its own.
        came_up(w);
        w.k[w.a4].dstaddr.set(1);
        check_op(&w.k, &op("SIOCAIFADDR epair0a 10.0.0.1"), Some(17));
    }),
    (&inv::FAILED_CHANGED, [17, 1 << 4], |w| {
        came_up(w);
        forget(w, |d| &mut d.prefixes);
        check_op(&w.k, &op("SIOCAIFADDR epair0a 10.0.0.1"), Some(17));
    }),
    (&inv::FAILED_CHANGED, [17, 1 << 5], |w| {
        came_up(w);
        forget(w, |d| &mut d.routers);
        check_op(&w.k, &op("SIOCAIFADDR epair0a 10.0.0.1"), Some(17));
    }),
    (&inv::FAILED_CHANGED, [17, 1 << 1], |w| {
        // Another interface than the one that was named has come up.
        came_up(w);
        check_op(&w.k, &op("SIOCAIFADDR tun0 10.0.0.1"), Some(17));
    }),
    (&inv::FAILED_CHANGED, [17, 1 << 2], |w| {
        // The one that was to be replaced is still there, and another one has changed.
        inv::address_replaced(&w.k, w.a4);
        w.k[w.ll].dstaddr.set(1);
        check_op(&w.k, &op("SIOCAIFADDR epair0a 10.0.0.1"), Some(17));
    }),
    (&inv::FAILED_CHANGED, [2, 1 << 3 | 1 << 5], |w| {
        w.k[w.dr].ifp.set(w.ep);
        check_op(&w.k, &op("NGM_SHUTDOWN ng1"), Some(2));
    }),
    (&inv::NOT_REPORTED, [ANY, 0], |w| {
        check_op(&w.k, &op("SIOCAIFADDR epair0a 10.0.0.2"), Some(0));
    }),
    (&inv::NOT_REPORTED, [ANY, 1], |w| {
        // It is there, but on another interface.
        check_op(&w.k, &op("SIOCAIFADDR_IN6 tun0 2001:db8:1::1"), Some(0));
    }),
    (&inv::NOT_REPORTED, [ANY, 0], |w| {
        // It is freed after a grace period, and off its lists.
        let k = &w.k;
        assert!(k[w.ep].if_addrhead.remove(w.a4, |i| &k[i].ifa_link));
        inv::after_no_change(k, &op("SIOCAIFADDR epair0a 10.0.0.1"), 0);
    }),
    (&inv::NOT_REPORTED, [ANY, 0], |w| {
        // Nor is it when the operation has changed nothing.
        inv::after_no_change(&w.k, &op("SIOCAIFADDR epair0a 10.0.0.2"), 0);
    }),
];

/// As if epair0a had been down before.
fn came_up(w: &World) {
    let mut d = w.k.st.notes.digest.get();
    d.up &= !(1 << w.k[w.ep].name.get());
    w.k.st.notes.digest.set(d);
}

/// As if something had not been there before.
fn forget(w: &World, what: fn(&mut inv::Digest) -> &mut u64) {
    let mut d = w.k.st.notes.digest.get();
    let sum = what(&mut d);
    *sum = sum.wrapping_sub(1);
    w.k.st.notes.digest.set(d);
}

/// A detach of tun0 that has left nothing but what `name` makes name it.
fn nothing_but(w: &World, name: fn(&World)) {
    let ifa = w.k[w.tun].if_addr.get();
    assert!(w.k[w.tun].if_addrhead.remove(ifa, |i| &w.k[i].ifa_link));
    detached(&w.k, w.tun);
    assert_eq!(w.k.violation(), None);
    name(w);
    detached(&w.k, w.tun);
}

#[test]
fn each_corruption_is_found_at_rest() {
    for (i, (rule, numbers, corrupt)) in AT_REST.iter().enumerate() {
        let w = World::new();
        corrupt(&w);
        assert_broken(&format!("corruption {i}, {}", rule.name), check(&w.k), rule, *numbers);
    }
}

#[test]
fn each_mistake_is_found_at_once() {
    for (i, (rule, numbers, mistake)) in AT_ONCE.iter().enumerate() {
        let w = World::new();
        mistake(&w);
        assert_broken(&format!("mistake {i}, {}", rule.name), w.k.violation(), rule, *numbers);
    }
}

#[test]
fn a_world_in_order_stays_in_order() {
    let w = World::new();
    check_op(&w.k, &op("SIOCAIFADDR epair0a 10.0.0.2"), Some(22));
    check_op(&w.k, &op("SIOCAIFADDR epair0a 10.0.0.1"), Some(0));
    check_op(&w.k, &op("SIOCAIFADDR_IN6 epair0a 2001:db8:1::1"), Some(0));
    inv::after_no_change(&w.k, &op("SIOCAIFADDR_IN6 epair0a 2001:db8:1::1"), 0);
    check_op(&w.k, &op("route_delete ::/0"), Some(3));
    net_epoch_enter(&w.k);
    net_epoch_assert(&w.k);
    check_afdata_use(&w.k, w.ng);
    check_afdata_use(&w.k, w.ep);
    assert_eq!(w.k.violation(), None);
}

#[test]
fn what_waits_for_its_grace_period_as_it_should_is_in_order() {
    let w = World::new();
    dead_instance(&w);
    unheld_nexthop(&w);
    assert_eq!(check(&w.k), None);
}

#[test]
fn what_nothing_is_to_be_done_for_may_be_freed() {
    let w = World::new();
    let k = &w.k;
    uma::free(k, |s| &s.fds, uma::alloc(k, |s| &s.fds));
    uma::free(k, |s| &s.inps, uma::alloc(k, |s| &s.inps));
    uma::free(k, |s| &s.lles, uma::alloc(k, |s| &s.lles));
    uma::free(k, |s| &s.softcs, uma::alloc(k, |s| &s.softcs));
    uma::free(k, |s| &s.ifnets, dying_interface(&w));
    // What is under way for another one.
    taskqueue_enqueue(k, Task::Link(w.tun));
    assert_eq!(k.st.taskqueue.next(k), Some((Task::Link(w.tun), 1)));
    uma::free(k, |s| &s.ifnets, dying_interface(&w));
    assert_eq!(k.violation(), None);
}

/// What must not be left at the end, and how to leave it.
const LEFT: &[fn(&K) -> ObjRef] = &[
    |k| ObjRef::of(uma::alloc(k, |s| &s.ifnets)),
    |k| ObjRef::of(uma::alloc(k, |s| &s.exts)),
    |k| ObjRef::of(uma::alloc(k, |s| &s.ifinfos)),
    |k| ObjRef::of(uma::alloc(k, |s| &s.ifas)),
    |k| ObjRef::of(uma::alloc(k, |s| &s.prefixes)),
    |k| ObjRef::of(uma::alloc(k, |s| &s.routers)),
    |k| ObjRef::of(uma::alloc(k, |s| &s.dads)),
    |k| ObjRef::of(uma::alloc(k, |s| &s.rts)),
    |k| ObjRef::of(uma::alloc(k, |s| &s.nhops)),
    |k| ObjRef::of(uma::alloc(k, |s| &s.nhgrps)),
    |k| ObjRef::of(uma::alloc(k, |s| &s.fds)),
    |k| ObjRef::of(uma::alloc(k, |s| &s.lles)),
    |k| ObjRef::of(uma::alloc(k, |s| &s.inps)),
    |k| ObjRef::of(uma::alloc(k, |s| &s.inms)),
    |k| ObjRef::of(uma::alloc(k, |s| &s.ifmas)),
    |k| ObjRef::of(uma::alloc(k, |s| &s.bpfs)),
    |k| ObjRef::of(uma::alloc(k, |s| &s.softcs)),
    |k| ObjRef::of(uma::alloc(k, |s| &s.nodes)),
];

#[test]
fn each_thing_that_is_left_at_the_end_is_found() {
    inv::audit_end(&torn_down());
    for (class, leave) in LEFT.iter().enumerate() {
        let k = torn_down();
        let left = leave(&k);
        assert_eq!(usize::from(left.class), class, "every class, in order");
        inv::audit_end(&k);
        let v = k.violation().unwrap_or_else(|| panic!("{left:?} may be left"));
        assert_eq!((v.rule.name, v.obj), (inv::LEAK_AT_END.name, left));
    }
    assert_eq!(LEFT.len(), CLASSES.len());
    let k = torn_down();
    k.st.units.inc();
    inv::audit_end(&k);
    assert_broken("a unit", k.violation(), &inv::LEAK_AT_END, [1, 1 << 5]);
}

// ---- completeness -----------------------------------------------------------------

#[test]
fn every_kind_of_list_is_corrupted_and_has_a_dead_element() {
    for rule in [&inv::I22_LISTS, &inv::I22_DEAD_ON_LIST] {
        let rows = AT_REST.iter().filter(|(broken, ..)| broken.name == rule.name);
        let kinds: BTreeSet<u32> = rows.map(|(_, numbers, _)| numbers[0]).collect();
        assert_eq!(kinds, (0..LIST_NAMES.len() as u32).collect(), "{}", rule.name);
    }
}

#[test]
fn every_rule_has_something_that_breaks_it() {
    let by_hand = AT_REST.iter().chain(AT_ONCE).map(|(rule, ..)| rule.name.to_string());
    let programs = support::programs_in("tests/freebsd_checks");
    let programs = programs.iter().map(|p| rule_of(p));
    let mut shown: BTreeSet<String> = programs.chain(by_hand).collect();
    shown.insert(inv::LEAK_AT_END.name.to_string());
    let silent: Vec<_> = inv::RULES.iter().filter(|r| !shown.contains(r.name)).collect();
    assert!(silent.is_empty(), "nothing breaks {silent:?}");
}

#[test]
fn every_rule_is_called_something_and_says_something_of_its_own() {
    let all = inv::RULES.iter().chain(ifscrub::shadow::rules::ALL);
    let names: BTreeSet<_> = all.clone().map(|r| r.name).collect();
    let says: BTreeSet<_> = all.clone().map(|r| r.says).collect();
    assert_eq!((names.len(), says.len()), (all.clone().count(), all.clone().count()));
    let warnings: Vec<_> = all.filter(|r| r.warning).map(|r| r.name).collect();
    assert_eq!(warnings, ["I10-fib-strict"]);
}
