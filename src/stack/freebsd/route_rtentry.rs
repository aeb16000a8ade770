//! `sys/net/route/route_rtentry.c`: routes as objects.
//!
//! A route is not counted. The tree owns it; taken out, it waits for its grace period and
//! keeps its nexthop until then.

use super::K;
use super::nhop_ctl::nhop_free_any;
use super::objects::*;
use super::subr_epoch::{Callback, net_epoch_call};
use super::uma;
use crate::kern::trace::Func;

const FILE: &str = "sys/net/route/route_rtentry.c";

/// `rt_alloc`: a route that is not in the tree; NULL when there is no memory.
pub fn rt_alloc(k: &K, af: Af, dst: Prefix) -> RtId {
    if k.fails("rt_alloc") {
        return RtId::NULL;
    }
    let rt = uma::alloc(k, |s| &s.rts);
    if !rt.is_null() {
        let host = if dst.bits == host_bits(af) { RTF_HOST } else { 0 };
        k[rt].rte_flags.set(RTF_UP | host);
        k[rt].rt_dst.set(Prefix::new(dst.addr, dst.bits));
        k[rt].af.set(af);
    }
    rt
}

/// `rt_free`: destroyed after a grace period.
pub fn rt_free(k: &K, rt: RtId) {
    net_epoch_call(k, Callback::DestroyRtentry(rt));
}

/// `rt_free_immediate`: nobody has seen it.
pub fn rt_free_immediate(k: &K, rt: RtId) {
    uma::free(k, |s| &s.rts, rt);
}

/// `destroy_rtentry_epoch`: an epoch callback.
pub async fn destroy_rtentry_epoch(k: &K, rt: RtId) {
    let _f = k.frame(&Func { name: "destroy_rtentry_epoch", file: FILE });
    let freed = nhop_free_any(k, k[rt].rt_nhop.get());
    // The field has given its reference up.
    k[rt].rt_nhop.set(NhRef::Null);
    freed.await;
    rt_free_immediate(k, rt);
}
