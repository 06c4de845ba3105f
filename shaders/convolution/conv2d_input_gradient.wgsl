// The gradient of a convolution with respect to its input.
//
//   d_x[n, iy, ix, g * Ci + ci] = sum over ky, kx, co of dy[n, oy, ox, g * Co + co] * w[ky, kx, ci, g * Co + co]
//   where oy * stride_y = iy + pad_top - ky * dilation_y and oy is a row of dy,  ox likewise
//   Ci = in_channels / groups, Co = out_channels / groups
//
// dy: (batch, out_height, out_width, out_channels), its rows dy_stride apart
// w: (kernel_height, kernel_width, Ci, out_channels)
// d_x: (batch, height, width, in_channels), its rows d_x_stride apart
//
// Which taps (ky, kx) reach a pixel depends on iy and ix modulo the stride alone. So the faster
// versions put pixels of one such phase together, and skip for all of them the taps that miss; with
// stride 2 that saves three quarters of the work. Within phase (py, px), row r is pixel
// (py + stride_y * a, px + stride_x * b) of image n, for r = (n * phase_height + a) * phase_width + b.
//
// Versions, as in conv2d.wgsl:
//   naive     one number an invocation.
//   blocked   8 pixels x 4 channels an invocation. Takes Ci and Co in fours.
//   tiled     TILE_ROWS pixels x TILE_COLUMNS channels a workgroup, through workgroup memory.
//   fours     the same with loads of four channels, a round of steps ahead. Takes Ci and Co in fours.
//   subgroup  ROWS x 4 sums a lane, dy handed from lane to lane. Takes Ci and Co in fours.

struct Params {
    dy_offset: u32,
    dy_stride: u32,
    w_offset: u32,
    d_x_offset: u32,
    d_x_stride: u32,
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
    // How far apart the taps are that reach one pixel, and the output pixels that it meets through them.
    tap_step_y: u32,
    tap_step_x: u32,
    tap_back_y: u32,
    tap_back_x: u32,
}

// Invocations of a workgroup of `subgroup`; a multiple of the subgroup size.
override WORKGROUP: u32 = 32u;

// How many lanes hand rows to each other: 8, or 4 where subgroups may be that small.
const LANES: u32 = 8u;
const ROW_BLOCKS: u32 = 4u;
const ROWS: u32 = LANES * ROW_BLOCKS;
const NOWHERE: u32 = 0xffffffffu;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> d_x: array<f32>;

@group(0) @binding(1) var<storage, read> dy4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> d_x4: array<vec4<f32>>;

// Whether an output position exists, `at` being stride times it.
fn meets(at: i32, stride: u32, size: u32) -> bool {
    return at >= 0 && at < i32(stride * size);
}

// Whether `stride` divides `at`, which is more than -`reach`. The remainder of a negative number is
// undefined in GLSL, so a multiple of the stride is added first.
fn divides(stride: u32, at: i32, reach: u32) -> bool {
    return u32(at + i32(stride * reach)) % stride == 0u;
}

@compute @workgroup_size(64)
fn naive(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + invocation;
    let row = index / params.in_channels;
    let channel = index % params.in_channels;
    if row >= params.batch * params.height * params.width {
        return;
    }
    let group_in = params.in_channels / params.groups;
    let group_out = params.out_channels / params.groups;
    let group = channel / group_in;
    let image = row / (params.height * params.width) * params.out_height * params.out_width;
    let iy = i32(row / params.width % params.height + params.pad_top);
    let ix = i32(row % params.width + params.pad_left);
    var sum = 0.0;
    for (var ky = 0u; ky < params.kernel_height; ky++) {
        for (var kx = 0u; kx < params.kernel_width; kx++) {
            let ty = iy - i32(ky * params.dilation_y);
            let tx = ix - i32(kx * params.dilation_x);
            let aligned = divides(params.stride_y, ty, params.kernel_height * params.dilation_y)
                && divides(params.stride_x, tx, params.kernel_width * params.dilation_x);
            if aligned && meets(ty, params.stride_y, params.out_height)
                && meets(tx, params.stride_x, params.out_width) {
                let oy = u32(ty) / params.stride_y;
                let ox = u32(tx) / params.stride_x;
                let dy_row = image + oy * params.out_width + ox;
                let dy_start = params.dy_offset + dy_row * params.dy_stride + group * group_out;
                let w_row = (ky * params.kernel_width + kx) * group_in + channel % group_in;
                let w_start = params.w_offset + w_row * params.out_channels + group * group_out;
                for (var co = 0u; co < group_out; co++) {
                    sum += dy[dy_start + co] * w[w_start + co];
                }
            }
        }
    }
    d_x[params.d_x_offset + row * params.d_x_stride + channel] = sum;
}

// What a workgroup of the faster versions works on. `tiles`: how many there are along the rows of a
// phase and along the columns of a group.
struct Tile {
    first_row: u32, // within the phase
    phase_y: u32,
    phase_x: u32,
    group: u32,
    column_tile: u32,
    exists: bool,
}

fn phase_height() -> u32 {
    return (params.height + params.stride_y - 1u) / params.stride_y;
}

fn phase_width() -> u32 {
    return (params.width + params.stride_x - 1u) / params.stride_x;
}

fn locate(index: u32, tile_rows: u32, column_tiles: u32) -> Tile {
    let rows = params.batch * phase_height() * phase_width();
    let row_tiles = (rows + tile_rows - 1u) / tile_rows;
    let row_tile = index / (column_tiles * params.groups);
    let phase = row_tile / row_tiles;
    return Tile(
        row_tile % row_tiles * tile_rows,
        phase / params.stride_x,
        phase % params.stride_x,
        index / column_tiles % params.groups,
        index % column_tiles,
        phase < params.stride_y * params.stride_x,
    );
}

// A pixel of a phase: its row in d_x, or NOWHERE; its place (a, b) in the phase; and the row of dy that has
// this place in its image.
struct Pixel {
    row: u32,
    a: i32,
    b: i32,
    same: i32,
}

fn pixel_of(tile: Tile, local: u32) -> Pixel {
    let row = tile.first_row + local;
    let line = row / phase_width();
    let n = line / phase_height();
    let a = line - n * phase_height();
    let b = row - line * phase_width();
    let iy = tile.phase_y + params.stride_y * a;
    let ix = tile.phase_x + params.stride_x * b;
    let exists = n < params.batch && iy < params.height && ix < params.width;
    return Pixel(
        select(NOWHERE, (n * params.height + iy) * params.width + ix, exists),
        i32(a),
        i32(b),
        i32((n * params.out_height + a) * params.out_width + b),
    );
}

// The taps that reach a phase: every `step` one from `first` on, down and across. Through the first of them
// pixel (a, b) meets output pixel (a, b) + met, and through each one further `back` before that. So what has to be
// divided is divided once for all pixels and taps.
struct Taps {
    first: vec2<u32>,
    step: vec2<u32>,
    met: vec2<i32>,
    back: vec2<i32>,
}

// Along one axis: the first tap that reaches the pixels at `start`, or `taps`, and what they meet through it.
fn first_tap(start: u32, taps: u32, stride: u32, dilation: u32) -> vec2<u32> {
    // As many strides are added as keep the difference from being negative, and taken off later.
    let at = start + stride * taps * dilation;
    var tap = 0u;
    var met = at / stride;
    while tap < taps && met * stride != at - tap * dilation {
        tap++;
        met = (at - tap * dilation) / stride;
    }
    return vec2(tap, met - taps * dilation);
}

fn taps_of(tile: Tile) -> Taps {
    let down = first_tap(
        tile.phase_y + params.pad_top,
        params.kernel_height,
        params.stride_y,
        params.dilation_y,
    );
    let across = first_tap(
        tile.phase_x + params.pad_left,
        params.kernel_width,
        params.stride_x,
        params.dilation_x,
    );
    return Taps(
        vec2(down.x, across.x),
        vec2(params.tap_step_y, params.tap_step_x),
        vec2(i32(down.y), i32(across.y)),
        vec2(i32(params.tap_back_y), i32(params.tap_back_x)),
    );
}

// The row of dy that a pixel meets that far away, or NOWHERE.
fn met(at: Pixel, away: vec2<i32>) -> u32 {
    // What is negative is large without a sign.
    let inside = u32(at.a + away.x) < params.out_height && u32(at.b + away.y) < params.out_width;
    let row = at.same + away.x * i32(params.out_width) + away.y;
    return select(NOWHERE, u32(row), inside && at.row != NOWHERE);
}

// Stores four columns of a row of d_x, whose row 0 stands at `start`.
fn store4(start: u32, stride: u32, row: u32, used: bool, sum: vec4<f32>) {
    if used && row != NOWHERE {
        d_x4[start + row * stride] = sum;
    }
}

const BLOCK_ROWS: u32 = 8u;

@compute @workgroup_size(64)
fn blocked(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    // A tile of `locate` is one invocation here, and a column tile four columns.
    let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + invocation;
    let columns = params.in_channels / params.groups;
    let group_out = params.out_channels / params.groups;
    let tile = locate(index, BLOCK_ROWS, columns / 4u);
    let w_row = params.out_channels / 4u;
    let w_start =
        params.w_offset / 4u + 4u * tile.column_tile * w_row + tile.group * group_out / 4u;
    let dy_offset = params.dy_offset;
    let dy_stride = params.dy_stride;
    let start = params.d_x_offset / 4u + tile.group * columns / 4u + tile.column_tile;
    let stride = params.d_x_stride / 4u;
    let kernel = vec2(params.kernel_height, params.kernel_width);
    let taps = taps_of(tile);
    if !tile.exists {
        return;
    }

    var at: array<Pixel, BLOCK_ROWS>;
    var sums: array<vec4<f32>, BLOCK_ROWS>;
    for (var i = 0u; i < BLOCK_ROWS; i++) {
        at[i] = pixel_of(tile, i);
        sums[i] = vec4(0.0);
    }
    var away = taps.met;
    for (var ky = taps.first.x; ky < kernel.x; ky += taps.step.x) {
        away.y = taps.met.y;
        for (var kx = taps.first.y; kx < kernel.y; kx += taps.step.y) {
            var dy_at: array<u32, BLOCK_ROWS>;
            var seen: array<bool, BLOCK_ROWS>;
            for (var i = 0u; i < BLOCK_ROWS; i++) {
                let row = met(at[i], away);
                seen[i] = row != NOWHERE;
                let first = dy_offset + select(0u, row, seen[i]) * dy_stride;
                dy_at[i] = (first + tile.group * group_out) / 4u;
            }
            away.y -= taps.back.y;
            let w_at = w_start + (ky * kernel.y + kx) * columns * w_row;
            for (var k = 0u; k < group_out / 4u; k++) {
                let b = transpose(mat4x4(
                    w4[w_at + k],
                    w4[w_at + k + w_row],
                    w4[w_at + k + 2u * w_row],
                    w4[w_at + k + 3u * w_row],
                ));
                for (var i = 0u; i < BLOCK_ROWS; i++) {
                    sums[i] += b * select(vec4(0.0), dy4[dy_at[i] + k], seen[i]);
                }
            }
        }
        away.x -= taps.back.x;
    }
    for (var i = 0u; i < BLOCK_ROWS; i++) {
        store4(start, stride, at[i].row, true, sums[i]);
    }
}
