//! Batch normalisation as a whole: the derivative through its own statistics, on the processor and
//! on the GPU, statistics of numbers far from zero, and fusion with what follows.

mod common {
    pub mod adapter;
}

use std::collections::HashMap;
use std::sync::Arc;

use common::adapter;
use parula::engine::autodiff::gradients;
use parula::engine::gpu::Gpu;
use parula::engine::graph::{Graph, Init, Operation, Role, Value, fuse};
use parula::engine::ops::{
    Activate, Activation, BatchNormFold, BatchNormNormalize, BatchNormStatistics, ChannelAffine,
    Curve, Elementwise, MovingAverage,
};
use parula::engine::plan::{self, Options};
use parula::engine::session::{Session, Store, evaluate};
use parula::engine::shape::Shape;
use parula::engine::tensor::Tensor;

type Given = HashMap<String, Tensor<f64>>;

const EPSILON: f32 = 1e-3;

/// The versions that the adapter can run.
fn variants(gpu: &Gpu) -> impl Iterator<Item = &'static str> {
    let all = BatchNormStatistics.variants().iter();
    all.filter(|variant| variant.needs.met_by(gpu.capabilities())).map(|variant| variant.name)
}

/// Numbers in [-1, 1) without a pattern.
fn noise(seed: u64) -> impl FnMut(usize) -> f64 {
    let mut state = seed;
    move |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(((state >> 40) as f32) / (1u64 << 23) as f32 - 1.0)
    }
}

/// x -> statistics -> normalise, activate, as a layer is built, and numbers for it.
fn layer(dims: [usize; 4], activation: Activation) -> (Graph, Given, Value, [Value; 3]) {
    let mut graph = Graph::new();
    let channels = dims[3];
    let x = graph.input("x", dims).unwrap();
    let gamma = graph.input("gamma", [channels]).unwrap();
    let beta = graph.input("beta", [channels]).unwrap();
    let stats = graph.add("statistics", BatchNormStatistics, &[x]).unwrap();
    let normalize = BatchNormNormalize::new(EPSILON);
    let mut y = graph.add("bn", normalize, &[x, stats, gamma, beta]).unwrap();
    match activation {
        Activation::None => {}
        Activation::Relu => y = graph.add("act", Elementwise::relu(), &[y]).unwrap(),
        Activation::Relu6 => y = graph.add("act", Elementwise::relu6(), &[y]).unwrap(),
        Activation::Curve(curve) => y = graph.add("act", Activate(curve), &[y]).unwrap(),
    }
    let mut given = Given::new();
    let mut wide = noise(1);
    given.insert("x".into(), Tensor::from_fn(dims, |at| 3.0 * wide(at) + 0.5));
    let mut gammas = noise(2);
    given.insert("gamma".into(), Tensor::from_fn([channels], |at| 1.0 + 0.5 * gammas(at)));
    given.insert("beta".into(), Tensor::from_fn([channels], noise(3)));
    given.insert("seed".into(), Tensor::from_fn(dims, noise(4)));
    (graph, given, y, [x, gamma, beta])
}

/// What a plan of `outputs` computes on the GPU.
fn on_gpu(
    gpu: &Arc<Gpu>,
    graph: &Graph,
    given: &Given,
    outputs: &[Value],
    variant: Option<&'static str>,
) -> Vec<Tensor> {
    let options = Options { variant, ..Options::default() };
    let plan = plan::build(graph, outputs, &[], gpu.capabilities(), &options).unwrap();
    let store = Store::new(gpu, graph, 0).unwrap();
    let mut session = Session::new(gpu, plan, &store).unwrap();
    for (name, tensor) in given {
        if session.plan().inputs.iter().any(|input| input.name == *name) {
            session.set(name, tensor.narrow().data()).unwrap();
        }
    }
    session.run().unwrap();
    let names: Vec<&str> = outputs.iter().map(|&value| graph.node(value).name.as_str()).collect();
    session.read_all(&names).unwrap()
}

fn apart(found: &Tensor, truth: &Tensor<f64>) -> f64 {
    let scale = truth.data().iter().fold(1e-3f64, |most, value| most.max(value.abs()));
    let pairs = found.data().iter().zip(truth.data());
    pairs.fold(0.0, |most, (&a, &b)| f64::max(most, (f64::from(a) - b).abs() / scale))
}

#[test]
fn the_gradient_goes_through_the_statistics() {
    let gpu = Arc::new(adapter::open());
    for dims in [[3, 2, 3, 4], [2, 3, 3, 3], [2, 1, 1, 1]] {
        let curves = [Curve::Silu, Curve::Gelu, Curve::HardSilu].map(Activation::Curve);
        let others = [Activation::None, Activation::Relu, Activation::Relu6];
        for activation in others.into_iter().chain(curves) {
            for fused in [false, true] {
                let (graph, given, y, sources) = layer(dims, activation);
                let (mut graph, y, sources) = if fused {
                    let (fused, map) = fuse(&graph, &[y], true).unwrap();
                    let moved = |value: Value| map[value.index()].unwrap();
                    (fused, moved(y), sources.map(moved))
                } else {
                    (graph, y, sources)
                };
                let operations = graph.nodes().filter(|(_, node)| node.operation().is_some());
                let unfused = 2 + usize::from(activation != Activation::None);
                assert_eq!(operations.count(), if fused { 2 } else { unfused });
                let seed = graph.input("seed", dims).unwrap();
                let found = gradients(&mut graph, y, seed, &sources).unwrap();
                let truth = evaluate(&graph, &given, &found).unwrap();
                for (&source, &gradient) in sources.iter().zip(&found) {
                    compare_with_differences(
                        &graph,
                        &given,
                        y,
                        source,
                        truth.get(gradient).unwrap(),
                    );
                }
                for variant in variants(&gpu) {
                    if !variant.starts_with("naive") && dims[3] % 4 != 0 {
                        continue;
                    }
                    let results = on_gpu(&gpu, &graph, &given, &found, Some(variant));
                    for (result, &value) in results.iter().zip(&found) {
                        let apart = apart(result, truth.get(value).unwrap());
                        assert!(apart < 1e-4, "{dims:?} {activation:?} {variant}: {apart:e}");
                    }
                }
            }
        }
    }
}

fn compare_with_differences(
    graph: &Graph,
    given: &Given,
    y: Value,
    source: Value,
    gradient: &Tensor<f64>,
) {
    let name = &graph.node(source).name;
    let score = |given: &Given| -> f64 {
        let values = evaluate(graph, given, &[y]).unwrap();
        let products = values.get(y).unwrap().data().iter().zip(given["seed"].data());
        products.map(|(a, b)| a * b).sum()
    };
    let scale = gradient.data().iter().fold(1e-3f64, |most, value| most.max(value.abs()));
    for at in 0..gradient.data().len() {
        let shifted = |by: f64| {
            let mut given = given.clone();
            given.get_mut(name).unwrap().data_mut()[at] += by;
            score(&given)
        };
        let step = 1e-5;
        let numeric = (shifted(step) - shifted(-step)) / (2.0 * step);
        let apart = (numeric - gradient.data()[at]).abs() / scale;
        assert!(apart < 1e-5, "{name} {at}: {} or {numeric}", gradient.data()[at]);
    }
}

/// Far from zero and close together, E[x^2] - E[x]^2 in single precision is noise.
#[test]
fn a_large_mean_costs_the_variance_no_digits() {
    let gpu = Arc::new(adapter::open());
    let dims = [8, 31, 33, 12];
    let mut graph = Graph::new();
    let x = graph.input("x", dims).unwrap();
    let stats = graph.add("statistics", BatchNormStatistics, &[x]).unwrap();
    let mut random = noise(5);
    // Uniform with deviation 0.1, rounded to what the GPU is given.
    let x = Tensor::from_fn(dims, |at| f64::from((100.0 + 0.1 * 3f64.sqrt() * random(at)) as f32));
    let rows = (dims[0] * dims[1] * dims[2]) as f32;
    let (sum, squares) = x
        .data()
        .iter()
        .step_by(dims[3])
        .fold((0.0f32, 0.0f32), |(a, b), &x| (a + x as f32, b + (x * x) as f32));
    let naive = f64::from(squares / rows - (sum / rows).powi(2));
    let given = Given::from([("x".to_owned(), x)]);
    let truth = evaluate(&graph, &given, &[stats]).unwrap();
    let truth = truth.get(stats).unwrap().data();
    assert!((naive / truth[dims[3]] - 1.0).abs() > 0.1, "the test is too easy: {naive}");
    for variant in variants(&gpu) {
        let found = on_gpu(&gpu, &graph, &given, &[stats], Some(variant)).remove(0);
        for channel in 0..dims[3] {
            let mean = f64::from(found.data()[channel]) - truth[channel];
            let variance =
                f64::from(found.data()[dims[3] + channel]) / truth[dims[3] + channel] - 1.0;
            assert!(mean.abs() < 2e-5, "{variant} {channel}: mean {mean:e} apart");
            assert!(variance.abs() < 1e-4, "{variant} {channel}: variance {variance:e} apart");
        }
    }
}

/// The same bits every time.
#[test]
fn sums_are_deterministic() {
    let gpu = Arc::new(adapter::open());
    let dims = [4, 40, 40, 8];
    let (mut graph, given, y, sources) = layer(dims, Activation::Relu);
    let seed = graph.input("seed", dims).unwrap();
    let found = gradients(&mut graph, y, seed, &sources).unwrap();
    let first = on_gpu(&gpu, &graph, &given, &found, None);
    for _ in 0..3 {
        assert_eq!(on_gpu(&gpu, &graph, &given, &found, None), first);
    }
}

/// In inference the statistics are numbers that persist, and the layer is a scale and a shift.
#[test]
fn the_folded_layer_equals_the_layer() {
    let dims = [2, 3, 4, 5];
    let (mut graph, given, y, [x, gamma, beta]) = layer(dims, Activation::Relu);
    let stats = graph.find("statistics").unwrap();
    let mut graph_given = given.clone();
    let known = evaluate(&graph, &given, &[stats]).unwrap().get(stats).unwrap().clone();
    let (mean, variance) = known.data().split_at(dims[3]);
    for (name, row) in [("mean", mean), ("variance", variance)] {
        let row = Tensor::new([dims[3]], row.to_vec()).unwrap();
        graph_given.insert(name.to_owned(), row);
    }
    let mean = graph.input("mean", [dims[3]]).unwrap();
    let variance = graph.input("variance", [dims[3]]).unwrap();
    let fold = BatchNormFold { epsilon: EPSILON };
    let affine = graph.add("fold", fold, &[gamma, beta, mean, variance]).unwrap();
    let operation = ChannelAffine { activation: Activation::None };
    let affine = graph.add("affine", operation, &[x, affine]).unwrap();
    let relu = graph.add("relu", Elementwise::relu(), &[affine]).unwrap();
    let values = evaluate(&graph, &graph_given, &[y, relu]).unwrap();
    let (a, b) = (values.get(y).unwrap(), values.get(relu).unwrap());
    assert!(a.data().iter().zip(b.data()).all(|(a, b)| (a - b).abs() < 1e-12));
    // Fused or not, the GPU computes the same.
    let found = on_gpu(&Arc::new(adapter::open()), &graph, &graph_given, &[relu], None).remove(0);
    assert!(apart(&found, b) < 1e-5);
}

/// Moving averages of two layers' statistics lie in one buffer with everything else of that role.
#[test]
fn moving_averages_follow_the_statistics() {
    let gpu = Arc::new(adapter::open());
    let mut graph = Graph::new();
    let mut given = Given::new();
    let mut updates = Vec::new();
    let mut expected = Vec::new();
    for (layer, channels) in [("a", 3), ("b", 70)] {
        let name = |what: &str| format!("{layer}/{what}");
        let x = graph.input(name("x"), [2, 3, 3, channels]).unwrap();
        let numbers = Tensor::from_fn([2, 3, 3, channels], noise(channels as u64));
        let stats = graph.add(name("statistics"), BatchNormStatistics, &[x]).unwrap();
        let known = BatchNormStatistics.reference(&[&numbers]).remove(0);
        let mut moving = |what: &str, start: f32, row: usize| {
            let shape = Shape::from([channels]);
            let init = Init::Constant(start);
            let value = graph.variable(name(what), shape, Role::State, init).unwrap();
            let statistic = &known.data()[row * channels..(row + 1) * channels];
            // Two runs from the start: 0.9 * (0.9 * start + 0.1 s) + 0.1 s.
            let after = statistic.iter().map(|s| 0.81 * f64::from(start) + 0.19 * s).collect();
            expected.push((name(what), Tensor::new([channels], after).unwrap()));
            value
        };
        let (mean, variance) = (moving("mean", 0.0, 0), moving("variance", 1.0, 1));
        let average = MovingAverage { momentum: 0.9 };
        updates.push(graph.add(name("average"), average, &[mean, variance, stats]).unwrap());
        given.insert(name("x"), numbers);
    }
    let options = Options::default();
    let plan = plan::build(&graph, &[], &updates, gpu.capabilities(), &options).unwrap();
    let store = Store::new(&gpu, &graph, 0).unwrap();
    let mut session = Session::new(&gpu, plan, &store).unwrap();
    for (name, tensor) in &given {
        session.set(name, tensor.narrow().data()).unwrap();
    }
    session.run().unwrap();
    session.run().unwrap();
    for (name, expected) in expected {
        let found = store.get(std::slice::from_ref(&name)).unwrap().remove(0);
        let apart = apart(&found, &expected);
        assert!(apart < 1e-5, "{name}: {apart:e}");
    }
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    let [x, stats, vector] = [Shape::from([2, 3, 3, 4]), Shape::from([2, 4]), Shape::from([3])];
    let normalize = BatchNormNormalize::new(EPSILON);
    let error = normalize.infer(&[&x, &stats, &vector, &vector]).unwrap_err().to_string();
    assert!(error.contains("gamma must be 4, was given 3"), "{error}");
    let error = BatchNormStatistics.infer(&[&Shape::from([0, 3, 3, 4])]).unwrap_err().to_string();
    assert!(error.contains("with elements"), "{error}");
}
