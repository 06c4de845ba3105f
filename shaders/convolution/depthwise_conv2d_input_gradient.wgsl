// The gradient of a depthwise convolution with respect to its input.
//
//   d_x[n, iy, ix, c] = sum over ky, kx of dy[n, oy, ox, c] * w[ky, kx, c]
//   where oy * stride_y = iy + pad_top - ky * dilation_y and oy is a row of dy,  ox likewise
//
// dy: (batch, out_height, out_width, channels), its rows dy_stride apart
// w: (kernel_height, kernel_width, channels, 1)
// d_x: (batch, height, width, channels), its rows d_x_stride apart
//
// Versions, as in depthwise_conv2d.wgsl:
//   naive  one number an invocation.
//   strip  four channels of STRIP lines an invocation, column after column for `columns` of them.
//          Strips start where iy + pad_top is a multiple of the stride, and blocks of columns where
//          ix + pad_left is, so that which pixel meets which tap is known when the kernel is compiled;
//          the first ones may start outside of the image. STRIP and `columns` are multiples of STRIDE.

#import "convolution/params.wgsl"
#import "shared/grid.wgsl"

const KERNEL: u32 = 3u;
const STRIDE: u32 = 1u;
const STRIP: u32 = 4u;
// Pixels of dy that a strip meets: the last pixel's first tap, back to the first pixel's last tap.
const BEFORE: u32 = (KERNEL - 1u) / STRIDE;
const REACH: u32 = BEFORE + (STRIP - 1u) / STRIDE + 1u;
// Columns of d_x that a column of dy belongs to, or that are finished with it.
const PENDING: u32 = max(KERNEL, STRIDE);

@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> d_x: array<f32>;

@group(0) @binding(1) var<storage, read> dy4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> d_x4: array<vec4<f32>>;

// Whether an output position exists, `at` being stride times it.
fn meets(at: i32, stride: u32, size: u32) -> bool {
    return at >= 0 && at < i32(stride * size) && at % i32(stride) == 0;
}

@compute @workgroup_size(64)
fn naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let row = index / params.in_channels;
    let c = index % params.in_channels;
    let n = row / (params.height * params.width);
    if n >= params.batch {
        return;
    }
    let iy = row / params.width % params.height;
    let ix = row % params.width;
    var sum = 0.0;
    for (var ky = 0u; ky < params.kernel_height; ky++) {
        for (var kx = 0u; kx < params.kernel_width; kx++) {
            let ty = i32(iy + params.pad_top) - i32(ky * params.dilation_y);
            let tx = i32(ix + params.pad_left) - i32(kx * params.dilation_x);
            if meets(ty, params.stride_y, params.out_height)
                && meets(tx, params.stride_x, params.out_width) {
                let oy = u32(ty) / params.stride_y;
                let ox = u32(tx) / params.stride_x;
                let pixel = (n * params.out_height + oy) * params.out_width + ox;
                let tap = ky * params.kernel_width + kx;
                sum += dy[params.dy_offset + pixel * params.dy_stride + c]
                    * w[params.w_offset + tap * params.in_channels + c];
            }
        }
    }
    d_x[params.d_x_offset + row * params.d_x_stride + c] = sum;
}

@compute @workgroup_size(64)
fn strip(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    // Uniforms are read before the first branch: inside of one they cost a software driver more.
    let height = i32(params.height);
    let width = i32(params.width);
    let out_height = i32(params.out_height);
    let out_width = i32(params.out_width);
    let dy_start = params.dy_offset / 4u;
    let dy_step = params.dy_stride / 4u;
    let d_x_start = params.d_x_offset / 4u;
    let d_x_step = params.d_x_stride / 4u;
    let w_start = params.w_offset / 4u;
    let channels4 = params.in_channels / 4u;
    let columns = params.columns;

    let left = params.pad_left % STRIDE;
    let above = params.pad_top % STRIDE;
    let strips = (params.height + above + STRIP - 1u) / STRIP;
    let blocks = (params.width + left + columns - 1u) / columns;
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let c4 = index % channels4;
    let first_x = i32(index / channels4 % blocks * columns) - i32(left);
    let strip = index / (channels4 * blocks);
    let n = i32(strip / strips);
    let first_y = i32(strip % strips * STRIP) - i32(above);
    // Column `first_x` meets column `ox` of dy through tap 0, and line `first_y` row `oy`.
    let ox = (first_x + i32(params.pad_left)) / i32(STRIDE);
    let oy = (first_y + i32(params.pad_top)) / i32(STRIDE);
    if strip >= params.batch * strips {
        return;
    }

    var factors: array<vec4<f32>, KERNEL * KERNEL>;
    for (var tap = 0u; tap < KERNEL * KERNEL; tap++) {
        factors[tap] = w4[w_start + tap * channels4 + c4];
    }
    // Where the rows of dy that the strip meets start, and whether they are there.
    var starts: array<u32, REACH>;
    var there: array<bool, REACH>;
    for (var i = 0u; i < REACH; i++) {
        let y = oy + i32(i) - i32(BEFORE);
        let row = n * out_height + clamp(y, 0, out_height - 1);
        starts[i] = dy_start + u32(row * out_width) * dy_step + c4;
        there[i] = y >= 0 && y < out_height;
    }

    // sums[m * STRIP + i]: line i of the column that column `step` of dy meets through tap m.
    var sums: array<vec4<f32>, PENDING * STRIP>;
    for (var i = 0u; i < PENDING * STRIP; i++) {
        sums[i] = vec4(0.0);
    }
    for (var step = 0u; step < BEFORE + columns / STRIDE; step++) {
        let x = ox + i32(step) - i32(BEFORE);
        let seen = x >= 0 && x < out_width;
        let across = u32(clamp(x, 0, out_width - 1)) * dy_step;
        var pixels: array<vec4<f32>, REACH>;
        for (var i = 0u; i < REACH; i++) {
            pixels[i] = select(vec4(0.0), dy4[starts[i] + across], seen && there[i]);
        }
        for (var kx = 0u; kx < KERNEL; kx++) {
            for (var i = 0u; i < STRIP; i++) {
                var sum = sums[kx * STRIP + i];
                for (var ky = 0u; ky < KERNEL; ky++) {
                    // i - ky, moved to stay positive.
                    let apart = i + BEFORE * STRIDE + STRIDE - ky;
                    if apart % STRIDE == 0u {
                        sum += factors[ky * KERNEL + kx] * pixels[apart / STRIDE - 1u];
                    }
                }
                sums[kx * STRIP + i] = sum;
            }
        }
        // No later column of dy meets the first STRIDE columns.
        for (var m = 0u; m < STRIDE; m++) {
            let ix = first_x + i32(step * STRIDE + m) - i32(BEFORE * STRIDE);
            for (var i = 0u; i < STRIP; i++) {
                let iy = first_y + i32(i);
                if step >= BEFORE && iy >= 0 && iy < height && ix >= 0 && ix < width {
                    let pixel = u32((n * height + iy) * width + ix);
                    d_x4[d_x_start + pixel * d_x_step + c4] = sums[m * STRIP + i];
                }
            }
        }
        for (var i = 0u; i < PENDING * STRIP; i++) {
            if i + STRIDE * STRIP < PENDING * STRIP {
                sums[i] = sums[(i + STRIDE * STRIP) % (PENDING * STRIP)];
            } else {
                sums[i] = vec4(0.0);
            }
        }
    }
}
