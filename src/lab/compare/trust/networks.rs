//! The networks that a network's maps are held against: one that was taught shuffled labels, and a twin.

use std::path::PathBuf;

use rand::seq::SliceRandom;
use serde_json::json;

use super::results::{Network as Described, Other};
use crate::draw;
use crate::error::Result;
use crate::lab::compare::network::Network;
use crate::lab::compare::{Whole, checkpoint};
use crate::lab::experiment::saved::{self, Learning};
use crate::lab::experiment::{Saved, Setup, origins};
use crate::lab::run_folder::content_of;
use crate::nets::images::{Prepared, Split};
use crate::provenance::Items;

/// How the other network differs from the one that is explained. Split and options are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The labels of its training side are shuffled; its seed is the same.
    Shuffled,
    /// Its seed is the next one: other initial weights, another order, other draws.
    Twin,
}

/// Both.
pub const KINDS: [Kind; 2] = [Kind::Shuffled, Kind::Twin];

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Shuffled => "shuffled",
            Kind::Twin => "twin",
        }
    }

    /// The seed of the other network of one with `seed`.
    pub fn seed(self, seed: u64) -> u64 {
        match self {
            Kind::Shuffled => seed,
            Kind::Twin => seed.wrapping_add(1),
        }
    }

    fn prepare(self, setup: &Setup, whole: &Whole, split: &Split, seed: u64) -> Prepared {
        let mut prepared = setup.prepare(&whole.material.rois);
        if self == Kind::Shuffled {
            shuffle(&mut prepared.labels, split, seed);
        }
        prepared
    }
}

/// Deals the labels of the training side of `split` out anew: there are as many of each class as before.
pub fn shuffle(labels: &mut [usize], split: &Split, seed: u64) {
    let mut dealt: Vec<usize> = split.train.iter().map(|&index| labels[index]).collect();
    dealt.shuffle(&mut draw::stream(seed, "shuffled labels"));
    split.train.iter().zip(dealt).for_each(|(&index, label)| labels[index] = label);
}

/// Where the weights of the other network of `network` are.
fn weights(whole: &Whole, network: &Network, kind: Kind) -> PathBuf {
    let folder = super::folder(&whole.options.out, network.setup.network.name, network.seed);
    folder.join(format!("{}.safetensors", kind.name()))
}

fn origin(whole: &Whole, network: &Network, kind: Kind) -> Items {
    let seed = kind.seed(network.seed);
    let items = origins::training(&whole.shared, network.setup, seed, network.split);
    match kind {
        Kind::Shuffled => origins::with(&items, "labels", json!(kind.name())),
        Kind::Twin => items,
    }
}

/// That other networks which an earlier call has left, if it has, are of these options.
pub fn agree(whole: &Whole, network: &Network) -> Result<()> {
    KINDS.iter().try_for_each(|&kind| {
        whole.out.agree(&weights(whole, network, kind), &origin(whole, network, kind))
    })
}

/// Trains both other networks of `network`, unless that is done, and returns where their weights are.
pub fn learn(whole: &Whole, network: &Network) -> Result<[PathBuf; 2]> {
    let Network { setup, seed, split } = *network;
    let name = setup.network.name;
    for kind in KINDS {
        let path = weights(whole, network, kind);
        let origin = origin(whole, network, kind);
        if !whole.out.reuse(&path, &origin)? {
            let what = match kind {
                Kind::Shuffled => "on shuffled labels",
                Kind::Twin => "its twin, with the next seed",
            };
            crate::console::note!("training {name} seed {seed} {what}");
        }
        let state = checkpoint(&whole.options.out, name, &format!("{seed}.{}", kind.name()));
        let learning = Learning { setup, seed: kind.seed(seed), out: whole.out, origin: &origin };
        let prepared = || kind.prepare(setup, whole, split, seed);
        saved::learn(whole.gpu, &learning, prepared, split, state, &path)?;
    }
    Ok(KINDS.map(|kind| weights(whole, network, kind)))
}

/// What maps that are held against those of `paths` are made from, beside what `items` say.
pub fn with_contents(items: &Items, paths: &[PathBuf; 2]) -> Result<Items> {
    let mut items = items.clone();
    for (kind, path) in KINDS.iter().zip(paths) {
        items = origins::with(&items, kind.name(), json!(content_of(path)?));
    }
    Ok(items)
}

/// What the other networks in `paths` are worth beside `network`, whose validation accuracy is `val_acc`.
pub fn describe(
    whole: &Whole,
    network: &Network,
    val_acc: f64,
    paths: &[PathBuf; 2],
) -> Result<Described> {
    let Network { setup, seed, split } = *network;
    let batch = setup.train.batch.clamp(1, split.validation.len().max(1));
    let mut others = Vec::new();
    for (kind, path) in KINDS.iter().zip(paths) {
        let saved = Saved::read(whole.gpu, setup, batch, path)?;
        let prepared = kind.prepare(setup, whole, split, seed);
        others.push(Other {
            seed: kind.seed(seed),
            val_acc: saved.accuracy(whole.gpu, &prepared, &split.validation)?,
            train_acc: saved.accuracy(whole.gpu, &prepared, &split.train)?,
        });
    }
    let [shuffled, twin] = [others[0], others[1]];
    Ok(Described { model: setup.network.name.to_owned(), seed, val_acc, shuffled, twin })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_dealt_out_anew_on_the_training_side_alone() {
        let split = Split { train: (0..40).collect(), validation: (40..50).collect() };
        let labels: Vec<usize> = (0..50).map(|index| index % 2).collect();
        let mut shuffled = labels.clone();
        shuffle(&mut shuffled, &split, 3);
        assert_eq!(shuffled[40..], labels[40..]);
        assert_eq!(shuffled.iter().sum::<usize>(), labels.iter().sum::<usize>());
        let same = shuffled.iter().zip(&labels).take(40).filter(|(a, b)| a == b).count();
        assert!((8..32).contains(&same), "{same} of 40 kept their label");
        let mut again = labels.clone();
        shuffle(&mut again, &split, 3);
        assert_eq!(again, shuffled);
        shuffle(&mut again, &split, 4);
        assert_ne!(again, shuffled);
    }
}
