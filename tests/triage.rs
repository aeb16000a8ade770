//! `ifscrub triage`: artifacts in, one minimized program of each signature out.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn crash(name: &str) -> String {
    let crashes = Path::new(env!("CARGO_MANIFEST_DIR")).join("crashes/dragonfly-2007");
    crashes.join(format!("{name}.ops")).display().to_string()
}

fn ifscrub(args: &[&str]) -> (i32, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_ifscrub"))
        .args(args)
        .env_remove("IFSCRUB_DEFECTS")
        .output()
        .unwrap();
    (out.status.code().unwrap(), String::from_utf8(out.stdout).unwrap())
}

fn triage(args: &[&str]) -> (i32, Value) {
    let (code, out) = ifscrub(&[&["triage", "--json"], args].concat());
    (code, serde_json::from_str(&out).unwrap())
}

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("ifscrub-triage-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    path
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
fn each_signature_is_minimized_once_and_its_report_is_what_run_expects() {
    let out = folder("once");
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
        assert_eq!(ifscrub(&["run", "--expect", &ops.display().to_string()]).0, 0);
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
    fs::remove_dir_all(out).unwrap();
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
    assert_eq!(ifscrub(&["triage", "--defects", "c4-tapcloze-zeroes", &tap]).0, 2);
    assert_eq!(ifscrub(&["triage", "--credited", "no-such-thing", &tap]).0, 2);
}

/// A program of which a smaller one takes fewer defects, and gives the credit to others.
#[test]
fn a_finding_is_filed_by_what_its_least_program_shows() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/triage/credit-moves");
    let credited = fs::read_to_string(data.with_extension("credited")).unwrap();
    let (file, credited) = (data.display().to_string(), credited.replace('\n', ","));
    let out = folder("moves");
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
    fs::remove_dir_all(out).unwrap();
}
