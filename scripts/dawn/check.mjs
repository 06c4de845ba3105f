// Creates compute pipelines in Dawn, Chrome's implementation of WebGPU, on its null backend: no
// driver and no GPU are needed, and its WGSL compiler is stricter than naga's. The device has
// WebGPU's default limits and no optional feature, which is what "baseline" promises.
//
//   node check.mjs MANIFEST.json
//
// The manifest: [{"shader": NAME, "wgsl": SOURCE, "entry": ENTRY, "constants": {NAME: NUMBER}}].

import { readFile } from 'node:fs/promises';
import { create } from 'webgpu';

const fail = (message) => {
  console.error(message);
  process.exit(1);
};

const manifestPath = process.argv[2] ?? fail('usage: node check.mjs MANIFEST.json');
const read = async () => JSON.parse(await readFile(manifestPath, 'utf8'));
const pipelines = await read().catch((error) => fail(`${manifestPath}: ${error.message}`));
if (!Array.isArray(pipelines) || pipelines.length === 0) {
  fail(`${manifestPath}: not a list of pipelines, or an empty one`);
}

const gpu = create(['backend=null']);
const adapter =
  (await gpu.requestAdapter({ featureLevel: 'core' })) ??
  (await gpu.requestAdapter({ featureLevel: 'compatibility' }));
if (!adapter) fail('Dawn has no null adapter here');
const device = await adapter.requestDevice();

// One module a source: shaders with many entry points are compiled once.
const modules = new Map();

async function compile(shader, wgsl) {
  if (!modules.has(wgsl)) {
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ label: shader, code: wgsl });
    const refused = await device.popErrorScope();
    const { messages } = await module.getCompilationInfo();
    const errors = messages
      .filter(({ type }) => type === 'error')
      .map(({ lineNum, linePos, message }) => `${lineNum}:${linePos} ${message}`);
    if (refused && errors.length === 0) errors.push(refused.message);
    modules.set(wgsl, { module, errors });
  }
  return modules.get(wgsl);
}

async function problem({ shader, wgsl, entry, constants = {} }) {
  const { module, errors } = await compile(shader, wgsl);
  if (errors.length > 0) return errors.join('\n  ');
  const compute = { module, entryPoint: entry, constants };
  device.pushErrorScope('validation');
  const refused = await device
    .createComputePipelineAsync({ label: `${shader} ${entry}`, layout: 'auto', compute })
    .then(() => null, (error) => error.message);
  const scoped = await device.popErrorScope();
  return refused ?? scoped?.message ?? null;
}

let failed = 0;
for (const pipeline of pipelines) {
  const message = await problem(pipeline).catch((error) => String(error));
  if (message !== null) {
    failed += 1;
    console.error(`${pipeline.shader} ${pipeline.entry}: ${message}`);
  }
}
console.log(`Dawn: ${pipelines.length - failed} pipelines created, ${failed} failed`);
// Dawn's own clean-up at exit is not what is tested here.
process.exit(failed > 0 ? 1 : 0);
