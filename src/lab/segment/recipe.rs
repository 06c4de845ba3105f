//! How pseudo-masks are made of heatmaps, and what a network learns of them.

use serde::{Deserialize, Serialize};

use super::look::Look;
use crate::nets::refine;
use crate::nets::train::Targets;

/// How pseudo-masks are made of heatmaps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The methods of explanation whose heatmaps are averaged.
    pub methods: Vec<String>,
    /// The parts of an image whose heatmaps are averaged.
    pub looks: Vec<Look>,
    /// From the mean heatmap and the image to a pseudo-mask.
    pub from: refine::Recipe,
    /// Pixels whose probability is nearer to 1/2 than this teach nothing.
    pub ignore: f32,
    /// The probability above which a pixel is in a network's mask.
    pub threshold: f32,
}

impl Recipe {
    /// For ROIs that are cut around their lesions: that a lesion is in the middle is known.
    pub fn rois() -> Self {
        Recipe {
            methods: vec!["gradcam".to_owned()],
            looks: vec![Look::WHOLE],
            from: refine::Recipe::default(),
            ignore: 0.1,
            threshold: 0.5,
        }
    }

    /// For whole images, of which nothing is known but the class. The method and the numbers of a
    /// proposal were chosen by their Dice on lesions of BUSI (docs/weak.md).
    pub fn whole() -> Self {
        Recipe {
            methods: vec!["layercam".to_owned()],
            looks: Look::around(),
            from: refine::Recipe::anywhere(),
            threshold: 0.4,
            ..Recipe::rois()
        }
    }

    /// What a network learns of the beliefs for an abnormal image: each as it is, with no weight where it
    /// is undecided, and nothing at all where no pixel is likely to be foreground.
    pub fn targets(&self, beliefs: &[f32]) -> Targets {
        let found = beliefs.iter().any(|&p| p > 0.5);
        let decided = |p: f32| (p - 0.5).abs() >= self.ignore;
        let weight = |&p: &f32| f32::from(u8::from(found && decided(p)));
        Targets { probability: beliefs.to_vec(), weight: beliefs.iter().map(weight).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undecided_pixels_teach_nothing() {
        let recipe = Recipe { ignore: 0.2, ..Recipe::rois() };
        let targets = recipe.targets(&[0.1, 0.4, 0.69, 0.71]);
        assert_eq!(targets.weight, [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(targets.probability, [0.1, 0.4, 0.69, 0.71]);
        assert_eq!(recipe.targets(&[0.1, 0.2]).weight, [0.0, 0.0], "a lesion is there somewhere");
    }
}
