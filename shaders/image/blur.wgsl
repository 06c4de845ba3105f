// y = x blurred with a Gaussian, along rows and then along columns:
//
//   y[i] = sum_t g(t) x[i + t] / sum_t g(t),   g(t) = exp(-t^2 / (2 deviation^2)),   |t| <= radius
//
// over the i + t within the image. x, y: (N, H, W, 1). rows: (N, H, W), scratch.

#import "shared/grid.wgsl"

struct Params {
    count: u32,    // N * H * W
    height: u32,
    width: u32,
    radius: u32,
    power: f32,    // -log2(e) / (2 deviation^2)
    x_offset: u32,
    x_stride: u32,
    y_offset: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;
@group(0) @binding(2) var<storage, read> rows: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn weight(step: u32, before: u32) -> f32 {
    let apart = f32(step) - f32(before);
    return exp2(params.power * apart * apart);
}

@compute @workgroup_size(64)
fn along(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if pixel >= params.count {
        return;
    }
    let column = pixel % params.width;
    let before = min(column, params.radius);
    let steps = before + min(params.width - 1u - column, params.radius);
    var sum = 0.0;
    var weights = 0.0;
    for (var step = 0u; step <= steps; step += 1u) {
        let own = weight(step, before);
        sum += own * x[params.x_offset + (pixel - before + step) * params.x_stride];
        weights += own;
    }
    sums[pixel] = sum / weights;
}

@compute @workgroup_size(64)
fn down(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if pixel >= params.count {
        return;
    }
    let row = pixel / params.width % params.height;
    let before = min(row, params.radius);
    let steps = before + min(params.height - 1u - row, params.radius);
    let first = pixel - before * params.width;
    var sum = 0.0;
    var weights = 0.0;
    for (var step = 0u; step <= steps; step += 1u) {
        let own = weight(step, before);
        sum += own * rows[first + step * params.width];
        weights += own;
    }
    y[params.y_offset + pixel * params.y_stride] = sum / weights;
}
