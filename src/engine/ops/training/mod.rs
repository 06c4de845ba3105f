//! Losses, optimisers, and the search for what is not finite.

pub(super) mod finite;
pub(super) mod losses;
pub(super) mod optimizer;
pub(super) mod soft_dice;
