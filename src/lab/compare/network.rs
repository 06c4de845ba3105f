//! The trained networks that are explained: those of an earlier run of `parula reproduce`, or trained here.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Whole, checkpoint};
use crate::error::Result;
use crate::lab::data::Roi;
use crate::lab::experiment::earlier::weights_of;
use crate::lab::experiment::saved::{self, Learning};
use crate::lab::experiment::{Saved, Setup, origins};
use crate::lab::run_folder::content_of;
use crate::nets::images::Split;
use crate::provenance::Items;

/// A trained network, and what it is worth.
pub struct Trained {
    pub saved: Saved,
    /// Its accuracy on the validation side.
    pub val_acc: f64,
}

/// Which network.
pub struct Network<'a> {
    pub setup: &'a Setup,
    pub seed: u64,
    pub split: &'a Split,
}

impl Network<'_> {
    /// What it is made from, where it is trained here.
    fn origin(&self, whole: &Whole) -> Items {
        origins::training(&whole.shared, self.setup, self.seed, self.split)
    }

    /// That the weights which an earlier call has left here, if it has, are of these options.
    pub fn agree(&self, whole: &Whole) -> Result<()> {
        let path = weights_of(&whole.options.out, self.setup.network.name, self.seed);
        match whole.options.weights {
            Some(_) => Ok(()),
            None => whole.out.agree(&path, &self.origin(whole)),
        }
    }

    /// Its weights: of the run that [`super::Options::weights`] names, else trained here, unless that is done.
    pub fn path(&self, whole: &Whole) -> Result<PathBuf> {
        let name = self.setup.network.name;
        if let Some(folder) = &whole.options.weights {
            return Ok(weights_of(folder, name, self.seed));
        }
        let path = weights_of(&whole.options.out, name, self.seed);
        let state = checkpoint(&whole.options.out, name, &self.seed.to_string());
        let origin = self.origin(whole);
        let (setup, seed, out) = (self.setup, self.seed, whole.out);
        let learning = Learning { setup, seed, out, origin: &origin };
        let prepared = || setup.prepare(&whole.material.rois);
        saved::learn(whole.gpu, &learning, prepared, self.split, state, &path)?;
        Ok(path)
    }

    /// What units of the network in `path` are made from.
    pub fn unit_origin(&self, whole: &Whole, path: &Path) -> Result<Items> {
        let mut origin = match whole.options.retrain {
            true => self.origin(whole),
            false => origins::with(&whole.shared, "seed", json!(self.seed)),
        };
        if let Some(settings) = whole.origin.get("settings") {
            origin = origins::with(&origin, "settings", settings.clone());
        }
        origin = origins::with(&origin, "split", json!(crate::nets::train::sides(self.split)));
        Ok(origins::with(&origin, "network", Value::String(content_of(path)?)))
    }

    /// Reads it.
    pub fn load(&self, whole: &Whole, path: &Path) -> Result<Trained> {
        let Whole { gpu, material, .. } = whole;
        let (setup, split) = (self.setup, self.split);
        let batch = setup.train.batch.clamp(1, split.validation.len().max(1));
        let saved = Saved::read(gpu, setup, batch, path)?;
        let validation: Vec<&Roi> =
            split.validation.iter().map(|&index| &material.rois[index]).collect();
        let mut prepared =
            saved.prepare(validation.iter().map(|roi| (&roi.image, roi.class.index())));
        prepared.names = validation.iter().map(|roi| roi.name.clone()).collect();
        let all: Vec<usize> = (0..validation.len()).collect();
        let val_acc = saved.accuracy(gpu, &prepared, &all)?;
        Ok(Trained { saved, val_acc })
    }
}
