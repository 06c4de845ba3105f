//! Weights and images that Keras and this crate make alike, from a name and an index; in Python
//! they are `tests/reference/seeded.py`.
//!
//! ```text
//! state    = FNV-1a hash (64 bits) of the name, in UTF-8
//! z_i      = state + (i + 1) * 0x9e3779b97f4a7c15, mixed as splitmix64 does
//! u_i      = (z_i >> 40) / 2^23 - 1                       in [-1, 1), exact in single precision
//!
//! gamma                    1 + 0.3 u
//! beta                     its middle + 0.3 u
//! moving_mean              0.3 u
//! moving_variance          1 + 0.5 u
//! bias                     0.1 u
//! kernels                  sqrt(4.5 / fan_in) u
//! kernels (h, w, C, 1)     sqrt(3 / (h w)) u
//! ```
//! Kernels are such that neither the first layers nor the last are drowned. At the CAM layer of the six
//! networks the root of the mean square is between 0.4 and 21, and by Keras 1 % more of the first kernel
//! moves the scores by 4 to 55 times the tolerance, a late beta left out by at least 39 times.

use parula::engine::graph::{Graph, Kind, Role};
use parula::engine::session::Store;
use parula::engine::shape::Shape;
use parula::engine::tensor::Tensor;
use parula::nets::images::Scaling;
use parula::nets::models::{Network, Preprocessing};

/// The stream called `name`: a function of the index.
fn uniform(name: &str) -> impl Fn(usize) -> f64 + use<> {
    let state = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    move |index| {
        let steps = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut z = state.wrapping_add(steps);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 40) as f64 / f64::from(1 << 23) - 1.0
    }
}

/// The variable `<layer>/<variable>` of `shape`; `beta` is the middle of the numbers of that name.
pub fn weight(name: &str, shape: &Shape, beta: f64) -> Tensor {
    let (middle, spread) = match name.rsplit('/').next() {
        Some("gamma") => (1.0, 0.3),
        Some("beta") => (beta, 0.3),
        Some("moving_mean") => (0.0, 0.3),
        Some("moving_variance") => (1.0, 0.5),
        Some("bias") => (0.0, 0.1),
        _ => match *shape.dims() {
            [height, width, _, 1] => (0.0, (3.0 / (height * width) as f64).sqrt()),
            ref dims => {
                let fan_in: usize = dims[..dims.len() - 1].iter().product();
                (0.0, (4.5 / fan_in as f64).sqrt())
            }
        },
    };
    let uniform = uniform(name);
    Tensor::from_fn(shape.clone(), |index| (middle + spread * uniform(index)) as f32)
}

/// Writes every weight of `graph`.
pub fn fill(graph: &Graph, store: &Store, beta: f64) {
    for (_, node) in graph.nodes() {
        let Kind::Variable(variable) = &node.kind else { continue };
        if matches!(variable.role, Role::Trainable | Role::State) {
            store.set(&node.name, &weight(&node.name, &node.shape, beta)).unwrap();
        }
    }
}

/// The images `seeds`, (N, size, size, 3), scaled for `network`. Pixels are whole numbers of 0 to
/// 255: three parts in four a surface through random points 16 pixels apart, one part noise.
pub fn images(network: &Network, seeds: std::ops::Range<usize>, size: usize) -> Vec<f32> {
    let scaling = match network.preprocessing {
        Preprocessing::None => Scaling::None,
        Preprocessing::Tf => Scaling::Tf,
        Preprocessing::Torch => Scaling::Torch,
    };
    let mut numbers = Vec::new();
    for seed in seeds {
        let points = uniform(&format!("image/{seed}/points"));
        let noise = uniform(&format!("image/{seed}/noise"));
        let cells = size / 16 + 2;
        for (y, x) in (0..size).flat_map(|y| (0..size).map(move |x| (y, x))) {
            let (down, across) = ((y % 16) as f64 / 16.0, (x % 16) as f64 / 16.0);
            for channel in 0..3 {
                let point = |y: usize, x: usize| points((y * cells + x) * 3 + channel);
                let column = |x: usize| {
                    let (above, below) = (point(y / 16, x), point(y / 16 + 1, x));
                    above + down * (below - above)
                };
                let (left, right) = (column(x / 16), column(x / 16 + 1));
                let surface = left + across * (right - left);
                let noise = noise((y * size + x) * 3 + channel);
                let pixel = ((0.75 * surface + 0.25 * noise) * 127.5 + 127.5).floor();
                let (factor, summand) = scaling.affine(channel);
                numbers.push(pixel as f32 * factor + summand);
            }
        }
    }
    numbers
}

/// `count` numbers spread over `values`: element i * 7919 mod their number, which 7919, a prime, does
/// not divide.
pub fn sample(values: &[f32], count: usize) -> Vec<f32> {
    assert_ne!(values.len() % 7919, 0);
    (0..count).map(|index| values[index * 7919 % values.len()]).collect()
}
