// Channels in fours for the convolutions that want them, and back.
//
//   widen: y[(a, b), g, c] = x[(a, b), g, c], or 0 where x has no such row b or channel c
//   cut:   y[(a, b), g, c] = x[(a, b), g, c], for the rows b and channels c that y has
//
// An activation has one row b for each pixel a; a kernel has its input channels as rows b of a tap a. The
// narrow side, x of `widen` and y of `cut`, is (a, rows, groups * channels), its rows t_stride apart. The wide
// one is (a, wide_rows, groups * wide) without gaps, `wide` a multiple of four.
//
// An invocation does four channels of the wide side.

#import "shared/grid.wgsl"

struct Params {
    count: u32, // invocations
    rows: u32,
    wide_rows: u32,
    groups: u32,
    channels: u32,
    wide: u32,
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

@compute @workgroup_size(64)
fn widen(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let fours = params.wide / 4u;
    let channel = 4u * (index % fours);
    let group = index / fours % params.groups;
    let row = index / fours / params.groups;
    let part = row / params.wide_rows;
    let inner = row % params.wide_rows;
    let start = params.x_offset + (part * params.rows + inner) * params.x_stride + group * params.channels;
    let channels = select(0u, params.channels, inner < params.rows);
    if index >= params.count {
        return;
    }
    var value = vec4(0.0);
    if channel < channels {
        value.x = x[start + channel];
    }
    if channel + 1u < channels {
        value.y = x[start + channel + 1u];
    }
    if channel + 2u < channels {
        value.z = x[start + channel + 2u];
    }
    if channel + 3u < channels {
        value.w = x[start + channel + 3u];
    }
    y4[index] = value;
}

@compute @workgroup_size(64)
fn cut(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let fours = params.wide / 4u;
    let four = index % fours;
    let group = index / fours % params.groups;
    let row = index / fours / params.groups;
    let wide_row = row / params.rows * params.wide_rows + row % params.rows;
    let start = params.y_offset + row * params.y_stride + group * params.channels + 4u * four;
    let left = params.channels - 4u * four;
    if index >= params.count {
        return;
    }
    let value = x4[(wide_row * params.groups + group) * fours + four];
    y[start] = value.x;
    if left > 1u {
        y[start + 1u] = value.y;
    }
    if left > 2u {
        y[start + 2u] = value.z;
    }
    if left > 3u {
        y[start + 3u] = value.w;
    }
}
