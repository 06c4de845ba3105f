//! The contact sheet of a seed.

use std::path::Path;

use super::job::{Job, Masks};
use super::score::{Origin, Scored};
use crate::error::Result;
use crate::lab::report::contact_sheet::spread;
use crate::lab::report::mask_sheet::{self, Row};

/// Rows of a sheet.
const ROWS: usize = 6;

/// Draws some images that nothing has learnt from, from the best weakly supervised mask to the worst.
pub fn write(job: &Job, all: &[Masks], path: &Path) -> Result<()> {
    let dice = |row: &Masks, origin: Origin| -> f64 {
        let own = |one: &&Scored| one.line.origin == origin;
        row.scores.iter().find(own).map_or(0.0, |one| one.line.dice)
    };
    let scores: Vec<f64> = all.iter().map(|row| dice(row, Origin::Weak)).collect();
    let chosen: Vec<&Masks> = spread(&scores, ROWS).into_iter().map(|index| &all[index]).collect();
    let truths: Vec<_> = chosen.iter().map(|row| row.roi.mask_or_empty()).collect();
    let rows: Vec<Row> = chosen
        .iter()
        .zip(&truths)
        .map(|(row, truth)| Row {
            name: &row.roi.name,
            caption: &row.roi.label,
            image: &row.roi.image.pixels,
            truth: &truth.pixels,
            heatmap: &row.heatmap,
            masks: row
                .masks
                .iter()
                .map(|(origin, levels)| (levels.as_slice(), dice(row, *origin)))
                .collect(),
            width: row.roi.image.width as u32,
            height: row.roi.image.height as u32,
        })
        .collect();
    let names = [Origin::Pseudo, Origin::Weak, Origin::Supervised].map(Origin::words);
    let classifier = job.options.classifier.network.name;
    let title = format!("Masks from image labels, seed {}", job.seed);
    let subtitle = format!(
        "{} of {} validation images at even ranks of the Dice of the U-Net on pseudo-masks; heatmaps \
         of {classifier}",
        rows.len(),
        all.len()
    );
    mask_sheet::draw(&title, &subtitle, &names, &rows)?.save_both(path)
}
