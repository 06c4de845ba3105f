// The end of Winograd's convolutions: conv2d_winograd.wgsl says what they compute.

#import "convolution/epilogue.wgsl"
#import "convolution/winograd.wgsl"

@group(0) @binding(6) var<storage, read_write> y4: array<vec4<f32>>;

// A^T m
fn output_side(m: Six) -> Four {
    let even_a = m[1] + m[2];
    let odd_a = A * (m[1] - m[2]);
    let even_b = m[3] + m[4];
    let odd_b = B * (m[3] - m[4]);
    return Four(
        m[0] + even_a + even_b,
        odd_a + odd_b,
        0.5 * even_a + 2.0 * even_b,
        0.5 * odd_a + 2.0 * odd_b + m[5],
    );
}

// Stores row i of a tile's finished sums, as far as it is there; `size`: height and width of y, which a software
// driver reads faster before the first branch.
fn store_row(tile: Tile, i: u32, sums: Four, after: Epilogue, size: vec2<u32>) {
    let first = (tile.image * size.x + tile.y + i) * size.y + tile.x;
    for (var j = 0u; j < 4u; j++) {
        if tile.y + i < size.x && tile.x + j < size.y {
            var value = (sums[j] + after.bias) * after.scale + after.shift;
            if EPILOGUE_RESIDUAL {
                value += residual4[after.residual_at + (first + j) * after.residual_stride];
            }
            y4[after.at + (first + j) * after.stride] = activate(value);
        }
    }
}
