//! Keras-style layers: each adds its variables and its operations to a graph under its name.

use super::STEP;
use crate::error::Result;
use crate::graph::{Graph, Init, Role, Value};
use crate::ops::{
    Activation, BatchNormFold, BatchNormNormalize, BatchNormStatistics, ChannelAffine, Conv2d,
    Dense, DepthwiseConv2d, Dropout, Elementwise, GlobalAveragePool, MovingAverage, Padding, Pool,
    PoolKind, Window,
};

/// What a graph is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch normalisation by the batch's own statistics, which also move the running ones; dropout.
    Training,
    /// Batch normalisation by the running statistics, foldable into convolutions; no dropout.
    Inference,
}

/// A graph under construction.
#[derive(Debug)]
pub struct Layers {
    /// What has been built.
    pub graph: Graph,
    /// Nodes that update running statistics.
    pub updates: Vec<Value>,
    mode: Mode,
    epsilon: f32,
    momentum: f32,
    dropouts: u32,
}

impl Layers {
    /// Nothing yet. Batch normalisation has Keras's defaults, but for a momentum of 0.9: at a few
    /// dozen steps an epoch, 0.99 would take tens of epochs to forget where it started.
    pub fn new(mode: Mode) -> Self {
        let (epsilon, momentum) = (1e-3, 0.9);
        Layers { graph: Graph::new(), updates: Vec::new(), mode, epsilon, momentum, dropouts: 0 }
    }

    /// The channels of `x`.
    pub fn channels(&self, x: Value) -> usize {
        self.graph.shape(x).channels()
    }

    fn weight(&mut self, name: String, dims: &[usize], init: Init) -> Result<Value> {
        self.graph.variable(name, dims.to_vec(), Role::Trainable, init)
    }

    /// A convolution with `filters` kernels of `size` x `size`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when the kernel does not fit.
    #[allow(clippy::too_many_arguments)] // Keras's own arguments, in Keras's order.
    pub fn conv2d(
        &mut self,
        name: &str,
        x: Value,
        filters: usize,
        size: usize,
        stride: usize,
        padding: Padding,
        bias: bool,
    ) -> Result<Value> {
        let channels = self.channels(x);
        let taps = size * size;
        let init = Init::GlorotUniform { fan_in: taps * channels, fan_out: taps * filters };
        let kernel =
            self.weight(format!("{name}/kernel"), &[size, size, channels, filters], init)?;
        let convolution = Conv2d::new(Window::square(size, stride, padding));
        if !bias {
            return self.graph.add(name, convolution, &[x, kernel]);
        }
        let bias = self.weight(format!("{name}/bias"), &[filters], Init::Constant(0.0))?;
        self.graph.add(name, convolution.with_bias(), &[x, kernel, bias])
    }

    /// A convolution of each channel by itself, then one of 1x1 across them.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when the kernel does not fit.
    pub fn separable_conv2d(
        &mut self,
        name: &str,
        x: Value,
        filters: usize,
        size: usize,
        padding: Padding,
    ) -> Result<Value> {
        let channels = self.channels(x);
        let taps = size * size;
        let init = Init::GlorotUniform { fan_in: taps * channels, fan_out: taps };
        let kernel =
            self.weight(format!("{name}/depthwise_kernel"), &[size, size, channels, 1], init)?;
        let depthwise = DepthwiseConv2d::new(Window::square(size, 1, padding));
        let x = self.graph.add(format!("{name}/depthwise"), depthwise, &[x, kernel])?;
        let init = Init::GlorotUniform { fan_in: channels, fan_out: filters };
        let dims = [1, 1, channels, filters];
        let kernel = self.weight(format!("{name}/pointwise_kernel"), &dims, init)?;
        let pointwise = Conv2d::new(Window::square(1, 1, Padding::Valid));
        self.graph.add(name, pointwise, &[x, kernel])
    }

    /// Batch normalisation over the channels.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when `x` is not (N, H, W, C).
    pub fn batch_norm(&mut self, name: &str, x: Value) -> Result<Value> {
        let channels = [self.channels(x)];
        let (one, zero) = (Init::Constant(1.0), Init::Constant(0.0));
        let gamma = self.weight(format!("{name}/gamma"), &channels, one)?;
        let beta = self.weight(format!("{name}/beta"), &channels, zero)?;
        let mut state =
            |what, init| self.graph.variable(format!("{name}/{what}"), channels, Role::State, init);
        let mean = state("moving_mean", zero)?;
        let variance = state("moving_variance", one)?;
        let epsilon = self.epsilon;
        if self.mode == Mode::Inference {
            let fold = BatchNormFold { epsilon };
            let affine =
                self.graph.add(format!("{name}/fold"), fold, &[gamma, beta, mean, variance])?;
            let apply = ChannelAffine { activation: Activation::None };
            return self.graph.add(name, apply, &[x, affine]);
        }
        let statistics = self.graph.add(format!("{name}/statistics"), BatchNormStatistics, &[x])?;
        let average = MovingAverage { momentum: self.momentum };
        let inputs = [mean, variance, statistics];
        let update = self.graph.add(format!("{name}/moving_average"), average, &inputs)?;
        self.updates.push(update);
        let normalize = BatchNormNormalize { epsilon, activation: Activation::None };
        self.graph.add(name, normalize, &[x, statistics, gamma, beta])
    }

    /// max(x, 0).
    ///
    /// # Errors
    /// Only when the name is taken.
    pub fn relu(&mut self, name: &str, x: Value) -> Result<Value> {
        self.graph.add(name, Elementwise::relu(), &[x])
    }

    /// a + b.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when their shapes differ.
    pub fn add(&mut self, name: &str, a: Value, b: Value) -> Result<Value> {
        self.graph.add(name, Elementwise::add(), &[a, b])
    }

    /// The largest value under each window.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when the window does not fit.
    pub fn max_pool(
        &mut self,
        name: &str,
        x: Value,
        size: usize,
        stride: usize,
        padding: Padding,
    ) -> Result<Value> {
        let window = Window::square(size, stride, padding);
        self.graph.add(name, Pool { kind: PoolKind::Max, window }, &[x])
    }

    /// The mean of each channel: (N, H, W, C) to (N, C).
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when `x` is not (N, H, W, C).
    pub fn global_average_pool(&mut self, name: &str, x: Value) -> Result<Value> {
        self.graph.add(name, GlobalAveragePool, &[x])
    }

    /// Sets a share `rate` of the numbers to zero in training, and scales the others up to match.
    ///
    /// # Errors
    /// Only when the name is taken.
    pub fn dropout(&mut self, name: &str, x: Value, rate: f32) -> Result<Value> {
        if self.mode == Mode::Inference {
            return Ok(x);
        }
        let step = match self.graph.find(STEP) {
            Some(step) => step,
            None => self.graph.input(STEP, [1])?,
        };
        self.dropouts += 1;
        self.graph.add(name, Dropout { rate, salt: self.dropouts }, &[x, step])
    }

    /// x W + b: (N, C) to (N, units).
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when `x` is not (N, C).
    pub fn dense(&mut self, name: &str, x: Value, units: usize) -> Result<Value> {
        let channels = self.channels(x);
        let init = Init::GlorotUniform { fan_in: channels, fan_out: units };
        let kernel = self.weight(format!("{name}/kernel"), &[channels, units], init)?;
        let bias = self.weight(format!("{name}/bias"), &[units], Init::Constant(0.0))?;
        self.graph.add(name, Dense, &[x, kernel, bias])
    }
}
