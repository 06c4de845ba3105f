//! Ways to bring a picture to a network's size, as TensorFlow has them: each axis by itself, every pixel of the
//! result a weighted mean of neighbours.

use crate::nets::images::grey::resize_channel;

/// How a picture is resized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resize {
    /// `tf.image.resize` as it is called, and what `image_dataset_from_directory` does: the four pixels around,
    /// however much smaller the result is.
    #[default]
    Bilinear,
    /// The same with `antialias=True`: shrunk, all pixels under a triangle that is as wide as two of the result.
    Antialiased,
    /// The pixel under the centre, which `keras.utils.load_img` takes.
    Nearest,
    /// The mean of what a pixel of the result covers.
    Area,
}

impl Resize {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Resize::Bilinear, Resize::Antialiased, Resize::Nearest, Resize::Area];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Resize::Bilinear => "bilinear",
            Resize::Antialiased => "antialiased",
            Resize::Nearest => "nearest",
            Resize::Area => "area",
        }
    }

    /// The one called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resize| resize.name() == name)
    }

    /// One channel of an image of (height, width) `from`, its pixels by `at(x, y)`, at the size `to`.
    pub(super) fn channel(
        self,
        from: [usize; 2],
        to: [usize; 2],
        at: impl Fn(usize, usize) -> f32,
    ) -> Vec<f32> {
        if self == Resize::Bilinear {
            return resize_channel(from, to, at);
        }
        let columns = self.weights(from[1], to[1]);
        let mean = |(first, weights): &(usize, Vec<f32>), number: &dyn Fn(usize) -> f32| -> f32 {
            weights.iter().enumerate().map(|(index, weight)| weight * number(first + index)).sum()
        };
        let mut rows = Vec::with_capacity(from[0] * to[1]);
        for y in 0..from[0] {
            rows.extend(columns.iter().map(|column| mean(column, &|x| at(x, y))));
        }
        let mut resized = Vec::with_capacity(to[0] * to[1]);
        for row in self.weights(from[0], to[0]) {
            resized.extend((0..to[1]).map(|x| mean(&row, &|y| rows[y * to[1] + x])));
        }
        resized
    }

    /// For each of `target` pixels of an axis the first of `source` pixels that it is a mean of, and the weights
    /// of that and of those behind it.
    fn weights(self, source: usize, target: usize) -> Vec<(usize, Vec<f32>)> {
        let scale = source as f32 / target.max(1) as f32;
        let last = source.saturating_sub(1);
        let of = |at: usize| {
            let centre = (at as f32 + 0.5) * scale;
            let reach = match self {
                Resize::Nearest => return ((centre as usize).min(last), vec![1.0]),
                Resize::Area => scale / 2.0,
                _ => scale.max(1.0),
            };
            let first = ((centre - reach).max(0.0) as usize).min(last);
            let end = ((centre + reach).ceil() as usize).clamp(first + 1, source.max(1));
            let weight = |pixel: usize| match self {
                Resize::Area => {
                    let covered = (pixel as f32 + 1.0).min(centre + reach)
                        - (pixel as f32).max(centre - reach);
                    covered.max(0.0)
                }
                _ => (1.0 - (pixel as f32 + 0.5 - centre).abs() / reach).max(0.0),
            };
            let weights: Vec<f32> = (first..end).map(weight).collect();
            let sum: f32 = weights.iter().sum();
            (first, weights.into_iter().map(|weight| weight / sum).collect())
        };
        (0..target).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::nets::images::Resize;

    /// `tf.image.resize` of 5 rows of 7 columns, (37 x + 91 y + 13 x y) mod 256, to (3, 4) and to (8, 3).
    #[test]
    fn pictures_are_resized_as_tensorflow_resizes_them() {
        let truth: [(Resize, [&[f32]; 2]); 3] = [
            (
                Resize::Antialiased,
                [
                    &[
                        61.29931, 127.5486, 126.8857, 162.4149, 151.3386, 142.3733, 147.9289,
                        139.6138, 105.7347, 125.5028, 141.5029, 130.551,
                    ],
                    &[
                        31.71428, 111.0, 190.2857, 76.40178, 134.9338, 147.3482, 136.8125, 163.478,
                        96.29465, 166.3661, 141.1985, 137.8125, 150.2054, 142.4485, 156.4732,
                        88.33035, 167.228, 152.2768, 108.7411, 141.1838, 127.5089, 129.4286, 119.0,
                        108.5714,
                    ],
                ],
            ),
            (
                Resize::Nearest,
                [
                    &[0.0, 74.0, 148.0, 222.0, 182.0, 52.0, 178.0, 48.0, 108.0, 30.0, 208.0, 130.0],
                    &[
                        37.0, 111.0, 185.0, 37.0, 111.0, 185.0, 141.0, 241.0, 85.0, 245.0, 115.0,
                        241.0, 245.0, 115.0, 241.0, 93.0, 245.0, 141.0, 197.0, 119.0, 41.0, 197.0,
                        119.0, 41.0,
                    ],
                ],
            ),
            (
                Resize::Area,
                [
                    &[
                        54.48571, 126.8286, 126.0286, 169.1143, 157.8, 134.1429, 147.0572,
                        138.0286, 107.5143, 119.5143, 146.1429, 128.8857,
                    ],
                    &[
                        26.42857, 111.0, 195.5715, 66.54285, 133.7429, 157.0572, 126.7143,
                        167.8572, 99.28572, 177.6857, 125.5714, 139.2857, 166.6, 126.3714,
                        151.9715, 71.28571, 171.8571, 162.7143, 109.5143, 140.1429, 126.8857,
                        135.0, 119.0, 103.0,
                    ],
                ],
            ),
        ];
        let at = |x: usize, y: usize| ((37 * x + 91 * y + 13 * x * y) % 256) as f32;
        for (resize, all) in truth {
            for (to, truth) in [[3, 4], [8, 3]].into_iter().zip(all) {
                let found = resize.channel([5, 7], to, at);
                assert_eq!(found.len(), truth.len());
                for (a, b) in found.iter().zip(truth) {
                    assert!((a - b).abs() < 2e-3, "{resize:?} {to:?}: {a} and {b}");
                }
            }
        }
    }

    #[test]
    fn a_picture_of_the_same_size_is_the_same() {
        for resize in Resize::ALL {
            let at = |x: usize, y: usize| (40 * x + 7 * y) as f32;
            let found = resize.channel([2, 3], [2, 3], at);
            assert_eq!(found, [0.0, 40.0, 80.0, 7.0, 47.0, 87.0], "{resize:?}");
            assert_eq!(Resize::named(resize.name()), Some(resize));
        }
    }
}
