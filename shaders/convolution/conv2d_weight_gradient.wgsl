// The gradient of a convolution with respect to its weights.
//
//   dw[ky, kx, ci, co] = sum over n, oy, ox of x[n, iy, ix, g * Ci + ci] * dy[n, oy, ox, co]
//   iy = oy * stride_y - pad_top + ky * dilation_y,  ix likewise;  x is 0 outside of the image
//   Ci = in_channels / groups, Co = out_channels / groups, g = co / Co
//
// x: (batch, height, width, in_channels), its rows x_stride apart
// dy: (batch, out_height, out_width, out_channels), its rows dy_stride apart
// partial: (splits, kernel_height * kernel_width * Ci, out_channels)
// parts: partial again, to be read
// dw: (kernel_height, kernel_width, Ci, out_channels)
//
// A sum over all pixels of a batch for each of few numbers. So that there is enough to do at once, the
// pixels of dy are split: sum number s covers the pixels s * split_pixels and on, and writes its own part of
// `partial`; `reduce` adds the `parts`, always in the same order. With one split, `partial` is dw itself.
//
// Versions, as in conv2d.wgsl; a row is one (ky, kx, ci), a column one co:
//   naive            one number an invocation, no split.
//   blocked          8 rows x 4 columns an invocation, 4 pixels at a time. Takes Ci and Co in fours.
//   tiled            TILE_ROWS x TILE_COLUMNS a workgroup, 16 pixels at a time through workgroup memory.
//   fours     the same with loads of four channels, a round of 16 pixels ahead. Takes Ci and Co in fours.
//   subgroup         ROWS rows x 4 columns a lane. Takes Ci and Co in fours.
//   subgroup_narrow  the same for any Ci.

struct Params {
    x_offset: u32,
    x_stride: u32,
    dy_offset: u32,
    dy_stride: u32,
    partial_offset: u32,
    parts_offset: u32,
    dw_offset: u32,
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
    splits: u32,
    split_pixels: u32,
}

// Kernel 1 x 1, stride 1, no padding: row r of x belongs to row r of dy.
override POINTWISE: bool = false;
// Invocations of a workgroup of the subgroup versions; a multiple of the subgroup size.
override WORKGROUP: u32 = 32u;

// How many lanes hand rows to each other, four each: 8, 4, 2 or 1, and no more than the smallest subgroup has.
const LANES: u32 = 8u;
const ROWS: u32 = LANES * 4u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;
@group(0) @binding(4) var<storage, read> parts: array<f32>;
@group(0) @binding(5) var<storage, read_write> dw: array<f32>;

@group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> partial4: array<vec4<f32>>;

fn group_in() -> u32 {
    return params.in_channels / params.groups;
}

// How many rows the product has: (ky, kx, ci).
fn rows() -> u32 {
    return params.kernel_height * params.kernel_width * group_in();
}

// How many pixels dy has.
fn pixels() -> u32 {
    return params.batch * params.out_height * params.out_width;
}

// What a row of dw asks of a pixel of dy: the offset of its tap, and the channel of x.
struct Row {
    y: i32,
    x: i32,
    channel: u32,
}

fn row_at(row: u32, group: u32) -> Row {
    let tap = row / group_in();
    return Row(
        i32(tap / params.kernel_width * params.dilation_y) - i32(params.pad_top),
        i32(tap % params.kernel_width * params.dilation_x) - i32(params.pad_left),
        group * group_in() + row % group_in(),
    );
}

// What is asked of the uniforms for every pixel, read once.
struct Shapes {
    height: u32,
    width: u32,
    lines: u32, // of x, in all images
    below: u32, // the first line of an image, of those that dy's would meet, that is past it
    beside: u32, // the first column likewise
    stride_y: u32,
    stride_x: u32,
    x_offset: u32,
    x_stride: u32,
    dy_offset: u32,
    dy_stride: u32,
}

fn shapes() -> Shapes {
    return Shapes(
        params.height,
        params.width,
        params.batch * params.height,
        params.out_height * params.stride_y,
        params.out_width * params.stride_x,
        params.stride_y,
        params.stride_x,
        params.x_offset,
        params.x_stride,
        params.dy_offset,
        params.dy_stride,
    );
}

// Where the window of a pixel of dy starts, padding apart: line and column of its image, whose first line
// of x is `image`.
struct Spot {
    image: u32,
    y: u32,
    x: u32,
}

fn spot_at(sizes: Shapes, pixel: u32) -> Spot {
    let line = pixel / params.out_width;
    return Spot(
        line / params.out_height * sizes.height,
        line % params.out_height * sizes.stride_y,
        pixel % params.out_width * sizes.stride_x,
    );
}

// That of the next pixel. Divisions would take longer.
fn next(sizes: Shapes, spot: Spot) -> Spot {
    let column = spot.x + sizes.stride_x;
    let wraps = column >= sizes.beside;
    let line = spot.y + select(0u, sizes.stride_y, wraps);
    let ends = line >= sizes.below;
    let image = spot.image + select(0u, sizes.height, ends);
    return Spot(image, select(line, 0u, ends), select(column, 0u, wraps));
}

// The element of x that a pixel of dy meets through a row of dw, or the first of x where it meets none:
// `seen` tells.
struct Met {
    at: u32,
    seen: bool,
}

fn met(sizes: Shapes, row: Row, spot: Spot) -> Met {
    let iy = i32(spot.y) + row.y;
    let ix = i32(spot.x) + row.x;
    let inside = iy >= 0 && iy < i32(sizes.height) && ix >= 0 && ix < i32(sizes.width);
    let seen = inside && spot.image < sizes.lines;
    let pixel = (spot.image + u32(iy)) * sizes.width + u32(ix);
    return Met(sizes.x_offset + select(0u, pixel, seen) * sizes.x_stride + row.channel, seen);
}

@compute @workgroup_size(64)
fn naive(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + invocation;
    if index >= rows() * params.out_channels {
        return;
    }
    let column = index % params.out_channels;
    let group = column / (params.out_channels / params.groups);
    let row = row_at(index / params.out_channels, group);
    let sizes = shapes();
    var sum = 0.0;
    for (var n = 0u; n < params.batch; n++) {
        for (var oy = 0u; oy < params.out_height; oy++) {
            var line = 0.0;
            for (var ox = 0u; ox < params.out_width; ox++) {
                let there = met(sizes, row, Spot(n * sizes.height, oy * sizes.stride_y, ox * sizes.stride_x));
                if there.seen {
                    let pixel = (n * params.out_height + oy) * params.out_width + ox;
                    line += x[there.at] * dy[params.dy_offset + pixel * params.dy_stride + column];
                }
            }
            sum += line;
        }
    }
    dw[params.dw_offset + index] = sum;
}

@compute @workgroup_size(64)
fn reduce(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + invocation;
    let count = rows() * params.out_channels;
    if index >= count {
        return;
    }
    var sum = 0.0;
    for (var s = 0u; s < params.splits; s++) {
        sum += parts[params.parts_offset + s * count + index];
    }
    dw[params.dw_offset + index] = sum;
}

// What a workgroup of the faster versions works on.
struct Tile {
    first_row: u32,
    group: u32,
    column_tile: u32,
    split: u32,
}

fn locate(index: u32, tile_rows: u32, column_tiles: u32) -> Tile {
    let row_tiles = (rows() + tile_rows - 1u) / tile_rows;
    let both = index / column_tiles;
    return Tile(
        both % row_tiles * tile_rows,
        both / row_tiles % params.groups,
        index % column_tiles,
        both / (row_tiles * params.groups),
    );
}

// Four pixels of dy next to each other, four columns each, and where the first of them is. Pixels past
// `end` are 0. Here and below the parts are put together at the end: DX12's older compiler does not take a loop that
// writes the parts of a vector or a matrix by their number.
fn dy_four(sizes: Shapes, first: u32, end: u32, column4: u32) -> mat4x4<f32> {
    var four: array<vec4<f32>, 4>;
    for (var q = 0u; q < 4u; q++) {
        let pixel = min(first + q, end - 1u);
        let value = dy4[(sizes.dy_offset + pixel * sizes.dy_stride) / 4u + column4];
        four[q] = select(vec4(0.0), value, first + q < end);
    }
    return mat4x4(four[0], four[1], four[2], four[3]);
}

// Where four columns of a split's part start, how far apart its rows are, and how many.
struct Start {
    at: u32,
    stride: u32,
    rows: u32,
}

fn store_start(split: u32, column4: u32) -> Start {
    let stride = params.out_channels / 4u;
    return Start(params.partial_offset / 4u + split * rows() * stride + column4, stride, rows());
}

fn store4(start: Start, row: u32, used: bool, sum: vec4<f32>) {
    if used && row < start.rows {
        partial4[start.at + row * start.stride] = sum;
    }
}

alias Spots = array<Spot, 4>;

// Those of the pixel at `first` and of the next three.
fn four_spots(sizes: Shapes, first: Spot) -> Spots {
    let second = next(sizes, first);
    let third = next(sizes, second);
    return Spots(first, second, third, next(sizes, third));
}

// Four channels of x, at what the four pixels of dy from `first` on meet through a row of dw.
fn x_four(sizes: Shapes, row: Row, spots: Spots, first: u32, end: u32) -> mat4x4<f32> {
    var pixels: array<vec4<f32>, 4>;
    for (var q = 0u; q < 4u; q++) {
        if POINTWISE {
            // Past the end dy is 0.
            let pixel = min(first + q, end - 1u);
            pixels[q] = x4[(sizes.x_offset + pixel * sizes.x_stride + row.channel) / 4u];
        } else {
            let there = met(sizes, row, spots[q]);
            pixels[q] = select(vec4(0.0), x4[there.at / 4u], there.seen);
        }
    }
    return mat4x4(pixels[0], pixels[1], pixels[2], pixels[3]);
}

// One channel of x, likewise.
fn x_one(sizes: Shapes, row: Row, spots: Spots, first: u32, end: u32) -> vec4<f32> {
    var pixels: array<f32, 4>;
    for (var q = 0u; q < 4u; q++) {
        if POINTWISE {
            let pixel = min(first + q, end - 1u);
            pixels[q] = x[sizes.x_offset + pixel * sizes.x_stride + row.channel];
        } else {
            let there = met(sizes, row, spots[q]);
            pixels[q] = select(0.0, x[there.at], there.seen);
        }
    }
    return vec4(pixels[0], pixels[1], pixels[2], pixels[3]);
}

@compute @workgroup_size(64)
fn blocked(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    // A tile of `locate` is one invocation here, and a column tile four columns.
    let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + invocation;
    let columns4 = params.out_channels / params.groups / 4u;
    let tile = locate(index, 8u, columns4);
    let column4 = tile.group * columns4 + tile.column_tile;
    let start = store_start(tile.split, column4);
    let sizes = shapes();
    let begin = tile.split * params.split_pixels;
    let end = min(begin + params.split_pixels, pixels());
    let last = rows() - 4u;
    let low = row_at(min(tile.first_row, last), tile.group);
    let high = row_at(min(tile.first_row + 4u, last), tile.group);
    if tile.split >= params.splits {
        return;
    }
    var sums: array<vec4<f32>, 8>;
    for (var i = 0u; i < 8u; i++) {
        sums[i] = vec4(0.0);
    }
    var spot = spot_at(sizes, begin);
    for (var first = begin; first < end; first += 4u) {
        let spots = four_spots(sizes, spot);
        spot = next(sizes, spots[3]);
        let b = dy_four(sizes, first, end, column4);
        let a0 = transpose(x_four(sizes, low, spots, first, end));
        let a1 = transpose(x_four(sizes, high, spots, first, end));
        for (var c = 0u; c < 4u; c++) {
            sums[c] += b * a0[c];
            sums[c + 4u] += b * a1[c];
        }
    }
    for (var i = 0u; i < 8u; i++) {
        store4(start, tile.first_row + i, true, sums[i]);
    }
}
