// y = x, row by row: the rows of both may lie apart.
//
// x, y: (rows, channels); element (r, c) stands at t_offset + r * t_stride + c.
//
// Versions: `naive`, one element an invocation. A copy is only made where a view will not do, so
// there is no faster one.

#import "shared/grid.wgsl"

struct Params {
    count: u32,    // rows * channels
    channels: u32,
    x_offset: u32,
    x_stride: u32,
    y_offset: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let channel = index % params.channels;
    y[params.y_offset + row * params.y_stride + channel] =
        x[params.x_offset + row * params.x_stride + channel];
}
