//! A populated kernel at rest, to be corrupted by hand.
//!
//! Not every rule can be broken by a defect of the catalogue, and of those that can, not
//! every way to look at it. So here is the state that a handful of operations leaves,
//! made by the model's own functions; a test breaks one thing in it and asks the oracle.

use ifscrub::kern::Kernel;
use ifscrub::kern::exec::{Config, run, run_to_rest};
use ifscrub::program::Op;
use ifscrub::shadow::Violation;
use ifscrub::stack::Stack;
use ifscrub::stack::dragonfly::if_c::ifunit;
use ifscrub::stack::dragonfly::if_ether::arp_ifinit;
use ifscrub::stack::dragonfly::if_var::ifafree_list;
use ifscrub::stack::dragonfly::in_c::{hash_insert, hash_remove, route_flags};
use ifscrub::stack::dragonfly::in_pcb::in_pcballoc;
use ifscrub::stack::dragonfly::invariants;
use ifscrub::stack::dragonfly::ip_flow::ipflow_create;
use ifscrub::stack::dragonfly::objects::*;
use ifscrub::stack::dragonfly::route::*;
use ifscrub::stack::dragonfly::{Dragonfly, K};

/// The CPUs of a [`World`].
pub const CPUS: usize = 3;

/// A kernel at rest with something of everything in it.
pub struct World {
    /// The kernel.
    pub k: K,
    /// An Ethernet interface.
    pub em0: IfId,
    /// Its address 10.0.0.1/24, with its route on every CPU.
    pub a: IfaId,
    /// Another Ethernet interface.
    pub em1: IfId,
    /// Its address 10.0.1.1/24, likewise.
    pub b: IfaId,
    /// The route of `a` on each CPU.
    pub route: [RtId; CPUS],
    /// The user's route 192.168.0.0/24 via 10.0.0.2 on each CPU.
    pub user: [RtId; CPUS],
    /// The ARP entry of 10.0.0.3 on CPU 0, a clone of `route[0]` that `pcb` holds.
    pub clone: RtId,
    /// Its llinfo.
    pub la: LaId,
    /// A connected UDP socket.
    pub pcb: InpId,
    /// A flow along `clone`.
    pub flow: FlowId,
}

/// The operation of one line of text.
pub fn op(line: &str) -> Op {
    super::parse(&format!("# ifscrub 1\nkernel dragonfly-2007\n{line}\n")).ops[0]
}

/// A kernel that has run these operations, from boot to audit, on three CPUs.
fn after(lines: &str) -> K {
    let mut k = Kernel::<Dragonfly>::new();
    let text = format!("# ifscrub 1\nkernel dragonfly-2007\nncpus {CPUS}\n{lines}");
    assert!(run(&mut k, &super::parse(&text), Config::default()).clean());
    k
}

/// A kernel as it is after boot.
pub fn booted() -> K {
    // A run plans the accounts that model functions count on.
    let mut k = after("");
    k.st = k.booted().clone();
    k
}

/// A kernel as it is after boot, in the hands of an operation that has met a fault.
fn booted_with_fault() -> K {
    let failing = "route_add 10.0.0.1 via 10.0.0.2  fail route_output:kmalloc";
    let text = format!("# ifscrub 1\nkernel dragonfly-2007\nncpus {CPUS}\n{failing}\n");
    let mut k = Kernel::<Dragonfly>::new();
    // No teardown: its operations meet no fault.
    run_to_rest(&mut k, &super::parse(&text), Config::default());
    assert!(!k.stopped());
    assert_eq!(k.injected(), 1);
    k.st = k.booted().clone();
    k
}

/// A kernel as the teardown leaves it.
pub fn torn_down() -> K {
    after("")
}

/// Checks a kernel as after an operation that nothing else ran beside.
pub fn check(k: &K) -> Option<Violation> {
    check_op(k, &Op::default(), None)
}

/// Checks a kernel as after this operation with this errno.
pub fn check_op(k: &K, op: &Op, errno: Option<i32>) -> Option<Violation> {
    Dragonfly::after_op(k, op, errno, true);
    k.violation()
}

/// `in_control` and `in_ifinit` without the waiting: an address on its three lists.
pub fn add_address(k: &K, ifp: IfId, addr: u32, mask: u32) -> IfaId {
    let ia = k.st.ifa.alloc().expect("room for an address");
    let fresh = &k[ia];
    fresh.is_in.set(true);
    fresh.implicit.set(true);
    fresh.user_deleted.set(false);
    fresh.ifa_addr.set(Sa::Addr(ia));
    fresh.ifa_dstaddr.set(Sa::Dst(ia));
    fresh.ifa_netmask.set(Sa::Mask(ia));
    fresh.ifa_ifp.set(ifp);
    fresh.ifa_rtrequest.set(RtRequest::None);
    fresh.ifa_flags.set(0);
    fresh.ifa_refcnt.set(0);
    fresh.ia_addr.set(Sin::inet(addr));
    fresh.ia_dstaddr.set(Sin::default());
    fresh.ia_sockmask.set(Sin::inet(mask));
    fresh.ia_subnetmask.set(mask);
    k.st.in_ifaddrhead.insert_tail(ia, |i| &k[i].ia_link);
    k[ifp].if_addrhead.insert_tail(ia, |i| &k[i].ifa_link);
    hash_insert(k, ia);
    if k[ifp].if_flags.get() & IFF_BROADCAST != 0 {
        arp_ifinit(k, ia);
    }
    k[ifp].if_flags.set(k[ifp].if_flags.get() | IFF_UP | IFF_RUNNING);
    ia
}

/// `rtinit` of an address, on every CPU.
pub fn add_interface_route(k: &K, ia: IfaId) {
    let a = &k[ia];
    for cpu in 0..k.ncpus() {
        let flags = route_flags(k, a.ifa_ifp.get()) | a.ifa_flags.get();
        let (dst, netmask) = match flags & RTF_HOST {
            0 => (a.ifa_addr.get(), a.ifa_netmask.get()),
            _ => (a.ifa_dstaddr.get(), Sa::Null),
        };
        let gateway = a.ifa_addr.get();
        let info = RtInfo { dst, gateway, netmask, flags, ifa: ia, ifp: IfId::NULL };
        request(k, cpu, Req::Add, info);
    }
    a.ifa_flags.set(a.ifa_flags.get() | IFA_ROUTE);
}

/// `route add`, on every CPU.
pub fn add_user_route(k: &K, dst: u32, prefix: u8, via: u32) {
    let host = prefix == HOST;
    for cpu in 0..k.ncpus() {
        let info = RtInfo {
            dst: Sa::Copy(Sin::inet(dst)),
            gateway: Sa::Copy(Sin::inet(via)),
            netmask: if host { Sa::Null } else { Sa::Copy(Sin::inet(mask(prefix))) },
            flags: RTF_UP | RTF_STATIC | RTF_GATEWAY | if host { RTF_HOST } else { 0 },
            ifa: IfaId::NULL,
            ifp: IfId::NULL,
        };
        request(k, cpu, Req::Add, info);
    }
}

fn request(k: &K, cpu: usize, req: Req, mut info: RtInfo) {
    k.set_cpu(cpu);
    assert_eq!(rtrequest1(k, req, &mut info, None), 0);
    k.set_cpu(0);
}

/// Deletes a route of a CPU as the kernel does, clones and all.
pub fn delete_route(k: &K, rt: RtId) {
    k.set_cpu(k[rt].cpu.get().into());
    assert_eq!(rtrequest_delete(k, rt), 0);
    k.set_cpu(0);
}

/// Takes a route out of its CPU's tree and does nothing else about it.
pub fn out_of_tree(k: &K, rt: RtId) {
    let cpu = usize::from(k[rt].cpu.get());
    let (table, len) = (&k.st.tables[cpu], usize::from(k.st.table_len[cpu].get()));
    let at = (0..len).find(|&i| table[i].get() == rt).expect("the route is in its tree");
    for i in at + 1..len {
        table[i - 1].set(table[i].get());
    }
    k.st.table_len[cpu].set(len as u8 - 1);
}

/// Takes an address off its three lists.
pub fn unlink(k: &K, ia: IfaId) {
    assert!(k.st.in_ifaddrhead.remove(ia, |i| &k[i].ia_link));
    assert!(k[k[ia].ifa_ifp.get()].if_addrhead.remove(ia, |i| &k[i].ifa_link));
    hash_remove(k, ia);
}

/// What is left of SIOCDIFADDR once the routes are gone.
pub fn delete_address(k: &K, ia: IfaId) {
    unlink(k, ia);
    ifafree_list(k, ia);
}

impl World {
    /// Makes it; the books find nothing wrong with it.
    pub fn new() -> World {
        World::on(booted())
    }

    /// The same, in the hands of an operation that has met a fault.
    pub fn with_fault() -> World {
        World::on(booted_with_fault())
    }

    fn on(k: K) -> World {
        let (em0, em1) = (ifunit(&k, 0), ifunit(&k, 1));
        let a = add_address(&k, em0, 0x0a00_0001, mask(24));
        add_interface_route(&k, a);
        let b = add_address(&k, em1, 0x0a00_0101, mask(24));
        add_interface_route(&k, b);
        add_user_route(&k, 0xc0a8_0000, 24, 0x0a00_0002);
        let all = |key, prefix| std::array::from_fn(|cpu| rn_find(&k, cpu, key, prefix));
        let (route, user) = (all(0x0a00_0000, 24), all(0xc0a8_0000, 24));
        let clone = rtlookup(&k, 0x0a00_0003);
        let pcb = in_pcballoc(&k, 2, false);
        k[pcb].ro_rt.set(clone);
        k[pcb].ro_dst.set(0x0a00_0003);
        ipflow_create(&k, clone, 0x0a00_0003);
        let flow = k.st.ipflows.first[0].get();
        let la = k[clone].rt_llinfo.get();
        let w = World { em0, a, em1, b, route, user, clone, la, pcb, flow, k };
        assert!(!w.la.is_null() && w.k[w.clone].rt_parent.get() == w.route[0]);
        assert_eq!(check(&w.k), None, "a world in order");
        w
    }
}

/// The rule and the numbers of what the final audit finds.
pub fn audit(k: &K) -> Option<Violation> {
    invariants::audit_end(k);
    k.violation()
}
