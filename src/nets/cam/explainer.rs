//! Maps, resized, quantised and scored on the GPU for a batch of images of any sizes.

use std::sync::Arc;

use super::heatmap::{DICE, HEATMAP, Heatmaps, Scored};
use super::sampled::{self, Sampler};
use super::{Kind, Method, Settings, maps};
use crate::engine::gpu::Gpu;
use crate::engine::graph::{Graph, Value};
use crate::engine::ops::TopClass;
use crate::engine::plan::{self, Options, Plan};
use crate::engine::session::{self, Arena, Session, Store};
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};
use crate::nets::models::{CLASS, IMAGES, Model};

/// The name of the input of maps that were made elsewhere.
const MAP: &str = "map";

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
    /// The map as its method defines it, at its own size (h, w), before any resize.
    pub map: Tensor,
    /// The same before its ReLU, where the method has one.
    pub signed: Tensor,
    /// [`Self::signed`] for the other sign, where [`Settings::both`] asks for it. Often, and not always,
    /// that is the same turned.
    pub opposite: Option<Tensor>,
    /// The map resized to the request's size and scaled to 0..=255 as the settings say; all 0 where
    /// there is nothing to show.
    pub heatmap: Vec<u8>,
    /// Dice(mask, heatmap > t) for t = 0..=255, where there was a mask.
    pub dice: Option<Vec<f64>>,
    /// Class scores before softmax.
    pub logits: Vec<f32>,
}

impl Explanation {
    /// Whether the map is 0 everywhere: nothing in the image speaks for the class.
    pub fn is_empty(&self) -> bool {
        self.map.data().iter().all(|value| *value == 0.0)
    }

    /// Height and width of the map before any resize.
    pub fn map_size(&self) -> [usize; 2] {
        match *self.map.shape().dims() {
            [height, width] => [height, width],
            _ => [0; 2],
        }
    }

    /// The mean of the 256 Dice values (equation 9 of the paper).
    pub fn mean_dice(&self) -> Option<f64> {
        self.dice.as_ref().map(|dice| dice.iter().sum::<f64>() / dice.len() as f64)
    }
}

/// A model ready to be explained, in batches of a fixed size.
#[derive(Debug)]
pub struct Explainer {
    gpu: Arc<Gpu>,
    store: Store,
    model: Model,
    method: &'static Method,
    heatmaps: Heatmaps,
    signs: Vec<f32>,
    session: Session,
    /// The names of the session's outputs.
    names: Vec<String>,
    samples: Option<Samples>,
}

/// What a method of samples has beside the session that gives scores and activations.
#[derive(Debug)]
struct Samples {
    sampler: Sampler,
    /// From maps to heatmaps and their Dice.
    last: Session,
}

/// What comes of a batch: a signed map for each sign and image, the heatmaps, and the scores.
struct Found {
    logits: Tensor,
    signed: Vec<Vec<Tensor>>,
    scored: Vec<Scored>,
}

/// All plans of an explanation, which take turns in one arena.
struct Planned {
    method: &'static Method,
    heatmaps: Heatmaps,
    signs: Vec<f32>,
    plan: Plan,
    names: Vec<String>,
    samples: Option<(sampled::Planned, Graph, Plan)>,
    /// Height and width of a map before any resize.
    map_size: [usize; 2],
}

impl Planned {
    fn new(gpu: &Gpu, model: &Model, settings: &Settings, largest: usize) -> Result<Self> {
        let method = settings.method;
        settings.check(model.size[0] * model.size[1] * model.network.channels)?;
        let layers = maps::layers(model, &settings.layers)?;
        let signs = if settings.both { &[1.0, -1.0][..] } else { &[1.0] };
        let signs: Vec<f32> = signs.iter().map(|turn| turn * settings.sign).collect();
        let heatmaps = Heatmaps::new(model.batch, largest, settings.normalisation);

        let mut graph = model.graph.clone();
        let logits = model.heads.logits;
        let mut outputs = vec![logits];
        let mut samples = None;
        let map_size;
        if let Kind::Sampled(sampling) = method.kind {
            let [layer] = layers[..] else {
                return Err(Error::usage(
                    format!("{} explains one layer at a time", method.name),
                    "give one --layer; layercam combines several",
                ));
            };
            if method.of_layer() {
                outputs.push(layer);
            }
            let sampler = sampled::Planned::new(gpu, model, sampling, layer, settings)?;
            let [h, w] = sampler.map_size();
            let mut graph = Graph::new();
            let map = graph.input(MAP, [model.batch, h, w, 1])?;
            let scored = heatmaps.add(&mut graph, map)?;
            let (last, _) = plan(gpu, &graph, &scored)?;
            samples = Some((sampler, graph, last));
            map_size = [h, w];
        } else {
            let class = graph.input(CLASS, [model.batch, model.classes])?;
            let class = graph.add("top_class", TopClass, &[logits, class])?;
            let of = (&layers[..], settings.fusion);
            let mut map = |sign| maps::add(&mut graph, model, method, of, class, sign);
            for &sign in &signs {
                outputs.extend(map(sign)?);
            }
            map_size = graph.shape(outputs[1]).nhwc().map_or([0; 2], |[_, h, w, _]| [h, w]);
            outputs.extend(heatmaps.add(&mut graph, outputs[1])?);
        }
        let (plan, names) = plan(gpu, &graph, &outputs)?;
        let planned = Planned { method, heatmaps, signs, plan, names, samples, map_size };
        let (needs, allows) = (plan::together(planned.plans()), gpu.capabilities().memory);
        match needs > allows {
            false => Ok(planned),
            true => Err(Error::TooLarge {
                tensor: format!("{} by {}", model.network.name, method.name),
                what: "of memory",
                needs,
                allows,
                hint: "use a smaller input, or fewer images at once".to_owned(),
            }),
        }
    }

    fn plans(&self) -> impl Iterator<Item = &Plan> + Clone {
        let samples = self.samples.iter().flat_map(|(sampler, _, last)| [&sampler.plan, last]);
        std::iter::once(&self.plan).chain(samples)
    }
}

impl Explainer {
    /// Plans what [`Self::new`] prepares without allocating anything: the bytes that buffers and textures
    /// will take on the adapter.
    ///
    /// # Errors
    /// As [`Self::new`], but for those of the GPU.
    pub fn expect(gpu: &Gpu, model: &Model, settings: &Settings, largest: usize) -> Result<u64> {
        Ok(plan::together(Planned::new(gpu, model, settings, largest)?.plans()))
    }

    /// Prepares the explanation of `model`, built for inference, with the variables of `store`.
    /// `largest` is the number of pixels of the largest image that a map will be resized to.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is no such layer, it is not a feature map that the scores depend
    /// on, the method cannot explain it, or the settings do not fit; [`Error::TooLarge`] or those of
    /// the GPU.
    pub fn new(
        gpu: &Arc<Gpu>,
        model: Model,
        store: &Store,
        settings: &Settings,
        largest: usize,
    ) -> Result<Self> {
        let planned = Planned::new(gpu, &model, settings, largest)?;
        if planned.map_size == [1, 1] {
            let ([height, width], name) = (model.size, model.network.name);
            crate::console::note!(
                "{name} at {height}x{width}: the map of {} is a single number, which says nothing of where; a larger \
                 input or an earlier layer has more",
                settings.method.name
            );
        }
        let arena = Arena::new(gpu, planned.plans())?;
        let Planned { method, heatmaps, signs, plan, names, samples, map_size: _ } = planned;
        let session = Session::within(gpu, plan, store, &arena)?;
        let samples = match samples {
            None => None,
            Some((sampler, graph, last)) => {
                let own = Store::new(gpu, &graph, 0)?;
                let sampler = Sampler::new(gpu, sampler, store, &arena)?;
                Some(Samples { sampler, last: Session::within(gpu, last, &own, &arena)? })
            }
        };
        let (gpu, store) = (gpu.clone(), store.clone());
        Ok(Explainer { gpu, store, model, method, heatmaps, signs, session, names, samples })
    }

    /// The plan of one batch; for a method of samples, of its scores and activations.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The plan of a batch of copies, for a method of samples.
    pub fn copies(&self) -> Option<&Session> {
        self.samples.as_ref().map(|samples| samples.sampler.session())
    }

    /// How many of `requests`, from the first, fit one batch.
    pub fn fitting(&self, requests: &[Request]) -> usize {
        self.heatmaps.fitting(requests)
    }

    /// Refuses the explanation of `request`, of an image called `subject`, if a score or a number of a map is
    /// not finite. Its heatmap would be black there.
    ///
    /// # Errors
    /// [`Error::Lost`] with the first layer that is not.
    pub fn expect_finite(
        &self,
        subject: &str,
        request: &Request,
        explanation: &Explanation,
    ) -> Result<()> {
        let lost = |values: &[f32]| values.iter().any(|value| !value.is_finite());
        let maps = [&explanation.map, &explanation.signed];
        let mut maps = maps.into_iter().chain(&explanation.opposite);
        let what = match (lost(&explanation.logits), maps.any(|map| lost(map.data()))) {
            (true, _) => "the scores are",
            (false, true) => "the map is",
            (false, false) => return Ok(()),
        };
        Err(self.model.lost(&self.gpu, &self.store, subject, what, request.image))
    }

    /// [`Self::explain`] of images that `name` gives the names of, by their place among `requests`.
    ///
    /// # Errors
    /// As [`Self::explain`], and [`Error::Lost`] where a number is not finite.
    pub fn explain_finite(
        &mut self,
        requests: &[Request],
        name: impl Fn(usize) -> String,
    ) -> Result<Vec<Explanation>> {
        let explanations = self.explain(requests)?;
        for (index, pair) in requests.iter().zip(&explanations).enumerate() {
            self.expect_finite(&name(index), pair.0, pair.1)?;
        }
        Ok(explanations)
    }

    /// Explains all `requests`, in as many batches as it takes. Numbers may come out that are not finite: see
    /// [`Self::expect_finite`].
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
                    format!("at most {} pixels were planned for", self.heatmaps.largest),
                ));
            }
            explanations.extend(self.batch(&rest[..count])?);
            rest = &rest[count..];
        }
        Ok(explanations)
    }

    fn batch(&mut self, requests: &[Request]) -> Result<Vec<Explanation>> {
        self.set_images(requests)?;
        let found = match self.samples {
            Some(_) => self.sample(requests)?,
            None => self.run(requests)?,
        };
        let relu = |signed: &Tensor| match self.method.relu {
            true => Tensor::from_fn(signed.shape().clone(), |at| signed.data()[at].max(0.0)),
            false => signed.clone(),
        };
        let classes = self.model.classes;
        let rows = found.logits.data().chunks(classes);
        let results = requests.iter().zip(rows).zip(found.signed).zip(found.scored);
        Ok(results
            .map(|(((request, logits), signed), (heatmap, dice))| {
                let mut signed = signed.into_iter();
                let own = signed.next().unwrap_or_else(|| Tensor::zeros([0, 0]));
                Explanation {
                    class: class_of(request, logits),
                    map: relu(&own),
                    signed: own,
                    opposite: signed.next(),
                    heatmap,
                    dice,
                    logits: logits.to_vec(),
                }
            })
            .collect())
    }

    fn set_images(&self, requests: &[Request]) -> Result<()> {
        let (batch, classes) = (self.model.batch, self.model.classes);
        let length = self.model.size[0] * self.model.size[1] * self.model.network.channels;
        let mut images = vec![0.0; batch * length];
        let mut class = vec![0.0; batch * classes];
        for (index, request) in requests.iter().enumerate() {
            let fits =
                request.image.len() == length && request.class.is_none_or(|class| class < classes);
            if !fits {
                return Err(Error::usage(
                    format!(
                        "cannot explain class {} of an image of {} numbers",
                        request.class.map_or("top".to_owned(), |class| class.to_string()),
                        request.image.len(),
                    ),
                    format!("there are {classes} classes, and images of {length} numbers"),
                ));
            }
            images[index * length..(index + 1) * length].copy_from_slice(request.image);
            if let Some(named) = request.class {
                class[index * classes + named] = 1.0;
            }
        }
        self.session.set(IMAGES, &images)?;
        // A map that knows no class leaves no trace of it in the plan.
        if self.session.plan().inputs.iter().any(|input| input.name == CLASS) {
            self.session.set(CLASS, &class)?;
        }
        Ok(())
    }

    /// One run for everything.
    fn run(&mut self, requests: &[Request]) -> Result<Found> {
        self.heatmaps.set(&self.session, requests)?;
        let mut outputs = outputs(&mut self.session, &self.names)?;
        let (dice, heatmap) = (outputs.pop(), outputs.pop());
        let mut outputs = outputs.into_iter();
        let (Some(logits), Some(heatmap), Some(dice)) = (outputs.next(), heatmap, dice) else {
            return Err(Error::shape("explanation", "an output is missing"));
        };
        let maps: Vec<Tensor> = outputs.collect();
        let signed: Vec<Vec<Tensor>> = (0..requests.len())
            .map(|image| maps.iter().map(|maps| one_of(maps, image)).collect())
            .collect::<Result<_>>()?;
        let own: Vec<Tensor> = signed.iter().map(|signs| signs[0].clone()).collect();
        let scored = self.heatmaps.scored(requests, &heatmap, &dice, &own)?;
        Ok(Found { logits, signed, scored })
    }

    /// Scores and activations, then the copies of each image, then the heatmaps.
    fn sample(&mut self, requests: &[Request]) -> Result<Found> {
        let outputs = outputs(&mut self.session, &self.names)?;
        let (Some(logits), Some(samples)) = (outputs.first(), &mut self.samples) else {
            return Err(Error::shape("explanation", "an output is missing"));
        };
        let mut signed = Vec::with_capacity(requests.len());
        for (index, request) in requests.iter().enumerate() {
            let scores = &logits.data()[index * self.model.classes..][..self.model.classes];
            let class = class_of(request, scores);
            let activation = outputs.get(1).map_or(&[][..], |all| {
                let length = all.data().len() / self.model.batch;
                &all.data()[index * length..(index + 1) * length]
            });
            let score = scores[class];
            let maps =
                samples.sampler.maps(request.image, activation, class, score, &self.signs)?;
            signed.push(maps);
        }
        let own: Vec<Tensor> = signed.iter().map(|signs: &Vec<Tensor>| signs[0].clone()).collect();
        let last = &mut samples.last;
        let mut maps: Vec<f32> = own.iter().flat_map(|map| map.data()).copied().collect();
        maps.resize(self.model.batch * own[0].data().len(), 0.0);
        last.set(MAP, &maps)?;
        self.heatmaps.set(last, requests)?;
        last.run()?;
        let (heatmap, dice) = (last.read(HEATMAP)?, last.read(DICE)?);
        let scored = self.heatmaps.scored(requests, &heatmap, &dice, &own)?;
        Ok(Found { logits: logits.clone(), signed, scored })
    }
}

/// The plan of `outputs`, and their names.
fn plan(gpu: &Gpu, graph: &Graph, outputs: &[Value]) -> Result<(Plan, Vec<String>)> {
    let options = Options { single_from: &[CLASS], ..session::options(gpu) };
    let plan = plan::build(graph, outputs, &[], gpu.capabilities(), &options)?;
    let names = outputs.iter().map(|&value| graph.node(value).name.clone()).collect();
    Ok((plan, names))
}

/// What a run of `session` gives.
fn outputs(session: &mut Session, names: &[String]) -> Result<Vec<Tensor>> {
    session.run()?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    session.read_all(&names)
}

/// Map number `image` of (N, h, w, 1), as (h, w).
fn one_of(maps: &Tensor, image: usize) -> Result<Tensor> {
    let [_, h, w, _] = maps.shape().nhwc().unwrap_or([0; 4]);
    Tensor::new([h, w], maps.data()[h * w * image..h * w * (image + 1)].to_vec())
}

/// The class that is explained: the one asked for, or the first with the highest score.
fn class_of(request: &Request, logits: &[f32]) -> usize {
    let top = (0..logits.len()).rev().max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
    request.class.or(top).unwrap_or(0)
}
