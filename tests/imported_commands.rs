//! Models of Keras on the command line: the model is the file, pictures go in as Keras would take them, and
//! what is assumed is printed.

mod common {
    pub mod program;
}

use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use common::program::{failure, failure_and_code, json, parula};
use serde_json::{Value as Json, json as document};

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imported").join(name)
}

fn golden(name: &str) -> Json {
    serde_json::from_slice(&std::fs::read(model(name)).unwrap()).unwrap()
}

/// Picture `n` of `tests/reference/imported.py` as a file: its numbers are whole, from 0 to 255.
fn picture(folder: &Path, n: usize, [height, width, channels]: [usize; 3]) -> PathBuf {
    let mut bytes = Vec::new();
    for (y, x, c) in (0..height)
        .flat_map(|y| (0..width).flat_map(move |x| (0..channels).map(move |c| (y, x, c))))
    {
        let sum = 13 * y * y + 7 * x * y + 31 * x + 97 * c + 17 * y + 53 * n;
        bytes.push((sum % 256) as u8);
    }
    let file = folder.join(format!("{n}.{height}x{width}x{channels}.png"));
    let (width, height) = (width as u32, height as u32);
    match channels {
        1 => image::GrayImage::from_raw(width, height, bytes).unwrap().save(&file).unwrap(),
        _ => image::RgbImage::from_raw(width, height, bytes).unwrap().save(&file).unwrap(),
    }
    file
}

fn numbers(json: &Json) -> Vec<f64> {
    json.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// The largest difference over the largest magnitude of `truth`.
fn apart(found: &[f64], truth: &[f64]) -> f64 {
    assert_eq!(found.len(), truth.len());
    let largest = truth.iter().fold(f64::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    found.iter().zip(truth).map(|(a, b)| (a - b).abs() / largest).fold(0.0, f64::max)
}

/// The numbers of a `.npy` file of float32.
fn npy(file: &Path) -> Vec<f64> {
    let bytes = std::fs::read(file).unwrap();
    assert!(bytes.starts_with(b"\x93NUMPY"));
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let numbers = bytes[10 + header..].chunks_exact(4);
    numbers.map(|four| f64::from(f32::from_le_bytes(four.try_into().unwrap()))).collect()
}

/// What stderr says of a command that succeeds.
fn notes(arguments: &[&str]) -> String {
    let output = parula(arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}");
    text
}

#[test]
fn a_model_and_pictures_give_what_keras_gives() {
    let folder = tempfile::tempdir().unwrap();
    // In colour and in grey, taller than wide, whole .h5, a Normalization with statistics.
    for (file, size, layer) in [
        ("nested-average.keras", [32, 32, 3], "base/re_lu_2"),
        ("nested-average.h5", [32, 32, 3], "base/re_lu_2"),
        ("wide.keras", [24, 48, 3], "base/re_lu_2"),
        ("grey.keras", [32, 32, 1], "base/re_lu_2"),
        ("normalization.keras", [24, 40, 3], "conv2d_1"),
    ] {
        let truth = golden(&format!("{}.json", file.split('.').next().unwrap()));
        let pictures = [20, 21].map(|n| picture(folder.path(), n, size));
        let given = [path(&pictures[0]), path(&pictures[1])];
        let file = model(file);
        let found = json(&[&["predict", path(&file)], &given[..]].concat());
        let out = folder.path().join("out").join(file.file_name().unwrap());
        let maps = [&["cam", path(&file)], &given[..], &["--class", "0", "--out", path(&out)]];
        let maps = json(&maps.concat());
        for index in 0..2 {
            let (answer, found, map) = (&truth["answers"][index], &found[index], &maps[index]);
            let logits = apart(&numbers(&found["logits"]), &numbers(&answer["logits"]));
            assert!(logits < 1e-5, "{file:?}: {found}");
            assert_eq!(found["input"], document!([size[0], size[1]]));
            assert_eq!(found["scaling"], "none");
            let shares = numbers(&found["probabilities"]);
            let class = found["class"].as_u64().unwrap() as usize;
            assert!(shares.iter().all(|share| *share <= shares[class]), "{found}");
            assert_eq!(found["probability"].as_f64().unwrap(), shares[class]);
            assert_eq!(map["layer"], layer);
            assert_eq!([&map["class"], &map["sign"]], [&document!(0), &document!(1)]);
            assert!(apart(&[map["probability"].as_f64().unwrap()], &shares[..1]) < 1e-5, "{map}");
            let rows = answer["map"].as_array().unwrap();
            let truth: Vec<f64> = rows.iter().flat_map(numbers).collect();
            let apart = apart(&npy(Path::new(map["raw"].as_str().unwrap())), &truth);
            assert!(apart < 1e-4, "{file:?}: {apart:.1e}");
        }
    }
}

#[test]
fn what_is_assumed_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let image = picture(folder.path(), 20, [32, 32, 3]);
    let [scales, plain] = ["nested-average.keras", "shared.keras"].map(model);
    let said = notes(&["predict", path(&scales), path(&image)]);
    assert!(said.contains("at 32x32, scaling none") && !said.contains("--scaling"), "{said}");
    let said = notes(&["predict", path(&plain), path(&image)]);
    assert!(said.contains("at 16x16, scaling none"), "{said}");
    // In a model inside, with a dense layer behind it; by constants.
    for name in ["nested-twice.keras", "preprocessed-caffe.keras"] {
        let said = notes(&["predict", path(&model(name)), path(&image)]);
        assert!(!said.contains("--scaling"), "{name}: {said}");
    }
    // A scaling that is asked for is one that the numbers show.
    let logits = |more: &[&str]| {
        let all = [&["predict", path(&plain), path(&image)], more].concat();
        numbers(&json(&all)[0]["logits"])
    };
    assert!(apart(&logits(&["--scaling", "unit"]), &logits(&[])) > 1e-3);
    let found = json(&["predict", path(&plain), path(&image), "--scaling", "caffe"]);
    assert_eq!(found[0]["scaling"], "caffe");
    // So is the way to resize, where the picture has another size.
    assert_eq!(found[0]["resize"], "bilinear");
    // Halved, a mean of an area and a bilinear one are the same; here they are not.
    let other = picture(folder.path(), 20, [40, 56, 3]);
    let ways = ["bilinear", "antialiased", "nearest", "area"];
    let all = ways.map(|way| {
        let found = json(&["predict", path(&plain), path(&other), "--resize", way]);
        assert_eq!(found[0]["resize"], way);
        numbers(&found[0]["logits"])
    });
    assert_eq!(all[0], numbers(&json(&["predict", path(&plain), path(&other)])[0]["logits"]));
    for (a, b) in (0..4).flat_map(|a| (0..a).map(move |b| (a, b))) {
        assert!(apart(&all[a], &all[b]) > 1e-4, "{} and {}", ways[a], ways[b]);
    }
    for wrong in [["--scaling", "keras"], ["--resize", "bicubic"]] {
        let all = [&["predict", path(&plain), path(&image)], &wrong[..]].concat();
        assert_eq!(parula(&all).status.code(), Some(2));
    }
}

#[test]
fn classes_have_names() {
    let folder = tempfile::tempdir().unwrap();
    let image = picture(folder.path(), 20, [32, 32, 3]);
    let file = folder.path().join("model.keras");
    std::fs::copy(model("nested-maximum.keras"), &file).unwrap();
    let out = folder.path().join("out");
    let cam = |more: &[&'static str]| -> Vec<String> {
        let mut all = vec!["cam".to_owned(), path(&file).to_owned(), path(&image).to_owned()];
        all.extend(["--out".to_owned(), path(&out).to_owned()]);
        all.extend(more.iter().map(|&word| word.to_owned()));
        all
    };
    let json_of =
        |more: &[&'static str]| json(&cam(more).iter().map(String::as_str).collect::<Vec<_>>());
    let failed =
        |more: &[&'static str]| failure(&cam(more).iter().map(String::as_str).collect::<Vec<_>>());
    let by_number = json_of(&["--class", "1"]);
    assert_eq!(by_number[0]["class_name"], Json::Null);
    let names = ["--class-names", "ant,bee,cow"];
    let by_name = json_of(&[&names[..], &["--class", "bee"]].concat());
    assert_eq!(
        (&by_name[0]["class"], &by_name[0]["class_name"]),
        (&document!(1), &document!("bee"))
    );
    assert_eq!(by_name[0]["probability"], by_number[0]["probability"]);
    // The names in a file beside the model are the same.
    std::fs::write(folder.path().join("classes.txt"), "ant\nbee\n\ncow\n").unwrap();
    assert_eq!(json_of(&["--class", "bee"]), by_name);
    let text = parula(&["predict", path(&file), path(&image)]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(["ant", "bee", "cow"].iter().any(|name| text.contains(name)), "{text}");
    assert!(failed(&["--class", "dog"]).contains("there is no class dog"));
    assert!(failed(&["--class", "3"]).contains("there is no class 3"));
    assert!(failed(&["--class", "-1"]).contains("there is no class -1"));
    assert!(failed(&["--class-names", "ant,bee"]).contains("has 2 names, the head 3 units"));
    assert!(failed(&["--class-names", "ant,ant,bee"]).contains("names ant twice"));
    // A single unit speaks for the second of two.
    let one = model("nested-no-pooling.keras");
    let of_one = ["cam", path(&one), path(&image), "--out", path(&out), "--class-names", "ant,bee"];
    assert_eq!(json(&[&of_one[..], &["--class", "bee"]].concat())[0]["class_name"], "bee");
    let said = failure(&[&of_one[..], &["--class", "ant"]].concat());
    assert!(said.contains("speaks for bee; --against shows what speaks for ant"), "{said}");
}

#[test]
fn layers_are_listed_and_taken_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let image = picture(folder.path(), 20, [32, 32, 3]);
    let file = model("nested-twice.keras");
    let listed = json(&["explain", path(&file)]);
    assert_eq!(listed["cam_layer"], "outer/conv2d_1");
    let layers = listed["layers"].as_array().unwrap();
    let stem = layers.iter().find(|layer| layer["name"] == "outer/inner/stem").unwrap();
    assert_eq!(stem["class"], "Conv2D");
    assert_eq!(stem["shape"], document!([16, 16, 6]));
    assert_eq!(stem["trainable"], true);
    let text = String::from_utf8(parula(&["explain", path(&file)]).stdout).unwrap();
    let marked: Vec<&str> = text.lines().filter(|line| line.contains("<- explained")).collect();
    assert!(marked.len() == 1 && marked[0].starts_with("outer/conv2d_1 "), "{marked:?}");
    let out = folder.path().join("out");
    let cam = ["cam", path(&file), path(&image), "--out", path(&out), "--layer"];
    let found = json(&[&cam[..], &["outer/inner/stem"]].concat());
    assert_eq!(found[0]["layer"], "outer/inner/stem");
    assert_eq!(npy(Path::new(found[0]["raw"].as_str().unwrap())).len(), 16 * 16);
    let said = failure(&[&cam[..], &["inner/stem"]].concat());
    assert!(said.contains("has no layer called inner/stem"), "{said}");
    // A layer that is there and gives no map; the pictures; a kernel that is seen in another shape.
    let said = failure(&[&cam[..], &["dense"]].concat());
    assert!(said.contains("layer dense gives (3), which is no map"), "{said}");
    assert!(
        said.contains("the last feature maps are") && said.contains("outer/conv2d_1"),
        "{said}"
    );
    let input = layers[0]["name"].as_str().unwrap();
    let said = failure(&[&cam[..], &[input]].concat());
    assert!(said.contains("gives the pictures themselves"), "{said}");
    let file = model("convnext-block.keras");
    let image = picture(folder.path(), 20, [24, 24, 3]);
    let cam = ["cam", path(&file), path(&image), "--out", path(&out), "--layer", "dense/as_kernel"];
    assert!(failure(&cam).contains("has no layer called dense/as_kernel"));
}

#[test]
fn every_method_explains_a_model_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let image = picture(folder.path(), 20, [32, 32, 3]);
    let out = folder.path().join("out");
    let [rectified, silu] = ["nested-twice.keras", "squeeze-and-excite.keras"].map(model);
    for method in parula::nets::cam::METHODS {
        for file in [&rectified, &silu] {
            let mut all = vec!["cam", path(file), path(&image), "--out", path(&out)];
            all.extend(["--method", method.name]);
            if method.takes(parula::nets::cam::Argument::Samples) {
                all.extend(["--samples", "3"]);
            }
            if method.name == "guided-backprop" && file == &silu {
                let said = failure(&all);
                assert!(said.contains("is of ReLU and its kin"), "{said}");
                continue;
            }
            let found = json(&all);
            let map = npy(Path::new(found[0]["raw"].as_str().unwrap()));
            assert!(map.iter().all(|value| value.is_finite()), "{}", method.name);
            assert!(map.iter().any(|value| *value > 0.0), "{}: all zero", method.name);
            assert_eq!(found[0]["method"], method.name);
        }
    }
}

#[test]
fn sizes_are_the_files_own_and_the_users_where_it_leaves_them_open() {
    let folder = tempfile::tempdir().unwrap();
    let image = picture(folder.path(), 20, [40, 56, 3]);
    // A model of 24x48 runs at 24x48, whatever the picture has; of other sizes where its layers allow it.
    let file = model("wide.keras");
    let found = json(&["predict", path(&file), path(&image)]);
    assert_eq!(found[0]["input"], document!([24, 48]));
    let found = json(&["predict", path(&file), path(&image), "--size", "40x56"]);
    assert_eq!(found[0]["input"], document!([40, 56]));
    // That it is not its own is said.
    let said = notes(&["predict", path(&file), path(&image), "--size", "40x56"]);
    assert!(said.contains("at 40x56 instead of 24x48, which it was made for"), "{said}");
    let said = notes(&["predict", path(&file), path(&image), "--size", "24x48"]);
    assert!(!said.contains("instead"), "{said}");
    // A Flatten before a dense layer does not allow it.
    let file = model("nested-no-pooling.keras");
    let said = failure(&["predict", path(&file), path(&image), "--size", "40x56"]);
    assert!(said.contains("it was made for 32x32, and at 40x56 dense/kernel is"), "{said}");
    assert!(said.contains("leave out --size"), "{said}");
    // Nor does a Reshape to fixed sizes.
    let fixed = changed(folder.path(), "sequences.keras", |config| {
        let layers = config["config"]["layers"].as_array_mut().unwrap();
        let reshape = layers.iter_mut().find(|layer| layer["class_name"] == "Reshape").unwrap();
        reshape["config"]["target_shape"] = document!([30, 6]);
    });
    let said = failure(&["predict", path(&fixed), path(&image), "--size", "40x56"]);
    assert!(said.contains("it was made for 12x14, and at 40x56 layer reshape"), "{said}");
    // Without height and width in the file they have to be given.
    let open = changed(folder.path(), "wide.keras", |config| {
        open_input(config);
    });
    let said = failure(&["predict", path(&open), path(&image)]);
    assert!(said.contains("takes images of any size") && said.contains("--size"), "{said}");
    let own = json(&["predict", path(&model("wide.keras")), path(&image)]);
    let given = json(&["predict", path(&open), path(&image), "--size", "24x48"]);
    assert_eq!(own[0]["logits"], given[0]["logits"]);
}

/// Takes height and width out of every input of the model, and of those in it.
fn open_input(config: &mut Json) {
    for layer in config["config"]["layers"].as_array_mut().unwrap() {
        if layer["config"].get("batch_shape").is_some() {
            layer["config"]["batch_shape"] = document!([null, null, null, 3]);
        }
        if layer["config"].get("layers").is_some() {
            open_input(layer);
        }
    }
}

/// The model `name` in a file of its own, its configuration changed.
fn changed(folder: &Path, name: &str, change: impl FnOnce(&mut Json)) -> PathBuf {
    let bytes = std::fs::read(model(name)).unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut written = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut change = Some(change);
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).unwrap();
        let member_name = member.name().unwrap().into_owned();
        let mut content = Vec::new();
        member.read_to_end(&mut content).unwrap();
        if member_name == "config.json" {
            let mut config = serde_json::from_slice(&content).unwrap();
            change.take().unwrap()(&mut config);
            content = serde_json::to_vec(&config).unwrap();
        }
        written.start_file(&member_name, zip::write::SimpleFileOptions::default()).unwrap();
        written.write_all(&content).unwrap();
    }
    let file = folder.join(format!("changed-{name}"));
    std::fs::write(&file, written.finish().unwrap().into_inner()).unwrap();
    file
}

#[test]
fn what_cannot_be_run_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let [own, out] = [model("wide.keras"), folder.path().join("out.safetensors")];
    let said = failure(&["weights", "convert", path(&own), path(&out)]);
    assert!(said.contains("a model of your own as it is"), "{said}");
    let (saved, image) = (folder.path().join("saved"), picture(folder.path(), 20, [24, 48, 3]));
    std::fs::create_dir_all(&saved).unwrap();
    std::fs::write(saved.join("saved_model.pb"), b"model").unwrap();
    let said = failure(&["predict", path(&saved), path(&image)]);
    assert!(said.contains("a model as TensorFlow saves it"), "{said}");
    let image = picture(folder.path(), 20, [32, 32, 3]);
    let refused = |change: &dyn Fn(&mut Json)| {
        let file = changed(folder.path(), "continued-base.keras", change);
        failure(&["predict", path(&file), path(&image)])
    };
    fn stem(config: &mut Json) -> &mut Json {
        let layers = config["config"]["layers"].as_array_mut().unwrap();
        layers.iter_mut().find(|layer| layer["config"]["name"] == "stem").unwrap()
    }
    let said = refused(&|config| stem(config)["class_name"] = document!("Lambda"));
    assert!(said.contains("layer stem (Lambda)") && said.contains("never run"), "{said}");
    let said = refused(&|config| {
        *config =
            serde_json::from_str(&config.to_string().replace("\"stem\"", "\"root\"")).unwrap();
    });
    assert!(said.contains("the weights of layer root (Conv2D) are not there"), "{said}");
    let said = refused(&|config| stem(config)["config"]["causal"] = document!(true));
    assert!(said.contains("layer stem (Conv2D): causal = true is not understood"), "{said}");
    // Weights alone, a file that is none, and two models at once.
    let text = folder.path().join("text.keras");
    std::fs::write(&text, "no model").unwrap();
    assert!(failure(&["predict", path(&text), path(&image)]).contains("this is no weights file"));
    let cut = folder.path().join("cut.keras");
    let whole = std::fs::read(model("continued-base.keras")).unwrap();
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    assert!(failure(&["predict", path(&cut), path(&image)]).contains("cut off"));
    let whole = model("wide.keras");
    let both = ["predict", path(&whole), path(&image), "--model", "compact-resnet"];
    for (more, expected) in [
        (&["--weights", path(&text)][..], "give one of them"),
        (&[], "two networks are named: --model compact-resnet and"),
    ] {
        let (said, code) = failure_and_code(&[&both[..], more].concat());
        assert!(said.contains(expected) && code == 2, "{code}: {said}");
    }
    let (said, code) = failure_and_code(&["predict", "--model", "xception", path(&image)]);
    assert!(said.contains("no weights of xception were given") && code == 2, "{code}: {said}");
    assert!(failure(&["predict", path(&image)]).contains("no model was given"));
    assert!(failure(&["predict", path(&whole)]).contains("no images"));
    // What says of which model it is, and no more.
    let bare = folder.path().join("bare.keras");
    let mut written = zip::ZipWriter::new(std::fs::File::create(&bare).unwrap());
    written.start_file("config.json", zip::write::SimpleFileOptions::default()).unwrap();
    written.write_all(b"{\"class_name\": \"Functional\"}").unwrap();
    written.finish().unwrap();
    let (said, code) = failure_and_code(&["predict", path(&bare), path(&image)]);
    assert!(said.contains("holds no weights") && code == 1, "{code}: {said}");
    assert!(said.contains("model.save(\"x.keras\")") && !said.contains("cut off"), "{said}");
}

/// What a head without an activation gives is taken for logits, which is said; what is a probability already stays it.
#[test]
fn a_head_without_softmax_is_remarked_on_and_a_mean_of_softmaxes_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let remark = "its scores are taken for logits: it ends without softmax";
    for (name, size, remarked) in [
        ("continued-base.keras", [32, 32, 3], true),
        ("wide.keras", [24, 48, 3], false),
        ("mean-of-heads.keras", [16, 16, 3], false),
    ] {
        let image = picture(folder.path(), 20, size);
        let file = model(name);
        let said = notes(&["predict", path(&file), path(&image)]);
        assert_eq!(said.contains(remark), remarked, "{name}: {said}");
    }
    let truth = numbers(&golden("mean-of-heads.json")["answers"][0]["logits"]);
    let image = picture(folder.path(), 20, [16, 16, 3]);
    let found = json(&["predict", path(&model("mean-of-heads.keras")), path(&image)]);
    assert!(apart(&numbers(&found[0]["probabilities"]), &truth) < 1e-5, "{found}");
    // Their sum is no probability.
    let sum = changed(folder.path(), "mean-of-heads.keras", |config| {
        let layers = config["config"]["layers"].as_array_mut().unwrap();
        let mean = layers.iter_mut().find(|layer| layer["class_name"] == "Average").unwrap();
        mean["class_name"] = document!("Add");
    });
    let said = notes(&["predict", path(&sum), path(&image)]);
    assert!(said.contains(remark), "{said}");
}

/// The steps of a Grad-CAM: each follows from the one before, and the last is the map of `cam` and of Keras.
#[test]
fn every_step_of_grad_cam_follows_from_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let file = model("applications/resnet.keras");
    let golden = golden("applications/resnet.json");
    let answer = &golden["answers"][0];
    let [height, width, channels] =
        [0, 1, 2].map(|i| golden["input"][i].as_u64().unwrap() as usize);
    let n = answer["picture"].as_u64().unwrap() as usize;
    let image = picture(folder.path(), n, [height, width, channels]);
    let (steps, maps) = (folder.path().join("steps"), folder.path().join("maps"));
    let command = [
        "cam",
        path(&file),
        path(&image),
        "--class",
        "0",
        "--steps",
        path(&steps),
        "--out",
        path(&maps),
    ];
    json(&command);
    let name = image.file_stem().unwrap().to_str().unwrap().to_owned();
    let own = steps.join(&name);
    let document: Json =
        serde_json::from_slice(&std::fs::read(own.join("steps.json")).unwrap()).unwrap();
    let [h, w, c] = [0, 1, 2].map(|i| document["shape"][i].as_u64().unwrap() as usize);
    let read = |what: &str| npy(&own.join(format!("{what}.npy")));
    let (activation, gradient) = (read("activation"), read("gradient"));
    assert_eq!((activation.len(), gradient.len()), (h * w * c, h * w * c));
    let mean = |k: usize| (0..h * w).map(|at| gradient[at * c + k]).sum::<f64>() / (h * w) as f64;
    let weights: Vec<f64> = (0..c).map(mean).collect();
    assert!(apart(&read("weights"), &weights) < 1e-5);
    assert!(apart(&numbers(&document["weights"]), &weights) < 1e-5);
    let sum: Vec<f64> =
        (0..h * w).map(|at| (0..c).map(|k| weights[k] * activation[at * c + k]).sum()).collect();
    assert!(apart(&read("sum"), &sum) < 1e-5);
    let map: Vec<f64> = sum.iter().map(|value: &f64| value.max(0.0)).collect();
    assert!(apart(&read("map"), &map) < 1e-5);
    let keras: Vec<f64> = answer["map"].as_array().unwrap().iter().flat_map(numbers).collect();
    assert!(apart(&read("map"), &keras) < 1e-4);
    assert_eq!(read("map"), npy(&maps.join(format!("{name}.npy"))), "the map of cam, bit for bit");
    let heatmap = std::fs::read(own.join("heatmap.png")).unwrap();
    assert_eq!(heatmap, std::fs::read(maps.join(format!("{name}.png"))).unwrap());
    let page = std::fs::read_to_string(own.join("steps.html")).unwrap();
    assert!(page.contains("Grad-CAM step by step") && !page.contains("{{"), "{page}");
    assert!(
        !page.contains("http:") && !page.contains("https:") && !page.contains("<script"),
        "nothing is loaded or run"
    );
    // Again, over its own files; not over somebody's, and for no other method.
    json(&command);
    std::fs::write(own.join("steps.json.mine"), b"mine").unwrap();
    let others = folder.path().join("others");
    std::fs::create_dir_all(others.join(&name)).unwrap();
    std::fs::write(others.join(&name).join("steps.json"), b"mine").unwrap();
    let mut refused = command;
    refused[6] = path(&others);
    let said = failure(&refused);
    assert!(said.contains("steps.json: is there already"), "{said}");
    let said = failure(&[&command[..], &["--method", "saliency"]].concat());
    assert!(said.contains("--steps shows Grad-CAM"), "{said}");
}

/// Labels by a table and by folders, the table of predictions, and what is refused.
#[test]
fn predictions_are_judged_by_labels() {
    let folder = tempfile::tempdir().unwrap();
    let file = model("nested-average.keras");
    let images: Vec<PathBuf> = (20..26).map(|n| picture(folder.path(), n, [32, 32, 3])).collect();
    let images: Vec<&str> = images.iter().map(|image| path(image)).collect();
    let plain = json(&[&["predict", path(&file)], &images[..]].concat());
    let said: Vec<usize> =
        (0..6).map(|index| plain[index]["class"].as_u64().unwrap() as usize).collect();
    let units = numbers(&plain[0]["probabilities"]).len();
    // The first four as they are said, the fifth otherwise, the sixth without a label.
    let label = |index: usize| if index == 4 { (said[4] + 1) % units } else { said[index] };
    let lines: Vec<String> =
        (0..5).map(|index| format!("{},{}", images[index], label(index))).collect();
    let (labels, table) = (folder.path().join("labels.csv"), folder.path().join("said.csv"));
    std::fs::write(&labels, format!("image,label\n{}\n", lines.join("\n"))).unwrap();
    let flags = ["--labels", path(&labels), "--csv", path(&table)];
    let command = [&["predict", path(&file)], &images[..], &flags[..]].concat();
    let found = json(&command);
    assert_eq!(found["predictions"], plain);
    let judged = &found["judgement"];
    assert_eq!(judged["images"], 5);
    assert_eq!(judged["accuracy"]["value"], 0.8);
    for class in 0..units {
        for called in 0..units {
            let count =
                (0..5).filter(|&index| label(index) == class && said[index] == called).count();
            assert_eq!(judged["confusion"][class][called], count, "{judged}");
        }
    }
    let written = std::fs::read_to_string(&table).unwrap();
    let drawn = |ending: &str| folder.path().join("said").with_extension(ending);
    let curves = std::fs::read_to_string(drawn("roc.svg")).unwrap();
    assert!((0..units).all(|class| curves.contains(&format!(">{class}"))), "{curves}");
    assert!(std::fs::read(drawn("roc.png")).unwrap().starts_with(b"\x89PNG"));
    let rows: Vec<Vec<&str>> = written.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 7, "{written}");
    assert_eq!(rows[5][..4], [images[4], "", &*label(4).to_string(), &*said[4].to_string()]);
    assert_eq!(rows[6][2], "", "{written}");
    let share: f64 = rows[1][4].parse().unwrap();
    assert_eq!(share, numbers(&plain[0]["probabilities"])[0]);
    assert!(notes(&command).contains("1 of 6 images have no label"));

    // What is no class, what would be lost, and what is no probability.
    std::fs::write(&labels, format!("image,label\n{},dog\n", images[0])).unwrap();
    let refused = |more: &[&str]| failure(&[&["predict", path(&file), images[0]], more].concat());
    let strange = refused(&["--labels", path(&labels)]);
    assert!(strange.contains("dog") && strange.contains("--class-names"), "{strange}");
    let over = refused(&["--csv", images[0]]);
    assert!(over.contains("written over"), "{over}");
    let foreign = refused(&["--csv", path(&labels)]);
    assert!(foreign.contains("labels.csv"), "{foreign}");
    assert!(std::fs::read_to_string(&labels).unwrap().ends_with(",dog\n"));
    // A picture of somebody else's, where the curves would go.
    let [mine, before] = ["mine.roc.png", "mine.csv"].map(|name| folder.path().join(name));
    std::fs::copy(images[0], &mine).unwrap();
    let foreign = refused(&["--labels", path(&labels), "--csv", path(&before)]);
    assert!(foreign.contains("mine.roc.png") && !before.exists(), "{foreign}");
    assert_eq!(std::fs::read(&mine).unwrap(), std::fs::read(images[0]).unwrap());
    let cut = refused(&["--labels", path(&labels), "--threshold", "1.5"]);
    assert!(cut.contains("no probability"), "{cut}");
    // Folders are classes by their names.
    let own = folder.path().join("1");
    std::fs::create_dir(&own).unwrap();
    let inside = picture(&own, 20, [32, 32, 3]);
    let found = json(&["predict", path(&file), path(&inside), "--labels", "folders"]);
    let right = u64::from(said[0] == 1) as f64;
    assert_eq!(found["judgement"]["accuracy"]["value"], right);
}
