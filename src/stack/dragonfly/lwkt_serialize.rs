//! `sys/kern/lwkt_serialize.c`: the serializers of interfaces.

use super::lwkt::SERIALIZERS;
use super::objects::*;
use super::{K, NIFS};
use crate::kern::lock::LockId;
use crate::kern::slab::ObjRef;

/// `if_serializer`: embedded in the ifnet, hence found by its name.
pub fn if_serializer(k: &K, ifp: IfId) -> LockId {
    LockId(SERIALIZERS + k[ifp].name.get())
}

/// `lwkt_serialize_enter`. `site` names the place of the call.
pub async fn lwkt_serialize_enter(k: &K, ifp: IfId, site: &'static str) {
    let _ifp = k.hold(ObjRef::of(ifp), false);
    k.yield_at(site).await;
    k.lock(if_serializer(k, ifp)).await;
}

/// `lwkt_serialize_exit`.
pub fn lwkt_serialize_exit(k: &K, ifp: IfId) {
    k.unlock(if_serializer(k, ifp));
}

/// Whether the current thread holds the serializer of any interface.
pub fn holds_serializer(k: &K) -> bool {
    (0..NIFS as u8).any(|i| k.owns(LockId(SERIALIZERS + i)))
}
