// y[i] = 1 / (1 + exp(-u[i]))
//
// u, y: (N, H, W, 1).

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
fn sigmoid(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let pixel = (group.y * groups.x + group.x) * 64u + lane;
    if pixel < params.count {
        let odds = u[params.u_offset + pixel * params.u_stride];
        y[params.y_offset + pixel * params.y_stride] = 1.0 / (1.0 + exp(-odds));
    }
}
