//! `sys/net/route/nhop_ctl.c`: nexthops as objects.

use super::K;
use super::objects::*;

/// `nhop_free_any`.
pub async fn nhop_free_any(_k: &K, _nh: NhRef) {}
/// `nhop_ref_any`.
#[track_caller]
pub fn nhop_ref_any(_k: &K, _nh: NhRef) {}
/// `nhop_try_ref_any`.
#[track_caller]
pub fn nhop_try_ref_any(_k: &K, _nh: NhRef) -> bool {
    false
}
/// `destroy_nhop_epoch`: an epoch callback.
pub fn destroy_nhop_epoch(_k: &K, _nh: NhId) {}
