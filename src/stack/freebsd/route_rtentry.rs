//! `sys/net/route/route_rtentry.c`: routes as objects.

use super::K;
use super::objects::*;

/// `destroy_rtentry_epoch`: an epoch callback.
pub async fn destroy_rtentry_epoch(_k: &K, _rt: RtId) {}
