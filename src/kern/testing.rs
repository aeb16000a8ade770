//! A toy stack whose operations are scripts, for the tests of the kernel.
//!
//! A test writes down what each operation does, step by step ([`Step`]), and what the
//! deferred callbacks, tasks and kernel threads do (the *background* scripts); it plans
//! preemptions and faults as any program does, runs it ([`run`](fn@run)), and looks at
//! the log, where each line is the account (`-` in the teardown) and what was said.

mod run;

pub use run::*;

use super::Kernel;
use super::callout::Callout;
use super::cell::F;
use super::epoch::Epoch;
use super::lock::{LockId, LockInfo, LockKind};
use super::slab::{Id, ObjRef, Object, Slab};
use super::taskqueue::Taskqueue;
use super::trace::Func;
use super::wait::Sleepers;
use crate::program::{Grammar, Op};
use crate::stack::{Defect, Holds, Job, Stack};
use std::cell::RefCell;

pub const MUTEX: LockId = LockId(0);
pub const MUTEX2: LockId = LockId(1);
pub const SX: LockId = LockId(2);
pub const RM: LockId = LockId(3);
pub const RW: LockId = LockId(4);
pub const SERIALIZER: LockId = LockId(5);
pub const TOKEN: LockId = LockId(6);
pub const PORT: LockId = LockId(7);
/// To be taken before [`LAST`].
pub const FIRST: LockId = LockId(8);
pub const LAST: LockId = LockId(9);
/// A mutex that its owner may take again.
pub const RECURSIVE: LockId = LockId(10);

const fn lock(name: &'static str, kind: LockKind) -> LockInfo {
    LockInfo { name, kind, recursive: false, rank: 0, added: false }
}

static LOCKS: &[LockInfo] = &[
    lock("mutex", LockKind::Mutex),
    lock("mutex2", LockKind::Mutex),
    lock("sx", LockKind::Sx),
    lock("rm", LockKind::Rm),
    lock("rw", LockKind::Rw),
    lock("serializer", LockKind::Serializer),
    LockInfo { recursive: true, ..lock("token", LockKind::Token) },
    lock("port", LockKind::Port),
    LockInfo { rank: 1, ..lock("first", LockKind::Mutex) },
    LockInfo { rank: 2, ..lock("last", LockKind::Mutex) },
    LockInfo { recursive: true, ..lock("recursive", LockKind::Mutex) },
];

static GRAMMAR: Grammar = Grammar { max_cpus: 2, ..Grammar::named("script", 0) };

/// What a script does next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Puts a line into the log.
    Say(&'static str),
    /// A yield point.
    Yield(&'static str),
    /// A fallible call; says whether it failed.
    Call(&'static str),
    /// Yields for ever.
    Spin,
    /// Walks a list for ever.
    Walk,
    /// Ends the script with an errno.
    Return(i32),

    Lock(LockId),
    Shared(LockId),
    Unlock(LockId),
    /// Says whether it succeeded, as do the next two.
    Try(LockId),
    TryShared(LockId),
    Upgrade(LockId),
    Downgrade(LockId),
    /// Releases a recursive lock completely, yields, and takes it back as deep.
    Window(LockId),

    Sleep,
    Wakeup,
    MightSleep,
    /// The rest of the script must not sleep.
    NoSleeping,
    CritEnter,
    CritExit,
    /// Calls a function that enters a critical section and forgets to leave it.
    CritForget,

    Enter,
    Exit,
    /// Defers the background script of that number.
    Defer(usize),
    EpochWait,
    EpochDrain,

    /// Enqueues the background script of that number as a task.
    Enqueue(usize),
    TaskDrain(usize),
    TaskDrainAll,
    /// Says what came of it.
    TaskCancel(usize),
    /// Enqueues without starting the thread.
    EnqueueOnly(usize),
    /// Runs one task, as a step of the program.
    RunTask,

    /// Arms the callout, bound to [`MUTEX`], without the lock.
    Arm(u64),
    /// Lets so many ms pass.
    Pass(u64),
    /// Lets time pass until the callout has fired; the handler is background script 0.
    Fire,
    /// `callout_stop`, `callout_stop` under the lock, `callout_drain`: say whether they
    /// won.
    Stop,
    StopLocked,
    CalloutDrain,
    ResetLocked(u64),
    /// Allocates the object that the callout lives in, or frees it.
    MakeOwner,
    FreeOwner,

    /// Starts a kernel thread that runs a background script.
    Spawn(usize),
    /// The user does the background script of that number when the program ends and somebody
    /// still waits, as often as that is so.
    Promise(usize),
}

use Step::*;

/// What the kernel threads of the toy are for.
#[derive(Clone, Copy, Debug)]
pub enum Thread {
    /// Runs epoch callbacks.
    Epoch,
    /// Runs tasks.
    Tasks,
    /// Runs a background script.
    Script(usize),
}

/// What the callout lives in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Owner {
    callout: Callout,
}

impl Object for Owner {
    const CLASS: u8 = 0;
    fn poison(&self, _: Option<u8>) {}
}

/// The toy's state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    scripts: Vec<Vec<Step>>,
    background: Vec<Vec<Step>>,
    log: RefCell<Vec<String>>,
    event: Sleepers,
    pub epoch: Epoch<usize, 8>,
    pub tasks: Taskqueue<usize, 8>,
    owners: Slab<Owner, 2>,
    owner: F<Id<Owner>>,
    promised: F<Option<usize>>,
    /// What each check after an operation was told.
    checks: RefCell<Vec<(Option<i32>, bool)>>,
    /// What each check after one that had stored nothing was told.
    quick_checks: RefCell<Vec<i32>>,
}

/// The toy.
pub struct Toy;

type K = Kernel<Toy>;

fn say(k: &K, words: impl std::fmt::Display) {
    let who = k.current_op().map_or("-".to_string(), |op| op.to_string());
    k.st.log.borrow_mut().push(format!("{who} {words}"));
}

fn kick(k: &K) {
    if k.st.epoch.kick() {
        k.spawn(Thread::Epoch, 0);
    }
    if k.st.tasks.kick() {
        k.spawn(Thread::Tasks, 0);
    }
}

fn forgetful(k: &K) {
    let _balance = k.crit_balance();
    k.crit_enter();
}

/// `softclock`: fires the callout at its time.
async fn fire(k: &K) {
    let owner = k.st.owner.get();
    let Some((at, _)) = k[owner].callout.due() else { return };
    k.set_now(at);
    k[owner].callout.dispatch_on(k);
    if Callout::enter_locked(k, MUTEX, || &k[owner].callout).await {
        Box::pin(script(k, &k.st.background[0])).await;
        k[owner].callout.leave(k);
        k.unlock(MUTEX);
    } else {
        say(k, "cancelled");
    }
}

async fn script(k: &K, steps: &[Step]) -> i32 {
    let st = &k.st;
    let callout = || &k[st.owner.get()].callout;
    // Kept until the end of the script.
    let mut _prohibited = None;
    for &step in steps {
        match step {
            Say(words) => say(k, words),
            Yield(name) => k.yield_at(name).await,
            Call(name) => {
                let how = if k.fails(name) { "fails" } else { "works" };
                say(k, format!("{name} {how}"));
            }
            Spin => loop {
                k.yield_at("spin").await;
            },
            Walk => while k.fuel() {},
            Return(errno) => return errno,

            Lock(l) => k.lock(l).await,
            Shared(l) => k.lock_shared(l).await,
            Unlock(l) => k.unlock(l),
            Try(l) => say(k, k.try_lock(l)),
            TryShared(l) => say(k, k.try_lock_shared(l)),
            Upgrade(l) => say(k, k.try_upgrade(l)),
            Downgrade(l) => k.downgrade(l),
            Window(l) => {
                let depth = k.unlock_all(l);
                k.yield_at("window").await;
                k.lock(l).await;
                k.lock_depth(l, depth);
            }

            Sleep => st.event.sleep(k, "toy event", None).await,
            Wakeup => st.event.wakeup(k),
            MightSleep => k.might_sleep(),
            NoSleeping => _prohibited = Some(k.no_sleeping()),
            CritEnter => k.crit_enter(),
            CritExit => k.crit_exit(),
            CritForget => forgetful(k),

            Enter => st.epoch.enter(k),
            Exit => {
                st.epoch.exit(k);
                kick(k);
            }
            Defer(n) => {
                st.epoch.defer(k, n);
                kick(k);
            }
            EpochWait => st.epoch.wait(k).await,
            EpochDrain => {
                let drained = st.epoch.drain_callbacks(k);
                kick(k);
                drained.await;
            }

            Enqueue(n) => {
                st.tasks.enqueue(k, n);
                kick(k);
            }
            EnqueueOnly(n) => st.tasks.enqueue(k, n),
            TaskDrain(n) => st.tasks.drain(k, n).await,
            TaskDrainAll => st.tasks.drain_all(k).await,
            TaskCancel(n) => say(k, format!("{:?}", st.tasks.cancel(k, n))),
            RunTask => {
                if let Some((n, pending)) = st.tasks.next(k) {
                    say(k, format!("runs {n} x{pending}"));
                    st.tasks.done(k);
                }
            }

            Arm(delay) => k.callout_reset(callout(), delay),
            Pass(ms) => k.set_now(k.now() + ms),
            Fire => fire(k).await,
            Stop => say(k, callout().stop()),
            StopLocked => say(k, callout().stop_locked(k, MUTEX)),
            CalloutDrain => {
                let won = callout().drain(k).await;
                say(k, won);
            }
            ResetLocked(delay) => callout().reset_locked(k, MUTEX, delay),
            MakeOwner => {
                let owner = st.owners.alloc().expect("a free slot");
                k[owner].callout.end();
                st.owner.set(owner);
            }
            FreeOwner => st.owners.free(st.owner.get()),

            Spawn(n) => k.spawn(Thread::Script(n), 0),
            Promise(n) => st.promised.set(Some(n)),
        }
    }
    0
}

static OPERATION: Func = Func { name: "thread operation", file: "" };

impl Stack for Toy {
    type State = State;
    type Job = Thread;

    fn grammar() -> &'static Grammar {
        &GRAMMAR
    }
    fn defects() -> &'static [Defect] {
        &[]
    }
    fn rules() -> &'static [&'static crate::shadow::Rule] {
        &[]
    }

    fn explain(_: &crate::shadow::Violation) -> String {
        String::new()
    }

    fn locks() -> &'static [LockInfo] {
        LOCKS
    }
    fn class_name(_: u8) -> &'static str {
        "owner"
    }
    fn boot(_: &K) {}
    fn op_cpu(_: &Op, _: usize) -> u8 {
        0
    }

    async fn thread(k: &K, job: Job<Thread>) -> i32 {
        let _root = k.frame(&OPERATION);
        match job {
            Job::Op(op) => script(k, &k.st.scripts[op.verb as usize]).await,
            Job::Thread(Thread::Script(n)) => script(k, &k.st.background[n]).await,
            Job::Thread(Thread::Epoch) => {
                while let Some(n) = k.st.epoch.next(k) {
                    script(k, &k.st.background[n]).await;
                    k.st.epoch.done(k);
                }
                0
            }
            Job::Thread(Thread::Tasks) => {
                while let Some((n, pending)) = k.st.tasks.next(k) {
                    say(k, format!("task {n} x{pending}"));
                    script(k, &k.st.background[n]).await;
                    k.st.tasks.done(k);
                }
                0
            }
        }
    }

    fn after_op(k: &K, _: &Op, errno: Option<i32>, rest: bool) {
        k.st.checks.borrow_mut().push((errno, rest));
    }
    fn after_no_change(k: &K, _: &Op, errno: i32) {
        k.st.quick_checks.borrow_mut().push(errno);
    }
    fn awaited(k: &K) -> Option<(Thread, u8)> {
        k.st.promised.get().map(|n| (Thread::Script(n), 0))
    }
    fn teardown(_: &K, _: u32) -> Option<(Thread, u8)> {
        None
    }
    fn audit_end(k: &K) {
        k.st.log.borrow_mut().push("audit".to_string());
    }
    fn describe(_: &K, _: ObjRef) -> Vec<String> {
        Vec::new()
    }
}

impl Holds<Owner> for Toy {
    fn look(st: &State, id: Id<Owner>) -> (&Owner, bool) {
        st.owners.look(id)
    }
}
