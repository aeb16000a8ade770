//! `sys/netinet6/in6_ifattach.c`: IPv6 comes to an interface and leaves it.
//!
//! An interface with a hardware address gets a link-local address of its own when it comes
//! up. The original finds an interface identifier for one without, too (another
//! interface's, or a hash of the host's name); here such interfaces have
//! ND6_IFF_AUTO_LINKLOCAL cleared, as by a PPP daemon that negotiates the address.

use super::defects as d;
use super::if_c::ifa_free;
use super::in_pcb::in_pcbpurgeif0;
use super::in6_c::{
    Ifra, dying, in6_purgeaddr, in6_update_ifa, in6ifa_ifpforlinklocal, in6ifa_ifwithaddr, relate,
};
use super::in6_mcast::{in6m_release_list_deferred, in6m_release_wait};
use super::locks::{self, IN6_CONTROL, IN6_MULTI, IN6_MULTI_LIST};
use super::mld6::mld_ifdetach;
use super::nd6::{nd_ifinfo, nd6_purge};
use super::nd6_rtr::{PrefixCtl, nd6_prefix_lookup, nd6_prefix_rele, nd6_prelist_add};
use super::objects::*;
use super::scope6::in6_setscope;
use super::subr_epoch::{net_epoch_enter, net_epoch_exit};
use super::verbs::LOOPBACK6;
use super::{ENXIO, K};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet6/in6_ifattach.c";

/// `in6_get_hw_ifid`: made of the hardware address.
fn ifid(n: &Ifnet) -> Addr {
    if n.if_flags.get() & IFF_LOOPBACK != 0 { 1 } else { 0x02ff_0000 | Addr::from(n.name.get()) }
}

/// Whether an address is one that an interface brings with it when it comes up.
pub fn is_own(k: &K, ifp: IfId, addr: Addr) -> bool {
    let n = k.st.ifnets.raw(ifp);
    let lo = n.if_flags.get() & IFF_LOOPBACK != 0;
    let linklocal = n.driver.get() == Driver::Epair || lo;
    let zone = u64::from(n.if_index.get()) << 32;
    lo && addr == LOOPBACK6 || linklocal && addr == 0xfe80 << 48 | zone | ifid(n)
}

/// `in6_ifattach`: the link-local address, where an interface has one of its own.
pub async fn in6_ifattach(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "in6_ifattach", file: FILE });
    // SIOCAIFADDR_IN6 comes here with the lock.
    let serialize = !k.on(d::IN6_IFATTACH_WHILE_DYING) && !k.owns_exclusively(IN6_CONTROL);
    if serialize {
        k.lock(IN6_CONTROL).await;
        if dying(k, ifp) {
            k.unlock(IN6_CONTROL);
            return;
        }
    }
    ifattach(k, ifp).await;
    if serialize {
        k.unlock(IN6_CONTROL);
    }
}

async fn ifattach(k: &K, ifp: IfId) {
    if k[ifp].if_afdata_inet6.get().is_null() || k[ifp].if_flags.get() & IFF_MULTICAST == 0 {
        return;
    }
    if k[ifp].if_flags.get() & IFF_LOOPBACK != 0 && in6ifa_ifwithaddr(k, LOOPBACK6).await.is_null()
    {
        in6_ifattach_loopback(k, ifp).await;
    }
    k.yield_at("in6_ifattach:ND_IFINFO").await;
    let Some(nd) = nd_ifinfo(k, ifp, "ND_IFINFO(ifp)->flags") else { return };
    let flags = nd.nd_flags.get();
    if flags & ND6_IFF_IFDISABLED == 0 && flags & ND6_IFF_AUTO_LINKLOCAL != 0 {
        net_epoch_enter(k);
        let ia = in6ifa_ifpforlinklocal(k, ifp, 0).await;
        net_epoch_exit(k);
        if ia.is_null() {
            k.yield_at("in6_ifattach:in6_ifattach_linklocal").await;
            in6_ifattach_linklocal(k, ifp).await;
        } else {
            ifa_free(k, ia);
        }
    }
}

async fn in6_ifattach_loopback(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "in6_ifattach_loopback", file: FILE });
    let ifra = Ifra { addr: LOOPBACK6, dst: LOOPBACK6, bits: 64, ..Ifra::default() };
    in6_update_ifa(k, ifp, ifra, IfaId::NULL).await;
}

async fn in6_ifattach_linklocal(k: &K, ifp: IfId) -> i32 {
    let _f = k.frame(&Func { name: "in6_ifattach_linklocal", file: FILE });
    let addr = in6_setscope(k, 0xfe80 << 48 | ifid(&k[ifp]), ifp);
    let ifra = Ifra { addr, bits: 32, ..Ifra::default() };
    let error = in6_update_ifa(k, ifp, ifra, IfaId::NULL).await;
    if error != 0 {
        return error;
    }
    net_epoch_enter(k);
    let ia = in6ifa_ifpforlinklocal(k, ifp, 0).await;
    net_epoch_exit(k);
    if ia.is_null() {
        return ENXIO;
    }
    let leak = k.on(d::IFATTACH_LINKLOCAL_PREFIX_LEAK);
    if leak {
        ifa_free(k, ia);
    }
    let held = k.hold(ObjRef::of(ia), !leak);
    let ctl = PrefixCtl {
        ifp,
        prefix: Prefix::new(addr, 32),
        raf_onlink: true,
        raf_auto: true,
        raf_ra_derived: false,
        vltime: None,
    };
    k.yield_at("in6_ifattach_linklocal:nd6_prefix_lookup").await;
    let error = attach_prefix(k, ia, &ctl, leak).await;
    drop(held);
    if !leak {
        ifa_free(k, ia);
    }
    error
}

/// The end of `in6_ifattach_linklocal`: the link-local prefix.
async fn attach_prefix(k: &K, ia: IfaId, ctl: &PrefixCtl, leak: bool) -> i32 {
    let mut pr = nd6_prefix_lookup(k, ctl).await;
    let is_new = pr.is_null();
    if is_new {
        match nd6_prelist_add(k, ctl, DrId::NULL).await {
            Ok(new) => pr = new,
            Err(error) => return error,
        }
    }
    let held = k.hold(ObjRef::of(pr), true);
    k.yield_at("in6_ifattach_linklocal:ia6_ndpr").await;
    if is_new {
        relate(k, ia, pr).await;
    }
    drop(held);
    if !(is_new && leak) {
        nd6_prefix_rele(k, pr);
    }
    0
}

/// `in6_ifdetach`.
pub async fn in6_ifdetach(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "in6_ifdetach", file: FILE });
    if k[ifp].if_afdata_inet6.get().is_null() {
        return;
    }
    purge_addresses(k, ifp).await;
    k.yield_at("in6_ifdetach:in6_pcbpurgeif0").await;
    k.lock(IN6_MULTI).await;
    in_pcbpurgeif0(k, ifp, Af::Inet6).await;
    k.unlock(IN6_MULTI);
    k.yield_at("in6_ifdetach:in6_purgemaddrs").await;
    in6_purgemaddrs(k, ifp).await;
    k.yield_at("in6_ifdetach:nd6_purge").await;
    nd6_purge(k, ifp).await;
}

/// The walk of `in6_ifdetach` over the addresses that are left: the mistake of
/// `if_purgeaddrs`, once more.
async fn purge_addresses(k: &K, ifp: IfId) {
    if k.on(d::PURGEADDRS_RAW_IFA) {
        let mut ifa = k[ifp].if_addrhead.first.get();
        while !ifa.is_null() && k.fuel() {
            let next = k[ifa].ifa_link.next.get();
            if k[ifa].af.get() == Af::Inet6 {
                let _h = k.hold(ObjRef::of(ifa), false);
                in6_purgeaddr(k, ifa).await;
            }
            ifa = next;
        }
        return;
    }
    k.lock(IN6_CONTROL).await;
    loop {
        let lock = locks::if_addr(k, ifp);
        k.lock(lock).await;
        let mut ifa = k[ifp].if_addrhead.first.get();
        while !ifa.is_null() && k[ifa].af.get() != Af::Inet6 && k.fuel() {
            ifa = k[ifa].ifa_link.next.get();
        }
        k.unlock(lock);
        if ifa.is_null() || !k.fuel() {
            break;
        }
        in6_purgeaddr(k, ifa).await;
    }
    k.unlock(IN6_CONTROL);
}

/// `in6_purgemaddrs`.
pub async fn in6_purgemaddrs(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "in6_purgemaddrs", file: FILE });
    k.lock(IN6_MULTI).await;
    k.lock(IN6_MULTI_LIST).await;
    let any = mld_ifdetach(k, ifp).await;
    k.unlock(IN6_MULTI_LIST);
    k.unlock(IN6_MULTI);
    k.yield_at("in6_purgemaddrs:in6m_release_list_deferred").await;
    in6m_release_list_deferred(k, any);
    in6m_release_wait(k).await;
}
