//! Digests: a number that two states share when nothing that is looked at differs.
//!
//! The books of a stack compare the digest from before an operation with the one after it,
//! where the rule is that a call which fails has changed nothing. What goes into a digest, and
//! in which order, is the stack's; sets are summed up, so that their order does not count.

/// A hash with one more value in it.
#[inline]
pub fn mix(h: u64, v: u64) -> u64 {
    (h ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mixed_in_counts_and_so_does_the_order() {
        assert_ne!(mix(1, 2), mix(1, 3));
        assert_ne!(mix(mix(0, 1), 2), mix(mix(0, 2), 1));
    }
}
