//! `sys/netinet6/in6_src.c`: hop limits and source addresses.

use super::K;
use super::objects::*;

/// `in6_selecthlim`; inside the epoch.
pub async fn in6_selecthlim(_k: &K, _inp: InpId, _ifp: IfId) -> i16 {
    64
}
/// `in6_selectsrc`, as far as connect needs it: an address of ours, 0 for none.
pub async fn in6_selectsrc(_k: &K, _faddr: Addr) -> Addr {
    0
}
