//! `sys/net/if_dead.c`: what is left of an interface's methods when it has been detached.

use super::objects::*;
use super::{ENXIO, K};
use crate::kern::trace::Func;

const FILE: &str = "sys/net/if_dead.c";

/// `if_dead`: the driver is not asked any more.
pub fn if_dead(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "if_dead", file: FILE });
    k[ifp].if_methods.set(Methods::Dead);
}

/// `ifdead_ioctl`.
pub fn ifdead_ioctl(k: &K) -> i32 {
    let _f = k.frame(&Func { name: "ifdead_ioctl", file: FILE });
    ENXIO
}
