//! The settings of a refinement.

use serde::{Deserialize, Serialize};

/// How a map becomes a segmentation. The stages follow each other in the order of the fields; what is
/// `None` is left out.
///
/// The default is for regions that were cut around a lesion, 1.4 times as high and wide as it, and
/// [`Recipe::anywhere`] for images in which nobody knows where a lesion is. Their numbers were chosen
/// on BUSI's ultrasound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Whether the map is first made the mean over superpixels of the image.
    pub superpixels: Option<Superpixels>,
    /// Whether the map is then replaced by the one dark or bright part of the image that suits it best.
    pub proposal: Option<Proposal>,
    /// Log-odds for the map's value less the map's mean, or less 1/2 where it is a proposal; -100 to 100.
    pub map: f32,
    /// Added to all log-odds; -100 to 100.
    pub bias: f32,
    /// Half axes, along height and width, of the ellipse about the centre that [`Self::prior`] and
    /// [`Self::darkness`] measure distances in; shares of height and width, above 0, 10 at most.
    pub axes: [f32; 2],
    /// That the centre is foreground.
    pub prior: Option<Prior>,
    /// That foreground is darker than its surroundings, or brighter where the middle is.
    pub darkness: Option<Darkness>,
    /// That pixels which are near and alike belong together.
    pub crf: Option<Crf>,
    /// Probability above which a pixel is in the mask; 0 to 1.
    pub threshold: f32,
    /// Radius in pixels of the disc by which the mask is opened: what is narrower goes; 0, not at all, to
    /// 100.
    pub open: usize,
    /// Radius in pixels of the disc by which it is closed then: narrower gaps go; 0, not at all, to 100.
    pub close: usize,
    /// Which part of the mask remains; without it, all.
    pub part: Option<Part>,
    /// Whether holes of the mask are filled.
    pub fill_holes: bool,
}

/// Superpixels by SLIC (Achanta and others 2012).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Superpixels {
    /// Their side to begin with, in pixels; 2 to 32.
    pub cell: usize,
    /// How much place counts against grey, the paper's m; 1 to 60.
    pub compactness: usize,
    /// How often their centres move; 0 to 100.
    pub iterations: usize,
}

/// The one connected part of the image, among all that are darker than their surroundings by more
/// than some levels, with the highest score. The weights are those of the score:
///
/// ```text
/// map * mean of the map, which is stretched to 0..=1 + darkness * mean contrast, 1.5 at most
///   - border * sides of the image touched + size * ln(share of the image / usual)
///   + roundness * pixels / those of an ellipse in the bounding box, 1 at most
/// ```
///
/// Contrast is (the image blurred by `far` - the image blurred by `near`) / the deviation of the latter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Proposal {
    /// Whether parts are brighter than their surroundings, as in mammograms, and contrast is turned.
    pub bright: bool,
    /// Deviation of the Gaussian against speckle, as a share of the shorter side; above 0, 1 at most.
    pub near: f32,
    /// Deviation of the Gaussian that stands for the surroundings, as `near`.
    pub far: f32,
    /// The contrasts at which parts are cut out: 1 to 8 of them, -10 to 10.
    pub levels: Vec<f32>,
    /// Radius of the disc by which each cut is opened, as a share of the shorter side; 0 to 0.5.
    pub open: f32,
    /// Radius of the disc by which the part is grown at last, as `open`: it is dark at its level, and a
    /// lesion goes on until it is as bright as its surroundings.
    pub grow: f32,
    /// -100 to 100, as are the other weights; scores are cut off at -64 and 64.
    pub map: f32,
    /// Weight of the contrast.
    pub darkness: f32,
    /// Price of each side of the image that is touched.
    pub border: f32,
    /// Weight of the size.
    pub size: f32,
    /// Weight of the shape.
    pub roundness: f32,
    /// The usual share of the image's pixels; above 0, 1 at most.
    pub usual: f32,
    /// The smallest and the largest share; 0 to 1.
    pub shares: [f32; 2],
}

/// Log-odds that fall with the distance from the centre: weight * (edge - distance), the distance being
/// in half axes of [`Recipe::axes`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prior {
    /// Log-odds for each half axis; 0 to 100.
    pub weight: f32,
    /// Where it says nothing; 0 to 10.
    pub edge: f32,
}

/// Log-odds for what is darker than the middle between the means of inside and outside, in deviations
/// of the image's grey, 2 at most. Where the inside is the brighter one, brightness counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Darkness {
    /// Log-odds for each deviation; 0 to 100.
    pub weight: f32,
    /// Deviation in pixels of the Gaussian by which the image is blurred first, against speckle; 0, not
    /// at all, to 100.
    pub blur: f32,
    /// Distance below which pixels are inside, in half axes of [`Recipe::axes`]; above 0.
    pub inner: f32,
    /// Distance above which pixels are outside; `inner` or more.
    pub outer: f32,
}

/// A dense conditional random field with Gaussian edges (Kraehenbuehl and Koltun 2011), its messages
/// cut off at a window (Teichmann and Cipolla 2018). Kernels are divided by their sums: a weight is
/// the log-odds of neighbours that all agree.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Crf {
    /// Mean-field steps; 1 to 100.
    pub iterations: usize,
    /// Neighbours to each side; 1 to 64.
    pub radius: usize,
    /// Pixels from one neighbour to the next; 1 to 64.
    pub dilation: usize,
    /// Weight of the kernel of position and grey; 0 to 100.
    pub appearance: f32,
    /// Its deviation in pixels; above 0.
    pub alpha: f32,
    /// Its deviation in grey levels of 256; above 0.
    pub beta: f32,
    /// Weight of the kernel of position alone; 0 to 100.
    pub smoothness: f32,
    /// Its deviation in pixels; above 0.
    pub gamma: f32,
}

/// Which part of a mask remains. Parts are connected by the four sides of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The one with the most pixels.
    Largest,
    /// The one with the largest sum of probabilities.
    Heaviest,
}

impl Default for Recipe {
    fn default() -> Self {
        Recipe {
            superpixels: None,
            proposal: None,
            map: 2.0,
            bias: 0.0,
            axes: [0.5 / 1.4; 2],
            prior: Some(Prior::default()),
            darkness: Some(Darkness::default()),
            crf: Some(Crf::default()),
            threshold: 0.5,
            open: 0,
            close: 0,
            part: Some(Part::Largest),
            fill_holes: true,
        }
    }
}

impl Default for Superpixels {
    fn default() -> Self {
        Superpixels { cell: 8, compactness: 10, iterations: 10 }
    }
}

impl Default for Proposal {
    fn default() -> Self {
        Proposal {
            bright: false,
            near: 1.0 / 64.0,
            far: 1.0 / 8.0,
            levels: vec![0.0, 0.15, 0.3, 0.45, 0.6, 0.8],
            open: 1.0 / 64.0,
            grow: 1.0 / 96.0,
            map: 1.0,
            darkness: 0.25,
            border: 0.3,
            size: 0.3,
            roundness: 0.5,
            usual: 800.0 / (128.0 * 128.0),
            shares: [60.0 / (128.0 * 128.0), 0.45],
        }
    }
}

impl Default for Prior {
    fn default() -> Self {
        Prior { weight: 6.0, edge: 1.03 }
    }
}

impl Default for Darkness {
    fn default() -> Self {
        Darkness { weight: 0.7, blur: 1.5, inner: 0.6, outer: 1.15 }
    }
}

impl Default for Crf {
    fn default() -> Self {
        Crf {
            iterations: 5,
            radius: 4,
            dilation: 2,
            appearance: 4.0,
            alpha: 6.0,
            beta: 20.0,
            smoothness: 1.0,
            gamma: 2.0,
        }
    }
}

impl Recipe {
    /// For images in which nobody knows where a lesion is: the dark part that suits the map best.
    pub fn anywhere() -> Self {
        Recipe {
            proposal: Some(Proposal::default()),
            map: 40.0,
            prior: None,
            darkness: None,
            crf: None,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_what_it_changes() {
        let recipe: Recipe = serde_json::from_str(
            r#"{"crf": {"iterations": 8}, "darkness": null, "part": "heaviest"}"#,
        )
        .unwrap();
        assert_eq!(recipe.crf, Some(Crf { iterations: 8, ..Crf::default() }));
        assert_eq!((recipe.darkness, recipe.part), (None, Some(Part::Heaviest)));
        assert_eq!(recipe.prior, Recipe::default().prior);
        let text = serde_json::to_string(&recipe).unwrap();
        assert_eq!(serde_json::from_str::<Recipe>(&text).unwrap(), recipe);
        assert!(serde_json::from_str::<Recipe>(r#"{"crf": {"sigma": 1}}"#).is_err());
    }
}
