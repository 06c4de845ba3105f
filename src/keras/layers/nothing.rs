//! Layers that change nothing in inference: what is drawn at random is drawn in training only.

use super::{Kind, kind};
use crate::error::Result;
use crate::keras::site::{Site, Tensor};
use crate::ops::{Elementwise, Expand, GlobalAveragePool, Instruction, Reshape, SliceChannels};

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
    if let Some(noise) = noise {
        let whole = noise.len() == shape.rank()
            && noise.iter().enumerate().all(|(axis, size)| match axis {
                0 => size.is_null(),
                _ => *size == 1,
            });
        if !whole {
            return Err(fields.strange("noise_shape"));
        }
        if let (Some([images, height, width, channels]), true) = (shape.nhwc(), site.training()) {
            // A one for each image, whatever the batch.
            let mean = site.part("mean", GlobalAveragePool, &[x])?;
            let nothing =
                site.part("nothing", Elementwise::one(Instruction::Scale(0.0)), &[mean])?;
            let ones = site.part("ones", Elementwise::one(Instruction::Offset(1.0)), &[nothing])?;
            let first = SliceChannels { start: 0, count: 1 };
            let one = site.part("one_each", first, &[ones])?;
            let kept = site.layers.dropped(&format!("{name}/kept"), one, rate)?;
            let kept = site.part("kept_as_image", Reshape([images, 1, 1, 1].into()), &[kept])?;
            let to = [images, height, width, channels];
            let kept = site.part("kept_everywhere", Expand { to }, &[kept])?;
            return site.add(Elementwise::multiply(), &[x, kept]);
        }
        if site.training() {
            return Err(fields.strange("noise_shape"));
        }
    }
    site.layers.dropped(&name, x, rate).map(Tensor::Plain)
}
