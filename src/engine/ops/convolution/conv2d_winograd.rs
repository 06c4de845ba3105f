//! Convolution of 3x3 by Winograd's minimal filtering, and its input gradient: see
//! `shaders/convolution/conv2d_winograd.wgsl`.

use super::conv2d::{Sizes, lower_forward, needs_fours};
use super::epilogue::Epilogue;
use super::table::Task;
use super::tiles::{self, Kernel, Product, Tile, cheapest, cost, direct, moved, subgroup_tile};
use crate::engine::kernel::{Capabilities, Dispatch, Lowered, Lowering, Operand, View, grid};
use crate::engine::ops::{Padding, Window};
use crate::error::Result;

/// The side of a tile of output pixels.
const TILE: usize = 4;
/// Products that a channel of a tile takes.
pub(in crate::engine::ops) const POINTS: usize = 36;
/// What is left of them after the first half of the transform back.
const SIDES: usize = 24;
/// Bytes of transformed tiles that are held at once, unless one tile takes more: enough to keep an adapter
/// busy, and not much memory beside what networks take.
const HELD: u64 = 64 << 20;
/// The same on a processor, where what is in its caches is read sooner.
const HELD_IN_CACHE: u64 = 3 << 20;

/// What a processor takes, in the multiply-adds of `tiles.rs` that follow each other: to transform and store a
/// number of the kernel, one of the tiles, one of what is left of the products, and for a term of the products.
/// Fitted to Mesa's lavapipe (`benches/NOTES.md`, Winograd).
const PRICES: [f64; 4] = [1.5, 1.7, 1.1, 0.068];
/// What it has to save: it takes more memory, and rounds more.
pub(in crate::engine::ops) const WORTH_IT: f64 = 5.0 / 6.0;

/// Where the transforms are, in the order of the scratch memory.
const U: Operand = Operand::Scratch(0);
const V: Operand = Operand::Scratch(1);
const M: Operand = Operand::Scratch(2);

/// A convolution of either direction as one of `channels` to `out_channels`.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine::ops) struct Plain {
    batch: usize,
    from: [usize; 2],
    to: [usize; 2],
    /// Rows above and columns to the left of the image; below 0, what is cut off.
    before: [i32; 2],
    pub(in crate::engine::ops) channels: usize,
    pub(in crate::engine::ops) out_channels: usize,
}

impl Plain {
    pub(in crate::engine::ops) fn new(sizes: &Sizes, turned: bool) -> Self {
        let Sizes { batch, in_channels, out_channels, .. } = *sizes;
        let image = [sizes.height, sizes.width];
        let before = sizes.geometry.before.map(|rows| rows as i32);
        match turned {
            false => Plain {
                batch,
                from: image,
                to: sizes.geometry.output,
                before,
                channels: in_channels,
                out_channels,
            },
            // dx[i] sees dy[i + before - tap], that is dy[i - (2 - before) + turned tap].
            true => Plain {
                batch,
                from: sizes.geometry.output,
                to: image,
                before: before.map(|rows| 2 - rows),
                channels: out_channels,
                out_channels: in_channels,
            },
        }
    }

    /// Of an image.
    fn image_tiles(&self) -> usize {
        self.to[0].div_ceil(TILE) * self.to[1].div_ceil(TILE)
    }

    /// Of all images.
    pub(in crate::engine::ops) fn tiles(&self) -> usize {
        self.batch * self.image_tiles()
    }

    /// The images of input number `input` that `tiles` tiles from `first` on lie in, and what number the first
    /// tile has in them: what is bound is what is copied where reads go through textures.
    pub(in crate::engine::ops) fn images(
        &self,
        input: usize,
        first: usize,
        tiles: usize,
    ) -> (Operand, usize) {
        let each = self.image_tiles();
        let image = first / each;
        let count = (first + tiles).div_ceil(each) - image;
        (Operand::Images { input, first: image, count }, first - image * each)
    }

    /// Into how many tiles at a time the work is cut.
    pub(in crate::engine::ops) fn at_once(&self, capabilities: &Capabilities) -> usize {
        let each = (4 * POINTS * self.channels.max(self.out_channels)) as u64;
        let held = if capabilities.software { HELD_IN_CACHE } else { HELD };
        let most = (capabilities.max_binding.min(held) / each).max(1) as usize;
        // Parts of the same size, but the products take tiles in multiples of 32.
        let tiles = self.tiles();
        let part = tiles.div_ceil(tiles.div_ceil(most));
        let whole = part.next_multiple_of(32);
        if whole <= most { whole.min(tiles) } else { part }
    }

    /// What `subgroup_winograd` takes on a processor, in the unit of [`cost`]; none without subgroups. `share`: of the
    /// transform of the kernel, that which a run has to bear.
    fn processor_price(&self, share: f64, capabilities: &Capabilities) -> Option<f64> {
        let tile = lanes(capabilities)?;
        let (tiles, Plain { channels, out_channels, .. }) = (self.tiles(), *self);
        let amounts = [
            POINTS * channels * out_channels,
            POINTS * tiles * channels,
            SIDES * tiles * out_channels,
            POINTS
                * tiles.next_multiple_of(tile.rows)
                * channels
                * out_channels.next_multiple_of(tile.columns),
        ];
        let [kernel, others @ ..] = PRICES;
        let prices = [share * kernel].into_iter().chain(others);
        Some(amounts.into_iter().zip(prices).map(|(count, each)| count as f64 * each).sum())
    }

    /// What `winograd` takes on a GPU: what its transforms read and write, and the products. `share` as above.
    fn gpu_price(&self, share: f64, capabilities: &Capabilities) -> Option<f64> {
        let (tiles, Plain { channels, out_channels, .. }) = (self.tiles(), *self);
        // The kernel and its transform, which is read again; the same of the tiles, and of the products.
        let kernel = (share * ((9 + POINTS) * channels * out_channels) as f64) as usize;
        let numbers = kernel
            + POINTS * channels * out_channels
            + (TILE * TILE + 2 * POINTS) * tiles * (channels + out_channels);
        let at_once = self.at_once(capabilities);
        let parts = tiles.div_ceil(at_once);
        let product = Product {
            rows: at_once,
            columns: out_channels,
            depth: channels,
            times: POINTS,
            direction: tiles::Direction::Forward,
            pointwise: true,
        };
        let tile = cheapest(&product, capabilities, &[Kernel::Fours])?;
        let products = parts as f64 * cost(&product, &tile, capabilities);
        Some(moved(numbers, 1 + 3 * parts) + products)
    }

    pub(in crate::engine::ops) fn params(
        &self,
        dispatch: Dispatch,
        in_subgroups: bool,
    ) -> Dispatch {
        let (channels, out_channels) = (self.channels, self.out_channels);
        // `products` takes one matrix after the other, a convolution all of them as its columns.
        let [point, channel] = match in_subgroups {
            true => [channels * out_channels, out_channels],
            false => [out_channels, POINTS * out_channels],
        };
        dispatch
            .param("u_point", point)
            .param("u_channel", channel)
            .param("height", self.from[0])
            .param("width", self.from[1])
            .param("in_channels", self.channels)
            .param("out_height", self.to[0])
            .param("out_width", self.to[1])
            .param("out_channels", self.out_channels)
            .param("pad_top", self.before[0])
            .param("pad_left", self.before[1])
    }
}

/// Whether a task can be done so.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) with what it takes.
pub(in crate::engine::ops) fn fits(task: &Task, lowering: &Lowering) -> Result<()> {
    match task.wide && takes(&task.sizes, lowering.capabilities) {
        true => Ok(()),
        false => Err(needs_fours(task.name, "winograd takes 3x3, stride 1, one group, and")),
    }
}

/// Whether sizes can be, where tensors lie in fours.
fn takes(sizes: &Sizes, capabilities: &Capabilities) -> bool {
    let Window { size, stride, dilation, .. } = sizes.window;
    let kernel = 4 * (POINTS * sizes.in_channels * sizes.out_channels) as u64;
    let most = sizes.in_channels.max(sizes.out_channels);
    (size, stride, dilation) == ([3, 3], [1, 1], [1, 1])
        && sizes.groups == 1
        && sizes.in_channels.is_multiple_of(4)
        && sizes.out_channels.is_multiple_of(4)
        && kernel <= capabilities.max_binding
        && rounds(most, 32) as u64 <= capabilities.longest_loop
}

/// The tile of `products`: as many rows as a processor's stack holds, or a GPU's registers.
pub(in crate::engine::ops) fn lanes(capabilities: &Capabilities) -> Option<Tile> {
    subgroup_tile(if capabilities.software { 4 } else { 1 }, capabilities)
}

/// `price`, where that is clearly below what the best direct kernel takes.
pub(in crate::engine::ops) fn if_worth_it(
    price: f64,
    task: &Task,
    capabilities: &Capabilities,
) -> Option<f64> {
    let usual = cost(&task.product, &direct(&task.product, capabilities)?, capabilities);
    (price < WORTH_IT * usual).then_some(price)
}

/// The share of the kernel's transform that one run has to bear: all of it, or where it is computed once, as if there were
/// a few runs.
fn share(lowering: &Lowering) -> f64 {
    if lowering.is_fixed(1) { 0.25 } else { 1.0 }
}

fn plain(task: &Task) -> Plain {
    Plain::new(&task.sizes, task.direction() == tiles::Direction::Input)
}

/// What `winograd` takes: on GPUs, where it is faster than by subgroups.
pub(in crate::engine::ops) fn price(task: &Task, lowering: &Lowering) -> Option<f64> {
    let capabilities = lowering.capabilities;
    if capabilities.software {
        return None;
    }
    if_worth_it(plain(task).gpu_price(share(lowering), capabilities)?, task, capabilities)
}

/// What `subgroup_winograd` takes, on processors.
pub(in crate::engine::ops) fn lanes_price(task: &Task, lowering: &Lowering) -> Option<f64> {
    let capabilities = lowering.capabilities;
    if !capabilities.software {
        return None;
    }
    if_worth_it(plain(task).processor_price(share(lowering), capabilities)?, task, capabilities)
}

/// Rounds of the loops of `products`.
fn rounds(channels: usize, rows: usize) -> usize {
    POINTS * (channels / 4 + 1) + 6 * (rows + 1)
}

/// The dispatches of either convolution: inputs 0 and 1 are x, or dy, and the kernel. `tile`: by which its products are
/// done in subgroups; else a convolution does them.
pub(in crate::engine::ops) fn lower(
    task: &Task,
    lowering: &Lowering,
    tile: Option<Tile>,
) -> Result<Lowered> {
    let (epilogue, in_subgroups) = (&task.epilogue, tile.is_some());
    let capabilities = lowering.capabilities;
    let plain = plain(task);
    let (channels4, columns4) = (plain.channels / 4, plain.out_channels / 4);
    let limit = capabilities.max_workgroups;
    const SUBGROUP: &str = "conv2d_winograd_subgroup";
    let start = |entry| Dispatch::new("conv2d_winograd", entry);
    let finish = |dispatch, [first, tiles]: [usize; 2], invocations: usize| {
        plain
            .params(dispatch, in_subgroups)
            .param("first_tile", first)
            .param("tiles", tiles)
            .workgroups(grid(invocations.div_ceil(64), limit))
    };
    let turned = task.direction() == tiles::Direction::Input;
    let kernel = start(if turned { "kernel_turned" } else { "kernel" });
    let kernel = kernel.bind("w", Operand::Input(1)).bind("u", U);
    let mut dispatches = vec![finish(kernel, [0, 0], plain.channels * columns4)];
    let at_once = plain.at_once(capabilities);
    for first in (0..plain.tiles()).step_by(at_once) {
        let tiles = at_once.min(plain.tiles() - first);
        let (x, from) = plain.images(0, first, tiles);
        let input = start("input").bind("x", x).bind("v", V);
        dispatches.push(finish(input, [from, tiles], tiles * channels4));
        let output = if let Some(tile) = &tile {
            let products = tile
                .set_row_blocks(capabilities, Dispatch::new(SUBGROUP, "products"))
                .bind("left", V)
                .bind("right", U)
                .bind("sides", M)
                .rounds(rounds(plain.channels, tile.rows));
            let products = finish(products, [first, tiles], 0);
            let groups = tile.count(tiles, plain.out_channels);
            dispatches.push(products.workgroups(grid(groups, limit)));
            Dispatch::new(SUBGROUP, "output_sides").bind("parts", M)
        } else {
            dispatches.extend(products(task.name, &plain, tiles, capabilities)?);
            start("output").bind("m", M)
        };
        let output = epilogue.bind(output.bind("y", Operand::Output));
        dispatches.push(finish(output, [first, tiles], tiles * columns4));
    }
    let points = if in_subgroups { SIDES } else { POINTS };
    Ok(Lowered {
        dispatches,
        scratch: vec![
            POINTS * plain.channels * plain.out_channels,
            POINTS * at_once * plain.channels,
            points * at_once * plain.out_channels,
        ],
    })
}

/// v and u to m: for each of the points a product of matrices, as the groups of a convolution of 1x1.
fn products(
    name: &str,
    plain: &Plain,
    tiles: usize,
    capabilities: &Capabilities,
) -> Result<Vec<Dispatch>> {
    let (wide, wide_out) = (POINTS * plain.channels, POINTS * plain.out_channels);
    let window = Window::square(1, 1, Padding::Valid);
    let sizes = Sizes::new(name, window, [1, 1, tiles], wide, wide_out, POINTS)?;
    let (v, u, m) = (sizes.input(), sizes.kernel(), sizes.output());
    let lowering = Lowering {
        inputs: &[&v, &u],
        views: &[View::dense(&v), View::dense(&u)],
        output: &m,
        output_view: View::dense(&m),
        fixed: &[],
        capabilities,
    };
    let tile = direct(&sizes.product(), capabilities);
    let lowered = lower_forward(&lowering, &sizes, &Epilogue::default(), tile.as_ref());
    let mut dispatches = lowered.dispatches;
    for dispatch in &mut dispatches {
        for (_, operand) in &mut dispatch.bindings {
            *operand = match operand {
                Operand::Input(0) => V,
                Operand::Input(_) => U,
                _ => M,
            };
        }
        dispatch.params.extend([("x_stride", wide.into()), ("y_stride", wide_out.into())]);
    }
    Ok(dispatches)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a processor, or a GPU, is given it for `images` of `side` x `side` pixels, channels `from` to `to`, and for
    /// the gradient on the way back.
    fn chosen(
        software: bool,
        images: usize,
        side: usize,
        from: usize,
        to: usize,
        stride: usize,
    ) -> [bool; 2] {
        chosen_where([false, false], software, images, side, from, to, stride)
    }

    /// The same where of the two inputs those that are `fixed` are the same at every run.
    fn chosen_where(
        fixed: [bool; 2],
        software: bool,
        images: usize,
        side: usize,
        from: usize,
        to: usize,
        stride: usize,
    ) -> [bool; 2] {
        let capabilities = Capabilities {
            subgroup: Some(if software { (8, 8) } else { (32, 32) }),
            software,
            longest_loop: 65_535,
            ..Capabilities::default()
        };
        let window = Window::square(3, stride, Padding::Same);
        let sizes = Sizes::new("", window, [images, side, side], from, to, 1).unwrap();
        let forward = sizes.product();
        let backward = Product {
            rows: images * side * side,
            columns: from,
            depth: 9 * to,
            direction: tiles::Direction::Input,
            ..forward
        };
        [forward, backward].map(|product| {
            let epilogue = Epilogue::default();
            let task = Task { name: "", sizes, product, epilogue, wide: true, narrow: true };
            let shape = crate::engine::shape::Shape::from([1]);
            let lowering = Lowering {
                inputs: &[],
                views: &[],
                output: &shape,
                output_view: View::dense(&shape),
                fixed: &fixed,
                capabilities: &capabilities,
            };
            takes(&sizes, &capabilities)
                && if software { lanes_price } else { price }(&task, &lowering).is_some()
        })
    }

    #[test]
    fn gpus_take_it_for_all_but_few_channels() {
        let both = [true; 2];
        for (images, side, from, to) in
            [(32, 56, 64, 64), (32, 14, 256, 256), (32, 7, 512, 512), (1, 28, 128, 128)]
        {
            let what = format!("{images}x{side}x{side}x{from}");
            assert_eq!(chosen(false, images, side, from, to, 1), both, "{what}");
        }
        for (images, side, from, to, stride) in [(32, 48, 16, 16, 1), (32, 56, 64, 64, 2)] {
            let what = format!("{images}x{side}x{side}x{from}, stride {stride}");
            assert_eq!(chosen(false, images, side, from, to, stride), [false; 2], "{what}");
        }
    }

    #[test]
    fn processors_take_it_for_many_channels_and_many_tiles() {
        let both = [true; 2];
        for (images, side, from, to) in [(8, 56, 64, 64), (8, 28, 128, 128), (4, 24, 64, 64)] {
            assert_eq!(
                chosen(true, images, side, from, to, 1),
                both,
                "{images}x{side}x{side}x{from}"
            );
        }
        let neither = [false; 2];
        // Few channels; few tiles, whose kernel takes longer to transform than it saves; another stride; a
        // kernel that no binding holds.
        for (images, side, from, to, stride) in
            [(32, 48, 32, 32, 1), (1, 14, 256, 256, 1), (8, 56, 64, 64, 2), (64, 24, 1024, 1024, 1)]
        {
            let what = format!("{images}x{side}x{side}x{from} to {to}, stride {stride}");
            assert_eq!(chosen(true, images, side, from, to, stride), neither, "{what}");
        }
    }

    #[test]
    fn a_kernel_that_is_transformed_once_pays_sooner() {
        let fixed = [false, true];
        for (images, side, channels) in [(4, 14, 256), (1, 28, 128)] {
            let what = format!("{images}x{side}x{side}x{channels}");
            assert_ne!(chosen(true, images, side, channels, channels, 1), [true; 2], "{what}");
            let once = chosen_where(fixed, true, images, side, channels, channels, 1);
            assert_eq!(once, [true; 2], "{what}");
        }
        // A single tile is worth no transform, and another input that is fixed is no kernel.
        assert!(!chosen_where(fixed, true, 1, 4, 512, 512, 1)[0]);
        assert!(!chosen_where([true, false], true, 4, 14, 256, 256, 1)[0]);
    }
}
