//! `ifscrub hunt`: looks for violations.

use super::file::{defect_list, pinned, unknown};
use super::output::{
    emit, emit_json, highlighted, kept, name_for, note, results_dir, write_program,
};
use super::triage::describe;
use super::{AS_EXPECTED, BAD_INPUT, CliError, Done, VIOLATION};
use crate::hunt::goals::{GOALS, Goal, pursue};
use crate::hunt::progress::Progress;
use crate::hunt::round::{Tally, guarded};
use crate::hunt::{Config, Finding, Hunt, Over};
use crate::program::generate::WALK;
use crate::program::text;
use crate::stack::{DefectSet, Machine, Model, as_reported};
use crate::triage::credit::Credited;
use crate::triage::minimize::minimize;
use crate::triage::report::report;
use crate::triage::sets;
use crate::triage::signature::{file_stem, signature};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to hunt when nothing is said.
const DEFAULT_TIME: Duration = Duration::from_secs(600);

/// The help below the options, for models of which nobody has reported a panic.
pub const OWN_AFTER_HELP: &str = "\
Without arguments, and without IFSCRUB_DEFECTS: go for all defects as reported.

With defects on, the exit code is 0 when every way in among them was found; with none, when
nothing was. Without --runs and --time it hunts for ten minutes. With --out, findings are
written after each round, so that a hunt may be ended at any moment; what is there already
stays.

Examples, ifscrub being this command:
  ifscrub hunt --defects as-reported --time 60s --out found
  ifscrub hunt --defects none --runs 1000000 --jobs 2 --json";

/// Hunt for violations with a seeded random walk.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without arguments, and without IFSCRUB_DEFECTS: go for the panics of the reports, with defects
as reported, stop when they are found, and print a minimized program and the report of each.

With defects on, the exit code is 0 when every way in among them was found; with none, when
nothing was. Without --runs and --time it hunts for ten minutes. With --out, findings are
written after each round, so that a hunt may be ended at any moment; what is there already
stays.

Examples:
  ifscrub hunt
  ifscrub hunt --defects as-reported --time 60s --out crashes/found
  ifscrub hunt --defects none --runs 1000000 --jobs 2
  ifscrub hunt --defects c3-ifioctl-rollback --seed 7 --json")]
pub struct Args {
    /// The kernel to hunt on [default: IFSCRUB_KERNEL, or the first that has the defects]
    #[arg(long, value_name = "KERNEL")]
    kernel: Option<String>,
    /// Defects that are on: none, as-reported, or a list [default: IFSCRUB_DEFECTS, or
    /// as-reported]
    #[arg(long, value_name = "LIST")]
    defects: Option<String>,
    /// Number of programs; with --reported it is looked at between rounds of 8192 programs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    runs: Option<u64>,
    /// How long: 500ms, 60s (or 60), 10m, 1h
    #[arg(long, value_parser = duration)]
    time: Option<Duration>,
    /// Seed of the walk [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Threads [default: one per CPU]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Folder for NAME.ops and NAME.report of every finding
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go for the panics of the reports, as without arguments, whatever IFSCRUB_DEFECTS says
    #[arg(long, conflicts_with = "defects")]
    reported: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn hunt(models: &'static [Model], args: &Args) -> Done {
    if let Some(out) = &args.out {
        results_dir(out)?;
    }
    let bare = args.kernel.is_none()
        && defect_list(args.defects.as_deref())?.is_none()
        && args.runs.is_none()
        && args.time.is_none()
        && args.seed.is_none()
        && args.jobs.is_none()
        && args.out.is_none();
    // A stack without reported panics has nothing to go for but its defects.
    let goals = || goals(models).next().is_some();
    if args.reported || bare && goals() { reported(models, args) } else { walk(models, args) }
}

fn config(args: &Args, defects: DefectSet) -> Config {
    let time = args.time.or(args.runs.is_none().then_some(DEFAULT_TIME));
    Config {
        defects,
        runs: args.runs,
        time,
        seed: args.seed.unwrap_or(1),
        jobs: super::jobs(args.jobs),
        ..Config::default()
    }
}

/// The kernel to hunt on, and the defects that are on: those of the command line, else of
/// the environment.
fn chosen(models: &'static [Model], args: &Args) -> Result<(&'static Model, DefectSet), CliError> {
    let given = defect_list(args.defects.as_deref())?;
    let (place, list) = given.unwrap_or_else(|| ("--defects", "as-reported".to_string()));
    let set = |model: &Model| sets::parse(model.machine().defects(), &list);
    let model = match pinned(models, args.kernel.as_deref())? {
        Some(model) => model,
        None => models.iter().find(|model| set(model).is_ok()).unwrap_or(&models[0]),
    };
    Ok((model, set(model).map_err(|e| unknown(models, place, e))?))
}

fn walk(models: &'static [Model], args: &Args) -> Done {
    let (model, defects) = chosen(models, args)?;
    let make = || model.machine();
    let mut m = make();
    let goals = sets::goals(m.defects(), defects);
    let cfg = config(args, defects);
    let progress = Progress::stderr();
    let mut hunt = Hunt::new(cfg.clone(), &make);
    let mut findings: Vec<Finding> = Vec::new();
    // What went wrong with a file, which has been told; the hunt goes on, and prints what it
    // has found.
    let mut unwritten = false;
    let over = loop {
        let over = hunt.step(&progress)?;
        for mut f in hunt.findings[findings.len()..].iter().cloned() {
            let (p, c) = (f.credited.program.clone(), f.credited.clone());
            f.credited = guarded(&mut *m, &p, |m| minimize(m, c))?;
            if let Some(out) = &args.out
                && let Err(e) = write_finding(&mut *m, out, &file_stem(&f.signature), &f.credited)
            {
                note(&format!("ifscrub: {e}"));
                unwritten = true;
            }
            findings.push(f);
        }
        if over != Over::NotYet {
            break over;
        }
    };
    progress.clear();
    let (seconds, unfound) = (hunt.seconds(), hunt.unfound());
    let tally = hunt.tally.clone();
    // What was not looked for is not missing.
    let nothing_run = tally.executions == 0;
    let as_expected = !nothing_run && if goals == 0 { findings.is_empty() } else { unfound == 0 };
    if args.json {
        let mut json = numbers(&tally, seconds);
        json["kernel"] = json!(m.grammar().kernel);
        json["seed"] = json!(cfg.seed);
        json["walk"] = json!(WALK);
        json["defects"] = json!(sets::names(m.defects(), defects));
        json["findings"] = findings.iter().map(|f| finding_json(&*m, f)).collect();
        json["unfound"] = json!(sets::names(m.defects(), unfound));
        json["as_expected"] = json!(as_expected);
        emit_json(&json)?;
    } else {
        emit(summary(&*m, goals, &findings, unfound, &tally, seconds, over))?;
    }
    if nothing_run {
        let problem = "was over before the first round of programs: nothing was run";
        return Err(CliError::new("--time", problem).help("give it more time, or --runs"));
    }
    Ok(match as_expected {
        _ if unwritten => BAD_INPUT,
        true => AS_EXPECTED,
        false => VIOLATION,
    })
}

fn summary(
    m: &dyn Machine,
    goals: DefectSet,
    findings: &[Finding],
    unfound: DefectSet,
    tally: &Tally,
    seconds: f64,
    over: Over,
) -> String {
    let mut out = String::new();
    for f in findings {
        out += &format!(
            "{}\n  program {}, after {} programs, {:.1} s; {}\n",
            f.signature, f.index, f.executions, f.seconds, f.credited.violation.rule.name,
        );
        for line in text::print(m.grammar(), &f.credited.program).lines() {
            out += &format!("    {line}\n");
        }
    }
    out += &format!(
        "{}: {} programs in {seconds:.1} s ({:.0} a second), {} operations; {}\n",
        m.grammar().kernel,
        tally.executions,
        tally.executions as f64 / seconds.max(0.001),
        tally.ops,
        match over {
            Over::AllFound => "ended when every defect was found",
            Over::Runs => "ended by --runs",
            Over::Time | Over::NotYet => "ended by time",
        }
    );
    out += &format!(
        "operations that succeed: {:.1} %, that change the state: {:.1} %; preemptions {}, faults {}, refused {}\n",
        tally.ok_percent(),
        tally.changed_percent(),
        tally.preempted,
        tally.injected,
        tally.refused
    );
    if tally.exhausted != 0 {
        out += &format!("runs that used up the model's memory: {}\n", tally.exhausted);
    }
    out + &match (goals, unfound) {
        _ if tally.executions == 0 => "nothing was run\n".to_string(),
        (0, _) if findings.is_empty() => "nothing found, as it should be\n".to_string(),
        (0, _) => format!("found {} signatures although no way in is on\n", findings.len()),
        (_, 0) => "every defect was found\n".to_string(),
        _ => format!("not found: {}\n", sets::display(m.defects(), unfound)),
    }
}

fn numbers(tally: &Tally, seconds: f64) -> Value {
    json!({
        "executions": tally.executions,
        "seconds": seconds,
        "operations": tally.ops,
        "ok_percent": tally.ok_percent(),
        "changed_percent": tally.changed_percent(),
        "preempted": tally.preempted,
        "injected": tally.injected,
        "refused": tally.refused,
        "warnings": tally.warnings,
        "exhausted": tally.exhausted,
        "violations": tally.violations,
    })
}

fn finding_json(m: &dyn Machine, f: &Finding) -> Value {
    let mut json = describe(m, &f.credited);
    json["index"] = json!(f.index);
    json["executions"] = json!(f.executions);
    json["seconds"] = json!(f.seconds);
    json
}

/// Writes a program and its report, unless one of its signature is there.
fn write_finding(
    m: &mut dyn Machine,
    out: &Path,
    stem: &str,
    c: &Credited,
) -> Result<(), CliError> {
    // The least program may give the credit to fewer than what it was made of.
    let signature = signature(m, c);
    if let Some(name) = kept(out, stem, &signature) {
        let place = out.join(format!("{name}.ops"));
        note(&format!("{}: is there already and stays", place.display()));
        return Ok(());
    }
    let (program, report) = shown(m, c)?;
    write_program(out, &name_for(out, stem, &signature, &program), &program, &report)
}

/// The text of a program and its report.
fn shown(m: &mut dyn Machine, c: &Credited) -> Result<(String, String), CliError> {
    let report = guarded(m, &c.program, |m| report(m, &c.program, c.set))?;
    let report = report.map_or_else(String::new, |r| r.to_string());
    Ok((text::print(m.grammar(), &c.program), report))
}

/// The panics of the reports about these kernels.
pub fn goals(models: &[Model]) -> impl Iterator<Item = (&'static Goal, &Model)> {
    let model = |goal: &Goal| models.iter().find(|m| m.grammar().kernel == goal.kernel);
    GOALS.iter().filter_map(move |goal| Some((goal, model(goal)?)))
}

/// Goes for the panics of the reports.
fn reported(models: &'static [Model], args: &Args) -> Done {
    let progress = Progress::stderr();
    let only = pinned(models, args.kernel.as_deref())?.map(|model| model.grammar().kernel);
    let mut all = Vec::new();
    let mut missed = 0;
    for (goal, model) in goals(models).filter(|(g, _)| only.is_none_or(|k| k == g.kernel)) {
        let (code, json) = one_panic(args, goal, model, &progress)?;
        missed = missed.max(code);
        all.push(json);
    }
    if all.is_empty() {
        let problem = "no report of a panic is known for this kernel";
        return Err(CliError::new("--reported", problem).help("hunt with --defects"));
    }
    if args.json {
        emit_json(&json!(all))?;
    }
    Ok(missed)
}

fn one_panic(
    args: &Args,
    goal: &Goal,
    model: &Model,
    progress: &Progress,
) -> Result<(u8, Value), CliError> {
    let make = || model.machine();
    let mut m = make();
    progress.say(&format!("{}: {}", goal.name, goal.reported));
    let cfg = config(args, as_reported(m.defects()));
    let reached = pursue(goal, cfg, &make, progress)?;
    progress.clear();
    let Some(r) = reached else {
        let line = format!("{}: not reached\n", goal.name);
        if !args.json {
            emit(line)?;
        }
        return Ok((VIOLATION, json!({ "goal": goal.name, "reached": false, "walk": WALK })));
    };
    let (program, report) = shown(&mut *m, &r.credited)?;
    if !args.json {
        emit(format!(
            "{}: reached after {} programs, {:.1} s\n\n{program}\n{}",
            goal.name,
            r.executions,
            r.seconds,
            highlighted(&report)
        ))?;
    }
    if let Some(out) = &args.out {
        write_finding(&mut *m, out, goal.name, &r.credited)?;
    }
    let mut json = describe(&*m, &r.credited);
    json["goal"] = json!(goal.name);
    json["reached"] = json!(true);
    json["walk"] = json!(WALK);
    json["executions"] = json!(r.executions);
    json["seconds"] = json!(r.seconds);
    json["report"] = json!(report);
    Ok((AS_EXPECTED, json))
}

/// `500ms`, `60s`, `10m`, `1h`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number
        .parse()
        .map_err(|_| format!("`{text}` is no time; write it as 500ms, 60s, 10m, 1h"))?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "" | "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => return Err(format!("`{unit}` is no unit; there are ms, s, m and h")),
    };
    match milliseconds {
        Some(0) => Err("that is no time at all".to_string()),
        Some(ms) => Ok(Duration::from_millis(ms)),
        None => Err("that is too long".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::MODELS;

    #[test]
    fn every_goal_is_about_a_kernel_that_there_is() {
        assert_eq!(goals(MODELS).count(), GOALS.len());
        assert_eq!(goals(&[]).count(), 0);
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("60s"), duration("1m"));
        assert_eq!(duration("90"), duration("90s"));
        assert!(duration("10 parsecs").is_err() && duration("s").is_err());
        assert!(duration("99999999999999999999h").is_err() && duration("0s").is_err());
    }
}
