//! [`F`]: a field of a modelled kernel object.
//!
//! All model state lives in fields of this type, so that no borrow outlives a
//! statement: threads of the modelled kernel share the state freely, and no schedule,
//! however rare, can meet a conflicting borrow.
//!
//! A store leaves a mark ([`take_stored`]), so that what has been checked need not be checked
//! again before something has been stored. What the substrate itself keeps during a run is no
//! model state, and lives in plain [`Cell`]s.

use std::cell::Cell;
use std::fmt;
use std::hash::{Hash, Hasher};

// A kernel never leaves its thread of the harness.
thread_local! {
    /// A field has been stored to. Not a count: each store would wait for the one before it.
    static STORED: Cell<bool> = const { Cell::new(false) };
    /// What counters were increased by and not decreased again, see [`note_count`].
    static UNBALANCED: Cell<u64> = const { Cell::new(0) };
}

/// Whether any field has been stored to since this was last asked, but for references that
/// were taken and given up again in between.
#[inline]
pub fn take_stored() -> bool {
    let unbalanced = UNBALANCED.replace(0) != 0;
    STORED.replace(false) | unbalanced
}

/// Notes a store to a field, or to what checks look at like a field.
#[inline]
pub(super) fn note_store() {
    STORED.set(true);
}

/// `counter` has been increased, or decreased, which undoes it: a sum of squares of places is 0
/// when each counter is what it was. That it is 0 otherwise takes an accident of one in 2^64,
/// after which something is not checked again that has changed.
#[inline]
fn note_count(counter: *const (), increased: bool) {
    let place = counter as usize as u64;
    let square = place.wrapping_mul(place);
    let by = if increased { square } else { square.wrapping_neg() };
    UNBALANCED.set(UNBALANCED.get().wrapping_add(by));
}

/// A shared, mutable, plain field: [`Cell`] with value semantics for `Clone`, `Eq`,
/// `Hash` and `Debug`.
#[derive(Default)]
pub struct F<T: Copy>(Cell<T>);

impl<T: Copy> F<T> {
    /// A field holding `v`.
    pub const fn new(v: T) -> Self {
        F(Cell::new(v))
    }

    /// Loads the field.
    #[inline]
    pub fn get(&self) -> T {
        self.0.get()
    }

    /// Stores to the field.
    #[inline]
    pub fn set(&self, v: T) {
        note_store();
        self.0.set(v);
    }
}

/// Memory that can be zeroed in place, as `bzero` and `M_ZERO` do.
pub trait Zero {
    /// Makes every field what it is in a new object.
    fn zero(&self);
}

impl<T: Copy + Default> Zero for F<T> {
    #[inline]
    fn zero(&self) {
        self.set(T::default());
    }
}

impl<T: Zero, const N: usize> Zero for [T; N] {
    fn zero(&self) {
        self.iter().for_each(Zero::zero);
    }
}

/// Integers that kernel counters are made of. Counters wrap explicitly: a harness
/// built with overflow checks must not panic where a kernel would have wrapped.
pub trait Counter: Copy {
    /// `self + 1`, wrapping.
    fn plus_one(self) -> Self;
    /// `self - 1`, wrapping.
    fn minus_one(self) -> Self;
}

impl Counter for u8 {
    fn plus_one(self) -> Self {
        self.wrapping_add(1)
    }
    fn minus_one(self) -> Self {
        self.wrapping_sub(1)
    }
}

impl Counter for u16 {
    fn plus_one(self) -> Self {
        self.wrapping_add(1)
    }
    fn minus_one(self) -> Self {
        self.wrapping_sub(1)
    }
}

impl Counter for u32 {
    fn plus_one(self) -> Self {
        self.wrapping_add(1)
    }
    fn minus_one(self) -> Self {
        self.wrapping_sub(1)
    }
}

impl Counter for i32 {
    fn plus_one(self) -> Self {
        self.wrapping_add(1)
    }
    fn minus_one(self) -> Self {
        self.wrapping_sub(1)
    }
}

impl<T: Counter> F<T> {
    /// Adds one, wrapping, and returns the new value.
    #[inline]
    pub fn inc(&self) -> T {
        let v = self.get().plus_one();
        note_count(std::ptr::from_ref(self).cast(), true);
        self.0.set(v);
        v
    }

    /// Subtracts one, wrapping, and returns the new value.
    #[inline]
    pub fn dec(&self) -> T {
        let v = self.get().minus_one();
        note_count(std::ptr::from_ref(self).cast(), false);
        self.0.set(v);
        v
    }
}

/// The same for what the substrate counts.
pub(super) trait Count<T> {
    /// Adds one, wrapping, and returns the new value.
    fn inc(&self) -> T;
    /// Subtracts one, wrapping, and returns the new value.
    fn dec(&self) -> T;
}

impl<T: Counter> Count<T> for Cell<T> {
    #[inline]
    fn inc(&self) -> T {
        self.set(self.get().plus_one());
        self.get()
    }

    #[inline]
    fn dec(&self) -> T {
        self.set(self.get().minus_one());
        self.get()
    }
}

impl<T: Copy> Clone for F<T> {
    #[inline]
    fn clone(&self) -> Self {
        F(Cell::new(self.0.get()))
    }
}

impl<T: Copy + PartialEq> PartialEq for F<T> {
    fn eq(&self, o: &Self) -> bool {
        self.get() == o.get()
    }
}

impl<T: Copy + Eq> Eq for F<T> {}

impl<T: Copy + Hash> Hash for F<T> {
    fn hash<H: Hasher>(&self, h: &mut H) {
        self.get().hash(h);
    }
}

impl<T: Copy + fmt::Debug> fmt::Debug for F<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_wrap_in_both_directions() {
        let c = F::new(0u32);
        assert_eq!(c.dec(), u32::MAX);
        assert_eq!(c.inc(), 0);
    }

    #[test]
    fn what_the_substrate_counts_wraps_as_well_and_is_no_store() {
        let c = Cell::new(0u8);
        take_stored();
        assert_eq!((c.dec(), c.inc()), (u8::MAX, 0));
        assert!(!take_stored());
    }

    #[test]
    fn every_way_to_store_is_noted_once() {
        let f = F::new(3u32);
        let noted = |store: &dyn Fn()| {
            take_stored();
            store();
            take_stored()
        };
        assert!(noted(&|| f.set(3)), "the same value");
        assert!(!take_stored(), "asked a second time");
        assert!(noted(&|| _ = f.inc()) && noted(&|| _ = f.dec()) && noted(&|| f.zero()));
        assert!(!noted(&|| _ = f.get()) && !noted(&|| _ = f.clone()));
    }

    #[test]
    fn references_that_are_given_up_again_are_no_stores() {
        let f: [F<u32>; 6] = std::array::from_fn(|_| F::new(3));
        let noted = |changes: &[(usize, i8)]| {
            take_stored();
            for &(i, by) in changes {
                if by > 0 {
                    f[i].inc()
                } else {
                    f[i].dec()
                };
            }
            take_stored()
        };
        assert!(!noted(&[(0, 1), (0, -1)]) && !noted(&[(0, -1), (0, 1)]));
        assert!(!noted(&[(0, 1), (1, 1), (1, -1), (2, 1), (2, -1), (0, -1)]));
        assert!(!noted(&[(0, 1), (0, 1), (0, -1), (0, -1)]), "twice the same");
        assert!(!noted(&[(0, 1), (1, 1), (0, -1), (1, -1)]), "in any order");
        assert!(noted(&[(0, 1), (1, -1)]), "another one's");
        assert!(noted(&[(0, 1), (1, 1), (1, -1)]), "one is kept");
        assert!(noted(&[(0, 1), (3, 1), (1, -1), (2, -1)]), "others', as far away");
    }

    #[test]
    fn a_clone_is_a_copy_of_the_value() {
        let a = F::new(7u8);
        let b = a.clone();
        a.set(8);
        assert_eq!(b.get(), 7);
        assert_ne!(a, b);
    }
}
