// Compiles kernels ahead of the checks that run them, several at a time: compiling takes far longer than running.

import { sharedBy } from 'lesson/variables.js';

/** Starts to compile all pipelines of `order`, plans by name, and puts them where programs look for theirs. */
export async function compileAhead(device, plans, order, atOnce) {
  const { modules, pipelines } = sharedBy(device, plans);
  const { document } = plans;
  const numbers = [...new Set(order.flatMap((name) => document.plans[name].dispatches.map(({ pipeline }) => pipeline)))];
  const compile = (number) => {
    const { shader, entry, constants } = document.pipelines[number];
    const { name, wgsl } = document.shaders[shader];
    if (!modules.has(shader)) modules.set(shader, device.createShaderModule({ label: name, code: wgsl }));
    const compute = { module: modules.get(shader), entryPoint: entry, constants };
    const made = device.createComputePipelineAsync({ label: entry, layout: 'auto', compute });
    pipelines.set(number, made);
    // Whoever needs the pipeline is told that there is none.
    return made.catch(() => {});
  };
  const next = async () => {
    for (let number = numbers.shift(); number !== undefined; number = numbers.shift()) {
      if (!pipelines.has(number)) await compile(number);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, next));
}
