//! docs/format.md: its example runs, and what it says of kernels is what they have.

mod support;

use ifscrub::program::text;
use ifscrub::program::{MAX_FAIL_AT, MAX_OPS, MAX_PREEMPT_FOR};
use ifscrub::stack::GRAMMARS;
use ifscrub::triage::replay::{recorded, resolve};
use support::{Scratch, run_ifscrub, stderr, stdout};

const PAGE: &str = include_str!("../docs/format.md");

/// The program of the page.
fn example() -> &'static str {
    let (_, rest) = PAGE.split_once("```text\n").expect("an example");
    rest.split_once("```").expect("its end").0
}

#[test]
fn the_example_is_a_program_that_reaches_its_points_and_ends_in_a_panic() {
    let p = support::parse(example());
    let mut m = support::machine_for(&p);
    let set = support::own_defects(&*m, &p);
    assert!(resolve(&mut *m, &p, set, u8::MAX).1.is_empty());
    let outcome = recorded(&mut *m, &p, set, None).outcome;
    assert_eq!(outcome.fault.map(|f| f.func), Some("rtrequest1"));
    // What is on CPU 0 by default is the same when it is said.
    let said = example().replace("  # on CPU 0", " cpu 0  # on CPU 0");
    assert_eq!(text::parse(GRAMMARS, &said).as_ref(), Ok(&p));
    assert!(said != example());
}

#[test]
fn the_limits_are_those_of_the_kernels() {
    let [dragonfly, freebsd] = GRAMMARS else { panic!("a page about two kernels") };
    assert_eq!((dragonfly.kernel, freebsd.kernel), ("dragonfly-2007", "freebsd-14"));
    for words in [
        format!(
            "`dragonfly-2007`: 1 to {}; `freebsd-14`: {} |",
            dragonfly.max_cpus, freebsd.max_cpus
        ),
        format!("`freebsd-14`: 1 to {}, `dragonfly-2007` has no", freebsd.max_ifindex),
        format!("at most {MAX_OPS} operations"),
        format!("are issued, 1 to {MAX_PREEMPT_FOR} |"),
        format!("yield points go to `@{}`\n", dragonfly.max_preempt_at),
        format!(
            "(`freebsd-14`: `@{}`), those of calls to `@{MAX_FAIL_AT}`",
            freebsd.max_preempt_at
        ),
    ] {
        assert!(PAGE.contains(&words), "{words}");
    }
    assert!(!dragonfly.thresholds && freebsd.thresholds && dragonfly.max_ifindex == 0);
}

#[test]
fn points_are_told_by_a_trace_and_by_a_name_that_is_not_reached() {
    let dir = Scratch::new("format");
    let point = "in_ifinit:lwkt_serialize_enter";
    let path = dir.write("x.ops", example()).display().to_string();
    let trace = stdout(&run_ifscrub(["run", "--trace", &path]));
    assert!(trace.contains(&format!("yield {point}\n")), "{trace}");
    assert!(trace.contains("call rtrequest1:R_Malloc\n"), "{trace}");
    let wrong = example().replace(&format!("preempt {point}#1 for 1"), "preempt x for 1");
    let path = dir.write("x.ops", wrong).display().to_string();
    let said = stderr(&run_ifscrub(["run", &path]));
    let help = format!("help: yield points that it reaches: {point}#1, ");
    assert!(said.contains(&help) && PAGE.contains(&help), "{said}");
}
