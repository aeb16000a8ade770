//! The entry of fuzz targets: bytes in, at most a finding out.
//!
//! Everything a target of a few lines needs. What is hunted comes from the environment,
//! because fuzzing engines own the command line: `IFSCRUB_KERNEL` pins one kernel
//! (programs of others are skipped), `IFSCRUB_DEFECTS` switches defects on (default none).
//! Defects that are named leave out the kernels that have none of them.
//! A panic in here is a harness bug and is left to the target.
//!
//! A target for one kernel pins it with [`FuzzState::pinned`]; one for a stack outside of
//! this library gives its own list of models to [`FuzzState::from_env_of`].

use crate::kern::exec::Config;
use crate::program::bytes::{Decoder, kernel_byte};
use crate::program::{Grammar, Header, Program};
use crate::stack::{DefectSet, MODELS, Machine, Model};
use crate::triage::credit::credit_of_books;
use crate::triage::report::report;
use crate::triage::sets::{self, UnknownDefect};
use crate::triage::signature::{identifier, signature};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::{fs, io};
use thiserror::Error;

/// The environment variable that pins the kernel.
pub const KERNEL_VARIABLE: &str = "IFSCRUB_KERNEL";

/// What is wrong with the environment.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnvError {
    /// No kernel of that name.
    #[error("{KERNEL_VARIABLE}: no kernel is called `{0}`; there are: {1}")]
    Kernel(String, String),
    /// The environment pins another kernel than the target.
    #[error("{KERNEL_VARIABLE}: `{0}`, but this target is for {1}")]
    Pinned(String, String),
    /// No defect of that name in the kernel, or in any.
    #[error("{variable}: {0}", variable = sets::VARIABLE)]
    Defect(#[from] UnknownDefect),
}

/// What a target keeps between inputs.
pub struct FuzzState {
    decoder: Decoder,
    /// The numbers of all kernels, fuzzed or not.
    all: Vec<u8>,
    /// A machine and its defects for each kernel that is fuzzed.
    kernels: Vec<(u8, Box<dyn Machine>, DefectSet)>,
    program: Program,
    /// Where the last input that violated is kept.
    violating: Option<PathBuf>,
}

/// A violation, ready to be shown and aborted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuzzFinding {
    /// The signature as part of an identifier.
    pub signature_ident: String,
    /// Report and complete text program.
    pub text: String,
}

impl FuzzState {
    /// As the environment says.
    ///
    /// # Errors
    ///
    /// A kernel or a defect that does not exist.
    pub fn from_env() -> Result<FuzzState, EnvError> {
        FuzzState::from_env_of(MODELS)
    }

    /// As the environment says, for a list of models.
    ///
    /// # Errors
    ///
    /// A kernel or a defect that does not exist.
    pub fn from_env_of(models: &[Model]) -> Result<FuzzState, EnvError> {
        let (kernel, defects) = (variable(KERNEL_VARIABLE), variable(sets::VARIABLE));
        FuzzState::of(models, kernel.as_deref(), defects.as_deref())
    }

    /// One kernel of this library, the target's, which the environment need not name and may
    /// not name another than; the defects are as the environment says.
    ///
    /// # Errors
    ///
    /// A kernel or a defect that does not exist; an environment that pins another kernel.
    pub fn pinned(kernel: &str) -> Result<FuzzState, EnvError> {
        FuzzState::pinned_by(kernel, variable(KERNEL_VARIABLE), variable(sets::VARIABLE))
    }

    fn pinned_by(
        kernel: &str,
        wanted: Option<String>,
        defects: Option<String>,
    ) -> Result<FuzzState, EnvError> {
        match wanted {
            Some(other) if other != kernel => Err(EnvError::Pinned(other, kernel.to_string())),
            _ => FuzzState::new(Some(kernel), defects.as_deref()),
        }
    }

    /// One kernel of this library or all, with these defects or none.
    ///
    /// # Errors
    ///
    /// A kernel or a defect that does not exist.
    pub fn new(kernel: Option<&str>, defects: Option<&str>) -> Result<FuzzState, EnvError> {
        FuzzState::of(MODELS, kernel, defects)
    }

    /// One kernel of a list of models or all, with these defects or none.
    ///
    /// # Errors
    ///
    /// A kernel or a defect that does not exist.
    pub fn of(
        models: &[Model],
        kernel: Option<&str>,
        defects: Option<&str>,
    ) -> Result<FuzzState, EnvError> {
        let grammars = Model::grammars(models);
        let wanted = models.iter().filter(|m| kernel.is_none_or(|k| k == m.grammar().kernel));
        let machines: Vec<_> = wanted.map(|m| (m.grammar().id, m.machine())).collect();
        if machines.is_empty() {
            let names: Vec<_> = grammars.iter().map(|g| g.kernel).collect();
            return Err(EnvError::Kernel(kernel.unwrap_or("").to_string(), names.join(", ")));
        }
        let lists: Vec<_> = machines.iter().map(|(_, m)| m.defects()).collect();
        let sets = sets::across(&lists, defects.unwrap_or("none"))?;
        let with_set = |((id, m), set)| (id, m, set);
        let mut kernels: Vec<_> = machines.into_iter().zip(sets).map(with_set).collect();
        if kernels.iter().any(|(_, _, set)| *set != 0) {
            kernels.retain(|(_, _, set)| *set != 0);
        }
        let fuzzed = |g: &&&'static Grammar| kernels.iter().any(|(id, ..)| *id == g.id);
        let all: Vec<_> = grammars.iter().map(|g| g.id).collect();
        let grammars: Vec<_> = grammars.iter().filter(fuzzed).copied().collect();
        let header = Header::new(kernels[0].0);
        let program = Program { header, ops: Vec::new(), named: Vec::new() };
        let decoder = Decoder::new(&grammars);
        Ok(FuzzState { decoder, all, kernels, program, violating: None })
    }

    /// From now on an input that violates is in this file before anything else is done with
    /// it, in the place of the one before it: an engine writes its own only when the target
    /// has aborted, and whoever ends the process until then would take it along.
    pub fn keep_violating(&mut self, path: PathBuf) {
        self.violating = Some(path);
    }

    /// What decodes inputs: it knows the kernels that are fuzzed.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// One line per kernel: which defects are on.
    pub fn describe(&self) -> String {
        let line = |(_, m, set): &(u8, Box<dyn Machine>, DefectSet)| {
            format!("{}: defects {}\n", m.grammar().kernel, sets::display(m.defects(), *set))
        };
        self.kernels.iter().map(line).collect()
    }
}

/// A variable of the environment that says something: it is set, and not blank.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Runs one input. `None` when it is clean, or of a kernel that is not fuzzed.
///
/// Each feature of the run (see [`crate::kern::feedback`]) sets one of `counters` to 1, for
/// an engine that looks at them; they may be empty.
pub fn fuzz_one(state: &mut FuzzState, data: &[u8], counters: &[AtomicU8]) -> Option<FuzzFinding> {
    if !wanted(state, data) {
        return None;
    }
    state.decoder.decode_into(data, &mut state.program);
    let p = &state.program;
    let (_, m, defects) = state.kernels.iter_mut().find(|(id, ..)| *id == p.header.kernel)?;
    let defects = *defects;
    let cfg = Config { defects, feedback: !counters.is_empty(), ..Config::default() };
    let outcome = m.run(p, cfg);
    for feature in m.features() {
        let n = counters.len();
        counters[feature.get() as usize % n].store(1, Ordering::Relaxed);
    }
    if outcome.clean() {
        return None;
    }
    if let Some(path) = &state.violating {
        // Without room there the engine's file, or the report, is what there is.
        let _ = put(path, data);
    }
    let p = p.clone();
    let credited = credit_of_books(&mut **m, &p, defects)?;
    let signature = signature(&**m, &credited);
    let report = report(&mut **m, &p, defects)?;
    Some(FuzzFinding { signature_ident: identifier(&signature), text: report.to_string() })
}

/// A file that is there whole or as it was, also when who writes it is killed.
fn put(path: &Path, data: &[u8]) -> io::Result<()> {
    let mut unfinished = OsString::from(path);
    unfinished.push(".part");
    let done = fs::write(&unfinished, data).and_then(|()| fs::rename(&unfinished, path));
    if done.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    done
}

/// Whether an input belongs to a kernel that is fuzzed; engines may drop the others.
pub fn wanted(state: &FuzzState, data: &[u8]) -> bool {
    // The decoder reads any kernel byte as one of its kernels: look at the byte itself.
    let Some(kernel) = kernel_byte(data) else { return true };
    state.decoder.knows(kernel) || !state.all.contains(&kernel)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kern::exec::Outcome;
    use crate::kern::lock::LockInfo;
    use crate::kern::slab::ObjRef;
    use crate::program::bytes;
    use crate::program::generate::{GenConfig, Generator};
    use crate::shadow::{Rule, Violation};
    use crate::stack::{Defect, GRAMMARS};
    use std::cell::Cell;
    use std::collections::BTreeSet;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn an_unknown_kernel_is_an_error_that_lists_those_there_are() {
        let e = FuzzState::new(Some("plan9"), None).err().unwrap();
        assert!(e.to_string().contains(GRAMMARS[0].kernel), "{e}");
    }

    #[test]
    fn a_pinned_target_needs_no_environment_and_takes_no_other_kernel() {
        let [first, second] = [GRAMMARS[0].kernel, GRAMMARS[1].kernel];
        for agreeing in [None, Some(first.to_string())] {
            let state = FuzzState::pinned_by(first, agreeing, None).unwrap();
            assert_eq!(state.describe(), format!("{first}: defects none\n"));
        }
        let e = FuzzState::pinned_by(first, Some(second.to_string()), None).err().unwrap();
        assert_eq!(e, EnvError::Pinned(second.to_string(), first.to_string()));
        let defects = Some("as-reported".to_string());
        let state = FuzzState::pinned_by(first, None, defects).unwrap();
        assert!(!state.describe().contains("none"), "{}", state.describe());
    }

    #[test]
    fn a_violating_input_comes_back_with_signature_report_and_program() {
        let g = GRAMMARS[0];
        let generator = Generator::new(g, GenConfig::default(), 1);
        let mut state = FuzzState::new(Some(g.kernel), Some("as-reported")).unwrap();
        let inputs = (0..24).filter_map(|i| bytes::encode(&generator.program(i)).ok());
        let found: Vec<_> = inputs.filter_map(|input| fuzz_one(&mut state, &input, &[])).collect();
        assert!(!found.is_empty());
        for f in found {
            let safe = |c: char| c.is_ascii_alphanumeric() || c == '_';
            assert!(f.signature_ident.chars().all(safe), "{}", f.signature_ident);
            assert!(f.text.starts_with("panic: ") && f.text.contains("\n# ifscrub 1\n"));
        }
    }

    /// A machine that is killed, as it were, in its second run: the first of a credit.
    struct Killed(Box<dyn Machine>, u32);

    impl Machine for Killed {
        fn grammar(&self) -> &'static Grammar {
            self.0.grammar()
        }
        fn defects(&self) -> &'static [Defect] {
            self.0.defects()
        }
        fn rules(&self) -> &'static [&'static Rule] {
            self.0.rules()
        }
        fn explain(&self, v: &Violation) -> String {
            self.0.explain(v)
        }
        fn run(&mut self, p: &Program, cfg: Config) -> Outcome {
            self.1 += 1;
            assert_eq!(self.1, 1, "killed");
            self.0.run(p, cfg)
        }
        fn features(&self) -> &[Cell<u32>] {
            self.0.features()
        }
        fn describe(&self, obj: ObjRef) -> Vec<String> {
            self.0.describe(obj)
        }
        fn class_name(&self, class: u8) -> &'static str {
            self.0.class_name(class)
        }
        fn locks(&self) -> &'static [LockInfo] {
            self.0.locks()
        }
    }

    #[test]
    fn an_input_that_violates_is_in_its_file_before_it_is_credited() {
        let g = GRAMMARS[0];
        let generator = Generator::new(g, GenConfig::default(), 1);
        let dir = std::env::temp_dir().join(format!("ifscrub-violating-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("violating");
        let mut last = None;
        for input in (0..24).filter_map(|i| bytes::encode(&generator.program(i)).ok()) {
            let mut state = FuzzState::new(Some(g.kernel), Some("as-reported")).unwrap();
            state.keep_violating(path.clone());
            state.kernels = state
                .kernels
                .drain(..)
                .map(|(id, m, set)| (id, Box::new(Killed(m, 0)) as Box<dyn Machine>, set))
                .collect();
            let killed = catch_unwind(AssertUnwindSafe(|| fuzz_one(&mut state, &input, &[])));
            if killed.is_err() {
                last = Some(input);
            }
            // A clean one changes nothing.
            assert_eq!(fs::read(&path).ok(), last);
        }
        assert!(last.is_some());
        let names: Vec<_> = fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["violating"]);
        // Where it cannot be written it is found all the same.
        let mut state = FuzzState::new(Some(g.kernel), Some("as-reported")).unwrap();
        state.keep_violating(dir.join("no-such-folder/violating"));
        assert!(fuzz_one(&mut state, &last.unwrap(), &[]).is_some());
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn programs_of_other_kernels_are_not_run() {
        let [first, second] = [GRAMMARS[0], GRAMMARS[1]];
        let mut state = FuzzState::new(Some(second.kernel), Some("as-reported")).unwrap();
        for g in [first, second] {
            let generator = Generator::new(g, GenConfig::default(), 1);
            let input = bytes::encode(&generator.program(0)).unwrap();
            assert_eq!(wanted(&state, &input), g.id == second.id);
        }
        let generator = Generator::new(first, GenConfig::default(), 1);
        let inputs = (0..24).filter_map(|i| bytes::encode(&generator.program(i)).ok());
        assert_eq!(inputs.filter_map(|input| fuzz_one(&mut state, &input, &[])).count(), 0);
        assert!(wanted(&state, &[]));
    }

    #[test]
    fn defects_that_are_named_leave_out_kernels_that_have_none_of_them() {
        let state = FuzzState::new(None, Some("c4-tapclose-zeroes")).unwrap();
        assert_eq!(state.decoder().grammars(), 1);
        assert_eq!(FuzzState::new(None, None).unwrap().decoder().grammars(), GRAMMARS.len());
    }

    #[test]
    fn an_unknown_defect_is_an_error() {
        let e = FuzzState::new(None, Some("no-such-thing")).err().unwrap();
        assert!(e.to_string().starts_with(sets::VARIABLE), "{e}");
    }

    #[test]
    fn the_defects_are_said_and_a_short_input_is_clean_without_any() {
        let mut state = FuzzState::new(Some(GRAMMARS[0].kernel), None).unwrap();
        assert!(state.describe().contains("defects none"));
        assert_eq!(fuzz_one(&mut state, &[], &[]), None);
    }

    #[test]
    fn the_features_of_a_run_set_counters() {
        let g = GRAMMARS[0];
        let generator = Generator::new(g, GenConfig::default(), 1);
        let mut state = FuzzState::new(Some(g.kernel), None).unwrap();
        let mut seen = BTreeSet::new();
        for i in 0..8 {
            let counters = [const { AtomicU8::new(0) }; 64];
            let input = bytes::encode(&generator.program(i)).unwrap();
            assert_eq!(fuzz_one(&mut state, &input, &counters), None);
            let counters = counters.map(AtomicU8::into_inner);
            assert!(counters.contains(&1));
            seen.insert(counters);
        }
        assert!(seen.len() > 1, "no program is told from another");
    }
}
