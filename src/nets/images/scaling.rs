//! From grey levels to the numbers that a network was made for.

use crate::nets::models::Preprocessing;

/// How pixels of 0 to 255 become the numbers that a network was made for, as in Keras.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scaling {
    /// As they are: [0, 255].
    None,
    /// `x / 255`: [0, 1].
    Unit,
    /// `x / 127.5 - 1`: [-1, 1].
    Tf,
    /// `(x / 255 - mean) / deviation` of ImageNet, channels R, G, B.
    Torch,
    /// `x - mean` of ImageNet, channels B, G, R.
    Caffe,
}

impl Scaling {
    const ALL: [Scaling; 5] =
        [Scaling::None, Scaling::Unit, Scaling::Tf, Scaling::Torch, Scaling::Caffe];

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Scaling::None => "none",
            Scaling::Unit => "unit",
            Scaling::Tf => "tf",
            Scaling::Torch => "torch",
            Scaling::Caffe => "caffe",
        }
    }

    /// The scaling called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scaling| scaling.name() == name)
    }

    /// Factor and summand of `channel`. A single channel of a scaling by channel takes the first's.
    pub fn affine(self, channel: usize) -> (f32, f32) {
        const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
        const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];
        const CAFFE: [f32; 3] = [103.939, 116.779, 123.68];
        match self {
            Scaling::None => (1.0, 0.0),
            Scaling::Unit => (1.0 / 255.0, 0.0),
            Scaling::Tf => (1.0 / 127.5, -1.0),
            Scaling::Torch => {
                let (mean, deviation) = (MEAN[channel % 3], DEVIATION[channel % 3]);
                (1.0 / (255.0 * deviation), -mean / deviation)
            }
            Scaling::Caffe => (1.0, -CAFFE[channel % 3]),
        }
    }
}

impl From<Preprocessing> for Scaling {
    fn from(preprocessing: Preprocessing) -> Self {
        match preprocessing {
            Preprocessing::None => Scaling::None,
            Preprocessing::Tf => Scaling::Tf,
            Preprocessing::Torch => Scaling::Torch,
        }
    }
}
