//! Whatever the input is: no panic, and every refusal says where and what to do.
//!
//! In the process: byte strings of every length, a text torn anywhere. By the command:
//! files that are no programs, or nearly. Exit code 101 is a panic, 3 a bug of the
//! harness, and neither may ever happen.

mod support;

use ifscrub::kern::exec::Config;
use ifscrub::program::generate::SplitMix;
use ifscrub::program::{MAX_OPS, RECORD, bytes, text};
use ifscrub::stack::{GRAMMARS, as_reported, machine};
use ifscrub::triage::replay::resolve;
use ifscrub::triage::sets::VARIABLE;
use rand_chacha::rand_core::Rng;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use support::{Scratch, ifscrub, stderr};

/// The longest byte string that is tried; a program of more than [`MAX_OPS`] operations
/// is a long one already.
const LONGEST: usize = 4096;

/// A program with something of everything that text may hold.
const WHOLE: &str = "\
# ifscrub 1
# A comment, with an umlaut: ü.
kernel dragonfly-2007
ncpus 2
stop kernel
defects in-control-unserialized c1-ifinit-serializer-wait w4-scrub-stack-pointer
SIOCIFCREATE gif0
SIOCAIFADDR gif0 10.0.0.1 mask /16 dst 10.0.0.2  fail if_ioctl:SIOCSIFADDR#1..

SIOCAIFADDR gif0 10.0.0.1 dst 10.0.0.2  fail @9
SIOCSIFADDR gif0 10.0.0.3 cpu 1  preempt in_ifinit:lwkt_serialize_enter#1 for 1
SIOCDIFADDR gif0 10.0.0.1  preempt @40 for 2
";

/// Whether it says what to do: in a line of its own, or by something to write in the place
/// of what was found.
fn has_remedy(said: &str) -> bool {
    let in_words = |l: &str| l.strip_prefix("help: ").is_some_and(|help| help.len() > 8);
    let in_place = |l: &str| {
        let Some((_, what)) = l.split_once("expected ") else { return false };
        let what = what.split(", found ").next().unwrap_or_default();
        what.contains('`') || what.contains(|c: char| c.is_ascii_digit()) || what == END
    };
    said.lines().any(|l| in_words(l) || in_place(l))
}

/// Nothing is to be written there.
const END: &str = "the end of the line";

fn random(seed: u32, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    SplitMix::new(seed).fill_bytes(&mut bytes);
    bytes
}

#[test]
fn random_bytes_of_every_length_are_programs() {
    let mut m = machine(GRAMMARS[0].id).expect("a model");
    let reported = as_reported(m.defects());
    for length in 0..=LONGEST {
        let data = random(length as u32, length);
        let p = bytes::decode(GRAMMARS, &data);
        let records = length.div_ceil(RECORD);
        assert_eq!(p.ops.len(), records.saturating_sub(1).min(MAX_OPS), "{length} bytes");
        // What a program is does not depend on what follows its last operation.
        if length <= (MAX_OPS + 1) * RECORD || length % 64 == 0 {
            let repaired = m.run(&p, Config::default());
            assert!(repaired.clean(), "{length} bytes: {}", support::shown(&repaired));
            m.run(&p, Config { defects: reported, ..Config::default() });
        }
    }
}

#[test]
fn a_text_torn_anywhere_is_a_program_or_refused_with_its_place() {
    let mut m = machine(GRAMMARS[0].id).expect("a model");
    let whole = support::parse(WHOLE);
    let (mut taken, mut refused) = (0, 0);
    for end in (0..=WHOLE.len()).filter(|&end| WHOLE.is_char_boundary(end)) {
        match text::parse(GRAMMARS, &WHOLE[..end]) {
            Ok(p) => {
                // A torn word may still be one, but nothing before it has changed.
                let complete = p.ops.len().saturating_sub(1);
                assert_eq!(p.ops[..complete], whole.ops[..complete], "{end} bytes");
                m.run(&p, Config::default());
                taken += 1;
            }
            Err(e) => {
                let lines = WHOLE[..end].split('\n').count();
                assert!((1..=lines).contains(&e.line) && e.column > 0, "{end} bytes: {e}");
                assert!(has_remedy(&e.to_string()), "{end} bytes: {e}");
                refused += 1;
            }
        }
    }
    assert!(taken > 20 && refused > 100, "{taken} taken, {refused} refused");
}

#[test]
fn a_text_with_one_byte_changed_never_panics() {
    let mut m = machine(GRAMMARS[0].id).expect("a model");
    for at in 0..WHOLE.len() {
        for byte in [b' ', b'\n', b'#', b'9', b'x', 0] {
            let mut data = WHOLE.as_bytes().to_vec();
            data[at] = byte;
            let Ok(torn) = String::from_utf8(data) else { continue };
            match text::parse(GRAMMARS, &torn) {
                Ok(p) => drop(m.run(&p, Config::default())),
                Err(e) => assert!(e.line > 0 && e.column > 0 && has_remedy(&e.to_string()), "{e}"),
            }
        }
    }
}

// ---- the command ------------------------------------------------------------------

fn run(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
    ifscrub().arg("run").args(args).output().expect("the command can be started")
}

/// The command refuses the file: the place is the file or a line of it, and there is a
/// remedy.
#[track_caller]
fn assert_refused(o: &Output, place: &Path, words: &str) {
    let said = stderr(o);
    assert_eq!(o.status.code(), Some(2), "{said}");
    assert!(o.stdout.is_empty(), "{}", support::stdout(o));
    let first = said.lines().find(|l| l.starts_with("ifscrub: ")).unwrap_or_default();
    assert!(first.contains(&*place.to_string_lossy()), "no place: {said}");
    assert!(said.contains(words), "no `{words}`: {said}");
    assert!(has_remedy(&said), "no remedy: {said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn files_that_are_no_programs_are_refused_with_place_and_remedy() {
    let dir = Scratch::new("no-programs");
    let sub = dir.0.join("folder.ops");
    std::fs::create_dir(&sub).expect("a folder");
    let big = vec![b'#'; (1 << 20) + 1];
    let cases: Vec<(PathBuf, &str)> = vec![
        (dir.write("empty.ops", ""), "is empty"),
        (dir.write("empty", ""), "is empty"),
        (sub, "is a folder"),
        (dir.0.join("missing.ops"), "cannot be read"),
        (dir.0.join("no/such/folder/x.ops"), "cannot be read"),
        (dir.write("big.ops", big), "no program has more than"),
        (dir.write("binary.ops", [0xff, 0xfe, 0x00, 0x80]), "is not UTF-8"),
        (dir.write("headless", "kernel dragonfly-2007\n"), "does not begin with `# ifscrub 1`"),
        (dir.write("headless.ops", "kernel dragonfly-2007\n"), "# ifscrub 1"),
        (dir.write("blank.ops", "\n\n"), "# ifscrub 1"),
        // Cut in the middle of a line that would be one: without its fault.
        (dir.write("torn.ops", WHOLE.split("  fail @9").next().unwrap()), "the file is torn"),
        (PathBuf::from("/dev/zero"), "no program has more than"),
    ];
    for (path, words) in cases {
        assert_refused(&run([&path]), &path, words);
    }
}

/// The command with something to read on stdin.
fn fed(args: &[&str], input: &[u8]) -> Output {
    let mut child = ifscrub()
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command can be started");
    // Whoever refuses its arguments does not read.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    child.wait_with_output().expect("it ends")
}

#[test]
fn a_program_may_come_by_stdin_and_is_told_by_that_name() {
    let quiet = with_line("SIOCIFCREATE gif0");
    let o = fed(&["run", "-"], quiet.as_bytes());
    assert_eq!(support::stdout(&o), "-: clean: 1 operations, 1 succeeded\n", "{}", stderr(&o));
    let panic = std::fs::read(support::root().join("tests/field/c1-2007-panic.ops")).expect("it");
    let o = fed(&["minimize", "-"], &panic);
    assert!(support::stdout(&o).starts_with("# ifscrub 1\n"), "{}", stderr(&o));
    assert_refused(&fed(&["run", "-"], b""), Path::new("-"), "is empty");
    assert_refused(&fed(&["run", "--expect", "-"], b""), Path::new("stdin"), "no report beside it");
}

#[test]
fn bytes_that_no_corpus_would_take_are_not_called_clean_unless_it_is_said_that_they_are_meant() {
    let dir = Scratch::new("odd-bytes");
    let whole = bytes::encode(&support::parse("# ifscrub 1\nkernel dragonfly-2007\nadvance 1s\n"));
    let whole = whole.expect("a program");
    let o = run([&dir.write("whole", &whole)]);
    assert!(!stderr(&o).contains("note: "), "{}", stderr(&o));
    let mut other = whole.clone();
    other[0] = 65;
    let cases = [
        ("torn", &whole[..whole.len() - 1], "it is torn"),
        ("short", &whole[..7], "a header alone has 8"),
        ("other", &other, "format version 65"),
    ];
    for (name, data, words) in cases {
        let path = dir.write(name, data);
        assert_refused(&run([&path]), &path, words);
        assert!(stderr(&run([&path])).contains("--bytes"), "{name}: {}", stderr(&run([&path])));
        let o = run([OsStr::new("--json"), path.as_ref()]);
        assert_eq!(o.status.code(), Some(2), "{name}");
        assert!(json(&o)[0]["odd"].as_str().is_some_and(|odd| odd.contains(words)), "{name}");
        let o = run([OsStr::new("--bytes"), path.as_ref()]);
        let said = stderr(&o);
        assert_eq!(o.status.code(), Some(0), "{name}: {said}");
        assert!(said.contains("note: ") && said.contains(words), "{name}, no `{words}`: {said}");
    }
    assert!(json(&run([OsStr::new("--json"), dir.0.join("whole").as_ref()]))[0]["odd"].is_null());
    // What it violates is told in any case.
    let tap = support::read(&support::root().join("crashes/dragonfly-2007/c4-tapclose-zeroes.ops"));
    let (tap, unreached) = {
        let mut m = support::machine_for(&tap);
        let set = support::own_defects(&*m, &tap);
        resolve(&mut *m, &tap, set, u8::MAX)
    };
    assert!(unreached.is_empty());
    let mut data = bytes::encode(&tap).expect("a program");
    data.push(0);
    let path = dir.write("tap", data);
    let o = run([OsStr::new("--defects"), "c4-tapclose-zeroes".as_ref(), path.as_ref()]);
    assert_eq!(o.status.code(), Some(1), "{}", stderr(&o));
    assert!(stderr(&o).contains("it is torn"), "{}", stderr(&o));
}

fn json(o: &Output) -> serde_json::Value {
    serde_json::from_slice(&o.stdout).unwrap_or_else(|_| panic!("no JSON: {}", stderr(o)))
}

#[test]
fn in_json_a_file_that_cannot_be_run_has_its_error() {
    let dir = Scratch::new("bad-json");
    let missing = dir.0.join("missing.ops");
    let good = dir.write("good.ops", with_line("SIOCIFCREATE gif0"));
    let run = |files: &[&Path]| {
        let o = ifscrub().args(["run", "--json"]).args(files).output().expect("started");
        (o.status.code(), json(&o))
    };
    let (code, told) = run(&[&missing]);
    assert_eq!((code, told.as_array().map(Vec::len)), (Some(2), Some(1)), "{told}");
    assert!(told[0]["error"].as_str().is_some_and(|e| e.contains("cannot be read")), "{told}");
    let (code, told) = run(&[&missing, &good]);
    assert_eq!(code, Some(2));
    assert_eq!(told[0]["file"], missing.display().to_string());
    assert_eq!((told[1].get("error"), &told[1]["violation"]), (None, &false.into()));
}

#[test]
fn a_report_with_other_line_ends_is_told_so() {
    let dir = Scratch::new("line-ends");
    let name = "tests/field/c1-2007-panic.ops";
    let program = std::fs::read(support::root().join(name)).expect("a program");
    let path = dir.write("x.ops", program);
    let report = support::stdout(&run([&path]));
    dir.write("x.report", report.replace('\n', "\r\n"));
    let o = run([OsStr::new("--expect"), path.as_ref()]);
    let said = support::stdout(&o);
    assert_eq!(o.status.code(), Some(1), "{said}");
    assert!(said.contains("line ends differ\nhelp: "), "{said}");
}

#[test]
fn a_program_that_stays_clean_can_be_expected_to() {
    let dir = Scratch::new("expect-clean");
    let path = dir.write("quiet.ops", with_line("SIOCIFCREATE gif0"));
    let said = run([&path]).stdout;
    let report = dir.write("quiet.report", &said);
    let expect = |path: &Path| run([OsStr::new("--expect"), path.as_ref()]);
    assert_eq!(expect(&path).status.code(), Some(0), "{}", stderr(&expect(&path)));
    std::fs::write(&report, "quiet.ops: clean: 7 operations, 1 succeeded\n").expect("written");
    let o = expect(&path);
    assert_eq!(o.status.code(), Some(1));
    assert!(support::stdout(&o).contains("+ clean: 1 operations"), "{}", support::stdout(&o));
    std::fs::write(&report, "panic: x\n").expect("written");
    assert!(support::stdout(&expect(&path)).contains("expected a violation, found none"));
}

/// A program with this line in the place of its last one, the fifth.
fn with_line(line: &str) -> String {
    format!("# ifscrub 1\nkernel dragonfly-2007\nncpus 2\ndefects none\n{line}\n")
}

#[test]
fn what_is_wrong_in_a_text_is_told_with_its_line() {
    let dir = Scratch::new("bad-text");
    let cases = [
        ("verb", "SIOCSIFADR em0 10.0.0.1", "did you mean `SIOCSIFADDR`?"),
        ("no-verb", "foo", "help: the verbs of `dragonfly-2007` are em_attach, "),
        ("no-verb-either", "ifconfig em0", ", SIOCSIFADDR, "),
        ("interface", "SIOCSIFADDR em7 10.0.0.1", "em0"),
        ("address", "SIOCSIFADDR em0 10.0.0.99", "10.0.0.1"),
        ("missing-argument", "SIOCSIFADDR em0", "expected"),
        ("mask", "SIOCAIFADDR em0 10.0.0.1 mask /33", "/24"),
        ("keyword", "SIOCAIFADDR em0 10.0.0.1 masc /16", "mask"),
        ("too-much", "SIOCIFCREATE gif0 gif1", "expected"),
        ("preempt-for", "SIOCIFCREATE gif0  preempt @1 for 9", "expected"),
        ("preempt-ordinal", "SIOCIFCREATE gif0  preempt @64 for 1", "@63"),
        ("fail-ordinal", "SIOCIFCREATE gif0  fail @0", "@63"),
        ("occurrence", "SIOCIFCREATE gif0  fail a:b#256", "#255"),
        ("twice", "SIOCIFCREATE gif0  fail @1 fail @2", "fail"),
        ("control", "SIOCIFCREATE gif0\u{7}", "U+0007"),
        ("late-header", "SIOCIFCREATE gif0\nncpus 3", "ncpus"),
        (
            "unreached",
            "SIOCIFCREATE gif0  preempt gif_clone_create:kmaloc for 1",
            "gif_clone_create:kmalloc#1",
        ),
        (
            "unreached-often",
            "SIOCIFCREATE gif0  preempt gif_clone_create:kmalloc#2 for 1",
            "gif_clone_create:kmalloc",
        ),
        (
            "unreached-call",
            "SIOCAIFADDR em0 10.0.0.1  fail rtrequest1:R_Maloc",
            "rtrequest1:R_Malloc#1",
        ),
        ("unreachable", "advance 1s  fail rtrequest1:R_Malloc", "no fallible calls at all"),
    ];
    for (name, line, words) in cases {
        let path = dir.write(&format!("{name}.ops"), with_line(line));
        let o = run([&path]);
        let said = stderr(&o);
        assert_eq!(o.status.code(), Some(2), "{name}: {said}");
        let line = if name == "late-header" { 6 } else { 5 };
        let place = format!("{}:{line}", path.display());
        let other = format!("line {line}, column ");
        assert!(said.contains(&place) || said.contains(&other), "{name}, no place: {said}");
        assert!(has_remedy(&said) && said.contains(words), "{name}, no `{words}`: {said}");
        assert!(!said.contains("panicked"), "{name}: {said}");
    }
}

#[test]
fn what_is_wrong_in_a_header_is_told_with_its_line() {
    let dir = Scratch::new("bad-header");
    let cases = [
        ("kernel", "# ifscrub 1\nkernel dragonfly-2008\n", "dragonfly-2007"),
        ("no-kernel", "# ifscrub 1\nSIOCIFCREATE gif0\n", "kernel"),
        ("only-magic", "# ifscrub 1\n", "kernel"),
        ("no-kernel-at-all", "# ifscrub 1\n", "`freebsd-14`"),
        ("bad-defect", "# ifscrub 1\nkernel dragonfly-2007\ndefects a b! c\n", "letters"),
        ("ifindex", "# ifscrub 1\nkernel dragonfly-2007\nifindex 2\n", "no `ifindex`"),
        ("version", "# ifscrub 2\nkernel dragonfly-2007\n", "version 1"),
        ("cpus", "# ifscrub 1\nkernel dragonfly-2007\nncpus 4\n", "3"),
        ("no-cpus", "# ifscrub 1\nkernel dragonfly-2007\nncpus 0\n", "expected"),
        ("stop", "# ifscrub 1\nkernel dragonfly-2007\nstop never\n", "kernel"),
        (
            "defect",
            "# ifscrub 1\nkernel dragonfly-2007\ndefects c4-tapclose-zeros\n",
            "c4-tapclose-zeroes",
        ),
        ("twice", "# ifscrub 1\nkernel dragonfly-2007\nncpus 1\nncpus 2\n", "ncpus"),
    ];
    for (name, source, words) in cases {
        let path = dir.write(&format!("{name}.ops"), source);
        let o = run([&path]);
        let said = stderr(&o);
        assert_eq!(o.status.code(), Some(2), "{name}: {said}");
        assert!(said.contains(&*path.to_string_lossy()), "{name}, no place: {said}");
        assert!(has_remedy(&said), "{name}: {said}");
        assert!(said.contains(words), "{name}, no `{words}`: {said}");
    }
    // Only the model knows which defects there are, and the line is told all the same.
    let path = dir.0.join("defect.ops");
    assert!(stderr(&run([&path])).contains(&format!("{}:3: ", path.display())));
}

#[test]
fn options_and_the_environment_are_refused_with_their_name() {
    let dir = Scratch::new("bad-options");
    let path = dir.write("x.ops", WHOLE);
    let bytes = dir.write("x", random(1, 64));
    assert_refused(
        &run([OsStr::new("--defects"), "c5-wrong-cp".as_ref(), path.as_ref()]),
        Path::new("--defects"),
        "c5-wrong-cpu",
    );
    let mut command = ifscrub();
    command.arg("run").arg(&bytes).env(VARIABLE, "nonsense");
    assert_refused(&command.output().expect("started"), Path::new(VARIABLE), "nonsense");
    for list in ["", " ", ","] {
        let run = run([OsStr::new("--defects"), list.as_ref(), path.as_ref()]);
        assert_refused(&run, Path::new("--defects"), "the list is empty");
    }
    let mut command = ifscrub();
    command.arg("run").arg(&bytes).env(VARIABLE, ",");
    assert_refused(&command.output().expect("started"), Path::new(VARIABLE), "the list is empty");
    let o = ifscrub()
        .args(["hunt", "--kernel", "freebsd-15", "--runs", "1"])
        .output()
        .expect("started");
    assert_refused(&o, Path::new("--kernel"), "freebsd-15");
    // clap's own refusals.
    for args in [
        &["run"][..],
        &["run", "--stop", "never", "x"],
        &["hunt", "--jobs", "0"],
        &["matrix"],
        &["matrix", "--json", "--markdown", "x"],
        &["nonsense"],
    ] {
        let o = ifscrub().args(args).output().expect("started");
        assert_eq!(o.status.code(), Some(2), "{args:?}: {}", stderr(&o));
        assert!(stderr(&o).contains("error: "), "{args:?}: {}", stderr(&o));
    }
}

#[test]
fn a_report_that_is_not_there_is_refused_and_one_bad_file_does_not_keep_others() {
    let dir = Scratch::new("bad-report");
    let good = dir.write("good.ops", with_line("SIOCIFCREATE gif0"));
    assert_refused(
        &run([OsStr::new("--expect"), good.as_ref()]),
        &dir.0.join("good.report"),
        "write it with",
    );
    let missing = dir.0.join("missing.ops");
    let o = run([&missing, &good]);
    assert_eq!(o.status.code(), Some(2));
    assert!(support::stdout(&o).contains("good.ops: clean"), "{}", support::stdout(&o));
}

fn matrix(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
    ifscrub().arg("matrix").args(args).output().expect("the command can be started")
}

#[test]
fn the_matrix_refuses_files_that_are_no_ways_into_a_panic_of_one_kernel() {
    let dir = Scratch::new("no-ways");
    let program =
        |kernel: &str| format!("# ifscrub 1\nkernel {kernel}\ndefects none\nadvance 1s\n");
    let quiet = dir.write("quiet.ops", program("freebsd-14"));
    let other = dir.write("other.ops", program("dragonfly-2007"));
    let empty = dir.write("empty.ops", "");
    let missing = dir.0.join("missing.ops");
    assert_refused(&matrix([&quiet]), &quiet, "the kernel does not panic with defects none");
    assert_refused(&matrix([&other]), &other, "no repairs are proposed for dragonfly-2007");
    // One bad file is enough: a matrix without it would say too much.
    assert_refused(&matrix([&quiet, &missing]), &missing, "cannot be read");
    assert_refused(&matrix([&empty, &quiet]), &empty, "is empty");
    assert_refused(&matrix([&quiet, &other]), &other, "is a program of dragonfly-2007");
    let kernel = |name| matrix([OsStr::new("--kernel"), OsStr::new(name), quiet.as_ref()]);
    assert_refused(&kernel("dragonfly-2007"), &quiet, "is a program of freebsd-14");
    assert_refused(&kernel("freebsd-15"), Path::new("--kernel"), "did you mean `freebsd-14`?");
}

/// Every command that reads a program, on this file.
fn every_command(path: &Path) -> impl Iterator<Item = (String, Output)> + '_ {
    let commands = [
        &["run"][..],
        &["run", "--trace", "--json"],
        &["run", "--bytes"],
        &["run", "--defects", "as-reported", "--stop", "kernel"],
        &["minimize"],
        &["credit"],
        &["matrix", "--runs", "10"],
        &["convert"],
        &["convert", "--to", "text", "--json"],
    ];
    commands.into_iter().map(move |args| {
        let o = ifscrub().args(args).arg(path).output().expect("the command can be started");
        (args.join(" "), o)
    })
}

#[test]
fn no_command_panics_on_random_bytes_or_torn_text() {
    let dir = Scratch::new("random");
    let mut files = Vec::new();
    for length in [1, 7, 8, 9, 63, 520, 521, LONGEST] {
        files.push(dir.write(&format!("random-{length}"), random(99, length)));
        files.push(dir.write(&format!("random-{length}.ops"), random(99, length)));
    }
    for end in [1, 5, 11, 20, 33, 80, 150, 260, 333] {
        files.push(dir.write(&format!("torn-{end}.ops"), &WHOLE.as_bytes()[..end]));
        files.push(dir.write(&format!("torn-{end}"), &WHOLE.as_bytes()[..end]));
    }
    for path in files {
        for (command, o) in every_command(&path) {
            let said = stderr(&o);
            let what = format!("{command} {}: {said}", path.display());
            assert!(matches!(o.status.code(), Some(0..=2)), "{:?} {what}", o.status);
            if o.status.code() == Some(2) {
                assert!(said.contains(&*path.to_string_lossy()) && has_remedy(&said), "{what}");
            }
        }
    }
}
