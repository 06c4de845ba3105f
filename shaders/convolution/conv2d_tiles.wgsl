// `tiled` and `fours` of a convolution.
// conv2d.wgsl says what they compute, and tile.wgsl has what they share with others.

#import "convolution/forward.wgsl"
#import "convolution/tile.wgsl"
#import "shared/grid.wgsl"

var<workgroup> windows: array<Window, TILE_ROWS>;

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
fn tiled(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let group_in = params.in_channels / params.groups;
    let columns = params.out_channels / params.groups;
    let column_tiles = (columns + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    let rows = params.batch * params.out_height * params.out_width;
    let tile = number_of(grid.workgroup, grid.workgroups);
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
            left[step * LEFT_PITCH + row4] = vec4(
                x_step(4u * row4, ky, kx, channel, k < steps),
                x_step(4u * row4 + 1u, ky, kx, channel, k < steps),
                x_step(4u * row4 + 2u, ky, kx, channel, k < steps),
                x_step(4u * row4 + 3u, ky, kx, channel, k < steps),
            );
        }
        for (var i = 0u; i < TILE_STEPS * RIGHT_PITCH / INVOCATIONS; i++) {
            let w_at = invocation + INVOCATIONS * i;
            let w_row = first + w_at / RIGHT_PITCH;
            let at = params.w_offset + w_row * params.out_channels + group * columns;
            let column = first_column + 4u * (w_at % RIGHT_PITCH);
            right[w_at] = vec4(
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

// Where four channels of x are at tap (ky, kx) of a window, or the first of x where they are to be 0.
struct Place {
    at: u32,
    seen: bool,
}

fn place(corner: Window, ky: u32, kx: u32, channel: u32, valid: bool) -> Place {
    let iy = corner.y + i32(ky * params.dilation_y);
    let ix = corner.x + i32(kx * params.dilation_x);
    let seen = valid && inside(iy, ix);
    return Place(select(0u, pixel_start(corner, iy, ix) + channel, seen) / 4u, seen);
}

// Four channels of x at tap (ky, kx) of four windows. Written out: DX12's older compiler does not take a loop that
// writes the parts of a vector or a matrix by their number.
fn fetch_x(corners: array<Window, 4>, ky: u32, kx: u32, channel: u32, valid: bool) -> Fetched {
    let p0 = place(corners[0], ky, kx, channel, valid);
    let p1 = place(corners[1], ky, kx, channel, valid);
    let p2 = place(corners[2], ky, kx, channel, valid);
    let p3 = place(corners[3], ky, kx, channel, valid);
    return Fetched(
        mat4x4(x4[p0.at], x4[p1.at], x4[p2.at], x4[p3.at]),
        vec4(p0.seen, p1.seen, p2.seen, p3.seen),
    );
}

@compute @workgroup_size(INVOCATIONS)
fn fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let group_in = params.in_channels / params.groups;
    let columns = params.out_channels / params.groups;
    let column_tiles = (columns + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    let rows = params.batch * params.out_height * params.out_width;
    let tile = number_of(grid.workgroup, grid.workgroups);
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
                left[(4u * step_four + j) * LEFT_PITCH + row_four] = steps_of_rows[j];
            }
        }
        for (var i = 0u; i < W_FETCHES; i++) {
            let step = w_step + i * W_STEPS;
            right[step * RIGHT_PITCH + w_four] = masked(b[i], w_seen && first + step < steps);
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
