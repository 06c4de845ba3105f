// Depthwise convolution: every channel by itself.
//
//   y[n, oy, ox, c] = act(scale[c] * (bias[c] + sum over ky, kx of x[n, iy, ix, c] * w[ky, kx, c])
//                     + shift[c] + residual[n, oy, ox, c])
//   iy = oy * stride_y - pad_top + ky * dilation_y,  ix likewise;  x is 0 outside of the image
//
// x: (batch, height, width, channels), its rows x_stride apart
// w: (kernel_height, kernel_width, channels, 1)
// bias: (channels)    affine: (2, channels), scale then shift
// residual, y: (batch, out_height, out_width, channels), their rows t_stride apart
//
// Versions:
//   naive  one number an invocation.
//   strip  four channels of STRIP lines an invocation, column after column for `columns` of them: a
//          column of x is loaded once for all the columns of y that it belongs to. What is written
//          next lies near what was written last, which is what a processor fetches ahead. Takes
//          channels in fours, a square kernel of KERNEL, a stride of STRIDE, no dilation.

#import "convolution/epilogue.wgsl"
#import "shared/grid.wgsl"

const KERNEL: u32 = 3u;
const STRIDE: u32 = 1u;
const STRIP: u32 = 4u;
// Pixels of a column of x under a strip, and columns of y that a column of x belongs to.
const REACH: u32 = (STRIP - 1u) * STRIDE + KERNEL;
const PENDING: u32 = (KERNEL + STRIDE - 1u) / STRIDE;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

@group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w4: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> y4: array<vec4<f32>>;

@compute @workgroup_size(64)
fn naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let row = index / params.in_channels;
    let c = index % params.in_channels;
    let n = row / (params.out_height * params.out_width);
    if n >= params.batch {
        return;
    }
    let oy = row / params.out_width % params.out_height;
    let ox = row % params.out_width;
    var value = 0.0;
    for (var ky = 0u; ky < params.kernel_height; ky++) {
        for (var kx = 0u; kx < params.kernel_width; kx++) {
            let iy = i32(oy * params.stride_y + ky * params.dilation_y) - i32(params.pad_top);
            let ix = i32(ox * params.stride_x + kx * params.dilation_x) - i32(params.pad_left);
            if iy >= 0 && iy < i32(params.height) && ix >= 0 && ix < i32(params.width) {
                let pixel = (n * params.height + u32(iy)) * params.width + u32(ix);
                let tap = ky * params.kernel_width + kx;
                value += x[params.x_offset + pixel * params.x_stride + c]
                    * w[params.w_offset + tap * params.in_channels + c];
            }
        }
    }
    y[params.y_offset + row * params.y_stride + c] = finished(row, c, value);
}

@compute @workgroup_size(64)
fn strip(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    // Uniforms are read before the first branch: inside of one they cost a software driver more.
    let height = i32(params.height);
    let width = i32(params.width);
    let out_width = params.out_width;
    let x_start = params.x_offset / 4u;
    let x_step = params.x_stride / 4u;
    let w_start = params.w_offset / 4u;
    let channels4 = params.in_channels / 4u;

    let strips = (params.out_height + STRIP - 1u) / STRIP;
    let blocks = (params.out_width + params.columns - 1u) / params.columns;
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let c4 = index % channels4;
    let first = index / channels4 % blocks * params.columns;
    let strip = index / (channels4 * blocks);
    let oy = strip % strips * STRIP;
    let n = strip / strips;
    let after = epilogue(c4);
    let count = min(params.columns, out_width - first);
    let first_pixel = (n * params.out_height + oy) * out_width + first;
    let rows_left = params.out_height - oy;
    let first_y = i32(oy * STRIDE) - i32(params.pad_top);
    let first_x = i32(first * STRIDE) - i32(params.pad_left);
    if n >= params.batch {
        return;
    }

    var factors: array<vec4<f32>, KERNEL * KERNEL>;
    for (var tap = 0u; tap < KERNEL * KERNEL; tap++) {
        factors[tap] = w4[w_start + tap * channels4 + c4];
    }
    // Where the rows of x under the strip start, and whether they are there.
    var starts: array<u32, REACH>;
    var there: array<bool, REACH>;
    for (var i = 0u; i < REACH; i++) {
        let iy = first_y + i32(i);
        let row = i32(n) * height + clamp(iy, 0, height - 1);
        starts[i] = x_start + u32(row * width) * x_step + c4;
        there[i] = iy >= 0 && iy < height;
    }

    // sums[d * STRIP + i]: pixel i of the column d before the one that is begun.
    var sums: array<vec4<f32>, PENDING * STRIP>;
    for (var i = 0u; i < PENDING * STRIP; i++) {
        sums[i] = vec4(0.0);
    }
    for (var begun = 0u; begun < count + PENDING - 1u; begun++) {
        for (var t = 0u; t < STRIDE; t++) {
            let ix = first_x + i32(begun * STRIDE + t);
            let seen = ix >= 0 && ix < width;
            let across = u32(clamp(ix, 0, width - 1)) * x_step;
            var pixels: array<vec4<f32>, REACH>;
            for (var i = 0u; i < REACH; i++) {
                let value = x4[starts[i] + across];
                pixels[i] = select(vec4(0.0), value, seen && there[i]);
            }
            for (var d = 0u; d < PENDING; d++) {
                let kx = d * STRIDE + t;
                if kx < KERNEL {
                    for (var i = 0u; i < STRIP; i++) {
                        var sum = sums[d * STRIP + i];
                        for (var ky = 0u; ky < KERNEL; ky++) {
                            sum += factors[ky * KERNEL + kx] * pixels[i * STRIDE + ky];
                        }
                        sums[d * STRIP + i] = sum;
                    }
                }
            }
        }
        let column = first_pixel + begun - (PENDING - 1u);
        for (var i = 0u; i < STRIP; i++) {
            if begun >= PENDING - 1u && i < rows_left {
                let pixel = column + i * out_width;
                let sum = sums[(PENDING - 1u) * STRIP + i];
                y4[after.at + pixel * after.stride] = finished4(pixel, sum, after);
            }
        }
        // The next column begins, from the last sum to the first.
        for (var to = PENDING * STRIP - 1u; to >= STRIP; to--) {
            sums[to] = sums[to - STRIP];
        }
        for (var i = 0u; i < STRIP; i++) {
            sums[i] = vec4(0.0);
        }
    }
}
