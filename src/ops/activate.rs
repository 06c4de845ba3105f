//! Activations beyond ReLU: smooth curves and bent lines, number by number.

use super::rows;
use super::{
    Case, Dispatch, Fill, Lowered, Lowering, Needs, Operand, Operation, Rule, Variant,
    expect_inputs, grid,
};
use crate::error::{Error, Result};
use crate::graph::Value;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// A function of one number, with the constants that it has in Keras.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Curve {
    /// `min(x, ceiling)` from `threshold` on, `slope * (x - threshold)` below.
    Relu {
        /// Of what is below the threshold.
        slope: f32,
        /// Where the curve bends.
        threshold: f32,
        /// The largest value; `f32::MAX` for none.
        ceiling: f32,
    },
    /// `x` above 0, `alpha * (exp(x) - 1)` below.
    Elu(f32),
    /// The ELU that normalises itself (Klambauer and others 2017).
    Selu,
    /// `x * sigmoid(x)`.
    Silu,
    /// `x * Phi(x)`, Phi being the normal distribution.
    Gelu,
    /// The same, Phi by a hyperbolic tangent.
    GeluTanh,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `slope * x + offset` within 0 and 1.
    HardSigmoid {
        /// 1/6 in Keras 3, 0.2 in Keras 2.
        slope: f32,
        /// At 0.
        offset: f32,
    },
    /// `x * relu6(x + 3) / 6`.
    HardSilu,
    /// The hyperbolic tangent.
    Tanh,
    /// `log(1 + exp(x))`.
    Softplus,
    /// `x / (1 + |x|)`.
    Softsign,
    /// `exp(x)`.
    Exponential,
    /// `x * tanh(softplus(x))`.
    Mish,
}

impl Curve {
    /// The kernel's override, and its constants.
    fn code(self) -> (u32, [f32; 3]) {
        match self {
            Curve::Relu { slope, threshold, ceiling } => (1, [slope, threshold, ceiling]),
            Curve::Elu(alpha) => (2, [alpha, 0.0, 0.0]),
            Curve::Selu => (3, [0.0; 3]),
            Curve::Silu => (4, [0.0; 3]),
            Curve::Gelu => (5, [0.0; 3]),
            Curve::GeluTanh => (6, [0.0; 3]),
            Curve::Sigmoid => (7, [0.0; 3]),
            Curve::HardSigmoid { slope, offset } => (8, [slope, offset, 0.0]),
            Curve::HardSilu => (9, [1.0 / 6.0, 0.5, 0.0]),
            Curve::Tanh => (10, [0.0; 3]),
            Curve::Softplus => (11, [0.0; 3]),
            Curve::Softsign => (12, [0.0; 3]),
            Curve::Exponential => (13, [0.0; 3]),
            Curve::Mish => (14, [0.0; 3]),
        }
    }

    /// Whether it passes what is above a threshold, and less of what is below: what guided
    /// backpropagation is defined for.
    pub fn is_rectifier(self) -> bool {
        matches!(self, Curve::Relu { slope, threshold, ceiling }
            if (0.0..1.0).contains(&slope) && ceiling > threshold)
    }

    /// Its value at `x`.
    pub fn value(self, x: f64) -> f64 {
        match self {
            Curve::Relu { slope, threshold, ceiling } => match x >= f64::from(threshold) {
                true => x.min(f64::from(ceiling)),
                false => f64::from(slope) * (x - f64::from(threshold)),
            },
            Curve::Elu(alpha) => elu(x, f64::from(alpha)),
            Curve::Selu => SELU_SCALE * elu(x, SELU_ALPHA),
            Curve::Silu => x * sigmoid(x),
            Curve::Gelu => 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Curve::GeluTanh => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + CUBIC * x.powi(3));
                0.5 * x * (1.0 + inner.tanh())
            }
            Curve::Sigmoid => sigmoid(x),
            Curve::HardSigmoid { slope, offset } => {
                (f64::from(slope) * x + f64::from(offset)).clamp(0.0, 1.0)
            }
            Curve::HardSilu => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Curve::Tanh => x.tanh(),
            Curve::Softplus => softplus(x),
            Curve::Softsign => x / (1.0 + x.abs()),
            Curve::Exponential => x.exp(),
            Curve::Mish => x * softplus(x).tanh(),
        }
    }

    /// Its derivative at `x`.
    fn slope(self, x: f64) -> f64 {
        let step = |yes: bool| f64::from(u8::from(yes));
        match self {
            Curve::Relu { slope, threshold, ceiling } => match x >= f64::from(threshold) {
                true => step(x < f64::from(ceiling)),
                false => f64::from(slope),
            },
            Curve::Elu(alpha) => {
                if x > 0.0 {
                    1.0
                } else {
                    f64::from(alpha) * x.exp()
                }
            }
            Curve::Selu => SELU_SCALE * if x > 0.0 { 1.0 } else { SELU_ALPHA * x.exp() },
            Curve::Silu => sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x))),
            Curve::Gelu => {
                let density = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
                0.5 * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)) + x * density
            }
            Curve::GeluTanh => {
                let factor = (2.0 / std::f64::consts::PI).sqrt();
                let t = (factor * (x + CUBIC * x.powi(3))).tanh();
                0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * factor * (1.0 + 3.0 * CUBIC * x * x)
            }
            Curve::Sigmoid => sigmoid(x) * (1.0 - sigmoid(x)),
            Curve::HardSigmoid { slope, offset } => {
                let t = f64::from(slope) * x + f64::from(offset);
                step(t > 0.0 && t < 1.0) * f64::from(slope)
            }
            Curve::HardSilu => match x / 6.0 + 0.5 {
                t if t <= 0.0 => 0.0,
                t if t >= 1.0 => 1.0,
                _ => x / 3.0 + 0.5,
            },
            Curve::Tanh => 1.0 - x.tanh().powi(2),
            Curve::Softplus => sigmoid(x),
            Curve::Softsign => (1.0 + x.abs()).powi(-2),
            Curve::Exponential => x.exp(),
            Curve::Mish => {
                let t = softplus(x).tanh();
                t + x * (1.0 - t * t) * sigmoid(x)
            }
        }
    }
}

const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
const CUBIC: f64 = 0.044_715;

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn elu(x: f64, alpha: f64) -> f64 {
    if x > 0.0 { x } else { alpha * x.exp_m1() }
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// The error function: its series near 0, a continued fraction beyond 2.
fn erf(x: f64) -> f64 {
    let square = x * x;
    if x.abs() < 2.0 {
        // 2 / sqrt(pi) * sum of (-1)^n x^(2n + 1) / (n! (2n + 1)).
        let (mut term, mut sum) = (x, x);
        for n in 1..60 {
            term *= -square / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return std::f64::consts::FRAC_2_SQRT_PI * sum;
    }
    let mut fraction = 0.0;
    for n in (1..80).rev() {
        fraction = f64::from(n) / 2.0 / (x.abs() + fraction);
    }
    let tail = (-square).exp() / (x.abs() + fraction) / std::f64::consts::PI.sqrt();
    x.signum() * (1.0 - tail)
}

/// x -> f(x), number by number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activate(pub Curve);

/// (dy, x) -> dy * f'(x), the gradient of [`Activate`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActivateGradient(pub Curve);

const VARIANTS: &[Variant] = &[
    Variant { name: "naive", needs: Needs::Nothing },
    Variant { name: "quad", needs: Needs::Nothing },
];

fn lower(
    lowering: &Lowering,
    curve: Curve,
    entries: [&'static str; 2],
    names: &[&'static str],
) -> Result<Lowered> {
    let version = rows::version(lowering, entries)?;
    let count = lowering.output.elements() / version.width;
    let (code, [a, b, c]) = curve.code();
    let mut dispatch = Dispatch::new("activate", version.entry)
        .constant("CURVE", code)
        .param("count", count)
        .param("channels", lowering.output.channels() / version.width)
        .param("a", a)
        .param("b", b)
        .param("c", c)
        .bind("y", Operand::Output)
        .workgroups(grid(count.div_ceil(64), lowering.capabilities.max_workgroups));
    for (index, name) in names.iter().enumerate() {
        dispatch = dispatch.bind(name, Operand::Input(index));
    }
    Ok(dispatch.into())
}

fn fastest(lowering: &Lowering) -> &'static str {
    if lowering.is_vec4() { "quad" } else { "naive" }
}

impl Operation for Activate {
    fn name(&self) -> &'static str {
        "activate"
    }

    fn describe(&self) -> String {
        format!("{:?}", self.0).to_lowercase()
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
        VARIANTS
    }

    fn choose(&self, lowering: &Lowering) -> &'static str {
        fastest(lowering)
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x", "y"]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        lower(lowering, self.0, ["forward_naive", "forward_quad"], &["x"])
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        8 * output.elements() as u64
    }
}

impl Operation for ActivateGradient {
    fn name(&self) -> &'static str {
        "activate"
    }

    fn describe(&self) -> String {
        format!("gradient of {:?}", self.0).to_lowercase()
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
        VARIANTS
    }

    fn choose(&self, lowering: &Lowering) -> &'static str {
        fastest(lowering)
    }

    fn halves(&self) -> &'static [&'static str] {
        &["dy", "x", "y"]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        lower(lowering, self.0, ["backward_naive", "backward_quad"], &["dy", "x"])
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        10 * output.elements() as u64
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
    let bent = Curve::Relu { slope: 0.2, threshold: 0.0, ceiling: f32::MAX };
    let inputs = [([2, 3, 4, 8].into(), Fill::Signed)];
    let name = format!("{bent:?} beside its bend");
    cases.push(Case::new(name, Activate(bent), inputs).differentiate(&[0]));
    let inputs = [([32, 56, 56, 144].into(), Fill::Signed)];
    cases.push(Case::new("silu, large", Activate(Curve::Silu), inputs).bench_only());
    cases
}
