//! `parula lesson`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::images::model_of;
use super::network::Source as Named;
use super::{Global, print, print_json};
use crate::engine::gpu::{Gpu, Precision};
use crate::error::{Error, Result};
use crate::files::{self, outputs};
use crate::lab::lesson::{Lesson, Picture, Source, standard};
use crate::nets::classifier::Classifier;
use crate::nets::images::{Colour, Grey};

/// Grad-CAM in a browser: one page that computes every step on the reader's GPU, with every number to look at and
/// everything to change. It opens from the disk and loads nothing. Without arguments it is the standard lesson.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parula lesson --out lesson.html\n  \
    parula lesson model.keras cat.png dog.png --class-names cat,dog --out lesson.html\n  \
    parula lesson --model compact-resnet --weights resnet.safetensors roi.png --out lesson.html")]
pub struct LessonOf {
    /// Pictures that the page includes: PNG, TIFF, JPEG or PGM. NAME_mask.png beside NAME is its outline. Without any,
    /// ten synthetic ROIs. A .keras or .h5 file before them is the model
    #[arg(value_name = "IMAGES")]
    images: Vec<PathBuf>,
    /// The page to write
    #[arg(long, default_value = "lesson.html")]
    out: PathBuf,
    /// Also write the plans alone, as docs/plan-format.md describes them
    #[arg(long, value_name = "plan.json")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    source: Named,
}

impl LessonOf {
    pub fn run(&self, global: &Global) -> Result<()> {
        let described = model_of(&self.images);
        let paths = &self.images[usize::from(described.is_some())..];
        let read = paths.iter().map(PathBuf::as_path);
        let read = read.chain([self.source.weights(described)]);
        let written: Vec<&Path> =
            [Some(&self.out), self.plan.as_ref()].into_iter().flatten().map(|p| &**p).collect();
        outputs::expect_apart(read, &written)?;
        for path in &written {
            files::create_folder_of(path)?;
            files::expect_writable(path)?;
        }
        let sizes = paths.iter().map(|path| Ok((path.as_path(), Colour::size_of(path)?)));
        Picture::expect_small(sizes.collect::<Result<Vec<_>>>()?.into_iter())?;
        let gpu = global.open(Precision::default())?;
        let source = self.source(described, paths, &gpu, global.seed)?;
        let lesson = Lesson::new(&source)?;
        let page = lesson.page()?;
        files::write(&self.out, &page)?;
        let mut sizes = vec![(&self.out, page.len())];
        if let Some(path) = &self.plan {
            let plan = lesson.plan()?;
            files::write(path, &plan)?;
            sizes.push((path, plan.len()));
        }
        match global.json {
            true => {
                let files: Vec<_> = sizes
                    .iter()
                    .map(|(path, bytes)| serde_json::json!({"file": path, "bytes": bytes}))
                    .collect();
                print_json(&serde_json::json!({
                    "files": files, "plans": lesson.plans(), "pictures": source.pictures.len(),
                }))
            }
            false => sizes.iter().try_for_each(|(path, bytes)| {
                print(&format!("{}: {:.1} MB\n", path.display(), *bytes as f64 / 1e6))
            }),
        }
    }

    fn source(
        &self,
        described: Option<&Path>,
        paths: &[PathBuf],
        gpu: &Arc<Gpu>,
        seed: u64,
    ) -> Result<Source> {
        let (mut classifier, about) = match described.is_none() && self.source.is_empty() {
            true => (Source::standard(gpu)?, Some("synthetic mammograms")),
            false => (self.source.load(described, gpu, 1, seed)?, None),
        };
        let pictures = match paths {
            [] => standard(&mut classifier)?,
            paths => pictures(&classifier, paths)?,
        };
        Ok(Source { classifier, about, pictures, standard: paths.is_empty() })
    }
}

fn pictures(classifier: &Classifier, paths: &[PathBuf]) -> Result<Vec<Picture>> {
    let names = outputs::names(paths, &[""]);
    let of = |(path, id): (&PathBuf, String)| {
        let image = classifier.read(path)?;
        let outline = outline(path, [image.height, image.width])?;
        Ok(Picture { title: id.clone(), id, class: None, image, outline })
    };
    paths.iter().zip(names).map(of).collect()
}

/// What stands beside a picture as its outline, at the picture's size.
fn outline(path: &Path, size: [usize; 2]) -> Result<Option<Grey>> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!("{stem}_mask.png"));
    if !beside.is_file() {
        return Ok(None);
    }
    let mask = Grey::read(&beside)?;
    match [mask.height, mask.width] == size {
        true => Ok(Some(mask)),
        false => Err(Error::content(
            &beside,
            format!(
                "has {} x {} pixels, its picture {} x {}",
                mask.width, mask.height, size[1], size[0]
            ),
            "give an outline of the picture's size, or move it away",
        )),
    }
}
