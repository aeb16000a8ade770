//! As `ops`, for `freebsd-14` alone, whatever the environment.

#![no_main]

mod target;

/// The kernel that this target is for.
const KERNEL: Option<&str> = Some("freebsd-14");
