//! The mutator of this project as AFL++ wants it: a library with C functions.
//!
//! `AFL_CUSTOM_MUTATOR_LIBRARY` names it, `AFL_CUSTOM_MUTATOR_ONLY=1` keeps AFL++'s own
//! mutations out, which would break records in the middle. The kernels whose programs it
//! makes are those that `IFSCRUB_KERNEL` and `IFSCRUB_DEFECTS` leave.

use ifscrub::program::bytes::Decoder;
use ifscrub::program::mutate::{crossover_bytes, mutate_bytes};
use ifscrub::program::{MAX_OPS, RECORD};
use ifscrub_fuzz_glue::decoder;
use std::ffi::{c_uint, c_void};

/// One in so many mutants is a crossover with another input, as in libFuzzer's target.
const CROSSOVER_ONE_IN: u32 = 16;

/// The longest program that there is.
const LONGEST: usize = (MAX_OPS + 1) * RECORD;

/// What AFL++ keeps for us.
pub struct Mutator {
    decoder: Decoder,
    state: u64,
    out: [u8; LONGEST],
}

impl Mutator {
    fn random(&mut self) -> u32 {
        self.state = self.state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (self.state >> 32) as u32
    }

    fn mutate(&mut self, input: &[u8], other: &[u8], max: usize) -> &[u8] {
        let max = max.min(LONGEST);
        let seed = self.random();
        let crossed = self.random().is_multiple_of(CROSSOVER_ONE_IN) && !other.is_empty();
        let size = if crossed {
            crossover_bytes(&self.decoder, input, other, &mut self.out[..max], seed)
        } else {
            let size = input.len().min(LONGEST);
            self.out[..size].copy_from_slice(&input[..size]);
            mutate_bytes(&self.decoder, &mut self.out, size, max, seed)
        };
        &self.out[..size]
    }
}

/// Makes a mutator.
#[unsafe(no_mangle)]
pub extern "C" fn afl_custom_init(_afl: *mut c_void, seed: c_uint) -> *mut Mutator {
    let (decoder, state, out) = (decoder(None), u64::from(seed), [0; LONGEST]);
    Box::into_raw(Box::new(Mutator { decoder, state, out }))
}

/// Makes a mutant of `buf`; points `out_buf` to it and returns its size.
///
/// # Safety
///
/// `mutator` comes from [`afl_custom_init`] and nobody else uses it now; `buf` and
/// `add_buf` are as long as said, `add_buf` may be null; `out_buf` can be written to. The
/// mutant lives until the next call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn afl_custom_fuzz(
    mutator: *mut Mutator,
    buf: *const u8,
    buf_size: usize,
    out_buf: *mut *const u8,
    add_buf: *const u8,
    add_buf_size: usize,
    max_size: usize,
) -> usize {
    let bytes = |start: *const u8, size: usize| match start.is_null() {
        true => &[][..],
        // SAFETY: the caller says that it is so long.
        false => unsafe { std::slice::from_raw_parts(start, size) },
    };
    // SAFETY: the caller says that it is one of ours, and used by nobody else.
    let mutator = unsafe { &mut *mutator };
    let mutant = mutator.mutate(bytes(buf, buf_size), bytes(add_buf, add_buf_size), max_size);
    // SAFETY: the caller says that it can be written to.
    unsafe { out_buf.write(mutant.as_ptr()) };
    mutant.len()
}

/// Ends a mutator.
///
/// # Safety
///
/// It comes from [`afl_custom_init`] and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn afl_custom_deinit(mutator: *mut Mutator) {
    // SAFETY: the caller says that it is one of ours, made by `Box::into_raw`.
    drop(unsafe { Box::from_raw(mutator) });
}
