//! Layers that change nothing in inference: what is drawn at random is drawn in training only.

use super::{Kind, kind};
use crate::error::Result;
use crate::keras::site::{Site, Tensor};

const fn nothing(class: &'static str) -> Kind {
    Kind { class, make: None }
}

pub(super) const LAYERS: &[Kind] = &[
    kind("Dropout", dropout),
    nothing("SpatialDropout2D"),
    nothing("AlphaDropout"),
    nothing("GaussianDropout"),
    nothing("GaussianNoise"),
    nothing("ActivityRegularization"),
    nothing("Identity"),
    nothing("StochasticDepth"),
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

/// In training it drops what it drops.
fn dropout(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    let rate = fields.number_or("rate", 0.0)?;
    fields.skip(&["seed"]);
    fields.only("noise_shape", &[])?;
    fields.finish()?;
    if !(0.0..1.0).contains(&rate) && site.training() {
        return Err(fields.strange("rate"));
    }
    let (x, name) = (site.x()?, site.name.clone());
    site.layers.dropped(&name, x, rate as f32).map(Tensor::Plain)
}
