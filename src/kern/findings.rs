//! What a run finds: broken rules, kernel faults, counts.
//!
//! The first broken rule counts; whether it ends the run depends on the layer that the
//! program's header names. What the kernel itself would have noticed always ends it.

use super::sched::Ctx;
use super::slab::ObjRef;
use super::trace::What;
use crate::program::Stop;
use crate::shadow::{FaultKind, KernelFault, Rule, Violation, rules};

/// Counts of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Operations issued.
    pub ops: u32,
    /// Operations that returned 0.
    pub ok: u32,
    /// Operations that changed the state; counted only when asked for.
    pub changed: u32,
    /// Operations refused because too many threads were alive.
    pub refused: u32,
    /// Preemptions that happened.
    pub preempted: u32,
    /// Faults that were injected.
    pub injected: u32,
    /// Warnings (broken rules that never stop a run).
    pub warnings: u32,
}

impl Ctx {
    /// Ends the run because the model's own memory is used up: neither clean nor a
    /// violation; counted by whoever runs it.
    pub fn exhaust(&self) {
        self.exhausted.set(true);
        self.end();
    }

    /// Nobody runs on.
    pub(super) fn end(&self) {
        self.stopped.set(true);
        self.halted.set(true);
    }

    /// Whether the model's memory was used up.
    pub fn exhausted(&self) -> bool {
        self.exhausted.get()
    }

    /// Whether the run has ended early.
    #[inline]
    pub fn stopped(&self) -> bool {
        self.stopped.get()
    }

    /// Records a broken rule. The first one counts, unless it is an early one that another
    /// one follows, not just the kernel's fault; under `stop books` it ends the run.
    #[cold]
    pub fn violate(&self, rule: &'static Rule, obj: ObjRef, other: ObjRef, detail: [u32; 2]) {
        if rule.warning {
            self.bump(|c| c.warnings += 1);
            return;
        }
        let fault =
            std::ptr::eq(rule, &rules::BAD_POINTER) || std::ptr::eq(rule, &rules::KERNEL_PANIC);
        let stays = |first: Violation| !first.rule.early || rule.early || fault;
        if self.stopped.get() || self.violation.get().is_some_and(stays) {
            return;
        }
        let v = Violation { rule, obj, other, detail, op: self.current_op(), func: self.func() };
        self.violation.set(Some(v));
        if self.stop.get() == Stop::Books {
            self.end();
        }
        if self.recording.get() {
            let bt = self.backtraces();
            let mut t = self.trace.borrow_mut();
            t.violations.push((v, bt));
            let n = t.violations.len() as u16 - 1;
            drop(t);
            self.record(|| What::Violation(n));
        }
    }

    /// Records what the kernel itself would have noticed here; the books say
    /// `bad-pointer` or `kernel-panic`. Ends the run.
    #[cold]
    pub fn kernel_fault(&self, kind: FaultKind, obj: ObjRef, what: &'static str) {
        if self.stopped.get() {
            return;
        }
        let rule = match kind {
            FaultKind::Assert(_) | FaultKind::Panic(_) => &rules::KERNEL_PANIC,
            _ => &rules::BAD_POINTER,
        };
        self.violate(rule, obj, ObjRef::NONE, [0, 0]);
        if self.fault.get().is_none() {
            let f = KernelFault { kind, obj, what, op: self.current_op(), func: self.func() };
            self.fault.set(Some(f));
            if self.recording.get() {
                let bt = self.backtraces();
                let mut t = self.trace.borrow_mut();
                t.faults.push((f, bt));
                let n = t.faults.len() as u16 - 1;
                drop(t);
                self.record(|| What::Fault(n));
            }
        }
        self.end();
    }

    /// The first broken rule.
    pub fn violation(&self) -> Option<Violation> {
        self.violation.get()
    }

    /// The first kernel fault.
    pub fn fault(&self) -> Option<KernelFault> {
        self.fault.get()
    }

    /// Counts of this run so far.
    pub fn counts(&self) -> Counts {
        self.counts.get()
    }

    #[inline]
    pub(super) fn bump(&self, f: impl FnOnce(&mut Counts)) {
        let mut c = self.counts.get();
        f(&mut c);
        self.counts.set(c);
    }
}
