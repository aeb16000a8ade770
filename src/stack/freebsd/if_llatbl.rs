//! `sys/net/if_llatbl.c`: tables of link-layer entries.

use super::K;
use super::objects::*;

/// `llentry_destroy`: the memory, by an epoch callback after the last reference.
pub fn llentry_destroy(_k: &K, _lle: LleId) {}
/// `lltable_free`: a table goes, with all its entries.
pub async fn lltable_free(_k: &K, _ifp: IfId, _af: Af) {}
/// `lltable_delete_addr`: `lla_delete` of one address.
pub async fn lltable_delete_addr(_k: &K, _ifp: IfId, _af: Af, _addr: Addr) -> i32 {
    0
}
/// The interface's own entry for one of its addresses: `in_addralias_llentry`'s and
/// `nd6_add_ifa_lle`'s work.
pub async fn lltable_add_ifa(_k: &K, _ifp: IfId, _af: Af, _addr: Addr) -> i32 {
    0
}
