//! The layers of a network one by one, with what is needed to compute each by hand.

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::engine::graph::{Graph, Kind, Node, Value, downcast};
use crate::engine::ops::{
    BatchNormFold, ChannelAffine, Conv2d, Dense, DepthwiseConv2d, Elementwise, GlobalAveragePool,
    Instruction, Pool, PoolKind, Window,
};
use crate::nets::models::{IMAGES, Model};

/// One node between the images and the scores.
#[derive(Clone, Debug, Serialize)]
pub struct Layer {
    /// As in the network's file; that of the node where a layer is several of them.
    pub name: String,
    /// Keras's class, or what the node computes.
    pub operation: String,
    /// The layers that it reads.
    pub inputs: Vec<String>,
    /// Without the batch: (h, w, c) or (c).
    pub shape: Vec<usize>,
    /// Whether it is a map whose gradient the plan keeps.
    pub explainable: bool,
    /// Whether the plan keeps its values.
    pub kept: bool,
    /// Numbers in its weights.
    pub parameters: usize,
    /// What it computes, by `kind`: see `docs/plan-format.md`.
    pub details: Json,
    /// Its node in the graph, by which the steps of a plan are called.
    pub node: String,
    /// The same as a handle.
    #[serde(skip)]
    pub value: Value,
}

/// The layers of `model` that the scores are made of, in order, the images first.
pub fn layers(model: &Model) -> Vec<Layer> {
    let graph = &model.graph;
    let of_pictures = of_pictures(graph);
    let needed = needed(graph, model.heads.logits);
    let images = graph.find(IMAGES);
    let name_of = |value: Value| {
        if Some(value) == images {
            return IMAGES.to_owned();
        }
        let layer = model.layers.iter().find(|layer| layer.output == value);
        layer.map_or_else(|| graph.node(value).name.clone(), |layer| layer.name.clone())
    };
    let mut layers = Vec::new();
    for (value, node) in graph.nodes() {
        if !of_pictures[value.index()] || !needed[value.index()] {
            continue;
        }
        let layer = model.layers.iter().find(|layer| layer.output == value);
        let operation = node.operation();
        layers.push(Layer {
            name: name_of(value),
            operation: match (layer, operation) {
                (Some(layer), _) => layer.class.to_owned(),
                (None, Some(operation)) => operation.describe(),
                (None, None) => "InputLayer".to_owned(),
            },
            inputs: node
                .inputs
                .iter()
                .filter(|input| of_pictures[input.index()])
                .map(|&input| name_of(input))
                .collect(),
            shape: graph.shape(value).dims().get(1..).unwrap_or_default().to_vec(),
            explainable: operation.is_some() && graph.shape(value).rank() == 4,
            kept: true,
            parameters: variables(graph, node)
                .map(|variable| graph.shape(variable).elements())
                .sum(),
            details: details(graph, node),
            node: node.name.clone(),
            value,
        });
    }
    layers
}

/// Which nodes are made of the pictures.
fn of_pictures(graph: &Graph) -> Vec<bool> {
    let mut of_pictures = vec![false; graph.nodes().len()];
    if let Some(images) = graph.find(IMAGES) {
        of_pictures[images.index()] = true;
    }
    for (value, node) in graph.nodes() {
        if node.inputs.iter().any(|input| of_pictures[input.index()]) {
            of_pictures[value.index()] = true;
        }
    }
    of_pictures
}

/// Which nodes `target` is made of.
fn needed(graph: &Graph, target: Value) -> Vec<bool> {
    let mut needed = vec![false; graph.nodes().len()];
    needed[target.index()] = true;
    for (value, node) in graph.nodes().rev() {
        if needed[value.index()] {
            node.inputs.iter().for_each(|input| needed[input.index()] = true);
        }
    }
    needed
}

/// The variables that a node reads, those of a normalisation that is folded among them.
fn variables<'a>(graph: &'a Graph, node: &'a Node) -> impl Iterator<Item = Value> + 'a {
    let is_variable = |value: &Value| matches!(graph.node(*value).kind, Kind::Variable(_));
    let folded = node.inputs.iter().flat_map(|&input| folds(graph, input)).flat_map(|n| &n.inputs);
    node.inputs.iter().chain(folded).copied().filter(is_variable)
}

/// The node `value`, where it folds a batch normalisation.
fn folds(graph: &Graph, value: Value) -> Option<&Node> {
    let node = graph.node(value);
    node.operation().and_then(|operation| downcast::<BatchNormFold>(&**operation)).map(|_| node)
}

fn details(graph: &Graph, node: &Node) -> Json {
    let Some(operation) = node.operation() else { return json!({"kind": "input"}) };
    let variable = |at: usize| {
        let value = node.inputs.get(at).copied();
        value.map(|value| graph.node(value)).filter(|n| matches!(n.kind, Kind::Variable(_)))
    };
    let name = |at: usize| variable(at).map(|node| node.name.clone());
    let window = |kind: &str, window: &Window| {
        let size = graph.shape(node.inputs[0]).nhwc().unwrap_or([1; 4]);
        let before = window.on(kind, [size[1], size[2]]).map_or([0; 2], |on| on.before);
        let mut found = Map::new();
        found.insert("kind".into(), json!(kind));
        found.insert("kernel".into(), json!(window.size));
        found.insert("stride".into(), json!(window.stride));
        found.insert("dilation".into(), json!(window.dilation));
        found.insert("pad".into(), json!(before));
        found
    };
    let operation = &**operation;
    let other = || json!({"kind": operation.name(), "what": operation.describe()});
    if let Some(conv) = downcast::<Conv2d>(operation) {
        let mut found = window("conv2d", &conv.window());
        found.insert("groups".into(), json!(conv.groups()));
        found.insert("weights".into(), json!(name(1)));
        found.insert("bias".into(), json!(name(2)));
        return Json::Object(found);
    }
    if let Some(conv) = downcast::<DepthwiseConv2d>(operation) {
        let mut found = window("depthwise_conv2d", &conv.window());
        found.insert("weights".into(), json!(name(1)));
        found.insert("bias".into(), json!(name(2)));
        return Json::Object(found);
    }
    if let Some(pool) = downcast::<Pool>(operation) {
        let kind = match pool.kind {
            PoolKind::Max | PoolKind::Largest => "max_pool",
            PoolKind::Average => "average_pool",
        };
        return Json::Object(window(kind, &pool.window));
    }
    if downcast::<Dense>(operation).is_some() {
        return json!({"kind": "dense", "weights": name(1), "bias": name(2)});
    }
    if downcast::<GlobalAveragePool>(operation).is_some() {
        return json!({"kind": "global_average_pool"});
    }
    if let Some(chain) = downcast::<Elementwise>(operation).and_then(Elementwise::chain) {
        let chain: Vec<Json> = chain.iter().map(instruction).collect();
        return json!({"kind": "elementwise", "chain": chain});
    }
    let fold = node.inputs.get(1).and_then(|&input| folds(graph, input));
    match (downcast::<ChannelAffine>(operation), fold) {
        (Some(_), Some(fold)) => {
            let epsilon = fold.operation().and_then(|one| downcast::<BatchNormFold>(&**one));
            let names: Vec<&str> =
                fold.inputs.iter().map(|&input| graph.node(input).name.as_str()).collect();
            match names[..] {
                [gamma, beta, mean, variance] => json!({
                    "kind": "batch_norm", "gamma": gamma, "beta": beta, "mean": mean,
                    "variance": variance, "epsilon": epsilon.map(|fold| fold.epsilon),
                }),
                _ => other(),
            }
        }
        _ => other(),
    }
}

fn instruction(instruction: &Instruction) -> Json {
    match instruction {
        Instruction::Relu => json!("relu"),
        Instruction::Relu6 => json!("relu6"),
        Instruction::Add => json!("add"),
        Instruction::Subtract => json!("subtract"),
        Instruction::Multiply => json!("multiply"),
        Instruction::Maximum => json!("maximum"),
        Instruction::Minimum => json!("minimum"),
        Instruction::Scale(by) => json!({"scale": by}),
        Instruction::Offset(by) => json!({"offset": by}),
        Instruction::WherePositive
        | Instruction::WhereInside6
        | Instruction::WhereNotNegative
        | Instruction::WhereNegative => json!("where"),
    }
}
