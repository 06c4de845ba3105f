//! Normalisations by statistics of batches, layers, groups and vectors; scales that are learned.

use super::{Kind, kind};
use crate::engine::graph::{Init, Value};
use crate::engine::ops::{
    Activation, BatchNormFold, BatchNormNormalize, BatchNormStatistics, ChannelAffine, Elementwise,
    Expand, MovingAverage, Norm, Normalize, Reshape,
};
use crate::error::Result;
use crate::nets::keras::site::{Site, Tensor};

pub(super) const LAYERS: &[Kind] = &[
    kind("BatchNormalization", batch),
    kind("SyncBatchNormalization", batch),
    kind("LayerNormalization", layer),
    kind("GroupNormalization", group),
    kind("UnitNormalization", unit),
    kind("LayerScale", layer_scale),
];

/// Refuses every axis but that of the channels.
fn channels(site: &Site, name: &str, default: i64) -> Result<()> {
    let rank = site.shape(site.x()?).rank() as i64;
    let axes = site.fields.signed(name)?;
    let axes = if axes.is_empty() { vec![default] } else { axes };
    match axes.iter().all(|&axis| axis == -1 || axis == rank - 1) && axes.len() == 1 {
        true => Ok(()),
        false => Err(site.fields.strange(name)),
    }
}

fn epsilon(site: &Site) -> Result<f32> {
    let epsilon = site.fields.number_or("epsilon", 1e-3)?;
    if epsilon < 0.0 { Err(site.fields.strange("epsilon")) } else { Ok(epsilon as f32) }
}

/// A learned vector, or where there is none its usual value.
fn learned(site: &mut Site, present: bool, name: &str, count: usize, start: f32) -> Result<Value> {
    match present {
        true => site.weight(name, &[count], Init::Constant(start)),
        false => site.constant(&format!("no_{name}"), &[count], &[f64::from(start)]),
    }
}

fn batch(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    channels(site, "axis", -1)?;
    let epsilon = epsilon(site)?;
    let momentum = fields.number_or("momentum", 0.99)? as f32;
    let (center, scale) = (fields.flag_or("center", true)?, fields.flag_or("scale", true)?);
    fields.only("renorm", &[false.into()])?;
    fields.only("virtual_batch_size", &[])?;
    fields.only("adjustment", &[])?;
    fields.skip(&["renorm_clipping", "renorm_momentum", "synchronized", "fused"]);
    fields.finish()?;
    let x = site.x()?;
    let count = site.shape(x).channels();
    let gamma = learned(site, scale, "gamma", count, 1.0)?;
    let beta = learned(site, center, "beta", count, 0.0)?;
    let mean = site.state("moving_mean", &[count], 0.0)?;
    let variance = site.state("moving_variance", &[count], 1.0)?;
    // A layer that is frozen goes by its running statistics in training, too.
    if site.training() && site.trainable {
        let statistics = site.part("statistics", BatchNormStatistics, &[x])?;
        let average = MovingAverage { momentum };
        let update = site.part("moving_average", average, &[mean, variance, statistics])?;
        site.layers.updates.push(update);
        return site.add(BatchNormNormalize::new(epsilon), &[x, statistics, gamma, beta]);
    }
    let fold = BatchNormFold { epsilon };
    let affine = site.part("fold", fold, &[gamma, beta, mean, variance])?;
    site.add(ChannelAffine { activation: Activation::None }, &[x, affine])
}

/// `normalize` of `x`, times gamma, plus beta, by channel; either may be missing.
fn rescaled(
    site: &mut Site,
    normalize: Normalize,
    x: Value,
    center: bool,
    scale: bool,
) -> Result<Tensor> {
    let count = site.shape(x).channels();
    let vector = |site: &mut Site, present: bool, name: &str, start: f32| match present {
        true => site.weight(name, &[count], Init::Constant(start)).map(Some),
        false => Ok(None),
    };
    let gamma = vector(site, scale, "gamma", 1.0)?;
    let beta = vector(site, center, "beta", 0.0)?;
    let shape = site.shape(x);
    let plain = gamma.is_none() && beta.is_none();
    // What spans all pixels of an image spans all steps of a sequence.
    if normalize.whole && shape.rank() != 4 {
        let images = shape.dims()[0];
        let pixels = [images, shape.rows() / images.max(1), 1, count];
        let pixels = site.part("as_image", Reshape(pixels.into()), &[x])?;
        let y = site.part("normalized", normalize, &[pixels])?;
        if plain {
            return site.add(Reshape(shape), &[y]);
        }
        let y = site.part("in_shape", Reshape(shape), &[y])?;
        return by_channel(site, y, gamma, beta);
    }
    if plain {
        return site.add(normalize, &[x]);
    }
    let y = site.part("normalized", normalize, &[x])?;
    by_channel(site, y, gamma, beta)
}

/// y * gamma + beta by channel, under the layer's name; at least one of them.
pub(super) fn by_channel(
    site: &mut Site,
    y: Value,
    gamma: Option<Value>,
    beta: Option<Value>,
) -> Result<Tensor> {
    let count = site.shape(y).channels();
    // In training, too, which has no use for them: a model's variables are the same, whatever it is built for.
    let one = site.constant("one", &[count], &[1.0])?;
    let zero = site.constant("zero", &[count], &[0.0])?;
    if !site.training() {
        // Scale and shift side by side are what a batch normalisation folds to.
        let inputs = [gamma.unwrap_or(one), beta.unwrap_or(zero), zero, one];
        let affine = site.part("fold", BatchNormFold { epsilon: 0.0 }, &inputs)?;
        return site.add(ChannelAffine { activation: Activation::None }, &[y, affine]);
    }
    let gamma = gamma.map(|gamma| spread(site, "gamma_everywhere", gamma, y)).transpose()?;
    let beta = beta.map(|beta| spread(site, "beta_everywhere", beta, y)).transpose()?;
    match (gamma, beta) {
        (Some(gamma), Some(beta)) => {
            let y = site.part("scaled", Elementwise::multiply(), &[y, gamma])?;
            site.add(Elementwise::add(), &[y, beta])
        }
        (Some(gamma), None) => site.add(Elementwise::multiply(), &[y, gamma]),
        (None, Some(beta)) => site.add(Elementwise::add(), &[y, beta]),
        (None, None) => Ok(y.into()),
    }
}

/// A vector of channels, at every pixel of a tensor like `x`.
fn spread(site: &mut Site, name: &str, vector: Value, x: Value) -> Result<Value> {
    let shape = site.shape(x);
    let count = shape.channels();
    let row = site.part(&format!("{name}/row"), Reshape([1, 1, 1, count].into()), &[vector])?;
    // Rows as columns of one image: the sum over them is that over all pixels.
    let (from, to) = ([1, 1, 1, count], [shape.rows(), 1, 1, count]);
    let all = site.part(&format!("{name}/rows"), Expand { from, to }, &[row])?;
    site.part(name, Reshape(shape), &[all])
}

fn layer(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    channels(site, "axis", -1)?;
    let epsilon = epsilon(site)?;
    let (center, scale) = (fields.flag_or("center", true)?, fields.flag_or("scale", true)?);
    fields.only("rms_scaling", &[false.into()])?;
    fields.finish()?;
    let x = site.x()?;
    rescaled(site, Normalize::rows(Norm::Moments { epsilon }), x, center, scale)
}

fn group(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    channels(site, "axis", -1)?;
    let epsilon = epsilon(site)?;
    let (center, scale) = (fields.flag_or("center", true)?, fields.flag_or("scale", true)?);
    let groups = fields.signed("groups")?.first().copied().unwrap_or(32);
    fields.finish()?;
    let x = site.x()?;
    let shape = site.shape(x);
    let channels = shape.channels();
    // -1 stands for a group a channel.
    let groups = if groups == -1 { channels } else { usize::try_from(groups).unwrap_or(0) };
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Err(fields.strange("groups"));
    }
    // A group spans everything but the channels of the others.
    let whole = shape.rank() > 2;
    let normalize = Normalize { norm: Norm::Moments { epsilon }, groups, whole };
    rescaled(site, normalize, x, center, scale)
}

fn unit(site: &mut Site) -> Result<Tensor> {
    channels(site, "axis", -1)?;
    site.fields.finish()?;
    let x = site.x()?;
    // Keras takes a length for 1e-12 at least; here it is its square.
    site.add(Normalize::rows(Norm::Length { epsilon: 1e-24 }), &[x])
}

/// Of ConvNeXt: x * gamma by channel.
fn layer_scale(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    let start = fields.number_or("init_values", 1e-6)? as f32;
    let count = fields.whole("projection_dim")?;
    fields.finish()?;
    let x = site.x()?;
    if site.shape(x).channels() != count {
        return Err(fields.strange("projection_dim"));
    }
    let gamma = site.weight("gamma", &[count], Init::Constant(start))?;
    by_channel(site, x, Some(gamma), None)
}
