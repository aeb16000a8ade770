//! `ifscrub hunt`: which kernel it takes, and what it keeps in its folder.

mod support;

use ifscrub::program::generate::WALK;
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::process::Output;
use support::{Scratch, ifscrub, run_ifscrub, stderr, stdout};

const TAP: &str = "c4-tapclose-zeroes";

fn hunt(args: &[&str]) -> Output {
    run_ifscrub([&["hunt", "--jobs", "1", "--runs", "4000"], args].concat())
}

fn json(o: &Output) -> Value {
    serde_json::from_str(&stdout(o)).unwrap_or_else(|_| panic!("{}", stderr(o)))
}

#[test]
fn findings_are_kept_and_what_is_there_stays() {
    let dir = Scratch::new("hunt-out");
    let out = dir.0.join("found");
    let folder = out.display().to_string();
    let o = hunt(&["--defects", TAP, "--out", &folder]);
    assert_eq!(o.status.code(), Some(0), "{}", stderr(&o));
    let ops = out.join(format!("{TAP}.ops"));
    let expect = run_ifscrub([OsStr::new("run"), OsStr::new("--expect"), ops.as_ref()]);
    assert_eq!(expect.status.code(), Some(0), "{}", stderr(&expect));
    let mine = format!("{}# mine\n", fs::read_to_string(&ops).unwrap());
    fs::write(&ops, &mine).unwrap();
    let o = hunt(&["--defects", TAP, "--seed", "7", "--out", &folder]);
    assert_eq!(o.status.code(), Some(0), "{}", stderr(&o));
    assert!(stderr(&o).contains("is there already and stays"), "{}", stderr(&o));
    assert_eq!(fs::read_to_string(&ops).unwrap(), mine);
    // A program and its report, and nothing of how they came there.
    assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
}

#[test]
fn a_program_without_its_report_is_completed_when_it_is_ours_and_else_stays() {
    let dir = Scratch::new("hunt-halves");
    let out = dir.0.join("found");
    let folder = out.display().to_string();
    let hunted = || hunt(&["--defects", TAP, "--out", &folder]);
    assert_eq!(hunted().status.code(), Some(0));
    let [ops, report] = ["ops", "report"].map(|ending| out.join(format!("{TAP}.{ending}")));
    let (program, told) = (fs::read(&ops).unwrap(), fs::read(&report).unwrap());
    // Killed between the two.
    fs::remove_file(&report).unwrap();
    assert_eq!(hunted().status.code(), Some(0));
    assert_eq!((fs::read(&ops).unwrap(), fs::read(&report).unwrap()), (program.clone(), told));
    // A report alone gets its program.
    fs::remove_file(&ops).unwrap();
    assert_eq!(hunted().status.code(), Some(0));
    assert_eq!(fs::read(&ops).unwrap(), program);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
    // Somebody's own program.
    fs::remove_file(&report).unwrap();
    fs::write(&ops, "# ifscrub 1\n# mine\n").unwrap();
    assert_eq!(hunted().status.code(), Some(0));
    assert_eq!(fs::read_to_string(&ops).unwrap(), "# ifscrub 1\n# mine\n");
    assert!(!report.exists());
    assert_eq!(fs::read(out.join(format!("{TAP}-2.ops"))).unwrap(), program);
    assert!(stderr(&hunted()).contains(&format!("{TAP}-2.ops: is there already and stays")));
}

#[test]
fn a_hunt_that_has_run_nothing_and_a_list_of_nothing_are_no_success() {
    let o = run_ifscrub(["hunt", "--defects", "none", "--time", "1ms", "--json"]);
    assert_eq!((json(&o)["executions"].as_u64(), o.status.code()), (Some(0), Some(2)));
    assert_eq!(json(&o)["as_expected"], false);
    let said = stderr(&o);
    assert!(said.contains("nothing was run") && said.contains("help: "), "{said}");
    let o = hunt(&["--defects", ""]);
    let said = stderr(&o);
    assert_eq!(o.status.code(), Some(2), "{said}");
    assert!(said.contains("--defects: the list is empty") && said.contains("help: "), "{said}");
}

#[test]
fn a_hunt_and_the_version_say_which_programs_a_seed_means() {
    let told = json(&hunt(&["--defects", TAP, "--json"]));
    assert_eq!(told["walk"], WALK);
    let version = stdout(&run_ifscrub(["--version"]));
    assert!(version.ends_with(&format!(" (walk {WALK})\n")), "{version}");
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_the_hunt() {
    let dir = Scratch::new("hunt-no-out");
    let file = dir.write("file", "in the way");
    let o = hunt(&["--defects", TAP, "--out", &file.display().to_string()]);
    let said = stderr(&o);
    assert_eq!(o.status.code(), Some(2), "{said}");
    assert!(said.contains("help: ") && !said.contains("found "), "{said}");
    if !cfg!(target_os = "linux") {
        return;
    }
    // A folder that is there, in which nobody may make a file.
    let o = hunt(&["--defects", TAP, "--out", "/proc"]);
    let said = stderr(&o);
    assert_eq!(o.status.code(), Some(2), "{said}");
    assert!(said.contains("/proc: no file can be written there"), "{said}");
    assert!(said.contains("help: ") && !said.contains("found "), "{said}");
}

#[test]
fn what_cannot_be_written_is_printed_and_refused_in_the_end() {
    let dir = Scratch::new("hunt-in-the-way");
    let out = dir.0.join("found");
    // A folder where the program's file must go.
    fs::create_dir_all(out.join(format!("{TAP}.ops"))).unwrap();
    let o = hunt(&["--defects", TAP, "--out", &out.display().to_string()]);
    assert_eq!(o.status.code(), Some(2), "{}", stderr(&o));
    assert!(stderr(&o).contains("is a folder"), "{}", stderr(&o));
    assert!(stdout(&o).contains(&format!("credit:{TAP}")), "{}", stdout(&o));
}

#[test]
fn the_kernel_is_the_one_that_has_the_defects() {
    let run = |args: &[&str]| {
        json(&run_ifscrub([&["hunt", "--jobs", "1", "--runs", "64", "--json"], args].concat()))
    };
    assert_eq!(run(&["--defects", "in6-ifextra-not-deferred"])["kernel"], "freebsd-14");
    assert_eq!(run(&["--defects", TAP])["kernel"], "dragonfly-2007");
    assert_eq!(run(&["--defects", "none"])["kernel"], "dragonfly-2007");
    let other = hunt(&["--kernel", "freebsd-14", "--defects", TAP]);
    assert_eq!(other.status.code(), Some(2));
    let said = stderr(&other);
    assert!(said.contains("is a defect of dragonfly-2007") && said.contains("help: "), "{said}");
}

#[test]
fn the_environment_says_what_the_command_line_does_not() {
    let run = |variable: &str, value: &str, args: &[&str]| {
        let args = [&["hunt", "--jobs", "1", "--runs", "64", "--json"], args].concat();
        ifscrub().args(args).env(variable, value).output().expect("started")
    };
    let o = run("IFSCRUB_KERNEL", "freebsd-14", &["--defects", "none"]);
    assert_eq!(json(&o)["kernel"], "freebsd-14");
    let o = run("IFSCRUB_KERNEL", "freebsd-14", &["--kernel", "dragonfly-2007"]);
    assert_eq!(json(&o)["kernel"], "dragonfly-2007");
    assert!(json(&run("IFSCRUB_DEFECTS", "none", &[]))["defects"].as_array().unwrap().is_empty());
    let refused = [("IFSCRUB_KERNEL", "freebsd-15"), ("IFSCRUB_DEFECTS", "nonsense")];
    for (variable, value) in refused {
        let o = run(variable, value, &[]);
        assert_eq!(o.status.code(), Some(2));
        let said = stderr(&o);
        assert!(
            said.contains(variable) && said.contains(value) && said.contains("help: "),
            "{said}"
        );
    }
}

#[test]
fn no_programs_and_no_time_are_no_hunt() {
    for args in [&["hunt", "--runs", "0"][..], &["hunt", "--time", "0s"], &["hunt", "--time", "5x"]]
    {
        let o = run_ifscrub(args);
        assert_eq!(o.status.code(), Some(2), "{args:?}");
        assert!(stderr(&o).contains("error: "), "{args:?}: {}", stderr(&o));
    }
}
