//! Numbers in host memory, with their shape.

use crate::engine::shape::Shape;
use crate::error::{Error, Result};

/// A dense tensor, innermost dimension contiguous. `f32` is what the GPU computes with, `f64` what
/// the references sum in.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<T = f32> {
    shape: Shape,
    data: Vec<T>,
}

impl<T: Copy + Default> Tensor<T> {
    /// A tensor of `shape` over `data`.
    ///
    /// # Errors
    /// [`Error::Shape`] when the counts differ.
    pub fn new(shape: impl Into<Shape>, data: Vec<T>) -> Result<Self> {
        let shape = shape.into();
        if shape.elements() != data.len() {
            return Err(Error::shape(
                "tensor",
                format!(
                    "shape {shape} holds {} numbers, {} were given",
                    shape.elements(),
                    data.len()
                ),
            ));
        }
        Ok(Tensor { shape, data })
    }

    /// A tensor of zeros.
    pub fn zeros(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        let data = vec![T::default(); shape.elements()];
        Tensor { shape, data }
    }

    /// A tensor whose element at flat index `i` is `value(i)`.
    pub fn from_fn(shape: impl Into<Shape>, value: impl FnMut(usize) -> T) -> Self {
        let shape = shape.into();
        let data = (0..shape.elements()).map(value).collect();
        Tensor { shape, data }
    }

    /// Its shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Its sizes.
    pub fn dims(&self) -> &[usize] {
        self.shape.dims()
    }

    /// Its numbers, innermost dimension fastest.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// Its numbers, to be changed.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// Its numbers, taken out.
    pub fn into_data(self) -> Vec<T> {
        self.data
    }

    /// The same numbers under another shape of the same count.
    ///
    /// # Errors
    /// [`Error::Shape`] when the counts differ.
    pub fn reshape(self, shape: impl Into<Shape>) -> Result<Self> {
        Tensor::new(shape, self.data)
    }
}

impl Tensor<f32> {
    /// The same numbers in double precision.
    pub fn widen(&self) -> Tensor<f64> {
        Tensor {
            shape: self.shape.clone(),
            data: self.data.iter().map(|&value| f64::from(value)).collect(),
        }
    }
}

impl Tensor<f64> {
    /// The same numbers rounded to single precision.
    pub fn narrow(&self) -> Tensor<f32> {
        Tensor {
            shape: self.shape.clone(),
            data: self.data.iter().map(|&value| value as f32).collect(),
        }
    }
}
