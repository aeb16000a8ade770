//! `sys/netgraph/ng_base.c`: nodes, hooks and messages.

use super::K;

/// `NGM_MKPEER` of an iface node.
pub async fn ngm_mkpeer(_k: &K, _unit: u8) -> i32 {
    0
}
/// `NGM_SHUTDOWN` of an iface node: `ng_rmnode`.
pub async fn ngm_shutdown(_k: &K, _unit: u8) -> i32 {
    0
}
