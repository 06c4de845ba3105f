//! The numbers of the page: each tensor once, and how wider ones are put together from it.

use std::collections::HashMap;
use std::io::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use parula::engine::tensor::Tensor;
use serde::Serialize;

use crate::Outcome;
use crate::lies::{OUTSIDE, PARTS};

/// A tensor as the page makes it: columns that stand side by side in its last axis.
#[derive(Clone, Debug, Serialize)]
pub struct Columns {
    rows: usize,
    columns: Vec<Column>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Column {
    /// Channels, and the first of the page's numbers.
    Numbers(usize, usize),
    /// Channels, and what stands everywhere.
    Fill(usize, f64),
    /// Channels, and how many parts of 1 there are: one of them, two and so on up to all, and then anew.
    Parts(usize, usize),
}

/// What stands beside a tensor that lies within a wider one.
#[derive(Clone, Copy, Debug)]
pub enum Beside {
    /// What must not be read.
    Outside,
    /// Other tensors' numbers, which must not be written.
    Sides,
}

/// All different numbers, in 32 bits, little-endian.
#[derive(Debug, Default)]
pub struct Numbers {
    /// Where each tensor starts, in numbers.
    places: HashMap<Vec<u8>, usize>,
    count: usize,
}

impl Numbers {
    /// A tensor on its own.
    pub fn dense(&mut self, tensor: &Tensor<f64>) -> Columns {
        Columns { rows: tensor.shape().rows(), columns: vec![self.column(tensor)] }
    }

    /// The same as channels `start..` of one with `wider` more.
    pub fn within(
        &mut self,
        tensor: &Tensor<f64>,
        start: usize,
        wider: usize,
        beside: Beside,
    ) -> Columns {
        let other = |channels| match beside {
            Beside::Outside => Column::Fill(channels, OUTSIDE),
            Beside::Sides => Column::Parts(channels, PARTS),
        };
        let columns = vec![other(start), self.column(tensor), other(wider - start)];
        Columns { rows: tensor.shape().rows(), columns }
    }

    /// A tensor that stands beside a result.
    pub fn side(tensor: &Tensor<f64>) -> Columns {
        let shape = tensor.shape();
        Columns { rows: shape.rows(), columns: vec![Column::Parts(shape.channels(), PARTS)] }
    }

    fn column(&mut self, tensor: &Tensor<f64>) -> Column {
        // Inputs are exact in 32 bits; what the reference gives is rounded, by a hundredth of the smallest tolerance.
        let numbers = tensor.data().iter();
        let bytes = numbers.flat_map(|&value| (value as f32).to_le_bytes()).collect();
        let start = *self.places.entry(bytes).or_insert_with(|| {
            self.count += tensor.data().len();
            self.count - tensor.data().len()
        });
        Column::Numbers(tensor.shape().channels(), start)
    }

    /// Packed with gzip, in base64.
    pub fn packed(&self) -> Outcome<String> {
        let mut all: Vec<_> = self.places.iter().map(|(bytes, start)| (start, bytes)).collect();
        all.sort_unstable();
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        for (_, bytes) in all {
            packer.write_all(bytes)?;
        }
        Ok(STANDARD.encode(packer.finish()?))
    }
}
