// cam[n, p] = factor * sum_c a[n, p, c] * v[n, c],  v the first right singular vector of a[n] (H * W, C)
//
// a: (N, H, W, C); p runs over H * W. cam, u: (N, H, W, 1). v, weights: (N, C), scratch.
//
// Power iteration on a' a: `start`, then `pixels`, u = a v / |v|, and `channels`, v = a' u, in turn a
// fixed number of times, u standing in cam; at last `pixels` and `turn`. A singular vector has two
// signs: the one whose u has a sum that is not negative is taken. One dispatch a step, because a
// software driver ends the loops of an invocation after 65535 turns in all.
//
// Versions: `_naive`, one pixel or channel an invocation; `_fours`, by four channels at a time.

#import "shared/grid.wgsl"
#import "shared/sum.wgsl"

struct Params {
    images: u32,   // N
    area: u32,     // H * W
    channels: u32, // C (naive), or a quarter of it
    factor: f32,
    a_offset: u32,
    a_stride: u32,
    cam_offset: u32,
    cam_stride: u32,
    u_offset: u32,
    u_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read_write> v: array<f32>;
@group(0) @binding(3) var<storage, read_write> cam: array<f32>;

@group(0) @binding(1) var<storage, read> a4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> v4: array<vec4<f32>>;
// v and cam where they are only read.
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read> weights4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> u: array<f32>;

fn inverse_length(square: f32) -> f32 {
    if square > 0.0 {
        return inverseSqrt(square);
    }
    return 0.0;
}

// Numbers in [1/2, 3/2) without a pattern, multiples of the golden ratio, for all N * C of v.
@compute @workgroup_size(64)
fn start(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index < params.images * params.channels {
        v[index] = 0.5 + fract(f32(index % params.channels % 4096u) * 0.618034);
    }
}

@compute @workgroup_size(64)
fn pixels_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if pixel >= params.images * params.area {
        return;
    }
    let at = params.a_offset + pixel * params.a_stride;
    let own = pixel / params.area * params.channels;
    var product = 0.0;
    var square = 0.0;
    for (var c = 0u; c < params.channels; c++) {
        let weight = weights[own + c];
        product += a[at + c] * weight;
        square += weight * weight;
    }
    cam[params.cam_offset + pixel * params.cam_stride] = product * inverse_length(square);
}

@compute @workgroup_size(64)
fn pixels_fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if pixel >= params.images * params.area {
        return;
    }
    let at = (params.a_offset + pixel * params.a_stride) / 4u;
    let own = pixel / params.area * params.channels;
    var product = vec4(0.0);
    var square = vec4(0.0);
    for (var c = 0u; c < params.channels; c++) {
        let weight = weights4[own + c];
        product += a4[at + c] * weight;
        square += weight * weight;
    }
    cam[params.cam_offset + pixel * params.cam_stride] =
        dot(product, vec4(1.0)) * inverse_length(dot(square, vec4(1.0)));
}

@compute @workgroup_size(64)
fn channels_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.images * params.channels {
        return;
    }
    let first = index / params.channels * params.area;
    let at = params.a_offset + index % params.channels;
    var product = 0.0;
    for (var p = first; p < first + params.area; p++) {
        product += a[at + p * params.a_stride] * u[params.u_offset + p * params.u_stride];
    }
    v[index] = product;
}

@compute @workgroup_size(64)
fn channels_fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.images * params.channels {
        return;
    }
    let first = index / params.channels * params.area;
    let step = params.a_stride / 4u;
    let at = params.a_offset / 4u + index % params.channels;
    var product = vec4(0.0);
    for (var p = first; p < first + params.area; p++) {
        product += a4[at + p * step] * u[params.u_offset + p * params.u_stride];
    }
    v4[index] = product;
}

// One workgroup an image.
@compute @workgroup_size(64)
fn turn(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let image = number_of(grid.workgroup, grid.workgroups);
    if image >= params.images {
        return;
    }
    let first = params.cam_offset + image * params.area * params.cam_stride;
    var sum = 0.0;
    for (var p = invocation; p < params.area; p += 64u) {
        sum += cam[first + p * params.cam_stride];
    }
    let all = total(invocation, sum);
    let factor = select(params.factor, -params.factor, all < 0.0);
    for (var p = invocation; p < params.area; p += 64u) {
        cam[first + p * params.cam_stride] *= factor;
    }
}
