//! Reading a status file while it grows.

use super::Status;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

/// A status file that is read on from where it was.
#[derive(Debug)]
pub struct Follow {
    path: PathBuf,
    /// Bytes that `status` holds.
    taken: u64,
    /// All complete lines.
    status: Status,
    /// What follows them: a line that is being written, or was when its writer was killed.
    rest: Vec<u8>,
}

impl Follow {
    /// Nothing is read yet.
    pub fn new(path: PathBuf) -> Follow {
        Follow { path, taken: 0, status: Status::default(), rest: Vec::new() }
    }

    /// Reads what is new; whether there was anything.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn read(&mut self) -> io::Result<bool> {
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        let known = self.taken + self.rest.len() as u64;
        if length < known {
            // Another campaign has begun in its place.
            *self = Follow::new(std::mem::take(&mut self.path));
        } else if length == known {
            return Ok(false);
        }
        file.seek(SeekFrom::Start(self.taken + self.rest.len() as u64))?;
        file.read_to_end(&mut self.rest)?;
        let complete = self.rest.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let lines = self.rest.drain(..complete).collect::<Vec<u8>>();
        for line in String::from_utf8_lossy(&lines).lines() {
            self.status.line(line);
        }
        self.taken += complete as u64;
        Ok(true)
    }

    /// What the file says by now. A last line without an end counts if it is complete.
    pub fn status(&self) -> Status {
        let mut status = self.status.clone();
        status.line(&String::from_utf8_lossy(&self.rest));
        status
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::CAMPAIGN;
    use super::*;
    use std::fs;
    use std::io::Write;

    #[test]
    fn a_file_that_grows_in_pieces_says_the_same_as_the_whole_and_may_begin_anew() {
        let path = std::env::temp_dir().join(format!("ifscrub-follow-{}", std::process::id()));
        let mut file = File::create(&path).unwrap();
        let mut follow = Follow::new(path.clone());
        assert!(!follow.read().unwrap(), "it is empty");
        for piece in CAMPAIGN.as_bytes().chunks(97) {
            file.write_all(piece).unwrap();
            assert!(follow.read().unwrap());
            assert!(!follow.read().unwrap());
        }
        assert_eq!(follow.status(), Status::of(CAMPAIGN));
        let first = CAMPAIGN.lines().next().unwrap();
        fs::write(&path, first).unwrap();
        assert!(follow.read().unwrap());
        assert_eq!(follow.status(), Status::of(first));
        fs::remove_file(&path).unwrap();
        assert!(follow.read().is_err());
    }
}
