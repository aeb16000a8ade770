//! `ifscrub convert`: from text to bytes and back.
//!
//! Bytes hold ordinals, text holds names: converting runs the program. Bytes hold no
//! defects, so whoever converts them says which ones the names are read under.

use super::file::{Loaded, STANDARD};
use super::output::{emit, emit_binary, emit_json, note, write_file};
use super::{AS_EXPECTED, CliError, Done};
use crate::hunt::round::guarded;
use crate::program::{bytes, text};
use crate::stack::{DefectSet, Model};
use crate::triage::replay::{name_points, resolve};
use crate::triage::sets;
use clap::ValueEnum;
use serde_json::json;
use std::path::PathBuf;

/// Convert a program from text to bytes or back.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Bytes hold no defects: give them with --defects or IFSCRUB_DEFECTS when going back to text.

Examples:
  ifscrub convert x.ops -o corpus/ops/seed-x
  ifscrub convert crashes/ops/crash-0123 --defects as-reported")]
pub struct Args {
    /// Program file, text or bytes; - for stdin
    file: PathBuf,
    /// The form wanted; the other one without it
    #[arg(long, value_enum)]
    to: Option<Form>,
    /// Defects under which names are read, instead of the header's
    #[arg(long, value_name = "LIST")]
    defects: Option<String>,
    /// Where to write the result; stdout without it, or for -
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// The file holds bytes, whatever it looks like
    #[arg(long)]
    bytes: bool,
    /// Print JSON: the text, and the bytes as numbers
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// One operation a line, with names
    Text,
    /// Records of eight bytes, with ordinals
    Bytes,
}

/// Runs the command.
pub fn convert(models: &'static [Model], args: &Args) -> Done {
    let loaded = Loaded::read(models, &args.file, Some(args.bytes))?;
    loaded.note_odd();
    let mut m = loaded.machine();
    let defects = loaded.defects(&*m, args.defects.as_deref())?;
    let p = &loaded.program;
    let other = if loaded.is_text { Form::Bytes } else { Form::Text };
    let to = args.to.unwrap_or(other);

    let as_bytes = || -> Result<_, CliError> { Ok(resolve_all(&loaded, defects.set)?.1) };
    let mut named = guarded(&mut *m, p, |m| name_points(m, p, defects.set))?;
    if defects.given {
        let names = sets::names(m.defects(), defects.set).into_iter().map(str::to_string);
        named.header.defects = Some(names.collect());
    }
    let as_text = text::print(m.grammar(), &named);
    if args.json {
        let bytes = as_bytes()?;
        emit_json(
            &json!({ "file": args.file.display().to_string(), "text": as_text, "bytes": bytes }),
        )?;
        return Ok(AS_EXPECTED);
    }
    let result = match to {
        Form::Text => as_text.into_bytes(),
        Form::Bytes => {
            if defects.set != 0 {
                let words = sets::display(m.defects(), defects.set);
                note(&format!("note: bytes hold no defects; these were on: {words}"));
            }
            as_bytes()?
        }
    };
    match &args.output {
        Some(out) if out.as_os_str() != STANDARD => write_file(out, &result)?,
        None | Some(_) if to == Form::Bytes => emit_binary(&result)?,
        None | Some(_) => emit(result)?,
    }
    Ok(AS_EXPECTED)
}

/// The program with ordinals only, and its bytes.
pub fn resolve_all(
    loaded: &Loaded,
    defects: DefectSet,
) -> Result<(crate::program::Program, Vec<u8>), CliError> {
    let mut m = loaded.machine();
    let p = &loaded.program;
    let (resolved, unreached) = guarded(&mut *m, p, |m| {
        let limit = m.grammar().max_preempt_at;
        resolve(m, p, defects, limit)
    })?;
    loaded.unreached(&unreached, true)?;
    let bytes = bytes::encode(&resolved).map_err(|e| CliError::path(&loaded.path, e))?;
    Ok((resolved, bytes))
}
