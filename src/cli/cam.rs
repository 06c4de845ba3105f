//! `parula cam`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};

use super::images::Images;
use super::network::{Loaded, Source, stems};
use super::{Global, Numbers, print, print_json};
use crate::cam::{
    Argument, Baseline, Explainer, Explanation, Fusion, METHODS, Method, Request, Settings, find,
    npy,
};
use crate::data::image::resize_plane;
use crate::data::{Class, Colour, Grey};
use crate::error::{Error, Result};
use crate::files;
use crate::gpu::Gpu;
use crate::metrics::normalise::Normalisation;
use crate::refine::{Recipe, Refiner};
use crate::report::explained;
use crate::tensor::Tensor;
use crate::train::{interruption, probabilities};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    parula cam --model compact-resnet --weights resnet.safetensors image.png --out maps\n  \
    parula cam --model xception --weights xception.h5 --figure elephant.png --out maps\n  \
    parula cam --model xception --weights xception.h5 --method layercam \\\n      \
    --layer block4_sepconv2_bn,block14_sepconv2_act elephant.png --out maps")]
pub struct Cam {
    #[command(flatten)]
    source: Source,
    /// The method
    #[arg(long, default_value = "gradcam", value_parser = methods())]
    method: String,
    /// The layer whose feature maps are weighted; without it, the last before pooling. The maps of
    /// several, A,B,C, are each divided by their maximum and combined
    #[arg(long, value_delimiter = ',')]
    layer: Vec<String>,
    /// How the maps of several layers become one, position by position
    #[arg(long, value_enum, default_value = "max")]
    fuse: Fusion,
    /// The class to explain: its number, from 0. Without it, abnormal (1) of two classes, else each
    /// image's class with the highest score. A head of one unit (sigmoid) has the class 0 alone, and that
    /// is abnormal, which its score speaks for
    #[arg(long)]
    class: Option<usize>,
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
    #[command(flatten)]
    images: Images,
    /// Where to write; for each image NAME.npy, the map at the layer's size, signed where --normalisation
    /// is of the signed map, and NAME.png, 8-bit grey at the image's size
    #[arg(long)]
    out: PathBuf,
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

/// Refines a heatmap by its image; writes probability and mask, at the image's size, as `stem` with
/// an ending.
fn refine(refiner: &mut Refiner, image: &Colour, heatmap: Vec<u8>, stem: &str) -> Result<()> {
    let (width, height) = (image.width, image.height);
    let small = |grey: &Grey| grey.resize(REFINED[0], REFINED[1]);
    let heatmap = Grey { width, height, pixels: heatmap };
    let map: Vec<f32> = small(&heatmap).iter().map(|level| level / 255.0).collect();
    let refined = refiner.segment(&small(&image.grey()), &map)?;
    let mask: Vec<f32> = refined.masks.iter().map(|&mask| f32::from(mask)).collect();
    for (ending, numbers) in [("refined", &refined.probabilities), ("mask", &mask)] {
        let cut = ending == "mask";
        let level = |p: f32| if cut { 255 * u8::from(p > 0.5) } else { (255.0 * p).round() as u8 };
        let resized = resize_plane(numbers, REFINED, [height, width]);
        let pixels = resized.into_iter().map(level).collect();
        Grey { width, height, pixels }.write(Path::new(&format!("{stem}.{ending}.png")))?;
    }
    Ok(())
}

impl Cam {
    pub fn run(&self, global: &Global) -> Result<()> {
        let method = find(&self.method)?;
        self.check(method)?;
        let (found, sizes) = self.images.find()?;
        let gpu = global.open(self.numbers.precision)?;
        let loaded = self.source.load(&gpu, found.len(), global.seed)?;
        let largest = sizes.iter().map(|[height, width]| height * width).max().unwrap_or(1);
        let layer = match (method.of_layer(), &self.layer[..]) {
            (false, _) => "input".to_owned(),
            (true, []) => loaded.network.cam_layer.to_owned(),
            (true, layers) => layers.join(","),
        };
        let class = match (self.class, loaded.model.classes) {
            (Some(class), classes) if class >= classes => {
                return Err(Error::usage(
                    format!("there is no class {class}"),
                    match classes {
                        1 => "the head has 1 unit, class 0, which speaks for abnormal".to_owned(),
                        _ => format!("the head has {classes} units: give 0 to {}", classes - 1),
                    },
                ));
            }
            (None, 2) => Some(Class::Abnormal.index()),
            (class, _) => class,
        };
        let batch = loaded.model.batch;
        let model = loaded.model.clone();
        let settings = self.settings(global, &loaded)?;
        let mut explainer = Explainer::new(&gpu, model, &loaded.store, &settings, largest)?;
        let mut refiner = self.refine.map(|refinement| refinement.refiner(&gpu)).transpose()?;
        files::create_folder(&self.out)?;
        let stems = stems(&found);
        let mut documents = Vec::new();
        for (paths, names) in found.chunks(batch).zip(stems.chunks(batch)) {
            interruption(|| {
                format!("{} of {} heatmaps were written", documents.len(), found.len())
            })?;
            let (images, prepared) = loaded.read(paths)?;
            let numbers = prepared.all();
            let requests: Vec<Request> = images
                .iter()
                .zip(numbers.chunks(prepared.image_len()))
                .map(|(shown, image)| Request {
                    image,
                    class,
                    size: [shown.height, shown.width],
                    mask: None,
                })
                .collect();
            let explanations = explainer.explain(&requests)?;
            for (index, (image, explained)) in images.iter().zip(explanations).enumerate() {
                let raw = self.out.join(format!("{}.npy", names[index]));
                let png = self.out.join(format!("{}.png", names[index]));
                files::write(&raw, &npy(self.shown(&explained)))?;
                if self.figure {
                    let share = probabilities(&explained.logits)[explained.class];
                    let title = format!("{}: class {}", names[index], explained.class);
                    let about = format!(
                        "{} of {}, layer {layer}; probability {share:.3}",
                        method.name, loaded.network.name
                    );
                    let path = self.out.join(format!("{}.figure.png", names[index]));
                    explained::draw(&title, &about, image, &explained.heatmap)?.save(&path)?;
                }
                if let Some(refinement) = &mut refiner {
                    let stem = self.out.join(&names[index]).display().to_string();
                    refine(refinement, image, explained.heatmap.clone(), &stem)?;
                }
                let (width, height) = (image.width, image.height);
                Grey { width, height, pixels: explained.heatmap }.write(&png)?;
                documents.push(serde_json::json!({
                    "image": paths[index], "class": explained.class, "method": method.name,
                    "layer": layer, "raw": raw, "png": png,
                }));
            }
        }
        if global.json {
            return print_json(&documents);
        }
        let are = if documents.len() == 1 { "heatmap is" } else { "heatmaps are" };
        print(&format!("{} {are} in {}\n", documents.len(), self.out.display()))
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
        let takers = METHODS.iter().filter(|method| method.takes(argument));
        let takers: Vec<&str> = takers.map(|method| method.name).collect();
        Err(Error::usage(
            format!("{} has no use for {option}", method.name),
            format!("leave out {option}, which is for {}", takers.join(", ")),
        ))
    }

    fn settings(&self, global: &Global, loaded: &Loaded) -> Result<Settings> {
        let background = match &self.background[..] {
            [] => Vec::new(),
            paths => {
                let (_, prepared) = loaded.read(paths)?;
                prepared.all().chunks(prepared.image_len()).map(<[f32]>::to_vec).collect()
            }
        };
        Ok(Settings {
            layers: self.layer.clone(),
            fusion: self.fuse,
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

/// The methods, each with a line on what it shows.
fn methods() -> PossibleValuesParser {
    METHODS.iter().map(|method| PossibleValue::new(method.name).help(method.about)).into()
}
