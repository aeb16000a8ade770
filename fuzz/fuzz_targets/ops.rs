//! Runs programs until one violates a rule.
//!
//! What is hunted comes from `IFSCRUB_KERNEL` and `IFSCRUB_DEFECTS`, see
//! [`ifscrub::hunt::fuzz`].

#![no_main]

mod bucket;
mod glue;

use glue::Input;
use libfuzzer_sys::{Corpus, fuzz_crossover, fuzz_mutator, fuzz_target};

fuzz_target!(init: glue::start(), |input: Input| -> Corpus { glue::run(input) });

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    glue::mutate(data, size, max_size, seed)
});

fuzz_crossover!(|a: &[u8], b: &[u8], out: &mut [u8], seed: u32| { glue::cross(a, b, out, seed) });
