// What the versions of batch normalisation share: batch_norm.wgsl says what they compute.

#import "pointwise/activation.wgsl"

struct Params {
    count: u32,    // invocations with work: blocks * channels; for `merge`, workgroups
    channels: u32, // channels, or a quarter of them (fours)
    rows: u32,
    blocks: u32,
    near: u32,
    far: u32,
    each: u32,
    slices: u32, // rows side by side in a block: more than one of `_group` alone
    row: u32, // of stats, for moving_average
    epsilon: f32,
    momentum: f32,
    x_offset: u32,
    x_stride: u32,
    dy_offset: u32,
    dy_stride: u32,
    residual_offset: u32,
    residual_stride: u32,
    y_offset: u32,
    y_stride: u32,
    stats_offset: u32,
    gamma_offset: u32,
    beta_offset: u32,
    sums_offset: u32,
    result_offset: u32,
    moving_offset: u32,
    guard_offset: u32,
}

// Whether `residual` is added: by normalize before the activation, by input_gradient to dx.
override RESIDUAL: bool = false;
// Whether `guard` decides if moving_average changes anything.
override GUARDED: bool = false;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> stats: array<f32>;
@group(0) @binding(4) var<storage, read> gamma: array<f32>;
@group(0) @binding(5) var<storage, read> beta: array<f32>;
@group(0) @binding(6) var<storage, read> sums: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

@group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> stats4: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> gamma4: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> beta4: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> sums4: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> y4: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read> residual: array<f32>;
@group(0) @binding(8) var<storage, read> residual4: array<vec4<f32>>;

@group(0) @binding(6) var<storage, read_write> part: array<f32>;
@group(0) @binding(6) var<storage, read_write> part4: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> parts: array<f32>;
@group(0) @binding(7) var<storage, read_write> result: array<f32>;
@group(0) @binding(7) var<storage, read_write> moving: array<f32>;
@group(0) @binding(2) var<storage, read> guard: array<u32>;

// How many rows block `block` has: at least one.
fn rows_of(block: u32) -> u32 {
    let first = block * params.near;
    if params.slices > 1u {
        // Of `_group`: `slices` rows, every `far`.
        return params.rows / params.far * params.slices
            + min(max(params.rows % params.far, first) - first, params.slices);
    }
    return min(params.each, (params.rows - first + params.far - 1u) / params.far);
}

fn inverse_deviation(variance: vec4<f32>) -> vec4<f32> {
    return vec4(1.0) / sqrt(variance + vec4(params.epsilon));
}
