//! `ifscrub corpus`: what is to be done with the folders that guided engines grow.

use super::file::{Loaded, STANDARD, kernel, remedy, unreadable};
use super::output::{emit, emit_binary, emit_json, make_dir, note, write_file};
use super::{AS_EXPECTED, BAD_INPUT, CliError, Done, VIOLATION, convert};
use crate::corpus::import::check;
use crate::corpus::merge::{MergeError, SEED, merge};
use crate::corpus::reach::{PointReach, Reach, errno_word, reach};
use crate::corpus::{files, free_name, zip};
use crate::program::Program;
use crate::program::bytes::{Decoder, kernel_byte};
use crate::program::text::{TextKind, looks_like_text};
use crate::stack::{Machine, Model, as_reported};
use crate::status::words::wrapped;
use crate::triage::sets;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Merge, pack, import a corpus, and say what it reaches.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each has --help with examples, and --json.

Examples:
  ifscrub corpus reach corpus/ops
  ifscrub corpus merge corpus/ops from-elsewhere
  ifscrub corpus zip corpus/ops -o ops_seed_corpus.zip
  ifscrub corpus import from-elsewhere --into corpus/ops")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Merge(MergeArgs),
    Zip(ZipArgs),
    Import(ImportArgs),
    Reach(ReachArgs),
}

/// Leave the least corpus with the same features, by libFuzzer's own merge.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The merged corpus takes the place of the first folder in one step; the other folders are
only read. Files called seed-* stay. Killed at any moment, nothing is lost: what is left
beside the corpus comes along with the next merge. A campaign may run meanwhile: copies of
what is there at the beginning are merged, and what comes later is kept. That takes room for
all programs twice. On any doubt whether the target has done all of it, nothing is changed.

The target runs all kernels with all defects off; a program that violates a rule then goes
to --artifacts, and the exit code is 1.

Examples:
  ifscrub corpus merge corpus/ops
  ifscrub corpus merge corpus/ops downloaded --target out/ops --json")]
struct MergeArgs {
    /// Folder of the corpus
    corpus: PathBuf,
    /// More folders of programs
    more: Vec<PathBuf>,
    /// The fuzz target, as scripts/fuzz builds it
    #[arg(long, value_name = "FILE", default_value = "fuzz/target/plain/ops")]
    target: PathBuf,
    /// Where programs go that violate a rule
    #[arg(long, value_name = "DIR", default_value = "crashes/ops")]
    artifacts: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Pack the programs of folders into a zip archive, as fuzzing services take seeds.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The archive is flat and the same for the same files. Of equal programs the first is packed.
What `corpus import` would refuse is left out, file by file, with the reason, and the exit
code is 2 then; text as well, because the archive holds byte programs only.

Examples:
  ifscrub corpus zip corpus/ops -o ops_seed_corpus.zip
  ifscrub corpus zip --kernel freebsd-14 corpus/ops -o ops_freebsd_14_seed_corpus.zip")]
struct ZipArgs {
    /// Folders of byte programs
    #[arg(required = true)]
    folders: Vec<PathBuf>,
    /// The archive; - for stdout
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Only programs of this kernel
    #[arg(long, value_name = "KERNEL")]
    kernel: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Take programs from elsewhere into a corpus: text, and bytes that are whole programs here.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Byte 0 of a byte program and the first line of a text tell the format version; there is only
version 1 so far. Text becomes bytes. Bytes are taken if every one of them says something in
today's grammar; what is torn, of another version, or of a grammar that this ifscrub does not have
is refused, file by file, with the reason. Exit code 2 when anything was refused.

Verbs and arguments of bytes mean what they meant. Where an operation is preempted or fails does
not for ever: bytes count yield points and fallible calls, and a change of the models between
then and now moves them, which no byte tells. It is a program all the same, for engines to begin
with; for one that has to keep its meaning use text, which names the points.

Examples:
  ifscrub corpus import downloaded --into corpus/ops
  ifscrub corpus import crashes/*/*.ops --into corpus/ops --json")]
struct ImportArgs {
    /// Files, or folders of files
    #[arg(required = true)]
    from: Vec<PathBuf>,
    /// The corpus
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Say what a corpus reaches: verbs, yield points, faults, defects.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every program is run with all defects off and with those that were reported. Defects are
credited in rounds: what a round credits is off in the next, unless one that is on needs it.
The numbers of a point are how often it was passed, and how often an operation was parked
there or the call failed.

Exit code 1 when a program violates a rule with all defects off, 2 when a file is no program:
it is told and left out.

Examples:
  ifscrub corpus reach corpus/ops
  ifscrub corpus reach corpus/text
  ifscrub corpus reach --kernel freebsd-14 corpus/ops --json | jq '.[0].yield_points[].name'")]
struct ReachArgs {
    /// Folders of programs, bytes or text, or files
    #[arg(required = true)]
    from: Vec<PathBuf>,
    /// Only programs of this kernel
    #[arg(long, value_name = "KERNEL")]
    kernel: Option<String>,
    /// Leave out which defects are credited, which takes the longest
    #[arg(long)]
    no_credit: bool,
    /// The files hold bytes, whatever they look like
    #[arg(long)]
    bytes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn corpus(models: &'static [Model], args: &Args) -> Done {
    match &args.command {
        Command::Merge(args) => run_merge(models, args),
        Command::Zip(args) => run_zip(models, args),
        Command::Import(args) => run_import(models, args),
        Command::Reach(args) => run_reach(models, args),
    }
}

fn run_merge(models: &'static [Model], args: &MergeArgs) -> Done {
    if !args.target.is_file() {
        let remedy = "build it with `cargo build --profile plain --manifest-path fuzz/Cargo.toml \
             --target-dir fuzz/target --bin ops` in this project, or name it with --target";
        return Err(CliError::path(&args.target, "is no fuzz target").help(remedy));
    }
    let target = fs::canonicalize(&args.target).map_err(|e| unreadable(&args.target, &e))?;
    for folder in &args.more {
        listed(folder)?;
    }
    let kernels: Vec<u8> = models.iter().map(|m| m.grammar().id).collect();
    let done = merge(&target, &args.corpus, &args.more, &args.artifacts, &kernels);
    let done = done.map_err(|e| {
        let remedy = match &e {
            MergeError::Running => "wait until it has ended; the corpus is as it was",
            MergeError::Dropped { .. } => {
                "use the target of all kernels: this one is pinned to another, or older than \
                 the corpus; the corpus is as it was"
            }
            MergeError::Target { .. } => "nothing was changed; name a working target with --target",
            MergeError::Incomplete(_) => {
                "make room, on the disk and in memory; the corpus is as it was"
            }
            MergeError::Io { error, .. } => match error.kind() {
                ErrorKind::NotFound => "name the folder of a corpus",
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                    "make room; the corpus is as it was"
                }
                _ => "the corpus is as it was",
            },
        };
        CliError::path(&args.corpus, format!("cannot be merged: {e}")).help(remedy)
    })?;
    if done.unknown > 0 {
        let corpus = args.corpus.display();
        note(&format!("{corpus}: {} programs named no kernel and are gone", done.unknown));
    }
    if let Some(why) = &done.left_behind {
        note(&format!("merged, but not cleared away: {why}; the next merge takes it along"));
    }
    let (before, after) = (done.before, done.after);
    if args.json {
        emit_json(&json!({
            "corpus": args.corpus.display().to_string(),
            "before": { "files": before.0, "bytes": before.1 },
            "after": { "files": after.0, "bytes": after.1 },
            "seeds": done.seeds,
            "unknown": done.unknown,
            "left_behind": done.left_behind,
            "violations": done.violations,
        }))?;
    } else {
        emit(format!(
            "{}: {} files, {} bytes, now {} files, {} bytes\n",
            args.corpus.display(),
            before.0,
            before.1,
            after.0,
            after.1
        ))?;
        for file in &done.violations {
            emit(format!("{}: violates a rule with all defects off\n", file.display()))?;
        }
    }
    Ok(if done.violations.is_empty() { AS_EXPECTED } else { VIOLATION })
}

/// The files of a folder.
fn listed(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    files(folder).map_err(|e| {
        CliError::path(folder, format!("cannot be listed: {e}")).help("name a folder of programs")
    })
}

/// The files named, and those of the folders named.
fn all_files(from: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut all = Vec::new();
    for path in from {
        match path.is_dir() {
            true => all.extend(listed(path)?),
            false => all.push(path.clone()),
        }
    }
    Ok(all)
}

fn run_zip(models: &'static [Model], args: &ZipArgs) -> Done {
    let only = args.kernel.as_deref().map(|k| kernel(models, k)).transpose()?;
    let mut packed: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut contents = BTreeSet::new();
    let decoder = Decoder::new(&Model::grammars(models));
    let to_stdout = args.output.as_os_str() == STANDARD;
    if to_stdout && args.json {
        let problem = "both the archive and the JSON would go to stdout";
        return Err(CliError::new("--output -", problem).help("name a file for the archive"));
    }
    // An earlier one may be in a folder that is packed.
    let own_output = fs::canonicalize(&args.output).ok();
    let mut left_out = Vec::new();
    for folder in &args.folders {
        for path in listed(folder)? {
            if own_output.is_some() && fs::canonicalize(&path).ok() == own_output {
                note(&format!("{}: is the archive itself, and left out", path.display()));
                continue;
            }
            let data = fs::read(&path).map_err(|e| unreadable(&path, &e))?;
            let packable = match looks_like_text(&data) {
                TextKind::Bytes => check(&decoder, &data).map_err(|e| {
                    let remedy = remedy(&e);
                    CliError::path(&path, e).help(remedy)
                }),
                _ => Err(CliError::path(&path, "is text, not a byte program")
                    .help("convert it with `ifscrub corpus import`")),
            };
            if let Err(e) = packable {
                note(&format!("ifscrub: {e}"));
                left_out.push(json!({ "file": path.display().to_string(), "why": e.to_string() }));
                continue;
            }
            let own = |model: &Model| kernel_byte(&data) == Some(model.grammar().id);
            if only.is_some_and(|model| !own(model)) || !contents.insert(data.clone()) {
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if packed.contains_key(&name) {
                let problem = "has the name of another file, and other contents";
                return Err(CliError::path(&path, problem).help("rename one of them"));
            }
            packed.insert(name, data);
        }
    }
    if packed.is_empty() {
        let problem = "hold no program that is to be packed";
        let folders: Vec<_> = args.folders.iter().map(|f| f.display().to_string()).collect();
        return Err(CliError::new(folders.join(" "), problem).help("name other folders"));
    }
    let archive = zip::archive(&packed).map_err(|e| {
        CliError::path(&args.output, e).help("merge the corpus first: `ifscrub corpus merge`")
    })?;
    match to_stdout {
        true => emit_binary(&archive)?,
        false => write_file(&args.output, &archive)?,
    }
    if args.json {
        let names: Vec<_> = packed.keys().collect();
        emit_json(&json!({
            "archive": args.output.display().to_string(),
            "bytes": archive.len(),
            "programs": names,
            "left_out": left_out,
        }))?;
    } else {
        let (n, out) = (packed.len(), left_out.len());
        note(&format!("{}: {n} programs, {out} files left out", args.output.display()));
    }
    Ok(if left_out.is_empty() { AS_EXPECTED } else { BAD_INPUT })
}

fn run_import(models: &'static [Model], args: &ImportArgs) -> Done {
    let from = all_files(&args.from)?;
    make_dir(&args.into)?;
    let files = listed(&args.into)?;
    let mut there: BTreeSet<_> = files.iter().filter_map(|path| fs::read(path).ok()).collect();
    let (mut taken, mut known, mut refused) = (Vec::new(), 0, Vec::new());
    for path in &from {
        let data = match program_bytes(models, path) {
            Ok(data) => data,
            Err(e @ CliError::Harness(_)) => return Err(e),
            Err(e) => {
                note(&format!("ifscrub: {e}"));
                refused.push(json!({ "file": path.display().to_string(), "why": e.to_string() }));
                continue;
            }
        };
        if there.contains(&data) {
            known += 1;
            continue;
        }
        let out = free_place(&args.into, path);
        write_file(&out, &data)?;
        taken.push(out.display().to_string());
        there.insert(data);
    }
    let (n, r) = (taken.len(), refused.len());
    if args.json {
        emit_json(&json!({ "taken": taken, "already_there": known, "refused": refused }))?;
    } else {
        let into = args.into.display();
        emit(format!("{into}: {n} taken, {known} already there, {r} refused\n"))?;
    }
    Ok(if refused.is_empty() { AS_EXPECTED } else { BAD_INPUT })
}

/// The bytes of a program file, which mean here what they meant where it was written.
fn program_bytes(models: &'static [Model], path: &Path) -> Result<Vec<u8>, CliError> {
    let loaded = Loaded::read(models, path, None)?;
    if loaded.is_text {
        let set = loaded.of_header(&*loaded.machine())?;
        return Ok(convert::resolve_all(&loaded, set.unwrap_or(0))?.1);
    }
    match loaded.odd {
        Some(odd) => {
            let remedy = remedy(&odd);
            Err(CliError::path(path, odd).help(remedy))
        }
        None => Ok(loaded.bytes),
    }
}

/// A place in the corpus that no file has, by the name of the file. What comes from elsewhere
/// is no reviewed seed, whatever it was there.
fn free_place(into: &Path, path: &Path) -> PathBuf {
    let name = match path.as_os_str() == STANDARD {
        true => "stdin".into(),
        false => path.file_name().unwrap_or_default().to_string_lossy(),
    };
    let stem = name.strip_suffix(".ops").unwrap_or(&name);
    let stem = stem.strip_prefix(SEED).unwrap_or(stem);
    free_name(into, stem.as_ref())
}

fn run_reach(models: &'static [Model], args: &ReachArgs) -> Done {
    let only = args.kernel.as_deref().map(|k| kernel(models, k)).transpose()?;
    let mut all: BTreeMap<u8, (Vec<Program>, Vec<PathBuf>)> = BTreeMap::new();
    let mut code = AS_EXPECTED;
    for path in all_files(&args.from)? {
        let loaded = match Loaded::read(models, &path, Some(args.bytes)) {
            Ok(loaded) => loaded,
            // A bad file does not keep the others from being counted.
            Err(e) => {
                note(&format!("ifscrub: {e}"));
                code = BAD_INPUT;
                continue;
            }
        };
        let id = loaded.program.header.kernel;
        if only.is_none_or(|model| model.grammar().id == id) {
            let (programs, paths) = all.entry(id).or_default();
            programs.push(loaded.program);
            paths.push(path);
        }
    }
    if all.is_empty() && code == AS_EXPECTED {
        let folders: Vec<_> = args.from.iter().map(|f| f.display().to_string()).collect();
        let problem = "hold no program to run";
        return Err(CliError::new(folders.join(" "), problem).help("name other folders"));
    }
    let mut values = Vec::new();
    for (id, (programs, paths)) in &all {
        let model = Model::with_id(models, *id).expect("a program that was read has a kernel");
        let mut m = model.machine();
        let r = reach(&mut *m, programs, !args.no_credit)?;
        for i in &r.violating {
            note(&format!("{}: violates a rule with all defects off", paths[*i].display()));
            code = code.max(VIOLATION);
        }
        match args.json {
            true => values.push(r.to_json(&*m)),
            false => emit(print(&*m, &r))?,
        }
    }
    if args.json {
        emit_json(&json!(values))?;
    }
    Ok(code)
}

/// What programs of a kernel reach, for people.
fn print(m: &dyn Machine, r: &Reach) -> String {
    let grammar = m.grammar();
    let mut out = format!(
        "{}: {} programs, {} operations, {} different states in the end\n",
        grammar.kernel,
        r.programs,
        r.operations,
        r.states.len()
    );
    let used = grammar.verbs.iter().filter(|v| r.verbs.contains_key(&v.code));
    out += &format!("\nverbs: {} of {}\n", used.clone().count(), grammar.verbs.len());
    let width = grammar.verbs.iter().map(|v| v.name.len()).max().unwrap_or(0);
    for v in used {
        let own = &r.verbs[&v.code];
        let results = own.results.iter().map(|(e, n)| format!("{} {n}", errno_word(*e)));
        let results = results.collect::<Vec<_>>().join(", ");
        out += &format!("  {:width$} {:>8}  {results}\n", v.name, own.issued);
    }
    let unused = grammar.verbs.iter().filter(|v| !r.verbs.contains_key(&v.code));
    out += &listed_words("not used", unused.map(|v| v.name));

    let points = |title: &str, what: &str, points: &BTreeMap<&str, PointReach>| {
        let disturbed = points.values().filter(|p| p.disturbed > 0).count();
        let mut out = format!("\n{title}: {} passed, {disturbed} {what}\n", points.len());
        let width = points.keys().map(|n| n.len()).max().unwrap_or(0);
        for (name, p) in points {
            out += &format!("  {name:width$} {:>8} {:>8}\n", p.passed, p.disturbed);
        }
        out
    };
    out += &points("yield points", "with an operation parked there", &r.yields);
    out += &points("fallible calls", "that failed", &r.calls);

    if r.exhausted > 0 {
        out += &format!(
            "\n{} runs with no defect or all reported ones on used up the model's memory\n",
            r.exhausted
        );
    }
    if !r.judged {
        return out + "\n";
    }
    let all = as_reported(m.defects());
    let id = |d: usize| m.defects()[d].id;
    out += &format!(
        "\ndefects: {} of {} credited\n",
        sets::members(all).filter(|d| r.credited.contains_key(d)).count(),
        all.count_ones()
    );
    let credited = sets::members(all).filter(|d| r.credited.contains_key(d));
    out += &listed_words("credited", credited.map(id));
    let bare = |d: &usize| !r.credited.contains_key(d);
    let reached = sets::members(all & r.reached).filter(bare);
    out += &listed_words("line reached, no credit", reached.map(id));
    let missed = sets::members(all & !r.reached).filter(bare);
    out += &listed_words("not reached", missed.map(id));
    out += &listed_words("findings without credit", r.others.iter().map(String::as_str));
    out + "\n"
}

/// A list on lines of at most 96 columns; nothing when it is empty.
fn listed_words<'a>(title: &str, words: impl Iterator<Item = &'a str>) -> String {
    let lines = wrapped(&format!("  {title}:"), "   ", words, 96);
    lines.iter().map(|line| format!("{line}\n")).collect()
}
