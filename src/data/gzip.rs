//! Files that may be gzipped, told by their first bytes: archives are unpacked by halves.

use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::error::{Error, Result};
use crate::files;

/// More than any film; a file that unpacks to more is not unpacked to its end.
const MOST: u64 = 1 << 28;

/// What the file holds, unpacked where it is gzipped.
///
/// # Errors
/// [`Error::File`] when it cannot be read, [`Error::Content`] when it is a damaged or truncated gzip
/// file, or unpacks to more than 256 MB.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = files::read(path)?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    let mut packed = MultiGzDecoder::new(&bytes[..]).take(MOST + 1);
    packed.read_to_end(&mut unpacked).map_err(|error| {
        let problem = format!("is a truncated or damaged gzip file ({error})");
        Error::content(path, problem, "copy or download it again")
    })?;
    if unpacked.len() as u64 > MOST {
        return Err(Error::content(path, "unpacks to more than 256 MB", "is it a film?"));
    }
    Ok(unpacked)
}

/// The text in a file, gzipped or not; what is not UTF-8 is replaced.
///
/// # Errors
/// As [`read`].
pub fn read_text(path: &Path) -> Result<String> {
    Ok(String::from_utf8_lossy(&read(path)?).into_owned())
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
}
