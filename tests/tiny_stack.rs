//! The example of a stack outside of the library, `examples/tiny_stack.rs`, and the chapter
//! about it: it finds what it says, and the chapter says what is there.

use ifscrub::hunt::fuzz::{FuzzState, fuzz_one};
use ifscrub::kern::Kernel;
use ifscrub::kern::exec::{Config, run_to_rest};
use ifscrub::program::generate::{GenConfig, Generator};
use ifscrub::program::{Op, bytes, text};
use ifscrub::stack::{Model, Stack};
use ifscrub::triage::sets;
use std::cell::RefCell;
use std::path::Path;
use std::process::{Command, Output};

// Its `main` is for `cargo run`.
#[allow(dead_code)]
#[path = "../examples/tiny_stack.rs"]
mod tiny_stack;

use tiny_stack::{MODELS, Tiny, hunt};

const EXAMPLE: &str = include_str!("../examples/tiny_stack.rs");
const TESTS: &str = include_str!("tiny_stack.rs");
const CHAPTER: &str = include_str!("../docs/your-own-stack.md");

#[test]
fn it_has_fewer_than_300_lines_and_a_grammar_without_ambiguity() {
    assert!(EXAMPLE.lines().count() < 300, "{}", EXAMPLE.lines().count());
    bytes::check(&Model::grammars(MODELS)).unwrap();
}

#[test]
fn each_defect_is_found_and_credited_alone() {
    for (i, d) in Tiny::defects().iter().enumerate() {
        let (reports, unfound) = hunt(1 << i, 20_000);
        assert_eq!((reports.len(), unfound), (1, 0), "{}", d.id);
        assert_eq!(reports[0].credit, [d.id]);
        assert_eq!(reports[0].injected.is_empty(), d.reach.name() != "fault", "{}", d.id);
        assert_eq!(reports[0].program.contains("preempt"), d.reach.name() == "preemption");
    }
}

#[test]
fn with_both_defects_on_both_are_found_and_without_any_nothing_is() {
    let both = sets::parse(Tiny::defects(), "as-reported").unwrap();
    let (reports, unfound) = hunt(both, 20_000);
    assert_eq!((reports.len(), unfound), (2, 0));
    assert_eq!(hunt(0, 20_000).0, []);
}

// The chapter shows this.
fn after(ops: &str) -> Kernel<Tiny> {
    let program = format!("# ifscrub 1\nkernel tiny\n{ops}");
    let program = text::parse(&Model::grammars(MODELS), &program).unwrap();
    let mut k = Kernel::<Tiny>::new();
    run_to_rest(&mut k, &program, Config::default());
    k
}

#[test]
fn a_wrong_counter_breaks_the_count() {
    for wrong in [false, true] {
        let k = after("addr_add eth0\nroute_add default eth0\n");
        let (_, addr) = k.st.addrs.iter().next().unwrap();
        if wrong {
            addr.refs.inc();
        }
        Tiny::after_op(&k, &Op::default(), None, true);
        assert_eq!(k.violation().map(|v| v.rule.name), wrong.then_some("tiny-count"));
    }
}

#[test]
fn an_address_that_nobody_ends_is_left() {
    for forgotten in [false, true] {
        let k = after("addr_add eth0\naddr_del eth0\n");
        if forgotten {
            k.alloc(&k.st.addrs).unwrap();
        }
        Tiny::audit_end(&k);
        assert_eq!(k.violation().map(|v| v.rule.name), forgotten.then_some("tiny-left"));
    }
}

// The chapter shows this as the body of a fuzz target.
thread_local! {
    static STATE: RefCell<FuzzState> =
        RefCell::new(FuzzState::from_env_of(MODELS).unwrap_or_else(|e| panic!("{e}")));
}

fn one_input(data: &[u8]) {
    if let Some(found) = STATE.with_borrow_mut(|state| fuzz_one(state, data, &[])) {
        panic!("{}\n{}", found.signature_ident, found.text);
    }
}

/// What a fuzzing engine may come up with.
fn inputs() -> impl Iterator<Item = Vec<u8>> {
    let generator = Generator::new(Tiny::grammar(), GenConfig::default(), 1);
    (0..2_000).map(move |i| bytes::encode(&generator.program(i)).unwrap())
}

#[test]
fn a_fuzz_target_runs_clean_and_finds_what_is_switched_on() {
    inputs().for_each(|data| one_input(&data));
    let mut state = FuzzState::of(MODELS, Some("tiny"), Some("as-reported")).unwrap();
    let found: Vec<_> = inputs().filter_map(|data| fuzz_one(&mut state, &data, &[])).collect();
    for d in Tiny::defects() {
        let ident = format!("tiny_credit_{}", d.id.replace('-', "_"));
        assert!(found.iter().any(|f| f.signature_ident == ident), "{ident}");
    }
    assert!(FuzzState::of(MODELS, Some("dragonfly-2007"), None).is_err());
}

/// The code blocks of the chapter in one language.
fn blocks(language: &str) -> Vec<Vec<&'static str>> {
    let mut all = Vec::new();
    let mut lines = CHAPTER.lines();
    while let Some(line) = lines.next() {
        let Some(is) = line.strip_prefix("```") else { continue };
        let block: Vec<_> = lines.by_ref().take_while(|l| *l != "```").collect();
        if is == language {
            all.push(block);
        }
    }
    assert!(!all.is_empty(), "no code block in {language}");
    all
}

/// Whether each piece of the block, between lines that leave something out, is there.
fn is_in(block: &[&str], source: &str) -> bool {
    let source: Vec<_> = source.lines().map(str::trim).collect();
    let left_out = |line: &&str| matches!(line.trim(), "..." | "// ...");
    block.split(left_out).all(|piece| {
        let piece: Vec<_> = piece.iter().map(|l| l.trim()).collect();
        piece.is_empty() || source.windows(piece.len()).any(|w| *w == *piece)
    })
}

#[test]
fn every_line_of_rust_in_the_chapter_is_from_the_example_or_from_these_tests() {
    for block in blocks("rust") {
        assert!(is_in(&block, EXAMPLE) || is_in(&block, TESTS), "{}", block.join("\n"));
    }
}

#[test]
fn every_program_and_report_in_the_chapter_is_what_the_hunts_print() {
    let shown = |d: usize| hunt(1 << d, 20_000).0.iter().map(|r| r.to_string()).collect::<String>();
    let shown: Vec<_> = (0..Tiny::defects().len()).map(shown).collect();
    for block in blocks("text") {
        assert!(shown.iter().any(|s| is_in(&block, s)), "{}", block.join("\n"));
    }
}

/// Runs the example in a folder, as whoever reads the chapter does.
fn run_example<'a>(dir: &Path, args: impl IntoIterator<Item = &'a str>) -> Output {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    // The one that these tests were built with: then nothing is built anew.
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    Command::new(cargo)
        .args(["run", "--quiet", "--profile", profile, "--example", "tiny_stack"])
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .arg("--")
        .args(args)
        .env_remove(sets::VARIABLE)
        .current_dir(dir)
        .output()
        .expect("cargo runs the example")
}

#[test]
fn without_reported_panics_a_bare_hunt_goes_for_the_defects() {
    let dir = std::env::temp_dir();
    let bare = run_example(&dir, ["hunt"]);
    let out = String::from_utf8_lossy(&bare.stdout);
    assert!(bare.status.success() && out.contains("every defect was found"), "{out}");
    let reported = run_example(&dir, ["hunt", "--reported"]);
    assert_eq!(reported.status.code(), Some(2));
}

#[test]
fn its_help_speaks_of_no_kernel_that_it_does_not_have() {
    for args in [&["--help"][..], &["hunt", "--help"]] {
        let o = run_example(&std::env::temp_dir(), args.iter().copied());
        let help = String::from_utf8_lossy(&o.stdout);
        assert!(help.contains("hunt --defects as-reported"), "{help}");
        assert!(!help.contains("BSD") && !help.contains("the reports"), "{help}");
    }
}

/// Runs what the chapter tells to run, in its order, and looks at the exit codes.
#[test]
fn every_command_in_the_chapter_ends_as_it_says() {
    let dir = std::env::temp_dir().join(format!("ifscrub-tiny-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let mut run = 0;
    for line in blocks("sh").concat() {
        let (command, says) = line.split_once('#').unwrap_or((line, ""));
        let Some(args) = command.trim().strip_prefix("cargo run --example tiny_stack") else {
            continue;
        };
        let out = run_example(&dir, args.split_whitespace().filter(|a| *a != "--"));
        let code = says.trim().strip_prefix("exit code ").map_or(0, |n| n.parse().unwrap());
        let err = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{line}\n{err}");
        run += 1;
    }
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(run >= 5, "{run} commands");
}
