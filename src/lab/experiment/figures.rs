//! The pictures of a run: training curves, a contact sheet, Dice against threshold.

use std::path::Path;

use super::baseline::scores;
use super::job::Job;
use super::phase::Phase;
use super::run::Done;
use super::{Material, Results};
use crate::error::Result;
use crate::lab::metrics::baselines::Baseline;
use crate::lab::report::contact_sheet::{self, Panel};
use crate::lab::report::draw::both;
use crate::lab::report::{curves, dice_curve};
use crate::nets::cam::dice::mean_curve;
use crate::nets::train::record::EpochRecord;

/// Rows of a contact sheet.
const ROWS: usize = 6;

/// The curves of one training, in `figures`.
pub fn of_training(job: &Job, phase: Phase, records: &[EpochRecord]) -> Result<()> {
    let folder = job.options.out.join("figures");
    let name = format!("{}-{}", job.setup.network.name, phase.stem(job.round).replace('.', "-"));
    let paths = ["csv", "png", "svg"].map(|ending| folder.join(format!("{name}-curves.{ending}")));
    let [csv, png, _] = &paths;
    let title = job.title(phase);
    let write = || curves::save(records, &title, csv, png);
    job.out.make_all(&paths, &job.origin(phase)?, write)
}

/// Curves and contact sheet of one run, in `figures`.
pub fn of_run(job: &Job, material: &Material, done: &Done) -> Result<()> {
    of_training(job, Phase::Original, &done.records)?;
    let folder = job.options.out.join("figures");
    let name = format!("{}-{}", job.setup.network.name, job.round.stem());
    let title = format!("{}, {}", job.setup.network.name, job.round);

    // Images that the classifier has not seen, from the best map to the worst.
    let unseen: Vec<_> = done.explained.iter().filter(|one| one.validation).collect();
    let scores: Vec<f64> = unseen.iter().map(|one| one.mean_dice).collect();
    let chosen: Vec<_> =
        contact_sheet::spread(&scores, ROWS).into_iter().map(|index| unseen[index]).collect();
    let masks: Vec<_> = chosen.iter().map(|one| material.rois[one.roi].mask_or_empty()).collect();
    let panels: Vec<Panel> = chosen
        .iter()
        .zip(&masks)
        .map(|(one, mask)| {
            let roi = &material.rois[one.roi];
            Panel {
                name: &roi.name,
                caption: &roi.label,
                roi: &roi.image.pixels,
                mask: &mask.pixels,
                heatmap: &one.heatmap,
                width: roi.image.width as u32,
                height: roi.image.height as u32,
                threshold: done.result.best_threshold,
                mean_dice: one.mean_dice,
            }
        })
        .collect();
    let subtitle = format!(
        "Grad-CAM of the class abnormal, {ROWS} of {} validation ROIs at even ranks of mean-Dice, \
         threshold {} chosen on training ROIs, {}",
        unseen.len(),
        done.result.best_threshold,
        job.gpu.report().name,
    );
    let path = folder.join(format!("{name}-contact-sheet.png"));
    let sheet = contact_sheet::draw(&title, &subtitle, &panels)?;
    job.out.make_all(&both(&path), &job.explained_origin()?, || sheet.save_both(&path))
}

/// Mean Dice of the trivial maps at each threshold, over all abnormal ROIs.
pub type Trivial = Vec<(&'static str, Vec<f64>)>;

/// That of the ROIs of an experiment.
pub fn trivial(material: &Material) -> Result<Trivial> {
    let of = |baseline: Baseline| Ok((baseline.name(), mean_curve(&scores(material, baseline)?)));
    Baseline::ALL.into_iter().map(of).collect()
}

/// Mean Dice against threshold: every model (mean over its seeds) and the trivial maps.
pub fn dice_curves(results: &Results, trivial: &Trivial, path: &Path) -> Result<()> {
    let models: Vec<(String, Vec<f64>)> = results
        .summary
        .iter()
        .map(|summary| {
            let runs: Vec<_> =
                results.runs.iter().filter(|run| run.model == summary.model).collect();
            let at = |t: usize| runs.iter().map(|run| run.dice_curve[t]).sum::<f64>();
            let curve = (0..256).map(|t| at(t) / runs.len().max(1) as f64).collect();
            (summary.model.clone(), curve)
        })
        .collect();
    let models: Vec<dice_curve::Curve> =
        models.iter().map(|(name, dice)| dice_curve::Curve { name, dice }).collect();
    let baselines: Vec<dice_curve::Curve> =
        trivial.iter().map(|(name, dice)| dice_curve::Curve { name, dice }).collect();
    let title = "Dice of the binarised heatmap against the threshold, all abnormal ROIs";
    dice_curve::draw(title, &models, &baselines)?.save_both(path)
}
