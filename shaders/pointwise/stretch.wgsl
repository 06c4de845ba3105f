// y[n, i] = (x[n, i] - low) / (max_i x[n, i] - low), 0 everywhere where the divisor is not positive
//
// with low = min_i x[n, i], or 0. x, y: (N, H, W, C); i runs over H * W * C.
// range: (N, 2), scratch: low, and 1 / divisor.
//
// `extremes`: 64 invocations share an image. `apply`: one element an invocation.

#import "shared/grid.wgsl"

struct Params {
    images: u32,
    area: u32,     // H * W
    channels: u32, // C
    x_offset: u32,
    x_stride: u32,
    y_offset: u32,
    y_stride: u32,
}

override FROM_LEAST: bool = true;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> range: array<f32>;
@group(0) @binding(2) var<storage, read> found: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

var<workgroup> least: array<f32, 64>;
var<workgroup> most: array<f32, 64>;

@compute @workgroup_size(64)
fn extremes(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let image = number_of(grid.workgroup, grid.workgroups);
    if image >= params.images {
        return;
    }
    let first = params.x_offset + image * params.area * params.x_stride;
    var low = x[first];
    var high = low;
    for (var i = invocation; i < params.area * params.channels; i += 64u) {
        let value = x[first + i / params.channels * params.x_stride + i % params.channels];
        low = min(low, value);
        high = max(high, value);
    }
    least[invocation] = low;
    most[invocation] = high;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half >>= 1u) {
        if invocation < half {
            least[invocation] = min(least[invocation], least[invocation + half]);
            most[invocation] = max(most[invocation], most[invocation + half]);
        }
        workgroupBarrier();
    }
    if invocation == 0u {
        low = select(0.0, least[0], FROM_LEAST);
        let divisor = most[0] - low;
        range[2u * image] = low;
        range[2u * image + 1u] = select(0.0, 1.0 / divisor, divisor > 0.0);
    }
}

@compute @workgroup_size(64)
fn apply(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.images * params.area * params.channels {
        return;
    }
    let row = index / params.channels;
    let c = index % params.channels;
    let image = row / params.area;
    y[params.y_offset + row * params.y_stride + c] =
        (x[params.x_offset + row * params.x_stride + c] - found[2u * image])
        * found[2u * image + 1u];
}
