//! Layers that change shapes: borders, larger images, other views of the same numbers.

use serde_json::Value as Json;

use super::reduce::place;
use super::{Kind, kind};
use crate::engine::ops::{
    AveragePoolGradient, Concat, Conv2d, Crop, Elementwise, Expand, Instruction, Padding, Reshape,
    ResizeBilinear, SliceChannels, Window, ZeroPad,
};
use crate::error::Result;
use crate::nets::keras::site::{Site, Tensor, described};

pub(super) const LAYERS: &[Kind] = &[
    kind("ZeroPadding2D", zero_padding),
    kind("Cropping2D", cropping),
    kind("UpSampling2D", up_sampling),
    kind("Flatten", flatten),
    kind("Reshape", reshape),
    kind("Permute", permute),
    kind("Transpose", transpose),
    kind("RepeatVector", repeat_vector),
    kind("ExpandDims", expand_dims),
    kind("Squeeze", squeeze),
    kind("Cast", cast),
    kind("Pad", pad),
    kind("GetItem", get_item),
    kind("Stack", stack),
];

/// Maps of one number a pixel, as channels.
fn stack(site: &mut Site) -> Result<Tensor> {
    let axes = site.fields.signed("axis")?;
    site.fields.finish()?;
    if axes[..] != [-1] && axes[..] != [3] {
        return Err(site.fields.strange("axis"));
    }
    let mut parts = Vec::new();
    for (index, input) in site.inputs.clone().into_iter().enumerate() {
        let shape = site.shape(input);
        let [n, h, w] = *shape.dims() else {
            let problem = format!("it is called with {}", described(&shape));
            return Err(site.fields.refuse(problem, "stack maps (H, W)"));
        };
        parts.push(site.part(&format!("map_{index}"), Reshape([n, h, w, 1].into()), &[input])?);
    }
    site.add(Concat, &parts)
}

/// The parts of an index that can be: all of an axis, a piece of it, or the channels from the last to the first,
/// which is how Keras makes blue, green, red of red, green, blue.
fn get_item(site: &mut Site) -> Result<Tensor> {
    site.fields.finish()?;
    let (mut x, dims) = site.images()?;
    let strange = |site: &Site| {
        let problem = "its index is not one of pieces of images, or of channels turned round";
        site.fields.refuse(problem, "crop with Cropping2D, choose channels with a 1x1 convolution")
    };
    let class = |part: &Json| part.get("class_name").and_then(Json::as_str).map(str::to_owned);
    // One channel, and its axis gone: [..., k].
    if let ([(2, channel)], [part]) = (&site.numbers[..], &site.parts[..]) {
        let count = dims[3] as f64;
        let at = if *channel < 0.0 { channel + count } else { *channel };
        if class(part).as_deref() != Some("__ellipsis__") || !(0.0..count).contains(&at) {
            return Err(strange(site));
        }
        let one = SliceChannels { start: at as usize, count: 1 };
        x = site.part("channel", one, &[x])?;
        return site.add(Reshape([dims[0], dims[1], dims[2]].into()), &[x]);
    }
    if !site.numbers.is_empty() {
        return Err(strange(site));
    }
    // An ellipsis stands for all axes that are not named.
    let mut pieces: Vec<Option<Json>> = Vec::new();
    let named =
        site.parts.iter().filter(|part| class(part).as_deref() == Some("__slice__")).count();
    for part in &site.parts {
        match class(part).as_deref() {
            Some("__slice__") => pieces.push(part.get("config").cloned()),
            Some("__ellipsis__") if named <= 4 => pieces.resize(pieces.len() + 4 - named, None),
            _ => return Err(strange(site)),
        }
    }
    if pieces.is_empty() || pieces.len() > 4 {
        return Err(strange(site));
    }
    pieces.resize(4, None);
    let mut ranges = dims.map(|size| (0, size));
    let mut turned = false;
    for (axis, piece) in pieces.iter().enumerate() {
        let Some(piece) = piece else { continue };
        let number = |key: &str| match piece.get(key) {
            None | Some(Json::Null) => Some(None),
            Some(value) => value.as_i64().map(Some),
        };
        let (Some(start), Some(stop), Some(step)) =
            (number("start"), number("stop"), number("step"))
        else {
            return Err(strange(site));
        };
        let size = dims[axis] as i64;
        match (axis, start, stop, step) {
            (_, None, None, None | Some(1)) => {}
            (3, None, None, Some(-1)) => turned = true,
            (1..=3, start, stop, None | Some(1)) => {
                let at = |end: i64| {
                    (if end < 0 { end.saturating_add(size) } else { end }).clamp(0, size)
                };
                let (from, to) = (at(start.unwrap_or(0)), at(stop.unwrap_or(size)));
                if from >= to {
                    return Err(strange(site));
                }
                ranges[axis] = (from as usize, to as usize);
            }
            _ => return Err(strange(site)),
        }
    }
    let [_, (top, bottom), (left, right), (first, last)] = ranges;
    let crop = Crop { top, bottom: dims[1] - bottom, left, right: dims[2] - right };
    x = site.part("piece", crop, &[x])?;
    if turned {
        // A convolution of zeros and ones: each channel is read once.
        let count = dims[3];
        site.checked(&[count, count])?;
        let kernel: Vec<f64> = (0..count * count)
            .map(|at| f64::from(u8::from(at / count + at % count + 1 == count)))
            .collect();
        let kernel = site.constant("turned_round", &[1, 1, count, count], &kernel)?;
        x = site.part("turned", Conv2d::new(Window::square(1, 1, Padding::Valid)), &[x, kernel])?;
    }
    site.add(SliceChannels { start: first, count: last - first }, &[x])
}

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
    let mut target = fields.signed("target_shape")?;
    // That of `keras.ops` names the axis of the pictures, too.
    let whole = fields.signed("newshape")?;
    fields.finish()?;
    let x = site.x()?;
    let shape = site.shape(x);
    let images = shape.dims()[0];
    let each = shape.elements() / images.max(1);
    if let [first, rest @ ..] = &whole[..] {
        let left = rest.iter().try_fold(1i64, |product, &size| product.checked_mul(size));
        if *first != -1 || left != i64::try_from(each).ok() || !target.is_empty() {
            return Err(fields.strange("newshape"));
        }
        target = rest.to_vec();
    }
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

/// A vector as every step of a sequence.
fn repeat_vector(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    let times = fields.whole("n")?;
    fields.finish()?;
    let x = site.x()?;
    let shape = site.shape(x);
    let &[n, channels] = shape.dims() else {
        let problem = format!("it takes a vector, and is called with {}", described(&shape));
        return Err(fields.refuse(problem, "look at the layer before it"));
    };
    let (from, to) = ([n, 1, 1, channels], [n, times, 1, channels]);
    site.checked(&to)?;
    let row = site.part("row", Reshape(from.into()), &[x])?;
    let rows = site.part("rows", Expand { from, to }, &[row])?;
    site.add(Reshape([n, times, channels].into()), &[rows])
}

fn expand_dims(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    let axes = fields.signed("axis")?;
    fields.finish()?;
    let x = site.x()?;
    let mut dims = site.shape(x).dims().to_vec();
    for axis in &axes {
        let at = place(*axis, dims.len() + 1).ok_or_else(|| fields.strange("axis"))?;
        dims.insert(at, 1);
    }
    match axes[..] {
        [_] => site.add(Reshape(dims.into()), &[x]),
        _ => Err(fields.strange("axis")),
    }
}

fn squeeze(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    let axes = fields.signed("axis")?;
    fields.finish()?;
    let x = site.x()?;
    let shape = site.shape(x);
    let dims = shape.dims();
    let one = |axis: &i64| place(*axis, dims.len()).filter(|&axis| dims[axis] == 1);
    let gone: Option<Vec<usize>> = axes.iter().map(one).collect();
    let gone = gone.filter(|gone| !gone.is_empty()).ok_or_else(|| fields.strange("axis"))?;
    let left: Vec<usize> =
        (0..dims.len()).filter(|axis| !gone.contains(axis)).map(|axis| dims[axis]).collect();
    if left.len() < 2 {
        return Err(fields.strange("axis"));
    }
    site.add(Reshape(left.into()), &[x])
}

/// To another precision, which a network has in one here.
fn cast(site: &mut Site) -> Result<Tensor> {
    let floats = ["float16", "bfloat16", "float32", "float64"].map(Json::from);
    site.fields.only("dtype", &floats)?;
    site.fields.finish()?;
    site.x().map(Tensor::Plain)
}

/// Zeros around images.
fn pad(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    fields.only("mode", &["constant".into()])?;
    let widths = fields.numbers("pad_width")?;
    fields.finish()?;
    let (x, [images, height, width, channels]) = site.images()?;
    let whole = |width: &f64| (0.0..1e6).contains(width) && width.fract() == 0.0;
    if widths.len() != 8 || !widths.iter().all(whole) {
        return Err(fields.strange("pad_width"));
    }
    let [0, 0, top, bottom, left, right, 0, 0] = std::array::from_fn(|at| widths[at] as usize)
    else {
        return Err(fields.strange("pad_width"));
    };
    site.checked(&[images, height + top + bottom, width + left + right, channels])?;
    site.add(ZeroPad { top, bottom, left, right }, &[x])
}

fn permute(site: &mut Site) -> Result<Tensor> {
    let order = site.fields.signed("dims")?;
    site.fields.finish()?;
    turned(site, "dims", &order)
}

/// Of `keras.ops`, which names the axis of the pictures, too.
fn transpose(site: &mut Site) -> Result<Tensor> {
    let order = site.fields.signed("axes")?;
    site.fields.finish()?;
    match &order[..] {
        [0, rest @ ..] => turned(site, "axes", rest),
        _ => Err(site.fields.strange("axes")),
    }
}

/// Axes in another order, where the numbers stay in theirs.
fn turned(site: &mut Site, field: &str, order: &[i64]) -> Result<Tensor> {
    let fields = site.fields;
    let x = site.x()?;
    let shape = site.shape(x);
    let dims = shape.dims();
    let axes: Option<Vec<usize>> = order
        .iter()
        .map(|&axis| usize::try_from(axis).ok().filter(|axis| (1..dims.len()).contains(axis)))
        .collect();
    let axes = axes.ok_or_else(|| fields.strange(field))?;
    let mut sorted = axes.clone();
    sorted.sort_unstable();
    if sorted != (1..dims.len()).collect::<Vec<usize>>() {
        return Err(fields.strange(field));
    }
    let longer: Vec<usize> = axes.iter().copied().filter(|&axis| dims[axis] > 1).collect();
    if !longer.is_sorted() {
        return Err(fields.refuse(
            format!("{} moves numbers of {}", fields.shown(field), described(&shape)),
            "only what leaves them in their order is understood",
        ));
    }
    let turned: Vec<usize> =
        std::iter::once(dims[0]).chain(axes.iter().map(|&axis| dims[axis])).collect();
    site.add(Reshape(turned.into()), &[x])
}
