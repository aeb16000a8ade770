//! Typed slabs: where modelled objects live and die.
//!
//! An object is named by an [`Id`]: its slot and the generation of the tenant. A
//! freed slot keeps what the allocator left in it (see [`Object::poison`]) until
//! the next allocation, and the lowest free slot is reused first, so that a stale
//! pointer soon meets a new tenant, as in a kernel.

use super::cell::F;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

/// A pointer to an object of type `T`: slot and generation, or NULL.
pub struct Id<T> {
    /// The generation above the slot: one comparison tells two of them apart.
    both: u32,
    ty: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// The NULL pointer.
    pub const NULL: Id<T> = Id::new(u8::MAX, 0);

    /// The pointer to the tenant `generation` of `slot`.
    pub const fn new(slot: u8, generation: u16) -> Self {
        Id { both: (generation as u32) << 8 | slot as u32, ty: PhantomData }
    }

    /// Whether this is NULL.
    #[inline]
    pub fn is_null(self) -> bool {
        self.both as u8 == u8::MAX
    }

    /// The slot; `u8::MAX` for NULL.
    #[inline]
    pub fn slot(self) -> usize {
        self.both as u8 as usize
    }

    /// Which tenant of the slot, from 1.
    pub fn generation(self) -> u16 {
        (self.both >> 8) as u16
    }
}

/// Whether all of some pointers are NULL: a table that is mostly empty is gone through by
/// handfuls.
#[inline]
pub fn all_null<T, const N: usize>(pointers: &[F<Id<T>>; N]) -> bool {
    pointers.iter().fold(u32::MAX, |all, p| all & p.get().both) as u8 == u8::MAX
}

// Derives would ask for the same of `T`.
impl<T> Clone for Id<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    #[inline]
    fn eq(&self, o: &Self) -> bool {
        self.both == o.both
    }
}
impl<T> Eq for Id<T> {}
impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, h: &mut H) {
        self.both.hash(h);
    }
}
impl<T> Default for Id<T> {
    fn default() -> Self {
        Id::NULL
    }
}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_null() {
            f.write_str("NULL")
        } else {
            write!(f, "#{}.{}", self.slot(), self.generation())
        }
    }
}

/// An untyped object name, as reports and hold lists use it.
// One word, so that it is copied and compared as one.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(4))]
pub struct ObjRef {
    /// [`Object::CLASS`]; [`ObjRef::NONE`]'s is `u8::MAX`.
    pub class: u8,
    /// Slot within the class.
    pub slot: u8,
    /// Tenant of the slot.
    pub generation: u16,
}

impl ObjRef {
    /// No object.
    pub const NONE: ObjRef = ObjRef { class: u8::MAX, slot: u8::MAX, generation: 0 };

    /// The name of `id`.
    #[inline]
    pub fn of<T: Object>(id: Id<T>) -> ObjRef {
        ObjRef { class: T::CLASS, slot: id.both as u8, generation: id.generation() }
    }

    /// All of it in one number, which tells two of them apart in one comparison.
    #[inline]
    fn both(self) -> u32 {
        u32::from(self.generation) << 16 | u32::from(self.slot) << 8 | u32::from(self.class)
    }

    /// Whether this names no object.
    pub fn is_none(self) -> bool {
        self.class == u8::MAX
    }
}

impl PartialEq for ObjRef {
    #[inline]
    fn eq(&self, o: &Self) -> bool {
        self.both() == o.both()
    }
}
impl Eq for ObjRef {}
impl Hash for ObjRef {
    fn hash<H: Hasher>(&self, h: &mut H) {
        self.both().hash(h);
    }
}
impl Default for ObjRef {
    fn default() -> Self {
        ObjRef::NONE
    }
}

/// A type of modelled object.
pub trait Object: Default {
    /// Index into the stack's class names.
    const CLASS: u8;

    /// What `free` leaves in the memory: the fields that the allocator overwrites.
    /// `link` is the slot of the next free chunk, the value of the free-list link
    /// that an allocator keeps in the first word.
    fn poison(&self, link: Option<u8>);
}

/// Up to 64 objects of one type.
///
/// A slot that was never taken is as it was made, whatever slab it is in; only slot 0,
/// which NULL stands for in [`Slab::raw`], can be written to without.
#[derive(Clone, Debug)]
pub struct Slab<T, const N: usize> {
    live: F<u64>,
    /// Slots that were ever taken, as far as [`Slab::restore`] has not undone it.
    touched: F<u64>,
    generation: [F<u16>; N],
    /// The pointer to the living tenant of each slot, NULL when there is none: all that
    /// following a pointer has to look at.
    tenants: [F<Id<T>>; N],
    slots: [T; N],
}

impl<T: Default, const N: usize> Default for Slab<T, N> {
    fn default() -> Self {
        const { assert!(N <= 64) };
        Slab {
            live: F::new(0),
            touched: F::new(0),
            generation: std::array::from_fn(|_| F::new(0)),
            tenants: std::array::from_fn(|_| F::new(Id::NULL)),
            slots: std::array::from_fn(|_| T::default()),
        }
    }
}

impl<T, const N: usize> Slab<T, N> {
    const MASK: u64 = if N == 64 { u64::MAX } else { (1 << N) - 1 };

    /// Takes the lowest free slot; `None` when all are taken. The memory is as the
    /// last tenant left it: the caller initializes it.
    #[inline]
    pub fn alloc(&self) -> Option<Id<T>> {
        let free = !self.live.get() & Self::MASK;
        if free == 0 {
            return None;
        }
        let slot = free.trailing_zeros() as usize;
        self.live.set(self.live.get() | 1 << slot);
        self.touched.set(self.touched.get() | 1 << slot);
        let generation = self.generation[slot].inc();
        let id = Id::new(slot as u8, generation);
        self.tenants[slot].set(id);
        Some(id)
    }

    /// Whether `id` names the living tenant of its slot.
    #[inline]
    pub fn is_live(&self, id: Id<T>) -> bool {
        self.tenants.get(id.slot()).is_some_and(|t| t.get() == id)
    }

    /// What stands in the slot now: the object, its corpse, or a new tenant. For
    /// NULL, slot 0; the caller has recorded the fault.
    #[inline]
    pub fn raw(&self, id: Id<T>) -> &T {
        &self.slots[if id.slot() < N { id.slot() } else { 0 }]
    }

    /// [`Slab::raw`] and [`Slab::is_live`] in one.
    #[inline]
    pub fn look(&self, id: Id<T>) -> (&T, bool) {
        match (self.slots.get(id.slot()), self.tenants.get(id.slot())) {
            (Some(obj), Some(tenant)) => (obj, tenant.get() == id),
            _ => (&self.slots[0], false),
        }
    }

    /// The living objects, by slot.
    #[inline]
    pub fn iter(&self) -> Live<'_, T, N> {
        Live { slab: self, left: self.live.get() }
    }

    /// The living objects in the slots of a set.
    #[inline]
    pub fn among(&self, slots: u64) -> Live<'_, T, N> {
        Live { slab: self, left: self.live.get() & slots }
    }

    /// The slots of the living objects, a bit each.
    #[inline]
    pub fn live(&self) -> u64 {
        self.live.get()
    }

    /// Number of living objects.
    pub fn len(&self) -> usize {
        self.live.get().count_ones() as usize
    }

    /// Whether nothing lives here.
    pub fn is_empty(&self) -> bool {
        self.live.get() == 0
    }

    /// The living tenant of `slot`.
    pub fn tenant(&self, slot: usize) -> Option<Id<T>> {
        self.tenants.get(slot).map(F::get).filter(|id| !id.is_null())
    }

    /// Number of slots.
    pub fn capacity(&self) -> usize {
        N
    }
}

/// The slots of a set.
fn slots_of(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let slot = set.trailing_zeros() as usize;
        (set != 0).then(|| {
            set &= set - 1;
            slot
        })
    })
}

impl<T, const N: usize> Slab<T, N> {
    /// The slots in which two slabs can differ.
    fn differ(&self, o: &Self) -> u64 {
        self.touched.get() | o.touched.get() | 1
    }
}

impl<T: Clone, const N: usize> Slab<T, N> {
    /// Makes this slab what `o` is: copies only the slots that can differ.
    pub fn restore(&mut self, o: &Self) {
        for slot in slots_of(self.differ(o)) {
            self.slots[slot].clone_from(&o.slots[slot]);
            self.generation[slot] = o.generation[slot].clone();
            self.tenants[slot] = o.tenants[slot].clone();
        }
        (self.live, self.touched) = (o.live.clone(), o.touched.clone());
    }
}

impl<T: PartialEq, const N: usize> PartialEq for Slab<T, N> {
    fn eq(&self, o: &Self) -> bool {
        self.live == o.live
            && self.touched == o.touched
            && slots_of(self.differ(o)).all(|slot| {
                self.generation[slot] == o.generation[slot] && self.slots[slot] == o.slots[slot]
            })
    }
}

impl<T: Eq, const N: usize> Eq for Slab<T, N> {}

impl<T: Object, const N: usize> Slab<T, N> {
    /// Frees the slot of `id` and poisons it. The caller has checked that `id` is
    /// live.
    #[inline]
    pub fn free(&self, id: Id<T>) {
        let free = !self.live.get() & Self::MASK;
        self.live.set(self.live.get() & !(1 << id.slot()));
        self.tenants[id.slot()].set(Id::NULL);
        let link = (free != 0).then(|| free.trailing_zeros() as u8);
        self.slots[id.slot()].poison(link);
    }
}

/// Iterator over the living objects of a [`Slab`].
pub struct Live<'a, T, const N: usize> {
    slab: &'a Slab<T, N>,
    left: u64,
}

impl<'a, T, const N: usize> Iterator for Live<'a, T, N> {
    type Item = (Id<T>, &'a T);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let slot = self.left.trailing_zeros() as usize;
        self.left &= self.left - 1;
        Some((self.slab.tenants[slot].get(), &self.slab.slots[slot]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, Debug, Clone, PartialEq, Eq, Hash)]
    struct Thing {
        first_word: F<u32>,
        rest: F<u32>,
    }

    impl Object for Thing {
        const CLASS: u8 = 0;
        fn poison(&self, link: Option<u8>) {
            self.first_word.set(link.map_or(0, u32::from));
        }
    }

    #[test]
    fn the_lowest_free_slot_is_reused_with_a_new_generation() {
        let s: Slab<Thing, 4> = Slab::default();
        let a = s.alloc().unwrap();
        let b = s.alloc().unwrap();
        assert_eq!((a.slot(), b.slot()), (0, 1));
        s.free(a);
        let c = s.alloc().unwrap();
        assert_eq!(c.slot(), 0);
        assert_ne!(a, c);
        assert!(!s.is_live(a) && s.is_live(c) && s.is_live(b));
    }

    #[test]
    fn a_corpse_keeps_its_rest_and_its_first_word_is_the_free_list_link() {
        let s: Slab<Thing, 4> = Slab::default();
        let a = s.alloc().unwrap();
        s.raw(a).first_word.set(11);
        s.raw(a).rest.set(22);
        s.free(a);
        assert_eq!(s.raw(a).first_word.get(), 1);
        assert_eq!(s.raw(a).rest.get(), 22);
    }

    #[test]
    fn a_full_slab_refuses() {
        let s: Slab<Thing, 2> = Slab::default();
        assert!(s.alloc().is_some() && s.alloc().is_some());
        assert!(s.alloc().is_none());
        assert_eq!(s.len(), 2);
    }

    #[test]
    fn a_restored_slab_is_the_booted_one() {
        let boot: Slab<Thing, 4> = Slab::default();
        boot.raw(boot.alloc().unwrap()).rest.set(7);
        let mut s = boot.clone();
        let a = s.alloc().unwrap();
        let b = s.alloc().unwrap();
        s.raw(a).rest.set(1);
        s.free(a);
        s.raw(b).first_word.set(9);
        s.raw(s.tenant(0).unwrap()).rest.set(8);
        assert_ne!(s, boot);
        let later = s.clone();
        s.restore(&boot);
        assert_eq!(s, boot);
        assert_eq!((s.raw(a), s.raw(b)), (&Thing::default(), &Thing::default()));
        s.restore(&later);
        assert_eq!(s, later);
        assert_eq!(s.raw(b).first_word.get(), 9);
    }

    #[test]
    fn pointers_are_all_null_only_if_each_is() {
        let table: [F<Id<Thing>>; 4] = std::array::from_fn(|_| F::new(Id::NULL));
        assert!(all_null(&table));
        for slot in [0, 1, 63] {
            table[2].set(Id::new(slot, u16::MAX));
            assert!(!all_null(&table), "slot {slot}");
        }
    }

    #[test]
    fn null_is_never_live() {
        let s: Slab<Thing, 2> = Slab::default();
        assert!(!s.is_live(Id::NULL));
    }
}
