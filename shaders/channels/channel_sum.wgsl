// y[n, p] = factor * sum_c w[n, c] * a[n, p, c]      weights of channels: CAM, Grad-CAM
// y[n, p] = factor * sum_c w[n, p, c] * a[n, p, c]   weights of positions: HiResCAM, LayerCAM
// y[n, p] = factor * sum_c a[n, p, c]                without weights
// y[n, p] = max_c |a[n, p, c]|                       `largest`: saliency
//
// a: (N, H, W, C); p runs over H * W. w: (N, C) or (N, H, W, C). y: (N, H, W, 1).
//
// Versions of the sum: `naive`, one pixel an invocation; `fours`, the same by four channels at a
// time, the fastest on a software driver, read through textures; `workgroup`, 64 invocations share
// the channels of a pixel, so that neighbours read neighbouring channels, the fastest on a GPU.

#import "shared/grid.wgsl"
#import "shared/sum.wgsl"

struct Params {
    pixels: u32,   // N * H * W
    area: u32,     // pixels that share a row of w: H * W, or 1
    channels: u32, // C (naive), or a quarter of it
    factor: f32,
    a_offset: u32,
    a_stride: u32,
    w_offset: u32,
    w_stride: u32,
    y_offset: u32,
    y_stride: u32,
}

override WEIGHTED: bool = true;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@group(0) @binding(1) var<storage, read> a4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w4: array<vec4<f32>>;

@compute @workgroup_size(64)
fn sum_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if pixel >= params.pixels {
        return;
    }
    let start = params.a_offset + pixel * params.a_stride;
    let weights = params.w_offset + pixel / params.area * params.w_stride;
    var sum = 0.0;
    for (var c = 0u; c < params.channels; c++) {
        var weight = 1.0;
        if WEIGHTED {
            weight = w[weights + c];
        }
        sum += weight * a[start + c];
    }
    y[params.y_offset + pixel * params.y_stride] = params.factor * sum;
}

@compute @workgroup_size(64)
fn sum_fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if pixel >= params.pixels {
        return;
    }
    let start = (params.a_offset + pixel * params.a_stride) / 4u;
    let weights = (params.w_offset + pixel / params.area * params.w_stride) / 4u;
    var sum = vec4(0.0);
    for (var c = 0u; c < params.channels; c++) {
        var weight = vec4(1.0);
        if WEIGHTED {
            weight = w4[weights + c];
        }
        sum += weight * a4[start + c];
    }
    y[params.y_offset + pixel * params.y_stride] = params.factor * dot(sum, vec4(1.0));
}

@compute @workgroup_size(64)
fn sum_workgroup(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups);
    if pixel >= params.pixels {
        return;
    }
    let start = (params.a_offset + pixel * params.a_stride) / 4u;
    let weights = (params.w_offset + pixel / params.area * params.w_stride) / 4u;
    var sum = vec4(0.0);
    for (var c = invocation; c < params.channels; c += 64u) {
        var weight = vec4(1.0);
        if WEIGHTED {
            weight = w4[weights + c];
        }
        sum += weight * a4[start + c];
    }
    let all = total(invocation, dot(sum, vec4(1.0)));
    if invocation == 0u {
        y[params.y_offset + pixel * params.y_stride] = params.factor * all;
    }
}

@compute @workgroup_size(64)
fn largest(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if pixel >= params.pixels {
        return;
    }
    let start = params.a_offset + pixel * params.a_stride;
    var most = 0.0;
    for (var c = 0u; c < params.channels; c++) {
        most = max(most, abs(a[start + c]));
    }
    y[params.y_offset + pixel * params.y_stride] = most;
}
