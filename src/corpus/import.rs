//! Which bytes from elsewhere are programs of this format.
//!
//! Decoding never fails, so that engines may mutate what they like; therefore a file that
//! was written by another version, or for another stack, or was torn, would silently mean
//! something else. Import is where that is looked at: a file is taken if it is *canonical*,
//! which means that decoding and encoding it gives the same bytes. All that ifscrub itself
//! writes is.
//!
//! Versions are told by byte 0 of a byte program and by the number in the first line of a
//! text. There is only version 1 so far: a file of another one is refused, and when there
//! is a second one, this is where the first is converted. Grammars only grow within a
//! version: opcodes are append-only, so an older corpus is canonical under a newer grammar,
//! and a newer one names opcodes that this grammar does not have, which is told.
//!
//! What is not told, because no byte does: preemptions and faults of bytes are ordinals of yield
//! points and fallible calls, and a change of a model moves them. Such a program is canonical as
//! before and disturbed elsewhere than it was; engines take it as they take any other.

use crate::program::bytes::{Decoder, encode_header, encode_op};
use crate::program::{FORMAT_VERSION, MAX_OPS, RECORD};
use thiserror::Error;

/// Why bytes are not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Not even a header.
    #[error("has {0} bytes, and a header alone has 8")]
    Short(usize),
    /// A record is cut off.
    #[error("has {0} bytes, which are no whole records of 8: it is torn, or no program")]
    Torn(usize),
    /// Another format version.
    #[error("is of format version {0}; this ifscrub knows version {FORMAT_VERSION}")]
    Version(u8),
    /// More operations than a program has.
    #[error("has {0} operations, more than {MAX_OPS}")]
    Long(usize),
    /// A kernel that is not there.
    #[error("is for kernel number {0}, which this ifscrub does not have")]
    Kernel(u8),
    /// A header that means something else here.
    #[error("its header, byte {byte}: {value} means nothing here")]
    Header {
        /// Which byte.
        byte: usize,
        /// Its value.
        value: u8,
    },
    /// A verb of a later grammar.
    #[error(
        "operation {op}: no verb of {kernel} has opcode {opcode}; a later ifscrub may have one"
    )]
    Verb {
        /// From 1.
        op: usize,
        /// The opcode.
        opcode: u8,
        /// Name of the kernel.
        kernel: &'static str,
    },
    /// An argument, preemption or fault that means something else here.
    #[error("operation {op} {verb}, byte {byte}: {value} means nothing here")]
    Operation {
        /// From 1.
        op: usize,
        /// Name of its verb.
        verb: &'static str,
        /// Which byte of the record.
        byte: usize,
        /// Its value.
        value: u8,
    },
}

/// Whether bytes are a canonical program of one of the grammars.
///
/// # Errors
///
/// What they are instead.
pub fn check(decoder: &Decoder, data: &[u8]) -> Result<(), Refusal> {
    let [version, kernel, ..] = *data else { return Err(Refusal::Short(data.len())) };
    if data.len() < RECORD {
        return Err(Refusal::Short(data.len()));
    }
    if version != FORMAT_VERSION {
        return Err(Refusal::Version(version));
    }
    if !data.len().is_multiple_of(RECORD) {
        return Err(Refusal::Torn(data.len()));
    }
    let ops = data.len() / RECORD - 1;
    if ops > MAX_OPS {
        return Err(Refusal::Long(ops));
    }
    if !decoder.knows(kernel) {
        return Err(Refusal::Kernel(kernel));
    }
    let p = decoder.decode(data);
    let differs = |a: &[u8], b: &[u8]| a.iter().zip(b).position(|(a, b)| a != b);
    if let Some(byte) = differs(&encode_header(&p.header), data) {
        return Err(Refusal::Header { byte, value: data[byte] });
    }
    let grammar = decoder.grammar(kernel);
    for (i, (op, record)) in p.ops.iter().zip(data[RECORD..].chunks(RECORD)).enumerate() {
        let opcode = record[0];
        let Some(verb) = grammar.verb(opcode) else {
            return Err(Refusal::Verb { op: i + 1, opcode, kernel: grammar.kernel });
        };
        if let Some(byte) = differs(&encode_op(op), record) {
            let value = record[byte];
            return Err(Refusal::Operation { op: i + 1, verb: verb.name, byte, value });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::bytes::encode;
    use crate::program::generate::{GenConfig, Generator};
    use crate::stack::GRAMMARS;

    fn sample() -> Vec<u8> {
        let generator = Generator::new(GRAMMARS[0], GenConfig::default(), 1);
        encode(&generator.program(0)).unwrap()
    }

    #[test]
    fn whatever_ifscrub_writes_is_taken() {
        let decoder = Decoder::new(GRAMMARS);
        for g in GRAMMARS {
            let generator = Generator::new(g, GenConfig::default(), 1);
            for i in 0..50 {
                let data = encode(&generator.program(i)).unwrap();
                assert_eq!(check(&decoder, &data), Ok(()));
                assert_eq!(encode(&decoder.decode(&data)).unwrap(), data);
            }
        }
    }

    #[test]
    fn what_would_mean_something_else_is_refused_by_name() {
        let decoder = Decoder::new(GRAMMARS);
        let with = |at: usize, value: u8| {
            let mut data = sample();
            data[at] = value;
            check(&decoder, &data).unwrap_err()
        };
        assert_eq!(with(0, 2), Refusal::Version(2));
        assert_eq!(with(0, 0), Refusal::Version(0));
        assert_eq!(with(1, 77), Refusal::Kernel(77));
        assert_eq!(with(2, 200), Refusal::Header { byte: 2, value: 200 });
        assert_eq!(with(7, 1), Refusal::Header { byte: 7, value: 1 });
        assert!(matches!(with(8, 250), Refusal::Verb { op: 1, opcode: 250, .. }));
        assert!(matches!(with(9, 255), Refusal::Operation { op: 1, byte: 1, value: 255, .. }));
        let data = sample();
        assert_eq!(check(&decoder, &data[..data.len() - 3]), Err(Refusal::Torn(data.len() - 3)));
        assert_eq!(check(&decoder, &data[..3]), Err(Refusal::Short(3)));
        assert_eq!(check(&decoder, &[]), Err(Refusal::Short(0)));
        let mut long = data[..RECORD].to_vec();
        for _ in 0..=MAX_OPS {
            long.extend(&data[RECORD..2 * RECORD]);
        }
        assert_eq!(check(&decoder, &long), Err(Refusal::Long(MAX_OPS + 1)));
    }

    #[test]
    fn taken_means_that_nothing_is_lost() {
        let decoder = Decoder::new(GRAMMARS);
        let mut data = sample();
        for at in 0..data.len() {
            let own = data[at];
            for value in 0..=u8::MAX {
                data[at] = value;
                if check(&decoder, &data).is_ok() {
                    assert_eq!(encode(&decoder.decode(&data)).unwrap(), data, "byte {at}: {value}");
                }
            }
            data[at] = own;
        }
    }
}
