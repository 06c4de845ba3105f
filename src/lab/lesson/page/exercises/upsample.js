// Exercise 4: a bilinear resize whose map sits half a pixel off.

import { randoms } from 'lesson/exercises/run.js';
import { resized } from 'lesson/maths.js';

const start = `// up[y, x]: the map, (h, w), resized to (H, W), bilinear
//
// The heatmap that this makes is shifted to the lower right by up to half a cell of the map: it maps the
// corners of pixels where it should map their centres.

struct Params {
    height: u32,    // h
    width: u32,     // w
    to_height: u32, // H
    to_width: u32,  // W
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> map: array<f32>;
@group(0) @binding(2) var<storage, read_write> up: array<f32>;

// Where output \`index\` of \`to\` lies among \`size\` inputs, counted in inputs.
fn place(index: u32, size: u32, to: u32) -> f32 {
    return f32(index) * f32(size) / f32(to);
}

fn at(row: i32, column: i32) -> f32 {
    let i = clamp(row, 0, i32(params.height) - 1);
    let j = clamp(column, 0, i32(params.width) - 1);
    return map[u32(i) * params.width + u32(j)];
}

@compute @workgroup_size(64)
fn resize(@builtin(global_invocation_id) id: vec3<u32>) {
    let pixel = id.x;
    if pixel >= params.to_height * params.to_width {
        return;
    }
    let y = place(pixel / params.to_width, params.height, params.to_height);
    let x = place(pixel % params.to_width, params.width, params.to_width);
    let i = i32(floor(y));
    let j = i32(floor(x));
    let above = mix(at(i, j), at(i, j + 1), x - floor(x));
    let below = mix(at(i + 1, j), at(i + 1, j + 1), x - floor(x));
    up[pixel] = mix(above, below, y - floor(y));
}
`;

export const upsample = {
  id: 'upsample', title: 'The heatmap is half a pixel off',
  task: ['A pixel is a small square, and its number belongs to its centre. The centre of pixel 0 lies at 0.5. This is the fault that makes heatmaps of different programs disagree most often.'],
  hints: ['Go from the number of a pixel to its centre: + ½. Scale. Go back from the centre to the number: − ½.', 'return (f32(index) + 0.5) * f32(size) / f32(to) - 0.5;'],
  start,
  solution: start.replace('return f32(index) * f32(size) / f32(to);', 'return (f32(index) + 0.5) * f32(size) / f32(to) - 0.5;').replace(/\n\/\/\n\/\/ The heatmap that this[\s\S]*?centres\.\n/, '\n'),
  cases: (e) => [['the map of this page', Float32Array.from(e.sum, (value) => Math.max(0, value)), e.shape.slice(0, 2), [51, 73]], ['random numbers', randoms(35, 6), [5, 7], [16, 9]]].map(([name, map, from, to]) => ({
    name, passes: [{ entry: 'resize', groups: Math.ceil((to[0] * to[1]) / 64) }], output: 2, place: (i) => `row ${Math.floor(i / to[1])}, column ${i % to[1]}`,
    bindings: [{ kind: 'uniform', data: new Uint32Array([...from, ...to]) }, { kind: 'read', data: map }, { kind: 'write', data: new Float32Array(to[0] * to[1]).fill(-7) }],
    expected: resized(map, from, to),
  })),
};
