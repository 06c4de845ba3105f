//! Outlines as chain codes, and the regions that they enclose.
//!
//! A chain is a starting pixel and steps to one of its eight neighbours, y pointing down:
//!
//! ```text
//!   7 0 1
//!   6 . 2
//!   5 4 3
//! ```

use crate::nets::images::Grey;

/// (dx, dy) of each code.
const STEPS: [(i64, i64); 8] =
    [(0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1)];

/// What the first column and row are called in the starting point of a chain. Readers of DDSM
/// disagree; counting from one reproduces the published masks pixel by pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The left upper pixel is (0, 0).
    Zero,
    /// The left upper pixel is (1, 1), as in the MATLAB tools.
    #[default]
    One,
}

/// One closed outline, as its line in an OVERLAY file tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Column and row of the first pixel, in the file's counting.
    pub start: (u32, u32),
    /// Codes 0 to 7.
    pub steps: Vec<u8>,
}

impl Chain {
    /// Reads `column row c c c ... #`, the number sign being the only proof that nothing is missing.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut words = words.into_iter();
        let mut coordinate = |what: &str| {
            let word = words.next().unwrap_or_default();
            word.parse().map_err(|_| format!("its chain has no {what} to start from"))
        };
        let start = (coordinate("column")?, coordinate("row")?);
        let mut steps = Vec::new();
        for word in words {
            match word.as_bytes() {
                [b'#'] => return Ok(Chain { start, steps }),
                [code @ b'0'..=b'7'] => steps.push(code - b'0'),
                _ => return Err(format!("its chain has the step {word:?}, and only 0 to 7 are")),
            }
        }
        Err("its chain is cut off: the # at the end is missing".to_owned())
    }

    /// The pixels of the outline in order, (column, row) counted from 0; the first is its start.
    pub fn points(&self, origin: Origin) -> Vec<(i64, i64)> {
        let shift = match origin {
            Origin::Zero => 0,
            Origin::One => 1,
        };
        let mut at = (i64::from(self.start.0) - shift, i64::from(self.start.1) - shift);
        let mut points = Vec::with_capacity(self.steps.len() + 1);
        points.push(at);
        for &code in &self.steps {
            let (dx, dy) = STEPS[usize::from(code & 7)];
            at = (at.0 + dx, at.1 + dy);
            points.push(at);
        }
        points
    }

    /// Whether every pixel of the outline is in an image of this size.
    pub fn is_inside(&self, rows: usize, columns: usize, origin: Origin) -> bool {
        let inside = |at: i64, size: usize| usize::try_from(at).is_ok_and(|at| at < size);
        self.points(origin).iter().all(|&(x, y)| inside(x, columns) && inside(y, rows))
    }

    /// Sets to 255 what the outline encloses, and the outline itself; nothing when it leaves `mask`.
    ///
    /// A chain that does not end where it began is closed by a straight line. What it goes around
    /// more than once is inside as well, so that a chain that overruns its start is no harm.
    pub fn fill(&self, mask: &mut Grey, origin: Origin) {
        if !self.is_inside(mask.height, mask.width, origin) {
            return;
        }
        let mut points = self.points(origin);
        let last = points.last().copied().unwrap_or_default();
        points.extend(straight(last, points[0]));
        // How often the outline winds around a pixel: +1 where it goes down past the pixel's left,
        // -1 where it goes up. Each step crosses the row that its upper end is in.
        let mut turns: Vec<(i64, i64, i32)> = points
            .windows(2)
            .filter_map(|pair| match pair[1].1 - pair[0].1 {
                1 => Some((pair[0].1, pair[0].0, 1)),
                -1 => Some((pair[1].1, pair[1].0, -1)),
                _ => None,
            })
            .collect();
        turns.sort_unstable();
        let mut winding = 0;
        for pair in turns.windows(2) {
            let [(y, from, turn), (row, to, _)] = [pair[0], pair[1]];
            winding += turn;
            // Within a closed outline a row ends with nothing left to wind around.
            if winding != 0 && row == y {
                let row = y as usize * mask.width;
                mask.pixels[row + from as usize..row + to as usize].fill(255);
            }
        }
        for &(x, y) in &points {
            mask.pixels[y as usize * mask.width + x as usize] = 255;
        }
    }
}

/// The pixels of a straight line behind `from` up to `to`, each a neighbour of the one before.
fn straight(from: (i64, i64), to: (i64, i64)) -> Vec<(i64, i64)> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let steps = dx.abs().max(dy.abs());
    let at = |length: i64, step: i64| (length as f64 * step as f64 / steps as f64).round() as i64;
    (1..=steps).map(|step| (from.0 + at(dx, step), from.1 + at(dy, step))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chain(line: &str) -> Chain {
        Chain::parse(line.split_whitespace()).unwrap()
    }

    fn drawn(chains: &[Chain], columns: usize, rows: usize, origin: Origin) -> Vec<String> {
        let mut mask = Grey::filled(columns, rows, 0);
        chains.iter().for_each(|chain| chain.fill(&mut mask, origin));
        let row = |row: &[u8]| row.iter().map(|v| if *v > 0 { '#' } else { '.' }).collect();
        mask.pixels.chunks(columns).map(row).collect()
    }

    #[test]
    fn every_code_goes_its_way_and_the_inside_is_filled() {
        // An octagon, clockwise, counted from one and from zero.
        let expected =
            [".......", "..###..", ".#####.", ".#####.", ".#####.", "..###..", "......."];
        let one = chain("3 2 2 2 3 4 4 5 6 6 7 0 0 1 #");
        assert_eq!(drawn(&[one], 7, 7, Origin::One), expected);
        let zero = chain("2 1 2 2 3 4 4 5 6 6 7 0 0 1 #");
        assert_eq!(zero.points(Origin::Zero).last(), Some(&(2, 1)));
        assert_eq!(drawn(&[zero], 7, 7, Origin::Zero), expected);
        // The other way around: the same region.
        let reversed = chain("2 1 5 4 4 3 2 2 1 0 0 7 6 6 #");
        assert_eq!(drawn(&[reversed], 7, 7, Origin::Zero), expected);
    }

    #[test]
    fn open_chains_are_closed_and_overrunning_ones_stay_filled() {
        let expected = [".....", ".###.", ".###.", ".###.", "....."];
        let open = chain("1 1 2 2 4 4 6 6 #");
        assert_eq!(drawn(&[open], 5, 5, Origin::Zero), expected);
        let overrun = chain("1 1 2 2 4 4 6 6 0 0 2 2 4 4 #");
        assert_eq!(drawn(&[overrun], 5, 5, Origin::Zero), expected);
        assert_eq!(drawn(&[chain("2 1 #")], 4, 2, Origin::Zero), ["....", "..#."]);
    }

    #[test]
    fn a_chain_that_leaves_the_image_is_known_and_draws_nothing() {
        let leaving = chain("0 0 2 2 4 6 6 0 #");
        assert!(leaving.is_inside(2, 3, Origin::Zero));
        assert!(!leaving.is_inside(2, 2, Origin::Zero));
        assert!(!leaving.is_inside(2, 3, Origin::One), "one before the first column");
        assert_eq!(drawn(&[leaving], 2, 2, Origin::Zero), ["..", ".."]);
        let far = Chain { start: (u32::MAX, u32::MAX), steps: vec![2; 9] };
        assert!(!far.is_inside(usize::MAX, 5, Origin::One));
    }

    #[test]
    fn lines_that_are_no_chain_say_why() {
        let why = |line: &str| Chain::parse(line.split_whitespace()).unwrap_err();
        assert!(why("").contains("no column"));
        assert!(why("12").contains("no row"));
        assert!(why("12 -3 0 #").contains("no row"));
        assert!(why("12 3 0 8 #").contains("\"8\""));
        assert!(why("12 3 0 1 2").contains("cut off"));
    }

    proptest! {
        /// The filled region holds the outline, and nothing outside it can be reached from the
        /// image's edge by crossing it.
        #[test]
        fn walks_fill_what_they_enclose(steps in proptest::collection::vec(0u8..8, 0..120)) {
            let size = 260;
            let walk = Chain { start: (130, 130), steps };
            let mut mask = Grey::filled(size, size, 0);
            walk.fill(&mut mask, Origin::Zero);
            for &(x, y) in &walk.points(Origin::Zero) {
                prop_assert_eq!(mask.at(x as usize, y as usize), 255);
            }
            // Every filled pixel lies between outline pixels of its row.
            let bounds = mask.bounds().unwrap();
            let xs: Vec<i64> = walk.points(Origin::Zero).iter().map(|p| p.0).collect();
            prop_assert!(bounds.x as i64 >= *xs.iter().min().unwrap());
            prop_assert!((bounds.x + bounds.width) as i64 <= *xs.iter().max().unwrap() + 1);
        }
    }
}
