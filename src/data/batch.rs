//! ROIs as numbers: resized once, then scaled, augmented and copied into batches, N x H x W x C.

use rand::seq::SliceRandom;

use super::augment::{Augment, Warp};
use super::colour::Colour;
use super::draw;
use super::image::Grey;
use super::resize::Resize;
use super::roi::Roi;
use crate::models::Preprocessing;

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

/// The ROIs as one tensor, `rois.len()` x `size.0` x `size.1` x `channels`, grey in every channel.
pub fn tensor(rois: &[&Roi], size: (usize, usize), channels: usize, scaling: Scaling) -> Vec<f32> {
    let images = rois.iter().map(|roi| (&roi.image, 0));
    let prepared = Prepared::from_images(images, size, channels, scaling);
    prepared.all()
}

/// Images resized once, for many epochs.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Rows and columns.
    pub size: (usize, usize),
    /// Channels of a batch.
    pub channels: usize,
    /// Channels that are kept here: 1 where those of a batch are all the same, else `channels`.
    pub depth: usize,
    /// Applied on copying.
    pub scaling: Scaling,
    /// N x H x W x depth, [0, 255].
    pub images: Vec<f32>,
    /// The class index of each image.
    pub labels: Vec<usize>,
    /// What each image is called in messages; may be empty.
    pub names: Vec<String>,
}

impl Prepared {
    /// All ROIs, labelled by [`super::Class::index`].
    pub fn new(rois: &[Roi], size: (usize, usize), channels: usize, scaling: Scaling) -> Self {
        let images = rois.iter().map(|roi| (&roi.image, roi.class.index()));
        let names = rois.iter().map(|roi| roi.name.clone()).collect();
        Prepared { names, ..Self::from_images(images, size, channels, scaling) }
    }

    /// Any images with their class indices.
    pub fn from_images<'a>(
        images: impl IntoIterator<Item = (&'a Grey, usize)>,
        size: (usize, usize),
        channels: usize,
        scaling: Scaling,
    ) -> Self {
        let mut prepared = Prepared { depth: 1, ..Self::none(size, channels, scaling) };
        for (image, label) in images {
            prepared.images.extend(image.resize(size.0, size.1));
            prepared.labels.push(label);
        }
        prepared
    }

    /// Images in colour, for a network of three channels; a network of one gets their grey. All have
    /// label 0.
    pub fn from_colour<'a>(
        images: impl IntoIterator<Item = &'a Colour>,
        size: (usize, usize),
        channels: usize,
        scaling: Scaling,
        resize: Resize,
    ) -> Self {
        let depth = if channels == 3 { 3 } else { 1 };
        let mut prepared = Prepared { depth, ..Self::none(size, channels, scaling) };
        for image in images {
            prepared.images.extend(match depth {
                3 => image.resize_by(size.0, size.1, resize),
                _ => image.grey().resize_by(size.0, size.1, resize),
            });
            prepared.labels.push(0);
        }
        prepared
    }

    fn none(size: (usize, usize), channels: usize, scaling: Scaling) -> Self {
        let (images, labels, names) = (Vec::new(), Vec::new(), Vec::new());
        Prepared { size, channels, depth: channels, scaling, images, labels, names }
    }

    /// What image `index` is called in messages: its name, or else its number, from 1.
    pub fn name(&self, index: usize) -> String {
        self.names.get(index).cloned().unwrap_or_else(|| format!("image {}", index + 1))
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Numbers in one image of a batch: height x width x channels.
    pub fn image_len(&self) -> usize {
        self.size.0 * self.size.1 * self.channels
    }

    /// All images, scaled, N x H x W x C.
    pub fn all(&self) -> Vec<f32> {
        let mut numbers = Vec::with_capacity(self.len() * self.image_len());
        (0..self.len()).for_each(|index| self.copy(index, &Warp::default(), &mut numbers));
        numbers
    }

    /// Image `index`, scaled, H x W x C.
    ///
    /// # Panics
    /// When there is no such image.
    pub fn numbers(&self, index: usize) -> Vec<f32> {
        let mut numbers = Vec::with_capacity(self.image_len());
        self.copy(index, &Warp::default(), &mut numbers);
        numbers
    }

    /// Appends image `index`, as `warp` shows it, scaled, in all channels.
    ///
    /// # Panics
    /// When there is no such image.
    pub fn copy(&self, index: usize, warp: &Warp, numbers: &mut Vec<f32>) {
        let affine: Vec<(f32, f32)> = (0..self.channels).map(|c| self.scaling.affine(c)).collect();
        let length = self.size.0 * self.size.1 * self.depth;
        let image = warp.look(&self.images[index * length..][..length], self.size, self.depth);
        for pixel in image.chunks(self.depth) {
            let values = affine.iter().zip(pixel.iter().cycle());
            let scaled = values.map(|((factor, summand), &v)| warp.light(v) * factor + summand);
            numbers.extend(scaled);
        }
    }
}

/// How an epoch is made into batches.
#[derive(Clone, Copy, Debug)]
pub struct BatchOptions {
    /// Images in a batch, at least 1; the last batch has what is left.
    pub batch: usize,
    /// With `epoch`, fixes the order and what is done to each image.
    pub seed: u64,
    /// From 0.
    pub epoch: u64,
    /// Whether the order is drawn; otherwise it is that of the indices.
    pub shuffle: bool,
    /// What may be done to an image.
    pub augment: Augment,
}

/// Some images of an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// N x H x W x C.
    pub images: Vec<f32>,
    /// The class index of each image.
    pub labels: Vec<usize>,
    /// Where each came from in [`Prepared`].
    pub indices: Vec<usize>,
    /// What was done to each.
    pub warps: Vec<Warp>,
    /// Images after padding; `labels.len()` before.
    pub padded: usize,
}

impl Batch {
    /// Fills up with black images to `batch`, for a graph of fixed size. The fill has no label, no
    /// index and weight 0.
    pub fn pad_to(&mut self, batch: usize) {
        if batch > self.padded && self.padded > 0 {
            let image_len = self.images.len() / self.padded;
            self.images.resize(batch * image_len, 0.0);
            self.padded = batch;
        }
    }

    /// N x `classes`: 1 at the label, and a row of zeros for each image of the fill, so that it adds
    /// nothing to a cross-entropy.
    pub fn one_hot(&self, classes: usize) -> Vec<f32> {
        let mut targets = vec![0.0; self.padded * classes];
        for (row, &label) in self.labels.iter().enumerate().filter(|(_, label)| **label < classes) {
            targets[row * classes + label] = 1.0;
        }
        targets
    }

    /// N x 1: the class of each image, 0 or 1, and 0 for the fill.
    pub fn binary(&self) -> Vec<f32> {
        let label = |row: usize| self.labels.get(row).map_or(0.0, |&label| label.min(1) as f32);
        (0..self.padded).map(label).collect()
    }

    /// 1 for each image and 0 for the fill.
    pub fn weights(&self) -> Vec<f32> {
        (0..self.padded).map(|row| if row < self.labels.len() { 1.0 } else { 0.0 }).collect()
    }
}

/// The batches of one epoch, in order.
pub struct Batches<'a> {
    prepared: &'a Prepared,
    options: BatchOptions,
    order: Vec<usize>,
    next: usize,
}

impl<'a> Batches<'a> {
    /// An epoch over the images `indices` of `prepared`.
    ///
    /// The order and what is done to each image depend on seed and epoch alone, not on the batch size.
    pub fn new(prepared: &'a Prepared, indices: &[usize], options: BatchOptions) -> Self {
        let mut order = indices.to_vec();
        if options.shuffle {
            let key = format!("order of epoch {}", options.epoch);
            order.shuffle(&mut draw::stream(options.seed, &key));
        }
        Batches { prepared, options, order, next: 0 }
    }

    /// The number of batches in the whole epoch.
    pub fn count_all(&self) -> usize {
        self.order.len().div_ceil(self.options.batch.max(1))
    }
}

impl Iterator for Batches<'_> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let end = (self.next + self.options.batch.max(1)).min(self.order.len());
        let indices =
            self.order.get(self.next..end).filter(|indices| !indices.is_empty())?.to_vec();
        self.next = end;
        let mut images = Vec::with_capacity(indices.len() * self.prepared.image_len());
        let BatchOptions { seed, epoch, augment, .. } = self.options;
        let draw = |&index: &usize| augment.draw(seed, epoch, index);
        let warps: Vec<Warp> = indices.iter().map(draw).collect();
        for (&index, warp) in indices.iter().zip(&warps) {
            self.prepared.copy(index, warp, &mut images);
        }
        let labels: Vec<usize> = indices.iter().map(|&index| self.prepared.labels[index]).collect();
        Some(Batch { images, padded: labels.len(), labels, indices, warps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::augment::{Flips, Jitter};
    use crate::data::fixtures::textured;

    fn prepared(n: usize) -> Prepared {
        let images: Vec<Grey> = (0..n)
            .map(|i| Grey { pixels: vec![i as u8, 1, 2, 3, 4, 5], width: 3, height: 2 })
            .collect();
        let labelled = images.iter().enumerate().map(|(i, image)| (image, i % 2));
        Prepared::from_images(labelled, (2, 3), 1, Scaling::None)
    }

    fn options(batch: usize) -> BatchOptions {
        let flips = Flips { horizontal: true, vertical: true };
        let augment = Augment { flips, jitter: Some(Jitter::default()) };
        BatchOptions { batch, seed: 4, epoch: 2, shuffle: true, augment }
    }

    #[test]
    fn an_epoch_has_every_image_once_and_a_tail() {
        let prepared = prepared(10);
        let indices: Vec<usize> = (0..10).collect();
        let batches: Vec<Batch> = Batches::new(&prepared, &indices, options(4)).collect();
        assert_eq!(Batches::new(&prepared, &indices, options(4)).count_all(), 3);
        let sizes: Vec<usize> = batches.iter().map(|batch| batch.labels.len()).collect();
        assert_eq!(sizes, [4, 4, 2]);
        let mut seen: Vec<usize> = batches.iter().flat_map(|batch| batch.indices.clone()).collect();
        assert_ne!(seen, indices, "shuffled");
        for batch in &batches {
            assert_eq!(batch.images.len(), batch.labels.len() * 6);
            assert!(batch.labels.iter().zip(&batch.indices).all(|(label, i)| *label == i % 2));
        }
        seen.sort_unstable();
        assert_eq!(seen, indices);
        assert_eq!(Batches::new(&prepared, &[], options(4)).count(), 0);
    }

    #[test]
    fn the_batch_size_changes_no_image() {
        let prepared = prepared(10);
        let indices: Vec<usize> = (0..10).collect();
        let all = |options| -> Vec<f32> {
            Batches::new(&prepared, &indices, options).flat_map(|batch| batch.images).collect()
        };
        assert_eq!(all(options(4)), all(options(7)));
        assert_ne!(all(options(4)), all(BatchOptions { epoch: 3, ..options(4) }));
        assert_ne!(all(options(4)), all(BatchOptions { seed: 5, ..options(4) }));
        let plain = BatchOptions { shuffle: false, augment: Augment::default(), ..options(3) };
        assert_eq!(all(plain), prepared.images);
    }

    #[test]
    fn flips_mirror_only_what_is_allowed() {
        let prepared = prepared(1);
        let flips = Flips { horizontal: true, vertical: false };
        let augment = Augment { flips, jitter: None };
        let mut seen = std::collections::BTreeSet::new();
        for epoch in 0..40 {
            let options = BatchOptions { augment, epoch, ..options(1) };
            let batch = Batches::new(&prepared, &[0], options).next().unwrap();
            seen.insert(batch.images.iter().map(|value| *value as u8).collect::<Vec<u8>>());
        }
        assert_eq!(seen.len(), 2, "as it is and mirrored, and never upside down");
    }

    #[test]
    fn the_fill_of_a_tail_weighs_nothing() {
        let prepared = prepared(3);
        let mut batch = Batches::new(&prepared, &[0, 1, 2], options(8)).next().unwrap();
        batch.pad_to(8);
        assert_eq!(batch.images.len(), 8 * 6);
        assert_eq!(batch.weights(), [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let targets = batch.one_hot(2);
        assert_eq!((targets.len(), targets.iter().sum::<f32>()), (16, 3.0));
        assert_eq!(targets[batch.labels[0]], 1.0);
        batch.pad_to(4);
        assert_eq!(batch.padded, 8, "nothing is cut off");
    }

    #[test]
    fn tensors_are_scaled_in_every_channel() {
        let mut roi = crate::data::fixtures::roi("x", crate::data::Class::Normal, "x");
        roi.image = textured(5, 4);
        let value = f32::from(roi.image.at(3, 2));
        let at = |channels, scaling| {
            let numbers = tensor(&[&roi, &roi], (4, 5), channels, scaling);
            assert_eq!(numbers.len(), 2 * 4 * 5 * channels);
            let first = (4 * 5 + 2 * 5 + 3) * channels;
            numbers[first..first + channels].to_vec()
        };
        assert_eq!(at(3, Scaling::None), [value; 3]);
        assert_eq!(at(1, Scaling::Unit), [value * (1.0 / 255.0)]);
        assert_eq!(at(1, Scaling::Tf), [value * (1.0 / 127.5) - 1.0]);
        assert_eq!(at(3, Scaling::Caffe)[2], value - 123.68);
        let torch = at(3, Scaling::Torch);
        assert!((torch[1] - (value / 255.0 - 0.456) / 0.224).abs() < 1e-5);
    }
}
