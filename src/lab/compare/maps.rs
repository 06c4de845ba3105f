//! What is compared: the heatmaps of a method, and those of maps that look at no network.

use std::sync::Arc;

use super::Options;
use crate::engine::gpu::Gpu;
use crate::engine::plan::halving;
use crate::error::Result;
use crate::lab::data::{Class, Roi};
use crate::lab::experiment::Saved;
use crate::lab::metrics::baselines::{self, Baseline};
use crate::lab::metrics::sobel;
use crate::nets::cam::{Explainer, Method, Request, Settings};
use crate::nets::images::Scaling;
use crate::nets::models::Head;

/// One way to a heatmap.
#[derive(Clone, Copy, Debug)]
pub enum Map {
    /// A method of explanation.
    Method(&'static Method),
    /// A map that knows nothing of the image.
    Baseline(Baseline),
    /// 255 - grey of the ROI.
    Darkness,
    /// Where the ROI's grey levels change: Sobel's edge detector.
    Edges,
    /// Drawn at random, another for each ROI.
    Noise,
}

/// The maps that stand beside every method.
pub const TRIVIAL: [Map; 4] = [
    Map::Baseline(Baseline::Ones),
    Map::Baseline(Baseline::Gaussian),
    Map::Baseline(Baseline::Ellipse),
    Map::Darkness,
];

/// The controls of trust, which must fail its tests: maps that look at no network, and not by luck alike.
pub const CONTROLS: [Map; 2] = [Map::Edges, Map::Noise];

impl Map {
    /// As in files.
    pub fn name(self) -> &'static str {
        match self {
            Map::Method(method) => method.name,
            Map::Baseline(baseline) => baseline.name(),
            Map::Darkness => "darkness",
            Map::Edges => "sobel",
            Map::Noise => "noise",
        }
    }

    /// Whether it looks at no network.
    pub fn is_trivial(self) -> bool {
        !matches!(self, Map::Method(_))
    }

    /// How many ROIs are explained at once, where so many fit: with methods of samples few, so that Ctrl-C
    /// need not wait.
    pub fn batch(self) -> usize {
        match self {
            Map::Method(method) if method.samples() => 4,
            _ => 16,
        }
    }
}

/// What is asked of `method` for a network of this scaling.
pub fn settings(
    method: &'static Method,
    options: &Options,
    scaling: Scaling,
    seed: u64,
) -> Settings {
    Settings {
        seed,
        samples: options.samples,
        patch: options.patch,
        stride: options.stride,
        scaling: Some(scaling),
        ..Settings::new(method)
    }
}

/// Gives the heatmaps of one map and one network.
pub struct Heatmaps<'a> {
    map: Map,
    batch: usize,
    trained: &'a Saved,
    explainer: Option<Explainer>,
}

impl<'a> Heatmaps<'a> {
    /// Prepares ROIs of up to `largest` pixels.
    pub fn new(
        gpu: &Arc<Gpu>,
        map: Map,
        trained: &'a Saved,
        seed: u64,
        options: &Options,
        largest: usize,
    ) -> Result<Self> {
        let (explainer, batch) = match map {
            Map::Method(method) => {
                let settings = settings(method, options, trained.scaling, seed);
                let plan =
                    |batch| Explainer::expect(gpu, &trained.of_batch(batch)?, &settings, largest);
                let (batch, _) = halving(map.batch(), plan)?;
                let model = trained.of_batch(batch)?;
                let explainer = Explainer::new(gpu, model, &trained.store, &settings, largest)?;
                (Some(explainer), batch)
            }
            _ => (None, map.batch()),
        };
        Ok(Heatmaps { map, batch, trained, explainer })
    }

    /// How many ROIs to ask for at once.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The heatmaps of `rois` for the class `abnormal`, each of its ROI's size, grey levels 0 to 255.
    pub fn of(&mut self, rois: &[&Roi]) -> Result<Vec<Vec<u8>>> {
        let Some(explainer) = &mut self.explainer else {
            return Ok(rois.iter().map(|roi| trivial(self.map, roi)).collect());
        };
        let prepared = self.trained.prepare(rois.iter().map(|roi| (&roi.image, 0)));
        let images = prepared.all();
        let class = Head::of(self.trained.model.classes).unit(Class::Abnormal.index());
        let requests: Vec<Request> = images
            .chunks(prepared.image_len())
            .zip(rois)
            .map(|(image, roi)| Request {
                image,
                class: Some(class),
                size: [roi.image.height, roi.image.width],
                mask: None,
            })
            .collect();
        let explained = explainer.explain_finite(&requests, |index| rois[index].name.clone())?;
        Ok(explained.into_iter().map(|explanation| explanation.heatmap).collect())
    }
}

fn trivial(map: Map, roi: &Roi) -> Vec<u8> {
    match map {
        Map::Baseline(baseline) => {
            baseline.heatmap(roi.image.width as u32, roi.image.height as u32)
        }
        Map::Edges => {
            let size = [roi.image.height, roi.image.width];
            sobel::heatmap(&roi.image.pixels, size)
        }
        Map::Noise => {
            let drawn = baselines::noise(&roi.name, roi.image.pixels.len());
            drawn.into_iter().map(|value| (value * 255.0).round() as u8).collect()
        }
        Map::Darkness | Map::Method(_) => baselines::darkness(&roi.image.pixels),
    }
}
