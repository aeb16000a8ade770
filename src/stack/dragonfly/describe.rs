//! What a report shows of an object: its fields, its holders, its lists.

use super::K;
use super::invariants::{self as inv, lists_of};
use super::objects::*;
use super::route::HOST;
use super::verbs::IFS;
use crate::kern::slab::{Id, ObjRef};
use crate::shadow::Violation;

/// Dotted quad.
pub fn quad(a: u32) -> String {
    let b = a.to_be_bytes();
    format!("{}.{}.{}.{}", b[0], b[1], b[2], b[3])
}

/// What the numbers of a violation of one of this stack's invariants mean.
pub fn explain(v: &Violation) -> String {
    let [a, b] = v.detail;
    let is = |rule| std::ptr::eq(v.rule, rule);
    if is(&inv::I1_COUNT) {
        return match b {
            0 => format!("ifa_refcnt wraps to {a}"),
            _ => format!("ifa_refcnt {}, held by {b}", a as i32),
        };
    }
    if is(&inv::I9_RT_REFCNT) {
        return match v.other.is_none() {
            true => format!("rt_refcnt {}, held by {b}", a as i32),
            false => "held although it is freed".to_string(),
        };
    }
    if is(&inv::I2_DEAD_ON_LIST) {
        return match b {
            0 => format!("freed while on {a} list(s)"),
            1 => "found on in_ifaddrhead".to_string(),
            2 => format!("found in bucket {a} of in_ifaddrhashtbl"),
            _ => "found on if_addrhead".to_string(),
        };
    }
    if is(&inv::I5_LISTS) {
        return match b {
            1 => "the links of in_ifaddrhead disagree".to_string(),
            3 => "the links of if_addrhead disagree".to_string(),
            _ => "on one of if_addrhead and in_ifaddrhead".to_string(),
        };
    }
    if is(&inv::I6_HASH) {
        return match b {
            0 => format!("in bucket {a}, twice or where it does not belong"),
            1 => format!("another one with the same address in bucket {a}"),
            _ => "listed and not hashed, or hashed and not listed".to_string(),
        };
    }
    if is(&inv::I8_IFA_ROUTE) {
        return match b {
            1 => format!(
                "cpu {a} has an interface route that IFA_ROUTE or the address does not account for"
            ),
            _ => format!("IFA_ROUTE is set, {a} CPU(s) have the route"),
        };
    }
    if is(&inv::I9_RTF_UP) {
        return match a {
            1 => "freed with RTF_UP set".to_string(),
            2 => format!("a stranger in the tree of cpu {b}"),
            _ => "flag and tree disagree".to_string(),
        };
    }
    if is(&inv::I13_CLONES) {
        return match a {
            0 => "cloned from a route that is out of the tree".to_string(),
            _ => "its rt_ifa is not that of the route it was cloned from".to_string(),
        };
    }
    if is(&inv::I15_DELETED) {
        return format!("the tree of cpu {a} has a route of it");
    }
    if is(&inv::I16_FAILED_CHANGED) {
        return format!("errno {a}");
    }
    if is(&inv::I16_NOT_REPORTED) {
        return format!("{} is not there", quad(a));
    }
    if is(&inv::I7_FOREIGN_STACK) {
        return format!("the stack of thread {}", a + 1);
    }
    String::new()
}

fn ptr<T>(class: &str, id: Id<T>) -> String {
    if id.is_null() { "NULL".into() } else { format!("{class}{id:?}") }
}

fn if_name(k: &K, ifp: IfId) -> String {
    if ifp.is_null() {
        return "NULL".into();
    }
    let name = IFS[k.st.ifnets.raw(ifp).name.get() as usize % IFS.len()];
    if k.st.ifnets.is_live(ifp) { name.into() } else { format!("{name} (freed)") }
}

fn sa(k: &K, own: IfaId, p: Sa) -> String {
    let at = |field: &str, i: IfaId| {
        if i == own {
            format!("-> its own {field}")
        } else {
            format!("-> {field} of {}", ptr("in_ifaddr", i))
        }
    };
    match p {
        Sa::Null => "NULL".into(),
        Sa::Poison => "0xdeadc0de".into(),
        Sa::FreeLink(s) => format!("free-list link (chunk {s})"),
        Sa::Addr(i) => format!("{} ({})", at("ia_addr", i), sin(k.st.ifa.raw(i).ia_addr.get())),
        Sa::Dst(i) => {
            format!("{} ({})", at("ia_dstaddr", i), sin(k.st.ifa.raw(i).ia_dstaddr.get()))
        }
        Sa::Mask(i) => {
            format!("{} ({})", at("ia_sockmask", i), sin(k.st.ifa.raw(i).ia_sockmask.get()))
        }
        Sa::Stack(_, v) => format!("-> a thread's stack ({})", sin(v)),
        Sa::Copy(v) => sin(v),
        Sa::Key(r) => format!("-> rt_key of {}", ptr("rtentry", r)),
    }
}

fn sin(s: Sin) -> String {
    match s.family {
        AF_INET => quad(s.addr),
        AF_LINK => format!("link#{}", s.addr),
        f => format!("family {f}"),
    }
}

fn dst(r: &Rtentry) -> String {
    match r.plen.get() {
        HOST => quad(r.rt_key.get()),
        p => format!("{}/{p}", quad(r.rt_key.get())),
    }
}

fn rt_flags(f: u32) -> String {
    let names = [
        (RTF_UP, "UP"),
        (RTF_GATEWAY, "GATEWAY"),
        (RTF_HOST, "HOST"),
        (RTF_DYNAMIC, "DYNAMIC"),
        (RTF_MODIFIED, "MODIFIED"),
        (RTF_CLONING, "CLONING"),
        (RTF_LLINFO, "LLINFO"),
        (RTF_STATIC, "STATIC"),
        (RTF_PRCLONING, "PRCLONING"),
        (RTF_WASCLONED, "WASCLONED"),
        (RTPRF_EXPIRING, "EXPIRING"),
    ];
    let on: Vec<_> = names.iter().filter(|(b, _)| f & b != 0).map(|(_, n)| *n).collect();
    format!("<{}>", on.join(","))
}

fn state(live: bool) -> &'static str {
    if live { "alive" } else { "FREED" }
}

/// The lines of the dump of `obj`.
pub fn describe(k: &K, obj: ObjRef) -> Vec<String> {
    match obj.class {
        0 => ifnet(k, Id::new(obj.slot, obj.generation)),
        1 => ifaddr(k, Id::new(obj.slot, obj.generation)),
        2 => rtentry(k, Id::new(obj.slot, obj.generation)),
        3 => llinfo(k, Id::new(obj.slot, obj.generation)),
        4 => inpcb(k, Id::new(obj.slot, obj.generation)),
        5 => ipflow(k, Id::new(obj.slot, obj.generation)),
        _ => Vec::new(),
    }
}

fn ifnet(k: &K, id: IfId) -> Vec<String> {
    let n = k.st.ifnets.raw(id);
    vec![
        format!("{}, {}", IFS[n.name.get() as usize % IFS.len()], state(k.st.ifnets.is_live(id))),
        format!(
            "if_index {}, if_flags {:#x}, driver {:?}",
            n.if_index.get(),
            n.if_flags.get(),
            n.driver.get()
        ),
        format!("if_lladdr {}", ptr("ifaddr", n.if_lladdr.get())),
    ]
}

fn ifaddr(k: &K, id: IfaId) -> Vec<String> {
    let a = k.st.ifa.raw(id);
    let kind = if a.is_in.get() { "in_ifaddr" } else { "link-level ifaddr" };
    let lists = lists_of(k, id);
    let listed = if lists.is_empty() { "none".to_string() } else { lists.join(", ") };
    let mut out = vec![
        format!("{kind}, {}", state(k.st.ifa.is_live(id))),
        format!("listed: {listed}"),
        format!("ifa_addr {}", sa(k, id, a.ifa_addr.get())),
        format!("ifa_dstaddr {}", sa(k, id, a.ifa_dstaddr.get())),
        format!("ifa_netmask {}", sa(k, id, a.ifa_netmask.get())),
        format!("ifa_ifp {}", if_name(k, a.ifa_ifp.get())),
        format!("ifa_flags {}", if a.ifa_flags.get() & IFA_ROUTE != 0 { "IFA_ROUTE" } else { "0" }),
        format!("ifa_refcnt {}", a.ifa_refcnt.get() as i32),
    ];
    if a.is_in.get() {
        out.push(format!("ia_addr {}", sin(a.ia_addr.get())));
        out.push(format!("ia_dstaddr {}", sin(a.ia_dstaddr.get())));
    }
    let mut holders = Vec::new();
    if a.implicit.get() {
        holders.push("its lists (implicit)".to_string());
    }
    for (rt, r) in k.st.rt.iter() {
        if r.rt_ifa.get() == id {
            holders.push(format!(
                "{}.rt_ifa ({}, cpu {})",
                ptr("rtentry", rt),
                dst(r),
                r.cpu.get()
            ));
        }
    }
    k.for_holds(|_, o, counted| {
        if counted && o == ObjRef::of(id) {
            holders.push("a request on its way over the CPUs".to_string());
        }
    });
    let n = holders.len();
    out.push(format!("held by {n}: {}", if n == 0 { "nobody".into() } else { holders.join("; ") }));
    out
}

fn rtentry(k: &K, id: RtId) -> Vec<String> {
    let r = k.st.rt.raw(id);
    let mut holders = Vec::new();
    for (o, q) in k.st.rt.iter() {
        if q.rt_gwroute.get() == id {
            holders.push(format!("{}.rt_gwroute", ptr("rtentry", o)));
        }
        if q.rt_parent.get() == id {
            holders.push(format!("{}.rt_parent", ptr("rtentry", o)));
        }
    }
    for (o, p) in k.st.inps.iter() {
        if p.ro_rt.get() == id {
            holders.push(format!("{}.inp_route", ptr("inpcb", o)));
        }
    }
    for (o, f) in k.st.flows.iter() {
        if f.ro_rt.get() == id {
            holders.push(format!("{}.ipf_ro", ptr("ipflow", o)));
        }
    }
    for cpu in 0..3 {
        if k.st.ipforward_rt[cpu].get() == id {
            holders.push(format!("ipforward_rt[{cpu}]"));
        }
    }
    let n = holders.len();
    vec![
        format!("route to {} of cpu {}, {}", dst(r), r.cpu.get(), state(k.st.rt.is_live(id))),
        format!("rt_flags {}", rt_flags(r.rt_flags.get())),
        format!(
            "rt_ifa {}, rt_ifp {}",
            ptr("in_ifaddr", r.rt_ifa.get()),
            if_name(k, r.rt_ifp.get())
        ),
        format!("rt_gateway {:?}", r.rt_gateway.get()),
        format!(
            "rt_gwroute {}, rt_parent {}",
            ptr("rtentry", r.rt_gwroute.get()),
            ptr("rtentry", r.rt_parent.get())
        ),
        format!("rt_refcnt {}", r.rt_refcnt.get()),
        format!("held by {n}: {}", if n == 0 { "nobody".into() } else { holders.join("; ") }),
    ]
}

fn llinfo(k: &K, id: LaId) -> Vec<String> {
    let l = k.st.las.raw(id);
    vec![
        format!("llinfo_arp, {}", state(k.st.las.is_live(id))),
        format!("la_rt {}", ptr("rtentry", l.la_rt.get())),
    ]
}

fn inpcb(k: &K, id: InpId) -> Vec<String> {
    let p = k.st.inps.raw(id);
    vec![
        format!(
            "{} pcb, {}, {} -> {}",
            if p.tcp.get() { "tcp" } else { "udp" },
            state(k.st.inps.is_live(id)),
            quad(p.inp_laddr.get()),
            quad(p.inp_faddr.get())
        ),
        format!("inp_route {}", ptr("rtentry", p.ro_rt.get())),
    ]
}

fn ipflow(k: &K, id: FlowId) -> Vec<String> {
    let f = k.st.flows.raw(id);
    vec![
        format!("flow to {}, {}", quad(f.ipf_dst.get()), state(k.st.flows.is_live(id))),
        format!("ipf_ro {}", ptr("rtentry", f.ro_rt.get())),
    ]
}
