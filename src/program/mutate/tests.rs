//! Tests of the mutator.

use std::collections::HashSet;

use proptest::prelude::*;

use super::super::bytes::{decode, encode};
use super::super::generate::{Generator, Rng};
use super::super::testing::{
    FIRST, GRAMMARS, SECOND, assert_canonical, grammar_of, named_program, program,
};
use super::*;

fn generated(index: u64) -> Program {
    Generator::new(&FIRST, GenConfig::default(), 1).program(index)
}

fn mutated(p: &Program, seed: u32, max_ops: usize) -> Program {
    let mut q = p.clone();
    mutate(&Lexicon::new(grammar_of(p)), &mut q, &mut Rng::new(SplitMix::new(seed)), max_ops);
    q
}

#[test]
fn a_mutation_depends_on_its_seed_and_nearly_always_changes_something() {
    let p = generated(0);
    let (mut changed, mut distinct) = (0, HashSet::new());
    for seed in 0..1000 {
        let q = mutated(&p, seed, MAX_OPS);
        assert_eq!(q, mutated(&p, seed, MAX_OPS));
        changed += usize::from(q != p);
        distinct.insert(q);
    }
    assert!(changed > 950 && distinct.len() > 750, "{changed} {}", distinct.len());
}

#[test]
fn most_mutations_keep_most_operations() {
    let p = generated(1);
    let kept = |q: &Program| p.ops.iter().filter(|o| q.ops.contains(o)).count();
    let close = (0..1000).filter(|&s| kept(&mutated(&p, s, MAX_OPS)) + 4 >= p.ops.len());
    assert!(close.count() > 850);
}

#[test]
fn programs_neither_grow_nor_shrink_by_themselves() {
    let mut sizes = 0;
    let lexicon = Lexicon::new(&FIRST);
    for start in 0..100 {
        let mut p = generated(start);
        let mut rng = Rng::new(SplitMix::new(start as u32));
        for _ in 0..100 {
            mutate(&lexicon, &mut p, &mut rng, MAX_OPS);
        }
        sizes += p.ops.len();
    }
    assert!((800..4000).contains(&sizes), "{sizes}");
}

#[test]
fn every_edit_does_what_its_name_says() {
    let lexicon = Lexicon::new(&FIRST);
    let p = generated(2);
    let n = p.ops.len();
    let sorted = |p: &Program| {
        let mut records: Vec<_> = p.ops.iter().map(encode_op).collect();
        records.sort_unstable();
        records
    };
    for seed in 0..300 {
        let apply = |edit| {
            let mut q = p.clone();
            apply(edit, &lexicon, &mut q, &mut Rng::new(SplitMix::new(seed)), MAX_OPS);
            assert_canonical(&q);
            q
        };
        let differing = |q: &Program| -> Vec<usize> {
            assert_eq!(q.ops.len(), n);
            (0..n).filter(|&i| p.ops[i] != q.ops[i]).collect()
        };
        assert_eq!(apply(Edit::Insert).ops.len(), n + 1);
        assert_eq!(apply(Edit::Delete).ops.len(), n - 1);
        let q = apply(Edit::Duplicate);
        assert!(q.ops.len() == n + 1 && q.ops.iter().all(|o| p.ops.contains(o)));
        assert_eq!(sorted(&apply(Edit::Move)), sorted(&p));
        assert_eq!(sorted(&apply(Edit::Swap)), sorted(&p));
        assert!(differing(&apply(Edit::Swap)).len() <= 2);
        let q = apply(Edit::Retarget);
        let &[i] = &differing(&q)[..] else { panic!("one operation is retargeted") };
        assert_eq!(p.ops[i].args.iter().zip(&q.ops[i].args).filter(|(a, b)| a != b).count(), 1);
        assert_eq!(Op { args: p.ops[i].args, ..q.ops[i] }, p.ops[i]);
        let q = apply(Edit::Verb);
        for i in differing(&q) {
            let (a, b) = (p.ops[i], q.ops[i]);
            assert_eq!(Op { verb: a.verb, args: a.args, ..b }, a);
        }
        let q = apply(Edit::Preempt);
        for i in differing(&q) {
            let (preempt_at, preempt_for) = (p.ops[i].preempt_at, p.ops[i].preempt_for);
            assert_eq!(Op { preempt_at, preempt_for, ..q.ops[i] }, p.ops[i]);
        }
        let q = apply(Edit::Fail);
        for i in differing(&q) {
            assert_eq!(Op { fail: p.ops[i].fail, ..q.ops[i] }, p.ops[i]);
        }
        assert_eq!(apply(Edit::Cpus).ops, p.ops);
    }
}

#[test]
fn a_new_verb_keeps_what_the_operation_is_about() {
    // SIOCSIFADDR gif1 10.0.1.1, disturbed.
    let op = Op { verb: 1, args: [2, 2, 0, 0], preempt_at: 5, preempt_for: 2, fail: 3 };
    let p = Program { ops: vec![op], ..generated(0) };
    let mut verbs = HashSet::new();
    for seed in 0..200 {
        let mut q = p.clone();
        change_verb(&Lexicon::new(&FIRST), &mut q, 0, &mut Rng::new(SplitMix::new(seed)));
        if [2, 3].contains(&q.ops[0].verb) {
            assert_eq!(q.ops[0].args[..2], [2, 2]);
        }
        verbs.insert(q.ops[0].verb);
    }
    assert_eq!(verbs.len(), FIRST.verbs.len());
}

#[test]
fn there_is_always_something_to_do_and_no_room_is_no_reason_to_panic() {
    let empty = decode(&GRAMMARS, &[]);
    assert!((0..100).any(|seed| !mutated(&empty, seed, MAX_OPS).ops.is_empty()));
    let idle = decode(&GRAMMARS, &[1, SECOND.id, 0, 0, 0, 0, 0, 0, 0]);
    for seed in 0..200 {
        assert!(mutated(&empty, seed, 0).ops.is_empty());
        assert!(mutated(&idle, seed, 1).ops.len() <= 1);
        assert_canonical(&mutated(&generated(0), seed, 3));
    }
}

#[test]
fn a_crossover_takes_from_both() {
    let (a, b) = (generated(3), generated(4));
    let mut both = 0;
    let mut out = decode(&GRAMMARS, &[]);
    for seed in 0..500 {
        let mut rng = Rng::new(SplitMix::new(seed));
        crossover(&FIRST, &a, &b, &mut out, &mut rng, MAX_OPS);
        assert_eq!(out.header, a.header);
        assert!(out.ops.iter().all(|o| a.ops.contains(o) || b.ops.contains(o)));
        let from = |p: &Program| out.ops.iter().any(|o| p.ops.contains(o));
        both += usize::from(from(&a) && from(&b));
    }
    assert!(both > 350, "{both}");
}

#[test]
fn parents_of_another_kernel_give_nothing() {
    let a = generated(5);
    let b = Generator::new(&SECOND, GenConfig::default(), 1).program(0);
    let mut out = b.clone();
    for seed in 0..100 {
        crossover(&FIRST, &a, &b, &mut out, &mut Rng::new(SplitMix::new(seed)), MAX_OPS);
        assert_canonical(&out);
        assert_eq!(out.header.kernel, FIRST.id);
        crossover(&FIRST, &b, &a, &mut out, &mut Rng::new(SplitMix::new(seed)), MAX_OPS);
        assert_canonical(&out);
        assert_eq!(out.header.kernel, FIRST.id);
    }
}

proptest! {
    #[test]
    fn mutants_stay_canonical(p in program(), seed in any::<u32>(), max_ops in 0..=70_usize) {
        let q = mutated(&p, seed, max_ops);
        assert_canonical(&q);
        prop_assert!(q.ops.len() <= max_ops);
        prop_assert_eq!((q.header.kernel, q.header.stop), (p.header.kernel, p.header.stop));
    }

    #[test]
    fn mutants_have_no_named_points(p in named_program(), seed in any::<u32>()) {
        prop_assert!(mutated(&p, seed, MAX_OPS).named.is_empty());
    }

    #[test]
    fn mutated_bytes_fit_and_are_canonical(
        data in prop::collection::vec(any::<u8>(), 0..600),
        size in 0..700_usize, max_size in 0..700_usize, seed in any::<u32>(),
    ) {
        let decoder = Decoder::new(&GRAMMARS);
        let mut buffer = data.clone();
        let new = mutate_bytes(&decoder, &mut buffer, size, max_size, seed);
        prop_assert!(new <= max_size && new <= data.len());
        prop_assert_eq!(new == 0, max_size == 0 || data.is_empty());
        let p = decoder.decode(&buffer[..new]);
        assert_canonical(&p);
        if new >= RECORD {
            prop_assert_eq!(&encode(&p).unwrap()[..], &buffer[..new]);
        }
    }

    #[test]
    fn crossed_bytes_fit_and_are_canonical(
        a in prop::collection::vec(any::<u8>(), 0..600),
        b in prop::collection::vec(any::<u8>(), 0..600),
        room in 0..700_usize, seed in any::<u32>(),
    ) {
        let decoder = Decoder::new(&GRAMMARS);
        let mut out = vec![0xff; room];
        let new = crossover_bytes(&decoder, &a, &b, &mut out, seed);
        prop_assert!(new <= room);
        let p = decoder.decode(&out[..new]);
        assert_canonical(&p);
        if new >= RECORD {
            prop_assert_eq!(&encode(&p).unwrap()[..], &out[..new]);
        }
    }
}

#[test]
fn mutants_of_bytes_reach_every_kernel_and_stay_with_the_only_one() {
    let both = Decoder::new(&GRAMMARS);
    let only = Decoder::new(&GRAMMARS[1..]);
    let start = encode(&generated(2)).unwrap();
    let kernels = |decoder: &Decoder| -> HashSet<u8> {
        let mut data = [0; 512];
        (0..500)
            .map(|seed| {
                data[..start.len()].copy_from_slice(&start);
                let size = mutate_bytes(decoder, &mut data, start.len(), 512, seed);
                let p = decoder.decode(&data[..size]);
                assert_canonical(&p);
                p.header.kernel
            })
            .collect()
    };
    assert_eq!(kernels(&both), HashSet::from([FIRST.id, SECOND.id]));
    assert_eq!(kernels(&only), HashSet::from([SECOND.id]));
}
