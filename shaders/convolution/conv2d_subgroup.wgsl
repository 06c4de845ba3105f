// The subgroup versions of a convolution.
// conv2d.wgsl says what they compute.

#import "convolution/forward.wgsl"
#import "convolution/lanes.wgsl"
#import "shared/grid.wgsl"

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
fn subgroup(grid: Grid, @builtin(local_invocation_index) invocation: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let rows = params.batch * params.out_height * params.out_width;
    let columns4 = params.out_channels / params.groups / 4u;
    let column_tiles = (columns4 + WORKGROUP - 1u) / WORKGROUP;
    let tile = locate(number_of(grid.workgroup, grid.workgroups), column_tiles);
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
        let row = min(tile.first_row + i * LANES + lane % LANES, rows - 1u);
        if POINTWISE {
            corner[i] = Window(row, 0, 0);
        } else {
            corner[i] = window(row);
        }
    }
    var sums: Sums;
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
                    add_rows(&sums, i * LANES, b, a[i]);
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
    grid: Grid,
    @builtin(local_invocation_index) invocation: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let rows = params.batch * params.out_height * params.out_width;
    let columns4 = params.out_channels / params.groups / 4u;
    let column_tiles = (columns4 + WORKGROUP - 1u) / WORKGROUP;
    let tile = locate(number_of(grid.workgroup, grid.workgroups), column_tiles);
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
        let row = min(tile.first_row + i * LANES + lane % LANES, rows - 1u);
        if POINTWISE {
            corner[i] = Window(row, 0, 0);
        } else {
            corner[i] = window(row);
        }
    }
    var sums: Sums;
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
