//! Random programs from a grammar and a seed.
//!
//! [`generate`] knows verbs, weights and argument classes, nothing else: no rule here
//! emits a fixed sequence of verbs or names a defect. Three habits make collisions likely
//! without knowing which ones matter:
//!
//! * *swarm testing*: every program draws its own weights, so some programs do
//!   without a verb that hides a bug and others dwell on it;
//! * *few slots*: an interface, address or protocol control block is more often one
//!   that the program has already used than a new one, and where the verb needs it
//!   ([`Role`]), nearly always one that exists;
//! * *many windows*: a program that is disturbed at all is disturbed at many places, and
//!   where its operations really pass something ([`Points`](super::Points)).
//!
//! Program `i` of a hunt depends on the seed and `i` only ([`program_rng`]), so any
//! number of threads produce the same programs, and one can be made again.
//!
//! [`Rng`] draws small numbers out of any source of random bits a few at a time, because
//! a program needs some two hundred of them and must not cost a microsecond of drawing.
//! The [mutator](super::mutate) uses it and the pieces of a program below as well.

use std::convert::Infallible;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as Source, SeedableRng, TryRng};

use super::{
    Arg, ArgClass, FAIL_PERSISTENT, Grammar, Header, MAX_FAIL_AT, MAX_OPS, Op, Program, Role, Stop,
    Thresholds, Verb,
};

/// Which programs a seed means: the same ones only under the same number. Raised with every
/// change of the programs of a seed; 1 was before programs had many preemptions.
pub const WALK: u32 = 3;

/// Small random numbers out of a source of random bits.
///
/// Not exactly uniform: numbers below 257 deviate by less than one in 256, larger ones
/// by much less. No test of chance notices, and nothing here needs a division.
#[derive(Clone, Debug)]
pub struct Rng<S> {
    source: S,
    bits: u64,
    left: u32,
}

impl<S: Source> Rng<S> {
    /// Draws from `source`.
    pub fn new(source: S) -> Rng<S> {
        Rng { source, bits: 0, left: 0 }
    }

    /// The next `n` bits, up to 32.
    fn take(&mut self, n: u32) -> u64 {
        if self.left < n {
            self.bits = self.source.next_u64();
            self.left = u64::BITS;
        }
        let taken = self.bits & ((1 << n) - 1);
        self.bits >>= n;
        self.left -= n;
        taken
    }

    /// A number below `n`; 0 if `n` is 0. `n` must not exceed 2^32.
    pub fn below(&mut self, n: usize) -> usize {
        let bits = if n <= 256 { 16 } else { 32 };
        // Multiply and shift: the high part of a product is uniform below `n`.
        ((self.take(bits) * n as u64) >> bits) as usize
    }

    /// [`below`](Rng::below) for the small fields of an operation.
    pub fn below_u8(&mut self, n: u8) -> u8 {
        ((self.take(16) * u64::from(n)) >> 16) as u8
    }

    /// True `of` times out of `out`.
    pub fn chance(&mut self, of: usize, out: usize) -> bool {
        self.below(out) < of
    }

    /// A number from 1 to `max` that is more often small than large.
    pub fn small(&mut self, max: u8) -> u8 {
        let limit = 1 + self.below_u8(max);
        1 + self.below_u8(limit)
    }
}

/// A cheap source of random bits (splitmix64), seeded by one small number.
///
/// Only for mutation: libFuzzer hands a mutator 32 bits of seed per call, and setting
/// up a better generator would cost more than the mutation.
#[derive(Clone, Debug)]
pub struct SplitMix(u64);

impl SplitMix {
    /// The source that `seed` begins.
    pub fn new(seed: u32) -> SplitMix {
        SplitMix(u64::from(seed))
    }
}

impl TryRng for SplitMix {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.next_u64() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(z ^ (z >> 31))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// The random numbers of program `index` of the hunt `seed`.
pub fn program_rng(seed: u64, index: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(index);
    rng
}

/// What generated programs look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenConfig {
    /// Which layer ends their runs.
    pub stop: Stop,
    /// The fewest operations.
    pub min_ops: usize,
    /// The most operations, at most [`MAX_OPS`].
    pub max_ops: usize,
    /// Whether half of them have preemptions.
    pub preemptions: bool,
    /// Whether half of them have faults.
    pub faults: bool,
}

impl Default for GenConfig {
    fn default() -> Self {
        let (min_ops, max_ops) = (12, 40);
        GenConfig { stop: Stop::Books, min_ops, max_ops, preemptions: true, faults: true }
    }
}

/// The programs of one hunt.
#[derive(Clone, Debug)]
pub struct Generator {
    grammar: &'static Grammar,
    config: GenConfig,
    seed: u64,
}

impl Generator {
    /// The programs of `grammar` that `seed` determines.
    pub fn new(grammar: &'static Grammar, config: GenConfig, seed: u64) -> Generator {
        Generator { grammar, config, seed }
    }

    /// Replaces `out` by program `index`, reusing its memory.
    pub fn program_into(&self, index: u64, out: &mut Program) {
        let mut rng = Rng::new(program_rng(self.seed, index));
        generate(self.grammar, &mut rng, out, &self.config);
    }

    /// Program `index`.
    pub fn program(&self, index: u64) -> Program {
        let header = Header::new(self.grammar.id);
        let mut program = Program { header, ops: Vec::new(), named: Vec::new() };
        self.program_into(index, &mut program);
        program
    }
}

/// Replaces `out` by a random program of `g`, reusing its memory.
pub fn generate<S: Source>(g: &Grammar, rng: &mut Rng<S>, out: &mut Program, cfg: &GenConfig) {
    out.header = Header {
        ncpus: 1 + rng.below_u8(g.max_cpus),
        stop: cfg.stop,
        thresholds: match g.thresholds && rng.chance(1, 2) {
            true => Thresholds::Small,
            false => Thresholds::Real,
        },
        ..Header::new(g.id)
    };
    out.named.clear();
    out.ops.clear();
    let weights = Weights::swarm(g, rng);
    let len = length(cfg, rng);
    append(&weights, &mut InUse::booted(g), out, len, rng);
    disturb(g, &mut out.ops, cfg, rng);
}

/// A number of operations: between the limits, a little more often short than long
/// (for 12 to 40 the mean is 24).
fn length<S: Source>(cfg: &GenConfig, rng: &mut Rng<S>) -> usize {
    let max = cfg.max_ops.min(MAX_OPS);
    let min = cfg.min_ops.min(max);
    let span = max - min + 1;
    let least = (span * 2).div_ceil(3);
    let limit = least + rng.below(span - least + 1);
    min + rng.below(limit)
}

/// Appends `n` random operations that nothing disturbs.
pub(super) fn append<S: Source>(
    weights: &Weights<'_>,
    in_use: &mut InUse,
    out: &mut Program,
    n: usize,
    rng: &mut Rng<S>,
) {
    out.ops.reserve(n);
    for _ in 0..n {
        out.ops.push(operation(weights.pick_for(in_use, rng), in_use, rng));
    }
}

/// An operation of `verb` with random arguments.
pub(super) fn operation<S: Source>(verb: &Verb, in_use: &mut InUse, rng: &mut Rng<S>) -> Op {
    let mut op = Op { verb: verb.code, ..Op::default() };
    let mut beside = "";
    for (i, (value, arg)) in op.args.iter_mut().zip(verb.args).enumerate() {
        let holder = match (arg.role, verb.args.get(i + 1)) {
            (Role::Holds, Some(next)) => in_use.choose_holder(arg, next, rng),
            _ => None,
        };
        *value = holder.unwrap_or_else(|| in_use.choose(arg, beside, rng));
        in_use.note(arg, *value, beside);
        if arg.class == ArgClass::Interface {
            beside = arg.choices.get(usize::from(*value)).copied().unwrap_or("");
        }
    }
    op
}

/// The most preemptions and faults that a program is given. Two of three planned preemptions
/// come to nothing: most operations pass fewer points than their like may, or fail before.
const PREEMPTIONS: usize = 16;
const FAULTS: usize = 4;

/// Gives half of all programs preemptions and half of them faults.
pub(super) fn disturb<S: Source>(g: &Grammar, ops: &mut [Op], cfg: &GenConfig, rng: &mut Rng<S>) {
    if cfg.preemptions && rng.chance(1, 2) {
        let places = Places::to_preempt(g, ops);
        for _ in 0..1 + rng.below(PREEMPTIONS) {
            let Some(i) = places.pick(rng) else { break };
            set_preemption(g, &mut ops[i], rng);
        }
    }
    if cfg.faults && rng.chance(1, 2) {
        let places = Places::to_fail(g, ops);
        for _ in 0..1 + rng.below(FAULTS) {
            let Some(i) = places.pick(rng) else { break };
            set_fault(g, &mut ops[i], rng);
        }
    }
}

/// Which operation is disturbed: one whose like pass many points more often than one with
/// few, by the number of binary digits, and one that passes none never.
pub(super) struct Places {
    /// For each operation the sum of the digits up to and with it.
    sums: [u16; MAX_OPS],
    len: usize,
}

impl Places {
    /// Where a program can be preempted.
    pub fn to_preempt(g: &Grammar, ops: &[Op]) -> Places {
        Places::of(ops, |op| g.points_of(op.verb).yields)
    }

    /// Where a call of a program can fail.
    pub fn to_fail(g: &Grammar, ops: &[Op]) -> Places {
        Places::of(ops, |op| g.points_of(op.verb).calls)
    }

    /// In a program of `ops`, each of which passes so many `points`.
    fn of(ops: &[Op], points: impl Fn(&Op) -> u8) -> Places {
        let (mut sums, mut sum) = ([0; MAX_OPS], 0);
        for (place, op) in sums.iter_mut().zip(ops) {
            sum += (u8::BITS - points(op).leading_zeros()) as u16;
            *place = sum;
        }
        Places { sums, len: ops.len().min(MAX_OPS) }
    }

    /// The number of an operation, if any passes a point.
    pub fn pick<S: Source>(&self, rng: &mut Rng<S>) -> Option<usize> {
        let sums = &self.sums[..self.len];
        let total = sums.last().copied().filter(|&total| total != 0)?;
        let at = rng.below(total.into()) as u16;
        Some(sums.partition_point(|&sum| sum <= at))
    }
}

/// Parks `op` somewhere early for a short time.
pub fn set_preemption<S: Source>(g: &Grammar, op: &mut Op, rng: &mut Rng<S>) {
    op.preempt_at = rng.small(g.points_of(op.verb).yields.min(g.max_preempt_at).max(1));
    op.preempt_for = 1 + rng.below_u8(3);
}

/// Fails one of the first calls of `op`.
pub fn set_fault<S: Source>(g: &Grammar, op: &mut Op, rng: &mut Rng<S>) {
    op.fail = rng.small(g.points_of(op.verb).calls.clamp(1, MAX_FAIL_AT));
    if rng.chance(1, 4) {
        op.fail |= FAIL_PERSISTENT;
    }
}

/// See [`Grammar::redraws`].
const REDRAWS_OUT_OF: usize = 4;

/// Which verb comes next.
pub(super) struct Weights<'g> {
    verbs: &'g [Verb],
    redraws: u8,
    /// For each verb the sum of the weights up to and with it.
    sums: [u32; 256],
    total: usize,
}

impl<'g> Weights<'g> {
    /// The weights of the grammar.
    pub fn plain(g: &'g Grammar) -> Self {
        Self::scaled(g, || 1)
    }

    /// The weights of the grammar, each one times 0, 1, 1, 2 or 4.
    pub fn swarm<S: Source>(g: &'g Grammar, rng: &mut Rng<S>) -> Self {
        let swarm = Self::scaled(g, || [0, 1, 1, 2, 4][rng.below(5)]);
        if swarm.total == 0 { Self::plain(g) } else { swarm }
    }

    fn scaled(g: &'g Grammar, mut factor: impl FnMut() -> u32) -> Self {
        let mut sums = [0; 256];
        let mut total = 0;
        for (sum, verb) in sums.iter_mut().zip(g.verbs) {
            total += u32::from(verb.weight) * factor();
            *sum = total;
        }
        Weights { verbs: g.verbs, redraws: g.redraws, sums, total: total as usize }
    }

    /// A random verb.
    ///
    /// # Panics
    ///
    /// If there are no verbs.
    pub fn pick<S: Source>(&self, rng: &mut Rng<S>) -> &'g Verb {
        let at = rng.below(self.total) as u32;
        let sums = &self.sums[..self.verbs.len().min(256)];
        &self.verbs[sums.partition_point(|&sum| sum <= at).min(self.verbs.len() - 1)]
    }

    /// A random verb, where the grammar asks for it mostly one that finds what it needs.
    pub fn pick_for<S: Source>(&self, in_use: &InUse, rng: &mut Rng<S>) -> &'g Verb {
        let verb = self.pick(rng);
        let again = self.redraws != 0
            && !in_use.serves(verb)
            && rng.chance(usize::from(self.redraws), REDRAWS_OUT_OF);
        if again { self.pick(rng) } else { verb }
    }
}

/// How many values of a class are remembered; older ones are forgotten.
const REMEMBERED: usize = 16;

/// One value that a program has used.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    /// The word, because the same address may stand at different indices in the choices
    /// of different verbs; the index is kept as a first guess.
    word: &'static str,
    guess: u8,
    /// The interface that it was named together with; empty for none.
    beside: &'static str,
    /// It was made, and not ended since, as far as anybody can tell without running.
    exists: bool,
}

/// The values that a program has used, by class.
#[derive(Clone, Debug, Default)]
pub(super) struct InUse {
    values: [[Used; REMEMBERED]; 3],
    /// How many of each class are remembered.
    known: [usize; 3],
    /// Where the next one goes.
    next: [usize; 3],
    twins: &'static [[&'static str; 2]],
}

impl InUse {
    /// At boot.
    pub fn booted(g: &Grammar) -> InUse {
        let mut in_use = InUse { twins: g.twins, ..InUse::default() };
        for &word in g.booted {
            in_use.remember(0, Used { word, exists: true, ..Used::default() });
        }
        in_use
    }

    /// What the operations `ops` use.
    pub fn of(g: &Grammar, ops: &[Op]) -> InUse {
        let mut in_use = InUse::booted(g);
        for op in ops {
            let args = g.verb(op.verb).map_or(&[][..], |v| v.args);
            let mut beside = "";
            for (arg, &value) in args.iter().zip(&op.args) {
                in_use.note(arg, value, beside);
                if arg.class == ArgClass::Interface {
                    beside = arg.choices.get(value as usize).copied().unwrap_or("");
                }
            }
        }
        in_use
    }

    /// Remembers that `arg` is choice number `value`, named beside an interface.
    pub fn note(&mut self, arg: &Arg, value: u8, beside: &'static str) {
        let (Some(class), Some(&word)) = (index(arg.class), arg.choices.get(value as usize)) else {
            return;
        };
        self.note_word(class, arg.role, Used { word, guess: value, beside, exists: false });
        if arg.class == ArgClass::Interface {
            for &[one, other] in self.twins {
                let word = match (same(one, word), same(other, word)) {
                    (true, _) => other,
                    (_, true) => one,
                    _ => continue,
                };
                self.note_word(class, arg.role, Used { word, beside, ..Used::default() });
            }
        }
    }

    fn note_word(&mut self, class: usize, role: Role, used: Used) {
        let known = &mut self.values[class][..self.known[class]];
        let old = known.iter_mut().find(|u| {
            same(u.word, used.word) && (role == Role::Names || same(u.beside, used.beside))
        });
        let makes = matches!(role, Role::Makes | Role::Creates);
        match old {
            Some(u) if makes => u.exists = true,
            Some(u) if role == Role::Ends => u.exists = false,
            Some(_) => {}
            None => self.remember(class, Used { exists: makes, ..used }),
        }
    }

    /// Whether everything is there that a verb needs, as far as anybody can tell without
    /// running, and something is not there that it creates.
    fn serves(&self, verb: &Verb) -> bool {
        verb.args.iter().all(|arg| {
            let Some(class) = index(arg.class) else { return true };
            let known = &self.values[class][..self.known[class]];
            match arg.role {
                Role::Names | Role::Makes => true,
                Role::Creates => arg.choices.iter().any(|&word| !exists(known, word)),
                Role::Uses | Role::Ends | Role::Holds => {
                    known.iter().any(|used| used.exists && place(arg, used).is_some())
                }
            }
        })
    }

    fn remember(&mut self, class: usize, used: Used) {
        self.values[class][self.next[class]] = used;
        self.next[class] = (self.next[class] + 1) % REMEMBERED;
        self.known[class] = (self.known[class] + 1).min(REMEMBERED);
    }

    /// A value for `arg`, named beside an interface: mostly one that is in use, and
    /// nearly always one that exists where the verb needs it.
    pub fn choose<S: Source>(&self, arg: &Arg, beside: &str, rng: &mut Rng<S>) -> u8 {
        let any = match arg.usual {
            0 => rng.below(arg.choices.len()) as u8,
            usual if rng.chance(3, 4) => rng.below_u8(usual),
            _ => rng.below(arg.choices.len()) as u8,
        };
        let Some(class) = index(arg.class) else {
            return any;
        };
        let known = &self.values[class][..self.known[class]];
        if arg.role == Role::Creates && rng.chance(15, 16) {
            let n = arg.choices.len();
            let from = usize::from(any);
            let mut others = (0..n).map(|i| (from + i) % n);
            return others.find(|&i| !exists(known, arg.choices[i])).map_or(any, |i| i as u8);
        }
        let needs = matches!(arg.role, Role::Uses | Role::Ends | Role::Holds);
        if known.is_empty() || !rng.chance(if needs { 15 } else { 9 }, 16) {
            return any;
        }
        // From a random place on, the first that fits.
        let from = rng.below(known.len());
        let mut second = any;
        for used in known[from..].iter().chain(&known[..from]) {
            let Some(value) = place(arg, used) else { continue };
            if !needs {
                return value;
            }
            if used.exists {
                if used.beside.is_empty() || same(used.beside, beside) {
                    return value;
                }
                second = value;
            }
        }
        second
    }

    /// For `arg`, nearly always something beside which exists what `next` can name.
    fn choose_holder<S: Source>(&self, arg: &Arg, next: &Arg, rng: &mut Rng<S>) -> Option<u8> {
        let class = index(next.class)?;
        let held = &self.values[class][..self.known[class]];
        if held.is_empty() || !rng.chance(15, 16) {
            return None;
        }
        let from = rng.below(held.len());
        held[from..].iter().chain(&held[..from]).find_map(|used| {
            let fits = used.exists && !used.beside.is_empty() && place(next, used).is_some();
            let at = fits.then(|| arg.choices.iter().position(|&c| same(c, used.beside)))?;
            at.and_then(|at| u8::try_from(at).ok())
        })
    }
}

/// Whether a word is among those that exist.
fn exists(known: &[Used], word: &str) -> bool {
    known.iter().any(|used| used.exists && same(used.word, word))
}

/// Whether two words are the same. Words of a grammar mostly differ in their last letter
/// or in length, and this is asked hundreds of times for each program.
fn same(a: &str, b: &str) -> bool {
    let (x, y) = (a.as_bytes(), b.as_bytes());
    x.len() == y.len() && x.last() == y.last() && (std::ptr::eq(a, b) || x == y)
}

/// Where a used value stands in the choices of `arg`.
fn place(arg: &Arg, used: &Used) -> Option<u8> {
    if arg.choices.get(usize::from(used.guess)).is_some_and(|c| same(c, used.word)) {
        return Some(used.guess);
    }
    let other = arg.choices.iter().position(|&c| same(c, used.word));
    other.and_then(|i| u8::try_from(i).ok())
}

/// Where [`InUse`] keeps a class; values of no class can collide with nothing.
fn index(class: ArgClass) -> Option<usize> {
    match class {
        ArgClass::Interface => Some(0),
        ArgClass::Address => Some(1),
        ArgClass::Pcb => Some(2),
        ArgClass::Other => None,
    }
}

#[cfg(test)]
mod tests;
