//! The tiles of the convolutions: how many rows and columns of the product a workgroup does at a time, and
//! which of them is expected to be the cheapest.

use super::conv2d::needs_fours;
use super::conv2d_gradients::split;
use crate::engine::ops::{Capabilities, Dispatch, Lowering};
use crate::error::{Error, Result};

/// Which of the three products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine::ops) enum Mode {
    Forward,
    Input,
    Weight,
}

impl Mode {
    /// What is read and what is written: inputs 0 and 1 and the output, where y is the convolution of x with w.
    pub fn tensors<T>(self, x: T, w: T, y: T) -> [T; 3] {
        match self {
            Mode::Forward => [x, w, y],
            Mode::Input => [y, w, x],
            Mode::Weight => [x, y, w],
        }
    }
}

/// A convolution, forward or backward, as products of matrices: `times` products of `rows` x `depth` numbers
/// with `depth` x `columns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine::ops) struct Product {
    pub rows: usize,
    pub columns: usize,
    /// Terms of each sum.
    pub depth: usize,
    /// Groups of channels, and phases of a stride.
    pub times: usize,
    pub mode: Mode,
    /// Whether row r of one factor belongs to row r of the other, with nothing to look up.
    pub pointwise: bool,
}

/// What a variant's workgroup does; for `blocked`, whose invocations do not share, what an invocation does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::engine::ops) struct Tile {
    pub variant: &'static str,
    /// The entry point, of which several variants are sizes.
    pub entry: &'static str,
    pub rows: usize,
    pub columns: usize,
    pub invocations: usize,
    /// Numbers of the left factor that an invocation loads for each term of its sums.
    own_rows: f64,
    /// The same of the right factor.
    own_columns: f64,
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

/// Variants of the entry point `fours`: rows, columns, rows of an invocation, which has an eighth of the columns,
/// and steps of the sum that go through workgroup memory at a time. The first is the usual one.
const FOURS: [(&str, usize, usize, usize, usize); 5] = [
    ("fours", 64, 64, 8, 8),
    ("fours_128x64", 128, 64, 8, 8),
    ("fours_64x32", 64, 32, 8, 16),
    ("fours_32x64", 32, 64, 4, 16),
    ("fours_32x32", 32, 32, 4, 16),
];

/// Steps of `tiled`.
const TILED_STEPS: usize = 16;

/// Invocations of either that are side by side, each with one or two fours of the columns: `ACROSS` in the shader.
const ACROSS: usize = 8;

/// Variants of the entry point `subgroup`, and how many rows there are to a lane that hands them out. The
/// first is the usual one.
const SUBGROUP: [(&str, usize); 3] = [("subgroup", 4), ("subgroup_2", 2), ("subgroup_1", 1)];

/// The rows of an invocation of `blocked`, in the three shaders.
const BLOCK_ROWS: usize = 8;

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
            return Some(Tile {
                variant: "blocked",
                entry: "blocked",
                rows: BLOCK_ROWS,
                columns: 4,
                invocations: 1,
                own_rows: BLOCK_ROWS as f64,
                own_columns: 4.0,
            });
        }
        let tiled = TILED.into_iter().map(|(name, r, c, own)| (name, "tiled", r, c, own));
        let fours = FOURS.into_iter().map(|(name, r, c, own, _)| (name, "fours", r, c, own));
        let mut shared = tiled.chain(fours);
        if let Some((variant, entry, rows, columns, own)) =
            shared.find(|(name, ..)| *name == variant)
        {
            let invocations = ACROSS * rows / own;
            let share = |size: usize| size as f64 / invocations as f64;
            let (own_rows, own_columns) = (share(rows), share(columns));
            return Some(Tile {
                variant,
                entry,
                rows,
                columns,
                invocations,
                own_rows,
                own_columns,
            });
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
        let (own_rows, own_columns) = (blocks as f64, 4.0);
        Some(Tile { variant, entry, rows, columns, invocations, own_rows, own_columns })
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

    /// The shader with the kernel that runs it.
    pub fn shader(tile: Option<&Self>, mode: Mode) -> &'static str {
        let [whole, tiles, subgroup] = match mode {
            Mode::Forward => ["conv2d", "conv2d_tiles", "conv2d_subgroup"],
            Mode::Input => [
                "conv2d_input_gradient",
                "conv2d_input_gradient_tiles",
                "conv2d_input_gradient_subgroup",
            ],
            Mode::Weight => [
                "conv2d_weight_gradient",
                "conv2d_weight_gradient_tiles",
                "conv2d_weight_gradient_subgroup",
            ],
        };
        match tile.map(|tile| tile.entry) {
            Some("tiled" | "fours") => tiles,
            Some("subgroup" | "subgroup_narrow") => subgroup,
            _ => whole,
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

    /// Sets the constants of `tiled` and `fours`.
    pub fn set_shared(&self, mode: Mode, dispatch: Dispatch) -> Dispatch {
        let own_rows = ACROSS * self.rows / self.invocations;
        let steps = FOURS.iter().find(|(name, ..)| *name == self.variant);
        dispatch
            .tile("TILE_ROWS", self.rows as u32)
            .tile("TILE_COLUMNS", self.columns as u32)
            .tile("ROW_FOURS", (own_rows / 4) as u32)
            .tile("TILE_STEPS", steps.map_or(TILED_STEPS, |(.., steps)| *steps) as u32)
            .tile("PAD", u32::from(self.entry == "tiled"))
            .tile("RIGHT_PAD", u32::from(self.entry == "tiled" && mode != Mode::Forward))
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

/// What an adapter takes, in multiply-adds of one invocation.
struct Prices {
    /// To load a number of the left factor, for all of the rows that it serves.
    row: f64,
    /// To load a number of the right factor.
    column: f64,
    /// To store a sum.
    store: f64,
    /// To begin the dispatch that adds up what was split.
    dispatch: f64,
    /// Invocations that keep the adapter busy.
    at_once: f64,
}

/// What keeps a GPU busy: 512 workgroups of 64, which [`split`] aims at too.
const GPU_AT_ONCE: f64 = 32768.0;
/// What a dispatch costs a GPU beside what it does.
const GPU_DISPATCH: f64 = 2e3;
/// What a GPU takes to move a number to or from memory, in multiply-adds of one of those at once.
const GPU_MOVE: f64 = 20.0;

/// What a GPU takes for `dispatches` that move so many numbers, beside other work, in the unit of [`cost`].
pub(in crate::engine::ops) fn moved(numbers: usize, dispatches: usize) -> f64 {
    numbers as f64 * GPU_MOVE / GPU_AT_ONCE + dispatches as f64 * GPU_DISPATCH
}

/// Those of Mesa's lavapipe were fitted to processor times (`benches/NOTES.md`, convolution tiles), those of GPUs to
/// an H100's (`benches/NOTES.md`, A GPU).
fn prices(product: &Product, tile: &Tile, capabilities: &Capabilities) -> Prices {
    if !capabilities.software {
        // To the weights, what is fetched is further apart.
        let fetch = match (tile.entry, product.mode) {
            ("fours", Mode::Forward | Mode::Input) => 10.0,
            ("fours", Mode::Weight) => 30.0,
            _ => 20.0,
        };
        let (row, column, store) = (fetch, fetch, 16.0);
        return Prices { row, column, store, dispatch: GPU_DISPATCH, at_once: GPU_AT_ONCE };
    }
    let (row, column) = match product.mode {
        Mode::Forward => (2.8, 2.8),
        // Four rows of w are transposed.
        Mode::Input => (5.0, 5.0),
        Mode::Weight if product.pointwise => (2.8, 2.8),
        // Where a pixel lies in x is asked for each tap and pixel.
        Mode::Weight => (10.0, 2.8),
    };
    Prices { row, column, store: 16.0, dispatch: 5e4, at_once: 32.0 }
}

/// What `product` costs by `tile`, in multiply-adds that follow each other:
///
/// invocations / those at once, but at least 1
/// x (depth x (sums + rows loaded x price + columns loaded x price) + sums x price of a store)
///
/// where invocations are those of all tiles, so that rows and columns which only fill a tile up cost what
/// others do; sums, rows and columns are an invocation's; and the depth is that of a part where the sum is
/// split, which then are added up.
pub(in crate::engine::ops) fn cost(
    product: &Product,
    tile: &Tile,
    capabilities: &Capabilities,
) -> f64 {
    let prices = prices(product, tile, capabilities);
    let Product { rows, columns, times, .. } = *product;
    let count = tile.count(rows, columns) * times;
    let (splits, depth) = match product.mode {
        Mode::Weight => split(product.depth, 1, tile.workgroups(count), capabilities),
        Mode::Forward | Mode::Input => (1, product.depth),
    };
    let own_rows = match (product.mode, tile.entry) {
        // Whatever the tile: see the shader.
        (Mode::Weight, "subgroup") => 4.0,
        _ => tile.own_rows,
    };
    let sums = (tile.rows * tile.columns / tile.invocations) as f64;
    let loads = own_rows * prices.row + tile.own_columns * prices.column;
    let invocation = depth as f64 * (sums + loads) + sums * prices.store;
    let busy = |invocations: usize| (invocations as f64 / prices.at_once).max(1.0);
    let added = match splits {
        1 => 0.0,
        _ => {
            let sum = splits as f64 * prices.column + prices.store;
            prices.dispatch + busy(rows * columns * times) * sum
        }
    };
    busy(count * splits * tile.invocations) * invocation + added
}

/// The cheapest of the variants for `product` that go through workgroup memory. `wide`: whether channels are in
/// fours.
pub(in crate::engine::ops) fn shared(
    product: &Product,
    wide: bool,
    capabilities: &Capabilities,
) -> &'static str {
    if !wide {
        return cheapest(product, capabilities, TILED.into_iter().map(|(name, ..)| name));
    }
    cheapest(product, capabilities, FOURS.into_iter().map(|(name, ..)| name))
}

/// The cheapest of the variants of `subgroup` and of `blocked` for `product`.
pub(in crate::engine::ops) fn subgroup(
    product: &Product,
    capabilities: &Capabilities,
) -> &'static str {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu() -> Capabilities {
        Capabilities { subgroup: Some((32, 32)), ..Capabilities::default() }
    }

    fn lavapipe() -> Capabilities {
        Capabilities { subgroup: Some((8, 8)), software: true, ..Capabilities::default() }
    }

    /// A layer of `images` images of `side` x `side` pixels, channels `from` to `to`, kernel `k` x `k`.
    fn layer(mode: Mode, images: usize, side: usize, from: usize, to: usize, k: usize) -> Product {
        let pixels = images * side * side;
        let (rows, columns, depth) = match mode {
            Mode::Forward => (pixels, to, k * k * from),
            Mode::Input => (pixels, from, k * k * to),
            Mode::Weight => (k * k * from, to, pixels),
        };
        Product { mode, pointwise: k == 1, rows, columns, depth, times: 1 }
    }

    #[test]
    fn every_size_of_an_entry_point_has_a_tile_of_whole_invocations() {
        let tiled = TILED.map(|(name, r, c, own)| (name, "tiled", r, c, own, TILED_STEPS));
        let fours = FOURS.map(|(name, r, c, own, steps)| (name, "fours", r, c, own, steps));
        for (name, entry, rows, columns, own, steps) in tiled.into_iter().chain(fours) {
            let tile = Tile::of(name, &Capabilities::default()).unwrap();
            assert_eq!((tile.variant, tile.entry), (name, entry));
            assert_eq!((tile.rows, tile.columns), (rows, columns));
            // Of invocations side by side, each has one or two fours of columns and of rows.
            assert!([4, 8].contains(&(columns / ACROSS)) && [4, 8].contains(&own), "{name}");
            assert_eq!(tile.invocations * own * columns / ACROSS, rows * columns, "{name}");
            assert!(tile.invocations <= 256, "{name}: more than WebGPU has by default");
            let dispatch = tile.set_shared(Mode::Forward, Dispatch::new("conv2d_tiles", entry));
            for (constant, value) in
                [("ROW_FOURS", own / 4), ("TILE_STEPS", steps), ("TILE_COLUMNS", columns)]
            {
                assert!(dispatch.tiles.contains(&(constant, value as u32)), "{name}, {constant}");
            }
            // Each fetches as many fours as the others.
            if entry == "tiled" {
                let parts = tile.invocations / steps;
                assert!(rows / 4 % parts == 0 && columns / 4 % parts == 0, "{name}");
            } else {
                assert_eq!(steps % (tile.invocations / (columns / 4)), 0, "{name}");
                assert_eq!(steps % (tile.invocations / (rows / 4)), 0, "{name}");
            }
            if name != entry {
                assert_eq!(name, format!("{entry}_{rows}x{columns}"));
            }
        }
        let rows = |name, subgroup| {
            let capabilities = Capabilities { subgroup: Some(subgroup), ..lavapipe() };
            Tile::of(name, &capabilities).map(|tile| (tile.rows, tile.columns))
        };
        for (name, eight, four) in
            [("subgroup", 32, 16), ("subgroup_2", 16, 8), ("subgroup_1", 8, 4)]
        {
            assert_eq!(rows(name, (8, 8)), Some((eight, 32)));
            assert_eq!(rows(name, (4, 64)), Some((four, 256)));
            assert_eq!(rows(name, (2, 64)), None, "too few lanes");
            assert_eq!(Tile::of(name, &Capabilities::default()), None, "no subgroups");
        }
        assert_eq!(Tile::of("naive", &lavapipe()), None);
    }

    #[test]
    fn gpus_take_large_tiles_of_large_layers_and_small_ones_of_small_layers() {
        use Mode::{Forward, Weight};
        let chosen = |product: Product| shared(&product, true, &gpu());
        // ResNet50V2, batch 32, fills any GPU many times over.
        for (side, from, to, k) in [(56, 64, 64, 1), (56, 64, 64, 3), (28, 512, 128, 1)] {
            assert_eq!(chosen(layer(Forward, 32, side, from, to, k)), "fours");
        }
        assert_eq!(chosen(layer(Weight, 32, 56, 64, 256, 1)), "fours");
        // To the weights, larger tiles are a fifth to a half faster, where there are rows for them.
        for (side, from, to) in [(28, 128, 512), (14, 256, 1024), (7, 2048, 512)] {
            assert_eq!(chosen(layer(Weight, 32, side, from, to, 1)), "fours_128x64");
        }
        // Its last layers have 1568 pixels: 200 tiles of 64 x 64, or 784 of 32 x 32.
        assert_eq!(chosen(layer(Forward, 32, 7, 2048, 512, 1)), "fours_32x32");
        // Batch 1: 8 tiles of 64 x 64, or 32 of 32 x 32.
        for (side, from, to, k) in [(56, 64, 64, 1), (28, 128, 128, 3), (7, 512, 512, 3)] {
            assert_eq!(chosen(layer(Forward, 1, side, from, to, k)), "fours_32x32");
        }
        // Few channels come out: half of the usual tile would be empty.
        assert_eq!(chosen(layer(Forward, 32, 112, 32, 16, 1)), "fours_64x32");
        assert_eq!(chosen(layer(Forward, 32, 56, 64, 96, 1)), "fours_64x32");
        // Any channels.
        let odd = layer(Forward, 32, 56, 63, 64, 3);
        assert_eq!(shared(&odd, false, &gpu()), "tiled_128x64");
    }

    #[test]
    fn processors_leave_the_usual_tile_where_much_of_it_would_be_empty() {
        use Mode::{Forward, Input, Weight};
        let chosen = |product: Product| subgroup(&product, &lavapipe());
        let usual = [
            layer(Forward, 8, 19, 728, 728, 1),
            layer(Forward, 8, 56, 64, 64, 3),
            layer(Forward, 1, 7, 512, 512, 1),
            layer(Input, 8, 19, 728, 728, 1),
            layer(Input, 8, 56, 64, 64, 3),
            layer(Input, 8, 56, 16, 96, 1),
            layer(Weight, 8, 19, 728, 728, 1),
            layer(Weight, 8, 56, 64, 64, 3),
            layer(Weight, 8, 3, 256, 256, 3),
        ];
        for product in usual {
            assert_eq!(chosen(product), "subgroup", "{product:?}");
        }
        // Nine rows of 32; one row; eight.
        assert_eq!(chosen(layer(Forward, 1, 3, 256, 256, 3)), "subgroup_2");
        assert_eq!(chosen(layer(Input, 1, 3, 256, 256, 3)), "subgroup_2");
        assert_eq!(chosen(layer(Forward, 1, 1, 2048, 512, 1)), "subgroup_1");
        assert_eq!(chosen(layer(Forward, 8, 1, 2048, 512, 1)), "subgroup_1");
        // Few channels leave lanes without columns.
        assert_eq!(chosen(layer(Forward, 1, 112, 32, 16, 1)), "blocked");
        assert_eq!(chosen(layer(Input, 8, 28, 8, 128, 1)), "blocked");
        assert_eq!(chosen(layer(Weight, 8, 28, 128, 8, 1)), "blocked");
        // Not where it would have to split the sum, and so little is to be summed.
        assert_eq!(chosen(layer(Weight, 32, 1, 2048, 4, 1)), "subgroup");
        // The rows of a weight's gradient are the channels that go in.
        assert_eq!(chosen(layer(Weight, 8, 56, 16, 96, 1)), "subgroup_2");
        assert_eq!(chosen(layer(Weight, 8, 56, 8, 32, 1)), "subgroup_1");
    }

    #[test]
    fn a_tile_has_to_be_worth_its_pipeline() {
        // 196 rows take 224 by tiles of 32, and 208 by tiles of 16, which load more for each sum.
        let product = layer(Mode::Forward, 1, 14, 96, 576, 1);
        let of = |name| cost(&product, &Tile::of(name, &lavapipe()).unwrap(), &lavapipe());
        let ratio = of("subgroup_2") / of("subgroup");
        assert!((WORTH_IT..1.0).contains(&ratio), "{ratio}");
        assert_eq!(subgroup(&product, &lavapipe()), "subgroup");
        assert_eq!(cheapest(&product, &lavapipe(), [].into_iter()), "naive");
    }
}
