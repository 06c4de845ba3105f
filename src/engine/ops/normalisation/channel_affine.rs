//! A scale and a shift for each channel: batch normalisation in inference.

use std::sync::Arc;

use super::batch_norm::expect_shape;
use crate::engine::graph::{Operation, Rule, Value, Variant};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::rows::{self, Rowwise, Walk, Way};
use crate::engine::ops::{Activation, Case, Curve, Fill, expect_inputs};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// (gamma (C), beta (C), mean (C), variance (C)) -> (2, C): scale = gamma / sqrt(variance + epsilon)
/// and shift = beta - mean * scale, what batch normalisation is in inference. A plan that changes no
/// variable computes it once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormFold {
    /// Added to the variance.
    pub epsilon: f32,
}

impl Operation for BatchNormFold {
    fn name(&self) -> &'static str {
        "channel_affine"
    }

    fn describe(&self) -> String {
        "fold batch normalisation".to_owned()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let name = "fold batch normalisation";
        expect_inputs(name, inputs, 4)?;
        let channels = inputs[0].channels();
        for (shape, what) in inputs.iter().zip(["gamma", "beta", "the mean", "the variance"]) {
            expect_shape(name, what, shape, [channels])?;
        }
        Ok([2, channels].into())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let [gamma, beta, mean, variance] = [0, 1, 2, 3].map(|index| inputs[index].data());
        let channels = gamma.len();
        vec![Tensor::from_fn([2, channels], |index| {
            let channel = index % channels;
            let scale = gamma[channel] / (variance[channel] + f64::from(self.epsilon)).sqrt();
            if index < channels { scale } else { beta[channel] - mean[channel] * scale }
        })]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let channels = lowering.output.channels();
        let mut dispatch = Dispatch::new("channel_affine", "fold")
            .bind("result", Operand::Output)
            .param("count", channels)
            .param("channels", channels)
            .param("rows", 0u32)
            .param("blocks", 0u32)
            .param("near", 0u32)
            .param("far", 0u32)
            .param("each", 0u32)
            .param("epsilon", self.epsilon)
            .workgroups(grid(channels.div_ceil(64), lowering.capabilities.max_workgroups));
        for (index, name) in ["gamma", "beta", "mean", "variance"].iter().enumerate() {
            dispatch = dispatch.bind(name, Operand::Input(index));
        }
        Ok(dispatch.into())
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        3 * output.elements() as u64
    }
}

/// (x (..., C), affine (2, C)) -> activation(x * scale + shift), scale and shift being the rows of
/// `affine`. It has a gradient with respect to x only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChannelAffine {
    /// Applied to the result.
    pub activation: Activation,
}

impl Operation for ChannelAffine {
    fn name(&self) -> &'static str {
        "channel_affine"
    }

    fn describe(&self) -> String {
        format!("scale and shift{}", self.activation.suffix())
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("scale and shift", inputs, 2)?;
        let channels = inputs[0].channels();
        expect_shape("scale and shift", "scale and shift", inputs[1], [2, channels])?;
        Ok(inputs[0].clone())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        if !self.activation.tells_by_result() {
            return Err(Error::shape(rule.name(), "differentiate before fusing"));
        }
        let mut dx = None;
        if rule.wants(0) {
            let (dy, affine, y) = (rule.dy(), rule.input(1), rule.output());
            let scale = ChannelScale { activation: self.activation };
            let inputs = [dy, affine, y];
            let used = if self.activation == Activation::None { &inputs[..2] } else { &inputs };
            dx = Some(rule.add("scale_gradient", scale, used)?);
        }
        Ok(vec![dx, None])
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let (x, affine) = (inputs[0].data(), inputs[1].data());
        let channels = inputs[1].shape().channels();
        vec![Tensor::from_fn(inputs[0].shape().clone(), |index| {
            let channel = index % channels;
            self.activation.apply(x[index] * affine[channel] + affine[channels + channel])
        })]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &rows::ladder::<Self>() }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x", "y"]
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        2 * output.elements() as u64
    }

    fn absorb(
        &self,
        next: &dyn Operation,
        _position: usize,
        differentiable: bool,
    ) -> Option<Arc<dyn Operation>> {
        // The gradient reads the result.
        let activation = Activation::of(next)?;
        (self.activation == Activation::None && (!differentiable || activation.tells_by_result()))
            .then(|| Arc::new(ChannelAffine { activation }) as Arc<dyn Operation>)
    }
}

impl Rowwise for ChannelAffine {
    fn dispatches(&self, lowering: &Lowering, way: Way) -> Result<Lowered> {
        pointwise(
            lowering,
            way,
            ["affine_naive", "affine_fours"],
            &["x", "affine"],
            self.activation,
        )
    }
}

/// (dy (..., C), affine (2, C)[, y]) -> dy * scale where the activation, whose output was y, passes a
/// gradient, else 0: the gradient of [`ChannelAffine`]. It takes y only if there is an activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChannelScale {
    /// As in the forward direction.
    pub activation: Activation,
}

impl Operation for ChannelScale {
    fn name(&self) -> &'static str {
        "channel_affine"
    }

    fn describe(&self) -> String {
        format!("gradient of scale and shift{}", self.activation.suffix())
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let name = "gradient of scale and shift";
        expect_inputs(name, inputs, if self.activation == Activation::None { 2 } else { 3 })?;
        expect_shape(name, "scale and shift", inputs[1], [2, inputs[0].channels()])?;
        if let Some(y) = inputs.get(2) {
            expect_shape(name, "y", y, inputs[0].clone())?;
        }
        Ok(inputs[0].clone())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        // Linear in dy; a mask does not change as y does.
        let mut inputs: Vec<Value> = (0..rule.inputs()).map(|index| rule.input(index)).collect();
        inputs[0] = rule.dy();
        let mut gradients = vec![None; inputs.len()];
        if rule.wants(0) {
            gradients[0] = Some(rule.add("scale_gradient", *self, &inputs)?);
        }
        Ok(gradients)
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let (dy, affine) = (inputs[0].data(), inputs[1].data());
        let channels = inputs[1].shape().channels();
        vec![Tensor::from_fn(inputs[0].shape().clone(), |index| {
            let y = inputs.get(2).map_or(0.0, |y| y.data()[index]);
            self.activation.through(y, dy[index]) * affine[index % channels]
        })]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &rows::ladder::<Self>() }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["dy", "out", "y"]
    }
}

impl Rowwise for ChannelScale {
    fn dispatches(&self, lowering: &Lowering, way: Way) -> Result<Lowered> {
        let names = &["dy", "affine", "out"][..lowering.inputs.len()];
        pointwise(lowering, way, ["scale_naive", "scale_fours"], names, self.activation)
    }
}

fn pointwise(
    lowering: &Lowering,
    way: Way,
    entries: [&'static str; 2],
    names: &[&'static str],
    activation: Activation,
) -> Result<Lowered> {
    let mut dispatch = activation
        .bind(Dispatch::new("channel_affine", way.entry(entries)))
        .bind("y", Operand::Output)
        .param("epsilon", 0.0);
    for (index, name) in names.iter().enumerate() {
        dispatch = dispatch.bind(name, Operand::Input(index));
    }
    let walk = Walk::each(way, lowering.output);
    Ok(walk.apply(dispatch, lowering).into())
}

/// Every operation, on one and many rows and channels, in fours and not.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let affine = |channels: usize| (Shape::from([2, channels]), Fill::Uniform(-1.5, 1.5));
    for channels in [1, 7, 130] {
        let vector = |low, high| (Shape::from([channels]), Fill::Uniform(low, high));
        cases.push(Case::new(
            format!("fold {channels}"),
            BatchNormFold { epsilon: 0.1 },
            [vector(-1.5, 1.5), vector(-1.0, 1.0), vector(-1.0, 1.0), vector(0.1, 2.0)],
        ));
    }
    for activation in [Activation::None, Activation::Relu, Activation::Relu6] {
        let operation = ChannelAffine { activation };
        for dims in [[2, 3, 5, 7], [1, 1, 1, 1], [3, 5, 2, 12], [1, 9, 7, 1], [4, 16, 16, 8]] {
            let shape = Shape::from(dims);
            let name = format!("{shape}{}", activation.suffix());
            let inputs = [(shape, Fill::Uniform(-8.0, 8.0)), affine(dims[3])];
            cases.push(Case::new(name, operation, inputs).differentiate(&[0]));
        }
        let shape = Shape::from([2, 3, 5, 8]);
        let x = (shape, Fill::Uniform(-8.0, 8.0));
        let mut inputs = vec![x.clone(), affine(8)];
        if activation != Activation::None {
            inputs.push(x);
        }
        let name = format!("scale{}", activation.suffix());
        cases.push(Case::new(name, ChannelScale { activation }, inputs).differentiate(&[0]));
    }
    let curve = ChannelAffine { activation: Activation::Curve(Curve::Gelu) };
    for dims in [[2, 3, 5, 7], [3, 5, 2, 12]] {
        let shape = Shape::from(dims);
        let inputs = [(shape.clone(), Fill::Uniform(-8.0, 8.0)), affine(dims[3])];
        cases.push(Case::new(format!("{shape}, gelu"), curve, inputs));
    }
    let operation = ChannelAffine { activation: Activation::Relu };
    let shape = Shape::from(rows::SEVERAL_ROWS);
    let x = || (shape.clone(), Fill::Signed);
    let rows = affine(shape.channels());
    cases.push(Case::new("several rows", operation, [x(), rows.clone()]));
    let scale = ChannelScale { activation: Activation::Relu };
    cases.push(Case::new("scale, several rows", scale, [x(), rows, x()]));
    let inputs = [([32, 48, 48, 32].into(), Fill::Signed), affine(32)];
    cases.push(Case::new("large", operation, inputs).bench_only());
    cases
}
