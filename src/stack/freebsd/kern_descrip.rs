//! `sys/kern/kern_descrip.c`: a socket's file counts the descriptor and the system calls on it.
//!
//! The last of them closes the socket, so that a call never finds its socket gone.

use super::objects::*;
use super::uipc_socket::soclose;
use super::{ENOENT, K, NSOCKS};

/// The pcb of a socket slot as its file's descriptor finds it (`fget`), with one more
/// count of the file: give it back with [`fdrop`]. NULL when there is no socket.
pub fn fget(k: &K, sock: usize) -> InpId {
    let inp = k.st.pcbs[sock % NSOCKS].get();
    if !inp.is_null() {
        k[inp].f_count.inc();
    }
    inp
}

/// `fdrop`: the last one closes the socket.
pub async fn fdrop(k: &K, inp: InpId) {
    if k[inp].f_count.dec() == 0 {
        soclose(k, inp).await;
    }
}

/// `close(2)`: the descriptor goes; ENOENT when there is none.
pub async fn close(k: &K, sock: usize) -> i32 {
    let slot = &k.st.pcbs[sock % NSOCKS];
    let inp = slot.get();
    if inp.is_null() {
        return ENOENT;
    }
    slot.set(InpId::NULL);
    k.yield_at("close:fdrop").await;
    fdrop(k, inp).await;
    0
}
