//! Running statistics of batch normalisation, estimated anew once an epoch's weights are there.

use std::sync::Arc;

use crate::engine::gpu::Gpu;
use crate::engine::graph::Value;
use crate::engine::plan::{self, Plan};
use crate::engine::session::{self, Arena, Session, Store};
use crate::engine::tensor::Tensor;
use crate::error::Result;
use crate::nets::images::Batch;
use crate::nets::models::{IMAGES, Mode, Network};

/// What means and variances batch normalisation goes by outside training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Statistics {
    /// Averages that every step moves a little, as in Keras.
    #[default]
    Running,
    /// Before each validation, the plain average over up to 64 batches of training images.
    Reestimated,
}

/// At most so many batches are averaged. Wu and Johnson (2021) find a thousand images to be enough.
const BATCHES: usize = 64;

/// A forward pass in training mode that reads the statistics of each batch off every batch normalisation.
///
/// It is the "precise batch normalisation" of Wu and Johnson, *Rethinking "Batch" in BatchNorm* (2021),
/// but for the variance: that is the mean of the batches' own, which is what Keras's running variance
/// would come to.
#[derive(Debug)]
pub struct Reestimation {
    store: Store,
    session: Session,
    batch: usize,
    layers: Vec<Layer>,
}

/// The names of a batch normalisation's variables, and of the node with the statistics of a batch.
#[derive(Debug)]
struct Layer {
    mean: String,
    variance: String,
    statistics: String,
}

/// A [`Reestimation`] without memory.
#[derive(Debug)]
pub(super) struct Planned {
    batch: usize,
    layers: Vec<Layer>,
    pub plan: Plan,
}

impl Reestimation {
    /// Plans it for `network` and batches of `batch` images.
    ///
    /// # Errors
    /// [`Error::TooLarge`](crate::error::Error::TooLarge).
    pub(super) fn plan(
        gpu: &Gpu,
        network: &'static Network,
        batch: usize,
        size: [usize; 2],
        classes: usize,
    ) -> Result<Planned> {
        let model = network.build(Mode::Training, batch, size, classes)?;
        let graph = &model.graph;
        // The averages themselves are left out of the plan: only what they would take in is computed.
        let inputs = model.updates.iter().map(|&update| graph.node(update).inputs.as_slice());
        let averaged: Vec<[Value; 3]> =
            inputs.filter_map(|inputs| inputs.try_into().ok()).collect();
        let name = |value: Value| graph.node(value).name.clone();
        let layers = averaged.iter().map(|&[mean, variance, statistics]| Layer {
            mean: name(mean),
            variance: name(variance),
            statistics: name(statistics),
        });
        let layers = layers.collect();
        let outputs: Vec<Value> = averaged.iter().map(|&[_, _, statistics]| statistics).collect();
        let options = session::options(gpu);
        let plan = plan::build(graph, &outputs, &[], gpu.capabilities(), &options)?;
        Ok(Planned { batch, layers, plan })
    }

    /// Prepares what is planned, with the variables of `store`, in `arena`.
    ///
    /// # Errors
    /// Those of the GPU.
    pub(super) fn new(
        gpu: &Arc<Gpu>,
        planned: Planned,
        store: &Store,
        arena: &Arena,
    ) -> Result<Self> {
        let Planned { batch, layers, plan } = planned;
        let session = Session::within(gpu, plan, store, arena)?;
        Ok(Reestimation { store: store.clone(), session, batch, layers })
    }

    /// Gives the running statistics in the store the average over the first of `batches`. One of another
    /// size, the last of an epoch, is left out; without any the statistics stay as they are. `check` is
    /// called before each.
    ///
    /// # Errors
    /// That of `check`, with nothing changed, and those of the GPU.
    pub fn run(
        &mut self,
        batches: impl Iterator<Item = Batch>,
        check: impl Fn() -> Result<()>,
    ) -> Result<()> {
        let names: Vec<&str> = self.layers.iter().map(|layer| layer.statistics.as_str()).collect();
        let mut sums: Vec<Vec<f64>> = vec![Vec::new(); names.len()];
        let mut count = 0.0;
        for batch in batches.filter(|batch| batch.indices.len() == self.batch).take(BATCHES) {
            check()?;
            self.session.set(IMAGES, &batch.images)?;
            self.session.run()?;
            for (sum, found) in sums.iter_mut().zip(self.session.read_all(&names)?) {
                sum.resize(found.data().len(), 0.0);
                sum.iter_mut().zip(found.data()).for_each(|(sum, &value)| *sum += f64::from(value));
            }
            count += 1.0;
        }
        if count == 0.0 {
            return Ok(());
        }
        for (layer, sum) in self.layers.iter().zip(&sums) {
            let (mean, variance) = sum.split_at(sum.len() / 2);
            for (name, sum) in [(&layer.mean, mean), (&layer.variance, variance)] {
                let average = Tensor::from_fn([sum.len()], |channel| (sum[channel] / count) as f32);
                self.store.set(name, &average)?;
            }
        }
        Ok(())
    }
}
