//! The report of a violation: what a kernel developer wants to read.
//!
//! It reads like a kernel panic, with what neither of the reports that started this
//! project had: who held the object, who took and dropped every reference, and the order
//! of events. A [`Report`] is plain data, a function of (program, defects): no clock, no
//! address, no path of this machine. It is checked in beside its program and compared.
//!
//! [`events`] reads history and interleaving from the trace, [`layout`] prints.

pub mod events;
pub mod layout;

use super::credit::credit_of_books;
use super::replay::{name_points, recorded, waits_for_added};
use super::sets;
use super::signature::signature;
use crate::kern::sched::TEARDOWN;
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Backtrace, Trace, What};
use crate::program::{Program, Stop, text};
use crate::shadow::{KernelFault, Violation, rules};
use crate::stack::{DefectSet, Machine};
use events::{Change, Episode};
use serde::Serialize;

/// Everything there is to say about one violation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The panic line, without the word.
    pub panic: String,
    /// The first broken rule.
    pub rule: &'static str,
    /// What holds when it holds.
    pub says: &'static str,
    /// Where it happened: the operation and the function.
    pub at: String,
    /// The kernel and its number of CPUs.
    pub kernel: String,
    /// Which layer ended the run.
    pub stop: &'static str,
    /// The defects that were on.
    pub defects: Vec<String>,
    /// Those without which this violation does not happen.
    pub needed: Vec<String>,
    /// Those that have the credit.
    pub credit: Vec<String>,
    /// The signature.
    pub signature: String,
    /// The lock that a repair has added and that somebody waits for: the kernel could not do
    /// the same.
    pub waits_for: Option<&'static str>,
    /// The stacks of all threads, the one that died first.
    pub threads: Vec<Thread>,
    /// The object, and a second one where the rule is about two.
    pub objects: Vec<ObjectDump>,
    /// The object's references from the first to the last.
    pub history: Vec<Change>,
    /// Who ran when.
    pub interleaving: Vec<Episode>,
    /// Injected faults.
    pub injected: Vec<String>,
    /// How many broken rules only warn.
    pub warnings: u32,
    /// The first broken rule.
    pub books: String,
    /// What the kernel itself would have shown.
    pub kernel_shows: String,
    /// The program.
    pub program: String,
}

/// One thread's stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Thread {
    /// On whose account it works.
    pub account: String,
    /// Running, preempted, waiting for a lock...
    pub state: String,
    /// What it runs in, innermost first: messages carry one operation across threads.
    pub stacks: Vec<ThreadStack>,
}

/// The frames of one operation in one kernel thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ThreadStack {
    /// Name of the thread.
    pub name: String,
    /// Function and source file, innermost first.
    pub frames: Vec<(&'static str, &'static str)>,
}

/// One object as the run left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectDump {
    /// `in_ifaddr#slot.generation`.
    pub name: String,
    /// What the stack says about it and its holders.
    pub lines: Vec<String>,
}

impl Report {
    /// The report as JSON, one object.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or(serde_json::Value::Null)
    }
}

/// How reports call an object.
pub fn object_name(m: &dyn Machine, o: ObjRef) -> String {
    match o.is_none() {
        true => "-".to_string(),
        false => format!("{}#{}.{}", m.class_name(o.class), o.slot, o.generation),
    }
}

/// The names of a program's operations.
pub struct Labels(Vec<String>);

impl Labels {
    /// From a program whose points need not be named: they are left out.
    pub fn of(m: &dyn Machine, p: &Program) -> Labels {
        let mut bare = p.clone();
        bare.named.clear();
        for op in &mut bare.ops {
            (op.preempt_at, op.preempt_for, op.fail) = (0, 0, 0);
        }
        let printed = text::print(m.grammar(), &bare);
        let lines: Vec<&str> = printed.lines().collect();
        let first = lines.len().saturating_sub(bare.ops.len());
        let number = |(i, line): (usize, &&str)| format!("{} {line}", i + 1);
        Labels(lines[first..].iter().enumerate().map(number).collect())
    }

    /// The operation of an account: its number and its text.
    pub fn get(&self, account: Option<u8>) -> &str {
        account.and_then(|a| self.0.get(usize::from(a))).map_or("teardown", String::as_str)
    }
}

/// Replays a program and reports its violation; `None` when there is none.
pub fn report(m: &mut dyn Machine, p: &Program, defects: DefectSet) -> Option<Report> {
    let replay = recorded(m, p, defects, None);
    let trace = &replay.trace;
    let v = replay.outcome.violation?;
    let ended_by = replay.outcome.fault.filter(|_| p.header.stop == Stop::Kernel);
    let mut objects: Vec<ObjRef> = vec![v.obj, v.other];
    objects.extend(ended_by.map(|f| f.obj));
    objects.retain(|o| !o.is_none());
    let subject = objects.first().copied();
    // The machine still shows what this run left: ask before the next one.
    let mut dumps: Vec<ObjectDump> = Vec::new();
    for o in objects {
        let name = object_name(m, o);
        if dumps.iter().all(|d| d.name != name) {
            dumps.push(ObjectDump { name, lines: m.describe(o) });
        }
    }
    let labels = Labels::of(m, p);
    let stacks = match ended_by {
        Some(_) => trace.faults.first().map(|(_, s)| s),
        None => trace.violations.last().map(|(_, s)| s),
    };
    let threads = stacks.map_or(&[][..], Vec::as_slice);
    let threads = threads.iter().map(|b| thread(b, &labels)).collect();
    let history = subject.map_or_else(Vec::new, |o| events::history(trace, o, &labels));
    let interleaving = events::interleaving(m, trace, &labels);
    let injected = events::injected(trace, &labels);

    let credited = credit_of_books(m, p, defects);
    let names = |set| sets::names(m.defects(), set).into_iter().map(str::to_string).collect();
    let (needed, credit) = credited.as_ref().map_or((0, 0), |c| (c.set, c.credit));
    let needed = sets::mistakes(m.defects(), needed);
    let (needed, credit) = (names(needed), names(credit));
    let on: Vec<String> = names(defects);
    let signature = credited.as_ref().map_or_else(String::new, |c| signature(m, c));
    let kernel_shows = kernel_layer(m, p, defects, &labels);
    let mut program = name_points(m, p, defects);
    program.header.defects = Some(on.clone());
    let g = m.grammar();
    Some(Report {
        panic: match ended_by {
            Some(f) => fault_line(m, &f),
            None => violation_line(m, &v),
        },
        rule: v.rule.name,
        says: v.rule.says,
        at: match ended_by {
            Some(f) => place(labels.get(f.op), f.func),
            None => place(labels.get(v.op), v.func),
        },
        kernel: format!("{}, {} CPU{}", g.kernel, p.header.ncpus, plural(p.header.ncpus.into())),
        stop: p.header.stop.name(),
        defects: on,
        needed,
        credit,
        signature,
        waits_for: waits_for_added(m, trace),
        threads,
        objects: dumps,
        history,
        interleaving,
        injected,
        warnings: replay.outcome.counts.warnings,
        books: format!("{}, {}", violation_line(m, &v), place(labels.get(v.op), v.func)),
        kernel_shows,
        program: text::print(g, &program),
    })
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

fn place(operation: &str, func: &str) -> String {
    match func {
        "" => format!("in operation {operation}, at rest"),
        _ => format!("in operation {operation}, in {func}()"),
    }
    .replace("operation teardown", "the teardown")
}

/// `rule: object (numbers)`.
fn violation_line(m: &dyn Machine, v: &Violation) -> String {
    let mut line = v.rule.name.to_string();
    if !v.obj.is_none() {
        line += &format!(": {}", object_name(m, v.obj));
    }
    if !v.other.is_none() {
        line += &format!(" and {}", object_name(m, v.other));
    }
    line + &numbers(m, v)
}

/// What the two numbers of a violation mean; a stack explains its own rules.
fn numbers(m: &dyn Machine, v: &Violation) -> String {
    let [a, b] = v.detail;
    let lock = |l: u32| u8::try_from(l).map_or("?", |l| m.lock_name(l));
    let is = |rule| std::ptr::eq(v.rule, rule);
    if is(&rules::LOCK_MISUSE) {
        let how = match b {
            1 => "taken twice by one thread",
            2 => "released by a stranger",
            3 => "kept on return",
            4 => "asked for in a mode that it does not have",
            5 => return " (a critical section is left too often, or not left)".to_string(),
            _ => "not held where its callout is changed",
        };
        format!(" ({} {how})", lock(a))
    } else if is(&rules::LOCK_ORDER) {
        format!(" ({} held, {} taken)", lock(a), lock(b))
    } else if is(&rules::DEADLOCK) {
        match b {
            0 => format!(" (cycle through {})", lock(a)),
            _ => " (threads are left that nothing will wake)".to_string(),
        }
    } else if is(&rules::FREED_IN_HANDS) {
        match a {
            n if n == u32::from(TEARDOWN) => " (held by the teardown)".to_string(),
            n => format!(" (held by operation {})", n + 1),
        }
    } else {
        match m.explain(v) {
            words if words.is_empty() => words,
            words => format!(" ({words})"),
        }
    }
}

fn fault_line(m: &dyn Machine, f: &KernelFault) -> String {
    let of = if f.obj.is_none() { String::new() } else { format!(" of {}", object_name(m, f.obj)) };
    format!("{}, following {}{of}", f.kind.words(), f.what)
}

fn thread(b: &Backtrace, labels: &Labels) -> Thread {
    let mut stacks = Vec::new();
    let mut frames = Vec::new();
    for f in &b.frames {
        if !f.file.is_empty() {
            frames.push((f.name, f.file));
            continue;
        }
        // The root: what has been collected ran in this thread.
        let name = events::thread_name(f).to_string();
        stacks.push(ThreadStack { name, frames: std::mem::take(&mut frames) });
    }
    if !frames.is_empty() {
        stacks.push(ThreadStack { name: String::new(), frames });
    }
    let account = (b.account != TEARDOWN).then_some(b.account);
    Thread { account: labels.get(account).to_string(), state: b.state.clone(), stacks }
}

/// What the kernel of that date would itself have shown, and when.
fn kernel_layer(m: &mut dyn Machine, p: &Program, defects: DefectSet, labels: &Labels) -> String {
    let replay = recorded(m, p, defects, Some(Stop::Kernel));
    let Some(f) = replay.outcome.fault else {
        return "never, in this program".to_string();
    };
    let line = format!("{}, {}", fault_line(m, &f), place(labels.get(f.op), f.func));
    match operations_between(&replay.trace) {
        0 => format!("{line}, at once"),
        n => format!("{line}, {n} operation{} later", plural(n)),
    }
}

/// How many operations were issued between the first broken rule and the kernel's fault.
fn operations_between(trace: &Trace) -> usize {
    let events = trace.events.iter();
    let after = events.skip_while(|e| !matches!(e.what, What::Violation(_)));
    let until = after.take_while(|e| !matches!(e.what, What::Fault(_)));
    until.filter(|e| matches!(e.what, What::Op(_))).count()
}

#[cfg(test)]
mod tests;
