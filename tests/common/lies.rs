//! The graphs in which every case of every operation is tried: on tensors of its own, and within wider ones.
//!
//! `tests/kernels.rs` runs them on the adapter at hand, `examples/pipelines` writes them for browsers.

use std::collections::HashMap;

use parula::engine::graph::{Graph, Init, Role, Value, Variant};
use parula::engine::ops::{Case, Concat, Copy, Elementwise, Instruction, SliceChannels};
use parula::engine::shape::Shape;
use parula::engine::tensor::Tensor;

/// How the tensors of a case lie in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lie {
    /// On their own.
    Dense,
    /// Activations are channels `start..` of wider tensors, and so is the output.
    Within {
        /// The first channel.
        start: usize,
        /// How many channels there are besides.
        wider: usize,
    },
}

/// All that are tried.
pub const LIES: [Lie; 3] =
    [Lie::Dense, Lie::Within { start: 4, wider: 8 }, Lie::Within { start: 3, wider: 5 }];

/// What stands beside inputs, in 32 bits: it is not part of them, and must not matter.
pub const OUTSIDE: f64 = 1e6;

/// Beside the output stand numbers from 1 down to one of so many parts of 1, which 16 bits hold, too: no larger than
/// results are, by whose size differences are judged.
pub const PARTS: usize = 1024;

/// What a variant says of a shape that it leaves to another.
pub const UNSUPPORTED: [&str; 5] = [
    "takes channels in fours",
    "takes channels that are not in fours",
    "takes one group of channels",
    "takes subgroups of four lanes or more",
    "and this driver stops after",
];

/// How a variant's tensors lie in its cases: all sizes of a tile share their indices.
pub fn lies_of(variant: &Variant) -> &'static [Lie] {
    if variant.name == variant.family { &LIES } else { &LIES[..1] }
}

/// The graph of a case, with the numbers of its inputs, and the value to compare. `half`: activations
/// come from another kernel and go to one, so that they can be stored in 16 bits, which their numbers
/// need no more than.
pub fn build(
    case: &Case,
    lie: Lie,
    half: bool,
) -> (Graph, HashMap<String, Tensor<f64>>, Value, Vec<Value>) {
    let mut graph = Graph::new();
    let mut given = HashMap::new();
    let updates = case.operation.updates();
    let mut inputs = Vec::new();
    let outside = if half { 6e4 } else { OUTSIDE };
    for (index, mut tensor) in case.tensors(7).into_iter().enumerate() {
        let name = format!("input_{index}");
        if half {
            tensor.data_mut().iter_mut().for_each(|value| *value = rounded(*value));
        }
        let shape = tensor.shape().clone();
        let lie = if case.dense.contains(&index) { Lie::Dense } else { lie };
        let value = match (lie, shape.nhwc()) {
            _ if updates.contains(&index) => {
                given.insert(name.clone(), tensor);
                graph.variable(name, shape, Role::Optimizer, Init::Constant(0.0)).unwrap()
            }
            (Lie::Within { start, wider }, Some([n, h, w, c])) => {
                let wide = Tensor::from_fn([n, h, w, c + wider], |at| {
                    let (row, channel) = (at / (c + wider), at % (c + wider));
                    let inside = channel >= start && channel < start + c;
                    if inside { tensor.data()[row * c + channel - start] } else { outside }
                });
                given.insert(name.clone(), wide);
                let mut wide = graph.input(name, [n, h, w, c + wider]).unwrap();
                if half {
                    wide = stored(&mut graph, wide);
                }
                let slice = SliceChannels { start, count: c };
                graph.add(format!("slice_{index}"), slice, &[wide]).unwrap()
            }
            _ => {
                given.insert(name.clone(), tensor);
                let value = graph.input(name, shape).unwrap();
                if half { stored(&mut graph, value) } else { value }
            }
        };
        inputs.push(value);
    }
    let lie = if case.dense.contains(&inputs.len()) { Lie::Dense } else { lie };
    let shapes: Vec<&Shape> = inputs.iter().map(|&value| graph.shape(value)).collect();
    let pixels = case.operation.infer(&shapes).unwrap().nhwc();
    let sides: Option<[Value; 2]> = match (lie, pixels, updates) {
        // They are copied there before the kernel that is tried: after it, a copy would hide what that has written beside
        // its result. A copy has one variant, so none that is asked for keeps it from lying anywhere.
        (Lie::Within { start, wider }, Some([n, h, w, _]), []) => {
            let mut side = |index: usize, c: usize| {
                let name = format!("side_{index}");
                let part = |at: usize| (at % PARTS + 1) as f64 / PARTS as f64;
                given.insert(name.clone(), Tensor::from_fn([n, h, w, c], part));
                let side = graph.input(name.clone(), [n, h, w, c]).unwrap();
                graph.add(format!("{name}/before"), Copy, &[side]).unwrap()
            };
            Some([side(0, start), side(1, wider - start)])
        }
        _ => None,
    };
    let mut output = graph.add_shared("output", case.operation.clone(), &inputs).unwrap();
    if let Some([left, right]) = sides {
        output = graph.add("concat", Concat, &[left, output, right]).unwrap();
    }
    if half && updates.is_empty() {
        output = stored(&mut graph, output);
    }
    (graph, given, output, inputs)
}

/// `value` as another kernel has stored it.
pub fn stored(graph: &mut Graph, value: Value) -> Value {
    let name = graph.unique(&format!("{}/stored", graph.node(value).name));
    graph.add(name, Elementwise::one(Instruction::Scale(1.0)), &[value]).unwrap()
}

/// The nearest number that 16 bits can hold.
pub fn rounded(value: f64) -> f64 {
    let exponent = value.abs().log2().floor().max(-14.0);
    let step = (exponent - 10.0).exp2();
    if value == 0.0 { value } else { (value / step).round() * step }
}
