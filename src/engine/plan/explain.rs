//! A plan in words.

use std::fmt;

use super::{Memory, Plan};
use crate::engine::kernel::Element;

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Memory::Slot(index) => write!(f, "slot {index}"),
            Memory::Input(index) => write!(f, "input {index}"),
            Memory::Variables(role) => {
                write!(f, "{} variables", format!("{role:?}").to_lowercase())
            }
            Memory::Unused => f.write_str("unused"),
        }
    }
}

/// One line a step: layer, shape, operation, kernel, slot, flops, bytes; totals at the end.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<44} {:<18} {:<34} {:<40} {:>14} {:>11} {:>9}",
            "layer", "shape", "operation", "kernels", "memory", "MFLOP", "MB"
        )?;
        for (title, steps) in [("once", &self.setup), ("each run", &self.steps)] {
            if !steps.is_empty() {
                writeln!(f, "-- {title}: {} steps", steps.len())?;
            }
            for step in steps {
                let mut kernels: Vec<String> =
                    step.dispatches.iter().map(|d| format!("{}/{}", d.shader, d.entry)).collect();
                kernels.dedup();
                let kernels = kernels.join(", ") + if step.tuned { " (tuned)" } else { "" };
                let memory = step.output.as_ref().map_or("in place".to_owned(), |place| {
                    let half = if place.element == Element::F16 { " f16" } else { "" };
                    match place.view.offset {
                        0 => format!("{}{half}", place.memory),
                        offset => format!("{}{half} +{offset}", place.memory),
                    }
                });
                writeln!(
                    f,
                    "{:<44} {:<18} {:<34} {:<40} {memory:>14} {:>11.3} {:>9.3}",
                    step.layer,
                    step.shape,
                    step.what,
                    kernels,
                    step.flops as f64 / 1e6,
                    step.bytes as f64 / 1e6,
                )?;
            }
        }
        writeln!(
            f,
            "{} steps, {} dispatches, {} pipelines, {:.3} GFLOP a run",
            self.steps.len(),
            self.dispatches(),
            self.pipelines(),
            self.flops() as f64 / 1e9,
        )?;
        writeln!(
            f,
            "memory {:.1} MB: {} slots, {} inputs, variables {:.1} MB; at least {:.1} MB are alive at once",
            self.peak_bytes as f64 / 1e6,
            self.slots.len(),
            self.inputs.len(),
            self.variables.bytes() as f64 / 1e6,
            self.live_bytes as f64 / 1e6,
        )
    }
}
