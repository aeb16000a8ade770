//! The line on stderr that says a hunt is alive.
//!
//! Once a second on a terminal, every ten seconds otherwise; never part of a result.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What the line shows, shared by all threads of a round.
pub struct Progress {
    silent: bool,
    terminal: bool,
    began: Instant,
    shown: Mutex<Instant>,
    executions: AtomicU64,
    findings: AtomicUsize,
    credited: AtomicU32,
}

impl Progress {
    /// A line on stderr.
    pub fn stderr() -> Progress {
        let now = Instant::now();
        Progress {
            silent: false,
            terminal: std::io::stderr().is_terminal(),
            began: now,
            shown: Mutex::new(now),
            executions: AtomicU64::new(0),
            findings: AtomicUsize::new(0),
            credited: AtomicU32::new(0),
        }
    }

    /// No line at all.
    pub fn silent() -> Progress {
        Progress { silent: true, ..Progress::stderr() }
    }

    /// What is known between two rounds.
    pub fn state(&self, executions: u64, findings: usize, credited: u32) {
        self.executions.store(executions, Ordering::Relaxed);
        self.findings.store(findings, Ordering::Relaxed);
        self.credited.store(credited, Ordering::Relaxed);
    }

    /// Some more programs were run; the thread that `shows` may print.
    pub fn tick(&self, executions: u64, shows: bool) {
        let total = self.executions.fetch_add(executions, Ordering::Relaxed) + executions;
        if self.silent || !shows {
            return;
        }
        let every = Duration::from_secs(if self.terminal { 1 } else { 10 });
        let Ok(mut shown) = self.shown.try_lock() else {
            return;
        };
        if shown.elapsed() < every {
            return;
        }
        *shown = Instant::now();
        let rate = total as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let findings = self.findings.load(Ordering::Relaxed);
        let credited = self.credited.load(Ordering::Relaxed);
        let line = format!(
            "{total} programs, {rate:.0} a second; {findings} signatures, {credited} defects credited"
        );
        // Nobody listens any more: no reason to end.
        let _ = match self.terminal {
            true => write!(std::io::stderr(), "\r\x1b[K{line}"),
            false => writeln!(std::io::stderr(), "{line}"),
        };
    }

    /// Where work is that runs in no rounds: in the place of the line, or below it where
    /// nobody sees it move.
    pub fn at(&self, line: &str) {
        let _ = match (self.silent, self.terminal) {
            (true, _) => Ok(()),
            (false, true) => write!(std::io::stderr(), "\r\x1b[K{line}"),
            (false, false) => writeln!(std::io::stderr(), "{line}"),
        };
    }

    /// Something new was found.
    pub fn found(&self, signature: &str, executions: u64) {
        let seconds = self.began.elapsed().as_secs_f64();
        self.say(&format!("found {signature} after {executions} programs, {seconds:.1} s"));
    }

    /// A line of its own.
    pub fn say(&self, line: &str) {
        if self.silent {
            return;
        }
        self.clear();
        let _ = writeln!(std::io::stderr(), "{line}");
    }

    /// Takes the line away.
    pub fn clear(&self) {
        if !self.silent && self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
