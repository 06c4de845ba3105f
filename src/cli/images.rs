//! The images of a command line.

use std::path::PathBuf;

use clap::Args;

use crate::data::Colour;
use crate::data::layout;
use crate::error::Result;

/// The images that a command works on.
#[derive(Args, Debug)]
pub struct Images {
    /// Images: PNG, TIFF or JPEG. A folder stands for all in it and below it that are not masks of others
    #[arg(required = true)]
    images: Vec<PathBuf>,
}

impl Images {
    /// Every image, and its height and width. All are looked at before the first is computed: a wrong path
    /// shall not show after an hour.
    pub fn find(&self) -> Result<(Vec<PathBuf>, Vec<[usize; 2]>)> {
        let mut paths = Vec::new();
        for path in &self.images {
            if !path.is_dir() {
                paths.push(path.clone());
                continue;
            }
            let listing = layout::list(path)?;
            let before = paths.len();
            let images = listing.images.iter().filter(|entry| !entry.is_mask);
            paths.extend(images.map(|entry| entry.path.clone()));
            if paths.len() == before {
                return Err(listing.nothing_found());
            }
        }
        let sizes = paths.iter().map(|path| Colour::size_of(path)).collect::<Result<_>>()?;
        Ok((paths, sizes))
    }
}
