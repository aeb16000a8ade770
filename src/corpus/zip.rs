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

    fn u16_at(bytes: &[u8], at: usize) -> usize {
        usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
    }

    fn u32_at(bytes: &[u8], at: usize) -> usize {
        u16_at(bytes, at) | u16_at(bytes, at + 2) << 16
    }

    /// What an archive holds, read as the format says: from the end backwards.
    fn read_back(zip: &[u8]) -> Vec<(String, Vec<u8>)> {
        let end = zip.len() - 22;
        assert_eq!(&zip[end..end + 4], b"PK\x05\x06");
        let (count, size, start) =
            (u16_at(zip, end + 10), u32_at(zip, end + 12), u32_at(zip, end + 16));
        assert_eq!((u16_at(zip, end + 8), start + size), (count, end));
        let mut at = start;
        let mut files = Vec::new();
        for _ in 0..count {
            assert_eq!(&zip[at..at + 4], b"PK\x01\x02");
            let (crc, length, own) =
                (u32_at(zip, at + 16), u32_at(zip, at + 20), u32_at(zip, at + 42));
            let name = &zip[at + 46..at + 46 + u16_at(zip, at + 28)];
            assert_eq!(&zip[own..own + 4], b"PK\x03\x04");
            // Version to length of the extra field, in both.
            assert_eq!(zip[own + 4..own + 30], zip[at + 6..at + 32]);
            assert_eq!((u16_at(zip, own + 8), u32_at(zip, own + 22)), (0, length), "stored");
            let begin = own + 30 + name.len();
            assert_eq!(&zip[own + 30..begin], name);
            let data = &zip[begin..begin + length];
            assert_eq!(crc32(data) as usize, crc);
            files.push((String::from_utf8(name.to_vec()).unwrap(), data.to_vec()));
            at += 46 + name.len();
        }
        assert_eq!(at, end, "the directory has nothing else");
        files
    }

    #[test]
    fn what_is_packed_is_read_back_and_an_archive_is_a_function_of_its_files() {
        let contents: [(&str, &[u8]); 3] = [("b", &[1, 2]), ("a", &[]), ("long-\u{e9}", &[7; 999])];
        let files: BTreeMap<String, Vec<u8>> =
            contents.iter().map(|(name, data)| (name.to_string(), data.to_vec())).collect();
        let zip = archive(&files).unwrap();
        assert_eq!(zip, archive(&files.clone()).unwrap());
        assert_eq!(read_back(&zip), files.into_iter().collect::<Vec<_>>());
        assert_eq!(read_back(&archive(&BTreeMap::new()).unwrap()), []);
    }

    #[test]
    fn too_many_files_are_refused() {
        let files = (0..65_536).map(|i| (i.to_string(), Vec::new())).collect();
        assert_eq!(archive(&files), Err(ZipError::Files(65_536)));
    }
}
