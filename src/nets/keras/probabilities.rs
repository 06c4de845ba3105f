//! Whether what a model gives are probabilities already.

use std::collections::{HashMap, HashSet};

use crate::engine::graph::{Graph, Init, Kind, Node, Operation, Role, Value, downcast};
use crate::engine::ops::{
    Activate, ChannelAffine, Curve, Elementwise, Instruction, Norm, Normalize,
};

/// Whether `value` is made of the outputs of softmax and sigmoid alone, as the mean of several heads is, and stays
/// between 0 and 1, as their sum does not: another softmax of that would be of no use.
pub(super) fn are_probabilities(graph: &Graph, value: Value) -> bool {
    let within = |[least, most]: Range| least >= -SLACK && most <= 1.0 + SLACK;
    of_probabilities(graph, value) && range(graph, value).is_none_or(within)
}

fn of_probabilities(graph: &Graph, value: Value) -> bool {
    let (mut open, mut seen, mut found) = (vec![value], HashSet::new(), false);
    while let Some(value) = open.pop() {
        if !seen.insert(value.index()) {
            continue;
        }
        let node = graph.node(value);
        match &node.kind {
            Kind::Variable(variable) if variable.role == Role::Constant => {}
            Kind::Operation(operation) => match gives_probabilities(&**operation) {
                true => found = true,
                false => open.extend(&node.inputs),
            },
            _ => return false,
        }
    }
    found
}

/// What rounding may add to a sum of shares.
const SLACK: f64 = 1e-5;

/// The least and the largest that something can be.
type Range = [f64; 2];

fn gives_probabilities(operation: &dyn Operation) -> bool {
    let softmax = downcast::<Normalize>(operation).is_some_and(|n| n.norm == Norm::Softmax);
    let curve = downcast(operation);
    softmax || matches!(curve, Some(Activate(Curve::Sigmoid | Curve::HardSigmoid { .. })))
}

/// Within what `value`, which is made of probabilities, lies; none where that is not known.
fn range(graph: &Graph, value: Value) -> Option<Range> {
    let mut known: HashMap<usize, Option<Range>> = HashMap::new();
    let mut needed = HashSet::from([value.index()]);
    // Inputs stand before what reads them.
    for (at, node) in graph.nodes().rev() {
        let ends = node.operation().is_none_or(|operation| gives_probabilities(&**operation));
        if needed.contains(&at.index()) && !ends {
            needed.extend(node.inputs.iter().map(|input| input.index()));
        }
    }
    for (at, node) in graph.nodes() {
        if needed.contains(&at.index()) {
            let inputs =
                node.inputs.iter().map(|input| known.get(&input.index()).copied().flatten());
            let inputs: Vec<Option<Range>> = inputs.collect();
            known.insert(at.index(), of_node(graph, node, &inputs));
        }
    }
    known.get(&value.index()).copied().flatten()
}

fn of_node(graph: &Graph, node: &Node, inputs: &[Option<Range>]) -> Option<Range> {
    let operation = match &node.kind {
        Kind::Variable(variable) => return all_of(&constants(&variable.init)?),
        Kind::Operation(operation) => &**operation,
        Kind::Input => return None,
    };
    if gives_probabilities(operation) {
        return Some([0.0, 1.0]);
    }
    if let Some(elementwise) = downcast::<Elementwise>(operation) {
        return of_chain(elementwise.chain()?, inputs);
    }
    if downcast::<ChannelAffine>(operation).is_some() {
        let Kind::Variable(affine) = &graph.node(node.inputs[1]).kind else { return None };
        let rows = constants(&affine.init)?;
        let (scale, shift) = rows.split_at(rows.len() / 2);
        return Some(sum(product((*inputs.first()?)?, all_of(scale)?), all_of(shift)?));
    }
    // What moves, picks and averages numbers.
    let still = ["reshape", "expand", "concat", "slice_channels", "global_pool", "pool"];
    let inputs: Vec<Range> = inputs.iter().copied().collect::<Option<_>>()?;
    let ends = inputs.iter().copied().reduce(|a, b| [a[0].min(b[0]), a[1].max(b[1])]);
    ends.filter(|_| still.contains(&operation.name()))
}

/// What the instructions make of the first input with the others, one after the other.
fn of_chain(chain: &[Instruction], inputs: &[Option<Range>]) -> Option<Range> {
    let mut inputs = inputs.iter().copied();
    let mut a = inputs.next()??;
    for instruction in chain {
        a = match *instruction {
            Instruction::Relu => a.map(|end| end.max(0.0)),
            Instruction::Scale(k) => product(a, [f64::from(k); 2]),
            Instruction::Offset(k) => sum(a, [f64::from(k); 2]),
            Instruction::Add => sum(a, inputs.next()??),
            Instruction::Subtract => sum(a, product(inputs.next()??, [-1.0; 2])),
            Instruction::Multiply => product(a, inputs.next()??),
            Instruction::Maximum => {
                let x = inputs.next()??;
                [a[0].max(x[0]), a[1].max(x[1])]
            }
            Instruction::Minimum => {
                let x = inputs.next()??;
                [a[0].min(x[0]), a[1].min(x[1])]
            }
            _ => return None,
        };
    }
    Some(a)
}

fn sum(a: Range, b: Range) -> Range {
    [a[0] + b[0], a[1] + b[1]]
}

fn product(a: Range, b: Range) -> Range {
    let ends = [a[0] * b[0], a[0] * b[1], a[1] * b[0], a[1] * b[1]];
    [
        ends.iter().copied().fold(f64::INFINITY, f64::min),
        ends.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    ]
}

/// The numbers that a constant holds.
fn constants(init: &Init) -> Option<Vec<f64>> {
    match init {
        Init::Constant(value) => Some(vec![f64::from(*value)]),
        Init::Values(values) => Some(values.iter().map(|&value| f64::from(value)).collect()),
        Init::GlorotUniform { .. } | Init::HeNormal { .. } => None,
    }
}

fn all_of(numbers: &[f64]) -> Option<Range> {
    let ends = numbers.iter().map(|&number| [number; 2]);
    ends.reduce(|a, b| [a[0].min(b[0]), a[1].max(b[1])])
}
