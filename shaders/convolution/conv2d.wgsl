// Convolution, and with height = width = 1 the product of two matrices.
//
//   y[n, oy, ox, co] = act(scale[co] * (bias[co] + sum over ky, kx, ci of
//                      x[n, iy, ix, g * Ci + ci] * w[ky, kx, ci, co]) + shift[co] + residual[n, oy, ox, co])
//   iy = oy * stride_y - pad_top + ky * dilation_y,  ix likewise;  x is 0 outside of the image
//   Ci = in_channels / groups, Co = out_channels / groups, g = co / Co
//
// x: (batch, height, width, in_channels), its rows x_stride apart
// w: (kernel_height, kernel_width, Ci, out_channels)
// bias: (out_channels)    affine: (2, out_channels), scale then shift
// residual, y: (batch, out_height, out_width, out_channels), their rows t_stride apart
//
// Seen as a matrix product: `rows` output pixels times (kernel_height * kernel_width * Ci) times Co
// columns, once a group. Versions:
//   naive            one output number an invocation.
//   finish           not a version: the end of one that pads (padded.wgsl).
//   blocked          8 rows x 4 columns an invocation, so that what it loads serves several sums.
//                    Takes Ci and Co in fours.
//   tiled            a workgroup computes TILE_ROWS x TILE_COLUMNS and passes x and w, some steps of the sum
//                    at a time, through workgroup memory; an invocation keeps 4 or 8 rows of 4 or 8 columns
//                    in registers.
//   fours            the same, but for loads of four channels at a time, without branches, a round of steps
//                    ahead of the products that need them. Takes Ci and Co in fours.
//   subgroup         no workgroup memory: a lane keeps ROWS x 4 sums, loads 4 columns of w for itself
//                    and one row of x for all lanes, which hand their rows to each other by broadcast.
//                    Takes Ci and Co in fours.
//   subgroup_narrow  the same for any Ci, such as the 1 or 3 channels of an image.

#import "convolution/forward.wgsl"
#import "shared/grid.wgsl"

@compute @workgroup_size(64)
fn naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let row = index / params.out_channels;
    let column = index % params.out_channels;
    if row >= params.batch * params.out_height * params.out_width {
        return;
    }
    let group_in = params.in_channels / params.groups;
    let group = column / (params.out_channels / params.groups);
    let corner = window(row);
    var sum = 0.0;
    for (var ky = 0u; ky < params.kernel_height; ky++) {
        for (var kx = 0u; kx < params.kernel_width; kx++) {
            let iy = corner.y + i32(ky * params.dilation_y);
            let ix = corner.x + i32(kx * params.dilation_x);
            if inside(iy, ix) {
                let tap = ky * params.kernel_width + kx;
                let x_at = pixel_start(corner, iy, ix) + group * group_in;
                let w_at = params.w_offset + tap * group_in * params.out_channels + column;
                for (var ci = 0u; ci < group_in; ci++) {
                    sum += x[x_at + ci] * w[w_at + ci * params.out_channels];
                }
            }
        }
    }
    store(row, column, sum);
}

// What follows the sums of padded.wgsl, which are `x` here: (rows, groups * wide) with `wide` channels a
// group, of which out_channels / groups are kept. An invocation does four.
@compute @workgroup_size(64)
fn finish(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let columns = params.out_channels / params.groups;
    let fours = params.x_stride / params.groups / 4u;
    let four = index % fours;
    let group = index / fours % params.groups;
    let row = index / fours / params.groups;
    let column = group * columns + 4u * four;
    let left = columns - 4u * four;
    if row >= params.batch * params.out_height * params.out_width {
        return;
    }
    let sum = x4[index];
    store(row, column, sum.x);
    if left > 1u {
        store(row, column + 1u, sum.y);
    }
    if left > 2u {
        store(row, column + 2u, sum.z);
    }
    if left > 3u {
        store(row, column + 3u, sum.w);
    }
}

const BLOCK_ROWS: u32 = 8u;

@compute @workgroup_size(64)
fn blocked(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let w_row = params.out_channels / 4u;
    let column4 = index % w_row;
    let first_row = index / w_row * BLOCK_ROWS;
    let rows = params.batch * params.out_height * params.out_width;
    let group_in = params.in_channels / params.groups;
    let group = column4 / (w_row / params.groups);
    let dilation = vec2(params.dilation_y, params.dilation_x);
    let after = epilogue(column4);
    var w_at = params.w_offset / 4u + column4;
    if first_row >= rows {
        return;
    }

    var corner: array<Window, BLOCK_ROWS>;
    var sums: array<vec4<f32>, BLOCK_ROWS>;
    for (var i = 0u; i < BLOCK_ROWS; i++) {
        let row = min(first_row + i, rows - 1u);
        if POINTWISE {
            corner[i] = Window(row, 0, 0);
        } else {
            corner[i] = window(row);
        }
        sums[i] = vec4(0.0);
    }
    for (var ky = 0u; ky < params.kernel_height; ky++) {
        for (var kx = 0u; kx < params.kernel_width; kx++) {
            var x_at: array<u32, BLOCK_ROWS>;
            var seen: array<bool, BLOCK_ROWS>;
            for (var i = 0u; i < BLOCK_ROWS; i++) {
                let iy = corner[i].y + i32(ky * dilation.x);
                let ix = corner[i].x + i32(kx * dilation.y);
                seen[i] = POINTWISE || inside(iy, ix);
                let start = pixel_start(corner[i], select(0, iy, seen[i]), select(0, ix, seen[i]));
                x_at[i] = (start + group * group_in) / 4u;
            }
            for (var k = 0u; k < group_in / 4u; k++) {
                let b = mat4x4(w4[w_at], w4[w_at + w_row], w4[w_at + 2u * w_row], w4[w_at + 3u * w_row]);
                w_at += 4u * w_row;
                for (var i = 0u; i < BLOCK_ROWS; i++) {
                    var a = x4[x_at[i] + k];
                    if !POINTWISE {
                        a = select(vec4(0.0), a, seen[i]);
                    }
                    sums[i] += b * a;
                }
            }
        }
    }
    for (var i = 0u; i < BLOCK_ROWS; i++) {
        if first_row + i < rows {
            store4(first_row + i, sums[i], after);
        }
    }
}
