// The subgroup versions of a convolution's gradient with respect to its weights.
// conv2d_weight_gradient.wgsl says what they compute.

#import "convolution/lanes.wgsl"
#import "convolution/weight_gradient.wgsl"
#import "shared/grid.wgsl"

@compute @workgroup_size(WORKGROUP)
fn subgroup(grid: Grid, @builtin(local_invocation_index) invocation: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let columns4 = params.out_channels / params.groups / 4u;
    let column_tiles = (columns4 + WORKGROUP - 1u) / WORKGROUP;
    let tile = locate(number_of(grid.workgroup, grid.workgroups), ROWS, column_tiles);
    let sizes = shapes();
    if tile.split >= params.splits {
        return;
    }
    let used = tile.column_tile * WORKGROUP + invocation < columns4;
    let column4 =
        tile.group * columns4 + min(tile.column_tile * WORKGROUP + invocation, columns4 - 1u);

    // Lane l looks after four rows, which are four channels of x next to each other.
    let row = row_at(min(tile.first_row + 4u * (lane % LANES), rows() - 4u), tile.group);
    var sums: Sums;
    for (var i = 0u; i < ROWS; i++) {
        sums[i] = vec4(0.0);
    }
    let begin = tile.split * params.split_pixels;
    let end = min(begin + params.split_pixels, pixels());
    var spot = spot_at(sizes, begin);
    for (var first = begin; first < end; first += 4u) {
        let spots = four_spots(sizes, spot);
        spot = next(sizes, spots[3]);
        let b = dy_four(sizes, first, end, column4);
        let a = transpose(x_four(sizes, row, spots, first, end));
        add_rows(&sums, 0u * LANES, b, a[0]);
        add_rows(&sums, 1u * LANES, b, a[1]);
        add_rows(&sums, 2u * LANES, b, a[2]);
        add_rows(&sums, 3u * LANES, b, a[3]);
    }
    let start = store_start(tile.split, column4);
    for (var i = 0u; i < ROWS; i++) {
        store4(start, tile.first_row + i % LANES * 4u + i / LANES, used, sums[i]);
    }
}

@compute @workgroup_size(WORKGROUP)
fn subgroup_narrow(
    grid: Grid,
    @builtin(local_invocation_index) invocation: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let columns4 = params.out_channels / params.groups / 4u;
    let column_tiles = (columns4 + WORKGROUP - 1u) / WORKGROUP;
    let tile = locate(number_of(grid.workgroup, grid.workgroups), ROWS, column_tiles);
    let sizes = shapes();
    if tile.split >= params.splits {
        return;
    }
    let used = tile.column_tile * WORKGROUP + invocation < columns4;
    let column4 =
        tile.group * columns4 + min(tile.column_tile * WORKGROUP + invocation, columns4 - 1u);

    // Lane l looks after rows l, l + LANES, l + 2 * LANES and l + 3 * LANES.
    var row: array<Row, 4>;
    for (var c = 0u; c < 4u; c++) {
        let number = tile.first_row + c * LANES + lane % LANES;
        row[c] = row_at(min(number, rows() - 1u), tile.group);
    }
    var sums: Sums;
    for (var i = 0u; i < ROWS; i++) {
        sums[i] = vec4(0.0);
    }
    let begin = tile.split * params.split_pixels;
    let end = min(begin + params.split_pixels, pixels());
    var spot = spot_at(sizes, begin);
    for (var first = begin; first < end; first += 4u) {
        let spots = four_spots(sizes, spot);
        spot = next(sizes, spots[3]);
        let b = dy_four(sizes, first, end, column4);
        add_rows(&sums, 0u * LANES, b, x_one(sizes, row[0], spots, first, end));
        add_rows(&sums, 1u * LANES, b, x_one(sizes, row[1], spots, first, end));
        add_rows(&sums, 2u * LANES, b, x_one(sizes, row[2], spots, first, end));
        add_rows(&sums, 3u * LANES, b, x_one(sizes, row[3], spots, first, end));
    }
    let start = store_start(tile.split, column4);
    for (var i = 0u; i < ROWS; i++) {
        store4(start, tile.first_row + i, used, sums[i]);
    }
}
