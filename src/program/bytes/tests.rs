//! Tests of the byte form.

use proptest::prelude::*;

use super::super::testing::{
    FIRST, GRAMMARS, OLD_FIRST, OLD_VERBS, SECOND, assert_canonical, program,
};
use super::super::{Arg, ArgClass, NamedPoint, PointKind, Verb};
use super::*;

#[test]
fn nothing_is_the_default_header_of_the_first_grammar() {
    let p = decode(&GRAMMARS, &[]);
    let header = Header::new(FIRST.id);
    assert_eq!(p, Program { header, ops: Vec::new(), named: Vec::new() });
}

#[test]
fn the_header_record_says_kernel_cpus_and_stop() {
    let p = decode(&GRAMMARS, &[1, FIRST.id, 2, 1]);
    assert_eq!((p.header.kernel, p.header.ncpus), (FIRST.id, 3));
    assert_eq!(p.header.stop, Stop::Kernel);
    let p = decode(&GRAMMARS, &[1, SECOND.id, 9, 2, 0, 0, 0, 0]);
    assert_eq!((p.header.kernel, p.header.ncpus), (SECOND.id, 1));
    assert_eq!(p.header.stop, Stop::Books);
}

#[test]
fn an_unknown_kernel_is_one_of_the_known() {
    assert_eq!(decode(&GRAMMARS, &[1, 100]).header.kernel, FIRST.id);
    assert_eq!(decode(&GRAMMARS, &[1, 101]).header.kernel, SECOND.id);
}

#[test]
fn a_record_that_is_cut_off_is_filled_with_zeros() {
    let mut bytes = vec![1, FIRST.id, 0, 0, 0, 0, 0, 0];
    bytes.extend([1, 2, 3]);
    let whole = Op { verb: 1, args: [2, 3, 0, 0], ..Op::default() };
    assert_eq!(decode(&GRAMMARS, &bytes).ops, [whole]);
}

#[test]
fn what_is_out_of_range_is_brought_into_range() {
    let table = DecodeTable::new(&FIRST);
    let op = table.op([1, 6, 7, 8, 9, 0x40 | 5, 0x08, 0x40 | 0x80 | 7]);
    assert_eq!((op.verb, op.args), (1, [2, 3, 0, 0]));
    assert_eq!((op.preempt_at, op.preempt_for), (5, 1));
    assert_eq!((op.fail_at(), op.fail_persistent()), (7, true));
    let op = table.op([9, 1, 0, 0, 0, 0x40, 7, 0x80 | 0x40]);
    assert_eq!(op, Op { verb: 9, args: [1, 0, 0, 0], ..Op::default() });
}

#[test]
fn records_beyond_the_limit_are_ignored() {
    let bytes = vec![1; RECORD * (MAX_OPS + 9) + 3];
    assert_eq!(decode(&GRAMMARS, &bytes).ops.len(), MAX_OPS);
}

#[test]
fn an_appended_verb_leaves_the_old_opcodes_alone() {
    let (old, new) = (DecodeTable::new(&OLD_FIRST), DecodeTable::new(&FIRST));
    for verb in OLD_VERBS {
        for value in 0..=u8::MAX {
            let record = [verb.code, value, value, value, value, value, value, value];
            assert_eq!(old.op(record), new.op(record));
            assert_eq!(new.op(record).verb, verb.code);
        }
    }
    assert_eq!(new.op([201, 0, 0, 0, 0, 0, 0, 0]).verb, 201);
}

#[test]
fn decoding_again_reuses_the_memory() {
    let decoder = Decoder::new(&GRAMMARS);
    let mut p = decoder.decode(&[1; RECORD * 40]);
    p.named.push(named(0));
    p.header.defects = Some(Vec::new());
    let before = p.ops.as_ptr();
    decoder.decode_into(&[2; RECORD * 30], &mut p);
    assert_eq!(p, decoder.decode(&[2; RECORD * 30]));
    assert_eq!(p.ops.as_ptr(), before);
}

fn named(op: usize) -> NamedPoint {
    NamedPoint { op, kind: PointKind::Preempt, name: "rtinit:enter".into(), occurrence: 1 }
}

#[test]
fn what_bytes_cannot_hold_is_refused() {
    let mut p = decode(&GRAMMARS, &[1; RECORD * 2]);
    p.named.push(named(0));
    let error = encode(&p).unwrap_err();
    assert!(error.to_string().contains("rtinit:enter"), "{error}");
    p.named.clear();
    p.ops = vec![p.ops[0]; MAX_OPS + 1];
    assert_eq!(encode(&p), Err(EncodeError::TooLong(MAX_OPS + 1)));
}

#[test]
fn the_test_grammars_are_sound() {
    assert_eq!(check(&GRAMMARS), Ok(()));
    assert_eq!(check(&[&OLD_FIRST]), Ok(()));
}

/// `FIRST` with other verbs, leaked because grammars are static.
fn with_verbs(verbs: Vec<Verb>) -> &'static Grammar {
    Box::leak(Box::new(Grammar { verbs: Vec::leak(verbs), ..FIRST }))
}

#[test]
fn unsound_grammars_are_told_apart() {
    let verb = OLD_VERBS[1];
    let with_args = |args: &[Arg]| {
        let args = Vec::leak(args.to_vec());
        check(&[with_verbs(vec![Verb { args, ..verb }])]).unwrap_err().what
    };
    let plain = |choices: &'static [&'static str]| Arg { key: "", choices, ..verb.args[0] };
    let mask = Arg { key: "mask", ..Arg::bare(&["/8"], ArgClass::Other, Default::default()) };

    assert!(check(&[&FIRST, &OLD_FIRST]).unwrap_err().what.contains("taken"));
    let error = check(&[with_verbs(vec![verb, OLD_VERBS[0]])]).unwrap_err();
    assert!(error.to_string().contains("dragonfly-2007: its opcodes"), "{error}");
    let error = check(&[with_verbs(vec![Verb { name: "ncpus", ..verb }])]).unwrap_err();
    assert!(error.what.contains("cannot be a verb"));
    assert!(check(&[with_verbs(vec![Verb { weight: 0, ..verb }])]).is_err());
    assert!(check(&[with_verbs(Vec::new())]).is_err());
    assert!(with_args(&[mask, mask]).contains("keyword `mask`"));
    assert!(with_args(&[plain(&["mask"]), mask]).contains("take `mask`"));
    assert!(with_args(&[plain(&["fail"])]).contains("take `fail`"));
    assert!(with_args(&[plain(&["a b"])]).contains("take `a b`"));
    assert!(with_args(&[plain(&["a", "a"])]).contains("take `a`"));
    assert!(with_args(&[plain(&[])]).contains("choices"));
}

proptest! {
    #[test]
    fn any_bytes_decode_to_a_canonical_and_stable_program(
        data in prop::collection::vec(any::<u8>(), 0..700),
    ) {
        let p = decode(&GRAMMARS, &data);
        assert_canonical(&p);
        prop_assert_eq!(decode(&GRAMMARS, &encode(&p).unwrap()), p);
    }

    #[test]
    fn canonical_programs_survive_encoding(p in program()) {
        assert_canonical(&p);
        prop_assert_eq!(decode(&GRAMMARS, &encode(&p).unwrap()), p);
    }

    #[test]
    fn changing_one_record_changes_no_other_operation(
        p in program(), at in any::<prop::sample::Index>(), record in any::<[u8; RECORD]>(),
    ) {
        prop_assume!(!p.ops.is_empty());
        let at = at.index(p.ops.len());
        let mut bytes = encode(&p).unwrap();
        bytes[(1 + at) * RECORD..][..RECORD].copy_from_slice(&record);
        let mut q = decode(&GRAMMARS, &bytes);
        q.ops[at] = p.ops[at];
        prop_assert_eq!(q, p);
    }
}
