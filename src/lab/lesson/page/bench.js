// Times the kernels that the page runs, as `parula bench` does: the median of several samples, each of so many runs
// that it is longer than the clock's grain. The JSON is what `parula bench --compare` reads.

import { problem } from 'lesson/device.js';

const SAMPLES = 5;
const SAMPLE_MS = 8;
const MOST_REPEATS = 1000;
/** What all samples of one kernel may take. */
const BUDGET_MS = 800;

/**
 * `{json, rows: [{op, variant, case, ms, gflops, gbps}], clock: 'timestamps' | 'wall clock'}`.
 * `most`: at most so many kernels, those with the most work first.
 */
export async function runBench(lesson, { onProgress = () => {}, signal = null, most = 60 } = {}) {
  if (lesson.mode !== 'webgpu') throw problem('recorded', 'The bench needs WebGPU.');
  return lesson.turn(() => bench(lesson, { onProgress, signal, most }));
}

async function bench(lesson, { onProgress, signal, most }) {
  const timestamps = lesson.device.features.has('timestamp-query');
  await lesson.explainProgram.complete();
  const work = kernels(lesson).slice(0, most);
  const results = [];
  const stopped = () => {
    if (signal?.aborted) throw problem('stopped', 'The bench was stopped.');
  };
  for (const [at, { program, step }] of work.entries()) {
    stopped();
    onProgress(at, work.length + 2, `${step.operation} ${step.variant}`);
    const timing = await sampled((repeats) => program.time(step.step, { repeats }));
    const seconds = timing.ms / 1000;
    results.push({
      op: step.operation, variant: step.variant, case: `${lesson.network.name}/${step.case}`, ...timing,
      gflops: seconds > 0 ? step.flops / seconds / 1e9 : 0, gbps: seconds > 0 ? step.bytes / seconds / 1e9 : 0, share_of_ceiling: null,
    });
  }
  const [height, width] = lesson.network.input;
  const whole = { model: lesson.network.name, batch: 1, input: [height, width] };
  for (const [name, to] of [['forward', lesson.forwardSteps], ['grad_cam', undefined]]) {
    stopped();
    onProgress(work.length + (to ? 0 : 1), work.length + 2, name);
    const timing = await sampled(async (repeats) => {
      await lesson.device.queue.onSubmittedWorkDone();
      const start = performance.now();
      for (let i = 0; i < repeats; i += 1) lesson.explainProgram.submit({ to });
      await lesson.device.queue.onSubmittedWorkDone();
      return (performance.now() - start) / repeats;
    });
    whole[name] = { ...timing, images_per_second: 1000 / timing.ms };
  }
  // The forward pass alone has left the gradients of an earlier picture.
  lesson.explainProgram.last = null;
  const json = {
    runtime: 'browser', adapter: lesson.adapter, browser: navigator.userAgent, date: new Date().toISOString().slice(0, 10),
    version: lesson.data.program.made_by.replace(/^parula /, ''), timer: timestamps ? 'gpu timestamps' : 'host clock',
    results, models: [whole],
  };
  return { json, rows: results, clock: timestamps ? 'timestamps' : 'wall clock' };
}

/** Each kernel and shape once, of all programs that have been compiled, those with the most work first. */
function kernels(lesson) {
  const programs = [lesson.explainProgram, ...new Set(Object.values(lesson.stages).map(({ program }) => program))];
  const found = new Map();
  for (const program of programs) {
    for (const step of program.steps) {
      const key = `${step.operation} ${step.variant} ${step.case.split(', ').slice(1).join(', ')}`;
      if (step.dispatches.length > 0 && !found.has(key)) found.set(key, { program, step });
    }
  }
  return [...found.values()].sort((a, b) => b.step.flops + b.step.bytes - a.step.flops - a.step.bytes);
}

/** Samples of `once(repeats)` milliseconds a run, as `Timing` in the native program. */
async function sampled(once) {
  const first = Math.max(1e-4, await once(1));
  const repeats = Math.min(MOST_REPEATS, Math.max(1, Math.ceil(SAMPLE_MS / first)));
  const count = Math.max(3, Math.min(SAMPLES, Math.floor(BUDGET_MS / (first * repeats))));
  const times = [];
  for (let i = 0; i < count; i += 1) times.push(await once(repeats));
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.min(times.length - 1, Math.floor(share * times.length))];
  return { ms: at(0.5), ms_min: times[0], ms_q1: at(0.25), ms_q3: at(0.75), ms_max: times.at(-1), samples: count, repeats, raw_ms: times };
}
