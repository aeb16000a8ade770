//! Programs as bytes: what fuzzing engines mutate and corpora hold.
//!
//! A byte program is a list of records of [`RECORD`] bytes. The first one is the
//! header, every other one an operation:
//!
//! | byte | header | operation |
//! | --- | --- | --- |
//! | 0 | format version, not looked at | opcode, [`Verb::code`](super::Verb::code) |
//! | 1 | kernel, [`Grammar::id`] | argument 0 |
//! | 2 | number of CPUs - 1 | argument 1 |
//! | 3 | bit 0: 1 = [`Stop::Kernel`] | argument 2 |
//! | 4 | bit 0: 1 = [`Thresholds::Small`], where there is a choice | argument 3 |
//! | 5 | [`Header::ifindex`] | preempt-at, 0 = never |
//! | 6 | reserved, 0 | bits 0-2: preempt-for |
//! | 7 | reserved, 0 | bits 0-5: fail-at, 0 = none; bit 7: persistent |
//!
//! Decoding never fails: whatever a byte cannot mean is brought into range, and a
//! last record that is cut off is filled with zeros. An opcode that exists means
//! itself whatever verbs are added later, so corpora survive a growing grammar; only
//! the opcodes that did not exist yet change their meaning.
//!
//! Decoding is on the hot path of every engine, so a [`Decoder`] looks everything up
//! in tables that it builds once, and allocates nothing but the operations.

use arbitrary::Unstructured;
use thiserror::Error;

use super::lexicon::Lexicon;
use super::text::{HEADER_WORDS, SUFFIX_WORDS};
use super::{
    FAIL_PERSISTENT, FORMAT_VERSION, Grammar, Header, MAX_ARGS, MAX_FAIL_AT, MAX_OPS,
    MAX_PREEMPT_FOR, Op, Program, RECORD, Stop, Thresholds,
};

/// The kernel byte of a byte program, whatever it names; none when the program is too short.
pub fn kernel_byte(data: &[u8]) -> Option<u8> {
    data.get(1).copied()
}

/// One opcode byte: the verb it means, and how many values each argument has.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    code: u8,
    choices: [u8; 4],
}

/// What each opcode byte means in one grammar.
#[derive(Clone, Debug)]
pub struct DecodeTable {
    grammar: &'static Grammar,
    lexicon: Lexicon,
    entries: [Entry; 256],
}

impl DecodeTable {
    /// The table of `grammar`.
    ///
    /// # Panics
    ///
    /// If the grammar has no verbs.
    pub fn new(grammar: &'static Grammar) -> DecodeTable {
        let mut entries = [Entry::default(); 256];
        for (code, entry) in (0..=u8::MAX).zip(&mut entries) {
            let verb = match grammar.verb(code) {
                Some(verb) => verb,
                None => &grammar.verbs[usize::from(code) % grammar.verbs.len()],
            };
            // An unused argument is one with a single choice: it always becomes 0.
            let mut choices = [1; MAX_ARGS];
            for (n, arg) in choices.iter_mut().zip(verb.args) {
                *n = u8::try_from(arg.choices.len()).unwrap_or(u8::MAX).max(1);
            }
            *entry = Entry { code: verb.code, choices };
        }
        DecodeTable { grammar, lexicon: Lexicon::new(grammar), entries }
    }

    /// The operation that `record` means.
    pub fn op(&self, record: [u8; RECORD]) -> Op {
        let [opcode, a, b, c, d, at, span, fail] = record;
        let entry = &self.entries[usize::from(opcode)];
        let [na, nb, nc, nd] = entry.choices;
        let preempt_at = at & self.grammar.max_preempt_at;
        let preempt_for = match preempt_at {
            0 => 0,
            _ => (span & MAX_PREEMPT_FOR).max(1),
        };
        let fail = match fail & MAX_FAIL_AT {
            0 => 0,
            ordinal => ordinal | (fail & FAIL_PERSISTENT),
        };
        Op {
            verb: entry.code,
            args: [into_range(a, na), into_range(b, nb), into_range(c, nc), into_range(d, nd)],
            preempt_at,
            preempt_for,
            fail,
        }
    }
}

/// `value` modulo `n`, without the division where it is not needed: nearly all
/// records come from the typed mutator and are in range.
fn into_range(value: u8, n: u8) -> u8 {
    if value < n { value } else { value % n }
}

/// Decodes programs of several grammars.
#[derive(Clone, Debug)]
pub struct Decoder {
    tables: Vec<DecodeTable>,
    /// Which table each kernel byte means.
    kernels: [u8; 256],
}

impl Decoder {
    /// A decoder for `grammars`.
    ///
    /// # Panics
    ///
    /// If there are no grammars, more than 256, or one without verbs.
    pub fn new(grammars: &[&'static Grammar]) -> Decoder {
        assert!((1..=256).contains(&grammars.len()), "a decoder needs 1 to 256 grammars");
        let tables = grammars.iter().map(|g| DecodeTable::new(g)).collect();
        let mut kernels = [0; 256];
        for (id, kernel) in (0..=u8::MAX).zip(&mut kernels) {
            let exact = grammars.iter().position(|g| g.id == id);
            let index = exact.unwrap_or(usize::from(id) % grammars.len());
            *kernel = u8::try_from(index).expect("at most 256 grammars");
        }
        Decoder { tables, kernels }
    }

    /// The grammar that kernel byte `id` means.
    pub fn grammar(&self, id: u8) -> &'static Grammar {
        self.table(id).grammar
    }

    /// The words of that grammar.
    pub fn lexicon(&self, id: u8) -> &Lexicon {
        &self.table(id).lexicon
    }

    /// How many grammars it knows.
    pub fn grammars(&self) -> usize {
        self.tables.len()
    }

    /// Whether kernel byte `id` names a grammar of this decoder, not one that stands in.
    pub fn knows(&self, id: u8) -> bool {
        self.grammar(id).id == id
    }

    /// Makes `p` a program of the grammar that comes `n` places after its own: the same
    /// records, as that grammar reads them.
    pub fn change_kernel(&self, p: &mut Program, n: usize) {
        let own = usize::from(self.kernels[usize::from(p.header.kernel)]);
        let table = &self.tables[(own + n) % self.tables.len()];
        let [_, _, cpus, ..] = encode_header(&p.header);
        p.header = Header {
            ncpus: 1 + into_range(cpus, table.grammar.max_cpus.max(1)),
            stop: p.header.stop,
            ..Header::new(table.grammar.id)
        };
        p.named.clear();
        for op in &mut p.ops {
            *op = table.op(encode_op(op));
        }
    }

    fn table(&self, id: u8) -> &DecodeTable {
        &self.tables[usize::from(self.kernels[usize::from(id)])]
    }

    /// The program that `data` means.
    pub fn decode(&self, data: &[u8]) -> Program {
        let mut program = Program { header: Header::new(0), ops: Vec::new(), named: Vec::new() };
        self.decode_into(data, &mut program);
        program
    }

    /// Replaces `out` by the program that `data` means, reusing its memory.
    pub fn decode_into(&self, data: &[u8], out: &mut Program) {
        let (head, rest) = data.split_at(data.len().min(RECORD));
        let [_, kernel, cpus, stop, thresholds, ifindex, ..] = record(head);
        // Nothing at all means the first grammar, even if another one has id 0.
        let table = if data.is_empty() { &self.tables[0] } else { self.table(kernel) };
        out.header = Header {
            kernel: table.grammar.id,
            ncpus: 1 + into_range(cpus, table.grammar.max_cpus.max(1)),
            stop: if stop & 1 == 1 { Stop::Kernel } else { Stop::Books },
            thresholds: match table.grammar.thresholds && thresholds & 1 == 1 {
                true => Thresholds::Small,
                false => Thresholds::Real,
            },
            ifindex: match ifindex <= table.grammar.max_ifindex {
                true => ifindex,
                false => 0,
            },
            defects: None,
        };
        out.named.clear();
        out.ops.clear();
        let records = rest.chunks(RECORD).take(MAX_OPS);
        out.ops.extend(records.map(|chunk| table.op(record(chunk))));
    }
}

/// A record from its own chunk, so that no record depends on what others took.
fn record(chunk: &[u8]) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    Unstructured::new(chunk)
        .fill_buffer(&mut record)
        .expect("fill_buffer fills with zeros what the chunk does not have");
    record
}

/// The program that `data` means.
///
/// Builds the tables anew; what decodes often keeps a [`Decoder`].
pub fn decode(grammars: &[&'static Grammar], data: &[u8]) -> Program {
    Decoder::new(grammars).decode(data)
}

/// Why a program has no bytes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// It has a named point; a run must resolve those to ordinals first.
    #[error("operation {op} names `{name}`, which is not resolved to an ordinal")]
    Named {
        /// Index of the operation.
        op: usize,
        /// The name.
        name: String,
    },
    /// It has more than [`MAX_OPS`] operations.
    #[error("the program has {0} operations, more than {MAX_OPS}")]
    TooLong(usize),
}

/// The bytes of `p`; its defects, which bytes cannot hold, are left out.
///
/// # Errors
///
/// If `p` has named points or too many operations.
pub fn encode(p: &Program) -> Result<Vec<u8>, EncodeError> {
    if let Some(point) = p.named.first() {
        return Err(EncodeError::Named { op: point.op, name: point.name.clone() });
    }
    if p.ops.len() > MAX_OPS {
        return Err(EncodeError::TooLong(p.ops.len()));
    }
    let mut bytes = Vec::with_capacity((1 + p.ops.len()) * RECORD);
    bytes.extend_from_slice(&encode_header(&p.header));
    for op in &p.ops {
        bytes.extend_from_slice(&encode_op(op));
    }
    Ok(bytes)
}

/// The record of a header.
pub fn encode_header(h: &Header) -> [u8; RECORD] {
    let stop = u8::from(h.stop == Stop::Kernel);
    let thresholds = u8::from(h.thresholds == Thresholds::Small);
    let cpus = h.ncpus.saturating_sub(1);
    [FORMAT_VERSION, h.kernel, cpus, stop, thresholds, h.ifindex, 0, 0]
}

/// The record of an operation.
pub fn encode_op(op: &Op) -> [u8; RECORD] {
    let [a, b, c, d] = op.args;
    [op.verb, a, b, c, d, op.preempt_at, op.preempt_for, op.fail]
}

/// A grammar that cannot be decoded or printed without ambiguity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("grammar {kernel}: {what}")]
pub struct GrammarError {
    /// [`Grammar::kernel`].
    pub kernel: &'static str,
    /// What is wrong.
    pub what: String,
}

/// Checks that `grammars` convert between bytes and text without loss; for the tests
/// of whoever writes a grammar.
///
/// # Errors
///
/// The first thing found wrong.
pub fn check(grammars: &[&'static Grammar]) -> Result<(), GrammarError> {
    for (i, g) in grammars.iter().enumerate() {
        let others = &grammars[..i];
        let what = if others.iter().any(|o| o.id == g.id || o.kernel == g.kernel) {
            Some("its name or id is taken".to_string())
        } else {
            check_one(g)
        };
        if let Some(what) = what {
            return Err(GrammarError { kernel: g.kernel, what });
        }
    }
    Ok(())
}

fn check_one(g: &Grammar) -> Option<String> {
    if g.verbs.is_empty() || g.max_cpus == 0 || !is_word(g.kernel) {
        return Some("it needs a one-word name, verbs and CPUs".into());
    }
    if !g.verbs.is_sorted_by(|a, b| a.code < b.code) {
        return Some("its opcodes do not ascend".into());
    }
    for (i, verb) in g.verbs.iter().enumerate() {
        let name = verb.name;
        if !is_word(name) || HEADER_WORDS.contains(&name) {
            return Some(format!("`{name}` cannot be a verb"));
        }
        if g.verbs[..i].iter().any(|v| v.name == name) || verb.weight == 0 || verb.args.len() > 4 {
            return Some(format!("`{name}` is there twice, or has weight 0 or 5 arguments"));
        }
        let keys: Vec<_> = verb.args.iter().map(|a| a.key).filter(|k| !k.is_empty()).collect();
        let reserved = |word: &str| SUFFIX_WORDS.contains(&word) || keys.contains(&word);
        for (j, key) in keys.iter().enumerate() {
            if !is_word(key) || SUFFIX_WORDS.contains(key) || keys[..j].contains(key) {
                return Some(format!("`{name}` cannot have a keyword `{key}`"));
            }
        }
        for arg in verb.args {
            if !(1..=255).contains(&arg.choices.len()) {
                return Some(format!("`{name}` has an argument without 1 to 255 choices"));
            }
            for (j, word) in arg.choices.iter().enumerate() {
                let clash = arg.key.is_empty() && reserved(word);
                if !is_word(word) || clash || arg.choices[..j].contains(word) {
                    return Some(format!("`{name}` cannot take `{word}`"));
                }
            }
        }
    }
    None
}

/// Whether text programs can hold `word` as one token.
fn is_word(word: &str) -> bool {
    let no_gap = |c: char| !c.is_control() && !c.is_whitespace();
    !word.is_empty() && !word.starts_with('#') && word.chars().all(no_gap)
}

#[cfg(test)]
mod tests;
