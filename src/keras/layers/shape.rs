//! Layers that change shapes: borders, larger images, other views of the same numbers.

use super::{Kind, kind};
use crate::error::Result;
use crate::keras::site::{Site, Tensor, described};
use crate::ops::{
    AveragePoolGradient, Crop, Elementwise, Instruction, Padding, Reshape, ResizeBilinear, Window,
    ZeroPad,
};

pub(super) const LAYERS: &[Kind] = &[
    kind("ZeroPadding2D", zero_padding),
    kind("Cropping2D", cropping),
    kind("UpSampling2D", up_sampling),
    kind("Flatten", flatten),
    kind("Reshape", reshape),
    kind("Permute", permute),
];

fn zero_padding(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    fields.channels_last()?;
    let [[top, bottom], [left, right]] = fields.border("padding", 1)?;
    fields.finish()?;
    let (x, [images, height, width, channels]) = site.images()?;
    let sums = [top, bottom, left, right].iter().all(|&side| side < 1 << 20);
    if !sums {
        return Err(fields.strange("padding"));
    }
    site.checked(&[images, height + top + bottom, width + left + right, channels])?;
    site.add(ZeroPad { top, bottom, left, right }, &[x])
}

fn cropping(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    fields.channels_last()?;
    let [[top, bottom], [left, right]] = fields.border("cropping", 0)?;
    fields.finish()?;
    let (x, [_, height, width, _]) = site.images()?;
    let fits = |before: usize, after: usize, size: usize| {
        before.checked_add(after).is_some_and(|cut| cut < size)
    };
    if !fits(top, bottom, height) || !fits(left, right, width) {
        return Err(fields.strange("cropping"));
    }
    site.add(Crop { top, bottom, left, right }, &[x])
}

fn up_sampling(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    fields.channels_last()?;
    let size = fields.pair_or("size", [2, 2])?;
    let interpolation = fields.text_or("interpolation", "nearest")?;
    fields.finish()?;
    let (x, [images, height, width, channels]) = site.images()?;
    if size.iter().any(|&times| times == 0 || times > 1 << 12) {
        return Err(fields.strange("size"));
    }
    let (height, width) = (height * size[0], width * size[1]);
    site.checked(&[images, height, width, channels])?;
    match interpolation {
        "nearest" => {
            // Each pixel at all places of its window is what a mean over it hands back, times their
            // number.
            let window = Window { size, stride: size, dilation: [1; 2], padding: Padding::Valid };
            let spread = AveragePoolGradient { window, size: [height, width] };
            let spread = site.part("spread", spread, &[x])?;
            let times = Elementwise::one(Instruction::Scale((size[0] * size[1]) as f32));
            site.add(times, &[spread])
        }
        "bilinear" => site.add(ResizeBilinear { height, width }, &[x]),
        _ => Err(fields.strange("interpolation")),
    }
}

fn flatten(site: &mut Site) -> Result<Tensor> {
    site.fields.channels_last()?;
    site.fields.finish()?;
    let x = site.x()?;
    let shape = site.shape(x);
    let images = shape.dims()[0];
    site.add(Reshape([images, shape.elements() / images.max(1)].into()), &[x])
}

fn reshape(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    let target = fields.signed("target_shape")?;
    fields.finish()?;
    let x = site.x()?;
    let shape = site.shape(x);
    let images = shape.dims()[0];
    let each = shape.elements() / images.max(1);
    let known = target.iter().filter(|&&size| size != -1);
    let known = known.map(|&size| usize::try_from(size).ok().filter(|&size| size > 0));
    let product = known.collect::<Option<Vec<usize>>>().and_then(|sizes| {
        sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size))
    });
    let free = target.iter().filter(|&&size| size == -1).count();
    let refused = || {
        let problem = format!("{} does not multiply out to {target:?}", described(&shape));
        fields.refuse(problem, "check target_shape and the size of the input")
    };
    let product = product.ok_or_else(refused)?;
    let rest = match free {
        0 if product == each => 1,
        1 if each.is_multiple_of(product) => each / product,
        _ => return Err(refused()),
    };
    let sizes = target.iter().map(|&size| usize::try_from(size).unwrap_or(rest));
    let dims: Vec<usize> = std::iter::once(images).chain(sizes).collect();
    site.add(Reshape(dims.into()), &[x])
}

/// Axes in another order, where the numbers stay in theirs.
fn permute(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    let order = fields.signed("dims")?;
    fields.finish()?;
    let x = site.x()?;
    let shape = site.shape(x);
    let dims = shape.dims();
    let axes: Option<Vec<usize>> = order
        .iter()
        .map(|&axis| usize::try_from(axis).ok().filter(|axis| (1..dims.len()).contains(axis)))
        .collect();
    let axes = axes.ok_or_else(|| fields.strange("dims"))?;
    let mut sorted = axes.clone();
    sorted.sort_unstable();
    if sorted != (1..dims.len()).collect::<Vec<usize>>() {
        return Err(fields.strange("dims"));
    }
    let longer: Vec<usize> = axes.iter().copied().filter(|&axis| dims[axis] > 1).collect();
    if !longer.is_sorted() {
        return Err(fields.refuse(
            format!("dims = {order:?} moves numbers of {}", described(&shape)),
            "only what leaves them in their order is understood",
        ));
    }
    let turned: Vec<usize> =
        std::iter::once(dims[0]).chain(axes.iter().map(|&axis| dims[axis])).collect();
    site.add(Reshape(turned.into()), &[x])
}
