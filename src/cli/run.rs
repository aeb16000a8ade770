//! `ifscrub run`: replays programs.

use super::file::{Loaded, STANDARD, remedy};
use super::output::{emit, emit_json, highlighted, note};
use super::{AS_EXPECTED, BAD_INPUT, CliError, Done, VIOLATION};
use crate::corpus::import::Refusal;
use crate::hunt::round::guarded;
use crate::kern::exec::{Config, Outcome};
use crate::program::{Program, Stop};
use crate::stack::{DefectSet, Machine, Model};
use crate::triage::listing::listing;
use crate::triage::replay::{recorded, resolve, run as execute, triggered};
use crate::triage::report::{Report, report};
use crate::triage::sets;
use clap::ValueEnum;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// Replay programs and report what they break.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 no violation (with --expect: the expected reports), 1 violation, 2 bad input.
Bytes that are no whole program of this format are run, as a fuzz target runs them, but when
nothing is violated that is bad input, too, unless --bytes says that it is meant.

Examples:
  ifscrub run crashes/dragonfly-2007/c3-ifioctl-rollback.ops
  ifscrub run --defects none x.ops         # the same under every repair
  ifscrub run --expect crashes/*/*.ops     # compare with the .report beside each
  ifscrub run --stop kernel --trace x.ops  # all events, until the kernel notices")]
pub struct Args {
    /// Program files: text (`*.ops`, or beginning with `# ifscrub`) or bytes; - for stdin
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Defects to switch on instead of the header's: none, as-reported, or a list
    #[arg(long, value_name = "LIST")]
    defects: Option<String>,
    /// Which layer ends the run, instead of the header's
    #[arg(long, value_enum)]
    stop: Option<StopArg>,
    /// Compare with NAME.report beside each file
    #[arg(long)]
    expect: bool,
    /// Print all events, one a line, and the hash of the trace
    #[arg(long)]
    trace: bool,
    /// The files hold bytes, whatever they look like, and whatever they are is run
    #[arg(long)]
    bytes: bool,
    /// Print JSON: an array with a result, or an error, for each file
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StopArg {
    /// The first broken rule of the books
    Books,
    /// The first thing that the kernel itself would have noticed
    Kernel,
}

/// One file replayed.
struct Replayed {
    /// What is odd about its bytes.
    odd: Option<Refusal>,
    outcome: Outcome,
    report: Option<Report>,
    trace: Option<(String, u64)>,
    json: serde_json::Value,
}

/// Runs the command.
pub fn run(models: &'static [Model], args: &Args) -> Done {
    let mut worst = AS_EXPECTED;
    let mut all = Vec::new();
    for path in &args.files {
        // A bad file does not keep the others from being run.
        let code = match one(models, args, path, &mut all) {
            Ok(code) => code,
            Err(e @ CliError::Harness(_)) => return Err(e),
            Err(e) => {
                note(&format!("ifscrub: {e}"));
                all.push(json!({ "file": path.display().to_string(), "error": e.to_string() }));
                e.exit_code()
            }
        };
        worst = worst.max(code);
    }
    if args.json {
        emit_json(&json!(all))?;
    }
    Ok(worst)
}

fn one(
    models: &'static [Model],
    args: &Args,
    path: &Path,
    all: &mut Vec<serde_json::Value>,
) -> Done {
    let replayed = replay(models, args, path)?;
    let expected = if args.expect { Some(compare(path, &replayed)?) } else { None };
    let clean = replayed.report.is_none();
    // Torn or foreign bytes are run as something else than what was written: that it is
    // clean says nothing.
    let doubted = replayed.odd.as_ref().filter(|_| clean && !args.bytes);
    if args.json {
        let mut json = replayed.json;
        if let Some(difference) = &expected {
            json["as_expected"] = json!(difference.is_none());
        }
        all.push(json);
    } else {
        if args.files.len() > 1 && !args.expect && !clean {
            emit(format!("== {}\n", path.display()))?;
        }
        if let Some((listing, hash)) = &replayed.trace {
            emit(format!("{listing}trace hash {hash:#018x}\n"))?;
        }
        match (&expected, &replayed.report) {
            _ if doubted.is_some() => {}
            (Some(None), _) => emit(format!("{}: as expected\n", path.display()))?,
            (Some(Some(difference)), _) => emit(format!("{}: {difference}", path.display()))?,
            (None, Some(report)) => emit(highlighted(&report.to_string()))?,
            (None, None) => emit(format!("{}: {}\n", path.display(), clean_words(&replayed)))?,
        }
    }
    if replayed.outcome.exhausted {
        note(&format!("{}: the model's memory was used up: this run says nothing", path.display()));
    }
    if let Some(odd) = doubted {
        let again = remedy(odd);
        let help = format!("{again}; or run it as a fuzz target would, with --bytes");
        note(&format!("ifscrub: {}", CliError::path(path, odd).help(help)));
        return Ok(BAD_INPUT);
    }
    Ok(match expected {
        Some(None) => AS_EXPECTED,
        Some(Some(_)) => VIOLATION,
        None => u8::from(!clean) * VIOLATION,
    })
}

/// What is said of a program that breaks nothing.
fn clean_words(replayed: &Replayed) -> String {
    let c = replayed.outcome.counts;
    format!("clean: {} operations, {} succeeded", c.ops, c.ok)
}

fn replay(models: &'static [Model], args: &Args, path: &Path) -> Result<Replayed, CliError> {
    if args.expect && path.as_os_str() == STANDARD {
        let problem = "has no report beside it";
        return Err(CliError::new("stdin", problem).help("name the file of the program"));
    }
    let loaded = Loaded::read(models, path, Some(args.bytes))?;
    let mut m = loaded.machine();
    let defects = loaded.defects(&*m, args.defects.as_deref())?;
    let mut p: Program = loaded.program.clone();
    if let Some(stop) = args.stop {
        p.header.stop = match stop {
            StopArg::Books => Stop::Books,
            StopArg::Kernel => Stop::Kernel,
        };
    }
    let own = defects.own && args.stop.is_none();
    let set = defects.set;
    let (outcome, unreached) = guarded(&mut *m, &p, |m| {
        let outcome = execute(m, &p, set, None);
        let unreached = match outcome.unreached.is_empty() {
            true => Vec::new(),
            false => resolve(m, &p, set, u8::MAX).1,
        };
        (outcome, unreached)
    })?;
    loaded.unreached(&unreached, own)?;
    let report = guarded(&mut *m, &p, |m| report(m, &p, set))?;
    let trace = args.trace.then(|| {
        let trace = recorded(&mut *m, &p, set, None).trace;
        (listing(&*m, &trace), trace.hash())
    });
    if report.is_some() || args.bytes {
        loaded.note_odd();
    }
    let mut json = describe(&*m, path, &p, set, &outcome, report.as_ref(), trace.as_ref());
    json["odd"] = json!(loaded.odd.as_ref().map(Refusal::to_string));
    if args.json {
        let cfg = Config { defects: set, measure: true, ..Config::default() };
        let measured = guarded(&mut *m, &p, |m| m.run(&p, cfg))?;
        json["changed"] = json!(measured.counts.changed);
        json["state"] = json!(measured.state.map(|hash| format!("{hash:#018x}")));
        let triggered = guarded(&mut *m, &p, |m| triggered(m, &p, set, None))?;
        json["triggered"] = json!(sets::names(m.defects(), triggered));
    }
    Ok(Replayed { odd: loaded.odd, outcome, report, trace, json })
}

fn describe(
    m: &dyn Machine,
    path: &Path,
    p: &Program,
    set: DefectSet,
    outcome: &Outcome,
    report: Option<&Report>,
    trace: Option<&(String, u64)>,
) -> serde_json::Value {
    json!({
        "file": path.display().to_string(),
        "kernel": m.grammar().kernel,
        "defects": sets::names(m.defects(), set),
        "reached": sets::names(m.defects(), outcome.reached),
        "stop": p.header.stop.name(),
        "operations": outcome.counts.ops,
        "succeeded": outcome.counts.ok,
        "preempted": outcome.counts.preempted,
        "injected": outcome.counts.injected,
        "warnings": outcome.counts.warnings,
        "exhausted": outcome.exhausted,
        "violation": report.is_some(),
        "report": report.map(Report::to_json),
        "trace": trace.map(|(listing, _)| listing.lines().collect::<Vec<_>>()),
        "trace_hash": trace.map(|(_, hash)| format!("{hash:#018x}")),
    })
}

/// Compares with the report beside the file: `None` when it is the same, else what is
/// different first.
fn compare(path: &Path, replayed: &Replayed) -> Result<Option<String>, CliError> {
    let beside = path.with_extension("report");
    let expected = fs::read_to_string(&beside).map_err(|e| {
        let remedy =
            format!("write it with `ifscrub run {} > {}`", path.display(), beside.display());
        CliError::path(&beside, format!("cannot be read: {e}")).help(remedy)
    })?;
    let Some(report) = &replayed.report else {
        // As this command prints it: with the path of the file before it.
        let (clean, line) = (clean_words(replayed), expected.trim_end());
        let same = line == clean || line.ends_with(&format!(": {clean}")) && !line.contains('\n');
        return Ok((!same).then(|| match line.contains("clean: ") {
            true => format!("not the expected report:\n- {line}\n+ {clean}\n"),
            false => "expected a violation, found none\n".to_string(),
        }));
    };
    Ok(difference(&expected, &report.to_string()))
}

/// The first line that two texts do not share.
fn difference(expected: &str, found: &str) -> Option<String> {
    if expected == found {
        return None;
    }
    if expected.lines().eq(found.lines()) {
        let help = "end each line with LF alone, or write the report anew with `ifscrub run`";
        return Some(format!("not the expected report: line ends differ\nhelp: {help}\n"));
    }
    let (mut a, mut b) = (expected.lines(), found.lines());
    let mut number = 1;
    loop {
        let (x, y) = (a.next(), b.next());
        if x != y || x.is_none() {
            let show = |line: Option<&str>| line.unwrap_or("(end of the report)").to_string();
            let (x, y) = (show(x), show(y));
            return Some(format!("not the expected report, line {number}:\n- {x}\n+ {y}\n"));
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_shown_with_its_line() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        let d = difference("a\nb\nc\n", "a\nx\nc\n").unwrap();
        assert_eq!(d, "not the expected report, line 2:\n- b\n+ x\n");
        assert!(difference("a\n", "a\nb\n").unwrap().contains("+ b"));
    }

    #[test]
    fn where_only_line_ends_differ_no_line_is_shown_twice() {
        for expected in ["a\r\nb\r\n", "a\nb"] {
            let d = difference(expected, "a\nb\n").unwrap();
            assert!(d.contains("line ends differ\nhelp: ") && !d.contains("- "), "{d}");
        }
    }
}
