//! Operations: everything about one in one file, its kernels in the shader of the same name.

#[macro_use]
mod variant;

mod case;
mod channels;
mod choices;
mod convolution;
mod image;
mod lower;
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
use std::fmt;
use std::sync::Arc;

use crate::engine::graph::{Graph, Value};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

pub use case::{Case, Fill};
pub use choices::Choices;
pub use image::resize::resized;
pub use lower::{
    Capabilities, Dispatch, Element, Lowered, Lowering, Needs, Operand, View, Word, current_name,
    grid,
};
pub use normalisation::normalize::Norm;
pub use pointwise::activation::{Activation, Curve};
pub use pointwise::dropout::Together;
pub use pointwise::elementwise::Instruction;
pub use pooling::pool::PoolKind;
pub use region::components::Keep;
pub use spec::{CaseSpec, custom_case};
pub use training::optimizer::{Optimizer, UNSCALE};
pub use variant::{Variant, choose, find};
pub use window::{Geometry, Padding, Window};

/// One operation: what it computes, how it is differentiated, and how it runs.
pub trait Operation: Any + fmt::Debug + Send + Sync {
    /// Its name, which is also its shader's, in snake case.
    fn name(&self) -> &'static str;

    /// Its name and parameters in words, for `parula explain`.
    fn describe(&self) -> String {
        self.name().to_owned()
    }

    /// The shape of the output for these inputs.
    ///
    /// # Errors
    /// [`Error::Shape`] with both shapes and the rule they break.
    fn infer(&self, inputs: &[&Shape]) -> Result<Shape>;

    /// Its derivative: for each input the gradient, as more graph, given that of the output.
    /// An entry is `None` where the input has no gradient (labels, say) or none is wanted.
    ///
    /// # Errors
    /// [`Error::Shape`] for an operation that has none.
    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        Err(Error::shape(rule.name(), format!("{} has no gradient", self.name())))
    }

    /// The truth: plain loops, sums in double precision. One tensor, or one for each of
    /// [`Self::updates`].
    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>>;

    /// The inputs that it changes in place instead of having an output: an optimiser's parameters.
    fn updates(&self) -> &'static [usize] {
        &[]
    }

    /// Where the output is only another way to look at memory, how.
    fn alias(&self, _inputs: &[&Shape]) -> Alias {
        Alias::None
    }

    /// The versions of its kernel, from naive to fast: rows of [`Variant`]. By default there is one, [`Self::lower`].
    fn variants(&self) -> &'static [Variant] {
        variant::ONLY
    }

    /// The dispatches of an operation with one version, as plain data. One with several has a table.
    ///
    /// # Errors
    /// [`Error::Shape`] where it cannot do this shape.
    fn lower(&self, _lowering: &Lowering) -> Result<Lowered> {
        Err(Error::shape(self.name(), "it is lowered by the rows of its table"))
    }

    /// The bindings of its kernels that may be stored in 16 bits: activations and their gradients, each
    /// element of which is read for itself or written once. None by default.
    fn halves(&self) -> &'static [&'static str] {
        &[]
    }

    /// Floating point operations, a multiply-add counted as two.
    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        output.elements() as u64
    }

    /// Whether it computes nothing and repeats what it reads, so that several readers may each absorb it.
    fn only_repeats(&self) -> bool {
        false
    }

    /// The operation that does this one and then `next`, which reads this one's output as its input
    /// number `position`. Its inputs are this one's, then the other inputs of `next` in order.
    /// `differentiable`: only if the result still has a gradient.
    fn absorb(
        &self,
        _next: &dyn Operation,
        _position: usize,
        _differentiable: bool,
    ) -> Option<Arc<dyn Operation>> {
        None
    }
}

/// `operation` as the concrete type `T`, if it is one.
pub fn downcast<T: Operation>(operation: &dyn Operation) -> Option<&T> {
    (operation as &dyn Any).downcast_ref()
}

/// How an output shares memory with inputs.
#[derive(Clone, Debug, PartialEq)]
pub enum Alias {
    /// It does not.
    None,
    /// The output lies within input 0, `offset` elements in. `keeps_stride`: rows stay as far apart
    /// as they are in the input (a slice of channels); otherwise the output is dense.
    Within {
        /// In elements.
        offset: usize,
        /// Whether the rows keep their distance.
        keeps_stride: bool,
    },
    /// The inputs lie within the output at these offsets. `keeps_stride`: each input's rows are as
    /// far apart as the output's (concatenated channels); otherwise each input is dense.
    Gather {
        /// In elements, one for each input.
        offsets: Vec<usize>,
        /// Whether inputs take the stride of the output.
        keeps_stride: bool,
    },
}

/// What a gradient rule sees, and the graph that it adds to.
pub struct Rule<'a> {
    graph: &'a mut Graph,
    node: Value,
    dy: Value,
    wanted: Vec<bool>,
}

impl<'a> Rule<'a> {
    pub(crate) fn new(graph: &'a mut Graph, node: Value, dy: Value, wanted: Vec<bool>) -> Self {
        Rule { graph, node, dy, wanted }
    }

    /// The gradient of the score with respect to this operation's output.
    pub fn dy(&self) -> Value {
        self.dy
    }

    /// This operation's output.
    pub fn output(&self) -> Value {
        self.node
    }

    /// This operation's input number `index`.
    pub fn input(&self, index: usize) -> Value {
        self.graph.node(self.node).inputs[index]
    }

    /// How many inputs this operation has.
    pub fn inputs(&self) -> usize {
        self.wanted.len()
    }

    /// Whether the gradient of input `index` is asked for.
    pub fn wants(&self, index: usize) -> bool {
        self.wanted[index]
    }

    /// The shape behind a value.
    pub fn shape(&self, value: Value) -> Shape {
        self.graph.shape(value).clone()
    }

    /// The layer's name.
    pub fn name(&self) -> &str {
        &self.graph.node(self.node).name
    }

    /// Adds `operation` under the layer's name with `/suffix`.
    ///
    /// # Errors
    /// Those of [`Graph::add`].
    pub fn add(
        &mut self,
        suffix: &str,
        operation: impl Operation,
        inputs: &[Value],
    ) -> Result<Value> {
        let name = self.graph.unique(&format!("{}/{suffix}", self.name()));
        self.graph.add(name, operation, inputs)
    }
}

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
