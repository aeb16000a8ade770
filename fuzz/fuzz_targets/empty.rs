//! Nothing at all: the floor that no target can beat, for `scripts/bench`.

#![no_main]

use std::sync::atomic::{AtomicU64, Ordering};

/// One word of what `ops` has more of: libFuzzer gives up on a target of which it sees
/// nothing, and where the compiler adds no counters there is nothing else.
#[unsafe(link_section = "__libfuzzer_extra_counters")]
#[used]
static FEATURES: AtomicU64 = AtomicU64::new(0);

libfuzzer_sys::fuzz_target!(|_data: &[u8]| FEATURES.store(1, Ordering::Relaxed));
