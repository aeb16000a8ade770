//! `sys/netinet6/icmp6.c`: router advertisements go on to `nd6_rtr.c`.

use super::K;
use super::nd6_rtr::{Ra, nd6_ra_input};
use super::objects::*;
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet6/icmp6.c";

/// `icmp6_input` of a router advertisement.
pub async fn icmp6_input(k: &K, ifp: IfId, ra: Ra) {
    let _f = k.frame(&Func { name: "icmp6_input", file: FILE });
    nd6_ra_input(k, ifp, ra).await;
}
