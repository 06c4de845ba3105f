//! What reading one file of weights may cost, by its size and by what networks need: a file that says more of itself
//! than its bytes can hold is refused before memory is asked for.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hdf5_pure::{FormatError, Source};

use crate::error::{Error, Result};

/// A larger file is not read. The weights of the largest network of `keras.applications`, ConvNeXtXLarge, take 1.4 GB
/// with its usual head; a training's state has four times that.
pub const MOST_BYTES: u64 = 6 << 30;

/// What is unpacked may be so many times the file. Trained weights are as good as random bits, and pack to nine tenths.
const UNPACKED: u64 = 6;
/// And so many bytes more: a small network that is not trained yet is zeros for the greater part.
const SMALL: u64 = 16 << 20;

/// No network has more tensors: the largest of `keras.applications`, NASNetLarge, has 1,546, and a training's state four
/// times as many.
const MOST_TENSORS: usize = 16_384;
/// Groups of an HDF5 file that are entered. A file whose groups hold each other would have no end.
const MOST_GROUPS: usize = 32_768;

/// Of an HDF5 file: bytes that may be read of it in all, as a multiple of its size and beside that. Names and layouts
/// are looked up again and again, the numbers are read once.
const READ: u64 = 8;
/// See [`READ`].
const READ_SMALL: u64 = 48 << 20;
/// What one read counts at least.
const ONE_READ: u64 = 32;

/// What may still be taken out of a file.
pub struct Allowance {
    path: PathBuf,
    unpacked: u64,
    stored: u64,
    tensors: usize,
    groups: usize,
}

impl Allowance {
    /// That of a file of `length` bytes.
    pub fn of(path: &Path, length: usize) -> Self {
        let length = length as u64;
        Allowance {
            path: path.to_owned(),
            unpacked: length * UNPACKED + SMALL,
            stored: length,
            tensors: MOST_TENSORS,
            groups: MOST_GROUPS,
        }
    }

    /// From here on what is stored stands in `length` bytes that were unpacked.
    pub fn inner(&mut self, length: usize) {
        self.stored = length as u64;
    }

    /// Bytes that may still be unpacked.
    pub fn left(&self) -> u64 {
        self.unpacked
    }

    /// Takes `bytes` for what `place` unpacks to.
    ///
    /// # Errors
    /// [`Error::Content`] when the file would unpack to more than a file of its size does.
    pub fn unpack(&mut self, place: &str, bytes: u64) -> Result<()> {
        self.unpacked = self.unpacked.checked_sub(bytes).ok_or_else(|| {
            self.refused(format!(
                "{place} unpacks to {} MB or more, which weights in a file of this size do not",
                bytes.div_ceil(1_000_000)
            ))
        })?;
        Ok(())
    }

    /// Takes `bytes` that `place` holds as they are.
    ///
    /// # Errors
    /// [`Error::Content`] when all of them are more than the file has.
    pub fn store(&mut self, place: &str, bytes: u64) -> Result<()> {
        self.stored = self.stored.checked_sub(bytes).ok_or_else(|| {
            self.refused(format!(
                "with {place} its tensors are larger than the file: several names share their numbers, or the numbers \
                 are not there"
            ))
        })?;
        Ok(())
    }

    /// Takes one tensor.
    ///
    /// # Errors
    /// [`Error::Content`] when there are more than any network has.
    pub fn tensor(&mut self) -> Result<()> {
        self.tensors = self.tensors.checked_sub(1).ok_or_else(|| {
            self.refused(format!(
                "it names more than {MOST_TENSORS} tensors, and no network has as many"
            ))
        })?;
        Ok(())
    }

    /// Takes one group of an HDF5 file.
    ///
    /// # Errors
    /// [`Error::Content`] when there are more than any network has.
    pub fn group(&mut self) -> Result<()> {
        self.groups = self.groups.checked_sub(1).ok_or_else(|| {
            self.refused(format!(
                "it has more than {MOST_GROUPS} groups: no network does, unless groups hold each other"
            ))
        })?;
        Ok(())
    }

    /// The file is none of a network.
    pub fn refused(&self, problem: impl Into<String>) -> Error {
        Error::content(&self.path, problem, "give weights as `parula train` or Keras saves them")
    }
}

/// The bytes of an HDF5 file, which end being read where a file of weights would long have been read.
pub struct Metered {
    bytes: Vec<u8>,
    left: AtomicU64,
}

impl Metered {
    /// All that may be read of `bytes`.
    pub fn new(bytes: Vec<u8>) -> Self {
        let left = AtomicU64::new(bytes.len() as u64 * READ + READ_SMALL);
        Metered { bytes, left }
    }
}

impl Source for Metered {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), FormatError> {
        let cost = (buffer.len() as u64).max(ONE_READ);
        let take = |left: u64| left.checked_sub(cost);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map_err(|_| {
            FormatError::Source("its parts refer to each other again and again".to_owned())
        })?;
        let part = usize::try_from(offset)
            .ok()
            .and_then(|start| self.bytes.get(start..start.checked_add(buffer.len())?));
        let expected = usize::try_from(offset).unwrap_or(usize::MAX).saturating_add(buffer.len());
        let part =
            part.ok_or(FormatError::UnexpectedEof { expected, available: self.bytes.len() })?;
        buffer.copy_from_slice(part);
        Ok(())
    }
}
