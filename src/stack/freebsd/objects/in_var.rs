//! `sys/netinet/in_var.h`, `sys/netinet6/in6_var.h`: what each family keeps of an interface, and
//! its memberships.

use super::*;
use crate::kern::cell::{F, Zero};
use crate::kern::queue::Lists;
use crate::kern::slab::Object;

/// `struct in6_ifextra`: `if_afdata[AF_INET6]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct In6Ifextra {
    /// Whose it is (the books' note; the original has no such pointer).
    pub ifp: F<IfId>,
    /// `nd_ifinfo->flags`.
    pub nd_flags: F<u32>,
    /// `nd_ifinfo->chlim`.
    pub chlim: F<u8>,
    /// `lltable`: its entries.
    pub lltable: Lists<Llentry, 1>,
    /// `mld_ifinfo` exists.
    pub mld_ifinfo: F<bool>,
    /// `lltable` is off `V_lltables`: nothing is linked into it any more.
    pub llt_dead: F<bool>,
}

impl Object for In6Ifextra {
    const CLASS: u8 = 1;
    fn poison(&self, _: Option<u8>) {}
}

zeroed!(In6Ifextra { ifp, nd_flags, chlim, lltable, mld_ifinfo, llt_dead });

/// `struct in_ifinfo`: `if_afdata[AF_INET]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct InIfinfo {
    /// Whose it is (the books' note).
    pub ifp: F<IfId>,
    /// `ii_llt`: its entries.
    pub ii_llt: Lists<Llentry, 1>,
    /// `ii_allhosts`: the membership of 224.0.0.1; one reference.
    pub ii_allhosts: F<InmId>,
    /// `ii_llt` is off `V_lltables`: nothing is linked into it any more.
    pub llt_dead: F<bool>,
}

impl Object for InIfinfo {
    const CLASS: u8 = 2;
    fn poison(&self, _: Option<u8>) {}
}

zeroed!(InIfinfo { ifp, ii_llt, ii_allhosts, llt_dead });

/// `struct in_multi`, `struct in6_multi`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct InMulti {
    /// Family.
    pub af: F<Af>,
    /// `inm_addr`, `in6m_addr`.
    pub group: F<Addr>,
    /// `inm_ifp`, `in6m_ifp`; see the functions for who owns a reference.
    pub ifp: F<IfId>,
    /// `inm_ifma`, `in6m_ifma`; one reference while set.
    pub ifma: F<IfmaId>,
    /// `inm_refcount`, `in6m_refcount`.
    pub refcount: F<u32>,
    /// It has been disconnected and waits to be released.
    pub releasing: F<bool>,
}

impl Object for InMulti {
    const CLASS: u8 = 13;
    fn poison(&self, _: Option<u8>) {}
}

zeroed!(InMulti { af, group, ifp, ifma, refcount, releasing });
