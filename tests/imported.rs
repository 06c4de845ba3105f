//! Models of Keras from their own files: what each gives for pictures is what Keras gives in double
//! precision, and what is not understood is refused in one line. `tests/reference/imported.py` wrote
//! files and numbers.

#[path = "common/adapter.rs"]
mod adapter;

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use parula::engine::gpu::Gpu;
use parula::engine::graph::{Graph, Init, Kind, Role, Variable};
use parula::engine::session::Store;
use parula::lab::bench::{Phase, PhaseGraph};
use parula::nets::cam::{self, Explainer, Request, Settings};
use parula::nets::keras;
use parula::nets::models::{self, Mode, Network};
use parula::nets::weights::{Format, Raw};
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// Logits over their largest magnitude, and maps over theirs. Where Keras in single precision is further than a third
/// of that from itself in double, three times its distance.
const LOGITS: f64 = 1e-5;
const MAPS: f64 = 1e-4;

#[derive(Deserialize)]
struct Golden {
    input: [usize; 3],
    /// How far Keras itself is from this in single precision.
    #[serde(default)]
    single: f64,
    /// The same of its map.
    #[serde(default)]
    single_map: f64,
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    picture: usize,
    logits: Vec<f64>,
    layer: Option<String>,
    map: Option<Vec<Vec<f64>>>,
}

fn gpu() -> &'static Arc<Gpu> {
    static GPU: OnceLock<Arc<Gpu>> = OnceLock::new();
    GPU.get_or_init(|| Arc::new(adapter::open()))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imported")
}

/// The same as in the script.
fn picture(n: usize, [height, width, channels]: [usize; 3]) -> Vec<f32> {
    let mut numbers = Vec::new();
    for y in 0..height {
        for x in 0..width {
            for c in 0..channels {
                let sum = 13 * y * y + 7 * x * y + 31 * x + 97 * c + 17 * y + 53 * n;
                numbers.push((sum % 256) as f32);
            }
        }
    }
    numbers
}

/// The largest difference over the largest magnitude of `truth`.
fn apart<'a>(found: &[f32], truth: impl Iterator<Item = &'a f64> + Clone) -> f64 {
    assert_eq!(found.len(), truth.clone().count());
    let largest = truth.clone().fold(0.0f64, |largest, value| largest.max(value.abs()));
    let pairs = found.iter().zip(truth);
    pairs.fold(0.0, |most, (&found, truth)| {
        let apart = (f64::from(found) - truth).abs() / largest.max(f64::MIN_POSITIVE);
        if most >= apart || most.is_nan() { most } else { apart }
    })
}

/// What is wrong with the model of `file` against the numbers of Keras, if anything is.
fn compare(file: &Path) -> Result<(), String> {
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let golden = std::fs::read_to_string(file.with_extension("json")).unwrap();
    let golden: Golden = serde_json::from_str(&golden).unwrap();
    let failed = |error: parula::error::Error| format!("{name}: {error}");
    let opened = keras::open(Raw::read(file).map_err(failed)?, None).map_err(failed)?;
    let network = opened.network;
    assert_eq!([network.input[0], network.input[1], network.channels], golden.input, "{name}");
    let model =
        network.build(Mode::Inference, 2, network.input, network.classes).map_err(failed)?;
    let store = Store::new(gpu(), &model.graph, 0).map_err(failed)?;
    let weights = keras::weights(opened.raw, &model).map_err(failed)?;
    weights.put(&store).map_err(failed)?;
    let settings = Settings::new(cam::find("gradcam").unwrap());
    let pixels = network.input[0] * network.input[1];
    let mut explainer = Explainer::new(gpu(), model, &store, &settings, pixels).map_err(failed)?;
    let images: Vec<Vec<f32>> =
        golden.answers.iter().map(|answer| picture(answer.picture, golden.input)).collect();
    let requests: Vec<Request> = images
        .iter()
        .map(|image| Request { image, class: Some(0), size: network.input, mask: None })
        .collect();
    let explained = explainer.explain(&requests).map_err(failed)?;
    for (answer, found) in golden.answers.iter().zip(explained) {
        let logits = apart(&found.logits, answer.logits.iter());
        let map = match &answer.map {
            Some(map) => apart(found.map.data(), map.iter().flatten()),
            None => 0.0,
        };
        println!(
            "{name}: logits {logits:.1e} ({:.1e}), map {map:.1e} ({:.1e}) at {}, {}x{}",
            golden.single, golden.single_map, network.cam_layer, network.input[0], network.input[1]
        );
        if let Some(layer) = &answer.layer {
            // Keras calls what passes through a layer of its own.
            if network.cam_layer != layer {
                return Err(format!("{name}: explains {}, Keras {layer}", network.cam_layer));
            }
        }
        if !(logits <= LOGITS.max(3.0 * golden.single) && map <= MAPS.max(3.0 * golden.single_map))
        {
            return Err(format!(
                "{name}: logits {:?} and not {:?} ({logits:.1e}), map {map:.1e}",
                found.logits, answer.logits
            ));
        }
    }
    Ok(())
}

fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let ending = path.extension().and_then(|ending| ending.to_str());
            ending.is_some_and(|ending| endings.contains(&ending))
        })
        .collect();
    files.sort();
    files
}

#[test]
fn models_as_people_build_them_are_computed_as_keras_computes_them() {
    let files = files(&folder(), &["keras", "h5"]);
    assert!(files.len() > 30, "{files:?}");
    all_equal(&files);
}

/// Narrow members of the families of keras.applications, by Keras's own code.
#[test]
fn families_of_applications_are_computed_as_keras_computes_them() {
    let files = files(&folder().join("applications"), &["keras"]);
    assert!(files.len() >= FAMILIES, "{files:?}");
    all_equal(&files);
}

/// How many of them there are.
const FAMILIES: usize = 9;

/// What `scripts/applications` has made: networks at their own widths and depths.
#[test]
fn models_of_another_folder_are_computed_as_keras_computes_them() {
    let Some(folder) = std::env::var_os("PARULA_IMPORTED") else {
        println!("SKIPPED: PARULA_IMPORTED names no folder, see scripts/applications");
        return;
    };
    let files = files(Path::new(&folder), &["keras"]);
    assert!(!files.is_empty(), "{folder:?} has no models");
    all_equal(&files);
}

fn all_equal(files: &[PathBuf]) {
    let wrong: Vec<String> = files.iter().filter_map(|file| compare(file).err()).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// How often the plan of a phase of `name` has each operation.
fn operations(name: &str, phase: Phase) -> BTreeMap<&'static str, usize> {
    let file = folder().join(format!("applications/{name}.keras"));
    let network = keras::open(Raw::read(&file).unwrap(), None).unwrap().network;
    let graph = PhaseGraph::new(network, phase, 2, network.input).unwrap();
    let mut counts = BTreeMap::new();
    for work in graph.operations().unwrap() {
        *counts.entry(work.operation.name()).or_default() += 1;
    }
    counts
}

/// A convolution takes the activation behind it, whatever it is; what is repeated over pixels is read where it
/// stands.
#[test]
fn smooth_activations_and_repeated_rows_take_no_pass_of_their_own() {
    for name in ["efficientnet", "efficientnet-v2", "mobilenet-v3", "convnext"] {
        let counts = operations(name, Phase::Forward);
        for operation in ["activate", "expand"] {
            assert!(!counts.contains_key(operation), "{name}: {counts:?}");
        }
    }
    // In training batch normalisation takes them, forward and backward. Those of squeeze-and-excite blocks are of one
    // pixel and have none before them: two each way for each block.
    let counts = operations("efficientnet", Phase::TrainingStep);
    let blocks = operations("efficientnet", Phase::Forward)["global_pool"] - 1;
    assert_eq!(counts["activate"], 4 * blocks, "{counts:?}");
}

/// What a node computes and of what, without the names that nodes of operations have: a number that stands for
/// its operation, with all of its constants, and for its inputs down to the variables.
fn meanings(graph: &Graph) -> Vec<u64> {
    let mut meanings: Vec<u64> = Vec::new();
    for (_, node) in graph.nodes() {
        let mut hash = std::hash::DefaultHasher::new();
        node.shape.dims().hash(&mut hash);
        match &node.kind {
            Kind::Operation(operation) => {
                format!("{operation:?}").hash(&mut hash);
                node.inputs.iter().for_each(|input| meanings[input.index()].hash(&mut hash));
            }
            Kind::Variable(Variable { role: Role::Constant, init }) => {
                let all = match init {
                    Init::Values(values) if values.iter().all(|value| value == &values[0]) => {
                        format!("{:?}", Init::Constant(values[0]))
                    }
                    init => format!("{init:?}"),
                };
                all.hash(&mut hash);
            }
            Kind::Variable(variable) => {
                (&node.name, format!("{:?}", variable.role)).hash(&mut hash);
            }
            Kind::Input => "input".hash(&mut hash),
        }
        meanings.push(hash.finish());
    }
    meanings
}

/// The figures in `src/nets/models` and what is built from the configurations that Keras gives the same networks.
#[test]
fn figures_are_what_keras_describes_node_by_node() {
    for name in
        ["mobilenet-v2", "xception", "resnet50-v2", "densenet121", "inception-v3", "nasnet-mobile"]
    {
        let path = folder().join(format!("applications/{name}.config.json.gz"));
        let mut config = String::new();
        let packed = std::fs::File::open(&path).unwrap();
        flate2::read::GzDecoder::new(packed).read_to_string(&mut config).unwrap();
        let (format, config) = (Format::KerasWeights, Some(config));
        let (layers, metadata) = (Vec::new(), BTreeMap::new());
        let raw = Raw { path, format, layers, metadata, config, ordered: false };
        let described = keras::open(raw, None).unwrap().network;
        let figure = models::find(name).unwrap();
        assert_eq!((described.input, described.classes), (figure.input, figure.classes), "{name}");
        assert_eq!(described.cam_layer, figure.cam_layer, "{name}");
        let build = |network: &'static Network| {
            network.build(Mode::Inference, 1, network.input, network.classes).unwrap()
        };
        let (figure, described) = (build(figure), build(described));
        let [ours, theirs] = [&figure, &described].map(|model| meanings(&model.graph));
        let missing =
            described.graph.nodes().find(|(value, _)| !ours.contains(&theirs[value.index()]));
        if let Some((_, node)) = missing {
            panic!("{name}: the figure has no {}: {:?}", node.name, node.kind);
        }
        assert!(theirs.len() >= ours.len() / 2, "{name}");
        let heads = [&figure.heads, &described.heads].map(|heads| [heads.cam, heads.logits]);
        for (a, b) in heads[0].iter().zip(&heads[1]) {
            assert_eq!(
                ours[a.index()],
                theirs[b.index()],
                "{name}: {}",
                figure.graph.node(*a).name
            );
        }
        assert_eq!(figure.parameters(), described.parameters(), "{name}");
    }
}

/// The members of an archive of `folder()`.
fn members(name: &str) -> Vec<(String, Vec<u8>)> {
    let bytes = std::fs::read(folder().join(name)).unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut member = archive.by_index(index).unwrap();
            let mut content = Vec::new();
            member.read_to_end(&mut content).unwrap();
            (member.name().unwrap().into_owned(), content)
        })
        .collect()
}

/// The file `name` with another configuration.
fn with_config(name: &str, config: &str) -> parula::error::Result<Raw> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (member, content) in members(name) {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(&member, options).unwrap();
        let own = member == "config.json";
        archive.write_all(if own { config.as_bytes() } else { &content }).unwrap();
    }
    Raw::decode(Path::new("user.keras"), archive.finish().unwrap().into_inner())
}

/// What is said of `name` with another configuration.
fn refusal_of(name: &str, config: &str) -> String {
    let tried = with_config(name, config).and_then(|raw| keras::open(raw, None)).and_then(|file| {
        let network = file.network;
        let model = network.build(Mode::Inference, 1, network.input, network.classes)?;
        keras::weights(file.raw, &model).map(|_| ())
    });
    let said = tried.expect_err(config).to_string();
    assert!(said.starts_with("user.keras: ") && !said.contains('\n'), "{said}");
    said
}

fn config_of(name: &str) -> Json {
    let all = members(name);
    let (_, content) = all.iter().find(|(member, _)| member == "config.json").unwrap();
    serde_json::from_slice(content).unwrap()
}

/// What is said where `change` has changed the layers of continued-base.
fn changed(change: impl FnOnce(&mut Vec<Json>)) -> String {
    let mut config = config_of("continued-base.keras");
    change(config["config"]["layers"].as_array_mut().unwrap());
    refusal_of("continued-base.keras", &config.to_string())
}

fn layer<'a>(layers: &'a mut [Json], name: &str) -> &'a mut Json {
    layers.iter_mut().find(|layer| layer["config"]["name"] == name).unwrap()
}

/// Numbers one above the other are of another axis than the channels.
#[test]
fn a_constant_that_is_no_row_of_channels_is_refused() {
    let config = config_of("operations.keras").to_string();
    let row = "\"value\":[120.0,115.0,100.0]";
    assert!(config.contains(row), "{config}");
    for other in ["[[[120.0]],[[115.0]],[[100.0]]]", "[[120.0],[115.0],[100.0]]", "[\"a\"]", "{}"] {
        let said =
            refusal_of("operations.keras", &config.replace(row, &format!("\"value\":{other}")));
        assert!(said.contains("layer subtract (Subtract): a constant tensor is no row"), "{said}");
    }
}

/// A softmax is along the channels: as a layer, as an operation, and as the activation of another layer.
#[test]
fn a_softmax_along_other_axes_is_refused() {
    // Of vectors the second axis is that of the channels.
    for (axis, vectors) in
        [(json!(1), json!(0)), (json!([1, 2]), json!([1, 2])), (Json::Null, Json::Null)]
    {
        let softmax = json!({"module": "keras.layers", "class_name": "Softmax", "config": {"name": "s", "axis": axis}});
        let said = changed(|layers| layer(layers, "stem")["config"]["activation"] = softmax);
        assert!(said.contains("layer stem (Conv2D), activation: axis = "), "{said}");
        let mut config = config_of("hard-squeeze.keras");
        let layers = config["config"]["layers"].as_array_mut().unwrap();
        let mut own = layers.iter_mut().filter(|layer| layer["class_name"] == "Softmax");
        own.next().unwrap()["config"]["axis"] = vectors;
        let said = refusal_of("hard-squeeze.keras", &config.to_string());
        assert!(said.contains("(Softmax): axis = "), "{said}");
    }
}

/// Keras rounds means of whole numbers and wraps sums of them.
#[test]
fn what_keras_would_round_is_refused() {
    let config = config_of("whole-pixels.keras").to_string();
    let said =
        refusal_of("whole-pixels.keras", &config.replace("MaxPooling2D", "AveragePooling2D"));
    assert!(said.contains("(AveragePooling2D): it is given whole numbers"), "{said}");
    let said = refusal_of("whole-pixels.keras", &config.replace("\"uint8\"", "\"int8\""));
    assert!(said.contains("(InputLayer): it makes numbers of the kind int8"), "{said}");
    // A model inside that makes whole numbers of what is none.
    let mut config = config_of("nested-average.keras");
    let layers = config["config"]["layers"].as_array_mut().unwrap();
    layer(layers, "base")["config"]["layers"][0]["config"]["dtype"] = json!("uint8");
    let said = refusal_of("nested-average.keras", &config.to_string());
    assert!(said.contains("of the kind uint8 of what it is given"), "{said}");
    let said = changed(|layers| layer(layers, "last")["config"]["dtype"] = json!("int32"));
    assert!(said.contains("layer last (Conv2D): dtype = \"int32\" is no kind"), "{said}");
}

/// What has regularisers or constraints is known, as they do nothing here in training.
#[test]
fn regularisers_and_constraints_are_found_by_their_layers() {
    let regularised = |change: &dyn Fn(&mut Vec<Json>)| {
        let mut config = config_of("nested-average.keras");
        let layers = config["config"]["layers"].as_array_mut().unwrap();
        change(layer(layers, "base")["config"]["layers"].as_array_mut().unwrap());
        let raw = with_config("nested-average.keras", &config.to_string()).unwrap();
        keras::open(raw, None).unwrap().regularised
    };
    assert!(regularised(&|_| ()).is_empty());
    let found = regularised(&|layers| {
        layer(layers, "stem")["config"]["kernel_constraint"] = json!({"class_name": "NonNeg"});
        layer(layers, "last")["config"]["bias_regularizer"] = json!({"class_name": "L2"});
    });
    assert_eq!(found, ["base/stem", "base/last"]);
}

#[test]
fn what_is_not_understood_is_refused_with_layer_field_and_value() {
    let said = changed(|layers| layer(layers, "stem")["class_name"] = json!("Lambda"));
    assert!(said.contains("layer stem (Lambda)") && said.contains("never run"), "{said}");
    let said = changed(|layers| layer(layers, "stem")["class_name"] = json!("MultiHeadAttention"));
    assert!(said.contains("layer stem (MultiHeadAttention)"), "{said}");
    // A class of the user's own that is called as one of Keras's.
    let said = changed(|layers| layer(layers, "stem")["module"] = json!("os.path"));
    assert!(said.contains("layer stem (Conv2D): this layer is not understood"), "{said}");
    for (layer_name, field, value) in [
        ("stem", "data_format", json!("channels_first")),
        ("stem", "activation", json!("my_activation")),
        ("stem", "padding", json!("reflect")),
        ("stem", "new_field", json!(1)),
        ("stem", "filters", json!(-6)),
        ("stem", "kernel_size", json!([3, 3, 3])),
        (
            "last",
            "activation",
            json!({"class_name": "function", "config": "relu", "registered_name": "mine>relu"}),
        ),
        ("add", "axis", json!(2)),
        ("predictions", "units", json!(1.5)),
    ] {
        let said = changed(|layers| layer(layers, layer_name)["config"][field] = value.clone());
        let expected = format!("layer {layer_name} (");
        assert!(said.contains(&expected) && said.contains(&format!("{field} = ")), "{said}");
    }
    // What no layer can have is shown as the file has it.
    for (field, value) in [
        ("strides", json!([0, 0])),
        ("kernel_size", json!([0, 3])),
        ("kernel_size", Json::Null),
        ("dilation_rate", json!(0)),
    ] {
        let said = changed(|layers| layer(layers, "stem")["config"][field] = value.clone());
        assert!(
            said.contains(&format!("layer stem (Conv2D): {field} = {value} cannot be")),
            "{said}"
        );
    }
    // Keras 2 predicts as in training where a layer is called so, with statistics of the batch, say.
    let called = config_of("keras2-nested.keras").to_string();
    let trained = called.replace("\"training\":false", "\"training\":true");
    assert_ne!(called, trained);
    let said = refusal_of("keras2-nested.keras", &trained);
    assert!(said.contains("it is called with training = true"), "{said}");
    let quantised = json!({"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}});
    let said = changed(|layers| layer(layers, "predictions")["config"]["dtype"] = quantised);
    assert!(said.contains("layer predictions (Dense): its weights are quantised"), "{said}");
}

/// The same of operations: none is computed as another one.
#[test]
fn operations_that_are_not_understood_are_refused() {
    let refused = |name: &str, class: &str, change: &dyn Fn(&mut Json)| {
        let mut config = config_of(name);
        let layers = config["config"]["layers"].as_array_mut().unwrap();
        let mut own = layers.iter_mut().filter(|layer| layer["class_name"] == class);
        change(own.next().unwrap());
        let said = refusal_of(name, &config.to_string());
        assert!(said.contains(&format!("({class}): ")), "{said}");
        said
    };
    for (name, class, field, value) in [
        ("reductions", "Mean", "axis", json!([0, 1])),
        ("reductions", "Mean", "axis", json!([1, 3])),
        ("reductions", "Mean", "axis", Json::Null),
        ("reductions", "Max", "axis", json!(7)),
        ("reductions", "Max", "initial", json!(1.0)),
        ("functions", "Clip", "x_min", Json::Null),
        ("functions", "Clip", "x_min", json!([0.1, 0.2])),
        ("functions", "Clip", "x_min", json!(0.5)),
        ("sequences", "RepeatVector", "n", json!(-1)),
        ("sequences", "Dot", "normalize", json!(true)),
        ("sequences", "Dot", "axes", json!(2)),
        ("sequences", "Concatenate", "axis", json!(0)),
        ("sequences", "Squeeze", "axis", json!(1)),
        ("sequences", "ExpandDims", "axis", json!(0)),
        ("sequences", "Reshape", "target_shape", json!([7, 6])),
        ("placed", "Transpose", "axes", json!([0, 2, 1, 3])),
        ("placed", "Transpose", "axes", json!([1, 0, 2, 3])),
        ("placed", "Cast", "dtype", json!("int32")),
        ("placed", "Pad", "mode", json!("reflect")),
        ("placed", "Pad", "pad_width", json!([[0, 0], [1, 2], [0, 1], [0, 1]])),
        ("placed", "Resize", "interpolation", json!("bicubic")),
        ("placed", "MaxPool", "pool_size", json!(0)),
        ("placed", "Conv2DTranspose", "output_padding", json!(2)),
        ("shapes", "UpSampling2D", "interpolation", json!("bicubic")),
    ] {
        let file = format!("{name}.keras");
        refused(&file, class, &|layer| layer["config"][field] = value.clone());
    }
    let said = refused("functions.keras", "Power", &|layer| {
        layer["inbound_nodes"][0]["args"][1] = json!(2.3);
    });
    assert!(said.contains("2.3 is its exponent"), "{said}");
    // The exponent and the basis exchanged; a layer that takes no number; a number beside two tensors.
    refused("functions.keras", "Power", &|layer| {
        layer["inbound_nodes"][0]["args"].as_array_mut().unwrap().reverse();
    });
    refused("functions.keras", "Conv2D", &|layer| {
        layer["inbound_nodes"][0]["args"].as_array_mut().unwrap().push(json!(3));
    });
    refused("mean-of-heads.keras", "Average", &|layer| {
        layer["inbound_nodes"][0]["args"][0].as_array_mut().unwrap().push(json!(3));
    });
}

#[test]
fn configurations_that_contradict_themselves_are_refused() {
    let said = changed(|layers| layer(layers, "predictions")["config"]["units"] = json!(9));
    assert!(said.contains("predictions/kernel is 8x4") && said.contains("8x9"), "{said}");
    let said = changed(|layers| layer(layers, "predictions")["config"]["name"] = json!("other"));
    assert!(said.contains("layer other (Dense)") || said.contains("other"), "{said}");
    // A cycle: the first convolution reads the last.
    let said = changed(|layers| {
        let nodes = &mut layer(layers, "stem")["inbound_nodes"];
        nodes[0]["args"][0]["config"]["keras_history"][0] = json!("last");
    });
    assert!(said.contains("cycle"), "{said}");
    let said = changed(|layers| {
        let nodes = &mut layer(layers, "stem")["inbound_nodes"];
        nodes[0]["args"][0]["config"]["keras_history"][0] = json!("nowhere");
    });
    assert!(said.contains("there is no layer nowhere"), "{said}");
    let said = changed(|layers| {
        let nodes = &mut layer(layers, "stem")["inbound_nodes"];
        nodes[0]["args"][0]["config"]["keras_history"][1] = json!(7);
    });
    assert!(said.contains("call 7"), "{said}");
    for (count, expected) in
        [(1_000_000, "unpacks to more than"), (30_000, "more than 20000 layers")]
    {
        let start = r#"{"class_name": "Sequential", "config": {"name": "s", "layers": ["#;
        let one = r#"{"class_name": "ReLU", "config": {"name": "r"}}"#;
        let many = format!("{start}{}]}}}}", vec![one; count].join(","));
        let said = refusal_of("continued-base.keras", &many);
        assert!(said.contains(expected), "{said}");
    }
    // What a terminal would not show, but do.
    let said = changed(|layers| layer(layers, "stem")["class_name"] = json!("Co\u{1b}[2J"));
    assert!(said.contains("has control characters") && !said.contains('\u{1b}'), "{said}");
    let deep = "[".repeat(100_000);
    assert!(refusal_of("continued-base.keras", &deep).contains("cannot be read"));
    for wrong in [
        r#"{"class_name": "Functional"}"#,
        r#"{"class_name": "Functional", "config": {"layers": []}}"#,
        r#"{"class_name": "Mine", "config": {"layers": []}}"#,
        r#"{"class_name": "Functional", "config": {"layers": [3], "input_layers": 4}}"#,
        r#"{"class_name": "Sequential", "config": {"layers": []}}"#,
        r#"{"class_name": "Sequential", "config": [{"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [null, 9, 9, 3]}}]}"#,
    ] {
        refusal_of("continued-base.keras", wrong);
    }
}

#[test]
fn several_inputs_and_maps_of_scores_are_refused() {
    let mut config = config_of("continued-base.keras");
    let second = config["config"]["layers"][0].clone();
    let layers = config["config"]["layers"].as_array_mut().unwrap();
    let mut second = second;
    second["name"] = json!("second");
    second["config"]["name"] = json!("second");
    layers.push(second);
    let first = config["config"]["layers"][0]["name"].clone();
    config["config"]["input_layers"] = json!([[first, 0, 0], ["second", 0, 0]]);
    let said = refusal_of("continued-base.keras", &config.to_string());
    assert!(said.contains("2 inputs"), "{said}");
    // Of a row of numbers, and of no picture.
    let mut config = config_of("continued-base.keras");
    config["config"]["layers"][0]["config"]["batch_shape"] = json!([null, 864]);
    let said = refusal_of("continued-base.keras", &config.to_string());
    assert!(said.contains("its input is (864), and no picture"), "{said}");
    let mut config = config_of("continued-base.keras");
    config["config"]["output_layers"] = json!([["last", 0, 0]]);
    let said = refusal_of("continued-base.keras", &config.to_string());
    assert!(said.contains("no row of class scores"), "{said}");
}
