//! A hash of the state at rest that does not depend on how it came about.
//!
//! Slots and generations tell history, not state; so does what stands in freed memory, in
//! links of unlisted objects, and the order in which callouts were armed. The walk starts
//! from the roots (lists, tables, sockets, queues) in their own order, numbers each object
//! when it first meets it, and hashes living fields only: pointers as numbers, deadlines
//! as what is left of them, generations as whether they agree. Two states with one
//! fingerprint behave alike. `ifscrub run --json` tells it, and `ifscrub corpus reach` in how
//! many of them the programs of a corpus end.

use super::K;
use super::holders::id;
use super::lists::chain;
use super::objects::*;
use super::subr_epoch::Callback;
use super::subr_taskqueue::Task;
use crate::kern::callout::Callout;
use crate::kern::slab::{Id, ObjRef, Object, Slab};
use crate::kern::trace::Fnv;

/// All objects of all classes, and some room.
const MOST: usize = 512;
/// The number of a pointer to something that is freed.
const STALE: u16 = u16::MAX;

/// The walk: numbers of the objects that it has met, in the order in which it met them.
struct Walk<'k> {
    k: &'k K,
    h: Fnv,
    /// By class and slot; 0 is not yet met.
    of: [[u16; 64]; 18],
    met: [ObjRef; MOST],
    count: usize,
}

impl Walk<'_> {
    fn put(&mut self, v: u64) {
        self.h.bytes(&v.to_le_bytes());
    }

    fn bits(&mut self, bits: &[bool]) {
        self.put(bits.iter().fold(1, |set, b| set << 1 | u64::from(*b)));
    }

    /// What is left of a deadline; 0 for none.
    fn left(&mut self, at: u64) {
        let left = if at == 0 { 0 } else { 1 + at.saturating_sub(self.k.now()) };
        self.put(left);
    }

    fn callout(&mut self, c: &Callout) {
        self.left(c.due().map_or(0, |(at, _)| at.max(1)));
    }

    /// Hashes a pointer, and puts what it names on the walk.
    fn ptr<T: Object, const N: usize>(&mut self, slab: &Slab<T, N>, i: Id<T>) {
        let number = if i.is_null() {
            0
        } else if !slab.is_live(i) {
            STALE
        } else {
            self.number(ObjRef::of(i))
        };
        self.put(u64::from(number));
    }

    fn number(&mut self, o: ObjRef) -> u16 {
        let known = self.of[usize::from(o.class)][usize::from(o.slot) & 63];
        if known != 0 || self.count == MOST {
            return known;
        }
        self.met[self.count] = o;
        self.count += 1;
        self.of[usize::from(o.class)][usize::from(o.slot) & 63] = self.count as u16;
        self.count as u16
    }

    fn ifp(&mut self, i: IfId) {
        self.ptr(&self.k.st.ifnets, i);
    }

    fn ifa(&mut self, i: IfaId) {
        self.ptr(&self.k.st.ifas, i);
    }

    fn nh(&mut self, nh: NhRef) {
        match nh {
            NhRef::Null => self.put(0),
            NhRef::Nh(i) => self.ptr(&self.k.st.nhops, i),
            NhRef::Nhg(i) => self.ptr(&self.k.st.nhgrps, i),
        }
    }

    fn list<T: Object, const N: usize>(
        &mut self,
        slab: &Slab<T, N>,
        first: Id<T>,
        next: impl Fn(&T) -> Id<T>,
    ) {
        for i in chain(first, |i| next(slab.raw(i))) {
            self.ptr(slab, i);
        }
        self.put(u64::MAX);
    }

    /// The fields of an object.
    fn object(&mut self, o: ObjRef) {
        let st = &self.k.st;
        match o.class {
            0 => self.ifnet(st.ifnets.raw(id(o))),
            1 => {
                let e = st.exts.raw(id(o));
                self.ifp(e.ifp.get());
                self.put(u64::from(e.nd_flags.get()) << 8 | u64::from(e.chlim.get()));
                self.bits(&[e.mld_ifinfo.get(), e.llt_dead.get()]);
                self.list(&st.lles, e.lltable.first[0].get(), |l| l.lle_next.next.get());
            }
            2 => {
                let e = st.ifinfos.raw(id(o));
                self.ifp(e.ifp.get());
                self.bits(&[e.llt_dead.get()]);
                self.ptr(&st.inms, e.ii_allhosts.get());
                self.list(&st.lles, e.ii_llt.first[0].get(), |l| l.lle_next.next.get());
            }
            3 => self.ifaddr(st.ifas.raw(id(o))),
            4 => {
                let p = st.prefixes.raw(id(o));
                self.ifp(p.ndpr_ifp.get());
                self.prefix(p.ndpr_prefix.get());
                self.put(u64::from(p.ndpr_stateflags.get()));
                self.put(u64::from(p.ndpr_refcnt.get()) << 32 | p.ndpr_addrcnt.get() as u64);
                self.bits(&[
                    p.ndpr_raf_onlink.get(),
                    p.ndpr_raf_auto.get(),
                    p.ndpr_raf_ra_derived.get(),
                ]);
                self.left(p.ndpr_expire.get());
                for dr in &p.ndpr_advrtrs {
                    self.ptr(&st.routers, dr.get());
                }
            }
            5 => {
                let d = st.routers.raw(id(o));
                self.ifp(d.ifp.get());
                self.put(d.rtaddr.get());
                self.put(u64::from(d.rtlifetime.get()) << 32 | u64::from(d.refcnt.get()));
                self.bits(&[d.installed.get()]);
                self.left(d.expire.get());
            }
            6 => {
                let d = st.dads.raw(id(o));
                self.ifa(d.dad_ifa.get());
                self.put(u64::from(d.dad_refcnt.get()));
                self.put(u64::from(d.dad_ns_ocount.get()) << 8 | u64::from(d.dad_ns_tcount.get()));
                self.bits(&[d.dad_ondadq.get()]);
                self.callout(&d.dad_timer_ch);
            }
            7 => {
                let r = st.rts.raw(id(o));
                self.prefix(r.rt_dst.get());
                self.put(u64::from(r.rte_flags.get()) << 8 | u64::from(r.rt_weight.get()));
                self.nh(r.rt_nhop.get());
            }
            8 => self.nhop(st.nhops.raw(id(o))),
            9 => {
                let g = st.nhgrps.raw(id(o));
                self.put(u64::from(g.nhg_refcount.get()) << 32 | u64::from(g.nhg_linked.get()));
                self.put(u64::from(g.nhg_idx.get()));
                for nh in &g.nhops {
                    self.ptr(&st.nhops, nh.get());
                }
            }
            10 => self.fib_data(st.fds.raw(id(o))),
            11 => {
                let l = st.lles.raw(id(o));
                self.ifp(l.llt_ifp.get());
                self.put(l.addr.get());
                self.put(u64::from(l.lle_refcnt.get()) << 16 | l.state.get() as u64);
                self.put(u64::from(l.la_asked.get()));
                self.bits(&[l.linked.get(), l.deleted.get(), l.is_static.get(), l.ln_router.get()]);
                self.callout(&l.lle_timer);
            }
            12 => self.inpcb(st.inps.raw(id(o))),
            13 => {
                let m = st.inms.raw(id(o));
                self.put(m.group.get());
                self.ifp(m.ifp.get());
                self.ptr(&st.ifmas, m.ifma.get());
                self.put(u64::from(m.refcount.get()));
                self.bits(&[m.releasing.get()]);
            }
            14 => {
                let m = st.ifmas.raw(id(o));
                self.put(m.group.get());
                self.ifp(m.ifma_ifp.get());
                self.ptr(&st.inms, m.protospec.get());
                self.put(u64::from(m.ifma_refcount.get()));
                self.bits(&[m.enqueued.get()]);
            }
            15 => {
                let b = st.bpfs.raw(id(o));
                self.ifp(b.bif_ifp.get());
                self.put(u64::from(b.bif_refcnt.get()));
            }
            16 => {
                let s = st.softcs.raw(id(o));
                self.ifp(s.ifp.get());
                self.ifp(s.oifp.get());
                self.ptr(&st.nodes, s.node.get());
                self.put(u64::from(s.name.get()) << 8 | s.driver.get() as u64);
                self.put(u64::from(s.queued.get()) << 8 | s.state.get() as u64);
                self.put(u64::from(s.tun_busy.get()));
                self.bits(&[
                    s.tun_dev.get(),
                    s.tun_open.get(),
                    s.tun_inited.get(),
                    s.tun_dying.get(),
                    s.cdevpriv.get(),
                ]);
            }
            _ => {
                let n = st.nodes.raw(id(o));
                self.put(u64::from(n.name.get()) << 8 | n.nd_type.get() as u64);
                self.put(u64::from(n.nd_refs.get()));
                self.bits(&[n.closing.get(), n.own.get()]);
                self.ptr(&st.softcs, n.private.get());
                for far in &n.hooks {
                    self.ptr(&st.nodes, far.get());
                }
            }
        }
    }

    fn prefix(&mut self, p: Prefix) {
        self.put(p.addr);
        self.put(u64::from(p.bits));
    }

    fn ifnet(&mut self, n: &Ifnet) {
        let st = &self.k.st;
        self.put(u64::from(n.name.get()) << 8 | n.driver.get() as u64);
        self.put(u64::from(n.if_index.get()));
        // Whether its slot is its own: what netisr asks of a packet's interface.
        let slot = usize::from(n.if_index.get()) % super::NINDEX;
        self.bits(&[
            st.ifindex_gencnt[slot].get() == n.if_idxgen.get(),
            n.renamed.get(),
            n.if_link_state_up.get(),
            n.if_cap_linkstate.get(),
            n.if_description.get(),
            n.if_clones_linked.get(),
            n.if_methods.get() == Methods::Dead,
        ]);
        self.put(u64::from(n.if_flags.get()) << 32 | u64::from(n.if_drv_flags.get()));
        self.put(u64::from(n.if_refcount.get()));
        self.put(u64::from(n.if_groups.get()) << 8 | u64::from(n.if_afdata_initialized.get()));
        self.list(&st.ifas, n.if_addrhead.first.get(), |a| a.ifa_link.next.get());
        self.list(&st.ifmas, n.if_multiaddrs.first[0].get(), |m| m.ifma_link.next.get());
        self.ifa(n.if_addr.get());
        self.ptr(&st.ifinfos, n.if_afdata_inet.get());
        self.ptr(&st.exts, n.if_afdata_inet6.get());
        self.ptr(&st.bpfs, n.if_bpf.get());
        self.ptr(&st.softcs, n.if_softc.get());
    }

    fn ifaddr(&mut self, a: &Ifaddr) {
        let st = &self.k.st;
        self.put(a.af.get() as u64);
        self.put(u64::from(a.ifa_refcnt.get()) << 32 | u64::from(a.ifa_flags.get()));
        self.ifp(a.ifa_ifp.get());
        self.put(a.addr.get());
        self.put(a.dstaddr.get());
        self.put(u64::from(a.bits.get()) << 32 | u64::from(a.ia6_flags.get()));
        self.ptr(&st.prefixes, a.ia6_ndpr.get());
        self.left(a.ia6t_expire.get());
        self.left(a.ia6t_preferred.get());
        for inm in &a.ia6_memberships {
            self.ptr(&st.inms, inm.get());
        }
    }

    fn nhop(&mut self, n: &Nhop) {
        self.put(u64::from(n.nh_flags.get()) << 32 | u64::from(n.rt_flags.get()));
        match n.gw.get() {
            Gw::None => self.put(0),
            Gw::Link(i) => self.put(1 << 8 | u64::from(i)),
            Gw::Addr(a) => self.put(a),
        }
        self.ifp(n.nh_ifp.get());
        self.ifp(n.nh_aifp.get());
        self.ifa(n.nh_ifa.get());
        self.put(u64::from(n.nh_refcnt.get()) << 8 | u64::from(n.nh_idx.get()));
        self.put(u64::from(n.nh_linked.get()) << 1 | u64::from(n.nh_finalized.get()));
        self.left(n.nh_expire.get());
    }

    fn fib_data(&mut self, d: &FibData) {
        self.put((d.af.get() as u64) << 8 | d.fd_flm.get() as u64);
        self.bits(&[
            d.init_done.get(),
            d.fd_linked.get(),
            d.fd_dead.get(),
            d.fd_need_rebuild.get(),
            d.hit_nhops.get(),
            d.subscribed.get(),
            d.algo_data.get(),
        ]);
        self.put(u64::from(d.fd_failed_rebuilds.get()) << 16 | u64::from(d.number_nhops.get()));
        self.put(u64::from(d.fd_num_changes.get()) << 16 | u64::from(d.bucket_changes.get()));
        self.callout(&d.fd_callout);
        self.put(d.fd_callout_action.get() as u64);
        // Whether its bucket is over.
        self.put((self.k.now() / 50).wrapping_sub(d.bucket_id.get()).min(1));
        for slot in d.slots() {
            self.put((slot as u64) << 8 | u64::from(d.slot_refs(slot)));
            self.nh(d.nh_idx[slot].get());
        }
        for e in &d.table[..usize::from(d.table_len.get()).min(TABLE)] {
            self.prefix(e.get().dst());
            self.put(u64::from(e.get().slot));
        }
    }

    fn inpcb(&mut self, p: &Inpcb) {
        let st = &self.k.st;
        let af = p.af.get();
        self.put(u64::from(p.name.get()) << 8 | af as u64);
        self.put(u64::from(p.inp_refcount.get()) << 8 | u64::from(p.f_count.get()));
        self.bits(&[
            p.tcp.get(),
            p.inp_socket.get(),
            p.inp_freed.get(),
            p.inp_dropped.get(),
            p.connected.get(),
            p.established.get(),
            p.inp_lport.get(),
            p.unacked.get(),
        ]);
        self.put(p.faddr.get());
        self.put(p.laddr.get());
        self.put(p.in6p_hops.get() as u64);
        self.nh(p.ro_nh.get());
        self.put(p.ro_dst.get());
        // Whether its cached route is still good.
        self.bits(&[p.inp_rt_cookie.get() == st.rnh_gen[af.index() & 1].get()]);
        self.put(u64::from(p.t_rxtshift.get()));
        self.callout(&p.t_callout);
        for inm in &p.memberships {
            self.ptr(&st.inms, inm.get());
        }
    }

    fn callback(&mut self, c: Callback) {
        let st = &self.k.st;
        match c {
            Callback::IfFreeDeferred(i) => self.ptr(&st.ifnets, i),
            Callback::IfaDestroy(i) => self.ptr(&st.ifas, i),
            Callback::IfDestroymulti(i) => self.ptr(&st.ifmas, i),
            Callback::DestroyRtentry(i) => self.ptr(&st.rts, i),
            Callback::DestroyNhop(i) => self.ptr(&st.nhops, i),
            Callback::DestroyNhgrp(i) => self.ptr(&st.nhgrps, i),
            Callback::DestroyFdInstance(i) => self.ptr(&st.fds, i),
            Callback::ReleaseNhop(nh) => {
                self.put(2);
                self.nh(nh);
            }
            Callback::BpfifFree(i) => self.ptr(&st.bpfs, i),
            Callback::LleDestroy(i) => self.ptr(&st.lles, i),
            Callback::InpcbFree(i) => self.ptr(&st.inps, i),
            Callback::In6IfextraFree(i) => self.ptr(&st.exts, i),
        }
    }

    fn task(&mut self, t: Task) {
        match t {
            Task::Link(i) => {
                self.put(1);
                self.ifp(i);
            }
            Task::Addmulti(i) => {
                self.put(2);
                self.ifp(i);
            }
            Task::EpairTx(i) => {
                self.put(3);
                self.ptr(&self.k.st.softcs, i);
            }
            Task::InmRelease => self.put(4),
            Task::In6mRelease => self.put(5),
        }
    }
}

/// The fingerprint of the state, at rest.
pub fn fingerprint(k: &K) -> u64 {
    let st = &k.st;
    let mut w = Walk { k, h: Fnv::new(), of: [[0; 64]; 18], met: [ObjRef::NONE; MOST], count: 0 };
    w.list(&st.ifnets, st.v_ifnet.first.get(), |n| n.if_link.next.get());
    for slot in &st.ifindex_table {
        w.ifp(slot.get());
    }
    w.put(u64::from(st.if_index.get()) << 32 | u64::from(st.units.get()));
    w.ifp(st.v_loif.get());
    w.list(&st.ifas, st.v_in_ifaddrhead.first.get(), |a| a.ia_link.next.get());
    w.list(&st.ifas, st.v_in6_ifaddrhead.first.get(), |a| a.ia_link.next.get());
    for table in [&st.v_in_ifaddrhashtbl, &st.v_in6_ifaddrhashtbl] {
        for head in &table.first {
            w.list(&st.ifas, head.get(), |a| a.ia_hash.next.get());
        }
    }
    w.list(&st.prefixes, st.v_nd_prefix.first[0].get(), |p| p.ndpr_entry.next.get());
    w.list(&st.routers, st.v_nd6_defrouter.first.get(), |d| d.dr_entry.next.get());
    w.list(&st.dads, st.v_dadq.first.get(), |d| d.dad_list.next.get());
    w.callout(&st.v_nd6_timer_ch);
    for af in [V4, V6] {
        for slot in &st.rib[af][..usize::from(st.rib_len[af].get()).min(TABLE)] {
            w.ptr(&st.rts, slot.get());
        }
        w.put(u64::MAX);
        let masks = st.rnh_masks[af].get();
        w.put(masks as u64);
        w.put((masks >> 64) as u64);
        w.bits(&[st.rnh_gen[af].get() == st.rnh_gen_rib[af].get()]);
        for fd in &st.rnh_subscribers[af] {
            w.ptr(&st.fds, fd.get());
        }
        w.list(&st.nhops, st.nh_head.first[af].get(), |n| n.nh_next.next.get());
        w.list(&st.nhgrps, st.gr_head.first[af].get(), |g| g.nhg_next.next.get());
        w.put(st.nh_idx_head[af].get());
        w.ptr(&st.fds, st.v_inet_dp[af].get());
        w.put(st.algo_fixed[af].get().map_or(0, |flm| 1 + flm as u64));
        w.put(u64::from(st.lradix_data[af].get()));
    }
    w.list(&st.fds, st.v_fib_data_list.first.get(), |f| f.entries.next.get());
    for n in st.flm_refcount.iter().flatten() {
        w.put(u64::from(n.get()));
    }
    for callback in st.net_epoch.iter() {
        w.callback(callback);
    }
    w.put(u64::MAX);
    for (task, pending) in st.taskqueue.iter().chain(st.epair_taskqueue.iter()) {
        w.task(task);
        w.put(u64::from(pending));
    }
    w.put(u64::MAX);
    w.list(&st.bpfs, st.bpf_iflist.first[0].get(), |b| b.bif_next.next.get());
    for inm in st.inm_free_list.iter().chain(st.in6m_free_list.iter()) {
        w.ptr(&st.inms, inm);
    }
    w.put(u64::MAX);
    for inp in &st.pcbs {
        w.ptr(&st.inps, inp.get());
    }
    for p in st.netisr.iter() {
        let slot = usize::from(p.rcvidx) % super::NINDEX;
        w.put(u64::from(p.rcvidx));
        w.bits(&[st.ifindex_gencnt[slot].get() == p.rcvgen]);
        if let Some(ra) = p.ra {
            w.put(ra.from);
            w.prefix(ra.prefix);
            w.put(u64::from(ra.lifetime) << 32 | u64::from(ra.vltime));
        }
    }
    w.put(u64::MAX);
    for node in &st.ng_iface {
        w.ptr(&st.nodes, node.get());
    }
    for session in &st.mpd {
        w.bits(&[session.get().up, session.get().route]);
    }
    // A softc that no interface names any more is still its driver's.
    for name in 0..NIFS as u8 {
        for (sc, _) in st.softcs.iter().filter(|(_, s)| s.name.get() == name) {
            w.ptr(&st.softcs, sc);
        }
    }
    let mut next = 0;
    while next < w.count {
        w.object(w.met[next]);
        next += 1;
    }
    w.h.0
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    fn after(ops: &str) -> u64 {
        fingerprint(&testing::after(ops))
    }

    #[test]
    fn states_that_came_about_differently_have_the_same_fingerprint() {
        let last = "route_add_if 192.0.2.0/24 if lo0\nadvance 2h\nepoch\nepoch\nepoch\n";
        let straight = after(last);
        // A whole number of seconds: the timer of neighbour discovery keeps its phase.
        let detour = after(&format!(
            "NGM_MKPEER ng0\nSIOCAIFADDR ng0 10.0.1.1 dst 10.0.1.2\nNGM_SHUTDOWN ng0\n\
             advance 2h\n{last}"
        ));
        assert_eq!(straight, detour);
    }

    #[test]
    fn states_that_differ_in_one_thing_have_different_fingerprints() {
        let one = "SIOCIFCREATE epair0a\nSIOCAIFADDR epair0a 10.0.0.1\n";
        let states = [
            after(one),
            after(&one.replace("10.0.0.1", "10.0.0.3")),
            after(&format!("{one}route_add 192.0.2.0/24 via router1\n")),
            after(&format!("{one}epoch\n")),
            after(&format!("{one}advance 10ms\n")),
            after(&format!("{one}ifdown epair0a\n")),
            after(&format!("{one}join udp0 224.0.0.251 epair0a\n")),
            after(&format!("{one}join udp0 224.0.0.251 epair0a\nleave udp0 224.0.0.251 epair0a\n")),
            after(&format!("{one}join udp0 ff02::1:3 epair0a\n")),
            after(&format!("{one}ra epair0a\n")),
            after(&format!("{one}ra epair0a lifetime 30\n")),
            after(&format!("{one}ra_queue epair0a\n")),
            after(&format!("{one}ra_queue epair0a lifetime 30\n")),
            after(&format!("{one}NGM_MKPEER ng0\n")),
            after(&format!("{one}NGM_MKPEER ng0\nppp_up ng0\n")),
            after(&format!("{one}resolve epair0a 10.0.0.2\n")),
            after(&format!("{one}ifup epair0b\nepair_send epair0a\n")),
            after(&format!("{one}SIOCIFDESTROY epair0a\n")),
            after(&format!(
                "{one}SIOCAIFADDR epair0a 10.0.1.1\nroute_add 192.0.2.0/24\n\
                 route_append 192.0.2.0/24 via router2\n"
            )),
        ];
        let distinct: std::collections::BTreeSet<_> = states.iter().collect();
        assert_eq!(distinct.len(), states.len());
    }

    #[test]
    fn freed_memory_and_old_links_do_not_count() {
        let never = after("advance 2h\n");
        let gone = after("SIOCIFCREATE tun0\nSIOCIFDESTROY tun0\nadvance 2h\n");
        assert_eq!(never, gone);
    }
}
