//! Batch normalisation in training: statistics of the batch, normalisation with them, the gradient
//! through both, and running averages for inference.

use std::sync::Arc;

use super::rows::{self, Walk};
use super::{
    Activation, Case, Dispatch, Fill, Lowered, Lowering, Needs, Operand, Operation, Row, Rule,
    Variant, expect_inputs, grid,
};
use crate::error::{Error, Result};
use crate::graph::Value;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Checks that `given` has the shape that its place among the inputs asks for.
pub(super) fn expect_shape(
    name: &str,
    what: &str,
    given: &Shape,
    wanted: impl Into<Shape>,
) -> Result<()> {
    let wanted = wanted.into();
    if *given == wanted {
        return Ok(());
    }
    Err(Error::shape(name, format!("{what} must be {wanted}, was given {given}")))
}

/// Checks that there is at least one element.
fn expect_elements(name: &str, shape: &Shape) -> Result<()> {
    if shape.elements() > 0 {
        return Ok(());
    }
    Err(Error::shape(name, format!("takes a tensor with elements, was given {shape}")))
}

/// x (..., C) -> (2, C): the mean of each channel over all rows, and the variance (divided by the
/// number of rows).
///
/// It has no gradient of its own: [`BatchNormNormalize`] differentiates through the statistics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormStatistics;

impl Operation for BatchNormStatistics {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn describe(&self) -> String {
        "batch statistics".to_owned()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("batch statistics", inputs, 1)?;
        expect_elements("batch statistics", inputs[0])?;
        Ok([2, inputs[0].channels()].into())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let (x, channels) = (inputs[0].data(), inputs[0].shape().channels());
        let rows = inputs[0].shape().rows() as f64;
        let over_rows = |channel: usize, value: &dyn Fn(f64) -> f64| -> f64 {
            x.iter().skip(channel).step_by(channels).map(|&x| value(x)).sum::<f64>() / rows
        };
        vec![Tensor::from_fn([2, channels], |index| {
            let channel = index % channels;
            let mean = over_rows(channel, &|x| x);
            if index < channels { mean } else { over_rows(channel, &|x| (x - mean).powi(2)) }
        })]
    }

    fn variants(&self) -> &'static [Variant] {
        rows::LADDER
    }

    fn choose(&self, lowering: &Lowering) -> &'static str {
        rows::choose(lowering)
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let entry = ["statistics_naive", "statistics_quad"];
        sums(lowering, entry, "statistics_merge", 0.0, Activation::None, |dispatch| {
            dispatch.bind("x", Operand::Input(0))
        })
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        4 * inputs[0].elements() as u64
    }
}

/// The two dispatches of a sum over rows: partial sums by blocks, then their merger.
fn sums(
    lowering: &Lowering,
    entries: [&'static str; 2],
    merge: &'static str,
    epsilon: f32,
    activation: Activation,
    bind: impl Fn(Dispatch) -> Dispatch,
) -> Result<Lowered> {
    let shape = lowering.inputs[0];
    let channels = shape.channels();
    let walk = Walk::sum(lowering, shape);
    let version = rows::version(lowering, entries)?;
    let first = Dispatch::new("batch_norm", version.entry)
        .constant("ACTIVATION", activation.code())
        .bind("part", Operand::Scratch(0))
        .param("epsilon", epsilon)
        .param("momentum", 0.0)
        .param("row", 0u32);
    let groups = channels.div_ceil(MERGED);
    let second = walk
        .describe(Dispatch::new("batch_norm", merge), channels)
        .bind("parts", Operand::Scratch(0))
        .bind("result", Operand::Output)
        .param("count", groups)
        .param("epsilon", epsilon)
        .param("momentum", 0.0)
        .param("row", 0u32)
        .workgroups(grid(groups, lowering.capabilities.max_workgroups));
    // Only the gradient's merger divides by the deviation.
    let second = match merge {
        "sums_merge" => second.bind("stats", Operand::Input(2)),
        _ => second,
    };
    Ok(Lowered {
        dispatches: vec![walk.apply(bind(first), lowering), second],
        scratch: vec![walk.blocks * 2 * channels],
    })
}

/// Channels that one workgroup merges: `MERGED` in the shader.
const MERGED: usize = 8;

/// (x, stats (2, C), gamma (C), beta (C)) -> activation(gamma * (x - mean) / sqrt(variance + epsilon)
/// + beta).
///
/// Its gradient takes `stats` to be [`BatchNormStatistics`] of `x` and includes the terms through
/// them; that of gamma and beta holds for any `stats`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormNormalize {
    /// Added to the variance.
    pub epsilon: f32,
    /// Applied to the result.
    pub activation: Activation,
}

/// Checks x, stats, gamma and beta, and returns the shape of x.
fn expect_normalized(
    name: &str,
    x: &Shape,
    stats: &Shape,
    gamma: &Shape,
    beta: &Shape,
) -> Result<()> {
    let channels = x.channels();
    expect_elements(name, x)?;
    expect_shape(name, "the statistics", stats, [2, channels])?;
    expect_shape(name, "gamma", gamma, [channels])?;
    expect_shape(name, "beta", beta, [channels])
}

impl Operation for BatchNormNormalize {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn describe(&self) -> String {
        format!("batch normalisation{}", self.activation.suffix())
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("batch normalisation", inputs, 4)?;
        let [x, stats, gamma, beta] = [0, 1, 2, 3].map(|index| inputs[index]);
        expect_normalized("batch normalisation", x, stats, gamma, beta)?;
        Ok(x.clone())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let [x, stats, gamma, beta] = [0, 1, 2, 3].map(|index| rule.input(index));
        let dy = rule.dy();
        let BatchNormNormalize { epsilon, activation } = *self;
        let sums = BatchNormGradientSums { epsilon, activation };
        let sums = rule.add("gradient_sums", sums, &[x, dy, stats, gamma, beta])?;
        let mut dx = None;
        if rule.wants(0) {
            let gradient = BatchNormInputGradient { epsilon, activation };
            dx = Some(rule.add("gradient", gradient, &[x, dy, stats, gamma, beta, sums])?);
        }
        let mut row = |input: usize, name: &str, row: usize| {
            rule.wants(input).then(|| rule.add(name, Row(row), &[sums])).transpose()
        };
        // None for the statistics: what flows through them is part of dx.
        Ok(vec![dx, None, row(2, "gamma_gradient", 0)?, row(3, "beta_gradient", 1)?])
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let at = Normalized::new(inputs, self.epsilon);
        vec![Tensor::from_fn(inputs[0].shape().clone(), |index| {
            self.activation.apply(at.pre_activation(index))
        })]
    }

    fn variants(&self) -> &'static [Variant] {
        rows::LADDER
    }

    fn choose(&self, lowering: &Lowering) -> &'static str {
        rows::choose(lowering)
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let names = ["x", "stats", "gamma", "beta"];
        let entries = ["normalize_naive", "normalize_quad"];
        pointwise(lowering, entries, &names, self.epsilon, self.activation)
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        3 * output.elements() as u64
    }

    fn absorb(
        &self,
        next: &dyn Operation,
        _position: usize,
        _differentiable: bool,
    ) -> Option<Arc<dyn Operation>> {
        let activation = Activation::of(next)?;
        (self.activation == Activation::None)
            .then(|| Arc::new(BatchNormNormalize { activation, ..*self }) as Arc<dyn Operation>)
    }
}

/// The dispatch of a kernel with one result an element of x.
fn pointwise(
    lowering: &Lowering,
    entries: [&'static str; 2],
    names: &[&'static str],
    epsilon: f32,
    activation: Activation,
) -> Result<Lowered> {
    let version = rows::version(lowering, entries)?;
    let mut dispatch = Dispatch::new("batch_norm", version.entry)
        .constant("ACTIVATION", activation.code())
        .bind("y", Operand::Output)
        .param("epsilon", epsilon)
        .param("momentum", 0.0)
        .param("row", 0u32);
    for (index, name) in names.iter().enumerate() {
        dispatch = dispatch.bind(name, Operand::Input(index));
    }
    let walk = Walk::each(lowering, lowering.inputs[0]);
    Ok(walk.apply(dispatch, lowering).into())
}

/// x, stats, gamma and beta as the references read them.
struct Normalized<'a> {
    x: &'a [f64],
    stats: &'a [f64],
    gamma: &'a [f64],
    beta: &'a [f64],
    epsilon: f64,
}

impl<'a> Normalized<'a> {
    /// From inputs x, stats, gamma, beta.
    fn new(inputs: &[&'a Tensor<f64>], epsilon: f32) -> Self {
        let [x, stats, gamma, beta] = [0, 1, 2, 3].map(|index| inputs[index].data());
        Normalized { x, stats, gamma, beta, epsilon: f64::from(epsilon) }
    }

    /// From inputs x, dy, stats, gamma, beta, with which derivatives begin.
    fn of_gradient(inputs: &[&'a Tensor<f64>], epsilon: f32) -> Self {
        Normalized::new(&[inputs[0], inputs[2], inputs[3], inputs[4]], epsilon)
    }

    fn channel(&self, index: usize) -> usize {
        index % self.gamma.len()
    }

    fn inverse_deviation(&self, channel: usize) -> f64 {
        1.0 / (self.stats[self.gamma.len() + channel] + self.epsilon).sqrt()
    }

    fn normal(&self, index: usize) -> f64 {
        let channel = self.channel(index);
        (self.x[index] - self.stats[channel]) * self.inverse_deviation(channel)
    }

    fn pre_activation(&self, index: usize) -> f64 {
        let channel = self.channel(index);
        self.gamma[channel] * self.normal(index) + self.beta[channel]
    }
}

/// `dy` behind an activation whose argument was `a`.
pub(super) fn mask(activation: Activation, a: f64, dy: f64) -> f64 {
    let passes = match activation {
        Activation::None => true,
        Activation::Relu => a > 0.0,
        Activation::Relu6 => a > 0.0 && a < 6.0,
    };
    if passes { dy } else { 0.0 }
}

/// (x, dy, stats, gamma, beta) -> (2, C): the gradients of gamma and of beta,
/// sum(d * (x - mean) / sqrt(variance + epsilon)) and sum(d), where d is dy behind the activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormGradientSums {
    /// As in the forward direction.
    pub epsilon: f32,
    /// As in the forward direction.
    pub activation: Activation,
}

impl Operation for BatchNormGradientSums {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn describe(&self) -> String {
        format!("gradients of gamma and beta{}", self.activation.suffix())
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let name = "gradients of gamma and beta";
        expect_inputs(name, inputs, 5)?;
        expect_normalized(name, inputs[0], inputs[2], inputs[3], inputs[4])?;
        expect_shape(name, "dy", inputs[1], inputs[0].clone())?;
        Ok(inputs[2].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let at = Normalized::of_gradient(inputs, self.epsilon);
        let channels = inputs[0].shape().channels();
        let mut sums = Tensor::zeros([2, channels]);
        for (index, &dy) in inputs[1].data().iter().enumerate() {
            let d = mask(self.activation, at.pre_activation(index), dy);
            let channel = at.channel(index);
            sums.data_mut()[channel] += d * at.normal(index);
            sums.data_mut()[channels + channel] += d;
        }
        vec![sums]
    }

    fn variants(&self) -> &'static [Variant] {
        rows::LADDER
    }

    fn choose(&self, lowering: &Lowering) -> &'static str {
        rows::choose(lowering)
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let entries = ["sums_naive", "sums_quad"];
        sums(lowering, entries, "sums_merge", self.epsilon, self.activation, |dispatch| {
            let names = ["x", "dy", "stats", "gamma", "beta"];
            names.iter().enumerate().fold(dispatch, |dispatch, (index, name)| {
                dispatch.bind(name, Operand::Input(index))
            })
        })
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        6 * inputs[0].elements() as u64
    }
}

/// (x, dy, stats, gamma, beta, sums of [`BatchNormGradientSums`]) -> the gradient of x,
/// gamma / sqrt(variance + epsilon) * (d - (dbeta + normal * dgamma) / rows), with the terms through
/// mean and variance, where d is dy behind the activation and normal the normalised x.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormInputGradient {
    /// As in the forward direction.
    pub epsilon: f32,
    /// As in the forward direction.
    pub activation: Activation,
}

impl Operation for BatchNormInputGradient {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn describe(&self) -> String {
        format!("gradient of batch normalisation{}", self.activation.suffix())
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let name = "gradient of batch normalisation";
        expect_inputs(name, inputs, 6)?;
        expect_normalized(name, inputs[0], inputs[2], inputs[3], inputs[4])?;
        expect_shape(name, "dy", inputs[1], inputs[0].clone())?;
        expect_shape(name, "the sums", inputs[5], inputs[2].clone())?;
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let at = Normalized::of_gradient(inputs, self.epsilon);
        let (dy, sums) = (inputs[1].data(), inputs[5].data());
        let rows = inputs[0].shape().rows() as f64;
        let channels = at.gamma.len();
        vec![Tensor::from_fn(inputs[0].shape().clone(), |index| {
            let channel = at.channel(index);
            let d = mask(self.activation, at.pre_activation(index), dy[index]);
            let (dgamma, dbeta) = (sums[channel], sums[channels + channel]);
            let through_statistics = (dbeta + at.normal(index) * dgamma) / rows;
            at.gamma[channel] * at.inverse_deviation(channel) * (d - through_statistics)
        })]
    }

    fn variants(&self) -> &'static [Variant] {
        rows::LADDER
    }

    fn choose(&self, lowering: &Lowering) -> &'static str {
        rows::choose(lowering)
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let names = ["x", "dy", "stats", "gamma", "beta", "sums"];
        let entries = ["input_gradient_naive", "input_gradient_quad"];
        pointwise(lowering, entries, &names, self.epsilon, self.activation)
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        7 * output.elements() as u64
    }
}

/// (moving mean (C), moving variance (C), stats (2, C)): both become
/// moving * momentum + statistic * (1 - momentum), as Keras 3 has it, with the biased variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MovingAverage {
    /// How much of the old value stays.
    pub momentum: f32,
}

impl Operation for MovingAverage {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn describe(&self) -> String {
        format!("moving average, momentum {}", self.momentum)
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("moving average", inputs, 3)?;
        let channels = inputs[2].channels();
        expect_shape("moving average", "the statistics", inputs[2], [2, channels])?;
        expect_shape("moving average", "the mean", inputs[0], [channels])?;
        expect_shape("moving average", "the variance", inputs[1], [channels])?;
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let momentum = f64::from(self.momentum);
        let update = |row: usize| {
            let moving = inputs[row].data();
            Tensor::from_fn([moving.len()], |channel| {
                let statistic = inputs[2].data()[row * moving.len() + channel];
                moving[channel] * momentum + statistic * (1.0 - momentum)
            })
        };
        vec![update(0), update(1)]
    }

    fn updates(&self) -> &'static [usize] {
        &[0, 1]
    }

    fn variants(&self) -> &'static [Variant] {
        NAIVE
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let channels = lowering.inputs[2].channels();
        // One at a time: the two may lie in one buffer, whose ranges must not overlap when written.
        let update = |row: usize| {
            Dispatch::new("batch_norm", "moving_average")
                .bind("moving", Operand::Input(row))
                .bind("stats", Operand::Input(2))
                .param("count", channels)
                .param("channels", channels)
                .param("rows", 0u32)
                .param("blocks", 0u32)
                .param("near", 0u32)
                .param("far", 0u32)
                .param("each", 0u32)
                .param("epsilon", 0.0)
                .param("momentum", self.momentum)
                .param("row", row)
                .workgroups(grid(channels.div_ceil(64), lowering.capabilities.max_workgroups))
        };
        Ok(Lowered { dispatches: vec![update(0), update(1)], scratch: Vec::new() })
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        3 * inputs[2].elements() as u64
    }
}

const NAIVE: &[Variant] = &[Variant { name: "naive", needs: Needs::Nothing }];

/// Every operation, on one and many rows and channels, in fours and not.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let vector = |channels: usize| (Shape::from([channels]), Fill::Uniform(-1.5, 1.5));
    // Means and variances alike may be anything that is not negative.
    let stats = |channels: usize| (Shape::from([2, channels]), Fill::Uniform(0.1, 1.0));
    for dims in
        [[2, 3, 5, 7], [1, 1, 1, 1], [3, 5, 2, 12], [1, 9, 7, 1], [2, 1, 1, 20], [4, 16, 16, 8]]
    {
        let shape = Shape::from(dims);
        let channels = dims[3];
        let x = || (shape.clone(), Fill::Uniform(-2.0, 2.0));
        let name = |what: &str| format!("{what} {shape}");
        cases.push(Case::new(name("statistics"), BatchNormStatistics, [x()]));
        for activation in [Activation::None, Activation::Relu, Activation::Relu6] {
            let name = |what: &str| format!("{what} {shape}{}", activation.suffix());
            // A large epsilon, so that leaving it out shows.
            let epsilon = 0.1;
            let normalize = BatchNormNormalize { epsilon, activation };
            let (gamma, beta) = (vector(channels), vector(channels));
            let inputs = [x(), stats(channels), gamma.clone(), beta.clone()];
            // The gradient of x assumes statistics that depend on x: tests/batch_norm.rs has it.
            cases.push(Case::new(name("normalize"), normalize, inputs).differentiate(&[2, 3]));
            let sums = BatchNormGradientSums { epsilon, activation };
            let inputs = [x(), x(), stats(channels), gamma.clone(), beta.clone()];
            cases.push(Case::new(name("sums"), sums, inputs.clone()));
            let gradient = BatchNormInputGradient { epsilon, activation };
            let sums = (Shape::from([2, channels]), Fill::Uniform(-9.0, 9.0));
            let inputs = inputs.into_iter().chain([sums]);
            cases.push(Case::new(name("input gradient"), gradient, inputs));
        }
    }
    let shape = Shape::from(rows::SEVERAL_ROWS);
    let channels = shape.channels();
    let x = || (shape.clone(), Fill::Uniform(-2.0, 2.0));
    let with = || [stats(channels), vector(channels), vector(channels)];
    let (epsilon, activation) = (0.1, Activation::Relu);
    let normalize = BatchNormNormalize { epsilon, activation };
    let inputs = [x()].into_iter().chain(with());
    cases.push(Case::new("normalize, several rows", normalize, inputs));
    let gradient = BatchNormInputGradient { epsilon, activation };
    let inputs = [x(), x()].into_iter().chain(with()).chain([stats(channels)]);
    cases.push(Case::new("input gradient, several rows", gradient, inputs));
    for channels in [1, 7, 130] {
        let moving = || (Shape::from([channels]), Fill::Uniform(0.0, 2.0));
        cases.push(Case::new(
            format!("moving average {channels}"),
            MovingAverage { momentum: 0.75 },
            [moving(), moving(), stats(channels)],
        ));
    }
    for dims in [[32, 48, 48, 32], [32, 24, 24, 128], [32, 6, 6, 256]] {
        let shape = Shape::from(dims);
        let x = || (shape.clone(), Fill::Signed);
        let (epsilon, activation) = (1e-3, Activation::Relu);
        let with = || [stats(dims[3]), vector(dims[3]), vector(dims[3])];
        let name = |what: &str| format!("{what} {shape}");
        let normalize = BatchNormNormalize { epsilon, activation };
        let sums = BatchNormGradientSums { epsilon, activation };
        let gradient = BatchNormInputGradient { epsilon, activation };
        cases.extend(
            [
                Case::new(name("statistics"), BatchNormStatistics, [x()]),
                Case::new(name("normalize"), normalize, [x()].into_iter().chain(with())),
                Case::new(name("sums"), sums, [x(), x()].into_iter().chain(with())),
                Case::new(
                    name("input gradient"),
                    gradient,
                    [x(), x()].into_iter().chain(with()).chain([stats(dims[3])]),
                ),
            ]
            .map(Case::bench_only),
        );
    }
    cases
}
