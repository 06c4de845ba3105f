// Exercise 5: a 3 x 3 convolution with a border of zeros.

import { randoms } from 'lesson/exercises/run.js';

const start = `// y[i, j] = sum over a, b of w[a, b] * x[i + a - 1, j + b - 1],  a and b from 0 to 2
//
// x, y: (H, W), one channel. w: (3, 3). What lies outside of x counts as 0.
//
// So far only the middle of the filter is used.

struct Params {
    height: u32, // H
    width: u32,  // W
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(8, 8)
fn convolution(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.y;
    let j = id.x;
    if i >= params.height || j >= params.width {
        return;
    }
    var sum = w[4] * x[i * params.width + j];
    y[i * params.width + j] = sum;
}
`;

export const convolution = {
  id: 'convolution', title: 'A convolution by hand',
  task: ['This is what most layers of the network are made of. The check runs your filter over the picture that the network sees.'],
  hints: ['Two loops, a and b from 0 to 2, and one multiply-add in the middle: w[a * 3u + b].', 'Rows and columns of unsigned numbers cannot be −1. Compute with i32: let row = i32(i) + i32(a) - 1;', 'Skip what lies outside: if row < 0 || column < 0 || row >= i32(params.height) || column >= i32(params.width) { continue; }'],
  start,
  solution: start.replace('    var sum = w[4] * x[i * params.width + j];', `    var sum = 0.0;
    for (var a = 0u; a < 3u; a += 1u) {
        for (var b = 0u; b < 3u; b += 1u) {
            let row = i32(i) + i32(a) - 1;
            let column = i32(j) + i32(b) - 1;
            if row < 0 || column < 0 || row >= i32(params.height) || column >= i32(params.width) {
                continue;
            }
            sum += w[a * 3u + b] * x[u32(row) * params.width + u32(column)];
        }
    }`).replace(/\n\/\/\n\/\/ So far only[^\n]*/, ''),
  cases: (e) => {
    const side = Math.round(Math.sqrt(e.input?.length ?? 0));
    const own = side > 0 && side * side === e.input.length ? [['the picture of this page', Float32Array.from(e.input), [side, side]]] : [];
    return [...own, ['random numbers', randoms(11 * 17, 7), [11, 17]]].map(([name, x, [H, W]]) => {
      const w = randoms(9, 8);
      const expected = new Float64Array(H * W);
      for (let i = 0; i < H; i += 1) for (let j = 0; j < W; j += 1) for (let a = 0; a < 3; a += 1) for (let b = 0; b < 3; b += 1) {
        const [row, column] = [i + a - 1, j + b - 1];
        if (row >= 0 && column >= 0 && row < H && column < W) expected[i * W + j] += w[a * 3 + b] * x[row * W + column];
      }
      return {
        name, passes: [{ entry: 'convolution', groups: [Math.ceil(W / 8), Math.ceil(H / 8)] }], turns: 64, output: 3, place: (p) => `row ${Math.floor(p / W)}, column ${p % W}`,
        bindings: [{ kind: 'uniform', data: new Uint32Array([H, W, 0, 0]) }, { kind: 'read', data: x }, { kind: 'read', data: w }, { kind: 'write', data: new Float32Array(H * W).fill(-7) }], expected,
      };
    });
  },
};
