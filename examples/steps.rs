//! Grad-CAM with every intermediate value, and the same by hand from the feature maps and gradients.
//!
//!     cargo run --example steps

use parula::nets::cam::Stepper;
use parula::{Classifier, Colour, Gpu};

fn main() -> parula::Result<()> {
    let gpu = Gpu::open()?;
    let classifier = Classifier::open(&gpu, "docs/tutorial/compact-xception.safetensors")?;
    let image = Colour::read("docs/tutorial/roi.png")?;

    let mut stepper = Stepper::new(&gpu, classifier.model(), classifier.store(), None, 1.0)?;
    let steps = stepper.run(&classifier.numbers(&image), Some(1))?;
    let [height, width, channels] = steps.shape();
    println!("score of class 1: {:.4}", steps.logits[1]);
    println!("A, feature maps of {}: {height} x {width} x {channels}", steps.layer);

    // Equation 1: the weight of a channel is the mean of its gradient.
    let pixels = height * width;
    let mean = |channel: usize| {
        let gradients = (0..pixels).map(|at| steps.gradient.data()[at * channels + channel]);
        gradients.sum::<f32>() / pixels as f32
    };
    // Equation 2: the weighted sum of the feature maps, and what of it is positive.
    let by_hand = |at: usize| {
        let terms = (0..channels).map(|c| mean(c) * steps.activation.data()[at * channels + c]);
        terms.sum::<f32>().max(0.0)
    };
    for &channel in &steps.ranked()[..3] {
        println!("channel {channel}: weight {:+.6}", steps.weights.data()[channel]);
    }
    let largest = steps.map.data().iter().fold(0.0f32, |most, &value| most.max(value));
    let apart =
        (0..pixels).map(|at| (by_hand(at) - steps.map.data()[at]).abs()).fold(0.0, f32::max);
    println!("largest value of the map {largest:.6}; by hand within {apart:.1e}");
    assert!(apart < 1e-5 * largest.max(1.0));
    Ok(())
}
