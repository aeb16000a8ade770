//! `sys/netinet6/in6.c`: IPv6 addresses.

use super::K;
use super::if_c::Ioctl;
use super::objects::*;

/// `in6_control`, `in6_control_ioctl`.
pub async fn in6_control(_k: &K, _ifp: IfId, _cmd: Ioctl) -> i32 {
    0
}
/// `in6_domifattach`.
pub fn in6_domifattach(_k: &K, _ifp: IfId) -> ExtId {
    ExtId::NULL
}
/// `in6_domifdetach`.
pub async fn in6_domifdetach(_k: &K, _ifp: IfId, _ext: ExtId) {}
/// Frees an in6_ifextra: what `in6_domifdetach` ends with.
pub fn in6_ifextra_free(_k: &K, _ext: ExtId) {}
/// `in6_purgeaddr`.
pub async fn in6_purgeaddr(_k: &K, _ifa: IfaId) {}
/// `in6_purgeifaddr`.
pub async fn in6_purgeifaddr(_k: &K, _ifa: IfaId) {}
/// `in6_purge_proxy_ndp` does nothing here; `in6_if_up`: DAD of what is there.
pub async fn in6_if_up(_k: &K, _ifp: IfId) {}
