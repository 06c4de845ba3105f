//! The tiles of the convolutions: how many rows and columns of the product a workgroup does at a time, and
//! which of them is expected to be the cheapest.

use super::conv2d_gradients::split;
use crate::engine::kernel::{Capabilities, Dispatch, Needs};

/// Which of the three products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine::ops) enum Direction {
    Forward,
    Input,
    Weight,
}

impl Direction {
    /// What is read and what is written: inputs 0 and 1 and the output, where y is the convolution of x with w.
    pub fn tensors<T>(self, x: T, w: T, y: T) -> [T; 3] {
        match self {
            Direction::Forward => [x, w, y],
            Direction::Input => [y, w, x],
            Direction::Weight => [x, y, w],
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
    pub direction: Direction,
    /// Whether row r of one factor belongs to row r of the other, with nothing to look up.
    pub pointwise: bool,
}

/// The kernels that have tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine::ops) enum Kernel {
    /// An invocation computes a block for itself.
    Blocked,
    /// Through workgroup memory, any channels.
    Tiled,
    /// The same, channels in fours.
    Fours,
    /// Lanes of a subgroup hand rows to each other; any channels go in.
    Narrow,
    /// The same, channels in fours.
    Subgroup,
}

impl Kernel {
    /// Its entry point, in all three products.
    pub const fn entry(self) -> &'static str {
        match self {
            Kernel::Blocked => "blocked",
            Kernel::Tiled => "tiled",
            Kernel::Fours => "fours",
            Kernel::Narrow => "subgroup_narrow",
            Kernel::Subgroup => "subgroup",
        }
    }

    pub const fn needs(self) -> Needs {
        match self {
            Kernel::Narrow | Kernel::Subgroup => Needs::Subgroup,
            _ => Needs::Nothing,
        }
    }

    /// Whether it passes both factors through workgroup memory.
    pub fn is_shared(self) -> bool {
        matches!(self, Kernel::Tiled | Kernel::Fours)
    }
}

/// The shader with a kernel; without one, that of `naive`.
pub(in crate::engine::ops) fn shader(kernel: Option<Kernel>, direction: Direction) -> &'static str {
    let [whole, tiles, subgroup] = match direction {
        Direction::Forward => ["conv2d", "conv2d_tiles", "conv2d_subgroup"],
        Direction::Input => [
            "conv2d_input_gradient",
            "conv2d_input_gradient_tiles",
            "conv2d_input_gradient_subgroup",
        ],
        Direction::Weight => [
            "conv2d_weight_gradient",
            "conv2d_weight_gradient_tiles",
            "conv2d_weight_gradient_subgroup",
        ],
    };
    match kernel {
        Some(Kernel::Tiled | Kernel::Fours) => tiles,
        Some(Kernel::Narrow | Kernel::Subgroup) => subgroup,
        Some(Kernel::Blocked) | None => whole,
    }
}

/// A kernel with a size of its tile: a row of the tables.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine::ops) struct Size {
    /// The row's name.
    pub name: &'static str,
    pub kernel: Kernel,
    /// Of the tile; of subgroups, for each lane that hands rows out.
    rows: usize,
    /// Of the tile; of subgroups, what their invocations make of it.
    columns: usize,
    /// Rows of an invocation, which has an eighth of the columns.
    own: usize,
    /// Steps of the sum that go through workgroup memory at a time.
    steps: usize,
    /// Whether others have to save as much as a twelfth to be taken: estimates are not better than that, and each
    /// tile in use is a pipeline more.
    usual: bool,
}

/// A size of `tiled` or `fours`.
const fn shared(
    name: &'static str,
    kernel: Kernel,
    [rows, columns]: [usize; 2],
    own: usize,
    steps: usize,
) -> Size {
    Size { name, kernel, rows, columns, own, steps, usual: rows == 64 && columns == 64 }
}

/// A size of a subgroup kernel.
const fn lanes_of(name: &'static str, kernel: Kernel, rows: usize) -> Size {
    let usual = rows == 4 && matches!(kernel, Kernel::Subgroup);
    Size { name, kernel, rows, columns: 0, own: rows, steps: 1, usual }
}

const BLOCKED: Size = Size {
    name: "blocked",
    kernel: Kernel::Blocked,
    rows: BLOCK_ROWS,
    columns: 4,
    own: BLOCK_ROWS,
    steps: 1,
    usual: false,
};

/// All sizes, in the order of the tables. Of equally cheap ones the last is taken.
pub(in crate::engine::ops) const SIZES: [Size; 15] = [
    BLOCKED,
    shared("tiled_32x32", Kernel::Tiled, [32, 32], 4, TILED_STEPS),
    shared("tiled_32x64", Kernel::Tiled, [32, 64], 4, TILED_STEPS),
    shared("tiled_64x32", Kernel::Tiled, [64, 32], 8, TILED_STEPS),
    shared("tiled_128x64", Kernel::Tiled, [128, 64], 8, TILED_STEPS),
    shared("tiled", Kernel::Tiled, [64, 64], 8, TILED_STEPS),
    shared("fours_32x32", Kernel::Fours, [32, 32], 4, 16),
    shared("fours_32x64", Kernel::Fours, [32, 64], 4, 16),
    shared("fours_64x32", Kernel::Fours, [64, 32], 8, 16),
    shared("fours_128x64", Kernel::Fours, [128, 64], 8, 8),
    shared("fours", Kernel::Fours, [64, 64], 8, 8),
    lanes_of("subgroup_narrow", Kernel::Narrow, 4),
    lanes_of("subgroup_1", Kernel::Subgroup, 1),
    lanes_of("subgroup_2", Kernel::Subgroup, 2),
    lanes_of("subgroup", Kernel::Subgroup, 4),
];

/// What a workgroup does; for `blocked`, whose invocations do not share, what an invocation does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::engine::ops) struct Tile {
    pub kernel: Kernel,
    pub rows: usize,
    pub columns: usize,
    pub invocations: usize,
    /// Numbers of the left factor that an invocation loads for each term of its sums.
    own_rows: f64,
    /// The same of the right factor.
    own_columns: f64,
    /// Steps of the sum at a time.
    steps: usize,
}

/// Steps of `tiled`.
const TILED_STEPS: usize = 16;

/// Invocations of `tiled` and `fours` that are side by side, each with one or two fours of the columns: `ACROSS` in the
/// shader.
const ACROSS: usize = 8;

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

impl Size {
    /// The tile on an adapter, if that can run it.
    pub fn tile(&self, capabilities: &Capabilities) -> Option<Tile> {
        let Size { kernel, rows, columns, own, steps, .. } = *self;
        if kernel == Kernel::Blocked {
            let (own_rows, own_columns) = (rows as f64, columns as f64);
            return Some(Tile {
                kernel,
                rows,
                columns,
                invocations: 1,
                own_rows,
                own_columns,
                steps,
            });
        }
        if kernel.is_shared() {
            let invocations = ACROSS * rows / own;
            let share = |size: usize| size as f64 / invocations as f64;
            let (own_rows, own_columns) = (share(rows), share(columns));
            return Some(Tile { kernel, rows, columns, invocations, own_rows, own_columns, steps });
        }
        // A workgroup is made of whole subgroups, whichever size they have. On a processor, few
        // invocations leave fewer of them idle.
        let most = capabilities.subgroup?.1;
        let invocations = if capabilities.software { most } else { most.max(32) } as usize;
        let (rows, columns) = (lanes(capabilities)? * rows, 4 * invocations);
        let (own_rows, own_columns) = (own as f64, 4.0);
        Some(Tile { kernel, rows, columns, invocations, own_rows, own_columns, steps })
    }

    /// What `product` takes by it, for a choice among tiles; none where the adapter cannot run it.
    pub fn price(&self, product: &Product, capabilities: &Capabilities) -> Option<f64> {
        let price = cost(product, &self.tile(capabilities)?, capabilities);
        Some(if self.usual { WORTH_IT * price } else { price })
    }
}

/// The tile of the subgroup kernel with so many rows for each lane that hands them out.
pub(in crate::engine::ops) fn subgroup_tile(
    rows: usize,
    capabilities: &Capabilities,
) -> Option<Tile> {
    lanes_of("", Kernel::Subgroup, rows).tile(capabilities)
}

impl Tile {
    /// How many of them a product takes.
    pub fn count(&self, rows: usize, columns: usize) -> usize {
        rows.div_ceil(self.rows) * columns.div_ceil(self.columns)
    }

    /// How many workgroups do `count` tiles.
    pub fn workgroups(&self, count: usize) -> usize {
        if self.kernel == Kernel::Blocked { count.div_ceil(64) } else { count }
    }

    /// Sets the constants of `tiled` and `fours`.
    pub fn set_shared(&self, direction: Direction, dispatch: Dispatch) -> Dispatch {
        let own_rows = ACROSS * self.rows / self.invocations;
        let pad = self.kernel == Kernel::Tiled;
        dispatch
            .tile("TILE_ROWS", self.rows as u32)
            .tile("TILE_COLUMNS", self.columns as u32)
            .tile("ROW_FOURS", (own_rows / 4) as u32)
            .tile("TILE_STEPS", self.steps as u32)
            .tile("PAD", u32::from(pad))
            .tile("RIGHT_PAD", u32::from(pad && direction != Direction::Forward))
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
        let fetch = match (tile.kernel, product.direction) {
            (Kernel::Fours, Direction::Forward | Direction::Input) => 10.0,
            (Kernel::Fours, Direction::Weight) => 30.0,
            _ => 20.0,
        };
        let (row, column, store) = (fetch, fetch, 16.0);
        return Prices { row, column, store, dispatch: GPU_DISPATCH, at_once: GPU_AT_ONCE };
    }
    let (row, column) = match product.direction {
        Direction::Forward => (2.8, 2.8),
        // Four rows of w are transposed.
        Direction::Input => (5.0, 5.0),
        Direction::Weight if product.pointwise => (2.8, 2.8),
        // Where a pixel lies in x is asked for each tap and pixel.
        Direction::Weight => (10.0, 2.8),
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
    let (splits, depth) = match product.direction {
        Direction::Weight => split(product.depth, 1, tile.workgroups(count), capabilities),
        Direction::Forward | Direction::Input => (1, product.depth),
    };
    let own_rows = match (product.direction, tile.kernel) {
        // Whatever the tile: see the shader.
        (Direction::Weight, Kernel::Subgroup) => 4.0,
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

/// What another tile than the usual one has to take at most of its price.
const WORTH_IT: f64 = 11.0 / 12.0;

/// The cheapest tile of some kernels for `product`; none where the adapter can run none of them.
pub(in crate::engine::ops) fn cheapest(
    product: &Product,
    capabilities: &Capabilities,
    kernels: &[Kernel],
) -> Option<Tile> {
    let sizes = SIZES.iter().rev().filter(|size| kernels.contains(&size.kernel));
    let prices = sizes.filter_map(|size| Some((size.price(product, capabilities)?, size)));
    let best = prices.min_by(|(a, _), (b, _)| a.total_cmp(b));
    best.and_then(|(_, size)| size.tile(capabilities))
}

/// The kernels that come into question for a product; none where only `naive` does. `wide`: whether all channels are in
/// fours; `narrow`: whether those of the output are, and the kernel for that exists.
pub(in crate::engine::ops) fn considered(
    product: &Product,
    wide: bool,
    narrow: bool,
    capabilities: &Capabilities,
) -> &'static [Kernel] {
    let subgroups = lanes(capabilities).is_some();
    match capabilities.software {
        true if subgroups && wide => &[Kernel::Subgroup, Kernel::Blocked],
        true if subgroups && narrow => &[Kernel::Narrow],
        // Few columns would leave tiles empty.
        false if product.columns >= 16 && wide => &[Kernel::Fours],
        false if product.columns >= 16 => &[Kernel::Tiled],
        _ if wide => &[Kernel::Blocked],
        // One invocation a number leaves a GPU idle: there are few numbers and long sums.
        false if product.direction == Direction::Weight => &[Kernel::Tiled],
        _ => &[],
    }
}

/// The tile that is expected to be the cheapest for a product of channels in fours.
pub(in crate::engine::ops) fn direct(
    product: &Product,
    capabilities: &Capabilities,
) -> Option<Tile> {
    cheapest(product, capabilities, considered(product, true, false, capabilities))
}

/// The kernels whose prices Winograd's products go by.
pub(in crate::engine::ops) fn of_fours(capabilities: &Capabilities) -> &'static [Kernel] {
    match capabilities.software {
        true => &[Kernel::Subgroup, Kernel::Blocked],
        false => &[Kernel::Fours],
    }
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
    fn layer(
        direction: Direction,
        images: usize,
        side: usize,
        from: usize,
        to: usize,
        k: usize,
    ) -> Product {
        let pixels = images * side * side;
        let (rows, columns, depth) = match direction {
            Direction::Forward => (pixels, to, k * k * from),
            Direction::Input => (pixels, from, k * k * to),
            Direction::Weight => (k * k * from, to, pixels),
        };
        Product { direction, pointwise: k == 1, rows, columns, depth, times: 1 }
    }

    fn size(name: &str) -> Size {
        *SIZES.iter().find(|size| size.name == name).unwrap()
    }

    /// The name of the cheapest of some kernels.
    fn chosen(product: &Product, capabilities: &Capabilities, kernels: &[Kernel]) -> &'static str {
        let tile = cheapest(product, capabilities, kernels);
        let same = |size: &&Size| tile.is_some() && size.tile(capabilities) == tile;
        SIZES.iter().find(same).map_or("none", |size| size.name)
    }

    #[test]
    fn every_size_of_a_kernel_has_a_tile_of_whole_invocations() {
        for size in SIZES.iter().filter(|size| size.kernel.is_shared()) {
            let Size { name, kernel, rows, columns, own, steps, .. } = *size;
            let tile = size.tile(&Capabilities::default()).unwrap();
            assert_eq!((tile.rows, tile.columns), (rows, columns));
            // Of invocations side by side, each has one or two fours of columns and of rows.
            assert!([4, 8].contains(&(columns / ACROSS)) && [4, 8].contains(&own), "{name}");
            assert_eq!(tile.invocations * own * columns / ACROSS, rows * columns, "{name}");
            assert!(tile.invocations <= 256, "{name}: more than WebGPU has by default");
            let dispatch = tile.set_shared(Direction::Forward, Dispatch::new("conv2d_tiles", "x"));
            for (constant, value) in
                [("ROW_FOURS", own / 4), ("TILE_STEPS", steps), ("TILE_COLUMNS", columns)]
            {
                assert!(dispatch.tiles.contains(&(constant, value as u32)), "{name}, {constant}");
            }
            // Each fetches as many fours as the others.
            if kernel == Kernel::Tiled {
                let parts = tile.invocations / steps;
                assert!(rows / 4 % parts == 0 && columns / 4 % parts == 0, "{name}");
            } else {
                assert_eq!(steps % (tile.invocations / (columns / 4)), 0, "{name}");
                assert_eq!(steps % (tile.invocations / (rows / 4)), 0, "{name}");
            }
            if !size.usual {
                assert_eq!(name, format!("{}_{rows}x{columns}", kernel.entry()));
            }
        }
        let rows = |name, subgroup| {
            let capabilities = Capabilities { subgroup: Some(subgroup), ..lavapipe() };
            size(name).tile(&capabilities).map(|tile| (tile.rows, tile.columns))
        };
        for (name, eight, four) in
            [("subgroup", 32, 16), ("subgroup_2", 16, 8), ("subgroup_1", 8, 4)]
        {
            assert_eq!(rows(name, (8, 8)), Some((eight, 32)));
            assert_eq!(rows(name, (4, 64)), Some((four, 256)));
            assert_eq!(rows(name, (2, 64)), None, "too few lanes");
            assert_eq!(size(name).tile(&Capabilities::default()), None, "no subgroups");
        }
    }

    #[test]
    fn gpus_take_large_tiles_of_large_layers_and_small_ones_of_small_layers() {
        use Direction::{Forward, Weight};
        let chosen = |product: Product| chosen(&product, &gpu(), &[Kernel::Fours]);
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
        let tiled = super::tests::chosen(&odd, &gpu(), &[Kernel::Tiled]);
        assert_eq!(tiled, "tiled_128x64");
    }

    #[test]
    fn processors_leave_the_usual_tile_where_much_of_it_would_be_empty() {
        use Direction::{Forward, Input, Weight};
        let kernels = of_fours(&lavapipe());
        let chosen = |product: Product| chosen(&product, &lavapipe(), kernels);
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
        let product = layer(Direction::Forward, 1, 14, 96, 576, 1);
        let of = |name| cost(&product, &size(name).tile(&lavapipe()).unwrap(), &lavapipe());
        let ratio = of("subgroup_2") / of("subgroup");
        assert!((WORTH_IT..1.0).contains(&ratio), "{ratio}");
        assert_eq!(chosen(&product, &lavapipe(), of_fours(&lavapipe())), "subgroup");
        assert_eq!(cheapest(&product, &lavapipe(), &[]), None);
    }
}
