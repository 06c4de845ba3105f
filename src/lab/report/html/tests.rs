//! The page of a small run, made up here.

use serde_json::Value;

use super::*;
use crate::nets::cam::dice;
use crate::nets::images::Grey;

/// A run of one model on a data set with a hostile name; two ROIs, one of them longer than the gallery shows.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let heatmaps = folder.path().join("heatmaps/xception/7");
    std::fs::create_dir_all(&heatmaps).unwrap();
    let mut scores = String::from("name,split,mean_dice\n");
    let mut curve = vec![0.0; 256];
    for (name, width, height) in [("a&b'", 20, 12), ("long", 400, 30)] {
        let picture = |value: fn(usize, usize) -> usize| {
            let pixels = (0..width * height).map(|i| value(i % width, i / width) as u8).collect();
            Grey { width, height, pixels }
        };
        let write = |what: &str, grey: &Grey| {
            grey.write(heatmaps.join(format!("{name}.{what}.png"))).unwrap()
        };
        let mask = picture(|x, y| if (4..12).contains(&x) && y > 3 { 255 } else { 0 });
        let heatmap = picture(|x, y| (x * 9 + y * 5) % 256);
        write("roi", &picture(|x, y| (x * 3 + y * 11) % 256));
        write("mask", &mask);
        write("heatmap", &heatmap);
        let found = dice::score(&mask.pixels, &heatmap.pixels).unwrap();
        scores += &format!("{name},validation,{}\n", found.mean_dice);
        curve.iter_mut().zip(&found.dice).for_each(|(sum, dice)| *sum += dice / 2.0);
    }
    std::fs::write(heatmaps.join("scores.csv"), scores).unwrap();
    let one = |mean: f64| {
        json!({ "mean": mean, "low": mean - 0.0625, "high": mean + 0.0625,
                                   "seeds": 1, "patients": 40, "too_few": true })
    };
    let results = json!({
        "version": "0", "adapter": "an <adapter>",
        "config": { "data": "</script><script>alert(1)</script>", "models": ["xception"], "seeds": [7] },
        "dataset": { "abnormal": 2, "normal": 2, "train": 2, "validation": 2, "leakage": 0 },
        "baselines": { "ones": 0.551234, "gaussian": 0.58, "ellipse": 0.842 },
        "runs": [{ "model": "xception", "seed": 7, "val_acc": 0.8125, "mean_dice": 0.4321, "best_threshold": 40,
                   "cam_val_acc": null, "dice_curve": curve }],
        "summary": [{ "model": "xception", "seeds": 1, "val_acc": one(0.8125), "mean_dice": one(0.4321),
                      "cam_val_acc": null }],
    });
    std::fs::write(folder.path().join("results.json"), results.to_string()).unwrap();
    folder
}

fn page(folder: &Path) -> String {
    let written = write(folder).unwrap();
    let page = std::fs::read_to_string(&written.path).unwrap();
    assert_eq!(written.bytes, page.len());
    page
}

/// What the script of the page reads.
fn data_of(page: &str) -> Value {
    let (_, after) = page.split_once("id=\"data\">").unwrap();
    serde_json::from_str(after.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn names_from_outside_are_text_and_nothing_outside_is_loaded() {
    let folder = folder();
    let page = page(folder.path());
    assert!(
        !page.contains("<script>alert") && !page.contains("an <adapter>") && !page.contains("a<b>")
    );
    assert!(page.contains("an &lt;adapter&gt;") && page.contains("a&amp;b&#39;"));
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("{{"));
    for attribute in ["src=\"", "href=\""] {
        for (_, rest) in
            page.match_indices(attribute).map(|(at, found)| page.split_at(at + found.len()))
        {
            assert!(rest.starts_with("data:") || rest.starts_with('#'), "{}", &rest[..40]);
        }
    }
}

#[test]
fn the_numbers_are_those_of_the_files() {
    let folder = folder();
    let page = page(folder.path());
    let data = data_of(&page);
    let results: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("results.json")).unwrap())
            .unwrap();
    assert_eq!(data["results"], results);
    // In full for sorting, rounded for reading.
    assert!(page.contains("data-value=\"0.551234\">0.551<"));
    assert!(page.contains("data-value=\"0.4321\">0.432 <span class=\"range\" data-low=\"0.3696\" data-high=\"0.4946\">[0.370, 0.495]*<"));
    assert!(
        page.contains("* too few for an interval") && page.contains("1 seed: the interval is of")
    );
    assert!(page.contains("data-value=\"0.435\">0.435<"), "the paper's");
    assert!(page.contains("not run"));
    let rois = data["gallery"][0]["rois"].as_array().unwrap();
    assert_eq!(rois.len(), 2);
    for roi in rois {
        let read = |what: &str| {
            let name = roi["name"].as_str().unwrap();
            Grey::read(folder.path().join(format!("heatmaps/xception/7/{name}.{what}.png")))
                .unwrap()
        };
        let (mask, heatmap) = (read("mask"), read("heatmap"));
        assert_eq!(roi["mean_dice"], dice::score(&mask.pixels, &heatmap.pixels).unwrap().mean_dice);
        let counts = |key: &str| {
            roi[key].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(counts("everywhere").iter().sum::<u64>() as usize, mask.pixels.len());
        let inside = mask.pixels.iter().filter(|&&value| value > 0).count();
        assert_eq!(counts("inside").iter().sum::<u64>() as usize, inside);
    }
}

#[test]
fn tables_and_figures_for_a_paper_are_made_of_the_same_folder() {
    let folder = folder();
    let mut files = Vec::new();
    let written = write_all(folder.path(), &mut |path, bytes| {
        files.push((path.to_owned(), bytes.to_vec()));
        Ok(())
    })
    .unwrap();
    let names: Vec<&Path> = files.iter().map(|(path, _)| path.as_path()).collect();
    let known = paths(folder.path(), ["xception"].into_iter());
    assert!(names.iter().all(|name| known.iter().any(|path| path == name)), "{names:?}");
    assert_eq!(written.files.len() + 1, names.len());
    let of = |name: &str| {
        let is = |one: &&(PathBuf, Vec<u8>)| one.0.ends_with(name);
        &files.iter().find(is).unwrap_or_else(|| panic!("{name} in {names:?}")).1[..]
    };
    let text = |name: &str| String::from_utf8(of(name).to_vec()).unwrap();
    let tables = text("tables.tex");
    for part in [
        "xception & 0.812 & 0.856 & 0.432 & 0.435 \\\\\n & {\\scriptsize [0.750, 0.875{]}*} & ",
        "\\midrule\nones: 255 everywhere & -- & -- & 0.551",
        "2 abnormal and 2 normal ROIs, of which 2 to train on and 2 to validate on. Means over one seed (7)",
        "an \\textless{}adapter\\textgreater{}",
    ] {
        assert!(tables.contains(part), "{part}\n{tables}");
    }
    assert!(!tables.contains("filtered"), "Table II was not run");
    let of_runs = "{tab:described}";
    assert!(!tables.contains(of_runs), "nothing is known of this classifier but its accuracy");
    // No table of predictions or of lesions is in this folder.
    for name in
        ["roi", "dice-against-accuracy", "dice-xception", "overlays-xception", "filtered-xception"]
    {
        let svg = text(&format!("figures/{name}.svg"));
        assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"), "{name}");
        assert!(image::load_from_memory(of(&format!("figures/{name}.png"))).is_ok());
    }
    assert!(text("figures/roi.svg").contains("heatmap value"));
    assert!(text("figures/dice-against-accuracy.svg").contains(">MobileNetV2<"));
}

/// What a paper says of a classifier beside its accuracy, and what must be known of the truth.
#[test]
fn tables_for_a_paper_have_the_classifiers_and_say_what_is_a_circle() {
    let folder = folder();
    let path = folder.path().join("results.json");
    let mut results: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let figure =
        |value: f64| json!({ "value": value, "low": value - 0.125, "high": value + 0.0625 });
    results["dataset"]["truth"] = json!({ "outlines": 1, "circles": 1 });
    results["runs"][0]["auc"] = figure(0.875);
    results["runs"][0]["confusion"] = json!([[5, 2], [1, 4]]);
    results["runs"][0]["test"] =
        json!({ "rois": 3, "accuracy": figure(0.5), "auc": figure(0.625) });
    std::fs::write(&path, results.to_string()).unwrap();
    let mut tables = String::new();
    write_all(folder.path(), &mut |path, bytes| {
        if path.ends_with("tables.tex") {
            tables = String::from_utf8_lossy(bytes).into_owned();
        }
        Ok(())
    })
    .unwrap();
    for part in [
        "{tab:described}",
        "xception & 7 & 0.875 & 4 & 1 & 5 & 2 \\\\\n",
        "{tab:tested}",
        "xception & 7 & 3 & 0.500 & 0.625",
        "In brackets 95~\\% intervals over patients",
    ] {
        assert!(tables.contains(part), "{part}\n{tables}");
    }
    let circles = "Mind that the truth of 1 of 2 lesions is a circle";
    assert_eq!(tables.matches(circles).count(), 3, "in every caption\n{tables}");
}

/// The published points, and ours where this run has some on them: every name stands, under no mark and over no other.
#[test]
fn no_name_of_figure_8_lies_under_a_mark_or_over_another() {
    use crate::lab::report::labels::{Area, Point};
    use crate::lab::report::plot::{LETTERS, MARK, Mark, Words};
    use crate::lab::report::text::{Align, Weight};
    let folder = folder();
    let path = folder.path().join("results.json");
    let mut results: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let none = results["summary"].clone();
    let summary = |points: &[(f64, f64)]| -> Value {
        let one = |(index, &(x, y)): (usize, &(f64, f64))| {
            let of = |mean: f64| json!({ "mean": mean, "low": mean - 0.05, "high": mean + 0.05 });
            json!({ "model": format!("compact-network-{index}"), "cam_val_acc": of(x), "mean_dice": of(y) })
        };
        points.iter().enumerate().map(one).collect()
    };
    let published: Vec<(f64, f64)> =
        paper::PUBLISHED.iter().map(|row| (row.cam_val_acc, row.dice)).collect();
    let cases = [
        none,
        summary(&published),
        summary(&[(0.75, 0.3); 12]),
        summary(&[(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.5), (0.5, 0.0)]),
    ];
    for (number, case) in cases.into_iter().enumerate() {
        let ours = case.as_array().unwrap().iter().filter(|one| one["cam_val_acc"].is_object());
        let names = paper::PUBLISHED.len() + ours.count();
        results["summary"] = case;
        std::fs::write(&path, results.to_string()).unwrap();
        let chart = charts::scatter(&Run::read(folder.path()).unwrap());
        let (mut discs, mut areas) = (Vec::new(), Vec::new());
        for mark in chart.marks() {
            match mark {
                Mark::Disc(_, at, _) => discs.push(Point { at, reach: MARK, width: 0.0 }),
                Mark::Text(Words::Name, (x, y), align, name) => {
                    let width = f64::from(Weight::Regular.width(LETTERS as f32, &name));
                    let left = match align {
                        Align::Left => x,
                        Align::Centre => x - width / 2.0,
                        Align::Right => x - width,
                    };
                    let right = left + width;
                    areas.push((name, Area { left, right, top: y - 8.5, bottom: y + 2.5 }));
                }
                _ => {}
            }
        }
        assert_eq!(
            (discs.len(), areas.len(), chart.left_out()),
            (names, names, 0),
            "case {number}"
        );
        for (index, (name, area)) in areas.iter().enumerate() {
            assert!(
                !discs.iter().any(|disc| area.covers(disc)),
                "case {number}: {name} under a mark"
            );
            let over = areas[..index].iter().find(|(_, other)| area.meets(other));
            assert!(over.is_none(), "case {number}: {name} over {over:?}");
        }
    }
}

#[test]
fn sides_and_classes_are_there_to_be_chosen() {
    let folder = folder();
    assert!(!page(folder.path()).contains("<fieldset>"), "one side, one class");
    let heatmaps = folder.path().join("heatmaps/xception/7");
    let predictions = folder.path().join("predictions/xception");
    std::fs::create_dir_all(heatmaps.join("test/normal")).unwrap();
    std::fs::create_dir_all(heatmaps.join("normal")).unwrap();
    std::fs::create_dir_all(&predictions).unwrap();
    let grey = Grey { width: 8, height: 4, pixels: (0..32).map(|i| i * 7).collect() };
    for (place, what) in [
        ("normal/n", &["roi", "heatmap"][..]),
        ("test/t", &["roi", "heatmap", "mask"]),
        ("test/normal/tn", &["roi", "heatmap"]),
    ] {
        for what in what {
            grey.write(heatmaps.join(format!("{place}.{what}.png"))).unwrap();
        }
    }
    // Of one, an earlier version has left the map alone.
    std::fs::write(heatmaps.join("normals.csv"), "name,marked\nn,0.5\nold,0.25\n").unwrap();
    std::fs::write(predictions.join("7.test-scores.csv"), "name,mean_dice\nt,0.5\n").unwrap();
    std::fs::write(predictions.join("7.test-normals.csv"), "name,marked\ntn,0.5\n").unwrap();
    let shown = page(folder.path());
    let data = data_of(&shown);
    let rois = data["gallery"][0]["rois"].as_array().unwrap();
    let mut all: Vec<[&str; 3]> = rois
        .iter()
        .map(|roi| ["name", "split", "class"].map(|key| roi[key].as_str().unwrap()))
        .collect();
    assert_eq!(
        all.iter().map(|one| one[2]).collect::<Vec<_>>()[3..],
        ["normal"; 2],
        "they are last"
    );
    all.sort_unstable();
    let expected = [
        ["a&b'", "validation", "abnormal"],
        ["long", "validation", "abnormal"],
        ["n", "validation", "normal"],
        ["t", "test", "abnormal"],
        ["tn", "test", "normal"],
    ];
    assert_eq!(all, expected);
    let boxes = ["data-key=\"split\" value=\"test\"", "data-key=\"class\" value=\"normal\""];
    assert!(boxes.iter().all(|one| shown.contains(one)) && !shown.contains("value=\"train\""));
    assert!(shown.contains("2 of 2 abnormal ROIs"), "those of the test set are others");
    assert!(shown.contains("class=\"bar\""), "what colour is what value");
    std::fs::write(heatmaps.join("normals.csv"), "name,marked\n../../n,0.5\n").unwrap();
    let error = write(folder.path()).unwrap_err().to_string();
    assert!(error.contains("normals.csv") && error.contains("../../n"), "{error}");
}

#[test]
fn a_folder_without_heatmaps_still_has_its_tables() {
    let folder = folder();
    std::fs::remove_dir_all(folder.path().join("heatmaps")).unwrap();
    assert_eq!(write(folder.path()).unwrap().rois, 0);
    assert!(page(folder.path()).contains("No exported heatmaps"));
}

#[test]
fn what_cannot_be_used_is_named() {
    let folder = folder();
    let heatmap = folder.path().join("heatmaps/xception/7/long.heatmap.png");
    Grey::filled(3, 3, 1).write(&heatmap).unwrap();
    let error = write(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("long.heatmap.png") && error.contains("3x3") && error.contains("400x30"),
        "{error}"
    );
    std::fs::write(folder.path().join("results.json"), "{}").unwrap();
    let error = write(folder.path()).unwrap_err().to_string();
    assert!(error.contains("results.json") && error.contains("version"), "{error}");
    assert!(!folder.path().join("report.html").exists());
    let error = write(&folder.path().join("none")).unwrap_err().to_string();
    assert!(error.contains("no results.json") && error.contains("reproduce"), "{error}");
}

/// Run by `scripts/report-check`: the page tries itself, as wide as on a desktop and as on a phone.
#[test]
#[ignore = "needs Chromium: scripts/report-check"]
fn the_slider_changes_the_picture_and_the_number() {
    let chromium = std::env::var_os("CHROMIUM").expect("scripts/report-check sets CHROMIUM");
    let folder = folder();
    let path = match std::env::var_os("PARULA_REPORT") {
        Some(path) => std::fs::canonicalize(path).unwrap(),
        None => write(folder.path()).unwrap().path,
    };
    for width in [1280, 360] {
        // Chromium's window cannot be as narrow as a phone; a frame can.
        let frame = folder.path().join("frame.html");
        let words = format!(
            "<iframe style=\"width:{width}px;height:740px;border:0\" src=\"file://{}#selftest\"></iframe>\
             <pre id=\"seen\"></pre><script>onmessage = (event) => {{ seen.textContent = event.data }}</script>",
            path.display()
        );
        std::fs::write(&frame, words).unwrap();
        let mut command = std::process::Command::new(&chromium);
        // Chromium's sandbox does not start as root or in most containers; the page is our own.
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]);
        command.args(["--window-size=1400,900", "--virtual-time-budget=20000", "--dump-dom"]);
        let output = command.arg(format!("file://{}", frame.display())).output().unwrap();
        let (page, log) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let complaints: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
        assert!(complaints.is_empty(), "{complaints:?}");
        let (_, seen) = page.split_once("<pre id=\"seen\">").expect("the frame is whole");
        let seen: Value = serde_json::from_str(seen.split_once("</pre>").unwrap().0)
            .expect("the page tried itself");
        assert_eq!((&seen["errors"], &seen["width"]), (&json!([]), &json!(width)), "{seen}");
        assert!(seen["changes"].as_u64() > Some(0) && seen["sorted"].as_u64() > Some(2), "{seen}");
        assert!(seen["filters"].is_u64(), "{seen}");
    }
}

#[test]
fn a_truth_of_circles_stands_below_the_title() {
    let folder = folder();
    assert!(!page(folder.path()).contains("circle (centre and radius)"));
    let path = folder.path().join("results.json");
    let mut results: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    results["dataset"]["truth"] = json!({ "circles": 1, "outlines": 1 });
    std::fs::write(&path, results.to_string()).unwrap();
    let page = page(folder.path());
    assert!(page.contains("Mind that the truth of 1 of 2 lesions is a circle (centre and radius)"));
}

#[test]
fn dice_against_size_is_a_mark_a_lesion_and_a_table_beside_it() {
    let folder = folder();
    assert!(page(folder.path()).contains("The tables of lesions are not in this folder"));
    assert!(page(folder.path()).contains("Distances between borders were not run"));
    let path = folder.path().join("results.json");
    let mut results: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let third = |from: u32, dice: f64| json!({ "from_pixels": from, "to_pixels": from + 9, "count": 1, "dice": dice, "coverage": 0.5 });
    results["runs"][0]["at_threshold"] = json!({ "lesions": {
        "size_correlation": 0.5, "by_size": [third(100, 0.1875), third(200, 0.25), third(900, 0.75)],
    } });
    results["summary"][0]["at_threshold"] = json!({
        "hausdorff_95": { "mean": 17.25, "low": 12.0, "high": 22.5 }, "without_distance": 3,
        "normals_exceeding": { "mean": 0.875, "low": 0.5, "high": 0.9375 },
    });
    let ellipse = json!({ "hausdorff_95": 9.125, "surface_dice": 0.375 });
    results["baselines_borders_validation"] = json!({ "ellipse": ellipse });
    std::fs::write(&path, results.to_string()).unwrap();
    let table = folder.path().join("heatmaps/xception/7/lesions.csv");
    let lines = "name,split,pixels,diameter,dice\na<b>,validation,100,11.3,0.25\nlong,validation,900,33.9,0.75\n\
                 seen,train,400,22.6,0.5\n";
    std::fs::write(&table, lines).unwrap();
    let shown = page(folder.path());
    assert_eq!(
        shown.matches("<circle class=\"dot c0\"").count(),
        2,
        "those that were not learnt from"
    );
    assert!(shown.contains("<title>a&lt;b&gt;: 100 pixels, Dice 0.250</title>"));
    assert!(
        shown.contains("Spearman&#39;s correlation of Dice with size is 0.50"),
        "for who cannot see it"
    );
    assert!(
        shown.contains("data-value=\"17.25\">17.250 <span")
            && shown.contains("data-value=\"0.1875\"")
    );
    assert!(shown.contains("data-value=\"9.125\">9.125<"), "maps that look at nothing stand below");
    // What nothing was found of has no column.
    assert!(shown.contains("normals with anything marked") && !shown.contains("normals as strong"));
    std::fs::write(&table, "name,split\na,b\n").unwrap();
    let error = write(folder.path()).unwrap_err().to_string();
    assert!(error.contains("lesions.csv") && error.contains("not a table of lesions"), "{error}");
}
