//! `sys/net/gif/if_gif.c`: gif, which a cloner makes.

use super::K;
use super::if_c::{free_ifnet, if_attach, if_detach, ifunit};
use super::objects::*;
use crate::kern::trace::Func;

const FILE: &str = "sys/net/gif/if_gif.c";

/// `gif_clone_create`, `gifattach0`: the interface, and whether its name was taken when the
/// memory for it was there.
pub async fn gif_clone_create(k: &K, name: u8) -> (IfId, bool) {
    let _f = k.frame(&Func { name: "gif_clone_create", file: FILE });
    k.yield_at("gif_clone_create:kmalloc").await;
    let taken = !ifunit(k, name).is_null();
    (if_attach(k, name, Driver::Gif, IFF_POINTOPOINT | IFF_MULTICAST), taken)
}

/// `gif_clone_destroy`.
pub async fn gif_clone_destroy(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "gif_clone_destroy", file: FILE });
    if_detach(k, ifp).await;
    free_ifnet(k, ifp);
}
