//! Sliding windows: kernel size, stride, dilation and padding, shared by convolutions and pooling.

use crate::error::{Error, Result};

/// What stands around the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Padding {
    /// Nothing.
    Valid,
    /// As much as makes the output ceil(input / stride); where that is odd, the extra row or column
    /// is at the bottom or the right, as TensorFlow has it.
    Same,
    /// These many rows and columns.
    Explicit {
        /// Rows above.
        top: usize,
        /// Rows below.
        bottom: usize,
        /// Columns to the left.
        left: usize,
        /// Columns to the right.
        right: usize,
    },
}

/// A window that slides over height and width. Sizes are (height, width).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Taps.
    pub size: [usize; 2],
    /// Distance of two outputs.
    pub stride: [usize; 2],
    /// Distance of two taps.
    pub dilation: [usize; 2],
    /// What stands around the image.
    pub padding: Padding,
}

/// A window on an image of known size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Height and width of the output.
    pub output: [usize; 2],
    /// Rows above and columns to the left of the image.
    pub before: [usize; 2],
}

impl Window {
    /// A square window of `size`, `stride` apart.
    pub fn square(size: usize, stride: usize, padding: Padding) -> Self {
        Window { size: [size; 2], stride: [stride; 2], dilation: [1; 2], padding }
    }

    /// Where the window stands on an image of (height, width) `input`.
    ///
    /// # Errors
    /// [`Error::Shape`] when a size, stride or dilation is 0 or the window does not fit.
    pub fn on(&self, name: &str, input: [usize; 2]) -> Result<Geometry> {
        let mut geometry = Geometry { output: [0; 2], before: [0; 2] };
        for axis in 0..2 {
            let (size, stride, dilation) =
                (self.size[axis], self.stride[axis], self.dilation[axis]);
            if size == 0 || stride == 0 || dilation == 0 {
                return Err(Error::shape(name, "size, stride and dilation must be 1 or more"));
            }
            let reach = (size - 1) * dilation + 1;
            let (before, after) = match self.padding {
                Padding::Valid => (0, 0),
                Padding::Explicit { top, bottom, left, right } => {
                    [(top, bottom), (left, right)][axis]
                }
                Padding::Same => {
                    let output = input[axis].div_ceil(stride);
                    let total = ((output.max(1) - 1) * stride + reach).saturating_sub(input[axis]);
                    (total / 2, total - total / 2)
                }
            };
            let padded = input[axis] + before + after;
            if input[axis] == 0 || padded < reach {
                return Err(Error::shape(
                    name,
                    format!(
                        "a window of {reach} does not fit an image of {}x{} with {before} before and \
                         {after} after",
                        input[0], input[1]
                    ),
                ));
            }
            geometry.output[axis] = (padded - reach) / stride + 1;
            geometry.before[axis] = before;
        }
        Ok(geometry)
    }

    /// In words, for `parula explain`.
    pub fn describe(&self) -> String {
        let mut text = format!("{}x{}", self.size[0], self.size[1]);
        if self.stride != [1, 1] {
            text += &format!(" /{}", self.stride[0]);
        }
        if self.dilation != [1, 1] {
            text += &format!(" dilated {}", self.dilation[0]);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_puts_the_odd_row_at_the_bottom() {
        let geometry = Window::square(3, 2, Padding::Same).on("conv", [224, 225]).unwrap();
        assert_eq!(geometry, Geometry { output: [112, 113], before: [0, 1] });
    }

    #[test]
    fn a_window_larger_than_the_image_is_refused() {
        let error = Window::square(7, 1, Padding::Valid).on("conv", [5, 9]).unwrap_err();
        assert!(error.to_string().contains("does not fit"), "{error}");
    }
}
