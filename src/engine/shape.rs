//! The size of a tensor along each of its dimensions.

use std::fmt;

/// Sizes from the outermost dimension to the innermost: (N, H, W, C) for activations,
/// (kh, kw, cin / groups, cout) for convolution kernels, (C) for per-channel vectors.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// A shape of any rank; the rank 0 shape holds one element.
    pub fn new(dims: impl Into<Vec<usize>>) -> Self {
        Shape(dims.into())
    }

    /// The sizes, outermost first.
    pub fn dims(&self) -> &[usize] {
        &self.0
    }

    /// How many dimensions.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The most numbers of a tensor in a graph: kernels count them in 32 bits.
    pub const MOST_ELEMENTS: usize = u32::MAX as usize;

    /// The product of all sizes; `usize::MAX` where it is more than that.
    pub fn elements(&self) -> usize {
        product(&self.0)
    }

    /// Bytes of so many numbers of 32 bits; `u64::MAX` where it is more than that.
    pub fn bytes(&self) -> u64 {
        (self.elements() as u64).saturating_mul(4)
    }

    /// The innermost size; 1 for rank 0.
    pub fn channels(&self) -> usize {
        self.0.last().copied().unwrap_or(1)
    }

    /// How many runs of [`Self::channels`] elements there are: N * H * W for an activation.
    pub fn rows(&self) -> usize {
        self.0.split_last().map_or(1, |(_, outer)| product(outer))
    }

    /// (N, H, W, C), where the rank is 4.
    pub fn nhwc(&self) -> Option<[usize; 4]> {
        self.0.as_slice().try_into().ok()
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Shape(dims.to_vec())
    }
}

impl From<Vec<usize>> for Shape {
    fn from(dims: Vec<usize>) -> Self {
        Shape(dims)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.pad("scalar");
        }
        let text: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.pad(&text.join("x"))
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The product of `sizes`, which no size makes smaller than it is: an overflow is the largest number.
fn product(sizes: &[usize]) -> usize {
    match sizes.contains(&0) {
        true => 0,
        false => sizes.iter().fold(1, |product: usize, &size| product.saturating_mul(size)),
    }
}

/// The greatest number that divides both; 0 and 0 have 0.
pub(crate) fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_does_not_wrap() {
        // Its product in 64 bits is 0.
        let shape = Shape::from([1 << 32, 1 << 32, 1]);
        assert_eq!((shape.elements(), shape.rows()), (usize::MAX, usize::MAX));
        assert_eq!(shape.bytes(), u64::MAX);
        assert_eq!(Shape::from([usize::MAX, 0, usize::MAX]).elements(), 0);
        let shape = Shape::from([2, 3, 5]);
        assert_eq!((shape.elements(), shape.rows(), shape.bytes()), (30, 6, 120));
    }
}
