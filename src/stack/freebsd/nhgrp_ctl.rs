//! `sys/net/route/nhgrp_ctl.c`, `nhgrp.c`: nexthop groups.

use super::K;
use super::objects::*;

/// `destroy_nhgrp_epoch`: an epoch callback.
pub async fn destroy_nhgrp_epoch(_k: &K, _nhg: NhgId) {}
