//! As reported, the control token serializes nothing.
//!
//! The tree of 2007 ran every ioctl in its caller's thread. The repaired model has the
//! control token instead of the one thread of 2008; with all that was reported switched on,
//! nobody may hold it where threads can switch: otherwise the model would keep two
//! operations apart that met in 2007. So each event of a run is looked at, over every
//! program that is checked in and a few thousand generated ones.

mod support;

use ifscrub::kern::trace::{Event, What};
use ifscrub::program::generate::{GenConfig, Generator};
use ifscrub::program::{Program, Stop};
use ifscrub::stack::{DefectSet, GRAMMARS, Machine, as_reported};
use ifscrub::triage::replay::recorded;

/// How many programs are generated beside those that are checked in.
const GENERATED: u64 = 4_000;

const TOKEN: &str = "control token";

/// The first event at which the token stands in somebody's way: its holder may be switched
/// away from, or somebody waits for it.
fn in_the_way(events: &[Event]) -> Option<Event> {
    let mut holder = None;
    for e in events {
        match e.what {
            What::Lock(TOKEN) => holder = Some(e.fiber),
            What::Unlock(TOKEN) => holder = None,
            What::Block(TOKEN) => return Some(*e),
            What::Yield(_) | What::Block(_) if holder == Some(e.fiber) => return Some(*e),
            // What is left is on the way out.
            What::Fault(_) => return None,
            _ => {}
        }
    }
    None
}

fn run(m: &mut dyn Machine, p: &Program, defects: DefectSet, stop: Stop) -> Option<Event> {
    in_the_way(&recorded(m, p, defects, Some(stop)).trace.events)
}

#[test]
fn as_reported_nobody_holds_the_control_token_where_threads_switch() {
    let g = GRAMMARS[0];
    let generator = Generator::new(g, GenConfig::default(), 2007);
    let written = support::all_programs();
    let written = written.iter().map(|path| (support::name_of(path), support::read(path)));
    let generated = (0..GENERATED).map(|i| (format!("program {i}"), generator.program(i)));
    let mut machine = None;
    for (name, p) in written.chain(generated).filter(|(_, p)| p.header.kernel == g.id) {
        let m = machine.get_or_insert_with(|| support::machine_for(&p));
        let all = as_reported(m.defects());
        // The books stop at the first broken rule; the kernel goes on from there.
        for stop in [Stop::Books, Stop::Kernel] {
            let found = run(&mut **m, &p, all, stop);
            assert_eq!(found, None, "{name}, {stop:?}");
        }
    }
}

#[test]
fn repaired_the_control_token_keeps_others_out() {
    let p = support::parse(
        "# ifscrub 1\nkernel dragonfly-2007\nncpus 2\nSIOCAIFADDR em0 10.0.0.1\n\
         SIOCDIFADDR em0 10.0.0.1  preempt in_control:lwkt_serialize_enter#1 for 1\n\
         SIOCDIFADDR em0 10.0.0.1\n",
    );
    let mut m = support::machine_for(&p);
    assert!(run(&mut *m, &p, 0, Stop::Books).is_some(), "the check looks at something");
}
