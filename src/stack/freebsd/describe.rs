//! What a report shows of an object: its fields, its holders, its lists.

use super::K;
use crate::kern::slab::ObjRef;
use crate::shadow::Violation;

/// What the numbers of a violation of one of this stack's invariants mean.
pub fn explain(_v: &Violation) -> String {
    String::new()
}
/// Lines describing an object and who holds it.
pub fn describe(_k: &K, _obj: ObjRef) -> Vec<String> {
    Vec::new()
}
