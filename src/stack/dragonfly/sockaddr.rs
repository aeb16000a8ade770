//! Following a `struct sockaddr *`: into an address, a route, a stack, or nowhere.

use super::K;
use super::invariants as inv;
use super::objects::*;
use crate::kern::slab::ObjRef;
use crate::shadow::{FaultKind, rules};

/// Follows a `struct sockaddr *`. `None` after a fault of the kernel layer.
pub fn load_sa(k: &K, p: Sa, what: &'static str) -> Option<Sin> {
    match p {
        Sa::Copy(v) => Some(v),
        Sa::Addr(ifa) => Some(k[ifa].ia_addr.get()),
        Sa::Dst(ifa) => Some(k[ifa].ia_dstaddr.get()),
        Sa::Mask(ifa) => Some(k[ifa].ia_sockmask.get()),
        Sa::Key(rt) => Some(Sin::inet(k[rt].rt_key.get())),
        Sa::Stack(s, v) => {
            if !k.is_own_stack(s) {
                if k.stack_lives(s) {
                    k.violate(
                        &inv::I7_FOREIGN_STACK,
                        ObjRef::NONE,
                        ObjRef::NONE,
                        [u32::from(s.0), 0],
                    );
                } else {
                    k.kernel_fault(FaultKind::DeadStack, ObjRef::NONE, what);
                    return None;
                }
            }
            Some(v)
        }
        Sa::Null => {
            k.kernel_fault(FaultKind::Null, ObjRef::NONE, what);
            None
        }
        Sa::Poison => {
            k.kernel_fault(FaultKind::Poison, ObjRef::NONE, what);
            None
        }
        Sa::FreeLink(_) => {
            // The link points at another free chunk, which can be read.
            k.violate(&rules::BAD_POINTER, ObjRef::NONE, ObjRef::NONE, [0, 0]);
            Some(Sin { family: 0xde, addr: 0xdead_c0de })
        }
    }
}

/// Follows `ifa->ifa_addr` for its family.
pub fn ifa_family(k: &K, ifa: IfaId) -> u8 {
    load_sa(k, k[ifa].ifa_addr.get(), "ifa->ifa_addr->sa_family").map_or(AF_UNSPEC, |s| s.family)
}
