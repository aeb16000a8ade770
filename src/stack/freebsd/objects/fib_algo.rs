//! `sys/net/route/fib_algo.c`: lookup instances.

use super::*;
use crate::kern::callout::Callout;
use crate::kern::cell::{F, Zero};
use crate::kern::queue::Link;
use crate::kern::slab::Object;

/// Which lookup module a FIB instance runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Flm {
    /// `radix4_lockless`, `radix6_lockless`: an immutable copy.
    #[default]
    RadixLockless,
    /// `radix4`, `radix6`: reads the live RIB under its lock.
    Radix,
}

/// Nexthop slots of a FIB instance (`nh_idx`), at most.
pub const NFIBNH: usize = 64;

/// Routes of one RIB and of one instance's copy.
pub const TABLE: usize = 24;

/// `enum fib_callout_action`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FdAction {
    /// `FDA_NONE`.
    #[default]
    None,
    /// `FDA_REBUILD`.
    Rebuild,
    /// `FDA_EVAL`.
    Eval,
}

/// A prefix and the slot of `nh_idx` that its nexthop has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FibEntry {
    /// Destination.
    pub addr: Addr,
    /// Its length in bits.
    pub bits: u8,
    /// Slot of [`FibData::nh_idx`].
    pub slot: u8,
}

impl FibEntry {
    /// An entry for a prefix.
    pub const fn new(dst: Prefix, slot: u8) -> FibEntry {
        FibEntry { addr: dst.addr, bits: dst.bits, slot }
    }

    /// Its prefix.
    pub const fn dst(self) -> Prefix {
        Prefix { addr: self.addr, bits: self.bits }
    }
}

/// `struct fib_data`: one FIB lookup instance.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct FibData {
    /// `fd_family`.
    pub af: F<Af>,
    /// `fd_flm`.
    pub fd_flm: F<Flm>,
    /// `entries`: on `V_fib_data_list`.
    pub entries: Link<FibData>,
    /// `init_done`.
    pub init_done: F<bool>,
    /// `fd_linked`.
    pub fd_linked: F<bool>,
    /// `fd_dead`.
    pub fd_dead: F<bool>,
    /// `fd_need_rebuild`.
    pub fd_need_rebuild: F<bool>,
    /// `hit_nhops`.
    pub hit_nhops: F<bool>,
    /// `fd_failed_rebuilds`.
    pub fd_failed_rebuilds: F<u32>,
    /// `number_nhops`: how many slots it has now.
    pub number_nhops: F<u16>,
    /// `fd_num_changes`: since its callout last ran.
    pub fd_num_changes: F<u32>,
    /// `fd_gen`.
    pub fd_gen: F<u32>,
    /// `fd_callout`, bound to the RIB's lock.
    pub fd_callout: Callout,
    /// `fd_callout_action`.
    pub fd_callout_action: F<FdAction>,
    /// `fd_ss.bucket_changes`.
    pub bucket_changes: F<u16>,
    /// `fd_ss.bucket_id`.
    pub bucket_id: F<u64>,
    /// `fd_ss.diverge_time`, ms.
    pub diverge_time: F<u64>,
    /// `fd_rs`: it is subscribed to its RIB.
    pub subscribed: F<bool>,
    /// The module's data exists (`fd_algo_data`).
    pub algo_data: F<bool>,
    /// `nh_idx`: which nexthop or group each slot names.
    pub nh_idx: [F<NhRef>; NFIBNH],
    /// `nh_ref_table->refcnt`: prefixes that use each slot; one nexthop reference while
    /// not zero.
    nh_ref: [F<u8>; NFIBNH],
    /// Which of them are not zero, a bit each: every check asks for them, and few are.
    nh_used: F<u64>,
    /// The tree of masks of the lockless module's copy: a bit per length.
    pub masks: F<u128>,
    /// The copy, in key order.
    pub table: [F<FibEntry>; TABLE],
    /// How many entries it has.
    pub table_len: F<u8>,
}

impl FibData {
    /// How many prefixes use a slot.
    pub fn slot_refs(&self, slot: usize) -> u8 {
        self.nh_ref[slot].get()
    }

    /// Counts one more prefix that uses a slot; how many do now.
    pub fn ref_slot(&self, slot: usize) -> u8 {
        let now = self.nh_ref[slot].inc();
        self.set_used(slot, now != 0);
        now
    }

    /// Counts one less; how many still do.
    pub fn unref_slot(&self, slot: usize) -> u8 {
        let left = self.nh_ref[slot].dec();
        // One that was not in use wraps, as a kernel's counter does, and is.
        self.set_used(slot, left != 0);
        left
    }

    /// A slot is not used any more.
    pub fn clear_slot(&self, slot: usize) {
        self.nh_ref[slot].set(0);
        self.set_used(slot, false);
    }

    fn set_used(&self, slot: usize, used: bool) {
        let others = self.nh_used.get() & !(1 << slot);
        self.nh_used.set(others | u64::from(used) << slot);
    }

    /// So many slots of `nh_idx` can be anything but zero.
    fn slots_made(&self) -> usize {
        usize::from(self.number_nhops.get()).min(NFIBNH)
    }

    /// The same of the entries of `table`.
    fn entries_made(&self) -> usize {
        usize::from(self.table_len.get()).min(TABLE)
    }

    /// The slots of `nh_idx` that are in use, in order.
    pub fn slots(&self) -> impl Iterator<Item = usize> {
        const { assert!(NFIBNH == 64) };
        let mut left = self.nh_used.get();
        std::iter::from_fn(move || {
            let slot = left.trailing_zeros() as usize;
            (left != 0).then(|| {
                left &= left - 1;
                slot
            })
        })
    }

    /// The nexthops that it holds: one reference each.
    pub fn nhops(&self) -> impl Iterator<Item = NhRef> + '_ {
        self.slots().map(|slot| self.nh_idx[slot].get())
    }
}

impl Default for FibData {
    fn default() -> Self {
        FibData {
            af: F::default(),
            fd_flm: F::default(),
            entries: Link::default(),
            init_done: F::default(),
            fd_linked: F::default(),
            fd_dead: F::default(),
            fd_need_rebuild: F::default(),
            hit_nhops: F::default(),
            fd_failed_rebuilds: F::default(),
            number_nhops: F::default(),
            fd_num_changes: F::default(),
            fd_gen: F::default(),
            fd_callout: Callout::default(),
            fd_callout_action: F::default(),
            bucket_changes: F::default(),
            bucket_id: F::default(),
            diverge_time: F::default(),
            subscribed: F::default(),
            algo_data: F::default(),
            nh_idx: std::array::from_fn(|_| F::default()),
            nh_ref: std::array::from_fn(|_| F::default()),
            nh_used: F::default(),
            masks: F::default(),
            table: std::array::from_fn(|_| F::default()),
            table_len: F::default(),
        }
    }
}

impl Clone for FibData {
    fn clone(&self) -> Self {
        let mut copy = FibData::default();
        copy.clone_from(self);
        copy
    }

    /// Of the arrays only what can be in use, here or there: a run begins with a copy of some
    /// ten instances, whose arrays are long and nearly empty.
    fn clone_from(&mut self, o: &Self) {
        let slots = self.slots_made().max(o.slots_made());
        self.nh_idx[..slots].clone_from_slice(&o.nh_idx[..slots]);
        let entries = self.entries_made().max(o.entries_made());
        self.table[..entries].clone_from_slice(&o.table[..entries]);
        let FibData {
            af,
            fd_flm,
            entries,
            init_done,
            fd_linked,
            fd_dead,
            fd_need_rebuild,
            hit_nhops,
            fd_failed_rebuilds,
            number_nhops,
            fd_num_changes,
            fd_gen,
            fd_callout,
            fd_callout_action,
            bucket_changes,
            bucket_id,
            diverge_time,
            subscribed,
            algo_data,
            nh_idx: _,
            nh_ref,
            nh_used,
            masks,
            table: _,
            table_len,
        } = o;
        self.af.clone_from(af);
        self.fd_flm.clone_from(fd_flm);
        self.entries.clone_from(entries);
        self.init_done.clone_from(init_done);
        self.fd_linked.clone_from(fd_linked);
        self.fd_dead.clone_from(fd_dead);
        self.fd_need_rebuild.clone_from(fd_need_rebuild);
        self.hit_nhops.clone_from(hit_nhops);
        self.fd_failed_rebuilds.clone_from(fd_failed_rebuilds);
        self.number_nhops.clone_from(number_nhops);
        self.fd_num_changes.clone_from(fd_num_changes);
        self.fd_gen.clone_from(fd_gen);
        self.fd_callout.clone_from(fd_callout);
        self.fd_callout_action.clone_from(fd_callout_action);
        self.bucket_changes.clone_from(bucket_changes);
        self.bucket_id.clone_from(bucket_id);
        self.diverge_time.clone_from(diverge_time);
        self.subscribed.clone_from(subscribed);
        self.algo_data.clone_from(algo_data);
        self.nh_ref.clone_from(nh_ref);
        self.nh_used.clone_from(nh_used);
        self.masks.clone_from(masks);
        self.table_len.clone_from(table_len);
    }
}

impl Object for FibData {
    const CLASS: u8 = 10;
    fn poison(&self, _: Option<u8>) {}
}

impl Zero for FibData {
    /// Of the arrays only what can be in use: the rest is zero already.
    fn zero(&self) {
        let FibData {
            af,
            fd_flm,
            entries,
            init_done,
            fd_linked,
            fd_dead,
            fd_need_rebuild,
            hit_nhops,
            fd_failed_rebuilds,
            number_nhops,
            fd_num_changes,
            fd_gen,
            fd_callout,
            fd_callout_action,
            bucket_changes,
            bucket_id,
            diverge_time,
            subscribed,
            algo_data,
            nh_idx,
            nh_ref,
            nh_used,
            masks,
            table,
            table_len,
        } = self;
        nh_idx[..self.slots_made()].iter().for_each(Zero::zero);
        self.slots().for_each(|slot| nh_ref[slot].zero());
        nh_used.zero();
        masks.zero();
        table[..self.entries_made()].iter().for_each(Zero::zero);
        number_nhops.zero();
        table_len.zero();
        af.zero();
        fd_flm.zero();
        entries.zero();
        init_done.zero();
        fd_linked.zero();
        fd_dead.zero();
        fd_need_rebuild.zero();
        hit_nhops.zero();
        fd_failed_rebuilds.zero();
        fd_num_changes.zero();
        fd_gen.zero();
        fd_callout.zero();
        fd_callout_action.zero();
        bucket_changes.zero();
        bucket_id.zero();
        diverge_time.zero();
        subscribed.zero();
        algo_data.zero();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slots_in_use_are_those_whose_counter_is_not_zero() {
        let d = FibData::default();
        let in_use = || (0..NFIBNH).filter(|&i| d.nh_ref[i].get() != 0).collect::<Vec<_>>();
        for slot in [63, 0, 7, 8, 8, 40] {
            d.ref_slot(slot);
            assert_eq!(d.slots().collect::<Vec<_>>(), in_use());
        }
        for slot in [8, 63, 8, 1] {
            d.unref_slot(slot);
            assert_eq!(d.slots().collect::<Vec<_>>(), in_use());
        }
        assert_eq!(in_use(), [0, 1, 7, 40], "the last one wrapped");
        assert_eq!(d.ref_slot(1), 0, "and wrapped back");
        assert_eq!(d.slots().collect::<Vec<_>>(), in_use());
        d.clear_slot(7);
        assert_eq!(d.slots().collect::<Vec<_>>(), in_use());
        d.zero();
        assert_eq!((d.slots().count(), in_use().len()), (0, 0));
    }
}
