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

struct Params {
    x_offset: u32,
    x_stride: u32,
    w_offset: u32,
    bias_offset: u32,
    affine_offset: u32,
    residual_offset: u32,
    residual_stride: u32,
    y_offset: u32,
    y_stride: u32,
    batch: u32,
    height: u32,
    width: u32,
    in_channels: u32,
    out_height: u32,
    out_width: u32,
    out_channels: u32,
    kernel_height: u32,
    kernel_width: u32,
    stride_y: u32,
    stride_x: u32,
    pad_top: u32,
    pad_left: u32,
    dilation_y: u32,
    dilation_x: u32,
    groups: u32,
}

// What follows the sum, in this order, and then the activation.
override EPILOGUE_BIAS: bool = false;
override EPILOGUE_AFFINE: bool = false;
override EPILOGUE_RESIDUAL: bool = false;
// Kernel 1 x 1, stride 1, no padding: row r of y needs row r of x and nothing else.
override POINTWISE: bool = false;
// Invocations of a workgroup of the subgroup versions; a multiple of the subgroup size.
override WORKGROUP: u32 = 32u;

// How many lanes hand rows to each other: 8, or 4 where subgroups may be that small.
const LANES: u32 = 8u;
const ROW_BLOCKS: u32 = 4u;
const ROWS: u32 = LANES * ROW_BLOCKS;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> affine: array<f32>;
@group(0) @binding(5) var<storage, read> residual: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

@group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias4: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> affine4: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> residual4: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> y4: array<vec4<f32>>;

// Stores one finished number.
fn store(row: u32, column: u32, sum: f32) {
    var value = sum;
    if EPILOGUE_BIAS {
        value += bias[params.bias_offset + column];
    }
    if EPILOGUE_AFFINE {
        let at = params.affine_offset + column;
        value = value * affine[at] + affine[at + params.out_channels];
    }
    if EPILOGUE_RESIDUAL {
        value += residual[params.residual_offset + row * params.residual_stride + column];
    }
    y[params.y_offset + row * params.y_stride + column] = activate(vec4(value)).x;
}

// What the epilogue needs to know of four columns, loaded once for many rows; `at`: where row 0 stands.
struct Epilogue {
    at: u32,
    stride: u32,
    residual_at: u32,
    residual_stride: u32,
    bias: vec4<f32>,
    scale: vec4<f32>,
    shift: vec4<f32>,
}

fn epilogue(column4: u32) -> Epilogue {
    var found = Epilogue(
        params.y_offset / 4u + column4,
        params.y_stride / 4u,
        params.residual_offset / 4u + column4,
        params.residual_stride / 4u,
        vec4(0.0),
        vec4(1.0),
        vec4(0.0),
    );
    if EPILOGUE_BIAS {
        found.bias = bias4[params.bias_offset / 4u + column4];
    }
    if EPILOGUE_AFFINE {
        let at = params.affine_offset / 4u + column4;
        found.scale = affine4[at];
        found.shift = affine4[at + params.out_channels / 4u];
    }
    return found;
}

// Stores four finished columns.
fn store4(row: u32, sum: vec4<f32>, after: Epilogue) {
    var value = sum;
    if EPILOGUE_BIAS {
        value += after.bias;
    }
    if EPILOGUE_AFFINE {
        value = value * after.scale + after.shift;
    }
    if EPILOGUE_RESIDUAL {
        value += residual4[after.residual_at + row * after.residual_stride];
    }
    y4[after.at + row * after.stride] = activate(value);
}

// Where the window of an output pixel starts: the first row of its image in x, and iy, ix of the
// window's corner, which may lie outside.
struct Window {
    image: u32,
    y: i32,
    x: i32,
}

fn window(row: u32) -> Window {
    let n = row / (params.out_height * params.out_width);
    let pixel = row % (params.out_height * params.out_width);
    let oy = pixel / params.out_width;
    let ox = pixel % params.out_width;
    return Window(
        n * params.height * params.width,
        i32(oy * params.stride_y) - i32(params.pad_top),
        i32(ox * params.stride_x) - i32(params.pad_left),
    );
}

fn inside(iy: i32, ix: i32) -> bool {
    return iy >= 0 && iy < i32(params.height) && ix >= 0 && ix < i32(params.width);
}

// The first element of the pixel of x that `tap` of a window looks at; only if it is inside.
fn pixel_start(corner: Window, iy: i32, ix: i32) -> u32 {
    let row = corner.image + u32(iy) * params.width + u32(ix);
    return params.x_offset + row * params.x_stride;
}

@compute @workgroup_size(64)
fn naive(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + invocation;
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
fn finish(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + invocation;
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
fn blocked(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + invocation;
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
