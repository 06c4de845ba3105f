//! Dense layers: of vectors, at every step of a sequence and at every pixel of maps.

use super::{Kind, kind};
use crate::engine::graph::Init;
use crate::engine::ops::{Conv2d, Dense, Padding, Reshape, Window};
use crate::error::Result;
use crate::nets::keras::function::Function;
use crate::nets::keras::site::{Site, Tensor, described};

pub(super) const LAYERS: &[Kind] = &[kind("Dense", dense)];

fn dense(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    let units = fields.whole("units")?;
    let biased = fields.flag_or("use_bias", true)?;
    let function = Function::of(site, "activation")?;
    fields.skip(&["lora_rank", "lora_alpha"]);
    fields.finish()?;
    let x = site.x()?;
    let shape = site.shape(x);
    let channels = shape.channels();
    let init = Init::GlorotUniform { fan_in: channels, fan_out: units };
    let kernel = site.weight("kernel", &[channels, units], init)?;
    let bias = match biased {
        true => site.weight("bias", &[units], Init::Constant(0.0))?,
        false => site.constant("no_bias", &[units], &[0.0])?,
    };
    match shape.dims() {
        [_, _] => site.add_with(Dense, &[x, kernel, bias], function),
        [_, _, _, _] => {
            let as_kernel = Reshape([1, 1, channels, units].into());
            let kernel = site.part("as_kernel", as_kernel, &[kernel])?;
            site.add_with(pointwise(), &[x, kernel, bias], function)
        }
        &[n, steps, _] => {
            let as_kernel = Reshape([1, 1, channels, units].into());
            let kernel = site.part("as_kernel", as_kernel, &[kernel])?;
            let pixels = Reshape([n, steps, 1, channels].into());
            let pixels = site.part("as_pixels", pixels, &[x])?;
            let sums = site.part("of_pixels", pointwise(), &[pixels, kernel, bias])?;
            site.add_with(Reshape([n, steps, units].into()), &[sums], function)
        }
        _ => {
            let problem = format!("it is called with {}", described(&shape));
            Err(fields.refuse(problem, "vectors, sequences and images are what it takes here"))
        }
    }
}

fn pointwise() -> Conv2d {
    Conv2d::new(Window::square(1, 1, Padding::Valid)).with_bias()
}
