//! `sys/kern/uipc_domain.c`: the protocols are told.

use super::K;
use super::objects::*;
use super::raw_ip::rip_ctlinput;
use super::udp_usrreq::udp_ctlinput;
use crate::kern::trace::Func;

const FILE: &str = "sys/kern/uipc_domain.c";

/// What the protocols are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prc {
    /// `PRC_IFDOWN`: interface going down.
    IfDown,
    /// `PRC_IFUP`: interface coming up.
    IfUp,
    /// `PRC_REDIRECT_HOST`: a host's packets go another way.
    RedirectHost,
}

/// `pfctlinput`: each protocol in the order of `inetsw`. TCP, between the two that are here,
/// has no error for any of these and returns before it looks at the address.
pub async fn pfctlinput(k: &K, cmd: Prc, sa: Sa) {
    let _f = k.frame(&Func { name: "pfctlinput", file: FILE });
    udp_ctlinput(k, cmd, sa);
    rip_ctlinput(k, cmd, sa).await;
}
