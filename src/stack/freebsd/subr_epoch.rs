//! `sys/kern/subr_epoch.c`: the network epoch, as the stack uses it.
//!
//! Callbacks wait in the queue until somebody runs them: an operation (`epoch`), time
//! that passes, or a thread that drains. That a callback runs late is the original's
//! freedom; that it never runs before its grace period is the substrate's.

use super::invariants as inv;
use super::objects::*;
use super::{K, Thread};
use super::{bpf, fib_algo, if_c, if_llatbl, in_pcb, in6_c, nhgrp_ctl, nhop_ctl, route_rtentry};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/kern/subr_epoch.c";

/// What `NET_EPOCH_CALL` was asked to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Callback {
    /// `if_free_deferred`.
    IfFreeDeferred(IfId),
    /// `ifa_destroy`.
    IfaDestroy(IfaId),
    /// `if_destroymulti`.
    IfDestroymulti(IfmaId),
    /// `destroy_rtentry_epoch`.
    DestroyRtentry(RtId),
    /// `destroy_nhop_epoch`.
    DestroyNhop(NhId),
    /// `destroy_nhgrp_epoch`.
    DestroyNhgrp(NhgId),
    /// `destroy_fd_instance_epoch`.
    DestroyFdInstance(FdId),
    /// `nhop_release_data`'s callback: gives up one reference.
    ReleaseNhop(NhRef),
    /// `bpfif_free`.
    BpfifFree(BpfId),
    /// `in_lltable_destroy_lle_unlocked`, `in6_lltable_destroy_lle_unlocked`.
    LleDestroy(LleId),
    /// The pcb's memory (SMR in the original).
    InpcbFree(InpId),
    /// The in6_ifextra, under the first proposed repair.
    In6IfextraFree(ExtId),
}

/// `NET_EPOCH_ENTER`.
pub fn net_epoch_enter(k: &K) {
    k.st.net_epoch.enter(k);
}

/// `NET_EPOCH_EXIT`.
pub fn net_epoch_exit(k: &K) {
    k.st.net_epoch.exit(k);
    if k.st.net_epoch.has_drainers() {
        kick(k);
    }
}

/// `NET_EPOCH_CALL`.
pub fn net_epoch_call(k: &K, callback: Callback) {
    let _f = k.frame(&Func { name: "epoch_call", file: FILE });
    k.st.net_epoch.defer(k, callback);
}

/// `epoch_wait_preempt(net_epoch_preempt)`, `NET_EPOCH_WAIT`.
pub async fn epoch_wait_preempt(k: &K) {
    let _f = k.frame(&Func { name: "epoch_wait_preempt", file: FILE });
    k.yield_at("epoch_wait_preempt").await;
    k.st.net_epoch.wait(k).await;
}

/// `NET_EPOCH_DRAIN_CALLBACKS`.
pub async fn epoch_drain_callbacks(k: &K) {
    let _f = k.frame(&Func { name: "epoch_drain_callbacks", file: FILE });
    k.yield_at("epoch_drain_callbacks").await;
    let drained = k.st.net_epoch.drain_callbacks(k);
    kick(k);
    drained.await;
}

fn kick(k: &K) {
    if k.st.net_epoch.kick() {
        k.spawn(Thread::Epoch, 0);
    }
}

/// `epoch_call_task`: runs the callbacks whose grace period is over; how many, as an
/// errno-like result, is of no interest.
pub async fn epoch_call_task(k: &K) -> i32 {
    let _f = k.frame(&Func { name: "epoch_call_task", file: FILE });
    loop {
        // Before it is taken: what a callback that nobody has any more works on would be
        // nobody's for the books.
        if k.st.net_epoch.ready() {
            k.yield_at("epoch_call_task:next").await;
        }
        let Some(callback) = k.st.net_epoch.next(k) else { return 0 };
        call(k, callback).await;
        k.st.net_epoch.done(k);
    }
}

async fn call(k: &K, callback: Callback) {
    match callback {
        Callback::IfFreeDeferred(ifp) => if_c::if_free_deferred(k, ifp),
        Callback::IfaDestroy(ifa) => if_c::ifa_destroy(k, ifa),
        Callback::IfDestroymulti(ifma) => if_c::if_destroymulti(k, ifma),
        Callback::DestroyRtentry(rt) => route_rtentry::destroy_rtentry_epoch(k, rt).await,
        Callback::DestroyNhop(nh) => nhop_ctl::destroy_nhop_epoch(k, nh),
        Callback::DestroyNhgrp(nhg) => nhgrp_ctl::destroy_nhgrp_epoch(k, nhg).await,
        Callback::DestroyFdInstance(fd) => fib_algo::destroy_fd_instance_epoch(k, fd).await,
        Callback::ReleaseNhop(nh) => fib_algo::fib_release_nhop_epoch(k, nh).await,
        Callback::BpfifFree(bp) => bpf::bpfif_free(k, bp),
        Callback::LleDestroy(lle) => if_llatbl::llentry_destroy(k, lle),
        Callback::InpcbFree(inp) => in_pcb::inpcb_free(k, inp),
        Callback::In6IfextraFree(ext) => in6_c::in6_ifextra_free_epoch(k, ext),
    }
}

/// What `NET_EPOCH_ASSERT` would say.
pub fn net_epoch_assert(k: &K) {
    if !k.in_epoch() {
        k.violate(&inv::I14_OUTSIDE_EPOCH, ObjRef::NONE, ObjRef::NONE, [0, 0]);
    }
}
