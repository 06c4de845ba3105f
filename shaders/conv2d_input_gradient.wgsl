// The gradient of a convolution with respect to its input.
//
//   dx[n, iy, ix, g * Ci + ci] = sum over ky, kx, co of dy[n, oy, ox, g * Co + co] * w[ky, kx, ci, g * Co + co]
//   where oy * stride_y = iy + pad_top - ky * dilation_y and oy is a row of dy,  ox likewise
//   Ci = in_channels / groups, Co = out_channels / groups
//
// dy: (batch, out_height, out_width, out_channels), its rows dy_stride apart
// w: (kernel_height, kernel_width, Ci, out_channels)
// dx: (batch, height, width, in_channels), its rows dx_stride apart
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
//   fours     the same with loads of four channels, a round of 16 steps ahead. Takes Ci and Co in fours.
//   subgroup  ROWS x 4 sums a lane, dy handed from lane to lane. Takes Ci and Co in fours.

struct Params {
    dy_offset: u32,
    dy_stride: u32,
    w_offset: u32,
    dx_offset: u32,
    dx_stride: u32,
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
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@group(0) @binding(1) var<storage, read> dy4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> dx4: array<vec4<f32>>;

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
    dx[params.dx_offset + row * params.dx_stride + channel] = sum;
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

// A pixel of a phase: its row in dx, or NOWHERE; its place (a, b) in the phase; and the row of dy that has
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

// Stores four columns of a row of dx, whose row 0 stands at `start`.
fn store4(start: u32, stride: u32, row: u32, used: bool, sum: vec4<f32>) {
    if used && row != NOWHERE {
        dx4[start + row * stride] = sum;
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
    let start = params.dx_offset / 4u + tile.group * columns / 4u + tile.column_tile;
    let stride = params.dx_stride / 4u;
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

// What a workgroup of `tiled` and `fours` does at a time, and how many fours of rows an invocation keeps in
// registers; ACROSS invocations stand side by side, each with one or two fours of the columns.
const TILE_ROWS: u32 = 64u;
const TILE_COLUMNS: u32 = 64u;
const ROW_FOURS: u32 = 2u;
const ACROSS: u32 = 8u;
const COLUMN_FOURS: u32 = TILE_COLUMNS / (4u * ACROSS);
const INVOCATIONS: u32 = ACROSS * TILE_ROWS / (4u * ROW_FOURS);
const TILE_STEPS: u32 = 16u;
const SUMS: u32 = 4u * ROW_FOURS * COLUMN_FOURS;
// How many invocations of `tiled` fetch the same step.
const PARTS: u32 = INVOCATIONS / TILE_STEPS;
// Against bank conflicts, where lanes that store next to each other store steps.
const PAD: u32 = 1u;
const DY_PITCH: u32 = TILE_ROWS / 4u + PAD;
const W_PITCH: u32 = TILE_COLUMNS / 4u + PAD;

var<workgroup> dy_tile: array<vec4<f32>, TILE_STEPS * DY_PITCH>;
var<workgroup> w_tile: array<vec4<f32>, TILE_STEPS * W_PITCH>;
var<workgroup> pixels: array<Pixel, TILE_ROWS>;

alias TileSums = array<vec4<f32>, SUMS>;

// Adds to an invocation's sums the products of what is in workgroup memory: four rows of four columns; rows 4
// and on; then the same of the other columns.
fn multiply(sums: ptr<function, TileSums>, my_rows: u32, my_columns: u32) {
    for (var s = 0u; s < TILE_STEPS; s++) {
        let a0 = dy_tile[s * DY_PITCH + ROW_FOURS * my_rows];
        let a1 = dy_tile[s * DY_PITCH + ROW_FOURS * my_rows + ROW_FOURS - 1u];
        let b0 = w_tile[s * W_PITCH + my_columns];
        let b1 = w_tile[s * W_PITCH + my_columns + ACROSS * (COLUMN_FOURS - 1u)];
        for (var i = 0u; i < 4u; i++) {
            (*sums)[i] += a0[i] * b0;
            if ROW_FOURS > 1u {
                (*sums)[i + 4u] += a1[i] * b0;
            }
            if COLUMN_FOURS > 1u {
                (*sums)[i + 4u * ROW_FOURS] += a0[i] * b1;
            }
            if ROW_FOURS > 1u && COLUMN_FOURS > 1u {
                (*sums)[i + 12u] += a1[i] * b1;
            }
        }
    }
}

fn dy_step(local: u32, away: vec2<i32>, channel: u32, valid: bool) -> f32 {
    let row = met(pixels[local], away);
    if valid && row != NOWHERE {
        return dy[params.dy_offset + row * params.dy_stride + channel];
    }
    return 0.0;
}

fn w_step(tap: u32, column: u32, columns: u32, channel: u32, valid: bool) -> f32 {
    if valid && column < columns {
        return w[params.w_offset + (tap * columns + column) * params.out_channels + channel];
    }
    return 0.0;
}

@compute @workgroup_size(INVOCATIONS)
fn tiled(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let columns = params.in_channels / params.groups;
    let group_out = params.out_channels / params.groups;
    let column_tiles = (columns + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    let tile = locate(workgroup.y * workgroups.x + workgroup.x, TILE_ROWS, column_tiles);
    if !tile.exists {
        return;
    }
    let first_column = tile.column_tile * TILE_COLUMNS;
    for (var i = invocation; i < TILE_ROWS; i += INVOCATIONS) {
        pixels[i] = pixel_of(tile, i);
    }

    var sums: TileSums;
    for (var i = 0u; i < SUMS; i++) {
        sums[i] = vec4(0.0);
    }
    let step = invocation % TILE_STEPS;
    let part = invocation / TILE_STEPS;
    let my_rows = invocation / ACROSS;
    let my_columns = invocation % ACROSS;
    let taps = taps_of(tile);
    var away = taps.met;
    for (var ky = taps.first.x; ky < params.kernel_height; ky += taps.step.x) {
        away.y = taps.met.y;
        for (var kx = taps.first.y; kx < params.kernel_width; kx += taps.step.y) {
            let tap = ky * params.kernel_width + kx;
            for (var first = 0u; first < group_out; first += TILE_STEPS) {
                workgroupBarrier();
                let valid = first + step < group_out;
                let channel = tile.group * group_out + first + step;
                for (var i = 0u; i < TILE_ROWS / 4u / PARTS; i++) {
                    let four = part + PARTS * i;
                    dy_tile[step * DY_PITCH + four] = vec4(
                        dy_step(4u * four, away, channel, valid),
                        dy_step(4u * four + 1u, away, channel, valid),
                        dy_step(4u * four + 2u, away, channel, valid),
                        dy_step(4u * four + 3u, away, channel, valid),
                    );
                }
                for (var i = 0u; i < TILE_COLUMNS / 4u / PARTS; i++) {
                    let four = part + PARTS * i;
                    let column = first_column + 4u * four;
                    w_tile[step * W_PITCH + four] = vec4(
                        w_step(tap, column, columns, channel, valid),
                        w_step(tap, column + 1u, columns, channel, valid),
                        w_step(tap, column + 2u, columns, channel, valid),
                        w_step(tap, column + 3u, columns, channel, valid),
                    );
                }
                workgroupBarrier();
                multiply(&sums, my_rows, my_columns);
            }
            away.y -= taps.back.y;
        }
        away.x -= taps.back.x;
    }
    workgroupBarrier();
    for (var i = 0u; i < 4u * ROW_FOURS; i++) {
        let row = pixels[4u * ROW_FOURS * my_rows + i].row;
        for (var c = 0u; c < 4u * COLUMN_FOURS; c++) {
            let column = first_column + 4u * my_columns + 4u * ACROSS * (c / 4u) + c % 4u;
            if row != NOWHERE && column < columns {
                dx[params.dx_offset + row * params.dx_stride + tile.group * columns + column] =
                    sums[i + c / 4u * 4u * ROW_FOURS][c % 4u];
            }
        }
    }
}

// Four vectors, or zeros.
fn masked(value: mat4x4<f32>, seen: vec4<bool>) -> mat4x4<f32> {
    return mat4x4(
        select(vec4(0.0), value[0], seen.x),
        select(vec4(0.0), value[1], seen.y),
        select(vec4(0.0), value[2], seen.z),
        select(vec4(0.0), value[3], seen.w),
    );
}

// The rows of dy that four pixels meet that far away.
fn rows_met(pixels: array<Pixel, 4>, away: vec2<i32>) -> vec4<u32> {
    return vec4(
        met(pixels[0], away),
        met(pixels[1], away),
        met(pixels[2], away),
        met(pixels[3], away),
    );
}

@compute @workgroup_size(INVOCATIONS)
fn fours(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let columns = params.in_channels / params.groups;
    let group_out = params.out_channels / params.groups;
    let column_tiles = (columns + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    let tile = locate(workgroup.y * workgroups.x + workgroup.x, TILE_ROWS, column_tiles);
    let w_row = params.out_channels / 4u;
    let kernel = vec2(params.kernel_height, params.kernel_width);
    let taps = taps_of(tile);
    let dy_offset = params.dy_offset;
    let dy_stride = params.dy_stride;
    if !tile.exists {
        return;
    }
    let first_column = tile.column_tile * TILE_COLUMNS;

    // What this invocation fetches: four channels of four rows of dy, and of four columns of w.
    let row_four = invocation % (TILE_ROWS / 4u);
    let row_step = invocation / (TILE_ROWS / 4u);
    let fetches_rows = row_step < TILE_STEPS / 4u;
    var row_pixels: array<Pixel, 4>;
    for (var j = 0u; j < 4u; j++) {
        row_pixels[j] = pixel_of(tile, 4u * row_four + j);
    }
    let column_four = invocation % (TILE_COLUMNS / 4u);
    let column_step = invocation / (TILE_COLUMNS / 4u);
    let column = first_column + 4u * column_four;
    let fetches_columns = column_step < TILE_STEPS / 4u;
    let w_start = params.w_offset / 4u + column * w_row + tile.group * group_out / 4u + column_step;

    var sums: TileSums;
    for (var i = 0u; i < SUMS; i++) {
        sums[i] = vec4(0.0);
    }
    let my_rows = invocation / ACROSS;
    let my_columns = invocation % ACROSS;
    // The tap and the channels of it that are fetched next, and where its rows of dy are.
    var tap = taps.first;
    var away = taps.met;
    var more = all(tap < kernel);
    var first = 0u;
    var rows = rows_met(row_pixels, away);
    var round = 0u;
    loop {
        // What the next round multiplies is on its way while this one multiplies what the last one fetched. What
        // is 0 of it is said where it is stored: to say it before would be to wait for it.
        if first >= group_out {
            first = 0u;
            tap.y += taps.step.y;
            away.y -= taps.back.y;
            if tap.y >= kernel.y {
                tap = vec2(tap.x + taps.step.x, taps.first.y);
                away = vec2(away.x - taps.back.x, taps.met.y);
            }
            more = tap.x < kernel.x;
            rows = rows_met(row_pixels, away);
        }
        let rows_seen = more && fetches_rows && first + 4u * row_step < group_out;
        let channel = tile.group * group_out + first + 4u * row_step;
        let a_seen = (rows != vec4(NOWHERE)) & vec4(rows_seen);
        let dy_at = select(vec4(0u), (dy_offset + rows * dy_stride + channel) / 4u, a_seen);
        let a = mat4x4(dy4[dy_at.x], dy4[dy_at.y], dy4[dy_at.z], dy4[dy_at.w]);
        let columns_seen = more && fetches_columns && first + 4u * column_step < group_out && column < columns;
        let w_at = select(0u, w_start + (tap.x * kernel.y + tap.y) * columns * w_row + first / 4u, columns_seen);
        let w_next = select(0u, w_row, columns_seen);
        let b = mat4x4(w4[w_at], w4[w_at + w_next], w4[w_at + 2u * w_next], w4[w_at + 3u * w_next]);
        first += TILE_STEPS;
        if round > 0u {
            multiply(&sums, my_rows, my_columns);
        }
        if !more {
            break;
        }
        workgroupBarrier();
        if fetches_rows {
            let steps = transpose(masked(a, a_seen));
            for (var j = 0u; j < 4u; j++) {
                dy_tile[(4u * row_step + j) * DY_PITCH + row_four] = steps[j];
            }
        }
        if fetches_columns {
            let steps = transpose(masked(b, vec4(columns_seen)));
            for (var j = 0u; j < 4u; j++) {
                w_tile[(4u * column_step + j) * W_PITCH + column_four] = steps[j];
            }
        }
        workgroupBarrier();
        round++;
    }
    for (var c = 0u; c < COLUMN_FOURS; c++) {
        let column4 = first_column / 4u + my_columns + ACROSS * c;
        let start = (params.dx_offset + tile.group * columns) / 4u + column4;
        for (var i = 0u; i < 4u * ROW_FOURS; i++) {
            let row = pixel_of(tile, 4u * ROW_FOURS * my_rows + i).row;
            store4(start, params.dx_stride / 4u, row, 4u * column4 < columns, sums[i + c * 4u * ROW_FOURS]);
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn subgroup(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
    let group_out = params.out_channels / params.groups;
    let columns = params.in_channels / params.groups;
    let column_tiles = (columns / 4u + WORKGROUP - 1u) / WORKGROUP;
    let tile = locate(workgroup.y * workgroups.x + workgroup.x, ROWS, column_tiles);
    let dy_offset = params.dy_offset;
    let dy_stride = params.dy_stride;
    let kernel = vec2(params.kernel_height, params.kernel_width);
    let taps = taps_of(tile);
    if !tile.exists {
        return;
    }
    let used = tile.column_tile * WORKGROUP + invocation < columns / 4u;
    let column4 = min(tile.column_tile * WORKGROUP + invocation, columns / 4u - 1u);
    // Four channels of x are four rows of w.
    let w_row = params.out_channels / 4u;
    let w_start = params.w_offset / 4u + 4u * column4 * w_row + tile.group * group_out / 4u;

    // Lane l looks after rows l, l + LANES, l + 2 * LANES, ...
    var at: array<Pixel, ROW_BLOCKS>;
    for (var i = 0u; i < ROW_BLOCKS; i++) {
        at[i] = pixel_of(tile, i * LANES + subgroup_lane % LANES);
    }
    var sums: array<vec4<f32>, ROWS>;
    for (var i = 0u; i < ROWS; i++) {
        sums[i] = vec4(0.0);
    }
    var away = taps.met;
    for (var ky = taps.first.x; ky < kernel.x; ky += taps.step.x) {
        away.y = taps.met.y;
        for (var kx = taps.first.y; kx < kernel.y; kx += taps.step.y) {
            var dy_at: array<u32, ROW_BLOCKS>;
            var seen: array<bool, ROW_BLOCKS>;
            for (var i = 0u; i < ROW_BLOCKS; i++) {
                let row = met(at[i], away);
                seen[i] = row != NOWHERE;
                let start = dy_offset + select(0u, row, seen[i]) * dy_stride;
                dy_at[i] = (start + tile.group * group_out) / 4u;
            }
            away.y -= taps.back.y;
            let w_at = w_start + (ky * kernel.y + kx) * columns * w_row;
            for (var k = 0u; k < group_out / 4u; k++) {
                // All loads first: see conv2d.wgsl.
                var a: array<vec4<f32>, ROW_BLOCKS>;
                for (var i = 0u; i < ROW_BLOCKS; i++) {
                    a[i] = select(vec4(0.0), dy4[dy_at[i] + k], seen[i]);
                }
                let b = transpose(mat4x4(
                    w4[w_at + k],
                    w4[w_at + k + w_row],
                    w4[w_at + k + 2u * w_row],
                    w4[w_at + k + 3u * w_row],
                ));
                for (var i = 0u; i < ROW_BLOCKS; i++) {
                    let r = i * LANES;
                    sums[r] += b * subgroupBroadcast(a[i], 0u);
                    sums[r + 1u] += b * subgroupBroadcast(a[i], 1u);
                    sums[r + 2u] += b * subgroupBroadcast(a[i], 2u);
                    sums[r + 3u] += b * subgroupBroadcast(a[i], 3u);
                    if LANES > 4u {
                        sums[r + 4u % LANES] += b * subgroupBroadcast(a[i], 4u);
                        sums[r + 5u % LANES] += b * subgroupBroadcast(a[i], 5u);
                        sums[r + 6u % LANES] += b * subgroupBroadcast(a[i], 6u);
                        sums[r + 7u % LANES] += b * subgroupBroadcast(a[i], 7u);
                    }
                }
            }
        }
        away.x -= taps.back.x;
    }
    let start = params.dx_offset / 4u + tile.group * columns / 4u + column4;
    let stride = params.dx_stride / 4u;
    for (var i = 0u; i < ROW_BLOCKS; i++) {
        let row = at[i].row;
        let r = i * LANES;
        store4(start, stride, subgroupBroadcast(row, 0u), used, sums[r]);
        store4(start, stride, subgroupBroadcast(row, 1u), used, sums[r + 1u]);
        store4(start, stride, subgroupBroadcast(row, 2u), used, sums[r + 2u]);
        store4(start, stride, subgroupBroadcast(row, 3u), used, sums[r + 3u]);
        if LANES > 4u {
            store4(start, stride, subgroupBroadcast(row, 4u), used, sums[r + 4u % LANES]);
            store4(start, stride, subgroupBroadcast(row, 5u), used, sums[r + 5u % LANES]);
            store4(start, stride, subgroupBroadcast(row, 6u), used, sums[r + 6u % LANES]);
            store4(start, stride, subgroupBroadcast(row, 7u), used, sums[r + 7u % LANES]);
        }
    }
}
