//! A trace, one event a line: what `run --trace` prints and golden traces hold.
//!
//! Nothing in a line depends on how the model was built: the call site of a reference
//! change, which the trace knows, is left out.

use super::report::events::errno_name;
use super::report::object_name;
use crate::kern::trace::{Event, Trace, What};
use crate::stack::Machine;

/// All events of a trace, each a line, indented by depth of call.
pub fn listing(m: &dyn Machine, trace: &Trace) -> String {
    let mut depth = std::collections::BTreeMap::new();
    let mut out = String::new();
    for e in &trace.events {
        let d: &mut usize = depth.entry(e.fiber).or_default();
        if let What::Leave(_) | What::Done(_) = e.what {
            *d = d.saturating_sub(1);
        }
        let indent = "  ".repeat(*d);
        match e.what {
            What::Enter(_) => *d += 1,
            What::Done(_) => *d = 0,
            _ => {}
        }
        let who = match (e.what, e.account) {
            (What::Op(_), _) => "-".to_string(),
            (_, u8::MAX) => "end".to_string(),
            (_, op) => format!("op {}", op + 1),
        };
        out += &format!("{:>6} ms cpu {} {who:>6} {indent}{}\n", e.now, e.cpu, line(m, trace, e));
    }
    out
}

/// What happened, in words.
fn line(m: &dyn Machine, trace: &Trace, e: &Event) -> String {
    let object = |o| object_name(m, o);
    match e.what {
        What::Op(i) => format!("operation {} is issued", i + 1),
        What::Done(0) => "returns 0".to_string(),
        What::Done(n) => format!("returns {}", errno_name(n)),
        What::Enter(f) if f.file.is_empty() => format!("{} {{", f.name),
        What::Enter(f) => format!("{}() {{", f.name),
        What::Leave(f) => format!("}} {}", f.name),
        What::Yield(at) => format!("yield {at}"),
        What::Park(at) => format!("parked at {at}"),
        What::Resume => "resumes".to_string(),
        What::Call(name, false) => format!("call {name}"),
        What::Call(name, true) => format!("call {name}: INJECTED failure"),
        What::Lock(l) => format!("lock {l}"),
        What::Block(l) => format!("waits for {l}"),
        What::Unlock(l) => format!("unlock {l}"),
        What::Alloc(o) => format!("alloc {}", object(o)),
        What::Free(o) => format!("free {}", object(o)),
        What::Ref(o, by, now, _) => format!("ref {} {by:+} = {}", object(o), now as i32),
        What::List(name, true, o) => format!("{} on {name}", object(o)),
        What::List(name, false, o) => format!("{} off {name}", object(o)),
        What::Migrate(cpu) => format!("moves to cpu {cpu}"),
        What::Violation(n) => {
            let broken = trace.violations.get(usize::from(n));
            format!("VIOLATION {}", broken.map_or("?", |(v, _)| v.rule.name))
        }
        What::Fault(n) => {
            let shown = trace.faults.get(usize::from(n));
            format!("KERNEL {}", shown.map_or("?", |(f, _)| f.kind.name()))
        }
        What::Reached(words) => words.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kern::Kernel;
    use crate::program::text;
    use crate::triage::replay::recorded;
    use crate::triage::toy::{GRAMMAR, Toy};

    #[test]
    fn every_event_is_a_line() {
        let mut m = Kernel::<Toy>::new();
        let p = text::parse(&[&GRAMMAR], "# ifscrub 1\nkernel toy\nmake d0\nmake d0\n").unwrap();
        let trace = recorded(&mut m, &p, 0, None).trace;
        let text = listing(&m, &trace);
        assert_eq!(text.lines().count(), trace.events.len());
        assert!(text.contains("op 1     alloc carton#0.1\n"), "{text}");
        assert!(text.contains("returns EEXIST"), "{text}");
    }
}
