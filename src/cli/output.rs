//! Where output goes: stdout, stderr, and files that appear whole or not at all.

use super::CliError;
use std::fs;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;

/// Writes results to stdout. A reader that went away is no error.
pub fn emit(bytes: impl AsRef<[u8]>) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes.as_ref()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(CliError::new("stdout", e)),
        _ => Ok(()),
    }
}

/// Writes a JSON value to stdout.
pub fn emit_json(value: &serde_json::Value) -> Result<(), CliError> {
    emit(format!("{value:#}\n"))
}

/// Writes bytes to stdout, unless somebody would have to read them.
pub fn emit_binary(bytes: &[u8]) -> Result<(), CliError> {
    if io::stdout().is_terminal() {
        let problem = "is a terminal, and no place for bytes";
        return Err(CliError::new("stdout", problem).help("name a file with -o"));
    }
    emit(bytes)
}

/// Says something on stderr; if nobody listens, so be it.
pub fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Whether stdout is a terminal whose user has nothing against bold and coloured words.
pub fn styled() -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() && !dumb
}

/// A report for stdout: on a terminal its first line stands out.
pub fn highlighted(report: &str) -> String {
    match report.split_once('\n') {
        Some((first, rest)) if styled() => format!("\x1b[1;31m{first}\x1b[0m\n{rest}"),
        _ => report.to_string(),
    }
}

/// Writes a file beside its place and moves it there when it is complete.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let Some(name) = path.file_name() else {
        return Err(CliError::path(path, "is no file name").help("name a file to write"));
    };
    if path.is_dir() {
        return Err(CliError::path(path, "is a folder").help("name a file in it"));
    }
    // A device or a pipe cannot be replaced, and must not be.
    let in_place = path.exists() && !path.is_file();
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(temporary);
    let written = match in_place {
        true => fs::OpenOptions::new().write(true).open(path).and_then(|mut f| f.write_all(bytes)),
        false => write_all(&temporary, bytes).and_then(|()| fs::rename(&temporary, path)),
    };
    written.map_err(|e| {
        // What is left of it would only be in the way.
        if !in_place {
            let _ = fs::remove_file(&temporary);
        }
        let remedy = match e.kind() {
            ErrorKind::NotFound => "create the folder first",
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                "choose a folder that you may write to"
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room, or write elsewhere",
            _ => "nothing was written; try another place",
        };
        CliError::path(path, format!("cannot be written: {e}")).help(remedy)
    })
}

/// Writes the text of a program, and its report beside it. The report comes last: who sees
/// one knows that the program is there.
pub fn write_program(
    folder: &Path,
    stem: &str,
    program: &str,
    report: &str,
) -> Result<(), CliError> {
    write_file(&folder.join(format!("{stem}.ops")), program.as_bytes())?;
    write_file(&folder.join(format!("{stem}.report")), report.as_bytes())
}

fn write_all(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    // A full disk may show only here.
    file.sync_all()
}

/// Makes a folder for results.
pub fn make_dir(path: &Path) -> Result<(), CliError> {
    fs::create_dir_all(path).map_err(|e| {
        CliError::path(path, format!("cannot be made a folder: {e}"))
            .help("choose a folder that exists or can be created")
    })
}

/// Makes a folder for results, and tries whether files can be written there: before the
/// work, not after it.
pub fn results_dir(path: &Path) -> Result<(), CliError> {
    make_dir(path)?;
    // Others may be at the same; one that was killed here is in nobody's way.
    let trial = path.join(format!(".trial.{}", std::process::id()));
    let tried = write_all(&trial, b"whether files can be written here\n");
    let _ = fs::remove_file(&trial);
    tried.map_err(|e| {
        let remedy = match e.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room, or write elsewhere",
            _ => "choose a folder that you may write to",
        };
        CliError::path(path, format!("no file can be written there: {e}")).help(remedy)
    })
}

/// What is there of a program and its report.
struct There {
    name: String,
    program: Option<Vec<u8>>,
    report: Option<Vec<u8>>,
}

impl There {
    fn has_signature(&self, signature: &str) -> bool {
        let report = String::from_utf8_lossy(self.report.as_deref().unwrap_or_default());
        report.lines().any(|line| line.strip_prefix("signature: ") == Some(signature))
    }
}

/// What is there under a name, and under the same with a number, up to the first name that
/// nothing has, which is the last one here.
fn there<'a>(out: &'a Path, stem: &'a str) -> impl Iterator<Item = There> + 'a {
    let mut taken = true;
    (1..).map_while(move |n| {
        if !taken {
            return None;
        }
        let name = if n == 1 { stem.to_string() } else { format!("{stem}-{n}") };
        // What cannot be read is somebody's all the same.
        let read = |ending: &str| {
            let path = out.join(format!("{name}.{ending}"));
            path.is_file().then(|| fs::read(path).unwrap_or_default())
        };
        let (program, report) = (read("ops"), read("report"));
        taken = program.is_some() || report.is_some();
        Some(There { name, program, report })
    })
}

/// The name under which a program of this signature is there, with its report.
pub fn kept(out: &Path, stem: &str, signature: &str) -> Option<String> {
    let whole = |t: &There| t.program.is_some() && t.has_signature(signature);
    there(out, stem).find(whole).map(|t| t.name)
}

/// The name for a program of a signature of which none is there, and its report. Of what is
/// there, only the half of such a pair is completed: this program, whose report a kill has
/// kept from being written, or a report of the signature whose program is gone. All else
/// stays, and the name gets a number.
pub fn name_for(out: &Path, stem: &str, signature: &str, program: &str) -> String {
    let fits = |t: &There| match (&t.program, &t.report) {
        (None, None) => true,
        (Some(text), None) => text == program.as_bytes(),
        (None, Some(_)) => t.has_signature(signature),
        (Some(_), Some(_)) => false,
    };
    let name = there(out, stem).find(fits).map(|t| t.name);
    name.expect("the last name is free")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_and_nothing_else_is_left() {
        let dir = std::env::temp_dir().join(format!("ifscrub-output-{}", std::process::id()));
        make_dir(&dir).unwrap();
        write_file(&dir.join("a.ops"), b"one").unwrap();
        write_file(&dir.join("a.ops"), b"two").unwrap();
        assert_eq!(fs::read(dir.join("a.ops")).unwrap(), b"two");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        let e = write_file(&dir.join("no/such/a.ops"), b"").unwrap_err().to_string();
        assert!(e.contains("no/such/a.ops: cannot be written") && e.contains("help:"), "{e}");
        let e = write_file(&dir, b"").unwrap_err().to_string();
        assert!(e.contains("is a folder"), "{e}");
        results_dir(&dir.join("results")).unwrap();
        assert_eq!(fs::read_dir(dir.join("results")).unwrap().count(), 0);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_name_belongs_to_one_signature() {
        let out = std::env::temp_dir().join(format!("ifscrub-names-{}", std::process::id()));
        make_dir(&out).unwrap();
        let is_kept = |signature| kept(&out, "a-b", signature);
        let name = |signature| name_for(&out, "a-b", signature, "mine\n");
        assert_eq!((is_kept("toy/a:b"), name("toy/a:b")), (None, "a-b".to_string()));
        write_program(&out, "a-b", "theirs\n", "panic: x\nsignature: toy/a:b\n").unwrap();
        assert_eq!(is_kept("toy/a:b").as_deref(), Some("a-b"));
        assert_eq!((is_kept("toy/a<b"), name("toy/a<b")), (None, "a-b-2".to_string()));
        fs::remove_dir_all(&out).unwrap();
    }

    #[test]
    fn of_half_a_pair_only_what_is_ours_is_completed() {
        let out = std::env::temp_dir().join(format!("ifscrub-halves-{}", std::process::id()));
        make_dir(&out).unwrap();
        let name = || name_for(&out, "a", "toy/a", "mine\n");
        let write = |name: &str, text: &str| write_file(&out.join(name), text.as_bytes()).unwrap();
        // A program without a report.
        write("a.ops", "mine\n");
        assert_eq!((kept(&out, "a", "toy/a"), name()), (None, "a".to_string()));
        write("a.ops", "mine\n# by hand\n");
        assert_eq!(name(), "a-2");
        // A report without a program.
        write("a-2.report", "signature: toy/b\n");
        assert_eq!(name(), "a-3");
        write("a-3.report", "signature: toy/a\n");
        assert_eq!((kept(&out, "a", "toy/a"), name()), (None, "a-3".to_string()));
        write("a-3.ops", "theirs\n");
        assert_eq!(kept(&out, "a", "toy/a").as_deref(), Some("a-3"));
        fs::remove_dir_all(&out).unwrap();
    }
}
