//! The paper's figures of ROIs in kind: one explained, some of every model, and filtered ones.

use std::path::Path;

use image::{DynamicImage, GrayImage, RgbImage};

use super::charts::dice_of_one;
use super::embed;
use super::gallery::{self, Gallery};
use super::numbers::{NOT_RUN, number, word};
use super::page::escape;
use super::run::{Run, is_name};
use super::svg;
use crate::error::Result;
use crate::files;
use crate::lab::report::contact_sheet::spread;
use crate::lab::report::draw::Canvas;
use crate::lab::report::panels::Panels;
use crate::lab::report::strip;
use crate::nets::images::Grey;

/// The long side of a picture on the page.
const SIDE: u32 = 144;
/// ROIs a model.
const COUNT: usize = 5;

/// One picture of a figure.
pub struct Shown {
    pixels: Pixels,
    /// What it is, for whoever cannot see it.
    alt: String,
    /// The lines below it.
    lines: Vec<String>,
}

/// Grey pictures stay grey in the page, where they take a third.
enum Pixels {
    Grey(GrayImage),
    Colour(RgbImage),
}

/// Pictures beside each other.
pub struct Strip {
    /// They, in their order.
    pub shown: Vec<Shown>,
    /// Whether any has the colours of heatmaps.
    pub coloured: bool,
}

impl Strip {
    /// For the page, with a bar of the colours.
    fn html(&self) -> Result<String> {
        let mut html = "<div class=\"strip\">".to_owned();
        for Shown { pixels, alt, lines } in &self.shown {
            let uri = match pixels {
                Pixels::Grey(picture) => embed::grey_uri(picture)?,
                Pixels::Colour(picture) => embed::colour_uri(picture)?,
            };
            html += &format!(
                "<figure><img src=\"{uri}\" alt=\"{}\"><figcaption>{}</figcaption></figure>\n",
                escape(alt),
                escape(&lines.join(", "))
            );
        }
        let bar = if self.coloured { embed::colour_bar()? } else { String::new() };
        Ok(format!("{html}</div>\n{bar}"))
    }

    /// For a file.
    ///
    /// # Errors
    /// That there is no memory to draw in.
    pub fn canvas(self) -> Result<Canvas> {
        let picture = |Shown { pixels, lines, .. }: Shown| {
            let pixels = match pixels {
                Pixels::Grey(picture) => DynamicImage::from(picture).into_rgb8(),
                Pixels::Colour(picture) => picture,
            };
            strip::Picture { pixels, lines }
        };
        strip::draw(&self.shown.into_iter().map(picture).collect::<Vec<_>>(), self.coloured)
    }
}

/// The bar for the gallery, where there is one.
///
/// # Errors
/// That it cannot be encoded.
pub fn colours_of(galleries: &[Gallery]) -> Result<String> {
    if galleries.is_empty() { Ok(String::new()) } else { embed::colour_bar() }
}

fn panels(roi: &gallery::Shown, side: u32) -> Result<Panels> {
    let full = &roi.full;
    let (width, height) = embed::shown(full.roi.width, full.roi.height, side, true);
    let [roi, mask, heatmap] = [&full.roi, &full.mask, &full.heatmap].map(embed::grey);
    Ok(Panels::new(&roi?, &mask?, &heatmap?, width, height))
}

/// `image` times `filter` / 255, rounded: what experiment 2 trains on.
fn times(image: &Grey, filter: &Grey) -> Grey {
    let product = |(&a, &b): (&u8, &u8)| ((u32::from(a) * u32::from(b) + 127) / 255) as u8;
    Grey { pixels: image.pixels.iter().zip(&filter.pixels).map(product).collect(), ..*image }
}

fn grey(picture: &Grey, side: u32, alt: String, lines: &[&str]) -> Result<Shown> {
    let size = embed::shown(picture.width, picture.height, side, true);
    let pixels = Pixels::Grey(embed::resized(picture, size, false)?);
    Ok(Shown { pixels, alt, lines: lines.iter().map(|&line| line.to_owned()).collect() })
}

/// The ROI in the middle of the ranks of the model whose middle ROI scores best.
fn middle(galleries: &[Gallery]) -> Option<(&Gallery, &gallery::Shown)> {
    let middles = galleries.iter().filter_map(|gallery| {
        let abnormal: Vec<&gallery::Shown> = gallery.scored().collect();
        Some((gallery, *abnormal.get(abnormal.len() / 2)?))
    });
    middles.max_by(|a, b| a.1.mean_dice.total_cmp(&b.1.mean_dice))
}

/// Figure 1: one ROI from the input to what the heatmap leaves of it; none where there are no heatmaps.
///
/// # Errors
/// That a picture has another size than its bytes.
pub fn one(galleries: &[Gallery], side: u32) -> Result<Option<Strip>> {
    let Some((_, roi)) = middle(galleries) else { return Ok(None) };
    let panels = panels(roi, side)?;
    let (name, full) = (&roi.name, &roi.full);
    let colour = |pixels, what: &str, caption: &str| Shown {
        pixels: Pixels::Colour(pixels),
        alt: format!("{what} of {name}"),
        lines: caption.split("; ").map(str::to_owned).collect(),
    };
    let overlay = "heatmap over the input; with the truth's outline";
    let shown = vec![
        colour(panels.roi(), "The ROI", "input"),
        colour(panels.overlay(), "Heatmap over the ROI", overlay),
        grey(&full.mask, side, format!("Truth mask of {name}"), &["truth mask"])?,
        grey(
            &times(&full.roi, &full.heatmap),
            side,
            format!("{name} times its heatmap"),
            &["input times heatmap"],
        )?,
    ];
    Ok(Some(Strip { shown, coloured: true }))
}

/// The same for the page.
///
/// # Errors
/// As [`one`].
pub fn one_section(galleries: &[Gallery]) -> Result<String> {
    let (Some((gallery, roi)), Some(strip)) = (middle(galleries), one(galleries, SIDE)?) else {
        return Ok(absent());
    };
    Ok(format!(
        "<p>{}, in the middle of the ranks of {}, {}, the model whose middle ROI scores best: mean-Dice {:.3}.</p>\n{}",
        escape(&roi.name),
        escape(&gallery.model),
        gallery.round,
        roi.mean_dice,
        strip.html()?
    ))
}

/// `count` of a gallery's abnormal ROIs at even ranks.
fn some(gallery: &Gallery, count: usize) -> Vec<&gallery::Shown> {
    let abnormal: Vec<&gallery::Shown> = gallery.scored().collect();
    let ranks: Vec<f64> = abnormal.iter().map(|one| one.mean_dice).collect();
    spread(&ranks, count).into_iter().map(|index| abnormal[index]).collect()
}

/// Figures 4 to 7: heatmaps of one model.
///
/// # Errors
/// As [`one`].
pub fn of_model(gallery: &Gallery, side: u32) -> Result<Strip> {
    let shown = |roi: &gallery::Shown| {
        Ok(Shown {
            pixels: Pixels::Colour(panels(roi, side)?.overlay()),
            alt: format!("Heatmap over {} with the truth's outline", roi.name),
            lines: vec![
                format!("{} ({})", roi.name, roi.split),
                format!("mean-Dice {:.3}", roi.mean_dice),
            ],
        })
    };
    let shown = some(gallery, COUNT).into_iter().map(shown).collect::<Result<_>>()?;
    Ok(Strip { shown, coloured: true })
}

/// Figures 4 to 7: heatmaps and Dice against threshold of every model.
///
/// # Errors
/// As [`one`].
pub fn models(run: &Run, galleries: &[Gallery], baselines: &[Vec<f64>]) -> Result<String> {
    let mut html = String::new();
    for (index, summary) in run.summary().iter().enumerate() {
        let model = word(summary, "model");
        html += &format!("<section class=\"model\">\n<h3>{}</h3>\n", escape(model));
        html += &match galleries.iter().find(|gallery| gallery.model == model) {
            None => absent(),
            Some(gallery) => of_model(gallery, SIDE)?.html()?,
        };
        let chart = dice_of_one(run, index, model, baselines);
        let words = format!("Dice against threshold of {model}, beside the trivial maps");
        html += &svg::chart(&chart, &words);
        html += &svg::legend(&chart);
        html += "</section>\n";
    }
    Ok(html)
}

/// Figures 9 and 10: what experiment 2 trains on, of one model.
///
/// # Errors
/// As [`one`], and that an exported picture cannot be read.
pub fn filtered_of(run: &Run, gallery: &Gallery, side: u32) -> Result<Strip> {
    let mut strip = Strip { shown: Vec::new(), coloured: false };
    for roi in some(gallery, 3) {
        let (name, full) = (&roi.name, &roi.full);
        let (cam, mask) = (times(&full.roi, &full.heatmap), times(&full.roi, &full.mask));
        for (picture, words) in [(cam, "times its heatmap"), (mask, "times its truth")] {
            strip.shown.push(grey(&picture, side, format!("{name}, {words}"), &[name, words])?);
        }
    }
    for (name, words, picture) in normal(run, gallery)? {
        let (name, alt) = (format!("{name} (normal)"), format!("{name} (normal), {words}"));
        strip.shown.push(grey(&picture, side, alt, &[&name, words])?);
    }
    Ok(strip)
}

/// Figures 9 and 10 of all models.
///
/// # Errors
/// As [`filtered_of`].
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
            "<section class=\"model\">\n<h3>{}, {}</h3>\n{}</section>\n",
            escape(&gallery.model),
            gallery.round,
            filtered_of(run, gallery, SIDE)?.html()?
        );
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
