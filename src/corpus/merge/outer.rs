//! libFuzzer's merge of one folder, and whether it did all of it.
//!
//! libFuzzer's outer process runs the programs in inner ones, which it starts by a shell
//! without quoting anything, and of which it believes that they have done what they were asked
//! to; it does not look at the results of its writes. So it gets nothing but plain relative
//! names in a folder of its own, and what it leaves is counted: its control file must say of
//! every program that it was run, or that it ended the inner process, in which case there must
//! be an artifact; and as many files must be there as it says it has written.

use super::system::guarded_output;
use super::{MergeError, at};
use crate::corpus::files;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Merges the programs in `scratch/in` into `scratch/new`. What ends the target is put into
/// `scratch/found`: the result. `longest` is the length of the longest program.
pub fn run(
    target: &Path,
    scratch: &Path,
    longest: usize,
    lock: &fs::File,
) -> Result<Vec<PathBuf>, MergeError> {
    let (new, found) = (scratch.join("new"), scratch.join("found"));
    fs::create_dir(&found).map_err(at(&found))?;
    let link = scratch.join("target");
    linked(target, &link).map_err(at(&link))?;
    let there = files(&new).map_err(at(&new))?.len();
    let mut command = Command::new(&link);
    named_plainly(&mut command);
    // All kernels, no defects: a program that violates a rule has no place in a corpus.
    command
        .args(["-merge=1", "-artifact_prefix=found/", "-merge_control_file=control"])
        .arg(format!("-max_len={}", longest.max(1)))
        .args(["new", "in"])
        .env_remove(crate::triage::sets::VARIABLE)
        .env_remove(crate::hunt::fuzz::KERNEL_VARIABLE)
        .current_dir(scratch);
    let done = guarded_output(&mut command, lock).map_err(at(target))?;
    let said = String::from_utf8_lossy(&done.stderr);
    if !done.status.success() || !said.contains("MERGE-OUTER: successful in ") {
        let lines: Vec<_> = said.lines().collect();
        let said = lines[lines.len().saturating_sub(10)..].join("\n");
        return Err(MergeError::Target { status: done.status.to_string(), said });
    }
    let violations: Vec<_> = files(&found).map_err(at(&found))?;
    let control = scratch.join("control");
    let text = fs::read(&control).map_err(at(&control))?;
    let progress = Progress::of(&String::from_utf8_lossy(&text));
    if progress.run + violations.len() != progress.files || progress.ended != violations.len() {
        let Progress { files, run, ended } = progress;
        let artifacts = violations.len();
        return Err(MergeError::Incomplete(format!(
            "of {files} programs {run} were run, {ended} ended the target, and {artifacts} of \
             these were written",
        )));
    }
    let written = files(&new).map_err(at(&new))?.len() - there;
    if number(&said, " new files with ") != Some(written) {
        return Err(MergeError::Incomplete(format!(
            "the target wrote {written} files, and others"
        )));
    }
    Ok(violations)
}

/// The target under a name without blanks; a copy where there are no links.
fn linked(target: &Path, link: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    if std::os::unix::fs::symlink(target, link).is_ok() {
        return Ok(());
    }
    fs::copy(target, link).map(drop)
}

/// The target's own name for itself, by which it starts the inner process.
fn named_plainly(command: &mut Command) {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        command.arg0("./target");
    }
    #[cfg(not(unix))]
    let _ = command;
}

/// The number before some words of the last line that has them.
fn number(said: &str, words: &str) -> Option<usize> {
    let before = said.rsplit_once(words)?.0;
    before.rsplit(' ').next()?.parse().ok()
}

/// What a control file says: FuzzerMerge.cpp, the comment on its format.
#[derive(Debug, PartialEq, Eq)]
struct Progress {
    /// Programs in all.
    files: usize,
    /// Run, with all of their features there.
    run: usize,
    /// Begun, no more.
    ended: usize,
}

impl Progress {
    fn of(control: &str) -> Progress {
        let mut lines = control.split_inclusive('\n');
        let files = lines.next().and_then(|n| n.trim().parse().ok()).unwrap_or(0);
        // How many are in the first corpus, and all names.
        let (mut begun, mut run) = (BTreeSet::new(), BTreeSet::new());
        for line in lines.skip(1 + files) {
            // A torn one says nothing.
            let Some(line) = line.strip_suffix('\n') else { continue };
            let mut words = line.split(' ');
            let (kind, id) = (words.next(), words.next().and_then(|id| id.parse::<usize>().ok()));
            match (kind, id) {
                (Some("STARTED"), Some(id)) => begun.insert(id),
                // The last line of a program.
                (Some("COV"), Some(id)) => run.insert(id),
                _ => continue,
            };
        }
        Progress { files, run: run.len(), ended: begun.difference(&run).count() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_file_tells_what_was_run_and_what_ended_the_target() {
        let whole = "3\n1\na\nb\nc\nSTARTED 0 5\nFT 0 1 2\nCOV 0\nSTARTED 1 5\nSTARTED 2 9\n\
                     FT 2\nCOV 2 7\n";
        assert_eq!(Progress::of(whole), Progress { files: 3, run: 2, ended: 1 });
        let torn = &whole[..whole.len() - 1];
        assert_eq!(Progress::of(torn), Progress { files: 3, run: 1, ended: 2 });
        assert_eq!(Progress::of(""), Progress { files: 0, run: 0, ended: 0 });
        assert_eq!(number("x: 12 new files with 3 new", " new files with "), Some(12));
        assert_eq!(number("x: 12 files", " new files with "), None);
    }
}
