//! Programs without an engine, for `scripts/bench`: what a target could reach whose engine
//! cost nothing.
//!
//! `model SECONDS FILE...` makes mutants of the files as an engine does, first, and then runs
//! them again and again, with the features noted; it prints executions and CPU seconds.

use ifscrub::program::mutate::mutate_bytes;
use ifscrub::program::{MAX_OPS, RECORD};
use ifscrub_fuzz_glue::{decoder, run, start};
use std::sync::atomic::AtomicU8;
use std::time::{Duration, Instant};

/// How many mutants there are.
const MUTANTS: usize = 20_000;

/// As many counters as a target has.
static FEATURES: [AtomicU8; 6144] = [const { AtomicU8::new(0) }; 6144];

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
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds);
    let mut executions = 0_u64;
    'time: loop {
        for mutant in &mutants {
            if let Some(finding) = run(mutant, &FEATURES) {
                ifscrub_fuzz_glue::abort_with(&finding, "");
            }
            executions += 1;
            if executions.is_multiple_of(64) && Instant::now() >= until {
                break 'time;
            }
        }
    }
    println!("{executions} {:.6}", began.elapsed().as_secs_f64());
}
