//! The settings of a refinement.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How a map becomes a segmentation. The stages follow each other in the order of the fields; what is
/// `None` is left out.
///
/// The default is for regions that were cut around a lesion, 1.4 times as high and wide as it; its
/// numbers were chosen on BUSI. [`Recipe::anywhere`] knows nothing of the place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Log-odds for the map's value less the map's mean; -100 to 100.
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
    /// Which part of the mask remains; without it, all.
    pub part: Option<Part>,
    /// Whether holes of the mask are filled.
    pub fill_holes: bool,
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
            map: 2.0,
            bias: 0.0,
            axes: [0.5 / 1.4; 2],
            prior: Some(Prior::default()),
            darkness: Some(Darkness::default()),
            crf: Some(Crf::default()),
            threshold: 0.5,
            part: Some(Part::Largest),
            fill_holes: true,
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
    /// Without knowledge of where the object is: the map, cut at the middle of its range if its mean is
    /// there, and the random field.
    pub fn anywhere() -> Self {
        Recipe { map: 6.0, prior: None, darkness: None, ..Self::default() }
    }

    /// Refuses numbers that are out of range, by name.
    ///
    /// # Errors
    /// [`Error::Usage`] with the setting, its value and its range.
    pub fn check(&self) -> Result<()> {
        let mut settings = vec![
            Setting::of("map", self.map, -100.0, 100.0),
            Setting::of("bias", self.bias, -100.0, 100.0),
            Setting::of("axes[0]", self.axes[0], SMALLEST, 10.0),
            Setting::of("axes[1]", self.axes[1], SMALLEST, 10.0),
            Setting::of("threshold", self.threshold, 0.0, 1.0),
        ];
        if let Some(prior) = &self.prior {
            settings.push(Setting::of("prior.weight", prior.weight, 0.0, 100.0));
            settings.push(Setting::of("prior.edge", prior.edge, 0.0, 10.0));
        }
        if let Some(darkness) = &self.darkness {
            settings.extend([
                Setting::of("darkness.weight", darkness.weight, 0.0, 100.0),
                Setting::of("darkness.blur", darkness.blur, 0.0, 100.0),
                Setting::of("darkness.inner", darkness.inner, SMALLEST, 10.0),
                Setting::of("darkness.outer", darkness.outer, darkness.inner, 10.0),
            ]);
        }
        if let Some(crf) = &self.crf {
            settings.extend([
                Setting::of("crf.iterations", crf.iterations as f32, 1.0, 100.0),
                Setting::of("crf.radius", crf.radius as f32, 1.0, 64.0),
                Setting::of("crf.dilation", crf.dilation as f32, 1.0, 64.0),
                Setting::of("crf.appearance", crf.appearance, 0.0, 100.0),
                Setting::of("crf.alpha", crf.alpha, SMALLEST, 1000.0),
                Setting::of("crf.beta", crf.beta, SMALLEST, 1000.0),
                Setting::of("crf.smoothness", crf.smoothness, 0.0, 100.0),
                Setting::of("crf.gamma", crf.gamma, SMALLEST, 1000.0),
            ]);
        }
        settings.iter().try_for_each(Setting::check)
    }
}

/// What "above 0" means.
const SMALLEST: f32 = 0.01;

/// A number, and what it may be.
struct Setting {
    name: &'static str,
    value: f32,
    least: f32,
    most: f32,
}

impl Setting {
    fn of(name: &'static str, value: f32, least: f32, most: f32) -> Self {
        Setting { name, value, least, most }
    }

    fn check(&self) -> Result<()> {
        let Setting { name, value, least, most } = self;
        // Not a number is in no range.
        if (*least..=*most).contains(value) {
            return Ok(());
        }
        Err(Error::usage(
            format!("a refinement cannot have {name} = {value}"),
            format!("give a number from {least} to {most}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        assert!(Recipe::default().check().is_ok());
        assert!(Recipe::anywhere().check().is_ok());
        let crf = Crf::default();
        let refused = [
            ("map", Recipe { map: f32::NAN, ..Recipe::default() }),
            ("axes[1]", Recipe { axes: [0.4, 0.0], ..Recipe::default() }),
            ("threshold", Recipe { threshold: 1.5, ..Recipe::default() }),
            ("crf.radius", Recipe { crf: Some(Crf { radius: 0, ..crf }), ..Recipe::default() }),
            ("crf.beta", Recipe { crf: Some(Crf { beta: -1.0, ..crf }), ..Recipe::default() }),
        ];
        for (name, recipe) in refused {
            let error = recipe.check().unwrap_err();
            assert!(matches!(error, Error::Usage { .. }));
            let text = error.to_string();
            assert!(text.contains(&format!("{name} = ")) && text.contains(" to "), "{text}");
        }
    }

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
