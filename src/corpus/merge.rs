//! The least corpus with the same features, by libFuzzer's own merge.
//!
//! The target writes the merged corpus into a new folder beside the old one; when that is
//! complete, the two change places in one step, and the old one goes away. So a merge that
//! is killed leaves the corpus as it was or as it is to be. What it leaves behind beside the
//! corpus, and whatever a campaign has added meanwhile, comes along with the next merge.
//!
//! Reviewed seeds ([`SEED`]) stay, by their names. Files of a kernel that the target does not
//! run, because it is pinned to another, would all be dropped: a merge that drops every
//! program of a kernel is refused.

use super::files;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use thiserror::Error;

/// How the names of reviewed seeds begin.
pub const SEED: &str = "seed-";

/// Why a merge was not done. The corpus is as it was.
#[derive(Debug, Error)]
pub enum MergeError {
    /// A file or folder.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
    /// Another merge of the same corpus.
    #[error("process {0} is merging this corpus")]
    Running(u32),
    /// The target failed; the end of what it said.
    #[error("the fuzz target failed ({status}):\n{said}")]
    Target {
        /// How it ended.
        status: String,
        /// Its last lines.
        said: String,
    },
    /// All programs of a kernel would go.
    #[error("none of the {count} programs with kernel byte {kernel} would be left")]
    Dropped {
        /// The kernel's number in the header.
        kernel: u8,
        /// How many programs of it there are.
        count: usize,
    },
}

/// What a merge did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Files, and their bytes, in all folders before.
    pub before: (usize, u64),
    /// Files, and their bytes, after.
    pub after: (usize, u64),
    /// Of these, reviewed seeds.
    pub seeds: usize,
    /// Programs that violate a rule with all defects off: not in the corpus, but here.
    pub violations: Vec<PathBuf>,
}

/// Merges `corpus` and the files of `more` into `corpus`. What violates a rule meanwhile is
/// put into `artifacts`.
///
/// # Errors
///
/// The corpus is as it was then.
pub fn merge(
    target: &Path,
    corpus: &Path,
    more: &[PathBuf],
    artifacts: &Path,
) -> Result<Merged, MergeError> {
    let corpus = absolute(corpus)?;
    let left_behind = left_behind(&corpus)?;
    let mut inputs = vec![corpus.clone()];
    for folder in more {
        inputs.push(absolute(folder)?);
    }
    inputs.extend(left_behind.iter().cloned());
    let new = beside(&corpus, &std::process::id().to_string());
    let result = into_new(target, &corpus, &inputs, &new, artifacts);
    if result.is_err() {
        // Nothing in it is not elsewhere.
        let _ = fs::remove_dir_all(&new);
    }
    let merged = result?;
    for folder in left_behind {
        fs::remove_dir_all(&folder).map_err(at(&folder))?;
    }
    Ok(merged)
}

fn into_new(
    target: &Path,
    corpus: &Path,
    inputs: &[PathBuf],
    new: &Path,
    artifacts: &Path,
) -> Result<Merged, MergeError> {
    let mut known = BTreeSet::new();
    let mut kernels_before = BTreeMap::new();
    let mut before = (0, 0);
    for folder in inputs {
        for file in files(folder).map_err(at(folder))? {
            let data = fs::read(&file).map_err(at(&file))?;
            before = (before.0 + 1, before.1 + data.len() as u64);
            *kernels_before.entry(kernel_of(&data)).or_insert(0) += 1;
            if folder == corpus {
                known.insert(file);
            }
        }
    }
    fs::create_dir(new).map_err(at(new))?;
    let mut seeds = 0;
    for file in known.iter().filter(|f| is_seed(f)) {
        let copy = new.join(file.file_name().unwrap_or_default());
        fs::copy(file, &copy).map_err(at(&copy))?;
        seeds += 1;
    }
    let violations = run(target, new, inputs, artifacts)?;
    let mut after = (0, 0);
    let mut kernels_after = BTreeSet::new();
    for file in files(new).map_err(at(new))? {
        let data = fs::read(&file).map_err(at(&file))?;
        after = (after.0 + 1, after.1 + data.len() as u64);
        kernels_after.insert(kernel_of(&data));
        let written = fs::File::open(&file).and_then(|f| f.sync_all());
        written.map_err(at(&file))?;
    }
    for (kernel, count) in kernels_before {
        if !kernels_after.contains(&kernel) {
            return Err(MergeError::Dropped { kernel, count });
        }
    }
    let old = swap(corpus, new)?;
    // From here on the merged corpus is in its place. What came into the old one while the
    // target ran was not looked at, so it stays.
    for file in files(&old).map_err(at(&old))? {
        let name = file.file_name().unwrap_or_default();
        if !known.contains(&corpus.join(name)) {
            let kept = corpus.join(name);
            fs::rename(&file, &kept).map_err(at(&kept))?;
            after = (after.0 + 1, after.1 + fs::metadata(&kept).map_or(0, |m| m.len()));
        }
    }
    fs::remove_dir_all(&old).map_err(at(&old))?;
    Ok(Merged { before, after, seeds, violations })
}

/// Lets the target merge; what it found.
fn run(
    target: &Path,
    new: &Path,
    inputs: &[PathBuf],
    artifacts: &Path,
) -> Result<Vec<PathBuf>, MergeError> {
    // A folder of its own tells the artifacts of this run from others.
    let found = suffixed(new, ".found");
    fs::create_dir_all(&found).map_err(at(&found))?;
    let result = run_in(target, new, inputs, &found).and_then(|()| {
        let mut violations = Vec::new();
        for file in files(&found).map_err(at(&found))? {
            fs::create_dir_all(artifacts).map_err(at(artifacts))?;
            let kept = artifacts.join(file.file_name().unwrap_or_default());
            fs::copy(&file, &kept).map_err(at(&kept))?;
            violations.push(kept);
        }
        Ok(violations)
    });
    let _ = fs::remove_dir_all(&found);
    result
}

fn run_in(target: &Path, new: &Path, inputs: &[PathBuf], found: &Path) -> Result<(), MergeError> {
    let mut prefix = std::ffi::OsString::from("-artifact_prefix=");
    prefix.push(found);
    prefix.push("/");
    // All kernels, no defects: a program that violates a rule has no place in a corpus.
    let done = Command::new(target)
        .arg("-merge=1")
        .arg(prefix)
        .arg(new)
        .args(inputs)
        .env_remove(crate::triage::sets::VARIABLE)
        .env_remove(crate::hunt::fuzz::KERNEL_VARIABLE)
        .current_dir(found)
        .output()
        .map_err(at(target))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let lines: Vec<_> = said.lines().collect();
    let said = lines[lines.len().saturating_sub(10)..].join("\n");
    Err(MergeError::Target { status: done.status.to_string(), said })
}

/// Puts `new` in the place of `corpus`; where the old one is now.
fn swap(corpus: &Path, new: &Path) -> Result<PathBuf, MergeError> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, corpus, CWD, new, RenameFlags::EXCHANGE).is_ok() {
            return Ok(new.to_path_buf());
        }
    }
    // Not every file system can. Killed between the two steps, the next merge puts the old
    // corpus back.
    let old = suffixed(new, ".old");
    fs::rename(corpus, &old).map_err(at(corpus))?;
    fs::rename(new, corpus).map_err(at(new))?;
    Ok(old)
}

/// Folders of merges that were killed, beside the corpus. If the corpus is not in its place,
/// the old one is put back.
fn left_behind(corpus: &Path) -> Result<Vec<PathBuf>, MergeError> {
    let parent = corpus.parent().unwrap_or(corpus);
    let prefix = beside(corpus, "");
    let prefix = prefix.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut folders = Vec::new();
    for entry in fs::read_dir(parent).map_err(at(parent))? {
        let path = entry.map_err(at(parent))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix(&prefix) else { continue };
        let process = rest.split('.').next().and_then(|n| n.parse::<u32>().ok());
        if let Some(process) = process
            && Path::new("/proc").join(process.to_string()).exists()
        {
            return Err(MergeError::Running(process));
        }
        if name.ends_with(".found") {
            fs::remove_dir_all(&path).map_err(at(&path))?;
        } else if name.ends_with(".old") && !corpus.exists() {
            fs::rename(&path, corpus).map_err(at(&path))?;
        } else {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// `.NAME.merge-WORD` beside `NAME`.
fn beside(corpus: &Path, word: &str) -> PathBuf {
    let name = corpus.file_name().unwrap_or_default().to_string_lossy();
    corpus.with_file_name(format!(".{name}.merge-{word}"))
}

/// A path with something behind its name.
fn suffixed(path: &Path, word: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(word);
    path.with_file_name(name)
}

fn is_seed(file: &Path) -> bool {
    file.file_name().is_some_and(|n| n.to_string_lossy().starts_with(SEED))
}

/// The kernel that a byte program names; the first one when it is too short to.
fn kernel_of(data: &[u8]) -> u8 {
    data.get(1).copied().unwrap_or(0)
}

fn absolute(path: &Path) -> Result<PathBuf, MergeError> {
    match fs::canonicalize(path) {
        Ok(path) => Ok(path),
        // Its place may be empty after a merge that was killed.
        Err(_) => std::path::absolute(path).map_err(at(path)),
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> MergeError + '_ {
    |error| MergeError::Io { path: path.to_path_buf(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A target that does what libFuzzer's merge does with names: it copies every file whose
    /// first byte is `k`, by its content, and runs a line of shell before.
    fn target(dir: &Path, before: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = dir.join("target");
        let script = format!(
            "#!/bin/sh\n{before}\nshift 2; new=$1; shift\nfor d; do for f in \"$d\"/*; do\n\
             case $(head -c 1 \"$f\") in k) cp \"$f\" \"$new/$(cksum < \"$f\" | tr -d ' ')\";; esac\n\
             done; done\n"
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("ifscrub-merge-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("corpus")).unwrap();
        for (name, words) in
            [("seed-a", "xe"), ("a", "keep 1"), ("b", "keep 1"), ("c", "k2"), ("d", "xe drop")]
        {
            fs::write(dir.join("corpus").join(name), words).unwrap();
        }
        dir
    }

    fn contents(dir: &Path) -> BTreeSet<String> {
        let read = |f: PathBuf| fs::read_to_string(f).unwrap();
        files(&dir.join("corpus")).unwrap().into_iter().map(read).collect()
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_the_target_keeps_and_reviewed_seeds_are_left_and_nothing_lies_about() {
        let dir = scratch("plain");
        let target = target(&dir, "");
        let m = merge(&target, &dir.join("corpus"), &[], &dir.join("found")).unwrap();
        assert_eq!((m.before.0, m.after.0, m.seeds), (5, 3, 1));
        assert_eq!(contents(&dir), ["k2", "keep 1", "xe"].map(String::from).into());
        assert!(dir.join("corpus/seed-a").exists());
        assert_eq!(names(&dir), ["corpus", "target"]);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_merge_that_drops_every_program_of_a_kernel_is_refused() {
        let dir = scratch("dropped");
        for name in ["e", "f"] {
            fs::write(dir.join("corpus").join(name), "x other").unwrap();
        }
        let before = contents(&dir);
        let e = merge(&target(&dir, ""), &dir.join("corpus"), &[], &dir.join("found"));
        let e = e.unwrap_err();
        assert!(matches!(e, MergeError::Dropped { kernel: b' ', count: 2 }), "{e}");
        assert_eq!((contents(&dir), names(&dir).len()), (before, 2));
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_comes_meanwhile_and_what_a_killed_merge_left_is_not_lost() {
        let dir = scratch("late");
        // Process numbers are smaller.
        let left = dir.join(".corpus.merge-99999999");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("f"), "k2 left").unwrap();
        fs::create_dir(dir.join(".corpus.merge-99999999.found")).unwrap();
        let late = dir.join("corpus/late");
        // The folders of a merge are known to the next one by their names.
        let known = "case $2 in */.corpus.merge-*.found/) ;; *) exit 1;; esac";
        let late_words = format!("{known}\necho x late > '{}'", late.display());
        let target = target(&dir, &late_words);
        merge(&target, &dir.join("corpus"), &[], &dir.join("found")).unwrap();
        let left = contents(&dir);
        assert!(left.contains("x late\n") && left.contains("k2 left"), "{left:?}");
        assert_eq!(names(&dir), ["corpus", "target"]);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn an_old_corpus_that_a_killed_merge_moved_away_is_put_back() {
        let dir = scratch("away");
        fs::rename(dir.join("corpus"), dir.join(".corpus.merge-99999999.old")).unwrap();
        let target = target(&dir, "");
        let m = merge(&target, &dir.join("corpus"), &[], &dir.join("found")).unwrap();
        assert_eq!((m.before.0, m.after.0), (5, 3));
        assert_eq!(names(&dir), ["corpus", "target"]);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_target_that_fails_and_a_merge_that_runs_leave_everything_as_it_is() {
        let dir = scratch("fails");
        let before = contents(&dir);
        let bad = target(&dir, "echo no such luck >&2; exit 3");
        let e = merge(&bad, &dir.join("corpus"), &[], &dir.join("found")).unwrap_err();
        assert!(e.to_string().contains("no such luck"), "{e}");
        assert_eq!((contents(&dir), names(&dir).len()), (before, 2));
        fs::create_dir(dir.join(".corpus.merge-1")).unwrap();
        let e = merge(&bad, &dir.join("corpus"), &[], &dir.join("found")).unwrap_err();
        assert!(matches!(e, MergeError::Running(1)), "{e}");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_violates_is_put_with_the_artifacts() {
        let dir = scratch("found");
        let target = target(&dir, "echo k > \"${2#-artifact_prefix=}crash-1\"");
        let m = merge(&target, &dir.join("corpus"), &[], &dir.join("found")).unwrap();
        assert_eq!(m.violations, [dir.join("found/crash-1")]);
        assert!(m.violations[0].exists());
        fs::remove_dir_all(&dir).unwrap();
    }
}
