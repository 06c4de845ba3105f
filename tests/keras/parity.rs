//! Class scores, the CAM layer's activation, its gradient and the Grad-CAM map at full input size,
//! with weights and running statistics that are not trivial. `tests/reference/networks.py` wrote
//! the numbers, in double precision.

use parula::engine::autodiff::gradients;
use parula::engine::plan::{self, Options};
use parula::engine::session::{Session, Store};
use parula::engine::tensor::Tensor;
use parula::nets::cam;
use parula::nets::models::{self, IMAGES, Mode};

use crate::{apart, gpu, seeded};

#[derive(serde::Deserialize)]
struct Golden {
    class: usize,
    logits: Vec<f64>,
    activation: Summary,
    gradient: Summary,
    map: Map,
}

/// What is kept of a large tensor.
#[derive(serde::Deserialize)]
struct Summary {
    shape: Vec<usize>,
    largest: f64,
    mean: f64,
    norm: f64,
    samples: Vec<f64>,
}

#[derive(serde::Deserialize)]
struct Map {
    shape: Vec<usize>,
    raw: Vec<f64>,
    normalised: Vec<f64>,
}

impl Summary {
    /// The largest difference of samples, largest magnitude and mean over the largest magnitude, and
    /// of the norm over the norm.
    fn apart(&self, found: &Tensor) -> f64 {
        assert_eq!(found.dims(), self.shape);
        let mut truth = self.samples.clone();
        let mut samples = seeded::sample(found.data(), truth.len());
        let numbers = || found.data().iter().map(|&value| f64::from(value));
        let largest = numbers().fold(0.0f64, |most, value| most.max(value.abs()));
        let mean = numbers().sum::<f64>() / found.data().len() as f64;
        let norm = numbers().map(|value| value * value).sum::<f64>().sqrt();
        let norm = norm / self.norm * self.largest;
        samples.extend([largest, mean, norm].map(|value| value as f32));
        truth.extend([self.largest, self.mean, self.largest]);
        apart(&samples, &truth)
    }
}

fn explains_as_keras_does(name: &str, golden: &str) {
    let Some(gpu) = gpu() else { return };
    let golden: Golden = serde_json::from_str(golden).unwrap();
    let network = models::find(name).unwrap();
    let classes = golden.logits.len();
    let model = network.build(Mode::Inference, 1, network.input, classes).unwrap();
    let (mut graph, heads) = (model.graph, model.heads);
    let class = graph.input("class", [1, classes]).unwrap();
    let gradient = gradients(&mut graph, heads.logits, class, &[heads.cam]).unwrap()[0];
    let map = cam::grad_cam(&mut graph, heads.cam, gradient).unwrap();
    let wanted = [heads.logits, heads.cam, gradient, map];
    let plan = plan::build(&graph, &wanted, &[], gpu.capabilities(), &Options::default()).unwrap();
    let store = Store::new(&gpu, &graph, 0).unwrap();
    seeded::fill(&graph, &store, 0.0);
    let mut session = Session::new(&gpu, plan, &store).unwrap();
    session.set(IMAGES, &seeded::images(network, 0..1, network.input[0])).unwrap();
    let one_hot: Vec<f32> = (0..classes).map(|k| f32::from(u8::from(k == golden.class))).collect();
    session.set("class", &one_hot).unwrap();
    session.run().unwrap();
    let names = wanted.map(|value| graph.node(value).name.clone());
    let outputs = session.read_all(&names.each_ref().map(String::as_str)).unwrap();
    let [logits, activation, gradient, map] = &outputs[..] else { unreachable!() };

    let top = (0..classes).max_by(|&a, &b| logits.data()[a].total_cmp(&logits.data()[b]));
    assert_eq!(map.dims(), [&[1], &golden.map.shape[..], &[1]].concat());
    let most = map.data().iter().fold(0.0f32, |most, &value| most.max(value));
    let normalised: Vec<f32> = map.data().iter().map(|value| value / most).collect();
    let found = [
        ("logits", apart(logits.data(), &golden.logits), 1e-4),
        ("activation", golden.activation.apart(activation), 1e-3),
        ("gradient", golden.gradient.apart(gradient), 1e-3),
        ("map", apart(map.data(), &golden.map.raw), 1e-3),
        ("normalised map", apart(&normalised, &golden.map.normalised), 1e-3),
    ];
    let all = found.map(|(what, apart, _)| format!("{what} {apart:.1e}")).join(", ");
    println!("{name} is apart from Keras: {all}");
    assert!(found.iter().all(|(_, apart, tolerance)| apart <= tolerance), "{name}: {all}");
    assert_eq!(top, Some(golden.class), "{name}");
}

#[test]
fn nasnet_mobile_explains_as_keras_does() {
    explains_as_keras_does("nasnet-mobile", include_str!("../reference/nasnet-mobile.json"));
}

#[test]
fn mobilenet_v2_explains_as_keras_does() {
    explains_as_keras_does("mobilenet-v2", include_str!("../reference/mobilenet-v2.json"));
}

#[test]
fn densenet121_explains_as_keras_does() {
    explains_as_keras_does("densenet121", include_str!("../reference/densenet121.json"));
}

#[test]
fn resnet50_v2_explains_as_keras_does() {
    explains_as_keras_does("resnet50-v2", include_str!("../reference/resnet50-v2.json"));
}

#[test]
fn xception_explains_as_keras_does() {
    explains_as_keras_does("xception", include_str!("../reference/xception.json"));
}

#[test]
fn inception_v3_explains_as_keras_does() {
    explains_as_keras_does("inception-v3", include_str!("../reference/inception-v3.json"));
}
