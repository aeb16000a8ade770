//! `sys/netinet/igmp.c`: IGMP, which reads the interface it speaks on.

use super::K;
use super::objects::*;
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;
use crate::shadow::FaultKind;

const FILE: &str = "sys/netinet/igmp.c";

/// `ii->ii_igmp` is read.
pub fn ii_igmp(k: &K, ifp: IfId, ii: IiId) {
    if ii.is_null() {
        k.kernel_fault(FaultKind::Null, ObjRef::of(ifp), "ii->ii_igmp");
    } else {
        let _ = k[ii].ifp.get();
    }
}

/// `igmp_change_state`, but for what may fail: a membership whose interface is gone has nothing
/// to say.
pub fn igmp_change_state(k: &K, inm: InmId) {
    let _f = k.frame(&Func { name: "igmp_change_state", file: FILE });
    let ifp = k[k[inm].ifma.get()].ifma_ifp.get();
    if !ifp.is_null() {
        ii_igmp(k, ifp, k[ifp].if_afdata_inet.get());
    }
}
