// `tiled` and `fours` of a convolution's gradient with respect to its weights.
// conv2d_weight_gradient.wgsl says what they compute, and tile.wgsl has what they share with others.

#import "convolution/tile.wgsl"
#import "convolution/weight_gradient.wgsl"
#import "shared/grid.wgsl"

var<workgroup> taps: array<Row, TILE_ROWS>;

fn x_step(sizes: Shapes, local: u32, row: u32, spot: Spot, valid: bool) -> f32 {
    let there = met(sizes, taps[local], spot);
    if valid && there.seen && row + local < rows() {
        return x[there.at];
    }
    return 0.0;
}

fn dy_step(at: u32, column: u32, columns: u32, valid: bool) -> f32 {
    if valid && column < columns {
        return dy[at + column];
    }
    return 0.0;
}

@compute @workgroup_size(INVOCATIONS)
fn tiled(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let columns = params.out_channels / params.groups;
    let column_tiles = (columns + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    let tile = locate(number_of(grid.workgroup, grid.workgroups), TILE_ROWS, column_tiles);
    if tile.split >= params.splits {
        return;
    }
    let first_column = tile.column_tile * TILE_COLUMNS;
    for (var i = invocation; i < TILE_ROWS; i += INVOCATIONS) {
        taps[i] = row_at(min(tile.first_row + i, rows() - 1u), tile.group);
    }

    var sums: TileSums;
    for (var i = 0u; i < SUMS; i++) {
        sums[i] = vec4(0.0);
    }
    let step = invocation % TILE_STEPS;
    let part = invocation / TILE_STEPS;
    let my_rows = invocation / ACROSS;
    let my_columns = invocation % ACROSS;
    let sizes = shapes();
    let begin = tile.split * params.split_pixels;
    let end = min(begin + params.split_pixels, pixels());
    for (var first = begin; first < end; first += TILE_STEPS) {
        workgroupBarrier();
        let pixel = first + step;
        let valid = pixel < end;
        let spot = spot_at(sizes, pixel);
        let dy_at = params.dy_offset + pixel * params.dy_stride + tile.group * columns;
        for (var i = 0u; i < TILE_ROWS / 4u / PARTS; i++) {
            let four = part + PARTS * i;
            left[step * LEFT_PITCH + four] = vec4(
                x_step(sizes, 4u * four, tile.first_row, spot, valid),
                x_step(sizes, 4u * four + 1u, tile.first_row, spot, valid),
                x_step(sizes, 4u * four + 2u, tile.first_row, spot, valid),
                x_step(sizes, 4u * four + 3u, tile.first_row, spot, valid),
            );
        }
        for (var i = 0u; i < TILE_COLUMNS / 4u / PARTS; i++) {
            let four = part + PARTS * i;
            let column = first_column + 4u * four;
            right[step * RIGHT_PITCH + four] = vec4(
                dy_step(dy_at, column, columns, valid),
                dy_step(dy_at, column + 1u, columns, valid),
                dy_step(dy_at, column + 2u, columns, valid),
                dy_step(dy_at, column + 3u, columns, valid),
            );
        }
        workgroupBarrier();
        multiply(&sums, my_rows, my_columns);
    }
    for (var i = 0u; i < 4u * ROW_FOURS; i++) {
        let row = tile.first_row + 4u * ROW_FOURS * my_rows + i;
        for (var c = 0u; c < 4u * COLUMN_FOURS; c++) {
            let column = first_column + 4u * my_columns + 4u * ACROSS * (c / 4u) + c % 4u;
            if row < rows() && column < columns {
                let at = (tile.split * rows() + row) * params.out_channels;
                partial[params.partial_offset + at + tile.group * columns + column] =
                    sums[i + c / 4u * 4u * ROW_FOURS][c % 4u];
            }
        }
    }
}

// How many steps the invocations of `fours` fetch at once of either factor, and how often.
const X_STEPS: u32 = INVOCATIONS / (TILE_ROWS / 4u);
const X_FETCHES: u32 = TILE_STEPS / X_STEPS;
const DY_STEPS: u32 = INVOCATIONS / (TILE_COLUMNS / 4u);
const DY_FETCHES: u32 = TILE_STEPS / DY_STEPS;

// Where the pixels of a round are in x.
var<workgroup> round_spots: array<Spot, TILE_STEPS>;

@compute @workgroup_size(INVOCATIONS)
fn fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let columns = params.out_channels / params.groups;
    let column_tiles = (columns + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    let tile = locate(number_of(grid.workgroup, grid.workgroups), TILE_ROWS, column_tiles);
    let sizes = shapes();
    let begin = tile.split * params.split_pixels;
    let end = min(begin + params.split_pixels, pixels());
    if tile.split >= params.splits {
        return;
    }

    // What this invocation fetches: four rows and four columns, of some of the pixels of a round.
    let row_four = invocation % (TILE_ROWS / 4u);
    let x_step = invocation / (TILE_ROWS / 4u);
    // The rows are four channels of one tap.
    let row = row_at(min(tile.first_row + 4u * row_four, rows() - 4u), tile.group);
    let column_four = invocation % (TILE_COLUMNS / 4u);
    let dy_step = invocation / (TILE_COLUMNS / 4u);
    let first_column = tile.column_tile * TILE_COLUMNS;
    let column = min(first_column + 4u * column_four, columns - 4u);
    let dy_start = sizes.dy_offset + tile.group * columns + column;

    var sums: TileSums;
    for (var i = 0u; i < SUMS; i++) {
        sums[i] = vec4(0.0);
    }
    let my_rows = invocation / ACROSS;
    let my_columns = invocation % ACROSS;
    if invocation < TILE_STEPS {
        round_spots[invocation] = spot_at(sizes, begin + invocation);
    }
    workgroupBarrier();
    for (var first = begin; first < end + TILE_STEPS; first += TILE_STEPS) {
        // What the next round multiplies is on its way while this one multiplies what the last one fetched. What
        // is 0 of it is said where it is stored: to say it before would be to wait for it.
        var a: array<vec4<f32>, X_FETCHES>;
        var a_seen: array<bool, X_FETCHES>;
        for (var i = 0u; i < X_FETCHES; i++) {
            let there = met(sizes, row, round_spots[x_step + i * X_STEPS]);
            a[i] = x4[there.at / 4u];
            a_seen[i] = there.seen;
        }
        var b: array<vec4<f32>, DY_FETCHES>;
        for (var i = 0u; i < DY_FETCHES; i++) {
            let pixel = min(first + dy_step + i * DY_STEPS, end - 1u);
            b[i] = dy4[(dy_start + pixel * sizes.dy_stride) / 4u];
        }
        if first > begin {
            multiply(&sums, my_rows, my_columns);
        }
        workgroupBarrier();
        for (var i = 0u; i < X_FETCHES; i++) {
            left[(x_step + i * X_STEPS) * LEFT_PITCH + row_four] = select(vec4(0.0), a[i], a_seen[i]);
        }
        for (var i = 0u; i < DY_FETCHES; i++) {
            let step = dy_step + i * DY_STEPS;
            right[step * RIGHT_PITCH + column_four] = select(vec4(0.0), b[i], first + step < end);
        }
        if invocation < TILE_STEPS {
            round_spots[invocation] = spot_at(sizes, first + TILE_STEPS + invocation);
        }
        workgroupBarrier();
    }
    for (var c = 0u; c < COLUMN_FOURS; c++) {
        let column4 = first_column / 4u + my_columns + ACROSS * c;
        let start = store_start(tile.split, tile.group * columns / 4u + column4);
        for (var i = 0u; i < 4u * ROW_FOURS; i++) {
            let sum_row = tile.first_row + 4u * ROW_FOURS * my_rows + i;
            store4(start, sum_row, 4u * column4 < columns, sums[i + c * 4u * ROW_FOURS]);
        }
    }
}
