//! What a hunt is for, and what of it is left.
//!
//! Way after way into a panic is found and credited; those found are switched off, so that
//! they mask no others. A defect stays on as long as one that is still on needs it, an
//! enabling one until every way in that needs it is off; it is no goal of its own. Proposed
//! repairs, latent defects and enabling ones that no way in needs are no goals either and
//! stay as they are. The same bookkeeping serves the seeded walk and campaigns of guided
//! engines.

use crate::stack::{Defect, DefectSet, Kind};
use crate::triage::sets;

/// The defects of a hunt.
#[derive(Clone, Debug)]
pub struct Left {
    defects: &'static [Defect],
    /// What account is kept of, of those on at the beginning ([`sets::hunted`]).
    hunted: DefectSet,
    on: DefectSet,
    /// What findings were credited to.
    credited: DefectSet,
}

impl Left {
    /// Nothing has been found yet.
    pub fn new(defects: &'static [Defect], on: DefectSet) -> Left {
        Left { defects, hunted: sets::hunted(defects, on), on, credited: 0 }
    }

    /// Takes note of the credit of a finding, and switches off what is done with.
    pub fn credit(&mut self, set: DefectSet) {
        self.credited |= set;
        let enabling = sets::of_kind(self.defects, Kind::Enabling);
        loop {
            let before = self.on;
            for d in sets::members(before) {
                let ways = self.ways_through(d);
                let done = match enabling >> d & 1 {
                    0 => self.credited >> d & 1 != 0,
                    _ => ways != 0,
                };
                if done && ways & self.on == 0 {
                    self.on &= !(1 << d);
                }
            }
            if self.on == before {
                return;
            }
        }
    }

    /// Of the defects hunted, those that need `d`.
    fn ways_through(&self, d: usize) -> DefectSet {
        sets::members(self.hunted)
            .filter(|&w| self.defects.get(w).is_some_and(|w| w.needs >> d & 1 != 0))
            .fold(0, |set, w| set | 1 << w)
    }

    /// What there is to find: an enabling defect is no goal of its own.
    pub fn goals(&self) -> DefectSet {
        sets::goals(self.defects, self.hunted)
    }

    /// What is on now.
    pub fn on(&self) -> DefectSet {
        self.on
    }

    /// The defects that were credited; an enabling one also when one of its ways was.
    pub fn found(&self) -> DefectSet {
        let enabling = sets::of_kind(self.defects, Kind::Enabling);
        let through = sets::members(self.hunted & enabling)
            .filter(|&d| self.ways_through(d) & self.credited != 0);
        through.fold(self.credited, |set, d| set | 1 << d)
    }

    /// The goals that nothing was credited to.
    pub fn unfound(&self) -> DefectSet {
        self.goals() & !self.credited
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::freebsd::Freebsd;
    use crate::stack::{Stack, as_reported};
    use crate::triage::toy::{ASSERTS, FORGOTTEN, Toy, UNLOCKED, UNREFERENCED};

    #[test]
    fn an_enabling_defect_goes_only_with_its_last_way_in() {
        let defects = as_reported(Toy::defects());
        let mut left = Left::new(Toy::defects(), defects);
        left.credit(1 << FORGOTTEN);
        assert_eq!(left.on(), defects & !(1 << FORGOTTEN));
        left.credit(1 << UNREFERENCED);
        assert_eq!(left.on() >> UNREFERENCED & 1, 0);
        assert_eq!(left.on() >> UNLOCKED & 1, 0, "nothing that is on needs it");
        assert_eq!(left.found(), 1 << FORGOTTEN | 1 << UNREFERENCED | 1 << UNLOCKED);
        assert_eq!(left.unfound(), defects & !left.found());
    }

    #[test]
    fn a_proposed_repair_stays_on_when_everything_was_found() {
        let defects = as_reported(Toy::defects()) | 1 << ASSERTS;
        let mut left = Left::new(Toy::defects(), defects);
        left.credit(left.goals());
        assert_eq!((left.on(), left.unfound()), (1 << ASSERTS, 0));
    }

    #[test]
    fn an_enabling_defect_alone_is_no_goal() {
        let left = Left::new(Toy::defects(), 1 << UNLOCKED);
        assert_eq!((left.goals(), left.unfound(), left.on()), (0, 0, 1 << UNLOCKED));
    }

    #[test]
    fn what_is_latent_and_an_enabling_defect_that_no_way_in_needs_are_no_goals_and_stay_on() {
        let all = Freebsd::defects();
        let names = ["detach-first-ifa-only", "rt-flushifroutes-normal-priority"];
        let idle = sets::from_names(all, names).unwrap();
        assert_eq!(sets::members(idle).count(), 2, "neither needs another");
        let mut left = Left::new(all, as_reported(all));
        assert_eq!(left.goals() & idle, 0);
        left.credit(left.goals());
        assert_eq!((left.on() & idle, left.unfound()), (idle, 0));
    }

    #[test]
    fn credit_for_nothing_changes_nothing() {
        let defects = as_reported(Toy::defects());
        let mut left = Left::new(Toy::defects(), defects);
        left.credit(0);
        assert_eq!((left.on(), left.found()), (defects, 0));
    }
}
