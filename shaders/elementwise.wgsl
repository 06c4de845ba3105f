// y = o7(... o1(o0(x0))), a chain of up to eight elementwise steps over up to four tensors.
//
// x0..x3, y: (rows, channels), all of one shape; each has its own offset and distance of rows.
//
// A step is an override, so a pipeline holds only the steps it was made for:
//   0 nothing   1 max(a, 0)   2 clamp(a, 0, 6)   3 a + x   4 a * x
//   5 a where x > 0, else 0   6 a where 0 < x < 6, else 0   7 a * k   8 a - x   9 max(a, x)
//   10 min(a, x)   11 a where x >= 0, else 0   12 a where x < 0, else 0   13 a + k
// where a is the value so far, x the tensor ARGi, k the uniform k_i.
//
// Versions: `naive`, one element an invocation; `quad`, four channels an invocation, for shapes
// whose rows start and end on multiples of four.

struct Params {
    count: u32,    // rows * channels (naive), or a quarter of it (quad)
    channels: u32, // channels (naive), or a quarter of them (quad)
    x0_offset: u32,
    x0_stride: u32,
    x1_offset: u32,
    x1_stride: u32,
    x2_offset: u32,
    x2_stride: u32,
    x3_offset: u32,
    x3_stride: u32,
    y_offset: u32,
    y_stride: u32,
    k0: f32,
    k1: f32,
    k2: f32,
    k3: f32,
    k4: f32,
    k5: f32,
    k6: f32,
    k7: f32,
}

override OP0: u32 = 0u;
override OP1: u32 = 0u;
override OP2: u32 = 0u;
override OP3: u32 = 0u;
override OP4: u32 = 0u;
override OP5: u32 = 0u;
override OP6: u32 = 0u;
override OP7: u32 = 0u;
override ARG0: u32 = 0u;
override ARG1: u32 = 0u;
override ARG2: u32 = 0u;
override ARG3: u32 = 0u;
override ARG4: u32 = 0u;
override ARG5: u32 = 0u;
override ARG6: u32 = 0u;
override ARG7: u32 = 0u;
// How many tensors there are, and whether all are without gaps, so that rows need not be told apart.
override INPUTS: u32 = 1u;
override DENSE: bool = false;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x0: array<f32>;
@group(0) @binding(2) var<storage, read> x1: array<f32>;
@group(0) @binding(3) var<storage, read> x2: array<f32>;
@group(0) @binding(4) var<storage, read> x3: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

@group(0) @binding(1) var<storage, read> x04: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x14: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x24: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> x34: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> y4: array<vec4<f32>>;

fn step(op: u32, a: vec4<f32>, x: vec4<f32>, k: f32) -> vec4<f32> {
    switch op {
        case 1u: { return max(a, vec4(0.0)); }
        case 2u: { return clamp(a, vec4(0.0), vec4(6.0)); }
        case 3u: { return a + x; }
        case 4u: { return a * x; }
        case 5u: { return select(vec4(0.0), a, x > vec4(0.0)); }
        case 6u: { return select(vec4(0.0), a, (x > vec4(0.0)) & (x < vec4(6.0))); }
        case 7u: { return a * k; }
        case 8u: { return a - x; }
        case 9u: { return max(a, x); }
        case 10u: { return min(a, x); }
        case 11u: { return select(vec4(0.0), a, x >= vec4(0.0)); }
        case 12u: { return select(vec4(0.0), a, x < vec4(0.0)); }
        case 13u: { return a + k; }
        default: { return a; }
    }
}

fn pick(arg: u32, a: vec4<f32>, b: vec4<f32>, c: vec4<f32>) -> vec4<f32> {
    if arg == 1u {
        return a;
    }
    if arg == 2u {
        return b;
    }
    return c;
}

fn chain(v0: vec4<f32>, v1: vec4<f32>, v2: vec4<f32>, v3: vec4<f32>) -> vec4<f32> {
    var a = step(OP0, v0, pick(ARG0, v1, v2, v3), params.k0);
    if OP1 != 0u {
        a = step(OP1, a, pick(ARG1, v1, v2, v3), params.k1);
    }
    if OP2 != 0u {
        a = step(OP2, a, pick(ARG2, v1, v2, v3), params.k2);
    }
    if OP3 != 0u {
        a = step(OP3, a, pick(ARG3, v1, v2, v3), params.k3);
    }
    if OP4 != 0u {
        a = step(OP4, a, pick(ARG4, v1, v2, v3), params.k4);
    }
    if OP5 != 0u {
        a = step(OP5, a, pick(ARG5, v1, v2, v3), params.k5);
    }
    if OP6 != 0u {
        a = step(OP6, a, pick(ARG6, v1, v2, v3), params.k6);
    }
    if OP7 != 0u {
        a = step(OP7, a, pick(ARG7, v1, v2, v3), params.k7);
    }
    return a;
}

@compute @workgroup_size(64)
fn naive(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if index >= params.count {
        return;
    }
    var row = 0u;
    var channel = index;
    if !DENSE {
        row = index / params.channels;
        channel = index % params.channels;
    }
    let v0 = vec4(x0[params.x0_offset + row * params.x0_stride + channel]);
    var v1 = vec4(0.0);
    if INPUTS > 1u {
        v1 = vec4(x1[params.x1_offset + row * params.x1_stride + channel]);
    }
    var v2 = vec4(0.0);
    if INPUTS > 2u {
        v2 = vec4(x2[params.x2_offset + row * params.x2_stride + channel]);
    }
    var v3 = vec4(0.0);
    if INPUTS > 3u {
        v3 = vec4(x3[params.x3_offset + row * params.x3_stride + channel]);
    }
    y[params.y_offset + row * params.y_stride + channel] = chain(v0, v1, v2, v3).x;
}

@compute @workgroup_size(64)
fn quad(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if index >= params.count {
        return;
    }
    var row = 0u;
    var channel = index;
    if !DENSE {
        row = index / params.channels;
        channel = index % params.channels;
    }
    let v0 = x04[(params.x0_offset + row * params.x0_stride) / 4u + channel];
    var v1 = vec4(0.0);
    if INPUTS > 1u {
        v1 = x14[(params.x1_offset + row * params.x1_stride) / 4u + channel];
    }
    var v2 = vec4(0.0);
    if INPUTS > 2u {
        v2 = x24[(params.x2_offset + row * params.x2_stride) / 4u + channel];
    }
    var v3 = vec4(0.0);
    if INPUTS > 3u {
        v3 = x34[(params.x3_offset + row * params.x3_stride) / 4u + channel];
    }
    y4[(params.y_offset + row * params.y_stride) / 4u + channel] = chain(v0, v1, v2, v3);
}
