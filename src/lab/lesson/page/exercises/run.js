// Compiles a kernel of the reader's, runs it on numbers with a known answer, and compares.

import { compiled, TURNS } from 'lesson/guard.js';

/** How long a kernel may take before the page stops waiting, in milliseconds. */
const PATIENCE = 8000;

/**
 * `bindings`: [{kind: 'uniform' | 'read' | 'write', data: typed array}], in the order of their numbers in group 0.
 * `passes`: [{entry, groups}] one after the other. `turns`: how often an invocation's loops may turn in all.
 * Gives {errors} or {outputs: [ArrayBuffer of each 'write' binding, null else], stopped, milliseconds}.
 */
export async function runKernel(device, { code, bindings, passes, turns = TURNS }) {
  device.pushErrorScope('out-of-memory');
  device.pushErrorScope('validation');
  const owned = [];
  try {
    const { module, errors } = await compiled(code, { turns, flag: 'parula_stopped = 1u;' }, async (guarded) => {
      // The flag lies in a group of its own, so the numbers of the exercise's bindings stay free.
      const made = device.createShaderModule({ code: `${guarded}@group(1) @binding(0) var<storage, read_write> parula_stopped: u32;\n` });
      const { messages } = await made.getCompilationInfo();
      return { module: made, errors: messages.filter(({ type }) => type === 'error').map(({ lineNum, linePos, message }) => ({ line: lineNum, column: linePos, message })) };
    });
    if (errors.length) return await closed(device, { errors });

    const entry = (binding, kind) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type: { uniform: 'uniform', read: 'read-only-storage', write: 'storage' }[kind] } });
    const layouts = [device.createBindGroupLayout({ entries: bindings.map(({ kind }, i) => entry(i, kind)) }), device.createBindGroupLayout({ entries: [entry(0, 'write')] })];
    const layout = device.createPipelineLayout({ bindGroupLayouts: layouts });
    const pipelines = [];
    for (const { entry: entryPoint } of passes) {
      pipelines.push(await device.createComputePipelineAsync({ layout, compute: { module, entryPoint } }));
    }

    const make = (data, usage) => {
      const size = Math.max(16, Math.ceil(data.byteLength / 16) * 16);
      const buffer = device.createBuffer({ size, usage: usage | GPUBufferUsage.COPY_DST });
      device.queue.writeBuffer(buffer, 0, data.buffer, data.byteOffset, data.byteLength);
      owned.push(buffer);
      return buffer;
    };
    const buffers = bindings.map(({ kind, data }) => make(data, kind === 'uniform' ? GPUBufferUsage.UNIFORM : GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC));
    const flag = make(new Uint32Array(1), GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
    const groups = [device.createBindGroup({ layout: layouts[0], entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })) }), device.createBindGroup({ layout: layouts[1], entries: [{ binding: 0, resource: { buffer: flag } }] })];
    const encoder = device.createCommandEncoder();
    passes.forEach(({ groups: count }, i) => {
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipelines[i]);
      pass.setBindGroup(0, groups[0]);
      pass.setBindGroup(1, groups[1]);
      pass.dispatchWorkgroups(...[].concat(count));
      pass.end();
    });
    const reads = [...bindings.map(({ kind, data }, i) => (kind === 'write' ? [buffers[i], data.byteLength] : null)), [flag, 4]].map((one) => {
      if (!one) return null;
      const size = Math.ceil(one[1] / 4) * 4;
      const copy = device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
      owned.push(copy);
      encoder.copyBufferToBuffer(one[0], 0, copy, 0, size);
      return copy;
    });
    const began = performance.now();
    device.queue.submit([encoder.finish()]);
    const late = new Promise((_, reject) => { setTimeout(() => reject(new Error(`The kernel did not end within ${PATIENCE / 1000} seconds.`)), PATIENCE); });
    const mapped = Promise.all(reads.map((copy) => copy?.mapAsync(GPUMapMode.READ)));
    mapped.catch(() => {});
    await Promise.race([mapped, late]);
    const milliseconds = performance.now() - began;
    const outputs = reads.map((copy) => copy?.getMappedRange().slice(0) ?? null);
    const stopped = new Uint32Array(outputs.pop())[0] !== 0;
    return await closed(device, { outputs, stopped, milliseconds });
  } catch (error) {
    return closed(device, { errors: [{ line: 1, column: 1, message: error.message }] });
  } finally {
    owned.forEach((buffer) => buffer.destroy());
  }
}

/** What the error scopes caught is an error of the kernel's. */
async function closed(device, result) {
  const caught = (await Promise.all([device.popErrorScope(), device.popErrorScope()]).catch((error) => [error])).filter(Boolean);
  if (caught.length && !result.errors?.length) return { errors: caught.map(({ message }) => ({ line: 1, column: 1, message: message.split('\n')[0] })) };
  return result;
}

/** Numbers without a pattern, from -1 to 1, the same for the same seed. */
export function randoms(count, seed) {
  let a = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1;
  });
}

/** Runs `exercise` with the text `code` on all its cases. Gives {passed, errors, reports: [{name, ok, text}]}. */
export async function check(device, exercise, code, explanation) {
  const reports = [];
  for (const one of exercise.cases(explanation)) {
    const { errors, outputs, stopped, milliseconds } = await runKernel(device, { code, ...one, passes: one.passes });
    if (errors) return { passed: false, errors, reports };
    const got = new Float32Array(outputs[one.output]);
    const { text, ok } = stopped ? { ok: false, text: one.stopped ?? `A loop was stopped: an invocation turned ${one.turns ?? TURNS} times.` } : compare(got, one.expected, one.place);
    reports.push({ name: one.name, ok, text, milliseconds });
    if (!ok) break;
  }
  return { passed: reports.length > 0 && reports.every(({ ok }) => ok), errors: [], reports };
}

function compare(got, expected, place = (i) => `number ${i}`) {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const allowed = 1e-4 * largest + 1e-9;
  let wrong = 0;
  let first = -1;
  for (let i = 0; i < expected.length; i += 1) {
    if (!(Math.abs(got[i] - expected[i]) <= allowed)) {
      wrong += 1;
      if (first < 0) first = i;
    }
  }
  if (wrong === 0) return { ok: true, text: `all ${expected.length} numbers are right` };
  return { ok: false, text: `${wrong} of ${expected.length} numbers are wrong; the first is ${place(first)}: it is ${Number(got[first].toPrecision(5))} and should be ${Number(expected[first].toPrecision(5))}` };
}
