//! What an operation on given shapes becomes: dispatches, in order.

use super::{Capabilities, Dispatch, View};
use crate::engine::shape::Shape;

/// What an operation is told of a case of its own: shapes, places, and the adapter.
pub struct Lowering<'a> {
    /// The shapes of the inputs.
    pub inputs: &'a [&'a Shape],
    /// Where the inputs lie.
    pub views: &'a [View],
    /// The shape of the output.
    pub output: &'a Shape,
    /// Where the output lies.
    pub output_view: View,
    /// Of the first inputs, whether they are the same at every run: what is made of them alone is made once. Further
    /// ones are not.
    pub fixed: &'a [bool],
    /// What the adapter can do.
    pub capabilities: &'a Capabilities,
}

impl Lowering<'_> {
    /// Whether every row of every tensor starts and ends on a multiple of four elements.
    pub fn is_vec4(&self) -> bool {
        let mut inputs = self.views.iter().zip(self.inputs);
        self.output_view.is_vec4(self.output) && inputs.all(|(view, shape)| view.is_vec4(shape))
    }

    /// Whether this input is the same at every run.
    pub fn is_fixed(&self, input: usize) -> bool {
        self.fixed.get(input).is_some_and(|&fixed| fixed)
    }

    /// One of two prices: that on a processor, or that on a GPU.
    pub fn on(&self, processor: f64, gpu: f64) -> f64 {
        if self.capabilities.software { processor } else { gpu }
    }
}

/// All of an operation's dispatches, in order, and the scratch memory they share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lowered {
    /// In order of execution.
    pub dispatches: Vec<Dispatch>,
    /// Elements (f32) of each scratch tensor.
    pub scratch: Vec<usize>,
}

impl From<Dispatch> for Lowered {
    fn from(dispatch: Dispatch) -> Self {
        Lowered { dispatches: vec![dispatch], scratch: Vec::new() }
    }
}

impl Lowered {
    /// Whether no loop is longer than the driver allows.
    pub fn ends(&self, capabilities: &Capabilities) -> bool {
        self.dispatches.iter().all(|dispatch| dispatch.rounds <= capabilities.longest_loop)
    }
}
