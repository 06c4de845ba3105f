// A scale and a shift for each channel: batch normalisation in inference.
//
//   fold    scale = gamma / sqrt(variance + epsilon),  shift = beta - mean * scale
//   affine  y = act(x * scale + shift)
//   scale   y = dy * scale where act, whose output was `out`, passes a gradient, else 0
//
// x, dy, out, y: (rows, channels), each with its own offset and distance of rows. affine, result:
// (2, channels), scale and shift. gamma, beta, mean, variance: (channels).
//
// Rows are shared out in blocks: block b takes the rows b * near + j * far for j = 0..each, as far
// as there are such. An invocation does one block for one channel (naive) or four (fours), so that
// scale and shift are read once a block.
//
// Versions: `naive`, one channel; `fours`, four channels, neighbours on neighbouring rows (near = 1);
// `strip`, the same entry points with an invocation on consecutive rows (far = 1), for processors.

#import "pointwise/activation.wgsl"
#import "shared/grid.wgsl"

struct Params {
    count: u32,    // invocations with work: blocks * channels
    channels: u32, // channels, or a quarter of them (fours)
    rows: u32,
    blocks: u32,
    near: u32,
    far: u32,
    each: u32,
    epsilon: f32,
    x_offset: u32,
    x_stride: u32,
    dy_offset: u32,
    dy_stride: u32,
    out_offset: u32,
    out_stride: u32,
    y_offset: u32,
    y_stride: u32,
    affine_offset: u32,
    gamma_offset: u32,
    beta_offset: u32,
    mean_offset: u32,
    variance_offset: u32,
    result_offset: u32,
}


@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> affine: array<f32>;
@group(0) @binding(3) var<storage, read> out: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> dy4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> affine4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> out4: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y4: array<vec4<f32>>;

@group(0) @binding(1) var<storage, read> gamma: array<f32>;
@group(0) @binding(2) var<storage, read> beta: array<f32>;
@group(0) @binding(3) var<storage, read> mean: array<f32>;
@group(0) @binding(4) var<storage, read> variance: array<f32>;
@group(0) @binding(5) var<storage, read_write> result: array<f32>;

// How many rows block `block` has: at least one.
fn rows_of(block: u32) -> u32 {
    let first = block * params.near;
    return min(params.each, (params.rows - first + params.far - 1u) / params.far);
}

@compute @workgroup_size(64)
fn affine_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let channel = index % params.channels;
    let scale = affine[params.affine_offset + channel];
    let shift = affine[params.affine_offset + params.channels + channel];
    let a = x[params.x_offset + row * params.x_stride + channel] * scale + shift;
    y[params.y_offset + row * params.y_stride + channel] = activate(vec4(a)).x;
}

@compute @workgroup_size(64)
fn affine_fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let block = index / params.channels;
    let channel = index % params.channels;
    let scale = affine4[params.affine_offset / 4u + channel];
    let shift = affine4[params.affine_offset / 4u + params.channels + channel];
    let first = block * params.near;
    var origin = (params.x_offset + first * params.x_stride) / 4u + channel;
    var to = (params.y_offset + first * params.y_stride) / 4u + channel;
    let n = rows_of(block);
    for (var j = 0u; j < n; j += 1u) {
        y4[to] = activate(x4[origin] * scale + shift);
        origin += params.far * params.x_stride / 4u;
        to += params.far * params.y_stride / 4u;
    }
}

@compute @workgroup_size(64)
fn scale_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let channel = index % params.channels;
    var a = 0.0;
    if ACTIVATION != 0u {
        a = out[params.out_offset + row * params.out_stride + channel];
    }
    let d = dy[params.dy_offset + row * params.dy_stride + channel];
    y[params.y_offset + row * params.y_stride + channel] =
        through(vec4(a), vec4(d)).x * affine[params.affine_offset + channel];
}

@compute @workgroup_size(64)
fn scale_fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let block = index / params.channels;
    let channel = index % params.channels;
    let scale = affine4[params.affine_offset / 4u + channel];
    let first = block * params.near;
    var origin = (params.dy_offset + first * params.dy_stride) / 4u + channel;
    var beside = (params.out_offset + first * params.out_stride) / 4u + channel;
    var to = (params.y_offset + first * params.y_stride) / 4u + channel;
    let n = rows_of(block);
    for (var j = 0u; j < n; j += 1u) {
        var a = vec4(0.0);
        if ACTIVATION != 0u {
            a = out4[beside];
        }
        y4[to] = through(a, dy4[origin]) * scale;
        origin += params.far * params.dy_stride / 4u;
        beside += params.far * params.out_stride / 4u;
        to += params.far * params.y_stride / 4u;
    }
}

@compute @workgroup_size(64)
fn fold(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let channel = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if channel >= params.count {
        return;
    }
    let deviation = sqrt(variance[params.variance_offset + channel] + params.epsilon);
    let scale = gamma[params.gamma_offset + channel] / deviation;
    let shift = beta[params.beta_offset + channel] - mean[params.mean_offset + channel] * scale;
    result[params.result_offset + channel] = scale;
    result[params.result_offset + params.channels + channel] = shift;
}
