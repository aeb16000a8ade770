//! What a fuzz target does between libFuzzer and the library: it reads the environment,
//! keeps the kernel and the counters of the engine, prints and aborts.

use super::bucket;
use ifscrub::hunt::fuzz::{FuzzState, fuzz_one, wanted};
use ifscrub::program::bytes::Decoder;
use ifscrub::program::mutate::{crossover_bytes, mutate_bytes};
use ifscrub::program::text;
use ifscrub::stack::GRAMMARS;
use libfuzzer_sys::Corpus;
use libfuzzer_sys::arbitrary::{self, Arbitrary, Unstructured};
use std::cell::RefCell;
use std::fmt;
use std::panic::{set_hook, take_hook};
use std::process::exit;
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

/// Decodes programs of every kernel, for people.
static DECODER: LazyLock<Decoder> = LazyLock::new(|| Decoder::new(GRAMMARS));

/// Decodes programs of the kernels that are fuzzed, for the mutator.
static FUZZED: LazyLock<Decoder> = LazyLock::new(|| match FuzzState::from_env() {
    Ok(state) => state.decoder().clone(),
    // `start` has said what is wrong.
    Err(_) => Decoder::new(GRAMMARS),
});

/// Counters of the engine; whole words, because it reads them as such.
#[repr(align(8))]
struct Counters([AtomicU8; COUNTERS]);

/// How many there are. Each costs in every execution; with fewer, more features of a long
/// campaign fall together.
const COUNTERS: usize = 6144;

/// What libFuzzer looks at after every execution, and clears before the next, besides the
/// counters of the compiler, and where there are none of those.
#[unsafe(link_section = "__libfuzzer_extra_counters")]
#[used]
static FEATURES: Counters = Counters([const { AtomicU8::new(0) }; COUNTERS]);

thread_local! {
    static STATE: RefCell<Option<FuzzState>> = const { RefCell::new(None) };
    /// The input being run, for a panic of the harness.
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Bytes, shown as the text of the program that they mean (`cargo fuzz fmt`).
pub struct Input<'a>(&'a [u8]);

impl<'a> Arbitrary<'a> for Input<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        u.bytes(u.len()).map(Input)
    }
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let p = DECODER.decode(self.0);
        f.write_str(&text::print(DECODER.grammar(p.header.kernel), &p))
    }
}

/// Says what is hunted; ends the process where that makes no sense.
pub fn start() {
    // Instead of libfuzzer-sys's hook: whatever panics is a bug of the harness, and
    // the stack up to the panic tells two of them apart.
    let _ = take_hook();
    let say = take_hook();
    set_hook(Box::new(move |panic| {
        say(panic);
        let input = INPUT.with_borrow(Clone::clone);
        eprintln!(
            "This is a bug of ifscrub, not of the modelled kernel. The program was:\n{:?}",
            Input(&input)
        );
        bucket::ifscrub_harness_bug()
    }));
    match FuzzState::from_env() {
        Ok(state) => {
            eprint!("{}", state.describe());
            STATE.set(Some(state));
        }
        Err(e) => {
            eprintln!("ifscrub: {e}");
            exit(2);
        }
    }
}

/// Runs one input; a finding is printed and aborts.
pub fn run(input: Input) -> Corpus {
    if !STATE.with_borrow(|state| state.as_ref().is_some_and(|s| wanted(s, input.0))) {
        return Corpus::Reject;
    }
    INPUT.with_borrow_mut(|copy| {
        copy.clear();
        copy.extend_from_slice(input.0);
    });
    let finding = STATE.with_borrow_mut(|state| fuzz_one(state.as_mut()?, input.0, &FEATURES.0));
    if let Some(finding) = finding {
        eprintln!("{}\n{MINIMIZE}", finding.text);
        bucket::abort_as(&finding.signature_ident)
    }
    Corpus::Keep
}

/// The typed mutator.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    mutate_bytes(&FUZZED, data, size, max_size, seed)
}

/// The typed crossover, now and then: with nothing returned, libFuzzer draws again between
/// mutator and crossover.
pub fn cross(a: &[u8], b: &[u8], out: &mut [u8], seed: u32) -> usize {
    if !seed.is_multiple_of(CROSSOVER_ONE_IN) {
        return 0;
    }
    crossover_bytes(&FUZZED, a, b, out, seed)
}
