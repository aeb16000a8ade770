//! `sys/net/if_ethersubr.c`: what Ethernet drivers share.

use super::K;
use super::if_c::{free_ifnet, if_detach, if_down};
use super::objects::*;
use crate::kern::trace::Func;

const FILE: &str = "sys/net/if_ethersubr.c";

/// `ether_ifdetach`, and the free of the softc.
pub async fn ether_ifdetach(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "ether_ifdetach", file: FILE });
    if_down(k, ifp).await;
    if_detach(k, ifp).await;
    free_ifnet(k, ifp);
}
