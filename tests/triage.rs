//! `ifscrub triage`: artifacts in, one minimized program of each signature out.

mod support;

use ifscrub::program::bytes;
use serde_json::Value;
use std::fs;
use support::{Scratch, root, run_ifscrub, stderr, stdout};

fn crash(name: &str) -> String {
    root().join(format!("crashes/dragonfly-2007/{name}.ops")).display().to_string()
}

fn triage(args: &[&str]) -> (i32, Value) {
    let o = run_ifscrub([&["triage", "--json"], args].concat());
    let told = serde_json::from_str(&stdout(&o)).unwrap_or_else(|_| panic!("{}", stderr(&o)));
    (o.status.code().unwrap(), told)
}

/// What is said of arguments that are refused.
fn refused(args: &[&str]) -> String {
    let o = run_ifscrub([&["triage"], args].concat());
    assert_eq!(o.status.code(), Some(2), "{}", stderr(&o));
    stderr(&o)
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect()
}

/// The side of dragonfly-2007.
fn dragonfly(told: &Value) -> &Value {
    told["kernels"].as_array().unwrap().iter().find(|k| k["kernel"] == "dragonfly-2007").unwrap()
}

const TAP: &str = "c4-tapclose-zeroes";
const HASH: &str = "c3-never-hashed";

#[test]
fn a_file_that_is_no_program_does_not_keep_the_others_from_being_looked_at() {
    let scratch = Scratch::new("triage-bad-file");
    let empty = scratch.write("empty", "").display().to_string();
    let tap = crash(TAP);
    let (code, told) = triage(&["--defects", "as-reported", &empty, &tap]);
    assert_eq!(code, 2);
    assert!(told["files"][0]["error"].as_str().unwrap().contains("is empty"), "{told}");
    assert_eq!(names(&told["files"][1]["credit"]), [TAP]);
}

#[test]
fn without_a_list_the_environment_says_which_defects_are_on_or_it_is_told_that_none_are() {
    let tap = crash(TAP);
    let o = run_ifscrub(["triage", &tap]);
    assert_eq!(o.status.code(), Some(0));
    assert!(stderr(&o).contains("neither --defects nor IFSCRUB_DEFECTS"), "{}", stderr(&o));
    assert!(stdout(&o).contains("clean with defects none"), "{}", stdout(&o));
    let o = support::ifscrub().args(["triage", &tap]).env("IFSCRUB_DEFECTS", TAP).output().unwrap();
    assert_eq!(o.status.code(), Some(1), "{}", stderr(&o));
    assert!(refused(&[]).contains("no file is named"));
}

#[test]
fn each_signature_is_minimized_once_and_its_report_is_what_run_expects() {
    let scratch = Scratch::new("triage-once");
    let out = scratch.0.join("found");
    let folder = out.display().to_string();
    let (tap, hash) = (crash(TAP), crash(HASH));
    let args = ["--defects", "as-reported", "--out", &folder, &tap, &hash, &tap];
    let (code, told) = triage(&args);
    assert_eq!((code, told["files"].as_array().unwrap().len()), (1, 3));
    let findings = told["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 2, "{findings:?}");
    for (finding, id) in findings.iter().zip([TAP, HASH]) {
        assert_eq!(names(&finding["credit"]), [id]);
        let ops = out.join(finding["file"].as_str().unwrap());
        assert!(out.join(finding["report"].as_str().unwrap()).is_file());
        let o = run_ifscrub(["run", "--expect", &ops.display().to_string()]);
        assert_eq!(o.status.code(), Some(0), "{}", stderr(&o));
    }
    let found = names(&dragonfly(&told)["found"]);
    assert!(found.contains(&TAP) && found.contains(&HASH), "{found:?}");
    // What is there stays, and is no news.
    let (code, again) = triage(&args);
    assert_eq!(code, 1);
    for (first, second) in findings.iter().zip(again["findings"].as_array().unwrap()) {
        assert_eq!((&first["new"], &second["new"]), (&Value::Bool(true), &Value::Bool(false)));
        assert_eq!(first["operations"], second["operations"]);
    }
}

#[test]
fn half_of_a_finding_is_completed_and_what_is_not_ours_stays() {
    let scratch = Scratch::new("triage-halves");
    let out = scratch.0.join("found");
    let (folder, tap) = (out.display().to_string(), crash(TAP));
    let triaged = || triage(&["--defects", "as-reported", "--out", &folder, &tap]).1;
    let told = triaged();
    let place = |key: &str| out.join(told["findings"][0][key].as_str().unwrap());
    let (ops, report) = (place("file"), place("report"));
    let whole = (fs::read(&ops).unwrap(), fs::read(&report).unwrap());
    for gone in [&ops, &report] {
        fs::remove_file(gone).unwrap();
        assert_eq!(triaged()["findings"][0]["new"], true);
        assert_eq!((fs::read(&ops).unwrap(), fs::read(&report).unwrap()), whole);
    }
    fs::remove_file(&report).unwrap();
    fs::write(&ops, "mine").unwrap();
    let finding = triaged()["findings"][0].clone();
    assert_eq!(finding["file"], format!("dragonfly-2007/{TAP}-2.ops"), "{finding}");
    assert_eq!(fs::read(&ops).unwrap(), b"mine");
    assert!(!report.exists());
}

#[test]
fn what_was_credited_before_is_off_but_still_explains_a_file() {
    let tap = crash(TAP);
    let (code, told) = triage(&["--defects", "as-reported", "--credited", TAP, &tap]);
    assert_eq!(code, 1);
    assert_eq!(names(&told["files"][0]["credit"]), [TAP]);
    let side = dragonfly(&told);
    assert!(!names(&side["on"]).contains(&TAP) && names(&side["defects"]).contains(&TAP));
    assert!(!names(&side["unfound"]).contains(&TAP));
}

#[test]
fn without_defects_a_file_is_clean_and_an_unknown_one_is_an_error() {
    let tap = crash(TAP);
    let (code, told) = triage(&[&tap]);
    assert_eq!((code, &told["files"][0]["clean"]), (0, &Value::Bool(true)));
    assert!(refused(&["--defects", "c4-tapcloze-zeroes", &tap]).contains(TAP));
    assert!(refused(&["--credited", "no-such-thing", &tap]).contains("no-such-thing"));
}

#[test]
fn what_was_credited_is_named_one_by_one() {
    let tap = crash(TAP);
    // It would have to be said in which order they were.
    let said = refused(&["--defects", "as-reported", "--credited", "as-reported", &tap]);
    assert!(said.contains("--credited: no defect is called `as-reported`"), "{said}");
    let said = refused(&["--credited", "none,c4-tapcloze-zeroes", &tap]);
    assert!(said.contains(&format!("did you mean `{TAP}`?")), "{said}");
    let side = |list: &str| {
        let told = triage(&["--defects", "as-reported", "--credited", list]).1;
        names(&dragonfly(&told)["found"]).into_iter().map(str::to_string).collect::<Vec<_>>()
    };
    assert_eq!(side("none"), [""; 0]);
    assert!(side(&format!("{HASH} {TAP}")).iter().any(|id| id == TAP));
}

#[test]
fn a_file_of_a_kernel_that_does_not_count_is_not_called_clean() {
    let tap = crash(TAP);
    let args = ["--kernel", "freebsd-14", "--defects", "as-reported", &tap];
    let (code, told) = triage(&args);
    assert_eq!((code, &told["files"][0]["skipped"]), (0, &Value::from("dragonfly-2007")));
    assert_eq!(told["files"][0].get("clean"), None);
    let o = run_ifscrub([&["triage"], &args[..]].concat());
    assert!(stdout(&o).contains(".ops: of another kernel, dragonfly-2007\n"), "{}", stdout(&o));
}

/// Such a byte stands for one of the kernels that a fuzz target fuzzes: of one, that one.
#[test]
fn a_kernel_byte_that_names_no_kernel_is_read_as_the_fuzz_target_reads_it() {
    let path = root().join("crashes/freebsd-14/fib-gateway-delete-delayed.ops");
    let data = bytes::encode(&support::read(&path)).expect("a program without named points");
    let scratch = Scratch::new("triage-kernel-byte");
    let defects = "in6-ifextra-not-deferred fib-gateway-delete-delayed";
    for kernel in [2, 3, 254, 255] {
        let file = scratch.0.join(format!("crash-{kernel}"));
        let mut data = data.clone();
        data[1] = kernel;
        fs::write(&file, data).unwrap();
        let file = file.display().to_string();
        for pinned in [&["--kernel", "freebsd-14"][..], &[]] {
            let (code, told) = triage(&[pinned, &["--defects", defects, &file]].concat());
            assert_eq!(code, 1, "kernel byte {kernel}: {told}");
            assert_eq!(told["files"][0]["kernel"], "freebsd-14");
        }
    }
}

/// A program of which a smaller one takes fewer defects, and gives the credit to others.
#[test]
fn a_finding_is_filed_by_what_its_least_program_shows() {
    let data = root().join("tests/triage/credit-moves");
    let credited = fs::read_to_string(data.with_extension("credited")).unwrap();
    let (file, credited) = (data.display().to_string(), credited.replace('\n', ","));
    let scratch = Scratch::new("triage-moves");
    let out = scratch.0.join("found");
    let folder = out.display().to_string();
    let kernel = ["--kernel", "dragonfly-2007", "--defects", "as-reported"];
    let known = ["--credited", credited.trim_end_matches(','), &file];
    let (mut signatures, args) = (Vec::new(), [&kernel[..], &["--out", &folder], &known].concat());
    for _ in 0..2 {
        let told = triage(&args).1;
        let finding = &told["findings"][0];
        assert_eq!(told["files"][0]["signature"], finding["signature"]);
        let report = fs::read_to_string(out.join(finding["report"].as_str().unwrap())).unwrap();
        let signature = format!("signature: {}", finding["signature"].as_str().unwrap());
        assert!(report.lines().any(|line| line == signature), "{signature}");
        signatures.push((finding["signature"].clone(), finding["new"].clone()));
    }
    // Of the artifact itself it is an I15-deleted that no repair alone makes clean.
    assert_eq!(signatures[0].0, "dragonfly-2007/credit:w7-ifadown-migration");
    assert_eq!(signatures[0].0, signatures[1].0);
    assert_eq!((&signatures[0].1, &signatures[1].1), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!(fs::read_dir(out.join("dragonfly-2007")).unwrap().count(), 2);
}
