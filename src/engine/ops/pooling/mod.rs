//! Pooling over windows and over images, and sums of rows.

pub(super) mod global_pool;
pub(super) mod pool;
pub(super) mod sum_rows;
