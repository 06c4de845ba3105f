//! The versions of an operation beside each other, to be tried.

use super::operation::{Operation, Variant};
use crate::engine::kernel::{Capabilities, Lowered, Lowering};

/// The cheapest row of each family that an adapter with `allowed` can run and that fits, with its dispatches, from naive to
/// fast: the first row of the table, which is the simplest, and then the others from the dearest to the cheapest.
pub fn ladder(
    operation: &dyn Operation,
    lowering: &Lowering,
    allowed: &Capabilities,
) -> Vec<(&'static Variant, Lowered)> {
    let lowering = Lowering { capabilities: allowed, ..*lowering };
    let mut rungs: Vec<(f64, &'static Variant, Lowered)> = Vec::new();
    for row in operation.variants().iter().filter(|row| row.needs.met_by(allowed)) {
        let Ok(lowered) = row.lowered(operation, &lowering) else { continue };
        if !lowered.ends(allowed) {
            continue;
        }
        let rung = ((row.price)(operation, &lowering), row, lowered);
        match rungs.iter_mut().find(|(_, other, _)| other.family == row.family) {
            Some(other) if other.0 <= rung.0 => {}
            Some(other) => *other = rung,
            None => rungs.push(rung),
        }
    }
    let simplest = operation.variants().first().map(|row| row.name);
    let after = |row: &Variant| Some(row.name) != simplest;
    rungs.sort_by(|a, b| after(a.1).cmp(&after(b.1)).then(b.0.total_cmp(&a.0)));
    rungs.into_iter().map(|(_, row, lowered)| (row, lowered)).collect()
}
