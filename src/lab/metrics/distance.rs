//! The exact Euclidean distance transform: of every point of a grid the squared distance to the nearest marked
//! one, in time that grows with the points alone.
//!
//! ```text
//! g(y, x)    = least |y - j| over the marked (j, x) of the column           down, then up
//! d2(y, x)   = least (x - i)^2 + g(y, i)^2 over the columns i               the lower envelope of parabolas
//! ```
//! Meijster, Roerdink and Hesselink 2000, *A general algorithm for computing distance transforms in linear time*.
//! All of it is in whole numbers, so nothing is rounded.

/// Squared distances to the marked points of a grid, row by row.
#[derive(Debug)]
pub struct Distances {
    /// To the nearest marked point of the own column; more than any distance where it has none.
    columns: Vec<u32>,
    width: usize,
    // The parabolas of the row's lower envelope: their columns, and from where on each is the lowest.
    lowest: Vec<(usize, usize)>,
    row: Vec<u64>,
}

impl Distances {
    /// To the points of (height, width) `size` that `marked` marks, row by row; none where it marks none.
    pub fn new(marked: &[bool], [height, width]: [usize; 2]) -> Option<Self> {
        if !marked.contains(&true) {
            return None;
        }
        let far = (height + width) as u32;
        let mut columns = vec![far; height * width];
        for y in 0..height {
            for x in 0..width {
                let at = y * width + x;
                let above = if y == 0 { far } else { columns[at - width] + 1 };
                columns[at] = if marked[at] { 0 } else { above.min(far) };
            }
        }
        for at in (0..columns.len() - width).rev() {
            columns[at] = columns[at].min(columns[at + width] + 1);
        }
        let row = vec![0; width];
        Some(Distances { columns, width, lowest: Vec::with_capacity(width), row })
    }

    /// The squared distances of the points of row `y`.
    pub fn row(&mut self, y: usize) -> &[u64] {
        let own = &self.columns[y * self.width..(y + 1) * self.width];
        let parabola = |x: usize, i: usize| {
            let (across, down) = (x.abs_diff(i) as u64, u64::from(own[i]));
            across * across + down * down
        };
        self.lowest.clear();
        for u in 0..self.width {
            // What the new one is below of from its own beginning on is nowhere the lowest.
            while self.lowest.last().is_some_and(|&(i, from)| parabola(from, i) > parabola(from, u))
            {
                self.lowest.pop();
            }
            let Some(&(i, _)) = self.lowest.last() else {
                self.lowest.push((u, 0));
                continue;
            };
            // The last x at which i's is not above u's; u's is not below at i's beginning, so it is no less than 0.
            let square = |i: usize| (i * i) as i64 + i64::from(own[i]) * i64::from(own[i]);
            let from = 1 + (square(u) - square(i)) / (2 * (u - i) as i64);
            if (from as usize) < self.width {
                self.lowest.push((u, from as usize));
            }
        }
        for x in (0..self.width).rev() {
            // The first begins at 0, so there is always one.
            if let Some(&(i, from)) = self.lowest.last() {
                self.row[x] = parabola(x, i);
                if x == from {
                    self.lowest.pop();
                }
            }
        }
        &self.row
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(marked: &[bool], size: [usize; 2]) -> Option<Vec<u64>> {
        let mut distances = Distances::new(marked, size)?;
        Some((0..size[0]).flat_map(|y| distances.row(y).to_vec()).collect())
    }

    #[test]
    fn one_point_is_a_circle_and_none_is_none() {
        let mut marked = [false; 12];
        assert_eq!(all(&marked, [3, 4]), None);
        marked[5] = true;
        assert_eq!(all(&marked, [3, 4]).unwrap(), [2, 1, 2, 5, 1, 0, 1, 4, 2, 1, 2, 5]);
        assert_eq!(all(&[true], [1, 1]).unwrap(), [0]);
    }

    proptest! {
        #[test]
        fn it_is_the_least_of_all(
            points in prop::collection::vec(0u8..12, 1..160), width in 1usize..24
        ) {
            let height = points.len().div_ceil(width);
            let mut marked: Vec<bool> = points.iter().map(|&point| point == 0).collect();
            marked.resize(height * width, false);
            let own: Vec<usize> = (0..marked.len()).filter(|&at| marked[at]).collect();
            let least = |at: usize| {
                let to = |&other: &usize| {
                    let down = (at / width).abs_diff(other / width);
                    let across = (at % width).abs_diff(other % width);
                    (down * down + across * across) as u64
                };
                own.iter().map(to).min()
            };
            let expected: Option<Vec<u64>> = (0..marked.len()).map(least).collect();
            prop_assert_eq!(all(&marked, [height, width]), expected);
        }
    }
}
