//! A network stack of one's own, by ifscrub's public API alone: two interfaces with one
//! address each, one route table, and an ARP announcement by timer. All of them, and threads
//! at work, own references to addresses. `docs/your-own-stack.md` walks through this file.
//!
//! `cargo run --example tiny_stack` hunts for each of two defects, then without any; with
//! arguments it is ifscrub's command line for this stack.

use ifscrub::hunt::{Config, Hunt, progress::Progress};
use ifscrub::stack::prelude::*;
use ifscrub::triage::{report::Report, sets};
use std::process::ExitCode;

const ENOENT: i32 = 2;
const ENOMEM: i32 = 12;
const EEXIST: i32 = 17;
const NETIFS: &[&str] = &["eth0", "eth1"];
/// The last two are the interfaces' own networks.
const ROUTES: &[&str] = &["default", "192.168.0.0/16", "10.0.0.0/24", "10.0.1.0/24"];
const OWN: usize = 2;

const fn netif(role: Role) -> Arg {
    Arg::bare(NETIFS, ArgClass::Interface, role)
}
const fn route(role: Role) -> Arg {
    Arg::bare(ROUTES.split_at(OWN).0, ArgClass::Address, role)
}
static GRAMMAR: Grammar = Grammar {
    verbs: &[
        Verb::new(0, "addr_add", &[netif(Role::Makes)], "gives an interface its address"),
        Verb::new(1, "addr_del", &[netif(Role::Ends)], "takes it away"),
        Verb::new(2, "route_add", &[route(Role::Makes), netif(Role::Uses)], "makes a route"),
        Verb::new(3, "route_del", &[route(Role::Ends)], "ends it"),
        Verb::new(4, "timer", &[], "lets time pass until the next announcement"),
    ],
    ..Grammar::named("tiny", Grammar::FIRST_FREE_ID)
};

const LATE_REFERENCE: u8 = 0;
const UNDO_KEEPS_REFERENCE: u8 = 1;
static DEFECTS: &[Defect] = &[
    Defect {
        class: "missing reference",
        source: "tiny/route.c route_add()",
        what: "the address is in hand without a reference while the gateway is asked",
        repair: "ours: takes the reference under the lock of the lookup",
        ..Defect::way_in("late-reference", Reach::Preemption)
    },
    Defect {
        class: "missing release",
        source: "tiny/addr.c addr_add()",
        what: "the undo stops the announcement and keeps the reference that it owned",
        repair: "ours: drops it",
        ..Defect::way_in("undo-keeps-reference", Reach::Fault)
    },
];
static COUNT: Rule = Rule::new("tiny-count", "an address has one reference per holder");
static LEFT: Rule = Rule::new("tiny-left", "no address is left when no interface has one");
static RULES: [&Rule; 2] = [&COUNT, &LEFT];

/// An interface address.
#[derive(Clone, Default, PartialEq)]
pub struct Addr {
    /// The model's own counter, which the census recounts.
    pub refs: F<u32>,
    /// Bound to [`CORE`]; owns a reference unless it is idle.
    announce: Callout,
}
impl Object for Addr {
    const CLASS: u8 = 0;
    fn poison(&self, _: Option<u8>) {
        self.refs.set(0xdead_c0de);
    }
}

/// All memory of the stack.
#[derive(Clone, Default, PartialEq)]
pub struct State {
    /// The addresses.
    pub addrs: Slab<Addr, 8>,
    /// The address of each interface; owns a reference.
    netifs: [F<Id<Addr>>; 2],
    /// The address that each route leads through; owns a reference.
    routes: [F<Id<Addr>>; 4],
}

/// Protects everything. A mutex: nobody sleeps with it.
const CORE: LockId = LockId(0);
/// The stack.
pub struct Tiny;
type K = Kernel<Tiny>;

fn take(k: &K, a: Id<Addr>) {
    k.record_ref(ObjRef::of(a), 1, k[a].refs.inc());
}
fn release(k: &K, a: Id<Addr>) {
    let left = k[a].refs.dec();
    k.record_ref(ObjRef::of(a), -1, left);
    if left == 0 {
        k.free(&k.st.addrs, a);
    }
}
fn get(place: &F<Id<Addr>>) -> Result<Id<Addr>, i32> {
    Some(place.get()).filter(|a| !a.is_null()).ok_or(ENOENT)
}
fn unset(k: &K, place: &F<Id<Addr>>) -> Result<(), i32> {
    let a = get(place)?;
    place.set(Id::NULL);
    release(k, a);
    Ok(())
}

fn addr_add(k: &K, n: usize) -> Result<(), i32> {
    let _f = k.frame(&Func { name: "addr_add", file: "tiny/addr.c" });
    if get(&k.st.netifs[n]).is_ok() {
        return Err(EEXIST);
    }
    let a = k.alloc(&k.st.addrs).ok_or(ENOMEM)?;
    k[a].refs.zero();
    k[a].announce.zero();
    take(k, a); // the interface's
    k.st.netifs[n].set(a);
    take(k, a); // the announcement's
    k[a].announce.reset_locked(k, CORE, 1000);
    let inserted = route_insert(k, OWN + n, a);
    if inserted.is_err() {
        k[a].announce.stop_locked(k, CORE);
        if !k.on(UNDO_KEEPS_REFERENCE) {
            release(k, a);
        }
        unset(k, &k.st.netifs[n])?;
    }
    inserted
}

fn addr_del(k: &K, n: usize) -> Result<(), i32> {
    let _f = k.frame(&Func { name: "addr_del", file: "tiny/addr.c" });
    let a = get(&k.st.netifs[n])?;
    for route in k.st.routes.iter().filter(|r| r.get() == a) {
        unset(k, route)?;
    }
    if k[a].announce.state() != CalloutState::Idle && k[a].announce.stop_locked(k, CORE) {
        release(k, a);
    }
    unset(k, &k.st.netifs[n])
}

async fn route_add(k: &K, to: usize, n: usize) -> Result<(), i32> {
    let _f = k.frame(&Func { name: "route_add", file: "tiny/route.c" });
    let a = get(&k.st.netifs[n])?;
    let late = k.on(LATE_REFERENCE);
    if !late {
        take(k, a);
    }
    let hand = k.hold(ObjRef::of(a), !late);
    k.unlock(CORE);
    k.might_sleep();
    k.yield_at("arp_resolve:sleep").await;
    k.lock(CORE).await; // the interface may have lost its address meanwhile
    if late {
        take(k, a);
    }
    drop(hand);
    let inserted = if get(&k.st.netifs[n]) == Ok(a) { route_insert(k, to, a) } else { Err(ENOENT) };
    release(k, a);
    inserted
}

fn route_insert(k: &K, to: usize, a: Id<Addr>) -> Result<(), i32> {
    if get(&k.st.routes[to]).is_ok() {
        return Err(EEXIST);
    }
    if k.fails("route_insert:malloc") {
        return Err(ENOMEM);
    }
    take(k, a);
    k.st.routes[to].set(a);
    Ok(())
}

/// The timer thread: the callout takes [`CORE`] by itself.
async fn timer(k: &K) -> Result<(), i32> {
    let _f = k.frame(&Func { name: "arp_announce", file: "tiny/arp.c" });
    let due = k.st.addrs.iter().filter_map(|(a, addr)| Some((addr.announce.due()?, a)));
    let ((at, _), a) = due.min_by_key(|(due, _)| *due).ok_or(ENOENT)?;
    k.set_now(at);
    k[a].announce.dispatch_on(k);
    k.unlock(CORE);
    if Callout::enter_locked(k, CORE, || &k[a].announce).await {
        k[a].announce.leave(k);
        release(k, a);
    } else {
        k.lock(CORE).await;
    }
    Ok(())
}

/// The census: shows everything that owns a reference to an address.
fn holders(k: &K, a: Id<Addr>, mut show: impl FnMut(&'static str)) {
    let places = k.st.netifs.iter().chain(&k.st.routes).zip(NETIFS.iter().chain(ROUTES));
    places.filter(|(place, _)| place.get() == a).for_each(|(_, name)| show(name));
    if k.st.addrs.raw(a).announce.state() != CalloutState::Idle {
        show("its announcement");
    }
    k.for_holds(|_, obj, counted| {
        if counted && obj == ObjRef::of(a) {
            show("a thread");
        }
    });
}

impl Holds<Addr> for Tiny {
    fn look(st: &State, id: Id<Addr>) -> (&Addr, bool) {
        (st.addrs.raw(id), st.addrs.is_live(id))
    }
}

impl Stack for Tiny {
    type State = State;
    type Job = usize;
    fn grammar() -> &'static Grammar {
        &GRAMMAR
    }
    fn defects() -> &'static [Defect] {
        DEFECTS
    }
    fn rules() -> &'static [&'static Rule] {
        &RULES
    }
    fn locks() -> &'static [LockInfo] {
        &[LockInfo { name: "core", kind: LockKind::Mutex, recursive: false, rank: 0, added: false }]
    }
    fn class_name(_: u8) -> &'static str {
        "addr"
    }
    async fn thread(k: &K, job: Job<usize>) -> i32 {
        let _root = k.frame(&Func { name: "thread user", file: "" });
        k.lock(CORE).await;
        let done = match job {
            Job::Thread(n) => addr_del(k, n),
            Job::Op(op) => match (op.verb, op.args.map(usize::from)) {
                (0, [n, ..]) => addr_add(k, n),
                (1, [n, ..]) => addr_del(k, n),
                (2, [to, n, ..]) => route_add(k, to, n).await,
                (3, [to, ..]) => unset(k, &k.st.routes[to]),
                _ => timer(k).await,
            },
        };
        k.unlock(CORE);
        done.err().unwrap_or(0)
    }
    fn after_op(k: &K, _: &Op, _: Option<i32>, _: bool) {
        for (a, addr) in k.st.addrs.iter() {
            let mut held = 0;
            holders(k, a, |_| held += 1);
            if addr.refs.get() != held {
                k.violate(&COUNT, ObjRef::of(a), ObjRef::NONE, [addr.refs.get(), held]);
            }
        }
    }
    fn teardown(_: &K, n: u32) -> Option<(usize, u8)> {
        (n < 2).then_some((n as usize, 0))
    }
    fn audit_end(k: &K) {
        for (a, _) in k.st.addrs.iter() {
            k.violate(&LEFT, ObjRef::of(a), ObjRef::NONE, [0, 0]);
        }
    }
    fn describe(k: &K, obj: ObjRef) -> Vec<String> {
        let a = Id::new(obj.slot, obj.generation);
        let mut lines = vec![format!("refs {:#x}", k.st.addrs.raw(a).refs.get())];
        holders(k, a, |name| lines.push(format!("held by {name}")));
        lines
    }
}

/// The list that engines and command line choose from.
pub static MODELS: &[Model] = &[Model::of::<Tiny>()];

/// What is found with these defects on, and those of them that are not found.
pub fn hunt(defects: DefectSet, runs: u64) -> (Vec<Report>, DefectSet) {
    let make = || MODELS[0].machine();
    let mut hunt = Hunt::new(Config { defects, runs: Some(runs), ..Config::default() }, &make);
    let reports = hunt.run(&Progress::silent()).and_then(|_| hunt.reports());
    (reports.unwrap_or_else(|bug| panic!("{bug}\n{}", bug.program)), hunt.unfound())
}

fn main() -> ExitCode {
    if std::env::args().len() > 1 {
        return ExitCode::from(ifscrub::cli::run_with(MODELS, std::env::args_os()));
    }
    let mut wrong = false;
    for defects in [1 << LATE_REFERENCE, 1 << UNDO_KEEPS_REFERENCE, 0] {
        let (reports, unfound) = hunt(defects, 20_000);
        println!("== defects {}: {} found", sets::display(DEFECTS, defects), reports.len());
        reports.iter().for_each(|r| println!("\n{}\n{r}", r.program));
        wrong |= unfound != 0 || defects == 0 && !reports.is_empty();
    }
    ExitCode::from(u8::from(wrong))
}
