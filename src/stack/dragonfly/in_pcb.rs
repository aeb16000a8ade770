//! `sys/netinet/in_pcb.c`: protocol control blocks and the route that each caches.

use super::K;
use super::defects as d;
use super::if_c::{ifa_ifwithdstaddr, ifa_ifwithnet};
use super::objects::*;
use super::route::*;
use super::sockaddr::load_sa;
use super::{EADDRNOTAVAIL, NPCBS};
use crate::kern::cell::Zero;
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Func, What};

const FILE: &str = "sys/netinet/in_pcb.c";

/// `in_pcballoc`.
pub fn in_pcballoc(k: &K, name: usize, tcp: bool) -> InpId {
    let Some(inp) = k.st.inps.alloc() else {
        k.exhaust();
        return InpId::NULL;
    };
    k.record(|| What::Alloc(ObjRef::of(inp)));
    let p = &k[inp];
    p.name.set(name as u8);
    p.tcp.set(tcp);
    p.inp_laddr.set(0);
    p.inp_faddr.set(0);
    p.ro_rt.set(RtId::NULL);
    p.ro_dst.set(0);
    p.t_state.set(TcpState::Closed);
    p.t_rxtshift.set(0);
    // callout_init of tcp_newtcpcb: one that the last tenant left dispatched must not stay so.
    p.tt_rexmt.zero();
    p.cpu.set(0);
    k.st.pcbs[name % NPCBS].set(inp);
    inp
}

/// `in_pcbladdr`: the local address to use towards `faddr`, as a bare pointer into the
/// in_ifaddr, and what `faddr` really is (it is changed in place).
pub fn in_pcbladdr(k: &K, inp: InpId, faddr: u32) -> Result<(Sa, u32), i32> {
    let _f = k.frame(&Func { name: "in_pcbladdr", file: FILE });
    // INADDR_ANY stands for the primary local address.
    let first = k.st.in_ifaddrhead.first.get();
    let faddr = if faddr == 0 && !first.is_null() { k[first].ia_addr.get().addr } else { faddr };
    let p = &k[inp];
    let rt = p.ro_rt.get();
    if !rt.is_null() && (k[rt].rt_flags.get() & RTF_UP == 0 || p.ro_dst.get() != faddr) {
        p.ro_rt.set(RtId::NULL);
        rtfree(k, rt);
    }
    if p.ro_rt.get().is_null() {
        p.ro_dst.set(faddr);
        let rt = rtalloc_ign(k, RtId::NULL, faddr, 0);
        p.ro_rt.set(rt);
    }
    let mut ia = IfaId::NULL;
    let rt = p.ro_rt.get();
    if !rt.is_null() && k[k[rt].rt_ifp.get()].if_flags.get() & IFF_LOOPBACK == 0 {
        ia = k[rt].rt_ifa.get();
    }
    if ia.is_null() {
        ia = ifa_ifwithdstaddr(k, Sin::inet(faddr));
        if ia.is_null() {
            ia = ifa_ifwithnet(k, Sin::inet(faddr));
        }
        if ia.is_null() {
            ia = k.st.in_ifaddrhead.first.get();
        }
        if ia.is_null() {
            return Err(EADDRNOTAVAIL);
        }
    }
    Ok((Sa::Addr(ia), faddr))
}

/// `in_pcbdetach`: the end of a pcb.
pub fn in_pcbdetach(k: &K, inp: InpId) {
    let _f = k.frame(&Func { name: "in_pcbdetach", file: FILE });
    let p = &k[inp];
    let rt = p.ro_rt.get();
    p.ro_rt.set(RtId::NULL);
    k.st.pcbs[p.name.get() as usize % NPCBS].set(InpId::NULL);
    if !rt.is_null() {
        rtfree(k, rt);
    }
    let obj = ObjRef::of(inp);
    k.record(|| What::Free(obj));
    k.check_hands(obj);
    if k.st.inps.is_live(inp) {
        k.st.inps.free(inp);
    }
}

/// `in_losing`: gives up the cached route; deletes it everywhere when a redirect made
/// it.
pub async fn in_losing(k: &K, inp: InpId) {
    let _f = k.frame(&Func { name: "in_losing", file: FILE });
    let rt = k[inp].ro_rt.get();
    if rt.is_null() {
        return;
    }
    // As reported the key is deleted whether or not it still is this route's. Repaired,
    // rtrequest1_msghandler looks once more on each CPU.
    let ours = k[rt].rt_flags.get() & RTF_UP != 0 || k.on(d::IN_LOSING_DELETES_SUCCESSOR);
    if k[rt].rt_flags.get() & RTF_DYNAMIC != 0 && ours {
        let r = &k[rt];
        let mut info = RtInfo {
            dst: Sa::Key(rt),
            netmask: if r.plen.get() == HOST {
                Sa::Null
            } else {
                Sa::Copy(Sin::inet(mask(r.plen.get())))
            },
            flags: r.rt_flags.get(),
            ..RtInfo::zeroed()
        };
        let callback =
            if k.on(d::IN_LOSING_DELETE_LEAK) { Callback::None } else { Callback::InLosing };
        let _inp = k.hold(ObjRef::of(inp), false);
        rtrequest1_global(k, Req::Delete, &mut info, callback).await;
    }
    k[inp].ro_rt.set(RtId::NULL);
    rtfree(k, rt);
}

/// `in_rtchange`: the next output looks for a route again.
pub fn in_rtchange(k: &K, inp: InpId) {
    let rt = k[inp].ro_rt.get();
    if !rt.is_null() {
        rtfree(k, rt);
        k[inp].ro_rt.set(RtId::NULL);
    }
}

/// `in_pcbconnect`: the local address, and the peer's.
pub fn in_pcbconnect(k: &K, inp: InpId, faddr: u32) -> i32 {
    let (if_sin, faddr) = match in_pcbladdr(k, inp, faddr) {
        Ok(both) => both,
        Err(e) => return e,
    };
    let Some(laddr) = load_sa(k, if_sin, "if_sin->sin_addr") else { return EADDRNOTAVAIL };
    k[inp].inp_laddr.set(laddr.addr);
    k[inp].inp_faddr.set(faddr);
    0
}
