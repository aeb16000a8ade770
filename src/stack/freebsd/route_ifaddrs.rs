//! `sys/net/route/route_ifaddrs.c`: routes that addresses bring.

use super::K;
use super::route_ctl::{RtAddrinfo, Rtm};

/// `rib_handle_ifaddr_info`.
pub async fn rib_handle_ifaddr_info(_k: &K, _rtm: Rtm, _info: &RtAddrinfo) -> i32 {
    0
}
