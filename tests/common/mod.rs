//! What the tests that replay program files share.

// Each test uses a part of it.
#![allow(dead_code)]

use ifscrub::kern::slab::ObjRef;
use ifscrub::kern::trace::{Event, Trace, What};
use ifscrub::program::{Program, text};
use ifscrub::stack::{DefectSet, GRAMMARS, Machine, machine};
use ifscrub::triage::{replay, sets};
use std::fs;
use std::path::{Path, PathBuf};

/// A program file.
pub struct File {
    /// Its name without folder and extension.
    pub name: String,
    /// What it holds.
    pub source: String,
    /// The program.
    pub program: Program,
}

/// The project's folder `path`.
pub fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The names of the files of a folder that end with `suffix`, without it, sorted.
pub fn names(folder: &Path, suffix: &str) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut names: Vec<String> = files
        .map(|f| f.expect("the folder can be read").file_name().to_string_lossy().into_owned())
        .filter_map(|n| n.strip_suffix(suffix).map(str::to_string))
        .collect();
    names.sort();
    names
}

/// The program `name` of a folder.
pub fn file(folder: &Path, name: &str) -> File {
    let path = folder.join(format!("{name}.ops"));
    let source = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let program = parse(&path.display().to_string(), &source);
    File { name: name.to_string(), source, program }
}

/// The golden program `name` of a kernel.
pub fn golden_file(kernel: &str, name: &str) -> File {
    file(&folder("tests/golden").join(kernel), name)
}

/// All programs of a folder.
pub fn files(folder: &Path) -> Vec<File> {
    names(folder, ".ops").iter().map(|name| file(folder, name)).collect()
}

/// The text of a program that stops with the kernel.
pub fn source(kernel: &str, defects: &str, ops: &[&str]) -> String {
    let ops = ops.join("\n");
    format!("# ifscrub 1\nkernel {kernel}\nstop kernel\ndefects {defects}\n{ops}\n")
}

/// Parses a program; `place` names it in the panic.
pub fn parse(place: &str, source: &str) -> Program {
    text::parse(GRAMMARS, source)
        .unwrap_or_else(|e| panic!("{place}:{}:{}: {}", e.line, e.column, e.message))
}

/// The same program on another number of CPUs.
pub fn on_cpus(p: &Program, ncpus: u8) -> Program {
    let mut p = p.clone();
    p.header.ncpus = ncpus;
    p
}

/// The machine of the program's kernel.
pub fn machine_of(p: &Program) -> Box<dyn Machine> {
    machine(p.header.kernel).expect("the grammar's kernel has a machine")
}

/// The defects that the program's header names.
pub fn defects_of(m: &dyn Machine, p: &Program) -> DefectSet {
    let set = sets::of_header(m.defects(), p).unwrap_or_else(|e| panic!("{e}"));
    set.expect("the header has a defects line")
}

/// A program run with recording, and the machine as it left it.
pub struct Ran {
    /// The machine.
    pub machine: Box<dyn Machine>,
    /// What came of it.
    pub outcome: ifscrub::kern::exec::Outcome,
    /// The events.
    pub trace: Trace,
}

/// Runs a program under its own header.
pub fn run(p: &Program) -> Ran {
    let mut machine = machine_of(p);
    let defects = defects_of(&*machine, p);
    let replay::Recorded { outcome, trace } = replay::recorded(&mut *machine, p, defects, None);
    Ran { machine, outcome, trace }
}

impl Ran {
    /// The events of operation `op`, from 1, each with the functions that are live in its
    /// thread, outermost first.
    pub fn steps(&self, op: usize) -> Vec<Step> {
        let mut stacks: Vec<Vec<&'static str>> = Vec::new();
        let mut steps = Vec::new();
        for e in &self.trace.events {
            let fiber = usize::from(e.fiber);
            if stacks.len() <= fiber {
                stacks.resize(fiber + 1, Vec::new());
            }
            match e.what {
                What::Enter(f) => stacks[fiber].push(f.name),
                What::Leave(_) => drop(stacks[fiber].pop()),
                What::Done(_) => stacks[fiber].clear(),
                _ => {}
            }
            if of_operation(e, op) {
                steps.push(Step { event: *e, stack: stacks[fiber].clone() });
            }
        }
        steps
    }

    /// What operation `op` returned.
    pub fn errno(&self, op: usize) -> i32 {
        let done = self.steps(op).into_iter().find_map(|s| match s.event.what {
            What::Done(n) => Some(n),
            _ => None,
        });
        done.expect("the operation returned")
    }
}

/// One event in its place.
#[derive(Clone)]
pub struct Step {
    /// The event.
    pub event: Event,
    /// The functions that are live in its thread, outermost first, threads among them.
    pub stack: Vec<&'static str>,
}

impl Step {
    /// Whether the function `name` is live.
    pub fn within(&self, name: &str) -> bool {
        self.stack.contains(&name)
    }

    /// The innermost function.
    pub fn function(&self) -> &'static str {
        self.stack.last().copied().unwrap_or_default()
    }
}

/// One change of a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// By how much.
    pub by: i8,
    /// What it is then.
    pub count: u32,
    /// On which CPU.
    pub cpu: u8,
    /// In which function.
    pub function: &'static str,
}

/// The changes of the counter of `o`.
pub fn changes(steps: &[Step], o: ObjRef) -> Vec<Change> {
    let change = |s: &Step| match s.event.what {
        What::Ref(x, by, count, _) if x == o => {
            Some(Change { by, count, cpu: s.event.cpu, function: s.function() })
        }
        _ => None,
    };
    steps.iter().filter_map(change).collect()
}

/// The objects of a class that were allocated, in order.
pub fn allocated(r: &Ran, steps: &[Step], class: &str) -> Vec<ObjRef> {
    let object = |s: &Step| match s.event.what {
        What::Alloc(o) if r.machine.class_name(o.class) == class => Some(o),
        _ => None,
    };
    steps.iter().filter_map(object).collect()
}

/// The place of the free of `o` in the steps.
pub fn freed(steps: &[Step], o: ObjRef) -> Option<usize> {
    steps.iter().position(|s| s.event.what == What::Free(o))
}

/// The one object of a class that operation `op` allocates.
pub fn made(r: &Ran, op: usize, class: &str) -> ObjRef {
    let all = allocated(r, &r.steps(op), class);
    assert_eq!(all.len(), 1, "operation {op} makes one {class}");
    all[0]
}

/// The steps with the function `name` live.
pub fn within(steps: &[Step], name: &str) -> Vec<Step> {
    steps.iter().filter(|s| s.within(name)).cloned().collect()
}

/// The functions that `parent` calls itself, in order.
pub fn calls(steps: &[Step], parent: &str) -> Vec<&'static str> {
    let called = |s: &Step| match s.event.what {
        What::Enter(f) if s.stack.len() >= 2 && s.stack[s.stack.len() - 2] == parent => {
            Some(f.name)
        }
        _ => None,
    };
    steps.iter().filter_map(called).collect()
}

/// Whether an event belongs to operation `op`, from 1: is its issue, or on its account.
pub fn of_operation(e: &Event, op: usize) -> bool {
    match e.what {
        What::Op(i) => usize::from(i) + 1 == op,
        _ => e.account != u8::MAX && usize::from(e.account) + 1 == op,
    }
}
