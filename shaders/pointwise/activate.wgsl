// Smooth and bent curves, number by number, and their gradients.
//
//   forward   y = f(x)
//   backward  y = dy * f'(x)
//
// x, dy, y: (rows, channels), each with its own offset and distance of rows. Which curve it is is an
// override, so a pipeline holds one: activation.wgsl has them.
//
// Versions: `naive`, one number an invocation; `fours`, four channels, for shapes whose rows start and
// end on multiples of four.

#import "pointwise/activation.wgsl"
#import "shared/grid.wgsl"

struct Params {
    count: u32,    // rows * channels (naive), or a quarter of it (fours)
    channels: u32, // channels (naive), or a quarter of them (fours)
    x_offset: u32,
    x_stride: u32,
    dy_offset: u32,
    dy_stride: u32,
    y_offset: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y4: array<vec4<f32>>;

@compute @workgroup_size(64)
fn forward_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let channel = index % params.channels;
    let v = x[params.x_offset + row * params.x_stride + channel];
    y[params.y_offset + row * params.y_stride + channel] = activate(vec4(v)).x;
}

@compute @workgroup_size(64)
fn forward_fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let channel = index % params.channels;
    let v = x4[(params.x_offset + row * params.x_stride) / 4u + channel];
    y4[(params.y_offset + row * params.y_stride) / 4u + channel] = activate(v);
}

@compute @workgroup_size(64)
fn backward_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let channel = index % params.channels;
    let v = x[params.x_offset + row * params.x_stride + channel];
    let d = dy[params.dy_offset + row * params.dy_stride + channel];
    y[params.y_offset + row * params.y_stride + channel] = through(vec4(v), vec4(d)).x;
}

@compute @workgroup_size(64)
fn backward_fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let channel = index % params.channels;
    let v = x4[(params.x_offset + row * params.x_stride) / 4u + channel];
    let d = dy4[(params.dy_offset + row * params.dy_stride) / 4u + channel];
    y4[(params.y_offset + row * params.y_stride) / 4u + channel] = through(v, d);
}
