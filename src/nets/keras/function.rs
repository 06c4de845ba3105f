//! What a layer does to its sums: the field `activation` of most layers, and layers of their own.

use crate::engine::ops::Curve;

/// A function of every number, or of a row of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::nets::keras) enum Function {
    /// max(x, 0), which convolutions take over.
    Relu,
    /// min(max(x, 0), 6), likewise.
    Relu6,
    /// Any other of one number.
    Curve(Curve),
    /// Of the scores in a row.
    Softmax,
}
