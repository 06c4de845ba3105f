// Exercise 1: a ReLU with two faults.

import { randoms } from 'lesson/exercises/run.js';

const start = `// L[i] = max(0, S[i])
//
// This kernel has two faults. One lights up what speaks against the class. The other shows only in the last number.

struct Params {
    count: u32, // numbers in S and in L
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> S: array<f32>;
@group(0) @binding(2) var<storage, read_write> L: array<f32>;

@compute @workgroup_size(64)
fn relu(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i >= params.count - 1u {
        return;
    }
    L[i] = abs(S[i]);
}
`;

export const relu = {
  id: 'relu', title: 'Fix this ReLU',
  task: ['64 invocations run at the same time, and each writes one number. There are as many as needed, rounded up to a multiple of 64; those beyond the end must do nothing.'],
  hints: ['abs(−3) is 3. What should ReLU make of −3?', 'With count = 144 the last number has i = 143. Does this invocation return?'],
  start,
  solution: start.replace('params.count - 1u', 'params.count').replace('abs(S[i])', 'max(0.0, S[i])').replace(/\n\/\/\n\/\/ This kernel has[^\n]*/, ''),
  cases: (e) => [['the sum of this page', Float32Array.from(e.sum)], ['random numbers', randoms(201, 5)]].map(([name, S]) => ({
    name, passes: [{ entry: 'relu', groups: Math.ceil(S.length / 64) }], turns: 1000, output: 2,
    bindings: [{ kind: 'uniform', data: new Uint32Array([S.length, 0, 0, 0]) }, { kind: 'read', data: S }, { kind: 'write', data: new Float32Array(S.length).fill(-7) }],
    expected: Float64Array.from(S, (value) => Math.max(0, value)),
  })),
};
