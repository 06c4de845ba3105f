//! Means, sums and maxima along axes: operations of `keras.ops`, and the pools of sequences.

use super::{Kind, kind};
use crate::engine::ops::{Elementwise, GlobalAveragePool, Instruction, Pool, Reshape};
use crate::error::Result;
use crate::nets::keras::site::{Site, Tensor, described};

pub(super) const LAYERS: &[Kind] = &[
    kind("Mean", |site| operation(site, How::Mean)),
    kind("Sum", |site| operation(site, How::Sum)),
    kind("Max", |site| operation(site, How::Largest)),
    kind("Amax", |site| operation(site, How::Largest)),
    kind("GlobalAveragePooling1D", |site| sequence(site, How::Mean)),
    kind("GlobalAvgPool1D", |site| sequence(site, How::Mean)),
    kind("GlobalMaxPooling1D", |site| sequence(site, How::Largest)),
    kind("GlobalMaxPool1D", |site| sequence(site, How::Largest)),
];

#[derive(Clone, Copy, PartialEq)]
pub(super) enum How {
    Mean,
    Sum,
    Largest,
}

fn operation(site: &mut Site, how: How) -> Result<Tensor> {
    let fields = site.fields;
    let axes = fields.signed("axis")?;
    let keep = fields.flag_or("keepdims", false)?;
    fields.finish()?;
    let rank = site.shape(site.x()?).rank();
    let axes: Option<Vec<usize>> = axes.iter().map(|&axis| place(axis, rank)).collect();
    let mut axes = axes.unwrap_or_default();
    axes.sort_unstable();
    // One axis after the other, and never that of the pictures.
    let together = axes.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    match (axes.first(), axes.last(), together) {
        (Some(&first), Some(&last), true) => reduced(site, [first, last + 1], keep, how),
        _ => Err(fields.strange("axis")),
    }
}

/// The axis that `axis` counts from either end, of a tensor of `rank` axes; none where it is that of the pictures.
pub(super) fn place(axis: i64, rank: usize) -> Option<usize> {
    let from_end = if axis < 0 { axis.checked_add(rank as i64)? } else { axis };
    usize::try_from(from_end).ok().filter(|axis| (1..rank).contains(axis))
}

/// Of (N, steps, channels) over the steps.
fn sequence(site: &mut Site, how: How) -> Result<Tensor> {
    let fields = site.fields;
    fields.channels_last()?;
    let keep = fields.flag_or("keepdims", false)?;
    fields.finish()?;
    let shape = site.shape(site.x()?);
    if shape.rank() != 3 {
        let problem = format!("it takes a sequence, and is called with {}", described(&shape));
        return Err(fields.refuse(problem, "look at the layer before it"));
    }
    reduced(site, [1, 2], keep, how)
}

/// Over the axes from `first` to before `end`, which stay as axes of one where `keep` says so.
pub(super) fn reduced(
    site: &mut Site,
    [first, end]: [usize; 2],
    keep: bool,
    how: How,
) -> Result<Tensor> {
    let x = site.x()?;
    let shape = site.shape(x);
    let dims = shape.dims();
    let mut left = dims[..first].to_vec();
    left.extend(vec![1; if keep { end - first } else { 0 }]);
    left.extend(&dims[end..]);
    if left.len() < 2 {
        let problem = format!("it makes one number of {}", described(&shape));
        return Err(site.fields.refuse(problem, "keep its axes: keepdims=True"));
    }
    let rows: usize = dims[..first].iter().product();
    let count: usize = dims[first..end].iter().product();
    let channels: usize = dims[end..].iter().product();
    let whole = match *dims {
        [_, height, width, _] if [first, end] == [1, 3] => [height, width],
        _ => [count, 1],
    };
    let images = Reshape([rows, whole[0], whole[1], channels].into());
    let images = site.part("in_rows", images, &[x])?;
    let value = match how {
        How::Largest => site.part("largest", Pool::largest(whole), &[images])?,
        How::Mean | How::Sum => site.part("mean", GlobalAveragePool, &[images])?,
    };
    let left = Reshape(left.into());
    if how != How::Sum {
        return site.add(left, &[value]);
    }
    let value = site.part("left", left, &[value])?;
    site.add(Elementwise::one(Instruction::Scale(count as f32)), &[value])
}
