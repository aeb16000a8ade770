//! `sys/net/route/route_ctl.c`: routes are added, changed and deleted.

use super::K;
use super::objects::*;

/// `rtm_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rtm {
    /// `RTM_ADD`.
    #[default]
    Add,
    /// `RTM_DELETE`.
    Delete,
    /// `RTM_CHANGE`.
    Change,
}

/// `struct rt_addrinfo`, as far as routes of this stack need it.
#[derive(Clone, Copy, Debug, Default)]
pub struct RtAddrinfo {
    /// Family.
    pub af: Af,
    /// `RTAX_DST`, `RTAX_NETMASK`.
    pub dst: Prefix,
    /// `RTAX_GATEWAY`.
    pub gateway: Gw,
    /// `rti_flags`.
    pub rti_flags: u32,
    /// `rti_ifa`; no reference.
    pub rti_ifa: IfaId,
    /// `rti_ifp`; no reference.
    pub rti_ifp: IfId,
    /// `rti_filter`: deletes only what it approves.
    pub rti_filter: Filter,
    /// `RTM_F_*`: RTM_F_CREATE, RTM_F_EXCL, RTM_F_REPLACE, RTM_F_APPEND, RTM_F_FORCE.
    pub op_flags: u32,
}

/// `rti_filter` with its argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// None.
    #[default]
    None,
    /// `match_nhop_gw`: the nexthop's gateway.
    Gateway(Gw),
    /// `rt_ifdelroute`'s: nexthops of that address.
    Ifa(IfaId),
    /// `rt_flushifroutes`'s: nexthops of that interface.
    Ifp(IfId),
    /// `rt6_deleteroute`: host routes through that gateway.
    HostsVia(Addr),
}

/// `rib_action`.
pub async fn rib_action(_k: &K, _rtm: Rtm, _info: &RtAddrinfo) -> i32 {
    0
}
