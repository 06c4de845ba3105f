//! Images of different sizes one after another in one vector, and where each of them lies.

use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// One image within the vector, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine::ops) struct Region {
    /// Its first element.
    pub first: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Elements that lie within the vector: height * width, unless the image is cut off by its end.
    pub count: usize,
}

/// Whole numbers in f32 are exact up to here, so no vector is longer.
const LONGEST: usize = 1 << 24;

/// Pixels that one workgroup takes.
const CHUNK: usize = 1 << 14;

/// Row `image` of `regions`: (first element, height, width).
pub(in crate::engine::ops) fn region(
    regions: &Tensor<f64>,
    image: usize,
    capacity: usize,
) -> Region {
    let row = &regions.data()[3 * image..3 * image + 3];
    // Float to integer conversions saturate.
    let whole = |value: f64| (value as usize).min(LONGEST);
    let first = whole(row[0]).min(capacity);
    let (height, width) = (whole(row[1]), whole(row[2]));
    Region { first, height, width, count: (height * width).min(capacity - first) }
}

/// The number of images in `regions` (N, 3) of a vector of `capacity` elements.
pub(in crate::engine::ops) fn expect_regions(
    name: &str,
    regions: &Shape,
    capacity: usize,
) -> Result<usize> {
    let &[images, 3] = regions.dims() else {
        return Err(Error::shape(
            name,
            format!("takes regions (N, 3) of first element, height and width, was given {regions}"),
        ));
    };
    if capacity > LONGEST {
        return Err(Error::shape(
            name,
            format!("{capacity} elements, at most {LONGEST} can be addressed: use fewer images"),
        ));
    }
    Ok(images)
}

/// The number of elements of the vector `shape`.
pub(in crate::engine::ops) fn expect_vector(name: &str, shape: &Shape) -> Result<usize> {
    match shape.dims() {
        &[elements] => Ok(elements),
        _ => Err(Error::shape(name, format!("takes a vector, was given {shape}"))),
    }
}

/// Workgroups for each image, so that one of average size is shared out in reasonable parts.
pub(in crate::engine::ops) fn chunks(capacity: usize, images: usize) -> usize {
    (capacity / images.max(1)).div_ceil(CHUNK).clamp(1, 1024)
}

/// 33 images of 299x299, for timing.
pub(in crate::engine::ops) const MAMMOGRAMS: &[f64] = &mammograms::<{ 3 * 33 }>();

/// 65 images of 299x299, for timing: a fifth of the heatmaps that the paper scores, all of which are more
/// elements than can be addressed.
pub(in crate::engine::ops) const A_FIFTH: &[f64] = &mammograms::<{ 3 * 65 }>();

/// Rows of three numbers: where an image of 299x299 begins, its height, its width.
const fn mammograms<const NUMBERS: usize>() -> [f64; NUMBERS] {
    let mut rows = [0.0; NUMBERS];
    let mut image = 0;
    while 3 * image < NUMBERS {
        rows[3 * image] = (image * 299 * 299) as f64;
        rows[3 * image + 1] = 299.0;
        rows[3 * image + 2] = 299.0;
        image += 1;
    }
    rows
}
