// One run of one variant on one case: what it computes, and what it leaves alone.

import { elements } from 'lesson/plan.js';
import { Program } from 'lesson/program.js';
import { difference } from 'kernels/numbers.js';

/** What stands in memory before a run: no number, so that what is read without having been written shows. */
const PATTERN = 0x7fc0ba5e;
/** Kernels write four numbers at a time: behind a tensor's last row there may be up to three more. */
const FOURS = 4;
const READ = 0x1 | 0x8; // MAP_READ | COPY_DST

/** The mistakes that must be seen. */
export const MISTAKES = ['nothing runs', 'the reference is another', 'a number beside the output changes'];

/**
 * Runs `plan` of `check` and gives a function that reads what came of it: a promise of `{error, why}`. `error` is the largest difference
 * relative to the reference's largest magnitude; `why` is null where all is right. Reading waits long in some browsers, so several
 * may be read at a time. `spoil`: one of MISTAKES, to be made.
 */
export async function start(device, plans, numbers, check, plan, spoil = null) {
  const program = await Program.create(device, plans, plan);
  const close = () => {
    program.destroy();
    program.variables?.buffers.forEach((buffer) => buffer.destroy());
  };
  try {
    const variables = program.plan.variables ? plans.tensors(program.plan.variables) : [];
    const at = places(program, variables);
    const before = fill(program, at, numbers.tensors(check.inputs));
    if (spoil !== 'nothing runs') await program.run();
    if (spoil === 'a number beside the output changes') {
      const { buffer } = at.get(Object.keys(check.expected)[0]);
      device.queue.writeBuffer(program.buffers[buffer], program.buffers[buffer].size - 4, new Float32Array(1));
    }
    return () => contents(device, program.buffers)
      .then((after) => compare(program, at, before, after, check, numbers.tensors(check.expected), spoil))
      .finally(close);
  } catch (error) {
    close();
    throw error;
  }
}

function compare(program, at, before, after, { tolerance }, expected, spoil) {
  let error = 0;
  for (const [name, reference] of expected) {
    const truth = spoil === 'the reference is another' ? reference.map((value, i) => (i === 0 ? value + 1 : value)) : reference;
    const found = difference(dense(new Float32Array(after[at.get(name).buffer].buffer), at.get(name)), truth, tolerance);
    error = Math.max(error, found.error);
    if (found.why) return { error, why: `${name}: ${found.why}` };
  }
  return { error, why: touched(program, before, after, expected.map(([name]) => at.get(name))) };
}

/** Where each tensor that has a name lies: `{name, buffer, offset, stride, shape}`. */
function places(program, variables) {
  const { plan } = program;
  const ports = [...plan.inputs, ...plan.outputs].map((port) => [port.name, port]);
  const of = (role) => plan.buffers.findIndex((one) => one.of === 'variables' && one.role === role);
  const others = variables.map(({ name, role, offset, shape }) => [name, { name, buffer: of(role), offset, stride: channels(shape), shape }]);
  return new Map([...ports, ...others]);
}

const channels = (shape) => shape.at(-1) ?? 1;
const rows = ({ shape }) => elements(shape) / Math.max(1, channels(shape));
/** Behind a tensor's last number. */
const end = (place) => place.offset + Math.max(0, rows(place) - 1) * place.stride + channels(place.shape);

/** The words of all buffers before a run, which are written: the numbers where they belong, and the pattern. */
function fill(program, at, inputs) {
  const words = program.buffers.map((buffer) => new Uint32Array(buffer.size / 4).fill(PATTERN));
  for (const [name, data] of inputs) {
    // What no kernel reads has no place.
    const place = at.get(name);
    if (place) new Float32Array(words[place.buffer].buffer).set(data, place.offset);
  }
  program.buffers.forEach((buffer, i) => program.device.queue.writeBuffer(buffer, 0, words[i]));
  return words;
}

/** The words of all buffers, with one transfer. */
async function contents(device, buffers) {
  const size = buffers.reduce((sum, buffer) => sum + buffer.size, 0);
  const staging = device.createBuffer({ label: 'contents', size, usage: READ });
  const encoder = device.createCommandEncoder();
  let at = 0;
  const starts = buffers.map((buffer) => {
    encoder.copyBufferToBuffer(buffer, 0, staging, at, buffer.size);
    at += buffer.size;
    return at - buffer.size;
  });
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const all = staging.getMappedRange();
  const words = buffers.map((buffer, i) => new Uint32Array(all.slice(starts[i], starts[i] + buffer.size)));
  staging.unmap();
  staging.destroy();
  return words;
}

/** The rows of a tensor, side by side. */
function dense(data, { offset, stride, shape }) {
  const count = channels(shape);
  const out = new Float32Array(elements(shape));
  for (let row = 0; row * count < out.length; row += 1) out.set(data.subarray(offset + row * stride, offset + row * stride + count), row * count);
  return out;
}

/** Says which word changed that no kernel of the plan may write; null where none did. */
function touched(program, before, after, results) {
  const writes = written(program);
  for (let buffer = 0; buffer < before.length; buffer += 1) {
    const own = results.filter((place) => place.buffer === buffer);
    const free = new Uint8Array(before[buffer].length);
    for (const place of own) {
      const { offset, stride, shape } = place;
      const count = channels(shape);
      for (let row = 0; row < rows(place); row += 1) free.fill(1, offset + row * stride, offset + row * stride + count);
      free.fill(1, end(place), Math.ceil(end(place) / FOURS) * FOURS);
    }
    // Other memory is what a kernel leaves to the next one, even where the result stands afterwards: it is written as needed.
    for (const [from, to] of writes.get(buffer) ?? []) {
      if (!own.some((place) => place.offset <= from && to <= Math.ceil(end(place) / FOURS) * FOURS)) free.fill(1, from, to);
    }
    const at = before[buffer].findIndex((word, i) => word !== after[buffer][i] && free[i] === 0);
    if (at >= 0) {
      const value = new Float32Array(after[buffer].buffer)[at];
      return `word ${at} of ${program.plan.buffers[buffer].of} buffer ${buffer}, which is nobody's to write, became ${value}`;
    }
  }
  return null;
}

/** The ranges, in words, that dispatches may write, by buffer. */
function written(program) {
  const { document } = program.plans;
  const ranges = new Map();
  for (const { pipeline, bindings } of program.plan.dispatches) {
    const { shader, bindings: names } = document.pipelines[pipeline];
    for (const [binding, buffer, start, size] of bindings) {
      // `x4` is `x` in fours.
      const declared = new RegExp(`@binding\\(${binding}\\)\\s*var<storage, *read_write>\\s+${names[binding]}4?\\b`);
      if (program.plan.buffers[buffer].of === 'unused' || !declared.test(document.shaders[shader].wgsl)) continue;
      if (!ranges.has(buffer)) ranges.set(buffer, []);
      ranges.get(buffer).push([start / 4, (start + size) / 4]);
    }
  }
  return ranges;
}
