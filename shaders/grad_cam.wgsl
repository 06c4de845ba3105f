// cam[n, p] = max(0, sign * sum_c mean[n, c] * a[n, p, c]),  mean[n, c] = 1 / (H * W) * sum_p da[n, p, c]
//
// a, da: (N, H, W, C); p runs over H * W. cam: (N, H, W, 1). mean, weights: (N, C), scratch, which
// the first dispatch writes under the one name and the second reads under the other.
//
// Versions of the mean: `naive`, one channel of one image an invocation; `quad`, four channels.
// Versions of the sum: `naive`, one pixel an invocation; `quad`, the same by four channels at a
// time, the fastest on a software driver, read through textures; `workgroup`, 64 invocations share the channels of a pixel, so
// that neighbours read neighbouring channels, the fastest on a GPU.

struct Params {
    images: u32,   // N
    area: u32,     // H * W
    channels: u32, // C (naive), or a quarter of it
    sign: f32,
    a_offset: u32,
    a_stride: u32,
    da_offset: u32,
    da_stride: u32,
    cam_offset: u32,
    cam_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> da: array<f32>;
@group(0) @binding(2) var<storage, read_write> mean: array<f32>;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> cam: array<f32>;

@group(0) @binding(1) var<storage, read> da4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> mean4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> a4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weights4: array<vec4<f32>>;

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn mean_naive(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if index >= params.images * params.channels {
        return;
    }
    let row = index / params.channels * params.area;
    let start = params.da_offset + row * params.da_stride + index % params.channels;
    var sum = 0.0;
    for (var p = 0u; p < params.area; p++) {
        sum += da[start + p * params.da_stride];
    }
    mean[index] = sum / f32(params.area);
}

@compute @workgroup_size(64)
fn mean_quad(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if index >= params.images * params.channels {
        return;
    }
    let stride = params.da_stride / 4u;
    let row = index / params.channels * params.area;
    let start = params.da_offset / 4u + row * stride + index % params.channels;
    var sum = vec4(0.0);
    for (var p = 0u; p < params.area; p++) {
        sum += da4[start + p * stride];
    }
    mean4[index] = sum / f32(params.area);
}

@compute @workgroup_size(64)
fn sum_naive(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let pixel = (group.y * groups.x + group.x) * 64u + lane;
    if pixel >= params.images * params.area {
        return;
    }
    let start = params.a_offset + pixel * params.a_stride;
    let first = pixel / params.area * params.channels;
    var sum = 0.0;
    for (var c = 0u; c < params.channels; c++) {
        sum += weights[first + c] * a[start + c];
    }
    cam[params.cam_offset + pixel * params.cam_stride] = max(0.0, params.sign * sum);
}

@compute @workgroup_size(64)
fn sum_quad(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let pixel = (group.y * groups.x + group.x) * 64u + lane;
    if pixel >= params.images * params.area {
        return;
    }
    let start = (params.a_offset + pixel * params.a_stride) / 4u;
    let first = pixel / params.area * params.channels;
    var sum = vec4(0.0);
    for (var c = 0u; c < params.channels; c++) {
        sum += weights4[first + c] * a4[start + c];
    }
    cam[params.cam_offset + pixel * params.cam_stride] =
        max(0.0, params.sign * dot(sum, vec4(1.0)));
}

@compute @workgroup_size(64)
fn sum_workgroup(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let pixel = group.y * groups.x + group.x;
    if pixel >= params.images * params.area {
        return;
    }
    let start = (params.a_offset + pixel * params.a_stride) / 4u;
    let first = pixel / params.area * params.channels;
    var sum = vec4(0.0);
    for (var c = lane; c < params.channels; c += 64u) {
        sum += weights4[first + c] * a4[start + c];
    }
    sums[lane] = dot(sum, vec4(1.0));
    workgroupBarrier();
    for (var half = 32u; half > 0u; half >>= 1u) {
        if lane < half {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
    if lane == 0u {
        cam[params.cam_offset + pixel * params.cam_stride] = max(0.0, params.sign * sums[0]);
    }
}
