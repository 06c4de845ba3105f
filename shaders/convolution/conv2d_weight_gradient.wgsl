// The gradient of a convolution with respect to its weights.
//
//   dw[ky, kx, ci, co] = sum over n, oy, ox of x[n, iy, ix, g * Ci + ci] * dy[n, oy, ox, co]
//   iy = oy * stride_y - pad_top + ky * dilation_y,  ix likewise;  x is 0 outside of the image
//   Ci = in_channels / groups, Co = out_channels / groups, g = co / Co
//
// x: (batch, height, width, in_channels), its rows x_stride apart
// dy: (batch, out_height, out_width, out_channels), its rows dy_stride apart
// partial: (splits, kernel_height * kernel_width * Ci, out_channels)
// parts: partial again, to be read
// dw: (kernel_height, kernel_width, Ci, out_channels)
//
// A sum over all pixels of a batch for each of few numbers. So that there is enough to do at once, the
// pixels of dy are split: sum number s covers the pixels s * split_pixels and on, and writes its own part of
// `partial`; `reduce` adds the `parts`, always in the same order. With one split, `partial` is dw itself.
//
// Versions, as in conv2d.wgsl; a row is one (ky, kx, ci), a column one co:
//   naive            one number an invocation, no split.
//   blocked          8 rows x 4 columns an invocation, 4 pixels at a time. Takes Ci and Co in fours.
//   tiled            TILE_ROWS x TILE_COLUMNS a workgroup, 16 pixels at a time through workgroup memory.
//   fours     the same with loads of four channels, a round of 16 pixels ahead. Takes Ci and Co in fours.
//   subgroup         ROWS rows x 4 columns a lane. Takes Ci and Co in fours.
//   subgroup_narrow  the same for any Ci.

#import "convolution/weight_gradient.wgsl"
#import "shared/grid.wgsl"

@compute @workgroup_size(64)
fn naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= rows() * params.out_channels {
        return;
    }
    let column = index % params.out_channels;
    let group = column / (params.out_channels / params.groups);
    let row = row_at(index / params.out_channels, group);
    let sizes = shapes();
    var sum = 0.0;
    for (var n = 0u; n < params.batch; n++) {
        for (var oy = 0u; oy < params.out_height; oy++) {
            var line = 0.0;
            for (var ox = 0u; ox < params.out_width; ox++) {
                let there = met(sizes, row, Spot(n * sizes.height, oy * sizes.stride_y, ox * sizes.stride_x));
                if there.seen {
                    let pixel = (n * params.out_height + oy) * params.out_width + ox;
                    line += x[there.at] * dy[params.dy_offset + pixel * params.dy_stride + column];
                }
            }
            sum += line;
        }
    }
    dw[params.dw_offset + index] = sum;
}

@compute @workgroup_size(64)
fn reduce(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let count = rows() * params.out_channels;
    if index >= count {
        return;
    }
    var sum = 0.0;
    for (var s = 0u; s < params.splits; s++) {
        sum += parts[params.parts_offset + s * count + index];
    }
    dw[params.dw_offset + index] = sum;
}

@compute @workgroup_size(64)
fn blocked(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    // A tile of `locate` is one invocation here, and a column tile four columns.
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let columns4 = params.out_channels / params.groups / 4u;
    let tile = locate(index, 8u, columns4);
    let column4 = tile.group * columns4 + tile.column_tile;
    let start = store_start(tile.split, column4);
    let sizes = shapes();
    let begin = tile.split * params.split_pixels;
    let end = min(begin + params.split_pixels, pixels());
    let last = rows() - 4u;
    let low = row_at(min(tile.first_row, last), tile.group);
    let high = row_at(min(tile.first_row + 4u, last), tile.group);
    if tile.split >= params.splits {
        return;
    }
    var sums: array<vec4<f32>, 8>;
    for (var i = 0u; i < 8u; i++) {
        sums[i] = vec4(0.0);
    }
    var spot = spot_at(sizes, begin);
    for (var first = begin; first < end; first += 4u) {
        let spots = four_spots(sizes, spot);
        spot = next(sizes, spots[3]);
        let b = dy_four(sizes, first, end, column4);
        let a0 = transpose(x_four(sizes, low, spots, first, end));
        let a1 = transpose(x_four(sizes, high, spots, first, end));
        for (var c = 0u; c < 4u; c++) {
            sums[c] += b * a0[c];
            sums[c + 4u] += b * a1[c];
        }
    }
    for (var i = 0u; i < 8u; i++) {
        store4(start, tile.first_row + i, true, sums[i]);
    }
}
