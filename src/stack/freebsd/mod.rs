//! `freebsd-14`: FreeBSD 14.0-STABLE, the tree of the second report.
//!
//! Threads can be preempted between any two steps, with whatever they hold. Readers of
//! the network stack are protected by one epoch; what is taken away from them is freed
//! after a grace period. Routes live in a RIB; lookups go to FIB instances that are
//! rebuilt from it, at once or after a delay.
//!
//! One file for each kernel source file; a function is found by its kernel name.
//!
//! | file | mirrors |
//! | --- | --- |
//! | [`objects`] | the structures |
//! | [`locks`] | who locks what, in which order |
//! | [`uma`] | allocation and free, as far as the books care |
//! | [`subr_epoch`], [`subr_taskqueue`], [`kern_timeout`] | `kern/subr_*.c`, `kern/kern_timeout.c` |
//! | [`if_c`], [`if_clone`], [`bpf`] | `net/if.c`, `net/if_clone.c`, `net/bpf.c` |
//! | [`if_epair`], [`if_tuntap`], [`if_loop`], [`if_ethersubr`], [`kern_conf`] | the drivers, and what they share |
//! | [`ng_base`], [`ng_iface`], [`ng_pppoe`], [`mpd`] | `netgraph/`, and the daemon that drives it |
//! | [`route`] | `net/route.c`: which address and interface a route gets |
//! | [`route_ctl`], [`route_helpers`], [`route_ifaddrs`], [`route_rtentry`], [`route_subscription`], [`radix`] | `net/route/route_*.c`, `net/radix.c` |
//! | [`nhop`], [`nhop_ctl`], [`nhop_utils`], [`nhgrp`], [`nhgrp_ctl`] | `net/route/nh*.c` |
//! | [`fib_algo`], [`in_fib`], [`in_fib_algo`], [`in6_fib`] | `net/route/fib_algo.c`, `netinet/in_fib*.c`, `netinet6/in6_fib*.c` |
//! | [`rtsock`] | `net/rtsock.c` |
//! | [`in_c`], [`in_rmx`], [`in_mcast`], [`igmp`], [`if_ether`], [`if_llatbl`] | `netinet/in.c`, ... |
//! | [`in6_c`], [`in6_ifattach`], [`in6_rmx`], [`in6_src`], [`in6_mcast`], [`mld6`], [`scope6`] | `netinet6/in6.c`, ... |
//! | [`nd6`], [`nd6_rtr`], [`nd6_nbr`] | `netinet6/nd6*.c` |
//! | [`kern_descrip`], [`uipc_socket`] | files and sockets |
//! | [`in_pcb`], [`tcp_input`], [`tcp_output`], [`tcp_subr`], [`tcp_timer`], [`tcp_usrreq`], [`udp_usrreq`] | `netinet/` |
//! | [`ip_output`], [`ip6_output`], [`netisr`], [`kern_mbuf`], [`ip6_input`], [`icmp6`] | output, input |
//! | [`defects`] | what was wrong |
//! | [`invariants`], [`lists`], [`census`], [`holders`], [`at_rest`] | what must hold |
//! | [`describe`], [`explain`], [`words`], [`fingerprint`] | dumps and words for reports; a hash of the state |
//! | [`verbs`] | the operations |

pub mod at_rest;
pub mod bpf;
pub mod census;
pub mod defects;
pub mod describe;
pub mod explain;
pub mod fib_algo;
pub mod fingerprint;
pub mod holders;
pub mod icmp6;
pub mod if_c;
pub mod if_clone;
pub mod if_dead;
pub mod if_epair;
pub mod if_ether;
pub mod if_ethersubr;
pub mod if_llatbl;
pub mod if_loop;
pub mod if_tuntap;
pub mod igmp;
pub mod in6_c;
pub mod in6_fib;
pub mod in6_ifattach;
pub mod in6_mcast;
pub mod in6_rmx;
pub mod in6_src;
pub mod in_c;
pub mod in_fib;
pub mod in_fib_algo;
pub mod in_mcast;
pub mod in_pcb;
pub mod in_rmx;
pub mod invariants;
pub mod ip6_input;
pub mod ip6_output;
pub mod ip_output;
pub mod kern_conf;
pub mod kern_descrip;
pub mod kern_mbuf;
pub mod kern_timeout;
pub mod lists;
pub mod locks;
pub mod mld6;
pub mod mpd;
pub mod nd6;
pub mod nd6_nbr;
pub mod nd6_rtr;
pub mod netisr;
pub mod ng_base;
pub mod ng_iface;
pub mod ng_pppoe;
pub mod nhgrp;
pub mod nhgrp_ctl;
pub mod nhop;
pub mod nhop_ctl;
pub mod nhop_utils;
pub mod objects;
pub mod radix;
pub mod route;
pub mod route_ctl;
pub mod route_helpers;
pub mod route_ifaddrs;
pub mod route_rtentry;
pub mod route_subscription;
pub mod rtsock;
pub mod rules;
pub mod scope6;
pub mod subr_epoch;
pub mod subr_taskqueue;
pub mod tcp_input;
pub mod tcp_output;
pub mod tcp_subr;
pub mod tcp_timer;
pub mod tcp_usrreq;
pub mod teardown;
#[cfg(test)]
mod testing;
pub mod udp_usrreq;
pub mod uipc_socket;
pub mod uma;
pub mod verbs;
pub mod words;

pub use verbs::GRAMMAR;

use super::{Defect, Holds, Job, Proposal, Stack};
use crate::kern::Kernel;
use crate::kern::callout::Callout;
use crate::kern::cell::F;
use crate::kern::epoch::Epoch;
use crate::kern::fifo::Fifo;
use crate::kern::lock::LockInfo;
use crate::kern::queue::{Lists, Tailq};
use crate::kern::slab::{ObjRef, Slab};
use crate::kern::trace::Func;
use crate::program::{Grammar, Op};
use crate::shadow::{Rule, Violation};
use objects::*;
use subr_epoch::Callback;
use teardown::Teardown;

/// Socket slots: tcp0, tcp1, udp0, udp1.
pub const NSOCKS: usize = 4;
/// Slots of `ifindex_table`.
pub const NINDEX: usize = 32;
/// Buckets of the address hashes.
pub const NHASH: usize = 4;
/// Interfaces.
pub const NIFNETS: usize = 12;
/// Addresses of all families.
pub const NIFAS: usize = 32;
/// Routes, of both families and those that wait for their grace period.
pub const NRTS: usize = 48;
/// Nexthops.
pub const NNHOPS: usize = 48;
/// Subscribers of one RIB.
pub const NSUBS: usize = 4;

/// errno(2).
pub const EPERM: i32 = 1;
/// errno(2).
pub const ENOENT: i32 = 2;
/// errno(2).
pub const ESRCH: i32 = 3;
/// errno(2).
pub const ENXIO: i32 = 6;
/// errno(2).
pub const ENOMEM: i32 = 12;
/// errno(2).
pub const EBUSY: i32 = 16;
/// errno(2).
pub const EEXIST: i32 = 17;
/// errno(2).
pub const ENODEV: i32 = 19;
/// errno(2).
pub const EINVAL: i32 = 22;
/// errno(2).
pub const EDESTADDRREQ: i32 = 39;
/// errno(2).
pub const EOPNOTSUPP: i32 = 45;
/// errno(2).
pub const EPFNOSUPPORT: i32 = 46;
/// errno(2).
pub const EAFNOSUPPORT: i32 = 47;
/// errno(2).
pub const EADDRINUSE: i32 = 48;
/// errno(2).
pub const EADDRNOTAVAIL: i32 = 49;
/// errno(2).
pub const ENETDOWN: i32 = 50;
/// errno(2).
pub const ENETUNREACH: i32 = 51;
/// errno(2).
pub const ENOBUFS: i32 = 55;
/// errno(2).
pub const ECONNRESET: i32 = 54;
/// errno(2).
pub const EISCONN: i32 = 56;
/// errno(2).
pub const ENOTCONN: i32 = 57;
/// errno(2).
pub const ETIMEDOUT: i32 = 60;
/// errno(2).
pub const ECONNREFUSED: i32 = 61;
/// errno(2).
pub const EHOSTUNREACH: i32 = 65;

/// This stack's kernel.
pub type K = Kernel<Freebsd>;

/// The stack.
#[derive(Debug)]
pub struct Freebsd;

/// The state of the modelled kernel: its memory, and what points into it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Interfaces.
    pub ifnets: Slab<Ifnet, NIFNETS>,
    /// `if_afdata[AF_INET6]`.
    pub exts: Slab<In6Ifextra, NIFNETS>,
    /// `if_afdata[AF_INET]`.
    pub ifinfos: Slab<InIfinfo, NIFNETS>,
    /// Interface addresses.
    pub ifas: Slab<Ifaddr, NIFAS>,
    /// ND prefixes.
    pub prefixes: Slab<NdPrefix, 16>,
    /// Default routers.
    pub routers: Slab<NdDefrouter, 8>,
    /// DAD queue entries.
    pub dads: Slab<Dadq, 16>,
    /// Routes.
    pub rts: Slab<Rtentry, NRTS>,
    /// Nexthops.
    pub nhops: Slab<Nhop, NNHOPS>,
    /// Nexthop groups.
    pub nhgrps: Slab<Nhgrp, 8>,
    /// FIB lookup instances.
    pub fds: Slab<FibData, 48>,
    /// Link-layer entries.
    pub lles: Slab<Llentry, 24>,
    /// Pcbs.
    pub inps: Slab<Inpcb, 8>,
    /// Multicast memberships of interfaces.
    pub inms: Slab<InMulti, 48>,
    /// Link-level memberships.
    pub ifmas: Slab<Ifmultiaddr, 48>,
    /// bpf interfaces.
    pub bpfs: Slab<BpfIf, NIFNETS>,
    /// Softcs.
    pub softcs: Slab<Softc, NIFNETS>,
    /// Netgraph nodes.
    pub nodes: Slab<NgNode, 8>,
    /// Everything else.
    pub g: Globals,
}

/// What is small enough to be copied whole between runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Globals {
    /// `V_ifnet`.
    pub v_ifnet: Tailq<Ifnet>,
    /// `ifindex_table[i].ife_ifnet`.
    pub ifindex_table: [F<IfId>; NINDEX],
    /// `ifindex_table[i].ife_gencnt`.
    pub ifindex_gencnt: [F<u16>; NINDEX],
    /// `if_index`: the highest in use.
    pub if_index: F<u8>,
    /// `V_loif`.
    pub v_loif: F<IfId>,
    /// `V_in_ifaddrhead`.
    pub v_in_ifaddrhead: Tailq<Ifaddr>,
    /// `V_in_ifaddrhashtbl`.
    pub v_in_ifaddrhashtbl: Lists<Ifaddr, NHASH>,
    /// `V_in6_ifaddrhead`.
    pub v_in6_ifaddrhead: Tailq<Ifaddr>,
    /// `V_in6_ifaddrhashtbl`.
    pub v_in6_ifaddrhashtbl: Lists<Ifaddr, NHASH>,
    /// `V_nd_prefix`.
    pub v_nd_prefix: Lists<NdPrefix, 1>,
    /// `V_nd6_defrouter`.
    pub v_nd6_defrouter: Tailq<NdDefrouter>,
    /// `V_nd6_list_genid`.
    pub v_nd6_list_genid: F<u32>,
    /// `V_dadq`.
    pub v_dadq: Tailq<Dadq>,
    /// `V_nd6_timer_ch`.
    pub v_nd6_timer_ch: Callout,
    /// The radix tree of each family's RIB, in key order.
    pub rib: [[F<RtId>; TABLE]; 2],
    /// Routes in each.
    pub rib_len: [F<u8>; 2],
    /// The tree of its masks (`rnh_masks`): a bit per length.
    pub rnh_masks: [F<u128>; 2],
    /// `rnh_gen`: what socket caches are checked against.
    pub rnh_gen: [F<u32>; 2],
    /// `rnh_gen_rib`.
    pub rnh_gen_rib: [F<u32>; 2],
    /// `rnh_subscribers`: FIB instances, the first one first.
    pub rnh_subscribers: [[F<FdId>; NSUBS]; 2],
    /// `nh_head` of each family's `nh_control`.
    pub nh_head: Lists<Nhop, 2>,
    /// `gr_head` of each family's `nh_control`.
    pub gr_head: Lists<Nhgrp, 2>,
    /// `nh_idx_head`: indices in use, a bit each; index 0 is none.
    pub nh_idx_head: [F<u64>; 2],
    /// `V_fib_data_list`.
    pub v_fib_data_list: Tailq<FibData>,
    /// `V_inet_dp[0].arg`, `V_inet6_dp[0].arg`: the instance that lookups go to.
    pub v_inet_dp: [F<FdId>; 2],
    /// `rnh_algo_fixed`, and which module: the user chose `radix`.
    pub algo_fixed: [F<Option<Flm>>; 2],
    /// References of the modules (`flm_refcount`), by [`Flm`] and family.
    pub flm_refcount: [[F<u8>; 2]; 2],
    /// How many `lradix4_data`, `lradix6_data` are allocated.
    pub lradix_data: [F<u8>; 2],
    /// `fib_gen`: counts instances.
    pub fib_gen: F<u32>,
    /// The network epoch.
    pub net_epoch: Epoch<Callback, 64>,
    /// `taskqueue_swi` and `taskqueue_thread`, as one.
    pub taskqueue: subr_taskqueue::Queue,
    /// `epair_tasks.tq[0]`.
    pub epair_taskqueue: subr_taskqueue::Queue,
    /// `bpf_iflist`.
    pub bpf_iflist: Lists<BpfIf, 1>,
    /// `in_multi` records that wait for `inm_release_task`.
    pub inm_free_list: Fifo<InmId, 24>,
    /// `in6_multi` records that wait for `in6m_release_task`.
    pub in6m_free_list: Fifo<InmId, 24>,
    /// The pcb of each socket slot.
    pub pcbs: [F<InpId>; NSOCKS],
    /// Packets that wait for netisr.
    pub netisr: Fifo<kern_mbuf::Packet, 8>,
    /// Units that each cloner has given out, by interface slot.
    pub units: F<u16>,
    /// The iface node of each ng interface slot (`ng0`, `ng1`).
    pub ng_iface: [F<NodeId>; 2],
    /// What the PPP daemon knows of each session.
    pub mpd: [F<mpd::Session>; 2],
    /// The books' own notes.
    pub notes: invariants::Notes,
    /// How often the teardown has let time pass.
    pub advanced: F<u32>,
}

impl std::ops::Deref for State {
    type Target = Globals;
    #[inline]
    fn deref(&self) -> &Globals {
        &self.g
    }
}

impl Holds<Ifnet> for Freebsd {
    fn look(st: &State, id: IfId) -> (&Ifnet, bool) {
        st.ifnets.look(id)
    }
}
impl Holds<In6Ifextra> for Freebsd {
    fn look(st: &State, id: ExtId) -> (&In6Ifextra, bool) {
        st.exts.look(id)
    }
}
impl Holds<InIfinfo> for Freebsd {
    fn look(st: &State, id: IiId) -> (&InIfinfo, bool) {
        st.ifinfos.look(id)
    }
}
impl Holds<Ifaddr> for Freebsd {
    fn look(st: &State, id: IfaId) -> (&Ifaddr, bool) {
        st.ifas.look(id)
    }
}
impl Holds<NdPrefix> for Freebsd {
    fn look(st: &State, id: PrId) -> (&NdPrefix, bool) {
        st.prefixes.look(id)
    }
}
impl Holds<NdDefrouter> for Freebsd {
    fn look(st: &State, id: DrId) -> (&NdDefrouter, bool) {
        st.routers.look(id)
    }
}
impl Holds<Dadq> for Freebsd {
    fn look(st: &State, id: DadId) -> (&Dadq, bool) {
        st.dads.look(id)
    }
}
impl Holds<Rtentry> for Freebsd {
    fn look(st: &State, id: RtId) -> (&Rtentry, bool) {
        st.rts.look(id)
    }
}
impl Holds<Nhop> for Freebsd {
    fn look(st: &State, id: NhId) -> (&Nhop, bool) {
        st.nhops.look(id)
    }
}
impl Holds<Nhgrp> for Freebsd {
    fn look(st: &State, id: NhgId) -> (&Nhgrp, bool) {
        st.nhgrps.look(id)
    }
}
impl Holds<FibData> for Freebsd {
    fn look(st: &State, id: FdId) -> (&FibData, bool) {
        st.fds.look(id)
    }
}
impl Holds<Llentry> for Freebsd {
    fn look(st: &State, id: LleId) -> (&Llentry, bool) {
        st.lles.look(id)
    }
}
impl Holds<Inpcb> for Freebsd {
    fn look(st: &State, id: InpId) -> (&Inpcb, bool) {
        st.inps.look(id)
    }
}
impl Holds<InMulti> for Freebsd {
    fn look(st: &State, id: InmId) -> (&InMulti, bool) {
        st.inms.look(id)
    }
}
impl Holds<Ifmultiaddr> for Freebsd {
    fn look(st: &State, id: IfmaId) -> (&Ifmultiaddr, bool) {
        st.ifmas.look(id)
    }
}
impl Holds<BpfIf> for Freebsd {
    fn look(st: &State, id: BpfId) -> (&BpfIf, bool) {
        st.bpfs.look(id)
    }
}
impl Holds<Softc> for Freebsd {
    fn look(st: &State, id: ScId) -> (&Softc, bool) {
        st.softcs.look(id)
    }
}
impl Holds<NgNode> for Freebsd {
    fn look(st: &State, id: NodeId) -> (&NgNode, bool) {
        st.nodes.look(id)
    }
}

/// Kernel threads and teardown steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thread {
    /// The thread that runs epoch callbacks.
    Epoch,
    /// The thread of the taskqueue.
    Taskqueue,
    /// The thread of epair's taskqueue.
    EpairTaskqueue,
    /// A step of the teardown.
    Teardown(Teardown),
}

static USER_THREAD: Func = Func { name: "user", file: "" };
static EPOCH_THREAD: Func = Func { name: "epoch", file: "" };
static TASKQUEUE_THREAD: Func = Func { name: "taskqueue", file: "" };
static EPAIR_THREAD: Func = Func { name: "epair_task", file: "" };
static TEARDOWN_THREAD: Func = Func { name: "teardown", file: "" };

impl Stack for Freebsd {
    type State = State;
    type Job = Thread;

    fn grammar() -> &'static Grammar {
        &GRAMMAR
    }

    fn defects() -> &'static [Defect] {
        defects::DEFECTS
    }

    fn proposals() -> &'static [Proposal] {
        defects::PROPOSALS
    }

    fn rules() -> &'static [&'static Rule] {
        invariants::RULES
    }

    fn explain(v: &Violation) -> String {
        explain::explain(v)
    }

    fn locks() -> &'static [LockInfo] {
        locks::LOCKS
    }

    fn class_name(class: u8) -> &'static str {
        CLASSES.get(class as usize).copied().unwrap_or("?")
    }

    fn boot(k: &K) {
        if_loop::boot(k);
        fib_algo::boot(k);
        nd6::boot(k);
        invariants::boot(k);
    }

    fn restore(st: &mut State, boot: &State) {
        st.ifnets.restore(&boot.ifnets);
        st.exts.restore(&boot.exts);
        st.ifinfos.restore(&boot.ifinfos);
        st.ifas.restore(&boot.ifas);
        st.prefixes.restore(&boot.prefixes);
        st.routers.restore(&boot.routers);
        st.dads.restore(&boot.dads);
        st.rts.restore(&boot.rts);
        st.nhops.restore(&boot.nhops);
        st.nhgrps.restore(&boot.nhgrps);
        st.fds.restore(&boot.fds);
        st.lles.restore(&boot.lles);
        st.inps.restore(&boot.inps);
        st.inms.restore(&boot.inms);
        st.ifmas.restore(&boot.ifmas);
        st.bpfs.restore(&boot.bpfs);
        st.softcs.restore(&boot.softcs);
        st.nodes.restore(&boot.nodes);
        st.g.clone_from(&boot.g);
    }

    fn op_cpu(_: &Op, _: usize) -> u8 {
        0
    }

    async fn thread(k: &K, job: Job<Thread>) -> i32 {
        match job {
            Job::Op(op) => {
                let _t = k.frame(&USER_THREAD);
                verbs::dispatch(k, op).await
            }
            Job::Thread(Thread::Epoch) => {
                let _t = k.frame(&EPOCH_THREAD);
                subr_epoch::epoch_call_task(k).await
            }
            Job::Thread(Thread::Taskqueue) => {
                let _t = k.frame(&TASKQUEUE_THREAD);
                subr_taskqueue::taskqueue_thread_loop(k, &k.st.taskqueue).await
            }
            Job::Thread(Thread::EpairTaskqueue) => {
                let _t = k.frame(&EPAIR_THREAD);
                subr_taskqueue::taskqueue_thread_loop(k, &k.st.epair_taskqueue).await
            }
            Job::Thread(Thread::Teardown(step)) => {
                let _t = k.frame(&TEARDOWN_THREAD);
                teardown::step(k, step).await
            }
        }
    }

    fn after_op(k: &K, op: &Op, errno: Option<i32>, rest: bool) {
        invariants::after_op(k, op, errno, rest);
    }

    fn after_no_change(k: &K, op: &Op, errno: i32) {
        invariants::after_no_change(k, op, errno);
    }

    fn awaited(k: &K) -> Option<(Thread, u8)> {
        if_tuntap::is_open(k).then_some((Thread::Teardown(Teardown::CloseTun), 0))
    }

    fn teardown(k: &K, n: u32) -> Option<(Thread, u8)> {
        teardown::next(k, n).map(|t| (Thread::Teardown(t), 0))
    }

    fn audit_end(k: &K) {
        invariants::after_op(k, &Op::default(), None, true);
        if !k.stopped() {
            invariants::audit_end(k);
        }
    }

    fn fingerprint(k: &K) -> u64 {
        fingerprint::fingerprint(k)
    }

    fn describe(k: &K, obj: ObjRef) -> Vec<String> {
        describe::describe(k, obj)
    }
}
