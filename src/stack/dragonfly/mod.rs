//! `dragonfly-2007`: DragonFly BSD in the last days of 2007.
//!
//! Base: the tree of 27 December 2007, hours before the mail of the first report. Each
//! CPU has its own full routing table, changed in turn by messages between the route
//! threads; everything runs under one giant lock that is let go by blocking; an
//! `in_ifaddr` is on up to three lists and has one counter.
//!
//! One file for each kernel source file; a function is found by its kernel name.
//!
//! | file | mirrors |
//! | --- | --- |
//! | [`objects`], [`sockaddr`] | `net/if_var.h`, `netinet/in_var.h`, `net/route.h`, ... |
//! | [`lwkt`] | which locks and threads there are |
//! | [`lwkt_serialize`], [`lwkt_thread`], [`kern_slaballoc`] | `kern/lwkt_*.c`, `kern/kern_slaballoc.c` |
//! | [`netisr`] | `net/netisr.c` |
//! | [`if_c`], [`if_var`] | `net/if.c`, `net/if_var.h` |
//! | [`in_c`] | `netinet/in.c` |
//! | [`in_rmx`] | `netinet/in_rmx.c` |
//! | [`route`], [`radix`], [`rtsock`] | `net/route.c`, `net/radix.c`, `net/rtsock.c` |
//! | [`raw_ip`], [`uipc_domain`] | `netinet/raw_ip.c`, `kern/uipc_domain.c` |
//! | [`if_ether`] | `netinet/if_ether.c` |
//! | [`in_pcb`], [`tcp_usrreq`], [`tcp_output`], [`tcp_subr`], [`tcp_timer`], [`udp_usrreq`] | `netinet/in_pcb.c`, `tcp_*.c`, `udp_usrreq.c` |
//! | [`ip_icmp`], [`ip_input`], [`ip_output`], [`ip_flow`], [`ip_demux`] | `netinet/ip_*.c` |
//! | [`if_em`], [`if_gif`], [`if_tap`], [`if_tun`], [`if_spppsubr`], [`if_ethersubr`] | the drivers, and what they share |
//! | [`kern_timeout`] | `kern/kern_timeout.c` |
//! | [`defects`] | what was wrong |
//! | [`invariants`] | what must hold |
//! | [`describe`], [`fingerprint`] | dumps for reports; a hash of the state |
//! | [`verbs`] | the operations |

pub mod defects;
pub mod describe;
pub mod fingerprint;
pub mod if_c;
pub mod if_em;
pub mod if_ether;
pub mod if_ethersubr;
pub mod if_gif;
pub mod if_spppsubr;
pub mod if_tap;
pub mod if_tun;
pub mod if_var;
pub mod in_c;
pub mod in_pcb;
pub mod in_rmx;
pub mod invariants;
pub mod ip_demux;
pub mod ip_flow;
pub mod ip_icmp;
pub mod ip_input;
pub mod ip_output;
pub mod kern_slaballoc;
pub mod kern_timeout;
pub mod lwkt;
pub mod lwkt_serialize;
pub mod lwkt_thread;
pub mod netisr;
pub mod objects;
pub mod radix;
pub mod raw_ip;
pub mod route;
pub mod rtsock;
pub mod rules;
pub mod sockaddr;
pub mod tcp_output;
pub mod tcp_subr;
pub mod tcp_timer;
pub mod tcp_usrreq;
#[cfg(test)]
mod testing;
pub mod udp_usrreq;
pub mod uipc_domain;
pub mod verbs;

pub use verbs::GRAMMAR;

use super::{Defect, Holds, Job, Stack};
use crate::kern::Kernel;
use crate::kern::callout::Callout;
use crate::kern::cell::F;
use crate::kern::lock::LockInfo;
use crate::kern::queue::{Lists, Tailq};
use crate::kern::slab::{ObjRef, Slab};
use crate::kern::trace::Func;
use crate::program::{Grammar, Op};
use crate::shadow::{Rule, Violation};
use netisr::Packet;
use objects::*;

/// Interface slots: the names in [`verbs::IFS`].
pub const NIFS: usize = 9;
/// Pcb slots: two TCP, two UDP.
pub const NPCBS: usize = 4;
/// Addresses, link-level ones included.
pub const NIFAS: usize = 32;
/// Routes, over all CPUs.
pub const NRTS: usize = 64;
/// Routes of one CPU's table.
const TABLE: usize = 24;

/// errno(2).
pub const ENOENT: i32 = 2;
/// errno(2).
pub const ESRCH: i32 = 3;
/// errno(2).
pub const EIO: i32 = 5;
/// errno(2).
pub const ENXIO: i32 = 6;
/// errno(2).
pub const EBUSY: i32 = 16;
/// errno(2).
pub const EEXIST: i32 = 17;
/// errno(2).
pub const EINVAL: i32 = 22;
/// errno(2).
pub const EALREADY: i32 = 37;
/// errno(2).
pub const EDESTADDRREQ: i32 = 39;
/// errno(2).
pub const EOPNOTSUPP: i32 = 45;
/// errno(2).
pub const EAFNOSUPPORT: i32 = 47;
/// errno(2).
pub const EADDRNOTAVAIL: i32 = 49;
/// errno(2).
pub const ENETDOWN: i32 = 50;
/// errno(2).
pub const ENETUNREACH: i32 = 51;
/// errno(2).
pub const ENOBUFS: i32 = 55;
/// errno(2).
pub const EISCONN: i32 = 56;
/// errno(2).
pub const ENOTCONN: i32 = 57;
/// errno(2).
pub const ETIMEDOUT: i32 = 60;
/// errno(2).
pub const EHOSTUNREACH: i32 = 65;
/// errno(2).
pub const EDQUOT: i32 = 69;

/// This stack's kernel.
pub type K = Kernel<Dragonfly>;

/// The stack.
#[derive(Debug)]
pub struct Dragonfly;

/// The state of the modelled kernel: its memory, and what points into it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Interfaces.
    pub ifnets: Slab<Ifnet, 12>,
    /// Interface addresses.
    pub ifa: Slab<Ifaddr, NIFAS>,
    /// Routes.
    pub rt: Slab<Rtentry, NRTS>,
    /// ARP entries.
    pub las: Slab<LlinfoArp, 48>,
    /// Pcbs.
    pub inps: Slab<Inpcb, 6>,
    /// Flows.
    pub flows: Slab<Ipflow, 3>,
    /// Everything else.
    pub g: Globals,
}

/// What is small enough to be copied whole between runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Globals {
    /// The list `ifnet`.
    pub ifnet: Tailq<Ifnet>,
    /// `if_index`.
    pub if_index: F<u8>,
    /// `ifindex2ifnet`.
    pub ifindex2ifnet: Table<IfId, 80>,
    /// `loif`.
    pub loif: F<IfId>,
    /// `in_ifaddrhead`.
    pub in_ifaddrhead: Tailq<Ifaddr>,
    /// `in_ifaddrhashtbl`.
    pub in_ifaddrhashtbl: Lists<Ifaddr, { in_c::INADDR_NHASH }>,
    /// `rt_tables[cpu][AF_INET]`, in key order.
    pub tables: [[F<RtId>; TABLE]; 3],
    /// Routes in each.
    pub table_len: [F<u8>; 3],
    /// `llinfo_arp_list[cpu]`.
    pub llinfo_arp_list: Lists<LlinfoArp, 3>,
    /// `arpinit_done[cpu]`.
    pub arpinit_done: [F<bool>; 3],
    /// `arptimer_ch[cpu]`.
    pub arptimer_ch: [Callout; 3],
    /// `in_rtqtimo_ch[cpu]`.
    pub in_rtqtimo_ch: [Callout; 3],
    /// The protocol slow timer, as far as flows need it.
    pub slowtimo_ch: Callout,
    /// `ipflows`, one bucket.
    pub ipflows: Lists<Ipflow, 1>,
    /// `ipforward_rt[cpu].ro_rt`.
    pub ipforward_rt: [F<RtId>; 3],
    /// `ipforward_rt[cpu].ro_dst`.
    pub ipforward_dst: [F<u32>; 3],
    /// Packets that wait for each netisr.
    pub netisr: [[F<Packet>; netisr::QUEUE]; 3],
    /// The pcb of each socket slot.
    pub pcbs: [F<InpId>; NPCBS],
    /// tapmodevent has removed `tap_ops`.
    pub tap_unloading: F<bool>,
    /// LCP is open.
    pub lcp_open: F<bool>,
    /// IPCP is open.
    pub ipcp_open: F<bool>,
    /// `IPCP_MYADDR_DYN`.
    pub ipcp_myaddr_dyn: F<bool>,
    /// The books' digest of addresses and routes when last at rest (I16).
    pub digest: F<invariants::Digest>,
    /// The books' note: bit per address whose route the undo of a failed call could not
    /// put back.
    pub undo_failed: F<u64>,
    /// The end of the run has come past its [`Teardown::Timers`].
    pub timers_ran: F<bool>,
    /// A connect(2) is under way on the socket; it holds the file, so that close(2)
    /// does not reach the pcb.
    pub so_busy: [F<bool>; NPCBS],
}

/// An array longer than the standard library's `Default` goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Table<T: Copy, const N: usize>([F<T>; N]);

impl<T: Copy + Default, const N: usize> Default for Table<T, N> {
    fn default() -> Self {
        Table(std::array::from_fn(|_| F::new(T::default())))
    }
}

impl<T: Copy, const N: usize> std::ops::Deref for Table<T, N> {
    type Target = [F<T>; N];
    fn deref(&self) -> &[F<T>; N] {
        &self.0
    }
}

impl std::ops::Deref for State {
    type Target = Globals;
    #[inline]
    fn deref(&self) -> &Globals {
        &self.g
    }
}

impl Holds<Ifnet> for Dragonfly {
    fn look(st: &State, id: IfId) -> (&Ifnet, bool) {
        st.ifnets.look(id)
    }
}
impl Holds<Ifaddr> for Dragonfly {
    fn look(st: &State, id: IfaId) -> (&Ifaddr, bool) {
        st.ifa.look(id)
    }
}
impl Holds<Rtentry> for Dragonfly {
    fn look(st: &State, id: RtId) -> (&Rtentry, bool) {
        st.rt.look(id)
    }
}
impl Holds<LlinfoArp> for Dragonfly {
    fn look(st: &State, id: LaId) -> (&LlinfoArp, bool) {
        st.las.look(id)
    }
}
impl Holds<Inpcb> for Dragonfly {
    fn look(st: &State, id: InpId) -> (&Inpcb, bool) {
        st.inps.look(id)
    }
}
impl Holds<Ipflow> for Dragonfly {
    fn look(st: &State, id: FlowId) -> (&Ipflow, bool) {
        st.flows.look(id)
    }
}

/// Steps of the teardown, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Teardown {
    /// Close a socket.
    Close(u8),
    /// Close a device.
    CloseDevice(u8),
    /// Delete a route that the user or a redirect made.
    DeleteRoute(u32, u8),
    /// Let the flows run out.
    Advance,
    /// Let an hour pass, and the periodic callouts run once.
    Timers,
    /// Detach or destroy an interface.
    Detach(u8),
    /// Unload the tap module.
    UnloadTap,
    /// Delete an address of an interface that stays.
    DeleteAddress(u8, u32),
    /// Serve what is queued and give up the forwarding caches.
    Drain,
}

static THREAD: Func = Func { name: "ioctl", file: "" };
static TEARDOWN_THREAD: Func = Func { name: "teardown", file: "" };

impl Stack for Dragonfly {
    type State = State;
    type Job = Teardown;

    fn grammar() -> &'static Grammar {
        &GRAMMAR
    }

    fn defects() -> &'static [Defect] {
        defects::DEFECTS
    }

    fn rules() -> &'static [&'static Rule] {
        invariants::ALL
    }

    fn explain(v: &Violation) -> String {
        describe::explain(v)
    }

    fn locks() -> &'static [LockInfo] {
        lwkt::LOCKS
    }

    fn class_name(class: u8) -> &'static str {
        CLASSES.get(class as usize).unwrap_or(&"?")
    }

    fn boot(k: &K) {
        let lo = if_c::if_attach(k, 8, Driver::Lo, IFF_LOOPBACK | IFF_MULTICAST);
        k.st.loif.set(lo);
        if_c::if_attach(k, 7, Driver::Sppp, IFF_POINTOPOINT | IFF_MULTICAST);
        for em in [0, 1] {
            if_c::if_attach(k, em, Driver::Em, IFF_BROADCAST | IFF_MULTICAST);
        }
        for cpu in 0..k.ncpus() {
            k.callout_reset(&k.st.in_rtqtimo_ch[cpu], in_rmx::RTQ_TIMEOUT);
        }
        invariants::after_op(k, &Op::default(), None, true);
    }

    fn restore(st: &mut State, boot: &State) {
        // State after boot differs with the number of CPUs only in its globals, so that
        // a state may come from another boot.
        st.ifnets.restore(&boot.ifnets);
        st.ifa.restore(&boot.ifa);
        st.rt.restore(&boot.rt);
        st.las.restore(&boot.las);
        st.inps.restore(&boot.inps);
        st.flows.restore(&boot.flows);
        st.g.clone_from(&boot.g);
    }

    fn op_cpu(op: &Op, ncpus: usize) -> u8 {
        verbs::cpu_of(op, ncpus)
    }

    async fn thread(k: &K, job: Job<Teardown>) -> i32 {
        match job {
            Job::Op(op) => {
                let _t = k.frame(&THREAD);
                verbs::dispatch(k, op).await
            }
            Job::Thread(step) => {
                let _t = k.frame(&TEARDOWN_THREAD);
                teardown_step(k, step).await
            }
        }
    }

    fn after_op(k: &K, op: &Op, errno: Option<i32>, rest: bool) {
        invariants::after_op(k, op, errno, rest);
    }

    fn after_no_change(k: &K, op: &Op, errno: i32) {
        invariants::after_no_change(k, op, errno);
    }

    fn teardown(k: &K, n: u32) -> Option<(Teardown, u8)> {
        // More steps than objects: something comes back again and again.
        if n > 200 {
            return None;
        }
        next_teardown(k, n).map(|t| (t, 0))
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

/// What is still to be torn down, first things first.
fn next_teardown(k: &K, n: u32) -> Option<Teardown> {
    let st = &k.st;
    if let Some(i) = (0..NPCBS).find(|&i| !st.pcbs[i].get().is_null()) {
        return Some(Teardown::Close(i as u8));
    }
    if let Some((_, i)) = st.ifnets.iter().find(|(_, i)| i.open.get()) {
        return Some(Teardown::CloseDevice(i.name.get()));
    }
    for cpu in 0..k.ncpus() {
        for rt in route::table(k, cpu) {
            let r = st.rt.raw(rt);
            if r.rt_flags.get() & (RTF_STATIC | RTF_DYNAMIC) != 0
                && r.rt_flags.get() & RTF_WASCLONED == 0
            {
                return Some(Teardown::DeleteRoute(r.rt_key.get(), r.plen.get()));
            }
        }
    }
    let queued = st.netisr.iter().any(|q| q[0].get().dst != 0);
    if queued || st.ipforward_rt.iter().any(|r| !r.get().is_null()) {
        return Some(Teardown::Drain);
    }
    if !st.flows.is_empty() && n < 190 {
        return Some(Teardown::Advance);
    }
    if !st.timers_ran.get() {
        return Some(Teardown::Timers);
    }
    for (_, i) in st.ifnets.iter() {
        match i.driver.get() {
            Driver::Em | Driver::Gif => return Some(Teardown::Detach(i.name.get())),
            Driver::Tap => return Some(Teardown::UnloadTap),
            Driver::Tun | Driver::Sppp | Driver::Lo => {}
        }
    }
    let left = st
        .ifa
        .iter()
        .find(|(_, a)| a.is_in.get() && a.implicit.get() && a.ia_addr.get().family == AF_INET);
    if let Some((_, a)) = left {
        let name = st.ifnets.raw(a.ifa_ifp.get()).name.get();
        return Some(Teardown::DeleteAddress(name, a.ia_addr.get().addr));
    }
    None
}

async fn teardown_step(k: &K, step: Teardown) -> i32 {
    use in_c::AliasReq;
    match step {
        Teardown::Close(i) if i < 2 => tcp_usrreq::tcp_usr_close(k, i as usize).await,
        Teardown::Close(i) => udp_usrreq::udp_close(k, i as usize).await,
        Teardown::CloseDevice(name) => {
            if verbs::IFS[name as usize] == "tun0" {
                if_tun::tunclose(k, name).await
            } else {
                if_tap::tapclose(k, name).await
            }
        }
        Teardown::DeleteRoute(dst, plen) => {
            let r = rtsock::RouteReq { dst, plen, gateway: None };
            rtsock::routing_socket(k, route::Req::Delete, route::Callback::RouteOutputDelete, r)
                .await
        }
        Teardown::Advance => kern_timeout::advance(k, 6_000, u32::MAX).await,
        Teardown::Timers => {
            k.st.timers_ran.set(true);
            kern_timeout::leap(k, in_rmx::RTQ_REALLYOLD).await
        }
        Teardown::Detach(name) => {
            if verbs::IFS[name as usize].starts_with("em") {
                if_em::em_detach(k, name).await
            } else {
                if_c::if_clone_destroy(k, name).await
            }
        }
        Teardown::UnloadTap => if_tap::tapmodevent_unload(k).await,
        Teardown::DeleteAddress(name, addr) => {
            let req = AliasReq { addr, ..AliasReq::default() };
            if_c::ifioctl(k, name, if_c::Cmd::Difaddr, req).await
        }
        Teardown::Drain => {
            for cpu in 0..k.ncpus() {
                netisr::drain_queue(k, cpu);
                let rt = k.st.ipforward_rt[cpu].get();
                if !rt.is_null() {
                    k.st.ipforward_rt[cpu].set(RtId::NULL);
                    k.set_cpu(cpu);
                    route::rtfree(k, rt);
                }
            }
            0
        }
    }
}
