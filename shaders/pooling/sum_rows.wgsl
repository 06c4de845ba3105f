// y[c] = sum over r of x[r, c], the gradient of a bias.
//
// x: (rows, channels), its rows x_stride apart
// partial: (splits, channels)    parts: partial again, to be read
// y: (channels)
//
// The rows are split: sum number s covers split_rows of them and writes its own part of `partial`;
// `reduce` adds the `parts`, always in the same order. With one split, `partial` is y.
//
// Versions: `naive`, one channel of one split an invocation.

#import "shared/grid.wgsl"

struct Params {
    x_offset: u32,
    x_stride: u32,
    partial_offset: u32,
    parts_offset: u32,
    y_offset: u32,
    rows: u32,
    channels: u32,
    splits: u32,
    split_rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;
@group(0) @binding(3) var<storage, read> parts: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let c = index % params.channels;
    let split = index / params.channels;
    if split >= params.splits {
        return;
    }
    let begin = split * params.split_rows;
    let end = min(begin + params.split_rows, params.rows);
    var sum = 0.0;
    for (var row = begin; row < end; row++) {
        sum += x[params.x_offset + row * params.x_stride + c];
    }
    partial[params.partial_offset + index] = sum;
}

@compute @workgroup_size(64)
fn reduce(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let c = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if c >= params.channels {
        return;
    }
    var sum = 0.0;
    for (var s = 0u; s < params.splits; s++) {
        sum += parts[params.parts_offset + s * params.channels + c];
    }
    y[params.y_offset + c] = sum;
}
