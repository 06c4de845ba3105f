//! The rows of an operation with several kernels.

use crate::engine::graph::{Operation, downcast};
use crate::error::{Error, Result};

/// The price of a row that every other one is better than.
pub(super) const LAST: f64 = f64::MAX;

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
        [$($crate::engine::graph::Variant {
            name: $name,
            family: variants!(@first $($family,)? $name),
            needs: variants!(
                @first $($needs,)? $crate::engine::kernel::Needs::Nothing
            ),
            fits: variants!(@fits $operation $(, $fits)?),
            price: |operation, lowering| {
                let price: fn(&$operation, &$crate::engine::kernel::Lowering) -> f64 = $price;
                let typed = $crate::engine::ops::table::typed::<$operation>(operation);
                typed.map_or(f64::INFINITY, |typed| price(typed, lowering))
            },
            lower: |operation, lowering| {
                let lower: fn(
                    &$operation,
                    &$crate::engine::kernel::Lowering,
                ) -> $crate::error::Result<$crate::engine::kernel::Lowered> = $lower;
                lower($crate::engine::ops::table::typed::<$operation>(operation)?, lowering)
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
                &$crate::engine::kernel::Lowering,
            ) -> $crate::error::Result<()> = $fits;
            fits($crate::engine::ops::table::typed::<$operation>(operation)?, lowering)
        }
    };
}
