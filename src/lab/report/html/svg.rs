//! A chart as inline SVG. Its colours come from the page's style, so that it follows light, dark and print.

use super::page::escape;
use crate::lab::report::plot::{Chart, HEIGHT, Mark, Pen, WIDTH, Words};
use crate::lab::report::text::Align;

/// Lines of the page's style that are told apart.
const COLOURS: usize = 8;

/// The classes of a line in the page's style.
fn class(pen: Pen) -> String {
    match pen {
        Pen::Grid => "grid".to_owned(),
        Pen::Model(index) => format!("line c{}", index % COLOURS),
        Pen::Trivial(index) => format!("line baseline b{index}"),
        Pen::Published => "line paper".to_owned(),
        Pen::Leader => "leader".to_owned(),
    }
}

/// The SVG of `chart`; `words` say what it shows to whoever cannot see it. Its legend is [`legend`].
pub fn chart(chart: &Chart, words: &str) -> String {
    let words = escape(words);
    let body: String = chart.marks().iter().map(mark).collect();
    format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{words}\">\n{body}</svg>\n{}",
        full(chart)
    )
}

/// That some names have no room, where some have none.
fn full(chart: &Chart) -> String {
    match chart.left_out() {
        0 => String::new(),
        count => format!("<p>{count} names have no room: point at a mark to read its name.</p>\n"),
    }
}

/// What the lines are.
pub fn legend(chart: &Chart) -> String {
    let entry = |(pen, name): &(Pen, String)| {
        format!(
            "<li><svg viewBox=\"0 0 24 8\" aria-hidden=\"true\"><path class=\"{}\" d=\"M0 4H24\"/></svg>{}</li>",
            class(*pen),
            escape(name)
        )
    };
    format!("<ul class=\"legend\">{}</ul>\n", chart.legend().iter().map(entry).collect::<String>())
}

fn mark(mark: &Mark) -> String {
    let disc = |class: &str, (x, y): (f64, f64), words: &str| {
        format!(
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\"><title>{}</title></circle>\n",
            escape(words)
        )
    };
    match mark {
        Mark::Line(pen, places) => {
            let places: Vec<String> =
                places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            format!("<polyline class=\"{}\" points=\"{}\"/>\n", class(*pen), places.join(" "))
        }
        Mark::Spread(pen, [(x, y), (to_x, to_y)]) => {
            let class = class(*pen).replace("line", "point");
            format!("<path class=\"{class}\" d=\"M{x:.1} {y:.1}L{to_x:.1} {to_y:.1}\"/>\n")
        }
        Mark::Disc(pen, at, words) => disc(&class(*pen).replace("line", "point"), *at, words),
        Mark::Dot(pen, at, words) => disc(&class(*pen).replace("line", "dot"), *at, words),
        Mark::Text(words, (x, y), align, text) => {
            let class = match words {
                Words::Tick => String::new(),
                Words::Axis | Words::Upwards => " class=\"axis\"".to_owned(),
                Words::Name => " class=\"name\"".to_owned(),
            };
            let turned = match words {
                Words::Upwards => format!(" transform=\"rotate(-90 {x:.1} {y:.1})\""),
                _ => String::new(),
            };
            let anchor = match align {
                Align::Left => "start",
                Align::Centre => "middle",
                Align::Right => "end",
            };
            format!(
                "<text{class} x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{turned}>{}</text>\n",
                escape(text)
            )
        }
    }
}
