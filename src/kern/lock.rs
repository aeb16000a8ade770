//! Locks of the modelled kernels.
//!
//! One type serves them all: DragonFly's `lwkt_serialize` and its message ports (a
//! thread that serves one message at a time is a lock that is held while it does),
//! FreeBSD's mutex, sx, rm and rw locks. A lock knows its owner, its readers and the
//! threads that wait, first come first served; taking and releasing are explicit calls,
//! as in the original, so that a cancelled thread owns nothing.
//!
//! Checked at each call: recursion where it is forbidden, release by a stranger, the
//! declared order, locks that may sleep taken where sleeping is forbidden, and cycles of
//! waiters. The scheduler checks that no thread returns with a lock, and that nothing
//! waits for ever. Being preempted with a lock held is nobody's fault.

use super::cell::Count;
use super::sched::{Ctx, Fiber, MAX_FIBERS, Switch};
use super::slab::ObjRef;
use super::trace::What;
use crate::shadow::{FaultKind, rules};
use std::cell::Cell;

/// Number of locks a stack may declare.
pub const MAX_LOCKS: usize = 64;

/// Index of a lock in the stack's [`LockInfo`] table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LockId(pub u8);

/// No owner.
const NOBODY: u8 = u8::MAX;

/// What kind of lock it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockKind {
    /// `lwkt_serialize`: exclusive, not recursive, may be held while blocking.
    Serializer,
    /// A message port: held while its thread serves a message. Never held by a
    /// thread of its own accord, so it is left out of order checks.
    Port,
    /// A serializing thread or token: exclusive and recursive.
    Token,
    /// FreeBSD mutex: exclusive, its owner must not sleep.
    Mutex,
    /// FreeBSD sx: shared or exclusive, may sleep.
    Sx,
    /// FreeBSD rmlock: shared or exclusive, must not sleep.
    Rm,
    /// FreeBSD rwlock: shared or exclusive, must not sleep.
    Rw,
}

impl LockKind {
    /// Whether a thread may sleep while it waits for such a lock, and while it holds one.
    pub const fn may_sleep(self) -> bool {
        !matches!(self, LockKind::Mutex | LockKind::Rm | LockKind::Rw)
    }

    /// Whether it can be held shared.
    pub const fn has_readers(self) -> bool {
        matches!(self, LockKind::Sx | LockKind::Rm | LockKind::Rw)
    }
}

/// What [`rules::LOCK_MISUSE`] is about: the second number of its detail; the first is
/// the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// Taken twice by one thread.
    Twice = 1,
    /// Released by a stranger.
    Stranger = 2,
    /// Kept on return.
    Kept = 3,
    /// Asked for in a mode that its kind does not have, or changed from a mode in which
    /// it is not held.
    Mode = 4,
    /// A critical section left too often, or not left (no lock: `u32::MAX`).
    Critical = 5,
    /// A lock-bound callout was changed without its lock.
    Callout = 6,
}

/// How a stack declares a lock.
#[derive(Clone, Copy, Debug)]
pub struct LockInfo {
    /// Name in traces and reports.
    pub name: &'static str,
    /// Kind.
    pub kind: LockKind,
    /// Whether its owner may take it again.
    pub recursive: bool,
    /// Place in the lock order: a thread that holds rank r takes only higher ranks.
    /// 0: not ordered.
    pub rank: u8,
    /// The modelled kernel had no such lock: a repair adds it. What only happens because
    /// somebody waits for it could not have happened there.
    pub added: bool,
}

impl LockInfo {
    /// Whether it must not be taken by a thread that holds `held`.
    pub(super) fn is_out_of_order_behind(&self, held: &LockInfo) -> bool {
        self.rank != 0 && held.rank >= self.rank
    }
}

/// State of one lock. A power of two in size, as a fiber is.
#[derive(Clone, Debug)]
#[repr(align(32))]
pub(super) struct Lock {
    owner: Cell<u8>,
    depth: Cell<u8>,
    /// Bit per fiber that holds it shared.
    readers: Cell<u32>,
    /// FIFO of waiting fibers; bit 7 set for a shared request.
    queue: Cell<[u8; MAX_FIBERS]>,
    queued: Cell<u8>,
}

impl Default for Lock {
    fn default() -> Self {
        Lock {
            owner: Cell::new(NOBODY),
            depth: Cell::new(0),
            readers: Cell::new(0),
            queue: Cell::new([0; MAX_FIBERS]),
            queued: Cell::new(0),
        }
    }
}

const SHARED: u8 = 0x80;

impl Lock {
    pub(super) fn reset(&self) {
        self.owner.set(NOBODY);
        self.depth.set(0);
        self.readers.set(0);
        self.queued.set(0);
    }

    fn push(&self, w: u8) {
        let mut q = self.queue.get();
        let n = self.queued.get() as usize;
        q[n % MAX_FIBERS] = w;
        self.queue.set(q);
        self.queued.set(n as u8 + 1);
    }

    fn pop(&self) -> u8 {
        let mut q = self.queue.get();
        let w = q[0];
        q.copy_within(1.., 0);
        self.queue.set(q);
        self.queued.dec();
        w
    }

    fn has_owner(&self) -> bool {
        self.owner.get() != NOBODY
    }

    fn is_reader(&self, fiber: u8) -> bool {
        self.readers.get() >> fiber & 1 != 0
    }

    /// The threads that come before a waiting one, a bit each: who holds the lock and
    /// who waits for it longer.
    pub(super) fn before(&self, fiber: u8) -> u32 {
        let holders = match self.owner.get() {
            NOBODY => self.readers.get(),
            owner => 1 << owner,
        };
        let queue = self.queue.get();
        let queue = queue[..usize::from(self.queued.get())].iter().map(|w| w & !SHARED);
        queue.take_while(|&w| w != fiber).fold(holders, |set, w| set | 1 << w)
    }
}

impl Ctx {
    fn info(&self, l: LockId) -> &'static LockInfo {
        &self.lock_infos[l.0 as usize]
    }

    /// Takes a lock exclusively; blocks while others hold it or wait for it.
    // This and `unlock` stand at hundreds of places: as one piece of code they stay in the cache.
    #[inline(never)]
    pub fn lock(&self, l: LockId) -> Switch<'_> {
        let lk = &self.locks[l.0 as usize % MAX_LOCKS];
        let me = self.current();
        let free = lk.owner.get() == NOBODY && lk.readers.get() == 0;
        // What nothing is to be said of: a lock is taken and given up more often than anything
        // else happens.
        if free && self.out_of_order(l) == 0 && !self.recording() {
            lk.owner.set(me);
            lk.depth.set(1);
            self.note_held(l, true);
        } else {
            self.lock_slow(l);
        }
        Switch::new(self)
    }

    /// The same when the lock is not free, out of order, or recorded.
    #[cold]
    fn lock_slow(&self, l: LockId) {
        let lk = &self.locks[l.0 as usize];
        let me = self.current();
        if lk.owner.get() == NOBODY && lk.readers.get() == 0 {
            self.check_order(l);
            lk.owner.set(me);
            lk.depth.set(1);
            self.note_held(l, true);
            self.record(|| What::Lock(self.info(l).name));
        } else {
            self.lock_contended(l, me, false);
        }
    }

    /// Takes a lock shared; blocks while a writer holds it or waits for it. Readers do
    /// not recurse.
    pub fn lock_shared(&self, l: LockId) -> Switch<'_> {
        let lk = &self.locks[l.0 as usize];
        let me = self.current();
        if !self.info(l).kind.has_readers() {
            self.misuse(l, Misuse::Mode);
        }
        if !lk.has_owner() && lk.queued.get() == 0 && !lk.is_reader(me) {
            self.check_order(l);
            self.become_reader(l);
        } else {
            self.lock_contended(l, me, true);
        }
        Switch::new(self)
    }

    fn become_reader(&self, l: LockId) {
        let lk = &self.locks[l.0 as usize];
        lk.readers.set(lk.readers.get() | 1 << self.current());
        self.note_held(l, true);
        self.record(|| What::Lock(self.info(l).name));
    }

    #[cold]
    fn lock_contended(&self, l: LockId, me: u8, shared: bool) {
        let lk = &self.locks[l.0 as usize];
        let info = self.info(l);
        if lk.owner.get() == me || lk.is_reader(me) {
            if info.recursive && !shared && lk.owner.get() == me {
                lk.depth.inc();
                return;
            }
            if info.kind == LockKind::Serializer {
                self.kernel_fault(
                    FaultKind::Assert("s->last_td != curthread"),
                    ObjRef::NONE,
                    "lwkt_serialize_enter",
                );
            }
            self.misuse(l, Misuse::Twice);
            // The thread would wait for itself: leave it blocked.
        }
        self.check_order(l);
        if info.kind.may_sleep() && !self.can_sleep() {
            let rule =
                if self.in_epoch() { &rules::SLEEP_IN_EPOCH } else { &rules::SLEEP_PROHIBITED };
            self.violate(rule, ObjRef::NONE, ObjRef::NONE, [u32::from(l.0), 1]);
        }
        lk.push(me | if shared { SHARED } else { 0 });
        self.block(l.0, info.name, 0);
    }

    #[cold]
    pub(super) fn misuse(&self, l: LockId, how: Misuse) {
        let detail = [u32::from(l.0), how as u32];
        self.violate(&rules::LOCK_MISUSE, ObjRef::NONE, ObjRef::NONE, detail);
    }

    /// Takes a lock exclusively if that is possible at once; whether it did. Neither the
    /// order nor sleeping is checked, because nobody waits.
    pub fn try_lock(&self, l: LockId) -> bool {
        let lk = &self.locks[l.0 as usize];
        if lk.owner.get() == self.current() && self.info(l).recursive {
            lk.depth.inc();
            return true;
        }
        let free = !lk.has_owner() && lk.readers.get() == 0;
        if free {
            lk.owner.set(self.current());
            lk.depth.set(1);
            self.note_held(l, true);
            self.record(|| What::Lock(self.info(l).name));
        }
        free
    }

    /// Takes a lock shared if that is possible at once; whether it did.
    pub fn try_lock_shared(&self, l: LockId) -> bool {
        let lk = &self.locks[l.0 as usize];
        if !self.info(l).kind.has_readers() {
            self.misuse(l, Misuse::Mode);
        }
        let free = !lk.has_owner() && lk.queued.get() == 0 && !lk.is_reader(self.current());
        if free {
            self.become_reader(l);
        }
        free
    }

    /// `rw_try_upgrade`: makes a lock held shared exclusive, if nobody else reads;
    /// whether it did.
    pub fn try_upgrade(&self, l: LockId) -> bool {
        let lk = &self.locks[l.0 as usize];
        let me = self.current();
        if !lk.is_reader(me) {
            self.misuse(l, Misuse::Mode);
            return false;
        }
        let alone = lk.readers.get() == 1 << me;
        if alone {
            lk.readers.set(0);
            lk.owner.set(me);
            lk.depth.set(1);
        }
        alone
    }

    /// `rw_downgrade`: makes a lock held exclusively (once) shared and lets in the
    /// readers that wait first.
    pub fn downgrade(&self, l: LockId) {
        let lk = &self.locks[l.0 as usize];
        let me = self.current();
        if lk.owner.get() != me || lk.depth.get() != 1 || !self.info(l).kind.has_readers() {
            self.misuse(l, Misuse::Mode);
            return;
        }
        lk.owner.set(NOBODY);
        lk.readers.set(1 << me);
        self.hand_over(l);
    }

    /// Whether the current thread holds a lock exclusively.
    pub fn owns_exclusively(&self, l: LockId) -> bool {
        self.locks[l.0 as usize].owner.get() == self.current()
    }

    /// Whether the current thread holds a lock (exclusively, or shared).
    pub fn owns(&self, l: LockId) -> bool {
        let lk = &self.locks[l.0 as usize];
        lk.owner.get() == self.current() || lk.readers.get() >> self.current() & 1 != 0
    }

    /// Whether anybody holds a lock or waits for it.
    pub fn lock_busy(&self, l: LockId) -> bool {
        let lk = &self.locks[l.0 as usize];
        lk.owner.get() != NOBODY || lk.readers.get() != 0 || lk.queued.get() != 0
    }

    /// Releases a lock held exclusively or shared, and hands it to the first waiter.
    #[inline(never)]
    pub fn unlock(&self, l: LockId) {
        let lk = &self.locks[l.0 as usize % MAX_LOCKS];
        let mine = lk.owner.get() == self.current() && lk.depth.get() == 1;
        if mine && lk.queued.get() == 0 && !self.recording() {
            lk.owner.set(NOBODY);
            self.note_held(l, false);
        } else {
            self.unlock_slow(l);
        }
    }

    /// The same for readers, recursion, waiters, mistakes, and where it is recorded.
    fn unlock_slow(&self, l: LockId) {
        let lk = &self.locks[l.0 as usize];
        let me = self.current();
        if lk.owner.get() == me {
            let depth = lk.depth.get();
            if depth != 1 {
                lk.depth.set(depth.wrapping_sub(1));
                return;
            }
            lk.owner.set(NOBODY);
        } else if lk.readers.get() >> me & 1 != 0 {
            lk.readers.set(lk.readers.get() & !(1 << me));
        } else {
            self.misuse(l, Misuse::Stranger);
            return;
        }
        self.note_held(l, false);
        self.record(|| What::Unlock(self.info(l).name));
        if lk.queued.get() != 0 {
            self.hand_over(l);
        }
    }

    /// Releases a recursive lock completely and returns how deep it was held; see
    /// [`Ctx::lock_depth`].
    pub fn unlock_all(&self, l: LockId) -> u8 {
        let lk = &self.locks[l.0 as usize];
        if lk.owner.get() != self.current() {
            return 0;
        }
        let depth = lk.depth.get();
        lk.depth.set(1);
        self.unlock(l);
        depth
    }

    /// Sets the depth of a lock just taken, after [`Ctx::unlock_all`].
    pub fn lock_depth(&self, l: LockId, depth: u8) {
        self.locks[l.0 as usize].depth.set(depth);
    }

    #[cold]
    fn hand_over(&self, l: LockId) {
        let lk = &self.locks[l.0 as usize];
        while lk.queued.get() != 0 {
            let first = lk.queue.get()[0];
            let who = first & !SHARED;
            if first & SHARED != 0 {
                if lk.owner.get() != NOBODY {
                    return;
                }
                lk.readers.set(lk.readers.get() | 1 << who);
            } else {
                if lk.owner.get() != NOBODY || lk.readers.get() != 0 {
                    return;
                }
                lk.owner.set(who);
                lk.depth.set(1);
            }
            lk.pop();
            let f = &self.fibers[who as usize];
            f.held.set(f.held.get() | 1 << l.0);
            self.unblock(who);
        }
    }

    #[inline]
    fn note_held(&self, l: LockId, on: bool) {
        let f = &self.fibers[self.current() as usize % MAX_FIBERS];
        let bit = 1u64 << l.0;
        f.held.set(if on { f.held.get() | bit } else { f.held.get() & !bit });
    }

    /// The locks held that must not be when `l` is taken, a bit each.
    #[inline]
    fn out_of_order(&self, l: LockId) -> u64 {
        let held = self.fibers[self.current() as usize % MAX_FIBERS].held.get();
        held & self.not_before[l.0 as usize % MAX_LOCKS]
    }

    #[inline]
    fn check_order(&self, l: LockId) {
        let wrong = self.out_of_order(l);
        if wrong != 0 {
            self.say_out_of_order(l, wrong);
        }
    }

    #[cold]
    fn say_out_of_order(&self, l: LockId, wrong: u64) {
        let kept = wrong & self.nosleep;
        let (rule, held) = if kept != 0 && self.info(l).kind.may_sleep() {
            (&rules::SLEEP_WITH_LOCK, kept)
        } else {
            (&rules::LOCK_ORDER, wrong)
        };
        let detail = [held.trailing_zeros(), u32::from(l.0)];
        self.violate(rule, ObjRef::NONE, ObjRef::NONE, detail);
    }
}

const _: () = {
    assert!(size_of::<Lock>().is_power_of_two() && size_of::<Fiber>().is_power_of_two());
};

#[cfg(test)]
mod tests;
