//! `sys/netinet6/in6_rmx.c`: what IPv6 adds to its nexthops.

use super::K;
use super::nd6::nd_ifinfo;
use super::objects::*;
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet6/in6_rmx.c";

/// `rib6_augment_nh`: reads the MTU of the interface's in6_ifextra, whether it has one or not.
pub fn rib6_augment_nh(k: &K, nh: NhId) {
    let _f = k.frame(&Func { name: "rib6_augment_nh", file: FILE });
    let _ = nd_ifinfo(k, k[nh].nh_ifp.get(), "IN6_LINKMTU(nh->nh_ifp)");
}
