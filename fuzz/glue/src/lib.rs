//! What the targets of all engines share: an input is run here, and a finding ends here.
//!
//! A target calls [`start`] once, [`run`] for every input with the counters of its engine,
//! and [`abort_with`] when a finding comes back. What is hunted comes from
//! `IFSCRUB_KERNEL`, unless the target pins a kernel, and from `IFSCRUB_DEFECTS`, see
//! [`ifscrub::hunt::fuzz`]. Who looks after a campaign names a file in
//! `IFSCRUB_EXECUTIONS` and finds the number of executions there, and one in
//! `IFSCRUB_VIOLATING` for the last input that violated, as long as the engine has not yet
//! written its own.

mod bucket;
mod count;

use ifscrub::hunt::fuzz::{EnvError, FuzzFinding, FuzzState, fuzz_one};
use ifscrub::program::bytes::Decoder;
use ifscrub::program::text;
use ifscrub::stack::GRAMMARS;
use std::cell::RefCell;
use std::panic::{set_hook, take_hook};
use std::path::Path;
use std::process::exit;
use std::sync::LazyLock;
use std::sync::atomic::AtomicU8;

/// Names the file for the number of executions: eight bytes, in the machine's order. Who names
/// one has room for them, best in memory.
const COUNT_VARIABLE: &str = "IFSCRUB_EXECUTIONS";

/// Names the file for the last input that violated ([`FuzzState::keep_violating`]).
const VIOLATING_VARIABLE: &str = "IFSCRUB_VIOLATING";

/// How many counters of features a target has. Each costs in every execution; with fewer, more
/// features of a long campaign fall together.
pub const COUNTERS: usize = 6144;

/// Decodes programs of every kernel, for people.
static DECODER: LazyLock<Decoder> = LazyLock::new(|| Decoder::new(GRAMMARS));

thread_local! {
    static STATE: RefCell<Option<FuzzState>> = const { RefCell::new(None) };
    /// The input being run, for a panic of the harness.
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn state(kernel: Option<&str>) -> Result<FuzzState, EnvError> {
    match kernel {
        Some(kernel) => FuzzState::pinned(kernel),
        None => FuzzState::from_env(),
    }
}

/// Makes ready for [`run`]; `kernel` is the one that the target pins. Ends the process
/// when the environment makes no sense.
pub fn start(kernel: Option<&str>) {
    // Instead of the engine's hook: whatever panics is a bug of the harness, and the stack
    // up to the panic tells two of them apart.
    let _ = take_hook();
    let say = take_hook();
    set_hook(Box::new(move |panic| {
        say(panic);
        let program = INPUT.with_borrow(|input| words(input));
        eprintln!(
            "This is a bug of ifscrub, not of the modelled kernel. The program was:\n{program}"
        );
        bucket::ifscrub_harness_bug()
    }));
    match state(kernel) {
        Ok(mut state) => {
            eprint!("{}", state.describe());
            if let Some(path) = std::env::var_os(VIOLATING_VARIABLE) {
                state.keep_violating(path.into());
            }
            STATE.set(Some(state));
        }
        Err(e) => {
            eprintln!("ifscrub: {e}");
            exit(2);
        }
    }
    if let Some(path) = std::env::var_os(COUNT_VARIABLE)
        && let Err(e) = count::begin(Path::new(&path))
    {
        eprintln!("ifscrub: {COUNT_VARIABLE}: {}: {e}", path.display());
        exit(2);
    }
}

/// What decodes the programs that are fuzzed, for the mutator.
pub fn decoder(kernel: Option<&str>) -> Decoder {
    match state(kernel) {
        Ok(state) => state.decoder().clone(),
        // `start` says what is wrong.
        Err(_) => Decoder::new(GRAMMARS),
    }
}

/// Bytes as the text of the program that they mean.
pub fn words(input: &[u8]) -> String {
    let p = DECODER.decode(input);
    text::print(DECODER.grammar(p.header.kernel), &p)
}

/// Whether an input belongs to a kernel that is fuzzed.
pub fn wanted(input: &[u8]) -> bool {
    let ours = |state: &FuzzState| ifscrub::hunt::fuzz::wanted(state, input);
    STATE.with_borrow(|state| state.as_ref().is_some_and(ours))
}

/// Runs an input; its features set some of `counters` to 1.
pub fn run(input: &[u8], counters: &[AtomicU8]) -> Option<FuzzFinding> {
    INPUT.with_borrow_mut(|copy| {
        copy.clear();
        copy.extend_from_slice(input);
    });
    count::one_more();
    STATE.with_borrow_mut(|state| fuzz_one(state.as_mut()?, input, counters))
}

/// Shows a finding, with the engine's `advice`, and aborts in a function of its name.
pub fn abort_with(finding: &FuzzFinding, advice: &str) -> ! {
    eprintln!("{}\n{advice}", finding.text);
    bucket::abort_as(&finding.signature_ident)
}
