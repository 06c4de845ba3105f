//! The shapes that networks need: every operation of their plans, each once, as cases to be timed.

use std::collections::HashMap;

use super::{Phase, PhaseGraph};
use crate::engine::ops::{Case, Fill, REGISTRY, choice_key};
use crate::engine::plan::Work;
use crate::engine::shape::Shape;
use crate::error::Result;
use crate::nets::models::Network;

/// An operation on shapes, and who needs it.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The case: named after the first layer that needs it.
    pub case: Case,
    /// What stands for it among [`Choices`](crate::engine::kernel::Choices).
    pub key: String,
    /// Network and layer of all that need it, `xception/block2_sepconv1`.
    pub layers: Vec<String>,
    /// The first network that needs it, if any does.
    pub network: Option<&'static str>,
}

/// A case of no network.
impl From<Case> for Layer {
    fn from(case: Case) -> Self {
        let shapes: Vec<&Shape> = case.inputs.iter().map(|(shape, _)| shape).collect();
        let key = choice_key(case.operation.as_ref(), &shapes);
        Layer { layers: vec![case.name.clone()], case, key, network: None }
    }
}

/// The distinct operations of the `phases` of `networks`, for `batch` images of their usual size or of
/// `size`, in the order of the plans.
///
/// # Errors
/// [`Error::Shape`](crate::error::Error::Shape) when the input is too small for a network.
pub fn layers(
    networks: &[&'static Network],
    phases: &[Phase],
    batch: usize,
    size: Option<[usize; 2]>,
) -> Result<Vec<Layer>> {
    let known: Vec<Case> = REGISTRY.iter().flat_map(|entry| (entry.cases)()).collect();
    let (mut found, mut at): (Vec<Layer>, HashMap<String, usize>) = (Vec::new(), HashMap::new());
    for network in networks {
        for &phase in phases {
            let size = size.unwrap_or(network.input);
            for work in PhaseGraph::new(network, phase, batch, size)?.operations()? {
                let shapes: Vec<&Shape> = work.inputs.iter().collect();
                let key = choice_key(work.operation.as_ref(), &shapes);
                let layer = format!("{}/{}", network.name, work.layer);
                let index = *at.entry(key.clone()).or_insert(found.len());
                match found.get_mut(index) {
                    // The same layer is there once more in every phase.
                    Some(same) if same.layers.contains(&layer) => {}
                    Some(same) => same.layers.push(layer),
                    None => {
                        let case = case(&layer, work, &known);
                        let network = Some(network.name);
                        found.push(Layer { case, key, layers: vec![layer], network });
                    }
                }
            }
        }
    }
    Ok(found)
}

/// `work` as a case, filled as the `known` cases of its operation are.
fn case(layer: &str, work: Work, known: &[Case]) -> Case {
    let shown: Vec<String> = work.inputs.iter().map(|shape| shape.to_string()).collect();
    let name = format!("{layer}, {} of {}", work.operation.describe(), shown.join(", "));
    let alike = |case: &&Case| {
        let ranks = case.inputs.iter().zip(&work.inputs);
        case.operation.name() == work.operation.name()
            && case.inputs.len() == work.inputs.len()
            && ranks.into_iter().all(|((shape, _), own)| shape.rank() == own.rank())
    };
    // Numbers in one input may go with the operation's parameters: an optimiser's with its rule.
    let same = |case: &&Case| alike(case) && case.operation.describe() == work.operation.describe();
    let alike = known.iter().find(same).or_else(|| known.iter().find(alike));
    // Where no case is alike, numbers that every function takes.
    let fill = |index: usize| alike.map_or(Fill::Uniform(0.1, 1.0), |case| case.inputs[index].1);
    Case {
        name,
        inputs: work.inputs.into_iter().enumerate().map(|(at, shape)| (shape, fill(at))).collect(),
        operation: work.operation,
        tolerance: alike.map_or(1e-5, |case| case.tolerance),
        differentiate: Vec::new(),
        dense: work.variables,
        bench_only: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::models;

    #[test]
    fn a_network_s_operations_are_there_once_forward_and_backward() {
        let network = models::find("compact-xception").unwrap();
        let only = |phases: &[Phase]| layers(&[network], phases, 2, Some([32, 32])).unwrap();
        let forward = only(&[Phase::Forward]);
        let all = only(&[Phase::Forward, Phase::TrainingStep]);
        let has = |layers: &[Layer], name: &str| {
            layers.iter().any(|layer| layer.case.operation.name() == name)
        };
        assert!(has(&forward, "conv2d") && !has(&forward, "conv2d_weight_gradient"));
        for name in ["conv2d_input_gradient", "depthwise_conv2d_weight_gradient"] {
            assert!(has(&all, name), "{name}");
        }
        let mut keys: Vec<&String> = all.iter().map(|layer| &layer.key).collect();
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count, "each is there once");
        assert!(all.iter().any(|layer| layer.layers.len() > 1), "blocks repeat");
        for layer in &all {
            let shapes: Vec<&Shape> = layer.case.inputs.iter().map(|(shape, _)| shape).collect();
            layer.case.operation.infer(&shapes).unwrap();
        }
    }
}
