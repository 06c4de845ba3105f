// The gradient of a depthwise convolution with respect to its weights.
//
//   dw[ky, kx, c] = sum over n, oy, ox of x[n, iy, ix, c] * dy[n, oy, ox, c]
//   iy = oy * stride_y - pad_top + ky * dilation_y,  ix likewise;  x is 0 outside of the image
//
// x: (batch, height, width, channels), its rows x_stride apart
// dy: (batch, out_height, out_width, channels), its rows dy_stride apart
// partial: (splits, kernel_height, kernel_width, channels)
// parts: partial again, to be read
// dw: (kernel_height, kernel_width, channels, 1)
//
// The lines of dy, (n, oy), are split: sum number s covers split_pixels of them, or of strips of lines, and
// writes its own part of `partial`; `reduce` adds the `parts`, always in the same order. With one split,
// `partial` is dw.
//
// Versions, as in depthwise_conv2d.wgsl:
//   naive  one number and one split an invocation.
//   strip  four channels, all taps and one split an invocation, which goes along strips of STRIP lines,
//          column after column. A column of x is loaded once for all columns of dy that it meets.

#import "convolution/params.wgsl"
#import "shared/grid.wgsl"

const KERNEL: u32 = 3u;
const STRIDE: u32 = 1u;
const STRIP: u32 = 4u;
const REACH: u32 = (STRIP - 1u) * STRIDE + KERNEL;
const TAPS: u32 = KERNEL * KERNEL;
// Columns of dy that a column of x meets beside the last one.
const BEFORE: u32 = (KERNEL - 1u) / STRIDE;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;
@group(0) @binding(4) var<storage, read> parts: array<f32>;
@group(0) @binding(5) var<storage, read_write> dw: array<f32>;

@group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> partial4: array<vec4<f32>>;

@compute @workgroup_size(64)
fn naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let c = index % params.in_channels;
    let tap = index / params.in_channels % (params.kernel_height * params.kernel_width);
    let split = index / (params.in_channels * params.kernel_height * params.kernel_width);
    if split >= params.splits {
        return;
    }
    let offset_y = i32(tap / params.kernel_width * params.dilation_y) - i32(params.pad_top);
    let offset_x = i32(tap % params.kernel_width * params.dilation_x) - i32(params.pad_left);
    let begin = split * params.split_pixels;
    let end = min(begin + params.split_pixels, params.batch * params.out_height);
    var sum = 0.0;
    for (var line = begin; line < end; line++) {
        let iy = i32(line % params.out_height * params.stride_y) + offset_y;
        if iy < 0 || iy >= i32(params.height) {
            continue;
        }
        let start = (line / params.out_height * params.height + u32(iy)) * params.width;
        var line_sum = 0.0;
        for (var ox = 0u; ox < params.out_width; ox++) {
            let ix = i32(ox * params.stride_x) + offset_x;
            if ix >= 0 && ix < i32(params.width) {
                let pixel = line * params.out_width + ox;
                line_sum += x[params.x_offset + (start + u32(ix)) * params.x_stride + c]
                    * dy[params.dy_offset + pixel * params.dy_stride + c];
            }
        }
        sum += line_sum;
    }
    partial[params.partial_offset + index] = sum;
}

@compute @workgroup_size(64)
fn reduce(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let count = params.kernel_height * params.kernel_width * params.in_channels;
    if index >= count {
        return;
    }
    var sum = 0.0;
    for (var s = 0u; s < params.splits; s++) {
        sum += parts[params.parts_offset + s * count + index];
    }
    dw[params.dw_offset + index] = sum;
}

alias Sums = array<vec4<f32>, TAPS>;
// Element q * STRIP + i: line i of the column of dy that is q columns back.
alias Steps = array<vec4<f32>, (BEFORE + 1u) * STRIP>;
alias Column = array<vec4<f32>, REACH>;

// Column ix of the lines of x that start at `starts`; 0 where it or a line is not there.
fn column_of_x(
    starts: ptr<function, array<u32, REACH>>,
    there: ptr<function, array<bool, REACH>>,
    ix: i32,
    width: i32,
    x_step: u32,
) -> Column {
    let seen = ix >= 0 && ix < width;
    let column = u32(clamp(ix, 0, width - 1)) * x_step;
    var pixels: Column;
    for (var i = 0u; i < REACH; i++) {
        pixels[i] = select(vec4(0.0), x4[(*starts)[i] + column], seen && (*there)[i]);
    }
    return pixels;
}

// Adds what a column of x gives with each column of dy that it meets: those of taps m, m + STRIDE and on.
fn meet(sums: ptr<function, Sums>, steps: ptr<function, Steps>, column: Column, m: u32) {
    var pixels = column;
    for (var q = 0u; q <= BEFORE; q++) {
        let kx = q * STRIDE + m;
        if kx < KERNEL {
            for (var ky = 0u; ky < KERNEL; ky++) {
                var sum = (*sums)[ky * KERNEL + kx];
                for (var i = 0u; i < STRIP; i++) {
                    sum += (*steps)[q * STRIP + i] * pixels[i * STRIDE + ky];
                }
                (*sums)[ky * KERNEL + kx] = sum;
            }
        }
    }
}

@compute @workgroup_size(64)
fn strip(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let channels4 = params.in_channels / 4u;
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let c4 = index % channels4;
    let split = index / channels4;
    // Uniforms are read before the first branch: inside of one they cost a software driver more.
    let height = i32(params.height);
    let width = i32(params.width);
    let out_height = params.out_height;
    let out_width = params.out_width;
    let pad_top = i32(params.pad_top);
    let pad_left = i32(params.pad_left);
    let x_start = params.x_offset / 4u + c4;
    let x_step = params.x_stride / 4u;
    let dy_start = params.dy_offset / 4u + c4;
    let dy_step = params.dy_stride / 4u;
    let begin = split * params.split_pixels;
    let strips = (out_height + STRIP - 1u) / STRIP;
    let end = min(begin + params.split_pixels, params.batch * strips);
    let start = params.partial_offset / 4u + split * TAPS * channels4 + c4;
    if split >= params.splits {
        return;
    }
    // Loops over the taps are two, one in the other: drivers unroll 7 of 7, not 49, and what is indexed by a
    // loop that stays a loop lies in memory.
    var sums: Sums;
    for (var ky = 0u; ky < KERNEL; ky++) {
        for (var kx = 0u; kx < KERNEL; kx++) {
            sums[ky * KERNEL + kx] = vec4(0.0);
        }
    }
    for (var strip = begin; strip < end; strip++) {
        let n = strip / strips;
        let oy = strip % strips * STRIP;
        let first_y = i32(oy * STRIDE) - pad_top;
        // Where the lines of x and of dy start, and whether they are there.
        var starts: array<u32, REACH>;
        var there: array<bool, REACH>;
        for (var i = 0u; i < REACH; i++) {
            let iy = first_y + i32(i);
            let line = i32(n) * height + clamp(iy, 0, height - 1);
            starts[i] = x_start + u32(line * width) * x_step;
            there[i] = iy >= 0 && iy < height;
        }
        var dy_starts: array<u32, STRIP>;
        for (var i = 0u; i < STRIP; i++) {
            let line = n * out_height + min(oy + i, out_height - 1u);
            dy_starts[i] = dy_start + line * out_width * dy_step;
        }
        var steps: Steps;
        for (var i = 0u; i < (BEFORE + 1u) * STRIP; i++) {
            steps[i] = vec4(0.0);
        }
        for (var ox = 0u; ox < out_width + BEFORE; ox++) {
            for (var i = 0u; i < BEFORE * STRIP; i++) {
                let last = (BEFORE + 1u) * STRIP - 1u - i;
                steps[last] = steps[last - STRIP];
            }
            let across = min(ox, out_width - 1u) * dy_step;
            for (var i = 0u; i < STRIP; i++) {
                let seen = ox < out_width && oy + i < out_height;
                steps[i] = select(vec4(0.0), dy4[dy_starts[i] + across], seen);
            }
            // Not a loop: some drivers leave one this long as it is.
            let ix = i32(ox * STRIDE) - pad_left;
            meet(&sums, &steps, column_of_x(&starts, &there, ix, width, x_step), 0u);
            if STRIDE > 1u {
                meet(&sums, &steps, column_of_x(&starts, &there, ix + 1, width, x_step), 1u);
            }
            if STRIDE > 2u {
                meet(&sums, &steps, column_of_x(&starts, &there, ix + 2, width, x_step), 2u);
            }
            if STRIDE > 3u {
                meet(&sums, &steps, column_of_x(&starts, &there, ix + 3, width, x_step), 3u);
            }
        }
    }
    for (var ky = 0u; ky < KERNEL; ky++) {
        for (var kx = 0u; kx < KERNEL; kx++) {
            let tap = ky * KERNEL + kx;
            partial4[start + tap * channels4] = sums[tap];
        }
    }
}
