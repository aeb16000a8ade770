//! `sys/net/route/route_tables.c`, `sys/net/radix.c`: the table of a RIB.

use super::K;
use super::objects::*;

/// The routes of a family's RIB, in key order.
pub fn table(k: &K, af: Af) -> impl Iterator<Item = RtId> + '_ {
    let i = af.index() & 1;
    (0..usize::from(k.st.rib_len[i].get())).map(move |n| k.st.rib[i][n].get())
}
