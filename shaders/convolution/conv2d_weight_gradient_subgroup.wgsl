// The subgroup versions of a convolution's gradient with respect to its weights.
// A part of conv2d_weight_gradient.wgsl, which says what they compute.

alias Sums = array<vec4<f32>, ROWS>;

// Adds the products of four pixels to the sums of LANES rows from `first` on; lane l has those of the l-th in
// `a`. To be called with a number: where a driver does not unroll the loop around it, as Mesa 25 does not,
// sums of an index that varies are kept in memory.
fn add_rows(sums: ptr<function, Sums>, first: u32, b: mat4x4<f32>, a: vec4<f32>) {
    sums[first] += b * subgroupBroadcast(a, 0u);
    if LANES > 1u {
        sums[first + 1u % LANES] += b * subgroupBroadcast(a, 1u);
    }
    if LANES > 2u {
        sums[first + 2u % LANES] += b * subgroupBroadcast(a, 2u);
        sums[first + 3u % LANES] += b * subgroupBroadcast(a, 3u);
    }
    if LANES > 4u {
        sums[first + 4u % LANES] += b * subgroupBroadcast(a, 4u);
        sums[first + 5u % LANES] += b * subgroupBroadcast(a, 5u);
        sums[first + 6u % LANES] += b * subgroupBroadcast(a, 6u);
        sums[first + 7u % LANES] += b * subgroupBroadcast(a, 7u);
    }
}

@compute @workgroup_size(WORKGROUP)
fn subgroup(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
    let columns4 = params.out_channels / params.groups / 4u;
    let column_tiles = (columns4 + WORKGROUP - 1u) / WORKGROUP;
    let tile = locate(workgroup.y * workgroups.x + workgroup.x, ROWS, column_tiles);
    let sizes = shapes();
    if tile.split >= params.splits {
        return;
    }
    let used = tile.column_tile * WORKGROUP + invocation < columns4;
    let column4 =
        tile.group * columns4 + min(tile.column_tile * WORKGROUP + invocation, columns4 - 1u);

    // Lane l looks after four rows, which are four channels of x next to each other.
    let row = row_at(min(tile.first_row + 4u * (subgroup_lane % LANES), rows() - 4u), tile.group);
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
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
    let columns4 = params.out_channels / params.groups / 4u;
    let column_tiles = (columns4 + WORKGROUP - 1u) / WORKGROUP;
    let tile = locate(workgroup.y * workgroups.x + workgroup.x, ROWS, column_tiles);
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
        let number = tile.first_row + c * LANES + subgroup_lane % LANES;
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
