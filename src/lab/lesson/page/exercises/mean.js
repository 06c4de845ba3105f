// Exercise 3: the mean of the gradient as a parallel reduction.

import { randoms } from 'lesson/exercises/run.js';

const start = `// alpha[k] = (1 / Z) * sum over p of g[p, k]
//
// g: (Z, C), g[p, k] is g[p * C + k]. alpha: (C). One workgroup of 64 invocations a channel.
//
// Here invocation 0 does all the work, and 63 wait. Share it out.

struct Params {
    positions: u32, // Z
    channels: u32,  // C
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;
@group(0) @binding(2) var<storage, read_write> alpha: array<f32>;

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn mean(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let k = group.x;
    var sum = 0.0;
    if lane == 0u {
        for (var p = 0u; p < params.positions; p += 1u) {
            sum += g[p * params.channels + k];
        }
        alpha[k] = sum / f32(params.positions);
    }
}
`;

const solution = `// alpha[k] = (1 / Z) * sum over p of g[p, k]
//
// g: (Z, C), g[p, k] is g[p * C + k]. alpha: (C). One workgroup of 64 invocations a channel.

struct Params {
    positions: u32, // Z
    channels: u32,  // C
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;
@group(0) @binding(2) var<storage, read_write> alpha: array<f32>;

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn mean(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let k = group.x;
    var sum = 0.0;
    for (var p = lane; p < params.positions; p += 64u) {
        sum += g[p * params.channels + k];
    }
    sums[lane] = sum;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if lane < half {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
    if lane == 0u {
        alpha[k] = sums[0] / f32(params.positions);
    }
}
`;

export const mean = {
  id: 'mean', title: 'Make the mean a parallel reduction',
  task: ['The result is right already, and the kernel is slow: one invocation adds everything. Let invocation “lane” add every 64th position, put its sum into “sums”, and add the 64 sums in six halvings.',
    'The check allows an invocation 48 turns of its loops, while the maps have up to 1,500 positions.'],
  hints: ['Start at p = lane and go on by 64.', 'Write sums[lane] = sum, then workgroupBarrier(): nobody reads before all have written.', 'Halve: where lane < half, add sums[lane + half]. The barrier stands outside of the if, or not all would reach it.'],
  start, solution,
  cases: (e) => {
    const own = e.gradient ? [['the gradient of this page', Float32Array.from(e.gradient), e.shape[2]]] : [];
    return [...own, ['1,500 positions', randoms(1500 * 8, 3), 8], ['fewer positions than invocations', randoms(13 * 5, 4), 5]].filter(([, g, C]) => g.length / C <= 2304).map(([name, g, C]) => {
      const Z = g.length / C;
      const sums = new Float64Array(C);
      for (let i = 0; i < g.length; i += 1) sums[i % C] += g[i];
      return {
        name, passes: [{ entry: 'mean', groups: C }], turns: 48, output: 2, place: (k) => `channel ${k}`,
        stopped: 'An invocation was stopped after 48 turns: it still does too much by itself. Share the positions among 64 invocations.',
        bindings: [{ kind: 'uniform', data: new Uint32Array([Z, C, 0, 0]) }, { kind: 'read', data: g }, { kind: 'write', data: new Float32Array(C).fill(-7) }],
        expected: sums.map((total) => total / Z),
      };
    });
  },
};
