// The gradient of a depthwise convolution with respect to its input.
//
//   dx[n, iy, ix, c] = sum over ky, kx of dy[n, oy, ox, c] * w[ky, kx, c]
//   where oy * stride_y = iy + pad_top - ky * dilation_y and oy is a row of dy,  ox likewise
//
// dy: (batch, out_height, out_width, channels), its rows dy_stride apart
// w: (kernel_height, kernel_width, channels, 1)
// dx: (batch, height, width, channels), its rows dx_stride apart
//
// Versions, as in depthwise_conv2d.wgsl:
//   naive  one number an invocation.
//   strip  four channels of STRIP pixels next to each other an invocation. Strips start where
//          ix + pad_left is a multiple of the stride, so that which pixel meets which tap is known
//          when the kernel is compiled; the first strip may start left of the image. STRIP is a
//          multiple of STRIDE.

struct Params {
    dy_offset: u32,
    dy_stride: u32,
    w_offset: u32,
    dx_offset: u32,
    dx_stride: u32,
    batch: u32,
    height: u32,
    width: u32,
    channels: u32,
    out_height: u32,
    out_width: u32,
    kernel_height: u32,
    kernel_width: u32,
    stride_y: u32,
    stride_x: u32,
    pad_top: u32,
    pad_left: u32,
    dilation_y: u32,
    dilation_x: u32,
}

const KERNEL: u32 = 3u;
const STRIDE: u32 = 1u;
const STRIP: u32 = 4u;
// Pixels of dy that a strip meets: the last pixel's first tap, back to the first pixel's last tap.
const BEFORE: u32 = (KERNEL - 1u) / STRIDE;
const REACH: u32 = BEFORE + (STRIP - 1u) / STRIDE + 1u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@group(0) @binding(1) var<storage, read> dy4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> dx4: array<vec4<f32>>;

// Whether an output position exists, `at` being stride times it.
fn meets(at: i32, stride: u32, size: u32) -> bool {
    return at >= 0 && at < i32(stride * size) && at % i32(stride) == 0;
}

@compute @workgroup_size(64)
fn naive(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + invocation;
    let row = index / params.channels;
    let c = index % params.channels;
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
                    * w[params.w_offset + tap * params.channels + c];
            }
        }
    }
    dx[params.dx_offset + row * params.dx_stride + c] = sum;
}

@compute @workgroup_size(64)
fn strip(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let channels4 = params.channels / 4u;
    let before = params.pad_left % STRIDE;
    let strips = (params.width + before + STRIP - 1u) / STRIP;
    // Uniforms are read before the first branch: inside of one they cost a software driver more.
    let batch = params.batch;
    let width = i32(params.width);
    let out_height = params.out_height;
    let out_width = params.out_width;
    let dy_offset = params.dy_offset;
    let dy_stride = params.dy_stride;
    let dx_offset = params.dx_offset;
    let dx_stride = params.dx_stride;
    let w_start = params.w_offset / 4u;
    let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + invocation;
    let c4 = index % channels4;
    let first = i32(index / channels4 % strips * STRIP) - i32(before);
    let line = index / (channels4 * strips);
    let n = line / params.height;
    let iy = line % params.height;
    let last_y = i32(iy + params.pad_top);
    // Pixel `first` meets pixel `first_x` of dy through tap 0.
    let first_x = (first + i32(params.pad_left)) / i32(STRIDE);
    if n >= batch {
        return;
    }
    var sums: array<vec4<f32>, STRIP>;
    for (var i = 0u; i < STRIP; i++) {
        sums[i] = vec4(0.0);
    }
    for (var ky = 0u; ky < KERNEL; ky++) {
        let ty = last_y - i32(ky);
        if !meets(ty, STRIDE, out_height) {
            continue;
        }
        let start = (n * out_height + u32(ty) / STRIDE) * out_width;
        var pixels: array<vec4<f32>, REACH>;
        for (var i = 0u; i < REACH; i++) {
            let ox = first_x + i32(i) - i32(BEFORE);
            let seen = ox >= 0 && ox < i32(out_width);
            let pixel = start + u32(clamp(ox, 0, i32(out_width) - 1));
            let value = dy4[(dy_offset + pixel * dy_stride) / 4u + c4];
            pixels[i] = select(vec4(0.0), value, seen);
        }
        for (var kx = 0u; kx < KERNEL; kx++) {
            let factor = w4[w_start + (ky * KERNEL + kx) * channels4 + c4];
            for (var i = 0u; i < STRIP; i++) {
                // i - kx, moved to stay positive.
                let apart = i + BEFORE * STRIDE + STRIDE - kx;
                if apart % STRIDE == 0u {
                    sums[i] += factor * pixels[apart / STRIDE - 1u];
                }
            }
        }
    }
    for (var i = 0u; i < STRIP; i++) {
        let ix = first + i32(i);
        if ix >= 0 && ix < width {
            let row = line * u32(width) + u32(ix);
            dx4[(dx_offset + row * dx_stride) / 4u + c4] = sums[i];
        }
    }
}
