//! Axes with round ticks, shared by every chart.

use std::ops::RangeInclusive;

use crate::lab::report::draw::Canvas;
use crate::lab::report::style::{Colour, HAIRLINE, MUTED, Style};
use crate::lab::report::text::Align;

const LABEL: Style = Style::regular(11.0, MUTED);

/// A rectangle on the canvas with a range of numbers along each side.
#[derive(Clone, Debug)]
pub struct Axes {
    /// Left edge, in units of the canvas.
    pub left: f32,
    /// Upper edge.
    pub top: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
    /// What the left and the right edge stand for.
    pub x: (f64, f64),
    /// What the lower and the upper edge stand for.
    pub y: (f64, f64),
}

impl Axes {
    /// Where (x, y) is on the canvas; not finite where one of them is not.
    pub fn place(&self, x: f64, y: f64) -> (f32, f32) {
        let share = |value: f64, (low, high): (f64, f64)| ((value - low) / (high - low)) as f32;
        (
            self.left + share(x, self.x) * self.width,
            self.top + (1.0 - share(y, self.y)) * self.height,
        )
    }

    /// Grid lines at `y_ticks`, numbers on both axes, the base line and its name.
    pub fn draw(&self, canvas: &mut Canvas, x_ticks: &[f64], y_ticks: &[f64], x_name: &str) {
        for &tick in y_ticks {
            let y = self.place(self.x.0, tick).1;
            canvas.rectangle(self.left, y - 0.25, self.width, 0.5, HAIRLINE);
            let label = number(tick, y_ticks);
            canvas.text(&label, (self.left - 8.0, y + 4.0), LABEL.aligned(Align::Right));
        }
        let bottom = self.top + self.height;
        canvas.rectangle(self.left, bottom - 0.5, self.width, 1.0, MUTED);
        for &tick in x_ticks {
            let x = self.place(tick, self.y.0).0;
            canvas.rectangle(x - 0.5, bottom, 1.0, 4.0, MUTED);
            let label = number(tick, x_ticks);
            canvas.text(&label, (x, bottom + 17.0), LABEL.aligned(Align::Centre));
        }
        let middle = self.left + self.width / 2.0;
        canvas.text(x_name, (middle, bottom + 35.0), LABEL.aligned(Align::Centre));
    }

    /// A line through pairs of numbers.
    pub fn curve(&self, canvas: &mut Canvas, data: &[(f64, f64)], width: f32, colour: Colour) {
        canvas.line(&self.places(data), width, colour);
    }

    /// The same in dashes.
    pub fn dashed(&self, canvas: &mut Canvas, data: &[(f64, f64)], width: f32, colour: Colour) {
        canvas.dashes(&self.places(data), width, colour, 5.0, 4.5);
    }

    fn places(&self, data: &[(f64, f64)]) -> Vec<(f32, f32)> {
        data.iter().map(|&(x, y)| self.place(x, y)).collect()
    }
}

/// No axis goes further.
const MOST: f64 = 1e12;

/// Round numbers that cover `range` in about `count` steps of 1, 2 or 5 times a power of ten; the
/// first is at or below its start, the last at or above its end. What is beyond a million million, or
/// has no digits to tell the steps apart, gets 0 and 1.
pub fn ticks(range: RangeInclusive<f64>, count: usize) -> Vec<f64> {
    let (low, high) = (*range.start(), *range.end());
    let largest = low.abs().max(high.abs());
    if !(largest <= MOST && low <= high) {
        return vec![0.0, 1.0];
    }
    let span = if high > low { high - low } else { high.abs().max(1.0) };
    if span < largest * 1e-9 {
        return vec![0.0, 1.0];
    }
    let raw = span / count.max(1) as f64;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= raw * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let first = (low / step + 1e-9).floor() as i64;
    let last = ((high / step - 1e-9).ceil() as i64).max(first + 1);
    (first..=last).map(|i| i as f64 * step).collect()
}

/// Whole-number ticks inside `range`: for epochs, where 2.5 means nothing.
pub fn whole_ticks(range: RangeInclusive<u32>, count: usize) -> Vec<f64> {
    let (low, high) = (*range.start(), *range.end());
    let span = high.saturating_sub(low);
    let step = [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000]
        .into_iter()
        .find(|step| span / step <= count as u32)
        .unwrap_or(span / count.max(1) as u32)
        .max(1);
    let first = u64::from(low).next_multiple_of(u64::from(step));
    let whole = (first..=u64::from(high)).step_by(step as usize);
    let mut all: Vec<f64> = whole.map(|value| value as f64).collect();
    if all.is_empty() {
        all.push(f64::from(low));
    }
    all
}

/// The smallest and the largest finite number, or `None`.
pub fn extent(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|v| v.is_finite()).fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((value.min(low), value.max(high))),
    })
}

/// A tick's label, with as many decimals as its neighbours need.
fn number(value: f64, ticks: &[f64]) -> String {
    let step = ticks.windows(2).map(|p| (p[1] - p[0]).abs()).fold(f64::MAX, f64::min);
    let decimals = if step >= 0.999 { 0.0 } else { (-step.log10() - 1e-6).ceil().clamp(0.0, 8.0) };
    let text = format!("{value:.*}", decimals as usize);
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_range() {
        assert_eq!(ticks(0.0..=1.0, 5), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        let loss = ticks(0.13..=0.74, 5);
        assert!(loss[0] <= 0.13 && *loss.last().unwrap() >= 0.74 && loss.len() <= 8, "{loss:?}");
        assert_eq!(ticks(3.0..=3.0, 4).len(), 2);
        for (low, high) in [
            (f64::NAN, 1.0),
            (0.0, 1e15),
            (-1e308, 1e308),
            (1e11, 1e11 + 1e-5),
            (0.0, f64::INFINITY),
            (1.0, 0.0),
        ] {
            assert_eq!(ticks(low..=high, 4), [0.0, 1.0]);
        }
        for (low, high) in [(1e-9, 2e-9), (-5.0, 5.0), (0.0, 1e12), (0.9999, 1.0)] {
            let all = ticks(low..=high, 5);
            assert!(all[0] <= low + 1e-9 && *all.last().unwrap() >= high * 0.999_999, "{all:?}");
            assert!(all.len() < 12, "{all:?}");
        }
    }

    #[test]
    fn epochs_have_whole_ticks() {
        assert_eq!(whole_ticks(1..=6, 8), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(whole_ticks(1..=40, 8), [5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0]);
        assert_eq!(whole_ticks(1..=1, 8), [1.0]);
        assert!(!whole_ticks(3..=100_000, 8).is_empty());
        assert!((1..20).contains(&whole_ticks(1..=u32::MAX, 8).len()));
    }

    #[test]
    fn labels_have_the_decimals_of_their_step() {
        assert_eq!(number(5.0, &[0.0, 5.0, 10.0]), "5");
        assert_eq!(number(0.4, &[0.2, 0.4]), "0.4");
        assert_eq!(number(0.05, &[0.0, 0.05]), "0.05");
        assert_eq!(number(-128.0, &[-128.0, 0.0]), "−128");
    }

    #[test]
    fn extent_skips_what_is_not_finite() {
        assert_eq!(extent([f64::NAN, 2.0, 1.0, f64::INFINITY]), Some((1.0, 2.0)));
        assert_eq!(extent([f64::NAN]), None);
    }
}
