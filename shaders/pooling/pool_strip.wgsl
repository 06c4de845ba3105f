// The pools of pool.wgsl for processors: an invocation goes along a line of the result, four channels at a
// time. What has to be divided, which takes a processor longer than the rest of a pixel, is divided once
// a strip.
//
//   pool      y[o] = max or mean of x over the taps of window o that lie in the image
//   winner    winner[o] = the first tap of window o, in scan order, with the maximum
//   gradient  d_x[i] = sum over the windows o that i is in of dy[o] if winner[o] is i, or of dy[o] / taps[o]
//
// x, d_x: (n, height, width, channels); y, dy: (n, out_height, out_width, channels); each with its own
// offset and distance of rows. winner, winners: (n, out_height, out_width, channels), without gaps; what a
// window is and how its taps count, pool.wgsl says.

#import "shared/grid.wgsl"

struct Params {
    count: u32,  // strips, times fours of channels
    fours: u32,  // fours of channels
    pieces: u32, // strips of a line
    each: u32,   // pixels of a strip
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
// Height and width of a window; in `gradient`, how many windows a pixel is in at most, down and across. Loops of
// a known length are unrolled, so what hangs over a border is masked instead of left out.
override DOWN: u32 = 1u;
override ACROSS: u32 = 1u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> winner4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> winners4: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> dy4: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> d_x4: array<vec4<f32>>;

// Pixels `first` to before `end` of line `row` of an image, one four of channels of each.
struct Strip {
    image: u32,
    row: u32,
    first: u32,
    end: u32,
    four: u32,
}

fn strip(index: u32, height: u32, width: u32) -> Strip {
    let piece = index / params.fours;
    let line = piece / params.pieces;
    let first = (piece - line * params.pieces) * params.each;
    let image = line / height;
    return Strip(
        image,
        line - image * height,
        first,
        min(first + params.each, width),
        index - piece * params.fours,
    );
}

// Along one axis: the taps in the image of the window that starts at `start` - `before`, as first and one
// after the last.
fn taps(start: u32, before: u32, size: u32, length: u32) -> vec2<u32> {
    return vec2(max(start, before) - before, min(start + size - before, length));
}

// Uniforms are read before the first branch: inside of one they cost a software driver more.
@compute @workgroup_size(64)
fn pool(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let along = strip(index, params.out_height, params.out_width);
    let rows = taps(along.row * params.stride_y, params.top, params.size_y, params.height);
    let stride = params.stride_x;
    let left = params.left;
    let size = params.size_x;
    let width = params.width;
    let step = params.x_stride / 4u;
    let line = width * step;
    let x_at = params.x_offset / 4u + (along.image * params.height + rows.x) * line + along.four;
    let down = rows.y - rows.x;
    let y_step = params.y_stride / 4u;
    let y_row = (along.image * params.out_height + along.row) * params.out_width + along.first;
    var y_at = params.y_offset / 4u + y_row * y_step + along.four;
    if index >= params.count {
        return;
    }
    for (var o = along.first; o < along.end; o++) {
        let columns = taps(o * stride, left, size, width);
        // Sums start at zero, maxima at the first tap.
        var value = vec4(0.0);
        if MAX {
            value = x4[x_at + columns.x * step];
        }
        for (var i = 0u; i < DOWN; i++) {
            // What is past the last tap is the last tap once more, which is no new maximum.
            let row = min(i, down - 1u) * line;
            for (var j = 0u; j < ACROSS; j++) {
                let column = min(columns.x + j, columns.y - 1u);
                let tap = x4[x_at + row + column * step];
                if MAX {
                    value = max(value, tap);
                } else {
                    value += select(vec4(0.0), tap, i < down && columns.x + j < columns.y);
                }
            }
        }
        if !MAX {
            value /= f32(down * (columns.y - columns.x));
        }
        y4[y_at] = value;
        y_at += y_step;
    }
}

@compute @workgroup_size(64)
fn winner(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let along = strip(index, params.out_height, params.out_width);
    let top = along.row * params.stride_y;
    let rows = taps(top, params.top, params.size_y, params.height);
    let stride = params.stride_x;
    let left = params.left;
    let size = params.size_x;
    let width = params.width;
    let fours = params.fours;
    let step = params.x_stride / 4u;
    let line = width * step;
    let x_at = params.x_offset / 4u + (along.image * params.height + rows.x) * line + along.four;
    let down = rows.y - rows.x;
    // The taps before the first row in the image.
    let above = (rows.x + params.top - top) * size;
    let y_row = (along.image * params.out_height + along.row) * params.out_width + along.first;
    var y_at = y_row * fours + along.four;
    if index >= params.count {
        return;
    }
    for (var o = along.first; o < along.end; o++) {
        let columns = taps(o * stride, left, size, width);
        let first = above + columns.x + left - o * stride;
        var won = vec4(f32(first));
        var best = x4[x_at + columns.x * step];
        for (var i = 0u; i < DOWN; i++) {
            let row = min(i, down - 1u) * line;
            for (var j = 0u; j < ACROSS; j++) {
                let column = min(columns.x + j, columns.y - 1u);
                let value = x4[x_at + row + column * step];
                won = select(won, vec4(f32(first + i * size + j)), value > best);
                best = max(best, value);
            }
        }
        winner4[y_at] = won;
        y_at += fours;
    }
}

// Along one axis: the windows that pixel `at` - before is in, as first and one after the last. They are o
// with o * stride <= at < o * stride + size.
fn windows(at: u32, size: u32, stride: u32, count: u32) -> vec2<u32> {
    var first = 0u;
    if at >= size {
        first = (at - size) / stride + 1u;
    }
    return vec2(first, min(at / stride + 1u, count));
}

@compute @workgroup_size(64)
fn gradient(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let along = strip(index, params.height, params.width);
    let size = vec2(params.size_y, params.size_x);
    let stride = vec2(params.stride_y, params.stride_x);
    let before = vec2(params.top, params.left);
    let length = vec2(params.height, params.width);
    let last = vec2(params.out_height - 1u, params.out_width - 1u);
    let line = params.out_width;
    let fours = params.fours;
    let down = along.row + before.x;
    let rows = windows(down, size.x, stride.x, params.out_height);
    var columns = windows(along.first + before.y, size.y, stride.y, line);
    let dy_start = params.dy_offset / 4u + along.four;
    let dy_step = params.dy_stride / 4u;
    let d_x_step = params.d_x_stride / 4u;
    let d_x_row = (along.image * length.x + along.row) * length.y + along.first;
    var d_x_at = params.d_x_offset / 4u + d_x_row * d_x_step + along.four;
    let image = along.image * params.out_height * line;
    if index >= params.count {
        return;
    }
    for (var across = along.first + before.y; across < along.end + before.y; across++) {
        // One pixel on, at most one window ends and at most one begins.
        columns.x += u32(columns.x * stride.y + size.y <= across);
        columns.y += u32(columns.y < line && columns.y * stride.y <= across);
        var sum = vec4(0.0);
        for (var i = 0u; i < DOWN; i++) {
            let row = rows.x + i;
            let start = image + min(row, last.x) * line;
            for (var j = 0u; j < ACROSS; j++) {
                let column = columns.x + j;
                let exists = row < rows.y && column < columns.y;
                let window = start + min(column, last.y);
                let d = dy4[dy_start + window * dy_step];
                if MAX {
                    let tap = (down - row * stride.x) * size.y + across - column * stride.y;
                    let won = winners4[window * fours + along.four] == vec4(f32(tap));
                    sum += select(vec4(0.0), d, won & vec4(exists));
                } else {
                    let high = taps(row * stride.x, before.x, size.x, length.x);
                    let wide = taps(column * stride.y, before.y, size.y, length.y);
                    let share = d / f32((high.y - high.x) * (wide.y - wide.x));
                    sum += select(vec4(0.0), share, exists);
                }
            }
        }
        d_x4[d_x_at] = sum;
        d_x_at += d_x_step;
    }
}
