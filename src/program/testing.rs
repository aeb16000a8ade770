//! What the tests of this module share: two small grammars and random programs.
//!
//! The grammars have gaps in their opcodes, positional and keyed arguments, one verb
//! without arguments, and a first grammar whose id is not 0, so that nothing passes
//! only because the numbers happen to be dense.

use proptest::prelude::*;

use super::bytes::DecodeTable;
use super::{
    Arg, ArgClass, Grammar, Header, MAX_OPS, NamedPoint, PointKind, Points, Program, Role, Stop,
    Thresholds, Verb,
};

/// Names of interfaces.
pub const INTERFACES: &[&str] = &["em0", "gif0", "gif1", "lo0"];
/// Addresses.
pub const ADDRESSES: &[&str] = &["10.0.0.1", "10.0.0.2", "10.0.1.1", "fe80::1/64"];
const PCBS: &[&str] = &["tcp0", "tcp1"];

const fn arg(key: &'static str, choices: &'static [&'static str], class: ArgClass) -> Arg {
    Arg { key, ..Arg::bare(choices, class, Role::Names) }
}

const IF: Arg = arg("", INTERFACES, ArgClass::Interface);
const ADDR: Arg = arg("", ADDRESSES, ArgClass::Address);
const PCB: Arg = arg("", PCBS, ArgClass::Pcb);

const fn verb(code: u8, name: &'static str, args: &'static [Arg], weight: u8) -> Verb {
    Verb { code, name, args, weight, help: "" }
}

/// The verbs that [`FIRST`] had before `shutdown` was appended.
pub const OLD_VERBS: &[Verb] = &[
    verb(1, "SIOCSIFADDR", &[IF, ADDR], 3),
    verb(
        2,
        "SIOCAIFADDR",
        &[
            IF,
            ADDR,
            arg("mask", &["/32", "/24", "/8"], ArgClass::Other),
            arg("dst", &["none", "10.0.0.2", "10.0.1.1"], ArgClass::Address),
        ],
        4,
    ),
    verb(3, "SIOCDIFADDR", &[IF, ADDR], 2),
    verb(5, "connect", &[PCB, arg("to", ADDRESSES, ArgClass::Address)], 1),
    verb(9, "send", &[PCB], 1),
    verb(200, "advance", &[arg("", &["1ms", "50ms", "1s", "90s"], ArgClass::Other)], 1),
];

const NEW_VERBS: &[Verb] = &[
    OLD_VERBS[0],
    OLD_VERBS[1],
    OLD_VERBS[2],
    OLD_VERBS[3],
    OLD_VERBS[4],
    OLD_VERBS[5],
    verb(201, "shutdown", &[], 1),
];

/// The first grammar.
pub static FIRST: Grammar =
    Grammar { verbs: NEW_VERBS, max_cpus: 4, ..Grammar::named("dragonfly-2007", 3) };

/// [`FIRST`] before its last verb was appended.
pub static OLD_FIRST: Grammar = Grammar { verbs: OLD_VERBS, ..FIRST };

/// The second grammar.
pub static SECOND: Grammar = Grammar {
    verbs: &[verb(0, "idle", &[], 1), verb(1, "SIOCIFDESTROY", &[IF], 1)],
    thresholds: true,
    max_ifindex: 31,
    max_preempt_at: 255,
    usual: Points::new(100, 8),
    ..Grammar::named("freebsd-14", 7)
};

/// Both.
pub static GRAMMARS: [&Grammar; 2] = [&FIRST, &SECOND];

/// What [`Op`] promises about canonical operations, written out independently of the
/// decoder.
pub fn assert_canonical(p: &Program) {
    let g = GRAMMARS.iter().find(|g| g.id == p.header.kernel).expect("a known kernel");
    assert!((1..=g.max_cpus).contains(&p.header.ncpus), "{p:?}");
    assert!(p.ops.len() <= MAX_OPS, "{p:?}");
    assert!(g.thresholds || p.header.thresholds == Thresholds::Real, "{p:?}");
    assert!(p.header.ifindex <= g.max_ifindex, "{p:?}");
    for op in &p.ops {
        let verb = g.verb(op.verb).expect("a verb of the grammar");
        for (i, &value) in op.args.iter().enumerate() {
            let choices = verb.args.get(i).map_or(1, |a| a.choices.len());
            assert!(usize::from(value) < choices, "{op:?}");
        }
        let latest = if g.id == FIRST.id { 63 } else { 255 };
        assert!(u16::from(op.preempt_at) <= latest && op.preempt_for <= 7, "{op:?}");
        assert_eq!(op.preempt_at == 0, op.preempt_for == 0, "{op:?}");
        assert!(op.fail == 0 || (1..=63).contains(&(op.fail & 0x7f)), "{op:?}");
    }
}

/// The grammar of `p`.
pub fn grammar_of(p: &Program) -> &'static Grammar {
    GRAMMARS.iter().find(|g| g.id == p.header.kernel).expect("a known kernel")
}

/// A canonical program of either grammar, as bytes could hold it.
pub fn program() -> impl Strategy<Value = Program> {
    let records = prop::collection::vec(any::<[u8; 8]>(), 0..=MAX_OPS);
    (any::<(bool, u8, bool, bool, u8)>(), records).prop_map(|(header, records)| {
        let (second, cpus, kernel, small, ifindex) = header;
        let g = GRAMMARS[usize::from(second)];
        let table = DecodeTable::new(g);
        Program {
            header: Header {
                kernel: g.id,
                ncpus: 1 + cpus % g.max_cpus,
                stop: if kernel { Stop::Kernel } else { Stop::Books },
                thresholds: match small && g.thresholds {
                    true => Thresholds::Small,
                    false => Thresholds::Real,
                },
                ifindex: ifindex % (g.max_ifindex + 1),
                defects: None,
            },
            ops: records.into_iter().map(|r| table.op(r)).collect(),
            named: Vec::new(),
        }
    })
}

/// A canonical program with defects and named points, as only text can hold it.
pub fn named_program() -> impl Strategy<Value = Program> {
    let defects = prop::option::of(prop::collection::vec("[a-m][a-z0-9-]{0,12}", 0..4));
    let point = (any::<bool>(), prop::option::of(any::<bool>()), name(), 1..=u8::MAX);
    let points = prop::collection::vec(point, MAX_OPS);
    (program(), defects, points).prop_map(|(mut p, defects, points)| {
        p.header.defects = defects;
        for (op, (preempt, fail, name, occurrence)) in points.into_iter().enumerate() {
            let Some(o) = p.ops.get_mut(op) else { break };
            if preempt {
                (o.preempt_at, o.preempt_for) = (0, 1 + o.preempt_for % 7);
                let (kind, name) = (PointKind::Preempt, name.clone());
                p.named.push(NamedPoint { op, kind, name, occurrence });
            }
            if let Some(persistent) = fail {
                o.fail = 0;
                let kind = PointKind::Fail { persistent };
                p.named.push(NamedPoint { op, kind, name, occurrence });
            }
        }
        p
    })
}

fn name() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_:/.-]{1,20}"
}
