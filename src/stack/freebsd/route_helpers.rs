//! `sys/net/route/route_helpers.c`: walks over a RIB.

use super::K;
use super::objects::*;
use super::route_ctl::Filter;

/// `rib_walk_del`.
pub async fn rib_walk_del(_k: &K, _af: Af, _filter: Filter) {}
/// `rt_flushifroutes` (`route_ctl.c`): all routes of an interface that is being detached.
pub async fn rt_flushifroutes(_k: &K, _ifp: IfId) {}
