//! `ifscrub triage`: what many programs have found, and what is left to be found.
//!
//! What a hunt does after a round, for programs that somebody else found: the artifacts of
//! a fuzzing engine. Each is credited under what is still on, and one program of each
//! signature is minimized and written with its report.

use super::file::{Loaded, defect_list, pinned, unknown};
use super::output::{emit, emit_json, kept, make_dir, name_for, note, results_dir, write_program};
use super::{AS_EXPECTED, BAD_INPUT, CliError, Done, HARNESS_BUG, VIOLATION};
use crate::hunt::left::Left;
use crate::hunt::round::guarded;
use crate::program::bytes::{decode, kernel_byte};
use crate::program::{Grammar, text};
use crate::stack::{DefectSet, Machine, Model};
use crate::triage::credit::{Credited, credit_of_books};
use crate::triage::minimize::minimize;
use crate::triage::report::report;
use crate::triage::sets;
use crate::triage::signature::{file_stem, signature};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Sort violating programs by signature, and minimize one of each.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A program is run under what is left of the defects when those credited are off, as in a
hunt; when it is clean then, under what was left before each of them was credited, the last
one first, because an engine that is told later finds it with more of them on. With --out,
the first program of a signature is minimized and goes to DIR/KERNEL/NAME.ops, with
NAME.report beside it; what is there already stays. The header of a text does not say here
which defects are on. A file that is no program does not keep the others from being looked at.

Exit codes: 0 no violation, 1 violation, 2 bad input, 3 a panic of the harness itself.

Examples:
  ifscrub triage --defects as-reported --out found crashes/ops/crash-*
  ifscrub triage --defects as-reported --credited c4-tapclose-zeroes   # what is left")]
pub struct Args {
    /// Programs, text or bytes
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only this kernel counts, programs of others are not run [default: IFSCRUB_KERNEL]
    #[arg(long, value_name = "KERNEL")]
    kernel: Option<String>,
    /// Defects that were on: none, as-reported, or a list over all kernels [default:
    /// IFSCRUB_DEFECTS, or none]
    #[arg(long, value_name = "LIST")]
    defects: Option<String>,
    /// Those of them that were credited before, by name, in this order [default: none]
    #[arg(long, value_name = "LIST")]
    credited: Option<String>,
    /// Folder for the minimized programs and their reports
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The files hold bytes, whatever they look like
    #[arg(long)]
    bytes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A kernel, all the defects that were on, and what is left of them.
struct Side {
    machine: Box<dyn Machine>,
    defects: DefectSet,
    left: Left,
    /// What was on from the beginning, and after each credit that switched something off.
    sets: Vec<DefectSet>,
}

impl Side {
    fn credit(&mut self, set: DefectSet) {
        self.left.credit(set);
        if self.sets.last() != Some(&self.left.on()) {
            self.sets.push(self.left.on());
        }
    }
}

/// Runs the command.
pub fn triage(models: &'static [Model], args: &Args) -> Done {
    if args.files.is_empty() && args.defects.is_none() {
        return Err(CliError::new("FILE", "no file is named")
            .help("name the artifacts, or ask with --defects what there is to be found"));
    }
    if let Some(out) = &args.out {
        results_dir(out)?;
    }
    let mut sides = sides(models, args)?;
    let (mut files, mut findings) = (Vec::new(), Vec::new());
    let mut worst = AS_EXPECTED;
    for path in &args.files {
        let (told, code) = match Loaded::read(models, path, Some(args.bytes)) {
            Ok(loaded) => one(models, args, loaded, &mut sides, &mut findings)?,
            Err(e) => {
                note(&format!("ifscrub: {e}"));
                (json!({ "file": path.display().to_string(), "error": e.to_string() }), BAD_INPUT)
            }
        };
        worst = worst.max(code);
        if !args.json {
            emit(line(&told))?;
        }
        files.push(told);
    }
    let kernels: Vec<_> = sides.iter().map(state).collect();
    if args.json {
        let all = json!({ "files": files, "findings": findings, "kernels": kernels });
        emit_json(&all)?;
    } else {
        emit(summary(&sides))?;
    }
    Ok(worst)
}

fn sides(models: &'static [Model], args: &Args) -> Result<Vec<Side>, CliError> {
    let only = pinned(models, args.kernel.as_deref())?;
    let machines: Vec<_> =
        only.map_or(models, std::slice::from_ref).iter().map(Model::machine).collect();
    let lists: Vec<_> = machines.iter().map(|m| m.defects()).collect();
    let (place, list) = defect_list(args.defects.as_deref())?.unwrap_or_else(|| {
        note("defects none (neither --defects nor IFSCRUB_DEFECTS says)");
        ("--defects", "none".to_string())
    });
    let defects = sets::across(&lists, &list).map_err(|e| unknown(models, place, e))?;
    let credited = args.credited.as_deref().unwrap_or("none");
    let credited: Vec<_> = sets::words(credited).filter(|word| *word != "none").collect();
    sets::check_ids(&lists, credited.iter().copied())
        .map_err(|e| unknown(models, "--credited", e))?;
    let side = |(machine, defects): (Box<dyn Machine>, DefectSet)| {
        let left = Left::new(machine.defects(), defects);
        let all = machine.defects();
        let mut side = Side { machine, defects, left, sets: vec![defects] };
        for id in &credited {
            // What a credited defect needs is not credited by that.
            side.credit(sets::of_ids(all, [*id]));
        }
        side
    };
    Ok(machines.into_iter().zip(defects).map(side).collect())
}

/// The kernels that a fuzz target fuzzes: those with defects on, if there are any.
fn fuzzed(sides: &[Side]) -> Vec<&'static Grammar> {
    let all = sides.iter().all(|s| s.defects == 0);
    sides.iter().filter(|s| all || s.defects != 0).map(|s| s.machine.grammar()).collect()
}

/// What is said about a file, and the exit code that it asks for.
fn one(
    models: &'static [Model],
    args: &Args,
    mut loaded: Loaded,
    sides: &mut [Side],
    findings: &mut Vec<Value>,
) -> Result<(Value, u8), CliError> {
    let file = loaded.path.display().to_string();
    let names_none = |id: u8| Model::with_id(models, id).is_none();
    if !loaded.is_text && kernel_byte(&loaded.bytes).is_some_and(names_none) {
        // To a fuzz target it is a program of one of the kernels that it fuzzes.
        loaded.program = decode(&fuzzed(sides), &loaded.bytes);
    }
    let p = &loaded.program;
    let ours = |s: &&mut Side| s.machine.grammar().id == p.header.kernel;
    let Some(side) = sides.iter_mut().find(ours) else {
        return Ok((json!({ "file": file, "skipped": loaded.kernel() }), AS_EXPECTED));
    };
    let sets = &side.sets;
    let done = guarded(&mut *side.machine, p, |m| {
        sets.iter().rev().find_map(|&set| credit_of_books(m, p, set))
    });
    let credited = match done {
        Ok(Some(credited)) => credited,
        Ok(None) => {
            let on = sets::names(side.machine.defects(), side.left.on());
            return Ok((json!({ "file": file, "clean": true, "defects": on }), AS_EXPECTED));
        }
        Err(bug) => {
            // The machine may be in any state now.
            let model = Model::with_id(models, p.header.kernel);
            side.machine = model.expect("the kernel of a machine").machine();
            return Ok((json!({ "file": file, "bug": bug.message }), HARNESS_BUG));
        }
    };
    let mut credit = credited.credit;
    let mut told = json!({
        "file": file,
        "kernel": side.machine.grammar().kernel,
        "signature": signature(&*side.machine, &credited),
        "rule": credited.violation.rule.name,
        "credit": sets::names(side.machine.defects(), credited.credit),
    });
    let known = |f: &Value| f["signature"] == told["signature"];
    if let Some(out) = &args.out
        && !findings.iter().any(known)
    {
        let finding;
        // Of the report's credit alone account is kept: whoever asks again (`--credited`) has no
        // other, and nothing is to be called found that no report shows.
        (finding, credit) = keep(models, &mut *side.machine, out, credited)?;
        // What the least program shows holds for what it was made of.
        for key in ["signature", "credit"] {
            told[key] = finding[key].clone();
        }
        if findings.iter().all(|f| f["signature"] != finding["signature"]) {
            findings.push(finding);
        }
    }
    side.credit(credit);
    Ok((told, VIOLATION))
}

/// The minimized program of a signature and its report, those that are there or new ones,
/// and the defects that have the credit. A smaller program may take fewer defects than what
/// it was made of, and give the credit to others: signature and credit are those of its
/// report then.
fn keep(
    models: &'static [Model],
    m: &mut dyn Machine,
    out: &Path,
    found: Credited,
) -> Result<(Value, DefectSet), CliError> {
    let stem_of = |kernel: &str, signature: &str| {
        Path::new(kernel).join(file_stem(signature)).display().to_string()
    };
    let kernel = m.grammar().kernel;
    let mut signed = signature(m, &found);
    let mut credit = found.credit;
    let mut there = kept(out, &stem_of(kernel, &signed), &signed);
    let mut new = None;
    if there.is_none() {
        let p = found.program.clone();
        let (least, report) = guarded(m, &p, |m| {
            let least = minimize(m, found);
            let report = report(m, &least.program, least.set);
            (least, report)
        })?;
        if let Some(report) = &report
            && report.signature != signed
        {
            signed.clone_from(&report.signature);
            credit = sets::of_ids(m.defects(), report.credit.iter().map(|id| &**id));
            there = kept(out, &stem_of(kernel, &signed), &signed);
        }
        if there.is_none() {
            make_dir(&out.join(kernel))?;
            let text = text::print(m.grammar(), &least.program);
            // Only now is it known which program a file would have to hold.
            let stem = name_for(out, &stem_of(kernel, &signed), &signed, &text);
            let report = report.map_or_else(String::new, |r| r.to_string());
            write_program(out, &stem, &text, &report)?;
            note(&format!("{signed}: {}", out.join(format!("{stem}.ops")).display()));
            new = Some(stem);
        }
    }
    let is_new = new.is_some();
    let stem = new.or(there).expect("a program that is there, or a new one");
    let (ops, told) = (format!("{stem}.ops"), format!("{stem}.report"));
    let operations = Loaded::read(models, &out.join(&ops), None)?.program.ops.len();
    let finding = json!({
        "signature": signed,
        "credit": sets::names(m.defects(), credit),
        "operations": operations,
        "file": ops,
        "report": told,
        "new": is_new,
    });
    Ok((finding, credit))
}

/// What programs say about a kernel.
fn state(side: &Side) -> Value {
    let names = |set| sets::names(side.machine.defects(), set);
    json!({
        "kernel": side.machine.grammar().kernel,
        "defects": names(side.defects),
        "goals": names(side.left.goals()),
        "on": names(side.left.on()),
        "found": names(side.left.found()),
        "unfound": names(side.left.unfound()),
    })
}

fn line(told: &Value) -> String {
    let word = |key: &str| told[key].as_str().unwrap_or_default().to_string();
    let has = |key: &str| told.get(key).is_some();
    let what = match () {
        () if has("signature") => word("signature"),
        () if has("bug") => format!("the harness itself panicked: {}", word("bug")),
        () if has("skipped") => format!("of another kernel, {}", word("skipped")),
        () if has("error") => "cannot be looked at".to_string(),
        () => {
            let on: Vec<_> = told["defects"].as_array().into_iter().flatten().collect();
            let on: Vec<_> = on.iter().filter_map(|id| id.as_str()).collect();
            match on.len() {
                0 => "clean with defects none".to_string(),
                1..=4 => format!("clean with defects {}", on.join(" ")),
                n => format!("clean with {n} defects"),
            }
        }
    };
    format!("{}: {what}\n", word("file"))
}

fn summary(sides: &[Side]) -> String {
    let hunted = sides.iter().filter(|s| s.left.goals() != 0);
    let line = |s: &Side| {
        let words = |set| sets::display(s.machine.defects(), set);
        let kernel = s.machine.grammar().kernel;
        format!("{kernel}: found {}\n", words(s.left.found()))
            + &format!("{kernel}: not found {}\n", words(s.left.unfound()))
    };
    hunted.map(line).collect()
}
