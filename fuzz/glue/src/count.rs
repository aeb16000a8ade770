//! How many programs a target has run, for who looks after it.
//!
//! A file is mapped and the number in it goes up with every execution: that costs less than a
//! call now and then, it is true at every moment, and whoever forks (AFL++'s fork server)
//! counts on where its parent was.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

const PROT_READ_AND_WRITE: c_int = 1 | 2;
const MAP_SHARED: c_int = 1;
const MAP_FAILED: usize = usize::MAX;

thread_local! {
    static COUNT: Cell<Option<&'static AtomicU64>> = const { Cell::new(None) };
}

// libc's.
unsafe extern "C" {
    fn mmap(
        at: *mut c_void,
        size: usize,
        may: c_int,
        how: c_int,
        file: c_int,
        from: i64,
    ) -> *mut c_void;
}

/// Counts in this file from now on, from the number that it holds.
pub fn begin(path: &Path) -> io::Result<()> {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    if file.metadata()?.len() < 8 {
        // Written, not only made longer: what is mapped must have its place on the disk.
        file.write_all_at(&[0; 8], 0)?;
    }
    // SAFETY: a new mapping, wherever there is room, of a file that is open.
    let at =
        unsafe { mmap(ptr::null_mut(), 8, PROT_READ_AND_WRITE, MAP_SHARED, file.as_raw_fd(), 0) };
    if at.addr() == MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a mapping begins with a page, is never taken away, and eight bytes of it are
    // there; others only read them.
    COUNT.set(Some(unsafe { &*at.cast::<AtomicU64>() }));
    Ok(())
}

/// A program is about to be run.
pub fn one_more() {
    if let Some(count) = COUNT.get() {
        // Nobody else writes to it.
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}
