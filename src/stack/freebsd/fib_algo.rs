//! `sys/net/route/fib_algo.c`: lookup instances, built from the RIB and kept in step.
//!
//! A lookup never sees the RIB itself but an *instance*, `fib_data`: a copy that was made
//! of it (the lockless modules), or the right to read it (the radix modules). An instance
//! holds one reference on each nexthop that it knows, in a table by the nexthop's index, so
//! that whatever a lookup returns can be referenced. It follows the RIB as a subscriber,
//! with the RIB's lock held: a copy cannot follow and is made anew, at once for interface
//! routes and static ones, by a callout for the others.
//!
//! A change may also be queued and applied with others (`fd_batch`, `queue_rtable_change`,
//! `apply_rtable_changes`, FDA_BATCH): for a module that answers FLM_BATCH, which none of
//! the five that register themselves at boot does. `dxr`, a module of the kernel's that the
//! user loads, is the only one that has `flm_change_rib_items_cb`; it is not in here, and
//! neither is the queue. FLM_ERROR and the list of banned modules, which serve `dxr` and a table
//! that is being destroyed, are not, either. `bsearch4`, which the original
//! prefers for the smallest IPv4 tables, differs from `radix4_lockless` in its copy's
//! layout only, and is that module here.

use super::defects as d;
use super::in_fib_algo::FlmResult::{Rebuild, Success};
use super::in_fib_algo::{
    FlmResult, flm_change_rib_item_cb, flm_destroy_cb, flm_dump_rib_item_cb, flm_get_pref,
    flm_init_cb,
};
use super::invariants::rebuild_failed;
use super::locks;
use super::nhgrp_ctl::Paths;
use super::nhop::family;
use super::nhop_ctl::{free_last_any, nhop_free_any, nhop_ref_any, release_any};
use super::objects::*;
use super::radix::table;
use super::route_ctl::{RibCmdInfo, Rtm};
use super::route_subscription::{rib_subscribe_locked, rib_unsubscribe_locked};
use super::subr_epoch::{
    Callback, epoch_drain_callbacks, net_epoch_call, net_epoch_enter, net_epoch_exit,
};
use super::uma;
use super::{EINVAL, ENOENT, K, NSUBS};
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Func, What};
use crate::shadow::FaultKind;

const FILE: &str = "sys/net/route/fib_algo.c";

/// The limits that a program's header can make small.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Changes in one bucket of time before the synchronization is put off further
    /// (`bucket_change_threshold_rate` * `update_bucket_time_ms`).
    pub bucket_changes: u16,
    /// Changes after which the choice of the module is looked at again
    /// (`ALGO_EVAL_NUM_ROUTES`).
    pub eval_changes: u32,
    /// `FIB_MAX_TRIES`.
    pub tries: u32,
    /// Every so many nexthop slots of the kernel's are one.
    pub slots_per: u16,
}

/// As in the kernel.
pub static REAL: Limits = Limits { bucket_changes: 25, eval_changes: 100, tries: 32, slots_per: 1 };
/// So small that short programs reach them; as many tries as it takes to grow from the
/// first size to the largest.
pub static SMALL: Limits = Limits { bucket_changes: 3, eval_changes: 6, tries: 6, slots_per: 4 };

/// The limits of this run.
pub fn limits(k: &K) -> &'static Limits {
    if k.small_thresholds() { &SMALL } else { &REAL }
}

/// Nexthop slots that the first instance of a table has.
const FIRST_NHOPS: u16 = 16;
/// `update_bucket_time_ms`.
const BUCKET_TIME_MS: u64 = 50;
/// `fib_max_sync_delay_ms`.
const MAX_SYNC_DELAY_MS: u64 = 1_000;
/// `FIB_CALLOUT_DELAY_MS`.
const CALLOUT_DELAY_MS: u64 = 50;
/// `ALGO_EVAL_DELAY_MS`.
const EVAL_DELAY_MS: u64 = 30_000;
/// `BEST_DIFF_PERCENT`: by how much a module must be better than the one in use.
const BEST_DIFF: u32 = 5 * 256 / 100;

// ---- nexthops of an instance -------------------------------------------------

/// Whether a nexthop's index fits into an instance.
fn fits(k: &K, f: &FibData, idx: usize) -> bool {
    (idx + 1) * usize::from(limits(k).slots_per) <= usize::from(f.number_nhops.get())
}

/// `get_nhop_idx`.
fn get_nhop_idx(k: &K, nh: NhRef) -> usize {
    usize::from(match nh {
        NhRef::Null => 0,
        NhRef::Nh(nh) => k[nh].nh_idx.get(),
        NhRef::Nhg(nhg) => k[nhg].nhg_idx.get(),
    })
}

/// `fib_ref_nhop`: counts one more route through a nexthop; the first one takes a
/// reference. False when its index does not fit.
#[track_caller]
fn fib_ref_nhop(k: &K, fd: FdId, nh: NhRef) -> bool {
    fib_ref_slot(k, &k[fd], nh, get_nhop_idx(k, nh))
}

/// The same, by its index.
#[track_caller]
#[inline]
fn fib_ref_slot(k: &K, f: &FibData, nh: NhRef, idx: usize) -> bool {
    if !fits(k, f, idx) {
        f.hit_nhops.set(true);
        return false;
    }
    if f.ref_slot(idx) == 1 {
        nhop_ref_any(k, nh);
        f.nh_idx[idx].set(nh);
    }
    idx != 0
}

/// `fib_unref_nhop`.
fn fib_unref_nhop(k: &K, fd: FdId, nh: NhRef) {
    let idx = get_nhop_idx(k, nh);
    if !fits(k, &k[fd], idx) {
        // KASSERT alone; the array ends before.
        k.kernel_fault(
            FaultKind::Assert("idx < fd->number_nhops"),
            ObjRef::of(fd),
            "fd_ref_nh[idx]",
        );
        return;
    }
    if k[fd].unref_slot(idx) == 0 {
        fib_schedule_release_nhop(k, fd, idx);
    }
}

/// `fib_schedule_release_nhop`: gives the reference up after a grace period, because a
/// lookup may just have returned the nexthop.
fn fib_schedule_release_nhop(k: &K, fd: FdId, idx: usize) {
    let _f = k.frame(&Func { name: "fib_schedule_release_nhop", file: FILE });
    if !k.fails("nhop_release_alloc") {
        net_epoch_call(k, Callback::ReleaseNhop(k[fd].nh_idx[idx].get()));
    } else if !k.on(d::FIB_RELEASE_NHOP_LEAK) {
        // The slot keeps it until the instance goes, which is soon.
        k[fd].ref_slot(idx);
        schedule_fd_rebuild(k, fd);
    }
}

/// `release_nhop_epoch`: an epoch callback.
pub async fn fib_release_nhop_epoch(k: &K, nh: NhRef) {
    let _f = k.frame(&Func { name: "release_nhop_epoch", file: FILE });
    nhop_free_any(k, nh).await;
}

// ---- when to synchronize -----------------------------------------------------

/// `sync_rib_gen`: from now on lookups say what the RIB says.
fn sync_rib_gen(k: &K, af: Af) {
    let i = family(af);
    k.st.rnh_gen[i].set(k.st.rnh_gen_rib[i].get());
}

/// `callout_calc_delay_ms`: longer after each failure.
fn callout_calc_delay_ms(k: &K, fd: FdId) -> u64 {
    CALLOUT_DELAY_MS << k[fd].fd_failed_rebuilds.get().min(10)
}

/// `schedule_callout`.
fn schedule_callout(k: &K, fd: FdId, action: FdAction, delay_ms: u64) {
    k[fd].fd_callout_action.set(action);
    k[fd].fd_callout.reset_locked(k, locks::rib(k[fd].af.get()), delay_ms);
}

/// `schedule_fd_rebuild`.
fn schedule_fd_rebuild(k: &K, fd: FdId) {
    let _f = k.frame(&Func { name: "schedule_fd_rebuild", file: FILE });
    if !k[fd].fd_need_rebuild.get() {
        k[fd].fd_need_rebuild.set(true);
        schedule_callout(k, fd, FdAction::Rebuild, callout_calc_delay_ms(k, fd));
    }
}

/// `mark_diverge_time`.
fn mark_diverge_time(k: &K, fd: FdId) {
    k[fd].diverge_time.set(k.now());
    k[fd].bucket_id.set(0);
    k[fd].bucket_changes.set(0);
}

/// `update_rebuild_delay`: a bucket with many changes puts the synchronization off, up to
/// the longest delay.
fn update_rebuild_delay(k: &K, fd: FdId) {
    let ss = &k[fd];
    let since = k.now() - ss.diverge_time.get();
    let bucket_id = since / BUCKET_TIME_MS;
    let mut new_delay = 0;
    if ss.bucket_id.get() == bucket_id {
        let changes = ss.bucket_changes.inc();
        if changes == limits(k).bucket_changes {
            let later = (bucket_id + 2) * BUCKET_TIME_MS;
            new_delay = if later <= MAX_SYNC_DELAY_MS { later } else { 0 };
        } else if bucket_id == 0 && changes == 1 {
            new_delay = BUCKET_TIME_MS;
        }
    } else {
        ss.bucket_id.set(bucket_id);
        ss.bucket_changes.set(1);
    }
    if new_delay > 0 {
        schedule_callout(k, fd, FdAction::Rebuild, new_delay.saturating_sub(since));
    }
}

/// `update_algo_state`.
fn update_algo_state(k: &K, fd: FdId) {
    if k[fd].fd_need_rebuild.get() {
        update_rebuild_delay(k, fd);
        return;
    }
    let changes = k[fd].fd_num_changes.inc();
    if changes == 1 {
        if !k[fd].fd_callout.pending() {
            schedule_callout(k, fd, FdAction::Eval, EVAL_DELAY_MS);
        }
    } else if changes == limits(k).eval_changes && k[fd].fd_callout_action.get() == FdAction::Eval {
        schedule_callout(k, fd, FdAction::Eval, 1);
    }
}

/// Whether a nexthop, or a path of a group, goes through an interface that is being
/// detached.
fn goes_through_dying(k: &K, nh: NhRef) -> bool {
    let dying = |ifp: IfId| k[ifp].if_flags.get() & IFF_DYING != 0;
    Paths::of(k, nh).iter().any(|nh| dying(k[nh].nh_ifp.get()) || dying(k[nh].nh_aifp.get()))
}

/// `need_immediate_sync`: additions and deletions of interface routes and static ones. By
/// design the others may wait; that those through a dying interface may is R2 of the
/// report.
fn need_immediate_sync(k: &K, rc: &RibCmdInfo<'_>) -> bool {
    let nh = match rc.rc_cmd {
        Rtm::Add => rc.rc_nh_new,
        Rtm::Delete => rc.rc_nh_old,
        Rtm::Change => NhRef::Null,
    };
    if let NhRef::Nh(nh) = nh {
        let n = &k[nh];
        if n.nh_flags.get() & NHF_GATEWAY == 0 || n.rt_flags.get() & RTF_STATIC != 0 {
            return true;
        }
    }
    !k.on(d::FIB_GATEWAY_DELETE_DELAYED)
        && (goes_through_dying(k, rc.rc_nh_old) || goes_through_dying(k, rc.rc_nh_new))
}

/// `handle_rtable_change_cb`: the RIB of an instance has changed; its lock is held.
pub async fn handle_rtable_change_cb(k: &K, fd: FdId, rc: &RibCmdInfo<'_>) {
    let _f = k.frame(&Func { name: "handle_rtable_change_cb", file: FILE });
    let _fd = k.hold(ObjRef::of(fd), false);
    if !k[fd].init_done.get() {
        return;
    }
    let immediate_sync = need_immediate_sync(k, rc);
    update_algo_state(k, fd);
    if k[fd].fd_need_rebuild.get() {
        if immediate_sync {
            rebuild_fd(k, fd).await;
        }
        return;
    }
    if !rc.rc_nh_new.is_null() && !fib_ref_nhop(k, fd, rc.rc_nh_new) {
        // It waits for the callout, whatever was changed.
        schedule_fd_rebuild(k, fd);
        return;
    }
    match flm_change_rib_item_cb(k, fd) {
        Success => {
            sync_rib_gen(k, k[fd].af.get());
            if !rc.rc_nh_old.is_null() {
                fib_unref_nhop(k, fd, rc.rc_nh_old);
            }
        }
        Rebuild if immediate_sync => rebuild_fd(k, fd).await,
        Rebuild => {
            mark_diverge_time(k, fd);
            schedule_fd_rebuild(k, fd);
        }
    }
}

/// Ours (F3, its second half): the FIB forgets an interface that is being detached, though
/// the change that took it out of the RIB was made before and waits for its callout.
pub async fn fib_flush_ifp(k: &K, af: Af, ifp: IfId) {
    let _f = k.frame(&Func { name: "fib_flush_ifp", file: FILE });
    net_epoch_enter(k);
    k.yield_at("fib_flush_ifp:lock").await;
    k.lock(locks::rib(af)).await;
    let subscribers: [FdId; NSUBS] =
        std::array::from_fn(|n| k.st.rnh_subscribers[family(af)][n].get());
    for fd in subscribers.into_iter().take_while(|fd| !fd.is_null()) {
        let via = |nh: NhId| k[nh].nh_ifp.get() == ifp || k[nh].nh_aifp.get() == ifp;
        if k[fd].nhops().any(|nh| Paths::of(k, nh).iter().any(via)) {
            rebuild_fd(k, fd).await;
        }
    }
    k.unlock(locks::rib(af));
    net_epoch_exit(k);
}

// ---- instances ---------------------------------------------------------------

/// `estimate_nhop_scale`.
fn estimate_nhop_scale(k: &K, old_fd: FdId, fd: FdId) {
    let most = NFIBNH as u16 * limits(k).slots_per;
    let n = if old_fd.is_null() {
        FIRST_NHOPS
    } else {
        let old = k[old_fd].number_nhops.get();
        if k[old_fd].hit_nhops.get() && old < most { 2 * old } else { old }
    };
    k[fd].number_nhops.set(n);
}

/// `sync_algo_cb`: one route of the dump.
fn sync_algo_cb(k: &K, f: &FibData, rt: RtId) -> FlmResult {
    let _f = k.frame(&Func { name: "sync_algo_cb", file: FILE });
    let rt = &k[rt];
    let nh = rt.rt_nhop.get();
    let slot = get_nhop_idx(k, nh);
    if fib_ref_slot(k, f, nh, slot) { flm_dump_rib_item_cb(k, f, rt, slot) } else { Rebuild }
}

/// `sync_algo_end_cb`: all routes are dumped.
async fn sync_algo_end_cb(k: &K, fd: FdId, result: FlmResult) -> FlmResult {
    let _f = k.frame(&Func { name: "sync_algo_end_cb", file: FILE });
    k.yield_at("sync_algo_end_cb").await;
    if k[fd].hit_nhops.get() {
        return Rebuild;
    }
    if result == Success {
        k[fd].init_done.set(true);
    }
    result
}

/// `sync_algo`: dumps the RIB, whose lock is held, into an instance.
async fn sync_algo(k: &K, fd: FdId) -> FlmResult {
    let _f = k.frame(&Func { name: "sync_algo", file: FILE });
    let mut result = Success;
    let f = &k[fd];
    for rt in table(k, f.af.get()) {
        result = sync_algo_cb(k, f, rt);
        if result != Success {
            break;
        }
    }
    sync_algo_end_cb(k, fd, result).await
}

/// `schedule_destroy_fd_instance`: an instance that no lookup starts with any more.
async fn schedule_destroy_fd_instance(k: &K, fd: FdId) {
    let _f = k.frame(&Func { name: "schedule_destroy_fd_instance", file: FILE });
    k.lock(locks::FIB_MOD).await;
    let was_dead = k[fd].fd_dead.get();
    k[fd].fd_dead.set(true);
    if k[fd].fd_linked.get() {
        fib_data_list_remove(k, fd);
    }
    k.unlock(locks::FIB_MOD);
    if was_dead {
        return;
    }
    let af = k[fd].af.get();
    if k[fd].subscribed.get() {
        rib_unsubscribe_locked(k, af, fd);
    }
    k[fd].fd_callout.stop_locked(k, locks::rib(af));
    net_epoch_call(k, Callback::DestroyFdInstance(fd));
}

/// `TAILQ_REMOVE(&V_fib_data_list, fd, entries)`.
fn fib_data_list_remove(k: &K, fd: FdId) {
    k.record(|| What::List("V_fib_data_list", false, ObjRef::of(fd)));
    if !k.st.v_fib_data_list.remove(fd, |i| &k[i].entries) {
        k.kernel_fault(FaultKind::Null, ObjRef::of(fd), "TAILQ_REMOVE");
    }
    k[fd].fd_linked.set(false);
}

/// `destroy_fd_instance_epoch`, `destroy_fd_instance`: an epoch callback.
pub async fn destroy_fd_instance_epoch(k: &K, fd: FdId) {
    let _f = k.frame(&Func { name: "destroy_fd_instance_epoch", file: FILE });
    if k[fd].algo_data.get() {
        flm_destroy_cb(k, fd);
    }
    let f = &k[fd];
    for slot in f.slots().filter(|&slot| f.slot_refs(slot) != 0) {
        let nh = f.nh_idx[slot].get();
        let last = release_any(k, nh);
        // The slot has given its reference up.
        f.clear_slot(slot);
        if last {
            free_last_any(k, nh).await;
        }
    }
    fib_unref_algo(k, k[fd].fd_flm.get(), k[fd].af.get()).await;
    uma::free(k, |s| &s.fds, fd);
}

/// `try_setup_fd_instance`: an instance, as far as it came: NULL when there was no memory
/// even for that. `old_fd` says how large it should be.
async fn try_setup_fd_instance(k: &K, flm: Flm, af: Af, old_fd: FdId) -> (FlmResult, FdId) {
    let _f = k.frame(&Func { name: "try_setup_fd_instance", file: FILE });
    if k.fails("fib_data_alloc") {
        return (Rebuild, FdId::NULL);
    }
    let fd = uma::alloc(k, |s| &s.fds);
    if fd.is_null() {
        return (Rebuild, FdId::NULL);
    }
    let _fd = k.hold(ObjRef::of(fd), false);
    estimate_nhop_scale(k, old_fd, fd);
    k[fd].af.set(af);
    k[fd].fd_flm.set(flm);
    k.lock(locks::FIB_MOD).await;
    k.st.flm_refcount[flm as usize][family(af)].inc();
    k[fd].fd_gen.set(k.st.fib_gen.inc());
    k.unlock(locks::FIB_MOD);
    if k.fails("nh_idx_alloc") || k.fails("nh_ref_table_alloc") {
        return (Rebuild, fd);
    }
    if flm_init_cb(k, fd) != Success || !rib_subscribe_locked(k, af, fd) {
        return (Rebuild, fd);
    }
    k.yield_at("try_setup_fd_instance:sync_algo").await;
    let result = sync_algo(k, fd).await;
    if result != Success {
        return (result, fd);
    }
    k.lock(locks::FIB_MOD).await;
    k.record(|| What::List("V_fib_data_list", true, ObjRef::of(fd)));
    k.st.v_fib_data_list.insert_head(fd, |i| &k[i].entries);
    k[fd].fd_linked.set(true);
    k.unlock(locks::FIB_MOD);
    (Success, fd)
}

/// `fib_set_datapath_ptr`, `replace_rtables_family`: lookups start with this instance from
/// now on. One of another module needs a new array of pointers.
async fn replace_rtables_family(k: &K, fd: FdId) -> bool {
    let _f = k.frame(&Func { name: "replace_rtables_family", file: FILE });
    k.yield_at("replace_rtables_family").await;
    k.lock(locks::FIB_MOD).await;
    let dp = &k.st.v_inet_dp[family(k[fd].af.get())];
    let same_function = k.st.fds.raw(dp.get()).fd_flm.get() == k[fd].fd_flm.get();
    let replaced = same_function || !k.fails("alloc_fib_dp_array");
    if replaced {
        dp.set(fd);
    }
    k.unlock(locks::FIB_MOD);
    replaced
}

/// `setup_fd_instance`: a new instance in step with the RIB, whose lock is held, and for
/// `attach` in the datapath; NULL when all tries fail.
async fn setup_fd_instance(k: &K, flm: Flm, af: Af, orig_fd: FdId, attach: bool) -> FdId {
    let _f = k.frame(&Func { name: "setup_fd_instance", file: FILE });
    let mut prev_fd = orig_fd;
    for _ in 0..limits(k).tries {
        let (mut result, new_fd) = try_setup_fd_instance(k, flm, af, prev_fd).await;
        let _new = (!new_fd.is_null()).then(|| k.hold(ObjRef::of(new_fd), false));
        if result == Success && attach {
            if replace_rtables_family(k, new_fd).await {
                sync_rib_gen(k, af);
                k.yield_at("setup_fd_instance:attached").await;
            } else {
                result = Rebuild;
            }
        }
        if !prev_fd.is_null() && prev_fd != orig_fd {
            schedule_destroy_fd_instance(k, prev_fd).await;
        }
        if result == Success {
            return new_fd;
        }
        prev_fd = new_fd;
        if k.stopped() {
            break;
        }
    }
    if !orig_fd.is_null() {
        k.lock(locks::FIB_MOD).await;
        k[orig_fd].fd_failed_rebuilds.inc();
        k.unlock(locks::FIB_MOD);
    }
    if !prev_fd.is_null() && prev_fd != orig_fd {
        schedule_destroy_fd_instance(k, prev_fd).await;
    }
    rebuild_failed(k, family(af));
    FdId::NULL
}

/// `rebuild_fd_flm`: a new instance in the place of `fd`; whether there is one.
async fn rebuild_fd_flm(k: &K, fd: FdId, flm: Flm) -> bool {
    let _f = k.frame(&Func { name: "rebuild_fd_flm", file: FILE });
    let like = if flm == k[fd].fd_flm.get() { fd } else { FdId::NULL };
    let fd_new = setup_fd_instance(k, flm, k[fd].af.get(), like, true).await;
    if fd_new.is_null() {
        return false;
    }
    schedule_destroy_fd_instance(k, fd).await;
    true
}

/// `rebuild_fd`: at once, and if that fails by the callout.
async fn rebuild_fd(k: &K, fd: FdId) {
    let _f = k.frame(&Func { name: "rebuild_fd", file: FILE });
    let flm_new = check_best_algo(k, fd).await;
    let rebuilt = rebuild_fd_flm(k, fd, flm_new.unwrap_or(k[fd].fd_flm.get())).await;
    if let Some(flm) = flm_new {
        fib_unref_algo(k, flm, k[fd].af.get()).await;
    }
    if !rebuilt {
        schedule_fd_rebuild(k, fd);
    }
}

/// `execute_callout_action`: whether the instance is in step, or need not be.
async fn execute_callout_action(k: &K, fd: FdId) -> bool {
    let _f = k.frame(&Func { name: "execute_callout_action", file: FILE });
    let mut action = k[fd].fd_callout_action.get();
    k[fd].fd_need_rebuild.set(false);
    k[fd].fd_num_changes.set(0);
    let flm_new = check_best_algo(k, fd).await;
    if flm_new.is_some() {
        action = FdAction::Rebuild;
    }
    let mut result = true;
    if action == FdAction::Rebuild {
        result = rebuild_fd_flm(k, fd, flm_new.unwrap_or(k[fd].fd_flm.get())).await;
    }
    if let Some(flm) = flm_new {
        fib_unref_algo(k, flm, k[fd].af.get()).await;
    }
    result
}

/// `handle_fd_callout`: the callout of an instance has fired; the RIB's lock is held.
///
/// The original does not care whether what it does succeeds: nothing tries again before
/// the next change, and the instance, which is out of step, passes for one that is not.
pub async fn handle_fd_callout(k: &K, fd: FdId) {
    let _f = k.frame(&Func { name: "handle_fd_callout", file: FILE });
    net_epoch_enter(k);
    let done = execute_callout_action(k, fd).await;
    if !done && !k.on(d::FIB_CALLOUT_REBUILD_NO_RETRY) {
        schedule_fd_rebuild(k, fd);
    }
    net_epoch_exit(k);
}

// ---- the choice of the module ------------------------------------------------

/// `fib_check_best_algo`: a module that is better than the one in use by far, with a
/// reference; unless the user has chosen.
async fn check_best_algo(k: &K, fd: FdId) -> Option<Flm> {
    let af = k[fd].af.get();
    if k.st.algo_fixed[family(af)].get().is_some() {
        return None;
    }
    let flm = k[fd].fd_flm.get();
    let current = flm_get_pref(k, flm, af);
    fib_check_best_algo(k, af, current).await
}

/// The same, by the preference of the one in use.
async fn fib_check_best_algo(k: &K, af: Af, current: u32) -> Option<Flm> {
    let _f = k.frame(&Func { name: "fib_check_best_algo", file: FILE });
    k.lock(locks::FIB_MOD).await;
    let best = [Flm::RadixLockless, Flm::Radix].into_iter().max_by_key(|&f| flm_get_pref(k, f, af));
    let best = best.filter(|&f| current + BEST_DIFF < flm_get_pref(k, f, af));
    if let Some(flm) = best {
        k.st.flm_refcount[flm as usize][family(af)].inc();
    }
    k.unlock(locks::FIB_MOD);
    best
}

/// `fib_unref_algo`.
async fn fib_unref_algo(k: &K, flm: Flm, af: Af) {
    k.lock(locks::FIB_MOD).await;
    k.st.flm_refcount[flm as usize][family(af)].dec();
    k.unlock(locks::FIB_MOD);
}

/// `set_fib_algo`: the user chooses the lookup module of a family
/// (sysctl `net.route.algo.*.algo`).
pub async fn set_fib_algo(k: &K, af: Af, flm: Flm) -> i32 {
    let _f = k.frame(&Func { name: "set_fib_algo", file: FILE });
    k.lock(locks::FIB_MOD).await;
    let fd = fib_data_list(k, af).next();
    let old = fd.map(|fd| k[fd].fd_flm.get());
    k.unlock(locks::FIB_MOD);
    let Some(old) = old else { return ENOENT };
    if old == flm {
        return 0;
    }
    // fib_find_algo
    k.lock(locks::FIB_MOD).await;
    k.st.flm_refcount[flm as usize][family(af)].inc();
    k.unlock(locks::FIB_MOD);
    k.yield_at("set_fib_algo:setup").await;
    net_epoch_enter(k);
    k.lock(locks::rib(af)).await;
    let fd = setup_fd_instance(k, flm, af, FdId::NULL, true).await;
    let at_once = !k.on(d::SET_FIB_ALGO_NOT_ATOMIC);
    if at_once && !fd.is_null() {
        set_algo_fixed(k, af, flm).await;
        fib_cleanup_algo(k, af, true).await;
    }
    k.unlock(locks::rib(af));
    net_epoch_exit(k);
    fib_unref_algo(k, flm, af).await;
    if fd.is_null() {
        return EINVAL;
    }
    if !at_once {
        k.yield_at("set_fib_algo:fixed").await;
        set_algo_fixed(k, af, flm).await;
        fib_cleanup_algo(k, af, false).await;
    }
    epoch_drain_callbacks(k).await;
    0
}

/// `set_algo_fixed`.
async fn set_algo_fixed(k: &K, af: Af, flm: Flm) {
    k.lock(locks::FIB_MOD).await;
    k.st.algo_fixed[family(af)].set(Some(flm));
    k.unlock(locks::FIB_MOD);
}

/// The instances of a family on `V_fib_data_list`.
fn fib_data_list(k: &K, af: Af) -> impl Iterator<Item = FdId> + '_ {
    let mut fd = k.st.v_fib_data_list.first.get();
    let all = std::iter::from_fn(move || {
        let this = fd;
        (!this.is_null() && k.fuel()).then(|| {
            fd = k[this].entries.next.get();
            this
        })
    });
    all.filter(move |&fd| k[fd].af.get() == af)
}

/// `fib_cleanup_algo`, keeping the first: that is the one in the datapath. `locked`: the
/// caller has the RIB's lock.
async fn fib_cleanup_algo(k: &K, af: Af, locked: bool) {
    let _f = k.frame(&Func { name: "fib_cleanup_algo", file: FILE });
    k.lock(locks::FIB_MOD).await;
    let mut old = [FdId::NULL; NSUBS];
    old.iter_mut().zip(fib_data_list(k, af).skip(1)).for_each(|(slot, fd)| *slot = fd);
    for fd in old.into_iter().take_while(|fd| !fd.is_null()) {
        fib_data_list_remove(k, fd);
    }
    k.unlock(locks::FIB_MOD);
    k.yield_at("fib_cleanup_algo:unlinked").await;
    net_epoch_enter(k);
    for fd in old.into_iter().take_while(|fd| !fd.is_null()) {
        if !locked {
            k.lock(locks::rib(af)).await;
        }
        schedule_destroy_fd_instance(k, fd).await;
        if !locked {
            k.unlock(locks::rib(af));
        }
        k.yield_at("fib_cleanup_algo:next").await;
    }
    net_epoch_exit(k);
}

/// `fib_setup_family` at boot: the first instance of each family. It finds the routes of
/// lo0, which in a real boot come later.
pub fn boot(k: &K) {
    k.at_boot(async {
        for af in [Af::Inet, Af::Inet6] {
            fib_select_algo_initial(k, af).await;
        }
    });
}

/// `fib_select_algo_initial`.
async fn fib_select_algo_initial(k: &K, af: Af) {
    let Some(flm) = fib_check_best_algo(k, af, 0).await else { return };
    net_epoch_enter(k);
    k.lock(locks::rib(af)).await;
    let fd = setup_fd_instance(k, flm, af, FdId::NULL, false).await;
    sync_rib_gen(k, af);
    k.unlock(locks::rib(af));
    net_epoch_exit(k);
    k.st.v_inet_dp[family(af)].set(fd);
    fib_unref_algo(k, flm, af).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time at which the IPv6 instance is to be rebuilt, after `changes` that may wait
    /// at each of `times`.
    fn due(times: &[u64], changes: u16, failures: u32) -> u64 {
        let k = K::new();
        let fd = k.st.v_inet_dp[V6].get();
        k[fd].fd_failed_rebuilds.set(failures);
        k.at_boot(async {
            k.lock(locks::rib(Af::Inet6)).await;
            mark_diverge_time(&k, fd);
            schedule_fd_rebuild(&k, fd);
            for &at in times {
                k.set_now(at);
                (0..changes).for_each(|_| update_algo_state(&k, fd));
            }
            k.unlock(locks::rib(Af::Inet6));
        });
        assert!(k.violation().is_none());
        k[fd].fd_callout.due().expect("a rebuild is pending").0
    }

    #[test]
    fn a_change_that_may_wait_waits_fifty_milliseconds() {
        assert_eq!(due(&[], 0, 0), 50);
        assert_eq!(due(&[0], 1, 0), 50);
        assert_eq!(due(&[40], 24, 0), 50);
    }

    #[test]
    fn a_burst_puts_the_synchronization_off_by_a_bucket() {
        assert_eq!(due(&[0], 25, 0), 100);
        assert_eq!(due(&[0, 60], 25, 0), 150);
        assert_eq!(due(&[0, 60, 110], 25, 0), 200);
    }

    #[test]
    fn bursts_put_it_off_for_a_second_at_most() {
        let times: Vec<u64> = (0..40).map(|bucket| bucket * 50).collect();
        assert_eq!(due(&times, 25, 0), 1_000);
    }

    #[test]
    fn each_failure_doubles_the_delay_up_to_a_limit() {
        assert_eq!(due(&[], 0, 3), 400);
        assert_eq!(due(&[], 0, 10), 51_200);
        assert_eq!(due(&[], 0, 99), 51_200);
    }

    #[test]
    fn as_many_small_tries_as_it_takes_to_grow_to_the_largest_size() {
        let steps = (NFIBNH as u16 * SMALL.slots_per / FIRST_NHOPS).ilog2();
        assert!(SMALL.tries > steps);
    }
}
