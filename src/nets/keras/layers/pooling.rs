//! Pooling, over windows and over whole images.

use super::{Kind, kind};
use crate::engine::ops::{GlobalAveragePool, Pool, PoolKind, Reshape};
use crate::error::Result;
use crate::nets::keras::site::{Site, Tensor};

pub(super) const LAYERS: &[Kind] = &[
    kind("MaxPooling2D", |site| window(site, PoolKind::Max)),
    kind("MaxPool2D", |site| window(site, PoolKind::Max)),
    kind("AveragePooling2D", |site| window(site, PoolKind::Average)),
    kind("AvgPool2D", |site| window(site, PoolKind::Average)),
    kind("GlobalMaxPooling2D", |site| whole(site, PoolKind::Max)),
    kind("GlobalMaxPool2D", |site| whole(site, PoolKind::Max)),
    kind("GlobalAveragePooling2D", |site| whole(site, PoolKind::Average)),
    kind("GlobalAvgPool2D", |site| whole(site, PoolKind::Average)),
    kind("AveragePool", |site| window(site, PoolKind::Average)),
    kind("MaxPool", |site| window(site, PoolKind::Max)),
];

fn window(site: &mut Site, kind: PoolKind) -> Result<Tensor> {
    let fields = site.fields;
    fields.channels_last()?;
    let window = site.window("pool_size", [2, 2], None)?;
    fields.finish()?;
    let (x, _) = site.images()?;
    site.add(Pool { kind, window }, &[x])
}

fn whole(site: &mut Site, kind: PoolKind) -> Result<Tensor> {
    let fields = site.fields;
    fields.channels_last()?;
    let keep = fields.flag_or("keepdims", false)?;
    fields.finish()?;
    let (x, [images, height, width, channels]) = site.images()?;
    match kind {
        PoolKind::Average if !keep => site.add(GlobalAveragePool, &[x]),
        PoolKind::Average => {
            let mean = site.part("mean", GlobalAveragePool, &[x])?;
            site.add(Reshape([images, 1, 1, channels].into()), &[mean])
        }
        PoolKind::Max | PoolKind::Largest => {
            let all = Pool::largest([height, width]);
            if keep {
                return site.add(all, &[x]);
            }
            let largest = site.part("largest", all, &[x])?;
            site.add(Reshape([images, channels].into()), &[largest])
        }
    }
}
