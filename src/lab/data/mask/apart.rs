//! What in a mask lies where neither smoothing nor JPEG can have put it.

use std::collections::{BTreeMap, BinaryHeap};

/// JPEG changes blocks of 8 x 8: what it adds to an edge lies no further from what is bright there.
pub const REACH: usize = 9;
/// Colours may be stored at half the size.
pub const REACH_COLOURED: usize = 17;
/// Levels up to this far from everything are no more than rounding.
pub const ROUNDING: u16 = 2;
/// So many pixels of noise are worth a note.
pub const FEWEST_NOTED: usize = 16;
/// No more darker pixels than this stand beside each pixel of an edge.
pub const PER_EDGE: usize = 4;
/// Fewer flat places than this, far from what is brighter, are no label.
const FEWEST: usize = 4;
/// The same of levels that may be noise.
const FEWEST_LOW: usize = 32;

/// How many pixels there are for which `counts` is true of place and value, and the highest of them.
pub fn sum(values: &[u16], counts: impl Fn(usize, u16) -> bool) -> (usize, u16) {
    let counted = values.iter().enumerate().filter(|(at, value)| counts(*at, **value));
    counted.fold((0, 0), |(count, highest), (_, value)| (count + 1, highest.max(*value)))
}

/// The places around one, no more than eight.
pub fn around(at: usize, width: usize, height: usize) -> impl Iterator<Item = usize> {
    let (x, y) = (at % width, at / width);
    let (left, right) = (x.saturating_sub(1), (x + 1).min(width - 1));
    let rows = y.saturating_sub(1)..=(y + 1).min(height - 1);
    rows.flat_map(move |y| (left..=right).map(move |x| y * width + x)).filter(move |&one| one != at)
}

/// Which pixels have one above `bright` within `reach` rows and columns.
pub fn dilated(values: &[u16], width: usize, bright: u16, reach: usize) -> Vec<bool> {
    let bright: Vec<bool> = values.iter().map(|value| *value > bright).collect();
    let height = values.len().checked_div(width).unwrap_or(0);
    let across = spread(&bright, height, width, [width, 1], reach);
    spread(&across, width, height, [1, width], reach)
}

/// Spreads what is true along `lines` lines of `length` places, whose starts and places are `steps` apart.
fn spread(
    from: &[bool],
    lines: usize,
    length: usize,
    steps: [usize; 2],
    reach: usize,
) -> Vec<bool> {
    let mut to = vec![false; from.len()];
    for line in 0..lines {
        let at = |place: usize| line * steps[0] + place * steps[1];
        let mut within = 0;
        for place in 0..length + reach {
            within += usize::from(place < length && from[at(place)]);
            if place > 2 * reach {
                within -= usize::from(from[at(place - 2 * reach - 1)]);
            }
            if place >= reach {
                to[at(place - reach)] = within > 0;
            }
        }
    }
    to
}

/// How many pixels above `half` have one beside them that is not.
pub fn edge(values: &[u16], width: usize, half: u16) -> usize {
    let height = values.len().checked_div(width).unwrap_or(0);
    let is_edge = |at: &usize| {
        values[*at] > half && around(*at, width, height).any(|other| values[other] <= half)
    };
    (0..values.len()).filter(is_edge).count()
}

/// The lowest level of an area in `far`; none where there is no such area. What it is in the middle of each
/// area counts, and areas of levels up to `noise` must be large. Levels fade from what is above `bright` where
/// it was blurred: an area has few levels, and there is a darker place on every way to what is bright.
pub fn lowest(
    values: &[u16],
    width: usize,
    far: &[bool],
    [noise, bright]: [u16; 2],
) -> Option<u16> {
    let height = values.len().checked_div(width).unwrap_or(0);
    let about = |value: u16| 4.max(value / 3);
    let is_flat = |at: usize| {
        let value = values[at];
        far[at] && value > ROUNDING && {
            let mut around = around(at, width, height).map(|other| values[other]);
            around.all(|other| other.abs_diff(value) <= about(value))
        }
    };
    let flat: Vec<bool> = (0..values.len()).map(is_flat).collect();
    let joined = joined(values, width, bright);
    let (low, _) = sum(values, |at, value| far[at] && value > ROUNDING && value <= noise);
    let (flat_low, _) = sum(values, |at, value| flat[at] && value <= noise);
    let low_fills = flat_low >= FEWEST_LOW && 2 * flat_low >= low;
    let mut lowest: Option<u16> = None;
    let (mut seen, mut stack) = (vec![false; values.len()], Vec::new());
    for start in 0..values.len() {
        if seen[start] || !flat[start] {
            continue;
        }
        seen[start] = true;
        stack.push(start);
        let (mut area, mut way): (Vec<u16>, u16) = (Vec::new(), 0);
        while let Some(at) = stack.pop() {
            area.push(values[at]);
            way = way.max(joined[at]);
            for other in around(at, width, height) {
                let alike = values[other].abs_diff(values[at]) <= 4.max(values[at] / 8);
                if flat[other] && !seen[other] && alike {
                    seen[other] = true;
                    stack.push(other);
                }
            }
        }
        let count = area.len();
        area.sort_unstable();
        let middle = area[count / 2];
        let spread = area[count * 3 / 4] - area[count / 4];
        if spread > 4.max(middle / 8) || way > 0 && way >= middle - 2.max(middle / 5).min(middle) {
            continue;
        }
        let counts =
            if middle > noise { count >= FEWEST } else { low_fills && count >= FEWEST_LOW };
        if counts {
            lowest = Some(lowest.map_or(middle, |lowest| lowest.min(middle)));
        }
    }
    lowest
}

/// For each pixel the darkest place on the brightest way to one above `bright`; 0 where each way is black.
fn joined(values: &[u16], width: usize, bright: u16) -> Vec<u16> {
    let height = values.len().checked_div(width).unwrap_or(0);
    let mut joined = vec![0; values.len()];
    let starts = values.iter().enumerate().filter(|(_, value)| **value > bright);
    let mut next: BinaryHeap<(u16, usize)> = starts.map(|(at, value)| (*value, at)).collect();
    next.iter().for_each(|&(value, at)| joined[at] = value);
    while let Some((way, at)) = next.pop() {
        for other in around(at, width, height) {
            let way = way.min(values[other]);
            if way > joined[other] {
                joined[other] = way;
                next.push((way, other));
            }
        }
    }
    joined
}

/// Whether an area of one value up to `half` has nothing brighter beside it but what is much brighter: no
/// smoothing leaves such.
pub fn steps(values: &[u16], width: usize, half: u16) -> bool {
    let height = values.len().checked_div(width).unwrap_or(0);
    let inner = |at: usize| {
        let (x, y) = (at % width, at / width);
        x > 0 && y > 0 && x + 1 < width && y + 1 < height
    };
    let is_core = |at: usize| {
        let value = values[at];
        value > 0
            && value <= half
            && inner(at)
            && around(at, width, height).all(|other| values[other] == value)
    };
    let mut seen = vec![false; values.len()];
    // The level of each area, and the next brighter one beside it.
    let mut next: BTreeMap<usize, (u16, u16)> = BTreeMap::new();
    let mut stack = Vec::new();
    for start in (0..values.len()).filter(|&at| is_core(at)) {
        if seen[start] {
            continue;
        }
        seen[start] = true;
        stack.push(start);
        let value = values[start];
        let mut brighter = u16::MAX;
        while let Some(at) = stack.pop() {
            for other in around(at, width, height) {
                let level = values[other];
                if level > value {
                    brighter = brighter.min(level);
                } else if level == value && !seen[other] {
                    seen[other] = true;
                    stack.push(other);
                }
            }
        }
        next.insert(start, (value, brighter));
    }
    next.values().any(|&(value, brighter)| u32::from(brighter) > 2 * u32::from(value) + 8)
}
