//! `sys/netinet/in.c`: IPv4 addresses.

use super::K;
use super::if_c::Ioctl;
use super::objects::*;

/// `in_control`.
pub async fn in_control(_k: &K, _ifp: IfId, _cmd: Ioctl) -> i32 {
    0
}
/// `in_domifattach`.
pub fn in_domifattach(_k: &K, _ifp: IfId) -> IiId {
    IiId::NULL
}
/// `in_domifdetach`.
pub async fn in_domifdetach(_k: &K, _ifp: IfId, _ii: IiId) {}
/// `in_ifdetach`.
pub async fn in_ifdetach(_k: &K, _ifp: IfId) {}
