//! Training a classifier on pictures that are made here: noise, with a bright square in every other one.
//!
//!     cargo run --example train

use parula::Gpu;
use parula::nets::images::{Grey, Prepared, Scaling, Split};
use parula::nets::models;
use parula::nets::train::{Statistics, TrainOptions, train};

fn picture(index: usize) -> Grey {
    let side = 32;
    let middle = side / 4..3 * side / 4;
    let pixel = |at: usize| {
        let noise = (at * 7919 + index * 104_729) * 2_654_435_761 % 4_294_967_296 / 43_000_000;
        let inside = middle.contains(&(at / side)) && middle.contains(&(at % side));
        (40 + noise + if inside && index % 2 == 1 { 90 } else { 0 }) as u8
    };
    Grey { width: side, height: side, pixels: (0..side * side).map(pixel).collect() }
}

fn main() -> parula::Result<()> {
    let gpu = Gpu::open()?;
    let pictures: Vec<Grey> = (0..80).map(picture).collect();
    // Resized once and kept as numbers; the label is the class index.
    let labelled = pictures.iter().enumerate().map(|(index, picture)| (picture, index % 2));
    let prepared = Prepared::from_images(labelled, (32, 32), 1, Scaling::Tf);
    let split = Split { train: (0..64).collect(), validation: (64..80).collect() };

    let network = models::find("compact-resnet")?;
    // So few steps leave the running averages of batch normalisation where they started: average anew.
    let statistics = Statistics::Reestimated;
    let usual = TrainOptions::usual(network);
    let options = TrainOptions { epochs: 4, batch: 16, statistics, ..usual };
    let trained = train(&gpu, network, &prepared, &split, &options, "squares")?;
    for record in &trained.records {
        println!(
            "epoch {}: loss {:.4}, validation accuracy {:.3}",
            record.epoch, record.loss, record.val_accuracy
        );
    }
    let (first, last) = (&trained.records[0], &trained.records[trained.records.len() - 1]);
    assert!(last.loss < first.loss, "it learns");
    Ok(())
}
