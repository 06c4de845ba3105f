//! Functions of one number: as layers, and as what other operations end in.

use crate::engine::graph::{Operation, downcast};
use crate::engine::kernel::Dispatch;
use crate::engine::ops::{Activate, Elementwise, Instruction};

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
    /// The square root of `x`.
    SquareRoot,
    /// `1 / x`.
    Reciprocal,
    /// `|x|`, with a slope of 0 at 0.
    Absolute,
}

impl Curve {
    /// The kernels' overrides: `ACTIVATION`, and its constants.
    fn code(self) -> (u32, [f32; 3]) {
        match self {
            Curve::Relu { slope, threshold, ceiling } => (3, [slope, threshold, ceiling]),
            Curve::Elu(alpha) => (15, [alpha, 0.0, 0.0]),
            Curve::Selu => (16, [0.0; 3]),
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
            Curve::SquareRoot => (17, [0.0; 3]),
            Curve::Reciprocal => (18, [0.0; 3]),
            Curve::Absolute => (19, [0.0; 3]),
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
            Curve::SquareRoot => x.sqrt(),
            Curve::Reciprocal => 1.0 / x,
            Curve::Absolute => x.abs(),
        }
    }

    /// Its derivative at `x`.
    pub fn slope(self, x: f64) -> f64 {
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
            Curve::SquareRoot => 0.5 / x.sqrt(),
            Curve::Reciprocal => -1.0 / (x * x),
            Curve::Absolute => step(x > 0.0) - step(x < 0.0),
        }
    }
}

impl std::fmt::Display for Curve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", format!("{self:?}").to_lowercase())
    }
}

/// What an operation applies to its result before storing it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// max(a, 0).
    Relu,
    /// min(max(a, 0), 6).
    Relu6,
    /// Any other.
    Curve(Curve),
}

impl Activation {
    /// Sets the overrides that say which it is: `shaders/pointwise/activation.wgsl`.
    pub fn bind(self, dispatch: Dispatch) -> Dispatch {
        let (code, constants) = match self {
            Activation::None => (0, [0.0; 3]),
            Activation::Relu => (1, [0.0; 3]),
            Activation::Relu6 => (2, [0.0; 3]),
            Activation::Curve(curve) => curve.code(),
        };
        let mut dispatch = dispatch.constant("ACTIVATION", code);
        for (name, value) in
            ["ACTIVATION_A", "ACTIVATION_B", "ACTIVATION_C"].into_iter().zip(constants)
        {
            // Most have none: 0, as in the file.
            if value != 0.0 {
                dispatch = dispatch.constant(name, value);
            }
        }
        dispatch
    }

    /// The value of one number.
    pub fn apply(self, a: f64) -> f64 {
        match self {
            Activation::None => a,
            Activation::Relu => a.max(0.0),
            Activation::Relu6 => a.clamp(0.0, 6.0),
            Activation::Curve(curve) => curve.value(a),
        }
    }

    /// What comes through it of the gradient `dy`, its argument being `a`.
    pub(in crate::engine::ops) fn through(self, a: f64, dy: f64) -> f64 {
        let passes = match self {
            Activation::None => true,
            Activation::Relu => a > 0.0,
            Activation::Relu6 => a > 0.0 && a < 6.0,
            Activation::Curve(curve) => return dy * curve.slope(a),
        };
        if passes { dy } else { 0.0 }
    }

    /// The activation that `operation` is, if it is one alone.
    pub fn of(operation: &dyn Operation) -> Option<Self> {
        if let Some(Activate(curve)) = downcast(operation) {
            return Some(Activation::Curve(*curve));
        }
        match downcast::<Elementwise>(operation)?.chain()? {
            [Instruction::Relu] => Some(Activation::Relu),
            [Instruction::Relu6] => Some(Activation::Relu6),
            _ => None,
        }
    }

    /// Whether its gradient can be told from its result: it passes what is above 0, or nothing is lost.
    pub fn tells_by_result(self) -> bool {
        !matches!(self, Activation::Curve(_))
    }

    /// In words, after another operation.
    pub fn suffix(self) -> String {
        match self {
            Activation::None => String::new(),
            Activation::Relu => ", relu".to_owned(),
            Activation::Relu6 => ", relu6".to_owned(),
            Activation::Curve(curve) => format!(", {curve}"),
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
