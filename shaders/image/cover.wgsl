// y[n, p, c] = base[c] where pixel p = (row, column) lies in square n, x[p, c] elsewhere
//
// x: (1, H, W, C), the same for all n; y: (N, H, W, C); base: (C).
// squares: (N, 4), whole numbers: the first row, the row after the last, and the same of columns.

#import "shared/grid.wgsl"

struct Params {
    count: u32, // N * H * W
    height: u32,
    width: u32,
    channels: u32,
    x_offset: u32,
    x_stride: u32,
    base_offset: u32,
    squares_offset: u32,
    squares_stride: u32,
    y_offset: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> base: array<f32>;
@group(0) @binding(3) var<storage, read> squares: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let image = pixel / (params.height * params.width);
    let own = pixel % (params.height * params.width);
    if pixel >= params.count {
        return;
    }
    let row = f32(own / params.width);
    let column = f32(own % params.width);
    let at = params.squares_offset + image * params.squares_stride;
    let covered = row >= squares[at] && row < squares[at + 1u]
        && column >= squares[at + 2u] && column < squares[at + 3u];
    let x_at = params.x_offset + own * params.x_stride;
    let y_at = params.y_offset + pixel * params.y_stride;
    for (var c = 0u; c < params.channels; c++) {
        y[y_at + c] = select(x[x_at + c], base[params.base_offset + c], covered);
    }
}
