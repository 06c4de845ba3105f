//! What the settings of a refinement may be.

use super::recipe::{Recipe, Superpixels};
use crate::engine::ops::{Levels, Morphology, Slic};
use crate::error::{Error, Result};

impl Recipe {
    /// Refuses numbers that are out of range, by name.
    ///
    /// # Errors
    /// [`Error::Usage`] with the setting, its value and its range.
    pub(super) fn check(&self) -> Result<()> {
        let mut settings = vec![
            Setting::of("map", self.map, -100.0, 100.0),
            Setting::of("bias", self.bias, -100.0, 100.0),
            Setting::of("axes[0]", self.axes[0], SMALLEST, 10.0),
            Setting::of("axes[1]", self.axes[1], SMALLEST, 10.0),
            Setting::of("threshold", self.threshold, 0.0, 1.0),
            Setting::of("open", self.open as f32, 0.0, Morphology::MOST as f32),
            Setting::of("close", self.close as f32, 0.0, Morphology::MOST as f32),
        ];
        if let Some(superpixels) = &self.superpixels {
            let Superpixels { cell, compactness, iterations } = *superpixels;
            let most = [Slic::MOST_CELL, Slic::MOST_COMPACTNESS].map(|most| most as f32);
            settings.extend([
                Setting::of("superpixels.cell", cell as f32, 2.0, most[0]),
                Setting::of("superpixels.compactness", compactness as f32, 1.0, most[1]),
                Setting::of("superpixels.iterations", iterations as f32, 0.0, 100.0),
            ]);
        }
        if let Some(proposal) = &self.proposal {
            let [least, most] = proposal.shares;
            let count = proposal.levels.len() as f32;
            settings.extend([
                Setting::of("proposal.near", proposal.near, 1e-4, 1.0),
                Setting::of("proposal.far", proposal.far, 1e-4, 1.0),
                Setting::of("proposal.levels.length", count, 1.0, Levels::MOST as f32),
                Setting::of("proposal.open", proposal.open, 0.0, 0.5),
                Setting::of("proposal.grow", proposal.grow, 0.0, 0.5),
                Setting::of("proposal.map", proposal.map, -100.0, 100.0),
                Setting::of("proposal.darkness", proposal.darkness, -100.0, 100.0),
                Setting::of("proposal.border", proposal.border, -100.0, 100.0),
                Setting::of("proposal.size", proposal.size, -100.0, 100.0),
                Setting::of("proposal.roundness", proposal.roundness, -100.0, 100.0),
                Setting::of("proposal.usual", proposal.usual, 1e-6, 1.0),
                Setting::of("proposal.shares[0]", least, 0.0, 1.0),
                Setting::of("proposal.shares[1]", most, least, 1.0),
            ]);
            let levels = proposal.levels.iter();
            settings.extend(levels.map(|at| Setting::of("proposal.levels", *at, -10.0, 10.0)));
        }
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
    use crate::nets::refine::{Crf, Proposal};

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        assert!(Recipe::default().check().is_ok());
        assert!(Recipe::anywhere().check().is_ok());
        let crf = Crf::default();
        let refused = [
            ("map", Recipe { map: f32::NAN, ..Recipe::default() }),
            ("axes[1]", Recipe { axes: [0.4, 0.0], ..Recipe::default() }),
            ("threshold", Recipe { threshold: 1.5, ..Recipe::default() }),
            ("open", Recipe { open: 101, ..Recipe::default() }),
            ("crf.radius", Recipe { crf: Some(Crf { radius: 0, ..crf }), ..Recipe::default() }),
            ("crf.beta", Recipe { crf: Some(Crf { beta: -1.0, ..crf }), ..Recipe::default() }),
            ("superpixels.cell", {
                let superpixels = Some(Superpixels { cell: 1, ..Superpixels::default() });
                Recipe { superpixels, ..Recipe::default() }
            }),
            ("proposal.levels.length", {
                let proposal = Some(Proposal { levels: Vec::new(), ..Proposal::default() });
                Recipe { proposal, ..Recipe::default() }
            }),
        ];
        for (name, recipe) in refused {
            let error = recipe.check().unwrap_err();
            assert!(matches!(error, Error::Usage { .. }));
            let text = error.to_string();
            assert!(text.contains(&format!("{name} = ")) && text.contains(" to "), "{text}");
        }
    }
}
