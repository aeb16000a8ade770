//! `sys/netgraph/ng_base.c`: nodes, hooks and messages.
//!
//! A node is counted by its hooks, by threads, and by itself until its shutdown method.
//! What is sent to a node runs in it one after the other, and nothing but its end reaches
//! one that is closing; so the functions here look whether it is, and then act without a
//! yield in between. A pair of hooks is two pointers, each with a reference of the far
//! node.

use super::ng_iface::{ng_iface_constructor, ng_iface_disconnect, ng_iface_shutdown};
use super::ng_pppoe::{ng_pppoe_disconnect, ng_pppoe_shutdown};
use super::objects::*;
use super::{EEXIST, EINVAL, ENOENT, ENOMEM, K};
use super::{if_clone, invariants, locks, uma, verbs};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/netgraph/ng_base.c";

/// `ng_ref_node`.
#[track_caller]
pub fn ng_ref_node(k: &K, node: NodeId) {
    let refs = &k[node].nd_refs;
    if refs.get() == 0 {
        let obj = ObjRef::of(node);
        k.violate(&invariants::I06_ACQUIRE_FROM_ZERO, obj, ObjRef::NONE, [0, 0]);
    }
    k.record_ref(ObjRef::of(node), 1, refs.inc());
}

/// `ng_unref_node`: the last one frees it at once.
#[track_caller]
pub fn ng_unref_node(k: &K, node: NodeId) {
    let refs = &k[node].nd_refs;
    if refs.get() == 0 {
        let obj = ObjRef::of(node);
        k.violate(&invariants::I06_RELEASE_AT_ZERO, obj, ObjRef::NONE, [0, 0]);
    }
    let now = refs.dec();
    k.record_ref(ObjRef::of(node), -1, now);
    if now == 0 {
        uma::free(k, |s| &s.nodes, node);
    }
}

/// `ng_make_node_common`: with the reference of its own; NULL when it fails.
pub fn ng_make_node_common(k: &K, nd_type: NgType, unit: u8) -> NodeId {
    let _f = k.frame(&Func { name: "ng_make_node_common", file: FILE });
    if k.fails("ng_alloc_node") {
        return NodeId::NULL;
    }
    let node = uma::alloc(k, |s| &s.nodes);
    if node.is_null() {
        return node;
    }
    k[node].nd_type.set(nd_type);
    k[node].name.set(verbs::NG0 + unit);
    k[node].own.set(true);
    k[node].nd_refs.set(1);
    k.record_ref(ObjRef::of(node), 1, 1);
    node
}

/// `ng_name_node`: messages find it from now on.
pub fn ng_name_node(k: &K, node: NodeId) {
    let unit = k[node].name.get() - verbs::NG0;
    k.st.ng_iface[usize::from(unit)].set(node);
}

/// `ng_path2noderef`: the iface node of a name, with a reference; NULL when there is none,
/// or it is closing.
pub fn ng_path2noderef(k: &K, unit: u8) -> NodeId {
    let _f = k.frame(&Func { name: "ng_path2noderef", file: FILE });
    let node = k.st.ng_iface[usize::from(unit)].get();
    if node.is_null() || k[node].closing.get() {
        return NodeId::NULL;
    }
    ng_ref_node(k, node);
    node
}

/// `NGM_MKPEER` of an iface node. Its unit is the first free one; it is refused here when
/// that is not the one that was meant.
pub async fn ngm_mkpeer(k: &K, unit: u8) -> i32 {
    let _f = k.frame(&Func { name: "ng_mkpeer", file: FILE });
    let _m = k.frame(&Func { name: "ng_make_node", file: FILE });
    if if_clone::ifc_alloc_unit(k, verbs::NG0 + unit) != 0 {
        return EEXIST;
    }
    let node = ng_make_node_common(k, NgType::Iface, unit);
    if node.is_null() {
        if_clone::ifc_free_unit(k, verbs::NG0 + unit);
        return ENOMEM;
    }
    let _node = k.hold(ObjRef::of(node), false);
    k.yield_at("ng_make_node:constructor").await;
    ng_iface_constructor(k, node).await;
    0
}

/// `NGM_SHUTDOWN` of an iface node: `ng_rmnode`.
pub async fn ngm_shutdown(k: &K, unit: u8) -> i32 {
    let _f = k.frame(&Func { name: "ng_snd_item", file: FILE });
    let node = ng_path2noderef(k, unit);
    if node.is_null() {
        return ENOENT;
    }
    let held = k.hold(ObjRef::of(node), true);
    k.yield_at("ng_snd_item:ng_apply_item").await;
    let error = match k[node].closing.get() {
        true => EINVAL,
        false => {
            ng_rmnode(k, node).await;
            0
        }
    };
    drop(held);
    ng_unref_node(k, node);
    error
}

/// `ng_rmnode`.
pub async fn ng_rmnode(k: &K, node: NodeId) {
    let _f = k.frame(&Func { name: "ng_rmnode", file: FILE });
    if k[node].closing.get() {
        return;
    }
    ng_ref_node(k, node);
    let held = k.hold(ObjRef::of(node), true);
    k[node].closing.set(true);
    k.yield_at("ng_rmnode:closing").await;
    for i in 0..k[node].hooks.len() {
        while !k[node].hooks[i].get().is_null() && k.fuel() {
            ng_destroy_hook(k, node, i).await;
        }
    }
    k.yield_at("ng_rmnode:shutdown").await;
    match k[node].nd_type.get() {
        NgType::Iface => ng_iface_shutdown(k, node).await,
        NgType::Pppoe => ng_pppoe_shutdown(k, node),
    }
    k.yield_at("ng_rmnode:unref").await;
    drop(held);
    ng_unref_node(k, node);
}

/// What every shutdown method ends with: the node gives up its own reference.
pub fn ng_disown(k: &K, node: NodeId) {
    k[node].own.set(false);
    ng_unref_node(k, node);
}

/// `ng_destroy_hook`: both ends part; each node is told.
pub async fn ng_destroy_hook(k: &K, node: NodeId, i: usize) {
    let _f = k.frame(&Func { name: "ng_destroy_hook", file: FILE });
    k.lock(locks::NG_TOPO).await;
    let far = k[node].hooks[i].get();
    if far.is_null() {
        k.unlock(locks::NG_TOPO);
        return;
    }
    k[node].hooks[i].set(NodeId::NULL);
    let held_far = k.hold(ObjRef::of(far), true);
    let peer = k[far].hooks.iter().find(|h| h.get() == node);
    let held_node = k.hold(ObjRef::of(node), peer.is_some());
    if let Some(hook) = peer {
        hook.set(NodeId::NULL);
    }
    k.unlock(locks::NG_TOPO);
    if peer.is_some() {
        k.yield_at("ng_destroy_hook:ng_rmhook_self").await;
        disconnect(k, far).await;
    }
    k.yield_at("ng_destroy_hook:disconnect").await;
    disconnect(k, node).await;
    drop(held_far);
    ng_unref_node(k, far);
    drop(held_node);
    if peer.is_some() {
        ng_unref_node(k, node);
    }
}

/// The disconnect method of a node.
async fn disconnect(k: &K, node: NodeId) {
    match k[node].nd_type.get() {
        NgType::Iface => ng_iface_disconnect(k, node),
        // The last hook takes the node with it.
        NgType::Pppoe => {
            if ng_pppoe_disconnect(k, node) {
                k.yield_at("ng_rmnode_self").await;
                Box::pin(ng_rmnode(k, node)).await;
            }
        }
    }
}

/// `ng_con_nodes`, with `ng_con_part2` and `ng_con_part3`: the first hook of one node to
/// the first of another. The caller has references of both.
pub async fn ng_con_nodes(k: &K, node: NodeId, node2: NodeId) -> i32 {
    let _f = k.frame(&Func { name: "ng_con_nodes", file: FILE });
    if k.fails("ng_alloc_hook") {
        return ENOMEM;
    }
    k.yield_at("ng_con_nodes:ng_con_part2").await;
    k.lock(locks::NG_TOPO).await;
    let error = if k[node].closing.get() || k[node2].closing.get() {
        EINVAL
    } else if !k[node2].hooks[0].get().is_null() {
        EEXIST
    } else {
        ng_ref_node(k, node2);
        k[node].hooks[0].set(node2);
        ng_ref_node(k, node);
        k[node2].hooks[0].set(node);
        0
    };
    k.unlock(locks::NG_TOPO);
    error
}
