//! Runs programs until one violates a rule, in AFL++'s persistent mode.
//!
//! What is hunted comes from `IFSCRUB_KERNEL` and `IFSCRUB_DEFECTS`, see
//! [`ifscrub::hunt::fuzz`].

mod map;
mod parent;

use ifscrub_fuzz_glue::{abort_with, run, start};

/// What to do with the file in AFL++'s `crashes` folder.
const MINIMIZE: &str = "\
to keep the bug, minimize the input with
  ifscrub minimize --bytes --defects LIST INPUT      (LIST: as in IFSCRUB_DEFECTS)
";

fn main() {
    start(None);
    afl::fuzz(false, |input| {
        parent::die_with_parent();
        if let Some(finding) = run(input, map::features()) {
            // Of findings that show nothing else of their own AFL++ would keep one.
            map::note_signature(&finding.signature_ident);
            abort_with(&finding, MINIMIZE)
        }
    });
}
