//! Whether all gradients are finite: what an optimiser asks before it steps.

use crate::engine::graph::Operation;
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{Case, Fill, expect_inputs};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// (loss (1), gradients (P)) -> (1): the loss where all gradients are finite, infinity otherwise. An
/// optimiser that is given this as its loss changes nothing where a gradient has overflowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finite;

/// Invocations that share the gradients.
const LANES: usize = 16_384;

impl Operation for Finite {
    fn name(&self) -> &'static str {
        "finite"
    }

    fn describe(&self) -> String {
        "loss where all gradients are finite".to_owned()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("finite", inputs, 2)?;
        if inputs[0].dims() != [1] || inputs[1].rank() != 1 {
            let problem = format!("takes a loss (1) and a vector, not {} {}", inputs[0], inputs[1]);
            return Err(Error::shape("finite", problem));
        }
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let finite = inputs[1].data().iter().all(|gradient| gradient.is_finite());
        let value = if finite { inputs[0].data()[0] } else { f64::INFINITY };
        vec![Tensor::from_fn([1], |_| value)]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let count = lowering.inputs[1].elements();
        let lanes = count.clamp(1, LANES);
        let look = Dispatch::new("finite", "naive")
            .bind("gradients", Operand::Input(1))
            .bind("partial", Operand::Scratch(0))
            .param("count", count)
            .param("lanes", lanes)
            .rounds(count.div_ceil(lanes))
            .workgroups(grid(lanes.div_ceil(64), lowering.capabilities.max_workgroups));
        let decide = Dispatch::new("finite", "decide")
            .bind("loss", Operand::Input(0))
            .bind("parts", Operand::Scratch(0))
            .bind("y", Operand::Output)
            .param("count", count)
            .param("lanes", lanes);
        Ok(Lowered { dispatches: vec![look, decide], scratch: vec![lanes] })
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        inputs[1].elements() as u64
    }
}

/// Finite gradients, and one that is not.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, count: usize, fill| {
        let inputs = [([1].into(), Fill::Values(&[0.75])), ([count].into(), fill)];
        Case::new(format!("{name}, {count}"), Finite, inputs)
    };
    let mut cases: Vec<Case> =
        [1, 77, 40_000].map(|count| case("finite", count, Fill::Signed)).into();
    cases.push(case("overflow", 3, Fill::Values(&[1.0, f64::NEG_INFINITY, 0.0])));
    cases.push(case("not a number", 2, Fill::Values(&[3e38, f64::NAN])));
    cases.push(case("large", 6_000_000, Fill::Signed).bench_only());
    cases
}
