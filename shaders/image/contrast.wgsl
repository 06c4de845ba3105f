// d = turn (far - near) / deviation of near   `contrast`: how much darker, or with turn -1 brighter
// y[n, l] = 1 where d[n] > level l, else 0   `levels`: one mask a level
//
// near, far, d (y of `contrast`): (N, H, W, 1), an image blurred by little and by much; the deviation is that of one image.
// Without one (below 1e-3) d is 0. y: (N * L, H, W, 1), the masks of an image one after another.
//
// found: (N), scratch: 1 / deviation, or 0, by `measure`, a workgroup an image.

#import "shared/grid.wgsl"
#import "shared/sum.wgsl"

struct Params {
    images: u32,   // N
    area: u32,     // H * W
    count: u32,    // L
    level0: f32,
    level1: f32,
    level2: f32,
    level3: f32,
    level4: f32,
    level5: f32,
    level6: f32,
    level7: f32,
    near_offset: u32,
    near_stride: u32,
    far_offset: u32,
    far_stride: u32,
    d_offset: u32,
    d_stride: u32,
    y_offset: u32,
    y_stride: u32,
}

// 1, or -1.
override TURN: f32 = 1.0;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> near: array<f32>;
@group(0) @binding(1) var<storage, read> d: array<f32>;
@group(0) @binding(2) var<storage, read> far: array<f32>;
@group(0) @binding(3) var<storage, read_write> found: array<f32>;
@group(0) @binding(3) var<storage, read> scale: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn measure(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let image = number_of(grid.workgroup, grid.workgroups);
    if image >= params.images {
        return;
    }
    let first = params.near_offset + image * params.area * params.near_stride;
    var sum = 0.0;
    for (var pixel = invocation; pixel < params.area; pixel += 64u) {
        sum += near[first + pixel * params.near_stride];
    }
    let mean = total_for_all(invocation, sum) / f32(params.area);
    var squares = 0.0;
    for (var pixel = invocation; pixel < params.area; pixel += 64u) {
        let apart = near[first + pixel * params.near_stride] - mean;
        squares += apart * apart;
    }
    let deviation = sqrt(total_for_all(invocation, squares) / f32(params.area));
    if invocation == 0u {
        found[image] = select(0.0, 1.0 / max(deviation, 1e-3), deviation >= 1e-3);
    }
}

@compute @workgroup_size(64)
fn contrast(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if pixel >= params.images * params.area {
        return;
    }
    let apart = TURN * (far[params.far_offset + pixel * params.far_stride]
        - near[params.near_offset + pixel * params.near_stride]);
    y[params.y_offset + pixel * params.y_stride] = apart * scale[pixel / params.area];
}

@compute @workgroup_size(64)
fn levels(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.images * params.count * params.area {
        return;
    }
    let number = index / params.area % params.count;
    let low = vec4(params.level0, params.level1, params.level2, params.level3);
    let high = vec4(params.level4, params.level5, params.level6, params.level7);
    let four = select(low, high, number > 3u);
    let image = index / params.area / params.count;
    let value = d[params.d_offset + (image * params.area + index % params.area) * params.d_stride];
    let above = value > four[number % 4u];
    y[params.y_offset + index * params.y_stride] = select(0.0, 1.0, above);
}
