// Dropout, forward and backward alike.
//
//   y[i] = x[i] * factor where hash(hash(i) + hash(salt + hash(step))) >= threshold, else 0
//
// with i the number of the element counted without gaps, of its channel counted image by image, or of its
// image, as TOGETHER says (0, 1, 2): what has one number is kept or dropped together; factor = 1 / (1 - rate), threshold =
// rate * 2^32, sums modulo 2^32, and hash that of PCG-RXS-M-XS (O'Neill 2014; Jarzynski and Olano
// 2020). Nothing is stored: the same step draws the same mask again.
//
// x, y: (rows, channels), each with its own offset and distance of rows. step: one number.
//
// Versions: `naive`, one element an invocation; `fours`, four channels.

#import "shared/grid.wgsl"

struct Params {
    count: u32,    // rows * channels, or a quarter of it (fours)
    channels: u32, // channels, or a quarter of them (fours)
    image: u32,    // elements of an image, or a quarter of them (fours)
    salt: u32,
    threshold: u32,
    factor: f32,
    x_offset: u32,
    x_stride: u32,
    y_offset: u32,
    y_stride: u32,
    step_offset: u32,
}

override TOGETHER: u32 = 0u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> step: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y4: array<vec4<f32>>;

fn hash(value: vec4<u32>) -> vec4<u32> {
    let state = value * 747796405u + 2891336453u;
    let word = ((state >> ((state >> vec4(28u)) + 4u)) ^ state) * 277803737u;
    return (word >> vec4(22u)) ^ word;
}

// What decides about an element of this index, or about four, of which it is then a quarter.
fn number(index: u32, channel: u32) -> u32 {
    if TOGETHER == 1u {
        return index / params.image * params.channels + channel;
    }
    if TOGETHER == 2u {
        return index / params.image;
    }
    return index;
}

// The factors of four elements.
fn factors(elements: vec4<u32>) -> vec4<f32> {
    let now = vec4(u32(step[params.step_offset]));
    let key = hash(params.salt + hash(now));
    let keep = hash(hash(elements) + key) >= vec4(params.threshold);
    return select(vec4(0.0), vec4(params.factor), keep);
}

@compute @workgroup_size(64)
fn naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let channel = index % params.channels;
    y[params.y_offset + row * params.y_stride + channel] =
        x[params.x_offset + row * params.x_stride + channel] * factors(vec4(number(index, channel))).x;
}

@compute @workgroup_size(64)
fn fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let channel = index % params.channels;
    var four = 4u * number(index, channel) + vec4(0u, 1u, 2u, 3u);
    if TOGETHER == 2u {
        four = vec4(number(index, channel));
    }
    y4[(params.y_offset + row * params.y_stride) / 4u + channel] =
        x4[(params.x_offset + row * params.x_stride) / 4u + channel]
        * factors(four);
}
