//! A hash of the state at rest that does not depend on how it came about.
//!
//! Slots and generations tell history, not state; so does what stands in freed memory,
//! in links of unlisted objects, and the order in which callouts were armed. The walk
//! starts from the roots (lists, tables, sockets, caches) in their own order, numbers
//! each object when it first meets it, and hashes living fields only, pointers as
//! numbers and deadlines as what is left of them. Two states with one fingerprint behave
//! alike. `ifscrub run --json` tells it, and `ifscrub corpus reach` in how many of them the
//! programs of a corpus end.

use super::K;
use super::objects::*;
use super::radix::table;
use crate::kern::callout::Callout;
use crate::kern::slab::Id;
use crate::kern::trace::Fnv;

/// Numbers of the objects of one class, by slot; 0 is not yet met.
struct Numbers<const N: usize> {
    of: [u16; N],
    next: u16,
}

impl<const N: usize> Numbers<N> {
    fn new() -> Self {
        Numbers { of: [0; N], next: 1 }
    }

    /// The number of an object, `0` for NULL.
    fn number<T>(&mut self, id: Id<T>) -> u16 {
        if id.is_null() || id.slot() >= N {
            return 0;
        }
        if self.of[id.slot()] == 0 {
            self.of[id.slot()] = self.next;
            self.next += 1;
        }
        self.of[id.slot()]
    }
}

struct Walk<'k> {
    k: &'k K,
    h: Fnv,
    ifnets: Numbers<12>,
    ifas: Numbers<{ super::NIFAS }>,
    rts: Numbers<{ super::NRTS }>,
}

impl Walk<'_> {
    fn put(&mut self, v: u64) {
        self.h.bytes(&v.to_le_bytes());
    }

    fn sin(&mut self, s: Sin) {
        self.put(u64::from(s.family) << 32 | u64::from(s.addr));
    }

    fn sa(&mut self, p: Sa) {
        let (kind, n) = match p {
            Sa::Null => (0, 0),
            Sa::Poison => (1, 0),
            Sa::FreeLink(_) => (2, 0),
            Sa::Addr(i) => (3, self.ifas.number(i)),
            Sa::Dst(i) => (4, self.ifas.number(i)),
            Sa::Mask(i) => (5, self.ifas.number(i)),
            Sa::Stack(..) => (6, 0),
            Sa::Copy(s) => {
                self.sin(s);
                (7, 0)
            }
            Sa::Key(r) => (8, self.rts.number(r)),
        };
        self.put(kind << 16 | u64::from(n));
    }

    fn callout(&mut self, c: &Callout) {
        let left = c.due().map_or(u64::MAX, |(at, _)| at.saturating_sub(self.k.now()));
        self.put(left);
    }

    fn ifnet(&mut self, ifp: IfId) {
        let n = self.k.st.ifnets.raw(ifp);
        let number = self.ifnets.number(ifp);
        self.put(u64::from(number));
        self.put(u64::from(n.name.get()) << 32 | u64::from(n.if_flags.get()));
        self.put(u64::from(n.open.get()) << 1 | u64::from(n.tun_dstaddr.get()));
        self.put(u64::from(n.if_index.get()));
        let mut i = n.if_addrhead.first.get();
        while !i.is_null() && self.k.fuel() {
            self.ifaddr(i);
            i = self.k.st.ifa.raw(i).ifa_link.next.get();
        }
        self.put(u64::MAX);
    }

    fn ifaddr(&mut self, id: IfaId) {
        let a = self.k.st.ifa.raw(id);
        let number = self.ifas.number(id);
        self.put(u64::from(number));
        self.sa(a.ifa_addr.get());
        self.sa(a.ifa_dstaddr.get());
        self.sa(a.ifa_netmask.get());
        self.sin(a.ia_addr.get());
        self.sin(a.ia_dstaddr.get());
        self.sin(a.ia_sockmask.get());
        self.put(u64::from(a.ia_subnetmask.get()) << 32 | u64::from(a.ia_netmask.get()));
        self.put(u64::from(a.ifa_flags.get()) << 8 | a.ifa_rtrequest.get() as u64);
        self.put(u64::from(a.ifa_refcnt.get()));
    }

    fn rtentry(&mut self, id: RtId) {
        let number = self.rts.number(id);
        self.put(u64::from(number));
        if id.is_null() {
            return;
        }
        let r = self.k.st.rt.raw(id);
        self.put(u64::from(r.rt_key.get()) << 8 | u64::from(r.plen.get()));
        self.put(u64::from(r.rt_flags.get()));
        self.put(r.rt_refcnt.get() as u64);
        let (ifa, ifp) = (self.ifas.number(r.rt_ifa.get()), self.ifnets.number(r.rt_ifp.get()));
        self.put(u64::from(ifa) << 16 | u64::from(ifp));
        self.put(match r.rt_gateway.get() {
            Gateway::Null => 0,
            Gateway::Inet(a) => 1 << 40 | u64::from(a),
            Gateway::Link(i, resolved) => 2 << 40 | u64::from(resolved) << 8 | u64::from(i),
        });
        let (gw, parent) =
            (self.rts.number(r.rt_gwroute.get()), self.rts.number(r.rt_parent.get()));
        self.put(u64::from(gw) << 16 | u64::from(parent));
        self.put(u64::from(!r.rt_llinfo.get().is_null()));
        let expire = r.rmx_expire.get();
        self.put(if expire == 0 { 0 } else { 1 + expire.saturating_sub(self.k.now()) });
    }
}

/// The fingerprint of the state, at rest.
pub fn fingerprint(k: &K) -> u64 {
    let st = &k.st;
    let mut w = Walk {
        k,
        h: Fnv::new(),
        ifnets: Numbers::new(),
        ifas: Numbers::new(),
        rts: Numbers::new(),
    };
    let mut ifp = st.ifnet.first.get();
    while !ifp.is_null() && k.fuel() {
        w.ifnet(ifp);
        ifp = st.ifnets.raw(ifp).if_link.next.get();
    }
    let mut ia = st.in_ifaddrhead.first.get();
    while !ia.is_null() && k.fuel() {
        let n = w.ifas.number(ia);
        w.put(u64::from(n));
        ia = st.ifa.raw(ia).ia_link.next.get();
    }
    for head in &st.in_ifaddrhashtbl.first {
        let mut ia = head.get();
        while !ia.is_null() && k.fuel() {
            let n = w.ifas.number(ia);
            w.put(u64::from(n));
            ia = st.ifa.raw(ia).ia_hash.next.get();
        }
        w.put(u64::MAX);
    }
    for cpu in 0..k.ncpus() {
        for rt in table(k, cpu) {
            w.rtentry(rt);
        }
        w.put(u64::MAX);
        let mut la = st.llinfo_arp_list.first[cpu].get();
        while !la.is_null() && k.fuel() {
            let n = w.rts.number(st.las.raw(la).la_rt.get());
            w.put(u64::from(n));
            la = st.las.raw(la).la_le.next.get();
        }
        w.rtentry(st.ipforward_rt[cpu].get());
        w.put(u64::from(st.ipforward_dst[cpu].get()));
        for p in &st.netisr[cpu] {
            let p = p.get();
            let rcvif = if p.dst == 0 { 0 } else { w.ifnets.number(p.rcvif) };
            w.put(u64::from(p.dst) << 16 | u64::from(rcvif));
        }
        w.callout(&st.arptimer_ch[cpu]);
        w.callout(&st.in_rtqtimo_ch[cpu]);
    }
    for inp in st.pcbs.iter().map(|p| p.get()).filter(|p| !p.is_null()) {
        let p = st.inps.raw(inp);
        w.put(u64::from(p.name.get()) << 16 | u64::from(p.t_rxtshift.get()));
        w.put(u64::from(p.inp_laddr.get()) << 32 | u64::from(p.inp_faddr.get()));
        w.put(u64::from(p.cpu.get()) << 8 | p.t_state.get() as u64);
        w.rtentry(p.ro_rt.get());
        w.put(u64::from(p.ro_dst.get()));
        w.callout(&p.tt_rexmt);
    }
    let mut f = st.ipflows.first[0].get();
    while !f.is_null() && k.fuel() {
        let flow = st.flows.raw(f);
        w.rtentry(flow.ro_rt.get());
        w.put(u64::from(flow.ipf_dst.get()) << 8 | u64::from(flow.ipf_timer.get()));
        f = flow.ipf_next.next.get();
    }
    w.callout(&st.slowtimo_ch);
    w.put(
        u64::from(st.lcp_open.get())
            | u64::from(st.ipcp_open.get()) << 1
            | u64::from(st.ipcp_myaddr_dyn.get()) << 2
            | u64::from(st.if_index.get()) << 8,
    );
    w.h.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kern::Kernel;
    use crate::kern::exec::{Config, run_to_rest};
    use crate::program::text;
    use crate::stack::GRAMMARS;

    fn after(ops: &str) -> u64 {
        let text = format!("# ifscrub 1\nkernel dragonfly-2007\nncpus 2\n{ops}");
        let p = text::parse(GRAMMARS, &text).expect("the test's program");
        let mut k: K = Kernel::new();
        run_to_rest(&mut k, &p, Config::default());
        assert!(k.violation().is_none());
        fingerprint(&k)
    }

    #[test]
    fn states_that_came_about_differently_have_the_same_fingerprint() {
        let straight = after("SIOCAIFADDR em0 10.0.0.1\nudp_connect udp0 10.0.0.2\n");
        let detour = after(
            "SIOCAIFADDR em1 192.168.0.1\nudp_send udp1 192.168.0.2\nudp_close udp1\n\
             SIOCDIFADDR em1 192.168.0.1\nifdown em1\nifdown em0\nSIOCAIFADDR em0 10.0.0.1\n\
             udp_connect udp0 10.0.0.2\n",
        );
        // Bringing em1 up and down leaves IFF_RUNNING as it was.
        assert_eq!(straight, detour);
    }

    #[test]
    fn states_that_differ_in_one_route_have_different_fingerprints() {
        let one = after("SIOCAIFADDR em0 10.0.0.1\nroute_add 192.168.0.1 via 10.0.0.2\n");
        let other = after("SIOCAIFADDR em0 10.0.0.1\nroute_add 192.168.0.1 via 10.0.0.3\n");
        assert_ne!(one, other);
    }

    #[test]
    fn freed_memory_and_old_links_do_not_count() {
        let never = after("SIOCSIFFLAGS em0\n");
        let gone = after("SIOCSIFFLAGS em0\nopen tap0\nclose tap0\ntap_unload\n");
        assert_eq!(never, gone);
    }
}
