//! The maps of one way to a map, as numbers: of pictures at the size of the network's input, by whatever weights the
//! network has at the time.

use std::sync::Arc;

use crate::draw;
use crate::engine::gpu::Gpu;
use crate::engine::plan::halving;
use crate::engine::tensor::Tensor;
use crate::error::Result;
use crate::lab::compare::Options;
use crate::lab::compare::maps::{self, Map};
use crate::lab::data::{Class, Roi};
use crate::lab::experiment::Saved;
use crate::lab::metrics::{baselines, sobel};
use crate::nets::cam::{Explainer, Request};
use crate::nets::images::Prepared;
use crate::nets::models::Head;

/// A map of explanation.
#[derive(Clone, Debug)]
pub struct Attribution {
    /// As its method defines it, (h, w).
    pub map: Tensor,
    /// Before its ReLU, where it has one.
    pub signed: Tensor,
}

/// An ROI at the size of a network's input.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The ROI's name.
    pub name: String,
    /// Grey levels, 0 to 255, (H, W).
    pub levels: Vec<f32>,
}

/// `rois` at the size of the input of `network`.
pub fn pictures<'r>(network: &Saved, rois: impl IntoIterator<Item = &'r Roi>) -> Vec<Picture> {
    let [height, width] = network.model.size;
    let picture =
        |roi: &Roi| Picture { name: roi.name.clone(), levels: roi.image.resize(height, width) };
    rois.into_iter().map(picture).collect()
}

/// Gives the maps of one way to a map by one network, whose weights may change from call to call.
pub struct Attributions<'a> {
    map: Map,
    batch: usize,
    network: &'a Saved,
    explainer: Option<Explainer>,
}

impl<'a> Attributions<'a> {
    /// Prepares batches of at most `most` pictures.
    ///
    /// # Errors
    /// Those of [`Explainer::new`].
    pub fn new(
        gpu: &Arc<Gpu>,
        map: Map,
        network: &'a Saved,
        seed: u64,
        options: &Options,
        most: usize,
    ) -> Result<Self> {
        let batch = map.batch().clamp(1, most.max(1));
        let Map::Method(method) = map else {
            return Ok(Attributions { map, batch, network, explainer: None });
        };
        let settings = maps::settings(method, options, network.scaling, seed);
        let [height, width] = network.model.size;
        let plan =
            |batch| Explainer::expect(gpu, &network.of_batch(batch)?, &settings, height * width);
        let (batch, _) = halving(batch, plan)?;
        let model = network.of_batch(batch)?;
        let explainer = Explainer::new(gpu, model, &network.store, &settings, height * width)?;
        Ok(Attributions { map, batch, network, explainer: Some(explainer) })
    }

    /// How many pictures to ask for at once.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The maps of `pictures` for the class `abnormal`.
    ///
    /// # Errors
    /// [`Error::Lost`](crate::error::Error::Lost) where a number is not finite; those of the GPU.
    pub fn of(&mut self, pictures: &[&Picture]) -> Result<Vec<Attribution>> {
        let size = self.network.model.size;
        let Some(explainer) = &mut self.explainer else {
            return Ok(pictures.iter().map(|picture| control(self.map, picture, size)).collect());
        };
        let prepared = Prepared {
            size: (size[0], size[1]),
            channels: self.network.model.network.channels,
            depth: 1,
            scaling: self.network.scaling,
            images: pictures.iter().flat_map(|picture| &picture.levels).copied().collect(),
            labels: vec![0; pictures.len()],
            marks: Vec::new(),
            names: Vec::new(),
        };
        let class = Head::of(self.network.model.classes).unit(Class::Abnormal.index());
        let numbers = prepared.all();
        let requests: Vec<Request> = numbers
            .chunks(prepared.image_len())
            .map(|image| Request { image, class: Some(class), size, mask: None })
            .collect();
        let found = explainer.explain_finite(&requests, |index| pictures[index].name.clone())?;
        let attribution =
            |one: crate::nets::cam::Explanation| Attribution { map: one.map, signed: one.signed };
        Ok(found.into_iter().map(attribution).collect())
    }
}

/// A map that looks at no network.
fn control(map: Map, picture: &Picture, size: [usize; 2]) -> Attribution {
    let values = match map {
        Map::Noise => baselines::noise(&picture.name, size[0] * size[1]),
        _ => sobel::edges(&picture.levels, size),
    };
    let map = Tensor::from_fn(size, |pixel| values[pixel]);
    Attribution { signed: map.clone(), map }
}

/// `picture` with each grey level changed by up to `most`, drawn evenly, and kept within 0 to 255.
pub fn changed(picture: &Picture, most: f32, seed: u64, number: usize) -> Picture {
    use rand::Rng;
    let mut random = draw::stream(seed, &format!("change {number} of {}", picture.name));
    let change = |level: &f32| (level + random.random_range(-most..=most)).clamp(0.0, 255.0);
    Picture { name: picture.name.clone(), levels: picture.levels.iter().map(change).collect() }
}
