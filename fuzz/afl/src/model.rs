//! Programs without an engine, for `scripts/bench`: what a target could reach whose engine
//! cost nothing.
//!
//! `model SECONDS FILE...` makes mutants of the files as an engine does, first, and then runs
//! them again and again for so many CPU seconds, with the features noted; it prints
//! executions and the CPU seconds that they took.

use ifscrub::program::mutate::mutate_bytes;
use ifscrub::program::{MAX_OPS, RECORD};
use ifscrub_fuzz_glue::{COUNTERS, decoder, run, start};
use std::ffi::{c_int, c_long};
use std::sync::atomic::AtomicU8;
use std::time::Duration;

/// How many mutants there are.
const MUTANTS: usize = 20_000;

static FEATURES: [AtomicU8; COUNTERS] = [const { AtomicU8::new(0) }; COUNTERS];

const CLOCK_PROCESS_CPUTIME_ID: c_int = 2;

#[repr(C)]
struct Timespec {
    seconds: c_long,
    nanoseconds: c_long,
}

// libc's.
unsafe extern "C" {
    fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int;
}

/// CPU time of this process so far.
fn cpu_time() -> Duration {
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: it writes such a structure.
    let done = unsafe { clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(done, 0, "every Linux has this clock");
    let part = |n: c_long| u64::try_from(n).expect("time goes on from 0");
    Duration::from_secs(part(time.seconds)) + Duration::from_nanos(part(time.nanoseconds))
}

fn main() {
    let mut args = std::env::args().skip(1);
    let seconds = args.next().and_then(|s| s.parse().ok()).unwrap_or(0);
    let files: Vec<Vec<u8>> = args.filter_map(|f| std::fs::read(f).ok()).collect();
    if seconds == 0 || files.is_empty() {
        eprintln!("usage: model SECONDS FILE...");
        std::process::exit(2);
    }
    start(None);
    let decoder = decoder(None);
    let mutant = |i: usize| {
        let mut data = [0; (MAX_OPS + 1) * RECORD];
        let parent = &files[i % files.len()];
        let size = parent.len().min(data.len());
        data[..size].copy_from_slice(&parent[..size]);
        let max = data.len();
        let size = mutate_bytes(&decoder, &mut data, size, max, i as u32);
        data[..size].to_vec()
    };
    let mutants: Vec<_> = (0..MUTANTS).map(mutant).collect();
    let began = cpu_time();
    let until = began + Duration::from_secs(seconds);
    let mut executions = 0_u64;
    'time: loop {
        for mutant in &mutants {
            if let Some(finding) = run(mutant, &FEATURES) {
                ifscrub_fuzz_glue::abort_with(&finding, "");
            }
            executions += 1;
            if executions.is_multiple_of(64) && cpu_time() >= until {
                break 'time;
            }
        }
    }
    println!("{executions} {:.6}", (cpu_time() - began).as_secs_f64());
}
