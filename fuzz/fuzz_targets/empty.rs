//! Nothing at all: the floor that no target can beat, for `scripts/bench`.

#![no_main]

libfuzzer_sys::fuzz_target!(|_data: &[u8]| {});
