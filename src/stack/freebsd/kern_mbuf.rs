//! `sys/kern/kern_mbuf.c`: a queued packet names its interface by index and generation.

use super::nd6_rtr::Ra;
use super::objects::*;
use super::{K, NINDEX};
use crate::kern::trace::Func;

const FILE: &str = "sys/kern/kern_mbuf.c";

/// A packet in the queue: `m_pkthdr.rcvif` as index and generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Packet {
    /// `rcvidx`.
    pub rcvidx: u8,
    /// `rcvgen`.
    pub rcvgen: u16,
    /// What it is.
    pub ra: Option<Ra>,
}

/// `m_rcvif_serialize`: the packet remembers its interface.
pub fn m_rcvif_serialize(k: &K, ifp: IfId, ra: Ra) -> Packet {
    let _f = k.frame(&Func { name: "m_rcvif_serialize", file: FILE });
    let i = &k[ifp];
    Packet { rcvidx: i.if_index.get(), rcvgen: i.if_idxgen.get(), ra: Some(ra) }
}

/// `m_rcvif_restore`; inside the epoch. NULL when the interface is gone, is another one
/// now, or is dying.
pub fn m_rcvif_restore(k: &K, m: &Packet) -> IfId {
    let _f = k.frame(&Func { name: "m_rcvif_restore", file: FILE });
    let index = usize::from(m.rcvidx) % NINDEX;
    let ifp = k.st.ifindex_table[index].get();
    let gone = ifp.is_null()
        || k.st.ifindex_gencnt[index].get() != m.rcvgen
        || k[ifp].if_flags.get() & IFF_DYING != 0;
    if gone { IfId::NULL } else { ifp }
}
