// Convolution and its two gradients on cooperative matrices, whose factors are rounded to 16 bits; sums have 32.
// With what follows the sum in conv2d.wgsl after FORWARD. There is one group, of channels in fours; INPUT has stride 1.
//
//   out[m, n] = sum over k of left(m, k) * right(k, n)
//
//              rows m               columns n     depth k                    left   right   out
// FORWARD      output pixels        co            taps x ci                  x      w       y
// INPUT        input pixels         ci            taps x co                  dy     w       dx
// WEIGHT       taps x ci            co            output pixels              x      dy      dw
//
// x: (batch, height, width, in_channels), y, dy, residual: (batch, out_height, out_width, out_channels),
// their rows t_stride apart.  w: (kernel_height, kernel_width, in_channels, out_channels)
// bias: (out_channels)    affine: (2, out_channels), scale then shift
// WEIGHT splits its depth, the pixels of dy: part s of `out` is the sum over split_pixels * s and on.
//
// A workgroup of four subgroups computes 8 SIZE rows x 4 SIZE columns, each subgroup a half of both: four by two
// matrices of sums. Two SIZE steps of the sum are fetched at a time, in vectors of four along whatever lies next
// to each other in memory, and lie in workgroup memory the same way, so that nothing is transposed but by how a
// matrix is loaded. What is fetched is on its way while the round before is multiplied.
//
// Version: `cooperative_fours`. SIZE is what the adapter multiplies: 16 (NVIDIA) or 8 (Apple, lavapipe); the loader
// puts coop_mat8x8 for coop_mat16x16 then. INVOCATIONS is four times the size of a subgroup.

#import "convolution/epilogue.wgsl"

enable f16;
enable wgpu_cooperative_matrix;

// What is computed.
override MODE: u32 = 0u;
const FORWARD: u32 = 0u;
const INPUT: u32 = 1u;
const WEIGHT: u32 = 2u;

const SIZE: u32 = 16u;
const TILE_ROWS: u32 = 8u * SIZE;
const TILE_COLUMNS: u32 = 4u * SIZE;
const STEPS: u32 = 2u * SIZE;
const INVOCATIONS: u32 = 128u;
// Against bank conflicts.
const PAD: u32 = 8u;
// How many vectors of four an invocation fetches of either side.
const LEFTS: u32 = TILE_ROWS * STEPS / 4u / INVOCATIONS;
const RIGHTS: u32 = TILE_COLUMNS * STEPS / 4u / INVOCATIONS;
// What a subgroup writes down of its sums at a time: SIZE rows of its two matrices.
const SUMS_PITCH: u32 = 2u * SIZE;
const SUMS: u32 = SIZE * SUMS_PITCH;

@group(0) @binding(1) var<storage, read> left: array<f32>;
@group(0) @binding(2) var<storage, read> right: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

@group(0) @binding(1) var<storage, read> left4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> right4: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> out4: array<vec4<f32>>;

// Row by row; in WEIGHT step by step.
var<workgroup> lefts: array<f16, TILE_ROWS * (STEPS + PAD)>;
// Step by step; in INPUT column by column.
var<workgroup> rights: array<f16, STEPS * (TILE_COLUMNS + PAD) + TILE_COLUMNS * PAD>;
var<workgroup> sums: array<f32, 4u * SUMS>;

// The first row of an image in `left`, and where tap (0, 0) of a pixel is in it.
struct Origin {
    image: u32,
    y: i32,
    x: i32,
}

// Of row m of FORWARD and INPUT.
fn origin(m: u32) -> Origin {
    if MODE == INPUT {
        let n = m / (params.height * params.width);
        return Origin(
            n * params.out_height * params.out_width,
            i32(m / params.width % params.height + params.pad_top),
            i32(m % params.width + params.pad_left),
        );
    }
    return window(m);
}

// Of output pixel m.
fn window(m: u32) -> Origin {
    let n = m / (params.out_height * params.out_width);
    return Origin(
        n * params.height * params.width,
        i32(m / params.out_width % params.out_height * params.stride_y) - i32(params.pad_top),
        i32(m % params.out_width * params.stride_x) - i32(params.pad_left),
    );
}

// Where `left` has the first channel of tap (ky, kx) of a pixel; the first element where it is nowhere.
struct Place {
    at: u32,
    seen: bool,
}

fn place(pixel: Origin, ky: u32, kx: u32, channel: u32, valid: bool) -> Place {
    // In INPUT taps go the other way.
    let along = select(1, -1, MODE == INPUT);
    let iy = pixel.y + along * i32(ky * params.dilation_y);
    let ix = pixel.x + along * i32(kx * params.dilation_x);
    let height = select(params.height, params.out_height, MODE == INPUT);
    let width = select(params.width, params.out_width, MODE == INPUT);
    let seen = valid && iy >= 0 && iy < i32(height) && ix >= 0 && ix < i32(width);
    let row = pixel.image + u32(iy) * width + u32(ix);
    return Place(select(0u, params.left_offset + row * params.left_stride + channel, seen), seen);
}

// Stores four columns of a finished row.
fn store4(part: u32, row: u32, column: u32, sum: vec4<f32>) {
    if row >= params.product_rows || column >= params.product_columns {
        return;
    }
    // Parts of dw, and dw itself, have no gaps.
    let stride = select(params.out_stride, params.product_columns, MODE == WEIGHT);
    out4[(params.out_offset + (part * params.product_rows + row) * stride + column) / 4u] =
        finished4(row, sum, epilogue(column / 4u));
}

// Stores what a subgroup has written down, SIZE rows from `row` on.
fn store_rows(part: u32, row: u32, column: u32, written: u32, lane: u32) {
    for (var i = lane; i < SUMS / 4u; i += INVOCATIONS / 4u) {
        let at = written + 4u * i;
        let four = vec4(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]);
        store4(part, row + 4u * i / SUMS_PITCH, column + 4u * i % SUMS_PITCH, four);
    }
}

// What an invocation fetches in every round, and of WEIGHT and INPUT or FORWARD what it needs for it.
struct Share {
    // Vectors along the depth: which of them, of the first of which rows or columns; `lines` are fetched together.
    step_four: u32,
    line: u32,
    // Vectors along rows, and along columns: which of them, of the first of which steps.
    row_four: u32,
    row_step: u32,
    column_four: u32,
    column_step: u32,
    // The first column of the tile, and whether the vector of columns is in the product.
    column: u32,
    columns_seen: bool,
    // Of FORWARD and INPUT: where each of the rows is.
    origins: array<Origin, LEFTS>,
}

// The tap and the channel that are fetched next; in WEIGHT those of the rows.
struct Cursor {
    channel: u32,
    ky: u32,
    kx: u32,
}

// Vectors as loaded, and whether they are to be what was loaded or 0. What becomes of them is said where they are
// stored: to say it here would be to wait for them here.
struct Fetched {
    a: array<vec4<f32>, LEFTS>,
    a_seen: array<bool, LEFTS>,
    b: array<vec4<f32>, RIGHTS>,
    b_seen: array<bool, RIGHTS>,
}

const LINES: u32 = INVOCATIONS / (STEPS / 4u);
const ROW_STEPS: u32 = INVOCATIONS / (TILE_ROWS / 4u);
const COLUMN_STEPS: u32 = INVOCATIONS / (TILE_COLUMNS / 4u);

fn share(invocation: u32, row: u32, column: u32) -> Share {
    var found: Share;
    found.step_four = invocation % (STEPS / 4u);
    found.line = invocation / (STEPS / 4u);
    found.row_four = invocation % (TILE_ROWS / 4u);
    found.row_step = invocation / (TILE_ROWS / 4u);
    found.column_four = invocation % (TILE_COLUMNS / 4u);
    found.column_step = invocation / (TILE_COLUMNS / 4u);
    found.column = column;
    found.columns_seen = column + 4u * found.column_four < params.product_columns;
    if MODE != WEIGHT {
        for (var i = 0u; i < LEFTS; i++) {
            found.origins[i] = origin(min(row + found.line + LINES * i, params.product_rows - 1u));
        }
    }
    return found;
}

// `at` with a channel that its tap has: they follow each other in the depth.
fn settled(at: Cursor) -> Cursor {
    let channels = select(params.in_channels, params.out_channels, MODE == INPUT);
    var found = at;
    while found.channel >= channels {
        found.channel -= channels;
        found.kx++;
        if found.kx == params.kernel_width {
            found.kx = 0u;
            found.ky++;
        }
    }
    return found;
}

fn start(mine: Share, row: u32) -> Cursor {
    if MODE == WEIGHT {
        let first = min(row + 4u * mine.row_four, params.product_rows - 4u);
        let tap = first / params.in_channels;
        return Cursor(first % params.in_channels, tap / params.kernel_width, tap % params.kernel_width);
    }
    return settled(Cursor(4u * mine.step_four, 0u, 0u));
}

// A round of steps on.
fn next(at: Cursor) -> Cursor {
    if MODE == WEIGHT {
        return at;
    }
    return settled(Cursor(at.channel + STEPS, at.ky, at.kx));
}

// Steps `first` and on of the depth, of those below `end`.
fn fetch(mine: Share, at: Cursor, first: u32, end: u32) -> Fetched {
    var found: Fetched;
    for (var i = 0u; i < LEFTS; i++) {
        var from_row: Origin;
        var valid = at.ky < params.kernel_height;
        if MODE == WEIGHT {
            let pixel = first + mine.row_step + ROW_STEPS * i;
            from_row = window(min(pixel, end - 1u));
            valid = pixel < end;
        } else {
            from_row = mine.origins[i];
        }
        let there = place(from_row, at.ky, at.kx, at.channel, valid);
        found.a[i] = left4[there.at / 4u];
        found.a_seen[i] = there.seen;
    }
    for (var i = 0u; i < RIGHTS; i++) {
        var seen: bool;
        var right_row: u32;
        var right_column: u32;
        if MODE == INPUT {
            let n = mine.column + mine.line + LINES * i;
            seen = at.ky < params.kernel_height && n < params.product_columns;
            right_row = (at.ky * params.kernel_width + at.kx) * params.in_channels + n;
            right_column = at.channel;
        } else {
            right_row = first + mine.column_step + COLUMN_STEPS * i;
            seen = right_row < end && mine.columns_seen;
            right_column = mine.column + 4u * mine.column_four;
        }
        let from_right = params.right_offset + right_row * params.right_stride + right_column;
        found.b[i] = right4[select(0u, from_right, seen) / 4u];
        found.b_seen[i] = seen;
    }
    return found;
}

fn left_pitch() -> u32 {
    return select(STEPS + PAD, TILE_ROWS + PAD, MODE == WEIGHT);
}

fn right_pitch() -> u32 {
    return select(TILE_COLUMNS + PAD, STEPS + PAD, MODE == INPUT);
}

// Rounds what was fetched, and puts it where the subgroups load it from.
fn keep(mine: Share, fetched: Fetched) {
    var given = fetched;
    for (var i = 0u; i < LEFTS; i++) {
        var at = (mine.line + LINES * i) * left_pitch() + 4u * mine.step_four;
        if MODE == WEIGHT {
            at = (mine.row_step + ROW_STEPS * i) * left_pitch() + 4u * mine.row_four;
        }
        let four = vec4<f16>(select(vec4(0.0), given.a[i], given.a_seen[i]));
        lefts[at] = four.x;
        lefts[at + 1u] = four.y;
        lefts[at + 2u] = four.z;
        lefts[at + 3u] = four.w;
    }
    for (var i = 0u; i < RIGHTS; i++) {
        var at = (mine.column_step + COLUMN_STEPS * i) * right_pitch() + 4u * mine.column_four;
        if MODE == INPUT {
            at = (mine.line + LINES * i) * right_pitch() + 4u * mine.step_four;
        }
        let four = vec4<f16>(select(vec4(0.0), given.b[i], given.b_seen[i]));
        rights[at] = four.x;
        rights[at + 1u] = four.y;
        rights[at + 2u] = four.z;
        rights[at + 3u] = four.w;
    }
}

alias Left = coop_mat16x16<f16, A>;
alias Right = coop_mat16x16<f16, B>;
alias Sum = coop_mat16x16<f32, C>;

@compute @workgroup_size(INVOCATIONS)
fn cooperative_fours(
    // Not by grid.wgsl, in which naga does not see that they are the same for a workgroup: matrices need that.
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let group = workgroup.y * workgroups.x + workgroup.x;
    let column_tiles = (params.product_columns + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    let row_tiles = (params.product_rows + TILE_ROWS - 1u) / TILE_ROWS;
    let part = group / (row_tiles * column_tiles);
    if part >= params.splits {
        return;
    }
    let row = group / column_tiles % row_tiles * TILE_ROWS;
    let column = group % column_tiles * TILE_COLUMNS;
    let begin = part * params.split_pixels;
    let end = min(begin + params.split_pixels, params.product_depth);
    let mine = share(invocation, row, column);
    var at = start(mine, row);
    var fetched = fetch(mine, at, begin, end);

    // Sums begin at 0, which has to be in memory to be loaded.
    for (var i = invocation; i < 4u * SUMS; i += INVOCATIONS) {
        sums[i] = 0.0;
    }
    workgroupBarrier();
    // Offsets and strides have names: naga's SPIR-V writer refuses them as expressions.
    let sums_pitch = SUMS_PITCH;
    let sums0 = subgroup * SUMS;
    let sums1 = sums0 + SIZE;
    let a_pitch = select(STEPS + PAD, TILE_ROWS + PAD, MODE == WEIGHT);
    let b_pitch = select(TILE_COLUMNS + PAD, STEPS + PAD, MODE == INPUT);
    let my_row = subgroup / 2u * 4u * SIZE;
    let my_column = subgroup % 2u * 2u * SIZE;
    var c00 = coopLoadT<Sum>(&sums[sums0], sums_pitch);
    var c01 = coopLoadT<Sum>(&sums[sums0], sums_pitch);
    var c10 = coopLoadT<Sum>(&sums[sums0], sums_pitch);
    var c11 = coopLoadT<Sum>(&sums[sums0], sums_pitch);
    var c20 = coopLoadT<Sum>(&sums[sums0], sums_pitch);
    var c21 = coopLoadT<Sum>(&sums[sums0], sums_pitch);
    var c30 = coopLoadT<Sum>(&sums[sums0], sums_pitch);
    var c31 = coopLoadT<Sum>(&sums[sums0], sums_pitch);
    for (var first = begin; first < end; first += STEPS) {
        workgroupBarrier();
        keep(mine, fetched);
        workgroupBarrier();
        // What the next round multiplies is on its way while this one multiplies.
        at = next(at);
        fetched = fetch(mine, at, first + STEPS, end);
        for (var k = 0u; k < STEPS; k += SIZE) {
            var a0: Left;
            var a1: Left;
            var a2: Left;
            var a3: Left;
            if MODE == WEIGHT {
                let at0 = k * a_pitch + my_row;
                let at1 = at0 + SIZE;
                let at2 = at0 + 2u * SIZE;
                let at3 = at0 + 3u * SIZE;
                a0 = coopLoad<Left>(&lefts[at0], a_pitch);
                a1 = coopLoad<Left>(&lefts[at1], a_pitch);
                a2 = coopLoad<Left>(&lefts[at2], a_pitch);
                a3 = coopLoad<Left>(&lefts[at3], a_pitch);
            } else {
                let at0 = my_row * a_pitch + k;
                let at1 = at0 + SIZE * a_pitch;
                let at2 = at1 + SIZE * a_pitch;
                let at3 = at2 + SIZE * a_pitch;
                a0 = coopLoadT<Left>(&lefts[at0], a_pitch);
                a1 = coopLoadT<Left>(&lefts[at1], a_pitch);
                a2 = coopLoadT<Left>(&lefts[at2], a_pitch);
                a3 = coopLoadT<Left>(&lefts[at3], a_pitch);
            }
            var b0: Right;
            var b1: Right;
            if MODE == INPUT {
                let at0 = my_column * b_pitch + k;
                let at1 = at0 + SIZE * b_pitch;
                b0 = coopLoad<Right>(&rights[at0], b_pitch);
                b1 = coopLoad<Right>(&rights[at1], b_pitch);
            } else {
                let at0 = k * b_pitch + my_column;
                let at1 = at0 + SIZE;
                b0 = coopLoadT<Right>(&rights[at0], b_pitch);
                b1 = coopLoadT<Right>(&rights[at1], b_pitch);
            }
            c00 = coopMultiplyAdd(a0, b0, c00);
            c01 = coopMultiplyAdd(a0, b1, c01);
            c10 = coopMultiplyAdd(a1, b0, c10);
            c11 = coopMultiplyAdd(a1, b1, c11);
            c20 = coopMultiplyAdd(a2, b0, c20);
            c21 = coopMultiplyAdd(a2, b1, c21);
            c30 = coopMultiplyAdd(a3, b0, c30);
            c31 = coopMultiplyAdd(a3, b1, c31);
        }
    }
    let first_row = row + my_row;
    let first_column = column + my_column;
    coopStoreT(c00, &sums[sums0], sums_pitch);
    coopStoreT(c01, &sums[sums1], sums_pitch);
    workgroupBarrier();
    store_rows(part, first_row, first_column, sums0, lane);
    workgroupBarrier();
    coopStoreT(c10, &sums[sums0], sums_pitch);
    coopStoreT(c11, &sums[sums1], sums_pitch);
    workgroupBarrier();
    store_rows(part, first_row + SIZE, first_column, sums0, lane);
    workgroupBarrier();
    coopStoreT(c20, &sums[sums0], sums_pitch);
    coopStoreT(c21, &sums[sums1], sums_pitch);
    workgroupBarrier();
    store_rows(part, first_row + 2u * SIZE, first_column, sums0, lane);
    workgroupBarrier();
    coopStoreT(c30, &sums[sums0], sums_pitch);
    coopStoreT(c31, &sums[sums1], sums_pitch);
    workgroupBarrier();
    store_rows(part, first_row + 3u * SIZE, first_column, sums0, lane);
}
