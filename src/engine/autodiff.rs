//! Reverse-mode differentiation, from graph to graph.

use crate::engine::graph::{Graph, Operation, Rule, Value, downcast};
use crate::engine::ops::{Activate, Activation, Elementwise};
use crate::error::{Error, Result};

/// What passes back through a ReLU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backward {
    /// The gradient, where the ReLU passed the value on.
    #[default]
    Exact,
    /// Of that only what is positive: guided backpropagation (Springenberg and others 2015). No
    /// gradient of anything, but a picture of what raised the score.
    Guided,
}

/// Adds to `graph` the gradients of sum(`score` * `seed`) with respect to each of `wanted`, and
/// returns them in that order. Only nodes on a path from a wanted value to the score get one, so the
/// gradient of a class score at the last convolution of a pooled classifier is a handful of nodes.
///
/// `seed` has the shape of `score`: a one-hot row picks a class, a scalar 1 differentiates a loss.
///
/// # Errors
/// [`Error::Shape`] when `score` does not depend on a wanted value, or an operation on the path has
/// no gradient.
pub fn gradients(
    graph: &mut Graph,
    score: Value,
    seed: Value,
    wanted: &[Value],
) -> Result<Vec<Value>> {
    gradients_by(graph, score, seed, wanted, Backward::Exact)
}

/// [`gradients`] by another rule for ReLU and ReLU6. The graph must not have been fused: a ReLU within
/// another operation is not seen.
///
/// # Errors
/// As [`gradients`].
pub fn gradients_by(
    graph: &mut Graph,
    score: Value,
    seed: Value,
    wanted: &[Value],
    backward: Backward,
) -> Result<Vec<Value>> {
    if graph.shape(seed) != graph.shape(score) {
        return Err(Error::shape(
            format!("gradient of {}", graph.node(score).name),
            format!("the seed is {}, the score {}", graph.shape(seed), graph.shape(score)),
        ));
    }
    // on_path[i]: node i depends on a wanted value (or is one), so a gradient must reach it.
    let mut on_path = vec![false; score.0 + 1];
    for index in 0..=score.0 {
        let value = Value(index);
        on_path[index] =
            wanted.contains(&value) || graph.node(value).inputs.iter().any(|i| on_path[i.0]);
    }
    let mut parts: Vec<Vec<Value>> = vec![Vec::new(); score.0 + 1];
    parts[score.0].push(seed);
    let mut totals: Vec<Option<Value>> = vec![None; score.0 + 1];

    for index in (0..=score.0).rev() {
        if !on_path[index] || parts[index].is_empty() {
            continue;
        }
        let mut total = accumulate(graph, Value(index), &parts[index])?;
        totals[index] = Some(total);
        let node = graph.node(Value(index));
        let activates = |operation| {
            matches!(Activation::of(operation), Some(Activation::Relu | Activation::Relu6))
        };
        let relu = node.operation().is_some_and(|operation| activates(operation.as_ref()));
        let bent = match node.operation().and_then(|operation| downcast::<Activate>(&**operation)) {
            Some(Activate(curve)) if backward == Backward::Guided => {
                if !curve.is_rectifier() {
                    return Err(Error::usage(
                        format!(
                            "guided backpropagation is of ReLU and its kin, and {} is {}",
                            node.name,
                            Activate(*curve).describe()
                        ),
                        "take saliency, smoothgrad or integrated-gradients",
                    ));
                }
                true
            }
            _ => false,
        };
        if (relu || bent) && backward == Backward::Guided {
            let name = graph.unique(&format!("{}/guided", node.name));
            total = graph.add(name, Elementwise::relu(), &[total])?;
        }
        let node = graph.node(Value(index));
        let wants: Vec<bool> = node.inputs.iter().map(|input| on_path[input.0]).collect();
        let Some(operation) = node.operation().cloned() else { continue };
        if !wants.contains(&true) {
            continue;
        }
        let inputs = node.inputs.clone();
        let mut rule = Rule::new(graph, Value(index), total, wants.clone());
        let found = operation.gradient(&mut rule)?;
        for ((input, gradient), wanted) in inputs.iter().zip(found).zip(wants) {
            if let (true, Some(gradient)) = (wanted, gradient) {
                debug_assert_eq!(graph.shape(gradient), graph.shape(*input));
                parts[input.0].push(gradient);
            }
        }
    }
    wanted
        .iter()
        .map(|value| {
            totals.get(value.0).copied().flatten().ok_or_else(|| {
                Error::shape(
                    format!("gradient of {}", graph.node(score).name),
                    format!("it does not depend on {}", graph.node(*value).name),
                )
            })
        })
        .collect()
}

/// The sum of the gradients that reach `value` from the nodes that read it.
fn accumulate(graph: &mut Graph, value: Value, parts: &[Value]) -> Result<Value> {
    let mut total = parts[0];
    for &part in &parts[1..] {
        let name = graph.unique(&format!("{}/gradient_sum", graph.node(value).name));
        total = graph.add(name, Elementwise::add(), &[total, part])?;
    }
    Ok(total)
}
