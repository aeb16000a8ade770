//! Our counters in AFL++'s map.
//!
//! AFL++'s runtime gives places of its map to whoever shows it an array of *guards*, as the
//! compiler does for the edges of a module. We show it one of our own, before `main`, and
//! write to the places that it has got. So the features of a run guide AFL++ with or
//! without the compiler's edges.

use ifscrub_fuzz_glue::COUNTERS;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// How many counters there are besides [`COUNTERS`], for the signatures of findings.
const SIGNATURES: usize = 256;

static GUARDS: [AtomicU32; COUNTERS + SIGNATURES] =
    [const { AtomicU32::new(0) }; COUNTERS + SIGNATURES];

// AFL++'s runtime, afl-compiler-rt.
unsafe extern "C" {
    static mut __afl_area_ptr: *mut u8;
    fn __sanitizer_cov_trace_pc_guard_init(start: *mut u32, stop: *mut u32);
}

/// What the loader calls before `main`: AFL++ is told the size of its map by then.
#[used]
#[unsafe(link_section = ".init_array")]
static CLAIM: extern "C" fn() = claim;

extern "C" fn claim() {
    let guards = GUARDS.as_ptr_range();
    // SAFETY: both are pointers to the begin and the end of one array of words that may be
    // written to through a shared reference, and no other thread lives yet.
    unsafe {
        __sanitizer_cov_trace_pc_guard_init(guards.start.cast_mut().cast(), guards.end as *mut u32);
    }
}

fn counters() -> &'static [AtomicU8] {
    // The runtime numbers the guards of an array one after the other.
    let first = GUARDS[0].load(Ordering::Relaxed) as usize;
    // SAFETY: the runtime keeps a map that is at least as large as the highest guard, in
    // whichever place, for the life of the process; it moves it only outside of the
    // function that is fuzzed. Others read and write it as bytes, too.
    unsafe { std::slice::from_raw_parts(__afl_area_ptr.add(first).cast(), GUARDS.len()) }
}

/// The counters of features.
pub fn features() -> &'static [AtomicU8] {
    &counters()[..COUNTERS]
}

/// Sets the counter of a signature.
pub fn note_signature(signature: &str) {
    let hash = signature.bytes().fold(0_usize, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
    counters()[COUNTERS + hash % SIGNATURES].store(1, Ordering::Relaxed);
}
