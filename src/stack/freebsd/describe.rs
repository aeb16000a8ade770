//! What a report shows of an object: its fields in the kernel's words, and who holds it,
//! by name, from the census.

use super::K;
use super::holders::{Holder, for_holders, id, lists_of_ifa};
use super::lists::chain;
use super::objects::*;
use super::verbs::IFS;
use super::words::{
    IA6_FLAGS, IF_FLAGS, IFA_FLAGS, NH_FLAGS, PR_FLAGS, RT_FLAGS, addr, flags, prefix,
};
use crate::kern::callout::Callout;
use crate::kern::slab::{Id, ObjRef, Object};

// ---- names -------------------------------------------------------------------------

fn state(live: bool) -> &'static str {
    if live { "alive" } else { "FREED" }
}

/// A pointer, by class and slot.
fn ptr<T: Object>(i: Id<T>) -> String {
    if i.is_null() { "NULL".to_string() } else { name(ObjRef::of(i)) }
}

/// An object, by class and slot.
fn name(o: ObjRef) -> String {
    let class = CLASSES[usize::from(o.class) % CLASSES.len()];
    format!("{}#{}", class.trim_end_matches("_object"), o.slot)
}

fn nhref(nh: NhRef) -> String {
    match nh {
        NhRef::Null => "NULL".to_string(),
        NhRef::Nh(i) => ptr(i),
        NhRef::Nhg(i) => ptr(i),
    }
}

/// An interface as `if_xname`, with its index; what the corpse says when it is freed.
fn if_name(k: &K, ifp: IfId) -> String {
    if ifp.is_null() {
        return "NULL".to_string();
    }
    let n = k.st.ifnets.raw(ifp);
    let freed = if k.st.ifnets.is_live(ifp) { "" } else { ", FREED" };
    format!("{} ({}, index {}{freed})", xname(n), ptr(ifp), n.if_index.get())
}

fn xname(n: &Ifnet) -> &'static str {
    if n.renamed.get() { "pppoe0" } else { IFS[usize::from(n.name.get()) % IFS.len()] }
}

fn gw(af: Af, g: Gw) -> String {
    match g {
        Gw::None => "none".to_string(),
        Gw::Link(i) => format!("link#{i}"),
        Gw::Addr(a) => addr(af, a),
    }
}

fn callout(k: &K, c: &Callout) -> String {
    match c.due() {
        Some((at, _)) => format!("pending, in {} ms", at.saturating_sub(k.now())),
        None => format!("{:?}", c.state()).to_lowercase(),
    }
}

/// `nhop#3.nh_ifp`, `V_nd_prefix`, `fib_data#1.nh_idx[4]`.
fn holder(h: &Holder) -> String {
    let index = h.index.map_or(String::new(), |i| format!("[{i}]"));
    match h.obj.is_none() {
        true => format!("{}{index}", h.field),
        false => format!("{}.{}{index}", name(h.obj), h.field),
    }
}

fn holders_of(k: &K, obj: ObjRef) -> Vec<Holder> {
    let mut all = Vec::new();
    for_holders(k, obj, |h| all.push(h));
    all
}

/// `if_refcount 4: nhop#3.nh_ifp, ...`.
fn held(k: &K, counter: &str, value: u32, obj: ObjRef) -> String {
    let all: Vec<_> = holders_of(k, obj).iter().map(holder).collect();
    let list = if all.is_empty() { "nobody".to_string() } else { all.join(", ") };
    format!("{counter} {}: {list}", value as i32)
}

// ---- dumps -------------------------------------------------------------------------

/// The lines of the dump of `obj`.
pub fn describe(k: &K, obj: ObjRef) -> Vec<String> {
    match obj.class {
        0 => ifnet(k, id(obj)),
        1 => in6_ifextra(k, id(obj)),
        2 => in_ifinfo(k, id(obj)),
        3 => ifaddr(k, id(obj)),
        4 => nd_prefix(k, id(obj)),
        5 => nd_defrouter(k, id(obj)),
        6 => dadq(k, id(obj)),
        7 => rtentry(k, id(obj)),
        8 => nhop(k, id(obj)),
        9 => nhgrp(k, id(obj)),
        10 => fib_data(k, id(obj)),
        11 => llentry(k, id(obj)),
        12 => inpcb(k, id(obj)),
        13 => in_multi(k, id(obj)),
        14 => ifmultiaddr(k, id(obj)),
        15 => bpf_if(k, id(obj)),
        16 => softc(k, id(obj)),
        17 => ng_node(k, id(obj)),
        _ => Vec::new(),
    }
}

/// The methods of a driver: output, input, start, ioctl.
fn methods(n: &Ifnet) -> [&'static str; 4] {
    match (n.if_methods.get(), n.driver.get()) {
        (Methods::Dead, _) => ["ifdead_output", "ifdead_input", "ifdead_start", "ifdead_ioctl"],
        (_, Driver::Lo) => ["looutput", "if_input_default", "NULL", "loioctl"],
        (_, Driver::Epair) => ["ether_output", "ether_input", "epair_start", "epair_ioctl"],
        (_, Driver::Tun) => ["tunoutput", "if_input_default", "tunstart", "tunifioctl"],
        (_, Driver::Ng) => {
            ["ng_iface_output", "if_input_default", "ng_iface_start", "ng_iface_ioctl"]
        }
    }
}

fn afdata<T: Object>(i: Id<T>, live: bool) -> String {
    match (i.is_null(), live) {
        (true, _) => "NULL".to_string(),
        (_, true) => ptr(i),
        _ => format!("{}, FREED", ptr(i)),
    }
}

fn ifnet(k: &K, i: IfId) -> Vec<String> {
    let n = k.st.ifnets.raw(i);
    let me = ObjRef::of(i);
    let slot = k.st.ifindex_table[usize::from(n.if_index.get()) % super::NINDEX].get();
    let slot = match slot {
        s if s.is_null() => "empty".to_string(),
        s if s == i => "this interface".to_string(),
        s => if_name(k, s),
    };
    let dname = match n.driver.get() {
        Driver::Lo => "lo",
        Driver::Epair => "epair",
        Driver::Tun => "tun",
        Driver::Ng => "ng",
    };
    let [output, input, start, ioctl] = methods(n);
    let mut out = vec![
        format!("ifnet, {}", state(k.st.ifnets.is_live(i))),
        format!("if_index {}", n.if_index.get()),
        format!("if_idxgen {}", n.if_idxgen.get()),
        format!("ifindex_table[{}] {slot}", n.if_index.get()),
        format!("if_dname \"{dname}\""),
        format!("if_xname \"{}\"", xname(n)),
    ];
    if n.if_description.get() {
        out.push("if_description \"WAN\"".to_string());
    }
    let (v4, v6) = (n.if_afdata_inet.get(), n.if_afdata_inet6.get());
    let drv = flags(n.if_drv_flags.get(), &[(IFF_DRV_RUNNING, "RUNNING")]);
    out.extend([
        format!("if_flags {} {}", n.if_flags.get(), flags(n.if_flags.get(), IF_FLAGS)),
        format!("if_drv_flags {} {drv}", n.if_drv_flags.get()),
        format!("if_afdata[AF_INET] {}", afdata(v4, k.st.ifinfos.is_live(v4))),
        format!("if_afdata[AF_INET6] {}", afdata(v6, k.st.exts.is_live(v6))),
        format!("if_output {output}"),
        format!("if_input {input}"),
        format!("if_start {start}"),
        format!("if_ioctl {ioctl}"),
        format!("if_softc {}, if_bpf {}", ptr(n.if_softc.get()), ptr(n.if_bpf.get())),
    ]);
    let listed: Vec<_> = chain(n.if_addrhead.first.get(), |a| k.st.ifas.raw(a).ifa_link.next.get())
        .map(|a| format!("{} {}", ptr(a), ifa_text(k, a)))
        .collect();
    let listed = if listed.is_empty() { "empty".to_string() } else { listed.join(", ") };
    out.push(format!("if_addrhead {listed}"));
    out.push(held(k, "if_refcount", n.if_refcount.get(), me));
    let mut seen = Vec::new();
    for h in holders_of(k, me) {
        if h.obj.class == 8 && !seen.contains(&h.obj) {
            seen.push(h.obj);
            let nh = k.st.nhops.raw(id(h.obj));
            let to = gw(nh.af.get(), nh.gw.get());
            let by = held(k, "nh_refcnt", nh.nh_refcnt.get(), h.obj);
            out.push(format!("  {} via {to}, {by}", name(h.obj)));
        }
    }
    out
}

fn ifa_text(k: &K, i: IfaId) -> String {
    let a = k.st.ifas.raw(i);
    addr(a.af.get(), a.addr.get())
}

fn in6_ifextra(k: &K, i: ExtId) -> Vec<String> {
    let e = k.st.exts.raw(i);
    let lles = chain(e.lltable.first[0].get(), |l| k.st.lles.raw(l).lle_next.next.get());
    vec![
        format!("in6_ifextra, {}", state(k.st.exts.is_live(i))),
        format!("of {}", if_name(k, e.ifp.get())),
        format!("nd_ifinfo flags {:#x}, chlim {}", e.nd_flags.get(), e.chlim.get()),
        format!("lltable: {} entries", lles.count()),
    ]
}

fn in_ifinfo(k: &K, i: IiId) -> Vec<String> {
    let e = k.st.ifinfos.raw(i);
    let lles = chain(e.ii_llt.first[0].get(), |l| k.st.lles.raw(l).lle_next.next.get());
    vec![
        format!("in_ifinfo, {}", state(k.st.ifinfos.is_live(i))),
        format!("of {}", if_name(k, e.ifp.get())),
        format!("ii_allhosts {}", ptr(e.ii_allhosts.get())),
        format!("ii_llt: {} entries", lles.count()),
    ]
}

fn ifaddr(k: &K, i: IfaId) -> Vec<String> {
    let a = k.st.ifas.raw(i);
    let (af, me) = (a.af.get(), ObjRef::of(i));
    let kind = match af {
        Af::Inet => "in_ifaddr",
        Af::Inet6 => "in6_ifaddr",
        Af::Link => "link-level ifaddr",
    };
    let lists: Vec<_> = lists_of_ifa(k, i).into_iter().flatten().collect();
    let lists = if lists.is_empty() { "none".to_string() } else { lists.join(", ") };
    let mut out = vec![
        format!("{kind}, {}", state(k.st.ifas.is_live(i))),
        format!("ifa_addr {}", ifa_text(k, i)),
        format!("ifa_ifp {}", if_name(k, a.ifa_ifp.get())),
        format!("listed: {lists}"),
    ];
    if af != Af::Link {
        let net = Prefix::new(a.addr.get(), a.bits.get());
        out.push(format!("prefix {}", prefix(af, net)));
        out.push(format!("ifa_flags {}", flags(a.ifa_flags.get(), IFA_FLAGS)));
    }
    if a.dstaddr.get() != 0 {
        out.push(format!("ifa_dstaddr {}", addr(af, a.dstaddr.get())));
    }
    if af == Af::Inet6 {
        out.push(format!("ia6_flags {}", flags(a.ia6_flags.get(), IA6_FLAGS)));
        let pr = a.ia6_ndpr.get();
        let freed = if pr.is_null() || k.st.prefixes.is_live(pr) { "" } else { ", FREED" };
        out.push(format!("ia6_ndpr {}{freed}", ptr(pr)));
    }
    out.push(held(k, "ifa_refcnt", a.ifa_refcnt.get(), me));
    out
}

fn nd_prefix(k: &K, i: PrId) -> Vec<String> {
    let p = k.st.prefixes.raw(i);
    let named = k.st.ifas.iter().filter(|(_, a)| a.ia6_ndpr.get() == i);
    let named: Vec<_> = named.map(|(a, _)| ptr(a)).collect();
    vec![
        format!("nd_prefix, {}", state(k.st.prefixes.is_live(i))),
        format!("ndpr_prefix {}", prefix(Af::Inet6, p.ndpr_prefix.get())),
        format!("ndpr_ifp {}", if_name(k, p.ndpr_ifp.get())),
        format!("ndpr_stateflags {}", flags(p.ndpr_stateflags.get(), PR_FLAGS)),
        format!("ndpr_addrcnt {}: {}", p.ndpr_addrcnt.get(), named.join(", ")),
        held(k, "ndpr_refcnt", p.ndpr_refcnt.get(), ObjRef::of(i)),
    ]
}

fn nd_defrouter(k: &K, i: DrId) -> Vec<String> {
    let d = k.st.routers.raw(i);
    vec![
        format!("nd_defrouter, {}", state(k.st.routers.is_live(i))),
        format!("rtaddr {}", addr(Af::Inet6, d.rtaddr.get())),
        format!("ifp {}", if_name(k, d.ifp.get())),
        format!("rtlifetime {}, installed {}", d.rtlifetime.get(), u8::from(d.installed.get())),
        held(k, "refcnt", d.refcnt.get(), ObjRef::of(i)),
    ]
}

fn dadq(k: &K, i: DadId) -> Vec<String> {
    let d = k.st.dads.raw(i);
    vec![
        format!("dadq, {}", state(k.st.dads.is_live(i))),
        format!("dad_ifa {} {}", ptr(d.dad_ifa.get()), ifa_text(k, d.dad_ifa.get())),
        format!("dad_timer_ch {}", callout(k, &d.dad_timer_ch)),
        held(k, "dad_refcnt", d.dad_refcnt.get(), ObjRef::of(i)),
    ]
}

fn rtentry(k: &K, i: RtId) -> Vec<String> {
    let r = k.st.rts.raw(i);
    let held: Vec<_> = holders_of(k, ObjRef::of(i)).iter().map(holder).collect();
    let queued = k.st.net_epoch.iter().any(|c| c == super::subr_epoch::Callback::DestroyRtentry(i));
    let place = match (held.is_empty(), queued) {
        (false, _) => "in the RIB",
        (_, true) => "waits for its grace period",
        _ => "not in the RIB",
    };
    let mut out = vec![
        format!("rtentry, {}, {place}", state(k.st.rts.is_live(i))),
        format!("rt_dst {}", prefix(r.af.get(), r.rt_dst.get())),
        format!("rte_flags {}", flags(r.rte_flags.get(), RT_FLAGS)),
        format!("rt_nhop {}", nhref(r.rt_nhop.get())),
    ];
    let within = |lines: Vec<String>| lines.into_iter().map(|l| format!("  {l}"));
    match r.rt_nhop.get() {
        NhRef::Null => {}
        NhRef::Nh(nh) => out.extend(within(nhop(k, nh))),
        NhRef::Nhg(nhg) => {
            out.extend(within(nhgrp(k, nhg)));
            let paths = k.st.nhgrps.raw(nhg).nhops.iter().map(|n| n.get());
            for nh in paths.filter(|nh| !nh.is_null()) {
                out.push(format!("  {}", ptr(nh)));
                out.extend(within(within(nhop(k, nh)).collect()));
            }
        }
    }
    out
}

fn nhop(k: &K, i: NhId) -> Vec<String> {
    let n = k.st.nhops.raw(i);
    let af = n.af.get();
    let finalized = if n.nh_finalized.get() { "" } else { ", not finalized" };
    vec![
        format!("nhop_object, {}{finalized}", state(k.st.nhops.is_live(i))),
        format!("gw_sa {}", gw(af, n.gw.get())),
        format!("nh_ifp {}", if_name(k, n.nh_ifp.get())),
        format!("nh_aifp {}", if_name(k, n.nh_aifp.get())),
        format!("nh_ifa {} {}", ptr(n.nh_ifa.get()), ifa_text(k, n.nh_ifa.get())),
        format!(
            "nh_flags {}, rt_flags {}",
            flags(u32::from(n.nh_flags.get()), NH_FLAGS),
            flags(n.rt_flags.get(), RT_FLAGS)
        ),
        format!("nh_idx {}, nh_linked {}", n.nh_idx.get(), n.nh_linked.get()),
        held(k, "nh_refcnt", n.nh_refcnt.get(), ObjRef::of(i)),
    ]
}

fn nhgrp(k: &K, i: NhgId) -> Vec<String> {
    let g = k.st.nhgrps.raw(i);
    let members: Vec<_> =
        g.nhops.iter().map(|n| n.get()).filter(|n| !n.is_null()).map(ptr).collect();
    vec![
        format!("nhgrp_object, {}", state(k.st.nhgrps.is_live(i))),
        format!("members {}", members.join(", ")),
        format!("nhg_idx {}, nhg_linked {}", g.nhg_idx.get(), g.nhg_linked.get()),
        held(k, "nhg_refcount", g.nhg_refcount.get(), ObjRef::of(i)),
    ]
}

fn fib_data(k: &K, i: FdId) -> Vec<String> {
    let d = k.st.fds.raw(i);
    let af = d.af.get();
    let words = [
        (d.fd_linked.get(), "linked"),
        (d.fd_dead.get(), "dead"),
        (d.init_done.get(), "init_done"),
        (d.fd_need_rebuild.get(), "need_rebuild"),
        (d.subscribed.get(), "subscribed"),
    ];
    let words: Vec<_> = words.iter().filter(|(on, _)| *on).map(|(_, w)| *w).collect();
    let (gen_fib, gen_rib) =
        (k.st.rnh_gen[af.index() & 1].get(), k.st.rnh_gen_rib[af.index() & 1].get());
    let mut out = vec![
        format!("fib_data, {}", state(k.st.fds.is_live(i))),
        format!("{af:?}, {:?}, {}", d.fd_flm.get(), words.join(", ")),
        format!("rnh_gen {gen_fib}, rnh_gen_rib {gen_rib}"),
        format!(
            "fd_callout {}, action {:?}, fd_failed_rebuilds {}",
            callout(k, &d.fd_callout),
            d.fd_callout_action.get(),
            d.fd_failed_rebuilds.get()
        ),
    ];
    for n in 0..usize::from(d.table_len.get()).min(TABLE) {
        let e = d.table[n].get();
        let nh = d.nh_idx[usize::from(e.slot) % NFIBNH].get();
        out.push(format!("  {} -> {}", prefix(af, e.dst()), nhref(nh)));
    }
    let held: Vec<_> = holders_of(k, ObjRef::of(i)).iter().map(holder).collect();
    out.push(format!(
        "held by {}",
        if held.is_empty() { "nobody".into() } else { held.join(", ") }
    ));
    out
}

fn llentry(k: &K, i: LleId) -> Vec<String> {
    let l = k.st.lles.raw(i);
    let mut words = vec![format!("{:?}", l.state.get())];
    let flags =
        [(l.linked.get(), "linked"), (l.deleted.get(), "deleted"), (l.is_static.get(), "static")];
    words.extend(flags.iter().filter(|(on, _)| *on).map(|(_, w)| w.to_string()));
    vec![
        format!("llentry, {}", state(k.st.lles.is_live(i))),
        format!("r_l3addr {}", addr(l.af.get(), l.addr.get())),
        format!("llt_ifp {}", if_name(k, l.llt_ifp.get())),
        words.join(", "),
        format!("lle_timer {}", callout(k, &l.lle_timer)),
        held(k, "lle_refcnt", l.lle_refcnt.get(), ObjRef::of(i)),
    ]
}

fn inpcb(k: &K, i: InpId) -> Vec<String> {
    let p = k.st.inps.raw(i);
    let af = p.af.get();
    let name = ["tcp0", "tcp1", "udp0", "udp1"][usize::from(p.name.get()) % 4];
    let mut out = vec![
        format!("inpcb of {name}, {}", state(k.st.inps.is_live(i))),
        format!("{} -> {}", addr(af, p.laddr.get()), addr(af, p.faddr.get())),
        format!("ro_nh {}, inp_rt_cookie {}", nhref(p.ro_nh.get()), p.inp_rt_cookie.get()),
    ];
    if p.tcp.get() {
        out.push(format!(
            "t_callout {}, t_rxtshift {}, unacknowledged data: {}",
            callout(k, &p.t_callout),
            p.t_rxtshift.get(),
            if p.unacked.get() { "yes" } else { "no" }
        ));
    }
    out.push(held(k, "inp_refcount", p.inp_refcount.get(), ObjRef::of(i)));
    out
}

fn in_multi(k: &K, i: InmId) -> Vec<String> {
    let m = k.st.inms.raw(i);
    let kind = if m.af.get() == Af::Inet { "in_multi" } else { "in6_multi" };
    let releasing = if m.releasing.get() { ", disconnected" } else { "" };
    vec![
        format!("{kind}, {}{releasing}", state(k.st.inms.is_live(i))),
        format!("group {}", addr(m.af.get(), m.group.get())),
        format!("inm_ifp {}", if_name(k, m.ifp.get())),
        format!("inm_ifma {}", ptr(m.ifma.get())),
        held(k, "inm_refcount", m.refcount.get(), ObjRef::of(i)),
    ]
}

fn ifmultiaddr(k: &K, i: IfmaId) -> Vec<String> {
    let m = k.st.ifmas.raw(i);
    vec![
        format!("ifmultiaddr, {}", state(k.st.ifmas.is_live(i))),
        format!("ifma_addr {}", addr(m.af.get(), m.group.get())),
        format!("ifma_ifp {}", if_name(k, m.ifma_ifp.get())),
        format!("IFMA_F_ENQUEUED: {}", if m.enqueued.get() { "yes" } else { "no" }),
        format!("ifma_protospec {}", ptr(m.protospec.get())),
        held(k, "ifma_refcount", m.ifma_refcount.get(), ObjRef::of(i)),
    ]
}

fn bpf_if(k: &K, i: BpfId) -> Vec<String> {
    let b = k.st.bpfs.raw(i);
    vec![
        format!("bpf_if, {}", state(k.st.bpfs.is_live(i))),
        format!("bif_ifp {}", if_name(k, b.bif_ifp.get())),
        held(k, "bif_refcnt", b.bif_refcnt.get(), ObjRef::of(i)),
    ]
}

fn softc(k: &K, i: ScId) -> Vec<String> {
    let s = k.st.softcs.raw(i);
    let mut out = vec![
        format!("softc of {:?}, {}", s.driver.get(), state(k.st.softcs.is_live(i))),
        format!("ifp {}", if_name(k, s.ifp.get())),
    ];
    match s.driver.get() {
        Driver::Epair => {
            out.push(format!("oifp {}", if_name(k, s.oifp.get())));
            out.push(format!("queue {:?}, {} packet(s)", s.state.get(), s.queued.get()));
        }
        Driver::Tun => {
            let words = [
                (s.tun_open.get(), "TUN_OPEN"),
                (s.tun_inited.get(), "TUN_INITED"),
                (s.tun_dying.get(), "TUN_DYING"),
            ];
            let words: Vec<_> = words.iter().filter(|(on, _)| *on).map(|(_, w)| *w).collect();
            out.push(format!("tun_flags <{}>, tun_busy {}", words.join(","), s.tun_busy.get()));
        }
        Driver::Ng => out.push(format!("node {}", ptr(s.node.get()))),
        Driver::Lo => {}
    }
    out
}

fn ng_node(k: &K, i: NodeId) -> Vec<String> {
    let n = k.st.nodes.raw(i);
    let closing = if n.closing.get() { ", closing" } else { "" };
    let hooks: Vec<_> = n.hooks.iter().map(|h| ptr(h.get())).collect();
    vec![
        format!("ng_node, {:?}, {}{closing}", n.nd_type.get(), state(k.st.nodes.is_live(i))),
        format!("nd_private {}", ptr(n.private.get())),
        format!("hooks {}", hooks.join(", ")),
        held(k, "nd_refs", n.nd_refs.get(), ObjRef::of(i)),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::testing::after;
    use super::*;
    use crate::kern::slab::Slab;

    fn live<T: Object, const N: usize>(slab: &Slab<T, N>) -> Vec<ObjRef> {
        slab.iter().map(|(i, _)| ObjRef::of(i)).collect()
    }

    #[test]
    fn every_kind_of_object_has_a_dump_that_says_who_holds_it() {
        let ops = "SIOCIFCREATE epair0a\nifup epair0a\nSIOCIFCREATE tun0\nopen tun0\n\
                   NGM_MKPEER ng0\nppp_up ng0\nadvance 3s\n\
                   SIOCAIFADDR_IN6 epair0a 2001:db8:1::1\nSIOCAIFADDR_IN6 epair0a 2001:db8:2::1\n\
                   SIOCAIFADDR epair0a 10.0.0.1\nra epair0a\nroute_add 2001:db8::/64\n\
                   route_append 2001:db8::/64 via router2\nresolve epair0a 10.0.0.2\n\
                   connect tcp0 2001:db8::1\nsend tcp0\njoin udp0 224.0.0.251 epair0a\n";
        let k = after(ops);
        let st = &k.st;
        let kinds = [
            ("if_refcount", live(&st.ifnets)),
            ("chlim", live(&st.exts)),
            ("in_ifinfo", live(&st.ifinfos)),
            ("ifa_refcnt", live(&st.ifas)),
            ("ndpr_refcnt", live(&st.prefixes)),
            ("refcnt", live(&st.routers)),
            ("dad_refcnt", live(&st.dads)),
            ("rt_nhop", live(&st.rts)),
            ("nh_refcnt", live(&st.nhops)),
            ("members", live(&st.nhgrps)),
            ("fd_", live(&st.fds)),
            ("lle_refcnt", live(&st.lles)),
            ("inp_refcount", live(&st.inps)),
            ("inm", live(&st.inms)),
            ("ifma_refcount", live(&st.ifmas)),
            ("bif_refcnt", live(&st.bpfs)),
            ("", live(&st.softcs)),
            ("nd_refs", live(&st.nodes)),
        ];
        for (class, (word, objects)) in kinds.into_iter().enumerate() {
            assert!(!objects.is_empty(), "class {class} has none");
            for obj in objects {
                assert_eq!(usize::from(obj.class), class);
                let lines = describe(&k, obj);
                assert!(lines.iter().any(|l| l.contains(word)), "{word}: {lines:#?}");
            }
        }
        let softcs = live(&st.softcs).into_iter().flat_map(|o| describe(&k, o));
        let softcs: String = softcs.collect();
        assert!(softcs.contains("TUN_OPEN") && softcs.contains("node "), "{softcs}");
    }
}
