//! As `ops`, for `freebsd-14` alone; the environment may not name another.

#![no_main]

mod target;

/// The kernel that this target is for.
const KERNEL: Option<&str> = Some("freebsd-14");
