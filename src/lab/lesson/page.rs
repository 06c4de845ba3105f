//! The page: data and modules in one file, which loads nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;
use serde_json::{Map, Value as Json, json};

use super::export::Document;
use super::modules::MODULES;
use super::pictures::Picture;
use super::{plans, training};
use crate::engine::gpu::Gpu;
use crate::error::{Error, Result};
use crate::lab::report::html::embed;
use crate::lab::report::html::page::escape;
use crate::nets::cam::{Stepper, Steps};
use crate::nets::classifier::{Classifier, Opening};
use crate::nets::images::{Colour, Resize};
use crate::nets::models::Mode;
use crate::nets::weights::Raw;

/// The standard lesson's network: trained on synthetic ROIs, see `docs/tutorial.md`.
const WEIGHTS: &[u8] = include_bytes!("../../../docs/tutorial/compact-xception.safetensors");
const NAME: &str = "compact-xception";

/// Of more classes than this only the one with the highest score is recorded.
const RECORDED_CLASSES: usize = 4;

/// The most bytes of recorded values in a page.
const MOST_RECORDED: usize = 16 << 20;

/// What a page is made of.
pub struct Lesson {
    title: String,
    document: Document,
    network: Json,
    methods: Json,
    pictures: Vec<Json>,
    standard: bool,
    training: Json,
}

/// The network and the pictures of a lesson.
pub struct Source {
    /// The network with its weights.
    pub classifier: Classifier,
    /// What it was trained on, in a few words, where that is known.
    pub about: Option<&'static str>,
    /// The pictures that the page includes.
    pub pictures: Vec<Picture>,
    /// Whether these are the ten of the standard lesson, and not a user's.
    pub standard: bool,
}

impl Source {
    /// The network of the standard lesson, whose weights are part of this program.
    ///
    /// # Errors
    /// Those of the GPU.
    pub fn standard(gpu: &Arc<Gpu>) -> Result<Classifier> {
        let raw = Raw::decode(Path::new("compact-xception.safetensors"), WEIGHTS.to_vec())?;
        let opening = Opening {
            model: Some(NAME.to_owned()),
            class_names: vec!["normal".to_owned(), "abnormal".to_owned()],
            ..Opening::default()
        };
        Classifier::open_raw(gpu, raw, &opening)
    }
}

impl Lesson {
    /// Plans what the page runs, and records what it shows of its pictures without WebGPU.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for a network that no page can hold, [`Error::Usage`] for one that a page cannot feed; those
    /// of planning and of the GPU.
    pub fn new(source: &Source) -> Result<Self> {
        let classifier = &source.classifier;
        let (gpu, store) = (&classifier.gpu, &classifier.store);
        if classifier.resize != Resize::Bilinear {
            return Err(Error::usage(
                format!("a page resizes pictures bilinearly, not by {}", classifier.resize.name()),
                "leave out --resize",
            ));
        }
        if classifier.network.segments() {
            return Err(Error::usage(
                format!(
                    "{} gives masks, and a lesson explains the score of a class",
                    classifier.network.name
                ),
                "give a classifier, see `parula models`",
            ));
        }
        let [height, width] = classifier.model.size;
        let model = classifier.network.build(
            Mode::Inference,
            1,
            [height, width],
            classifier.model.classes,
        )?;
        let mut document = Document::default();
        let network = plans::add(&mut document, &model, store)?;
        let mut stepper = Stepper::new(gpu, &model, store, None, 1.0)?;
        let mut left = MOST_RECORDED;
        let pictures = source
            .pictures
            .iter()
            .map(|picture| shown(classifier, picture, &mut stepper, &mut left))
            .collect::<Result<_>>()?;
        let training = training::add(&mut document, gpu)?;
        let channels = classifier.network.channels;
        let affine: Vec<[f32; 2]> = (0..channels)
            .map(|channel| classifier.scaling.affine(channel))
            .map(|(factor, summand)| [factor, summand])
            .collect();
        let order = match (channels, classifier.scaling) {
            (3, crate::nets::images::Scaling::Caffe) => "bgr",
            (3, _) => "rgb",
            _ => "grey",
        };
        let classes: Vec<String> = (0..classifier.model.classes)
            .map(|class| classifier.classes.name(class).map_or(class.to_string(), str::to_owned))
            .collect();
        let name = classifier.network.name;
        Ok(Lesson {
            title: format!("Grad-CAM with {name}"),
            network: json!({
                "name": name, "about": source.about, "input": [height, width, channels],
                "scaling": classifier.scaling.name(), "affine": affine, "order": order,
                "classes": classes, "output": classifier.output,
                "parameters": model.parameters(), "cam": network.cam, "logits": network.logits,
                "layers": network.layers, "adapter": gpu.report().to_string(),
            }),
            methods: json!(network.methods),
            document,
            pictures,
            standard: source.standard,
            training,
        })
    }

    /// The plans alone, as `docs/plan-format.md` describes them.
    ///
    /// # Errors
    /// None that a user can cause.
    pub fn plan(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(&self.document).map_err(unwritable)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The page.
    ///
    /// # Errors
    /// None that a user can cause.
    pub fn page(&self) -> Result<Vec<u8>> {
        let data = json!({
            "version": 1, "title": self.title, "network": self.network, "methods": self.methods,
            "program": self.document, "pixels": plans::PIXELS, "pictures": self.pictures, "standard": self.standard,
            "training": self.training,
        });
        // Text of a script element ends at the first `</script`.
        let data = serde_json::to_string(&data).map_err(unwritable)?.replace('<', "\\u003c");
        let mut imports = Map::new();
        for (name, text) in MODULES {
            let url = format!("data:text/javascript;base64,{}", STANDARD.encode(text));
            imports.insert(format!("lesson/{name}"), json!(url));
        }
        let importmap = json!({"imports": imports}).to_string();
        let blanks = [
            ("title", escape(&self.title)),
            ("importmap", importmap),
            ("style", include_str!("page/lesson.css").to_owned()),
            ("data", data),
        ];
        let mut page = String::new();
        let mut rest = include_str!("page/index.html");
        while let Some((before, blank)) = rest.split_once("{{") {
            let (name, after) = blank.split_once("}}").unwrap_or((blank, ""));
            page += before;
            page += blanks.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text);
            rest = after;
        }
        Ok((page + rest).into_bytes())
    }

    /// How many plans there are.
    pub fn plans(&self) -> usize {
        self.document.plans().count()
    }
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::content(PathBuf::from("lesson"), error.to_string(), "this is a bug, please report it")
}

/// A picture with what is recorded of it: scores, and activation and gradient of the default layer for each class.
fn shown(
    classifier: &Classifier,
    picture: &Picture,
    stepper: &mut Stepper,
    left: &mut usize,
) -> Result<Json> {
    let numbers = classifier.numbers(&picture.image);
    let classes = match classifier.model.classes {
        few if few <= RECORDED_CLASSES => (0..few).map(Some).collect(),
        _ => vec![None],
    };
    let (mut of_class, mut first) = (Map::new(), None);
    for class in classes {
        let steps = stepper.run(&numbers, class)?;
        of_class.insert(steps.class.to_string(), gradient(&steps));
        first = first.or(Some(steps));
    }
    let recorded = first.map(|steps| {
        let values = json!({
            "logits": steps.logits, "layer": steps.layer, "shape": steps.shape(),
            "activation": packed(steps.activation.data()), "gradient": of_class,
        });
        values
    });
    // Pictures beyond this can be computed only.
    let bytes = recorded.as_ref().map_or(0, |values| values.to_string().len());
    let recorded = recorded.filter(|_| bytes <= *left);
    *left -= bytes.min(*left);
    let outline = picture.outline.as_ref();
    let outline = outline.map(|mask| embed::grey_uri(&embed::grey(mask)?)).transpose()?;
    Ok(json!({
        "id": picture.id, "title": picture.title, "class": picture.class,
        "width": picture.image.width, "height": picture.image.height,
        "png": uri(&picture.image)?, "outline": outline, "recorded": recorded,
    }))
}

/// The numbers of `data`, packed with gzip, in base64: half of an activation behind a ReLU is 0.
fn packed(data: &[f32]) -> String {
    use std::io::Write;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let bytes: Vec<u8> = data.iter().flat_map(|value| value.to_le_bytes()).collect();
    // Memory takes all that is written.
    let packed = packer.write_all(&bytes).and_then(|()| packer.finish());
    STANDARD.encode(packed.unwrap_or_default())
}

/// `{channels: C numbers}` where the gradient is the same at every position, else `{positions: h w C numbers}`.
fn gradient(steps: &Steps) -> Json {
    let [.., channels] = steps.shape();
    let all = steps.gradient.data();
    let Some(first) = all.get(..channels) else { return json!({}) };
    match all.chunks(channels.max(1)).all(|position| position == first) {
        true => json!({"channels": packed(first)}),
        false => json!({"positions": packed(all)}),
    }
}

/// As a PNG: grey where all its pixels are.
fn uri(image: &Colour) -> Result<String> {
    if image.pixels.chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]) {
        return embed::grey_uri(&embed::grey(&image.grey())?);
    }
    let (width, height) = (image.width as u32, image.height as u32);
    let pixels = RgbImage::from_raw(width, height, image.pixels.clone())
        .ok_or_else(|| Error::shape("lesson", format!("a picture is not {width} x {height}")))?;
    embed::colour_uri(&pixels)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The modules below page/, but for those that serve development.
    fn there(folder: &Path, below: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{below}{}", path.file_name().unwrap().to_string_lossy());
            if path.is_dir() && name != "dev" {
                there(&path, &format!("{name}/"), found);
            } else if name.ends_with(".js") {
                found.insert(name);
            }
        }
    }

    #[test]
    fn every_module_of_the_page_is_in_it() {
        let mut found = BTreeSet::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lab/lesson/page");
        there(&root, "", &mut found);
        let listed: BTreeSet<String> = MODULES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(found, listed, "src/lab/lesson/modules.rs lists them");
    }
}
