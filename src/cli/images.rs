//! The images of a command line: found, named, and those that fail counted.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::error::{Error, Result};
use crate::files::{self, outputs};
use crate::lab::data::layout;
use crate::nets::images::Colour;
use crate::parallel;

/// The images that a command works on.
#[derive(Args, Debug)]
pub struct Images {
    /// Images: PNG, TIFF, JPEG or PGM. A folder stands for all in it and below it that are not masks of others,
    /// nor written by parula. A .keras or .h5 file before them is the model, in the place of --model and
    /// --weights
    #[arg(required = true, value_name = "IMAGES")]
    images: Vec<PathBuf>,
}

/// The endings of files that are models, and no images.
const MODELS: [&str; 3] = ["keras", "h5", "hdf5"];

/// The model's file, where one stands before the images among `paths`.
pub fn model_of(paths: &[PathBuf]) -> Option<&Path> {
    let first = paths.first()?;
    let ending = first.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let model = MODELS.iter().any(|model| ending.eq_ignore_ascii_case(model));
    (model && !first.is_dir()).then_some(first)
}

/// An image that can be worked on.
pub struct Image {
    /// The file.
    pub path: PathBuf,
    /// Height and width.
    pub size: [usize; 2],
    /// What its outputs are called, without their endings: no two images share one.
    pub name: String,
}

impl Image {
    /// The path in words, whatever it is made of.
    pub fn shown(&self) -> String {
        self.path.display().to_string()
    }
}

/// The images of a command line.
pub struct Found {
    /// Those that can be worked on.
    pub images: Vec<Image>,
    /// Those that cannot, and later those that could not.
    pub failures: Failures,
    /// All files that were named.
    paths: Vec<PathBuf>,
}

impl Images {
    /// The model's file, where one stands before the images.
    pub fn model(&self) -> Option<&Path> {
        model_of(&self.images)
    }

    /// Every image. All are looked at before the first is computed, and what is wrong with some is said at
    /// once: it shall not show after an hour. `endings` are those of the files that each will have.
    ///
    /// # Errors
    /// When there are no images, or none that can be used.
    pub fn find(&self, endings: &[&str]) -> Result<Found> {
        let mut paths = Vec::new();
        for path in &self.images[usize::from(self.model().is_some())..] {
            if !path.is_dir() {
                paths.push(path.clone());
                continue;
            }
            let listing = layout::list(path)?;
            let before = paths.len();
            let images =
                listing.images.iter().filter(|entry| !entry.is_mask && entry.same_as.is_none());
            paths.extend(images.map(|entry| entry.path.clone()));
            if paths.len() == before {
                return Err(listing.nothing_found());
            }
            if !listing.outputs.is_empty() {
                let (count, path) = (listing.outputs.len(), path.display());
                crate::console::note!(
                    "{count} files or folders in {path} are left out: parula wrote them"
                );
            }
        }
        let mut failures = Failures { of: paths.len(), failed: 0, first: None, fatal: None };
        let names = outputs::names(&paths, endings);
        let mut images = Vec::new();
        let sizes = parallel::map(&paths, |path| Colour::size_of(path));
        for ((path, name), size) in paths.iter().zip(names).zip(sizes) {
            match size {
                Ok(size) => images.push(Image { path: path.clone(), size, name }),
                Err(error) => failures.add(error),
            }
        }
        if images.is_empty() {
            failures.end()?;
            return Err(Error::usage("there are no images", "give at least one"));
        }
        Ok(Found { images, failures, paths })
    }
}

impl Found {
    /// Names the images anew, for outputs of these endings.
    pub fn rename(&mut self, endings: &[&str]) {
        let names = outputs::names(&self.paths, endings);
        let mut named = self.paths.iter().zip(names);
        for image in &mut self.images {
            if let Some((_, name)) = named.find(|(path, _)| **path == image.path) {
                image.name = name;
            }
        }
    }

    /// Refuses outputs in `folder`, each image's name with each of `endings`, of which one is among the images
    /// or `others`, which are read as well, or is a file that parula did not write.
    ///
    /// # Errors
    /// [`Error::Content`] with that file.
    pub fn expect_apart(&self, folder: &Path, endings: &[&str], others: &[&Path]) -> Result<()> {
        let read = self.paths.iter().map(PathBuf::as_path).chain(others.iter().copied());
        let written = self.outputs(endings);
        outputs::expect_apart(read, written.iter().map(|name| folder.join(name)))?;
        outputs::expect_free(folder, written)
    }

    /// Makes `folder` ready for these outputs, which no later command shall take for input.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be made or written.
    pub fn open(&self, folder: &Path, endings: &[&str]) -> Result<()> {
        files::create_folder(folder)?;
        outputs::list(folder, self.outputs(endings).iter().map(String::as_str))
    }

    fn outputs(&self, endings: &[&str]) -> Vec<String> {
        let of = |image: &Image| -> Vec<String> {
            endings.iter().map(|ending| format!("{}.{ending}", image.name)).collect()
        };
        self.images.iter().flat_map(of).collect()
    }
}

/// The images of a command that failed. Each is named as it is met, and the command goes on with the others.
#[derive(Debug)]
pub struct Failures {
    of: usize,
    failed: usize,
    first: Option<Error>,
    fatal: Option<Error>,
}

impl Failures {
    /// Takes note of an image that failed. A single image is named at the end alone.
    pub fn add(&mut self, error: Error) {
        if self.of > 1 {
            crate::console::note!("failed: {}", error.to_string().replace('\n', " "));
        }
        self.failed += 1;
        self.first.get_or_insert(error);
    }

    /// Takes note that the outputs of an image could not be written. True where no other's can be either: on
    /// a full disk there is nothing to go on for, while a name that is too long is one image's.
    pub fn add_unwritten(&mut self, error: Error) -> bool {
        match &error {
            Error::File { source, .. } if source.kind() != ErrorKind::InvalidFilename => {
                self.stop(error);
                true
            }
            _ => {
                self.add(error);
                false
            }
        }
    }

    /// Takes note of what ends the work before all images are through. What is done is shown all the same.
    pub fn stop(&mut self, error: Error) {
        self.fatal = Some(error);
    }

    /// What there is to be said once all images are through.
    ///
    /// # Errors
    /// What ended the work; else [`Error::Partly`] where some images failed, and of a single one its own.
    pub fn end(self) -> Result<()> {
        if let Some(fatal) = self.fatal {
            return Err(fatal);
        }
        match self.first {
            None => Ok(()),
            Some(first) if self.of == 1 => Err(first),
            Some(first) => {
                Err(Error::Partly { failed: self.failed, of: self.of, first: Box::new(first) })
            }
        }
    }
}
