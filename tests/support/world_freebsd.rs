//! A populated kernel of `freebsd-14` at rest, to be corrupted by hand.
//!
//! What `world.rs` is for the other stack.

use ifscrub::kern::Kernel;
use ifscrub::kern::cell::F;
use ifscrub::kern::exec::{Config, run, run_to_rest};
use ifscrub::program::{Op, Program};
use ifscrub::shadow::{Rule, Violation};
use ifscrub::stack::freebsd::objects::*;
use ifscrub::stack::freebsd::radix::rnh_lookup;
use ifscrub::stack::freebsd::{Freebsd, K, if_c, uma};
use ifscrub::stack::{DefectSet, Stack};

/// What makes the world of the corruptions: something of everything.
pub const WORLD: &str = "\
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
pub struct World {
    /// The kernel.
    pub k: K,
    /// ng0, with a router and two addresses.
    pub ng: IfId,
    /// epair0a, with an address of each family.
    pub ep: IfId,
    /// tun0, with nothing but itself.
    pub tun: IfId,
    /// 10.0.0.1/24 of epair0a, which owns its prefix route.
    pub a4: IfaId,
    /// 2001:db8:1::1/64 of epair0a, with its self route.
    pub a6: IfaId,
    /// fe80::1 of ng0.
    pub ll: IfaId,
    /// The prefix of `a6`, on link.
    pub pr: PrId,
    /// The router on ng0, installed.
    pub dr: DrId,
    /// The prefix route of `a4`.
    pub rt: RtId,
    /// Its nexthop.
    pub nh: NhId,
    /// The group of the user's multipath route.
    pub nhg: NhgId,
    /// The linked IPv4 instance.
    pub fd: FdId,
    /// The pcb of tcp0.
    pub inp: InpId,
}

/// A program of these lines.
pub fn parse(lines: &str) -> Program {
    super::parse(&format!("# ifscrub 1\nkernel freebsd-14\n{lines}"))
}

/// The operation of one line of text.
pub fn op(line: &str) -> Op {
    parse(&format!("{line}\n")).ops[0]
}

/// The state at rest that these operations lead to.
pub fn after(lines: &str, defects: DefectSet) -> K {
    let mut k = Kernel::<Freebsd>::new();
    run_to_rest(&mut k, &parse(lines), Config { defects, ..Config::default() });
    assert_eq!(k.violation(), None);
    k
}

/// A kernel as the teardown leaves it.
pub fn torn_down() -> K {
    let mut k = Kernel::<Freebsd>::new();
    assert!(run(&mut k, &parse(WORLD), Config::default()).clean());
    k
}

/// The interface of a name slot.
pub fn interface(k: &K, name: u8) -> IfId {
    if_c::ifunit(k, name)
}

/// The address of this value.
pub fn address(k: &K, af: Af, addr: Addr) -> IfaId {
    let found = k.st.ifas.iter().find(|(_, a)| a.af.get() == af && a.addr.get() == addr);
    found.expect("the world has this address").0
}

impl World {
    /// Makes it; the books find nothing wrong with it.
    pub fn new() -> World {
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
pub fn check(k: &K) -> Option<Violation> {
    check_op(k, &Op::default(), None)
}

/// Checks a kernel as after this operation with this errno.
pub fn check_op(k: &K, op: &Op, errno: Option<i32>) -> Option<Violation> {
    Freebsd::after_op(k, op, errno, true);
    k.violation()
}

// ---- corruption -------------------------------------------------------------------

/// What [`Corruption`]s do not say in numbers.
pub const ANY: u32 = u32::MAX - 1;

/// Takes flags away.
pub fn off(field: &F<u32>, flags: u32) {
    field.set(field.get() & !flags);
}

/// Sets flags.
pub fn on(field: &F<u32>, flags: u32) {
    field.set(field.get() | flags);
}

/// The books have found this rule broken, with these numbers.
pub fn assert_broken(what: &str, found: Option<Violation>, rule: &Rule, numbers: [u32; 2]) {
    let v = found.unwrap_or_else(|| panic!("{what}: {} is not broken", rule.name));
    let same = |i: usize| numbers[i] == ANY || v.detail[i] == numbers[i];
    assert!(v.rule.name == rule.name && same(0) && same(1), "{what}: {v:?}, not {numbers:?}");
}

/// A detached interface that only a FIB instance still knows: the world's tun0, whose
/// nexthop is in a slot of the IPv4 instance.
pub fn stale_fib(w: &World) {
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
    let free = (0..NFIBNH).find(|&i| d.slot_refs(i) == 0).expect("a free slot");
    d.number_nhops.set(NFIBNH as u16);
    d.nh_idx[free].set(NhRef::Nh(nh));
    d.ref_slot(free);
    assert!(k.st.v_ifnet.remove(w.tun, |i| &k[i].if_link));
    on(&k[w.tun].if_flags, IFF_DYING);
}

/// A detached interface that the FIB knows, whose callout would rebuild it.
pub fn stale_after_detach(w: &World) {
    stale_fib(w);
    w.k.st.notes.detached.set(1 << w.tun.slot());
    w.k[w.fd].fd_callout_action.set(FdAction::Rebuild);
}
