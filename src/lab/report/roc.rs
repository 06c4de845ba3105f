//! ROC curves: which share of the positive images is called so, against the share of the others that is, too.

use super::plot::{Axis, Chart, Pen};

/// The most curves of one chart: as many as there are colours that can be told apart.
pub const MOST: usize = super::style::LINES.len();

/// A curve, and what it is of.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Its name, which curves of one colour share.
    pub name: String,
    /// Which colour.
    pub colour: usize,
    /// (False positive rate, sensitivity), both from 0 to 1, from the highest threshold to the lowest; none where
    /// the images are all of one side.
    pub points: Vec<(f64, f64)>,
}

/// The `curves`, before the line of who guesses. One without points stands in the legend alone.
pub fn chart(curves: &[Curve]) -> Chart {
    let axis = |title| Axis { title, range: [0.0, 1.0], step: 0.2, decimals: 1 };
    let mut chart = Chart::new(axis("false positive rate: 1 - specificity"), axis("sensitivity"));
    chart.path(Pen::Trivial(0), &[(0.0, 0.0), (1.0, 1.0)]);
    let mut named: Option<&str> = None;
    for Curve { name, colour, points } in curves {
        let pen = Pen::Model(*colour);
        chart.path(pen, points);
        if named != Some(name) {
            match points.is_empty() {
                true => {
                    chart.explain(pen, &format!("{name}: no curve, all images are of one side"))
                }
                false => chart.explain(pen, name),
            }
            named = Some(name);
        }
    }
    chart.explain(Pen::Trivial(0), "who guesses");
    chart
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::report::plot::Mark;

    #[test]
    fn curves_of_one_name_share_a_line_of_the_legend_and_an_empty_one_says_why() {
        let curve = |name: &str, colour, points: &[(f64, f64)]| Curve {
            name: name.to_owned(),
            colour,
            points: points.to_vec(),
        };
        let corner = [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)];
        let chart = chart(&[curve("a", 0, &corner), curve("a", 0, &corner), curve("b", 1, &[])]);
        let legend: Vec<(Pen, &str)> =
            chart.legend().iter().map(|(pen, name)| (*pen, name.as_str())).collect();
        assert_eq!(
            legend,
            [
                (Pen::Model(0), "a"),
                (Pen::Model(1), "b: no curve, all images are of one side"),
                (Pen::Trivial(0), "who guesses"),
            ]
        );
        let lines = chart.marks().into_iter().filter_map(|mark| match mark {
            Mark::Line(Pen::Model(0), places) => Some(places),
            _ => None,
        });
        let lines: Vec<_> = lines.collect();
        assert_eq!(lines.len(), 2);
        // Up along the axis, then across.
        let [start, top, end] = lines[0][..] else { panic!("{:?}", lines[0]) };
        assert!(start.0 == top.0 && top.1 == end.1 && top.1 < start.1 && end.0 > top.0);
    }
}
