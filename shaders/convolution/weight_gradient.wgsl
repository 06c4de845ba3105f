// What the versions of a convolution's gradient with respect to its weights share: conv2d_weight_gradient.wgsl says
// what they compute.

#import "convolution/params.wgsl"

// Kernel 1 x 1, stride 1, no padding: row r of x belongs to row r of dy.
override POINTWISE: bool = false;

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
