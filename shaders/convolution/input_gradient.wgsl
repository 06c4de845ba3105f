// What the versions of a convolution's gradient with respect to its input share: conv2d_input_gradient.wgsl says what
// they compute.

#import "convolution/params.wgsl"

const NOWHERE: u32 = 0xffffffffu;

@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> d_x: array<f32>;

@group(0) @binding(1) var<storage, read> dy4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> d_x4: array<vec4<f32>>;

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
