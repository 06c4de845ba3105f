//! Smaller shapes with the same remainders: what a kernel does at the edges of its tiles, for the price
//! of a few tiles.

use std::collections::BTreeSet;

use super::Subject;
use crate::engine::ops::Case;
use crate::engine::shape::{Shape, common_divisor};

/// Rows and columns of the largest tiles, and of the usual ones.
const TILES: [usize; 2] = [128, 64];

/// `case` with fewer images and fewer channels, so that rows and channels leave the same remainders when
/// divided by tiles of 128, or of 64; then with the same remainders of channels only. Kernels are those
/// of the case's dense inputs that have four dimensions.
pub fn candidates(case: &Case) -> Vec<Case> {
    let all = [false, true].into_iter().flat_map(|one| TILES.map(|tile| (tile, one)));
    all.filter_map(|(tile, one_image)| smaller(case, tile, one_image)).collect()
}

fn smaller(case: &Case, tile: usize, one_image: bool) -> Option<Case> {
    let subject = Subject::new(case).ok()?;
    let output = subject.graph.shape(subject.output).channels();
    let channels: BTreeSet<usize> =
        case.inputs.iter().map(|(shape, _)| shape.channels()).chain([output]).collect();
    let is_kernel = |index: usize, shape: &Shape| case.dense.contains(&index) && shape.rank() == 4;
    let mut activations = case.inputs.iter().enumerate();
    let batch = activations
        .find_map(|(index, (shape, _))| shape.nhwc().filter(|_| !is_kernel(index, shape)))
        .map(|[images, height, width, _]| {
            let period = if one_image { 1 } else { tile / common_divisor(tile, height * width) };
            (images, (images.max(1) - 1) % period + 1)
        });
    let shrink = |index: usize, shape: &Shape| -> Shape {
        let mut dims = shape.dims().to_vec();
        let rank = dims.len();
        let kernel = is_kernel(index, shape);
        if let (Some((all, fewer)), 2 | 4, false) = (batch, rank, kernel)
            && dims[0] == all
        {
            dims[0] = fewer;
        }
        for size in dims.iter_mut().skip(rank - if kernel { 2 } else { rank.min(1) }) {
            if channels.contains(size) && *size > 2 * tile {
                *size = tile + *size % tile;
            }
        }
        dims.into()
    };
    let shrunk = case.inputs.iter().enumerate();
    let inputs: Vec<_> =
        shrunk.map(|(index, (shape, fill))| (shrink(index, shape), *fill)).collect();
    if inputs == case.inputs {
        return None;
    }
    let shown: Vec<String> = inputs.iter().map(|(shape, _)| shape.to_string()).collect();
    let smaller = Case { name: shown.join(", "), inputs, bench_only: false, ..case.clone() };
    // Sizes that an operation holds itself may not allow it.
    Subject::new(&smaller).is_ok().then_some(smaller)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ops::custom_case;

    fn names(operation: &str, case: &str) -> Vec<String> {
        let case = custom_case(operation, &case.parse().unwrap()).unwrap().unwrap();
        candidates(&case).into_iter().map(|case| case.name).collect()
    }

    #[test]
    fn remainders_stay_as_images_and_channels_become_fewer() {
        // 24 x 24 rows an image are 64 more than a multiple of 128: two images have none left.
        let found = names("conv2d", "n=32,h=24,w=24,cin=728,cout=728");
        assert_eq!(found[0], "2x24x24x216, 1x1x216x216");
        assert_eq!(found[1], "1x24x24x88, 1x1x88x88");
        assert_eq!((728 % 128, 728 % 64), (216 % 128, 88 % 64));
        assert_eq!(
            found[2], "1x24x24x216, 1x1x216x216",
            "one image, where no other is small enough"
        );
        // Rows an image are odd, so that only as many images as a tile has rows leave the same.
        let found = names("conv2d", "n=66,h=5,w=5,cin=4,cout=130,k=3");
        assert_eq!(found[0], "2x5x5x4, 3x3x4x66");
        // Gradients: of the input, dy and w; of the weights, x and dy.
        let found = names("conv2d_input_gradient", "n=8,h=16,w=16,cin=300,cout=12,k=3");
        assert_eq!(found[0], "1x16x16x12, 3x3x172x12");
        let found = names("depthwise_conv2d_weight_gradient", "n=8,h=16,w=16,cin=300,k=3");
        assert_eq!(found[0], "1x16x16x172, 1x16x16x172");
    }

    #[test]
    fn what_is_small_already_stays_as_it_is() {
        assert_eq!(names("conv2d", "n=1,h=5,w=5,cin=4,cout=8,k=3"), Vec::<String>::new());
    }
}
