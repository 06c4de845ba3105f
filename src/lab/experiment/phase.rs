//! What a training run of the experiment sees: the ROIs as they are, or filtered.

use super::round::Round;

/// One training run of a model with a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The ROIs as they are: experiment 1.
    Original,
    /// Times the heatmap that the first run's model gives for the class abnormal.
    Cam,
    /// Times the truth mask; a normal ROI times that of a randomly drawn abnormal one.
    Mask,
    /// Times what the mask leaves out.
    InverseMask,
}

impl Phase {
    /// The phases of the paper's `experiments`, in order. The second needs the first.
    pub fn of(experiments: &[u32]) -> &'static [Phase] {
        const ALL: &[Phase] = &[Phase::Original, Phase::Cam, Phase::Mask, Phase::InverseMask];
        if experiments.contains(&2) { ALL } else { &ALL[..1] }
    }

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Original => "original",
            Phase::Cam => "cam",
            Phase::Mask => "mask",
            Phase::InverseMask => "inverse_mask",
        }
    }

    /// The name for people.
    pub fn words(self) -> &'static str {
        match self {
            Phase::Original => "original ROIs",
            Phase::Cam => "CAM-filtered ROIs",
            Phase::Mask => "mask-filtered ROIs",
            Phase::InverseMask => "inverse-mask-filtered ROIs",
        }
    }

    /// The stem of its files: `SEED` for the original, `SEED.cam` and so on.
    pub fn stem(self, round: Round) -> String {
        match self {
            Phase::Original => round.stem(),
            filtered => format!("{}.{}", round.stem(), filtered.name()),
        }
    }
}
