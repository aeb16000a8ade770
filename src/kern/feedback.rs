//! What a run tells a guided engine: which ways its operations went.
//!
//! An engine that counts every edge of the compiled code spends most of its time on
//! counting. A run has far fewer *features*: an operation's *way* is the sequence of yield
//! points and fallible calls on its account, with its result; a preemption, a fault, and
//! the meeting of a parked operation with another one are a feature each. The substrate
//! sees them in any stack. They depend on nothing but the run, on no address and on no
//! recording, and they are blind to defects and to whatever the books know.
//!
//! Features are numbers, hashes of what they are about. Which of its counters one belongs
//! to is the engine's affair.

use super::plan::Account;
use super::sched::{Ctx, FiberState, TEARDOWN, members};
use std::cell::Cell;

/// The most features of one run; what comes after them is not noted.
const MOST: usize = 256;

/// What a feature is about.
#[derive(Clone, Copy)]
enum Kind {
    /// Verb, the yield points and fallible calls passed, errno.
    Way = 1,
    /// Verb, the yield point it was parked at.
    Park = 2,
    /// Verb, the call that was made to fail.
    Fault = 3,
    /// Verb and yield point of a parked operation; verb and errno of one that finished
    /// meanwhile.
    Meeting = 4,
}

/// The features of a run, if they are noted.
pub(super) struct Feedback {
    pub(super) on: Cell<bool>,
    features: [Cell<u32>; MOST],
    len: Cell<u16>,
}

impl Default for Feedback {
    fn default() -> Self {
        let features = std::array::from_fn(|_| Cell::new(0));
        Feedback { on: Cell::new(false), features, len: Cell::new(0) }
    }
}

impl Feedback {
    pub(super) fn reset(&self, on: bool) {
        self.on.set(on);
        self.len.set(0);
    }

    fn note(&self, kind: Kind, a: u32, b: u32) {
        let n = self.len.get();
        if let Some(place) = self.features.get(usize::from(n)) {
            place.set(mix(mix(kind as u32, a), b));
            self.len.set(n + 1);
        }
    }
}

#[inline]
fn mix(h: u32, v: u32) -> u32 {
    (h ^ v).wrapping_mul(0x9e37_79b1).rotate_left(15)
}

/// A number for the name of a point: from its length, beginning, middle and end. Of a name
/// that is written where it is passed the compiler knows it.
#[inline]
pub(super) fn number(name: &str) -> u32 {
    let bytes = name.as_bytes();
    let n = bytes.len();
    let four = |at: usize| {
        bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    };
    let ends = mix(four(0), four(n.saturating_sub(4)));
    mix(mix(ends, four(n / 2)), n as u32)
}

impl Ctx {
    /// The features of the last run, in the order in which they came; one may be there
    /// more than once. None unless the run was to note them.
    pub fn features(&self) -> &[Cell<u32>] {
        &self.feedback.features[..usize::from(self.feedback.len.get())]
    }

    fn account(&self) -> &Account {
        &self.accounts[usize::from(self.fibers[usize::from(self.current())].account.get())]
    }

    /// On account `a` a yield point or a fallible call is passed whose name has this
    /// number.
    #[inline]
    pub(super) fn note_passed(&self, a: &Account, number: u32) {
        if self.feedback.on.get() {
            a.way.set(mix(a.way.get(), number));
        }
    }

    /// A call on account `a` is made to fail.
    pub(super) fn note_failed(&self, a: &Account, number: u32) {
        if self.feedback.on.get() {
            self.feedback.note(Kind::Fault, a.verb.get().into(), number);
        }
    }

    /// The current thread, on account `a`, is parked.
    pub(super) fn note_parked(&self, a: &Account, number: u32) {
        if self.feedback.on.get() {
            a.parked_at.set(number);
            self.feedback.note(Kind::Park, a.verb.get().into(), a.parked_at.get());
        }
    }

    /// The current thread has finished: an operation, or what one left to another thread.
    pub(super) fn note_finished(&self, errno: i32) {
        let me = &self.fibers[usize::from(self.current())];
        if !self.feedback.on.get() || me.account.get() == TEARDOWN {
            return;
        }
        let a = self.account();
        let did = mix(a.verb.get().into(), errno as u32);
        self.feedback.note(Kind::Way, did, a.way.get());
        for f in members(self.alive()) {
            let f = &self.fibers[usize::from(f)];
            if f.state.get() == FiberState::Parked {
                let other = &self.accounts[usize::from(f.account.get())];
                let there = mix(other.verb.get().into(), other.parked_at.get());
                self.feedback.note(Kind::Meeting, there, did);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, number};
    use crate::kern::Kernel;
    use crate::kern::exec::{Config, run};
    use crate::program::generate::{GenConfig, Generator};
    use crate::program::{Op, Program};
    use crate::stack::{Stack, as_reported};
    use crate::triage::toy::Toy;
    use std::collections::BTreeSet;

    fn features(k: &mut Kernel<Toy>, p: &Program, cfg: Config) -> Vec<u32> {
        run(k, p, Config { feedback: true, ..cfg });
        k.features().iter().map(|f| f.get()).collect()
    }

    fn programs() -> impl Iterator<Item = Program> {
        let generator = Generator::new(Toy::grammar(), GenConfig::default(), 1);
        (0..200).map(move |i| generator.program(i))
    }

    #[test]
    fn features_are_a_function_of_the_run_and_recording_changes_none() {
        let (mut one, mut other) = (Kernel::new(), Kernel::new());
        for p in programs() {
            let seen = features(&mut one, &p, Config::default());
            assert!(!seen.is_empty());
            let recorded = Config { record: true, ..Config::default() };
            assert_eq!(features(&mut other, &p, recorded), seen);
        }
    }

    #[test]
    fn a_defect_that_changes_nothing_changes_no_feature() {
        let defects = as_reported(Toy::defects());
        let mut k = Kernel::new();
        let mut compared = 0;
        for p in programs() {
            let repaired = features(&mut k, &p, Config::default());
            let outcome = run(&mut k, &p, Config { defects, feedback: true, ..Config::default() });
            let broken: Vec<_> = k.features().iter().map(|f| f.get()).collect();
            if outcome.clean() && outcome.reached == 0 {
                assert_eq!(broken, repaired);
                compared += 1;
            }
        }
        assert!(compared > 0);
    }

    #[test]
    fn a_preemption_a_fault_and_another_result_are_seen() {
        let mut k = Kernel::new();
        let mut told_apart = [0; 2];
        for p in programs() {
            let calm = |op: &Op| Op { preempt_at: 0, preempt_for: 0, fail: 0, ..*op };
            let undisturbed = Program { ops: p.ops.iter().map(calm).collect(), ..p.clone() };
            let before: BTreeSet<_> =
                features(&mut k, &undisturbed, Config::default()).into_iter().collect();
            let outcome = run(&mut k, &p, Config { feedback: true, ..Config::default() });
            let new = k.features().iter().filter(|f| !before.contains(&f.get())).count();
            for (n, happened) in
                told_apart.iter_mut().zip([outcome.counts.preempted, outcome.counts.injected])
            {
                if happened > 0 {
                    assert!(new > 0, "{p:?}");
                    *n += 1;
                }
            }
        }
        assert!(told_apart.iter().all(|&n| n > 0), "{told_apart:?}");
    }

    #[test]
    fn without_feedback_there_are_no_features() {
        let mut k = Kernel::<Toy>::new();
        let p = programs().next().unwrap();
        assert!(!features(&mut k, &p, Config::default()).is_empty());
        run(&mut k, &p, Config::default());
        assert!(k.features().is_empty());
    }

    #[test]
    fn a_run_without_end_of_features_keeps_the_first() {
        let k = Kernel::<Toy>::new();
        for n in 0..2 * MOST as u32 {
            k.cx.feedback.note(super::Kind::Way, n, 0);
        }
        let seen: BTreeSet<_> = k.features().iter().map(|f| f.get()).collect();
        assert_eq!((k.features().len(), seen.len()), (MOST, MOST));
    }

    #[test]
    fn names_that_differ_at_either_end_or_in_length_have_their_own_numbers() {
        let names =
            ["", "a", "b", "in_ifinit:enter", "in_ifinit:leave", "tunclose:enter", "in_ifinit"];
        let numbers: BTreeSet<_> = names.iter().map(|n| number(n)).collect();
        // What is shorter than four letters is known by its length.
        assert_eq!(numbers.len(), names.len() - 1);
    }
}
