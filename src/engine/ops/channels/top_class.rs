//! Which class is explained where none is named: the one with the highest score.

use crate::engine::graph::Operation;
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{Case, Fill, expect_inputs};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// (scores (N, C), wanted (N, C)) to (N, C): the row of `wanted`, or where that is all zeros, 1 at the
/// highest score, the first of equals. It seeds the gradient of a class score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TopClass;

impl Operation for TopClass {
    fn name(&self) -> &'static str {
        "top_class"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("top_class", inputs, 2)?;
        if inputs[0].rank() != 2 || inputs[0] != inputs[1] {
            return Err(Error::shape(
                "top_class",
                format!("takes two matrices (N, C), was given {} and {}", inputs[0], inputs[1]),
            ));
        }
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let classes = inputs[0].shape().channels();
        let rows = inputs[0].data().chunks(classes).zip(inputs[1].data().chunks(classes));
        let mut seed = Vec::new();
        for (scores, wanted) in rows {
            let named = wanted.iter().any(|&value| value != 0.0);
            let top = (0..classes).rev().max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
            let one = |class| f64::from(u8::from(top == Some(class)));
            seed.extend((0..classes).map(|class| if named { wanted[class] } else { one(class) }));
        }
        vec![Tensor::from_fn(inputs[0].shape().clone(), |index| seed[index])]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let (rows, classes) = (lowering.output.rows(), lowering.output.channels());
        Ok(Dispatch::new("top_class", "naive")
            .bind("scores", Operand::Input(0))
            .bind("wanted", Operand::Input(1))
            .bind("seed", Operand::Output)
            .param("rows", rows)
            .param("classes", classes)
            .workgroups(grid(rows, lowering.capabilities.max_workgroups))
            .into())
    }
}

/// One class and many, named and not, with equal scores.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for dims in [[1, 1], [3, 2], [2, 63], [5, 64], [1, 1000], [2, 130]] {
        for (what, wanted) in [("named", Fill::Distinct), ("not named", Fill::Values(&[0.0]))] {
            let inputs = [(dims.into(), Fill::Distinct), (dims.into(), wanted)];
            cases.push(Case::new(format!("{} {what}", Shape::from(dims)), TopClass, inputs));
        }
        let inputs = [(dims.into(), Fill::Values(&[0.5])), (dims.into(), Fill::Values(&[0.0]))];
        cases.push(Case::new(format!("{} equal", Shape::from(dims)), TopClass, inputs));
    }
    cases
}
