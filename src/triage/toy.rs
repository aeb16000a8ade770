//! A toy stack for the tests of triage and of the hunt: boxes in three drawers.
//!
//! It has one defect of each kind and reach, each a line or two, so that a test can say
//! exactly what credit, minimizing and a hunt must come to.

use crate::kern::Kernel;
use crate::kern::cell::F;
use crate::kern::lock::{LockId, LockInfo, LockKind};
use crate::kern::slab::{Id, ObjRef, Object, Slab};
use crate::kern::trace::{Func, What};
use crate::program::{Arg, ArgClass, Grammar, Op, Role, Verb};
use crate::shadow::{FaultKind, Rule};
use crate::stack::{Defect, DefectSet, Holds, Job, Kind, Proposal, Reach, Stack};

/// The toy.
pub struct Toy;

/// Enabling: `use` runs outside the lock of the cupboard.
pub const UNLOCKED: u8 = 0;
/// Way in (preemption): `use` keeps no reference while it sleeps; needs [`UNLOCKED`].
pub const UNREFERENCED: u8 = 1;
/// Way in (fault): `grow` rolls back twice.
pub const ROLLBACK: u8 = 2;
/// Way in (sequence): `drop` of a marked box forgets to release it.
pub const FORGOTTEN: u8 = 3;
/// Hypothesis: the last drawer panics.
pub const GUESS: u8 = 4;
/// Proposed repair of [`UNREFERENCED`]: `use` passes over a dead box without a mark.
pub const CHECKS_PLAIN: u8 = 5;
/// The same for boxes with a mark.
pub const CHECKS_MARKED: u8 = 6;
/// Proposed repair of [`UNREFERENCED`]: `use` asserts that its box is alive.
pub const ASSERTS: u8 = 7;

const fn drawer(role: Role) -> Arg {
    Arg::bare(&["d0", "d1", "d2"], ArgClass::Interface, role)
}

const MAKES: &[Arg] = &[drawer(Role::Makes)];
const USES: &[Arg] = &[drawer(Role::Uses)];
const ENDS: &[Arg] = &[drawer(Role::Ends)];

const fn verb(code: u8, name: &'static str, args: &'static [Arg], help: &'static str) -> Verb {
    Verb { code, name, args, weight: 1, help }
}

/// The verbs of the toy.
pub static GRAMMAR: Grammar = Grammar {
    verbs: &[
        verb(0, "make", MAKES, "puts a box into a drawer"),
        verb(1, "drop", ENDS, "throws a box away"),
        verb(2, "use", USES, "looks at a box for a while"),
        verb(3, "grow", USES, "takes a reference for ever, fallible"),
        verb(4, "mark", USES, "marks a box"),
    ],
    max_cpus: 2,
    ..Grammar::named("toy", 0)
};

static DEFECTS: &[Defect] = &[
    defect("unlocked", Kind::Enabling, Reach::Preemption, 0),
    defect("use-unreferenced", Kind::WayIn, Reach::Preemption, 1 << UNLOCKED),
    defect("grow-rollback-twice", Kind::WayIn, Reach::Fault, 0),
    defect("drop-forgets-marked", Kind::WayIn, Reach::Sequence, 0),
    defect("guessed-panic", Kind::Hypothesis, Reach::Sequence, 0),
    defect("use-checks-plain", Kind::Repair, Reach::Sequence, 1 << UNREFERENCED),
    defect("use-checks-marked", Kind::Repair, Reach::Sequence, 1 << UNREFERENCED),
    defect("use-asserts", Kind::Repair, Reach::Sequence, 1 << UNREFERENCED),
];

static PROPOSALS: &[Proposal] = &[
    Proposal { name: "LOCK", what: "`use` is locked", off: 1 << UNLOCKED, on: 0 },
    Proposal { name: "LAST", what: "the last drawer is as good", off: 1 << GUESS, on: 0 },
    Proposal { name: "PLAIN", what: "a check", off: 0, on: 1 << CHECKS_PLAIN },
    Proposal { name: "MARKED", what: "the same for the others", off: 0, on: 1 << CHECKS_MARKED },
    Proposal { name: "ASSERT", what: "an assertion", off: 0, on: 1 << ASSERTS },
];

const fn defect(id: &'static str, kind: Kind, reach: Reach, needs: DefectSet) -> Defect {
    Defect {
        id,
        class: "toy",
        kind,
        reach,
        needs,
        source: "toy.c:here",
        what: "wrong on purpose",
        repair: "ours",
    }
}

/// A box counts its references like everything that has them.
pub static COUNT: Rule = Rule::new("toy-count", "a box in a drawer has one reference per holder");
/// Nothing is left.
pub static LEFT: Rule = Rule::new("toy-left", "nothing is left at the end");

/// What a freed box holds.
const DEAD: u32 = 0xdead_c0de;

/// A box.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Carton {
    refs: F<u32>,
    grown: F<u32>,
    marked: F<bool>,
}

impl Object for Carton {
    const CLASS: u8 = 0;
    fn poison(&self, _: Option<u8>) {
        self.refs.set(DEAD);
    }
}

/// The cupboard.
#[derive(Clone, Default, PartialEq)]
pub struct Cupboard {
    cartons: Slab<Carton, 8>,
    drawers: [F<Id<Carton>>; 3],
}

static LOCKS: [LockInfo; 1] =
    [LockInfo { name: "cupboard", kind: LockKind::Sx, recursive: false, rank: 1, added: true }];
const CUPBOARD: LockId = LockId(0);

static ROOT: Func = Func { name: "thread user", file: "" };
static CLOSER: Func = Func { name: "thread closer", file: "" };
static MAKE: Func = Func { name: "carton_make", file: "toy/carton.c" };
static DROP: Func = Func { name: "carton_drop", file: "toy/carton.c" };
static USE: Func = Func { name: "carton_use", file: "toy/carton.c" };
static GROW: Func = Func { name: "carton_grow", file: "toy/carton.c" };
static MARK: Func = Func { name: "carton_mark", file: "toy/carton.c" };

type K = Kernel<Toy>;

fn take(k: &K, c: Id<Carton>) {
    k.record_ref(ObjRef::of(c), 1, k[c].refs.inc());
}

fn release(k: &K, c: Id<Carton>) {
    let left = k[c].refs.dec();
    k.record_ref(ObjRef::of(c), -1, left);
    if left == 0 && k.st.cartons.is_live(c) {
        k.check_hands(ObjRef::of(c));
        k.record(|| What::Free(ObjRef::of(c)));
        k.st.cartons.free(c);
    }
}

async fn operate(k: &K, op: Op) -> i32 {
    let _root = k.frame(&ROOT);
    let drawer = &k.st.drawers[usize::from(op.args[0]) % 3];
    match op.verb {
        0 => {
            let _f = k.frame(&MAKE);
            k.yield_at("carton_make:malloc").await;
            if !drawer.get().is_null() {
                return 17;
            }
            if k.fails("carton_make:malloc") {
                return 12;
            }
            let Some(c) = k.st.cartons.alloc() else {
                k.exhaust();
                return 12;
            };
            k.record(|| What::Alloc(ObjRef::of(c)));
            k[c].refs.set(1);
            k[c].grown.set(0);
            k[c].marked.set(false);
            drawer.set(c);
            0
        }
        1 => {
            let _f = k.frame(&DROP);
            k.lock(CUPBOARD).await;
            let c = drawer.get();
            k.yield_at("carton_drop:unlink").await;
            let errno = if c.is_null() { 2 } else { throw_away(k, drawer, c) };
            k.unlock(CUPBOARD);
            errno
        }
        2 => look(k, drawer).await,
        3 => {
            let _f = k.frame(&GROW);
            let c = drawer.get();
            if c.is_null() {
                return 2;
            }
            take(k, c);
            if k.fails("carton_grow:malloc") {
                release(k, c);
                if k.on(ROLLBACK) {
                    release(k, c);
                }
                return 12;
            }
            k[c].grown.inc();
            0
        }
        _ => {
            let _f = k.frame(&MARK);
            let c = drawer.get();
            if c.is_null() {
                return 2;
            }
            if op.args[0] == 2 && k.on(GUESS) {
                k.kernel_fault(FaultKind::Panic("the last drawer"), ObjRef::of(c), "carton_mark");
            }
            k[c].marked.set(true);
            0
        }
    }
}

fn throw_away(k: &K, drawer: &F<Id<Carton>>, c: Id<Carton>) -> i32 {
    drawer.set(Id::NULL);
    for _ in 0..k[c].grown.get() {
        release(k, c);
    }
    if !(k[c].marked.get() && k.on(FORGOTTEN)) {
        release(k, c);
    }
    0
}

async fn look(k: &K, drawer: &F<Id<Carton>>) -> i32 {
    let _f = k.frame(&USE);
    let locked = !k.on(UNLOCKED);
    if locked {
        k.lock(CUPBOARD).await;
    }
    let c = drawer.get();
    let mut errno = 2;
    if !c.is_null() {
        let bare = k.on(UNREFERENCED);
        if !bare {
            take(k, c);
        }
        let hold = k.hold(ObjRef::of(c), !bare);
        k.yield_at("carton_use:sleep").await;
        k.yield_at("carton_use:wake").await;
        let dead = k[c].refs.get() == DEAD;
        let checks = if k[c].marked.get() { CHECKS_MARKED } else { CHECKS_PLAIN };
        if dead && !k.on(checks) {
            match k.on(ASSERTS) {
                true => k.kernel_fault(FaultKind::Assert("c is alive"), ObjRef::of(c), "c"),
                false => k.kernel_fault(FaultKind::Poison, ObjRef::of(c), "c->refs"),
            }
        }
        drop(hold);
        if !bare {
            release(k, c);
        }
        errno = 0;
    }
    if locked {
        k.unlock(CUPBOARD);
    }
    errno
}

impl Stack for Toy {
    type State = Cupboard;
    type Job = usize;

    fn grammar() -> &'static Grammar {
        &GRAMMAR
    }

    fn defects() -> &'static [Defect] {
        DEFECTS
    }

    fn proposals() -> &'static [Proposal] {
        PROPOSALS
    }

    fn rules() -> &'static [&'static crate::shadow::Rule] {
        &[]
    }

    fn explain(_: &crate::shadow::Violation) -> String {
        String::new()
    }

    fn locks() -> &'static [LockInfo] {
        &LOCKS
    }

    fn class_name(_: u8) -> &'static str {
        "carton"
    }

    fn boot(_: &K) {}

    fn op_cpu(_: &Op, _: usize) -> u8 {
        0
    }

    async fn thread(k: &K, job: Job<usize>) -> i32 {
        match job {
            Job::Op(op) => operate(k, op).await,
            Job::Thread(i) => {
                let _root = k.frame(&CLOSER);
                let drawer = &k.st.drawers[i];
                match drawer.get() {
                    c if c.is_null() => 2,
                    c => throw_away(k, drawer, c),
                }
            }
        }
    }

    fn after_op(k: &K, _: &Op, _: Option<i32>, rest: bool) {
        for d in k.st.drawers.iter().map(F::get).filter(|d| rest && !d.is_null()) {
            let c = k.st.cartons.raw(d);
            let (has, holders) = (c.refs.get(), 1 + c.grown.get());
            if !k.st.cartons.is_live(d) || has != holders {
                k.violate(&COUNT, ObjRef::of(d), ObjRef::NONE, [has, holders]);
            }
        }
    }

    fn teardown(_: &K, n: u32) -> Option<(usize, u8)> {
        (n < 3).then_some((n as usize, 0))
    }

    fn audit_end(k: &K) {
        if let Some((c, _)) = k.st.cartons.iter().next() {
            k.violate(&LEFT, ObjRef::of(c), ObjRef::NONE, [0, 0]);
        }
    }

    fn describe(k: &K, obj: ObjRef) -> Vec<String> {
        let c = k.st.cartons.raw(Id::new(obj.slot, obj.generation));
        vec![format!("refs {} grown {}", c.refs.get(), c.grown.get())]
    }
}

impl Holds<Carton> for Toy {
    fn look(st: &Cupboard, id: Id<Carton>) -> (&Carton, bool) {
        st.cartons.look(id)
    }
}
