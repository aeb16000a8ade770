//! Program files: what they hold, which defects they run under, what is wrong with them.

use super::CliError;
use super::output::note;
use crate::corpus::import::{Refusal, check};
use crate::hunt::fuzz::{KERNEL_VARIABLE, variable};
use crate::program::bytes::Decoder;
use crate::program::text::{self, HEADER_WORDS, TextKind, looks_like_text};
use crate::program::{MAX_OPS, NamedPoint, PointKind, Program, RECORD, bytes};
use crate::stack::{DefectSet, Machine, Model};
use crate::triage::replay::UnreachedPoint;
use crate::triage::sets::{self, UnknownDefect};
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// No program is larger, in bytes or as text.
const LARGEST: u64 = 1 << 20;

/// The file name that stands for stdin or stdout.
pub const STANDARD: &str = "-";

/// A program and the file that it came from.
#[derive(Debug)]
pub struct Loaded {
    /// The file.
    pub path: PathBuf,
    /// The program.
    pub program: Program,
    /// Whether the file held text.
    pub is_text: bool,
    /// The bytes of a byte program; none for text.
    pub bytes: Vec<u8>,
    /// Why a corpus would not take a byte program.
    pub odd: Option<Refusal>,
    /// All kernels.
    models: &'static [Model],
    /// Its kernel.
    model: &'static Model,
    /// The line of each operation; empty for bytes.
    lines: Vec<usize>,
    /// The line of the header that names defects.
    defects_line: Option<usize>,
}

impl Loaded {
    /// Reads a program file, or stdin for `-`. `as_bytes`: whatever it looks like, it is
    /// bytes; none for a command that has no `--bytes`.
    pub fn read(
        models: &'static [Model],
        path: &Path,
        as_bytes: Option<bool>,
    ) -> Result<Loaded, CliError> {
        let or_pass = match as_bytes {
            Some(_) => ", or pass --bytes if it holds a byte program",
            None => "",
        };
        let data = read(path)?;
        let named_text = path.extension().is_some_and(|e| e == "ops");
        let is_text = match looks_like_text(&data) {
            _ if as_bytes == Some(true) => false,
            TextKind::Text => true,
            _ if named_text => true,
            TextKind::Bytes => false,
            TextKind::PrintableWithoutHeader => {
                let problem = "is text, but does not begin with `# ifscrub 1`";
                let how = "`ifscrub verbs` says how a program is written";
                let remedy = format!("begin it with that line{or_pass}; {how}");
                return Err(CliError::path(path, problem).help(remedy));
            }
        };
        let path = path.to_path_buf();
        let grammars = Model::grammars(models);
        let model = |p: &Program| {
            let id = p.header.kernel;
            let found = Model::with_id(models, id);
            found.ok_or_else(|| CliError::path(&path, format!("no kernel has number {id}")))
        };
        if !is_text {
            let program = bytes::decode(&grammars, &data);
            let model = model(&program)?;
            let odd = check(&Decoder::new(&grammars), &data).err();
            return Ok(Loaded {
                path,
                program,
                is_text,
                bytes: data,
                odd,
                models,
                model,
                lines: Vec::new(),
                defects_line: None,
            });
        }
        let source = String::from_utf8(data).map_err(|e| {
            let at = e.utf8_error().valid_up_to();
            CliError::path(&path, format!("is no text program: byte {at} is not UTF-8"))
                .help(format!("write it in UTF-8{or_pass}"))
        })?;
        let program = text::parse(&grammars, &source).map_err(|e| {
            let place = format!("{}:{}:{}", path.display(), e.line, e.column);
            let error = CliError::new(place, &e.message);
            match &e.help {
                Some(help) => error.help(help),
                None => error,
            }
        })?;
        if !source.ends_with('\n') {
            // Whatever writes a program ends its last line.
            let place = format!("{}:{}", path.display(), source.lines().count());
            let problem = "the last line does not end: the file is torn";
            return Err(CliError::new(place, problem).help("if that is all, end the line there"));
        }
        let model = model(&program)?;
        let lines = operation_lines(&source);
        if lines.is_empty() {
            note(&format!("note: {}: holds no operation", path.display()));
        }
        let defects_line = line_of(&source, "defects");
        let (bytes, odd) = (Vec::new(), None);
        Ok(Loaded { path, program, is_text, bytes, odd, models, model, lines, defects_line })
    }

    /// The name of its kernel.
    pub fn kernel(&self) -> &'static str {
        self.model.grammar().kernel
    }

    /// A machine of the program's kernel.
    pub fn machine(&self) -> Box<dyn Machine> {
        self.model.machine()
    }

    /// The defects to run under: of the command line, else of the header, else of the
    /// environment, else none. Whoever runs bytes is told.
    pub fn defects(&self, m: &dyn Machine, flag: Option<&str>) -> Result<Defects, CliError> {
        let unknown = |place: &str, e| unknown(self.models, place, e);
        if let Some(list) = flag {
            not_empty("--defects", list)?;
            let set = sets::parse(m.defects(), list).map_err(|e| unknown("--defects", e))?;
            return Ok(Defects { set, given: true, own: false });
        }
        if let Some(set) = self.of_header(m)? {
            return Ok(Defects { set, given: true, own: true });
        }
        let (set, from) = match self.environment(m)? {
            Some(set) => (set, sets::VARIABLE),
            None => (0, "neither header, --defects nor IFSCRUB_DEFECTS says"),
        };
        let words = sets::display(m.defects(), set);
        note(&format!("{}: defects {words} ({from})", self.path.display()));
        Ok(Defects { set, given: from == sets::VARIABLE, own: true })
    }

    /// The defects of its own header, if it has that line.
    pub fn of_header(&self, m: &dyn Machine) -> Result<Option<DefectSet>, CliError> {
        sets::of_header(m.defects(), &self.program).map_err(|e| {
            let path = self.path.display();
            let place = self.defects_line.map_or(path.to_string(), |n| format!("{path}:{n}"));
            unknown(self.models, &place, e)
        })
    }

    /// Tells what is odd about a byte program. A fuzz target runs it like any other.
    pub fn note_odd(&self) {
        if let Some(odd) = &self.odd {
            note(&format!("note: {}: {odd}", self.path.display()));
        }
    }

    /// What to say about points that the run did not reach: an error of the file under
    /// its own header, a note under other defects.
    pub fn unreached(&self, points: &[UnreachedPoint], own: bool) -> Result<(), CliError> {
        for u in points {
            let place = self.place(&u.point);
            let problem = match u.too_late {
                false => u.to_string(),
                true => format!("{u} early enough to be an ordinal"),
            };
            if !own {
                note(&format!("note: {place}: {problem} under these defects"));
                continue;
            }
            return Err(CliError::new(place, problem).help(advice(u)));
        }
        Ok(())
    }

    /// The set of the environment, if it says.
    fn environment(&self, m: &dyn Machine) -> Result<Option<DefectSet>, CliError> {
        let Some(list) = variable(sets::VARIABLE) else {
            return Ok(None);
        };
        not_empty(sets::VARIABLE, &list)?;
        let set = sets::parse(m.defects(), &list);
        set.map(Some).map_err(|e| unknown(self.models, sets::VARIABLE, e))
    }

    fn place(&self, point: &NamedPoint) -> String {
        match self.lines.get(point.op) {
            Some(line) => format!("{}:{line}", self.path.display()),
            None => format!("{}: operation {}", self.path.display(), point.op + 1),
        }
    }
}

/// The defects chosen for a file.
#[derive(Clone, Copy, Debug)]
pub struct Defects {
    /// The set.
    pub set: DefectSet,
    /// Anybody said so, in contrast to a default.
    pub given: bool,
    /// They are the file's own, in contrast to those of the command line.
    pub own: bool,
}

/// The list of defects that the command line gives, else the environment, and which of them
/// does.
pub fn defect_list(flag: Option<&str>) -> Result<Option<(&'static str, String)>, CliError> {
    let given = flag.map(|list| ("--defects", list.to_string()));
    let given = given.or_else(|| Some((sets::VARIABLE, variable(sets::VARIABLE)?)));
    if let Some((place, list)) = &given {
        not_empty(place, list)?;
    }
    Ok(given)
}

/// A list without a word is no way to say `none`: it is what a script leaves whose variable
/// is not set.
fn not_empty(place: &str, list: &str) -> Result<(), CliError> {
    match sets::words(list).next() {
        Some(_) => Ok(()),
        None => Err(CliError::new(place, "the list is empty")
            .help("write none, as-reported, or names; `ifscrub defects` lists them all")),
    }
}

/// An unknown defect, as an error of the place that names it.
pub fn unknown(models: &[Model], place: &str, e: UnknownDefect) -> CliError {
    let all = "`ifscrub defects` lists them all";
    let has = |m: &&Model| m.machine().defects().iter().any(|d| d.id == e.name);
    if let Some(other) = models.iter().find(has) {
        let problem = format!("`{}` is a defect of {}", e.name, other.grammar().kernel);
        let remedy = format!("a program or a hunt is of one kernel; {all}, by kernel");
        return CliError::new(place, problem).help(remedy);
    }
    let problem = format!("no defect is called `{}`", e.name);
    let remedy = e.suggestion.map(|s| format!("did you mean `{s}`? {all}"));
    CliError::new(place, problem).help(remedy.unwrap_or_else(|| all.to_string()))
}

/// The kernel called `name`; without a name, that of the environment, if it says.
pub fn pinned(
    models: &'static [Model],
    name: Option<&str>,
) -> Result<Option<&'static Model>, CliError> {
    match (name, variable(KERNEL_VARIABLE)) {
        (Some(name), _) => called(models, "--kernel", name).map(Some),
        (None, Some(name)) => called(models, KERNEL_VARIABLE, &name).map(Some),
        (None, None) => Ok(None),
    }
}

/// The kernel called `name`.
pub fn kernel(models: &'static [Model], name: &str) -> Result<&'static Model, CliError> {
    called(models, "--kernel", name)
}

fn called(models: &'static [Model], place: &str, name: &str) -> Result<&'static Model, CliError> {
    let found = models.iter().find(|m| m.grammar().kernel == name);
    found.ok_or_else(|| {
        let names: Vec<_> = models.iter().map(|m| m.grammar().kernel).collect();
        let remedy = match sets::nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are: {}", names.join(", ")),
        };
        CliError::new(place, format!("no kernel is called `{name}`")).help(remedy)
    })
}

/// The points that an operation did reach, and which of them may be meant.
fn advice(u: &UnreachedPoint) -> String {
    let what = match u.point.kind {
        PointKind::Preempt => "yield points",
        PointKind::Fail { .. } => "fallible calls",
    };
    if u.reached.is_empty() {
        return format!("the operation reaches no {what} at all");
    }
    let near = match u.reached.iter().find(|(name, _)| *name == u.point.name) {
        Some((name, times)) => Some(format!("{name}#{times}")),
        None => {
            let names = u.reached.iter().map(|(name, _)| *name);
            sets::nearest(&u.point.name, names).map(|name| format!("{name}#1"))
        }
    };
    let shown = |(name, times): &(&str, usize)| match times {
        1 => format!("{name}#1"),
        n => format!("{name}#1 to #{n}"),
    };
    let list: Vec<_> = u.reached.iter().map(shown).collect();
    let meant = near.map_or_else(String::new, |n| format!("did you mean `{n}`? "));
    format!("{meant}{what} that it reaches: {}", list.join(", "))
}

/// What to do about bytes that a corpus would not take.
pub fn remedy(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Short(_) | Refusal::Torn(_) => {
            "copy it again: whatever writes a program writes it whole".to_string()
        }
        Refusal::Version(_) => {
            "convert it to text with the ifscrub that wrote it: `ifscrub convert --to text`"
                .to_string()
        }
        Refusal::Long(_) => {
            format!("cut it to {} bytes: no more of it is run", (MAX_OPS + 1) * RECORD)
        }
        Refusal::Kernel(_) => "use the ifscrub that has its kernel; `ifscrub verbs` names those \
             that this one has"
            .to_string(),
        Refusal::Verb { .. } => "use the ifscrub that wrote it, or a later one".to_string(),
        Refusal::Header { .. } | Refusal::Operation { .. } => {
            "write out what a fuzz target makes of it: `ifscrub convert --bytes --to text`"
                .to_string()
        }
    }
}

/// A file that cannot be read, as an error.
pub fn unreadable(path: &Path, e: &io::Error) -> CliError {
    let remedy = match e.kind() {
        ErrorKind::NotFound => "check the path",
        ErrorKind::PermissionDenied => "make it readable",
        _ => "check the file",
    };
    CliError::path(path, format!("cannot be read: {e}")).help(remedy)
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    if path.as_os_str() == STANDARD {
        return limited(io::stdin().lock(), path);
    }
    let about = fs::metadata(path).map_err(|e| unreadable(path, &e))?;
    if about.is_dir() {
        let remedy = format!("name the files in it: {}", path.join("*.ops").display());
        return Err(CliError::path(path, "is a folder").help(remedy));
    }
    limited(fs::File::open(path).map_err(|e| unreadable(path, &e))?, path)
}

/// No more than a program may have: a device never ends.
fn limited(from: impl Read, path: &Path) -> Result<Vec<u8>, CliError> {
    let mut data = Vec::new();
    from.take(LARGEST + 1).read_to_end(&mut data).map_err(|e| unreadable(path, &e))?;
    if data.len() as u64 > LARGEST {
        let problem = format!("is too large; no program has more than {LARGEST} bytes");
        return Err(CliError::path(path, problem).help("check that it is a program"));
    }
    if data.is_empty() {
        let remedy = "a text program begins with `# ifscrub 1`, a byte program has 8 bytes or more";
        return Err(CliError::path(path, "is empty").help(remedy));
    }
    Ok(data)
}

/// The numbers of the lines that hold operations.
fn operation_lines(source: &str) -> Vec<usize> {
    let is_operation = |line: &str| match line.split_whitespace().next() {
        None => false,
        Some(word) => !word.starts_with('#') && !HEADER_WORDS.contains(&word),
    };
    let lines = source.lines().enumerate();
    lines.filter(|(_, line)| is_operation(line)).map(|(i, _)| i + 1).collect()
}

/// The number of the first line that begins with this word.
fn line_of(source: &str, word: &str) -> Option<usize> {
    source.lines().position(|line| line.split_whitespace().next() == Some(word)).map(|i| i + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::MODELS;

    #[test]
    fn operations_are_found_between_headers_comments_and_blank_lines() {
        let source = "# ifscrub 1\nkernel x\n\nfirst a\n# no\n  second b # yes\n";
        assert_eq!(operation_lines(source), [4, 6]);
    }

    #[test]
    fn a_folder_a_missing_and_an_empty_file_are_told_apart() {
        let dir = std::env::temp_dir().join(format!("ifscrub-file-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("empty"), b"").unwrap();
        fs::write(dir.join("plain"), b"kernel x\n").unwrap();
        let error =
            |name: &str| Loaded::read(MODELS, &dir.join(name), None).unwrap_err().to_string();
        assert!(error("").contains("is a folder"));
        assert!(error("missing").contains("cannot be read"));
        assert!(error("empty").contains("is empty"));
        assert!(error("plain").contains("does not begin with `# ifscrub 1`"));
        assert!(!Loaded::read(MODELS, &dir.join("plain"), Some(true)).unwrap().is_text);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_point_that_is_not_reached_gets_a_suggestion() {
        let point = NamedPoint {
            op: 0,
            kind: PointKind::Preempt,
            name: "in_ifinit:slep".into(),
            occurrence: 1,
        };
        let reached = vec![("in_ifinit:sleep", 2), ("other:place", 1)];
        let u = UnreachedPoint { point, reached, too_late: false };
        let advice = advice(&u);
        assert!(advice.starts_with("did you mean `in_ifinit:sleep#1`?"), "{advice}");
        assert!(advice.ends_with("in_ifinit:sleep#1 to #2, other:place#1"), "{advice}");
    }
}
