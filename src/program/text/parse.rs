//! The parser of the text form.
//!
//! One pass over the lines, one word at a time. What is left over between them is only
//! whether the header is complete.

use super::line::{Line, ParseError, Token, one_of};
use super::{HEADER_WORDS, MAGIC, SUFFIX_WORDS};
use crate::program::{
    Arg, FAIL_PERSISTENT, FORMAT_VERSION, Grammar, Header, MAX_FAIL_AT, MAX_OPS, MAX_PREEMPT_FOR,
    NamedPoint, Op, PointKind, Program, Stop, Thresholds,
};

/// A number in decimal digits, `1..=max`.
fn number(text: &str, max: u8) -> Option<u8> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|n| digits && (1..=max).contains(n))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_:/.-".contains(c))
}

/// Where a preemption or a fault strikes.
enum Point<'a> {
    Ordinal(u8),
    Named(&'a str, u8),
}

impl<'a> Point<'a> {
    /// `@n` or `NAME#n`; `text` is `token` without what follows the point.
    fn parse(
        line: &Line<'_>,
        token: Token<'_>,
        text: &'a str,
        max: u8,
    ) -> Result<Self, ParseError> {
        if let Some(ordinal) = text.strip_prefix('@') {
            let what = format!("an ordinal from @1 to @{max}");
            let bad = || line.expected(what, Some(token));
            return number(ordinal, max).map(Point::Ordinal).ok_or_else(bad);
        }
        let (name, occurrence) = match text.split_once('#') {
            None => (text, Some(1)),
            Some((name, n)) => (name, number(n, u8::MAX)),
        };
        if !is_name(name) {
            return Err(line.expected("a name (letters, digits and `_:/.-`)", Some(token)));
        }
        let bad = || line.expected("an occurrence from #1 to #255 after the name", Some(token));
        occurrence.map(|n| Point::Named(name, n)).ok_or_else(bad)
    }
}

/// What has been read so far.
struct Parser<'g> {
    grammars: &'g [&'static Grammar],
    grammar: Option<&'static Grammar>,
    /// The number and where it stands; its limit is known when the kernel is.
    ncpus: Option<(u8, usize, usize)>,
    stop: Option<Stop>,
    thresholds: Option<(Thresholds, usize, usize)>,
    ifindex: Option<(u8, usize, usize)>,
    defects: Option<Vec<String>>,
    ops: Vec<Op>,
    named: Vec<NamedPoint>,
}

/// The program that `text` describes.
///
/// # Errors
///
/// The first error of the text.
pub fn parse(grammars: &[&'static Grammar], text: &str) -> Result<Program, ParseError> {
    let mut parser = Parser {
        grammars,
        grammar: None,
        ncpus: None,
        stop: None,
        thresholds: None,
        ifindex: None,
        defects: None,
        ops: Vec::new(),
        named: Vec::new(),
    };
    let mut last = Line::new(1, "");
    for (i, text) in text.split('\n').enumerate() {
        let line = Line::new(i + 1, text.strip_suffix('\r').unwrap_or(text));
        no_control_characters(&line)?;
        match i {
            0 => first_line(line)?,
            _ => parser.line(line)?,
        }
        last = Line::new(i + 1, "");
    }
    let grammar = parser.settle(&last, "the end of the text")?;
    Ok(Program {
        header: Header {
            kernel: grammar.id,
            ncpus: parser.ncpus.map_or(1, |(n, ..)| n),
            stop: parser.stop.unwrap_or_default(),
            thresholds: parser.thresholds.map_or_else(Thresholds::default, |(t, ..)| t),
            ifindex: parser.ifindex.map_or(0, |(n, ..)| n),
            defects: parser.defects,
        },
        ops: parser.ops,
        named: parser.named,
    })
}

fn no_control_characters(line: &Line<'_>) -> Result<(), ParseError> {
    match line.rest.chars().enumerate().find(|&(_, c)| c.is_control() && c != '\t') {
        None => Ok(()),
        Some((i, c)) => {
            let code = u32::from(c);
            let message = format!("expected text, found control character U+{code:04X}");
            let error = line.error(i + 1, message);
            Err(error.or_help(|| "remove it; tab, CR and newline are the only ones".to_string()))
        }
    }
}

fn first_line(mut line: Line<'_>) -> Result<(), ParseError> {
    let magic = line.rest.starts_with(MAGIC)
        && !line.rest[MAGIC.len()..].starts_with(|c: char| c != ' ' && c != '\t');
    if !magic {
        let what = format!("`{MAGIC} {FORMAT_VERSION}` as the first line");
        let found = Token { text: line.rest, column: 1 };
        return Err(line.expected(what, (!line.rest.is_empty()).then_some(found)));
    }
    line.take(MAGIC.len());
    match line.next() {
        Some(t) if t.text == FORMAT_VERSION.to_string() => line.end(),
        other => Err(line.expected(format!("format version {FORMAT_VERSION}"), other)),
    }
}

impl Parser<'_> {
    fn line(&mut self, mut line: Line<'_>) -> Result<(), ParseError> {
        let Some(word) = line.next() else {
            return Ok(());
        };
        if !HEADER_WORDS.contains(&word.text) {
            return self.operation(line, word);
        }
        if !self.ops.is_empty() {
            let message = format!(
                "expected an operation, found header line `{}` after the first operation",
                word.text
            );
            let error = line.error(word.column, message);
            return Err(error.or_help(|| "move it up, before all operations".to_string()));
        }
        let taken = match word.text {
            "kernel" => self.grammar.is_some(),
            "ncpus" => self.ncpus.is_some(),
            "stop" => self.stop.is_some(),
            "thresholds" => self.thresholds.is_some(),
            "ifindex" => self.ifindex.is_some(),
            _ => self.defects.is_some(),
        };
        if taken {
            let message = format!("expected one `{0}` line, found a second one", word.text);
            return Err(line.error(word.column, message));
        }
        match word.text {
            "kernel" => self.kernel(&mut line)?,
            "ncpus" => self.ncpus(&mut line)?,
            "stop" => self.stop(&mut line)?,
            "thresholds" => self.thresholds(&mut line)?,
            "ifindex" => self.ifindex(&mut line)?,
            _ => self.defects(&mut line)?,
        }
        line.end()
    }

    fn kernel(&mut self, line: &mut Line<'_>) -> Result<(), ParseError> {
        let token = line.next();
        let text = token.map_or("", |t| t.text);
        self.grammar = self.grammars.iter().copied().find(|g| g.kernel == text);
        if self.grammar.is_none() {
            let names: Vec<_> = self.grammars.iter().map(|g| g.kernel).collect();
            let what = format!("a kernel ({})", one_of(&names));
            return Err(line.expected(what, token).suggest(text, names.iter().copied()));
        }
        Ok(())
    }

    fn ncpus(&mut self, line: &mut Line<'_>) -> Result<(), ParseError> {
        let token = line.next();
        match token.and_then(|t| Some((number(t.text, u8::MAX)?, t.column))) {
            Some((n, column)) => self.ncpus = Some((n, line.number, column)),
            None => {
                let most = match self.grammar {
                    Some(g) => g.max_cpus,
                    None => self.grammars.iter().map(|g| g.max_cpus).max().unwrap_or(1),
                };
                return Err(line.expected(format!("a number of CPUs, 1 to {most}"), token));
            }
        }
        Ok(())
    }

    fn thresholds(&mut self, line: &mut Line<'_>) -> Result<(), ParseError> {
        let token = line.next();
        let text = token.map_or("", |t| t.text);
        let all = [Thresholds::Real, Thresholds::Small];
        match (all.into_iter().find(|t| t.name() == text), token) {
            (Some(t), Some(at)) => self.thresholds = Some((t, line.number, at.column)),
            _ => {
                let names = all.map(Thresholds::name);
                return Err(line.expected(one_of(&names), token).suggest(text, names.into_iter()));
            }
        }
        Ok(())
    }

    fn ifindex(&mut self, line: &mut Line<'_>) -> Result<(), ParseError> {
        let token = line.next();
        match token.and_then(|t| Some((number(t.text, u8::MAX)?, t.column))) {
            Some((n, column)) => self.ifindex = Some((n, line.number, column)),
            None => return Err(line.expected("an interface index from 1", token)),
        }
        Ok(())
    }

    fn stop(&mut self, line: &mut Line<'_>) -> Result<(), ParseError> {
        let token = line.next();
        let text = token.map_or("", |t| t.text);
        let stops = [Stop::Books, Stop::Kernel];
        self.stop = stops.into_iter().find(|s| s.name() == text);
        if self.stop.is_none() {
            let names = stops.map(Stop::name);
            return Err(line.expected(one_of(&names), token).suggest(text, names.into_iter()));
        }
        Ok(())
    }

    fn defects(&mut self, line: &mut Line<'_>) -> Result<(), ParseError> {
        let mut names = Vec::new();
        let first = line.next();
        let mut next = first;
        match first {
            None => return Err(line.expected("names of defects, or `none`", None)),
            Some(t) if t.text == "none" => next = None,
            Some(_) => {}
        }
        while let Some(token) = next {
            if !is_name(token.text) || token.text == "none" {
                let help = "names are of letters, digits and `-`; `none` stands alone";
                let error = line.expected("the name of a defect", next);
                return Err(error.or_help(|| help.to_string()));
            }
            names.push(token.text.to_string());
            next = line.next();
        }
        self.defects = Some(names);
        Ok(())
    }

    /// The header is complete: there is a kernel and it has as many CPUs.
    fn settle(&self, line: &Line<'_>, found: &str) -> Result<&'static Grammar, ParseError> {
        let Some(g) = self.grammar else {
            let message = format!("expected a `kernel` line, found {found}");
            let kernels: Vec<_> = self.grammars.iter().map(|g| g.kernel).collect();
            let help = || format!("write `kernel NAME`; NAME is {}", one_of(&kernels));
            return Err(line.error(1, message).or_help(help));
        };
        if let Some((Thresholds::Small, number, column)) = self.thresholds
            && !g.thresholds
        {
            let message = format!("expected `real`: `{}` has no other thresholds", g.kernel);
            return Err(Line::new(number, "").error(column, message));
        }
        if let Some((n, number, column)) = self.ifindex
            && n > g.max_ifindex
        {
            let (kernel, max) = (g.kernel, g.max_ifindex);
            let message = match max {
                0 => format!("expected no `ifindex` line for `{kernel}`, found one"),
                _ => {
                    format!("expected an interface index of 1 to {max} for `{kernel}`, found `{n}`")
                }
            };
            return Err(Line::new(number, "").error(column, message));
        }
        match self.ncpus {
            Some((n, number, column)) if n > g.max_cpus => {
                let (kernel, max) = (g.kernel, g.max_cpus);
                let message = format!("expected 1 to {max} CPUs for `{kernel}`, found `{n}`");
                Err(Line::new(number, "").error(column, message))
            }
            _ => Ok(g),
        }
    }

    fn operation(&mut self, mut line: Line<'_>, word: Token<'_>) -> Result<(), ParseError> {
        let g = self.settle(&line, "an operation")?;
        let Some(verb) = g.verb_named(word.text) else {
            let error = line.expected(format!("a verb of `{}`", g.kernel), Some(word));
            let known = g.verbs.iter().map(|v| v.name).chain(HEADER_WORDS);
            return Err(error.suggest(word.text, known).or_help(|| verbs(g)));
        };
        if self.ops.len() == MAX_OPS {
            let message = format!("expected at most {MAX_OPS} operations, found one more");
            return Err(line.error(word.column, message));
        }
        let mut op = Op { verb: verb.code, ..Op::default() };
        let mut next = arguments(&mut line, verb.args, &mut op.args)?;
        let (mut preempt, mut fail) = (None, None);
        while let Some(token) = next {
            match token.text {
                "preempt" if preempt.is_none() => {
                    preempt = Some(preemption(&mut line, &mut op, g.max_preempt_at)?);
                }
                "fail" if fail.is_none() => fail = Some(fault(&mut line, &mut op)?),
                word if SUFFIX_WORDS.contains(&word) => {
                    let message = format!("expected one `{word}`, found a second one");
                    return Err(line.error(token.column, message));
                }
                _ => return Err(line.expected("`preempt`, `fail` or the end of the line", next)),
            }
            next = line.next();
        }
        for (kind, name, occurrence) in [preempt, fail].into_iter().flatten().flatten() {
            self.named.push(NamedPoint { op: self.ops.len(), kind, name, occurrence });
        }
        self.ops.push(op);
        Ok(())
    }
}

/// All verbs of a kernel, for whom none of them comes near to what was written.
fn verbs(g: &Grammar) -> String {
    let names: Vec<_> = g.verbs.iter().map(|v| v.name).collect();
    format!("the verbs of `{}` are {}", g.kernel, names.join(", "))
}

/// Reads the arguments of an operation; returns the word after them.
fn arguments<'a>(
    line: &mut Line<'a>,
    args: &[Arg],
    values: &mut [u8; 4],
) -> Result<Option<Token<'a>>, ParseError> {
    let mut given = [false; 4];
    let mut next = line.next();
    while let Some(token) = next.filter(|t| !SUFFIX_WORDS.contains(&t.text)) {
        let (slot, found) = match args.iter().position(|a| a.key == token.text) {
            Some(slot) if given[slot] => {
                let message = format!("expected one `{}`, found a second one", token.text);
                return Err(line.error(token.column, message));
            }
            Some(slot) => (slot, line.next()),
            None => match (0..args.len()).find(|&i| args[i].key.is_empty() && !given[i]) {
                Some(slot) => (slot, next),
                None => return Err(junk(line, token, args, &given)),
            },
        };
        values[slot] = value(line, &args[slot], found)?;
        given[slot] = true;
        next = line.next();
    }
    match (0..args.len()).find(|&i| args[i].key.is_empty() && !given[i]) {
        Some(missing) => Err(line.expected(one_of(args[missing].choices), next)),
        None => Ok(next),
    }
}

/// The index of an argument's value.
fn value(line: &Line<'_>, arg: &Arg, found: Option<Token<'_>>) -> Result<u8, ParseError> {
    let text = found.map_or("", |t| t.text);
    let index = arg.choices.iter().position(|&c| c == text);
    if let Some(index) = index.and_then(|i| u8::try_from(i).ok()) {
        return Ok(index);
    }
    let mut error = line.expected(one_of(arg.choices), found);
    let stem = |word| str::trim_end_matches(word, |c: char| c.is_ascii_digit()).len();
    // `gif9` is no misspelt `gif1`: there are not that many.
    if stem(text) < text.len() && arg.choices.iter().any(|c| c[..stem(c)] == text[..stem(text)]) {
        error.message += ", which is out of range";
        return Err(error);
    }
    Err(error.suggest(text, arg.choices.iter().copied()))
}

/// A word after the last bare argument that is no keyword either.
fn junk(line: &Line<'_>, token: Token<'_>, args: &[Arg], given: &[bool; 4]) -> ParseError {
    let left = args.iter().zip(given).filter(|&(a, given)| !a.key.is_empty() && !given);
    let words: Vec<_> = left.map(|(a, _)| a.key).chain(SUFFIX_WORDS).collect();
    let listed: String = words.iter().map(|w| format!("`{w}`, ")).collect();
    let what = format!("{} or the end of the line", listed.trim_end_matches(", "));
    line.expected(what, Some(token)).suggest(token.text, words.into_iter())
}

/// A point given by name: what [`NamedPoint`] holds but for the operation.
type Named = Option<(PointKind, String, u8)>;

/// Reads what follows `preempt`.
fn preemption(line: &mut Line<'_>, op: &mut Op, max: u8) -> Result<Named, ParseError> {
    let Some(token) = line.next() else {
        return Err(line.expected("`NAME#n` or `@n` after `preempt`", None));
    };
    let named = match Point::parse(line, token, token.text, max)? {
        Point::Ordinal(n) => {
            op.preempt_at = n;
            None
        }
        Point::Named(name, n) => Some((PointKind::Preempt, name.to_string(), n)),
    };
    match line.next() {
        Some(t) if t.text == "for" => {}
        other => return Err(line.expected("`for` and a number of operations", other)),
    }
    let token = line.next();
    match token.and_then(|t| number(t.text, MAX_PREEMPT_FOR)) {
        Some(n) => op.preempt_for = n,
        None => {
            let what = format!("1 to {MAX_PREEMPT_FOR} operations after `for`");
            return Err(line.expected(what, token));
        }
    }
    Ok(named)
}

/// Reads what follows `fail`.
fn fault(line: &mut Line<'_>, op: &mut Op) -> Result<Named, ParseError> {
    let Some(token) = line.next() else {
        return Err(line.expected("`NAME#n` or `@n` after `fail`", None));
    };
    let once = token.text.strip_suffix("..");
    let persistent = once.is_some();
    match Point::parse(line, token, once.unwrap_or(token.text), MAX_FAIL_AT)? {
        Point::Ordinal(n) => {
            op.fail = if persistent { n | FAIL_PERSISTENT } else { n };
            Ok(None)
        }
        Point::Named(name, n) => Ok(Some((PointKind::Fail { persistent }, name.to_string(), n))),
    }
}
