// Which version of a step a processor runs, where the browser has one behind WebGPU in the place of a GPU.
//
// It runs the invocations of a workgroup one after another, and has to change between them at each barrier: what is fast on
// a GPU because it shares memory in a workgroup is slow there.

import { waits } from 'lesson/guard.js';

/** Whether pipelines of a document wait at barriers, by their number. */
const known = new WeakMap();

/** The step itself where it has no barrier, else the fastest of its rungs without one. */
export function forProcessor(document, plan, step) {
  if (!known.has(document)) known.set(document, new Map());
  const of = known.get(document);
  const waiting = ({ dispatches }) => dispatches.some((number) => {
    const { pipeline } = plan.dispatches[number];
    if (!of.has(pipeline)) {
      const { shader, entry } = document.pipelines[pipeline];
      of.set(pipeline, waits(document.shaders[shader].wgsl, entry));
    }
    return of.get(pipeline);
  });
  if (!waiting(step)) return step;
  return step.rungs?.findLast((rung) => !rung.feature && !waiting(rung)) ?? step;
}
