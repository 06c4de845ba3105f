//! A report as CSV, for a spreadsheet: a line a row, kernels first, then what models were run for.

use super::{Measurement, ModelTiming, Phase, PhaseTiming, Report, Timing};

/// The columns. Those of shapes are of the first input of four dimensions and of the result, batch x height x width
/// x channels; `inputs` has all of them.
const HEADER: [&str; 32] = [
    "op",
    "variant",
    "case",
    "ms",
    "ms_min",
    "ms_max",
    "samples",
    "gflops",
    "gbps",
    "share_of_ceiling",
    "default",
    "checked",
    "ms_q1",
    "ms_q3",
    "images_per_second",
    "ms_low",
    "ms_high",
    "flops",
    "bytes",
    "in_n",
    "in_h",
    "in_w",
    "in_c",
    "out_n",
    "out_h",
    "out_w",
    "out_c",
    "inputs",
    "roof",
    "share_of_roof",
    "adapter",
    "date",
];

impl Report {
    /// One line a row, with a header. A cell that means nothing for a row is empty.
    pub fn csv(&self) -> String {
        let mut text = HEADER.join(",") + "\n";
        let models = self.models.iter().flat_map(phases);
        let rows = self.results.iter().map(kernel).chain(models);
        for mut row in rows {
            row.extend([("adapter", self.adapter.clone()), ("date", self.date.clone())]);
            let cell = |name: &&str| {
                row.iter()
                    .find(|(own, _)| own == name)
                    .map_or(String::new(), |(_, cell)| quoted(cell))
            };
            text += &HEADER.iter().map(cell).collect::<Vec<_>>().join(",");
            text.push('\n');
        }
        text
    }
}

/// Cells by the names of their columns.
type Cells = Vec<(&'static str, String)>;

fn kernel(row: &Measurement) -> Cells {
    let mut cells = vec![
        ("op", row.op.clone()),
        ("variant", row.variant.clone()),
        ("case", row.case.clone()),
        ("gflops", format!("{:.3}", row.gflops)),
        ("gbps", format!("{:.3}", row.gbps)),
        ("share_of_ceiling", format!("{:.4}", row.share_of_ceiling)),
        ("roof", row.roof.to_string()),
        ("share_of_roof", format!("{:.4}", row.share_of_roof)),
        ("default", row.default.to_string()),
        ("checked", row.checked.clone()),
        ("flops", row.flops.to_string()),
        ("bytes", row.bytes.to_string()),
        ("inputs", row.inputs.iter().map(|dims| joined(dims)).collect::<Vec<_>>().join(" ")),
    ];
    let first = row.inputs.iter().find(|dims| dims.len() == 4);
    let shapes = [
        (["in_n", "in_h", "in_w", "in_c"], first),
        (["out_n", "out_h", "out_w", "out_c"], Some(&row.output).filter(|dims| dims.len() == 4)),
    ];
    for (names, dims) in shapes {
        cells.extend(
            names
                .into_iter()
                .zip(dims.into_iter().flatten())
                .map(|(name, size)| (name, size.to_string())),
        );
    }
    cells.extend(timed(&row.timing));
    cells
}

fn phases(model: &ModelTiming) -> Vec<Cells> {
    let of = |(phase, timing): (Phase, &Option<PhaseTiming>)| {
        let PhaseTiming { timing, images_per_second, gflops, flops, .. } = timing.as_ref()?;
        let [height, width] = model.input;
        let mut cells = vec![
            ("op", phase.name().replace(' ', "-")),
            ("variant", model.model.clone()),
            ("case", format!("batch {}, {height}x{width}", model.batch)),
            ("gflops", format!("{gflops:.3}")),
            ("flops", flops.to_string()),
            ("images_per_second", format!("{images_per_second:.3}")),
            ("in_n", model.batch.to_string()),
            ("in_h", height.to_string()),
            ("in_w", width.to_string()),
        ];
        cells.extend(timed(timing));
        Some(cells)
    };
    let timings = [
        (Phase::Forward, &model.forward),
        (Phase::GradCam, &model.grad_cam),
        (Phase::TrainingStep, &model.training_step),
    ];
    timings.into_iter().filter_map(of).collect()
}

fn timed(timing: &Timing) -> Cells {
    let times = [
        ("ms", timing.ms),
        ("ms_min", timing.ms_min),
        ("ms_max", timing.ms_max),
        ("ms_q1", timing.ms_q1),
        ("ms_q3", timing.ms_q3),
        ("ms_low", timing.ms_low),
        ("ms_high", timing.ms_high),
    ];
    let mut cells: Cells = times.map(|(name, ms)| (name, ms.to_string())).into();
    cells.push(("samples", timing.samples.to_string()));
    cells
}

fn joined(dims: &[usize]) -> String {
    dims.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n']) {
        return format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell.to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn every_row_has_its_cells_under_their_names() {
        let report = report();
        let csv = report.csv();
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let header = reader.headers().unwrap().clone();
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!((header.len(), rows.len()), (HEADER.len(), 2));
        let cell = |row: usize, name: &str| {
            rows[row].get(header.iter().position(|own| own == name).unwrap()).unwrap().to_owned()
        };
        for (name, value) in [
            ("op", "conv2d"),
            ("variant", "tiled"),
            ("case", "n=8,h=19"),
            ("ms", "2"),
            ("samples", "13"),
            ("share_of_ceiling", "0.5000"),
            ("default", "true"),
            ("flops", "50000000"),
            ("bytes", "10000000"),
            ("in_h", "19"),
            ("out_c", "728"),
            ("roof", "memory"),
            ("share_of_roof", "0.5000"),
            ("inputs", "8x19x19x728 1x1x728x728"),
            ("adapter", report.adapter.as_str()),
            ("images_per_second", ""),
        ] {
            assert_eq!(cell(0, name), value, "{name}");
        }
        for (name, value) in [
            ("op", "training-step"),
            ("variant", "compact-xception"),
            ("case", "batch 4, 9x8"),
            ("gflops", "25.000"),
            ("gbps", ""),
            ("images_per_second", "2000.000"),
            ("in_n", "4"),
            ("in_c", ""),
        ] {
            assert_eq!(cell(1, name), value, "{name}");
        }
    }
}
