//! What `compare.json` says of trust, and by which rules a method passes.

use serde::{Deserialize, Serialize};

use super::similar::Similarity;

/// One way to a map of one model: how alike its maps stay, and which tests it passed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trust {
    /// The network.
    pub model: String,
    /// Its seed: the first of those that were asked for.
    pub seed: u64,
    /// The method, or the control.
    pub method: String,
    /// Whether it looks at no network: a control, which must fail.
    pub trivial: bool,
    /// ROIs whose maps were compared: those of the original network that are not empty.
    pub rois: usize,
    /// ROIs whose map by the original network is 0 everywhere, and which are left out.
    pub empty: usize,
    /// How alike the maps are after each stage of the cascade, from the last layer to the first.
    pub randomised: Vec<Randomised>,
    /// How alike maps of different images are; null where there are no two.
    pub random_pairs: Option<Pairs>,
    /// How alike the maps of a network are that was taught shuffled labels.
    pub label_randomised: Option<Similarity>,
    /// How alike the maps of a network with another seed are.
    pub repeatability: Option<Similarity>,
    /// How alike the maps of other architectures are: the mean over these; null where there is one model.
    pub reproducibility: Option<Similarity>,
    /// How alike maps and edges of the ROIs are.
    pub edges: Option<Similarity>,
    /// How alike maps and noise are.
    pub noise: Option<Similarity>,
    /// The largest change of the map under small changes of the ROI, as a share of its norm: the median over
    /// `sensitivity_rois`; null where there is none.
    pub max_sensitivity: Option<f64>,
    /// The mean.
    pub max_sensitivity_mean: Option<f64>,
    /// ROIs that it was measured on.
    pub sensitivity_rois: usize,
    /// The Gini index of absolute maps: 0 where all pixels are equal, almost 1 where one has everything.
    pub sparseness: Option<f64>,
    /// Of the unit with the same seed, by the comparison's own metrics; null where it was not run.
    pub mean_dice: Option<f64>,
    /// Dice at its threshold.
    pub dice: Option<f64>,
    /// Which tests it passed.
    pub passed: Passed,
    /// All of it took so long.
    pub seconds: f64,
}

/// A stage of the cascade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Randomised {
    /// The last layer that lost its weights.
    pub layer: String,
    /// Layers with weights that have lost theirs by then.
    pub layers: usize,
    /// Means over the ROIs.
    #[serde(flatten)]
    pub similarity: Similarity,
}

/// How alike maps of different images by one network are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pairs {
    /// How many pairs.
    pub pairs: usize,
    /// Means over the pairs.
    #[serde(flatten)]
    pub similarity: Similarity,
    /// Standard deviation of the SSIM of absolute maps.
    pub ssim_deviation: f64,
    /// Standard deviation of their rank correlation.
    pub rank_deviation: f64,
    /// How far the second map is from the first, as a share of the first one's norm: the median.
    pub change: Option<f64>,
}

/// Which tests were passed; null where one was not run, or nothing can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Passed {
    /// See [`RULES`].
    pub randomised: Option<bool>,
    /// See [`RULES`].
    pub label_randomised: Option<bool>,
    /// See [`RULES`].
    pub repeatability: Option<bool>,
    /// See [`RULES`].
    pub reproducibility: Option<bool>,
    /// See [`RULES`].
    pub max_sensitivity: Option<bool>,
}

/// Two architectures, and how alike the maps of one method are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrustPair {
    /// The networks.
    pub models: [String; 2],
    /// Of both.
    pub seed: u64,
    /// The method, or the control.
    pub method: String,
    /// ROIs whose maps were compared: those of which neither map is empty.
    pub rois: usize,
    /// Means over them.
    pub similarity: Option<Similarity>,
    /// All of it took so long.
    pub seconds: f64,
}

/// A network, and the others that its maps are held against.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Network {
    /// The network.
    pub model: String,
    /// Its seed.
    pub seed: u64,
    /// Its accuracy on the validation side.
    pub val_acc: f64,
    /// The same network, taught shuffled labels.
    pub shuffled: Other,
    /// The same network with the next seed.
    pub twin: Other,
}

/// A network that another one is held against.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Other {
    /// Of its initial weights and draws.
    pub seed: u64,
    /// Its accuracy on the validation side, by the true labels.
    pub val_acc: f64,
    /// Its accuracy on the training side, by the labels that it was taught.
    pub train_acc: f64,
}

/// A test, and when it is passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// As in [`Passed`].
    pub test: String,
    /// In words.
    pub rule: String,
}

/// When each test is passed. All are of absolute maps, and compare with the level that maps of different images reach.
pub const RULES: [(&str, &str); 5] = [
    (
        "randomised",
        "after the last stage, when all weights are random, neither SSIM nor rank correlation with the original map is \
         above the level of random pairs",
    ),
    (
        "label_randomised",
        "neither SSIM nor rank correlation with the map of the network that was taught shuffled labels is above the \
         level of random pairs",
    ),
    (
        "repeatability",
        "SSIM and rank correlation with the map of the network with another seed are both above the level of random \
         pairs",
    ),
    (
        "reproducibility",
        "SSIM and rank correlation with the maps of other architectures are both above the level of random pairs",
    ),
    (
        "max_sensitivity",
        "the largest change under small changes of the image is less than the distance of random pairs; medians of both",
    ),
];

/// [`RULES`], for the file.
pub fn rules() -> Vec<Rule> {
    RULES.iter().map(|(test, rule)| Rule { test: (*test).into(), rule: (*rule).into() }).collect()
}

impl Pairs {
    /// The upper end of the 95 % interval of the mean of one of the two, as if pairs were independent: what is not
    /// above it may be as unlike as maps of different images are.
    fn level(&self, mean: f64, deviation: f64) -> f64 {
        mean + 1.96 * deviation / (self.pairs.max(1) as f64).sqrt()
    }

    /// The level of SSIM and that of rank correlation.
    pub fn levels(&self) -> [f64; 2] {
        let Similarity { ssim, rank, .. } = self.similarity;
        [self.level(ssim, self.ssim_deviation), self.level(rank, self.rank_deviation)]
    }
}

impl Trust {
    /// Judges by [`RULES`].
    pub fn judge(&mut self) {
        self.passed = Passed::default();
        let Some(pairs) = self.random_pairs else { return };
        let [ssim, rank] = pairs.levels();
        let unlike = |found: Similarity| found.ssim <= ssim && found.rank <= rank;
        let alike = |found: Similarity| found.ssim > ssim && found.rank > rank;
        self.passed = Passed {
            randomised: self.randomised.last().map(|stage| unlike(stage.similarity)),
            label_randomised: self.label_randomised.map(unlike),
            repeatability: self.repeatability.map(alike),
            reproducibility: self.reproducibility.map(alike),
            max_sensitivity: self.max_sensitivity.zip(pairs.change).map(|(own, other)| own < other),
        };
    }
}
