//! `parula cam`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};

use super::images::{Found, Image, Images};
use super::network::{self, Source};
use super::steps;
use super::{Global, Numbers, print, print_json};
use crate::engine::gpu::Gpu;
use crate::engine::plan::{fitting, halving};
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};
use crate::files;
use crate::lab::data::Class;
use crate::lab::report::explained;
use crate::nets::cam::normalise::Normalisation;
use crate::nets::cam::{
    Argument, Baseline, Explainer, Explanation, Fusion, METHODS, Method, Request, Settings, find,
    npy,
};
use crate::nets::classifier::Classifier;
use crate::nets::images::grey::resize_plane;
use crate::nets::images::{Colour, Grey};
use crate::nets::models::{Mode, Model};
use crate::nets::refine::{Recipe, Refiner};
use crate::parallel;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    parula cam model.keras image.png --class-names cat,dog --class dog --out maps\n  \
    parula cam --model compact-resnet --weights resnet.safetensors image.png --out maps\n  \
    parula cam --model compact-resnet --weights three.safetensors image.png --class all --out maps\n  \
    parula cam --model xception --weights xception.h5 --figure elephant.png --out maps\n  \
    parula cam model.keras image.png --steps steps --out maps      # opens in a browser: steps/image/steps.html\n  \
    parula cam --model xception --weights xception.h5 --method layercam \\\n      \
    --layer block4_sepconv2_bn,block14_sepconv2_act elephant.png --out maps")]
pub struct Cam {
    /// The method
    #[arg(long, default_value = "gradcam", value_parser = methods())]
    method: String,
    /// The layer whose feature maps are weighted; without it, the last before pooling. The maps of
    /// several, A,B,C, are each divided by their maximum and combined
    #[arg(long, value_delimiter = ',')]
    layer: Vec<String>,
    /// How the maps of several layers become one, position by position [max]
    #[arg(long, value_enum)]
    fuse: Option<Fusion>,
    /// The class to explain: its number, from 0, or its name; `all` for a map of each, in files called
    /// NAME.CLASS.png. Without it, abnormal (1) of two classes of a network of `parula models` whose file names no
    /// others, else each image's class with the highest score. A head of one unit (sigmoid) has the class 0 alone,
    /// and that is abnormal, which its score speaks for
    #[arg(long, allow_negative_numbers = true)]
    class: Option<String>,
    /// Show what speaks against the class instead of what speaks for it
    #[arg(long)]
    against: bool,
    /// How the map becomes grey: without negative values over its maximum, from its minimum to its
    /// maximum, or over the maximum of the signed map
    #[arg(long, value_enum, default_value = "relu-max")]
    normalisation: Normalisation,
    /// Samples of smoothgrad, integrated-gradients and gradientshap; without it, 50
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// What integrated-gradients and gradientshap start from (without it, black), and occlusion covers
    /// with (without it, zero)
    #[arg(long, value_enum)]
    baseline: Option<Baseline>,
    /// Images to draw the baselines of gradientshap from, instead of black
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    background: Vec<PathBuf>,
    /// Side of the square that occlusion covers, in pixels of the network's input; without it, an
    /// eighth of the input
    #[arg(long, value_name = "PIXELS")]
    patch: Option<usize>,
    /// Distance of these squares; without it, half their side
    #[arg(long, value_name = "PIXELS")]
    stride: Option<usize>,
    /// The most changed copies of an image to run at once; without it 64, or 16 on a processor
    #[arg(long, value_name = "N")]
    copies: Option<usize>,
    /// Also write NAME.refined.png and NAME.mask.png: how likely each pixel is foreground, by the heatmap
    /// and the image, and the mask of that
    #[arg(long, value_enum)]
    refine: Option<Refinement>,
    /// Also draw NAME.figure.png: the input, the heatmap over it, the mask, and the input filtered by
    /// the mask, as the paper's Figure 1
    #[arg(long)]
    figure: bool,
    /// Also write every step of each Grad-CAM into a folder NAME of this one: activation, gradient, weights, sum and
    /// map as npy, steps.json, and steps.html, which shows them
    #[arg(long, value_name = "DIR")]
    steps: Option<PathBuf>,
    #[command(flatten)]
    images: Images,
    /// Where to write; for each image NAME.npy, the map at the layer's size, signed where --normalisation
    /// is of the signed map, and NAME.png, 8-bit grey at the image's size
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    numbers: Numbers,
}

/// What is known of an image that a heatmap is refined by.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Refinement {
    /// It is cut around a lesion, as ROIs are
    Roi,
    /// Nothing but that a lesion is darker than what is around it
    Whole,
}

impl Refinement {
    fn refiner(self, gpu: &Arc<Gpu>) -> Result<Refiner> {
        let recipe = match self {
            Refinement::Roi => Recipe::default(),
            Refinement::Whole => Recipe::anywhere(),
        };
        Refiner::new(gpu, REFINED, 1, &recipe)
    }
}

/// Height and width that images are refined at: the recipes count in pixels of about this size.
const REFINED: [usize; 2] = [128, 128];

/// Refines a heatmap by its image: probability and mask, at the image's size.
fn refine(refiner: &mut Refiner, image: &Colour, levels: &[u8]) -> Result<[Grey; 2]> {
    let (width, height) = (image.width, image.height);
    let small = |grey: &Grey| grey.resize(REFINED[0], REFINED[1]);
    let map: Vec<f32> = small(&heatmap(image, levels)).iter().map(|level| level / 255.0).collect();
    let refined = refiner.segment(&small(&image.grey()), &map)?;
    let mask: Vec<f32> = refined.masks.iter().map(|&mask| f32::from(mask)).collect();
    let picture = |numbers: &[f32], level: fn(f32) -> u8| {
        let resized = resize_plane(numbers, REFINED, [height, width]);
        Grey { width, height, pixels: resized.into_iter().map(level).collect() }
    };
    let probabilities = picture(&refined.probabilities, |p| (255.0 * p).round() as u8);
    Ok([probabilities, picture(&mask, |p| 255 * u8::from(p > 0.5))])
}

/// The heatmap of `image`, as a picture.
fn heatmap(image: &Colour, levels: &[u8]) -> Grey {
    Grey { width: image.width, height: image.height, pixels: levels.to_vec() }
}

/// An image that is explained, and not written yet.
struct Ready<'a> {
    image: &'a Image,
    colour: &'a Colour,
    explained: Explanation,
    /// The probability of its class.
    share: f64,
    /// Refined: how likely each pixel is, and the mask.
    refined: Option<[Grey; 2]>,
    /// What its files are called, without their endings.
    name: String,
    /// Its class in words.
    class: String,
}

/// What stands for each class of the network.
const ALL: &str = "all";
/// More maps than these of an image nobody looks at.
const MOST_CLASSES: usize = 100;

impl Cam {
    pub fn run(&self, global: &Global) -> Result<()> {
        let method = find(&self.method)?;
        self.check(method)?;
        let mut endings = self.endings();
        let mut found = self.images.find(&ends(&endings))?;
        let mut others = vec![self.source.weights(self.images.model())];
        others.extend(self.background.iter().map(PathBuf::as_path));
        // What classes there are is known once the network is.
        if !self.all() {
            found.expect_apart(&self.out, &ends(&endings), &others)?;
        }
        if let Some(folder) = &self.steps {
            let read = found.images.iter().map(|image| image.path.as_path());
            steps::Folder(folder)
                .expect_apart(&found.images, read.chain(others.iter().copied()))?;
        }
        let gpu = global.open(self.numbers.precision)?;
        let loaded =
            self.source.load(self.images.model(), &gpu, found.images.len(), global.seed)?;
        network::expect_finite(&loaded, &found.images)?;
        let largest =
            found.images.iter().map(|image| image.size[0] * image.size[1]).max().unwrap_or(1);
        let layer = match (method.of_layer(), &self.layer[..]) {
            (false, _) => "input".to_owned(),
            (true, []) => loaded.network.cam_layer.to_owned(),
            (true, layers) => layers.join(","),
        };
        let units = loaded.model.classes;
        let wanted = match (self.class.as_deref(), units) {
            (Some(ALL), units) if units > MOST_CLASSES => {
                return Err(Error::usage(
                    format!(
                        "the network has {units} classes, and each image would have a map of each"
                    ),
                    "name one by --class",
                ));
            }
            (Some(ALL), units) => (0..units).map(Some).collect(),
            (Some(class), _) => vec![Some(loaded.classes.find(class)?)],
            // A user's model says nothing of what its two classes are.
            (None, 2) if !loaded.network.described() && !loaded.classes.are_own() => {
                vec![Some(Class::Abnormal.index())]
            }
            (None, _) => vec![None],
        };
        let stems = match self.all() {
            true => loaded.classes.stems(),
            false => Vec::new(),
        };
        if self.all() {
            let of = |stem: &String| {
                endings.iter().map(|ending| format!("{stem}.{ending}")).collect::<Vec<_>>()
            };
            endings = stems.iter().flat_map(of).collect();
            found.rename(&ends(&endings));
            found.expect_apart(&self.out, &ends(&endings), &others)?;
        }
        let settings = self.settings(global, &loaded)?;
        let plan = |batch| {
            let Model { network, size, classes, .. } = loaded.model;
            let model = network.build(Mode::Inference, batch, size, classes)?;
            Explainer::expect(&gpu, &model, &settings, largest)?;
            Ok(model)
        };
        let batch = loaded.model.batch;
        let (batch, model) = match self.source.asked() {
            true => (batch, fitting(batch, plan)?),
            false => halving(batch, plan)?,
        };
        let mut explainer = Explainer::new(&gpu, model, &loaded.store, &settings, largest)?;
        let mut refiner = self.refine.map(|refinement| refinement.refiner(&gpu)).transpose()?;
        let mut steps = match &self.steps {
            Some(folder) => {
                let layer = self.layer.first().map(String::as_str);
                Some(steps::Writer::new(folder, &loaded, layer, self.against)?)
            }
            None => None,
        };
        let about = format!("{} of {}, layer {layer}", method.name, loaded.network.name);
        found.open(&self.out, &ends(&endings))?;
        if let Some(folder) = &self.steps {
            steps::Folder(folder).open(&found.images)?;
        }
        let Found { images, mut failures, .. } = found;
        let mut documents = Vec::new();
        let mut text = String::new();
        let (mut empty, mut classes) = (0, BTreeSet::new());
        network::stream(
            &loaded,
            &images,
            batch,
            |colour| colour,
            |stream| {
                let written =
                    |done: usize| format!("{done} of {} heatmaps were written", images.len());
                while let Some((found, prepared)) =
                    network::next(stream, &images, &mut failures, &global.stop, |_| {
                        written(documents.len())
                    })
                {
                    let numbers = prepared.all();
                    let requests: Vec<Request> = found
                        .iter()
                        .zip(numbers.chunks(prepared.image_len()))
                        .flat_map(|((_, shown), image)| {
                            let size = [shown.height, shown.width];
                            wanted.iter().map(move |&class| Request {
                                image,
                                class,
                                size,
                                mask: None,
                            })
                        })
                        .collect();
                    let explanations = match explainer.explain(&requests) {
                        Ok(explanations) => explanations,
                        Err(error) => {
                            failures.stop(error);
                            break;
                        }
                    };
                    // What takes the GPU is one image after another, and files are written on all cores.
                    let mut ready = Vec::with_capacity(requests.len());
                    let (mut full, mut lost) = (false, None);
                    let subjects = found.iter().flat_map(|one| wanted.iter().map(move |_| one));
                    for (((image, colour), request), explained) in
                        subjects.zip(&requests).zip(explanations)
                    {
                        // An image fails once, whatever its other classes would have come to.
                        if lost == Some(&image.path) {
                            continue;
                        }
                        let share = loaded.probabilities(&explained.logits)[explained.class];
                        let refined = explainer
                            .expect_finite(&image.shown(), request, &explained)
                            .and_then(|()| {
                                if let Some(steps) = &mut steps {
                                    let subject = (*image, colour, request.image);
                                    steps.write(
                                        &loaded,
                                        subject,
                                        explained.class,
                                        &explained.heatmap,
                                    )?;
                                }
                                refiner
                                    .as_mut()
                                    .map(|it| refine(it, colour, &explained.heatmap))
                                    .transpose()
                            });
                        match refined {
                            Ok(refined) => {
                                let name = match stems.get(explained.class) {
                                    Some(stem) => format!("{}.{stem}", image.name),
                                    None => image.name.clone(),
                                };
                                let class = match loaded.classes.are_own() {
                                    true => loaded.classes.describe(explained.class),
                                    false => explained.class.to_string(),
                                };
                                ready.push(Ready {
                                    image,
                                    colour,
                                    explained,
                                    share,
                                    refined,
                                    name,
                                    class,
                                });
                            }
                            Err(error) => {
                                lost = Some(&image.path);
                                full |= failures.add_unwritten(error);
                            }
                        }
                        if full {
                            break;
                        }
                    }
                    let written = parallel::map(&ready, |ready| self.write(ready, &about));
                    for (Ready { image, explained, share, .. }, written) in
                        ready.into_iter().zip(written)
                    {
                        let [raw, png] = match written {
                            Ok(files) => files.map(|file| file.display().to_string()),
                            Err(error) => {
                                full |= failures.add_unwritten(error);
                                continue;
                            }
                        };
                        let (of, nothing) = (explained.class, explained.is_empty());
                        empty += usize::from(nothing);
                        classes.insert(of);
                        documents.push(serde_json::json!({
                            "image": image.shown(), "class": of, "method": method.name,
                            "layer": layer, "raw": raw, "png": png, "all_zero": nothing,
                            "class_name": loaded.classes.name(of), "probability": share,
                            "logit": explained.logits.get(of),
                            "input": loaded.model.size, "scaling": loaded.scaling.name(),
                            "resize": loaded.resize.name(),
                            "sign": if self.against { -1 } else { 1 },
                        }));
                        text += &format!(
                            "{}: class {}, probability {share:.4}, layer {layer}\n",
                            image.shown(),
                            loaded.classes.describe(of)
                        );
                    }
                    if full {
                        break;
                    }
                }
            },
        );
        if empty > 0 {
            let speaks = if self.against { "speaks against" } else { "speaks for" };
            let class = match classes.first() {
                Some(class) if classes.len() == 1 => format!("class {class}"),
                _ => "the class".to_owned(),
            };
            let (of, what) = (documents.len(), if self.all() { "maps" } else { "images" });
            crate::console::note!("nothing {speaks} {class} in {empty} of {of} {what}");
        }
        match global.json {
            true => print_json(&documents)?,
            false => {
                let are = if documents.len() == 1 { "heatmap is" } else { "heatmaps are" };
                text += &format!("{} {are} in {}\n", documents.len(), self.out.display());
                print(&text)?;
            }
        }
        failures.end()
    }

    /// Whether a map of each class is asked for.
    fn all(&self) -> bool {
        self.class.as_deref() == Some(ALL)
    }

    /// How the outputs of an explanation end.
    fn endings(&self) -> Vec<String> {
        let mut endings = vec!["npy", "png"];
        endings.extend(self.figure.then_some("figure.png"));
        endings.extend(self.refine.iter().flat_map(|_| ["refined.png", "mask.png"]));
        endings.into_iter().map(str::to_owned).collect()
    }

    /// Writes all that there shall be of an image; returns the files of the map and of the heatmap.
    fn write(&self, ready: &Ready, about: &str) -> Result<[PathBuf; 2]> {
        let Ready { image, colour, explained, share, refined, name, class } = ready;
        let file = |ending: &str| self.out.join(format!("{name}.{ending}"));
        files::write(&file("npy"), &npy(self.shown(explained)))?;
        if self.figure {
            let title = format!("{}: class {class}", image.name);
            let about = format!("{about}; probability {share:.3}");
            let figure = explained::draw(&title, &about, colour, &explained.heatmap)?;
            figure.save(&file("figure.png"))?;
        }
        if let Some([refined, mask]) = refined {
            refined.write(file("refined.png"))?;
            mask.write(file("mask.png"))?;
        }
        heatmap(colour, &explained.heatmap).write(file("png"))?;
        Ok([file("npy"), file("png")])
    }

    /// The map that the grey levels are made of.
    fn shown<'a>(&self, explained: &'a Explanation) -> &'a Tensor {
        match self.normalisation {
            Normalisation::ReluMax => &explained.map,
            Normalisation::MinMax | Normalisation::Max => &explained.signed,
        }
    }

    /// Refuses what the method would take no notice of.
    fn check(&self, method: &Method) -> Result<()> {
        let other = method.name != "gradcam"
            || self.layer.len() > 1
            || self.normalisation != Normalisation::ReluMax;
        if self.steps.is_some() && other {
            return Err(Error::usage(
                "--steps shows Grad-CAM of one layer, over its maximum",
                "leave out --steps, or --method, --normalisation and all but one --layer",
            ));
        }
        if self.steps.is_some() && self.all() {
            return Err(Error::usage(
                "--steps shows the explanation of one class",
                "leave out --steps, or name one class",
            ));
        }
        if self.fuse.is_some() && self.layer.len() < 2 {
            return Err(Error::usage(
                "--fuse is of the maps of several layers, and there is one",
                "leave out --fuse, or give --layer A,B",
            ));
        }
        let given = [
            (self.samples.is_some(), "--samples", Argument::Samples),
            (self.baseline.is_some(), "--baseline", Argument::Baseline),
            (!self.background.is_empty(), "--background", Argument::Background),
            (self.patch.is_some(), "--patch", Argument::Patch),
            (self.stride.is_some(), "--stride", Argument::Stride),
            (self.copies.is_some(), "--copies", Argument::Copies),
        ];
        let ignored =
            given.into_iter().find(|(given, _, argument)| *given && !method.takes(*argument));
        let Some((_, option, argument)) = ignored else { return Ok(()) };
        Err(Error::usage(
            format!("{} has no use for {option}", method.name),
            format!("leave out {option}, which is for {}", argument.takers()),
        ))
    }

    fn settings(&self, global: &Global, loaded: &Classifier) -> Result<Settings> {
        let background = match &self.background[..] {
            [] => Vec::new(),
            paths => {
                let prepared = network::read(loaded, paths)?;
                prepared.all().chunks(prepared.image_len()).map(<[f32]>::to_vec).collect()
            }
        };
        Ok(Settings {
            layers: self.layer.clone(),
            fusion: self.fuse.unwrap_or_default(),
            sign: if self.against { -1.0 } else { 1.0 },
            normalisation: self.normalisation,
            samples: self.samples,
            seed: global.seed,
            baseline: self.baseline,
            scaling: Some(loaded.scaling),
            background,
            patch: self.patch,
            stride: self.stride,
            copies: self.copies,
            ..Settings::new(find(&self.method)?)
        })
    }
}

fn ends(endings: &[String]) -> Vec<&str> {
    endings.iter().map(String::as_str).collect()
}

/// The methods, each with a line on what it shows.
fn methods() -> PossibleValuesParser {
    METHODS.iter().map(|method| PossibleValue::new(method.name).help(method.about)).into()
}
