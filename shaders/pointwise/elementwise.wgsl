// y = o7(... o1(o0(x0))), a chain of up to eight elementwise steps over up to four tensors.
//
// x0..x3, y: (rows, channels), all of one shape; each has its own offset and distance of rows. An x may
// instead have a row for each image, or one for all: at row r of image i it is read at row
// i * x_image + r * x_row.
//
// A step is an override, so a pipeline holds only the steps it was made for:
//   0 nothing   1 max(a, 0)   2 clamp(a, 0, 6)   3 a + x   4 a * x
//   5 a where x > 0, else 0   6 a where 0 < x < 6, else 0   7 a * k   8 a - x   9 max(a, x)
//   10 min(a, x)   11 a where x >= 0, else 0   12 a where x < 0, else 0   13 a + k
// where a is the value so far, x the tensor ARGi, k the uniform k_i.
//
// Versions: `naive`, one channel an invocation; `fours`, four, for shapes whose rows start and end on
// multiples of four. Without gaps and repeated rows, rows are not told apart. With them, an invocation
// goes through `each` rows with its channels, which are then told from the rows once.

#import "shared/grid.wgsl"

struct Params {
    count: u32,    // of invocations, for one image
    channels: u32, // channels (naive), or a quarter of them (fours)
    images: u32,
    rows: u32, // of an image; block b has every `far`th from b * near on, `each` at most
    blocks: u32,
    near: u32,
    far: u32,
    each: u32,
    x0_image: u32,
    x0_row: u32,
    x1_image: u32,
    x1_row: u32,
    x2_image: u32,
    x2_row: u32,
    x3_image: u32,
    x3_row: u32,
    x0_offset: u32,
    x0_stride: u32,
    x1_offset: u32,
    x1_stride: u32,
    x2_offset: u32,
    x2_stride: u32,
    x3_offset: u32,
    x3_stride: u32,
    y_offset: u32,
    y_stride: u32,
    k0: f32,
    k1: f32,
    k2: f32,
    k3: f32,
    k4: f32,
    k5: f32,
    k6: f32,
    k7: f32,
}

override OP0: u32 = 0u;
override OP1: u32 = 0u;
override OP2: u32 = 0u;
override OP3: u32 = 0u;
override OP4: u32 = 0u;
override OP5: u32 = 0u;
override OP6: u32 = 0u;
override OP7: u32 = 0u;
override ARG0: u32 = 0u;
override ARG1: u32 = 0u;
override ARG2: u32 = 0u;
override ARG3: u32 = 0u;
override ARG4: u32 = 0u;
override ARG5: u32 = 0u;
override ARG6: u32 = 0u;
override ARG7: u32 = 0u;
// How many tensors there are, and whether all are without gaps, so that rows need not be told apart.
override INPUTS: u32 = 1u;
override DENSE: bool = false;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x0: array<f32>;
@group(0) @binding(2) var<storage, read> x1: array<f32>;
@group(0) @binding(3) var<storage, read> x2: array<f32>;
@group(0) @binding(4) var<storage, read> x3: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

@group(0) @binding(1) var<storage, read> x04: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x14: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x24: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> x34: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> y4: array<vec4<f32>>;

fn step(op: u32, a: vec4<f32>, x: vec4<f32>, k: f32) -> vec4<f32> {
    switch op {
        case 1u: { return max(a, vec4(0.0)); }
        case 2u: { return clamp(a, vec4(0.0), vec4(6.0)); }
        case 3u: { return a + x; }
        case 4u: { return a * x; }
        case 5u: { return select(vec4(0.0), a, x > vec4(0.0)); }
        case 6u: { return select(vec4(0.0), a, (x > vec4(0.0)) & (x < vec4(6.0))); }
        case 7u: { return a * k; }
        case 8u: { return a - x; }
        case 9u: { return max(a, x); }
        case 10u: { return min(a, x); }
        case 11u: { return select(vec4(0.0), a, x >= vec4(0.0)); }
        case 12u: { return select(vec4(0.0), a, x < vec4(0.0)); }
        case 13u: { return a + k; }
        default: { return a; }
    }
}

fn pick(arg: u32, a: vec4<f32>, b: vec4<f32>, c: vec4<f32>) -> vec4<f32> {
    if arg == 1u {
        return a;
    }
    if arg == 2u {
        return b;
    }
    return c;
}

fn chain(v0: vec4<f32>, v1: vec4<f32>, v2: vec4<f32>, v3: vec4<f32>) -> vec4<f32> {
    var a = step(OP0, v0, pick(ARG0, v1, v2, v3), params.k0);
    if OP1 != 0u {
        a = step(OP1, a, pick(ARG1, v1, v2, v3), params.k1);
    }
    if OP2 != 0u {
        a = step(OP2, a, pick(ARG2, v1, v2, v3), params.k2);
    }
    if OP3 != 0u {
        a = step(OP3, a, pick(ARG3, v1, v2, v3), params.k3);
    }
    if OP4 != 0u {
        a = step(OP4, a, pick(ARG4, v1, v2, v3), params.k4);
    }
    if OP5 != 0u {
        a = step(OP5, a, pick(ARG5, v1, v2, v3), params.k5);
    }
    if OP6 != 0u {
        a = step(OP6, a, pick(ARG6, v1, v2, v3), params.k6);
    }
    if OP7 != 0u {
        a = step(OP7, a, pick(ARG7, v1, v2, v3), params.k7);
    }
    return a;
}

fn one(image: u32, row: u32, channel: u32) -> f32 {
    let r0 = image * params.x0_image + row * params.x0_row;
    let v0 = vec4(x0[params.x0_offset + r0 * params.x0_stride + channel]);
    var v1 = vec4(0.0);
    if INPUTS > 1u {
        let r1 = image * params.x1_image + row * params.x1_row;
        v1 = vec4(x1[params.x1_offset + r1 * params.x1_stride + channel]);
    }
    var v2 = vec4(0.0);
    if INPUTS > 2u {
        let r2 = image * params.x2_image + row * params.x2_row;
        v2 = vec4(x2[params.x2_offset + r2 * params.x2_stride + channel]);
    }
    var v3 = vec4(0.0);
    if INPUTS > 3u {
        let r3 = image * params.x3_image + row * params.x3_row;
        v3 = vec4(x3[params.x3_offset + r3 * params.x3_stride + channel]);
    }
    return chain(v0, v1, v2, v3).x;
}

fn four(image: u32, row: u32, channel: u32) -> vec4<f32> {
    let r0 = image * params.x0_image + row * params.x0_row;
    let v0 = x04[(params.x0_offset + r0 * params.x0_stride) / 4u + channel];
    var v1 = vec4(0.0);
    if INPUTS > 1u {
        let r1 = image * params.x1_image + row * params.x1_row;
        v1 = x14[(params.x1_offset + r1 * params.x1_stride) / 4u + channel];
    }
    var v2 = vec4(0.0);
    if INPUTS > 2u {
        let r2 = image * params.x2_image + row * params.x2_row;
        v2 = x24[(params.x2_offset + r2 * params.x2_stride) / 4u + channel];
    }
    var v3 = vec4(0.0);
    if INPUTS > 3u {
        let r3 = image * params.x3_image + row * params.x3_row;
        v3 = x34[(params.x3_offset + r3 * params.x3_stride) / 4u + channel];
    }
    return chain(v0, v1, v2, v3);
}

// How many rows block `block` has: at least one.
fn rows_of(block: u32) -> u32 {
    let first = block * params.near;
    return min(params.each, (params.rows - first + params.far - 1u) / params.far);
}

@compute @workgroup_size(64)
fn naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    if DENSE {
        y[params.y_offset + index] = one(0u, 0u, index);
        return;
    }
    let block = index / params.channels;
    let channel = index % params.channels;
    let n = rows_of(block);
    for (var image = grid.workgroup.z; image < params.images; image += grid.workgroups.z) {
        var row = block * params.near;
        for (var j = 0u; j < n; j += 1u) {
            let at = (image * params.rows + row) * params.y_stride;
            y[params.y_offset + at + channel] = one(image, row, channel);
            row += params.far;
        }
    }
}

@compute @workgroup_size(64)
fn fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    if DENSE {
        y4[params.y_offset / 4u + index] = four(0u, 0u, index);
        return;
    }
    let block = index / params.channels;
    let channel = index % params.channels;
    let n = rows_of(block);
    for (var image = grid.workgroup.z; image < params.images; image += grid.workgroups.z) {
        var row = block * params.near;
        for (var j = 0u; j < n; j += 1u) {
            let at = (image * params.rows + row) * params.y_stride;
            y4[(params.y_offset + at) / 4u + channel] = four(image, row, channel);
            row += params.far;
        }
    }
}
