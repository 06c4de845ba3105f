//! Where a classifier that has seen image labels only sees what it calls abnormal.

use std::sync::Arc;

use super::look::{Look, Mean};
use crate::engine::gpu::Gpu;
use crate::engine::plan::halving;
use crate::error::Result;
use crate::lab::data::Class;
use crate::lab::experiment::Saved;
use crate::nets::cam::{Explainer, Request, Settings, find};
use crate::nets::images::Grey;
use crate::nets::models::Head;
use crate::stop::Stop;

/// For each image the mean heatmap of the class `abnormal` over `methods` and `looks`, at (height,
/// width) `size`, [0, 1].
///
/// # Errors
/// [`Error::Usage`](crate::error::Error::Usage) for a method that there is not; those of the GPU.
pub fn heatmaps(
    gpu: &Arc<Gpu>,
    classifier: &Saved,
    images: &[&Grey],
    methods: &[String],
    looks: &[Look],
    size: [usize; 2],
    stop: &Stop,
) -> Result<Vec<Vec<f32>>> {
    let class = Head::of(classifier.model.classes).unit(Class::Abnormal.index());
    let mut means = vec![Mean::new(size); images.len()];
    for method in methods {
        let settings =
            Settings { scaling: Some(classifier.scaling), ..Settings::new(find(method)?) };
        let pixels = size[0] * size[1];
        let plan = |batch| Explainer::expect(gpu, &classifier.of_batch(batch)?, &settings, pixels);
        let (batch, _) = halving(classifier.model.batch, plan)?;
        let model = classifier.of_batch(batch)?;
        let mut explainer = Explainer::new(gpu, model, &classifier.store, &settings, pixels)?;
        for look in looks {
            let size = look.size_on(size);
            let parts = images.chunks(batch).zip(means.chunks_mut(batch));
            for (part, (images, means)) in parts.enumerate() {
                let first = part * batch;
                stop.check(|| "the heatmaps are not finished".to_owned())?;
                let seen: Vec<Grey> = images.iter().map(|image| look.at(image)).collect();
                let numbers = classifier.prepare(seen.iter().map(|image| (image, 0)));
                let (length, numbers) = (numbers.image_len(), numbers.all());
                let requests: Vec<Request> = numbers
                    .chunks(length)
                    .map(|image| Request { image, class: Some(class), size, mask: None })
                    .collect();
                let name = |index: usize| format!("image {}", first + index + 1);
                let explained = explainer.explain_finite(&requests, name)?;
                let pairs = means.iter_mut().zip(&explained);
                pairs.for_each(|(mean, explanation)| mean.add(look, &explanation.heatmap));
            }
        }
    }
    Ok(means.into_iter().map(Mean::finish).collect())
}
