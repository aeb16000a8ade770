//! `sys/netinet6/scope6.c`: zones of link-scoped addresses.

use super::K;
use super::in6_c::is_linklocal;
use super::objects::*;

/// `in6_setscope`: embeds the zone of a link-scoped address.
pub fn in6_setscope(k: &K, addr: Addr, ifp: IfId) -> Addr {
    if is_linklocal(addr) || addr >> 48 == 0xff02 {
        addr & 0xffff_0000_ffff_ffff | u64::from(k[ifp].if_index.get()) << 32
    } else {
        addr
    }
}
