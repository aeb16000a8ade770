//! ifscrub finds lifetime bugs in network-stack control planes: the missing `IFAREF`,
//! the extra `IFAFREE`, the route that outlives its interface.
//!
//! It runs short programs of ioctl-like operations against executable models of BSD
//! network stacks, inside one deterministic kernel, and keeps a second, independent set
//! of books on every reference. The first disagreement stops the run with a report that
//! reads like a kernel panic and names who took and who dropped what.
//!
//! # Words
//!
//! | word | meaning |
//! | --- | --- |
//! | program | a header (kernel, CPUs, what ends the run) and a list of operations |
//! | operation | one verb with small arguments, as a user or the network would cause it |
//! | kernel | one stack model at one date: `dragonfly-2007`, `freebsd-14` |
//! | yield point | a named place in a kernel function where another thread may run |
//! | preemption | "park this operation at that yield point while k more are issued" |
//! | fault | "this fallible call inside this operation fails, once or from there on" |
//! | holder | a field, a queue entry or a registered local that owns a reference |
//! | census | the recount of all holders from the objects themselves |
//! | violation | the first broken rule of a run |
//! | defect | one historical bug as a switch: a *way in*, or one that *enables* ways in |
//! | credit | the defects each of whose repair alone makes a finding clean |
//!
//! # One worked bug
//!
//! DragonFly, December 2007: two threads change one address. The first waits for the
//! interface's serializer with a bare pointer to the `in_ifaddr`; the second deletes the
//! address and frees it; the first goes on and puts the corpse back into the hash.
//!
//! ```
//! use ifscrub::kern::exec::Config;
//! use ifscrub::program::text;
//! use ifscrub::stack::{GRAMMARS, machine};
//! use ifscrub::triage::sets;
//!
//! let program = text::parse(
//!     GRAMMARS,
//!     "# ifscrub 1
//! kernel dragonfly-2007
//! ncpus 1
//! SIOCIFCREATE gif0
//! SIOCAIFADDR gif0 10.0.0.1 dst 10.0.0.2
//! SIOCSIFADDR gif0 10.0.0.3  preempt in_ifinit:lwkt_serialize_enter for 1
//! SIOCDIFADDR gif0 10.0.0.1
//! ",
//! )?;
//! let mut kernel = machine(program.header.kernel).expect("a model of that kernel");
//!
//! // As it was: the books name the free that went wrong, not a later symptom.
//! let defects = sets::parse(kernel.defects(), "c1-ifinit-serializer-wait")?;
//! let outcome = kernel.run(&program, Config { defects, ..Config::default() });
//! assert_eq!(outcome.violation.map(|v| v.rule.name), Some("freed-in-hands"));
//!
//! // Repaired, the same program in the same interleaving is clean.
//! assert!(kernel.run(&program, Config::default()).clean());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Modules
//!
//! [`program`] what runs; [`kern`] what it runs in; [`shadow`] what must hold;
//! [`stack`] the models; [`hunt`] looking for violations; [`triage`] what to make of
//! one; [`corpus`] what guided engines grow; [`status`] how a campaign goes; [`cli`] the
//! command line.

#![forbid(unsafe_code)]

pub mod cli;
pub mod corpus;
pub mod hunt;
pub mod kern;
pub mod program;
pub mod shadow;
pub mod stack;
pub mod status;
pub mod triage;
