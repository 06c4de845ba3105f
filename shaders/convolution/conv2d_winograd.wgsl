// Convolution with a 3x3 kernel and stride 1 by Winograd's minimal filtering, F(4x4, 3x3): tiles of 4x4
// output pixels from 36 products a channel instead of 144.
//
//   Y = A^T [sum over ci of (G w[ci] G^T) .* (B^T X[ci] B)] A        .* element by element
//   y = act(scale[co] * (bias[co] + Y) + shift[co] + residual)
//
// X are the 6x6 pixels of x that a tile Y of 4x4 pixels of y sees; x is 0 outside of the image. (A. Lavin,
// S. Gray: Fast Algorithms for Convolutional Neural Networks, arXiv:1509.09308.)
//
// The matrices follow from Toom and Cook's interpolation at 0, +-a, +-b and infinity. The usual a = 1 and
// b = 2 leave errors ten times those of a plain sum in 32 bits; a = sqrt(1/2) and b = sqrt(2) less than
// twice those:
//
//   A^T = 1  1    1    1    1   0     B^T = 1  0  -5/2  0   1    0     G = 1     0     0
//         0  a   -a    b   -b   0           0 -b  -2    a   1    0         -2/3 -2a/3 -1/3
//         0 1/2  1/2   2    2   0           0  b  -2   -a   1    0         -2/3  2a/3 -1/3
//         0 a/2 -a/2   2b  -2b  1           0 -a  -1/2  b   1    0         1/6   b/6   1/3
//                                           0  a  -1/2 -b   1    0         1/6  -b/6   1/3
//                                           0  1   0  -5/2  0    1         0     0     1
//
// x: (batch, height, width, in_channels), its rows x_stride apart
// w: (3, 3, in_channels, out_channels); where it is turned, (3, 3, out_channels, in_channels)
// u: element (point, ci, co) at point * u_point + ci * u_channel + co
// v: (tiles, 36, in_channels)    m: (tiles, 36, out_channels)
// sides: (tiles, 6, 4, out_channels), M A
// z: (tiles, 36, out_channels)    q: (in_channels, 36, out_channels)
// left, right, parts: v, u and sides again, to be read
// bias, affine, residual, y: as in conv2d.wgsl
//
// The gradient with respect to the input is the same convolution of dy, with the kernel turned by half a
// circle and its channels exchanged.
//
// Versions, of which both begin with these two:
//   kernel, kernel_turned  w to u, four output channels an invocation.
//   input                  x to v, four channels of a tile an invocation.
// `winograd` goes on so:
//   36 products of matrices, v and u to m: a convolution of 1x1 in 36 groups, by conv2d.wgsl.
//   output                 m to y, four channels of a tile an invocation.
// `subgroup_winograd` so:
//   products               v and u to sides, as `subgroup` in conv2d.wgsl does it: ROWS tiles and four
//                          channels an invocation. Stores are a third less.
//   output_sides           sides to y.
//
// The gradient with respect to the kernel is the transpose, dY being the 4x4 pixels of dy in a tile:
//
//   dw[ci] = G^T [sum over tiles of (B^T X[ci] B) .* (A dY A^T)] G
//
//   input            x to v, as above.
//   gradient         dy to z, four channels of a tile an invocation.
//   36 products of matrices, v and z to q: the gradient of the kernel of a convolution of 1x1 in 36 groups,
//                    by conv2d_weight_gradient.wgsl.
//   kernel_gradient  q to dw, four output channels an invocation; what is not first of several parts of the
//                    tiles is added to those before.

#import "convolution/winograd_output.wgsl"
#import "shared/grid.wgsl"

@group(0) @binding(2) var<storage, read> w: array<f32>;

@group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w4: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> u4: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> v4: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read> m4: array<vec4<f32>>;

// G g
fn kernel_side(g: Three) -> Six {
    let even_a = (2.0 * g[0] + g[2]) / -3.0;
    let odd_a = g[1] * (2.0 * A / -3.0);
    let even_b = (0.5 * g[0] + g[2]) / 3.0;
    let odd_b = g[1] * (B / 6.0);
    return Six(g[0], even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, g[2]);
}

// B^T d
fn input_side(d: Six) -> Six {
    let even_a = d[4] - 2.0 * d[2];
    let odd_a = A * d[3] - B * d[1];
    let even_b = d[4] - 0.5 * d[2];
    let odd_b = B * d[3] - A * d[1];
    return Six(
        d[0] - 2.5 * d[2] + d[4],
        even_a + odd_a,
        even_a - odd_a,
        even_b + odd_b,
        even_b - odd_b,
        d[1] - 2.5 * d[3] + d[5],
    );
}

// Stores the transform of the kernel of input channel `ci`, four output channels.
fn store_kernel(taps: array<vec4<f32>, 9>, ci: u32, column4: u32) {
    let at = (params.u_offset + ci * params.u_channel) / 4u + column4;
    let step = params.u_point / 4u;
    var sides: array<Six, 3>;
    for (var j = 0u; j < 3u; j++) {
        sides[j] = kernel_side(Three(taps[j], taps[3u + j], taps[6u + j]));
    }
    for (var i = 0u; i < 6u; i++) {
        let row = kernel_side(Three(sides[0][i], sides[1][i], sides[2][i]));
        for (var j = 0u; j < 6u; j++) {
            u4[at + (6u * i + j) * step] = row[j];
        }
    }
}

@compute @workgroup_size(64)
fn kernel(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let columns4 = params.out_channels / 4u;
    let channels = params.in_channels;
    let ci = index / columns4;
    let start = params.w_offset / 4u + index;
    if ci >= channels {
        return;
    }
    var taps: array<vec4<f32>, 9>;
    for (var tap = 0u; tap < 9u; tap++) {
        taps[tap] = w4[start + tap * channels * columns4];
    }
    store_kernel(taps, ci, index % columns4);
}

@compute @workgroup_size(64)
fn kernel_turned(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let columns = params.out_channels;
    let channels = params.in_channels;
    let ci = index / (columns / 4u);
    let column4 = index % (columns / 4u);
    let start = params.w_offset + 4u * column4 * channels + ci;
    if ci >= channels {
        return;
    }
    var taps: array<vec4<f32>, 9>;
    for (var tap = 0u; tap < 9u; tap++) {
        let at = start + (8u - tap) * columns * channels;
        taps[tap] = vec4(w[at], w[at + channels], w[at + 2u * channels], w[at + 3u * channels]);
    }
    store_kernel(taps, ci, column4);
}

@compute @workgroup_size(64)
fn input(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let channels4 = params.in_channels / 4u;
    let c4 = index % channels4;
    let local = index / channels4;
    let tile = locate(params.first_tile + local);
    let height = i32(params.height);
    let width = i32(params.width);
    let first_y = i32(tile.y) - i32(params.pad_top);
    let first_x = i32(tile.x) - i32(params.pad_left);
    let start = params.x_offset / 4u + c4;
    let step = params.x_stride / 4u;
    let at = params.v_offset / 4u + local * 36u * channels4 + c4;
    if local >= params.tiles {
        return;
    }
    var sides: array<Six, 6>;
    for (var j = 0u; j < 6u; j++) {
        let ix = first_x + i32(j);
        var column: Six;
        for (var i = 0u; i < 6u; i++) {
            let iy = first_y + i32(i);
            let row = (i32(tile.image) * height + clamp(iy, 0, height - 1)) * width;
            let pixel = x4[start + u32(row + clamp(ix, 0, width - 1)) * step];
            let seen = iy >= 0 && iy < height && ix >= 0 && ix < width;
            column[i] = select(vec4(0.0), pixel, seen);
        }
        sides[j] = input_side(column);
    }
    for (var i = 0u; i < 6u; i++) {
        let row = input_side(Six(
            sides[0][i], sides[1][i], sides[2][i], sides[3][i], sides[4][i], sides[5][i],
        ));
        for (var j = 0u; j < 6u; j++) {
            v4[at + (6u * i + j) * channels4] = row[j];
        }
    }
}

@compute @workgroup_size(64)
fn output(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let columns4 = params.out_channels / 4u;
    let column4 = index % columns4;
    let local = index / columns4;
    let tile = locate(params.first_tile + local);
    let start = params.m_offset / 4u + local * 36u * columns4 + column4;
    let after = epilogue(column4);
    let size = vec2(params.out_height, params.out_width);
    if local >= params.tiles {
        return;
    }
    var sides: array<Four, 6>;
    for (var j = 0u; j < 6u; j++) {
        var column: Six;
        for (var i = 0u; i < 6u; i++) {
            column[i] = m4[start + (6u * i + j) * columns4];
        }
        sides[j] = output_side(column);
    }
    for (var i = 0u; i < 4u; i++) {
        let sums = output_side(Six(
            sides[0][i], sides[1][i], sides[2][i], sides[3][i], sides[4][i], sides[5][i],
        ));
        store_row(tile, i, sums, after, size);
    }
}
