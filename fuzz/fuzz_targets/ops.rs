//! Runs programs until one violates a rule.
//!
//! What is hunted comes from `IFSCRUB_KERNEL` and `IFSCRUB_DEFECTS`, see
//! [`ifscrub::hunt::fuzz`].

#![no_main]

mod target;

/// Any, or the one that the environment pins.
const KERNEL: Option<&str> = None;
