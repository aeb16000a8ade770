//! `sys/netinet6/nd6_nbr.c`: duplicate address detection.

use super::K;
use super::objects::*;

/// `nd6_dad_start`.
pub async fn nd6_dad_start(_k: &K, _ifa: IfaId, _delay: u64) {}
/// `nd6_dad_stop`.
pub async fn nd6_dad_stop(_k: &K, _ifa: IfaId) {}
/// `nd6_dad_timer`: a callout.
pub async fn nd6_dad_timer(_k: &K, _dp: DadId) {}
