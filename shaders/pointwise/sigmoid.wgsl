// y[i] = 1 / (1 + exp(-u[i]))
//
// u, y: (N, H, W, 1).

#import "shared/grid.wgsl"

struct Params {
    count: u32,    // N * H * W
    u_offset: u32,
    u_stride: u32,
    y_offset: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> u: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn sigmoid(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if pixel < params.count {
        let odds = u[params.u_offset + pixel * params.u_stride];
        y[params.y_offset + pixel * params.y_stride] = 1.0 / (1.0 + exp(-odds));
    }
}
