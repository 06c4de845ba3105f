//! `parula predict`.

use clap::Args;

use super::images::Images;
use super::network::Source;
use super::{Global, Numbers, print, print_json};
use crate::error::Result;
use crate::train::{Classifier, probabilities};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    parula predict --model compact-resnet --weights resnet.safetensors image.png")]
pub struct Predict {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    images: Images,
    #[command(flatten)]
    numbers: Numbers,
}

impl Predict {
    pub fn run(&self, global: &Global) -> Result<()> {
        let (images, _) = self.images.find()?;
        let gpu = global.open(self.numbers.precision)?;
        let loaded = self.source.load(&gpu, images.len(), global.seed)?;
        let batch = loaded.model.batch;
        let mut classifier = Classifier::new(&gpu, loaded.model.clone(), &loaded.store)?;
        let mut rows = Vec::new();
        for paths in images.chunks(batch) {
            let (_, prepared) = loaded.read(paths)?;
            let mut numbers = prepared.all();
            numbers.resize(batch * prepared.image_len(), 0.0);
            let answer = classifier.logits(&numbers)?;
            for (path, logits) in paths.iter().zip(answer.logits.chunks(answer.classes)) {
                rows.push((path, logits.to_vec(), probabilities(logits)));
            }
        }
        if global.json {
            let documents: Vec<_> = rows
                .iter()
                .map(|(image, logits, probabilities)| {
                    serde_json::json!({
                        "image": image, "logits": logits, "probabilities": probabilities,
                    })
                })
                .collect();
            return print_json(&documents);
        }
        let mut text = String::new();
        for (image, _, probabilities) in rows {
            text += &format!("{}  {}\n", leading(&probabilities), image.display());
        }
        print(&text)
    }
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
