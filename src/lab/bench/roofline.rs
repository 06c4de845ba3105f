//! The roofline of an adapter as SVG: operations a second by operations a byte, both on scales of tens, with the roofs
//! above and a point for each kernel below.

use std::collections::BTreeSet;

use super::{Measurement, Report};
use crate::lab::report::html::page::escape;
use crate::lab::report::style::{Colour, HAIRLINE, INK, LINES, MUTED, WHITE};

const WIDTH: f64 = 980.0;
const HEIGHT: f64 = 640.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 250.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 84.0;

/// Names that the legend has room for.
const MOST_NAMES: usize = 20;

/// Both scales: tens of what is at the left and right, at the bottom and top.
struct Scales {
    x: [f64; 2],
    y: [f64; 2],
}

impl Scales {
    fn new(points: &[&Measurement], report: &Report) -> Self {
        let intensity = points.iter().map(|row| intensity(row));
        let ceiling = &report.ceiling;
        let highest = ceiling.matrix_gflops.unwrap_or(0.0).max(ceiling.gflops);
        // The ridge of main memory is in sight, and what the slowest kernel does.
        let ridge = highest / ceiling.memory_gbps.max(1e-9);
        let slowest = points.iter().map(|row| row.gflops);
        let lowest = slowest.fold(ceiling.gflops / 100.0, f64::min);
        Scales {
            x: tens(intensity.chain([0.1, ridge])),
            y: tens([lowest, 1.3 * highest].into_iter()),
        }
    }

    /// Where a kernel of `x` operations a byte and `y` GFLOP/s stands.
    fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let share =
            |value: f64, [low, high]: [f64; 2]| (value.max(1e-12).log10() - low) / (high - low);
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        (LEFT + share(x, self.x) * (right - LEFT), bottom - share(y, self.y) * (bottom - TOP))
    }
}

/// The whole tens that hold all of `values`, at least one apart.
fn tens(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let (low, high) = values
        .filter(|value| value.is_finite() && *value > 0.0)
        .map(f64::log10)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), at| (low.min(at), high.max(at)));
    if low > high {
        return [0.0, 1.0];
    }
    let low = low.floor();
    [low, high.ceil().max(low + 1.0)]
}

fn intensity(row: &Measurement) -> f64 {
    row.flops as f64 / row.bytes.max(1) as f64
}

fn colour([red, green, blue]: Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// The drawing, a file of its own. Kernels without floating point operations have no place in it, and are counted.
pub fn roofline(report: &Report) -> String {
    let points: Vec<&Measurement> =
        report.results.iter().filter(|row| row.flops > 0 && row.gflops > 0.0).collect();
    let scales = Scales::new(&points, report);
    let mut body = grid(&scales) + &roofs(&scales, report);
    let names: Vec<&str> =
        points.iter().map(|row| &*row.op).collect::<BTreeSet<&str>>().into_iter().collect();
    for row in &points {
        let name = names.iter().position(|name| *name == row.op).unwrap_or_default();
        body += &point(&scales, row, LINES[name % LINES.len()]);
    }
    body += &legend(&names, report.results.len() - points.len());
    let (title, date) = (escape(&report.adapter), escape(&report.date));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"{ink}\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"{white}\"/>\n\
         <text x=\"{LEFT}\" y=\"28\" font-size=\"16\" font-weight=\"bold\">Roofline</text>\n\
         <text x=\"{LEFT}\" y=\"47\" fill=\"{muted}\">{title}, {date}</text>\n{body}</svg>\n",
        ink = colour(INK),
        white = colour(WHITE),
        muted = colour(MUTED),
    )
}

fn grid(scales: &Scales) -> String {
    let (right, bottom, line) = (WIDTH - RIGHT, HEIGHT - BOTTOM, colour(HAIRLINE));
    let whole = |[low, high]: [f64; 2]| (low as i32..=high as i32).map(|ten| 10f64.powi(ten));
    let mut out = String::new();
    for value in whole(scales.x) {
        let (x, _) = scales.place(value, 1.0);
        out += &format!(
            "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"{line}\"/><text x=\"{x:.1}\" y=\"{:.1}\" \
             text-anchor=\"middle\">{value}</text>\n",
            bottom + 18.0
        );
    }
    for value in whole(scales.y) {
        let (_, y) = scales.place(1.0, value);
        out += &format!(
            "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"{line}\"/><text x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"end\">{value}</text>\n",
            LEFT - 8.0,
            y + 4.0
        );
    }
    let (x, y) = ((LEFT + right) / 2.0, (TOP + bottom) / 2.0);
    out + &format!(
        "<text x=\"{x}\" y=\"{:.1}\" text-anchor=\"middle\">floating point operations a byte</text>\n\
         <text x=\"24\" y=\"{y}\" text-anchor=\"middle\" transform=\"rotate(-90 24 {y})\">GFLOP/s</text>\n",
        bottom + 40.0
    )
}

fn roofs(scales: &Scales, report: &Report) -> String {
    let ceiling = &report.ceiling;
    let ink = colour(INK);
    let mut out = String::new();
    let flat =
        [("multiply-add", Some(ceiling.gflops)), ("matrix units, f16", ceiling.matrix_gflops)];
    let highest = flat.iter().filter_map(|roof| roof.1).fold(0.0, f64::max);
    let (left, right) = (10f64.powf(scales.x[0]), 10f64.powf(scales.x[1]));
    for (name, gflops) in flat {
        let Some(gflops) = gflops else { continue };
        let (from, y) = scales.place((gflops / ceiling.memory_gbps.max(1e-9)).max(left), gflops);
        let (to, _) = scales.place(right, gflops);
        out += &format!(
            "<path d=\"M{from:.1} {y:.1}H{to:.1}\" stroke=\"{ink}\" stroke-width=\"2\"/><text x=\"{to:.1}\" \
             y=\"{:.1}\" text-anchor=\"end\">{name}, {gflops:.0} GFLOP/s</text>\n",
            y - 7.0
        );
    }
    let slopes = [
        ("main memory", ceiling.memory_gbps, ""),
        ("cache", ceiling.cache_gbps, " stroke-dasharray=\"7 4\""),
        ("workgroup memory", ceiling.workgroup_gbps, " stroke-dasharray=\"2 4\""),
    ];
    let bottom = 10f64.powf(scales.y[0]);
    for (name, gbps, dashes) in slopes {
        if gbps <= 0.0 {
            continue;
        }
        let start = left.max(bottom / gbps);
        let end = (highest / gbps).min(right);
        if end <= start {
            continue;
        }
        let ((x0, y0), (x1, y1)) =
            (scales.place(start, start * gbps), scales.place(end, end * gbps));
        let digits = usize::from(gbps < 10.0);
        let angle = (y1 - y0).atan2(x1 - x0).to_degrees();
        // Above the line, from its lower end.
        out += &format!(
            "<path d=\"M{x0:.1} {y0:.1}L{x1:.1} {y1:.1}\" stroke=\"{ink}\" stroke-width=\"2\"{dashes}/>\
             <text transform=\"translate({x0:.1} {y0:.1}) rotate({angle:.1})\" x=\"14\" y=\"-6\">{name}, {gbps:.digits$} \
             GB/s</text>\n"
        );
    }
    out
}

fn point(scales: &Scales, row: &Measurement, of: Colour) -> String {
    let (x, y) = scales.place(intensity(row), row.gflops);
    let (of, radius) = (colour(of), if row.default { 5.0 } else { 3.5 });
    let fill = if row.default { &of } else { "none" };
    let said = format!(
        "{}/{} {}: {:.1} GFLOP/s, {:.0} % of {}",
        row.op,
        row.variant,
        row.case,
        row.gflops,
        100.0 * row.share_of_roof,
        row.roof
    );
    format!(
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{fill}\" stroke=\"{of}\" \
         stroke-width=\"1.5\"><title>{}</title></circle>\n",
        escape(&said)
    )
}

fn legend(names: &[&str], left_out: usize) -> String {
    let x = WIDTH - RIGHT + 22.0;
    let mut out = String::new();
    let mut y = TOP + 8.0;
    for (index, name) in names.iter().take(MOST_NAMES).enumerate() {
        let of = colour(LINES[index % LINES.len()]);
        out += &format!(
            "<circle cx=\"{x}\" cy=\"{y:.1}\" r=\"5\" fill=\"{of}\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
            x + 12.0,
            y + 4.0,
            escape(name)
        );
        y += 20.0;
    }
    let mut notes = vec!["filled: what is used by default".to_owned()];
    if names.len() > LINES.len() {
        notes.push("point at a kernel to see its name".to_owned());
    }
    if left_out > 0 {
        notes.push(format!("{left_out} without such operations left out"));
    }
    let muted = colour(MUTED);
    for note in notes {
        y += 4.0;
        out += &format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{muted}\">{note}</text>\n",
            x - 6.0,
            y + 10.0
        );
        y += 16.0;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn kernels_stand_below_the_roofs() {
        let mut report = report();
        report.results[0].case = "<n=8&h=19>".to_owned();
        let mut copy = report.results[0].clone();
        copy.flops = 0;
        report.results.push(copy);
        let text = roofline(&report);
        assert_eq!(text.matches("<title>").count(), 1, "a copy has no operations");
        assert!(
            text.contains("1 without such operations") && text.contains("&lt;n=8&amp;h=19&gt;")
        );
        for roof in ["multiply-add, 100 GFLOP/s", "main memory, 10 GB/s", "cache, 20 GB/s"] {
            assert!(text.contains(roof), "{roof}");
        }
        assert!(!text.contains("matrix units") && !text.contains("NaN") && !text.contains("inf"));
        report.ceiling.matrix_gflops = Some(800.0);
        assert!(roofline(&report).contains("matrix units, f16, 800 GFLOP/s"));
        report.results.clear();
        assert!(!roofline(&report).contains("NaN"));
    }

    #[test]
    fn scales_are_whole_tens() {
        assert_eq!(tens([3.0, 250.0].into_iter()), [0.0, 3.0]);
        assert_eq!(tens([0.02].into_iter()), [-2.0, -1.0]);
        assert_eq!(tens([f64::NAN, 0.0].into_iter()), [0.0, 1.0]);
    }
}
