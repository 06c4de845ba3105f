//! The paper's figures of ROIs in kind: one explained, some of every model, and filtered ones.

use std::path::Path;

use super::charts::{curve, dice_axes, draw_baselines, legend, line};
use super::embed;
use super::gallery::{Gallery, Shown};
use super::numbers::{NOT_RUN, number, word};
use super::page::escape;
use super::run::{Run, is_name};
use crate::error::Result;
use crate::files;
use crate::lab::report::contact_sheet::spread;
use crate::lab::report::panels::Panels;
use crate::nets::images::Grey;

/// The long side of a picture.
const SIDE: u32 = 144;
/// ROIs a model.
const COUNT: usize = 5;

/// An image with its words below.
fn figure(uri: &str, alt: &str, caption: &str) -> String {
    format!(
        "<figure><img src=\"{uri}\" alt=\"{}\"><figcaption>{}</figcaption></figure>\n",
        escape(alt),
        escape(caption)
    )
}

fn panels(shown: &Shown) -> Result<Panels> {
    let full = &shown.full;
    let (width, height) = embed::shown(full.roi.width, full.roi.height, SIDE, true);
    let [roi, mask, heatmap] = [&full.roi, &full.mask, &full.heatmap].map(embed::grey);
    Ok(Panels::new(&roi?, &mask?, &heatmap?, width, height))
}

/// `image` times `filter` / 255, rounded: what experiment 2 trains on.
fn times(image: &Grey, filter: &Grey) -> Grey {
    let product = |(&a, &b): (&u8, &u8)| ((u32::from(a) * u32::from(b) + 127) / 255) as u8;
    Grey { pixels: image.pixels.iter().zip(&filter.pixels).map(product).collect(), ..*image }
}

fn grey_figure(picture: &Grey, alt: &str, caption: &str) -> Result<String> {
    let size = embed::shown(picture.width, picture.height, SIDE, true);
    Ok(figure(&embed::grey_uri(&embed::resized(picture, size, false)?)?, alt, caption))
}

/// The ROI in the middle of a gallery's ranks.
fn middle(gallery: &Gallery) -> Option<&Shown> {
    gallery.rois.get(gallery.rois.len() / 2)
}

/// Figure 1: one ROI from the input to what the heatmap leaves of it, of the model whose middle ROI scores best.
pub fn one(galleries: &[Gallery]) -> Result<String> {
    let middles = galleries.iter().filter_map(|gallery| Some((gallery, middle(gallery)?)));
    let best = middles.max_by(|a, b| a.1.mean_dice.total_cmp(&b.1.mean_dice));
    let Some((gallery, shown)) = best else { return Ok(absent()) };
    let panels = panels(shown)?;
    let name = &shown.name;
    let colour = |picture, what: &str, caption: &str| -> Result<String> {
        Ok(figure(&embed::colour_uri(&picture)?, &format!("{what} of {name}"), caption))
    };
    let pictures = [
        colour(panels.roi(), "The ROI", "input")?,
        colour(
            panels.overlay(),
            "Heatmap over the ROI",
            "heatmap over the input, with the truth's outline",
        )?,
        grey_figure(&shown.full.mask, &format!("Truth mask of {name}"), "truth mask")?,
        grey_figure(
            &times(&shown.full.roi, &shown.full.heatmap),
            &format!("{name} times its heatmap"),
            "input times heatmap",
        )?,
    ];
    Ok(format!(
        "<p>{}, in the middle of the ranks of {}, {}, the model whose middle ROI scores best: mean-Dice {:.3}.</p>\n<div class=\"strip\">{}</div>\n",
        escape(name),
        escape(&gallery.model),
        gallery.round,
        shown.mean_dice,
        pictures.concat()
    ))
}

/// `count` of a gallery's ROIs at even ranks.
fn some(gallery: &Gallery, count: usize) -> impl Iterator<Item = &Shown> {
    let ranks: Vec<f64> = gallery.rois.iter().map(|one| one.mean_dice).collect();
    spread(&ranks, count).into_iter().map(|index| &gallery.rois[index])
}

/// Figures 4 to 7: heatmaps and Dice against threshold of every model.
pub fn models(run: &Run, galleries: &[Gallery], baselines: &[Vec<f64>]) -> Result<String> {
    let mut html = String::new();
    for (index, summary) in run.summary().iter().enumerate() {
        let model = word(summary, "model");
        html += &format!("<section class=\"model\">\n<h3>{}</h3>\n", escape(model));
        match galleries.iter().find(|gallery| gallery.model == model) {
            None => html += &absent(),
            Some(gallery) => {
                html += "<div class=\"strip\">";
                for shown in some(gallery, COUNT) {
                    let alt = format!("Heatmap over {} with the truth's outline", shown.name);
                    let caption = format!(
                        "{} ({}), mean-Dice {:.3}",
                        shown.name, shown.split, shown.mean_dice
                    );
                    html += &figure(&embed::colour_uri(&panels(shown)?.overlay())?, &alt, &caption);
                }
                html += "</div>\n";
            }
        }
        let mut chart = dice_axes();
        draw_baselines(&mut chart, baselines);
        chart.curve(&line(index), &curve(run, model));
        html += &chart.html(&format!("Dice against threshold of {model}, beside the trivial maps"));
        html += &legend(&[(index, model)], baselines);
        html += "</section>\n";
    }
    Ok(html)
}

/// Figures 9 and 10: what experiment 2 trains on.
pub fn filtered(run: &Run, galleries: &[Gallery]) -> Result<String> {
    let ran = run.runs().iter().any(|one| number(one, "cam_val_acc").is_some());
    let mut html = match ran {
        true => String::new(),
        false => format!(
            "<p>Experiment 2 was {NOT_RUN} here: these are the products that it would train on, made for this page.</p>\n"
        ),
    };
    for gallery in galleries {
        html += &format!(
            "<section class=\"model\">\n<h3>{}, {}</h3>\n<div class=\"strip\">",
            escape(&gallery.model),
            gallery.round
        );
        for shown in some(gallery, 3) {
            let (name, full) = (&shown.name, &shown.full);
            let cam = times(&full.roi, &full.heatmap);
            let caption = format!("{name}, times its heatmap");
            html += &grey_figure(&cam, &caption, &caption)?;
            let caption = format!("{name}, times its truth");
            html += &grey_figure(&times(&full.roi, &full.mask), &caption, &caption)?;
        }
        for (name, words, picture) in normal(run, gallery)? {
            let caption = format!("{name} (normal), {words}");
            html += &grey_figure(&picture, &caption, &caption)?;
        }
        html += "</div>\n</section>\n";
    }
    Ok(html)
}

/// A normal ROI as experiment 2 has exported it: times its heatmap, and times a mask drawn at random.
fn normal(run: &Run, gallery: &Gallery) -> Result<Vec<(String, &'static str, Grey)>> {
    #[derive(serde::Deserialize)]
    struct Line {
        name: String,
        class: String,
    }
    let round = gallery.round.stem();
    let folder = run.folder.join("filtered");
    let masks = folder.join("masks").join(&round);
    let Ok(table) = files::read(&masks.join("masks.csv")) else { return Ok(Vec::new()) };
    let mut lines = csv::Reader::from_reader(&table[..]).into_deserialize::<Line>().flatten();
    let Some(line) = lines.find(|line| line.class == "normal" && is_name(&line.name)) else {
        return Ok(Vec::new());
    };
    let file = format!("{}.png", line.name);
    let pictures = [
        ("times its heatmap", folder.join(&gallery.model).join(&round).join("cam").join(&file)),
        ("times a mask drawn at random", masks.join("mask").join(&file)),
    ];
    let there =
        pictures.into_iter().filter(|(_, path): &(_, std::path::PathBuf)| Path::exists(path));
    there.map(|(words, path)| Ok((line.name.clone(), words, Grey::read(&path)?))).collect()
}

fn absent() -> String {
    "<p>Its heatmaps are not in this folder.</p>\n".to_owned()
}
