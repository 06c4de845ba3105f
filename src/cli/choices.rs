//! The words of the command line for choices that the library has as enums.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::engine::gpu::{Backend, Precision};
use crate::engine::graph::current_name;
use crate::lab::bench::Phase;
use crate::lab::data::dataset::NormalRois;
use crate::lab::data::duplicates::Handling as Duplicates;
use crate::lab::data::view::Projection;
use crate::nets::cam::normalise::Normalisation;
use crate::nets::cam::{Baseline, Fusion};
use crate::nets::models::Head;
use crate::nets::train::{Keep, Loss, Preset, Schedule, Statistics};

/// The name of a variant, which may be one of earlier versions.
pub fn variant(name: &str) -> Result<String, std::convert::Infallible> {
    Ok(current_name(name).to_owned())
}

macro_rules! choices {
    ($($choice:ty { $($variant:ident $word:literal $about:literal,)+ })+) => {
        $(impl ValueEnum for $choice {
            fn value_variants<'a>() -> &'a [Self] {
                &[$(Self::$variant),+]
            }

            fn to_possible_value(&self) -> Option<PossibleValue> {
                Some(match self {
                    $(Self::$variant => PossibleValue::new($word).help($about),)+
                })
            }
        })+
    };
}

choices! {
    Keep {
        Best "best"
            "That with the highest validation accuracy. Where one class is much rarer than the other, \
            this may be one that takes nearly everything for the common class",
        Last "last" "The last, at the end of the schedule",
    }
    Loss {
        CrossEntropy "cross-entropy" "The mean over pixels",
        Dice "dice"
            "One minus the soft Dice of a batch: a lesion counts as much as all that is around it",
        Both "both" "The sum of both",
    }
    Statistics {
        Running "running" "Averages that every step moves a little, as in Keras",
        Reestimated "reestimated"
            "Before each validation, the plain average over up to 64 batches of training images",
    }
    Preset {
        Paper "paper"
            "The likely set-up of the paper's first author, as in his other public classifier of \
            DDSM: one sigmoid unit, Nadam at 1e-4, batches of 26, 320 x 320 pixels as they are, no \
            augmentation, no class weights. The paper states about 200 epochs and EarlyStopping; the \
            patience of 20 is ours",
        Modern "modern"
            "Two softmax units, Adam from 1e-3 along a cosine, batches of 32, mirrored images, \
            weighted classes, the network's own input size and scaling; 200 epochs with a patience \
            of 30",
    }
    Schedule {
        Constant "constant" "Always 1",
        Cosine "cosine" "From 1 to 0 along half a cosine (Loshchilov and Hutter 2017, without restarts)",
    }
    Head {
        Softmax "softmax" "A unit for each class, which compete",
        Sigmoid "sigmoid" "One unit: how much speaks for the second of two classes",
    }
    Normalisation {
        ReluMax "relu-max"
            "Negative values to 0 at the layer's size, then divided by the maximum of the resized map",
        MinMax "min-max" "From the minimum of the resized signed map to its maximum",
        Max "max" "Divided by the maximum of the resized signed map, negative values then to 0",
    }
    Fusion {
        Max "max" "The largest value: what any layer shows (Jiang and others 2021, there for LayerCAM)",
        Mean "mean" "The mean",
        Product "product" "The product: what all layers show",
    }
    Baseline {
        Black "black" "Pixels of 0",
        Zero "zero" "0 after scaling: mid-grey or ImageNet's mean colour, by the network",
    }
    Backend {
        Vulkan "vulkan" "Linux, Windows, Android",
        Metal "metal" "Apple",
        Dx12 "dx12" "Windows",
        Gl "gl" "OpenGL and OpenGL ES; no subgroups",
        Noop "noop"
            "None: nothing is computed, every number is 0. For what the processor's own work takes",
    }
    Precision {
        F32 "f32" "In 32 bits",
        F16 "f16"
            "In 16 bits: half the memory and half its traffic, three decimal digits; convolutions on \
            the matrix units of GPUs that have them",
        Auto "auto" "In 16 bits where the GPU can; never on a processor, which gains nothing by it",
    }
    Projection {
        Cc "cc" "Craniocaudal: from above",
        Mlo "mlo" "Mediolateral oblique: from the side",
    }
    NormalRois {
        Mirror "mirror" "At the mirrored place of the other breast, as in the paper",
        All "all" "Also one from each film of women of whom nothing abnormal is known",
    }
    Duplicates {
        Group "group" "All are kept, and no group stands on both sides of a split",
        Drop "drop" "One of each group is kept, the one with the most pixels",
        Keep "keep" "They are treated as different scans; `leakage` counts what that costs",
    }
}

/// What a network is run for, in the same words in every command. Each command had its own once.
impl ValueEnum for Phase {
    fn value_variants<'a>() -> &'a [Self] {
        &[Phase::Forward, Phase::GradCam, Phase::TrainingStep]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Phase::Forward => PossibleValue::new("scores")
                .aliases(["forward", "inference"])
                .help("From images to class scores"),
            Phase::GradCam => PossibleValue::new("cam")
                .alias("grad-cam")
                .help("From images to Grad-CAM heatmaps; it includes the scores"),
            Phase::TrainingStep => PossibleValue::new("training")
                .alias("training-step")
                .help("A training step: scores, loss, gradients and the optimiser's updates"),
        })
    }
}
