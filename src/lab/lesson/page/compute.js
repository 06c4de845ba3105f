// Opens the lesson: on the GPU by the exported plans, or without WebGPU from what was recorded and on the processor. Both
// answer the same questions.

import { Plans } from 'lesson/plan.js';
import { openDevice, problem, sentence } from 'lesson/device.js';
import { OnGpu } from 'lesson/gpu.js';
import { Recorded } from 'lesson/recorded.js';
import { expose } from 'lesson/api.js';

/** Opens the lesson in `data`, the JSON of the page. */
export async function openLesson(data, { onProgress = () => {} } = {}) {
  const opening = open(data, onProgress);
  expose(opening, data);
  return opening;
}

async function open(data, onProgress) {
  const plans = new Plans(data.program);
  const reopen = (how) => openLesson(data, how);
  let reason;
  try {
    const gpu = await openDevice(data.program.needs);
    const lesson = new OnGpu(data, plans, gpu, reopen);
    // A device that is lost meanwhile leaves some questions to it without an answer.
    const lost = gpu.lost.then(({ message }) => { throw problem('lost', message); });
    lost.catch(() => {});
    await Promise.race([lesson.guard(() => lesson.open(onProgress)), lost]);
    return lesson;
  } catch (error) {
    reason = error.kind ? error.message : `WebGPU is there, and preparing it failed: ${sentence(error.message, 'the browser does not say why.')}`;
  }
  return new Recorded(data, plans, reason, reopen);
}
