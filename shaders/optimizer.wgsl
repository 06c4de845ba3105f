// p = p - step(g), the update rules of Keras 3, for all parameters at once; nothing where the loss
// is not finite.
//
// parameters: p, (P). gradients: g, (P). loss: one number, by its bits. hyper: h, (8).
// state0, state1: (P), what a rule remembers: m, a mean of gradients; v, a mean of their squares.
//
// RULE                 state0, state1   h
// 0 SGD                                 rate
// 1 with momentum      m                rate, momentum
// 2 with Nesterov's    m                rate, momentum
// 3 Adam               m, v             1 - beta1, 1 - beta2, corrected rate, epsilon
// 4 Nadam              m, v             1 - beta1, 1 - beta2, rates of m and of g, correction of v,
//                                       epsilon
// 5 RMSprop            v                rho, 1 - rho, rate, epsilon
// 6 with momentum      v, m             rho, 1 - rho, rate, epsilon, momentum
//
// What depends on the step is in h already, computed on the host in double precision.
//
// Versions: `naive`, one parameter an invocation; `quad`, four vectors of four, which also spreads
// the cost of reading h.

struct Params {
    count: u32, // P (naive), or a quarter of it (quad)
    parameters_offset: u32,
    gradients_offset: u32,
    hyper_offset: u32,
    loss_offset: u32,
    state0_offset: u32,
    state1_offset: u32,
}

override RULE: u32 = 0u;
override STATES: u32 = 0u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(2) var<storage, read> gradients: array<f32>;
@group(0) @binding(3) var<storage, read> hyper: array<f32>;
@group(0) @binding(4) var<storage, read> loss: array<u32>;
@group(0) @binding(5) var<storage, read_write> state0: array<f32>;
@group(0) @binding(6) var<storage, read_write> state1: array<f32>;

@group(0) @binding(1) var<storage, read_write> parameters4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gradients4: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> state04: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> state14: array<vec4<f32>>;

struct Hyper {
    a: f32,
    b: f32,
    c: f32,
    d: f32,
    e: f32,
    f: f32,
}

struct Update {
    p: vec4<f32>,
    s0: vec4<f32>,
    s1: vec4<f32>,
}

// WGSL may assume that there is no infinity and no NaN, so the bits are looked at.
fn finite() -> bool {
    return (loss[params.loss_offset] & 0x7f800000u) != 0x7f800000u;
}

fn numbers() -> Hyper {
    let at = params.hyper_offset;
    return Hyper(
        hyper[at], hyper[at + 1u], hyper[at + 2u], hyper[at + 3u], hyper[at + 4u], hyper[at + 5u]
    );
}

fn update(h: Hyper, old: Update, g: vec4<f32>) -> Update {
    var new = old;
    switch RULE {
        case 1u: {
            new.s0 = h.b * old.s0 - h.a * g;
            new.p = old.p + new.s0;
        }
        case 2u: {
            new.s0 = h.b * old.s0 - h.a * g;
            new.p = old.p + (h.b * new.s0 - h.a * g);
        }
        case 3u: {
            new.s0 = old.s0 + (g - old.s0) * h.a;
            new.s1 = old.s1 + (g * g - old.s1) * h.b;
            new.p = old.p - h.c * new.s0 / (sqrt(new.s1) + h.d);
        }
        case 4u: {
            new.s0 = old.s0 + (g - old.s0) * h.a;
            new.s1 = old.s1 + (g * g - old.s1) * h.b;
            new.p = old.p - (h.c * new.s0 + h.d * g) / (sqrt(new.s1 * h.e) + h.f);
        }
        case 5u: {
            new.s0 = h.a * old.s0 + h.b * g * g;
            new.p = old.p - h.c * g / sqrt(new.s0 + h.d);
        }
        case 6u: {
            new.s0 = h.a * old.s0 + h.b * g * g;
            new.s1 = h.e * old.s1 + h.c * g / sqrt(new.s0 + h.d);
            new.p = old.p - new.s1;
        }
        default: {
            new.p = old.p - h.a * g;
        }
    }
    return new;
}

@compute @workgroup_size(64)
fn naive(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if index >= params.count || !finite() {
        return;
    }
    var old = Update(vec4(parameters[params.parameters_offset + index]), vec4(0.0), vec4(0.0));
    if STATES > 0u {
        old.s0 = vec4(state0[params.state0_offset + index]);
    }
    if STATES > 1u {
        old.s1 = vec4(state1[params.state1_offset + index]);
    }
    let new = update(numbers(), old, vec4(gradients[params.gradients_offset + index]));
    parameters[params.parameters_offset + index] = new.p.x;
    if STATES > 0u {
        state0[params.state0_offset + index] = new.s0.x;
    }
    if STATES > 1u {
        state1[params.state1_offset + index] = new.s1.x;
    }
}

@compute @workgroup_size(64)
fn quad(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = (group.y * groups.x + group.x) * 256u + lane;
    if first >= params.count || !finite() {
        return;
    }
    let h = numbers();
    let end = min(first + 256u, params.count);
    for (var index = first; index < end; index += 64u) {
        let at = params.parameters_offset / 4u + index;
        let at0 = params.state0_offset / 4u + index;
        let at1 = params.state1_offset / 4u + index;
        var old = Update(parameters4[at], vec4(0.0), vec4(0.0));
        if STATES > 0u {
            old.s0 = state04[at0];
        }
        if STATES > 1u {
            old.s1 = state14[at1];
        }
        let new = update(h, old, gradients4[params.gradients_offset / 4u + index]);
        parameters4[at] = new.p;
        if STATES > 0u {
            state04[at0] = new.s0;
        }
        if STATES > 1u {
            state14[at1] = new.s1;
        }
    }
}
