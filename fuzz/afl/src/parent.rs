//! A process of a target that AFL++'s fork server has begun and stopped between two inputs
//! would stay for ever when the fork server is killed.

use std::cell::Cell;
use std::ffi::{c_int, c_ulong};

const PR_SET_PDEATHSIG: c_int = 1;
const SIGKILL: c_ulong = 9;

thread_local! {
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

// libc's.
unsafe extern "C" {
    fn prctl(option: c_int, ...) -> c_int;
}

/// Has the system end this process when its parent ends; to be called after the fork.
pub fn die_with_parent() {
    if !ASKED.replace(true) {
        // SAFETY: this option takes one number, a signal, and no memory.
        unsafe { prctl(PR_SET_PDEATHSIG, SIGKILL) };
    }
}
