//! `sys/netinet/ip_demux.c`: which CPU a connection belongs to.

use super::K;

/// `tcp_addrcpu`: a hash of both addresses.
pub fn tcp_addrcpu(k: &K, faddr: u32, laddr: u32) -> usize {
    ((faddr ^ laddr) as usize & 3) % k.ncpus()
}
