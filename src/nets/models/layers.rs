//! Keras-style layers: each adds its variables and its operations to a graph under its name.

use std::collections::HashMap;

use super::record::Layer;
use super::{BatchNorm, IMAGES, STEP};
use crate::engine::graph::{Graph, Init, Role, Value};
use crate::engine::ops::{
    Activation, BatchNormFold, BatchNormNormalize, BatchNormStatistics, ChannelAffine, Concat,
    Conv2d, Crop, Dense, DepthwiseConv2d, Dropout, Elementwise, GlobalAveragePool, MovingAverage,
    Padding, Pool, PoolKind, ResizeBilinear, Together, Window, ZeroPad,
};
use crate::error::Result;

/// What a graph is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch normalisation by the batch's own statistics, which also move the running ones; dropout.
    Training,
    /// Batch normalisation by the running statistics, foldable into convolutions; no dropout.
    Inference,
}

/// The arguments of a convolution: by default stride 1, padding "same", no bias, and Glorot's uniform
/// initial values.
#[derive(Clone, Copy, Debug)]
pub struct Conv {
    filters: usize,
    size: [usize; 2],
    stride: usize,
    padding: Padding,
    bias: bool,
    he_normal: bool,
}

impl Conv {
    /// `filters` kernels of (height, width) `size`. A depthwise convolution ignores `filters`.
    pub fn new(filters: usize, size: [usize; 2]) -> Self {
        let (stride, padding) = (1, Padding::Same);
        Conv { filters, size, stride, padding, bias: false, he_normal: false }
    }

    /// `filters` square kernels.
    pub fn square(filters: usize, size: usize) -> Self {
        Self::new(filters, [size; 2])
    }

    /// Every `stride`-th row and column.
    pub fn stride(self, stride: usize) -> Self {
        Conv { stride, ..self }
    }

    /// Only where the kernel lies within the image.
    pub fn valid(self) -> Self {
        Conv { padding: Padding::Valid, ..self }
    }

    /// With a bias for each filter.
    pub fn bias(self) -> Self {
        Conv { bias: true, ..self }
    }

    /// Starting from He's normal distribution.
    pub fn he_normal(self) -> Self {
        Conv { he_normal: true, ..self }
    }

    fn window(self) -> Window {
        let Conv { size, stride, padding, .. } = self;
        Window { size, stride: [stride; 2], dilation: [1; 2], padding }
    }

    fn taps(self) -> usize {
        self.size[0] * self.size[1]
    }
}

/// A graph under construction.
#[derive(Debug)]
pub struct Layers {
    /// What has been built.
    pub graph: Graph,
    /// Nodes that update running statistics.
    pub updates: Vec<Value>,
    /// The layers so far, as Keras has them.
    pub layers: Vec<Layer>,
    mode: Mode,
    batch_norm: BatchNorm,
    dropouts: u32,
    hidden: &'static [usize],
    numbers: HashMap<&'static str, usize>,
    producers: HashMap<Value, usize>,
}

impl Layers {
    /// A graph with nothing but its input, images of (N, H, W, C) `shape`, and that input.
    ///
    /// # Errors
    /// None for a graph that is new.
    pub fn new(mode: Mode, batch_norm: BatchNorm, shape: [usize; 4]) -> Result<(Self, Value)> {
        let mut layers = Layers {
            graph: Graph::new(),
            updates: Vec::new(),
            layers: Vec::new(),
            mode,
            batch_norm,
            dropouts: 0,
            hidden: &[],
            numbers: HashMap::new(),
            producers: HashMap::new(),
        };
        let images = layers.graph.input(IMAGES, shape)?;
        layers.record("input_layer", "InputLayer", &[], images, Vec::new());
        Ok((layers, images))
    }

    /// Puts hidden dense layers of these `units` before the class scores that are added from here on.
    pub(super) fn hide(&mut self, units: &'static [usize]) {
        self.hidden = units;
    }

    /// The next name that Keras gives a layer without one: `stem`, `stem_1`, `stem_2` and so on.
    pub fn auto(&mut self, stem: &'static str) -> String {
        let number = self.numbers.entry(stem).or_default();
        *number += 1;
        if *number == 1 { stem.to_owned() } else { format!("{stem}_{}", *number - 1) }
    }

    /// What the graph is for.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The channels of `x`.
    pub fn channels(&self, x: Value) -> usize {
        self.graph.shape(x).channels()
    }

    /// Height and width of `x`; 0 for what is not (N, H, W, C).
    pub fn size(&self, x: Value) -> [usize; 2] {
        self.graph.shape(x).nhwc().map_or([0; 2], |[_, height, width, _]| [height, width])
    }

    /// Says that `output` is what the layer called `name` makes of `inputs`.
    pub(crate) fn record(
        &mut self,
        name: &str,
        class: &'static str,
        inputs: &[Value],
        output: Value,
        weights: Vec<String>,
    ) -> Value {
        let inputs = inputs.iter().filter_map(|input| self.producers.get(input).copied()).collect();
        self.producers.insert(output, self.layers.len());
        self.layers.push(Layer { name: name.to_owned(), class, inputs, output, weights });
        output
    }

    fn weight(&mut self, name: &str, dims: &[usize], init: Init) -> Result<Value> {
        self.graph.variable(name, dims.to_vec(), Role::Trainable, init)
    }

    /// A convolution.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when the kernel does not fit.
    pub fn conv2d(&mut self, name: &str, x: Value, conv: Conv) -> Result<Value> {
        let channels = self.channels(x);
        let (taps, filters) = (conv.taps(), conv.filters);
        let fan_in = taps * channels;
        let init = if conv.he_normal {
            Init::HeNormal { fan_in }
        } else {
            Init::GlorotUniform { fan_in, fan_out: taps * filters }
        };
        let [height, width] = conv.size;
        let mut weights = vec![format!("{name}/kernel")];
        let mut operation = Conv2d::new(conv.window());
        let mut inputs =
            vec![x, self.weight(&weights[0], &[height, width, channels, filters], init)?];
        if conv.bias {
            weights.push(format!("{name}/bias"));
            inputs.push(self.weight(&weights[1], &[filters], Init::Constant(0.0))?);
            operation = operation.with_bias();
        }
        let y = self.graph.add(name, operation, &inputs)?;
        Ok(self.record(name, "Conv2D", &[x], y, weights))
    }

    /// A convolution of each channel by itself, the variable `weight`.
    fn depthwise(&mut self, name: &str, weight: &str, x: Value, conv: Conv) -> Result<Value> {
        let channels = self.channels(x);
        let [height, width] = conv.size;
        // As Keras counts the fans of a kernel (height, width, channels, 1).
        let init = Init::GlorotUniform { fan_in: conv.taps() * channels, fan_out: conv.taps() };
        let kernel = self.weight(weight, &[height, width, channels, 1], init)?;
        self.graph.add(name, DepthwiseConv2d::new(conv.window()), &[x, kernel])
    }

    /// A convolution of each channel by itself, without bias.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when the kernel does not fit.
    pub fn depthwise_conv2d(&mut self, name: &str, x: Value, conv: Conv) -> Result<Value> {
        let weight = format!("{name}/kernel");
        let y = self.depthwise(name, &weight, x, conv)?;
        Ok(self.record(name, "DepthwiseConv2D", &[x], y, vec![weight]))
    }

    /// A convolution of each channel by itself, then one of 1x1 across them; no bias.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when the kernel does not fit.
    pub fn separable_conv2d(&mut self, name: &str, x: Value, conv: Conv) -> Result<Value> {
        let weights = ["depthwise_kernel", "pointwise_kernel"].map(|w| format!("{name}/{w}"));
        let channels = self.channels(x);
        let y = self.depthwise(&format!("{name}/depthwise"), &weights[0], x, conv)?;
        let init = Init::GlorotUniform { fan_in: channels, fan_out: conv.filters };
        let kernel = self.weight(&weights[1], &[1, 1, channels, conv.filters], init)?;
        let pointwise = Conv2d::new(Window::square(1, 1, Padding::Valid));
        let y = self.graph.add(name, pointwise, &[y, kernel])?;
        Ok(self.record(name, "SeparableConv2D", &[x], y, weights.into()))
    }

    /// Batch normalisation over the channels.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when `x` is not (N, H, W, C).
    pub fn batch_norm(&mut self, name: &str, x: Value) -> Result<Value> {
        let gamma = format!("{name}/gamma");
        let scale = self.weight(&gamma, &[self.channels(x)], Init::Constant(1.0))?;
        self.normalize(name, x, scale, vec![gamma])
    }

    /// Batch normalisation without a learned scale.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when `x` is not (N, H, W, C).
    pub fn batch_norm_unscaled(&mut self, name: &str, x: Value) -> Result<Value> {
        let channels = self.channels(x);
        // All layers of one width share their ones.
        let ones = format!("ones/{channels}");
        let scale = match self.graph.find(&ones) {
            Some(scale) => scale,
            None => self.graph.variable(ones, [channels], Role::Constant, Init::Constant(1.0))?,
        };
        self.normalize(name, x, scale, Vec::new())
    }

    fn normalize(
        &mut self,
        name: &str,
        x: Value,
        gamma: Value,
        mut weights: Vec<String>,
    ) -> Result<Value> {
        let channels = [self.channels(x)];
        let (one, zero) = (Init::Constant(1.0), Init::Constant(0.0));
        let names = ["beta", "moving_mean", "moving_variance"].map(|w| format!("{name}/{w}"));
        let beta = self.weight(&names[0], &channels, zero.clone())?;
        let mean = self.graph.variable(&names[1], channels, Role::State, zero)?;
        let variance = self.graph.variable(&names[2], channels, Role::State, one)?;
        weights.extend(names);
        let BatchNorm { epsilon, momentum } = self.batch_norm;
        let y = if self.mode == Mode::Inference {
            let fold = BatchNormFold { epsilon };
            let affine =
                self.graph.add(format!("{name}/fold"), fold, &[gamma, beta, mean, variance])?;
            let apply = ChannelAffine { activation: Activation::None };
            self.graph.add(name, apply, &[x, affine])?
        } else {
            let statistics =
                self.graph.add(format!("{name}/statistics"), BatchNormStatistics, &[x])?;
            let average = MovingAverage { momentum };
            let inputs = [mean, variance, statistics];
            let update = self.graph.add(format!("{name}/moving_average"), average, &inputs)?;
            self.updates.push(update);
            let normalize = BatchNormNormalize::new(epsilon);
            self.graph.add(name, normalize, &[x, statistics, gamma, beta])?
        };
        Ok(self.record(name, "BatchNormalization", &[x], y, weights))
    }

    /// max(x, 0).
    ///
    /// # Errors
    /// Only when the name is taken.
    pub fn relu(&mut self, name: &str, x: Value) -> Result<Value> {
        let y = self.graph.add(name, Elementwise::relu(), &[x])?;
        Ok(self.record(name, "Activation", &[x], y, Vec::new()))
    }

    /// min(max(x, 0), 6).
    ///
    /// # Errors
    /// Only when the name is taken.
    pub fn relu6(&mut self, name: &str, x: Value) -> Result<Value> {
        let y = self.graph.add(name, Elementwise::relu6(), &[x])?;
        Ok(self.record(name, "ReLU", &[x], y, Vec::new()))
    }

    /// a + b.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when their shapes differ.
    pub fn add(&mut self, name: &str, a: Value, b: Value) -> Result<Value> {
        let y = self.graph.add(name, Elementwise::add(), &[a, b])?;
        Ok(self.record(name, "Add", &[a, b], y, Vec::new()))
    }

    /// The channels of all `parts`, one after another.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when they differ in more than their channels.
    pub fn concat(&mut self, name: &str, parts: &[Value]) -> Result<Value> {
        let y = self.graph.add(name, Concat, parts)?;
        Ok(self.record(name, "Concatenate", parts, y, Vec::new()))
    }

    /// The image at (height, width) `size`, bilinear.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when `x` is not (N, H, W, C).
    pub fn resize(&mut self, name: &str, x: Value, [height, width]: [usize; 2]) -> Result<Value> {
        let y = self.graph.add(name, ResizeBilinear { height, width }, &[x])?;
        Ok(self.record(name, "Resizing", &[x], y, Vec::new()))
    }

    /// Zeros around the image: ((above, below), (left, right)) as Keras has them.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when `x` is not (N, H, W, C).
    pub fn zero_pad(&mut self, name: &str, x: Value, padding: [[usize; 2]; 2]) -> Result<Value> {
        let [[top, bottom], [left, right]] = padding;
        let y = self.graph.add(name, ZeroPad { top, bottom, left, right }, &[x])?;
        Ok(self.record(name, "ZeroPadding2D", &[x], y, Vec::new()))
    }

    /// Rows and columns cut off: ((above, below), (left, right)) as Keras has them.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when nothing would be left.
    pub fn crop(&mut self, name: &str, x: Value, border: [[usize; 2]; 2]) -> Result<Value> {
        let [[top, bottom], [left, right]] = border;
        let y = self.graph.add(name, Crop { top, bottom, left, right }, &[x])?;
        Ok(self.record(name, "Cropping2D", &[x], y, Vec::new()))
    }

    /// The largest value under each window.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when the window does not fit.
    pub fn max_pool(&mut self, name: &str, x: Value, window: Window) -> Result<Value> {
        let y = self.graph.add(name, Pool { kind: PoolKind::Max, window }, &[x])?;
        Ok(self.record(name, "MaxPooling2D", &[x], y, Vec::new()))
    }

    /// The mean under each window; what stands around the image does not count.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when the window does not fit.
    pub fn average_pool(&mut self, name: &str, x: Value, window: Window) -> Result<Value> {
        let y = self.graph.add(name, Pool { kind: PoolKind::Average, window }, &[x])?;
        Ok(self.record(name, "AveragePooling2D", &[x], y, Vec::new()))
    }

    /// The mean of each channel: (N, H, W, C) to (N, C).
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when `x` is not (N, H, W, C).
    pub fn global_average_pool(&mut self, name: &str, x: Value) -> Result<Value> {
        let y = self.graph.add(name, GlobalAveragePool, &[x])?;
        Ok(self.record(name, "GlobalAveragePooling2D", &[x], y, Vec::new()))
    }

    /// Sets a share `rate` of the numbers to zero in training, and scales the others up to match.
    ///
    /// # Errors
    /// Only when the name is taken.
    pub fn dropout(&mut self, name: &str, x: Value, rate: f32) -> Result<Value> {
        let y = self.dropped(name, x, rate, Together::Nothing)?;
        Ok(self.record(name, "Dropout", &[x], y, Vec::new()))
    }

    /// [`Self::dropout`] that is not a layer of its own.
    pub(crate) fn dropped(
        &mut self,
        name: &str,
        x: Value,
        rate: f32,
        together: Together,
    ) -> Result<Value> {
        if self.mode == Mode::Inference {
            return Ok(x);
        }
        let step = match self.graph.find(STEP) {
            Some(step) => step,
            None => self.graph.input(STEP, [1])?,
        };
        self.dropouts += 1;
        self.graph.add(name, Dropout { rate, salt: self.dropouts, together }, &[x, step])
    }

    /// The class scores of `x`, the layer `predictions`: (N, C) to (N, classes). The hidden dense layers that the
    /// network has, `dense`, `dense_1` and so on, come before it, each relu(x W + b).
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when `x` is not (N, C).
    pub fn predictions(&mut self, x: Value, classes: usize) -> Result<Value> {
        let mut x = x;
        for &units in self.hidden {
            let name = self.auto("dense");
            let (sums, weights) = self.sums(&format!("{name}/sums"), &name, x, units)?;
            let y = self.graph.add(&name, Elementwise::relu(), &[sums])?;
            x = self.record(&name, "Dense", &[x], y, weights);
        }
        self.dense("predictions", x, classes)
    }

    /// x W + b: (N, C) to (N, units).
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when `x` is not (N, C).
    pub fn dense(&mut self, name: &str, x: Value, units: usize) -> Result<Value> {
        let (y, weights) = self.sums(name, name, x, units)?;
        Ok(self.record(name, "Dense", &[x], y, weights))
    }

    /// The node `node` with x W + b, and the names of the variables W and b of `layer`.
    fn sums(
        &mut self,
        node: &str,
        layer: &str,
        x: Value,
        units: usize,
    ) -> Result<(Value, Vec<String>)> {
        let channels = self.channels(x);
        let init = Init::GlorotUniform { fan_in: channels, fan_out: units };
        let weights = ["kernel", "bias"].map(|weight| format!("{layer}/{weight}"));
        let kernel = self.weight(&weights[0], &[channels, units], init)?;
        let bias = self.weight(&weights[1], &[units], Init::Constant(0.0))?;
        Ok((self.graph.add(node, Dense, &[x, kernel, bias])?, weights.into()))
    }
}
