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

use ifscrub::kern::Kernel;
use ifscrub::kern::exec::{Config, run, run_to_rest};
use ifscrub::kern::queue::Place;
use ifscrub::kern::slab::ObjRef;
use ifscrub::kern::trace::{Event, What};
use ifscrub::program::{Op, Stop};
use ifscrub::shadow::{Rule, Violation};
use ifscrub::stack::Stack;
use ifscrub::stack::freebsd::census::DEAD;
use ifscrub::stack::freebsd::invariants::{self as inv, Left, check_afdata_use, detached};
use ifscrub::stack::freebsd::lists::{List, chain};
use ifscrub::stack::freebsd::objects::*;
use ifscrub::stack::freebsd::route_tables::{net_epoch_assert, rnh_deladdr, rnh_lookup};
use ifscrub::stack::freebsd::subr_epoch::{Callback, net_epoch_call, net_epoch_enter};
use ifscrub::stack::freebsd::subr_taskqueue::{Task, taskqueue_enqueue};
use ifscrub::stack::freebsd::{Freebsd, K, if_c, uma};
use ifscrub::triage::sets::members;
use std::collections::BTreeSet;
use std::path::Path;

/// What makes the world of the corruptions: something of everything.
const WORLD: &str = "\
SIOCIFCREATE epair0a
SIOCIFCREATE tun0
NGM_MKPEER ng0
SIOCAIFADDR_IN6 ng0 fe80::1
ifup ng0
SIOCAIFADDR ng0 10.0.1.1 dst 10.0.1.2
SIOCAIFADDR epair0a 10.0.0.1
SIOCAIFADDR_IN6 epair0a 2001:db8:1::1
ra ng0 from fe80::2 lifetime 1800 prefix 2001:db8:2::/64
route_add 192.0.2.0/24 via router1
route_append 192.0.2.0/24 via router2
connect tcp0 2001:db8::1
send tcp0
join udp0 224.0.0.251 epair0a
resolve epair0a 10.0.0.2
advance 50ms
";

/// A kernel at rest with something of everything in it.
struct World {
    k: K,
    /// ng0, with a router and two addresses.
    ng: IfId,
    /// epair0a, with an address of each family.
    ep: IfId,
    /// tun0, with nothing but itself.
    tun: IfId,
    /// 10.0.0.1/24 of epair0a, which owns its prefix route.
    a4: IfaId,
    /// 2001:db8:1::1/64 of epair0a, with its self route.
    a6: IfaId,
    /// fe80::1 of ng0.
    ll: IfaId,
    /// The prefix of `a6`, on link.
    pr: PrId,
    /// The router on ng0, installed.
    dr: DrId,
    /// The prefix route of `a4`.
    rt: RtId,
    /// Its nexthop.
    nh: NhId,
    /// The group of the user's multipath route.
    nhg: NhgId,
    /// The linked IPv4 instance.
    fd: FdId,
    /// The pcb of tcp0.
    inp: InpId,
}

fn parse(lines: &str) -> ifscrub::program::Program {
    support::parse(&format!("# ifscrub 1\nkernel freebsd-14\n{lines}"))
}

/// The operation of one line of text.
fn op(line: &str) -> Op {
    parse(&format!("{line}\n")).ops[0]
}

/// The state at rest that these operations lead to.
fn after(lines: &str, defects: u64) -> K {
    let mut k = Kernel::<Freebsd>::new();
    run_to_rest(&mut k, &parse(lines), Config { defects, ..Config::default() });
    assert_eq!(k.violation(), None);
    k
}

/// A kernel as the teardown leaves it.
fn torn_down() -> K {
    let mut k = Kernel::<Freebsd>::new();
    assert!(run(&mut k, &parse(WORLD), Config::default()).clean());
    k
}

fn interface(k: &K, name: u8) -> IfId {
    if_c::ifunit(k, name)
}

fn address(k: &K, af: Af, addr: Addr) -> IfaId {
    let found = k.st.ifas.iter().find(|(_, a)| a.af.get() == af && a.addr.get() == addr);
    found.expect("the world has this address").0
}

impl World {
    /// Makes it; the books find nothing wrong with it.
    fn new() -> World {
        let k = after(WORLD, 0);
        let ng = interface(&k, 6);
        let ep = interface(&k, 1);
        let tun = interface(&k, 5);
        let a4 = address(&k, Af::Inet, 0x0a00_0001 << 32);
        let a6 = address(&k, Af::Inet6, 0x2001_0001_0000_0001);
        let scope = u64::from(k[ng].if_index.get()) << 32;
        let ll = address(&k, Af::Inet6, 0xfe80 << 48 | scope | 1);
        let rt = rnh_lookup(&k, Af::Inet, Prefix::new(0x0a00_0000 << 32, 24));
        let NhRef::Nh(nh) = k[rt].rt_nhop.get() else { panic!("a prefix route has a nexthop") };
        let nhg = k.st.nhgrps.iter().next().expect("a multipath route has a group").0;
        let (fd, inp) = (k.st.v_inet_dp[V4].get(), k.st.pcbs[0].get());
        let dr = k.st.routers.iter().next().expect("there is a router").0;
        let pr = k[a6].ia6_ndpr.get();
        let w = World { ng, ep, tun, a4, a6, ll, pr, dr, rt, nh, nhg, fd, inp, k };
        assert!(w.k[w.dr].installed.get() && !w.k[w.inp].ro_nh.get().is_null());
        assert_eq!(check(&w.k), None, "a world in order");
        w
    }
}

/// Checks a kernel as after an operation that nothing else ran beside.
fn check(k: &K) -> Option<Violation> {
    check_op(k, &Op::default(), None)
}

/// Checks a kernel as after this operation with this errno.
fn check_op(k: &K, op: &Op, errno: Option<i32>) -> Option<Violation> {
    Freebsd::after_op(k, op, errno, true);
    k.violation()
}

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

/// What [`Corruption`]s do not say in numbers.
const ANY: u32 = u32::MAX - 1;

/// Takes flags away.
fn off(field: &ifscrub::kern::cell::F<u32>, flags: u32) {
    field.set(field.get() & !flags);
}

/// Sets flags.
fn on(field: &ifscrub::kern::cell::F<u32>, flags: u32) {
    field.set(field.get() | flags);
}

/// A route to a network that nothing brought, through the nexthop of the prefix route.
fn stray_route(w: &World) {
    let (k, rt) = (&w.k, uma::alloc(&w.k, |s| &s.rts));
    k[rt].rt_nhop.set(NhRef::Nh(w.nh));
    k[w.nh].nh_refcnt.inc();
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
    (&inv::I10_FIB_DETACHED, [Left::Fib as u32, 0], |w| {
        stale_fib(w);
        w.k.st.notes.detached.set(1 << w.tun.slot());
    }),
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
    (&inv::I18_IFA_ROUTE, [2, 0], |w| off(&w.k[w.a4].ifa_flags, IFA_ROUTE)),
    (&inv::I18_IFA_ROUTE, [0, 0], |w| w.k[w.a4].bits.set(16)),
    (&inv::I18_IFA_RTSELF, [2, 0], |w| off(&w.k[w.a6].ifa_flags, IFA_RTSELF)),
    (&inv::I18_IFA_RTSELF, [0, 0], |w| w.k[w.a6].addr.set(0x2001_0001_0000_0009)),
    (&inv::I18_INSTALLED, [1, 0], |w| w.k[w.dr].installed.set(false)),
    (&inv::I18_INSTALLED, [0, 0], |w| w.k[w.dr].rtaddr.set(0xfe80 << 48 | 9)),
    (&inv::I19_ONE_INSTANCE, [1, V4 as u32], |w| w.k.st.v_inet_dp[V4].set(FdId::NULL)),
    (&inv::I19_ONE_INSTANCE, [2, V4 as u32], |w| w.k[w.fd].fd_dead.set(true)),
    (&inv::I19_ONE_INSTANCE, [4, V4 as u32], |w| {
        w.k.st.rnh_subscribers[V4].iter().for_each(|s| s.set(FdId::NULL));
    }),
    (&inv::I19_ONE_INSTANCE, [16, V4 as u32], |w| w.k[w.fd].subscribed.set(false)),
    (&inv::I19_SLOTS, [0, 0], |w| {
        let d = &w.k[w.fd];
        let free = (0..NFIBNH).find(|&i| d.nh_ref[i].get() == 0).expect("a free slot");
        d.nh_idx[free].set(NhRef::Null);
        d.nh_ref[free].set(1);
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
    (&inv::I22_LISTS, [List::Addrhead as u32, 0], |w| w.k[w.a4].ifa_link.prev.set(Place::Null)),
    (&inv::I22_LISTS, [List::Addrhead as u32, 1], |w| {
        // Its last one is followed by itself.
        let last = match w.k[w.ep].if_addrhead.last.get() {
            Place::Next(i) => i,
            _ => panic!("epair0a has addresses"),
        };
        w.k[last].ifa_link.next.set(last);
    }),
    (&inv::I22_LISTS, [List::Addrhead as u32, 2], |w| {
        w.k[w.ep].if_addrhead.last.set(Place::Head);
    }),
    (&inv::I22_LISTS, [List::Prefix as u32, 0], |w| w.k[w.pr].ndpr_entry.prev.set(Place::Null)),
    (&inv::I22_LISTS, [List::Nhops as u32, 0], |w| w.k[w.nh].nh_linked.set(1)),
    (&inv::I22_DEAD_ON_LIST, [List::Addrhead as u32, 0], |w| w.k.st.ifas.free(w.a4)),
    (&inv::I22_DEAD_ON_LIST, [List::Prefix as u32, 0], |w| w.k.st.prefixes.free(w.pr)),
    (&inv::I22_DEAD_ON_LIST, [List::Defrouter as u32, 0], |w| w.k.st.routers.free(w.dr)),
    (&inv::I22_DEAD_ON_LIST, [List::Nhops as u32, 0], |w| w.k.st.nhops.free(w.nh)),
    (&inv::I22_DEAD_ON_LIST, [List::Ifnet as u32, 0], |w| w.k.st.ifnets.free(w.tun)),
];

/// A detached interface that only a FIB instance still knows: the world's tun0, whose
/// nexthop is in a slot of the IPv4 instance.
fn stale_fib(w: &World) {
    let k = &w.k;
    let nh = uma::alloc(k, |s| &s.nhops);
    k[nh].nh_ifp.set(w.tun);
    k[nh].nh_aifp.set(w.tun);
    k[nh].nh_ifa.set(k[w.tun].if_addr.get());
    k[nh].nh_finalized.set(true);
    k[nh].nh_refcnt.set(1);
    k[w.tun].if_refcount.inc();
    k[w.tun].if_refcount.inc();
    let ifa = k[w.tun].if_addr.get();
    assert!(k[w.tun].if_addrhead.remove(ifa, |i| &k[i].ifa_link));
    let d = &k[w.fd];
    let free = (0..NFIBNH).find(|&i| d.nh_ref[i].get() == 0).expect("a free slot");
    d.number_nhops.set(NFIBNH as u16);
    d.nh_idx[free].set(NhRef::Nh(nh));
    d.nh_ref[free].set(1);
    assert!(k.st.v_ifnet.remove(w.tun, |i| &k[i].if_link));
    on(&k[w.tun].if_flags, IFF_DYING);
}

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
    (&inv::I15_IF_FREE, [0b11001, 1], |w| {
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
    (&inv::I22_FREED_BUSY, [1, 0], |w| {
        let ifp = uma::alloc(&w.k, |s| &s.ifnets);
        w.k[ifp].if_flags.set(IFF_DYING);
        taskqueue_enqueue(&w.k, Task::Link(ifp));
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
    stale_fib(&w);
    w.k.st.notes.detached.set(1 << w.tun.slot());
    let d = &w.k[w.fd];
    d.fd_need_rebuild.set(true);
    d.fd_callout_action.set(FdAction::Rebuild);
    w.k.callout_reset(&d.fd_callout, 50);
    w.k.st.rnh_gen_rib[V4].inc();
    assert_eq!(check(&w.k), None);
    w.k.st.rnh_gen[V4].inc();
    assert_broken("in step", check(&w.k), &inv::I10_FIB_DETACHED, [Left::Fib as u32, 0]);
}

#[test]
fn a_world_in_order_stays_in_order() {
    let w = World::new();
    check_op(&w.k, &op("SIOCAIFADDR epair0a 10.0.0.2"), Some(22));
    check_op(&w.k, &op("route_delete ::/0"), Some(3));
    net_epoch_enter(&w.k);
    net_epoch_assert(&w.k);
    check_afdata_use(&w.k, w.ng);
    check_afdata_use(&w.k, w.ep);
    assert_eq!(w.k.violation(), None);
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

// ---- exceptions -------------------------------------------------------------------

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
fn siocifdestroy_of_a_netgraph_interface_is_einval() {
    let errno_of_last = |lines: &str| {
        let p = parse(lines);
        let mut k = Kernel::<Freebsd>::new();
        let outcome = run(&mut k, &p, Config { record: true, ..Config::default() });
        assert!(outcome.clean());
        let trace = outcome.trace.expect("it was recorded");
        let account = p.ops.len() as u8 - 1;
        let done = |e: &Event| match e.what {
            What::Done(errno) if e.account == account => Some(errno),
            _ => None,
        };
        trace.events.iter().find_map(done).expect("it returns")
    };
    assert_eq!(errno_of_last("NGM_MKPEER ng0\nSIOCIFDESTROY ng0\n"), 22, "EINVAL");
    assert_eq!(errno_of_last("SIOCIFDESTROY ng0\n"), 6, "ENXIO, when there is none");
    assert_eq!(errno_of_last("SIOCIFCREATE tun0\nSIOCIFDESTROY tun0\n"), 0);
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

// ---- completeness -----------------------------------------------------------------

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
