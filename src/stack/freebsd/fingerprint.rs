//! A hash of the state at rest that does not depend on how it came about.

use super::K;

/// The hash.
pub fn fingerprint(_k: &K) -> u64 {
    0
}
