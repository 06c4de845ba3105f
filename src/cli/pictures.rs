//! How the pictures of a data set are read.

use clap::Args;

use std::path::PathBuf;

use crate::lab::data::ReadOptions;
use crate::lab::data::dataset::NormalRois;
use crate::nets::images::Window;

/// What the files of pictures and masks leave open.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Pictures and masks")]
pub struct Pictures {
    /// The levels of 16-bit pictures that are black and white [each picture's lowest and highest]
    #[arg(long, value_name = "LOW,HIGH")]
    window: Option<Window>,
    /// The values of masks that are lesion, such as 1,3: numbers of a palette, or grey levels as they stand
    /// in the file [all but 0]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    mask_values: Vec<u16>,
    /// MIAS, whose truth is a circle: masks of pixels in this folder, under their films' names, where there are
    /// some
    #[arg(long, value_name = "DIR")]
    outlines: Option<PathBuf>,
    /// Films of both breasts: mirror cuts normal ROIs at the mirrored place of the other breast, as the paper
    /// does; all also cuts one from each film of women of whom nothing abnormal is known
    #[arg(long, default_value = "mirror")]
    normals: NormalRois,
}

impl Pictures {
    /// What is read beside the data set.
    pub fn beside(&self) -> Option<&PathBuf> {
        self.outlines.as_ref()
    }

    /// The same for the reader of data sets.
    pub fn options(&self) -> ReadOptions {
        let (window, mask_values) = (self.window, self.mask_values.clone());
        let (outlines, normals) = (self.outlines.clone(), self.normals);
        ReadOptions { window, mask_values, outlines, normals, ..ReadOptions::default() }
    }
}
