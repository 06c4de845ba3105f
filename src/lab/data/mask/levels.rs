//! The numbers of a mask as its file has them, and how they are meant.

use std::path::Path;

use image::DynamicImage;

use super::{Mask, apart};
use crate::error::{Error, Result};
use crate::nets::images::Grey;
use crate::nets::images::decode::Decoded;

/// One number a pixel.
#[derive(Debug)]
pub(super) struct Levels {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) values: Vec<u16>,
    /// The highest that the file could have.
    pub(super) highest: u16,
    /// Whether the numbers stand for colours that the file has instead.
    pub(super) coloured: bool,
    /// The numbers of a palette of colours, and what was added to each so that 0 is background. They name
    /// colours, so that nothing lies between two of them.
    pub(super) palette: Option<u16>,
    /// Whether the compression changed them.
    pub(super) lossy: bool,
}

impl Default for Levels {
    fn default() -> Self {
        Levels {
            width: 0,
            height: 0,
            values: Vec::new(),
            highest: 255,
            coloured: false,
            palette: None,
            lossy: false,
        }
    }
}

/// How the values of a mask are meant.
enum Meaning {
    /// Lesion is what is above this.
    Above(u16),
    /// Lesion is what is above this, and what is above it are labels.
    Labels(u16),
    /// Labels with noise between them, of which this is the lowest.
    Noisy(u16),
}

impl Levels {
    /// The levels of a file. Colours count by their brightest channel, so that each is as good as white; a
    /// palette by its numbers, unless all its colours are grey and `numbers` are not asked for. Where one of
    /// its colours is black, that is background, whatever its number; else it is number 0.
    pub(super) fn of(decoded: Decoded, numbers: bool) -> Self {
        let (highest, lossy) = (decoded.highest, decoded.lossy);
        let (width, height) = (decoded.image.width() as usize, decoded.image.height() as usize);
        if let Some(palette) = &decoded.palette {
            let indices = decoded.image.to_luma8().into_raw();
            let mut used = [false; 256];
            indices.iter().for_each(|index| used[usize::from(*index)] = true);
            let is_grey = |(index, c): (usize, &[u8; 4])| {
                !used.get(index).is_some_and(|used| *used) || (c[0] == c[1] && c[1] == c[2])
            };
            let shade = |index: u8, channel: usize| {
                let colour = palette.get(usize::from(index)).copied().unwrap_or([0, 0, 0, 255]);
                (u16::from(colour[channel]) * u16::from(colour[3]) + 127) / 255
            };
            let is_black = |index: u8| (0..3).all(|channel| shade(index, channel) == 0);
            let whole = Levels { width, height, ..Levels::default() };
            let indices = indices.into_iter();
            if numbers {
                return Levels { values: indices.map(u16::from).collect(), ..whole };
            }
            if palette.iter().enumerate().all(is_grey) {
                return Levels { values: indices.map(|index| shade(index, 0)).collect(), ..whole };
            }
            let last = palette.len().min(256) as u16;
            let added = u16::from((0..last).any(|index| is_black(index as u8)));
            let value = |index| match added == 1 && is_black(index) {
                true => 0,
                false => u16::from(index) + added,
            };
            return Levels { values: indices.map(value).collect(), palette: Some(added), ..whole };
        }
        let mut coloured = false;
        let mut brightest = |rgb: [u16; 3]| {
            coloured |= rgb[0] != rgb[1] || rgb[1] != rgb[2];
            rgb[0].max(rgb[1]).max(rgb[2])
        };
        let over = |value: u16, alpha: u16, most: u32| {
            ((u32::from(value) * u32::from(alpha) + most / 2) / most) as u16
        };
        let values = match decoded.image {
            DynamicImage::ImageLuma8(image) => {
                image.into_raw().into_iter().map(u16::from).collect()
            }
            DynamicImage::ImageLuma16(image) => image.into_raw(),
            DynamicImage::ImageLumaA16(image) => {
                image.pixels().map(|p| over(p[0], p[1], 65_535)).collect()
            }
            DynamicImage::ImageRgb16(image) => image.pixels().map(|p| brightest(p.0)).collect(),
            DynamicImage::ImageRgba16(image) => {
                image.pixels().map(|p| over(brightest([p[0], p[1], p[2]]), p[3], 65_535)).collect()
            }
            other => other
                .into_rgba8()
                .pixels()
                .map(|p| over(brightest([p[0], p[1], p[2]].map(u16::from)), p[3].into(), 255))
                .collect(),
        };
        Levels { width, height, values, highest, coloured, palette: None, lossy }
    }

    pub(super) fn two_valued(&self, lesion: impl Fn(u16) -> bool) -> Grey {
        let pixels = self.values.iter().map(|value| if lesion(*value) { 255 } else { 0 });
        Grey { width: self.width, height: self.height, pixels: pixels.collect() }
    }

    pub(super) fn understood(&self, path: &Path) -> Result<Mask> {
        let (grey, note) = match self.meaning() {
            Meaning::Above(above) => {
                (self.two_valued(|value| value > above), self.taken_for_noise(above))
            }
            Meaning::Labels(above) => {
                let background = if self.palette == Some(1) { "black" } else { "0" };
                let named = self.named(above);
                let note = format!("holds the labels {named}: what is not {background} is lesion");
                (self.two_valued(|value| value > above), Some(note))
            }
            Meaning::Noisy(lowest) => {
                let note = format!("holds labels from {lowest} on: all of them are lesion");
                (self.noisy(lowest), Some(note))
            }
        };
        let first = self.values.first();
        if !grey.pixels.contains(&0) && self.values.iter().any(|value| Some(value) != first) {
            let problem = format!("holds the labels {} and no background of 0", self.named(0));
            let hint = "say which of them are lesion, e.g. --mask-values 1,3";
            return Err(Error::content(path, problem, hint));
        }
        Ok(Mask { grey, note })
    }

    /// The values above `above`, in words.
    fn named(&self, above: u16) -> String {
        let added = self.palette.unwrap_or(0);
        let found: std::collections::BTreeSet<u16> =
            self.values.iter().copied().filter(|value| *value > above).collect();
        let words: Vec<String> = found.iter().map(|value| (value - added).to_string()).collect();
        match &words[..] {
            [few @ .., last] if words.len() <= 6 && !few.is_empty() => {
                format!("{} and {last}", few.join(", "))
            }
            [first, .., last] => format!("{first} to {last}, {} of them", words.len()),
            _ => words.concat(),
        }
    }

    /// Levels up to this, beside the brightest, may be what is left of 0.
    fn noise(&self) -> u16 {
        let brightest = self.values.iter().copied().max().unwrap_or(0);
        if self.highest >= 255 { brightest / 16 } else { 0 }
    }

    /// A note of what is not lesion although it is not 0, where that is more than edges and noise have.
    fn taken_for_noise(&self, half: u16) -> Option<String> {
        let lost = |value: u16| value > 0 && value <= half;
        let levels: std::collections::BTreeSet<u16> =
            self.values.iter().copied().filter(|value| *value > 0).collect();
        let said = |count: usize, highest: u16, what: &str| {
            format!("has {count} pixels of levels up to {highest} {what}, which are not lesion")
        };
        if self.lossy {
            let far = self.far();
            let is_far = |at: usize, value: u16| far[at] && lost(value) && value > apart::ROUNDING;
            let (count, highest) = apart::sum(&self.values, is_far);
            if count >= apart::FEWEST_NOTED {
                return Some(said(count, highest, "far from all brighter ones"));
            }
            let (count, highest) =
                apart::sum(&self.values, |_, value| value > self.noise() && lost(value));
            let edge = apart::edge(&self.values, self.width, half);
            return (count > apart::PER_EDGE * edge + apart::FEWEST_NOTED)
                .then(|| said(count, highest, "beside brighter ones, more than edges have"));
        }
        let (count, highest) = self
            .spots(half)
            .iter()
            .filter(|spot| !spot.kept)
            .fold((0, 0), |(count, highest), spot| (count + spot.size, highest.max(spot.highest)));
        if count > 0 {
            return Some(said(count, highest, "by themselves"));
        }
        // One level between two is rather drawn than smoothed.
        let (count, highest) = apart::sum(&self.values, |_, value| lost(value));
        (levels.len() == 2 && count > 0)
            .then(|| said(count, highest, "at the edge of brighter ones"))
    }

    /// Which pixels are so far from all bright ones that no compression carries something there.
    fn far(&self) -> Vec<bool> {
        let reach = if self.coloured { apart::REACH_COLOURED } else { apart::REACH };
        let brightest = self.values.iter().copied().max().unwrap_or(0);
        let near = apart::dilated(&self.values, self.width, brightest - brightest / 4, reach);
        near.into_iter().map(|near| !near).collect()
    }

    /// What is above half of the `lowest` label is lesion, but noise near what is brighter.
    fn noisy(&self, lowest: u16) -> Grey {
        let (far, noise) = (self.far(), self.noise());
        let is_lesion = |(&value, far): (&u16, bool)| value > lowest / 2 && (value > noise || far);
        let pixels = self.values.iter().zip(far).map(|one| if is_lesion(one) { 255 } else { 0 });
        Grey { width: self.width, height: self.height, pixels: pixels.collect() }
    }

    fn meaning(&self) -> Meaning {
        let mut counts = vec![0usize; 65_536];
        self.values.iter().for_each(|value| counts[usize::from(*value)] += 1);
        let count_of = |value: u16| counts[usize::from(value)];
        let found: Vec<u16> = (1..=u16::MAX).filter(|value| count_of(*value) > 0).collect();
        let Some(&brightest) = found.last() else { return Meaning::Above(0) };
        if found.len() == 1 {
            return Meaning::Above(0);
        }
        if self.palette.is_some() {
            return Meaning::Labels(0);
        }
        // Nobody smooths between 0 and so few levels, unless the file has no more than these.
        if brightest < FEW_LEVELS && self.highest >= 255 {
            return Meaning::Labels(0);
        }
        let noise = self.noise();
        let is_low = |value: u16| value > 0 && value <= noise;
        let is_middle = |value: u16| value > noise && value < brightest - noise;
        // Both ends spread is how JPEG leaves two values.
        let lossy = self.lossy
            || found.len() > FEW
            || (found.iter().filter(|value| is_low(**value)).count() > 1
                && found.iter().filter(|value| **value >= brightest - noise).count() > 1);
        let levels = [noise, brightest - brightest / 4];
        let noisy = || apart::lowest(&self.values, self.width, &self.far(), levels);
        if self.lossy
            && let Some(lowest) = noisy()
        {
            return Meaning::Noisy(lowest);
        }
        let cores = self.cores();
        let total = |which: &dyn Fn(u16) -> bool, of: &[usize]| -> usize {
            found.iter().filter(|value| which(**value)).map(|value| of[usize::from(*value)]).sum()
        };
        let fills = |which: &dyn Fn(u16) -> bool, share: usize| {
            let cores = total(which, &cores);
            cores >= 9 && share * cores >= total(which, &counts)
        };
        let low = fills(&is_low, if lossy { 2 } else { 4 });
        // A block of JPEG at an edge may be flat, but there are few of these.
        let all = total(&|value| value > noise, &counts);
        let middle = fills(&is_middle, 4) && (!lossy || 10 * total(&is_middle, &cores) >= all);
        let labels = middle || (!lossy && (low || self.loses_a_label(noise, brightest / 2)));
        match labels {
            // In a file without loss, what was lost before it was written, or smoothed.
            false => match noisy().filter(|_| lossy && !self.lossy) {
                Some(lowest) => Meaning::Noisy(lowest),
                None => Meaning::Above(brightest / 2),
            },
            // What lies about 0 in single pixels is noise among labels too.
            true if low || !lossy => Meaning::Labels(0),
            true => Meaning::Labels(noise),
        }
    }

    /// For each value, how many pixels have it in all their eight neighbours as well.
    fn cores(&self) -> Vec<usize> {
        let mut cores = vec![0; 65_536];
        let rows: Vec<&[u16]> = self.values.chunks_exact(self.width.max(1)).collect();
        for three in rows.windows(3) {
            for x in 1..self.width.saturating_sub(1) {
                let value = three[1][x];
                let same = |row: &[u16]| row[x - 1..=x + 1].iter().all(|other| *other == value);
                if value > 0 && three.iter().all(|row| same(row)) {
                    cores[usize::from(value)] += 1;
                }
            }
        }
        cores
    }

    /// Whether some pixels of one value would vanish if only what is above `half` were kept, and no smoothing
    /// leaves such: by themselves, or an area beside what is much brighter.
    fn loses_a_label(&self, noise: u16, half: u16) -> bool {
        let by_itself = |spot: &Spot| {
            let least = if spot.highest > noise { SMALLEST_LABEL } else { SMALLEST_AREA };
            !spot.kept && spot.flat && spot.size >= least
        };
        self.spots(half).iter().any(by_itself) || apart::steps(&self.values, self.width, half)
    }

    /// Connected pixels that are not 0.
    fn spots(&self, half: u16) -> Vec<Spot> {
        let mut seen: Vec<bool> = self.values.iter().map(|value| *value == 0).collect();
        let mut spots = Vec::new();
        let mut stack = Vec::new();
        for start in 0..self.values.len() {
            if seen[start] {
                continue;
            }
            seen[start] = true;
            stack.push(start);
            let mut spot = Spot { size: 0, highest: 0, flat: true, kept: false };
            while let Some(at) = stack.pop() {
                spot.size += 1;
                spot.highest = spot.highest.max(self.values[at]);
                spot.kept |= self.values[at] > half;
                spot.flat &= self.values[at] == self.values[start];
                for other in apart::around(at, self.width, self.height) {
                    if !seen[other] {
                        seen[other] = true;
                        stack.push(other);
                    }
                }
            }
            spots.push(spot);
        }
        spots
    }
}

/// Connected pixels.
struct Spot {
    size: usize,
    highest: u16,
    /// Whether all have one value.
    flat: bool,
    /// Whether one is lesion.
    kept: bool,
}

/// Below this, a file's levels number what they stand for.
const FEW_LEVELS: u16 = 32;
/// More values than this come of smoothing or JPEG, or of very many labels.
const FEW: usize = 32;
/// Fewer pixels than this may be what is left of a thin edge.
const SMALLEST_LABEL: usize = 4;
/// Of levels that may be noise, fewer than this are.
const SMALLEST_AREA: usize = 9;
