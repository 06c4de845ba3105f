//! The trained networks that are explained: those of an earlier run of `parula reproduce`, or trained here.

use std::path::Path;
use std::sync::Arc;

use super::{Material, Options, checkpoint};
use crate::data::{Roi, Split};
use crate::error::{Error, Result};
use crate::experiment::earlier::weights_of;
use crate::experiment::{Saved, Setup, saved};
use crate::gpu::Gpu;

/// A trained network, and what it is worth.
pub struct Trained {
    pub saved: Saved,
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
    let name = setup.network.name;
    let path = match &options.weights {
        Some(folder) => weights_of(folder, name, seed),
        None => {
            let path = weights_of(&options.out, name, seed);
            let state = checkpoint(&options.out, name, &seed.to_string());
            if !(options.resume && path.exists()) {
                if !options.resume {
                    forget(&state)?;
                }
                let prepared = setup.prepare(&material.rois);
                saved::learn(gpu, setup, seed, &prepared, split, state.clone(), &path)?;
            }
            // Killed between the weights and this, a process leaves it.
            forget(&state)?;
            path
        }
    };
    let batch = setup.train.batch.clamp(1, split.validation.len().max(1));
    let saved = Saved::read(gpu, setup, batch, &path)?;
    let validation: Vec<&Roi> =
        split.validation.iter().map(|&index| &material.rois[index]).collect();
    let mut prepared = saved.prepare(validation.iter().map(|roi| (&roi.image, roi.class.index())));
    prepared.names = validation.iter().map(|roi| roi.name.clone()).collect();
    let all: Vec<usize> = (0..validation.len()).collect();
    let val_acc = saved.accuracy(gpu, &prepared, &all)?;
    Ok(Trained { saved, val_acc })
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
