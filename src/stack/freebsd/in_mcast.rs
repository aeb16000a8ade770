//! `sys/netinet/in_mcast.c`: IPv4 multicast memberships.

use super::K;
use super::objects::*;

/// `in_joingroup`.
pub async fn in_joingroup(_k: &K, _ifp: IfId, _group: Addr) -> Result<InmId, i32> {
    Err(0)
}
/// `in_leavegroup`.
pub async fn in_leavegroup(_k: &K, _inm: InmId) {}
/// `inm_release_task`.
pub async fn inm_release_task(_k: &K) {}
/// `inp_join_group`, `inp_leave_group`: setsockopt(IP_ADD_MEMBERSHIP), (IP_DROP_MEMBERSHIP).
pub async fn inp_setmoptions(_k: &K, _sock: usize, _join: bool, _name: u8, _group: Addr) -> i32 {
    0
}
