//! `sys/netinet/in_rmx.c`: the routes of an IPv4 address that goes.

use super::K;
use super::in_c::set_ifa_route;
use super::objects::*;
use super::route_ctl::{Filter, rib_walk_del};
use crate::kern::trace::Func;

const FILE: &str = "sys/netinet/in_rmx.c";

/// `in_ifadown`: what is left of the routes through an address; when it stays (`!delete`),
/// static ones do, too.
pub async fn in_ifadown(k: &K, ifa: IfaId, delete: bool) {
    let _f = k.frame(&Func { name: "in_ifadown", file: FILE });
    let filter = if delete { Filter::Ifa(ifa) } else { Filter::IfaNotStatic(ifa) };
    rib_walk_del(k, Af::Inet, filter).await;
    set_ifa_route(k, ifa, false);
}
