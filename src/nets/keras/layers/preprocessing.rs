//! What prepares pictures inside a model: scales, statistics, sizes.

use super::{Kind, kind};
use crate::engine::ops::{
    Activation, BatchNormFold, ChannelAffine, Crop, Elementwise, Instruction, ResizeBilinear,
};
use crate::error::Result;
use crate::nets::keras::site::{Site, Tensor, constant_of};

pub(super) const LAYERS: &[Kind] = &[
    kind("Rescaling", rescaling),
    kind("CustomScaleLayer", residual),
    kind("Normalization", normalization),
    kind("Resizing", resizing),
    kind("Resize", resizing),
    kind("CenterCrop", center_crop),
];

/// x * scale + offset, either a number or one for each channel.
fn rescaling(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    let (scale, offset) = (fields.numbers("scale")?, fields.numbers("offset")?);
    fields.finish()?;
    let x = site.x()?;
    let channels = site.shape(x).channels();
    let scale = constant_of(&scale, 1.0, channels).ok_or_else(|| fields.strange("scale"))?;
    let offset = constant_of(&offset, 0.0, channels).ok_or_else(|| fields.strange("offset"))?;
    let affine = site.constant("scale_and_offset", &[2, channels], &[scale, offset].concat())?;
    site.add(ChannelAffine { activation: Activation::None }, &[x, affine])
}

/// Of InceptionResNetV2: the first tensor plus the second times the scale.
fn residual(site: &mut Site) -> Result<Tensor> {
    let scale = site.fields.number_or("scale", 1.0)? as f32;
    site.fields.finish()?;
    let [x, branch] = site.inputs[..] else {
        return Err(site.fields.refuse("it takes two tensors", "call it with two"));
    };
    let scaled = site.part("scaled", Elementwise::one(Instruction::Scale(scale)), &[branch])?;
    site.add(Elementwise::add(), &[x, scaled])
}

/// (x - mean) / deviation: by numbers in the configuration, or by those that `adapt` found.
fn normalization(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    let (mean, variance) = (fields.numbers("mean")?, fields.numbers("variance")?);
    fields.only("invert", &[false.into()])?;
    let axes = fields.signed("axis")?;
    fields.finish()?;
    let x = site.x()?;
    let shape = site.shape(x);
    let (channels, rank) = (shape.channels(), shape.rank() as i64);
    // Without an axis there is one mean of everything.
    let none = fields.get("axis").is_none() || axes.is_empty();
    if !none && axes.iter().any(|&axis| axis != -1 && axis != rank - 1) {
        return Err(fields.strange("axis"));
    }
    let affine = if mean.is_empty() && variance.is_empty() {
        if none {
            return Err(fields.refuse("it has one mean for all channels", "give it axis=-1"));
        }
        let mean = site.state("mean", &[channels], 0.0)?;
        let variance = site.state("variance", &[channels], 1.0)?;
        let one = site.constant("one", &[channels], &[1.0])?;
        let zero = site.constant("zero", &[channels], &[0.0])?;
        // Keras divides by the deviation, which it takes for 1e-7 at least.
        let fold = BatchNormFold { epsilon: 1e-14 };
        site.part("fold", fold, &[one, zero, mean, variance])?
    } else {
        let mean = constant_of(&mean, 0.0, channels).ok_or_else(|| fields.strange("mean"))?;
        let variance =
            constant_of(&variance, 1.0, channels).ok_or_else(|| fields.strange("variance"))?;
        let scale: Vec<f64> = variance.iter().map(|v| 1.0 / v.sqrt().max(1e-7)).collect();
        let shift: Vec<f64> = mean.iter().zip(&scale).map(|(m, s)| -m * s).collect();
        site.constant("scale_and_shift", &[2, channels], &[scale, shift].concat())?
    };
    site.add(ChannelAffine { activation: Activation::None }, &[x, affine])
}

fn resizing(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    fields.channels_last()?;
    // That of `keras.ops.image` has both in one.
    let [height, width] = match fields.get("size") {
        Some(_) => fields.pair_or("size", [0, 0])?,
        None => [fields.whole("height")?, fields.whole("width")?],
    };
    fields.only("interpolation", &["bilinear".into()])?;
    for flag in ["crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"] {
        fields.only(flag, &[false.into()])?;
    }
    fields.skip(&["fill_mode", "fill_value"]);
    fields.finish()?;
    let (x, [images, from_height, from_width, channels]) = site.images()?;
    if [from_height, from_width] == [height, width] {
        return Ok(x.into());
    }
    site.checked(&[images, height, width, channels])?;
    site.add(ResizeBilinear { height, width }, &[x])
}

fn center_crop(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    fields.channels_last()?;
    let size = [fields.whole("height")?, fields.whole("width")?];
    fields.skip(&["seed"]);
    fields.finish()?;
    let (x, [_, height, width, _]) = site.images()?;
    if size[0] == 0 || size[1] == 0 || size[0] > height || size[1] > width {
        let problem =
            format!("images of {height}x{width} are smaller than {}x{}", size[0], size[1]);
        return Err(fields.refuse(problem, "Keras would resize them: resize them before"));
    }
    let (top, left) = ((height - size[0]) / 2, (width - size[1]) / 2);
    let (bottom, right) = (height - size[0] - top, width - size[1] - left);
    site.add(Crop { top, bottom, left, right }, &[x])
}
