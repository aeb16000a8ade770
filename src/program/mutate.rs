//! Changes to programs: what fuzzing engines do between two runs.
//!
//! The mutator edits whole operations, so that inserting one does not turn all that
//! follow into something else, as inserting a byte would. It knows the grammar as the
//! [generator](super::generate) does and nothing else. All engines share it:
//! [`mutate`] and [`crossover`] work on programs, [`mutate_bytes`] and
//! [`crossover_bytes`] are the same for engines that keep bytes.

use rand_chacha::rand_core::Rng as Source;

use super::bytes::{Decoder, encode_header, encode_op};
use super::generate::{
    GenConfig, InUse, Places, Rng, SplitMix, Weights, append, disturb, operation, set_fault,
    set_preemption,
};
use super::lexicon::{Lexicon, NO_WORD};
use super::{
    FAIL_PERSISTENT, Grammar, MAX_FAIL_AT, MAX_OPS, MAX_PREEMPT_FOR, Op, Program, RECORD,
    Thresholds,
};

/// One way to change a program.
#[derive(Clone, Copy, Debug)]
enum Edit {
    Insert,
    Delete,
    Duplicate,
    Move,
    Swap,
    Retarget,
    Verb,
    Preempt,
    Fail,
    Cpus,
}

/// How often each edit is tried, by repetition. Deleting is as frequent as inserting
/// and duplicating, so that programs do not grow by themselves.
const EDITS: [Edit; 32] = {
    use Edit::*;
    [
        Insert, Insert, Insert, Insert, Delete, Delete, Delete, Delete, Delete, Delete, Duplicate,
        Duplicate, Move, Move, Move, Swap, Swap, Retarget, Retarget, Retarget, Retarget, Retarget,
        Verb, Verb, Preempt, Preempt, Preempt, Preempt, Fail, Fail, Fail, Cpus,
    ]
};

/// Changes `p`, a program of the lexicon's grammar, at random; it has at most `max_ops` operations then.
///
/// Nine times out of ten that is one to a few edits, else a fresh tail. Named points
/// must have been resolved to ordinals; those still there are dropped.
pub fn mutate<S: Source>(lexicon: &Lexicon, p: &mut Program, rng: &mut Rng<S>, max_ops: usize) {
    let max_ops = max_ops.min(MAX_OPS);
    p.named.clear();
    p.ops.truncate(max_ops);
    if rng.chance(1, 10) && max_ops > 0 {
        return fresh_tail(lexicon, p, rng, max_ops);
    }
    // One edit half of the time, two a quarter of the time, and so on to five.
    let mut left = 5;
    while left > 0 {
        let edit = EDITS[rng.below(EDITS.len())];
        apply(edit, lexicon, p, rng, max_ops);
        left = if rng.chance(1, 2) { left - 1 } else { 0 };
    }
}

/// Replaces what follows a random operation by new operations.
fn fresh_tail<S: Source>(lexicon: &Lexicon, p: &mut Program, rng: &mut Rng<S>, max_ops: usize) {
    // Keeping everything is allowed while there is room: then the program grows.
    let keep = rng.below((p.ops.len() + 1).min(max_ops));
    p.ops.truncate(keep);
    let n = 1 + rng.below((max_ops - keep).min(16));
    let mut in_use = InUse::of(lexicon, &p.ops);
    append(&Weights::swarm(lexicon.grammar(), rng), &mut in_use, p, n, rng);
    disturb(lexicon, &mut p.ops[keep..], &GenConfig::default(), rng);
}

fn apply<S: Source>(
    edit: Edit,
    lexicon: &Lexicon,
    p: &mut Program,
    rng: &mut Rng<S>,
    max_ops: usize,
) {
    let (g, len) = (lexicon.grammar(), p.ops.len());
    let edit = match edit {
        Edit::Cpus => Edit::Cpus,
        _ if len == 0 && max_ops == 0 => Edit::Cpus,
        _ if len == 0 => Edit::Insert,
        Edit::Insert | Edit::Duplicate if len >= max_ops => Edit::Retarget,
        other => other,
    };
    // Only inserting and changing the CPUs come here without operations.
    let at = rng.below(len);
    match edit {
        Edit::Insert => {
            let mut in_use = InUse::of(lexicon, &p.ops);
            let verb = Weights::plain(lexicon.grammar()).pick_for(&in_use, rng);
            let op = operation(verb, &mut in_use, rng);
            p.ops.insert(rng.below(len + 1), op);
        }
        Edit::Delete => {
            p.ops.remove(at);
        }
        Edit::Duplicate => {
            let op = p.ops[at];
            p.ops.insert(rng.below(len + 1), op);
        }
        Edit::Move => {
            let op = p.ops.remove(at);
            p.ops.insert(rng.below(len), op);
        }
        Edit::Swap => p.ops.swap(at, (at + 1 + rng.below(len - 1)) % len),
        Edit::Retarget => retarget(lexicon, p, at, rng),
        Edit::Verb => change_verb(lexicon, p, at, rng),
        Edit::Preempt => {
            let at = Places::to_preempt(lexicon, &p.ops).pick(rng).unwrap_or(at);
            change_preemption(g, &mut p.ops[at], rng);
        }
        Edit::Fail => {
            let at = Places::to_fail(lexicon, &p.ops).pick(rng).unwrap_or(at);
            change_fault(g, &mut p.ops[at], rng);
        }
        Edit::Cpus => {
            // Any other number, if there is one.
            let others = rng.below_u8(g.max_cpus.saturating_sub(1));
            p.header.ncpus = 1 + (p.header.ncpus + others) % g.max_cpus.max(1);
            if g.thresholds {
                p.header.thresholds = match p.header.thresholds {
                    Thresholds::Real => Thresholds::Small,
                    Thresholds::Small => Thresholds::Real,
                };
            }
        }
    }
}

/// Changes one argument of operation `at`; of the next operation that has any.
fn retarget<S: Source>(lexicon: &Lexicon, p: &mut Program, at: usize, rng: &mut Rng<S>) {
    let len = p.ops.len();
    let has_choice = |op: &Op| {
        let verb = lexicon.grammar().verb(op.verb)?;
        verb.args.iter().any(|a| a.choices.len() > 1).then_some(verb)
    };
    let target = (at..at + len).find_map(|i| Some((i % len, has_choice(&p.ops[i % len])?)));
    let Some((i, verb)) = target else { return };
    let first = rng.below(verb.args.len());
    let mut slots = (first..verb.args.len()).chain(0..first);
    let Some(slot) = slots.find(|&s| verb.args[s].choices.len() > 1) else {
        return;
    };
    let Some(arg) = lexicon.arg(verb.code, slot) else { return };
    let old = p.ops[i].args[slot];
    let in_use = InUse::of(lexicon, &p.ops);
    let value = match in_use.choose(arg, NO_WORD, rng) {
        // Most values in use may be this very one: take any other then.
        same if same == old => {
            let others = arg.len() - 1;
            ((usize::from(old) + 1 + rng.below(others)) % arg.len()) as u8
        }
        other => other,
    };
    p.ops[i].args[slot] = value;
}

/// Gives operation `at` another verb; arguments of the same class keep their words and
/// what disturbs it stays.
fn change_verb<S: Source>(lexicon: &Lexicon, p: &mut Program, at: usize, rng: &mut Rng<S>) {
    let verb = Weights::plain(lexicon.grammar()).pick(rng);
    let old = p.ops[at];
    let mut in_use = InUse::of(lexicon, &p.ops);
    let mut op = Op { args: operation(verb, &mut in_use, rng).args, verb: verb.code, ..old };
    let olds = lexicon.args(old.verb).zip(&old.args);
    for ((arg, value), (old_arg, &old)) in lexicon.args(verb.code).zip(&mut op.args).zip(olds) {
        let kept = old_arg.word(old).and_then(|word| arg.place(word));
        if let Some(kept) = kept.filter(|_| arg.arg.class == old_arg.arg.class) {
            *value = kept;
        }
    }
    p.ops[at] = op;
}

fn change_preemption<S: Source>(g: &Grammar, op: &mut Op, rng: &mut Rng<S>) {
    if op.preempt_at == 0 {
        return set_preemption(g, op, rng);
    }
    match rng.below(8) {
        0 | 1 => (op.preempt_at, op.preempt_for) = (0, 0),
        2 => set_preemption(g, op, rng),
        3 | 4 => op.preempt_for = 1 + rng.below_u8(MAX_PREEMPT_FOR),
        _ => op.preempt_at = shift(op.preempt_at, g.max_preempt_at, rng),
    }
}

fn change_fault<S: Source>(g: &Grammar, op: &mut Op, rng: &mut Rng<S>) {
    if op.fail == 0 {
        return set_fault(g, op, rng);
    }
    match rng.below(8) {
        0 | 1 => op.fail = 0,
        2 => set_fault(g, op, rng),
        3 => op.fail ^= FAIL_PERSISTENT,
        _ => {
            let at = shift(op.fail_at(), MAX_FAIL_AT, rng);
            op.fail = at | (op.fail & FAIL_PERSISTENT);
        }
    }
}

/// An ordinal one to three off `at`, within `1..=max`.
fn shift<S: Source>(at: u8, max: u8, rng: &mut Rng<S>) -> u8 {
    let by = rng.small(3);
    let moved = if rng.chance(1, 2) { at.saturating_add(by) } else { at.saturating_sub(by) };
    moved.clamp(1, max)
}

/// Replaces `out` by a mixture of `a` and `b`, programs of `g`, with at most `max_ops`
/// operations, reusing its memory.
///
/// The header is that of `a`. Half of the time the beginning of `a` is followed by the
/// end of `b`, else a range of `b` stands in for a range of `a`. A parent that belongs
/// to another kernel gives nothing. Named points are left out.
pub fn crossover<S: Source>(
    g: &Grammar,
    a: &Program,
    b: &Program,
    out: &mut Program,
    rng: &mut Rng<S>,
    max_ops: usize,
) {
    let (a, b) = if a.header.kernel == g.id { (a, b) } else { (b, a) };
    out.header.clone_from(&a.header);
    out.named.clear();
    out.ops.clear();
    let donor = if b.header.kernel == g.id { &b.ops[..] } else { &[] };
    let (from, to) = range(a.ops.len(), rng);
    let (first, last) = range(donor.len(), rng);
    out.ops.extend_from_slice(&a.ops[..from]);
    if rng.chance(1, 2) {
        out.ops.extend_from_slice(&donor[first..]);
    } else {
        out.ops.extend_from_slice(&donor[first..last]);
        out.ops.extend_from_slice(&a.ops[to..]);
    }
    out.ops.truncate(max_ops.min(MAX_OPS));
}

/// A random range within `0..=len`.
fn range<S: Source>(len: usize, rng: &mut Rng<S>) -> (usize, usize) {
    let (x, y) = (rng.below(len + 1), rng.below(len + 1));
    (x.min(y), x.max(y))
}

/// One in so many mutants of bytes changes its kernel, when there are several.
const OTHER_KERNEL: usize = 32;

/// [`mutate`] for engines that keep bytes, as libFuzzer's custom mutator wants it: the
/// first `size` bytes of `data` are the program, up to `max_size` may be written, and
/// the new size is returned.
///
/// The result is canonical. It has no operations if there is no room for any, and its
/// header is cut off if not even that has room; that decodes all the same. Where the
/// decoder knows several kernels, one mutant in 32 is a program of another
/// one.
pub fn mutate_bytes(
    decoder: &Decoder,
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
) -> usize {
    let max_size = max_size.min(data.len());
    let mut p = decoder.decode(&data[..size.min(data.len())]);
    let mut rng = Rng::new(SplitMix::new(seed));
    if decoder.grammars() > 1 && rng.chance(1, OTHER_KERNEL) {
        decoder.change_kernel(&mut p, 1 + rng.below(decoder.grammars() - 1));
    }
    let lexicon = decoder.lexicon(p.header.kernel);
    mutate(lexicon, &mut p, &mut rng, room(max_size));
    lengthen(lexicon, &mut p, &mut rng, room(max_size));
    write(&p, &mut data[..max_size])
}

/// [`crossover`] for engines that keep bytes: fills `out` and returns the new size.
pub fn crossover_bytes(decoder: &Decoder, a: &[u8], b: &[u8], out: &mut [u8], seed: u32) -> usize {
    let (a, b) = (decoder.decode(a), decoder.decode(b));
    let mut child = a.clone();
    let mut rng = Rng::new(SplitMix::new(seed));
    let lexicon = decoder.lexicon(a.header.kernel);
    crossover(lexicon.grammar(), &a, &b, &mut child, &mut rng, room(out.len()));
    lengthen(lexicon, &mut child, &mut rng, room(out.len()));
    write(&child, out)
}

/// The fewest operations of a mutant of bytes, where there is room for them.
///
/// Engines keep the shortest input of those that do the same, and so come to programs of
/// a handful of operations, after which nothing has been going on that others could meet.
const LEAST_OPS: usize = 12;

/// Appends random operations to a short program.
fn lengthen<S: Source>(lexicon: &Lexicon, p: &mut Program, rng: &mut Rng<S>, max_ops: usize) {
    let missing = LEAST_OPS.min(max_ops).saturating_sub(p.ops.len());
    if missing > 0 {
        let mut in_use = InUse::of(lexicon, &p.ops);
        append(&Weights::swarm(lexicon.grammar(), rng), &mut in_use, p, missing, rng);
    }
}

/// How many operations `bytes` bytes hold besides the header.
fn room(bytes: usize) -> usize {
    (bytes / RECORD).saturating_sub(1)
}

/// Writes the records of `p` as far as `out` has room; returns how much that is.
fn write(p: &Program, out: &mut [u8]) -> usize {
    let records = std::iter::once(encode_header(&p.header)).chain(p.ops.iter().map(encode_op));
    let mut size = 0;
    for (record, place) in records.zip(out.chunks_mut(RECORD)) {
        place.copy_from_slice(&record[..place.len()]);
        size += place.len();
    }
    size
}

#[cfg(test)]
mod tests;
