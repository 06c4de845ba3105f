//! The rows of the convolutions' tables: a dense layer, a convolution and both its gradients have the same, each with
//! kernels of its own.

use super::conv2d::{Sizes, lower_forward, needs_fours};
use super::conv2d_gradients::{lower_input, lower_weight};
use super::epilogue::Epilogue;
use super::tiles::{Direction, Kernel, Product, SIZES, Size, Tile, considered};
use super::{conv2d_cooperative, conv2d_padded, conv2d_winograd, conv2d_winograd_weight};
use crate::engine::graph::{Operation, Variant};
use crate::engine::kernel::{Lowered, Lowering, Needs};
use crate::engine::ops::table::LAST;
use crate::error::{Error, Result};

/// A convolution of any of the three kinds, on given tensors.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine::ops) struct Task {
    pub name: &'static str,
    pub sizes: Sizes,
    pub product: Product,
    pub epilogue: Epilogue,
    /// Whether all channels are in fours.
    pub wide: bool,
    /// Whether those of the output are, and there is a kernel for that.
    pub narrow: bool,
}

/// An operation that is one.
pub(in crate::engine::ops) trait Convolution: Operation {
    /// What is to be done.
    ///
    /// # Errors
    /// [`Error::Shape`] where the shapes are none of its.
    fn task(&self, lowering: &Lowering) -> Result<Task>;
}

impl Task {
    pub fn direction(&self) -> Direction {
        self.product.direction
    }

    /// The dispatches of a kernel of its own; of `naive` without a tile.
    pub fn lower(&self, lowering: &Lowering, tile: Option<&Tile>) -> Result<Lowered> {
        match self.direction() {
            Direction::Forward => Ok(lower_forward(lowering, &self.sizes, &self.epilogue, tile)),
            Direction::Input => Ok(lower_input(lowering, &self.sizes, tile)),
            Direction::Weight => Ok(lower_weight(lowering, &self.sizes, tile)),
        }
    }

    /// Multiply-adds.
    pub fn work(&self) -> f64 {
        (self.sizes.flops() / 2) as f64
    }

    /// What `naive` takes.
    fn naive_price(&self, lowering: &Lowering) -> f64 {
        let kernels = considered(&self.product, self.wide, self.narrow, lowering.capabilities);
        if kernels.is_empty() { self.naive_work() } else { LAST }
    }

    /// What its multiply-adds take a processor, in those of `tiles.rs`.
    pub fn naive_work(&self) -> f64 {
        NAIVE[self.direction() as usize] * self.work()
    }

    fn fits(&self, size: &Size, lowering: &Lowering) -> Result<()> {
        let takes_lanes = || {
            let problem = format!("{} takes subgroups of four lanes or more", size.name);
            Error::shape(self.name, problem)
        };
        let _ = size.tile(lowering.capabilities).ok_or_else(takes_lanes)?;
        let fits = match size.kernel {
            Kernel::Tiled => true,
            Kernel::Narrow => self.narrow,
            _ => self.wide,
        };
        if fits { Ok(()) } else { Err(needs_fours(self.name, size.name)) }
    }

    fn price(&self, size: &Size, lowering: &Lowering) -> f64 {
        let capabilities = lowering.capabilities;
        let kernels = considered(&self.product, self.wide, self.narrow, capabilities);
        let price = size.price(&self.product, capabilities).unwrap_or(f64::INFINITY);
        match size.kernel {
            kernel if kernels.contains(&kernel) => price,
            // No faster than `naive`, but its loops are shorter.
            Kernel::Tiled if capabilities.software && !self.wide => {
                price.max(2.0 * self.naive_work())
            }
            _ => f64::INFINITY,
        }
    }
}

/// What a multiply-add of `naive` takes a processor, in those of `tiles.rs`: forward, to the input and to the
/// weights (`benches/NOTES.md`, Channels not in fours).
const NAIVE: [f64; 3] = [2.5, 3.0, 6.0];

const fn naive<T: Convolution>() -> Variant {
    let [row] = variants!(T: {
        name: "naive",
        price: |this, at| this.task(at).map_or(LAST, |task| task.naive_price(at)),
        lower: |this, at| this.task(at)?.lower(at, None),
    },);
    row
}

const fn size<T: Convolution, const AT: usize>() -> Variant {
    let [row] = variants!(T: {
        name: SIZES[AT].name,
        family: SIZES[AT].kernel.entry(),
        needs: SIZES[AT].kernel.needs(),
        fits: |this, at| this.task(at)?.fits(&SIZES[AT], at),
        price: |this, at| this.task(at).map_or(f64::INFINITY, |task| task.price(&SIZES[AT], at)),
        lower: |this, at| this.task(at)?.lower(at, SIZES[AT].tile(at.capabilities).as_ref()),
    },);
    row
}

const fn padded<T: Convolution>() -> Variant {
    let [row] = variants!(T: {
        name: "padded",
        fits: |this, at| conv2d_padded::fits(&this.task(at)?, at),
        price: |this, at| {
            let price = this.task(at).ok().and_then(|task| conv2d_padded::price(&task, at));
            price.unwrap_or(f64::INFINITY)
        },
        lower: |this, at| conv2d_padded::lower(&this.task(at)?, at),
    },);
    row
}

const fn cooperative<T: Convolution>() -> Variant {
    let [row] = variants!(T: {
        name: "cooperative_fours",
        needs: Needs::Cooperative,
        fits: |this, at| conv2d_cooperative::fits(&this.task(at)?, at),
        // Three to five times as fast as `fours` on an H100 (`benches/NOTES.md`, A GPU), where it was timed.
        price: |this, at| {
            let timed = this.task(at).is_ok_and(|task| conv2d_cooperative::is_timed(&task, at));
            if timed { 0.0 } else { f64::INFINITY }
        },
        lower: |this, at| conv2d_cooperative::lower(&this.task(at)?, at),
    },);
    row
}

const fn winograd<T: Convolution>() -> Variant {
    let [row] = variants!(T: {
        name: "winograd",
        fits: |this, at| conv2d_winograd::fits(&this.task(at)?, at),
        price: |this, at| {
            let price = this.task(at).ok().and_then(|task| match task.direction() {
                Direction::Weight => conv2d_winograd_weight::price(&task, at.capabilities),
                _ => conv2d_winograd::price(&task, at),
            });
            price.unwrap_or(f64::INFINITY)
        },
        lower: |this, at| {
            let task = this.task(at)?;
            match task.direction() {
                Direction::Weight => conv2d_winograd_weight::lower(&task, at),
                _ => conv2d_winograd::lower(&task, at, None),
            }
        },
    },);
    row
}

const fn subgroup_winograd<T: Convolution>() -> Variant {
    let [row] = variants!(T: {
        name: "subgroup_winograd",
        needs: Needs::Subgroup,
        fits: |this, at| {
            let task = this.task(at)?;
            conv2d_winograd::fits(&task, at)?;
            let lacks = || needs_fours(task.name, "subgroup_winograd");
            conv2d_winograd::lanes(at.capabilities).map(|_| ()).ok_or_else(lacks)
        },
        price: |this, at| {
            let task = this.task(at).ok();
            let price = task.and_then(|task| conv2d_winograd::lanes_price(&task, at));
            price.unwrap_or(f64::INFINITY)
        },
        lower: |this, at| {
            conv2d_winograd::lower(&this.task(at)?, at, conv2d_winograd::lanes(at.capabilities))
        },
    },);
    row
}

/// Of a dense layer.
pub(in crate::engine::ops) const fn dense<T: Convolution>() -> [Variant; 18] {
    let [direct @ .., _, _] = forward::<T>();
    direct
}

/// Of a convolution.
pub(in crate::engine::ops) const fn forward<T: Convolution>() -> [Variant; 20] {
    [
        naive::<T>(),
        size::<T, 0>(),
        size::<T, 1>(),
        size::<T, 2>(),
        size::<T, 3>(),
        size::<T, 4>(),
        size::<T, 5>(),
        size::<T, 6>(),
        size::<T, 7>(),
        size::<T, 8>(),
        size::<T, 9>(),
        size::<T, 10>(),
        size::<T, 11>(),
        size::<T, 12>(),
        size::<T, 13>(),
        size::<T, 14>(),
        padded::<T>(),
        cooperative::<T>(),
        winograd::<T>(),
        subgroup_winograd::<T>(),
    ]
}

/// Of the gradient with respect to the input, which has no kernel for channels that are in fours only where they come out.
pub(in crate::engine::ops) const fn input<T: Convolution>() -> [Variant; 19] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, _, rest @ ..] = forward::<T>();
    let [m, n, o, p, q, r, s] = rest;
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s]
}

/// Of the gradient with respect to the weights, whose Winograd has no kernel for subgroups.
pub(in crate::engine::ops) const fn weight<T: Convolution>() -> [Variant; 19] {
    let [table @ .., _] = forward::<T>();
    table
}
