//! Heads with hidden dense layers: their maps against the formula, their weights in every format, and all commands
//! that go by the file.

#[path = "common/program.rs"]
mod program;

mod common {
    pub mod adapter;
}

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use common::adapter;
use parula::engine::autodiff::gradients;
use parula::engine::graph::{Kind, Role};
use parula::engine::plan::{self, Options};
use parula::engine::session::{Session, Store, evaluate};
use parula::engine::tensor::Tensor;
use parula::nets::cam;
use parula::nets::classifier::fitted;
use parula::nets::models::{IMAGES, Mode, Model, NETWORKS, Network, find};
use parula::nets::weights::{self, Raw, Top, Weights};
use program::{failure, json, parula, path};
use serde_json::Value;

/// Numbers in [-1, 1) that look random and are the same everywhere.
fn noise(shape: &[usize], salt: u32) -> Tensor<f64> {
    Tensor::from_fn(shape.to_vec(), |index| {
        let mut state = (index as u32).wrapping_add(salt).wrapping_mul(747_796_405) ^ 2_891_336_453;
        state = (state >> ((state >> 28) + 4) ^ state).wrapping_mul(277_803_737);
        f64::from(((state >> 22 ^ state) % 20_000) as f32 / 10_000.0 - 1.0)
    })
}

fn model(network: &'static Network) -> Model {
    network.build(Mode::Inference, 1, [32, 32], 3).unwrap()
}

fn some(gpu: &Arc<parula::Gpu>, model: &Model, seed: u64) -> Weights {
    Weights::of(model, &Store::new(gpu, &model.graph, seed).unwrap()).unwrap()
}

/// What the head computes and its gradient at the pooled activation `mean`, in plain loops: (logits, gradient).
fn by_hand(mean: &[f64], layers: &[[&Tensor<f64>; 2]], class: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut x, mut signs) = (mean.to_vec(), Vec::new());
    for (number, [kernel, bias]) in layers.iter().enumerate() {
        let units = bias.data().len();
        let sums = (0..units).map(|unit| {
            let products = x.iter().enumerate().map(|(i, x)| x * kernel.data()[i * units + unit]);
            products.sum::<f64>() + bias.data()[unit]
        });
        x = sums.collect();
        if number + 1 < layers.len() {
            signs.push(x.iter().map(|x| f64::from(u8::from(*x > 0.0))).collect::<Vec<f64>>());
            x.iter_mut().for_each(|x| *x = x.max(0.0));
        }
    }
    let mut gradient: Vec<f64> =
        (0..x.len()).map(|unit| f64::from(u8::from(unit == class))).collect();
    for (number, [kernel, _]) in layers.iter().enumerate().rev() {
        if let Some(signs) = signs.get(number) {
            gradient.iter_mut().zip(signs).for_each(|(gradient, sign)| *gradient *= sign);
        }
        let rows = kernel.data().chunks(gradient.len());
        gradient = rows.map(|row| row.iter().zip(&gradient).map(|(a, b)| a * b).sum()).collect();
    }
    (x, gradient)
}

#[test]
fn scores_and_maps_are_those_of_the_formula() {
    let gpu = Arc::new(adapter::open());
    for (plain, units) in NETWORKS[..2].iter().flat_map(|one| [(one, &[7][..]), (one, &[9, 5])]) {
        let network = plain.with_dense(units).unwrap();
        let model = network.build(Mode::Inference, 1, [37, 50], 3).unwrap();
        let (mut graph, heads) = (model.graph.clone(), model.heads);
        let class = graph.input("class", [1, 3]).unwrap();
        let gradient = gradients(&mut graph, heads.logits, class, &[heads.cam]).unwrap()[0];
        let map = cam::grad_cam(&mut graph, heads.cam, gradient).unwrap();
        let wanted = [heads.logits, heads.cam, gradient, map];
        let store = Store::new(&gpu, &graph, 3).unwrap();
        let mut given = HashMap::new();
        for (value, node) in graph.nodes() {
            let Kind::Variable(variable) = &node.kind else { continue };
            let own = store.get(std::slice::from_ref(&node.name)).unwrap().remove(0).widen();
            // Biases that are not zero, and as many units on as off.
            let apart = noise(node.shape.dims(), value.index() as u32 * 1000);
            let by = if variable.role == Role::Trainable { 0.2 } else { 0.0 };
            let changed =
                Tensor::from_fn(node.shape.clone(), |i| own.data()[i] + by * apart.data()[i]);
            store.set(&node.name, &changed.narrow()).unwrap();
            given.insert(node.name.clone(), changed.narrow().widen());
        }
        given.insert(IMAGES.to_owned(), noise(&[1, 37, 50, 1], 5).narrow().widen());
        given.insert("class".to_owned(), Tensor::new([1, 3], vec![0.0, 0.0, 1.0]).unwrap());
        let truth = evaluate(&graph, &given, &wanted).unwrap();

        let activation = truth.get(heads.cam).unwrap();
        let [_, h, w, c] = activation.shape().nhwc().unwrap();
        let mean: Vec<f64> = (0..c)
            .map(|c0| activation.data().iter().skip(c0).step_by(c).sum::<f64>() / (h * w) as f64)
            .collect();
        let hidden = (0..units.len())
            .map(|at| if at == 0 { "dense".to_owned() } else { format!("dense_{at}") });
        let names: Vec<String> = hidden.chain(["predictions".to_owned()]).collect();
        let layers: Vec<[&Tensor<f64>; 2]> = names
            .iter()
            .map(|name| ["kernel", "bias"].map(|weight| &given[&format!("{name}/{weight}")]))
            .collect();
        let (logits, at_mean) = by_hand(&mean, &layers, 2);
        // The mean divides its gradient among the pixels, and Grad-CAM takes the mean of that.
        let weight: Vec<f64> = at_mean.iter().map(|one| one / (h * w) as f64).collect();
        let map_of =
            |pixel: &[f64]| pixel.iter().zip(&weight).map(|(a, w)| a * w).sum::<f64>().max(0.0);
        let own: Vec<f64> = activation.data().chunks(c).map(map_of).collect();
        let pixels: Vec<f64> = (0..h * w).flat_map(|_| weight.clone()).collect();
        assert!(own.iter().any(|value| *value > 0.0), "a map of zeros shows nothing");
        assert!(weight.iter().any(|value| *value != 0.0), "all units are off");
        let by_hand = [logits, activation.data().to_vec(), pixels, own];

        let close = |what: &str, found: &[f64], wanted: &[f64], tolerance: f64| {
            assert_eq!(found.len(), wanted.len(), "{what}");
            let scale = wanted.iter().fold(1e-9f64, |most, one| most.max(one.abs()));
            let pairs = found.iter().zip(wanted);
            let apart = pairs.map(|(a, b)| (a - b).abs() / scale).fold(0.0, f64::max);
            assert!(apart <= tolerance, "{} {units:?} {what}: {apart:.1e} apart", plain.name);
        };
        for (value, wanted) in wanted.iter().zip(&by_hand) {
            let name = &graph.node(*value).name;
            close(name, truth.get(*value).unwrap().data(), wanted, 1e-12);
        }
        for fuse in [true, false] {
            let options = Options { fuse, ..Options::default() };
            let plan = plan::build(&graph, &wanted, &[], gpu.capabilities(), &options).unwrap();
            let mut session = Session::new(&gpu, plan, &store).unwrap();
            for name in [IMAGES, "class"] {
                session.set(name, given[name].narrow().data()).unwrap();
            }
            session.run().unwrap();
            for (value, wanted) in wanted.iter().zip(&by_hand) {
                let name = &graph.node(*value).name;
                let found = session.read(name).unwrap().widen();
                close(&format!("{name}, fused: {fuse}"), found.data(), wanted, 1e-4);
            }
        }
    }
}

#[test]
fn every_format_says_which_hidden_layers_it_holds() {
    let gpu = Arc::new(adapter::open());
    let folder = tempfile::tempdir().unwrap();
    let network = find("compact-resnet").unwrap().with_dense(&[9, 6, 4]).unwrap();
    let model = model(network);
    let weights = some(&gpu, &model, 1);
    for file in ["a.safetensors", "a.weights.h5", "a.h5", "a.keras"] {
        let path = folder.path().join(file);
        weights::save(&path, &weights, &model.layers, None).unwrap();
        let raw = Raw::read(&path).unwrap();
        assert_eq!((raw.dense().unwrap(), raw.classes()), (vec![9, 6, 4], Some(3)), "{file}");
        assert!(std::ptr::eq(raw.identify().unwrap(), network), "{file}");
        let found = raw.resolve(&model, Top::Keep).unwrap();
        assert!(found == weights, "{file}: {:?}", found.metadata);
    }
}

#[test]
fn a_file_that_says_other_hidden_layers_than_it_holds_is_refused() {
    let gpu = Arc::new(adapter::open());
    let plain = find("compact-resnet").unwrap();
    let [deep, flat] = [&[6, 4][..], &[]].map(|units| plain.with_dense(units).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    for (network, said, wanted) in [
        (deep, Some("6"), "no layer for dense_1"),
        (deep, None, "no layer for dense"),
        (deep, Some("6,5"), "dense_1 is 6x4, compact-resnet needs 6x5"),
        (deep, Some("6,4,3"), "needs layer dense_2"),
        (deep, Some("6,many"), "\"6,many\" units"),
        (deep, Some(""), "\"\" units"),
        (deep, Some("6,0"), "a hidden dense layer of 0 units"),
        (deep, Some("6,99999999999"), "a hidden dense layer of 99999999999 units"),
        (deep, Some("1,1,1,1,1,1,1,1,1"), "9 hidden dense layers"),
        (flat, Some("6"), "needs layer dense"),
    ] {
        let model = model(network);
        let mut weights = some(&gpu, &model, 1);
        weights.metadata.remove("dense");
        weights.metadata.extend(said.map(|said| ("dense".to_owned(), said.to_owned())));
        weights::save(&path, &weights, &model.layers, None).unwrap();
        let read = || {
            let raw = Raw::read(&path)?;
            let network = raw.identify()?;
            raw.resolve(&network.build(Mode::Inference, 1, [32, 32], 3)?, Top::Keep)
        };
        let error = read().unwrap_err();
        assert!(matches!(error, parula::Error::Content { .. }), "{error:?}");
        let error = error.to_string();
        assert!(error.contains(wanted) && error.contains("x.safetensors"), "{said:?}: {error}");
    }
}

#[test]
fn a_start_gives_what_it_has_of_the_network_and_the_rest_starts_fresh() {
    let gpu = Arc::new(adapter::open());
    let plain = find("compact-resnet").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let heads = |network: &'static Network, classes| {
        network.build(Mode::Inference, 1, [32, 32], classes).unwrap()
    };
    let [flat, one, two] = [&[][..], &[6], &[6, 4]].map(|units| plain.with_dense(units).unwrap());
    let all = model(flat).parameters() - 128 * 3 - 3;
    for (from, to, classes, kept) in [
        (one, one, 3, vec!["dense", "predictions"]),
        // As of any head: that of another number of classes, and it alone, is left out.
        (one, one, 5, vec!["dense"]),
        (one, flat, 3, vec![]),
        (flat, one, 3, vec![]),
        (one, two, 3, vec![]),
        (two, one, 3, vec![]),
    ] {
        let model = heads(from, 3);
        let weights = some(&gpu, &model, 1);
        weights::save(&path, &weights, &model.layers, None).unwrap();
        let found = fitted(Raw::read(&path).unwrap(), &heads(to, classes)).unwrap();
        let is_head = |name: &str| name.starts_with("dense") || name.starts_with("predictions");
        let (head, body): (Vec<_>, Vec<_>) =
            found.tensors.iter().partition(|(name, _)| is_head(name));
        assert_eq!(body.iter().map(|(_, one)| one.shape().elements()).sum::<usize>(), all);
        assert!(found.tensors.iter().all(|(name, tensor)| weights.tensors[name] == *tensor));
        let mut layers: Vec<&str> =
            head.iter().map(|(name, _)| name.split('/').next().unwrap()).collect();
        layers.dedup();
        assert_eq!(layers, kept, "{:?} to {:?}, {classes} classes", from.dense(), to.dense());
        let store = Store::new(&gpu, &heads(to, classes).graph, 2).unwrap();
        found.put(&store).unwrap();
    }
    // A backbone without a head.
    let model = heads(flat, 3);
    let mut weights = some(&gpu, &model, 1);
    weights.tensors.retain(|name, _| !name.starts_with("predictions"));
    weights::save(&path, &weights, &model.layers, None).unwrap();
    let found = fitted(Raw::read(&path).unwrap(), &heads(two, 3)).unwrap();
    assert!(found.tensors == weights.tensors);
}

/// Images of two classes, without masks.
fn two(folder: &Path) {
    for (class, level) in [("dark", 40u8), ("light", 190)] {
        std::fs::create_dir_all(folder.join(class)).unwrap();
        for i in 0..10u64 {
            let mut state = (u64::from(level) * 100 + i).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let image = image::GrayImage::from_fn(32, 32, |_, _| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                image::Luma([level + (state >> 59) as u8])
            });
            image.save(folder.join(class).join(format!("{i}.png"))).unwrap();
        }
    }
}

fn train(data: &Path, out: &Path, more: &[&str]) -> Value {
    let usual = [
        "train",
        "--data",
        path(data),
        "--out",
        path(out),
        "--whole",
        "--size",
        "32",
        "--classes",
        "dark,light",
    ];
    let network = ["--model", "compact-resnet", "--epochs", "2", "--batch", "8"];
    json(&[&usual[..], &network, more].concat())
}

#[test]
fn the_commands_build_the_network_that_the_file_holds() {
    let keep = tempfile::tempdir().unwrap();
    let at = |name: &str| keep.path().join(name);
    let (set, deep) = (at("set"), at("deep.safetensors"));
    two(&set);
    train(&set, &deep, &["--dense", "24,6"]);
    let image = set.join("light/0.png");
    let named = |file: &Path| {
        let network = ["--model", "compact-resnet", "--weights", path(file)];
        network.map(str::to_owned)
    };
    let with = |command: &[&str], file: &Path, more: &[&str]| {
        let named = named(file);
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        [command, &named, more].concat().iter().map(|&one| one.to_owned()).collect::<Vec<_>>()
    };
    let ask =
        |arguments: Vec<String>| json(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let says = ask(with(&["predict", path(&image)], &deep, &[]));
    assert_eq!(says[0]["probabilities"].as_array().unwrap().len(), 2);
    assert!(says[0]["class_name"].is_string());
    let inspected = json(&["weights", "inspect", path(&deep)]);
    assert_eq!(inspected["metadata"]["dense"], "24,6");
    assert_eq!(inspected["classes"], 2);
    // Another format says the same.
    let other = at("deep.weights.h5");
    json(&["weights", "convert", path(&deep), path(&other)]);
    assert_eq!(
        ask(with(&["predict", path(&image)], &other, &[]))[0]["probabilities"],
        says[0]["probabilities"]
    );

    let maps = at("maps");
    for method in ["gradcam", "hirescam", "scorecam", "integrated-gradients"] {
        let out = ["--method", method, "--out", path(&maps)];
        let found = ask(with(&["cam", path(&image)], &deep, &out));
        assert_eq!(found["all_zero"].as_array().map_or(0, Vec::len), 0, "{found}");
    }
    let refused = with(&["cam", path(&image)], &deep, &["--method", "cam", "--out", path(&maps)]);
    let error = failure(&refused.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(error.contains("more than an average and a dense layer"), "{error}");

    // A state goes on with the head that it has.
    let usual = ["--model", "compact-resnet", "--epochs", "3", "--batch", "8", "--resume"];
    let data = [
        "train",
        "--data",
        path(&set),
        "--out",
        path(&deep),
        "--whole",
        "--size",
        "32",
        "--classes",
        "dark,light",
    ];
    let error = failure(&[&data[..], &usual].concat());
    assert!(error.contains("dense was [24,6], is the default"), "{error}");
    json(&[&data[..], &usual, &["--dense", "24,6"]].concat());

    // Another head on the same backbone.
    let flat = at("flat.safetensors");
    let start = ["--weights", path(&deep)];
    let output = parula(
        &[
            &[
                "train",
                "--data",
                path(&set),
                "--out",
                path(&flat),
                "--whole",
                "--size",
                "32",
                "--classes",
                "dark,light",
            ][..],
            &["--model", "compact-resnet", "--epochs", "1", "--batch", "8"],
            &start,
        ]
        .concat(),
    );
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("behind hidden dense layers of 24 and 6 is replaced"), "{told}");
    assert_eq!(json(&["weights", "inspect", path(&flat)])["metadata"].get("dense"), None);
}

#[test]
fn what_no_head_has_is_refused_before_a_picture_is_read() {
    let keep = tempfile::tempdir().unwrap();
    let (set, out) = (keep.path().join("set"), keep.path().join("x.safetensors"));
    std::fs::create_dir(&set).unwrap();
    for (given, wanted) in [
        ("0", "a hidden dense layer of 0 units"),
        ("5000", "a hidden dense layer of 5000 units"),
        ("1,1,1,1,1,1,1,1,1", "9 hidden dense layers are too many"),
    ] {
        let error = failure(&[
            "train",
            "--data",
            path(&set),
            "--model",
            "compact-resnet",
            "--out",
            path(&out),
            "--dense",
            given,
        ]);
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn runs_have_the_hidden_layers_in_their_settings_and_other_commands_go_by_them() {
    let keep = tempfile::tempdir().unwrap();
    let at = |name: &str| keep.path().join(name);
    let (out, compared, weak) = (at("run"), at("compared"), at("weak"));
    let set = at("set");
    json(&["data", "synth", "--out", path(&set), "--patients", "8", "--size", "96"]);
    let short = ["--data", path(&set), "--epochs", "1", "--size", "32", "--batch", "16"];
    let network = ["--models", "compact-resnet", "--seeds", "1"];
    let run = ["reproduce", "--out", path(&out)];
    let dense = ["--dense", "12"];
    let found = json(&[&run[..], &network, &short, &dense].concat());
    assert_eq!(found["config"]["training"]["compact-resnet"]["dense"], serde_json::json!([12]));
    let again = json(&[&run[..], &network, &short, &dense, &["--resume"]].concat());
    assert_eq!(again["runs"], found["runs"]);
    let error = failure(&[&run[..], &network, &short, &["--resume"]].concat());
    assert!(error.contains("dense was [12], is the default"), "{error}");

    let few = ["--images", "2", "--training-images", "2", "--faithfulness-images", "0"];
    let of = ["compare", "--weights", path(&out), "--out", path(&compared)];
    let quick = ["--methods", "gradcam,eigencam"];
    let found = json(&[&of[..], &network, &few, &short, &quick].concat());
    let units = found["units"].as_array().unwrap().iter().filter(|unit| unit["trivial"] == false);
    let methods: Vec<&Value> = units.map(|unit| &unit["method"]).collect();
    assert_eq!(methods, ["gradcam", "eigencam"]);
    let error = failure(
        &[&of[..], &network, &few, &short, &["--methods", "cam"], &["--overwrite"]].concat(),
    );
    assert!(
        error.contains("cam has no map of compact-resnet: it has a hidden dense layer of 12"),
        "{error}"
    );

    let other = ["--dense", "128"];
    let said = "--dense would change nothing: compact-resnet of";
    let error = failure(&[&of[..], &network, &few, &short, &quick, &other].concat());
    assert!(error.contains(said) && error.contains("dense was [12], is [128]"), "{error}");

    let of = ["weak", "--weights", path(&out), "--out", path(&weak), "--model", "compact-resnet"];
    let segmenter = ["--segmenter-epochs", "1", "--segmenter-size", "32", "--seeds", "1"];
    let error = failure(&[&of[..], &segmenter, &short, &other].concat());
    assert!(error.contains(said), "{error}");
    let error = failure(&[&of[..], &segmenter, &short, &["--keep", "last"]].concat());
    assert!(error.contains("--keep would change nothing"), "{error}");
    json(&[&of[..], &segmenter, &short, &dense, &["--no-flips"]].concat());
}
