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

#import "convolution/input_gradient.wgsl"
#import "shared/grid.wgsl"

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
fn naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
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

const BLOCK_ROWS: u32 = 8u;

@compute @workgroup_size(64)
fn blocked(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    // A tile of `locate` is one invocation here, and a column tile four columns.
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
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
