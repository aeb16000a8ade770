//! Golden traces: for every path of the facts, a program and the trace that it must leave.
//!
//! `tests/golden/KERNEL/NAME.ops` says in comments which path of that kernel's facts it
//! shows, and in `# study 3 4` which of its operations are compared; the others lead up to
//! them. `defects as-reported` makes the path run as it was at the date of the report, but
//! for what is a hypothesis only (`ifscrub defects`); where the repair takes another way,
//! `NAME-repaired` shows that one too.
//! `NAME.ncpus1.trace` and so on, one for each number of CPUs that the kernel may have, are
//! what it must leave: the source file of each function, then the events.
//!
//! The traces were read beside the kernel's source of that date, step by step. After a
//! change that is meant, `IFSCRUB_BLESS=1 cargo test --test golden` writes them anew: read
//! the difference beside that source again before it is committed.

mod common;

use common::{File, files, folder, names, of_operation, on_cpus, run};
use ifscrub::kern::trace::{Func, What};
use ifscrub::program::Grammar;
use ifscrub::stack::GRAMMARS;
use ifscrub::triage::listing::listing;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// The lock that stands for the one thread of the repaired control plane. The kernel of 2007
/// had nothing like it: as reported the model lets go of it wherever a thread may be
/// switched away from (`tests/unserialized.rs`), so that taking and releasing it is no step
/// of that kernel and is left out of the traces as reported. Waiting for it is not left out.
const TOKEN: &str = "control token";

/// When this variable is set the golden files are written instead of compared.
const BLESS: &str = "IFSCRUB_BLESS";

/// Lines around a difference that are shown with it.
const CONTEXT: usize = 4;

/// Lines of a difference that are shown, at most, of each side.
const SHOWN: usize = 30;

/// Functions of the models that no golden trace has to show.
const NOT_SHOWN: &[(&str, &str)] = &[
    // Once, before the first operation.
    ("freebsd-14", "in6_ifattach_loopback"),
    ("freebsd-14", "lo_clone_create"),
    // No path of the facts is about them: drivers, forwarding, redirects, PPP's negotiation,
    // what sockets send.
    ("dragonfly-2007", "em_attach"),
    ("dragonfly-2007", "gif_clone_create"),
    ("dragonfly-2007", "icmp_input"),
    ("dragonfly-2007", "if_attach"),
    ("dragonfly-2007", "if_clone_create"),
    ("dragonfly-2007", "ip_forward"),
    ("dragonfly-2007", "ipflow_create"),
    ("dragonfly-2007", "ipflow_fastforward"),
    ("dragonfly-2007", "ipflow_slowtimo"),
    ("dragonfly-2007", "rtredirect"),
    ("dragonfly-2007", "rtredirect_oncpu"),
    ("dragonfly-2007", "sppp_lcp_RCR"),
    ("dragonfly-2007", "sppp_lcp_tlu"),
    ("dragonfly-2007", "sppp_lcp_up"),
    ("dragonfly-2007", "tapopen"),
    ("dragonfly-2007", "tcp_usr_send"),
    ("dragonfly-2007", "tunopen"),
    ("dragonfly-2007", "udp_connect"),
    ("dragonfly-2007", "udp_output"),
];

/// The folder of a kernel's golden programs.
fn golden(g: &Grammar) -> PathBuf {
    folder("tests/golden").join(g.kernel)
}

/// How many paths the facts of a kernel have in their second section.
fn paths(g: &Grammar) -> u32 {
    match g.kernel {
        "dragonfly-2007" => 14,
        "freebsd-14" => 11,
        other => panic!("say how many paths {other} has"),
    }
}

/// The operations that a program asks to be compared, from 1.
fn studied(f: &File) -> Vec<usize> {
    let line = f.source.lines().find_map(|l| l.strip_prefix("# study "));
    let line = line.unwrap_or_else(|| panic!("{}: no line `# study 1`", f.name));
    let number = |word: &str| -> usize {
        let n = word.parse().unwrap_or_else(|_| panic!("{}: `{word}` is no number", f.name));
        assert!((1..=f.program.ops.len()).contains(&n), "{}: there is no operation {n}", f.name);
        n
    };
    line.split_whitespace().map(number).collect()
}

/// The trace of the operations under study on `ncpus` CPUs.
fn render(f: &File, ncpus: u8) -> String {
    let studied = studied(f);
    let p = on_cpus(&f.program, ncpus);
    let ran = run(&p);
    let all = listing(&*ran.machine, &ran.trace);
    assert_eq!(all.lines().count(), ran.trace.events.len(), "every event is a line");
    let events = ran.trace.events.iter().zip(all.lines());
    let shown = events.filter(|(e, _)| studied.iter().any(|&op| of_operation(e, op)));

    let reported = f.source.contains("\ndefects as-reported\n");
    let mut functions: BTreeMap<&str, &str> = BTreeMap::new();
    let mut out = String::new();
    for (e, line) in shown {
        match e.what {
            What::Lock(TOKEN) | What::Unlock(TOKEN) if reported => continue,
            _ => {}
        }
        if let What::Enter(Func { name, file }) = e.what
            && !file.is_empty()
        {
            functions.insert(name, file);
        }
        out += line;
        out += "\n";
        // What follows a fault of the kernel is the model leaving its functions.
        if let What::Fault(_) = e.what {
            break;
        }
    }
    let width = functions.keys().map(|name| name.len()).max().unwrap_or(0);
    let table = functions.iter().map(|(name, file)| format!("# {name:width$}  {file}\n"));
    let unreached = &ran.outcome.unreached;
    let unreached =
        unreached.iter().map(|u| format!("# not reached: {}#{}\n", u.name, u.occurrence));
    table.chain(unreached).collect::<String>() + &out
}

/// What two texts do not share, with the lines around it; `None` when they are the same.
fn difference(expected: &str, found: &str) -> Option<String> {
    if expected == found {
        return None;
    }
    let (a, b): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let same = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let rest = a.len().min(b.len()) - same;
    let tail = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count().min(rest);
    let mut out = format!("line {}:\n", same + 1);
    for line in &a[same.saturating_sub(CONTEXT)..same] {
        out += &format!("  {line}\n");
    }
    for (sign, lines) in [('-', &a[same..a.len() - tail]), ('+', &b[same..b.len() - tail])] {
        for line in lines.iter().take(SHOWN) {
            out += &format!("{sign} {line}\n");
        }
        if lines.len() > SHOWN {
            out += &format!("{sign} ... {} more\n", lines.len() - SHOWN);
        }
    }
    for line in a[a.len() - tail..].iter().take(CONTEXT) {
        out += &format!("  {line}\n");
    }
    Some(out)
}

/// The name of the golden file of a program.
fn trace_name(name: &str, ncpus: u8) -> String {
    format!("{name}.ncpus{ncpus}.trace")
}

#[test]
fn every_path_leaves_its_golden_trace() {
    let bless = std::env::var_os(BLESS).is_some();
    let mut wrong = Vec::new();
    for g in GRAMMARS {
        for f in files(&golden(g)) {
            for ncpus in 1..=g.max_cpus {
                let name = trace_name(&f.name, ncpus);
                let path = golden(g).join(&name);
                let found = render(&f, ncpus);
                if bless {
                    fs::write(&path, found).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                    continue;
                }
                let expected = fs::read_to_string(&path).unwrap_or_default();
                if let Some(d) = difference(&expected, &found) {
                    wrong.push(format!("{name}, {d}"));
                }
            }
        }
    }
    let n = wrong.len();
    wrong.truncate(5);
    assert!(
        n == 0,
        "{n} golden traces differ (- expected, + found); if that is meant, read them beside \
         the kernel's source and run with {BLESS}=1\n\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_program_has_its_golden_traces_and_every_golden_trace_its_program() {
    for g in GRAMMARS {
        let programs = names(&golden(g), ".ops");
        assert!(!programs.is_empty(), "there are golden programs of {}", g.kernel);
        let cpus = || 1..=g.max_cpus;
        let expected: Vec<_> =
            programs.iter().flat_map(|p| cpus().map(move |n| trace_name(p, n))).collect();
        let found = names(&golden(g), ".trace");
        let found: Vec<_> = found.iter().map(|n| format!("{n}.trace")).collect();
        for name in &expected {
            assert!(found.contains(name), "{name} is missing: run with {BLESS}=1 and read it");
        }
        for name in &found {
            assert!(expected.contains(name), "{name} has no program: delete it");
        }
    }
}

#[test]
fn every_program_says_its_path_its_defects_and_runs_until_the_kernel_notices() {
    for f in GRAMMARS.iter().flat_map(|g| files(&golden(g))) {
        let path = f.source.lines().nth(1).unwrap_or_default();
        let section = path.strip_prefix("# ").and_then(|l| l.split(' ').next()).unwrap_or_default();
        let named = f.name.split('-').next().unwrap_or_default().replace(".0", ".");
        assert_eq!(section, named, "{}: its first comment begins with its section", f.name);
        assert!(f.source.contains("\nstop kernel\n"), "{}: no `stop kernel`", f.name);
        let defects = if f.name.ends_with("-repaired") { "none" } else { "as-reported" };
        let line = format!("\ndefects {defects}\n");
        assert!(f.source.contains(&line), "{}: not `defects {defects}`", f.name);
    }
}

#[test]
fn all_sections_of_the_paths_have_a_program() {
    for g in GRAMMARS {
        let programs = names(&golden(g), ".ops");
        for section in 1..=paths(g) {
            let prefix = format!("2.{section:02}-");
            let there = programs.iter().any(|p| p.starts_with(&prefix));
            assert!(there, "{}: no program {prefix}*", g.kernel);
        }
    }
}

/// The kernel functions that the sources of a model have a frame for; one that stands in no
/// file of the kernel is none.
fn functions_of(g: &Grammar) -> BTreeSet<String> {
    let stack = g.kernel.split('-').next().unwrap_or_default();
    let sources = folder("src/stack").join(stack);
    let mut functions = BTreeSet::new();
    for name in names(&sources, ".rs") {
        let text = fs::read_to_string(sources.join(format!("{name}.rs"))).expect("it is listed");
        for frame in text.split("Func { name: \"").skip(1) {
            let frame = &frame[..frame.find('}').expect("it is closed")];
            let function = &frame[..frame.find('"').expect("it is quoted")];
            if !frame.contains("file: \"") || frame.contains(".c\"") {
                functions.insert(function.to_string());
            }
        }
    }
    functions
}

/// The functions that the golden traces of a kernel enter, by the tables that they begin with.
fn functions_shown(g: &Grammar) -> BTreeSet<String> {
    let traces = names(&golden(g), ".trace").into_iter().map(|n| format!("{n}.trace"));
    let texts = traces.map(|n| fs::read_to_string(golden(g).join(n)).expect("it is listed"));
    let entry = |line: &str| -> Option<String> {
        let mut words = line.strip_prefix("# ")?.split_whitespace();
        let (function, file) = (words.next()?, words.next()?);
        file.ends_with(".c").then(|| function.to_string())
    };
    texts.flat_map(|text| text.lines().filter_map(entry).collect::<Vec<_>>()).collect()
}

#[test]
fn each_function_of_a_model_is_in_a_golden_trace_or_is_known_not_to_be() {
    for g in GRAMMARS {
        let shown = functions_shown(g);
        let missing: Vec<_> = functions_of(g).into_iter().filter(|f| !shown.contains(f)).collect();
        let known: BTreeSet<&str> =
            NOT_SHOWN.iter().filter(|(kernel, _)| *kernel == g.kernel).map(|(_, f)| *f).collect();
        let missing: BTreeSet<&str> = missing.iter().map(String::as_str).collect();
        assert_eq!(missing, known, "{}: those that no trace shows, and NOT_SHOWN", g.kernel);
    }
}

#[test]
fn a_repaired_program_differs_in_its_defects_only() {
    let all: Vec<_> = GRAMMARS.iter().flat_map(|g| files(&golden(g))).collect();
    let body = |f: &File| -> Vec<String> {
        let keep = |l: &&str| !l.starts_with('#') && !l.starts_with("defects ");
        f.source.lines().filter(keep).map(str::to_string).collect()
    };
    for f in &all {
        let Some(base) = f.name.strip_suffix("-repaired") else { continue };
        let reported = all.iter().find(|o| o.name == base);
        let reported = reported.unwrap_or_else(|| panic!("{} has no program as reported", f.name));
        assert_eq!(body(f), body(reported), "{}", f.name);
    }
}

#[test]
fn a_difference_shows_both_sides_and_what_is_around_it() {
    assert_eq!(difference("a\nb\n", "a\nb\n"), None);
    let d = difference("a\nb\nc\n", "a\nx\ny\nc\n").expect("they differ");
    assert_eq!(d, "line 2:\n  a\n- b\n+ x\n+ y\n  c\n");
    let d = difference("", "a\n").expect("they differ");
    assert_eq!(d, "line 1:\n+ a\n");
}
