//! Where a finding aborts: in a function that bears its name.
//!
//! Crash services sort by the top frames of the stack. So each defect and each rule has
//! a function of its own, which `build.rs` makes from the library's lists. A finding
//! credited to several defects aborts below a function for each of them.

/// A part of a signature, and the function that aborts in its name.
struct Bucket {
    /// `dragonfly_2007_credit_c4_tapclose_zeroes` or `dragonfly_2007_use_after_free`.
    name: &'static str,
    /// Aborts below the functions of `inner`, if there are any.
    abort: fn(inner: &[&Bucket]) -> !,
}

unsafe extern "C" {
    /// libc's. That of std would leave frames of its own on top.
    safe fn abort() -> !;
}

/// The body is written out in every function: a common one would be the top frame.
/// Bodies must differ as well, or the compiler makes one function of all.
macro_rules! buckets {
    ($($function:ident $name:literal,)*) => {
        $(
            // Rules keep the capitals of their names.
            #[allow(non_snake_case)]
            #[unsafe(no_mangle)]
            #[inline(never)]
            fn $function(inner: &[&Bucket]) -> ! {
                std::hint::black_box($name);
                match inner {
                    [next, rest @ ..] => (next.abort)(rest),
                    [] => abort(),
                }
            }
        )*

        /// By name, the longest first.
        static BUCKETS: &[Bucket] = &[$(Bucket { name: $name, abort: $function },)*];
    };
}

include!(concat!(env!("OUT_DIR"), "/buckets.rs"));

/// Aborts a run whose violation has this signature.
pub fn abort_as(signature: &str) -> ! {
    let (common, mut rest) = match signature.split_once("_credit_") {
        Some((kernel, ids)) => (format!("{kernel}_credit_"), ids),
        None => (String::new(), signature),
    };
    let mut parts = Vec::new();
    loop {
        let is_next = |b: &&Bucket| {
            let own = b.name.strip_prefix(&*common);
            let after = own.and_then(|own| rest.strip_prefix(own));
            after.is_some_and(|after| after.is_empty() || after.starts_with('_'))
        };
        let Some(bucket) = BUCKETS.iter().find(is_next) else { break };
        parts.push(bucket);
        rest = rest[bucket.name.len() - common.len()..].trim_start_matches('_');
        if common.is_empty() {
            break;
        }
    }
    parts.reverse();
    match &parts[..] {
        [outermost, inner @ ..] => (outermost.abort)(inner),
        [] => ifscrub_violation(),
    }
}

/// For a signature that is on no list.
#[unsafe(no_mangle)]
#[inline(never)]
fn ifscrub_violation() -> ! {
    std::hint::black_box("violation");
    abort()
}

/// For a panic of the harness itself.
#[unsafe(no_mangle)]
#[inline(never)]
pub fn ifscrub_harness_bug() -> ! {
    std::hint::black_box("harness bug");
    abort()
}
