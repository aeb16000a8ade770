//! `sys/net/if_llatbl.h`: link-layer entries of both families.

use super::*;
use crate::kern::callout::Callout;
use crate::kern::cell::{F, Zero};
use crate::kern::queue::Link;
use crate::kern::slab::Object;

/// Pointer to a table of link-layer entries, by the afdata that it is part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Llt {
    /// NULL.
    #[default]
    Null,
    /// `ii_llt` of an in_ifinfo.
    V4(IiId),
    /// `lltable` of an in6_ifextra.
    V6(ExtId),
}

/// State of a link-layer entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LleState {
    /// Being resolved.
    #[default]
    Incomplete,
    /// Resolved.
    Reachable,
    /// Resolved long ago.
    Stale,
}

/// `struct llentry`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Llentry {
    /// Family of its table.
    pub af: F<Af>,
    /// `lle_tbl`; no reference.
    pub lle_tbl: F<Llt>,
    /// `lle_tbl->llt_ifp`; no reference.
    pub llt_ifp: F<IfId>,
    /// `lle_next`: in its table.
    pub lle_next: Link<Llentry>,
    /// `r_l3addr`.
    pub addr: F<Addr>,
    /// `lle_refcnt`.
    pub lle_refcnt: F<u32>,
    /// `la_flags & LLE_LINKED`.
    pub linked: F<bool>,
    /// `la_flags & LLE_DELETED`.
    pub deleted: F<bool>,
    /// `la_flags & LLE_STATIC`: the interface's own address.
    pub is_static: F<bool>,
    /// `ln_state`.
    pub state: F<LleState>,
    /// `la_asked`.
    pub la_asked: F<u8>,
    /// `ln_router`.
    pub ln_router: F<bool>,
    /// `lle_timer`; one reference while armed.
    pub lle_timer: Callout,
}

impl Object for Llentry {
    const CLASS: u8 = 11;
    fn poison(&self, _: Option<u8>) {}
}

zeroed!(Llentry {
    af,
    lle_tbl,
    llt_ifp,
    lle_next,
    addr,
    lle_refcnt,
    linked,
    deleted,
    is_static,
    state,
    la_asked,
    ln_router,
    lle_timer
});
