//! `sys/net/if_clone.c`: interfaces that are made and destroyed by name.

use super::K;
use super::objects::IfId;

/// `if_clone_create`.
pub async fn if_clone_create(_k: &K, _name: u8) -> i32 {
    0
}
/// `if_clone_destroy`.
pub async fn if_clone_destroy(_k: &K, _name: u8) -> i32 {
    0
}
/// `if_clone_destroyif`.
pub async fn if_clone_destroyif(_k: &K, _ifp: IfId) -> i32 {
    0
}
