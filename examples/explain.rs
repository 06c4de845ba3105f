//! What a model says of a picture, and why: scores, and a Grad-CAM heatmap as PNG.
//!
//!     cargo run --example explain [MODEL [IMAGE [HEATMAP.png]]]

use parula::{Classifier, Colour, Gpu};

fn main() -> parula::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next();
    let model = model.as_deref().unwrap_or("docs/tutorial/compact-xception.safetensors");
    let image = arguments.next().unwrap_or_else(|| "docs/tutorial/roi.png".to_owned());

    let gpu = Gpu::open()?;
    let mut classifier = Classifier::open(&gpu, model)?;
    let image = Colour::read(&image)?;
    let scores = classifier.predict(&image)?;
    let explained = classifier.explain(&image, "gradcam", None)?;
    println!("{scores:.4?}: class {}", explained.class);
    let out = arguments.next().map(std::path::PathBuf::from);
    let out = out.unwrap_or_else(|| std::env::temp_dir().join("heatmap.png"));
    explained.heatmap.write(&out)?;
    println!("{}", out.display());
    Ok(())
}
