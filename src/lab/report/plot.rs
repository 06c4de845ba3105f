//! A chart as a list of what is drawn: lines, discs and words, by what they are and not by how they look. The page
//! (`html/svg.rs`) and the files for a paper (`plot_file.rs`) both draw this list.

use super::labels::{self, Area, Segment};
use super::text::{Align, Weight};

/// The drawing's size in its own units.
pub const WIDTH: f64 = 440.0;
/// The same from top to bottom.
pub const HEIGHT: f64 = 290.0;
/// The size of its letters.
pub const LETTERS: f64 = 11.0;
/// The radius of a point's mark, its line included.
pub const MARK: f64 = 5.0;
/// The radius of a mark that is one of many.
pub const DOT: f64 = 3.1;
const LEFT: f64 = 42.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 40.0;
/// From a name's upper edge to its lower one, and from its base line up.
const NAME: (f64, f64) = (12.5, 9.5);

/// One axis.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    /// What it measures, with its unit.
    pub title: &'static str,
    /// Its ends.
    pub range: [f64; 2],
    /// Between two ticks.
    pub step: f64,
    /// Of the ticks' numbers.
    pub decimals: usize,
}

/// What a line or a mark stands for, which decides how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pen {
    /// The grid behind.
    Grid,
    /// The model of this number.
    Model(usize),
    /// The map of this number that looks at nothing, or what stands for guessing.
    Trivial(usize),
    /// What the paper has.
    Published,
    /// From a mark to its name.
    Leader,
}

/// What some words are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// The number of a tick.
    Tick,
    /// What an axis measures.
    Axis,
    /// What an axis measures, from below to above.
    Upwards,
    /// The name of a point.
    Name,
}

/// One thing that is drawn.
#[derive(Clone, Debug)]
pub enum Mark {
    /// A line through places.
    Line(Pen, Vec<(f64, f64)>),
    /// How far a point may be off, across or up.
    Spread(Pen, Segment),
    /// The mark of a point, whose words are for whoever points at it.
    Disc(Pen, (f64, f64), String),
    /// The same, one of many.
    Dot(Pen, (f64, f64), String),
    /// Words with their base line at a place.
    Text(Words, (f64, f64), Align, String),
}

/// A point whose name is placed when all points are there.
#[derive(Clone, Debug)]
struct Named {
    at: (f64, f64),
    name: String,
}

/// A chart that grows by what is drawn into it.
#[derive(Clone, Debug)]
pub struct Chart {
    axes: [Axis; 2],
    marks: Vec<Mark>,
    named: Vec<Named>,
    /// Lines that names keep off where they can.
    lines: Vec<Segment>,
    legend: Vec<(Pen, String)>,
}

impl Chart {
    /// Axes and grid.
    pub fn new(x: Axis, y: Axis) -> Self {
        let [bottom, right] = [HEIGHT - BOTTOM, WIDTH - RIGHT];
        let mut chart = Chart {
            axes: [x, y],
            marks: Vec::new(),
            named: Vec::new(),
            lines: Vec::new(),
            legend: Vec::new(),
        };
        for value in ticks(&x) {
            let (at, _) = chart.place(value, 0.0);
            chart.marks.push(Mark::Line(Pen::Grid, vec![(at, TOP), (at, bottom)]));
            let number = format!("{value:.*}", x.decimals);
            chart.marks.push(Mark::Text(Words::Tick, (at, bottom + 15.0), Align::Centre, number));
        }
        for value in ticks(&y) {
            let (_, at) = chart.place(0.0, value);
            chart.marks.push(Mark::Line(Pen::Grid, vec![(LEFT, at), (right, at)]));
            let number = format!("{value:.*}", y.decimals);
            let place = (LEFT - 6.0, at + 4.0);
            chart.marks.push(Mark::Text(Words::Tick, place, Align::Right, number));
        }
        let (across, up) = ((LEFT + right) / 2.0, (TOP + bottom) / 2.0);
        let titles =
            [(Words::Axis, (across, HEIGHT - 6.0), x.title), (Words::Upwards, (12.0, up), y.title)];
        for (words, place, title) in titles {
            chart.marks.push(Mark::Text(words, place, Align::Centre, title.to_owned()));
        }
        chart
    }

    /// A line through (index, value) for all `values`.
    pub fn curve(&mut self, pen: Pen, values: &[f64]) {
        let at = |(index, &value): (usize, &f64)| (index as f64, value);
        self.path(pen, &values.iter().enumerate().map(at).collect::<Vec<_>>());
    }

    /// A line through `points`.
    pub fn path(&mut self, pen: Pen, points: &[(f64, f64)]) {
        let places = points.iter().map(|&(x, y)| self.place(x, y)).collect();
        self.marks.push(Mark::Line(pen, places));
    }

    /// Points (x, y) without names beside them: their words are for whoever points at one.
    pub fn dots(&mut self, pen: Pen, points: &[(f64, f64, String)]) {
        for (x, y, words) in points {
            let mark = Mark::Dot(pen, self.place(*x, *y), words.clone());
            self.marks.push(mark);
        }
    }

    /// A point with its name beside it, and lines from low to high of x and of y where they have a length.
    pub fn point(&mut self, pen: Pen, name: &str, x: [f64; 3], y: [f64; 3]) {
        let at = self.place(x[0], y[0]);
        let (left, top) = self.place(x[1], y[2]);
        let (right, bottom) = self.place(x[2], y[1]);
        let lines = [[(left, at.1), (right, at.1)], [(at.0, top), (at.0, bottom)]];
        let long = [left < right, top < bottom];
        for (line, _) in lines.into_iter().zip(long).filter(|(_, long)| *long) {
            self.marks.push(Mark::Spread(pen, line));
            self.lines.push(line);
        }
        let words = format!("{name}: {:.3}, {:.3}", x[0], y[0]);
        self.marks.push(Mark::Disc(pen, at, words));
        self.named.push(Named { at, name: name.to_owned() });
    }

    /// Says what the lines of `pen` are.
    pub fn explain(&mut self, pen: Pen, name: &str) {
        self.legend.push((pen, name.to_owned()));
    }

    /// What stands below the chart: pens and what they stand for.
    pub fn legend(&self) -> &[(Pen, String)] {
        &self.legend
    }

    /// How many names of points have no room, and stand only in the words of their marks.
    pub fn left_out(&self) -> usize {
        self.labels().iter().filter(|label| label.is_none()).count()
    }

    /// Everything that is drawn, what is in front last.
    pub fn marks(&self) -> Vec<Mark> {
        let (mut leaders, mut names) = (Vec::new(), Vec::new());
        for (named, label) in self.named.iter().zip(self.labels()) {
            let Some(label) = label else { continue };
            leaders.extend(label.leader.map(|line| Mark::Line(Pen::Leader, line.to_vec())));
            // The end that is beside the mark stands still, whatever font is as wide as it likes.
            let Area { left, top, right, .. } = label.area;
            let (x, align) = match named.at.0 {
                x if right <= x => (right, Align::Right),
                x if left >= x => (left, Align::Left),
                _ => ((left + right) / 2.0, Align::Centre),
            };
            let base = (x, top + NAME.1);
            names.push(Mark::Text(Words::Name, base, align, named.name.clone()));
        }
        let is_grid = |mark: &&Mark| matches!(mark, Mark::Line(Pen::Grid, _));
        let grid = self.marks.iter().filter(is_grid).cloned();
        let rest = self.marks.iter().filter(|mark| !is_grid(mark)).cloned();
        // A leader begins below its mark.
        grid.chain(leaders).chain(rest).chain(names).collect()
    }

    fn labels(&self) -> Vec<Option<labels::Label>> {
        let frame =
            Area { left: LEFT + 1.0, top: TOP, right: WIDTH - 1.0, bottom: HEIGHT - BOTTOM - 1.0 };
        // The page's font may be wider than the one of the files.
        let width = |name: &str| 1.08 * f64::from(Weight::Regular.width(LETTERS as f32, name));
        let point =
            |one: &Named| labels::Point { at: one.at, reach: MARK, width: width(&one.name) };
        let points: Vec<labels::Point> = self.named.iter().map(point).collect();
        labels::place(&points, NAME.0, &self.lines, frame)
    }

    fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let share = |axis: &Axis, value: f64| {
            ((value - axis.range[0]) / (axis.range[1] - axis.range[0])).clamp(0.0, 1.0)
        };
        let [across, up] = [share(&self.axes[0], x), share(&self.axes[1], y)];
        (LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM))
    }
}

/// More are not drawn: they would be one grey surface.
const MOST_TICKS: usize = 100;

fn ticks(axis: &Axis) -> Vec<f64> {
    let count = ((axis.range[1] - axis.range[0]) / axis.step + 1e-9).floor() as usize;
    (0..=count.min(MOST_TICKS)).map(|index| axis.range[0] + index as f64 * axis.step).collect()
}
