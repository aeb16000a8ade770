//! `ifscrub corpus` on files: what is packed, what is taken, what is refused, what is reached.
//!
//! Merging with the real target is `scripts/merge-check`; `src/corpus/merge.rs` tests what a
//! merge does to folders.

mod support;

use std::path::{Path, PathBuf};
use std::process::Output;
use support::{Scratch, ifscrub, root, stderr, stdout};

fn corpus(args: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let mut command = ifscrub();
    command.arg("corpus");
    for arg in args {
        command.arg(arg);
    }
    command.output().expect("the command can be started")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let name = |e: std::io::Result<std::fs::DirEntry>| {
        e.expect("an entry").file_name().into_string().expect("a name")
    };
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}

/// A refusal: place and problem in a line, with what was expected or a help below.
#[track_caller]
fn assert_refused(o: &Output, place: &Path, words: &str) {
    let said = stderr(o);
    assert_eq!(o.status.code(), Some(2), "{said}");
    let place = place.to_string_lossy();
    let told = said.split_once(&*place).is_some_and(|(_, rest)| {
        let mut lines = rest.lines();
        let problem = lines.next().unwrap_or_default();
        let helped = lines.next().is_some_and(|line| line.starts_with("help: "));
        problem.contains(words) && (helped || problem.contains(": expected "))
    });
    assert!(told, "no `{words}` at {place}, or no help: {said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn text_becomes_the_seeds_that_are_checked_in() {
    let dir = Scratch::new("corpus-import");
    let into = dir.0.join("new/corpus");
    let o = corpus(&[&"import", &root().join("corpus/text"), &"--into", &into]);
    assert!(o.status.success(), "{}", stderr(&o));
    let taken = names(&into);
    assert!(taken.len() > 20, "{taken:?}");
    for name in &taken {
        let seed = root().join(format!("corpus/ops/seed-{name}"));
        let same = std::fs::read(seed).ok() == std::fs::read(into.join(name)).ok();
        assert!(same, "{name}");
    }
    // A second time there is nothing new.
    let o = corpus(&[&"import", &root().join("corpus/ops"), &"--into", &into, &"--json"]);
    let told: serde_json::Value = serde_json::from_str(&stdout(&o)).expect("JSON");
    assert_eq!(told["already_there"], taken.len());
    assert_eq!(names(&into), taken);
}

#[test]
fn what_is_no_program_of_this_format_is_refused_one_by_one() {
    let dir = Scratch::new("corpus-refused");
    let from = dir.0.join("from");
    std::fs::create_dir(&from).expect("a folder");
    let seeds = names(&root().join("corpus/ops"));
    let good = std::fs::read(root().join("corpus/ops").join(&seeds[0])).expect("a seed");
    let changed = |at: usize, value: u8| {
        let mut data = good.clone();
        data[at] = value;
        data
    };
    let long = [&good[..8], &good[8..16].repeat(65)].concat();
    // What is wrong, and what its remedy must name.
    let cases: [(&str, Vec<u8>, &str, &str); 12] = [
        (
            "version",
            changed(0, 9),
            "is of format version 9; this ifscrub knows version 1",
            "the ifscrub that wrote it",
        ),
        ("kernel", changed(1, 99), "kernel number 99", "the ifscrub that has its kernel"),
        ("opcode", changed(8, 251), "no verb of", "or a later one"),
        ("argument", changed(9, 255), "means nothing here", "convert --bytes --to text"),
        ("torn", good[..good.len() - 1].to_vec(), "no whole records", "copy it again"),
        ("short", vec![1, 0, 0], "a header alone has 8", "copy it again"),
        ("long", long, "has 65 operations, more than 64", "cut it to 520 bytes"),
        ("empty", Vec::new(), "is empty", "begins with"),
        (
            "text-2.ops",
            b"# ifscrub 2\nkernel dragonfly-2007\n".to_vec(),
            "expected format version 1, found `2`",
            "format version 1",
        ),
        ("words", b"no program\n".to_vec(), "does not begin with", "begin it with that line"),
        ("latin.ops", b"# ifscrub 1\n# \xfc\n".to_vec(), "is not UTF-8", "write it in UTF-8"),
        (
            "defect.ops",
            b"# ifscrub 1\nkernel dragonfly-2007\ndefects c9\nadvance 1s\n".to_vec(),
            "no defect is called `c9`",
            "`ifscrub defects`",
        ),
    ];
    for (name, data, ..) in &cases {
        std::fs::write(from.join(name), data).expect("a file");
    }
    std::fs::write(from.join("good"), &good).expect("a file");
    let into = dir.0.join("into");
    let o = corpus(&[&"import", &from, &"--into", &into]);
    // The command has no such option.
    assert!(!stderr(&o).contains("pass --bytes"), "{}", stderr(&o));
    for (name, _, words, remedy) in &cases {
        let place = from.join(name);
        assert_refused(&o, &place, words);
        let said = stderr(&o);
        let (_, own) = said.split_once(&*place.to_string_lossy()).expect("its place");
        let own: String = own.lines().take(2).collect();
        assert!(own.contains(remedy), "{name}, no `{remedy}`: {own}");
    }
    assert!(stderr(&o).contains("defect.ops:3: "), "{}", stderr(&o));
    assert_eq!(names(&into), ["good"]);
    assert!(stdout(&o).ends_with("1 taken, 0 already there, 12 refused\n"), "{}", stdout(&o));
    assert_refused(
        &corpus(&[&"import", &from.join("none"), &"--into", &into]),
        &from.join("none"),
        "cannot be read",
    );
}

#[test]
fn an_archive_of_seeds_is_flat_and_the_same_each_time() {
    let dir = Scratch::new("corpus-zip");
    let pack = |name: &str, more: &[&str]| -> (PathBuf, serde_json::Value) {
        let out = dir.0.join(name);
        let mut command = ifscrub();
        command.args(["corpus", "zip", "corpus/ops", "--json", "-o"]).arg(&out).args(more);
        let o = command.output().expect("the command can be started");
        assert!(o.status.success(), "{}", stderr(&o));
        (out, serde_json::from_str(&stdout(&o)).expect("JSON"))
    };
    let (a, all) = pack("a.zip", &[]);
    let (b, _) = pack("b.zip", &[]);
    assert_eq!(std::fs::read(a).ok(), std::fs::read(b).ok());
    let count = |v: &serde_json::Value| v["programs"].as_array().map_or(0, Vec::len);
    let (_, one) = pack("c.zip", &["--kernel", "dragonfly-2007"]);
    let (_, other) = pack("d.zip", &["--kernel", "freebsd-14"]);
    assert!(count(&one) > 0 && count(&other) > 0);
    assert_eq!(count(&one) + count(&other), count(&all));
    // Of equal programs the first.
    let twice = [dir.0.join("one"), dir.0.join("two")];
    for (i, folder) in twice.iter().enumerate() {
        std::fs::create_dir(folder).expect("a folder");
        let copy = folder.join(format!("copy-{i}"));
        std::fs::copy(root().join("corpus/ops/seed-alias-churn"), copy).expect("a copy");
    }
    let out = dir.0.join("f.zip");
    let o = corpus(&[&"zip", &twice[0], &twice[1], &"--json", &"-o", &out]);
    let told: serde_json::Value = serde_json::from_str(&stdout(&o)).expect("JSON");
    assert_eq!(told["programs"], serde_json::json!(["copy-0"]));
    let text = root().join("corpus/text");
    let out = dir.0.join("e.zip");
    assert_refused(&corpus(&[&"zip", &text, &"-o", &out]), &text, "is text");
    assert!(!out.exists());
    assert_refused(
        &corpus(&[&"zip", &dir.0.join("none"), &"-o", &out]),
        &dir.0,
        "cannot be listed",
    );
}

#[test]
fn only_programs_are_packed_and_what_is_left_out_is_told() {
    let dir = Scratch::new("corpus-zip-odd");
    let folder = dir.0.join("corpus");
    std::fs::create_dir(&folder).expect("a folder");
    let seed = root().join("corpus/ops/seed-alias-churn");
    let good = std::fs::read(&seed).expect("a seed");
    std::fs::write(folder.join("good"), &good).expect("a file");
    // The archive is in the folder that it is made of, and is left out quietly.
    let out = folder.join("seeds.zip");
    let zip = || corpus(&[&"zip", &folder, &"--json", &"-o", &out]);
    let first = (zip(), std::fs::read(&out).expect("an archive"));
    let again = zip();
    assert_eq!((first.0.status.code(), again.status.code()), (Some(0), Some(0)));
    assert_eq!(first.1, std::fs::read(&out).expect("an archive"));
    assert!(stderr(&again).contains("seeds.zip: is the archive itself"), "{}", stderr(&again));
    // To stdout the same.
    let stdout_too = corpus(&[&"zip", &seed.parent().expect("a folder"), &"-o", &"-"]);
    assert!(stdout_too.stdout.starts_with(b"PK\x03\x04"), "{}", stderr(&stdout_too));
    assert_refused(
        &corpus(&[&"zip", &folder, &"--json", &"-o", &"-"]),
        Path::new("--output -"),
        "would go to stdout",
    );
    std::fs::write(folder.join("torn"), &good[..good.len() - 1]).expect("a file");
    std::fs::write(folder.join("other.zip"), &first.1).expect("a file");
    std::fs::write(folder.join("text.ops"), "# ifscrub 1\n").expect("a file");
    let o = zip();
    let told: serde_json::Value = serde_json::from_str(&stdout(&o)).expect("JSON");
    assert_eq!(told["programs"], serde_json::json!(["good"]));
    assert_eq!(told["left_out"].as_array().map(Vec::len), Some(3), "{told}");
    for (name, words) in
        [("torn", "it is torn"), ("other.zip", "version 80"), ("text.ops", "is text")]
    {
        assert_refused(&o, &folder.join(name), words);
    }
    assert_eq!(first.1, std::fs::read(&out).expect("an archive"));
}

#[test]
fn what_scenarios_reach_is_told_for_each_kernel() {
    let scenarios = root().join("corpus/text");
    let o = corpus(&[&"reach", &scenarios, &"--json"]);
    assert!(o.status.success(), "{}", stderr(&o));
    let told: serde_json::Value = serde_json::from_str(&stdout(&o)).expect("JSON");
    let kernels = told.as_array().expect("one for each kernel");
    assert_eq!(kernels.len(), 2);
    for k in kernels {
        assert_eq!(k["violating"], 0);
        let count = |name: &str| k[name].as_array().map_or(0, Vec::len);
        assert!(count("yield_points") > 20 && count("fallible_calls") > 5, "{}", k["kernel"]);
        assert!(count("functions") > 50, "{}", k["kernel"]);
        let parked = |p: &serde_json::Value| p["parked"].as_u64() > Some(0);
        assert!(k["yield_points"].as_array().is_some_and(|all| all.iter().any(parked)));
        let credited = |d: &serde_json::Value| d["credited"].as_u64() > Some(0);
        assert!(k["defects"].as_array().is_some_and(|all| all.iter().any(credited)));
    }
    let o = corpus(&[&"reach", &scenarios, &"--kernel", &"dragonfly-2007"]);
    let page = stdout(&o);
    for words in ["dragonfly-2007: ", "verbs: ", "yield points: ", "fallible calls: ", "defects: "]
    {
        assert!(page.contains(words), "no `{words}`: {page}");
    }
    assert!(!page.contains("freebsd-14"), "{page}");
    let dir = Scratch::new("corpus-reach-none");
    assert_refused(&corpus(&[&"reach", &dir.0]), &dir.0, "hold no program to run");
}

#[test]
fn programs_that_end_in_one_state_are_told_to() {
    let dir = Scratch::new("corpus-reach-states");
    let bodies = [
        "advance 2h\n",
        "SIOCIFCREATE tun0\nSIOCIFDESTROY tun0\nadvance 2h\n",
        "SIOCIFCREATE tun0\n",
    ];
    let paths: Vec<_> = (0..bodies.len()).map(|n| dir.0.join(format!("{n}.ops"))).collect();
    for (path, body) in paths.iter().zip(bodies) {
        let text = format!("# ifscrub 1\nkernel freebsd-14\ndefects none\n{body}");
        std::fs::write(path, text).expect("the file can be written");
    }
    let json = |o: Output| serde_json::from_str::<serde_json::Value>(&stdout(&o)).expect("JSON");
    let reached = json(corpus(&[&"reach", &"--no-credit", &"--json", &dir.0]));
    assert_eq!((&reached[0]["programs"], &reached[0]["end_states"]), (&3.into(), &2.into()));
    let run = json(ifscrub().args(["run", "--json"]).args(&paths).output().expect("it starts"));
    let [never, gone, there] = [0, 1, 2].map(|n| run[n]["state"].as_str().expect("a state"));
    assert!(never == gone && never != there, "{never} {gone} {there}");
}

#[test]
fn what_is_credited_stays_on_for_a_defect_that_needs_it() {
    // The last one needs what the others are credited with in the first round, in which it
    // shows another defect.
    let names =
        ["in-ifnet-event-unserialized", "route-add-dying-ifp", "scrubprefix-moves-to-dying"];
    let files = names.map(|name| root().join(format!("crashes/freebsd-14/{name}.ops")));
    let alone = corpus(&[&"reach", &"--json", &files[0], &files[1]]);
    let all = corpus(&[&"reach", &"--json", &files[0], &files[1], &files[2]]);
    let credited = |o: &Output, id: &str| {
        let told: serde_json::Value = serde_json::from_str(&stdout(o)).expect("JSON");
        let defects = told[0]["defects"].as_array().expect("a list").clone();
        let own = defects.into_iter().find(|d| d["id"] == id).expect("a defect");
        own["credited"].as_u64() > Some(0)
    };
    for name in &names[..2] {
        assert!(credited(&alone, name), "{name}");
    }
    assert!(!credited(&alone, names[2]) && credited(&all, names[2]));
}

#[test]
fn a_merge_without_a_target_or_a_corpus_is_refused() {
    let dir = Scratch::new("corpus-merge");
    let none = dir.0.join("no-target");
    let o = corpus(&[&"merge", &root().join("corpus/ops"), &"--target", &none]);
    assert_refused(&o, &none, "is no fuzz target");
    let missing = dir.0.join("missing");
    let target = dir.write("target", "");
    let o = corpus(&[&"merge", &missing, &"--target", &target]);
    assert_refused(&o, &missing, "cannot be merged");
}

#[test]
fn what_comes_from_elsewhere_is_no_reviewed_seed() {
    let dir = Scratch::new("corpus-elsewhere");
    let seed = root().join("corpus/ops/seed-alias-churn");
    let o = corpus(&[&"import", &seed, &"--into", &dir.0.join("new")]);
    assert!(o.status.success(), "{}", stderr(&o));
    assert_eq!(names(&dir.0.join("new")), ["alias-churn"]);
    // A link that leads nowhere has its name as well, and is left alone.
    let into = dir.0.join("linked");
    std::fs::create_dir(&into).expect("a folder");
    std::os::unix::fs::symlink("nowhere", into.join("alias-churn")).expect("a link");
    let o = corpus(&[&"import", &seed, &"--into", &into]);
    assert!(o.status.success(), "{}", stderr(&o));
    assert_eq!(names(&into), ["alias-churn", "alias-churn-2"]);
    assert!(into.join("alias-churn").is_symlink());
}

#[test]
fn a_file_that_is_no_program_does_not_keep_the_others_from_being_counted() {
    let dir = Scratch::new("corpus-reach-bad");
    let empty = dir.write("a-empty", "");
    let seed = root().join("corpus/ops/seed-alias-churn");
    let o = corpus(&[&"reach", &"--no-credit", &"--json", &empty, &seed]);
    let said = stderr(&o);
    assert_eq!(o.status.code(), Some(2), "{said}");
    assert!(said.contains("a-empty"), "{said}");
    let told: serde_json::Value = serde_json::from_str(&stdout(&o)).expect("JSON");
    assert_eq!(told[0]["programs"], 1);
    // With nothing else there is nothing, and the same code.
    let o = corpus(&[&"reach", &"--json", &empty]);
    assert_eq!((o.status.code(), stdout(&o).trim()), (Some(2), "[]"));
    // Bytes that look like text are bytes when it is said.
    let printable = dir.write("printable", "some words\n");
    let o = corpus(&[&"reach", &"--no-credit", &printable]);
    assert!(stderr(&o).contains("is text"), "{}", stderr(&o));
    let o = corpus(&[&"reach", &"--no-credit", &"--bytes", &printable]);
    assert!(!stderr(&o).contains("is text"), "{}", stderr(&o));
}
