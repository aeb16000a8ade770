//! The least corpus with the same features, by libFuzzer's own merge.
//!
//! Everything happens in a hidden folder beside the corpus, `.NAME.merge`. What the inputs hold
//! is read once and copied there (links would not do: a file that is written again would change
//! under the merge); the target sees the copies alone (`outer`), so whoever writes to the
//! corpus meanwhile disturbs nothing. Every file that the target leaves must have the contents
//! of an input. Only then do the two folders change places, in one step, and the old one is
//! emptied file by file: what was an input goes, whatever else is there has come meanwhile and
//! is kept. So a merge that is killed leaves the corpus as it was or as it is to be.
//!
//! | left behind in `.NAME.merge` | what the next merge does with it |
//! | --- | --- |
//! | `in`, `new`, `found`, ... | nothing in it is not elsewhere: removed |
//! | `ready-N` | a merged corpus before the exchange, the old one after it: an input |
//! | `old-N` | the old corpus where folders cannot be exchanged: an input, or put back |
//!
//! Reviewed seeds ([`SEED`]) stay, by their names. Files of a kernel that the target does not
//! run, because it is pinned to another, would all be dropped: a merge that drops every
//! program of a kernel is refused.

mod outer;
mod system;

use super::{files, free_name};
use crate::program::bytes::kernel_byte;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
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
    /// Another merge of the same corpus, or what is left of one that was killed.
    #[error("another merge of this corpus is running")]
    Running,
    /// The target failed; the end of what it said.
    #[error("the fuzz target failed ({status}):\n{said}")]
    Target {
        /// How it ended.
        status: String,
        /// Its last lines.
        said: String,
    },
    /// The target says that it has succeeded, and has not.
    #[error("the fuzz target has not written all of it: {0}")]
    Incomplete(String),
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
    /// Files before that name no kernel: they are no programs here, and gone.
    pub unknown: usize,
    /// Programs that violate a rule with all defects off: not in the corpus, but here.
    pub violations: Vec<PathBuf>,
    /// What could not be cleared away after the merge, and why; the next one takes it along.
    pub left_behind: Option<String>,
}

/// Merges `corpus` and the files of `more` into `corpus`. What violates a rule meanwhile is
/// put into `artifacts`. `kernels` are the bytes that name one.
///
/// # Errors
///
/// The corpus is as it was then.
pub fn merge(
    target: &Path,
    corpus: &Path,
    more: &[PathBuf],
    artifacts: &Path,
    kernels: &[u8],
) -> Result<Merged, MergeError> {
    let (target, corpus) = (absolute(target)?, absolute(corpus)?);
    let scratch = beside(&corpus);
    if !corpus.is_dir() && !scratch.is_dir() {
        return Err(at(&corpus)(io::ErrorKind::NotFound.into()));
    }
    let lock = system::lock(&scratch).map_err(at(&scratch))?.ok_or(MergeError::Running)?;
    let result = locked(&target, &corpus, more, artifacts, kernels, &scratch, &lock);
    // While the lock is held, nobody else is here. What the next merge needs keeps the folder.
    let _ = tidy(&scratch);
    let _ = fs::remove_file(scratch.join("lock"));
    let _ = fs::remove_dir(&scratch);
    drop(lock);
    result
}

fn locked(
    target: &Path,
    corpus: &Path,
    more: &[PathBuf],
    artifacts: &Path,
    kernels: &[u8],
    scratch: &Path,
    lock: &fs::File,
) -> Result<Merged, MergeError> {
    tidy(scratch)?;
    put_back(scratch, corpus)?;
    let left = left_behind(scratch)?;
    let mut folders = vec![corpus.to_path_buf()];
    for folder in more {
        folders.push(absolute(folder)?);
    }
    folders.extend(left.iter().cloned());

    let new = scratch.join("new");
    system::create_like(&new, corpus).map_err(at(&new))?;
    let inputs = snapshot(&folders, scratch, &new)?;
    // Without any program the target would say nothing.
    let violations = match inputs.known.iter().map(Vec::len).max() {
        Some(longest) => outer::run(target, scratch, longest, lock)?,
        None => Vec::new(),
    };
    let violating = whole(&violations, &inputs.known)?;
    let kept = kept(&violations, artifacts)?;
    let merged = whole(&files(&new).map_err(at(&new))?, &inputs.known)?;
    for &kernel in kernels {
        let own = |data: &&Vec<u8>| kernel_byte(data) == Some(kernel);
        let count = inputs.known.iter().filter(own).filter(|d| !violating.contains(*d)).count();
        if count > 0 && !merged.iter().any(|d| kernel_byte(d) == Some(kernel)) {
            return Err(MergeError::Dropped { kernel, count });
        }
    }
    let is_unknown = |d: &&Vec<u8>| kernel_byte(d).is_none_or(|k| !kernels.contains(&k));
    let unknown = inputs.known.difference(&merged).filter(is_unknown).count();
    for file in files(&new).map_err(at(&new))? {
        synced(&file)?;
    }
    synced(&new)?;

    // From here on the merged corpus is in its place, and no error may undo that.
    let old = swap(corpus, &new, scratch)?;
    let mut not_cleared = Vec::new();
    for folder in left.iter().chain([&old]) {
        if let Err(e) = emptied(folder, corpus, &inputs.known) {
            not_cleared.push(e.to_string());
        }
    }
    let left_behind = (!not_cleared.is_empty()).then(|| not_cleared.join("; "));
    let mut after = (0, 0);
    for file in files(corpus).map_err(at(corpus)).unwrap_or_default() {
        after = (after.0 + 1, after.1 + fs::metadata(file).map_or(0, |m| m.len()));
    }
    let (before, seeds) = (inputs.before, inputs.seeds);
    Ok(Merged { before, after, seeds, unknown, violations: kept, left_behind })
}

/// What the folders held.
struct Inputs {
    /// Files, and their bytes.
    before: (usize, u64),
    /// Of the first folder, reviewed seeds.
    seeds: usize,
    /// All contents.
    known: BTreeSet<Vec<u8>>,
}

/// Copies the seeds of the first folder into `new`, and of the rest one file for each contents
/// into `scratch/in`. What goes away meanwhile is not there.
fn snapshot(folders: &[PathBuf], scratch: &Path, new: &Path) -> Result<Inputs, MergeError> {
    let copies = scratch.join("in");
    fs::create_dir(&copies).map_err(at(&copies))?;
    let mut inputs = Inputs { before: (0, 0), seeds: 0, known: BTreeSet::new() };
    let mut others = Vec::new();
    for (i, folder) in folders.iter().enumerate() {
        for file in files(folder).map_err(at(folder))? {
            let Some(data) = read(&file)? else { continue };
            inputs.before = (inputs.before.0 + 1, inputs.before.1 + data.len() as u64);
            if i == 0 && is_seed(&file) {
                let copy = new.join(file.file_name().unwrap_or_default());
                fs::write(&copy, &data).map_err(at(&copy))?;
                inputs.seeds += 1;
                inputs.known.insert(data);
            } else {
                others.push(data);
            }
        }
    }
    for (i, data) in others.into_iter().enumerate() {
        if !inputs.known.contains(&data) {
            let copy = copies.join(format!("{i:08}"));
            fs::write(&copy, &data).map_err(at(&copy))?;
            inputs.known.insert(data);
        }
    }
    Ok(inputs)
}

/// What is in files that the target wrote: each must have the contents of an input.
fn whole(written: &[PathBuf], known: &BTreeSet<Vec<u8>>) -> Result<BTreeSet<Vec<u8>>, MergeError> {
    let mut contents = BTreeSet::new();
    for file in written {
        let data = fs::read(file).map_err(at(file))?;
        if !known.contains(&data) {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let n = data.len();
            let what = format!("what is in {name} ({n} bytes) is in no input");
            return Err(MergeError::Incomplete(what));
        }
        contents.insert(data);
    }
    Ok(contents)
}

/// Copies what was found to where it stays.
fn kept(found: &[PathBuf], artifacts: &Path) -> Result<Vec<PathBuf>, MergeError> {
    let mut kept = Vec::new();
    for file in found {
        fs::create_dir_all(artifacts).map_err(at(artifacts))?;
        let copy = artifacts.join(file.file_name().unwrap_or_default());
        fs::copy(file, &copy).map_err(at(&copy))?;
        synced(&copy)?;
        kept.push(copy);
    }
    Ok(kept)
}

/// Puts `new` in the place of `corpus`; where the old one is now.
fn swap(corpus: &Path, new: &Path, scratch: &Path) -> Result<PathBuf, MergeError> {
    let free = (1u64..).find(|n| {
        !["ready", "old"].iter().any(|word| scratch.join(format!("{word}-{n}")).exists())
    });
    let n = free.expect("numbers do not end");
    let (ready, old) = (scratch.join(format!("ready-{n}")), scratch.join(format!("old-{n}")));
    fs::rename(new, &ready).map_err(at(new))?;
    if system::exchange(corpus, &ready) {
        return Ok(ready);
    }
    // Killed between the two steps, the next merge puts the old corpus back.
    fs::rename(corpus, &old).map_err(at(corpus))?;
    if let Err(e) = fs::rename(&ready, corpus) {
        fs::rename(&old, corpus).map_err(at(corpus))?;
        return Err(at(&ready)(e));
    }
    Ok(old)
}

/// Empties and removes a folder that was an input: what it held then goes, anything else is
/// moved into the corpus, half-written files of others included.
fn emptied(folder: &Path, corpus: &Path, known: &BTreeSet<Vec<u8>>) -> Result<(), MergeError> {
    let mut tries = 3;
    loop {
        for entry in fs::read_dir(folder).map_err(at(folder))? {
            let path = entry.map_err(at(folder))?.path();
            let name = path.file_name().unwrap_or_default();
            let hidden = name.to_string_lossy().starts_with('.');
            let input = !hidden && fs::read(&path).is_ok_and(|data| known.contains(&data));
            let done = match input {
                true => fs::remove_file(&path),
                false => fs::rename(&path, free_name(corpus, name)),
            };
            match done {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(at(&path)(e)),
                _ => {}
            }
        }
        // Somebody who opened it before may still have put something in.
        tries -= 1;
        match fs::remove_dir(folder) {
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty && tries > 0 => {}
            done => return done.map_err(at(folder)),
        }
    }
}

/// Removes what this or a killed merge made for itself.
fn tidy(scratch: &Path) -> Result<(), MergeError> {
    for name in ["in", "new", "found", "control", "target"] {
        let path = scratch.join(name);
        let done = match fs::symlink_metadata(&path) {
            Ok(about) if about.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(_) => continue,
        };
        done.map_err(at(&path))?;
    }
    Ok(())
}

/// Puts the old corpus back if a merge was killed between the two steps of [`swap`].
fn put_back(scratch: &Path, corpus: &Path) -> Result<(), MergeError> {
    if corpus.exists() {
        return Ok(());
    }
    let left = left_behind(scratch)?;
    let old = left
        .iter()
        .rfind(|f| f.file_name().is_some_and(|n| n.to_string_lossy().starts_with("old-")));
    match old {
        Some(old) => fs::rename(old, corpus).map_err(at(old)),
        None => Err(at(corpus)(io::ErrorKind::NotFound.into())),
    }
}

/// Folders of merges that were killed and hold programs.
fn left_behind(scratch: &Path) -> Result<Vec<PathBuf>, MergeError> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(scratch).map_err(at(scratch))? {
        let path = entry.map_err(at(scratch))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("ready-") || name.starts_with("old-") {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// `.NAME.merge` beside `NAME`.
fn beside(corpus: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(corpus.file_name().unwrap_or_default());
    name.push(".merge");
    corpus.with_file_name(name)
}

/// What is in a file, if it is still there.
fn read(file: &Path) -> Result<Option<Vec<u8>>, MergeError> {
    match fs::read(file) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        data => data.map(Some).map_err(at(file)),
    }
}

fn synced(path: &Path) -> Result<(), MergeError> {
    fs::File::open(path).and_then(|f| f.sync_all()).map_err(at(path))
}

fn is_seed(file: &Path) -> bool {
    file.file_name().is_some_and(|n| n.to_string_lossy().starts_with(SEED))
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

    /// What byte 1 of the programs below may be.
    const KERNELS: &[u8] = b"e2";

    /// A target that does what libFuzzer's merge does with files, and says what it says: it
    /// keeps each whose first byte is `k`, under a name of its contents; `v` ends it. Around
    /// that it runs lines of shell.
    fn target(dir: &Path, before: &str, after: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = dir.join("target");
        let script = format!(
            r##"#!/bin/sh
{before}
for f in new/* in/*; do [ -e "$f" ] && set -- "$@" "$f"; done
shift 6
{{ echo $#; echo 0; for f; do echo "$f"; done; }} > control
i=0; n=0
for f; do
    echo "STARTED $i 1" >> control
    first=$(head -c 1 "$f")
    if [ "$first" = v ]; then
        cp "$f" "found/crash-$i"
    else
        printf 'FT %s 1\nCOV %s\n' $i $i >> control
    fi
    case $first$f in kin/*) cp "$f" "new/$(cksum < "$f" | tr -d ' ')"; n=$((n + 1));; esac
    i=$((i + 1))
done
{after}
echo "MERGE-OUTER: successful in 1 attempt(s)" >&2
echo "MERGE-OUTER: $n new files with 1 new features added; 0 new coverage edges" >&2
"##
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A blank in the name, as paths have them.
    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("ifscrub-merge {name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("corpus")).unwrap();
        for (name, words) in
            [("seed-a", "xe"), ("a", "keep 1"), ("b", "keep 1"), ("c", "k2"), ("d", "xe drop")]
        {
            fs::write(dir.join("corpus").join(name), words).unwrap();
        }
        dir
    }

    fn merged(dir: &Path, target: &Path) -> Result<Merged, MergeError> {
        merge(target, &dir.join("corpus"), &[], &dir.join("found"), KERNELS)
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

    #[track_caller]
    fn assert_as_it_was(dir: &Path, target: &Path, words: &str) {
        let before = (contents(dir), names(&dir.join("corpus")));
        let e = merged(dir, target).unwrap_err();
        assert!(e.to_string().contains(words), "{e}");
        assert_eq!((contents(dir), names(&dir.join("corpus"))), before);
        assert_eq!(names(dir), ["corpus", "target"]);
    }

    #[test]
    fn what_the_target_keeps_and_reviewed_seeds_are_left_and_nothing_lies_about() {
        use std::os::unix::fs::PermissionsExt;
        let dir = scratch("plain");
        let corpus = dir.join("corpus");
        fs::set_permissions(&corpus, fs::Permissions::from_mode(0o770)).unwrap();
        let m = merged(&dir, &target(&dir, "", "")).unwrap();
        assert_eq!((m.before.0, m.after.0, m.seeds, m.unknown), (5, 3, 1, 0));
        assert_eq!(contents(&dir), ["k2", "keep 1", "xe"].map(String::from).into());
        assert!(corpus.join("seed-a").exists() && m.left_behind.is_none());
        assert_eq!(names(&dir), ["corpus", "target"]);
        assert_eq!(fs::metadata(&corpus).unwrap().permissions().mode() & 0o777, 0o770);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_merge_that_drops_every_program_of_a_kernel_is_refused() {
        let dir = scratch("dropped");
        fs::remove_file(dir.join("corpus/c")).unwrap();
        for name in ["e", "f"] {
            fs::write(dir.join("corpus").join(name), format!("x2 {name}")).unwrap();
        }
        assert_as_it_was(&dir, &target(&dir, "", ""), "none of the 2 programs with kernel byte 50");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn files_that_name_no_kernel_and_kernels_with_violations_alone_do_not_stop_a_merge() {
        let dir = scratch("unknown");
        let corpus = dir.join("corpus");
        for (name, words) in [("c", "v2"), ("no-kernel", "xM"), ("empty", "")] {
            fs::write(corpus.join(name), words).unwrap();
        }
        let m = merged(&dir, &target(&dir, "", "")).unwrap();
        assert_eq!((m.unknown, m.violations.len()), (2, 1));
        assert_eq!(fs::read_to_string(&m.violations[0]).unwrap(), "v2");
        assert_eq!(m.violations[0].parent(), Some(&*dir.join("found")));
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_comes_meanwhile_and_what_a_killed_merge_left_is_not_lost() {
        let dir = scratch("late");
        let left = dir.join(".corpus.merge/ready-1");
        fs::create_dir_all(left.join("folder")).unwrap();
        fs::write(left.join("f"), "k2 left").unwrap();
        // Half of a file: a killed merge's own folder is not looked at.
        fs::create_dir(dir.join(".corpus.merge/new")).unwrap();
        fs::write(dir.join(".corpus.merge/new/half"), "k2 ha").unwrap();
        let corpus = dir.join("corpus");
        let meanwhile = format!(
            "c='{}'; echo x late > \"$c/late\"; echo x half > \"$c/.half.tmp\"\n\
             rm \"$c/a\"; echo x replaced > \"$c/b\"",
            corpus.display()
        );
        let m = merged(&dir, &target(&dir, "", &meanwhile)).unwrap();
        let kept = ["k2", "k2 left", "keep 1", "x late\n", "x replaced\n", "xe"];
        assert_eq!(contents(&dir), kept.map(String::from).into());
        assert_eq!(m.after.0, kept.len());
        assert!(corpus.join(".half.tmp").exists() && corpus.join("folder").is_dir());
        assert_eq!(names(&dir), ["corpus", "target"]);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn an_old_corpus_that_a_killed_merge_moved_away_is_put_back() {
        let dir = scratch("away");
        fs::create_dir(dir.join(".corpus.merge")).unwrap();
        fs::rename(dir.join("corpus"), dir.join(".corpus.merge/old-1")).unwrap();
        let m = merged(&dir, &target(&dir, "", "")).unwrap();
        assert_eq!((m.before.0, m.after.0), (5, 3));
        assert_eq!(names(&dir), ["corpus", "target"]);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_target_that_does_not_do_all_of_it_leaves_everything_as_it_is() {
        let dir = scratch("fails");
        for (before, after, words) in [
            ("echo no such luck >&2; exit 3", "", "no such luck"),
            // The outer process succeeds, whatever became of the inner one.
            ("echo sh: not found >&2; exit 0", "", "sh: not found"),
            ("", ": > \"$(ls -d new/[0-9]* | head -n 1)\"", "(0 bytes) is in no input"),
            ("", "rm \"$(ls -d new/[0-9]* | head -n 1)\"", "wrote 1 files, and others"),
            ("", "sed '/COV 1/d' control > c; mv c control", "of 4 programs 3 were run"),
        ] {
            assert_as_it_was(&dir, &target(&dir, before, after), words);
        }
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_merge_beside_another_is_refused_and_the_folder_of_a_dead_one_is_no_obstacle() {
        let dir = scratch("running");
        let target = target(&dir, "", "");
        let lock = system::lock(&dir.join(".corpus.merge")).unwrap().unwrap();
        assert!(matches!(merged(&dir, &target), Err(MergeError::Running)));
        drop(lock);
        // A child that another test is just starting has the file for a moment.
        while let Err(e) = merged(&dir, &target) {
            assert!(matches!(e, MergeError::Running), "{e}");
        }
        assert_eq!(names(&dir), ["corpus", "target"]);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_cannot_be_cleared_away_is_told_and_comes_along_with_the_next_merge() {
        let dir = scratch("stuck");
        // The old folder changes under the merge: a folder that cannot be moved, for its name
        // is too long with a number, stands for whatever fails there.
        let long = "n".repeat(255);
        let meanwhile = format!("mkdir '{}/{long}' \"new/{long}\"", dir.join("corpus").display());
        let m = merged(&dir, &target(&dir, "", &meanwhile)).unwrap();
        assert!(m.left_behind.is_some_and(|w| w.contains(&long)));
        assert_eq!(contents(&dir), ["k2", "keep 1", "xe"].map(String::from).into());
        let left = dir.join(".corpus.merge/ready-1");
        fs::write(left.join("late"), "k2 late").unwrap();
        fs::rename(left.join(&long), left.join("short")).unwrap();
        merged(&dir, &target(&dir, "", "")).unwrap();
        assert!(contents(&dir).contains("k2 late"));
        fs::remove_dir_all(&dir).unwrap();
    }
}
