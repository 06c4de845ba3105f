//! A variant is a row: a name, what it asks of the adapter, whether it can do a case, what it is expected to cost
//! there, and the dispatches that it becomes. Nothing outside of its row knows it: the cheapest of those that can is
//! taken, and bench, tuning and tests go through the table.

use super::lower::{Capabilities, Lowered, Lowering, Needs};
use super::{Operation, downcast};
use crate::error::{Error, Result};

/// One version of an operation's kernel. The macro below makes them for a type.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// `naive`, `tiled_32x64`, `subgroup` and so on.
    pub name: &'static str,
    /// The name that rows share which are sizes of one kernel: where one is far too slow, so are the others.
    pub family: &'static str,
    /// What it asks of the adapter.
    pub needs: Needs,
    /// Whether it can do the case; the error says what it takes.
    pub fits: fn(&dyn Operation, &Lowering) -> Result<()>,
    /// What it is expected to take, in a unit that the rows of an operation share; infinity where it is only taken if
    /// nothing else fits. Asked only where it fits.
    pub price: fn(&dyn Operation, &Lowering) -> f64,
    /// The dispatches, as plain data. Asked only where it fits.
    pub lower: fn(&dyn Operation, &Lowering) -> Result<Lowered>,
}

/// The price of a row that every other one is better than.
pub(super) const LAST: f64 = f64::MAX;

/// The row of an operation with one version: [`Operation::lower`].
pub(super) const ONLY: &[Variant] = &[Variant {
    name: "naive",
    family: "naive",
    needs: Needs::Nothing,
    fits: |_, _| Ok(()),
    price: |_, _| 1.0,
    lower: |operation, lowering| operation.lower(lowering),
}];

impl Variant {
    /// The dispatches of `operation` by this row.
    ///
    /// # Errors
    /// [`Error::Shape`] where it cannot do this shape.
    pub fn lowered(&self, operation: &dyn Operation, lowering: &Lowering) -> Result<Lowered> {
        (self.fits)(operation, lowering)?;
        (self.lower)(operation, lowering)
    }
}

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

impl Lowered {
    /// Whether no loop is longer than the driver allows.
    pub fn ends(&self, capabilities: &Capabilities) -> bool {
        self.dispatches.iter().all(|dispatch| dispatch.rounds <= capabilities.longest_loop)
    }
}

/// `operation` as what a row is of.
pub(super) fn typed<T: Operation>(operation: &dyn Operation) -> Result<&T> {
    let refused = || Error::shape(operation.name(), "it was given the rows of another operation");
    downcast(operation).ok_or_else(refused)
}

/// Rows of an operation's table, from closures that are given the operation and the case:
///
/// ```text
/// variants!(Square:
///     { name: "naive", price: |_, _| 4.0, lower: |square, at| square.dispatches(at, 1) },
///     { name: "fours", fits: in_fours, price: |_, _| 1.0, lower: |square, at| square.dispatches(at, 4) },
/// )
/// ```
///
/// `family` and `needs` may stand after the name. Without `fits` a row can do every case.
macro_rules! variants {
    ($operation:ty: $({
        name: $name:expr,
        $(family: $family:expr,)?
        $(needs: $needs:expr,)?
        $(fits: $fits:expr,)?
        price: $price:expr,
        lower: $lower:expr $(,)?
    },)+) => {
        [$($crate::engine::ops::Variant {
            name: $name,
            family: variants!(@first $($family,)? $name),
            needs: variants!(
                @first $($needs,)? $crate::engine::ops::Needs::Nothing
            ),
            fits: variants!(@fits $operation $(, $fits)?),
            price: |operation, lowering| {
                let price: fn(&$operation, &$crate::engine::ops::Lowering) -> f64 = $price;
                let typed = $crate::engine::ops::variant::typed::<$operation>(operation);
                typed.map_or(f64::INFINITY, |typed| price(typed, lowering))
            },
            lower: |operation, lowering| {
                let lower: fn(
                    &$operation,
                    &$crate::engine::ops::Lowering,
                ) -> $crate::error::Result<$crate::engine::ops::Lowered> = $lower;
                lower($crate::engine::ops::variant::typed::<$operation>(operation)?, lowering)
            },
        },)+]
    };
    (@first $value:expr) => { $value };
    (@first $value:expr, $default:expr) => { $value };
    (@fits $operation:ty) => { |_, _| Ok(()) };
    (@fits $operation:ty, $fits:expr) => {
        |operation, lowering| {
            let fits: fn(
                &$operation,
                &$crate::engine::ops::Lowering,
            ) -> $crate::error::Result<()> = $fits;
            fits($crate::engine::ops::variant::typed::<$operation>(operation)?, lowering)
        }
    };
}
