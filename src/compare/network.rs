//! The trained networks that are explained: those of an earlier run of `parula reproduce`, or trained here.

use std::path::Path;
use std::sync::Arc;

use super::{Material, Options, checkpoint};
use crate::data::{Prepared, Roi, Scaling, Split};
use crate::error::{Error, Result};
use crate::experiment::Setup;
use crate::experiment::earlier::weights_of;
use crate::files;
use crate::gpu::Gpu;
use crate::models::{Mode, Network};
use crate::session::Store;
use crate::train::{Classifier, TrainOptions, train};
use crate::weights::{self, Raw, Top};

/// A trained network on the GPU.
pub struct Trained {
    pub network: &'static Network,
    /// Height and width of its input.
    pub size: [usize; 2],
    /// Units of its head.
    pub units: usize,
    pub scaling: Scaling,
    pub store: Store,
    /// Its accuracy on the validation side.
    pub val_acc: f64,
}

/// The network of `setup` with `seed`: of the run that [`Options::weights`] names, else trained, else,
/// where that is already done and to be resumed, of `out`.
pub fn load(
    gpu: &Arc<Gpu>,
    options: &Options,
    setup: &Setup,
    seed: u64,
    material: &Material,
    split: &Split,
) -> Result<Trained> {
    let network = setup.network;
    let path = match &options.weights {
        Some(folder) => weights_of(folder, network.name, seed),
        None => {
            let path = weights_of(&options.out, network.name, seed);
            if !(options.resume && path.exists()) {
                learn(gpu, options, setup, seed, material, split, &path)?;
            }
            // Killed between the weights and this, a process leaves it.
            forget(&checkpoint(&options.out, network.name, &seed.to_string()))?;
            path
        }
    };
    let raw = Raw::read(&path)?;
    let (Some(size), Some(units)) = (raw.input(), raw.classes()) else {
        let hint = "give the --out of `parula reproduce`, or leave --weights away to train";
        return Err(Error::content(path, "it does not say its input's size or its classes", hint));
    };
    let scaling = raw.scaling().and_then(Scaling::named).unwrap_or(setup.scaling);
    let batch = setup.train.batch.clamp(1, split.validation.len().max(1));
    let model = network.build(Mode::Inference, batch, size, units)?;
    let store = Store::new(gpu, &model.graph, seed)?;
    raw.resolve(&model, Top::Keep)?.put(&store)?;
    let validation: Vec<Roi> =
        split.validation.iter().map(|&index| material.rois[index].clone()).collect();
    let prepared = Prepared::new(&validation, (size[0], size[1]), network.channels, scaling);
    let all: Vec<usize> = (0..validation.len()).collect();
    let val_acc = Classifier::new(gpu, model, &store)?.score(&prepared, &all)?.accuracy();
    Ok(Trained { network, size, units, scaling, store, val_acc })
}

/// Trains and writes the weights to `path`, which is there only once that is done.
fn learn(
    gpu: &Arc<Gpu>,
    options: &Options,
    setup: &Setup,
    seed: u64,
    material: &Material,
    split: &Split,
    path: &Path,
) -> Result<()> {
    let name = setup.network.name;
    if let Some(folder) = path.parent() {
        files::create_folder(folder)?;
    }
    let state = checkpoint(&options.out, name, &seed.to_string());
    if !options.resume {
        forget(&state)?;
    }
    let prepared = setup.prepare(&material.rois);
    let own = TrainOptions { seed, state: Some(state), ..setup.train.clone() };
    let title = format!("{name} seed {seed}");
    let trained = train(gpu, setup.network, &prepared, split, &own, &title)?;
    weights::save(path, &trained.weights, &trained.model.layers, None)
}

/// Deletes the state of a training that is finished or shall begin anew, and the folders that it leaves
/// empty.
pub fn forget(state: &Path) -> Result<()> {
    if state.exists() {
        std::fs::remove_file(state).map_err(|source| Error::file("delete", state, source))?;
    }
    // Folders that are not empty refuse.
    for folder in state.ancestors().skip(1).take(2) {
        let _ = std::fs::remove_dir(folder);
    }
    Ok(())
}
