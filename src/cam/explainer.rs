//! Maps, resized, quantised and scored on the GPU for a batch of images of any sizes.

use std::sync::Arc;

use super::Method;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::graph::gradients;
use crate::models::{IMAGES, Model};
use crate::ops::{DiceThresholds, HeatmapToGray, ResizeToRegions, TopClass};
use crate::plan::{self, Options};
use crate::session::{Session, Store};
use crate::tensor::Tensor;

/// What is to be explained.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The scaled input of the network, (H, W, C).
    pub image: &'a [f32],
    /// The class whose score is explained; without one, that with the highest score.
    pub class: Option<usize>,
    /// Height and width that the map is resized to.
    pub size: [usize; 2],
    /// Not zero where the truth is, `size` pixels; without it nothing is scored.
    pub mask: Option<&'a [u8]>,
}

/// The explanation of one image.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The class that it is for.
    pub class: usize,
    /// The map at the layer's own size, (h, w), before any resize.
    pub map: Tensor,
    /// The same for the other sign: the map minus this is the map before its ReLU, exactly.
    pub opposite: Tensor,
    /// The map resized to the request's size and scaled to 0..=255 by its maximum; all 0 where
    /// nothing speaks for the class.
    pub heatmap: Vec<u8>,
    /// Dice(mask, heatmap > t) for t = 0..=255, where there was a mask.
    pub dice: Option<Vec<f64>>,
    /// Class scores before softmax.
    pub logits: Vec<f32>,
}

impl Explanation {
    /// The map before its ReLU, (h, w): what speaks for the class above 0, against it below.
    ///
    /// # Errors
    /// [`Error::Shape`] when the two maps differ in shape.
    pub fn signed(&self) -> Result<Tensor> {
        let pairs = self.map.data().iter().zip(self.opposite.data());
        Tensor::new(self.map.dims().to_vec(), pairs.map(|(map, opposite)| map - opposite).collect())
    }

    /// The mean of the 256 Dice values (equation 9 of the paper).
    pub fn mean_dice(&self) -> Option<f64> {
        self.dice.as_ref().map(|dice| dice.iter().sum::<f64>() / dice.len() as f64)
    }
}

/// The most pixels of one dispatch: 32 MB of heatmaps.
const PIXELS: usize = 8 << 20;

/// A model ready to be explained, in batches of a fixed size.
#[derive(Debug)]
pub struct Explainer {
    model: Model,
    session: Session,
    capacity: usize,
    names: [String; 5],
}

impl Explainer {
    /// Prepares the explanation of `model`, built for inference, at `layer` (its CAM layer without
    /// one) with the variables of `store`. `largest` is the number of pixels of the largest image
    /// that a map will be resized to.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is no such layer or it is not a feature map that the scores
    /// depend on; [`Error::TooLarge`] or those of the GPU.
    pub fn new(
        gpu: &Arc<Gpu>,
        model: Model,
        store: &Store,
        method: &Method,
        layer: Option<&str>,
        sign: f32,
        largest: usize,
    ) -> Result<Self> {
        let mut graph = model.graph.clone();
        let activation = match layer {
            None => model.heads.cam,
            Some(name) => graph.find(name).ok_or_else(|| unknown_layer(&model, name))?,
        };
        if graph.shape(activation).rank() != 4 {
            return Err(unknown_layer(&model, layer.unwrap_or_default()));
        }
        let logits = model.heads.logits;
        let (batch, classes) = (model.batch, model.classes);
        let class = graph.input("class", [batch, classes])?;
        let seed = graph.add("top_class", TopClass, &[logits, class])?;
        let gradient = gradients(&mut graph, logits, seed, &[activation])?[0];
        let map = (method.map)(&mut graph, activation, gradient, sign)?;
        let opposite = (method.map)(&mut graph, activation, gradient, -sign)?;

        let capacity = largest.max(PIXELS.min(largest.saturating_mul(batch))).max(1);
        let regions = graph.input("regions", [batch, 3])?;
        let mask = graph.input("mask", [capacity])?;
        let resized =
            graph.add("heatmap/resized", ResizeToRegions { capacity }, &[map, regions])?;
        let heatmap = graph.add("heatmap", HeatmapToGray, &[resized, regions])?;
        let dice = graph.add("dice", DiceThresholds, &[heatmap, mask, regions])?;

        let outputs = [logits, map, opposite, heatmap, dice];
        let options = Options { choices: gpu.choices().clone(), ..Options::default() };
        let plan = plan::build(&graph, &outputs, &[], gpu.capabilities(), &options)?;
        let session = Session::new(gpu, plan, store)?;
        let names = outputs.map(|value| graph.node(value).name.clone());
        Ok(Explainer { model, session, capacity, names })
    }

    /// The plan of one batch.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// How many of `requests`, from the first, fit one batch.
    pub fn fitting(&self, requests: &[Request]) -> usize {
        let mut pixels = 0;
        let fits = |request: &&Request| {
            pixels += request.size[0] * request.size[1];
            pixels <= self.capacity
        };
        requests.iter().take(self.model.batch).take_while(fits).count()
    }

    /// Explains all `requests`, in as many batches as it takes.
    ///
    /// # Errors
    /// [`Error::Usage`] when a request's class or sizes do not fit; those of the GPU.
    pub fn explain(&mut self, requests: &[Request]) -> Result<Vec<Explanation>> {
        let mut explanations = Vec::with_capacity(requests.len());
        let mut rest = requests;
        while !rest.is_empty() {
            let count = self.fitting(rest);
            if count == 0 {
                return Err(Error::usage(
                    format!(
                        "an image of {}x{} is too large to explain",
                        rest[0].size[0], rest[0].size[1]
                    ),
                    format!("at most {} pixels were planned for", self.capacity),
                ));
            }
            explanations.extend(self.batch(&rest[..count])?);
            rest = &rest[count..];
        }
        Ok(explanations)
    }

    fn batch(&mut self, requests: &[Request]) -> Result<Vec<Explanation>> {
        let (batch, classes) = (self.model.batch, self.model.classes);
        let length = self.model.size[0] * self.model.size[1] * self.model.network.channels;
        let mut images = vec![0.0; batch * length];
        let mut class = vec![0.0; batch * classes];
        let mut regions = vec![0.0; batch * 3];
        let mut mask = vec![0.0; self.capacity];
        let mut first = 0;
        for (index, request) in requests.iter().enumerate() {
            let [height, width] = request.size;
            let fits = request.image.len() == length
                && request.class.is_none_or(|class| class < classes)
                && request.mask.is_none_or(|mask| mask.len() == height * width);
            if !fits {
                return Err(Error::usage(
                    format!(
                        "cannot explain class {} of an image of {} numbers with a mask of {:?} pixels",
                        request.class.map_or("top".to_owned(), |class| class.to_string()),
                        request.image.len(),
                        request.mask.map(<[u8]>::len)
                    ),
                    format!("there are {classes} classes, and images of {length} numbers"),
                ));
            }
            images[index * length..(index + 1) * length].copy_from_slice(request.image);
            if let Some(named) = request.class {
                class[index * classes + named] = 1.0;
            }
            // Whole numbers up to 2^24 are exact in f32; the capacity stays below.
            regions[3 * index..3 * index + 3].copy_from_slice(&[
                first as f32,
                height as f32,
                width as f32,
            ]);
            if let Some(truth) = request.mask {
                for (pixel, &inside) in mask[first..].iter_mut().zip(truth) {
                    *pixel = f32::from(u8::from(inside != 0));
                }
            }
            first += height * width;
        }
        self.session.set(IMAGES, &images)?;
        self.session.set("class", &class)?;
        self.session.set("regions", &regions)?;
        self.session.set("mask", &mask)?;
        self.session.run()?;
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let outputs = self.session.read_all(&names)?;
        let [logits, maps, opposites, heatmaps, dice] = &outputs[..] else {
            return Err(Error::shape("explanation", "an output is missing"));
        };
        let [_, h, w, _] = maps.shape().nhwc().unwrap_or([0; 4]);
        let mut first = 0;
        requests
            .iter()
            .enumerate()
            .map(|(index, request)| {
                let pixels = request.size[0] * request.size[1];
                let heatmap = &heatmaps.data()[first..first + pixels];
                first += pixels;
                let curve = &dice.data()[256 * index..256 * (index + 1)];
                let map = |maps: &Tensor| {
                    Tensor::new([h, w], maps.data()[h * w * index..h * w * (index + 1)].to_vec())
                };
                let logits = &logits.data()[classes * index..classes * (index + 1)];
                let top = (0..classes).rev().max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
                Ok(Explanation {
                    class: request.class.or(top).unwrap_or(0),
                    map: map(maps)?,
                    opposite: map(opposites)?,
                    heatmap: heatmap.iter().map(|&value| value as u8).collect(),
                    dice: request
                        .mask
                        .map(|_| curve.iter().map(|&value| f64::from(value)).collect()),
                    logits: logits.to_vec(),
                })
            })
            .collect()
    }
}

fn unknown_layer(model: &Model, name: &str) -> Error {
    let maps: Vec<&str> = model
        .graph
        .nodes()
        .filter(|(_, node)| node.operation().is_some() && node.shape.rank() == 4)
        .map(|(_, node)| node.name.as_str())
        .collect();
    let last = maps[maps.len().saturating_sub(8)..].join(", ");
    Error::usage(
        format!("{} has no feature map called {name}", model.network.name),
        format!("the last are {last}; `parula explain --model {}` lists all", model.network.name),
    )
}
