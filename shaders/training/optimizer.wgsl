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
// What depends on the step is in h already, computed on the host in double precision. h[6] multiplies
// every gradient first: one over the loss scale, 1 where there is none.
//
// Versions: `naive`, one parameter an invocation; `fours`, four vectors of four, which also spreads
// the cost of reading h.

#import "shared/grid.wgsl"

struct Params {
    count: u32, // P (naive), or a quarter of it (fours)
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
    unscale: f32,
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
        hyper[at],
        hyper[at + 1u],
        hyper[at + 2u],
        hyper[at + 3u],
        hyper[at + 4u],
        hyper[at + 5u],
        hyper[at + 6u],
    );
}

fn update(h: Hyper, before: Update, scaled: vec4<f32>) -> Update {
    let g = scaled * h.unscale;
    var after = before;
    switch RULE {
        case 1u: {
            after.s0 = h.b * before.s0 - h.a * g;
            after.p = before.p + after.s0;
        }
        case 2u: {
            after.s0 = h.b * before.s0 - h.a * g;
            after.p = before.p + (h.b * after.s0 - h.a * g);
        }
        case 3u: {
            after.s0 = before.s0 + (g - before.s0) * h.a;
            after.s1 = before.s1 + (g * g - before.s1) * h.b;
            after.p = before.p - h.c * after.s0 / (sqrt(after.s1) + h.d);
        }
        case 4u: {
            after.s0 = before.s0 + (g - before.s0) * h.a;
            after.s1 = before.s1 + (g * g - before.s1) * h.b;
            after.p = before.p - (h.c * after.s0 + h.d * g) / (sqrt(after.s1 * h.e) + h.f);
        }
        case 5u: {
            after.s0 = h.a * before.s0 + h.b * g * g;
            after.p = before.p - h.c * g / sqrt(after.s0 + h.d);
        }
        case 6u: {
            after.s0 = h.a * before.s0 + h.b * g * g;
            after.s1 = h.e * before.s1 + h.c * g / sqrt(after.s0 + h.d);
            after.p = before.p - after.s1;
        }
        default: {
            after.p = before.p - h.a * g;
        }
    }
    return after;
}

@compute @workgroup_size(64)
fn naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count || !finite() {
        return;
    }
    var before = Update(vec4(parameters[params.parameters_offset + index]), vec4(0.0), vec4(0.0));
    if STATES > 0u {
        before.s0 = vec4(state0[params.state0_offset + index]);
    }
    if STATES > 1u {
        before.s1 = vec4(state1[params.state1_offset + index]);
    }
    let after = update(numbers(), before, vec4(gradients[params.gradients_offset + index]));
    parameters[params.parameters_offset + index] = after.p.x;
    if STATES > 0u {
        state0[params.state0_offset + index] = after.s0.x;
    }
    if STATES > 1u {
        state1[params.state1_offset + index] = after.s1.x;
    }
}

@compute @workgroup_size(64)
fn fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let first = number_of(grid.workgroup, grid.workgroups) * 256u + invocation;
    if first >= params.count || !finite() {
        return;
    }
    let h = numbers();
    let end = min(first + 256u, params.count);
    for (var index = first; index < end; index += 64u) {
        let at = params.parameters_offset / 4u + index;
        let at0 = params.state0_offset / 4u + index;
        let at1 = params.state1_offset / 4u + index;
        var before = Update(parameters4[at], vec4(0.0), vec4(0.0));
        if STATES > 0u {
            before.s0 = state04[at0];
        }
        if STATES > 1u {
            before.s1 = state14[at1];
        }
        let after = update(h, before, gradients4[params.gradients_offset / 4u + index]);
        parameters4[at] = after.p;
        if STATES > 0u {
            state04[at0] = after.s0;
        }
        if STATES > 1u {
            state14[at1] = after.s1;
        }
    }
}
