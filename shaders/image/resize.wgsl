// y[i] = (1 - f) * x[low] + f * x[high] along both axes, where i's centre stands at
// (i + 1/2) * from / to - 1/2 = low + f, and pixels beyond the edge are those of the edge.
//
// x: (N, from_height, from_width, C); y: (N, to_height, to_width, C). The gradient takes dy, of the
// shape of y as `from`, to d_x, of the shape of x as `to`.
// maps: (N, from_height, from_width, 1); regions: (N, 3), first element, height and width of each
// image in resized: (capacity).
//
// Positions are whole numbers over 2 * to, so no rounding decides between two pixels.
//
// Versions: `naive`, one element an invocation; `fours`, four channels. The gradient gathers: an
// invocation visits the outputs that read its pixel, in order, so its sum is always the same.
// `regions_naive`: workgroups share out each region, one pixel an invocation at a time, which reads
// four pixels of the map; `regions_columns`: an invocation walks down a column and reads the map only
// where the pixels to mix change, which for a small map is seldom.

#import "shared/grid.wgsl"

struct Params {
    count: u32,       // elements of the output, or a quarter of them (fours)
    from_height: u32,
    from_width: u32,
    to_height: u32,
    to_width: u32,
    channels: u32,    // C, or a quarter of it (fours)
    images: u32,      // N
    capacity: u32,
    chunks: u32,      // workgroups a region
    x_offset: u32,
    x_stride: u32,
    y_offset: u32,
    y_stride: u32,
    dy_offset: u32,
    dy_stride: u32,
    d_x_offset: u32,
    d_x_stride: u32,
    maps_offset: u32,
    maps_stride: u32,
    regions_offset: u32,
    regions_stride: u32,
    resized_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y4: array<vec4<f32>>;

@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> d_x: array<f32>;

@group(0) @binding(1) var<storage, read> dy4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> d_x4: array<vec4<f32>>;

@group(0) @binding(1) var<storage, read> maps: array<f32>;
@group(0) @binding(2) var<storage, read_write> resized: array<f32>;
@group(0) @binding(3) var<storage, read> regions: array<f32>;

// The two pixels that an output reads along an axis, and the share of the second.
struct Tap {
    low: u32,
    high: u32,
    weight: f32,
}

fn tap(index: u32, size: u32, to: u32) -> Tap {
    let denominator = i32(2u * to);
    let numerator = i32((2u * index + 1u) * size) - i32(to);
    // The first centre stands at most half a pixel before pixel 0.
    let before = numerator < 0;
    let low = select(numerator / denominator, -1, before);
    let rest = select(numerator % denominator, numerator + denominator, before);
    let last = i32(size) - 1;
    return Tap(
        u32(clamp(low, 0, last)),
        u32(clamp(low + 1, 0, last)),
        f32(rest) / f32(denominator),
    );
}

// How much of input pixel `pixel` the output `index` reads.
fn share(index: u32, pixel: u32, size: u32, to: u32) -> f32 {
    let t = tap(index, size, to);
    return select(0.0, 1.0 - t.weight, t.low == pixel) + select(0.0, t.weight, t.high == pixel);
}

// The outputs that may read input pixel `pixel`: those whose centre is less than a pixel away.
fn readers(pixel: u32, size: u32, to: u32) -> vec2<u32> {
    let low = select((2u * pixel - 1u) * to / (2u * size), 0u, pixel == 0u);
    let high = (2u * pixel + 3u) * to / (2u * size);
    return vec2(low, min(high, to - 1u));
}

// Image, row, column and channel of an element of the output.
struct Position {
    image: u32,
    row: u32,
    column: u32,
    channel: u32,
}

fn position(index: u32) -> Position {
    let pixel = index / params.channels;
    let line = pixel / params.to_width;
    return Position(
        line / params.to_height,
        line % params.to_height,
        pixel % params.to_width,
        index % params.channels,
    );
}

// The number of the pixel (row, column) of an image in the input.
fn source(image: u32, row: u32, column: u32) -> u32 {
    return (image * params.from_height + row) * params.from_width + column;
}

@compute @workgroup_size(64)
fn naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let at = position(index);
    let v = tap(at.row, params.from_height, params.to_height);
    let h = tap(at.column, params.from_width, params.to_width);
    let start = params.x_offset + at.channel;
    let top = mix(
        x[start + source(at.image, v.low, h.low) * params.x_stride],
        x[start + source(at.image, v.low, h.high) * params.x_stride],
        h.weight,
    );
    let bottom = mix(
        x[start + source(at.image, v.high, h.low) * params.x_stride],
        x[start + source(at.image, v.high, h.high) * params.x_stride],
        h.weight,
    );
    y[params.y_offset + index / params.channels * params.y_stride + at.channel] =
        mix(top, bottom, v.weight);
}

@compute @workgroup_size(64)
fn fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let at = position(index);
    let v = tap(at.row, params.from_height, params.to_height);
    let h = tap(at.column, params.from_width, params.to_width);
    let start = params.x_offset / 4u + at.channel;
    let stride = params.x_stride / 4u;
    let top = mix(
        x4[start + source(at.image, v.low, h.low) * stride],
        x4[start + source(at.image, v.low, h.high) * stride],
        h.weight,
    );
    let bottom = mix(
        x4[start + source(at.image, v.high, h.low) * stride],
        x4[start + source(at.image, v.high, h.high) * stride],
        h.weight,
    );
    y4[(params.y_offset + index / params.channels * params.y_stride) / 4u + at.channel] =
        mix(top, bottom, v.weight);
}

@compute @workgroup_size(64)
fn gradient_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let at = position(index);
    let rows = readers(at.row, params.to_height, params.from_height);
    let columns = readers(at.column, params.to_width, params.from_width);
    let start = params.dy_offset + at.channel;
    var sum = 0.0;
    for (var row = rows.x; row <= rows.y; row++) {
        let vertical = share(row, at.row, params.to_height, params.from_height);
        for (var column = columns.x; column <= columns.y; column++) {
            let horizontal = share(column, at.column, params.to_width, params.from_width);
            sum += vertical * horizontal
                * dy[start + source(at.image, row, column) * params.dy_stride];
        }
    }
    d_x[params.d_x_offset + index / params.channels * params.d_x_stride + at.channel] = sum;
}

@compute @workgroup_size(64)
fn gradient_fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let at = position(index);
    let rows = readers(at.row, params.to_height, params.from_height);
    let columns = readers(at.column, params.to_width, params.from_width);
    let start = params.dy_offset / 4u + at.channel;
    let stride = params.dy_stride / 4u;
    var sum = vec4(0.0);
    for (var row = rows.x; row <= rows.y; row++) {
        let vertical = share(row, at.row, params.to_height, params.from_height);
        for (var column = columns.x; column <= columns.y; column++) {
            let horizontal = share(column, at.column, params.to_width, params.from_width);
            sum += vertical * horizontal * dy4[start + source(at.image, row, column) * stride];
        }
    }
    d_x4[(params.d_x_offset + index / params.channels * params.d_x_stride) / 4u + at.channel] = sum;
}

// A region, and how many of its elements lie within the capacity.
struct Region {
    first: u32,
    height: u32,
    width: u32,
    count: u32,
}

fn whole(value: f32) -> u32 {
    return min(u32(clamp(value, 0.0, 16777216.0)), 16777216u);
}

fn region(image: u32) -> Region {
    let at = params.regions_offset + image * params.regions_stride;
    let first = min(whole(regions[at]), params.capacity);
    let height = whole(regions[at + 1u]);
    let width = whole(regions[at + 2u]);
    var count = 0u;
    if width > 0u {
        let most = params.capacity - first;
        count = min(min(height, most / width + 1u) * width, most);
    }
    return Region(first, height, width, count);
}

@compute @workgroup_size(64)
fn regions_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let id = number_of(grid.workgroup, grid.workgroups);
    let image = id / params.chunks;
    if image >= params.images {
        return;
    }
    let r = region(image);
    let step = 64u * params.chunks;
    for (var pixel = id % params.chunks * 64u + invocation; pixel < r.count; pixel += step) {
        let v = tap(pixel / r.width, params.from_height, r.height);
        let h = tap(pixel % r.width, params.from_width, r.width);
        let top = mix(
            maps[params.maps_offset + source(image, v.low, h.low) * params.maps_stride],
            maps[params.maps_offset + source(image, v.low, h.high) * params.maps_stride],
            h.weight,
        );
        let bottom = mix(
            maps[params.maps_offset + source(image, v.high, h.low) * params.maps_stride],
            maps[params.maps_offset + source(image, v.high, h.high) * params.maps_stride],
            h.weight,
        );
        resized[params.resized_offset + r.first + pixel] = mix(top, bottom, v.weight);
    }
}

@compute @workgroup_size(64)
fn regions_columns(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let id = number_of(grid.workgroup, grid.workgroups);
    let image = id / params.chunks;
    if image >= params.images {
        return;
    }
    let r = region(image);
    if r.count == 0u {
        return;
    }
    // Rows of this workgroup; the last ones may lie beyond the capacity.
    let share_rows = (r.height + params.chunks - 1u) / params.chunks;
    let first = id % params.chunks * share_rows;
    let end = min(first + share_rows, (r.count + r.width - 1u) / r.width);
    // `tap` for one row after the other, without dividing: position low + rest / denominator.
    let last = i32(params.from_height) - 1;
    let denominator = i32(2u * r.height);
    let step_low = i32(2u * params.from_height) / denominator;
    let step_rest = i32(2u * params.from_height) % denominator;
    let numerator = i32((2u * first + 1u) * params.from_height) - i32(r.height);
    let before = numerator < 0;
    let first_low = select(numerator / denominator, -1, before);
    let first_rest = select(numerator % denominator, numerator + denominator, before);
    for (var column = invocation; column < r.width; column += 64u) {
        let h = tap(column, params.from_width, r.width);
        var low = first_low;
        var rest = first_rest;
        var held = -2;
        var top = 0.0;
        var bottom = 0.0;
        for (var row = first; row < end; row++) {
            if low != held {
                let upper = u32(clamp(low, 0, last));
                let lower = u32(clamp(low + 1, 0, last));
                top = mix(
                    maps[params.maps_offset + source(image, upper, h.low) * params.maps_stride],
                    maps[params.maps_offset + source(image, upper, h.high) * params.maps_stride],
                    h.weight,
                );
                bottom = mix(
                    maps[params.maps_offset + source(image, lower, h.low) * params.maps_stride],
                    maps[params.maps_offset + source(image, lower, h.high) * params.maps_stride],
                    h.weight,
                );
                held = low;
            }
            let pixel = row * r.width + column;
            if pixel < r.count {
                resized[params.resized_offset + r.first + pixel] =
                    mix(top, bottom, f32(rest) / f32(denominator));
            }
            low += step_low;
            rest += step_rest;
            if rest >= denominator {
                rest -= denominator;
                low += 1;
            }
        }
    }
}
