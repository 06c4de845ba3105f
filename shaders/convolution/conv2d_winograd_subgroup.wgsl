// `products` and `output_sides` of Winograd's convolution by subgroups.
// conv2d_winograd.wgsl says what they compute.

#import "convolution/lanes.wgsl"
#import "convolution/winograd_output.wgsl"
#import "shared/grid.wgsl"

@group(0) @binding(10) var<storage, read> left4: array<vec4<f32>>;
@group(0) @binding(11) var<storage, read> right4: array<vec4<f32>>;
@group(0) @binding(12) var<storage, read_write> sides4: array<vec4<f32>>;
@group(0) @binding(13) var<storage, read> parts4: array<vec4<f32>>;

@compute @workgroup_size(64)
fn output_sides(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let columns4 = params.out_channels / 4u;
    let column4 = index % columns4;
    let local = index / columns4;
    let tile = locate(params.first_tile + local);
    let start = params.parts_offset / 4u + local * 24u * columns4 + column4;
    let after = epilogue(column4);
    let size = vec2(params.out_height, params.out_width);
    if local >= params.tiles {
        return;
    }
    var pixels: array<Four, 4>;
    for (var j = 0u; j < 4u; j++) {
        var column: Six;
        for (var i = 0u; i < 6u; i++) {
            column[i] = parts4[start + (4u * i + j) * columns4];
        }
        pixels[j] = output_side(column);
    }
    for (var i = 0u; i < 4u; i++) {
        store_row(tile, i, Four(pixels[0][i], pixels[1][i], pixels[2][i], pixels[3][i]), after, size);
    }
}

// Column j of A^T.
fn weights(j: u32) -> vec4<f32> {
    let ends = vec4(f32(j == 0u), 0.0, 0.0, f32(j == 5u));
    let point = select(A, B, j > 2u) * select(-1.0, 1.0, j % 2u == 1u);
    let square = point * point;
    return select(vec4(1.0, point, square, square * point), ends, j == 0u || j == 5u);
}

@compute @workgroup_size(WORKGROUP)
fn products(grid: Grid, @builtin(local_invocation_index) invocation: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let columns4 = params.out_channels / 4u;
    let column_tiles = (columns4 + WORKGROUP - 1u) / WORKGROUP;
    let number = number_of(grid.workgroup, grid.workgroups);
    let first = number / column_tiles * ROWS;
    let mine = number % column_tiles * WORKGROUP + invocation;
    let column4 = min(mine, columns4 - 1u);
    let channels4 = params.in_channels / 4u;
    let tiles = params.tiles;
    let count = select(0u, min(ROWS, tiles - min(first, tiles)), mine < columns4);
    let sides_start = params.sides_offset / 4u + column4;
    var v_at: array<u32, ROW_BLOCKS>;
    for (var b = 0u; b < ROW_BLOCKS; b++) {
        let tile = min(first + b * LANES + lane % LANES, tiles - 1u);
        v_at[b] = params.left_offset / 4u + tile * 36u * channels4;
    }
    var u_at = params.right_offset / 4u + column4;
    if first >= tiles {
        return;
    }
    for (var i = 0u; i < 6u; i++) {
        // Row i of M A.
        var row: array<array<vec4<f32>, ROWS>, 4>;
        for (var p = 0u; p < 4u; p++) {
            for (var r = 0u; r < ROWS; r++) {
                row[p][r] = vec4(0.0);
            }
        }
        for (var j = 0u; j < 6u; j++) {
            var sums: Sums;
            for (var r = 0u; r < ROWS; r++) {
                sums[r] = vec4(0.0);
            }
            for (var k = 0u; k < channels4; k++) {
                // All loads first, as in conv2d_subgroup.wgsl.
                var a: array<vec4<f32>, ROW_BLOCKS>;
                for (var b = 0u; b < ROW_BLOCKS; b++) {
                    a[b] = left4[v_at[b]];
                    v_at[b]++;
                }
                let b = mat4x4(
                    right4[u_at],
                    right4[u_at + columns4],
                    right4[u_at + 2u * columns4],
                    right4[u_at + 3u * columns4],
                );
                u_at += 4u * columns4;
                for (var c = 0u; c < ROW_BLOCKS; c++) {
                    add_rows(&sums, c * LANES, b, a[c]);
                }
            }
            let factors = weights(j);
            for (var p = 0u; p < 4u; p++) {
                for (var r = 0u; r < ROWS; r++) {
                    row[p][r] += factors[p] * sums[r];
                }
            }
        }
        // A loop that is not unrolled: stores are long.
        for (var r = 0u; r < count; r++) {
            let at = sides_start + ((first + r) * 24u + 4u * i) * columns4;
            sides4[at] = row[0][r];
            sides4[at + columns4] = row[1][r];
            sides4[at + 2u * columns4] = row[2][r];
            sides4[at + 3u * columns4] = row[3][r];
        }
    }
}
