//! `sys/kern/uipc_socket.c`: sockets begin and end.

use super::in_pcb::in_pcballoc;
use super::kern_descrip::fget;
use super::objects::*;
use super::tcp_usrreq::{tcp_usr_close, tcp_usr_detach};
use super::udp_usrreq::{udp_close, udp_detach};
use super::{EAFNOSUPPORT, ENOBUFS, K, NSOCKS};
use crate::kern::trace::Func;

const FILE: &str = "sys/kern/uipc_socket.c";

/// [`fget`], or `socreate` when there is none; the errno when the socket there is of
/// another family, or memory is short.
pub fn socket(k: &K, sock: usize, af: Af) -> Result<InpId, i32> {
    let found = k.st.pcbs[sock % NSOCKS].get();
    if found.is_null() {
        let inp = in_pcballoc(k, sock, af);
        if inp.is_null() {
            return Err(ENOBUFS);
        }
    } else if k[found].af.get() != af {
        return Err(EAFNOSUPPORT);
    }
    Ok(fget(k, sock))
}

/// `soclose`: the protocol's close, and its detach.
pub async fn soclose(k: &K, inp: InpId) {
    let _f = k.frame(&Func { name: "soclose", file: FILE });
    if k[inp].tcp.get() {
        tcp_usr_close(k, inp).await;
        tcp_usr_detach(k, inp).await;
    } else {
        udp_close(k, inp).await;
        udp_detach(k, inp).await;
    }
}
