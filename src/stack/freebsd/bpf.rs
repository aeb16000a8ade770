//! `sys/net/bpf.c`: what a packet filter keeps of an interface.
//!
//! Nobody listens here; what matters is the reference that the record has.

use super::K;
use super::if_c::{if_ref, if_rele};
use super::objects::{BpfId, IfId};
use super::subr_epoch::{Callback, net_epoch_call};
use super::{invariants, locks, uma};
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Func, What};
use crate::shadow::FaultKind;

const FILE: &str = "sys/net/bpf.c";

/// `bpfattach`, `bpfattach2`.
pub async fn bpfattach(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "bpfattach2", file: FILE });
    let _raw = k.hold(ObjRef::of(ifp), false);
    k.might_sleep();
    k.yield_at("bpfattach2:malloc").await;
    let bp = uma::alloc(k, |s| &s.bpfs);
    if bp.is_null() {
        return;
    }
    k[bp].bif_ifp.set(ifp);
    k[bp].bif_refcnt.set(1);
    k.record_ref(ObjRef::of(bp), 1, 1);
    k[ifp].if_bpf.set(bp);
    if_ref(k, ifp);
    k.lock(locks::BPF).await;
    k.record(|| What::List("bpf_iflist", true, ObjRef::of(bp)));
    k.st.bpf_iflist.insert_head(0, bp, |b| &k[b].bif_next);
    k.unlock(locks::BPF);
}

/// `bpfdetach`.
pub async fn bpfdetach(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "bpfdetach", file: FILE });
    let _raw = k.hold(ObjRef::of(ifp), false);
    k.lock(locks::BPF).await;
    let mut i = k.st.bpf_iflist.first[0].get();
    while !i.is_null() && k.fuel() {
        let next = k[i].bif_next.next.get();
        if k[i].bif_ifp.get() == ifp {
            k.record(|| What::List("bpf_iflist", false, ObjRef::of(i)));
            if !k.st.bpf_iflist.remove(i, |b| &k[b].bif_next) {
                k.kernel_fault(FaultKind::Null, ObjRef::of(i), "*bp->bif_next.le_prev");
            }
            k[ifp].if_bpf.set(BpfId::NULL);
            bpfif_rele(k, i);
        }
        i = next;
    }
    k.unlock(locks::BPF);
}

/// `bpfif_rele`.
#[track_caller]
fn bpfif_rele(k: &K, bp: BpfId) {
    let refs = &k[bp].bif_refcnt;
    if refs.get() == 0 {
        let obj = ObjRef::of(bp);
        k.violate(&invariants::I06_RELEASE_AT_ZERO, obj, ObjRef::NONE, [0, 0]);
    }
    let now = refs.dec();
    k.record_ref(ObjRef::of(bp), -1, now);
    if now == 0 {
        net_epoch_call(k, Callback::BpfifFree(bp));
    }
}

/// `bpfif_free`: an epoch callback.
pub fn bpfif_free(k: &K, bp: BpfId) {
    let _f = k.frame(&Func { name: "bpfif_free", file: FILE });
    if_rele(k, k[bp].bif_ifp.get());
    uma::free(k, |s| &s.bpfs, bp);
}
