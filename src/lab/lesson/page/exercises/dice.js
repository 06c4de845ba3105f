// Exercise 6: Dice at all 256 thresholds in one pass over the pixels.

import { randoms } from 'lesson/exercises/run.js';
import { diceCurve } from 'lesson/maths.js';

const start = `// dice[t] = 2 |A and (B > t)| / (|A| + |B > t|) for t = 0..255
//
// pixels: for each pixel its grey level, plus 256 where it lies in the true outline A.
// bins: (512), all 0 in the beginning. dice: (256).
//
// Counting anew for each threshold reads every pixel 256 times. Count each grey level once instead:
// bins[level] outside of A, bins[256 + level] inside. All 256 scores follow from these 512 numbers.

struct Params {
    count: u32, // pixels
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> pixels: array<u32>;
@group(0) @binding(2) var<storage, read_write> bins: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> dice: array<f32>;

// One invocation a pixel.
@compute @workgroup_size(64)
fn count(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.count {
        return;
    }
    // Count this pixel.
}

// One invocation a threshold, after all pixels are counted.
@compute @workgroup_size(256)
fn scores(@builtin(local_invocation_index) t: u32) {
    var truth = 0u; // |A|
    var above = 0u; // |B > t|
    var both = 0u;  // |A and (B > t)|
    for (var level = 0u; level < 256u; level += 1u) {
        let inside = atomicLoad(&bins[256u + level]);
        truth += inside;
        // Add to above and both what lies above the threshold.
    }
    dice[t] = 2.0 * f32(both) / f32(max(truth + above, 1u));
}
`;

export const dice = {
  id: 'dice', title: 'Dice in one pass',
  task: ['Many invocations may want to count the same grey level at the same time. atomicAdd(&bins[n], 1u) makes sure that none is lost.',
    '“count” sees each pixel once; “scores” gets by with the 512 counts.'],
  hints: ['A pixel’s number is its place in bins already: atomicAdd(&bins[pixels[id.x]], 1u);', 'A level above the threshold: if level > t { … }', 'above grows by the pixels outside and inside, both only by those inside.'],
  start,
  solution: start.replace('    // Count this pixel.', '    atomicAdd(&bins[pixels[id.x]], 1u);').replace('        // Add to above and both what lies above the threshold.', `        if level > t {
            above += inside + atomicLoad(&bins[level]);
            both += inside;
        }`),
  cases: (e) => {
    const made = (count, seed) => {
      const random = randoms(2 * count, seed);
      return [Uint8Array.from({ length: count }, (_, i) => Math.floor(128 + 127.99 * random[i])), Uint8Array.from({ length: count }, (_, i) => (random[count + i] + random[i] > 0.3 ? 1 : 0))];
    };
    const own = e.page?.levels && e.page?.truth ? [['the heatmap and outline of this page', [e.page.levels, e.page.truth]]] : [];
    return [...own, ['random levels', made(5000, 9)], ['few pixels', made(70, 10)]].map(([name, [levels, truth]]) => ({
      name, passes: [{ entry: 'count', groups: Math.ceil(levels.length / 64) }, { entry: 'scores', groups: 1 }], turns: 300, output: 3, place: (t) => `Dice at t = ${t}`,
      bindings: [{ kind: 'uniform', data: new Uint32Array([levels.length, 0, 0, 0]) }, { kind: 'read', data: Uint32Array.from(levels, (level, i) => level + (truth[i] ? 256 : 0)) }, { kind: 'write', data: new Uint32Array(512) }, { kind: 'write', data: new Float32Array(256).fill(-7) }],
      expected: diceCurve(levels, truth).dice,
    }));
  },
};
