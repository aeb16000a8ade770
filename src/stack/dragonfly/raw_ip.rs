//! `sys/netinet/raw_ip.c`: what an interface going down or up does to its addresses.

use super::K;
use super::in_c::{in_ifscrub, route_flags};
use super::in_rmx::in_ifadown;
use super::lwkt::hold_ia;
use super::objects::*;
use super::route::{Old, Req, rtinit};
use super::uipc_domain::Prc;
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet/raw_ip.c";

/// `rip_ctlinput`.
pub async fn rip_ctlinput(k: &K, cmd: Prc, sa: Sa) {
    let _f = k.frame(&Func { name: "rip_ctlinput", file: FILE });
    match cmd {
        Prc::IfDown => {
            let ia = ia_of_sockaddr(k, sa, true);
            if ia.is_null() {
                return;
            }
            let _ia = hold_ia(k, ia);
            // A route that could not be scrubbed goes in in_ifadown.
            let _ = in_ifscrub(k, k[ia].ifa_ifp.get(), ia, Old::default()).await;
            in_ifadown(k, ia, false).await;
        }
        Prc::IfUp => {
            let ia = ia_of_sockaddr(k, sa, false);
            if ia.is_null() || k[ia].ifa_flags.get() & IFA_ROUTE != 0 {
                return;
            }
            let _ia = hold_ia(k, ia);
            let flags = route_flags(k, k[ia].ifa_ifp.get());
            if rtinit(k, ia, Req::Add, flags, Old::default()).await == 0 {
                let a = &k[ia];
                a.ifa_flags.set(a.ifa_flags.get() | IFA_ROUTE);
                a.user_deleted.set(false);
            }
        }
        Prc::RedirectHost => {}
    }
}

/// The address whose `ifa_addr` is that very *pointer*; with an interface route, if `routed`.
fn ia_of_sockaddr(k: &K, sa: Sa, routed: bool) -> IfaId {
    let mut ia = k.st.in_ifaddrhead.first.get();
    while !ia.is_null() && k.fuel() {
        let flagged = k[ia].ifa_flags.get() & IFA_ROUTE != 0;
        if k[ia].ifa_addr.get() == sa && (flagged || !routed) {
            break;
        }
        ia = k[ia].ia_link.next.get();
    }
    ia
}
