// `tiled` and `fours` of a convolution's gradient with respect to its input.
// conv2d_input_gradient.wgsl says what they compute, and tile.wgsl has what they share with others.

#import "convolution/input_gradient.wgsl"
#import "convolution/tile.wgsl"
#import "shared/grid.wgsl"

var<workgroup> pixels: array<Pixel, TILE_ROWS>;

fn dy_step(local: u32, away: vec2<i32>, channel: u32, valid: bool) -> f32 {
    let row = met(pixels[local], away);
    if valid && row != NOWHERE {
        return dy[params.dy_offset + row * params.dy_stride + channel];
    }
    return 0.0;
}

fn w_step(tap: u32, column: u32, columns: u32, channel: u32, valid: bool) -> f32 {
    if valid && column < columns {
        return w[params.w_offset + (tap * columns + column) * params.out_channels + channel];
    }
    return 0.0;
}

@compute @workgroup_size(INVOCATIONS)
fn tiled(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let columns = params.in_channels / params.groups;
    let group_out = params.out_channels / params.groups;
    let column_tiles = (columns + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    let tile = locate(number_of(grid.workgroup, grid.workgroups), TILE_ROWS, column_tiles);
    if !tile.exists {
        return;
    }
    let first_column = tile.column_tile * TILE_COLUMNS;
    for (var i = invocation; i < TILE_ROWS; i += INVOCATIONS) {
        pixels[i] = pixel_of(tile, i);
    }

    var sums: TileSums;
    for (var i = 0u; i < SUMS; i++) {
        sums[i] = vec4(0.0);
    }
    let step = invocation % TILE_STEPS;
    let part = invocation / TILE_STEPS;
    let my_rows = invocation / ACROSS;
    let my_columns = invocation % ACROSS;
    let taps = taps_of(tile);
    var away = taps.met;
    for (var ky = taps.first.x; ky < params.kernel_height; ky += taps.step.x) {
        away.y = taps.met.y;
        for (var kx = taps.first.y; kx < params.kernel_width; kx += taps.step.y) {
            let tap = ky * params.kernel_width + kx;
            for (var first = 0u; first < group_out; first += TILE_STEPS) {
                workgroupBarrier();
                let valid = first + step < group_out;
                let channel = tile.group * group_out + first + step;
                for (var i = 0u; i < TILE_ROWS / 4u / PARTS; i++) {
                    let four = part + PARTS * i;
                    left[step * LEFT_PITCH + four] = vec4(
                        dy_step(4u * four, away, channel, valid),
                        dy_step(4u * four + 1u, away, channel, valid),
                        dy_step(4u * four + 2u, away, channel, valid),
                        dy_step(4u * four + 3u, away, channel, valid),
                    );
                }
                for (var i = 0u; i < TILE_COLUMNS / 4u / PARTS; i++) {
                    let four = part + PARTS * i;
                    let column = first_column + 4u * four;
                    right[step * RIGHT_PITCH + four] = vec4(
                        w_step(tap, column, columns, channel, valid),
                        w_step(tap, column + 1u, columns, channel, valid),
                        w_step(tap, column + 2u, columns, channel, valid),
                        w_step(tap, column + 3u, columns, channel, valid),
                    );
                }
                workgroupBarrier();
                multiply(&sums, my_rows, my_columns);
            }
            away.y -= taps.back.y;
        }
        away.x -= taps.back.x;
    }
    workgroupBarrier();
    for (var i = 0u; i < 4u * ROW_FOURS; i++) {
        let row = pixels[4u * ROW_FOURS * my_rows + i].row;
        for (var c = 0u; c < 4u * COLUMN_FOURS; c++) {
            let column = first_column + 4u * my_columns + 4u * ACROSS * (c / 4u) + c % 4u;
            if row != NOWHERE && column < columns {
                d_x[params.d_x_offset + row * params.d_x_stride + tile.group * columns + column] =
                    sums[i + c / 4u * 4u * ROW_FOURS][c % 4u];
            }
        }
    }
}

// Four vectors, or zeros.
fn masked(value: mat4x4<f32>, seen: vec4<bool>) -> mat4x4<f32> {
    return mat4x4(
        select(vec4(0.0), value[0], seen.x),
        select(vec4(0.0), value[1], seen.y),
        select(vec4(0.0), value[2], seen.z),
        select(vec4(0.0), value[3], seen.w),
    );
}

// The rows of dy that four pixels meet that far away.
fn rows_met(pixels: array<Pixel, 4>, away: vec2<i32>) -> vec4<u32> {
    return vec4(
        met(pixels[0], away),
        met(pixels[1], away),
        met(pixels[2], away),
        met(pixels[3], away),
    );
}

@compute @workgroup_size(INVOCATIONS)
fn fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let columns = params.in_channels / params.groups;
    let group_out = params.out_channels / params.groups;
    let column_tiles = (columns + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    let tile = locate(number_of(grid.workgroup, grid.workgroups), TILE_ROWS, column_tiles);
    let w_row = params.out_channels / 4u;
    let kernel = vec2(params.kernel_height, params.kernel_width);
    let taps = taps_of(tile);
    let dy_offset = params.dy_offset;
    let dy_stride = params.dy_stride;
    if !tile.exists {
        return;
    }
    let first_column = tile.column_tile * TILE_COLUMNS;

    // What this invocation fetches: four channels of four rows of dy, and of four columns of w.
    let row_four = invocation % (TILE_ROWS / 4u);
    let row_step = invocation / (TILE_ROWS / 4u);
    let fetches_rows = row_step < TILE_STEPS / 4u;
    var row_pixels: array<Pixel, 4>;
    for (var j = 0u; j < 4u; j++) {
        row_pixels[j] = pixel_of(tile, 4u * row_four + j);
    }
    let column_four = invocation % (TILE_COLUMNS / 4u);
    let column_step = invocation / (TILE_COLUMNS / 4u);
    let column = first_column + 4u * column_four;
    let fetches_columns = column_step < TILE_STEPS / 4u;
    let w_start = params.w_offset / 4u + column * w_row + tile.group * group_out / 4u + column_step;

    var sums: TileSums;
    for (var i = 0u; i < SUMS; i++) {
        sums[i] = vec4(0.0);
    }
    let my_rows = invocation / ACROSS;
    let my_columns = invocation % ACROSS;
    // The tap and the channels of it that are fetched next, and where its rows of dy are.
    var tap = taps.first;
    var away = taps.met;
    var more = all(tap < kernel);
    var first = 0u;
    var rows = rows_met(row_pixels, away);
    var round = 0u;
    loop {
        // What the next round multiplies is on its way while this one multiplies what the last one fetched. What
        // is 0 of it is said where it is stored: to say it before would be to wait for it.
        if first >= group_out {
            first = 0u;
            tap.y += taps.step.y;
            away.y -= taps.back.y;
            if tap.y >= kernel.y {
                tap = vec2(tap.x + taps.step.x, taps.first.y);
                away = vec2(away.x - taps.back.x, taps.met.y);
            }
            more = tap.x < kernel.x;
            rows = rows_met(row_pixels, away);
        }
        let rows_seen = more && fetches_rows && first + 4u * row_step < group_out;
        let channel = tile.group * group_out + first + 4u * row_step;
        let a_seen = (rows != vec4(NOWHERE)) & vec4(rows_seen);
        let dy_at = select(vec4(0u), (dy_offset + rows * dy_stride + channel) / 4u, a_seen);
        let a = mat4x4(dy4[dy_at.x], dy4[dy_at.y], dy4[dy_at.z], dy4[dy_at.w]);
        let columns_seen = more && fetches_columns && first + 4u * column_step < group_out && column < columns;
        let w_at = select(0u, w_start + (tap.x * kernel.y + tap.y) * columns * w_row + first / 4u, columns_seen);
        let w_next = select(0u, w_row, columns_seen);
        let b = mat4x4(w4[w_at], w4[w_at + w_next], w4[w_at + 2u * w_next], w4[w_at + 3u * w_next]);
        first += TILE_STEPS;
        if round > 0u {
            multiply(&sums, my_rows, my_columns);
        }
        if !more {
            break;
        }
        workgroupBarrier();
        if fetches_rows {
            let steps = transpose(masked(a, a_seen));
            for (var j = 0u; j < 4u; j++) {
                left[(4u * row_step + j) * LEFT_PITCH + row_four] = steps[j];
            }
        }
        if fetches_columns {
            let steps = transpose(masked(b, vec4(columns_seen)));
            for (var j = 0u; j < 4u; j++) {
                right[(4u * column_step + j) * RIGHT_PITCH + column_four] = steps[j];
            }
        }
        workgroupBarrier();
        round++;
    }
    for (var c = 0u; c < COLUMN_FOURS; c++) {
        let column4 = first_column / 4u + my_columns + ACROSS * c;
        let start = (params.d_x_offset + tile.group * columns) / 4u + column4;
        for (var i = 0u; i < 4u * ROW_FOURS; i++) {
            let row = pixel_of(tile, 4u * ROW_FOURS * my_rows + i).row;
            store4(start, params.d_x_stride / 4u, row, 4u * column4 < columns, sums[i + c * 4u * ROW_FOURS]);
        }
    }
}
