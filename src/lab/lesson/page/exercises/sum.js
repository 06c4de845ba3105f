// Exercise 2: the weighted sum.

import { randoms } from 'lesson/exercises/run.js';

const start = `// S[p] = sum over k of alpha[k] * A[p, k]
//
// A: (Z, C), the C channels of a position side by side: A[p, k] is A[p * C + k]. alpha: (C). S: (Z).

struct Params {
    positions: u32, // Z
    channels: u32,  // C
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> A: array<f32>;
@group(0) @binding(2) var<storage, read> alpha: array<f32>;
@group(0) @binding(3) var<storage, read_write> S: array<f32>;

@compute @workgroup_size(64)
fn weighted_sum(@builtin(global_invocation_id) id: vec3<u32>) {
    let p = id.x;
    if p >= params.positions {
        return;
    }
    var sum = 0.0;
    // Your loop over the channels.
    S[p] = sum;
}
`;

export const sum = {
  id: 'sum', title: 'Write the weighted sum',
  task: ['Each invocation makes one position of the map: equation 5.'],
  hints: ['for (var k = 0u; k < params.channels; k += 1u) { … }', 'One turn is one multiply-add: sum += alpha[k] * A[p * params.channels + k];'],
  start,
  solution: start.replace('    // Your loop over the channels.', `    for (var k = 0u; k < params.channels; k += 1u) {
        sum += alpha[k] * A[p * params.channels + k];
    }`),
  cases: (e) => {
    const own = e.weights && e.activation ? [['A and α of this page', Float32Array.from(e.activation), Float32Array.from(e.weights)]] : [];
    return [...own, ['random numbers', randoms(77 * 19, 1), randoms(19, 2)]].map(([name, A, alpha]) => {
      const [C, Z] = [alpha.length, A.length / alpha.length];
      return {
        name, passes: [{ entry: 'weighted_sum', groups: Math.ceil(Z / 64) }], output: 3, place: (p) => `position ${p}`,
        bindings: [{ kind: 'uniform', data: new Uint32Array([Z, C, 0, 0]) }, { kind: 'read', data: A }, { kind: 'read', data: alpha }, { kind: 'write', data: new Float32Array(Z).fill(-7) }],
        expected: Float64Array.from({ length: Z }, (_, p) => alpha.reduce((total, weight, k) => total + weight * A[p * C + k], 0)),
      };
    });
  },
};
