//! `parula predict`.

use std::path::PathBuf;

use clap::Args;

use super::network::Source;
use super::{Global, print, print_json};
use crate::data::{BatchOptions, Batches, Flips};
use crate::error::Result;
use crate::train::{Classifier, softmax};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    parula predict --model compact-resnet --weights resnet.safetensors image.png")]
pub struct Predict {
    #[command(flatten)]
    source: Source,
    /// PNG images
    #[arg(required = true)]
    images: Vec<PathBuf>,
}

impl Predict {
    pub fn run(&self, global: &Global) -> Result<()> {
        let gpu = global.open()?;
        let loaded = self.source.load(&gpu, self.images.len())?;
        let (_, prepared) = loaded.read(&self.images)?;
        let batch = loaded.model.batch;
        let mut classifier = Classifier::new(&gpu, loaded.model, &loaded.store)?;
        let indices: Vec<usize> = (0..prepared.len()).collect();
        let flips = Flips::default();
        let order = BatchOptions { batch, seed: 0, epoch: 0, shuffle: false, flips };
        let mut rows = Vec::new();
        for mut images in Batches::new(&prepared, &indices, order) {
            images.pad_to(batch);
            let answer = classifier.logits(&images.images)?;
            let scores = answer.logits.chunks(answer.classes);
            for (&index, logits) in images.indices.iter().zip(scores) {
                rows.push((&self.images[index], logits.to_vec(), softmax(logits)));
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
            let shown: Vec<String> =
                probabilities.iter().map(|probability| format!("{probability:.4}")).collect();
            text += &format!("{}  {}\n", shown.join(" "), image.display());
        }
        print(&text)
    }
}
