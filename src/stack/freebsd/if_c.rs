//! `sys/net/if.c`: interfaces come, change and go; addresses are counted.

use super::K;
use super::objects::*;

/// An ioctl on an interface.
#[derive(Clone, Copy, Debug)]
pub enum Ioctl {
    /// `SIOCSIFADDR`: obsolete, refused with EINVAL.
    Sifaddr,
    /// `SIOCAIFADDR`.
    Aifaddr(AliasReq),
    /// `SIOCDIFADDR`.
    Difaddr(Addr),
    /// `SIOCAIFADDR_IN6`.
    AifaddrIn6(AliasReq),
    /// `SIOCDIFADDR_IN6`.
    DifaddrIn6(Addr),
    /// `SIOCSIFFLAGS`, with IFF_UP or without.
    Sifflags(bool),
    /// `SIOCSIFNAME` to the name that the daemon gives it.
    Sifname,
    /// `SIOCIFCREATE`.
    Ifcreate,
    /// `SIOCIFDESTROY`.
    Ifdestroy,
}

/// `in_aliasreq`, `in6_aliasreq`.
#[derive(Clone, Copy, Debug, Default)]
pub struct AliasReq {
    /// The address.
    pub addr: Addr,
    /// The far end of a point-to-point link; 0 for none.
    pub dst: Addr,
    /// Mask, in bits of [`Addr`].
    pub bits: u8,
}

/// What a driver's `if_ioctl` is asked by the stack itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrvCmd {
    /// `SIOCSIFADDR`: an address was added.
    Sifaddr,
    /// `SIOCSIFFLAGS`.
    Sifflags,
    /// `SIOCADDMULTI`.
    Addmulti,
    /// `SIOCDELMULTI`.
    Delmulti,
}

/// `ifioctl`, from `sys_ioctl` and `kern_ioctl` on.
pub async fn ifioctl(_k: &K, _name: u8, _cmd: Ioctl) -> i32 {
    0
}
/// `if_alloc`: with the index reference; may sleep for memory.
pub async fn if_alloc(_k: &K, _driver: Driver, _name: u8) -> IfId {
    IfId::NULL
}
/// `if_attach`.
pub async fn if_attach(_k: &K, _ifp: IfId) {}
/// `if_detach`.
pub async fn if_detach(_k: &K, _ifp: IfId) {}
/// `if_free`.
pub async fn if_free(_k: &K, _ifp: IfId) {}
/// `if_free_deferred`: an epoch callback.
pub fn if_free_deferred(_k: &K, _ifp: IfId) {}
/// `if_ref`.
#[track_caller]
pub fn if_ref(_k: &K, _ifp: IfId) {}
/// `if_try_ref`.
#[track_caller]
pub fn if_try_ref(_k: &K, _ifp: IfId) -> bool {
    false
}
/// `if_rele`.
#[track_caller]
pub fn if_rele(_k: &K, _ifp: IfId) {}
/// `ifunit`: by name slot; no reference.
pub fn ifunit(_k: &K, _name: u8) -> IfId {
    IfId::NULL
}
/// `ifunit_ref`: with a reference; NULL when dying.
pub fn ifunit_ref(_k: &K, _name: u8) -> IfId {
    IfId::NULL
}
/// `ifnet_byindex`: no reference, whether dying or not.
pub fn ifnet_byindex(_k: &K, _index: u8) -> IfId {
    IfId::NULL
}
/// `ifnet_byindex_ref`.
pub fn ifnet_byindex_ref(_k: &K, _index: u8) -> IfId {
    IfId::NULL
}
/// `if_down`.
pub async fn if_down(_k: &K, _ifp: IfId) {}
/// `if_up`.
pub async fn if_up(_k: &K, _ifp: IfId) {}
/// `if_link_state_change`.
pub fn if_link_state_change(_k: &K, _ifp: IfId, _up: bool) {}
/// `do_link_state_change`: a task.
pub async fn do_link_state_change(_k: &K, _ifp: IfId) {}
/// `if_siocaddmulti`: a task.
pub async fn if_siocaddmulti(_k: &K, _ifp: IfId) {}
/// `ifp->if_ioctl`: the driver's, or `ifdead_ioctl`.
pub async fn if_ioctl(_k: &K, _ifp: IfId, _cmd: DrvCmd) -> i32 {
    0
}
/// `ifa_alloc`: one reference, the caller's; NULL when it fails.
pub fn ifa_alloc(_k: &K, _af: Af) -> IfaId {
    IfaId::NULL
}
/// `ifa_ref`.
#[track_caller]
pub fn ifa_ref(_k: &K, _ifa: IfaId) {}
/// `ifa_try_ref`.
#[track_caller]
pub fn ifa_try_ref(_k: &K, _ifa: IfaId) -> bool {
    false
}
/// `ifa_free`.
#[track_caller]
pub fn ifa_free(_k: &K, _ifa: IfaId) {}
/// `ifa_destroy`: an epoch callback.
pub fn ifa_destroy(_k: &K, _ifa: IfaId) {}
/// `ifa_add_loopback_route`.
pub async fn ifa_add_loopback_route(_k: &K, _ifa: IfaId, _addr: Addr) -> i32 {
    0
}
/// `ifa_del_loopback_route`.
pub async fn ifa_del_loopback_route(_k: &K, _ifa: IfaId, _addr: Addr) -> i32 {
    0
}
/// `ifa_switch_loopback_route`.
pub async fn ifa_switch_loopback_route(_k: &K, _ifa: IfaId, _addr: Addr) -> i32 {
    0
}
/// `if_addmulti`.
pub async fn if_addmulti(_k: &K, _ifp: IfId, _af: Af, _group: Addr) -> Result<IfmaId, i32> {
    Err(0)
}
/// `if_delmulti_ifma_flags`, without its wait.
pub async fn if_delmulti_ifma(_k: &K, _ifma: IfmaId) {}
/// `if_findmulti`.
pub fn if_findmulti(_k: &K, _ifp: IfId, _af: Af, _group: Addr) -> IfmaId {
    IfmaId::NULL
}
/// `if_freemulti`: after the last reference, by an epoch callback.
pub fn if_freemulti(_k: &K, _ifma: IfmaId) {}
/// `if_destroymulti`: an epoch callback.
pub fn if_destroymulti(_k: &K, _ifma: IfmaId) {}
/// A driver says that its link is up or down; ENXIO when there is no such interface.
pub async fn driver_link_state(_k: &K, _name: u8, _up: bool) -> i32 {
    0
}
