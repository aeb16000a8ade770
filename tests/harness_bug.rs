//! A model with a bug of its own: the command says so, prints the program, and ends with
//! exit code 3, whichever command it is.

use ifscrub::cli::run_with;
use ifscrub::stack::prelude::*;
use std::process::{Command, Output};

/// A stack whose second drawer is not there.
struct Faulty;

static GRAMMAR: Grammar = Grammar {
    verbs: &[Verb::new(
        0,
        "open",
        &[Arg::bare(&["d0", "d1"], ArgClass::Interface, Role::Uses)],
        "opens a drawer",
    )],
    ..Grammar::named("faulty", Grammar::FIRST_FREE_ID)
};

#[derive(Clone, Default, PartialEq)]
struct State {
    drawers: [F<u8>; 1],
}

impl Stack for Faulty {
    type State = State;
    type Job = ();
    fn grammar() -> &'static Grammar {
        &GRAMMAR
    }
    fn defects() -> &'static [Defect] {
        &[]
    }
    fn rules() -> &'static [&'static Rule] {
        &[]
    }
    fn locks() -> &'static [LockInfo] {
        &[]
    }
    fn class_name(_: u8) -> &'static str {
        "drawer"
    }
    async fn thread(k: &Kernel<Self>, job: Job<()>) -> i32 {
        match job {
            Job::Op(op) => i32::from(k.st.drawers[usize::from(op.args[0])].get()),
            Job::Thread(()) => 0,
        }
    }
    fn after_op(_: &Kernel<Self>, _: &Op, _: Option<i32>, _: bool) {}
    fn teardown(_: &Kernel<Self>, _: u32) -> Option<((), u8)> {
        None
    }
    fn audit_end(_: &Kernel<Self>) {}
    fn describe(_: &Kernel<Self>, _: ObjRef) -> Vec<String> {
        Vec::new()
    }
}

static MODELS: &[Model] = &[Model::of::<Faulty>()];

/// Says to a process of these tests that it is the command, and with which arguments.
const ARGS: &str = "IFSCRUB_TEST_FAULTY";

#[test]
fn the_command_itself() {
    if let Ok(args) = std::env::var(ARGS) {
        let args = std::iter::once("faulty").chain(args.split('\n'));
        std::process::exit(i32::from(run_with(MODELS, args.map(str::to_string))));
    }
}

/// The command in a process of its own.
fn faulty(args: &[&str]) -> Output {
    Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "the_command_itself", "--nocapture"])
        .env(ARGS, args.join("\n"))
        .output()
        .expect("it can be started")
}

#[test]
fn a_bug_of_the_harness_has_its_own_exit_code_and_shows_its_program() {
    let dir = std::env::temp_dir().join(format!("ifscrub-faulty-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a folder");
    let write = |name: &str, drawer: &str| {
        let path = dir.join(name);
        let text = format!("# ifscrub 1\nkernel faulty\ndefects none\nopen {drawer}\n");
        std::fs::write(&path, text).expect("a file");
        path.to_string_lossy().into_owned()
    };
    let (good, bad) = (write("good.ops", "d0"), write("bad.ops", "d1"));
    let fine = faulty(&["run", &good]);
    assert_eq!(fine.status.code(), Some(0), "{}", String::from_utf8_lossy(&fine.stderr));
    for args in [
        &["run", &bad][..],
        &["run", &good, &bad],
        &["minimize", &bad],
        &["credit", &bad],
        &["convert", &bad],
        &["hunt", "--defects", "none", "--runs", "64", "--jobs", "2"],
    ] {
        let o = faulty(args);
        let said = String::from_utf8_lossy(&o.stderr);
        assert_eq!(o.status.code(), Some(3), "{args:?}: {said}");
        assert!(said.contains("This is a bug of ifscrub"), "{args:?}: {said}");
        assert!(said.contains("\nkernel faulty\n") && said.contains("\nopen d1"), "{said}");
    }
    std::fs::remove_dir_all(&dir).expect("the folder goes");
}
