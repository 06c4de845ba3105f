//! What is kept of a picture to compare it with all others: some 18 kB.

use super::plane;
use crate::digest::digest_bytes;
use crate::nets::images::Grey;

/// Rows and columns of a thumbnail.
pub const SIDE: usize = 96;

/// A picture, as far as comparing goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Width, height, and a digest of the decoded grey pixels.
    pub pixels: (usize, usize, String),
    /// [`SIDE`] x [`SIDE`] means of the picture's parts, row by row, stretched to 0 to 65535, so that
    /// neither brightness nor contrast counts; none where the picture has one value everywhere.
    pub thumbnail: Option<Vec<u16>>,
}

impl Fingerprint {
    /// That of `picture`.
    pub fn of(picture: &Grey) -> Self {
        let digest = digest_bytes(picture.pixels.iter().copied());
        let means = plane::shrunk(&picture.pixels, [picture.height, picture.width], SIDE);
        let (low, high) = means
            .iter()
            .fold((f32::MAX, f32::MIN), |(low, high), &value| (low.min(value), high.max(value)));
        let thumbnail = (high - low >= 1.0).then(|| {
            let stretch = 65535.0 / (high - low);
            means.iter().map(|value| ((value - low) * stretch).round() as u16).collect()
        });
        Fingerprint { pixels: (picture.width, picture.height, digest), thumbnail }
    }
}
