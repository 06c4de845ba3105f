//! `parula score`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Global, print, print_json};
use crate::error::{Error, Result};
use crate::files;
use crate::lab::data::mask::{self, Mask};
use crate::nets::cam::dice;
use crate::nets::images::{Grey, decode};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parula score --mask mask.png --heatmap heatmap.png --json")]
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
}

impl Score {
    pub fn run(&self, global: &Global) -> Result<()> {
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
        if global.json {
            return print_json(&scores);
        }
        print(&format!(
            "mean-Dice {:.6} over thresholds 0 to 255; best {:.6} at threshold {}\n",
            scores.mean_dice, scores.best_dice, scores.best_threshold
        ))
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
