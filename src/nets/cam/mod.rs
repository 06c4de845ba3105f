//! Class activation maps and their kin: which parts of an image speak for a class, by the network's
//! own account.
//!
//! A method is of one of three kinds (`Kind`): a function of a layer's activation and of the
//! gradient there, one of the image and its gradient, or an average over many changed copies. What all
//! of them explain is the class's *logit*: behind a softmax the gradient of a confident classifier
//! vanishes. Sign -1 explains minus the logit: what speaks against the class.

mod ablationcam;
mod activation;
mod cam_of_head;
pub mod dice;
mod eigencam;
mod explainer;
mod gradcam;
mod gradcam_plus_plus;
mod gradient_x_input;
mod gradientshap;
mod guided_backprop;
mod heatmap;
mod hirescam;
mod integrated_gradients;
mod layercam;
pub mod levels;
mod maps;
pub mod normalise;
mod npy;
mod occlusion;
mod saliency;
mod sampled;
mod scorecam;
mod settings;
mod smoothgrad;
mod steps;
mod xgradcam;

use crate::engine::autodiff::Backward;
use crate::engine::graph::{Graph, Value};
use crate::error::{Error, Result};
use crate::nets::models::Network;

pub use explainer::{Explainer, Explanation, Request};
pub use gradcam::grad_cam;
pub use maps::{OfTensors, of_tensors, of_weights};
pub use npy::npy;
pub use sampled::Argument;
pub use settings::{Baseline, Fusion, Settings};
pub use steps::{Stepper, Steps};

use sampled::Sampling;

/// A method.
#[derive(Debug)]
pub struct Method {
    /// As on the command line.
    pub name: &'static str,
    /// What it shows, in a line.
    pub about: &'static str,
    /// Whether its definition ends in max(0, ...).
    pub relu: bool,
    kind: Kind,
}

/// How a method makes its map, (N, h, w, 1), before a ReLU.
#[derive(Debug)]
enum Kind {
    /// From a layer's activation and the gradient at it.
    Layer(fn(&mut Graph, &Site) -> Result<Value>),
    /// From the image and the gradient at it, by this rule for ReLU.
    Input(Backward, fn(&mut Graph, &Site) -> Result<Value>),
    /// From many changed copies of an image, or of its activation.
    Sampled(&'static dyn Sampling),
}

/// What a map is made of.
#[derive(Clone, Copy, Debug)]
struct Site {
    /// A layer's feature maps, or the images: (N, h, w, C).
    activation: Value,
    /// The gradient of `sign` times the class's logit at `activation`.
    gradient: Value,
    /// (N, classes).
    logits: Value,
    /// (N, classes): `sign` at the class, else 0.
    seed: Value,
    /// 1 for what speaks for the class, -1 for what speaks against it.
    sign: f32,
}

/// Every method. To add one: its file, a line here.
pub const METHODS: &[Method] = &[
    cam_of_head::METHOD,
    gradcam::METHOD,
    hirescam::METHOD,
    gradcam_plus_plus::METHOD,
    xgradcam::METHOD,
    layercam::METHOD,
    scorecam::METHOD,
    ablationcam::METHOD,
    eigencam::METHOD,
    activation::METHOD,
    saliency::METHOD,
    smoothgrad::METHOD,
    integrated_gradients::METHOD,
    gradient_x_input::METHOD,
    guided_backprop::METHOD,
    gradientshap::METHOD,
    occlusion::METHOD,
];

impl Method {
    /// Whether its map is of a layer, and not of the image itself.
    pub fn of_layer(&self) -> bool {
        match self.kind {
            Kind::Layer(_) => true,
            Kind::Input(..) => false,
            Kind::Sampled(sampling) => sampling.of_layer(),
        }
    }

    /// Whether it has maps of `network` at its usual layer: CAM reads the weights of a dense layer that follows the
    /// pooling at once.
    pub fn explains(&self, network: &Network) -> bool {
        self.name != cam_of_head::METHOD.name || network.dense().is_empty()
    }

    /// Whether it heeds this setting.
    pub fn takes(&self, argument: Argument) -> bool {
        match self.kind {
            Kind::Sampled(sampling) => {
                argument == Argument::Copies || sampling.arguments().contains(&argument)
            }
            Kind::Layer(_) | Kind::Input(..) => false,
        }
    }

    /// By which rule the gradient goes back, and whether to the images; none for a method of samples.
    pub fn gradient(&self) -> Option<(Backward, bool)> {
        match self.kind {
            Kind::Layer(_) => Some((Backward::Exact, false)),
            Kind::Input(backward, _) => Some((backward, true)),
            Kind::Sampled(_) => None,
        }
    }

    /// Whether it runs many changed copies of each image, which takes long.
    pub fn samples(&self) -> bool {
        matches!(self.kind, Kind::Sampled(_))
    }
}

/// The methods of these names, all of them by `all`.
///
/// # Errors
/// [`Error::Usage`] for a method that there is not.
pub fn find_all(names: &[String]) -> Result<Vec<&'static Method>> {
    match names {
        [all] if all == "all" => Ok(METHODS.iter().collect()),
        names => names.iter().map(|name| find(name)).collect(),
    }
}

/// The method called `name`.
///
/// # Errors
/// [`Error::Usage`] with the names there are.
pub fn find(name: &str) -> Result<&'static Method> {
    let found = METHODS.iter().find(|method| method.name == name);
    found
        .ok_or_else(|| Error::unknown("CAM method", name, METHODS.iter().map(|method| method.name)))
}
