//! Methods that run many changed copies of one image: what such a method says of itself, and the loop
//! that fills batches with its copies.
//!
//! Copies are made on the GPU. The image, or a layer's activation, goes there once; for each copy only the
//! few numbers that say how it is changed do. A batch holds copies of one image.

use std::fmt::Debug;
use std::sync::Arc;

use super::{METHODS, Settings};
use crate::engine::autodiff::gradients;
use crate::engine::gpu::Gpu;
use crate::engine::graph::{Graph, Value, splice};
use crate::engine::ops::{Elementwise, Reshape, SumRows};
use crate::engine::plan::{self, Options, Plan};
use crate::engine::session::{self, Arena, Session, Store};
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};
use crate::nets::models::{CLASS, IMAGES, Mode, Model};

/// The name of the input that holds the image or the activation, (1, H, W, C).
const SOURCE: &str = "copies/source";

/// The name of the input that says how each copy is changed.
const ROWS: &str = "copies/rows";

/// The shapes that a method works on.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// The network's input, height, width and channels.
    pub image: [usize; 3],
    /// The layer's activation.
    pub activation: [usize; 3],
    /// "Nothing", one number a channel of the image.
    pub base: Vec<f32>,
    /// What is asked.
    pub settings: Settings,
}

/// One image under explanation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub layout: &'a Layout,
    /// The scaled image.
    pub image: &'a [f32],
    /// Its activation at the layer; empty for a method without one.
    pub activation: &'a [f32],
    /// The class to explain.
    pub class: usize,
    /// The logit of that class.
    pub score: f64,
}

/// The graph of a batch of copies, from the shape of `ROWS` on.
pub(super) struct Copies {
    /// What stands in for the images or the activation, (N, H, W, C).
    pub stand_in: Value,
    /// What is read of a run.
    pub reads: Reads,
    /// Inputs that stay the same from image to image.
    pub fixed: Vec<(&'static str, Vec<f32>)>,
}

/// What is read of a run of copies.
pub(super) enum Reads {
    /// The logit of the class, for each copy.
    Scores,
    /// The gradient of the logit at `stand_in`, summed over all copies.
    Gradient,
    /// The same, each copy's gradient multiplied by this first.
    GradientTimes(Value),
}

/// A setting that some methods have use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// [`Settings::samples`].
    Samples,
    /// [`Settings::baseline`].
    Baseline,
    /// [`Settings::background`].
    Background,
    /// [`Settings::patch`].
    Patch,
    /// [`Settings::stride`].
    Stride,
    /// [`Settings::copies`].
    Copies,
}

impl Argument {
    /// The names of the methods that have use for it.
    pub fn takers(self) -> String {
        let takers = METHODS.iter().filter(|method| method.takes(self));
        takers.map(|method| method.name).collect::<Vec<_>>().join(", ")
    }
}

/// A method of samples.
pub(super) trait Sampling: Debug + Sync {
    /// Whether copies are of a layer's activation, or made from it.
    fn of_layer(&self) -> bool;

    /// Whether copies take the place of the layer's activation, and not of the images.
    fn at_layer(&self) -> bool {
        false
    }

    /// What stands for "nothing" where the settings leave it open.
    fn baseline(&self) -> super::Baseline {
        super::Baseline::Zero
    }

    /// Adds `count` copies of `source` (1, H, W, C) to the graph. What differs between them is in the
    /// input that `rows` adds, with a copy in each of its first dimension.
    fn copies(
        &self,
        graph: &mut Graph,
        layout: &Layout,
        source: Value,
        rows: &mut dyn FnMut(&mut Graph, &[usize]) -> Result<Value>,
    ) -> Result<Copies>;

    /// Height and width of the map.
    fn size(&self, layout: &Layout) -> [usize; 2] {
        let [h, w, _] = if self.of_layer() { layout.activation } else { layout.image };
        [h, w]
    }

    /// The settings of its own that it heeds.
    fn arguments(&self) -> &'static [Argument] {
        &[]
    }

    /// How many copies there are of an image.
    fn count(&self, layout: &Layout) -> usize;

    /// Whether a copy is like all others of which this is true, so that one of them is enough.
    fn alike(&self, _subject: &Subject, _copy: usize) -> bool {
        false
    }

    /// Writes what copy number `copy` has in `ROWS`, all zeros before.
    fn fill(&self, subject: &Subject, copy: usize, row: &mut [f32]);

    /// The map before its ReLU, (h, w), from what was read: a score for each copy, or the sum of
    /// gradients over all of them.
    fn map(&self, subject: &Subject, found: &[f64], sign: f64) -> Tensor;
}

/// A network that runs copies.
#[derive(Debug)]
pub(super) struct Sampler {
    planned: Planned,
    session: Session,
}

/// A [`Sampler`] without memory.
#[derive(Debug)]
pub(super) struct Planned {
    sampling: &'static dyn Sampling,
    layout: Arc<Layout>,
    pub plan: Plan,
    fixed: Vec<(&'static str, Vec<f32>)>,
    output: String,
    scores: bool,
    /// Copies in a batch.
    copies: usize,
    classes: usize,
    /// Numbers of one copy.
    row: usize,
}

impl Planned {
    /// Plans batches of copies at `layer` of the network that `model` is. Their size is the largest
    /// that settings and adapter allow, and no larger than it takes.
    pub fn new(
        gpu: &Gpu,
        model: &Model,
        sampling: &'static dyn Sampling,
        layer: Value,
        settings: &Settings,
    ) -> Result<Self> {
        let [_, h, w, c] = model.graph.shape(layer).nhwc().unwrap_or([0; 4]);
        let layout = Arc::new(Layout {
            image: [model.size[0], model.size[1], model.network.channels],
            activation: [h, w, c],
            base: settings.base(model.network, sampling.baseline()),
            settings: settings.clone(),
        });
        let usual = if gpu.capabilities().software { 16 } else { 64 };
        let mut most = settings.copies.unwrap_or(usual);
        loop {
            // As many batches as it takes, and those all of one size.
            let count = sampling.count(&layout).max(1);
            let copies = count.div_ceil(count.div_ceil(most));
            match Self::of_size(gpu, model, sampling, layer, &layout, copies) {
                Err(Error::TooLarge { .. }) if copies > 1 => most = copies / 2,
                other => return other,
            }
        }
    }

    fn of_size(
        gpu: &Gpu,
        model: &Model,
        sampling: &'static dyn Sampling,
        layer: Value,
        layout: &Arc<Layout>,
        copies: usize,
    ) -> Result<Self> {
        let (size, classes) = (model.size, model.classes);
        let wide = model.network.build(Mode::Inference, copies, size, classes)?;
        // Both were built by the same steps, so a value has the same number in both.
        let place = if sampling.at_layer() { Some(layer) } else { wide.graph.find(IMAGES) };
        let place = place.ok_or_else(|| Error::shape("copies", "the network has no input"))?;
        let [height, width, channels] =
            if sampling.at_layer() { layout.activation } else { layout.image };
        let mut row = 0;
        let (mut graph, map, made) = splice(&wide.graph, place, |graph| {
            let source = graph.input(SOURCE, [1, height, width, channels])?;
            let mut rows = |graph: &mut Graph, dims: &[usize]| {
                row = dims.iter().product();
                graph.input(ROWS, [&[copies], dims].concat())
            };
            let made = sampling.copies(graph, layout, source, &mut rows)?;
            Ok((made.stand_in, made))
        })?;
        let logits = map[wide.heads.logits.index()];
        let scores = matches!(made.reads, Reads::Scores);
        let output = match made.reads {
            Reads::Scores => logits,
            Reads::Gradient | Reads::GradientTimes(_) => {
                let class = graph.input(CLASS, [copies, classes])?;
                let mut found = gradients(&mut graph, logits, class, &[made.stand_in])?[0];
                if let Reads::GradientTimes(by) = made.reads {
                    found = graph.add("copies/times", Elementwise::multiply(), &[found, by])?;
                }
                let flat = Reshape([copies, height * width * channels].into());
                let flat = graph.add("copies/gradients", flat, &[found])?;
                graph.add("copies/sum", SumRows, &[flat])?
            }
        };
        let options = Options { single_from: &[CLASS], ..session::options(gpu) };
        let plan = plan::build(&graph, &[output], &[], gpu.capabilities(), &options)?;
        let output = graph.node(output).name.clone();
        let (layout, fixed) = (Arc::clone(layout), made.fixed);
        Ok(Planned { sampling, layout, plan, fixed, output, scores, copies, classes, row })
    }

    /// Height and width of its maps.
    pub fn map_size(&self) -> [usize; 2] {
        self.sampling.size(&self.layout)
    }
}

impl Sampler {
    /// Prepares what is planned, with the variables of `store`, in `arena`.
    pub fn new(gpu: &Arc<Gpu>, planned: Planned, store: &Store, arena: &Arena) -> Result<Self> {
        let session = Session::within(gpu, planned.plan.clone(), store, arena)?;
        for (name, numbers) in &planned.fixed {
            session.set(name, numbers)?;
        }
        Ok(Sampler { planned, session })
    }

    /// The signed map of one image for each of `signs`.
    pub fn maps(
        &mut self,
        image: &[f32],
        activation: &[f32],
        class: usize,
        score: f32,
        signs: &[f32],
    ) -> Result<Vec<Tensor>> {
        let layout = Arc::clone(&self.planned.layout);
        let score = f64::from(score);
        let subject = Subject { layout: &layout, image, activation, class, score };
        let found = self.run(&subject)?;
        Ok(signs
            .iter()
            .map(|&s| self.planned.sampling.map(&subject, &found, f64::from(s)))
            .collect())
    }

    /// Runs all copies of an image.
    fn run(&mut self, subject: &Subject) -> Result<Vec<f64>> {
        let source =
            if self.planned.sampling.at_layer() { subject.activation } else { subject.image };
        if self.reads(SOURCE) {
            self.session.set(SOURCE, source)?;
        }
        // Beside the copies of an activation, where something goes past the layer.
        if self.reads(IMAGES) {
            self.session.set(IMAGES, &subject.image.repeat(self.planned.copies))?;
        }
        // The copies to run, and where in `found` each of all of them has its result.
        let (mut run, mut place, mut alike) = (Vec::new(), Vec::new(), None);
        for copy in 0..self.planned.sampling.count(&self.planned.layout) {
            let new = run.len();
            let shared = self.planned.sampling.alike(subject, copy);
            let at = if shared { *alike.get_or_insert(new) } else { new };
            if at == new {
                run.push(copy);
            }
            place.push(at);
        }
        let mut rows = vec![0.0; self.planned.copies * self.planned.row];
        let mut found = Vec::new();
        for some in run.chunks(self.planned.copies) {
            let filled = some.len();
            rows.fill(0.0);
            for (&copy, row) in some.iter().zip(rows.chunks_mut(self.planned.row.max(1))) {
                self.planned.sampling.fill(subject, copy, row);
            }
            self.session.set(ROWS, &rows)?;
            if !self.planned.scores {
                // Rows that are left over have no class, and so no gradient.
                let mut class = vec![0.0; self.planned.copies * self.planned.classes];
                for row in class.chunks_mut(self.planned.classes).take(filled) {
                    row[subject.class] = 1.0;
                }
                self.session.set(CLASS, &class)?;
            }
            self.session.run()?;
            let read = self.session.read(&self.planned.output)?;
            let numbers = read.data().iter().map(|&value| f64::from(value));
            if self.planned.scores {
                found
                    .extend(numbers.skip(subject.class).step_by(self.planned.classes).take(filled));
            } else if found.is_empty() {
                found.extend(numbers);
            } else {
                found.iter_mut().zip(numbers).for_each(|(sum, value)| *sum += value);
            }
        }
        match self.planned.scores {
            true => Ok(place.into_iter().map(|at| found[at]).collect()),
            false => Ok(found),
        }
    }

    /// Whether a batch reads the input `name`.
    fn reads(&self, name: &str) -> bool {
        self.session.plan().inputs.iter().any(|input| input.name == name)
    }

    /// The plan of a batch of copies.
    pub fn session(&self) -> &Session {
        &self.session
    }
}

/// A map (h, w) of double precision numbers, rounded.
pub(super) fn map_of([h, w]: [usize; 2], value: impl Fn(usize) -> f64) -> Tensor {
    Tensor::from_fn([h, w], |pixel| value(pixel) as f32)
}
