//! `sys/kern/subr_taskqueue.c`: work put off to a thread.
//!
//! Tasks wait until an operation runs them (`taskqueue`), time passes, or a thread
//! drains one. epair has a queue and a thread of its own.

use super::objects::*;
use super::{K, Thread};
use super::{if_c, if_epair, in_mcast, in6_mcast};
use crate::kern::taskqueue::Taskqueue;
use crate::kern::trace::Func;

const FILE: &str = "sys/kern/subr_taskqueue.c";

/// A queue of tasks.
pub type Queue = Taskqueue<Task, 16>;

/// A task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// `if_linktask`: `do_link_state_change`.
    Link(IfId),
    /// `if_addmultitask`: `if_siocaddmulti`.
    Addmulti(IfId),
    /// `tx_task` of an epair's queue: `epair_tx_start_deferred`.
    EpairTx(ScId),
    /// `inm_free_task`: `inm_release_task`.
    InmRelease,
    /// `in6m_free_task`: `in6m_release_task`.
    In6mRelease,
}

/// A taskqueue: what is in it, and who runs it.
fn queue_of(k: &K, task: Task) -> (&Queue, Thread) {
    match task {
        Task::EpairTx(_) => (&k.st.epair_taskqueue, Thread::EpairTaskqueue),
        _ => (&k.st.taskqueue, Thread::Taskqueue),
    }
}

/// `taskqueue_enqueue`.
pub fn taskqueue_enqueue(k: &K, task: Task) {
    queue_of(k, task).0.enqueue(k, task);
}

/// `taskqueue_drain`.
pub async fn taskqueue_drain(k: &K, task: Task) {
    let _f = k.frame(&Func { name: "taskqueue_drain", file: FILE });
    k.yield_at("taskqueue_drain").await;
    k.might_sleep();
    let (queue, thread) = queue_of(k, task);
    while queue.is_busy_with(task) {
        if queue.kick() {
            k.spawn(thread, 0);
        }
        queue.sleep(k).await;
    }
}

/// `taskqueue_thread_loop`: runs the tasks of one queue, one after the other.
pub async fn taskqueue_thread_loop(k: &K, queue: &Queue) -> i32 {
    let _f = k.frame(&Func { name: "taskqueue_thread_loop", file: FILE });
    while let Some((task, _)) = queue.next(k) {
        k.yield_at("taskqueue_run_locked:next").await;
        run(k, task).await;
        queue.done(k);
    }
    0
}

/// Both queues run until they are empty: an operation, or what time that passes brings.
pub async fn run_all(k: &K) -> i32 {
    taskqueue_thread_loop(k, &k.st.taskqueue).await;
    taskqueue_thread_loop(k, &k.st.epair_taskqueue).await
}

async fn run(k: &K, task: Task) {
    let _f = k.frame(&Func { name: "taskqueue_run_locked", file: FILE });
    match task {
        Task::Link(ifp) => if_c::do_link_state_change(k, ifp).await,
        Task::Addmulti(ifp) => if_c::if_siocaddmulti(k, ifp).await,
        Task::EpairTx(sc) => if_epair::epair_tx_start_deferred(k, sc).await,
        Task::InmRelease => in_mcast::inm_release_task(k).await,
        Task::In6mRelease => in6_mcast::in6m_release_task(k).await,
    }
}
