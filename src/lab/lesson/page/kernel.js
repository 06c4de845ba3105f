// The kernels behind a part of the page: which there are, and a place to unfold them.

import { h, fill } from 'lesson/dom.js';
import { on } from 'lesson/state.js';
import { app } from 'lesson/app.js';
import { kernelPanel } from 'lesson/kernelpanel.js';

/** The kernels of a part of the page, to unfold. */
export function stageKernels(stage) {
  return folded(() => app.lesson.stages?.[stage] ?? null, 'This step is computed in JavaScript here; it has no kernel of its own.');
}

/** The kernels of one layer. */
export function layerKernels(layer) {
  return folded(() => {
    const steps = app.lesson.layers?.find(({ name }) => name === layer.name)?.steps;
    return steps?.length ? { program: app.lesson.program, steps } : null;
  }, 'This layer has no kernel of its own.');
}

function folded(source, otherwise) {
  const place = h('div', {});
  const name = h('span', { class: 'note' });
  const details = h('details', { class: 'kernel' }, h('summary', {}, 'The kernel of this step ', name), place);
  let shown = null;
  const build = () => {
    const found = source();
    const groups = found ? shadersOf(found) : [];
    name.textContent = groups.map(({ shader }) => shader).join(', ');
    if (!details.open) return;
    const key = groups.map(({ shader }) => shader).join();
    if (shown && shown.key === key && shown.program === found?.program) return;
    shown = { key, program: found?.program };
    if (groups.length) fill(place, ...groups.map((group) => kernelPanel(group)));
    else fill(place, h('p', { class: 'note' }, app.lesson.mode === 'webgpu' ? otherwise : 'The kernels run where WebGPU is there. Their text stands in step 13.'));
  };
  details.addEventListener('toggle', build);
  on(['explanation'], build);
  build();
  return details;
}

/** Steps that share a text belong together: `[{program, shader, wgsl, steps}]`. */
export function shadersOf({ program, steps }) {
  const groups = new Map();
  for (const index of steps) {
    const step = program.steps[index];
    if (!groups.has(step.shader)) groups.set(step.shader, { program, shader: step.shader, wgsl: step.wgsl, steps: [] });
    groups.get(step.shader).steps.push(step);
  }
  return [...groups.values()];
}

/** All kernels of `programs` as they came, and every step by its own version. */
export async function asTheyCame(programs) {
  for (const program of programs) {
    for (const shader of [...program.edits.keys()]) program.restore(shader);
    for (const step of program.steps) await program.choose(step.step);
  }
}
