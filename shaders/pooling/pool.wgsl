// Maximum and average over a sliding window, and their gradients.
//
//   pool              y[o] = max or mean of x over the taps of window o that lie in the image
//   winner            winner[o] = the first tap of window o, in scan order, with the maximum
//   max_gradient      d_x[i] = sum of dy[o] over the windows o whose winner i is
//   average_gradient  d_x[i] = sum of dy[o] / taps[o] over the windows o that i is in
//
// x, d_x: (n, height, width, channels); y, dy: (n, out_height, out_width, channels); each with its own
// offset and distance of rows. winner, winners: (n, out_height, out_width, channels), without gaps,
// the number of a tap, row * size_x + column within its window, as f32. Window o = (oy, ox) has the rows oy * stride_y - top + 0..size_y
// and the columns ox * stride_x - left + 0..size_x; every window has at least one tap in the image.
//
// Gradients gather: an element looks up the windows that it is in, so that no two invocations write
// one element and every sum has its order.
//
// Versions: `naive`, one channel an invocation; `fours`, four channels.

#import "shared/grid.wgsl"

struct Params {
    count: u32,    // elements of the result, or a quarter of them (fours)
    channels: u32, // channels, or a quarter of them (fours)
    height: u32,
    width: u32,
    out_height: u32,
    out_width: u32,
    size_y: u32,
    size_x: u32,
    stride_y: u32,
    stride_x: u32,
    top: u32,
    left: u32,
    x_offset: u32,
    x_stride: u32,
    y_offset: u32,
    y_stride: u32,
    d_x_offset: u32,
    d_x_stride: u32,
    dy_offset: u32,
    dy_stride: u32,
}

// Maximum, or average.
override MAX: bool = true;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> winner: array<f32>;
@group(0) @binding(3) var<storage, read> winners: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_x: array<f32>;

@group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> winner4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> winners4: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> dy4: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> d_x4: array<vec4<f32>>;

// (image, row, column) of a pixel.
struct Place {
    image: u32,
    row: u32,
    column: u32,
}

fn place(pixel: u32, height: u32, width: u32) -> Place {
    let line = pixel / width;
    return Place(line / height, line % height, pixel % width);
}

// The rows of the windows in row `row` of y, as first and one after the last.
fn rows_of(row: u32) -> vec2<u32> {
    let start = row * params.stride_y;
    return vec2(
        max(start, params.top) - params.top,
        min(start + params.size_y - params.top, params.height),
    );
}

fn columns_of(column: u32) -> vec2<u32> {
    let start = column * params.stride_x;
    return vec2(
        max(start, params.left) - params.left,
        min(start + params.size_x - params.left, params.width),
    );
}

// The number of the tap of window `window` (row, column) that pixel (row, column) is.
fn tap(row: u32, column: u32, window: vec2<u32>) -> f32 {
    let down = row + params.top - window.x * params.stride_y;
    let right = column + params.left - window.y * params.stride_x;
    return f32(down * params.size_x + right);
}

// Along one axis: the windows that pixel `at` is in, as first and one after the last. They are o with
// o * stride <= at + before < o * stride + size.
fn windows(at: u32, before: u32, size: u32, stride: u32, count: u32) -> vec2<u32> {
    let tap = at + before;
    var first = 0u;
    if tap >= size {
        first = (tap - size) / stride + 1u;
    }
    return vec2(first, min(tap / stride + 1u, count));
}

@compute @workgroup_size(64)
fn pool_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let pixel = index / params.channels;
    let channel = index % params.channels;
    let to = place(pixel, params.out_height, params.out_width);
    let rows = rows_of(to.row);
    let columns = columns_of(to.column);
    let image = to.image * params.height;
    var best = x[params.x_offset
        + ((image + rows.x) * params.width + columns.x) * params.x_stride + channel];
    var sum = 0.0;
    for (var row = rows.x; row < rows.y; row += 1u) {
        let line = (image + row) * params.width;
        for (var column = columns.x; column < columns.y; column += 1u) {
            let value = x[params.x_offset + (line + column) * params.x_stride + channel];
            best = max(best, value);
            sum += value;
        }
    }
    if !MAX {
        best = sum / f32((rows.y - rows.x) * (columns.y - columns.x));
    }
    y[params.y_offset + pixel * params.y_stride + channel] = best;
}

@compute @workgroup_size(64)
fn pool_fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    // Uniforms are read before the first branch: inside of one they cost a software driver more.
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let pixel = index / params.channels;
    let channel = index % params.channels;
    let to = place(pixel, params.out_height, params.out_width);
    let rows = rows_of(to.row);
    let columns = columns_of(to.column);
    let step = params.x_stride / 4u;
    let line = params.width * step;
    let y_at = (params.y_offset + pixel * params.y_stride) / 4u + channel;
    var origin = params.x_offset / 4u + channel
        + (to.image * params.height + rows.x) * line + columns.x * step;
    if index >= params.count {
        return;
    }
    // Sums start at zero, maxima at the first tap.
    var value = vec4(0.0);
    if MAX {
        value = x4[origin];
    }
    for (var row = rows.x; row < rows.y; row += 1u) {
        var at = origin;
        for (var column = columns.x; column < columns.y; column += 1u) {
            if MAX {
                value = max(value, x4[at]);
            } else {
                value += x4[at];
            }
            at += step;
        }
        origin += line;
    }
    if !MAX {
        value /= f32((rows.y - rows.x) * (columns.y - columns.x));
    }
    y4[y_at] = value;
}

@compute @workgroup_size(64)
fn winner_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let channel = index % params.channels;
    let to = place(index / params.channels, params.out_height, params.out_width);
    let rows = rows_of(to.row);
    let columns = columns_of(to.column);
    let image = to.image * params.height;
    let window = vec2(to.row, to.column);
    var won = tap(rows.x, columns.x, window);
    var best = x[params.x_offset
        + ((image + rows.x) * params.width + columns.x) * params.x_stride + channel];
    for (var row = rows.x; row < rows.y; row += 1u) {
        for (var column = columns.x; column < columns.y; column += 1u) {
            let origin = (image + row) * params.width + column;
            let value = x[params.x_offset + origin * params.x_stride + channel];
            if value > best {
                best = value;
                won = tap(row, column, window);
            }
        }
    }
    winner[index] = won;
}

@compute @workgroup_size(64)
fn winner_fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let channel = index % params.channels;
    let to = place(index / params.channels, params.out_height, params.out_width);
    let rows = rows_of(to.row);
    let columns = columns_of(to.column);
    let step = params.x_stride / 4u;
    let line = params.width * step;
    var origin = params.x_offset / 4u + channel
        + (to.image * params.height + rows.x) * line + columns.x * step;
    // The tap of (row, column) in this window is row * size_x + column - corner.
    let size_x = params.size_x;
    let corner = (to.row * params.stride_y - params.top) * size_x
        + to.column * params.stride_x - params.left;
    if index >= params.count {
        return;
    }
    var won = vec4(f32(rows.x * size_x + columns.x - corner));
    var best = x4[origin];
    for (var row = rows.x; row < rows.y; row += 1u) {
        var at = origin;
        for (var column = columns.x; column < columns.y; column += 1u) {
            let value = x4[at];
            won = select(won, vec4(f32(row * size_x + column - corner)), value > best);
            best = max(best, value);
            at += step;
        }
        origin += line;
    }
    winner4[index] = won;
}

@compute @workgroup_size(64)
fn max_gradient_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let pixel = index / params.channels;
    let channel = index % params.channels;
    let at = place(pixel, params.height, params.width);
    let rows = windows(at.row, params.top, params.size_y, params.stride_y, params.out_height);
    let columns =
        windows(at.column, params.left, params.size_x, params.stride_x, params.out_width);
    var sum = 0.0;
    for (var row = rows.x; row < rows.y; row += 1u) {
        for (var column = columns.x; column < columns.y; column += 1u) {
            let window = (at.image * params.out_height + row) * params.out_width + column;
            let here = tap(at.row, at.column, vec2(row, column));
            if winners[window * params.channels + channel] == here {
                sum += dy[params.dy_offset + window * params.dy_stride + channel];
            }
        }
    }
    d_x[params.d_x_offset + pixel * params.d_x_stride + channel] = sum;
}

@compute @workgroup_size(64)
fn max_gradient_fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    // Uniforms are read before the first branch: inside of one they cost a software driver more.
    let stride = vec2(params.stride_y, params.stride_x);
    let size_x = params.size_x;
    let line = params.out_width;
    let count = params.channels;
    let dy_start = params.dy_offset / 4u;
    let dy_step = params.dy_stride / 4u;
    let d_x_start = params.d_x_offset / 4u;
    let d_x_step = params.d_x_stride / 4u;
    let pixel = index / params.channels;
    let channel = index % params.channels;
    let at = place(pixel, params.height, params.width);
    let rows = windows(at.row, params.top, params.size_y, params.stride_y, params.out_height);
    let columns =
        windows(at.column, params.left, params.size_x, params.stride_x, params.out_width);
    // The tap of window (0, 0) that this pixel would be.
    let first = vec2(at.row + params.top, at.column + params.left);
    let image = at.image * params.out_height;
    if index >= params.count {
        return;
    }
    var sum = vec4(0.0);
    for (var row = rows.x; row < rows.y; row += 1u) {
        for (var column = columns.x; column < columns.y; column += 1u) {
            let window = (image + row) * line + column;
            let d = dy4[dy_start + window * dy_step + channel];
            let tap = first - vec2(row, column) * stride;
            let mine = winners4[window * count + channel] == vec4(f32(tap.x * size_x + tap.y));
            sum += select(vec4(0.0), d, mine);
        }
    }
    d_x4[d_x_start + pixel * d_x_step + channel] = sum;
}

// How many taps of window (row, column) lie in the image.
fn taps(row: u32, column: u32) -> f32 {
    let rows = rows_of(row);
    let columns = columns_of(column);
    return f32((rows.y - rows.x) * (columns.y - columns.x));
}

@compute @workgroup_size(64)
fn average_gradient_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let pixel = index / params.channels;
    let channel = index % params.channels;
    let at = place(pixel, params.height, params.width);
    let rows = windows(at.row, params.top, params.size_y, params.stride_y, params.out_height);
    let columns =
        windows(at.column, params.left, params.size_x, params.stride_x, params.out_width);
    var sum = 0.0;
    for (var row = rows.x; row < rows.y; row += 1u) {
        for (var column = columns.x; column < columns.y; column += 1u) {
            let window = (at.image * params.out_height + row) * params.out_width + column;
            sum += dy[params.dy_offset + window * params.dy_stride + channel] / taps(row, column);
        }
    }
    d_x[params.d_x_offset + pixel * params.d_x_stride + channel] = sum;
}

@compute @workgroup_size(64)
fn average_gradient_fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let pixel = index / params.channels;
    let channel = index % params.channels;
    let at = place(pixel, params.height, params.width);
    let rows = windows(at.row, params.top, params.size_y, params.stride_y, params.out_height);
    let columns =
        windows(at.column, params.left, params.size_x, params.stride_x, params.out_width);
    var sum = vec4(0.0);
    for (var row = rows.x; row < rows.y; row += 1u) {
        for (var column = columns.x; column < columns.y; column += 1u) {
            let window = (at.image * params.out_height + row) * params.out_width + column;
            let d = dy4[(params.dy_offset + window * params.dy_stride) / 4u + channel];
            sum += d / taps(row, column);
        }
    }
    d_x4[(params.d_x_offset + pixel * params.d_x_stride) / 4u + channel] = sum;
}
