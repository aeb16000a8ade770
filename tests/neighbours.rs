//! What stands next to the programs that are checked in is clean on the repaired kernel, too.
//!
//! Each is a place where somebody has thought of a window. Random programs come there too
//! rarely to try all that is near; here every operation is parked at every yield point in
//! turn, for one to three operations, and every call of it fails in turn, beside what the
//! program plans for its other operations. Of what is further off, two operations parked and
//! perhaps a call that fails, too much to try, each program has a number drawn.
//!
//! All of it takes minutes without optimization: then a part of the programs stands for it.

mod support;

use ifscrub::kern::exec::Config;
use ifscrub::kern::trace::Fnv;
use ifscrub::program::Program;
use ifscrub::program::generate::{Rng, SplitMix, set_fault, set_preemption};
use ifscrub::stack::Machine;
use ifscrub::triage::replay::resolve;
use support::{all_programs, machine_for, name_of, read, shown};

/// One of so many programs is looked at.
const EVERY: usize = if cfg!(debug_assertions) { 16 } else { 1 };

/// How many that are further off are drawn for each program.
const DRAWN: usize = 1000;

/// Runs a neighbour, which must be clean; how many preemptions and faults came about.
fn clean(m: &mut dyn Machine, p: &Program, of: &str, broken: &mut Vec<String>) -> (u32, u32) {
    let outcome = m.run(p, Config::default());
    if !outcome.clean() {
        let program = ifscrub::program::text::print(m.grammar(), p);
        broken.push(format!("beside {of}: {}\n{program}", shown(&outcome)));
    }
    (outcome.counts.preempted, outcome.counts.injected)
}

#[test]
fn every_neighbour_of_every_program_is_clean_on_the_repaired_kernel() {
    let (mut broken, mut tried) = (Vec::new(), 0u64);
    for path in all_programs().into_iter().step_by(EVERY) {
        let of = name_of(&path);
        let p = read(&path);
        let mut m = machine_for(&p);
        let limit = m.grammar().max_preempt_at;
        let (p, _) = resolve(&mut *m, &p, 0, limit);
        for i in 0..p.ops.len() {
            let mut near = p.clone();
            near.ops[i].preempt_at = 0;
            let (without, _) = clean(&mut *m, &near, &of, &mut broken);
            for at in 1..=limit {
                near.ops[i].preempt_at = at;
                let mut parked = false;
                for ops in 1..=3 {
                    near.ops[i].preempt_for = ops;
                    tried += 1;
                    parked |= clean(&mut *m, &near, &of, &mut broken).0 > without;
                }
                if !parked {
                    break;
                }
            }
            let mut near = p.clone();
            near.ops[i].fail = 0;
            let (_, without) = clean(&mut *m, &near, &of, &mut broken);
            for fail in 1..64 {
                near.ops[i].fail = fail;
                tried += 1;
                if clean(&mut *m, &near, &of, &mut broken).1 <= without {
                    break;
                }
            }
        }
    }
    assert!(broken.is_empty(), "{} of {tried}:\n{}", broken.len(), broken.join("\n"));
    assert!(tried > 10_000, "{tried} neighbours");
}

#[test]
fn what_is_drawn_further_off_is_clean_on_the_repaired_kernel() {
    let (mut broken, mut parked) = (Vec::new(), 0);
    for path in all_programs().into_iter().step_by(EVERY) {
        let of = name_of(&path);
        let p = read(&path);
        let mut m = machine_for(&p);
        let limit = m.grammar().max_preempt_at;
        let (p, _) = resolve(&mut *m, &p, 0, limit);
        // By its name: other programs do not change what is drawn for this one.
        let mut seed = Fnv::new();
        seed.bytes(of.as_bytes());
        let mut rng = Rng::new(SplitMix::new(seed.0 as u32));
        for _ in 0..DRAWN {
            let mut near = p.clone();
            for _ in 0..2 {
                let i = rng.below(near.ops.len());
                set_preemption(m.grammar(), &mut near.ops[i], &mut rng);
            }
            if rng.chance(1, 2) {
                let i = rng.below(near.ops.len());
                set_fault(m.grammar(), &mut near.ops[i], &mut rng);
            }
            parked += clean(&mut *m, &near, &of, &mut broken).0;
        }
    }
    assert!(broken.is_empty(), "{}:\n{}", broken.len(), broken.join("\n"));
    assert!(parked > 10_000, "{parked} preemptions");
}
