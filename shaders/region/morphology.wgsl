// y[i] = max or min of x[i + t] over the steps t of a shape that lead to pixels of the image
//
// x, y: (N, H, W, 1). A square has |t_y| <= radius and |t_x| <= radius, a disc t_y^2 + t_x^2 <= radius^2.

#import "shared/grid.wgsl"

struct Params {
    count: u32,    // N * H * W
    height: u32,
    width: u32,
    radius: u32,
    x_offset: u32,
    x_stride: u32,
    y_offset: u32,
    y_stride: u32,
}

// Disc, or square.
override DISC: bool = true;
// 1 for the maximum, -1 for the minimum.
override TURN: f32 = 1.0;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn reach(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if pixel >= params.count {
        return;
    }
    let radius = params.radius;
    let column = pixel % params.width;
    let row = pixel / params.width % params.height;
    let left = min(column, radius);
    let columns = left + min(params.width - 1u - column, radius);
    let up = min(row, radius);
    let rows = up + min(params.height - 1u - row, radius);
    let first = pixel - up * params.width - left;
    var most = TURN * x[params.x_offset + pixel * params.x_stride];
    for (var i = 0u; i <= rows; i += 1u) {
        let down = max(i, up) - min(i, up);
        for (var j = 0u; j <= columns; j += 1u) {
            let aside = max(j, left) - min(j, left);
            let at = first + i * params.width + j;
            let value = TURN * x[params.x_offset + at * params.x_stride];
            let outside = DISC && down * down + aside * aside > radius * radius;
            most = select(max(most, value), most, outside);
        }
    }
    y[params.y_offset + pixel * params.y_stride] = TURN * most;
}
