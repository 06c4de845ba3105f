// The mean over all pixels of an image, and its gradient.
//
//   mean    y[n, c] = factor * sum over p of x[n, p, c],  factor = 1 / pixels
//   spread  d_x[n, p, c] = factor * dy[n, c]
//
// x, d_x: (images, pixels, channels); y, dy: (images, channels); all with their own offset and
// distance of rows.
//
// Versions of mean: `naive`, one channel of one image an invocation; `fours`, four channels;
// `sliced`, a workgroup for eight times four channels, its invocations sharing out the pixels in
// sixteen slices, so that one image of few channels keeps many cores busy.
// Versions of spread: `naive`, one element; `fours`, four channels of a block of pixels, block b
// having the pixels b * near + j * far for j = 0..each; `strip`, the same with near = each and
// far = 1, for processors.

#import "shared/grid.wgsl"

struct Params {
    count: u32,    // invocations with work; for sliced, workgroups
    channels: u32, // channels, or a quarter of them (all but naive)
    pixels: u32,
    rows: u32,     // pixels too, for spread
    blocks: u32,   // of one image
    near: u32,
    far: u32,
    each: u32,
    factor: f32,
    x_offset: u32,
    x_stride: u32,
    y_offset: u32,
    y_stride: u32,
    d_x_offset: u32,
    d_x_stride: u32,
    dy_offset: u32,
    dy_stride: u32,
}

const LANES: u32 = 8u;
const SLICES: u32 = 16u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> d_x: array<f32>;

@group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> dy4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> d_x4: array<vec4<f32>>;

@compute @workgroup_size(64)
fn mean_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let image = index / params.channels;
    let channel = index % params.channels;
    var at = params.x_offset + image * params.pixels * params.x_stride + channel;
    var sum = 0.0;
    for (var pixel = 0u; pixel < params.pixels; pixel += 1u) {
        sum += x[at];
        at += params.x_stride;
    }
    y[params.y_offset + image * params.y_stride + channel] = sum * params.factor;
}

@compute @workgroup_size(64)
fn mean_fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let image = index / params.channels;
    let channel = index % params.channels;
    let step = params.x_stride / 4u;
    var at = params.x_offset / 4u + image * params.pixels * step + channel;
    var sum = vec4(0.0);
    for (var pixel = 0u; pixel < params.pixels; pixel += 1u) {
        sum += x4[at];
        at += step;
    }
    y4[(params.y_offset + image * params.y_stride) / 4u + channel] = sum * params.factor;
}

var<workgroup> tile: array<vec4<f32>, 128>; // LANES * SLICES

@compute @workgroup_size(128)
fn mean_sliced(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let unit = number_of(grid.workgroup, grid.workgroups);
    if unit >= params.count {
        return;
    }
    let tiles = (params.channels + LANES - 1u) / LANES;
    let image = unit / tiles;
    let channel = unit % tiles * LANES + invocation % LANES;
    let inside = channel < params.channels;
    var sum = vec4(0.0);
    if inside {
        let step = params.x_stride / 4u;
        let first = params.x_offset / 4u + image * params.pixels * step + channel;
        for (var pixel = invocation / LANES; pixel < params.pixels; pixel += SLICES) {
            sum += x4[first + pixel * step];
        }
    }
    tile[invocation] = sum;
    workgroupBarrier();
    if inside && invocation < LANES {
        for (var slice = 1u; slice < SLICES; slice += 1u) {
            sum += tile[slice * LANES + invocation];
        }
        y4[(params.y_offset + image * params.y_stride) / 4u + channel] = sum * params.factor;
    }
}

@compute @workgroup_size(64)
fn spread_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let channel = index % params.channels;
    let image = row / params.pixels;
    d_x[params.d_x_offset + row * params.d_x_stride + channel] =
        dy[params.dy_offset + image * params.dy_stride + channel] * params.factor;
}

@compute @workgroup_size(64)
fn spread_fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let channel = index % params.channels;
    let block = index / params.channels % params.blocks;
    let image = index / params.channels / params.blocks;
    let value = dy4[(params.dy_offset + image * params.dy_stride) / 4u + channel] * params.factor;
    let first = block * params.near;
    let step = params.d_x_stride / 4u;
    var at = params.d_x_offset / 4u + (image * params.pixels + first) * step + channel;
    let n = min(params.each, (params.rows - first + params.far - 1u) / params.far);
    for (var j = 0u; j < n; j += 1u) {
        d_x4[at] = value;
        at += params.far * step;
    }
}
