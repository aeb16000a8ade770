//! What the tests of the whole program share: files, programs, runs.

// Each test file is a crate of its own and uses a part of this.
#![allow(dead_code)]

pub mod world;
pub mod world_freebsd;

use ifscrub::kern::exec::Outcome;
use ifscrub::program::{Program, text};
use ifscrub::stack::{DefectSet, GRAMMARS, Machine, machine};
use ifscrub::triage::sets;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The project's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A path as this project names it, whatever the machine.
pub fn name_of(path: &Path) -> String {
    let below = path.strip_prefix(root()).unwrap_or(path);
    below.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The text programs of a folder and of those in it, sorted by path; none when there is
/// no such folder.
pub fn programs_in(folder: &str) -> Vec<PathBuf> {
    files_in(folder, "ops")
}

/// The files with this ending of a folder and of those in it, sorted by path; none when
/// there is no such folder.
pub fn files_in(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Every text program that is checked in.
pub fn all_programs() -> Vec<PathBuf> {
    let folders = [
        "corpus/text",
        "crashes",
        "docs/findings/programs",
        "tests/checks",
        "tests/field",
        "tests/freebsd_checks",
        "tests/golden",
        "tests/reach",
    ];
    let all: Vec<_> = folders.into_iter().flat_map(programs_in).collect();
    assert!(!all.is_empty(), "no programs are checked in below {}", root().display());
    all
}

/// The program of a text.
pub fn parse(source: &str) -> Program {
    text::parse(GRAMMARS, source).unwrap_or_else(|e| panic!("{e}\n{source}"))
}

/// The program of a file.
pub fn read(path: &Path) -> Program {
    let source = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text::parse(GRAMMARS, &source).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A booted machine for a program.
pub fn machine_for(p: &Program) -> Box<dyn Machine> {
    machine(p.header.kernel).expect("every kernel of the grammars has a model")
}

/// The defects of a program's own header; none when it has no such line.
pub fn own_defects(m: &dyn Machine, p: &Program) -> DefectSet {
    let own = sets::of_header(m.defects(), p).unwrap_or_else(|e| panic!("{e}"));
    own.unwrap_or(0)
}

/// All of an outcome but what only recorded runs take, to be compared and shown.
pub fn shown(o: &Outcome) -> String {
    let Outcome { violation, fault, counts, exhausted, reached, unreached, trace: _, state: _ } = o;
    format!("{violation:?} {fault:?} {counts:?} {exhausted} {reached:#x} {unreached:?}")
}

/// The command, without what the environment says about defects.
pub fn ifscrub() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ifscrub"));
    command.env_remove(sets::VARIABLE).env("NO_COLOR", "1").current_dir(root());
    command
}

/// Runs it with these arguments.
pub fn run_ifscrub<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Output {
    ifscrub().args(args).output().expect("the command can be started")
}

/// What a command said on stdout.
pub fn stdout(o: &Output) -> String {
    String::from_utf8_lossy(&o.stdout).into_owned()
}

/// What a command said on stderr.
pub fn stderr(o: &Output) -> String {
    String::from_utf8_lossy(&o.stderr).into_owned()
}

/// A fresh folder for one test, removed when this is dropped.
pub struct Scratch(pub PathBuf);

impl Scratch {
    /// For the test of this name.
    pub fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("ifscrub-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder for temporary files");
        Scratch(path)
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).expect("a temporary file");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Compares with a file of expectations, or writes it when `IFSCRUB_BLESS` is set.
pub fn expect_file(path: &str, found: &str) {
    let path = root().join(path);
    if std::env::var_os("IFSCRUB_BLESS").is_some() {
        fs::write(&path, found).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let missing: Vec<_> = expected.lines().filter(|l| !found.lines().any(|f| f == *l)).collect();
    let new: Vec<_> = found.lines().filter(|l| !expected.lines().any(|e| e == *l)).collect();
    assert!(
        expected == found,
        "{} is not what was found. Only expected:\n  {}\nonly found:\n  {}\n\
         IFSCRUB_BLESS=1 writes the file; look at the difference before you check it in.",
        path.display(),
        missing.join("\n  "),
        new.join("\n  "),
    );
}
