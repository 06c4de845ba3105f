//! Weights in and out: the files of Keras that stand in `tests/fixtures/weights` (made by
//! `tests/reference/keras_weights.py`), every format there and back, and every way to be wrong.

use std::path::{Path, PathBuf};

use parula::engine::graph::{Kind, Role};
use parula::engine::tensor::Tensor;
use parula::nets::models::{self, Mode, Model};
use parula::nets::weights::{self, Format, Raw, RawLayer, Top, Weights, keras_order};

const FORMATS: [(&str, Format); 4] = [
    ("w.safetensors", Format::Safetensors),
    ("w.weights.h5", Format::KerasWeights),
    ("w.h5", Format::KerasH5),
    ("w.keras", Format::KerasArchive),
];

const FIXTURES: [(&str, Format); 5] = [
    ("flat.h5", Format::KerasH5),
    ("flat.keras", Format::KerasArchive),
    ("keras2.h5", Format::KerasH5),
    ("nested.h5", Format::KerasH5),
    ("nested.weights.h5", Format::KerasWeights),
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/weights").join(name)
}

/// In a file with a tree of chunks, the numbers of a chunk whose offset is damaged would be read into other places.
#[test]
fn chunks_that_lie_elsewhere_than_in_their_data_are_refused() {
    let whole = std::fs::read(fixture("keras2.h5")).unwrap();
    // A tree of chunks: its signature, type 1; 24 bytes on its first key: size, filters, and offsets of 8 bytes.
    let trees: Vec<usize> =
        (0..whole.len() - 40).filter(|&at| whole[at..].starts_with(b"TREE\x01")).collect();
    assert!(trees.len() > 3, "{trees:?}");
    for at in trees {
        let offset = at + 24 + 8;
        for damage in [u64::MAX - 3, 1, 1 << 40] {
            let mut bytes = whole.clone();
            bytes[offset..offset + 8].copy_from_slice(&damage.to_le_bytes());
            let path = Path::new("damaged.h5");
            let said = Raw::decode(path, bytes).expect_err("it is read").to_string();
            assert!(said.starts_with("damaged.h5: "), "{said}");
        }
    }
}

fn model(name: &str, classes: usize) -> Model {
    let network = models::find_any(name).unwrap();
    network.build(Mode::Inference, 1, network.input, classes).unwrap()
}

/// Weights in which no two tensors are the same.
fn some(model: &Model) -> Weights {
    let mut weights = Weights::default();
    for (value, node) in model.graph.nodes() {
        let Kind::Variable(variable) = &node.kind else { continue };
        if matches!(variable.role, Role::Trainable | Role::State) {
            let start = value.index() as f32;
            let tensor = Tensor::from_fn(node.shape.clone(), |i| start + (i % 64) as f32 / 64.0);
            weights.tensors.insert(node.name.clone(), tensor);
        }
    }
    weights
}

/// A file of `weights` as Keras would name its layers, without a file.
fn raw(weights: &Weights, model: &Model) -> Raw {
    let order = keras_order(&model.layers);
    let layers = order.iter().map(|&index| &model.layers[index]);
    let layers = layers.filter(|layer| !layer.weights.is_empty()).map(|layer| RawLayer {
        name: Some(layer.name.clone()),
        place: layer.name.clone(),
        class: None,
        tensors: layer
            .weights
            .iter()
            .map(|name| {
                let variable = name.rsplit('/').next().unwrap();
                (variable.to_owned(), weights.tensors[name].clone())
            })
            .collect(),
    });
    Raw {
        path: PathBuf::from("x.h5"),
        format: Format::KerasH5,
        layers: layers.collect(),
        metadata: Default::default(),
        config: None,
        ordered: true,
    }
}

fn refusal(raw: Raw, model: &Model, top: Top) -> String {
    raw.resolve(model, top).unwrap_err().to_string()
}

#[test]
fn layers_stand_in_the_order_of_keras() {
    // Of Keras 3.15.1: how many layers, and FNV-1a of the names of model.layers, one a line.
    for (name, layers, hash) in [
        ("nasnet-mobile", 771, 0xb599_eaed_c2c6_b6f3u64),
        ("mobilenet-v2", 156, 0x27eb_988f_aa56_64ee),
        ("densenet121", 429, 0x2219_8285_f32f_a0e2),
        ("resnet50-v2", 192, 0x5a11_5ba3_9865_9a82),
        ("xception", 134, 0x045b_a1e4_a05d_6313),
        ("inception-v3", 313, 0xd01f_50eb_dd97_41f5),
    ] {
        let model = model(name, 2);
        let order = keras_order(&model.layers);
        let names: Vec<&str> = order.iter().map(|&i| model.layers[i].name.as_str()).collect();
        let found = names.join("\n").bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        assert_eq!((names.len(), found), (layers, hash), "{name}: {names:?}");
    }
}

#[test]
fn files_of_keras_are_read() {
    for (name, format) in FIXTURES {
        let raw = Raw::read(&fixture(name)).unwrap();
        assert_eq!(raw.format, format, "{name}");
        assert_eq!((raw.layers.len(), raw.numbers()), (3, 25), "{name}");
        assert_eq!(raw.classes(), Some(3), "{name}");
        // Two of the `.h5` were written by `model.save`, the third by `save_weights`.
        let whole = ["flat.h5", "flat.keras", "nested.h5"].contains(&name);
        assert_eq!(raw.config.is_some(), whole, "{name}");
        // The script counts up through the model's weights.
        let mut numbers: Vec<Vec<f32>> = Vec::new();
        for layer in ["conv2d_1", "batch_normalization_1"] {
            let layer = raw.layers.iter().find(|own| own.name.as_deref() == Some(layer)).unwrap();
            numbers.extend(layer.tensors.iter().map(|(_, tensor)| tensor.data().to_vec()));
        }
        let head = &raw.layers[raw.head().unwrap()];
        numbers.extend(head.tensors.iter().map(|(_, tensor)| tensor.data().to_vec()));
        let lengths: Vec<usize> = numbers.iter().map(Vec::len).collect();
        assert_eq!(lengths, [8, 2, 2, 2, 2, 6, 3], "{name}");
        let numbers = numbers.concat();
        assert!(numbers.iter().zip(0u8..).all(|(a, b)| *a == f32::from(b)), "{name}: {numbers:?}");
        assert!(raw.identify().is_err(), "{name} is none of the networks");
    }
}

#[test]
fn every_truncation_is_an_error_that_names_the_file() {
    for (name, _) in FIXTURES {
        let path = fixture(name);
        let bytes = std::fs::read(&path).unwrap();
        for length in 0..bytes.len() {
            let error = Raw::decode(&path, bytes[..length].to_vec()).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("; "), "{length}: {error}");
        }
    }
}

#[test]
fn damaged_bytes_do_not_make_it_panic() {
    for (name, _) in FIXTURES {
        let path = fixture(name);
        let bytes = std::fs::read(&path).unwrap();
        // Steps of a prime meet every place in a header sooner or later.
        for index in (0..bytes.len()).step_by(5) {
            let mut damaged = bytes.clone();
            damaged[index] ^= [0x01, 0x80, 0xff][index % 3];
            if let Err(error) = Raw::decode(&path, damaged) {
                assert!(error.to_string().contains(name), "{index}: {error}");
            }
        }
    }
}

#[test]
fn every_format_gives_back_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["compact-resnet", "compact-xception", "mobilenet-v2"] {
        let model = model(name, 4);
        let mut weights = some(&model);
        weights.metadata.insert("input".to_owned(), "64x48".to_owned());
        for (file, format) in FORMATS {
            let path = folder.path().join(file);
            weights::save(&path, &weights, &model.layers, None).unwrap();
            let mut raw = Raw::read(&path).unwrap();
            assert_eq!((raw.format, raw.classes()), (format, Some(4)), "{name}");
            let network = raw.identify().unwrap();
            assert_eq!(network.name, name);
            raw.arrange(network).unwrap();
            let order = keras_order(&model.layers).into_iter().map(|index| &model.layers[index]);
            let order = order.filter(|layer| !layer.weights.is_empty());
            for (found, layer) in raw.layers.iter().zip(order.clone()) {
                assert_eq!(found.label(), layer.name, "{name} as {format}");
                let shapes = layer.weights.iter().map(|weight| weights.tensors[weight].dims());
                assert!(found.tensors.iter().map(|(_, tensor)| tensor.dims()).eq(shapes), "{name}");
            }
            assert_eq!(raw.layers.len(), order.count());
            assert_eq!(raw.input(), Some([64, 48]));
            let found = raw.resolve(&model, Top::Keep).unwrap();
            assert!(found.tensors == weights.tensors, "{name} as {format}");

            // Without a head it is still that network, and only what is there is written.
            let mut without = weights.clone();
            without.tensors.retain(|name, _| !name.starts_with("predictions/"));
            weights::save(&path, &without, &model.layers, None).unwrap();
            let raw = Raw::read(&path).unwrap();
            assert_eq!(raw.classes(), None);
            assert_eq!(raw.identify().unwrap().name, name);
            let problem = refusal(raw.clone(), &model, Top::Keep);
            assert!(problem.contains("it has no head"), "{problem}");
            assert!(raw.resolve(&model, Top::Drop).unwrap().tensors == without.tensors);
        }
    }
}

#[test]
fn the_configuration_of_an_archive_is_carried_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.keras");
    let model = model("compact-resnet", 2);
    let config = Some("{\"class_name\": \"Functional\"}");
    weights::save(&path, &some(&model), &model.layers, config).unwrap();
    assert_eq!(Raw::read(&path).unwrap().config.as_deref(), config);
}

#[test]
fn numbers_of_a_later_model_in_the_process_are_counted_from_the_first() {
    for name in ["xception", "inception-v3"] {
        let model = model(name, 2);
        let truth = some(&model);
        let mut later = raw(&truth, &model);
        // Names alone must do: no order, and no number below ten stays what it was.
        later.ordered = false;
        later.layers.reverse();
        for layer in &mut later.layers {
            let name = layer.name.as_deref().unwrap();
            let (stem, number) = match name.rsplit_once('_') {
                Some((stem, tail)) if tail.parse::<usize>().is_ok() => {
                    (stem, tail.parse().unwrap())
                }
                _ => (name, 0),
            };
            if stem == "conv2d" || stem == "batch_normalization" {
                layer.name = Some(format!("{stem}_{}", number + 7));
            }
        }
        assert_eq!(later.identify().unwrap().name, name);
        assert!(later.resolve(&model, Top::Keep).unwrap().tensors == truth.tensors, "{name}");
    }
}

#[test]
fn layers_without_known_names_are_matched_by_class_or_by_order() {
    let model = model("compact-resnet", 2);
    let truth = some(&model);
    let mut renamed = raw(&truth, &model);
    for (index, layer) in renamed.layers.iter_mut().enumerate() {
        layer.name = Some(format!("mine{index}"));
    }
    let by_order = renamed.clone().resolve(&model, Top::Keep).unwrap();
    assert!(by_order.tensors == truth.tensors);

    renamed.ordered = false;
    let problem = refusal(renamed.clone(), &model, Top::Keep);
    assert!(problem.contains("conv1_conv (kernel 3x3x1x32)"), "{problem}");

    let mut counts = [0, 0];
    for layer in &mut renamed.layers {
        let class = usize::from(layer.tensors.len() == 4);
        layer.name = None;
        layer.class = Some((["conv2d", "batch_normalization"][class].to_owned(), counts[class]));
        counts[class] += 1;
    }
    renamed.layers.reverse();
    // The head is the only dense layer, whatever it is called.
    let by_class = renamed.resolve(&model, Top::Keep).unwrap();
    assert!(by_class.tensors == truth.tensors);
}

#[test]
fn a_head_of_another_size_is_left_out_on_request_and_refused_otherwise() {
    let (two, five) = (model("compact-resnet", 2), model("compact-resnet", 5));
    let raw = raw(&some(&five), &five);
    assert_eq!(raw.classes(), Some(5));
    let problem = refusal(raw.clone(), &two, Top::Keep);
    assert!(problem.contains("predictions") && problem.contains("128x5"), "{problem}");
    assert!(problem.contains("128x2"), "{problem}");
    let weights = raw.resolve(&two, Top::Drop).unwrap();
    assert!(weights.tensors.keys().all(|name| !name.starts_with("predictions")));
    assert_eq!(weights.tensors.len(), some(&two).tensors.len() - 2);
}

#[test]
fn what_is_wrong_is_named_with_both_shapes() {
    let model = model("compact-resnet", 2);
    let truth = some(&model);
    let find = |raw: &Raw, name: &str| {
        raw.layers.iter().position(|layer| layer.name.as_deref() == Some(name)).unwrap()
    };
    let wrong = |change: &dyn Fn(&mut Raw)| {
        let mut raw = raw(&truth, &model);
        change(&mut raw);
        let problem = refusal(raw, &model, Top::Keep);
        assert!(problem.starts_with("x.h5: "), "{problem}");
        problem
    };

    let shape = wrong(&|raw| {
        let index = find(raw, "conv3_block1_1_conv");
        raw.layers[index].tensors[0].1 = Tensor::zeros([3, 3, 32, 48]);
    });
    for part in ["conv3_block1_1_conv", "3x3x32x48", "3x3x32x64", "compact-resnet"] {
        assert!(shape.contains(part), "{shape}");
    }
    let missing = wrong(&|raw| {
        let index = find(raw, "conv3_block1_1_conv");
        raw.layers.remove(index);
    });
    for part in ["conv3_block1_1_conv (kernel 3x3x32x64)", "is not there", "1 of "] {
        assert!(missing.contains(part), "{missing}");
    }
    let extra = wrong(&|raw| {
        let mut layer = raw.layers[0].clone();
        layer.name = Some("mine".to_owned());
        raw.layers.insert(0, layer);
    });
    assert!(extra.contains("no layer for mine (kernel 3x3x1x32)"), "{extra}");
    let fewer = wrong(&|raw| {
        let index = find(raw, "post_bn");
        raw.layers[index].tensors.pop();
    });
    assert!(fewer.contains("post_bn") && fewer.contains("moving_variance 128"), "{fewer}");
    let lost = wrong(&|raw| {
        let index = find(raw, "post_bn");
        raw.layers[index].tensors[1].1.data_mut()[3] = f32::NAN;
    });
    assert!(lost.contains("post_bn/beta") && lost.contains("not finite"), "{lost}");
    let renamed = wrong(&|raw| {
        raw.format = Format::Safetensors;
        let index = find(raw, "post_bn");
        raw.layers[index].tensors[0].0 = "scale".to_owned();
    });
    assert!(renamed.contains("post_bn/gamma") && renamed.contains("scale"), "{renamed}");
}

#[test]
fn every_network_knows_its_own_weights_and_names_those_of_others() {
    let other = model("compact-resnet", 3);
    for network in models::all() {
        let model = model(network.name, 3);
        let raw = raw(&some(&model), &model);
        assert_eq!(raw.identify().unwrap().name, network.name);
        if network.name != "compact-resnet" {
            let problem = refusal(raw, &other, Top::Keep);
            let said = format!("weights of {}, not of compact-resnet", network.name);
            assert!(problem.contains(&said), "{problem}");
        }
    }
}
