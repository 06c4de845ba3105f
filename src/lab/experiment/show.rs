//! Results as tables for people.

use super::classified;
use super::results::{Baselines, ModelSummary, Results, Way};
use crate::lab::metrics::interval::{self, Interval};
use crate::lab::report::table::{self, Table};

/// The table of `results`, with the trivial baselines below.
pub fn table(results: &Results) -> Table {
    let rows: Vec<table::ModelRow> = results
        .summary
        .iter()
        .map(|summary| table::ModelRow {
            model: summary.model.clone(),
            val_acc: Some(summary.val_acc),
            mean_dice: Some(summary.mean_dice),
            mean_dice_validation: Some(summary.mean_dice_validation),
            best_threshold_dice: Some(summary.dice_at_best_threshold_validation),
            cam_val_acc: summary.cam_val_acc,
            mask_val_acc: summary.mask_val_acc,
            inverse_mask_val_acc: summary.inverse_mask_val_acc,
            epochs: Some(summary.epochs),
            seconds: Some(summary.seconds),
        })
        .collect();
    let (all, validation) = (&results.baselines, &results.baselines_validation);
    let threshold = &results.baselines_at_best_threshold_validation;
    type Named = (&'static str, fn(&Baselines) -> f64);
    let names: [Named; 3] = [
        ("ones", |baselines| baselines.ones),
        ("gaussian", |baselines| baselines.gaussian),
        ("ellipse", |baselines| baselines.ellipse),
    ];
    let baselines = names.map(|(name, of)| table::BaselineRow {
        name,
        mean_dice: of(all),
        mean_dice_validation: Some(of(validation)),
        best_threshold_dice: Some(of(threshold)),
    });
    table::reproduce(&rows, &baselines)
}

/// Why some intervals are marked, where any is.
pub fn too_few(results: &Results) -> Option<String> {
    let of = |one: &ModelSummary| {
        let accuracies = [one.cam_val_acc, one.mask_val_acc, one.inverse_mask_val_acc];
        let dice = [one.mean_dice, one.mean_dice_validation, one.dice_at_best_threshold_validation];
        let all = accuracies.into_iter().flatten().chain(dice);
        all.chain([one.val_acc]).collect::<Vec<Interval>>()
    };
    let rho = results.rank_correlations.iter().filter_map(|found| found.rho);
    let all: Vec<Interval> = results.summary.iter().flat_map(of).chain(rho).collect();
    interval::too_few(&all)
}

/// Mean-Dice of both signs of the map in all normalisations.
fn ways(results: &Results) -> Table {
    let mut table =
        Table::new(&["model", "evidence", "scaling", "mean-Dice (all)", "(validation)"]);
    for summary in &results.summary {
        for Way { sign, normalisation, mean_dice, mean_dice_validation } in &summary.ways {
            table.row(vec![
                summary.model.clone(),
                format!("{} {}", sign.name(), results.explained_class),
                normalisation.name().to_owned(),
                mean_dice.to_string(),
                mean_dice_validation.to_string(),
            ]);
        }
    }
    table
}

/// The classifiers on their validation sides.
fn classifiers(results: &Results) -> Table {
    classified::table(results.runs.iter().map(|run| {
        let name = format!("{} {}", run.model, run.round());
        (name, &run.classified, run.at_training_threshold.as_ref())
    }))
}

/// Everything that is known so far: the table, both signs of the maps in all normalisations, the classifiers, and rank
/// correlations.
pub fn text(results: &Results) -> String {
    let mut text = table(results).to_text();
    if !results.summary.is_empty() {
        text += &format!("\n{}\n{}", ways(results).to_text(), classifiers(results).to_text());
        text += "AP: average precision; ECE: expected calibration error; thresholds are those that the training sides have chosen, where sensitivity plus specificity is highest\n";
    }
    for found in &results.rank_correlations {
        let what = format!("{} with {} over {} models", found.first, found.second, found.models);
        match found.rho {
            Some(rho) => {
                let Interval { mean, low, high, .. } = rho;
                let mark = rho.mark();
                text +=
                    &format!("rank correlation of {what}: {mean:.2} [{low:.2}, {high:.2}]{mark}\n");
            }
            None if found.models > 0 => {
                text +=
                    &format!("rank correlation of {what}: none, three that differ are needed\n");
            }
            None => {}
        }
    }
    let notes = too_few(results).into_iter().chain(results.dataset.truth.words());
    text + &notes.map(|note| format!("{note}\n")).collect::<String>()
}
