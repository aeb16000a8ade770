//! The text of a report.
//!
//! Plain lines of text without colour: the same for a terminal, a file and a mail. Tables
//! are as wide as their widest cell.

use super::events::Episode;
use super::{Report, Thread};
use std::fmt::{self, Display, Formatter};

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "panic: {}", self.panic)?;
        writeln!(f, "rule:  {}: {}", self.rule, self.says)?;
        writeln!(f, "{}", self.at)?;
        writeln!(f)?;
        let list = |names: &[String]| match names {
            [] => "none".to_string(),
            _ => names.join(" "),
        };
        writeln!(f, "kernel:    {}", self.kernel)?;
        writeln!(f, "stop:      {}", self.stop)?;
        writeln!(f, "defects:   {}", list(&self.defects))?;
        if self.needed != self.defects {
            writeln!(f, "needed:    {}", list(&self.needed))?;
        }
        writeln!(f, "credit:    {}", list(&self.credit))?;
        writeln!(f, "signature: {}", self.signature)?;
        if let Some(lock) = self.waits_for {
            writeln!(
                f,
                "caution:   somebody waits for the {lock}, which a repair adds; see below"
            )?;
        }
        if !self.injected.is_empty() {
            section(f, "faults INJECTED by the program, not by the kernel")?;
            for fault in &self.injected {
                writeln!(f, "  {fault}")?;
            }
        }
        section(f, "stack backtraces")?;
        if self.threads.is_empty() {
            writeln!(f, "  no thread is alive: found at rest")?;
        }
        for (i, t) in self.threads.iter().enumerate() {
            write_thread(f, i, t)?;
        }
        for o in &self.objects {
            section(f, &format!("object {}", o.name))?;
            for line in &o.lines {
                writeln!(f, "  {line}")?;
            }
        }
        if let Some(o) = self.objects.first() {
            section(f, &format!("references of {}", o.name))?;
            let count = |c: Option<u32>| c.map_or_else(String::new, |c| (c as i32).to_string());
            let row = |c: &super::Change| {
                let function = parentheses(&c.function);
                [c.operation.clone(), c.thread.clone(), function, c.change.clone(), count(c.count)]
            };
            let rows: Vec<_> = self.history.iter().map(row).collect();
            table(f, ["operation", "thread", "function", "change", "count"], &rows)?;
        }
        section(f, "interleaving")?;
        write_interleaving(f, &self.interleaving)?;
        section(f, "the two layers")?;
        writeln!(f, "  books:    {}", self.books)?;
        writeln!(f, "  kernel:   {}", self.kernel_shows)?;
        writeln!(f, "  warnings: {}", self.warnings)?;
        section(f, "program")?;
        f.write_str(&self.program)
    }
}

fn section(f: &mut Formatter<'_>, title: &str) -> fmt::Result {
    writeln!(f, "\n{title}")
}

fn parentheses(function: &str) -> String {
    if function.is_empty() { String::new() } else { format!("{function}()") }
}

/// How many changes of thread are spelled out.
const TURNS: usize = 5;

/// The threads that an operation ran through: each change, or, where they are many, each
/// thread once.
fn turns(threads: &[String]) -> String {
    if threads.len() <= TURNS {
        return threads.join(" > ");
    }
    let mut once: Vec<&str> = Vec::new();
    for t in threads {
        if !once.contains(&t.as_str()) {
            once.push(t);
        }
    }
    format!("{}, {} changes", once.join(", "), threads.len() - 1)
}

/// One row per switch; what was done meanwhile stands below it.
fn write_interleaving(f: &mut Formatter<'_>, episodes: &[Episode]) -> fmt::Result {
    let row =
        |e: &Episode| [e.operation.clone(), turns(&e.threads), e.begins.clone(), e.ends.clone()];
    let rows: Vec<_> = episodes.iter().map(row).collect();
    let lines = lines(["operation", "thread", "begins", "ends"], &rows);
    let mut lines = lines.into_iter();
    lines.next().iter().try_for_each(|heading| writeln!(f, "{heading}"))?;
    for (line, e) in lines.zip(episodes) {
        writeln!(f, "{line}")?;
        e.did.iter().try_for_each(|note| writeln!(f, "      {note}"))?;
    }
    Ok(())
}

fn write_thread(f: &mut Formatter<'_>, number: usize, t: &Thread) -> fmt::Result {
    writeln!(f, "  thread {}: operation {}: {}", number + 1, t.account, t.state)?;
    for s in &t.stacks {
        if !s.name.is_empty() {
            writeln!(f, "  -- thread {} --", s.name)?;
        }
        let width = s.frames.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
        for (name, file) in &s.frames {
            writeln!(f, "    {:width$}  {file}", parentheses(name))?;
        }
    }
    Ok(())
}

/// Rows under a heading; columns in which no row has anything are left out.
fn lines<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    let used = |c: usize| rows.iter().any(|r| !r[c].is_empty());
    let width = |c: usize| {
        let widest = rows.iter().map(|r| r[c].chars().count()).max().unwrap_or(0);
        widest.max(heading[c].len())
    };
    let columns: Vec<(usize, usize)> = (0..N).filter(|&c| used(c)).map(|c| (c, width(c))).collect();
    let line = |cell: &dyn Fn(usize) -> String| {
        let cells = columns.iter().map(|&(c, width)| format!("  {:width$}", cell(c)));
        cells.collect::<String>().trim_end().to_string()
    };
    let first = line(&|c| heading[c].to_string());
    std::iter::once(first).chain(rows.iter().map(|row| line(&|c| row[c].clone()))).collect()
}

fn table<const N: usize>(
    f: &mut Formatter<'_>,
    heading: [&str; N],
    rows: &[[String; N]],
) -> fmt::Result {
    lines(heading, rows).iter().try_for_each(|line| writeln!(f, "{line}"))
}
