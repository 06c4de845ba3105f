//! The tiles of the convolutions: how many rows and columns of the product a workgroup does at a time, and
//! which of them is expected to be the cheapest.

use super::conv2d::needs_fours;
use super::conv2d_gradients::split;
use super::{Capabilities, Dispatch, Lowering};
use crate::error::{Error, Result};

/// A convolution, forward or backward, as products of matrices: `times` products of `rows` x `depth` numbers
/// with `depth` x `columns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Product {
    pub rows: usize,
    pub columns: usize,
    /// Terms of each sum.
    pub depth: usize,
    /// Groups of channels, and phases of a stride.
    pub times: usize,
    /// Whether a sum may be [`split`] over workgroups.
    pub splits: bool,
}

/// What a variant's workgroup does; for `blocked`, whose invocations do not share, what an invocation does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tile {
    pub variant: &'static str,
    /// The entry point, of which several variants are sizes.
    pub entry: &'static str,
    pub rows: usize,
    pub columns: usize,
    pub invocations: usize,
    /// Numbers that an invocation loads for each term of its sums.
    fetches: f64,
}

/// Variants of the entry point `tiled`: rows, columns, and rows of an invocation, which has an eighth of the
/// columns. The first is the usual one.
const TILED: [(&str, usize, usize, usize); 5] = [
    ("tiled", 64, 64, 8),
    ("tiled_128x64", 128, 64, 8),
    ("tiled_64x32", 64, 32, 8),
    ("tiled_32x64", 32, 64, 4),
    ("tiled_32x32", 32, 32, 4),
];

/// Variants of the entry point `subgroup`, and how many rows there are to a lane that hands them out. The
/// first is the usual one.
const SUBGROUP: [(&str, usize); 3] = [("subgroup", 4), ("subgroup_2", 2), ("subgroup_1", 1)];

/// The rows of an invocation of `blocked`, in the three shaders.
pub(super) const BLOCK_ROWS: usize = 8;

/// Lanes that hand rows to each other in the subgroup kernels.
fn lanes(capabilities: &Capabilities) -> Option<usize> {
    match capabilities.subgroup?.0 {
        8.. => Some(8),
        4.. => Some(4),
        _ => None,
    }
}

impl Tile {
    /// The tile of `variant` on an adapter, if it is one that has tiles and the adapter can run it.
    pub fn of(variant: &str, capabilities: &Capabilities) -> Option<Self> {
        if variant == "blocked" {
            let (rows, columns) = (BLOCK_ROWS, 4);
            let fetches = (rows + columns) as f64;
            let entry = "blocked";
            return Some(Tile { variant: entry, entry, rows, columns, invocations: 1, fetches });
        }
        let mut tiled = TILED.into_iter();
        if let Some((variant, rows, columns, own)) = tiled.find(|(name, ..)| *name == variant) {
            let invocations = 8 * rows / own;
            let fetches = (rows + columns) as f64 / invocations as f64;
            return Some(Tile { variant, entry: "tiled", rows, columns, invocations, fetches });
        }
        let mut subgroup = SUBGROUP.into_iter().map(|(name, blocks)| (name, "subgroup", blocks));
        let narrow = ("subgroup_narrow", "subgroup_narrow", 4);
        let (variant, entry, blocks) = subgroup
            .find(|(name, ..)| *name == variant)
            .or((variant == narrow.0).then_some(narrow))?;
        // A workgroup is made of whole subgroups, whichever size they have. On a processor, few
        // invocations leave fewer of them idle.
        let most = capabilities.subgroup?.1;
        let invocations = if capabilities.software { most } else { most.max(32) } as usize;
        let (rows, columns) = (lanes(capabilities)? * blocks, 4 * invocations);
        let fetches = (blocks + 4) as f64;
        Some(Tile { variant, entry, rows, columns, invocations, fetches })
    }

    /// The tile of the variant that `operation` is lowered to; none where that is `naive`. `wide`, `narrow`:
    /// whether channels are in fours, all of them or those of the output.
    pub fn to_lower(
        operation: &str,
        lowering: &Lowering,
        wide: bool,
        narrow: bool,
    ) -> Result<Option<Self>> {
        let variant = lowering.variant;
        if variant == "naive" {
            return Ok(None);
        }
        let tile = Tile::of(variant, lowering.capabilities).ok_or_else(|| {
            Error::shape(operation, format!("{variant} takes subgroups of four lanes or more"))
        })?;
        match tile.entry {
            "tiled" => Ok(Some(tile)),
            "subgroup_narrow" if narrow => Ok(Some(tile)),
            _ if wide => Ok(Some(tile)),
            _ => Err(needs_fours(operation, variant)),
        }
    }

    /// How many of them a product takes.
    pub fn count(&self, rows: usize, columns: usize) -> usize {
        rows.div_ceil(self.rows) * columns.div_ceil(self.columns)
    }

    /// How many workgroups do `count` tiles.
    pub fn workgroups(&self, count: usize) -> usize {
        if self.entry == "blocked" { count.div_ceil(64) } else { count }
    }

    /// Sets the constants of `tiled`.
    pub fn set_tiled(&self, dispatch: Dispatch) -> Dispatch {
        dispatch
            .tile("TILE_ROWS", self.rows as u32)
            .tile("TILE_COLUMNS", self.columns as u32)
            .tile("ROW_FOURS", (2 * self.rows / self.invocations) as u32)
    }

    /// Sets the constants of the subgroup kernels; `lanes`: how many hand rows to each other.
    pub fn set_lanes(&self, lanes: usize, dispatch: Dispatch) -> Dispatch {
        dispatch.tile("LANES", lanes as u32).constant("WORKGROUP", self.invocations as u32)
    }

    /// The same, where a lane looks after one row of each block.
    pub fn set_row_blocks(&self, capabilities: &Capabilities, dispatch: Dispatch) -> Dispatch {
        let lanes = lanes(capabilities).unwrap_or(1);
        self.set_lanes(lanes, dispatch).tile("ROW_BLOCKS", (self.rows / lanes) as u32)
    }
}

/// What an adapter takes for a number that is loaded and one that is stored, in multiply-adds of an
/// invocation, and how many invocations keep it busy.
struct Machine {
    fetch: f64,
    store: f64,
    at_once: f64,
}

const PROCESSOR: Machine = Machine { fetch: 3.0, store: 16.0, at_once: 32.0 };
const GPU: Machine = Machine { fetch: 16.0, store: 16.0, at_once: 32768.0 };

/// What `product` costs by `tile`.
fn cost(product: &Product, tile: &Tile, capabilities: &Capabilities) -> f64 {
    let machine = if capabilities.software { PROCESSOR } else { GPU };
    let Product { rows, columns, times, .. } = *product;
    let count = tile.count(rows, columns) * times;
    let (splits, depth) = match product.splits {
        true => split(product.depth, 1, tile.workgroups(count), capabilities),
        false => (1, product.depth),
    };
    let sums = (tile.rows * tile.columns / tile.invocations) as f64;
    let invocation = depth as f64 * (sums + tile.fetches * machine.fetch) + sums * machine.store;
    let busy = |invocations: usize| (invocations as f64 / machine.at_once).max(1.0);
    let added = match splits {
        1 => 0.0,
        _ => busy(rows * columns * times) * (splits as f64 * machine.fetch + machine.store),
    };
    busy(count * splits * tile.invocations) * invocation + added
}

/// The cheapest of the variants of `tiled` for `product`.
pub(super) fn tiled(product: &Product, capabilities: &Capabilities) -> &'static str {
    cheapest(product, capabilities, TILED.into_iter().map(|(name, ..)| name))
}

/// The cheapest of the variants of `subgroup` and of `blocked` for `product`.
pub(super) fn subgroup(product: &Product, capabilities: &Capabilities) -> &'static str {
    let names = SUBGROUP.into_iter().map(|(name, _)| name).chain(["blocked"]);
    cheapest(product, capabilities, names)
}

/// Another than the first has to save as much as a twelfth: estimates are not better than that, and each
/// tile in use is a pipeline more.
const WORTH_IT: f64 = 11.0 / 12.0;

fn cheapest(
    product: &Product,
    capabilities: &Capabilities,
    names: impl Iterator<Item = &'static str>,
) -> &'static str {
    let mut costs = names
        .filter_map(|name| Tile::of(name, capabilities))
        .map(|tile| (tile.variant, cost(product, &tile, capabilities)));
    let Some((usual, price)) = costs.next() else { return "naive" };
    let best = costs.min_by(|(_, a), (_, b)| a.total_cmp(b));
    best.filter(|(_, other)| *other < WORTH_IT * price).map_or(usual, |(name, _)| name)
}
