//! `sys/kern/subr_taskqueue.c`: work put off to a thread.
//!
//! Tasks wait until an operation runs them (`taskqueue`), time passes, or a thread
//! drains one.

use super::objects::*;
use super::{K, Thread};
use super::{if_c, if_epair, in_mcast, in6_mcast};
use crate::kern::trace::Func;

const FILE: &str = "sys/kern/subr_taskqueue.c";

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

/// `taskqueue_enqueue`.
pub fn taskqueue_enqueue(k: &K, task: Task) {
    k.st.taskqueue.enqueue(k, task);
}

/// `taskqueue_drain`.
pub async fn taskqueue_drain(k: &K, task: Task) {
    let _f = k.frame(&Func { name: "taskqueue_drain", file: FILE });
    k.yield_at("taskqueue_drain").await;
    if k.st.taskqueue.kick() {
        k.spawn(Thread::Taskqueue, 0);
    }
    k.st.taskqueue.drain(k, task).await;
}

/// `taskqueue_thread_loop`: runs the queued tasks, one after the other.
pub async fn taskqueue_thread_loop(k: &K) -> i32 {
    let _f = k.frame(&Func { name: "taskqueue_thread_loop", file: FILE });
    while let Some((task, _)) = k.st.taskqueue.next(k) {
        k.yield_at("taskqueue_run_locked:next").await;
        run(k, task).await;
        k.st.taskqueue.done(k);
    }
    0
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
