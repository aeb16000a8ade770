//! `sys/netinet6/in6_mcast.c`: IPv6 multicast memberships.

use super::K;
use super::objects::*;

/// `in6_joingroup`.
pub async fn in6_joingroup(_k: &K, _ifp: IfId, _group: Addr) -> Result<InmId, i32> {
    Err(0)
}
/// `in6_leavegroup`.
pub async fn in6_leavegroup(_k: &K, _inm: InmId) {}
/// `in6m_release_task`.
pub async fn in6m_release_task(_k: &K) {}
/// `in6m_release_wait`.
pub async fn in6m_release_wait(_k: &K) {}
/// `in6p_join_group`, `in6p_leave_group`.
pub async fn in6p_setmoptions(_k: &K, _sock: usize, _join: bool, _name: u8, _group: Addr) -> i32 {
    0
}
