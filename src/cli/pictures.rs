//! How the pictures of a data set are read.

use clap::Args;

use crate::data::{ReadOptions, Window};

/// What the files of pictures and masks leave open.
#[derive(Args, Clone, Debug, Default)]
pub struct Pictures {
    /// The levels of 16-bit pictures that are black and white [each picture's lowest and highest]
    #[arg(long, value_name = "LOW,HIGH")]
    window: Option<Window>,
    /// The values of masks that are lesion, such as 1,3: numbers of a palette, or grey levels as they stand
    /// in the file [all but 0]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    mask_values: Vec<u16>,
}

impl Pictures {
    /// The same for the reader of data sets.
    pub fn options(&self) -> ReadOptions {
        let (window, mask_values) = (self.window, self.mask_values.clone());
        ReadOptions { window, mask_values, ..ReadOptions::default() }
    }
}
