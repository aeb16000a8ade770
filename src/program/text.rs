//! Programs as text: what people read, write, review and check in.
//!
//! ```
//! # use ifscrub::kern::exec::Config;
//! # use ifscrub::stack::{GRAMMARS, machine};
//! # use ifscrub::triage::sets;
//! # let program = ifscrub::program::text::parse(GRAMMARS, "\
//! ## ifscrub 1
//! kernel dragonfly-2007
//! ncpus 2
//! stop kernel
//! defects in-control-unserialized c1-ifinit-serializer-wait
//! ifup em0  preempt @1 for 1
//! SIOCIFCREATE gif0
//! SIOCAIFADDR gif0 10.0.0.1 dst 10.0.0.2  fail if_ioctl:SIOCSIFADDR#1..
//! SIOCAIFADDR gif0 10.0.0.1 mask /16 dst 10.0.0.2
//! SIOCSIFADDR gif0 10.0.0.3 cpu 1  preempt in_ifinit:lwkt_serialize_enter#1 for 1
//! SIOCDIFADDR gif0 10.0.0.1
//! # ")?;
//! # let mut kernel = machine(program.header.kernel).expect("a model of that kernel");
//! # let defects = sets::of_header(kernel.defects(), &program)?.expect("a defects line");
//! # let outcome = kernel.run(&program, Config { defects, ..Config::default() });
//! # assert!(outcome.fault.is_some() && outcome.unreached.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `docs/format.md` is the same for users. The first line says what the file is. Header lines follow in any order (`kernel` is
//! required, the others have defaults), then one operation a line: the verb, its bare
//! arguments in the order of the grammar, arguments with a keyword where they are not
//! the default, and what disturbs it. A word that begins with `#` starts a comment.
//!
//! [`parse`] never panics and takes nothing silently: an error says where it is, what
//! was expected there and, for a misspelt word, which one was probably meant. Names of
//! yield points and of defects are only checked for their spelling; whether they exist
//! is known to whoever runs the program.

use std::fmt::{self, Write};

use super::{FORMAT_VERSION, Grammar, NamedPoint, Op, PointKind, Program, Stop, Thresholds};

mod line;
mod parse;

pub use line::ParseError;
pub use parse::parse;

/// How every text program begins.
const MAGIC: &str = "# ifscrub";

/// The words that begin a header line; no verb may be called so.
pub(crate) const HEADER_WORDS: [&str; 6] =
    ["kernel", "ncpus", "stop", "thresholds", "ifindex", "defects"];

/// The words that begin what disturbs an operation; no bare argument may be called so.
pub(crate) const SUFFIX_WORDS: [&str; 2] = ["preempt", "fail"];

/// What a file holds, by a look at its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextKind {
    /// It begins as a text program.
    Text,
    /// It is text, but does not begin as a text program: probably one that somebody
    /// forgot to give its first line, and hardly a byte program.
    PrintableWithoutHeader,
    /// Anything else: a byte program.
    Bytes,
}

/// Tells text programs from byte programs.
pub fn looks_like_text(data: &[u8]) -> TextKind {
    if data.starts_with(MAGIC.as_bytes()) {
        return TextKind::Text;
    }
    let printable = |c: char| !c.is_control() || matches!(c, '\t' | '\r' | '\n');
    match std::str::from_utf8(data) {
        Ok(text) if !text.is_empty() && text.chars().all(printable) => {
            TextKind::PrintableWithoutHeader
        }
        _ => TextKind::Bytes,
    }
}

/// The text of `p`, a canonical program of `g`.
pub fn print(g: &Grammar, p: &Program) -> String {
    let mut out = format!("{MAGIC} {FORMAT_VERSION}\n");
    write_program(&mut out, g, p).expect("writing to a string cannot fail");
    out
}

fn write_program(out: &mut String, g: &Grammar, p: &Program) -> fmt::Result {
    writeln!(out, "kernel {}", g.kernel)?;
    writeln!(out, "ncpus {}", p.header.ncpus)?;
    if p.header.stop != Stop::default() {
        writeln!(out, "stop {}", p.header.stop.name())?;
    }
    if p.header.thresholds != Thresholds::default() {
        writeln!(out, "thresholds {}", p.header.thresholds.name())?;
    }
    if p.header.ifindex != 0 {
        writeln!(out, "ifindex {}", p.header.ifindex)?;
    }
    match p.header.defects.as_deref() {
        None => {}
        Some([]) => out.push_str("defects none\n"),
        Some(names) => writeln!(out, "defects {}", names.join(" "))?,
    }
    for (i, op) in p.ops.iter().enumerate() {
        write_op(out, g, op, &p.named, i)?;
        out.push('\n');
    }
    Ok(())
}

/// The text of one operation, the `i`-th one, without the end of the line.
fn write_op(out: &mut String, g: &Grammar, op: &Op, named: &[NamedPoint], i: usize) -> fmt::Result {
    match g.verb(op.verb) {
        Some(verb) => {
            out.push_str(verb.name);
            for (arg, &value) in verb.args.iter().zip(&op.args) {
                let word = arg.choices.get(usize::from(value)).copied().unwrap_or("?");
                if arg.key.is_empty() {
                    write!(out, " {word}")?;
                } else if value != 0 {
                    write!(out, " {} {word}", arg.key)?;
                }
            }
        }
        // Not canonical: shown rather than hidden, and refused when parsed.
        None => write!(out, "?{}", op.verb)?,
    }
    let point = |preempt: bool| {
        named.iter().find(|n| n.op == i && (n.kind == PointKind::Preempt) == preempt)
    };
    let mut gap = "  ";
    let preempt = match (point(true), op.preempt_at) {
        (Some(n), _) => Some(format!("{}#{}", n.name, n.occurrence)),
        (None, 0) => None,
        (None, at) => Some(format!("@{at}")),
    };
    if let Some(preempt) = preempt {
        write!(out, "{gap}preempt {preempt} for {}", op.preempt_for.max(1))?;
        gap = " ";
    }
    let (fail, persistent) = match (point(false), op.fail_at()) {
        (Some(n), _) => {
            let persistent = n.kind == PointKind::Fail { persistent: true };
            (format!("{}#{}", n.name, n.occurrence), persistent)
        }
        (None, 0) => return Ok(()),
        (None, at) => (format!("@{at}"), op.fail_persistent()),
    };
    write!(out, "{gap}fail {fail}{}", if persistent { ".." } else { "" })
}

#[cfg(test)]
mod tests;
