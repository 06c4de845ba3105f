// Convolution and its two gradients as products of matrices whose factors are rounded to 16 bits;
// sums have 32.
//
//   out[m, n] = sum over k of left(m, k) * right(k, n)
//
//              rows m               columns n     depth k                    left   right   out
// FORWARD      output pixels        co            taps x ci                  x      w       y
// INPUT        input pixels         ci            taps x co                  dy     w       dx
// WEIGHT       taps x ci            co            output pixels              x      dy      dw
//
// with what follows the sum in conv2d.wgsl after FORWARD. There is one group of channels.
//
// x: (batch, height, width, in_channels), y, dy, residual: (batch, out_height, out_width, out_channels),
// their rows t_stride apart.  w: (kernel_height, kernel_width, in_channels, out_channels)
// bias: (out_channels)    affine: (2, out_channels), scale then shift
// WEIGHT splits its depth, the pixels of dy: part s of `out` is the sum over split_pixels * s and on.
//
// A workgroup computes a square of 4 SIZE x 4 SIZE numbers. It gathers SIZE steps of the sum at a time
// into workgroup memory, rounding them. Versions:
//   half         an invocation keeps a part of a column of sums in registers.
//   cooperative  each of four subgroups keeps SIZE rows of sums in four cooperative matrices, SIZE being what
//                the adapter multiplies: 16 (NVIDIA) or 8 (Apple, lavapipe); the loader puts coop_mat8x8 for
//                coop_mat16x16 then. INVOCATIONS is four times the size of a subgroup.

enable f16;
enable wgpu_cooperative_matrix;

struct Params {
    left_offset: u32,
    left_stride: u32,
    right_offset: u32,
    right_stride: u32,
    out_offset: u32,
    out_stride: u32,
    bias_offset: u32,
    affine_offset: u32,
    residual_offset: u32,
    residual_stride: u32,
    rows: u32,
    columns: u32,
    depth: u32,
    splits: u32,
    split_pixels: u32,
    batch: u32,
    height: u32,
    width: u32,
    in_channels: u32,
    out_height: u32,
    out_width: u32,
    out_channels: u32,
    kernel_height: u32,
    kernel_width: u32,
    stride_y: u32,
    stride_x: u32,
    pad_top: u32,
    pad_left: u32,
    dilation_y: u32,
    dilation_x: u32,
    groups: u32,
}

// What is computed.
override MODE: u32 = 0u;
const FORWARD: u32 = 0u;
const INPUT: u32 = 1u;
const WEIGHT: u32 = 2u;

override EPILOGUE_BIAS: bool = false;
override EPILOGUE_AFFINE: bool = false;
override EPILOGUE_RESIDUAL: bool = false;
override ACTIVATION: u32 = 0u;

const SIZE: u32 = 16u;
const TILE: u32 = 4u * SIZE;
const INVOCATIONS: u32 = 128u;
// Rows of a column that an invocation of `half` sums.
const RUN: u32 = TILE * TILE / INVOCATIONS;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> left: array<f32>;
@group(0) @binding(2) var<storage, read> right: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> affine: array<f32>;
@group(0) @binding(5) var<storage, read> residual: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

var<workgroup> lefts: array<f16, TILE * SIZE>; // row by row
var<workgroup> rights: array<f16, SIZE * TILE>;
var<workgroup> sums: array<f32, TILE * TILE>;

// What `channel` of x under `tap` of the window of output pixel `pixel` is.
fn seen(pixel: u32, channel: u32, tap: u32) -> f32 {
    let n = pixel / (params.out_height * params.out_width);
    let oy = pixel / params.out_width % params.out_height;
    let ox = pixel % params.out_width;
    let ky = tap / params.kernel_width;
    let kx = tap % params.kernel_width;
    let iy = i32(oy * params.stride_y + ky * params.dilation_y) - i32(params.pad_top);
    let ix = i32(ox * params.stride_x + kx * params.dilation_x) - i32(params.pad_left);
    if iy < 0 || iy >= i32(params.height) || ix < 0 || ix >= i32(params.width) {
        return 0.0;
    }
    let row = (n * params.height + u32(iy)) * params.width + u32(ix);
    return left[params.left_offset + row * params.left_stride + channel];
}

// What `channel` of dy is at the output pixel whose window has input pixel `pixel` under `tap`.
fn seeing(pixel: u32, channel: u32, tap: u32) -> f32 {
    let n = pixel / (params.height * params.width);
    let iy = pixel / params.width % params.height;
    let ix = pixel % params.width;
    let ky = tap / params.kernel_width;
    let kx = tap % params.kernel_width;
    let sy = i32(iy + params.pad_top) - i32(ky * params.dilation_y);
    let sx = i32(ix + params.pad_left) - i32(kx * params.dilation_x);
    if sy < 0 || sx < 0 || u32(sy) % params.stride_y != 0u || u32(sx) % params.stride_x != 0u {
        return 0.0;
    }
    let oy = u32(sy) / params.stride_y;
    let ox = u32(sx) / params.stride_x;
    if oy >= params.out_height || ox >= params.out_width {
        return 0.0;
    }
    let row = (n * params.out_height + oy) * params.out_width + ox;
    return left[params.left_offset + row * params.left_stride + channel];
}

fn left_at(m: u32, k: u32) -> f32 {
    if MODE == INPUT {
        return seeing(m, k % params.out_channels, k / params.out_channels);
    }
    if MODE == WEIGHT {
        return seen(k, m % params.in_channels, m / params.in_channels);
    }
    return seen(m, k % params.in_channels, k / params.in_channels);
}

fn right_at(k: u32, n: u32) -> f32 {
    if MODE == INPUT {
        let tap = k / params.out_channels;
        let row = tap * params.in_channels + n;
        return right[params.right_offset + row * params.right_stride + k % params.out_channels];
    }
    return right[params.right_offset + k * params.right_stride + n];
}

// Gathers depths `begin` and on, of those below `end`, for the square at (row, column).
fn gather(row: u32, column: u32, begin: u32, end: u32, invocation: u32) {
    for (var i = invocation; i < TILE * SIZE; i += INVOCATIONS) {
        let m = row + i / SIZE;
        let k = begin + i % SIZE;
        var value = 0.0;
        if m < params.rows && k < end {
            value = left_at(m, k);
        }
        lefts[i] = f16(value);
    }
    for (var i = invocation; i < SIZE * TILE; i += INVOCATIONS) {
        let k = begin + i / TILE;
        let n = column + i % TILE;
        var value = 0.0;
        if k < end && n < params.columns {
            value = right_at(k, n);
        }
        rights[i] = f16(value);
    }
}

// Stores one finished sum.
fn store(part: u32, row: u32, column: u32, sum: f32) {
    if row >= params.rows || column >= params.columns {
        return;
    }
    var value = sum;
    if EPILOGUE_BIAS {
        value += bias[params.bias_offset + column];
    }
    if EPILOGUE_AFFINE {
        let at = params.affine_offset + column;
        value = value * affine[at] + affine[at + params.columns];
    }
    if EPILOGUE_RESIDUAL {
        value += residual[params.residual_offset + row * params.residual_stride + column];
    }
    if ACTIVATION == 1u {
        value = max(value, 0.0);
    }
    if ACTIVATION == 2u {
        value = clamp(value, 0.0, 6.0);
    }
    // Parts of dw, and dw itself, have no gaps.
    let stride = select(params.out_stride, params.columns, MODE == WEIGHT);
    out[params.out_offset + (part * params.rows + row) * stride + column] = value;
}

// Where a workgroup works: part of the depth, first row, first column; no part where there is nothing.
struct Square {
    part: u32,
    row: u32,
    column: u32,
}

fn square(group: u32) -> Square {
    let columns = (params.columns + TILE - 1u) / TILE;
    let rows = (params.rows + TILE - 1u) / TILE;
    return Square(group / (rows * columns), group / columns % rows * TILE, group % columns * TILE);
}

@compute @workgroup_size(INVOCATIONS)
fn half(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let at = square(workgroup.y * workgroups.x + workgroup.x);
    if at.part >= params.splits {
        return;
    }
    let column = invocation % TILE;
    let row = invocation / TILE * RUN;
    var own: array<f32, RUN>;
    for (var i = 0u; i < RUN; i++) {
        own[i] = 0.0;
    }
    let end = min((at.part + 1u) * params.split_pixels, params.depth);
    for (var begin = at.part * params.split_pixels; begin < end; begin += SIZE) {
        gather(at.row, at.column, begin, end, invocation);
        workgroupBarrier();
        for (var k = 0u; k < SIZE; k++) {
            let factor = f32(rights[k * TILE + column]);
            for (var i = 0u; i < RUN; i++) {
                own[i] += f32(lefts[(row + i) * SIZE + k]) * factor;
            }
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < RUN; i++) {
        store(at.part, at.row + row + i, at.column + column, own[i]);
    }
}

alias Left = coop_mat16x16<f16, A>;
alias Right = coop_mat16x16<f16, B>;
alias Sum = coop_mat16x16<f32, C>;

@compute @workgroup_size(INVOCATIONS)
fn cooperative(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    // What a function returns counts as different in each invocation for naga, and cooperative matrices
    // want all of them to go the same way: `square` stands here a second time.
    let group = workgroup.y * workgroups.x + workgroup.x;
    let columns = (params.columns + TILE - 1u) / TILE;
    let rows = (params.rows + TILE - 1u) / TILE;
    let part = group / (rows * columns);
    if part >= params.splits {
        return;
    }
    let row = group / columns % rows * TILE;
    let column = group % columns * TILE;
    for (var i = invocation; i < TILE * TILE; i += INVOCATIONS) {
        sums[i] = 0.0;
    }
    workgroupBarrier();
    // Offsets and strides have names: naga's SPIR-V writer refuses them as expressions.
    let depths = SIZE;
    let tile = TILE;
    let left_from = subgroup * SIZE * SIZE;
    let right0 = 0u;
    let right1 = SIZE;
    let right2 = 2u * SIZE;
    let right3 = 3u * SIZE;
    let sum0 = subgroup * SIZE * TILE;
    let sum1 = sum0 + SIZE;
    let sum2 = sum0 + 2u * SIZE;
    let sum3 = sum0 + 3u * SIZE;
    var c0 = coopLoadT<Sum>(&sums[sum0], tile);
    var c1 = coopLoadT<Sum>(&sums[sum1], tile);
    var c2 = coopLoadT<Sum>(&sums[sum2], tile);
    var c3 = coopLoadT<Sum>(&sums[sum3], tile);
    let end = min((part + 1u) * params.split_pixels, params.depth);
    for (var begin = part * params.split_pixels; begin < end; begin += SIZE) {
        gather(row, column, begin, end, invocation);
        workgroupBarrier();
        let a = coopLoadT<Left>(&lefts[left_from], depths);
        let b0 = coopLoadT<Right>(&rights[right0], tile);
        let b1 = coopLoadT<Right>(&rights[right1], tile);
        let b2 = coopLoadT<Right>(&rights[right2], tile);
        let b3 = coopLoadT<Right>(&rights[right3], tile);
        c0 = coopMultiplyAdd(a, b0, c0);
        c1 = coopMultiplyAdd(a, b1, c1);
        c2 = coopMultiplyAdd(a, b2, c2);
        c3 = coopMultiplyAdd(a, b3, c3);
        workgroupBarrier();
    }
    coopStoreT(c0, &sums[sum0], tile);
    coopStoreT(c1, &sums[sum1], tile);
    coopStoreT(c2, &sums[sum2], tile);
    coopStoreT(c3, &sums[sum3], tile);
    workgroupBarrier();
    for (var i = invocation; i < TILE * TILE; i += INVOCATIONS) {
        store(part, row + i / TILE, column + i % TILE, sums[i]);
    }
}
