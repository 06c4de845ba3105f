//! Where, in a graph, a number stops being finite.

use std::sync::Arc;

use super::{Session, Store, options};
use crate::engine::gpu::Gpu;
use crate::engine::graph::{Graph, Value};
use crate::engine::plan::{self, Options};
use crate::engine::tensor::Tensor;
use crate::error::Result;

/// The first variable, or else the first node in order of execution, that holds a number which is not
/// finite while `wanted` is computed of `inputs`, by name; inputs that the plan has no use for are passed
/// over. With it the number of the image that it is of, for a node that has a row an image. None where all are
/// finite.
///
/// Nothing is fused and every value is kept, in 32 bits: a ReLU turns NaN into 0, so what stands before it
/// must be looked at. It takes the memory of all activations, and is meant for few images.
///
/// # Errors
/// [`Error::TooLarge`](crate::error::Error::TooLarge) where the values do not fit; those of the GPU.
pub fn first_not_finite(
    gpu: &Arc<Gpu>,
    graph: &Graph,
    wanted: Value,
    store: &Store,
    inputs: &[(&str, &[f32])],
) -> Result<Option<(String, Option<usize>)>> {
    for name in store.names() {
        if store.get(std::slice::from_ref(&name))?.iter().any(|one| lost(one).is_some()) {
            return Ok(Some((name, None)));
        }
    }
    let kept = Options { keep_all: true, half: false, ..options(gpu) };
    let plan = plan::build(graph, &[wanted], &[], gpu.capabilities(), &kept)?;
    let names: Vec<String> = plan.outputs.iter().map(|output| output.name.clone()).collect();
    let mut session = Session::new(gpu, plan, store)?;
    for (name, numbers) in inputs {
        if session.plan().inputs.iter().any(|input| input.name == *name) {
            session.set(name, numbers)?;
        }
    }
    session.run()?;
    for name in names {
        let value = session.read(&name)?;
        if let Some(at) = lost(&value) {
            let image = value.shape().nhwc().map(|[_, h, w, c]| at / (h * w * c).max(1));
            return Ok(Some((name, image)));
        }
    }
    Ok(None)
}

/// Where the first number is that is not finite.
fn lost(tensor: &Tensor) -> Option<usize> {
    tensor.data().iter().position(|value| !value.is_finite())
}
