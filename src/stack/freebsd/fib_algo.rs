//! `sys/net/route/fib_algo.c`: lookup instances, built from the RIB and kept in step.

use super::K;
use super::objects::*;

/// Makes the first instance of each family at boot.
pub fn boot(_k: &K) {}
/// `handle_fd_callout`: the callout of an instance has fired; the RIB's lock is held.
pub async fn handle_fd_callout(_k: &K, _fd: FdId) {}
/// `destroy_fd_instance_epoch`: an epoch callback.
pub async fn destroy_fd_instance_epoch(_k: &K, _fd: FdId) {}
/// `nhop_release_data`'s epoch callback: gives up the reference.
pub async fn fib_release_nhop_epoch(_k: &K, _nh: NhRef) {}
/// The user chooses the lookup module of a family (sysctl `net.route.algo.*.algo`).
pub async fn set_fib_algo(_k: &K, _af: Af, _flm: Flm) -> i32 {
    0
}
