//! `sys/netinet6/ip6_input.c`: a packet that netisr has dispatched, as far as ICMPv6.

use super::K;
use super::icmp6::icmp6_input;
use super::nd6::nd_ifinfo;
use super::nd6_rtr::Ra;
use super::objects::*;
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet6/ip6_input.c";

/// `ip6_input`: of a router advertisement, if the interface takes part in IPv6.
pub async fn ip6_input(k: &K, ifp: IfId, ra: Ra) {
    let _f = k.frame(&Func { name: "ip6_input", file: FILE });
    let enabled = nd_ifinfo(k, ifp, "ND_IFINFO(rcvif)->flags")
        .is_some_and(|nd| nd.nd_flags.get() & ND6_IFF_IFDISABLED == 0);
    if enabled {
        icmp6_input(k, ifp, ra).await;
    }
}
