//! The ways into the second report's panic, each a program of `docs/findings`.
//!
//! R1 is a race of two threads, R2 the FIB that follows the RIB 50 ms late (or never, when
//! memory is short), R3 a route that nobody deletes: by four races, and by a plain sequence
//! of operations. The page says what they have in common and what tells
//! them apart; here each of its statements about the model is held.

mod common;

use common::{File, Ran, defects_of, file, files, folder, machine_of, parse, run};
use ifscrub::kern::slab::ObjRef;
use ifscrub::kern::trace::What;
use ifscrub::program::{PointKind, Program, Stop};
use ifscrub::shadow::{FaultKind, KernelFault};
use ifscrub::triage::credit::credit;
use ifscrub::triage::matrix::{self, Walk};
use ifscrub::triage::minimize::minimize;
use ifscrub::triage::replay::{self, Passed, recorded};
use ifscrub::triage::sets;
use std::fs;
use std::process::Command;

const PROGRAMS: &str = "docs/findings/programs/freebsd-2023";
const PAGE: &str = "docs/findings/freebsd-2023.md";

/// The ways, and the rule that the books find broken first.
const WAYS: [(&str, &str); 13] = [
    ("r1", "I8-afdata"),
    ("r2", "I8-afdata"),
    ("r2starved", "I20-rebuild-pending"),
    ("r3-del", "I17-onlink"),
    ("r3-group", "I9-rib-detached"),
    ("r3-onlink", "I17-onlink"),
    ("r3-rollback", "I18-ifa-route"),
    ("r3-w15", "I8-afdata"),
    ("r3-w3", "I9-rib-detached"),
    ("r3-w4", "I8-afdata"),
    ("r3-w5", "I9-rib-detached"),
    ("r3-w7", "freed-while-held"),
    ("r3-w8", "I9-rib-detached"),
];

/// `if_flags` and `if_drv_flags` of the report.
const REPORTED_FLAGS: (&str, &str) = ("2132112", "0");

struct Way {
    file: File,
    ran: Ran,
}

fn way(name: &str) -> Way {
    let file = file(&folder(PROGRAMS), name);
    let ran = run(&file.program);
    Way { file, ran }
}

/// The program `name` with a line more before its last operation.
fn with_before_the_last(name: &str, line: &str) -> Program {
    let source = file(&folder(PROGRAMS), name).source;
    let (rest, last) = source.trim_end().rsplit_once('\n').expect("several lines");
    parse(name, &format!("{rest}\n{line}\n{last}\n"))
}

/// The program `name` without its preemptions.
fn undisturbed(name: &str) -> String {
    let source = file(&folder(PROGRAMS), name).source;
    let lines = source.lines().map(|l| l.split("  preempt ").next().unwrap_or(l));
    lines.flat_map(|l| [l, "\n"]).collect()
}

fn is_the_panic(fault: Option<KernelFault>) -> bool {
    fault.is_some_and(|f| {
        let seen = (f.kind, f.func, f.what);
        seen == (FaultKind::Null, "in6_selecthlim", "ND_IFINFO(nh->nh_ifp)->chlim")
    })
}

impl Way {
    fn fault(&self) -> KernelFault {
        self.ran.trace.faults.first().expect("the kernel faults").0
    }

    fn value(&self, field: &str) -> String {
        let dump = self.ran.machine.describe(self.fault().obj);
        let line = dump.iter().find_map(|l| l.strip_prefix(field)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {field}: {dump:#?}")).to_string()
    }

    /// The routes that are in the RIB and lead through the interface that was followed.
    fn routes(&self) -> Vec<Vec<String>> {
        let ifp = format!("(ifnet#{},", self.fault().obj.slot);
        let through = |l: &String| l.trim_start().starts_with("nh_ifp ") && l.contains(&ifp);
        dumps(&self.ran, "rtentry", |d| {
            d[0] == "rtentry, alive, in the RIB" && d.iter().any(through)
        })
    }
}

/// Of the dumps of all objects of `class` that were ever made, those that `wanted` accepts.
fn dumps(ran: &Ran, class: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<Vec<String>> {
    let m = &ran.machine;
    let made = ran.trace.events.iter().filter_map(|e| match e.what {
        What::Alloc(o) if m.class_name(o.class) == class => Some(m.describe(o)),
        _ => None,
    });
    made.filter(|d| wanted(d)).collect()
}

#[test]
fn every_way_ends_in_the_panic_of_the_report() {
    for (name, rule) in WAYS {
        let w = way(name);
        assert_eq!(w.file.program.header.stop, Stop::Kernel, "{name}");
        assert!(is_the_panic(w.ran.trace.faults.first().map(|f| f.0)), "{name}");
        assert_eq!(w.value("ifindex_table[14]"), "empty", "{name}");
        assert_eq!(w.value("if_afdata[AF_INET6]"), "NULL", "{name}");
        assert!(w.value("if_flags").contains("DYING"), "{name}");
        assert_eq!(w.ran.outcome.violation.map(|v| v.rule.name), Some(rule), "{name}");
    }
}

/// The ways that end in a new connection, which asks for the same.
const BY_CONNECT: [&str; 4] = ["r3-group", "r3-w15", "r3-w4", "r3-w8"];

#[test]
fn the_retransmit_timer_is_on_the_stack_of_the_ways_that_do_not_end_in_a_connection() {
    for (name, _) in WAYS {
        let w = way(name);
        let threads = &w.ran.trace.faults[0].1;
        let frames: Vec<_> = threads[0].frames.iter().map(|f| f.name).take(3).collect();
        let connects = BY_CONNECT.contains(&name);
        let caller = if connects { "tcp6_connect" } else { "tcp_timer_rexmt" };
        assert_eq!(frames, ["in6_selecthlim", "tcp_default_output", caller], "{name}");
    }
}

#[test]
fn every_way_needs_each_of_its_defects() {
    for (name, _) in WAYS {
        let w = way(name);
        let mut m = machine_of(&w.file.program);
        let set = defects_of(&*m, &w.file.program);
        for d in sets::members(set) {
            let o = replay::run(&mut *m, &w.file.program, set & !(1 << d), None);
            assert!(!is_the_panic(o.fault), "{name} without {}", m.defects()[d].id);
        }
    }
}

#[test]
fn only_r2_needs_the_delayed_synchronization() {
    for (name, _) in WAYS {
        let names = file(&folder(PROGRAMS), name).program.header.defects.expect("a defects line");
        let delayed = names.iter().any(|d| d == "fib-gateway-delete-delayed");
        assert_eq!(delayed, name.starts_with("r2"), "{name}");
        assert!(names.iter().any(|d| d == "in6-ifextra-not-deferred"), "{name}");
    }
}

/// What a core has beside the interface: whether the FIB instance that lookups go to waits
/// for its rebuild, whether it is behind the RIB, and whether the RIB has a route through
/// the interface.
#[test]
fn the_fib_instance_and_the_rib_tell_the_ways_apart() {
    for (name, _) in WAYS {
        let w = way(name);
        let datapath = dumps(&w.ran, "fib_data", |d| {
            d[0] == "fib_data, alive" && d.iter().any(|l| l.contains("held by V_inet_dp[1]"))
        });
        assert_eq!(datapath.len(), 1, "{name}: {datapath:#?}");
        let waits = datapath[0].iter().any(|l| l.contains("need_rebuild"));
        let pending = datapath[0]
            .iter()
            .any(|l| l.starts_with("fd_callout pending") && l.contains("action Rebuild"));
        let generation = |field: &str| {
            let all = datapath[0].iter().flat_map(|l| l.split(", "));
            let mut found = all.filter_map(|f| f.strip_prefix(field));
            found.next().expect("a generation").to_string()
        };
        let behind = generation("rnh_gen ") != generation("rnh_gen_rib ");
        assert_eq!(waits, pending, "{name}");
        let told = (pending, behind, !w.routes().is_empty());
        let expected = match name {
            "r1" => (false, false, false),
            "r2" => (true, true, false),
            "r2starved" => (false, true, false),
            _ => (false, false, true),
        };
        assert_eq!(told, expected, "{name}");
    }
}

// ---- R1 --------------------------------------------------------------------------------

#[test]
fn r1_with_one_preemption_anywhere_is_clean() {
    let source = undisturbed("r1");
    let [shutdown, rexmt] = ["\nNGM_SHUTDOWN ng0", "\nrexmt tcp0"];
    let swapped = source.replace(&format!("{shutdown}{rexmt}"), &format!("{rexmt}{shutdown}"));
    assert_ne!(source, swapped);
    for source in [source, swapped] {
        let p = parse("r1 undisturbed", &source);
        assert_eq!(p.preemptions(), 0);
        let mut m = machine_of(&p);
        let defects = defects_of(&*m, &p);
        let plain = recorded(&mut *m, &p, defects, Some(Stop::Books));
        assert!(plain.outcome.clean());
        let passed = Passed::of(&plain.trace, p.ops.len());
        let mut tried = 0;
        for op in 0..p.ops.len() {
            let later = p.ops.len() - 1 - op;
            for at in 1..=passed.names(PointKind::Preempt, op).len() {
                for length in 1..=later {
                    let mut p = p.clone();
                    p.ops[op].preempt_at = u8::try_from(at).expect("few enough");
                    p.ops[op].preempt_for = length as u8;
                    let o = replay::run(&mut *m, &p, defects, Some(Stop::Books));
                    assert!(o.clean(), "{:?} at {at} of operation {op} for {length}", o.violation);
                    tried += 1;
                }
            }
        }
        assert!(tried > 500, "{tried}");
    }
}

#[test]
fn r1_keeps_both_preemptions_when_it_is_minimized() {
    let w = way("r1");
    assert_eq!(w.file.program.preemptions(), 2);
    let mut m = machine_of(&w.file.program);
    let defects = defects_of(&*m, &w.file.program);
    let c = credit(&mut *m, &w.file.program, defects).expect("there is something to credit");
    let least = minimize(&mut *m, c);
    assert_eq!(least.program.preemptions(), 2);
    assert!(is_the_panic(least.fault));
}

// ---- R2 --------------------------------------------------------------------------------

#[test]
fn r2_is_over_after_fifty_milliseconds() {
    for time in ["50ms", "1s", "2h"] {
        let p = with_before_the_last("r2", &format!("advance {time}"));
        let mut m = machine_of(&p);
        let defects = defects_of(&*m, &p);
        for stop in [Stop::Books, Stop::Kernel] {
            let o = replay::run(&mut *m, &p, defects, Some(stop));
            assert!(o.clean(), "after {time}: {:?} {:?}", o.violation, o.fault);
            // The FIB was behind when if_detach returned, which is no mistake but D's.
            assert_eq!(o.counts.warnings, 1, "after {time}");
        }
    }
    assert_eq!(way("r2").file.program.preemptions(), 0);
}

#[test]
fn r2_is_never_over_when_memory_is_short_for_all_tries_of_the_callout() {
    let source = file(&folder(PROGRAMS), "r2starved").source;
    assert_eq!(way("r2starved").file.program.preemptions(), 0);
    for time in ["50ms", "2h"] {
        let later = source.replace("\nrexmt tcp0", &format!("\nadvance {time}\nrexmt tcp0"));
        assert!(is_the_panic(run(&parse("r2starved", &later)).outcome.fault), "after {time}");
    }
    // One try that succeeds is enough, and so is a change of an interface route.
    let once = source.replace("fib_data_alloc#1..", "fib_data_alloc#1");
    let changed = source.replace("\nadvance 1s\n", "\nSIOCAIFADDR_IN6 lo0 2001:db8:2::1\n");
    for source in [once, changed] {
        let ran = run(&parse("r2starved", &source));
        assert_eq!(ran.outcome.fault, None, "{source}");
    }
}

#[test]
fn r2_finds_the_route_in_the_fib_alone() {
    for name in ["r2", "r2starved"] {
        let w = way(name);
        assert!(w.routes().is_empty(), "{name}");
        assert!(w.value("if_refcount").contains("nhop#"), "{name}");
    }
}

/// F6 in `fib6_lookup` helps whoever asks it. A connection with a cached route does not.
#[test]
fn with_f6_a_cached_route_faults_in_ip6_output() {
    let source = file(&folder(PROGRAMS), "r1").source;
    let source = source.replace("defects ", "defects f6-lookup-checks-dying ");
    let cached = source
        .replace("in6_selecthlim:ND_IFINFO", "ip6_output:nexthop")
        .replace("connect tcp0 2001:db8::1", "connect tcp0 2001:db8::1\nsend tcp0");
    for (source, expected) in [(source, None), (cached, Some("ip6_output"))] {
        let ran = run(&parse("r1 with F6", &source));
        let fault = ran.outcome.fault;
        assert_eq!(fault.map(|f| f.func), expected, "{source}");
        let what = "in6_ifstat_inc(ifp, ifs6_out_request)";
        assert!(fault.is_none_or(|f| (f.kind, f.what) == (FaultKind::Null, what)));
    }
}

// ---- R3 --------------------------------------------------------------------------------

#[test]
fn r3_but_by_w3_persists_however_long_one_waits() {
    let r3 = WAYS.map(|(name, _)| name).into_iter().filter(|n| n.starts_with("r3"));
    for name in r3.filter(|&n| n != "r3-w3") {
        for time in ["50ms", "1s", "3s", "60s", "30min", "2h"] {
            let p = with_before_the_last(name, &format!("advance {time}"));
            let mut m = machine_of(&p);
            let defects = defects_of(&*m, &p);
            // By the timer itself, if it is due before.
            let fault = recorded(&mut *m, &p, defects, None).outcome.fault;
            assert!(is_the_panic(fault), "{name} after {time}");
        }
    }
}

#[test]
fn r3_by_w3_leaves_an_address_too_and_nd6_timer_dies_of_it_within_a_second() {
    let source = file(&folder(PROGRAMS), "r3-w3").source;
    let sooner = parse("r3-w3", &source.replace("advance 50ms", "advance 10ms"));
    assert!(is_the_panic(run(&sooner).outcome.fault));
    let later = run(&parse("r3-w3", &source.replace("advance 50ms", "advance 1s")));
    let (fault, threads) = later.trace.faults.first().expect("the kernel faults");
    assert_eq!(fault.what, "ND_IFINFO(ifa->ifa_ifp)->flags");
    let frames: Vec<_> = threads[0].frames.iter().map(|f| f.name).take(2).collect();
    assert_eq!(frames, ["nd6_dad_start", "nd6_timer"]);
}

#[test]
fn r3_leaves_a_pinned_route_in_the_rib_or_a_default_route() {
    for name in ["r3-del", "r3-onlink", "r3-w3", "r3-w7", "r3-w8"] {
        let routes = way(name).routes();
        assert_eq!(routes.len(), 1, "{name}: {routes:#?}");
        let has = |words: &str| routes[0].iter().any(|l| l.contains(words));
        assert!(has("rt_dst 2001:db8:1::/64") && has("rt_flags <PINNED>"), "{name}: {routes:#?}");
    }
    let routes = way("r3-rollback").routes();
    assert_eq!(routes.len(), 1, "{routes:#?}");
    let has = |words: &str| routes[0].iter().any(|l| l.contains(words));
    assert!(has("rt_dst 2001:db8:1::2/128") && has("<HOST,PINNED>"), "{routes:#?}");
    for (name, gw) in [
        ("r3-w5", "gw_sa fe80:e::2"),
        ("r3-w15", "gw_sa fe80:e::2"),
        ("r3-w4", "gw_sa 2001:db8:1::2"),
        ("r3-group", "gw_sa 2001:db8:1::2"),
    ] {
        let routes = way(name).routes();
        assert_eq!(routes.len(), 1, "{name}: {routes:#?}");
        let has = |words: &str| routes[0].iter().any(|l| l.contains(words));
        assert!(has("rt_dst ::/0") && has(gw) && !has("PINNED"), "{name}: {routes:#?}");
    }
}

/// The one form of R3 that takes neither two threads nor a failing allocation.
#[test]
fn r3_by_the_rollback_is_a_plain_sequence_that_begins_with_a_failed_addition() {
    let w = way("r3-rollback");
    let p = &w.file.program;
    assert_eq!((p.preemptions(), p.ops.iter().filter(|o| o.fail != 0).count()), (0, 0));
    assert_eq!(w.ran.errno(3), 17, "EEXIST");
    // In the base the user is told nothing.
    let lost = w.file.source.replace("defects ", "defects in6-control-error-lost ");
    let ran = run(&parse("r3-rollback", &lost));
    assert_eq!(ran.errno(3), 0);
    assert!(is_the_panic(ran.outcome.fault));
    // Nobody else has the address, or it has no far end: then nothing is left.
    let source = &w.file.source;
    for clean in [
        source.replace("IN6 lo0 2001:db8:1::1", "IN6 lo0 2001:db8:2::1"),
        source.replace(" plen /128 dst 2001:db8:1::2", ""),
    ] {
        assert_ne!(&clean, source);
        assert!(run(&parse("r3-rollback", &clean)).outcome.clean(), "{clean}");
    }
    // Whoever has it, it is the same: here another interface of the kind.
    for lender in [
        "SIOCAIFADDR_IN6 lo0 2001:db8:1::1 plen /128",
        "NGM_MKPEER ng1\nSIOCAIFADDR_IN6 ng1 2001:db8:1::1",
    ] {
        let lent = source.replace("SIOCAIFADDR_IN6 lo0 2001:db8:1::1", lender);
        assert!(is_the_panic(run(&parse("r3-rollback", &lent)).outcome.fault), "{lent}");
    }
    // The user cannot delete the route.
    let deleted = source.replace("\nifdown", "\nroute_delete 2001:db8:1::2\nifdown");
    let ran = run(&parse("r3-rollback", &deleted));
    assert_eq!(ran.errno(5), 48, "EADDRINUSE");
    assert!(is_the_panic(ran.outcome.fault));
}

/// The report: no IFF_UP and no IFF_DRV_RUNNING. The driver sets both when an interface
/// gets its first address.
#[test]
fn the_flags_of_the_report_speak_against_w3_and_w7() {
    let these = ["r1", "r2", "r2starved", "r3-del", "r3-onlink", "r3-rollback"];
    for name in these.into_iter().chain(["r3-w15", "r3-w4", "r3-w8"]) {
        let w = way(name);
        let first = |field| w.value(field).split(' ').next().unwrap_or_default().to_string();
        let seen = (first("if_flags"), first("if_drv_flags"));
        assert_eq!((seen.0.as_str(), seen.1.as_str()), REPORTED_FLAGS, "{name}");
    }
    for name in ["r3-w3", "r3-w7"] {
        // The flags down first, as the daemon does it, make no difference.
        let source = file(&folder(PROGRAMS), name).source;
        let down = source.replace("\nNGM_SHUTDOWN", "\nifdown ng0\nNGM_SHUTDOWN");
        let down = down.replace("ifunit_ref for 1", "ifunit_ref for 2");
        let down = down.replace("if_afdata for 2", "if_afdata for 3");
        for source in [source, down] {
            let w = Way { ran: run(&parse(name, &source)), file: file(&folder(PROGRAMS), name) };
            assert!(is_the_panic(Some(w.fault())), "{name}");
            assert!(w.value("if_flags").contains("<UP,"), "{name}");
            assert_eq!(w.value("if_drv_flags"), "64 <RUNNING>", "{name}");
        }
    }
}

// ---- W10 -------------------------------------------------------------------------------

/// What `SIOCAIFADDR_IN6` of the second interface does: its errno, and whether the routes
/// of its address and of its prefix get into the RIB.
fn second_session(source: &str) -> (i32, bool, bool) {
    let ran = run(&parse("w10", source));
    let op = ran.trace.events.iter().filter(|e| matches!(e.what, What::Op(_))).count();
    let steps = ran.steps(op);
    let added = |below: &str| {
        let is = |w: What| matches!(w, What::List("rib", true, _));
        steps.iter().any(|s| is(s.event.what) && s.within(below))
    };
    let asked = steps.iter().any(|s| {
        matches!(s.event.what, What::Enter(f) if f.name == "add_route_flags")
            && s.within("nd6_prefix_onlink")
    });
    assert!(asked, "the route of the prefix is to be added");
    (ran.errno(op), added("ifa_maintain_loopback_route"), added("nd6_prefix_onlink"))
}

#[test]
fn w10_the_next_interface_of_the_index_does_not_get_the_route_of_its_prefix() {
    let w = way("w10-index-reuse");
    assert_eq!(second_session(&w.file.source), (0, true, false), "and is not told");
    assert_eq!(second_session(&undisturbed("w10-index-reuse")), (0, true, true));
    let interfaces: Vec<ObjRef> = (w.ran.trace.events.iter())
        .filter_map(|e| match e.what {
            What::Alloc(o) if w.ran.machine.class_name(o.class) == "ifnet" => Some(o),
            _ => None,
        })
        .collect();
    let index = |o: ObjRef| w.ran.machine.describe(o)[1].clone();
    assert_eq!(interfaces.len(), 3, "ng0, ng1, ng0");
    assert_eq!(
        (index(interfaces[0]), index(interfaces[2])),
        ("if_index 14".into(), "if_index 14".into())
    );
}

/// The same after W3, which leaves the route of the address as well: the addition fails.
#[test]
fn after_w3_the_next_interface_of_the_index_does_not_get_its_address() {
    let source = file(&folder(PROGRAMS), "r3-w3").source;
    let (head, _) = source.split_once("connect ").expect("a connection");
    let head = head.replace("2001:db8:1::1", "fe80::1");
    let ran = run(&parse(
        "w3",
        &format!("{head}advance 50ms\nNGM_MKPEER ng0\nSIOCAIFADDR_IN6 ng0 fe80::1\n"),
    ));
    assert_eq!(ran.errno(6), 17, "EEXIST");
}

// ---- the page --------------------------------------------------------------------------

/// Ways of many defects and positions, which take a minute here.
const LONG: [&str; 3] = ["r3-w3", "r3-w7", "r3-w8"];

/// `.ci/run` compares what the command prints for all ways with the file, in seconds.
#[test]
fn the_page_has_the_matrix_that_the_command_prints() {
    let mut names: Vec<String> = files(&folder(PROGRAMS)).into_iter().map(|f| f.name).collect();
    names.retain(|n| n.starts_with('r'));
    assert_eq!(names, WAYS.map(|(name, _)| name));
    let table = fs::read_to_string(folder(PROGRAMS).join("matrix.md")).expect("a file");
    let page = fs::read_to_string(folder(PAGE)).expect("the page");
    assert!(page.contains(&table), "{PAGE} does not have this matrix:\n{table}");
    names.retain(|n| !LONG.contains(&n.as_str()));
    let paths = names.iter().map(|n| folder(PROGRAMS).join(format!("{n}.ops")));
    let out = Command::new(env!("CARGO_BIN_EXE_ifscrub"))
        .args(["matrix", "--runs", "0", "--markdown"])
        .args(paths)
        .output()
        .expect("the command runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let printed = String::from_utf8(out.stdout).expect("text");
    let rows: Vec<&str> = printed.lines().filter(|l| l.starts_with("| `r")).collect();
    assert_eq!(rows.len(), 2 * names.len(), "one in each table");
    for row in rows {
        assert!(table.lines().any(|l| l == row), "matrix.md has no row\n{row}");
    }
}

#[test]
fn the_matrix_is_the_same_for_any_number_of_jobs() {
    let with = |jobs: &str| {
        let paths = ["r1", "r2", "r3-group"].map(|n| folder(PROGRAMS).join(format!("{n}.ops")));
        let out = Command::new(env!("CARGO_BIN_EXE_ifscrub"))
            .args(["matrix", "--runs", "50", "--json", "--jobs", jobs])
            .args(paths)
            .output()
            .expect("the command runs");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("text")
    };
    let one = with("1");
    assert!(one.contains("\"name\": \"r3-group\""), "{one}");
    assert_eq!(one, with("3"));
}

/// The walk takes too long for a test; `.ci/run` compares what the command prints with the
/// file that the page speaks of.
#[test]
fn the_page_says_of_the_changed_programs_what_the_command_printed() {
    let printed = fs::read_to_string(folder(PROGRAMS).join("matrix-20000.md")).expect("a file");
    let page = fs::read_to_string(folder(PAGE)).expect("the page");
    assert!(page.contains("programs/freebsd-2023/matrix-20000.md"));
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = "- no single repair stops every way: F1 1, F2 11, F3 0, F3w 0, F4 0, F5 0, F6 2, \
                in6-update-ifa-rollback 0, prefix-onlink-unlinked 0, filtered-group-nomem 0, \
                prefix-del-onlink-unlocked 0 of 13\n- stops every way: F2 + F4\n";
    assert!(printed.contains(line), "not `{line}`, but\n{printed}");
    for words in [
        "F2 stops eleven ways, F6 two, F1 one, the others none. What stops all thirteen is \
         **F2 + F4**, and nothing without these two does.",
        "The books are clean, too, with **F2 + F3 + F4 and the own repairs of \
         in6-update-ifa-rollback, prefix-onlink-unlinked, filtered-group-nomem and \
         prefix-del-onlink-unlocked**.",
    ] {
        assert!(page.contains(words), "{words}");
    }
    let (_, combinations) = printed.split_once("| stopped by | cured by |\n").expect("a table");
    // Which of the ways in a row some of these repairs, or all, stop; and cure.
    let by = |of: &[&str]| {
        let does = |cell: &str| {
            cell.split(", ").any(|c| c.split(" + ").all(|repair| of.contains(&repair)))
        };
        WAYS.map(|(way, _)| {
            let mut rows = combinations.lines().filter(|l| l.starts_with(&format!("| `{way}` |")));
            let row: Vec<&str> = rows.next().expect("a row").split(" | ").collect();
            (does(row[3]), does(row[4].trim_end_matches(" |")))
        })
    };
    let all = [true; WAYS.len()];
    assert_eq!(by(&["F2", "F4"]).map(|does| does.0), all);
    let own = ["in6-update-ifa-rollback", "prefix-onlink-unlinked", "filtered-group-nomem"];
    let own = [&own[..], &["prefix-del-onlink-unlocked"]].concat();
    assert_eq!(by(&[&["F2", "F3", "F4"], &own[..]].concat()).map(|does| does.1), all);
    let repairs = [&["F1", "F2", "F3", "F3w", "F4", "F5", "F6"], &own[..]].concat();
    let pairs = repairs.iter().flat_map(|a| repairs.iter().map(move |b| [*a, *b]));
    let two: Vec<[&str; 2]> = pairs.filter(|pair| by(pair).map(|does| does.0) == all).collect();
    assert_eq!(two, [["F2", "F4"], ["F4", "F2"]]);
}

#[test]
fn without_memory_for_another_fib_f1_does_not_help() {
    let w = way("f1-without-memory");
    assert!(is_the_panic(w.ran.trace.faults.first().map(|f| f.0)));
    assert_eq!((w.file.program.preemptions(), w.file.program.faults()), (0, 1));
    let mut m = machine_of(&w.file.program);
    let on = defects_of(&*m, &w.file.program);
    assert_eq!(sets::names(m.defects(), on), ["in6-ifextra-not-deferred", "f1-ifextra-epoch-call"]);
    // With memory nothing is wrong.
    let mut p = w.file.program.clone();
    p.named.clear();
    assert!(replay::run(&mut *m, &p, on, None).clean());
}

#[test]
fn no_proposal_keeps_two_from_purging_one_address() {
    let crash = file(&folder("crashes/freebsd-14"), "aifaddr-ndpr-window");
    let mut m = machine_of(&crash.program);
    let own = defects_of(&*m, &crash.program);
    for name in ["r3-w7", "r3-w8"] {
        let set = defects_of(&*m, &file(&folder(PROGRAMS), name).program);
        assert_eq!(set & own, own, "{name}");
    }
    let (walk, proposals) = (Walk { runs: 0, seed: 1 }, m.proposals());
    let way = matrix::way(&mut *m, "w7", &crash.program, own, proposals, walk).expect("a fault");
    assert_eq!((way.panic.func, way.cells.len()), ("in6_unlink_ifa", 128));
    assert!(way.cells.iter().all(|cell| !cell.stops()));
    assert!(replay::run(&mut *m, &crash.program, 0, Some(Stop::Kernel)).clean());
}

#[test]
fn the_page_names_every_program() {
    let page = fs::read_to_string(folder(PAGE)).expect("the page");
    for f in files(&folder(PROGRAMS)) {
        assert!(page.contains(&format!("programs/freebsd-2023/{}.ops", f.name)), "{}", f.name);
    }
}
