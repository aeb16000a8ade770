//! `ifscrub matrix`: which proposed repair cures which way into a panic.

use super::file::{Loaded, kernel};
use super::output::{emit, emit_json, note};
use super::{AS_EXPECTED, CliError, Done, jobs};
use crate::hunt::progress::Progress;
use crate::hunt::round::guarded;
use crate::program::{Stop, text};
use crate::shadow::KernelFault;
use crate::stack::{DefectSet, Machine, Model, Proposal};
use crate::triage::matrix::{
    Cell, Seen, Verdict, Walk, Way, beside, combinations, least, members, way,
};
use crate::triage::replay::resolve;
use crate::triage::sets;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Say which proposed repair cures which way into a panic, and what it leaves.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each file is a way: a program that, with the defects of its header, makes the kernel panic.
It is replayed under every combination of the repairs, at the preemptions and faults as
named and at every other position of them, and random changes of it are run as well.
For a way that no combination cures, the defects whose own repair is needed beside them
become repairs of the matrix, too, under their names.

  panics         the same panic: kind, function, and what was followed
  other fault    the kernel faults, but not there
  left: RULES    the kernel goes on, but the books are broken
  clean          neither

A combination stops the panic when the kernel does not fault any more, at no position and
in none of the changed programs; it cures the way when the books are clean at every
position, too.

It takes kernels for which repairs are proposed: of those that come with ifscrub, freebsd-14.
A way takes four to thirty seconds on one CPU with the usual number of changed programs, more the
more defects it has; with --runs 0 a second at most.

Examples:
  ifscrub matrix --runs 0 docs/findings/programs/freebsd-2023/r*.ops
  ifscrub matrix --runs 100000 --seed 7 --markdown my-ways/*.ops
  ifscrub matrix --json my-ways/*.ops | jq '.every_way'")]
pub struct Args {
    /// Program files, text or bytes, all of one kernel
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The kernel that all files must be for [default: that of the first]
    #[arg(long, value_name = "KERNEL")]
    kernel: Option<String>,
    /// Changed programs under each combination; 0 for replays only
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    runs: u64,
    /// Seed of the changes
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Ways at a time; the result is the same for any number [default: one per CPU]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Print tables for a page
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Print JSON, with every combination
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn matrix(models: &'static [Model], args: &Args) -> Done {
    let only = args.kernel.as_deref().map(|k| kernel(models, k)).transpose()?;
    // All of them before the first takes its time.
    let files: Vec<Loaded> =
        args.files.iter().map(|f| Loaded::read(models, f, None)).collect::<Result<_, _>>()?;
    files.iter().for_each(Loaded::note_odd);
    let Some(first) = files.first() else { return Ok(AS_EXPECTED) };
    let id = only.map_or(first.program.header.kernel, |m| m.grammar().id);
    let m = first.machine();
    for f in &files {
        let own = f.machine();
        if f.program.header.kernel != id {
            let problem = format!("is a program of {}", own.grammar().kernel);
            return Err(CliError::path(&f.path, problem).help("give files of one kernel"));
        }
    }
    if m.proposals().is_empty() {
        let problem = format!("no repairs are proposed for {}", m.grammar().kernel);
        return Err(CliError::path(&first.path, problem)
            .help("`ifscrub credit` says which defects' own repairs make it clean"));
    }
    let walk = Walk { runs: args.runs, seed: args.seed };
    let mut repairs = m.proposals().to_vec();
    let jobs = jobs(args.jobs);
    let progress = Progress::stderr();
    let at = |what: &str, f: &Loaded| {
        let number = 1 + files.iter().position(|g| std::ptr::eq(f, g)).unwrap_or(0);
        let (name, n) = (stem(&f.path), files.len());
        progress.at(&format!("{name}, way {number} of {n}: {what}"));
    };
    let needed = for_each(&files, jobs, |m, f| {
        at("what it needs", f);
        needed_beside(m, f)
    });
    for own in needed.inspect_err(|_| progress.clear())?.into_iter().flatten() {
        if !repairs.iter().any(|r| r.name == own.name) {
            repairs.push(own);
        }
    }
    repairs[m.proposals().len()..].sort_by_key(|r| r.off);
    let ways = for_each(&files, jobs, |m, f| {
        at("under every combination", f);
        one(m, f, &repairs, walk)
    });
    let ways = ways.inspect_err(|_| progress.clear())?;
    progress.clear();
    for w in &ways {
        let exhausted = |c: &Cell| c.replay.exhausted + c.walk.as_ref().map_or(0, |s| s.exhausted);
        let all: u64 = w.cells.iter().map(exhausted).sum();
        if all != 0 {
            note(&format!("{}: {all} runs used up the model's memory and say nothing", w.name));
        }
    }
    match (args.json, args.markdown) {
        (true, _) => emit_json(&as_json(&*m, &repairs, &ways, walk))?,
        (_, true) => emit(as_markdown(&*m, &repairs, &ways))?,
        _ => emit(as_text(&*m, &repairs, &ways))?,
    }
    Ok(AS_EXPECTED)
}

/// What `work` makes of each file, in their order, with so many of them at a time, and a
/// machine for each; the first error in that order, if there is any.
fn for_each<T: Send>(
    files: &[Loaded],
    jobs: usize,
    work: impl Fn(&mut dyn Machine, &Loaded) -> Result<T, CliError> + Sync,
) -> Result<Vec<T>, CliError> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(files.len()) {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(f) = files.get(i) else { break };
                    let made = work(&mut *f.machine(), f);
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(i, made);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// The repairs that a way needs beside the proposals.
fn needed_beside(m: &mut dyn Machine, loaded: &Loaded) -> Result<Vec<Proposal>, CliError> {
    let defects = loaded.defects(m, None)?.set;
    let mut p = loaded.program.clone();
    p.header.stop = Stop::Kernel;
    let unreached = guarded(m, &p, |m| resolve(m, &p, defects, u8::MAX).1)?;
    loaded.unreached(&unreached, true)?;
    let found = guarded(m, &p, |m| beside(m, &p, defects))?;
    found.ok_or_else(|| no_panic(m, loaded, defects))
}

fn one(
    m: &mut dyn Machine,
    loaded: &Loaded,
    repairs: &[Proposal],
    walk: Walk,
) -> Result<Way, CliError> {
    let defects = loaded.defects(m, None)?.set;
    let (p, name) = (&loaded.program, stem(&loaded.path));
    let found = guarded(m, p, |m| way(m, &name, p, defects, repairs, walk))?;
    found.ok_or_else(|| no_panic(m, loaded, defects))
}

fn no_panic(m: &dyn Machine, loaded: &Loaded, defects: DefectSet) -> CliError {
    let words = sets::display(m.defects(), defects);
    CliError::path(&loaded.path, format!("the kernel does not panic with defects {words}"))
        .help("give a program that ends in a fault with `ifscrub run --stop kernel`")
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned())
}

/// `page fault at NULL, following p, in f()`.
fn fault_words(f: &KernelFault) -> String {
    format!("{}, following {}, in {}()", f.kind.words(), f.what, f.func)
}

/// A combination: `F1 + F3`; `none` without any.
fn combination_words(proposals: &[Proposal], combination: usize) -> String {
    match combination {
        0 => "none".to_string(),
        c => members(proposals, c).iter().map(|p| p.name).collect::<Vec<_>>().join(" + "),
    }
}

/// Several combinations: `F2, F1 + F3`; `no combination` without any.
fn list(proposals: &[Proposal], combinations: &[usize]) -> String {
    let words = combinations.iter().map(|&c| combination_words(proposals, c));
    match combinations {
        [] => "no combination".to_string(),
        _ => words.collect::<Vec<_>>().join(", "),
    }
}

/// What the replays show.
fn replay_words(seen: &Seen) -> String {
    match (seen.verdict(), &seen.other) {
        (Verdict::Left, _) => format!("left: {}", seen.left.join(" ")),
        (Verdict::OtherFault, Some(f)) => format!("other fault: {}", fault_words(f)),
        (verdict, _) => verdict.name().to_string(),
    }
}

/// What the walk shows.
fn walk_words(seen: Option<&Seen>) -> String {
    match seen {
        None => "-".to_string(),
        Some(seen) => match seen.verdict() {
            Verdict::Panics => format!("panics after {}", seen.runs),
            Verdict::Clean => format!("clean in {}", seen.runs),
            _ => format!("no such panic in {}; {}", seen.runs, replay_words(seen)),
        },
    }
}

/// Each repair alone.
fn singles(proposals: &[Proposal]) -> impl Iterator<Item = usize> {
    (0..proposals.len()).map(|i| 1 << i)
}

/// What a repair changes; of a defect's own, whose it is.
fn what(m: &dyn Machine, repair: &Proposal) -> String {
    let proposed = m.proposals().iter().any(|p| p.name == repair.name);
    let own = if proposed { "" } else { "beside the proposals, its own repair; " };
    format!("{own}{}", repair.what)
}

fn as_text(m: &dyn Machine, proposals: &[Proposal], ways: &[Way]) -> String {
    let mut out = String::new();
    for p in proposals {
        out += &format!("{}: {}\n", p.name, what(m, p));
    }
    for w in ways {
        out += &format!(
            "\n{}\n  panic:    {}\n  books:    {}\n  defects:  {}\n",
            w.name,
            fault_words(&w.panic),
            w.books.unwrap_or("nothing"),
            sets::display(m.defects(), w.defects)
        );
        let mut rows = vec![["repair", "at every position", "changed"].map(str::to_string)];
        rows.extend(std::iter::once(0).chain(singles(proposals)).map(|c| {
            let cell = &w.cells[c];
            let name = combination_words(proposals, c);
            [name, replay_words(&cell.replay), walk_words(cell.walk.as_ref())]
        }));
        out += &aligned(&rows);
        let [stops, cures] = least_of(proposals, std::slice::from_ref(w));
        out += &format!("  stopped by: {}\n", list(proposals, &stops));
        out += &format!("  cured by:   {}\n", list(proposals, &cures));
        for c in singles(proposals) {
            let Some(p) = w.cells[c].walk.as_ref().and_then(|s| s.panics.as_ref()) else {
                continue;
            };
            out += &format!("  panics again under {}:\n", combination_words(proposals, c));
            for line in text::print(m.grammar(), p).lines() {
                out += &format!("    {line}\n");
            }
        }
    }
    out + "\n" + &conclusion(proposals, ways)
}

/// Columns of equal width, the last one as it comes.
fn aligned(rows: &[[String; 3]]) -> String {
    let width = |column: usize| rows.iter().map(|r| r[column].len()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    let row = |[a, b, c]: &[String; 3]| format!("  {a:first$}  {b:second$}  {c}\n");
    rows.iter().map(row).collect()
}

/// A row for each way, a column for each repair alone, then what is needed together.
fn as_markdown(m: &dyn Machine, proposals: &[Proposal], ways: &[Way]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let cell = |text: String| text.replace('|', "\\|");
    let heads = |first: &str, rest: Vec<String>| {
        let head: Vec<String> = std::iter::once(first.to_string()).chain(rest).collect();
        let rule = vec!["---".to_string(); head.len()];
        line(head) + &line(rule)
    };
    let mut out = String::new();
    for p in proposals {
        out += &format!("- **{}**: {}\n", p.name, what(m, p));
    }
    out += "\n";
    out += &heads("way", proposals.iter().map(|p| p.name.to_string()).collect());
    for w in ways {
        let alone = singles(proposals).map(|c| {
            let Cell { replay, walk } = &w.cells[c];
            let back = walk.as_ref().filter(|s| s.verdict() == Verdict::Panics);
            let back =
                back.map_or_else(String::new, |s| format!("; {}, changed", walk_words(Some(s))));
            cell(replay_words(replay) + &back)
        });
        out += &line(std::iter::once(format!("`{}`", w.name)).chain(alone).collect());
    }
    out += "\n";
    let rest = ["panic", "books", "stopped by", "cured by"].map(str::to_string);
    out += &heads("way", rest.to_vec());
    for w in ways {
        let [stops, cures] = least_of(proposals, std::slice::from_ref(w));
        out += &line(vec![
            format!("`{}`", w.name),
            cell(fault_words(&w.panic)),
            w.books.unwrap_or("nothing").to_string(),
            list(proposals, &stops),
            list(proposals, &cures),
        ]);
    }
    out += "\n";
    for line in conclusion(proposals, ways).lines() {
        out += &format!("- {line}\n");
    }
    out
}

/// The least combinations that stop all of these ways, and those that cure them.
fn least_of(proposals: &[Proposal], ways: &[Way]) -> [Vec<usize>; 2] {
    let stops = |c: usize| ways.iter().all(|w| w.cells[c].stops());
    let cures = |c: usize| ways.iter().all(|w| w.cells[c].cures());
    [least(proposals, &stops), least(proposals, &cures)]
}

/// What holds for all ways together.
fn conclusion(proposals: &[Proposal], ways: &[Way]) -> String {
    let [stops, cures] = least_of(proposals, ways);
    let counts = |holds: fn(&Cell) -> bool| {
        let one = |c: usize| {
            let n = ways.iter().filter(|w| holds(&w.cells[c])).count();
            format!("{} {n}", combination_words(proposals, c))
        };
        format!("{} of {}", singles(proposals).map(one).collect::<Vec<_>>().join(", "), ways.len())
    };
    let about = |verb: &str, least: &[usize], holds: fn(&Cell) -> bool| {
        let alone = match least.iter().any(|c| c.count_ones() == 1) {
            true => format!("a single repair {verb} every way; each alone {verb}"),
            false => format!("no single repair {verb} every way"),
        };
        let together = list(proposals, least);
        format!("{alone}: {}\n{verb} every way: {together}\n", counts(holds))
    };
    about("stops", &stops, Cell::stops) + &about("cures", &cures, Cell::cures)
}

fn as_json(m: &dyn Machine, proposals: &[Proposal], ways: &[Way], walk: Walk) -> Value {
    let names = |c: usize| members(proposals, c).iter().map(|p| p.name).collect::<Vec<_>>();
    let both = |ways: &[Way]| {
        let [stops, cures] = least_of(proposals, ways);
        let lists = |all: Vec<usize>| all.into_iter().map(names).collect::<Vec<_>>();
        json!({ "stops": lists(stops), "cures": lists(cures) })
    };
    let seen = |s: &Seen| {
        json!({
            "verdict": s.verdict().name(),
            "runs": s.runs,
            "exhausted": s.exhausted,
            "other_fault": s.other.as_ref().map(fault_words),
            "left": s.left,
            "program": s.panics.as_ref().map(|p| text::print(m.grammar(), p)),
        })
    };
    let cell = |w: &Way, c: usize| {
        let at = &w.cells[c];
        json!({
            "repairs": names(c),
            "positions": seen(&at.replay),
            "changed": at.walk.as_ref().map(seen),
            "stops": at.stops(),
            "cures": at.cures(),
        })
    };
    let one_way = |w: &Way| {
        json!({
            "name": w.name,
            "panic": fault_words(&w.panic),
            "books": w.books,
            "defects": sets::names(m.defects(), w.defects),
            "cells": (0..combinations(proposals)).map(|c| cell(w, c)).collect::<Vec<_>>(),
            "least": both(std::slice::from_ref(w)),
        })
    };
    let repair = |p: &Proposal| {
        json!({
            "name": p.name,
            "what": what(m, p),
            "off": sets::names(m.defects(), p.off),
            "on": sets::names(m.defects(), p.on),
        })
    };
    json!({
        "kernel": m.grammar().kernel,
        "runs": walk.runs,
        "seed": walk.seed,
        "repairs": proposals.iter().map(repair).collect::<Vec<_>>(),
        "ways": ways.iter().map(one_way).collect::<Vec<_>>(),
        "every_way": both(ways),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kern::Kernel;
    use crate::stack::Stack;
    use crate::triage::toy::{GRAMMAR, GUESS, Toy, UNLOCKED, UNREFERENCED};

    fn toy() -> (Kernel<Toy>, Vec<Way>) {
        let mut m = Kernel::<Toy>::new();
        let walk = Walk { runs: 600, seed: 1 };
        let mut one = |name, ops, defects| {
            let text = format!("# ifscrub 1\nkernel toy\n{ops}");
            let p = text::parse(&[&GRAMMAR], &text).unwrap();
            way(&mut m, name, &p, defects, Toy::proposals(), walk).unwrap()
        };
        let race = "make d0\nuse d0  preempt carton_use:sleep#1 for 1\ndrop d0\n";
        let race = one("race", race, 1 << UNLOCKED | 1 << UNREFERENCED);
        let drawer = one("drawer", "make d2\nmark d2\n", 1 << GUESS);
        (m, vec![race, drawer])
    }

    #[test]
    fn the_text_says_what_each_repair_does_and_what_all_ways_need() {
        let (m, ways) = toy();
        let text = as_text(&m, m.proposals(), &ways);
        for line in [
            "race\n  panic:    page fault at 0xdeadc0de, following c->refs, in carton_use()\n  \
             books:    freed-in-hands\n  defects:  unlocked use-unreferenced\n",
            "  none    panics  ",
            "  MARKED  panics  ",
            "  ASSERT  other fault: assertion: c is alive, following c, in carton_use()  no such panic in 600; ",
            "  LOCK    clean  ",
            "  stopped by: LOCK, PLAIN + MARKED\n  cured by:   LOCK\n  panics again under PLAIN:\n    # ifscrub 1\n",
            "  stopped by: LAST\n  cured by:   LAST\n",
            "no single repair stops every way: LOCK 1, LAST 1, PLAIN 0, MARKED 0, ASSERT 0 of 2\n\
             stops every way: LOCK + LAST, LAST + PLAIN + MARKED\n\
             no single repair cures every way: LOCK 1, LAST 1, PLAIN 0, MARKED 0, ASSERT 0 of 2\n\
             cures every way: LOCK + LAST\n",
        ] {
            assert!(text.contains(line), "no `{line}` in\n{text}");
        }
    }

    #[test]
    fn the_tables_have_a_row_for_each_way() {
        let (m, ways) = toy();
        let text = as_markdown(&m, m.proposals(), &ways);
        assert!(text.contains("| way | LOCK | LAST | PLAIN | MARKED | ASSERT |\n"), "{text}");
        assert!(
            text.contains("| `drawer` | panics | clean | panics | panics | panics |\n"),
            "{text}"
        );
        assert!(text.contains("| LOCK, PLAIN + MARKED | LOCK |\n"), "{text}");
        assert!(text.contains("\n- cures every way: LOCK + LAST\n"), "{text}");
        for row in text.lines().filter(|l| l.starts_with('|')) {
            assert!(row.matches('|').count() == 7 || row.matches('|').count() == 6, "{row}");
        }
    }

    #[test]
    fn the_json_has_every_combination() {
        let (m, ways) = toy();
        let json = as_json(&m, m.proposals(), &ways, Walk { runs: 600, seed: 1 });
        assert_eq!(json["ways"][0]["cells"].as_array().map(Vec::len), Some(32));
        assert_eq!(json["ways"][0]["cells"][0]["positions"]["verdict"], "panics");
        assert_eq!(json["every_way"]["cures"], json!([["LOCK", "LAST"]]));
        assert_eq!(json["repairs"][2]["on"], json!(["use-checks-plain"]));
    }
}
