//! As `ops`, for `dragonfly-2007` alone, whatever the environment.

#![no_main]

mod target;

/// The kernel that this target is for.
const KERNEL: Option<&str> = Some("dragonfly-2007");
