//! Which variant of an operation is taken: by name, or the cheapest that can do the case.

use super::operation::{Operation, Variant};
use crate::engine::kernel::{Lowered, Lowering};
use crate::error::{Error, Result};

/// The row of that name.
pub fn find(operation: &dyn Operation, name: &str) -> Option<&'static Variant> {
    operation.variants().iter().find(|variant| variant.name == name)
}

/// The cheapest row that the adapter allows and that fits, with its dispatches; of equal ones the later. One whose
/// loops the driver would leave is taken only if all of them are such.
///
/// # Errors
/// [`Error::Shape`] where none fits: why the first, which is the simplest, does not.
pub fn choose(
    operation: &dyn Operation,
    lowering: &Lowering,
) -> Result<(&'static Variant, Lowered)> {
    let allowed = operation.variants().iter().rev().filter(|row| {
        row.needs.met_by(lowering.capabilities) && (row.fits)(operation, lowering).is_ok()
    });
    let mut rows: Vec<_> = allowed.map(|row| ((row.price)(operation, lowering), row)).collect();
    rows.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let mut cheapest = None;
    for (_, row) in rows {
        let lowered = (row.lower)(operation, lowering)?;
        if lowered.ends(lowering.capabilities) {
            return Ok((row, lowered));
        }
        cheapest.get_or_insert((row, lowered));
    }
    match (cheapest, operation.variants().first()) {
        (Some(found), _) => Ok(found),
        (None, Some(first)) => first.lowered(operation, lowering).map(|lowered| (first, lowered)),
        (None, None) => Err(Error::shape(operation.name(), "it has no variants")),
    }
}

/// The name that a variant has now, for one that it had in an earlier version: results and habits are older.
pub fn current_name(name: &str) -> &str {
    match name {
        "quad" => "fours",
        other => other,
    }
}
