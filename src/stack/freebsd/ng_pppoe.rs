//! `sys/netgraph/ng_pppoe.c`: a node with one session, as far as its life is concerned.

use super::ng_base::ng_disown;
use super::objects::NodeId;
use super::{ENOMEM, K};
use crate::kern::trace::Func;

const FILE: &str = "sys/netgraph/ng_pppoe.c";

/// `ng_pppoe_newhook`: the hook's session.
pub fn ng_pppoe_newhook(k: &K) -> i32 {
    let _f = k.frame(&Func { name: "ng_pppoe_newhook", file: FILE });
    if k.fails("ng_pppoe_newhook") { ENOMEM } else { 0 }
}

/// `ng_pppoe_disconnect`: the session is unlinked and freed; whether the node removes
/// itself now, with its last hook.
pub fn ng_pppoe_disconnect(k: &K, node: NodeId) -> bool {
    let _f = k.frame(&Func { name: "ng_pppoe_disconnect", file: FILE });
    !k[node].closing.get() && k[node].hooks.iter().all(|h| h.get().is_null())
}

/// `ng_pppoe_shutdown`.
pub fn ng_pppoe_shutdown(k: &K, node: NodeId) {
    let _f = k.frame(&Func { name: "ng_pppoe_shutdown", file: FILE });
    ng_disown(k, node);
}
