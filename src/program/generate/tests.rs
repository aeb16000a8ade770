//! Tests of the generator.

use std::collections::HashSet;

use super::super::testing::{FIRST, SECOND, assert_canonical};
use super::super::{Arg, Points};
use super::*;

fn programs(n: u64) -> Vec<Program> {
    let generator = Generator::new(&FIRST, GenConfig::default(), 2007);
    (0..n).map(|i| generator.program(i)).collect()
}

#[test]
fn generated_programs_are_canonical_and_within_limits() {
    for p in programs(2000) {
        assert_canonical(&p);
        assert!((12..=40).contains(&p.ops.len()));
        assert!(p.preemptions() <= 16 && p.faults() <= 4);
        assert!(p.named.is_empty() && p.header.defects.is_none());
        for op in &p.ops {
            assert!(op.preempt_at <= 20 && op.preempt_for <= 3 && op.fail_at() <= 8);
        }
    }
}

#[test]
fn a_program_depends_on_seed_and_index_only() {
    let generator = Generator::new(&FIRST, GenConfig::default(), 2007);
    let mut out = generator.program(77);
    let before = programs(10);
    for (i, p) in before.iter().enumerate().rev() {
        generator.program_into(i as u64, &mut out);
        assert_eq!(&out, p);
    }
    let distinct: HashSet<_> = before.into_iter().collect();
    assert_eq!(distinct.len(), 10);
    assert_ne!(Generator::new(&FIRST, GenConfig::default(), 2008).program(0), programs(1)[0]);
}

#[test]
fn lengths_and_disturbances_are_spread_as_promised() {
    let all = programs(4000);
    let mean = all.iter().map(|p| p.ops.len()).sum::<usize>() as f64 / 4000.0;
    assert!((23.0..25.0).contains(&mean), "{mean}");
    let lengths: HashSet<_> = all.iter().map(|p| p.ops.len()).collect();
    assert_eq!(lengths.len(), 29);
    let share = |f: fn(&Program) -> bool| all.iter().filter(|p| f(p)).count() as f64 / 4000.0;
    assert!((0.45..0.55).contains(&share(|p| p.preemptions() > 0)));
    assert!((0.45..0.55).contains(&share(|p| p.faults() > 0)));
    assert!((0.22..0.28).contains(&share(|p| p.header.ncpus == 4)));
    let most = |of: fn(&Program) -> usize| all.iter().map(of).max();
    assert!(most(Program::preemptions) > Some(10) && most(Program::faults) == Some(4));
    let mean = all.iter().map(Program::preemptions).sum::<usize>() as f64 / 2000.0;
    assert!((6.0..8.5).contains(&mean), "{mean} of a program that has any");
    let persistent = share(|p| p.ops.iter().any(Op::fail_persistent));
    assert!((0.1..0.25).contains(&persistent), "{persistent}");
}

#[test]
fn what_is_planned_is_among_the_points_that_an_operation_passes() {
    // Of verbs 3 and 9 nothing is said.
    const POINTS: &[(u8, Points)] = &[
        (1, Points::new(0, 0)),
        (2, Points::new(60, 1)),
        (5, Points::new(1, 0)),
        (200, Points::new(0, 30)),
        (201, Points::new(255, 255)),
    ];
    static MEASURED: Grammar = Grammar { points: POINTS, ..FIRST };
    let generator = Generator::new(&MEASURED, GenConfig::default(), 2007);
    let (mut preempted, mut failed) = ([0; 256], [0; 256]);
    for op in (0..12_000).flat_map(|i| generator.program(i).ops) {
        let passes = MEASURED.points_of(op.verb);
        assert!(op.preempt_at <= passes.yields.min(63), "{op:?}");
        assert!(op.fail_at() <= passes.calls.min(63), "{op:?}");
        preempted[usize::from(op.verb)] = op.preempt_at.max(preempted[usize::from(op.verb)]);
        failed[usize::from(op.verb)] = op.fail_at().max(failed[usize::from(op.verb)]);
    }
    let highest = |of: [u8; 256]| [1, 2, 3, 5, 9, 200, 201].map(|verb| of[verb]);
    assert_eq!(highest(preempted), [0, 60, 20, 1, 20, 0, 63]);
    assert_eq!(highest(failed), [0, 1, 8, 0, 8, 30, 63]);
}

#[test]
fn what_passes_more_is_disturbed_more_often_and_what_passes_nothing_never() {
    let ops: Vec<Op> = [0, 1, 0, 7, 255].map(|verb| Op { verb, ..Op::default() }).to_vec();
    let mut rng = Rng::new(SplitMix::new(5));
    let mut drawn = |places: &Places| {
        let mut drawn = [0; 5];
        (0..12_000).for_each(|_| drawn[places.pick(&mut rng).unwrap()] += 1);
        drawn
    };
    let [none, one, neither, three, eight] = drawn(&Places::of(&ops, |op| op.verb));
    assert_eq!((none, neither), (0, 0));
    for (n, digits) in [(one, 1), (three, 3), (eight, 8)] {
        assert!((900 * digits..1100 * digits).contains(&n), "{n} of {digits}");
    }
    assert_eq!(Places::of(&ops, |_| 0).pick(&mut rng), None);
}

#[test]
fn every_verb_and_every_argument_value_comes_up() {
    let all = programs(500);
    for verb in FIRST.verbs {
        let ops: Vec<_> = all.iter().flat_map(|p| &p.ops).filter(|o| o.verb == verb.code).collect();
        for (i, arg) in verb.args.iter().enumerate() {
            let values: HashSet<_> = ops.iter().map(|o| o.args[i]).collect();
            assert_eq!(values.len(), arg.choices.len(), "{}", verb.name);
        }
        assert!(!ops.is_empty(), "{}", verb.name);
        // Swarm testing: some programs do without.
        assert!(all.iter().any(|p| p.ops.iter().all(|o| o.verb != verb.code)));
    }
}

#[test]
fn values_in_use_are_preferred_by_their_words() {
    let lexicon = Lexicon::new(&FIRST);
    let mut in_use = InUse::booted(&lexicon);
    let arg = |i| lexicon.arg(FIRST.verbs[1].code, i).unwrap();
    // `10.0.1.1` is choice 2 of every address argument, `10.0.0.2` is not.
    let (bare, dst) = (arg(1), arg(3));
    in_use.note(bare, 1, NO_WORD);
    let mut rng = Rng::new(SplitMix::new(1));
    let hits = (0..3000)
        .filter(|_| dst.arg.choices[in_use.choose(dst, NO_WORD, &mut rng) as usize] == "10.0.0.2");
    let share = hits.count() as f64 / 3000.0;
    assert!((0.68..0.79).contains(&share), "0.6 + 0.4 / 3 expected, got {share}");
    let other = arg(2);
    in_use.note(other, 1, NO_WORD);
    let share =
        (0..3000).filter(|_| in_use.choose(other, NO_WORD, &mut rng) == 1).count() as f64 / 3000.0;
    assert!((0.28..0.39).contains(&share), "no preference expected, got {share}");
}

#[test]
fn disturbances_can_be_switched_off_and_lengths_set() {
    let config = GenConfig {
        stop: Stop::Kernel,
        min_ops: 50,
        max_ops: 1000,
        preemptions: false,
        faults: false,
    };
    let generator = Generator::new(&SECOND, config, 0);
    for i in 0..200 {
        let p = generator.program(i);
        assert_canonical(&p);
        assert_eq!((p.preemptions(), p.faults(), p.header.stop), (0, 0, Stop::Kernel));
        assert!((50..=MAX_OPS).contains(&p.ops.len()));
    }
    let none = GenConfig { min_ops: 0, max_ops: 0, ..GenConfig::default() };
    assert!(Generator::new(&FIRST, none, 0).program(0).ops.is_empty());
}

#[test]
fn random_numbers_cover_their_range_evenly() {
    let mut rng = Rng::new(SplitMix::new(7));
    assert_eq!((rng.below(0), rng.below(1), rng.below_u8(1)), (0, 0, 0));
    let mut seen = [0; 10];
    for _ in 0..10_000 {
        seen[rng.below(10)] += 1;
    }
    assert!(seen.iter().all(|n| (850..1150).contains(n)), "{seen:?}");
    assert!((0..1000).map(|_| rng.below(100_000)).all(|n| n < 100_000));
    assert!((0..1000).map(|_| rng.below(100_000)).any(|n| n > 90_000));
    let small: Vec<u8> = (0..5000).map(|_| rng.small(20)).collect();
    assert_eq!((small.iter().min(), small.iter().max()), (Some(&1), Some(&20)));
    assert!(small.iter().filter(|&&n| n <= 5).count() > 2500);
    let mut bytes = [0; 11];
    SplitMix::new(3).fill_bytes(&mut bytes);
    assert!(bytes.iter().any(|&b| b != 0));
    assert_ne!(SplitMix::new(0).next_u32(), SplitMix::new(1).next_u32());
}

/// A grammar that says what its verbs need.
mod needy {
    use super::*;
    use crate::program::testing::{ADDRESSES, INTERFACES};

    const fn interface(role: Role) -> Arg {
        Arg::bare(INTERFACES, ArgClass::Interface, role)
    }

    const fn address(role: Role) -> Arg {
        Arg::bare(ADDRESSES, ArgClass::Address, role)
    }

    static MAKE: Verb = Verb::new(0, "make", &[interface(Role::Creates)], "");
    static ADD: Verb = Verb::new(1, "add", &[interface(Role::Uses), address(Role::Makes)], "");
    static DEL: Verb = Verb::new(2, "del", &[interface(Role::Holds), address(Role::Ends)], "");
    static END: Verb = Verb::new(3, "end", &[interface(Role::Ends)], "");

    fn grammar(redraws: u8) -> &'static Grammar {
        Box::leak(Box::new(Grammar {
            verbs: Vec::leak(vec![MAKE, ADD, DEL, END]),
            twins: &[["gif0", "gif1"]],
            redraws,
            ..Grammar::named("needy", 9)
        }))
    }

    fn word(verb: &Verb, op: &Op, i: usize) -> &'static str {
        verb.args[i].choices[usize::from(op.args[i])]
    }

    /// After three interfaces were made.
    fn three_made(lexicon: &Lexicon) -> InUse<'_> {
        let mut in_use = InUse::booted(lexicon);
        for made in [0, 1, 3] {
            in_use.note(lexicon.arg(MAKE.code, 0).unwrap(), made, NO_WORD);
        }
        in_use
    }

    #[test]
    fn what_is_created_is_mostly_not_there_yet() {
        let mut rng = Rng::new(SplitMix::new(1));
        let lexicon = Lexicon::new(grammar(0));
        let mut in_use = three_made(&lexicon);
        assert!(!in_use.serves(&MAKE), "gif1 came with gif0");
        in_use.note(lexicon.arg(END.code, 0).unwrap(), 2, NO_WORD);
        assert!(in_use.serves(&MAKE));
        let made = lexicon.arg(MAKE.code, 0).unwrap();
        let draws = (0..1000).map(|_| in_use.choose(made, NO_WORD, &mut rng));
        let fresh = draws.filter(|i| ["gif0", "gif1"].contains(&INTERFACES[usize::from(*i)]));
        assert!(fresh.count() > 900);
    }

    #[test]
    fn an_address_is_mostly_deleted_where_it_is() {
        let mut rng = Rng::new(SplitMix::new(1));
        let lexicon = Lexicon::new(grammar(0));
        let mut in_use = three_made(&lexicon);
        let gif0 = lexicon.arg(MAKE.code, 0).unwrap().word(1).unwrap();
        in_use.note(lexicon.arg(ADD.code, 1).unwrap(), 2, gif0);
        let found = (0..1000).filter(|_| {
            let op = operation(&DEL, &mut in_use.clone(), &mut rng);
            (word(&DEL, &op, 0), word(&DEL, &op, 1)) == ("gif0", ADDRESSES[2])
        });
        assert!(found.count() > 800);
        let (holder, held) = (lexicon.arg(DEL.code, 0).unwrap(), lexicon.arg(DEL.code, 1).unwrap());
        in_use.note(held, 2, gif0);
        assert!(!in_use.serves(&DEL) && in_use.serves(&ADD));
        assert_eq!(in_use.choose_holder(holder, held, &mut rng), None);
    }

    #[test]
    fn redraws_make_verbs_rare_that_need_what_is_not_there() {
        // The first verb of a program: nothing exists.
        let needy = |redraws| {
            let generator = Generator::new(grammar(redraws), GenConfig::default(), 1);
            let firsts = (0..1000).map(|i| generator.program(i).ops[0].verb);
            firsts.filter(|&verb| verb != MAKE.code).count()
        };
        let (none, half, all) = (needy(0), needy(2), needy(4));
        assert!(none > half && half > all && all > 0, "{none}, {half}, {all}");
    }

    #[test]
    fn usual_choices_are_drawn_more_often_and_the_others_are_drawn() {
        let mut rng = Rng::new(SplitMix::new(1));
        const USUAL: Arg = Arg { usual: 1, ..Arg::bare(ADDRESSES, ArgClass::Other, Role::Names) };
        static PING: Verb = Verb::new(0, "ping", &[USUAL], "");
        static G: Grammar = Grammar { verbs: &[PING], ..Grammar::named("usual", 9) };
        let lexicon = Lexicon::new(&G);
        let (in_use, arg) = (InUse::booted(&lexicon), lexicon.arg(0, 0).unwrap());
        let mut drawn = [0; 4];
        (0..4000).for_each(|_| drawn[usize::from(in_use.choose(arg, NO_WORD, &mut rng))] += 1);
        assert!((3100..3400).contains(&drawn[0]), "3/4 + 1/16 expected: {drawn:?}");
        assert!(drawn.iter().all(|&n| n > 150), "{drawn:?}");
    }
}
