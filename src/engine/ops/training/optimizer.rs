//! Optimisers with the update rules of Keras 3, all parameters in one dispatch.

use crate::engine::graph::{Operation, Variant};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::rows::{Way, fours_if};
use crate::engine::ops::{Case, Fill, expect_inputs};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// A rule by which gradients change parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd {
        /// Share of the last step that the next one keeps; 0 for none.
        momentum: f64,
        /// Look ahead by one step of the momentum (Nesterov 1983).
        nesterov: bool,
    },
    /// Kingma and Ba 2015.
    Adam {
        /// Decay of the mean of gradients.
        beta1: f64,
        /// Decay of the mean of squared gradients.
        beta2: f64,
        /// Keeps the divisor from 0.
        epsilon: f64,
    },
    /// Adam with Nesterov momentum (Dozat 2016).
    Nadam {
        /// Decay of the mean of gradients.
        beta1: f64,
        /// Decay of the mean of squared gradients.
        beta2: f64,
        /// Keeps the divisor from 0.
        epsilon: f64,
    },
    /// Tieleman and Hinton 2012, not centred.
    RmsProp {
        /// Decay of the mean of squared gradients.
        rho: f64,
        /// Share of the last step that the next one keeps; 0 for none.
        momentum: f64,
        /// Keeps the divisor from 0.
        epsilon: f64,
    },
}

impl Optimizer {
    /// Plain gradient descent.
    pub const fn sgd() -> Self {
        Optimizer::Sgd { momentum: 0.0, nesterov: false }
    }

    /// Adam as Keras sets it up.
    pub const fn adam() -> Self {
        Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 }
    }

    /// Nadam as Keras sets it up.
    pub const fn nadam() -> Self {
        Optimizer::Nadam { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 }
    }

    /// RMSprop as Keras sets it up.
    pub const fn rms_prop() -> Self {
        Optimizer::RmsProp { rho: 0.9, momentum: 0.0, epsilon: 1e-7 }
    }

    /// What it remembers for each parameter, as Keras names it: zeros at first.
    pub fn states(&self) -> &'static [&'static str] {
        match *self {
            Optimizer::Sgd { momentum: 0.0, .. } => &[],
            Optimizer::Sgd { .. } => &["momentum"],
            Optimizer::Adam { .. } | Optimizer::Nadam { .. } => &["momentum", "velocity"],
            Optimizer::RmsProp { momentum: 0.0, .. } => &["velocity"],
            Optimizer::RmsProp { .. } => &["velocity", "momentum"],
        }
    }

    /// Every number of the rule that is the same for all parameters, for update number `step`,
    /// counted from 1. What they are stands in `shaders/training/optimizer.wgsl`; number [`UNSCALE`] multiplies
    /// gradients, by 1 here.
    pub fn hyper(&self, learning_rate: f64, step: u64) -> [f32; 8] {
        let step = step.max(1);
        // 1 - beta^step
        let correction = |beta: f64| 1.0 - beta.powf(step as f64);
        let values = match *self {
            Optimizer::Sgd { momentum, .. } => [learning_rate, momentum, 0.0, 0.0, 0.0, 0.0],
            Optimizer::Adam { beta1, beta2, epsilon } => {
                let rate = learning_rate * correction(beta2).sqrt() / correction(beta1);
                [1.0 - beta1, 1.0 - beta2, rate, epsilon, 0.0, 0.0]
            }
            Optimizer::Nadam { beta1, beta2, epsilon } => {
                let schedule = |step: u64| beta1 * (1.0 - 0.5 * 0.96f64.powf(step as f64));
                // The product of the schedule so far; soon too small to matter.
                let mut product = 1.0;
                for step in 1..=step {
                    product *= schedule(step);
                    if product < 1e-30 {
                        break;
                    }
                }
                let (now, next) = (schedule(step), schedule(step.saturating_add(1)));
                let of_mean = learning_rate * next / (1.0 - product * next);
                let of_gradient = learning_rate * (1.0 - now) / (1.0 - product);
                let of_square = 1.0 / correction(beta2);
                [1.0 - beta1, 1.0 - beta2, of_mean, of_gradient, of_square, epsilon]
            }
            Optimizer::RmsProp { rho, momentum, epsilon } => {
                [rho, 1.0 - rho, learning_rate, epsilon, momentum, 0.0]
            }
        };
        let [a, b, c, d, e, f] = values.map(|value| value as f32);
        [a, b, c, d, e, f, 1.0, 0.0]
    }

    /// Which rule, as the shader counts them.
    fn rule(&self) -> u32 {
        match *self {
            Optimizer::Sgd { momentum: 0.0, .. } => 0,
            Optimizer::Sgd { nesterov: false, .. } => 1,
            Optimizer::Sgd { nesterov: true, .. } => 2,
            Optimizer::Adam { .. } => 3,
            Optimizer::Nadam { .. } => 4,
            Optimizer::RmsProp { momentum: 0.0, .. } => 5,
            Optimizer::RmsProp { .. } => 6,
        }
    }

    /// The new parameter; `state` is changed in place.
    fn update(&self, h: &[f64], parameter: f64, gradient: f64, state: &mut [f64; 2]) -> f64 {
        let (p, g) = (parameter, gradient);
        match self {
            Optimizer::Sgd { momentum: 0.0, .. } => p - h[0] * g,
            Optimizer::Sgd { nesterov, .. } => {
                state[0] = h[1] * state[0] - h[0] * g;
                p + if *nesterov { h[1] * state[0] - h[0] * g } else { state[0] }
            }
            Optimizer::Adam { .. } => {
                state[0] += (g - state[0]) * h[0];
                state[1] += (g * g - state[1]) * h[1];
                p - h[2] * state[0] / (state[1].sqrt() + h[3])
            }
            Optimizer::Nadam { .. } => {
                state[0] += (g - state[0]) * h[0];
                state[1] += (g * g - state[1]) * h[1];
                p - (h[2] * state[0] + h[3] * g) / ((state[1] * h[4]).sqrt() + h[5])
            }
            Optimizer::RmsProp { momentum, .. } => {
                state[0] = h[0] * state[0] + h[1] * g * g;
                let step = h[2] * g / (state[0] + h[3]).sqrt();
                if *momentum == 0.0 {
                    return p - step;
                }
                state[1] = h[4] * state[1] + step;
                p - state[1]
            }
        }
    }
}

/// Which of [`Optimizer::hyper`]'s numbers multiplies gradients before the rule sees them: one over the
/// loss scale.
pub const UNSCALE: usize = 6;

/// (parameters (P), gradients (P), hyper (8), loss (1), then a (P) for each of
/// [`Optimizer::states`]): changes parameters and states in place. `hyper` is
/// [`Optimizer::hyper`], written before each run. Where the loss is not finite nothing changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimize {
    /// The rule.
    pub optimizer: Optimizer,
}

impl Operation for Optimize {
    fn name(&self) -> &'static str {
        "optimizer"
    }

    fn describe(&self) -> String {
        match self.optimizer {
            Optimizer::Sgd { momentum, nesterov } => {
                format!("sgd, momentum {momentum}{}", if nesterov { ", nesterov" } else { "" })
            }
            Optimizer::Adam { beta1, beta2, epsilon } => {
                format!("adam, betas {beta1} and {beta2}, epsilon {epsilon:e}")
            }
            Optimizer::Nadam { beta1, beta2, epsilon } => {
                format!("nadam, betas {beta1} and {beta2}, epsilon {epsilon:e}")
            }
            Optimizer::RmsProp { rho, momentum, epsilon } => {
                format!("rmsprop, rho {rho}, momentum {momentum}, epsilon {epsilon:e}")
            }
        }
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("optimizer", inputs, 4 + self.optimizer.states().len())?;
        if inputs[0].rank() != 1 {
            let problem = format!("takes parameters packed in a vector, was given {}", inputs[0]);
            return Err(Error::shape("optimizer", problem));
        }
        if let Some(other) = inputs[4..].iter().chain([&inputs[1]]).find(|s| **s != inputs[0]) {
            let problem = format!("{} parameters, but gradients or states {other}", inputs[0]);
            return Err(Error::shape("optimizer", problem));
        }
        if inputs[2].dims() != [8] || inputs[3].dims() != [1] {
            let problem = format!("takes hyper (8) and loss (1), not {} {}", inputs[2], inputs[3]);
            return Err(Error::shape("optimizer", problem));
        }
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let mut results = vec![inputs[0].clone()];
        results.extend(inputs[4..].iter().map(|&state| state.clone()));
        if !inputs[3].data()[0].is_finite() {
            return results;
        }
        let unscale = inputs[2].data()[UNSCALE];
        for index in 0..inputs[0].data().len() {
            let mut state = [0.0; 2];
            for (place, input) in state.iter_mut().zip(&inputs[4..]) {
                *place = input.data()[index];
            }
            let parameter = inputs[0].data()[index];
            let gradient = unscale * inputs[1].data()[index];
            let new = self.optimizer.update(inputs[2].data(), parameter, gradient, &mut state);
            for (result, value) in results.iter_mut().zip([new, state[0], state[1]]) {
                result.data_mut()[index] = value;
            }
        }
        results
    }

    fn updates(&self) -> &'static [usize] {
        match self.optimizer.states().len() {
            0 => &[0],
            1 => &[0, 4],
            _ => &[0, 4, 5],
        }
    }

    fn variants(&self) -> &'static [Variant] {
        const {
            &variants!(Optimize:
                {
                    name: "naive",
                    price: |_, _| 4.0,
                    lower: |this, at| this.dispatches(at, Way::NAIVE),
                },
                {
                    name: "fours",
                    fits: Self::in_fours,
                    price: |_, _| 1.0,
                    lower: |this, at| this.dispatches(at, Way::FOURS),
                },
            )
        }
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        let each = match self.optimizer {
            Optimizer::Sgd { .. } => 2 + 3 * self.optimizer.states().len() as u64,
            Optimizer::Adam { .. } => 12,
            Optimizer::Nadam { .. } => 15,
            Optimizer::RmsProp { .. } => 8 + 2 * self.optimizer.states().len() as u64,
        };
        each * inputs[0].elements() as u64
    }
}

impl Optimize {
    fn in_fours(&self, lowering: &Lowering) -> Result<()> {
        let vectors = lowering.views.iter().zip(lowering.inputs).enumerate();
        let mut vectors = vectors.filter(|(index, _)| ![2, 3].contains(index));
        fours_if(
            self,
            vectors.all(|(_, (view, shape))| {
                view.offset.is_multiple_of(4) && shape.elements().is_multiple_of(4)
            }),
        )
    }

    fn dispatches(&self, lowering: &Lowering, way: Way) -> Result<Lowered> {
        let states = self.optimizer.states().len();
        let elements = lowering.inputs[0].elements();
        let (entry, count) = (way.entry(["naive", "fours"]), elements / way.width);
        let mut dispatch = Dispatch::new("optimizer", entry)
            .constant("RULE", self.optimizer.rule())
            .constant("STATES", states as u32)
            .bind("parameters", Operand::Input(0))
            .bind("gradients", Operand::Input(1))
            .bind("hyper", Operand::Input(2))
            .bind("loss", Operand::Input(3))
            .param("count", count)
            .workgroups(grid(
                count.div_ceil(if way.width > 1 { 256 } else { 64 }),
                lowering.capabilities.max_workgroups,
            ));
        for (index, name) in ["state0", "state1"].into_iter().enumerate().take(states) {
            dispatch = dispatch.bind(name, Operand::Input(4 + index));
        }
        Ok(dispatch.into())
    }
}

/// Each rule on odd and even counts; and on a loss that is not finite, where nothing may change.
pub fn cases() -> Vec<Case> {
    let momentum = Optimizer::Sgd { momentum: 0.9, nesterov: false };
    let nesterov = Optimizer::Sgd { momentum: 0.9, nesterov: true };
    let rms_momentum = Optimizer::RmsProp { rho: 0.9, momentum: 0.8, epsilon: 1e-7 };
    // What `hyper` gives for a learning rate of about 0.01 at step 3.
    let rules: [(Optimizer, &'static [f64]); 7] = [
        (Optimizer::sgd(), &[0.01, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
        (momentum, &[0.01, 0.9, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
        (nesterov, &[0.01, 0.9, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
        (Optimizer::adam(), &[0.1, 0.001, 0.002, 1e-7, 0.0, 0.0, 0.125, 0.0]),
        (Optimizer::nadam(), &[0.1, 0.001, 0.0054, 0.0064, 333.6, 1e-7, 1.0, 0.0]),
        (Optimizer::rms_prop(), &[0.9, 0.1, 0.01, 1e-7, 0.0, 0.0, 1.0, 0.0]),
        (rms_momentum, &[0.9, 0.1, 0.01, 1e-7, 0.8, 0.0, 1.0, 0.0]),
    ];
    let make = |optimizer: Optimizer, hyper, loss: &'static [f64], count: usize| {
        let operation = Optimize { optimizer };
        let vector = |fill| (Shape::from([count]), fill);
        let mut inputs = vec![
            vector(Fill::Signed),
            vector(Fill::Signed),
            ([8].into(), Fill::Values(hyper)),
            ([1].into(), Fill::Values(loss)),
        ];
        let fill = |name: &&str| match *name {
            "velocity" => vector(Fill::Uniform(0.0, 1.0)),
            _ => vector(Fill::Signed),
        };
        inputs.extend(optimizer.states().iter().map(fill));
        Case::new(format!("{}, {count}, loss {}", operation.describe(), loss[0]), operation, inputs)
    };
    let mut cases = Vec::new();
    for (optimizer, hyper) in rules {
        for count in [1, 77, 2060] {
            cases.push(make(optimizer, hyper, &[0.5], count));
        }
        cases.push(make(optimizer, hyper, &[f64::NAN], 12));
        cases.push(make(optimizer, hyper, &[f64::NEG_INFINITY], 5));
        cases.push(make(optimizer, hyper, &[0.5], 6_000_000).bench_only());
    }
    cases
}
