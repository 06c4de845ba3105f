//! `parula score`.

use std::path::PathBuf;

use clap::Args;

use super::{Global, print, print_json};
use crate::data::{Grey, load};
use crate::error::{Error, Result};
use crate::metrics::dice;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parula score --mask mask.png --heatmap heatmap.png --json")]
pub struct Score {
    /// The truth: a PNG, bright inside
    #[arg(long)]
    mask: PathBuf,
    /// The heatmap: an 8-bit grey PNG of the same size
    #[arg(long)]
    heatmap: PathBuf,
}

impl Score {
    pub fn run(&self, global: &Global) -> Result<()> {
        let mask = load::two_valued(Grey::read(&self.mask)?);
        let heatmap = Grey::read(&self.heatmap)?;
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
        if global.json {
            return print_json(&scores);
        }
        print(&format!(
            "mean-Dice {:.6} over thresholds 0 to 255; best {:.6} at threshold {}\n",
            scores.mean_dice, scores.best_dice, scores.best_threshold
        ))
    }
}
