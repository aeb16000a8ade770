//! A queue of plain values, first in, first out, of fixed capacity.

use super::cell::F;
use std::hash::{Hash, Hasher};

/// Up to `N` values in the order in which they came. Equality and hash are those of the
/// values that are in it.
#[derive(Debug)]
pub struct Fifo<T: Copy, const N: usize> {
    slots: [F<Option<T>>; N],
    /// Where the first value is: taking that one moves none of the others.
    start: F<u8>,
    len: F<u8>,
}

impl<T: Copy, const N: usize> Fifo<T, N> {
    /// Appends a value; `false` when there is no room.
    pub fn push(&self, v: T) -> bool {
        let n = self.len();
        if n == N {
            return false;
        }
        let start = usize::from(self.start.get());
        if start + n == N {
            for i in 0..n {
                self.slots[i].set(self.slots[start + i].get());
            }
            self.start.set(0);
        }
        self.slots[usize::from(self.start.get()) + n].set(Some(v));
        self.len.inc();
        true
    }

    /// The first value.
    pub fn first(&self) -> Option<T> {
        self.iter().next()
    }

    /// The value at place `i`.
    pub fn get(&self, i: usize) -> Option<T> {
        (i < self.len()).then(|| self.slots[usize::from(self.start.get()) + i].get()).flatten()
    }

    /// Takes the value at place `i` out; those behind it move up.
    pub fn remove(&self, i: usize) -> Option<T> {
        let n = self.len();
        if i >= n {
            return None;
        }
        let start = usize::from(self.start.get());
        let v = self.slots[start + i].get();
        if i == 0 {
            self.start.set(if n == 1 { 0 } else { self.start.get() + 1 });
        } else {
            for j in start + i + 1..start + n {
                self.slots[j - 1].set(self.slots[j].get());
            }
        }
        self.len.dec();
        v
    }

    /// Changes the value at place `i`.
    pub fn replace(&self, i: usize, v: T) {
        if i < self.len() {
            self.slots[usize::from(self.start.get()) + i].set(Some(v));
        }
    }

    /// The values, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.taken().iter().filter_map(F::get)
    }

    /// The slots of the values, the oldest first; none of them is `None`.
    pub fn taken(&self) -> &[F<Option<T>>] {
        let start = usize::from(self.start.get());
        &self.slots[start..start + self.len()]
    }

    /// How many.
    pub fn len(&self) -> usize {
        usize::from(self.len.get())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len.get() == 0
    }
}

impl<T: Copy, const N: usize> Default for Fifo<T, N> {
    fn default() -> Self {
        const { assert!(N <= 255) };
        Fifo { slots: std::array::from_fn(|_| F::new(None)), start: F::new(0), len: F::new(0) }
    }
}

impl<T: Copy, const N: usize> Clone for Fifo<T, N> {
    fn clone(&self) -> Self {
        let mut copy = Fifo::default();
        copy.clone_from(self);
        copy
    }

    // A state is cloned before every run, mostly with nothing in here.
    fn clone_from(&mut self, o: &Self) {
        for (to, from) in self.slots.iter_mut().zip(o.iter()) {
            *to = F::new(Some(from));
        }
        (self.start, self.len) = (F::new(0), o.len.clone());
    }
}

impl<T: Copy + PartialEq, const N: usize> PartialEq for Fifo<T, N> {
    fn eq(&self, o: &Self) -> bool {
        self.iter().eq(o.iter())
    }
}

impl<T: Copy + Eq, const N: usize> Eq for Fifo<T, N> {}

impl<T: Copy + Hash, const N: usize> Hash for Fifo<T, N> {
    fn hash<H: Hasher>(&self, h: &mut H) {
        self.len.hash(h);
        self.iter().for_each(|v| v.hash(h));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_out_in_the_order_in_which_they_went_in() {
        let q: Fifo<u8, 3> = Fifo::default();
        assert!(q.push(1) && q.push(2) && q.push(3));
        assert!(!q.push(4), "full");
        assert_eq!(q.remove(1), Some(2));
        assert_eq!(q.iter().collect::<Vec<_>>(), [1, 3]);
        assert_eq!((q.remove(0), q.first(), q.remove(7)), (Some(1), Some(3), None));
    }

    #[test]
    fn a_queue_that_moves_on_has_room_for_as_many() {
        let q: Fifo<u8, 3> = Fifo::default();
        assert!(q.push(0) && q.push(1));
        for next in 2..10 {
            assert!(q.push(next));
            assert_eq!(q.iter().collect::<Vec<_>>(), [next - 2, next - 1, next]);
            assert!(!q.push(99), "full");
            q.replace(1, 50);
            assert_eq!(q.iter().nth(1), Some(50));
            q.replace(1, next - 1);
            assert_eq!((q.remove(0), q.len()), (Some(next - 2), 2));
        }
    }

    #[test]
    fn equality_sees_nothing_of_what_was_in_it_before() {
        let a: Fifo<u8, 3> = Fifo::default();
        let b = a.clone();
        a.push(1);
        assert_ne!(a, b);
        a.remove(0);
        assert_eq!(a, b);
        assert!(a.is_empty());
    }

    #[test]
    fn a_clone_is_independent_of_its_original() {
        let a: Fifo<u8, 3> = Fifo::default();
        a.push(1);
        let b = a.clone();
        a.replace(0, 9);
        assert_eq!((b.first(), a.first()), (Some(1), Some(9)));
    }
}
