//! Copies of one image, a square of each covered.

use crate::engine::graph::Operation;
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{Case, Fill, expect_inputs, expect_nhwc};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// (x (1, H, W, C), base (C), squares (N, 4)) -> (N, H, W, C): x, and base where row n of the squares
/// covers it. A square is four whole numbers: its first row, the row after its last, and the same of
/// columns; one without rows or columns covers nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cover;

impl Operation for Cover {
    fn name(&self) -> &'static str {
        "cover"
    }

    fn describe(&self) -> String {
        "copies with a square covered".to_owned()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 3)?;
        match (expect_nhwc(self.name(), inputs[0])?, inputs[1].dims(), inputs[2].dims()) {
            ([1, h, w, c], &[base], &[copies, 4]) if base == c => Ok([copies, h, w, c].into()),
            _ => {
                let [x, base, squares] = [inputs[0], inputs[1], inputs[2]];
                let problem = format!(
                    "takes an image (1, H, W, C), a base (C) and squares (N, 4), was given {x}, {base} and {squares}"
                );
                Err(Error::shape(self.name(), problem))
            }
        }
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let (x, base, squares) = (inputs[0], inputs[1], inputs[2]);
        let Some([_, h, w, c]) = x.shape().nhwc() else { return Vec::new() };
        vec![Tensor::from_fn([squares.shape().rows(), h, w, c], |index| {
            let (copy, own) = (index / (h * w * c), index % (h * w * c));
            let (row, column) = ((own / c / w) as f64, (own / c % w) as f64);
            let square = &squares.data()[4 * copy..][..4];
            let covered =
                (square[0]..square[1]).contains(&row) && (square[2]..square[3]).contains(&column);
            if covered { base.data()[own % c] } else { x.data()[own] }
        })]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let [_, h, w, c] = expect_nhwc(self.name(), lowering.output)?;
        let count = lowering.output.rows();
        let dispatch = Dispatch::new("cover", "naive")
            .param("count", count)
            .param("height", h)
            .param("width", w)
            .param("channels", c)
            .bind("x", Operand::Input(0))
            .bind("base", Operand::Input(1))
            .bind("squares", Operand::Input(2))
            .bind("y", Operand::Output)
            .workgroups(grid(count.div_ceil(64), lowering.capabilities.max_workgroups));
        Ok(dispatch.into())
    }
}

/// Squares in a corner, everywhere, nowhere, and one pixel.
pub fn cases() -> Vec<Case> {
    const SQUARES: &[f64] = &[
        0.0, 2.0, 0.0, 3.0, //
        0.0, 9.0, 0.0, 9.0, //
        1.0, 1.0, 0.0, 2.0, //
        2.0, 3.0, 1.0, 2.0,
    ];
    let case = |name: &str, copies: usize, [h, w, c]: [usize; 3], squares| {
        let inputs = [
            (Shape::from([1, h, w, c]), Fill::Signed),
            (Shape::from([c]), Fill::Signed),
            (Shape::from([copies, 4]), squares),
        ];
        Case::new(name, Cover, inputs)
    };
    vec![
        case("3x5x7", 4, [3, 5, 7], Fill::Values(SQUARES)),
        case("6x4x3", 4, [6, 4, 3], Fill::Values(SQUARES)),
        case("1x1x1", 4, [1, 1, 1], Fill::Values(SQUARES)),
        case("large", 64, [224, 224, 3], Fill::Uniform(0.0, 224.0)).bench_only(),
    ]
}
