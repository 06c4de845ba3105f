//! Where, in a graph, a number stops being finite.

use std::sync::Arc;

use super::{Session, Store, options};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::graph::{Graph, Value};
use crate::plan::{self, Options};
use crate::tensor::Tensor;

/// The first variable, or else the first node in order of execution, that holds a number which is not
/// finite while `wanted` is computed of `inputs`, by name; inputs that the plan has no use for are passed
/// over. None where all are finite.
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
) -> Result<Option<String>> {
    for name in store.names() {
        if store.get(std::slice::from_ref(&name))?.iter().any(lost) {
            return Ok(Some(name));
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
        if lost(&session.read(&name)?) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn lost(tensor: &Tensor) -> bool {
    tensor.data().iter().any(|value| !value.is_finite())
}
