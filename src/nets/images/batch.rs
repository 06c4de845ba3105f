//! Images resized once, then scaled, augmented and copied into batches, N x H x W x C.

use rand::seq::SliceRandom;

use super::Scaling;
use super::augment::Warp;
use crate::draw;
use crate::nets::images::Augment;
use crate::nets::images::Colour;
use crate::nets::images::Grey;
use crate::nets::images::Resize;
use crate::parallel;

/// Fewer numbers than these are made sooner than threads are.
const WORTH_SHARING: usize = 1 << 20;

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
    /// Where an image may have several labels: of each image, which it has. Else empty.
    pub marks: Vec<Vec<bool>>,
    /// What each image is called in messages; may be empty.
    pub names: Vec<String>,
}

impl Prepared {
    /// Grey images with their class indices, in every channel of a batch.
    pub fn from_images<'a>(
        images: impl IntoIterator<Item = (&'a Grey, usize)>,
        size: (usize, usize),
        channels: usize,
        scaling: Scaling,
    ) -> Self {
        let prepared = Prepared { depth: 1, ..Self::none(size, channels, scaling) };
        let (images, labels): (Vec<&Grey>, Vec<usize>) = images.into_iter().unzip();
        let resized = parallel::map(&images, |image| image.resize(size.0, size.1));
        Prepared { images: resized.concat(), labels, ..prepared }
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
        let (images, labels, marks, names) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Prepared { size, channels, depth: channels, scaling, images, labels, marks, names }
    }

    /// Appends `others`, made for the same network, with their labels and names.
    pub fn append(&mut self, others: Prepared) {
        self.images.extend(others.images);
        self.labels.extend(others.labels);
        self.marks.extend(others.marks);
        self.names.extend(others.names);
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
        let all: Vec<(usize, Warp)> =
            (0..self.len()).map(|index| (index, Warp::default())).collect();
        self.some(&all, Vec::new())
    }

    /// The images `shown`, each as its warp shows it, scaled, N x H x W x C: on all cores where there is enough to do.
    /// They are written over `numbers`, whatever those are.
    fn some(&self, shown: &[(usize, Warp)], mut numbers: Vec<f32>) -> Vec<f32> {
        numbers.resize(shown.len() * self.image_len(), 0.0);
        let images = numbers.chunks_exact_mut(self.image_len().max(1));
        let all: Vec<_> = shown.iter().zip(images).collect();
        let copy = |((index, warp), numbers): (&(usize, Warp), &mut [f32])| {
            self.copy(*index, warp, numbers);
        };
        match shown.len() * self.image_len() < WORTH_SHARING {
            true => all.into_iter().for_each(copy),
            false => parallel::each(all, copy),
        }
        numbers
    }

    /// Image `index`, scaled, H x W x C.
    ///
    /// # Panics
    /// When there is no such image.
    pub fn numbers(&self, index: usize) -> Vec<f32> {
        let mut numbers = vec![0.0; self.image_len()];
        self.copy(index, &Warp::default(), &mut numbers);
        numbers
    }

    /// Fills `numbers` with image `index`, as `warp` shows it, scaled, in all channels.
    ///
    /// # Panics
    /// When there is no such image, or `numbers` are not those of one.
    pub fn copy(&self, index: usize, warp: &Warp, numbers: &mut [f32]) {
        let length = self.size.0 * self.size.1 * self.depth;
        let image = warp.look(&self.images[index * length..][..length], self.size, self.depth);
        assert_eq!(numbers.len(), self.image_len(), "the numbers of one image");
        // How many channels there are is known to the compiler where it matters for speed.
        match (self.depth, self.channels) {
            (1, 1) => self.scale::<1, 1>(&image, warp, numbers),
            (1, 3) => self.scale::<1, 3>(&image, warp, numbers),
            (3, 3) => self.scale::<3, 3>(&image, warp, numbers),
            (depth, channels) => {
                for (pixel, scaled) in
                    image.chunks_exact(depth).zip(numbers.chunks_exact_mut(channels))
                {
                    for (channel, scaled) in scaled.iter_mut().enumerate() {
                        let (factor, summand) = self.scaling.affine(channel);
                        *scaled = warp.light(pixel[channel % depth]) * factor + summand;
                    }
                }
            }
        }
    }

    fn scale<const DEPTH: usize, const CHANNELS: usize>(
        &self,
        image: &[f32],
        warp: &Warp,
        numbers: &mut [f32],
    ) {
        let affine: [(f32, f32); CHANNELS] = std::array::from_fn(|c| self.scaling.affine(c));
        let (pixels, _) = image.as_chunks::<DEPTH>();
        let (scaled, _) = numbers.as_chunks_mut::<CHANNELS>();
        for (pixel, scaled) in pixels.iter().zip(scaled) {
            for (channel, (factor, summand)) in affine.iter().enumerate() {
                scaled[channel] = warp.light(pixel[channel % DEPTH]) * factor + summand;
            }
        }
    }
}

/// Which images are learnt from and which are not: indices, ascending on each side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// To learn from.
    pub train: Vec<usize>,
    /// To be judged by.
    pub validation: Vec<usize>,
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
    /// The memory of a batch that nobody needs any more.
    spare: Vec<f32>,
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
        Batches { prepared, options, order, next: 0, spare: Vec::new() }
    }

    /// Gives a batch back, whose memory a later one takes.
    pub fn recycle(&mut self, batch: Batch) {
        self.spare = batch.images;
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
        let BatchOptions { seed, epoch, augment, .. } = self.options;
        let draw = |&index: &usize| augment.draw(seed, epoch, index);
        let warps: Vec<Warp> = indices.iter().map(draw).collect();
        let shown: Vec<(usize, Warp)> =
            indices.iter().copied().zip(warps.iter().copied()).collect();
        let images = self.prepared.some(&shown, std::mem::take(&mut self.spare));
        let labels: Vec<usize> = indices.iter().map(|&index| self.prepared.labels[index]).collect();
        Some(Batch { images, padded: labels.len(), labels, indices, warps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::images::fixtures::textured;
    use crate::nets::images::{Flips, Jitter};

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
    fn a_batch_that_is_given_back_changes_no_other() {
        let prepared = prepared(10);
        let indices: Vec<usize> = (0..10).collect();
        let fresh: Vec<Batch> = Batches::new(&prepared, &indices, options(4)).collect();
        let mut batches = Batches::new(&prepared, &indices, options(4));
        // Of another length, and full of what must not be seen.
        let mut last = fresh[0].clone();
        last.images = vec![f32::NAN; 1000];
        for wanted in &fresh {
            batches.recycle(last);
            last = batches.next().unwrap();
            assert_eq!(&last, wanted);
        }
        assert!(batches.next().is_none());
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

    /// On one core, in one loop, for any number of channels.
    fn plainly(prepared: &Prepared, index: usize, warp: &Warp) -> Vec<f32> {
        let Prepared { size, depth, channels, scaling, .. } = *prepared;
        let length = size.0 * size.1 * depth;
        let image = warp.look(&prepared.images[index * length..][..length], size, depth);
        let affine: Vec<(f32, f32)> = (0..channels).map(|c| scaling.affine(c)).collect();
        let scaled = image.chunks(depth).flat_map(|pixel| {
            let values = affine.iter().zip(pixel.iter().cycle());
            values.map(|((factor, summand), &v)| warp.light(v) * factor + summand)
        });
        scaled.collect()
    }

    #[test]
    fn all_cores_make_the_bits_that_one_makes() {
        let images: Vec<Grey> = (0..20).map(|i| textured(9 + i % 3, 8)).collect();
        let colours: Vec<Colour> = images
            .iter()
            .map(|grey| Colour {
                width: grey.width,
                height: grey.height,
                pixels: grey.pixels.iter().flat_map(|&v| [v, v / 2, 255 - v]).collect(),
            })
            .collect();
        for (scaling, channels) in [
            (Scaling::Torch, 3),
            (Scaling::Caffe, 3),
            (Scaling::Tf, 1),
            (Scaling::Unit, 2),
            (Scaling::Torch, 4),
        ] {
            // Of 9 such images in a batch, two channels are enough for all cores.
            let size = (250, 260);
            let labelled = images.iter().map(|image| (image, 1));
            let grey = Prepared::from_images(labelled, size, channels, scaling);
            let colour = Prepared::from_colour(&colours, size, channels, scaling, Resize::Bilinear);
            for prepared in [grey, colour] {
                let indices: Vec<usize> = (0..prepared.len()).collect();
                for batch in Batches::new(&prepared, &indices, options(9)) {
                    let each = batch.images.chunks(prepared.image_len());
                    for ((image, &index), warp) in each.zip(&batch.indices).zip(&batch.warps) {
                        assert_eq!(
                            image,
                            plainly(&prepared, index, warp),
                            "{scaling:?} {channels}"
                        );
                    }
                }
                let plain: Vec<f32> =
                    indices.iter().flat_map(|&i| plainly(&prepared, i, &Warp::default())).collect();
                assert_eq!(prepared.all(), plain);
                assert_eq!(
                    prepared.numbers(4),
                    plain[4 * prepared.image_len()..][..prepared.image_len()]
                );
            }
        }
    }

    #[test]
    fn tensors_are_scaled_in_every_channel() {
        let image = textured(5, 4);
        let value = f32::from(image.at(3, 2));
        let at = |channels, scaling| {
            let images = [(&image, 0), (&image, 0)];
            let numbers = Prepared::from_images(images, (4, 5), channels, scaling).all();
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
