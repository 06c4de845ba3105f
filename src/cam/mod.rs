//! Class activation maps: which parts of an image speak for a class, by the network's own account.

mod explainer;
mod gradcam;
mod npy;

use crate::error::{Error, Result};
use crate::graph::{Graph, Value};

pub use explainer::{Explainer, Explanation, Request};
pub use npy::npy;

/// A method: how a layer's activation and the class score's gradient at it become a map.
#[derive(Debug)]
pub struct Method {
    /// As on the command line.
    pub name: &'static str,
    /// Adds the map (N, h, w, 1) to the graph, from the activation and the gradient (N, h, w, C).
    /// `sign` is 1 for the evidence in favour of the class, -1 for that against it.
    pub map: fn(&mut Graph, activation: Value, gradient: Value, sign: f32) -> Result<Value>,
}

/// Every method. To add one: its file, a line here.
pub const METHODS: &[Method] = &[gradcam::METHOD];

/// The method called `name`.
///
/// # Errors
/// [`Error::Usage`] with the names there are.
pub fn find(name: &str) -> Result<&'static Method> {
    METHODS.iter().find(|method| method.name == name).ok_or_else(|| {
        let known: Vec<&str> = METHODS.iter().map(|method| method.name).collect();
        Error::usage(
            format!("no CAM method is called {name}"),
            format!("there are {}", known.join(", ")),
        )
    })
}
