//! Intrusive lists with the exact effect of the `queue(3)` macros.
//!
//! The macros trust their input. A second `LIST_REMOVE` of a node writes through the
//! links that the first one left behind; an insert of the head before itself makes a
//! node that links to itself. Several of the modelled bugs *are* these effects, so the
//! links are modelled as the pointers they are: `next` names an element, `prev` names
//! the *place* (a head's or an element's `next` field) that points here.
//!
//! Every function takes the means to find an element's link from its id, and stores
//! only through that: the caller's lookup is where stale pointers are noticed.

use super::cell::{F, Zero};
use super::slab::Id;

/// A place that holds a forward pointer: what `tqe_prev`, `le_prev` and `tqh_last`
/// point at.
pub struct Place<T>(Id<T>);

impl<T> Place<T> {
    /// NULL: never linked, or zeroed memory.
    pub const NULL: Place<T> = Place(Id::NULL);
    /// The head's `first` field. As a pointer to an element it is no element's.
    pub const HEAD: Place<T> = Place(Id::new(u8::MAX, 1));

    /// The `next` field of an element.
    #[inline]
    pub const fn next(element: Id<T>) -> Place<T> {
        Place(element)
    }

    /// Whose `next` field it is.
    #[inline]
    pub fn element(self) -> Option<Id<T>> {
        (!self.0.is_null()).then_some(self.0)
    }
}

// Derives would ask for the same of `T`.
impl<T> Clone for Place<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Place<T> {}
impl<T> PartialEq for Place<T> {
    #[inline]
    fn eq(&self, o: &Self) -> bool {
        self.0 == o.0
    }
}
impl<T> Eq for Place<T> {}
impl<T> std::hash::Hash for Place<T> {
    fn hash<H: std::hash::Hasher>(&self, h: &mut H) {
        self.0.hash(h);
    }
}
impl<T> std::fmt::Debug for Place<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.element() {
            Some(i) => write!(f, "&{i:?}.next"),
            None if *self == Place::HEAD => f.write_str("head"),
            None => f.write_str("NULL"),
        }
    }
}

/// The links of one element in one list; `LIST_ENTRY` and `TAILQ_ENTRY` alike.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Link<T> {
    /// The next element.
    pub next: F<Id<T>>,
    /// The place that points at this element, and for a `LIST` which head that
    /// place belongs to (a hash has many).
    pub prev: F<Place<T>>,
    /// Index of the head, where a list has many; 0 otherwise.
    pub head: F<u8>,
}

impl<T> Default for Link<T> {
    fn default() -> Self {
        Link { next: F::new(Id::NULL), prev: F::new(Place::NULL), head: F::new(0) }
    }
}

impl<T> Clone for Link<T> {
    fn clone(&self) -> Self {
        Link { next: self.next.clone(), prev: self.prev.clone(), head: self.head.clone() }
    }
}

impl<T> Link<T> {
    /// Zeroes the links, as `bzero` of the object does.
    pub fn zero(&self) {
        self.next.set(Id::NULL);
        self.prev.set(Place::NULL);
        self.head.set(0);
    }
}

impl<T> Zero for Link<T> {
    fn zero(&self) {
        Link::zero(self);
    }
}

/// A head is left initialized, not zero: whoever zeroes an object calls the macro next.
impl<T> Zero for Tailq<T> {
    fn zero(&self) {
        self.init();
    }
}

impl<T, const N: usize> Zero for Lists<T, N> {
    fn zero(&self) {
        self.first.iter().for_each(|f| f.set(Id::NULL));
    }
}

/// Head of a `TAILQ`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Tailq<T> {
    /// `tqh_first`.
    pub first: F<Id<T>>,
    /// `tqh_last`.
    pub last: F<Place<T>>,
}

impl<T> Default for Tailq<T> {
    fn default() -> Self {
        Tailq { first: F::new(Id::NULL), last: F::new(Place::HEAD) }
    }
}

impl<T> Clone for Tailq<T> {
    fn clone(&self) -> Self {
        Tailq { first: self.first.clone(), last: self.last.clone() }
    }
}

impl<T> Tailq<T> {
    /// `TAILQ_INIT`.
    pub fn init(&self) {
        self.first.set(Id::NULL);
        self.last.set(Place::HEAD);
    }

    fn store<'a>(&self, place: Place<T>, v: Id<T>, link: &impl Fn(Id<T>) -> &'a Link<T>) -> bool
    where
        T: 'a,
    {
        match place.element() {
            Some(e) => link(e).next.set(v),
            None if place == Place::HEAD => self.first.set(v),
            None => return false,
        }
        true
    }

    /// `TAILQ_INSERT_TAIL`.
    pub fn insert_tail<'a>(&self, e: Id<T>, link: impl Fn(Id<T>) -> &'a Link<T>)
    where
        T: 'a,
    {
        let l = link(e);
        l.next.set(Id::NULL);
        l.prev.set(self.last.get());
        self.store(self.last.get(), e, &link);
        self.last.set(Place::next(e));
    }

    /// `TAILQ_INSERT_HEAD`.
    pub fn insert_head<'a>(&self, e: Id<T>, link: impl Fn(Id<T>) -> &'a Link<T>)
    where
        T: 'a,
    {
        let l = link(e);
        l.next.set(self.first.get());
        if self.first.get().is_null() {
            self.last.set(Place::next(e));
        } else {
            link(self.first.get()).prev.set(Place::next(e));
        }
        self.first.set(e);
        l.prev.set(Place::HEAD);
    }

    /// `TAILQ_REMOVE`. Returns false when the element's `prev` is NULL: the kernel
    /// would have stored through a NULL pointer.
    #[must_use]
    pub fn remove<'a>(&self, e: Id<T>, link: impl Fn(Id<T>) -> &'a Link<T>) -> bool
    where
        T: 'a,
    {
        let l = link(e);
        let next = l.next.get();
        if next.is_null() {
            self.last.set(l.prev.get());
        } else {
            link(next).prev.set(l.prev.get());
        }
        self.store(l.prev.get(), next, &link)
    }
}

/// Heads of one or many `LIST`s: a hash table's buckets.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Lists<T, const N: usize> {
    /// `lh_first` of each.
    pub first: [F<Id<T>>; N],
}

impl<T, const N: usize> Default for Lists<T, N> {
    fn default() -> Self {
        Lists { first: std::array::from_fn(|_| F::new(Id::NULL)) }
    }
}

impl<T, const N: usize> Clone for Lists<T, N> {
    fn clone(&self) -> Self {
        Lists { first: self.first.clone() }
    }
}

impl<T, const N: usize> Lists<T, N> {
    /// `LIST_INSERT_HEAD` into list `head`.
    pub fn insert_head<'a>(&self, head: usize, e: Id<T>, link: impl Fn(Id<T>) -> &'a Link<T>)
    where
        T: 'a,
    {
        let l = link(e);
        let first = self.first[head].get();
        l.next.set(first);
        if !first.is_null() {
            link(first).prev.set(Place::next(e));
        }
        self.first[head].set(e);
        l.prev.set(Place::HEAD);
        l.head.set(head as u8);
    }

    /// `LIST_REMOVE`. Returns false when the element's `prev` is NULL: the kernel
    /// would have stored through a NULL pointer.
    #[must_use]
    pub fn remove<'a>(&self, e: Id<T>, link: impl Fn(Id<T>) -> &'a Link<T>) -> bool
    where
        T: 'a,
    {
        let l = link(e);
        let next = l.next.get();
        if !next.is_null() {
            link(next).prev.set(l.prev.get());
            link(next).head.set(l.head.get());
        }
        match l.prev.get().element() {
            Some(e) => link(e).next.set(next),
            None if l.prev.get() == Place::HEAD => {
                self.first[l.head.get() as usize % N].set(next);
            }
            None => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Node(Link<Node>);

    fn nodes() -> Vec<Node> {
        (0..4).map(|_| Node(Link::default())).collect()
    }

    fn id(i: u8) -> Id<Node> {
        Id::new(i, 1)
    }

    fn walk(first: Id<Node>, n: &[Node]) -> Vec<usize> {
        let mut out = Vec::new();
        let mut e = first;
        while !e.is_null() && out.len() < 8 {
            out.push(e.slot());
            e = n[e.slot()].0.next.get();
        }
        out
    }

    #[test]
    fn tailq_keeps_order_and_removes_anywhere() {
        let n = nodes();
        let link = |i: Id<Node>| &n[i.slot()].0;
        let q = Tailq::default();
        for i in 0..3 {
            q.insert_tail(id(i), link);
        }
        q.insert_head(id(3), link);
        assert_eq!(walk(q.first.get(), &n), [3, 0, 1, 2]);
        assert!(q.remove(id(1), link) && q.remove(id(2), link));
        assert_eq!(walk(q.first.get(), &n), [3, 0]);
        q.insert_tail(id(1), link);
        assert_eq!(walk(q.first.get(), &n), [3, 0, 1]);
    }

    #[test]
    fn inserting_the_current_head_again_links_it_to_itself() {
        let n = nodes();
        let link = |i: Id<Node>| &n[i.slot()].0;
        let h: Lists<Node, 1> = Lists::default();
        h.insert_head(0, id(0), link);
        h.insert_head(0, id(0), link);
        assert_eq!(n[0].0.next.get(), id(0));
        // And a LIST_REMOVE then leaves it where it is.
        assert!(h.remove(id(0), link));
        assert_eq!(h.first[0].get(), id(0));
    }

    #[test]
    fn inserting_into_a_second_bucket_without_removing_loses_that_buckets_chain() {
        let n = nodes();
        let link = |i: Id<Node>| &n[i.slot()].0;
        let h: Lists<Node, 2> = Lists::default();
        h.insert_head(1, id(1), link);
        h.insert_head(1, id(0), link);
        assert_eq!(walk(h.first[1].get(), &n), [0, 1]);
        h.insert_head(0, id(0), link);
        assert_eq!(walk(h.first[0].get(), &n), [0]);
        assert_eq!(walk(h.first[1].get(), &n), [0], "node 1 is lost, bucket 1 still has node 0");
    }

    #[test]
    fn a_second_list_remove_writes_through_the_stale_links() {
        let n = nodes();
        let link = |i: Id<Node>| &n[i.slot()].0;
        let h: Lists<Node, 1> = Lists::default();
        h.insert_head(0, id(0), link);
        h.insert_head(0, id(1), link);
        assert!(h.remove(id(0), link));
        h.insert_head(0, id(2), link);
        assert!(h.remove(id(0), link));
        assert_eq!(walk(h.first[0].get(), &n), [2, 1]);
    }

    #[test]
    fn removing_a_zeroed_node_stores_through_null() {
        let n = nodes();
        let link = |i: Id<Node>| &n[i.slot()].0;
        let h: Lists<Node, 1> = Lists::default();
        assert!(!h.remove(id(0), link));
        let q: Tailq<Node> = Tailq::default();
        assert!(!q.remove(id(0), link));
    }
}
