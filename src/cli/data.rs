//! `parula data`: inspect, rois, decode, outline, synth.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::pictures::Pictures;
use super::{Global, print, print_json};
use crate::error::{Error, Result};
use crate::files::{self, outputs};
use crate::lab::data::ddsm::chain::Chain;
use crate::lab::data::ddsm::{Origin, Outline, ljpeg, overlay};
use crate::lab::data::duplicates::{Handling as Duplicates, Shown};
use crate::lab::data::view::Projection;
use crate::lab::data::{
    ReadOptions, RoiOptions, Rois, gzip, inspect, layout, roi, roi_files, synth,
};
use crate::lab::report::duplicate_sheet::{self, Row};
use crate::nets::images::Grey16;

/// Larger than any film, and small enough to be held.
const MOST_PIXELS: usize = 1 << 28;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parula data synth --out mammograms\n  \
    parula data inspect mammograms\n  parula data rois mammograms --out rois")]
pub struct Data {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What is in a folder: layout, images, masks, classes, sizes, every problem by file
    #[command(after_help = "Example:\n  parula data inspect mammograms --json\n  \
        parula data inspect BUSI --out duplicates\n  \
        parula data inspect DDSM --views cc,mlo\n\n\
        Layouts: folders of images (PNG, TIFF, JPEG, PGM) with masks beside them (X_mask, X_seg, X_tumor, mask_X) \
        or in a folder of their own (images/ and masks/, original/ and GT/), BUSI, DDSM from its own files, \
        CBIS-DDSM as DICOM, PNG or JPEG with its tables, MIAS with its Info.txt, folders of classes without masks.\n\nExit 1 where something is to be solved first.")]
    Inspect {
        /// The data set
        dir: PathBuf,
        /// Draw the groups of pictures that show the same scan, as PNGs in this folder
        #[arg(long)]
        out: Option<PathBuf>,
        #[command(flatten)]
        choice: Choice,
        /// Also list like problems file by file
        #[arg(long)]
        all: bool,
    },
    /// Cut the ROIs and their masks by the paper's rule, as PNGs and an index in CSV
    #[command(after_help = "Example:\n  parula data rois mammograms --out rois\n  \
        parula data rois DDSM --views mlo --out rois")]
    Rois {
        /// The data set
        dir: PathBuf,
        /// Where to write
        #[arg(long)]
        out: PathBuf,
        /// Pictures that show the same scan: group gives them one `patient` in the index, drop takes one of
        /// them, keep treats them as different
        #[arg(long, default_value = "group")]
        duplicates: Duplicates,
        #[command(flatten)]
        choice: Choice,
    },
    /// Decode one film of DDSM to a PNG of 16-bit grey, its levels as scanned
    #[command(after_help = "Example:\n  parula data decode B_3024_1.LEFT_CC.LJPEG --rows 4616 \
        --columns 3016 --out film.png\n\nSome films have rows and columns swapped in their own \
        header: give those of the .ics file.")]
    Decode {
        /// The film, a lossless JPEG, gzipped or not
        file: PathBuf,
        /// Rows, by the .ics file
        #[arg(long, requires = "columns")]
        rows: Option<usize>,
        /// Pixels of a row, by the .ics file
        #[arg(long, requires = "rows")]
        columns: Option<usize>,
        /// The PNG to write
        #[arg(long)]
        out: PathBuf,
    },
    /// Fill the outlines of an OVERLAY file of DDSM, or of a bare chain code: 255 inside, 0 outside
    #[command(after_help = "Example:\n  parula data outline B_3024_1.LEFT_CC.OVERLAY --rows 4616 \
        --columns 3016 --out mask.png")]
    Outline {
        /// The OVERLAY file, or a file with a line `column row c c c ... #`
        file: PathBuf,
        /// Rows of the film
        #[arg(long)]
        rows: usize,
        /// Pixels of a row of the film
        #[arg(long)]
        columns: usize,
        #[command(flatten)]
        origin: OriginChoice,
        /// The PNG to write
        #[arg(long)]
        out: PathBuf,
    },
    /// Make synthetic mammograms with outlined masses
    #[command(after_help = "Example:\n  parula data synth --out mammograms --patients 50")]
    Synth {
        /// Where to write
        #[arg(long)]
        out: PathBuf,
        /// Each gives one image with a mass and one without
        #[arg(long, default_value_t = synth::SynthOptions::default().patients)]
        patients: usize,
        /// Rows of an image
        #[arg(long, default_value_t = synth::SynthOptions::default().size)]
        size: usize,
    },
}

/// What is taken from data sets that leave a choice.
#[derive(Debug, Args)]
struct Choice {
    /// Mammograms: the views to take
    #[arg(long, value_delimiter = ',', ignore_case = true, default_value = "cc")]
    views: Vec<Projection>,
    #[command(flatten)]
    origin: OriginChoice,
    #[command(flatten)]
    pictures: Pictures,
}

#[derive(Debug, Args)]
struct OriginChoice {
    /// DDSM: what the first column and row are called where a chain code starts; 1 gives the masks
    /// that were published
    #[arg(long, value_parser = ["0", "1"], default_value = "1")]
    origin: String,
}

impl OriginChoice {
    fn get(&self) -> Origin {
        if self.origin == "0" { Origin::Zero } else { Origin::One }
    }
}

impl Choice {
    fn options(&self) -> ReadOptions {
        ReadOptions {
            projections: self.views.clone(),
            origin: self.origin.get(),
            ..self.pictures.options()
        }
    }
}

impl Data {
    pub fn run(&self, global: &Global) -> Result<()> {
        let seed = global.seed;
        match &self.command {
            Command::Inspect { dir, choice, out, all } => {
                if let Some(out) = out {
                    outputs::expect_apart([dir], [out])?;
                }
                let report = inspect::inspect_with(dir, &choice.options())?;
                if let Some(out) = out {
                    draw_duplicates(&report, out)?;
                }
                if global.json {
                    print_json(&report)?;
                } else {
                    let every = if *all { report.every_problem() } else { String::new() };
                    print(&format!("{report}{every}"))?;
                }
                report.refusal().map_or(Ok(()), Err)
            }
            Command::Rois { dir, out, choice, duplicates } => {
                outputs::expect_apart([dir].into_iter().chain(choice.pictures.beside()), [out])?;
                let options = RoiOptions { seed, duplicates: *duplicates, ..RoiOptions::default() };
                let cut = Rois::read(dir, &choice.options(), &options)?;
                let written = roi_files::names(&cut.rois);
                let written = written.iter().map(|name| out.join(name));
                let mut read = layout::list(dir)?.files;
                if let Some(outlines) = choice.pictures.beside() {
                    read.extend(layout::list(outlines)?.files);
                }
                outputs::expect_apart(read, written)?;
                roi_files::expect_free(&cut.rois, out)?;
                let index = roi_files::write(&cut.rois, out)?;
                let [normal, abnormal] = roi::counts(&cut.rois);
                if global.json {
                    return print_json(&serde_json::json!({
                        "abnormal": abnormal, "normal": normal, "index": index,
                        "left_out": cut.left_out, "duplicates": cut.duplicates, "notes": cut.labels,
                        "truth": cut.truth,
                    }));
                }
                for group in crate::lab::data::problem::groups(&[cut.left_out, cut.labels].concat())
                {
                    let (example, more) = (group.example.display(), group.count - 1);
                    let more =
                        if more > 0 { format!(" (and {more} like it)") } else { String::new() };
                    crate::console::note!("note: {example}: {}{more}", group.what);
                }
                if let Some(words) = cut.truth.words() {
                    crate::console::note!("note: {words}");
                }
                print(&format!(
                    "{abnormal} abnormal and {normal} normal ROIs, see {}\n",
                    index.display()
                ))
            }
            Command::Decode { file, rows, columns, out } => {
                outputs::expect_apart([file], [out])?;
                let film = decode(file, rows.zip(*columns))?;
                film.write(out)?;
                let (rows, columns) = (film.height, film.width);
                if global.json {
                    let png = out;
                    let report = serde_json::json!({"rows": rows, "columns": columns, "png": png});
                    return print_json(&report);
                }
                print(&format!("{rows} x {columns} pixels in {}\n", out.display()))
            }
            Command::Outline { file, rows, columns, origin, out } => {
                outputs::expect_apart([file], [out])?;
                let outline = outline(file, (*rows, *columns), origin.get())?;
                let (mask, outlines) = (outline.fill(), outline.chains.len());
                mask.write(out)?;
                let pixels = mask.pixels.iter().filter(|value| **value > 0).count();
                if global.json {
                    return print_json(&serde_json::json!({
                        "outlines": outlines, "mask_pixels": pixels, "png": out,
                    }));
                }
                print(&format!("{outlines} outlines, {pixels} pixels, in {}\n", out.display()))
            }
            Command::Synth { out, patients, size } => {
                files::create_folder(out)?;
                let options = synth::SynthOptions { patients: *patients, size: *size, seed };
                let summary = synth::synthesize(out, &options)?;
                if global.json {
                    return print_json(&summary);
                }
                print(&format!(
                    "{} images with a mass and {} without, {}x{} pixels, in {}\n",
                    summary.abnormal,
                    summary.normal,
                    summary.width,
                    summary.height,
                    out.display()
                ))
            }
        }
    }
}

/// Draws the groups of duplicates, those under two labels first.
fn draw_duplicates(report: &inspect::Inspection, out: &Path) -> Result<()> {
    let mut groups: Vec<&Shown> = report.duplicates.iter().collect();
    groups.sort_by_key(|group| !group.contradiction);
    let row = |group: &&Shown| {
        let read = |path: &PathBuf| {
            let picture = report.picture(path)?.read().ok()?;
            Some((path.display().to_string(), picture))
        };
        let count = group.images.len();
        let what = if group.contradiction { ", under two labels" } else { "" };
        Row {
            title: format!("{count} pictures{what}; correlation {:.3} or more", group.correlation),
            warning: group.contradiction,
            pictures: group.images.iter().filter_map(read).collect(),
        }
    };
    let pages = groups.len().div_ceil(duplicate_sheet::ROWS);
    let name = |page: usize| format!("duplicates-{page:03}.png");
    let names: Vec<String> = (1..=pages).map(name).collect();
    outputs::expect_free(out, &names)?;
    files::create_folder(out)?;
    outputs::list(out, names.iter().map(String::as_str))?;
    // Of an earlier call that found more.
    for page in (pages + 1..).map(name).take_while(|page| outputs::listed(out).contains(page)) {
        let path = out.join(page);
        if path.exists() {
            std::fs::remove_file(&path).map_err(|source| Error::file("delete", path, source))?;
        }
    }
    for (page, groups) in (1..).zip(groups.chunks(duplicate_sheet::ROWS)) {
        let rows: Vec<Row> = groups.iter().map(row).collect();
        let title = format!("Pictures that show the same scan, page {page} of {pages}");
        let subtitle = report.root.display().to_string();
        let canvas = duplicate_sheet::draw(&title, &subtitle, &rows)?;
        canvas.save(&out.join(name(page)))?;
    }
    Ok(())
}

/// The film's levels, in `size` (rows, columns) where that was said.
fn decode(file: &Path, size: Option<(usize, usize)>) -> Result<Grey16> {
    let film = ljpeg::decode(file, &gzip::read(file)?)?;
    let Some((rows, columns)) = size else { return Ok(film) };
    film.reshape(rows, columns).map_err(|film| {
        let (height, width) = (film.height, film.width);
        let problem = format!("has {height} x {width} pixels, not {rows} x {columns}");
        Error::content(file, problem, "leave --rows and --columns away, or correct them")
    })
}

/// All outlines of a file. One that cannot be used is an error here: the mask would lack it.
fn outline(file: &Path, (rows, columns): (usize, usize), origin: Origin) -> Result<Outline> {
    // A mask that is written is one that is read.
    if rows < 2 || columns < 2 || rows.saturating_mul(columns) > MOST_PIXELS {
        return Err(Error::usage(
            format!("a mask of {rows} x {columns} pixels cannot be made"),
            "give the rows and columns of the film, by its .ics file",
        ));
    }
    let overlay = overlay::parse(&gzip::read_text(file)?);
    if let Some(problem) = overlay.problems.into_iter().next() {
        return Err(Error::content(file, problem, "copy or download it again"));
    }
    let chains: Vec<Chain> =
        overlay.abnormalities.into_iter().flat_map(|abnormality| abnormality.outlines).collect();
    let outside = chains.iter().filter(|chain| !chain.is_inside(rows, columns, origin)).count();
    if outside > 0 {
        return Err(Error::content(
            file,
            format!("{outside} of {} outlines leave {rows} x {columns} pixels", chains.len()),
            "give the film's own rows and columns, or the other --origin",
        ));
    }
    if chains.is_empty() {
        return Err(Error::content(file, "has no outline", "is it an OVERLAY file?"));
    }
    Ok(Outline { path: file.to_owned(), rows, columns, origin, chains })
}
