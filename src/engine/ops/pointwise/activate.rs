//! Activations beyond ReLU as operations of their own, and their gradients.

use crate::engine::graph::{Operation, Rule, Value, Variant};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::rows::{self, Rowwise, Way};
use crate::engine::ops::{Activation, Case, Curve, Fill, expect_inputs};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// x -> f(x), number by number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activate(pub Curve);

/// (dy, x) -> dy * f'(x), the gradient of [`Activate`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActivateGradient(pub Curve);

fn lower(
    lowering: &Lowering,
    way: Way,
    curve: Curve,
    entries: [&'static str; 2],
    names: &[&'static str],
) -> Result<Lowered> {
    let count = lowering.output.elements() / way.width;
    let mut dispatch = Activation::Curve(curve)
        .bind(Dispatch::new("activate", way.entry(entries)))
        .param("count", count)
        .param("channels", lowering.output.channels() / way.width)
        .bind("y", Operand::Output)
        .workgroups(grid(count.div_ceil(64), lowering.capabilities.max_workgroups));
    for (index, name) in names.iter().enumerate() {
        dispatch = dispatch.bind(name, Operand::Input(index));
    }
    Ok(dispatch.into())
}

impl Operation for Activate {
    fn name(&self) -> &'static str {
        "activate"
    }

    fn describe(&self) -> String {
        self.0.to_string()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("activation", inputs, 1)?;
        Ok(inputs[0].clone())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let inputs = [rule.dy(), rule.input(0)];
        Ok(vec![Some(rule.add("activation_gradient", ActivateGradient(self.0), &inputs)?)])
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let x = inputs[0];
        vec![Tensor::from_fn(x.shape().clone(), |at| self.0.value(x.data()[at]))]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &rows::flat::<Self>() }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x", "y"]
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        8 * output.elements() as u64
    }
}

impl Rowwise for Activate {
    fn dispatches(&self, lowering: &Lowering, way: Way) -> Result<Lowered> {
        lower(lowering, way, self.0, ["forward_naive", "forward_fours"], &["x"])
    }
}

impl Operation for ActivateGradient {
    fn name(&self) -> &'static str {
        "activate"
    }

    fn describe(&self) -> String {
        format!("gradient of {}", self.0)
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("gradient of activation", inputs, 2)?;
        match inputs[0] == inputs[1] {
            true => Ok(inputs[0].clone()),
            false => Err(Error::shape(
                "gradient of activation",
                format!("{} and {} must be the same", inputs[0], inputs[1]),
            )),
        }
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let (dy, x) = (inputs[0].data(), inputs[1].data());
        vec![Tensor::from_fn(inputs[0].shape().clone(), |at| dy[at] * self.0.slope(x[at]))]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &rows::flat::<Self>() }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["dy", "x", "y"]
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        10 * output.elements() as u64
    }
}

impl Rowwise for ActivateGradient {
    fn dispatches(&self, lowering: &Lowering, way: Way) -> Result<Lowered> {
        lower(lowering, way, self.0, ["backward_naive", "backward_fours"], &["dy", "x"])
    }
}

/// Every curve near 0 and far out, on channels in fours and not.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let curves = [
        Curve::Relu { slope: 0.2, threshold: 0.0, ceiling: f32::MAX },
        Curve::Relu { slope: 0.0, threshold: 1.0, ceiling: f32::MAX },
        Curve::Relu { slope: 0.1, threshold: -0.5, ceiling: 3.0 },
        Curve::Elu(1.0),
        Curve::Elu(0.7),
        Curve::Selu,
        Curve::Silu,
        Curve::Gelu,
        Curve::GeluTanh,
        Curve::Sigmoid,
        Curve::HardSigmoid { slope: 1.0 / 6.0, offset: 0.5 },
        Curve::HardSigmoid { slope: 0.2, offset: 0.5 },
        Curve::HardSilu,
        Curve::Tanh,
        Curve::Softplus,
        Curve::Softsign,
        Curve::Exponential,
        Curve::Mish,
    ];
    const NEAR: &[f64] = &[1e-6, -1e-6, 1e-3, -1e-3, 0.0157, -0.0157, 0.24, -0.26, -0.19, 0.6];
    const FAR: &[f64] = &[-90.0, -20.3, -9.5, -4.1, 4.2, 9.7, 20.1, 60.0];
    for curve in curves {
        let name = |what: &str| format!("{curve:?} {what}");
        for dims in [[2, 3, 5, 7], [3, 5, 2, 12]] {
            let inputs = [(dims.into(), Fill::Uniform(-5.0, 5.0))];
            let shape = Shape::from(dims).to_string();
            // Finite differences across a bend are no derivative: such curves are tested below.
            let smooth = !matches!(curve, Curve::Relu { .. } | Curve::HardSigmoid { .. });
            let differentiate: &[usize] = if smooth { &[0] } else { &[] };
            let case = Case::new(name(&shape), Activate(curve), inputs);
            cases.push(case.differentiate(differentiate));
        }
        let near = |values| [(Shape::from([1, 2, 2, 10]), Fill::Values(values))];
        cases.push(Case::new(name("near 0"), Activate(curve), near(NEAR)));
        if curve != Curve::Exponential {
            cases.push(Case::new(name("far out"), Activate(curve), near(FAR)));
        }
        let two =
            [([2, 3, 4, 8].into(), Fill::Signed), ([2, 3, 4, 8].into(), Fill::Uniform(-6.0, 6.0))];
        cases.push(Case::new(name("gradient"), ActivateGradient(curve), two));
    }
    // Of what is not negative, or not 0, alone.
    for curve in [Curve::SquareRoot, Curve::Reciprocal, Curve::Absolute] {
        for dims in [[2, 3, 5, 7], [3, 5, 2, 12]] {
            let shape = Shape::from(dims);
            let name = format!("{curve:?} {shape}");
            let inputs = [(shape.clone(), Fill::Uniform(0.3, 5.0))];
            cases.push(Case::new(name, Activate(curve), inputs).differentiate(&[0]));
            let two = [(shape.clone(), Fill::Signed), (shape, Fill::Uniform(0.3, 5.0))];
            let name = format!("{curve:?} gradient {}", Shape::from(dims));
            cases.push(Case::new(name, ActivateGradient(curve), two));
        }
    }
    let bend = [
        (Shape::from([1, 1, 1, 6]), Fill::Signed),
        (Shape::from([1, 1, 1, 6]), Fill::Values(&[-2.0, -0.5, 0.0, 0.0, 0.5, 2.0])),
    ];
    cases.push(Case::new("absolute at 0", ActivateGradient(Curve::Absolute), bend));
    let bent = Curve::Relu { slope: 0.2, threshold: 0.0, ceiling: f32::MAX };
    let inputs = [([2, 3, 4, 8].into(), Fill::Signed)];
    let name = format!("{bent:?} beside its bend");
    cases.push(Case::new(name, Activate(bent), inputs).differentiate(&[0]));
    let inputs = [([32, 56, 56, 144].into(), Fill::Signed)];
    cases.push(Case::new("silu, large", Activate(Curve::Silu), inputs).bench_only());
    cases
}
