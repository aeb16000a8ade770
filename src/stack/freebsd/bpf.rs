//! `sys/net/bpf.c`: what a packet filter keeps of an interface.

use super::K;
use super::objects::{BpfId, IfId};

/// `bpfattach`.
pub async fn bpfattach(_k: &K, _ifp: IfId) {}
/// `bpfdetach`.
pub async fn bpfdetach(_k: &K, _ifp: IfId) {}
/// `bpfif_free`: an epoch callback.
pub fn bpfif_free(_k: &K, _bp: BpfId) {}
