//! `parula predict`.

use std::path::PathBuf;

use clap::Args;

use super::images::{Found, Images};
use super::judge::{Judge, Predicted};
use super::network::{self, Source};
use super::{Global, Numbers, print, print_json};
use crate::error::Result;
use crate::nets::classifier::Classifier;
use crate::nets::train::Predictor;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    parula predict model.keras image.png --class-names cat,dog\n  \
    parula predict --model compact-resnet --weights resnet.safetensors image.png\n  \
    parula predict model.keras photos --labels photos/labels.csv --csv predictions.csv\n  \
    parula predict model.keras photos --labels folders --class-names cat,dog")]
pub struct Predict {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    images: Images,
    #[command(flatten)]
    numbers: Numbers,
    /// Judge the classifier: a table of `image,label`, with a column `patient` where one is known, or `folders`
    /// for images whose folders are called after their classes. Of labels that do not exclude each other the table
    /// has several columns `label`, `a|b` in one, or a column of 0 and 1 for each
    #[arg(long, value_name = "TABLE|folders")]
    labels: Option<PathBuf>,
    /// With --labels, of two classes: the probability of the second above which an image is called so [the
    /// likelier class]; with --positive of those, and of labels that do not exclude each other of each [0.5]
    #[arg(long, value_name = "P", requires = "labels")]
    threshold: Option<f64>,
    /// With --labels: the classes that count as positive together, against all others, for the ROC curve and all that
    /// goes with it [the second of two]
    #[arg(long, value_name = "A,B", value_delimiter = ',', requires = "labels")]
    positive: Vec<String>,
    /// Write a line for each image: class and probabilities, and its label where there is one. With --labels the ROC
    /// curves go beside it, as FILE's name with .roc.png and .roc.svg
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

impl Predict {
    pub fn run(&self, global: &Global) -> Result<()> {
        let found = self.images.find(&[])?;
        let model_file = self.source.weights(self.images.model());
        let (labels, csv) = (self.labels.as_deref(), self.csv.as_deref());
        let judge = Judge::new(labels, self.threshold, &self.positive, csv)?;
        judge.expect_apart(&found, model_file)?;
        let Found { images, mut failures, .. } = found;
        let gpu = global.open(self.numbers.precision)?;
        let model = self.images.model();
        let loaded = self.source.load(model, &gpu, images.len(), global.seed)?;
        network::expect_finite(&loaded, &images)?;
        let batch = loaded.model.batch;
        let mut classifier = Predictor::new(&gpu, loaded.model.clone(), &loaded.store)?;
        let judge = judge.of(&loaded, &images)?;
        let mut predicted = Vec::new();
        let mut documents = Vec::new();
        let nothing = |_| ();
        network::stream(&loaded, &images, batch, nothing, |stream| -> Result<()> {
            let looked = |seen: usize| format!("{seen} of {} images were looked at", images.len());
            while let Some((found, prepared)) =
                network::next(stream, &images, &mut failures, &global.stop, looked)
            {
                let mut numbers = prepared.all();
                numbers.resize(batch * prepared.image_len(), 0.0);
                let answer = match classifier.logits(&numbers) {
                    Ok(answer) => answer,
                    Err(error) => {
                        failures.stop(error);
                        break;
                    }
                };
                let mut text = String::new();
                let rows =
                    answer.logits.chunks(answer.classes).zip(numbers.chunks(prepared.image_len()));
                for ((image, _), (logits, pixels)) in found.iter().zip(rows) {
                    if logits.iter().any(|logit| !logit.is_finite()) {
                        failures.add(classifier.lost(&image.shown(), pixels));
                        continue;
                    }
                    let probabilities = loaded.probabilities(logits);
                    let class = top(&probabilities);
                    let name = loaded.classes.name(class);
                    let named = match loaded.each_alone() {
                        true => called(&loaded, &probabilities),
                        false => name.filter(|_| probabilities.len() > 1).map(str::to_owned),
                    };
                    let named = named.map(|name| format!("  {name}")).unwrap_or_default();
                    text += &format!("{}{named}  {}\n", leading(&probabilities), image.shown());
                    predicted.push(Predicted {
                        image: image.path.clone(),
                        probabilities: probabilities.clone(),
                    });
                    documents.push(serde_json::json!({
                        "image": image.shown(), "logits": logits, "probabilities": probabilities,
                        "class": class, "class_name": name, "probability": probabilities.get(class),
                        "input": loaded.model.size, "scaling": loaded.scaling.name(),
                        "resize": loaded.resize.name(),
                    }));
                }
                // What is known is shown: one bad image shall not cost the others, nor Ctrl-C.
                if !global.json {
                    print(&text)?;
                    documents.clear();
                }
            }
            Ok(())
        })?;
        // What was not looked at is not judged, and what was is kept.
        let judged = judge.end(&predicted)?;
        match (global.json, judged) {
            (true, Some(judged)) => print_json(&serde_json::json!({
                "predictions": documents, "judgement": judged, "classes": judge.names(),
            }))?,
            (true, None) => print_json(&documents)?,
            (false, Some(judged)) => print(&judge.text(&judged))?,
            (false, None) => {}
        }
        failures.end()
    }
}

/// The labels above a half, of a network whose labels do not exclude each other.
fn called(loaded: &Classifier, probabilities: &[f64]) -> Option<String> {
    let above = (0..probabilities.len()).filter(|&label| probabilities[label] > 0.5);
    let names = above.map(|label| loaded.classes.name(label).map(str::to_owned));
    let names: Vec<String> = names.collect::<Option<_>>()?;
    Some(if names.is_empty() { "-".to_owned() } else { names.join(", ") })
}

/// The first class with the highest probability.
fn top(probabilities: &[f64]) -> usize {
    let all = (0..probabilities.len()).rev();
    all.max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b])).unwrap_or(0)
}

/// All probabilities of a few classes; the five highest of many, as `class: probability`.
fn leading(probabilities: &[f64]) -> String {
    if probabilities.len() <= 10 {
        let shown: Vec<String> = probabilities.iter().map(|p| format!("{p:.4}")).collect();
        return shown.join(" ");
    }
    let mut ranked: Vec<usize> = (0..probabilities.len()).collect();
    ranked.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
    let shown: Vec<String> =
        ranked[..5].iter().map(|&class| format!("{class}: {:.4}", probabilities[class])).collect();
    shown.join("  ")
}
