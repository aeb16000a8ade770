//! `sys/net/route/nhop_utils.c`: the bitmask of indices.

use super::K;
use super::nhop::family;
use super::objects::*;

/// `bitmask_alloc_idx`: the lowest free index; index 0 is none. `None` when there is none,
/// or when the plan says so. The caller holds the lock of the family's nexthops.
pub fn bitmask_alloc_idx(k: &K, af: Af) -> Option<u8> {
    let taken = &k.st.nh_idx_head[family(af)];
    let free = !(taken.get() | 1);
    if k.fails("bitmask_alloc_idx") || free == 0 {
        return None;
    }
    let idx = free.trailing_zeros() as u8;
    taken.set(taken.get() | 1 << idx);
    Some(idx)
}

/// `bitmask_free_idx`.
pub fn bitmask_free_idx(k: &K, af: Af, idx: u8) {
    let taken = &k.st.nh_idx_head[family(af)];
    taken.set(taken.get() & !(1 << idx));
}
