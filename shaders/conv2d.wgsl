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
//   tiled            a workgroup computes TILE_ROWS x TILE_COLUMNS and passes x and w, 16 steps of the sum
//                    at a time, through workgroup memory; an invocation keeps 4 or 8 rows of 4 or 8 columns
//                    in registers.
//   fours            the same, but for loads of four channels at a time, without branches, a round of 16 steps
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

// What follows the sum, in this order. ACTIVATION: 0 none, 1 ReLU, 2 ReLU6.
override EPILOGUE_BIAS: bool = false;
override EPILOGUE_AFFINE: bool = false;
override EPILOGUE_RESIDUAL: bool = false;
override ACTIVATION: u32 = 0u;
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

fn activate(value: vec4<f32>) -> vec4<f32> {
    if ACTIVATION == 1u {
        return max(value, vec4(0.0));
    }
    if ACTIVATION == 2u {
        return clamp(value, vec4(0.0), vec4(6.0));
    }
    return value;
}

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

// What a workgroup of `tiled` and `fours` does at a time, and how many fours of rows an invocation keeps in
// registers; ACROSS invocations stand side by side, each with one or two fours of the columns.
const TILE_ROWS: u32 = 64u;
const TILE_COLUMNS: u32 = 64u;
const ROW_FOURS: u32 = 2u;
const ACROSS: u32 = 8u;
const COLUMN_FOURS: u32 = TILE_COLUMNS / (4u * ACROSS);
const INVOCATIONS: u32 = ACROSS * TILE_ROWS / (4u * ROW_FOURS);
const TILE_STEPS: u32 = 16u;
const SUMS: u32 = 4u * ROW_FOURS * COLUMN_FOURS;
// How many invocations of `tiled` fetch the same step.
const PARTS: u32 = INVOCATIONS / TILE_STEPS;
// Against bank conflicts, where lanes next to each other store steps of x.
const PAD: u32 = 1u;
const X_PITCH: u32 = TILE_ROWS / 4u + PAD;
const W_PITCH: u32 = TILE_COLUMNS / 4u;

var<workgroup> x_tile: array<vec4<f32>, TILE_STEPS * X_PITCH>;
var<workgroup> w_tile: array<vec4<f32>, TILE_STEPS * W_PITCH>;
var<workgroup> windows: array<Window, TILE_ROWS>;

alias TileSums = array<vec4<f32>, SUMS>;

// Adds to an invocation's sums the products of what is in workgroup memory: four rows of four columns; rows 4
// and on; then the same of the other columns.
fn multiply(sums: ptr<function, TileSums>, my_rows: u32, my_columns: u32) {
    for (var s = 0u; s < TILE_STEPS; s++) {
        let a0 = x_tile[s * X_PITCH + ROW_FOURS * my_rows];
        let a1 = x_tile[s * X_PITCH + ROW_FOURS * my_rows + ROW_FOURS - 1u];
        let b0 = w_tile[s * W_PITCH + my_columns];
        let b1 = w_tile[s * W_PITCH + my_columns + ACROSS * (COLUMN_FOURS - 1u)];
        for (var i = 0u; i < 4u; i++) {
            (*sums)[i] += a0[i] * b0;
            if ROW_FOURS > 1u {
                (*sums)[i + 4u] += a1[i] * b0;
            }
            if COLUMN_FOURS > 1u {
                (*sums)[i + 4u * ROW_FOURS] += a0[i] * b1;
            }
            if ROW_FOURS > 1u && COLUMN_FOURS > 1u {
                (*sums)[i + 12u] += a1[i] * b1;
            }
        }
    }
}

// Number `step` of the sum over (ky, kx, ci) for row `local` of the tile.
fn x_step(local: u32, ky: u32, kx: u32, channel: u32, valid: bool) -> f32 {
    let corner = windows[local];
    let iy = corner.y + i32(ky * params.dilation_y);
    let ix = corner.x + i32(kx * params.dilation_x);
    if valid && inside(iy, ix) {
        return x[pixel_start(corner, iy, ix) + channel];
    }
    return 0.0;
}

fn w_step(at: u32, column: u32, columns: u32, valid: bool) -> f32 {
    if valid && column < columns {
        return w[at + column];
    }
    return 0.0;
}

@compute @workgroup_size(INVOCATIONS)
fn tiled(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let group_in = params.in_channels / params.groups;
    let columns = params.out_channels / params.groups;
    let column_tiles = (columns + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    let rows = params.batch * params.out_height * params.out_width;
    let tile = workgroup.y * workgroups.x + workgroup.x;
    let row_tile = tile / (column_tiles * params.groups);
    let group = tile / column_tiles % params.groups;
    let first_row = row_tile * TILE_ROWS;
    let first_column = tile % column_tiles * TILE_COLUMNS;
    if first_row >= rows {
        return;
    }
    for (var i = invocation; i < TILE_ROWS; i += INVOCATIONS) {
        windows[i] = window(min(first_row + i, rows - 1u));
    }

    var sums: TileSums;
    for (var i = 0u; i < SUMS; i++) {
        sums[i] = vec4(0.0);
    }
    let steps = params.kernel_height * params.kernel_width * group_in;
    let step = invocation % TILE_STEPS;
    let part = invocation / TILE_STEPS;
    let my_rows = invocation / ACROSS;
    let my_columns = invocation % ACROSS;
    for (var first = 0u; first < steps; first += TILE_STEPS) {
        workgroupBarrier();
        // This invocation fetches one step of x for some rows, and some steps of w for four columns.
        let k = first + step;
        let tap = k / group_in;
        let ky = tap / params.kernel_width;
        let kx = tap % params.kernel_width;
        let channel = group * group_in + k % group_in;
        for (var i = 0u; i < TILE_ROWS / 4u / PARTS; i++) {
            let row4 = part + PARTS * i;
            x_tile[step * X_PITCH + row4] = vec4(
                x_step(4u * row4, ky, kx, channel, k < steps),
                x_step(4u * row4 + 1u, ky, kx, channel, k < steps),
                x_step(4u * row4 + 2u, ky, kx, channel, k < steps),
                x_step(4u * row4 + 3u, ky, kx, channel, k < steps),
            );
        }
        for (var i = 0u; i < TILE_STEPS * W_PITCH / INVOCATIONS; i++) {
            let w_at = invocation + INVOCATIONS * i;
            let w_row = first + w_at / W_PITCH;
            let at = params.w_offset + w_row * params.out_channels + group * columns;
            let column = first_column + 4u * (w_at % W_PITCH);
            w_tile[w_at] = vec4(
                w_step(at, column, columns, w_row < steps),
                w_step(at, column + 1u, columns, w_row < steps),
                w_step(at, column + 2u, columns, w_row < steps),
                w_step(at, column + 3u, columns, w_row < steps),
            );
        }
        workgroupBarrier();
        multiply(&sums, my_rows, my_columns);
    }
    for (var i = 0u; i < 4u * ROW_FOURS; i++) {
        let row = first_row + 4u * ROW_FOURS * my_rows + i;
        for (var c = 0u; c < 4u * COLUMN_FOURS; c++) {
            let column = first_column + 4u * my_columns + 4u * ACROSS * (c / 4u) + c % 4u;
            if row < rows && column < columns {
                store(row, group * columns + column, sums[i + c / 4u * 4u * ROW_FOURS][c % 4u]);
            }
        }
    }
}

// How many invocations of `fours` fetch w side by side, how many steps they fetch at once, and how often.
const W_FOURS: u32 = TILE_COLUMNS / 4u;
const W_STEPS: u32 = INVOCATIONS / W_FOURS;
const W_FETCHES: u32 = TILE_STEPS / W_STEPS;

// Four vectors as loaded, and whether they are to be what was loaded or 0. What becomes of them is said where
// they are stored: to say it here would be to wait for them here.
struct Fetched {
    value: mat4x4<f32>,
    seen: vec4<bool>,
}

fn masked(value: vec4<f32>, seen: bool) -> vec4<f32> {
    return select(vec4(0.0), value, seen);
}

// Four channels of x at tap (ky, kx) of four windows.
fn fetch_x(corners: array<Window, 4>, ky: u32, kx: u32, channel: u32, valid: bool) -> Fetched {
    var corner = corners;
    var found: Fetched;
    for (var j = 0u; j < 4u; j++) {
        let iy = corner[j].y + i32(ky * params.dilation_y);
        let ix = corner[j].x + i32(kx * params.dilation_x);
        let seen = valid && inside(iy, ix);
        let at = select(0u, pixel_start(corner[j], iy, ix) + channel, seen);
        found.seen[j] = seen;
        found.value[j] = x4[at / 4u];
    }
    return found;
}

@compute @workgroup_size(INVOCATIONS)
fn fours(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let group_in = params.in_channels / params.groups;
    let columns = params.out_channels / params.groups;
    let column_tiles = (columns + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    let rows = params.batch * params.out_height * params.out_width;
    let tile = workgroup.y * workgroups.x + workgroup.x;
    let row_tile = tile / (column_tiles * params.groups);
    let group = tile / column_tiles % params.groups;
    let first_row = row_tile * TILE_ROWS;
    let first_column = tile % column_tiles * TILE_COLUMNS;
    let steps = params.kernel_height * params.kernel_width * group_in;
    let w_row = params.out_channels / 4u;
    let w_start = (params.w_offset + group * columns + first_column) / 4u;
    if first_row >= rows {
        return;
    }

    // What this invocation fetches: four channels of four rows of x, some steps of four columns of w.
    let row_four = invocation % (TILE_ROWS / 4u);
    let step_four = invocation / (TILE_ROWS / 4u);
    let fetches = step_four < TILE_STEPS / 4u;
    let w_four = invocation % W_FOURS;
    let w_step = invocation / W_FOURS;
    let w_seen = first_column + 4u * w_four < columns;
    var corners: array<Window, 4>;
    for (var j = 0u; j < 4u; j++) {
        corners[j] = window(min(first_row + 4u * row_four + j, rows - 1u));
    }
    // The channel, and the tap that it is of.
    var channel = 4u * step_four;
    var ky = 0u;
    var kx = 0u;

    var sums: TileSums;
    for (var i = 0u; i < SUMS; i++) {
        sums[i] = vec4(0.0);
    }
    let my_rows = invocation / ACROSS;
    let my_columns = invocation % ACROSS;
    for (var first = 0u; first < steps + TILE_STEPS; first += TILE_STEPS) {
        // What the next round multiplies is on its way while this one multiplies what the last one fetched.
        while channel >= group_in {
            channel -= group_in;
            kx++;
            if kx == params.kernel_width {
                kx = 0u;
                ky++;
            }
        }
        let valid = fetches && ky < params.kernel_height;
        let a = fetch_x(corners, ky, kx, group * group_in + channel, valid);
        channel += TILE_STEPS;
        var b: array<vec4<f32>, W_FETCHES>;
        for (var i = 0u; i < W_FETCHES; i++) {
            let step = first + w_step + i * W_STEPS;
            let seen = w_seen && step < steps;
            b[i] = w4[select(0u, w_start + step * w_row + w_four, seen)];
        }
        if first > 0u {
            multiply(&sums, my_rows, my_columns);
        }
        workgroupBarrier();
        if fetches {
            let v = a.value;
            let steps_of_rows = transpose(mat4x4(
                masked(v[0], a.seen.x),
                masked(v[1], a.seen.y),
                masked(v[2], a.seen.z),
                masked(v[3], a.seen.w),
            ));
            for (var j = 0u; j < 4u; j++) {
                x_tile[(4u * step_four + j) * X_PITCH + row_four] = steps_of_rows[j];
            }
        }
        for (var i = 0u; i < W_FETCHES; i++) {
            let step = w_step + i * W_STEPS;
            w_tile[step * W_PITCH + w_four] = masked(b[i], w_seen && first + step < steps);
        }
        workgroupBarrier();
    }
    for (var c = 0u; c < COLUMN_FOURS; c++) {
        let column = first_column + 4u * (my_columns + ACROSS * c);
        if column < columns {
            let after = epilogue((group * columns + column) / 4u);
            for (var i = 0u; i < 4u * ROW_FOURS; i++) {
                let row = first_row + 4u * ROW_FOURS * my_rows + i;
                if row < rows {
                    store4(row, sums[i + c * 4u * ROW_FOURS], after);
                }
            }
        }
    }
}

// What a workgroup of the subgroup versions works on.
struct Tile {
    first_row: u32,
    group: u32,
    column_tile: u32,
}

fn locate(index: u32, column_tiles: u32) -> Tile {
    return Tile(
        index / (column_tiles * params.groups) * ROWS,
        index / column_tiles % params.groups,
        index % column_tiles,
    );
}

@compute @workgroup_size(WORKGROUP)
fn subgroup(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
    let rows = params.batch * params.out_height * params.out_width;
    let columns4 = params.out_channels / params.groups / 4u;
    let column_tiles = (columns4 + WORKGROUP - 1u) / WORKGROUP;
    let tile = locate(workgroup.y * workgroups.x + workgroup.x, column_tiles);
    if tile.first_row >= rows {
        return;
    }
    let used = tile.column_tile * WORKGROUP + invocation < columns4;
    let column4 =
        tile.group * columns4 + min(tile.column_tile * WORKGROUP + invocation, columns4 - 1u);
    let group_in = params.in_channels / params.groups;
    let w_row = params.out_channels / 4u;
    var w_at = params.w_offset / 4u + column4;

    // Lane l looks after rows l, l + LANES, l + 2 * LANES, ...
    var corner: array<Window, ROW_BLOCKS>;
    for (var i = 0u; i < ROW_BLOCKS; i++) {
        let row = min(tile.first_row + i * LANES + subgroup_lane % LANES, rows - 1u);
        if POINTWISE {
            corner[i] = Window(row, 0, 0);
        } else {
            corner[i] = window(row);
        }
    }
    var sums: array<vec4<f32>, ROWS>;
    for (var i = 0u; i < ROWS; i++) {
        sums[i] = vec4(0.0);
    }
    for (var ky = 0u; ky < params.kernel_height; ky++) {
        for (var kx = 0u; kx < params.kernel_width; kx++) {
            var x_at: array<u32, ROW_BLOCKS>;
            var seen: array<bool, ROW_BLOCKS>;
            for (var i = 0u; i < ROW_BLOCKS; i++) {
                let iy = corner[i].y + i32(ky * params.dilation_y);
                let ix = corner[i].x + i32(kx * params.dilation_x);
                seen[i] = POINTWISE || inside(iy, ix);
                let start = pixel_start(corner[i], select(0, iy, seen[i]), select(0, ix, seen[i]));
                x_at[i] = (start + tile.group * group_in) / 4u;
            }
            for (var k = 0u; k < group_in / 4u; k++) {
                // All loads first: with sums between them, drivers on processors keep less in registers.
                var a: array<vec4<f32>, ROW_BLOCKS>;
                for (var i = 0u; i < ROW_BLOCKS; i++) {
                    a[i] = x4[x_at[i] + k];
                    if !POINTWISE {
                        a[i] = select(vec4(0.0), a[i], seen[i]);
                    }
                }
                let b = mat4x4(w4[w_at], w4[w_at + w_row], w4[w_at + 2u * w_row], w4[w_at + 3u * w_row]);
                w_at += 4u * w_row;
                for (var i = 0u; i < ROW_BLOCKS; i++) {
                    let r = i * LANES;
                    sums[r] += b * subgroupBroadcast(a[i], 0u);
                    sums[r + 1u] += b * subgroupBroadcast(a[i], 1u);
                    sums[r + 2u] += b * subgroupBroadcast(a[i], 2u);
                    sums[r + 3u] += b * subgroupBroadcast(a[i], 3u);
                    if LANES > 4u {
                        sums[r + 4u % LANES] += b * subgroupBroadcast(a[i], 4u);
                        sums[r + 5u % LANES] += b * subgroupBroadcast(a[i], 5u);
                        sums[r + 6u % LANES] += b * subgroupBroadcast(a[i], 6u);
                        sums[r + 7u % LANES] += b * subgroupBroadcast(a[i], 7u);
                    }
                }
            }
        }
    }
    let after = epilogue(column4);
    for (var i = 0u; i < ROWS; i++) {
        if used && tile.first_row + i < rows {
            store4(tile.first_row + i, sums[i], after);
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn subgroup_narrow(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
    let rows = params.batch * params.out_height * params.out_width;
    let columns4 = params.out_channels / params.groups / 4u;
    let column_tiles = (columns4 + WORKGROUP - 1u) / WORKGROUP;
    let tile = locate(workgroup.y * workgroups.x + workgroup.x, column_tiles);
    if tile.first_row >= rows {
        return;
    }
    let used = tile.column_tile * WORKGROUP + invocation < columns4;
    let column4 =
        tile.group * columns4 + min(tile.column_tile * WORKGROUP + invocation, columns4 - 1u);
    let group_in = params.in_channels / params.groups;
    let w_row = params.out_channels / 4u;
    var w_at = params.w_offset / 4u + column4;

    var corner: array<Window, ROW_BLOCKS>;
    for (var i = 0u; i < ROW_BLOCKS; i++) {
        let row = min(tile.first_row + i * LANES + subgroup_lane % LANES, rows - 1u);
        if POINTWISE {
            corner[i] = Window(row, 0, 0);
        } else {
            corner[i] = window(row);
        }
    }
    var sums: array<vec4<f32>, ROWS>;
    for (var i = 0u; i < ROWS; i++) {
        sums[i] = vec4(0.0);
    }
    for (var ky = 0u; ky < params.kernel_height; ky++) {
        for (var kx = 0u; kx < params.kernel_width; kx++) {
            var x_at: array<u32, ROW_BLOCKS>;
            var seen: array<bool, ROW_BLOCKS>;
            for (var i = 0u; i < ROW_BLOCKS; i++) {
                let iy = corner[i].y + i32(ky * params.dilation_y);
                let ix = corner[i].x + i32(kx * params.dilation_x);
                seen[i] = POINTWISE || inside(iy, ix);
                let start = pixel_start(corner[i], select(0, iy, seen[i]), select(0, ix, seen[i]));
                x_at[i] = start + tile.group * group_in;
            }
            for (var k = 0u; k < group_in; k++) {
                let b = w4[w_at];
                w_at += w_row;
                for (var i = 0u; i < ROW_BLOCKS; i++) {
                    var a = x[x_at[i] + k];
                    if !POINTWISE {
                        a = select(0.0, a, seen[i]);
                    }
                    let r = i * LANES;
                    sums[r] += b * subgroupBroadcast(a, 0u);
                    sums[r + 1u] += b * subgroupBroadcast(a, 1u);
                    sums[r + 2u] += b * subgroupBroadcast(a, 2u);
                    sums[r + 3u] += b * subgroupBroadcast(a, 3u);
                    if LANES > 4u {
                        sums[r + 4u % LANES] += b * subgroupBroadcast(a, 4u);
                        sums[r + 5u % LANES] += b * subgroupBroadcast(a, 5u);
                        sums[r + 6u % LANES] += b * subgroupBroadcast(a, 6u);
                        sums[r + 7u % LANES] += b * subgroupBroadcast(a, 7u);
                    }
                }
            }
        }
    }
    let after = epilogue(column4);
    for (var i = 0u; i < ROWS; i++) {
        if used && tile.first_row + i < rows {
            store4(tile.first_row + i, sums[i], after);
        }
    }
}
