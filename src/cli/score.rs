//! `parula score`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::{Global, print, print_json};
use crate::error::{Error, Result};
use crate::files::{self, outputs};
use crate::lab::data::mask::{self, Mask};
use crate::lab::experiment::tables;
use crate::lab::metrics::lesions::{Against, Lesion, Segmented};
use crate::lab::metrics::surface::{Surface, TOLERANCE};
use crate::nets::cam::dice::{self, Scores};
use crate::nets::images::{Grey, decode};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  parula score --mask mask.png --heatmap heatmap.png --json\n  \
    parula score --mask mask.png --heatmap heatmap.png --threshold 120 --csv lesions.csv"
)]
pub struct Score {
    /// The truth: a PNG, TIFF, JPEG or PGM, bright inside
    #[arg(long)]
    mask: PathBuf,
    /// The values of the mask that are lesion, such as 1,3: numbers of a palette, or grey levels as they
    /// stand in the file [all but 0]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    mask_values: Vec<u16>,
    /// The heatmap: an 8-bit grey PNG of the same size
    #[arg(long)]
    heatmap: PathBuf,
    /// The threshold at which borders and lesions are measured, chosen elsewhere: on other images [the best of
    /// this image, which its mask has chosen]
    #[arg(long, value_name = "0..255")]
    threshold: Option<u8>,
    /// How far off a border may be to count as right, in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = TOLERANCE)]
    tolerance: f64,
    /// Write a line for the image and one for each lesion
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

/// What is printed: `dice::Scores`, and what holds at one threshold.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    scores: &'a Scores,
    /// Where all below is measured.
    threshold: u8,
    /// By what it was chosen.
    threshold_chosen: &'static str,
    dice_at_threshold: f64,
    iou: f64,
    #[serde(flatten)]
    surface: Surface,
    surface_tolerance: f64,
    lesion_count: usize,
    false_areas: usize,
    lesions: &'a [Lesion],
}

/// A line of the table; `lesion` is empty in that of the whole image.
#[derive(Serialize)]
struct Line {
    lesion: Option<usize>,
    threshold: u8,
    threshold_chosen: &'static str,
    pixels: u64,
    diameter: Option<f64>,
    x: Option<f64>,
    y: Option<f64>,
    coverage: Option<f64>,
    dice: f64,
    iou: f64,
    hausdorff_95: Option<f64>,
    average_surface_distance: Option<f64>,
    surface_dice: Option<f64>,
}

impl Score {
    pub fn run(&self, global: &Global) -> Result<()> {
        if !(0.0..=1e6).contains(&self.tolerance) {
            let problem = format!("a tolerance of {} is no distance in pixels", self.tolerance);
            return Err(Error::usage(problem, "give 0 or more, such as 2"));
        }
        if let Some(csv) = &self.csv {
            files::expect_writable(csv)?;
            outputs::expect_apart([&self.mask, &self.heatmap], [csv])?;
            let name = csv.file_name().unwrap_or_default().to_string_lossy();
            let folder = csv.parent().filter(|folder| !folder.as_os_str().is_empty());
            outputs::expect_free(folder.unwrap_or(Path::new(".")), [name])?;
        }
        let values = (!self.mask_values.is_empty()).then_some(&self.mask_values[..]);
        let Mask { grey: mask, note } = mask::read(&self.mask, values)?;
        if let Some(note) = note {
            crate::console::note!("note: {}: {note}; {}", self.mask.display(), mask::CHOOSE);
        }
        let heatmap = heatmap(&self.heatmap)?;
        if (mask.width, mask.height) != (heatmap.width, heatmap.height) {
            return Err(Error::content(
                &self.heatmap,
                format!(
                    "it is {}x{}, the mask {}x{}",
                    heatmap.width, heatmap.height, mask.width, mask.height
                ),
                "give a heatmap of the mask's size",
            ));
        }
        let scores = dice::score(&mask.pixels, &heatmap.pixels)?;
        let (threshold, threshold_chosen) = match self.threshold {
            Some(threshold) => (threshold, "elsewhere"),
            None => (scores.best_threshold, "on this image"),
        };
        let size = [mask.height, mask.width];
        let found =
            Segmented::of_levels(&mask.pixels, &heatmap.pixels, threshold, size, self.tolerance)?;
        let Against { dice, iou, surface } = found.whole;
        if let Some(csv) = &self.csv {
            let whole = Line::new(None, scores.mask_pixels, found.whole);
            let lesion = |(index, lesion): (usize, &Lesion)| {
                let [x, y] = lesion.centre.map(Some);
                let line = Line::new(Some(index + 1), lesion.pixels as u64, lesion.against);
                let (diameter, coverage) = (Some(lesion.diameter), Some(lesion.coverage));
                Line { diameter, coverage, x, y, ..line }
            };
            let lines = [whole].into_iter().chain(found.lesions.iter().enumerate().map(lesion));
            let lines: Vec<Line> =
                lines.map(|line| Line { threshold, threshold_chosen, ..line }).collect();
            tables::write(csv, &lines)?;
            outputs::list_files([csv])?;
        }
        let document = Document {
            scores: &scores,
            threshold,
            threshold_chosen,
            dice_at_threshold: dice,
            iou,
            surface,
            surface_tolerance: self.tolerance,
            lesion_count: found.lesion_count,
            false_areas: found.false_areas,
            lesions: &found.lesions,
        };
        if global.json {
            return print_json(&document);
        }
        print(&document.text())
    }
}

impl Line {
    fn new(lesion: Option<usize>, pixels: u64, against: Against) -> Self {
        let Against { dice, iou, surface } = against;
        let Surface { hausdorff_95, average_surface_distance, surface_dice } = surface;
        Line {
            lesion,
            threshold: 0,
            threshold_chosen: "",
            pixels,
            diameter: None,
            x: None,
            y: None,
            coverage: None,
            dice,
            iou,
            hausdorff_95,
            average_surface_distance,
            surface_dice,
        }
    }
}

impl Document<'_> {
    /// For people.
    fn text(&self) -> String {
        let Scores { mean_dice, best_dice, best_threshold, .. } = self.scores;
        let distance = |value: Option<f64>| value.map_or("none".to_owned(), |v| format!("{v:.2}"));
        let share = |value: Option<f64>| value.map_or("none".to_owned(), |v| format!("{v:.3}"));
        let Surface { hausdorff_95, average_surface_distance, surface_dice } = self.surface;
        let chosen = match self.threshold_chosen {
            "elsewhere" => "",
            _ => ", which this image's own mask has chosen",
        };
        let mut text = format!(
            "mean-Dice {mean_dice:.6} over thresholds 0 to 255; best {best_dice:.6} at threshold {best_threshold}\n\
             at threshold {}{chosen}: Dice {:.3}, IoU {:.3}, HD95 {} and average surface distance {} pixels, \
             surface Dice {} at {} pixels\n",
            self.threshold,
            self.dice_at_threshold,
            self.iou,
            distance(hausdorff_95),
            distance(average_surface_distance),
            share(surface_dice),
            self.surface_tolerance,
        );
        if self.lesion_count > 1 || self.false_areas > 0 {
            text += &format!(
                "{} lesion(s) in the mask; {} area(s) of the heatmap in none of them\n",
                self.lesion_count, self.false_areas
            );
            for (index, lesion) in self.lesions.iter().enumerate() {
                text += &format!(
                    "  {}: {} pixels at {:.0}, {:.0}: Dice {:.3}, covered {:.3}, HD95 {}\n",
                    index + 1,
                    lesion.pixels,
                    lesion.centre[0],
                    lesion.centre[1],
                    lesion.against.dice,
                    lesion.coverage,
                    distance(lesion.against.surface.hausdorff_95),
                );
            }
        }
        text
    }
}

/// A heatmap, whose levels are thresholds: unlike those of a picture, they cannot be spread to 8 bits.
fn heatmap(path: &Path) -> Result<Grey> {
    let decoded = decode::decode(path, &files::read_at_most(path, decode::MOST_OF_FILE)?)?;
    if decoded.highest > 255 {
        let hint = "write it with levels of 0 to 255";
        return Err(Error::content(path, "is a heatmap of 16 bits", hint));
    }
    Ok(Grey::from_decoded(decoded.picture(None)))
}
