//! Operations: everything about one in one file, its kernels in the shader of the same name.

#[macro_use]
mod table;

mod case;
mod channels;
mod choices;
mod convolution;
mod image;
mod normalisation;
mod pointwise;
mod pooling;
mod region;
mod rows;
mod spec;
mod training;
mod view;
mod window;

use std::any::{Any, TypeId};

use crate::engine::graph::{Alias, Operation};
use crate::engine::shape::Shape;
use crate::error::{Error, Result};

pub use case::{Case, Fill};
pub use choices::{choice_key, chosen};
pub use image::resize::resized;
pub use normalisation::normalize::Norm;
pub use pointwise::activation::{Activation, Curve};
pub use pointwise::dropout::Together;
pub use pointwise::elementwise::Instruction;
pub use pooling::pool::PoolKind;
pub use region::components::Keep;
pub use spec::{CaseSpec, custom_case};
pub use training::optimizer::{Optimizer, UNSCALE};
pub use window::{Geometry, Padding, Window};

/// An operation's place in the registry: its name and the cases that test and time it.
pub struct Entry {
    /// As [`Operation::name`].
    pub name: &'static str,
    /// Shapes that hurt, for tests, and shapes that matter, for timing.
    pub cases: fn() -> Vec<Case>,
}

/// From a row for each module: what it exports, the registry, and the list of operations that run unchecked.
macro_rules! operations {
    ($($family:tt {
        $($module:ident {$($public:ident)+ $(; $($private:ident)+)?} $($name:literal $cases:ident)+,)+
    })+) => {
        $($(pub use $family::$module::{$($public),+};)+)+

        /// Every operation, by name, with its cases.
        pub const REGISTRY: &[Entry] =
            &[$($($(Entry { name: $name, cases: $family::$module::$cases },)+)+)+];

        /// The operations of this crate, by type. Their kernels run without bounds checks: tests hold that what they
        /// lower to stays within its tensors.
        const OWN: &[fn() -> TypeId] = &[$($(
            $(TypeId::of::<$family::$module::$public>,)+
            $($(TypeId::of::<$family::$module::$private>,)+)?
        )+)+];
    };
}

// By family: the module, its operations (after a semicolon those that only gradients use), and the names and cases that
// tests and bench know them by. To add one: its file, its shader, a row here.
operations! {
    channels {
        channel_sum { ChannelSum LargestMagnitude } "channel_sum" cases,
        channel_weights { ChannelWeights } "channel_weights" cases,
        principal { Principal } "principal" cases,
        top_class { TopClass } "top_class" cases,
    }
    convolution {
        conv2d { Conv2d } "conv2d" cases,
        conv2d_gradients { Conv2dInputGradient Conv2dWeightGradient } "conv2d_input_gradient" input_cases "conv2d_weight_gradient" weight_cases,
        dense { Dense } "dense" cases,
        depthwise_conv2d { DepthwiseConv2d } "depthwise_conv2d" cases,
        depthwise_gradients { DepthwiseConv2dInputGradient DepthwiseConv2dWeightGradient } "depthwise_conv2d_input_gradient" input_cases "depthwise_conv2d_weight_gradient" weight_cases,
    }
    image {
        blur { Blur } "blur" cases,
        contrast { Contrast Levels } "contrast" cases,
        cover { Cover } "cover" cases,
        pad { Crop ZeroPad } "pad" cases,
        resize { ResizeBilinear ResizeToRegions ; ResizeBilinearGradient } "resize" cases,
    }
    normalisation {
        batch_norm { BatchNormGradientSums BatchNormInputGradient BatchNormNormalize BatchNormStatistics MovingAverage } "batch_norm" cases,
        channel_affine { BatchNormFold ChannelAffine ChannelScale } "channel_affine" cases,
        normalize { Normalize NormalizeGradient } "normalize" cases,
    }
    pointwise {
        activate { Activate ActivateGradient } "activate" cases,
        blend { Blend Noise } "blend" cases,
        dropout { Dropout } "dropout" cases,
        elementwise { Elementwise } "elementwise" cases,
        expand { Expand } "expand" cases,
        sigmoid { Sigmoid } "sigmoid" cases,
        stretch { Stretch } "stretch" cases,
    }
    pooling {
        global_pool { GlobalAveragePool SpreadMean } "global_pool" cases,
        pool { AveragePoolGradient MaxPoolGradient Pool } "pool" cases,
        sum_rows { SumRows } "sum_rows" cases,
    }
    region {
        components { Components } "components" cases,
        dice { DiceThresholds HeatmapToGray } "dice" cases,
        evidence { Evidence } "evidence" cases,
        mean_field { MeanField } "mean_field" cases,
        morphology { Morphology } "morphology" cases,
        proposals { Proposals } "proposals" cases,
        superpixels { Slic SuperpixelMean } "superpixels" cases,
    }
    self {
        view { Concat Copy Pack Reshape Row SliceChannels } "copy" cases,
    }
    training {
        finite { Finite } "finite" cases,
        losses { SigmoidCrossEntropy SoftmaxCrossEntropy ; SigmoidCrossEntropyGradient SoftmaxCrossEntropyGradient } "losses" cases,
        optimizer { Optimize } "optimizer" cases,
        soft_dice { SoftDice ; SoftDiceGradient } "soft_dice" cases,
    }
}

/// Whether `operation` is one of this crate. What another crate's lowers to runs with bounds checks, and it has memory
/// of its own.
pub fn own(operation: &dyn Operation) -> bool {
    let any: &dyn Any = operation;
    let id = any.type_id();
    OWN.iter().any(|own| own() == id)
}

/// [`Operation::alias`], as far as it is believed.
pub(crate) fn alias(operation: &dyn Operation, inputs: &[&Shape]) -> Alias {
    if own(operation) { operation.alias(inputs) } else { Alias::None }
}

/// Checks how many inputs an operation was given.
pub(crate) fn expect_inputs(name: &str, inputs: &[&Shape], count: usize) -> Result<()> {
    if inputs.len() == count {
        return Ok(());
    }
    Err(Error::shape(name, format!("takes {count} inputs, {} were given", inputs.len())))
}

/// (N, H, W, C) of an activation, or an error that names the operation.
pub(crate) fn expect_nhwc(name: &str, shape: &Shape) -> Result<[usize; 4]> {
    shape.nhwc().ok_or_else(|| {
        Error::shape(name, format!("takes a tensor (N, H, W, C), was given {shape}"))
    })
}
