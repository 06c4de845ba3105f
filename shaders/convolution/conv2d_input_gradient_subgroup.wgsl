// The subgroup versions of a convolution's gradient with respect to its input.
// conv2d_input_gradient.wgsl says what they compute.

#import "convolution/input_gradient.wgsl"
#import "convolution/lanes.wgsl"
#import "shared/grid.wgsl"

@compute @workgroup_size(WORKGROUP)
fn subgroup(grid: Grid, @builtin(local_invocation_index) invocation: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let group_out = params.out_channels / params.groups;
    let columns = params.in_channels / params.groups;
    let column_tiles = (columns / 4u + WORKGROUP - 1u) / WORKGROUP;
    let tile = locate(number_of(grid.workgroup, grid.workgroups), ROWS, column_tiles);
    let dy_offset = params.dy_offset;
    let dy_stride = params.dy_stride;
    let kernel = vec2(params.kernel_height, params.kernel_width);
    let taps = taps_of(tile);
    if !tile.exists {
        return;
    }
    let used = tile.column_tile * WORKGROUP + invocation < columns / 4u;
    let column4 = min(tile.column_tile * WORKGROUP + invocation, columns / 4u - 1u);
    // Four channels of x are four rows of w.
    let w_row = params.out_channels / 4u;
    let w_start = params.w_offset / 4u + 4u * column4 * w_row + tile.group * group_out / 4u;

    // Lane l looks after rows l, l + LANES, l + 2 * LANES, ...
    var at: array<Pixel, ROW_BLOCKS>;
    for (var i = 0u; i < ROW_BLOCKS; i++) {
        at[i] = pixel_of(tile, i * LANES + lane % LANES);
    }
    var sums: Sums;
    for (var i = 0u; i < ROWS; i++) {
        sums[i] = vec4(0.0);
    }
    var away = taps.met;
    for (var ky = taps.first.x; ky < kernel.x; ky += taps.step.x) {
        away.y = taps.met.y;
        for (var kx = taps.first.y; kx < kernel.y; kx += taps.step.y) {
            var dy_at: array<u32, ROW_BLOCKS>;
            var seen: array<bool, ROW_BLOCKS>;
            for (var i = 0u; i < ROW_BLOCKS; i++) {
                let row = met(at[i], away);
                seen[i] = row != NOWHERE;
                let start = dy_offset + select(0u, row, seen[i]) * dy_stride;
                dy_at[i] = (start + tile.group * group_out) / 4u;
            }
            away.y -= taps.back.y;
            let w_at = w_start + (ky * kernel.y + kx) * columns * w_row;
            for (var k = 0u; k < group_out / 4u; k++) {
                // All loads first: see conv2d_subgroup.wgsl.
                var a: array<vec4<f32>, ROW_BLOCKS>;
                for (var i = 0u; i < ROW_BLOCKS; i++) {
                    a[i] = select(vec4(0.0), dy4[dy_at[i] + k], seen[i]);
                }
                let b = transpose(mat4x4(
                    w4[w_at + k],
                    w4[w_at + k + w_row],
                    w4[w_at + k + 2u * w_row],
                    w4[w_at + k + 3u * w_row],
                ));
                for (var i = 0u; i < ROW_BLOCKS; i++) {
                    // Written out: compilers make dot products of a transposed matrix only where they see that it is one,
                    // and those round otherwise.
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
        away.x -= taps.back.x;
    }
    let start = params.d_x_offset / 4u + tile.group * columns / 4u + column4;
    let stride = params.d_x_stride / 4u;
    for (var i = 0u; i < ROW_BLOCKS; i++) {
        let row = at[i].row;
        let r = i * LANES;
        store4(start, stride, subgroupBroadcast(row, 0u), used, sums[r]);
        store4(start, stride, subgroupBroadcast(row, 1u), used, sums[r + 1u]);
        store4(start, stride, subgroupBroadcast(row, 2u), used, sums[r + 2u]);
        store4(start, stride, subgroupBroadcast(row, 3u), used, sums[r + 3u]);
        if LANES > 4u {
            store4(start, stride, subgroupBroadcast(row, 4u), used, sums[r + 4u % LANES]);
            store4(start, stride, subgroupBroadcast(row, 5u), used, sums[r + 5u % LANES]);
            store4(start, stride, subgroupBroadcast(row, 6u), used, sums[r + 6u % LANES]);
            store4(start, stride, subgroupBroadcast(row, 7u), used, sums[r + 7u % LANES]);
        }
    }
}
