//! Batch normalisation in training: statistics of the batch, normalisation with them, the gradient
//! through both, and running averages for inference.
//!
//! Two passes over memory forward, statistics and normalisation, and two backward, the sums and the
//! gradient of x: an activation, and an addition on either way, are part of the second.

mod blocks;
mod gradient;
mod normalize;
mod statistics;

use crate::engine::graph::{Operation, Variant, downcast};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::rows::{self, Walk, Way, in_fours};
use crate::engine::ops::{Activation, Case, Curve, Elementwise, Fill, Instruction};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

use blocks::Blocks;

pub use gradient::{BatchNormGradientSums, BatchNormInputGradient};
pub use normalize::BatchNormNormalize;
pub use statistics::{BatchNormStatistics, MovingAverage};

/// Checks that `given` has the shape that its place among the inputs asks for.
pub(in crate::engine::ops) fn expect_shape(
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

/// Checks x, stats, gamma and beta.
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

/// The two dispatches of a sum over rows: partial sums by blocks, then their merger, by workgroups or by
/// single invocations.
fn sums(
    lowering: &Lowering,
    by: By,
    entries: [&'static str; 3],
    merges: [&'static str; 2],
    epsilon: f32,
    activation: Activation,
    bind: impl Fn(Dispatch) -> Dispatch,
) -> Result<Lowered> {
    let shape = lowering.inputs[0];
    let channels = shape.channels();
    let (shader, entry, blocks) = match by {
        By::Invocations(way) => {
            let entry = way.entry([entries[0], entries[1]]);
            ("batch_norm", entry, Blocks::walked(lowering, way, shape))
        }
        By::Workgroups => ("batch_norm_group", entries[2], Blocks::of_groups(shape)),
    };
    let first = activation
        .bind(Dispatch::new(shader, entry))
        .bind("part", Operand::Scratch(0))
        .param("epsilon", epsilon)
        .param("momentum", 0.0)
        .param("row", 0u32);
    let alone = by == By::Invocations(Way::STRIP) || blocks.count <= SLICES;
    let merge = merges[usize::from(alone)];
    let (count, groups) = match alone {
        true => (channels, channels.div_ceil(64)),
        false => (channels.div_ceil(MERGED), channels.div_ceil(MERGED)),
    };
    let second = blocks
        .describe(Dispatch::new("batch_norm", merge), channels)
        .bind("parts", Operand::Scratch(0))
        .bind("result", Operand::Output)
        .param("count", count)
        .param("epsilon", epsilon)
        .param("momentum", 0.0)
        .param("row", 0u32)
        .workgroups(grid(groups, lowering.capabilities.max_workgroups));
    // Only the gradient's merger divides by the deviation.
    let second = match merge {
        "sums_merge" | "sums_merge_alone" => second.bind("stats", Operand::Input(2)),
        _ => second,
    };
    Ok(Lowered {
        dispatches: vec![blocks.apply(bind(first), lowering), second],
        scratch: vec![blocks.count * 2 * channels],
    })
}

/// Who sums a block of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Invocations(Way),
    Workgroups,
}

/// An operation that sums over rows.
trait Sums: Operation {
    /// The dispatches of a version.
    fn dispatches(&self, lowering: &Lowering, by: By) -> Result<Lowered>;
}

/// The versions of one.
const fn table<T: Sums>() -> [Variant; 4] {
    variants!(T:
        {
            name: "naive",
            price: |_, _| 4.0,
            lower: |this, at| this.dispatches(at, By::Invocations(Way::NAIVE)),
        },
        {
            name: "fours",
            fits: in_fours,
            price: |_, _| 3.0,
            lower: |this, at| this.dispatches(at, By::Invocations(Way::FOURS)),
        },
        {
            name: "strip",
            fits: in_fours,
            price: |_, at| at.on(1.0, 2.0),
            lower: |this, at| this.dispatches(at, By::Invocations(Way::STRIP)),
        },
        // Four channels; workgroups sum, so that little is left to merge.
        {
            name: "group",
            fits: in_fours,
            price: |_, at| at.on(2.0, 1.0),
            lower: |this, at| this.dispatches(at, By::Workgroups),
        },
    )
}

/// Channels that one workgroup merges: `MERGED` in the shader.
const MERGED: usize = 8;
/// In how many slices: `SLICES` in the shader.
const SLICES: usize = 16;

/// The dispatch of a kernel with one result an element of x, from inputs of these names and, where
/// `residual`, one more that is added.
fn pointwise(
    lowering: &Lowering,
    way: Way,
    entries: [&'static str; 2],
    names: &[&'static str],
    epsilon: f32,
    activation: Activation,
    residual: bool,
) -> Result<Lowered> {
    let mut dispatch = activation
        .bind(Dispatch::new("batch_norm", way.entry(entries)))
        .constant("RESIDUAL", u32::from(residual))
        .bind("y", Operand::Output)
        .param("epsilon", epsilon)
        .param("momentum", 0.0)
        .param("row", 0u32);
    let residual = residual.then_some("residual");
    for (index, name) in names.iter().copied().chain(residual).enumerate() {
        dispatch = dispatch.bind(name, Operand::Input(index));
    }
    let walk = Walk::each(way, lowering.inputs[0]);
    Ok(walk.apply(dispatch, lowering).param("slices", 1u32).into())
}

/// How an addition, and an activation after it, is taken over by what computes its input number
/// `position`: the activation, if `next` is that.
fn addition(next: &dyn Operation, position: usize) -> Option<Activation> {
    let (first, rest) = downcast::<Elementwise>(next)?.chain()?.split_first()?;
    let activation = match rest {
        [] => Activation::None,
        [Instruction::Relu] => Activation::Relu,
        [Instruction::Relu6] => Activation::Relu6,
        _ => return None,
    };
    // Either side of an addition will do.
    (*first == Instruction::Add && position <= 1).then_some(activation)
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
        let curve = Activation::Curve(Curve::Silu);
        for activation in [Activation::None, Activation::Relu, Activation::Relu6, curve] {
            let name = |what: &str| format!("{what} {shape}{}", activation.suffix());
            // A large epsilon, so that leaving it out shows.
            let epsilon = 0.1;
            let normalize = BatchNormNormalize { epsilon, activation, residual: false };
            let (gamma, beta) = (vector(channels), vector(channels));
            let inputs = [x(), stats(channels), gamma.clone(), beta.clone()];
            // The gradient of x assumes statistics that depend on x: tests/batch_norm.rs has it.
            let plain = Case::new(name("normalize"), normalize, inputs.clone());
            cases.push(plain.differentiate(&[2, 3]));
            let normalize = BatchNormNormalize { residual: true, ..normalize };
            let inputs = inputs.into_iter().chain([x()]);
            let added = Case::new(name("normalize, add"), normalize, inputs);
            let differentiable: &[usize] =
                if activation.tells_by_result() { &[2, 3, 4] } else { &[] };
            cases.push(added.differentiate(differentiable));
            let sums = BatchNormGradientSums { epsilon, activation };
            let inputs = [x(), x(), stats(channels), gamma.clone(), beta.clone()];
            cases.push(Case::new(name("sums"), sums, inputs.clone()));
            let gradient = BatchNormInputGradient { epsilon, activation, residual: false };
            let sums = (Shape::from([2, channels]), Fill::Uniform(-9.0, 9.0));
            let inputs = inputs.into_iter().chain([sums]);
            cases.push(Case::new(name("input gradient"), gradient, inputs.clone()));
            let gradient = BatchNormInputGradient { residual: true, ..gradient };
            let inputs = inputs.chain([x()]);
            cases.push(Case::new(name("input gradient, add"), gradient, inputs));
        }
    }
    // For `group`: several tiles of channels, the last of which is not full, and a block of one row.
    let x = || (Shape::from([1, 37, 5, 268]), Fill::Uniform(-2.0, 2.0));
    cases.push(Case::new("statistics of many channels", BatchNormStatistics, [x()]));
    let sums = BatchNormGradientSums { epsilon: 0.1, activation: Activation::Relu };
    let inputs = [x(), x(), stats(268), vector(268), vector(268)];
    cases.push(Case::new("sums of many channels", sums, inputs));
    let shape = Shape::from(rows::SEVERAL_ROWS);
    let channels = shape.channels();
    let x = || (shape.clone(), Fill::Uniform(-2.0, 2.0));
    let with = || [stats(channels), vector(channels), vector(channels)];
    let (epsilon, activation) = (0.1, Activation::Relu);
    let normalize = BatchNormNormalize { epsilon, activation, residual: false };
    let inputs = [x()].into_iter().chain(with());
    cases.push(Case::new("normalize, several rows", normalize, inputs));
    let gradient = BatchNormInputGradient { epsilon, activation, residual: false };
    let inputs = [x(), x()].into_iter().chain(with()).chain([stats(channels)]);
    cases.push(Case::new("input gradient, several rows", gradient, inputs));
    for channels in [1, 7, 130] {
        let moving = || (Shape::from([channels]), Fill::Uniform(0.0, 2.0));
        cases.push(Case::new(
            format!("moving average {channels}"),
            MovingAverage { momentum: 0.75 },
            [moving(), moving(), stats(channels)],
        ));
        for guard in [&[0.5][..], &[f64::NAN], &[f64::INFINITY]] {
            let inputs = [moving(), moving(), stats(channels), ([1].into(), Fill::Values(guard))];
            let name = format!("moving average {channels}, guard {}", guard[0]);
            cases.push(Case::new(name, MovingAverage { momentum: 0.75 }, inputs));
        }
    }
    for dims in [[32, 48, 48, 32], [32, 24, 24, 128], [32, 6, 6, 256]] {
        let shape = Shape::from(dims);
        let x = || (shape.clone(), Fill::Signed);
        let (epsilon, activation) = (1e-3, Activation::Relu);
        let with = || [stats(dims[3]), vector(dims[3]), vector(dims[3])];
        let name = |what: &str| format!("{what} {shape}");
        let normalize = BatchNormNormalize { epsilon, activation, residual: false };
        let sums = BatchNormGradientSums { epsilon, activation };
        let gradient = BatchNormInputGradient { epsilon, activation, residual: false };
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
