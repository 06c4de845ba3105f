//! `parula lesson`: the page and the plans that it writes, what it refuses, and the cases that browsers are held to
//! (`scripts/lesson-check`).

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

fn parula(arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_parula")).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

fn done(arguments: &[&str]) -> String {
    let (success, stdout, stderr) = parula(arguments);
    assert!(success, "parula {}\n{stderr}", arguments.join(" "));
    stdout
}

fn refused(arguments: &[&str], words: &[&str]) {
    let (success, _, stderr) = parula(arguments);
    let last = stderr.trim_end().lines().last().unwrap_or_default().to_owned();
    assert!(!success, "parula {} was not refused", arguments.join(" "));
    for word in words {
        assert!(last.contains(word), "{last}\nlacks {word}");
    }
}

/// What a page holds as data.
fn data_of(page: &Path) -> Json {
    let text = std::fs::read_to_string(page).unwrap();
    let (_, rest) = text.split_once("id=\"lesson-data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_standard_lesson_is_one_small_file_that_loads_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (page, plan) = (folder.path().join("lesson.html"), folder.path().join("plan.json"));
    done(&["lesson", "--out", shown(&page), "--plan", shown(&plan)]);
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.len() < 5_000_000, "{} bytes", text.len());
    assert!(text.contains("default-src 'none'") && text.contains("connect-src 'none'"));
    assert!(!text.contains("{{"), "a blank was not filled");
    let markup = text.split_once("<script type=\"importmap\">").unwrap().0;
    assert!(!markup.contains("src=\"http") && !markup.contains("href=\"http"));

    let data = data_of(&page);
    let pictures = data["pictures"].as_array().unwrap();
    assert_eq!(pictures.len(), 10);
    let said = (&data["standard"], &data["network"]["about"]);
    assert_eq!(said, (&json!(true), &json!("synthetic mammograms")));
    for class in [0, 1] {
        assert!(pictures.iter().any(|picture| picture["class"] == class), "class {class}");
    }
    let outlined = pictures.iter().filter(|picture| picture["outline"].is_string()).count();
    assert_eq!(outlined, 6, "each with a mass");
    assert!(pictures.iter().all(|picture| picture["recorded"]["logits"].is_array()));
    assert!(data["methods"].as_array().unwrap().len() >= 9);

    let plan: Json = serde_json::from_slice(&std::fs::read(&plan).unwrap()).unwrap();
    assert_eq!((&plan["format"], &plan["version"]), (&json!("parula-plan"), &json!(1)));
    assert_eq!(plan, data["program"]);
    consistent(&plan);
    let explain = plan["plans"]["explain"]["steps"].as_array().unwrap();
    let rungs = |step: &Json| step["rungs"].as_array().map_or(0, Vec::len);
    let convolutions = explain.iter().filter(|step| step["operation"] == "conv2d");
    assert!(convolutions.clone().count() > 10 && convolutions.clone().all(|step| rungs(step) > 1));
    let subgroups = |step: &&Json| step["rungs"].to_string().contains("\"subgroups\"");
    assert!(convolutions.clone().any(|step| subgroups(&step)), "a rung for subgroups");
    // Within WebGPU's default limits, by the numbers that it gives itself.
    let most = |name: &str| plan["needs"][name].as_u64().unwrap();
    assert!(most("maxBufferSize") <= 256 << 20 && most("maxStorageBufferBindingSize") <= 128 << 20);
    assert!(most("maxStorageBuffersPerShaderStage") <= 8);
}

/// The page claims nothing of what a user's network was trained on, nor of a user's pictures.
#[test]
fn a_page_of_another_network_says_nothing_that_nobody_told_it() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("lesson.html");
    let weights = repository().join("docs/tutorial/compact-xception.safetensors");
    let image = repository().join("docs/tutorial/roi.png");
    let network = ["--model", "compact-xception", "--weights", shown(&weights)];
    for (images, standard) in [(&[shown(&image)][..], false), (&[], true)] {
        done(&[&["lesson"], &network[..], images, &["--out", shown(&page)]].concat());
        let data = data_of(&page);
        assert_eq!(data["standard"], standard);
        assert!(data["network"]["about"].is_null(), "{}", data["network"]["about"]);
    }
}

/// Every number in a document leads to something, and nothing leaves its buffer.
fn consistent(document: &Json) {
    let count = |of: &Json| of.as_array().unwrap().len() as u64;
    for pipeline in document["pipelines"].as_array().unwrap() {
        let shader = pipeline["shader"].as_u64().unwrap();
        assert!(shader < count(&document["shaders"]));
        let text = document["shaders"][shader as usize]["wgsl"].as_str().unwrap();
        let entry = pipeline["entry"].as_str().unwrap();
        assert!(text.contains(&format!("fn {entry}(")), "{entry}");
        let feature = document["shaders"][shader as usize]["feature"].as_str();
        let uses = ["subgroupAdd(", "subgroupBroadcast(", "subgroupShuffle("];
        assert_eq!(text.starts_with("enable subgroups;"), feature.is_some(), "{entry}");
        assert!(feature.is_some() || !uses.iter().any(|word| text.contains(word)), "{entry}");
    }
    for (name, plan) in document["plans"].as_object().unwrap() {
        let bytes: Vec<u64> = plan["buffers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|b| b["bytes"].as_u64().unwrap())
            .collect();
        for dispatch in plan["dispatches"].as_array().unwrap() {
            assert!(dispatch["pipeline"].as_u64().unwrap() < count(&document["pipelines"]));
            for bound in dispatch["bindings"].as_array().unwrap() {
                let [_, buffer, start, length] = [0, 1, 2, 3].map(|at| bound[at].as_u64().unwrap());
                assert!(start + length <= bytes[buffer as usize], "{name}: {bound}");
                assert!(start % 256 == 0 && length > 0, "{name}: {bound}");
            }
        }
        for step in plan["steps"].as_array().unwrap() {
            climbable(document, plan, step);
        }
        for port in
            plan["inputs"].as_array().unwrap().iter().chain(plan["outputs"].as_array().unwrap())
        {
            let shape: Vec<u64> =
                port["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
            let channels = shape.last().copied().unwrap_or(1);
            let rows = shape.iter().product::<u64>() / channels.max(1);
            let [offset, stride, buffer] =
                ["offset", "stride", "buffer"].map(|key| port[key].as_u64().unwrap());
            let end = 4 * (offset + (rows - 1) * stride + channels);
            assert!(end <= bytes[buffer as usize], "{name}: {port}");
        }
        if let Some(variables) = plan["variables"].as_str() {
            for (role, bank) in document["variables"][variables]["roles"].as_object().unwrap() {
                let elements = bank["elements"].as_u64().unwrap() as usize;
                if let Some(data) = bank["data"].as_str() {
                    assert_eq!(STANDARD.decode(data).unwrap().len(), 4 * elements, "{role}");
                }
            }
        }
    }
}

/// What a step runs, and every rung that can run in its place: they are there, need what they say, and write the same
/// output without touching what they read.
fn climbable(document: &Json, plan: &Json, step: &Json) {
    let none = Vec::new();
    let rungs = step["rungs"].as_array().unwrap_or(&none);
    let dispatch = |number: &Json| &plan["dispatches"][number.as_u64().unwrap() as usize];
    let case = &step["case"];
    for own in std::iter::once(step).chain(rungs) {
        for number in own["dispatches"].as_array().unwrap() {
            let pipeline =
                &document["pipelines"][dispatch(number)["pipeline"].as_u64().unwrap() as usize];
            let shader = &document["shaders"][pipeline["shader"].as_u64().unwrap() as usize];
            assert!(shader["feature"].is_null() || shader["feature"] == own["feature"], "{case}");
        }
    }
    let names: Vec<&Json> = std::iter::once(step).chain(rungs).map(|own| &own["variant"]).collect();
    let several = names.iter().all(|name| names.iter().filter(|other| other == &name).count() == 1);
    assert!(several, "{case}: {names:?}");
    // The output is bound by the last dispatch of each.
    let last = |own: &Json| {
        own["dispatches"].as_array().and_then(|all| all.last()).map(|n| dispatch(n).clone())
    };
    let bound = |own: &Json| -> Vec<(u64, u64)> {
        let bindings = last(own).map(|one| one["bindings"].as_array().unwrap().clone());
        let place = |bound: Json| (bound[1].as_u64().unwrap(), bound[2].as_u64().unwrap());
        bindings.unwrap_or_default().into_iter().map(place).collect()
    };
    for rung in rungs {
        let shared = bound(rung).iter().any(|place| bound(step).contains(place));
        assert!(
            shared,
            "{case}: {} binds nothing of what {} does",
            rung["variant"], step["variant"]
        );
    }
}

#[test]
fn pictures_and_models_of_one_s_own_come_into_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("own.html");
    for file in ["roi.png", "mask.png"] {
        std::fs::copy(repository().join("docs/tutorial").join(file), folder.path().join(file))
            .unwrap();
    }
    std::fs::rename(folder.path().join("mask.png"), folder.path().join("roi_mask.png")).unwrap();
    let roi = folder.path().join("roi.png");
    let weights = repository().join("docs/tutorial/compact-xception.safetensors");
    let named = ["--model", "compact-xception", "--weights", shown(&weights)];
    done(
        &[&["lesson", shown(&roi), "--out", shown(&page), "--size", "64x80"][..], &named].concat(),
    );
    let data = data_of(&page);
    assert_eq!(data["network"]["input"], json!([64, 80, 1]));
    let picture = &data["pictures"][0];
    assert_eq!(
        (&picture["id"], &picture["width"], &picture["height"]),
        (&json!("roi"), &json!(146), &json!(102))
    );
    assert!(picture["outline"].is_string());
    for name in ["convnext-block", "grey"] {
        let model = repository().join(format!("tests/imported/{name}.keras"));
        done(&["lesson", shown(&model), shown(&roi), "--out", shown(&page)]);
        consistent(&data_of(&page)["program"]);
    }
}

#[test]
fn what_no_page_can_hold_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let page = at("x.html");
    refused(&["lesson", shown(&at("none.png")), "--out", shown(&page)], &["none.png"]);
    std::fs::write(at("text.png"), "no picture").unwrap();
    refused(&["lesson", shown(&at("text.png")), "--out", shown(&page)], &["text.png"]);
    std::fs::copy(repository().join("docs/tutorial/roi.png"), at("roi.png")).unwrap();
    refused(
        &["lesson", shown(&at("roi.png")), "--out", shown(&at("roi.png"))],
        &["roi.png", "another --out"],
    );
    let wide = parula::nets::images::Grey { width: 5000, height: 1000, pixels: vec![0; 5_000_000] };
    wide.write(at("wide.png")).unwrap();
    refused(
        &["lesson", shown(&at("wide.png")), "--out", shown(&page)],
        &["5000 x 1000", "4 megapixels"],
    );
    assert!(!page.exists(), "nothing was written");
}

/// Writes what `scripts/lesson-check` holds browsers to into the folder PARULA_CASES: a page, unless PARULA_LESSON is one,
/// and what the native program makes of its pictures and of one that is not among them.
#[test]
#[ignore = "scripts/lesson-check runs it"]
fn the_cases_of_the_browsers_are_written() {
    let Some(folder) = std::env::var_os("PARULA_CASES").map(PathBuf::from) else {
        println!("SKIPPED: PARULA_CASES names no folder");
        return;
    };
    let given = std::env::var_os("PARULA_LESSON").filter(|path| !path.is_empty());
    let page = given.map_or_else(|| folder.join("lesson.html"), PathBuf::from);
    if !page.exists() {
        done(&["lesson", "--out", shown(&page)]);
    }
    let data = data_of(&page);
    let save = |name: &str, uri: &Json| -> Option<PathBuf> {
        let (_, bytes) = uri.as_str()?.split_once(',')?;
        let path = folder.join(name);
        std::fs::write(&path, STANDARD.decode(bytes).unwrap()).unwrap();
        Some(path)
    };
    let tutorial = repository().join("docs/tutorial");
    let mut cases = Vec::new();
    let mut add = |name: &str, id: Option<&str>, image: &Path, mask: Option<&Path>, with: &Json| {
        cases.push(case(&folder, (name, id), image, mask, with));
    };
    let (roi, mask) = (tutorial.join("roi.png"), tutorial.join("mask.png"));
    // The first is what a page shows when it is opened.
    let first = &data["pictures"][0];
    let layers = data["network"]["layers"].as_array().unwrap();
    let other = layers.iter().rfind(|layer| {
        layer["explainable"] == true
            && layer["name"] != data["network"]["cam"]
            && layer["operation"] == "Add"
    });
    for (at, picture) in data["pictures"].as_array().unwrap().iter().enumerate() {
        let id = picture["id"].as_str().unwrap();
        let image = save(&format!("{id}.png"), &picture["png"]).unwrap();
        let outline = save(&format!("{id}_mask.png"), &picture["outline"]);
        add(id, Some(id), &image, outline.as_deref(), &json!({"class": at % 2, "recorded": true}));
    }
    for method in data["methods"].as_array().unwrap() {
        // What needs a gradient at the image needs a GPU.
        let recorded = method["family"] != "input";
        let with = json!({"method": method["name"], "class": 1, "recorded": recorded});
        add("roi", None, &roi, Some(&mask), &with);
        if method["family"] == "activation" || method["name"] == "gradcam" {
            let with =
                json!({"method": method["name"], "class": 1, "sign": -1, "recorded": recorded});
            add("roi, against", None, &roi, Some(&mask), &with);
        }
    }
    for method in ["gradcam", "layercam", "gradcam++"] {
        let layer = &other.unwrap()["name"];
        add("roi", None, &roi, Some(&mask), &json!({"method": method, "class": 1, "layer": layer}));
    }
    assert!(first["id"].is_string());
    std::fs::write(folder.join("cases.json"), serde_json::to_vec(&cases).unwrap()).unwrap();
}

fn case(
    folder: &Path,
    (name, id): (&str, Option<&str>),
    image: &Path,
    mask: Option<&Path>,
    with: &Json,
) -> Json {
    let out = tempfile::tempdir_in(folder).unwrap();
    let weights = repository().join("docs/tutorial/compact-xception.safetensors");
    let method = with["method"].as_str().unwrap_or("gradcam");
    let class = with["class"].to_string();
    let mut arguments = vec![
        "cam",
        "--json",
        "--model",
        "compact-xception",
        "--weights",
        shown(&weights),
        "--method",
        method,
        "--class",
        &class,
        shown(image),
        "--out",
        shown(out.path()),
    ];
    if with["sign"] == -1 {
        arguments.push("--against");
    }
    if let Some(layer) = with["layer"].as_str() {
        arguments.extend(["--layer", layer]);
    }
    let cam: Json = serde_json::from_str(&done(&arguments)).unwrap();
    let path = |key: &str| PathBuf::from(cam[0][key].as_str().unwrap());
    let map = numbers(&std::fs::read(path("raw")).unwrap());
    let levels = parula::nets::images::Grey::read(path("png")).unwrap().pixels;
    let score = mask.map(|mask| -> Json {
        let png = path("png");
        let arguments = ["score", "--json", "--mask", shown(mask), "--heatmap", shown(&png)];
        serde_json::from_str(&done(&arguments)).unwrap()
    });
    let predicted: Json = serde_json::from_str(&done(&[
        "predict",
        "--json",
        "--model",
        "compact-xception",
        "--weights",
        shown(&weights),
        shown(image),
    ]))
    .unwrap();
    json!({
        "name": name, "id": id, "image": image, "mask": if id.is_none() { mask } else { None }, "method": method,
        "class": with["class"], "sign": with["sign"].as_i64().unwrap_or(1), "layer": with["layer"],
        "recorded": with["recorded"] == true, "map": map, "levels": levels, "logits": predicted[0]["logits"],
        "dice": score.as_ref().map(|score| &score["dice"]), "meanDice": score.as_ref().map(|score| &score["mean_dice"]),
    })
}

/// The numbers of a `.npy` in float32.
fn numbers(bytes: &[u8]) -> Vec<f32> {
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let words = bytes[10 + header..].chunks_exact(4);
    words.map(|word| f32::from_le_bytes(word.try_into().unwrap())).collect()
}
