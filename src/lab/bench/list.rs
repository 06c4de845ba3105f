//! What a bench would time, without a run of any of it.

use std::fmt;

use serde::Serialize;

use super::grouped::Grouped;
use super::{Layer, Phase, Subject, Which};
use crate::error::Result;
use crate::nets::models::Network;

/// One thing that would be timed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listed {
    /// The operation, or what a model would be run for.
    pub op: String,
    /// The kernel variant, or the model.
    pub variant: String,
    /// The case, or batch and input.
    pub case: String,
    /// Floating point operations of one run; none of models, which are planned for an adapter.
    pub flops: Option<u64>,
    /// Bytes of inputs and results.
    pub bytes: Option<u64>,
}

/// All of them, in the order of a bench.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct List(pub Vec<Listed>);

impl List {
    /// Adds the variants of `cases` that `which` names; `chosen` says what a plan would have.
    ///
    /// # Errors
    /// Those of building the graph of a case.
    pub fn kernels(
        &mut self,
        cases: &[Layer],
        which: Which,
        chosen: impl Fn(&Layer) -> Option<&'static str>,
    ) -> Result<()> {
        for layer in cases {
            let subject = Subject::new(&layer.case)?;
            for variant in which.of(&layer.case, chosen(layer)) {
                self.0.push(Listed {
                    op: layer.case.operation.name().to_owned(),
                    variant: variant.name.to_owned(),
                    case: layer.case.name.clone(),
                    flops: Some(subject.flops()),
                    bytes: Some(subject.bytes()),
                });
            }
        }
        Ok(())
    }

    /// Adds what `network` would be run for: `phases`, then `methods` of explanation.
    pub fn model(
        &mut self,
        network: &Network,
        phases: &[Phase],
        methods: &[&str],
        batch: usize,
        [height, width]: [usize; 2],
    ) {
        let ops = phases.iter().map(|phase| phase.name()).chain(methods.iter().copied());
        self.0.extend(ops.map(|op| Listed {
            op: op.to_owned(),
            variant: network.name.to_owned(),
            case: format!("batch {batch}, {height}x{width}"),
            flops: None,
            bytes: None,
        }));
    }
}

/// For a terminal.
impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Grouped::new(&["variant", "MFLOP", "MB"]);
        let millions = |count: Option<u64>| {
            count.map_or("-".to_owned(), |count| format!("{:.1}", count as f64 / 1e6))
        };
        for row in &self.0 {
            let cells = vec![row.variant.clone(), millions(row.flops), millions(row.bytes)];
            table.row(&format!("{}, {}", row.op, row.case), cells);
        }
        write!(f, "{}{} would be timed", table.to_text(), self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::bench::{BenchOptions, select};
    use crate::nets::models::NETWORKS;

    #[test]
    fn kernels_and_models_are_listed_as_they_would_be_timed() {
        let options = BenchOptions { kernels: vec!["copy".to_owned()], ..Default::default() };
        let cases: Vec<Layer> = select(&options).unwrap().into_iter().map(Layer::from).collect();
        let mut list = List::default();
        list.kernels(&cases, Which::All, |_| None).unwrap();
        let variants: usize = cases.iter().map(|layer| layer.case.operation.variants().len()).sum();
        assert_eq!(list.0.len(), variants);
        assert!(list.0.iter().all(|row| row.op == "copy" && row.bytes > Some(0)));
        list.model(&NETWORKS[0], &[Phase::Forward, Phase::GradCam], &["layercam"], 4, [96, 80]);
        let models: Vec<_> = list.0[variants..].iter().map(|row| (&*row.op, &*row.case)).collect();
        let case = "batch 4, 96x80";
        assert_eq!(models, [("forward", case), ("grad-cam", case), ("layercam", case)]);
        assert!(list.to_string().ends_with(&format!("{} would be timed", variants + 3)));
    }
}
