//! Triage: what a violation is, whose it is, and how to show it.
//!
//! Everything here works from a [`Program`](crate::program::Program) and replays it: an
//! execution is a function of (program, defects) and of nothing else, so the fast path
//! records nothing and triage runs the program again, recorded or under other defects.
//!
//! | module | question |
//! | --- | --- |
//! | [`sets`] | which defects are meant? |
//! | [`replay`] | what happened, and what are the names of its places? |
//! | [`positions`] | where else may its preemptions and faults strike? |
//! | [`credit`] | which defects' repair alone makes it clean? |
//! | [`matrix`] | which proposed repairs cure it, and what do they leave? |
//! | [`signature`] | what makes two violations the same symptom? |
//! | [`mod@minimize`] | what is the least that still shows it? |
//! | [`listing`] | what happened, event by event? |
//! | [`report`] | what would a kernel developer want to read? |

pub mod credit;
pub mod listing;
pub mod matrix;
pub mod minimize;
pub mod positions;
pub mod replay;
pub mod report;
pub mod sets;
pub mod signature;

#[cfg(test)]
pub(crate) mod toy;
