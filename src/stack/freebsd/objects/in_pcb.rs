//! `sys/netinet/in_pcb.h`, `tcp_var.h`: pcbs, with what their sockets and TCP hold.

use super::*;
use crate::kern::callout::Callout;
use crate::kern::cell::{F, Zero};
use crate::kern::slab::Object;

/// How many groups a socket may join.
pub const NMEMBERSHIPS: usize = 2;

/// `struct inpcb` and, for TCP, the tcpcb that contains it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Inpcb {
    /// Which socket slot.
    pub name: F<u8>,
    /// TCP, not UDP.
    pub tcp: F<bool>,
    /// Family of the connection.
    pub af: F<Af>,
    /// `inp_refcount`.
    pub inp_refcount: F<u32>,
    /// `inp_socket` is set: the socket's reference.
    pub inp_socket: F<bool>,
    /// `f_count` of the socket's file: the descriptor and the system calls on it.
    pub f_count: F<u8>,
    /// `INP_FREED` is set.
    pub inp_freed: F<bool>,
    /// `INP_DROPPED` is set: the connection was given up.
    pub inp_dropped: F<bool>,
    /// Connected.
    pub connected: F<bool>,
    /// `TCPS_ESTABLISHED`: the peer has answered.
    pub established: F<bool>,
    /// `inp_lport` is set.
    pub inp_lport: F<bool>,
    /// `inp_faddr`, `in6p_faddr`.
    pub faddr: F<Addr>,
    /// `inp_laddr`, `in6p_laddr`.
    pub laddr: F<Addr>,
    /// `in6p_hops`; -1 for the interface's.
    pub in6p_hops: F<i16>,
    /// `inp_route.ro_nh`, `inp_route6.ro_nh`; one reference.
    pub ro_nh: F<NhRef>,
    /// `ro_dst` of that route.
    pub ro_dst: F<Addr>,
    /// `inp_rt_cookie`: the RIB's generation when it was looked up.
    pub inp_rt_cookie: F<u32>,
    /// Data is sent and not acknowledged.
    pub unacked: F<bool>,
    /// `t_rxtshift`.
    pub t_rxtshift: F<u8>,
    /// `t_callout`, bound to the inp lock.
    pub t_callout: Callout,
    /// `inp_moptions`, `in6p_moptions`: memberships; one reference each.
    pub memberships: [F<InmId>; NMEMBERSHIPS],
}

impl Object for Inpcb {
    const CLASS: u8 = 12;
    fn poison(&self, _: Option<u8>) {}
}

zeroed!(Inpcb {
    name,
    tcp,
    af,
    inp_refcount,
    inp_socket,
    f_count,
    inp_freed,
    inp_dropped,
    connected,
    established,
    inp_lport,
    faddr,
    laddr,
    in6p_hops,
    ro_nh,
    ro_dst,
    inp_rt_cookie,
    unacked,
    t_rxtshift,
    t_callout,
    memberships
});
