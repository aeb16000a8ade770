//! Programs in a few lines, for the tests of this stack.

use super::{Freebsd, K};
use crate::kern::Kernel;
use crate::kern::exec::{Config, run, run_to_rest};
use crate::kern::trace::What;
use crate::program::{Program, text};
use crate::stack::Stack;

/// A program of these operations.
fn program(lines: &str) -> Program {
    let text = format!("# ifscrub 1\nkernel freebsd-14\n{lines}");
    text::parse(&[Freebsd::grammar()], &text).unwrap()
}

/// The kernel after them, with all defects off; nothing is torn down.
pub fn after(lines: &str) -> K {
    let mut k: K = Kernel::new();
    run_to_rest(&mut k, &program(lines), Config::default());
    assert!(k.violation().is_none());
    k
}

/// What the last of these operations returns, with all defects off.
pub fn errno_of_last(lines: &str) -> i32 {
    let p = program(lines);
    let config = Config { record: true, ..Config::default() };
    let outcome = run(&mut Kernel::<Freebsd>::new(), &p, config);
    assert!(outcome.clean(), "{outcome:?}");
    let last = p.ops.len() as u8 - 1;
    let events = outcome.trace.expect("it was recorded").events;
    let mut done = events.iter().filter(|e| e.account == last);
    done.find_map(|e| if let What::Done(errno) = e.what { Some(errno) } else { None }).unwrap()
}
