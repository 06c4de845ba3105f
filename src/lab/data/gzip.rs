//! Files that may be gzipped, told by their first bytes: archives are unpacked by halves.

use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::error::{Error, Result};
use crate::files;

/// Bytes of a film's file, packed or not: 16 bits of the largest film are 70 MB.
const MOST: u64 = 1 << 28;
/// Bytes of a text. Those of DDSM have some thousands.
const MOST_TEXT: u64 = 4 << 20;
/// A film is compressed before it is packed, so packing does next to nothing; texts pack to a fourth. Zeros pack to a
/// thousandth, and are neither.
const RATIO: u64 = 64;
/// Bytes that any file may unpack to.
const SMALL: u64 = 1 << 20;

/// What the file of a film holds, unpacked where it is gzipped.
///
/// # Errors
/// [`Error::File`] when it cannot be read, [`Error::Content`] when it is a damaged or truncated gzip
/// file, or larger than any film, packed or unpacked.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    unpack(path, files::read_at_most(path, MOST)?, MOST)
}

/// The text in a file, gzipped or not; what is not UTF-8 is replaced.
///
/// # Errors
/// As [`read`], the limit being 4 MB.
pub fn read_text(path: &Path) -> Result<String> {
    let bytes = unpack(path, files::read_at_most(path, MOST_TEXT)?, MOST_TEXT)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `bytes`, the content of `path`, as they are or unpacked to at most `most`.
pub(crate) fn unpack(path: &Path, bytes: Vec<u8>, most: u64) -> Result<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let most = most.min(bytes.len() as u64 * RATIO + SMALL);
    let mut unpacked = Vec::new();
    let mut packed = MultiGzDecoder::new(&bytes[..]).take(most + 1);
    packed.read_to_end(&mut unpacked).map_err(|error| {
        let problem = format!("is a truncated or damaged gzip file ({error})");
        Error::content(path, problem, "copy or download it again")
    })?;
    if unpacked.len() as u64 > most {
        let problem = format!(
            "has {} bytes and unpacks to more than {most}, which such a file does not",
            bytes.len()
        );
        return Err(Error::content(path, problem, "is it what its name says?"));
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn gzipped_or_not_and_cut_short() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, "plain").unwrap();
        assert_eq!(read_text(&path).unwrap(), "plain");
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"packed").unwrap();
        let packed = encoder.finish().unwrap();
        std::fs::write(&path, &packed).unwrap();
        assert_eq!(read_text(&path).unwrap(), "packed");
        for length in 2..packed.len() {
            std::fs::write(&path, &packed[..length]).unwrap();
            assert!(read(&path).unwrap_err().to_string().contains("gzip"), "{length}");
        }
    }

    #[test]
    fn what_unpacks_to_more_than_such_a_file_holds_is_refused_where_that_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.OVERLAY.gz");
        let pack = |length: usize| {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            let block = vec![b'0'; 1 << 20];
            (0..length >> 20).for_each(|_| encoder.write_all(&block).unwrap());
            encoder.finish().unwrap()
        };
        let bomb = pack(64 << 20);
        assert!(bomb.len() < 100_000);
        std::fs::write(&path, &bomb).unwrap();
        for error in [read(&path).unwrap_err(), read_text(&path).unwrap_err()] {
            let error = error.to_string();
            assert!(error.contains("unpacks to more than"), "{error}");
        }
        // Members one after another count together.
        std::fs::write(&path, pack(1 << 20).repeat(200)).unwrap();
        assert!(read_text(&path).is_err());
        std::fs::write(&path, vec![b' '; 5 << 20]).unwrap();
        assert!(read_text(&path).unwrap_err().to_string().contains("4194304"));
    }
}
