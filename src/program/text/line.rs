//! Words of a line, and errors that say where they are.
//!
//! Every error of the [parser](super::parse()) is made by [`Line::expected`] or
//! [`Line::error`], so that all of them have a place.

use std::fmt::{self, Display};

use thiserror::Error;

/// Why a text is no program.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {message}{}", Help(.help))]
pub struct ParseError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What was expected and what was found.
    pub message: String,
    /// What may have been meant, or what there is.
    pub help: Option<String>,
}

/// Prints a help on a line of its own, if there is one.
struct Help<'a>(&'a Option<String>);

impl Display for Help<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|help| write!(f, "\nhelp: {help}"))
    }
}

impl ParseError {
    /// Adds the candidate nearest to `word`, if one is near.
    pub(super) fn suggest<'a>(
        mut self,
        word: &str,
        candidates: impl Iterator<Item = &'a str>,
    ) -> Self {
        let nearest = candidates.map(|c| (distance(word, c), c)).min_by_key(|&(d, _)| d);
        if let Some((_, c)) = nearest.filter(|&(d, c)| d <= c.len().div_ceil(3)) {
            self.help = Some(format!("did you mean `{c}`?"));
        }
        self
    }

    /// Adds what to do, where nothing is known to have been meant.
    pub(super) fn or_help(mut self, help: impl FnOnce() -> String) -> Self {
        self.help = self.help.or_else(|| Some(help()));
        self
    }
}

/// The edit distance of two words, upper and lower case being the same; of a long
/// word only the beginning counts.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x.to_ascii_lowercase() != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// A word and where it begins.
#[derive(Clone, Copy)]
pub(super) struct Token<'a> {
    pub text: &'a str,
    pub column: usize,
}

/// What is left of a line.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub number: usize,
    /// What has not been taken yet.
    pub rest: &'a str,
    column: usize,
}

impl<'a> Line<'a> {
    pub fn new(number: usize, text: &'a str) -> Self {
        Line { number, rest: text, column: 1 }
    }

    /// Takes `bytes` bytes off the line.
    pub fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        self.column += taken.chars().count();
        taken
    }

    /// Takes the next word; none at the end of the line or before a comment.
    pub fn next(&mut self) -> Option<Token<'a>> {
        let blank = |c: char| c == ' ' || c == '\t';
        self.take(self.rest.len() - self.rest.trim_start_matches(blank).len());
        if self.rest.is_empty() || self.rest.starts_with('#') {
            return None;
        }
        let column = self.column;
        let text = self.take(self.rest.find(blank).unwrap_or(self.rest.len()));
        Some(Token { text, column })
    }

    pub fn error(&self, column: usize, message: String) -> ParseError {
        ParseError { line: self.number, column, message, help: None }
    }

    /// "expected `what`, found `found`", at `found`, or at the end if that is none.
    pub fn expected(&self, what: impl Display, found: Option<Token<'_>>) -> ParseError {
        match found {
            Some(t) => self.error(t.column, format!("expected {what}, found {}", quote(t.text))),
            None => self.error(self.column, format!("expected {what}, found the end of the line")),
        }
    }

    /// The line must end here.
    pub fn end(mut self) -> Result<(), ParseError> {
        match self.next() {
            None => Ok(()),
            junk => Err(self.expected("the end of the line", junk)),
        }
    }
}

/// A word as messages show it; the beginning is enough of a long one.
fn quote(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("`{}...`", &text[..end]),
        None => format!("`{text}`"),
    }
}

/// "`a`, `b` or `c`"; the first few of many.
pub(super) fn one_of(words: &[&str]) -> String {
    const MANY: usize = 12;
    let shown: Vec<String> = words.iter().take(MANY).map(|w| format!("`{w}`")).collect();
    match shown.split_last() {
        Some((last, [])) => last.clone(),
        Some(_) if words.len() > MANY => format!("one of {}, ...", shown.join(", ")),
        Some((last, firsts)) => format!("{} or {last}", firsts.join(", ")),
        None => String::new(),
    }
}
