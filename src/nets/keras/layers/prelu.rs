//! Parametric ReLU: a slope that is learned, for each number or shared along some axes.

use crate::engine::graph::Init;
use crate::engine::ops::{Activate, Curve, Elementwise, Expand, Reshape};
use crate::error::Result;
use crate::nets::keras::site::{Site, Tensor, described};

/// max(x, 0) + alpha * min(x, 0).
pub(super) fn prelu(site: &mut Site) -> Result<Tensor> {
    let shared = site.fields.signed("shared_axes")?;
    site.fields.finish()?;
    let x = site.x()?;
    let shape = site.shape(x);
    let (to, first) = match *shape.dims() {
        [n, h, w, c] => ([n, h, w, c], 1),
        [n, c] => ([n, 1, 1, c], 3),
        _ => {
            let problem = format!("it is called with {}", described(&shape));
            return Err(site.fields.refuse(problem, "vectors and images are what it takes here"));
        }
    };
    let mut alpha = to;
    alpha[0] = 1;
    for axis in shared {
        // Axis 0 is that of the images.
        match usize::try_from(axis) {
            Ok(axis) if (1..shape.rank()).contains(&axis) => alpha[axis + first - 1] = 1,
            _ => return Err(site.fields.strange("shared_axes")),
        }
    }
    let slopes = site.weight("alpha", &alpha[first..], Init::Constant(0.0))?;
    let slopes = site.part("slopes", Reshape(alpha.into()), &[slopes])?;
    let slopes = site.part("slopes_everywhere", Expand { from: alpha, to }, &[slopes])?;
    let slopes = site.part("slopes_of_x", Reshape(shape), &[slopes])?;
    let above = site.part("above", Elementwise::relu(), &[x])?;
    // The line of slope 1 below 0, and 0 above.
    let negative = Curve::Relu { slope: 1.0, threshold: 0.0, ceiling: 0.0 };
    let below = site.part("below", Activate(negative), &[x])?;
    let below = site.part("times", Elementwise::multiply(), &[below, slopes])?;
    site.add(Elementwise::add(), &[above, below])
}
