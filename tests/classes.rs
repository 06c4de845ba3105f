//! More than two classes, classes without masks, and labels that do not exclude each other: from folders and tables to
//! networks, predictions and maps, on the command line.

#[path = "common/program.rs"]
mod program;

use std::path::Path;

use program::{failure, json, parula, path};
use serde_json::Value;

/// Noise about one grey above and one below, another in every image.
fn picture(folder: &Path, name: &str, [above, below]: [u8; 2], number: u64) {
    let file = folder.join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let image = image::GrayImage::from_fn(32, 32, |_, y| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let noise = (state >> 59) as u8;
        image::Luma([if y < 16 { above } else { below } + noise])
    });
    image.save(file).unwrap();
}

const LEVELS: [(&str, u8); 3] = [("dark", 30), ("middling", 110), ("light", 200)];

/// Images of three classes, without masks.
fn three(folder: &Path) {
    for (class, (name, level)) in LEVELS.into_iter().enumerate() {
        for i in 0..12 {
            picture(folder, &format!("{name}/{i}.png"), [level; 2], (class * 100 + i) as u64);
        }
    }
}

const NETWORK: [&str; 8] =
    ["--whole", "--model", "compact-resnet", "--size", "32", "--batch", "8", "--no-flips"];

fn train(data: &Path, out: &Path, more: &[&str]) -> Value {
    let data = ["train", "--data", path(data), "--out", path(out)];
    json(&[&data[..], &NETWORK, more].concat())
}

/// The header of a table, and its lines.
fn table(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let mut table = csv::Reader::from_path(path).unwrap();
    let fields = |line: &csv::StringRecord| line.iter().map(str::to_owned).collect();
    let header = fields(table.headers().unwrap());
    (header, table.records().map(|line| fields(&line.unwrap())).collect())
}

#[test]
fn classes_of_whole_images_have_no_use_for_what_is_of_masks() {
    let keep = tempfile::tempdir().unwrap();
    let (set, out) = (keep.path().join("set"), keep.path().join("w.safetensors"));
    three(&set);
    let table = keep.path().join("labels.csv");
    std::fs::write(&table, "image,label\ndark/0.png,a\n").unwrap();
    let data = ["train", "--data", path(&set), "--out", path(&out)];
    for more in [&["--mask-values", "3"], &["--outlines", path(&set)], &["--normals", "all"]] {
        for labels in [&[][..], &["--labels", path(&table)]] {
            let error = failure(&[&data[..], &NETWORK, more, labels].concat());
            assert!(error.contains(&format!("{} is of masks and ROIs", more[0])), "{error}");
        }
    }
}

#[test]
fn three_classes_are_learnt_judged_and_explained() {
    let keep = tempfile::tempdir().unwrap();
    let (set, out) = (keep.path().join("set"), keep.path().join("w.safetensors"));
    three(&set);
    let found = train(&set, &out, &["--epochs", "12", "--positive", "dark,light"]);
    assert_eq!(found["classes"], serde_json::json!(["dark", "light", "middling"]));
    assert_eq!(found["validation_by_class"], serde_json::json!([2, 2, 2]));
    assert!(found["val_acc"].as_f64().unwrap() > 0.8, "{found}");
    let judged = &found["judgement"];
    assert!(judged["macro_auc"].as_f64().unwrap() > 0.9, "{judged}");
    assert_eq!(judged["positive"]["of"], serde_json::json!([0, 1]));
    // The tables have what the accuracy is of.
    let (header, lines) = table(&out.with_extension("predictions.csv"));
    let columns = ["name", "patient", "split", "label"].map(str::to_owned);
    let named = ["dark", "light", "middling"].map(|name| format!("probability of {name}"));
    assert_eq!(header, [&columns[..], &named[..]].concat());
    let right = |line: &&Vec<String>| {
        let said: Vec<f64> = line[4..].iter().map(|number| number.parse().unwrap()).collect();
        let most = said.iter().copied().fold(0.0, f64::max);
        assert!((said.iter().sum::<f64>() - 1.0).abs() < 1e-9 && line[2] == "validation");
        header[4 + said.iter().position(|one| *one == most).unwrap()].ends_with(&line[3])
    };
    let share = lines.iter().filter(right).count() as f64 / lines.len() as f64;
    assert!(lines.len() == 6 && (share - found["val_acc"].as_f64().unwrap()).abs() < 1e-9);
    let (_, lines) = table(&out.with_extension("predictions.train.csv"));
    assert!(lines.len() == 30 && lines.iter().all(|line| line[2] == "train"));
    // Curves of what counts as positive, and of each class.
    let drawn = std::fs::read_to_string(out.with_extension("roc.svg")).unwrap();
    for name in ["dark or light", "dark", "light", "middling", "who guesses"] {
        assert!(drawn.contains(&format!(">{name}<")), "{name}: {drawn}");
    }

    let network = ["--model", "compact-resnet", "--weights", path(&out)];
    let judge = ["predict", path(&set), "--labels", "folders", "--positive", "LIGHT"];
    let found = json(&[&judge[..], &network].concat());
    assert_eq!(found["classes"], serde_json::json!(["dark", "light", "middling"]));
    assert_eq!(found["predictions"][0]["class_name"], "dark");
    assert!(found["judgement"]["accuracy"]["value"].as_f64().unwrap() > 0.8);
    assert_eq!(found["judgement"]["positive"]["of"], serde_json::json!([1]));
    assert_eq!(found["judgement"]["confusion"][1].as_array().unwrap().len(), 3);

    // A map a class, in files that say which.
    let (maps, image) = (keep.path().join("maps"), set.join("light/3.png"));
    let explain = ["cam", path(&image), "--out", path(&maps)];
    let all = json(&[&explain[..], &network, &["--class", "all", "--figure"]].concat());
    let classes: Vec<&str> =
        all.as_array().unwrap().iter().map(|one| one["class_name"].as_str().unwrap()).collect();
    assert_eq!(classes, ["dark", "light", "middling"]);
    for class in classes {
        for ending in ["npy", "png", "figure.png"] {
            assert!(maps.join(format!("3.{class}.{ending}")).is_file(), "{class} {ending}");
        }
    }
    let one = json(&[&explain[..], &network, &["--class", "light"]].concat());
    assert_eq!(one[0]["class"], 1);
    let raw = |name: &str| std::fs::read(maps.join(name)).unwrap();
    assert_eq!(raw("3.npy"), raw("3.light.npy"));
    // Without a class it is the likeliest, as normal and abnormal were not what was taught.
    let likeliest = json(&[&explain[..], &network].concat());
    assert_eq!(likeliest[0]["class_name"], "light");
    let steps = keep.path().join("steps");
    let steps = ["--class", "all", "--steps", path(&steps)];
    assert!(failure(&[&explain[..], &network, &steps].concat()).contains("--steps"));
    let strange = ["predict", path(&set), "--labels", "folders", "--positive", "red"];
    assert!(failure(&[&strange[..], &network].concat()).contains("red"));

    // It goes on with the same classes, and with no others.
    let more = ["--epochs", "13"];
    let data = ["train", "--data", path(&set), "--out", path(&out)];
    let other = [&data[..], &NETWORK, &more, &["--resume", "--classes", "light,dark,middling"]];
    let error = failure(&other.concat());
    assert!(error.contains("classes"), "{error}");
}

#[test]
fn other_formats_keep_the_names_and_a_start_has_their_head() {
    let keep = tempfile::tempdir().unwrap();
    let set = keep.path().join("set");
    three(&set);
    let first = keep.path().join("two.weights.h5");
    let two =
        train(&set, &first, &["--epochs", "1", "--classes", "light,dark", "--head", "sigmoid"]);
    assert_eq!(two["classes"], serde_json::json!(["light", "dark"]));
    let image = set.join("dark/0.png");
    let found = json(&[
        "predict",
        "--model",
        "compact-resnet",
        "--weights",
        path(&first),
        path(&image),
        "--labels",
        "folders",
    ]);
    // One unit, which speaks for the second class.
    assert_eq!(found["predictions"][0]["probabilities"].as_array().unwrap().len(), 1);
    assert_eq!(found["classes"], serde_json::json!(["light", "dark"]));
    assert_eq!(
        found["judgement"]["confusion"][1][0].as_u64().unwrap()
            + found["judgement"]["confusion"][1][1].as_u64().unwrap(),
        1
    );
    let second = keep.path().join("three.keras");
    let three = train(&set, &second, &["--epochs", "1", "--weights", path(&first)]);
    assert_eq!(three["classes"].as_array().unwrap().len(), 3);
    let found =
        json(&["predict", "--model", "compact-resnet", "--weights", path(&second), path(&image)]);
    assert_eq!(found[0]["probabilities"].as_array().unwrap().len(), 3);
    assert!(found[0]["class_name"].is_string());
    let refused = keep.path().join("x.safetensors");
    let wrong = ["train", "--data", path(&set), "--out", path(&refused), "--head", "sigmoid"];
    let error = failure(&[&wrong[..], &NETWORK].concat());
    assert!(error.contains("two classes apart, not 3"), "{error}");
}

#[test]
fn labels_that_do_not_exclude_each_other_are_learnt_and_judged() {
    let keep = tempfile::tempdir().unwrap();
    let (set, out) = (keep.path().join("set"), keep.path().join("w.safetensors"));
    let mut words = "image,label,label\n".to_owned();
    let mut marks = "image,Above,Below\n".to_owned();
    for i in 0..40usize {
        let (above, below) = (i % 2 == 0, i / 2 % 2 == 0);
        let level = |is: bool| if is { 200 } else { 40 };
        picture(&set, &format!("{i}.png"), [level(above), level(below)], i as u64);
        marks += &format!("{i}.png,{},{}\n", u8::from(above), u8::from(below));
        // In words, an image with none has no line.
        let of = |is: bool, name| if is { name } else { "" };
        if above || below {
            words += &format!("{i},{},{}\n", of(above, "above"), of(below, "below"));
        }
    }
    let labels = set.join("labels.csv");
    std::fs::write(&labels, &marks).unwrap();
    let found = train(&set, &out, &["--epochs", "14", "--labels", path(&labels)]);
    assert_eq!(found["classes"], serde_json::json!(["Above", "Below"]));
    let judged = &found["judgement"];
    assert!(judged["macro_auc"].as_f64().unwrap() > 0.9, "{judged}");
    assert!(judged["macro_average_precision"].as_f64().unwrap() > 0.9, "{judged}");
    assert!(found["val_acc"].as_f64().unwrap() > 0.8, "{found}");
    let (header, lines) = table(&out.with_extension("predictions.csv"));
    assert_eq!(header[4..], ["probability of Above", "probability of Below"]);
    let known = ["", "Above", "Below", "Above|Below"];
    assert!(lines.iter().all(|line| known.contains(&&line[3][..])), "{lines:?}");

    let network = ["--model", "compact-resnet", "--weights", path(&out)];
    let csv = keep.path().join("out.csv");
    let judge = ["predict", path(&set), "--csv", path(&csv), "--labels"];
    let found = json(&[&judge[..], &[path(&labels)], &network].concat());
    assert!(found["judgement"]["labels"][0]["auc"]["value"].as_f64().unwrap() > 0.9);
    assert_eq!(found["judgement"]["images"], 40);
    // The units do not compete: both labels of the first image are likely at once.
    let first = &found["predictions"][0]["probabilities"];
    assert!(first[0].as_f64().unwrap() > 0.5 && first[1].as_f64().unwrap() > 0.5, "{first}");
    let text = std::fs::read_to_string(&csv).unwrap();
    assert!(text.lines().nth(1).unwrap().contains("Above|Below,Above|Below"), "{text}");
    // Columns of a table that are no labels of the network may hold anything.
    let with_age: String = marks.lines().map(|line| format!("{line},age\n")).collect();
    std::fs::write(&labels, with_age).unwrap();
    let again = json(&[&judge[..], &[path(&labels)], &network].concat());
    assert_eq!(again["judgement"], found["judgement"]);
    std::fs::write(&labels, &words).unwrap();
    let found = json(&[&judge[..], &[path(&labels)], &network].concat());
    assert_eq!(found["judgement"]["images"], 30);

    let shown = parula(&[&["predict", path(&set)][..], &network].concat());
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.lines().next().unwrap().contains("Above, Below"), "{shown}");
    let maps = keep.path().join("maps");
    let image = set.join("1.png");
    let explain = ["cam", path(&image), "--class", "all", "--out", path(&maps)];
    json(&[&explain[..], &network].concat());
    assert!(maps.join("1.Above.png").is_file() && maps.join("1.Below.png").is_file());

    let refused = keep.path().join("x.safetensors");
    let data = ["train", "--data", path(&set), "--out", path(&refused), "--labels", path(&labels)];
    let error = failure(&[&data[..], &NETWORK, &["--head", "softmax"]].concat());
    assert!(error.contains("do not compete"), "{error}");
    let error = failure(&[&data[..], &NETWORK, &["--positive", "above"]].concat());
    assert!(error.contains("--positive"), "{error}");
}
