//! What a merge asks of the system: a lock, a folder like another, two folders exchanged, and
//! a child that does not outlive this process.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// Takes the lock of a folder, which is made if it is not there; `None` when another process,
/// or a child that it left behind, has it. It ends with the last process that has the file.
pub fn lock(folder: &Path) -> io::Result<Option<fs::File>> {
    let path = folder.join("lock");
    loop {
        match fs::create_dir(folder) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
        let file = match fs::OpenOptions::new().create(true).append(true).open(&path) {
            // Whoever had the lock has just removed the folder.
            Err(e) if e.kind() == io::ErrorKind::NotFound && !folder.exists() => continue,
            file => file?,
        };
        if !take(&file)? {
            return Ok(None);
        }
        if same(&file, &path)? {
            return Ok(Some(file));
        }
    }
}

#[cfg(unix)]
fn take(file: &fs::File) -> io::Result<bool> {
    use rustix::fs::{FlockOperation, flock};
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        done => done.map(|()| true).map_err(io::Error::from),
    }
}

/// Whether the path still is this file.
#[cfg(unix)]
fn same(file: &fs::File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let own = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (own.dev(), own.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(not(unix))]
fn take(_: &fs::File) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(unix))]
fn same(_: &fs::File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

/// Makes a folder with the mode of another, and with its owner, group and access lists as far
/// as this user may give them.
pub fn create_like(folder: &Path, like: &Path) -> io::Result<()> {
    fs::create_dir(folder)?;
    let about = fs::metadata(like)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, chown};
        if chown(folder, Some(about.uid()), Some(about.gid())).is_err() {
            let _ = chown(folder, None, Some(about.gid()));
        }
    }
    fs::set_permissions(folder, about.permissions())?;
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{XattrFlags, getxattr, setxattr};
        let mut list = vec![0; 65536];
        for name in ["system.posix_acl_access", "system.posix_acl_default"] {
            if let Ok(n) = getxattr(like, name, &mut list[..]) {
                let _ = setxattr(folder, name, &list[..n], XattrFlags::empty());
            }
        }
    }
    Ok(())
}

/// Lets two folders change places in one step; whether this file system can.
pub fn exchange(a: &Path, b: &Path) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (a, b);
        false
    }
}

/// Runs a command to its end. It and what it starts are killed when this process is; until
/// they are gone they hold `lock` as well.
pub fn guarded_output(command: &mut Command, lock: &fs::File) -> io::Result<Output> {
    own_group(command);
    let mut child = command
        .stdin(Stdio::from(lock.try_clone()?))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut guard = match guard(&child) {
        Ok(guard) => guard,
        Err(e) => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(e);
        }
    };
    let done = child.wait_with_output();
    // If the child has left others behind, they end now.
    drop(guard.stdin.take());
    let _ = guard.wait();
    done
}

/// A process that waits for the end of its standard input, which comes with the end of this
/// process in whatever way, and then kills the group of the child.
fn guard(child: &Child) -> io::Result<Child> {
    let mut command = Command::new("sh");
    command.args(["-c", "read -r _; kill -9 \"-$1\"", "sh", &child.id().to_string()]);
    // What interrupts this process on a terminal shall not end the guard.
    own_group(&mut command);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

fn own_group(command: &mut Command) {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        command.process_group(0);
    }
    #[cfg(not(unix))]
    let _ = command;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> std::path::PathBuf {
        let dir =
            std::env::temp_dir().join(format!("ifscrub-system-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn a_lock_is_held_by_one_and_free_when_its_last_holder_is_gone() {
        let dir = scratch("lock");
        let folder = dir.join("folder");
        let first = lock(&folder).unwrap().unwrap();
        assert!(lock(&folder).unwrap().is_none());
        let stdin = first.try_clone().unwrap();
        let mut child = Command::new("sleep").arg("60").stdin(stdin).spawn().unwrap();
        drop(first);
        assert!(lock(&folder).unwrap().is_none(), "a child holds it");
        child.kill().unwrap();
        child.wait().unwrap();
        // A child that another test is just starting has the file for a moment.
        while lock(&folder).unwrap().is_none() {}
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_folder_like_another_has_its_mode() {
        use std::os::unix::fs::PermissionsExt;
        let dir = scratch("like");
        let (a, b) = (dir.join("a"), dir.join("b"));
        fs::create_dir(&a).unwrap();
        fs::set_permissions(&a, fs::Permissions::from_mode(0o2775)).unwrap();
        create_like(&b, &a).unwrap();
        assert_eq!(fs::metadata(&b).unwrap().permissions().mode() & 0o7777, 0o2775);
        fs::remove_dir_all(&dir).unwrap();
    }
}
