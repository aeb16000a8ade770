//! A zip archive of small files, the same bytes for the same files.
//!
//! Fuzzing services take seeds as `TARGET_seed_corpus.zip`. Programs are a few hundred bytes
//! each, so they are stored as they are; names are flat and sorted, dates are the earliest
//! that the format has. Written after PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12, 4.3.16.

use std::collections::BTreeMap;
use thiserror::Error;

/// 1 January 1980, 00:00.
const DATE: u16 = 1 << 5 | 1;
/// What a reader must know: version 1.0 of the format.
const VERSION: u16 = 10;

/// Why files do not fit into an archive.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ZipError {
    /// The format counts files with 16 bits.
    #[error("{0} files are more than a zip archive holds (65,535)")]
    Files(usize),
    /// The format counts bytes with 32 bits.
    #[error("the archive would be larger than 4 GB")]
    Bytes,
    /// The format counts a name's bytes with 16 bits.
    #[error("the name of a file is too long")]
    Name,
}

/// The archive of files by name.
///
/// # Errors
///
/// There are too many or too large ones.
pub fn archive(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, ZipError> {
    let count = u16::try_from(files.len()).map_err(|_| ZipError::Files(files.len()))?;
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in files {
        let offset = u32::try_from(out.len()).map_err(|_| ZipError::Bytes)?;
        let size = u32::try_from(data.len()).map_err(|_| ZipError::Bytes)?;
        let length = u16::try_from(name.len()).map_err(|_| ZipError::Name)?;
        // What a file's own header and its entry in the directory have in common.
        let mut common = Vec::new();
        // Version, flags (bit 11: names are UTF-8), stored, time, date.
        for word in [VERSION, 1 << 11, 0, 0, DATE] {
            common.extend(word.to_le_bytes());
        }
        for word in [crc32(data), size, size] {
            common.extend(word.to_le_bytes());
        }
        // Length of the name, none of the extra field.
        for word in [length, 0] {
            common.extend(word.to_le_bytes());
        }
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(data);
        directory.extend(b"PK\x01\x02");
        directory.extend(VERSION.to_le_bytes());
        directory.extend(&common);
        // No comment, first disk, nothing known of the contents, no attributes.
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = u32::try_from(out.len()).map_err(|_| ZipError::Bytes)?;
    let size = u32::try_from(directory.len()).map_err(|_| ZipError::Bytes)?;
    out.extend(directory);
    out.extend(b"PK\x05\x06");
    // This disk, the directory's disk, entries here, entries in all.
    for word in [0, 0, count, count] {
        out.extend(word.to_le_bytes());
    }
    out.extend(size.to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend(0u16.to_le_bytes());
    Ok(out)
}

/// The checksum of the format: CRC-32 of ISO 3309.
fn crc32(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn an_archive_is_a_function_of_its_files() {
        let files = BTreeMap::from([("b".to_string(), vec![1, 2]), ("a".to_string(), Vec::new())]);
        let one = archive(&files).unwrap();
        assert_eq!(one, archive(&files.clone()).unwrap());
        assert_eq!(&one[..4], b"PK\x03\x04");
        // Two local headers with names, two bytes, two entries, the end.
        assert_eq!(one.len(), 2 * (30 + 1) + 2 + 2 * (46 + 1) + 22);
        let end = &one[one.len() - 22..];
        assert_eq!((&end[..4], end[10]), (&b"PK\x05\x06"[..], 2));
    }

    #[test]
    fn too_many_files_are_refused() {
        let files = (0..65_536).map(|i| (i.to_string(), Vec::new())).collect();
        assert_eq!(archive(&files), Err(ZipError::Files(65_536)));
    }
}
