// Weights of channels from an activation a and the gradient g of the score at it; p over H * W.
//
// xgrad      w[n, c] = sum_p a g / sum_p a
// plus_plus  w[n, c] = sum_p g^2 / (2 g^2 + s g^3) * max(g, 0) = sum_p [g > 0] g / (2 + s g)
//            with s = sum_p a
// A term whose divisor is 0 counts as 0.
//
// a, g: (N, H, W, C). w: (N, C).
//
// Versions: `naive`, one channel of one image an invocation; `fours`, four channels.

#import "shared/grid.wgsl"

struct Params {
    images: u32,   // N
    area: u32,     // H * W
    channels: u32, // C (naive), or a quarter of it
    a_offset: u32,
    a_stride: u32,
    g_offset: u32,
    g_stride: u32,
    w_offset: u32,
    w_stride: u32,
}

// 0: xgrad, 1: plus_plus.
override RULE: u32 = 0u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> g: array<f32>;
@group(0) @binding(3) var<storage, read_write> w: array<f32>;

@group(0) @binding(1) var<storage, read> a4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> g4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> w4: array<vec4<f32>>;

fn quotient(x: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    let none = y == vec4(0.0);
    return select(x / select(y, vec4(1.0), none), vec4(0.0), none);
}

@compute @workgroup_size(64)
fn naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.images * params.channels {
        return;
    }
    let image = index / params.channels;
    let channel = index % params.channels;
    let at_a = params.a_offset + image * params.area * params.a_stride + channel;
    let at_g = params.g_offset + image * params.area * params.g_stride + channel;
    var total = 0.0;
    var product = 0.0;
    for (var p = 0u; p < params.area; p++) {
        let value = a[at_a + p * params.a_stride];
        total += value;
        if RULE == 0u {
            product += value * g[at_g + p * params.g_stride];
        }
    }
    var weight = vec4(0.0);
    if RULE == 0u {
        weight = quotient(vec4(product), vec4(total));
    } else {
        for (var p = 0u; p < params.area; p++) {
            let up = vec4(max(g[at_g + p * params.g_stride], 0.0));
            weight += quotient(up, 2.0 + total * up);
        }
    }
    w[params.w_offset + image * params.w_stride + channel] = weight.x;
}

@compute @workgroup_size(64)
fn fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.images * params.channels {
        return;
    }
    let image = index / params.channels;
    let channel = index % params.channels;
    let step_a = params.a_stride / 4u;
    let step_g = params.g_stride / 4u;
    let at_a = params.a_offset / 4u + image * params.area * step_a + channel;
    let at_g = params.g_offset / 4u + image * params.area * step_g + channel;
    var total = vec4(0.0);
    var product = vec4(0.0);
    for (var p = 0u; p < params.area; p++) {
        let value = a4[at_a + p * step_a];
        total += value;
        if RULE == 0u {
            product += value * g4[at_g + p * step_g];
        }
    }
    var weight = vec4(0.0);
    if RULE == 0u {
        weight = quotient(product, total);
    } else {
        for (var p = 0u; p < params.area; p++) {
            let up = max(g4[at_g + p * step_g], vec4(0.0));
            weight += quotient(up, 2.0 + total * up);
        }
    }
    w4[(params.w_offset + image * params.w_stride) / 4u + channel] = weight;
}
