//! Convolutions.

use super::normalization::by_channel;
use super::{Kind, kind};
use crate::engine::graph::{Init, Value};
use crate::engine::ops::{Conv2d, Conv2dInputGradient, DepthwiseConv2d, Padding, Reshape, Window};
use crate::error::Result;
use crate::nets::keras::function::Function;
use crate::nets::keras::site::{Site, Tensor};

pub(super) const LAYERS: &[Kind] = &[
    kind("Conv2D", conv2d),
    kind("Convolution2D", conv2d),
    kind("DepthwiseConv2D", depthwise_conv2d),
    kind("Conv2DTranspose", conv2d_transpose),
    kind("Convolution2DTranspose", conv2d_transpose),
    kind("SeparableConv2D", separable_conv2d),
    kind("SeparableConvolution2D", separable_conv2d),
];

/// What all of them are told.
struct Told {
    size: [usize; 2],
    window: Window,
    bias: bool,
    function: Option<Function>,
}

fn told(site: &Site) -> Result<Told> {
    let fields = site.fields;
    fields.channels_last()?;
    let window = site.window("kernel_size", [0, 0], Some([1, 1]))?;
    Ok(Told {
        size: window.size,
        window,
        bias: fields.flag_or("use_bias", true)?,
        function: Function::of(site, "activation")?,
    })
}

fn glorot(taps: usize, channels: usize, filters: usize) -> Init {
    Init::GlorotUniform { fan_in: taps * channels, fan_out: taps * filters }
}

fn conv2d(site: &mut Site) -> Result<Tensor> {
    let Told { size, window, bias, function } = told(site)?;
    let filters = site.fields.whole("filters")?;
    let groups = site.fields.whole_or("groups", 1)?;
    // What is told of low-rank factors stands in the kernel already.
    site.fields.skip(&["lora_rank", "lora_alpha"]);
    site.fields.finish()?;
    let (x, [.., channels]) = site.images()?;
    if groups == 0 || channels % groups != 0 || filters % groups != 0 {
        let problem = format!("{channels} channels and {filters} filters are not {groups} groups");
        return Err(site.fields.refuse(problem, "check its groups"));
    }
    let taps = size[0] * size[1];
    let dims = [size[0], size[1], channels / groups, filters];
    let kernel = site.weight("kernel", &dims, glorot(taps, channels / groups, filters))?;
    // Each channel by itself: ConvNeXt writes its depthwise convolutions so. The kernel's numbers lie alike.
    if groups > 1 && groups == channels && filters == channels {
        let shape = Reshape([size[0], size[1], channels, 1].into());
        let mut inputs = vec![x, site.part("kernel_by_channel", shape, &[kernel])?];
        let mut convolution = DepthwiseConv2d::new(window);
        if bias {
            inputs.push(site.weight("bias", &[filters], Init::Constant(0.0))?);
            convolution = convolution.with_bias();
        }
        return site.add_with(convolution, &inputs, function);
    }
    let convolution = Conv2d::new(window).with_groups(groups);
    if !bias {
        return site.add_with(convolution, &[x, kernel], function);
    }
    let bias = site.weight("bias", &[filters], Init::Constant(0.0))?;
    site.add_with(convolution.with_bias(), &[x, kernel, bias], function)
}

/// Each channel by itself, with `multiplier` kernels: a convolution in as many groups as channels, whose
/// kernel (height, width, 1, channels * multiplier) has the same numbers in the same order.
fn depthwise(site: &mut Site, weight: &str, window: Window) -> Result<(Value, usize)> {
    let multiplier = site.fields.whole_or("depth_multiplier", 1)?;
    let (_, [.., channels]) = site.images()?;
    let [height, width] = window.size;
    let dims = [height, width, channels, multiplier];
    site.checked(&dims)?;
    let kernel = site.weight(weight, &dims, glorot(height * width, channels, multiplier))?;
    Ok((kernel, multiplier))
}

fn depthwise_conv2d(site: &mut Site) -> Result<Tensor> {
    let Told { window, bias, function, .. } = told(site)?;
    let (x, [.., channels]) = site.images()?;
    let (kernel, multiplier) = depthwise(site, "kernel", window)?;
    // Keras 2 writes it, and never anything else.
    site.fields.only("groups", &[1.into()])?;
    site.fields.finish()?;
    let outputs = channels * multiplier;
    let bias = match bias {
        true => Some(site.weight("bias", &[outputs], Init::Constant(0.0))?),
        false => None,
    };
    let mut inputs = vec![x, kernel];
    inputs.extend(bias);
    if multiplier == 1 {
        let plain = DepthwiseConv2d::new(window);
        let operation = if bias.is_some() { plain.with_bias() } else { plain };
        return site.add_with(operation, &inputs, function);
    }
    let [height, width] = window.size;
    let shape = Reshape([height, width, 1, outputs].into());
    inputs[1] = site.part("kernel_in_groups", shape, &[kernel])?;
    let plain = Conv2d::new(window).with_groups(channels);
    let operation = if bias.is_some() { plain.with_bias() } else { plain };
    site.add_with(operation, &inputs, function)
}

fn separable_conv2d(site: &mut Site) -> Result<Tensor> {
    let Told { window, bias, function, .. } = told(site)?;
    let filters = site.fields.whole("filters")?;
    let (x, [.., channels]) = site.images()?;
    let (kernel, multiplier) = depthwise(site, "depthwise_kernel", window)?;
    site.fields.only("groups", &[1.into()])?;
    site.fields.finish()?;
    let between = channels * multiplier;
    let pointwise =
        site.weight("pointwise_kernel", &[1, 1, between, filters], glorot(1, between, filters))?;
    let deep = if multiplier == 1 {
        site.part("depthwise", DepthwiseConv2d::new(window), &[x, kernel])?
    } else {
        let [height, width] = window.size;
        let shape = Reshape([height, width, 1, between].into());
        let kernel = site.part("kernel_in_groups", shape, &[kernel])?;
        let operation = Conv2d::new(window).with_groups(channels);
        site.part("depthwise", operation, &[x, kernel])?
    };
    let operation = Conv2d::new(Window::square(1, 1, Padding::Valid));
    if !bias {
        return site.add_with(operation, &[deep, pointwise], function);
    }
    let bias = site.weight("bias", &[filters], Init::Constant(0.0))?;
    site.add_with(operation.with_bias(), &[deep, pointwise, bias], function)
}

/// The gradient of a convolution with respect to its input, as a layer: its kernel is (height, width,
/// filters, channels), as that of the convolution from the output to the input would be.
fn conv2d_transpose(site: &mut Site) -> Result<Tensor> {
    let Told { size, window, bias, function } = told(site)?;
    let fields = site.fields;
    let filters = fields.whole("filters")?;
    let more = match fields.get("output_padding") {
        None => None,
        Some(_) => Some(fields.pair_or("output_padding", [0, 0])?),
    };
    fields.only("groups", &[1.into()])?;
    fields.finish()?;
    if window.dilation != [1, 1] && window.stride != [1, 1] {
        return Err(fields.strange("dilation_rate"));
    }
    let (x, [images, height, width, channels]) = site.images()?;
    let output = |axis: usize, side: usize| {
        let reach = (size[axis] - 1) * window.dilation[axis] + 1;
        let stride = window.stride[axis];
        let valid = window.padding == Padding::Valid;
        match more {
            Some(more) => {
                let own = if valid { reach } else { reach % 2 };
                (side - 1) * stride + own + more[axis]
            }
            None if valid => side * stride + reach.saturating_sub(stride),
            None => side * stride,
        }
    };
    let image = [images, output(0, height), output(1, width), filters];
    site.checked(&image)?;
    // The convolution that this is the gradient of gives what is read here.
    let back = window.on(&site.name, [image[1], image[2]]);
    if more.is_some() && !back.is_ok_and(|back| back.output == [height, width]) {
        return Err(
            fields.impossible("output_padding", "leave it out, or give less than the strides")
        );
    }
    let dims = [size[0], size[1], filters, channels];
    let kernel = site.weight("kernel", &dims, glorot(size[0] * size[1], filters, channels))?;
    let operation = Conv2dInputGradient::new(window, 1, &image.into());
    if !bias {
        return site.add_with(operation, &[x, kernel], function);
    }
    let bias = site.weight("bias", &[filters], Init::Constant(0.0))?;
    let name = site.name.clone();
    let sums = site.part("convolved", operation, &[x, kernel])?;
    if function.is_some() {
        site.name = format!("{name}/sums");
    }
    let sums = by_channel(site, sums, None, Some(bias))?;
    site.name = name;
    match (function, sums) {
        (Some(function), Tensor::Plain(sums)) => site.activated(sums, function),
        (_, sums) => Ok(sums),
    }
}
