//! The books of `freebsd-14`: the census and the invariants, by name.

use super::K;
use crate::kern::slab::ObjRef;
use crate::program::Op;
use crate::shadow::Rule;

/// What the books note between operations.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Notes {
    /// Bit per interface slot whose detach has returned.
    pub detached: u16,
}

/// The invariants of this stack.
pub static RULES: &[&Rule] = &[];

/// After boot.
pub fn boot(_k: &K) {}
/// When an object is freed.
pub fn on_free(_k: &K, _obj: ObjRef) {}
/// After an operation.
pub fn after_op(_k: &K, _op: &Op, _errno: Option<i32>, _rest: bool) {}
/// At the end.
pub fn audit_end(_k: &K) {}
