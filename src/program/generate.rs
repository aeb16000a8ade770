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

use super::lexicon::{Choices, Lexicon, NO_WORD, Word};
use super::{
    ArgClass, FAIL_PERSISTENT, Grammar, Header, MAX_FAIL_AT, MAX_OPS, Op, Program, Role, Stop,
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
    lexicon: Lexicon,
    config: GenConfig,
    seed: u64,
}

impl Generator {
    /// The programs of `grammar` that `seed` determines.
    pub fn new(grammar: &'static Grammar, config: GenConfig, seed: u64) -> Generator {
        Generator { lexicon: Lexicon::new(grammar), config, seed }
    }

    /// Replaces `out` by program `index`, reusing its memory.
    pub fn program_into(&self, index: u64, out: &mut Program) {
        let mut rng = Rng::new(program_rng(self.seed, index));
        generate(&self.lexicon, &mut rng, out, &self.config);
    }

    /// Program `index`.
    pub fn program(&self, index: u64) -> Program {
        let header = Header::new(self.lexicon.grammar().id);
        let mut program = Program { header, ops: Vec::new(), named: Vec::new() };
        self.program_into(index, &mut program);
        program
    }
}

/// Replaces `out` by a random program of a grammar, reusing its memory.
pub fn generate<S: Source>(
    lexicon: &Lexicon,
    rng: &mut Rng<S>,
    out: &mut Program,
    cfg: &GenConfig,
) {
    let g = lexicon.grammar();
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
    append(&weights, &mut InUse::booted(lexicon), out, len, rng);
    disturb(lexicon, &mut out.ops, cfg, rng);
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
    in_use: &mut InUse<'_>,
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
pub(super) fn operation<S: Source>(verb: &Verb, in_use: &mut InUse<'_>, rng: &mut Rng<S>) -> Op {
    let mut op = Op { verb: verb.code, ..Op::default() };
    let mut beside = NO_WORD;
    let mut args = in_use.lexicon.args(verb.code);
    for value in &mut op.args {
        let Some(arg) = args.next() else { break };
        let holder = match (arg.arg.role, args.clone().next()) {
            (Role::Holds, Some(next)) => in_use.choose_holder(arg, next, rng),
            _ => None,
        };
        *value = holder.unwrap_or_else(|| in_use.choose(arg, beside, rng));
        in_use.note(arg, *value, beside);
        if arg.arg.class == ArgClass::Interface {
            beside = arg.word(*value).unwrap_or(NO_WORD);
        }
    }
    op
}

/// The most preemptions and faults that a program is given. Two of three planned preemptions
/// come to nothing: most operations pass fewer points than their like may, or fail before.
const PREEMPTIONS: usize = 16;
const FAULTS: usize = 4;

/// Gives half of all programs preemptions and half of them faults.
pub(super) fn disturb<S: Source>(
    lexicon: &Lexicon,
    ops: &mut [Op],
    cfg: &GenConfig,
    rng: &mut Rng<S>,
) {
    let g = lexicon.grammar();
    if cfg.preemptions && rng.chance(1, 2) {
        let places = Places::to_preempt(lexicon, ops);
        for _ in 0..1 + rng.below(PREEMPTIONS) {
            let Some(i) = places.pick(rng) else { break };
            set_preemption(g, &mut ops[i], rng);
        }
    }
    if cfg.faults && rng.chance(1, 2) {
        let places = Places::to_fail(lexicon, ops);
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
    pub fn to_preempt(lexicon: &Lexicon, ops: &[Op]) -> Places {
        Places::of(ops, |op| lexicon.points_of(op.verb).yields)
    }

    /// Where a call of a program can fail.
    pub fn to_fail(lexicon: &Lexicon, ops: &[Op]) -> Places {
        Places::of(ops, |op| lexicon.points_of(op.verb).calls)
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
    pub fn pick_for<S: Source>(&self, in_use: &InUse<'_>, rng: &mut Rng<S>) -> &'g Verb {
        let verb = self.pick(rng);
        let again = self.redraws != 0
            && !in_use.serves(verb)
            && rng.chance(usize::from(self.redraws), REDRAWS_OUT_OF);
        if again { self.pick(rng) } else { verb }
    }
}

/// How many values of a class are remembered; older ones are forgotten.
const REMEMBERED: usize = 16;

/// The values of one class that a program has used, by place. Sets of places are a bit each:
/// what is looked for is mostly not where one would look first, so all places are looked at
/// together.
#[derive(Clone, Copy, Debug)]
struct Used {
    /// The word: the same address may stand at different indices in the choices of different
    /// verbs.
    words: [Word; REMEMBERED],
    /// The interface that it was named together with, or [`NO_WORD`].
    beside: [Word; REMEMBERED],
    /// It was made, and not ended since, as far as anybody can tell without running.
    exists: u16,
    /// How many are remembered.
    known: u8,
    /// Where the next one goes.
    next: u8,
}

impl Used {
    const NONE: Used = Used {
        words: [NO_WORD; REMEMBERED],
        beside: [NO_WORD; REMEMBERED],
        exists: 0,
        known: 0,
        next: 0,
    };

    /// Whether a word is among those that exist.
    fn has(&self, word: Word) -> bool {
        places(&self.words, word) & self.exists != 0
    }

    fn remember(&mut self, word: Word, beside: Word, exists: bool) {
        let at = usize::from(self.next) % REMEMBERED;
        (self.words[at], self.beside[at]) = (word, beside);
        self.exists = self.exists & !(1 << at) | u16::from(exists) << at;
        self.next = (self.next + 1) % REMEMBERED as u8;
        self.known = (self.known + 1).min(REMEMBERED as u8);
    }

    /// The places that are taken, from a random one on.
    fn in_turn<S: Source>(&self, rng: &mut Rng<S>) -> impl Iterator<Item = usize> + use<S> {
        let known = usize::from(self.known);
        let from = rng.below(known);
        (from..known).chain(0..from)
    }
}

/// Where a word stands.
fn places(words: &[Word; REMEMBERED], word: Word) -> u16 {
    let bits = words.iter().enumerate().map(|(i, &w)| u16::from(w == word) << i);
    bits.fold(0, |set, bit| set | bit)
}

/// The values that a program has used, by class.
#[derive(Clone, Debug)]
pub(super) struct InUse<'l> {
    lexicon: &'l Lexicon,
    classes: [Used; 3],
}

impl<'l> InUse<'l> {
    /// At boot.
    pub fn booted(lexicon: &'l Lexicon) -> InUse<'l> {
        let mut in_use = InUse { lexicon, classes: [Used::NONE; 3] };
        for &word in lexicon.booted() {
            in_use.classes[0].remember(word, NO_WORD, true);
        }
        in_use
    }

    /// What the operations `ops` use.
    pub fn of(lexicon: &'l Lexicon, ops: &[Op]) -> InUse<'l> {
        let mut in_use = InUse::booted(lexicon);
        for op in ops {
            let mut beside = NO_WORD;
            for (arg, &value) in lexicon.args(op.verb).zip(&op.args) {
                in_use.note(arg, value, beside);
                if arg.arg.class == ArgClass::Interface {
                    beside = arg.word(value).unwrap_or(NO_WORD);
                }
            }
        }
        in_use
    }

    /// Remembers that `arg` is choice number `value`, named beside an interface.
    pub fn note(&mut self, arg: Choices<'_>, value: u8, beside: Word) {
        let (class, role) = (arg.arg.class, arg.arg.role);
        let (Some(kept), Some(word)) = (index(class), arg.word(value)) else { return };
        self.note_word(kept, role, word, beside);
        if class == ArgClass::Interface {
            for &[one, other] in self.lexicon.twins() {
                let word = match (one == word, other == word) {
                    (true, _) => other,
                    (_, true) => one,
                    _ => continue,
                };
                self.note_word(kept, role, word, beside);
            }
        }
    }

    fn note_word(&mut self, class: usize, role: Role, word: Word, beside: Word) {
        let used = &mut self.classes[class];
        let named = places(&used.words, word);
        let old = if role == Role::Names { named } else { named & places(&used.beside, beside) };
        let first = old & old.wrapping_neg();
        let makes = matches!(role, Role::Makes | Role::Creates);
        if old == 0 {
            used.remember(word, beside, makes);
        } else if makes {
            used.exists |= first;
        } else if role == Role::Ends {
            used.exists &= !first;
        }
    }

    /// Whether everything is there that a verb needs, as far as anybody can tell without
    /// running, and something is not there that it creates.
    fn serves(&self, verb: &Verb) -> bool {
        self.lexicon.args(verb.code).all(|arg| {
            let Some(class) = index(arg.arg.class) else { return true };
            let used = &self.classes[class];
            let exists = |i: &usize| used.exists >> i & 1 != 0;
            match arg.arg.role {
                Role::Names | Role::Makes => true,
                Role::Creates => arg.words().iter().any(|&word| !used.has(word)),
                Role::Uses | Role::Ends | Role::Holds => {
                    let mut there = (0..REMEMBERED).filter(exists);
                    there.any(|i| arg.place(used.words[i]).is_some())
                }
            }
        })
    }

    /// A value for `arg`, named beside an interface: mostly one that is in use, and
    /// nearly always one that exists where the verb needs it.
    pub fn choose<S: Source>(&self, arg: Choices<'_>, beside: Word, rng: &mut Rng<S>) -> u8 {
        let (role, n) = (arg.arg.role, arg.len());
        let any = match arg.arg.usual {
            0 => rng.below(n) as u8,
            usual if rng.chance(3, 4) => rng.below_u8(usual),
            _ => rng.below(n) as u8,
        };
        let Some(class) = index(arg.arg.class) else {
            return any;
        };
        let used = &self.classes[class];
        if role == Role::Creates && rng.chance(15, 16) {
            let (before, after) = arg.words().split_at(usize::from(any).min(n));
            let mut others = after.iter().chain(before);
            let fresh = others.position(|&word| !used.has(word));
            return fresh.map_or(any, |i| ((usize::from(any) + i) % n) as u8);
        }
        let needs = matches!(role, Role::Uses | Role::Ends | Role::Holds);
        if used.known == 0 || !rng.chance(if needs { 15 } else { 9 }, 16) {
            return any;
        }
        // From a random place on, the first that fits.
        let mut second = any;
        for i in used.in_turn(rng) {
            if needs && used.exists >> i & 1 == 0 {
                continue;
            }
            let Some(value) = arg.place(used.words[i]) else { continue };
            if !needs || used.beside[i] == NO_WORD || used.beside[i] == beside {
                return value;
            }
            second = value;
        }
        second
    }

    /// For `arg`, nearly always something beside which exists what `next` can name.
    fn choose_holder<S: Source>(
        &self,
        arg: Choices<'_>,
        next: Choices<'_>,
        rng: &mut Rng<S>,
    ) -> Option<u8> {
        let class = index(next.arg.class)?;
        let held = &self.classes[class];
        if held.known == 0 || !rng.chance(15, 16) {
            return None;
        }
        held.in_turn(rng).find_map(|i| {
            let fits = held.exists >> i & 1 != 0 && next.place(held.words[i]).is_some();
            if fits { arg.place(held.beside[i]) } else { None }
        })
    }
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
