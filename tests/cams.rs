//! Every method of `parula::nets::cam` against Keras and NumPy in double precision, and what all of them
//! promise: batches, both signs, normalisations, and errors that say what to try.
//! `tests/reference/cam.py` wrote the numbers.

#[path = "keras/seeded.rs"]
mod seeded;

use std::sync::{Arc, OnceLock};

use parula::engine::gpu::{self, Choice, Gpu};
use parula::engine::session::Store;
use parula::engine::tensor::Tensor;
use parula::error::Error;
use parula::lab::metrics::baselines::Baseline as Trivial;
use parula::nets::cam::Stepper;
use parula::nets::cam::dice;
use parula::nets::cam::normalise::{Normalisation, levels};
use parula::nets::cam::{
    Baseline, Explainer, Explanation, Fusion, METHODS, Method, Request, Settings, find,
};
use parula::nets::images::Grey;
use parula::nets::models::{self, Mode, Model};
use parula::{Classifier, Colour};

/// As in the script.
const NETWORK: &str = "mobilenet-v2";
const SIZE: usize = 96;
const SMALL: usize = 32;
const CLASSES: usize = 10;
const EARLY: &str = "block_6_expand_relu";
const TOLERANCE: f64 = 1e-3;

#[derive(serde::Deserialize)]
struct Golden {
    logits: Vec<f64>,
    small_logits: Vec<f64>,
    maps: Vec<Map>,
}

#[derive(Clone, serde::Deserialize)]
struct Map {
    method: String,
    layers: Vec<String>,
    class: usize,
    sign: i32,
    #[serde(default)]
    baseline: Option<String>,
    #[serde(default)]
    background: bool,
    /// Whether two channels of the first block are 0 everywhere.
    #[serde(default)]
    dead: bool,
    /// Whether the image is small.
    #[serde(default)]
    small: bool,
    shape: Vec<usize>,
    largest: f64,
    mean: f64,
    samples: Vec<f64>,
}

fn golden() -> Golden {
    let read = |text| serde_json::from_str::<Golden>(text).unwrap();
    let (mut all, large) = (
        read(include_str!("reference/cams.json")),
        read(include_str!("reference/cams-large.json")),
    );
    assert_eq!(all.logits, large.logits, "the two are of one run");
    assert_eq!(all.small_logits, large.small_logits, "the two are of one run");
    all.maps.extend(large.maps);
    all
}

/// The adapter at hand, one for all tests, so that a kernel is compiled once; `None`, and why, where
/// there is none at all.
fn gpu() -> Option<Arc<Gpu>> {
    static GPU: OnceLock<Option<Arc<Gpu>>> = OnceLock::new();
    GPU.get_or_init(open).clone()
}

fn open() -> Option<Arc<Gpu>> {
    let adapter = std::env::var("PARULA_ADAPTER").ok();
    let named = adapter.is_some();
    match gpu::open(&Choice { adapter, ..Choice::default() }) {
        Ok(gpu) => Some(Arc::new(gpu)),
        Err(Error::Adapter { problem, .. }) if !named => {
            println!("SKIPPED: {problem}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// MobileNetV2 for batches of two images of one size, with seeded weights; `dead`: two channels of its first
/// block are 0 everywhere, as some of a trained network's are.
fn network(gpu: &Arc<Gpu>, size: usize, dead: bool) -> (Model, Store) {
    let network = models::find(NETWORK).unwrap();
    let model = network.build(Mode::Inference, 2, [size; 2], CLASSES).unwrap();
    let store = Store::new(gpu, &model.graph, 0).unwrap();
    seeded::fill(&model.graph, &store, 0.0);
    if dead {
        let name = "expanded_conv_depthwise_BN/beta";
        let mut beta = store.get(&[name.to_owned()]).unwrap().remove(0);
        (beta.data_mut()[3], beta.data_mut()[7]) = (-20.0, -20.0);
        store.set(name, &beta).unwrap();
    }
    (model, store)
}

/// Image number `index`, scaled.
fn image(index: usize, size: usize) -> Vec<f32> {
    seeded::images(models::find(NETWORK).unwrap(), index..index + 1, size)
}

fn settings(method: &'static Method) -> Settings {
    let (patch, stride) = (Some(25), Some(20));
    // As in tests/reference/cam.py, which says why: no unit is near to a kink of its ReLU6.
    let (samples, seed) = match method.name {
        "smoothgrad" => (6, 18),
        "integrated-gradients" => (4, 0),
        "gradientshap" => (6, 1019),
        _ => (6, 3),
    };
    Settings { samples: Some(samples), patch, stride, seed, ..Settings::new(method) }
}

fn explain(
    gpu: &Arc<Gpu>,
    settings: &Settings,
    classes: &[usize],
) -> Result<Vec<Explanation>, Error> {
    explain_network(gpu, network(gpu, SIZE, false), SIZE, settings, classes)
}

fn explain_network(
    gpu: &Arc<Gpu>,
    (model, store): (Model, Store),
    size: usize,
    settings: &Settings,
    classes: &[usize],
) -> Result<Vec<Explanation>, Error> {
    let mut explainer = Explainer::new(gpu, model, &store, settings, size * size)?;
    let image = image(0, size);
    let request =
        |&class| Request { image: &image, class: Some(class), size: [20, 30], mask: None };
    let requests: Vec<Request> = classes.iter().map(request).collect();
    explainer.explain(&requests)
}

/// How far `found` is from what Keras has, over the largest magnitude.
fn apart(found: &Tensor, truth: &Map) -> f64 {
    assert_eq!(found.dims(), truth.shape, "{}", truth.method);
    let numbers = || found.data().iter().map(|&value| f64::from(value));
    let samples = match numbers().len() == truth.samples.len() {
        true => found.data().to_vec(),
        false => seeded::sample(found.data(), truth.samples.len()),
    };
    let largest = numbers().fold(0.0f64, |most, value| most.max(value.abs()));
    let mean = numbers().sum::<f64>() / numbers().len() as f64;
    let mut pairs = vec![(largest, truth.largest), (mean, truth.mean)];
    pairs.extend(samples.iter().map(|&value| f64::from(value)).zip(truth.samples.iter().copied()));
    // Unlike `f64::max`, this keeps what is not a number.
    pairs.iter().fold(0.0, |most, (found, truth_value)| {
        let apart = (found - truth_value).abs() / truth.largest;
        if most >= apart || most.is_nan() { most } else { apart }
    })
}

fn agrees_with_keras(name: &str) {
    let Some(gpu) = gpu() else { return };
    let Golden { logits, small_logits, maps } = golden();
    let method = find(name).unwrap();
    let mut left: Vec<Map> = maps.into_iter().filter(|map| map.method == name).collect();
    assert!(left.len() >= 2, "{name} has {} goldens", left.len());
    let (mut worst, mut count) = (0.0f64, 0);
    while let Some(first) = left.first().cloned() {
        // Both signs and all classes of the same arguments come from one explainer.
        let same = |map: &Map| {
            (&map.layers, &map.baseline, map.background)
                == (&first.layers, &first.baseline, first.background)
        };
        let (now, later): (Vec<Map>, Vec<Map>) = left.into_iter().partition(same);
        left = later;
        let mut classes: Vec<usize> = now.iter().map(|map| map.class).collect();
        classes.dedup();
        let (size, logits) = if first.small { (SMALL, &small_logits) } else { (SIZE, &logits) };
        let other = image(1, size);
        let half: Vec<f32> = other.iter().map(|value| 0.5 * value).collect();
        let settings = Settings {
            layers: first.layers.clone(),
            baseline: first.baseline.as_ref().map(|_| Baseline::Zero),
            background: if first.background { vec![other, half] } else { Vec::new() },
            both: true,
            ..settings(method)
        };
        let network = network(&gpu, size, first.dead);
        let found = explain_network(&gpu, network, size, &settings, &classes).unwrap();
        for truth in now {
            let at = classes.iter().position(|&class| class == truth.class).unwrap();
            let scores = found[at].logits.iter().zip(logits);
            let scores: Vec<(f64, f64)> = scores.map(|(a, b)| (f64::from(*a), *b)).collect();
            let same = scores.iter().all(|(a, b)| (a - b).abs() < 1e-3);
            assert!(same != truth.dead, "{scores:?}");
            let cut = |map: &Tensor| match method.relu {
                true => Tensor::from_fn(map.shape().clone(), |index| map.data()[index].max(0.0)),
                false => map.clone(),
            };
            let map = match truth.sign {
                1 => found[at].map.clone(),
                _ => cut(found[at].opposite.as_ref().unwrap()),
            };
            let apart = apart(&map, &truth);
            let what = format!("{name} {:?} class {}", truth.layers, truth.class);
            assert!(apart <= TOLERANCE, "{what}, sign {}: {apart:.1e} apart", truth.sign);
            worst = worst.max(apart);
            count += 1;
        }
    }
    println!("{name}: {count} maps are at most {worst:.1e} apart from Keras");
}

macro_rules! against_keras {
    ($($test:ident: $method:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            agrees_with_keras($method);
        })*

        #[test]
        fn every_method_is_held_against_keras() {
            let tested = [$($method),*];
            for method in METHODS {
                assert!(tested.contains(&method.name), "{} has no test", method.name);
            }
        }
    };
}

against_keras![
    cam_is_keras: "cam",
    gradcam_is_keras: "gradcam",
    hirescam_is_keras: "hirescam",
    gradcam_plus_plus_is_keras: "gradcam++",
    xgradcam_is_keras: "xgradcam",
    layercam_is_keras: "layercam",
    scorecam_is_keras: "scorecam",
    ablationcam_is_keras: "ablationcam",
    eigencam_is_keras: "eigencam",
    activation_is_keras: "activation",
    saliency_is_keras: "saliency",
    smoothgrad_is_keras: "smoothgrad",
    integrated_gradients_is_keras: "integrated-gradients",
    gradient_x_input_is_keras: "gradient-x-input",
    guided_backprop_is_keras: "guided-backprop",
    gradientshap_is_keras: "gradientshap",
    occlusion_is_keras: "occlusion",
];

#[test]
fn the_sign_of_the_settings_is_the_opposite_of_the_other() {
    let Some(gpu) = gpu() else { return };
    for name in ["layercam", "occlusion"] {
        let both = Settings { both: true, ..settings(find(name).unwrap()) };
        let against = Settings { sign: -1.0, ..both.clone() };
        let both = explain(&gpu, &both, &[4]).unwrap().remove(0);
        let against = explain(&gpu, &against, &[4]).unwrap().remove(0);
        assert_eq!(both.opposite.unwrap().data(), against.signed.data(), "{name}");
        assert_eq!(both.signed.data(), against.opposite.unwrap().data(), "{name}");
    }
}

#[test]
fn maps_of_several_layers_are_combined_as_asked() {
    let Some(gpu) = gpu() else { return };
    // Two layers of one size: nothing is resized.
    let layers = ["out_relu", "block_16_depthwise_relu"].map(str::to_owned);
    let of = |layers: &[String], fusion| {
        let of = settings(find("activation").unwrap());
        let settings = Settings { layers: layers.to_vec(), fusion, ..of };
        explain(&gpu, &settings, &[4]).unwrap().remove(0).map.data().to_vec()
    };
    let alone = layers.each_ref().map(|layer| {
        let map = of(std::slice::from_ref(layer), Fusion::Max);
        let most = map.iter().copied().fold(0.0, f32::max);
        assert!(most > 0.0, "{layer} shows nothing");
        map.iter().map(|value| value / most).collect::<Vec<f32>>()
    });
    type Combine = fn(f32, f32) -> f32;
    let ways: [(Fusion, Combine); 3] = [
        (Fusion::Max, f32::max),
        (Fusion::Mean, |a, b| 0.5 * (a + b)),
        (Fusion::Product, |a, b| a * b),
    ];
    for (fusion, combine) in ways {
        let wanted = alone[0].iter().zip(&alone[1]).map(|(a, b)| combine(*a, *b));
        for (found, wanted) in of(&layers, fusion).into_iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-4, "{fusion:?}: {found} instead of {wanted}");
        }
    }
}

#[test]
fn grey_levels_and_dice_are_those_of_the_metrics_in_every_normalisation() {
    let Some(gpu) = gpu() else { return };
    let mask: Vec<u8> = (0..20 * 30).map(|pixel| u8::from(pixel % 30 > 12)).collect();
    let image = image(0, SIZE);
    for name in ["hirescam", "occlusion"] {
        for normalisation in [Normalisation::ReluMax, Normalisation::MinMax, Normalisation::Max] {
            let settings = Settings { normalisation, ..settings(find(name).unwrap()) };
            let (model, store) = network(&gpu, SIZE, false);
            let mut explainer = Explainer::new(&gpu, model, &store, &settings, 600).unwrap();
            let size = [20, 30];
            let request = Request { image: &image, class: Some(4), size, mask: Some(&mask) };
            let found = explainer.explain(&[request; 3]).unwrap();
            let truth = levels(&found[0].signed, normalisation, size);
            for (index, one) in found.iter().enumerate() {
                assert_eq!(one.signed.data(), found[0].signed.data(), "{name}, image {index}");
                let off = one.heatmap.iter().zip(&truth).map(|(a, b)| a.abs_diff(*b)).max();
                assert!(off <= Some(1), "{name} {normalisation:?}: {off:?} levels apart");
                let scores = dice::score(&mask, &one.heatmap).unwrap();
                let pairs = scores.dice.iter().zip(one.dice.as_ref().unwrap());
                assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6), "{name}");
            }
        }
    }
}

#[test]
fn how_many_copies_run_at_once_does_not_matter() {
    let Some(gpu) = gpu() else { return };
    for name in ["integrated-gradients", "occlusion"] {
        let of = |copies| {
            let (copies, samples) = (Some(copies), Some(6));
            let settings = Settings { copies, samples, ..settings(find(name).unwrap()) };
            explain(&gpu, &settings, &[4]).unwrap().remove(0).signed
        };
        // Another batch may be given another kernel, which rounds otherwise. What is left of a score once a square
        // is covered is a small difference of large numbers.
        let tolerance = if name == "occlusion" { 1e-4 } else { 1e-5 };
        // Six samples as 4 and 2 are two batches of 3; 25 squares as 4 each leave rows over.
        let (few, many) = (of(4), of(25));
        let most = many.data().iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let pairs = few.data().iter().zip(many.data());
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() <= tolerance * most), "{name}");
    }
}

#[test]
fn what_cannot_be_explained_is_refused_with_what_to_try() {
    let Some(gpu) = gpu() else { return };
    let early = vec![EARLY.to_owned()];
    let two = vec![EARLY.to_owned(), "out_relu".to_owned()];
    let of = |name| settings(find(name).unwrap());
    for (settings, hint) in [
        (Settings { layers: early.clone(), ..of("cam") }, "gradcam"),
        (Settings { layers: early, ..of("saliency") }, "--layer"),
        (Settings { layers: two, ..of("scorecam") }, "layercam"),
        (Settings { layers: vec!["nonsense".to_owned()], ..of("gradcam") }, "out_relu"),
        (Settings { layers: vec!["predictions".to_owned()], ..of("gradcam") }, "out_relu"),
        (Settings { layers: vec!["images".to_owned()], ..of("gradcam") }, "out_relu"),
        (Settings { samples: Some(0), ..of("smoothgrad") }, "1 or more"),
        (Settings { stride: Some(0), ..of("occlusion") }, "1 or more"),
        (Settings { background: vec![vec![0.0; 3]], ..of("gradientshap") }, "27648"),
    ] {
        let error = explain(&gpu, &settings, &[0]).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Usage { .. }), "{error}");
        assert!(error.to_string().contains(hint), "{error}");
    }
    let error = explain(&gpu, &of("gradcam"), &[CLASSES]).unwrap_err().to_string();
    assert!(error.contains("10 classes"), "{error}");
}

/// Every number of docs/tutorial.md, as it stands there, is what the network of docs/tutorial gives.
#[test]
fn the_tutorial_says_what_the_network_computes() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let text = std::fs::read_to_string(folder.join("tutorial.md")).unwrap();
    let file = |name: &str| folder.join("tutorial").join(name);
    let gpu = Arc::new(gpu::open(&Choice::default()).unwrap());
    let classifier = Classifier::open(&gpu, file("compact-xception.safetensors")).unwrap();
    let image = Colour::read(file("roi.png")).unwrap();
    let mut stepper =
        Stepper::new(&gpu, classifier.model(), classifier.store(), None, 1.0).unwrap();
    let steps = stepper.run(&classifier.numbers(&image), None).unwrap();
    let explained = classifier.explain(&image, "gradcam", None).unwrap();
    assert_eq!((steps.class, explained.class), (1, 1));
    assert_eq!(steps.shape(), [12, 12, 256]);

    let says = |what: &str| assert!(text.contains(what), "the tutorial does not say: {what}");
    says(&format!("| 0, normal | {:.3} |", steps.logits[0]));
    says(&format!("| 1, abnormal | {:.3} |", steps.logits[1]));
    says(&format!("= {:.5} for \"abnormal\"", explained.probability));
    let (row, column) = (5, 4);
    let at = row * 12 + column;
    let of = |channel: usize| {
        (steps.weights.data()[channel], steps.activation.data()[at * 256 + channel])
    };
    let top = &steps.ranked()[..5];
    for &channel in top {
        let (weight, value) = of(channel);
        says(&format!("| {channel} | {weight:.6} | {value:.3} | {:.5} |", weight * value));
    }
    let weight = steps.weights.data()[top[0]];
    says(&format!("{:.4} / 144 = {weight:.6}", weight * 144.0));
    let sum = |channels: &[usize]| -> f32 { channels.iter().map(|&c| of(c).0 * of(c).1).sum() };
    let largest = steps.map.data().iter().fold(0.0f32, |most, &value| most.max(value));
    assert_eq!(steps.map.data()[at], largest);
    says(&format!("the five channels above add {:.4}, and all 256 add {largest:.4}", sum(top)));
    let smallest = steps.sum.data().iter().fold(0.0f32, |least, &value| least.min(value));
    let cut = steps.sum.data().iter().filter(|&&value| value <= 0.0).count();
    says(&format!("The smallest sum is {smallest:.4}"));
    says(&format!("at {cut} of the 144 positions"));
    for row in [5, 6] {
        let of = |column: usize| steps.map.data()[row * 12 + column];
        says(&format!("| row {row} | {:.4} | {:.4} |", of(5), of(6)));
    }
    let heatmap = &explained.heatmap;
    assert_eq!((heatmap.height, heatmap.width), (102, 146));
    says(&format!("level {} of 255", heatmap.at(73, 51)));

    let mask = Grey::read(file("mask.png")).unwrap();
    let scores = dice::score(&mask.pixels, &heatmap.pixels).unwrap();
    says(&format!("The lesion has {} pixels", scores.mask_pixels));
    for threshold in [0, 64, scores.best_threshold, 200] {
        let pairs = || heatmap.pixels.iter().zip(&mask.pixels).filter(|(h, _)| **h > threshold);
        let both = pairs().filter(|(_, m)| **m != 0).count();
        let dice = scores.dice[usize::from(threshold)];
        says(&format!("| {threshold} | {} | {both} | {dice:.3} |", pairs().count()));
    }
    says(&format!("The best threshold is {}", scores.best_threshold));
    says(&format!("mean-Dice, {:.3}", scores.mean_dice));
    let ellipse = Trivial::Ellipse.heatmap(146, 102);
    let ellipse = dice::score(&mask.pixels, &ellipse).unwrap();
    says(&format!("has {:.3} here", ellipse.mean_dice));
}
