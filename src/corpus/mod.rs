//! Corpora: folders of byte programs that guided engines grow.
//!
//! Every command here keeps to what engines make of such a folder: a file is a program,
//! whatever its name. [`merge`] leaves the least with the same features, by libFuzzer's own
//! merge; [`zip`] packs seeds for fuzzing services; [`import`] decides which files from
//! elsewhere are programs of this format; [`reach`] says what a corpus reaches.

pub mod import;
pub mod merge;
pub mod reach;
pub mod zip;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The files of a folder by name; hidden ones, which are somebody's temporary files, and
/// folders are left out.
///
/// # Errors
///
/// The folder cannot be listed.
pub fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// A path in the folder that nothing has, not even a link that leads nowhere: with this name,
/// or with a number behind it.
pub fn free_name(folder: &Path, name: &OsStr) -> PathBuf {
    let numbered = (2u64..).map(|n| {
        let mut name = name.to_os_string();
        name.push(format!("-{n}"));
        name
    });
    let mut paths =
        std::iter::once(OsString::from(name)).chain(numbered).map(|name| folder.join(name));
    paths.find(|path| fs::symlink_metadata(path).is_err()).expect("numbers do not end")
}
