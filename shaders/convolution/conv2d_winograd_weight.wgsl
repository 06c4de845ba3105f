// `gradient` and `kernel_gradient` of Winograd's convolution with respect to the kernel.
// conv2d_winograd.wgsl says what they compute.

#import "convolution/winograd.wgsl"
#import "shared/grid.wgsl"

@group(0) @binding(1) var<storage, read> dy4: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> z4: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read> q4: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> dw4: array<vec4<f32>>;

// A d
fn gradient_side(d: Four) -> Six {
    let even_a = d[0] + 0.5 * d[2];
    let odd_a = A * (d[1] + 0.5 * d[3]);
    let even_b = d[0] + 2.0 * d[2];
    let odd_b = B * (d[1] + 2.0 * d[3]);
    return Six(d[0], even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, d[3]);
}

// G^T m
fn kernel_gradient_side(m: Six) -> Three {
    let even_a = (m[1] + m[2]) / -3.0;
    let odd_a = (m[1] - m[2]) * (2.0 * A / -3.0);
    let even_b = (m[3] + m[4]) / 3.0;
    let odd_b = (m[3] - m[4]) * (B / 6.0);
    return Three(m[0] + 2.0 * even_a + 0.5 * even_b, odd_a + odd_b, even_a + even_b + m[5]);
}

@compute @workgroup_size(64)
fn gradient(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let columns4 = params.out_channels / 4u;
    let column4 = index % columns4;
    let local = index / columns4;
    let tile = locate(params.first_tile + local);
    let height = params.out_height;
    let width = params.out_width;
    let start = params.dy_offset / 4u + column4;
    let step = params.dy_stride / 4u;
    let at = params.z_offset / 4u + local * 36u * columns4 + column4;
    if local >= params.tiles {
        return;
    }
    var sides: array<Six, 4>;
    for (var j = 0u; j < 4u; j++) {
        let x = tile.x + j;
        var column: Four;
        for (var i = 0u; i < 4u; i++) {
            let y = tile.y + i;
            let row = (tile.image * height + min(y, height - 1u)) * width;
            let pixel = dy4[start + (row + min(x, width - 1u)) * step];
            column[i] = select(vec4(0.0), pixel, y < height && x < width);
        }
        sides[j] = gradient_side(column);
    }
    for (var i = 0u; i < 6u; i++) {
        let row = gradient_side(Four(sides[0][i], sides[1][i], sides[2][i], sides[3][i]));
        for (var j = 0u; j < 6u; j++) {
            z4[at + (6u * i + j) * columns4] = row[j];
        }
    }
}

@compute @workgroup_size(64)
fn kernel_gradient(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let columns4 = params.out_channels / 4u;
    let channels = params.in_channels;
    let ci = index / columns4;
    let start = params.q_offset / 4u + ci * 36u * columns4 + index % columns4;
    let at = params.dw_offset / 4u + index;
    let adds = params.first_tile > 0u;
    if ci >= channels {
        return;
    }
    var sides: array<Three, 6>;
    for (var j = 0u; j < 6u; j++) {
        var column: Six;
        for (var i = 0u; i < 6u; i++) {
            column[i] = q4[start + (6u * i + j) * columns4];
        }
        sides[j] = kernel_gradient_side(column);
    }
    for (var i = 0u; i < 3u; i++) {
        let row = kernel_gradient_side(Six(
            sides[0][i], sides[1][i], sides[2][i], sides[3][i], sides[4][i], sides[5][i],
        ));
        for (var j = 0u; j < 3u; j++) {
            let tap = at + (3u * i + j) * channels * columns4;
            var value = row[j];
            if adds {
                value += dw4[tap];
            }
            dw4[tap] = value;
        }
    }
}
