//! The dump and the stack of the second report, reproduced.
//!
//! Kristof Provost showed a retransmit timer's stack, `struct ifnet` as the core has it,
//! and the stack of a FIB rebuild that dtrace saw when he destroyed an epair. The programs
//! of `tests/field` end in the first two and pass through the third; what is said of them
//! here is copied from the report. How else the kernel can get there is the matter of
//! `tests/ways_freebsd.rs`.

mod common;

use common::{File, Ran, defects_of, file, folder, machine_of, run};
use ifscrub::kern::slab::ObjRef;
use ifscrub::kern::trace::What;
use ifscrub::program::{Program, Stop};
use ifscrub::shadow::{FaultKind, KernelFault};
use ifscrub::triage::credit::credit;
use ifscrub::triage::minimize::minimize;

/// The backtrace of the report below the trap, innermost first.
const REPORTED_STACK: [&str; 7] = [
    "in6_selecthlim",
    "tcp_default_output",
    "tcp_timer_rexmt",
    "tcp_timer_enter",
    "softclock_call_cc",
    "softclock_thread",
    "fork_exit",
];

/// The dtrace output of the report, innermost first: from the probe to the system call.
const REPORTED_REBUILD: [&str; 19] = [
    "sync_algo_end_cb",
    "setup_fd_instance",
    "rebuild_fd_flm",
    "rebuild_fd",
    "rib_notify",
    "rt_delete_conditional",
    "rib_del_route",
    "rib_handle_ifaddr_info",
    "nd6_prefix_offlink",
    "nd6_prefix_del",
    "if_purgeaddrs",
    "if_detach_internal",
    "if_detach",
    "epair_clone_destroy",
    "if_clone_destroyif_flags",
    "if_clone_destroy",
    "ifioctl",
    "kern_ioctl",
    "sys_ioctl",
];

/// The fields of the report's `struct ifnet` that the model has, by its own lines. The
/// report says of the index table that it no longer contains the interface.
const REPORTED_IFNET: [(&str, &str); 12] = [
    ("if_index", "14"),
    ("if_idxgen", "2"),
    ("ifindex_table[14]", "empty"),
    ("if_dname", "\"ng\""),
    ("if_xname", "\"pppoe0\""),
    ("if_description", "\"WAN\""),
    ("if_afdata[AF_INET]", "NULL"),
    ("if_afdata[AF_INET6]", "NULL"),
    ("if_output", "ifdead_output"),
    ("if_input", "ifdead_input"),
    ("if_start", "ifdead_start"),
    ("if_ioctl", "ifdead_ioctl"),
];

/// `if_flags` of the report.
const REPORTED_FLAGS: u32 = 2_132_112;
/// `if_drv_flags` of the report.
const REPORTED_DRV_FLAGS: u32 = 0;
/// `if_refcount` of the report.
const REPORTED_REFCOUNT: u32 = 4;

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
    fn fault(&self) -> KernelFault {
        self.ran.trace.faults.first().expect("the kernel faults").0
    }

    /// The functions of the thread that faults, innermost first.
    fn stack(&self) -> Vec<&'static str> {
        let threads = &self.ran.trace.faults.first().expect("the kernel faults").1;
        threads[0].frames.iter().map(|f| f.name).collect()
    }

    /// The dump of the interface that was followed.
    fn ifnet(&self) -> Vec<String> {
        let obj = self.fault().obj;
        assert_eq!(self.ran.machine.class_name(obj.class), "ifnet");
        self.ran.machine.describe(obj)
    }

    /// The value of one field of that dump.
    fn value(&self, name: &str) -> String {
        let dump = self.ifnet();
        let line = dump.iter().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("the dump has no `{name}`: {dump:#?}")).to_string()
    }

    /// The number that a field begins with.
    fn number(&self, name: &str) -> u32 {
        let value = self.value(name);
        let digits = value.split([' ', ':']).next().unwrap_or_default();
        digits.parse().unwrap_or_else(|_| panic!("{name} is {value}"))
    }

    /// The lines of the dump that say who holds a nexthop.
    fn nhops(&self) -> Vec<String> {
        let dump = self.ifnet();
        let nhops = dump.iter().filter(|l| l.contains(", nh_refcnt "));
        nhops.map(|l| l.trim().to_string()).collect()
    }

    fn outcome_of(&self, p: &Program, stop: Stop) -> ifscrub::kern::exec::Outcome {
        let mut m = machine_of(p);
        let defects = defects_of(&*m, &self.file.program);
        ifscrub::triage::replay::run(&mut *m, p, defects, Some(stop))
    }
}

fn assert_fault_of_the_report(f: &Field) {
    let fault = f.fault();
    assert_eq!(fault.kind, FaultKind::Null);
    assert_eq!((fault.func, fault.what), ("in6_selecthlim", "ND_IFINFO(nh->nh_ifp)->chlim"));
    assert_eq!(f.stack()[..REPORTED_STACK.len()], REPORTED_STACK);
}

fn assert_dump_of_the_report(f: &Field) {
    for (name, value) in REPORTED_IFNET {
        assert_eq!(f.value(name), value, "{name}");
    }
    assert_eq!(f.number("if_flags"), REPORTED_FLAGS);
    assert_eq!(f.number("if_drv_flags"), REPORTED_DRV_FLAGS);
    assert_eq!(f.number("if_refcount"), REPORTED_REFCOUNT);
}

/// Two nexthops, each with the interface as nh_ifp and as nh_aifp.
fn assert_held_by_two_nexthops(f: &Field) {
    let value = f.value("if_refcount");
    let (_, holders) = value.split_once(": ").expect("the holders are named");
    let holders: Vec<_> = holders.split(", ").collect();
    let nhops: Vec<_> = f.nhops().iter().map(|l| l[..l.find(' ').unwrap()].to_string()).collect();
    assert_eq!(nhops.len(), 2);
    let expected: Vec<String> =
        nhops.iter().flat_map(|n| [format!("{n}.nh_ifp"), format!("{n}.nh_aifp")]).collect();
    assert_eq!(holders, expected);
}

#[test]
fn r2_minimized_faults_where_the_report_says_and_with_its_stack() {
    let f = field("freebsd-2023-r2");
    assert_fault_of_the_report(&f);
    assert_eq!(f.file.program.header.stop, Stop::Kernel);
    assert_eq!(f.file.program.preemptions(), 0, "nobody is stopped anywhere");
}

#[test]
fn r2_minimized_cannot_be_made_smaller() {
    let f = field("freebsd-2023-r2");
    let mut m = machine_of(&f.file.program);
    let defects = defects_of(&*m, &f.file.program);
    let c = credit(&mut *m, &f.file.program, defects).expect("there is something to credit");
    let least = minimize(&mut *m, c);
    assert_eq!(least.program.ops, f.file.program.ops, "operations, arguments, points");
    assert_eq!(least.program.header.ncpus, f.file.program.header.ncpus);
}

#[test]
fn the_whole_dump_is_that_of_the_report() {
    let f = field("freebsd-2023-dump");
    assert_fault_of_the_report(&f);
    assert_dump_of_the_report(&f);
}

#[test]
fn the_four_references_are_two_nexthops_each_as_interface_and_as_address_interface() {
    let f = field("freebsd-2023-dump");
    assert_held_by_two_nexthops(&f);
    let nhops = f.nhops();
    assert!(nhops[0].ends_with("via link#14, nh_refcnt 1: inpcb#1.ro_nh"), "{nhops:?}");
    assert!(nhops[1].contains("via fe80:e::2, nh_refcnt 1: fib_data#"), "{nhops:?}");
}

#[test]
fn other_nexthops_leave_the_same_dump_so_that_it_does_not_say_which_they_were() {
    let (f, g) = (field("freebsd-2023-dump"), field("freebsd-2023-dump-other-nhops"));
    assert_fault_of_the_report(&g);
    assert_dump_of_the_report(&g);
    assert_held_by_two_nexthops(&g);
    let gateways = |f: &Field| -> Vec<String> {
        let nhops = f.nhops();
        nhops.iter().map(|l| l.split([' ', ',']).nth(2).unwrap().to_string()).collect()
    };
    assert_eq!(gateways(&f), ["link#14", "fe80:e::2"]);
    assert_eq!(gateways(&g), ["fe80:e::2", "2001:db8:1::2"]);
    // Everything else is the same, to the letter.
    let rest = |f: &Field| -> Vec<String> {
        let dump = f.ifnet().into_iter();
        dump.filter(|l| !l.contains("nhop#") && !l.starts_with("if_softc")).collect()
    };
    assert_eq!(rest(&f), rest(&g));
}

#[test]
fn the_dump_is_that_of_the_third_interface_of_the_index() {
    let f = field("freebsd-2023-dump");
    let ifp = f.fault().obj;
    let allocated: Vec<ObjRef> = (f.ran.trace.events.iter())
        .filter_map(|e| match e.what {
            What::Alloc(o) if o.class == ifp.class => Some(o),
            _ => None,
        })
        .collect();
    assert_eq!(allocated.len(), 3, "two earlier sessions");
    assert_eq!(allocated[2], ifp);
}

#[test]
fn fifty_milliseconds_before_the_retransmit_and_r2_does_not_panic() {
    for name in ["freebsd-2023-r2", "freebsd-2023-dump", "freebsd-2023-dump-other-nhops"] {
        let f = field(name);
        let source = f.file.source.replace("\nrexmt tcp0", "\nadvance 50ms\nrexmt tcp0");
        let later = common::parse(name, &source);
        assert_eq!(later.ops.len(), f.file.program.ops.len() + 1);
        for stop in [Stop::Kernel, Stop::Books] {
            let o = f.outcome_of(&later, stop);
            assert!(o.clean(), "{name}, {stop:?}: {:?} {:?}", o.violation, o.fault);
        }
    }
}

#[test]
fn ten_milliseconds_are_too_few() {
    let f = field("freebsd-2023-r2");
    let source = f.file.source.replace("\nrexmt tcp0", "\nadvance 10ms\nrexmt tcp0");
    let o = f.outcome_of(&common::parse("sooner", &source), Stop::Kernel);
    assert_eq!(o.fault.map(|f| f.what), Some("ND_IFINFO(nh->nh_ifp)->chlim"));
}

/// The stacks at each entry of `function` during operation `op`, from 1, innermost first.
fn stacks_at(ran: &Ran, op: usize, function: &str) -> Vec<Vec<&'static str>> {
    let entries = ran
        .steps(op)
        .into_iter()
        .filter(|s| matches!(s.event.what, What::Enter(f) if f.name == function));
    entries.map(|s| s.stack.into_iter().rev().collect()).collect()
}

/// The frames of `stack` that lie between those of `wanted`; `None` when these are not in
/// it, in order.
fn between(stack: &[&'static str], wanted: &[&str]) -> Option<Vec<&'static str>> {
    let mut wanted = wanted.iter().peekable();
    let mut others = Vec::new();
    for &frame in stack {
        match wanted.peek() {
            None => return Some(others),
            Some(w) if **w == frame => drop(wanted.next()),
            Some(_) => others.push(frame),
        }
    }
    wanted.peek().is_none().then_some(others)
}

#[test]
fn destroying_an_epair_rebuilds_the_fib_below_the_frames_that_dtrace_saw() {
    let f = field("freebsd-2023-epair");
    assert!(f.ran.outcome.clean());
    assert_rebuilds_of_the_report(&f.ran);
}

/// The kernel that dtrace looked at had no repairs. The books have something to say of it
/// before the epair is destroyed; nothing that the kernel would notice.
#[test]
fn the_kernel_of_the_report_rebuilds_the_fib_below_the_same_frames() {
    let f = field("freebsd-2023-epair");
    let source = f.file.source.replace("defects none", "stop kernel\ndefects as-reported");
    let ran = run(&common::parse("the experiment as reported", &source));
    assert!(ran.outcome.fault.is_none() && ran.outcome.violation.is_some());
    assert_rebuilds_of_the_report(&ran);
}

fn assert_rebuilds_of_the_report(ran: &Ran) {
    let stacks = stacks_at(ran, 4, "sync_algo_end_cb");
    let found: Vec<_> = stacks.iter().filter_map(|s| between(s, &REPORTED_REBUILD)).collect();
    assert!(!found.is_empty(), "{stacks:#?}");
    // What the report's compiler has inlined, and dtrace therefore does not show.
    assert_eq!(
        found[0],
        [
            "sync_algo",
            "try_setup_fd_instance",
            "handle_rtable_change_cb",
            "delete_route",
            "nd6_prefix_rtrequest",
            "in6_purgeifaddr",
            "ether_ifdetach",
        ]
    );
}

#[test]
fn a_frame_that_is_missing_or_in_another_place_is_not_between() {
    let stack = ["a", "b", "c", "d"];
    assert_eq!(between(&stack, &["a", "c"]), Some(vec!["b"]));
    assert_eq!(between(&stack, &["c", "a"]), None);
    assert_eq!(between(&stack, &["a", "x"]), None);
}

/// The report's experiment again, with a default router on the epair: the one rebuild that
/// matters is not made before the interface is gone.
#[test]
fn with_a_gateway_route_the_same_experiment_would_have_left_the_fib_stale() {
    let f = field("freebsd-2023-epair");
    let stale = |header: &str| {
        let source = f.file.source.replace("defects none", header);
        let source = source.replace("advance 3s", "ra epair0a from fe80::2\nadvance 3s");
        let ran = run(&common::parse("the experiment with a router", &source));
        let steps = ran.steps(5);
        let off_rib = steps.iter().rposition(|s| {
            matches!(s.event.what, What::List("rib", false, _)) && s.within("defrouter_delreq")
        });
        let off_rib = off_rib.expect("the default route goes out of the RIB");
        let freed = steps
            .iter()
            .position(|s| matches!(s.event.what, What::Enter(f) if f.name == "in6_domifdetach"));
        let freed = freed.expect("in6_ifextra goes");
        let rebuilds = steps[off_rib..freed]
            .iter()
            .filter(|s| matches!(s.event.what, What::Enter(f) if f.name == "sync_algo_end_cb"));
        rebuilds.count() == 0
    };
    assert!(stale("stop kernel\ndefects fib-gateway-delete-delayed"));
    assert!(!stale("defects none"), "F3 rebuilds at once");
}
