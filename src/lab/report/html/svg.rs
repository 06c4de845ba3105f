//! A small chart as inline SVG. Its colours come from the page's style, so that it follows light, dark and print.

use super::page::escape;

/// The drawing's size in its own units; the page scales it.
const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 290.0;
const LEFT: f64 = 42.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 40.0;

/// One axis.
pub struct Axis {
    /// What it measures.
    pub title: &'static str,
    /// Its ends.
    pub range: [f64; 2],
    /// Between two ticks.
    pub step: f64,
    /// Of the ticks' numbers.
    pub decimals: usize,
}

/// A chart that grows by what is drawn into it.
pub struct Chart {
    axes: [Axis; 2],
    body: String,
    /// Of every point's name: left, right, base line.
    names: Vec<[f64; 3]>,
}

impl Chart {
    /// Axes and grid.
    pub fn new(x: Axis, y: Axis) -> Self {
        let mut chart = Chart { axes: [x, y], body: String::new(), names: Vec::new() };
        let [bottom, right] = [HEIGHT - BOTTOM, WIDTH - RIGHT];
        for value in ticks(&chart.axes[0]) {
            let (at, _) = chart.place(value, 0.0);
            let number = format!("{value:.*}", chart.axes[0].decimals);
            chart.body += &format!(
                "<path class=\"grid\" d=\"M{at:.1} {TOP}V{bottom}\"/><text x=\"{at:.1}\" y=\"{}\" \
                 text-anchor=\"middle\">{number}</text>\n",
                bottom + 15.0
            );
        }
        for value in ticks(&chart.axes[1]) {
            let (_, at) = chart.place(0.0, value);
            let number = format!("{value:.*}", chart.axes[1].decimals);
            chart.body += &format!(
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right}\"/><text x=\"{}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{number}</text>\n",
                LEFT - 6.0,
                at + 4.0
            );
        }
        let (x, y) = ((LEFT + right) / 2.0, (TOP + bottom) / 2.0);
        let [horizontal, vertical] = [escape(chart.axes[0].title), escape(chart.axes[1].title)];
        chart.body += &format!(
            "<text class=\"axis\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{horizontal}</text>\n\
             <text class=\"axis\" x=\"12\" y=\"{y}\" text-anchor=\"middle\" transform=\"rotate(-90 12 {y})\">\
             {vertical}</text>\n",
            HEIGHT - 6.0
        );
        chart
    }

    /// A line through (index, value) for all `values`.
    pub fn curve(&mut self, class: &str, values: &[f64]) {
        let at = |(index, &value): (usize, &f64)| (index as f64, value);
        self.path(class, &values.iter().enumerate().map(at).collect::<Vec<_>>());
    }

    /// A line through `points`.
    pub fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let place = |&(x, y): &(f64, f64)| {
            let (x, y) = self.place(x, y);
            format!("{x:.1},{y:.1}")
        };
        let points: Vec<String> = points.iter().map(place).collect();
        self.body += &format!("<polyline class=\"{class}\" points=\"{}\"/>\n", points.join(" "));
    }

    /// Points (x, y) without names beside them: their words are for whoever points at one.
    pub fn dots(&mut self, class: &str, points: &[(f64, f64, String)]) {
        for (x, y, words) in points {
            let (x, y) = self.place(*x, *y);
            self.body += &format!(
                "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\"><title>{}</title></circle>\n",
                escape(words)
            );
        }
    }

    /// A point with its name beside it, and lines from low to high of x and of y where they have a length.
    pub fn point(&mut self, class: &str, name: &str, x: [f64; 3], y: [f64; 3]) {
        let (centre, middle) = self.place(x[0], y[0]);
        let (left, top) = self.place(x[1], y[2]);
        let (right, bottom) = self.place(x[2], y[1]);
        if left < right {
            self.body +=
                &format!("<path class=\"{class}\" d=\"M{left:.1} {middle:.1}H{right:.1}\"/>\n");
        }
        if top < bottom {
            self.body +=
                &format!("<path class=\"{class}\" d=\"M{centre:.1} {top:.1}V{bottom:.1}\"/>\n");
        }
        let (beside, above, anchor) = self.room(name, centre, middle);
        self.body += &format!(
            "<circle class=\"{class}\" cx=\"{centre:.1}\" cy=\"{middle:.1}\" r=\"2.5\"><title>{name}: {:.3}, {:.3}\
             </title></circle><text x=\"{beside:.1}\" y=\"{above:.1}\" text-anchor=\"{anchor}\">{name}</text>\n",
            x[0],
            y[0],
            name = escape(name),
        );
    }

    /// Where the name of the point at (x, y) meets no other name: position and anchor. The nearest place is taken, or
    /// the first where all are.
    fn room(&mut self, name: &str, x: f64, y: f64) -> (f64, f64, &'static str) {
        let width = 6.2 * name.chars().count() as f64;
        let places = [-6.0, 14.0, 4.0, -21.0, 29.0].into_iter().flat_map(|down| {
            [(x + 9.0, x + 9.0, y + down, "start"), (x - 9.0 - width, x - 9.0, y + down, "end")]
        });
        let free = |&(left, _, base, _): &(f64, f64, f64, &str)| {
            let inside =
                left > LEFT && left + width < WIDTH - RIGHT && base < HEIGHT - BOTTOM - 2.0;
            let apart = |&[from, to, other]: &[f64; 3]| {
                to < left || left + width < from || (base - other).abs() >= 11.0
            };
            inside && self.names.iter().all(apart)
        };
        let place = places.clone().find(free).unwrap_or((x + 9.0, x + 9.0, y + 4.0, "start"));
        self.names.push([place.0, place.0 + width, place.2]);
        (place.1, place.2, place.3)
    }

    /// The SVG; `words` say what it shows to whoever cannot see it.
    pub fn html(&self, words: &str) -> String {
        let words = escape(words);
        format!(
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{words}\">\n{}</svg>\n",
            self.body
        )
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
