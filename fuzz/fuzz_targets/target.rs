//! The libFuzzer side of every target that runs programs.
//!
//! A target is a file that says which kernel it is for, `KERNEL`, and has this module.

use crate::KERNEL;
use ifscrub::program::bytes::Decoder;
use ifscrub::program::mutate::{crossover_bytes, mutate_bytes};
use ifscrub_fuzz_glue::{COUNTERS, abort_with, decoder, run, start, wanted, words};
use libfuzzer_sys::arbitrary::{self, Arbitrary, Unstructured};
use libfuzzer_sys::{Corpus, fuzz_crossover, fuzz_mutator, fuzz_target};
use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::AtomicU8;

/// One in so many of the crossovers that libFuzzer asks for happens. It asks half of
/// the time; the rest goes to the mutator.
const CROSSOVER_ONE_IN: u32 = 8;

/// What to do with the artifact, in contrast to what cargo fuzz says.
const MINIMIZE: &str = "\
cargo fuzz tmin takes any crash for this one; to keep the bug, minimize the artifact with
  ifscrub minimize --bytes --defects LIST ARTIFACT      (LIST: as in IFSCRUB_DEFECTS)
";

/// Decodes programs of the kernels that are fuzzed, for the mutator.
static FUZZED: LazyLock<Decoder> = LazyLock::new(|| decoder(KERNEL));

/// Counters of the engine; whole words, because it reads them as such.
#[repr(align(8))]
struct Counters([AtomicU8; COUNTERS]);

/// What libFuzzer looks at after every execution, and clears before the next, besides the
/// counters of the compiler, and where there are none of those.
#[unsafe(link_section = "__libfuzzer_extra_counters")]
#[used]
static FEATURES: Counters = Counters([const { AtomicU8::new(0) }; COUNTERS]);

/// Bytes, shown as the text of the program that they mean (`cargo fuzz fmt`).
struct Input<'a>(&'a [u8]);

impl<'a> Arbitrary<'a> for Input<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        u.bytes(u.len()).map(Input)
    }
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&words(self.0))
    }
}

fuzz_target!(init: start(KERNEL), |input: Input| -> Corpus {
    if !wanted(input.0) {
        return Corpus::Reject;
    }
    if let Some(finding) = run(input.0, &FEATURES.0) {
        abort_with(&finding, MINIMIZE)
    }
    Corpus::Keep
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_bytes(&FUZZED, data, size, max_size, seed)
});

// With nothing returned, libFuzzer draws again between mutator and crossover.
fuzz_crossover!(|a: &[u8], b: &[u8], out: &mut [u8], seed: u32| {
    if !seed.is_multiple_of(CROSSOVER_ONE_IN) {
        return 0;
    }
    crossover_bytes(&FUZZED, a, b, out, seed)
});
