//! The seed's own dump, reproduced.
//!
//! Dillon found an `in_ifaddr` on a list, freed, with `ifa_addr` good and the rest of its
//! poisoned words 0xdeadc0de, and the kernel dead on the next read. `tests/field` holds a
//! program for each of the ways that the facts call candidates: C1 and C3 end in exactly
//! that dump, C4 does not, and says so.

mod common;

use common::{File, Ran, Step, defects_of, file, folder, machine_of, run};
use ifscrub::hunt::goals::{GOALS, Goal};
use ifscrub::kern::slab::ObjRef;
use ifscrub::kern::trace::{Backtrace, What};
use ifscrub::program::text;
use ifscrub::shadow::{FaultKind, KernelFault, Violation};
use ifscrub::stack::{GRAMMARS, as_reported};
use ifscrub::triage::credit::credit;
use ifscrub::triage::minimize::minimize;
use ifscrub::triage::replay;
use ifscrub::triage::report::report;

struct Field {
    file: File,
    ran: Ran,
}

fn field(name: &str) -> Field {
    let file = file(&folder("tests/field"), name);
    let ran = run(&file.program);
    Field { file, ran }
}

impl Field {
    fn fault(&self) -> (&KernelFault, &[Backtrace]) {
        let (fault, threads) = self.ran.trace.faults.first().expect("the kernel faults");
        (fault, threads)
    }

    fn verdict(&self) -> &Violation {
        &self.ran.trace.violations.first().expect("the books object").0
    }

    /// The line of operation `op`, from 0.
    fn operation(&self, op: u8) -> String {
        let printed = text::print(GRAMMARS[0], &self.file.program);
        let n = self.file.program.ops.len();
        let mut lines: Vec<_> = printed.lines().rev().take(n).collect();
        lines.reverse();
        lines[usize::from(op)].to_string()
    }

    /// The address that is freed while it is on a list: the only one of the program.
    fn dead(&self) -> (ObjRef, Vec<String>) {
        let v = self.verdict();
        assert_eq!(self.ran.machine.class_name(v.obj.class), "in_ifaddr");
        (v.obj, self.ran.machine.describe(v.obj))
    }

    fn line(&self, dump: &[String], field: &str) -> String {
        let line = dump.iter().find_map(|l| l.strip_prefix(field));
        line.unwrap_or_else(|| panic!("the dump has no `{field}`: {dump:#?}")).trim().to_string()
    }

    /// The place in the trace of the first event that `is` accepts.
    fn place(&self, is: impl Fn(&What) -> bool) -> usize {
        let at = self.ran.trace.events.iter().position(|e| is(&e.what));
        at.expect("the trace has such an event")
    }

    fn report(&self) -> String {
        let mut m = machine_of(&self.file.program);
        let defects = defects_of(&*m, &self.file.program);
        let report = report(&mut *m, &self.file.program, defects);
        report.expect("there is something to report").to_string()
    }
}

/// What Dillon saw, but for the count of poisoned words.
fn assert_dump_of_the_seed(f: &Field) {
    let (ia, dump) = f.dead();
    assert_eq!(dump[0], "in_ifaddr, FREED");
    assert_eq!(f.line(&dump, "listed:"), "in_ifaddrhashtbl");
    let addr = f.line(&dump, "ifa_addr");
    assert!(addr.starts_with("-> its own ia_addr"), "ifa_addr {addr}");
    assert_eq!(f.line(&dump, "ifa_dstaddr"), "0xdeadc0de");
    assert_eq!(f.line(&dump, "ifa_netmask"), "0xdeadc0de");
    assert!(f.ran.trace.events.iter().any(|e| e.what == What::Free(ia)));
}

/// The page fault, and who was where.
fn assert_fault_of_the_seed(f: &Field) {
    let (fault, threads) = f.fault();
    assert_eq!(fault.kind, FaultKind::Poison);
    assert_eq!((fault.func, fault.what), ("rtrequest1", "dst->sa_family"));

    let frames: Vec<_> = threads[0].frames.iter().map(|f| f.name).collect();
    let expected = [
        "rtrequest1",
        "rtrequest1_msghandler",
        "rtable_cpu 0",
        "lwkt_domsg",
        "rtrequest1_global",
        "rtinit",
        "in_ifinit",
        "in_control",
        "ifioctl",
        "ioctl",
    ];
    assert_eq!(frames, expected, "innermost first; rtable_cpu 0 and ioctl are threads");
    let threads: Vec<_> =
        threads[0].frames.iter().filter(|f| f.file.is_empty()).map(|f| f.name).collect();
    assert_eq!(threads, ["rtable_cpu 0", "ioctl"]);
}

/// ifa_addr was put right by in_ifinit(scrub=1), at or after the free. The store has no
/// event of its own; what brackets it has.
fn assert_ifa_addr_was_restored_after_the_free(f: &Field) {
    let (ia, dump) = f.dead();
    let (fault, _) = f.fault();
    let op = fault.op.expect("an operation faults");
    let line = f.operation(op);
    assert!(line.starts_with("SIOCSIFADDR gif0 "), "scrub=1, point-to-point: {line}");
    assert_eq!(f.line(&dump, "ifa_ifp"), "gif0");

    let freed = f.place(|w| *w == What::Free(ia));
    let faulted = f.place(|w| matches!(w, What::Fault(_)));
    assert!(freed < faulted);
    let steps: Vec<Step> = f.ran.steps(usize::from(op) + 1);
    let last = steps.iter().rposition(|s| matches!(s.event.what, What::Fault(_)));
    let live = &steps[last.expect("the fault is on its account")].stack;
    assert!(live.contains(&"in_ifinit"), "its frame is live at the fault");

    // The scrub is between the store of the stack's address and the store of ia_addr's.
    let events = &f.ran.trace.events;
    let scrub = events[freed..faulted].iter().rposition(|e| {
        e.account == op && matches!(e.what, What::Leave(f) if f.name == "in_ifscrub")
    });
    assert!(scrub.is_some(), "this SIOCSIFADDR's scrub returns after the free");
}

/// The books speak first, and name `rule`.
fn assert_books_name_the_earlier_cause(f: &Field, rule: &str, operation: &str) {
    let v = f.verdict();
    assert_eq!(v.rule.name, rule);
    assert_eq!(f.operation(v.op.expect("an operation breaks it")), operation);
    let verdict = f.place(|w| *w == What::Violation(0));
    let fault = f.place(|w| *w == What::Fault(0));
    assert!(verdict < fault, "the books' verdict precedes the fault");
    assert_eq!(f.ran.outcome.violation.map(|v| v.rule.name), Some(rule));
}

#[test]
fn c1_leaves_the_dump_and_the_fault_of_the_report() {
    let f = field("c1-2007-panic");
    assert_fault_of_the_seed(&f);
    assert_dump_of_the_seed(&f);
    assert_ifa_addr_was_restored_after_the_free(&f);
}

#[test]
fn c1_is_named_by_the_books_where_the_address_is_freed_in_anothers_hands() {
    let f = field("c1-2007-panic");
    assert_books_name_the_earlier_cause(&f, "freed-in-hands", "SIOCDIFADDR gif0 10.0.0.1");
    let freed = f.place(|w| *w == What::Free(f.dead().0));
    assert_eq!(f.place(|w| *w == What::Violation(0)), freed + 1, "at the free, at once");
    assert!(!f.report().contains("INJECTED"), "no fault is injected");
}

#[test]
fn c3_leaves_the_dump_and_the_fault_of_the_report() {
    let f = field("c3-2007-panic");
    assert_fault_of_the_seed(&f);
    assert_dump_of_the_seed(&f);
    assert_ifa_addr_was_restored_after_the_free(&f);
}

#[test]
fn c3_is_named_by_the_books_where_the_address_links_to_itself() {
    let f = field("c3-2007-panic");
    assert_books_name_the_earlier_cause(&f, "I6-hash", &f.operation(2));
    assert!(f.operation(2).contains("SIOCSIFADDR gif0 10.0.0.1"));
    assert_eq!(f.ran.errno(3), 5, "the driver's EIO");
}

#[test]
fn c3_says_that_its_fault_is_injected() {
    let f = field("c3-2007-panic");
    assert_eq!(f.ran.outcome.counts.injected, 1);
    let report = f.report();
    assert!(report.contains("INJECTED"), "{report}");
    assert!(report.contains("if_ioctl:SIOCSIFADDR"), "{report}");
}

#[test]
fn c4_leaves_a_dead_address_on_two_lists_that_is_not_the_dump_of_the_report() {
    let f = field("c4-2007-dead-on-list");
    let (ia, dump) = f.dead();
    assert_eq!(dump[0], "in_ifaddr, FREED");
    assert_eq!(f.line(&dump, "listed:"), "in_ifaddrhead, in_ifaddrhashtbl");
    assert!(f.ran.trace.events.iter().any(|e| e.what == What::Free(ia)));

    // Not the seed's: the allocator's link stands where the report shows a good pointer,
    let addr = f.line(&dump, "ifa_addr");
    assert!(addr.starts_with("free-list link"), "ifa_addr {addr}");
    assert!(!addr.contains("ia_addr"), "nothing has put ifa_addr right after the free");
    // the address was zeroed before it died,
    assert_eq!(f.line(&dump, "ia_addr"), "family 0");
    // and nobody follows the poison.
    assert_eq!(f.ran.outcome.fault, None);
}

#[test]
fn c4_is_named_by_the_books_after_the_close() {
    let f = field("c4-2007-dead-on-list");
    let v = f.verdict();
    assert_eq!(v.rule.name, "I6-hash");
    assert_eq!(f.operation(v.op.expect("an operation breaks it")), "close tap0");
    assert_eq!(v.op, Some(2), "the first close");
}

#[test]
fn the_hunt_goes_for_what_c1_and_c3_show_and_c4_does_not() {
    let goal = GOALS.iter().find(|g| g.kernel == "dragonfly-2007").expect("the panic of 2007");
    let shows = |goal: &Goal, name| {
        let p = file(&folder("tests/field"), name).program;
        let mut m = machine_of(&p);
        let defects = defects_of(&*m, &p);
        goal.shown_by(&mut *m, &p, defects)
    };
    assert!(shows(goal, "c1-2007-panic"));
    assert!(shows(goal, "c3-2007-panic"));
    assert!(!shows(goal, "c4-2007-dead-on-list"));

    // The same fault with another function anywhere below it is another panic.
    for i in 0..goal.below.len() {
        let mut below = goal.below.to_vec();
        below[i] = "sppp_set_ip_addr";
        let other = Goal { below: below.leak(), ..*goal };
        assert!(!shows(&other, "c1-2007-panic"), "without {}", goal.below[i]);
    }
}

/// Minimizing by the bug alone parks the creator of the interface, and lets the others wait
/// for the control token, which 2007 did not have.
#[test]
fn the_least_program_of_the_panic_waits_for_nothing_that_2007_did_not_have() {
    let p = file(&folder("tests/field"), "c1-2007-panic").program;
    let mut m = machine_of(&p);
    let defects = defects_of(&*m, &p);
    let c = credit(&mut *m, &p, defects).expect("it violates");
    assert_eq!(c.waits_for, None);
    let least = minimize(&mut *m, c);
    assert_eq!(least.waits_for, None, "{}", text::print(GRAMMARS[0], &least.program));
    let as_reported = as_reported(m.defects());
    assert!(!replay::run(&mut *m, &least.program, as_reported, None).clean());
}
