// Zeros around an image, or its border cut off.
//
//   y[n, row, column, c] = x[n, row - top, column - left, c], or 0 where x has no such pixel
//
// x: (n, height, width, channels); y: (n, out_height, out_width, channels); each with its own offset
// and distance of rows. Cropping is padding with a negative top and left.
//
// Versions: `naive`, one element an invocation; `fours`, four channels.

#import "shared/grid.wgsl"

struct Params {
    count: u32,    // elements of y, or a quarter of them (fours)
    channels: u32, // channels, or a quarter of them (fours)
    height: u32,
    width: u32,
    out_height: u32,
    out_width: u32,
    top: i32,
    left: i32,
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

// For pixel `pixel` of y: the pixel of x and 1, or 0 where there is none.
fn source(pixel: u32) -> vec2<u32> {
    let column = i32(pixel % params.out_width) - params.left;
    let line = pixel / params.out_width;
    let row = i32(line % params.out_height) - params.top;
    let image = line / params.out_height;
    let inside = row >= 0 && row < i32(params.height) && column >= 0 && column < i32(params.width);
    if !inside {
        return vec2(0u);
    }
    return vec2((image * params.height + u32(row)) * params.width + u32(column), 1u);
}

@compute @workgroup_size(64)
fn naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let pixel = index / params.channels;
    let channel = index % params.channels;
    let origin = source(pixel);
    var value = 0.0;
    if origin.y == 1u {
        value = x[params.x_offset + origin.x * params.x_stride + channel];
    }
    y[params.y_offset + pixel * params.y_stride + channel] = value;
}

@compute @workgroup_size(64)
fn fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let pixel = index / params.channels;
    let channel = index % params.channels;
    let origin = source(pixel);
    var value = vec4(0.0);
    if origin.y == 1u {
        value = x4[(params.x_offset + origin.x * params.x_stride) / 4u + channel];
    }
    y4[(params.y_offset + pixel * params.y_stride) / 4u + channel] = value;
}
