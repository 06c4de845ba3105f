//! Where a tensor lies in memory.

use crate::engine::shape::Shape;

/// Where a tensor lies in its buffer, in elements: element (row, channel) stands at
/// `offset + row * stride + channel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Of the first element.
    pub offset: usize,
    /// From one row to the next; the number of channels where the tensor is dense.
    pub stride: usize,
}

impl View {
    /// A tensor on its own.
    pub fn dense(shape: &Shape) -> Self {
        View { offset: 0, stride: shape.channels() }
    }

    /// Whether rows of `shape` follow each other without gaps.
    pub fn is_dense(&self, shape: &Shape) -> bool {
        self.stride == shape.channels() || shape.rows() <= 1
    }

    /// Whether every row of `shape` starts and ends on a multiple of four elements.
    pub fn is_vec4(&self, shape: &Shape) -> bool {
        self.offset.is_multiple_of(4)
            && self.stride.is_multiple_of(4)
            && shape.channels().is_multiple_of(4)
    }
}
