//! `ifscrub minimize` and `ifscrub credit`: what one violation is about.

use super::file::{Loaded, STANDARD};
use super::output::{emit, emit_json, note, write_file};
use super::{AS_EXPECTED, CliError, Done};
use crate::hunt::round::guarded;
use crate::program::text;
use crate::stack::{Machine, Model};
use crate::triage::credit::{Credited, credit_of_books};
use crate::triage::minimize::minimize as shrink;
use crate::triage::replay::resolve;
use crate::triage::sets;
use crate::triage::signature::signature;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Shrink a program to the least that shows the same bug.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Signature and credit stay the same; under `stop kernel` the kernel's fault as well.

Examples:
  ifscrub minimize found.ops -o crashes/dragonfly-2007/c3.ops
  ifscrub minimize --defects as-reported crashes/ops/crash-0123")]
pub struct MinimizeArgs {
    /// Program file, text or bytes; - for stdin
    file: PathBuf,
    /// Defects to switch on instead of the header's: none, as-reported, or a list
    #[arg(long, value_name = "LIST")]
    defects: Option<String>,
    /// Where to write the result; stdout without it, or for -
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// The file holds bytes, whatever it looks like
    #[arg(long)]
    bytes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Say which defects a program's violation is due to.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ifscrub credit found.ops
  IFSCRUB_DEFECTS=as-reported ifscrub credit --json crashes/ops/crash-0123")]
pub struct CreditArgs {
    /// Program file, text or bytes; - for stdin
    file: PathBuf,
    /// Defects to switch on instead of the header's: none, as-reported, or a list
    #[arg(long, value_name = "LIST")]
    defects: Option<String>,
    /// The file holds bytes, whatever it looks like
    #[arg(long)]
    bytes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `minimize`.
pub fn minimize(models: &'static [Model], args: &MinimizeArgs) -> Done {
    let (mut m, c) = credited(models, &args.file, args.defects.as_deref(), args.bytes)?;
    let before = c.program.clone();
    let least = guarded(&mut *m, &before, |m| shrink(m, c))?;
    let printed = text::print(m.grammar(), &least.program);
    let output = args.output.as_ref().filter(|out| out.as_os_str() != STANDARD);
    if let Some(out) = output {
        write_file(out, printed.as_bytes())?;
    }
    let (from, to) = (before.ops.len(), least.program.ops.len());
    note(&format!("{}: {from} operations, now {to}", signature(&*m, &least)));
    if args.json {
        emit_json(&describe(&*m, &least))?;
    } else if output.is_none() {
        emit(printed)?;
    }
    Ok(AS_EXPECTED)
}

/// Runs `credit`.
pub fn credit(models: &'static [Model], args: &CreditArgs) -> Done {
    let (m, c) = credited(models, &args.file, args.defects.as_deref(), args.bytes)?;
    if args.json {
        emit_json(&describe(&*m, &c))?;
    } else {
        let words = |set| sets::display(m.defects(), set);
        emit(format!(
            "signature: {}\nrule:      {}\nneeded:    {}\ncredit:    {}\n",
            signature(&*m, &c),
            c.violation.rule.name,
            words(sets::mistakes(m.defects(), c.set)),
            words(c.credit)
        ))?;
    }
    Ok(AS_EXPECTED)
}

/// What programs say about a credited program.
pub fn describe(m: &dyn Machine, c: &Credited) -> serde_json::Value {
    json!({
        "signature": signature(m, c),
        "rule": c.violation.rule.name,
        "defects": sets::names(m.defects(), c.set),
        "credit": sets::names(m.defects(), c.credit),
        "operations": c.program.ops.len(),
        "waits_for": c.waits_for,
        "program": text::print(m.grammar(), &c.program),
    })
}

fn credited(
    models: &'static [Model],
    path: &Path,
    list: Option<&str>,
    force_bytes: bool,
) -> Result<(Box<dyn Machine>, Credited), CliError> {
    let loaded = Loaded::read(models, path, Some(force_bytes))?;
    loaded.note_odd();
    let mut m = loaded.machine();
    let defects = loaded.defects(&*m, list)?;
    let p = &loaded.program;
    let (unreached, c) = guarded(&mut *m, p, |m| {
        let unreached = resolve(m, p, defects.set, u8::MAX).1;
        (unreached, credit_of_books(m, p, defects.set))
    })?;
    loaded.unreached(&unreached, defects.own)?;
    let c = c.ok_or_else(|| {
        let words = sets::display(m.defects(), defects.set);
        CliError::path(path, format!("ends in no violation with defects {words}"))
            .help("switch on the defects it is about with --defects")
    })?;
    Ok((m, c))
}
