//! What is asked of a method beside the images.

use super::Method;
use crate::error::{Error, Result};
use crate::nets::cam::normalise::Normalisation;
use crate::nets::images::Scaling;
use crate::nets::models::Network;

/// The arguments of a method. A method takes no notice of those that it has no use for ([`Method::takes`]).
#[derive(Clone, Debug)]
pub struct Settings {
    /// The method.
    pub method: &'static Method,
    /// The layers of a method of layers; without one, the network's CAM layer. With several, their
    /// maps are cut off at 0, resized to the largest of them, divided by their maxima, and combined.
    pub layers: Vec<String>,
    /// How the maps of several layers become one.
    pub fusion: Fusion,
    /// 1 for what speaks for the class, -1 for what speaks against it.
    pub sign: f32,
    /// How the map becomes grey levels.
    pub normalisation: Normalisation,
    /// Whether [`Explanation::opposite`](super::Explanation::opposite) is wanted as well.
    pub both: bool,
    /// How many samples a method of samples takes; without it, the method's own number.
    pub samples: Option<usize>,
    /// Fixes the draws of SmoothGrad and GradientSHAP.
    pub seed: u64,
    /// What stands for "nothing": where integrated gradients start, what occlusion covers with.
    /// Without it, the method's own.
    pub baseline: Option<Baseline>,
    /// How pixels became the network's numbers, which says what black is; without it, as the network
    /// was made for.
    pub scaling: Option<Scaling>,
    /// Images to start from in GradientSHAP, (H, W, C) as the network takes them, instead of the
    /// baseline.
    pub background: Vec<Vec<f32>>,
    /// Side of the square that occlusion covers, in pixels of the network's input; without it an
    /// eighth of the shorter side.
    pub patch: Option<usize>,
    /// How far apart the squares are; without it half of their side.
    pub stride: Option<usize>,
    /// The most copies of an image that are run at once; without it 64, and 16 on a software adapter.
    pub copies: Option<usize>,
}

/// How several maps, each from 0 to 1, become one: position by position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fusion {
    /// The largest value: what any layer shows (Jiang and others 2021, there for LayerCAM).
    #[default]
    Max,
    /// The mean.
    Mean,
    /// The product: what all layers show.
    Product,
}

/// What stands for "nothing" in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// Pixels of 0.
    Black,
    /// 0 after scaling: mid-grey or ImageNet's mean colour, by the network.
    Zero,
}

/// The largest number of samples, of copies, and of pixels of a patch and between patches.
const MOST: usize = 1 << 20;

impl Settings {
    /// `method` with everything else as it is by default: its own numbers, for the class, relu-max.
    pub fn new(method: &'static Method) -> Self {
        Settings {
            method,
            layers: Vec::new(),
            fusion: Fusion::default(),
            sign: 1.0,
            normalisation: Normalisation::ReluMax,
            both: false,
            samples: None,
            seed: 0,
            baseline: None,
            scaling: None,
            background: Vec::new(),
            patch: None,
            stride: None,
            copies: None,
        }
    }

    /// Refuses what no method can work with, for images of `length` numbers.
    pub(super) fn check(&self, length: usize) -> Result<()> {
        let numbers = [
            ("samples", self.samples),
            ("patch", self.patch),
            ("stride", self.stride),
            ("copies", self.copies),
        ];
        if let Some((name, _)) = numbers.iter().find(|(_, number)| *number == Some(0)) {
            return Err(Error::usage(format!("{name} must be 1 or more"), "see --help"));
        }
        if let Some((name, Some(number))) =
            numbers.iter().find(|(_, number)| number.is_some_and(|number| number > MOST))
        {
            let problem = format!("{name} of {number} are more than anyone can wait for");
            return Err(Error::usage(problem, format!("give 1 to {MOST}")));
        }
        if !self.layers.is_empty() && !self.method.of_layer() {
            return Err(Error::usage(
                format!("{} explains the image itself and has no layer", self.method.name),
                "leave out --layer",
            ));
        }
        if let Some(other) = self.background.iter().find(|image| image.len() != length) {
            return Err(Error::usage(
                format!("an image of the background has {} numbers", other.len()),
                format!("all must have {length}, as the network takes them"),
            ));
        }
        Ok(())
    }

    /// "Nothing" in the numbers that `network` takes, one for each channel.
    pub(super) fn base(&self, network: &Network, usual: Baseline) -> Vec<f32> {
        let scaling = self.scaling.unwrap_or(network.preprocessing.into());
        let black = |channel| scaling.affine(channel).1;
        match self.baseline.unwrap_or(usual) {
            Baseline::Black => (0..network.channels).map(black).collect(),
            Baseline::Zero => vec![0.0; network.channels],
        }
    }
}
