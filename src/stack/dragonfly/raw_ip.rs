//! `sys/netinet/raw_ip.c`: what an interface going down or up does to its addresses.

use super::K;
use super::in_c::{in_ifscrub, route_flags};
use super::in_rmx::in_ifadown;
use super::lwkt::hold_ia;
use super::objects::*;
use super::route::{Old, Req, rtinit};
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet/raw_ip.c";

/// `PRC_IFDOWN` or `PRC_IFUP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prc {
    /// Interface going down.
    IfDown,
    /// Interface coming up.
    IfUp,
}

/// `rip_ctlinput`: finds the address by *pointer equality* of its `ifa_addr`.
pub async fn rip_ctlinput(k: &K, cmd: Prc, sa: Sa) {
    let _f = k.frame(&Func { name: "rip_ctlinput", file: FILE });
    let mut ia = k.st.in_ifaddrhead.first.get();
    while !ia.is_null() && k.fuel() {
        let flagged = k[ia].ifa_flags.get() & IFA_ROUTE != 0;
        if k[ia].ifa_addr.get() == sa && (flagged || cmd == Prc::IfUp) {
            break;
        }
        ia = k[ia].ia_link.next.get();
    }
    if ia.is_null() {
        return;
    }
    let _ia = hold_ia(k, ia);
    let ifp = k[ia].ifa_ifp.get();
    match cmd {
        Prc::IfDown => {
            // A route that could not be scrubbed goes in in_ifadown.
            let _ = in_ifscrub(k, ifp, ia, Old::default()).await;
            in_ifadown(k, ia, false).await;
        }
        Prc::IfUp => {
            if k[ia].ifa_flags.get() & IFA_ROUTE != 0 {
                return;
            }
            if rtinit(k, ia, Req::Add, route_flags(k, ifp), Old::default()).await == 0 {
                let a = &k[ia];
                a.ifa_flags.set(a.ifa_flags.get() | IFA_ROUTE);
                a.user_deleted.set(false);
            }
        }
    }
}
