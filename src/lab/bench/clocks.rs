//! The clocks of the GPU while kernels are timed, where the system tells: by `nvidia-smi`, by the files of the Linux
//! drivers for AMD and Intel, and for a software adapter by what the kernel says of the processor.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Serialize;

use super::machine::line;
use super::timing::quantile;
use crate::engine::gpu::AdapterReport;

/// How fast the clocks went, over all times that they were looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Clocks {
    /// Who told.
    pub source: String,
    /// Of the units that compute.
    pub core: Span,
    /// Of memory, where it is told.
    pub memory: Option<Span>,
    /// How often they were looked at.
    pub samples: usize,
}

/// In MHz.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Span {
    /// The slowest.
    pub low_mhz: f64,
    /// The median.
    pub median_mhz: f64,
    /// The fastest.
    pub high_mhz: f64,
}

impl Span {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let at = |share| quantile(&values, share);
        (!values.is_empty()).then(|| Span {
            low_mhz: at(0.0),
            median_mhz: at(0.5),
            high_mhz: at(1.0),
        })
    }
}

/// Who tells of an adapter's clocks.
#[derive(Clone, Debug, PartialEq)]
enum Source {
    /// `nvidia-smi`, of the GPU of this name.
    Nvidia(String),
    /// The folder of a card of AMD's driver.
    Amd(PathBuf),
    /// The file of a card of Intel's drivers.
    Intel(PathBuf),
    Processor,
}

/// Looks at clocks, and remembers what they were.
#[derive(Debug)]
pub struct Watch {
    source: Source,
    core: Vec<f64>,
    memory: Vec<f64>,
}

impl Watch {
    /// Of the adapter `of`; none where the system does not tell of it.
    pub fn new(of: &AdapterReport) -> Option<Self> {
        let found = sources(of).into_iter().find(|source| source.read().is_some());
        found.map(|source| Watch { source, core: Vec::new(), memory: Vec::new() })
    }

    /// Looks once more, while or right after something ran.
    pub fn look(&mut self) {
        if let Some((core, memory)) = self.source.read() {
            self.core.push(core);
            self.memory.extend(memory);
        }
    }

    /// What was seen so far; none where nobody has looked.
    pub fn clocks(&self) -> Option<Clocks> {
        let source = match &self.source {
            Source::Nvidia(_) => "nvidia-smi".to_owned(),
            Source::Amd(path) | Source::Intel(path) => path.display().to_string(),
            Source::Processor => "/proc/cpuinfo".to_owned(),
        };
        let (core, memory) = (Span::of(self.core.clone())?, Span::of(self.memory.clone()));
        Some(Clocks { source, core, memory, samples: self.core.len() })
    }
}

/// Who may tell of an adapter: those that are there, and know nothing of it, are found out by asking.
fn sources(of: &AdapterReport) -> Vec<Source> {
    if of.kind == "cpu" {
        return vec![Source::Processor];
    }
    if of.name.contains("NVIDIA") {
        return vec![Source::Nvidia(of.name.clone())];
    }
    let cards = || (0..16).map(|card| PathBuf::from(format!("/sys/class/drm/card{card}")));
    if of.name.contains("AMD") || of.name.contains("Radeon") {
        return cards().map(|card| Source::Amd(card.join("device"))).collect();
    }
    if of.name.contains("Intel") {
        let files = ["gt_act_freq_mhz", "device/tile0/gt0/freq0/act_freq"];
        return cards().flat_map(|card| files.map(|file| Source::Intel(card.join(file)))).collect();
    }
    Vec::new()
}

impl Source {
    /// Clocks of the units that compute and of memory, in MHz.
    fn read(&self) -> Option<(f64, Option<f64>)> {
        let file = |path: PathBuf| line(path.to_str()?);
        match self {
            Source::Processor => processor(&line("/proc/cpuinfo")?).map(|mhz| (mhz, None)),
            Source::Intel(path) => Some((file(path.clone())?.trim().parse().ok()?, None)),
            Source::Amd(card) => {
                let clock = |name: &str| file(card.join(name)).and_then(|text| marked(&text));
                Some((clock("pp_dpm_sclk")?, clock("pp_dpm_mclk")))
            }
            Source::Nvidia(name) => {
                let query =
                    ["--query-gpu=name,clocks.sm,clocks.mem", "--format=csv,noheader,nounits"];
                let done = Command::new("nvidia-smi")
                    .args(query)
                    .stdin(Stdio::null())
                    .stderr(Stdio::null())
                    .output()
                    .ok()?;
                nvidia(&String::from_utf8_lossy(&done.stdout), name)
            }
        }
    }
}

/// The clocks in what `nvidia-smi` prints, of the first GPU of this name.
fn nvidia(text: &str, name: &str) -> Option<(f64, Option<f64>)> {
    text.lines().find_map(|line| {
        let mut cells = line.rsplit(',').map(str::trim);
        let (memory, core) = (cells.next()?, cells.next()?);
        let same = cells.next()? == name;
        same.then(|| Some((core.parse().ok()?, memory.parse().ok()))).flatten()
    })
}

/// The state with a star of AMD's list: `1: 1500Mhz *`.
fn marked(text: &str) -> Option<f64> {
    let state = text.lines().find(|line| line.trim_end().ends_with('*'))?;
    let clock = state.split_whitespace().nth(1)?;
    clock.trim_end_matches(|letter: char| letter.is_ascii_alphabetic()).parse().ok()
}

/// The mean over the processors of `/proc/cpuinfo`.
fn processor(text: &str) -> Option<f64> {
    let clocks: Vec<f64> = text
        .lines()
        .filter(|line| line.starts_with("cpu MHz"))
        .filter_map(|line| line.split_once(':')?.1.trim().parse().ok())
        .collect();
    (!clocks.is_empty()).then(|| clocks.iter().sum::<f64>() / clocks.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::gpu::open_noop;

    #[test]
    fn what_the_systems_say_is_understood() {
        let text = "NVIDIA L4, 210, 405\nNVIDIA H100 80GB HBM3, 1980, 2619\n";
        assert_eq!(nvidia(text, "NVIDIA H100 80GB HBM3"), Some((1980.0, Some(2619.0))));
        assert_eq!(nvidia("NVIDIA L4, 210, [N/A]", "NVIDIA L4"), Some((210.0, None)));
        assert_eq!(nvidia("NVIDIA-SMI has failed because\n", "NVIDIA L4"), None);
        assert_eq!(marked("0: 500Mhz\n1: 1500Mhz *\n2: 2000Mhz\n"), Some(1500.0));
        assert_eq!(marked("0: 500Mhz\n"), None);
        let cores = "cpu MHz\t\t: 2000.0\nmodel name : x\ncpu MHz\t\t: 3000.0\n";
        assert_eq!((processor(cores), processor("flags : fpu")), (Some(2500.0), None));
    }

    #[test]
    fn clocks_are_spans_and_an_unknown_adapter_tells_nothing() {
        let mut report = open_noop().report().clone();
        report.name = "a GPU of nobody".to_owned();
        report.kind = "discrete";
        assert!(Watch::new(&report).is_none());
        let (core, memory) = (vec![1500.0, 1000.0, 1400.0], vec![]);
        let clocks = Watch { source: Source::Processor, core, memory }.clocks().unwrap();
        let span = Span { low_mhz: 1000.0, median_mhz: 1400.0, high_mhz: 1500.0 };
        assert_eq!((clocks.core, clocks.memory, clocks.samples), (span, None, 3));
    }
}
