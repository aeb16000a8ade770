//! `sys/netinet/in_fib_algo.c`, `sys/netinet6/in6_fib_algo.c`: the lookup modules, the same
//! two for either family.
//!
//! `radix_lockless` copies the RIB and cannot follow it: any change asks for a rebuild.
//! `radix` reads the RIB itself, under its lock, and follows by doing nothing.

use super::K;
use super::defects as d;
use super::locks;
use super::nhop::family;
use super::objects::*;
use super::radix::{prefixes, rn_addmask, rn_match};

/// `enum flm_op_result`, as far as these modules return it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlmResult {
    /// `FLM_SUCCESS`.
    Success,
    /// `FLM_REBUILD`.
    Rebuild,
}
use FlmResult::{Rebuild, Success};

/// `flm_get_pref`.
pub fn flm_get_pref(k: &K, flm: Flm, af: Af) -> u32 {
    let n = prefixes(k, af);
    match (flm, af) {
        (Flm::Radix, _) => 50,
        (Flm::RadixLockless, Af::Inet) if n < 10 => 250,
        (Flm::RadixLockless, Af::Inet) => 254 - n / 4,
        (Flm::RadixLockless, _) if n < 10 => 255,
        (Flm::RadixLockless, _) => 255 - n / 40,
    }
}

/// `lradix4_init`, `lradix6_init`, `radix4_init`, `radix6_init`: allocates the module's
/// data.
pub fn flm_init_cb(k: &K, fd: FdId) -> FlmResult {
    let af = k[fd].af.get();
    if k[fd].fd_flm.get() == Flm::Radix {
        let name = if af == Af::Inet { "radix4_data_alloc" } else { "radix6_data_alloc" };
        if k.fails(name) {
            return Rebuild;
        }
        k[fd].algo_data.set(true);
        return Success;
    }
    let (name, leak) = match af {
        Af::Inet => ("lradix4_data_alloc", d::LRADIX4_INIT_LEAK),
        _ => ("lradix6_data_alloc", d::LRADIX6_INIT_LEAK),
    };
    if k.fails(name) {
        return Rebuild;
    }
    let allocated = &k.st.lradix_data[family(af)];
    allocated.inc();
    if k.fails("rn_inithead") || k.fails("lradix_mem_alloc") {
        // The instance does not know of it yet.
        if !k.on(leak) {
            allocated.dec();
        }
        return Rebuild;
    }
    k[fd].algo_data.set(true);
    Success
}

/// `flm_destroy_cb`.
pub fn flm_destroy_cb(k: &K, fd: FdId) {
    k[fd].algo_data.set(false);
    if k[fd].fd_flm.get() == Flm::RadixLockless {
        k.st.lradix_data[family(k[fd].af.get())].dec();
    }
}

/// `flm_dump_rib_item_cb`: one route more for the copy, which has a tree of masks of its own.
/// The RIB is walked in key order.
pub fn flm_dump_rib_item_cb(k: &K, f: &FibData, rt: &Rtentry, slot: usize) -> FlmResult {
    if f.fd_flm.get() == Flm::RadixLockless {
        let bits = rt.rt_dst.get().bits;
        if bits != host_bits(f.af.get()) && !rn_addmask(k, &f.masks, bits) {
            return Rebuild;
        }
        let n = usize::from(f.table_len.get());
        f.table[n].set(FibEntry::new(rt.rt_dst.get(), slot as u8));
        f.table_len.inc();
    }
    Success
}

/// `flm_change_rib_item_cb`.
pub fn flm_change_rib_item_cb(k: &K, fd: FdId) -> FlmResult {
    match k[fd].fd_flm.get() {
        Flm::RadixLockless => Rebuild,
        Flm::Radix => Success,
    }
}

/// `lradix4_lookup`, `lradix6_lookup`: in the instance's copy.
pub fn lradix_lookup(k: &K, fd: FdId, dst: Addr) -> NhRef {
    let f = &k[fd];
    let entries = f.table[..usize::from(f.table_len.get())].iter().map(|e| e.get());
    let longest = entries.filter(|e| e.dst().covers(dst)).max_by_key(|e| e.bits);
    longest.map_or(NhRef::Null, |e| f.nh_idx[usize::from(e.slot)].get())
}

/// `radix4_lookup`, `radix6_lookup`: in the RIB.
pub async fn radix_lookup(k: &K, af: Af, dst: Addr) -> NhRef {
    k.lock_shared(locks::rib(af)).await;
    let rt = rn_match(k, af, dst);
    let nh = if rt.is_null() { NhRef::Null } else { k[rt].rt_nhop.get() };
    k.unlock(locks::rib(af));
    nh
}
