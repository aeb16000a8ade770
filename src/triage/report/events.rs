//! What a report reads from the events of a trace: the history of an object's
//! references, the interleaving of the threads, the injected faults.

use super::{Labels, object_name};
use crate::kern::sched::MAX_FIBERS;
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Event, Func, Trace, What};
use crate::stack::Machine;
use serde::Serialize;
use std::borrow::Cow;

/// How many things an episode tells before it only counts.
const NOTES: usize = 8;

/// One line of an object's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// On whose account.
    pub operation: String,
    /// In which thread.
    pub thread: String,
    /// In which function.
    pub function: String,
    /// `allocated`, `+1`, `-1`, `freed`, `on LIST`, `off LIST`.
    pub change: String,
    /// The counter afterwards, where it changed.
    pub count: Option<u32>,
}

/// One thread running from one switch to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Episode {
    /// On whose account.
    pub operation: String,
    /// The threads it ran through.
    pub threads: Vec<String>,
    /// How it began: issued, or resumed where.
    pub begins: String,
    /// What it did to objects.
    pub did: Vec<String>,
    /// How it ended: parked or blocked where, returned, broke a rule.
    pub ends: String,
}

/// The name of a thread, from the root frame of its stack.
pub fn thread_name(root: &Func) -> &'static str {
    root.name.strip_prefix("thread ").unwrap_or(root.name)
}

/// The stacks of all fibers, followed through a trace.
#[derive(Default)]
struct Stacks([Vec<&'static Func>; MAX_FIBERS]);

impl Stacks {
    fn follow(&mut self, e: &Event) {
        let Some(stack) = self.0.get_mut(usize::from(e.fiber)) else {
            return;
        };
        match e.what {
            What::Enter(f) => stack.push(f),
            What::Leave(_) => drop(stack.pop()),
            What::Done(_) => stack.clear(),
            _ => {}
        }
    }

    fn of(&self, fiber: u8) -> &[&'static Func] {
        self.0.get(usize::from(fiber)).map_or(&[], Vec::as_slice)
    }

    fn function(&self, fiber: u8) -> String {
        let inner = self.of(fiber).iter().rev().find(|f| !f.file.is_empty());
        inner.map_or_else(String::new, |f| f.name.to_string())
    }

    fn thread(&self, fiber: u8) -> &'static str {
        let root = self.of(fiber).iter().rev().find(|f| f.file.is_empty());
        root.map_or("", |f| thread_name(f))
    }
}

/// The operation of an event; `None` in teardown.
fn account(e: &Event) -> Option<u8> {
    (e.account != u8::MAX).then_some(e.account)
}

/// All that happened to the references of an object.
pub fn history(trace: &Trace, o: ObjRef, labels: &Labels) -> Vec<Change> {
    let mut stacks = Stacks::default();
    let mut history = Vec::new();
    for e in &trace.events {
        stacks.follow(e);
        let (change, count) = match e.what {
            What::Alloc(x) if x == o => ("allocated".to_string(), None),
            What::Free(x) if x == o => ("freed".to_string(), None),
            What::Ref(x, by, now, _) if x == o => (format!("{by:+}"), Some(now)),
            What::List(name, on, x) if x == o => {
                (format!("{} {name}", if on { "on" } else { "off" }), None)
            }
            _ => continue,
        };
        history.push(Change {
            operation: labels.get(account(e)).to_string(),
            thread: stacks.thread(e.fiber).to_string(),
            function: stacks.function(e.fiber),
            change,
            count,
        });
    }
    history
}

/// The faults that were injected.
pub fn injected(trace: &Trace, labels: &Labels) -> Vec<String> {
    let failed = trace.events.iter().filter_map(|e| match e.what {
        What::Call(name, true) => Some((e, name)),
        _ => None,
    });
    failed.map(|(e, name)| format!("{name} in operation {}", labels.get(account(e)))).collect()
}

/// Collects one episode.
struct Draft {
    fiber: u8,
    account: Option<u8>,
    threads: Vec<&'static str>,
    begins: String,
    did: Vec<String>,
    ends: String,
}

impl Draft {
    fn finish(mut self, labels: &Labels) -> Episode {
        self.did.retain(|note| *note != self.ends);
        let mut did: Vec<String> = Vec::new();
        for note in self.did {
            // Lists of one object in one line: `puts X on a, b`.
            match did.last_mut() {
                Some(last) if same_but_last(last, &note) => {
                    let list = note.rsplit(' ').next().unwrap_or_default();
                    *last += &format!(", {list}");
                }
                _ => did.push(note),
            }
        }
        self.did = did;
        let told = self.did.len();
        if told > NOTES {
            self.did.truncate(NOTES);
            self.did.push(format!("and {} more", told - NOTES));
        }
        Episode {
            operation: labels.get(self.account).to_string(),
            threads: self.threads.into_iter().map(str::to_string).collect(),
            begins: self.begins,
            did: self.did,
            ends: self.ends,
        }
    }
}

/// Whether two notes differ in nothing but the list that they end with.
fn same_but_last(a: &str, b: &str) -> bool {
    let listed = |s: &str| s.starts_with("puts ") || s.starts_with("takes ");
    let head = |s: &str| s.split(' ').take(3).collect::<Vec<_>>().join(" ");
    listed(a) && head(a) == head(b)
}

/// Who ran when, from switch to switch.
pub fn interleaving(m: &dyn Machine, trace: &Trace, labels: &Labels) -> Vec<Episode> {
    let mut stacks = Stacks::default();
    let mut parked: [Option<String>; MAX_FIBERS] = Default::default();
    let mut episodes = Vec::new();
    let mut draft: Option<Draft> = None;
    let mut issued = false;
    for e in &trace.events {
        // Issued by nobody: its thread has not run yet.
        if let What::Op(_) = e.what {
            episodes.extend(draft.take().map(|d| d.finish(labels)));
            issued = true;
            continue;
        }
        let switched = draft.as_ref().is_none_or(|d| d.fiber != e.fiber || d.account != account(e));
        let begins = match e.what {
            What::Resume => {
                let at = parked.get_mut(usize::from(e.fiber)).and_then(Option::take);
                Some(at.map_or_else(|| "resumed".to_string(), |at| format!("resumed from {at}")))
            }
            _ if std::mem::take(&mut issued) => Some("issued".to_string()),
            _ => switched.then(|| "runs".to_string()),
        };
        if let Some(begins) = begins {
            episodes.extend(draft.take().map(|d| d.finish(labels)));
            let (fiber, account) = (e.fiber, account(e));
            let (threads, did, ends) = (Vec::new(), Vec::new(), String::new());
            draft = Some(Draft { fiber, account, threads, begins, did, ends });
        }
        stacks.follow(e);
        let Some(d) = &mut draft else { continue };
        let thread = stacks.thread(e.fiber);
        if !thread.is_empty() && d.threads.last() != Some(&thread) {
            d.threads.push(thread);
        }
        let name = |o| object_name(m, o);
        match e.what {
            What::Alloc(o) => d.did.push(format!("allocates {}", name(o))),
            What::Free(o) => d.did.push(format!("frees {}", name(o))),
            What::List(list, true, o) => d.did.push(format!("puts {} on {list}", name(o))),
            What::List(list, false, o) => d.did.push(format!("takes {} off {list}", name(o))),
            What::Call(call, true) => d.did.push(format!("INJECTED failure of {call}")),
            What::Park(at) => d.ends = format!("parked at {at}"),
            What::Block(lock) => d.ends = format!("waits for {lock}"),
            What::Done(errno) => d.ends = returned(errno),
            What::Violation(n) => {
                let broken = trace.violations.get(usize::from(n));
                d.ends = format!("breaks {}", broken.map_or("?", |(v, _)| v.rule.name));
                d.did.push(d.ends.clone());
            }
            What::Fault(n) => {
                let shown = trace.faults.get(usize::from(n));
                d.ends = shown.map_or("?", |(f, _)| f.kind.name()).to_string();
            }
            _ => {}
        }
        if matches!(e.what, What::Park(_) | What::Block(_)) {
            let ends =
                d.ends.replacen("parked at ", "", 1).replacen("waits for ", "the wait for ", 1);
            if let Some(p) = parked.get_mut(usize::from(e.fiber)) {
                *p = Some(ends);
            }
        }
    }
    episodes.extend(draft.map(|d| d.finish(labels)));
    episodes
}

fn returned(errno: i32) -> String {
    match errno {
        0 => "returns 0".to_string(),
        n => format!("returns {}", errno_name(n)),
    }
}

/// The BSD name of an errno; the number of one that has none here.
pub fn errno_name(errno: i32) -> Cow<'static, str> {
    Cow::Borrowed(match errno {
        1 => "EPERM",
        2 => "ENOENT",
        3 => "ESRCH",
        5 => "EIO",
        6 => "ENXIO",
        9 => "EBADF",
        12 => "ENOMEM",
        14 => "EFAULT",
        16 => "EBUSY",
        17 => "EEXIST",
        19 => "ENODEV",
        22 => "EINVAL",
        35 => "EAGAIN",
        37 => "EALREADY",
        39 => "EDESTADDRREQ",
        45 => "EOPNOTSUPP",
        46 => "EPFNOSUPPORT",
        47 => "EAFNOSUPPORT",
        48 => "EADDRINUSE",
        49 => "EADDRNOTAVAIL",
        50 => "ENETDOWN",
        51 => "ENETUNREACH",
        54 => "ECONNRESET",
        55 => "ENOBUFS",
        56 => "EISCONN",
        57 => "ENOTCONN",
        60 => "ETIMEDOUT",
        61 => "ECONNREFUSED",
        64 => "EHOSTDOWN",
        65 => "EHOSTUNREACH",
        69 => "EDQUOT",
        _ => return Cow::Owned(errno.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    /// The constants of errnos in the sources of the stacks: name and number.
    fn errnos(folder: &Path, all: &mut Vec<(String, i32)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                errnos(&path, all);
                continue;
            }
            for line in fs::read_to_string(&path).unwrap().lines() {
                let Some(rest) = line.strip_prefix("pub const E") else { continue };
                let Some((name, number)) = rest.split_once(": i32 = ") else { continue };
                let number = number.trim_end_matches(';').parse().unwrap();
                all.push((format!("E{name}"), number));
            }
        }
    }

    #[test]
    fn every_errno_of_a_stack_is_told_by_its_name() {
        let mut all = Vec::new();
        errnos(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/stack"), &mut all);
        assert!(all.len() > 40, "{all:?}");
        for (name, number) in all {
            // BSD's two names of one number.
            let name = if name == "EWOULDBLOCK" { "EAGAIN" } else { &name };
            assert_eq!(errno_name(number), name);
        }
    }
}
