//! Layers that change nothing in inference: what is drawn at random is drawn in training only.

use super::{Kind, kind};
use crate::engine::ops::Together;
use crate::error::Result;
use crate::nets::keras::site::{Site, Tensor};

const fn nothing(class: &'static str) -> Kind {
    Kind { class, make: None }
}

pub(super) const LAYERS: &[Kind] = &[
    kind("Dropout", dropout),
    kind("SpatialDropout2D", |site| dropped(site, "rate", Together::Channel)),
    // Of keras.applications: what ConvNeXt drops of its residuals.
    kind("StochasticDepth", |site| dropped(site, "drop_path_rate", Together::Image)),
    nothing("AlphaDropout"),
    nothing("GaussianDropout"),
    nothing("GaussianNoise"),
    nothing("ActivityRegularization"),
    nothing("Identity"),
    nothing("AugMix"),
    nothing("CutMix"),
    nothing("Equalization"),
    nothing("MixUp"),
    nothing("RandAugment"),
    nothing("RandomBrightness"),
    nothing("RandomColorDegeneration"),
    nothing("RandomColorJitter"),
    nothing("RandomContrast"),
    nothing("RandomElasticTransform"),
    nothing("RandomErasing"),
    nothing("RandomFlip"),
    nothing("RandomGaussianBlur"),
    nothing("RandomGrayscale"),
    nothing("RandomHeight"),
    nothing("RandomHue"),
    nothing("RandomInvert"),
    nothing("RandomPerspective"),
    nothing("RandomPosterization"),
    nothing("RandomRotation"),
    nothing("RandomSaturation"),
    nothing("RandomSharpness"),
    nothing("RandomShear"),
    nothing("RandomTranslation"),
    nothing("RandomWidth"),
    nothing("RandomZoom"),
];

/// In training it drops single numbers, or with `noise_shape` (None, 1, 1, 1) all of an image: that is how
/// EfficientNets have their stochastic depth.
fn dropout(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    let rate = fields.number_or("rate", 0.0)?;
    fields.skip(&["seed"]);
    let noise = match fields.get("noise_shape") {
        None => None,
        Some(shape) => Some(shape.as_array().ok_or_else(|| fields.strange("noise_shape"))?),
    };
    fields.finish()?;
    if !(0.0..1.0).contains(&rate) && site.training() {
        return Err(fields.strange("rate"));
    }
    let (x, name, rate) = (site.x()?, site.name.clone(), rate as f32);
    let shape = site.shape(x);
    let mut together = Together::Nothing;
    if let Some(noise) = noise {
        let whole = noise.len() == shape.rank()
            && noise.iter().enumerate().all(|(axis, size)| match axis {
                0 => size.is_null(),
                _ => *size == 1,
            });
        // What is drawn together says nothing of what is computed where nothing is drawn.
        if !whole && site.training() {
            return Err(fields.strange("noise_shape"));
        }
        together = Together::Image;
    }
    site.layers.dropped(&name, x, rate, together).map(Tensor::Plain)
}

/// Whole channels or images, in training.
fn dropped(site: &mut Site, field: &str, together: Together) -> Result<Tensor> {
    let fields = site.fields;
    let rate = fields.number_or(field, 0.0)?;
    fields.skip(&["seed", "noise_shape"]);
    fields.channels_last()?;
    fields.finish()?;
    if !(0.0..1.0).contains(&rate) && site.training() {
        return Err(fields.strange(field));
    }
    let (x, name) = (site.x()?, site.name.clone());
    site.layers.dropped(&name, x, rate as f32, together).map(Tensor::Plain)
}
