// y[n, p, c] = base + mask * (x - base)      `blend`: an image between x and a base
// y[n, p, c] = x + deviation[n] * z(key[n], p, c)      `noise`: an image and normal noise
//
// x: (1, H, W, C), the same for all n; y: (N, H, W, C); p runs over H * W.
// base: (C). mask: (N, H, W, 1), (N, 1, 1, C) or (N, 1, 1, 1).
// rows: (N, 2), deviation and key, a whole number below 2^24.
//
// z = sqrt(-2 ln u) cos(2 pi v), Box and Muller's, with i the number of the element in the image and
//   h = hash(2 i + hash(key)), k = hash(2 i + 1 + hash(key)), sums modulo 2^32,
//   u = ((h >> 8) + 1) / 2^24, v = (k >> 8) / 2^24
// and hash that of PCG-RXS-M-XS (O'Neill 2014; Jarzynski and Olano 2020).
// The logarithm and the cosine are computed here: WGSL allows log() near 1 to be off by 2^-21 and cos() by
// 2^-11, and leaves cos() beyond pi open, so that the same key would draw another noise on another adapter.

#import "shared/grid.wgsl"

struct Params {
    count: u32,    // N * H * W * C
    area: u32,     // H * W
    channels: u32, // C
    mask_image: u32,   // rows of mask from one image to the next
    mask_pixel: u32,   // rows of mask from one pixel to the next, 0 where they share it
    mask_channel: u32, // elements of mask from one channel to the next, 0 where they share it
    x_offset: u32,
    x_stride: u32,
    base_offset: u32,
    mask_offset: u32,
    mask_stride: u32,
    rows_offset: u32,
    rows_stride: u32,
    y_offset: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> base: array<f32>;
@group(0) @binding(3) var<storage, read> mask: array<f32>;
@group(0) @binding(2) var<storage, read> rows: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn hash(value: u32) -> u32 {
    let state = value * 747796405u + 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return (word >> 22u) ^ word;
}

// -2 ln(whole / 2^24) for 0 < whole <= 2^24, which is exact in f32: with whole = 2^k f, f between the root of
// 1/2 and that of 2, and s = (f - 1) / (f + 1),
//   ln(whole / 2^24) = (k - 24) ln 2 + 2 (s + s^3/3 + s^5/5 + s^7/7 + s^9/9 + ...)
// of which what is left out is below 3e-9 of the sum. At whole = 2^24 it is 0, and nowhere less.
// With exactly rounded operations it is off by at most 2.1e-7 of itself, over all arguments.
fn minus_two_log(whole: u32) -> f32 {
    let bits = bitcast<u32>(f32(whole));
    let k = (bits - 0x3f3504f3u) >> 23u;
    let f = bitcast<f32>(bits - (k << 23u));
    let s = (f - 1.0) / (f + 1.0);
    let q = s * s;
    let series = 1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0))));
    return f32(24u - k) * 1.3862943611 - 4.0 * s * series;
}

// cos(2 pi whole / 2^24) for whole < 2^24, as the sine of what is left to the nearer right angle: whole numbers
// lose nothing there, and the sine keeps its digits where it is near to 0. Taylor's series up to x^13; what is
// left out is below 7e-10. With exactly rounded operations it is off by at most 1.7e-7 of itself, over all
// arguments.
fn cosine(whole: u32) -> f32 {
    let left = 4194304 - i32(min(whole, 16777216u - whole));
    let x = f32(left) * (6.2831853072 / 16777216.0);
    let q = x * x;
    let high = 1.0 / 362880.0 + q * (-1.0 / 39916800.0 + q * (1.0 / 6227020800.0));
    return x * (1.0 + q * (-1.0 / 6.0 + q * (1.0 / 120.0 + q * (-1.0 / 5040.0 + q * high))));
}

@compute @workgroup_size(64)
fn blend(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let c = index % params.channels;
    let image = row / params.area;
    let p = row % params.area;
    let under = base[params.base_offset + c];
    let mask_row = image * params.mask_image + p * params.mask_pixel;
    let weight =
        mask[params.mask_offset + mask_row * params.mask_stride + c * params.mask_channel];
    let value = x[params.x_offset + p * params.x_stride + c];
    y[params.y_offset + row * params.y_stride + c] = under + weight * (value - under);
}

@compute @workgroup_size(64)
fn noise(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let c = index % params.channels;
    let image = row / params.area;
    let p = row % params.area;
    let own = params.rows_offset + image * params.rows_stride;
    let key = hash(u32(rows[own + 1u]));
    let element = 2u * (p * params.channels + c);
    let radius = sqrt(minus_two_log((hash(element + key) >> 8u) + 1u));
    let z = radius * cosine(hash(element + 1u + key) >> 8u);
    let value = x[params.x_offset + p * params.x_stride + c];
    y[params.y_offset + row * params.y_stride + c] = value + rows[own] * z;
}
