//! Programs in a few lines, for the tests of this stack.

use super::Dragonfly;
use crate::kern::Kernel;
use crate::kern::exec::{Config, run};
use crate::kern::trace::Trace;
use crate::program::{Program, text};
use crate::stack::Stack;

/// A program of these operations.
pub fn program(ncpus: u8, lines: &str) -> Program {
    let text = format!("# ifscrub 1\nkernel dragonfly-2007\nncpus {ncpus}\n{lines}\n");
    text::parse(&[Dragonfly::grammar()], &text).unwrap()
}

/// The trace of its run with all defects off, which is clean and reaches all its points.
pub fn trace_of(ncpus: u8, lines: &str) -> Trace {
    let mut k = Kernel::<Dragonfly>::new();
    let config = Config { record: true, ..Config::default() };
    let outcome = run(&mut k, &program(ncpus, lines), config);
    assert!(outcome.clean() && outcome.unreached.is_empty(), "{outcome:?}");
    *outcome.trace.unwrap()
}
