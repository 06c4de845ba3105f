// y[n, h, w, c] = x[n or 0, h or 0, w or 0, c or 0]: a tensor repeated along the axes where it has one.
//
// x: (N or 1, H or 1, W or 1, C or 1), y: (N, H, W, C), each with its own offset and distance of rows.
//
// Versions: `naive`, one number an invocation; `fours`, four channels, where x has them all.

#import "shared/grid.wgsl"

struct Params {
    count: u32,    // numbers of y (naive), or a quarter of them (fours)
    channels: u32, // channels of y (naive), or a quarter of them (fours)
    height: u32,
    width: u32,
    // How many numbers, or rows, x has to go on for one step of y: 0 where it has one.
    step_image: u32,
    step_line: u32,
    step_column: u32,
    step_channel: u32,
    x_offset: u32,
    x_stride: u32,
    y_offset: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y4: array<vec4<f32>>;

// The row of x that row `row` of y repeats.
fn row_of(row: u32) -> u32 {
    let line = row / params.width;
    return line / params.height * params.step_image + line % params.height * params.step_line
        + row % params.width * params.step_column;
}

@compute @workgroup_size(64)
fn naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let channel = index % params.channels;
    let origin = params.x_offset + row_of(row) * params.x_stride + channel * params.step_channel;
    y[params.y_offset + row * params.y_stride + channel] = x[origin];
}

@compute @workgroup_size(64)
fn fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let channel = index % params.channels;
    let origin = (params.x_offset + row_of(row) * params.x_stride) / 4u + channel;
    y4[(params.y_offset + row * params.y_stride) / 4u + channel] = x4[origin];
}
